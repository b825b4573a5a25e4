//! From settings to [`Storage`]: connects, looks after the schema, and says in an operator's words what is wrong.

use std::path::PathBuf;
use std::sync::Arc;

use super::cached::CachedClients;
use super::ephemeral::{Ephemeral, Records};
use super::memory::Memory;
use super::redis::Redis;
use super::sql::alone::Place;
use super::sql::connect::{OpenFile, Target};
use super::sql::{Sql, migrate};
use super::{Connections, Result, Storage};
use crate::seal::Seal;

/// The settings that errors name.
pub const DATABASE_URL: &str = "PORTERO_DATABASE_URL";
pub const REDIS_URL: &str = "PORTERO_REDIS_URL";

/// Where things are kept.
#[derive(Clone)]
pub struct StorageOptions {
    /// `sqlite:PATH`, `sqlite::memory:` or `postgres://…`.
    pub database_url: String,
    /// None: in the process.
    pub redis_url: Option<String>,
    /// At most so many connections to Postgres.
    pub max_connections: usize,
}

impl StorageOptions {
    /// That database, and short-lived facts in the process.
    #[must_use]
    pub fn new(database_url: impl Into<String>) -> Self {
        Self { database_url: database_url.into(), redis_url: None, max_connections: 16 }
    }
}

/// Never shows a URL, which may hold a password.
impl std::fmt::Debug for StorageOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let database = Target::parse(&self.database_url).map_or_else(|_| "unknown".to_owned(), |target| target.name());
        write!(f, "StorageOptions({database}, redis: {}, connections: {})", self.redis_url.is_some(), self.max_connections)
    }
}

/// What a start does about missing migrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schema {
    /// Runs them.
    Migrate,
    /// Refuses, and names them.
    Require,
}

/// Why the stores could not be opened. The message is for whoever runs the server, and holds no password.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("{variable} is not usable: {reason}. Examples: {}", examples(.variable))]
    Url { variable: &'static str, reason: String },
    #[error("{variable} names {what}, which cannot be used: {reason}. Is it running, and do address, user, password and rights hold? Examples: {}", examples(.variable))]
    Unreachable { variable: &'static str, what: String, reason: String },
    #[error(
        "{}: the database file was moved, removed or replaced while it was open, and what is written goes into a file that nobody will open: stop the \
         server, put the right file in its place, start it again", .0.display()
    )]
    Moved(PathBuf),
    #[error("the database lacks these migrations: {}. Run `portero migrate` first", .0.join(", "))]
    Pending(Vec<String>),
    #[error(
        "the database is at migration {database}, and this binary knows only {binary}: start the newer version, or restore a backup of the older database"
    )]
    Newer { database: i64, binary: i64 },
    #[error(
        "migration {name} was applied with another text than this binary holds: the database belongs to a build that was changed after the fact"
    )]
    Changed { name: String },
    #[error("migrating the database failed at {name}, and nothing was changed: {reason}")]
    Migration { name: String, reason: String },
}

/// A value that the setting may have.
#[must_use]
pub fn example(variable: &str) -> &'static str {
    examples(variable).split(", ").next().unwrap_or_default()
}

fn examples(variable: &str) -> &'static str {
    match variable {
        REDIS_URL => "redis://127.0.0.1:6379, rediss://user:password@redis.internal:6380/0",
        _ => "sqlite:data/portero.db, postgres://user:password@db.internal:5432/portero",
    }
}

/// URLs that name no store: the setting of each, and why. Nobody is asked.
#[must_use]
pub fn misnamed(options: &StorageOptions) -> Vec<(&'static str, String)> {
    let database = Target::parse(&options.database_url).err();
    let redis = options.redis_url.as_deref().and_then(|url| Redis::named(url).err());
    let reason = |error| match error {
        OpenError::Url { variable, reason } => (variable, reason),
        other => (DATABASE_URL, other.to_string()),
    };
    database.into_iter().chain(redis).map(reason).collect()
}

