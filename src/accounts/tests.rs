//! The rooms of accounts together, on stores kept in lists.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use serde_json::json;

use super::authenticate::{Credentials, Fault, Outcome, Parts, Refusal, authenticate};
use super::limits::{Device, Limits};
use super::password::{Cost, Hasher, Settings};
use super::password_rules::{BadPassword, Rules};
use super::users::{self, AccountError, Fresh, NewAccount, NewPassword};
use crate::seal::{Digest, Seal};
use crate::storage::durable::{
    Act, ActivityOf, ActivityRow, Actor, Admission, Attempts, Audit, AuditFilter, AuditRow, ExternalId, NewMail, NewUser,
    Refusal as Refused, User, UserKey, Users, Whom,
};
use crate::storage::ephemeral::{Ephemeral, Rule, Taken};
use crate::storage::{Result, StorageError, Time};

#[derive(Default)]
struct Row {
    user: Option<User>,
    email: String,
    username: Option<String>,
    hash: Option<String>,
}

/// The contracts that accounts stand on, as short as they can be said.
#[derive(Default)]
struct Rows {
    users: Mutex<Vec<Row>>,
    attempts: Mutex<HashMap<Digest, (u32, Option<Time>)>>,
    refusals: Mutex<Vec<(Option<String>, &'static str)>>,
    taken: Mutex<HashMap<String, u32>>,
    /// Accounts answer no more.
    down: AtomicBool,
    /// So many attempts cannot be taken back.
    deaf: AtomicU32,
    /// Done once, at the next look at an account by its id: what happens while a hash is computed.
    meanwhile: Mutex<Option<Change>>,
}

type Change = Box<dyn FnOnce(&mut Row) + Send>;

impl Rows {
    fn look<T>(&self, key: UserKey<'_>, see: impl FnOnce(&mut Row) -> T) -> Result<Option<T>> {
        if self.down.load(Ordering::Relaxed) {
            return Err(StorageError::Unavailable("down".into()));
        }
        let mut rows = self.users.lock().expect("rows");
        let found = rows.iter_mut().find(|row| match key {
            UserKey::Id(id) => row.user.as_ref().is_some_and(|user| user.id == id),
            UserKey::External { source, id } => {
                let is = |external: &ExternalId| external.source == source && external.id == id;
                row.user.as_ref().is_some_and(|user| user.external.iter().any(is))
            }
            UserKey::Identifier(name) => row.email == name || row.username.as_deref() == Some(name),
        });
        Ok(found.map(|row| {
            if matches!(key, UserKey::Id(_))
                && let Some(change) = self.meanwhile.lock().expect("change").take()
            {
                change(row);
            }
            see(row)
        }))
    }

    fn reasons(&self) -> Vec<&'static str> {
        self.refusals.lock().expect("refusals").iter().map(|(_, reason)| *reason).collect()
    }
}

