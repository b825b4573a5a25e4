//! `authorization_code` (RFC 6749 §4.1.3): bindings, then spend, then expiry, then the grant in SQL, which has the last word.

use std::time::Duration;

use async_trait::async_trait;

use super::{Grant, Redeemed};
use crate::app::App;
use crate::endpoints::Failure;
use crate::endpoints::client_auth::FromClient;
use crate::protocol::authorization_code::{self, CodeBinding};
use crate::protocol::client::GrantType;
use crate::protocol::error::OAuthError;
use crate::protocol::resource;
use crate::storage::ephemeral::Redeemed as Spent;
use crate::storage::records;
use crate::tokens::grant;

/// How long after its end a code that was spent in time may still be on its way to its grant.
const SLACK: Duration = Duration::from_secs(5);

pub struct AuthorizationCode;

#[async_trait]
impl Grant for AuthorizationCode {
    fn name(&self) -> GrantType {
        GrantType::AuthorizationCode
    }

    async fn redeem(&self, app: &App, from: &FromClient) -> Result<Redeemed, Failure> {
        let code = from.params.get("code").ok_or_else(|| OAuthError::invalid_request("code is missing"))?;
        let (redirect_uri, verifier) = (from.params.get("redirect_uri"), from.params.get("code_verifier"));
        let resources: Vec<&str> = from.params.all("resource").collect();
        let client_id = from.client.client_id.as_str();
        let digest = app.storage.ephemeral.digest(code);
        let by = from.act();
        // Bindings first: a stranger with a stolen code can neither burn it nor have its tokens revoked.
        let spent = app
            .storage
            .ephemeral
            .redeem_if(code, app.random.bytes(), |code: &records::AuthorizationCode| {
                let binding = CodeBinding {
                    client_id: &code.request.reply_to.client_id,
                    redirect_uri: &code.request.reply_to.redirect_uri,
                    redirect_uri_sent: code.request.redirect_uri_sent,
                    code_challenge: code.request.code_challenge.as_deref(),
                };
                authorization_code::check(&binding, client_id, redirect_uri, verifier)?;
                resource::narrow(&code.request.resource, &resources).map(|_| ())
            })
            .await??;
        let code = match spent {
            Spent::First(code) => code,
            // RFC 6749 §4.1.2: "If an authorization code is used more than once, the authorization server MUST deny the request and
            // SHOULD revoke (when possible) all tokens previously issued based on that authorization code."
            Spent::Again(code) => {
                let young = from.now < code.issued_at + app.tokens.lifetimes.code + SLACK;
                if grant::replay(&app.storage, &digest, client_id, young, from.now, &by).await? {
                    return Err(OAuthError::invalid_grant("The authorization code was used before").into());
                }
                // Spent, and nothing came of it: a fault of ours cut the exchange off, and its retry goes on where that ended. Should the one
                // who spent it only be slow, the unique digest of the code has the last word.
                code
            }
            // The short-lived store may have lost it; SQL still knows whether this client's grant came from it.
            Spent::Missing => {
                app.storage.grants.replayed(&digest, client_id, from.now, &by).await?;
                return Err(OAuthError::invalid_grant("The authorization code is not valid").into());
            }
        };
        authorization_code::live(code.issued_at, app.tokens.lifetimes.code, from.now)?;
        let resource = resource::narrow(&code.request.resource, &resources)?;
        let opened = grant::from_code(grant::new_id(&app.random), &code, &app.tokens.lifetimes, from.now);
        // A sign-out, a new password or a disabled account since the code was made ends it, too.
        let user = grant::open_by_code(&app.storage, &opened, &digest, app.tokens.lifetimes.session_idle, &by).await?;
        Ok(Redeemed {
            scope: code.scope,
            resource,
            refresh: grant::gives_refresh_token(&from.client).then_some(0),
            sid: opened.session_id.clone(),
            person: Some((user, opened)),
        })
    }
}
