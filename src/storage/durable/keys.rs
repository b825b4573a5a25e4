//! Signing keys, sealed. Their stage follows from their times and `now` (keys::rotation).

use async_trait::async_trait;

use super::super::{Result, Time};
use super::Act;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    pub kid: String,
    /// `RS256`, `ES256`, `EdDSA`.
    pub alg: String,
    /// Private JWK, sealed under the kid.
    pub sealed: Vec<u8>,
    /// Published from here on.
    pub created_at: Time,
    /// Signs from here on.
    pub signs_from: Time,
    /// Signs no longer; published until `removed_at`.
    pub retired_at: Option<Time>,
    pub removed_at: Option<Time>,
}

#[async_trait]
pub trait SigningKeys: Send + Sync {
    /// All, oldest first.
    async fn list(&self) -> Result<Vec<StoredKey>>;
    /// Adds a key and, in the same transaction, sets `retired_at` and `removed_at` of the others of its algorithm that have none (at `key.signs_from`,
    /// and then `keep` later). With `only_if_none`, does nothing and says false where a key of the algorithm is there: two
    /// replicas starting at once make one. With `replaces`, does nothing and says false unless that kid is the newest
    /// of its algorithm: two replicas rotating at once make one. Bumps the revision `keys`.
    async fn add(&self, key: &StoredKey, keep: std::time::Duration, only: Only<'_>, by: &Act) -> Result<bool>;
    /// Deletes keys whose `removed_at` has passed.
    async fn clean(&self, now: Time, by: &Act) -> Result<u64>;
    /// The master key's fingerprint, remembered at the first call: the answer is the one the store knows.
    async fn fingerprint(&self, mine: &str) -> Result<String>;
}

/// Under what condition [`SigningKeys::add`] acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Only<'a> {
    Always,
    IfNone,
    Replacing(&'a str),
}
