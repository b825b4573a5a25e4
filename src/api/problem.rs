//! Errors of the JSON API (RFC 9457): a stable code with its status, words in the caller's language, what is wrong with each member.
//!
//! A handler answers with a [`Problem`]; `edge` writes it, because it alone knows the language and the id of the request. [`Code`] is the whole
//! vocabulary, and the page `/docs/errors`, where `type` leads, is made from it.

use std::time::Duration;

use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::i18n::{Lang, text};
use crate::storage::StorageError;
use crate::urls::{self, Urls};

/// RFC 9457 §3.
pub const MEDIA_TYPE: &str = "application/problem+json";
/// How long to wait where a store did not answer.
const MOMENT: Duration = Duration::from_secs(2);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident $status:literal $code:literal $title:literal $detail:literal;)*) => {
        /// Every error of the API. The name that programs see never changes; the words may.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code { $($(#[$doc])* $name),* }

        impl Code {
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$name => $status),* }
            }

            /// The name of its title in the texts.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }

            /// The name of its explanation in the texts.
            #[must_use]
            pub const fn detail(self) -> &'static str {
                match self { $(Self::$name => $detail),* }
            }
        }
    };
}

codes! {
    InvalidJson 400 "invalid_json" "problem-invalid-json" "problem-invalid-json-detail";
    InvalidRequest 400 "invalid_request" "problem-invalid-request" "problem-invalid-request-detail";
    LinkInvalid 400 "link_invalid" "problem-link-invalid" "problem-link-invalid-detail";
    Unauthorized 401 "unauthorized" "problem-unauthorized" "problem-unauthorized-detail";
    InvalidToken 401 "invalid_token" "problem-invalid-token" "problem-invalid-token-detail";
    InsufficientScope 403 "insufficient_scope" "problem-insufficient-scope" "problem-insufficient-scope-detail";
    RoleRequired 403 "role_required" "problem-role-required" "problem-role-required-detail";
    AboveYourRole 403 "above_your_role" "problem-above-your-role" "problem-above-your-role-detail";
    PersonRequired 403 "person_required" "problem-person-required" "problem-person-required-detail";
    WrongPassword 403 "wrong_password" "problem-wrong-password" "problem-wrong-password-detail";
    SignInAgain 403 "sign_in_again" "problem-sign-in-again" "problem-sign-in-again-detail";
    PasswordRequired 403 "password_required" "problem-password-required" "problem-password-required-detail";
    SignUpClosed 403 "sign_up_closed" "problem-sign-up-closed" "problem-sign-up-closed-detail";
    NotFound 404 "not_found" "problem-not-found" "problem-not-found-detail";
    OneTimeTokenInvalid 404 "one_time_token_invalid" "problem-one-time-token-invalid" "problem-one-time-token-invalid-detail";
    MethodNotAllowed 405 "method_not_allowed" "problem-method-not-allowed" "problem-method-not-allowed-detail";
    NotAcceptable 406 "not_acceptable" "problem-not-acceptable" "problem-not-acceptable-detail";
    RequestTimeout 408 "request_timeout" "problem-request-timeout" "problem-request-timeout-detail";
    Taken 409 "taken" "problem-taken" "problem-taken-detail";
    LastOwner 409 "last_owner" "problem-last-owner" "problem-last-owner-detail";
    PublicClient 409 "public_client" "problem-public-client" "problem-public-client-detail";
    InFlight 409 "idempotency_key_in_flight" "problem-in-flight" "problem-in-flight-detail";
    ChangedMeanwhile 409 "changed_meanwhile" "problem-changed-meanwhile" "problem-changed-meanwhile-detail";
    PreconditionFailed 412 "precondition_failed" "problem-precondition-failed" "problem-precondition-failed-detail";
    TooLarge 413 "too_large" "problem-too-large" "problem-too-large-detail";
    UriTooLong 414 "uri_too_long" "problem-uri-too-long" "problem-uri-too-long-detail";
    UnsupportedMediaType 415 "unsupported_media_type" "problem-unsupported-media-type" "problem-unsupported-media-type-detail";
    KeyReused 422 "idempotency_key_reused" "problem-key-reused" "problem-key-reused-detail";
    TooManyRequests 429 "too_many_requests" "problem-too-many-requests" "problem-too-many-requests-detail";
    Broken 500 "server_error" "problem-server-error" "problem-server-error-detail";
    Unavailable 503 "temporarily_unavailable" "problem-unavailable" "problem-unavailable-detail";
}

