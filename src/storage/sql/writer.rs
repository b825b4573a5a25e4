//! The one writer of a SQLite database: steps that wait for it share a transaction.
//!
//! What a step costs on SQLite is mostly its commit: an fsync, and every changed page written to the log. So whoever has the turn and sees
//! others waiting leaves the transaction open; those who waited add their steps to it, one after the other, and it is committed once. No step is
//! answered before that commit has succeeded. A step that nobody waits behind commits by itself, at the same cost as ever.
//!
//! - A step that fails is undone alone: each but the first runs in a savepoint. Its error, too, is told after the commit, as it may follow from what
//!   the others had written.
//! - A step whose caller goes away in the middle is undone in the same way, or was whole; the others do not notice.
//! - Where the database gave the whole transaction up, or did not commit it, nothing of it was done: every other step is run again, and this time apart,
//!   so that one which can never succeed keeps nobody from it.
//! - A commit that may or may not have happened is a fault for every step of it, and none is repeated.
//!
//! Owns: turns, savepoints, and the commit of several. Leaves to others: the connection (`pool`), what is tried again (`Tries` in `sql`). Called by the
//! macros in `sql`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sqlx::{Sqlite, SqliteConnection};
use tokio::sync::{Mutex, OwnedMutexGuard, oneshot};
use tokio::time::timeout;

use super::Fault;
use super::pool::{Connections, Lent, MENDING, Pool, WAIT};
use crate::storage::StorageError;

/// Steps in one commit: enough to forget its cost, few enough that no step waits long for those behind it.
const MOST: usize = 128;

/// Inside a transaction, what marks the beginning of a step. Every step takes its mark away again, so that there is at most one: rolling back to
/// it where it was not set is an error, and never undoes the step before.
const SET: &str = "SAVEPOINT step";
const RELEASE: &str = "RELEASE step";
const UNDO: &str = "ROLLBACK TO step; RELEASE step";

#[derive(Clone)]
pub struct Writer {
    pool: Pool<Sqlite>,
    /// Whose turn it is, in the order of asking; in it, the transaction that waits for more.
    turn: Arc<Mutex<Option<Batch>>>,
    waiting: Arc<AtomicUsize>,
}

/// What is about to be written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One statement, which is a transaction by itself.
    Statement,
    /// Several messages to the database.
    Step,
    /// Several statements in one [`Message`].
    Message,
}

/// Several statements in one message to the database. SQLite is told where the transaction begins and ends in the same message, so there are three texts; Postgres
/// has a single statement of the same effect.
pub struct Message {
    pub postgres: &'static str,
    /// A transaction of its own.
    pub alone: &'static str,
    /// The first step of a transaction.
    pub first: &'static str,
    /// One of the others.
    pub next: &'static str,
}

/// `message!(POSTGRES, statements of SQLite…)`, in pieces as for `concat!`.
macro_rules! message {
    ($postgres:expr, $($sqlite:expr),+ $(,)?) => {
        crate::storage::sql::writer::Message {
            postgres: $postgres,
            alone: concat!("BEGIN IMMEDIATE; ", $($sqlite),+, "; COMMIT"),
            first: concat!("BEGIN IMMEDIATE; ", $($sqlite),+),
            next: concat!("SAVEPOINT step; ", $($sqlite),+, "; RELEASE step"),
        }
    };
}
pub(super) use message;

/// Why a step did not come to its end.
pub enum Stopped {
    /// By its own fault, and whether it may have been done all the same.
    Fault { fault: Fault, may_be_done: bool },
    /// It was not done, because of another one in its transaction.
    Undone,
}

impl Stopped {
    fn not_done(fault: impl Into<Fault>) -> Self {
        Self::Fault { fault: fault.into(), may_be_done: false }
    }
}

/// A transaction with finished steps in it, which wait for its commit.
struct Batch {
    lent: Lent<Sqlite>,
    steps: Vec<oneshot::Sender<End>>,
}

enum End {
    Done,
    Undone,
    Unknown(String),
}

impl Writer {
    pub fn new(pool: Pool<Sqlite>) -> Self {
        Self { pool, turn: Arc::default(), waiting: Arc::default() }
    }

    /// The connection itself, outside the turns.
    ///
    /// # Errors
    /// As [`Pool::lend`].
    pub async fn lend(&self) -> Result<Lent<Sqlite>, Fault> {
        self.pool.lend().await
    }

    /// The one that there is.
    pub fn connections(&self) -> Connections {
        self.pool.connections()
    }

