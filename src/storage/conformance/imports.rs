//! The contract of imports: batches, what is remembered for the next one, and races.

use std::sync::Arc;

use super::super::StorageError;
use super::super::durable::imports::{Arrival, Batch, Became, Dearest, Note};
use super::super::durable::users::ExternalId;
use super::super::durable::{SignUp, User, UserKey, Whom};
use super::super::{Result, Storage};
use super::accounts::sign_up;
use super::{Place, at, furnished, on_every_database, operator, trail, user};
use crate::seal::{Digest, sha256};

on_every_database!(
    a_batch_arrives_and_comes_again,
    a_dry_batch_writes_nothing,
    what_was_changed_here_stays,
    a_link_keeps_the_person_and_adds_the_id,
    a_disabled_person_loses_sessions_and_grants,
    the_counter_is_above_every_number_that_came,
    of_two_imports_at_once_each_person_arrives_once,
    a_sign_in_and_an_import_do_not_undo_each_other,
);

fn digest(hash: &str) -> String {
    Digest(sha256(hash.as_bytes())).hex()
}

/// A person as `flask` describes them.
fn arrival(id: &str, external_id: &str, hash: &str) -> Arrival {
    let mut new = user(id);
    new.user.external = vec![ExternalId { source: "flask".to_owned(), id: external_id.to_owned() }];
    new.password_hash = Some(hash.to_owned());
    Arrival { new, external_id: Some(external_id.to_owned()), described: format!("d-{id}"), password: Some(digest(hash)) }
}

async fn import(storage: &Storage, arrivals: &[&Arrival], dry: bool) -> Result<Vec<Became>> {
    let highest = arrivals.iter().filter_map(|arrival| arrival.external_id.as_ref()?.parse().ok()).max();
    let batch = Batch { source: "flask", arrivals, dearest: None, highest, dry };
    storage.imports.import(&batch, at(10), &operator()).await
}

async fn found(storage: &Storage, external_id: &str) -> (User, Option<String>) {
    let key = UserKey::External { source: "flask", id: external_id };
    storage.users.with_password(key).await.expect("read").expect("they arrived")
}

async fn a_batch_arrives_and_comes_again(place: &Place) {
    let storage = place.open().await;
    let (ana, mut eva) = (arrival("ana", "1", "old-a"), arrival("eva", "2", "old-e"));
    eva.new.user.external.push(ExternalId { source: "django".to_owned(), id: "77".to_owned() });
    assert_eq!(import(&storage, &[&ana, &eva], false).await.expect("new"), [Became::Created(None), Became::Created(None)]);
    assert_eq!(trail(&storage, 1).await, ["user.import operator user:eva done - 1"]);
    let (stored, hash) = found(&storage, "2").await;
    assert_eq!((stored, hash.as_deref()), (eva.new.user.clone(), Some("old-e")));
    let unchanged = Became::Skipped(Note::Unchanged);
    assert_eq!(import(&storage, &[&ana, &eva], false).await.expect("read"), [unchanged, unchanged]);
    // The source changed both, once the name and once the password.
    let mut renamed = arrival("ana", "1", "old-a");
    (renamed.new.user.name, renamed.described) = (Some("Ana".to_owned()), "d2".to_owned());
    renamed.new.email_canonical = "ana2@example.org".to_owned();
    let mut changed = arrival("eva", "2", "newer-e");
    changed.new.user.external.clone_from(&eva.new.user.external);
    assert_eq!(import(&storage, &[&renamed, &changed], false).await.expect("read"), [Became::Updated(None), Became::Updated(None)]);
    let (ana, _) = found(&storage, "1").await;
    assert_eq!((ana.name.as_deref(), ana.revision, ana.credential_revision, &*ana.id), (Some("Ana"), 2, 1, "ana"));
    assert_eq!(found(&storage, "2").await.1.as_deref(), Some("newer-e"));
    assert_eq!(import(&storage, &[&renamed, &changed], false).await.expect("read"), [unchanged, unchanged]);
    let everybody = storage.imports.export(None, 1).await.expect("read");
    assert_eq!((&*everybody[0].0.id, everybody[0].1.as_deref(), everybody.len()), ("ana", Some("old-a"), 1));
    assert_eq!(storage.imports.export(Some("ana"), 10).await.expect("read").len(), 1);
    // Somebody else's id in a further system.
    let mut thief = arrival("ben", "3", "old-b");
    thief.new.user.external.push(ExternalId { source: "django".to_owned(), id: "77".to_owned() });
    assert_eq!(import(&storage, &[&thief], false).await.expect("read"), [Became::Rejected(Note::ExternalIdTaken)]);
}

