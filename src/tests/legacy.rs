//! Old services' requests (`src/legacy`): what `conformance/seeds` cannot see, because it takes a clock that is moved by hand or a look into the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::http::{Method, Request, header};
use portero::config::{Config, DialectMount};
use portero::mail::Mail;
use portero::storage::durable::{Saved, UserKey, Whom};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::api_accounts::refused_consumptions;
use crate::harness::{Answer, Browser, Flow, PASSWORD, Server, claims};

const DAY: i64 = 24 * 3600;

pub fn dialect(name: &'static str) -> impl FnOnce(&mut Config) {
    move |config| config.dialects = vec![DialectMount { source: name.to_owned(), prefix: String::new() }]
}

async fn ask(server: &Server, method: Method, path: &str, token: Option<&str>, body: Value) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
    server.send(request.body(body).expect("a request")).await
}

async fn post(server: &Server, path: &str, token: Option<&str>, body: Value) -> Answer {
    ask(server, Method::POST, path, token, body).await
}

async fn form(server: &Server, path: &str, token: Option<&str>, body: &'static str) -> Answer {
    let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    server.send(request.body(Body::from(body)).expect("a request")).await
}

fn text<'a>(json: &'a Value, name: &str) -> &'a str {
    json[name].as_str().unwrap_or_else(|| panic!("no {name} in {json}"))
}

/// Ana of the harness, signed in at the Flask dialect.
async fn flask(server: &Server) -> Value {
    post(server, "/auth/sign-in", None, json!({ "email": "ana@example.org", "password": PASSWORD })).await.expect(200).json()
}

async fn users_token(server: &Server, body: &'static str) -> String {
    text(&form(server, "/token", None, body).await.expect(200).json(), "access_token").to_owned()
}

#[tokio::test]
async fn a_refresh_token_that_is_not_replaced_has_a_fixed_life() {
    let server = Server::with(dialect("flask-jwt")).await;
    server.user("ana").await;
    let tokens = flask(&server).await;
    let refresh = text(&tokens, "refresh_token");
    for _ in 0..29 {
        server.advance(DAY);
        post(&server, "/auth/refresh", Some(refresh), Value::Null).await.expect(200);
    }
    server.advance(DAY - 60);
    let last = post(&server, "/auth/refresh", Some(refresh), Value::Null).await.expect(200).json();
    let access = claims(text(&last, "access_token"));
    assert_eq!(access["exp"].as_i64().expect("exp") - access["iat"].as_i64().expect("iat"), 60, "no access token outlives its sign-in");
    server.advance(60);
    post(&server, "/auth/refresh", Some(refresh), Value::Null).await.expect(401);
}

/// What the frameworks before answered, and what whoever watches a service asks with.
#[tokio::test]
async fn head_is_answered_where_get_is() {
    let server = Server::with(dialect("django-simplejwt")).await;
    server.user("ana").await;
    let signed_in =
        post(&server, "/api/token/", None, json!({ "email": "ana@example.org", "password": PASSWORD })).await.expect(200).json();
    let token = text(&signed_in, "access");
    ask(&server, Method::HEAD, "/api/me/", Some(token), Value::Null).await.expect(200);
    ask(&server, Method::HEAD, "/api/me/", None, Value::Null).await.expect(401);
    ask(&server, Method::HEAD, "/api/token/", None, Value::Null).await.expect(405);
}

#[tokio::test]
async fn what_ends_a_refresh_token_that_is_not_replaced() {
    let server = Server::with(dialect("flask-jwt")).await;
    let (ana, by) = (server.user("ana").await, Server::operator());
    let users = &server.app.storage.users;
    let (first, second) = (flask(&server).await, flask(&server).await);
    // Signing out: revocation by the client it belongs to, which the grant is.
    let (id, _) = server.app.tokens.read_refresh(text(&first, "refresh_token")).expect("ours");
    server.app.storage.grants.revoke(&id, server.app.clock.now(), &by).await.expect("stored");
    post(&server, "/auth/refresh", Some(text(&first, "refresh_token")), Value::Null).await.expect(401);
    post(&server, "/auth/refresh", Some(text(&second, "refresh_token")), Value::Null).await.expect(200);
    let hash = users.with_password(UserKey::Id(&ana)).await.expect("read").expect("known").1.expect("a hash");
    assert!(users.set_password(&ana, &hash, None, &[], server.app.clock.now(), &by).await.expect("stored"));
    post(&server, "/auth/refresh", Some(text(&second, "refresh_token")), Value::Null).await.expect(401);
    let third = flask(&server).await;
    assert!(users.set_disabled(Whom::by_id(&ana), true, &[], server.app.clock.now(), &by).await.expect("stored"));
    post(&server, "/auth/refresh", Some(text(&third, "refresh_token")), Value::Null).await.expect(401);
}

