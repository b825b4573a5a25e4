use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};

use super::*;
use crate::protocol::client::{AuthMethod, SigningAlg};
use crate::storage::durable::Actor;
use crate::storage::{Schema, Storage, StorageOptions};

/// A store of its own for each test.
async fn store() -> Storage {
    Storage::open(&StorageOptions::new("sqlite::memory:"), seal(), Schema::Migrate).await.expect("a store")
}

async fn find(store: &Storage, client_id: &str) -> Arc<ClientRecord> {
    store.clients.find(client_id).await.expect("no fault").expect("a client")
}

fn now() -> Time {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a time in range")
}

fn operator() -> Act {
    Act { actor: Actor::Operator, client_id: None, address: None, request_id: "test".into() }
}

fn seal() -> Seal {
    Seal::new(&[7; 32])
}

fn fresh(n: u8) -> Fresh {
    Fresh { id: [n; 16], secret: [n; 32] }
}

fn metadata(json: Value) -> ClientMetadata {
    serde_json::from_value(json).expect("JSON of the right types")
}

async fn make(store: &Storage, id: Option<&str>, json: Value) -> Result<Changed, ClientError> {
    create(&*store.clients, &seal(), id, metadata(json), fresh(1), now(), &operator()).await
}

fn web() -> Value {
    json!({"redirect_uris": ["https://app.example/cb"]})
}

fn revealed(changed: &Changed) -> String {
    changed.secret.as_ref().expect("a secret").reveal().to_owned()
}

#[tokio::test]
async fn a_new_client_has_the_defaults_and_a_secret_that_is_nowhere_kept() {
    let store = store().await;
    let made = make(&store, None, web()).await.expect("a client");
    let client = &made.record.client;
    assert_eq!(client.token_endpoint_auth_method, AuthMethod::ClientSecretBasic);
    assert_eq!(client.grant_types, [GrantType::AuthorizationCode, GrantType::RefreshToken]);
    assert_eq!(client.scope, "openid profile email address phone offline_access");
    assert_eq!(client.id_token_signed_response_alg, SigningAlg::RS256);
    assert!(!client.first_party && client.refresh_token_rotation && !made.record.demo);
    let secret = revealed(&made);
    for value in [&secret, &client.client_id] {
        assert!(value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "{value}");
    }
    let there = find(&store, &client.client_id).await;
    assert!(verify_secret(&seal(), &there, &secret, now()));
    assert!(!format!("{made:?}").contains(&secret) && !format!("{there:?}").contains(&secret));
}

