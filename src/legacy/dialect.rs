//! What a dialect file may say. Data and its vocabulary; what of it makes sense together is `check`'s.
//!
//! A dialect says which old request does which operation, where the operation finds its fields, and what the answer looks like. What an
//! operation *does* is the same for every dialect and for every other door of the server (`operations`).

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::template::Template;

/// A closed vocabulary with its words, as a file writes them.
macro_rules! words {
    ($(#[$meta:meta])* $type:ident { $($(#[$doc:meta])* $variant:ident: $word:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
        pub enum $type { $($(#[$doc])* #[serde(rename = $word)] $variant),+ }

        impl $type {
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

/// A whole file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dialect {
    /// In logs and messages.
    pub name: String,
    /// Whose errors its answers resemble.
    pub style: Style,
    /// What an error without a field looks like, where it is none of the style's: `{ error = "${message}" }`.
    #[serde(default)]
    pub error_body: Option<Template>,
    /// Of mails and of the reasons why a password is refused, where a request does not say (`Accept-Language`).
    #[serde(default)]
    pub language: Language,
    /// Is `/users` the same as `/users/`?
    #[serde(default)]
    pub slash: Slash,
    pub client: OwnClient,
    #[serde(default)]
    pub accounts: Accounts,
    #[serde(default)]
    pub tokens: Tokens,
    #[serde(default)]
    pub bearer: Bearer,
    /// What `${user}` stands for in answers.
    #[serde(default)]
    pub user: Option<Template>,
    /// What errors say that say something else than the style does, for every route.
    #[serde(default)]
    pub errors: BTreeMap<ErrorName, ErrorAnswer>,
    pub routes: Vec<Route>,
}

words! {
    /// The framework whose errors are spoken.
    Style {
        /// FastAPI: `{"detail"}`, and 422 with a list for fields.
        FastApi: "fastapi",
        /// Flask: `{"msg"}`.
        Flask: "flask",
        /// Django REST framework with SimpleJWT: `{"detail"}`, or the list of each field's errors.
        Drf: "drf",
    }
}

words! {
    #[derive(Default)]
    Language {
        #[default]
        En: "en",
        Es: "es",
    }
}

words! {
    /// How a final slash of a path counts.
    #[derive(Default)]
    Slash {
        /// As it is written.
        #[default]
        Strict: "strict",
        /// A path is served with it and without it.
        Either: "either",
    }
}

/// The first-party client that the dialect's tokens belong to: made at the start where it is missing.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnClient {
    pub id: String,
    #[serde(default)]
    pub title: Option<String>,
    /// The scopes of its tokens.
    #[serde(default = "own_scope")]
    pub scope: String,
    /// A refresh gives a new refresh token. False where the old answer has no room for one.
    #[serde(default = "yes")]
    pub rotation: bool,
}

fn own_scope() -> String {
    "openid profile email account".to_owned()
}

fn yes() -> bool {
    true
}

/// What the old service's accounts were like.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Accounts {
    /// The name of the system in `external_ids`; the dialect's own name where none is given.
    pub source: Option<String>,
    pub ids: Ids,
    /// A register with somebody's address is refused by `email_taken`. Otherwise it gets the answer of a success, and the owner a mail; and whoever
    /// registered signs in once the address is verified, so that signing in does not tell either.
    pub tells_taken: bool,
    /// Nobody signs in whose address is not verified.
    pub verified: bool,
    /// Characters that a new password needs.
    pub min_password: Option<usize>,
    /// New passwords may be ones of the lists of common ones.
    pub common_passwords: bool,
}

impl Default for Accounts {
    fn default() -> Self {
        Self { source: None, ids: Ids::Text, tells_taken: false, verified: false, min_password: None, common_passwords: false }
    }
}

words! {
    /// What `${user.id}` is.
    Ids {
        /// A UUID, or whatever text the old service had.
        Text: "text",
        /// A number; new people get one above every imported one.
        Number: "number",
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tokens {
    /// How long an access token lives; the deployment's own length where none is given.
    #[serde(deserialize_with = "duration")]
    pub access: Option<Duration>,
    /// How long a sign-in lasts at most, however often it is renewed.
    #[serde(deserialize_with = "duration")]
    pub grant: Option<Duration>,
}

/// Where a request carries its access token.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Bearer {
    pub header: String,
    /// The word before the token; empty where there is none.
    pub scheme: String,
}

impl Default for Bearer {
    fn default() -> Self {
        Self { header: "authorization".to_owned(), scheme: "Bearer".to_owned() }
    }
}

/// Old requests that do one operation.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// `POST /auth/register`; several where the old service had several names for it.
    pub requests: Vec<String>,
    pub operation: Operation,
    /// In which forms the body may come.
    #[serde(default)]
    pub body: Vec<BodyKind>,
    /// How often from one address.
    #[serde(default)]
    pub limit: Option<Limit>,
    /// Who may, by role: any of them. Only for the operations on other people.
    #[serde(default)]
    pub roles: Option<Vec<String>>,
    /// What the path names a person by.
    #[serde(default)]
    pub find_by: FindBy,
    /// How long a one-time token lives.
    #[serde(default, deserialize_with = "duration")]
    pub ttl: Option<Duration>,
    #[serde(default)]
    pub fields: BTreeMap<FieldName, FieldPlace>,
    /// Members that the deployment keeps of a person, by their name in `attributes`.
    #[serde(default)]
    pub attributes: BTreeMap<String, FieldPlace>,
    pub answer: Answer,
    #[serde(default)]
    pub errors: BTreeMap<ErrorName, ErrorAnswer>,
}

words! {
    Operation {
        Register: "register",
        VerifyEmail: "verify_email",
        Login: "login",
        Refresh: "refresh",
        /// A live access token for a new one, on the same grant.
        Renew: "renew",
        Logout: "logout",
        Me: "me",
        List: "list",
        Get: "get",
        Update: "update",
        ChangePassword: "change_password",
        Delete: "delete",
        OneTimeCreate: "one_time_create",
        OneTimeValidate: "one_time_validate",
    }
}

words! {
    BodyKind {
        Json: "json",
        /// `application/x-www-form-urlencoded` or `multipart/form-data`.
        Form: "form",
    }
}

words! {
    #[derive(Default)]
    FindBy {
        #[default]
        Username: "username",
        Email: "email",
        /// What `${user.id}` shows.
        Id: "id",
    }
}

words! {
    /// What an operation can be told.
    FieldName {
        Email: "email",
        Username: "username",
        /// A display name.
        Name: "name",
        Locale: "locale",
        /// E-mail or user name.
        Identifier: "identifier",
        Password: "password",
        Token: "token",
        RefreshToken: "refresh_token",
        OldPassword: "old_password",
        NewPassword: "new_password",
        Captcha: "captcha",
        User: "user",
        Skip: "skip",
        Limit: "limit",
    }
}

/// Where a field stands in a request, and what it must be.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FieldPlace {
    /// RFC 6901.
    pub json: Option<String>,
    pub form: Option<String>,
    pub query: Option<String>,
    pub header: Option<String>,
    /// The name in braces.
    pub path: Option<String>,
    /// The token of the `[bearer]` header.
    pub bearer: bool,
    #[serde(rename = "type")]
    pub kind: Kind,
    /// It must look like an address.
    pub email: bool,
    /// White space around it does not count.
    pub trim: bool,
    /// None: as the operation needs it.
    pub required: Option<bool>,
    pub default: Option<Value>,
    pub min: Option<i64>,
    pub max: Option<i64>,
}

words! {
    #[derive(Default)]
    Kind {
        #[default]
        String: "string",
        Integer: "integer",
        Boolean: "boolean",
        /// Whatever JSON is there.
        Any: "any",
    }
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    pub requests: u32,
    #[serde(deserialize_with = "a_duration")]
    pub per: Duration,
}

/// The answer to a success.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    #[serde(default = "ok")]
    pub status: u16,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub body: Option<Template>,
}

fn ok() -> u16 {
    200
}

/// What an error says that does not say what the style says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ErrorAnswer {
    pub status: Option<u16>,
    pub message: Option<String>,
    /// The field that is to blame, as the old service called it.
    pub field: Option<String>,
    pub headers: BTreeMap<String, String>,
    pub body: Option<Template>,
}

words! {
    /// Whatever an operation can answer besides its success.
    ErrorName {
        MalformedBody: "malformed_body",
        UnsupportedMedia: "unsupported_media",
        MissingField: "missing_field",
        BadField: "bad_field",
        WrongCredentials: "wrong_credentials",
        NotVerified: "not_verified",
        ResetRequired: "reset_required",
        NoToken: "no_token",
        BadToken: "bad_token",
        BadRefresh: "bad_refresh",
        NotRecent: "not_recent",
        Forbidden: "forbidden",
        UnknownUser: "unknown_user",
        EmailTaken: "email_taken",
        UsernameTaken: "username_taken",
        RefusedPassword: "refused_password",
        WrongPassword: "wrong_password",
        OwnAccount: "own_account",
        LastOwner: "last_owner",
        BadVerification: "bad_verification",
        BadOneTimeToken: "bad_one_time_token",
        BadCaptcha: "bad_captcha",
        SignUpClosed: "sign_up_closed",
        Refused: "refused",
        TooMany: "too_many",
        TooLarge: "too_large",
        Late: "late",
        MethodNotAllowed: "method_not_allowed",
        Unavailable: "unavailable",
        Broken: "broken",
    }
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    a_duration(from).map(Some)
}

/// With its unit, as settings write it.
fn a_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    crate::config::parse_duration(&String::deserialize(from)?).map_err(serde::de::Error::custom)
}

