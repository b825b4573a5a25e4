//! RFC 6749 §2.3, §4.3, §4.4, §5.2; RFC 7009; RFC 7662: clients, their grants, and what becomes of tokens.

use axum::body::Body;
use axum::http::{Request, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portero::storage::durable::Saved;
use serde_json::json;

use crate::harness::{Browser, Flow, PASSWORD, Server, TestClient, claims, form_encode};

fn machine() -> serde_json::Value {
    json!({ "grant_types": ["client_credentials"], "redirect_uris": [], "response_types": [], "scope": "read write" })
}

#[tokio::test]
async fn a_machine_acts_for_itself() {
    let server = Server::with(|config| config.resources.clear()).await;
    let client = server.client(machine()).await;
    let tokens = server.token(&client, &[("grant_type", "client_credentials")]).await.expect(200).json();
    assert_eq!(tokens["scope"], "read write");
    assert!(tokens.get("refresh_token").is_none() && tokens.get("id_token").is_none());
    let access = claims(tokens["access_token"].as_str().expect("a token"));
    assert_eq!((access["sub"].as_str(), access["aud"].as_str()), (Some(client.id.as_str()), Some("https://id.example")));
    let narrower = server.token(&client, &[("grant_type", "client_credentials"), ("scope", "read")]).await.expect(200).json();
    assert_eq!(narrower["scope"], "read");
    server.token(&client, &[("grant_type", "client_credentials"), ("scope", "admin")]).await.expect_error(400, "invalid_scope");
    server
        .token(&client, &[("grant_type", "client_credentials"), ("resource", "https://api.example")])
        .await
        .expect_error(400, "invalid_target");
    let answer = server.bearer("/oauth2/userinfo", tokens["access_token"].as_str().expect("a token")).await;
    assert_eq!(answer.status, 403);
    assert!(answer.headers[header::WWW_AUTHENTICATE].to_str().expect("ASCII").contains("insufficient_scope"));
}

#[tokio::test]
async fn every_error_of_the_token_endpoint() {
    let server = Server::start().await;
    let client = server.client(machine()).await;
    server.token(&client, &[]).await.expect_error(400, "invalid_request");
    server.token(&client, &[("grant_type", "")]).await.expect_error(400, "invalid_request");
    server.token(&client, &[("grant_type", "urn:x")]).await.expect_error(400, "unsupported_grant_type");
    server.token(&client, &[("grant_type", "password")]).await.expect_error(400, "unauthorized_client");
    let twice = [("grant_type", "client_credentials"), ("grant_type", "client_credentials")];
    server.token(&client, &twice).await.expect_error(400, "invalid_request");
    let request =
        Request::post("/oauth2/token").header(header::CONTENT_TYPE, "application/json").body(Body::from("{}")).expect("a request");
    server.send(request).await.expect_error(400, "invalid_request");
    let answer = server.get("/oauth2/token").await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.headers[header::ALLOW], "POST");
    let large = "x".repeat(70_000);
    assert_eq!(server.token(&client, &[("grant_type", &large)]).await.status, 413);
}

