//! The contract of what happens to accounts.

use std::time::Duration;

use super::super::StorageError;
use super::super::durable::{
    AddressProof, Consumed, ExternalId, Inviter, NewAddress, NewHash, NewMail, NewUser, Opened, OpenedByCode, Proof, ResetMails, Revised,
    Saved, Search, SignUp, SignedUp, Spend, Updated, User, UserKey, Whom,
};
use super::super::{Storage, Time};
use super::races::together;
use super::{
    Place, at, by_code, client, digest, furnished, grant, grant_id, on_every_database, operator, owner, person, session, trail, user,
};

const IDLE: Duration = Duration::from_secs(24 * 3600);

on_every_database!(
    an_account_is_made_with_its_mail,
    a_taken_address_gets_a_mail_and_no_row,
    an_invitation_makes_one_account,
    an_invitation_holds_while_whoever_made_it_could_make_it,
    numbers_are_given_above_the_highest,
    a_person_gets_one_number_of_a_source,
    a_person_is_found_by_what_another_system_called_them,
    people_are_searched,
    a_profile_changes_from_the_revision_it_was_read_at,
    an_address_is_verified_while_it_is_theirs,
    an_address_changes_once_and_comes_back,
    a_password_changes_from_the_one_that_was_proved,
    the_grant_in_which_a_password_is_changed_goes_on,
    a_password_is_reset_once,
    a_required_reset_ends_everything,
    a_deleted_person_leaves_nothing,
    the_last_owner_stays,
    what_was_spent_stays_spent,
    an_unlocked_account_starts_afresh,
    a_sign_up_that_nobody_confirmed_has_no_name,
    a_number_is_drawn_for_a_taken_address_as_well,
    an_invited_person_takes_the_place_of_one_that_nobody_confirmed,
    st_06_nothing_begins_for_somebody_who_was_deleted,
    sessions_and_connections_of_a_person,
);

pub(super) fn mail(id: &str) -> NewMail {
    NewMail {
        id: id.to_owned(),
        to_address: "ana@example.org".to_owned(),
        kind: "verify".to_owned(),
        lang: "es".to_owned(),
        sealed: vec![1, 2, 3],
        created_at: at(0),
    }
}

pub(super) fn spend(n: u32) -> Spend {
    Spend { digest: digest(n), expires_at: at(3600) }
}

/// What waits to be sent, oldest first.
pub(super) async fn mails(storage: &Storage) -> Vec<String> {
    let mut ids: Vec<String> = storage.outbox.recent(100).await.expect("read").into_iter().map(|row| row.id).collect();
    ids.sort();
    ids
}

pub(super) fn sign_up(new: &NewUser) -> SignUp<'_> {
    SignUp { new, number_from: None, spend: None, inviter: None, welcome: &[], taken: &[], waiting: None, same_password: None }
}

/// Of somebody who never changed their password.
pub(super) fn proof<'a>(user_id: &'a str, canonical: &'a str) -> AddressProof<'a> {
    AddressProof { user_id, canonical, credential_revision: 0 }
}

async fn ana(storage: &Storage) -> User {
    storage.users.find(UserKey::Id("ana")).await.expect("read").expect("known")
}

async fn hash(storage: &Storage, id: &str) -> String {
    storage.users.with_password(UserKey::Id(id)).await.expect("read").expect("known").1.expect("a hash")
}

async fn an_account_is_made_with_its_mail(place: &Place) {
    let storage = place.open().await;
    let mut new = user("ana");
    new.user.attributes.insert("city_id".to_owned(), 7.into());
    let (welcome, taken) = ([mail("welcome")], [mail("taken")]);
    let made = storage.accounts.sign_up(&SignUp { welcome: &welcome, taken: &taken, ..sign_up(&new) }, at(0), &operator()).await;
    assert_eq!(made.expect("made"), SignedUp::Made(Box::new(ana(&storage).await)));
    assert_eq!(ana(&storage).await, new.user);
    assert_eq!(mails(&storage).await, ["welcome"]);
    assert_eq!(trail(&storage, 1).await, ["user.sign_up operator user:ana done - 1"]);
}

async fn a_taken_address_gets_a_mail_and_no_row(place: &Place) {
    let storage = furnished(place).await;
    let mut twin = user("eva");
    twin.email_canonical = "ana@example.org".to_owned();
    let (welcome, taken) = ([mail("welcome")], [mail("taken")]);
    let sign = |new| SignUp { welcome: &welcome, taken: &taken, number_from: Some("old"), ..sign_up(new) };
    assert_eq!(storage.accounts.sign_up(&sign(&twin), at(1), &operator()).await.expect("told"), SignedUp::EmailTaken);
    assert_eq!(storage.users.find(UserKey::Id("eva")).await.expect("read"), None);
    assert_eq!(mails(&storage).await, ["taken"]);
    assert_eq!(trail(&storage, 1).await, ["user.sign_up operator - refused email_taken 1"]);
    // The name is judged alike, whoever has the address.
    for email in ["ana@example.org", "free@example.org"] {
        let mut same_name = user("eva");
        same_name.email_canonical = email.to_owned();
        same_name.username_canonical = Some("ana".to_owned());
        let again = SignUp { welcome: &welcome, taken: &taken, ..sign_up(&same_name) };
        let refused = storage.accounts.sign_up(&again, at(1), &operator()).await;
        assert!(matches!(refused, Err(StorageError::Conflict("username"))), "{email}: {refused:?}");
    }
    assert_eq!(mails(&storage).await, ["taken"]);
}

async fn an_invitation_makes_one_account(place: &Place) {
    let storage = place.open().await;
    let (first, second, invitation) = (user("ana"), user("eva"), spend(1));
    let invited = |new| SignUp { spend: Some(&invitation), ..sign_up(new) };
    assert!(matches!(storage.accounts.sign_up(&invited(&first), at(0), &operator()).await, Ok(SignedUp::Made(_))));
    assert_eq!(storage.accounts.sign_up(&invited(&second), at(0), &operator()).await.expect("told"), SignedUp::Spent);
    assert_eq!(storage.users.list(None, 10).await.expect("read").len(), 1);
    // A name that is taken does not use it up.
    let (third, mut same_name) = (spend(2), user("eva"));
    same_name.username_canonical = Some("ana".to_owned());
    let refused = storage.accounts.sign_up(&SignUp { spend: Some(&third), ..sign_up(&same_name) }, at(0), &operator()).await;
    assert!(matches!(refused, Err(StorageError::Conflict("username"))), "{refused:?}");
    assert!(!storage.spent.is_spent(&third.digest).await.expect("read"));
    // The first owner by an invitation counts as one.
    let made = storage.accounts.sign_up(&sign_up(&owner("boss")), at(0), &operator()).await;
    assert!(matches!(made, Ok(SignedUp::Made(_))), "{made:?}");
    assert!(storage.users.any_owner().await.expect("read"));
}

