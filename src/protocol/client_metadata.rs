//! Client metadata as somebody writes it: every member optional, names of RFC 7591 §2 and OIDC Registration §2, and Portero's own.
//!
//! Becomes a [`Client`] by applying defaults, or a change to one. It trusts its author: what a stranger may not set (`first_party`,
//! the password grant, …) is for `clients` to take out before. Called by `clients` for command line, files and later registration.

use serde::Deserialize;
use utoipa::ToSchema;

use super::client::{AccessTokenFormat, AuthMethod, Client, GrantType, MetadataError, RESPONSE_TYPE, SigningAlg};

/// RFC 7591 §2: "The authorization server MUST ignore any client metadata sent by the client that it does not understand". A member
/// that is `null` counts as absent; in a change, an empty text or list takes a member away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(default)]
pub struct ClientMetadata {
    pub client_name: Option<String>,
    pub client_uri: Option<String>,
    pub logo_uri: Option<String>,
    pub policy_uri: Option<String>,
    pub tos_uri: Option<String>,
    pub contacts: Option<Vec<String>>,
    pub redirect_uris: Option<Vec<String>>,
    pub post_logout_redirect_uris: Option<Vec<String>>,
    pub grant_types: Option<Vec<String>>,
    pub response_types: Option<Vec<String>>,
    pub token_endpoint_auth_method: Option<String>,
    pub scope: Option<String>,
    pub default_scope: Option<String>,
    pub id_token_signed_response_alg: Option<String>,
    pub access_token_signed_response_alg: Option<String>,
    pub access_token_format: Option<String>,
    pub default_max_age: Option<u64>,
    pub require_auth_time: Option<bool>,
    pub require_pkce: Option<bool>,
    pub first_party: Option<bool>,
    pub refresh_token_rotation: Option<bool>,
    pub claims_in_id_token: Option<bool>,
    pub external_id_source: Option<String>,
    pub resources: Option<Vec<String>>,
    pub audiences: Option<Vec<String>>,
}

/// What a member is when nobody says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defaults {
    pub grant_types: Vec<GrantType>,
    /// Space-separated.
    pub scope: String,
}

impl ClientMetadata {
    /// A new client.
    ///
    /// # Errors
    /// A value that does not exist, or a rule of [`Client::check`].
    pub fn into_client(self, client_id: impl Into<String>, defaults: &Defaults) -> Result<Client, MetadataError> {
        self.apply(&Client {
            client_id: client_id.into(),
            client_name: None,
            client_uri: None,
            logo_uri: None,
            policy_uri: None,
            tos_uri: None,
            contacts: Vec::new(),
            redirect_uris: Vec::new(),
            post_logout_redirect_uris: Vec::new(),
            grant_types: defaults.grant_types.clone(),
            response_types: response_types(&defaults.grant_types),
            // RFC 7591 §2: "If unspecified or omitted, the default is "client_secret_basic""
            token_endpoint_auth_method: AuthMethod::ClientSecretBasic,
            scope: defaults.scope.clone(),
            default_scope: None,
            // OIDC Registration §2: "The default, if omitted, is RS256."
            id_token_signed_response_alg: SigningAlg::RS256,
            access_token_signed_response_alg: SigningAlg::RS256,
            access_token_format: AccessTokenFormat::default(),
            default_max_age: None,
            require_auth_time: false,
            require_pkce: None,
            first_party: false,
            refresh_token_rotation: true,
            claims_in_id_token: true,
            external_id_source: None,
            resources: Vec::new(),
            audiences: Vec::new(),
        })
    }

