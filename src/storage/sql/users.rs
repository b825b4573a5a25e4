//! People.

use async_trait::async_trait;

use super::super::durable::{Act, NewUser, User, UserKey, Users};
use super::super::{Result, StorageError, Time};
use super::audit::Entry;
use super::{Sql, maybe_moment, moment, seconds};

/// The columns of [`Row`], from the table under the name `u`. Prefixed, so that one row can hold a person beside something else.
macro_rules! user_columns {
    () => {
        "u.id AS u_id, u.email AS u_email, u.email_verified AS u_email_verified, u.username AS u_username, u.name AS u_name, \
         u.locale AS u_locale, u.claims AS u_claims, u.roles AS u_roles, u.disabled_at AS u_disabled_at, u.demo AS u_demo, \
         u.created_at AS u_created_at, u.updated_at AS u_updated_at"
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
    u_roles: String,
    u_disabled_at: Option<i64>,
    u_demo: bool,
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
            roles: serde_json::from_str(&row.u_roles).map_err(StorageError::corrupt)?,
            disabled_at: maybe_moment(row.u_disabled_at)?,
            demo: row.u_demo,
            created_at: moment(row.u_created_at)?,
            updated_at: moment(row.u_updated_at)?,
        })
    }
}

#[derive(sqlx::FromRow)]
struct WithPassword {
    #[sqlx(flatten)]
    user: Row,
    password_hash: Option<String>,
}

/// A user name may not look like an e-mail address, but where an old one does, the address wins.
const BY_IDENTIFIER: &str = concat!(
    "SELECT ",
    user_columns!(),
    ", u.password_hash FROM users u WHERE u.email_canonical = $1 OR u.username_canonical = $1 \
     ORDER BY CASE WHEN u.email_canonical = $1 THEN 0 ELSE 1 END LIMIT 1"
);
const BY_ID: &str = concat!("SELECT ", user_columns!(), ", u.password_hash FROM users u WHERE u.id = $1");
const LIST: &str = concat!("SELECT ", user_columns!(), " FROM users u WHERE u.id > $1 ORDER BY u.id LIMIT $2");
const ANY_OWNER: &str = "SELECT id FROM users WHERE owner LIMIT 1";
const ANY_DEMO: &str = "SELECT id FROM users WHERE demo LIMIT 1";

