//! Authorizations, their refresh generations, and how a token stands.

use std::time::Duration;

use async_trait::async_trait;

use super::super::durable::{
    Act, ByCode, Grant, GrantId, Grants, Holder, Opened, OpenedByCode, Proof, Renewal, Rotation, Standing, TokenRef, User, is_retry,
};
use super::super::{Digest, Result, StorageError, Time};
use super::audit::Entry;
use super::users::{self, user_columns};
use super::writer::{Message, message};
use super::{Sql, length, maybe_moment, moment, seconds};

/// Grants are kept for a week after their refresh tokens have ended: longer than any access token or code of theirs.
const KEPT: i64 = 7 * 24 * 60 * 60;
/// How many rows a statement of [`Grants::clean`] removes.
const BATCH: i64 = 1000;

macro_rules! grant_columns {
    () => {
        "g.id AS g_id, g.client_id AS g_client_id, g.user_id AS g_user_id, g.session_id AS g_session_id, g.offline AS g_offline, \
         g.scope AS g_scope, g.resource AS g_resource, g.claims AS g_claims, g.nonce AS g_nonce, g.auth_time AS g_auth_time, \
         g.acr AS g_acr, g.amr AS g_amr, g.generation AS g_generation, g.rotated_at AS g_rotated_at, g.created_at AS g_created_at, \
         g.expires_at AS g_expires_at, g.revoked_at AS g_revoked_at"
    };
}

/// Where the session has ended since the code was issued, or the person was disabled, the grant is revoked from the start: what signing out or a
/// new password ends does not come back by a code that was on its way.
macro_rules! insert_grant {
    () => {
        concat!(
            grant_is!(),
            "COALESCE($18, (SELECT s.ended_at FROM sessions s WHERE s.id = $5), (SELECT u.disabled_at FROM users u WHERE u.id = $4)) \
             WHERE EXISTS (SELECT 1 FROM users WHERE id = $4) ON CONFLICT (code_digest) DO NOTHING"
        )
    };
}
/// The values of a grant but for the last one, `revoked_at`.
macro_rules! grant_is {
    () => {
        "INSERT INTO grants (id, code_digest, client_id, user_id, session_id, offline, scope, resource, claims, nonce, auth_time, acr, amr, \
         generation, rotated_at, created_at, expires_at, revoked_at) \
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, "
    };
}
/// The person of a code whose session is live, and who has not disconnected the client: its grant's `created_at` is now, $26 the beginning of idleness,
/// $27 whether nobody is asked for it.
macro_rules! person_of_code {
    ($consents:literal) => {
        concat!(" FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $5 AND s.user_id = $4 \
         AND s.ended_at IS NULL AND s.expires_at > $16 AND s.last_seen_at > $26 AND u.disabled_at IS NULL AND ($27 OR EXISTS (SELECT 1 FROM ", $consents, "))")
    };
}
macro_rules! insert_opening {
    () => {
        "INSERT INTO audit (at, act, actor, subject, client_id, address, request_id, result, count) \
         SELECT $16, $19, $20, $21, $22, $23, $24, $25, 1"
    };
}

/// Grant and audit row in one message to the database, as this is the one write of every sign-in. A code that is known already opens nothing, and no
/// row comes back.
const OPEN: Message = message!(
    concat!("WITH opened AS (", insert_grant!(), " RETURNING id) ", insert_opening!(), " FROM opened RETURNING id"),
    insert_grant!(),
    "; ",
    insert_opening!(),
    " WHERE changes() > 0 RETURNING id",
);

/// The same for a password that was right, as long as its hash ($26) is the account's; see `START_PROVED`.
macro_rules! open_proved {
    () => {
        concat!(grant_is!(), "COALESCE($18, (SELECT s.ended_at FROM sessions s WHERE s.id = $5)) FROM ")
    };
}
const OPEN_PROVED: Message = message!(
    concat!(
        "WITH held AS (SELECT u.id FROM ",
        users::proved!("$4", "$26"),
        " FOR SHARE), opened AS (",
        open_proved!(),
        "held RETURNING id) ",
        insert_opening!(),
        " FROM opened RETURNING id"
    ),
    open_proved!(),
    users::proved!("$4", "$26"),
    "; ",
    insert_opening!(),
    " WHERE changes() > 0 RETURNING id",
);