#[tokio::test]
async fn a_client_authenticates_as_it_is_registered() {
    let server = Server::start().await;
    let basic = server.client(machine()).await;
    let mut members = machine();
    members["token_endpoint_auth_method"] = json!("client_secret_post");
    let post = server.client(members).await;
    let grant = ("grant_type", "client_credentials");
    let secret = |client: &TestClient| client.secret.clone().expect("confidential");
    let public = |id: &str| TestClient { id: id.to_owned(), secret: None };

    server.token(&basic, &[grant]).await.expect(200);
    server.token(&basic, &[grant, ("client_id", &basic.id)]).await.expect(200);
    server.token(&public(&post.id), &[grant, ("client_secret", &secret(&post))]).await.expect(200);

    let wrong = server.token(&TestClient { id: basic.id.clone(), secret: Some("wrong".into()) }, &[grant]).await;
    wrong.expect_error(401, "invalid_client");
    assert!(wrong.headers[header::WWW_AUTHENTICATE].to_str().expect("ASCII").starts_with("Basic"));
    server.token(&public(&basic.id), &[grant]).await.expect_error(401, "invalid_client");
    // Libraries that try the other method after a wrong secret show this answer: it must not hide that the secret was never the matter.
    let other = server.token(&public(&basic.id), &[grant, ("client_secret", "wrong")]).await;
    other.expect_error(401, "invalid_client");
    let said = "This client is registered for client_secret_basic; the request used client_secret_post, so the secret was not looked at";
    assert_eq!(other.json()["error_description"], said);
    server.token(&public(&basic.id), &[grant, ("client_secret", &secret(&basic))]).await.expect_error(401, "invalid_client");
    server.token(&post, &[grant]).await.expect_error(401, "invalid_client");
    server.token(&public("nobody"), &[grant]).await.expect_error(401, "invalid_client");
    server.token(&basic, &[grant, ("client_id", &basic.id), ("client_secret", &secret(&basic))]).await.expect_error(400, "invalid_request");
    server.token(&basic, &[grant, ("client_id", &post.id)]).await.expect_error(400, "invalid_request");
}

#[tokio::test]
async fn guesses_at_a_secret_are_throttled_and_the_client_elsewhere_is_not() {
    let server = Server::start().await;
    let client = server.client(machine()).await;
    let guess = TestClient { id: client.id.clone(), secret: Some("wrong".into()) };
    let mut refused = 0;
    for _ in 0..15 {
        let answer = server.token(&guess, &[("grant_type", "client_credentials")]).await;
        if answer.status == 429 {
            assert!(answer.headers.contains_key(header::RETRY_AFTER));
            refused += 1;
        }
    }
    assert_eq!(refused, 5);
    let mut elsewhere = Request::post("/oauth2/token")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(
            header::AUTHORIZATION,
            format!("Basic {}", STANDARD.encode(format!("{}:{}", client.id, client.secret.clone().expect("one")))),
        )
        .body(Body::from(form_encode(&[("grant_type", "client_credentials")])))
        .expect("a request");
    elsewhere.extensions_mut().insert(portero::request::RequestContext { id: "x".into(), address: None });
    server.advance(61);
    server.send(elsewhere).await.expect(200);
}

#[tokio::test]
async fn the_password_grant_is_for_first_party_clients_and_obeys_the_lock() {
    let server = Server::start().await;
    let members = json!({ "grant_types": ["password", "refresh_token"], "redirect_uris": [], "response_types": [], "first_party": true });
    let client = server.client(members).await;
    let user = server.user("ana").await;
    let right = [("grant_type", "password"), ("username", "ana@example.org"), ("password", PASSWORD), ("scope", "openid")];
    let tokens = server.token(&client, &right).await.expect(200).json();
    assert_eq!(claims(tokens["id_token"].as_str().expect("one"))["sub"], user);
    server.refresh(&client, tokens["refresh_token"].as_str().expect("one")).await.expect(200);
    let wrong = [("grant_type", "password"), ("username", "ana"), ("password", "wrong")];
    for _ in 0..10 {
        server.token(&client, &wrong).await.expect_error(400, "invalid_grant");
    }
    let locked = server.token(&client, &[("grant_type", "password"), ("username", "ana"), ("password", PASSWORD)]).await;
    assert_eq!(locked.status, 429, "{}", locked.body);
    // The lock is temporary.
    server.advance(15 * 60 + 1);
    server.token(&client, &[("grant_type", "password"), ("username", "ana"), ("password", PASSWORD)]).await.expect(200);
}

