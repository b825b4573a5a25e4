//! What an ID token says (OIDC Core §2), in openidconnect's types; and reading one of ours again as a hint.
//!
//! Leaves to others: signing (`tokens::issue`), verifying a hint's signature (`keys`).

use openidconnect::core::{CoreGenderClaim, CoreJwsSigningAlgorithm};
use openidconnect::{
    AccessTokenHash, AdditionalClaims, Audience as OidcAudience, AuthenticationContextClass, AuthenticationMethodReference, IdTokenClaims,
    IssuerUrl, Nonce, StandardClaims, SubjectIdentifier,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::access_token::Audience;
use super::claims as person_claims;
use super::client::SigningAlg;
use super::error::OAuthError;
use super::json;
use crate::clock::Time;

/// The claims of an ID token of ours.
pub type Claims = IdTokenClaims<Extra, CoreGenderClaim>;

/// What stands beside the claims that openidconnect knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extra {
    /// The session (OIDC Front-Channel Logout §3, Back-Channel Logout §2.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<String>,
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl AdditionalClaims for Extra {}

/// Everything an ID token is made of.
#[derive(Clone, Debug)]
pub struct IdTokenFacts<'a> {
    pub issuer: &'a IssuerUrl,
    pub client_id: &'a str,
    pub sub: &'a str,
    pub nonce: Option<Nonce>,
    pub auth_time: Time,
    pub acr: &'a str,
    pub amr: &'a [&'a str],
    /// OIDC Core §3.1.3.6: "Its value is the base64url encoding of the left-most half of the hash of the octets of the ASCII representation of
    /// the access_token value, where the hash algorithm used is the hash algorithm used in the alg Header Parameter of the ID Token's JOSE
    /// Header." Made by `AccessTokenHash::from_token`.
    pub at_hash: Option<AccessTokenHash>,
    /// None once a grant has outlived its session.
    pub sid: Option<&'a str>,
    pub issued_at: Time,
    pub expires_at: Time,
    /// From [`person_claims::for_scopes`].
    pub extra: Map<String, Value>,
}

/// Claims that say what the protocol did; nothing in [`IdTokenFacts::extra`] can stand in for one.
const RESERVED: [&str; 20] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "iat",
    "nbf",
    "jti",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "azp",
    "at_hash",
    "c_hash",
    "s_hash",
    "sid",
    "scope",
    "client_id",
    "act",
    "cnf",
];

