//! A new password: by a link that came by mail, or by somebody who knows the present one.
//!
//! Owns: asking for a reset, the reset, the change. Leaves to others: races and what ends with the old password (`storage.accounts`), the
//! present password (`authenticate`, by way of the desk), the pages.
//!
//! A link hangs from the password and the address as they were when it was made: what changes either ends every other link, too. Whether an
//! address has an account is never shown.

use std::time::Duration;

use serde_json::Value;

use super::desk::{Asking, Confirmed, Desk, Presence, Proof, consumed, evenly, gone};
use super::email;
use super::limits::Asked;
use super::password_rules::{BadPassword, Rules};
use super::users::{self, AccountError, LinkError};
use crate::mail::Mail;
use crate::once::links::{Opened, Purpose};
use crate::storage::StorageError;
use crate::storage::durable::{Consumed, NewHash, ResetMails, User, UserKey};

/// A reset that somebody asked for may be opened for so long.
const ASKED: Duration = Duration::from_secs(30 * 60);
/// One that an administrator asked for: its reader does not wait for it.
const REQUIRED: Duration = Duration::from_secs(24 * 60 * 60);

/// Sends a link and a code for a new password, if there is such an account; nothing tells whether. `typed` is an address or a user name; the mail
/// goes to the address that the account has, never to what was typed. The handle of the code.
///
/// # Errors
/// [`AccountError::Throttled`], whoever the address belongs to.
pub async fn request_reset(desk: &Desk<'_>, typed: &str, asking: &Asking<'_>) -> Result<String, AccountError> {
    evenly(send_reset(desk, typed, asking)).await
}

async fn send_reset(desk: &Desk<'_>, typed: &str, asking: &Asking<'_>) -> Result<String, AccountError> {
    let Some(identifier) = email::identifier(typed) else { return Err(email::BadName::Email.into()) };
    desk.admit(Asked::Request, asking).await?;
    desk.admit(Asked::Mail { to: &identifier }, asking).await?;
    let found = desk.door.users.find(UserKey::Identifier(&identifier)).await?.filter(|user| user.disabled_at.is_none());
    // RG-10: the user name and the address of one account share its mails.
    let address = found.as_ref().and_then(|user| email::Email::parse(&user.email).ok()).map(|address| address.canonical);
    let room = desk.has_room(address.as_deref().unwrap_or(&identifier), asking).await?;
    let (found, full) = if room { (found, None) } else { (None, found) };
    let expires_at = asking.now + ASKED;
    let nobody = User::default();
    let token = token(desk, found.as_ref().unwrap_or(&nobody), expires_at, 0);
    let (handle, code) = desk.code(found.as_ref().map(|_| token.as_str()), asking.now).await?;
    match &found {
        Some(user) => {
            let mail = Mail::ResetPassword { token, code: Some(code), expires_at };
            let mails = [desk.letter(&user.email, Some(user), mail, asking)];
            desk.accounts.send_proof(&user.id, REQUEST, &mails, asking.now, asking.by).await?;
        }
        // One row either way.
        None => desk.refuse(REQUEST, full.as_ref(), if full.is_some() { "throttled" } else { "unknown_user" }, asking).await?,
    }
    Ok(handle)
}

const REQUEST: &str = "user.request_reset";

