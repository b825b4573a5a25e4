//! The contracts of people, sessions and consents.

use std::time::Duration;

use super::super::StorageError;
use super::super::durable::{Proof, UserKey, Whom};
use super::{Place, at, client, digest, furnished, grant, grant_id, on_every_database, operator, owner, person, session, trail, user};

const IDLE: Duration = Duration::from_secs(24 * 3600);

on_every_database!(
    a_person_is_found_by_id_and_by_either_name,
    a_taken_name_is_named,
    people_come_in_pages,
    the_first_owner_is_made_once,
    disabling_ends_everything,
    a_new_password_ends_sessions_and_grants,
    a_hash_is_upgraded_only_from_the_one_that_was_checked,
    a_session_lives_until_idle_or_its_end,
    a_session_is_seen_once_a_minute,
    a_new_sign_in_renews_or_replaces_a_session,
    ending_a_session_ends_what_hangs_from_it,
    ending_all_sessions_but_one,
    what_begins_on_a_password_needs_it_still,
    old_sessions_are_removed,
    consents_grow_and_are_withdrawn,
);

async fn a_person_is_found_by_id_and_by_either_name(place: &Place) {
    let storage = place.open().await;
    let new = user("ana");
    storage.users.create(&new, &operator()).await.expect("new");
    for key in [UserKey::Id("ana"), UserKey::Identifier("ana@example.org"), UserKey::Identifier("ana")] {
        assert_eq!(storage.users.find(key).await.expect("read").as_ref(), Some(&new.user), "{key:?}");
    }
    let (found, hash) = storage.users.with_password(UserKey::Identifier("ana")).await.expect("read").expect("known");
    assert_eq!((found, hash.as_deref()), (new.user, Some("$argon2id$old")));
    for key in [UserKey::Id("ana@example.org"), UserKey::Identifier("nobody"), UserKey::Identifier("Ana")] {
        assert_eq!(storage.users.find(key).await.expect("read"), None, "{key:?}");
    }
    // A user name that looks like somebody's address does not hide that address.
    let mut mimic = user("mimic");
    mimic.username_canonical = Some("ana@example.org".to_owned());
    storage.users.create(&mimic, &operator()).await.expect("new");
    let found = storage.users.find(UserKey::Identifier("ana@example.org")).await.expect("read").expect("known");
    assert_eq!(found.id, "ana");
    assert_eq!(trail(&storage, 1).await, ["user.create operator user:mimic done - 1"]);
}

async fn a_taken_name_is_named(place: &Place) {
    let storage = place.open().await;
    storage.users.create(&user("ana"), &operator()).await.expect("new");
    let mut same_mail = user("eva");
    same_mail.email_canonical = "ana@example.org".to_owned();
    let refused = storage.users.create(&same_mail, &operator()).await;
    assert!(matches!(refused, Err(StorageError::Conflict("email"))), "{refused:?}");
    let mut same_name = user("eva");
    same_name.username_canonical = Some("ana".to_owned());
    let refused = storage.users.create(&same_name, &operator()).await;
    assert!(matches!(refused, Err(StorageError::Conflict("username"))), "{refused:?}");
    let mut same_id = user("ana");
    same_id.email_canonical = "other@example.org".to_owned();
    same_id.username_canonical = None;
    let refused = storage.users.create(&same_id, &operator()).await;
    assert!(matches!(refused, Err(StorageError::Conflict("id"))), "{refused:?}");
    // Nothing was half done: one person, one row in the trail; and people without a user name do not collide.
    assert_eq!(storage.users.list(None, 10).await.expect("read").len(), 1);
    assert_eq!(trail(&storage, 10).await.len(), 1);
    for id in ["x", "y"] {
        let mut nameless = user(id);
        nameless.username_canonical = None;
        nameless.password_hash = None;
        storage.users.create(&nameless, &operator()).await.expect("new");
    }
    assert_eq!(storage.users.with_password(UserKey::Id("x")).await.expect("read").expect("known").1, None);
}

