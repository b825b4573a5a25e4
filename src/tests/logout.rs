//! OpenID Connect RP-Initiated Logout 1.0, and what ends with a sign-out.

use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use crate::harness::{Browser, Flow, Server, TestClient};
use portero::urls::encode;

const AFTER: &str = "https://app.example/bye";

async fn signed_in<'a>(server: &'a Server, client: &TestClient, scope: &str) -> (Browser<'a>, serde_json::Value) {
    let mut browser = Browser::new(server);
    let tokens = browser.tokens(client, &Flow::new(client).with("scope", scope), "ana").await;
    (browser, tokens)
}

#[tokio::test]
async fn with_its_hint_the_session_ends_and_the_client_hears_its_state() {
    let server = Server::start().await;
    let client = server.client(json!({ "post_logout_redirect_uris": [AFTER] })).await;
    server.user("ana").await;
    let (mut browser, tokens) = signed_in(&server, &client, "openid").await;
    let hint = tokens["id_token"].as_str().expect("one");
    let path = format!("/oauth2/logout?id_token_hint={hint}&post_logout_redirect_uri={}&state=x%20y", encode(AFTER));
    let answer = browser.get(&path).await;
    let answer = browser.follow(answer).await;
    assert_eq!(answer.location(), format!("{AFTER}?state=x%20y"));
    assert_eq!(browser.get(&Flow::new(&client).with("prompt", "none").path()).await.redirected()["error"], "login_required");
    assert_eq!(server.introspect(&client, tokens["access_token"].as_str().expect("one")).await, json!({ "active": false }));
    server.refresh(&client, tokens["refresh_token"].as_str().expect("one")).await.expect_error(400, "invalid_grant");
    // Again, with the session gone, is no error.
    let again = browser.get(&path).await;
    let again = browser.follow(again).await;
    assert_eq!(again.location(), format!("{AFTER}?state=x%20y"));
}

/// A browser that asks ahead signs nobody out.
#[tokio::test]
async fn a_look_ahead_ends_no_session() {
    let server = Server::start().await;
    let client = server.client(json!({ "post_logout_redirect_uris": [AFTER] })).await;
    server.user("ana").await;
    let (mut browser, tokens) = signed_in(&server, &client, "openid").await;
    let hint = tokens["id_token"].as_str().expect("one");
    let path = format!("/oauth2/logout?id_token_hint={hint}&post_logout_redirect_uri={}", encode(AFTER));
    let cookies: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let ahead = Request::get(&path).header("cookie", cookies.join("; ")).header("sec-purpose", "prefetch;prerender");
    assert_eq!(server.send(ahead.body(Body::empty()).expect("a request")).await.status, 503);
    assert_eq!(server.introspect(&client, tokens["access_token"].as_str().expect("one")).await["active"], true);
    assert_eq!(browser.get(&path).await.status, 303);
}

#[tokio::test]
async fn offline_access_lives_on() {
    let server = Server::start().await;
    let client = server.client(json!({ "post_logout_redirect_uris": [AFTER] })).await;
    server.user("ana").await;
    let mut browser = Browser::new(&server);
    let flow = Flow::new(&client).with("scope", "openid offline_access").with("prompt", "consent");
    let tokens = browser.tokens(&client, &flow, "ana").await;
    assert_eq!(tokens["scope"], "openid offline_access");
    let path = format!("/oauth2/logout?id_token_hint={}", tokens["id_token"].as_str().expect("one"));
    let page = browser.get(&path).await;
    let answer = browser.submit(&page, &[], Some("sign-out-submit")).await;
    assert!(answer.body.contains("id=\"signed-out\""), "{}", answer.body);
    assert_eq!(server.introspect(&client, tokens["access_token"].as_str().expect("one")).await, json!({ "active": false }));
    let next = server.refresh(&client, tokens["refresh_token"].as_str().expect("one")).await.expect(200).json();
    assert!(crate::harness::claims(next["access_token"].as_str().expect("one")).get("sid").is_none());
    assert_eq!(server.introspect(&client, next["access_token"].as_str().expect("one")).await["active"], true);
}

#[tokio::test]
async fn without_a_hint_a_person_confirms() {
    let server = Server::start().await;
    let client = server.client(json!({ "post_logout_redirect_uris": [AFTER] })).await;
    server.user("ana").await;
    let (mut browser, _) = signed_in(&server, &client, "openid").await;
    for path in ["/oauth2/logout".to_owned(), format!("/oauth2/logout?client_id={}&post_logout_redirect_uri={}", client.id, encode(AFTER))]
    {
        let page = browser.get(&path).await;
        assert!(page.body.contains("id=\"sign-out-submit\""), "{}", page.body);
        assert!(
            browser.get(&Flow::new(&client).with("prompt", "none").with("scope", "openid").path()).await.redirected().contains_key("code")
        );
    }
    let page = browser.get("/oauth2/logout").await;
    let done = browser.submit(&page, &[], Some("sign-out-submit")).await;
    assert!(done.body.contains("id=\"signed-out\""), "{}", done.body);
    assert_eq!(browser.get(&Flow::new(&client).with("prompt", "none").path()).await.redirected()["error"], "login_required");
}

