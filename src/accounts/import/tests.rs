//! Imports from a file into a real store, and again.

use std::time::Duration;

use chrono::DateTime;
use serde_json::{Value, json};

use super::*;
use crate::accounts::authenticate::{Credentials, Outcome as SignIn, Parts as SignInParts, authenticate};
use crate::accounts::limits::Limits;
use crate::accounts::password::{Cost, Settings};
use crate::seal::Seal;
use crate::storage::durable::{Actor, User, UserKey, Whom};
use crate::storage::{Schema, Storage, StorageOptions};

struct Fixture {
    storage: Storage,
    hasher: Hasher,
    seal: Seal,
}

fn now() -> Time {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a moment")
}

fn act() -> Act {
    Act { actor: Actor::Operator, client_id: None, address: None, request_id: "test".to_owned() }
}

fn from(source: &str) -> Options {
    Options { source: source.to_owned(), ..Options::default() }
}

impl Fixture {
    async fn new() -> Self {
        let seal = Seal::new(&[7; 32]);
        let storage = Storage::open(&StorageOptions::new("sqlite::memory:"), seal.clone(), Schema::Migrate).await.expect("a store");
        let settings = Settings { cost: Cost { m: 64, t: 1, p: 1 }, threads: 2, queue: 100, idle: Duration::from_secs(5) };
        Self { storage, hasher: Hasher::new(settings).expect("a cost in bounds"), seal }
    }

    async fn import(&self, text: &str, options: &Options) -> (Vec<Told>, Summary) {
        let attributes = attributes::Schema::new(&json!({"properties": {"forbidden": false}})).expect("a schema");
        let parts = Parts { imports: &*self.storage.imports, hasher: &self.hasher, attributes: &attributes };
        let mut all = Vec::new();
        let counter = std::cell::Cell::new(0_u64);
        let salt = self.storage.users.list(None, 1000).await.expect("read").len() as u8;
        let fresh = || {
            counter.set(counter.get() + 1);
            let mut id = [salt; 10];
            id[..8].copy_from_slice(&counter.get().to_be_bytes());
            id
        };
        let tell = |told: &Told, _: &Summary| {
            all.push(told.clone());
            Ok(())
        };
        let summary = run(&parts, text.as_bytes(), options, fresh, (now(), &act()), tell).await.expect("it can be read");
        (all, summary)
    }

    /// Outcome and reason of each line.
    async fn outcomes(&self, text: &str, options: &Options) -> Vec<String> {
        let (told, _) = self.import(text, options).await;
        told.into_iter().map(|told| format!("{} {} {}", told.line, told.outcome.as_str(), told.reason.unwrap_or_default())).collect()
    }

    async fn person(&self, name: &str) -> User {
        self.storage.users.find(UserKey::Identifier(name)).await.expect("read").unwrap_or_else(|| panic!("{name} is there"))
    }

    async fn signs_in(&self, name: &str, password: &str) -> bool {
        let parts = SignInParts::of(&self.storage, &self.seal, &self.hasher, Limits { enabled: false });
        let credentials = Credentials { identifier: name, password, device: None, address: None };
        matches!(authenticate(&parts, &credentials, [9; 16], now(), &act()).await.expect("no fault"), SignIn::SignedIn { .. })
    }

    async fn hash(&self, name: &str) -> String {
        self.storage.users.with_password(UserKey::Identifier(name)).await.expect("read").and_then(|(_, hash)| hash).unwrap_or_default()
    }
}

/// passlib's salted MD5 of `Contraseña-año-2026!` and Python's of `another`: cheap.
const HASH: &str = "md5$lC3LKxGUddeW$f90fd8477cb34f82b8056c1576242560";
const PASSWORD: &str = "Contraseña-año-2026!";
const OTHER_HASH: &str = "sha1$salt1234$628c5a88b6ab67828f42e61aaa3680203d78a887";

