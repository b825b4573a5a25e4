//! The short-lived store inside the process: development, and a single server without Redis.
//!
//! Owns: expiry, and a bound on its memory. What comes is spread over shards by its key. Expired values are dropped when a shard has
//! doubled since it was last swept. A full shard gives up the oldest value of the kind it holds most of: a flood of unfinished flows
//! costs other unfinished flows, and no codes or limits.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::ephemeral::{Ephemeral, LISTED, Rule, Taken};
use super::{Result, Time};

const SHARDS: usize = 16;
/// Bytes of keys and values in a shard, with an allowance for what holds them.
const SHARD_BYTES: usize = 8 * 1024 * 1024;
const ENTRY_OVERHEAD: usize = 160;
/// Limits in a shard.
const SHARD_LIMITS: usize = 64 * 1024;
/// A shard is not swept below this many values.
const SWEEP_FROM: usize = 256;
/// How many limits are looked at to find one to give up.
const SAMPLE: usize = 16;

pub struct Memory {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
}

#[derive(Default)]
struct Shard {
    values: HashMap<Arc<str>, Value>,
    bytes: usize,
    sweep_at: usize,
    /// By kind, keys in the order in which they came. An entry whose serial is not the value's any more is stale.
    order: HashMap<String, VecDeque<(u64, Arc<str>)>>,
    stale: usize,
    serial: u64,
    /// By key, the moment (in microseconds) at which the limit would be unused again: GCRA's theoretical arrival time.
    limits: HashMap<String, i64>,
    sweep_limits_at: usize,
    /// By owner, what they have: when it ends (in milliseconds), and its id.
    lists: HashMap<String, BTreeSet<(i64, String)>>,
    sweep_lists_at: usize,
}

