//! The protocol over HTTP: one file per endpoint.
//!
//! An endpoint reads the request once, asks `protocol` what is right, lets `storage`, `tokens` and `accounts` do it, and writes
//! the answer. It owns no rule and no page: pages are `browser`'s and `web`'s. Endpoints never call each other.

pub mod authorize;
pub mod client_auth;
pub mod described;
pub mod discovery;
pub mod end_session;
pub mod introspect;
pub mod jwks;
pub mod revoke;
pub mod token;
pub mod userinfo;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use tracing::Instrument as _;

use crate::app::App;
use crate::browser::form::{self, Unreadable};
use crate::browser::visit::Visit;
use crate::clock::Time;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::params::Params;
use crate::request::RequestContext;
use crate::storage::StorageError;
use crate::storage::durable::{Act, Actor, Refusal};
use crate::tokens::grant::{GrantError, RETRY_AFTER};
use crate::tokens::issue::MintError;

/// Everything that can keep an endpoint from answering as asked. A fault is never a denial: the same request may be right in a moment, and what a
/// client throws away after a refusal would be gone.
#[derive(Debug)]
pub enum Failure {
    /// The client's to mend.
    OAuth(OAuthError),
    /// A store or a key of ours did not answer: 503, and nothing was consumed.
    Fault(String),
    /// Something of ours is wrong, and waiting will not mend it: 500.
    Broken(String),
    /// No room to hash a password right now: 503.
    Busy(Duration),
    /// A limit: 429.
    TooMany(Duration),
    /// The body is larger than [`form::LARGEST`]: 413.
    TooLarge,
    /// The body did not come in time: 408.
    Late,
}

impl From<OAuthError> for Failure {
    fn from(error: OAuthError) -> Self {
        Self::OAuth(error)
    }
}

impl From<StorageError> for Failure {
    fn from(fault: StorageError) -> Self {
        match fault {
            StorageError::Unavailable(_) => Self::Fault(fault.to_string()),
            StorageError::Conflict(_) | StorageError::LastOwner | StorageError::Corrupt(_) => Self::Broken(fault.to_string()),
        }
    }
}

impl From<MintError> for Failure {
    fn from(fault: MintError) -> Self {
        Self::Fault(fault.to_string())
    }
}

impl From<GrantError> for Failure {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::Refused(refusal) => Self::OAuth(refusal),
            GrantError::Fault(fault) => fault.into(),
        }
    }
}

impl Failure {
    /// Nothing was judged: the same request may be right in a moment.
    fn is_ours(&self) -> bool {
        matches!(self, Self::Fault(_) | Self::Broken(_) | Self::Busy(_))
    }

    /// The OAuth code this failure is counted under.
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::OAuth(error) => error.code,
            Self::Fault(_) | Self::Busy(_) => ErrorCode::TemporarilyUnavailable,
            Self::Broken(_) => ErrorCode::ServerError,
            Self::TooMany(_) | Self::TooLarge | Self::Late => ErrorCode::InvalidRequest,
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::OAuth(error) => {
                tracing::info!(event = "refused", error = error.code.as_str(), detail = %error.description);
                oauth_error(&error)
            }
            Self::Fault(detail) => {
                tracing::error!(event = "fault", detail = %detail, "a request failed through no fault of its client");
                retry_later(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::TemporarilyUnavailable, "Try again in a moment", RETRY_AFTER)
            }
            Self::Broken(detail) => {
                tracing::error!(event = "broken", detail = %detail, "a request failed through a fault of ours that waiting will not mend");
                with_status(StatusCode::INTERNAL_SERVER_ERROR, &OAuthError::server_error("The server failed; see its log"))
            }
            Self::Busy(after) => {
                retry_later(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::TemporarilyUnavailable, "Too busy; try again in a moment", after)
            }
            Self::TooMany(after) => {
                retry_later(StatusCode::TOO_MANY_REQUESTS, ErrorCode::InvalidRequest, "Too many attempts; see Retry-After", after)
            }
            Self::TooLarge => {
                let error = OAuthError::invalid_request("The request body is too large");
                with_status(StatusCode::PAYLOAD_TOO_LARGE, &error)
            }
            Self::Late => with_status(StatusCode::REQUEST_TIMEOUT, &OAuthError::invalid_request("The request body did not come in time")),
        }
    }
}