async fn a_dry_batch_writes_nothing(place: &Place) {
    let storage = place.open().await;
    let ana = arrival("ana", "1", "old");
    let dearest = Dearest { micros: 5, blank: "scheme".to_owned() };
    let batch = Batch { source: "flask", arrivals: &[&ana], dearest: Some(&dearest), highest: None, dry: true };
    assert_eq!(storage.imports.import(&batch, at(10), &operator()).await.expect("read"), [Became::Created(None)]);
    assert_eq!(storage.users.list(None, 10).await.expect("read").len(), 0);
    assert_eq!(storage.imports.dearest().await.expect("read"), None);
    for (micros, blank, known) in [(5_000, "dear", "dear"), (70, "cheap", "dear"), (123_456, "dearer", "dearer")] {
        let dearest = Dearest { micros, blank: blank.to_owned() };
        let batch = Batch { source: "flask", arrivals: &[&ana], dearest: Some(&dearest), highest: None, dry: false };
        storage.imports.import(&batch, at(10), &operator()).await.expect("written");
        assert_eq!(storage.imports.dearest().await.expect("read").as_deref(), Some(known));
    }
}

async fn what_was_changed_here_stays(place: &Place) {
    let storage = place.open().await;
    import(&storage, &[&arrival("ana", "1", "old")], false).await.expect("new");
    assert!(storage.users.upgrade_hash("ana", "old", "argon", at(11), &operator()).await.expect("upgraded"));
    let newer = arrival("ana", "1", "newer");
    assert_eq!(import(&storage, &[&newer], false).await.expect("read"), [Became::Skipped(Note::PasswordStays)]);
    assert_eq!(found(&storage, "1").await.1.as_deref(), Some("argon"));
    storage.users.set_disabled(Whom::by_id("ana"), true, &[], at(12), &operator()).await.expect("disabled");
    storage.users.set_disabled(Whom::by_id("ana"), false, &[], at(13), &operator()).await.expect("enabled");
    let mut renamed = arrival("ana", "1", "old");
    (renamed.new.user.name, renamed.described) = (Some("Ana".to_owned()), "d2".to_owned());
    assert_eq!(import(&storage, &[&renamed], false).await.expect("read"), [Became::Skipped(Note::ChangedHere)]);
    assert_eq!(found(&storage, "1").await.0.name.as_deref(), Some("The ana"));
}

async fn a_link_keeps_the_person_and_adds_the_id(place: &Place) {
    let storage = furnished(place).await;
    let mut unverified = arrival("ana", "1", "old");
    unverified.new.user.email_verified = false;
    assert_eq!(import(&storage, &[&unverified], false).await.expect("read"), [Became::Skipped(Note::AddressElsewhere)]);
    let ana = arrival("ana", "1", "old");
    assert_eq!(import(&storage, &[&ana], false).await.expect("read"), [Became::Updated(Some(Note::SamePerson))]);
    let (known, hash) = found(&storage, "1").await;
    assert_eq!((&*known.id, hash.as_deref(), &known.external), ("ana", Some("$argon2id$old"), &ana.new.user.external));
    assert_eq!(import(&storage, &[&ana], false).await.expect("read"), [Became::Skipped(Note::Unchanged)]);
    assert_eq!(import(&storage, &[&arrival("ana", "2", "old")], false).await.expect("read"), [Became::Rejected(Note::AddressTwice)]);
    let mut same_name = arrival("eva", "3", "old");
    same_name.new.username_canonical = Some("ana".to_owned());
    assert_eq!(import(&storage, &[&same_name], false).await.expect("read"), [Became::Rejected(Note::UsernameTaken)]);
}

async fn a_disabled_person_loses_sessions_and_grants(place: &Place) {
    let storage = place.open().await;
    import(&storage, &[&arrival("ana", "1", "old"), &arrival("eva", "2", "old")], false).await.expect("new");
    let session = super::session("s1", "ana", at(0));
    storage.sessions.start(&session, &super::digest(1), None, &super::person("ana")).await.expect("a session starts");
    let mut disabled = arrival("ana", "1", "old");
    (disabled.new.user.disabled_at, disabled.described) = (Some(at(10)), "d2".to_owned());
    assert_eq!(import(&storage, &[&disabled], false).await.expect("read"), [Became::Updated(None)]);
    let idle = std::time::Duration::from_secs(3600);
    assert!(storage.sessions.find(&super::digest(1), idle, at(11)).await.expect("read").is_none());
    // No import lets them in again, whoever shut them out.
    let mut enabled = arrival("ana", "1", "old");
    (enabled.new.user.name, enabled.described) = (Some("Ana".to_owned()), "d3".to_owned());
    assert_eq!(import(&storage, &[&enabled], false).await.expect("read"), [Became::Updated(Some(Note::StaysDisabled))]);
    let (kept_out, _) = found(&storage, "1").await;
    assert_eq!((kept_out.name.as_deref(), kept_out.disabled_at), (Some("Ana"), Some(at(10))));
    // An owner who is the last stays: the batch is refused whole.
    let mut owner = arrival("eva", "2", "old");
    (owner.new.user.roles, owner.described) = (vec!["owner".to_owned()], "d2".to_owned());
    import(&storage, &[&owner], false).await.expect("promoted");
    let mut demoted = arrival("eva", "2", "old");
    demoted.described = "d3".to_owned();
    assert!(matches!(import(&storage, &[&demoted], false).await, Err(StorageError::LastOwner)));
    assert_eq!(found(&storage, "2").await.0.roles, ["owner"]);
}