    /// The client with these members changed and the others kept.
    ///
    /// # Errors
    /// A value that does not exist, or a rule of [`Client::check`].
    pub fn apply(self, client: &Client) -> Result<Client, MetadataError> {
        let grant_types = match self.grant_types {
            Some(names) => names.iter().map(|name| known("grant_types", name, GrantType::parse)).collect::<Result<_, _>>()?,
            None => client.grant_types.clone(),
        };
        let auth_method = self.token_endpoint_auth_method.as_deref();
        let client = Client {
            client_id: client.client_id.clone(),
            client_name: text(self.client_name, &client.client_name),
            client_uri: text(self.client_uri, &client.client_uri),
            logo_uri: text(self.logo_uri, &client.logo_uri),
            policy_uri: text(self.policy_uri, &client.policy_uri),
            tos_uri: text(self.tos_uri, &client.tos_uri),
            contacts: self.contacts.unwrap_or_else(|| client.contacts.clone()),
            redirect_uris: self.redirect_uris.unwrap_or_else(|| client.redirect_uris.clone()),
            post_logout_redirect_uris: self.post_logout_redirect_uris.unwrap_or_else(|| client.post_logout_redirect_uris.clone()),
            // Response types follow the grants where nobody names them (RFC 7591 §2.1).
            response_types: self.response_types.unwrap_or_else(|| response_types(&grant_types)),
            grant_types,
            token_endpoint_auth_method: choose(
                "token_endpoint_auth_method",
                auth_method,
                AuthMethod::parse,
                client.token_endpoint_auth_method,
            )?,
            scope: self.scope.unwrap_or_else(|| client.scope.clone()),
            default_scope: text(self.default_scope, &client.default_scope),
            id_token_signed_response_alg: choose(
                "id_token_signed_response_alg",
                self.id_token_signed_response_alg.as_deref(),
                SigningAlg::parse,
                client.id_token_signed_response_alg,
            )?,
            access_token_signed_response_alg: choose(
                "access_token_signed_response_alg",
                self.access_token_signed_response_alg.as_deref(),
                SigningAlg::parse,
                client.access_token_signed_response_alg,
            )?,
            access_token_format: choose(
                "access_token_format",
                self.access_token_format.as_deref(),
                AccessTokenFormat::parse,
                client.access_token_format,
            )?,
            default_max_age: self.default_max_age.or(client.default_max_age),
            require_auth_time: self.require_auth_time.unwrap_or(client.require_auth_time),
            require_pkce: self.require_pkce.or(client.require_pkce),
            first_party: self.first_party.unwrap_or(client.first_party),
            refresh_token_rotation: self.refresh_token_rotation.unwrap_or(client.refresh_token_rotation),
            claims_in_id_token: self.claims_in_id_token.unwrap_or(client.claims_in_id_token),
            external_id_source: text(self.external_id_source, &client.external_id_source),
            resources: self.resources.unwrap_or_else(|| client.resources.clone()),
            audiences: self.audiences.unwrap_or_else(|| client.audiences.clone()),
        };
        client.check()?;
        Ok(client)
    }
}

fn response_types(grants: &[GrantType]) -> Vec<String> {
    if grants.contains(&GrantType::AuthorizationCode) { vec![RESPONSE_TYPE.to_owned()] } else { Vec::new() }
}

fn text(given: Option<String>, kept: &Option<String>) -> Option<String> {
    match given {
        Some(given) => Some(given).filter(|given| !given.is_empty()),
        None => kept.clone(),
    }
}

fn choose<T>(member: &'static str, given: Option<&str>, parse: fn(&str) -> Option<T>, kept: T) -> Result<T, MetadataError> {
    given.map_or(Ok(kept), |name| known(member, name, parse))
}

