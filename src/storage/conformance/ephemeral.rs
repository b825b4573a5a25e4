//! The contract of the short-lived store, and the typed view on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::super::ephemeral::{Ephemeral, LISTED, Record, Records, Redeemed, Rule, Taken};
use super::super::memory::Memory;
use super::super::records;
use super::super::redis::Redis;
use super::{at, configured, seal};
use crate::seal::Seal;

macro_rules! on_every_store {
    ($($case:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                super::$case(&super::Corner::of(std::sync::Arc::new(super::Memory::default()))).await;
            })*
        }
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                let Some(store) = super::redis_store().await else { return };
                super::$case(&super::Corner::of(store)).await;
            })*
        }
    };
}

on_every_store!(
    what_is_put_is_there_until_it_expires,
    only_the_first_is_new,
    a_swap_answers_what_was_there_and_keeps_the_expiry,
    a_replacement_is_of_what_was_read_and_keeps_the_expiry,
    a_limit_admits_its_burst_and_then_one_at_a_time,
    limits_at_their_edges,
    parallel_takes_pass_no_limit,
    parallel_swaps_have_one_first,
    of_parallel_replacements_one_is_done,
    of_parallel_new_ones_one_is,
    an_owner_has_what_has_not_ended,
    a_record_is_redeemed_once,
    of_parallel_redemptions_one_is_first,
    a_record_changes_only_as_it_was_read,
    a_change_beside_a_redemption_brings_nothing_back,
    a_record_is_nothing_to_another_key_name_or_kind,
);

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(400);
const WORKERS: usize = 16;
const ROUNDS: usize = 200;

pub(super) async fn redis_store() -> Option<Arc<dyn Ephemeral>> {
    let url = configured("PORTERO_TEST_REDIS_URL")?;
    Some(Arc::new(Redis::open(&url).await.expect("the Redis of the tests answers")))
}

/// A part of a store that no other case uses.
struct Corner {
    store: Arc<dyn Ephemeral>,
    name: String,
}

impl Corner {
    fn of(store: Arc<dyn Ephemeral>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Self { store, name }
    }

    fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.name)
    }

    async fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.store.get(&self.key(name)).await.expect("answered")
    }

    fn records(&self) -> Records {
        Records::new(self.store.clone(), seal())
    }

    /// Runs `work` in sixteen tasks that start together, and gives back what each answered.
    async fn together<T: Send + 'static, F: Future<Output = T> + Send + 'static>(&self, work: impl Fn(Arc<dyn Ephemeral>) -> F) -> Vec<T> {
        super::races::together(WORKERS, |_| work(self.store.clone())).await
    }
}

async fn what_is_put_is_there_until_it_expires(corner: &Corner) {
    let key = corner.key("a");
    assert_eq!(corner.get("a").await, None);
    corner.store.put(&key, vec![0, 1, 255], LONG).await.expect("put");
    assert_eq!(corner.get("a").await, Some(vec![0, 1, 255]));
    // Replaced, with a new expiry.
    corner.store.put(&key, b"two".to_vec(), SHORT).await.expect("put");
    assert_eq!(corner.get("a").await, Some(b"two".to_vec()));
    corner.store.put(&corner.key("b"), vec![], LONG).await.expect("put");
    assert_eq!(corner.get("b").await, Some(vec![]));
    sleep(SHORT * 2).await;
    assert_eq!(corner.get("a").await, None);
    assert_eq!(corner.get("b").await, Some(vec![]));
    corner.store.ping().await.expect("answers");
}

async fn only_the_first_is_new(corner: &Corner) {
    let key = corner.key("jti");
    assert!(corner.store.put_new(&key, b"1".to_vec(), SHORT).await.expect("put"));
    assert!(!corner.store.put_new(&key, b"2".to_vec(), LONG).await.expect("refused"));
    assert_eq!(corner.get("jti").await, Some(b"1".to_vec()));
    sleep(SHORT * 2).await;
    assert!(corner.store.put_new(&key, b"3".to_vec(), LONG).await.expect("put"));
    assert_eq!(corner.get("jti").await, Some(b"3".to_vec()));
}

