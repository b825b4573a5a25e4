//! Making and changing accounts: the one way for set-up, the command line and a development server's demo user.
//!
//! Owns: what a valid account is, ids, the first owner. Leaves to others: the row and its audit (`storage.users`), what ends with a
//! disabled account or a changed password (the same step of the store).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::attributes::BadAttributes;
use super::claims::{self, BadClaim, is_locale};
use super::email::{BadName, Email, Unfit, Username};
use super::legible::is_legible;
use super::new_id;
use super::password::{Busy, Hasher};
use super::password_rules::{BadPassword, Rules};
use crate::once::codes::BadCode;
use crate::once::links::BadLink;
use crate::seal::{Purpose, Seal};
pub use crate::storage::durable::OWNER;
use crate::storage::durable::{Act, NewMail, NewUser, User, UserKey, Users, Whom};
use crate::storage::{StorageError, Time};

const MAX_NAME: usize = 200;
const MAX_ROLES: usize = 50;

/// Why an account was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error(transparent)]
    Name(#[from] BadName),
    #[error(transparent)]
    Password(#[from] BadPassword),
    #[error(transparent)]
    Claim(#[from] BadClaim),
    #[error(transparent)]
    Attributes(#[from] BadAttributes),
    /// A member that is not as it must be, and why.
    #[error("{0}: {1}")]
    Invalid(&'static str, &'static str),
    /// A member that a profile does not have, or that is not this hand's to change.
    #[error("{member}: {reason}")]
    Member { member: String, reason: &'static str },
    /// `email` or `username` belongs to somebody.
    #[error("this {0} is taken")]
    Taken(&'static str),
    #[error("there is no such account")]
    Unknown,
    /// The present password, asked for again, is not right.
    #[error("the present password is not right")]
    WrongPassword,
    /// Too many wrong passwords under this name.
    #[error("too many wrong passwords; try again later")]
    Locked { until: Time },
    /// Too often from this address, or for this one.
    #[error("too often; try again in {} s", .retry_after.as_secs())]
    Throttled { retry_after: Duration },
    /// Sign-up is closed, or for those who were invited.
    #[error("accounts are not made here without an invitation")]
    Closed,
    /// What the widget of the form gave does not show a person.
    #[error("captcha: it was not solved, or is over")]
    Captcha,
    /// Nobody could say.
    #[error("the captcha could not be judged; try again")]
    CaptchaFault,
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Code(#[from] BadCode),
    /// Somebody changed it since it was read.
    #[error("it was changed meanwhile; read it again")]
    Stale,
    /// It needs a sign-in that is not long ago, or the password again.
    #[error("sign in again first")]
    NotRecent,
    /// They hold a role of this server: a token, however new, is not enough.
    #[error("whoever holds a role of this server proves it with the password")]
    PasswordNeeded,
    #[error("this is the last owner; make another one first (portero user create --role owner …)")]
    LastOwner,
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Storage(StorageError),
}

/// Why a link that came by mail leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// Not one of ours, not for this, or not for this person.
    #[error("the link is not one of this server, or is not complete")]
    Wrong,
    #[error("the link has expired")]
    Expired,
    #[error("the link was used before")]
    Used,
    /// What it hung from has changed since: another password, another address, or no account any more.
    #[error("the link is out of date")]
    Stale,
}

impl From<BadLink> for AccountError {
    fn from(bad: BadLink) -> Self {
        Self::Link(match bad {
            BadLink::Wrong => LinkError::Wrong,
            BadLink::Expired => LinkError::Expired,
        })
    }
}

impl AccountError {
    /// The member of a form or document that it is about, where it is about one: a JSON Pointer without its first slash.
    #[must_use]
    pub fn member(&self) -> Option<String> {
        match self {
            Self::Name(BadName::Email) => Some("email".to_owned()),
            Self::Name(BadName::Username) => Some("username".to_owned()),
            Self::Password(_) => Some("password".to_owned()),
            Self::WrongPassword => Some("current_password".to_owned()),
            Self::Claim(bad) => Some(format!("claims/{}", bad.member)),
            Self::Attributes(bad) => Some(format!("attributes{}", bad.pointer)),
            Self::Member { member, .. } => Some(member.clone()),
            Self::Invalid(member, _) => Some((*member).to_owned()),
            Self::Taken(member) => Some((*member).to_owned()),
            Self::Code(_) => Some("code".to_owned()),
            Self::Captcha => Some("captcha".to_owned()),
            _ => None,
        }
    }
}

impl From<StorageError> for AccountError {
    fn from(error: StorageError) -> Self {
        match error {
            // Of those that it was judged by.
            StorageError::Conflict("roles") => Self::Stale,
            StorageError::Conflict(member) => Self::Taken(member),
            StorageError::LastOwner => Self::LastOwner,
            fault => Self::Storage(fault),
        }
    }
}

impl From<Unfit> for AccountError {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            // The house has it.
            Unfit::Reserved => Self::Taken("username"),
            Unfit::Mixed => Self::Name(BadName::Username),
        }
    }
}

/// An account to be made.
#[derive(Clone, Debug, Default)]
pub struct NewAccount<'a> {
    pub email: &'a str,
    pub email_verified: bool,
    pub username: Option<&'a str>,
    pub name: Option<&'a str>,
    /// BCP 47.
    pub locale: Option<&'a str>,
    pub roles: Vec<String>,
    /// Standard claims (OIDC Core §5.1); `name`, `locale`, `preferred_username` and `email_verified` in it stand in where the members above
    /// are missing.
    pub claims: Map<String, Value>,
    /// Members that the deployment keeps of a person; `attributes::Schema` is the caller's to ask.
    pub attributes: Map<String, Value>,
    /// None: nobody can sign in by password.
    pub password: Option<&'a str>,
    /// What is asked of that password.
    pub rules: Rules<'a>,
    pub demo: bool,
}

/// The randomness of an account.
#[derive(Clone, Copy)]
pub struct Fresh {
    pub id: [u8; 10],
    pub salt: [u8; 16],
}

/// Makes an account.
///
/// # Errors
/// [`AccountError`]; nothing was made then.
pub async fn create(
    users: &dyn Users,
    hasher: &Hasher,
    account: NewAccount<'_>,
    fresh: Fresh,
    now: Time,
    by: &Act,
) -> Result<User, AccountError> {
    let new = prepare(hasher, account, fresh, now).await?;
    users.create(&new, by).await?;
    Ok(new.user)
}

/// Makes the first owner of a deployment, once; none, and nothing made, where an owner is there already.
///
/// # Errors
/// [`AccountError`]; nothing was made then.
pub async fn create_first_owner(
    users: &dyn Users,
    hasher: &Hasher,
    account: NewAccount<'_>,
    fresh: Fresh,
    now: Time,
    by: &Act,
) -> Result<Option<User>, AccountError> {
    if users.any_owner().await? {
        return Ok(None);
    }
    if account.password.is_none() {
        return Err(AccountError::Invalid("password", "the first owner signs in by it"));
    }
    let account = NewAccount { roles: vec![OWNER.to_owned()], ..account };
    let new = prepare(hasher, account, fresh, now).await?;
    Ok(users.create_first_owner(&new, by).await?.then_some(new.user))
}

/// A password to be set.
#[derive(Clone, Copy)]
pub struct NewPassword<'a> {
    pub password: &'a str,
    pub rules: Rules<'a>,
    /// The session that goes on: the one in which it is changed.
    pub keep_session: Option<&'a str>,
    /// What goes out if it is done.
    pub mails: &'a [NewMail],
    /// Fresh randomness.
    pub salt: [u8; 16],
}

/// Sets the password of an account; its sessions end, except the one that is kept, and its grants are revoked.
///
/// # Errors
/// [`AccountError`]; nothing was changed then.
pub async fn set_password(
    users: &dyn Users,
    hasher: &Hasher,
    id: &str,
    new: NewPassword<'_>,
    now: Time,
    by: &Act,
) -> Result<(), AccountError> {
    let user = users.find(UserKey::Id(id)).await?.ok_or(AccountError::Unknown)?;
    check_password(new.rules, new.password, &user)?;
    let hash = hasher.hash(new.password, new.salt).await?;
    if users.set_password(id, &hash, new.keep_session, new.mails, now, by).await? { Ok(()) } else { Err(AccountError::Unknown) }
}

/// Disables an account, or lets it in again. Disabling ends its sessions and revokes its grants.
///
/// # Errors
/// [`AccountError::Unknown`], or the fault of the store.
pub async fn set_disabled(
    users: &dyn Users,
    whom: Whom<'_>,
    disabled: bool,
    mails: &[NewMail],
    now: Time,
    by: &Act,
) -> Result<(), AccountError> {
    if users.set_disabled(whom, disabled, mails, now, by).await? { Ok(()) } else { Err(AccountError::Unknown) }
}

/// An account by whatever names it: its id, its e-mail or its user name.
///
/// # Errors
/// The fault of the store.
pub async fn find(users: &dyn Users, named: &str) -> Result<Option<User>, StorageError> {
    if let Some(user) = users.find(UserKey::Id(named.trim())).await? {
        return Ok(Some(user));
    }
    match super::email::identifier(named) {
        Some(identifier) => users.find(UserKey::Identifier(&identifier)).await,
        None => Ok(None),
    }
}

/// The demo user of a development server, with the password that every start can print again.
#[derive(Clone, PartialEq, Eq)]
pub struct DemoUser {
    pub email: &'static str,
    pub username: &'static str,
    pub password: String,
}

impl std::fmt::Debug for DemoUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DemoUser({})", self.email)
    }
}

