//! The profile of a person, and how it is changed: a merge patch (RFC 7396) from the revision it was read at.
//!
//! Owns: which members there are, who may change which, and that what is stored is valid. Leaves to others: the row and the race for it
//! (`storage.accounts.update`), headers and status (`api`).
//!
//! | member | the person | an administrator |
//! |---|---|---|
//! | `name`, `username`, `locale`, `attributes` | yes | yes |
//! | `claims` | but for `phone_number_verified` | yes |
//! | `email` | by `address`, with confirmation | yes |
//! | `email_verified`, `roles` | no | yes |

use serde_json::{Map, Value, json};

use super::claims;
use super::desk::{Asking, Desk};
use super::email::{Email, Username};
use super::merge_patch;
use super::sign_up;
use super::users::{self, AccountError};
use crate::mail::Mail;
use crate::storage::durable::{NewMail, Revised, SERVER_ROLES, Updated, User};

/// Who changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    /// The person.
    Own,
    /// An administrator; which roles they may give is the caller's to judge.
    Administrator,
}

/// How often a change without `If-Match` is made anew when somebody else was faster.
const TRIES: usize = 5;

/// The members of a person that a patch may name, as they are now.
#[must_use]
pub fn members(user: &User) -> Map<String, Value> {
    let document = json!({
        "email": user.email,
        "email_verified": user.email_verified,
        "username": user.username,
        "name": user.name,
        "locale": user.locale,
        "claims": user.claims,
        "attributes": user.attributes,
        "roles": user.roles,
    });
    let Value::Object(members) = document else { unreachable!("it is written as an object") };
    members.into_iter().filter(|(_, value)| !value.is_null()).collect()
}

/// Changes a profile. `if_match` is the revision that the caller read; without it the change is made to whatever is there.
///
/// # Errors
/// [`AccountError`]: a member that is none, may not be changed by this hand, or has a value it cannot have; [`AccountError::Stale`];
/// [`AccountError::Taken`]; [`AccountError::LastOwner`].
pub async fn patch(
    desk: &Desk<'_>,
    user_id: &str,
    patch: &Map<String, Value>,
    if_match: Option<i64>,
    hand: Hand,
    asking: &Asking<'_>,
) -> Result<User, AccountError> {
    allowed(patch, hand)?;
    for _ in 0..TRIES {
        let user = desk.person(user_id).await?;
        if if_match.is_some_and(|revision| revision != user.revision) {
            return Err(AccountError::Stale);
        }
        let changed = apply(desk, &user, patch, hand)?;
        let revised = Revised {
            user: &changed.user,
            email_canonical: &changed.email_canonical,
            username_canonical: changed.username_canonical.as_deref(),
        };
        let mails = told(desk, &user, &changed, asking);
        match desk.accounts.update(&revised, &acts(&user, &changed), &mails, asking.now, asking.by).await {
            Ok(Updated::Done(user)) => return Ok(*user),
            Ok(Updated::Unknown) => return Err(AccountError::Unknown),
            Ok(Updated::Stale) if if_match.is_some() => return Err(AccountError::Stale),
            Ok(Updated::Stale) => {}
            Err(error) => {
                let error = AccountError::from(error);
                if matches!(error, AccountError::LastOwner) {
                    desk.refuse("user.set_roles", Some(&user), "last_owner", asking).await?;
                }
                return Err(error);
            }
        }
    }
    Err(AccountError::Stale)
}

/// What is changed, by the names of the audit trail: another address, a confirmation and roles are ways into an account, and not hidden behind a name.
fn acts(before: &User, changed: &Changed) -> Vec<&'static str> {
    let (after, moves, mut acts) = (&changed.user, moves(before, changed), Vec::new());
    if moves {
        acts.push("user.set_email");
    }
    // Nobody has confirmed a new address yet: that goes without saying, the contrary does not.
    let vouched = if moves { after.email_verified } else { after.email_verified != before.email_verified };
    if vouched {
        acts.push("user.set_verified");
    }
    if after.roles != before.roles {
        acts.push("user.set_roles");
    }
    let rest = User { email: before.email.clone(), email_verified: before.email_verified, roles: before.roles.clone(), ..after.clone() };
    if acts.is_empty() || rest != *before {
        acts.push("user.update");
    }
    acts
}

fn moves(before: &User, changed: &Changed) -> bool {
    !Email::parse(&before.email).is_ok_and(|own| own.canonical == changed.email_canonical)
}

/// What an administrator's change is told by: roles of the server that were given or taken, and to both addresses where one took the other's place.
fn told(desk: &Desk<'_>, before: &User, changed: &Changed, asking: &Asking<'_>) -> Vec<NewMail> {
    let mut mails: Vec<_> =
        roles(before, &changed.user).into_iter().map(|mail| desk.letter(&before.email, Some(before), mail, asking)).collect();
    mails.extend(moved(desk, before, changed, asking));
    mails
}

/// Roles of apps are the apps' to tell of.
fn roles(before: &User, after: &User) -> Option<Mail> {
    let beyond = |own: &User, other: &User| -> Vec<String> {
        own.roles.iter().filter(|role| SERVER_ROLES.contains(&role.as_str()) && !other.roles.contains(role)).cloned().collect()
    };
    let (given, taken) = (beyond(after, before), beyond(before, after));
    (!given.is_empty() || !taken.is_empty()).then_some(Mail::RolesChanged { given, taken })
}

