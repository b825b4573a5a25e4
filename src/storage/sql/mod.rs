//! The durable contracts on Postgres and on SQLite, from one SQL text.
//!
//! Owns: the two databases behind one type, the macros that run the same body on either, what counts as a fault and what is tried
//! again. A file per contract holds its statements, `pool` the connections, `migrate` the schema. sqlx is named here and nowhere else.
//!
//! - [`on!`] runs one statement outside a transaction: `on!(self.read, |db| …)`, `on!(self.write, |db| …)`.
//! - [`step!`] runs several in one transaction, and the whole once more where the database asks for it: `step!(self, |tx| …)`.
//! - [`at_once!`] is a step that is a single message to the database: `at_once!(self, &MESSAGE, |db, text| …)`.
//!
//! Whatever writes to SQLite takes turns (`writer`), and what waits at the same moment is committed together.
//!
//! A write outside a transaction that reads its `RETURNING` rows takes all of them (`fetch_all`): asked for one row, sqlx's SQLite driver
//! stops before the statement's own commit has said whether it succeeded.

macro_rules! on {
    ($sql:ident.read, |$db:ident| $body:expr) => {
        crate::storage::sql::within(async {
            match $sql {
                crate::storage::sql::Sql::Postgres(pool) => on!(@lent read, pool, $db, $body),
                crate::storage::sql::Sql::Sqlite { read: pool, .. } => on!(@lent read, pool, $db, $body),
            }
        })
        .await
    };
    ($sql:ident.write, |$db:ident| $body:expr) => {
        crate::storage::sql::within(async {
            match $sql {
                crate::storage::sql::Sql::Postgres(pool) => on!(@lent write, pool, $db, $body),
                crate::storage::sql::Sql::Sqlite { write, .. } => {
                    turns!(write, Statement, |turn| {
                        let $db = turn.connection();
                        let outcome: std::result::Result<_, sqlx::Error> = $body;
                        outcome.map_err(crate::storage::sql::Fault::Sql)
                    })
                }
            }
        })
        .await
    };
    (@lent $lane:ident, $pool:ident, $db:ident, $body:expr) => {{
        let mut tries = crate::storage::sql::Tries::default();
        loop {
            let mut lent = $pool.lend().await?;
            let outcome: std::result::Result<_, sqlx::Error> = {
                let $db = lent.connection();
                $body
            };
            lent.settle(outcome.as_ref().err());
            drop(lent);
            match outcome {
                Ok(value) => break Ok(value),
                Err(error) => tries.$lane(error).await?,
            }
        }
    }};
}

macro_rules! at_once {
    ($sql:ident, $message:expr, |$db:ident, $text:ident| $body:expr) => {
        crate::storage::sql::within(async {
            let message: &crate::storage::sql::writer::Message = $message;
            match $sql {
                crate::storage::sql::Sql::Postgres(pool) => {
                    let $text = message.postgres;
                    on!(@lent write, pool, $db, $body)
                }
                crate::storage::sql::Sql::Sqlite { write, .. } => {
                    turns!(write, Message, |turn| {
                        let $text = turn.text(message);
                        let $db = turn.connection();
                        let outcome: std::result::Result<_, sqlx::Error> = $body;
                        outcome.map_err(crate::storage::sql::Fault::Sql)
                    })
                }
            }
        })
        .await
    };
}

macro_rules! step {
    ($sql:ident, |$tx:ident| $body:expr) => {
        crate::storage::sql::within(async {
            match $sql {
                crate::storage::sql::Sql::Postgres(pool) => {
                    let mut tries = crate::storage::sql::Tries::default();
                    loop {
                        let mut lent = pool.lend().await?;
                        let mut committing = false;
                        let outcome: std::result::Result<_, crate::storage::sql::Fault> = async {
                            let mut $tx = sqlx::Connection::begin(lent.connection()).await?;
                            let value: std::result::Result<_, crate::storage::sql::Fault> = async { $body }.await;
                            match value {
                                Ok(value) => {
                                    committing = true;
                                    $tx.commit().await?;
                                    Ok(value)
                                }
                                Err(fault) => {
                                    $tx.rollback().await?;
                                    Err(fault)
                                }
                            }
                        }
                        .await;
                        lent.settle(outcome.as_ref().err().and_then(crate::storage::sql::Fault::sql));
                        drop(lent);
                        match outcome {
                            Ok(value) => break Ok(value),
                            Err(fault) => tries.step(fault, committing).await?,
                        }
                    }
                }
                crate::storage::sql::Sql::Sqlite { write, .. } => {
                    turns!(write, Step, |turn| {
                        let $tx = turn.connection();
                        let outcome: std::result::Result<_, crate::storage::sql::Fault> = async { $body }.await;
                        outcome
                    })
                }
            }
        })
        .await
    };
}

/// One turn at SQLite's writer, and another one where that is called for.
macro_rules! turns {
    ($writer:ident, $kind:ident, |$turn:ident| $body:block) => {{
        let mut tries = crate::storage::sql::Tries::default();
        loop {
            let ended = match $writer.turn(crate::storage::sql::writer::Kind::$kind, tries.apart).await {
                Ok(mut $turn) => {
                    let outcome = $body;
                    $turn.end(outcome).await
                }
                Err(stopped) => Err(stopped),
            };
            match ended {
                Ok(value) => break Ok(value),
                Err(stopped) => tries.turn(stopped).await?,
            }
        }
    }};
}

