//! `/v1/clients`: apps and machines, with the member names of RFC 7591.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{ClientsRead, ClientsWrite, Granted};
use super::body::{Patch, Place, Query};
use super::idempotency::{IdempotencyKey, Keyed};
use super::page::{self, Asked};
use super::problem::{Code, Problem, Why, Wrong};
use super::version::{Conditions, IfMatch, IfNoneMatch, tag_of, tagged_as};
use crate::app::App;
use crate::clients::{self, By, ClientError, Fresh, Judge, May, Secret};
use crate::clock::Time;
use crate::keys::KeyError;
use crate::protocol::client::Client;
use crate::protocol::client_metadata::ClientMetadata;
use crate::storage::durable::{Act, Allowance, ClientRecord};

const KIND: &str = "clients";
const PATH: &str = "/v1/clients";
/// A deployment has changed over by then.
const LONGEST_OVERLAP: u64 = 90 * 24 * 3600;

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, change, delete))
        .routes(routes!(rotate_secret))
        .routes(routes!(disable))
        .routes(routes!(enable))
}

/// A client as RFC 7591 §3.2.1 tells it, and what the server adds.
#[derive(Serialize, ToSchema)]
#[schema(as = Client)]
pub struct ClientView {
    #[serde(flatten)]
    client: Client,
    /// Only in the answer to the request that made it.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// 0: it does not expire.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<i64>,
    /// Seconds since 1970.
    client_id_issued_at: i64,
    /// Nothing of a disabled client works.
    disabled: bool,
    /// Made by a development server.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    demo: bool,
    #[schema(format = DateTime)]
    updated_at: String,
    /// How many secrets are good now.
    secrets: usize,
}

impl ClientView {
    fn of(record: &ClientRecord, secret: Option<&Secret>, now: Time) -> Self {
        Self {
            client: (*record.client).clone(),
            client_secret: secret.map(|secret| secret.reveal().to_owned()),
            // RFC 7591 §3.2.1: "REQUIRED if "client_secret" is issued."
            client_secret_expires_at: secret.map(|_| 0),
            client_id_issued_at: record.created_at.timestamp(),
            disabled: record.disabled_at.is_some(),
            demo: record.demo,
            updated_at: super::moment(record.updated_at),
            secrets: record.secrets.iter().filter(|secret| clients::is_live(secret, now)).count(),
        }
    }
}

/// A client with its secret, where this answer tells one; tagged as it is shown from then on.
fn answer(status: StatusCode, record: &ClientRecord, secret: Option<&Secret>, now: Time) -> Response {
    tagged_as(status, &tag_of(record.revision, &ClientView::of(record, None, now)), &ClientView::of(record, secret, now))
}

#[derive(Serialize, ToSchema)]
pub struct ClientPage {
    items: Vec<ClientView>,
    /// The cursor of the next page, where there is one.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ClientQuery {
    /// So many at most.
    #[param(minimum = 1, maximum = 200, nullable = false)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 400, nullable = false)]
    cursor: Option<String>,
}

/// List clients, by id.
#[utoipa::path(get, path = "/v1/clients", tag = "clients", operation_id = "listClients", params(ClientQuery),
    responses((status = 200, description = "A page of them.", body = ClientPage)), security(("oauth" = ["clients:read"])))]
async fn list(
    caller: Granted<ClientsRead>,
    State(app): State<Arc<App>>,
    RawQuery(raw): RawQuery,
    Query(query): Query<ClientQuery>,
) -> Result<Response, Problem> {
    let asked = Asked::read(KIND, query.limit, query.cursor.as_deref())?;
    let found = app.storage.clients.list(asked.after.as_deref(), asked.probe()).await?;
    app.storage.audit.looked("clients.list", None, app.clock.now(), &caller.act()).await?;
    let (found, next) = asked.cut(found, KIND, |record| record.client.client_id.clone());
    let now = app.clock.now();
    let page = ClientPage { items: found.iter().map(|record| ClientView::of(record, None, now)).collect(), next: next.clone() };
    Ok(page::answer(&app.urls, PATH, raw.as_deref(), &page, next.as_deref()))
}

/// Register a client. Its secret, if it has one, is in the answer and nowhere else.
#[utoipa::path(post, path = "/v1/clients", tag = "clients", operation_id = "createClient", params(IdempotencyKey), request_body = ClientMetadata,
    responses((status = 201, description = "It is registered.", body = ClientView,
        headers(("Location" = String, description = "Where it is."), ("ETag" = String, description = "Its version.")))),
    security(("oauth" = ["clients:write"])))]
