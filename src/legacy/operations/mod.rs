//! What an old request does: the operations of every other door of the server, told in a dialect's terms.
//!
//! | what | file |
//! |---|---|
//! | sign in, renew, sign out | [`tokens`] |
//! | register, verify | [`sign_up`] |
//! | me and other people | [`people`] |
//! | tokens that are good once | [`one_time`] |
//!
//! Owns: whose token a request may carry, which role an operation asks for, what of a person an answer shows. Rules about accounts,
//! passwords and grants are `accounts`' and `tokens`'.

mod one_time;
mod people;
mod sign_up;
mod tokens;

use std::sync::Arc;

use axum::http::HeaderMap;
use serde_json::{Map, Value, json};
use tracing::Instrument as _;

use super::answer::Refused;
use super::dialect::{Dialect, ErrorName, FieldName, Ids, Operation, Route};
use super::request::{self, Fields, Wrong};
use crate::accounts::desk::Asking;
use crate::accounts::email::BadName;
use crate::accounts::users::AccountError;
use crate::app::App;
use crate::clock::Time;
use crate::i18n::{self, Lang};
use crate::protocol::access_token::AccessClaims;
use crate::protocol::claims::{OWNER, USER_ADMIN};
use crate::protocol::client::Client;
use crate::protocol::scope::{ACCOUNT, USERS_READ, USERS_WRITE};
use crate::request::RequestContext;
use crate::storage::StorageError;
use crate::storage::durable::{Act, Actor, Refusal, User};
use crate::storage::ephemeral::Rule;
use crate::tokens::grant::RETRY_AFTER;

/// Who may act on other people where a file says nothing.
const ADMINISTRATORS: [&str; 2] = [OWNER, USER_ADMIN];

/// One request on its way.
pub(super) struct Call<'a> {
    pub app: &'a App,
    pub dialect: &'a Arc<Dialect>,
    pub route: &'a Route,
    pub context: RequestContext,
    /// For mails to people whose own language is not known, and for reasons.
    pub lang: Lang,
    pub now: Time,
    /// Who calls; none for the operations that begin with a password or a token of their own.
    pub caller: Option<Caller>,
    pub fields: Fields,
}

/// The person behind the access token of a request.
pub(super) struct Caller {
    pub user: User,
    pub claims: AccessClaims,
}

/// What the places of an answer stand for.
#[derive(Default)]
pub(super) struct Values {
    named: Map<String, Value>,
    /// The members of a person.
    person: Map<String, Value>,
    /// The same of several.
    people: Vec<Map<String, Value>>,
}

type Done = Result<Values, Refused>;

/// Does what the route says, unless the dialect is switched off.
pub(super) async fn run(call: &Call<'_>) -> Done {
    call.client().await?;
    match call.route.operation {
        Operation::Register => sign_up::register(call).await,
        Operation::VerifyEmail => sign_up::verify_email(call).await,
        Operation::Login => tokens::login(call).await,
        Operation::Refresh => tokens::refresh(call).await,
        Operation::Renew => tokens::renew(call).await,
        Operation::Logout => tokens::logout(call).await,
        Operation::Me => people::me(call).await,
        Operation::List => people::list(call).await,
        Operation::Get => people::get(call).await,
        Operation::Update => people::update(call).await,
        Operation::ChangePassword => people::change_password(call).await,
        Operation::Delete => people::delete(call).await,
        Operation::OneTimeCreate => one_time::create(call).await,
        Operation::OneTimeValidate => one_time::validate(call).await,
    }
}

impl Operation {
    /// Its name in the audit trail, where it is refused before any step.
    const fn act(self) -> &'static str {
        match self {
            Self::Register => "user.sign_up",
            Self::VerifyEmail => "user.verify_email",
            Self::Login => "sign_in",
            Self::Refresh | Self::Renew => "token",
            Self::Logout => "grant.revoke",
            Self::Me | Self::List | Self::Get => "user.read",
            Self::Update => "user.update",
            Self::ChangePassword => "user.change_password",
            Self::Delete => "user.delete",
            Self::OneTimeCreate => "one_time_token.create",
            Self::OneTimeValidate => "one_time_token.consume",
        }
    }

    /// Does it act for whoever an access token belongs to?
    const fn has_a_caller(self) -> bool {
        !matches!(self, Self::Register | Self::VerifyEmail | Self::Login | Self::Refresh)
    }
}

