//! `client_secret_basic` and `client_secret_post` (RFC 6749 §2.3.1).

use async_trait::async_trait;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode;

use super::{Method, Presented};
use crate::app::App;
use crate::clock::Time;
use crate::protocol::client::AuthMethod;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::params::Params;
use crate::storage::durable::ClientRecord;

pub struct Basic;
pub struct Post;

#[async_trait]
impl Method for Basic {
    fn name(&self) -> AuthMethod {
        AuthMethod::ClientSecretBasic
    }

    fn presented(&self, headers: &HeaderMap, params: &Params) -> Result<Option<Presented>, OAuthError> {
        let malformed = || OAuthError::new(ErrorCode::InvalidClient, "The Authorization header is not well-formed Basic");
        let mut all = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = all.next() else { return Ok(None) };
        if all.next().is_some() {
            return Err(OAuthError::invalid_request("More than one Authorization header"));
        }
        let value = value.to_str().map_err(|_| malformed())?;
        let (scheme, encoded) = value.split_once(' ').ok_or_else(malformed)?;
        // RFC 9110 §11.1: the scheme is "a case-insensitive token".
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(OAuthError::new(ErrorCode::InvalidClient, "Only Basic authentication is accepted here"));
        }
        let decoded = STANDARD.decode(encoded.trim_matches(' ')).map_err(|_| malformed())?;
        let decoded = String::from_utf8(decoded).map_err(|_| malformed())?;
        let (id, secret) = decoded.split_once(':').ok_or_else(malformed)?;
        let (client_id, secret) = (form_decode(id), form_decode(secret));
        // Many libraries repeat the id in the body: the same id there is the same statement, not a second method.
        if params.get("client_id").is_some_and(|named| named != client_id) {
            return Err(OAuthError::invalid_request("client_id differs from the one in the Authorization header"));
        }
        Ok(Some(Presented { client_id, secret: Some(secret) }))
    }

    async fn verify(&self, app: &App, record: &ClientRecord, presented: &Presented, now: Time) -> bool {
        holds(app, record, presented, now)
    }
}

#[async_trait]
impl Method for Post {
    fn name(&self) -> AuthMethod {
        AuthMethod::ClientSecretPost
    }

    fn presented(&self, _: &HeaderMap, params: &Params) -> Result<Option<Presented>, OAuthError> {
        let Some(secret) = params.get("client_secret") else { return Ok(None) };
        let client_id = params.get("client_id").ok_or_else(|| OAuthError::invalid_request("client_id is missing"))?;
        Ok(Some(Presented { client_id: client_id.to_owned(), secret: Some(secret.to_owned()) }))
    }

    async fn verify(&self, app: &App, record: &ClientRecord, presented: &Presented, now: Time) -> bool {
        holds(app, record, presented, now)
    }
}

fn holds(app: &App, record: &ClientRecord, presented: &Presented, now: Time) -> bool {
    presented.secret.as_deref().is_some_and(|secret| crate::clients::verify_secret(&app.seal, record, secret, now))
}

/// RFC 6749 §2.3.1: "The client identifier is encoded using the "application/x-www-form-urlencoded" encoding algorithm". Clients that
/// do not encode are compared raw: our ids and secrets have an alphabet in which both are the same.
fn form_decode(value: &str) -> String {
    let spaced = value.replace('+', " ");
    percent_decode(spaced.as_bytes()).decode_utf8().map_or_else(|_| value.to_owned(), Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, format!("Basic {}", STANDARD.encode(value)).parse().expect("header"));
        headers
    }

    #[test]
    fn form_encoding_is_undone_and_its_absence_tolerated() {
        let none = Params::parse("").expect("empty");
        let presented = Basic.presented(&basic("a%2Db:s%5F1"), &none).expect("well-formed").expect("there");
        assert_eq!((presented.client_id.as_str(), presented.secret.as_deref()), ("a-b", Some("s_1")));
        let raw = Basic.presented(&basic("a-b:100%zz"), &none).expect("well-formed").expect("there");
        assert_eq!(raw.secret.as_deref(), Some("100%zz"));
        let colon = Basic.presented(&basic("a:b:c"), &none).expect("well-formed").expect("there");
        assert_eq!(colon.secret.as_deref(), Some("b:c"));
    }

    #[test]
    fn the_scheme_is_case_insensitive_and_a_second_id_must_agree() {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, format!("bAsIc {}", STANDARD.encode("a:b")).parse().expect("header"));
        assert!(Basic.presented(&headers, &Params::parse("client_id=a").expect("form")).expect("fine").is_some());
        assert!(Basic.presented(&headers, &Params::parse("client_id=z").expect("form")).is_err());
        headers.insert(header::AUTHORIZATION, "Basic ???".parse().expect("header"));
        assert!(Basic.presented(&headers, &Params::parse("").expect("form")).is_err());
    }
}