async fn a_swap_answers_what_was_there_and_keeps_the_expiry(corner: &Corner) {
    let key = corner.key("code");
    assert_eq!(corner.store.swap(&key, b"x".to_vec()).await.expect("answered"), None);
    assert_eq!(corner.get("code").await, None, "a swap makes nothing");
    corner.store.put(&key, b"1".to_vec(), SHORT).await.expect("put");
    assert_eq!(corner.store.swap(&key, b"2".to_vec()).await.expect("answered"), Some(b"1".to_vec()));
    assert_eq!(corner.store.swap(&key, b"3".to_vec()).await.expect("answered"), Some(b"2".to_vec()));
    sleep(SHORT * 2).await;
    assert_eq!(corner.get("code").await, None, "a swap keeps the expiry");
    assert_eq!(corner.store.swap(&key, b"4".to_vec()).await.expect("answered"), None);
}

async fn a_replacement_is_of_what_was_read_and_keeps_the_expiry(corner: &Corner) {
    let key = corner.key("flow");
    assert!(!corner.store.replace(&key, b"", b"x".to_vec()).await.expect("answered"));
    assert_eq!(corner.get("flow").await, None, "a replacement makes nothing");
    let binary = vec![0, 255, b'\r', b'\n', 0];
    corner.store.put(&key, binary.clone(), SHORT).await.expect("put");
    assert!(!corner.store.replace(&key, &binary[..4], b"x".to_vec()).await.expect("answered"));
    assert_eq!(corner.get("flow").await, Some(binary.clone()));
    assert!(corner.store.replace(&key, &binary, b"2".to_vec()).await.expect("answered"));
    assert!(!corner.store.replace(&key, &binary, b"3".to_vec()).await.expect("answered"));
    assert!(corner.store.replace(&key, b"2", vec![]).await.expect("answered"));
    assert_eq!(corner.get("flow").await, Some(vec![]));
    sleep(SHORT * 2).await;
    assert_eq!(corner.get("flow").await, None, "a replacement keeps the expiry");
    assert!(!corner.store.replace(&key, b"", b"4".to_vec()).await.expect("answered"));
}

async fn a_limit_admits_its_burst_and_then_one_at_a_time(corner: &Corner) {
    let rule = Rule { burst: 3, every: Duration::from_secs(2) };
    let key = corner.key("address");
    let take = async |micros: i64| corner.store.take(&key, &rule, at(0) + chrono::Duration::microseconds(micros)).await.expect("answered");
    for remaining in [2, 1, 0] {
        assert_eq!(take(0).await, Taken::Admitted { remaining });
    }
    assert_eq!(take(0).await, Taken::Refused { retry_after: Duration::from_secs(2) });
    // Refusals cost nothing, and a microsecond early is early.
    assert_eq!(take(1_999_999).await, Taken::Refused { retry_after: Duration::from_micros(1) });
    assert_eq!(take(2_000_000).await, Taken::Admitted { remaining: 0 });
    assert_eq!(take(3_000_000).await, Taken::Refused { retry_after: Duration::from_secs(1) });
    // After a pause the burst is whole again, and not more.
    for remaining in [2, 1, 0] {
        assert_eq!(take(100_000_000).await, Taken::Admitted { remaining });
    }
    assert!(matches!(take(100_000_000).await, Taken::Refused { .. }));
    // Another key is another limit.
    let other = corner.store.take(&corner.key("other"), &rule, at(0)).await.expect("answered");
    assert_eq!(other, Taken::Admitted { remaining: 2 });
}

