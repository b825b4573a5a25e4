//! What happens when a store is away, slow, or left in the middle; and what an operator is told.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::super::durable::UserKey;
use super::super::ephemeral::{Ephemeral, Rule};
use super::super::redis::Redis;
use super::super::{OpenError, Result, Schema, Storage, StorageError, StorageOptions, migrate, pending};
use super::races::together;
use super::{Place, at, configured, digest, furnished, grant, on_every_database, operator, person, seal, user};

on_every_database!(a_caller_that_goes_away_leaves_nothing_behind, a_failed_step_leaves_nothing_behind, closing_while_in_use);

/// A step may be dropped at any moment: its client hung up. It is done or not done, and the connection serves the next.
async fn a_caller_that_goes_away_leaves_nothing_behind(place: &Place) {
    let storage = furnished(place).await;
    for round in 0..200_u32 {
        together(8, |worker| {
            let storage = storage.clone();
            let n = round * 100 + u32::try_from(worker).expect("few workers");
            async move {
                let patience = Duration::from_micros(u64::from(n * 7919 % 3000));
                let work = async {
                    match worker % 4 {
                        0 => drop(storage.grants.open(&grant(n, Some("s1")), Some(&digest(n)), &person("ana")).await),
                        1 => drop(storage.users.create(&user(&format!("u{n}")), &operator()).await),
                        2 => drop(storage.consents.allow("ana", "app", &format!("s{}", n % 5), at(0), &person("ana")).await),
                        _ => drop(storage.users.find(UserKey::Id("ana")).await),
                    }
                };
                drop(tokio::time::timeout(patience, work).await);
            }
        })
        .await;
    }
    // Everything works, at once, on every connection; and no transaction was left open that would swallow it.
    together(32, |worker| {
        let storage = storage.clone();
        async move { storage.users.create(&user(&format!("after-{worker}")), &operator()).await.expect("created") }
    })
    .await;
    let other = place.open().await;
    for worker in 0..32 {
        assert!(other.users.find(UserKey::Id(&format!("after-{worker}"))).await.expect("read").is_some(), "{worker}");
    }
    // Whatever was opened has its row in the trail, and the other way round.
    let rows = other.audit.recent(u32::MAX).await.expect("read");
    let mut opened = 0;
    for round in 0..200 {
        for worker in [0, 4] {
            opened += usize::from(other.grants.find(&super::grant_id(round * 100 + worker)).await.expect("read").is_some());
        }
    }
    assert_eq!(rows.iter().filter(|row| row.act == "grant.open").count(), opened);
    assert!(opened > 0, "some were patient enough");
}

async fn a_failed_step_leaves_nothing_behind(place: &Place) {
    let storage = furnished(place).await;
    storage.grants.open(&grant(2, None), Some(&digest(8)), &person("ana")).await.expect("opened");
    for _ in 0..40 {
        // Its id is somebody's: the statement ends in the middle of its transaction.
        let refused = storage.grants.open(&grant(2, None), Some(&digest(7)), &person("ana")).await;
        assert!(matches!(refused, Err(StorageError::Conflict(_))), "{refused:?}");
        let refused = storage.users.create(&user("ana"), &operator()).await;
        assert!(matches!(refused, Err(StorageError::Conflict(_))), "{refused:?}");
    }
    storage.grants.open(&grant(1, None), Some(&digest(7)), &person("ana")).await.expect("opened");
    let other = place.open().await;
    assert!(other.grants.find(&super::grant_id(1)).await.expect("read").is_some());
    // A value that makes no sense is said to be so.
    storage.sql.tamper("UPDATE users SET claims = 'no object'").await;
    let refused = other.users.find(UserKey::Id("ana")).await;
    assert!(matches!(refused, Err(StorageError::Corrupt(_))), "{refused:?}");
}

