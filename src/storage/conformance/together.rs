//! Steps that wait for the writer of a SQLite file, and share its commit: all or nothing for each, whatever happens to the others.
//!
//! They are brought together by another process that holds the lock while they come.

use std::path::Path;
use std::time::Duration;

use super::super::durable::{OpenedByCode, UserKey};
use super::super::{Result, Schema, Storage, StorageError, StorageOptions};
use super::{Place, at, by_code, digest, furnished, grant, grant_id, operator, owner, person, seal, session, user};

const STEPS: u32 = 60;

/// What comes of steps that all wait at the same moment.
async fn waiting_together<T, F>(place: &Place, work: impl Fn(u32) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let other = place.open().await;
    other.sql.tamper("BEGIN IMMEDIATE").await;
    let tasks: Vec<_> = (0..STEPS).map(|n| tokio::spawn(work(n))).collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    other.sql.tamper("COMMIT").await;
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.expect("no step panics"));
    }
    other.close().await;
    answers
}

/// How many transactions are in the log of the file (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>): a frame that ends one says how
/// large the database is after it, and frames of an earlier round have another salt.
fn commits(place: &Place) -> usize {
    let file = place.url.trim_start_matches("sqlite:");
    let log = std::fs::read(Path::new(&format!("{file}-wal"))).expect("the log is there");
    let number = |at: usize| u32::from_be_bytes(log[at..at + 4].try_into().expect("four bytes"));
    let (page, salt) = (number(8) as usize, log[16..24].to_vec());
    let frames = (32..log.len()).step_by(24 + page).filter(|at| at + 24 + page <= log.len());
    frames.take_while(|at| log[at + 8..at + 16] == salt).filter(|at| number(at + 4) != 0).count()
}

async fn is_there(storage: &Storage, id: &str) -> bool {
    storage.users.find(UserKey::Id(id)).await.expect("read").is_some()
}

