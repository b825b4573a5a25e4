//! Sessions of people in browsers: starting one.
//!
//! Owns: the cookie's value, ids, lifetimes. Leaves to others: the row and its end (`storage.sessions`), the cookie's form
//! (`storage::durable::SessionCookie`), its attributes and finding the session again (`browser::session`). The value of the cookie is random and is nowhere at rest: the row has its keyed digest.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::new_id;
use crate::seal::Seal;
use crate::storage::durable::{Act, Proof, Session, SessionCookie, Sessions};
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
    /// The password that was just proved; none where there is none to prove (the first administrator, a link of a mail).
    pub proof: Option<&'a Proof>,
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
/// None where the password was changed, or the account disabled or deleted, after it was proved.
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
) -> Result<Option<Started>> {
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
    let value = URL_SAFE_NO_PAD.encode(fresh.cookie);
    let digest = SessionCookie::digest_of(seal, &value);
    let id = match new.proof {
        Some(proof) => sessions.start_proved(&session, &digest, new.replaces, proof, by).await?,
        None => sessions.start(&session, &digest, new.replaces, by).await?,
    };
    Ok(id.map(|id| Started { cookie: SessionCookie::compose(&id, &value), id }))
}
