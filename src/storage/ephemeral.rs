//! Short-lived facts: the contract that the in-process store and Redis keep, and the typed, sealed view on it that
//! everybody uses. Losing them costs unfinished flows, never a security fact.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Serialize, de::DeserializeOwned};

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
    /// Replaces the value of a key that is there, if it is still `before`; keeps its expiry. Of parallel callers who read the same, one is told true.
    async fn replace(&self, key: &str, before: &[u8], value: Vec<u8>) -> Result<bool>;
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

/// A record as it was when it was read: what [`Records::replace`] compares with.
#[derive(Debug)]
pub struct Version(Vec<u8>);

/// What a record looks like under its seal: whether it was spent, then the value as JSON.
const FRESH: u8 = 0;
const SPENT: u8 = 1;

/// A record that was read.
struct Opened<T> {
    /// The bytes under the seal.
    plain: Vec<u8>,
    value: T,
}

impl<T> Opened<T> {
    fn is_spent(&self) -> bool {
        self.plain.first() != Some(&FRESH)
    }
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
        self.store.put(&key, self.close(&key, &fresh(value)?, nonce), lives.min(T::LIFETIME)).await
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
        self.store.put_new(&key, self.close(&key, &fresh(value)?, nonce), T::LIFETIME).await
    }

    /// Replaces a value that is there, keeps its expiry, and answers the one before: of parallel callers exactly one sees that one.
    pub async fn exchange<T: Record>(&self, id: &str, value: &T, nonce: [u8; 24]) -> Result<Option<T>> {
        let key = self.key::<T>(id);
        let before = self.store.swap(&key, self.close(&key, &fresh(value)?, nonce)).await?;
        Ok(before.and_then(|sealed| self.open::<T>(&key, &sealed)).map(|opened| opened.value))
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
        Ok(self.read(id).await?.map(|(value, _)| value))
    }

    /// The same for whoever means to change it.
    pub async fn read<T: Record>(&self, id: &str) -> Result<Option<(T, Version)>> {
        let key = self.key::<T>(id);
        let Some(sealed) = self.store.get(&key).await? else { return Ok(None) };
        let opened = self.open::<T>(&key, &sealed).filter(|opened| !opened.is_spent());
        Ok(opened.map(|Opened { value, .. }| (value, Version(sealed))))
    }

    /// Replaces the record, if it is still as it was read; false where somebody changed or spent it meanwhile, or it is over. It ends when it would have.
    pub async fn replace<T: Record>(&self, id: &str, before: &Version, value: &T, nonce: [u8; 24]) -> Result<bool> {
        let key = self.key::<T>(id);
        let sealed = self.close(&key, &fresh(value)?, nonce);
        self.store.replace(&key, &before.0, sealed).await
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
        let Some(sealed) = self.store.get(&key).await? else { return Ok(Ok(Redeemed::Missing)) };
        let Some(mut opened) = self.open::<T>(&key, &sealed) else { return Ok(Ok(Redeemed::Missing)) };
        if let Err(refusal) = check(&opened.value) {
            return Ok(Err(refusal));
        }
        if opened.is_spent() {
            return Ok(Ok(Redeemed::Again(opened.value)));
        }
        opened.plain[0] = SPENT;
        let before = self.store.swap(&key, self.close(&key, &opened.plain, nonce)).await?;
        Ok(Ok(match before {
            // What was read and checked, and nobody came between.
            Some(before) if before == sealed => Redeemed::First(opened.value),
            Some(before) => match self.open::<T>(&key, &before) {
                Some(other) if other.is_spent() => Redeemed::Again(other.value),
                Some(other) => Redeemed::First(other.value),
                None => Redeemed::Missing,
            },
            None => Redeemed::Missing,
        }))
    }

    fn close(&self, key: &str, plain: &[u8], nonce: [u8; 24]) -> Vec<u8> {
        self.seal.seal(Purpose::Ephemeral, key.as_bytes(), plain, nonce)
    }

    /// A value that does not open was not written by us: it counts as absent.
    fn open<T: Record>(&self, key: &str, sealed: &[u8]) -> Option<Opened<T>> {
        let plain = self.seal.open(Purpose::Ephemeral, key.as_bytes(), sealed).ok()?;
        let value = serde_json::from_slice(plain.get(1..)?).ok()?;
        Some(Opened { plain, value })
    }
}

/// A record that was not spent, as its seal closes over it.
fn fresh<T: Record>(value: &T) -> Result<Vec<u8>> {
    let mut plain = vec![FRESH];
    serde_json::to_writer(&mut plain, value).map_err(StorageError::corrupt)?;
    Ok(plain)
}