#[async_trait]
impl Users for Rows {
    async fn find(&self, key: UserKey<'_>) -> Result<Option<User>> {
        self.look(key, |row| row.user.clone().expect("a user"))
    }
    async fn with_password(&self, key: UserKey<'_>) -> Result<Option<(User, Option<String>)>> {
        self.look(key, |row| (row.user.clone().expect("a user"), row.hash.clone()))
    }
    async fn list(&self, _after: Option<&str>, _limit: u32) -> Result<Vec<User>> {
        Ok(self.users.lock().expect("rows").iter().filter_map(|row| row.user.clone()).collect())
    }
    async fn create(&self, new: &NewUser, _by: &Act) -> Result<()> {
        let mut rows = self.users.lock().expect("rows");
        if rows.iter().any(|row| row.email == new.email_canonical) {
            return Err(StorageError::Conflict("email"));
        }
        if new.username_canonical.is_some() && rows.iter().any(|row| row.username == new.username_canonical) {
            return Err(StorageError::Conflict("username"));
        }
        rows.push(Row {
            user: Some(new.user.clone()),
            email: new.email_canonical.clone(),
            username: new.username_canonical.clone(),
            hash: new.password_hash.clone(),
        });
        Ok(())
    }
    async fn create_first_owner(&self, new: &NewUser, by: &Act) -> Result<bool> {
        if self.any_owner().await? {
            return Ok(false);
        }
        self.create(new, by).await.map(|()| true)
    }
    async fn any_owner(&self) -> Result<bool> {
        Ok(self.users.lock().expect("rows").iter().any(|row| row.user.as_ref().is_some_and(|user| user.roles.iter().any(|r| r == "owner"))))
    }
    async fn set_disabled(&self, whom: Whom<'_>, disabled: bool, _mails: &[NewMail], now: Time, _by: &Act) -> Result<bool> {
        let changed = self.look(UserKey::Id(whom.id), |row| row.user.as_mut().expect("a user").disabled_at = disabled.then_some(now))?;
        Ok(changed.is_some())
    }
    async fn set_password(&self, id: &str, hash: &str, _keep: Option<&str>, _mails: &[NewMail], _now: Time, _by: &Act) -> Result<bool> {
        Ok(self.look(UserKey::Id(id), |row| row.hash = Some(hash.to_owned()))?.is_some())
    }
    async fn upgrade_hash(&self, id: &str, old: &str, new: &str, _now: Time, _by: &Act) -> Result<bool> {
        let swapped = self.look(UserKey::Id(id), |row| {
            let same = row.hash.as_deref() == Some(old);
            if same {
                row.hash = Some(new.to_owned());
            }
            same
        })?;
        Ok(swapped == Some(true))
    }
    async fn any_demo(&self) -> Result<bool> {
        Ok(self.users.lock().expect("rows").iter().any(|row| row.user.as_ref().is_some_and(|user| user.demo)))
    }
}

#[async_trait]
impl Attempts for Rows {
    async fn admit_of(&self, key: &Digest, _account: Option<&Digest>, now: Time) -> Result<Admission> {
        let mut attempts = self.attempts.lock().expect("attempts");
        let (count, until) = attempts.entry(*key).or_default();
        if let Some(until) = until.filter(|until| *until > now) {
            return Ok(Admission::Locked { until });
        }
        *count += 1;
        *until = (*count >= 10).then(|| now + TimeDelta::minutes(15));
        Ok(until.map_or(Admission::Admitted, |until| Admission::Closing { until }))
    }
    async fn succeeded(&self, keys: &[Digest]) -> Result<()> {
        self.attempts.lock().expect("attempts").retain(|key, _| !keys.contains(key));
        Ok(())
    }
    async fn forget(&self, _account: &Digest, keys: &[Digest], _whom: Whom<'_>, _now: Time, _by: &Act) -> Result<bool> {
        self.attempts.lock().expect("attempts").retain(|key, _| !keys.contains(key));
        Ok(true)
    }
    async fn withdrawn(&self, key: &Digest, _now: Time) -> Result<()> {
        if self.deaf.try_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            return Err(StorageError::Unavailable("down".into()));
        }
        if let Some((count, until)) = self.attempts.lock().expect("attempts").get_mut(key) {
            *count -= 1;
            *until = None;
        }
        Ok(())
    }
    async fn clean(&self, _now: Time) -> Result<u64> {
        Ok(0)
    }
}

#[async_trait]
impl Audit for Rows {
    async fn refuse(&self, refusal: &Refused, _now: Time, _by: &Act) -> Result<()> {
        assert_eq!(refusal.act, "sign_in");
        self.refusals.lock().expect("refusals").push((refusal.subject.clone(), refusal.reason));
        Ok(())
    }
    async fn done(&self, _act: &str, _subject: Option<String>, _now: Time, _by: &Act) -> Result<()> {
        Ok(())
    }
    async fn looked(&self, _act: &str, _subject: Option<String>, _now: Time, _by: &Act) -> Result<()> {
        Ok(())
    }

