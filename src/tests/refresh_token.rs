//! RFC 6749 §6, RFC 9700 §4.14: rotation, the retry of a lost answer, reuse, the lives of a grant.

use std::time::Duration;

use portero::protocol::client::Client;
use serde_json::{Value, json};

use crate::harness::{Browser, Flow, Server, TestClient, claims};

fn refresh_token(tokens: &Value) -> &str {
    tokens["refresh_token"].as_str().unwrap_or_else(|| panic!("no refresh token in {tokens}"))
}

fn access_token(tokens: &Value) -> &str {
    tokens["access_token"].as_str().expect("an access token")
}

async fn signed_in(server: &Server, client: &TestClient) -> Value {
    Browser::new(server).tokens(client, &Flow::new(client), "ana").await
}

#[tokio::test]
async fn each_refresh_gives_a_successor_and_keeps_the_sign_in() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let first = signed_in(&server, &client).await;
    server.advance(100);
    let second = server.refresh(&client, refresh_token(&first)).await.expect(200).json();
    let third = server.refresh(&client, refresh_token(&second)).await.expect(200).json();
    assert_ne!(refresh_token(&first), refresh_token(&second));
    assert_ne!(refresh_token(&second), refresh_token(&third));
    let (before, after) = (claims(first["id_token"].as_str().expect("one")), claims(second["id_token"].as_str().expect("one")));
    // OIDC Core §12.2
    for name in ["iss", "sub", "aud", "auth_time", "nonce", "sid"] {
        assert_eq!(before[name], after[name], "{name}");
    }
    assert!(after["iat"].as_i64() > before["iat"].as_i64());
}

#[tokio::test]
async fn a_lost_answer_can_be_fetched_again() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let first = signed_in(&server, &client).await;
    let second = server.refresh(&client, refresh_token(&first)).await.expect(200).json();
    server.advance(30);
    let again = server.refresh(&client, refresh_token(&first)).await.expect(200).json();
    assert_eq!(refresh_token(&second), refresh_token(&again), "the same successor");
    server.refresh(&client, refresh_token(&again)).await.expect(200);
    // The successor was used: now it is a replay, although the window is still open.
    server.refresh(&client, refresh_token(&first)).await.expect_error(400, "invalid_grant");
}

/// Moments are kept in whole seconds: a window of one must not end with the second it began in.
#[tokio::test]
async fn the_window_of_a_retry_does_not_end_early() {
    let server = Server::with(|config| config.tokens.refresh_retry = Duration::from_secs(1)).await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let first = signed_in(&server, &client).await;
    server.advance_millis(990);
    let second = server.refresh(&client, refresh_token(&first)).await.expect(200).json();
    server.advance_millis(999);
    let again = server.refresh(&client, refresh_token(&first)).await.expect(200).json();
    assert_eq!(refresh_token(&second), refresh_token(&again), "the same successor");
    server.advance(1);
    server.refresh(&client, refresh_token(&first)).await.expect_error(400, "invalid_grant");
    server.refresh(&client, refresh_token(&second)).await.expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_replay_ends_the_family_and_no_other() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let (family, bystander) = (signed_in(&server, &client).await, signed_in(&server, &client).await);
    let second = server.refresh(&client, refresh_token(&family)).await.expect(200).json();
    server.advance(31);
    server.refresh(&client, refresh_token(&family)).await.expect_error(400, "invalid_grant");
    server.refresh(&client, refresh_token(&second)).await.expect_error(400, "invalid_grant");
    for tokens in [&family, &second] {
        assert_eq!(server.introspect(&client, access_token(tokens)).await, json!({ "active": false }));
        assert_eq!(server.bearer("/oauth2/userinfo", access_token(tokens)).await.status, 401);
    }
    server.refresh(&client, refresh_token(&bystander)).await.expect(200);
    let audit = server.app.storage.audit.recent(20).await.expect("audit");
    assert!(audit.iter().any(|row| row.result == "refused" && row.reason.as_deref() == Some("reuse")), "{audit:?}");
}

