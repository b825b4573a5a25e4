//! The contract of sign-ups that nobody confirmed: who takes their place, when they go, and who wins at the same moment.

use std::time::Duration;

use super::super::durable::imports::{Arrival, Batch, Became, Note};
use super::super::durable::{
    Consumed, ExternalId, NewAddress, NewHash, NewUser, PENDING, ResetMails, Revised, SignUp, SignedUp, Updated, User, UserKey, Whom,
};
use super::super::{Storage, StorageError, Time};
use super::accounts::{mail, mails, proof, sign_up, spend};
use super::races::{Replicas, count};
use super::{Place, at, furnished, on_every_database, operator, owner, person, trail, user};

const ROUNDS: u32 = 40;

on_every_database!(
    a_sign_up_beside_another_is_asked_for_again,
    whoever_is_sure_of_an_address_takes_it,
    what_an_administrator_said_of_a_sign_up_stands,
    an_import_takes_the_place_of_a_sign_up,
    a_sign_up_goes_a_week_after_its_last_mail,
    of_a_confirmation_and_whoever_is_sure_one_has_the_address,
    a_sign_up_beside_whoever_is_sure_keeps_nobody_out,
);

/// Somebody who signed up with the address of `at` and never confirmed it.
fn squatter(id: &str, at: &str) -> NewUser {
    let mut new = user(id);
    (new.user.pending, new.user.email_verified) = (true, false);
    (new.user.username, new.username_canonical) = (None, None);
    new.user.roles.clear();
    new.email_canonical = format!("{at}@example.org");
    new
}

async fn signed_up(storage: &Storage, new: &NewUser) {
    let made = storage.accounts.sign_up(&SignUp { number_from: Some("old"), ..sign_up(new) }, at(0), &operator()).await;
    assert!(matches!(made, Ok(SignedUp::Made(_))), "{made:?}");
}

async fn found(storage: &Storage, id: &str) -> Option<User> {
    storage.users.find(UserKey::Id(id)).await.expect("read")
}

/// The one with this address.
async fn holder(storage: &Storage, email: &str) -> Option<User> {
    storage.users.find(UserKey::Identifier(email)).await.expect("read")
}

/// The mails of a sign-up are made for whoever waits: where that is somebody else by now, nothing is done.
async fn a_sign_up_beside_another_is_asked_for_again(place: &Place) {
    let storage = place.open().await;
    signed_up(&storage, &squatter("one", "ana")).await;
    let rows = trail(&storage, 10).await;
    let taken = [mail("taken")];
    let second = squatter("two", "ana");
    for waiting in [None, Some("somebody else")] {
        let again = SignUp { taken: &taken, waiting, ..sign_up(&second) };
        assert_eq!(storage.accounts.sign_up(&again, at(5), &operator()).await.expect("told"), SignedUp::Meanwhile);
    }
    assert!(mails(&storage).await.is_empty() && !found(&storage, "one").await.expect("there").reset_required);
    assert_eq!(trail(&storage, 10).await, rows);
    let known = SignUp { taken: &taken, waiting: Some("one"), same_password: Some("one"), ..sign_up(&second) };
    assert_eq!(storage.accounts.sign_up(&known, at(5), &operator()).await.expect("told"), SignedUp::EmailTaken);
    assert_eq!(mails(&storage).await, ["taken"]);
    assert_eq!((found(&storage, "two").await, found(&storage, "one").await.expect("there").reset_required), (None, false));
    // Whoever confirmed meanwhile is told like anybody who has an account.
    assert_eq!(
        storage.accounts.set_verified(&proof("one", "ana@example.org"), None, &[], at(6), &operator()).await.expect("done"),
        Consumed::Done
    );
    let late = [mail("told")];
    let known = SignUp { taken: &late, ..known };
    assert_eq!(storage.accounts.sign_up(&known, at(7), &operator()).await.expect("told"), SignedUp::EmailTaken);
    assert!(!found(&storage, "one").await.expect("there").reset_required);
}