async fn people_come_in_pages(place: &Place) {
    let storage = place.open().await;
    for id in ["c", "a", "b"] {
        storage.users.create(&user(id), &operator()).await.expect("new");
    }
    let ids = |users: Vec<super::User>| users.into_iter().map(|user| user.id).collect::<Vec<_>>();
    assert_eq!(ids(storage.users.list(None, 2).await.expect("read")), ["a", "b"]);
    assert_eq!(ids(storage.users.list(Some("b"), 2).await.expect("read")), ["c"]);
    assert!(!storage.users.any_demo().await.expect("read"));
    let mut demo = user("demo");
    demo.user.demo = true;
    storage.users.create(&demo, &operator()).await.expect("new");
    assert!(storage.users.any_demo().await.expect("read"));
}

async fn the_first_owner_is_made_once(place: &Place) {
    let storage = place.open().await;
    storage.users.create(&user("ana"), &operator()).await.expect("new");
    assert!(!storage.users.any_owner().await.expect("read"));
    assert!(storage.users.create_first_owner(&owner("first"), &operator()).await.expect("done"));
    assert!(storage.users.any_owner().await.expect("read"));
    assert!(!storage.users.create_first_owner(&owner("second"), &operator()).await.expect("refused"));
    assert_eq!(storage.users.find(UserKey::Id("second")).await.expect("read"), None);
    // Further owners are made in the ordinary way.
    storage.users.create(&owner("third"), &operator()).await.expect("new");
    // Whoever is no owner cannot be the first.
    assert!(storage.users.create_first_owner(&user("eva"), &operator()).await.is_err());
}

async fn disabling_ends_everything(place: &Place) {
    let storage = furnished(place).await;
    let mut offline = grant(1, Some("s1"));
    offline.offline = true;
    storage.grants.open(&offline, None, &person("ana")).await.expect("opened");
    assert!(storage.users.set_disabled(Whom::by_id("ana"), true, &[], at(10), &operator()).await.expect("done"));
    let ana = storage.users.find(UserKey::Id("ana")).await.expect("read").expect("known");
    assert_eq!((ana.disabled_at, ana.updated_at), (Some(at(10)), at(10)));
    assert_eq!(storage.sessions.find(&digest(1), IDLE, at(11)).await.expect("read"), None);
    assert_eq!(storage.grants.find(&grant_id(1)).await.expect("read").expect("known").revoked_at, Some(at(10)));
    // Done again, it is no news: a double click is one act, one row and one mail.
    let again = [super::accounts::mail("again")];
    assert!(storage.users.set_disabled(Whom::by_id("ana"), true, &again, at(12), &operator()).await.expect("it is so"));
    assert_eq!(storage.users.find(UserKey::Id("ana")).await.expect("read").expect("known"), ana);
    assert!(storage.outbox.recent(10).await.expect("read").is_empty());
    assert!(storage.users.set_disabled(Whom::by_id("ana"), false, &[], at(20), &operator()).await.expect("done"));
    assert_eq!(storage.users.find(UserKey::Id("ana")).await.expect("read").expect("known").disabled_at, None);
    // What ended stays ended.
    assert_eq!(storage.sessions.find(&digest(1), IDLE, at(21)).await.expect("read"), None);
    assert_eq!(trail(&storage, 2).await, ["user.enable operator user:ana done - 1", "user.disable operator user:ana done - 1"]);
    assert!(!storage.users.set_disabled(Whom::by_id("nobody"), true, &[], at(30), &operator()).await.expect("unknown"));
    assert_eq!(trail(&storage, 1).await, ["user.enable operator user:ana done - 1"]);
}

