use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};

use super::*;
use crate::clock::Random;
use crate::storage::durable::Actor;

/// The contract of signing keys in a list, for tests of the ring alone.
#[derive(Default)]
struct Rows {
    keys: Mutex<Vec<StoredKey>>,
    fingerprint: Mutex<Option<String>>,
    /// Answers as a store that is down.
    down: std::sync::atomic::AtomicBool,
}

#[async_trait]
impl SigningKeys for Rows {
    async fn list(&self) -> crate::storage::Result<Vec<StoredKey>> {
        if self.down.load(std::sync::atomic::Ordering::Relaxed) {
            return Err(StorageError::Unavailable("down".into()));
        }
        Ok(self.keys.lock().expect("rows").clone())
    }

    async fn add(&self, key: &StoredKey, keep: Duration, only: Only<'_>, _by: &Act) -> crate::storage::Result<bool> {
        let mut keys = self.keys.lock().expect("rows");
        if keys.iter().any(|row| row.kid == key.kid) {
            return Err(StorageError::Conflict("kid"));
        }
        let newest = keys.iter().rev().find(|row| row.alg == key.alg).map(|row| row.kid.as_str());
        let acts = match only {
            Only::Always => true,
            Only::IfNone => newest.is_none(),
            Only::Replacing(kid) => newest == Some(kid),
        };
        if acts {
            for row in keys.iter_mut().filter(|row| row.alg == key.alg && row.retired_at.is_none()) {
                row.retired_at = Some(key.signs_from);
                row.removed_at = Some(key.signs_from + keep);
            }
            keys.push(key.clone());
        }
        Ok(acts)
    }

    async fn clean(&self, now: Time, _by: &Act) -> crate::storage::Result<u64> {
        let mut keys = self.keys.lock().expect("rows");
        let before = keys.len();
        keys.retain(|row| row.removed_at.is_none_or(|at| at > now));
        Ok((before - keys.len()) as u64)
    }

    async fn fingerprint(&self, mine: &str) -> crate::storage::Result<String> {
        Ok(self.fingerprint.lock().expect("rows").get_or_insert_with(|| mine.to_owned()).clone())
    }
}

const ALG: SigningAlg = SigningAlg::ES256;

fn start() -> Time {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a time in range")
}

fn minutes(minutes: i64) -> Time {
    start() + TimeDelta::minutes(minutes)
}

fn system() -> Act {
    Act { actor: Actor::System, client_id: None, address: None, request_id: "test".into() }
}

async fn ring(rows: &Arc<Rows>, now: Time) -> KeyRing {
    KeyRing::load(Arc::clone(rows) as _, Seal::new(&[7; 32]), Policy::default(), now).await.expect("a ring")
}

fn kids(jwks: &Jwks) -> Vec<String> {
    let set: Value = serde_json::from_slice(&jwks.json).expect("JSON");
    let kids = set["keys"].as_array().expect("a list").iter();
    kids.map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
}

#[tokio::test]
async fn the_first_key_signs_at_once_and_survives_a_restart() {
    let rows = Arc::new(Rows::default());
    let before = ring(&rows, start()).await;
    assert!(before.signer(ALG, start()).is_none());
    let made = before.ensure(ALG, [1; 24], start(), &system()).await.expect("a key");
    let token = made.sign_jwt("at+jwt", &json!({"sub": "usr_1"})).expect("it signs");
    assert_eq!(before.algorithms(start()), [ALG]);

    let after = ring(&rows, start()).await;
    assert_eq!(after.ensure(ALG, [2; 24], start(), &system()).await.expect("a key").kid, made.kid);
    assert_eq!(after.verify(&token, start()).expect("our token").typ.as_deref(), Some("at+jwt"));
    assert_eq!(kids(&after.jwks(start())), std::slice::from_ref(&made.kid));
    assert!(!String::from_utf8_lossy(&rows.keys.lock().expect("rows")[0].sealed).contains("ES256"), "sealed at rest");
}

#[tokio::test]
async fn replicas_that_start_at_once_make_one_key() {
    let rows = Arc::new(Rows::default());
    let (a, b) = (ring(&rows, start()).await, ring(&rows, start()).await);
    let (system_a, system_b) = (system(), system());
    let (a, b) = tokio::join!(a.ensure(ALG, [1; 24], start(), &system_a), b.ensure(ALG, [2; 24], start(), &system_b));
    assert_eq!(a.expect("a key").kid, b.expect("a key").kid);
    assert_eq!(rows.keys.lock().expect("rows").len(), 1);
}

