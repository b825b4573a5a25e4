//! Sixteen callers at the same moment, on two replicas, for one account: sign-up, reset, confirmation, address, the last owner.

use std::time::Duration;

use super::super::StorageError;
use super::super::durable::{
    Consumed, Inviter, NewAddress, NewHash, ResetMails, Revised, Search, SignUp, SignedUp, Updated, UserKey, Whom,
};
use super::accounts::{mail, proof, sign_up, spend};
use super::races::{Replicas, count};
use super::{Place, at, by_code, digest, grant, on_every_database, operator, owner, person, session, trail, user};

const ROUNDS: u32 = 60;
const IDLE: Duration = Duration::from_secs(24 * 3600);

on_every_database!(
    of_equal_sign_ups_one_is_made,
    of_equal_numbers_each_is_given_once,
    of_equal_resets_one_is_done,
    of_equal_links_one_confirms,
    of_equal_addresses_one_is_won,
    of_equal_revisions_one_is_written,
    an_owner_always_remains,
    an_act_is_done_to_whom_it_was_judged_of,
    an_invitation_is_taken_up_before_its_maker_is_disabled_or_not_at_all,
    of_equal_names_the_first_to_confirm_has_it,
    st_06_a_deletion_beside_anything_leaves_no_ghost,
);

/// The number of a worker, for ids.
fn number(worker: usize) -> u32 {
    u32::try_from(worker).expect("few workers")
}

async fn of_equal_sign_ups_one_is_made(place: &Place) {
    let replicas = Replicas::of(place).await;
    for round in 0..ROUNDS {
        let answers = replicas
            .race(|worker, storage| async move {
                let mut new = user(&format!("r{round}-{worker}"));
                new.email_canonical = format!("r{round}@example.org");
                let (welcome, taken) = ([mail(&format!("w{round}-{worker}"))], [mail(&format!("t{round}-{worker}"))]);
                let sign_up = SignUp { welcome: &welcome, taken: &taken, ..sign_up(&new) };
                matches!(storage.accounts.sign_up(&sign_up, at(0), &operator()).await.expect("one answer"), SignedUp::Made(_))
            })
            .await;
        assert_eq!(count(&answers, &true), 1, "round {round}");
    }
    let mails = replicas.one().outbox.recent(10_000).await.expect("read");
    let welcomed = mails.iter().filter(|mail| mail.id.starts_with('w')).count();
    assert_eq!((welcomed, mails.len()), (ROUNDS as usize, 16 * ROUNDS as usize), "everybody is told one of the two");
}

async fn of_equal_names_the_first_to_confirm_has_it(place: &Place) {
    let replicas = Replicas::of(place).await;
    for round in 0..ROUNDS / 4 {
        for worker in 0..16 {
            let mut new = user(&format!("r{round}-{worker}"));
            (new.user.pending, new.user.email_verified) = (true, false);
            (new.user.username, new.username_canonical) = (Some("Flor".to_owned()), Some(format!("flor{round}")));
            assert!(matches!(replicas.one().accounts.sign_up(&sign_up(&new), at(0), &operator()).await, Ok(SignedUp::Made(_))));
        }
        let answers = replicas
            .race(|worker, storage| async move {
                let (id, email, by) = (format!("r{round}-{worker}"), format!("r{round}-{worker}@example.org"), operator());
                let proof = proof(&id, &email);
                let confirm = || storage.accounts.set_verified(&proof, None, &[], at(1), &by);
                let done = match confirm().await {
                    Err(StorageError::Conflict("username")) => confirm().await,
                    done => done,
                };
                let named = storage.users.find(UserKey::Id(&id)).await.expect("read").expect("known").username.is_some();
                assert_eq!(done.expect("no fault"), if named { Consumed::Done } else { Consumed::Nameless });
                named
            })
            .await;
        assert_eq!(count(&answers, &true), 1, "round {round}");
    }
}