/// The same for a code: its grant is opened if its session is live, and the person comes back with whether it was opened. A step that ends the
/// session, or takes the consent back, at the same time is waited for, or waits and finds the grant (SQLite has one writer at a time anyway).
const OPEN_BY_CODE: Message = message!(
    concat!(
        "WITH consent AS (SELECT 1 FROM consents c WHERE c.user_id = $4 AND c.client_id = $3 FOR SHARE), person AS (SELECT ",
        user_columns!(),
        person_of_code!("consent"),
        " FOR SHARE OF s), opened AS (",
        grant_is!(),
        "$18 FROM person ON CONFLICT (code_digest) DO NOTHING RETURNING id), noted AS (",
        insert_opening!(),
        " FROM opened) SELECT EXISTS (SELECT 1 FROM opened) AS opened, person.* FROM person"
    ),
    grant_is!(),
    "$18",
    person_of_code!("consents c WHERE c.user_id = $4 AND c.client_id = $3"),
    " ON CONFLICT (code_digest) DO NOTHING; ",
    insert_opening!(),
    " WHERE changes() > 0; SELECT changes() > 0 AS opened, ",
    user_columns!(),
    person_of_code!("consents c WHERE c.user_id = $4 AND c.client_id = $3"),
);

/// The values of a grant with its audit row.
macro_rules! bind_grant {
    ($query:expr, $grant:expr, $id:expr, $code:expr, $entry:expr) => {
        $query
            .bind($id)
            .bind($code)
            .bind(&$grant.client_id)
            .bind(&$grant.user_id)
            .bind(&$grant.session_id)
            .bind($grant.offline)
            .bind(&$grant.scope)
            .bind(&$grant.resource)
            .bind(&$grant.claims)
            .bind(&$grant.nonce)
            .bind(seconds($grant.auth_time))
            .bind(&$grant.acr)
            .bind(&$grant.amr)
            .bind(i64::from($grant.generation))
            .bind(seconds($grant.rotated_at))
            .bind(seconds($grant.created_at))
            .bind(seconds($grant.expires_at))
            .bind($grant.revoked_at.map(seconds))
            .bind($entry.act)
            .bind(&$entry.actor)
            .bind(&$entry.subject)
            .bind($entry.client_id)
            .bind(&$entry.address)
            .bind($entry.request_id)
            .bind($entry.result)
    };
}

const FIND: &str = concat!("SELECT ", grant_columns!(), " FROM grants g WHERE g.id = $1");

/// A grant that had a session which is gone is not one that never had any: the row of the session must be there and live ($2 is now,
/// $3 the beginning of idleness).
const REFRESHABLE: &str = concat!(
    "SELECT ",
    grant_columns!(),
    ", ",
    user_columns!(),
    " FROM grants g JOIN users u ON u.id = g.user_id LEFT JOIN sessions s ON s.id = g.session_id \
     WHERE g.id = $1 AND g.revoked_at IS NULL AND u.disabled_at IS NULL \
     AND (g.offline OR g.session_id IS NULL OR (s.ended_at IS NULL AND s.expires_at > $2 AND s.last_seen_at > $3))"
);

