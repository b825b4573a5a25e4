//! Signing in, renewing, signing out: the password grant in old clothes.

use std::time::Duration;

use serde_json::json;

use super::{Call, Done, Values, broken, fault};
use crate::accounts::authenticate::{self, Credentials, Fault, Outcome, Refusal};
use crate::legacy::answer::Refused;
use crate::legacy::dialect::{ErrorName, FieldName};
use crate::protocol::client::Client;
use crate::storage::durable::{Act, Actor, Grant, Proof, User};
use crate::tokens::grant::{self, GrantError, Renewal, SignedInByPassword};
use crate::tokens::issue::{Authorization, MintError, OwnAccess};

/// A password for tokens.
pub async fn login(call: &Call<'_>) -> Done {
    let credentials = Credentials {
        identifier: call.fields.needed(FieldName::Identifier),
        password: call.fields.needed(FieldName::Password),
        device: None,
        address: call.context.address,
    };
    let client = call.client().await?;
    let (user, amr, acr, proof) = authenticated(call, &credentials).await?;
    // Known by the right password, so it tells nobody anything.
    if call.dialect.accounts.verified && !user.email_verified {
        return Err(call.refused(ErrorName::NotVerified, "not_verified"));
    }
    opened(call, &client, &user, (&amr.join(" "), acr), Some(&proof)).await
}

/// Every password goes through the one door.
pub async fn authenticated(
    call: &Call<'_>,
    credentials: &Credentials<'_>,
) -> Result<(User, &'static [&'static str], &'static str, Proof), Refused> {
    match authenticate::authenticate(&call.app.door(), credentials, call.app.random.bytes(), call.now, &call.by()).await {
        Ok(Outcome::SignedIn { user, amr, acr, proof }) => Ok((*user, amr, acr, proof)),
        Ok(Outcome::Refused(refusal)) => Err(match refusal {
            Refusal::WrongCredentials => ErrorName::WrongCredentials.into(),
            Refusal::ResetRequired => ErrorName::ResetRequired.into(),
            Refusal::Locked { until } => Refused::later(ErrorName::TooMany, (until - call.now).to_std().unwrap_or_default()),
            Refusal::Throttled { retry_after } => Refused::later(ErrorName::TooMany, retry_after),
        }),
        Err(Fault::Busy(busy)) => Err(Refused::later(ErrorName::Unavailable, busy.retry_after)),
        Err(Fault::Storage(error)) => Err(fault(&error)),
    }
}

/// Opens a grant for somebody who proved who they are, by a password if there is a `proof` of it, and makes its first tokens.
pub async fn opened(call: &Call<'_>, client: &Client, user: &User, (amr, acr): (&str, &str), proof: Option<&Proof>) -> Done {
    let wanted = call.dialect.client.scope.split_whitespace();
    let scope: Vec<String> = wanted.filter(|name| client.has_scope(name)).map(str::to_owned).collect();
    let granted = SignedInByPassword { client, user, scope: &scope, resource: &[], amr: amr.to_owned(), acr };
    let mut opened = grant::from_password(grant::new_id(&call.app.random, call.now), granted, &call.app.tokens.lifetimes, call.now);
    if let Some(length) = call.dialect.tokens.grant {
        opened.expires_at = call.now + length;
    }
    // Who proved it is who did it: the row names the person, as that of a browser's session does.
    let by = Act { actor: Actor::Person(user.id.clone()), ..call.by() };
    grant::open(&call.app.storage, &opened, proof, &by).await.map_err(|error| refused(call, error, ErrorName::WrongCredentials))?;
    let refresh = grant::gives_refresh_token(client).then_some(0);
    minted(call, client, user, &opened, &scope, refresh).await
}

/// A refresh token for new tokens; the same refresh token again where the client has no rotation.
pub async fn refresh(call: &Call<'_>) -> Done {
    let client = call.client().await?;
    let token = call.fields.needed(FieldName::RefreshToken);
    let asked = Renewal { token, scope: None, resource: &[], open_resources: &call.app.config.resources };
    let renewed = call.app.tokens.renew(&call.app.storage, &client, &asked, call.now, &call.by()).await;
    let renewed = renewed.map_err(|error| refused(call, error, ErrorName::BadRefresh))?;
    minted(call, &client, &renewed.user, &renewed.grant, &renewed.scope, Some(renewed.generation)).await
}

/// A live access token of the dialect's own client for a new one on the same grant.
pub async fn renew(call: &Call<'_>) -> Done {
    let client = call.client().await?;
    let claims = &call.caller()?.claims;
    let renewed = call.app.tokens.renew_by_access(&call.app.storage, &client, claims, call.now, &call.by()).await;
    let renewed = renewed.map_err(|error| refused(call, error, ErrorName::BadToken))?;
    minted(call, &client, &renewed.user, &renewed.grant, &renewed.scope, None).await
}

/// Ends the grant behind the access token; and the one behind the refresh token, if it is of the same person and client.
pub async fn logout(call: &Call<'_>) -> Done {
    let caller = call.caller()?;
    let grants = &call.app.storage.grants;
    let mut ids: Vec<_> = caller.claims.gid.as_deref().and_then(crate::storage::durable::GrantId::parse).into_iter().collect();
    if let Some((id, _)) = call.fields.text(FieldName::RefreshToken).and_then(|token| call.app.tokens.read_refresh(token))
        && !ids.contains(&id)
        && let Some(grant) = grants.find(&id).await.map_err(|error| fault(&error))?
        && grant.user_id == caller.user.id
        && grant.client_id == caller.claims.client_id
    {
        ids.push(id);
    }
    for id in ids {
        grants.revoke(&id, call.now, &call.by()).await.map_err(|error| fault(&error))?;
    }
    Ok(Values::default())
}

async fn minted(call: &Call<'_>, client: &Client, user: &User, grant: &Grant, scope: &[String], refresh: Option<u32>) -> Done {
    let left = (grant.expires_at - call.now).to_std().unwrap_or_default();
    let usual = call.dialect.tokens.access.unwrap_or(call.app.tokens.lifetimes.access_token);
    // No access token outlives its sign-in.
    let lifetime: Duration = usual.min(left);
    let access = OwnAccess { lifetime: Some(lifetime), external_id: Some(call.id_of(user).await?) };
    let authorization =
        Authorization { client, person: Some((user, grant)), scope, resource: &[], refresh, sid: None, organizations: &[], access };
    let tokens = call.app.tokens.issue(&authorization, &call.app.random, call.now).map_err(|error| match error {
        MintError::NoKey(_) => {
            tracing::error!(event = "fault", detail = %error, "no tokens were made");
            Refused::later(ErrorName::Unavailable, grant::RETRY_AFTER)
        }
        MintError::Signature(_) => broken(error),
    })?;
    let mut values = call.about(user).await?;
    values.named.insert("access_token".to_owned(), json!(tokens.access_token));
    values.named.insert("refresh_token".to_owned(), json!(tokens.refresh_token));
    values.named.insert("expires_in".to_owned(), json!(tokens.expires_in));
    Ok(values)
}

fn refused(call: &Call<'_>, error: GrantError, name: ErrorName) -> Refused {
    match error {
        GrantError::Refused(refusal) => call.refused(name, refusal.code.as_str()),
        GrantError::Fault(error) => fault(&error),
    }
}
