//! OIDC Discovery §3, RFC 8414, RFC 7517: what is advertised is what works.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

use crate::harness::Server;

fn contains_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(contains_null),
        Value::Object(members) => members.values().any(contains_null),
        _ => false,
    }
}

#[tokio::test]
async fn both_documents_are_one() {
    let server = Server::start().await;
    let openid = server.get("/.well-known/openid-configuration").await.expect(200);
    let oauth = server.get("/.well-known/oauth-authorization-server").await.expect(200);
    assert_eq!(openid.body, oauth.body);
    assert_eq!(openid.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
    let document = openid.json();
    assert!(!contains_null(&document));
    assert_eq!(document["issuer"], "https://id.example");
    assert_eq!(document["grant_types_supported"], json!(["authorization_code", "refresh_token", "client_credentials", "password"]));
    assert_eq!(document["response_types_supported"], json!(["code"]));
    assert_eq!(document["response_modes_supported"], json!(["query", "fragment", "form_post"]));
    assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(document["token_endpoint_auth_methods_supported"], json!(["client_secret_basic", "client_secret_post", "none"]));
    assert_eq!(document["id_token_signing_alg_values_supported"], json!(["RS256"]));
    assert_eq!(document["subject_types_supported"], json!(["public"]));
    assert_eq!(document["acr_values_supported"], json!(["1"]));
    for (name, value) in [
        ("request_parameter_supported", false),
        ("request_uri_parameter_supported", false),
        ("claims_parameter_supported", true),
        ("authorization_response_iss_parameter_supported", true),
    ] {
        assert_eq!(document[name], value, "{name}");
    }
    for name in [
        "authorization_endpoint",
        "token_endpoint",
        "userinfo_endpoint",
        "jwks_uri",
        "introspection_endpoint",
        "revocation_endpoint",
        "end_session_endpoint",
    ] {
        let url = document[name].as_str().unwrap_or_else(|| panic!("{name}"));
        let path = url.strip_prefix("https://id.example").expect("on the issuer");
        assert_ne!(server.get(path).await.status, 404, "{name}");
    }
}

#[tokio::test]
async fn an_issuer_with_a_path_is_found_where_each_specification_looks() {
    let server = Server::with(|config| config.issuer = "https://id.example/auth".to_owned()).await;
    let mut bodies = Vec::new();
    for path in [
        "/auth/.well-known/openid-configuration",
        "/auth/.well-known/oauth-authorization-server",
        "/.well-known/oauth-authorization-server/auth",
        "/.well-known/openid-configuration/auth",
    ] {
        bodies.push(server.get(path).await.expect(200).body);
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]));
    let document: Value = serde_json::from_str(&bodies[0]).expect("JSON");
    assert_eq!(document["issuer"], "https://id.example/auth");
    assert_eq!(document["token_endpoint"], "https://id.example/auth/oauth2/token");
    assert_eq!(server.get("/.well-known/openid-configuration").await.status, 404);
    for page in ["/auth", "/auth/", "/auth/sign-in"] {
        let answer = server.get(page).await;
        assert!(answer.status == 200 || answer.location().starts_with("/auth/setup"), "{page}: {}", answer.status);
    }
    // The switch at the foot leads back to the page it stands on.
    assert!(server.get("/auth/sign-in").await.body.contains("value=\"/auth/sign-in\""));
}

#[tokio::test]
async fn keys_are_public_cacheable_and_nothing_more() {
    let server = Server::start().await;
    let answer = server.get("/.well-known/jwks.json").await.expect(200);
    assert_eq!(answer.headers[header::CACHE_CONTROL], "public, max-age=900");
    let etag = answer.headers[header::ETAG].clone();
    let keys = answer.json()["keys"].as_array().expect("keys").clone();
    assert_eq!(keys.len(), 1);
    for key in &keys {
        for member in ["kid", "alg", "use", "kty", "n", "e"] {
            assert!(key[member].is_string(), "{member}");
        }
        for member in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
            assert!(key.get(member).is_none(), "{member}");
        }
    }
    let again = Request::get("/.well-known/jwks.json").header(header::IF_NONE_MATCH, etag).body(Body::empty()).expect("a request");
    let again = server.send(again).await.expect(304);
    assert!(again.body.is_empty());
}

#[tokio::test]
async fn only_registered_origins_may_read_answers() {
    let server = Server::start().await;
    server.client(json!({ "redirect_uris": ["https://spa.example/cb"], "token_endpoint_auth_method": "none" })).await;
    let ask = |method: &'static str, path: &'static str, origin: &'static str| {
        Request::builder().method(method).uri(path).header(header::ORIGIN, origin).body(Body::empty()).expect("a request")
    };
    let allowed = |answer: &crate::harness::Answer| {
        answer.headers.get(header::ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().expect("ASCII").to_owned())
    };
    for path in ["/oauth2/token", "/oauth2/userinfo", "/oauth2/revoke"] {
        let preflight = server.send(ask("OPTIONS", path, "https://spa.example")).await.expect(204);
        assert_eq!(allowed(&preflight).as_deref(), Some("https://spa.example"), "{path}");
        let error = server.send(ask("POST", path, "https://spa.example")).await;
        assert_eq!(allowed(&error).as_deref(), Some("https://spa.example"), "errors are readable, too");
        for origin in ["https://evil.example", "null", "https://spa.example.evil.example"] {
            assert_eq!(allowed(&server.send(ask("OPTIONS", path, origin)).await), None, "{path} {origin}");
        }
        assert!(preflight.headers.get(header::ACCESS_CONTROL_ALLOW_CREDENTIALS).is_none());
        assert_eq!(preflight.headers[header::VARY], "Origin");
    }
    for path in ["/oauth2/authorize", "/sign-in", "/consent", "/oauth2/logout"] {
        assert_eq!(allowed(&server.send(ask("GET", path, "https://spa.example")).await), None, "{path}");
    }
}