#[tokio::test]
async fn an_access_token_renews_itself_until_its_sign_in_ends_and_nowhere_else() {
    let server = Server::with(dialect("fastapi-users")).await;
    server.user("ana").await;
    let first = users_token(&server, "username=ana&password=correct+horse+battery+staple").await;
    let lived = claims(&first)["exp"].as_i64().expect("exp") - claims(&first)["iat"].as_i64().expect("iat");
    assert_eq!(lived, 30 * 60);
    server.advance(30 * 60);
    post(&server, "/refresh-token", Some(&first), Value::Null).await.expect(401);
    let mut token = users_token(&server, "username=ana&password=correct+horse+battery+staple").await;
    let mut renewals = 0;
    // A step of 25 minutes, for thirty days.
    loop {
        server.advance(25 * 60);
        let answer = post(&server, "/refresh-token", Some(&token), Value::Null).await;
        if answer.status == 401 {
            break;
        }
        token = text(&answer.expect(200).json(), "access_token").to_owned();
        renewals += 1;
        assert!(renewals < 30 * 24 * 60 / 25, "it renews itself for ever");
    }
    assert_eq!(renewals, 30 * 24 * 60 / 25 - 1);
    // At the token endpoint an access token renews nothing.
    let token = users_token(&server, "username=ana&password=correct+horse+battery+staple").await;
    let client = server.client(json!({})).await;
    server.refresh(&client, &token).await.expect_error(400, "invalid_grant");
}

#[tokio::test]
async fn a_change_of_the_password_ends_every_other_sign_in() {
    let server = Server::with(dialect("fastapi-users")).await;
    server.user("ana").await;
    let mine = users_token(&server, "username=ana&password=correct+horse+battery+staple").await;
    let other = users_token(&server, "username=ana&password=correct+horse+battery+staple").await;
    let change = "old_password=correct+horse+battery+staple&new_password=nuevo";
    form(&server, "/users/me/change-password", Some(&mine), change).await.expect(200);
    ask(&server, Method::GET, "/users/me", Some(&mine), Value::Null).await.expect(200);
    post(&server, "/refresh-token", Some(&mine), Value::Null).await.expect(200);
    ask(&server, Method::GET, "/users/me", Some(&other), Value::Null).await.expect(401);
}

#[tokio::test]
async fn people_are_numbered_above_those_who_were_imported() {
    let server = Server::with(dialect("django-simplejwt")).await;
    let storage = &server.app.storage;
    storage.accounts.raise_counter("django-simplejwt", 41).await.expect("raised");
    let made = post(&server, "/api/register/", None, json!({ "email": "eva@example.org", "password": "x" })).await.expect(201).json();
    assert_eq!(made, json!({ "id": 42, "email": "eva@example.org" }));
    // Somebody whom the old service never knew gets a number when it is first shown, and keeps it.
    server.user("ana").await;
    for _ in 0..2 {
        let credentials = json!({ "email": "ana@example.org", "password": PASSWORD });
        let pair = post(&server, "/api/token/", None, credentials).await.expect(200).json();
        assert_eq!(claims(text(&pair, "access"))["external_id"], 43);
        let me = ask(&server, Method::GET, "/api/me/", Some(text(&pair, "access")), Value::Null).await.expect(200).json();
        assert_eq!(me["id"], 43);
    }
    let found = storage.users.find(UserKey::External { source: "django-simplejwt", id: "43" }).await.expect("read").expect("known");
    assert_eq!(found.email, "ana@example.org");
}