/// Sets a new password with the link or code of the mail; whoever was signed in is out. It confirms a sign-up as well.
///
/// # Errors
/// [`AccountError::Link`] or [`AccountError::Code`]; [`AccountError::Password`], and then the link is as good as before.
pub async fn reset(desk: &Desk<'_>, proof: Proof<'_>, password: &str, asking: &Asking<'_>) -> Result<Confirmed, AccountError> {
    let Opened { link, spend } = desk.open(Purpose::ResetPassword, proof, asking).await?;
    // Before anything is hashed; the step below asks again.
    if desk.spent.is_spent(&spend.digest).await? {
        desk.refuse("user.reset_password", None, "used", asking).await?;
        return Err(LinkError::Used.into());
    }
    let found = desk.door.users.with_password(UserKey::Id(&link.subject)).await?;
    let stands = |(user, _): &(User, Option<String>)| user.credential_revision.to_string() == link.binding && user.disabled_at.is_none();
    let Some((user, present)) = found.filter(stands) else {
        desk.refuse("user.reset_password", None, "stale", asking).await?;
        return Err(LinkError::Stale.into());
    };
    users::check_password(desk.rules, password, &user)?;
    // Where a new one was asked for, the present one may be known to somebody else: it does not come back.
    if let (true, Some(present)) = (user.reset_required, &present)
        && desk.door.hasher.verify(password, Some(present)).await?.correct
    {
        return Err(BadPassword::Same.into());
    }
    let hash = desk.door.hasher.hash(password, desk.random.bytes()).await?;
    let new = NewHash { hash: &hash, credential_revision: user.credential_revision, keep_session: None };
    let letter = |mail| [desk.letter(&user.email, Some(&user), mail, asking)];
    let (changed, nameless) = (letter(Mail::PasswordChanged), letter(Mail::UsernameTaken));
    let mails = ResetMails { done: &changed, nameless: &nameless };
    let step = || desk.accounts.reset_password(&user.id, &new, &spend, mails, asking.now, asking.by);
    let done = match step().await {
        // The user name that they had signed up for became somebody else's in this very moment.
        Err(StorageError::Conflict("username")) => step().await?,
        done => done?,
    };
    consumed(done)?;
    let user = desk.person(&user.id).await.map_err(gone)?;
    Ok(Confirmed { user, already: false, nameless: done == Consumed::Nameless })
}

/// A password to take the place of the present one.
#[derive(Clone, Copy)]
pub struct Change<'a> {
    pub current: &'a str,
    pub new: &'a str,
    /// The device cookie, where there is one.
    pub device: Option<&'a str>,
    /// The session that goes on: the one in which it is changed; or the grant, where a front end of its own asks (dialects).
    pub keep_session: Option<&'a str>,
    /// In place of the deployment's own rules (dialects).
    pub rules: Option<Rules<'a>>,
}

/// Changes a password by the present one; the other sessions end, every grant is revoked, and a mail says so.
///
/// # Errors
/// [`AccountError::WrongPassword`], [`AccountError::Locked`] (it is counted like any sign-in), [`AccountError::Password`].
pub async fn change_password(desk: &Desk<'_>, user_id: &str, change: Change<'_>, asking: &Asking<'_>) -> Result<(), AccountError> {
    let user = desk.person(user_id).await?;
    let rules = change.rules.unwrap_or(desk.rules);
    // First what costs nothing and is no guess: a new password that will not do is told without the present one being tried.
    users::check_password(rules, change.new, &user)?;
    if change.new == change.current {
        return Err(BadPassword::Same.into());
    }
    let user = desk.present(&user, Presence::Password { password: change.current, device: change.device }, asking).await?;
    let hash = desk.door.hasher.hash(change.new, desk.random.bytes()).await?;
    let new = NewHash { hash: &hash, credential_revision: user.credential_revision, keep_session: change.keep_session };
    let mails = [desk.letter(&user.email, Some(&user), Mail::PasswordChanged, asking)];
    let changed = desk.accounts.change_password(&user.id, &new, &mails, asking.now, asking.by).await?;
    if changed { Ok(()) } else { Err(AccountError::Stale) }
}

/// Asks a person for a new password on an administrator's word: the present one opens nothing from here on, whoever is signed in is out, and a link
/// is sent. Nobody sets or sees a password for somebody else.
///
/// # Errors
/// [`AccountError::Unknown`]; [`AccountError::Stale`] where their roles are others by now; or the fault of the store.
pub async fn require_reset(desk: &Desk<'_>, user: &User, asking: &Asking<'_>) -> Result<(), AccountError> {
    let expires_at = asking.now + REQUIRED;
    let mail = Mail::ResetRequired { token: token(desk, user, expires_at, 0), expires_at };
    let mails = [desk.letter(&user.email, Some(user), mail, asking)];
    let done = desk.accounts.require_reset(user.into(), &mails, asking.now, asking.by).await?;
    if done { Ok(()) } else { Err(AccountError::Unknown) }
}

/// The mail that goes with an address that came back: the password must be replaced, and the link hangs from the account as it will be after
/// that one change.
pub(super) fn after_undo(desk: &Desk<'_>, user: &User, asking: &Asking<'_>) -> Mail {
    let expires_at = asking.now + REQUIRED;
    Mail::ResetRequired { token: token(desk, user, expires_at, 1), expires_at }
}

fn token(desk: &Desk<'_>, user: &User, expires_at: crate::storage::Time, changes: i64) -> String {
    desk.link(Purpose::ResetPassword, &user.id, (user.credential_revision + changes).to_string(), Value::Null, expires_at)
}
