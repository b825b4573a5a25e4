//! Sixteen callers at the same moment, two hundred times over, on two replicas of one database.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Barrier;

use super::super::durable::keys::Only;
use super::super::durable::{Admission, ByCode, Grant, Opened, OpenedByCode, Proof, Renewal, Rotation, StoredKey};
use super::super::{Storage, StorageError};
use super::{Place, at, by_code, digest, furnished, grant, grant_id, on_every_database, operator, owner, person, session, trail, user};

const WORKERS: usize = 16;
const ROUNDS: u32 = 200;
const WINDOW: Duration = Duration::from_secs(30);

on_every_database!(
    one_of_equal_codes_opens,
    one_of_equal_codes_opens_in_its_session,
    disconnecting_beside_a_code_leaves_no_grant,
    one_of_equal_refreshes_goes_on,
    one_of_equal_renewals_goes_on,
    without_a_window_only_one_refresh_survives,
    ten_of_parallel_guesses_are_admitted,
    one_of_equal_addresses_is_taken,
    one_first_owner_is_made,
    no_allowed_scope_is_lost,
    one_first_key_is_made,
    one_successor_of_a_key_is_made,
    a_new_password_ends_what_begins_beside_it,
    one_of_equal_refusals_is_a_row,
    revoking_beside_refreshing_leaves_nothing_refreshable,
);

/// Starts `workers` tasks at the same moment; their answers.
pub(super) async fn together<T, F>(workers: usize, work: impl Fn(usize) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(workers));
    let tasks: Vec<_> = (0..workers)
        .map(|worker| {
            let (barrier, work) = (barrier.clone(), work(worker));
            tokio::spawn(async move {
                barrier.wait().await;
                work.await
            })
        })
        .collect();
    let mut answers = Vec::with_capacity(workers);
    for task in tasks {
        answers.push(task.await.expect("no worker panics"));
    }
    answers
}

/// Two replicas; worker by worker they take turns.
pub(super) struct Replicas([Storage; 2]);

impl Replicas {
    pub(super) async fn of(place: &Place) -> Self {
        Self([furnished(place).await, place.open().await])
    }

    pub(super) fn one(&self) -> &Storage {
        &self.0[0]
    }

    pub(super) async fn race<T, F>(&self, work: impl Fn(usize, Storage) -> F) -> Vec<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        together(WORKERS, |worker| work(worker, self.0[worker % 2].clone())).await
    }
}

pub(super) fn count<T: PartialEq>(answers: &[T], wanted: &T) -> usize {
    answers.iter().filter(|answer| *answer == wanted).count()
}

async fn one_of_equal_codes_opens(place: &Place) {
    let replicas = Replicas::of(place).await;
    for round in 0..ROUNDS {
        let code = digest(1000 + round);
        let first_id = round * 100;
        let answers = replicas
            .race(|worker, storage| async move {
                let grant = grant(first_id + u32::try_from(worker).expect("few workers"), Some("s1"));
                storage.grants.open(&grant, Some(&code), &person("ana")).await.expect("answered")
            })
            .await;
        assert_eq!((count(&answers, &Opened::Fresh), count(&answers, &Opened::Replay)), (1, WORKERS - 1), "round {round}");
        let mut found = Vec::new();
        for worker in 0..16 {
            found.extend(replicas.one().grants.find(&grant_id(first_id + worker)).await.expect("read"));
        }
        assert_eq!(found.len(), 1, "round {round}");
        assert!(found[0].revoked_at.is_some(), "round {round}: what the code opened ends with its replay");
    }
}

async fn one_of_equal_codes_opens_in_its_session(place: &Place) {
    let replicas = Replicas::of(place).await;
    for round in 0..ROUNDS {
        let code = digest(1000 + round);
        let first_id = round * 100;
        let answers = replicas
            .race(|worker, storage| async move {
                let grant = grant(first_id + u32::try_from(worker).expect("few workers"), Some("s1"));
                storage.grants.open_by_code(&grant, by_code(&code, WINDOW), &person("ana")).await.expect("answered")
            })
            .await;
        let fresh = answers.iter().filter(|answer| matches!(answer, OpenedByCode::Fresh(_))).count();
        assert_eq!((fresh, count(&answers, &OpenedByCode::Replay)), (1, WORKERS - 1), "round {round}");
    }
}

