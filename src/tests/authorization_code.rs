//! RFC 6749 §4.1, RFC 7636, RFC 9207: the authorization code flow through the real router.

use serde_json::json;

use crate::harness::{Browser, CALLBACK, Flow, PASSWORD, Server, VERIFIER, claims};

#[tokio::test]
async fn the_whole_flow_gives_tokens_that_stand() {
    let server = Server::start().await;
    let client = server.client(json!({ "client_name": "Notes" })).await;
    let user = server.user("ana").await;
    let mut browser = Browser::new(&server);

    let page = browser.authorize(&Flow::new(&client)).await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("Notes"), "the app that asks is named");
    let page = browser.sign_in(&page, "ana").await;
    let answer = browser.allow(&page).await;
    let parameters = answer.redirected();
    assert!(answer.location().starts_with(CALLBACK));
    assert_eq!(parameters["state"], "st4te");
    // RFC 9207 §2
    assert_eq!(parameters["iss"], "https://id.example");

    let tokens = server.redeem(&client, &parameters["code"]).await.expect(200);
    assert_eq!(tokens.headers["cache-control"], "no-store");
    let tokens = tokens.json();
    assert_eq!(tokens["token_type"], "Bearer");
    let id = claims(tokens["id_token"].as_str().expect("an ID token"));
    assert_eq!(id["iss"], "https://id.example");
    assert_eq!(id["sub"], user);
    assert_eq!(id["nonce"], "n0nce");
    assert_eq!(id["auth_time"], 1_800_000_000);
    assert_eq!(id["acr"], "1");
    assert_eq!(id["amr"], json!(["pwd"]));
    assert_eq!(id["email"], "ana@example.org");
    assert!(id["sid"].is_string() && id["at_hash"].is_string());

    let userinfo = server.bearer("/oauth2/userinfo", tokens["access_token"].as_str().expect("a token")).await.expect(200).json();
    assert_eq!(userinfo["sub"], user);
    let introspected = server.introspect(&client, tokens["access_token"].as_str().expect("a token")).await;
    assert_eq!(introspected["active"], true);
    assert_eq!(introspected["username"], "ana");
}

#[tokio::test]
async fn a_code_is_good_once_and_its_replay_ends_what_it_opened() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let mut browser = Browser::new(&server);
    let code = browser.code(&Flow::new(&client), "ana").await;
    let tokens = server.redeem(&client, &code).await.expect(200).json();
    server.advance(30);
    server.redeem(&client, &code).await.expect_error(400, "invalid_grant");
    let access = tokens["access_token"].as_str().expect("a token");
    assert_eq!(server.introspect(&client, access).await, json!({ "active": false }));
    assert_eq!(server.bearer("/oauth2/userinfo", access).await.status, 401);
    server.refresh(&client, tokens["refresh_token"].as_str().expect("a token")).await.expect_error(400, "invalid_grant");
}

/// RFC 6749 §4.1.2: what a code opened is revoked by its replay, also where the code would not open anything any more.
#[tokio::test]
async fn a_late_replay_ends_what_a_code_opened() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let flow = Flow::new(&client).with("scope", "openid offline_access").with("prompt", "consent");
    for expired in [false, true] {
        let mut browser = Browser::new(&server);
        let code = browser.code(&flow, "ana").await;
        let tokens = server.redeem(&client, &code).await.expect(200).json();
        if expired {
            server.advance(61);
        } else {
            let page = browser.get("/oauth2/logout").await;
            browser.submit(&page, &[], Some("sign-out-submit")).await;
        }
        let tokens = server.refresh(&client, tokens["refresh_token"].as_str().expect("one")).await.expect(200).json();
        server.redeem(&client, &code).await.expect_error(400, "invalid_grant");
        server.refresh(&client, tokens["refresh_token"].as_str().expect("one")).await.expect_error(400, "invalid_grant");
    }
}

