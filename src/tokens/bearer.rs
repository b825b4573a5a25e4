//! From a presented token to what it stands for now: used by userinfo, introspection, revocation, `api` and `legacy`.
//!
//! How a request carries one is RFC 6750 §2. Leaves to others: its §3, the challenge after a refusal, which each caller writes in its own form
//! (`endpoints::userinfo`, `api::problem`, `legacy::answer`).

use axum::http::{HeaderMap, header};

use super::{Tokens, opaque, refresh};
use crate::clock::Time;
use crate::keys::KeyError;
use crate::protocol::access_token::{self, AccessClaims};
use crate::protocol::params::Params;
use crate::storage::durable::{ClientRecord, GrantId, Holder, Standing, TokenRef};
use crate::storage::{Storage, StorageError};

/// An access token that is genuine, in time, and not revoked.
pub struct Access {
    pub claims: AccessClaims,
    /// Its person; none for a token of the client itself.
    pub holder: Option<Box<Holder>>,
}

/// `Authorization: Bearer …` (RFC 6750 §2.1), the scheme in any case (RFC 9110 §11.1).
///
/// # Errors
/// `Err(())` for a header that is there and no bearer token, or more than one header.
#[expect(clippy::result_unit_err, reason = "there is nothing more to say about a malformed header")]
pub fn from_header(headers: &HeaderMap) -> Result<Option<&str>, ()> {
    let mut all = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = all.next() else { return Ok(None) };
    if all.next().is_some() {
        return Err(());
    }
    // As `to_str`, which looks at every byte of a long token by itself: a header holds no control characters.
    let value = std::str::from_utf8(value.as_bytes()).ok().filter(|value| value.is_ascii()).ok_or(())?;
    let (scheme, token) = value.split_once(' ').ok_or(())?;
    let token = token.trim_matches(' ');
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    if token.is_empty() || token.contains(' ') {
        return Err(());
    }
    Ok(Some(token))
}

/// Why a request has no token to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotPresented {
    /// It carries none. Another scheme is no bearer token (RFC 6750 §3: the challenge says which one is meant).
    Missing,
    /// It carries one in a way that is none, or in two.
    Malformed,
}

/// The token of a request that may have it in its header or in its body (RFC 6750 §2.1, §2.2). `form` is the body, where it is a form and came by
/// POST; who reads it keeps to §2.2: "The HTTP request entity-header includes the "Content-Type" header field set to
/// "application/x-www-form-urlencoded"", and "the "GET" method MUST NOT be used."
///
/// # Errors
/// [`NotPresented`].
pub fn presented<'a>(headers: &'a HeaderMap, query: Option<&str>, form: Option<&'a Params>) -> Result<&'a str, NotPresented> {
    // RFC 6750 §2: "Clients MUST NOT use more than one method to transmit the token in each request." §3.1, invalid_request: "repeats the same
    // parameter, uses more than one method for including an access token, or is otherwise malformed."
    if form.is_some_and(|form| form.repeats(PARAMETER)) {
        return Err(NotPresented::Malformed);
    }
    // RFC 9700 §4.3.2: "Clients MUST NOT pass access tokens in a URI query parameter in the way described in Section 2.3 of [RFC6750]."
    if query.is_some_and(|query| Params::parse(query).is_ok_and(|params| params.get(PARAMETER).is_some())) {
        return Err(NotPresented::Malformed);
    }
    match (from_header(headers), form.and_then(|form| form.get(PARAMETER))) {
        (Ok(Some(token)), None) | (Ok(None), Some(token)) => Ok(token),
        (Ok(None), None) => Err(NotPresented::Missing),
        (Ok(Some(_)), Some(_)) | (Err(()), _) => Err(NotPresented::Malformed),
    }
}

/// RFC 6750 §2.2: "the client adds the access token to the request-body using the "access_token" parameter."
const PARAMETER: &str = "access_token";

/// Seconds that the clocks of two replicas may be apart. Fewer than `protocol` believes elsewhere: for so long before a client was made, a token of
/// a former one of the same id would still be its.
const CLOCKS: i64 = 5;

impl Tokens {
    /// Reads an access token that this issuer made and that has not expired. Says nothing about revocation.
    ///
    /// Of RFC 9068 §4 `typ` is `access_token::is_type`, `iss` and `exp` are `AccessClaims::live`; `aud` is the resource server's to check:
    /// `api::access` and `legacy::operations` for our own, which take tokens whose audience is the issuer.
    #[must_use]
    pub fn read(&self, token: &str, now: Time) -> Option<AccessClaims> {
        let payload = if opaque::is_access_token(token) {
            opaque::open_access_token(&self.seal, token)?
        } else {
            let verified = self.keys.verify(token, now).ok()?;
            if !access_token::is_type(verified.typ.as_deref()) {
                return None;
            }
            verified.payload
        };
        let claims: AccessClaims = serde_json::from_slice(&payload).ok()?;
        claims.live(&self.issuer, now).then_some(claims)
    }

