//! Whether another server runs on the same database: what is kept in the process alone is right for one.
//!
//! SQLite: a lock on a file beside the database's, which the system takes away with the process: that is certain. Postgres: an advisory lock of a
//! connection that is kept for it, which can outlive a machine that died, or stay with a pooler: that is a sign. Where neither can be told (a file system
//! without locks), there is none.

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

/// What asking for it brings.
pub enum Place {
    Mine(Alone),
    /// Another process has it.
    Taken,
    /// It looks as if another process had it.
    PerhapsTaken,
}

/// One lock for each schema: several deployments may share a database.
const LOCK: &str = "SELECT pg_try_advisory_lock(hashtextextended('portero server of ' || current_schema(), 0))";
/// Empty for a database in memory.
const FILE: &str = "SELECT file FROM pragma_database_list WHERE name = 'main'";

impl Sql {
    /// Takes that place.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn alone(&self) -> Result<Place> {
        match self {
            Self::Postgres(pool) => {
                let mut lent = pool.lend().await.map_err(StorageError::from)?;
                let taken: std::result::Result<(bool,), _> = sqlx::query_as(LOCK).fetch_one(lent.connection()).await;
                lent.settle(taken.as_ref().err());
                let (taken,) = taken.map_err(super::Fault::Sql)?;
                Ok(if taken { Place::Mine(Alone::Connected { _lent: lent }) } else { Place::PerhapsTaken })
            }
            Self::Sqlite { read, .. } => {
                let (file,): (String,) = super::within(async {
                    let mut lent = read.lend().await?;
                    let row = sqlx::query_as(FILE).fetch_one(lent.connection()).await;
                    lent.settle(row.as_ref().err());
                    Ok(row?)
                })
                .await?;
                Ok(if file.is_empty() { Place::Mine(Alone::Unshared) } else { lock(&format!("{file}-server")) })
            }
        }
    }
}

/// Not the database's own file: SQLite loses its locks when somebody in the process closes that.
fn lock(path: &str) -> Place {
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    let Ok(file) = opened else { return Place::Mine(Alone::Unshared) };
    match file.try_lock() {
        Ok(()) => Place::Mine(Alone::Locked { _file: file }),
        Err(TryLockError::WouldBlock) => Place::Taken,
        Err(TryLockError::Error(_)) => Place::Mine(Alone::Unshared),
    }
}
