//! POST /oauth2/token (RFC 6749 §3.2): the phases every grant shares.
//!
//! 1 the client authenticates (`FromClient`) · 2 the grant type is found in [`GRANTS`] · 3 the client may use it · 4 the grant says
//! what it proves (`Grant::redeem`) · 5 the single mint makes the tokens · 6 the answer (RFC 6749 §5.1: the members are
//! `tokens::issue::TokenResponse`, the headers `json_response`; §5.2: `Failure`). A grant fills in only phase 4.

mod authorization_code;
mod client_credentials;
mod password;
mod refresh_token;

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::client_auth::FromClient;
use super::{Failure, json_response};
use crate::app::App;
use crate::protocol::claims::Organization;
use crate::protocol::client::{Client, GrantType};
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::params::Params;
use crate::protocol::resource;
use crate::storage::durable::{Grant as StoredGrant, Refusal, User};
use crate::telemetry::metrics;
use crate::tokens::issue::{Authorization, OwnAccess, TokenResponse};

/// Every grant the server knows: what discovery lists, what a client may register, what `unsupported_grant_type` is decided from.
pub static GRANTS: &[&dyn Grant] =
    &[&authorization_code::AuthorizationCode, &refresh_token::RefreshToken, &client_credentials::ClientCredentials, &password::Password];

/// What a grant proved.
pub struct Redeemed {
    /// The person and their grant; none where the client acts for itself.
    pub person: Option<(User, StoredGrant)>,
    pub scope: Vec<String>,
    pub resource: Vec<String>,
    /// Those of the ID token.
    pub organizations: Vec<Organization>,
    /// The generation of the refresh token to hand out.
    pub refresh: Option<u32>,
    /// The session the tokens name.
    pub sid: Option<String>,
}

#[async_trait]
pub trait Grant: Sync {
    fn name(&self) -> GrantType;
    /// What this grant proves. Client, permission for the grant and repeated parameters are checked already. What spends something comes last: whatever
    /// can be refused or read is before it, so that an error has cost the client nothing.
    async fn redeem(&self, app: &App, from: &FromClient) -> Result<Redeemed, Failure>;
}

/// The handler.
#[utoipa::path(post, path = "/oauth2/token", tag = "protocol", operation_id = "token", summary = "Get tokens",
    request_body(content = crate::endpoints::described::TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "RFC 6749 §5.1.", body = TokenResponse), (status = 400, description = "See `error`.", body = crate::endpoints::described::OAuthError),
        (status = 401, description = "The client did not authenticate.", body = crate::endpoints::described::OAuthError), (status = 503, description = "Try again in a moment.", body = crate::endpoints::described::OAuthError)),
    security(("client" = []), ()))]
pub async fn exchange(State(app): State<Arc<App>>, from: Result<FromClient, Failure>) -> Response {
    let from = match from {
        Ok(from) => from,
        Err(failure) => return refused(failure),
    };
    let outcome = redeem_and_issue(&app, &from).await;
    if let Err(Failure::OAuth(error)) = &outcome {
        super::audit_refusal(&app, Refusal { act: "token", subject: None, reason: error.code.as_str() }, from.act(), from.now);
    }
    outcome.unwrap_or_else(refused)
}

async fn redeem_and_issue(app: &App, from: &FromClient) -> Result<Response, Failure> {
    let name = from.params.get("grant_type").ok_or_else(|| OAuthError::invalid_request("grant_type is missing"))?;
    let grant = GRANTS
        .iter()
        .find(|grant| grant.name().as_str() == name)
        .ok_or_else(|| OAuthError::new(ErrorCode::UnsupportedGrantType, "This grant type is not supported"))?;
    // RFC 6749 §5.2: "unauthorized_client: The authenticated client is not authorized to use this authorization grant type."
    if !from.client.allows(grant.name()) {
        metrics::token_refused(grant.name().as_str());
        return Err(OAuthError::new(ErrorCode::UnauthorizedClient, "The client is not registered for this grant type").into());
    }
    let answer = answer(app, from, *grant).await;
    match &answer {
        Ok(_) => metrics::token_issued(grant.name().as_str()),
        Err(failure) if failure.is_ours() => metrics::token_failed(grant.name().as_str()),
        Err(_) => metrics::token_refused(grant.name().as_str()),
    }
    answer
}

async fn answer(app: &App, from: &FromClient, grant: &dyn Grant) -> Result<Response, Failure> {
    // A key of the client's algorithm may be new, or not made yet: looked for before anything is spent.
    app.ensure_keys(&from.client, &from.act()).await.map_err(|error| Failure::Fault(error.to_string()))?;
    let redeemed = grant.redeem(app, from).await?;
    let response = app.tokens.issue(
        &Authorization {
            client: &from.client,
            person: redeemed.person.as_ref().map(|(user, grant)| (user, grant)),
            scope: &redeemed.scope,
            resource: &redeemed.resource,
            refresh: redeemed.refresh,
            sid: redeemed.sid.as_deref(),
            organizations: &redeemed.organizations,
            access: OwnAccess::default(),
        },
        &app.random,
        from.now,
    )?;
    Ok(json_response(StatusCode::OK, &response))
}

fn refused(failure: Failure) -> Response {
    metrics::token_error(failure.code().as_str());
    failure.into_response()
}

/// The resources a request without a grant asks for (RFC 8707 §2.2), held against what the client may ask for.
fn resources(app: &App, client: &Client, params: &Params) -> Result<Vec<String>, OAuthError> {
    resource::allowed(client, &app.config.resources, app.urls.issuer(), params.all("resource"))
}
