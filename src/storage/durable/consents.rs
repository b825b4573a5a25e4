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

#[async_trait]
pub trait Consents: Send + Sync {
    async fn find(&self, user_id: &str, client_id: &str) -> Result<Option<Consent>>;
    /// Remembers `scope` beside what was allowed before; by one upsert, safe beside itself.
    async fn allow(&self, user_id: &str, client_id: &str, scope: &str, now: Time, by: &Act) -> Result<()>;
    /// Forgets the permission and revokes every grant made under it; false if there was none.
    async fn withdraw(&self, user_id: &str, client_id: &str, now: Time, by: &Act) -> Result<bool>;
}