    async fn search(&self, _filter: &AuditFilter<'_>, _before: Option<i64>, _limit: u32) -> Result<Vec<AuditRow>> {
        Ok(Vec::new())
    }

    async fn activity(&self, _of: &ActivityOf<'_>, _before: Option<i64>, _limit: u32) -> Result<Vec<ActivityRow>> {
        Ok(Vec::new())
    }

    async fn recent(&self, _limit: u32) -> Result<Vec<AuditRow>> {
        Ok(Vec::new())
    }
}

#[async_trait]
impl Ephemeral for Rows {
    async fn put(&self, _key: &str, _value: Vec<u8>, _ttl: Duration) -> Result<()> {
        Ok(())
    }
    async fn put_new(&self, _key: &str, _value: Vec<u8>, _ttl: Duration) -> Result<bool> {
        Ok(true)
    }
    async fn get(&self, _key: &str) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }
    async fn swap(&self, _key: &str, _value: Vec<u8>) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }
    async fn replace(&self, _key: &str, _before: &[u8], _value: Vec<u8>) -> Result<bool> {
        Ok(false)
    }
    async fn take(&self, key: &str, rule: &Rule, _now: Time) -> Result<Taken> {
        let mut taken = self.taken.lock().expect("taken");
        let count = taken.entry(key.to_owned()).or_default();
        *count += 1;
        if *count > rule.burst {
            return Ok(Taken::Refused { retry_after: rule.every });
        }
        Ok(Taken::Admitted { remaining: rule.burst - *count })
    }
    async fn enlist(&self, _: &str, _: &str, _: Time, _: Time) -> Result<()> {
        Ok(())
    }
    async fn list(&self, _: &str, _: usize, _: Time) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

const CHEAP: Cost = Cost { m: 64, t: 1, p: 1 };
const PASSWORD: &str = "tres tristes tigres";

struct Fixture {
    rows: Arc<Rows>,
    attempts: Arc<dyn Attempts>,
    seal: Seal,
    hasher: Hasher,
    limits: Limits,
}

fn now() -> Time {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a time in range")
}

fn act() -> Act {
    Act { actor: Actor::Anonymous, client_id: None, address: None, request_id: "test".into() }
}

fn fresh(n: u8) -> Fresh {
    Fresh { id: [n; 10], salt: [n; 16] }
}

impl Fixture {
    fn new() -> Self {
        let settings = Settings { cost: CHEAP, threads: 2, queue: 1000, idle: Duration::from_secs(5) };
        let hasher = Hasher::new(settings).expect("a cost in bounds");
        let rows = Arc::<Rows>::default();
        Self { attempts: rows.clone(), rows, seal: Seal::new(&[7; 32]), hasher, limits: Limits { enabled: true } }
    }

    /// With Ana, whose password is [`PASSWORD`].
    async fn with_ana() -> (Self, User) {
        let fixture = Self::new();
        let ana = NewAccount { email: "Ana@Example.org", username: Some("Ana"), password: Some(PASSWORD), ..NewAccount::default() };
        let ana = users::create(&*fixture.rows, &fixture.hasher, ana, fresh(1), now(), &act()).await.expect("an account");
        (fixture, ana)
    }

    fn parts(&self) -> Parts<'_> {
        let Self { rows, attempts, seal, hasher, limits } = self;
        Parts { users: &**rows, attempts, audit: &**rows, ephemeral: &**rows, seal, hasher, limits: *limits, watch: None }
    }

    async fn try_with(&self, credentials: Credentials<'_>) -> std::result::Result<Outcome, Fault> {
        authenticate(&self.parts(), &credentials, [9; 16], now(), &act()).await
    }

    async fn attempt(&self, identifier: &str, password: &str) -> Outcome {
        self.try_with(Credentials { identifier, password, device: None, address: None }).await.expect("no fault")
    }

    async fn from(&self, identifier: &str, password: &str, device: &str) -> Outcome {
        self.try_with(Credentials { identifier, password, device: Some(device), address: None }).await.expect("no fault")
    }
}