async fn disconnecting_beside_a_code_leaves_no_grant(place: &Place) {
    let replicas = Replicas::of(place).await;
    for round in 0..ROUNDS {
        let (first_id, allowed) = (round * 100, "openid email");
        assert!(replicas.one().consents.allow("ana", "app", allowed, at(0), &person("ana")).await.expect("allowed"));
        replicas
            .race(|worker, storage| async move {
                let n = first_id + u32::try_from(worker).expect("few workers");
                if worker == 0 {
                    storage.consents.withdraw("ana", "app", at(1), &person("ana")).await.expect("answered");
                } else {
                    let (grant, code) = (grant(n, Some("s1")), digest(n));
                    let code = ByCode { consent: true, ..by_code(&code, WINDOW) };
                    storage.grants.open_by_code(&grant, code, &person("ana")).await.expect("answered");
                }
            })
            .await;
        for n in 1..16 {
            let left = replicas.one().grants.find(&grant_id(first_id + n)).await.expect("read");
            assert!(left.is_none_or(|grant| grant.revoked_at.is_some()), "round {round}: nobody allows it any more");
        }
    }
}

async fn one_of_equal_refreshes_goes_on(place: &Place) {
    let replicas = Replicas::of(place).await;
    replicas.one().grants.open(&grant(1, Some("s1")), None, &person("ana")).await.expect("opened");
    for round in 0..ROUNDS {
        let answers =
            replicas
                .race(|_, storage| async move {
                    storage.grants.rotate(&grant_id(1), round, WINDOW, at(0), &person("ana")).await.expect("answered")
                })
                .await;
        let (next, repeats) = (count(&answers, &Rotation::Next(round + 1)), count(&answers, &Rotation::Repeat(round + 1)));
        assert_eq!((next, repeats), (1, WORKERS - 1), "round {round}: {answers:?}");
    }
    assert_eq!(replicas.one().grants.find(&grant_id(1)).await.expect("read").expect("known").revoked_at, None);
}

async fn one_of_equal_renewals_goes_on(place: &Place) {
    let replicas = Replicas::of(place).await;
    replicas.one().grants.open(&grant(1, Some("s1")), None, &person("ana")).await.expect("opened");
    for round in 0..ROUNDS {
        let answers = replicas
            .race(|_, storage| async move {
                let renewal = Renewal {
                    client_id: "app",
                    generation: round,
                    session_idle: WINDOW,
                    refresh_idle: WINDOW,
                    scope: "openid",
                    offline: false,
                    resource: true,
                };
                storage.grants.renew(&grant_id(1), renewal, at(0)).await.expect("answered").map(|(grant, _)| grant.generation)
            })
            .await;
        assert_eq!((count(&answers, &Some(round + 1)), count(&answers, &None)), (1, WORKERS - 1), "round {round}: {answers:?}");
    }
}

async fn without_a_window_only_one_refresh_survives(place: &Place) {
    let replicas = Replicas::of(place).await;
    for round in 0..ROUNDS {
        replicas.one().grants.open(&grant(round, Some("s1")), None, &person("ana")).await.expect("opened");
        let answers = replicas
            .race(|_, storage| async move {
                storage.grants.rotate(&grant_id(round), 0, Duration::ZERO, at(0), &person("ana")).await.expect("answered")
            })
            .await;
        assert_eq!(count(&answers, &Rotation::Next(1)), 1, "round {round}: {answers:?}");
        assert!(count(&answers, &Rotation::Reuse) >= 1, "round {round}: {answers:?}");
        assert!(!answers.iter().any(|answer| matches!(answer, Rotation::Repeat(_))), "round {round}: {answers:?}");
        let after = replicas.one().grants.find(&grant_id(round)).await.expect("read").expect("known");
        assert_eq!((after.generation, after.revoked_at), (1, Some(at(0))), "round {round}");
    }
}

