//! What a resource server may learn of a token (RFC 7662). Called by `endpoints::introspect`.

use serde::Serialize;

use super::access_token::AccessClaims;
use super::client::Client;

/// `token_type` of every access token (RFC 6750).
pub const BEARER: &str = "Bearer";

/// RFC 7662 §2.2: "If the introspection call is properly authorized but the token is not active, does not exist on this server, or
/// the protected resource is not allowed to introspect this particular token, then the authorization server MUST return an
/// introspection response with the "active" field set to "false". Note that to avoid disclosing too much of the authorization
/// server's state to a third party, the authorization server SHOULD NOT include any additional information about an inactive
/// token, including why the token is inactive."
pub const INACTIVE: &str = r#"{"active":false}"#;

/// May this client ask about a token that was issued to `token_client` for `aud`? To its own tokens, and to those meant for it.
#[must_use]
pub fn may_introspect(client: &Client, token_client: &str, aud: &[String]) -> bool {
    let meant_for_it = |value: &String| *value == client.client_id || client.audiences.contains(value);
    // RFC 7662 §2.1: "the endpoint MUST also require some form of authorization to access this endpoint": a public client has none.
    !client.is_public() && (client.client_id == token_client || aud.iter().any(meant_for_it))
}

/// `username`: what resource servers such as a mail server take for the account. The user name, or the address once it is confirmed: anybody
/// can sign up with an address that is somebody else's. Where there is neither, the subject, which nobody chooses.
#[must_use]
pub fn username<'a>(username: Option<&'a str>, email: &'a str, email_verified: bool, sub: &'a str) -> &'a str {
    username.unwrap_or(if email_verified { email } else { sub })
}

/// The answer about an active token.
#[derive(Serialize)]
pub struct Active<'a> {
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    token_type: &'a str,
    #[serde(flatten)]
    claims: AccessClaims,
}

/// The answer about an active token. Portero's own `gid` stays at home.
#[must_use]
pub fn response<'a>(claims: AccessClaims, username: Option<&'a str>, token_type: &'a str) -> Active<'a> {
    Active { active: true, username, token_type, claims: AccessClaims { gid: None, ..claims } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::access_token::Audience;
    use crate::protocol::client::{AuthMethod, fixture};
    use serde_json::{Value, json};

    #[test]
    fn an_address_is_a_username_only_once_it_is_confirmed() {
        assert_eq!(username(Some("ana"), "ana@example.org", false, "usr_1"), "ana");
        assert_eq!(username(None, "ana@example.org", true, "usr_1"), "ana@example.org");
        assert_eq!(username(None, "boss@example.org", false, "usr_1"), "usr_1");
    }

    /// The example of RFC 7662 §2.2.
    fn claims() -> AccessClaims {
        AccessClaims {
            iss: "https://server.example.com/".to_owned(),
            sub: "Z5O3upPC88QrAjx00dis".to_owned(),
            aud: Audience::one("https://protected.example.net/resource"),
            exp: 1_419_356_238,
            iat: 1_419_350_238,
            jti: "j1".to_owned(),
            client_id: "l238j323ds-23ij4".to_owned(),
            scope: "read write dolphin".to_owned(),
            auth_time: None,
            acr: None,
            amr: None,
            sid: None,
            gid: Some("00112233445566778899aabbccddeeff".to_owned()),
            external_id: None,
        }
    }

    #[test]
    fn rfc7662_2_2_example() {
        let expected = json!({
            "active": true,
            "client_id": "l238j323ds-23ij4",
            "username": "jdoe",
            "scope": "read write dolphin",
            "sub": "Z5O3upPC88QrAjx00dis",
            "aud": "https://protected.example.net/resource",
            "iss": "https://server.example.com/",
            "exp": 1419356238,
            "iat": 1419350238,
            "jti": "j1",
            "token_type": "Bearer"
        });
        assert_eq!(serde_json::to_value(response(claims(), Some("jdoe"), BEARER)).expect("JSON"), expected);
    }

    #[test]
    fn a_token_of_the_client_itself_has_no_username_and_no_null() {
        let machine = AccessClaims { sub: "l238j323ds-23ij4".to_owned(), scope: String::new(), ..claims() };
        let answer = serde_json::to_string(&response(machine, None, BEARER)).expect("JSON");
        assert!(!answer.contains("username") && !answer.contains("null") && !answer.contains("gid"), "{answer}");
    }

    #[test]
    fn ir_02_rfc7662_2_2_inactive_is_exactly_this() {
        assert_eq!(serde_json::from_str::<Value>(INACTIVE).expect("JSON"), json!({"active": false}));
        assert_eq!(INACTIVE.len(), 16);
    }

    #[test]
    fn ir_01_ir_03_rfc7662_4_only_the_owner_and_the_audience_may_ask() {
        let mut api = fixture("openid", None);
        api.client_id = "api".to_owned();
        let aud = |values: &[&str]| -> Vec<String> { values.iter().map(|&value| value.to_owned()).collect() };
        assert!(may_introspect(&api, "api", &aud(&["https://id.example"])), "its own token");
        assert!(may_introspect(&api, "app", &aud(&["https://x.example", "api"])), "its id stands in aud");
        assert!(!may_introspect(&api, "app", &aud(&["https://api.example/"])));
        api.audiences = aud(&["https://api.example/"]);
        assert!(may_introspect(&api, "app", &aud(&["https://api.example/"])));
        assert!(!may_introspect(&api, "app", &aud(&["https://api.example", "https://id.example"])), "compared as a string");
        assert!(!may_introspect(&api, "app", &[]));
        api.token_endpoint_auth_method = AuthMethod::None;
        assert!(!may_introspect(&api, "api", &aud(&["api"])), "a public client");
    }
}
