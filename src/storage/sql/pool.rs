//! Connections kept open, and lent one at a time.
//!
//! sqlx has a pool, but each connection it takes back costs a spawned task and a round trip; here that is paid only where
//! a statement was cut off. Owns: how many connections there are, how long one is waited for, when one is trusted. Called by
//! the macros in `sql`.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::{ConnectOptions, Connection, Database};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use super::Fault;

/// How long a caller waits for a connection, a new one included.
pub const WAIT: Duration = Duration::from_secs(3);
/// A connection that lay idle for longer is asked whether it still lives before it is used.
const TRUSTED: Duration = Duration::from_secs(1);
/// How long it may take to say so. One that says nothing leads nowhere: a firewall forgot it, or its machine is gone.
const PINGING: Duration = Duration::from_millis(500);
/// How long a connection whose statement failed or was cut off may take to be mended.
pub const MENDING: Duration = Duration::from_secs(2);

type OptionsOf<DB> = <<DB as Database>::Connection as Connection>::Options;

/// Brings a connection back to where a statement can begin; false where that cannot be done.
pub type Mend<DB> = for<'c> fn(&'c mut <DB as Database>::Connection) -> Pin<Box<dyn Future<Output = bool> + Send + 'c>>;

pub struct Pool<DB: Database> {
    shared: Arc<Shared<DB>>,
}

struct Shared<DB: Database> {
    options: OptionsOf<DB>,
    size: usize,
    permits: Arc<Semaphore>,
    /// The one that was used last is at the end, and lent first.
    idle: Mutex<VecDeque<Idle<DB>>>,
    /// None for a database inside the process.
    lifetime: Option<Lifetime>,
    mend: Mend<DB>,
}

/// How long a connection over a network is kept.
#[derive(Clone, Copy)]
pub struct Lifetime {
    /// After this long it is made anew, so that a moved server is found.
    pub whole: Duration,
    /// After this long without use it is closed: sooner than a firewall in between forgets it without telling.
    pub idle: Duration,
}

struct Idle<DB: Database> {
    connection: DB::Connection,
    made: Instant,
    since: Instant,
}

/// What a pool holds at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// On loan, or being made or mended.
    pub used: usize,
    pub idle: usize,
    pub most: usize,
}

impl std::ops::Add for Connections {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { used: self.used + other.used, idle: self.idle + other.idle, most: self.most + other.most }
    }
}

impl<DB: Database> Clone for Pool<DB> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<DB: Database> Pool<DB> {
    pub fn new(options: OptionsOf<DB>, size: usize, lifetime: Option<Lifetime>, mend: Mend<DB>) -> Self {
        let size = size.max(1);
        let permits = Arc::new(Semaphore::new(size));
        Self { shared: Arc::new(Shared { options, size, permits, idle: Mutex::default(), lifetime, mend }) }
    }

    /// To the same database, with one connection of its own.
    pub fn apart(&self) -> Self {
        let shared = &self.shared;
        Self::new(shared.options.clone(), 1, shared.lifetime, shared.mend)
    }

    /// Lends a connection.
    ///
    /// # Errors
    /// Where none is free, or none can be made, within [`WAIT`].
    pub async fn lend(&self) -> Result<Lent<DB>, Fault> {
        timeout(WAIT, self.lend_unbounded()).await.unwrap_or_else(|_| Err(Fault::late("no connection became free", WAIT)))
    }

    async fn lend_unbounded(&self) -> Result<Lent<DB>, Fault> {
        let shared = &self.shared;
        let permit = Arc::clone(&shared.permits).acquire_owned().await.map_err(|_| Fault::closed())?;
        while let Some(Idle { mut connection, made, since }) = shared.pop() {
            if shared.lifetime.is_some_and(|lifetime| made.elapsed() > lifetime.whole) {
                tokio::spawn(connection.close());
                continue;
            }
            if since.elapsed() > TRUSTED && !timeout(PINGING, connection.ping()).await.is_ok_and(|pong| pong.is_ok()) {
                shared.forget();
                continue;
            }
            return Ok(Lent { connection: Some(connection), made, sound: false, permit: Some(permit), shared: Arc::clone(shared) });
        }
        let connection = shared.options.connect().await?;
        Ok(Lent { connection: Some(connection), made: Instant::now(), sound: false, permit: Some(permit), shared: Arc::clone(shared) })
    }