    /// Ends the connection; a transaction that is open is committed first.
    pub async fn close(&self) {
        let turn = timeout(MENDING, self.turn.lock()).await;
        self.pool.close().await;
        drop(turn);
    }

    /// Waits for a turn, and begins what is to be written. `apart`: with nobody else's steps in its transaction.
    ///
    /// # Errors
    /// Where it does not come within [`WAIT`], or nothing can be begun.
    pub async fn turn(&self, kind: Kind, apart: bool) -> Result<Turn, Stopped> {
        let mut held = {
            let _waits = Waits::counted(&self.waiting);
            timeout(WAIT, Arc::clone(&self.turn).lock_owned())
                .await
                .map_err(|_| Stopped::not_done(Fault::late("no turn to write came", WAIT)))?
        };
        if held.as_ref().is_some_and(|batch| apart || batch.steps.len() >= MOST) {
            // On a task of its own, as every commit that others wait for: this caller may go away.
            let committed = tokio::spawn(async move {
                commit(&mut held).await;
                held
            });
            held = committed.await.map_err(|_| Stopped::not_done(Fault::closed()))?;
        }
        let (place, lent) = match &*held {
            Some(_) => (Place::Next, None),
            None => {
                let lent = self.pool.lend().await.map_err(Stopped::not_done)?;
                let alone = kind != Kind::Step && (apart || self.waiting.load(Ordering::Relaxed) == 0);
                (if alone { Place::Alone } else { Place::First }, Some(lent))
            }
        };
        let mut turn = Turn { held: Some(held), lent, place, kind, apart, waiting: Arc::clone(&self.waiting) };
        let begin = match (place, kind) {
            (Place::Alone, _) | (_, Kind::Message) => return Ok(turn),
            (Place::First, _) => "BEGIN IMMEDIATE",
            (Place::Next, _) => SET,
        };
        match run(turn.connection(), begin).await {
            Ok(()) => Ok(turn),
            Err(error) => Err(match turn.end(Err::<(), _>(Fault::Sql(error))).await {
                Err(stopped) => stopped,
                Ok(()) => unreachable!("what failed stays failed"),
            }),
        }
    }
}

/// Who asks for a turn and has none, for as long as it lives.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn counted(waiting: &'a AtomicUsize) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Its own transaction, by a single message.
    Alone,
    /// It began the transaction, and may leave it to others.
    First,
    /// In a transaction with steps of others.
    Next,
}

/// Somebody's turn to write. Dropped before [`Turn::end`], what it wrote is undone.
pub struct Turn {
    /// None once the turn is over.
    held: Option<OwnedMutexGuard<Option<Batch>>>,
    /// The connection of whoever has no batch before them.
    lent: Option<Lent<Sqlite>>,
    place: Place,
    kind: Kind,
    apart: bool,
    waiting: Arc<AtomicUsize>,
}

impl Turn {
    pub fn connection(&mut self) -> &mut SqliteConnection {
        let lent = match &mut self.lent {
            Some(lent) => lent,
            None => {
                &mut self.held.as_mut().and_then(|held| held.as_mut()).expect("who has no connection came to a batch, which has one").lent
            }
        };
        lent.connection()
    }