async fn an_invitation_is_taken_up_before_its_maker_is_disabled_or_not_at_all(place: &Place) {
    let replicas = Replicas::of(place).await;
    let storage = replicas.one();
    storage.users.create(&owner("chief"), &operator()).await.expect("new");
    let (mut taken, mut refused) = (0, 0);
    for round in 0..ROUNDS {
        let maker = format!("m{round}");
        storage.users.create(&owner(&maker), &operator()).await.expect("new");
        let answers = replicas
            .race(|worker, storage| {
                let maker = maker.clone();
                async move {
                    // Fifteen who were invited as owners, and one who disables whoever invited them.
                    if worker == 7 {
                        storage.users.set_disabled(Whom::by_id(&maker), true, &[], at(1), &operator()).await.expect("no fault");
                        return None;
                    }
                    let (new, inviter) = (owner(&format!("r{round}-{worker}")), invited_by(&maker));
                    let sign_up = SignUp { inviter: Some(inviter), ..sign_up(&new) };
                    Some(storage.accounts.sign_up(&sign_up, at(1), &operator()).await.expect("one answer"))
                }
            })
            .await;
        let made = answers.iter().filter(|answer| matches!(answer, Some(SignedUp::Made(_)))).count();
        assert_eq!(made + count(&answers, &Some(SignedUp::Stale)), 15, "round {round}: {answers:?}");
        // In the order in which they were written: nobody is made behind the end of their inviter.
        let acts: Vec<String> = trail(storage, 40).await;
        let disabled =
            acts.iter().position(|act| act.contains(&format!("user:{maker} ")) && act.starts_with("user.disable")).expect("done");
        let behind = acts[..disabled].iter().filter(|act| act.starts_with("user.sign_up") && act.contains(" done ")).count();
        assert_eq!(behind, 0, "round {round}: {acts:?}");
        (taken, refused) = (taken + made, refused + 15 - made);
        for answer in answers {
            if let Some(SignedUp::Made(user)) = answer {
                storage.users.set_disabled(Whom::by_id(&user.id), true, &[], at(2), &operator()).await.expect("done");
            }
        }
    }
    assert!(taken > 0 && refused > 0, "{taken} {refused}");
}

fn invited_by(id: &str) -> Inviter<'_> {
    Inviter::Person { id, credential_revision: 0, one_of: &["owner"] }
}

async fn st_06_a_deletion_beside_anything_leaves_no_ghost(place: &Place) {
    let replicas = Replicas::of(place).await;
    for round in 0..ROUNDS {
        let id = format!("p{round}");
        replicas.one().users.create(&user(&id), &operator()).await.expect("new");
        let first = session(&format!("d{round}"), &id, at(0));
        replicas.one().sessions.start(&first, &digest(10_000 + round * 100), None, &person(&id)).await.expect("started");
        replicas
            .race(|worker, storage| {
                let (id, first) = (id.clone(), first.id.clone());
                async move {
                    let by = person(&id);
                    let n = 10_000 + round * 100 + number(worker) + 1;
                    let mut own = grant(n, Some(&first));
                    own.user_id.clone_from(&id);
                    let next = session(&format!("d{round}-{worker}"), &id, at(1));
                    // Each gets an answer; none is a fault.
                    match worker {
                        0 => assert!(storage.accounts.delete(Whom::by_id(&id), &[], at(1), &operator()).await.expect("deleted")),
                        1..=3 => drop(storage.sessions.start(&next, &digest(n), None, &by).await.expect("no fault")),
                        4 => drop(storage.sessions.start(&next, &digest(n), Some(&first), &by).await.expect("no fault")),
                        5..=8 => drop(storage.consents.allow(&id, "app", "openid", at(1), &by).await.expect("no fault")),
                        9..=12 => drop(storage.grants.open(&own, None, &by).await.expect("no fault")),
                        _ => drop(storage.grants.open_by_code(&own, by_code(&digest(n), IDLE), &by).await.expect("no fault")),
                    }
                }
            })
            .await;
        let storage = replicas.one();
        assert!(storage.sessions.of(&id, IDLE, at(2)).await.expect("read").is_empty());
        assert!(storage.consents.connections(&id, at(2)).await.expect("read").is_empty());
    }
}

async fn of_equal_numbers_each_is_given_once(place: &Place) {
    let replicas = Replicas::of(place).await;
    let mut given = Vec::new();
    for round in 0..ROUNDS / 4 {
        let answers = replicas
            .race(|worker, storage| async move {
                let new = user(&format!("n{round}-{worker}"));
                let sign_up = SignUp { number_from: Some("old"), ..sign_up(&new) };
                let made = storage.accounts.sign_up(&sign_up, at(0), &operator()).await.expect("made");
                let SignedUp::Made(made) = made else { panic!("{made:?}") };
                made.external[0].id.parse::<i64>().expect("a number")
            })
            .await;
        given.extend(answers);
    }
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), 16 * ROUNDS as usize / 4);
}

