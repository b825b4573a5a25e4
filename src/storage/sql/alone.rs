//! Whether another server runs on the same database: what is kept in the process alone is right for one.
//!
//! SQLite: a lock on a file beside the database's, which the system takes away with the process. Postgres: an advisory lock of a connection that
//! is kept for it. Where neither can be told (a file system without locks), nobody is kept from starting.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;

use sqlx::Postgres;

use super::super::Result;
use super::pool::Lent;
use super::{Sql, StorageError};

/// The place of the only server, for as long as this lives.
pub enum Alone {
    Locked {
        _file: File,
    },
    Connected {
        _lent: Lent<Postgres>,
    },
    /// Nobody else can come to this database, or it cannot be told.
    Unshared,
}

/// One lock for each schema: several deployments may share a database.
const LOCK: &str = "SELECT pg_try_advisory_lock(hashtextextended('portero server of ' || current_schema(), 0))";
/// Empty for a database in memory.
const FILE: &str = "SELECT file FROM pragma_database_list WHERE name = 'main'";

impl Sql {
    /// Takes that place; none where another process has it.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn alone(&self) -> Result<Option<Alone>> {
        match self {
            Self::Postgres(pool) => {
                let mut lent = pool.lend().await.map_err(StorageError::from)?;
                let taken: std::result::Result<(bool,), _> = sqlx::query_as(LOCK).fetch_one(lent.connection()).await;
                lent.settle(taken.as_ref().err());
                let (taken,) = taken.map_err(super::Fault::Sql)?;
                Ok(taken.then_some(Alone::Connected { _lent: lent }))
            }
            Self::Sqlite { read, .. } => {
                let (file,): (String,) = super::within(async {
                    let mut lent = read.lend().await?;
                    let row = sqlx::query_as(FILE).fetch_one(lent.connection()).await;
                    lent.settle(row.as_ref().err());
                    Ok(row?)
                })
                .await?;
                Ok(if file.is_empty() { Some(Alone::Unshared) } else { lock(&format!("{file}-server")) })
            }
        }
    }
}

/// Not the database's own file: SQLite loses its locks when somebody in the process closes that.
fn lock(path: &str) -> Option<Alone> {
    let Ok(file) = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path) else { return Some(Alone::Unshared) };
    match file.try_lock() {
        Ok(()) => Some(Alone::Locked { _file: file }),
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Error(_)) => Some(Alone::Unshared),
    }
}
