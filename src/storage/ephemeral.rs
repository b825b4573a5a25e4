//! Short-lived facts: the contract that the in-process store and Redis keep, and the typed, sealed view on it that
//! everybody uses. Losing them costs unfinished flows, never a security fact.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::memory::Memory;
use super::{Digest, Result, StorageError, Time};
use crate::seal::{Purpose, Seal};

/// The rule of a limit: `burst` at once, then one every `every` (GCRA).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub burst: u32,
    pub every: Duration,
}

/// What a limit answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Admitted { remaining: u32 },
    Refused { retry_after: Duration },
}

/// How many ids are kept for an owner.
pub const LISTED: usize = 10_000;

/// Few atomic operations; everything short-lived is built from them. Keys hold no secret; values are sealed above.
#[async_trait]
pub trait Ephemeral: Send + Sync {
    async fn put(&self, key: &str, value: Vec<u8>, ttl: Duration) -> Result<()>;
    /// False if the key is there already.
    async fn put_new(&self, key: &str, value: Vec<u8>, ttl: Duration) -> Result<bool>;
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>>;
    /// Replaces the value of a key that is there, keeps its expiry, and answers the value before: of parallel callers exactly one
    /// sees the first value.
    async fn swap(&self, key: &str, value: Vec<u8>) -> Result<Option<Vec<u8>>>;
    /// One step of the limit `rule` under `key`, judged from `now` (microseconds matter).
    async fn take(&self, key: &str, rule: &Rule, now: Time) -> Result<Taken>;
    /// Notes that `owner` has `id` until then. Of more than [`LISTED`] those that end first are forgotten.
    async fn enlist(&self, owner: &str, id: &str, until: Time, now: Time) -> Result<()>;
    /// What `owner` has and what has not ended, what ends first in front; lost with the store.
    async fn list(&self, owner: &str, limit: usize, now: Time) -> Result<Vec<String>>;
    /// Proves that the store answers; for readiness.
    async fn ping(&self) -> Result<()>;
}

/// A short-lived record: one line each in `records.rs`.
pub trait Record: Serialize + DeserializeOwned + Send + Sync {
    /// Before the digest in its key; no two records share one.
    const PREFIX: &'static str;
    /// How long the store keeps it: garbage collection, at least as long as policy needs it.
    const LIFETIME: Duration;
}

/// What became of [`Records::redeem_if`].
#[derive(Debug, PartialEq, Eq)]
pub enum Redeemed<T> {
    /// This caller spent it.
    First(T),
    /// It was spent before.
    Again(T),
    /// The store does not know it.
    Missing,
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    spent: bool,
    value: T,
}

/// The typed view: records under the keyed digest of their id, sealed with their key's name as associated data.
#[derive(Clone)]
pub struct Records {
    pub store: Arc<dyn Ephemeral>,
    seal: Seal,
    /// Counts for [`Records::throttle`] while the store does not answer.
    local: Arc<Memory>,
}

impl Records {
    #[must_use]
    pub fn new(store: Arc<dyn Ephemeral>, seal: Seal) -> Self {
        Self { store, seal, local: Arc::default() }
    }

    fn key<T: Record>(&self, id: &str) -> String {
        format!("{}:{}", T::PREFIX, self.digest(id).hex())
    }

    /// The digest under which SQL remembers that this id was spent.
    #[must_use]
    pub fn digest(&self, id: &str) -> Digest {
        self.seal.digest(Purpose::Token, id)
    }

    /// Stores `value` under `id`, replacing what is there. `nonce` is fresh randomness.
    pub async fn put<T: Record>(&self, id: &str, value: &T, nonce: [u8; 24]) -> Result<()> {
        self.put_for(id, value, T::LIFETIME, nonce).await
    }

    /// The same for a record with a life of its own, at most that of its kind.
    pub async fn put_for<T: Record>(&self, id: &str, value: &T, lives: Duration, nonce: [u8; 24]) -> Result<()> {
        let key = self.key::<T>(id);
        let sealed = self.seal_envelope(&key, false, value, nonce)?;
        self.store.put(&key, sealed, lives.min(T::LIFETIME)).await
    }

    /// Notes that the record `id`, which is no secret, is `owner`'s.
    pub async fn enlist<T: Record>(&self, owner: &str, id: &str, until: Time, now: Time) -> Result<()> {
        self.store.enlist(&self.list_key::<T>(owner), id, until, now).await
    }

