//! `Idempotency-Key` on requests that create something (draft-ietf-httpapi-idempotency-key-header): the same request again gets the same answer.
//!
//! The answer is kept for a day in the short-lived store, sealed, under a key of caller, operation and the client's own word; with the store it is
//! lost, and then the same request creates again. Only answers of success are kept: what was refused may be mended under the same key.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_TYPE, ETAG, LOCATION};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

use super::access::presented;
use super::body::{JSON, bytes_of, one_header, read_as};
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

/// The body of an operation that creates something, and the attempt that it is.
pub struct Keyed<T>(pub T, pub Attempt);

/// The same of an operation that asks for no token. Nobody tells such callers apart: what comes again is the same request only with the same body, and two
/// who chose the same key know nothing of one another.
pub struct KeyedByAnybody<T>(pub T, pub Attempt);

/// One request of perhaps several that are the same.
pub struct Attempt {
    /// Of its caller (the person and the app that asks for them), operation and key; none without a key.
    id: Option<String>,
    fingerprint: String,
}

impl<T: DeserializeOwned + ToSchema, S: Sync> FromRequest<S> for Keyed<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let named = named(&request)?;
        let caller = presented(request.extensions()).caller()?;
        let id = named.map(|named| format!("{} {}\n{named}", caller.name(), caller.claims.client_id));
        let bytes = bytes_of(request, &[JSON]).await?;
        Ok(Self(read_as(&bytes)?, Attempt { id, fingerprint: fingerprint(&bytes) }))
    }
}

impl<T: DeserializeOwned + ToSchema, S: Sync> FromRequest<S> for KeyedByAnybody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let named = named(&request)?;
        let bytes = bytes_of(request, &[JSON]).await?;
        let fingerprint = fingerprint(&bytes);
        let id = named.map(|named| format!("anybody {fingerprint}\n{named}"));
        Ok(Self(read_as(&bytes)?, Attempt { id, fingerprint }))
    }
}

/// Operation and key of a request that has one.
fn named(request: &Request) -> Result<Option<String>, Problem> {
    let key = one_header(request.headers(), &HEADER, SHOWN)?;
    if key.is_some_and(|key| !(1..=MAX_KEY).contains(&key.len()) || !key.bytes().all(|byte| byte.is_ascii_graphic())) {
        return Err(Wrong::header(SHOWN, "malformed", "problem-field-malformed").into());
    }
    Ok(key.map(|key| format!("{} {}\n{key}", request.method(), request.uri().path())))
}

impl Attempt {
    /// Does `work`, or gives the answer of whoever did it under this key before. An operation calls it when it has asked everything that it asks of
    /// its caller: an answer that was kept may hold a secret, and is for somebody who may still do what it answers.
    ///
    /// # Errors
    /// Those of `work`, 409 and 422 (draft-ietf-httpapi-idempotency-key-header §2.7), a fault of the store.
    pub async fn once<W>(self, app: &Arc<App>, work: W) -> Result<Response, Problem>
    where
        W: Future<Output = Result<Response, Problem>>,
    {
        let Some(id) = self.id else { return work.await };
        let mine = Repeatable { fingerprint: self.fingerprint, started_at: app.clock.now(), answer: Answered::NotYet };
        if let Some(answer) = claim(app, &id, &mine).await? {
            return Ok(answer);
        }
        keep(app, &id, mine, work.await).await
    }
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
async fn keep(app: &App, id: &str, mine: Repeatable, done: Result<Response, Problem>) -> Result<Response, Problem> {
    let records = &app.storage.ephemeral;
    let response = match done {
        Ok(response) if response.status().is_success() => response,
        refused => {
            let free = Repeatable { answer: Answered::Refused, ..mine };
            // A key that is free is as good as one that nobody used: it need not be kept.
            if let Err(fault) = records.put_for(id, &free, ABANDONED, app.random.bytes()).await {
                tracing::warn!(%fault, "a refused request keeps its idempotency key for a while");
            }
            return refused;
        }
    };
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
