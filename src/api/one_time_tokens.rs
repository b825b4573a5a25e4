//! `/v1/one-time-tokens`: an app hands another one a token that works once, and the other learns what it stands for.
//!
//! Whoever calls, the app is the token's client: it owns what it makes, and consumes what is meant for it. A client for itself vouches for what it
//! says; a person's token can speak of that person alone.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{Anyone, Caller};
use super::body::{Body, Place};
use super::idempotency::{IdempotencyKey, KeyedExact};
use super::problem::{Code, Problem, Why, Wrong};
use crate::app::App;
use crate::once::tokens::{self, CreateError, Fresh, Listed, NewToken, Of, Presented};

const PATH: &str = "/v1/one-time-tokens";

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(consume)).routes(routes!(revoke))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOneTimeToken {
    /// What it is for; whoever consumes it must say the same. Not what begins with `dialect:`.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_.:/-]+$", example = "download")]
    purpose: String,
    /// The ids of the clients that may consume it; the maker, where nobody is named.
    #[schema(max_items = 16)]
    #[serde(default)]
    audience: Option<Vec<String>>,
    /// Whom it is about.
    #[schema(min_length = 1, max_length = 255, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    #[serde(default)]
    subject: Option<String>,
    /// Any JSON, at most 4096 bytes of it; numbers of more digits than 64 bits or a double hold are refused.
    #[schema(value_type = Value)]
    #[serde(default)]
    data: Value,
    /// Seconds to live; 10, where nobody says.
    #[schema(minimum = 1, maximum = 86400)]
    #[serde(default)]
    ttl: Option<u64>,
}

#[derive(Serialize, ToSchema)]
pub struct OneTimeToken {
    id: String,
    /// Shown this once.
    token: String,
    #[schema(format = DateTime)]
    expires_at: String,
}

/// Make a one-time token.
#[utoipa::path(post, path = "/v1/one-time-tokens", tag = "one-time-tokens", operation_id = "createOneTimeToken", params(IdempotencyKey),
    request_body = NewOneTimeToken,
    responses((status = 201, description = "It is made.", body = OneTimeToken, headers(("Location" = String, description = "Where to revoke it.")))),
    security(("oauth" = [])))]
async fn create(
    caller: Anyone,
    State(app): State<Arc<App>>,
    KeyedExact(new, attempt): KeyedExact<NewOneTimeToken>,
) -> Result<Response, Problem> {
    if let (Some(user), Some(subject)) = (&caller.user, &new.subject)
        && *subject != user.id
    {
        return Err(Wrong::member("subject", "not_yours", Why::Text("problem-field-not-yours", None)).into());
    }
    if new.purpose.starts_with(tokens::OF_DIALECTS) {
        return Err(Wrong::member("purpose", "not_yours", Why::Text("problem-field-not-yours", None)).into());
    }
    attempt.once(&Arc::clone(&app), async move { make(&app, &caller, new).await }).await
}

async fn make(app: &App, caller: &Caller, new: NewOneTimeToken) -> Result<Response, Problem> {
    let token = NewToken {
        owner: &caller.claims.client_id,
        maker: caller.user.as_deref(),
        purpose: &new.purpose,
        audience: new.audience.unwrap_or_default(),
        subject: new.subject.as_deref().or(caller.user.as_ref().map(|user| user.id.as_str())),
        data: new.data,
        lives: new.ttl.map_or(tokens::DEFAULT, Duration::from_secs),
    };
    let fresh = Fresh { id: app.random.bytes(), secret: app.random.bytes(), nonce: app.random.bytes() };
    let made =
        tokens::create(&app.storage, &app.seal, token, fresh, app.clock.now(), &caller.act()).await.map_err(|error| match error {
            CreateError::Invalid(member, why) => Wrong::member(member, "invalid", Why::Said(why.to_owned())).into(),
            CreateError::Storage(fault) => Problem::from(fault),
        })?;
    let location = app.urls.absolute(&format!("{PATH}/{}", made.id));
    let view = OneTimeToken { id: made.id, token: made.token, expires_at: super::moment(made.expires_at) };
    let mut response = (StatusCode::CREATED, Json(view)).into_response();
    super::located(response.headers_mut(), &location);
    Ok(response)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Consumption {
    #[schema(max_length = 200)]
    token: String,
    #[schema(max_length = 64)]
    purpose: String,
}

/// What the token stood for.
#[derive(Serialize, ToSchema)]
pub struct Consumed {
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    audience: Vec<String>,
    /// As it was given.
    #[schema(value_type = Value, required = false)]
    #[serde(skip_serializing_if = "Value::is_null")]
    data: Value,
}

/// Use a one-time token up. A token that was used, expired, is unknown, is not for you, or whose maker counts no more: one answer.
#[utoipa::path(post, path = "/v1/one-time-tokens/consume", tag = "one-time-tokens", operation_id = "consumeOneTimeToken", request_body = Consumption,
    responses((status = 200, description = "You are the one.", body = Consumed), (status = 404, description = "Code `one_time_token_invalid`.", body = super::problem::ProblemDocument, content_type = "application/problem+json")),
    security(("oauth" = [])))]
