//! Sessions of people in browsers. The cookie's value is kept as a keyed digest; `id` is what tokens call `sid`.

use std::time::Duration;

use async_trait::async_trait;

use super::super::{Digest, Result, Time};
use super::{Act, Proof, User};
use crate::seal::{Purpose, Seal};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: String,
    pub user_id: String,
    pub auth_time: Time,
    /// `1`: a password; `2`: a further factor.
    pub acr: String,
    /// Space-separated (RFC 8176).
    pub amr: String,
    pub created_at: Time,
    pub last_seen_at: Time,
    /// The absolute end.
    pub expires_at: Time,
    pub ended_at: Option<Time>,
    pub address: Option<String>,
    pub user_agent: Option<String>,
}

/// A person who is signed in: session and account, both live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    pub session: Session,
    pub user: User,
}

/// A person who is signed in, as an authorization request sees them: no more than it decides by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    pub session_id: String,
    pub user_id: String,
    pub auth_time: Time,
    pub acr: String,
    /// Space-separated (RFC 8176).
    pub amr: String,
    /// What they have allowed the client before, space-separated; none where nothing is remembered.
    pub allowed: Option<String>,
}

/// The form of the session cookie: the session's id, a dot, and a random value whose keyed digest the row holds. The id ties the value to its
/// row: a digest that was moved to another row opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionCookie<'a> {
    pub id: &'a str,
    value: &'a str,
}

impl<'a> SessionCookie<'a> {
    /// None for what cannot be one of ours: no store is asked about it.
    #[must_use]
    pub fn parse(cookie: &'a str) -> Option<Self> {
        let (id, value) = cookie.split_once('.')?;
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        (plain(id) && plain(value) && value.len() == 43).then_some(Self { id, value })
    }

    #[must_use]
    pub fn compose(id: &str, value: &str) -> String {
        format!("{id}.{value}")
    }

    #[must_use]
    pub fn digest(&self, seal: &Seal) -> Digest {
        Self::digest_of(seal, self.value)
    }

    /// What the row of the session holds.
    #[must_use]
    pub fn digest_of(seal: &Seal, value: &str) -> Digest {
        seal.mac(Purpose::Token, &[b"session", value.as_bytes()])
    }
}

#[async_trait]
pub trait Sessions: Send + Sync {
    /// Starts `session` under the digest of a fresh cookie value. `replaces` is the session the browser had: of the same person it keeps its
    /// id and creation and gets the new digest and authentication; of another person it is ended. The answer is the id in force; none where the person is gone.
    async fn start(&self, session: &Session, digest: &Digest, replaces: Option<&str>, by: &Act) -> Result<Option<String>>;
    /// The same after a password sign-in: none, and nothing done, where the password was changed, or the account disabled, since it was proved.
    async fn start_proved(
        &self,
        session: &Session,
        digest: &Digest,
        replaces: Option<&str>,
        proof: &Proof,
        by: &Act,
    ) -> Result<Option<String>>;
    /// The live session behind a cookie: not ended, not past `expires_at` or `idle`, its person not disabled. Notes `last_seen_at` at
    /// most once a minute.
    async fn find(&self, digest: &Digest, idle: Duration, now: Time) -> Result<Option<SignedIn>>;
    /// The same for an authorization request, with what the person has allowed this client before: one statement.
    async fn visitor(&self, digest: &Digest, client_id: &str, idle: Duration, now: Time) -> Result<Option<Visitor>>;
    /// The live session of that id (for an `id_token_hint` that carries `sid`); changes nothing.
    async fn by_id(&self, id: &str, idle: Duration, now: Time) -> Result<Option<SignedIn>>;
    /// The live sessions of a person, the last seen first.
    async fn of(&self, user_id: &str, idle: Duration, now: Time) -> Result<Vec<Session>>;
    /// Ends it and revokes its grants that are not offline, in one transaction; false if it was not live.
    async fn end(&self, id: &str, now: Time, by: &Act) -> Result<bool>;
    /// Ends all of a person's sessions, except one if named, with their grants that are not offline, and those that never had a session. Answers
    /// how many sessions.
    async fn end_all(&self, user_id: &str, except: Option<&str>, now: Time, by: &Act) -> Result<u64>;
    /// How many are live: neither ended nor past `expires_at` or `idle`.
    async fn live(&self, idle: Duration, now: Time) -> Result<u64>;
    /// Removes sessions that ended or expired more than a week ago.
    async fn clean(&self, now: Time) -> Result<u64>;
}