fn ana(more: Value) -> String {
    let mut line = json!({"external_id": "42", "email": "Ana@Example.org ", "username": "ana", "name": "Ana Ñ.", "locale": "es",
        "password_hash": HASH, "created_at": "2024-05-01T10:00:00Z", "disabled": false, "roles": [], "attributes": {"city_id": 5}});
    for (name, value) in more.as_object().expect("members") {
        line[name] = value.clone();
    }
    format!("{line}\n")
}

#[tokio::test]
async fn a_person_arrives_whole_and_signs_in() {
    let fixture = Fixture::new().await;
    assert_eq!(fixture.outcomes(&ana(json!({"email_verified": true, "roles": ["editor"]})), &from("flask")).await, ["1 created "]);
    let ana = fixture.person("ana@example.org").await;
    assert_eq!((ana.email.as_str(), ana.email_verified, ana.username.as_deref()), ("Ana@Example.org", true, Some("ana")));
    assert_eq!((ana.name.as_deref(), ana.locale.as_deref(), ana.created_at.timestamp()), (Some("Ana Ñ."), Some("es"), 1_714_557_600));
    assert_eq!((Value::Object(ana.attributes.clone()), ana.roles.len()), (json!({"city_id": 5}), 0), "a role needs a map");
    let old = fixture.storage.users.find(UserKey::External { source: "flask", id: "42" }).await.expect("read").expect("by the old id");
    assert_eq!(old.id, ana.id);
    assert!(!fixture.signs_in("ana", "another").await);
    assert!(fixture.signs_in("ana", PASSWORD).await);
    assert!(fixture.hash("ana").await.starts_with("nfc:$argon2id$"), "rehashed at the first success");
    assert!(fixture.signs_in("ana@example.org", PASSWORD).await);
}

#[tokio::test]
async fn the_same_import_again_changes_nothing_and_a_used_password_stays() {
    let fixture = Fixture::new().await;
    let (first, options) = (ana(json!({})), from("flask"));
    fixture.import(&first, &options).await;
    assert_eq!(fixture.outcomes(&first, &options).await, ["1 skipped unchanged"]);
    // Changed in the old system, and not used here yet: the newer one comes over.
    let changed = ana(json!({"password_hash": OTHER_HASH, "name": "Ana María"}));
    assert_eq!(fixture.outcomes(&changed, &options).await, ["1 updated "]);
    assert_eq!(
        (fixture.person("ana").await.name.as_deref(), fixture.hash("ana").await.starts_with("$salted$d=sha1")),
        (Some("Ana María"), true)
    );
    assert!(fixture.signs_in("ana", PASSWORD).await);
    let rehashed = fixture.hash("ana").await;
    assert_eq!(fixture.outcomes(&changed, &options).await, ["1 skipped unchanged"]);
    assert_eq!(
        fixture.outcomes(&first.replace("Ana Ñ.", "Ana María"), &options).await,
        ["1 skipped the password was used or changed here since the last import and stays"]
    );
    assert_eq!(fixture.hash("ana").await, rehashed);
    // Changed here.
    let id = fixture.person("ana").await.id;
    fixture.storage.users.set_password(&id, "$argon2id$new", None, &[], now(), &act()).await.expect("set");
    let again = ana(json!({"name": "Ana María", "disabled": true}));
    assert_eq!(
        fixture.outcomes(&again, &options).await,
        ["1 updated the password was used or changed here since the last import and stays"]
    );
    assert_eq!(fixture.hash("ana").await, "$argon2id$new");
    assert!(fixture.person("ana").await.disabled_at.is_some());
    assert_eq!(
        fixture.outcomes(&ana(json!({"name": "A.", "password_hash": null})), &options).await,
        ["1 updated the person stays disabled"]
    );
    fixture.storage.users.set_disabled(Whom::by_id(&id), false, &[], now(), &act()).await.expect("set");
    assert_eq!(
        fixture.outcomes(&ana(json!({"name": "B.", "password_hash": null})), &options).await,
        ["1 skipped the person was changed here since the last import and stays so"]
    );
    assert_eq!(fixture.person("ana").await.name.as_deref(), Some("A."));
}