async fn consume(caller: Anyone, State(app): State<Arc<App>>, Body(body): Body<Consumption>) -> Result<Json<Consumed>, Problem> {
    let (now, by) = (app.clock.now(), caller.act());
    if body.purpose.starts_with(tokens::OF_DIALECTS) {
        app.storage.audit.refuse(&tokens::INVALID, now, &by).await?;
        return Err(Code::OneTimeTokenInvalid.into());
    }
    let presented = Presented { token: &body.token, purpose: &body.purpose, consumer: &caller.claims.client_id };
    let consumed = tokens::consume(&app.storage, &app.seal, presented, app.random.bytes(), now, &by).await?;
    let consumed = consumed.ok_or(Code::OneTimeTokenInvalid)?;
    Ok(Json(Consumed { subject: consumed.subject, audience: consumed.audience, data: consumed.data }))
}

/// A token as its maker sees it later.
#[derive(Serialize, ToSchema)]
pub struct OneTimeTokenEntry {
    id: String,
    purpose: String,
    audience: Vec<String>,
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
}

impl From<Listed> for OneTimeTokenEntry {
    fn from(listed: Listed) -> Self {
        Self {
            id: listed.id,
            purpose: listed.purpose,
            audience: listed.audience,
            subject: listed.subject,
            created_at: super::moment(listed.created_at),
            expires_at: super::moment(listed.expires_at),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct OneTimeTokenList {
    items: Vec<OneTimeTokenEntry>,
}

/// List the live one-time tokens of your client, the oldest first.
#[utoipa::path(get, path = "/v1/one-time-tokens", tag = "one-time-tokens", operation_id = "listOneTimeTokens",
    responses((status = 200, description = "At most 1000 of them.", body = OneTimeTokenList)), security(("oauth" = [])))]
async fn list(caller: Anyone, State(app): State<Arc<App>>) -> Result<Json<OneTimeTokenList>, Problem> {
    // An app that acts for a person sees what is about that person.
    let subject = caller.user.as_ref().map(|user| user.id.as_str());
    let found = tokens::list(&app.storage, &caller.claims.client_id, subject, app.clock.now()).await?;
    Ok(Json(OneTimeTokenList { items: found.into_iter().map(OneTimeTokenEntry::from).collect() }))
}

/// Revoke a one-time token that your client made.
#[utoipa::path(delete, path = "/v1/one-time-tokens/{id}", tag = "one-time-tokens", operation_id = "revokeOneTimeToken",
    params(("id" = String, Path, description = "Its id.")),
    responses((status = 204, description = "It does not work any more.")), security(("oauth" = [])))]
async fn revoke(caller: Anyone, State(app): State<Arc<App>>, Place(place): Place<1>) -> Result<Response, Problem> {
    let [id] = place;
    let now = app.clock.now();
    let of = Of { owner: &caller.claims.client_id, subject: caller.user.as_ref().map(|user| user.id.as_str()) };
    let known = tokens::revoke(&app.storage, &app.seal, of, &id, app.random.bytes(), now, &caller.act()).await?;
    if known { Ok(StatusCode::NO_CONTENT.into_response()) } else { Err(Code::NotFound.into()) }
}