/// The same decided and written at once: $2 the generation, $3 now, $4 the client, $5 and $6 the beginnings of idleness of grant and session; $7 and $8
/// whether it may outlive its session and name resources, $9 the client's scopes, between spaces.
macro_rules! renew {
    () => {
        "UPDATE grants AS g SET generation = g.generation + 1, rotated_at = $3 FROM users u \
         WHERE g.id = $1 AND g.generation = $2 AND g.client_id = $4 AND g.revoked_at IS NULL AND g.expires_at > $3 AND g.rotated_at > $5 \
         AND u.id = g.user_id AND u.disabled_at IS NULL \
         AND (g.offline OR g.session_id IS NULL OR EXISTS (SELECT 1 FROM sessions s \
         WHERE s.id = g.session_id AND s.ended_at IS NULL AND s.expires_at > $3 AND s.last_seen_at > $6)) \
         AND ($7 OR NOT g.offline) AND ($8 OR g.resource = '') AND (g.scope = '' OR "
    };
}
const RENEW: Message = message!(
    concat!(renew!(), "position(' ' || split_part(g.scope, ' ', 1) || ' ' IN $9) > 0) RETURNING ", grant_columns!(), ", ", user_columns!()),
    renew!(),
    "instr($9, ' ' || substr(g.scope || ' ', 1, instr(g.scope || ' ', ' '))) > 0); SELECT ",
    grant_columns!(),
    ", ",
    user_columns!(),
    " FROM grants g JOIN users u ON u.id = g.user_id WHERE g.id = $1 AND changes() > 0",
);

/// The token of a person: neither it nor its grant is revoked, the session it was issued in ($3, where it names one) has not ended, and
/// person and client are there and not disabled.
const STANDING_OF_GRANT: &str = concat!(
    "SELECT g.claims, ",
    user_columns!(),
    " FROM grants g JOIN users u ON u.id = g.user_id JOIN clients c ON c.client_id = g.client_id \
     WHERE g.id = $2 AND g.revoked_at IS NULL AND u.disabled_at IS NULL AND c.disabled_at IS NULL \
     AND ($3 IS NULL OR EXISTS (SELECT 1 FROM sessions s WHERE s.id = $3 AND s.user_id = g.user_id AND s.ended_at IS NULL)) \
     AND NOT EXISTS (SELECT 1 FROM revoked_tokens r WHERE r.jti = $1)"
);
const STANDING_OF_CLIENT: &str = "SELECT jti FROM revoked_tokens WHERE jti = $1";

/// The one statement that decides which of several equal refreshes goes on; the others find another generation.
const ROTATE: &str = "UPDATE grants SET generation = generation + 1, rotated_at = $3 \
     WHERE id = $1 AND generation = $2 AND revoked_at IS NULL RETURNING generation";
const TOUCH: &str = "UPDATE grants SET rotated_at = $3 WHERE id = $1 AND generation = $2 AND revoked_at IS NULL RETURNING generation";

const REVOKE: &str = "UPDATE grants SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL";
const REVOKE_OPENED: &str = "UPDATE grants SET revoked_at = $2 WHERE code_digest = $1 AND revoked_at IS NULL";

#[derive(sqlx::FromRow)]
struct Row {
    g_id: String,
    g_client_id: String,
    g_user_id: String,
    g_session_id: Option<String>,
    g_offline: bool,
    g_scope: String,
    g_resource: String,
    g_claims: Option<String>,
    g_nonce: Option<String>,
    g_auth_time: i64,
    g_acr: String,
    g_amr: String,
    g_generation: i64,
    g_rotated_at: i64,
    g_created_at: i64,
    g_expires_at: i64,
    g_revoked_at: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct WithUser {
    #[sqlx(flatten)]
    grant: Row,
    #[sqlx(flatten)]
    user: users::Row,
}

#[derive(sqlx::FromRow)]
struct OpenedFor {
    opened: bool,
    #[sqlx(flatten)]
    user: users::Row,
}

#[derive(sqlx::FromRow)]
struct Held {
    claims: Option<String>,
    #[sqlx(flatten)]
    user: users::Row,
}

impl TryFrom<Row> for Grant {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: GrantId::parse(&row.g_id).ok_or_else(|| StorageError::corrupt("the id of a grant"))?,
            client_id: row.g_client_id,
            user_id: row.g_user_id,
            session_id: row.g_session_id,
            offline: row.g_offline,
            scope: row.g_scope,
            resource: row.g_resource,
            claims: row.g_claims,
            nonce: row.g_nonce,
            auth_time: moment(row.g_auth_time)?,
            acr: row.g_acr,
            amr: row.g_amr,
            generation: generation(row.g_generation)?,
            rotated_at: moment(row.g_rotated_at)?,
            created_at: moment(row.g_created_at)?,
            expires_at: moment(row.g_expires_at)?,
            revoked_at: maybe_moment(row.g_revoked_at)?,
        })
    }
}