    /// How many connections are on loan, how many lie idle, how many there may be.
    pub fn connections(&self) -> Connections {
        let shared = &self.shared;
        let idle = shared.idle.lock().expect("no holder of this lock panics").len();
        Connections { used: shared.size.saturating_sub(shared.permits.available_permits()), idle, most: shared.size }
    }

    /// Lends nothing any more and says goodbye on every idle connection; one still on loan ends when it is given back.
    pub async fn close(&self) {
        self.shared.permits.close();
        while let Some(idle) = self.shared.pop() {
            let _ = timeout(MENDING, idle.connection.close()).await;
        }
    }
}

impl<DB: Database> Shared<DB> {
    fn pop(&self) -> Option<Idle<DB>> {
        self.idle.lock().expect("no holder of this lock panics").pop_back()
    }

    fn push(&self, connection: DB::Connection, made: Instant) {
        if self.permits.is_closed() {
            return;
        }
        let mut idle = self.idle.lock().expect("no holder of this lock panics");
        idle.push_back(Idle { connection, made, since: Instant::now() });
        let unused = self.lifetime.is_some_and(|lifetime| idle.front().is_some_and(|oldest| oldest.since.elapsed() > lifetime.idle));
        let oldest = if unused { idle.pop_front() } else { None };
        drop(idle);
        if let (Some(oldest), Ok(runtime)) = (oldest, Handle::try_current()) {
            runtime.spawn(timeout(MENDING, oldest.connection.close()));
        }
    }

    /// One connection was found dead: the others were most likely cut by the same restart.
    fn forget(&self) {
        let dead = std::mem::take(&mut *self.idle.lock().expect("no holder of this lock panics"));
        drop(dead);
    }
}

/// A connection on loan. Dropped before [`Lent::settle`] was told of a good end, it is mended before it is lent again.
pub struct Lent<DB: Database> {
    connection: Option<DB::Connection>,
    made: Instant,
    sound: bool,
    permit: Option<OwnedSemaphorePermit>,
    shared: Arc<Shared<DB>>,
}

impl<DB: Database> Lent<DB> {
    pub fn connection(&mut self) -> &mut DB::Connection {
        self.connection.as_mut().expect("present until it is dropped or closed")
    }

    /// Notes how a statement or transaction ended.
    pub fn settle(&mut self, error: Option<&sqlx::Error>) {
        match error {
            None => self.sound = true,
            Some(error) if super::is_dead(error) => {
                self.connection = None;
                self.shared.forget();
            }
            // It is mended when it is given back: a transaction may be open.
            Some(_) => {}
        }
    }
}

impl<DB: Database> Drop for Lent<DB> {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if self.sound {
            self.shared.push(connection, self.made);
            return;
        }
        // A statement failed, or the caller went away in the middle (its own client hung up) and the answer is still on its way. The place
        // stays taken until that is over.
        let (shared, made, permit) = (Arc::clone(&self.shared), self.made, self.permit.take());
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                match timeout(MENDING, (shared.mend)(&mut connection)).await {
                    Ok(true) => shared.push(connection, made),
                    Ok(false) => {}
                    // It says nothing: the others most likely neither.
                    Err(_) => shared.forget(),
                }
                drop(permit);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Sqlite;

    use super::*;

    /// A burst needs many connections; afterwards one goes on being used.
    #[tokio::test]
    async fn what_a_burst_left_behind_is_closed_and_what_is_used_is_kept() {
        let lifetime = |idle| Some(Lifetime { whole: Duration::from_secs(60), idle });
        for (lifetime, kept) in [(lifetime(Duration::from_millis(100)), 1), (lifetime(Duration::from_secs(60)), 4), (None, 4)] {
            let options = "sqlite::memory:".parse().expect("a URL");
            let pool = Pool::<Sqlite>::new(options, 4, lifetime, |_| Box::pin(async { true }));
            let use_it = async || {
                let mut lent = pool.lend().await.expect("lent");
                lent.settle(None);
                lent
            };
            let all = [use_it().await, use_it().await, use_it().await, use_it().await];
            assert_eq!(pool.connections(), Connections { used: 4, idle: 0, most: 4 });
            drop(all);
            assert_eq!(pool.connections(), Connections { used: 0, idle: 4, most: 4 });
            tokio::time::sleep(Duration::from_millis(150)).await;
            for _ in 0..8 {
                drop(use_it().await);
            }
            assert_eq!(pool.shared.idle.lock().expect("whole").len(), kept, "{:?}", lifetime.map(|lifetime| lifetime.idle));
        }
    }
}