/// Where in the request something is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum At {
    /// RFC 6901, into the body.
    Pointer(String),
    /// In the query or the path.
    Parameter(String),
    Header(&'static str),
}

/// One thing that is wrong with the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    pub at: At,
    pub code: &'static str,
    pub why: Why,
}

/// Why it is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The name of a text, and its one value, `limit`.
    Text(&'static str, Option<String>),
    /// Said by a rule that has words of its own.
    Said(String),
}

impl Wrong {
    /// A member of the body, by its name.
    #[must_use]
    pub fn member(name: &str, code: &'static str, why: Why) -> Self {
        Self { at: At::Pointer(format!("/{}", name.replace('~', "~0").replace('/', "~1"))), code, why }
    }

    #[must_use]
    pub fn parameter(name: impl Into<String>, code: &'static str, text: &'static str) -> Self {
        Self { at: At::Parameter(name.into()), code, why: Why::Text(text, None) }
    }

    #[must_use]
    pub fn header(name: &'static str, code: &'static str, text: &'static str) -> Self {
        Self { at: At::Header(name), code, why: Why::Text(text, None) }
    }
}

/// A request that was not done, and all that can be said of it.
#[derive(Clone, Debug)]
pub struct Problem {
    pub code: Code,
    pub wrong: Vec<Wrong>,
    pub retry_after: Option<Duration>,
    /// The scope that is missing.
    pub scope: Option<&'static str>,
}

impl From<Code> for Problem {
    fn from(code: Code) -> Self {
        Self { code, wrong: Vec::new(), retry_after: None, scope: None }
    }
}

impl From<Wrong> for Problem {
    fn from(wrong: Wrong) -> Self {
        Self { wrong: vec![wrong], ..Code::InvalidRequest.into() }
    }
}

impl From<Vec<Wrong>> for Problem {
    fn from(wrong: Vec<Wrong>) -> Self {
        Self { wrong, ..Code::InvalidRequest.into() }
    }
}

/// A fault is never a denial: 503, and the same request may come again.
impl From<StorageError> for Problem {
    fn from(fault: StorageError) -> Self {
        match fault {
            StorageError::Unavailable(detail) => {
                tracing::error!(event = "fault", %detail, "a request failed through no fault of its client");
                Self::later(Code::Unavailable, MOMENT)
            }
            StorageError::Conflict(member) => Self::taken(member),
            StorageError::LastOwner => Code::LastOwner.into(),
            StorageError::Corrupt(detail) => {
                tracing::error!(event = "broken", %detail, "a request failed through a fault of ours that waiting will not mend");
                Code::Broken.into()
            }
        }
    }
}

impl Problem {
    #[must_use]
    pub fn later(code: Code, after: Duration) -> Self {
        Self { retry_after: Some(after), ..code.into() }
    }

    /// A value that belongs to somebody else.
    #[must_use]
    pub fn taken(member: &str) -> Self {
        Self { wrong: vec![Wrong::member(member, "taken", Why::Text("problem-field-taken", None))], ..Code::Taken.into() }
    }

    #[must_use]
    pub fn scope(scope: &'static str) -> Self {
        Self { scope: Some(scope), ..Code::InsufficientScope.into() }
    }

    fn challenge(&self) -> Option<HeaderValue> {
        // RFC 6750 §3: "If the protected resource request does not include authentication credentials or does not contain an access token
        // that enables access to the protected resource, the resource server MUST include the HTTP "WWW-Authenticate" response header field"
        let challenge = match self.code {
            // RFC 6750 §3.1: without authentication information "the resource server SHOULD NOT include an error code"
            Code::Unauthorized => r#"Bearer realm="portero""#.to_owned(),
            Code::InvalidToken => r#"Bearer realm="portero", error="invalid_token""#.to_owned(),
            Code::InsufficientScope | Code::RoleRequired | Code::PersonRequired => match self.scope {
                Some(scope) => format!(r#"Bearer realm="portero", error="insufficient_scope", scope="{scope}""#),
                None => r#"Bearer realm="portero", error="insufficient_scope""#.to_owned(),
            },
            _ => return None,
        };
        HeaderValue::from_str(&challenge).ok()
    }

    /// The answer, in a language and with the id of its request.
    #[must_use]
    pub fn write(&self, lang: Lang, request_id: &str, urls: &Urls) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut body = json!({
            "type": format!("{}#{}", urls.absolute(urls::DOCS_ERRORS), self.code.as_str()),
            "title": text(lang, self.code.title(), &[]),
            "status": self.code.status(),
            "detail": text(lang, self.code.detail(), &[]),
            "instance": request_id,
            "code": self.code.as_str(),
        });
        if !self.wrong.is_empty() {
            body["errors"] = self.wrong.iter().map(|wrong| wrong.write(lang)).collect();
        }
        let mut response = (status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(lang.tag()));
        self.decorate(headers);
        response
    }