/// The same where the short-lived store knows the code no more, by whoever has its verifier; a stranger with the code alone ends nothing.
#[tokio::test]
async fn a_replay_that_only_sql_remembers_needs_the_verifier() {
    let server = Server::start().await;
    let client = server.client(json!({ "token_endpoint_auth_method": "none" })).await;
    server.user("ana").await;
    let flow = Flow::new(&client).with("scope", "openid offline_access").with("prompt", "consent");
    let code = Browser::new(&server).code(&flow, "ana").await;
    let tokens = server.redeem(&client, &code).await.expect(200).json();
    // Beyond the life of any record of a code.
    server.advance(3600);
    let stolen = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", CALLBACK)];
    server.token(&client, &stolen).await.expect_error(400, "invalid_grant");
    let wrong = [&stolen[..], &[("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXX")]].concat();
    server.token(&client, &wrong).await.expect_error(400, "invalid_grant");
    let tokens = server.refresh(&client, tokens["refresh_token"].as_str().expect("one")).await.expect(200).json();
    server.redeem(&client, &code).await.expect_error(400, "invalid_grant");
    server.refresh(&client, tokens["refresh_token"].as_str().expect("one")).await.expect_error(400, "invalid_grant");
}

/// RFC 6749 §5.1: an answer without `scope` says that all were granted, so where nothing is left there is none; and nothing was spent.
#[tokio::test]
async fn a_client_that_lost_all_it_asked_for_gets_an_error_and_keeps_its_code() {
    let server = Server::with(|config| config.resources.clear()).await;
    let client = server.client(json!({ "scope": "openid profile", "resources": ["https://api.example"] })).await;
    server.user("ana").await;
    let flow = Flow::new(&client).with("scope", "openid profile").with("resource", "https://api.example");
    let code = Browser::new(&server).code(&flow, "ana").await;
    server.alter(&client, |client| client.scope = "email".to_owned()).await;
    server.redeem(&client, &code).await.expect_error(400, "invalid_scope");
    server.alter(&client, |client| (client.scope, client.resources) = ("openid profile".to_owned(), Vec::new())).await;
    server.redeem(&client, &code).await.expect_error(400, "invalid_target");
    server.alter(&client, |client| client.resources = vec!["https://api.example".to_owned()]).await;
    server.redeem(&client, &code).await.expect(200);
}

#[tokio::test]
async fn an_expired_code_is_refused() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let code = Browser::new(&server).code(&Flow::new(&client), "ana").await;
    server.advance(61);
    server.redeem(&client, &code).await.expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn another_client_neither_redeems_nor_burns_a_code() {
    let server = Server::start().await;
    let (client, other) = (server.client(json!({})).await, server.client(json!({})).await);
    server.user("ana").await;
    let code = Browser::new(&server).code(&Flow::new(&client), "ana").await;
    server.redeem(&other, &code).await.expect_error(400, "invalid_grant");
    let fields = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", CALLBACK)];
    server.token(&client, &fields).await.expect_error(400, "invalid_grant");
    let wrong = [&fields[..], &[("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXX")]].concat();
    server.token(&client, &wrong).await.expect_error(400, "invalid_grant");
    let elsewhere = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", "https://app.example/other"),
        ("code_verifier", VERIFIER),
    ];
    server.token(&client, &elsewhere).await.expect_error(400, "invalid_grant");
    server.redeem(&client, &code).await.expect(200);
}

#[tokio::test]
async fn an_unsafe_redirect_is_a_page_and_everything_else_goes_to_the_client() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    let mut browser = Browser::new(&server);
    let flow = Flow::new(&client);
    for uri in [
        "https://evil.example/cb",
        "https://app.example/cb/",
        "https://app.example/CB",
        "https://app.example/cb?x=1",
        "https://app.example:443/cb",
    ] {
        browser.authorize(&flow.clone().with("redirect_uri", uri)).await.expect_page(400, "invalid_request");
    }
    browser.authorize(&flow.clone().without("client_id")).await.expect_page(400, "invalid_request");
    browser.authorize(&flow.clone().with("client_id", "nobody")).await.expect_page(400, "invalid_client");
    browser.authorize(&flow.clone().and("client_id", &client.id)).await.expect_page(400, "invalid_request");
    let cases = [
        (flow.clone().without("response_type"), "invalid_request"),
        (flow.clone().with("response_type", "token"), "unsupported_response_type"),
        (flow.clone().and("scope", "openid"), "invalid_request"),
        (flow.clone().without("code_challenge"), "invalid_request"),
        (flow.clone().with("code_challenge_method", "plain"), "invalid_request"),
        (flow.clone().without("code_challenge_method"), "invalid_request"),
        (flow.clone().with("request", "eyJhbGciOiJub25lIn0.e30."), "request_not_supported"),
        (flow.clone().with("request_uri", "https://app.example/r"), "request_uri_not_supported"),
        (flow.clone().with("registration", "{}"), "registration_not_supported"),
        (flow.clone().with("prompt", "none login"), "invalid_request"),
        (flow.clone().with("prompt", "none"), "login_required"),
        (flow.clone().with("max_age", "abc"), "invalid_request"),
        (flow.clone().with("claims", "[]"), "invalid_request"),
        (flow.clone().with("resource", "https://api.example/#x"), "invalid_target"),
    ];
    for (flow, code) in cases {
        let answer = browser.authorize(&flow).await;
        let parameters = answer.redirected();
        assert_eq!(parameters["error"], code, "{}", flow.query());
        assert_eq!((parameters["state"].as_str(), parameters["iss"].as_str()), ("st4te", "https://id.example"));
        assert!(!parameters.contains_key("code"));
    }
}

