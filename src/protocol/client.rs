//! Client metadata and the rules between its members (RFC 7591 §2).
//!
//! Owns: the typed client, the vocabulary of grants and methods, [`Client::check`]. `client_metadata` makes one from optional
//! members. Leaves to others: secrets (`storage::durable::clients`), who may register what (`clients`).

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use super::client_metadata::{ClientMetadata, Defaults};
use super::pkce::PkcePolicy;
use super::redirect_uri::{self, AppKind};
use super::{resource, scope};

/// `grant_types` (RFC 7591 §2). A vocabulary; what the server can do is the table `endpoints::token::GRANTS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    AuthorizationCode,
    RefreshToken,
    ClientCredentials,
    Password,
}

impl GrantType {
    pub const ALL: [Self; 4] = [Self::AuthorizationCode, Self::RefreshToken, Self::ClientCredentials, Self::Password];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
            Self::Password => "password",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grant| grant.as_str() == name)
    }
}

/// `token_endpoint_auth_method` (RFC 7591 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    ClientSecretBasic,
    ClientSecretPost,
    None,
}

impl AuthMethod {
    pub const ALL: [Self; 3] = [Self::ClientSecretBasic, Self::ClientSecretPost, Self::None];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::None => "none",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == name)
    }
}

/// A JWS algorithm the server signs with (RFC 7518 §3.1, RFC 8037).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum SigningAlg {
    RS256,
    ES256,
    EdDSA,
}

impl SigningAlg {
    pub const ALL: [Self; 3] = [Self::RS256, Self::ES256, Self::EdDSA];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.as_str() == name)
    }
}

/// What an access token looks like to a resource server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessTokenFormat {
    /// A signed JWT (RFC 9068).
    #[default]
    Jwt,
    /// Sealed bytes that only introspection can read.
    Opaque,
}

impl AccessTokenFormat {
    pub const ALL: [Self; 2] = [Self::Jwt, Self::Opaque];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::Opaque => "opaque",
        }
    }

    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }
}

/// A registered client: RFC 7591 §2 members, and Portero's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = RegisteredClient)]
pub struct Client {
    pub client_id: String,
    #[schema(nullable = false)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    #[schema(nullable = false)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    #[schema(nullable = false)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logo_uri: Option<String>,
    #[schema(nullable = false)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    #[schema(nullable = false)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contacts: Vec<String>,
    pub redirect_uris: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_logout_redirect_uris: Vec<String>,
    pub grant_types: Vec<GrantType>,
    /// Only `code` exists; kept as text because it is echoed as it was registered.
    pub response_types: Vec<String>,
    pub token_endpoint_auth_method: AuthMethod,
    /// The scopes the client may ask for, space-separated (RFC 7591 §2).
    pub scope: String,
    /// Used when an authorization request names none.
    #[schema(nullable = false)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_scope: Option<String>,
    pub id_token_signed_response_alg: SigningAlg,
    pub access_token_signed_response_alg: SigningAlg,
    pub access_token_format: AccessTokenFormat,
    /// Seconds (OIDC Registration §2).
    #[schema(nullable = false)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<u64>,
    #[serde(default)]
    pub require_auth_time: bool,
    /// Its own switch for PKCE; where there is none, the deployment's policy decides ([`Client::requires_pkce`]).
    #[schema(nullable = false)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_pkce: Option<bool>,
    /// Belongs to whoever runs the server: no consent page, may hold the password grant.
    pub first_party: bool,
    /// A refresh gives a new refresh token; false only for confidential clients.
    pub refresh_token_rotation: bool,
    /// Claims of granted scopes stand in the ID token, not at userinfo alone.
    pub claims_in_id_token: bool,
    /// The old system whose ids stand in its access and ID tokens as `external_id`, for an API that knows people by them.
    #[schema(nullable = false)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id_source: Option<String>,
    /// Resources it may ask tokens for (RFC 8707), beside those open to every client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// What it is as a resource server: it may introspect tokens whose `aud` holds its id or one of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
}

/// A member of a client's metadata that cannot be, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{member} {reason}")]
pub struct MetadataError {
    pub member: &'static str,
    pub reason: String,
}

impl MetadataError {
    #[must_use]
    pub fn new(member: &'static str, reason: impl Into<String>) -> Self {
        Self { member, reason: reason.into() }
    }
}

/// The only `response_type` there is.
pub const RESPONSE_TYPE: &str = "code";

