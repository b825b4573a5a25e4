//! Signing keys, sealed.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::durable::keys::Only;
use super::super::durable::{Act, SigningKeys, StoredKey};
use super::super::{Result, StorageError, Time};
use super::audit::Entry;
use super::{Sql, length, maybe_moment, moment, seconds};

#[derive(sqlx::FromRow)]
struct Row {
    kid: String,
    alg: String,
    sealed: String,
    created_at: i64,
    signs_from: i64,
    retired_at: Option<i64>,
    removed_at: Option<i64>,
}

impl TryFrom<Row> for StoredKey {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            kid: row.kid,
            alg: row.alg,
            sealed: STANDARD.decode(row.sealed).map_err(StorageError::corrupt)?,
            created_at: moment(row.created_at)?,
            signs_from: moment(row.signs_from)?,
            retired_at: maybe_moment(row.retired_at)?,
            removed_at: maybe_moment(row.removed_at)?,
        })
    }
}

#[async_trait]
impl SigningKeys for Sql {
    async fn list(&self) -> Result<Vec<StoredKey>> {
        // Of keys made in the same second, the one that is not retired is the newest.
        let rows = on!(self.read, |db| sqlx::query_as::<_, Row>(
            "SELECT kid, alg, sealed, created_at, signs_from, retired_at, removed_at FROM signing_keys \
             ORDER BY created_at, CASE WHEN retired_at IS NULL THEN 1 ELSE 0 END, signs_from, kid"
        )
        .fetch_all(db)
        .await)?;
        rows.into_iter().map(StoredKey::try_from).collect()
    }

    async fn add(&self, key: &StoredKey, keep: Duration, only: Only<'_>, by: &Act) -> Result<bool> {
        let signs_from = seconds(key.signs_from);
        step!(self, |tx| {
            // Whoever adds a key at the same time has finished when this returns, and the next statement sees it.
            lock!(tx, "keys");
            let newest = sqlx::query_as::<_, (String,)>(
                "SELECT kid FROM signing_keys WHERE alg = $1 \
                 ORDER BY CASE WHEN retired_at IS NULL THEN 0 ELSE 1 END, created_at DESC, signs_from DESC, kid DESC LIMIT 1",
            )
            .bind(&key.alg)
            .fetch_optional(&mut *tx)
            .await?;
            let wanted = match only {
                Only::Always => true,
                Only::IfNone => newest.is_none(),
                Only::Replacing(kid) => newest.is_some_and(|(newest,)| newest == kid),
            };
            if !wanted {
                return Ok(false);
            }
            // One that waits to take over, or is to go later than this one comes, goes now as well: nothing signs beside the newest.
            sqlx::query(
                "UPDATE signing_keys SET retired_at = $2, removed_at = $3 WHERE alg = $1 AND (retired_at IS NULL OR retired_at > $2)",
            )
            .bind(&key.alg)
            .bind(signs_from)
            .bind(signs_from + length(keep))
            .execute(&mut *tx)
            .await?;
            sqlx::query(
                "INSERT INTO signing_keys (kid, alg, sealed, created_at, signs_from, retired_at, removed_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(&key.kid)
            .bind(&key.alg)
            .bind(STANDARD.encode(&key.sealed))
            .bind(seconds(key.created_at))
            .bind(signs_from)
            .bind(key.retired_at.map(seconds))
            .bind(key.removed_at.map(seconds))
            .execute(&mut *tx)
            .await?;
            bump!(tx, "keys");
            audit!(tx, Entry::done("key.add", format!("key:{}", key.kid), key.created_at, by));
            Ok(true)
        })
    }

    async fn clean(&self, now: Time, by: &Act) -> Result<u64> {
        step!(self, |tx| {
            lock!(tx, "keys");
            let gone = sqlx::query_as::<_, (String,)>("DELETE FROM signing_keys WHERE removed_at <= $1 RETURNING kid")
                .bind(seconds(now))
                .fetch_all(&mut *tx)
                .await?;
            if !gone.is_empty() {
                bump!(tx, "keys");
            }
            for (kid,) in &gone {
                audit!(tx, Entry::done("key.remove", format!("key:{kid}"), now, by));
            }
            Ok(gone.len() as u64)
        })
    }

    async fn fingerprint(&self, mine: &str) -> Result<String> {
        step!(self, |tx| {
            sqlx::query("INSERT INTO facts (name, value) VALUES ('master_key', $1) ON CONFLICT (name) DO NOTHING")
                .bind(mine)
                .execute(&mut *tx)
                .await?;
            let (known,) = sqlx::query_as::<_, (String,)>("SELECT value FROM facts WHERE name = 'master_key'").fetch_one(&mut *tx).await?;
            Ok(known)
        })
    }
}
