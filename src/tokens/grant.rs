//! Opens and renews grants; a replay ends one. The token endpoint is a thin caller.

use std::time::Duration;

use super::{Lifetimes, Tokens, issue, refresh};
use crate::clock::{Random, Time};
use crate::protocol::access_token::AccessClaims;
use crate::protocol::claims::Organization;
use crate::protocol::client::{Client, GrantType};
use crate::protocol::error::OAuthError;
use crate::protocol::{refresh_token, resource, scope};
use crate::storage::durable::{self, Act, ByCode, Grant, GrantId, Opened, OpenedByCode, Proof, Rotation, User};
use crate::storage::records::AuthorizationCode;
use crate::storage::{Storage, StorageError};
use crate::telemetry::metrics;

/// Why a grant was not opened or renewed: the client's doing, or a fault.
#[derive(Debug)]
pub enum GrantError {
    Refused(OAuthError),
    Fault(StorageError),
}

impl From<StorageError> for GrantError {
    fn from(fault: StorageError) -> Self {
        Self::Fault(fault)
    }
}

impl From<OAuthError> for GrantError {
    fn from(refusal: OAuthError) -> Self {
        Self::Refused(refusal)
    }
}

/// A fresh id: unique, and no secret.
#[must_use]
pub fn new_id(random: &Random, now: Time) -> GrantId {
    GrantId(random.in_order(now))
}

/// The grant that an authorization code opens.
#[must_use]
pub fn from_code(id: GrantId, code: &AuthorizationCode, lifetimes: &Lifetimes, now: Time) -> Grant {
    Grant {
        id,
        client_id: code.request.reply_to.client_id.clone(),
        user_id: code.user_id.clone(),
        session_id: Some(code.session_id.clone()),
        offline: code.scope.iter().any(|scope| scope == scope::OFFLINE_ACCESS),
        scope: scope::join(&code.scope),
        resource: code.request.resource.join(" "),
        claims: code.request.claims.as_ref().and_then(|claims| serde_json::to_string(claims).ok()),
        nonce: code.request.nonce.clone(),
        auth_time: code.auth_time,
        acr: code.acr.clone(),
        amr: code.amr.clone(),
        generation: 0,
        rotated_at: now,
        created_at: now,
        expires_at: now + lifetimes.refresh_max,
        revoked_at: None,
    }
}

/// What a password sign-in was granted.
pub struct SignedInByPassword<'a> {
    pub client: &'a Client,
    pub user: &'a User,
    pub scope: &'a [String],
    pub resource: &'a [String],
    /// Space-separated (RFC 8176).
    pub amr: String,
    pub acr: &'a str,
}

/// The grant that a password sign-in opens.
#[must_use]
pub fn from_password(id: GrantId, granted: SignedInByPassword<'_>, lifetimes: &Lifetimes, now: Time) -> Grant {
    Grant {
        id,
        client_id: granted.client.client_id.clone(),
        user_id: granted.user.id.clone(),
        session_id: None,
        offline: granted.scope.iter().any(|scope| scope == scope::OFFLINE_ACCESS),
        scope: scope::join(granted.scope),
        resource: granted.resource.join(" "),
        claims: None,
        nonce: None,
        auth_time: now,
        acr: granted.acr.to_owned(),
        amr: granted.amr,
        generation: 0,
        rotated_at: now,
        created_at: now,
        expires_at: now + lifetimes.refresh_max,
        revoked_at: None,
    }
}

/// The words for every password that is not right.
pub const WRONG_PASSWORD: &str = "The user name or password is not right";

/// Opens the grant of somebody who signed in without a browser, by a password if there is a `proof` of one.
///
/// # Errors
/// `invalid_grant` where the password was changed, or the account disabled, since it was proved; faults of the store.
pub async fn open(storage: &Storage, grant: &Grant, proof: Option<&Proof>, by: &Act) -> Result<(), GrantError> {
    let stands = match proof {
        Some(proof) => {
            let stands = storage.grants.open_proved(grant, proof, by).await?;
            if stands {
                metrics::login("password", "ok", "");
            }
            stands
        }
        None => storage.grants.open(grant, None, by).await? == Opened::Fresh,
    };
    if stands { Ok(()) } else { Err(OAuthError::invalid_grant(WRONG_PASSWORD).into()) }
}