/// TJ-12, RG-06: nothing of theirs is there any more, and what they were sent opens nothing.
async fn gone(storage: &Storage, id: &str, address: &str, now: Time) {
    assert_eq!(found(storage, id).await, None);
    let accounts = &storage.accounts;
    assert_eq!(accounts.set_verified(&proof(id, address), None, &[], now, &operator()).await.expect("no fault"), Consumed::Stale);
    let new = NewHash { hash: "$theirs", credential_revision: 0, keep_session: None };
    let n = id.bytes().fold(7000, |n, byte| n * 31 % 1_000_003 + u32::from(byte));
    let reset = accounts.reset_password(id, &new, &spend(n), ResetMails::default(), now, &operator()).await;
    assert_eq!(reset.expect("no fault"), Consumed::Stale);
    accounts.send_proof(id, "user.resend_verification", &[mail("never")], now, &operator()).await.expect("no fault");
    assert!(mails(storage).await.is_empty(), "nobody is written to");
    let (_, hash) = storage.users.with_password(UserKey::Identifier(address)).await.expect("read").expect("somebody's");
    assert_eq!(hash.as_deref(), Some("$argon2id$old"), "the hash of whoever has it now");
}

async fn whoever_is_sure_of_an_address_takes_it(place: &Place) {
    let storage = furnished(place).await;
    let made_room = |id: &str| format!("user.delete operator user:{id} done made_room 1");
    // An administrator, with or without a word on whether the address is confirmed.
    for (n, verified) in [("1", true), ("2", false)] {
        let (before, mut new) = (format!("p{n}"), user(&format!("c{n}")));
        signed_up(&storage, &squatter(&before, &format!("c{n}"))).await;
        new.user.email_verified = verified;
        storage.users.create(&new, &operator()).await.expect("there is room");
        assert_eq!(trail(&storage, 2).await, [format!("user.create operator user:c{n} done - 1"), made_room(&before)]);
        gone(&storage, &before, &format!("c{n}@example.org"), at(1)).await;
        let again = storage.users.create(&NewUser { email_canonical: format!("c{n}@example.org"), ..user("other") }, &operator()).await;
        assert!(matches!(again, Err(StorageError::Conflict("email"))), "{again:?}");
    }
    // Whoever was invited; whoever else signs up has shown no more than the one before.
    signed_up(&storage, &squatter("p3", "i3")).await;
    let fourth = squatter("p4", "i3");
    let second = storage.accounts.sign_up(&SignUp { waiting: Some("p3"), ..sign_up(&fourth) }, at(1), &operator()).await;
    assert_eq!(second.expect("answered"), SignedUp::EmailTaken);
    assert!(matches!(storage.accounts.sign_up(&sign_up(&user("i3")), at(1), &operator()).await, Ok(SignedUp::Made(_))));
    assert_eq!(trail(&storage, 2).await, ["user.sign_up operator user:i3 done - 1".to_owned(), made_room("p3")]);
    gone(&storage, "p3", "i3@example.org", at(1)).await;
    // Somebody whose address becomes that one: by an administrator, by its mail, by the way back.
    let ana = found(&storage, "ana").await.expect("known");
    let mut moved = ana.clone();
    moved.email = "m5@example.org".to_owned();
    let revised = Revised { user: &moved, email_canonical: "m5@example.org", username_canonical: Some("ana") };
    signed_up(&storage, &squatter("p5", "m5")).await;
    let stale = User { revision: ana.revision + 7, ..moved.clone() };
    let stale = storage.accounts.update(&Revised { user: &stale, ..revised }, &["user.update"], &[], at(2), &operator()).await;
    assert_eq!(stale.expect("answered"), Updated::Stale);
    assert!(found(&storage, "p5").await.is_some(), "what is not done makes nobody go");
    let done = storage.accounts.update(&revised, &["user.update"], &[], at(2), &operator()).await.expect("there is room");
    let Updated::Done(moved) = done else { panic!("{done:?}") };
    gone(&storage, "p5", "m5@example.org", at(2)).await;
    signed_up(&storage, &squatter("p6", "m6")).await;
    let revision = moved.credential_revision;
    let change =
        |credential_revision| NewAddress { user_id: "ana", credential_revision, address: "m6@example.org", canonical: "m6@example.org" };
    let stale = storage.accounts.change_email(&change(revision + 1), &spend(1), &[], at(3), &operator()).await;
    assert_eq!(stale.expect("answered"), Consumed::Stale);
    assert!(found(&storage, "p6").await.is_some());
    let done = storage.accounts.change_email(&change(revision), &spend(2), &[], at(3), &operator()).await;
    assert_eq!(done.expect("there is room"), Consumed::Done);
    gone(&storage, "p6", "m6@example.org", at(3)).await;
    // Whoever took the account over signs up with the address that was there before, so that it cannot come back.
    signed_up(&storage, &squatter("p7", "m5")).await;
    let back = NewAddress { user_id: "ana", credential_revision: 0, address: "m5@example.org", canonical: "m5@example.org" };
    assert_eq!(storage.accounts.restore_email(&back, &spend(3), &[], at(4), &operator()).await.expect("there is room"), Consumed::Done);
    gone(&storage, "p7", "m5@example.org", at(4)).await;
    // Nobody makes room for themselves.
    signed_up(&storage, &squatter("p8", "p8")).await;
    let mut named = found(&storage, "p8").await.expect("known");
    named.name = Some("P".to_owned());
    let revised = Revised { user: &named, email_canonical: "p8@example.org", username_canonical: None };
    assert!(matches!(storage.accounts.update(&revised, &["user.update"], &[], at(5), &operator()).await, Ok(Updated::Done(_))));
    assert!(found(&storage, "p8").await.is_some_and(|user| user.pending));
    // The first owner, at last.
    assert!(
        storage
            .users
            .create_first_owner(&NewUser { email_canonical: "p8@example.org".to_owned(), ..owner("o") }, &operator())
            .await
            .expect("made")
    );
    gone(&storage, "p8", "p8@example.org", at(6)).await;
}

