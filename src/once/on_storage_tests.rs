//! Codes and one-time tokens on the embedded stores.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Barrier;

use super::codes::{self, BadCode};
use super::links::{self, Link, Purpose};
use super::tokens::{self, Consumed, CreateError, NewToken, Of, Presented};
use crate::seal::Seal;
use crate::storage::durable::{Act, Actor};
use crate::storage::{Schema, Storage, StorageOptions, Time};

fn seal() -> Seal {
    Seal::new(&[7; 32])
}

fn at(seconds: i64) -> Time {
    Time::from_timestamp(1_800_000_000 + seconds, 0).expect("in range")
}

fn client(id: &str) -> Act {
    Act { actor: Actor::Client(id.to_owned()), client_id: Some(id.to_owned()), address: None, request_id: "req_1".to_owned() }
}

async fn storage() -> Storage {
    let storage = Storage::open(&StorageOptions::new("sqlite::memory:"), seal(), Schema::Migrate).await.expect("opens");
    for maker in ["maker", "other"] {
        storage.clients.create(&crate::storage::conformance::client(maker), &client("operator")).await.expect("new");
    }
    storage
}

/// Fresh values by a number.
fn fresh(n: u8) -> tokens::Fresh {
    tokens::Fresh { id: [n; 10], secret: [n; 32], nonce: [n; 24] }
}

fn new<'a>(owner: &'a str, audience: &[&str]) -> NewToken<'a> {
    NewToken {
        owner,
        maker: None,
        purpose: "join",
        audience: audience.iter().map(|&client| client.to_owned()).collect(),
        subject: Some("usr_1"),
        data: json!({ "sala": "ñ", "n": 1 }),
        lives: Duration::from_secs(10),
    }
}

async fn consume(storage: &Storage, token: &str, purpose: &str, consumer: &str, now: Time) -> Option<Consumed> {
    let presented = Presented { token, purpose, consumer };
    tokens::consume(storage, &seal(), presented, [9; 24], now, &client(consumer)).await.expect("the stores answer")
}

#[tokio::test]
async fn a_token_is_consumed_once_by_its_audience_and_purpose() {
    let storage = storage().await;
    let made = tokens::create(&storage, &seal(), new("maker", &["room", "hall"]), fresh(1), at(0), &client("maker")).await.expect("valid");
    assert_eq!(made.expires_at, at(10));
    let token = made.token.as_str();
    assert_eq!(consume(&storage, token, "leave", "room", at(1)).await, None, "another purpose");
    assert_eq!(consume(&storage, token, "join", "maker", at(1)).await, None, "not in its audience");
    assert_eq!(consume(&storage, token, "join", "stranger", at(1)).await, None);
    let other = format!("{}.{}", made.id, "A".repeat(43));
    for wrong in ["", "ott_x.y", &made.id, &format!("{token}x"), &other, &token.replacen("ott_", "oTT_", 1)] {
        assert_eq!(consume(&storage, wrong, "join", "room", at(1)).await, None, "{wrong}");
    }
    // None of that used it up.
    let consumed = consume(&storage, token, "join", "hall", at(9)).await.expect("live");
    assert_eq!((consumed.subject.as_deref(), consumed.data), (Some("usr_1"), json!({ "sala": "ñ", "n": 1 })));
    assert_eq!((consumed.audience, consumed.owner), (vec!["room".to_owned(), "hall".to_owned()], "maker".to_owned()));
    assert_eq!(consume(&storage, token, "join", "hall", at(9)).await, None, "once");
    let subject = Some(format!("one_time_token:{}", made.id));
    let trail = storage.audit.recent(10).await.expect("read");
    let consume = "one_time_token.consume";
    let invalid = Some("one_time_token_invalid");
    let rows = [
        (consume, "client:hall", "refused", Some("used"), &subject, 1),
        (consume, "client:hall", "done", None, &subject, 1),
        // Of a token that is not theirs, or is none, no name is kept: the same tries of a minute are one row.
        (consume, "client:stranger", "refused", invalid, &None, 1),
        (consume, "client:maker", "refused", invalid, &None, 1),
        (consume, "client:room", "refused", invalid, &None, 7),
        ("one_time_token.create", "client:maker", "done", None, &subject, 1),
    ];
    assert!(trail.len() >= rows.len(), "{trail:?}");
    for (row, expected) in trail.iter().zip(rows) {
        let (reason, count) = (row.reason.as_deref(), row.count);
        assert_eq!((row.act.as_str(), row.actor.as_str(), row.result.as_str(), reason, &row.subject, count), expected);
    }
}

