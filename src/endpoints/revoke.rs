//! POST /oauth2/revoke (RFC 7009).

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::Failure;
use super::client_auth::FromClient;
use crate::app::App;
use crate::clock::Time;
use crate::protocol::error::OAuthError;

/// The handler.
#[utoipa::path(post, path = "/oauth2/revoke", tag = "protocol", operation_id = "revoke", summary = "Revoke a token",
    request_body(content = crate::endpoints::described::TokenForm, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "It does not work any more, if it ever did."), (status = 400, description = "See `error`.", body = crate::endpoints::described::OAuthError),
        (status = 401, description = "The client did not authenticate.", body = crate::endpoints::described::OAuthError), (status = 503, description = "Try again in a moment.", body = crate::endpoints::described::OAuthError)),
    security(("client" = []), ()))]
pub async fn revoke(State(app): State<Arc<App>>, from: Result<FromClient, Failure>) -> Response {
    let from = match from {
        Ok(from) => from,
        Err(failure) => return failure.into_response(),
    };
    match end(&app, &from).await {
        // RFC 7009 §2.2: "The authorization server responds with HTTP status code 200 if the token has been revoked successfully or if the
        // client submitted an invalid token."
        Ok(()) => (StatusCode::OK, [(axum::http::header::CACHE_CONTROL, "no-store")]).into_response(),
        Err(failure) => failure.into_response(),
    }
}

async fn end(app: &App, from: &FromClient) -> Result<(), Failure> {
    let token = from.params.get("token").ok_or_else(|| OAuthError::invalid_request("token is missing"))?;
    let client_id = from.client.client_id.as_str();
    // RFC 7009 §2.1: "The authorization server first validates the client credentials (in case of a confidential client) and then verifies whether
    // the token was issued to the client making the revocation request. If this validation fails, the request is refused and the client is
    // informed of the error by the authorization server as described below." A token of another client is not touched, but answered like one that
    // is none (§2.2): a refusal would tell which tokens are somebody's.
    if let Some((id, _)) = app.tokens.read_refresh(token) {
        let grant = app.storage.grants.find(&id).await?;
        if grant.is_some_and(|grant| grant.client_id == client_id) {
            app.storage.grants.revoke(&id, from.now, &from.act()).await?;
        }
        return Ok(());
    }
    if let Some(claims) = app.tokens.read_any(token, from.now).await?.filter(|claims| claims.client_id == client_id) {
        let expires_at = Time::from_timestamp(claims.exp, 0).unwrap_or(from.now);
        app.storage.grants.revoke_token(&claims.jti, expires_at, from.now, &from.act()).await?;
    }
    Ok(())
}