/// Opens the grant of a code, whose session must be live; the person comes with it. A replay revokes what the code had opened before.
///
/// # Errors
/// `invalid_grant` for a replay and for a code whose session is over; faults of the store.
pub async fn open_by_code(storage: &Storage, grant: &Grant, code: ByCode<'_>, by: &Act) -> Result<User, GrantError> {
    match storage.grants.open_by_code(grant, code, by).await? {
        OpenedByCode::Fresh(user) => Ok(*user),
        OpenedByCode::Replay => Err(OAuthError::invalid_grant("The authorization code was used before").into()),
        OpenedByCode::Over => {
            // What it may have opened before the session ended can outlive that (`offline_access`).
            storage.grants.replayed(code.digest, &grant.client_id, grant.created_at, by).await?;
            Err(OAuthError::invalid_grant("The authorization code is not valid any more").into())
        }
    }
}

/// A grant that was renewed, ready for the mint.
pub struct Renewed {
    pub grant: Grant,
    pub user: User,
    /// The generation of the refresh token to hand out.
    pub generation: u32,
    pub scope: Vec<String>,
    pub resource: Vec<String>,
    /// Those of the ID token.
    pub organizations: Vec<Organization>,
}

/// What a refresh request asks for.
pub struct Renewal<'a> {
    pub token: &'a str,
    pub scope: Option<&'a str>,
    pub resource: &'a [&'a str],
    /// The resources that are open to every client.
    pub open_resources: &'a [String],
}

impl Tokens {
    /// Renews the grant behind a refresh token by one conditional write, which comes last: a refresh that is refused, or that a fault cuts off, has spent
    /// nothing. Where the request asks for nothing and the client has lost nothing, the write alone decides.
    ///
    /// # Errors
    /// `invalid_grant`, `invalid_scope`, `invalid_target`; faults of the store. A replay revokes the grant.
    pub async fn renew(&self, storage: &Storage, client: &Client, asked: &Renewal<'_>, now: Time, by: &Act) -> Result<Renewed, GrantError> {
        let dead = || OAuthError::invalid_grant("The refresh token is not valid");
        let (id, generation) = refresh::decode(&self.seal, asked.token).ok_or_else(dead)?;
        // Without a narrower scope or resource there is nothing to refuse but what the store decides: one step, if it is the current token. What was
        // taken from the client since is part of the step, and organisations would have to be read before it.
        if client.refresh_token_rotation && asked.scope.is_none() && asked.resource.is_empty() && !client.has_scope(scope::ORG) {
            let renewal = durable::Renewal {
                client_id: &client.client_id,
                generation,
                session_idle: self.lifetimes.session_idle,
                refresh_idle: self.lifetimes.refresh_idle,
                scope: &client.scope,
                offline: client.has_scope(scope::OFFLINE_ACCESS),
                resource: asked.open_resources.iter().any(|open| open == resource::ANY),
            };
            if let Some((grant, user)) = storage.grants.renew(&id, renewal, now).await? {
                let (generation, scope) = (grant.generation, scope_of(client, &grant, None)?);
                let resource = grant.resource.split_whitespace().map(str::to_owned).collect();
                return Ok(Renewed { grant, user, generation, scope, resource, organizations: Vec::new() });
            }
        }
        let Some((grant, user)) = storage.grants.refreshable(&id, self.lifetimes.session_idle, now).await? else {
            return Err(dead().into());
        };
        // RFC 6749 §10.4: "The authorization server MUST maintain the binding between a refresh token and the client to whom it was issued."
        if grant.client_id != client.client_id {
            return Err(dead().into());
        }
        // A replay is one whatever else the request asks for: nothing of it is looked at first.
        let repeated = durable::is_retry(generation, grant.generation, grant.rotated_at, self.lifetimes.refresh_retry, now);
        if generation != grant.generation && !repeated {
            return self.spend(storage, client, &id, generation, now, by).await.and_then(|_| Err(dead().into()));
        }
        let scope = scope_of(client, &grant, asked.scope)?;
        let resources: Vec<String> = grant.resource.split_whitespace().map(str::to_owned).collect();
        refresh_token::live(grant.rotated_at, grant.expires_at, self.lifetimes.refresh_idle, now)?;
        let resource = resource::narrow(&resources, &self.issuer, asked.resource)?;
        let resource = resource::still_allowed(client, asked.open_resources, &self.issuer, resource)?;
        let organizations = issue::organizations_of_id_token(storage, client, &grant, &scope).await?;
        let generation = self.spend(storage, client, &id, generation, now, by).await?;
        Ok(Renewed { grant, user, generation, scope, resource, organizations })
    }