impl Call<'_> {
    /// Takes one from the allowance that the route gives an address.
    pub async fn limited(&self) -> Result<(), Refused> {
        let Some(limit) = self.route.limit else { return Ok(()) };
        let rule = Rule { burst: limit.requests, every: limit.per / limit.requests };
        let name = format!("dialect:{}:{}", self.dialect.name, self.route.requests[0]);
        let store = &*self.app.storage.ephemeral.store;
        match self.app.limits.taken(store, &self.app.seal, &name, &rule, self.context.address, self.now).await {
            Ok(None) => Ok(()),
            Ok(Some(after)) => Err(Refused::later(ErrorName::TooMany, after)),
            Err(error) => Err(fault(&error)),
        }
    }

    /// Finds out who calls, for the operations that need to know.
    pub async fn identify(&mut self, headers: &HeaderMap) -> Result<(), Refused> {
        let operation = self.route.operation;
        if !operation.has_a_caller() {
            return Ok(());
        }
        let token = request::bearer(headers, &self.dialect.bearer).ok_or(ErrorName::NoToken)?;
        let access = self.app.tokens.access(&self.app.storage, token, self.now).await.map_err(|error| fault(&error))?;
        // A token for another resource server is not for us (RFC 9068 §4), and one without a person is nobody's here.
        let Some(access) = access.filter(|access| access.claims.aud.is_only(self.app.urls.issuer())) else {
            return Err(ErrorName::BadToken.into());
        };
        let (claims, Some(holder)) = (access.claims, access.holder) else { return Err(ErrorName::BadToken.into()) };
        // Any client of a person gets tokens for the issuer: only the dialect's own, and those that the person let at their account, act here.
        let needed = match operation {
            Operation::List | Operation::Get => USERS_READ,
            Operation::Delete => USERS_WRITE,
            _ => ACCOUNT,
        };
        let own = claims.client_id == self.dialect.client.id;
        self.caller = Some(Caller { user: holder.user, claims });
        if !own && operation == Operation::Renew {
            return Err(ErrorName::BadToken.into());
        }
        if !own && !self.caller()?.claims.has_scope(needed) {
            return Err(self.refused(ErrorName::Forbidden, "scope"));
        }
        if operation.is_about_others() && !self.may_administer()? {
            return Err(self.refused(ErrorName::Forbidden, "role"));
        }
        Ok(())
    }

    fn may_administer(&self) -> Result<bool, Refused> {
        let roles = &self.caller()?.user.roles;
        Ok(match &self.route.roles {
            Some(any) => any.iter().any(|role| roles.contains(role)),
            None => roles.iter().any(|role| ADMINISTRATORS.contains(&role.as_str())),
        })
    }

    pub fn caller(&self) -> Result<&Caller, Refused> {
        self.caller.as_ref().ok_or_else(|| ErrorName::NoToken.into())
    }

    /// For the audit rows of what is done.
    pub fn by(&self) -> Act {
        Act {
            actor: self.caller.as_ref().map_or(Actor::Anonymous, |caller| Actor::Person(caller.user.id.clone())),
            client_id: Some(self.caller.as_ref().map_or(&self.dialect.client.id, |caller| &caller.claims.client_id).clone()),
            address: self.context.address,
            request_id: self.context.id.to_string(),
        }
    }

    /// For the operations on accounts.
    pub fn asking<'a>(&self, by: &'a Act) -> Asking<'a> {
        Asking { lang: self.lang, device: None, now: self.now, by }
    }

    /// What an operation on accounts refused, in the dialect's terms.
    pub fn account_error(&self, error: &AccountError) -> Refused {
        let field = |name, wrong| Refused::field(self.route, name, wrong, error.to_string());
        match error {
            AccountError::Name(BadName::Email) => field(FieldName::Email, Wrong::NotEmail),
            AccountError::Name(BadName::Username) => field(FieldName::Username, Wrong::Refused),
            AccountError::Invalid("name", _) => field(FieldName::Name, Wrong::Refused),
            AccountError::Invalid("locale", _) => field(FieldName::Locale, Wrong::Refused),
            AccountError::Password(bad) => Refused::because(ErrorName::RefusedPassword, i18n::text(self.lang, bad.key(), &[])),
            AccountError::Captcha => ErrorName::BadCaptcha.into(),
            AccountError::CaptchaFault => Refused::later(ErrorName::Unavailable, RETRY_AFTER),
            AccountError::Taken("username") => ErrorName::UsernameTaken.into(),
            AccountError::Taken(_) => ErrorName::EmailTaken.into(),
            AccountError::Unknown => ErrorName::UnknownUser.into(),
            AccountError::WrongPassword => ErrorName::WrongPassword.into(),
            AccountError::Locked { until } => Refused::later(ErrorName::TooMany, (*until - self.now).to_std().unwrap_or_default()),
            AccountError::Throttled { retry_after } => Refused::later(ErrorName::TooMany, *retry_after),
            AccountError::Closed => ErrorName::SignUpClosed.into(),
            AccountError::Link(_) | AccountError::Code(_) => ErrorName::BadVerification.into(),
            AccountError::NotRecent | AccountError::PasswordNeeded => Refused::because(ErrorName::NotRecent, error.to_string()),
            AccountError::LastOwner => ErrorName::LastOwner.into(),
            AccountError::Stale => Refused::later(ErrorName::Unavailable, RETRY_AFTER),
            AccountError::Busy(busy) => Refused::later(ErrorName::Unavailable, busy.retry_after),
            AccountError::Storage(error) => fault(error),
            AccountError::Invalid(..) | AccountError::Member { .. } | AccountError::Claim(_) | AccountError::Attributes(_) => {
                Refused::because(ErrorName::Refused, error.to_string())
            }
        }
    }

    /// A refusal that no step of the store writes down: its row is written beside the request.
    pub fn refused(&self, name: ErrorName, reason: &'static str) -> Refused {
        let (audit, by, now) = (Arc::clone(&self.app.storage.audit), self.by(), self.now);
        let act = self.route.operation.act();
        let write = async move {
            if let Err(fault) = audit.refuse(&Refusal { act, subject: None, reason }, now, &by).await {
                tracing::warn!(event = "audit_fault", detail = %fault);
            }
        };
        tokio::spawn(write.instrument(tracing::Span::current()));
        name.into()
    }

    /// The client of the dialect. An operator who disabled it has switched the dialect off.
    pub async fn client(&self) -> Result<Arc<Client>, Refused> {
        match self.app.storage.clients.in_use(&self.dialect.client.id).await {
            Ok(Some(record)) => Ok(Arc::clone(&record.client)),
            Ok(None) => Err(self.refused(ErrorName::Forbidden, "client_disabled")),
            Err(error) => Err(fault(&error)),
        }
    }

    /// What `${user.id}` shows of a person: what the old service called them. Somebody whom it never knew gets a name of its kind now.
    pub async fn id_of(&self, user: &User) -> Result<Value, Refused> {
        let source = self.dialect.source();
        let known = |user: &User| user.external.iter().find(|external| external.source == source).map(|external| external.id.clone());
        let id = match (known(user), self.dialect.accounts.ids) {
            (Some(id), _) => id,
            (None, Ids::Text) => return Ok(json!(uuid_of(&user.id))),
            (None, Ids::Number) => {
                let numbered =
                    self.app.storage.accounts.number(&user.id, source, self.now, &self.by()).await.map_err(|error| fault(&error))?;
                numbered.as_ref().and_then(known).ok_or(ErrorName::UnknownUser)?
            }
        };
        Ok(match (self.dialect.accounts.ids, id.parse::<i64>()) {
            (Ids::Number, Ok(number)) => json!(number),
            _ => json!(id),
        })
    }

    /// A person as answers show them.
    pub async fn shown(&self, user: &User) -> Result<Map<String, Value>, Refused> {
        let members = json!({
            "user.id": self.id_of(user).await?,
            "user.sub": user.id,
            "user.email": user.email,
            "user.username": user.username,
            "user.name": user.name,
            "user.display_name": user.name.as_ref().or(user.username.as_ref()).unwrap_or(&user.email),
            "user.locale": user.locale,
            "user.verified": user.email_verified,
            "user.disabled": user.disabled_at.is_some(),
            "user.active": user.disabled_at.is_none(),
            "user.roles": user.roles,
            "user.created_at": user.created_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        });
        let Value::Object(mut members) = members else { unreachable!("it is written as an object") };
        members.extend(user.attributes.iter().map(|(name, value)| (format!("user.attributes.{name}"), value.clone())));
        Ok(members)
    }

    /// Does an answer of this route show the person?
    pub fn shows_a_person(&self) -> bool {
        let body = self.route.answer.body.as_ref();
        body.is_some_and(|body| body.places().iter().any(|place| place == "user" || place.starts_with("user.")))
    }

    /// The values of an answer about one person.
    pub async fn about(&self, user: &User) -> Done {
        let person = if self.shows_a_person() { self.shown(user).await? } else { Map::new() };
        Ok(Values { person, ..Values::default() })
    }
}