async fn a_new_password_ends_sessions_and_grants(place: &Place) {
    let storage = furnished(place).await;
    storage.users.create(&user("eva"), &operator()).await.expect("new");
    for (id, user_id, n) in [("s2", "ana", 2), ("s3", "eva", 3)] {
        storage.sessions.start(&session(id, user_id, at(0)), &digest(n), None, &person(user_id)).await.expect("started");
    }
    let mut offline = grant(1, Some("s1"));
    offline.offline = true;
    storage.grants.open(&offline, None, &person("ana")).await.expect("opened");
    storage.grants.open(&grant(2, None), None, &person("ana")).await.expect("opened");
    assert!(storage.users.set_password("ana", "$new", Some("s1"), &[], at(10), &person("ana")).await.expect("done"));
    let (_, hash) = storage.users.with_password(UserKey::Id("ana")).await.expect("read").expect("known");
    assert_eq!(hash.as_deref(), Some("$new"));
    let mut live = Vec::new();
    for n in [1, 2, 3] {
        live.push(storage.sessions.find(&digest(n), IDLE, at(11)).await.expect("read").is_some());
    }
    assert_eq!(live, [true, false, true]);
    for n in [1, 2] {
        assert_eq!(storage.grants.find(&grant_id(n)).await.expect("read").expect("known").revoked_at, Some(at(10)), "grant {n}");
    }
    assert!(storage.users.set_password("ana", "$newer", None, &[], at(20), &operator()).await.expect("done"));
    assert_eq!(storage.sessions.find(&digest(1), IDLE, at(21)).await.expect("read"), None);
    assert!(!storage.users.set_password("nobody", "$new", None, &[], at(20), &operator()).await.expect("unknown"));
    assert_eq!(trail(&storage, 1).await, ["user.set_password operator user:ana done - 1"]);
}

async fn a_hash_is_upgraded_only_from_the_one_that_was_checked(place: &Place) {
    let storage = furnished(place).await;
    assert!(storage.users.upgrade_hash("ana", "$argon2id$old", "$better", at(5), &person("ana")).await.expect("done"));
    assert!(!storage.users.upgrade_hash("ana", "$argon2id$old", "$worse", at(6), &person("ana")).await.expect("refused"));
    let (_, hash) = storage.users.with_password(UserKey::Id("ana")).await.expect("read").expect("known");
    assert_eq!(hash.as_deref(), Some("$better"));
    assert!(storage.sessions.find(&digest(1), IDLE, at(7)).await.expect("read").is_some());
    assert_eq!(trail(&storage, 1).await, ["user.upgrade_hash person:ana user:ana done - 1"]);
}

async fn a_session_lives_until_idle_or_its_end(place: &Place) {
    let storage = furnished(place).await;
    let found = storage.sessions.find(&digest(1), IDLE, at(30)).await.expect("read").expect("live");
    assert_eq!(found.session, session("s1", "ana", at(0)));
    assert_eq!(found.user, user("ana").user);
    assert_eq!(storage.sessions.by_id("s1", IDLE, at(30)).await.expect("read").as_ref(), Some(&found));
    assert_eq!(storage.sessions.find(&digest(2), IDLE, at(30)).await.expect("read"), None);
    assert_eq!(storage.sessions.by_id("s2", IDLE, at(30)).await.expect("read"), None);
    let idle = at(24 * 3600);
    assert_eq!(storage.sessions.by_id("s1", IDLE, idle).await.expect("read"), None);
    assert_eq!(storage.sessions.find(&digest(1), IDLE, idle).await.expect("read"), None);
    assert!(storage.sessions.by_id("s1", IDLE, idle - chrono::Duration::seconds(1)).await.expect("read").is_some());
    let long = Duration::from_secs(100 * 24 * 3600);
    let end = at(14 * 24 * 3600);
    assert_eq!(storage.sessions.by_id("s1", long, end).await.expect("read"), None);
    assert!(storage.sessions.by_id("s1", long, end - chrono::Duration::seconds(1)).await.expect("read").is_some());
}