#[tokio::test]
async fn revocation_ends_what_belongs_to_the_client_and_nothing_else() {
    let server = Server::start().await;
    let (client, other) = (server.client(json!({})).await, server.client(json!({})).await);
    server.user("ana").await;
    let tokens = Browser::new(&server).tokens(&client, &Flow::new(&client), "ana").await;
    let (access, refresh) = (tokens["access_token"].as_str().expect("one"), tokens["refresh_token"].as_str().expect("one"));
    for token in [access, refresh, "garbage", "a.b.c", ""] {
        let answer = server.form("/oauth2/revoke", &other, &[("token", token)]).await;
        assert_eq!(answer.status, if token.is_empty() { 400 } else { 200 });
    }
    assert_eq!(server.introspect(&client, access).await["active"], true);
    server.form("/oauth2/revoke", &client, &[("token", access), ("token_type_hint", "refresh_token")]).await.expect(200);
    assert_eq!(server.introspect(&client, access).await, json!({ "active": false }));
    let second = server.refresh(&client, refresh).await.expect(200).json();
    let newest = second["refresh_token"].as_str().expect("one");
    server.form("/oauth2/revoke", &client, &[("token", newest)]).await.expect(200);
    server.form("/oauth2/revoke", &client, &[("token", newest)]).await.expect(200);
    assert_eq!(server.introspect(&client, second["access_token"].as_str().expect("one")).await, json!({ "active": false }));
    server.refresh(&client, newest).await.expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn introspection_answers_those_a_token_is_for() {
    let server = Server::start().await;
    let owner = server.client(json!({ "resources": ["https://api.example"] })).await;
    let mut api = machine();
    api["audiences"] = json!(["https://api.example"]);
    let (api, stranger) = (server.client(api).await, server.client(machine()).await);
    server.user("ana").await;
    let flow = Flow::new(&owner).with("resource", "https://api.example");
    let tokens = Browser::new(&server).tokens(&owner, &flow, "ana").await;
    let access = tokens["access_token"].as_str().expect("one");
    assert_eq!(claims(access)["aud"], "https://api.example");
    assert_eq!(server.introspect(&api, access).await["active"], true);
    assert_eq!(server.introspect(&owner, access).await["active"], true);
    assert_eq!(server.introspect(&stranger, access).await, json!({ "active": false }));
    let public = server.client(json!({ "token_endpoint_auth_method": "none" })).await;
    server.form("/oauth2/introspect", &public, &[("token", access)]).await.expect_error(401, "invalid_client");
    server
        .form("/oauth2/introspect", &TestClient { secret: Some("x".into()), ..api.clone() }, &[("token", access)])
        .await
        .expect_error(401, "invalid_client");
    server.advance(600);
    assert_eq!(server.introspect(&owner, access).await, json!({ "active": false }));
}

#[tokio::test]
async fn an_opaque_token_is_read_by_introspection_alone() {
    let server = Server::start().await;
    let client = server.client(json!({ "access_token_format": "opaque" })).await;
    server.user("ana").await;
    let tokens = Browser::new(&server).tokens(&client, &Flow::new(&client), "ana").await;
    let access = tokens["access_token"].as_str().expect("one");
    assert!(!access.contains('.'));
    assert_eq!(server.introspect(&client, access).await["active"], true);
    server.bearer("/oauth2/userinfo", access).await.expect(200);
    server.form("/oauth2/revoke", &client, &[("token", access)]).await.expect(200);
    assert_eq!(server.introspect(&client, access).await, json!({ "active": false }));
}

/// What is issued can be read again, introspected and revoked: the longest that may be asked for makes no token that is too long for that.
#[tokio::test]
async fn the_longest_token_is_one_that_can_be_ended() {
    let server = Server::start().await;
    let scopes: Vec<String> = (0..64).map(|n| format!("{n:063}")).collect();
    let scope = scopes.join(" ");
    assert_eq!(scope.len(), 4095);
    let resources: Vec<String> = (0..8).map(|n| format!("https://r{n}.example/{}", "x".repeat(235))).collect();
    for format in ["jwt", "opaque"] {
        let mut metadata = machine();
        (metadata["scope"], metadata["access_token_format"]) = (json!(scope), json!(format));
        let client = server.client(metadata).await;
        let mut asked = vec![("grant_type", "client_credentials"), ("scope", scope.as_str())];
        asked.extend(resources.iter().map(|resource| ("resource", resource.as_str())));
        let tokens = server.token(&client, &asked).await.expect(200).json();
        let access = tokens["access_token"].as_str().expect("one");
        assert_eq!(server.introspect(&client, access).await["active"], true, "{format}, {} characters", access.len());
        server.form("/oauth2/revoke", &client, &[("token", access)]).await.expect(200);
        assert_eq!(server.introspect(&client, access).await, json!({ "active": false }));
        asked.push(("resource", "https://one.more.example"));
        server.token(&client, &asked).await.expect_error(400, "invalid_target");
    }
}

#[tokio::test]
async fn other_algorithms_per_client() {
    let server = Server::start().await;
    server.user("ana").await;
    for alg in ["ES256", "EdDSA"] {
        let client = server.client(json!({ "id_token_signed_response_alg": alg, "access_token_signed_response_alg": alg })).await;
        let tokens = Browser::new(&server).tokens(&client, &Flow::new(&client), "ana").await;
        for name in ["id_token", "access_token"] {
            let header = tokens[name].as_str().expect("one").split('.').next().expect("a header").to_owned();
            let header: serde_json::Value =
                serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).expect("base64url")).expect("JSON");
            assert_eq!(header["alg"], alg);
        }
        server.bearer("/oauth2/userinfo", tokens["access_token"].as_str().expect("one")).await.expect(200);
        let metadata = server.get("/.well-known/openid-configuration").await.json();
        assert!(metadata["id_token_signing_alg_values_supported"].as_array().expect("a list").contains(&json!(alg)));
    }
}