const WRONG: Outcome = Outcome::Refused(Refusal::WrongCredentials);

fn signed_in(outcome: &Outcome) -> Option<&str> {
    match outcome {
        Outcome::SignedIn { user, amr, acr, .. } => {
            assert_eq!((*amr, *acr), (&["pwd"][..], "1"));
            Some(&user.id)
        }
        Outcome::Refused(_) => None,
    }
}

#[tokio::test]
async fn every_spelling_of_a_name_signs_in() {
    let (fixture, ana) = Fixture::with_ana().await;
    for name in ["ana@example.org", " ANA@EXAMPLE.ORG ", "ana", "ANA"] {
        assert_eq!(signed_in(&fixture.attempt(name, PASSWORD).await), Some(&*ana.id), "{name}");
    }
    assert!(ana.id.starts_with("usr_") && ana.id.len() == 36, "{}", ana.id);
    assert_eq!(fixture.rows.reasons(), [""; 0]);
}

#[tokio::test]
async fn bf_07_and_bf_11_whatever_is_not_right_has_one_answer() {
    let (fixture, ana) = Fixture::with_ana().await;
    let without = NewAccount { email: "sin@example.org", ..NewAccount::default() };
    users::create(&*fixture.rows, &fixture.hasher, without, fresh(2), now(), &act()).await.expect("an account");
    assert_eq!(fixture.attempt("ana", "wrong").await, WRONG);
    assert_eq!(fixture.attempt("ana", &format!("{PASSWORD} ")).await, WRONG, "as typed");
    assert_eq!(fixture.attempt("ana", &format!("{PASSWORD}\0x")).await, WRONG, "a NUL ends nothing");
    assert_eq!(fixture.attempt("nobody@example.org", PASSWORD).await, WRONG);
    assert_eq!(fixture.attempt("sin@example.org", "").await, WRONG);
    users::set_disabled(&*fixture.rows, Whom::by_id(&ana.id), true, &[], now(), &act()).await.expect("disabled");
    assert_eq!(fixture.attempt("ana", PASSWORD).await, WRONG, "right, and disabled");
    for (identifier, password) in [("ana", &*"x".repeat(4097)), ("", PASSWORD), ("a\nb", PASSWORD), (&"a".repeat(300), PASSWORD)] {
        assert_eq!(fixture.attempt(identifier, password).await, WRONG);
    }
    let reasons = ["wrong_password", "wrong_password", "wrong_password", "unknown_user", "no_password", "disabled"];
    assert_eq!(fixture.rows.reasons(), [&reasons[..], &["malformed"; 4]].concat());
    let refusals = fixture.rows.refusals.lock().expect("refusals");
    assert_eq!(refusals[0].0.as_deref(), Some(&*format!("user:{}", ana.id)));
    assert_eq!(refusals[3].0, None, "a name nobody has is not written down");
}

#[tokio::test]
async fn an_unknown_name_is_locked_like_a_known_one() {
    let (fixture, _) = Fixture::with_ana().await;
    let until = now() + TimeDelta::minutes(15);
    for name in ["ana@example.org", "nobody@example.org"] {
        for _ in 0..10 {
            assert_eq!(fixture.attempt(name, "wrong").await, WRONG);
        }
        assert_eq!(
            fixture.attempt(&name.to_uppercase(), PASSWORD).await,
            Outcome::Refused(Refusal::Locked { until }),
            "one counter for all spellings"
        );
    }
    assert_eq!(fixture.rows.reasons()[10], "locked");
}

