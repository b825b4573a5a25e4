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

/// What people let a client do, as far as it says whose power it has: the same scopes, allowed by people of the same roles, are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Space-separated.
    pub scope: String,
    /// Of whoever allowed it.
    pub roles: Vec<String>,
}

/// The allowances of which it was judged whether a client may be changed.
#[derive(Clone, Copy, Debug)]
pub struct Judged<'a> {
    /// Whose own permission does not count.
    pub except: Option<&'a str>,
    pub allowances: &'a [Allowance],
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
    /// Where people let it do something else by now than was `judged`, nothing is done, and it is stale. None: it may be changed, whoever allowed it what.
    async fn update(&self, record: &ClientRecord, judged: Option<Judged<'_>>, by: &Act) -> Result<Saved>;
    /// Removes it with its consents and revokes its grants; where a revision is given, only if it is still that one.
    async fn delete(&self, client_id: &str, revision: Option<i64>, now: Time, by: &Act) -> Result<Saved>;
    /// What people let it do; the permission of `except` left out. Each allowance once, in an order that stays.
    async fn allowances(&self, client_id: &str, except: Option<&str>) -> Result<Vec<Allowance>>;
    /// Does a client that is not disabled have a redirect URI of this web origin (RFC 6454)? Pages of that origin may read answers.
    async fn has_origin(&self, origin: &str) -> Result<bool>;
    /// Is there any row made by a development server?
    async fn any_demo(&self) -> Result<bool>;
}
