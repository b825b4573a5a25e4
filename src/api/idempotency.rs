//! `Idempotency-Key` on requests that create something (draft-ietf-httpapi-idempotency-key-header): the same request again gets the same answer.
//!
//! The answer is kept for a day in the short-lived store, sealed, under a key of caller, operation and the client's own word; with the store it is
//! lost, and then the same request creates again. Only answers of success are kept: what was refused may be mended under the same key.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Extension, Request};
use axum::http::header::{CONTENT_TYPE, ETAG, LOCATION};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tracing::Instrument as _;

use super::access::Presented;
use super::body::{MAX_BODY, one_header};
use super::problem::{Code, Problem, Wrong};
use crate::app::App;
use crate::clock::Time;
use crate::seal::{Digest, sha256};
use crate::storage::records::{Answered, Repeatable};

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const SHOWN: &str = "Idempotency-Key";
/// A request that has not been answered by then never will be: whoever asks next may do it.
const ABANDONED: Duration = Duration::from_secs(60);
const MAX_KEY: usize = 255;
const KEPT: [HeaderName; 3] = [CONTENT_TYPE, LOCATION, ETAG];

/// The header, for the document.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IdempotencyKey {
    /// A word of the client's own, such as a UUID. The same request under the same key within a day is done once, and answered the same.
    #[param(rename = "Idempotency-Key", nullable = false, min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    pub idempotency_key: Option<String>,
}

/// The middleware, around the operations that create something.
pub async fn once(Extension(app): Extension<Arc<App>>, request: Request, next: Next) -> Response {
    if request.method() != Method::POST {
        return next.run(request).await;
    }
    once_only(&app, request, next).await.unwrap_or_else(Problem::into_response)
}

async fn once_only(app: &Arc<App>, request: Request, next: Next) -> Result<Response, Problem> {
    let Some(key) = one_header(request.headers(), &HEADER, SHOWN)?.map(str::to_owned) else { return Ok(next.run(request).await) };
    // Who may not do it at all hears so from the operation.
    let Some(Presented::Good(caller)) = request.extensions().get::<Presented>().cloned() else { return Ok(next.run(request).await) };
    if !(1..=MAX_KEY).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Wrong::header(SHOWN, "malformed", "problem-field-malformed").into());
    }
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, MAX_BODY).await.map_err(|_| Problem::from(Code::TooLarge))?;
    let id = format!("{}\n{} {}\n{key}", caller.name(), parts.method, parts.uri.path());
    let mine = Repeatable { fingerprint: fingerprint(&bytes), started_at: app.clock.now(), answer: Answered::NotYet };
    if let Some(answer) = claim(app, &id, &mine).await? {
        return Ok(answer);
    }
    // On a task of its own: a client that goes away does not leave something made and no answer kept.
    let (app, request) = (Arc::clone(app), Request::from_parts(parts, Body::from(bytes)));
    let work = async move {
        let response = next.run(request).await;
        keep(&app, &id, mine, response).await
    };
    let done = tokio::spawn(work.instrument(tracing::Span::current())).await;
    done.unwrap_or_else(|error| {
        tracing::error!(event = "broken", detail = %error, "an operation did not come to its end");
        Err(Code::Broken.into())
    })
}

fn fingerprint(bytes: &Bytes) -> String {
    Digest(sha256(bytes)).hex()
}

/// Takes the key for this request; some: somebody had it before, and this is the answer.
async fn claim(app: &App, id: &str, mine: &Repeatable) -> Result<Option<Response>, Problem> {
    let records = &app.storage.ephemeral;
    if records.put_new(id, mine, app.random.bytes()).await? {
        return Ok(None);
    }
    let Some(before) = records.get::<Repeatable>(id).await? else { return Err(in_flight()) };
    if !is_free(&before, mine.started_at) {
        // "If there is an attempt to reuse an idempotency key with a different request payload, the resource server SHOULD reply with an
        // HTTP 422 status code"; "If the request is retried, while the original request is still being processed, … 409".
        return match before.answer {
            _ if before.fingerprint != mine.fingerprint => Err(Code::KeyReused.into()),
            Answered::With { status, headers, body } => Ok(Some(again(status, &headers, body))),
            Answered::NotYet | Answered::Refused => Err(in_flight()),
        };
    }
    let found = records.exchange(id, mine, app.random.bytes()).await?;
    if found.as_ref() == Some(&before) {
        return Ok(None);
    }
    // Somebody else was faster, and theirs goes back.
    if let Some(theirs) = found {
        records.put(id, &theirs, app.random.bytes()).await?;
    }
    Err(in_flight())
}

fn is_free(before: &Repeatable, now: Time) -> bool {
    match before.answer {
        Answered::Refused => true,
        Answered::NotYet => now >= before.started_at + ABANDONED,
        Answered::With { .. } => false,
    }
}

fn in_flight() -> Problem {
    Problem::later(Code::InFlight, Duration::from_secs(1))
}

fn again(status: u16, headers: &[(String, String)], body: String) -> Response {
    let mut response = (StatusCode::from_u16(status).unwrap_or(StatusCode::OK), body).into_response();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// Keeps an answer of success; lets the key go after any other.
async fn keep(app: &App, id: &str, mine: Repeatable, response: Response) -> Result<Response, Problem> {
    let records = &app.storage.ephemeral;
    if !response.status().is_success() {
        let free = Repeatable { answer: Answered::Refused, ..mine };
        if let Err(fault) = records.put(id, &free, app.random.bytes()).await {
            tracing::warn!(%fault, "a refused request keeps its idempotency key for a while");
        }
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let bytes = axum::body::to_bytes(body, usize::MAX).await.map_err(|_| Problem::from(Code::Broken))?;
    let shown = |name: &HeaderName| Some((name.to_string(), parts.headers.get(name)?.to_str().ok()?.to_owned()));
    let answer = Answered::With {
        status: parts.status.as_u16(),
        headers: KEPT.iter().filter_map(shown).collect(),
        body: String::from_utf8_lossy(&bytes).into_owned(),
    };
    // It is done, whatever the store says now.
    if let Err(fault) = records.put(id, &Repeatable { answer, ..mine }, app.random.bytes()).await {
        tracing::warn!(%fault, "an answer could not be kept for a request that comes again");
    }
    Ok(Response::from_parts(parts, Body::from(bytes)))
}