#[tokio::test]
async fn what_a_deleted_client_had_is_not_anothers_of_the_same_id() {
    let server = Server::start().await;
    let client = server.client(machine()).await;
    let grant = [("grant_type", "client_credentials")];
    let token = server.token(&client, &grant).await.expect(200).json()["access_token"].as_str().expect("one").to_owned();
    assert_eq!(server.introspect(&client, &token).await["active"], true);
    let clients = &server.app.storage.clients;
    let mut record = (*clients.find(&client.id).await.expect("store").expect("there")).clone();
    server.advance(60);
    let now = server.app.clock.now();
    assert_eq!(clients.delete(&client.id, None, now, &Server::operator()).await.expect("done"), Saved::Done);
    record.created_at = now;
    clients.create(&record, &Server::operator()).await.expect("made again");
    assert_eq!(server.introspect(&client, &token).await, json!({ "active": false }));
    let own = server.token(&client, &grant).await.expect(200).json();
    assert_eq!(server.introspect(&client, own["access_token"].as_str().expect("one")).await["active"], true);
}

#[tokio::test]
async fn a_disabled_client_and_its_tokens_are_dead() {
    let server = Server::start().await;
    let (client, api) = (server.client(json!({})).await, server.client(machine()).await);
    server.user("ana").await;
    let tokens = Browser::new(&server).tokens(&client, &Flow::new(&client), "ana").await;
    let mut record = (*server.app.storage.clients.find(&client.id).await.expect("store").expect("there")).clone();
    record.disabled_at = Some(server.app.clock.now());
    assert_eq!(server.app.storage.clients.update(&record, None, &Server::operator()).await.expect("stored"), Saved::Done);
    server.refresh(&client, tokens["refresh_token"].as_str().expect("one")).await.expect_error(401, "invalid_client");
    assert_eq!(server.bearer("/oauth2/userinfo", tokens["access_token"].as_str().expect("one")).await.status, 401);
    assert_eq!(server.introspect(&api, tokens["access_token"].as_str().expect("one")).await, json!({ "active": false }));
}
