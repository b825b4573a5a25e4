//! OAuth error codes, their HTTP status, and what a client or a person may read about a refusal.
//!
//! Owns: [`OAuthError`] (for clients), [`NotRedirected`] (for people, before a redirect is safe). Leaves to others: faults of stores,
//! which are never one of these (`storage::StorageError`), the words of pages (`i18n`), and writing responses (`endpoints`,
//! `browser`). Everything in `protocol` returns one of the two.

use std::borrow::Cow;
use std::fmt;

/// Every error code the server can answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    // RFC 6749 §4.1.2.1 and §5.2
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    UnsupportedResponseType,
    InvalidScope,
    AccessDenied,
    ServerError,
    TemporarilyUnavailable,
    // OIDC Core §3.1.2.6: "This error MAY be returned when the prompt parameter value in the Authentication Request is none, but the
    // Authentication Request cannot be completed without displaying a user interface"
    /// §3.1.2.6: "The Authorization Server requires End-User authentication."
    LoginRequired,
    /// §3.1.2.6: "The End-User is REQUIRED to select a session at the Authorization Server."
    AccountSelectionRequired,
    /// §3.1.2.6: "The Authorization Server requires End-User consent."
    ConsentRequired,
    /// §3.1.2.6: "The OP does not support use of the request parameter defined in Section 6."
    RequestNotSupported,
    /// §3.1.2.6: "The OP does not support use of the request_uri parameter defined in Section 6."
    RequestUriNotSupported,
    /// §3.1.2.6: "The OP does not support use of the registration parameter defined in Section 7.2.1."
    RegistrationNotSupported,
    // RFC 6750 §3.1
    InvalidToken,
    InsufficientScope,
    /// RFC 8707 §2: "The requested resource is invalid, missing, unknown, or malformed."
    InvalidTarget,
    /// OpenID Connect Core Error Code `unmet_authentication_requirements` 1.0 §3
    UnmetAuthenticationRequirements,
}

impl ErrorCode {
    pub const ALL: [Self; 20] = [
        Self::InvalidRequest,
        Self::InvalidClient,
        Self::InvalidGrant,
        Self::UnauthorizedClient,
        Self::UnsupportedGrantType,
        Self::UnsupportedResponseType,
        Self::InvalidScope,
        Self::AccessDenied,
        Self::ServerError,
        Self::TemporarilyUnavailable,
        Self::LoginRequired,
        Self::AccountSelectionRequired,
        Self::ConsentRequired,
        Self::RequestNotSupported,
        Self::RequestUriNotSupported,
        Self::RegistrationNotSupported,
        Self::InvalidToken,
        Self::InsufficientScope,
        Self::InvalidTarget,
        Self::UnmetAuthenticationRequirements,
    ];

    /// The value of the `error` parameter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::AccessDenied => "access_denied",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::LoginRequired => "login_required",
            Self::AccountSelectionRequired => "account_selection_required",
            Self::ConsentRequired => "consent_required",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidTarget => "invalid_target",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
        }
    }

    /// The HTTP status where the error is answered directly, not by redirect.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            // RFC 6749 §5.2: the server "MAY return an HTTP 401 (Unauthorized) status code", and MUST after an `Authorization` header.
            Self::InvalidClient | Self::InvalidToken => 401,
            // RFC 6750 §3.1: "The resource server SHOULD respond with the HTTP 403 (Forbidden) status code"
            Self::InsufficientScope => 403,
            Self::ServerError => 500,
            Self::TemporarilyUnavailable => 503,
            // RFC 6749 §5.2: "The authorization server responds with an HTTP 400 (Bad Request) status code (unless specified otherwise)"
            _ => 400,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal that a client reads: by redirect once its redirect URI is known to be its own, else as JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {description}")]
pub struct OAuthError {
    pub code: ErrorCode,
    /// For the client's developer. Static wherever possible: it cannot leak a value then.
    pub description: Cow<'static, str>,
}

impl OAuthError {
    #[must_use]
    pub fn new(code: ErrorCode, description: impl Into<Cow<'static, str>>) -> Self {
        Self { code, description: readable(description.into()) }
    }

    #[must_use]
    pub fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidRequest, description)
    }

    #[must_use]
    pub fn invalid_client(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidClient, description)
    }

    #[must_use]
    pub fn invalid_grant(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidGrant, description)
    }

    #[must_use]
    pub fn unauthorized_client(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::UnauthorizedClient, description)
    }

    #[must_use]
    pub fn invalid_scope(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidScope, description)
    }

    #[must_use]
    pub fn invalid_target(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::InvalidTarget, description)
    }

    #[must_use]
    pub fn access_denied(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::AccessDenied, description)
    }

    #[must_use]
    pub fn login_required(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::LoginRequired, description)
    }

    #[must_use]
    pub fn consent_required(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::ConsentRequired, description)
    }

    #[must_use]
    pub fn server_error(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::ServerError, description)
    }

    #[must_use]
    pub fn temporarily_unavailable(description: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::TemporarilyUnavailable, description)
    }
}