#[tokio::test]
async fn a_rotation_is_published_waits_signs_and_the_old_key_disappears_without_a_reload() {
    let rows = Arc::new(Rows::default());
    let random = Random::seeded(1);
    let ring = ring(&rows, start()).await;
    let old = ring.ensure(ALG, [1; 24], start(), &system()).await.expect("a key");
    let token = old.sign_jwt("at+jwt", &json!({})).expect("it signs");
    let new = ring.rotate(Which::All, false, || random.bytes(), start(), &system()).await.expect("a rotation");
    let [new] = &new[..] else { panic!("one algorithm, one key: {new:?}") };

    let signs = |now| ring.signer(ALG, now).expect("a signer").kid.clone();
    assert_eq!((signs(start()), signs(minutes(29)), signs(minutes(30))), (old.kid.clone(), old.kid.clone(), new.clone()));
    assert_eq!(kids(&ring.jwks(start())), [old.kid.clone(), new.clone()], "published before it signs");
    let stages = |now| ring.list(now).iter().map(|key| (key.stage, key.signs)).collect::<Vec<_>>();
    assert_eq!(stages(start()), [(Stage::Current, true), (Stage::Next, false)]);
    assert_eq!(stages(minutes(30)), [(Stage::Retired, false), (Stage::Current, true)]);

    let removed = minutes(30) + Policy::default().keep;
    assert!(ring.verify(&token, removed - TimeDelta::seconds(1)).is_ok());
    assert_eq!(ring.verify(&token, removed), Err(NotOurs));
    assert_eq!(kids(&ring.jwks(removed)), std::slice::from_ref(new));
    assert_ne!(ring.jwks(start()).etag, ring.jwks(removed).etag);
    assert_eq!(ring.jwks(start()), ring.jwks(minutes(40)));

    // As a hint it is believed as long as a session can live.
    assert!(ring.verify_hint(&token).is_ok());
    assert_eq!(ring.clean(removed, &system()).await.expect("cleaned"), 0);
    let over = removed + Policy::default().hints + TimeDelta::seconds(1);
    assert_eq!(ring.clean(over, &system()).await.expect("cleaned"), 1);
    assert_eq!(ring.list(over).len(), 1);
    assert!(ring.verify_hint(&token).is_err());
}

#[tokio::test]
async fn a_rotation_at_once_signs_at_once() {
    let rows = Arc::new(Rows::default());
    let random = Random::seeded(1);
    let ring = ring(&rows, start()).await;
    ring.ensure(ALG, [1; 24], start(), &system()).await.expect("a key");
    let new = ring.rotate(Which::Only(ALG), true, || random.bytes(), minutes(5), &system()).await.expect("a rotation");
    assert_eq!(ring.signer(ALG, minutes(5)).expect("a signer").kid, new[0]);
    assert_eq!(kids(&ring.jwks(minutes(5))).len(), 2);
    assert!(ring.rotate(Which::Only(SigningAlg::EdDSA), false, || random.bytes(), minutes(5), &system()).await.is_ok());
    assert!(ring.signer(SigningAlg::EdDSA, minutes(5)).is_some(), "the first of its algorithm does not wait");
}

#[tokio::test]
async fn rotation_by_age_happens_once_for_all_replicas() {
    let rows = Arc::new(Rows::default());
    let random = Random::seeded(1);
    let (a, b) = (ring(&rows, start()).await, ring(&rows, start()).await);
    a.ensure(ALG, [1; 24], start(), &system()).await.expect("a key");
    b.refresh(start()).await.expect("a reload");
    let due = start() + TimeDelta::days(90) - TimeDelta::minutes(30);
    let early = due - TimeDelta::minutes(1);
    assert_eq!(a.rotate_due(|| random.bytes(), early, &system()).await.expect("nothing"), Vec::<String>::new());
    assert_eq!(a.rotate_due(|| random.bytes(), due, &system()).await.expect("a rotation").len(), 1);
    assert_eq!(b.rotate_due(|| random.bytes(), due, &system()).await.expect("too late").len(), 0);
    assert_eq!(a.rotate_due(|| random.bytes(), due, &system()).await.expect("done").len(), 0);
    assert_eq!(a.signer(ALG, due).map(|key| key.kid.clone()), b.signer(ALG, due).map(|key| key.kid.clone()));
}

