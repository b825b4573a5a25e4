//! Registered clients.

use std::sync::Arc;

use async_trait::async_trait;

use super::super::durable::clients::StoredSecret;
use super::super::durable::{Act, Allowance, ClientRecord, ClientSecret, Clients, Judged, Saved};
use super::super::{Digest, Result, StorageError, Time};
use super::audit::Entry;
use super::{Sql, maybe_moment, moment, seconds};
use crate::protocol::redirect_uri;

/// The permissions of a client, by what is allowed and by the roles of whoever allows it. People are many, and these pairs few.
const ALLOWANCES: &str = "SELECT DISTINCT c.scope, u.roles FROM consents c JOIN users u ON u.id = c.user_id \
     WHERE c.client_id = $1 AND c.user_id <> $2 ORDER BY c.scope, u.roles";
const ADD_ORIGIN: &str = "INSERT INTO client_origins (origin, client_id) VALUES ($1, $2)";

#[derive(sqlx::FromRow)]
struct Row {
    metadata: String,
    secrets: String,
    demo: bool,
    disabled_at: Option<i64>,
    revision: i64,
    created_at: i64,
    updated_at: i64,
}

#[async_trait]
impl Clients for Sql {
    async fn find(&self, client_id: &str) -> Result<Option<Arc<ClientRecord>>> {
        let row = on!(self.read, |db| sqlx::query_as::<_, Row>(
            "SELECT metadata, secrets, demo, disabled_at, revision, created_at, updated_at FROM clients WHERE client_id = $1"
        )
        .bind(client_id)
        .fetch_optional(db)
        .await)?;
        row.map(record).transpose()
    }

    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<Arc<ClientRecord>>> {
        let rows = on!(self.read, |db| {
            sqlx::query_as::<_, Row>(
            "SELECT metadata, secrets, demo, disabled_at, revision, created_at, updated_at FROM clients WHERE client_id > $1 ORDER BY client_id LIMIT $2"
        )
        .bind(after.unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(db)
        .await
        })?;
        rows.into_iter().map(record).collect()
    }

    async fn create(&self, record: &ClientRecord, by: &Act) -> Result<()> {
        let (metadata, secrets) = (metadata(record)?, secrets(record)?);
        step!(self, |tx| {
            bump!(tx, "clients");
            sqlx::query(
                "INSERT INTO clients (client_id, metadata, secrets, demo, disabled_at, revision, created_at, updated_at) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(&record.client.client_id)
            .bind(&metadata)
            .bind(&secrets)
            .bind(record.demo)
            .bind(record.disabled_at.map(seconds))
            .bind(record.revision)
            .bind(seconds(record.created_at))
            .bind(seconds(record.updated_at))
            .execute(&mut *tx)
            .await?;
            for origin in redirect_uri::origins(&record.client.redirect_uris) {
                sqlx::query(ADD_ORIGIN).bind(&origin).bind(&record.client.client_id).execute(&mut *tx).await?;
            }
            audit!(tx, Entry::done("client.create", subject(&record.client.client_id), record.created_at, by));
            Ok(())
        })
    }

    async fn update(&self, record: &ClientRecord, judged: Option<Judged<'_>>, by: &Act) -> Result<Saved> {
        let (metadata, secrets) = (metadata(record)?, secrets(record)?);
        step!(self, |tx| {
            bump!(tx, "clients");
            let before = sqlx::query_as::<_, Row>(
                "SELECT metadata, secrets, demo, disabled_at, revision, created_at, updated_at FROM clients WHERE client_id = $1",
            )
            .bind(&record.client.client_id)
            .fetch_optional(&mut *tx)
            .await?;
            let Some(before) = before else { return Ok(Saved::Unknown) };
            let before = super::clients::record(before)?;
            if let Some(judged) = judged {
                let found = sqlx::query_as::<_, (String, String)>(ALLOWANCES)
                    .bind(&record.client.client_id)
                    .bind(judged.except.unwrap_or_default())
                    .fetch_all(&mut *tx)
                    .await?;
                if allowances(found)? != judged.allowances {
                    return Ok(Saved::Stale);
                }
            }
            let acts = acts(&before, record);
            let done = sqlx::query(
                "UPDATE clients SET metadata = $3, secrets = $4, disabled_at = $5, updated_at = $6, revision = revision + 1 \
                 WHERE client_id = $1 AND revision = $2",
            )
            .bind(&record.client.client_id)
            .bind(record.revision)
            .bind(&metadata)
            .bind(&secrets)
            .bind(record.disabled_at.map(seconds))
            .bind(seconds(record.updated_at))
            .execute(&mut *tx)
            .await?;
            // What was read is what is replaced: its revision is the one that is asked for.
            if done.rows_affected() == 0 {
                return Ok(Saved::Stale);
            }
            sqlx::query("DELETE FROM client_origins WHERE client_id = $1").bind(&record.client.client_id).execute(&mut *tx).await?;
            for origin in redirect_uri::origins(&record.client.redirect_uris) {
                sqlx::query(ADD_ORIGIN).bind(&origin).bind(&record.client.client_id).execute(&mut *tx).await?;
            }
            for act in acts {
                audit!(tx, Entry::done(act, subject(&record.client.client_id), record.updated_at, by));
            }
            Ok(Saved::Done)
        })
    }

    async fn delete(&self, client_id: &str, revision: Option<i64>, now: Time, by: &Act) -> Result<Saved> {
        step!(self, |tx| {
            bump!(tx, "clients");
            // Its consents go with it, by their reference.
            let done = sqlx::query("DELETE FROM clients WHERE client_id = $1 AND revision = COALESCE($2, revision)")
                .bind(client_id)
                .bind(revision)
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 0 {
                let there =
                    sqlx::query("SELECT client_id FROM clients WHERE client_id = $1").bind(client_id).fetch_optional(&mut *tx).await?;
                return Ok(if there.is_some() { Saved::Stale } else { Saved::Unknown });
            }
            sqlx::query("UPDATE grants SET revoked_at = $2 WHERE client_id = $1 AND revoked_at IS NULL")
                .bind(client_id)
                .bind(seconds(now))
                .execute(&mut *tx)
                .await?;
            audit!(tx, Entry::done("client.delete", subject(client_id), now, by));
            Ok(Saved::Done)
        })
    }

    async fn allowances(&self, client_id: &str, except: Option<&str>) -> Result<Vec<Allowance>> {
        let found = on!(self.read, |db| sqlx::query_as::<_, (String, String)>(ALLOWANCES)
            .bind(client_id)
            .bind(except.unwrap_or_default())
            .fetch_all(db)
            .await)?;
        allowances(found)
    }

    async fn has_origin(&self, origin: &str) -> Result<bool> {
        on!(self.read, |db| {
            sqlx::query(
            "SELECT o.client_id FROM client_origins o JOIN clients c ON c.client_id = o.client_id WHERE o.origin = $1 AND c.disabled_at IS NULL LIMIT 1"
        )
        .bind(origin)
        .fetch_optional(db)
        .await
        .map(|row| row.is_some())
        })
    }

    async fn any_demo(&self) -> Result<bool> {
        let row = on!(self.read, |db| sqlx::query("SELECT client_id FROM clients WHERE demo LIMIT 1")
            .fetch_optional(db)
            .await
            .map(|row| row.is_some()))?;
        Ok(row)
    }
}

/// What is done to a client, by the names of the audit trail: each has a row of its own.
fn acts(before: &ClientRecord, after: &ClientRecord) -> Vec<&'static str> {
    let mut acts = Vec::new();
    let (metadata, secrets) = (before.client != after.client, before.secrets != after.secrets);
    // A client that becomes public, or stops being it, loses its secrets or gets one.
    if metadata {
        acts.push("client.update");
    } else if secrets {
        acts.push("client.rotate_secret");
    }
    match (before.disabled_at.is_some(), after.disabled_at.is_some()) {
        (false, true) => acts.push("client.disable"),
        (true, false) => acts.push("client.enable"),
        (true, true) | (false, false) if acts.is_empty() => acts.push("client.update"),
        (true, true) | (false, false) => {}
    }
    acts
}

fn allowances(found: Vec<(String, String)>) -> Result<Vec<Allowance>> {
    let read =
        |(scope, roles): (String, String)| Ok(Allowance { scope, roles: serde_json::from_str(&roles).map_err(StorageError::corrupt)? });
    found.into_iter().map(read).collect()
}

fn subject(client_id: &str) -> String {
    format!("client:{client_id}")
}

fn metadata(record: &ClientRecord) -> Result<String> {
    serde_json::to_string(&*record.client).map_err(StorageError::corrupt)
}

fn secrets(record: &ClientRecord) -> Result<String> {
    let stored: Vec<StoredSecret> = record
        .secrets
        .iter()
        .map(|secret| StoredSecret {
            digest: secret.digest.hex(),
            created_at: seconds(secret.created_at),
            expires_at: secret.expires_at.map(seconds),
        })
        .collect();
    serde_json::to_string(&stored).map_err(StorageError::corrupt)
}

fn record(row: Row) -> Result<Arc<ClientRecord>> {
    let stored: Vec<StoredSecret> = serde_json::from_str(&row.secrets).map_err(StorageError::corrupt)?;
    let secrets = stored.into_iter().map(secret).collect::<Result<_>>()?;
    Ok(Arc::new(ClientRecord {
        client: Arc::new(serde_json::from_str(&row.metadata).map_err(StorageError::corrupt)?),
        secrets,
        demo: row.demo,
        disabled_at: maybe_moment(row.disabled_at)?,
        revision: row.revision,
        created_at: moment(row.created_at)?,
        updated_at: moment(row.updated_at)?,
    }))
}

fn secret(stored: StoredSecret) -> Result<ClientSecret> {
    Ok(ClientSecret {
        digest: digest(&stored.digest).ok_or_else(|| StorageError::corrupt("the digest of a client secret"))?,
        created_at: moment(stored.created_at)?,
        expires_at: maybe_moment(stored.expires_at)?,
    })
}

fn digest(hex: &str) -> Option<Digest> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).ok()?;
    }
    Some(Digest(bytes))
}