    /// The ids of an owner's records of this kind that have not ended; some of them may be spent.
    pub async fn listed<T: Record>(&self, owner: &str, limit: usize, now: Time) -> Result<Vec<String>> {
        self.store.list(&self.list_key::<T>(owner), limit, now).await
    }

    fn list_key<T: Record>(&self, owner: &str) -> String {
        format!("{}-of:{}", T::PREFIX, self.digest(owner).hex())
    }

    /// The same, if nothing is there yet.
    pub async fn put_new<T: Record>(&self, id: &str, value: &T, nonce: [u8; 24]) -> Result<bool> {
        let key = self.key::<T>(id);
        let sealed = self.seal_envelope(&key, false, value, nonce)?;
        self.store.put_new(&key, sealed, T::LIFETIME).await
    }

    /// Replaces a value that is there, keeps its expiry, and answers the one before: of parallel callers exactly one sees that one.
    pub async fn exchange<T: Record>(&self, id: &str, value: &T, nonce: [u8; 24]) -> Result<Option<T>> {
        let key = self.key::<T>(id);
        let sealed = self.seal_envelope(&key, false, value, nonce)?;
        let before = self.store.swap(&key, sealed).await?;
        Ok(before.and_then(|sealed| self.open_envelope::<T>(&key, &sealed)).map(|envelope| envelope.value))
    }

    /// A general limit: where the store does not answer, this process counts by itself. Never for what must fail closed, such as sign-in.
    pub async fn throttle(&self, key: &str, rule: &Rule, now: Time) -> Taken {
        match self.store.take(key, rule, now).await {
            Ok(taken) => taken,
            Err(fault) => {
                tracing::warn!(%fault, "a limit is counted in this process alone");
                self.local.take(key, rule, now).await.unwrap_or(Taken::Admitted { remaining: 0 })
            }
        }
    }

    pub async fn get<T: Record>(&self, id: &str) -> Result<Option<T>> {
        let key = self.key::<T>(id);
        let found = self.store.get(&key).await?;
        Ok(found.and_then(|sealed| self.open_envelope::<T>(&key, &sealed)).filter(|e| !e.spent).map(|e| e.value))
    }

    /// Reads, lets the caller check, spends. Where `check` refuses, nothing is spent; of parallel callers exactly one is `First`.
    /// `Again` still knows the value, so that a replay can revoke what the first use made.
    pub async fn redeem_if<T: Record, E>(
        &self,
        id: &str,
        nonce: [u8; 24],
        check: impl FnOnce(&T) -> std::result::Result<(), E> + Send,
    ) -> Result<std::result::Result<Redeemed<T>, E>>
    where
        E: Send,
    {
        let key = self.key::<T>(id);
        let Some(envelope) = self.store.get(&key).await?.and_then(|sealed| self.open_envelope::<T>(&key, &sealed)) else {
            return Ok(Ok(Redeemed::Missing));
        };
        if let Err(refusal) = check(&envelope.value) {
            return Ok(Err(refusal));
        }
        if envelope.spent {
            return Ok(Ok(Redeemed::Again(envelope.value)));
        }
        let tombstone = self.seal_envelope(&key, true, &envelope.value, nonce)?;
        let before = self.store.swap(&key, tombstone).await?;
        Ok(Ok(match before.and_then(|sealed| self.open_envelope::<T>(&key, &sealed)) {
            Some(Envelope { spent: false, value }) => Redeemed::First(value),
            Some(Envelope { spent: true, value }) => Redeemed::Again(value),
            None => Redeemed::Missing,
        }))
    }

    fn seal_envelope<T: Record>(&self, key: &str, spent: bool, value: &T, nonce: [u8; 24]) -> Result<Vec<u8>> {
        let plain = serde_json::to_vec(&Envelope { spent, value }).map_err(StorageError::corrupt)?;
        Ok(self.seal.seal(Purpose::Ephemeral, key.as_bytes(), &plain, nonce))
    }

    /// A value that does not open was not written by us: it counts as absent.
    fn open_envelope<T: Record>(&self, key: &str, sealed: &[u8]) -> Option<Envelope<T>> {
        let plain = self.seal.open(Purpose::Ephemeral, key.as_bytes(), sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }
}
