//! The short-lived store that replicas share. The only file that names the crate `redis`.
//!
//! One multiplexed connection, which mends itself. Every operation is one command or one script on one key, has its own short end of time, and
//! fails as [`StorageError::Unavailable`]: while Redis is down a request hears so at once, and the first one after its return gets through.

use std::time::Duration;

use async_trait::async_trait;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{ConnectionAddr, FromRedisValue, IntoConnectionInfo, Script};

use super::ephemeral::{Ephemeral, LISTED, Rule, Taken};
use super::open::{OpenError, REDIS_URL};
use super::{Result, StorageError, Time};

/// Before every key, so that one Redis can serve others too.
const PREFIX: &str = "portero:";
const CONNECTING: Duration = Duration::from_millis(500);
const ANSWERING: Duration = Duration::from_millis(500);
/// Both, and waiting for a place in the queue.
const DEADLINE: Duration = Duration::from_millis(1000);
/// A peer that has not acknowledged anything for so long is gone: the connection is made anew.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);

/// `memory::gcra` in Lua. Microseconds since 1970 fit a double exactly, but must be printed with all their digits.
/// Arguments: now, microseconds for one, microseconds for the burst. Answer: admitted (1 or 0), then what is left of the burst or is over it.
const TAKE: &str = r"
local now, every, room = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local start = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local over = start + every - now - room
if over > 0 then return {0, over} end
redis.call('SET', KEYS[1], string.format('%.0f', start + every), 'PX', math.ceil((start + every - now) / 1000) + 1000)
return {1, -over}
";

/// What an owner has, by its end. The set lives as long as what in it lives longest.
/// Arguments: now, the end (both in milliseconds), the id, how many are kept.
const ENLIST: &str = r"
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[4]))
local left = math.max(tonumber(ARGV[2]) - tonumber(ARGV[1]), 0) + 60000
if redis.call('PTTL', KEYS[1]) < left then redis.call('PEXPIRE', KEYS[1], string.format('%.0f', left)) end
return 1
";

/// Arguments: what must be there, what takes its place.
const REPLACE: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1
";

pub struct Redis {
    connection: ConnectionManager,
    take: Script,
    enlist: Script,
    replace: Script,
}

impl Redis {
    /// Connects, and proves that Redis answers.
    ///
    /// # Errors
    /// [`OpenError`], without what the URL may hold of a password.
    pub async fn open(url: &str) -> std::result::Result<Self, OpenError> {
        let (client, what) = Self::named(url)?;
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECTING))
            .set_response_timeout(Some(ANSWERING))
            // One try for each request that comes, and no waiting in between: while Redis is down, requests hear so at once.
            .set_number_of_retries(0)
            .set_pipeline_buffer_size(1024);
        let unreachable = |reason: String| OpenError::Unreachable { variable: REDIS_URL, what: what.clone(), reason };
        let connection = ConnectionManager::new_with_config(client, config).await.map_err(|error| unreachable(error.to_string()))?;
        let store = Self { connection, take: Script::new(TAKE), enlist: Script::new(ENLIST), replace: Script::new(REPLACE) };
        store.ping().await.map_err(|error| unreachable(error.to_string()))?;
        Ok(store)
    }

    /// Whom the URL names, and what an operator would call it; nobody is asked.
    ///
    /// # Errors
    /// [`OpenError::Url`].
    pub fn named(url: &str) -> std::result::Result<(redis::Client, String), OpenError> {
        let refused = |error: redis::RedisError| OpenError::Url { variable: REDIS_URL, reason: error.to_string() };
        let info = url.into_connection_info().map_err(refused)?;
        let what = match info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => format!("redis at {host}:{port}"),
            other => format!("redis at {other}"),
        };
        let settings = TcpSettings::default().set_nodelay(true).set_user_timeout(UNACKNOWLEDGED);
        Ok((redis::Client::open(info.set_tcp_settings(settings)).map_err(refused)?, what))
    }

    async fn run<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T> {
        let mut connection = self.connection.clone();
        bounded(command.query_async(&mut connection)).await
    }
}

async fn bounded<T>(answer: impl Future<Output = redis::RedisResult<T>>) -> Result<T> {
    match tokio::time::timeout(DEADLINE, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(StorageError::Unavailable(format!("redis: {error}"))),
        Err(_) => Err(StorageError::Unavailable(format!("redis did not answer within {} ms", DEADLINE.as_millis()))),
    }
}

fn name(key: &str) -> String {
    [PREFIX, key].concat()
}

fn millis(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).clamp(1, 1 << 50)
}

#[async_trait]
impl Ephemeral for Redis {
    async fn put(&self, key: &str, value: Vec<u8>, ttl: Duration) -> Result<()> {
        self.run(redis::cmd("SET").arg(name(key)).arg(value).arg("PX").arg(millis(ttl))).await
    }

    async fn put_new(&self, key: &str, value: Vec<u8>, ttl: Duration) -> Result<bool> {
        let done: Option<String> = self.run(redis::cmd("SET").arg(name(key)).arg(value).arg("NX").arg("PX").arg(millis(ttl))).await?;
        Ok(done.is_some())
    }

    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>> {
        self.run(redis::cmd("GET").arg(name(key))).await
    }

    async fn swap(&self, key: &str, value: Vec<u8>) -> Result<Option<Vec<u8>>> {
        self.run(redis::cmd("SET").arg(name(key)).arg(value).arg("XX").arg("GET").arg("KEEPTTL")).await
    }

    async fn replace(&self, key: &str, before: &[u8], value: Vec<u8>) -> Result<bool> {
        let mut connection = self.connection.clone();
        let mut call = self.replace.key(name(key));
        call.arg(before).arg(value);
        bounded(call.invoke_async(&mut connection)).await
    }

    async fn take(&self, key: &str, rule: &Rule, now: Time) -> Result<Taken> {
        let every = rule.every.as_micros().min(1 << 50);
        let room = every.saturating_mul(u128::from(rule.burst)).min(1 << 52);
        let mut connection = self.connection.clone();
        let mut call = self.take.key(name(key));
        call.arg(now.timestamp_micros()).arg(every.to_string()).arg(room.to_string());
        let (admitted, micros): (bool, u64) = bounded(call.invoke_async(&mut connection)).await?;
        if !admitted {
            return Ok(Taken::Refused { retry_after: Duration::from_micros(micros) });
        }
        let left = u128::from(micros).checked_div(every).unwrap_or(u128::from(rule.burst));
        Ok(Taken::Admitted { remaining: u32::try_from(left).unwrap_or(u32::MAX) })
    }

    async fn enlist(&self, owner: &str, id: &str, until: Time, now: Time) -> Result<()> {
        let mut connection = self.connection.clone();
        let mut call = self.enlist.key(name(owner));
        call.arg(now.timestamp_millis()).arg(until.timestamp_millis()).arg(id).arg(LISTED);
        bounded(call.invoke_async::<i64>(&mut connection)).await.map(drop)
    }

    async fn list(&self, owner: &str, limit: usize, now: Time) -> Result<Vec<String>> {
        // "(" leaves out the value itself: what ends now has ended.
        let live = format!("({}", now.timestamp_millis());
        self.run(redis::cmd("ZRANGEBYSCORE").arg(name(owner)).arg(live).arg("+inf").arg("LIMIT").arg(0).arg(limit)).await
    }

    async fn ping(&self) -> Result<()> {
        let _: String = self.run(&redis::cmd("PING")).await?;
        Ok(())
    }
}
