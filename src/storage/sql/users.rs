//! People.

use async_trait::async_trait;
use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

use super::super::durable::{Act, NewMail, NewUser, OWNER, User, UserKey, Users, Whom};
use super::super::{Result, StorageError, Time};
use super::audit::Entry;
use super::{Sql, maybe_moment, moment, seconds};

/// The columns of [`Row`], from the table under the name `u`. Prefixed, so that one row can hold a person beside something else.
macro_rules! user_columns {
    () => {
        "u.id AS u_id, u.email AS u_email, u.email_verified AS u_email_verified, u.username AS u_username, u.name AS u_name, \
         u.locale AS u_locale, u.claims AS u_claims, u.attributes AS u_attributes, u.external AS u_external, u.roles AS u_roles, \
         u.disabled_at AS u_disabled_at, u.demo AS u_demo, u.reset_required AS u_reset_required, u.pending AS u_pending, u.revision AS u_revision, \
         u.credential_revision AS u_credential_revision, u.password_changed_at AS u_password_changed_at, u.created_at AS u_created_at, \
         u.updated_at AS u_updated_at"
    };
}
pub(super) use user_columns;

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    u_id: String,
    u_email: String,
    u_email_verified: bool,
    u_username: Option<String>,
    u_name: Option<String>,
    u_locale: Option<String>,
    u_claims: String,
    u_attributes: String,
    u_external: String,
    u_roles: String,
    u_disabled_at: Option<i64>,
    u_demo: bool,
    u_reset_required: bool,
    u_pending: bool,
    u_revision: i64,
    u_credential_revision: i64,
    u_password_changed_at: Option<i64>,
    u_created_at: i64,
    u_updated_at: i64,
}

impl TryFrom<Row> for User {
    type Error = StorageError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.u_id,
            email: row.u_email,
            email_verified: row.u_email_verified,
            username: row.u_username,
            name: row.u_name,
            locale: row.u_locale,
            claims: serde_json::from_str(&row.u_claims).map_err(StorageError::corrupt)?,
            attributes: serde_json::from_str(&row.u_attributes).map_err(StorageError::corrupt)?,
            external: serde_json::from_str(&row.u_external).map_err(StorageError::corrupt)?,
            roles: serde_json::from_str(&row.u_roles).map_err(StorageError::corrupt)?,
            disabled_at: maybe_moment(row.u_disabled_at)?,
            demo: row.u_demo,
            reset_required: row.u_reset_required,
            pending: row.u_pending,
            revision: row.u_revision,
            credential_revision: row.u_credential_revision,
            password_changed_at: maybe_moment(row.u_password_changed_at)?,
            created_at: moment(row.u_created_at)?,
            updated_at: moment(row.u_updated_at)?,
        })
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct WithPassword {
    #[sqlx(flatten)]
    pub user: Row,
    pub password_hash: Option<String>,
}

/// A user name may not look like an e-mail address, but where an old one does, the address wins.
const BY_IDENTIFIER: &str = concat!(
    "SELECT ",
    user_columns!(),
    ", u.password_hash FROM users u WHERE u.email_canonical = $1 OR u.username_canonical = $1 \
     ORDER BY CASE WHEN u.email_canonical = $1 THEN 0 ELSE 1 END LIMIT 1"
);
const BY_ID: &str = concat!("SELECT ", user_columns!(), ", u.password_hash FROM users u WHERE u.id = $1");
const BY_EXTERNAL: &str = concat!(
    "SELECT ",
    user_columns!(),
    ", u.password_hash FROM external_ids e JOIN users u ON u.id = e.user_id WHERE e.external_id = $1 AND e.source = $2"
);
const LIST: &str = concat!("SELECT ", user_columns!(), " FROM users u WHERE u.id > $1 ORDER BY u.id LIMIT $2");
pub(super) const INSERT: &str = concat!(insert_into_users!(), " ON CONFLICT (email_canonical) DO NOTHING");
const SET_DISABLED: &str = "UPDATE users SET disabled_at = $2, updated_at = $3, revision = revision + 1 \
     WHERE id = $1 AND (CASE WHEN disabled_at IS NULL THEN 0 ELSE 1 END) <> $4";
