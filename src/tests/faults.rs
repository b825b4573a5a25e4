//! A store that does not answer is never a denial: it is 503 with `Retry-After`, and nothing was consumed.

use std::sync::Arc;

use axum::http::header;
use portero::seal::Seal;
use portero::storage::{Schema, Storage, StorageOptions};
use portero::telemetry::metrics;
use serde_json::json;

use crate::harness::{Answer, Browser, Flow, PASSWORD, Server};

#[track_caller]
fn unavailable(answer: &Answer) {
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.headers.contains_key(header::RETRY_AFTER));
    for denial in ["invalid_grant", "invalid_token", "invalid_client", "\"active\":false", "access_denied"] {
        assert!(!answer.body.contains(denial), "{}", answer.body);
    }
}

#[tokio::test]
async fn without_its_database_the_server_denies_nothing() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    let machine = server.client(json!({ "grant_types": ["client_credentials"], "redirect_uris": [], "response_types": [] })).await;
    server.user("ana").await;
    let mut browser = Browser::new(&server);
    let tokens = browser.tokens(&client, &Flow::new(&client), "ana").await;
    let code = browser.code(&Flow::new(&client), "ana").await;
    server.token(&machine, &[("grant_type", "client_credentials")]).await.expect(200);
    let page = Browser::new(&server).get("/sign-in").await;
    server.app.storage.close().await;

    let (access, refresh) = (tokens["access_token"].as_str().expect("one"), tokens["refresh_token"].as_str().expect("one"));
    unavailable(&server.redeem(&client, &code).await);
    unavailable(&server.refresh(&client, refresh).await);
    unavailable(&server.bearer("/oauth2/userinfo", access).await);
    unavailable(&server.form("/oauth2/introspect", &client, &[("token", access)]).await);
    // Never 200 with the token still live (RFC 7009 §2.2.1).
    unavailable(&server.form("/oauth2/revoke", &client, &[("token", access)]).await);
    // The client is known, so it is told (RFC 6749 §4.1.2.1).
    let told = browser.get(&Flow::new(&client).path()).await.redirected();
    assert_eq!(told["error"], "temporarily_unavailable");
    assert_eq!(told["state"], "st4te");
    let signing_in = Browser::new(&server).submit(&page, &[("username", "ana"), ("password", PASSWORD)], Some("sign-in-submit")).await;
    assert!(signing_in.status == 503 || signing_in.status == 403, "{}", signing_in.status);
    // What needs no store is served as ever.
    server.token(&machine, &[("grant_type", "client_credentials")]).await.expect(200);
    server.get("/.well-known/jwks.json").await.expect(200);
    server.get("/.well-known/openid-configuration").await.expect(200);
}

/// Whatever has to be read is read before the code or the refresh token is spent: the retry that `Retry-After` asks for is none of a thief.
#[tokio::test]
async fn what_cannot_be_read_spends_nothing() {
    let elsewhere = Storage::open(&StorageOptions::new("sqlite::memory:"), Seal::new(&[1; 32]), Schema::Migrate).await.expect("a store");
    let organizations = Arc::clone(&elsewhere.organizations);
    let server = Server::with_app(|_| {}, |app| app.storage.organizations = organizations).await;
    server.user("ana").await;
    let client = server.client(json!({ "scope": "openid org" })).await;
    let flow = Flow::new(&client).with("scope", "openid org");
    let tokens = Browser::new(&server).tokens(&client, &flow, "ana").await;
    let code = Browser::new(&server).code(&flow, "ana").await;
    elsewhere.close().await;
    let refresh = tokens["refresh_token"].as_str().expect("one");
    unavailable(&server.redeem(&client, &code).await);
    unavailable(&server.refresh(&client, refresh).await);
    server.advance(31);
    // Without organisations to be read.
    server.alter(&client, |client| client.scope = "openid".to_owned()).await;
    server.redeem(&client, &code).await.expect(200);
    server.refresh(&client, refresh).await.expect(200);
}

/// Whoever runs the server sees a bad night as one of the stores, not as one of refusals. The numbers are those of all tests here.
#[tokio::test]
async fn a_fault_is_counted_as_one() {
    metrics::start();
    let count = |series: &str| {
        let rendered = metrics::render();
        rendered.lines().find_map(|line| line.strip_prefix(series)?.trim().parse::<u64>().ok()).unwrap_or(0)
    };
    let signed_in = "portero_logins_total{method=\"password\",result=\"ok\",reason=\"\"}";
    let [failed, faults] =
        ["portero_tokens_issued_total{grant_type=\"refresh_token\",result=\"failed\"}", "portero_store_faults_total{store=\"database\"}"];
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    let machine =
        server.client(json!({ "grant_types": ["password"], "redirect_uris": [], "response_types": [], "first_party": true })).await;
    server.user("ana").await;
    let before = count(signed_in);
    let tokens = Browser::new(&server).tokens(&client, &Flow::new(&client), "ana").await;
    assert!(count(signed_in) > before, "on a page");
    let before = count(signed_in);
    server.token(&machine, &[("grant_type", "password"), ("username", "ana"), ("password", PASSWORD)]).await.expect(200);
    assert!(count(signed_in) > before, "at the token endpoint");
    let before = (count(failed), count(faults));
    server.app.storage.close().await;
    unavailable(&server.refresh(&client, tokens["refresh_token"].as_str().expect("one")).await);
    assert!(count(failed) > before.0 && count(faults) > before.1, "{}", metrics::render());
}