#[async_trait]
impl Grants for Sql {
    async fn open(&self, grant: &Grant, code: Option<&Digest>, by: &Act) -> Result<Opened> {
        let (id, code, now) = (grant.id.hex(), code.map(Digest::hex), grant.created_at);
        let entry = Entry::done("grant.open", subject(&id), now, by);
        let opened = at_once!(self, &OPEN, |db, text| unless_gone(
            bind_grant!(sqlx::query_as::<_, (i64,)>(text), grant, &id, &code, entry).fetch_all(db).await
        ))?;
        if !opened.is_empty() {
            return Ok(Opened::Fresh);
        }
        let there = on!(self.read, |db| sqlx::query("SELECT id FROM users WHERE id = $1")
            .bind(&grant.user_id)
            .fetch_optional(db)
            .await
            .map(|row| row.is_some()))?;
        if !there {
            return Ok(Opened::Nobody);
        }
        self.used_before(code.as_deref(), now, by).await?;
        Ok(Opened::Replay)
    }

    async fn open_proved(&self, grant: &Grant, proof: &Proof, by: &Act) -> Result<bool> {
        let (id, now, code) = (grant.id.hex(), grant.created_at, None::<String>);
        let entry = Entry::done("grant.open", subject(&id), now, by);
        let opened = at_once!(self, &OPEN_PROVED, |db, text| bind_grant!(sqlx::query_as::<_, (i64,)>(text), grant, &id, &code, entry)
            .bind(proof.hash())
            .fetch_all(db)
            .await)?;
        if opened.is_empty() {
            self.not_proved(&grant.user_id, now, by).await?;
        }
        Ok(!opened.is_empty())
    }

    async fn open_by_code(&self, grant: &Grant, code: ByCode<'_>, by: &Act) -> Result<OpenedByCode> {
        let ByCode { digest, idle, consent } = code;
        let (id, code, now) = (grant.id.hex(), digest.hex(), grant.created_at);
        let entry = Entry::done("grant.open", subject(&id), now, by);
        let mut rows = at_once!(self, &OPEN_BY_CODE, |db, text| {
            let query =
                bind_grant!(sqlx::query_as::<_, OpenedFor>(text), grant, &id, &code, entry).bind(entry.at - length(idle)).bind(!consent);
            unless_gone(query.fetch_all(db).await)
        })?;
        match rows.pop() {
            Some(OpenedFor { opened: true, user }) => Ok(OpenedByCode::Fresh(Box::new(user.try_into()?))),
            Some(_) => {
                self.used_before(Some(&code), now, by).await?;
                Ok(OpenedByCode::Replay)
            }
            None => Ok(OpenedByCode::Over),
        }
    }

    async fn replayed(&self, code: &Digest, client_id: &str, now: Time, by: &Act) -> Result<bool> {
        let code = code.hex();
        let known = on!(self.read, |db| sqlx::query("SELECT id FROM grants WHERE code_digest = $1 AND client_id = $2")
            .bind(&code)
            .bind(client_id)
            .fetch_optional(db)
            .await
            .map(|row| row.is_some()))?;
        // Most codes that are not known were never issued: those cost no transaction.
        if !known {
            return Ok(false);
        }
        self.used_before(Some(&code), now, by).await?;
        Ok(true)
    }

    async fn find(&self, id: &GrantId) -> Result<Option<Grant>> {
        let row = on!(self.read, |db| sqlx::query_as::<_, Row>(FIND).bind(id.hex()).fetch_optional(db).await)?;
        row.map(Grant::try_from).transpose()
    }

    async fn refreshable(&self, id: &GrantId, idle: Duration, now: Time) -> Result<Option<(Grant, User)>> {
        let now = seconds(now);
        let row = on!(self.read, |db| sqlx::query_as::<_, WithUser>(REFRESHABLE)
            .bind(id.hex())
            .bind(now)
            .bind(now - length(idle))
            .fetch_optional(db)
            .await)?;
        row.map(|row| Ok((row.grant.try_into()?, row.user.try_into()?))).transpose()
    }