#[tokio::test]
async fn f32_another_master_key_is_refused_by_its_fingerprint() {
    let rows = Arc::new(Rows::default());
    ring(&rows, start()).await.ensure(ALG, [1; 24], start(), &system()).await.expect("a key");
    let other = KeyRing::load(Arc::clone(&rows) as _, Seal::new(&[8; 32]), Policy::default(), start()).await;
    let error = other.expect_err("another master key").to_string();
    assert!(error.contains("PORTERO_MASTER_KEY") && error.contains(&Seal::new(&[7; 32]).fingerprint()), "{error}");
    assert_eq!(rows.keys.lock().expect("rows").len(), 1, "no silent new key");
}

#[tokio::test]
async fn f29_a_damaged_row_is_refused_and_no_new_key_is_made() {
    for damage in ["garbled", "cut", "moved"] {
        let rows = Arc::new(Rows::default());
        ring(&rows, start()).await.ensure(ALG, [1; 24], start(), &system()).await.expect("a key");
        {
            let mut keys = rows.keys.lock().expect("rows");
            match damage {
                "garbled" => keys[0].sealed[30] ^= 1,
                "cut" => keys[0].sealed.truncate(10),
                _ => keys[0].kid = "another".into(),
            }
        }
        let error = KeyRing::load(Arc::clone(&rows) as _, Seal::new(&[7; 32]), Policy::default(), start()).await;
        let error = error.expect_err(damage);
        assert!(matches!(error, KeyError::Unsealable { .. }) && error.to_string().contains("PORTERO_MASTER_KEY"), "{damage}: {error}");
        assert_eq!(rows.keys.lock().expect("rows").len(), 1);
    }
}

#[tokio::test]
async fn f30_a_store_that_is_down_leaves_the_ring_as_it_is() {
    let rows = Arc::new(Rows::default());
    let ring = ring(&rows, start()).await;
    let key = ring.ensure(ALG, [1; 24], start(), &system()).await.expect("a key");
    rows.down.store(true, std::sync::atomic::Ordering::Relaxed);
    assert!(matches!(ring.refresh(start()).await, Err(KeyError::Storage(StorageError::Unavailable(_)))));
    assert_eq!(ring.signer(ALG, start()).expect("a signer").kid, key.kid);
}

#[tokio::test]
async fn an_imported_key_waits_like_any_other_and_is_known_the_second_time() {
    let rows = Arc::new(Rows::default());
    let ring = ring(&rows, start()).await;
    let old = ring.ensure(ALG, [1; 24], start(), &system()).await.expect("a key");
    let file = PrivateJwk::generate(ALG).expect("a key");
    let kid = ring.import(file.as_json(), false, [2; 24], start(), &system()).await.expect("an import");
    assert_eq!(kid, file.kid);
    assert_eq!(ring.signer(ALG, minutes(29)).expect("a signer").kid, old.kid);
    assert_eq!(ring.signer(ALG, minutes(30)).expect("a signer").kid, kid);
    let again = ring.import(file.as_json(), true, [3; 24], start(), &system()).await;
    assert!(matches!(again, Err(KeyError::Known(known)) if known == kid));
    assert!(matches!(ring.import(b"nothing", true, [3; 24], start(), &system()).await, Err(KeyError::Bad(_))));
}

#[tokio::test]
async fn a_token_must_name_a_key_of_the_ring() {
    let rows = Arc::new(Rows::default());
    let ring = ring(&rows, start()).await;
    ring.ensure(ALG, [1; 24], start(), &system()).await.expect("a key");
    let stranger = SigningKey::new(&PrivateJwk::generate(ALG).expect("a key")).expect("a usable key");
    let token = stranger.sign_jwt("at+jwt", &json!({})).expect("it signs");
    assert_eq!(ring.verify(&token, start()), Err(NotOurs));
    assert_eq!(ring.verify("", start()), Err(NotOurs));
}

#[tokio::test]
async fn the_key_set_without_keys_is_a_document_too() {
    let ring = ring(&Arc::new(Rows::default()), start()).await;
    assert_eq!(&*ring.jwks(start()).json, br#"{"keys":[]}"#);
}
