//! What may be used once and was.

use async_trait::async_trait;

use super::super::durable::{Act, Spend, Spent};
use super::super::{Digest, Result, Time};
use super::audit::Entry;
use super::{Sql, seconds};

/// Whoever inserts the row used it. Beside itself the statement waits for the other, and then inserts nothing. See [`spend!`].
pub(super) const FIND: &str = "SELECT digest FROM spent WHERE digest = $1";
pub(super) const INSERT: &str = "INSERT INTO spent (digest, expires_at) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING";

/// Rows are kept for so long past their thing's end: clocks of replicas differ a little.
const KEPT: i64 = 24 * 60 * 60;
/// How many rows a statement of [`Spent::clean`] removes.
const BATCH: i64 = 1000;

#[async_trait]
impl Spent for Sql {
    async fn spend(&self, spend: &Spend, act: &'static str, subject: Option<String>, now: Time, by: &Act) -> Result<bool> {
        step!(self, |tx| {
            let first = spend!(tx, spend);
            let entry =
                if first { Entry::done(act, subject.clone(), now, by) } else { Entry::refused(act, subject.clone(), "used", now, by) };
            audit!(tx, entry);
            Ok(first)
        })
    }

    async fn is_spent(&self, digest: &Digest) -> Result<bool> {
        on!(self.read, |db| sqlx::query(FIND).bind(digest.hex()).fetch_optional(db).await.map(|row| row.is_some()))
    }

    async fn clean(&self, now: Time) -> Result<u64> {
        let mut removed = 0;
        loop {
            let done = on!(self.write, |db| sqlx::query(
                "DELETE FROM spent WHERE digest IN (SELECT digest FROM spent WHERE expires_at <= $1 LIMIT $2)"
            )
            .bind(seconds(now) - KEPT)
            .bind(BATCH)
            .execute(db)
            .await
            .map(|done| done.rows_affected()))?;
            removed += done;
            if done < BATCH.unsigned_abs() {
                return Ok(removed);
            }
        }
    }
}