async fn create(
    caller: Granted<ClientsWrite>,
    State(app): State<Arc<App>>,
    Keyed(metadata, attempt): Keyed<ClientMetadata>,
) -> Result<Response, Problem> {
    caller.over_client(metadata.first_party == Some(true), metadata.scope.as_deref().unwrap_or_default(), &[])?;
    attempt.once(&Arc::clone(&app), async move { register(&app, &caller, metadata).await }).await
}

async fn register(app: &App, caller: &Granted<ClientsWrite>, metadata: ClientMetadata) -> Result<Response, Problem> {
    let (now, by) = (app.clock.now(), caller.act());
    let fresh = Fresh { id: app.random.bytes(), secret: app.random.bytes() };
    let made = clients::create(&*app.storage.clients, &app.seal, None, metadata, fresh, now, &by).await?;
    app.ensure_keys(&made.record.client, &by).await.map_err(no_key)?;
    let mut response = answer(StatusCode::CREATED, &made.record, made.secret.as_ref(), now);
    super::located(response.headers_mut(), &app.urls.absolute(&format!("{PATH}/{}", made.record.client.client_id)));
    Ok(response)
}

/// Show a client.
#[utoipa::path(get, path = "/v1/clients/{client_id}", tag = "clients", operation_id = "getClient",
    params(("client_id" = String, Path, description = "Its id."), IfNoneMatch),
    responses((status = 200, description = "It.", body = ClientView, headers(("ETag" = String, description = "Its version.")))),
    security(("oauth" = ["clients:read"])))]
async fn show(
    caller: Granted<ClientsRead>,
    State(app): State<Arc<App>>,
    Place(place): Place<1>,
    conditions: Conditions,
) -> Result<Response, Problem> {
    let [id] = place;
    let record = app.storage.clients.find(&id).await?.ok_or(Code::NotFound)?;
    app.storage.audit.looked("client.show", Some(format!("client:{id}")), app.clock.now(), &caller.act()).await?;
    Ok(conditions.answer(record.revision, &ClientView::of(&record, None, app.clock.now())))
}

/// Change a client by a merge patch. A client that stops being public gets its first secret in the answer.
#[utoipa::path(patch, path = "/v1/clients/{client_id}", tag = "clients", operation_id = "updateClient",
    params(("client_id" = String, Path, description = "Its id."), IfMatch),
    request_body(content((ClientMetadata = "application/merge-patch+json"), (ClientMetadata = "application/json"))),
    responses((status = 200, description = "It is changed.", body = ClientView, headers(("ETag" = String, description = "Its new version.")))),
    security(("oauth" = ["clients:write"])))]
async fn change(
    caller: Granted<ClientsWrite>,
    State(app): State<Arc<App>>,
    Place(place): Place<1>,
    conditions: Conditions,
    patch: Patch<ClientMetadata>,
) -> Result<Response, Problem> {
    let [id] = place;
    let current = app.storage.clients.find(&id).await?.ok_or(Code::NotFound)?;
    let (now, by) = (app.clock.now(), caller.act());
    let expected = conditions.expected(current.revision, &ClientView::of(&current, None, now))?;
    let patch = clients::Patch { client_id: &id, given: &patch.given, expected, fresh_secret: app.random.bytes() };
    let mine = mine(&caller);
    let done = clients::patch(&*app.storage.clients, &app.seal, &patch, now, &by_caller(&caller, &by, &mine)).await;
    let done = done.map_err(|problem: Problem| match (problem.code, expected) {
        (Code::ChangedMeanwhile, Some(_)) => Code::PreconditionFailed.into(),
        _ => problem,
    })?;
    app.ensure_keys(&done.record.client, &by).await.map_err(no_key)?;
    Ok(answer(StatusCode::OK, &done.record, done.secret.as_ref(), now))
}

/// Delete a client. Its consents go with it, and its tokens stop working.
#[utoipa::path(delete, path = "/v1/clients/{client_id}", tag = "clients", operation_id = "deleteClient",
    params(("client_id" = String, Path, description = "Its id.")),
    responses((status = 204, description = "It is gone.")), security(("oauth" = ["clients:write"])))]
async fn delete(caller: Granted<ClientsWrite>, State(app): State<Arc<App>>, Place(place): Place<1>) -> Result<Response, Problem> {
    let [id] = place;
    let (by, may) = (caller.act(), mine_by_scopes(&caller));
    clients::delete(&*app.storage.clients, &id, app.clock.now(), by_caller(&caller, &by, &may)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// For how long the newest of the old secrets goes on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretRotation {
    /// Seconds. Without it only the new secret counts, at once.
    #[schema(minimum = 0, maximum = 7776000)]
    #[serde(default)]
    overlap: Option<u64>,
}

/// Give a client a new secret. It is in the answer and nowhere else.
#[utoipa::path(post, path = "/v1/clients/{client_id}/rotate-secret", tag = "clients", operation_id = "rotateClientSecret",
    params(("client_id" = String, Path, description = "Its id."), IdempotencyKey), request_body = SecretRotation,
    responses((status = 200, description = "It has a new secret.", body = ClientView)),
    security(("oauth" = ["clients:write"])))]
