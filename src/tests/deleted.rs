//! ST-06: somebody is deleted while something of theirs is under way. Each ends in its normal error, and nothing is made for a ghost.

use axum::http::StatusCode;
use portero::mail::Mail;
use portero::storage::durable::{UserKey, Whom};
use serde_json::json;

use crate::harness::{Browser, Flow, PASSWORD, Server};

async fn delete(server: &Server, id: &str) {
    let (app, by) = (&server.app, Server::operator());
    assert!(app.storage.accounts.delete(Whom::by_id(id), &[], app.clock.now(), &by).await.expect("no fault"));
}

#[tokio::test]
async fn st_06_on_the_page_that_asks_for_consent() {
    let server = Server::start().await;
    let client = server.client(json!({ "client_name": "Notes" })).await;
    let ana = server.user("ana").await;
    let mut browser = Browser::new(&server);
    let page = browser.authorize(&Flow::new(&client)).await;
    let consent = browser.sign_in(&page, "ana").await;
    delete(&server, &ana).await;
    let answer = browser.submit(&consent, &[], Some("consent-allow")).await.expect(200);
    assert!(answer.body.contains("id=\"sign-in-submit\""), "nobody is signed in: {}", answer.body);
    // The flow goes on with somebody who is there.
    server.user("eva").await;
    let consent = browser.sign_in(&answer, "eva").await;
    assert!(browser.allow(&consent).await.redirected().contains_key("code"));
}

#[tokio::test]
async fn st_06_on_the_way_from_the_page_to_the_tokens() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    let ana = server.user("ana").await;
    let mut browser = Browser::new(&server);
    let page = browser.authorize(&Flow::new(&client)).await;
    let code = Browser::new(&server).code(&Flow::new(&client), "ana").await;
    let refresh = Browser::new(&server).tokens(&client, &Flow::new(&client), "ana").await["refresh_token"].clone();
    delete(&server, &ana).await;
    let wrong = browser.sign_in(&page, "ana").await;
    assert!(wrong.status == 400 && wrong.body.contains("Wrong e-mail or password"), "{} {}", wrong.status, wrong.body);
    server.redeem(&client, &code).await.expect_error(400, "invalid_grant");
    server.redeem(&client, &code).await.expect_error(400, "invalid_grant");
    server.refresh(&client, refresh.as_str().expect("a token")).await.expect_error(400, "invalid_grant");
    assert_eq!(server.app.storage.users.find(UserKey::Id(&ana)).await.expect("read"), None);
}

#[tokio::test]
async fn st_06_with_mails_on_their_way() {
    let server = Server::with(|config| config.sign_up = portero::config::SignUp::Open).await;
    let ana = server.user("ana").await;
    let mut browser = Browser::new(&server);
    let page = browser.get("/recover").await;
    browser.submit(&page, &[("username", "ana")], Some("recover-submit")).await.expect(200);
    let Mail::ResetPassword { token, .. } = server.mail_to("ana@example.org").await else { panic!("a reset") };
    let reset = browser.get(&format!("/recover/reset?token={token}")).await.expect(200);
    let page = browser.get("/sign-up").await;
    browser
        .submit(&page, &[("email", "eva@example.org"), ("password", "another one of these days")], Some("sign-up-submit"))
        .await
        .expect(200);
    let Mail::SignUp { token, .. } = server.mail_to("eva@example.org").await else { panic!("a confirmation") };
    let confirm = browser.get(&format!("/verify-email?token={token}")).await.expect(200);
    let eva = server.app.storage.users.find(UserKey::Identifier("eva@example.org")).await.expect("read").expect("made").id;
    for id in [&ana, &eva] {
        delete(&server, id).await;
    }
    let over = browser.submit(&reset, &[("password", "another one of these days")], Some("reset-submit")).await;
    assert!(over.status == 400 && over.body.contains("has changed since it was sent"), "{} {}", over.status, over.body);
    let over = browser.submit(&confirm, &[], Some("verify-submit")).await;
    assert!(over.status == 400 && over.body.contains("has changed since it was sent"), "{} {}", over.status, over.body);
}

#[tokio::test]
async fn st_06_behind_a_token_for_the_api() {
    let server = Server::start().await;
    let client =
        server.client(json!({ "first_party": true, "grant_types": ["password", "refresh_token"], "scope": "openid account" })).await;
    let ana = server.user("ana").await;
    let credentials = [("grant_type", "password"), ("username", "ana"), ("password", PASSWORD), ("scope", "openid account")];
    let tokens = server.token(&client, &credentials).await.expect(200).json();
    delete(&server, &ana).await;
    let access = tokens["access_token"].as_str().expect("a token");
    assert_eq!(server.bearer("/v1/me", access).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(server.bearer("/oauth2/userinfo", access).await.status, StatusCode::UNAUTHORIZED);
    server.token(&client, &credentials).await.expect_error(400, "invalid_grant");
}
