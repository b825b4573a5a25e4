//! The contracts of clients, keys, failed sign-ins, the audit trail, the revisions and the schema.

use std::sync::Arc;
use std::time::Duration;

use super::super::Place as Alone;
use super::super::cached::CachedClients;
use super::super::durable::keys::Only;
use super::super::durable::{Admission, Allowance, AuditFilter, Clients, Judged, Refusal, Revised, Saved, StoredKey, Updated, UserKey};
use super::super::{OpenError, Schema, Storage, StorageError, StorageOptions, migrate, pending};
use super::{ClientRecord, Place, at, client, digest, furnished, grant, grant_id, on_every_database, operator, person, seal, trail, user};

on_every_database!(
    clients_are_made_changed_and_deleted,
    a_client_is_changed_as_it_was_judged,
    clients_come_in_pages,
    origins_follow_the_redirect_uris_of_enabled_clients,
    a_change_of_a_client_reaches_the_other_replica,
    keys_follow_each_other,
    a_key_that_signs_at_once_retires_all_that_wait,
    the_fingerprint_is_remembered,
    ten_attempts_lock_and_locks_double,
    an_attempt_is_forgotten_or_withdrawn,
    old_attempts_are_removed,
    repeated_refusals_are_counted,
    the_trail_is_searched,
    the_schema_is_made_once_and_checked,
    one_server_is_alone_on_a_database,
    two_replicas_migrate_at_once,
);

async fn clients_are_made_changed_and_deleted(place: &Place) {
    let storage = furnished(place).await;
    let made = client("web");
    storage.clients.create(&made, &operator()).await.expect("new");
    assert_eq!(storage.clients.find("web").await.expect("read").as_deref(), Some(&made));
    let refused = storage.clients.create(&made, &operator()).await;
    assert!(matches!(refused, Err(StorageError::Conflict("client_id"))), "{refused:?}");

    let mut changed = made.clone();
    Arc::make_mut(&mut changed.client).client_name = None;
    changed.secrets.clear();
    changed.disabled_at = Some(at(10));
    changed.updated_at = at(10);
    assert_eq!(storage.clients.update(&changed, None, &operator()).await.expect("done"), Saved::Done);
    changed.revision += 1;
    assert_eq!(storage.clients.find("web").await.expect("read").as_deref(), Some(&changed));
    assert_eq!(storage.clients.update(&made, None, &operator()).await.expect("read"), Saved::Stale, "made from what it was before");
    assert_eq!(storage.clients.update(&client("unknown"), None, &operator()).await.expect("read"), Saved::Unknown);
    assert_eq!(trail(&storage, 2).await, ["client.disable operator client:web done - 1", "client.update operator client:web done - 1"]);
    type Change = fn(&mut ClientRecord);
    let changes: [(&str, Change); 5] = [
        ("client.enable", |record| record.disabled_at = None),
        ("client.rotate_secret", |record| record.secrets = client("web").secrets),
        ("client.disable", |record| record.disabled_at = Some(at(11))),
        ("client.update", |record| Arc::make_mut(&mut record.client).client_name = Some("N".to_owned())),
        ("client.update", |_| {}),
    ];
    for (act, change) in changes {
        change(&mut changed);
        assert_eq!(storage.clients.update(&changed, None, &operator()).await.expect("done"), Saved::Done);
        changed.revision += 1;
        let rows = trail(&storage, 2).await;
        assert_eq!(rows[0], format!("{act} operator client:web done - 1"));
        assert!(act == "client.update" || !rows[1].starts_with(act), "one row: {rows:?}");
    }

    storage.consents.allow("ana", "app", "openid", at(10), &person("ana")).await.expect("done");
    storage.grants.open(&grant(1, None), None, &person("ana")).await.expect("opened");
    assert_eq!(storage.clients.delete("app", None, at(20), &operator()).await.expect("done"), Saved::Done);
    assert_eq!(trail(&storage, 1).await, ["client.delete operator client:app done - 1"]);
    assert_eq!(storage.clients.find("app").await.expect("read"), None);
    assert_eq!(storage.consents.find("ana", "app").await.expect("read"), None);
    assert_eq!(storage.grants.find(&grant_id(1)).await.expect("read").expect("kept").revoked_at, Some(at(20)));
    assert_eq!(storage.clients.delete("app", None, at(30), &operator()).await.expect("unknown"), Saved::Unknown);
}