async fn a_session_is_seen_once_a_minute(place: &Place) {
    let storage = furnished(place).await;
    for (now, seen) in [(59, 0), (60, 60), (119, 60), (200, 200)] {
        storage.sessions.find(&digest(1), IDLE, at(now)).await.expect("read").expect("live");
        let found = storage.sessions.by_id("s1", IDLE, at(now)).await.expect("read").expect("live");
        assert_eq!(found.session.last_seen_at, at(seen), "at {now}");
    }
    // Being seen keeps it from idling.
    assert!(storage.sessions.find(&digest(1), IDLE, at(24 * 3600 + 100)).await.expect("read").is_some());
}

async fn a_new_sign_in_renews_or_replaces_a_session(place: &Place) {
    let storage = furnished(place).await;
    storage.users.create(&user("eva"), &operator()).await.expect("new");
    storage.grants.open(&grant(1, Some("s1")), None, &person("ana")).await.expect("opened");
    // The same person: same id and creation, new cookie and authentication; what hangs from it lives on.
    let mut again = session("s2", "ana", at(100));
    again.acr = "2".to_owned();
    let in_force = storage.sessions.start(&again, &digest(2), Some("s1"), &person("ana")).await.expect("started");
    assert_eq!(in_force.as_deref(), Some("s1"));
    assert_eq!(storage.sessions.find(&digest(1), IDLE, at(101)).await.expect("read"), None);
    let found = storage.sessions.find(&digest(2), IDLE, at(101)).await.expect("read").expect("live").session;
    assert_eq!((found.id.as_str(), found.created_at, found.auth_time, found.acr.as_str()), ("s1", at(0), at(100), "2"));
    assert_eq!(storage.grants.find(&grant_id(1)).await.expect("read").expect("known").revoked_at, None);
    assert_eq!(trail(&storage, 1).await, ["session.renew person:ana session:s1 done - 1"]);
    // Another person: the old session ends with its grants.
    let in_force = storage.sessions.start(&session("s3", "eva", at(200)), &digest(3), Some("s1"), &person("eva")).await.expect("started");
    assert_eq!(in_force.as_deref(), Some("s3"));
    assert_eq!(storage.sessions.by_id("s1", IDLE, at(201)).await.expect("read"), None);
    assert_eq!(storage.grants.find(&grant_id(1)).await.expect("read").expect("known").revoked_at, Some(at(200)));
    assert_eq!(trail(&storage, 2).await, ["session.start person:eva session:s3 done - 1", "session.end person:eva session:s1 done - 1"]);
    // One that ended, or passed its own end, is not woken up.
    let in_force = storage.sessions.start(&session("s4", "ana", at(300)), &digest(4), Some("s1"), &person("ana")).await.expect("started");
    assert_eq!(in_force.as_deref(), Some("s4"));
    let late = at(300 + 14 * 24 * 3600);
    let in_force = storage.sessions.start(&session("s5", "ana", late), &digest(5), Some("s4"), &person("ana")).await.expect("started");
    assert_eq!(in_force.as_deref(), Some("s5"));
    let taken = storage.sessions.start(&session("s6", "ana", at(300)), &digest(5), None, &person("ana")).await;
    assert!(matches!(taken, Err(StorageError::Conflict("digest"))), "{taken:?}");
}

async fn ending_a_session_ends_what_hangs_from_it(place: &Place) {
    let storage = furnished(place).await;
    let mut offline = grant(2, Some("s1"));
    offline.offline = true;
    for grant in [&grant(1, Some("s1")), &offline, &grant(3, None)] {
        storage.grants.open(grant, None, &person("ana")).await.expect("opened");
    }
    assert!(storage.sessions.end("s1", at(10), &person("ana")).await.expect("done"));
    assert_eq!(trail(&storage, 1).await, ["session.end person:ana session:s1 done - 1"]);
    assert_eq!(storage.sessions.find(&digest(1), IDLE, at(11)).await.expect("read"), None);
    let mut revoked = Vec::new();
    for n in [1, 2, 3] {
        revoked.push(storage.grants.find(&grant_id(n)).await.expect("read").expect("known").revoked_at);
    }
    assert_eq!(revoked, [Some(at(10)), None, None]);
    assert!(!storage.sessions.end("s1", at(20), &person("ana")).await.expect("ended before"));
    assert!(!storage.sessions.end("s9", at(20), &person("ana")).await.expect("unknown"));
    assert_eq!(trail(&storage, 1).await, ["session.end person:ana session:s1 done - 1"]);
}

