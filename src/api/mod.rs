//! JSON under `/v1`: accounts, administration, one-time tokens.
//!
//! A resource is a file: its handlers, and above each the lines that put it into the OpenAPI document. A handler says by its first argument who
//! may call it ([`access::Granted`]), lets `accounts`, `clients`, `once` or `storage` do the work, and answers with JSON or a [`problem::Problem`].
//!
//! | what | file |
//! |---|---|
//! | token, limit, language, audit of refusals: around everything | [`edge`] |
//! | who may do what | [`access`] |
//! | errors | [`problem`] |
//! | bodies, patches, queries, and the schemas they are held to | [`body`], [`schema`] |
//! | pages, versions, repeated requests | [`page`], [`version`], [`idempotency`] |
//! | the document | [`document`] |

pub mod access;
pub mod activity;
pub mod audit;
pub mod body;
pub mod clients;
pub mod document;
pub mod edge;
pub mod idempotency;
pub mod me;
pub mod one_time_tokens;
pub mod organizations;
pub mod page;
pub mod problem;
pub mod registration;
pub mod schema;
pub mod users;
pub mod version;

use std::sync::Arc;
use std::time::Duration;

use axum::http::header::LOCATION;
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware;
use utoipa_axum::router::OpenApiRouter;

use self::problem::{At, Code, Problem, Why, Wrong};
use crate::accounts::desk::Asking;
use crate::accounts::users::AccountError;
use crate::app::App;
use crate::clock::Time;
use crate::i18n::Lang;
use crate::storage::durable::Act;

/// Every operation, without what lies around them: for the document.
#[must_use]
pub fn operations() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(document::frame())
        .merge(registration::routes())
        .merge(me::routes())
        .merge(activity::routes())
        .merge(users::routes())
        .merge(clients::routes())
        .merge(organizations::routes())
        .merge(one_time_tokens::routes())
        .merge(audit::routes())
}

/// Every operation, ready to be served.
#[must_use]
pub fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    operations().layer(middleware::from_fn_with_state(Arc::clone(app), edge::around))
}

/// How long to wait where somebody whom we ask did not answer.
const MOMENT: Duration = Duration::from_secs(2);

/// Who asks, for an operation on an account.
fn asking<'a>(lang: Lang, now: Time, by: &'a Act) -> Asking<'a> {
    Asking { lang, device: None, now, by }
}

/// A moment as the API writes it (RFC 3339).
fn moment(at: Time) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// Where something that was made is now.
fn located(headers: &mut HeaderMap, address: &str) {
    headers.extend(HeaderValue::from_str(address).ok().map(|address| (LOCATION, address)));
}

/// What an account refused, as the API tells it.
impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        let member = error.member();
        let wrong = |code: &'static str, error: &AccountError| {
            let pointer = format!("/{}", member.clone().unwrap_or_default().trim_start_matches('/'));
            Self::from(Wrong { at: At::Pointer(pointer), code, why: Why::Said(error.to_string()) })
        };
        match error {
            AccountError::Name(_) | AccountError::Claim(_) | AccountError::Attributes(_) | AccountError::Invalid(..) => {
                wrong("invalid", &error)
            }
            AccountError::Member { .. } => wrong("not_yours", &error),
            AccountError::Password(_) => wrong("bad_password", &error),
            AccountError::Captcha => wrong("bad_captcha", &error),
            AccountError::CaptchaFault => Self::later(Code::Unavailable, MOMENT),
            AccountError::Taken(member) => Self::taken(member),
            AccountError::Unknown => Code::NotFound.into(),
            AccountError::WrongPassword => Code::WrongPassword.into(),
            // A quarter of an hour is the shortest lock there is.
            AccountError::Locked { .. } => Self::later(Code::TooManyRequests, Duration::from_secs(15 * 60)),
            AccountError::Throttled { retry_after } => Self::later(Code::TooManyRequests, retry_after),
            AccountError::Closed => Code::SignUpClosed.into(),
            AccountError::Link(_) | AccountError::Code(_) => Code::LinkInvalid.into(),
            AccountError::Stale => Code::PreconditionFailed.into(),
            AccountError::NotRecent => Code::SignInAgain.into(),
            AccountError::PasswordNeeded => Code::PasswordRequired.into(),
            AccountError::LastOwner => Code::LastOwner.into(),
            AccountError::Busy(busy) => Self::later(Code::Unavailable, busy.retry_after),
            AccountError::Storage(fault) => fault.into(),
        }
    }
}

/// The same, with the end of a lock told exactly.
fn refused(error: AccountError, now: Time) -> Problem {
    match error {
        AccountError::Locked { until } => Problem::later(Code::TooManyRequests, (until - now).to_std().unwrap_or_default()),
        error => error.into(),
    }
}