async fn an_invitation_holds_while_whoever_made_it_could_make_it(place: &Place) {
    let storage = furnished(place).await;
    let mut admin = user("adm");
    admin.user.roles = vec!["user_admin".to_owned()];
    for new in [&admin, &owner("boss"), &owner("chief")] {
        storage.users.create(new, &operator()).await.expect("new");
    }
    let by = |id| Inviter::Person { id, credential_revision: 0, one_of: &["owner", "user_admin"] };
    let count = std::cell::Cell::new(0);
    let take = async |inviter: Inviter<'_>, roles: &[&str]| {
        count.set(count.get() + 1);
        let (mut new, link) = (user(&format!("n{}", count.get())), spend(count.get()));
        new.user.roles = roles.iter().map(|&role| role.to_owned()).collect();
        let sign_up = SignUp { inviter: Some(inviter), spend: Some(&link), ..sign_up(&new) };
        let done = storage.accounts.sign_up(&sign_up, at(1), &operator()).await.expect("answered");
        let made = matches!(done, SignedUp::Made(_));
        assert!(made || done == SignedUp::Stale, "{done:?}");
        assert_eq!(storage.spent.is_spent(&link.digest).await.expect("read"), made, "what is refused is not used up");
        made
    };
    assert!(take(by("adm"), &["editor", "user_admin"]).await && take(by("boss"), &["owner", "auditor"]).await);
    assert!(!take(by("adm"), &["auditor"]).await && !take(by("adm"), &["owner"]).await && !take(by("nobody"), &[]).await);
    assert_eq!(trail(&storage, 1).await, ["user.sign_up operator - refused stale 3"]);
    assert!(!take(Inviter::Person { id: "boss", credential_revision: 1, one_of: &["owner"] }, &[]).await, "another password since");
    assert!(!take(by("ana"), &[]).await, "an auditor invites nobody");
    assert!(storage.users.set_disabled(Whom::by_id("boss"), true, &[], at(1), &operator()).await.expect("done"));
    assert!(!take(by("boss"), &["owner"]).await && !take(by("boss"), &[]).await);
    assert!(storage.users.set_disabled(Whom::by_id("boss"), false, &[], at(1), &operator()).await.expect("done"));
    assert!(take(by("boss"), &["owner"]).await);
    let mut adm = storage.users.find(UserKey::Id("adm")).await.expect("read").expect("known");
    adm.roles.clear();
    let revised = Revised { user: &adm, email_canonical: &admin.email_canonical, username_canonical: Some("adm") };
    assert!(matches!(storage.accounts.update(&revised, &["user.set_roles"], &[], at(1), &operator()).await, Ok(Updated::Done(_))));
    assert!(!take(by("adm"), &[]).await);
    assert!(storage.accounts.delete(Whom::by_id("boss"), &[], at(1), &operator()).await.expect("done"));
    assert!(!take(by("boss"), &[]).await);
    // A client for itself gives roles of apps.
    let mut crm = client("crm");
    std::sync::Arc::make_mut(&mut crm.client).scope = "openid users:write".to_owned();
    storage.clients.create(&crm, &operator()).await.expect("new");
    let of = |id| Inviter::Client { id, scope: "users:write" };
    assert!(take(of("crm"), &["editor"]).await && !take(of("crm"), &["auditor"]).await);
    assert!(!take(of("app"), &[]).await && !take(of("nothing"), &[]).await);
    crm.disabled_at = Some(at(1));
    assert_eq!(storage.clients.update(&crm, None, &operator()).await.expect("stored"), Saved::Done);
    assert!(!take(of("crm"), &[]).await);
}

async fn numbers_are_given_above_the_highest(place: &Place) {
    let storage = place.open().await;
    let number = async |id: &str, source: &str| {
        let new = user(id);
        let made = storage.accounts.sign_up(&SignUp { number_from: Some(source), ..sign_up(&new) }, at(0), &operator()).await;
        let Ok(SignedUp::Made(made)) = made else { panic!("{made:?}") };
        made.external.iter().map(|external| format!("{} {}", external.source, external.id)).collect::<Vec<_>>()
    };
    assert_eq!(number("a", "old").await, ["old 1"]);
    storage.accounts.raise_counter("old", 41).await.expect("raised");
    storage.accounts.raise_counter("old", 7).await.expect("not lowered");
    assert_eq!(number("b", "old").await, ["old 42"]);
    assert_eq!(number("c", "other").await, ["other 1"]);
    storage.accounts.raise_counter("third", 9).await.expect("raised");
    assert_eq!(number("d", "third").await, ["third 10"]);
    let found = storage.users.find(UserKey::External { source: "old", id: "42" }).await.expect("read").expect("known");
    assert_eq!(found.id, "b");
}

async fn a_person_gets_one_number_of_a_source(place: &Place) {
    let replicas = [furnished(place).await, place.open().await];
    replicas[0].accounts.raise_counter("old", 41).await.expect("raised");
    let numbers = together(16, |worker| {
        let storage = replicas[worker % 2].clone();
        async move {
            let user = storage.accounts.number("ana", "old", at(1), &operator()).await.expect("given").expect("known");
            user.external.into_iter().map(|external| external.id).collect::<Vec<_>>()
        }
    });
    assert!(numbers.await.iter().all(|ids| *ids == ["42"]), "everybody sees the same one");
    assert_eq!(trail(&replicas[0], 2).await[0], "user.number operator user:ana done - 1");
    let found = replicas[1].users.find(UserKey::External { source: "old", id: "42" }).await.expect("read").expect("known");
    assert_eq!((found.id.as_str(), found.external.len()), ("ana", 1));
    let other = replicas[1].accounts.number("ana", "other", at(1), &operator()).await.expect("given").expect("known");
    assert_eq!(other.external.iter().map(|external| external.id.as_str()).collect::<Vec<_>>(), ["42", "1"]);
    assert_eq!(ana(&replicas[0]).await, other);
    assert_eq!(replicas[0].accounts.number("nobody", "old", at(1), &operator()).await.expect("told"), None);
}