async fn ending_all_sessions_but_one(place: &Place) {
    let storage = furnished(place).await;
    for (id, n) in [("s2", 2), ("s3", 3)] {
        storage.sessions.start(&session(id, "ana", at(0)), &digest(n), None, &person("ana")).await.expect("started");
    }
    for (n, id) in [(1, "s1"), (2, "s2")] {
        storage.grants.open(&grant(n, Some(id)), None, &person("ana")).await.expect("opened");
    }
    assert_eq!(storage.sessions.end_all("ana", Some("s2"), at(10), &person("ana")).await.expect("done"), 2);
    assert_eq!(trail(&storage, 1).await, ["session.end_all person:ana user:ana done - 1"]);
    assert!(storage.sessions.by_id("s2", IDLE, at(11)).await.expect("read").is_some());
    assert!(storage.grants.find(&grant_id(1)).await.expect("read").expect("known").revoked_at.is_some());
    assert!(storage.grants.find(&grant_id(2)).await.expect("read").expect("known").revoked_at.is_none());
    assert_eq!(storage.sessions.end_all("ana", None, at(20), &person("ana")).await.expect("done"), 1);
    assert!(storage.grants.find(&grant_id(2)).await.expect("read").expect("known").revoked_at.is_some());
    assert_eq!(storage.sessions.end_all("ana", None, at(30), &person("ana")).await.expect("done"), 0);
    // What was given for a password alone, without a session, ends too; offline access does not.
    let mut offline = grant(5, None);
    offline.offline = true;
    for grant in [&grant(4, None), &offline] {
        storage.grants.open(grant, None, &person("ana")).await.expect("opened");
    }
    assert_eq!(storage.sessions.end_all("ana", Some("s2"), at(40), &person("ana")).await.expect("done"), 0);
    assert_eq!(storage.grants.find(&grant_id(4)).await.expect("read").expect("known").revoked_at, Some(at(40)));
    assert_eq!(storage.grants.find(&grant_id(5)).await.expect("read").expect("known").revoked_at, None);
    assert_eq!(trail(&storage, 1).await, ["session.end_all person:ana user:ana done - 1"]);
}

async fn what_begins_on_a_password_needs_it_still(place: &Place) {
    let storage = furnished(place).await;
    let (old, new) = (Proof::of("$argon2id$old"), Proof::of("$argon2id$new"));
    let start = async |id: &str, n: u32, replaces: Option<&str>, proof: &Proof| {
        storage.sessions.start_proved(&session(id, "ana", at(5)), &digest(n), replaces, proof, &person("ana")).await.expect("answered")
    };
    let open = async |n: u32, proof: &Proof| storage.grants.open_proved(&grant(n, None), proof, &person("ana")).await.expect("answered");
    assert_eq!(start("s2", 2, None, &old).await.as_deref(), Some("s2"));
    assert_eq!(trail(&storage, 1).await, ["session.start person:ana session:s2 done - 1"]);
    assert_eq!(start("s3", 3, Some("s2"), &old).await.as_deref(), Some("s2"), "the session goes on");
    assert!(open(1, &old).await);
    assert_eq!(storage.grants.find(&grant_id(1)).await.expect("read"), Some(grant(1, None)));
    assert_eq!(trail(&storage, 1).await, [format!("grant.open person:ana grant:{} done - 1", grant_id(1).hex())]);

    storage.users.set_password("ana", "$argon2id$new", None, &[], at(10), &operator()).await.expect("done");
    assert_eq!(start("s4", 4, Some("s2"), &old).await, None);
    assert!(!open(2, &old).await);
    assert_eq!(trail(&storage, 1).await, ["sign_in person:ana user:ana refused changed 2"]);
    assert_eq!(storage.sessions.find(&digest(4), IDLE, at(11)).await.expect("read"), None);
    assert_eq!(storage.grants.find(&grant_id(2)).await.expect("read"), None);
    assert_eq!(start("s5", 5, None, &new).await.as_deref(), Some("s5"));
    assert!(open(3, &new).await);

    storage.users.set_disabled(Whom::by_id("ana"), true, &[], at(20), &operator()).await.expect("done");
    assert_eq!(start("s6", 6, None, &new).await, None);
    assert!(!open(4, &new).await);
}

