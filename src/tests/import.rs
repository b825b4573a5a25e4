//! Passwords that other libraries wrote, through the file of an import and a real sign-in.

use portero::accounts::import::{self, Hints, Options, Parts};
use serde_json::{Value, json};

use crate::harness::{Server, TestClient};

/// Imports JSON Lines; how many were created.
async fn import(server: &Server, source: &str, flask_bcrypt_long: bool, lines: &str) -> u64 {
    let app = &server.app;
    let parts = Parts { imports: &*app.storage.imports, hasher: &app.hasher, attributes: &app.attributes };
    let options = Options { source: source.to_owned(), hints: Hints { flask_bcrypt_long, firebase: None }, ..Options::default() };
    let act = Server::operator();
    let done = import::run(&parts, lines.as_bytes(), &options, || app.random.bytes(), (app.clock.now(), &act), |_, _| Ok(())).await;
    done.expect("it can be read").created
}

async fn signs_in(server: &Server, client: &TestClient, name: &str, password: &str) -> bool {
    let answer = server.token(client, &[("grant_type", "password"), ("username", name), ("password", password), ("scope", "openid")]).await;
    assert!(matches!(answer.status.as_u16(), 200 | 400), "{} {}", answer.status, answer.body);
    answer.status == 200
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_vector_signs_in_twice_and_what_must_not_never() {
    let vectors: Value = serde_json::from_str(include_str!("../accounts/foreign/vectors.json")).expect("JSON");
    let server = Server::with(|config| config.limits = false).await;
    let members = json!({ "grant_types": ["password"], "redirect_uris": [], "response_types": [], "first_party": true });
    let client = server.client(members).await;
    let (mut plain, mut long) = (String::new(), String::new());
    for vector in vectors["vectors"].as_array().expect("a list") {
        let id = vector["id"].as_str().expect("text");
        let line = json!({"external_id": id, "email": format!("{id}@example.org"), "password_hash": vector["encoded"]});
        let file = if id == "flask-bcrypt-long" { &mut long } else { &mut plain };
        *file += &format!("{line}\n");
    }
    assert_eq!(import(&server, "old", false, &plain).await, 31);
    assert_eq!(import(&server, "flask", true, &long).await, 1);
    let email = |entry: &Value| format!("{}@example.org", entry["id"].as_str().expect("text"));
    for wrong in vectors["must_be_false"].as_array().expect("a list") {
        assert!(!signs_in(&server, &client, &email(wrong), wrong["password"].as_str().expect("text")).await, "{wrong}");
    }
    let decomposed = |entry: &Value, password: &str| {
        use unicode_normalization::UnicodeNormalization as _;
        let is_nfd = entry["note"].as_str().is_some_and(|note| note.contains("NFD"));
        if is_nfd { password.nfd().collect() } else { password.to_owned() }
    };
    // The old hash, and then the one that took its place.
    for round in ["as imported", "as rehashed"] {
        for vector in vectors["vectors"].as_array().expect("a list") {
            let Some(password) = vector["password"].as_str() else { continue };
            assert!(signs_in(&server, &client, &email(vector), &decomposed(vector, password)).await, "{round}: {}", vector["id"]);
        }
        for also in vectors["also_true"].as_array().expect("a list") {
            assert!(signs_in(&server, &client, &email(also), also["password"].as_str().expect("text")).await, "{round}: {also}");
        }
    }
    for wrong in vectors["must_be_false"].as_array().expect("a list") {
        assert!(!signs_in(&server, &client, &email(wrong), wrong["password"].as_str().expect("text")).await, "{wrong}");
    }
    for (user, hash) in server.app.storage.imports.export(None, 100).await.expect("read") {
        let hash = hash.unwrap_or_default();
        let unusable = user.email.starts_with("django-unusable");
        assert!(unusable == hash.is_empty() && (unusable || hash.contains("$argon2id$v=19$")), "{}", user.email);
    }
}
