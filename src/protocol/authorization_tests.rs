//! What the authorization endpoint refuses, where it says so, and what it keeps.

use super::*;
use crate::protocol::client::{AuthMethod, fixture};

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const REDIRECT: &str = "https%3A%2F%2Fclient.example.com%2Fcb";

fn client() -> Client {
    fixture("openid profile email offline_access", None)
}

fn public() -> Client {
    Client { token_endpoint_auth_method: AuthMethod::None, ..client() }
}

fn policy() -> Policy<'static> {
    Policy { resources_open: &[], issuer: "https://id.example", pkce: PkcePolicy::All, acr_supported: &["1"] }
}

/// The example of RFC 6749 §4.1.1 with PKCE; `more` is added, or takes the place of a parameter of the same name.
fn request(more: &str) -> Params {
    let own = [
        ("response_type", "code".to_owned()),
        ("client_id", "s6BhdRkqt3".to_owned()),
        ("state", "xyz".to_owned()),
        ("redirect_uri", REDIRECT.to_owned()),
        ("scope", "openid".to_owned()),
        ("code_challenge", CHALLENGE.to_owned()),
        ("code_challenge_method", "S256".to_owned()),
    ];
    let given: Vec<&str> = more.split('&').filter_map(|pair| pair.split('=').next()).collect();
    let kept: Vec<String> = own.iter().filter(|(name, _)| !given.contains(name)).map(|(name, value)| format!("{name}={value}")).collect();
    Params::parse(&format!("{}&{more}", kept.join("&"))).expect("well-formed")
}

fn run(client: &Client, params: &Params, policy: &Policy<'_>) -> Result<AuthorizationRequest, OAuthError> {
    check(client, params, &reply_to(client, params).expect("a safe redirect"), policy)
}

fn accepted(more: &str) -> AuthorizationRequest {
    run(&client(), &request(more), &policy()).expect(more)
}

fn refused(more: &str) -> ErrorCode {
    run(&client(), &request(more), &policy()).expect_err(more).code
}

fn page(client: &Client, raw: &str) -> Cause {
    reply_to(client, &Params::parse(raw).expect("well-formed")).expect_err(raw).reason
}

#[test]
fn rfc6749_4_1_1_example() {
    let accepted = accepted("");
    assert_eq!(accepted.reply_to.client_id, "s6BhdRkqt3");
    assert_eq!(accepted.reply_to.redirect_uri, "https://client.example.com/cb");
    assert_eq!(accepted.reply_to.response_mode, ResponseMode::Query);
    assert_eq!(accepted.reply_to.state.as_deref(), Some("xyz"));
    assert_eq!((accepted.redirect_uri_sent, accepted.scope.as_slice()), (true, ["openid".to_owned()].as_slice()));
    assert_eq!(accepted.code_challenge.as_deref(), Some(CHALLENGE));
}

#[test]
fn a_request_survives_being_stored() {
    let claims = "%7B%22userinfo%22%3A%7B%22email%22%3A%7B%22essential%22%3Atrue%7D%7D%7D";
    let full = accepted(&format!(
        "nonce=n-0S6_WzA2Mj&prompt=login%20consent&max_age=10&login_hint=x&ui_locales=es%20en&acr_values=2&claims={claims}&display=page"
    ));
    let stored = serde_json::to_string(&full).expect("JSON");
    assert_eq!(serde_json::from_str::<AuthorizationRequest>(&stored).expect("reads back"), full);
    let least = accepted("");
    let stored = serde_json::to_string(&least).expect("JSON");
    assert!(!stored.contains("null"), "{stored}");
    assert_eq!(serde_json::from_str::<AuthorizationRequest>(&stored).expect("reads back"), least);
}

#[test]
fn ru_01_ru_08_rfc6749_4_1_2_1_no_redirect_before_the_uri_is_known() {
    let evil = "client_id=s6BhdRkqt3&redirect_uri=https%3A%2F%2Fevil.example%2Fcb&response_type=bogus";
    assert_eq!(page(&client(), evil), Cause::UnregisteredRedirectUri);
    for twice in [
        format!("redirect_uri={REDIRECT}&redirect_uri={REDIRECT}"),
        format!("redirect_uri={REDIRECT}&redirect_uri=https%3A%2F%2Fevil.example%2Fcb"),
        format!("redirect_uri=https%3A%2F%2Fevil.example%2Fcb&redirect_uri={REDIRECT}"),
    ] {
        assert_eq!(page(&client(), &twice), Cause::RepeatedParameter("redirect_uri"));
    }
    let asks = |raw: &str| client_id(&Params::parse(raw).expect("well-formed")).map(str::to_owned).map_err(|error| error.reason);
    assert_eq!(asks(&format!("client_id=a&client_id=s6BhdRkqt3&redirect_uri={REDIRECT}")), Err(Cause::RepeatedParameter("client_id")));
    assert_eq!(asks("response_type=code&client_id="), Err(Cause::MissingClientId));
    assert_eq!(asks("client_id=s6BhdRkqt3").as_deref(), Ok("s6BhdRkqt3"));
}