    /// The same for a token that may be signed with a key which another replica has just made.
    ///
    /// # Errors
    /// A fault of the store, which says nothing about the token.
    pub async fn read_any(&self, token: &str, now: Time) -> Result<Option<AccessClaims>, StorageError> {
        if let Some(claims) = self.read(token, now) {
            return Ok(Some(claims));
        }
        self.learn(token, now).await?;
        Ok(self.read(token, now))
    }

    /// Makes sure that a token is not refused for a key which another replica has just made.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn learn(&self, token: &str, now: Time) -> Result<(), StorageError> {
        self.keys.learn(token, now).await.map_err(|error| match error {
            KeyError::Storage(fault) => fault,
            other => StorageError::corrupt(other),
        })
    }

    /// The token with its standing in the store: `None` if it is not, or no longer, good.
    ///
    /// # Errors
    /// A fault of the store, which says nothing about the token.
    pub async fn access(&self, storage: &Storage, token: &str, now: Time) -> Result<Option<Access>, StorageError> {
        let Some(claims) = self.read_any(token, now).await? else { return Ok(None) };
        self.standing(storage, claims).await
    }

    /// The standing of claims that were read before.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn standing(&self, storage: &Storage, claims: AccessClaims) -> Result<Option<Access>, StorageError> {
        let grant = match claims.gid.as_deref().map(GrantId::parse) {
            Some(None) => return Ok(None),
            Some(Some(id)) => Some(id),
            None => None,
        };
        // What a disabled or deleted client holds is dead with it, and so is what a former client of the same id had.
        let born = |record: &ClientRecord| record.created_at.timestamp() - CLOCKS;
        match storage.clients.in_use(&claims.client_id).await? {
            Some(record) if claims.iat >= born(&record) => {}
            _ => return Ok(None),
        }
        let token = TokenRef { jti: &claims.jti, grant: grant.as_ref(), sid: claims.sid.as_deref() };
        Ok(match storage.grants.standing(token).await? {
            Standing::Live(holder) => Some(Access { claims, holder }),
            Standing::Dead => None,
        })
    }

    /// The grant and generation of a refresh token of ours; `None` for anything else.
    #[must_use]
    pub fn read_refresh(&self, token: &str) -> Option<(GrantId, u32)> {
        refresh::decode(&self.seal, token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a request presents with these `Authorization` headers, this query and this form.
    fn presents(authorization: &[&str], query: Option<&str>, form: Option<&str>) -> Result<String, NotPresented> {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(header::AUTHORIZATION, value.parse().expect("a header"));
        }
        let form = form.map(|form| Params::parse(form).expect("well-formed"));
        presented(&headers, query, form.as_ref()).map(str::to_owned)
    }

    #[test]
    fn rfc6750_2_1_in_the_header() {
        for header in ["Bearer mF_9.B5f-4.1JqM", "bearer mF_9.B5f-4.1JqM", "BEARER  mF_9.B5f-4.1JqM "] {
            assert_eq!(presents(&[header], None, None).as_deref(), Ok("mF_9.B5f-4.1JqM"), "{header}");
        }
        for header in ["Bearer", "Bearer ", "Bearer a b", "Bearer é"] {
            assert_eq!(presents(&[header], None, None), Err(NotPresented::Malformed), "{header}");
        }
        assert_eq!(presents(&["Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"], None, None), Err(NotPresented::Missing));
    }

    #[test]
    fn rfc6750_2_2_in_the_body() {
        assert_eq!(presents(&[], Some("schema=openid"), Some("a=b&access_token=mF_9.B5f-4.1JqM")).as_deref(), Ok("mF_9.B5f-4.1JqM"));
        // Another scheme beside it is no second token.
        assert_eq!(presents(&["Basic YTpi"], None, Some("access_token=t")).as_deref(), Ok("t"));
        for form in [None, Some(""), Some("token=t"), Some("access_token=")] {
            assert_eq!(presents(&[], None, form), Err(NotPresented::Missing), "{form:?}");
        }
    }

    #[test]
    fn rfc9700_4_3_2_never_in_the_query() {
        for (authorization, form) in [(&[][..], None), (&["Bearer t"], None), (&[], Some("access_token=t"))] {
            assert_eq!(presents(authorization, Some("a=b&access_token=t"), form), Err(NotPresented::Malformed));
        }
    }

    #[test]
    fn rfc6750_2_in_one_place_and_once() {
        assert_eq!(presents(&["Bearer t"], None, Some("access_token=t")), Err(NotPresented::Malformed), "in two places");
        assert_eq!(presents(&["Bearer"], None, Some("access_token=t")), Err(NotPresented::Malformed), "half of one is one");
        assert_eq!(presents(&["Bearer t", "Bearer t"], None, None), Err(NotPresented::Malformed), "two headers");
        assert_eq!(presents(&[], None, Some("access_token=t&access_token=t")), Err(NotPresented::Malformed), "two parameters");
        assert_eq!(presents(&["Bearer t"], None, Some("access_token=t&access_token=t")), Err(NotPresented::Malformed));
    }
}