async fn ten_of_parallel_guesses_are_admitted(place: &Place) {
    let replicas = Replicas::of(place).await;
    for round in 0..ROUNDS {
        let key = digest(round);
        let answers = replicas.race(|_, storage| async move { storage.attempts.admit(&key, at(0)).await.expect("answered") }).await;
        let admitted = count(&answers, &Admission::Admitted);
        let closing = count(&answers, &Admission::Closing { until: at(900) });
        let locked = count(&answers, &Admission::Locked { until: at(900) });
        assert_eq!((admitted, closing, locked), (9, 1, WORKERS - 10), "round {round}");
    }
    // The same with many more guesses than workers.
    let key = digest(9999);
    let answers = together(200, |worker| {
        let storage = replicas.0[worker % 2].clone();
        async move { storage.attempts.admit(&key, at(0)).await.expect("answered") }
    })
    .await;
    assert_eq!((count(&answers, &Admission::Admitted), count(&answers, &Admission::Closing { until: at(900) })), (9, 1));
}

async fn one_of_equal_addresses_is_taken(place: &Place) {
    let replicas = Replicas::of(place).await;
    for round in 0..ROUNDS {
        let answers = replicas
            .race(|worker, storage| async move {
                let mut new = user(&format!("u{round}-{worker}"));
                new.email_canonical = format!("{round}@example.org");
                match storage.users.create(&new, &operator()).await {
                    Ok(()) => true,
                    Err(StorageError::Conflict("email")) => false,
                    Err(other) => panic!("{other}"),
                }
            })
            .await;
        assert_eq!(count(&answers, &true), 1, "round {round}");
    }
}

async fn one_first_owner_is_made(place: &Place) {
    let replicas = Replicas::of(place).await;
    for round in 0..ROUNDS {
        let answers = replicas
            .race(|worker, storage| async move {
                storage.users.create_first_owner(&owner(&format!("o{round}-{worker}")), &operator()).await.expect("answered")
            })
            .await;
        assert_eq!(count(&answers, &true), 1, "round {round}");
        replicas.one().sql.tamper("DELETE FROM users WHERE owner").await;
    }
}

async fn no_allowed_scope_is_lost(place: &Place) {
    let replicas = Replicas::of(place).await;
    for round in 0..ROUNDS {
        replicas
            .race(|worker, storage| async move {
                storage.consents.allow("ana", "app", &format!("shared scope-{worker}"), at(0), &person("ana")).await.expect("done");
            })
            .await;
        let consent = replicas.one().consents.find("ana", "app").await.expect("read").expect("known");
        let mut scopes: Vec<_> = consent.scope.split(' ').collect();
        scopes.sort_unstable();
        scopes.dedup();
        assert_eq!((scopes.len(), consent.scope.split(' ').count()), (WORKERS + 1, WORKERS + 1), "round {round}: {}", consent.scope);
        replicas.one().consents.withdraw("ana", "app", at(0), &person("ana")).await.expect("done");
    }
}

fn key(kid: String, made: i64) -> StoredKey {
    StoredKey {
        kid,
        alg: "RS256".to_owned(),
        sealed: vec![1],
        created_at: at(made),
        signs_from: at(made),
        retired_at: None,
        removed_at: None,
    }
}

async fn one_first_key_is_made(place: &Place) {
    let replicas = Replicas::of(place).await;
    for round in 0..ROUNDS {
        let answers = replicas
            .race(|worker, storage| async move {
                let key = key(format!("k{round}-{worker}"), 0);
                storage.keys.add(&key, WINDOW, Only::IfNone, &operator()).await.expect("answered")
            })
            .await;
        assert_eq!(count(&answers, &true), 1, "round {round}");
        assert_eq!(replicas.one().keys.list().await.expect("read").len(), 1, "round {round}");
        replicas.one().sql.tamper("DELETE FROM signing_keys").await;
    }
}

async fn one_successor_of_a_key_is_made(place: &Place) {
    let replicas = Replicas::of(place).await;
    replicas.one().keys.add(&key("k".to_owned(), 0), WINDOW, Only::IfNone, &operator()).await.expect("added");
    for round in 0..ROUNDS {
        let newest = replicas.one().keys.list().await.expect("read").pop().expect("a key").kid;
        let answers = replicas
            .race(|worker, storage| {
                let newest = newest.clone();
                async move {
                    let key = key(format!("k{round}-{worker}"), i64::from(round) + 1);
                    storage.keys.add(&key, WINDOW, Only::Replacing(&newest), &operator()).await.expect("answered")
                }
            })
            .await;
        assert_eq!(count(&answers, &true), 1, "round {round}");
        let current = replicas.one().keys.list().await.expect("read").into_iter().filter(|key| key.retired_at.is_none()).count();
        assert_eq!(current, 1, "round {round}");
    }
}