#[test]
fn ru_07_rfc6749_3_1_2_3_oidc_core_3_1_2_1_a_missing_redirect_uri() {
    let one = client();
    let two = Client { redirect_uris: vec!["https://a.example/1".to_owned(), "https://a.example/2".to_owned()], ..client() };
    let none = Client { redirect_uris: Vec::new(), ..client() };
    assert_eq!(page(&one, "scope=openid"), Cause::MissingRedirectUri);
    assert_eq!(page(&one, "scope=openid&redirect_uri="), Cause::MissingRedirectUri);
    assert_eq!(page(&two, "scope=profile"), Cause::MissingRedirectUri);
    assert_eq!(page(&none, "scope=profile"), Cause::MissingRedirectUri);
    let params = request("scope=profile&redirect_uri=");
    let accepted = run(&one, &params, &policy()).expect("the only one");
    assert_eq!((accepted.reply_to.redirect_uri.as_str(), accepted.redirect_uri_sent), ("https://client.example.com/cb", false));
}

#[test]
fn ru_18_a_long_redirect_uri_is_not_shown_in_full() {
    let raw = format!("redirect_uri=https%3A%2F%2Fevil.example%2F{}", "a".repeat(60_000));
    let error = reply_to(&client(), &Params::parse(&raw).expect("well-formed")).expect_err("unregistered");
    let detail = error.detail.expect("for the developer");
    assert!(detail.len() < 500 && detail.contains('…') && detail.contains("https://client.example.com/cb"));
}

#[test]
fn az_01_only_the_code_flow() {
    for other in ["token", "id_token%20token", "code%20token", "code%20id_token%20token", "id_token", "none", "CODE", "code%20"] {
        assert_eq!(refused(&format!("response_type={other}")), ErrorCode::UnsupportedResponseType, "{other}");
    }
    assert_eq!(refused("response_type="), ErrorCode::InvalidRequest);
}

#[test]
fn co_13_rfc6749_4_1_2_1_a_client_without_the_grant() {
    let machine = Client { grant_types: vec![GrantType::ClientCredentials], ..client() };
    let error = run(&machine, &request(""), &policy()).expect_err("refused");
    assert_eq!(error.code, ErrorCode::UnauthorizedClient);
}

#[test]
fn az_03_response_mode() {
    for (name, mode) in [("query", ResponseMode::Query), ("fragment", ResponseMode::Fragment), ("form_post", ResponseMode::FormPost)] {
        assert_eq!(accepted(&format!("response_mode={name}")).reply_to.response_mode, mode);
    }
    for other in ["bogus", "jwt", "query.jwt", "web_message", "Query"] {
        assert_eq!(refused(&format!("response_mode={other}")), ErrorCode::InvalidRequest, "{other}");
    }
}

#[test]
fn az_04_repeated_parameters_are_refused_by_redirect() {
    for twice in ["scope=openid&scope=openid", "state=a&state=b", "code_challenge=a&code_challenge=b", "x=1&x=2"] {
        assert_eq!(refused(twice), ErrorCode::InvalidRequest, "{twice}");
    }
}

#[test]
fn az_05_empty_values_count_as_absent() {
    assert_eq!(refused("code_challenge="), ErrorCode::InvalidRequest);
    let accepted = accepted("nonce=&prompt=&max_age=&claims=&acr_values=&resource=&response_mode=");
    assert_eq!((accepted.nonce, accepted.max_age, accepted.claims), (None, None, None));
}

#[test]
fn az_06_rfc6749_3_1_unknown_parameters_and_wishes_are_ignored() {
    let accepted = accepted("foo=bar&ui_locales=tlh%20xx&display=hologram&acr_values=urn:x%20y&login_hint=nobody");
    assert_eq!(accepted.ui_locales, ["tlh", "xx"]);
    assert_eq!(accepted.acr_values, ["urn:x", "y"]);
}

#[test]
fn az_07_state_and_nonce_are_kept_byte_for_byte() {
    let hostile = "%22%3E%3Cscript%3E%0D%0ASet-Cookie%3Ax%F0%9F%94%91%2525%20";
    let accepted = accepted(&format!("state={hostile}&nonce={hostile}"));
    let expected = "\"><script>\r\nSet-Cookie:x🔑%25 ";
    assert_eq!((accepted.reply_to.state.as_deref(), accepted.nonce.as_deref()), (Some(expected), Some(expected)));
}

