//! What may be used once and was: the last word on every link, code and one-time token, whatever the short-lived store remembers.

use async_trait::async_trait;

use super::super::{Digest, Result, Time};
use super::Act;

/// One use. Steps that a link or code leads to take it and write it in their own transaction (`spend!` in `sql`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spend {
    pub digest: Digest,
    /// When the thing itself ends: the row is kept until then.
    pub expires_at: Time,
}

#[async_trait]
pub trait Spent: Send + Sync {
    /// Uses it: true for exactly one caller, ever. The audit row names `act` and `subject`; being late is a refused act.
    async fn spend(&self, spend: &Spend, act: &'static str, subject: Option<String>, now: Time, by: &Act) -> Result<bool>;
    /// Was it used? For pages that show before they ask; the use itself decides.
    async fn is_spent(&self, digest: &Digest) -> Result<bool>;
    /// Forgets what ended more than a day ago.
    async fn clean(&self, now: Time) -> Result<u64>;
}