const ANY_OWNER: &str = "SELECT id FROM users WHERE owner LIMIT 1";
const ANY_DEMO: &str = "SELECT id FROM users WHERE demo LIMIT 1";

/// The columns of [`insert_user!`] and its values.
macro_rules! insert_into_users {
    () => {
        "INSERT INTO users (id, email, email_canonical, email_verified, username, username_canonical, name, locale, claims, roles, owner, \
         password_hash, demo, disabled_at, created_at, updated_at, attributes, external, reset_required, password_changed_at, name_search, \
         pending, wanted, wanted_canonical) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)"
    };
}
pub(super) use insert_into_users;

/// The user name that somebody asked for when they signed up is free.
macro_rules! wanted_is_free {
    () => {
        "(wanted_canonical IS NOT NULL AND NOT EXISTS (SELECT 1 FROM users o WHERE o.username_canonical = users.wanted_canonical))"
    };
}
pub(super) use wanted_is_free;

/// Of a sign-up that nobody confirmed: [`User::makes_room`].
macro_rules! makes_room {
    () => {
        "pending AND disabled_at IS NULL AND roles = '[]'"
    };
}
pub(super) use makes_room;

pub(super) const MAKE_ROOM: &str =
    concat!("DELETE FROM users WHERE email_canonical = $1 AND id <> $2 AND ", makes_room!(), " RETURNING id");

/// Inside a step: whoever signed up with this address and never showed that it is theirs makes room for `$id`. With their row goes what hangs from
/// it: links, codes, the password, numbers. Says whether there was anybody. A confirmation at this moment waits for the end of the step
/// and finds nobody, or was first, and then nobody makes room.
macro_rules! make_room {
    ($tx:ident, $canonical:expr, $id:expr, $now:expr, $by:expr) => {{
        let gone =
            sqlx::query_as::<_, (String,)>($crate::storage::sql::users::MAKE_ROOM).bind($canonical).bind($id).fetch_all(&mut *$tx).await?;
        let mut any = false;
        for (id,) in &gone {
            any = true;
            audit!($tx, $crate::storage::sql::audit::Entry::done("user.delete", subject(id), $now, $by).because("made_room"));
        }
        any
    }};
}
pub(super) use make_room;

/// How many sign-ups one after the other make room for somebody in one step.
pub(super) const ROOMS: usize = 3;

/// Inside a step: [`insert_user!`] for somebody who is sure of the address; what nobody confirmed makes room.
macro_rules! insert_sure {
    ($tx:ident, $user:expr, $new:expr, $now:expr, $by:expr) => {{
        let mut made = insert_user!($tx, $crate::storage::sql::users::INSERT, $user, $new);
        // Another sign-up may come between: it makes room as well.
        for _ in 0..$crate::storage::sql::users::ROOMS {
            if made || !make_room!($tx, &$new.email_canonical, &$user.id, $now, $by) {
                break;
            }
            made = insert_user!($tx, $crate::storage::sql::users::INSERT, $user, $new);
        }
        made
    }};
}
pub(super) use insert_sure;

/// In an `UPDATE users SET`: what somebody signed up for becomes an account like any other. The user name goes to whoever confirms first.
macro_rules! settle {
    () => {
        concat!(
            "username = CASE WHEN pending AND username IS NULL AND ",
            wanted_is_free!(),
            " THEN wanted ELSE username END, username_canonical = CASE WHEN pending AND username IS NULL AND ",
            wanted_is_free!(),
            " THEN wanted_canonical ELSE username_canonical END, pending = FALSE, wanted = NULL, wanted_canonical = NULL, "
        )
    };
}
pub(super) use settle;

