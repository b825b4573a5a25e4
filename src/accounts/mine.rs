//! What people do with what is theirs: their sessions, the apps that act for them, their data, and their account's end.
//!
//! Every function takes the id of the person who asks and reaches nothing of anybody else. Leaves to others: rows (`storage`), the
//! pages and documents that show them (`web`, `api`).

use std::time::Duration;

use serde_json::{Value, json};

use super::activity::{self, Activity};
use super::desk::{Asking, Desk, Presence};
use super::users::AccountError;
use crate::mail::Mail;
use crate::storage::durable::{AuditFilter, Connection, Session, Whom};
use crate::storage::{StorageError, Time};

/// The live sessions, the last seen first.
///
/// # Errors
/// The fault of the store.
pub async fn sessions(desk: &Desk<'_>, user_id: &str, idle: Duration, now: Time) -> Result<Vec<Session>, StorageError> {
    desk.sessions.of(user_id, idle, now).await
}

/// Ends one session of this person; false where they have none of that id.
///
/// # Errors
/// The fault of the store.
pub async fn end_session(desk: &Desk<'_>, user_id: &str, id: &str, idle: Duration, asking: &Asking<'_>) -> Result<bool, StorageError> {
    let theirs = desk.sessions.by_id(id, idle, asking.now).await?.is_some_and(|signed_in| signed_in.user.id == user_id);
    // Ids are never used again: what was theirs is theirs when it ends.
    Ok(theirs && desk.sessions.end(id, asking.now, asking.by).await?)
}

/// Ends every session of this person but the one named; how many.
///
/// # Errors
/// The fault of the store.
pub async fn end_sessions(desk: &Desk<'_>, user_id: &str, except: Option<&str>, asking: &Asking<'_>) -> Result<u64, StorageError> {
    desk.sessions.end_all(user_id, except, asking.now, asking.by).await
}

/// The apps that may act for this person, by client id.
///
/// # Errors
/// The fault of the store.
pub async fn connections(desk: &Desk<'_>, user_id: &str, now: Time) -> Result<Vec<Connection>, StorageError> {
    desk.consents.connections(user_id, now).await
}

/// Takes the permission from an app and revokes its grants; false where it had none.
///
/// # Errors
/// The fault of the store.
pub async fn disconnect(desk: &Desk<'_>, user_id: &str, client_id: &str, asking: &Asking<'_>) -> Result<bool, StorageError> {
    desk.consents.withdraw(user_id, client_id, asking.now, asking.by).await
}

/// Removes the account of whoever asks, with everything that hangs from it, and says so by mail.
///
/// # Errors
/// [`AccountError::NotRecent`], [`AccountError::PasswordNeeded`] or [`AccountError::WrongPassword`] where it is not proved to be them; [`AccountError::LastOwner`].
pub async fn delete(desk: &Desk<'_>, user_id: &str, presence: Presence<'_>, asking: &Asking<'_>) -> Result<(), AccountError> {
    let user = desk.person(user_id).await?;
    let user = desk.present(&user, presence, asking).await?;
    let mails = [desk.letter(&user.email, Some(&user), Mail::AccountDeleted, asking)];
    match desk.accounts.delete(Whom::by_id(&user.id), &mails, asking.now, asking.by).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(AccountError::Unknown),
        Err(error) => {
            if matches!(error, StorageError::LastOwner) {
                desk.refuse("user.delete", Some(&user), "last_owner", asking).await?;
            }
            Err(error.into())
        }
    }
}

/// Everything that is kept of a person, but for what would be a secret, as JSON.
///
/// # Errors
/// [`AccountError::Unknown`], or the fault of the store.
pub async fn export(desk: &Desk<'_>, user_id: &str, idle: Duration, now: Time) -> Result<Value, AccountError> {
    let user = desk.person(user_id).await?;
    let moment = |at: Time| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let sessions: Vec<Value> = sessions(desk, user_id, idle, now)
        .await?
        .into_iter()
        .map(|session| {
            json!({
                "id": session.id,
                "created_at": moment(session.created_at),
                "last_seen_at": moment(session.last_seen_at),
                "expires_at": moment(session.expires_at),
                "address": session.address,
                "user_agent": session.user_agent,
            })
        })
        .collect();
    let connections: Vec<Value> = connections(desk, user_id, now)
        .await?
        .into_iter()
        .map(|connection| {
            json!({
                "client_id": connection.client_id,
                "scope": connection.scope,
                "since": moment(connection.since),
                "last_used": connection.last_used.map(moment),
            })
        })
        .collect();
    let activity: Vec<Value> = whole_activity(desk, user_id)
        .await?
        .into_iter()
        .map(|entry| {
            json!({
                "at": moment(entry.at),
                "act": entry.act,
                "refused": entry.refused,
                "address": entry.address,
                "device": entry.device,
                "client_id": entry.client_id,
                "session": entry.session,
                "count": entry.count,
            })
        })
        .collect();
    let organizations: Vec<Value> = desk
        .organizations
        .of_person(user_id)
        .await?
        .into_iter()
        .map(|membership| json!({ "id": membership.organization_id, "slug": membership.slug, "name": membership.name, "roles": membership.roles }))
        .collect();
    // What a token stood for is nowhere but in the short-lived store; the trail knows that it was made.
    let actor = format!("person:{user_id}");
    let made = AuditFilter { act: Some("one_time_token.create"), actor: Some(&actor), ..AuditFilter::default() };
    let one_time_tokens: Vec<Value> = desk
        .door
        .audit
        .search(&made, None, ROWS)
        .await?
        .into_iter()
        .map(|row| json!({ "id": row.subject.as_deref().and_then(|subject| subject.strip_prefix("one_time_token:")), "at": moment(row.at), "client_id": row.client_id }))
        .collect();
    Ok(json!({
        "id": user.id,
        "profile": super::profile::members(&user),
        "external_ids": user.external,
        "created_at": moment(user.created_at),
        "updated_at": moment(user.updated_at),
        "password_changed_at": user.password_changed_at.map(moment),
        "sessions": sessions,
        "connections": connections,
        "organizations": organizations,
        "activity": activity,
        "one_time_tokens": one_time_tokens,
    }))
}

/// So many rows of the trail are told of each kind: more than anybody makes by hand.
const ROWS: u32 = 10_000;
const PAGE: u32 = 500;

/// What happened to an account, the newest first.
async fn whole_activity(desk: &Desk<'_>, user_id: &str) -> Result<Vec<Activity>, StorageError> {
    let mut all: Vec<Activity> = Vec::new();
    loop {
        let found = activity::recent(desk, user_id, all.last().map(|entry| entry.id), PAGE).await?;
        let more = found.len() == PAGE as usize;
        all.extend(found);
        if !more || all.len() >= ROWS as usize {
            return Ok(all);
        }
    }
}