async fn a_client_is_changed_as_it_was_judged(place: &Place) {
    let storage = furnished(place).await;
    let judged = async |except: Option<&'static str>| storage.clients.allowances("app", except).await.expect("read");
    storage.users.create(&user("eva"), &operator()).await.expect("new");
    assert_eq!(judged(None).await, []);
    for (person, scope) in [("ana", "openid account"), ("eva", "openid account")] {
        storage.consents.allow(person, "app", scope, at(1), &operator()).await.expect("done");
    }
    let seen = [Allowance { scope: "openid account".to_owned(), roles: user("ana").user.roles }];
    assert_eq!(judged(None).await, seen, "as many people as you like");
    assert_eq!(judged(Some("ana")).await, seen);
    storage.consents.withdraw("eva", "app", at(2), &operator()).await.expect("done");
    assert_eq!(judged(Some("ana")).await, []);

    let mut app = (*storage.clients.find("app").await.expect("read").expect("there")).clone();
    let mut update = async |except, allowances: &[Allowance]| {
        let done = storage.clients.update(&app, Some(Judged { except, allowances }), &operator()).await.expect("no fault");
        app.revision += i64::from(done == Saved::Done);
        done
    };
    assert_eq!(update(None, &[]).await, Saved::Stale, "somebody allowed it something meanwhile");
    assert_eq!(update(Some("ana"), &seen).await, Saved::Stale, "or took it back");
    assert_eq!(update(Some("ana"), &[]).await, Saved::Done);
    assert_eq!(update(None, &seen).await, Saved::Done);
    let mut ana = storage.users.find(UserKey::Id("ana")).await.expect("read").expect("there");
    ana.roles = vec!["owner".to_owned()];
    let revised = Revised { user: &ana, email_canonical: "ana@example.org", username_canonical: Some("ana") };
    let promoted = storage.accounts.update(&revised, &["user.set_roles"], &[], at(3), &operator()).await.expect("done");
    assert!(matches!(promoted, Updated::Done(_)));
    assert_eq!(update(None, &seen).await, Saved::Stale, "they are somebody else now");
    assert_eq!(update(None, &judged(None).await).await, Saved::Done);

    let revision = storage.clients.find("app").await.expect("read").expect("there").revision;
    assert_eq!(storage.clients.delete("app", Some(revision - 1), at(4), &operator()).await.expect("read"), Saved::Stale);
    assert_eq!(storage.clients.delete("app", Some(revision), at(4), &operator()).await.expect("done"), Saved::Done);
    assert_eq!(storage.clients.delete("app", Some(revision), at(4), &operator()).await.expect("read"), Saved::Unknown);
}

async fn clients_come_in_pages(place: &Place) {
    let storage = place.open().await;
    for id in ["c", "a", "b"] {
        storage.clients.create(&client(id), &operator()).await.expect("new");
    }
    let ids = |page: Vec<Arc<super::ClientRecord>>| page.iter().map(|record| record.client.client_id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(storage.clients.list(None, 2).await.expect("read")), ["a", "b"]);
    assert_eq!(ids(storage.clients.list(Some("b"), 2).await.expect("read")), ["c"]);
    assert!(!storage.clients.any_demo().await.expect("read"));
    let mut demo = client("demo");
    demo.demo = true;
    storage.clients.create(&demo, &operator()).await.expect("new");
    assert!(storage.clients.any_demo().await.expect("read"));
}