/// Inside a step: makes the row of a person by `$statement`, and those of their ids in other systems; says whether it was made.
macro_rules! insert_user {
    ($tx:ident, $statement:expr, $user:expr, $new:expr) => {{
        let (user, documents) = ($user, $crate::storage::sql::users::documents($user)?);
        let made = sqlx::query($statement)
            .bind(&user.id)
            .bind(&user.email)
            .bind(&$new.email_canonical)
            .bind(user.email_verified)
            .bind(user.username.as_ref().filter(|_| !user.pending))
            .bind($new.username_canonical.as_ref().filter(|_| !user.pending))
            .bind(&user.name)
            .bind(&user.locale)
            .bind(&documents.claims)
            .bind(&documents.roles)
            .bind($crate::storage::sql::users::is_owner(user))
            .bind(&$new.password_hash)
            .bind(user.demo)
            .bind(user.disabled_at.map($crate::storage::sql::seconds))
            .bind($crate::storage::sql::seconds(user.created_at))
            .bind($crate::storage::sql::seconds(user.updated_at))
            .bind(&documents.attributes)
            .bind(&documents.external)
            .bind(user.reset_required)
            .bind(user.password_changed_at.map($crate::storage::sql::seconds))
            .bind(user.name.as_deref().map($crate::storage::sql::users::searched))
            .bind(user.pending)
            .bind(user.username.as_ref().filter(|_| user.pending))
            .bind($new.username_canonical.as_ref().filter(|_| user.pending))
            .execute(&mut *$tx)
            .await?
            .rows_affected()
            > 0;
        if made {
            for external in &user.external {
                sqlx::query("INSERT INTO external_ids (source, external_id, user_id) VALUES ($1, $2, $3)")
                    .bind(&external.source)
                    .bind(&external.id)
                    .bind(&user.id)
                    .execute(&mut *$tx)
                    .await?;
            }
        }
        made
    }};
}
pub(super) use insert_user;

/// Inside a step, before [`settle!`]: did they ask for a user name that is nobody's until they confirm?
macro_rules! asked_for_a_name {
    ($tx:ident, $id:expr) => {
        sqlx::query("SELECT id FROM users WHERE id = $1 AND pending AND wanted IS NOT NULL AND username IS NULL")
            .bind($id)
            .fetch_optional(&mut *$tx)
            .await?
            .is_some()
    };
}
pub(super) use asked_for_a_name;

/// Inside a step, behind [`settle!`]: have they no user name?
macro_rules! is_nameless {
    ($tx:ident, $id:expr) => {
        sqlx::query("SELECT id FROM users WHERE id = $1 AND username IS NULL").bind($id).fetch_optional(&mut *$tx).await?.is_some()
    };
}
pub(super) use is_nameless;

/// Inside a step: ends the person's sessions, except one if named, and revokes every grant, offline ones too; how many of both.
macro_rules! end_everything {
    ($tx:ident, $id:expr, $except:expr, $now:expr) => {{
        let mut ended = sqlx::query("UPDATE sessions SET ended_at = $2 WHERE user_id = $1 AND id <> $3 AND ended_at IS NULL")
            .bind($id)
            .bind(seconds($now))
            .bind($except.unwrap_or_default())
            .execute(&mut *$tx)
            .await?
            .rows_affected();
        ended += sqlx::query("UPDATE grants SET revoked_at = $2 WHERE user_id = $1 AND id <> $3 AND revoked_at IS NULL")
            .bind($id)
            .bind(seconds($now))
            .bind($except.unwrap_or_default())
            .execute(&mut *$tx)
            .await?
            .rows_affected();
        ended
    }};
}
pub(super) use end_everything;

/// Inside a step: stops it where this person is the last owner who can sign in. Two owners who remove each other at the same time wait here
/// for one another.
macro_rules! keep_an_owner {
    ($tx:ident, $id:expr) => {
        if sqlx::query("SELECT id FROM users WHERE id = $1 AND owner AND disabled_at IS NULL AND NOT pending")
            .bind($id)
            .fetch_optional(&mut *$tx)
            .await?
            .is_some()
        {
            lock!($tx, "owners");
            let another = "SELECT id FROM users WHERE owner AND disabled_at IS NULL AND NOT pending AND id <> $1 LIMIT 1";
            if sqlx::query(another).bind($id).fetch_optional(&mut *$tx).await?.is_none() {
                return Err(crate::storage::StorageError::LastOwner.into());
            }
        }
    };
}
pub(super) use keep_an_owner;

