//! What holds for the whole JSON API: tokens, roles, errors, pages, versions, repeated requests, limits, other origins.

use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::{Value, json};

use crate::harness::{Answer, CALLBACK, PASSWORD, Server, TestClient};

/// Every scope of the API.
pub const EVERYTHING: &str =
    "openid account users:read users:write clients:read clients:write organizations:read organizations:write audit:read";

impl Server {
    /// A first-party client of an app that asks for every scope.
    pub async fn console(&self) -> TestClient {
        self.client(json!({
            "client_name": "Console", "first_party": true, "scope": EVERYTHING,
            "grant_types": ["authorization_code", "password", "refresh_token", "client_credentials"],
        }))
        .await
    }

    /// The access token of a person with these roles.
    pub async fn signed_in(&self, client: &TestClient, name: &str, scope: &str) -> String {
        let answer = self
            .token(client, &[("grant_type", "password"), ("username", name), ("password", PASSWORD), ("scope", scope)])
            .await
            .expect(200);
        answer.json()["access_token"].as_str().expect("a token").to_owned()
    }

    /// A person with these roles, and an access token with every scope.
    pub async fn administrator(&self, client: &TestClient, name: &str, roles: &[&str]) -> String {
        self.person(name, roles).await;
        self.signed_in(client, name, EVERYTHING).await
    }

    /// A client's own access token.
    pub async fn machine(&self, scope: &str) -> (TestClient, String) {
        let client = self.client(json!({ "grant_types": ["client_credentials"], "redirect_uris": [], "scope": scope })).await;
        let answer = self.token(&client, &[("grant_type", "client_credentials")]).await.expect(200);
        let token = answer.json()["access_token"].as_str().expect("a token").to_owned();
        (client, token)
    }

    /// A request to the API.
    pub async fn call(&self, method: &str, path: &str, token: &str, body: Option<Value>) -> Answer {
        self.call_with(method, path, token, body, &[]).await
    }

    pub async fn call_with(&self, method: &str, path: &str, token: &str, body: Option<Value>, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).expect("a method")).uri(path);
        if !token.is_empty() {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() && !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(request.body(body).expect("a request")).await
    }

    /// The same with a body as it is written.
    pub async fn raw(&self, method: &str, path: &str, token: &str, body: String) -> Answer {
        let request = Request::builder().method(Method::from_bytes(method.as_bytes()).expect("a method")).uri(path);
        let request = request.header(header::AUTHORIZATION, format!("Bearer {token}")).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body)).expect("a request")).await
    }
}

impl Answer {
    /// A problem of RFC 9457 with this status and code.
    #[track_caller]
    pub fn expect_problem(self, status: u16, code: &str) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{}", self.body);
        let problem = self.json();
        assert_eq!(problem["code"], code, "{}", self.body);
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], format!("https://id.example/docs/errors#{code}"));
        assert_eq!(problem["instance"], self.headers["x-request-id"].to_str().expect("ASCII"));
        assert!(problem["title"].is_string() && problem["detail"].is_string());
        self
    }

    /// The pointers and codes of what was wrong.
    #[track_caller]
    pub fn wrong(&self) -> Vec<String> {
        let errors = self.json()["errors"].as_array().cloned().unwrap_or_default();
        let place = |error: &Value| ["pointer", "parameter", "header"].iter().find_map(|at| error[*at].as_str().map(str::to_owned));
        errors.iter().map(|error| format!("{} {}", place(error).unwrap_or_default(), error["code"].as_str().unwrap_or_default())).collect()
    }

    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers)).to_str().expect("ASCII")
    }
}