    async fn renew(&self, id: &GrantId, renewal: Renewal<'_>, now: Time) -> Result<Option<(Grant, User)>> {
        let now = seconds(now);
        let mut rows = at_once!(self, &RENEW, |db, text| sqlx::query_as::<_, WithUser>(text)
            .bind(id.hex())
            .bind(i64::from(renewal.generation))
            .bind(now)
            .bind(renewal.client_id)
            .bind(now - length(renewal.refresh_idle))
            .bind(now - length(renewal.session_idle))
            .bind(renewal.offline)
            .bind(renewal.resource)
            .bind(format!(" {} ", renewal.scope))
            .fetch_all(db)
            .await)?;
        rows.pop().map(|row| Ok((row.grant.try_into()?, row.user.try_into()?))).transpose()
    }

    async fn rotate(&self, id: &GrantId, presented: u32, window: Duration, now: Time, by: &Act) -> Result<Rotation> {
        let id = id.hex();
        let rotated = on!(self.write, |db| sqlx::query_as::<_, (i64,)>(ROTATE)
            .bind(&id)
            .bind(i64::from(presented))
            .bind(seconds(now))
            .fetch_all(db)
            .await)?;
        match rotated.first() {
            Some((next,)) => Ok(Rotation::Next(generation(*next)?)),
            None => self.not_current(&id, presented, window, now, by).await,
        }
    }

    async fn touch(&self, id: &GrantId, presented: u32, window: Duration, now: Time, by: &Act) -> Result<Rotation> {
        let id = id.hex();
        let touched = on!(self.write, |db| sqlx::query_as::<_, (i64,)>(TOUCH)
            .bind(&id)
            .bind(i64::from(presented))
            .bind(seconds(now))
            .fetch_all(db)
            .await)?;
        match touched.first() {
            Some((same,)) => Ok(Rotation::Next(generation(*same)?)),
            None => self.not_current(&id, presented, window, now, by).await,
        }
    }

    async fn revoke(&self, id: &GrantId, now: Time, by: &Act) -> Result<()> {
        let id = id.hex();
        step!(self, |tx| {
            let done = sqlx::query(REVOKE).bind(&id).bind(seconds(now)).execute(&mut *tx).await?;
            if done.rows_affected() > 0 {
                audit!(tx, Entry::done("grant.revoke", subject(&id), now, by));
            }
            Ok(())
        })
    }

    async fn revoke_all(&self, user_id: &str, client_id: Option<&str>, now: Time, by: &Act) -> Result<u64> {
        step!(self, |tx| {
            let done = sqlx::query(
                "UPDATE grants SET revoked_at = $3 WHERE user_id = $1 AND ($2 IS NULL OR client_id = $2) AND revoked_at IS NULL",
            )
            .bind(user_id)
            .bind(client_id)
            .bind(seconds(now))
            .execute(&mut *tx)
            .await?;
            if done.rows_affected() > 0 {
                let subject = client_id.map_or_else(|| format!("user:{user_id}"), |client| format!("consent:{user_id}:{client}"));
                audit!(tx, Entry::done("grant.revoke_all", subject, now, by));
            }
            Ok(done.rows_affected())
        })
    }

    async fn revoke_token(&self, jti: &str, expires_at: Time, now: Time, by: &Act) -> Result<()> {
        step!(self, |tx| {
            let done = sqlx::query("INSERT INTO revoked_tokens (jti, expires_at) VALUES ($1, $2) ON CONFLICT (jti) DO NOTHING")
                .bind(jti)
                .bind(seconds(expires_at))
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() > 0 {
                audit!(tx, Entry::done("token.revoke", format!("token:{jti}"), now, by));
            }
            Ok(())
        })
    }

