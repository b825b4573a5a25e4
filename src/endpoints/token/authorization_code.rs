//! `authorization_code` (RFC 6749 §4.1.3): bindings, then expiry, then what the client still may have, then the grant in SQL, which a code opens once.

use async_trait::async_trait;

use super::{Grant, Redeemed};
use crate::app::App;
use crate::endpoints::Failure;
use crate::endpoints::client_auth::FromClient;
use crate::protocol::authorization_code::{self, CodeBinding};
use crate::protocol::client::GrantType;
use crate::protocol::error::OAuthError;
use crate::protocol::{pkce, resource};
use crate::storage::durable::ByCode;
use crate::storage::records;
use crate::tokens::{grant, issue, opaque};

pub struct AuthorizationCode;

#[async_trait]
impl Grant for AuthorizationCode {
    fn name(&self) -> GrantType {
        GrantType::AuthorizationCode
    }

    async fn redeem(&self, app: &App, from: &FromClient) -> Result<Redeemed, Failure> {
        let presented = from.params.get("code").ok_or_else(|| OAuthError::invalid_request("code is missing"))?;
        let (redirect_uri, verifier) = (from.params.get("redirect_uri"), from.params.get("code_verifier"));
        let resources: Vec<&str> = from.params.all("resource").collect();
        let client_id = from.client.client_id.as_str();
        let by = from.act();
        // RFC 6749 §4.1.2: "If an authorization code is used more than once, the authorization server MUST deny the request and SHOULD
        // revoke (when possible) all tokens previously issued based on that authorization code."
        // Nothing is spent here: the digest of a code can open one grant in SQL, so of parallel requests one has it, a retry after a fault of ours
        // goes on, and a short-lived store that forgets revives nothing.
        let Some(code) = app.storage.ephemeral.get::<records::AuthorizationCode>(presented).await? else {
            // What it was bound to is in the digest: with another verifier than its own it is unknown.
            let challenge = verifier.map(pkce::challenge_of);
            let digest = opaque::code_digest(&app.seal, presented, challenge.as_deref());
            app.storage.grants.replayed(&digest, client_id, from.now, &by).await?;
            return Err(OAuthError::invalid_grant("The authorization code is not valid").into());
        };
        let digest = opaque::code_digest(&app.seal, presented, code.request.code_challenge.as_deref());
        // Bindings first: a stranger with a stolen code can neither burn it nor have its tokens revoked.
        let binding = CodeBinding {
            client_id: &code.request.reply_to.client_id,
            redirect_uri: &code.request.reply_to.redirect_uri,
            redirect_uri_sent: code.request.redirect_uri_sent,
            code_challenge: code.request.code_challenge.as_deref(),
        };
        authorization_code::check(&binding, &from.client, redirect_uri, verifier)?;
        if let Err(expired) = authorization_code::live(code.issued_at, app.tokens.lifetimes.code, from.now) {
            app.storage.grants.replayed(&digest, client_id, from.now, &by).await?;
            return Err(expired.into());
        }
        let resource = resource::narrow(&code.request.resource, app.urls.issuer(), &resources)?;
        let resource = resource::still_allowed(&from.client, &app.config.resources, app.urls.issuer(), resource)?;
        let scope = grant::still_registered(&from.client, code.scope.iter().map(String::as_str))?;
        let opened = grant::from_code(grant::new_id(&app.random, from.now), &code, &app.tokens.lifetimes, from.now);
        let organizations = issue::organizations_of_id_token(&app.storage, &from.client, &opened, &scope).await?;
        // A sign-out, a new password, a disabled account or a disconnected app since the code was made ends it, too.
        let by_code = ByCode { digest: &digest, idle: app.tokens.lifetimes.session_idle, consent: !from.client.first_party };
        let user = grant::open_by_code(&app.storage, &opened, by_code, &by).await?;
        Ok(Redeemed {
            scope,
            resource,
            organizations,
            refresh: grant::gives_refresh_token(&from.client).then_some(0),
            sid: opened.session_id.clone(),
            person: Some((user, opened)),
        })
    }
}