async fn limits_at_their_edges(corner: &Corner) {
    let never = Rule { burst: 0, every: Duration::from_secs(1) };
    let refused = corner.store.take(&corner.key("never"), &never, at(0)).await.expect("answered");
    assert_eq!(refused, Taken::Refused { retry_after: Duration::from_secs(1) });
    let always = Rule { burst: 5, every: Duration::ZERO };
    for _ in 0..20 {
        let admitted = corner.store.take(&corner.key("always"), &always, at(0)).await.expect("answered");
        assert_eq!(admitted, Taken::Admitted { remaining: 5 });
    }
    let long = Rule { burst: 1000, every: Duration::from_secs(3600) };
    for remaining in (0..1000).rev() {
        let admitted = corner.store.take(&corner.key("long"), &long, at(0)).await.expect("answered");
        assert_eq!(admitted, Taken::Admitted { remaining });
    }
    assert!(matches!(corner.store.take(&corner.key("long"), &long, at(0)).await.expect("answered"), Taken::Refused { .. }));
}

async fn parallel_takes_pass_no_limit(corner: &Corner) {
    let rule = Rule { burst: 5, every: Duration::from_secs(60) };
    for round in 0..ROUNDS {
        let key = corner.key(&format!("limit-{round}"));
        let answers = corner
            .together(|store| {
                let key = key.clone();
                async move { store.take(&key, &rule, at(0)).await.expect("answered") }
            })
            .await;
        let admitted = answers.iter().filter(|taken| matches!(taken, Taken::Admitted { .. })).count();
        assert_eq!(admitted, 5, "round {round}: {answers:?}");
    }
}

async fn parallel_swaps_have_one_first(corner: &Corner) {
    for round in 0..ROUNDS {
        let key = corner.key(&format!("swap-{round}"));
        corner.store.put(&key, b"fresh".to_vec(), LONG).await.expect("put");
        let answers = corner
            .together(|store| {
                let key = key.clone();
                async move { store.swap(&key, b"spent".to_vec()).await.expect("answered") }
            })
            .await;
        let first = answers.iter().filter(|before| before.as_deref() == Some(b"fresh")).count();
        let again = answers.iter().filter(|before| before.as_deref() == Some(b"spent")).count();
        assert_eq!((first, again), (1, WORKERS - 1), "round {round}");
    }
}

async fn of_parallel_replacements_one_is_done(corner: &Corner) {
    for round in 0..ROUNDS {
        let key = corner.key(&format!("replace-{round}"));
        corner.store.put(&key, b"read".to_vec(), LONG).await.expect("put");
        let answers = corner
            .together(|store| {
                let key = key.clone();
                async move { store.replace(&key, b"read", b"written".to_vec()).await.expect("answered") }
            })
            .await;
        assert_eq!(answers.iter().filter(|done| **done).count(), 1, "round {round}");
    }
}

async fn of_parallel_new_ones_one_is(corner: &Corner) {
    for round in 0..ROUNDS {
        let key = corner.key(&format!("new-{round}"));
        let answers = corner
            .together(|store| {
                let key = key.clone();
                async move { store.put_new(&key, b"1".to_vec(), LONG).await.expect("answered") }
            })
            .await;
        assert_eq!(answers.iter().filter(|new| **new).count(), 1, "round {round}");
    }
}

