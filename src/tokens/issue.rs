//! The single mint: whatever grant was redeemed, its tokens are made here.

use openidconnect::{AccessToken, AccessTokenHash, Nonce};
use serde_json::{Map, Value};

use super::{Tokens, opaque, refresh};
use crate::clock::{Random, Time};
use crate::keys::SigningKey;
use crate::protocol::access_token::{self, AccessClaims, Audience};
use crate::protocol::claims::{self, Entry, Organization, Person};
use crate::protocol::client::{AccessTokenFormat, Client, SigningAlg};
use crate::protocol::id_token::{self, IdTokenFacts};
use crate::protocol::{introspection, scope};
use crate::storage::durable::{Grant, Membership, User};
use crate::storage::{Storage, StorageError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Why nothing was minted: a fault of ours, never the client's.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    #[error("no key signs with {0}")]
    NoKey(&'static str),
    #[error("a signature failed: {0}")]
    Signature(String),
}

/// What a token request was granted.
pub struct Authorization<'a> {
    pub client: &'a Client,
    /// The person and their grant; none where the client acts for itself.
    pub person: Option<(&'a User, &'a Grant)>,
    /// The scopes of this access token.
    pub scope: &'a [String],
    /// The resources of this access token; empty means the issuer.
    pub resource: &'a [String],
    /// The generation of the refresh token to give; none for no refresh token.
    pub refresh: Option<u32>,
    /// The session these tokens name. A grant that outlives its session names it only at first.
    pub sid: Option<&'a str>,
    /// The organisations of the person, where they are part of the answer.
    pub organizations: &'a [Organization],
    /// What is not as usual about the access token.
    pub access: OwnAccess,
}

/// What an access token may have of its own.
#[derive(Clone, Debug, Default)]
pub struct OwnAccess {
    /// None: as long as every other.
    pub lifetime: Option<Duration>,
    /// The person's id in an old service.
    pub external_id: Option<Value>,
}

/// A token response (RFC 6749 §5.1).
#[derive(Debug, serde::Serialize, utoipa::ToSchema)]
pub struct TokenResponse {
    pub access_token: String,
    pub token_type: &'static str,
    pub expires_in: u64,
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// RFC 6749 §3.3 has no empty scope.
    #[schema(required = false)]
    #[serde(skip_serializing_if = "String::is_empty")]
    pub scope: String,
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
}

/// The person behind a user record, as the rules about claims see them.
#[must_use]
pub fn person<'a>(user: &'a User, organizations: &'a [Organization]) -> Person<'a> {
    Person {
        sub: &user.id,
        email: &user.email,
        email_verified: user.email_verified,
        username: user.username.as_deref(),
        name: user.name.as_deref(),
        locale: user.locale.as_deref(),
        claims: &user.claims,
        updated_at: user.updated_at,
        roles: &user.roles,
        external_ids: &user.external,
        organizations,
    }
}

/// What the system that a client names ([`Client::external_id_source`]) called a person: a number where it is written as one, as it was there.
fn external_id(client: &Client, user: &User) -> Option<Value> {
    let source = client.external_id_source.as_deref()?;
    let id = &user.external.iter().find(|external| external.source == source)?.id;
    Some(id.parse::<i64>().ok().filter(|number| number.to_string() == *id).map_or_else(|| Value::from(id.as_str()), Value::from))
}

/// The organisations of a person, where the scopes or a `claims` parameter ask for them; nothing is read otherwise.
///
/// # Errors
/// A fault of the store.
pub async fn organizations(
    storage: &Storage,
    user_id: &str,
    scopes: &[String],
    asked: Option<&BTreeMap<String, Option<Entry>>>,
) -> Result<Vec<Organization>, StorageError> {
    if !claims::wants_organizations(scopes, asked) {
        return Ok(Vec::new());
    }
    let found = storage.organizations.of_person(user_id).await?;
    let organization =
        |found: Membership| Organization { id: found.organization_id, slug: found.slug, name: found.name, roles: found.roles };
    Ok(found.into_iter().map(organization).collect())
}

/// Those of an ID token. They are read before anything is spent: a fault of the store then costs nothing but the attempt.
///
/// # Errors
/// A fault of the store.
pub async fn organizations_of_id_token(
    storage: &Storage,
    client: &Client,
    grant: &Grant,
    scopes: &[String],
) -> Result<Vec<Organization>, StorageError> {
    let asked = claims::ClaimsRequest::of_grant(grant.claims.as_deref(), &client.scope);
    organizations(storage, &grant.user_id, scopes, Some(&asked.id_token)).await
}