#[tokio::test]
async fn people_of_two_systems_are_one_only_where_both_verified_the_address() {
    let fixture = Fixture::new().await;
    fixture.import(&ana(json!({"email_verified": true, "password_hash": null})), &from("flask")).await;
    let elsewhere = "1 skipped the address belongs to somebody who is here already, and is not verified in both systems";
    let django = ana(json!({"external_id": "7", "username": "anita", "name": "Other"}));
    assert_eq!(fixture.outcomes(&django, &from("django")).await, [elsewhere]);
    let verified = ana(json!({"external_id": "7", "username": "anita", "name": "Other", "email_verified": true}));
    let same = "1 updated the same person: the address is verified in both systems";
    assert_eq!(fixture.outcomes(&verified, &from("django")).await, [same]);
    assert_eq!(fixture.outcomes(&verified, &from("django")).await, ["1 skipped unchanged"]);
    let ana = fixture.person("ana").await;
    assert_eq!(ana.name.as_deref(), Some("Ana Ñ."), "they keep what they have");
    let ids: Vec<(&str, &str)> = ana.external.iter().map(|external| (&*external.source, &*external.id)).collect();
    assert_eq!(ids, [("flask", "42"), ("django", "7")]);
    assert!(fixture.signs_in("ana", PASSWORD).await, "who had no password takes the one that came");
    // One source, two ids, one address.
    let twice = self::ana(json!({"external_id": "43", "email": "ANA@example.org", "username": null}));
    assert_eq!(fixture.outcomes(&twice, &from("flask")).await, ["1 rejected the address belongs to another id of this source"]);
    let name = self::ana(json!({"external_id": "44", "email": "eva@example.org", "username": "ANA"}));
    assert_eq!(fixture.outcomes(&name, &from("flask")).await, ["1 rejected the user name belongs to somebody else"]);
    // Without an id of its own a person is made once.
    let nobody = self::ana(json!({"external_id": null, "email": "eva@example.org", "username": null}));
    assert_eq!(fixture.outcomes(&nobody, &from("flask")).await, ["1 created "]);
    assert_eq!(fixture.outcomes(&nobody, &from("flask")).await, [elsewhere]);
}