async fn of_equal_resets_one_is_done(place: &Place) {
    let replicas = Replicas::of(place).await;
    for round in 0..ROUNDS {
        let revision = replicas.one().users.find(UserKey::Id("ana")).await.expect("read").expect("known").credential_revision;
        // Half of them come by one link, half by links of their own: whatever they came by, one sets the password.
        let answers = replicas
            .race(|worker, storage| async move {
                let hash = format!("$r{round}w{worker}");
                let link = if worker < 8 { 0 } else { number(worker) };
                let new = NewHash { hash: &hash, credential_revision: revision, keep_session: None };
                let spend = spend(10_000 + round * 100 + link);
                let done = storage
                    .accounts
                    .reset_password("ana", &new, &spend, ResetMails { done: &[mail(&hash)], nameless: &[] }, at(1), &person("ana"))
                    .await;
                (done.expect("one answer"), hash)
            })
            .await;
        let won: Vec<&String> = answers.iter().filter(|(done, _)| *done == Consumed::Done).map(|(_, hash)| hash).collect();
        assert_eq!(won.len(), 1, "round {round}");
        let (_, stored) = replicas.one().users.with_password(UserKey::Id("ana")).await.expect("read").expect("known");
        assert_eq!(stored.as_ref(), Some(won[0]), "round {round}");
    }
    assert_eq!(replicas.one().outbox.recent(10_000).await.expect("read").len(), ROUNDS as usize);
}

async fn of_equal_links_one_confirms(place: &Place) {
    let replicas = Replicas::of(place).await;
    for round in 0..ROUNDS {
        let id = format!("v{round}");
        let mut new = user(&id);
        new.user.email_verified = false;
        replicas.one().users.create(&new, &operator()).await.expect("new");
        let answers = replicas
            .race(|_, storage| {
                let id = id.clone();
                async move {
                    let address = format!("{id}@example.org");
                    let spend = spend(20_000 + round);
                    storage.accounts.set_verified(&proof(&id, &address), Some(&spend), &[], at(1), &person(&id)).await.expect("one answer")
                }
            })
            .await;
        assert_eq!((count(&answers, &Consumed::Done), count(&answers, &Consumed::Spent)), (1, 15), "round {round}");
    }
}

async fn of_equal_addresses_one_is_won(place: &Place) {
    let replicas = Replicas::of(place).await;
    for round in 0..ROUNDS / 4 {
        for worker in 0..16 {
            replicas.one().users.create(&user(&format!("a{round}-{worker}")), &operator()).await.expect("new");
        }
        let answers = replicas
            .race(|worker, storage| async move {
                let (id, address) = (format!("a{round}-{worker}"), format!("won{round}@example.org"));
                let change = NewAddress { user_id: &id, credential_revision: 0, address: &address, canonical: &address };
                let spend = spend(30_000 + round * 100 + number(worker));
                match storage.accounts.change_email(&change, &spend, &[], at(1), &person(&id)).await {
                    Ok(Consumed::Done) => Some(id),
                    Err(StorageError::Conflict("email")) => None,
                    other => panic!("{other:?}"),
                }
            })
            .await;
        let won: Vec<&String> = answers.iter().flatten().collect();
        assert_eq!(won.len(), 1, "round {round}");
        let address = format!("won{round}@example.org");
        let found = replicas.one().users.find(UserKey::Identifier(&address)).await.expect("read").expect("somebody's");
        assert!(found.id == *won[0] && found.email_verified, "round {round}");
    }
}

async fn of_equal_revisions_one_is_written(place: &Place) {
    let replicas = Replicas::of(place).await;
    for round in 0..ROUNDS {
        let read = replicas.one().users.find(UserKey::Id("ana")).await.expect("read").expect("known");
        let answers = replicas
            .race(|worker, storage| {
                let mut user = read.clone();
                async move {
                    user.name = Some(format!("r{round} w{worker}"));
                    let revised = Revised { user: &user, email_canonical: "ana@example.org", username_canonical: Some("ana") };
                    let done = storage.accounts.update(&revised, &["user.update"], &[], at(1), &person("ana")).await.expect("one answer");
                    matches!(done, Updated::Done(_)).then_some(user.name)
                }
            })
            .await;
        let won: Vec<_> = answers.into_iter().flatten().collect();
        assert_eq!(won.len(), 1, "round {round}");
        let now = replicas.one().users.find(UserKey::Id("ana")).await.expect("read").expect("known");
        assert_eq!((now.name, now.revision), (won[0].clone(), read.revision + 1), "round {round}");
    }
}