#[tokio::test]
async fn ad_01_every_operation_asks_for_the_token_and_scope_that_the_document_says() {
    let server = Server::with(|config| config.limits = false).await;
    let console = server.console().await;
    server.person("olga", &["owner"]).await;
    let bare = server.signed_in(&console, "olga", "openid").await;
    let elsewhere = {
        let fields = [
            ("grant_type", "password"),
            ("username", "olga"),
            ("password", PASSWORD),
            ("scope", EVERYTHING),
            ("resource", "https://api.example"),
        ];
        server.token(&console, &fields).await.expect(200).json()
    };
    let id_token = elsewhere["id_token"].as_str().expect("one").to_owned();
    let elsewhere = elsewhere["access_token"].as_str().expect("a token").to_owned();
    let mut browser = crate::harness::Browser::new(&server);
    browser.code(&crate::harness::Flow::new(&console), "olga").await;
    let document = server.get("/openapi.json").await.expect(200).json();
    let mut seen = 0;
    for (path, item) in document["paths"].as_object().expect("paths").iter().filter(|(path, _)| path.starts_with("/v1/")) {
        for (method, operation) in item.as_object().expect("operations") {
            let Some(security) = operation["security"].as_array() else { continue };
            let concrete = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect::<Vec<_>>().join("/");
            let method = method.to_uppercase();
            let what = format!("{method} {path}");
            if security.is_empty() {
                assert!(method == "POST" && path.starts_with("/v1/registration"), "{what} is open to everybody");
                continue;
            }
            let scopes: Vec<_> = security.iter().filter_map(|way| way["oauth"].as_array()).flatten().collect();
            let answer = server.call(&method, &concrete, "", None).await.expect_problem(401, "unauthorized");
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"portero\"", "{what}");
            for bad in [elsewhere.as_str(), id_token.as_str(), "nonsense"] {
                let answer = server.call(&method, &concrete, bad, None).await.expect_problem(401, "invalid_token");
                assert!(answer.header("www-authenticate").contains("error=\"invalid_token\""), "{what}");
            }
            let by_cookie = browser.request(method.parse().expect("a method"), &concrete, None).await;
            assert!(matches!(by_cookie.status.as_u16(), 401 | 406), "{what}: {}", by_cookie.status);
            if let [scope] = scopes.as_slice() {
                let answer = server.call(&method, &concrete, &bare, None).await.expect_problem(403, "insufficient_scope");
                assert!(
                    answer.header("www-authenticate").contains(&format!("scope={scope}")),
                    "{what}: {}",
                    answer.header("www-authenticate")
                );
            }
            seen += 1;
        }
    }
    assert!(seen > 15, "{seen}");
}

/// RFC 9068 §5: whoever else a token is for holds it as well, and is not its person here.
#[tokio::test]
async fn ad_01_a_token_that_is_for_another_too_opens_nothing() {
    let server = Server::start().await;
    let console = server.console().await;
    server.person("olga", &["owner"]).await;
    let mut fields = vec![("grant_type", "password"), ("username", "olga"), ("password", PASSWORD), ("scope", "openid account")];
    fields.push(("resource", "https://id.example"));
    let alone = server.token(&console, &fields).await.expect(200).json();
    server.call("GET", "/v1/me", alone["access_token"].as_str().expect("one"), None).await.expect(200);
    fields.push(("resource", "https://api.example"));
    let both = server.token(&console, &fields).await.expect(200).json();
    server.call("GET", "/v1/me", both["access_token"].as_str().expect("one"), None).await.expect_problem(401, "invalid_token");
}

#[tokio::test]
async fn ad_03_a_role_and_a_scope_are_needed_and_the_refusal_is_written_down() {
    let server = Server::start().await;
    let console = server.console().await;
    let auditor = server.administrator(&console, "aud", &["auditor"]).await;
    let nobody = server.administrator(&console, "nora", &["editor"]).await;
    server.call("GET", "/v1/clients", &auditor, None).await.expect(200);
    server.call("POST", "/v1/clients", &auditor, Some(json!({}))).await.expect_problem(403, "role_required");
    for path in ["/v1/clients", "/v1/organizations", "/v1/audit"] {
        server.call("GET", path, &nobody, None).await.expect_problem(403, "role_required");
    }
    let (_, machine) = server.machine("clients:read").await;
    server.call("GET", "/v1/clients", &machine, None).await.expect(200);
    server.call("GET", "/v1/audit", &machine, None).await.expect_problem(403, "insufficient_scope");
    let trail = server.call("GET", "/v1/audit?act=api&result=refused", &auditor, None).await.expect(200).json();
    let rows: Vec<_> = trail["items"].as_array().expect("rows").iter().map(|row| (row["reason"].clone(), row["subject"].clone())).collect();
    assert!(rows.contains(&(json!("role_required"), json!("operation:POST /v1/clients"))), "{rows:?}");
    assert!(rows.contains(&(json!("insufficient_scope"), json!("operation:GET /v1/audit"))), "{rows:?}");
    // A role that is taken is gone with the next request, whatever the token says.
    let reads = server.call("GET", "/v1/audit?act=clients.list", &auditor, None).await.expect(200).json();
    assert_eq!(reads["items"].as_array().map(Vec::len), Some(2), "who looked is a row, too: {reads}");
}