impl Values {
    /// What stands for a place; null where there is nothing.
    pub fn get(&self, dialect: &Dialect, place: &str) -> Value {
        let whole = |person: &Map<String, Value>| {
            let template = dialect.user.as_ref();
            template.map_or(Value::Null, |user| user.fill(&|place: &str| person.get(place).cloned().unwrap_or_default()))
        };
        match place {
            "user" => whole(&self.person),
            "users" => Value::Array(self.people.iter().map(whole).collect()),
            place if place.starts_with("user.") => self.person.get(place).cloned().unwrap_or_default(),
            place => self.named.get(place).cloned().unwrap_or_default(),
        }
    }
}

/// The UUID inside an id of ours, with its hyphens: what a service with text ids would have called somebody.
fn uuid_of(id: &str) -> String {
    let hex = id.rsplit('_').next().unwrap_or(id);
    uuid::Uuid::try_parse(hex).map_or_else(|_| id.to_owned(), |uuid| uuid.hyphenated().to_string())
}

/// The id of ours with that UUID inside.
fn id_of_uuid(text: &str) -> Option<String> {
    uuid::Uuid::try_parse(text).ok().map(|uuid| format!("usr_{}", uuid.simple()))
}

/// A store that does not answer is never a denial: 503, and the old front end tries again.
fn fault(error: &StorageError) -> Refused {
    if let StorageError::Unavailable(_) = error {
        tracing::error!(event = "fault", detail = %error, "an old request failed through no fault of its client");
        return Refused::later(ErrorName::Unavailable, RETRY_AFTER);
    }
    broken(error)
}

/// Something of ours is wrong, and waiting will not mend it.
fn broken(error: impl std::fmt::Display) -> Refused {
    tracing::error!(event = "broken", detail = %error, "an old request failed through a fault of ours that waiting will not mend");
    ErrorName::Broken.into()
}