    async fn standing(&self, token: TokenRef<'_>) -> Result<Standing> {
        let Some(grant) = token.grant else {
            let revoked =
                on!(self.read, |db| sqlx::query(STANDING_OF_CLIENT).bind(token.jti).fetch_optional(db).await.map(|row| row.is_some()))?;
            return Ok(if revoked { Standing::Dead } else { Standing::Live(None) });
        };
        let row = on!(self.read, |db| sqlx::query_as::<_, Held>(STANDING_OF_GRANT)
            .bind(token.jti)
            .bind(grant.hex())
            .bind(token.sid)
            .fetch_optional(db)
            .await)?;
        Ok(match row {
            Some(held) => Standing::Live(Some(Box::new(Holder { user: held.user.try_into()?, claims: held.claims }))),
            None => Standing::Dead,
        })
    }

    async fn clean(&self, now: Time) -> Result<u64> {
        let mut removed = 0;
        loop {
            let grants =
                on!(self.write, |db| sqlx::query("DELETE FROM grants WHERE id IN (SELECT id FROM grants WHERE expires_at < $1 LIMIT $2)")
                    .bind(seconds(now) - KEPT)
                    .bind(BATCH)
                    .execute(db)
                    .await
                    .map(|done| done.rows_affected()))?;
            let tokens = on!(self.write, |db| sqlx::query(
                "DELETE FROM revoked_tokens WHERE jti IN (SELECT jti FROM revoked_tokens WHERE expires_at < $1 LIMIT $2)"
            )
            .bind(seconds(now) - KEPT)
            .bind(BATCH)
            .execute(db)
            .await
            .map(|done| done.rows_affected()))?;
            removed += grants + tokens;
            if grants.max(tokens) < BATCH.unsigned_abs() {
                return Ok(removed);
            }
        }
    }
}

impl Sql {
    /// RFC 6749 §4.1.2: "If an authorization code is used more than once, the authorization server MUST deny the request and SHOULD
    /// revoke (when possible) all tokens previously issued based on that authorization code."
    async fn used_before(&self, code: Option<&str>, now: Time, by: &Act) -> Result<()> {
        step!(self, |tx| {
            sqlx::query(REVOKE_OPENED).bind(code).bind(seconds(now)).execute(&mut *tx).await?;
            audit!(tx, Entry::refused("grant.open", opened_by(code), "replay", now, by));
            Ok(())
        })
    }

    /// What a refresh token is whose generation is not the current one, or whose grant is revoked.
    async fn not_current(&self, id: &str, presented: u32, window: Duration, now: Time, by: &Act) -> Result<Rotation> {
        step!(self, |tx| {
            let row = sqlx::query_as::<_, (i64, i64, Option<i64>)>("SELECT generation, rotated_at, revoked_at FROM grants WHERE id = $1")
                .bind(id)
                .fetch_optional(&mut *tx)
                .await?;
            let Some((current, rotated_at, None)) = row else { return Ok(Rotation::Gone) };
            // The answer to the one before got lost, and its successor has not been used: the same again.
            let current = generation(current)?;
            if is_retry(presented, current, moment(rotated_at)?, window, now) {
                return Ok(Rotation::Repeat(current));
            }
            // RFC 9700 §4.14.2: "the authorization server cannot determine which party submitted the invalid refresh token, but it will revoke
            // the active refresh token." Committed here, whatever the caller answers.
            sqlx::query(REVOKE).bind(id).bind(seconds(now)).execute(&mut *tx).await?;
            audit!(tx, Entry::refused("token.refresh", subject(id), "reuse", now, by));
            Ok(Rotation::Reuse)
        })
    }
}

/// A person who is deleted beside the statement (Postgres finds out when it looks at the reference, after the statement has read them) opens
/// nothing. In SQLite nobody writes beside the statement, which would not be over.
fn unless_gone<T>(rows: std::result::Result<Vec<T>, sqlx::Error>) -> std::result::Result<Vec<T>, sqlx::Error> {
    match rows {
        Err(error) if users::is_ghost(&error) => Ok(Vec::new()),
        rows => rows,
    }
}

fn subject(id: &str) -> String {
    format!("grant:{id}")
}

/// A code in the audit trail, by the beginning of its digest.
fn opened_by(code: Option<&str>) -> Option<String> {
    code.map(|digest| format!("code:{}", &digest[..16]))
}

fn generation(stored: i64) -> Result<u32> {
    u32::try_from(stored).map_err(StorageError::corrupt)
}