/// A front end that moves to the code flow: the API behind it goes on to find people by the id that it knows.
#[tokio::test]
async fn a_client_of_the_standard_kind_may_carry_the_old_id() {
    let server = Server::with(dialect("flask-jwt")).await;
    server.user("ana").await;
    let number = flask(&server).await["user"]["id"].clone();
    assert!(number.is_i64(), "{number}");
    for (metadata, carried) in [
        (json!({ "external_id_source": "flask-jwt" }), number.clone()),
        (json!({ "external_id_source": "another" }), Value::Null),
        (json!({}), Value::Null),
    ] {
        let client = server.client(metadata).await;
        let tokens = Browser::new(&server).tokens(&client, &Flow::new(&client), "ana").await;
        for kind in ["access_token", "id_token"] {
            assert_eq!(claims(text(&tokens, kind))["external_id"], carried, "{kind}");
        }
    }
}

#[tokio::test]
async fn failures_are_counted_with_those_of_every_other_door() {
    let server = Server::with(dialect("flask-jwt")).await;
    server.user("ana").await;
    for _ in 0..10 {
        post(&server, "/auth/sign-in", None, json!({ "email": "ANA@example.org", "password": "wrong" })).await.expect(401);
        server.advance(3);
    }
    let locked = post(&server, "/auth/sign-in", None, json!({ "email": "ana@example.org", "password": PASSWORD })).await.expect(429);
    assert!(locked.headers.contains_key(header::RETRY_AFTER) && locked.json()["msg"].is_string(), "{}", locked.body);
    let client = server.client(json!({ "grant_types": ["password"], "response_types": [], "first_party": true })).await;
    let credentials = [("grant_type", "password"), ("username", "ana@example.org"), ("password", PASSWORD)];
    assert_eq!(server.token(&client, &credentials).await.status, 429);
}

/// A link that confirms an address is a sign-in here: once, and not for somebody who is confirmed, whatever other mails lie in their box.
#[tokio::test]
async fn rg_07_a_link_of_before_is_no_sign_in_for_somebody_who_is_confirmed() {
    let server = Server::with(|config| {
        dialect("fastapi-auth")(config);
        config.limits = false;
    })
    .await;
    let new = json!({ "username": "eva", "email": "eva@example.org", "password": PASSWORD, "captcha_token": "test" });
    post(&server, "/auth/register", None, new).await.expect(201);
    let mut links = Vec::new();
    for n in 0..4 {
        if n > 0 {
            post(&server, "/v1/registration/resend", None, json!({ "email": "eva@example.org" })).await.expect(202);
        }
        let (Mail::SignUp { token, .. } | Mail::VerifyEmail { token, .. }) = server.mail_to("eva@example.org").await else {
            panic!("a confirmation")
        };
        links.push(token);
    }
    let verify = async |link: &str| post(&server, "/auth/verify-email", None, json!({ "token": link })).await;
    let tokens = verify(&links[0]).await.expect(200).json();
    assert!(verify(&links[1]).await.expect(400).body.contains("inválido o expirado"));
    let change = json!({ "current_password": PASSWORD, "new_password": "cuatro gatos pardos" });
    assert_eq!(post(&server, "/v1/me/password", Some(text(&tokens, "access_token")), change).await.status, 204);
    verify(&links[2]).await.expect(400);
    // For whoever only wants to know, it is confirmed.
    assert_eq!(post(&server, "/v1/registration/verify", None, json!({ "token": links[3] })).await.status, 204);
}

