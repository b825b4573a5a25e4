//! A new e-mail address: asked for by whoever is signed in, confirmed by whoever reads the new address, undone by whoever reads the old one.
//!
//! Leaves to others: races, and that the verified flag belongs to the address that won (`storage.accounts`). Whether the new address has an account
//! already is never shown: its owner is told.

use std::time::Duration;

use serde_json::{Value, json};

use super::desk::{Asking, Desk, Presence, Proof, consumed, gone, subject};
use super::email::Email;
use super::limits::Asked;
use super::recovery;
use super::users::{AccountError, LinkError};
use crate::mail::Mail;
use crate::once::links::{Link, Opened, Purpose};
use crate::storage::durable::{NewAddress, User, UserKey};
use crate::storage::{StorageError, Time};

/// The new address may be confirmed for so long.
const CONFIRM: Duration = Duration::from_secs(60 * 60);
/// The old one may come back for so long.
const UNDO: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Asks for another address: a link and a code go to it, and a notice with a way back to the present one. Nothing changes yet. The handle of
/// the code.
///
/// # Errors
/// [`AccountError`]: no address, not proved to be this person, too often.
pub async fn request_change(
    desk: &Desk<'_>,
    user_id: &str,
    typed: &str,
    presence: Presence<'_>,
    asking: &Asking<'_>,
) -> Result<String, AccountError> {
    let address = Email::parse(typed)?;
    let user = desk.person(user_id).await?;
    let user = desk.present(&user, presence, asking).await?;
    if Email::parse(&user.email).is_ok_and(|own| own.canonical == address.canonical) {
        return Err(AccountError::Invalid("email", "is the present address"));
    }
    desk.admit(Asked::Request, asking).await?;
    desk.admit(Asked::Mail { to: &address.canonical }, asking).await?;
    let taken = desk.door.users.find(UserKey::Identifier(&address.canonical)).await?;
    // Whoever only signed up with it makes room when this is confirmed.
    let taken = taken.filter(|other| super::sign_up::is_theirs(other, &address.canonical) && !other.makes_room());
    let room = desk.has_room(&address.canonical, asking).await?;
    let expires_at = asking.now + CONFIRM;
    let binding = user.credential_revision.to_string();
    let token = desk.link(Purpose::ChangeEmail, &user.id, binding, json!({ "email": address.address }), expires_at);
    let (handle, code) = desk.code(taken.is_none().then_some(token.as_str()), asking.now).await?;
    let undo_until = asking.now + UNDO;
    let notice =
        Mail::EmailChangeRequested { new_address: address.address.clone(), token: undo(desk, &user, undo_until), expires_at: undo_until };
    let to_new = match &taken {
        None => Some(desk.letter(&address.address, Some(&user), Mail::ChangeEmail { token, code: Some(code), expires_at }, asking)),
        Some(other) => room.then(|| desk.letter(&other.email, Some(other), Mail::AlreadyRegistered, asking)),
    };
    let mails: Vec<_> = to_new.into_iter().chain([desk.letter(&user.email, Some(&user), notice, asking)]).collect();
    desk.accounts.tell(&subject(&user), "user.request_email", None, &mails, asking.now, asking.by).await?;
    Ok(handle)
}

/// The new address takes the place of the old one. The person, as they are then.
///
/// # Errors
/// [`AccountError::Link`] or [`AccountError::Code`]; [`LinkError::Stale`] also where the address became somebody else's meanwhile.
pub async fn confirm_change(desk: &Desk<'_>, proof: Proof<'_>, asking: &Asking<'_>) -> Result<User, AccountError> {
    let Opened { link, spend } = desk.open(Purpose::ChangeEmail, proof, asking).await?;
    let user = desk.person(&link.subject).await.map_err(gone)?;
    let address = address_of(&link)?;
    let undo_until = asking.now + UNDO;
    let told = Mail::EmailChanged { new_address: address.address.clone(), token: undo(desk, &user, undo_until), expires_at: undo_until };
    // PR-06: the old address and the new one.
    let mails = [desk.letter(&user.email, Some(&user), told, asking), desk.letter(&address.address, Some(&user), Mail::EmailInUse, asking)];
    let change = NewAddress {
        user_id: &user.id,
        credential_revision: link.binding.parse().map_err(|_| LinkError::Wrong)?,
        address: &address.address,
        canonical: &address.canonical,
    };
    match desk.accounts.change_email(&change, &spend, &mails, asking.now, asking.by).await {
        Ok(done) => consumed(done)?,
        Err(StorageError::Conflict(_)) => {
            desk.refuse("user.change_email", Some(&user), "taken", asking).await?;
            return Err(LinkError::Stale.into());
        }
        Err(fault) => return Err(fault.into()),
    }
    desk.person(&user.id).await.map_err(gone)
}

/// The old address comes back, before or after the new one was confirmed. Whoever is signed in is out, and the password must be reset: it
/// may be known to whoever asked for the change. The person, as they are then.
///
/// # Errors
/// [`AccountError::Link`].
pub async fn undo_change(desk: &Desk<'_>, token: &str, asking: &Asking<'_>) -> Result<User, AccountError> {
    let Opened { link, spend } = desk.open(Purpose::UndoEmail, Proof::Token(token), asking).await?;
    let user = desk.person(&link.subject).await.map_err(gone)?;
    let address = address_of(&link)?;
    let mut mails = vec![desk.letter(&address.address, Some(&user), recovery::after_undo(desk, &user, asking), asking)];
    // Whoever reads the address that goes is told, too: it may have been theirs rightly.
    if Email::parse(&user.email).is_ok_and(|present| present.canonical != address.canonical) {
        mails.push(desk.letter(&user.email, Some(&user), Mail::EmailTakenBack, asking));
    }
    let change = NewAddress { user_id: &user.id, credential_revision: 0, address: &address.address, canonical: &address.canonical };
    match desk.accounts.restore_email(&change, &spend, &mails, asking.now, asking.by).await {
        Ok(done) => consumed(done)?,
        Err(StorageError::Conflict(_)) => {
            desk.refuse("user.restore_email", Some(&user), "taken", asking).await?;
            return Err(LinkError::Stale.into());
        }
        Err(fault) => return Err(fault.into()),
    }
    desk.person(&user.id).await.map_err(gone)
}

/// The way back to the present address. It hangs from nothing: whoever took over an account may have changed its password and its address again.
fn undo(desk: &Desk<'_>, user: &User, expires_at: Time) -> String {
    desk.link(Purpose::UndoEmail, &user.id, String::new(), json!({ "email": user.email }), expires_at)
}

fn address_of(link: &Link) -> Result<Email, AccountError> {
    let typed = link.data.get("email").and_then(Value::as_str).ok_or(LinkError::Wrong)?;
    Email::parse(typed).map_err(|_| LinkError::Wrong.into())
}