impl Storage {
    /// Opens both stores and proves that they answer.
    ///
    /// # Errors
    /// [`OpenError`], in words for whoever runs the server.
    pub async fn open(options: &StorageOptions, seal: Seal, schema: Schema) -> std::result::Result<Self, OpenError> {
        let (sql, file) = Target::parse(&options.database_url)?.connect(options.max_connections).await?;
        match schema {
            Schema::Migrate => {
                migrate::run(&sql).await?;
            }
            Schema::Require => {
                let pending = migrate::pending(&sql).await?;
                if !pending.is_empty() {
                    return Err(OpenError::Pending(pending));
                }
            }
        }
        let ephemeral: Arc<dyn Ephemeral> = match &options.redis_url {
            Some(url) => Arc::new(Redis::open(url).await?),
            None => Arc::new(Memory::default()),
        };
        Ok(Self::on(Arc::new(sql), file, Records::new(ephemeral, seal)))
    }

    fn on(sql: Arc<Sql>, file: Option<OpenFile>, ephemeral: Records) -> Self {
        let client_cache = Arc::new(CachedClients::new(sql.clone()));
        let watch = sql.apart();
        Self {
            clients: client_cache.clone(),
            users: sql.clone(),
            accounts: sql.clone(),
            sessions: sql.clone(),
            consents: sql.clone(),
            grants: sql.clone(),
            imports: sql.clone(),
            keys: sql.clone(),
            attempts: sql.clone(),
            spent: sql.clone(),
            audit: sql.clone(),
            organizations: sql.clone(),
            outbox: sql.clone(),
            revisions: watch.clone(),
            ephemeral,
            client_cache,
            watch,
            sql,
            file,
        }
    }

    /// What there is of connections to the database.
    #[must_use]
    pub fn connections(&self) -> Connections {
        self.sql.connections()
    }

    /// Is the file of SQLite still the one that was opened? One that was moved goes on being read and written, as if nothing had happened.
    ///
    /// # Errors
    /// [`OpenError::Moved`].
    pub fn is_in_place(&self) -> std::result::Result<(), OpenError> {
        match &self.file {
            Some(file) if !file.is_in_place() => Err(OpenError::Moved(file.path().to_owned())),
            _ => Ok(()),
        }
    }

    /// Says goodbye to the database; every later step is [`super::StorageError::Unavailable`].
    pub async fn close(&self) {
        if !Arc::ptr_eq(&self.watch, &self.sql) {
            self.watch.close().await;
        }
        self.sql.close().await;
    }

    /// Does the schema have everything this binary needs? A newer replica may have added to it; that is no reason to stop.
    ///
    /// # Errors
    /// What is missing, or why it cannot be told.
    pub async fn schema_is_current(&self) -> std::result::Result<(), OpenError> {
        match migrate::pending(&self.watch).await {
            Ok(missing) if missing.is_empty() => Ok(()),
            Ok(missing) => Err(OpenError::Pending(missing)),
            Err(OpenError::Newer { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Takes the place of the only server on this database, for as long as what it gives lives.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn alone(&self) -> Result<Place> {
        self.sql.alone().await
    }

    /// Do both stores answer? For readiness.
    ///
    /// # Errors
    /// The first fault.
    pub async fn ping(&self) -> Result<()> {
        self.revisions.ping().await?;
        self.ephemeral.store.ping().await
    }
}

/// Runs the missing migrations and names them.
///
/// # Errors
/// [`OpenError`].
pub async fn migrate(database_url: &str) -> std::result::Result<Vec<String>, OpenError> {
    let (sql, _) = Target::parse(database_url)?.connect(1).await?;
    let run = migrate::run(&sql).await;
    sql.close().await;
    run
}

/// Is there a database already? One behind a network is not asked.
#[must_use]
pub fn is_there(database_url: &str) -> bool {
    Target::parse(database_url).is_ok_and(|target| !target.is_absent())
}

/// Names the missing migrations; changes nothing, and makes no file.
///
/// # Errors
/// [`OpenError`].
pub async fn pending(database_url: &str) -> std::result::Result<Vec<String>, OpenError> {
    let target = Target::parse(database_url)?;
    if target.is_absent() {
        return Ok(migrate::all());
    }
    let (sql, _) = target.connect(1).await?;
    let pending = migrate::pending(&sql).await;
    sql.close().await;
    pending
}