async fn origins_follow_the_redirect_uris_of_enabled_clients(place: &Place) {
    let storage = place.open().await;
    let known = async |origin| storage.clients.has_origin(origin).await.expect("read");
    assert!(!known("https://app.example").await);
    let (mut one, two) = (client("one"), client("two"));
    storage.clients.create(&one, &operator()).await.expect("new");
    storage.clients.create(&two, &operator()).await.expect("new");
    assert!(known("https://app.example").await);
    assert!(!known("https://app.example:8443").await && !known("null").await);
    one.client = Arc::new(crate::protocol::client::Client {
        redirect_uris: vec!["https://spa.example/cb".to_owned(), "https://spa.example/other".to_owned(), "com.example.app:/cb".to_owned()],
        ..(*one.client).clone()
    });
    assert_eq!(storage.clients.update(&one, None, &operator()).await.expect("done"), Saved::Done);
    one.revision += 1;
    assert!(known("https://spa.example").await && known("https://app.example").await);
    assert_eq!(storage.clients.delete("two", None, at(5), &operator()).await.expect("known"), Saved::Done);
    assert!(!known("https://app.example").await);
    one.disabled_at = Some(at(6));
    assert_eq!(storage.clients.update(&one, None, &operator()).await.expect("done"), Saved::Done);
    assert!(!known("https://spa.example").await);
}

async fn a_change_of_a_client_reaches_the_other_replica(place: &Place) {
    let (one, two) = (place.open().await, place.open().await);
    let mut app = client("app");
    one.clients.create(&app, &operator()).await.expect("new");
    let before = two.revisions.current().await.expect("read");
    assert!(two.clients.find("app").await.expect("read").expect("known").disabled_at.is_none());
    app.disabled_at = Some(at(5));
    one.clients.update(&app, None, &operator()).await.expect("done");
    assert!(one.clients.find("app").await.expect("read").expect("known").disabled_at.is_some());
    // The other still remembers, sees the revision move, forgets.
    assert!(two.clients.find("app").await.expect("read").expect("known").disabled_at.is_none());
    let after = two.revisions.current().await.expect("read");
    assert_eq!((after.clients, after.keys), (before.clients + 1, before.keys));
    two.client_cache.invalidate();
    assert!(two.clients.find("app").await.expect("read").expect("known").disabled_at.is_some());
    one.clients.delete("app", None, at(6), &operator()).await.expect("done");
    assert_eq!(one.clients.find("app").await.expect("read"), None);
    assert!(two.revisions.current().await.expect("read").clients > after.clients);
}

fn key(kid: &str, alg: &str, made: i64, signs: i64) -> StoredKey {
    StoredKey {
        kid: kid.to_owned(),
        alg: alg.to_owned(),
        sealed: vec![0, 1, 254, 255],
        created_at: at(made),
        signs_from: at(signs),
        retired_at: None,
        removed_at: None,
    }
}

async fn keys_follow_each_other(place: &Place) {
    let storage = place.open().await;
    let keep = Duration::from_secs(3600);
    let add = async |key: StoredKey, only: Only<'_>| storage.keys.add(&key, keep, only, &operator()).await.expect("answered");
    assert!(!add(key("r0", "RS256", 0, 0), Only::Replacing("none")).await);
    assert!(add(key("r1", "RS256", 0, 0), Only::IfNone).await);
    assert!(!add(key("r2", "RS256", 0, 0), Only::IfNone).await);
    assert!(add(key("e1", "ES256", 0, 0), Only::IfNone).await);
    // Two in one second: the one that is not retired is the newest.
    assert!(add(key("a2", "RS256", 0, 1800), Only::Replacing("r1")).await);
    assert!(!add(key("r3", "RS256", 1, 1800), Only::Replacing("r1")).await);
    assert!(add(key("r4", "RS256", 2, 2000), Only::Always).await);
    let keys = storage.keys.list().await.expect("read");
    let lives: Vec<_> = keys.iter().map(|key| (key.kid.as_str(), key.retired_at, key.removed_at)).collect();
    assert_eq!(
        lives,
        [
            ("r1", Some(at(1800)), Some(at(1800 + 3600))),
            ("a2", Some(at(2000)), Some(at(2000 + 3600))),
            ("e1", None, None),
            ("r4", None, None),
        ]
    );
    assert_eq!(keys[2], key("e1", "ES256", 0, 0));
    assert_eq!(trail(&storage, 1).await, ["key.add operator key:r4 done - 1"]);
    let refused = storage.keys.add(&key("r4", "RS256", 3, 3), keep, Only::Always, &operator()).await;
    assert!(matches!(refused, Err(StorageError::Conflict("kid"))), "{refused:?}");
    let before = storage.revisions.current().await.expect("read");
    assert_eq!(before.keys, 4);
    assert_eq!(storage.keys.clean(at(5399), &operator()).await.expect("done"), 0);
    assert_eq!(storage.revisions.current().await.expect("read"), before);
    assert_eq!(storage.keys.clean(at(5400), &operator()).await.expect("done"), 1);
    assert_eq!(trail(&storage, 1).await, ["key.remove operator key:r1 done - 1"]);
    assert_eq!(storage.revisions.current().await.expect("read").keys, 5);
}