#[tokio::test]
async fn bf_01_the_names_of_one_account_count_together_and_do_not_tell_that_they_are_one() {
    let (fixture, ana) = Fixture::with_ana().await;
    for _ in 0..5 {
        assert_eq!(fixture.attempt("ana@example.org", "wrong").await, WRONG);
        assert_eq!(fixture.attempt("ANA", "wrong").await, WRONG);
    }
    // Ten in all: no more is looked at, and nothing says so.
    for name in ["ana@example.org", "ana"] {
        assert_eq!(fixture.attempt(name, PASSWORD).await, WRONG, "{name}");
    }
    assert_eq!(fixture.rows.reasons()[10..], ["locked", "locked"]);
    let device = Device::cookie(&fixture.seal, &ana.id, [3; 16]);
    assert!(signed_in(&fixture.from("ana", PASSWORD, &device).await).is_some(), "her own browser is counted by itself");

    // What an onlooker sees of two names is the same, whether they are of one account, of two, or of nobody.
    let (fixture, _) = Fixture::with_ana().await;
    let eva = NewAccount { email: "eva@example.org", password: Some(PASSWORD), ..NewAccount::default() };
    users::create(&*fixture.rows, &fixture.hasher, eva, fresh(2), now(), &act()).await.expect("an account");
    let mut seen = Vec::new();
    for (one, other) in [("ana@example.org", "ana"), ("eva@example.org", "nobody"), ("no@example.org", "no")] {
        let mut answers = Vec::new();
        for n in 0..40 {
            answers.push(fixture.attempt(if n % 3 == 0 { other } else { one }, "wrong").await);
        }
        seen.push(answers);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    assert!(matches!(seen[0][39], Outcome::Refused(Refusal::Locked { .. })));
}

#[tokio::test]
async fn rg_01_an_account_that_nobody_confirmed_is_answered_like_none() {
    let (fixture, _) = Fixture::with_ana().await;
    fixture.rows.users.lock().expect("rows")[0].user.as_mut().expect("a user").pending = true;
    assert_eq!(fixture.attempt("ana@example.org", PASSWORD).await, WRONG);
    assert_eq!(fixture.rows.reasons(), ["not_confirmed"]);
    fixture.rows.users.lock().expect("rows")[0].user.as_mut().expect("a user").pending = false;
    assert!(signed_in(&fixture.attempt("ana@example.org", PASSWORD).await).is_some());
}

#[tokio::test]
async fn a_success_starts_the_count_afresh() {
    let (fixture, _) = Fixture::with_ana().await;
    for _ in 0..3 {
        for _ in 0..9 {
            assert_eq!(fixture.attempt("ana", "wrong").await, WRONG);
        }
        assert!(signed_in(&fixture.attempt("ana", PASSWORD).await).is_some());
    }
}

#[tokio::test]
async fn bf_03_a_known_device_is_not_locked_out_by_a_stranger() {
    let (fixture, ana) = Fixture::with_ana().await;
    let device = Device::cookie(&fixture.seal, &ana.id, [3; 16]);
    for _ in 0..10 {
        assert_eq!(fixture.attempt("ana", "wrong").await, WRONG);
    }
    assert!(matches!(fixture.attempt("ana", PASSWORD).await, Outcome::Refused(Refusal::Locked { .. })));
    assert!(signed_in(&fixture.from("ana", PASSWORD, &device).await).is_some());
    assert!(matches!(fixture.attempt("ana", PASSWORD).await, Outcome::Refused(Refusal::Locked { .. })), "the stranger stays locked out");

    let of_another = Device::cookie(&fixture.seal, "usr_another", [3; 16]);
    assert!(matches!(fixture.from("ana", PASSWORD, &of_another).await, Outcome::Refused(Refusal::Locked { .. })));
    for _ in 0..10 {
        assert_eq!(fixture.from("ana", "wrong", &device).await, WRONG);
    }
    assert!(
        matches!(fixture.from("ana", PASSWORD, &device).await, Outcome::Refused(Refusal::Locked { .. })),
        "a device has ten of its own"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bf_02_of_parallel_guesses_ten_are_judged() {
    let (fixture, _) = Fixture::with_ana().await;
    let fixture = Arc::new(fixture);
    let guesses: Vec<_> = (0..200)
        .map(|n| {
            let fixture = Arc::clone(&fixture);
            let guess = if n == 199 { PASSWORD.to_owned() } else { format!("guess {n}") };
            tokio::spawn(async move { fixture.attempt("ana", &guess).await })
        })
        .collect();
    let mut judged = 0;
    for guess in guesses {
        if !matches!(guess.await.expect("no panic"), Outcome::Refused(Refusal::Locked { .. })) {
            judged += 1;
        }
    }
    // The right one comes last and finds the name locked; were it ever among the first ten, the count would start afresh after it.
    assert!((10..=20).contains(&judged), "{judged}");
}

#[tokio::test]
async fn an_address_has_thirty_a_minute() {
    let (fixture, _) = Fixture::with_ana().await;
    let from = |address: &str| Some(address.parse::<IpAddr>().expect("an address"));
    let credentials = |address| Credentials { identifier: "ana", password: PASSWORD, device: None, address };
    for n in 0..30 {
        assert!(signed_in(&fixture.try_with(credentials(from(&format!("2001:db8::{n:x}")))).await.expect("no fault")).is_some());
    }
    let throttled = fixture.try_with(credentials(from("2001:db8::ffff"))).await.expect("no fault");
    assert_eq!(throttled, Outcome::Refused(Refusal::Throttled { retry_after: Duration::from_secs(2) }));
    assert!(signed_in(&fixture.try_with(credentials(from("192.0.2.1"))).await.expect("no fault")).is_some());
    assert_eq!(fixture.rows.reasons(), ["throttled"]);
    assert!(
        fixture.rows.taken.lock().expect("taken").keys().all(|key| !key.contains("2001") && !key.contains("192")),
        "no address at rest"
    );
}

#[tokio::test]
async fn without_limits_nothing_is_counted() {
    let (mut fixture, _) = Fixture::with_ana().await;
    fixture.limits = Limits { enabled: false };
    for _ in 0..40 {
        let credentials = Credentials { identifier: "ana", password: "wrong", device: None, address: Some(IpAddr::from([192, 0, 2, 1])) };
        assert_eq!(fixture.try_with(credentials).await.expect("no fault"), WRONG);
    }
    assert!(fixture.rows.attempts.lock().expect("attempts").is_empty());
}

#[tokio::test]
async fn a_fault_is_no_denial_and_is_not_counted() {
    let (fixture, _) = Fixture::with_ana().await;
    fixture.rows.down.store(true, Ordering::Relaxed);
    let credentials = Credentials { identifier: "ana", password: PASSWORD, device: None, address: None };
    for _ in 0..30 {
        assert!(matches!(fixture.try_with(credentials).await, Err(Fault::Storage(StorageError::Unavailable(_)))));
    }
    fixture.rows.down.store(false, Ordering::Relaxed);
    // And a fault after the attempt was admitted: too many hashes.
    let busy = Hasher::new(Settings { cost: Cost { m: 64 * 1024, t: 2, p: 1 }, threads: 1, queue: 1, idle: Duration::from_secs(5) })
        .expect("in bounds");
    let hold = || {
        let busy = busy.clone();
        tokio::spawn(async move { busy.verify("x", None).await })
    };
    let until_depth = async |depth| {
        tokio::task::yield_now().await;
        while busy.queue_depth() != depth {
            tokio::task::yield_now().await;
        }
    };
    let running = hold();
    until_depth(0).await;
    let waiting = hold();
    until_depth(1).await;
    let parts = Parts { hasher: &busy, ..fixture.parts() };
    for _ in 0..12 {
        assert!(matches!(authenticate(&parts, &credentials, [9; 16], now(), &act()).await, Err(Fault::Busy(_))));
    }
    let counted = || fixture.rows.attempts.lock().expect("attempts").values().map(|(count, _)| count).sum::<u32>();
    assert_eq!(counted(), 0);
    // The store that should take them back is ill itself: it is told once it is well.
    fixture.rows.deaf.store(3, Ordering::Relaxed);
    assert!(matches!(authenticate(&parts, &credentials, [9; 16], now(), &act()).await, Err(Fault::Busy(_))));
    assert_eq!(counted(), 2, "under the name and the account");
    for task in [running, waiting] {
        assert!(task.await.expect("no panic").is_ok());
    }
    let since = Instant::now();
    while counted() > 0 {
        assert!(since.elapsed() < Duration::from_secs(60), "it stays counted");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(signed_in(&fixture.attempt("ana", PASSWORD).await).is_some());
    assert_eq!(fixture.rows.reasons(), [""; 0]);
}

#[tokio::test]
async fn st_04_an_account_that_changes_meanwhile_is_judged_as_it_is_then() {
    let (fixture, ana) = Fixture::with_ana().await;
    let other = fixture.hasher.hash("another password", [4; 16]).await.expect("a hash");
    *fixture.rows.meanwhile.lock().expect("change") = Some(Box::new(move |row| row.hash = Some(other)));
    assert_eq!(fixture.attempt("ana", PASSWORD).await, WRONG, "its password was changed");
    let same = fixture.hasher.hash("another password", [5; 16]).await.expect("a hash");
    *fixture.rows.meanwhile.lock().expect("change") = Some(Box::new(move |row| row.hash = Some(same)));
    assert!(signed_in(&fixture.attempt("ana", "another password").await).is_some(), "only its hash was renewed");
    let disable = |row: &mut Row| row.user.as_mut().expect("a user").disabled_at = Some(now());
    *fixture.rows.meanwhile.lock().expect("change") = Some(Box::new(disable));
    assert_eq!(fixture.attempt("ana", "another password").await, WRONG, "it was disabled");
    assert_eq!(fixture.rows.users.lock().expect("rows")[0].user.as_ref().map(|user| &*user.id), Some(&*ana.id));
}

#[tokio::test]
async fn a_weaker_hash_is_replaced_at_sign_in() {
    let (mut fixture, _) = Fixture::with_ana().await;
    let hash = |fixture: &Fixture| fixture.rows.users.lock().expect("rows")[0].hash.clone().expect("a hash");
    let old = hash(&fixture);
    fixture.hasher =
        Hasher::new(Settings { cost: Cost { m: 128, t: 2, p: 1 }, threads: 1, queue: 9, idle: Duration::from_secs(5) }).expect("in bounds");
    assert_eq!(fixture.attempt("ana", "wrong").await, WRONG);
    assert_eq!(hash(&fixture), old);
    assert!(signed_in(&fixture.attempt("ana", PASSWORD).await).is_some());
    assert!(hash(&fixture).starts_with("$argon2id$v=19$m=128,t=2,p=1$"));
    assert!(signed_in(&fixture.attempt("ana", PASSWORD).await).is_some());
}

#[tokio::test]
async fn accounts_are_checked_before_they_are_made() {
    let fixture = Fixture::new();
    let account = NewAccount { email: "ana@example.org", ..NewAccount::default() };
    let make = async |account: NewAccount<'_>| users::create(&*fixture.rows, &fixture.hasher, account, fresh(1), now(), &act()).await;
    for bad in [
        NewAccount { email: "ana", ..account.clone() },
        NewAccount { username: Some("a@b"), ..account.clone() },
        NewAccount { locale: Some("español"), ..account.clone() },
        NewAccount { name: Some("a\nb"), ..account.clone() },
        NewAccount { roles: vec!["Owner".into()], ..account.clone() },
        NewAccount { password: Some("short"), ..account.clone() },
        NewAccount { password: Some("ANA@example.org"), ..account.clone() },
        NewAccount { claims: json!({"sub": "x"}).as_object().expect("an object").clone(), ..account.clone() },
        NewAccount { claims: json!({"email": "eva@example.org"}).as_object().expect("an object").clone(), ..account.clone() },
    ] {
        assert!(make(bad.clone()).await.is_err(), "{bad:?}");
    }
    let claims = json!({"name": "Ana", "preferred_username": "ana", "locale": "es", "email": "ANA@example.org", "email_verified": true, "nickname": "ani"});
    let full = NewAccount {
        claims: claims.as_object().expect("an object").clone(),
        roles: vec!["b".into(), "a".into(), "b".into()],
        ..account.clone()
    };
    let ana = make(full).await.expect("an account");
    assert_eq!((ana.name.as_deref(), ana.username.as_deref(), ana.locale.as_deref()), (Some("Ana"), Some("ana"), Some("es")));
    assert_eq!((ana.email_verified, ana.roles, ana.claims.len()), (true, vec!["a".to_owned(), "b".to_owned()], 1));
    assert!(matches!(make(account).await, Err(AccountError::Taken("email"))));
    let twin = NewAccount { email: "eva@example.org", username: Some("ANA"), ..NewAccount::default() };
    assert!(matches!(make(twin).await, Err(AccountError::Taken("username"))));
    let found = users::find(&*fixture.rows, " ANA ").await.expect("no fault").expect("an account");
    assert_eq!(users::find(&*fixture.rows, &found.id).await.expect("no fault"), Some(found));
}

#[tokio::test]
async fn a_password_is_set_by_the_rules() {
    let (fixture, ana) = Fixture::with_ana().await;
    let set = async |id, password| {
        let new = NewPassword { password, rules: Rules::default(), keep_session: None, mails: &[], salt: [6; 16] };
        users::set_password(&*fixture.rows, &fixture.hasher, id, new, now(), &act()).await
    };
    assert!(matches!(set(&ana.id, "12345678").await, Err(AccountError::Password(BadPassword::Common))));
    assert!(matches!(set("usr_nobody", "cuatro tristes tigres").await, Err(AccountError::Unknown)));
    assert!(set(&ana.id, "cuatro tristes tigres").await.is_ok());
    assert_eq!(fixture.attempt("ana", PASSWORD).await, WRONG);
    assert!(signed_in(&fixture.attempt("ana", "cuatro tristes tigres").await).is_some());
    assert!(matches!(
        users::set_disabled(&*fixture.rows, Whom::by_id("usr_nobody"), true, &[], now(), &act()).await,
        Err(AccountError::Unknown)
    ));
}

#[tokio::test]
async fn there_is_one_first_owner() {
    let fixture = Fixture::new();
    let owner = async |email, password, n| {
        let account = NewAccount { email, password, ..NewAccount::default() };
        users::create_first_owner(&*fixture.rows, &fixture.hasher, account, fresh(n), now(), &act()).await
    };
    assert!(owner("ana@example.org", None, 1).await.is_err());
    assert_eq!(owner("ana@example.org", Some(PASSWORD), 1).await.expect("made").expect("the first").roles, ["owner"]);
    assert!(owner("eva@example.org", Some(PASSWORD), 2).await.expect("no fault").is_none());
}

#[tokio::test]
async fn the_demo_user_is_made_once_and_keeps_its_password() {
    let fixture = Fixture::new();
    let demo = async |seal: &Seal| users::demo(&*fixture.rows, &fixture.hasher, seal, fresh(1), now(), &act()).await.expect("no fault");
    let first = demo(&fixture.seal).await.expect("made");
    assert_eq!(demo(&fixture.seal).await.as_ref(), Some(&first));
    assert_ne!(demo(&Seal::new(&[8; 32])).await.expect("there").password, first.password);
    assert!(signed_in(&fixture.attempt(first.email, &first.password).await).is_some());
    assert!(signed_in(&fixture.attempt(first.username, &first.password).await).is_some());
    assert!(!format!("{first:?}").contains(&first.password));

    let taken = Fixture::new();
    let somebody = NewAccount { email: "x@example.org", username: Some("demo"), ..NewAccount::default() };
    users::create(&*taken.rows, &taken.hasher, somebody, fresh(2), now(), &act()).await.expect("an account");
    assert!(users::demo(&*taken.rows, &taken.hasher, &taken.seal, fresh(3), now(), &act()).await.expect("no fault").is_none());
}
