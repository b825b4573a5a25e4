//! GET and POST /oauth2/userinfo (OIDC Core §5.3). Goes by the scope `openid`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::{Failure, form_body, json_response};
use crate::app::App;
use crate::browser::form;
use crate::protocol::claims::{self, ClaimsRequest};
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::scope;
use crate::storage::durable::Holder;
use crate::tokens::bearer::{self, NotPresented};
use crate::tokens::issue;

/// The handler.
#[utoipa::path(get, path = "/oauth2/userinfo", tag = "protocol", operation_id = "userinfo", summary = "Claims about the person whose token it is",
    description = "The token needs the scope `openid`. POST does the same (OIDC Core §5.3.1).",
    responses((status = 200, description = "OIDC Core §5.3.2.", body = Object),
        (status = 400, description = "The token came in two ways, or in one that is none (RFC 6750 §3.1).", body = crate::endpoints::described::OAuthError), (status = 401, description = "RFC 6750 §3.1.", body = crate::endpoints::described::BearerError),
        (status = 403, description = "The token lacks the scope.", body = crate::endpoints::described::OAuthError),
        (status = 503, description = "Try again in a moment.", body = crate::endpoints::described::OAuthError)),
    security(("bearer" = [])))]
pub async fn userinfo(State(app): State<Arc<App>>, request: Request) -> Response {
    match answer(&app, request).await {
        Ok(claims) => json_response(StatusCode::OK, &claims),
        Err(failure) => refused(failure),
    }
}

async fn answer(app: &App, request: Request) -> Result<Value, Refused> {
    let now = app.clock.now();
    let token = presented(request).await?;
    let invalid = || Refused::Bearer(ErrorCode::InvalidToken, "The access token is expired, revoked, malformed, or invalid");
    let access = app.tokens.access(&app.storage, &token, now).await?.ok_or_else(invalid)?;
    if !access.claims.has_scope(scope::OPENID) {
        // RFC 6750 §3.1: "insufficient_scope: The request requires higher privileges than provided by the access token."
        return Err(Refused::Bearer(ErrorCode::InsufficientScope, "The access token does not have the scope openid"));
    }
    let Holder { user, claims: requested } = access.holder.as_deref().ok_or_else(invalid)?;
    // The `claims` parameter of the request that led here, where there was one, as far as the client may still have it.
    let requested = match requested.as_deref() {
        None => ClaimsRequest::default(),
        kept => {
            let client = app.storage.clients.find(&access.claims.client_id).await?;
            ClaimsRequest::of_grant(kept, client.as_deref().map_or("", |record| &record.client.scope))
        }
    };
    let granted: Vec<String> = access.claims.scope.split(' ').map(str::to_owned).collect();
    let organizations = issue::organizations(&app.storage, &user.id, &granted, Some(&requested.userinfo)).await?;
    let mut claims = claims::for_scopes(&granted, Some(&requested.userinfo), &issue::person(user, &organizations));
    // OIDC Core §5.3.2: "The sub (subject) Claim MUST always be returned in the UserInfo Response."
    claims.insert("sub".to_owned(), Value::String(user.id.clone()));
    Ok(Value::Object(claims))
}

/// The token, as `tokens::bearer` finds it in header, query and form.
async fn presented(request: Request) -> Result<String, Refused> {
    let (parts, body) = request.into_parts();
    let has_form = parts.method == Method::POST && form::is_form(&parts.headers);
    let form = if has_form { Some(form_body(&parts.headers, body).await.map_err(Refused::Other)?) } else { None };
    let token = bearer::presented(&parts.headers, parts.uri.query(), form.as_ref());
    token.map(str::to_owned).map_err(|not| match not {
        NotPresented::Missing => Refused::Missing,
        NotPresented::Malformed => Refused::Bearer(ErrorCode::InvalidRequest, "The access token is not presented as RFC 6750 says"),
    })
}

enum Refused {
    /// No token at all.
    Missing,
    Bearer(ErrorCode, &'static str),
    Other(Failure),
}

impl From<crate::storage::StorageError> for Refused {
    fn from(fault: crate::storage::StorageError) -> Self {
        Self::Other(fault.into())
    }
}

fn refused(refused: Refused) -> Response {
    match refused {
        // RFC 6750 §3.1: "If the request lacks any authentication information …, the resource server SHOULD NOT include an error code or other
        // error information." Neither does the body, which is JSON all the same: it is what everybody reads from here.
        Refused::Missing => {
            let mut response = json_response(StatusCode::UNAUTHORIZED, &serde_json::json!({}));
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(r#"Bearer realm="portero""#));
            response
        }
        Refused::Bearer(code, description) => {
            let mut response = Failure::OAuth(OAuthError::new(code, description)).into_response();
            let challenge = format!(r#"Bearer realm="portero", error="{}", error_description="{description}""#, code.as_str());
            if let Ok(value) = HeaderValue::from_str(&challenge) {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
            }
            response
        }
        Refused::Other(failure) => failure.into_response(),
    }
}
