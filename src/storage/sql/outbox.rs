//! Mails that wait to be sent.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::super::durable::outbox::{Claimed, MailRow, State};
use super::super::durable::{NewMail, Outbox};
use super::super::{Result, StorageError, Time};
use super::{Sql, length, maybe_moment, moment, seconds};

/// See [`enqueue!`].
pub(super) const INSERT: &str = "INSERT INTO outbox (id, to_address, kind, lang, sealed, created_at, due_at, tries) \
     VALUES ($1, $2, $3, $4, $5, $6, $6, 0)";

const ANY_DUE: &str = "SELECT id FROM outbox WHERE sent_at IS NULL AND dead_at IS NULL AND due_at <= $1 LIMIT 1";

/// The conditions stand outside, too: on Postgres a row that another replica took meanwhile is judged again when its lock is free.
const CLAIM: &str = "UPDATE outbox SET due_at = $2, tries = tries + 1 \
     WHERE id IN (SELECT id FROM outbox WHERE sent_at IS NULL AND dead_at IS NULL AND due_at <= $1 ORDER BY due_at, id LIMIT $3) \
       AND sent_at IS NULL AND dead_at IS NULL AND due_at <= $1 \
     RETURNING id, to_address, kind, lang, sealed, created_at, tries";

const SENT: &str =
    "UPDATE outbox SET sent_at = $3, sealed = '', reason = NULL WHERE id = $1 AND tries = $2 AND sent_at IS NULL AND dead_at IS NULL";
const FAILED: &str = "UPDATE outbox SET due_at = $3, reason = $4 WHERE id = $1 AND tries = $2 AND sent_at IS NULL AND dead_at IS NULL";
const DEAD: &str =
    "UPDATE outbox SET dead_at = $3, sealed = '', reason = $4 WHERE id = $1 AND tries = $2 AND sent_at IS NULL AND dead_at IS NULL";

/// What is over is shown for so long.
const KEPT: i64 = 7 * 24 * 60 * 60;
/// How many rows a statement of [`Outbox::clean`] removes.
const BATCH: i64 = 1000;

pub(super) fn encoded(sealed: &[u8]) -> String {
    STANDARD.encode(sealed)
}

#[derive(sqlx::FromRow)]
struct ClaimedRow {
    id: String,
    to_address: String,
    kind: String,
    lang: String,
    sealed: String,
    created_at: i64,
    tries: i64,
}

impl TryFrom<ClaimedRow> for Claimed {
    type Error = StorageError;

    fn try_from(row: ClaimedRow) -> Result<Self> {
        let mail = NewMail {
            id: row.id,
            to_address: row.to_address,
            kind: row.kind,
            lang: row.lang,
            sealed: STANDARD.decode(row.sealed).map_err(StorageError::corrupt)?,
            created_at: moment(row.created_at)?,
        };
        Ok(Self { mail, tries: u32::try_from(row.tries).map_err(StorageError::corrupt)? })
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    to_address: String,
    kind: String,
    lang: String,
    created_at: i64,
    due_at: i64,
    tries: i64,
    sent_at: Option<i64>,
    dead_at: Option<i64>,
    reason: Option<String>,
}

impl TryFrom<Row> for MailRow {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self> {
        let state = match (maybe_moment(row.sent_at)?, maybe_moment(row.dead_at)?) {
            (Some(at), _) => State::Sent { at },
            (None, Some(at)) => State::Dead { at },
            (None, None) => State::Waiting { due_at: moment(row.due_at)? },
        };
        Ok(Self {
            id: row.id,
            to_address: row.to_address,
            kind: row.kind,
            lang: row.lang,
            created_at: moment(row.created_at)?,
            tries: u32::try_from(row.tries).map_err(StorageError::corrupt)?,
            state,
            reason: row.reason,
        })
    }
}

#[async_trait]
impl Outbox for Sql {
    async fn enqueue(&self, mails: &[NewMail]) -> Result<()> {
        step!(self, |tx| {
            enqueue!(tx, mails);
            Ok(())
        })
    }

    async fn claim(&self, limit: u32, lease: Duration, now: Time) -> Result<Vec<Claimed>> {
        // It is asked every second and nearly always in vain: reading disturbs nobody.
        if !on!(self.read, |db| sqlx::query(ANY_DUE).bind(seconds(now)).fetch_optional(db).await.map(|row| row.is_some()))? {
            return Ok(Vec::new());
        }
        let mut rows = on!(self.write, |db| sqlx::query_as::<_, ClaimedRow>(CLAIM)
            .bind(seconds(now))
            .bind(seconds(now).saturating_add(length(lease).max(1)))
            .bind(i64::from(limit))
            .fetch_all(db)
            .await)?;
        rows.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        rows.into_iter().map(Claimed::try_from).collect()
    }

    async fn sent(&self, id: &str, tries: u32, now: Time) -> Result<bool> {
        on!(self.write, |db| sqlx::query(SENT)
            .bind(id)
            .bind(i64::from(tries))
            .bind(seconds(now))
            .execute(db)
            .await
            .map(|done| done.rows_affected() == 1))
    }

    async fn failed(&self, id: &str, tries: u32, reason: &str, retry_at: Time) -> Result<bool> {
        on!(self.write, |db| sqlx::query(FAILED)
            .bind(id)
            .bind(i64::from(tries))
            .bind(seconds(retry_at))
            .bind(reason)
            .execute(db)
            .await
            .map(|done| done.rows_affected() == 1))
    }

    async fn dead(&self, id: &str, tries: u32, reason: &str, now: Time) -> Result<bool> {
        on!(self.write, |db| sqlx::query(DEAD)
            .bind(id)
            .bind(i64::from(tries))
            .bind(seconds(now))
            .bind(reason)
            .execute(db)
            .await
            .map(|done| done.rows_affected() == 1))
    }

    async fn recent(&self, limit: u32) -> Result<Vec<MailRow>> {
        let rows = on!(self.read, |db| sqlx::query_as::<_, Row>(
            "SELECT id, to_address, kind, lang, created_at, due_at, tries, sent_at, dead_at, reason FROM outbox \
             ORDER BY created_at DESC, id DESC LIMIT $1"
        )
        .bind(i64::from(limit))
        .fetch_all(db)
        .await)?;
        rows.into_iter().map(MailRow::try_from).collect()
    }

    async fn clean(&self, now: Time) -> Result<u64> {
        let mut removed = 0;
        loop {
            let done = on!(self.write, |db| {
                sqlx::query(
                "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE created_at <= $1 AND (sent_at <= $1 OR dead_at <= $1) LIMIT $2)"
            )
            .bind(seconds(now) - KEPT)
            .bind(BATCH)
            .execute(db)
            .await
            .map(|done| done.rows_affected())
            })?;
            removed += done;
            if done < BATCH.unsigned_abs() {
                return Ok(removed);
            }
        }
    }
}
