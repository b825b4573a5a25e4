//! `/v1/clients`.

use serde_json::json;

use crate::harness::{Browser, CALLBACK, Flow, Server, TestClient};

#[tokio::test]
async fn a_client_is_made_shown_changed_and_deleted() {
    let server = Server::start().await;
    let console = server.console().await;
    let owner = server.administrator(&console, "olga", &["owner"]).await;
    let made = server
        .call("POST", "/v1/clients", &owner, Some(json!({ "client_name": "Notes", "redirect_uris": [CALLBACK], "scope": "openid email" })))
        .await
        .expect(201);
    let client = made.json();
    let id = client["client_id"].as_str().expect("one").to_owned();
    let secret = client["client_secret"].as_str().expect("shown once").to_owned();
    assert_eq!((&client["client_secret_expires_at"], &client["disabled"]), (&json!(0), &json!(false)));
    assert_eq!(made.header("location"), format!("https://id.example/v1/clients/{id}"));
    let path = format!("/v1/clients/{id}");
    // It works as a client at once.
    let app = crate::harness::TestClient { id: id.clone(), secret: Some(secret.clone()) };
    assert_eq!(server.introspect(&app, "x").await, json!({ "active": false }));

    let shown = server.call("GET", &path, &owner, None).await.expect(200);
    assert!(!shown.body.contains(&secret) && shown.json().get("client_secret").is_none());
    assert!(!shown.body.contains("null"), "{}", shown.body);
    let patch = json!({ "client_name": null, "policy_uri": "https://app.example/privacy", "require_pkce": false, "default_max_age": 60 });
    let changed = server.call("PATCH", &path, &owner, Some(patch)).await.expect(200).json();
    assert!(changed.get("client_name").is_none());
    assert_eq!((&changed["policy_uri"], &changed["require_pkce"]), (&json!("https://app.example/privacy"), &json!(false)));
    let changed =
        server.call("PATCH", &path, &owner, Some(json!({ "require_pkce": null, "default_max_age": null }))).await.expect(200).json();
    assert!(changed.get("require_pkce").is_none() && changed.get("default_max_age").is_none());
    let wrong = server.call("PATCH", &path, &owner, Some(json!({ "redirect_uris": ["http://app.example/cb"] }))).await;
    assert_eq!(wrong.expect_problem(400, "invalid_request").wrong(), ["/redirect_uris invalid"]);
    for hidden in ["client_id", "secrets", "demo", "client_secret", "disabled_at"] {
        let answer = server.call("PATCH", &path, &owner, Some(json!({ hidden: "x" }))).await.expect_problem(400, "invalid_request");
        assert_eq!(answer.wrong(), [format!("/{hidden} unknown_member")]);
    }

    let rotated = server.call("POST", &format!("{path}/rotate-secret"), &owner, Some(json!({ "overlap": 60 }))).await.expect(200).json();
    assert_ne!(rotated["client_secret"], client["client_secret"]);
    assert_eq!(rotated["secrets"], 2);
    server.introspect(&app, "x").await;
    server.call("POST", &format!("{path}/rotate-secret"), &owner, Some(json!({ "overlap": 0.0 }))).await.expect(200);
    server.form("/oauth2/introspect", &app, &[("token", "x")]).await.expect_error(401, "invalid_client");

    assert_eq!(server.call("POST", &format!("{path}/disable"), &owner, None).await.expect(200).json()["disabled"], true);
    assert_eq!(server.call("POST", &format!("{path}/enable"), &owner, None).await.expect(200).json()["disabled"], false);
    assert_eq!(server.call("DELETE", &path, &owner, None).await.status, 204);
    server.call("DELETE", &path, &owner, None).await.expect_problem(404, "not_found");
    server.call("GET", &path, &owner, None).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_public_client_gets_a_secret_when_it_stops_being_one() {
    let server = Server::start().await;
    let console = server.console().await;
    let owner = server.administrator(&console, "olga", &["owner"]).await;
    let body = json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none" });
    let made = server.call("POST", "/v1/clients", &owner, Some(body)).await.expect(201).json();
    assert!(made.get("client_secret").is_none());
    let path = format!("/v1/clients/{}", made["client_id"].as_str().expect("one"));
    server.call("POST", &format!("{path}/rotate-secret"), &owner, Some(json!({}))).await.expect_problem(409, "public_client");
    let patch = json!({ "token_endpoint_auth_method": "client_secret_post" });
    assert!(server.call("PATCH", &path, &owner, Some(patch)).await.expect(200).json()["client_secret"].is_string());
}

/// AD-04: a client is a way to scopes, and nobody makes or opens one to scopes that are not theirs.
#[tokio::test]
async fn ad_04_nobody_gives_a_client_more_than_they_have() {
    let server = Server::start().await;
    let console = server.console().await;
    let owner = server.administrator(&console, "olga", &["owner"]).await;
    let admin = server.administrator(&console, "carl", &["client_admin"]).await;
    let machine = json!({ "grant_types": ["client_credentials"], "scope": "users:write" });
    let refused = |answer: crate::harness::Answer| answer.expect_problem(403, "above_your_role");
    refused(server.call("POST", "/v1/clients", &admin, Some(machine.clone())).await);
    let made = server.call("POST", "/v1/clients", &owner, Some(machine)).await.expect(201).json();
    let path = format!("/v1/clients/{}", made["client_id"].as_str().expect("one"));
    for (method, below, body) in [
        ("POST", "/rotate-secret", Some(json!({}))),
        ("POST", "/disable", None),
        ("PATCH", "", Some(json!({ "scope": "reports" }))),
        ("DELETE", "", None),
    ] {
        refused(server.call(method, &format!("{path}{below}"), &admin, body).await);
    }
    let plain =
        server.call("POST", "/v1/clients", &admin, Some(json!({ "redirect_uris": [CALLBACK], "scope": "openid clients:write" }))).await;
    let plain = format!("/v1/clients/{}", plain.expect(201).json()["client_id"].as_str().expect("one"));
    refused(server.call("PATCH", &plain, &admin, Some(json!({ "scope": "openid audit:read" }))).await);
    server.call("PATCH", &plain, &admin, Some(json!({ "scope": "openid reports" }))).await.expect(200);
    // A machine gives what it holds itself, and no more.
    let (_, token) = server.machine("clients:write organizations:read").await;
    let with = |scope: &str| Some(json!({ "grant_types": ["client_credentials"], "scope": scope }));
    server.call("POST", "/v1/clients", &token, with("organizations:read reports")).await.expect(201);
    refused(server.call("POST", "/v1/clients", &token, with("organizations:write")).await);
}

/// AD-04: a first-party client is never asked about: with a scope of the API it is whoever follows a link to it, an owner as well.
#[tokio::test]
async fn ad_04_a_first_party_client_with_a_scope_of_the_api_is_an_owners_to_make_and_to_change() {
    let server = Server::with(|config| config.limits = false).await;
    let console = server.console().await;
    let owner = server.administrator(&console, "olga", &["owner"]).await;
    let keeper = server.administrator(&console, "carl", &["client_admin"]).await;
    let (_, machine) = server.machine("account clients:read clients:write").await;
    let refused = |answer: crate::harness::Answer| answer.expect_problem(403, "above_your_role");
    let with = |scope: &str| json!({ "first_party": true, "redirect_uris": [CALLBACK], "scope": scope });
    let shop = server.call("POST", "/v1/clients", &owner, Some(with("openid account"))).await.expect(201).json();
    let shop = format!("/v1/clients/{}", shop["client_id"].as_str().expect("one"));
    server.call("POST", &format!("{shop}/disable"), &owner, None).await.expect(200);
    for token in [&keeper, &machine] {
        for scope in ["openid account", "openid clients:write"] {
            refused(server.call("POST", "/v1/clients", token, Some(with(scope))).await);
        }
        for (method, below, body) in [
            ("PATCH", "", Some(json!({ "redirect_uris": [CALLBACK, "https://evil.example/cb"] }))),
            ("PATCH", "", Some(json!({ "scope": "openid" }))),
            ("POST", "/rotate-secret", Some(json!({}))),
            ("POST", "/disable", None),
            ("POST", "/enable", None),
            ("DELETE", "", None),
        ] {
            refused(server.call(method, &format!("{shop}{below}"), token, body).await);
        }
        // Without one of the two it is theirs; the second is not added to the first.
        for (first, second) in [
            (with("openid email"), json!({ "scope": "openid account" })),
            (json!({ "redirect_uris": [CALLBACK], "scope": "openid account" }), json!({ "first_party": true })),
        ] {
            let own = server.call("POST", "/v1/clients", token, Some(first)).await.expect(201).json();
            let own = format!("/v1/clients/{}", own["client_id"].as_str().expect("one"));
            server.call("PATCH", &own, token, Some(json!({ "client_name": "Shop" }))).await.expect(200);
            refused(server.call("PATCH", &own, token, Some(second)).await);
        }
    }
    server.call("POST", &format!("{shop}/enable"), &owner, None).await.expect(200);
    // And what acts for an owner changes nothing that would make somebody else one.
    let email = json!({ "email": "evil@example.org" });
    server.call("POST", "/v1/me/email", &owner, Some(email.clone())).await.expect_problem(403, "password_required");
    server.call("DELETE", "/v1/me", &owner, None).await.expect_problem(403, "password_required");
    let mut proved = email;
    proved["password"] = json!(crate::harness::PASSWORD);
    server.call("POST", "/v1/me/email", &owner, Some(proved)).await.expect(202);
}

/// AD-04: a client that somebody allowed a scope of the API acts for them: where its answers go, and what proves it, is changed by whoever may change
/// their accounts.
#[tokio::test]
async fn ad_04_a_client_that_acts_for_somebody_is_changed_by_whoever_is_over_them() {
    let server = Server::with(|config| config.limits = false).await;
    let console = server.console().await;
    let owner = server.administrator(&console, "olga", &["owner"]).await;
    let keeper = server.administrator(&console, "carl", &["client_admin"]).await;
    let both = server.administrator(&console, "berta", &["client_admin", "user_admin"]).await;
    let (_, machine) = server.machine("account clients:write").await;
    let (_, over_people) = server.machine("account clients:write users:write").await;
    server.user("ana").await;
    let allow = async |app: &TestClient, name: &str, scope: &str| {
        let mut browser = Browser::new(&server);
        let page = browser.authorize(&Flow::new(app).with("scope", scope)).await;
        let consent = browser.sign_in(&page, name).await;
        assert!(browser.allow(&consent).await.redirected().contains_key("code"));
    };
    let elsewhere = json!({ "redirect_uris": [CALLBACK, "https://evil.example/cb"] });
    let ways = |path: &str| {
        [
            ("PATCH", path.to_owned(), elsewhere.clone()),
            ("PATCH", path.to_owned(), json!({ "token_endpoint_auth_method": "none" })),
            ("PATCH", path.to_owned(), json!({ "grant_types": ["authorization_code", "refresh_token", "client_credentials"] })),
            ("PATCH", path.to_owned(), json!({ "scope": "openid" })),
            ("POST", format!("{path}/rotate-secret"), json!({})),
        ]
    };
    // Whom it acts for by which scope, and who may change it, or may not.
    let table = [
        ("ana", "openid account", [&both, &over_people], vec![&keeper, &machine]),
        ("olga", "openid account", [&owner, &owner], vec![&keeper, &both, &machine, &over_people]),
        ("olga", "openid clients:write", [&owner, &owner], vec![&keeper, &both, &machine, &over_people]),
        ("ana", "openid email", [&keeper, &machine], vec![]),
        ("carl", "openid account clients:write", [&keeper, &owner], vec![&machine, &over_people]),
    ];
    for (name, scope, may, may_not) in table {
        let app = server.client(json!({ "scope": "openid email account clients:write" })).await;
        let path = format!("/v1/clients/{}", app.id);
        for token in may_not.iter().copied().chain(may) {
            server.call("PATCH", &path, token, Some(json!({ "client_name": "Nobody's yet" }))).await.expect(200);
        }
        allow(&app, name, scope).await;
        for token in may_not {
            for (method, path, body) in ways(&path) {
                server.call(method, &path, token, Some(body)).await.expect_problem(403, "above_your_role");
            }
            // What leads to no token is judged by the scopes alone.
            server.call("POST", &format!("{path}/disable"), token, None).await.expect(200);
            server.call("POST", &format!("{path}/enable"), token, None).await.expect(200);
        }
        let record = server.app.storage.clients.find(&app.id).await.expect("read").expect("there");
        assert_eq!(record.client.redirect_uris, [CALLBACK]);
        for token in may {
            server.call("PATCH", &path, token, Some(elsewhere.clone())).await.expect(200);
            server.call("POST", &format!("{path}/rotate-secret"), token, Some(json!({}))).await.expect(200);
        }
    }
    // Without the scope it is nobody's power; it does not come back by the same hands.
    let app = server.client(json!({ "scope": "openid account" })).await;
    let path = format!("/v1/clients/{}", app.id);
    allow(&app, "olga", "openid account").await;
    server.call("PATCH", &path, &owner, Some(json!({ "scope": "openid" }))).await.expect(200);
    server.call("PATCH", &path, &keeper, Some(elsewhere)).await.expect(200);
    server.call("PATCH", &path, &keeper, Some(json!({ "scope": "openid account" }))).await.expect_problem(403, "above_your_role");
}

/// AD-04: what an owner gives a client at this moment is judged with it.
#[tokio::test]
async fn ad_04_a_client_is_judged_as_the_step_finds_it() {
    let server = Server::with(|config| config.limits = false).await;
    let console = server.console().await;
    let owner = server.administrator(&console, "olga", &["owner"]).await;
    let keeper = server.administrator(&console, "carl", &["client_admin"]).await;
    for _ in 0..20 {
        let app = server.client(json!({ "grant_types": ["client_credentials"], "redirect_uris": [], "scope": "reports" })).await;
        let path = format!("/v1/clients/{}", app.id);
        let calls = [
            (&owner, "PATCH", path.clone(), Some(json!({ "scope": "users:write" }))),
            (&keeper, "POST", format!("{path}/rotate-secret"), Some(json!({}))),
            (&keeper, "POST", format!("{path}/disable"), None),
            (&keeper, "DELETE", path.clone(), None),
        ];
        let answers =
            crate::harness::all(calls.iter().map(|(token, method, path, body)| server.call(method, path, token, body.clone()))).await;
        let subject = format!("client:{}", app.id);
        let rows = server.app.storage.audit.recent(40).await.expect("read");
        let acts: Vec<&str> = rows
            .iter()
            .rev()
            .filter(|row| row.subject.as_deref() == Some(&subject) && row.result == "done")
            .map(|row| row.act.as_str())
            .collect();
        let given = acts.iter().position(|act| *act == "client.update").unwrap_or(acts.len());
        let after = acts.get(given + 1..).unwrap_or_default();
        assert!(after.is_empty(), "{acts:?} {:?}", answers.iter().map(|answer| answer.status).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn changes_at_once_are_all_kept() {
    let server = Server::with(|config| config.limits = false).await;
    let console = server.console().await;
    let owner = server.administrator(&console, "olga", &["owner"]).await;
    let made = server.call("POST", "/v1/clients", &owner, Some(json!({ "redirect_uris": [CALLBACK] }))).await.expect(201).json();
    let path = format!("/v1/clients/{}", made["client_id"].as_str().expect("one"));
    let patches = [json!({ "client_name": "One" }), json!({ "require_auth_time": true }), json!({ "client_uri": "https://app.example" })];
    let calls = patches.iter().map(|patch| server.call("PATCH", &path, &owner, Some(patch.clone())));
    for answer in crate::harness::all(calls).await {
        answer.expect(200);
    }
    let client = server.call("GET", &path, &owner, None).await.expect(200).json();
    assert_eq!(client["client_name"], "One");
    assert_eq!(client["require_auth_time"], true);
    assert_eq!(client["client_uri"], "https://app.example");
}