async fn what_an_administrator_said_of_a_sign_up_stands(place: &Place) {
    let storage = place.open().await;
    storage.users.create(&owner("boss"), &operator()).await.expect("new");
    for id in ["out", "given"] {
        signed_up(&storage, &squatter(id, id)).await;
    }
    assert!(storage.users.set_disabled(Whom::by_id("out"), true, &[], at(1), &operator()).await.expect("done"));
    let mut given = found(&storage, "given").await.expect("known");
    given.roles = vec!["owner".to_owned()];
    let revised = Revised { user: &given, email_canonical: "given@example.org", username_canonical: None };
    assert!(matches!(storage.accounts.update(&revised, &["user.set_roles"], &[], at(1), &operator()).await, Ok(Updated::Done(_))));
    for id in ["out", "given"] {
        let mut new = user("new");
        new.email_canonical = format!("{id}@example.org");
        let refused = storage.users.create(&new, &operator()).await;
        assert!(matches!(refused, Err(StorageError::Conflict("email"))), "{refused:?}");
        assert_eq!(storage.accounts.sign_up(&sign_up(&new), at(2), &operator()).await.expect("answered"), SignedUp::EmailTaken);
    }
    assert_eq!(storage.accounts.clean(at(100 * 24 * 3600), &operator()).await.expect("done"), 0);
    // An owner who never confirmed cannot sign in, and is not the one who remains.
    assert!(matches!(storage.accounts.delete(Whom::by_id("boss"), &[], at(3), &operator()).await, Err(StorageError::LastOwner)));
    assert!(storage.accounts.delete(Whom::by_id("given"), &[], at(3), &operator()).await.expect("done"));
}

/// As `old` describes them; the address is that of `at`.
fn arrival(id: &str, number: &str, address: &str) -> Arrival {
    let mut new = user(id);
    new.user.external = vec![ExternalId { source: "old".to_owned(), id: number.to_owned() }];
    new.email_canonical = format!("{address}@example.org");
    Arrival { new, external_id: Some(number.to_owned()), described: format!("d-{id}-{address}"), password: None }
}

async fn import(storage: &Storage, arrival: &Arrival, dry: bool) -> Result<Became, StorageError> {
    let batch = Batch { source: "old", arrivals: &[arrival], dearest: None, highest: None, dry };
    let became = storage.imports.import(&batch, at(10), &operator()).await?;
    Ok(became[0])
}

