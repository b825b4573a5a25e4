//! People: their account, and the hash of their password. What changes in an account later is in `accounts`.

use async_trait::async_trait;
use serde_json::{Map, Value};

use super::super::{Result, Time};
use super::{Act, NewMail};
pub use crate::protocol::claims::{ExternalId, OWNER, SERVER_ROLES};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// Also the `sub` of their tokens; never used again.
    pub id: String,
    pub email: String,
    pub email_verified: bool,
    pub username: Option<String>,
    pub name: Option<String>,
    /// BCP 47.
    pub locale: Option<String>,
    /// Further standard claims (OIDC Core §5.1): `given_name`, `address`, `phone_number`, …
    pub claims: Map<String, Value>,
    /// Members that the deployment keeps of a person; never claims.
    pub attributes: Map<String, Value>,
    /// Their ids in the systems they came from, by source.
    pub external: Vec<ExternalId>,
    pub roles: Vec<String>,
    pub disabled_at: Option<Time>,
    pub demo: bool,
    /// The password opens nothing until it is replaced (an administrator asked for that, or a change of address was undone).
    pub reset_required: bool,
    /// They signed up and have not shown that the address is theirs: nothing opens, and the user name they asked for is nobody's yet.
    pub pending: bool,
    /// Counts the changes of the profile: what `If-Match` compares (RFC 9110 §13.1.1).
    pub revision: i64,
    /// Counts the changes of password and address: links that hang from either are bound to it.
    pub credential_revision: i64,
    /// None: there is no password, or it is as old as the account.
    pub password_changed_at: Option<Time>,
    pub created_at: Time,
    pub updated_at: Time,
}

impl User {
    /// They signed up and showed nothing: somebody who is sure of the address (an administrator, an import, whoever reads its mail) takes their
    /// place. Not where an administrator keeps the address out, or gave them a role: that is an administrator's to undo.
    #[must_use]
    pub fn makes_room(&self) -> bool {
        self.pending && self.disabled_at.is_none() && self.roles.is_empty()
    }

    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role)
    }

    /// May they give, or take, this role? An owner every one; others of the roles that mean something to this server those they hold themselves.
    /// Roles of apps are free.
    #[must_use]
    pub fn may_give(&self, role: &str) -> bool {
        !SERVER_ROLES.contains(&role) || self.has_role(OWNER) || self.has_role(role)
    }

    /// May they change an account that holds these roles, or end it? Whoever could take over an account of more rights would have them.
    #[must_use]
    pub fn is_over(&self, roles: &[String]) -> bool {
        roles.iter().all(|role| self.may_give(role))
    }
}

pub struct NewUser {
    pub user: User,
    /// Canonical forms, made by accounts::email: the store compares them, it does not make them.
    pub email_canonical: String,
    pub username_canonical: Option<String>,
    /// An encoded hash (PHC string), or none: nobody can sign in by password.
    pub password_hash: Option<String>,
}

/// That a password was right: the stored hash it was compared with. What is begun on it begins only while that is still the account's.
#[derive(Clone, PartialEq, Eq)]
pub struct Proof(String);

impl Proof {
    #[must_use]
    pub fn of(hash: &str) -> Self {
        Self(hash.to_owned())
    }

    #[must_use]
    pub fn hash(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proof")
    }
}

/// How a person is looked up.
#[derive(Clone, Copy, Debug)]
pub enum UserKey<'a> {
    Id(&'a str),
    /// Canonical e-mail or user name.
    Identifier(&'a str),
    /// What another system called them.
    External {
        source: &'a str,
        id: &'a str,
    },
}

/// To whom something is done.
#[derive(Clone, Copy, Debug)]
pub struct Whom<'a> {
    pub id: &'a str,
    /// The roles of which it was judged whether it may be done: with others it is not, and the step ends with `Conflict("roles")`. None: it may be done to
    /// anybody.
    pub roles: Option<&'a [String]>,
}

impl<'a> Whom<'a> {
    /// Whoever it is.
    #[must_use]
    pub const fn by_id(id: &'a str) -> Self {
        Self { id, roles: None }
    }
}

impl<'a> From<&'a User> for Whom<'a> {
    /// As they were read.
    fn from(user: &'a User) -> Self {
        Self { id: &user.id, roles: Some(&user.roles) }
    }
}

#[async_trait]
pub trait Users: Send + Sync {
    async fn find(&self, key: UserKey<'_>) -> Result<Option<User>>;
    /// With the password hash, for authentication only.
    async fn with_password(&self, key: UserKey<'_>) -> Result<Option<(User, Option<String>)>>;
    /// Ordered by id.
    async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<User>>;
    /// Somebody who signed up with the address and never confirmed it makes room: they are deleted in the same transaction.
    ///
    /// # Errors
    /// `Conflict("email")`, `Conflict("username")`, `Conflict("external_id")` where one is taken.
    async fn create(&self, new: &NewUser, by: &Act) -> Result<()>;
    /// Creates the first owner; false, and nothing done, where somebody with the role `owner` is there already.
    async fn create_first_owner(&self, new: &NewUser, by: &Act) -> Result<bool>;
    async fn any_owner(&self) -> Result<bool>;
    /// Sets or clears `disabled_at`; disabling ends the sessions and revokes every grant, offline ones too. Where it is so already, nothing is
    /// done, written down or sent. False if unknown.
    ///
    /// # Errors
    /// `LastOwner`, and as [`Whom::roles`] says.
    async fn set_disabled(&self, whom: Whom<'_>, disabled: bool, mails: &[NewMail], now: Time, by: &Act) -> Result<bool>;
    /// Sets the password, which also ends a required reset; ends the sessions (except `keep_session`) and revokes every grant. False if unknown.
    async fn set_password(&self, id: &str, hash: &str, keep_session: Option<&str>, mails: &[NewMail], now: Time, by: &Act) -> Result<bool>;
    /// Replaces a hash by a stronger one of the same password, if `old` is still what is stored; ends nothing.
    async fn upgrade_hash(&self, id: &str, old: &str, new: &str, now: Time, by: &Act) -> Result<bool>;
    /// Is there any row made by a development server?
    async fn any_demo(&self) -> Result<bool>;
}
