//! The session cookie: a random value whose keyed digest SQL keeps. The session itself is `storage.sessions`'s.

use std::time::Duration;

use super::visit::{Visit, clear_cookie, set_cookie};
use crate::seal::Seal;
use crate::storage::durable::{SessionCookie, SignedIn, Visitor};
use crate::storage::{Result, Storage, Time};
use crate::urls::Urls;
use axum::http::HeaderValue;

const NAME: &str = "session";

/// The cookie as the browser sent it, for binding forms to it.
#[must_use]
pub fn value<'v>(visit: &'v Visit, urls: &Urls) -> Option<&'v str> {
    visit.cookie(urls, NAME)
}

/// The cookie to set when a session started. `value` is what `accounts::sessions` made, `lives` the absolute life of a session.
#[must_use]
pub fn set(urls: &Urls, value: &str, lives: Duration) -> HeaderValue {
    set_cookie(urls, NAME, value, Some(lives))
}

/// The cookie to set when a session ended.
#[must_use]
pub fn clear(urls: &Urls) -> HeaderValue {
    clear_cookie(urls, NAME)
}

/// Who is signed in in this browser. A cookie that means nothing is nobody; a store that does not answer is a fault.
pub async fn current(visit: &Visit, urls: &Urls, seal: &Seal, storage: &Storage, idle: Duration, now: Time) -> Result<Option<SignedIn>> {
    let Some(cookie) = value(visit, urls).and_then(SessionCookie::parse) else { return Ok(None) };
    let found = storage.sessions.find(&cookie.digest(seal), idle, now).await?;
    Ok(found.filter(|signed_in| signed_in.session.id == cookie.id))
}

/// The same for an authorization request of a client: with what the person has allowed it before.
pub async fn visitor(
    visit: &Visit,
    urls: &Urls,
    seal: &Seal,
    storage: &Storage,
    client_id: &str,
    idle: Duration,
    now: Time,
) -> Result<Option<Visitor>> {
    let Some(cookie) = value(visit, urls).and_then(SessionCookie::parse) else { return Ok(None) };
    let found = storage.sessions.visitor(&cookie.digest(seal), client_id, idle, now).await?;
    Ok(found.filter(|visitor| visitor.session_id == cookie.id))
}
