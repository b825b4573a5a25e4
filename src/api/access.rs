//! Who calls, and whether they may.
//!
//! `edge` reads the token once and leaves a [`Presented`] on the request; a handler names what it needs by its first argument,
//! [`Granted<UsersWrite>`], so that nobody reads a body for somebody who may not send it. A person needs the scope and a role, a client that
//! acts for itself the scope alone: an administrator gave it to the client. Leaves to others: reading and judging tokens (`tokens::bearer`).

use std::convert::Infallible;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};

use super::problem::{self, Code, Problem};
use crate::app::App;
use crate::clock::Time;
use crate::i18n::Lang;
use crate::protocol::access_token::AccessClaims;
use crate::protocol::claims::{AUDITOR, CLIENT_ADMIN, OWNER, SERVER_ROLES, USER_ADMIN};
use crate::protocol::scope;
use crate::request::RequestContext;
use crate::storage::StorageError;
use crate::storage::durable::{Act, Actor, Allowance, User};
use crate::tokens::bearer;

/// What an operation asks of its caller.
pub trait Needs: Send + Sync + 'static {
    const SCOPE: &'static str;
    /// One of these roles, where a person calls. None: any person, and no client for itself.
    const ROLES: &'static [&'static str];
}

macro_rules! needs {
    ($($name:ident: $scope:expr, $roles:expr;)*) => {
        $(pub struct $name;
        impl Needs for $name {
            const SCOPE: &'static str = $scope;
            const ROLES: &'static [&'static str] = &$roles;
        })*
        /// The roles behind each scope of the API.
        pub const ROLES_OF: &[(&str, &[&str])] = &[$(($scope, &$roles)),*];
    };
}

needs! {
    Account: scope::ACCOUNT, [];
    UsersRead: scope::USERS_READ, [OWNER, USER_ADMIN, AUDITOR];
    UsersWrite: scope::USERS_WRITE, [OWNER, USER_ADMIN];
    ClientsRead: scope::CLIENTS_READ, [OWNER, CLIENT_ADMIN, AUDITOR];
    ClientsWrite: scope::CLIENTS_WRITE, [OWNER, CLIENT_ADMIN];
    OrganizationsRead: scope::ORGANIZATIONS_READ, [OWNER, USER_ADMIN, AUDITOR];
    OrganizationsWrite: scope::ORGANIZATIONS_WRITE, [OWNER, USER_ADMIN];
    AuditRead: scope::AUDIT_READ, [OWNER, AUDITOR];
}

/// Somebody with a good access token for this API.
#[derive(Debug)]
pub struct Caller {
    pub claims: AccessClaims,
    /// None: a client that acts for itself.
    pub user: Option<Box<User>>,
    pub context: RequestContext,
}

/// What the request showed of its caller.
#[derive(Clone)]
pub enum Presented {
    Nothing,
    /// A token that is none, no longer good, or for somebody else.
    Bad,
    Good(Arc<Caller>),
}

impl Presented {
    /// Reads the token of a request.
    ///
    /// # Errors
    /// A fault of the store, which says nothing about the token.
    pub async fn read(app: &App, headers: &HeaderMap, context: &RequestContext, now: Time) -> Result<Self, StorageError> {
        let token = match bearer::from_header(headers) {
            Ok(Some(token)) => token,
            // A malformed header is an attempt.
            Err(()) => return Ok(Self::Bad),
            // RFC 6750 §3.1: a request that "attempted using an unsupported authentication method" lacks authentication information as well.
            Ok(None) => return Ok(Self::Nothing),
        };
        let Some(access) = app.tokens.access(&app.storage, token, now).await? else { return Ok(Self::Bad) };
        // RFC 9068 §4: "The resource server MUST validate that the "aud" claim contains a resource indicator value corresponding to an
        // identifier the resource server expects for itself." A token that is for another one, too, is in its hands: it opens nothing here.
        if !access.claims.aud.is_only(app.urls.issuer()) {
            return Ok(Self::Bad);
        }
        Ok(Self::Good(Arc::new(Caller {
            claims: access.claims,
            user: access.holder.map(|holder| Box::new(holder.user)),
            context: context.clone(),
        })))
    }

    /// # Errors
    /// 401, with what is missing.
    pub fn caller(&self) -> Result<Arc<Caller>, Problem> {
        match self {
            Self::Nothing => Err(Code::Unauthorized.into()),
            Self::Bad => Err(Code::InvalidToken.into()),
            Self::Good(caller) => Ok(Arc::clone(caller)),
        }
    }
}

impl Caller {
    /// The person; a client that acts for itself is none.
    ///
    /// # Errors
    /// 403.
    pub fn person(&self) -> Result<&User, Problem> {
        self.user.as_deref().ok_or_else(|| Code::PersonRequired.into())
    }

    #[must_use]
    pub fn actor(&self) -> Actor {
        match &self.user {
            Some(user) => Actor::Person(user.id.clone()),
            None => Actor::Client(self.claims.client_id.clone()),
        }
    }

    /// For the audit rows of what the caller does.
    #[must_use]
    pub fn act(&self) -> Act {
        Act {
            actor: self.actor(),
            client_id: Some(self.claims.client_id.clone()),
            address: self.context.address,
            request_id: self.context.id.to_string(),
        }
    }

