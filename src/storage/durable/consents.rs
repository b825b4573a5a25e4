//! A person's remembered permission: person, client → scopes.

use async_trait::async_trait;

use super::super::{Result, Time};
use super::Act;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    pub user_id: String,
    pub client_id: String,
    /// Space-separated.
    pub scope: String,
    pub granted_at: Time,
}

/// An app that may act for a person: by a remembered permission, or by grants that needed none (a first-party client).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    pub client_id: String,
    /// Space-separated: what was permitted; of a client without a permission, what its grants hold.
    pub scope: String,
    /// When it was permitted, or first granted.
    pub since: Time,
    /// When a token was last asked for; none: never, as far as is still known.
    pub last_used: Option<Time>,
}

#[async_trait]
pub trait Consents: Send + Sync {
    /// The apps of a person, by client id. Grants that ended are not asked.
    async fn connections(&self, user_id: &str, now: Time) -> Result<Vec<Connection>>;
    async fn find(&self, user_id: &str, client_id: &str) -> Result<Option<Consent>>;
    /// Remembers `scope` beside what was allowed before; safe beside itself. False where the person or the client is gone.
    async fn allow(&self, user_id: &str, client_id: &str, scope: &str, now: Time, by: &Act) -> Result<bool>;
    /// Forgets the permission and revokes every grant of that client; false if there was neither.
    async fn withdraw(&self, user_id: &str, client_id: &str, now: Time, by: &Act) -> Result<bool>;
}