const MAX_URIS: usize = 50;
const MAX_NAME: usize = 200;
const MAX_URI: usize = 2048;

impl Client {
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.token_endpoint_auth_method == AuthMethod::None
    }

    /// Is this scope registered for it now?
    #[must_use]
    pub fn has_scope(&self, name: &str) -> bool {
        self.scope.split_ascii_whitespace().any(|scope| scope == name)
    }

    #[must_use]
    pub fn allows(&self, grant: GrantType) -> bool {
        self.grant_types.contains(&grant)
    }

    /// The name people see: `client_name`, or the id where there is none.
    #[must_use]
    pub fn display_name(&self) -> &str {
        self.client_name.as_deref().unwrap_or(&self.client_id)
    }

    /// RFC 9700 §2.1.1: "Public clients MUST use PKCE". A confidential client's own switch wins over the deployment's policy.
    #[must_use]
    pub fn requires_pkce(&self, policy: PkcePolicy) -> bool {
        self.is_public() || self.require_pkce.unwrap_or(policy == PkcePolicy::All)
    }

    /// The rules between the members (RFC 7591 §2), whoever made them: an administrator, a file, a registration.
    ///
    /// # Errors
    /// The first member that breaks one.
    pub fn check(&self) -> Result<(), MetadataError> {
        self.check_identity()?;
        self.check_grants()?;
        self.check_uris()?;
        self.check_scope()
    }

    fn check_identity(&self) -> Result<(), MetadataError> {
        // An id of this alphabet is the same in Basic credentials whether a library form-encodes it or not (RFC 6749 §2.3.1).
        let alphabet = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        if !(1..=128).contains(&self.client_id.len()) || !self.client_id.bytes().all(alphabet) {
            return Err(MetadataError::new("client_id", "must be 1 to 128 characters of A-Z a-z 0-9 - _"));
        }
        if let Some(name) = &self.client_name {
            check_text("client_name", name)?;
        }
        // The names that an import may give a source (`accounts::import`).
        let is_source = |name: &String| {
            (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b))
        };
        if self.external_id_source.as_ref().is_some_and(|name| !is_source(name)) {
            return Err(MetadataError::new("external_id_source", "must be 1 to 64 of a-z 0-9 _ - ."));
        }
        if self.contacts.len() > MAX_URIS {
            return Err(MetadataError::new("contacts", format!("must not be more than {MAX_URIS}")));
        }
        self.contacts.iter().try_for_each(|contact| check_text("contacts", contact))
    }

    fn check_grants(&self) -> Result<(), MetadataError> {
        if self.grant_types.is_empty() {
            return Err(MetadataError::new("grant_types", "must name at least one grant"));
        }
        // RFC 6749 §4.4: "The client credentials grant type MUST only be used by confidential clients."
        for grant in [GrantType::ClientCredentials, GrantType::Password] {
            if self.allows(grant) && self.is_public() {
                return Err(MetadataError::new("grant_types", format!("{} needs a client with a secret", grant.as_str())));
            }
        }
        // RFC 9700 §2.4: "The resource owner password credentials grant [RFC6749] MUST NOT be used." Kept for first-party clients that
        // move away from a hand-written sign-in, and for them alone.
        if self.allows(GrantType::Password) && !self.first_party {
            return Err(MetadataError::new("grant_types", "password is for first-party clients"));
        }
        let code = self.allows(GrantType::AuthorizationCode);
        if self.allows(GrantType::RefreshToken) && !code && !self.allows(GrantType::Password) {
            return Err(MetadataError::new("grant_types", "refresh_token needs authorization_code or password beside it"));
        }
        // RFC 7591 §2.1: a client with the grant `authorization_code` has the response type `code`, and no other does.
        let expected: &[&str] = if code { &[RESPONSE_TYPE] } else { &[] };
        if self.response_types != expected {
            let reason = if code { "must be code, the only response type there is" } else { "must be empty without authorization_code" };
            return Err(MetadataError::new("response_types", reason));
        }
        if self.is_public() && self.require_pkce == Some(false) {
            return Err(MetadataError::new("require_pkce", "cannot be false for a public client"));
        }
        // RFC 9700 §2.2.2: "Refresh tokens for public clients MUST be sender-constrained or use refresh token rotation"
        if self.is_public() && !self.refresh_token_rotation {
            return Err(MetadataError::new("refresh_token_rotation", "cannot be false for a public client"));
        }
        Ok(())
    }

    fn check_uris(&self) -> Result<(), MetadataError> {
        if self.allows(GrantType::AuthorizationCode) && self.redirect_uris.is_empty() {
            return Err(MetadataError::new("redirect_uris", "must hold at least one URI for authorization_code"));
        }
        let kind = AppKind::of(self);
        for (member, uris) in [("redirect_uris", &self.redirect_uris), ("post_logout_redirect_uris", &self.post_logout_redirect_uris)] {
            if uris.len() > MAX_URIS {
                return Err(MetadataError::new(member, format!("must not be more than {MAX_URIS}")));
            }
            for uri in uris {
                redirect_uri::check_registrable(uri, kind).map_err(|reason| MetadataError::new(member, reason))?;
            }
        }
        let pages =
            [("client_uri", &self.client_uri), ("logo_uri", &self.logo_uri), ("policy_uri", &self.policy_uri), ("tos_uri", &self.tos_uri)];
        for (member, uri) in pages {
            if uri.as_ref().is_some_and(|uri| !is_web_page(uri)) {
                return Err(MetadataError::new(member, "must be an http or https URL"));
            }
        }
        if self.resources.len() > MAX_URIS || !self.resources.iter().all(|uri| resource::is_valid(uri)) {
            return Err(MetadataError::new("resources", format!("must be absolute URIs without fragment, {MAX_URIS} at most")));
        }
        // A StringOrURI (RFC 7519 §2), compared as it stands.
        let is_audience = |value: &String| (1..=MAX_URI).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_graphic());
        if self.audiences.len() > MAX_URIS || !self.audiences.iter().all(is_audience) {
            return Err(MetadataError::new("audiences", format!("must be printable ASCII without spaces, {MAX_URIS} at most")));
        }
        Ok(())
    }

    fn check_scope(&self) -> Result<(), MetadataError> {
        let parse = |member, text: &str| scope::parse(text).map_err(|error| MetadataError::new(member, error.description));
        let registered: HashSet<String> = parse("scope", &self.scope)?.into_iter().collect();
        if let Some(default) = &self.default_scope {
            let default = parse("default_scope", default)?;
            if default.is_empty() || !default.iter().all(|name| registered.contains(name)) {
                return Err(MetadataError::new("default_scope", "must be some of the scopes in scope"));
            }
        }
        Ok(())
    }
}

