//! From a database URL to [`Sql`]: which database it names, and how each is spoken to.

use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, PgConnection, Row as _, SqliteConnection};

use super::super::open::{DATABASE_URL, OpenError};
use super::pool::{Lifetime, Pool};
use super::writer::Writer;
use super::{Fault, Sql, StorageError};

/// Statements kept prepared on each connection: more than there are.
const STATEMENTS: usize = 256;
/// How long Postgres works on a statement, as it shows it.
const STATEMENT: &str = "3s";
const POOLER: &str = "A pooler in between keeps the settings of a connection from Postgres: name Postgres itself, or a pooler by session (PgBouncer: \
    pool_mode=session, ignore_startup_parameters=options,extra_float_digits) after ALTER ROLE … SET statement_timeout = '3s'";
/// The log of SQLite is cut back to so many bytes when it begins anew.
const LOG: u64 = 64 << 20;
/// How long SQLite waits for a lock that another process holds.
const BUSY: Duration = Duration::from_secs(5);
/// Readers of a SQLite file, each with its own thread.
const READERS: usize = 4;
/// Half an hour finds a failover or a new address; two minutes is half of what the most forgetful of clouds allow an idle connection.
const LIFETIME: Lifetime = Lifetime { whole: Duration::from_secs(30 * 60), idle: Duration::from_secs(2 * 60) };

/// A database URL, understood.
pub enum Target {
    Postgres(PgConnectOptions),
    Memory(SqliteConnectOptions),
    File(SqliteConnectOptions, PathBuf),
}

impl Target {
    /// # Errors
    /// Where the URL names no database that we speak. The message never holds the URL, which may hold a password.
    pub fn parse(url: &str) -> Result<Self, OpenError> {
        let refuse = |reason: String| OpenError::Url { variable: DATABASE_URL, reason };
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            let options = PgConnectOptions::from_str(url).map_err(|error| refuse(error.to_string()))?;
            return Ok(Self::Postgres(options));
        }
        if !url.starts_with("sqlite:") {
            return Err(refuse("it begins neither with sqlite: nor with postgres://".to_owned()));
        }
        let options = SqliteConnectOptions::from_str(url).map_err(|error| refuse(error.to_string()))?;
        let path = options.get_filename().to_owned();
        if url.contains(":memory:") || url.contains("mode=memory") {
            return Ok(Self::Memory(options));
        }
        if path.as_os_str().is_empty() {
            return Err(refuse("it names no file".to_owned()));
        }
        Ok(Self::File(options, path))
    }

    /// What an operator would call it; without password.
    pub fn name(&self) -> String {
        match self {
            Self::Postgres(options) => {
                let host = options.get_socket().map_or_else(|| options.get_host().to_owned(), |path| path.display().to_string());
                format!("postgres://{host}:{}/{}", options.get_port(), options.get_database().unwrap_or_default())
            }
            Self::Memory(_) => "sqlite::memory:".to_owned(),
            Self::File(_, path) => format!("sqlite:{}", path.display()),
        }
    }

    /// Is there nothing yet where it points?
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::File(_, path) if !path.exists())
    }

    /// Connects, and proves that somebody answers.
    ///
    /// # Errors
    /// [`OpenError::Unreachable`].
    pub async fn connect(self, connections: usize) -> Result<(Sql, Option<OpenFile>), OpenError> {
        let name = self.name();
        let unreachable = |reason: String| OpenError::Unreachable { variable: DATABASE_URL, what: name.clone(), reason };
        let mut file = None;
        let sql = match self {
            Self::Postgres(options) => Sql::Postgres(Pool::new(postgres(options), connections, Some(LIFETIME), mend_postgres)),
            Self::Memory(options) => {
                let only = Pool::new(sqlite(options), 1, None, mend_sqlite);
                Sql::Sqlite { read: only.clone(), write: Writer::new(only) }
            }
            Self::File(options, path) => {
                file = Some(OpenFile::make(path).map_err(|error| unreachable(error.to_string()))?);
                // The log grows while somebody reads what is older (a backup, another program), and would stay as large as it once was.
                let options = sqlite(options).journal_mode(SqliteJournalMode::Wal).pragma("journal_size_limit", LOG.to_string());
                let readers = options.clone().pragma("query_only", "on");
                // What a savepoint keeps to undo a step is let go with it: a file for that costs more than the log of the database.
                let write = Writer::new(Pool::new(options.pragma("temp_store", "memory"), 1, None, mend_sqlite));
                Sql::Sqlite { read: Pool::new(readers, READERS, None, mend_sqlite), write }
            }
        };
        sql.prove().await.map_err(|fault| unreachable(why(fault)))?;
        Ok((sql, file))
    }
}

