//! One authorization: a redeemed code or a password sign-in. Its refresh generation hangs from it.

use std::time::Duration;

use async_trait::async_trait;

use super::super::{Digest, Result, Time};
use super::{Act, Proof, User};

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct GrantId(pub [u8; 16]);

impl GrantId {
    #[must_use]
    pub fn hex(&self) -> String {
        uuid::Uuid::from_bytes(self.0).simple().to_string()
    }

    #[must_use]
    pub fn parse(hex: &str) -> Option<Self> {
        (hex.len() == 32).then(|| uuid::Uuid::try_parse(hex).ok()).flatten().map(|id| Self(id.into_bytes()))
    }
}

impl std::fmt::Debug for GrantId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.hex())
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub id: GrantId,
    pub client_id: String,
    pub user_id: String,
    /// The person's session it hangs from; none for the password grant.
    pub session_id: Option<String>,
    /// It lives on after sign-out (`offline_access` was granted).
    pub offline: bool,
    /// Space-separated, as granted.
    pub scope: String,
    /// Resources granted (RFC 8707), space-separated; empty means the issuer.
    pub resource: String,
    /// The `claims` parameter as JSON, where there was one (OIDC Core §5.5).
    pub claims: Option<String>,
    pub nonce: Option<String>,
    pub auth_time: Time,
    pub acr: String,
    /// Space-separated (RFC 8176).
    pub amr: String,
    /// The generation of the newest refresh token; 0 is the first.
    pub generation: u32,
    /// When that generation was made or last used.
    pub rotated_at: Time,
    pub created_at: Time,
    /// The absolute end of its refresh tokens.
    pub expires_at: Time,
    pub revoked_at: Option<Time>,
}

/// Does a refresh token of generation `presented` ask for a lost answer again? `current` was made at `rotated_at`, which is kept in whole seconds, so
/// these are compared: a window ends up to a second late, and never early.
#[must_use]
pub fn is_retry(presented: u32, current: u32, rotated_at: Time, window: Duration, now: Time) -> bool {
    let since = u64::try_from(now.timestamp() - rotated_at.timestamp()).unwrap_or(0);
    presented.checked_add(1) == Some(current) && !window.is_zero() && since <= window.as_secs() + u64::from(window.subsec_nanos() > 0)
}

/// What became of [`Grants::open`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    Fresh,
    /// The code had opened a grant before: that one is revoked now (RFC 6749 §4.1.2).
    Replay,
    /// The person is gone: nothing was opened.
    Nobody,
}

/// What became of [`Grants::open_by_code`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenedByCode {
    /// Opened, with its person.
    Fresh(Box<User>),
    /// As [`Opened::Replay`].
    Replay,
    /// The session of the code is over, its person disabled, or the client disconnected: nothing was opened.
    Over,
}

/// What became of [`Grants::rotate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The new generation.
    Next(u32),
    /// The same successor again: the retry of an answer that was lost.
    Repeat(u32),
    /// A replay; the grant is revoked now.
    Reuse,
    /// Revoked before, or unknown.
    Gone,
}

/// What must hold of a grant for [`Grants::renew`], beside what [`Grants::refreshable`] asks.
#[derive(Clone, Copy, Debug)]
pub struct Renewal<'a> {
    pub client_id: &'a str,
    /// Of the refresh token that was presented.
    pub generation: u32,
    /// Its session may not have been unused for longer.
    pub session_idle: Duration,
    /// It may not have lain unused for longer itself.
    pub refresh_idle: Duration,
    /// The scopes that are registered for the client: the first one granted must be among them, so that not all of them are gone.
    pub scope: &'a str,
    /// May it go on where it outlives its session?
    pub offline: bool,
    /// May it go on where it names resources?
    pub resource: bool,
}

/// A code, for [`Grants::open_by_code`].
#[derive(Clone, Copy, Debug)]
pub struct ByCode<'a> {
    pub digest: &'a Digest,
    /// Its session may not have been unused for longer.
    pub idle: Duration,
    /// The person must still allow the client what they allowed it; of a deployment's own clients nobody is asked.
    pub consent: bool,
}

