//! Sessions of people in browsers.

use std::time::Duration;

use async_trait::async_trait;

use super::super::durable::{Act, Proof, Session, Sessions, SignedIn, Visitor};
use super::super::{Digest, Result, StorageError, Time};
use super::audit::Entry;
use super::users::{self, user_columns};
use super::writer::{Message, message};
use super::{Sql, length, maybe_moment, moment, seconds};

/// `last_seen_at` is written at most once in so many seconds.
const SEEN: i64 = 60;
/// Sessions are kept for a week after their end.
const KEPT: i64 = 7 * 24 * 60 * 60;
/// How many rows a statement of [`Sessions::clean`] removes.
const BATCH: i64 = 1000;

macro_rules! session_columns {
    () => {
        "s.id AS s_id, s.user_id AS s_user_id, s.auth_time AS s_auth_time, s.acr AS s_acr, s.amr AS s_amr, s.created_at AS s_created_at, \
         s.last_seen_at AS s_last_seen_at, s.expires_at AS s_expires_at, s.ended_at AS s_ended_at, s.address AS s_address, \
         s.user_agent AS s_user_agent"
    };
}

/// What makes a session live: neither ended, nor at its absolute end ($2 is now), nor idle since $3; and its person is neither
/// disabled nor asked for a new password.
macro_rules! live {
    () => {
        " FROM sessions s JOIN users u ON u.id = s.user_id \
         WHERE s.ended_at IS NULL AND s.expires_at > $2 AND s.last_seen_at > $3 AND u.disabled_at IS NULL AND NOT u.reset_required AND "
    };
}

const BY_DIGEST: &str = concat!("SELECT ", session_columns!(), ", ", user_columns!(), live!(), "s.digest = $1");
const VISITOR: &str = concat!(
    "SELECT s.id, s.user_id, s.auth_time, s.acr, s.amr, s.last_seen_at, \
     (SELECT c.scope FROM consents c WHERE c.user_id = s.user_id AND c.client_id = $4)",
    live!(),
    "s.digest = $1"
);
const BY_ID: &str = concat!("SELECT ", session_columns!(), ", ", user_columns!(), live!(), "s.id = $1");

const OF: &str =
    concat!("SELECT ", session_columns!(), ", ", user_columns!(), live!(), "s.user_id = $1 ORDER BY s.last_seen_at DESC, s.id LIMIT 200");
/// A new session and its audit row in one message to the database, as every sign-in begins with it.
macro_rules! insert_session {
    () => {
        concat!(into_sessions!(), "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 WHERE EXISTS (SELECT 1 FROM users WHERE id = $3)")
    };
}
macro_rules! into_sessions {
    () => {
        "INSERT INTO sessions (id, digest, user_id, auth_time, acr, amr, created_at, last_seen_at, expires_at, address, user_agent) "
    };
}
macro_rules! insert_starting {
    () => {
        "INSERT INTO audit (at, act, actor, subject, client_id, address, request_id, result, count) \
         SELECT $8, $12, $13, $14, $15, $16, $17, $18, 1"
    };
}
const START: Message = message!(
    concat!("WITH started AS (", insert_session!(), " RETURNING id) ", insert_starting!(), " FROM started RETURNING id"),
    insert_session!(),
    "; ",
    insert_starting!(),
    " WHERE changes() > 0 RETURNING id",
);

/// The same for a password that was right: the session starts while its hash ($19) is the account's. A step that changes it at the same time waits, and
/// ends the session; or is waited for, and no row comes back.
macro_rules! start_proved {
    () => {
        concat!(into_sessions!(), "SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11 FROM ")
    };
}
const START_PROVED: Message = message!(
    concat!(
        "WITH held AS (SELECT u.id FROM ",
        users::proved!("$3", "$19"),
        " FOR SHARE), started AS (",
        start_proved!(),
        "held RETURNING id) ",
        insert_starting!(),
        " FROM started RETURNING id"
    ),
    start_proved!(),
    users::proved!("$3", "$19"),
    "; ",
    insert_starting!(),
    " WHERE changes() > 0 RETURNING id",
);