fn moved(desk: &Desk<'_>, before: &User, changed: &Changed, asking: &Asking<'_>) -> Vec<NewMail> {
    if !moves(before, changed) {
        return Vec::new();
    }
    let to_old = Mail::EmailReplaced { new_address: changed.user.email.clone() };
    // Who signed up and confirmed nothing does so at the new address, unless whoever changes it vouches for it.
    let to_new = if before.pending && !changed.user.email_verified {
        let after = User { credential_revision: before.credential_revision + 1, ..changed.user.clone() };
        let (token, expires_at) = sign_up::confirmation(desk, Some(&after), &changed.email_canonical, asking);
        Mail::VerifyEmail { token, code: None, expires_at }
    } else {
        Mail::EmailAssigned
    };
    vec![desk.letter(&before.email, Some(before), to_old, asking), desk.letter(&changed.user.email, Some(before), to_new, asking)]
}

fn allowed(patch: &Map<String, Value>, hand: Hand) -> Result<(), AccountError> {
    for member in patch.keys() {
        let reason = match (member.as_str(), hand) {
            ("name" | "username" | "locale" | "claims" | "attributes", _) | ("email" | "email_verified" | "roles", Hand::Administrator) => {
                continue;
            }
            ("email", Hand::Own) => "changes by its own request, with confirmation",
            ("email_verified" | "roles", Hand::Own) => "is an administrator's to change",
            _ => "is no member of a profile",
        };
        return Err(AccountError::Member { member: member.clone(), reason });
    }
    let vouched = |claims: &Value| claims.get("phone_number_verified").is_some();
    if hand == Hand::Own && patch.get("claims").is_some_and(vouched) {
        return Err(AccountError::Member { member: "claims/phone_number_verified".to_owned(), reason: "is an administrator's to change" });
    }
    Ok(())
}

struct Changed {
    user: User,
    email_canonical: String,
    username_canonical: Option<String>,
}

fn apply(desk: &Desk<'_>, user: &User, patch: &Map<String, Value>, hand: Hand) -> Result<Changed, AccountError> {
    let mut document = members(user);
    let before = document.clone();
    merge_patch::apply(&mut document, patch);
    // A number that was confirmed is not this one any more.
    if hand == Hand::Own
        && number(&document) != number(&before)
        && let Some(Value::Object(claims)) = document.get_mut("claims")
    {
        claims.remove("phone_number_verified");
    }
    let email = Email::parse(text(&document, "email")?.as_deref().unwrap_or_default())?;
    let username = text(&document, "username")?.filter(|name| !name.trim().is_empty());
    let username = username.as_deref().map(Username::parse).transpose()?;
    if let Some(username) = username.as_ref().filter(|username| hand == Hand::Own && user.username.as_ref() != Some(&username.name)) {
        username.check_own()?;
    }
    let claims = claims::read(object(&document, "claims")?)?;
    if let Some(member) = claims.column() {
        return Err(AccountError::Member { member: format!("claims/{member}"), reason: "is a member of the profile itself" });
    }
    let attributes = object(&document, "attributes")?;
    if attributes != user.attributes {
        desk.schema.check(&attributes)?;
    }
    let same_address = Email::parse(&user.email).is_ok_and(|own| own.canonical == email.canonical);
    let email_verified = match patch.get("email_verified") {
        None => user.email_verified && same_address,
        Some(Value::Bool(verified)) => *verified,
        Some(_) => return Err(AccountError::Invalid("email_verified", "must be true or false")),
    };
    let user = User {
        email: email.address,
        email_verified,
        username: username.as_ref().map(|username| username.name.clone()),
        // What was taken before stays as it is.
        name: if patch.contains_key("name") { users::read_name(text(&document, "name")?)? } else { user.name.clone() },
        locale: users::read_locale(text(&document, "locale")?)?,
        claims: claims.claims,
        attributes,
        roles: users::read_roles(texts(&document, "roles")?)?,
        ..user.clone()
    };
    Ok(Changed { user, email_canonical: email.canonical, username_canonical: username.map(|username| username.canonical) })
}

fn number(document: &Map<String, Value>) -> Option<&Value> {
    document.get("claims")?.get("phone_number")
}

fn text(document: &Map<String, Value>, member: &'static str) -> Result<Option<String>, AccountError> {
    match document.get(member) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(AccountError::Invalid(member, "must be text")),
    }
}

fn texts(document: &Map<String, Value>, member: &'static str) -> Result<Vec<String>, AccountError> {
    let wrong = || AccountError::Invalid(member, "must be an array of text");
    match document.get(member) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong)).collect(),
        Some(_) => Err(wrong()),
    }
}

fn object(document: &Map<String, Value>, member: &'static str) -> Result<Map<String, Value>, AccountError> {
    match document.get(member) {
        None => Ok(Map::new()),
        Some(Value::Object(members)) => Ok(members.clone()),
        Some(_) => Err(AccountError::Invalid(member, "must be an object")),
    }
}