#[tokio::test]
async fn state_comes_back_byte_for_byte() {
    let server = Server::start().await;
    let client = server.client(json!({ "first_party": true })).await;
    server.user("ana").await;
    let mut browser = Browser::new(&server);
    let state = format!("\"><script>\r\nSet-Cookie: x %25 é ñ 🔑{}", "x".repeat(3000));
    let answer = browser.authorize(&Flow::new(&client).with("state", &state)).await;
    let answer = browser.sign_in(&answer, "ana").await;
    assert_eq!(answer.redirected()["state"], state);
    let refused = browser.authorize(&Flow::new(&client).with("state", &state).with("response_type", "token")).await;
    assert_eq!(refused.redirected()["state"], state);
}

/// OIDC Core §3.1.2.1
#[tokio::test]
async fn a_request_may_come_by_post_and_still_knows_the_session() {
    let server = Server::start().await;
    let client = server.client(json!({ "first_party": true })).await;
    server.user("ana").await;
    let mut browser = Browser::new(&server);
    browser.code(&Flow::new(&client), "ana").await;
    let flow = Flow::new(&client).with("prompt", "none");
    let fields: Vec<(String, String)> = url::form_urlencoded::parse(flow.query().as_bytes()).into_owned().collect();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let cookies = std::mem::take(&mut browser.cookies);
    let first = browser.request(axum::http::Method::POST, "/oauth2/authorize", Some(&fields)).await;
    browser.cookies = cookies;
    assert!(browser.follow(first).await.redirected().contains_key("code"));
}

#[tokio::test]
async fn deny_is_an_answer() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let mut browser = Browser::new(&server);
    let page = browser.authorize(&Flow::new(&client)).await;
    let page = browser.sign_in(&page, "ana").await;
    let answer = browser.submit(&page, &[], Some("consent-deny")).await;
    let parameters = answer.redirected();
    assert_eq!(parameters["error"], "access_denied");
    assert_eq!(parameters["state"], "st4te");
}

#[tokio::test]
async fn consent_is_remembered_and_asked_again_when_scopes_grow() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let mut browser = Browser::new(&server);
    browser.code(&Flow::new(&client), "ana").await;
    browser.authorize(&Flow::new(&client)).await.redirected();
    let more = Flow::new(&client).with("scope", "openid profile email phone");
    assert!(browser.authorize(&more).await.body.contains("id=\"consent-allow\""));
    let none = browser.authorize(&more.clone().with("prompt", "none")).await;
    assert_eq!(none.redirected()["error"], "consent_required");
    assert!(browser.authorize(&Flow::new(&client).with("prompt", "consent")).await.body.contains("id=\"consent-allow\""));
}

#[tokio::test]
async fn a_public_client_on_loopback_asks_each_time_on_any_port() {
    let server = Server::start().await;
    let client = server.client(json!({ "token_endpoint_auth_method": "none", "redirect_uris": ["http://127.0.0.1/cb"] })).await;
    server.user("ana").await;
    let mut browser = Browser::new(&server);
    let flow = Flow::new(&client).with("redirect_uri", "http://127.0.0.1:51004/cb");
    browser.code(&flow, "ana").await;
    assert!(browser.authorize(&flow).await.body.contains("id=\"consent-allow\""));
    for uri in ["http://127.0.0.1:51004/other", "http://localhost:51004/cb", "http://[::1]:51004/cb", "https://127.0.0.1:51004/cb"] {
        browser.authorize(&flow.clone().with("redirect_uri", uri)).await.expect_page(400, "invalid_request");
    }
}