/// The file of a database, and which it was when it was opened: a name may come to lead to another one.
#[derive(Clone, Debug)]
pub struct OpenFile {
    path: PathBuf,
    /// Device and inode.
    is: (u64, u64),
}

impl OpenFile {
    /// Makes it where it is not there yet.
    fn make(path: PathBuf) -> std::io::Result<Self> {
        make_file(&path)?;
        let is = identity(&path)?;
        Ok(Self { path, is })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    #[must_use]
    pub fn is_in_place(&self) -> bool {
        identity(&self.path).is_ok_and(|is| is == self.is)
    }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    let file = std::fs::metadata(path)?;
    Ok((file.dev(), file.ino()))
}

impl Sql {
    /// Opens the first connection of each kind; the writer first, which sets the journal of a new file.
    async fn prove(&self) -> Result<(), Fault> {
        match self {
            Self::Postgres(pool) => {
                let mut lent = pool.lend().await?;
                let settings = sqlx::raw_sql("SHOW statement_timeout").fetch_one(lent.connection()).await;
                lent.settle(settings.as_ref().err());
                let limit: String = settings?.try_get(0)?;
                if limit != STATEMENT {
                    let told = format!("statement_timeout is {limit} and not {STATEMENT}. {POOLER}");
                    return Err(StorageError::Unavailable(told).into());
                }
            }
            Self::Sqlite { read, write } => {
                write.lend().await?.settle(None);
                read.lend().await?.settle(None);
            }
        }
        Ok(())
    }
}

/// A fault of the first connection, in words for whoever runs the server.
fn why(fault: Fault) -> String {
    let reason = StorageError::from(fault).to_string();
    if reason.contains("unsupported startup parameter") { format!("{reason}. {POOLER}") } else { reason }
}

fn postgres(options: PgConnectOptions) -> PgConnectOptions {
    options
        .application_name("portero")
        .statement_cache_capacity(STATEMENTS)
        // A statement that takes longer has lost its caller; a transaction left idle must not hold its locks.
        .options([("statement_timeout", STATEMENT), ("idle_in_transaction_session_timeout", "10s")])
        .disable_statement_logging()
}

fn sqlite(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .create_if_missing(true)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        // FULL, not NORMAL: after a loss of power NORMAL may have forgotten the last commits, and a revoked token or a spent code would be
        // good again. It costs one fsync for each commit.
        .synchronous(SqliteSynchronous::Full)
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging()
}

/// What is still on its way is read and thrown away, and a rollback that was queued is sent.
fn mend_postgres(connection: &mut PgConnection) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
    Box::pin(async move { connection.ping().await.is_ok() })
}

/// Several statements sent as one may have stopped inside their transaction. Mostly there is none, and the rollback fails.
fn mend_sqlite(connection: &mut SqliteConnection) -> Pin<Box<dyn Future<Output = bool> + Send + '_>> {
    Box::pin(async move {
        let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await;
        connection.ping().await.is_ok()
    })
}

/// Makes the folder and the file, readable by nobody else; SQLite gives its log files the mode of the file. Whatever is there already must be
/// writable: SQLite itself would say so at the first write, and not of which file.
fn make_file(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let log = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    // An empty log is none.
    for file in [path.to_owned(), log("-wal")] {
        writable(&file, true)?;
    }
    writable(&log("-shm"), false)
}

fn writable(path: &Path, make: bool) -> std::io::Result<()> {
    match std::fs::OpenOptions::new().write(true).create(make).truncate(false).mode(0o600).open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound || make => {
            Err(std::io::Error::new(error.kind(), format!("{}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}
