//! Remembered permissions.

use async_trait::async_trait;

use super::super::durable::{Act, Connection, Consent, Consents};
use super::super::{Result, Time};
use super::audit::Entry;
use super::users::is_ghost;
use super::{Sql, moment, seconds};

#[async_trait]
impl Consents for Sql {
    async fn find(&self, user_id: &str, client_id: &str) -> Result<Option<Consent>> {
        let row = on!(self.read, |db| sqlx::query_as::<_, (String, i64)>(
            "SELECT scope, granted_at FROM consents WHERE user_id = $1 AND client_id = $2"
        )
        .bind(user_id)
        .bind(client_id)
        .fetch_optional(db)
        .await)?;
        row.map(|(scope, granted_at)| {
            Ok(Consent { user_id: user_id.to_owned(), client_id: client_id.to_owned(), scope, granted_at: moment(granted_at)? })
        })
        .transpose()
    }

    async fn connections(&self, user_id: &str, now: Time) -> Result<Vec<Connection>> {
        let permitted = on!(self.read, |db| sqlx::query_as::<_, (String, String, i64)>(
            "SELECT client_id, scope, granted_at FROM consents WHERE user_id = $1"
        )
        .bind(user_id)
        .fetch_all(db)
        .await)?;
        let granted = on!(self.read, |db| sqlx::query_as::<_, (String, String, i64, i64)>(
            "SELECT client_id, scope, created_at, rotated_at FROM grants WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2"
        )
        .bind(user_id)
        .bind(seconds(now))
        .fetch_all(db)
        .await)?;
        let mut connections = std::collections::BTreeMap::new();
        for (client_id, scope, granted_at) in permitted {
            let connection = Connection { client_id: client_id.clone(), scope, since: moment(granted_at)?, last_used: None };
            connections.insert(client_id, (true, connection));
        }
        for (client_id, scope, created_at, rotated_at) in granted {
            let (created_at, rotated_at) = (moment(created_at)?, moment(rotated_at)?);
            let fresh = Connection { client_id: client_id.clone(), scope: String::new(), since: created_at, last_used: None };
            let (permitted, connection) = connections.entry(client_id).or_insert((false, fresh));
            connection.last_used = connection.last_used.max(Some(rotated_at));
            if !*permitted {
                connection.scope = together(&connection.scope, &scope);
                connection.since = connection.since.min(created_at);
            }
        }
        Ok(connections.into_values().map(|(_, connection)| connection).collect())
    }

    async fn allow(&self, user_id: &str, client_id: &str, scope: &str, now: Time, by: &Act) -> Result<bool> {
        step!(self, |tx| {
            // Stays until the end of the transaction: two permissions of one person come one after the other, and whoever deletes the person waits
            // before they hold anything that this step still needs.
            let held = sqlx::query("UPDATE users SET id = id WHERE id = $1").bind(user_id).execute(&mut *tx).await?;
            if held.rows_affected() == 0 {
                return Ok(false);
            }
            let before = sqlx::query_as::<_, (String,)>("SELECT scope FROM consents WHERE user_id = $1 AND client_id = $2")
                .bind(user_id)
                .bind(client_id)
                .fetch_optional(&mut *tx)
                .await?;
            let allowed = sqlx::query(
                "INSERT INTO consents (user_id, client_id, scope, granted_at) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (user_id, client_id) DO UPDATE SET scope = $3, granted_at = $4",
            )
            .bind(user_id)
            .bind(client_id)
            .bind(together(&before.map_or_else(String::new, |(scope,)| scope), scope))
            .bind(seconds(now))
            .execute(&mut *tx)
            .await;
            // The client is gone: nothing was written, and nothing will be.
            if allowed.as_ref().is_err_and(is_ghost) {
                return Ok(false);
            }
            allowed?;
            audit!(tx, Entry::done("consent.allow", subject(user_id, client_id), now, by));
            Ok(true)
        })
    }

    async fn withdraw(&self, user_id: &str, client_id: &str, now: Time, by: &Act) -> Result<bool> {
        step!(self, |tx| {
            let done = sqlx::query("DELETE FROM consents WHERE user_id = $1 AND client_id = $2")
                .bind(user_id)
                .bind(client_id)
                .execute(&mut *tx)
                .await?;
            let revoked = sqlx::query("UPDATE grants SET revoked_at = $3 WHERE user_id = $1 AND client_id = $2 AND revoked_at IS NULL")
                .bind(user_id)
                .bind(client_id)
                .bind(seconds(now))
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() + revoked.rows_affected() == 0 {
                return Ok(false);
            }
            audit!(tx, Entry::done("consent.withdraw", subject(user_id, client_id), now, by));
            Ok(true)
        })
    }
}

fn subject(user_id: &str, client_id: &str) -> String {
    format!("consent:{user_id}:{client_id}")
}

/// Both lists as one, in the order of their first mention.
fn together(before: &str, added: &str) -> String {
    let mut scopes: Vec<&str> = Vec::new();
    for scope in before.split_ascii_whitespace().chain(added.split_ascii_whitespace()) {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    scopes.join(" ")
}