    /// What limits and repeated requests are counted under.
    #[must_use]
    pub fn name(&self) -> String {
        match &self.user {
            Some(user) => format!("person {}", user.id),
            None => format!("client {}", self.claims.client_id),
        }
    }

    fn has_role(&self, role: &str) -> bool {
        self.user.as_deref().is_some_and(|user| user.has_role(role))
    }

    /// May this caller give, or take, this role ([`User::may_give`])? A client holds none, and gives those of apps.
    #[must_use]
    pub fn may_give(&self, role: &str) -> bool {
        self.user.as_deref().map_or(!SERVER_ROLES.contains(&role), |user| user.may_give(role))
    }

    /// May this caller change an account that holds these roles ([`User::is_over`])?
    ///
    /// # Errors
    /// 403.
    pub fn over(&self, roles: &[String]) -> Result<(), Problem> {
        if roles.iter().all(|role| self.may_give(role)) { Ok(()) } else { Err(Code::AboveYourRole.into()) }
    }

    /// May this caller make, or change, a client that has these scopes? Of the scopes of this API only such as the caller could use. A first-party
    /// client acts, unasked, for whoever follows a link: with a scope of this API it has the power of everybody, which is an owner's to give. Another
    /// one has that of those who allowed it such a scope: a new redirect URI, or a new secret, would be a way to their accounts. It is changed by
    /// whoever may change these.
    ///
    /// # Errors
    /// 403.
    pub fn over_client(&self, first_party: bool, scopes: &str, allowed: &[Allowance]) -> Result<(), Problem> {
        if self.has_role(OWNER) {
            return Ok(());
        }
        let of_this_api = |name: &str| ROLES_OF.iter().any(|(scope, _)| *scope == name);
        let shared: Vec<&str> = scopes.split_ascii_whitespace().filter(|name| of_this_api(name)).collect();
        if first_party && !shared.is_empty() {
            return Err(Code::AboveYourRole.into());
        }
        for allowance in allowed.iter().filter(|allowance| allowance.scope.split_ascii_whitespace().any(|name| shared.contains(&name))) {
            self.over_people()?;
            self.over(&allowance.roles)?;
        }
        let own = |name: &str| match ROLES_OF.iter().find(|(scope, _)| *scope == name) {
            None | Some((_, [])) => true,
            Some((_, roles)) if self.user.is_some() => roles.iter().any(|role| self.has_role(role)),
            Some(_) => self.claims.has_scope(name),
        };
        if shared.into_iter().all(own) { Ok(()) } else { Err(Code::AboveYourRole.into()) }
    }

    /// May this caller change anybody's account?
    fn over_people(&self) -> Result<(), Problem> {
        let may = match self.user {
            Some(_) => UsersWrite::ROLES.iter().any(|role| self.has_role(role)),
            None => self.claims.has_scope(UsersWrite::SCOPE),
        };
        if may { Ok(()) } else { Err(Code::AboveYourRole.into()) }
    }
}

/// A caller who may do what `N` names.
pub struct Granted<N> {
    caller: Arc<Caller>,
    needs: PhantomData<N>,
}

impl<N> Deref for Granted<N> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<N: Needs, S: Sync> FromRequestParts<S> for Granted<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = presented(&parts.extensions).caller()?;
        check::<N>(&caller)?;
        Ok(Self { caller, needs: PhantomData })
    }
}

fn check<N: Needs>(caller: &Caller) -> Result<(), Problem> {
    if !caller.claims.has_scope(N::SCOPE) {
        return Err(Problem::scope(N::SCOPE));
    }
    if N::ROLES.is_empty() {
        caller.person()?;
    } else if caller.user.is_some() && !N::ROLES.iter().any(|role| caller.has_role(role)) {
        return Err(Code::RoleRequired.into());
    }
    Ok(())
}

/// Anybody with a good token: a client for itself, or a person's app with the scope `account`.
pub struct Anyone(Arc<Caller>);

impl Deref for Anyone {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for Anyone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = presented(&parts.extensions).caller()?;
        if caller.user.is_some() && !caller.claims.has_scope(scope::ACCOUNT) {
            return Err(Problem::scope(scope::ACCOUNT));
        }
        Ok(Self(caller))
    }
}

/// The language that the request asks for.
#[derive(Clone, Copy)]
pub struct Language(pub Lang);

impl<S: Sync> FromRequestParts<S> for Language {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let asked = parts.headers.get(axum::http::header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Ok(Self(problem::language(asked)))
    }
}

/// Nobody needs to have signed in: only where the request comes from.
pub struct Visitor {
    pub context: RequestContext,
}

impl Visitor {
    #[must_use]
    pub fn act(&self) -> Act {
        Act { actor: Actor::Anonymous, client_id: None, address: self.context.address, request_id: self.context.id.to_string() }
    }
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let context = parts.extensions.get::<RequestContext>().cloned();
        Ok(Self { context: context.unwrap_or(RequestContext { id: "-".into(), address: None }) })
    }
}

/// What `edge` left on the request.
#[must_use]
pub fn presented(extensions: &Extensions) -> Presented {
    extensions.get::<Presented>().cloned().unwrap_or(Presented::Nothing)
}