async fn the_counter_is_above_every_number_that_came(place: &Place) {
    let storage = place.open().await;
    import(&storage, &[&arrival("a", "17", "x"), &arrival("b", "4", "x"), &arrival("c", "text", "x")], false).await.expect("new");
    let new = user("ana");
    let numbered = SignUp { number_from: Some("flask"), ..sign_up(&new) };
    storage.accounts.sign_up(&numbered, at(20), &operator()).await.expect("made");
    assert_eq!(found(&storage, "18").await.0.id, "ana");
    // Nobody arrives in this one; its numbers are taken all the same. A dry one takes nothing.
    for (dry, highest, number) in [(true, 500, "19"), (false, 99, "100")] {
        let batch = Batch { source: "flask", arrivals: &[], dearest: None, highest: Some(highest), dry };
        assert_eq!(storage.imports.import(&batch, at(30), &operator()).await.expect("read"), []);
        let new = user(&format!("n{number}"));
        let numbered = SignUp { number_from: Some("flask"), ..sign_up(&new) };
        storage.accounts.sign_up(&numbered, at(31), &operator()).await.expect("made");
        assert_eq!(found(&storage, number).await.0.id, new.user.id);
    }
    // Whoever comes later with a number that was given here is somebody else, unless the address is the same.
    let stranger = arrival("eva", "18", "x");
    assert_eq!(import(&storage, &[&stranger], false).await.expect("read"), [Became::Rejected(Note::NumberGivenHere)]);
    let mut same = arrival("ana2", "18", "x");
    (same.new.email_canonical, same.new.username_canonical) = (new.email_canonical.clone(), None);
    assert_ne!(import(&storage, &[&same], false).await.expect("read"), [Became::Rejected(Note::NumberGivenHere)]);
}

async fn of_two_imports_at_once_each_person_arrives_once(place: &Place) {
    let replicas = [Arc::new(place.open().await), Arc::new(place.open().await)];
    let tasks: Vec<_> = (0..8_usize)
        .map(|n| {
            let storage = Arc::clone(&replicas[n % 2]);
            tokio::spawn(async move {
                let arrivals: Vec<Arrival> = (0..20).map(|id| arrival(&format!("u{id}-{n}"), &id.to_string(), "x")).collect();
                let arrivals: Vec<Arrival> = arrivals
                    .into_iter()
                    .enumerate()
                    .map(|(id, mut arrival)| {
                        arrival.new.email_canonical = format!("u{id}@example.org");
                        arrival.new.username_canonical = None;
                        arrival.described = format!("d{id}");
                        arrival
                    })
                    .collect();
                let all: Vec<&Arrival> = arrivals.iter().collect();
                import(&storage, &all, false).await
            })
        })
        .collect();
    let mut created = 0;
    for task in tasks {
        match task.await.expect("no panic") {
            Ok(became) => created += became.iter().filter(|became| **became == Became::Created(None)).count(),
            Err(StorageError::Conflict(_)) => {}
            Err(fault) => panic!("{fault}"),
        }
    }
    assert_eq!(created, 20, "one of them brought everybody");
    assert_eq!(replicas[0].users.list(None, 100).await.expect("read").len(), 20);
}

async fn a_sign_in_and_an_import_do_not_undo_each_other(place: &Place) {
    let storage = Arc::new(place.open().await);
    for round in 0..10 {
        let (id, old, argon) = (format!("u{round}"), format!("old{round}"), format!("argon{round}"));
        import(&storage, &[&arrival(&id, &id, &old)], false).await.expect("new");
        let upgrade = {
            let (storage, id, old, argon) = (Arc::clone(&storage), id.clone(), old.clone(), argon.clone());
            tokio::spawn(async move { storage.users.upgrade_hash(&id, &old, &argon, at(20), &operator()).await.expect("no fault") })
        };
        let newer = arrival(&id, &id, "newer");
        let imported = import(&storage, &[&newer], false).await;
        let upgraded = upgrade.await.expect("no panic");
        let stored = found(&storage, &id).await.1.expect("a hash");
        match imported {
            Ok(became) => assert_eq!(became == [Became::Updated(None)], stored == "newer", "{stored}"),
            Err(StorageError::Conflict("password")) => assert_eq!(stored, argon),
            Err(fault) => panic!("{fault}"),
        }
        assert_eq!(upgraded, stored == argon);
    }
}
