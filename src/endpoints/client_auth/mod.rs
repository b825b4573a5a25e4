//! Client authentication (RFC 6749 §2.3, §3.2.1): exactly one method must be presented, it must be the registered one, and it must hold.
//!
//! [`FromClient`] is the only proof that a client authenticated, and this module its only maker. A new method is a file and a row in
//! [`METHODS`], which discovery advertises as well.

mod public;
mod secret;

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;

use super::{Failure, act, audit_refusal, form_body};
use crate::app::App;
use crate::browser::visit::context_of;
use crate::clock::Time;
use crate::protocol::client::{AuthMethod, Client};
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::params::Params;
use crate::request::RequestContext;
use crate::storage::durable::{Act, Actor, ClientRecord, Refusal};

/// Every method the server knows: what discovery lists and what a client may register.
pub static METHODS: &[&dyn Method] = &[&secret::Basic, &secret::Post, &public::None];

/// What a request presents as one method's credentials.
pub struct Presented {
    pub client_id: String,
    pub secret: Option<String>,
}

#[async_trait]
pub trait Method: Sync {
    fn name(&self) -> AuthMethod;
    /// The credentials of this method in the request, if any are there.
    ///
    /// # Errors
    /// `invalid_request` or `invalid_client` where they are there and malformed.
    fn presented(&self, headers: &HeaderMap, params: &Params) -> Result<Option<Presented>, OAuthError>;
    /// Do they hold?
    async fn verify(&self, app: &App, record: &ClientRecord, presented: &Presented, now: Time) -> bool;
}

/// A form request whose client has authenticated.
pub struct FromClient {
    pub client: Arc<Client>,
    pub params: Params,
    pub headers: HeaderMap,
    pub context: RequestContext,
    pub now: Time,
}

impl FromClient {
    /// The client as the one who acts.
    #[must_use]
    pub fn act(&self) -> Act {
        act(&self.context, Actor::Client(self.client.client_id.clone()), Some(&self.client.client_id))
    }
}

impl FromRequest<Arc<App>> for FromClient {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let (context, headers) = (context_of(&parts.extensions), parts.headers);
        let params = form_body(&headers, body).await?;
        // Only now: a body may take its time, and nothing is to be judged by a moment that is long over.
        let now = app.clock.now();
        // RFC 6749 §3.2: "Request and response parameters MUST NOT be included more than once."
        if params.repeated().is_some() {
            return Err(OAuthError::invalid_request("A parameter is repeated").into());
        }
        let client = authenticate(app, &headers, &params, &context, now).await?;
        Ok(Self { client, params, headers, context, now })
    }
}

async fn authenticate(
    app: &App,
    headers: &HeaderMap,
    params: &Params,
    context: &RequestContext,
    now: Time,
) -> Result<Arc<Client>, Failure> {
    let mut found = None;
    for method in METHODS {
        if let Some(presented) = method.presented(headers, params)? {
            // RFC 6749 §2.3: "The client MUST NOT use more than one authentication method in each request."
            if found.is_some() {
                return Err(OAuthError::invalid_request("More than one client authentication method was used").into());
            }
            found = Some((*method, presented));
        }
    }
    if is_asserted(params) {
        // A method that is not taken is still a method: beside another one it is the second.
        return Err(match found {
            Some(_) => OAuthError::invalid_request("More than one client authentication method was used").into(),
            None => OAuthError::new(ErrorCode::InvalidClient, "Client assertions are not accepted here").into(),
        });
    }
    // RFC 6749 §3.2.1: "Confidential clients or other clients issued client credentials MUST authenticate with the authorization server as
    // described in Section 2.3 when making requests to the token endpoint." […] "an unauthenticated client MUST send its "client_id" to prevent
    // itself from inadvertently accepting a code intended for a client with a different "client_id"": `public::None`, a method like the others.
    let (method, presented) = found.ok_or_else(|| OAuthError::new(ErrorCode::InvalidClient, "The client did not authenticate"))?;
    // A client id of ours has a small alphabet; anything else need not be looked up.
    if !presented.client_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
        return Err(unknown().into());
    }
    let Some(record) = app.storage.clients.in_use(&presented.client_id).await? else {
        return Err(unknown().into());
    };
    tracing::Span::current().record("client_id", record.client.client_id.as_str());
    if record.client.token_endpoint_auth_method != method.name() {
        return Err(wrong_method(record.client.token_endpoint_auth_method, method.name()).into());
    }
    if method.verify(app, &record, &presented, now).await {
        return Ok(Arc::clone(&record.client));
    }
    let by = act(context, Actor::Anonymous, Some(&presented.client_id));
    let subject = Some(format!("client:{}", presented.client_id));
    audit_refusal(app, Refusal { act: "client.authenticate", subject, reason: "wrong_secret" }, by, now);
    // Only a wrong secret is told to wait: a right one has 256 bits and is no guess, whoever else sits behind its address.
    if let Some(wait) = app.guesses.failed(&presented.client_id, context.address, now) {
        crate::telemetry::metrics::rate_limited("client_secret");
        return Err(Failure::TooMany(wait));
    }
    Err(unknown().into())
}

/// Does the request authenticate by an assertion (RFC 7521 §4.2)? Then a `client_id` beside it is no statement of a public client.
fn is_asserted(params: &Params) -> bool {
    ["client_assertion", "client_assertion_type"].into_iter().any(|name| params.get(name).is_some())
}

/// One answer for an unknown client, a disabled one and a wrong secret.
fn unknown() -> OAuthError {
    OAuthError::new(ErrorCode::InvalidClient, "Client authentication failed")
}

/// Which method the client is registered for, and which was used: libraries that try the other one leave their developer without a clue otherwise,
/// and some try it on their own when the first secret was wrong, and show this answer alone.
fn wrong_method(registered: AuthMethod, used: AuthMethod) -> OAuthError {
    let registered = match registered {
        AuthMethod::None => "is registered as public and has no secret".to_owned(),
        method => format!("is registered for {}", method.as_str()),
    };
    let secret = if used == AuthMethod::None { "" } else { ", so the secret was not looked at" };
    OAuthError::new(ErrorCode::InvalidClient, format!("This client {registered}; the request used {}{secret}", used.as_str()))
}