fn known<T>(member: &'static str, name: &str, parse: fn(&str) -> Option<T>) -> Result<T, MetadataError> {
    parse(name).ok_or_else(|| MetadataError::new(member, format!("does not know {name:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::authorization::PkcePolicy;
    use serde_json::{Value, json};

    fn defaults() -> Defaults {
        Defaults { grant_types: vec![GrantType::AuthorizationCode, GrantType::RefreshToken], scope: "openid profile email".to_owned() }
    }

    fn make(metadata: Value) -> Result<Client, MetadataError> {
        serde_json::from_value::<ClientMetadata>(metadata).expect("JSON of the right types").into_client("s6BhdRkqt3", &defaults())
    }

    fn refused(metadata: Value) -> &'static str {
        let what = metadata.to_string();
        make(metadata).expect_err(&what).member
    }

    /// A web client with one more member.
    fn with(member: &str, value: Value) -> Value {
        let mut metadata = json!({"redirect_uris": ["https://client.example.org/callback"]});
        metadata[member] = value;
        metadata
    }

    #[test]
    fn rfc7591_3_1_example_with_members_of_others_ignored() {
        let client = make(json!({
            "redirect_uris": ["https://client.example.org/callback", "https://client.example.org/callback2"],
            "client_name": "My Example Client",
            "client_name#ja-Jpan-JP": "\u{30AF}\u{30E9}\u{30A4}\u{30A2}\u{30F3}\u{30C8}\u{540D}",
            "token_endpoint_auth_method": "client_secret_basic",
            "logo_uri": "https://client.example.org/logo.png",
            "jwks_uri": "https://client.example.org/my_public_keys.jwks",
            "example_extension_parameter": "example_value"
        }))
        .expect("valid");
        assert_eq!(client.client_name.as_deref(), Some("My Example Client"));
        assert_eq!(client.redirect_uris.len(), 2);
        assert_eq!((client.response_types.as_slice(), client.grant_types.len()), (["code".to_owned()].as_slice(), 2));
        assert_eq!(client.id_token_signed_response_alg, SigningAlg::RS256);
        assert!(client.refresh_token_rotation && client.claims_in_id_token && !client.first_party);
    }

    #[test]
    fn null_counts_as_absent() {
        let client = make(with("client_name", Value::Null)).expect("valid");
        assert_eq!(client.client_name, None);
        assert_eq!(serde_json::from_str::<ClientMetadata>(r#"{"scope":null}"#).expect("valid"), ClientMetadata::default());
    }

    #[test]
    fn ru_05_ru_06_rfc7591_2_uris_are_checked() {
        let many: Vec<String> = (0..10_000).map(|n| format!("https://app.example/{n}")).collect();
        assert_eq!(refused(json!({"redirect_uris": many})), "redirect_uris");
        for uri in ["javascript:alert(1)", "https://app.example/#f", "", "/cb", "http://app.example/cb", "myapp:/cb"] {
            assert_eq!(refused(json!({"redirect_uris": [uri]})), "redirect_uris", "{uri}");
            assert_eq!(refused(with("post_logout_redirect_uris", json!([uri]))), "post_logout_redirect_uris", "{uri}");
        }
        assert_eq!(refused(json!({})), "redirect_uris");
        for member in ["client_uri", "logo_uri", "policy_uri", "tos_uri"] {
            for uri in ["javascript:alert(1)", "data:image/png,x", "ftp://a.example", "https://", "nonsense", "https://a b.example"] {
                assert_eq!(refused(with(member, json!(uri))), member, "{uri}");
            }
        }
    }

    #[test]
    fn az_26_rfc7591_5_names_are_bounded_and_cannot_turn_the_text_around() {
        for name in ["x\u{202e}elgooG", "x\u{2066}y", "a\r\nb", "a\u{0}b", "  ", &"x".repeat(201)] {
            assert_eq!(refused(with("client_name", json!(name))), "client_name", "{name:?}");
        }
        assert_eq!(refused(with("contacts", json!(["a\nb"]))), "contacts");
        for name in ["Ünïcode 🚪", "<b>Google</b>", &"x".repeat(200)] {
            assert_eq!(make(with("client_name", json!(name))).expect("escaped where it is shown").client_name.as_deref(), Some(name));
        }
    }

    #[test]
    fn rfc7591_2_1_grants_response_types_and_methods_agree() {
        assert_eq!(refused(with("grant_types", json!([]))), "grant_types");
        assert_eq!(refused(with("grant_types", json!(["implicit"]))), "grant_types");
        assert_eq!(refused(json!({"grant_types": ["refresh_token"]})), "grant_types");
        assert_eq!(refused(with("response_types", json!(["token"]))), "response_types");
        assert_eq!(refused(with("response_types", json!([]))), "response_types");
        assert_eq!(refused(json!({"grant_types": ["client_credentials"], "response_types": ["code"]})), "response_types");
        assert_eq!(refused(with("token_endpoint_auth_method", json!("private_key_jwt"))), "token_endpoint_auth_method");
        let machine = make(json!({"grant_types": ["client_credentials"]})).expect("no redirect URI is needed");
        assert_eq!(machine.response_types, [""; 0]);
    }

    #[test]
    fn rfc6749_4_4_and_rfc9700_2_4_what_a_public_or_foreign_client_may_not() {
        let public = |member: &str, value: Value| {
            let mut metadata = with(member, value);
            metadata["token_endpoint_auth_method"] = json!("none");
            metadata
        };
        assert_eq!(refused(public("grant_types", json!(["authorization_code", "client_credentials"]))), "grant_types");
        assert_eq!(refused(public("require_pkce", json!(false))), "require_pkce");
        assert_eq!(refused(public("refresh_token_rotation", json!(false))), "refresh_token_rotation");
        assert_eq!(refused(with("grant_types", json!(["authorization_code", "password"]))), "grant_types");
        let mut own = public("grant_types", json!(["password"]));
        own["first_party"] = json!(true);
        assert_eq!(refused(own), "grant_types");
        let first_party = json!({"grant_types": ["password", "refresh_token"], "first_party": true});
        assert!(make(first_party).is_ok());
    }

    #[test]
    fn tj_10_unsigned_and_symmetric_id_tokens_cannot_be_asked_for() {
        for alg in ["none", "HS256", "RS1", "rs256", ""] {
            assert_eq!(refused(with("id_token_signed_response_alg", json!(alg))), "id_token_signed_response_alg");
            assert_eq!(refused(with("access_token_signed_response_alg", json!(alg))), "access_token_signed_response_alg");
        }
    }

    #[test]
    fn pk_09_pkce_is_the_clients_own_switch_unless_it_is_public() {
        let own = |value: Value| make(with("require_pkce", value)).expect("valid");
        for (value, all, public) in [(Value::Null, true, false), (json!(true), true, true), (json!(false), false, false)] {
            let client = own(value);
            assert_eq!((client.requires_pkce(PkcePolicy::All), client.requires_pkce(PkcePolicy::Public)), (all, public));
        }
        let mut public = own(Value::Null);
        public.token_endpoint_auth_method = AuthMethod::None;
        public.require_pkce = Some(false);
        assert!(public.requires_pkce(PkcePolicy::Public), "however it came to be stored");
    }

    #[test]
    fn scopes_resources_audiences_and_ids() {
        assert_eq!(refused(with("scope", json!("a\"b"))), "scope");
        assert_eq!(refused(with("default_scope", json!("openid admin"))), "default_scope");
        assert_eq!(refused(with("default_scope", json!(" "))), "default_scope");
        assert_eq!(refused(with("resources", json!(["/api"]))), "resources");
        assert_eq!(refused(with("resources", json!(["https://api.example#f"]))), "resources");
        assert_eq!(refused(with("audiences", json!(["a b"]))), "audiences");
        for id in ["", "a b", "é", "a:b", "a%b", &"x".repeat(129)] {
            let metadata: ClientMetadata = serde_json::from_value(with("client_name", json!("x"))).expect("JSON");
            assert_eq!(metadata.into_client(id, &defaults()).expect_err(id).member, "client_id");
        }
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let before = make(with("client_name", json!("Before"))).expect("valid");
        let change = |metadata: Value| serde_json::from_value::<ClientMetadata>(metadata).expect("JSON").apply(&before);
        let renamed = change(json!({"client_name": "After"})).expect("valid");
        assert_eq!(renamed, Client { client_name: Some("After".to_owned()), ..before.clone() });
        assert_eq!(change(json!({"client_name": ""})).expect("valid").client_name, None);
        assert_eq!(change(json!({"redirect_uris": []})).expect_err("checked again").member, "redirect_uris");
        let machine = change(json!({"grant_types": ["client_credentials"], "redirect_uris": []})).expect("valid");
        assert_eq!(machine.response_types, [""; 0]);
    }
}