async fn a_key_that_signs_at_once_retires_all_that_wait(place: &Place) {
    let storage = place.open().await;
    let keep = Duration::from_secs(3600);
    let add = async |key: StoredKey| assert!(storage.keys.add(&key, keep, Only::Always, &operator()).await.expect("answered"));
    add(key("old", "RS256", 0, 0)).await;
    add(key("first", "RS256", 10, 1810)).await;
    add(key("second", "RS256", 600, 2400)).await;
    add(key("urgent", "RS256", 900, 900)).await;
    // Without that "first" would sign from 1810 to 2400, in the place of the key that was made in a hurry.
    let lives: Vec<_> = storage.keys.list().await.expect("read").iter().map(|key| (key.kid.clone(), key.retired_at)).collect();
    let gone = Some(at(900));
    assert_eq!(lives, [("old", gone), ("first", gone), ("second", gone), ("urgent", None)].map(|(kid, at)| (kid.to_owned(), at)));
    // What has retired before stays as it is.
    add(key("next", "RS256", 1000, 2800)).await;
    assert_eq!(storage.keys.list().await.expect("read")[0].retired_at, gone);
}

async fn the_fingerprint_is_remembered(place: &Place) {
    let (one, two) = (place.open().await, place.open().await);
    assert_eq!(one.keys.fingerprint("mine").await.expect("answered"), "mine");
    assert_eq!(two.keys.fingerprint("other").await.expect("answered"), "mine");
}

async fn ten_attempts_lock_and_locks_double(place: &Place) {
    let storage = place.open().await;
    let key = digest(1);
    let admit = async |now: i64| storage.attempts.admit(&key, at(now)).await.expect("answered");
    // Nine in a window that slides: the first nine are too old when the next nine come.
    for second in 0..9 {
        assert_eq!(admit(second).await, Admission::Admitted);
        assert_eq!(admit(900 + second).await, Admission::Admitted);
        storage.attempts.succeeded(&[digest(2)]).await.expect("another key");
        storage.attempts.withdrawn(&key, at(900 + second)).await.expect("taken back");
    }
    storage.attempts.succeeded(&[key]).await.expect("done");
    let mut now = 10_000;
    for minutes in [15, 30, 60, 120, 240, 240] {
        for _ in 0..9 {
            assert_eq!(admit(now).await, Admission::Admitted);
        }
        let until = now + minutes * 60;
        assert_eq!(admit(now).await, Admission::Closing { until: at(until) }, "the tenth closes");
        assert_eq!(admit(now).await, Admission::Locked { until: at(until) });
        assert_eq!(admit(until - 1).await, Admission::Locked { until: at(until) });
        now = until;
    }
    // Less than a day after the lock it doubles still; a whole day after it, it is forgotten.
    now += 86_399;
    for _ in 0..9 {
        assert_eq!(admit(now).await, Admission::Admitted);
    }
    assert_eq!(admit(now).await, Admission::Closing { until: at(now + 240 * 60) });
    assert_eq!(admit(now).await, Admission::Locked { until: at(now + 240 * 60) });
    now += 240 * 60 + 86_400;
    for _ in 0..9 {
        assert_eq!(admit(now).await, Admission::Admitted);
    }
    assert_eq!(admit(now).await, Admission::Closing { until: at(now + 15 * 60) });
    assert_eq!(admit(now).await, Admission::Locked { until: at(now + 15 * 60) });
    assert_eq!(storage.attempts.admit(&digest(3), at(now)).await.expect("another key"), Admission::Admitted);
}

