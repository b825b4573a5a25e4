//! Registered clients and the digests of their secrets.

use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::super::{Digest, Result, Time};
use super::{Act, Saved};
use crate::protocol::client::Client;

/// One of a client's secrets. Two may live side by side while a deployment changes over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSecret {
    pub digest: Digest,
    pub created_at: Time,
    pub expires_at: Option<Time>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ClientRecord {
    pub client: Arc<Client>,
    pub secrets: Vec<ClientSecret>,
    /// Made by a development server; production refuses to start beside it.
    pub demo: bool,
    pub disabled_at: Option<Time>,
    /// Changes with every change; part of what `ETag` says.
    pub revision: i64,
    pub created_at: Time,
    pub updated_at: Time,
}

/// JSON form of [`ClientSecret`] in its column.
#[derive(Serialize, Deserialize)]
pub struct StoredSecret {
    pub digest: String,
    pub created_at: i64,
    pub expires_at: Option<i64>,
}

/// Every change bumps the revision `clients` in its own transaction.
#[async_trait]
pub trait Clients: Send + Sync {
    async fn find(&self, client_id: &str) -> Result<Option<Arc<ClientRecord>>>;
    /// The same, unless it is disabled: what holds for whoever acts as a client, or in its name (RFC 9700 §2.2).
    async fn in_use(&self, client_id: &str) -> Result<Option<Arc<ClientRecord>>> {
        Ok(self.find(client_id).await?.filter(|record| record.disabled_at.is_none()))
    }
    /// Ordered by id; `after` is the last id of the page before.
    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<Arc<ClientRecord>>>;
    /// # Errors
    /// `Conflict("client_id")` where the id is taken.
    async fn create(&self, record: &ClientRecord, by: &Act) -> Result<()>;
    /// Replaces metadata, secrets and `disabled_at`, if the revision is still the one in `record`; the new one is the next. The audit trail says
    /// what was done: `client.update`, `client.rotate_secret`, `client.disable`, `client.enable`. A change that
    /// disables a client makes its live tokens inactive (the standing of a grant looks at it).
    async fn update(&self, record: &ClientRecord, by: &Act) -> Result<Saved>;
    /// Removes it with its consents and revokes its grants; false if there was none.
    async fn delete(&self, client_id: &str, now: Time, by: &Act) -> Result<bool>;
    /// Does a client that is not disabled have a redirect URI of this web origin (RFC 6454)? Pages of that origin may read answers.
    async fn has_origin(&self, origin: &str) -> Result<bool>;
    /// Is there any row made by a development server?
    async fn any_demo(&self) -> Result<bool>;
}