#[tokio::test]
async fn a_window_of_zero_never_repeats() {
    let server = Server::with(|config| config.tokens.refresh_retry = Duration::ZERO).await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let first = signed_in(&server, &client).await;
    server.refresh(&client, refresh_token(&first)).await.expect(200);
    server.refresh(&client, refresh_token(&first)).await.expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn another_client_neither_uses_nor_ends_it() {
    let server = Server::start().await;
    let (client, other) = (server.client(json!({})).await, server.client(json!({})).await);
    server.user("ana").await;
    let first = signed_in(&server, &client).await;
    server.refresh(&other, refresh_token(&first)).await.expect_error(400, "invalid_grant");
    let wrong = TestClient { id: client.id.clone(), secret: Some("wrong".to_owned()) };
    server.refresh(&wrong, refresh_token(&first)).await.expect_error(401, "invalid_client");
    server.refresh(&client, refresh_token(&first)).await.expect(200);
}

#[tokio::test]
async fn scope_narrows_and_never_grows() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let first = signed_in(&server, &client).await;
    let wider = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&first)), ("scope", "openid phone")];
    server.token(&client, &wider).await.expect_error(400, "invalid_scope");
    let narrower = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&first)), ("scope", "openid")];
    let second = server.token(&client, &narrower).await.expect(200).json();
    assert_eq!(second["scope"], "openid");
    // RFC 6749 §6: the new refresh token's scope "MUST be identical to that of the refresh token included by the client".
    let third = server.refresh(&client, refresh_token(&second)).await.expect(200).json();
    assert_eq!(third["scope"], "openid profile email");
}

#[tokio::test]
async fn use_does_not_stretch_the_absolute_life() {
    let server = Server::start().await;
    let client = server.client(json!({ "scope": "openid offline_access", "first_party": true })).await;
    server.user("ana").await;
    let flow = Flow::new(&client).with("scope", "openid offline_access");
    let mut tokens = Browser::new(&server).tokens(&client, &flow, "ana").await;
    for _ in 0..29 {
        server.advance(24 * 3600);
        tokens = server.refresh(&client, refresh_token(&tokens)).await.expect(200).json();
    }
    server.advance(24 * 3600 + 1);
    server.refresh(&client, refresh_token(&tokens)).await.expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn an_unused_token_dies_of_idleness() {
    let server = Server::start().await;
    let client = server.client(json!({ "scope": "openid offline_access", "first_party": true })).await;
    server.user("ana").await;
    let flow = Flow::new(&client).with("scope", "openid offline_access");
    let tokens = Browser::new(&server).tokens(&client, &flow, "ana").await;
    server.advance(14 * 24 * 3600 + 1);
    server.refresh(&client, refresh_token(&tokens)).await.expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_disabled_person_has_nothing_left() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    let user = server.user("ana").await;
    let tokens = signed_in(&server, &client).await;
    assert!(
        server
            .app
            .storage
            .users
            .set_disabled(portero::storage::durable::Whom::by_id(&user), true, &[], server.app.clock.now(), &Server::operator())
            .await
            .expect("stored")
    );
    server.refresh(&client, refresh_token(&tokens)).await.expect_error(400, "invalid_grant");
    assert_eq!(server.introspect(&client, access_token(&tokens)).await, json!({ "active": false }));
    assert_eq!(server.bearer("/oauth2/userinfo", access_token(&tokens)).await.status, 401);
}

#[tokio::test]
async fn tokens_are_not_each_other() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let tokens = signed_in(&server, &client).await;
    assert_eq!(server.bearer("/oauth2/userinfo", refresh_token(&tokens)).await.status, 401);
    assert_eq!(server.bearer("/oauth2/userinfo", tokens["id_token"].as_str().expect("one")).await.status, 401);
    server.refresh(&client, access_token(&tokens)).await.expect_error(400, "invalid_grant");
    server.redeem(&client, refresh_token(&tokens)).await.expect_error(400, "invalid_grant");
    server.refresh(&client, refresh_token(&tokens)).await.expect(200);
}

#[tokio::test]
async fn a_client_without_rotation_keeps_its_token() {
    let server = Server::start().await;
    let client = server.client(json!({ "refresh_token_rotation": false })).await;
    server.user("ana").await;
    let first = signed_in(&server, &client).await;
    for _ in 0..3 {
        server.advance(60);
        let next = server.refresh(&client, refresh_token(&first)).await.expect(200).json();
        assert_eq!(refresh_token(&next), refresh_token(&first));
    }
}

#[tokio::test]
async fn a_scope_taken_from_the_client_is_gone_with_the_next_refresh() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let first = signed_in(&server, &client).await;
    server.alter(&client, |client| client.scope = "openid profile".to_owned()).await;
    let second = server.refresh(&client, refresh_token(&first)).await.expect(200).json();
    assert_eq!(second["scope"], "openid profile");
}