async fn an_attempt_is_forgotten_or_withdrawn(place: &Place) {
    let storage = place.open().await;
    let key = digest(1);
    let admit = async |now: i64| storage.attempts.admit(&key, at(now)).await.expect("answered");
    // Ten within fifteen minutes, though not within one fixed quarter of an hour.
    assert_eq!(admit(0).await, Admission::Admitted);
    for _ in 0..8 {
        assert_eq!(admit(890).await, Admission::Admitted);
    }
    assert_eq!(admit(910).await, Admission::Admitted);
    assert_eq!(admit(910).await, Admission::Closing { until: at(910 + 900) });
    assert_eq!(admit(911).await, Admission::Locked { until: at(910 + 900) });
    // The tenth was right: everything starts afresh, the doubling too.
    storage.attempts.succeeded(&[key]).await.expect("done");
    for _ in 0..9 {
        assert_eq!(admit(1000).await, Admission::Admitted);
    }
    assert_eq!(admit(1000).await, Admission::Closing { until: at(1900) });
    assert_eq!(admit(1000).await, Admission::Locked { until: at(1900) });
    // The tenth could not be judged: its lock goes with it, and there is one more.
    storage.attempts.withdrawn(&key, at(1000)).await.expect("done");
    assert_eq!(admit(1001).await, Admission::Closing { until: at(1901) });
    assert_eq!(admit(1001).await, Admission::Locked { until: at(1901) });
    storage.attempts.withdrawn(&digest(9), at(0)).await.expect("an unknown key is nothing");
}

async fn old_attempts_are_removed(place: &Place) {
    let storage = place.open().await;
    storage.attempts.admit(&digest(1), at(0)).await.expect("answered");
    for _ in 0..10 {
        storage.attempts.admit(&digest(2), at(0)).await.expect("answered");
    }
    assert_eq!(storage.attempts.clean(at(86_399)).await.expect("done"), 0);
    assert_eq!(storage.attempts.clean(at(86_400)).await.expect("done"), 1);
    assert_eq!(storage.attempts.clean(at(86_400 + 899)).await.expect("done"), 0);
    assert_eq!(storage.attempts.clean(at(86_400 + 900)).await.expect("done"), 1);
}

async fn repeated_refusals_are_counted(place: &Place) {
    let storage = place.open().await;
    let refusal = |subject: Option<&str>, reason| Refusal { act: "sign_in", subject: subject.map(str::to_owned), reason };
    let refuse = async |refusal: Refusal, now: i64, by: &super::Act| storage.audit.refuse(&refusal, at(now), by).await.expect("done");
    // at(0) is 20 seconds into its minute.
    for now in [0, 5, 39] {
        refuse(refusal(Some("user:ana"), "wrong_password"), now, &person("ana")).await;
    }
    refuse(refusal(Some("user:ana"), "wrong_password"), 40, &person("ana")).await;
    refuse(refusal(Some("user:ana"), "locked"), 40, &person("ana")).await;
    refuse(refusal(None, "locked"), 40, &person("ana")).await;
    refuse(refusal(None, "locked"), 40, &operator()).await;
    assert_eq!(
        trail(&storage, 10).await,
        [
            "sign_in operator - refused locked 1",
            "sign_in person:ana - refused locked 1",
            "sign_in person:ana user:ana refused locked 1",
            "sign_in person:ana user:ana refused wrong_password 1",
            "sign_in person:ana user:ana refused wrong_password 3",
        ]
    );
    assert_eq!(trail(&storage, 2).await.len(), 2);
}