/// What an access token says of itself that a store can contradict.
#[derive(Clone, Copy, Debug)]
pub struct TokenRef<'a> {
    pub jti: &'a str,
    /// None for a token of the client itself.
    pub grant: Option<&'a GrantId>,
    /// The session it was issued in.
    pub sid: Option<&'a str>,
}

/// The person a token was issued for, and what was asked about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub user: User,
    /// The `claims` parameter of its grant as JSON, where there was one (OIDC Core §5.5).
    pub claims: Option<String>,
}

/// How a token stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Live, with its holder where there is one.
    Live(Option<Box<Holder>>),
    /// Revoked, logged out, its person disabled or gone.
    Dead,
}

#[async_trait]
pub trait Grants: Send + Sync {
    /// Inserts the grant. `code` is the digest of the code that opens it: a digest that is known already is a replay, and the
    /// grant it opened is revoked in this same transaction. A grant whose session has ended by then, or whose person is disabled, is
    /// revoked from the start.
    async fn open(&self, grant: &Grant, code: Option<&Digest>, by: &Act) -> Result<Opened>;
    /// Opens the grant of a password sign-in; false, and nothing done, where the password was changed, or the account disabled, since it was
    /// proved.
    async fn open_proved(&self, grant: &Grant, proof: &Proof, by: &Act) -> Result<bool>;
    /// As [`Grants::open`] for a code that was issued in a session: opens only if the session is live, as [`super::Sessions::by_id`] says, and
    /// the person has not disconnected the client since.
    async fn open_by_code(&self, grant: &Grant, code: ByCode<'_>, by: &Act) -> Result<OpenedByCode>;
    /// A code that opens nothing any more: if it opened a grant, that one is revoked and true is the answer.
    /// Only if it belongs to this client: another one that came by a code has nothing of its owner revoked.
    async fn replayed(&self, code: &Digest, client_id: &str, now: Time, by: &Act) -> Result<bool>;
    async fn find(&self, id: &GrantId) -> Result<Option<Grant>>;
    /// The grant with its person, if it may still be refreshed: not revoked, its person there and not disabled, and its session, unless it
    /// is offline, neither ended nor past `idle` or its own end. Times of the grant itself are the caller's to judge.
    async fn refreshable(&self, id: &GrantId, idle: Duration, now: Time) -> Result<Option<(Grant, User)>>;
    /// The refresh that most are, in one step: `refreshable` and the next generation of `rotate`, for a grant of this client at this generation
    /// that is neither past its end nor unused for too long. None, and nothing done, where any of it does not hold: those two say why.
    async fn renew(&self, id: &GrantId, renewal: Renewal<'_>, now: Time) -> Result<Option<(Grant, User)>>;
    /// One conditional UPDATE: next generation, the same again inside the window, or reuse, which revokes.
    async fn rotate(&self, id: &GrantId, generation: u32, window: Duration, now: Time, by: &Act) -> Result<Rotation>;
    /// For clients without rotation: notes the use, if the grant is live and at this generation; otherwise as above, since the generation may be of a time
    /// with rotation.
    async fn touch(&self, id: &GrantId, generation: u32, window: Duration, now: Time, by: &Act) -> Result<Rotation>;
    async fn revoke(&self, id: &GrantId, now: Time, by: &Act) -> Result<()>;
    /// Every grant of a person, or of a person with one client.
    async fn revoke_all(&self, user_id: &str, client_id: Option<&str>, now: Time, by: &Act) -> Result<u64>;
    /// Revokes one access token by its id until it would have expired (RFC 7009).
    async fn revoke_token(&self, jti: &str, expires_at: Time, now: Time, by: &Act) -> Result<()>;
    /// One statement: is the token still good?
    async fn standing(&self, token: TokenRef<'_>) -> Result<Standing>;
    /// Removes what expired so long ago that no replay of it needs an answer.
    async fn clean(&self, now: Time) -> Result<u64>;
}