/// Why no ID token could be written: a fault of ours.
#[derive(Debug, thiserror::Error)]
#[error("a claim has the wrong type: {0}")]
pub struct ClaimsError(#[from] serde_json::Error);

/// The claims of an ID token.
///
/// # Errors
/// [`ClaimsError`].
pub fn claims(facts: IdTokenFacts<'_>) -> Result<Claims, ClaimsError> {
    let (mut standard, mut more) = (Map::new(), Map::new());
    for (name, value) in facts.extra {
        if person_claims::is_standard(&name) {
            standard.insert(name, value);
        } else if !RESERVED.contains(&name.as_str()) {
            more.insert(name, value);
        }
    }
    let standard = if standard.is_empty() {
        StandardClaims::new(SubjectIdentifier::new(facts.sub.to_owned()))
    } else {
        standard.insert("sub".to_owned(), facts.sub.into());
        serde_json::from_value::<StandardClaims<CoreGenderClaim>>(Value::Object(standard))?
    };
    let amr = facts.amr.iter().map(|&method| AuthenticationMethodReference::new(method.to_owned())).collect();
    Ok(Claims::new(
        facts.issuer.clone(),
        // OIDC Core §2: "It MUST contain the OAuth 2.0 client_id of the Relying Party as an audience value."
        vec![OidcAudience::new(facts.client_id.to_owned())],
        facts.expires_at,
        facts.issued_at,
        standard,
        Extra { sid: facts.sid.map(str::to_owned), more },
    )
    .set_auth_time(Some(facts.auth_time))
    // OIDC Core §2: "If present in the Authentication Request, Authorization Servers MUST include a nonce Claim in the ID Token with
    // the Claim Value being the nonce value sent in the Authentication Request."
    .set_nonce(facts.nonce)
    .set_auth_context_ref(Some(AuthenticationContextClass::new(facts.acr.to_owned())))
    .set_auth_method_refs(Some(amr))
    .set_access_token_hash(facts.at_hash))
}

/// The name under which openidconnect knows an algorithm.
#[must_use]
pub const fn jws_algorithm(alg: SigningAlg) -> CoreJwsSigningAlgorithm {
    match alg {
        SigningAlg::RS256 => CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
        SigningAlg::ES256 => CoreJwsSigningAlgorithm::EcdsaP256Sha256,
        SigningAlg::EdDSA => CoreJwsSigningAlgorithm::EdDsa,
    }
}

/// An ID token of ours that came back as `id_token_hint`. Its age does not matter.
///
/// OIDC Core §3.1.2.1 lets a hint be used although it has expired; RP-Initiated Logout 1.0 §2: "The OP SHOULD accept ID Tokens when the
/// RP identified by the ID Token's aud claim and/or sid claim has a current session or had a recent session at the OP, even when the
/// exp time has passed."
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct HintClaims {
    pub iss: String,
    pub sub: String,
    pub aud: Audience,
    pub iat: i64,
    pub exp: i64,
    #[serde(default)]
    pub sid: Option<String>,
}

/// Reads a hint whose signature is one of ours. `typ` and `payload` are the token's.
///
/// # Errors
/// `invalid_request` for another kind of token, another issuer, or a payload that is no ID token's.
pub fn read_hint(typ: Option<&str>, payload: &[u8], issuer: &str) -> Result<HintClaims, OAuthError> {
    let refused = || OAuthError::invalid_request("id_token_hint is not an ID token of this server");
    // RFC 8725 §3.11: other kinds of JWT say so in `typ`; an ID token says nothing, or `JWT`.
    if typ.is_some_and(|typ| !typ.eq_ignore_ascii_case("JWT")) {
        return Err(refused());
    }
    let members = json::object(payload).ok_or_else(refused)?;
    let claims: HintClaims = serde_json::from_value(Value::Object(members)).map_err(|_| refused())?;
    // OIDC Core §3.1.2.1: "The Authorization Server need not be listed as an audience of the ID Token when it is used as an
    // id_token_hint value." It must be its issuer.
    if claims.iss == issuer { Ok(claims) } else { Err(refused()) }
}

impl HintClaims {
    /// Was it issued to this client?
    #[must_use]
    pub fn is_for(&self, client_id: &str) -> bool {
        self.aud.contains(client_id)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;
    use crate::protocol::error::ErrorCode;
    use serde_json::json;

    fn at(seconds: i64) -> Time {
        Time::from_timestamp(seconds, 0).expect("in range")
    }

    static ISSUER: LazyLock<IssuerUrl> = LazyLock::new(|| IssuerUrl::new("https://server.example.com".to_owned()).expect("a URL"));

    /// The example of OIDC Core §2.
    fn facts<'a>() -> IdTokenFacts<'a> {
        IdTokenFacts {
            issuer: &ISSUER,
            client_id: "s6BhdRkqt3",
            sub: "24400320",
            nonce: Some(Nonce::new("n-0S6_WzA2Mj".to_owned())),
            auth_time: at(1_311_280_969),
            acr: "urn:mace:incommon:iap:silver",
            amr: &["pwd"],
            at_hash: None,
            sid: Some("08a5019c-17e1-4977-8f42-65a12843ea02"),
            issued_at: at(1_311_280_970),
            expires_at: at(1_311_281_970),
            extra: Map::new(),
        }
    }

    fn written(facts: IdTokenFacts<'_>) -> Value {
        serde_json::to_value(claims(facts).expect("well-formed facts")).expect("JSON")
    }

    #[test]
    fn oidc_core_2_example() {
        assert_eq!(
            written(facts()),
            json!({
                "iss": "https://server.example.com",
                "sub": "24400320",
                "aud": ["s6BhdRkqt3"],
                "nonce": "n-0S6_WzA2Mj",
                "exp": 1311281970,
                "iat": 1311280970,
                "auth_time": 1311280969,
                "acr": "urn:mace:incommon:iap:silver",
                "amr": ["pwd"],
                "sid": "08a5019c-17e1-4977-8f42-65a12843ea02"
            })
        );
    }

    #[test]
    fn oidc_core_3_1_3_6_at_hash_of_appendix_a_3() {
        let token = openidconnect::AccessToken::new("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y".to_owned());
        let key = openidconnect::core::CoreJsonWebKey::new_rsa(vec![], vec![], None);
        let at_hash = AccessTokenHash::from_token(&token, &jws_algorithm(SigningAlg::RS256), &key).expect("an algorithm with a hash");
        assert_eq!(written(IdTokenFacts { at_hash: Some(at_hash), ..facts() })["at_hash"], "77QmUPtjPfzWtF2AnpK9RQ");
    }

    #[test]
    fn az_08_the_issuer_is_the_configured_string_byte_for_byte() {
        for issuer in ["http://127.0.0.1:8080", "https://id.example/", "https://ID.example:443/auth"] {
            let url = IssuerUrl::new(issuer.to_owned()).expect("a URL");
            assert_eq!(written(IdTokenFacts { issuer: &url, ..facts() })["iss"], issuer);
        }
    }

    #[test]
    fn rt_16_absent_facts_leave_no_trace() {
        let written = written(IdTokenFacts { nonce: None, sid: None, ..facts() });
        assert!(written.get("nonce").is_none() && written.get("sid").is_none() && !written.to_string().contains("null"));
    }

    #[test]
    fn tj_09_tj_11_claims_about_the_person_stand_beside_and_never_instead() {
        let Value::Object(extra) = json!({
            "name": "Jane Doe", "email": "janedoe@example.com", "email_verified": true, "updated_at": 1311280970,
            "address": {"formatted": "1 Main St"}, "roles": ["editor"],
            "iss": "https://evil.example", "sub": "mallory", "aud": "evil", "exp": 1, "nonce": "x", "sid": "x", "acr": "9",
            "at_hash": "x", "scope": "admin", "client_id": "evil", "act": {}, "cnf": {}
        }) else {
            unreachable!("an object")
        };
        let Value::Object(mut expected) = written(facts()) else { unreachable!("an object") };
        for name in ["name", "email", "email_verified", "updated_at", "address", "roles"] {
            expected.insert(name.to_owned(), extra[name].clone());
        }
        let text = serde_json::to_string(&claims(IdTokenFacts { extra, ..facts() }).expect("well-formed")).expect("JSON");
        let members = json::object(text.as_bytes()).expect("no member stands twice");
        assert_eq!(Value::Object(members), Value::Object(expected));
    }

    fn hint(change: impl FnOnce(&mut Value)) -> Vec<u8> {
        let mut payload = written(facts());
        change(&mut payload);
        payload.to_string().into_bytes()
    }

    #[test]
    fn az_15_oidc_core_3_1_2_1_a_hint_may_have_expired() {
        let read = read_hint(None, &hint(|_| ()), "https://server.example.com").expect("ours");
        assert_eq!((read.sub.as_str(), read.sid.is_some()), ("24400320", true));
        assert!(read.is_for("s6BhdRkqt3") && !read.is_for("other"));
        assert!(read_hint(Some("JWT"), &hint(|_| ()), "https://server.example.com").is_ok());
    }

    #[test]
    fn az_15_tj_05_tj_08_what_is_no_id_token_of_ours_is_no_hint() {
        let issuer = "https://server.example.com";
        let good = hint(|_| ());
        for typ in ["at+jwt", "application/at+jwt", "logout+jwt", ""] {
            assert_eq!(read_hint(Some(typ), &good, issuer).expect_err(typ).code, ErrorCode::InvalidRequest);
        }
        let bad = [
            hint(|p| p["iss"] = json!("https://server.example.com/")),
            hint(|p| p["exp"] = json!("1311281970")),
            hint(|p| p["exp"] = json!(1311281970.5)),
            hint(|p| p["aud"] = json!(["s6BhdRkqt3", 1])),
            hint(|p| p["sub"] = Value::Null),
            b"null".to_vec(),
            b"[]".to_vec(),
            b"\"text\"".to_vec(),
            b"{\"exp\":1e400}".to_vec(),
            [&good[..good.len() - 1], b",\"sub\":\"mallory\"}"].concat(),
        ];
        for payload in bad {
            assert!(read_hint(None, &payload, issuer).is_err(), "{}", String::from_utf8_lossy(&payload));
        }
    }

    #[test]
    fn algorithms_have_the_same_name_on_both_sides() {
        for alg in SigningAlg::ALL {
            assert_eq!(serde_json::to_value(jws_algorithm(alg)).expect("a string"), alg.as_str());
        }
    }
}