async fn the_trail_is_searched(place: &Place) {
    let storage = furnished(place).await;
    let refusal = Refusal { act: "sign_in", subject: Some("user:ana".to_owned()), reason: "wrong_password" };
    storage.audit.refuse(&refusal, at(100), &person("ana")).await.expect("done");
    for now in [120, 125] {
        storage.audit.looked("users.list", None, at(now), &operator()).await.expect("done");
    }
    let search = async |filter: AuditFilter<'_>, before: Option<i64>| {
        let rows = storage.audit.search(&filter, before, 2).await.expect("read");
        rows.into_iter().map(|row| (row.id, format!("{} {}", row.act, row.count))).collect::<Vec<_>>()
    };
    let acts = async |filter: AuditFilter<'_>| search(filter, None).await.into_iter().map(|(_, act)| act).collect::<Vec<_>>();
    let none = AuditFilter::default();
    let first = search(none, None).await;
    assert_eq!(first.iter().map(|(_, act)| act.as_str()).collect::<Vec<_>>(), ["users.list 2", "sign_in 1"]);
    let rest = search(none, Some(first[1].0)).await;
    assert_eq!(rest.iter().map(|(_, act)| act.as_str()).collect::<Vec<_>>(), ["session.start 1", "client.create 1"]);
    assert_eq!(acts(AuditFilter { act: Some("client"), ..none }).await, ["client.create 1"]);
    assert_eq!(acts(AuditFilter { act: Some("client.create"), ..none }).await, ["client.create 1"]);
    assert!(acts(AuditFilter { act: Some("cli"), ..none }).await.is_empty(), "whole words");
    assert!(
        acts(AuditFilter { act: Some("%"), ..none }).await.is_empty() && acts(AuditFilter { act: Some("c_ient"), ..none }).await.is_empty()
    );
    assert_eq!(acts(AuditFilter { subject: Some("user:ana"), result: Some("refused"), ..none }).await, ["sign_in 1"]);
    assert_eq!(acts(AuditFilter { reason: Some("wrong_password"), actor: Some("person:ana"), ..none }).await, ["sign_in 1"]);
    assert_eq!(acts(AuditFilter { client_id: Some("app"), address: Some("192.0.2.7"), ..none }).await, ["sign_in 1", "session.start 1"]);
    assert_eq!(acts(AuditFilter { request_id: Some("req_1"), ..none }).await, ["users.list 2", "client.create 1"]);
    assert_eq!(acts(AuditFilter { since: Some(at(100)), until: Some(at(120)), ..none }).await, ["sign_in 1"]);
    // Unlike a look, each act has a row.
    for _ in 0..2 {
        storage.audit.done("one_time_token.create", Some("one_time_token:x".to_owned()), at(130), &operator()).await.expect("done");
    }
    let made = AuditFilter { act: Some("one_time_token.create"), subject: Some("one_time_token:x"), result: Some("done"), ..none };
    assert_eq!(acts(made).await, ["one_time_token.create 1", "one_time_token.create 1"]);
}