fn with_status(status: StatusCode, error: &OAuthError) -> Response {
    json_response(status, &json!({ "error": error.code.as_str(), "error_description": error.description }))
}

pub fn retry_later(status: StatusCode, code: ErrorCode, description: &'static str, after: Duration) -> Response {
    let mut response = with_status(status, &OAuthError::new(code, description));
    let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)));
    response
}

/// An error of RFC 6749 §5.2 with its status, and the challenge that a 401 needs.
fn oauth_error(error: &OAuthError) -> Response {
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::BAD_REQUEST);
    let mut response = with_status(status, error);
    if error.code == ErrorCode::InvalidClient {
        // RFC 6749 §5.2: "If the client attempted to authenticate via the "Authorization" request header field, the authorization
        // server MUST respond with an HTTP 401 (Unauthorized) status code and include the "WWW-Authenticate" response header
        // field matching the authentication scheme used by the client."
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(r#"Basic realm="portero", charset="UTF-8""#));
    }
    response
}

/// JSON that no cache may keep.
pub fn json_response(status: StatusCode, body: &impl Serialize) -> Response {
    json_bytes(status, serde_json::to_vec(body).unwrap_or_default())
}

/// The same for JSON that is there already.
pub fn json_bytes(status: StatusCode, bytes: Vec<u8>) -> Response {
    let mut response = (status, bytes).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // RFC 6749 §5.1: "The authorization server MUST include the HTTP "Cache-Control" response header field [RFC2616] with a value of
    // "no-store" in any response containing tokens, credentials, or other sensitive information, as well as the "Pragma" response
    // header field [RFC2616] with a value of "no-cache"."
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// Reads a form body whole, up to [`form::LARGEST`].
async fn form_body(headers: &HeaderMap, body: Body) -> Result<Params, Failure> {
    parse_form(&form_text(headers, body).await?)
}

/// The same, still encoded.
async fn form_text(headers: &HeaderMap, body: Body) -> Result<String, Failure> {
    // RFC 6749 §4.1.3 and on: "using the "application/x-www-form-urlencoded" format"
    form::text(headers, body).await.map_err(|unreadable| match unreadable {
        Unreadable::TooLarge => Failure::TooLarge,
        Unreadable::Late => Failure::Late,
        why => OAuthError::invalid_request(why.to_string()).into(),
    })
}

fn parse_form(text: &str) -> Result<Params, Failure> {
    Ok(Params::parse(text).map_err(|_| OAuthError::invalid_request("The body is not a well-formed form"))?)
}

/// The parameters of a browser's request, still encoded: a form's by POST, else the query's, which `layers` keeps far below [`form::LARGEST`].
async fn browser_text(visit: &Visit, body: Body) -> Result<String, Unreadable> {
    if visit.method == Method::POST { form::text(&visit.headers, body).await } else { Ok(visit.uri.query().unwrap_or("").to_owned()) }
}

/// A browser that asks ahead gets nothing: a code, a flow that was spent, or a sign-out would be for nobody. It asks again when the person comes.
fn not_ahead() -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "0"), (header::CACHE_CONTROL, "no-store")]).into_response()
}

/// Writes a refusal into the audit trail beside the request: its answer does not wait for it, and a fault of it is no fault of the request.
pub fn audit_refusal(app: &App, refusal: Refusal, by: Act, now: Time) {
    let audit = Arc::clone(&app.storage.audit);
    let write = async move {
        if let Err(fault) = audit.refuse(&refusal, now, &by).await {
            tracing::warn!(event = "audit_fault", detail = %fault);
        }
    };
    tokio::spawn(write.instrument(tracing::Span::current()));
}

/// The circumstances of a step, for its audit row.
pub fn act(context: &RequestContext, actor: Actor, client_id: Option<&str>) -> Act {
    Act { actor, client_id: client_id.map(str::to_owned), address: context.address, request_id: context.id.to_string() }
}