#[tokio::test]
async fn rfc9457_errors_are_in_the_language_of_the_request_with_a_pointer_each() {
    let server = Server::start().await;
    let console = server.console().await;
    let owner = server.administrator(&console, "olga", &["owner"]).await;
    let body = json!({ "slug": "A", "name": 7, "tenant": "x", "a/b": 1 });
    let answer = server.call("POST", "/v1/organizations", &owner, Some(body.clone())).await.expect_problem(400, "invalid_request");
    let mut wrong = answer.wrong();
    wrong.sort_unstable();
    assert_eq!(wrong, ["/a~1b unknown_member", "/name wrong_type", "/slug malformed", "/slug too_short", "/tenant unknown_member"]);
    assert_eq!(answer.header("content-language"), "en");
    let spanish = server.call_with("POST", "/v1/organizations", &owner, Some(body), &[("accept-language", "es-AR, en;q=0.5")]).await;
    assert_eq!(spanish.header("content-language"), "es");
    assert_eq!(spanish.json()["title"], "La solicitud no es válida");
    assert_eq!(spanish.json()["code"], "invalid_request");
    let missing = server.call("POST", "/v1/organizations", &owner, Some(json!({}))).await.expect_problem(400, "invalid_request");
    assert_eq!(missing.wrong(), ["/slug required", "/name required"]);
    let nul = server.call("POST", "/v1/organizations", &owner, Some(json!({ "slug": "acme", "name": "a\0b" }))).await;
    assert!(nul.expect_problem(400, "invalid_request").wrong().contains(&"/name malformed".to_owned()));
}

