//! People, keys and clients on a real store: what the lists of the other tests cannot show.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};

use super::authenticate::{Credentials, Outcome, Parts, Refusal, authenticate};
use super::limits::{Device, Limits};
use super::password::{Cost, Hasher, Settings};
use super::password_rules::Rules;
use super::sessions::{self, Lifetimes, NewSession};
use super::users::{self, AccountError, Fresh, NewAccount, NewPassword};
use crate::seal::Seal;
use crate::storage::durable::{Act, Actor, SessionCookie, User};
use crate::storage::{Schema, Storage, StorageOptions, Time};

const PASSWORD: &str = "tres tristes tigres";

struct Fixture {
    storage: Storage,
    seal: Seal,
    hasher: Hasher,
}

fn now() -> Time {
    DateTime::from_timestamp(1_800_000_000, 250_000_000).expect("a time in range")
}

fn act() -> Act {
    Act { actor: Actor::Anonymous, client_id: None, address: Some([192, 0, 2, 1].into()), request_id: "test".into() }
}

impl Fixture {
    async fn with_ana() -> (Arc<Self>, User) {
        let seal = Seal::new(&[7; 32]);
        let storage = Storage::open(&StorageOptions::new("sqlite::memory:"), seal.clone(), Schema::Migrate).await.expect("a store");
        let settings = Settings { cost: Cost { m: 64, t: 1, p: 1 }, threads: 2, queue: 1000, idle: Duration::from_secs(5) };
        let hasher = Hasher::new(settings).expect("a cost in bounds");
        let ana = NewAccount { email: "Ana@Example.org", username: Some("Ana"), password: Some(PASSWORD), ..NewAccount::default() };
        let fresh = Fresh { id: [1; 10], salt: [1; 16] };
        let ana = users::create(&*storage.users, &hasher, ana, fresh, now(), &act()).await.expect("an account");
        (Arc::new(Self { storage, seal, hasher }), ana)
    }

    async fn attempt(&self, password: &str, device: Option<&str>, now: Time) -> Outcome {
        let parts = Parts::of(&self.storage, &self.seal, &self.hasher, Limits { enabled: true });
        let credentials = Credentials { identifier: "ana", password, device, address: None };
        authenticate(&parts, &credentials, [9; 16], now, &act()).await.expect("no fault")
    }

    async fn start(&self, user: &User, replaces: Option<&str>, n: u8) -> sessions::Started {
        let new = NewSession { user_id: &user.id, acr: "1", amr: &["pwd"], user_agent: Some("Browser\n1.0"), replaces, proof: None };
        let fresh = sessions::Fresh { cookie: [n; 32], id: [n; 10] };
        let (sessions, seal) = (&*self.storage.sessions, &self.seal);
        let started = sessions::start(sessions, seal, &new, Lifetimes::default(), fresh, now(), &act()).await.expect("answered");
        started.expect("nothing had to be proved")
    }

