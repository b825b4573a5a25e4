//! What the server says of itself (OIDC Discovery §3 and §4.3, RFC 8414 §2), in openidconnect's types.
//!
//! What every provider must have, listed here or not, is OIDC Core §15.1: "OPs MUST support signing ID Tokens with the RSA SHA-256 algorithm (an
//! alg value of RS256)" (a client's default, `protocol::client`); `prompt`, `max_age` and `auth_time` (`protocol::interaction`); `display`,
//! `ui_locales`, `claims_locales` and `acr_values` may do nothing, but no error either (`protocol::authorization`, `hints` and `acr`).
//!
//! Vocabularies come from the tables the code runs on; what only other rooms know comes in as [`Capabilities`]. One document for both
//! well-known addresses. Called by `endpoints::discovery`, once for each change.

use openidconnect::core::{
    CoreAuthDisplay, CoreClaimName, CoreClaimType, CoreClientAuthMethod, CoreGrantType, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm, CoreResponseMode, CoreResponseType, CoreSubjectIdentifierType,
};
use openidconnect::{
    AdditionalProviderMetadata, AuthUrl, AuthenticationContextClass, IssuerUrl, JsonWebKeySetUrl, LanguageTag, ProviderMetadata,
    ResponseTypes, Scope, TokenUrl, UserInfoUrl,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::authorization::Prompt;
use super::client::{AuthMethod, GrantType, SigningAlg};
use super::response_mode::ResponseMode;
use super::{claims, id_token, pkce};

/// What other rooms can do. Every URL is absolute.
#[derive(Clone, Copy, Debug)]
pub struct Capabilities<'a> {
    /// Byte for byte as configured. OIDC Discovery §4.3: "The issuer value returned MUST be identical to the Issuer URL that was used as the prefix
    /// to /.well-known/openid-configuration to retrieve the configuration information. This MUST also be identical to the iss Claim value in
    /// ID Tokens issued from this Issuer."
    pub issuer: &'a str,
    pub authorization_endpoint: &'a str,
    pub token_endpoint: &'a str,
    pub userinfo_endpoint: &'a str,
    pub jwks_uri: &'a str,
    pub introspection_endpoint: &'a str,
    pub revocation_endpoint: &'a str,
    pub end_session_endpoint: &'a str,
    pub grant_types: &'a [GrantType],
    pub auth_methods: &'a [AuthMethod],
    pub id_token_algs: &'a [SigningAlg],
    pub scopes: &'a [&'a str],
    pub acr_values: &'a [&'a str],
    pub ui_locales: &'a [&'a str],
}

/// Members beyond OIDC Discovery §3.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct More {
    // RFC 8414 §2
    introspection_endpoint: String,
    introspection_endpoint_auth_methods_supported: Vec<AuthMethod>,
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: Vec<AuthMethod>,
    code_challenge_methods_supported: Vec<String>,
    /// RFC 9207 §3
    authorization_response_iss_parameter_supported: bool,
    /// RP-Initiated Logout 1.0 §2.1
    end_session_endpoint: String,
    /// Initiating User Registration 1.0 §4.1
    prompt_values_supported: Vec<Prompt>,
}

impl AdditionalProviderMetadata for More {}

type Metadata = ProviderMetadata<
    More,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// The claims that the protocol itself puts into an ID token.
const PROTOCOL_CLAIMS: [&str; 12] =
    ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "acr", "amr", "sid", "external_id"];

/// The discovery document. No member is ever `null`.
///
/// # Panics
/// If the issuer or an endpoint is not a URL; configuration checked the issuer, and the endpoints follow from it.
#[must_use]
pub fn openid(can: &Capabilities<'_>) -> Value {
    // RFC 7662 §2.1: introspection needs a client that proves who it is.
    let with_proof = can.auth_methods.iter().copied().filter(|method| *method != AuthMethod::None).collect();
    let more = More {
        introspection_endpoint: can.introspection_endpoint.to_owned(),
        introspection_endpoint_auth_methods_supported: with_proof,
        revocation_endpoint: can.revocation_endpoint.to_owned(),
        revocation_endpoint_auth_methods_supported: can.auth_methods.to_vec(),
        code_challenge_methods_supported: vec![pkce::METHOD.to_owned()],
        authorization_response_iss_parameter_supported: true,
        end_session_endpoint: can.end_session_endpoint.to_owned(),
        prompt_values_supported: Prompt::ALL.to_vec(),
    };
    let claim_names = PROTOCOL_CLAIMS.into_iter().chain(claims::supported());
    let metadata = Metadata::new(
        IssuerUrl::new(can.issuer.to_owned()).expect("config checked the issuer"),
        AuthUrl::new(can.authorization_endpoint.to_owned()).expect("an endpoint of the issuer"),
        JsonWebKeySetUrl::new(can.jwks_uri.to_owned()).expect("an endpoint of the issuer"),
        vec![ResponseTypes::new(vec![CoreResponseType::Code])],
        vec![CoreSubjectIdentifierType::Public],
        can.id_token_algs.iter().map(|&alg| id_token::jws_algorithm(alg)).collect(),
        more,
    )
    .set_token_endpoint(Some(TokenUrl::new(can.token_endpoint.to_owned()).expect("an endpoint of the issuer")))
    .set_userinfo_endpoint(Some(UserInfoUrl::new(can.userinfo_endpoint.to_owned()).expect("an endpoint of the issuer")))
    .set_scopes_supported(Some(can.scopes.iter().map(|&scope| Scope::new(scope.to_owned())).collect()))
    .set_display_values_supported(Some(vec![CoreAuthDisplay::Page, CoreAuthDisplay::Popup]))
    .set_response_modes_supported(Some(ResponseMode::ALL.into_iter().map(response_mode).collect()))
    // Left out it would mean authorization_code and implicit.
    .set_grant_types_supported(Some(can.grant_types.iter().copied().map(grant_type).collect()))
    .set_token_endpoint_auth_methods_supported(Some(can.auth_methods.iter().copied().map(auth_method).collect()))
    .set_acr_values_supported(Some(can.acr_values.iter().map(|&acr| AuthenticationContextClass::new(acr.to_owned())).collect()))
    .set_claim_types_supported(Some(vec![CoreClaimType::Normal]))
    .set_claims_supported(Some(claim_names.map(|name| CoreClaimName::new(name.to_owned())).collect()))
    .set_ui_locales_supported(Some(can.ui_locales.iter().map(|&tag| LanguageTag::new(tag.to_owned())).collect()))
    .set_claims_parameter_supported(Some(true))
    .set_request_parameter_supported(Some(false))
    // OIDC Discovery §3: "If omitted, the default value is true."
    .set_request_uri_parameter_supported(Some(false));
    serde_json::to_value(metadata).expect("text and lists are JSON")
}