#[tokio::test]
async fn what_the_router_refuses_is_a_problem_too() {
    let server = Server::start().await;
    let (_, token) = server.machine("organizations:write").await;
    server.call("GET", "/v1/nothing", &token, None).await.expect_problem(404, "not_found");
    server.call("GET", "/v1", &token, None).await.expect_problem(404, "not_found");
    let answer = server.call("PUT", "/v1/organizations", &token, None).await.expect_problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "GET,HEAD,POST");
    let answer = server.call_with("GET", "/v1/organizations", &token, None, &[("accept", "text/html")]).await;
    answer.expect_problem(406, "not_acceptable");
    let post = async |body: &str, kind: &str| {
        let request =
            Request::post("/v1/organizations").header(header::AUTHORIZATION, format!("Bearer {token}")).header(header::CONTENT_TYPE, kind);
        server.send(request.body(Body::from(body.to_owned())).expect("a request")).await
    };
    let answer = post("slug=a", "application/x-www-form-urlencoded").await.expect_problem(415, "unsupported_media_type");
    assert_eq!(answer.header("accept"), "application/json");
    for bad in ["", "{", "[]", "null", r#"{"slug":"a","slug":"b"}"#, "{\"slug\":\"\u{fffd}"] {
        post(bad, "application/json").await.expect_problem(400, "invalid_json");
    }
    let large = format!(r#"{{"slug":"acme","name":"{}"}}"#, "x".repeat(70_000));
    post(&large, "application/json").await.expect_problem(413, "too_large");
    post(r#"{"slug":"acme","name":"Acme"}"#, "Application/JSON; charset=utf-8").await.expect(201);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let server = Server::with(|config| config.limits = false).await;
    let console = server.console().await;
    let owner = server.administrator(&console, "olga", &["owner"]).await;
    for n in 0..5 {
        let body = json!({ "slug": format!("acme-{n}"), "name": format!("Acme {n}") });
        server.call("POST", "/v1/organizations", &owner, Some(body)).await.expect(201);
    }
    let mut path = "/v1/organizations?limit=2&q=acme".to_owned();
    let mut slugs = Vec::new();
    loop {
        let answer = server.call("GET", &path, &owner, None).await.expect(200);
        let page = answer.json();
        slugs.extend(page["items"].as_array().expect("items").iter().map(|item| item["slug"].as_str().expect("one").to_owned()));
        let Some(next) = page["next"].as_str() else {
            assert!(!answer.headers.contains_key("link"));
            break;
        };
        let link = answer.header("link");
        assert_eq!(link, format!("<https://id.example/v1/organizations?limit=2&q=acme&cursor={next}>; rel=\"next\""));
        path = link.trim_start_matches("<https://id.example").split('>').next().expect("an address").to_owned();
    }
    slugs.sort_unstable();
    assert_eq!(slugs, ["acme-0", "acme-1", "acme-2", "acme-3", "acme-4"]);
    for (query, wrong) in [
        ("limit=0", "limit too_small"),
        ("limit=201", "limit too_large"),
        ("limit=x", "limit wrong_type"),
        ("limit=1&limit=2", "limit repeated"),
        ("cursor=nonsense", "cursor malformed"),
        ("order_by=password_hash", "order_by unknown_member"),
        ("q=%00", "q malformed"),
    ] {
        let answer = server.call("GET", &format!("/v1/organizations?{query}"), &owner, None).await.expect_problem(400, "invalid_request");
        assert!(answer.wrong().contains(&wrong.to_owned()), "{query}: {:?}", answer.wrong());
    }
    for q in ["'%20OR%201=1--", "%25", "_", "%5C", "%27;DROP%20TABLE%20users"] {
        let found = server.call("GET", &format!("/v1/organizations?q={q}"), &owner, None).await.expect(200).json();
        assert_eq!(found["items"], json!([]), "{q}");
    }
}

#[tokio::test]
async fn rfc9110_13_nobody_overwrites_what_they_have_not_seen() {
    let server = Server::start().await;
    let console = server.console().await;
    let owner = server.administrator(&console, "olga", &["owner"]).await;
    let made = server.call("POST", "/v1/organizations", &owner, Some(json!({ "slug": "acme", "name": "Acme" }))).await.expect(201);
    let path = made.header("location").strip_prefix("https://id.example").expect("ours").to_owned();
    let tag = made.header("etag").to_owned();
    let shown = server.call("GET", &path, &owner, None).await.expect(200);
    assert_eq!(shown.header("etag"), tag);
    assert_eq!(server.call_with("GET", &path, &owner, None, &[("if-none-match", &tag)]).await.status, 304);
    let patch = |name: &str| Some(json!({ "name": name }));
    let merge = ("content-type", "application/merge-patch+json");
    let changed = server.call_with("PATCH", &path, &owner, patch("Acme 2"), &[("if-match", &tag), merge]).await.expect(200);
    assert_ne!(changed.header("etag"), tag);
    assert_eq!(changed.json()["slug"], "acme", "what the patch does not name stays");
    let late = server.call_with("PATCH", &path, &owner, patch("Acme 3"), &[("if-match", &tag), merge]).await;
    late.expect_problem(412, "precondition_failed");
    let weak = format!("W/{}", changed.header("etag"));
    server.call_with("PATCH", &path, &owner, patch("Acme 3"), &[("if-match", &weak)]).await.expect_problem(412, "precondition_failed");
    server.call_with("PATCH", &path, &owner, patch("Acme 3"), &[("if-match", "*")]).await.expect(200);
    server.call("PATCH", &path, &owner, patch("Acme 4")).await.expect(200);
}

/// RFC 9110 §8.8.1: "A strong validator is representation metadata that changes value whenever a change occurs to the representation data that would
/// be observable in the content of a 200 (OK) response to GET."
#[tokio::test]
async fn a_tag_changes_with_all_that_is_shown() {
    let server = Server::with(|config| config.limits = false).await;
    let console = server.console().await;
    let owner = server.administrator(&console, "olga", &["owner"]).await;
    let tagged = async |path: &str| server.call("GET", path, &owner, None).await.expect(200).header("etag").to_owned();
    let new = json!({ "email": "ana@example.org", "password": PASSWORD, "claims": { "nickname": "A", "given_name": "Ana" } });
    let made = server.call("POST", "/v1/users", &owner, Some(new)).await.expect(201);
    let (path, before) = (format!("/v1/users/{}", made.json()["id"].as_str().expect("an id")), made.header("etag").to_owned());
    assert_eq!(tagged(&path).await, before, "as it was made");
    server.advance(5);
    let ana = server.signed_in(&console, "ana@example.org", "openid account").await;
    let change = json!({ "current_password": PASSWORD, "new_password": "a quite different phrase" });
    assert_eq!(server.call("POST", "/v1/me/password", &ana, Some(change)).await.status, 204);
    let shown = server.call_with("GET", &path, &owner, None, &[("if-none-match", &before)]).await.expect(200);
    let after = shown.header("etag").to_owned();
    assert!(after != before && shown.json()["password_changed_at"].is_string(), "{before} {after}");
    assert_eq!(server.call_with("GET", &path, &owner, None, &[("if-none-match", &format!("W/{after}"))]).await.status, 304);
    let patch = || Some(json!({ "name": "Ana" }));
    server.call_with("PATCH", &path, &owner, patch(), &[("if-match", &before)]).await.expect_problem(412, "precondition_failed");
    server.call_with("PATCH", &path, &owner, patch(), &[("if-match", &after)]).await.expect(200);
    // A secret that ends is counted no more, and nobody has to change the client for that.
    let made = server.call("POST", "/v1/clients", &owner, Some(json!({ "redirect_uris": [CALLBACK] }))).await.expect(201);
    let path = format!("/v1/clients/{}", made.json()["client_id"].as_str().expect("an id"));
    assert_eq!(tagged(&path).await, made.header("etag"), "without the secret");
    let rotated = server.call("POST", &format!("{path}/rotate-secret"), &owner, Some(json!({ "overlap": 1 }))).await.expect(200);
    assert_eq!((&rotated.json()["secrets"], tagged(&path).await.as_str()), (&json!(2), rotated.header("etag")));
    server.advance(2);
    let shown = server.call_with("GET", &path, &owner, None, &[("if-none-match", rotated.header("etag"))]).await.expect(200);
    assert_eq!(shown.json()["secrets"], 1);
}

#[tokio::test]
async fn a_request_that_creates_may_come_again() {
    let server = Server::start().await;
    let console = server.console().await;
    let owner = server.administrator(&console, "olga", &["owner"]).await;
    let other = server.administrator(&console, "otto", &["owner"]).await;
    let body = json!({ "client_name": "One", "redirect_uris": [CALLBACK] });
    let key = [("idempotency-key", "7c0b9a")];
    let first = server.call_with("POST", "/v1/clients", &owner, Some(body.clone()), &key).await.expect(201);
    let again = server.call_with("POST", "/v1/clients", &owner, Some(body.clone()), &key).await.expect(201);
    assert_eq!(first.json(), again.json(), "the secret, too");
    assert_eq!((first.header("location"), first.header("etag")), (again.header("location"), again.header("etag")));
    let changed = json!({ "client_name": "Two", "redirect_uris": [CALLBACK] });
    server.call_with("POST", "/v1/clients", &owner, Some(changed), &key).await.expect_problem(422, "idempotency_key_reused");
    let theirs = server.call_with("POST", "/v1/clients", &other, Some(body.clone()), &key).await.expect(201);
    assert_ne!(theirs.json()["client_id"], first.json()["client_id"], "a key is its caller's");
    // What was refused may be mended under the same key.
    let key = [("idempotency-key", "mended")];
    let wrong = json!({ "redirect_uris": ["nonsense"] });
    server.call_with("POST", "/v1/clients", &owner, Some(wrong), &key).await.expect_problem(400, "invalid_request");
    server.call_with("POST", "/v1/clients", &owner, Some(body.clone()), &key).await.expect(201);
    for bad in ["", "a b", "ñ", &"k".repeat(256)] {
        let answer = server.call_with("POST", "/v1/clients", &owner, Some(body.clone()), &[("idempotency-key", bad)]).await;
        assert_eq!(answer.expect_problem(400, "invalid_request").wrong(), ["Idempotency-Key malformed"]);
    }
    // Sixteen at once are one.
    let key = [("idempotency-key", "at-once")];
    let calls = (0..16).map(|_| server.call_with("POST", "/v1/clients", &owner, Some(body.clone()), &key));
    let mut ids = std::collections::BTreeSet::new();
    for answer in crate::harness::all(calls).await {
        match answer.status.as_u16() {
            201 => {
                ids.insert(answer.json()["client_id"].as_str().expect("one").to_owned());
            }
            _ => assert!(answer.expect_problem(409, "idempotency_key_in_flight").headers.contains_key("retry-after")),
        }
    }
    assert_eq!(ids.len(), 1);
}

#[tokio::test]
async fn ad_17_an_answer_that_was_kept_is_for_whoever_may_still_do_what_it_answers() {
    let server = Server::with(|config| config.limits = false).await;
    let (console, notes) = (server.console().await, server.console().await);
    let chief = server.administrator(&console, "olga", &["owner"]).await;
    let ana = server.person("ana", &["client_admin"]).await;
    let (token, other, bare) = (
        server.signed_in(&console, "ana", EVERYTHING).await,
        server.signed_in(&notes, "ana", EVERYTHING).await,
        server.signed_in(&console, "ana", "openid").await,
    );
    let key = [("idempotency-key", "order-7")];
    let new = json!({ "client_name": "One", "redirect_uris": [CALLBACK], "scope": "openid clients:write" });
    let first = server.call_with("POST", "/v1/clients", &token, Some(new.clone()), &key).await.expect(201).json();
    let rotate = format!("/v1/clients/{}/rotate-secret", first["client_id"].as_str().expect("an id"));
    let rotated = server.call_with("POST", &rotate, &token, Some(json!({})), &key).await.expect(200).json();
    let handed = json!({ "purpose": "download" });
    let once = server.call_with("POST", "/v1/one-time-tokens", &token, Some(handed.clone()), &key).await.expect(201).json();
    for (path, body, code) in [
        ("/v1/clients", &new, "insufficient_scope"),
        (&rotate, &json!({}), "insufficient_scope"),
        ("/v1/one-time-tokens", &handed, "insufficient_scope"),
    ] {
        server.call_with("POST", path, &bare, Some(body.clone()), &key).await.expect_problem(403, code);
    }
    // Another app of the same person: what it makes is its own.
    let theirs = server.call_with("POST", "/v1/clients", &other, Some(new.clone()), &key).await.expect(201).json();
    assert_ne!(theirs["client_id"], first["client_id"]);
    let theirs = server.call_with("POST", "/v1/one-time-tokens", &other, Some(handed.clone()), &key).await.expect(201).json();
    assert_ne!(theirs["token"], once["token"]);
    // The same app and person get the same answers, as long as they may.
    let again = server.call_with("POST", "/v1/clients", &token, Some(new.clone()), &key).await.expect(201).json();
    assert_eq!(again, first);
    assert_eq!(server.call_with("POST", &rotate, &token, Some(json!({})), &key).await.expect(200).json(), rotated);
    let path = format!("/v1/users/{ana}");
    server.call("PATCH", &path, &chief, Some(json!({ "roles": [] }))).await.expect(200);
    server.call_with("POST", "/v1/clients", &token, Some(new.clone()), &key).await.expect_problem(403, "role_required");
    server.call_with("POST", &rotate, &token, Some(json!({})), &key).await.expect_problem(403, "role_required");
    // Back as somebody who may make clients, but none with this scope any more.
    server.call("PATCH", &path, &chief, Some(json!({ "roles": ["client_admin"] }))).await.expect(200);
    let wide = json!({ "client_name": "Two", "redirect_uris": [CALLBACK], "scope": "openid users:write" });
    let key = [("idempotency-key", "order-8")];
    server.call("PATCH", &path, &chief, Some(json!({ "roles": ["client_admin", "user_admin"] }))).await.expect(200);
    server.call_with("POST", "/v1/clients", &token, Some(wide.clone()), &key).await.expect(201);
    server.call("PATCH", &path, &chief, Some(json!({ "roles": ["client_admin"] }))).await.expect(200);
    server.call_with("POST", "/v1/clients", &token, Some(wide), &key).await.expect_problem(403, "above_your_role");
}

#[tokio::test]
async fn a_limit_says_what_is_left_and_when_to_come_back() {
    let server = Server::start().await;
    let (_, token) = server.machine("clients:read").await;
    let first = server.call("GET", "/v1/clients", &token, None).await.expect(200);
    assert_eq!(first.header("ratelimit-policy"), "\"api\";q=600;w=60");
    assert_eq!(first.header("ratelimit"), "\"api\";r=599;t=1");
    for _ in 0..59 {
        server.call("GET", "/v1/clients", "nonsense", None).await.expect_problem(401, "invalid_token");
    }
    server.call("GET", "/v1/clients", "", None).await.expect_problem(401, "unauthorized");
    let refused = server.call("GET", "/v1/clients", "nonsense", None).await.expect_problem(429, "too_many_requests");
    assert_eq!(refused.header("retry-after"), "1");
    server.call("GET", "/v1/clients", &token, None).await.expect(200);
    server.advance(1);
    server.call("GET", "/v1/clients", "nonsense", None).await.expect_problem(401, "invalid_token");
}

#[tokio::test]
async fn hc_01_only_origins_of_clients_may_read_answers() {
    let server = Server::start().await;
    let (_, token) = server.machine("clients:read").await;
    server.client(json!({})).await;
    let ask = async |method: &str, path: &str, origin: &str| {
        server.call_with(method, path, &token, None, &[("origin", origin), ("access-control-request-method", "PATCH")]).await
    };
    for method in ["OPTIONS", "GET"] {
        let ours = ask(method, "/v1/clients", "https://app.example").await;
        assert_eq!(ours.header("access-control-allow-origin"), "https://app.example");
        assert!(!ours.headers.contains_key("access-control-allow-credentials"));
        assert!(ours.headers.get_all("vary").iter().any(|vary| vary == "Origin"));
        for origin in ["https://evil.example", "null", "https://app.example.evil.example"] {
            let theirs = ask(method, "/v1/clients", origin).await;
            assert!(!theirs.headers.contains_key("access-control-allow-origin"), "{method} {origin}");
        }
    }
    let preflight = ask("OPTIONS", "/v1/clients", "https://app.example").await;
    assert!(preflight.header("access-control-allow-headers").contains("Idempotency-Key"));
    assert!(preflight.header("access-control-allow-methods").contains("PATCH"));
    let refused = server.call_with("GET", "/v1/clients", "", None, &[("origin", "https://app.example")]).await;
    assert!(refused.expect_problem(401, "unauthorized").header("access-control-expose-headers").contains("RateLimit"));
    assert_eq!(ask("GET", "/openapi.json", "https://evil.example").await.header("access-control-allow-origin"), "*");
}

#[tokio::test]
async fn hc_03_hc_05_answers_are_not_kept_and_paths_have_one_spelling() {
    let server = Server::start().await;
    let (_, token) = server.machine("clients:read").await;
    for (path, token) in [("/v1/clients", token.as_str()), ("/v1/clients", ""), ("/v1/nothing", "")] {
        let answer = server.call("GET", path, token, None).await;
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
    }
    for path in [
        "//v1/clients",
        "/v1//clients",
        "/./v1/clients",
        "/V1/clients",
        "/v1/clients/",
        "/v1/clients;x",
        "/v1/%63lients",
        "/v1/clients%00",
        "/v1/x/..;/clients",
    ] {
        let answer = server.call("GET", path, "", None).await;
        assert!(matches!(answer.status.as_u16(), 401 | 404), "{path}: {}", answer.status);
    }
    for id in ["%00", "a%00b", "%0a", "x%2Fy", "..%2f..", &"x".repeat(2000), "%ff"] {
        let answer = server.call("GET", &format!("/v1/clients/{id}"), &token, None).await;
        answer.expect_problem(404, "not_found");
    }
}
