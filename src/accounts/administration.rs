//! What administrators do with accounts. Who may is the caller's to judge (`api`, by scopes and roles; `cli`, by being on the host).
//!
//! Nobody sets or sees a password for somebody else but whoever runs the host ([`set_password`]): `recovery::require_reset` sends a link, and
//! `sign_up::invite` lets people make their account themselves. The profile is `profile::patch`. Whom an act concerns is told of it by mail, without
//! the name or the place of whoever did it.
//!
//! Whoever may do something to a person may do it because of the roles that person holds: every act takes the person who was looked at, and is done to
//! them with no other roles ([`AccountError::Stale`]: look again).

use super::desk::{Asking, Desk};
use super::email::identifier;
use super::limits::{account_key, name_key};
use super::users::{self, AccountError, Fresh, NewAccount, NewPassword};
use crate::mail::Mail;
use crate::storage::durable::User;

/// Makes an account. Its attributes are held to the deployment's schema.
///
/// # Errors
/// [`AccountError`]; nothing was made then.
pub async fn create(desk: &Desk<'_>, account: NewAccount<'_>, asking: &Asking<'_>) -> Result<User, AccountError> {
    desk.schema.check(&account.attributes)?;
    let fresh = Fresh { id: desk.random.bytes(), salt: desk.random.bytes() };
    let account = NewAccount { rules: desk.rules, ..account };
    users::create(desk.door.users, desk.door.hasher, account, fresh, asking.now, asking.by).await
}

/// Keeps somebody out, or lets them in again. Sessions end and grants are revoked.
///
/// # Errors
/// [`AccountError::Unknown`], [`AccountError::Stale`], [`AccountError::LastOwner`], or the fault of the store.
pub async fn set_disabled(desk: &Desk<'_>, user: &User, disabled: bool, asking: &Asking<'_>) -> Result<(), AccountError> {
    let mail = if disabled { Mail::AccountDisabled } else { Mail::AccountEnabled };
    let mails = [desk.letter(&user.email, Some(user), mail, asking)];
    let done = users::set_disabled(desk.door.users, user.into(), disabled, &mails, asking.now, asking.by).await;
    noted(desk, "user.disable", user, done, asking).await
}

/// Sets a password for somebody: for whoever runs the host, where there is no other way in. Sessions end and grants are revoked.
///
/// # Errors
/// [`AccountError`]; nothing was changed then.
pub async fn set_password(desk: &Desk<'_>, user_id: &str, password: &str, asking: &Asking<'_>) -> Result<(), AccountError> {
    let user = desk.person(user_id).await?;
    let mails = [desk.letter(&user.email, Some(&user), Mail::PasswordSet, asking)];
    let new = NewPassword { password, rules: desk.rules, keep_session: None, mails: &mails, salt: desk.random.bytes() };
    users::set_password(desk.door.users, desk.door.hasher, user_id, new, asking.now, asking.by).await
}

/// Forgets the failed sign-ins of an account, under each of its names and from each of its known devices: every lock ends.
///
/// # Errors
/// [`AccountError::Unknown`], [`AccountError::Stale`], or the fault of the store.
pub async fn unlock(desk: &Desk<'_>, user: &User, asking: &Asking<'_>) -> Result<(), AccountError> {
    let names = [Some(user.email.as_str()), user.username.as_deref()];
    let keys: Vec<_> = names.into_iter().flatten().filter_map(identifier).map(|name| name_key(desk.door.seal, &name)).collect();
    let account = account_key(desk.door.seal, Some(&user.id), "");
    let known = desk.door.attempts.forget(&account, &keys, user.into(), asking.now, asking.by).await?;
    if known { Ok(()) } else { Err(AccountError::Unknown) }
}

/// Signs somebody out everywhere, revokes every grant, offline ones too, and says so by mail if there was anything to end.
///
/// # Errors
/// [`AccountError::Unknown`], [`AccountError::Stale`], or the fault of the store.
pub async fn end_everything(desk: &Desk<'_>, user: &User, asking: &Asking<'_>) -> Result<(), AccountError> {
    let mails = [desk.letter(&user.email, Some(user), Mail::SessionsEnded, asking)];
    if desk.accounts.end_everything(user.into(), &mails, asking.now, asking.by).await? { Ok(()) } else { Err(AccountError::Unknown) }
}

/// Removes an account with everything that hangs from it, and says so by mail.
///
/// # Errors
/// [`AccountError::Unknown`], [`AccountError::Stale`], [`AccountError::LastOwner`], or the fault of the store.
pub async fn delete(desk: &Desk<'_>, user: &User, asking: &Asking<'_>) -> Result<(), AccountError> {
    let mails = [desk.letter(&user.email, Some(user), Mail::AccountRemoved, asking)];
    let done = match desk.accounts.delete(user.into(), &mails, asking.now, asking.by).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(AccountError::Unknown),
        Err(error) => Err(error.into()),
    };
    noted(desk, "user.delete", user, done, asking).await
}

/// Writes down where the last owner was to go.
async fn noted(
    desk: &Desk<'_>,
    act: &'static str,
    user: &User,
    done: Result<(), AccountError>,
    asking: &Asking<'_>,
) -> Result<(), AccountError> {
    if let Err(AccountError::LastOwner) = &done {
        desk.refuse(act, Some(user), "last_owner", asking).await?;
    }
    done
}