/// Inside a step: stops it where the person's roles are not those of which it was judged. Whoever changes them waits for the end of this step. Behind
/// [`keep_an_owner!`]: everybody who needs that lock and a person's row takes them in this order.
macro_rules! as_judged {
    ($tx:ident, $whom:expr) => {
        if let Some(roles) = $whom.roles {
            let roles = serde_json::to_string(roles).map_err($crate::storage::StorageError::corrupt)?;
            let held = sqlx::query("UPDATE users SET revision = revision WHERE id = $1 AND roles = $2")
                .bind($whom.id)
                .bind(roles)
                .execute(&mut *$tx)
                .await?;
            if held.rows_affected() == 0
                && sqlx::query("SELECT id FROM users WHERE id = $1").bind($whom.id).fetch_optional(&mut *$tx).await?.is_some()
            {
                return Err($crate::storage::StorageError::Conflict("roles").into());
            }
        }
    };
}
pub(super) use as_judged;

/// Inside a step: does the proof still hold? If so, whoever changes the password or disables the account waits for the end of this step,
/// and ends what it began; if not, the refusal is written down.
macro_rules! still_proved {
    ($tx:ident, $id:expr, $proof:expr, $now:expr, $by:expr) => {{
        let held =
            sqlx::query("UPDATE users SET password_hash = password_hash WHERE id = $1 AND password_hash = $2 AND disabled_at IS NULL")
                .bind($id)
                .bind($proof.hash())
                .execute(&mut *$tx)
                .await?;
        let holds = held.rows_affected() > 0;
        if !holds {
            audit!($tx, crate::storage::sql::audit::Entry::refused("sign_in", format!("user:{}", $id), "changed", $now, $by));
        }
        holds
    }};
}
pub(super) use still_proved;

/// In a statement: the person whose password was proved, while the hash is still theirs.
macro_rules! proved {
    ($id:literal, $hash:literal) => {
        concat!("users u WHERE u.id = ", $id, " AND u.password_hash = ", $hash, " AND u.disabled_at IS NULL")
    };
}
pub(super) use proved;

impl Sql {
    /// A password was right, and nothing was begun on it.
    pub(super) async fn not_proved(&self, user_id: &str, now: Time, by: &Act) -> Result<()> {
        step!(self, |tx| {
            audit!(tx, Entry::refused("sign_in", format!("user:{user_id}"), "changed", now, by));
            Ok(())
        })
    }
}

#[async_trait]
impl Users for Sql {
    async fn find(&self, key: UserKey<'_>) -> Result<Option<User>> {
        Ok(self.with_password(key).await?.map(|(user, _)| user))
    }

    async fn with_password(&self, key: UserKey<'_>) -> Result<Option<(User, Option<String>)>> {
        let (statement, value, source) = match key {
            UserKey::Id(id) => (BY_ID, id, None),
            UserKey::Identifier(canonical) => (BY_IDENTIFIER, canonical, None),
            UserKey::External { source, id } => (BY_EXTERNAL, id, Some(source)),
        };
        let row = on!(self.read, |db| {
            let query = sqlx::query_as::<_, WithPassword>(statement).bind(value);
            let query = match source {
                Some(source) => query.bind(source),
                None => query,
            };
            query.fetch_optional(db).await
        })?;
        row.map(|row| Ok((row.user.try_into()?, row.password_hash))).transpose()
    }

    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<User>> {
        let rows =
            on!(self.read, |db| sqlx::query_as::<_, Row>(LIST).bind(after.unwrap_or_default()).bind(i64::from(limit)).fetch_all(db).await)?;
        rows.into_iter().map(User::try_from).collect()
    }

    async fn create(&self, new: &NewUser, by: &Act) -> Result<()> {
        step!(self, |tx| {
            if is_owner(&new.user) {
                lock!(tx, "owners");
            }
            if !insert_sure!(tx, &new.user, new, new.user.created_at, by) {
                return Err(StorageError::Conflict("email").into());
            }
            audit!(tx, Entry::done("user.create", subject(&new.user.id), new.user.created_at, by));
            Ok(())
        })
    }

    async fn create_first_owner(&self, new: &NewUser, by: &Act) -> Result<bool> {
        if !is_owner(&new.user) {
            return Err(StorageError::corrupt("the first owner must hold the role `owner`"));
        }
        step!(self, |tx| {
            // Whoever makes an owner at the same time has finished when this returns, and the next statement sees it.
            lock!(tx, "owners");
            if sqlx::query(ANY_OWNER).fetch_optional(&mut *tx).await?.is_some() {
                return Ok(false);
            }
            if !insert_sure!(tx, &new.user, new, new.user.created_at, by) {
                return Err(StorageError::Conflict("email").into());
            }
            audit!(tx, Entry::done("user.create", subject(&new.user.id), new.user.created_at, by));
            Ok(true)
        })
    }