/// Makes the demo user where it is missing. None where somebody else has its name: then there is nothing to print.
///
/// # Errors
/// [`AccountError`].
pub async fn demo(
    users: &dyn Users,
    hasher: &Hasher,
    seal: &Seal,
    fresh: Fresh,
    now: Time,
    by: &Act,
) -> Result<Option<DemoUser>, AccountError> {
    let mac = seal.mac(Purpose::Demo, &[b"user", b"demo"]);
    let demo = DemoUser { email: "demo@portero.example", username: "demo", password: URL_SAFE_NO_PAD.encode(&mac.0[..15]) };
    let is_ours = |user: &User| user.demo;
    if let Some(user) = users.find(UserKey::Identifier(demo.email)).await? {
        return Ok(is_ours(&user).then_some(demo));
    }
    let claims = serde_json::json!({"given_name": "Demo", "family_name": "Portero", "zoneinfo": "Europe/Madrid"});
    let Value::Object(claims) = claims else { unreachable!("it is written as an object") };
    let account = NewAccount {
        email: demo.email,
        username: Some(demo.username),
        name: Some("Demo Portero"),
        claims,
        password: Some(&demo.password),
        demo: true,
        ..NewAccount::default()
    };
    match create(users, hasher, account, fresh, now, by).await {
        Ok(_) => Ok(Some(demo)),
        // A second process of the same development server may have been faster.
        Err(AccountError::Taken(_)) => {
            let there = users.find(UserKey::Identifier(demo.email)).await?;
            Ok(there.as_ref().is_some_and(is_ours).then_some(demo))
        }
        Err(error) => Err(error),
    }
}