    fn decorate(&self, headers: &mut HeaderMap) {
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(after) = self.retry_after {
            let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds.max(1)));
        }
        if self.code == Code::UnsupportedMediaType {
            // RFC 9110 §15.5.16: the answer says what would be accepted; RFC 5789 §3.1 for PATCH.
            headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            headers.insert(
                HeaderName::from_static("accept-patch"),
                HeaderValue::from_static("application/merge-patch+json, application/json"),
            );
        }
    }
}

impl Wrong {
    fn write(&self, lang: Lang) -> serde_json::Value {
        let detail = match &self.why {
            Why::Text(key, None) => text(lang, key, &[]),
            Why::Text(key, Some(limit)) => text(lang, key, &[("limit", limit.as_str().into())]),
            Why::Said(words) => words.clone(),
        };
        let (name, place) = match &self.at {
            At::Pointer(pointer) => ("pointer", pointer.as_str()),
            At::Parameter(name) => ("parameter", name.as_str()),
            At::Header(name) => ("header", *name),
        };
        json!({ name: place, "code": self.code, "detail": detail })
    }
}

/// Marks an answer that `edge` has still to write.
#[derive(Clone)]
pub struct Unwritten(pub Problem);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = status.into_response();
        response.extensions_mut().insert(Unwritten(self));
        response
    }
}

/// What the router itself refuses below `/v1`: no such path, no such method there, or one that is too long.
#[must_use]
pub fn unrouted(code: Code, accept_language: Option<&str>, request_id: &str, urls: &Urls) -> Response {
    let mut response = Problem::from(code).write(language(accept_language), request_id, urls);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The language of an answer of the API: no account and no cookie has a say in it.
#[must_use]
pub fn language(accept_language: Option<&str>) -> Lang {
    crate::i18n::Wishes { accept_language, ..Default::default() }.negotiate()
}

/// How an error looks on the wire (RFC 9457 §3.1).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem, title = "Problem")]
pub struct ProblemDocument {
    /// Leads to the explanation of the code.
    #[schema(format = "uri")]
    pub r#type: String,
    /// In words, in the language of the request.
    pub title: String,
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What to do about it, in the language of the request.
    pub detail: String,
    /// The id of the request, as the log of the server has it.
    pub instance: String,
    /// The name of the error for programs. It never changes.
    #[schema(example = "invalid_request")]
    pub code: String,
    /// What is wrong with the request, one by one.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<Vec<ProblemField>>,
}

/// One thing that is wrong with a request: a member of its body, a parameter or a header.
#[derive(Serialize, ToSchema)]
pub struct ProblemField {
    /// JSON pointer (RFC 6901) into the body.
    #[schema(nullable = false, example = "/email")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// The name of a parameter of the query or the path.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// The name of what is wrong, for programs.
    #[schema(example = "too_long")]
    pub code: String,
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_name_of_its_own_and_words_in_both_languages() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            for lang in Lang::ALL {
                assert_ne!(text(lang, code.title(), &[]), text(lang, code.detail(), &[]), "{code:?}");
            }
        }
    }

    #[test]
    fn a_pointer_is_escaped() {
        // RFC 6901 §3: "the characters '~' (%x7E) and '/' (%x2F) … need to be encoded"
        let wrong = Wrong::member("a/b~c", "unknown_member", Why::Text("problem-field-unknown", None));
        assert_eq!(wrong.at, At::Pointer("/a~1b~0c".to_owned()));
    }
}
