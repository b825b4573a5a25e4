//! `refresh_token` (RFC 6749 §6, RFC 9700 §4.14): rotation, the retry of a lost answer, reuse.

use async_trait::async_trait;

use super::{Grant, Redeemed};
use crate::app::App;
use crate::endpoints::Failure;
use crate::endpoints::client_auth::FromClient;
use crate::protocol::client::GrantType;
use crate::protocol::error::OAuthError;
use crate::tokens::grant::Renewal;

pub struct RefreshToken;

#[async_trait]
impl Grant for RefreshToken {
    fn name(&self) -> GrantType {
        GrantType::RefreshToken
    }

    async fn redeem(&self, app: &App, from: &FromClient) -> Result<Redeemed, Failure> {
        let token = from.params.get("refresh_token").ok_or_else(|| OAuthError::invalid_request("refresh_token is missing"))?;
        let resource: Vec<&str> = from.params.all("resource").collect();
        let asked = Renewal { token, scope: from.params.get("scope"), resource: &resource, open_resources: &app.config.resources };
        let renewed = app.tokens.renew(&app.storage, &from.client, &asked, from.now, &from.act()).await?;
        Ok(Redeemed {
            scope: renewed.scope,
            resource: renewed.resource,
            organizations: renewed.organizations,
            refresh: Some(renewed.generation),
            // A grant that lives on after sign-out names its session only at first.
            sid: if renewed.grant.offline { None } else { renewed.grant.session_id.clone() },
            person: Some((renewed.user, renewed.grant)),
        })
    }
}
