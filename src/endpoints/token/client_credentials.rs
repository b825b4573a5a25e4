//! `client_credentials` (RFC 6749 §4.4): the client acts for itself. Writes nothing.

use async_trait::async_trait;

use super::{Grant, Redeemed, resources};
use crate::app::App;
use crate::endpoints::Failure;
use crate::endpoints::client_auth::FromClient;
use crate::protocol::client::GrantType;
use crate::protocol::client_credentials;
use crate::protocol::error::{ErrorCode, OAuthError};

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
        let scope = client_credentials::granted_scope(&from.client, from.params.get("scope"))?;
        let resource = resources(app, &from.client, &from.params)?;
        Ok(Redeemed { person: None, scope, resource, organizations: Vec::new(), refresh: None, sid: None })
    }
}
