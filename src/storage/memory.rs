//! The short-lived store inside the process: development, and a single server without Redis.
//!
//! Owns: expiry, and a bound on its memory. What comes is spread over shards by its key. Expired values are dropped when a shard has
//! doubled since it was last swept. A full shard gives up, of a sample of values of the same kind, the one that would expire first: a flood of
//! unfinished flows costs other unfinished flows, and no codes or limits.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::ephemeral::{Ephemeral, Rule, Taken};
use super::{Result, Time};

const SHARDS: usize = 16;
/// Bytes of keys and values in a shard, with an allowance for what holds them.
const SHARD_BYTES: usize = 8 * 1024 * 1024;
const ENTRY_OVERHEAD: usize = 96;
/// Limits in a shard.
const SHARD_LIMITS: usize = 64 * 1024;
/// A shard is not swept below this many values.
const SWEEP_FROM: usize = 256;
/// How many values are looked at to find one to give up.
const SAMPLE: usize = 16;

pub struct Memory {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

#[derive(Default)]
struct Shard {
    values: HashMap<String, Value>,
    bytes: usize,
    sweep_at: usize,
    /// By key, the moment (in microseconds) at which the limit would be unused again: GCRA's theoretical arrival time.
    limits: HashMap<String, i64>,
    sweep_limits_at: usize,
}

struct Value {
    bytes: Vec<u8>,
    expires: Instant,
}

impl Default for Memory {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()), hasher: RandomState::new() }
    }
}

impl Memory {
    fn shard(&self, key: &str) -> MutexGuard<'_, Shard> {
        let shard = self.hasher.hash_one(key) as usize % SHARDS;
        self.shards[shard].lock().expect("no holder of this lock panics")
    }
}

fn kind(key: &str) -> &str {
    key.split(':').next().unwrap_or(key)
}

fn size(key: &str, bytes: &[u8]) -> usize {
    key.len() + bytes.len() + ENTRY_OVERHEAD
}

impl Shard {
    fn live(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| value.expires > Instant::now())
    }

    fn insert(&mut self, key: &str, bytes: Vec<u8>, ttl: Duration) {
        let now = Instant::now();
        if self.values.len() >= self.sweep_at.max(SWEEP_FROM) {
            self.values.retain(|_, value| value.expires > now);
            self.bytes = self.values.iter().map(|(key, value)| size(key, &value.bytes)).sum();
            self.sweep_at = 2 * self.values.len();
        }
        let wanted = size(key, &bytes);
        while self.bytes + wanted > SHARD_BYTES && self.give_up_one(kind(key)) {}
        self.bytes += wanted;
        // A time to live past the end of the clock never ends.
        let expires = now.checked_add(ttl).unwrap_or_else(|| now + Duration::from_secs(u32::MAX.into()));
        if let Some(before) = self.values.insert(key.to_owned(), Value { bytes, expires }) {
            self.bytes = self.bytes.saturating_sub(size(key, &before.bytes));
        }
    }

    /// Values of one kind live equally long, so of a sample the first to expire is the oldest. Where the kind has none, any other goes.
    fn give_up_one(&mut self, kind_wanted: &str) -> bool {
        let of_kind = self.values.iter().filter(|(key, _)| kind(key) == kind_wanted).take(SAMPLE);
        let oldest = of_kind
            .min_by_key(|(_, value)| value.expires)
            .or_else(|| self.values.iter().take(SAMPLE).min_by_key(|(_, value)| value.expires));
        let Some(key) = oldest.map(|(key, _)| key.clone()) else { return false };
        if let Some(value) = self.values.remove(&key) {
            self.bytes = self.bytes.saturating_sub(size(&key, &value.bytes));
        }
        true
    }

    fn take(&mut self, key: &str, rule: &Rule, now: i64) -> Taken {
        if self.limits.len() >= self.sweep_limits_at.max(SWEEP_FROM) {
            self.limits.retain(|_, full_again| *full_again > now);
            self.sweep_limits_at = 2 * self.limits.len();
        }
        let (taken, full_again) = gcra(self.limits.get(key).copied(), rule, now);
        if let Some(full_again) = full_again {
            if self.limits.len() >= SHARD_LIMITS {
                // The limit least used is the one whose loss gives away least.
                let least = self.limits.iter().take(SAMPLE).min_by_key(|(_, full_again)| **full_again).map(|(key, _)| key.clone());
                if let Some(least) = least {
                    self.limits.remove(&least);
                }
            }
            self.limits.insert(key.to_owned(), full_again);
        }
        taken
    }
}

/// One step of the generic cell rate algorithm in microseconds: the answer, and the new theoretical arrival time where it was admitted.
/// `redis::TAKE` is the same in Lua.
fn gcra(stored: Option<i64>, rule: &Rule, now: i64) -> (Taken, Option<i64>) {
    let every = i64::try_from(rule.every.as_micros()).unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
    let room = every.saturating_mul(i64::from(rule.burst)).min(i64::MAX / 4);
    let start = stored.unwrap_or(now).max(now);
    let next = start.saturating_add(every);
    let over = next.saturating_sub(now).saturating_sub(room);
    if over > 0 {
        return (Taken::Refused { retry_after: Duration::from_micros(over.unsigned_abs()) }, None);
    }
    let remaining = if every == 0 { i64::from(rule.burst) } else { (room - (next - now)) / every };
    (Taken::Admitted { remaining: u32::try_from(remaining).unwrap_or(0) }, Some(next))
}

#[async_trait]
impl Ephemeral for Memory {
    async fn put(&self, key: &str, value: Vec<u8>, ttl: Duration) -> Result<()> {
        self.shard(key).insert(key, value, ttl);
        Ok(())
    }

    async fn put_new(&self, key: &str, value: Vec<u8>, ttl: Duration) -> Result<bool> {
        let mut shard = self.shard(key);
        let new = shard.live(key).is_none();
        if new {
            shard.insert(key, value, ttl);
        }
        Ok(new)
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        Ok(self.shard(key).live(key).map(|value| value.bytes.clone()))
    }

    async fn swap(&self, key: &str, value: Vec<u8>) -> Result<Option<Vec<u8>>> {
        let mut shard = self.shard(key);
        let after = size(key, &value);
        let now = Instant::now();
        let Some(stored) = shard.values.get_mut(key).filter(|stored| stored.expires > now) else { return Ok(None) };
        let before = std::mem::replace(&mut stored.bytes, value);
        shard.bytes = (shard.bytes + after).saturating_sub(size(key, &before));
        Ok(Some(before))
    }

    async fn take(&self, key: &str, rule: &Rule, now: Time) -> Result<Taken> {
        Ok(self.shard(key).take(key, rule, now.timestamp_micros()))
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}