async fn a_person_is_found_by_what_another_system_called_them(place: &Place) {
    let storage = place.open().await;
    let named = |source: &str, id: &str| ExternalId { source: source.to_owned(), id: id.to_owned() };
    let mut new = user("ana");
    new.user.external = vec![named("django", "17"), named("flask", "17")];
    storage.users.create(&new, &operator()).await.expect("new");
    for source in ["django", "flask"] {
        let found = storage.users.find(UserKey::External { source, id: "17" }).await.expect("read").expect("known");
        assert_eq!(found, new.user);
    }
    assert_eq!(storage.users.find(UserKey::External { source: "rails", id: "17" }).await.expect("read"), None);
    assert_eq!(storage.users.find(UserKey::External { source: "django", id: "1" }).await.expect("read"), None);
    let mut twin = user("eva");
    twin.user.external = vec![named("django", "17")];
    let refused = storage.users.create(&twin, &operator()).await;
    assert!(matches!(refused, Err(StorageError::Conflict("external_id"))), "{refused:?}");
    assert_eq!(storage.users.find(UserKey::Id("eva")).await.expect("read"), None, "nothing is half done");
}

async fn people_are_searched(place: &Place) {
    let storage = place.open().await;
    for (id, name) in [("a1", "Ana Núñez"), ("b2", "100% Pérez"), ("c3", "under_score")] {
        let mut new = user(id);
        new.user.name = Some(name.to_owned());
        new.user.email_verified = id != "c3";
        if id == "b2" {
            new.user.roles = vec!["owner".to_owned(), "app_x".to_owned()];
            new.user.external = vec![ExternalId { source: "old".to_owned(), id: "4711".to_owned() }];
        }
        storage.users.create(&new, &operator()).await.expect("new");
    }
    storage.users.set_disabled(Whom::by_id("a1"), true, &[], at(1), &operator()).await.expect("done");
    let found = async |search: Search<'_>| {
        let people = storage.accounts.search(&Search { limit: if search.limit == 0 { 10 } else { search.limit }, ..search }).await;
        people.expect("read").into_iter().map(|user| user.id).collect::<Vec<_>>().join(" ")
    };
    let all = Search::default();
    assert_eq!(found(all).await, "a1 b2 c3");
    assert_eq!(found(Search { limit: 2, ..all }).await, "a1 b2");
    assert_eq!(found(Search { after: Some("b2"), ..all }).await, "c3");
    for (q, whom) in [
        ("nunez", "a1"),
        ("ÑÚÑEZ", "a1"),
        ("NÚÑEZ", "a1"),
        ("PEREZ", "b2"),
        ("%", "b2"),
        ("_", "c3"),
        ("100%", "b2"),
        ("\\", ""),
        ("' OR 1=1 --", ""),
        ("B2@example", "b2"),
        ("example.org", "a1 b2 c3"),
        ("C3", "c3"),
        ("c3", "c3"),
        ("4711", "b2"),
        ("471", ""),
        ("  ", "a1 b2 c3"),
    ] {
        assert_eq!(found(Search { q: Some(q), ..all }).await, whom, "{q}");
    }
    let mut new = user("d4");
    (new.user.email, new.email_canonical) = ("Peña@España.example".to_owned(), "peña@xn--espaa-rta.example".to_owned());
    new.username_canonical = Some("strasse".to_owned());
    storage.users.create(&new, &operator()).await.expect("new");
    for (q, canonical, whom) in [
        ("Peña@España.example", Some("peña@xn--espaa-rta.example"), "d4"),
        ("españa", None, "d4"),
        ("pen\u{303}a@", None, "d4"),
        ("xn--espaa", None, "d4"),
        ("Straße", Some("strasse"), "d4"),
        ("Straße", None, ""),
    ] {
        assert_eq!(found(Search { q: Some(q), canonical, ..all }).await, whom, "{q}");
    }
    assert!(storage.accounts.delete(Whom::by_id("d4"), &[], at(1), &operator()).await.expect("done"));
    assert_eq!(found(Search { role: Some("owner"), ..all }).await, "b2");
    assert_eq!(found(Search { role: Some("OWNER"), ..all }).await, "", "a role has one spelling");
    assert_eq!(found(Search { role: Some("app_x"), ..all }).await, "b2");
    assert_eq!(found(Search { role: Some("app-x"), ..all }).await, "");
    assert_eq!(found(Search { role: Some("own"), ..all }).await, "");
    assert_eq!(found(Search { disabled: Some(true), ..all }).await, "a1");
    assert_eq!(found(Search { disabled: Some(false), ..all }).await, "b2 c3");
    assert_eq!(found(Search { email_verified: Some(false), ..all }).await, "c3");
    assert_eq!(found(Search { source: Some("old"), ..all }).await, "b2");
    assert_eq!(found(Search { source: Some("new"), ..all }).await, "");
    assert_eq!(found(Search { q: Some("example"), disabled: Some(false), role: Some("auditor"), ..all }).await, "c3");
}