const fn grant_type(grant: GrantType) -> CoreGrantType {
    match grant {
        GrantType::AuthorizationCode => CoreGrantType::AuthorizationCode,
        GrantType::RefreshToken => CoreGrantType::RefreshToken,
        GrantType::ClientCredentials => CoreGrantType::ClientCredentials,
        GrantType::Password => CoreGrantType::Password,
    }
}

const fn auth_method(method: AuthMethod) -> CoreClientAuthMethod {
    match method {
        AuthMethod::ClientSecretBasic => CoreClientAuthMethod::ClientSecretBasic,
        AuthMethod::ClientSecretPost => CoreClientAuthMethod::ClientSecretPost,
        AuthMethod::None => CoreClientAuthMethod::None,
    }
}

fn response_mode(mode: ResponseMode) -> CoreResponseMode {
    match mode {
        ResponseMode::Query => CoreResponseMode::Query,
        ResponseMode::Fragment => CoreResponseMode::Fragment,
        ResponseMode::FormPost => CoreResponseMode::FormPost,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn capabilities<'a>() -> Capabilities<'a> {
        Capabilities {
            issuer: "http://127.0.0.1:8080",
            authorization_endpoint: "http://127.0.0.1:8080/oauth2/authorize",
            token_endpoint: "http://127.0.0.1:8080/oauth2/token",
            userinfo_endpoint: "http://127.0.0.1:8080/oauth2/userinfo",
            jwks_uri: "http://127.0.0.1:8080/.well-known/jwks.json",
            introspection_endpoint: "http://127.0.0.1:8080/oauth2/introspect",
            revocation_endpoint: "http://127.0.0.1:8080/oauth2/revoke",
            end_session_endpoint: "http://127.0.0.1:8080/oauth2/logout",
            grant_types: &GrantType::ALL,
            auth_methods: &AuthMethod::ALL,
            id_token_algs: &[SigningAlg::RS256, SigningAlg::EdDSA],
            scopes: &["openid", "profile"],
            acr_values: &["1"],
            ui_locales: &["en", "es"],
        }
    }

    #[test]
    fn oidc_discovery_3_rfc8414_2_the_whole_document() {
        let document = openid(&capabilities());
        let expected = json!({
            "issuer": "http://127.0.0.1:8080",
            "authorization_endpoint": "http://127.0.0.1:8080/oauth2/authorize",
            "token_endpoint": "http://127.0.0.1:8080/oauth2/token",
            "userinfo_endpoint": "http://127.0.0.1:8080/oauth2/userinfo",
            "jwks_uri": "http://127.0.0.1:8080/.well-known/jwks.json",
            "scopes_supported": ["openid", "profile"],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials", "password"],
            "acr_values_supported": ["1"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "EdDSA"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "display_values_supported": ["page", "popup"],
            "claim_types_supported": ["normal"],
            "claims_supported": [
                "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "acr", "amr", "sid", "external_id", "name", "given_name",
                "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website", "gender", "birthdate", "zoneinfo",
                "locale", "updated_at", "email", "email_verified", "address", "phone_number", "phone_number_verified", "roles",
                "external_ids", "org"
            ],
            "ui_locales_supported": ["en", "es"],
            "claims_parameter_supported": true,
            "request_parameter_supported": false,
            "request_uri_parameter_supported": false,
            "introspection_endpoint": "http://127.0.0.1:8080/oauth2/introspect",
            "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "revocation_endpoint": "http://127.0.0.1:8080/oauth2/revoke",
            "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": true,
            "end_session_endpoint": "http://127.0.0.1:8080/oauth2/logout",
            "prompt_values_supported": ["none", "login", "consent", "select_account"]
        });
        assert_eq!(document, expected);
        assert!(!document.to_string().contains("null"));
    }

    #[test]
    fn oidc_discovery_4_3_the_issuer_is_the_configured_string() {
        for issuer in ["https://id.example", "https://id.example/", "https://id.example:443/auth/"] {
            assert_eq!(openid(&Capabilities { issuer, ..capabilities() })["issuer"], issuer);
        }
    }

    #[test]
    fn openidconnect_reads_it_back_as_a_client_would() {
        let text = openid(&capabilities()).to_string();
        let read: openidconnect::core::CoreProviderMetadata = serde_json::from_str(&text).expect("a client can read it");
        assert_eq!(read.issuer().as_str(), "http://127.0.0.1:8080");
    }
}