#[derive(sqlx::FromRow)]
struct Row {
    s_id: String,
    s_user_id: String,
    s_auth_time: i64,
    s_acr: String,
    s_amr: String,
    s_created_at: i64,
    s_last_seen_at: i64,
    s_expires_at: i64,
    s_ended_at: Option<i64>,
    s_address: Option<String>,
    s_user_agent: Option<String>,
    #[sqlx(flatten)]
    user: users::Row,
}

impl TryFrom<Row> for SignedIn {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self> {
        let session = Session {
            id: row.s_id,
            user_id: row.s_user_id,
            auth_time: moment(row.s_auth_time)?,
            acr: row.s_acr,
            amr: row.s_amr,
            created_at: moment(row.s_created_at)?,
            last_seen_at: moment(row.s_last_seen_at)?,
            expires_at: moment(row.s_expires_at)?,
            ended_at: maybe_moment(row.s_ended_at)?,
            address: row.s_address,
            user_agent: row.s_user_agent,
        };
        Ok(Self { session, user: row.user.try_into()? })
    }
}

/// Inside a step: ends one session, with its grants that are not offline, if it had not ended before; says whether.
macro_rules! end_session {
    ($tx:ident, $id:expr, $now:expr) => {{
        let done = sqlx::query("UPDATE sessions SET ended_at = $2 WHERE id = $1 AND ended_at IS NULL")
            .bind($id)
            .bind(seconds($now))
            .execute(&mut *$tx)
            .await?;
        let ended = done.rows_affected() > 0;
        if ended {
            sqlx::query(
                "UPDATE grants SET revoked_at = $2 WHERE user_id = (SELECT user_id FROM sessions WHERE id = $1) AND session_id = $1 \
                 AND NOT offline AND revoked_at IS NULL",
            )
            .bind($id)
            .bind(seconds($now))
            .execute(&mut *$tx)
            .await?;
        }
        ended
    }};
}

/// Inside a step: starts `session`, or goes on with the one it replaces where that is of the same person and live; answers the id in force.
macro_rules! start_session {
    ($tx:ident, $session:expr, $digest:expr, $replaces:expr, $now:expr, $by:expr) => {{
        let session: &Session = $session;
        let kept = match $replaces {
            Some(before) => sqlx::query(
                "UPDATE sessions SET digest = $3, auth_time = $4, acr = $5, amr = $6, last_seen_at = $7, expires_at = $8, address = $9, \
                 user_agent = $10 WHERE id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $7",
            )
            .bind(before)
            .bind(&session.user_id)
            .bind($digest.hex())
            .bind(seconds(session.auth_time))
            .bind(&session.acr)
            .bind(&session.amr)
            .bind(seconds($now))
            .bind(seconds(session.expires_at))
            .bind(&session.address)
            .bind(&session.user_agent)
            .execute(&mut *$tx)
            .await?
            .rows_affected()
                > 0,
            None => false,
        };
        match $replaces {
            Some(before) if kept => {
                audit!($tx, Entry::done("session.renew", subject(before), $now, $by));
                before.to_owned()
            }
            before => {
                if let Some(before) = before
                    && end_session!($tx, before, $now)
                {
                    audit!($tx, Entry::done("session.end", subject(before), $now, $by));
                }
                sqlx::query(insert_session!())
                    .bind(&session.id)
                    .bind($digest.hex())
                    .bind(&session.user_id)
                    .bind(seconds(session.auth_time))
                    .bind(&session.acr)
                    .bind(&session.amr)
                    .bind(seconds(session.created_at))
                    .bind(seconds($now))
                    .bind(seconds(session.expires_at))
                    .bind(&session.address)
                    .bind(&session.user_agent)
                    .execute(&mut *$tx)
                    .await?;
                audit!($tx, Entry::done("session.start", subject(&session.id), $now, $by));
                session.id.clone()
            }
        }
    }};
}