struct Value {
    bytes: Vec<u8>,
    expires: Instant,
    serial: u64,
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
        self.stale += usize::from(self.remove(key));
        if self.values.len() >= self.sweep_at.max(SWEEP_FROM) || self.stale > self.values.len() + SWEEP_FROM {
            self.sweep(now);
        }
        let wanted = size(key, &bytes);
        while self.bytes + wanted > SHARD_BYTES && self.give_up_one() {}
        self.bytes += wanted;
        self.serial += 1;
        // A time to live past the end of the clock never ends.
        let expires = now.checked_add(ttl).unwrap_or_else(|| now + Duration::from_secs(u32::MAX.into()));
        let key: Arc<str> = key.into();
        self.order.entry(kind(&key).to_owned()).or_default().push_back((self.serial, Arc::clone(&key)));
        self.values.insert(key, Value { bytes, expires, serial: self.serial });
    }

    fn remove(&mut self, key: &str) -> bool {
        let Some(value) = self.values.remove(key) else { return false };
        self.bytes = self.bytes.saturating_sub(size(key, &value.bytes));
        true
    }

    fn sweep(&mut self, now: Instant) {
        let Self { values, order, .. } = self;
        values.retain(|_, value| value.expires > now);
        order.retain(|_, keys| {
            keys.retain(|(serial, key)| values.get(key).is_some_and(|value| value.serial == *serial));
            !keys.is_empty()
        });
        self.stale = 0;
        self.bytes = self.values.iter().map(|(key, value)| size(key, &value.bytes)).sum();
        self.sweep_at = 2 * self.values.len();
    }

    fn give_up_one(&mut self) -> bool {
        while let Some(keys) = self.order.values_mut().max_by_key(|keys| keys.len()) {
            let Some((serial, key)) = keys.pop_front() else { return false };
            if self.values.get(&key).is_some_and(|value| value.serial == serial) {
                return self.remove(&key);
            }
            self.stale = self.stale.saturating_sub(1);
        }
        false
    }

    fn enlist(&mut self, owner: &str, id: &str, until: i64, now: i64) {
        if self.lists.len() >= self.sweep_lists_at.max(SWEEP_FROM) {
            self.lists.retain(|_, list| list.last().is_some_and(|(until, _)| *until > now));
            self.sweep_lists_at = 2 * self.lists.len();
        }
        let list = self.lists.entry(owner.to_owned()).or_default();
        *list = list.split_off(&(now.saturating_add(1), String::new()));
        list.retain(|(_, known)| known != id);
        list.insert((until, id.to_owned()));
        while list.len() > LISTED {
            list.pop_first();
        }
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

    async fn replace(&self, key: &str, before: &[u8], value: Vec<u8>) -> Result<bool> {
        let mut shard = self.shard(key);
        let after = size(key, &value);
        let now = Instant::now();
        let Some(stored) = shard.values.get_mut(key).filter(|stored| stored.expires > now && stored.bytes == before) else {
            return Ok(false);
        };
        stored.bytes = value;
        shard.bytes = (shard.bytes + after).saturating_sub(size(key, before));
        Ok(true)
    }

    async fn take(&self, key: &str, rule: &Rule, now: Time) -> Result<Taken> {
        Ok(self.shard(key).take(key, rule, now.timestamp_micros()))
    }

    async fn enlist(&self, owner: &str, id: &str, until: Time, now: Time) -> Result<()> {
        self.shard(owner).enlist(owner, id, until.timestamp_millis(), now.timestamp_millis());
        Ok(())
    }

    async fn list(&self, owner: &str, limit: usize, now: Time) -> Result<Vec<String>> {
        let shard = self.shard(owner);
        let live = (now.timestamp_millis().saturating_add(1), String::new());
        let ids = shard.lists.get(owner).into_iter().flat_map(|list| list.range(live.clone()..));
        Ok(ids.take(limit).map(|(_, id)| id.clone()).collect())
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_flood_of_one_kind_costs_that_kind() {
        let memory = Memory::default();
        for n in 0..100 {
            memory.put(&format!("code:{n}"), vec![0; 100], LONG / 2).await.expect("put");
        }
        let flood = vec![0; 4096];
        for n in 0..60_000 {
            memory.put(&format!("flow:{n}"), flood.clone(), LONG).await.expect("put");
        }
        let mut bytes = 0;
        for shard in &memory.shards {
            let shard = shard.lock().expect("no holder panics");
            let counted: usize = shard.values.iter().map(|(key, value)| size(key, &value.bytes)).sum();
            assert_eq!(shard.bytes, counted, "the account is right");
            assert!(shard.bytes <= SHARD_BYTES);
            bytes += shard.bytes;
        }
        assert!(bytes > SHARDS * SHARD_BYTES * 9 / 10, "what fits is kept: {bytes}");
        for n in 0..100 {
            assert!(memory.get(&format!("code:{n}")).await.expect("answered").is_some(), "code {n}");
        }
        assert!(memory.get("flow:59999").await.expect("answered").is_some(), "the newest is there");
        assert!(memory.get("flow:0").await.expect("answered").is_none(), "the oldest is not");
    }

    #[tokio::test]
    async fn a_value_written_over_and_over_stays_one() {
        let memory = Memory::default();
        for n in 0..20_000_u32 {
            memory.put("flow:1", n.to_be_bytes().to_vec(), LONG).await.expect("put");
        }
        let shard = memory.shard("flow:1");
        assert_eq!((shard.values.len(), shard.bytes), (1, size("flow:1", &[0; 4])));
        assert!(shard.order["flow"].len() <= 2 * SWEEP_FROM, "{}", shard.order["flow"].len());
    }

    #[tokio::test]
    async fn what_expired_is_swept() {
        let memory = Memory::default();
        for n in 0..20_000 {
            memory.put(&format!("flow:{n}"), vec![0; 10], Duration::from_nanos(1)).await.expect("put");
        }
        let kept: usize = memory.shards.iter().map(|shard| shard.lock().expect("no holder panics").values.len()).sum();
        assert!(kept <= SHARDS * SWEEP_FROM, "{kept}");
        // A value larger than all the room is still kept, alone.
        memory.put("flow:large", vec![0; 2 * SHARD_BYTES], LONG).await.expect("put");
        assert!(memory.get("flow:large").await.expect("answered").is_some());
    }

    #[tokio::test]
    async fn limits_that_are_whole_again_are_swept() {
        let memory = Memory::default();
        let rule = Rule { burst: 1, every: Duration::from_secs(1) };
        for n in 0..50_000_i64 {
            let now = Time::from_timestamp(1_000_000 + n, 0).expect("a moment");
            memory.take(&format!("address:{n}"), &rule, now).await.expect("answered");
        }
        let kept: usize = memory.shards.iter().map(|shard| shard.lock().expect("no holder panics").limits.len()).sum();
        assert!(kept <= SHARDS * SWEEP_FROM, "{kept}");
    }
}