/// AD-08: sixteen owners are demoted, disabled and deleted at once.
async fn an_owner_always_remains(place: &Place) {
    let replicas = Replicas::of(place).await;
    let mut left: Option<String> = None;
    for round in 0..ROUNDS / 6 {
        for worker in 0..16 {
            let id = format!("o{round}-{worker}");
            replicas.one().users.create(&owner(&id), &operator()).await.expect("new");
        }
        // Whoever was left makes room.
        if let Some(before) = left.take() {
            assert!(replicas.one().accounts.delete(Whom::by_id(&before), &[], at(1), &operator()).await.expect("there are others"));
        }
        let answers = replicas
            .race(|worker, storage| async move {
                let id = format!("o{round}-{worker}");
                let done = match worker % 3 {
                    0 => storage.users.set_disabled(Whom::by_id(&id), true, &[], at(1), &operator()).await.map(drop),
                    1 => storage.accounts.delete(Whom::by_id(&id), &[], at(1), &operator()).await.map(drop),
                    _ => {
                        let mut user = storage.users.find(UserKey::Id(&id)).await.expect("read").expect("known");
                        user.roles.clear();
                        let (email, username) = (format!("{id}@example.org"), id.clone());
                        let revised = Revised { user: &user, email_canonical: &email, username_canonical: Some(&username) };
                        storage.accounts.update(&revised, &["user.set_roles"], &[], at(1), &operator()).await.map(drop)
                    }
                };
                match done {
                    Ok(()) => false,
                    Err(StorageError::LastOwner) => true,
                    Err(other) => panic!("{other:?}"),
                }
            })
            .await;
        assert_eq!(count(&answers, &true), 1, "round {round}");
        let search = Search { role: Some("owner"), disabled: Some(false), limit: 50, ..Search::default() };
        let mut owners = replicas.one().accounts.search(&search).await.expect("read");
        assert_eq!(owners.len(), 1, "round {round}");
        left = owners.pop().map(|user| user.id);
    }
}

/// AD-04: whoever may act on somebody because of the roles they hold does nothing to them with others, whichever comes first.
async fn an_act_is_done_to_whom_it_was_judged_of(place: &Place) {
    let replicas = Replicas::of(place).await;
    replicas.one().users.create(&owner("boss"), &operator()).await.expect("new");
    for round in 0..ROUNDS / 6 {
        let id = format!("j{round}");
        replicas.one().users.create(&user(&id), &operator()).await.expect("new");
        let judged = replicas.one().users.find(UserKey::Id(&id)).await.expect("read").expect("known");
        let answers = replicas
            .race(|worker, storage| {
                let (id, judged) = (id.clone(), judged.clone());
                async move {
                    if worker == 0 {
                        loop {
                            let mut user = storage.users.find(UserKey::Id(&id)).await.expect("read").expect("known");
                            user.roles = vec!["owner".to_owned()];
                            let (email, username) = (format!("{id}@example.org"), id.clone());
                            let revised = Revised { user: &user, email_canonical: &email, username_canonical: Some(&username) };
                            match storage.accounts.update(&revised, &["user.set_roles"], &[], at(2), &operator()).await.expect("done") {
                                Updated::Done(_) => return "promoted",
                                Updated::Stale => {}
                                Updated::Unknown => panic!("nobody deletes them"),
                            }
                        }
                    }
                    let done = match worker % 4 {
                        0 => storage.users.set_disabled((&judged).into(), worker % 8 == 0, &[], at(2), &operator()).await,
                        1 => storage.accounts.require_reset((&judged).into(), &[], at(2), &operator()).await,
                        2 => storage.accounts.end_everything((&judged).into(), &[], at(2), &operator()).await,
                        _ => storage.attempts.forget(&digest(1), &[], (&judged).into(), at(2), &operator()).await,
                    };
                    match done {
                        Ok(known) => {
                            assert!(known);
                            "before"
                        }
                        Err(StorageError::Conflict("roles")) => "after",
                        Err(other) => panic!("{other:?}"),
                    }
                }
            })
            .await;
        assert_eq!(count(&answers, &"promoted"), 1, "round {round}");
        let rows = replicas.one().audit.recent(40).await.expect("read");
        let acts: Vec<&str> = rows
            .iter()
            .take_while(|row| row.act != "user.create")
            .filter(|row| row.subject.as_deref() == Some(&*format!("user:{id}")))
            .map(|row| row.act.as_str())
            .collect();
        assert_eq!(acts.first(), Some(&"user.set_roles"), "nothing is done to the owner: {acts:?}");
        // Whoever looks again sees whom they have before them.
        let now = replicas.one().users.find(UserKey::Id(&id)).await.expect("read").expect("known");
        assert!(matches!(
            replicas.one().accounts.delete((&judged).into(), &[], at(3), &operator()).await,
            Err(StorageError::Conflict("roles"))
        ));
        assert!(replicas.one().accounts.delete((&now).into(), &[], at(3), &operator()).await.expect("done"));
        assert!(!replicas.one().accounts.delete((&now).into(), &[], at(3), &operator()).await.expect("gone before"));
    }
}
