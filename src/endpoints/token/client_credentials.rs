//! `client_credentials` (RFC 6749 §4.4): the client acts for itself. Writes nothing.

use async_trait::async_trait;

use super::{Grant, Redeemed, resources, scopes};
use crate::app::App;
use crate::endpoints::Failure;
use crate::endpoints::client_auth::FromClient;
use crate::protocol::client::GrantType;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::scope;

pub struct ClientCredentials;

#[async_trait]
impl Grant for ClientCredentials {
    fn name(&self) -> GrantType {
        GrantType::ClientCredentials
    }

    async fn redeem(&self, app: &App, from: &FromClient) -> Result<Redeemed, Failure> {
        // RFC 6749 §4.4: "The client credentials grant type MUST only be used by confidential clients."
        if from.client.is_public() {
            return Err(OAuthError::new(ErrorCode::UnauthorizedClient, "A public client cannot use this grant").into());
        }
        // Scopes about a person mean nothing where there is none.
        let scope = scopes(&from.client, &from.params, scope::STANDARD)?;
        let resource = resources(app, &from.client, &from.params)?;
        Ok(Redeemed { person: None, scope, resource, refresh: None, sid: None })
    }
}
