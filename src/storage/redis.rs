//! The short-lived store that replicas share. The only file that names the crate `redis`.
//!
//! One multiplexed connection, which mends itself: where it was cut, or leads nowhere, another one takes its place. Every operation is one command
//! or one script on one key, has its own short end of time, and fails as [`StorageError::Unavailable`]: while Redis is down a request hears so at
//! once, and the first one after its return gets through.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{ConnectionAddr, ErrorKind, FromRedisValue, IntoConnectionInfo, Script, ServerErrorKind};
use tokio::time::Instant;

use super::ephemeral::{Ephemeral, LISTED, Rule, Taken};
use super::open::{OpenError, REDIS_URL};
use super::{Result, StorageError, Time, patience};
use crate::telemetry::metrics;

/// Before every key, so that one Redis can serve others too.
const PREFIX: &str = "portero:";
const CONNECTING: Duration = Duration::from_millis(500);
const ANSWERING: Duration = Duration::from_millis(500);
/// Both, and waiting for a place in the queue.
const DEADLINE: Duration = Duration::from_millis(1000);
/// A peer that has not acknowledged anything for so long is gone: the connection is made anew.
const UNACKNOWLEDGED: Duration = Duration::from_secs(5);
/// A connection that was quiet for longer is asked whether it still leads anywhere: Redis (`timeout`) or a firewall has closed it, perhaps.
const TRUSTED: Duration = Duration::from_secs(1);
/// How long it may take to say so.
const PINGING: Duration = Duration::from_millis(250);
/// So many commands in a row without an answer: their connection is given up, although its peer acknowledges what is sent. Redis itself may be
/// slow, and then another connection does no harm.
const UNANSWERED: u32 = 3;

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
    client: redis::Client,
    line: ArcSwap<Line>,
    take: Script,
    enlist: Script,
    replace: Script,
}

/// A connection, made anew by itself where it was cut.
struct Line {
    connection: ConnectionManager,
    /// Commands in a row that it left without an answer.
    unanswered: AtomicU32,
    made: Instant,
    /// When it answered last, in milliseconds since it was made.
    answered: AtomicU64,
}

impl Line {
    fn new(client: redis::Client) -> redis::RedisResult<Arc<Self>> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(CONNECTING))
            .set_response_timeout(Some(ANSWERING))
            // One try for each request that comes, and no waiting in between: while Redis is down, requests hear so at once.
            .set_number_of_retries(0)
            .set_pipeline_buffer_size(1024);
        let connection = ConnectionManager::new_lazy_with_config(client, config)?;
        Ok(Arc::new(Self { connection, unanswered: AtomicU32::new(0), made: Instant::now(), answered: AtomicU64::new(0) }))
    }

    fn age(&self) -> u64 {
        u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_quiet(&self) -> bool {
        u128::from(self.age().saturating_sub(self.answered.load(Ordering::Relaxed))) > TRUSTED.as_millis()
    }
}