async fn closing_while_in_use(place: &Place) {
    let storage = furnished(place).await;
    let reader = tokio::spawn({
        let storage = storage.clone();
        async move { while storage.users.find(UserKey::Id("ana")).await.is_ok() {} }
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    storage.close().await;
    tokio::time::timeout(Duration::from_secs(3), reader).await.expect("reading ends").expect("no panic");
    let late = storage.users.create(&user("eva"), &operator()).await;
    assert!(matches!(late, Err(StorageError::Unavailable(_))), "{late:?}");
}

const FORWARDING: u8 = 0;
const REFUSING: u8 = 1;
const SILENT: u8 = 2;

/// A server that passes everything on, until it is told to refuse, or to keep silent.
struct Middleman {
    address: SocketAddr,
    mode: Arc<AtomicU8>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    made: Arc<AtomicU32>,
    /// Connections up to this number lead nowhere: what is sent on them is acknowledged, and that is all.
    lost: Arc<AtomicU32>,
}

impl Middleman {
    fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (mode, open) = (Arc::new(AtomicU8::new(FORWARDING)), Arc::new(Mutex::new(Vec::<TcpStream>::new())));
        let (made, lost) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let (its_mode, its_open, its_made, its_lost) = (mode.clone(), open.clone(), made.clone(), lost.clone());
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                if its_mode.load(Ordering::SeqCst) == REFUSING {
                    continue;
                }
                let Ok(far) = TcpStream::connect(server) else { continue };
                let number = its_made.fetch_add(1, Ordering::SeqCst) + 1;
                let mut open = its_open.lock().expect("no holder panics");
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (from, to) = (from.try_clone().expect("cloned"), to.try_clone().expect("cloned"));
                    open.push(from.try_clone().expect("cloned"));
                    let (mode, lost) = (its_mode.clone(), its_lost.clone());
                    std::thread::spawn(move || pass_on(from, to, &mode, || number <= lost.load(Ordering::SeqCst)));
                }
            }
        });
        Self { address, mode, open, made, lost }
    }

    /// As a firewall does that forgot them: what is open is lost without a word, and what is made from now on works.
    fn lose_those_open(&self) {
        self.lost.store(self.made.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    fn become_(&self, mode: u8) {
        self.mode.store(mode, Ordering::SeqCst);
        if mode == REFUSING {
            for connection in self.open.lock().expect("no holder panics").drain(..) {
                let _ = connection.shutdown(Shutdown::Both);
            }
        }
    }
}

fn pass_on(mut from: TcpStream, mut to: TcpStream, mode: &AtomicU8, lost: impl Fn() -> bool) {
    let mut buffer = [0; 4096];
    while let Ok(read) = from.read(&mut buffer) {
        if read > 0 && lost() {
            continue;
        }
        while mode.load(Ordering::SeqCst) == SILENT {
            std::thread::sleep(Duration::from_millis(5));
        }
        if read == 0 || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// Host and port in a URL, and the URL with others in their place.
fn through(url: &str) -> (Middleman, String) {
    let parsed = url::Url::parse(url).expect("a URL");
    let server = format!("{}:{}", parsed.host_str().expect("a host"), parsed.port().expect("a port"));
    let middleman = Middleman::before(server.parse().expect("an address"));
    let mut inside = parsed;
    inside.set_port(Some(middleman.address.port())).expect("has a host");
    inside.set_ip_host(middleman.address.ip()).expect("has a host");
    (middleman, inside.to_string())
}

async fn timed<T>(work: impl Future<Output = Result<T>>) -> (Result<T>, Duration) {
    let start = Instant::now();
    let answer = work.await;
    (answer, start.elapsed())
}

fn unavailable<T>(answer: &Result<T>) -> bool {
    matches!(answer, Err(StorageError::Unavailable(_)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgres_goes_away_and_comes_back() {
    let Some(place) = Place::postgres().await else { return };
    let (middleman, url) = through(&place.url);
    let storage = Storage::open(&StorageOptions::new(url), seal(), Schema::Migrate).await.expect("opens");
    storage.users.create(&user("ana"), &operator()).await.expect("created");
    let find = || storage.users.find(UserKey::Id("ana"));
    let occupy = || async {
        together(16, |_| {
            let storage = storage.clone();
            async move { storage.users.find(UserKey::Id("ana")).await }
        })
        .await
    };
    occupy().await;

    // Every connection is cut, as by a restart: reads and steps do not notice.
    middleman.become_(REFUSING);
    middleman.become_(FORWARDING);
    assert!(find().await.expect("read").is_some());
    occupy().await;
    middleman.become_(REFUSING);
    middleman.become_(FORWARDING);
    storage.users.create(&user("eva"), &operator()).await.expect("created");

    // Nobody listens: a quick fault, not a denial, and no wait for the next.
    middleman.become_(REFUSING);
    for _ in 0..3 {
        let (answer, took) = timed(find()).await;
        assert!(unavailable(&answer) && took < Duration::from_secs(4), "{answer:?} after {took:?}");
        let (answer, _) = timed(storage.users.create(&user("none"), &operator())).await;
        assert!(unavailable(&answer), "{answer:?}");
    }
    middleman.become_(FORWARDING);
    assert!(find().await.expect("read").is_some());
    assert_eq!(storage.users.find(UserKey::Id("none")).await.expect("read"), None);

    // It takes everything and says nothing: a fault in bounded time, for whoever comes second too; and afterwards all is well.
    occupy().await;
    middleman.become_(SILENT);
    let answers = together(40, |_| {
        let storage = storage.clone();
        async move { timed(storage.users.find(UserKey::Id("ana"))).await }
    })
    .await;
    for (answer, took) in answers {
        assert!(unavailable(&answer) && took < Duration::from_secs(10), "{answer:?} after {took:?}");
    }
    middleman.become_(FORWARDING);
    tokio::time::sleep(Duration::from_millis(500)).await;
    for answer in occupy().await {
        answer.expect("back again");
    }
    assert!(find().await.expect("read").is_some());
    storage.close().await;
    place.clear().await;
}

/// Where every transaction is serializable, as an operator may have set it, the losers go again by themselves.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn transactions_that_lose_are_run_again() {
    let Some(mut place) = Place::postgres().await else { return };
    place.url.push_str("&options[default_transaction_isolation]=serializable");
    let storage = furnished(&place).await;
    for round in 0..50 {
        together(3, |worker| {
            let storage = storage.clone();
            async move { storage.consents.allow("ana", "app", &format!("s{round}-{worker}"), at(0), &person("ana")).await.expect("allowed") }
        })
        .await;
    }
    let consent = storage.consents.find("ana", "app").await.expect("read").expect("known");
    assert_eq!(consent.scope.split(' ').count(), 150);
    storage.close().await;
    place.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn redis_goes_away_and_comes_back() {
    let Some(url) = configured("PORTERO_TEST_REDIS_URL") else { return };
    let (middleman, url) = through(&url);
    let store = Arc::new(Redis::open(&url).await.expect("opens"));
    let rule = Rule { burst: 1000, every: Duration::from_secs(1) };
    let key = format!("test-away-{}", std::process::id());
    store.put(&key, b"kept".to_vec(), Duration::from_secs(60)).await.expect("put");
    for mode in [REFUSING, SILENT] {
        middleman.become_(mode);
        // The first to come may be the one that finds out; everybody hears soon (half a second, on a machine that is not busy), however many come.
        let answers = together(100, |_| {
            let (store, key) = (store.clone(), key.clone());
            async move { timed(store.get(&key)).await }
        })
        .await;
        for (answer, took) in answers {
            assert!(unavailable(&answer) && took < Duration::from_secs(5), "{answer:?} after {took:?}");
        }
        assert!(unavailable(&store.put_new("test-x", vec![], Duration::from_secs(1)).await));
        assert!(unavailable(&store.swap(&key, vec![]).await));
        assert!(unavailable(&store.replace(&key, b"kept", vec![]).await));
        assert!(unavailable(&store.take("test-y", &rule, at(0)).await));
        assert!(unavailable(&store.ping().await));
        middleman.become_(FORWARDING);
        let back = Instant::now();
        while store.get(&key).await.is_err() {
            assert!(back.elapsed() < Duration::from_secs(30), "it does not come back");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // What was refused or not answered may have been done; it was never reported as done.
        store.put(&key, b"kept".to_vec(), Duration::from_secs(60)).await.expect("put");
        assert_eq!(store.get(&key).await.expect("answered"), Some(b"kept".to_vec()));
    }
}

/// Connections that are alive for the kernel and lead nowhere: a firewall forgot them, an address moved, the other end hangs.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_connection_to_redis_that_leads_nowhere_is_made_anew() {
    let Some(url) = configured("PORTERO_TEST_REDIS_URL") else { return };
    let (middleman, url) = through(&url);
    let store = Redis::open(&url).await.expect("opens");
    for _ in 0..2 {
        middleman.lose_those_open();
        let since = Instant::now();
        while let (Err(error), took) = timed(store.ping()).await {
            assert!(took < Duration::from_secs(5) && since.elapsed() < Duration::from_secs(30), "{error} after {:?}", since.elapsed());
        }
    }
    // One connection each time, and not one for everybody who waits.
    assert_eq!(middleman.made.load(Ordering::SeqCst), 3);
    // One that was quiet is asked first: nobody's command is lost by finding out.
    for cut in [false, true] {
        tokio::time::sleep(Duration::from_millis(1200)).await;
        if cut {
            middleman.become_(REFUSING);
            middleman.become_(FORWARDING);
        } else {
            middleman.lose_those_open();
        }
        let (answer, took) = timed(store.get("test-quiet")).await;
        answer.expect("answered by another one");
        assert!(took < Duration::from_secs(3), "{took:?}");
    }
}

/// What a failover leaves: the address leads to another Redis, and the connection that was open to one that takes nothing any more. Readiness says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_redis_that_takes_no_writes_is_not_ready() {
    let Some(url) = configured("PORTERO_TEST_REDIS_URL") else { return };
    let admin = Redis::open(&url).await.expect("opens");
    let name = format!("portero-test-{}", std::process::id());
    admin.acl(&["SETUSER", &name, "on", ">secret", "~*", "+@all"]).await;
    let mut theirs = url::Url::parse(&url).expect("a URL");
    theirs.set_username(&name).expect("has a host");
    theirs.set_password(Some("secret")).expect("has a host");
    let store = Redis::open(theirs.as_str()).await.expect("opens");
    store.ping().await.expect("ready");
    admin.acl(&["SETUSER", &name, "-@write"]).await;
    assert!(unavailable(&store.ping().await), "it answers a PING, and takes nothing");
    admin.acl(&["DELUSER", &name]).await;
}

/// All connections wait for a lock: the database itself is well, and whoever looks after it is told so.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_locked_table_does_not_make_a_server_unready() {
    let Some(place) = Place::postgres().await else { return };
    let (storage, other) = (furnished(&place).await, place.open().await);
    other.sql.tamper("BEGIN; LOCK TABLE users").await;
    let waiting: Vec<_> = (0..40)
        .map(|_| {
            let storage = storage.clone();
            tokio::spawn(async move { storage.users.find(UserKey::Id("ana")).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    for _ in 0..5 {
        let (answer, took) = timed(storage.revisions.current()).await;
        answer.expect("answered");
        assert!(took < Duration::from_millis(2500), "{took:?}");
        storage.schema_is_current().await.expect("current");
    }
    other.sql.tamper("COMMIT").await;
    for one in waiting {
        one.await.expect("no panic").expect("answered in the end");
    }
    storage.close().await;
    place.clear().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_to_postgres_that_lead_nowhere_cost_one_short_wait() {
    let Some(place) = Place::postgres().await else { return };
    let (middleman, url) = through(&place.url);
    let storage = Storage::open(&StorageOptions::new(url), seal(), Schema::Migrate).await.expect("opens");
    let find = || storage.users.find(UserKey::Id("ana"));
    let burst = || async {
        together(16, |_| {
            let storage = storage.clone();
            async move { timed(storage.users.find(UserKey::Id("ana"))).await }
        })
        .await
    };
    for at_once in [true, false] {
        for (answer, _) in burst().await {
            answer.expect("answered");
        }
        // Longer than a connection is believed to live unasked.
        tokio::time::sleep(Duration::from_millis(1200)).await;
        middleman.lose_those_open();
        let answers = if at_once { burst().await } else { vec![timed(find()).await, timed(find()).await] };
        for (n, (answer, took)) in answers.into_iter().enumerate() {
            answer.expect("answered by another one");
            // Who comes second does not ask one of them again, which takes half a second.
            assert!(took < Duration::from_millis(if at_once || n == 0 { 2800 } else { 500 }), "{n}: {took:?}");
        }
    }
    storage.close().await;
    place.clear().await;
}

/// The command line works on the file of a running server: each waits for the other, and not for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite_waits_for_another_process() {
    let place = Place::sqlite();
    let (server, command) = (furnished(&place).await, place.open().await);
    command.sql.tamper("BEGIN IMMEDIATE").await;
    let waiting = tokio::spawn({
        let server = server.clone();
        async move { timed(server.users.create(&user("eva"), &operator())).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(server.users.find(UserKey::Id("ana")).await.expect("readers do not wait").is_some());
    command.sql.tamper("COMMIT").await;
    let (answer, took) = waiting.await.expect("no panic");
    answer.expect("created");
    assert!(took >= Duration::from_millis(250), "{took:?}");

    command.sql.tamper("BEGIN IMMEDIATE").await;
    let (answer, took) = timed(server.users.create(&user("leo"), &operator())).await;
    assert!(unavailable(&answer) && took < Duration::from_secs(10), "{answer:?} after {took:?}");
    command.sql.tamper("COMMIT").await;
    server.users.create(&user("leo"), &operator()).await.expect("created");
    place.clear().await;
}

#[tokio::test]
async fn sqlite_makes_a_private_file_and_memory_works() {
    let place = Place::sqlite();
    assert_eq!(pending(&place.url).await.expect("answered"), super::durable::MIGRATIONS);
    let file = std::path::PathBuf::from(place.url.trim_start_matches("sqlite:"));
    assert!(!file.exists(), "asking makes no file");
    migrate(&place.url).await.expect("done");
    let mode = |path: &std::path::Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().expect("a folder"))), (0o600, 0o700));
    place.clear().await;

    for url in ["sqlite::memory:", "sqlite://:memory:"] {
        let (one, two) = (open(url).await.expect("opens"), open(url).await.expect("opens"));
        together(8, |worker| {
            let one = one.clone();
            async move { one.users.create(&user(&format!("u{worker}")), &operator()).await.expect("created") }
        })
        .await;
        assert_eq!(one.users.list(None, 100).await.expect("read").len(), 8);
        assert_eq!(two.users.list(None, 100).await.expect("read").len(), 0, "each is its own");
    }
}

/// A reader that stays (a backup) keeps the log of SQLite from beginning anew; afterwards it takes no more room than it may.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_log_of_sqlite_is_cut_back() {
    const MOST: u64 = 64 << 20;
    let place = Place::sqlite();
    let (storage, reader) = (furnished(&place).await, place.open().await);
    let log = format!("{}-wal", place.url.trim_start_matches("sqlite:"));
    let size = || std::fs::metadata(&log).expect("there").len();
    reader.sql.tamper("BEGIN; SELECT COUNT(*) FROM users").await;
    storage.sql.tamper("CREATE TABLE filling (x BLOB); INSERT INTO filling VALUES (zeroblob(50000000)), (zeroblob(50000000))").await;
    storage.users.create(&user("eva"), &operator()).await.expect("created");
    assert!(size() > MOST);
    reader.sql.tamper("COMMIT").await;
    // The first puts everything into its place, the next begins the log anew.
    for name in ["leo", "luz", "mar"] {
        storage.users.create(&user(name), &operator()).await.expect("created");
    }
    assert!(size() <= MOST, "{}", size());
    for one in [storage, reader] {
        one.close().await;
    }
    place.clear().await;
}

/// `mv` under a running server: it would go on, and everything it writes would be lost.
#[tokio::test]
async fn a_file_of_sqlite_that_was_moved_or_replaced_is_noticed() {
    let place = Place::sqlite();
    let storage = furnished(&place).await;
    let file = std::path::PathBuf::from(place.url.trim_start_matches("sqlite:"));
    let aside = file.with_extension("aside");
    storage.is_in_place().expect("nothing happened");
    std::fs::rename(&file, &aside).expect("moved");
    let said = storage.is_in_place().expect_err("it is gone").to_string();
    assert!(said.starts_with(&file.display().to_string()) && said.contains("moved, removed or replaced"), "{said}");
    std::fs::copy(&aside, &file).expect("copied");
    storage.is_in_place().expect_err("it is another one");
    std::fs::rename(&aside, &file).expect("moved back");
    storage.is_in_place().expect("it is the same");
    storage.close().await;
    place.clear().await;
    open("sqlite::memory:").await.expect("opens").is_in_place().expect("it has no file");
}

async fn open(url: &str) -> std::result::Result<Storage, OpenError> {
    Storage::open(&StorageOptions::new(url), seal(), Schema::Migrate).await
}

/// What Postgres would take and a pooler does not: PgBouncer's own words.
#[tokio::test]
async fn a_pooler_that_keeps_settings_from_postgres_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("postgres://root:hunter2@{}/portero", listener.local_addr().expect("bound"));
    let pooler = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        let mut ask = [0; 1024];
        // First whether it speaks TLS (it does not), then what the session shall be like.
        assert_eq!(stream.read(&mut ask).expect("asked"), 8);
        stream.write_all(b"N").expect("said");
        let length = stream.read(&mut ask).expect("asked");
        assert!(String::from_utf8_lossy(&ask[..length]).contains("statement_timeout=3s"));
        let said = b"SFATAL\0VFATAL\0C08P01\0Munsupported startup parameter: options\0\0";
        let length = u32::try_from(said.len() + 4).expect("small").to_be_bytes();
        stream.write_all(&[b"E", &length[..], said].concat()).expect("said");
    });
    let said = open(&url).await.map(drop).expect_err("refused").to_string();
    for piece in ["PORTERO_DATABASE_URL", "unsupported startup parameter", "PgBouncer", "pool_mode=session", "statement_timeout = '3s'"] {
        assert!(said.contains(piece), "{said}");
    }
    assert!(!said.contains("hunter2"), "{said}");
    pooler.join().expect("it said so");
}

#[tokio::test]
async fn an_operator_is_told_what_is_wrong_and_no_secret() {
    // A file that cannot be written is named; a folder in its place stands for one that belongs to somebody else.
    let folder = std::env::temp_dir().join(format!("portero-unwritable-{}", std::process::id()));
    std::fs::create_dir_all(folder.join("portero.db-wal")).expect("a temporary directory");
    let said = open(&format!("sqlite:{}/portero.db", folder.display())).await.map(drop).expect_err("refused").to_string();
    assert!(said.contains("PORTERO_DATABASE_URL names") && said.contains("portero.db-wal: "), "{said}");
    std::fs::remove_dir_all(&folder).expect("our own");
    for (url, pieces) in [
        (
            "mysql://root:hunter2@db/portero",
            ["PORTERO_DATABASE_URL", "neither with sqlite: nor with postgres://", "sqlite:data/portero.db"],
        ),
        ("sqlite:", ["PORTERO_DATABASE_URL", "names no file", "postgres://"]),
        ("sqlite:x.db?hunter2=1", ["PORTERO_DATABASE_URL", "not usable", "Examples"]),
        ("postgres://root:hunter2@127.0.0.1:1/portero", ["PORTERO_DATABASE_URL", "postgres://127.0.0.1:1/portero", "refused"]),
        ("postgres://root:hunter2@[::1/portero", ["PORTERO_DATABASE_URL", "not usable", "Examples"]),
        ("sqlite:/proc/nowhere/portero.db", ["PORTERO_DATABASE_URL", "sqlite:/proc/nowhere/portero.db", "cannot be used"]),
    ] {
        let said = open(url).await.map(drop).expect_err(url).to_string();
        for piece in pieces {
            assert!(said.contains(piece), "{url}: {said}");
        }
        assert!(!said.contains("root") && (!said.contains("hunter2") || url.starts_with("sqlite")), "{said}");
        assert!(!format!("{:?}", StorageOptions::new(url)).contains("hunter2"));
    }
    for (url, pieces) in [
        ("http://:hunter2@127.0.0.1", ["PORTERO_REDIS_URL", "not usable", "redis://127.0.0.1:6379"]),
        ("redis://:hunter2@127.0.0.1:1", ["PORTERO_REDIS_URL", "redis at 127.0.0.1:1", "refused"]),
    ] {
        let options = StorageOptions { redis_url: Some(url.to_owned()), ..StorageOptions::new("sqlite::memory:") };
        let said = Storage::open(&options, seal(), Schema::Migrate).await.map(drop).expect_err(url).to_string();
        for piece in pieces {
            assert!(said.contains(piece), "{url}: {said}");
        }
        assert!(!said.contains("hunter2"), "{said}");
    }
}