#[tokio::test]
async fn a_token_ends_and_its_maker_may_end_it() {
    let storage = storage().await;
    let made = tokens::create(&storage, &seal(), new("maker", &[]), fresh(1), at(0), &client("maker")).await.expect("valid");
    assert_eq!(consume(&storage, &made.token, "join", "maker", at(10)).await, None, "its end is not part of its life");
    let made = tokens::create(&storage, &seal(), new("maker", &[]), fresh(2), at(1), &client("maker")).await.expect("valid");
    let also = tokens::create(&storage, &seal(), new("maker", &["room"]), fresh(3), at(2), &client("maker")).await.expect("valid");
    tokens::create(&storage, &seal(), new("other", &[]), fresh(4), at(2), &client("maker")).await.expect("valid");
    let ids = |listed: Vec<tokens::Listed>| listed.into_iter().map(|token| token.id).collect::<Vec<_>>();
    assert_eq!(ids(tokens::list(&storage, "maker", None, at(3)).await.expect("read")), [made.id.clone(), also.id.clone()]);
    let revoke = async |owner: &str, id: &str, now: Time| {
        tokens::revoke(&storage, &seal(), Of { owner, subject: None }, id, [8; 24], now, &client(owner)).await.expect("the stores answer")
    };
    assert!(!revoke("other", &made.id, at(3)).await, "it is not theirs");
    assert!(!revoke("maker", "ott_unknown", at(3)).await);
    assert!(revoke("maker", &made.id, at(3)).await);
    assert!(!revoke("maker", &made.id, at(3)).await, "it is gone");
    assert_eq!(consume(&storage, &made.token, "join", "maker", at(3)).await, None);
    assert_eq!(ids(tokens::list(&storage, "maker", None, at(3)).await.expect("read")), [also.id.as_str()]);
    assert!(consume(&storage, &also.token, "join", "room", at(4)).await.is_some());
    assert!(tokens::list(&storage, "maker", None, at(4)).await.expect("read").is_empty());
    assert!(!revoke("maker", &also.id, at(4)).await, "it was used");
}

/// However many somebody else has at the same client, everybody finds and ends their own.
#[tokio::test]
async fn a_list_is_long_enough_for_everybody() {
    let storage = storage().await;
    let about = |subject: &'static str| NewToken { subject: Some(subject), lives: Duration::from_secs(60), ..new("maker", &[]) };
    let mut some = String::new();
    for n in 0..=tokens::LISTED {
        let n = u32::try_from(n).expect("few").to_be_bytes();
        let fresh = tokens::Fresh { id: [n, n, [0; 4]].concat()[..10].try_into().expect("ten"), ..fresh(1) };
        some = tokens::create(&storage, &seal(), about("usr_1"), fresh, at(0), &client("maker")).await.expect("valid").id;
    }
    let last = NewToken { lives: Duration::from_secs(90), ..about("usr_2") };
    let theirs = tokens::create(&storage, &seal(), last, fresh(2), at(0), &client("maker")).await.expect("valid");
    let of = async |subject| tokens::list(&storage, "maker", subject, at(1)).await.expect("read").len();
    assert_eq!((of(None).await, of(Some("usr_1")).await, of(Some("usr_2")).await), (tokens::LISTED, tokens::LISTED, 1));
    let revoke = async |subject, id: &str| {
        let of = Of { owner: "maker", subject: Some(subject) };
        tokens::revoke(&storage, &seal(), of, id, [8; 24], at(1), &client("maker")).await.expect("the stores answer")
    };
    assert!(!revoke("usr_2", &some).await, "it is about somebody else");
    assert!(revoke("usr_1", &some).await && revoke("usr_2", &theirs.id).await);
    assert_eq!(of(Some("usr_2")).await, 0);
}

#[tokio::test]
async fn what_a_token_may_be_is_bounded() {
    let storage = storage().await;
    let wrong = async |new: NewToken<'static>| match tokens::create(&storage, &seal(), new, fresh(1), at(0), &client("maker")).await {
        Err(CreateError::Invalid(member, _)) => member,
        other => panic!("{other:?}"),
    };
    let good = || new("maker", &[]);
    assert_eq!(wrong(NewToken { purpose: "", ..good() }).await, "purpose");
    assert_eq!(wrong(NewToken { purpose: "with space", ..good() }).await, "purpose");
    assert_eq!(wrong(NewToken { audience: vec![String::new()], ..good() }).await, "audience");
    assert_eq!(wrong(NewToken { audience: vec!["a".to_owned(); 17], ..good() }).await, "audience");
    assert_eq!(wrong(NewToken { subject: Some(""), ..good() }).await, "subject");
    assert_eq!(wrong(NewToken { subject: Some("a\nb"), ..good() }).await, "subject");
    assert_eq!(wrong(NewToken { data: json!("x".repeat(4095)), ..good() }).await, "data");
    for lives in [Duration::ZERO, Duration::from_millis(999), Duration::from_secs(24 * 3600 + 1)] {
        assert_eq!(wrong(NewToken { lives, ..good() }).await, "ttl");
    }
    let largest = NewToken { data: json!("x".repeat(4094)), lives: Duration::from_secs(24 * 3600), ..good() };
    assert!(tokens::create(&storage, &seal(), largest, fresh(2), at(0), &client("maker")).await.is_ok());
}