impl Redis {
    /// Connects, and proves that Redis answers.
    ///
    /// # Errors
    /// [`OpenError`], without what the URL may hold of a password.
    pub async fn open(url: &str) -> std::result::Result<Self, OpenError> {
        let (client, what) = Self::named(url)?;
        let unreachable = |reason: String| OpenError::Unreachable { variable: REDIS_URL, what: what.clone(), reason };
        let line = Line::new(client.clone()).map_err(|error| unreachable(error.to_string()))?;
        let [take, enlist, replace] = [TAKE, ENLIST, REPLACE].map(Script::new);
        let store = Self { client, line: ArcSwap::new(line), take, enlist, replace };
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

    /// Changes who may do what.
    #[cfg(test)]
    pub async fn acl(&self, words: &[&str]) {
        self.run::<()>(redis::cmd("ACL").arg(words)).await.expect("done");
    }

    async fn run<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T> {
        self.ask(async |mut connection| command.query_async(&mut connection).await).await
    }

    async fn invoke<T: FromRedisValue>(&self, call: &redis::ScriptInvocation<'_>) -> Result<T> {
        self.ask(async |mut connection| call.invoke_async(&mut connection).await).await
    }

    async fn ask<T>(&self, call: impl AsyncFnOnce(ConnectionManager) -> redis::RedisResult<T>) -> Result<T> {
        let line = self.trusted().await;
        let answer = patience::bounded(DEADLINE, call(line.connection.clone())).await;
        self.heard(&line, &answer);
        let fault = match answer {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => format!("redis: {error}"),
            Err(after) => format!("redis did not answer within {} ms", after.as_millis()),
        };
        metrics::store_fault("short_lived");
        Err(StorageError::Unavailable(fault))
    }

    /// The line that there is, or another one. Where it was closed meanwhile, asking makes it anew, and no command is lost by finding out.
    async fn trusted(&self) -> Arc<Line> {
        let line = self.line.load_full();
        if !line.is_quiet() {
            return line;
        }
        let pong = tokio::time::timeout(PINGING, redis::cmd("PING").query_async::<()>(&mut line.connection.clone())).await;
        if pong.is_ok() {
            return line;
        }
        self.replace_line(&line);
        self.line.load_full()
    }

    /// A line that keeps silent, or leads to a Redis which is not the one that takes what is written (any more), is replaced by whoever notices.
    fn heard<T>(&self, line: &Arc<Line>, answer: &std::result::Result<redis::RedisResult<T>, Duration>) {
        let error = match answer {
            Ok(Ok(_)) => None,
            Ok(Err(error)) if !error.is_timeout() => Some(error.kind()),
            _ if line.unanswered.fetch_add(1, Ordering::Relaxed) + 1 < UNANSWERED => return,
            _ => return self.replace_line(line),
        };
        line.unanswered.store(0, Ordering::Relaxed);
        match error {
            None => line.answered.store(line.age(), Ordering::Relaxed),
            Some(ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown)) => self.replace_line(line),
            Some(_) => {}
        }
    }

    fn replace_line(&self, line: &Arc<Line>) {
        if let Ok(other) = Line::new(self.client.clone()) {
            self.line.compare_and_swap(line, other);
        }
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
        let mut call = self.replace.key(name(key));
        self.invoke(call.arg(before).arg(value)).await
    }

    async fn take(&self, key: &str, rule: &Rule, now: Time) -> Result<Taken> {
        let every = rule.every.as_micros().min(1 << 50);
        let room = every.saturating_mul(u128::from(rule.burst)).min(1 << 52);
        let mut call = self.take.key(name(key));
        let (admitted, micros): (bool, u64) =
            self.invoke(call.arg(now.timestamp_micros()).arg(every.to_string()).arg(room.to_string())).await?;
        if !admitted {
            return Ok(Taken::Refused { retry_after: Duration::from_micros(micros) });
        }
        let left = u128::from(micros).checked_div(every).unwrap_or(u128::from(rule.burst));
        Ok(Taken::Admitted { remaining: u32::try_from(left).unwrap_or(u32::MAX) })
    }

    async fn enlist(&self, owner: &str, id: &str, until: Time, now: Time) -> Result<()> {
        let mut call = self.enlist.key(name(owner));
        let _: i64 = self.invoke(call.arg(now.timestamp_millis()).arg(until.timestamp_millis()).arg(id).arg(LISTED)).await?;
        Ok(())
    }

    async fn list(&self, owner: &str, limit: usize, now: Time) -> Result<Vec<String>> {
        // "(" leaves out the value itself: what ends now has ended.
        let live = format!("({}", now.timestamp_millis());
        self.run(redis::cmd("ZRANGEBYSCORE").arg(name(owner)).arg(live).arg("+inf").arg("LIMIT").arg(0).arg(limit)).await
    }

    /// By a write: a Redis that is full, or a replica, answers a PING.
    async fn ping(&self) -> Result<()> {
        self.put("ready", vec![b'1'], Duration::from_secs(1)).await
    }
}