async fn an_import_takes_the_place_of_a_sign_up(place: &Place) {
    let storage = place.open().await;
    // The sign-up got the very number by which the person is known there: it is no proof of anything.
    signed_up(&storage, &squatter("p1", "ana")).await;
    assert_eq!(found(&storage, "p1").await.expect("known").external, [ExternalId { source: "old".to_owned(), id: "1".to_owned() }]);
    let ana = arrival("ana", "1", "ana");
    let made_room = Became::Created(Some(Note::MadeRoom));
    assert_eq!(import(&storage, &ana, true).await.expect("read"), made_room);
    assert!(found(&storage, "p1").await.is_some(), "a dry run writes nothing");
    assert_eq!(import(&storage, &ana, false).await.expect("there is room"), made_room);
    let expected = ["user.import operator user:ana done - 1", "user.delete operator user:p1 done made_room 1"];
    assert_eq!(trail(&storage, 2).await, expected);
    gone(&storage, "p1", "ana@example.org", at(11)).await;
    assert_eq!(import(&storage, &ana, false).await.expect("read"), Became::Skipped(Note::Unchanged));
    // An id of a further system.
    signed_up(&storage, &squatter("p2", "eva")).await;
    let mut eva = arrival("eva", "77", "eva");
    eva.new.user.external.push(ExternalId { source: "elsewhere".to_owned(), id: "5".to_owned() });
    let theirs = storage.accounts.number("p2", "elsewhere", at(11), &operator()).await.expect("given").expect("known");
    eva.new.user.external[1].id = theirs.external.iter().find(|id| id.source == "elsewhere").expect("given").id.clone();
    assert_eq!(import(&storage, &eva, false).await.expect("there is room"), made_room);
    // Somebody who came before and has another address there now; with the same one nobody has to go.
    signed_up(&storage, &squatter("p3", "moved")).await;
    let changed = import(&storage, &arrival("ana", "1", "moved"), false).await.expect("there is room");
    assert_eq!(changed, Became::Updated(None));
    assert_eq!(holder(&storage, "moved@example.org").await.map(|user| user.id).as_deref(), Some("ana"));
    assert_eq!(found(&storage, "p3").await, None);
    // Another person's number stays theirs, confirmed or not.
    signed_up(&storage, &squatter("p4", "luz")).await;
    let number = found(&storage, "p4").await.expect("known").external[0].id.clone();
    assert_eq!(import(&storage, &arrival("sol", &number, "sol"), false).await.expect("read"), Became::Rejected(Note::NumberGivenHere));
    // What is confirmed is somebody's.
    assert_eq!(
        storage.accounts.set_verified(&proof("p4", "luz@example.org"), None, &[], at(12), &operator()).await.expect("done"),
        Consumed::Done
    );
    let mut luz = arrival("luz", "99", "luz");
    luz.new.user.email_verified = false;
    assert_ne!(import(&storage, &luz, false).await.expect("read"), made_room);
    assert!(found(&storage, "p4").await.is_some());
}

async fn a_sign_up_goes_a_week_after_its_last_mail(place: &Place) {
    let storage = place.open().await;
    let week = i64::try_from(PENDING.as_secs()).expect("a week");
    let act = operator();
    for id in ["ana", "eva", "luz", "sol"] {
        signed_up(&storage, &squatter(id, id)).await;
    }
    storage.users.create(&user("mar"), &act).await.expect("new");
    let confirmed = storage.accounts.set_verified(&proof("luz", "luz@example.org"), None, &[], at(5), &act).await;
    assert_eq!(confirmed.expect("done"), Consumed::Done);
    storage.accounts.send_proof("eva", "user.resend_verification", &[mail("again")], at(1000), &act).await.expect("sent");
    assert_eq!(
        (mails(&storage).await, trail(&storage, 1).await),
        (vec!["again".to_owned()], vec!["user.resend_verification operator user:eva done - 1".to_owned()])
    );
    assert!(storage.accounts.require_reset(Whom::by_id("sol"), &[], at(500), &act).await.expect("done"));
    let left = async || {
        let mut ids: Vec<_> = storage.users.list(None, 10).await.expect("read").into_iter().map(|user| user.id).collect();
        ids.sort();
        ids.join(" ")
    };
    for (now, gone, who) in [
        (week - 1, 0, "ana eva luz mar sol"),
        (week, 1, "eva luz mar sol"),
        (week + 499, 0, "eva luz mar sol"),
        (week + 500, 1, "eva luz mar"),
        (week + 1000, 1, "luz mar"),
        (100 * week, 0, "luz mar"),
    ] {
        assert_eq!((storage.accounts.clean(at(now), &act).await.expect("done"), left().await.as_str()), (gone, who), "{now}");
    }
    assert_eq!(trail(&storage, 1).await, ["user.delete operator user:eva done never_confirmed 1"]);
    // More than go in one transaction.
    for n in 0..230 {
        signed_up(&storage, &squatter(&format!("n{n}"), &format!("n{n}"))).await;
    }
    assert_eq!(storage.accounts.clean(at(week), &act).await.expect("done"), 230);
    signed_up(&storage, &squatter("ana2", "ana")).await;
}