#[test]
fn state_may_be_long_or_absent() {
    let long = "s".repeat(MAX_STATE);
    assert_eq!(accepted(&format!("state={long}")).reply_to.state, Some(long.clone()));
    assert_eq!(accepted("state=").reply_to.state, None);
    let params = request(&format!("state={long}s"));
    assert_eq!(reply_to(&client(), &params).expect("safe").state, None);
    assert_eq!(run(&client(), &params, &policy()).expect_err("too long").code, ErrorCode::InvalidRequest);
    assert_eq!(refused(&format!("nonce={}", "n".repeat(MAX_NONCE + 1))), ErrorCode::InvalidRequest);
}

#[test]
fn az_11_oidc_core_3_1_2_1_prompt() {
    for bad in ["none%20login", "consent%20none", "none%20none", "none%20%20none", "bogus", "login%20bogus", "NONE", "create"] {
        assert_eq!(refused(&format!("prompt={bad}")), ErrorCode::InvalidRequest, "{bad}");
    }
    let prompts = accepted("prompt=login%20consent%20login").prompt;
    assert!(prompts.contains(Prompt::Login) && prompts.contains(Prompt::Consent) && !prompts.contains(Prompt::None));
    assert!(accepted("prompt=none").prompt.contains(Prompt::None));
    assert!(accepted("prompt=select_account").prompt.contains(Prompt::SelectAccount));
}

#[test]
fn az_13_max_age() {
    for (text, seconds) in [("0", 0), ("1", 1), ("10000", 10_000), ("9223372036854775807", i64::MAX as u64)] {
        assert_eq!(accepted(&format!("max_age={text}")).max_age, Some(seconds));
    }
    for bad in ["-1", "abc", "1e9", "9223372036854775808", "99999999999999999999999", "%2B1", "1.5", "%201", "0x1"] {
        assert_eq!(refused(&format!("max_age={bad}")), ErrorCode::InvalidRequest, "{bad}");
    }
}

#[test]
fn oidc_core_3_1_2_6_what_is_not_supported_has_its_own_code() {
    assert_eq!(refused("request=eyJhbGciOiJub25lIn0.e30."), ErrorCode::RequestNotSupported);
    assert_eq!(refused("request_uri=https%3A%2F%2Fa.example%2Fr"), ErrorCode::RequestUriNotSupported);
    assert_eq!(refused("registration=%7B%7D"), ErrorCode::RegistrationNotSupported);
}

#[test]
fn az_16_login_hint_is_bounded() {
    assert_eq!(accepted(&format!("login_hint={}", "%C3%A9".repeat(3_000))).login_hint, Some("é".repeat(MAX_LOGIN_HINT)));
}

#[test]
fn az_17_rfc9470_5_an_essential_acr_that_nobody_can_reach() {
    let claims = |values: &str| {
        format!("claims=%7B%22id_token%22%3A%7B%22acr%22%3A%7B%22essential%22%3Atrue%2C%22values%22%3A%5B{values}%5D%7D%7D%7D")
    };
    assert_eq!(refused(&claims("%222%22")), ErrorCode::UnmetAuthenticationRequirements);
    let both = accepted(&claims("%222%22%2C%221%22"));
    assert_eq!(both.essential_acr, Some(vec!["2".to_owned(), "1".to_owned()]));
    assert_eq!(accepted("acr_values=2").essential_acr, None, "voluntary");
}

#[test]
fn az_18_claims() {
    for bad in ["x", "%5B%5D", "%7B%22id_token%22%3A%5B%5D%7D", "%7B%22a%22%3A1%2C%22a%22%3A1%7D"] {
        assert_eq!(refused(&format!("claims={bad}")), ErrorCode::InvalidRequest, "{bad}");
    }
    let narrow = fixture("openid email", None);
    let params = request("claims=%7B%22userinfo%22%3A%7B%22email%22%3Anull%2C%22name%22%3Anull%7D%7D");
    let kept = run(&narrow, &params, &policy()).expect("accepted").claims.expect("there");
    assert_eq!(kept.userinfo.keys().collect::<Vec<_>>(), ["email"], "never beyond the client's scopes");
}

#[test]
fn az_19_az_20_scope() {
    for bad in ["a%22", "a%5C", "%C3%A9", "a%09b"] {
        assert_eq!(refused(&format!("scope={bad}")), ErrorCode::InvalidScope, "{bad}");
    }
    assert_eq!(refused(&format!("scope={}", "x".repeat(50_000))), ErrorCode::InvalidScope);
    assert_eq!(accepted("scope=admin%20email%20openid%20email").scope, ["email", "openid"]);
    assert_eq!(refused("scope=admin"), ErrorCode::InvalidScope);
    assert_eq!(accepted("scope=").scope, ["openid", "profile", "email", "offline_access"]);
}