async fn a_profile_changes_from_the_revision_it_was_read_at(place: &Place) {
    let storage = furnished(place).await;
    storage.users.create(&user("eva"), &operator()).await.expect("new");
    let read = ana(&storage).await;
    let mut user = read.clone();
    user.name = Some("Ana Ñ".to_owned());
    user.attributes.insert("xp_total".to_owned(), 12.into());
    user.username = None;
    let revised = Revised { user: &user, email_canonical: "ana@example.org", username_canonical: None };
    let changed = storage.accounts.update(&revised, &["user.update"], &[mail("m1")], at(5), &person("ana")).await.expect("done");
    let Updated::Done(now) = changed else { panic!("{changed:?}") };
    assert_eq!((now.name.as_deref(), now.username.as_deref(), now.revision), (Some("Ana Ñ"), None, read.revision + 1));
    assert_eq!((now.attributes["xp_total"].as_i64(), now.updated_at, now.credential_revision), (Some(12), at(5), read.credential_revision));
    assert_eq!(*now, ana(&storage).await);
    assert_eq!(storage.users.find(UserKey::Identifier("ana")).await.expect("read"), None);
    assert_eq!(trail(&storage, 1).await, ["user.update person:ana user:ana done - 1"]);
    // Made from what was read before the change: nothing happens, no mail goes.
    let stale = storage.accounts.update(&revised, &["user.update"], &[mail("m2")], at(6), &person("ana")).await.expect("answered");
    assert_eq!(stale, Updated::Stale);
    let mut nobody = user.clone();
    nobody.id = "nobody".to_owned();
    let unknown = Revised { user: &nobody, email_canonical: "n@example.org", username_canonical: None };
    assert_eq!(storage.accounts.update(&unknown, &["user.update"], &[], at(6), &operator()).await.expect("answered"), Updated::Unknown);
    assert_eq!(mails(&storage).await, ["m1"]);
    // Names of others stay theirs.
    for (email_canonical, username_canonical, member) in [("eva@example.org", None, "email"), ("ana@example.org", Some("eva"), "username")]
    {
        let revised = Revised { user: &now, email_canonical, username_canonical };
        let refused = storage.accounts.update(&revised, &["user.update"], &[], at(7), &operator()).await;
        assert!(matches!(refused, Err(StorageError::Conflict(taken)) if taken == member), "{member}");
    }
    // Another address ends what hangs from this one.
    let revised = Revised { user: &now, email_canonical: "ana@new.example", username_canonical: None };
    let changed = storage.accounts.update(&revised, &["user.update"], &[], at(8), &operator()).await.expect("done");
    assert!(matches!(&changed, Updated::Done(user) if user.credential_revision == now.credential_revision + 1), "{changed:?}");
    assert!(storage.users.find(UserKey::Identifier("ana@new.example")).await.expect("read").is_some());
}

async fn an_address_is_verified_while_it_is_theirs(place: &Place) {
    let storage = place.open().await;
    let mut new = user("ana");
    new.user.email_verified = false;
    storage.users.create(&new, &operator()).await.expect("new");
    let verify = async |address: &str, n: Option<u32>| {
        let spend = n.map(spend);
        storage.accounts.set_verified(&proof("ana", address), spend.as_ref(), &[], at(10), &person("ana")).await.expect("answered")
    };
    assert_eq!(verify("other@example.org", Some(1)).await, Consumed::Stale);
    assert!(!ana(&storage).await.email_verified);
    assert_eq!(trail(&storage, 1).await, ["user.verify_email person:ana user:ana refused stale 1"]);
    assert_eq!(verify("ana@example.org", Some(2)).await, Consumed::Done);
    assert!(ana(&storage).await.email_verified);
    assert_eq!(trail(&storage, 1).await, ["user.verify_email person:ana user:ana done - 1"]);
    assert_eq!(verify("ana@example.org", Some(2)).await, Consumed::Spent);
    // The code of the same mail, after its link: it is what was asked for, and no second act.
    assert_eq!(verify("ana@example.org", None).await, Consumed::Already);
    assert_eq!(trail(&storage, 1).await, ["user.verify_email person:ana user:ana refused used 1"]);
    // Somebody who is not confirmed, and has another password since the link was made.
    let mut new = user("eva");
    new.user.email_verified = false;
    storage.users.create(&new, &operator()).await.expect("new");
    let hash = NewHash { hash: "$new", credential_revision: 0, keep_session: None };
    assert!(storage.accounts.change_password("eva", &hash, &[], at(11), &person("eva")).await.expect("done"));
    let late = async |credential_revision| {
        let proof = AddressProof { credential_revision, ..proof("eva", "eva@example.org") };
        storage.accounts.set_verified(&proof, None, &[], at(12), &person("eva")).await.expect("answered")
    };
    // What is out of date, or tried while they are kept out, is not used up.
    assert!(storage.users.set_disabled(Whom::by_id("eva"), true, &[], at(12), &operator()).await.expect("done"));
    let link = spend(9);
    let kept = storage.accounts.set_verified(&proof("eva", "eva@example.org"), Some(&link), &[], at(12), &person("eva")).await;
    assert!(kept.expect("answered") == Consumed::Stale && !storage.spent.is_spent(&link.digest).await.expect("read"));
    assert!(storage.users.set_disabled(Whom::by_id("eva"), false, &[], at(12), &operator()).await.expect("done"));
    assert_eq!((late(0).await, late(1).await, late(0).await), (Consumed::Stale, Consumed::Done, Consumed::Already));
}