#[tokio::test]
async fn a_flow_belongs_to_the_browser_that_started_it() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let mut attacker = Browser::new(&server);
    let page = attacker.authorize(&Flow::new(&client)).await;
    let path = page.headers["x-test-path"].to_str().expect("a path").to_owned();
    let mut victim = Browser::new(&server);
    assert_eq!(victim.get(&path).await.status, 400);
    let stolen = victim.submit(&page, &[("username", "ana"), ("password", PASSWORD)], Some("sign-in-submit")).await;
    assert!(stolen.status.is_client_error(), "{}", stolen.status);
}

#[tokio::test]
async fn a_code_does_not_outlive_the_session_it_was_made_in() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    let user = server.user("ana").await;
    let mut browser = Browser::new(&server);
    for scope in ["openid", "openid offline_access"] {
        let flow = Flow::new(&client).with("scope", scope).with("prompt", "consent");
        let code = browser.code(&flow, "ana").await;
        let page = browser.get("/oauth2/logout").await;
        browser.submit(&page, &[], Some("sign-out-submit")).await;
        server.redeem(&client, &code).await.expect_error(400, "invalid_grant");
    }
    let code = browser.code(&Flow::new(&client), "ana").await;
    let (users, now, by) = (&server.app.storage.users, server.app.clock.now(), Server::operator());
    for disabled in [true, false] {
        assert!(users.set_disabled(portero::storage::durable::Whom::by_id(&user), disabled, &[], now, &by).await.expect("stored"));
    }
    server.redeem(&client, &code).await.expect_error(400, "invalid_grant");
}

/// RFC 9110 §9.2.1
#[tokio::test]
async fn head_issues_nothing() {
    let server = Server::start().await;
    let client = server.client(json!({ "first_party": true })).await;
    server.user("ana").await;
    let mut browser = Browser::new(&server);
    browser.code(&Flow::new(&client), "ana").await;
    let answer = browser.request(axum::http::Method::HEAD, &Flow::new(&client).path(), None).await;
    assert_eq!(answer.status, 405);
    assert!(!answer.headers.contains_key("location"));
}

#[tokio::test]
async fn a_form_with_raw_bytes_is_asked_again_in_an_address() {
    use axum::body::Body;
    use axum::http::{Request, header};
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    let body = format!("{}&login_hint=a\nb#ñ\u{7f}", Flow::new(&client).query());
    let request = Request::post("/oauth2/authorize").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    let answer = server.send(request.body(Body::from(body)).expect("a request")).await;
    assert_eq!(answer.status, 303);
    assert!(answer.location().ends_with("login_hint=a%0Ab%23%C3%B1%7F"), "{}", answer.location());
}

/// RFC 8707 §2: what is asked wrongly can be asked again.
#[tokio::test]
async fn a_resource_that_was_not_granted_burns_no_code() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let code = Browser::new(&server).code(&Flow::new(&client).with("resource", "https://api.example"), "ana").await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
        ("resource", "https://other.example"),
    ];
    server.token(&client, &fields).await.expect_error(400, "invalid_target");
    server.redeem(&client, &code).await.expect(200);
}

#[tokio::test]
async fn form_post_is_a_page_that_sends_itself() {
    let server = Server::start().await;
    let client = server.client(json!({ "first_party": true })).await;
    server.user("ana").await;
    let mut browser = Browser::new(&server);
    let page = browser.authorize(&Flow::new(&client).with("response_mode", "form_post").with("state", "a\"><b>\r\n")).await;
    let answer = browser.sign_in(&page, "ana").await.expect(200);
    assert!(answer.body.contains("action=\"https://app.example/cb\""), "{}", answer.body);
    assert!(answer.body.contains("name=\"code\"") && answer.body.contains("name=\"iss\""));
    assert!(answer.body.contains("a&quot;&gt;&lt;b&gt;&#13;&#10;") && !answer.body.contains("\"><b>"));
    let fragment = browser.authorize(&Flow::new(&client).with("response_mode", "fragment")).await;
    assert!(fragment.location().starts_with("https://app.example/cb#"), "{}", fragment.location());
}