    async fn whose(&self, cookie: &str, now: Time) -> Option<String> {
        let cookie = SessionCookie::parse(cookie)?;
        let found = self.storage.sessions.find(&cookie.digest(&self.seal), Lifetimes::default().idle, now).await.expect("no fault");
        found.filter(|signed_in| signed_in.session.id == cookie.id).map(|signed_in| signed_in.user.id)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bf_02_of_two_hundred_parallel_guesses_ten_are_judged() {
    let (fixture, _) = Fixture::with_ana().await;
    let guesses: Vec<_> = (0..200)
        .map(|n| {
            let fixture = Arc::clone(&fixture);
            tokio::spawn(async move { fixture.attempt(&format!("guess {n}"), None, now()).await })
        })
        .collect();
    let mut judged = 0;
    for guess in guesses {
        if guess.await.expect("no panic") == Outcome::Refused(Refusal::WrongCredentials) {
            judged += 1;
        }
    }
    assert_eq!(judged, 10);
    assert!(matches!(fixture.attempt(PASSWORD, None, now()).await, Outcome::Refused(Refusal::Locked { .. })));
    let later = now() + TimeDelta::minutes(16);
    assert!(matches!(fixture.attempt(PASSWORD, None, later).await, Outcome::SignedIn { .. }), "a lock ends");
}

#[tokio::test]
async fn a_known_device_comes_in_beside_a_lock() {
    let (fixture, ana) = Fixture::with_ana().await;
    for _ in 0..10 {
        fixture.attempt("wrong", None, now()).await;
    }
    assert!(matches!(fixture.attempt(PASSWORD, None, now()).await, Outcome::Refused(Refusal::Locked { .. })));
    let device = Device::cookie(&fixture.seal, &ana.id, [3; 16]);
    assert!(matches!(fixture.attempt(PASSWORD, Some(&device), now()).await, Outcome::SignedIn { .. }));
    let rows = fixture.storage.audit.recent(50).await.expect("no fault");
    let refused: Vec<_> = rows.iter().filter(|row| row.act == "sign_in").map(|row| (row.reason.as_deref(), row.count)).collect();
    assert!(refused.contains(&(Some("wrong_password"), 10)) && refused.contains(&(Some("locked"), 1)), "{refused:?}");
}

#[tokio::test]
async fn a_session_is_found_by_its_cookie_and_ends() {
    let (fixture, ana) = Fixture::with_ana().await;
    let first = fixture.start(&ana, None, 1).await;
    assert!(first.id.starts_with("ses_") && first.cookie.starts_with(&format!("{}.", first.id)));
    assert_eq!(fixture.whose(&first.cookie, now()).await.as_deref(), Some(&*ana.id));
    let again = fixture.start(&ana, Some(&first.id), 2).await;
    assert_eq!(again.id, first.id, "the same session, authenticated anew");
    assert_eq!(fixture.whose(&first.cookie, now()).await, None, "SE-01: the old value is dead");
    assert_eq!(fixture.whose(&again.cookie, now()).await.as_deref(), Some(&*ana.id));
    // ST-07: a value under another session's name opens nothing.
    let moved = again.cookie.replace(&again.id, "ses_other");
    for other in ["", "x", &moved, &again.cookie[1..], &again.cookie.to_lowercase(), &format!("{} ", again.cookie), &again.id] {
        assert_eq!(fixture.whose(other, now()).await, None, "{other}");
    }
    let row = fixture.storage.sessions.by_id(&first.id, Lifetimes::default().idle, now()).await.expect("no fault").expect("live");
    assert_eq!((row.session.user_agent.as_deref(), row.session.address.as_deref()), (Some("Browser1.0"), Some("192.0.2.1")));
    assert!(fixture.storage.sessions.end(&first.id, now(), &act()).await.expect("no fault"));
    assert!(!fixture.storage.sessions.end(&first.id, now(), &act()).await.expect("no fault"));
    assert_eq!(fixture.whose(&again.cookie, now()).await, None);
}

#[tokio::test]
async fn se_13_a_session_ends_idle_and_in_any_case() {
    let (fixture, ana) = Fixture::with_ana().await;
    let idle = fixture.start(&ana, None, 1).await;
    assert_eq!(fixture.whose(&idle.cookie, now() + TimeDelta::hours(25)).await, None);
    let used = fixture.start(&ana, None, 2).await;
    for day in 1..14 {
        assert!(fixture.whose(&used.cookie, now() + TimeDelta::hours(23 * day)).await.is_some(), "{day}");
    }
    assert!(fixture.whose(&used.cookie, now() + TimeDelta::hours(14 * 24 - 20)).await.is_some());
    assert_eq!(fixture.whose(&used.cookie, now() + TimeDelta::days(14)).await, None, "activity does not put off the end");
}

#[tokio::test]
async fn a_changed_password_or_a_disabled_account_ends_sessions() {
    let (fixture, ana) = Fixture::with_ana().await;
    let (kept, other) = (fixture.start(&ana, None, 1).await, fixture.start(&ana, None, 2).await);
    let new =
        NewPassword { password: "cuatro tristes tigres", rules: Rules::default(), keep_session: Some(&kept.id), mails: &[], salt: [5; 16] };
    users::set_password(&*fixture.storage.users, &fixture.hasher, &ana.id, new, now(), &act()).await.expect("set");
    assert!(fixture.whose(&kept.cookie, now()).await.is_some());
    assert_eq!(fixture.whose(&other.cookie, now()).await, None);
    users::set_disabled(&*fixture.storage.users, (&ana).into(), true, &[], now(), &act()).await.expect("disabled");
    assert_eq!(fixture.whose(&kept.cookie, now()).await, None);
    assert_eq!(fixture.attempt("cuatro tristes tigres", None, now()).await, Outcome::Refused(Refusal::WrongCredentials));
}

#[tokio::test]
async fn names_are_unique_in_every_spelling() {
    let (fixture, ana) = Fixture::with_ana().await;
    let twin = async |email, username| {
        let account = NewAccount { email, username, ..NewAccount::default() };
        users::create(&*fixture.storage.users, &fixture.hasher, account, Fresh { id: [2; 10], salt: [2; 16] }, now(), &act()).await
    };
    assert!(matches!(twin("ANA@example.ORG", None).await, Err(AccountError::Taken("email"))));
    assert!(matches!(twin("eva@example.org", Some("ANA")).await, Err(AccountError::Taken("username"))));
    for named in ["ana@EXAMPLE.org", "ANA", &*ana.id] {
        let found = users::find(&*fixture.storage.users, named).await.expect("no fault").expect("an account");
        assert_eq!(found.id, ana.id, "{named}");
    }
}

#[tokio::test]
async fn the_first_owner_is_made_once() {
    let (fixture, _) = Fixture::with_ana().await;
    let owner = async |email, n| {
        let account = NewAccount { email, password: Some(PASSWORD), ..NewAccount::default() };
        users::create_first_owner(&*fixture.storage.users, &fixture.hasher, account, Fresh { id: [n; 10], salt: [n; 16] }, now(), &act())
            .await
    };
    let (a, b) = tokio::join!(owner("a@example.org", 3), owner("b@example.org", 4));
    assert_eq!([a.expect("no fault"), b.expect("no fault")].iter().flatten().count(), 1);
}