fn address(revision: i64, address: &'static str) -> NewAddress<'static> {
    NewAddress { user_id: "ana", credential_revision: revision, address, canonical: address }
}

async fn an_address_changes_once_and_comes_back(place: &Place) {
    let storage = furnished(place).await;
    storage.users.create(&user("eva"), &operator()).await.expect("new");
    let before = ana(&storage).await.credential_revision;
    let (accounts, by) = (&storage.accounts, person("ana"));
    let taken = accounts.change_email(&address(before, "eva@example.org"), &spend(1), &[mail("m1")], at(5), &by).await;
    assert!(matches!(taken, Err(StorageError::Conflict("email"))), "{taken:?}");
    let done = accounts.change_email(&address(before, "ana@new.example"), &spend(2), &[mail("m2")], at(5), &by).await;
    assert_eq!(done.expect("done"), Consumed::Done);
    let now = ana(&storage).await;
    assert_eq!((now.email.as_str(), now.email_verified, now.credential_revision), ("ana@new.example", true, before + 1));
    let again = accounts.change_email(&address(before + 1, "ana@third.example"), &spend(2), &[mail("m3")], at(6), &by).await;
    assert_eq!(again.expect("answered"), Consumed::Spent);
    let stale = accounts.change_email(&address(before, "ana@third.example"), &spend(3), &[mail("m4")], at(6), &by).await;
    assert_eq!(stale.expect("answered"), Consumed::Stale);
    assert!(storage.sessions.find(&digest(1), IDLE, at(7)).await.expect("read").is_some(), "a change of address signs nobody out");
    // Undone: whatever happened since, and whoever is in is out.
    let undone = accounts.restore_email(&address(0, "ana@example.org"), &spend(4), &[mail("m5")], at(8), &by).await;
    assert_eq!(undone.expect("done"), Consumed::Done);
    let now = ana(&storage).await;
    assert_eq!((now.email.as_str(), now.email_verified, now.reset_required), ("ana@example.org", true, true));
    assert_eq!(now.credential_revision, before + 2);
    assert_eq!(storage.sessions.find(&digest(1), IDLE, at(9)).await.expect("read"), None);
    let again = accounts.restore_email(&address(0, "ana@example.org"), &spend(4), &[], at(9), &by).await;
    assert_eq!(again.expect("answered"), Consumed::Spent);
    let gone = NewAddress { user_id: "nobody", ..address(0, "n@example.org") };
    assert_eq!(accounts.restore_email(&gone, &spend(5), &[], at(9), &by).await.expect("answered"), Consumed::Stale);
    assert_eq!(mails(&storage).await, ["m2", "m5"]);
}

async fn a_password_changes_from_the_one_that_was_proved(place: &Place) {
    let storage = furnished(place).await;
    storage.sessions.start(&session("s2", "ana", at(0)), &digest(2), None, &person("ana")).await.expect("started");
    storage.grants.open(&grant(1, Some("s1")), None, &person("ana")).await.expect("opened");
    let revision = ana(&storage).await.credential_revision;
    let new = NewHash { hash: "$new", credential_revision: revision, keep_session: Some("s1") };
    assert!(storage.accounts.change_password("ana", &new, &[mail("m1")], at(5), &person("ana")).await.expect("done"));
    assert_eq!(hash(&storage, "ana").await, "$new");
    let now = ana(&storage).await;
    assert_eq!((now.password_changed_at, now.credential_revision), (Some(at(5)), revision + 1));
    assert!(storage.sessions.find(&digest(1), IDLE, at(6)).await.expect("read").is_some());
    assert_eq!(storage.sessions.find(&digest(2), IDLE, at(6)).await.expect("read"), None);
    assert!(storage.grants.find(&grant_id(1)).await.expect("read").expect("known").revoked_at.is_some());
    assert_eq!(trail(&storage, 1).await, ["user.change_password person:ana user:ana done - 1"]);
    let late = NewHash { hash: "$late", ..new };
    assert!(!storage.accounts.change_password("ana", &late, &[mail("m2")], at(6), &person("ana")).await.expect("answered"));
    assert_eq!((hash(&storage, "ana").await.as_str(), mails(&storage).await), ("$new", vec!["m1".to_owned()]));
}

async fn the_grant_in_which_a_password_is_changed_goes_on(place: &Place) {
    let storage = furnished(place).await;
    for n in [1, 2] {
        storage.grants.open(&grant(n, None), None, &person("ana")).await.expect("opened");
    }
    let (revision, kept) = (ana(&storage).await.credential_revision, grant_id(1).hex());
    let new = NewHash { hash: "$new", credential_revision: revision, keep_session: Some(&kept) };
    assert!(storage.accounts.change_password("ana", &new, &[], at(5), &person("ana")).await.expect("done"));
    assert_eq!(storage.sessions.find(&digest(1), IDLE, at(6)).await.expect("read"), None);
    let revoked = async |n| storage.grants.find(&grant_id(n)).await.expect("read").expect("known").revoked_at;
    assert_eq!((revoked(1).await, revoked(2).await), (None, Some(at(5))));
}

async fn a_password_is_reset_once(place: &Place) {
    let storage = furnished(place).await;
    assert!(storage.accounts.require_reset(Whom::by_id("ana"), &[], at(1), &operator()).await.expect("done"));
    let revision = ana(&storage).await.credential_revision;
    let reset = async |hash: &str, revision: i64, n: u32, at: Time| {
        let new = NewHash { hash, credential_revision: revision, keep_session: None };
        storage
            .accounts
            .reset_password("ana", &new, &spend(n), ResetMails { done: &[mail(hash)], nameless: &[] }, at, &person("ana"))
            .await
            .expect("answered")
    };
    assert_eq!(reset("$a", revision, 1, at(5)).await, Consumed::Done);
    let now = ana(&storage).await;
    assert!(!now.reset_required && now.email_verified);
    assert_eq!((hash(&storage, "ana").await.as_str(), now.password_changed_at), ("$a", Some(at(5))));
    assert_eq!(reset("$b", revision + 1, 1, at(6)).await, Consumed::Spent);
    // Every other link of the time before is dead.
    assert_eq!(reset("$c", revision, 2, at(6)).await, Consumed::Stale);
    // PR-12: an administrator's word stands.
    storage.users.set_disabled(Whom::by_id("ana"), true, &[], at(7), &operator()).await.expect("done");
    assert_eq!(reset("$d", revision + 1, 3, at(8)).await, Consumed::Stale);
    assert_eq!((hash(&storage, "ana").await.as_str(), mails(&storage).await), ("$a", vec!["$a".to_owned()]));
    // What led nowhere meanwhile was not used up; what was used is told so, though it is out of date as well.
    storage.users.set_disabled(Whom::by_id("ana"), false, &[], at(9), &operator()).await.expect("done");
    assert_eq!(reset("$e", revision + 1, 3, at(10)).await, Consumed::Done);
    assert_eq!(reset("$f", revision + 1, 3, at(11)).await, Consumed::Spent);
    let now = ana(&storage).await.credential_revision;
    let change = async |at: Time| {
        storage.accounts.change_email(&address(now, "ana@new.example"), &spend(4), &[], at, &person("ana")).await.expect("answered")
    };
    storage.users.set_disabled(Whom::by_id("ana"), true, &[], at(12), &operator()).await.expect("done");
    assert_eq!(change(at(13)).await, Consumed::Stale);
    storage.users.set_disabled(Whom::by_id("ana"), false, &[], at(14), &operator()).await.expect("done");
    assert_eq!((change(at(15)).await, change(at(16)).await), (Consumed::Done, Consumed::Spent));
}

async fn a_required_reset_ends_everything(place: &Place) {
    let storage = furnished(place).await;
    let mut offline = grant(1, Some("s1"));
    offline.offline = true;
    storage.grants.open(&offline, None, &person("ana")).await.expect("opened");
    assert!(storage.accounts.require_reset(Whom::by_id("ana"), &[mail("m1")], at(5), &operator()).await.expect("done"));
    assert!(ana(&storage).await.reset_required);
    assert_eq!(storage.sessions.find(&digest(1), IDLE, at(6)).await.expect("read"), None);
    assert!(storage.grants.find(&grant_id(1)).await.expect("read").expect("known").revoked_at.is_some());
    assert_eq!(trail(&storage, 1).await, ["user.require_reset operator user:ana done - 1"]);
    assert!(!storage.accounts.require_reset(Whom::by_id("nobody"), &[mail("m2")], at(5), &operator()).await.expect("answered"));
    assert_eq!(mails(&storage).await, ["m1"]);
    // A password that is set by other means is a new one, too.
    assert!(storage.users.set_password("ana", "$set", None, &[], at(7), &operator()).await.expect("done"));
    let now = ana(&storage).await;
    assert!(!now.reset_required && now.password_changed_at == Some(at(7)) && now.credential_revision == 1);
    storage.sessions.start(&session("s3", "ana", at(8)), &digest(3), None, &person("ana")).await.expect("started");
    for at in [at(9), at(10)] {
        assert!(
            storage.accounts.end_everything(Whom::by_id("ana"), &[mail("m3")], at, &operator()).await.expect("done"),
            "told of what ended, once"
        );
    }
    assert_eq!(mails(&storage).await, ["m1", "m3"]);
    assert_eq!(storage.sessions.find(&digest(3), IDLE, at(10)).await.expect("read"), None);
    assert_eq!(trail(&storage, 1).await, ["user.end_sessions operator user:ana done - 1"]);
    assert!(!storage.accounts.end_everything(Whom::by_id("nobody"), &[mail("m4")], at(9), &operator()).await.expect("answered"));
}

async fn a_deleted_person_leaves_nothing(place: &Place) {
    let storage = furnished(place).await;
    storage.grants.open(&grant(1, Some("s1")), None, &person("ana")).await.expect("opened");
    storage.consents.allow("ana", "app", "openid", at(0), &person("ana")).await.expect("done");
    let mut eva = user("eva");
    eva.user.external = vec![ExternalId { source: "old".to_owned(), id: "5".to_owned() }];
    storage.users.create(&eva, &operator()).await.expect("new");
    assert!(storage.accounts.delete(Whom::by_id("eva"), &[], at(4), &operator()).await.expect("done"));
    assert_eq!(storage.users.find(UserKey::External { source: "old", id: "5" }).await.expect("read"), None);
    assert!(storage.accounts.delete(Whom::by_id("ana"), &[mail("bye")], at(5), &person("ana")).await.expect("done"));
    assert_eq!(storage.users.find(UserKey::Identifier("ana@example.org")).await.expect("read"), None);
    assert_eq!(storage.sessions.find(&digest(1), IDLE, at(6)).await.expect("read"), None);
    assert_eq!(storage.grants.find(&grant_id(1)).await.expect("read"), None);
    assert_eq!(storage.consents.find("ana", "app").await.expect("read"), None);
    assert_eq!(trail(&storage, 1).await, ["user.delete person:ana user:ana done - 1"]);
    assert!(!storage.accounts.delete(Whom::by_id("ana"), &[mail("again")], at(6), &operator()).await.expect("answered"));
    assert_eq!(mails(&storage).await, ["bye"]);
    // Both names are free again.
    let mut new = user("other");
    new.email_canonical = "ana@example.org".to_owned();
    new.username_canonical = Some("ana".to_owned());
    storage.users.create(&new, &operator()).await.expect("new");
}

async fn the_last_owner_stays(place: &Place) {
    let storage = place.open().await;
    storage.users.create(&owner("boss"), &operator()).await.expect("new");
    let boss = storage.users.find(UserKey::Id("boss")).await.expect("read").expect("known");
    let mut demoted = boss.clone();
    demoted.roles = vec!["auditor".to_owned()];
    let demoted = Revised { user: &demoted, email_canonical: "boss@example.org", username_canonical: Some("boss") };
    let last = |result: Result<_, StorageError>| matches!(result, Err(StorageError::LastOwner));
    let act = operator();
    assert!(last(storage.users.set_disabled(Whom::by_id("boss"), true, &[], at(1), &act).await.map(drop)));
    assert!(last(storage.accounts.delete(Whom::by_id("boss"), &[], at(1), &act).await.map(drop)));
    assert!(last(storage.accounts.update(&demoted, &["user.set_roles"], &[], at(1), &act).await.map(drop)));
    // An owner who cannot sign in does not count.
    storage.users.create(&owner("second"), &operator()).await.expect("new");
    assert!(storage.users.set_disabled(Whom::by_id("second"), true, &[], at(2), &act).await.expect("done"));
    assert!(last(storage.users.set_disabled(Whom::by_id("boss"), true, &[], at(3), &act).await.map(drop)));
    assert!(storage.users.set_disabled(Whom::by_id("second"), false, &[], at(4), &act).await.expect("done"));
    let changed = storage.accounts.update(&demoted, &["user.set_roles"], &[], at(5), &act).await.expect("done");
    assert!(matches!(&changed, Updated::Done(user) if user.roles == ["auditor"]), "{changed:?}");
    assert_eq!(trail(&storage, 1).await, ["user.set_roles operator user:boss done - 1"]);
    assert!(last(storage.accounts.delete(Whom::by_id("second"), &[], at(6), &act).await.map(drop)));
    // Whoever is no owner any more may go.
    assert!(storage.accounts.delete(Whom::by_id("boss"), &[], at(7), &act).await.expect("done"));
}

async fn what_was_spent_stays_spent(place: &Place) {
    let storage = place.open().await;
    let subject = Some("token:t1".to_owned());
    assert!(!storage.spent.is_spent(&digest(1)).await.expect("read"));
    assert!(storage.spent.spend(&spend(1), "token.consume", subject.clone(), at(0), &operator()).await.expect("first"));
    assert_eq!(trail(&storage, 1).await, ["token.consume operator token:t1 done - 1"]);
    assert!(!storage.spent.spend(&spend(1), "token.consume", subject, at(1), &operator()).await.expect("second"));
    assert_eq!(trail(&storage, 1).await, ["token.consume operator token:t1 refused used 1"]);
    assert!(storage.spent.is_spent(&digest(1)).await.expect("read"));
    let day = 24 * 3600;
    assert_eq!(storage.spent.clean(at(3600 + day - 1)).await.expect("done"), 0);
    assert_eq!(storage.spent.clean(at(3600 + day)).await.expect("done"), 1);
    assert!(!storage.spent.is_spent(&digest(1)).await.expect("read"));
}

async fn a_sign_up_that_nobody_confirmed_has_no_name(place: &Place) {
    let storage = place.open().await;
    let pending = |id: &str| {
        let mut new = user(id);
        new.user.pending = true;
        new.user.email_verified = false;
        (new.user.username, new.username_canonical) = (Some("Flor".to_owned()), Some("flor".to_owned()));
        new
    };
    for id in ["ana", "eva", "luz", "sol", "mar", "bea"] {
        let made = storage.accounts.sign_up(&sign_up(&pending(id)), at(0), &operator()).await;
        let Ok(SignedUp::Made(made)) = made else { panic!("{made:?}") };
        let stored = storage.users.find(UserKey::Id(id)).await.expect("read").expect("made");
        assert!(stored == *made && made.pending && made.username.is_none());
    }
    let named = async || storage.users.find(UserKey::Identifier("flor")).await.expect("read").map(|user| user.id);
    assert_eq!(named().await, None);
    let confirmed = async |id: &str| {
        let done = storage
            .accounts
            .set_verified(&proof(id, &format!("{id}@example.org")), None, &[mail(&format!("nameless-{id}"))], at(1), &operator())
            .await;
        let user = storage.users.find(UserKey::Id(id)).await.expect("read").expect("known");
        (done.expect("no fault"), user.pending, user.email_verified, user.username)
    };
    assert_eq!(confirmed("eva").await, (Consumed::Done, false, true, Some("Flor".to_owned())));
    assert_eq!(confirmed("ana").await, (Consumed::Nameless, false, true, None));
    assert_eq!(mails(&storage).await, ["nameless-ana"], "whoever comes second is told");
    assert_eq!(named().await.as_deref(), Some("eva"));
    assert!(storage.accounts.delete(Whom::by_id("eva"), &[], at(2), &operator()).await.expect("done"));
    // A new password by a link, by the operator, or an administrator's word confirms as well; what was asked for before is not asked for again.
    assert_eq!(confirmed("ana").await, (Consumed::Already, false, true, None));
    let new = NewHash { hash: "$new", credential_revision: 0, keep_session: None };
    assert_eq!(
        storage
            .accounts
            .reset_password("luz", &new, &spend(1), ResetMails { done: &[], nameless: &[mail("nameless-luz")] }, at(3), &operator())
            .await
            .expect("done"),
        Consumed::Done
    );
    assert_eq!(named().await.as_deref(), Some("luz"));
    // The same by a reset.
    let told = ResetMails { done: &[mail("reset")], nameless: &[mail("nameless-bea")] };
    assert_eq!(storage.accounts.reset_password("bea", &new, &spend(2), told, at(3), &operator()).await.expect("done"), Consumed::Nameless);
    assert_eq!(mails(&storage).await, ["nameless-ana", "nameless-bea", "reset"]);
    assert!(storage.accounts.delete(Whom::by_id("luz"), &[], at(4), &operator()).await.expect("done"));
    assert!(storage.users.set_password("sol", "$new", None, &[], at(5), &operator()).await.expect("done"));
    assert_eq!(named().await.as_deref(), Some("sol"));
    assert!(storage.accounts.delete(Whom::by_id("sol"), &[], at(6), &operator()).await.expect("done"));
    let mut mar = storage.users.find(UserKey::Id("mar")).await.expect("read").expect("known");
    for verified in [false, true] {
        mar.email_verified = verified;
        let revised = Revised { user: &mar, email_canonical: "mar@example.org", username_canonical: None };
        let Updated::Done(done) = storage.accounts.update(&revised, &["user.update"], &[], at(7), &operator()).await.expect("done") else {
            panic!("nobody else changed it")
        };
        assert_eq!((done.pending, done.username.is_some()), (!verified, verified));
        mar = *done;
    }
    assert_eq!(named().await.as_deref(), Some("mar"));
}

async fn a_number_is_drawn_for_a_taken_address_as_well(place: &Place) {
    let storage = furnished(place).await;
    let mut twin = user("eva");
    twin.email_canonical = "ana@example.org".to_owned();
    let drawn = |new| SignUp { number_from: Some("old"), ..sign_up(new) };
    assert_eq!(storage.accounts.sign_up(&drawn(&twin), at(1), &operator()).await.expect("told"), SignedUp::EmailTaken);
    let made = storage.accounts.sign_up(&drawn(&user("luz")), at(2), &operator()).await.expect("made");
    let SignedUp::Made(luz) = made else { panic!("{made:?}") };
    assert_eq!(luz.external, [ExternalId { source: "old".to_owned(), id: "2".to_owned() }], "as if the one before had been made");
}

async fn an_invited_person_takes_the_place_of_one_that_nobody_confirmed(place: &Place) {
    let storage = place.open().await;
    let (mut squatter, mut invited) = (user("eva"), user("luz"));
    (squatter.user.pending, squatter.user.email_verified) = (true, false);
    (squatter.username_canonical, squatter.user.username) = (None, None);
    squatter.user.roles.clear();
    invited.email_canonical = squatter.email_canonical.clone();
    assert!(matches!(storage.accounts.sign_up(&sign_up(&squatter), at(0), &operator()).await, Ok(SignedUp::Made(_))));
    let mut again = user("sol");
    (again.user.pending, again.user.email_verified) = (true, false);
    again.email_canonical = squatter.email_canonical.clone();
    let again = SignUp { waiting: Some("eva"), ..sign_up(&again) };
    assert!(matches!(storage.accounts.sign_up(&again, at(0), &operator()).await, Ok(SignedUp::EmailTaken)));
    assert!(matches!(storage.accounts.sign_up(&sign_up(&invited), at(0), &operator()).await, Ok(SignedUp::Made(_))));
    assert_eq!(storage.users.find(UserKey::Id("eva")).await.expect("read"), None);
}

/// ST-06: whoever was deleted while something of theirs was under way gets the answer of somebody who is not there, and no row.
async fn st_06_nothing_begins_for_somebody_who_was_deleted(place: &Place) {
    let storage = furnished(place).await;
    storage.users.create(&user("eva"), &operator()).await.expect("new");
    assert!(storage.accounts.delete(Whom::by_id("ana"), &[], at(1), &operator()).await.expect("done"));
    let by = person("ana");
    for replaces in [None, Some("s1")] {
        let started = storage.sessions.start(&session("s2", "ana", at(2)), &digest(2), replaces, &by).await.expect("no fault");
        assert_eq!(started, None, "{replaces:?}");
        let proof = Proof::of("$argon2id$old");
        let proved = storage.sessions.start_proved(&session("s3", "ana", at(2)), &digest(3), replaces, &proof, &by).await;
        assert_eq!(proved.expect("no fault"), None, "{replaces:?}");
    }
    assert!(!storage.consents.allow("ana", "app", "openid", at(2), &by).await.expect("no fault"));
    assert!(!storage.consents.allow("eva", "nothing", "openid", at(2), &by).await.expect("no fault"), "nor for a client that is gone");
    for (n, code) in [(1, None), (2, Some(digest(100)))] {
        let opened = storage.grants.open(&grant(n, Some("s1")), code.as_ref(), &by).await.expect("no fault");
        assert_eq!(opened, Opened::Nobody);
        assert_eq!(storage.grants.find(&grant_id(n)).await.expect("read"), None);
    }
    let opened = storage.grants.open_by_code(&grant(3, Some("s1")), by_code(&digest(101), IDLE), &by).await.expect("no fault");
    assert_eq!(opened, OpenedByCode::Over);
    assert!(!storage.grants.open_proved(&grant(4, None), &Proof::of("$argon2id$old"), &by).await.expect("no fault"));
    let new = NewHash { hash: "$new", credential_revision: 0, keep_session: None };
    let change = NewAddress { user_id: "ana", credential_revision: 0, address: "a@b.example", canonical: "a@b.example" };
    let accounts = &storage.accounts;
    assert_eq!(
        accounts.reset_password("ana", &new, &spend(1), ResetMails::default(), at(3), &by).await.expect("no fault"),
        Consumed::Stale
    );
    assert_eq!(
        accounts.set_verified(&proof("ana", "ana@example.org"), Some(&spend(2)), &[], at(3), &by).await.expect("no fault"),
        Consumed::Stale
    );
    assert_eq!(accounts.change_email(&change, &spend(3), &[], at(3), &by).await.expect("no fault"), Consumed::Stale);
    assert_eq!(accounts.restore_email(&change, &spend(4), &[], at(3), &by).await.expect("no fault"), Consumed::Stale);
    assert!(!accounts.change_password("ana", &new, &[], at(3), &by).await.expect("no fault"));
    assert_eq!(accounts.number("ana", "old", at(3), &by).await.expect("no fault"), None);
    assert!(storage.sessions.of("ana", IDLE, at(4)).await.expect("read").is_empty());
    assert!(storage.consents.connections("ana", at(4)).await.expect("read").is_empty());
}

async fn an_unlocked_account_starts_afresh(place: &Place) {
    let storage = furnished(place).await;
    // Its names, whose keys are known, and its browsers, which only the account knows.
    for (key, account) in [(1, Some(digest(7))), (2, Some(digest(7))), (3, Some(digest(8))), (4, None)] {
        for _ in 0..10 {
            storage.attempts.admit_of(&digest(key), account.as_ref(), at(0)).await.expect("answered");
        }
    }
    assert!(storage.attempts.forget(&digest(7), &[], Whom::by_id("ana"), at(1), &operator()).await.expect("done"));
    assert!(!storage.attempts.forget(&digest(8), &[], Whom::by_id("nobody"), at(1), &operator()).await.expect("answered"));
    for (key, open) in [(1, true), (2, true), (3, false), (4, false)] {
        let answer = storage.attempts.admit(&digest(key), at(2)).await.expect("answered");
        assert_eq!(answer == super::super::durable::Admission::Admitted, open, "{key}");
    }
    storage.attempts.succeeded(&[digest(3), digest(4)]).await.expect("done");
    for key in [3, 4] {
        assert_eq!(storage.attempts.admit(&digest(key), at(2)).await.expect("answered"), super::super::durable::Admission::Admitted);
    }
    for _ in 0..10 {
        storage.attempts.admit(&digest(5), at(0)).await.expect("answered");
    }
    assert!(matches!(storage.attempts.admit(&digest(5), at(1)).await.expect("answered"), super::super::durable::Admission::Locked { .. }));
    storage.attempts.forget(&digest(7), &[digest(5), digest(6)], Whom::by_id("ana"), at(2), &operator()).await.expect("done");
    assert_eq!(storage.attempts.admit(&digest(5), at(3)).await.expect("answered"), super::super::durable::Admission::Admitted);
    assert_eq!(trail(&storage, 1).await, ["user.unlock operator user:ana done - 1"]);
}

async fn sessions_and_connections_of_a_person(place: &Place) {
    let storage = furnished(place).await;
    storage.users.create(&user("eva"), &operator()).await.expect("new");
    storage.clients.create(&client("other"), &operator()).await.expect("new");
    for (id, user_id, n, seen) in [("s2", "ana", 2, 30), ("s3", "eva", 3, 0), ("s4", "ana", 4, 60)] {
        storage.sessions.start(&session(id, user_id, at(seen)), &digest(n), None, &person(user_id)).await.expect("started");
    }
    storage.sessions.end("s4", at(70), &person("ana")).await.expect("done");
    let ids = async |now: Time| {
        let sessions = storage.sessions.of("ana", IDLE, now).await.expect("read");
        sessions.into_iter().map(|session| session.id).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(ids(at(80)).await, "s2 s1");
    assert_eq!(ids(at(24 * 3600 + 10)).await, "s2", "the other one idled");
    storage.consents.allow("ana", "app", "openid email", at(10), &person("ana")).await.expect("done");
    storage.grants.open(&grant(1, Some("s1")), None, &person("ana")).await.expect("opened");
    for (n, scope) in [(2, "openid"), (3, "openid roles")] {
        let mut elsewhere = grant(n, Some("s1"));
        elsewhere.client_id = "other".to_owned();
        elsewhere.scope = scope.to_owned();
        elsewhere.created_at = at(i64::from(n));
        elsewhere.rotated_at = at(100 * i64::from(n));
        storage.grants.open(&elsewhere, None, &person("ana")).await.expect("opened");
    }
    let shown = async || {
        let connections = storage.consents.connections("ana", at(400)).await.expect("read");
        connections.into_iter().map(|c| (c.client_id, c.scope, c.since, c.last_used)).collect::<Vec<_>>()
    };
    let app = ("app".to_owned(), "openid email".to_owned(), at(10), Some(at(0)));
    let other = ("other".to_owned(), "openid roles".to_owned(), at(2), Some(at(300)));
    assert_eq!(shown().await, [app.clone(), other]);
    assert!(storage.consents.withdraw("ana", "other", at(410), &person("ana")).await.expect("its grants are revoked"));
    assert_eq!(shown().await, [app]);
    assert!(storage.consents.withdraw("ana", "app", at(420), &person("ana")).await.expect("done"));
    assert!(shown().await.is_empty());
    assert!(storage.consents.connections("eva", at(400)).await.expect("read").is_empty());
}