    async fn any_owner(&self) -> Result<bool> {
        on!(self.read, |db| sqlx::query(ANY_OWNER).fetch_optional(db).await.map(|row| row.is_some()))
    }

    async fn set_disabled(&self, whom: Whom<'_>, disabled: bool, mails: &[NewMail], now: Time, by: &Act) -> Result<bool> {
        let act = if disabled { "user.disable" } else { "user.enable" };
        let id = whom.id;
        step!(self, |tx| {
            if disabled {
                keep_an_owner!(tx, id);
            }
            as_judged!(tx, whom);
            let done = sqlx::query(SET_DISABLED)
                .bind(id)
                .bind(disabled.then(|| seconds(now)))
                .bind(seconds(now))
                .bind(i64::from(disabled))
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 0 {
                // Done again, it is no news.
                return Ok(sqlx::query("SELECT id FROM users WHERE id = $1").bind(id).fetch_optional(&mut *tx).await?.is_some());
            }
            if disabled {
                end_everything!(tx, id, None::<&str>, now);
            }
            enqueue!(tx, mails);
            audit!(tx, Entry::done(act, subject(id), now, by));
            Ok(true)
        })
    }

    async fn set_password(&self, id: &str, hash: &str, keep_session: Option<&str>, mails: &[NewMail], now: Time, by: &Act) -> Result<bool> {
        step!(self, |tx| {
            let done = sqlx::query(concat!(
                "UPDATE users SET ",
                settle!(),
                "password_hash = $2, updated_at = $3, password_changed_at = $3, reset_required = FALSE, \
                 credential_revision = credential_revision + 1 WHERE id = $1"
            ))
            .bind(id)
            .bind(hash)
            .bind(seconds(now))
            .execute(&mut *tx)
            .await?;
            if done.rows_affected() == 0 {
                return Ok(false);
            }
            end_everything!(tx, id, keep_session, now);
            enqueue!(tx, mails);
            audit!(tx, Entry::done("user.set_password", subject(id), now, by));
            Ok(true)
        })
    }

    async fn upgrade_hash(&self, id: &str, old: &str, new: &str, now: Time, by: &Act) -> Result<bool> {
        step!(self, |tx| {
            let done = sqlx::query("UPDATE users SET password_hash = $3, updated_at = $4 WHERE id = $1 AND password_hash = $2")
                .bind(id)
                .bind(old)
                .bind(new)
                .bind(seconds(now))
                .execute(&mut *tx)
                .await?;
            let replaced = done.rows_affected() > 0;
            if replaced {
                audit!(tx, Entry::done("user.upgrade_hash", subject(id), now, by));
            }
            Ok(replaced)
        })
    }

    async fn any_demo(&self) -> Result<bool> {
        on!(self.read, |db| sqlx::query(ANY_DEMO).fetch_optional(db).await.map(|row| row.is_some()))
    }
}

pub(super) fn subject(id: &str) -> String {
    format!("user:{id}")
}

pub(super) fn is_owner(user: &User) -> bool {
    user.has_role(OWNER)
}

/// The members of a person that are stored as JSON.
pub(super) struct Documents {
    pub claims: String,
    pub attributes: String,
    pub external: String,
    pub roles: String,
}

pub(super) fn documents(user: &User) -> Result<Documents> {
    Ok(Documents {
        claims: serde_json::to_string(&user.claims).map_err(StorageError::corrupt)?,
        attributes: serde_json::to_string(&user.attributes).map_err(StorageError::corrupt)?,
        external: serde_json::to_string(&user.external).map_err(StorageError::corrupt)?,
        roles: serde_json::to_string(&user.roles).map_err(StorageError::corrupt)?,
    })
}

/// The row would have belonged to somebody who was deleted at this moment.
pub(super) fn is_ghost(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(database) if database.is_foreign_key_violation())
}

/// A name as it is searched: small letters without their accents.
pub(super) fn searched(text: &str) -> String {
    text.nfd().filter(|c| !is_combining_mark(*c)).flat_map(char::to_lowercase).collect()
}