impl Tokens {
    /// Makes the whole answer: access token, the refresh token due, and an ID token where `openid` was granted.
    ///
    /// # Errors
    /// [`MintError`], a fault.
    pub fn issue(&self, granted: &Authorization<'_>, random: &Random, now: Time) -> Result<TokenResponse, MintError> {
        let access_token = self.access_token(granted, random, now)?;
        let id_token = match granted.person {
            Some((user, grant)) if granted.scope.iter().any(|scope| scope == scope::OPENID) => {
                Some(self.id_token(granted, user, grant, &access_token, now)?)
            }
            _ => None,
        };
        let refresh_token = match (granted.person, granted.refresh) {
            (Some((_, grant)), Some(generation)) => Some(refresh::encode(&self.seal, &grant.id, generation)),
            _ => None,
        };
        Ok(TokenResponse {
            access_token,
            token_type: introspection::BEARER,
            expires_in: self.access_lifetime(granted).as_secs(),
            refresh_token,
            scope: scope::join(granted.scope),
            id_token,
        })
    }

    fn access_lifetime(&self, granted: &Authorization<'_>) -> Duration {
        granted.access.lifetime.unwrap_or(self.lifetimes.access_token)
    }

    fn access_token(&self, granted: &Authorization<'_>, random: &Random, now: Time) -> Result<String, MintError> {
        let grant = granted.person.map(|(_, grant)| grant);
        let claims = AccessClaims {
            iss: self.issuer.clone(),
            // RFC 9068 §2.2: "In cases of access tokens obtained through grants where no resource owner is involved, such as
            // the client credentials grant, the value of 'sub' SHOULD correspond to an identifier the authorization server
            // uses to indicate the client application."
            sub: granted.person.map_or_else(|| granted.client.client_id.clone(), |(user, _)| user.id.clone()),
            aud: if granted.resource.is_empty() { Audience::one(self.issuer.clone()) } else { Audience::many(granted.resource.to_vec()) },
            exp: (now + self.access_lifetime(granted)).timestamp(),
            iat: now.timestamp(),
            jti: URL_SAFE_NO_PAD.encode(random.bytes::<16>()),
            client_id: granted.client.client_id.clone(),
            scope: scope::join(granted.scope),
            auth_time: grant.map(|grant| grant.auth_time.timestamp()),
            acr: grant.map(|grant| grant.acr.clone()),
            amr: grant.map(|grant| grant.amr.split_whitespace().map(str::to_owned).collect()),
            sid: granted.sid.map(str::to_owned),
            gid: grant.map(|grant| grant.id.hex()),
            external_id: granted.access.external_id.clone().or_else(|| external_id(granted.client, granted.person?.0)),
        };
        match granted.client.access_token_format {
            AccessTokenFormat::Jwt => self
                .signer(granted.client.access_token_signed_response_alg, now)?
                .sign_jwt(access_token::TYPE, &claims)
                .map_err(|error| MintError::Signature(error.to_string())),
            AccessTokenFormat::Opaque => {
                let plain = serde_json::to_vec(&claims).map_err(|error| MintError::Signature(error.to_string()))?;
                opaque::seal_access_token(&self.seal, &plain, random.bytes())
                    .ok_or_else(|| MintError::Signature("the claims are too long for a token".to_owned()))
            }
        }
    }

    fn id_token(
        &self,
        granted: &Authorization<'_>,
        user: &User,
        grant: &Grant,
        access_token: &str,
        now: Time,
    ) -> Result<String, MintError> {
        let requested = claims::ClaimsRequest::of_grant(grant.claims.as_deref(), &granted.client.scope);
        let person = person(user, granted.organizations);
        let scopes: &[String] = if granted.client.claims_in_id_token { granted.scope } else { &[] };
        let mut extra: Map<String, Value> = claims::for_scopes(scopes, Some(&requested.id_token), &person);
        extra.extend(external_id(granted.client, user).map(|id| ("external_id".to_owned(), id)));
        let amr: Vec<&str> = grant.amr.split_whitespace().collect();
        let failed = |error: String| MintError::Signature(error);
        let alg = granted.client.id_token_signed_response_alg;
        let signer = self.signer(alg, now)?;
        let access_token = AccessToken::new(access_token.to_owned());
        let at_hash = AccessTokenHash::from_token(&access_token, &id_token::jws_algorithm(alg), signer.public());
        let claims = id_token::claims(IdTokenFacts {
            issuer: &self.issuer_url,
            client_id: &granted.client.client_id,
            sub: &user.id,
            // OIDC Core §3.1.2.1: "The value is passed through unmodified from the Authentication Request to the ID Token."
            nonce: grant.nonce.clone().map(Nonce::new),
            auth_time: grant.auth_time,
            acr: &grant.acr,
            amr: &amr,
            at_hash: Some(at_hash.map_err(|error| failed(error.to_string()))?),
            sid: granted.sid,
            issued_at: now,
            expires_at: now + self.lifetimes.id_token,
            extra,
        })
        .map_err(|error| failed(error.to_string()))?;
        signer.sign_id_token(&claims).map_err(|error| failed(error.to_string()))
    }

    fn signer(&self, alg: SigningAlg, now: Time) -> Result<Arc<SigningKey>, MintError> {
        self.keys.signer(alg, now).ok_or(MintError::NoKey(alg.as_str()))
    }
}