async fn an_owner_has_what_has_not_ended(corner: &Corner) {
    let (ana, eva) = (corner.key("ana"), corner.key("eva"));
    let list = async |owner: &str, limit: usize, now: i64| corner.store.list(owner, limit, at(now)).await.expect("answered");
    assert!(list(&ana, 10, 0).await.is_empty());
    for (id, until) in [("b", 30), ("a", 20), ("c", 10)] {
        corner.store.enlist(&ana, id, at(until), at(0)).await.expect("done");
    }
    corner.store.enlist(&eva, "d", at(10), at(0)).await.expect("done");
    assert_eq!(list(&ana, 10, 9).await, ["c", "a", "b"], "what ends first stands first");
    assert_eq!(list(&ana, 2, 9).await, ["c", "a"]);
    assert_eq!(list(&ana, 10, 10).await, ["a", "b"], "an end is not part of a life");
    assert_eq!(list(&eva, 10, 9).await, ["d"]);
    // Named again, it has its new end, and is there once.
    corner.store.enlist(&ana, "a", at(40), at(11)).await.expect("done");
    assert_eq!(list(&ana, 10, 11).await, ["b", "a"]);
    assert!(list(&ana, 10, 40).await.is_empty());
    let many = corner.key("many");
    for n in 0..LISTED + 5 {
        corner.store.enlist(&many, &n.to_string(), at(100 + i64::try_from(n).expect("few")), at(0)).await.expect("done");
    }
    let kept = list(&many, usize::MAX >> 2, 0).await;
    assert_eq!((kept.len(), kept[0].as_str()), (LISTED, "5"), "of too many, those that end first are forgotten");
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Ticket {
    owner: String,
}

impl Record for Ticket {
    const PREFIX: &'static str = "test-ticket";
    const LIFETIME: Duration = LONG;
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Voucher {
    owner: String,
}

impl Record for Voucher {
    const PREFIX: &'static str = "test-voucher";
    const LIFETIME: Duration = LONG;
}

fn ticket() -> Ticket {
    Ticket { owner: "ana".to_owned() }
}

async fn a_record_is_redeemed_once(corner: &Corner) {
    let (records, id) = (corner.records(), corner.key("id"));
    let accept = |_: &Ticket| Ok::<(), &str>(());
    assert_eq!(records.redeem_if(&id, [2; 24], accept).await.expect("answered"), Ok(Redeemed::Missing));
    assert_eq!(records.get::<Ticket>(&id).await.expect("answered"), None);
    records.put(&id, &ticket(), [1; 24]).await.expect("put");
    assert_eq!(records.get::<Ticket>(&id).await.expect("answered"), Some(ticket()));
    // Whoever does not hold what it binds can neither spend it nor learn of it.
    let refused = records.redeem_if(&id, [2; 24], |found: &Ticket| if found.owner == "eva" { Ok(()) } else { Err("not hers") }).await;
    assert_eq!(refused.expect("answered"), Err("not hers"));
    assert_eq!(records.get::<Ticket>(&id).await.expect("answered"), Some(ticket()));
    assert_eq!(records.redeem_if(&id, [3; 24], accept).await.expect("answered"), Ok(Redeemed::First(ticket())));
    for _ in 0..2 {
        assert_eq!(records.redeem_if(&id, [4; 24], accept).await.expect("answered"), Ok(Redeemed::Again(ticket())));
    }
    assert_eq!(records.get::<Ticket>(&id).await.expect("answered"), None, "what is spent is gone for those who read");
    let refused = records.redeem_if(&id, [5; 24], |_: &Ticket| Err::<(), &str>("not hers")).await;
    assert_eq!(refused.expect("answered"), Err("not hers"), "the check comes before the tombstone");
}

async fn a_record_changes_only_as_it_was_read(corner: &Corner) {
    let (records, id) = (corner.records(), corner.key("id"));
    let owned = |owner: &str| Ticket { owner: owner.to_owned() };
    assert!(records.read::<Ticket>(&id).await.expect("answered").is_none());
    records.put(&id, &ticket(), [1; 24]).await.expect("put");
    let (read, version) = records.read::<Ticket>(&id).await.expect("answered").expect("there");
    assert_eq!(read, ticket());
    assert!(records.replace(&id, &version, &owned("eva"), [2; 24]).await.expect("answered"));
    assert!(!records.replace(&id, &version, &owned("leo"), [3; 24]).await.expect("answered"), "somebody changed it");
    assert_eq!(records.get::<Ticket>(&id).await.expect("answered"), Some(owned("eva")));
    let (_, version) = records.read::<Ticket>(&id).await.expect("answered").expect("there");
    let spent = records.redeem_if(&id, [4; 24], |_: &Ticket| Ok::<(), ()>(())).await.expect("answered");
    assert_eq!(spent, Ok(Redeemed::First(owned("eva"))));
    assert!(!records.replace(&id, &version, &owned("leo"), [5; 24]).await.expect("answered"), "somebody spent it");
    assert!(records.read::<Ticket>(&id).await.expect("answered").is_none());
}

async fn a_change_beside_a_redemption_brings_nothing_back(corner: &Corner) {
    for round in 0..ROUNDS {
        let id = corner.key(&format!("flow-{round}"));
        corner.records().put(&id, &ticket(), [1; 24]).await.expect("put");
        let next = Arc::new(AtomicU32::new(0));
        let answers = corner
            .together(|store| {
                let (records, id, worker) = (Records::new(store, seal()), id.clone(), next.fetch_add(1, Ordering::Relaxed));
                async move {
                    if worker == 0 {
                        let spent = records.redeem_if(&id, [2; 24], |_: &Ticket| Ok::<(), ()>(())).await.expect("answered");
                        return matches!(spent, Ok(Redeemed::First(_)));
                    }
                    if let Some((read, version)) = records.read::<Ticket>(&id).await.expect("answered") {
                        records.replace(&id, &version, &read, [3; 24]).await.expect("answered");
                    }
                    false
                }
            })
            .await;
        assert_eq!(answers.iter().filter(|first| **first).count(), 1, "round {round}");
        assert!(corner.records().read::<Ticket>(&id).await.expect("answered").is_none(), "round {round}: spent is spent");
    }
}

async fn of_parallel_redemptions_one_is_first(corner: &Corner) {
    for round in 0..ROUNDS {
        let id = corner.key(&format!("code-{round}"));
        corner.records().put(&id, &ticket(), [1; 24]).await.expect("put");
        let answers = corner
            .together(|store| {
                let (id, records) = (id.clone(), Records::new(store, seal()));
                async move { records.redeem_if(&id, [2; 24], |_: &Ticket| Ok::<(), ()>(())).await.expect("answered").expect("accepted") }
            })
            .await;
        let first = answers.iter().filter(|redeemed| **redeemed == Redeemed::First(ticket())).count();
        let again = answers.iter().filter(|redeemed| **redeemed == Redeemed::Again(ticket())).count();
        assert_eq!((first, again), (1, WORKERS - 1), "round {round}");
    }
}

async fn a_record_is_nothing_to_another_key_name_or_kind(corner: &Corner) {
    let (records, id) = (corner.records(), corner.key("id"));
    records.put(&id, &ticket(), [1; 24]).await.expect("put");
    assert_eq!(records.get::<Voucher>(&id).await.expect("answered"), None);
    let stranger = Records::new(corner.store.clone(), Seal::new(&[8; 32]));
    assert_eq!(stranger.get::<Ticket>(&id).await.expect("answered"), None);
    // Moved to another name, or changed, it does not open; and it is absent, not a fault.
    let (from, to) = (records.digest(&id).hex(), records.digest("elsewhere").hex());
    let sealed = corner.store.get(&format!("test-ticket:{from}")).await.expect("answered").expect("there under its digest");
    assert!(!sealed.windows(3).any(|window| window == b"ana"), "values are sealed");
    corner.store.put(&format!("test-ticket:{to}"), sealed.clone(), LONG).await.expect("put");
    assert_eq!(records.get::<Ticket>("elsewhere").await.expect("answered"), None);
    let mut changed = sealed;
    changed[30] ^= 1;
    corner.store.put(&format!("test-ticket:{from}"), changed, LONG).await.expect("put");
    let redeemed = records.redeem_if(&id, [2; 24], |_: &Ticket| Ok::<(), ()>(())).await.expect("answered");
    assert_eq!(redeemed, Ok(Redeemed::Missing));
}

#[test]
fn no_two_records_share_a_prefix() {
    let mut prefixes = records::PREFIXES.to_vec();
    prefixes.sort_unstable();
    prefixes.dedup();
    assert_eq!(prefixes.len(), records::PREFIXES.len());
    assert!(prefixes.iter().all(|prefix| !prefix.contains(':')));
}