/// A Redis that was restored from before: what it says is unspent was spent all the same.
#[tokio::test]
async fn a_restored_store_brings_no_token_back() {
    let storage = storage().await;
    let keys = ["used", "revoked"];
    for (n, what) in keys.into_iter().enumerate() {
        let made = tokens::create(&storage, &seal(), new("maker", &[]), fresh(u8::try_from(n).expect("few") + 1), at(0), &client("maker"))
            .await
            .expect("valid");
        let key = format!("once:{}", storage.ephemeral.digest(&made.id).hex());
        let before = storage.ephemeral.store.get(&key).await.expect("answered").expect("there");
        match what {
            "used" => assert!(consume(&storage, &made.token, "join", "maker", at(1)).await.is_some()),
            _ => {
                let done =
                    tokens::revoke(&storage, &seal(), Of { owner: "maker", subject: None }, &made.id, [8; 24], at(1), &client("maker"))
                        .await;
                assert!(done.expect("the stores answer"));
            }
        }
        storage.ephemeral.store.put(&key, before, Duration::from_secs(60)).await.expect("put");
        assert_eq!(consume(&storage, &made.token, "join", "maker", at(2)).await, None, "{what}");
    }
}

/// Thirty-two consumers: one of them. (On two replicas: `src/tests/replicas.rs`.)
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_parallel_consumers_one_is_first() {
    let storage = storage().await;
    for round in 1..=50 {
        let made = tokens::create(&storage, &seal(), new("maker", &["room"]), fresh(round), at(0), &client("maker")).await.expect("valid");
        let barrier = Arc::new(Barrier::new(32));
        let tasks: Vec<_> = (0..32)
            .map(|_| {
                let (storage, token, barrier) = (storage.clone(), made.token.clone(), barrier.clone());
                tokio::spawn(async move {
                    barrier.wait().await;
                    consume(&storage, &token, "join", "room", at(1)).await.is_some()
                })
            })
            .collect();
        let mut consumed = 0;
        for task in tasks {
            consumed += usize::from(task.await.expect("no consumer panics"));
        }
        assert_eq!(consumed, 1, "round {round}");
    }
}

fn code_fresh(n: u8) -> codes::Fresh {
    codes::Fresh { digits: u64::from(n).to_be_bytes(), serial: [n; 16], nonce: [n; 24] }
}

fn link() -> String {
    let link = Link {
        purpose: Purpose::VerifyEmail,
        subject: "usr_1".to_owned(),
        binding: String::new(),
        data: json!(null),
        expires_at: at(86_400),
    };
    links::make(&seal(), &link, [5; 24])
}

async fn check(storage: &Storage, handle: &str, typed: &str, now: Time) -> Result<links::Opened, BadCode> {
    codes::check(&storage.ephemeral, &*storage.attempts, &seal(), Purpose::VerifyEmail, handle, typed, now).await
}

#[tokio::test]
async fn a_code_opens_the_link_of_its_mail() {
    let (storage, seal) = (storage().await, seal());
    let token = link();
    let code = codes::create(&storage.ephemeral, &seal, "h1", Some(&token), code_fresh(42), at(0)).await.expect("stored");
    assert_eq!(code, "000042");
    let by_link = links::open(&seal, Purpose::VerifyEmail, &token, at(1)).expect("good");
    for typed in ["000042", " 000 042 ", "000-042"] {
        assert_eq!(check(&storage, "h1", typed, at(1)).await.expect("right"), by_link, "one thing, and one row that spends it");
    }
    assert!(matches!(check(&storage, "h2", "000042", at(1)).await, Err(BadCode::Wrong)), "another handle");
    assert!(matches!(check(&storage, "h1", "42", at(1)).await, Err(BadCode::Wrong)));
    let other = codes::check(&storage.ephemeral, &*storage.attempts, &seal, Purpose::ResetPassword, "h1", "000042", at(1)).await;
    assert!(matches!(other, Err(BadCode::Wrong)), "another purpose");
    assert!(matches!(check(&storage, "h1", "000042", at(900)).await, Err(BadCode::Expired)));
    // Where nobody has the address, it looks the same and is never right.
    let nobody = codes::create(&storage.ephemeral, &seal, "h3", None, code_fresh(7), at(0)).await.expect("stored");
    assert!(matches!(check(&storage, "h3", &nobody, at(1)).await, Err(BadCode::Wrong)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_code_is_dead_after_ten_tries() {
    let (storage, seal) = (storage().await, seal());
    codes::create(&storage.ephemeral, &seal, "h", Some(&link()), code_fresh(42), at(0)).await.expect("stored");
    let tasks: Vec<_> = (0..40)
        .map(|n| {
            let storage = storage.clone();
            tokio::spawn(async move { matches!(check(&storage, "h", &format!("9{n:05}"), at(n)).await, Err(BadCode::Wrong)) })
        })
        .collect();
    let mut tried = 0;
    for task in tasks {
        tried += usize::from(task.await.expect("no try panics"));
    }
    assert_eq!(tried, 10);
    assert!(matches!(check(&storage, "h", "000042", at(60)).await, Err(BadCode::Dead)));
    assert!(matches!(check(&storage, "h", "000042", at(899)).await, Err(BadCode::Dead)), "as long as it would have lived");
    // A new one has tries of its own.
    codes::create(&storage.ephemeral, &seal, "h", Some(&link()), code_fresh(43), at(60)).await.expect("stored");
    assert!(check(&storage, "h", "000043", at(61)).await.is_ok());
}
