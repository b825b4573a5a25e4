//! Requests that no operation gets to see, and requests of nobody: in what form they are refused.

use axum::body::Body;
use axum::http::{Method, Request, header};

use crate::harness::{Answer, Server};

fn long(path: &str) -> String {
    format!("{path}?{}", "x".repeat(16 * 1024))
}

async fn ask(server: &Server, method: Method, target: &str, headers: &[(header::HeaderName, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    server.send(request.body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn rfc9110_15_5_15_a_target_that_is_too_long_has_the_same_answer_as_every_error() {
    let server = Server::start().await;
    for path in ["/oauth2/authorize", "/sign-in", "/account", "/nothing/at/all", "/oauth2/token", "/assets/nothing.css"] {
        let page = ask(&server, Method::GET, &long(path), &[(header::ACCEPT, "text/html"), (header::ACCEPT_LANGUAGE, "es")]).await;
        page.expect_page(414, "uri_too_long");
        assert!(
            page.body.contains("<html lang=\"es\"") && page.body.len() < 16 * 1024,
            "{path}: it is not said again: {}",
            page.body.len()
        );
        let json = ask(&server, Method::GET, &long(path), &[]).await;
        json.expect_error(414, "uri_too_long");
        for answer in [&page, &json] {
            for name in
                ["x-request-id", "content-security-policy", "x-content-type-options", "strict-transport-security", "referrer-policy"]
            {
                assert!(answer.headers.contains_key(name), "{path}: {name}");
            }
            assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store", "{path}");
        }
    }
    for method in [Method::GET, Method::POST] {
        ask(&server, method, &long("/v1/users"), &[(header::ACCEPT, "application/json")]).await.expect_problem(414, "uri_too_long");
    }
    // As long as one may be.
    let longest = format!("/nothing?{}", "x".repeat(16 * 1024 - "/nothing?".len()));
    assert_eq!(longest.len(), 16 * 1024);
    server.get(&longest).await.expect(404);
    server.get(&format!("{longest}x")).await.expect(414);
}

#[tokio::test]
async fn rfc9110_15_5_15_the_same_below_the_path_of_an_issuer() {
    let server = Server::with(|config| config.issuer = "https://id.example/auth".to_owned()).await;
    ask(&server, Method::GET, &long("/auth/sign-in"), &[(header::ACCEPT, "text/html")]).await.expect_page(414, "uri_too_long");
    let answer = ask(&server, Method::GET, &long("/auth/v1/me"), &[]).await.expect(414);
    assert_eq!(answer.json()["code"], "uri_too_long");
}

/// RFC 6750 §3.1: "If the request lacks any authentication information (e.g., the client was unaware that authentication is necessary or attempted
/// using an unsupported authentication method), the resource server SHOULD NOT include an error code or other error information."
#[tokio::test]
async fn rfc6750_3_1_whoever_brings_no_token_is_told_of_no_error() {
    let server = Server::start().await;
    let ways: [&[(header::HeaderName, &str)]; 3] =
        [&[], &[(header::AUTHORIZATION, "Basic YTpi")], &[(header::CONTENT_TYPE, "application/x-www-form-urlencoded")]];
    for headers in ways {
        for method in [Method::GET, Method::POST] {
            let answer = ask(&server, method, "/oauth2/userinfo", headers).await.expect(401);
            assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer realm=\"portero\"");
            assert_eq!(answer.body, "{}", "nothing is said of an error, in the form of every other answer");
            assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store");
        }
        // Errors of the API are documents of its own, whose code says no more than the status.
        for path in ["/v1/me", "/v1/users", "/v1/clients", "/v1/organizations", "/v1/audit"] {
            let answer = ask(&server, Method::GET, path, headers).await.expect_problem(401, "unauthorized");
            assert_eq!(answer.headers[header::WWW_AUTHENTICATE], "Bearer realm=\"portero\"", "{path}");
        }
    }
    // A token that is none is an error, and stays one.
    let answer = server.bearer("/oauth2/userinfo", "nonsense").await;
    answer.expect_error(401, "invalid_token");
    assert!(answer.headers[header::WWW_AUTHENTICATE].to_str().expect("ASCII").contains("error=\"invalid_token\""));
}