#[tokio::test]
async fn every_tenth_line_is_broken_and_the_rest_arrives() {
    let good = |n: u32| json!({"external_id": n, "email": format!("u{n}@example.org"), "password_hash": HASH}).to_string();
    let broken = [
        "{\"external_id\":".to_owned(),
        json!({"external_id": 1000, "email": "no address"}).to_string(),
        json!({"external_id": 1001, "email": "x1@example.org", "password_hash": "$2b$31$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}).to_string(),
        json!({"external_id": 1002, "email": "U1@example.org"}).to_string(),
        json!({"external_id": 2, "email": "x3@example.org"}).to_string(),
        json!({"external_id": 1003, "email": "x4@example.org", "email_verified": "perhaps"}).to_string(),
        json!({"external_id": 1004, "email": "x5@example.org", "attributes": {"forbidden": 1}}).to_string(),
        json!({"external_id": 1005, "email": "x6@example.org", "phone_number": "a\nb"}).to_string(),
        json!({"external_id": 1006, "email": "x7@example.org", "username": "no good"}).to_string(),
        json!({"external_id": 1007}).to_string(),
    ];
    let lines: Vec<String> = (1..=100).map(|n| if n % 10 == 0 { broken[n as usize / 10 - 1].clone() } else { good(n) }).collect();
    let fixture = Fixture::new().await;
    let (told, summary) = fixture.import(&lines.join("\n"), &Options { dry: true, ..from("x") }).await;
    assert_eq!((summary.read, summary.created, summary.rejected), (100, 90, 10));
    assert_eq!(fixture.storage.users.list(None, 10).await.expect("read").len(), 0, "nothing was written");
    assert_eq!(fixture.storage.imports.dearest().await.expect("read"), None);
    assert_eq!(fixture.storage.audit.recent(5).await.expect("read").len(), 0);
    let (again, summary) = fixture.import(&lines.join("\n"), &from("x")).await;
    assert_eq!(told, again, "a dry run says what will happen");
    assert_eq!((summary.created, summary.rejected), (90, 10));
    let reasons: Vec<String> =
        again.into_iter().filter(|told| told.outcome == Outcome::Rejected).map(|told| told.reason.expect("a reason")).collect();
    assert_eq!(
        reasons,
        [
            "not JSON (EOF while parsing a value at column 15)",
            "an e-mail address has the form name@example.org, at most 254 characters",
            "password: bcrypt is computed here at a cost from 4 to 15",
            "the address is that of line 1",
            "the external id is that of line 2",
            "email_verified: must be true or false",
            "attributes/forbidden: False schema does not allow 1",
            "phone_number: holds a control character",
            "a user name has 1 to 64 letters, digits and . _ - between them, and begins and ends with a letter or digit",
            "there is no e-mail address",
        ]
    );
    // Who cannot bring a password may come without one.
    let without = Options { without_bad_passwords: true, ..from("x") };
    let outcome = fixture.outcomes(&broken[2], &without).await;
    assert_eq!(outcome, ["1 created without a password: bcrypt is computed here at a cost from 4 to 15"]);
    let named = json!({"email": "j@example.org", "external_id": "j", "username": "José Peña", "password_hash": HASH}).to_string();
    let without = Options { without_bad_usernames: true, ..from("x") };
    let wrong = "a user name has 1 to 64 letters, digits and . _ - between them, and begins and ends with a letter or digit";
    assert_eq!(fixture.outcomes(&named, &from("x")).await, [format!("1 rejected {wrong}")]);
    assert_eq!(fixture.outcomes(&named, &without).await, [format!("1 created without a user name: {wrong}")]);
    assert_eq!(fixture.outcomes(&named, &without).await, [format!("1 skipped unchanged; without a user name: {wrong}")]);
    assert!(fixture.signs_in("j@example.org", PASSWORD).await);
    let (again, _) = fixture.import(&lines.join("\n"), &from("x")).await;
    assert_eq!(again.iter().filter(|told| told.outcome == Outcome::Skipped).count(), 90);
}

/// What stays out keeps nothing from the lines behind it.
#[tokio::test]
async fn a_line_that_is_rejected_has_no_name() {
    let fixture = Fixture::new().await;
    let line = |id: &str, email: &str| json!({"external_id": id, "email": email}).to_string();
    let lines = [line("y1", "y@example.org"), line("y2", "Y@example.org"), line("y2", "y2@example.org"), line("y2", "y3@example.org")];
    assert_eq!(
        fixture.outcomes(&lines.join("\n"), &from("x")).await,
        ["1 created ", "2 rejected the address is that of line 1", "3 created ", "4 rejected the external id is that of line 3"]
    );
}

/// The tables of the apps hold the numbers of people who stay out, too: nobody new gets one, and a later import brings their owner.
#[tokio::test]
async fn the_number_of_somebody_who_stays_out_is_given_to_nobody_else() {
    let fixture = Fixture::new().await;
    let line = |id: u32, more: Value| {
        let mut line = json!({"id": id, "email": format!("p{id}@example.org"), "password": HASH});
        for (name, value) in more.as_object().expect("members") {
            line[name] = value.clone();
        }
        line.to_string()
    };
    let broken = [line(7, json!({"username": "a b"})), line(8, json!({"password": "plain"})), line(9, json!({"is_active": "perhaps"}))];
    let (told, _) = fixture.import(&broken.join("\n"), &from("flask")).await;
    assert!(told.iter().all(|told| told.outcome == Outcome::Rejected && told.external_id.is_some()), "{told:?}");
    fixture.import(&ana(json!({"external_id": "1"})), &from("elsewhere")).await;
    let id = fixture.person("ana").await.id;
    let numbered = fixture.storage.accounts.number(&id, "flask", now(), &act()).await.expect("stored").expect("known");
    assert!(numbered.external.iter().any(|external| external.source == "flask" && external.id == "10"), "{:?}", numbered.external);
    let reason = "the id was given here to somebody who registered meanwhile";
    assert_eq!(fixture.outcomes(&line(10, json!({})), &from("flask")).await, [format!("1 rejected {reason}")]);
    assert_eq!(fixture.outcomes(&line(7, json!({})), &from("flask")).await, ["1 created "]);
}

/// bcryptjs made this one: what an old system took, the sign-in takes.
#[tokio::test]
async fn a_password_with_a_nul_goes_on_to_work() {
    let fixture = Fixture::new().await;
    let hash = "$2b$04$F3avqJO5F0qenfWl0fQaIOt.C9WKHXISGow2vfluDtFN8f.cL41HS";
    fixture.import(&ana(json!({"password_hash": hash})), &from("x")).await;
    assert!(!fixture.signs_in("ana", "a").await);
    assert!(fixture.signs_in("ana", "a\0b").await);
    assert!(fixture.signs_in("ana", "a\0b").await, "and after the rehash");
    assert!(!fixture.signs_in("ana", "a").await);
}

#[tokio::test]
async fn roles_come_by_the_map_alone() {
    let fixture = Fixture::new().await;
    let csv = "external_id,email,is_superuser,is_staff,is_active,attributes.xp_total,karma\n1,a@x.org,t,f,t,0,9\n2,b@x.org,f,t,f,,\n";
    let options = Options {
        role_map: vec![("is_superuser".to_owned(), "owner".to_owned()), ("is_staff".to_owned(), "user_admin".to_owned())],
        ..from("django")
    };
    let (_, summary) = fixture.import(csv, &options).await;
    assert_eq!((summary.created, summary.members_left_out), (2, vec!["karma".to_owned()]));
    let (a, b) = (fixture.person("a@x.org").await, fixture.person("b@x.org").await);
    assert_eq!((a.roles, a.disabled_at, Value::Object(a.attributes)), (vec!["owner".to_owned()], None, json!({"xp_total": 0})));
    assert_eq!((b.roles, b.disabled_at.is_some(), b.attributes.is_empty()), (vec!["user_admin".to_owned()], true, true));
    // Without the map the last owner would lose the role.
    let outcomes = fixture.outcomes(csv, &from("django")).await;
    assert_eq!(outcomes, ["2 rejected the last owner cannot be disabled or lose the role", "3 updated "]);
    assert_eq!(fixture.person("b@x.org").await.roles.len(), 0);
}

#[tokio::test]
async fn what_is_exported_can_be_imported() {
    let fixture = Fixture::new().await;
    let line = ana(json!({"email_verified": true, "roles": ["editor"], "given_name": "Ana", "disabled": true}));
    let options = Options { role_map: vec![("editor".to_owned(), "editor".to_owned())], ..from("flask") };
    fixture.import(&line, &options).await;
    fixture.import(&ana(json!({"external_id": "9", "email": "eva@example.org", "username": null})), &from("flask")).await;
    assert!(fixture.signs_in("eva@example.org", PASSWORD).await, "hers is rehashed, with its mark");
    let export = async |fixture: &Fixture, source: Option<&str>| {
        let page = fixture.storage.imports.export(None, 10).await.expect("read");
        page.iter().filter_map(|(user, hash)| exported(user, hash.as_deref(), source)).map(|line| format!("{line}\n")).collect::<String>()
    };
    let (text, back) = (export(&fixture, None).await, export(&fixture, Some("flask")).await);
    assert!(export(&fixture, Some("django")).await.is_empty());
    let other = Fixture::new().await;
    assert_eq!(other.outcomes(&text, &Options { source: "portero".to_owned(), ..options }).await, ["1 created ", "2 created "]);
    let (old, new) = (fixture.person("ana").await, other.person("ana").await);
    assert_eq!(
        (&old.email, &old.name, &old.roles, &old.claims, &old.attributes),
        (&new.email, &new.name, &new.roles, &new.claims, &new.attributes)
    );
    assert_eq!((old.created_at, old.email_verified, new.disabled_at.is_some()), (new.created_at, new.email_verified, true));
    assert_eq!(fixture.hash("eva@example.org").await, other.hash("eva@example.org").await);
    assert!(other.signs_in("eva@example.org", PASSWORD).await);
    assert_eq!(
        other.storage.users.find(UserKey::External { source: "flask", id: "42" }).await.expect("read").map(|user| user.id),
        Some(new.id)
    );
    // Nothing that is closed here is open there, and nothing of it here when it comes back.
    let id = fixture.person("eva@example.org").await.id;
    fixture.storage.accounts.require_reset(Whom::by_id(&id), &[], now(), &act()).await.expect("asked for");
    let mut squat = crate::accounts::users::prepare(
        &fixture.hasher,
        NewAccount { email: "squat@example.org", password: Some(PASSWORD), ..NewAccount::default() },
        Fresh { id: [8; 10], salt: [8; 16] },
        now(),
    )
    .await
    .expect("an account");
    squat.user.pending = true;
    let squat_id = squat.user.id.clone();
    fixture.storage.users.create(&squat, &act()).await.expect("signed up");
    let closed = export(&fixture, None).await;
    assert!(!closed.contains("squat@example.org"), "they are nobody yet: {closed}");
    let fresh = Fixture::new().await;
    let portero = Options { source: "portero".to_owned(), ..from("x") };
    fresh.import(&closed, &portero).await;
    assert!(fresh.person("eva@example.org").await.reset_required && !fresh.signs_in("eva@example.org", PASSWORD).await);
    assert!(other.signs_in("eva@example.org", PASSWORD).await, "it was open when it was exported before");
    assert_eq!(other.outcomes(&closed, &Options { source: "portero".to_owned(), ..from("x") }).await[1], "2 updated ");
    assert!(!other.signs_in("eva@example.org", PASSWORD).await, "and is closed by the next import");
    // A file of before, which held them.
    let before = json!({"external_id": squat_id, "email": "squat@example.org", "password_hash": squat.password_hash}).to_string();
    let stays = "1 skipped the address belongs to somebody who is here already, and is not verified in both systems";
    assert_eq!(fixture.outcomes(&before, &portero).await, [stays]);
    assert!(!fixture.signs_in("squat@example.org", PASSWORD).await);
    let third = Fixture::new().await;
    assert_eq!(third.outcomes(&back, &from("flask")).await, ["1 created ", "2 created "]);
    assert!(third.storage.users.find(UserKey::External { source: "flask", id: "9" }).await.expect("read").is_some());
}

#[tokio::test]
async fn the_dearest_scheme_is_remembered() {
    let fixture = Fixture::new().await;
    let person = |n: u32, hash: &str| json!({"external_id": n, "email": format!("u{n}@example.org"), "password_hash": hash}).to_string();
    let bcrypt = "$2y$05$xPxFilvkAze8qL1LzWagBukXYOhOyL0Txph9jZUJoZ0sWYokJo9fC";
    fixture.import(&person(1, bcrypt), &from("x")).await;
    let dearest = async || fixture.storage.imports.dearest().await.expect("read").expect("there is one");
    assert_eq!(Hasher::price(&dearest().await).map(|(price, _)| (price.scheme, price.n)), Some(("bcrypt", 32)));
    let django = "pbkdf2_sha256$1000000$XWgKZDILOwVU6ytNzyg6ui$q4/9FuFulosskp03WTzUaDYPOFVNOR7cP9gIO6EpDy8=";
    fixture.import(&format!("{}\n{}", person(2, HASH), person(3, django)), &from("x")).await;
    fixture.import(&person(4, bcrypt), &from("x")).await;
    assert_eq!(Hasher::price(&dearest().await).map(|(price, _)| (price.scheme, price.n)), Some(("pbkdf2-sha256", 1_000_000)));
    assert!(!dearest().await.contains("XWgKZDILOwVU6ytNzyg6ui"), "nobody's salt");
}
