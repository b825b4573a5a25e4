//! Sessions of people in browsers: starting one, finding it again by its cookie, ending it.
//!
//! Owns: the cookie's value and its digest, ids, lifetimes. Leaves to others: the row (`storage.sessions`), the cookie's attributes
//! (`browser::session`). The value of the cookie is random and is nowhere at rest: the row has its keyed digest.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::new_id;
use crate::seal::{Digest, Purpose, Seal};
use crate::storage::durable::{Act, Session, Sessions, SignedIn};
use crate::storage::{Result, Time};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const USER_AGENT: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// It ends this long after it was last seen.
    pub idle: Duration,
    /// It ends this long after it began, seen or not.
    pub absolute: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { idle: DAY, absolute: 14 * DAY }
    }
}

/// An authentication that just happened.
#[derive(Clone, Copy, Debug)]
pub struct NewSession<'a> {
    pub user_id: &'a str,
    pub acr: &'a str,
    pub amr: &'a [&'a str],
    pub user_agent: Option<&'a str>,
    /// The session that the browser had, whoever's it was.
    pub replaces: Option<&'a str>,
}

/// The randomness of a session.
#[derive(Clone, Copy)]
pub struct Fresh {
    pub cookie: [u8; 32],
    pub id: [u8; 10],
}

#[derive(Clone, PartialEq, Eq)]
pub struct Started {
    /// What tokens call `sid`.
    pub id: String,
    /// For the browser and nobody else.
    pub cookie: String,
}

impl std::fmt::Debug for Started {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Started({})", self.id)
    }
}

/// Starts a session, or continues the one the browser had of the same person; the cookie's value is new in any case.
///
/// # Errors
/// Those of the store.
pub async fn start(
    sessions: &dyn Sessions,
    seal: &Seal,
    new: &NewSession<'_>,
    lifetimes: Lifetimes,
    fresh: Fresh,
    now: Time,
    by: &Act,
) -> Result<Started> {
    let session = Session {
        id: new_id("ses_", now, fresh.id),
        user_id: new.user_id.to_owned(),
        auth_time: now,
        acr: new.acr.to_owned(),
        amr: new.amr.join(" "),
        created_at: now,
        last_seen_at: now,
        expires_at: now + lifetimes.absolute,
        ended_at: None,
        address: by.address.map(|address| address.to_string()),
        user_agent: new.user_agent.map(|agent| agent.chars().filter(|c| !c.is_control()).take(USER_AGENT).collect()),
    };
    let cookie = URL_SAFE_NO_PAD.encode(fresh.cookie);
    let id = sessions.start(&session, &digest(seal, &cookie), new.replaces, by).await?;
    Ok(Started { id, cookie })
}

/// The live session behind a cookie. What does not look like a value of ours is nobody's, without asking the store.
///
/// # Errors
/// Those of the store: they are no sign-out.
pub async fn find(sessions: &dyn Sessions, seal: &Seal, cookie: &str, lifetimes: Lifetimes, now: Time) -> Result<Option<SignedIn>> {
    if !is_value(cookie) {
        return Ok(None);
    }
    sessions.find(&digest(seal, cookie), lifetimes.idle, now).await
}

/// Ends a session with its grants that are not offline; false if it was over already.
///
/// # Errors
/// Those of the store: the session may still be there then.
pub async fn end(sessions: &dyn Sessions, id: &str, now: Time, by: &Act) -> Result<bool> {
    sessions.end(id, now, by).await
}

fn digest(seal: &Seal, cookie: &str) -> Digest {
    seal.mac(Purpose::Token, &[b"session", cookie.as_bytes()])
}

fn is_value(cookie: &str) -> bool {
    cookie.len() == 43 && cookie.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