#[async_trait]
impl Sessions for Sql {
    async fn start(&self, session: &Session, digest: &Digest, replaces: Option<&str>, by: &Act) -> Result<Option<String>> {
        let now = session.last_seen_at;
        if replaces.is_none() {
            return Ok(self.start_first(session, digest, None, by).await?.then(|| session.id.clone()));
        }
        step!(self, |tx| {
            // Stays until the end of the transaction: whoever deletes the person waits, and finds the session.
            let held = sqlx::query("UPDATE users SET id = id WHERE id = $1").bind(&session.user_id).execute(&mut *tx).await?;
            if held.rows_affected() == 0 {
                return Ok(None);
            }
            Ok(Some(start_session!(tx, session, digest, replaces, now, by)))
        })
    }

    async fn start_proved(
        &self,
        session: &Session,
        digest: &Digest,
        replaces: Option<&str>,
        proof: &Proof,
        by: &Act,
    ) -> Result<Option<String>> {
        let now = session.last_seen_at;
        if replaces.is_none() {
            let started = self.start_first(session, digest, Some(proof), by).await?;
            if !started {
                self.not_proved(&session.user_id, now, by).await?;
            }
            return Ok(started.then(|| session.id.clone()));
        }
        step!(self, |tx| {
            if !users::still_proved!(tx, &session.user_id, proof, now, by) {
                return Ok(None);
            }
            Ok(Some(start_session!(tx, session, digest, replaces, now, by)))
        })
    }

    async fn find(&self, digest: &Digest, idle: Duration, now: Time) -> Result<Option<SignedIn>> {
        let (hex, now) = (digest.hex(), seconds(now));
        let row = on!(self.read, |db| sqlx::query_as::<_, Row>(BY_DIGEST)
            .bind(&hex)
            .bind(now)
            .bind(now - length(idle))
            .fetch_optional(db)
            .await)?;
        let Some(row) = row else { return Ok(None) };
        self.seen(&row.s_id, row.s_last_seen_at, now).await?;
        row.try_into().map(Some)
    }

    async fn visitor(&self, digest: &Digest, client_id: &str, idle: Duration, now: Time) -> Result<Option<Visitor>> {
        type Row = (String, String, i64, String, String, i64, Option<String>);
        let (hex, now) = (digest.hex(), seconds(now));
        let row = on!(self.read, |db| sqlx::query_as::<_, Row>(VISITOR)
            .bind(&hex)
            .bind(now)
            .bind(now - length(idle))
            .bind(client_id)
            .fetch_optional(db)
            .await)?;
        let Some((session_id, user_id, auth_time, acr, amr, last_seen_at, allowed)) = row else { return Ok(None) };
        self.seen(&session_id, last_seen_at, now).await?;
        Ok(Some(Visitor { session_id, user_id, auth_time: moment(auth_time)?, acr, amr, allowed }))
    }

    async fn by_id(&self, id: &str, idle: Duration, now: Time) -> Result<Option<SignedIn>> {
        let now = seconds(now);
        let row =
            on!(self.read, |db| sqlx::query_as::<_, Row>(BY_ID).bind(id).bind(now).bind(now - length(idle)).fetch_optional(db).await)?;
        row.map(SignedIn::try_from).transpose()
    }

    async fn of(&self, user_id: &str, idle: Duration, now: Time) -> Result<Vec<Session>> {
        let now = seconds(now);
        let rows = on!(self.read, |db| sqlx::query_as::<_, Row>(OF).bind(user_id).bind(now).bind(now - length(idle)).fetch_all(db).await)?;
        rows.into_iter().map(|row| Ok(SignedIn::try_from(row)?.session)).collect()
    }

    async fn end(&self, id: &str, now: Time, by: &Act) -> Result<bool> {
        step!(self, |tx| {
            let ended = end_session!(tx, id, now);
            if ended {
                audit!(tx, Entry::done("session.end", subject(id), now, by));
            }
            Ok(ended)
        })
    }

