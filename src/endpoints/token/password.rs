//! `password` (RFC 6749 §4.3): only for first-party clients that an administrator gave it. Walks through the same door as the
//! sign-in page: limits, lock-out, disabled accounts.

use async_trait::async_trait;

use super::{Grant, Redeemed, resources};
use crate::accounts::authenticate::{self, Credentials, Fault, Outcome, Refusal};
use crate::app::App;
use crate::endpoints::Failure;
use crate::endpoints::client_auth::FromClient;
use crate::protocol::client::GrantType;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::scope;
use crate::storage::durable::{Act, Actor};
use crate::tokens::grant::{self, SignedInByPassword, WRONG_PASSWORD};
use crate::tokens::issue;

pub struct Password;

#[async_trait]
impl Grant for Password {
    fn name(&self) -> GrantType {
        GrantType::Password
    }

    async fn redeem(&self, app: &App, from: &FromClient) -> Result<Redeemed, Failure> {
        // RFC 9700 §2.4: "The resource owner password credentials grant MUST NOT be used" by anybody else's client.
        if from.client.is_public() || !from.client.first_party {
            return Err(OAuthError::new(ErrorCode::UnauthorizedClient, "Only first-party confidential clients may use this grant").into());
        }
        let username = from.params.get("username").ok_or_else(|| OAuthError::invalid_request("username is missing"))?;
        let password = from.params.get("password").ok_or_else(|| OAuthError::invalid_request("password is missing"))?;
        let scope = scope::granted(&from.client, from.params.get("scope"))?;
        let resource = resources(app, &from.client, &from.params)?;
        let credentials = Credentials { identifier: username, password, device: None, address: from.context.address };
        let (user, amr, acr, proof) =
            match authenticate::authenticate(&app.door(), &credentials, app.random.bytes(), from.now, &from.act()).await {
                Ok(Outcome::SignedIn { user, amr, acr, proof }) => (*user, amr, acr, proof),
                Ok(Outcome::Refused(refusal)) => return Err(refused(&refusal, from.now)),
                Err(Fault::Busy(busy)) => return Err(Failure::Busy(busy.retry_after)),
                Err(Fault::Storage(fault)) => return Err(fault.into()),
            };
        let granted = SignedInByPassword { client: &from.client, user: &user, scope: &scope, resource: &resource, amr: amr.join(" "), acr };
        let opened = grant::from_password(grant::new_id(&app.random, from.now), granted, &app.tokens.lifetimes, from.now);
        let organizations = issue::organizations_of_id_token(&app.storage, &from.client, &opened, &scope).await?;
        // Who proved the password is who did it, through whichever client: the row names the person, as that of a browser's session does.
        let by = Act { actor: Actor::Person(user.id.clone()), ..from.act() };
        grant::open(&app.storage, &opened, Some(&proof), &by).await?;
        Ok(Redeemed {
            scope,
            resource,
            organizations,
            refresh: grant::gives_refresh_token(&from.client).then_some(0),
            sid: None,
            person: Some((user, opened)),
        })
    }
}

fn refused(refusal: &Refusal, now: crate::clock::Time) -> Failure {
    match refusal {
        // RFC 6749 §5.2: "invalid_grant: The provided authorization grant (e.g., authorization code, resource owner credentials) … is invalid"
        Refusal::WrongCredentials => OAuthError::invalid_grant(WRONG_PASSWORD).into(),
        Refusal::ResetRequired => OAuthError::invalid_grant("The password must be reset before it is used again").into(),
        Refusal::Locked { until } => Failure::TooMany((*until - now).to_std().unwrap_or_default()),
        Refusal::Throttled { retry_after } => Failure::TooMany(*retry_after),
    }
}