/// As in the API: nobody ends an account that holds a role which they could not give.
#[tokio::test]
async fn ad_18_nobody_deletes_an_account_above_their_own() {
    let server = Server::with(dialect("fastapi-users")).await;
    for (name, roles) in [
        ("uma", &["user_admin"][..]),
        ("ulla", &["user_admin", "editor"]),
        ("clara", &["client_admin"]),
        ("bruno", &["auditor"]),
        ("olga", &["owner"]),
        ("oto", &["owner"]),
    ] {
        server.person(name, roles).await;
    }
    let admin = users_token(&server, "username=uma&password=correct+horse+battery+staple").await;
    let owner = users_token(&server, "username=olga&password=correct+horse+battery+staple").await;
    let delete =
        async |name: &str, token: &str| ask(&server, Method::DELETE, &format!("/users/{name}"), Some(token), Value::Null).await.status;
    for name in ["clara", "bruno", "olga"] {
        assert_eq!(delete(name, &admin).await, 403, "{name}");
    }
    assert_eq!(delete("ulla", &admin).await, 200);
    for name in ["clara", "bruno", "oto"] {
        assert_eq!(delete(name, &owner).await, 200, "{name}");
    }
}

#[tokio::test]
async fn a_closed_sign_up_is_closed_here_as_well() {
    for policy in [portero::config::SignUp::Closed, portero::config::SignUp::Invitation] {
        let server = Server::with(|config| {
            dialect("flask-jwt")(config);
            config.sign_up = policy;
        })
        .await;
        let form = json!({ "name": "x", "email": "eva@example.org", "password": "secret" });
        post(&server, "/auth/sign-up", None, form).await.expect(403);
        assert_eq!(server.app.storage.users.find(UserKey::Identifier("eva@example.org")).await.expect("read"), None);
    }
}

