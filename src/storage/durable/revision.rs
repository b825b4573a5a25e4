//! A counter for each thing that replicas cache; bumped in the transaction that changes it and polled by the others.

use async_trait::async_trait;

use super::super::Result;

/// Revisions by name: `clients`, `keys`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Current {
    pub clients: i64,
    pub keys: i64,
}

#[async_trait]
pub trait Revisions: Send + Sync {
    async fn current(&self) -> Result<Current>;
    /// A statement that proves the database answers; for readiness.
    async fn ping(&self) -> Result<()>;
}