/// Inside a [`step!`]: everybody who changes the things of that name waits here for the transaction before.
macro_rules! lock {
    ($tx:ident, $name:literal) => {
        sqlx::query("UPDATE revisions SET revision = revision WHERE name = $1").bind($name).execute(&mut *$tx).await?
    };
}

/// Inside a [`step!`]: tells the other replicas that what they keep in memory under that name is stale.
macro_rules! bump {
    ($tx:ident, $name:literal) => {
        sqlx::query("UPDATE revisions SET revision = revision + 1 WHERE name = $1").bind($name).execute(&mut *$tx).await?
    };
}

/// Inside a [`step!`]: writes an audit row in its transaction.
macro_rules! audit {
    ($tx:ident, $entry:expr) => {{
        let entry: crate::storage::sql::audit::Entry<'_> = $entry;
        sqlx::query(crate::storage::sql::audit::INSERT)
            .bind(entry.at)
            .bind(entry.act)
            .bind(entry.actor)
            .bind(entry.subject)
            .bind(entry.client_id)
            .bind(entry.address)
            .bind(entry.request_id)
            .bind(entry.result)
            .bind(entry.reason)
            .bind(entry.fold)
            .execute(&mut *$tx)
            .await?
    }};
}

/// Inside a [`step!`]: puts mails into the outbox, so that they go out exactly if the step is done.
macro_rules! enqueue {
    ($tx:ident, $mails:expr) => {
        for mail in $mails {
            let mail: &crate::storage::durable::NewMail = mail;
            sqlx::query(crate::storage::sql::outbox::INSERT)
                .bind(&mail.id)
                .bind(&mail.to_address)
                .bind(&mail.kind)
                .bind(&mail.lang)
                .bind(crate::storage::sql::outbox::encoded(&mail.sealed))
                .bind(crate::storage::sql::seconds(mail.created_at))
                .execute(&mut *$tx)
                .await?;
        }
    };
}

/// Inside a [`step!`]: uses a thing that may be used once. True for whoever is first; what follows from it is done only then.
macro_rules! spend {
    ($tx:ident, $spend:expr) => {{
        let spend: &crate::storage::durable::Spend = $spend;
        sqlx::query(crate::storage::sql::spent::INSERT)
            .bind(spend.digest.hex())
            .bind(crate::storage::sql::seconds(spend.expires_at))
            .execute(&mut *$tx)
            .await?
            .rows_affected()
            == 1
    }};
}

mod accounts;
pub mod alone;
mod attempts;
mod audit;
mod clients;
pub mod connect;
mod consents;
mod grants;
mod imports;
mod keys;
pub mod migrate;
mod organizations;
mod outbox;
pub mod pool;
mod revision;
#[cfg(test)]
pub mod scratch;
mod sessions;
mod spent;
mod users;
pub mod writer;

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Postgres, Sqlite};

use super::{StorageError, Time, patience};
use crate::telemetry::metrics;
use pool::{Connections, Pool};
use writer::{Stopped, Writer};

/// The longest that any step may take, waiting for a connection and every try included.
const DEADLINE: Duration = Duration::from_secs(5);
/// How often a transaction that lost against another is run again.
const ROUNDS: u32 = 6;

/// A database, ready for use.
pub enum Sql {
    Postgres(Pool<Postgres>),
    /// SQLite has one writer at a time: asking for it here, in order, is kinder than its own waiting. An in-memory database has one
    /// connection for both.
    Sqlite {
        read: Pool<Sqlite>,
        write: Writer,
    },
}

impl Sql {
    /// For looking after the database whatever its users do: where all connections wait for a lock, one that nobody else has still answers. Readers of
    /// SQLite wait for nobody.
    pub fn apart(self: &Arc<Self>) -> Arc<Self> {
        match &**self {
            Self::Postgres(pool) => Arc::new(Self::Postgres(pool.apart())),
            Self::Sqlite { .. } => Arc::clone(self),
        }
    }

    /// What the pools hold.
    pub fn connections(&self) -> Connections {
        match self {
            Self::Postgres(pool) => pool.connections(),
            Self::Sqlite { read, write } => read.connections() + write.connections(),
        }
    }

    /// Ends every connection; SQLite folds its log into the file.
    pub async fn close(&self) {
        match self {
            Self::Postgres(pool) => pool.close().await,
            Self::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
        }
    }
}

/// Why a statement or step did not come to its end.
#[derive(Debug)]
pub enum Fault {
    Sql(sqlx::Error),
    Store(StorageError),
}

impl Fault {
    fn late(what: &str, after: Duration) -> Self {
        Self::Store(StorageError::Unavailable(format!("{what} within {} ms", after.as_millis())))
    }

    fn closed() -> Self {
        Self::Store(StorageError::Unavailable("the store is closed".to_owned()))
    }