#[tokio::test]
async fn refusals_are_in_the_audit_trail() {
    let server = Server::with(dialect("fastapi-users")).await;
    server.user("ana").await;
    let token = users_token(&server, "username=ana&password=correct+horse+battery+staple").await;
    ask(&server, Method::DELETE, "/users/ana", Some(&token), Value::Null).await.expect(403);
    for _ in 0..50 {
        let trail = server.app.storage.audit.recent(20).await.expect("read");
        if trail.iter().any(|row| row.act == "user.delete" && row.result == "refused" && row.reason.as_deref() == Some("role")) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("no row: {:?}", server.app.storage.audit.recent(20).await);
}

#[tokio::test]
async fn the_client_of_a_dialect_is_held_to_its_file_and_keeps_what_an_operator_added() {
    let server = Server::with(dialect("flask-jwt")).await;
    let (clients, by) = (&server.app.storage.clients, Server::operator());
    let made = (*clients.find("flask-jwt").await.expect("read").expect("made at the start")).clone();
    assert!(made.client.first_party && !made.client.refresh_token_rotation && !made.client.is_public());
    let changed = portero::protocol::client::Client {
        refresh_token_rotation: true,
        redirect_uris: vec!["https://front.example/".to_owned()],
        ..(*made.client).clone()
    };
    let record = portero::storage::durable::ClientRecord { client: std::sync::Arc::new(changed), ..made };
    assert_eq!(clients.update(&record, None, &by).await.expect("stored"), Saved::Done);
    portero::legacy::Dialects::open(&server.app).await.expect("it opens again");
    let again = clients.find("flask-jwt").await.expect("read").expect("there");
    assert_eq!((again.client.refresh_token_rotation, again.client.redirect_uris.len(), again.secrets.len()), (false, 1, 1));
    // An operator who disabled it has switched the dialect off.
    let off = portero::storage::durable::ClientRecord { disabled_at: Some(server.app.clock.now()), ..(*again).clone() };
    assert_eq!(clients.update(&off, None, &by).await.expect("stored"), Saved::Done);
    server.user("ana").await;
    post(&server, "/auth/sign-in", None, json!({ "email": "ana@example.org", "password": PASSWORD })).await.expect(403);
}

/// Not only to those who sign in: nothing is read, made or ended through it, whoever's token it is.
#[tokio::test]
async fn a_dialect_that_is_switched_off_does_nothing() {
    let server = Server::with(dialect("fastapi-users")).await;
    let (console, clients) = (server.console().await, &server.app.storage.clients);
    let owner = server.administrator(&console, "olga", &["owner"]).await;
    server.user("ana").await;
    let new = json!({ "username": "eva", "email": "eva@example.org", "password": PASSWORD, "full_name": "Eva" });
    ask(&server, Method::GET, "/users/ana", Some(&owner), Value::Null).await.expect(200);
    let on = (*clients.find("fastapi-users").await.expect("read").expect("made at the start")).clone();
    let off = portero::storage::durable::ClientRecord { disabled_at: Some(server.app.clock.now()), ..on };
    assert_eq!(clients.update(&off, None, &Server::operator()).await.expect("stored"), Saved::Done);
    post(&server, "/users/", None, new).await.expect(403);
    for (method, path) in
        [(Method::GET, "/users/"), (Method::GET, "/users/me"), (Method::GET, "/users/ana"), (Method::DELETE, "/users/ana")]
    {
        ask(&server, method, path, Some(&owner), Value::Null).await.expect(403);
    }
    let there = |name: &'static str| server.app.storage.users.find(UserKey::Identifier(name));
    assert!(there("ana").await.expect("read").is_some() && there("eva@example.org").await.expect("read").is_none());
}

/// AD-12: who signed in, and who looked at whom, is told whichever door it was.
#[tokio::test]
async fn ad_12_the_trail_names_whoever_came_by_a_password_and_whoever_looked() {
    let server = Server::with(|config| {
        dialect("fastapi-users")(config);
        config.limits = false;
    })
    .await;
    let console = server.console().await;
    let owner = server.administrator(&console, "olga", &["owner"]).await;
    let (ana, olga) = (server.user("ana").await, server.call("GET", "/v1/me", &owner, None).await.json()["id"].clone());
    let olga = olga.as_str().expect("an id");
    users_token(&server, "username=ana&password=correct+horse+battery+staple").await;
    let theirs = server.signed_in(&console, "ana", "openid account").await;
    let rows = async |query: &str| {
        let found = server.call("GET", &format!("/v1/audit?{query}"), &owner, None).await.expect(200).json();
        found["items"].as_array().expect("rows").clone()
    };
    let opened = rows(&format!("act=grant.open&actor=person:{ana}")).await;
    let clients: Vec<_> = opened.iter().map(|row| row["client_id"].as_str().expect("a client")).collect();
    assert_eq!(clients, [console.id.as_str(), "fastapi-users"]);
    ask(&server, Method::GET, "/users/ana", Some(&owner), Value::Null).await.expect(200);
    ask(&server, Method::GET, "/users/", Some(&owner), Value::Null).await.expect(200);
    for (act, subject) in [("user.show", json!(format!("user:{ana}"))), ("users.list", Value::Null)] {
        let seen = rows(&format!("act={act}&actor=person:{olga}")).await;
        assert_eq!((seen.len(), &seen[0]["subject"], &seen[0]["result"]), (1, &subject, &json!("done")), "{act}");
    }
    let made = json!({ "slug": "unit", "name": "Unit" });
    let unit = server.call("POST", "/v1/organizations", &owner, Some(made)).await.expect(201).json()["id"].clone();
    let unit = unit.as_str().expect("an id");
    server.call("GET", &format!("/v1/organizations/{unit}"), &owner, None).await.expect(200);
    assert_eq!(rows("act=organization.show").await[0]["subject"], format!("organization:{unit}"));
    // A way into an account is not hidden behind a new name.
    let patch = json!({ "name": "A.", "email": "anita@example.org", "email_verified": true, "roles": ["auditor"] });
    server.call("PATCH", &format!("/v1/users/{ana}"), &owner, Some(patch)).await.expect(200);
    let mut done: Vec<_> = rows(&format!("subject=user:{ana}&actor=person:{olga}&result=done")).await;
    done.retain(|row| row["act"] != "user.show");
    let acts: Vec<_> = done.iter().map(|row| row["act"].as_str().expect("its name")).collect();
    assert_eq!(acts, ["user.update", "user.set_roles", "user.set_verified", "user.set_email"]);
    // What was refused is one row.
    let change = json!({ "current_password": "not this one at all", "new_password": "nine paper boats at noon" });
    server.call("POST", "/v1/me/password", &theirs, Some(change)).await.expect_problem(403, "wrong_password");
    let refused = rows(&format!("result=refused&actor=person:{ana}")).await;
    assert_eq!((refused.len(), &refused[0]["act"], &refused[0]["reason"]), (1, &json!("sign_in"), &json!("wrong_password")));
}

/// The tokens of a dialect live by the rule of its file: the API makes and takes none in its name.
#[tokio::test]
async fn the_one_time_tokens_of_a_dialect_are_its_own() {
    let server = Server::with(dialect("fastapi-one-time")).await;
    server.user("ana").await;
    let tokens = post(&server, "/auth/login", None, json!({ "correo": "ana@example.org", "password": PASSWORD })).await.expect(200).json();
    let access = text(&tokens, "access_token");
    let purpose = "dialect:fastapi-one-time";
    let made = server.call("POST", "/v1/one-time-tokens", access, Some(json!({ "purpose": purpose, "ttl": 86400 }))).await;
    assert_eq!(made.expect_problem(400, "invalid_request").wrong(), ["/purpose not_yours"]);
    let own = post(&server, "/token/create", Some(access), Value::Null).await.json();
    let body = json!({ "token": text(&own, "token"), "purpose": purpose });
    server.call("POST", "/v1/one-time-tokens/consume", access, Some(body)).await.expect_problem(404, "one_time_token_invalid");
    let body = json!({ "token": text(&own, "token") });
    post(&server, "/token/validate", Some(access), body.clone()).await.expect(200);
    assert_eq!(refused_consumptions(&server).await, 1);
    for token in [body, json!({ "token": "ott_none" })] {
        assert!(post(&server, "/token/validate", Some(access), token).await.status.is_client_error());
    }
    assert_eq!(refused_consumptions(&server).await, 3, "one for each");
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_no_denial() {
    let server = Server::with(dialect("flask-jwt")).await;
    server.user("ana").await;
    let tokens = flask(&server).await;
    server.app.storage.close().await;
    let sign_in = json!({ "email": "ana@example.org", "password": PASSWORD });
    let refresh = Some(text(&tokens, "refresh_token"));
    for answer in [post(&server, "/auth/sign-in", None, sign_in).await, post(&server, "/auth/refresh", refresh, Value::Null).await] {
        let answer = answer.expect(503);
        assert!(answer.headers.contains_key(header::RETRY_AFTER) && answer.json()["msg"].is_string(), "{}", answer.body);
    }
}

/// The captcha of an old form, and of one that speaks the API: what its provider says counts, and where it says nothing nobody is let through unjudged.
#[tokio::test]
async fn a_captcha_is_judged_by_its_provider_and_by_nobody_else() {
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
    let asked = Arc::new(AtomicUsize::new(0));
    let mut judgements = Vec::new();
    for (provider, old, new) in [(None, 503, 503), (Some(r#"{"success":false}"#), 400, 400), (Some(r#"{"success":true}"#), 201, 202)] {
        let address = match provider {
            Some(judgement) => answering(judgement, &asked).await,
            None => closed,
        };
        let server = judged_by(address).await;
        let form = json!({ "username": "luz", "email": "luz@example.org", "password": PASSWORD, "captcha_token": "solved" });
        let answer = post(&server, "/auth/register", None, form).await.expect(old);
        assert_eq!(answer.headers.contains_key(header::RETRY_AFTER), old == 503, "{}", answer.body);
        let form = json!({ "email": "sol@example.org", "password": PASSWORD, "captcha": "solved" });
        let answer = post(&server, "/v1/registration", None, form).await.expect(new);
        assert_eq!(answer.headers.contains_key(header::RETRY_AFTER), new == 503, "{}", answer.body);
        if new == 400 {
            assert_eq!(answer.expect_problem(400, "invalid_request").wrong(), ["/captcha bad_captcha"]);
        }
        for email in ["luz@example.org", "sol@example.org"] {
            judgements.push(server.app.storage.users.find(UserKey::Identifier(email)).await.expect("read").is_some());
        }
        // Who has none is not asked about.
        let before = asked.load(Ordering::SeqCst);
        let without = json!({ "email": "mar@example.org", "password": PASSWORD });
        let answer = post(&server, "/v1/registration", None, without).await.expect_problem(400, "invalid_request");
        assert_eq!((answer.wrong(), asked.load(Ordering::SeqCst)), (vec!["/captcha bad_captcha".to_owned()], before));
    }
    assert_eq!(judgements, [false, false, false, false, true, true]);
    // Without a provider it is a member like any other, and read by nobody.
    let server = Server::with(|config| config.sign_up = portero::config::SignUp::Open).await;
    for (email, captcha) in [("a@example.org", json!("x")), ("b@example.org", Value::Null)] {
        post(&server, "/v1/registration", None, json!({ "email": email, "password": PASSWORD, "captcha": captcha })).await.expect(202);
    }
}

/// What nobody may ask of us they do not ask of somebody else through us: the allowance of the address is taken first.
#[tokio::test]
async fn a_captcha_is_judged_no_more_often_than_an_address_may_sign_up() {
    for (path, member) in [("/auth/register", "captcha_token"), ("/v1/registration", "captcha")] {
        let asked = Arc::new(AtomicUsize::new(0));
        let server = judged_by(answering(r#"{"success":false}"#, &asked).await).await;
        let mut answers = Vec::new();
        for n in 0..25 {
            let mut form = json!({ "email": format!("luz{n}@example.org"), "password": PASSWORD, member: "solved" });
            if path == "/auth/register" {
                form["username"] = json!(format!("luz{n}"));
            }
            answers.push(post(&server, path, None, form).await.status.as_u16());
        }
        let judged = answers.iter().filter(|status| **status == 400).count();
        assert_eq!((judged, answers.last()), (asked.load(Ordering::SeqCst), Some(&429)), "{path} {answers:?}");
        assert!(judged <= 20, "{path} {answers:?}");
    }
}

/// A server whose captcha provider is there.
async fn judged_by(address: std::net::SocketAddr) -> Server {
    Server::with_app(
        |config| {
            config.sign_up = portero::config::SignUp::Open;
            dialect("fastapi-auth")(config);
        },
        |app| {
            let endpoint = format!("http://{address}/siteverify").parse().expect("a URL");
            app.captcha = Some(portero::accounts::captcha::Captcha::at(endpoint, "secret"));
            app.outgoing = portero::outgoing::Outgoing::new(vec!["127.0.0.0/8".parse().expect("a network")]);
        },
    )
    .await
}

/// A provider that says the same to whoever comes, and how many came.
async fn answering(judgement: &'static str, asked: &Arc<AtomicUsize>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let asked = Arc::clone(asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            asked.fetch_add(1, Ordering::SeqCst);
            let mut heard = Vec::new();
            let mut piece = [0; 1024];
            // Head and body may come apart.
            while !String::from_utf8_lossy(&heard).contains("response=") {
                let length = stream.read(&mut piece).await.expect("a request");
                heard.extend_from_slice(&piece[..length]);
            }
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
            stream.write_all(format!("{head}{judgement}").as_bytes()).await.expect("taken");
        }
    });
    address
}

/// Whatever door a message comes from, the mailer of this replica looks at once.
#[tokio::test]
async fn a_message_goes_out_at_once_from_every_door() {
    let server = Server::with(|config| {
        (config.sign_up, config.mode) = (portero::config::SignUp::Open, portero::config::Mode::Development);
        dialect("fastapi-auth")(config);
    })
    .await;
    server.user("ana").await;
    let long = std::time::Duration::from_secs(60);
    // Nothing is waited for yet.
    server.get("/sign-in").await.expect(200);
    let wakes = async |what: &str| {
        let begun = std::time::Instant::now();
        server.app.mailer.wait(long).await;
        assert!(begun.elapsed() < long / 2, "{what} woke nobody");
    };
    let register = json!({ "username": "luz", "email": "luz@example.org", "password": PASSWORD, "captcha_token": "test" });
    let made = post(&server, "/auth/register", None, register).await;
    assert!(made.status.is_success(), "{}", made.body);
    wakes("the dialect").await;
    post(&server, "/v1/registration/request-reset", None, json!({ "identifier": "ana" })).await.expect(202);
    wakes("the API").await;
    let mut browser = Browser::new(&server);
    let page = browser.get("/recover").await;
    browser.submit(&page, &[("username", "ana")], Some("recover-submit")).await.expect(200);
    wakes("the page").await;
}