macro_rules! insert_user {
    ($tx:ident, $new:ident, $claims:ident, $roles:ident) => {
        sqlx::query(
            "INSERT INTO users (id, email, email_canonical, email_verified, username, username_canonical, name, locale, claims, roles, owner, \
             password_hash, demo, disabled_at, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        )
        .bind(&$new.user.id)
        .bind(&$new.user.email)
        .bind(&$new.email_canonical)
        .bind($new.user.email_verified)
        .bind(&$new.user.username)
        .bind(&$new.username_canonical)
        .bind(&$new.user.name)
        .bind(&$new.user.locale)
        .bind(&$claims)
        .bind(&$roles)
        .bind(is_owner(&$new.user))
        .bind(&$new.password_hash)
        .bind($new.user.demo)
        .bind($new.user.disabled_at.map(seconds))
        .bind(seconds($new.user.created_at))
        .bind(seconds($new.user.updated_at))
        .execute(&mut *$tx)
        .await?
    };
}

/// Inside a step: ends the person's sessions, except one if named, and revokes every grant, offline ones too.
macro_rules! end_everything {
    ($tx:ident, $id:expr, $except:expr, $now:expr) => {
        sqlx::query("UPDATE sessions SET ended_at = $2 WHERE user_id = $1 AND id <> $3 AND ended_at IS NULL")
            .bind($id)
            .bind(seconds($now))
            .bind($except.unwrap_or_default())
            .execute(&mut *$tx)
            .await?;
        sqlx::query("UPDATE grants SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL")
            .bind($id)
            .bind(seconds($now))
            .execute(&mut *$tx)
            .await?;
    };
}

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

#[async_trait]
impl Users for Sql {
    async fn find(&self, key: UserKey<'_>) -> Result<Option<User>> {
        Ok(self.with_password(key).await?.map(|(user, _)| user))
    }

    async fn with_password(&self, key: UserKey<'_>) -> Result<Option<(User, Option<String>)>> {
        let (statement, value) = match key {
            UserKey::Id(id) => (BY_ID, id),
            UserKey::Identifier(canonical) => (BY_IDENTIFIER, canonical),
        };
        let row = on!(self.read, |db| sqlx::query_as::<_, WithPassword>(statement).bind(value).fetch_optional(db).await)?;
        row.map(|row| Ok((row.user.try_into()?, row.password_hash))).transpose()
    }

    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<User>> {
        let rows =
            on!(self.read, |db| sqlx::query_as::<_, Row>(LIST).bind(after.unwrap_or_default()).bind(i64::from(limit)).fetch_all(db).await)?;
        rows.into_iter().map(User::try_from).collect()
    }

    async fn create(&self, new: &NewUser, by: &Act) -> Result<()> {
        let (claims, roles) = documents(&new.user)?;
        step!(self, |tx| {
            if is_owner(&new.user) {
                lock!(tx, "owners");
            }
            insert_user!(tx, new, claims, roles);
            audit!(tx, Entry::done("user.create", subject(&new.user.id), new.user.created_at, by));
            Ok(())
        })
    }

    async fn create_first_owner(&self, new: &NewUser, by: &Act) -> Result<bool> {
        let (claims, roles) = documents(&new.user)?;
        if !is_owner(&new.user) {
            return Err(StorageError::corrupt("the first owner must hold the role `owner`"));
        }
        step!(self, |tx| {
            // Whoever makes an owner at the same time has finished when this returns, and the next statement sees it.
            lock!(tx, "owners");
            if sqlx::query(ANY_OWNER).fetch_optional(&mut *tx).await?.is_some() {
                return Ok(false);
            }
            insert_user!(tx, new, claims, roles);
            audit!(tx, Entry::done("user.create", subject(&new.user.id), new.user.created_at, by));
            Ok(true)
        })
    }

    async fn any_owner(&self) -> Result<bool> {
        on!(self.read, |db| sqlx::query(ANY_OWNER).fetch_optional(db).await.map(|row| row.is_some()))
    }

    async fn set_disabled(&self, id: &str, disabled: bool, now: Time, by: &Act) -> Result<bool> {
        let act = if disabled { "user.disable" } else { "user.enable" };
        step!(self, |tx| {
            let done = sqlx::query("UPDATE users SET disabled_at = $2, updated_at = $3 WHERE id = $1")
                .bind(id)
                .bind(disabled.then(|| seconds(now)))
                .bind(seconds(now))
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 0 {
                return Ok(false);
            }
            if disabled {
                end_everything!(tx, id, None::<&str>, now);
            }
            audit!(tx, Entry::done(act, subject(id), now, by));
            Ok(true)
        })
    }

    async fn set_password(&self, id: &str, hash: &str, keep_session: Option<&str>, now: Time, by: &Act) -> Result<bool> {
        step!(self, |tx| {
            let done = sqlx::query("UPDATE users SET password_hash = $2, updated_at = $3 WHERE id = $1")
                .bind(id)
                .bind(hash)
                .bind(seconds(now))
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 0 {
                return Ok(false);
            }
            end_everything!(tx, id, keep_session, now);
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

fn subject(id: &str) -> String {
    format!("user:{id}")
}

fn is_owner(user: &User) -> bool {
    user.roles.iter().any(|role| role == "owner")
}

/// Claims and roles as they are stored.
fn documents(user: &User) -> Result<(String, String)> {
    let claims = serde_json::to_string(&user.claims).map_err(StorageError::corrupt)?;
    let roles = serde_json::to_string(&user.roles).map_err(StorageError::corrupt)?;
    Ok((claims, roles))
}