/// Text that is shown to people: bounded, on one line, and read in the direction in which it is written (RFC 7591 §5).
fn check_text(member: &'static str, text: &str) -> Result<(), MetadataError> {
    let misleading =
        |c: char| c.is_control() || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if text.trim().is_empty() || text.chars().count() > MAX_NAME {
        return Err(MetadataError::new(member, format!("must be 1 to {MAX_NAME} characters")));
    }
    if text.contains(misleading) {
        return Err(MetadataError::new(member, "must not hold control characters or ones that turn the direction of reading"));
    }
    Ok(())
}

fn is_web_page(uri: &str) -> bool {
    uri.len() <= MAX_URI
        && uri.bytes().all(|b| b.is_ascii_graphic())
        && url::Url::parse(uri).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.has_host())
}

/// A confidential client for the tests of other rooms of this module.
#[cfg(test)]
pub(super) fn fixture(scope: &str, default_scope: Option<&str>) -> Client {
    Client {
        client_id: "s6BhdRkqt3".to_owned(),
        client_name: None,
        client_uri: None,
        logo_uri: None,
        policy_uri: None,
        tos_uri: None,
        contacts: Vec::new(),
        redirect_uris: vec!["https://client.example.com/cb".to_owned()],
        post_logout_redirect_uris: Vec::new(),
        grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        response_types: vec![RESPONSE_TYPE.to_owned()],
        token_endpoint_auth_method: AuthMethod::ClientSecretBasic,
        scope: scope.to_owned(),
        default_scope: default_scope.map(str::to_owned),
        id_token_signed_response_alg: SigningAlg::RS256,
        access_token_signed_response_alg: SigningAlg::RS256,
        access_token_format: AccessTokenFormat::Jwt,
        default_max_age: None,
        require_auth_time: false,
        require_pkce: None,
        first_party: false,
        refresh_token_rotation: true,
        claims_in_id_token: true,
        external_id_source: None,
        resources: Vec::new(),
        audiences: Vec::new(),
    }
}