#[tokio::test]
async fn nobody_is_sent_where_the_client_is_not_registered() {
    let server = Server::start().await;
    let client = server.client(json!({ "post_logout_redirect_uris": [AFTER] })).await;
    let other = server.client(json!({ "post_logout_redirect_uris": ["https://other.example/bye"] })).await;
    server.user("ana").await;
    let (mut browser, tokens) = signed_in(&server, &client, "openid").await;
    let hint = tokens["id_token"].as_str().expect("one");
    let mut spoilt = hint.to_owned();
    spoilt.replace_range(spoilt.len() - 8..spoilt.len() - 4, "AAAA");
    for query in [
        format!("id_token_hint={hint}&post_logout_redirect_uri={}", encode("https://app.example/bye?x=1")),
        format!("id_token_hint={hint}&post_logout_redirect_uri={}", encode("https://other.example/bye")),
        format!("id_token_hint={hint}&post_logout_redirect_uri={}", encode("javascript:alert(1)")),
        format!("id_token_hint={spoilt}&post_logout_redirect_uri={}", encode(AFTER)),
        format!("id_token_hint={hint}&client_id={}", other.id),
        "client_id=nobody".to_owned(),
    ] {
        let answer = browser.get(&format!("/oauth2/logout?{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {}", answer.body);
        assert!(answer.body.contains("id=\"error-code\""));
        assert!(
            browser.get(&Flow::new(&client).with("prompt", "none").with("scope", "openid").path()).await.redirected().contains_key("code"),
            "{query}"
        );
    }
}

/// RP-Initiated Logout 1.0 §2: POST is mandatory, and from the app's own page it comes without the session's cookie.
#[tokio::test]
async fn a_form_from_the_apps_page_signs_out_too() {
    let server = Server::start().await;
    let client = server.client(json!({ "post_logout_redirect_uris": [AFTER] })).await;
    server.user("ana").await;
    let (mut browser, tokens) = signed_in(&server, &client, "openid").await;
    let hint = tokens["id_token"].as_str().expect("one");
    let cookies = std::mem::take(&mut browser.cookies);
    // What is too long for that does not look as if it were done.
    let long = "s".repeat(16_000);
    let endless = [("id_token_hint", hint), ("post_logout_redirect_uri", AFTER), ("state", long.as_str())];
    browser.request(axum::http::Method::POST, "/oauth2/logout", Some(&endless)).await.expect_page(413, "content_too_large");
    let fields = [("id_token_hint", hint), ("post_logout_redirect_uri", AFTER), ("state", &long[..8_000])];
    let again = browser.request(axum::http::Method::POST, "/oauth2/logout", Some(&fields)).await;
    assert!(again.location().contains("/oauth2/logout?"), "asked again with the cookies");
    let fields = [("id_token_hint", hint), ("post_logout_redirect_uri", AFTER), ("state", "x y")];
    let first = browser.request(axum::http::Method::POST, "/oauth2/logout", Some(&fields)).await;
    browser.cookies = cookies;
    assert_eq!(browser.follow(first).await.location(), format!("{AFTER}?state=x%20y"));
    assert_eq!(browser.get(&Flow::new(&client).with("prompt", "none").path()).await.redirected()["error"], "login_required");
}

/// A session outlives the key that signed its first ID token.
#[tokio::test]
async fn a_hint_is_believed_as_long_as_its_session_can_live() {
    let server = Server::start().await;
    let client = server.client(json!({ "post_logout_redirect_uris": [AFTER] })).await;
    server.user("ana").await;
    let (mut browser, tokens) = signed_in(&server, &client, "openid").await;
    let (app, by) = (&server.app, Server::operator());
    app.tokens.keys.rotate(portero::keys::Which::All, true, || app.random.bytes(), app.clock.now(), &by).await.expect("rotated");
    server.advance(10 * 3600);
    app.tokens.keys.clean(app.clock.now(), &by).await.expect("cleaned");
    app.tokens.keys.refresh(app.clock.now()).await.expect("refreshed");
    assert_eq!(
        server.get("/.well-known/jwks.json").await.json()["keys"].as_array().expect("keys").len(),
        1,
        "the old key is not published"
    );
    assert_eq!(server.bearer("/oauth2/userinfo", tokens["access_token"].as_str().expect("one")).await.status, 401);
    let hint = tokens["id_token"].as_str().expect("one");
    let path = format!("/oauth2/logout?id_token_hint={hint}&post_logout_redirect_uri={}", encode(AFTER));
    assert_eq!(browser.get(&path).await.location(), AFTER);
}
