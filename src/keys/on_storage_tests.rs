//! The ring on a real store: what two replicas do at once.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta};

use super::jose::PrivateJwk;
use super::rotation::Policy;
use super::{KeyError, KeyRing, Which};
use crate::clock::Random;
use crate::protocol::client::SigningAlg;
use crate::seal::Seal;
use crate::storage::durable::{Act, Actor};
use crate::storage::{Schema, Storage, StorageOptions, Time};

const ALG: SigningAlg = SigningAlg::ES256;

/// Between two seconds, as moments are.
fn now() -> Time {
    DateTime::from_timestamp(1_800_000_000, 750_000_000).expect("a time in range")
}

fn system() -> Act {
    Act { actor: Actor::System, client_id: None, address: None, request_id: "test".into() }
}

async fn storage() -> Storage {
    Storage::open(&StorageOptions::new("sqlite::memory:"), Seal::new(&[7; 32]), Schema::Migrate).await.expect("a store")
}

async fn ring(storage: &Storage) -> KeyRing {
    KeyRing::load(Arc::clone(&storage.keys), Seal::new(&[7; 32]), Policy::default(), now()).await.expect("a ring")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_replicas_that_start_at_once_make_one_key() {
    let storage = storage().await;
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let storage = storage.clone();
            tokio::spawn(async move { ring(&storage).await.ensure(ALG, [n; 24], now(), &system()).await.expect("a key").kid.clone() })
        })
        .collect();
    let mut kids = Vec::new();
    for task in tasks {
        kids.push(task.await.expect("no panic"));
    }
    kids.dedup();
    assert_eq!(kids.len(), 1);
    assert_eq!(storage.keys.list().await.expect("no fault").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_replicas_that_rotate_by_age_at_once_make_one_key() {
    let storage = storage().await;
    ring(&storage).await.ensure(ALG, [1; 24], now(), &system()).await.expect("a key");
    let due = now() + TimeDelta::days(90);
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let storage = storage.clone();
            tokio::spawn(async move {
                let random = Random::seeded(n);
                ring(&storage).await.rotate_due(|| random.bytes(), due, &system()).await.expect("no fault").len()
            })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        made += task.await.expect("no panic");
    }
    assert_eq!(made, 1);
    assert_eq!(storage.keys.list().await.expect("no fault").len(), 2);
}

#[tokio::test]
async fn what_is_stored_in_seconds_holds_between_them() {
    let storage = storage().await;
    let random = Random::seeded(1);
    let (a, b) = (ring(&storage).await, ring(&storage).await);
    let first = a.ensure(ALG, random.bytes(), now(), &system()).await.expect("a key");
    let at_once = a.rotate(Which::All, true, || random.bytes(), now(), &system()).await.expect("a rotation");
    assert_eq!(a.signer(ALG, now()).expect("a signer").kid, at_once[0], "within one second of the first");
    let token = first.sign_jwt("at+jwt", &serde_json::json!({})).expect("it signs");
    b.refresh(now()).await.expect("a reload");
    assert_eq!(b.signer(ALG, now()).expect("a signer").kid, at_once[0]);
    assert!(b.verify(&token, now()).is_ok());
    let end = now() + Policy::default().keep + TimeDelta::seconds(1);
    assert!(b.verify(&token, end).is_err());
    assert_eq!(b.clean(end + Policy::default().hints, &system()).await.expect("no fault"), 1);
    assert_eq!(a.jwks(end), b.jwks(end));
}

#[tokio::test]
async fn a_key_is_imported_once_and_another_master_key_refused() {
    let storage = storage().await;
    let (a, b) = (ring(&storage).await, ring(&storage).await);
    let file = PrivateJwk::generate(ALG).expect("a key");
    let kid = a.import(file.as_json(), false, [1; 24], now(), &system()).await.expect("an import");
    assert_eq!(a.signer(ALG, now()).expect("the first signs at once").kid, kid);
    assert!(matches!(b.import(file.as_json(), false, [2; 24], now(), &system()).await, Err(KeyError::Known(_))));
    let other = KeyRing::load(Arc::clone(&storage.keys), Seal::new(&[8; 32]), Policy::default(), now()).await;
    assert!(matches!(other, Err(KeyError::OtherMasterKey { .. })));
}

/// A look that fails says nothing about the token, to nobody who waited for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_cannot_be_looked_for_is_a_fault_for_everybody_who_asks() {
    let storage = storage().await;
    let ring = ring(&storage).await;
    let unknown = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"made elsewhere"}"#));
    ring.learn(&unknown, now()).await.expect("nothing is found, and nothing failed");
    storage.close().await;
    let asking: Vec<_> = (0..8)
        .map(|_| {
            let (ring, unknown) = (ring.clone(), unknown.clone());
            tokio::spawn(async move { ring.learn(&unknown, now()).await })
        })
        .collect();
    for asked in asking {
        assert!(matches!(asked.await.expect("no panic"), Err(KeyError::Storage(_))));
    }
    ring.learn("no token", now()).await.expect("nothing to look for");
}