/// Checks an account that is to be made, and hashes its password.
///
/// # Errors
/// What is wrong with it.
pub(super) async fn prepare(hasher: &Hasher, account: NewAccount<'_>, fresh: Fresh, now: Time) -> Result<NewUser, AccountError> {
    let given = claims::read(account.claims)?;
    let email = Email::parse(account.email)?;
    if given.email.is_some_and(|other| Email::parse(&other).map(|other| other.canonical).ok() != Some(email.canonical.clone())) {
        return Err(AccountError::Invalid("email", "the claims name another address than the account"));
    }
    let username = account.username.map(str::to_owned).or(given.preferred_username);
    let username = username.as_deref().map(Username::parse).transpose()?;
    let name = read_name(account.name.map(str::to_owned).or(given.name))?;
    let locale = read_locale(account.locale.map(str::to_owned).or(given.locale))?;
    let roles = read_roles(account.roles)?;
    let user = User {
        id: new_id("usr_", now, fresh.id),
        email: email.address,
        email_verified: account.email_verified || given.email_verified == Some(true),
        username: username.as_ref().map(|username| username.name.clone()),
        name,
        locale,
        claims: given.claims,
        attributes: account.attributes,
        roles,
        demo: account.demo,
        revision: 1,
        created_at: now,
        updated_at: now,
        ..User::default()
    };
    let password_hash = match account.password {
        Some(password) => {
            check_password(account.rules, password, &user)?;
            Some(hasher.hash(password, fresh.salt).await?)
        }
        None => None,
    };
    let username_canonical = username.map(|username| username.canonical);
    Ok(NewUser { user, email_canonical: email.canonical, username_canonical, password_hash })
}

/// A name to be shown; an empty one is none.
pub(super) fn read_name(name: Option<String>) -> Result<Option<String>, AccountError> {
    let name = name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty());
    if name.as_ref().is_some_and(|name| name.chars().count() > MAX_NAME || !is_legible(name)) {
        return Err(AccountError::Invalid("name", "must be at most 200 characters on one line, all of them seen"));
    }
    Ok(name)
}

pub(super) fn read_locale(locale: Option<String>) -> Result<Option<String>, AccountError> {
    if locale.as_ref().is_some_and(|locale| !is_locale(locale)) {
        return Err(AccountError::Invalid("locale", "must be a language tag such as es or es-MX"));
    }
    Ok(locale)
}

/// In order, each once.
pub(super) fn read_roles(mut roles: Vec<String>) -> Result<Vec<String>, AccountError> {
    roles.sort_unstable();
    roles.dedup();
    let is_role = |role: &String| {
        (1..=64).contains(&role.len()) && role.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.:".contains(&b))
    };
    if roles.len() > MAX_ROLES || !roles.iter().all(is_role) {
        return Err(AccountError::Invalid("role", "must be 1 to 64 of a-z 0-9 _ - . :, at most 50 of them"));
    }
    Ok(roles)
}

pub(super) fn check_password(rules: Rules<'_>, password: &str, user: &User) -> Result<(), BadPassword> {
    let names: Vec<&str> = [Some(user.email.as_str()), user.username.as_deref(), user.name.as_deref()].into_iter().flatten().collect();
    rules.check(password, &names)
}
