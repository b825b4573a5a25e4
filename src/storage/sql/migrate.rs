//! The schema: which migrations there are, which a database has, and running the missing ones.

use sqlx::AssertSqlSafe;

use super::super::open::OpenError;
use super::{Fault, Sql};
use crate::seal::{Digest, sha256};

/// A migration as it is built in. The text is portable but for the word that [`spelled`] replaces (migrations/README.md).
struct Migration {
    version: i64,
    name: &'static str,
    sql: &'static str,
}

const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "foundation", sql: include_str!("../../../migrations/0001_foundation.sql") },
    Migration { version: 2, name: "outbox", sql: include_str!("../../../migrations/0002_outbox.sql") },
    Migration { version: 3, name: "accounts", sql: include_str!("../../../migrations/0003_accounts.sql") },
    Migration { version: 4, name: "organizations", sql: include_str!("../../../migrations/0004_organizations.sql") },
    Migration { version: 5, name: "import", sql: include_str!("../../../migrations/0005_import.sql") },
    Migration { version: 6, name: "limits", sql: include_str!("../../../migrations/0006_limits.sql") },
    Migration { version: 7, name: "pending", sql: include_str!("../../../migrations/0007_pending.sql") },
    Migration { version: 8, name: "order", sql: include_str!("../../../migrations/0008_order.sql") },
];

const IDENTITY_POSTGRES: &str = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY";
const IDENTITY_SQLITE: &str = "INTEGER PRIMARY KEY AUTOINCREMENT";

/// What is there, in the one table that this file owns.
const APPLIED: &str = "SELECT version, digest FROM schema_migrations ORDER BY version";

/// Runs what is missing, in one transaction and under a lock, so that replicas starting at once do it once. The names of what was run.
///
/// # Errors
/// Where the database is newer than this binary, has another text under a number, or a statement fails; then nothing was changed.
pub async fn run(sql: &Sql) -> Result<Vec<String>, OpenError> {
    // "Portero" as a number: the lock under which Postgres lets one replica migrate at a time. It may wait longer than a request would.
    macro_rules! migrate {
        ($pool:ident, $begin:literal, $prepare:literal, $identity:ident) => {{
            let mut lent = $pool.lend().await.map_err(failed)?;
            let outcome = async {
                let mut tx = sqlx::Connection::begin_with(lent.connection(), $begin).await.map_err(failed)?;
                sqlx::raw_sql($prepare).execute(&mut *tx).await.map_err(failed)?;
                let applied = sqlx::query_as::<_, (i64, String)>(APPLIED).fetch_all(&mut *tx).await.map_err(failed)?;
                let missing = missing(&applied)?;
                for migration in &missing {
                    let named = |error: sqlx::Error| OpenError::Migration { name: migration.full_name(), reason: error.to_string() };
                    sqlx::raw_sql(AssertSqlSafe(spelled(migration.sql, $identity))).execute(&mut *tx).await.map_err(named)?;
                    sqlx::query("INSERT INTO schema_migrations (version, name, digest) VALUES ($1, $2, $3)")
                        .bind(migration.version)
                        .bind(migration.name)
                        .bind(migration.digest())
                        .execute(&mut *tx)
                        .await
                        .map_err(named)?;
                }
                tx.commit().await.map_err(failed)?;
                Ok(missing.into_iter().map(Migration::full_name).collect())
            }
            .await;
            lent.settle(None);
            outcome
        }};
    }
    match sql {
        Sql::Postgres(pool) => migrate!(
            pool,
            "BEGIN",
            "SET LOCAL statement_timeout = '10min'; SELECT pg_advisory_xact_lock(22646226371469935); \
             CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL)",
            IDENTITY_POSTGRES
        ),
        Sql::Sqlite { write, .. } => migrate!(
            write,
            "BEGIN IMMEDIATE",
            "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT NOT NULL PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL)",
            IDENTITY_SQLITE
        ),
    }
}

/// The names of the migrations that the database lacks; changes nothing.
///
/// # Errors
/// As [`run`].
pub async fn pending(sql: &Sql) -> Result<Vec<String>, OpenError> {
    let applied: Result<Vec<(i64, String)>, Fault> = async {
        match sql {
            Sql::Postgres(pool) => {
                let mut lent = pool.lend().await?;
                let rows = sqlx::query_as(APPLIED).fetch_all(lent.connection()).await;
                lent.settle(rows.as_ref().err());
                Ok(rows?)
            }
            Sql::Sqlite { read, .. } => {
                let mut lent = read.lend().await?;
                let rows = sqlx::query_as(APPLIED).fetch_all(lent.connection()).await;
                lent.settle(rows.as_ref().err());
                Ok(rows?)
            }
        }
    }
    .await;
    let applied = match applied {
        Err(Fault::Sql(error)) if lacks_table(&error) => Vec::new(),
        other => other.map_err(failed)?,
    };
    Ok(missing(&applied)?.into_iter().map(Migration::full_name).collect())
}

/// Every migration, for a database that does not exist yet.
pub fn all() -> Vec<String> {
    MIGRATIONS.iter().map(Migration::full_name).collect()
}

impl Migration {
    fn full_name(&self) -> String {
        format!("{:04}_{}", self.version, self.name)
    }

    fn digest(&self) -> String {
        Digest(sha256(self.sql.as_bytes())).hex()
    }
}

fn missing(applied: &[(i64, String)]) -> Result<Vec<&'static Migration>, OpenError> {
    let newest = MIGRATIONS.last().map_or(0, |migration| migration.version);
    if let Some((version, _)) = applied.last().filter(|(version, _)| *version > newest) {
        return Err(OpenError::Newer { database: *version, binary: newest });
    }
    let mut missing = Vec::new();
    for migration in MIGRATIONS {
        match applied.iter().find(|(version, _)| *version == migration.version) {
            None => missing.push(migration),
            Some((_, digest)) if *digest == migration.digest() => {}
            Some(_) => return Err(OpenError::Changed { name: migration.full_name() }),
        }
    }
    Ok(missing)
}

/// Replaces the one word that the two databases spell differently. It stands at the end of a column's line, in capitals.
fn spelled(sql: &str, identity: &str) -> String {
    sql.replace(" IDENTITY,", &format!(" {identity},"))
}

fn lacks_table(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(database)
        if database.code().as_deref() == Some("42P01") || database.message().starts_with("no such table"))
}

fn failed(error: impl Into<Fault>) -> OpenError {
    OpenError::Migration { name: "the table of migrations".to_owned(), reason: super::super::StorageError::from(error.into()).to_string() }
}
