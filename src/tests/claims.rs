//! OIDC Core §5.4, §5.5: claims by scope and by request.

use serde_json::json;

use crate::harness::{Browser, Flow, Server, claims};

#[tokio::test]
async fn claims_asked_for_one_by_one_need_permission_once() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let mut browser = Browser::new(&server);
    let asked = json!({ "userinfo": { "email": null }, "id_token": { "email_verified": { "essential": true }, "auth_time": null } });
    let flow = Flow::new(&client).with("scope", "openid").with("claims", &asked.to_string());
    let tokens = browser.tokens(&client, &flow, "ana").await;
    let id = claims(tokens["id_token"].as_str().expect("one"));
    assert_eq!(id["email_verified"], true);
    assert!(id.get("email").is_none(), "{id}");
    let userinfo = server.bearer("/oauth2/userinfo", tokens["access_token"].as_str().expect("one")).await.expect(200).json();
    assert_eq!(userinfo["email"], "ana@example.org");
    assert!(userinfo.get("name").is_none());
    // The permission is remembered.
    assert!(browser.get(&flow.path()).await.redirected().contains_key("code"));
}

#[tokio::test]
async fn a_client_may_keep_claims_out_of_the_id_token() {
    let server = Server::start().await;
    let client = server.client(json!({ "claims_in_id_token": false })).await;
    server.user("ana").await;
    let tokens = Browser::new(&server).tokens(&client, &Flow::new(&client), "ana").await;
    let id = claims(tokens["id_token"].as_str().expect("one"));
    assert!(id.get("email").is_none() && id.get("name").is_none());
    let userinfo = server.bearer("/oauth2/userinfo", tokens["access_token"].as_str().expect("one")).await.expect(200).json();
    assert_eq!(userinfo["email"], "ana@example.org");
    for (name, value) in userinfo.as_object().expect("claims") {
        assert!(!value.is_null() && value != "", "{name}");
    }
}
