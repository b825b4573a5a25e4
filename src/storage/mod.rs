//! What must survive, and what need not: one handle per contract.
//!
//! `durable` holds the contracts kept by SQL (`sql`: Postgres and SQLite from one text); `ephemeral` the contract of the
//! short-lived store (`memory`, `redis`) and the typed view on it; `records` every short-lived record. `conformance` is one
//! suite for each kind, run on every backend. Called by every room that keeps something; knows nothing of HTTP.

pub mod cached;
#[cfg(test)]
pub(crate) mod conformance;
pub mod durable;
pub mod ephemeral;
pub mod memory;
mod open;
pub mod patience;
pub mod records;
pub mod redis;
mod sql;

use std::sync::Arc;

pub use crate::clock::Time;
pub use crate::seal::Digest;

pub use open::{OpenError, REDIS_URL, Schema, StorageOptions, example, is_there, migrate, misnamed, pending};
pub use sql::alone::{Alone, Place};
pub use sql::pool::Connections;

use cached::CachedClients;
use durable::{
    Accounts, Attempts, Audit, Clients, Consents, Grants, Imports, Organizations, Outbox, Revisions, Sessions, SigningKeys, Spent, Users,
};
use ephemeral::Records;

pub type Result<T> = std::result::Result<T, StorageError>;

/// What a store can answer besides a result. Not found is `Option`, a conflict is named, the rest is a fault.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A unique value is taken; the name of the member.
    #[error("{0} is taken")]
    Conflict(&'static str),
    /// The only owner who can sign in cannot be disabled, deleted or lose that role.
    #[error("this is the last owner")]
    LastOwner,
    /// The store did not answer, or answered with a fault. Never a denial: 503 to whoever asked.
    #[error("the store is not available: {0}")]
    Unavailable(String),
    /// What was read makes no sense.
    #[error("a stored value cannot be read: {0}")]
    Corrupt(String),
}

impl StorageError {
    pub fn corrupt(error: impl std::fmt::Display) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// Every contract, ready for use. Cloning shares the connections.
#[derive(Clone)]
pub struct Storage {
    pub clients: Arc<dyn Clients>,
    pub users: Arc<dyn Users>,
    pub accounts: Arc<dyn Accounts>,
    pub sessions: Arc<dyn Sessions>,
    pub consents: Arc<dyn Consents>,
    pub grants: Arc<dyn Grants>,
    pub imports: Arc<dyn Imports>,
    pub keys: Arc<dyn SigningKeys>,
    pub attempts: Arc<dyn Attempts>,
    pub spent: Arc<dyn Spent>,
    pub audit: Arc<dyn Audit>,
    pub organizations: Arc<dyn Organizations>,
    pub outbox: Arc<dyn Outbox>,
    pub revisions: Arc<dyn Revisions>,
    pub ephemeral: Records,
    /// What `clients` remembers; whoever polls the revisions invalidates it.
    pub client_cache: Arc<CachedClients>,
    /// Looks after the database, whatever its users do; see [`sql::Sql::apart`].
    watch: Arc<sql::Sql>,
    sql: Arc<sql::Sql>,
    /// Of SQLite: the file that was opened.
    file: Option<sql::connect::OpenFile>,
}