/// RFC 6749 §5.2: "Values for the "error_description" parameter MUST NOT include characters outside the set
/// %x20-21 / %x23-5B / %x5D-7E."
fn readable(text: Cow<'static, str>) -> Cow<'static, str> {
    let allowed = |c: char| matches!(c, ' '..='!' | '#'..='[' | ']'..='~');
    if text.chars().all(allowed) {
        return text;
    }
    Cow::Owned(text.chars().map(|c| if allowed(c) { c } else { '?' }).collect())
}

/// A refusal that a person reads on a page of ours, because nothing says yet where an answer might safely go, or because the
/// browser itself is what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {}", reason.key())]
pub struct NotRedirected {
    /// Stands alone in `#error-code`.
    pub code: ErrorCode,
    pub reason: Cause,
    /// For the developer of the client: what was got, what is registered. The page escapes it.
    pub detail: Option<String>,
}

impl NotRedirected {
    #[must_use]
    pub fn new(reason: Cause) -> Self {
        Self { code: reason.code(), reason, detail: None }
    }

    #[must_use]
    pub fn with_detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }
}

/// What was wrong, in a vocabulary that pages translate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    MissingClientId,
    UnknownClient,
    /// Told to the log only: the page is the one of an unknown client (RFC 6749 §4.1.2.1).
    DisabledClient,
    RepeatedParameter(&'static str),
    MissingRedirectUri,
    UnregisteredRedirectUri,
    MalformedRequest,
    /// The flow is over or was never there.
    ExpiredFlow,
    /// The flow was started by another browser.
    OtherBrowser,
    /// A form of ours came back without what proves that the person sent it.
    ForgedForm,
    InvalidLogoutRequest,
    InvalidIdTokenHint,
    UnregisteredPostLogoutRedirectUri,
}

impl Cause {
    /// One of each, for the test that every key has its words.
    pub const ALL: [Self; 13] = [
        Self::MissingClientId,
        Self::UnknownClient,
        Self::DisabledClient,
        Self::RepeatedParameter("client_id"),
        Self::MissingRedirectUri,
        Self::UnregisteredRedirectUri,
        Self::MalformedRequest,
        Self::ExpiredFlow,
        Self::OtherBrowser,
        Self::ForgedForm,
        Self::InvalidLogoutRequest,
        Self::InvalidIdTokenHint,
        Self::UnregisteredPostLogoutRedirectUri,
    ];

    /// The end of the message's name in the language files.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::MissingClientId => "missing-client-id",
            Self::UnknownClient | Self::DisabledClient => "unknown-client",
            Self::RepeatedParameter(_) => "repeated-parameter",
            Self::MissingRedirectUri => "missing-redirect-uri",
            Self::UnregisteredRedirectUri => "unregistered-redirect-uri",
            Self::MalformedRequest => "malformed-request",
            Self::ExpiredFlow => "expired-flow",
            Self::OtherBrowser => "other-browser",
            Self::ForgedForm => "forged-form",
            Self::InvalidLogoutRequest => "invalid-logout-request",
            Self::InvalidIdTokenHint => "invalid-id-token-hint",
            Self::UnregisteredPostLogoutRedirectUri => "unregistered-post-logout-redirect-uri",
        }
    }

    /// The parameter that repeats, where that is the reason.
    #[must_use]
    pub const fn parameter(&self) -> Option<&'static str> {
        match self {
            Self::RepeatedParameter(name) => Some(name),
            _ => None,
        }
    }

    const fn code(self) -> ErrorCode {
        match self {
            Self::UnknownClient | Self::DisabledClient => ErrorCode::InvalidClient,
            Self::ForgedForm | Self::OtherBrowser => ErrorCode::AccessDenied,
            _ => ErrorCode::InvalidRequest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_5_2_statuses() {
        for code in ErrorCode::ALL {
            let expected = match code.as_str() {
                "invalid_client" | "invalid_token" => 401,
                "insufficient_scope" => 403,
                "server_error" => 500,
                "temporarily_unavailable" => 503,
                _ => 400,
            };
            assert_eq!(code.status(), expected, "{code}");
        }
    }

    #[test]
    fn rfc6749_4_1_2_1_codes_are_spelt_as_registered_and_once() {
        let mut names: Vec<_> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
        assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorCode::ALL.len());
    }

    #[test]
    fn rfc6749_5_2_description_holds_no_quote_no_backslash_no_control_and_ascii_only() {
        let error = OAuthError::invalid_request("a \"quoted\" \\ back\r\nSet-Cookie: x é".to_owned());
        assert_eq!(error.description, "a ?quoted? ? back??Set-Cookie: x ?");
        assert!(matches!(OAuthError::invalid_grant("plain").description, Cow::Borrowed("plain")));
    }

    #[test]
    fn ru_16_a_disabled_client_looks_like_an_unknown_one() {
        let (unknown, disabled) = (NotRedirected::new(Cause::UnknownClient), NotRedirected::new(Cause::DisabledClient));
        assert_eq!((unknown.code, unknown.reason.key()), (disabled.code, disabled.reason.key()));
    }

    #[test]
    fn every_reason_has_a_key_in_kebab_case() {
        for reason in Cause::ALL {
            assert!(reason.key().bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{reason:?}");
        }
        assert_eq!(Cause::RepeatedParameter("redirect_uri").parameter(), Some("redirect_uri"));
    }
}