/// Whoever confirms and whoever takes the place, on two replicas: one of them has the address, and everybody an answer.
async fn of_a_confirmation_and_whoever_is_sure_one_has_the_address(place: &Place) {
    let replicas = Replicas::of(place).await;
    let mut kept = 0;
    for round in 0..ROUNDS {
        let (id, name) = (format!("p{round}"), format!("a{round}"));
        signed_up(replicas.one(), &squatter(&id, &name)).await;
        let answers = replicas
            .race(|worker, storage| {
                let (id, name) = (id.clone(), name.clone());
                async move {
                    // Some come a little later, so that either side is first in some rounds.
                    for _ in 0..(worker as u32 * 7 + round * 3) % 11 {
                        tokio::task::yield_now().await;
                    }
                    // And in some those who confirm come so late that there is room before them, however the others are scheduled.
                    if worker > 3 && round % 8 == 0 {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    let (email, now) = (format!("{name}@example.org"), at(1));
                    match worker {
                        0 => {
                            let mut new = user(&format!("c{name}"));
                            (new.email_canonical, new.username_canonical, new.user.username) = (email, None, None);
                            match storage.users.create(&new, &operator()).await {
                                Ok(()) => Some("created"),
                                Err(StorageError::Conflict("email")) => None,
                                other => panic!("{other:?}"),
                            }
                        }
                        1 => match import(&storage, &arrival(&format!("i{name}"), &name, &name), false).await {
                            Ok(Became::Created(_)) => Some("imported"),
                            Ok(Became::Updated(_) | Became::Skipped(_) | Became::Rejected(_)) | Err(StorageError::Conflict(_)) => None,
                            other => panic!("{other:?}"),
                        },
                        2 | 3 => {
                            storage.accounts.clean(at(1000 * 24 * 3600), &operator()).await.expect("no fault");
                            None
                        }
                        _ => {
                            match storage.accounts.set_verified(&proof(&id, &email), None, &[], now, &person(&id)).await.expect("no fault")
                            {
                                Consumed::Done | Consumed::Already => Some("confirmed"),
                                Consumed::Stale => None,
                                other => panic!("{other:?}"),
                            }
                        }
                    }
                }
            })
            .await;
        let won = |who| count(&answers, &Some(who)) > 0;
        let holder = holder(replicas.one(), &format!("{name}@example.org")).await;
        let one = [won("created"), won("imported"), won("confirmed")];
        assert_eq!(one.iter().filter(|won| **won).count(), usize::from(holder.is_some()), "round {round}: {answers:?}");
        let there = found(replicas.one(), &id).await;
        assert_eq!(there.is_some(), won("confirmed"), "round {round}: {answers:?}");
        if let Some(holder) = holder {
            assert!(!holder.pending && holder.email_verified, "round {round}");
            kept += u32::from(holder.id == id);
        }
    }
    assert!(kept < ROUNDS, "somebody made room");
}

/// However many sign up with an address at the moment at which an administrator makes its account: it is made, and none of theirs stays.
async fn a_sign_up_beside_whoever_is_sure_keeps_nobody_out(place: &Place) {
    let replicas = Replicas::of(place).await;
    for round in 0..ROUNDS {
        let name = format!("s{round}");
        let answers = replicas
            .race(|worker, storage| {
                let name = name.clone();
                async move {
                    if worker == 7 {
                        let mut new = user(&format!("c{name}"));
                        new.email_canonical = format!("{name}@example.org");
                        storage.users.create(&new, &operator()).await.expect("made, whoever was there before");
                        return 1;
                    }
                    let new = squatter(&format!("{name}-{worker}"), &name);
                    storage.accounts.sign_up(&sign_up(&new), at(0), &operator()).await.expect("one answer");
                    0
                }
            })
            .await;
        assert_eq!(answers.iter().sum::<i32>(), 1);
        let holder = holder(replicas.one(), &format!("{name}@example.org")).await.expect("somebody's");
        assert!(!holder.pending && holder.id == format!("c{name}"), "round {round}");
    }
}