fn created(answer: &Result<()>) -> bool {
    assert!(matches!(answer, Ok(()) | Err(StorageError::Unavailable(_) | StorageError::Conflict(_))), "{answer:?}");
    answer.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_waits_is_committed_together_and_answered_after_it() {
    let place = Place::sqlite();
    let (storage, reader) = (furnished(&place).await, place.open().await);
    let before = commits(&place);
    let answers = waiting_together(&place, |n| {
        let (storage, reader) = (storage.clone(), reader.clone());
        async move {
            // Another process reads nothing that is not committed: what it finds after the answer was so before it.
            match n % 4 {
                0 => {
                    storage.users.create(&user(&format!("u{n}")), &operator()).await.expect("created");
                    is_there(&reader, &format!("u{n}")).await
                }
                1 => {
                    let opened = storage
                        .grants
                        .open_by_code(&grant(n, Some("s1")), by_code(&digest(n), Duration::from_secs(60)), &person("ana"))
                        .await;
                    assert!(matches!(opened, Ok(OpenedByCode::Fresh(_))), "{opened:?}");
                    reader.grants.find(&grant_id(n)).await.expect("read").is_some()
                }
                2 => {
                    let started = session(&format!("s{n}x"), "ana", at(0));
                    storage.sessions.start(&started, &digest(n), None, &person("ana")).await.expect("started");
                    reader.sessions.find(&digest(n), Duration::from_secs(60), at(1)).await.expect("read").is_some()
                }
                _ => {
                    storage.attempts.admit(&digest(n), at(0)).await.expect("counted");
                    true
                }
            }
        }
    })
    .await;
    assert!(answers.iter().all(|found| *found));
    let taken = commits(&place) - before;
    // Whoever came first may have gone alone; those who came meanwhile are one transaction.
    assert!((1..=3).contains(&taken), "{taken} commits for {STEPS} steps");
    // Nobody is left waiting, and one alone is one.
    storage.users.create(&user("later"), &operator()).await.expect("created");
    assert_eq!(commits(&place) - before, taken + 1);
    let rows = reader.audit.recent(u32::MAX).await.expect("read");
    for act in ["user.create", "grant.open", "session.start"] {
        let others = if act == "grant.open" { 0 } else { 1 } + usize::from(act == "user.create");
        assert_eq!(rows.iter().filter(|row| row.act == act).count(), STEPS as usize / 4 + others, "{act}");
    }
    place.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_step_that_fails_is_undone_alone() {
    let place = Place::sqlite();
    let storage = furnished(&place).await;
    // The id is taken: whoever opens another one under it fails.
    storage.grants.open(&grant(1, None), Some(&digest(1_000_000)), &person("ana")).await.expect("opened");
    let answers = waiting_together(&place, |n| {
        let storage = storage.clone();
        async move {
            // Its audit row is written before the second of the two fails, or not at all.
            match n % 3 {
                0 => storage.grants.open(&grant(1, None), Some(&digest(n)), &person("ana")).await.map(drop),
                _ => storage.users.create(&user(&format!("u{}", n / 6)), &operator()).await,
            }
        }
    })
    .await;
    let reader = place.open().await;
    let rows = reader.audit.recent(u32::MAX).await.expect("read");
    for six in 0..STEPS / 6 {
        let of: Vec<&Result<()>> = (0..6).filter(|n| n % 3 != 0).map(|n| &answers[(six * 6 + n) as usize]).collect();
        assert_eq!(of.iter().filter(|answer| created(answer)).count(), 1, "{of:?}");
        assert!(of.iter().all(|answer| matches!(answer, Ok(()) | Err(StorageError::Conflict(_)))), "{of:?}");
        assert!(is_there(&reader, &format!("u{six}")).await);
        assert_eq!(rows.iter().filter(|row| row.subject.as_deref() == Some(&format!("user:u{six}"))).count(), 1);
    }
    assert!((0..STEPS).step_by(3).all(|n| matches!(answers[n as usize], Err(StorageError::Conflict(_)))));
    assert_eq!(rows.iter().filter(|row| row.act == "grant.open").count(), 1);
    place.clear().await;
}

/// Runs people and some steps that can never succeed in one transaction; the people are made all the same.
async fn only_the_guilty_fail(break_it: &'static str) {
    let place = Place::sqlite();
    let storage = furnished(&place).await;
    storage.sql.tamper(break_it).await;
    let answers = waiting_together(&place, |n| {
        let storage = storage.clone();
        async move {
            if n % 20 == 7 {
                return storage.consents.allow("ana", "app", &format!("poison{n}"), at(0), &person("ana")).await.map(drop);
            }
            storage.users.create(&user(&format!("u{n}")), &operator()).await
        }
    })
    .await;
    let reader = place.open().await;
    for (n, answer) in (0..).zip(&answers) {
        assert_eq!(created(answer), n % 20 != 7, "{n}: {answer:?}");
        assert_eq!(is_there(&reader, &format!("u{n}")).await, n % 20 != 7, "{n}");
    }
    assert_eq!(reader.consents.find("ana", "app").await.expect("read"), None);
    let rows = reader.audit.recent(u32::MAX).await.expect("read");
    assert!(rows.iter().all(|row| row.act != "consent.allow"));
    assert_eq!(rows.iter().filter(|row| row.act == "user.create").count(), 1 + STEPS as usize - 3, "each once");
    place.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_transaction_that_the_database_gave_up_is_run_again_without_who_caused_it() {
    only_the_guilty_fail(
        "CREATE TRIGGER poison BEFORE INSERT ON consents WHEN NEW.scope LIKE '%poison%' BEGIN SELECT RAISE(ROLLBACK, 'poison'); END",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_commit_that_fails_is_run_again_without_who_caused_it() {
    only_the_guilty_fail(
        "CREATE TABLE parents (id INTEGER PRIMARY KEY); \
         CREATE TABLE orphans (parent INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED); \
         CREATE TRIGGER poison AFTER INSERT ON consents WHEN NEW.scope LIKE '%poison%' BEGIN INSERT INTO orphans VALUES (7); END",
    )
    .await;
}

/// A full disk gives transactions up in the middle: that is a fault for whoever does not fit, nothing is half done, and it passes.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_database_loses_nothing() {
    let place = Place::sqlite();
    let storage = furnished(&place).await;
    storage.sql.tamper("PRAGMA max_page_count = 1").await;
    let large = |n: u32| {
        let mut new = owner(&format!("u{n}"));
        new.user.name = Some("ñ".repeat(6000));
        new
    };
    let fill = || {
        waiting_together(&place, |n| {
            let (storage, new) = (storage.clone(), large(n));
            async move { storage.users.create(&new, &operator()).await }
        })
    };
    let reader = place.open().await;
    let answers = fill().await;
    assert!(!answers.iter().all(created), "it was not full");
    for (n, answer) in (0..).zip(&answers) {
        assert_eq!(is_there(&reader, &format!("u{n}")).await, created(answer), "{n}: {answer:?}");
    }
    storage.sql.tamper("PRAGMA max_page_count = 1000000").await;
    for (n, answer) in (0..).zip(fill().await) {
        assert!(created(&answer) || matches!(answer, Err(StorageError::Conflict(_))), "{n}: {answer:?}");
        assert!(is_there(&reader, &format!("u{n}")).await, "{n}");
    }
    let rows = reader.audit.recent(u32::MAX).await.expect("read");
    assert_eq!(rows.iter().filter(|row| row.act == "user.create").count(), 1 + STEPS as usize, "each once");
    place.clear().await;
}

/// Whoever goes away in the middle of a shared transaction takes nobody along.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_that_go_away_cost_the_others_nothing() {
    let place = Place::sqlite();
    let storage = furnished(&place).await;
    for round in 0..10 {
        let answers = waiting_together(&place, |n| {
            let (storage, n) = (storage.clone(), round * STEPS + n);
            async move {
                let create = async {
                    match n % 2 {
                        0 => storage.users.create(&user(&format!("u{n}")), &operator()).await,
                        _ => storage.grants.open(&grant(n, Some("s1")), Some(&digest(n)), &person("ana")).await.map(drop),
                    }
                };
                // The lock is let go after 200 ms, and the last has its turn some milliseconds later.
                let patience =
                    if n % 3 == 0 { Duration::from_micros(200_000 + u64::from(n * 7919 % 20_000)) } else { Duration::from_secs(60) };
                tokio::time::timeout(patience, create).await.ok()
            }
        })
        .await;
        let reader = place.open().await;
        for (n, answer) in (round * STEPS..).zip(answers) {
            if let Some(answer) = answer {
                answer.expect("whoever waits is served");
                let found = if n % 2 == 0 {
                    is_there(&reader, &format!("u{n}")).await
                } else {
                    reader.grants.find(&grant_id(n)).await.expect("read").is_some()
                };
                assert!(found, "{n}");
            }
        }
    }
    // Each of the others was done, or not done.
    let reader = place.open().await;
    let rows = reader.audit.recent(u32::MAX).await.expect("read");
    let (mut people, mut grants) = (1, 0);
    for n in 0..10 * STEPS {
        people += usize::from(is_there(&reader, &format!("u{n}")).await);
        grants += usize::from(reader.grants.find(&grant_id(n)).await.expect("read").is_some());
    }
    assert_eq!(rows.iter().filter(|row| row.act == "user.create").count(), people);
    assert_eq!(rows.iter().filter(|row| row.act == "grant.open").count(), grants);
    storage.users.create(&user("after"), &operator()).await.expect("the writer is there for the next");
    place.clear().await;
}

/// One connection for everything: what is read there is committed, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn in_memory_nobody_reads_what_is_not_committed() {
    let storage = Storage::open(&StorageOptions::new("sqlite::memory:"), seal(), Schema::Migrate).await.expect("opens");
    storage
        .sql
        .tamper(
            "CREATE TABLE parents (id INTEGER PRIMARY KEY); \
             CREATE TABLE orphans (parent INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED); \
             CREATE TRIGGER poison AFTER INSERT ON users WHEN NEW.id LIKE 'poison%' BEGIN INSERT INTO orphans VALUES (7); END",
        )
        .await;
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let storage = storage.clone();
            tokio::spawn(async move {
                let id = format!("{}{n}", if n % 10 == 0 { "poison" } else { "u" });
                if n % 3 == 1 {
                    return storage.users.list(None, 1000).await.expect("read").iter().all(|user| user.id.starts_with('u'));
                }
                storage.users.create(&user(&id), &operator()).await.is_ok() == (n % 10 != 0)
            })
        })
        .collect();
    for task in tasks {
        assert!(task.await.expect("no step panics"));
    }
}