    /// The text of a message, at this place.
    pub fn text(&self, message: &Message) -> &'static str {
        match self.place {
            Place::Alone => message.alone,
            Place::First => message.first,
            Place::Next => message.next,
        }
    }

    /// Passes the turn on, and answers once what was written is committed.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn end<T>(mut self, outcome: Result<T, Fault>) -> Result<T, Stopped> {
        let hears = match self.place {
            Place::Alone => {
                let mut lent = self.lent.take().expect("whoever is alone has the connection");
                lent.settle(outcome.as_ref().err().and_then(Fault::sql));
                return outcome.map_err(|fault| Stopped::Fault { fault, may_be_done: true });
            }
            Place::First => {
                let mut lent = self.lent.take().expect("whoever is first has the connection");
                if let Err(fault) = outcome {
                    // Where nothing was begun, or SQLite rolled it back, there is nothing to roll back, and the connection is mended.
                    let undone = run(lent.connection(), "ROLLBACK").await;
                    lent.settle(undone.as_ref().err());
                    return Err(Stopped::not_done(fault));
                }
                match self.leave_or_commit(lent).await? {
                    Some(hears) => hears,
                    None => return outcome.map_err(Stopped::not_done),
                }
            }
            Place::Next => match self.join(outcome.is_ok()).await {
                Ok(hears) => hears,
                Err(error) => return Err(Stopped::not_done(outcome.err().unwrap_or(Fault::Sql(error)))),
            },
        };
        hear(hears).await?;
        outcome.map_err(Stopped::not_done)
    }

    /// The end of a first step: to those who wait, if there are any.
    async fn leave_or_commit(&mut self, mut lent: Lent<Sqlite>) -> Result<Option<oneshot::Receiver<End>>, Stopped> {
        if self.apart || self.waiting.load(Ordering::Relaxed) == 0 {
            let committed = run(lent.connection(), "COMMIT").await;
            lent.settle(committed.as_ref().err());
            return committed.map(|()| None).map_err(|error| Stopped::Fault { fault: error.into(), may_be_done: true });
        }
        let mut held = self.held.take().expect("the turn is not over");
        let (tells, hears) = oneshot::channel();
        *held = Some(Batch { lent, steps: vec![tells] });
        // The commit has its turn after everybody who waits now.
        let turn = Arc::clone(OwnedMutexGuard::mutex(&held));
        tokio::spawn(async move {
            let mut held = turn.lock_owned().await;
            commit(&mut held).await;
        });
        Ok(Some(hears))
    }

    /// The end of a further step. It is part of the transaction as it is, or undone in it; or the transaction is given up.
    async fn join(&mut self, whole: bool) -> Result<oneshot::Receiver<End>, sqlx::Error> {
        let released = match whole {
            true if self.kind == Kind::Message => Ok(()),
            true => run(self.connection(), RELEASE).await,
            false => undo(self.connection()).await,
        };
        let mut held = self.held.take().expect("the turn is not over");
        if let Err(error) = released {
            give_up(&mut held, Some(&error));
            return Err(error);
        }
        let (tells, hears) = oneshot::channel();
        held.as_mut().expect("a further step has a batch").steps.push(tells);
        Ok(hears)
    }
}

impl Drop for Turn {
    /// The caller went away in the middle, and its statement may still be on its way.
    fn drop(&mut self) {
        let Some(mut held) = self.held.take() else { return };
        if self.place != Place::Next {
            // A connection that was lent is mended by itself.
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return give_up(&mut held, None) };
        runtime.spawn(async move {
            let batch = held.as_mut().expect("a further step has a batch");
            // Where there is nothing to undo, the step was whole, or never began: which of them is not known.
            if !timeout(MENDING, undo(batch.lent.connection())).await.is_ok_and(|undone| undone.is_ok()) {
                give_up(&mut held, None);
            }
        });
    }
}

async fn run(connection: &mut SqliteConnection, statement: &'static str) -> Result<(), sqlx::Error> {
    sqlx::query(statement).execute(connection).await.map(drop)
}

async fn undo(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    run(connection, UNDO).await
}

/// Nothing of it is committed: the connection is rolled back before it is lent again.
fn give_up(held: &mut Option<Batch>, error: Option<&sqlx::Error>) {
    let Some(Batch { mut lent, steps }) = held.take() else { return };
    if let Some(error) = error {
        lent.settle(Some(error));
    }
    drop(lent);
    tell(steps, || End::Undone);
}

async fn commit(held: &mut Option<Batch>) {
    let Some(Batch { mut lent, steps }) = held.take() else { return };
    let Err(error) = run(lent.connection(), "COMMIT").await else {
        lent.settle(None);
        drop(lent);
        return tell(steps, || End::Done);
    };
    // A transaction that can be rolled back was not committed. One that cannot was ended by SQLite, in whichever way.
    let undone = run(lent.connection(), "ROLLBACK").await.is_ok();
    lent.settle(Some(&error));
    drop(lent);
    let reason = error.to_string();
    tell(steps, || if undone { End::Undone } else { End::Unknown(reason.clone()) });
}

fn tell(steps: Vec<oneshot::Sender<End>>, end: impl Fn() -> End) {
    for step in steps {
        // Whoever went away does not hear it.
        let _ = step.send(end());
    }
}

async fn hear(end: oneshot::Receiver<End>) -> Result<(), Stopped> {
    match end.await {
        Ok(End::Done) => Ok(()),
        Ok(End::Undone) => Err(Stopped::Undone),
        Ok(End::Unknown(reason)) => Err(Stopped::Fault { fault: StorageError::Unavailable(reason).into(), may_be_done: true }),
        Err(_) => Err(Stopped::Fault { fault: Fault::closed(), may_be_done: true }),
    }
}