    async fn end_all(&self, user_id: &str, except: Option<&str>, now: Time, by: &Act) -> Result<u64> {
        step!(self, |tx| {
            let done = sqlx::query("UPDATE sessions SET ended_at = $2 WHERE user_id = $1 AND id <> $3 AND ended_at IS NULL")
                .bind(user_id)
                .bind(seconds(now))
                .bind(except.unwrap_or_default())
                .execute(&mut *tx)
                .await?;
            // A grant of a password sign-in hangs from no session, and ends with all of them.
            let revoked = sqlx::query(
                "UPDATE grants SET revoked_at = $2 WHERE user_id = $1 AND (session_id IS NULL OR session_id <> $3) AND id <> $3 AND NOT offline \
                 AND revoked_at IS NULL",
            )
            .bind(user_id)
            .bind(seconds(now))
            .bind(except.unwrap_or_default())
            .execute(&mut *tx)
            .await?;
            if done.rows_affected() > 0 || revoked.rows_affected() > 0 {
                audit!(tx, Entry::done("session.end_all", format!("user:{user_id}"), now, by));
            }
            Ok(done.rows_affected())
        })
    }

    async fn live(&self, idle: Duration, now: Time) -> Result<u64> {
        let (live,) = on!(self.read, |db| sqlx::query_as::<_, (i64,)>(
            "SELECT COUNT(*) FROM sessions WHERE ended_at IS NULL AND expires_at > $1 AND last_seen_at > $2"
        )
        .bind(seconds(now))
        .bind(seconds(now) - length(idle))
        .fetch_one(db)
        .await)?;
        Ok(live.unsigned_abs())
    }

    async fn clean(&self, now: Time) -> Result<u64> {
        let before = seconds(now) - KEPT;
        let mut removed = 0;
        loop {
            let done = on!(self.write, |db| sqlx::query(
                "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE ended_at < $1 OR expires_at < $1 LIMIT $2)"
            )
            .bind(before)
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

impl Sql {
    /// Starts a session in a browser that had none; where there is a proof, only if it still holds. False where not, or where the person is gone.
    async fn start_first(&self, session: &Session, digest: &Digest, proof: Option<&Proof>, by: &Act) -> Result<bool> {
        let message = if proof.is_some() { &START_PROVED } else { &START };
        let entry = Entry::done("session.start", subject(&session.id), session.last_seen_at, by);
        at_once!(self, message, |db, text| {
            let query = sqlx::query(text)
                .bind(&session.id)
                .bind(digest.hex())
                .bind(&session.user_id)
                .bind(seconds(session.auth_time))
                .bind(&session.acr)
                .bind(&session.amr)
                .bind(seconds(session.created_at))
                .bind(entry.at)
                .bind(seconds(session.expires_at))
                .bind(&session.address)
                .bind(&session.user_agent)
                .bind(entry.act)
                .bind(&entry.actor)
                .bind(&entry.subject)
                .bind(entry.client_id)
                .bind(&entry.address)
                .bind(entry.request_id)
                .bind(entry.result);
            let query = match proof {
                Some(proof) => query.bind(proof.hash()),
                None => query,
            };
            // Postgres finds out that the person is gone when it looks at the reference; in SQLite nobody writes beside the statement.
            let rows = query.fetch_all(db).await;
            rows.map(|rows| !rows.is_empty()).or_else(|error| if users::is_ghost(&error) { Ok(false) } else { Err(error) })
        })
    }

    /// Notes that a session was seen, at most once in [`SEEN`].
    async fn seen(&self, id: &str, last: i64, now: i64) -> Result<()> {
        if last > now - SEEN {
            return Ok(());
        }
        on!(self.write, |db| sqlx::query("UPDATE sessions SET last_seen_at = $2 WHERE id = $1 AND last_seen_at <= $3")
            .bind(id)
            .bind(now)
            .bind(now - SEEN)
            .execute(db)
            .await
            .map(drop))
    }
}

fn subject(id: &str) -> String {
    format!("session:{id}")
}