    /// Renews the grant behind a live access token of this client, which stands in for a refresh token where an old service had none. Only for
    /// `legacy`: at the token endpoint an access token renews nothing.
    ///
    /// # Errors
    /// `invalid_grant`; faults of the store.
    pub async fn renew_by_access(
        &self,
        storage: &Storage,
        client: &Client,
        claims: &AccessClaims,
        now: Time,
        by: &Act,
    ) -> Result<Renewed, GrantError> {
        let dead = || OAuthError::invalid_grant("The access token renews nothing");
        let id = claims.gid.as_deref().and_then(GrantId::parse).filter(|_| claims.client_id == client.client_id).ok_or_else(dead)?;
        let Some((grant, user)) = storage.grants.refreshable(&id, self.lifetimes.session_idle, now).await? else {
            return Err(dead().into());
        };
        // However often it is renewed, the sign-in ends when it was said to end.
        if grant.client_id != client.client_id || grant.expires_at <= now {
            return Err(dead().into());
        }
        let scope = still_registered(client, claims.scope.split_whitespace())?;
        match storage.grants.touch(&id, grant.generation, Duration::ZERO, now, by).await? {
            Rotation::Next(generation) | Rotation::Repeat(generation) => {
                Ok(Renewed { grant, user, generation, scope, resource: Vec::new(), organizations: Vec::new() })
            }
            Rotation::Reuse | Rotation::Gone => Err(dead().into()),
        }
    }

    /// The generation to hand out for the one presented; a replay revokes the grant.
    async fn spend(
        &self,
        storage: &Storage,
        client: &Client,
        id: &GrantId,
        generation: u32,
        now: Time,
        by: &Act,
    ) -> Result<u32, GrantError> {
        let rotation = if client.refresh_token_rotation {
            storage.grants.rotate(id, generation, self.lifetimes.refresh_retry, now, by).await?
        } else {
            storage.grants.touch(id, generation, self.lifetimes.refresh_retry, now, by).await?
        };
        match rotation {
            Rotation::Next(generation) | Rotation::Repeat(generation) => Ok(generation),
            Rotation::Reuse => {
                crate::telemetry::metrics::refresh_reuse();
                tracing::warn!(event = "refresh_reuse", client_id = %client.client_id, "a refresh token was replayed; its grant is revoked");
                Err(OAuthError::invalid_grant("The refresh token was used before; its tokens are revoked").into())
            }
            Rotation::Gone => Err(OAuthError::invalid_grant("The refresh token is not valid").into()),
        }
    }
}

/// Of scopes that were granted those that still are: not what an administrator has taken from the client since.
///
/// # Errors
/// `invalid_scope` where none is left. An answer without `scope` would say that all were granted (RFC 6749 §5.1: "OPTIONAL, if identical to the scope
/// requested by the client; otherwise, REQUIRED").
pub fn still_registered<'a>(client: &Client, granted: impl Iterator<Item = &'a str>) -> Result<Vec<String>, OAuthError> {
    let mut granted = granted.peekable();
    let any = granted.peek().is_some();
    let left: Vec<String> = granted.filter(|name| client.has_scope(name)).map(str::to_owned).collect();
    if any && left.is_empty() {
        return Err(OAuthError::invalid_scope("None of the granted scopes is registered for this client any more"));
    }
    Ok(left)
}

/// The scopes that a refresh token is good for: those granted, or what is `asked` of them, as far as they still are. A grant that outlives its session
/// does so by `offline_access`, and ends with it: tied to a session that may be long over, it would have no end of its own.
///
/// # Errors
/// `invalid_scope` for more than was granted, and where nothing is left; `invalid_grant` without `offline_access`, and for another client's.
pub fn scope_of(client: &Client, grant: &Grant, asked: Option<&str>) -> Result<Vec<String>, OAuthError> {
    let granted: Vec<String> = grant.scope.split_whitespace().map(str::to_owned).collect();
    let kept = refresh_token::check(&grant.client_id, &client.client_id, &granted, asked)?;
    if grant.offline && !client.has_scope(scope::OFFLINE_ACCESS) {
        return Err(OAuthError::invalid_grant("The client may not stay connected any more"));
    }
    still_registered(client, kept.iter().map(String::as_str))
}

/// Does the grant's client get a refresh token with it?
#[must_use]
pub fn gives_refresh_token(client: &Client) -> bool {
    client.allows(GrantType::RefreshToken)
}

/// How long a store waits before a retry is worth it, told to clients as `Retry-After`.
pub const RETRY_AFTER: Duration = Duration::from_secs(2);