async fn rotate_secret(
    caller: Granted<ClientsWrite>,
    State(app): State<Arc<App>>,
    Place(place): Place<1>,
    Keyed(rotation, attempt): Keyed<SecretRotation>,
) -> Result<Response, Problem> {
    let [id] = place;
    // Before an answer is told that was given before; and once more in the step.
    let record = app.storage.clients.find(&id).await?.ok_or(Code::NotFound)?;
    mine(&caller)(&record.client, &app.storage.clients.allowances(&id, person_of(&caller)).await?)?;
    let kept = Arc::clone(&app);
    let overlap = rotation.overlap.map(|seconds| Duration::from_secs(seconds.min(LONGEST_OVERLAP)));
    let work = async move {
        let (now, act, mine) = (app.clock.now(), caller.act(), mine(&caller));
        let by = by_caller(&caller, &act, &mine);
        let done = clients::rotate_secret(&*app.storage.clients, &app.seal, &id, overlap, app.random.bytes(), now, by).await?;
        Ok(answer(StatusCode::OK, &done.record, done.secret.as_ref(), now))
    };
    attempt.once(&kept, work).await
}

/// Disable a client: nothing of it works until it is enabled.
#[utoipa::path(post, path = "/v1/clients/{client_id}/disable", tag = "clients", operation_id = "disableClient",
    params(("client_id" = String, Path, description = "Its id.")),
    responses((status = 200, description = "It is disabled.", body = ClientView)), security(("oauth" = ["clients:write"])))]
async fn disable(caller: Granted<ClientsWrite>, State(app): State<Arc<App>>, Place(place): Place<1>) -> Result<Response, Problem> {
    let [id] = place;
    set_disabled(&app, &caller, &id, true).await
}

/// Enable a client.
#[utoipa::path(post, path = "/v1/clients/{client_id}/enable", tag = "clients", operation_id = "enableClient",
    params(("client_id" = String, Path, description = "Its id.")),
    responses((status = 200, description = "It is enabled.", body = ClientView)), security(("oauth" = ["clients:write"])))]
async fn enable(caller: Granted<ClientsWrite>, State(app): State<Arc<App>>, Place(place): Place<1>) -> Result<Response, Problem> {
    let [id] = place;
    set_disabled(&app, &caller, &id, false).await
}

async fn set_disabled(app: &App, caller: &Granted<ClientsWrite>, id: &str, disabled: bool) -> Result<Response, Problem> {
    let (now, by) = (app.clock.now(), caller.act());
    let may = mine_by_scopes(caller);
    let record = clients::set_disabled(&*app.storage.clients, id, disabled, now, by_caller(caller, &by, &may)).await?;
    Ok(answer(StatusCode::OK, &record, None, now))
}

/// A client that may do more than the caller is not the caller's to touch: its new secret would open what the caller may not.
fn mine(caller: &Granted<ClientsWrite>) -> impl Fn(&Client, &[Allowance]) -> Result<(), Problem> + Send + Sync {
    |client, allowed| caller.over_client(client.first_party, &client.scope, allowed)
}

/// The same of what leads to no token: who allowed it what is no matter.
fn mine_by_scopes(caller: &Granted<ClientsWrite>) -> impl Fn(&Client, &[Allowance]) -> Result<(), Problem> + Send + Sync {
    |client, _| mine(caller)(client, &[])
}

fn by_caller<'a>(caller: &'a Granted<ClientsWrite>, act: &'a Act, may: &'a May<'a, Problem>) -> By<'a, Problem> {
    By { act, judge: Some(Judge { may, person: person_of(caller) }) }
}

fn person_of(caller: &Granted<ClientsWrite>) -> Option<&str> {
    caller.user.as_ref().map(|user| user.id.as_str())
}

fn no_key(error: KeyError) -> Problem {
    tracing::error!(event = "fault", %error, "the keys of a client could not be made");
    Problem::later(Code::Unavailable, Duration::from_secs(2))
}

impl From<ClientError> for Problem {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Metadata(error) => Wrong::member(error.member, "invalid", Why::Said(error.reason)).into(),
            ClientError::Taken => Self::taken("client_id"),
            ClientError::Unknown => Code::NotFound.into(),
            ClientError::Public => Code::PublicClient.into(),
            ClientError::Stale => Code::ChangedMeanwhile.into(),
            ClientError::Storage(fault) => fault.into(),
        }
    }
}