impl Operation {
    /// The fields that it cannot do without.
    #[must_use]
    pub const fn needs(self) -> &'static [FieldName] {
        use FieldName as F;
        match self {
            Self::Register => &[F::Email, F::Password],
            Self::Login => &[F::Identifier, F::Password],
            Self::VerifyEmail | Self::OneTimeValidate => &[F::Token],
            Self::Refresh => &[F::RefreshToken],
            Self::Get | Self::Delete => &[F::User],
            Self::ChangePassword => &[F::OldPassword, F::NewPassword],
            Self::Renew | Self::Logout | Self::Me | Self::List | Self::Update | Self::OneTimeCreate => &[],
        }
    }

    /// The fields that it can be told beside those.
    #[must_use]
    pub const fn may(self) -> &'static [FieldName] {
        use FieldName as F;
        match self {
            Self::Register => &[F::Username, F::Name, F::Locale, F::Captcha],
            Self::Login => &[F::Captcha],
            Self::Logout => &[F::RefreshToken],
            Self::List => &[F::Skip, F::Limit],
            Self::Update => &[F::Email, F::Username, F::Name, F::Locale],
            _ => &[],
        }
    }

    /// The places that its answer may have, beside those of `user` where [`Operation::shows_a_person`].
    #[must_use]
    pub const fn places(self) -> &'static [&'static str] {
        match self {
            Self::VerifyEmail | Self::Login | Self::Refresh => &["access_token", "refresh_token", "expires_in"],
            Self::Renew => &["access_token", "expires_in"],
            Self::List => &["users"],
            Self::OneTimeCreate => &["token", "expires_in"],
            _ => &[],
        }
    }

    #[must_use]
    pub const fn shows_a_person(self) -> bool {
        !matches!(self, Self::Logout | Self::List | Self::ChangePassword | Self::Delete | Self::OneTimeCreate | Self::OneTimeValidate)
    }

    /// It is about other people: a role is asked for.
    #[must_use]
    pub const fn is_about_others(self) -> bool {
        matches!(self, Self::List | Self::Get | Self::Delete)
    }
}

impl Dialect {
    /// The name of the old service in `external_ids`.
    #[must_use]
    pub fn source(&self) -> &str {
        self.accounts.source.as_deref().unwrap_or(&self.name)
    }

    /// Do its people get refresh tokens?
    #[must_use]
    pub fn refreshes(&self) -> bool {
        self.routes.iter().any(|route| route.operation == Operation::Refresh)
    }
}

impl Route {
    /// In which forms its body may come: as it says, or as its fields need.
    #[must_use]
    pub fn forms(&self) -> Vec<BodyKind> {
        if !self.body.is_empty() {
            return self.body.clone();
        }
        let places = || self.fields.values().chain(self.attributes.values());
        let kinds = [(BodyKind::Json, places().any(|at| at.json.is_some())), (BodyKind::Form, places().any(|at| at.form.is_some()))];
        kinds.into_iter().filter_map(|(kind, is_there)| is_there.then_some(kind)).collect()
    }

    /// Its methods and paths. `check` holds that each has both.
    pub fn paths(&self) -> impl Iterator<Item = (&str, &str)> {
        self.requests.iter().filter_map(|request| request.split_once(' '))
    }
}