    /// The database's own error, if it is one.
    fn sql(&self) -> Option<&sqlx::Error> {
        match self {
            Self::Sql(error) => Some(error),
            Self::Store(_) => None,
        }
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StorageError> for Fault {
    fn from(error: StorageError) -> Self {
        Self::Store(error)
    }
}

/// Unique values, by a piece of the name that both databases put into the message.
const UNIQUE: [(&str, &str); 8] = [
    ("external_ids", "external_id"),
    ("email_canonical", "email"),
    ("username_canonical", "username"),
    ("slug", "slug"),
    ("organizations", "name"),
    ("clients", "client_id"),
    ("signing_keys", "kid"),
    ("digest", "digest"),
];

impl From<Fault> for StorageError {
    fn from(fault: Fault) -> Self {
        let error = match fault {
            Fault::Store(error) => return error,
            Fault::Sql(error) => error,
        };
        match &error {
            sqlx::Error::Database(database) if database.is_unique_violation() => {
                let message = database.message();
                Self::Conflict(UNIQUE.iter().find(|(piece, _)| message.contains(piece)).map_or("id", |(_, member)| member))
            }
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => Self::corrupt(error),
            // 26000 and 42P05: a statement that was prepared here is not known there, or somebody else's has its name.
            sqlx::Error::Database(database) if database.code().is_some_and(|code| matches!(&*code, "26000" | "42P05")) => {
                Self::Unavailable(format!("{error}: a pooler in between lends a connection to several at once; let it work by session"))
            }
            _ => Self::Unavailable(error.to_string()),
        }
    }
}

/// Runs a step against the deadline and turns what stopped it into the error of the contracts.
async fn within<T>(work: impl Future<Output = Result<T, Fault>>) -> super::Result<T> {
    let outcome = patience::bounded(DEADLINE, work).await;
    let outcome = outcome.unwrap_or_else(|after| Err(Fault::late("the database did not answer", after)));
    outcome.map_err(|fault| {
        let error = StorageError::from(fault);
        if let StorageError::Unavailable(_) = error {
            metrics::store_fault("database");
        }
        error
    })
}

/// Decides, failure by failure, whether there is another try.
#[derive(Default)]
struct Tries {
    dead: u32,
    lost: u32,
    /// Is the next try to share its transaction with nobody?
    apart: bool,
}

impl Tries {
    /// A read may always be asked again.
    async fn read(&mut self, error: sqlx::Error) -> Result<(), Fault> {
        self.step(Fault::Sql(error), false).await
    }

    /// A write outside a transaction is not repeated over a dead connection: it may have been done.
    async fn write(&mut self, error: sqlx::Error) -> Result<(), Fault> {
        self.step(Fault::Sql(error), true).await
    }

    /// What was undone because of others is run again by itself.
    async fn turn(&mut self, stopped: Stopped) -> Result<(), Fault> {
        match stopped {
            Stopped::Undone if !self.apart => {
                self.apart = true;
                Ok(())
            }
            Stopped::Undone => Err(Fault::Store(StorageError::Unavailable("the transaction was undone".to_owned()))),
            Stopped::Fault { fault, may_be_done } => self.step(fault, may_be_done).await,
        }
    }

    /// Over a dead connection once more, unless the commit was under way; after losing against another transaction, a few times.
    async fn step(&mut self, fault: Fault, committing: bool) -> Result<(), Fault> {
        match fault.sql() {
            Some(error) if is_dead(error) && !committing && self.dead == 0 => self.dead += 1,
            Some(error) if is_lost(error) && self.lost < ROUNDS => {
                self.lost += 1;
                tokio::time::sleep(Duration::from_millis(2 << self.lost)).await;
            }
            _ => return Err(fault),
        }
        Ok(())
    }
}

/// The connection is of no use any more.
fn is_dead(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        // Class 08: connection exception; 57P01 to 57P05: the server is shutting down, or ended this connection.
        sqlx::Error::Database(database) => database.code().is_some_and(|code| code.starts_with("08") || code.starts_with("57P")),
        _ => false,
    }
}

/// The transaction was undone by the database in favour of another: serialization failure, deadlock, SQLite's stale snapshot.
fn is_lost(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(database) if database.code().is_some_and(|code| matches!(&*code, "40001" | "40P01" | "517")))
}

/// The pattern of a search for `text` anywhere in a value (`LIKE … ESCAPE '\'`).
fn containing(text: &str) -> String {
    format!("%{}%", escaped(text))
}

/// What has a meaning in patterns stands for itself.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 4);
    for c in text.chars() {
        if matches!(c, '%' | '_' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

/// A moment as it is stored.
fn seconds(time: Time) -> i64 {
    time.timestamp()
}

/// A length of time as it is compared with stored moments.
fn length(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX / 4)
}

/// A stored moment.
fn moment(seconds: i64) -> super::Result<Time> {
    Time::from_timestamp(seconds, 0).ok_or_else(|| StorageError::Corrupt(format!("{seconds} is no moment")))
}

fn maybe_moment(seconds: Option<i64>) -> super::Result<Option<Time>> {
    seconds.map(moment).transpose()
}