#[tokio::test]
async fn a_replay_is_one_whatever_else_it_asks_for() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let first = signed_in(&server, &client).await;
    let second = server.refresh(&client, refresh_token(&first)).await.expect(200).json();
    server.advance(31);
    let wider = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&first)), ("scope", "openid phone")];
    server.token(&client, &wider).await.expect_error(400, "invalid_grant");
    server.refresh(&client, refresh_token(&second)).await.expect_error(400, "invalid_grant");
}

/// RFC 6749 §6: a refresh that is refused gave no successor, so it spent nothing; what was taken from the client may be given back.
#[tokio::test]
async fn a_refresh_that_is_refused_has_spent_nothing() {
    let server = Server::with(|config| config.resources.clear()).await;
    server.user("ana").await;
    let client = server.client(json!({ "scope": "openid profile offline_access", "resources": ["https://api.example"] })).await;
    let plain = Flow::new(&client).with("scope", "openid profile");
    let offline = Flow::new(&client).with("scope", "openid offline_access").with("prompt", "consent");
    type Take = fn(&mut Client);
    let take_resources: Take = |client| client.resources.clear();
    let take_offline: Take = |client| client.scope = "openid profile".to_owned();
    let take_all: Take = |client| client.scope = "email".to_owned();
    let cases = [
        (plain.with("resource", "https://api.example"), "invalid_target", take_resources),
        (offline, "invalid_grant", take_offline),
        (Flow::new(&client).with("scope", "openid profile"), "invalid_scope", take_all),
    ];
    for (flow, error, take) in cases {
        let first = Browser::new(&server).tokens(&client, &flow, "ana").await;
        let mut before = None;
        server
            .alter(&client, |client| {
                before = Some(client.clone());
                take(client);
            })
            .await;
        server.refresh(&client, refresh_token(&first)).await.expect_error(400, error);
        // Past the window in which a second one would be the retry of the first.
        server.advance(31);
        server.refresh(&client, refresh_token(&first)).await.expect_error(400, error);
        server.alter(&client, |client| *client = before.clone().expect("it was there")).await;
        let second = server.refresh(&client, refresh_token(&first)).await.expect(200).json();
        assert_ne!(refresh_token(&second), refresh_token(&first));
    }
}

/// RFC 6749 §6 refuses scopes "not originally granted by the resource owner", and no others: what was taken from the client since is left out.
#[tokio::test]
async fn a_client_may_go_on_asking_for_what_it_was_granted() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let first = Browser::new(&server).tokens(&client, &Flow::new(&client).with("scope", "openid profile email"), "ana").await;
    server.alter(&client, |client| client.scope = "openid email".to_owned()).await;
    let asked = [("grant_type", "refresh_token"), ("refresh_token", refresh_token(&first)), ("scope", "openid profile email")];
    assert_eq!(server.token(&client, &asked).await.expect(200).json()["scope"], "openid email");
}

/// RFC 7662 §2.2: a refresh token that the token endpoint would not take is not active, and what it is good for is what it would give.
#[tokio::test]
async fn introspection_knows_what_a_refresh_would_give() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let first = Browser::new(&server).tokens(&client, &Flow::new(&client).with("scope", "openid profile"), "ana").await;
    assert_eq!(server.introspect(&client, refresh_token(&first)).await["scope"], "openid profile");
    server.alter(&client, |client| client.scope = "openid".to_owned()).await;
    assert_eq!(server.introspect(&client, refresh_token(&first)).await["scope"], "openid");
    server.alter(&client, |client| client.grant_types.retain(|grant| grant.as_str() != "refresh_token")).await;
    assert_eq!(server.introspect(&client, refresh_token(&first)).await, json!({ "active": false }));
}

/// A token from before rotation was switched off is retried and replayed as it was.
#[tokio::test]
async fn a_retry_is_one_after_rotation_was_switched_off() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let first = signed_in(&server, &client).await;
    let second = server.refresh(&client, refresh_token(&first)).await.expect(200).json();
    server.alter(&client, |client| client.refresh_token_rotation = false).await;
    let again = server.refresh(&client, refresh_token(&first)).await.expect(200).json();
    assert_eq!(refresh_token(&again), refresh_token(&second));
    server.advance(31);
    server.refresh(&client, refresh_token(&first)).await.expect_error(400, "invalid_grant");
    server.refresh(&client, refresh_token(&second)).await.expect_error(400, "invalid_grant");
}