/// Whoever proved the old password a moment before a new one was set has nothing of it a moment later.
async fn a_new_password_ends_what_begins_beside_it(place: &Place) {
    let replicas = Replicas::of(place).await;
    for round in 0..ROUNDS {
        let (one, first) = (replicas.one(), round * 100);
        let old = format!("$old{round}");
        one.users.set_password("ana", &old, None, &[], at(0), &person("ana")).await.expect("done");
        let (held, now) = (format!("held{round}"), at(1));
        one.sessions.start(&session(&held, "ana", at(0)), &digest(first), None, &person("ana")).await.expect("started");
        replicas
            .race(|worker, storage| {
                let (proof, held) = (Proof::of(&old), held.clone());
                let n = first + 1 + u32::try_from(worker).expect("few workers");
                async move {
                    match worker % 4 {
                        _ if worker == 0 => {
                            storage.users.set_password("ana", "$new", None, &[], now, &person("ana")).await.expect("done");
                        }
                        1 => {
                            let session = session(&format!("s{n}"), "ana", at(0));
                            storage.sessions.start_proved(&session, &digest(n), None, &proof, &person("ana")).await.expect("answered");
                        }
                        2 => {
                            storage.grants.open_proved(&offline(n, None), &proof, &person("ana")).await.expect("answered");
                        }
                        // Offline access of a code, the only thing that would outlive its session.
                        _ => {
                            let grant = offline(n, Some(&held));
                            storage.grants.open_by_code(&grant, by_code(&digest(n), WINDOW), &person("ana")).await.expect("answered");
                        }
                    }
                }
            })
            .await;
        for n in first..=first + u32::try_from(WORKERS).expect("few workers") {
            assert_eq!(one.sessions.find(&digest(n), WINDOW, at(2)).await.expect("read"), None, "round {round}, session {n}");
            assert_eq!(one.grants.refreshable(&grant_id(n), WINDOW, at(2)).await.expect("read"), None, "round {round}, grant {n}");
        }
    }
}

fn offline(n: u32, session_id: Option<&str>) -> Grant {
    Grant { offline: true, ..grant(n, session_id) }
}

async fn one_of_equal_refusals_is_a_row(place: &Place) {
    let replicas = Replicas::of(place).await;
    for round in 0..ROUNDS {
        replicas
            .race(|_, storage| async move {
                let refusal =
                    super::super::durable::Refusal { act: "sign_in", subject: Some(format!("user:{round}")), reason: "wrong_password" };
                storage.audit.refuse(&refusal, at(0), &person("ana")).await.expect("done");
            })
            .await;
        let newest = trail(replicas.one(), 1).await;
        assert_eq!(newest, [format!("sign_in person:ana user:{round} refused wrong_password {WORKERS}")]);
    }
}

async fn revoking_beside_refreshing_leaves_nothing_refreshable(place: &Place) {
    let replicas = Replicas::of(place).await;
    for round in 0..ROUNDS {
        let id = grant_id(round);
        replicas.one().grants.open(&grant(round, Some("s1")), None, &person("ana")).await.expect("opened");
        let answers = replicas
            .race(|worker, storage| async move {
                if worker == 0 {
                    storage.users.set_password("ana", "$new", Some("s1"), &[], at(1), &person("ana")).await.expect("done");
                    None
                } else {
                    Some(storage.grants.rotate(&id, 0, WINDOW, at(1), &person("ana")).await.expect("answered"))
                }
            })
            .await;
        let went_on = count(&answers, &Some(Rotation::Next(1)));
        assert!(went_on <= 1, "round {round}: {answers:?}");
        assert_eq!(replicas.one().grants.refreshable(&id, WINDOW, at(2)).await.expect("read"), None, "round {round}");
        for presented in [0, 1] {
            let late = replicas.one().grants.rotate(&id, presented, WINDOW, at(2), &person("ana")).await.expect("answered");
            assert_eq!(late, Rotation::Gone, "round {round}");
        }
    }
}