async fn one_server_is_alone_on_a_database(place: &Place) {
    let (one, other) = (place.open().await, place.open().await);
    let Ok(Alone::Mine(held)) = one.alone().await else { panic!("nobody else is there") };
    assert!(!matches!(other.alone().await.expect("answered"), Alone::Mine(_)));
    // Commands beside it are not kept from anything.
    other.ping().await.expect("answers");
    drop(held);
    one.close().await;
    let mut free = false;
    for _ in 0..50 {
        free = matches!(other.alone().await.expect("answered"), Alone::Mine(_));
        if free {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(free, "it ends with who had it");
    other.close().await;
}

/// Every migration there is.
pub(super) const MIGRATIONS: [&str; 8] =
    ["0001_foundation", "0002_outbox", "0003_accounts", "0004_organizations", "0005_import", "0006_limits", "0007_pending", "0008_order"];

async fn the_schema_is_made_once_and_checked(place: &Place) {
    let names = MIGRATIONS;
    assert_eq!(pending(&place.url).await.expect("answered"), names);
    let options = StorageOptions::new(&place.url);
    let refused = Storage::open(&options, seal(), Schema::Require).await.map(drop);
    assert!(matches!(&refused, Err(OpenError::Pending(missing)) if missing == &names), "{refused:?}");
    assert_eq!(migrate(&place.url).await.expect("done"), names);
    assert!(migrate(&place.url).await.expect("done").is_empty());
    assert!(pending(&place.url).await.expect("answered").is_empty());
    let storage = Storage::open(&options, seal(), Schema::Require).await.expect("opens");
    storage.ping().await.expect("answers");
    storage.schema_is_current().await.expect("current");
    // Another text under a number that was applied; then a database from the future.
    storage.sql.tamper("UPDATE schema_migrations SET digest = 'other'").await;
    let refused = pending(&place.url).await;
    assert!(matches!(&refused, Err(OpenError::Changed { name }) if name == names[0]), "{refused:?}");
    storage.sql.tamper("INSERT INTO schema_migrations (version, name, digest) VALUES (9999, 'later', '')").await;
    for refused in [migrate(&place.url).await, pending(&place.url).await] {
        assert!(
            matches!(refused, Err(OpenError::Newer { database: 9999, binary }) if binary == i64::try_from(MIGRATIONS.len()).expect("few")),
            "{refused:?}"
        );
    }
    storage.schema_is_current().await.expect("a newer replica is no reason to stop");
    storage.close().await;
    assert!(matches!(storage.ping().await, Err(StorageError::Unavailable(_))));
}

async fn two_replicas_migrate_at_once(place: &Place) {
    let starts: Vec<_> = (0..8)
        .map(|_| {
            let url = place.url.clone();
            tokio::spawn(async move { migrate(&url).await.expect("done").len() })
        })
        .collect();
    let mut ran = 0;
    for start in starts {
        ran += start.await.expect("no panic");
    }
    assert_eq!(ran, MIGRATIONS.len());
}

/// A read that began before an invalidation and ends after it must not be remembered.
#[tokio::test]
async fn a_late_answer_does_not_bring_back_a_stale_client() {
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::sync::Notify;

    #[derive(Default)]
    struct Slow {
        reading: Notify,
        go_on: Notify,
        changed: AtomicBool,
    }
    #[async_trait::async_trait]
    impl Clients for Slow {
        async fn find(&self, client_id: &str) -> super::super::Result<Option<Arc<super::ClientRecord>>> {
            let mut record = client(client_id);
            if self.changed.load(Ordering::SeqCst) {
                record.disabled_at = Some(at(1));
            } else {
                self.reading.notify_one();
                self.go_on.notified().await;
            }
            Ok(Some(Arc::new(record)))
        }
        async fn list(&self, _: Option<&str>, _: u32) -> super::super::Result<Vec<Arc<super::ClientRecord>>> {
            Ok(Vec::new())
        }
        async fn create(&self, _: &super::ClientRecord, _: &super::Act) -> super::super::Result<()> {
            Ok(())
        }
        async fn update(&self, _: &super::ClientRecord, _: Option<Judged<'_>>, _: &super::Act) -> super::super::Result<Saved> {
            self.changed.store(true, Ordering::SeqCst);
            Err(StorageError::Unavailable("the answer to the commit was lost".to_owned()))
        }
        async fn delete(&self, _: &str, _: Option<i64>, _: super::Time, _: &super::Act) -> super::super::Result<Saved> {
            Ok(Saved::Unknown)
        }
        async fn allowances(&self, _: &str, _: Option<&str>) -> super::super::Result<Vec<Allowance>> {
            Ok(Vec::new())
        }
        async fn has_origin(&self, _: &str) -> super::super::Result<bool> {
            Ok(false)
        }
        async fn any_demo(&self) -> super::super::Result<bool> {
            Ok(false)
        }
    }

    let slow = Arc::new(Slow::default());
    let cache = Arc::new(CachedClients::new(slow.clone()));
    let early = tokio::spawn({
        let cache = cache.clone();
        async move { cache.find("app").await.expect("read").expect("known").disabled_at }
    });
    slow.reading.notified().await;
    assert!(cache.update(&client("app"), None, &operator()).await.is_err());
    slow.go_on.notify_one();
    assert_eq!(early.await.expect("no panic"), None);
    assert_eq!(cache.find("app").await.expect("read").expect("known").disabled_at, Some(at(1)));
}