#[test]
fn az_30_rfc8707_2_resource() {
    let own = Client { resources: vec!["https://api.example/".to_owned()], ..client() };
    let open = ["https://mcp.example/mcp".to_owned()];
    let policy = Policy { resources_open: &open, ..policy() };
    let both = request("resource=https%3A%2F%2Fapi.example%2F&resource=https%3A%2F%2Fmcp.example%2Fmcp");
    assert_eq!(run(&own, &both, &policy).expect("both known").resource, ["https://api.example/", "https://mcp.example/mcp"]);
    for bad in ["%2Fapi", "https%3A%2F%2Fapi.example%2F%23f", "https%3A%2F%2Fother.example"] {
        let error = run(&own, &request(&format!("resource={bad}")), &policy).expect_err(bad);
        assert_eq!(error.code, ErrorCode::InvalidTarget, "{bad}");
    }
}

#[test]
fn pk_01_pk_10_rfc7636_4_4_1_who_must_send_a_challenge() {
    let without = request("code_challenge=&code_challenge_method=");
    let freed = |require_pkce| Client { require_pkce, ..client() };
    let confidential = Policy { pkce: PkcePolicy::Public, ..policy() };
    for (client, policy, must) in [
        (public(), policy(), true),
        (public(), confidential, true),
        (Client { require_pkce: Some(false), ..public() }, confidential, true),
        (client(), policy(), true),
        (client(), confidential, false),
        (freed(Some(false)), policy(), false),
        (freed(Some(true)), confidential, true),
    ] {
        let outcome = run(&client, &without, &policy).map_err(|error| error.code);
        assert_eq!(outcome.is_err(), must, "{client:?} {policy:?}");
        assert!(outcome.is_ok_and(|request| request.code_challenge.is_none()) || must);
    }
}

#[test]
fn pk_02_pk_08_the_challenge_itself() {
    for method in ["plain", "s256", "S256%20", ""] {
        assert_eq!(refused(&format!("code_challenge_method={method}")), ErrorCode::InvalidRequest, "{method}");
    }
    for challenge in [&CHALLENGE[..42], "a", &format!("{CHALLENGE}%3D"), &CHALLENGE.replace('-', "%2B")] {
        assert_eq!(refused(&format!("code_challenge={challenge}")), ErrorCode::InvalidRequest, "{challenge}");
    }
    let freed = Client { require_pkce: Some(false), ..client() };
    let half = run(&freed, &request("code_challenge="), &policy()).expect_err("a method alone");
    assert_eq!(half.code, ErrorCode::InvalidRequest);
}

#[test]
fn every_check_names_its_source_once() {
    let mut names: Vec<_> = CHECKS.iter().map(|check| check.name).collect();
    assert!(CHECKS.iter().all(|check| check.rfc.contains('§')));
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), CHECKS.len());
}

#[test]
fn oidc_core_6_a_refused_request_object_says_how_the_refusal_travels_and_nothing_else() {
    let client = fixture("openid", None);
    let payload = r#"{"response_mode":"form_post","state":"inside","redirect_uri":"https://evil.example/cb","client_id":"other"}"#;
    let object = format!("eyJhbGciOiJub25lIn0.{}.", URL_SAFE_NO_PAD.encode(payload));
    let uri = &client.redirect_uris[0];
    let asked = |more: &str| {
        let raw = format!("client_id={}&redirect_uri={uri}&scope=openid&response_type=code&request={object}{more}", client.client_id);
        reply_to(&client, &Params::parse(&raw).expect("well-formed")).expect("safe")
    };
    let inside = asked("");
    assert_eq!((inside.response_mode, inside.state.as_deref()), (ResponseMode::FormPost, Some("inside")));
    assert_eq!((&inside.redirect_uri, &inside.client_id), (uri, &client.client_id));
    // A response mode of others (JARM's `jwt`), or none at all, takes no state with it.
    for other in [r#""jwt""#, "3", "null"] {
        let payload = format!(r#"{{"response_mode":{other},"state":"inside"}}"#);
        let shape = shape_of_refusal(&format!("eyJhbGciOiJub25lIn0.{}.", URL_SAFE_NO_PAD.encode(payload)));
        assert_eq!((shape.response_mode, shape.state.as_deref()), (None, Some("inside")), "{other}");
    }
    let beside = asked("&response_mode=query&state=beside");
    assert_eq!((beside.response_mode, beside.state.as_deref()), (ResponseMode::Query, Some("beside")));
}