async fn old_sessions_are_removed(place: &Place) {
    let storage = furnished(place).await;
    storage.grants.open(&grant(1, Some("s1")), None, &person("ana")).await.expect("opened");
    storage.sessions.start(&session("s2", "ana", at(0)), &digest(2), None, &person("ana")).await.expect("started");
    let live = async |seconds: i64| storage.sessions.live(IDLE, at(seconds)).await.expect("counted");
    assert_eq!(live(1).await, 2);
    storage.sessions.end("s2", at(10), &person("ana")).await.expect("done");
    let idle = i64::try_from(IDLE.as_secs()).expect("small");
    assert_eq!((live(10).await, live(idle - 1).await, live(idle).await), (1, 1, 0));
    let week = 7 * 24 * 3600;
    assert_eq!(storage.sessions.clean(at(10 + week)).await.expect("done"), 0);
    assert_eq!(storage.sessions.clean(at(11 + week)).await.expect("done"), 1);
    let end = 14 * 24 * 3600;
    assert_eq!(storage.sessions.clean(at(end + week)).await.expect("done"), 0);
    assert_eq!(storage.sessions.clean(at(end + week + 1)).await.expect("done"), 1);
    // A grant of a session that is gone is not one that never had any.
    let refreshable = storage.grants.refreshable(&grant_id(1), IDLE, at(end + week + 1)).await.expect("read");
    assert_eq!(refreshable, None);
}

async fn consents_grow_and_are_withdrawn(place: &Place) {
    let storage = furnished(place).await;
    storage.clients.create(&client("other"), &operator()).await.expect("new");
    assert_eq!(storage.consents.find("ana", "app").await.expect("read"), None);
    storage.consents.allow("ana", "app", "openid profile", at(10), &person("ana")).await.expect("done");
    storage.consents.allow("ana", "app", "email openid a%b", at(20), &person("ana")).await.expect("done");
    storage.consents.allow("ana", "app", "email", at(30), &person("ana")).await.expect("done");
    storage.consents.allow("ana", "other", "openid", at(30), &person("ana")).await.expect("done");
    let consent = storage.consents.find("ana", "app").await.expect("read").expect("known");
    assert_eq!((consent.scope.as_str(), consent.granted_at), ("openid profile email a%b", at(30)));
    assert_eq!((consent.user_id.as_str(), consent.client_id.as_str()), ("ana", "app"));
    storage.grants.open(&grant(1, Some("s1")), None, &person("ana")).await.expect("opened");
    let mut elsewhere = grant(2, Some("s1"));
    elsewhere.client_id = "other".to_owned();
    storage.grants.open(&elsewhere, None, &person("ana")).await.expect("opened");
    assert!(storage.consents.withdraw("ana", "app", at(40), &person("ana")).await.expect("done"));
    assert_eq!(trail(&storage, 1).await, ["consent.withdraw person:ana consent:ana:app done - 1"]);
    assert_eq!(storage.consents.find("ana", "app").await.expect("read"), None);
    assert!(storage.consents.find("ana", "other").await.expect("read").is_some());
    assert_eq!(storage.grants.find(&grant_id(1)).await.expect("read").expect("known").revoked_at, Some(at(40)));
    assert_eq!(storage.grants.find(&grant_id(2)).await.expect("read").expect("known").revoked_at, None);
    assert!(!storage.consents.withdraw("ana", "app", at(50), &person("ana")).await.expect("none"));
}
