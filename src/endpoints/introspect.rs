//! POST /oauth2/introspect (RFC 7662).

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::client_auth::FromClient;
use super::{Failure, json_bytes};
use crate::app::App;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::{introspection, refresh_token, scope};
use crate::storage::durable::{Holder, User};
use crate::tokens::bearer::Access;
use crate::tokens::grant;

/// The handler.
#[utoipa::path(post, path = "/oauth2/introspect", tag = "protocol", operation_id = "introspect", summary = "Ask whether a token is good, and what it says",
    request_body(content = crate::endpoints::described::TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "RFC 7662 §2.2.", body = Object), (status = 400, description = "See `error`.", body = crate::endpoints::described::OAuthError),
        (status = 401, description = "The client did not authenticate.", body = crate::endpoints::described::OAuthError), (status = 503, description = "Try again in a moment.", body = crate::endpoints::described::OAuthError)),
    security(("client" = [])))]
pub async fn introspect(State(app): State<Arc<App>>, from: Result<FromClient, Failure>) -> Response {
    match from {
        Ok(from) => match answer(&app, &from).await {
            Ok(body) => json_bytes(StatusCode::OK, body.unwrap_or_else(|| introspection::INACTIVE.into())),
            Err(failure) => failure.into_response(),
        },
        Err(failure) => failure.into_response(),
    }
}

/// The answer about an active token; none about any other.
async fn answer(app: &App, from: &FromClient) -> Result<Option<Vec<u8>>, Failure> {
    // RFC 7662 §2.1: "To prevent token scanning attacks, the endpoint MUST also require some form of authorization to access this endpoint"
    if from.client.is_public() {
        return Err(OAuthError::new(ErrorCode::InvalidClient, "A public client cannot introspect tokens").into());
    }
    let token = from.params.get("token").ok_or_else(|| OAuthError::invalid_request("token is missing"))?;
    match app.tokens.read_refresh(token) {
        Some((id, generation)) => refresh(app, from, &id, generation).await,
        None => access(app, from, token).await,
    }
}

async fn access(app: &App, from: &FromClient, token: &str) -> Result<Option<Vec<u8>>, Failure> {
    let Some(claims) = app.tokens.read_any(token, from.now).await? else { return Ok(None) };
    if !introspection::may_introspect(&from.client, &claims.client_id, claims.aud.values()) {
        return Ok(None);
    }
    let Some(Access { claims, holder }) = app.tokens.standing(&app.storage, claims).await? else { return Ok(None) };
    let username = holder.as_deref().map(|Holder { user, .. }| username_of(user));
    let active = introspection::response(claims, username, introspection::BEARER);
    Ok(Some(serde_json::to_vec(&active).expect("text, numbers and lists are JSON")))
}

/// A refresh token is for the client that holds it alone.
async fn refresh(app: &App, from: &FromClient, id: &crate::storage::durable::GrantId, generation: u32) -> Result<Option<Vec<u8>>, Failure> {
    let lifetimes = &app.tokens.lifetimes;
    let Some((grant, user)) = app.storage.grants.refreshable(id, lifetimes.session_idle, from.now).await? else { return Ok(None) };
    // RFC 7662 §2.2: "whether or not the presented token is currently active": whether the token endpoint would take it.
    let current = grant.client_id == from.client.client_id && grant.generation == generation && grant::gives_refresh_token(&from.client);
    let Ok(scope) = grant::scope_of(&from.client, &grant, None) else { return Ok(None) };
    if !current || refresh_token::live(grant.rotated_at, grant.expires_at, lifetimes.refresh_idle, from.now).is_err() {
        return Ok(None);
    }
    let active = json!({
        "active": true,
        "scope": scope::join(&scope),
        "client_id": grant.client_id,
        "username": username_of(&user),
        "sub": user.id,
        "iss": app.tokens.issuer,
        "iat": grant.rotated_at.timestamp(),
        "exp": grant.expires_at.min(grant.rotated_at + lifetimes.refresh_idle).timestamp(),
    });
    Ok(Some(active.to_string().into_bytes()))
}

fn username_of(user: &User) -> &str {
    introspection::username(user.username.as_deref(), &user.email, user.email_verified, &user.id)
}
