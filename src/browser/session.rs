//! The session cookie: a random value whose keyed digest SQL keeps. The session itself is `storage.sessions`'s.

use std::time::Duration;

use axum::http::HeaderValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::visit::{Visit, clear_cookie, set_cookie};
use crate::seal::{Digest, Purpose, Seal};
use crate::storage::durable::SignedIn;
use crate::storage::{Result, Storage, Time};
use crate::urls::Urls;

const NAME: &str = "session";

/// A fresh cookie value and the digest to store in its place.
#[derive(Debug)]
pub struct FreshSession {
    pub value: String,
    pub digest: Digest,
}

/// Made from 32 bytes of fresh randomness: far above the 128 bits that a session needs.
#[must_use]
pub fn fresh(seal: &Seal, random: [u8; 32]) -> FreshSession {
    let value = URL_SAFE_NO_PAD.encode(random);
    let digest = seal.digest(Purpose::Token, &value);
    FreshSession { value, digest }
}

/// The cookie as the browser sent it, for binding forms to it.
#[must_use]
pub fn value<'v>(visit: &'v Visit, urls: &Urls) -> Option<&'v str> {
    visit.cookie(urls, NAME)
}

/// The cookie to set after [`crate::storage::durable::Sessions::start`]. `lives` is the absolute life of a session.
#[must_use]
pub fn set(urls: &Urls, fresh: &FreshSession, lives: Duration) -> HeaderValue {
    set_cookie(urls, NAME, &fresh.value, Some(lives))
}

/// The cookie to set when a session ended.
#[must_use]
pub fn clear(urls: &Urls) -> HeaderValue {
    clear_cookie(urls, NAME)
}

/// Who is signed in in this browser. A cookie that means nothing is nobody; a store that does not answer is a fault.
pub async fn current(visit: &Visit, urls: &Urls, seal: &Seal, storage: &Storage, idle: Duration, now: Time) -> Result<Option<SignedIn>> {
    match value(visit, urls) {
        Some(value) => storage.sessions.find(&seal.digest(Purpose::Token, value), idle, now).await,
        None => Ok(None),
    }
}