#[tokio::test]
async fn what_is_given_is_taken_as_it_is() {
    let store = store().await;
    let narrow =
        make(&store, Some("my-app"), json!({"redirect_uris": ["https://app.example/cb"], "scope": "openid"})).await.expect("a client");
    assert_eq!((&*narrow.record.client.client_id, &*narrow.record.client.scope), ("my-app", "openid"));
    let machine = make(&store, Some("job"), json!({"grant_types": ["client_credentials"]})).await.expect("a client");
    assert_eq!(machine.record.client.scope, "", "no person, no scopes about one");
    let public =
        make(&store, Some("spa"), json!({"redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "none"})).await;
    assert!(public.expect("a client").secret.is_none());
    assert!(matches!(make(&store, Some("my-app"), web()).await, Err(ClientError::Taken)));
    assert!(matches!(make(&store, Some("not/an id"), web()).await, Err(ClientError::Metadata(error)) if error.member == "client_id"));
    assert!(matches!(make(&store, None, json!({})).await, Err(ClientError::Metadata(error)) if error.member == "redirect_uris"));
    assert_eq!(store.clients.list(None, 10).await.expect("no fault").len(), 3);
}

#[tokio::test]
async fn a_secret_opens_its_own_client_only() {
    let store = store().await;
    let one = make(&store, Some("one"), web()).await.expect("a client");
    // The same random bytes, so the same secret, and still another digest.
    let two = make(&store, Some("two"), web()).await.expect("a client");
    assert_eq!(revealed(&one), revealed(&two));
    let copied = ClientRecord { secrets: one.record.secrets.clone(), ..two.record.clone() };
    assert!(!verify_secret(&seal(), &copied, &revealed(&one), now()), "ST-07: a row's secrets mean nothing in another");
    let secret = revealed(&one);
    for wrong in ["", "x", &secret[1..], &format!("{secret} "), &secret.to_uppercase(), &"x".repeat(100_000)] {
        assert!(!verify_secret(&seal(), &one.record, wrong, now()), "{wrong:.50}");
    }
    assert!(!verify_secret(&Seal::new(&[8; 32]), &one.record, &secret, now()));
}

#[tokio::test]
async fn ca_23_after_a_rotation_the_old_secret_lives_for_the_overlap() {
    let store = store().await;
    let first = revealed(&make(&store, Some("app"), web()).await.expect("a client"));
    let rotate = async |n: u8, overlap: Option<u64>, now: Time| {
        let overlap = overlap.map(Duration::from_secs);
        rotate_secret(&*store.clients, &seal(), "app", overlap, [n; 32], now, &operator()).await.expect("a rotation")
    };
    let second = rotate(2, Some(3600), now()).await;
    let end = now() + TimeDelta::hours(1);
    let opens = |changed: &Changed, secret: &str, at| verify_secret(&seal(), &changed.record, secret, at);
    let second_secret = revealed(&second);
    assert!(opens(&second, &second_secret, now()) && opens(&second, &first, now()));
    assert!(opens(&second, &first, end - TimeDelta::seconds(1)) && !opens(&second, &first, end));
    assert!(opens(&second, &second_secret, end));

    let third = rotate(3, Some(7200), now()).await;
    assert_eq!(third.record.secrets.len(), 2, "the newest of the old ones");
    assert!(opens(&third, &second_secret, now()) && !opens(&third, &first, now()));
    let last = rotate(4, None, now()).await;
    assert_eq!(last.record.secrets.len(), 1);
    assert!(!opens(&last, &revealed(&third), now()) && opens(&last, &revealed(&last), now()));

    make(&store, Some("spa"), json!({"redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "none"}))
        .await
        .expect("a client");
    let refused = rotate_secret(&*store.clients, &seal(), "spa", None, [5; 32], now(), &operator()).await;
    assert!(matches!(refused, Err(ClientError::Public)));
    assert!(matches!(
        rotate_secret(&*store.clients, &seal(), "nobody", None, [5; 32], now(), &operator()).await,
        Err(ClientError::Unknown)
    ));
}

#[tokio::test]
async fn a_change_keeps_the_secret_unless_the_client_becomes_or_was_public() {
    let store = store().await;
    let secret = revealed(&make(&store, Some("app"), web()).await.expect("a client"));
    let change = async |json: Value| {
        update(&*store.clients, &seal(), "app", metadata(json), [9; 32], now() + TimeDelta::hours(1), &operator()).await
    };
    let renamed = change(json!({"client_name": "New"})).await.expect("a change");
    assert!(renamed.secret.is_none() && verify_secret(&seal(), &renamed.record, &secret, now()));
    assert_eq!((renamed.record.created_at, renamed.record.updated_at), (now(), now() + TimeDelta::hours(1)));
    assert!(change(json!({"redirect_uris": []})).await.is_err());
    let public = change(json!({"token_endpoint_auth_method": "none"})).await.expect("a change");
    assert!(public.record.secrets.is_empty() && public.secret.is_none());
    let again = change(json!({"token_endpoint_auth_method": "client_secret_post"})).await.expect("a change");
    assert!(verify_secret(&seal(), &again.record, &revealed(&again), now()));
    assert!(!verify_secret(&seal(), &again.record, &secret, now()));
    let unknown = update(&*store.clients, &seal(), "nobody", ClientMetadata::default(), [9; 32], now(), &operator()).await;
    assert!(matches!(unknown, Err(ClientError::Unknown)));
}

#[tokio::test]
async fn a_client_is_disabled_let_in_again_and_deleted() {
    let store = store().await;
    make(&store, Some("app"), web()).await.expect("a client");
    let later = now() + TimeDelta::hours(1);
    assert_eq!(set_disabled(&*store.clients, "app", true, now(), &operator()).await.expect("disabled").disabled_at, Some(now()));
    assert_eq!(set_disabled(&*store.clients, "app", true, later, &operator()).await.expect("still").disabled_at, Some(now()));
    assert_eq!(set_disabled(&*store.clients, "app", false, later, &operator()).await.expect("enabled").disabled_at, None);
    assert!(delete(&*store.clients, "app", now(), &operator()).await.is_ok());
    assert!(matches!(delete(&*store.clients, "app", now(), &operator()).await, Err(ClientError::Unknown)));
    assert!(matches!(set_disabled(&*store.clients, "app", true, now(), &operator()).await, Err(ClientError::Unknown)));
}

#[tokio::test]
async fn the_demo_clients_are_made_once_follow_the_address_and_keep_their_secret() {
    let store = store().await;
    let ensure = async |redirect_uri: &str, seal: &Seal| {
        let addresses = demo::Addresses { redirect_uri, post_logout_redirect_uri: "http://127.0.0.1:8080/demo" };
        demo::ensure(&*store.clients, seal, addresses, now(), &operator()).await.expect("no fault")
    };
    let first = ensure("http://127.0.0.1:8080/demo/callback", &seal()).await;
    assert_eq!(ensure("http://127.0.0.1:8080/demo/callback", &seal()).await, first);
    assert_eq!(ensure("http://127.0.0.1:9999/demo/callback", &seal()).await, first);
    let (id, secret) = first.confidential.as_ref().expect("ours");
    let web = find(&store, id).await;
    assert_eq!(web.client.redirect_uris, ["http://127.0.0.1:9999/demo/callback"]);
    assert!(
        web.demo
            && web.client.first_party
            && web.client.allows(GrantType::Password)
            && verify_secret(&seal(), &web, secret.reveal(), now())
    );
    let native = find(&store, first.public.expect("ours")).await;
    assert!(native.demo && native.client.is_public() && !native.client.first_party && native.secrets.is_empty());

    // A development server may be called by any name, and its own page with it.
    assert_eq!(ensure("http://portero:8080/demo/callback", &seal()).await, first);
    assert_eq!(find(&store, id).await.client.redirect_uris, ["http://portero:8080/demo/callback"]);

    let other = Seal::new(&[8; 32]);
    let rekeyed = ensure("http://127.0.0.1:9999/demo/callback", &other).await;
    let web = find(&store, id).await;
    assert!(verify_secret(&other, &web, rekeyed.confidential.expect("ours").1.reveal(), now()), "the secret that is printed works");
}

#[tokio::test]
async fn somebody_elses_client_is_no_demo_client() {
    let store = store().await;
    make(&store, Some(demo::CONFIDENTIAL), web()).await.expect("a client");
    let addresses =
        demo::Addresses { redirect_uri: "http://127.0.0.1:8080/demo/callback", post_logout_redirect_uri: "http://127.0.0.1:8080/demo" };
    let demo = demo::ensure(&*store.clients, &seal(), addresses, now(), &operator()).await.expect("no fault");
    assert!(demo.confidential.is_none() && demo.public.is_some());
    assert_eq!(find(&store, demo::CONFIDENTIAL).await.client.redirect_uris, ["https://app.example/cb"]);
}
