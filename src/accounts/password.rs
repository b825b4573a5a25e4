//! Password hashes: the only file that names argon2.
//!
//! Owns: Argon2id as PHC strings, a bounded pool of threads of its own that does all the hashing, the dummy hash for accounts that have none,
//! what goes on to count when an imported hash is replaced ([`Marks`]). Leaves to others: who may try (`limits`), what an answer means
//! (`authenticate`), which passwords are good enough (`rules`), hashes of other systems (`foreign`).
//!
//! As many hashes run at once as there are processors, and a bounded number waits; whoever comes past that is told [`Busy`] before
//! anything is hashed. Each thread keeps its memory between hashes; threads and memory exist from the first hash on and
//! go when nothing was hashed for a while. A caller that goes away gives up its place: its work is skipped when its turn comes.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, PasswordHash, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use subtle::ConstantTimeEq as _;
use tokio::sync::oneshot;
use unicode_normalization::{UnicodeNormalization as _, is_nfc};
use zeroize::Zeroizing;

use super::foreign::{CUT, Encoding, Price};
use crate::telemetry::metrics;

/// What one hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost {
    /// KiB of memory.
    pub m: u32,
    /// Passes over it.
    pub t: u32,
    /// Lanes.
    pub p: u32,
}

impl Default for Cost {
    /// OWASP's parameters for Argon2id.
    fn default() -> Self {
        Self { m: 19_456, t: 2, p: 1 }
    }
}

impl Cost {
    /// A stored hash is input, too: one that asks for more than this is not computed.
    const MOST: Self = Self { m: 1024 * 1024, t: 10, p: 16 };

    /// # Errors
    /// What is out of bounds, in words.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.p == 0 || self.p > Self::MOST.p {
            Err("p must be from 1 to 16")
        } else if self.t == 0 || self.t > Self::MOST.t {
            Err("t must be from 1 to 10")
        } else if self.m < 8 * self.p || self.m > Self::MOST.m {
            Err("m must be from 8 * p to 1048576 (KiB)")
        } else {
            Ok(())
        }
    }

    /// The work in it, whichever way it is spread.
    fn work(&self) -> u64 {
        u64::from(self.m) * u64::from(self.t)
    }
}

/// How the pool is made.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub cost: Cost,
    /// Hashes at once.
    pub threads: usize,
    /// How many more may wait.
    pub queue: usize,
    /// After this long without work a thread goes, and its memory with it.
    pub idle: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // At 16 ms a hash the last in the queue waits half a second.
        Self { cost: Cost::default(), threads, queue: 32 * threads, idle: Duration::from_secs(30) }
    }
}

/// Too many hashes are waiting; nothing was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked; try again in {} s", .retry_after.as_secs())]
pub struct Busy {
    pub retry_after: Duration,
}

/// What [`Hasher::verify`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    pub correct: bool,
    /// There is a hash, but none that can be checked here: not ours, or beyond the cost that is allowed.
    pub unusable: bool,
    /// It was not the password as typed, but its composed form (NFC) that proved right.
    pub composed: bool,
    /// How much faster this was than the dearest hash that this process has met: whoever answers "wrong" waits this long first, so that
    /// an old cheap hash does not tell an account that exists from one that does not.
    pub shortfall: Duration,
}

/// The pool. Cloning shares it; the last to go ends its threads.
#[derive(Clone)]
pub struct Hasher {
    pool: Arc<Pool>,
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher").field("settings", &self.pool.shared.settings).field("queue", &self.queue_depth()).finish()
    }
}

impl Hasher {
    /// # Errors
    /// What is wrong with the cost. No thread is started before the first hash.
    pub fn new(settings: Settings) -> Result<Self, &'static str> {
        settings.cost.check()?;
        let settings = Settings { threads: settings.threads.max(1), ..settings };
        Ok(Self { pool: Arc::new(Pool { shared: Arc::new(Shared { settings, state: Mutex::default(), work: Condvar::new() }) }) })
    }

    #[must_use]
    pub fn cost(&self) -> Cost {
        self.pool.shared.settings.cost
    }

    /// How many hashes wait for a thread.
    #[must_use]
    pub fn queue_depth(&self) -> usize {
        self.pool.shared.lock().queue.len()
    }

    /// A PHC string of `password` at the current cost. `salt` is fresh randomness.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn hash(&self, password: &str, salt: [u8; 16]) -> Result<String, Busy> {
        self.hash_bytes(Zeroizing::new(password.as_bytes().to_vec()), salt).await
    }

    async fn hash_bytes(&self, password: Zeroizing<Vec<u8>>, salt: [u8; 16]) -> Result<String, Busy> {
        let cost = self.cost();
        let scheme = Scheme { salt: salt.to_vec(), ..Scheme::at(cost) };
        let done = self.run(vec![password], Work::Argon2 { scheme, expected: None }).await?;
        let Cost { m, t, p } = cost;
        Ok(format!("$argon2id$v=19$m={m},t={t},p={p}${}${}", STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(&done.output)))
    }

    /// Is `password` the one behind `stored`? Where there is nothing to compare with, a hash of the current cost is computed all the same, and
    /// the answer is no: one cost for all. An imported password is compared as typed and then composed (NFC): what its old system took from
    /// one keyboard it goes on to take.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn verify(&self, password: &str, stored: Option<&str>) -> Result<Checked, Busy> {
        let parsed = stored.map(Stored::parse);
        let unusable = matches!(parsed, Some(None));
        let (marks, work) = match parsed.flatten() {
            Some(stored) => (stored.marks, stored.form.into()),
            None => (Marks::default(), Work::Argon2 { scheme: Scheme::at(self.cost()), expected: None }),
        };
        // Both forms are computed for everybody, so that time does not tell whose hash was imported.
        let mut forms = vec![Zeroizing::new(password.as_bytes().to_vec())];
        if !is_nfc(password) {
            forms.push(Zeroizing::new(password.nfc().collect::<String>().into_bytes()));
        }
        if marks.cut {
            forms.iter_mut().for_each(|form| form.truncate(CUT));
        }
        let done = self.run(forms, work).await?;
        let found = done.found.filter(|form| *form == 0 || marks.composed);
        Ok(Checked { correct: found.is_some(), unusable, composed: found == Some(1), shortfall: done.shortfall })
    }

    /// Should a hash that just proved right be replaced by one of today?
    #[must_use]
    pub fn needs_upgrade(&self, stored: &str) -> bool {
        Stored::parse(stored).is_none_or(|stored| match &stored.form {
            Form::Argon2 { scheme, output } => {
                scheme.algorithm != Algorithm::Argon2id
                    || scheme.version != Version::V0x13
                    || scheme.salt.len() < 16
                    || output.len() < 32
                    || scheme.cost().work() < self.cost().work()
            }
            Form::Foreign(_) => true,
        })
    }

    /// What replaces `stored`, after `password` has just proved right as `checked` says. Everything that was accepted goes on to be: where
    /// only the first 72 bytes counted, they alone are hashed, and the mark says so.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn stronger(&self, password: &str, stored: &str, checked: Checked, salt: [u8; 16]) -> Result<String, Busy> {
        let before = Stored::parse(stored).map(|stored| stored.marks).unwrap_or_default();
        let mut bytes =
            Zeroizing::new(if checked.composed { password.nfc().collect::<String>() } else { password.to_owned() }.into_bytes());
        let cut = before.cut && bytes.len() >= CUT;
        if cut {
            bytes.truncate(CUT);
        }
        // Latin letters without accents have one form.
        let marks = Marks { cut, composed: before.composed && !bytes.is_ascii() };
        Ok(format!("{}{}", marks.prefix(), self.hash_bytes(bytes, salt).await?))
    }

    /// Computes the scheme of `stored` once, unless it was met before, so that a failure waits for it from now on.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn meet(&self, stored: &str) -> Result<(), Busy> {
        let Some(stored) = Stored::parse(stored) else { return Ok(()) };
        let work = Work::from(stored.form);
        if !self.pool.shared.lock().seconds.contains_key(&work.price()) {
            self.run(vec![Zeroizing::default()], work).await?;
        }
        Ok(())
    }

    /// Can a stored string be verified here at all?
    #[must_use]
    pub fn is_usable(stored: &str) -> bool {
        Stored::parse(stored).is_some()
    }

    /// The marks before a stored string of Portero's own, and what is behind them.
    #[must_use]
    pub fn marked(stored: &str) -> (&'static str, &str) {
        let (marks, rest) = Marks::read(stored);
        (marks.prefix(), rest)
    }

    /// An Argon2 hash of another system as it is kept; of another Portero, with the marks it had there.
    #[must_use]
    pub fn imported(marks: &str, phc: &str) -> String {
        let marks = if marks.is_empty() { Marks { cut: false, composed: true }.prefix() } else { marks };
        format!("{marks}{phc}")
    }

    /// What a stored string costs to compute, and the same scheme with nobody's hash; none where it cannot be.
    #[must_use]
    pub fn price(stored: &str) -> Option<(Price, String)> {
        let work = Work::from(Stored::parse(stored)?.form);
        let blank = match &work {
            Work::Argon2 { scheme, .. } => scheme.blank(),
            Work::Foreign(encoding) => encoding.blank().text(),
        };
        Some((work.price(), blank))
    }

    async fn run(&self, forms: Vec<Zeroizing<Vec<u8>>>, work: Work) -> Result<Done, Busy> {
        let (answer, done) = oneshot::channel();
        self.pool.shared.submit(Job { forms, work, answer })?;
        // A thread that could not finish (no memory) answers by hanging up: that is no judgement either.
        done.await.map_err(|_| Busy { retry_after: Duration::from_secs(1) })
    }
}

/// Everything but the password that a hash is computed from.
struct Scheme {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Vec<u8>,
    length: usize,
}

impl Scheme {
    const LENGTH: usize = 32;

    /// What is made today, with a salt that stands for none: the dummy.
    fn at(cost: Cost) -> Self {
        let params = Params::new(cost.m, cost.t, cost.p, Some(Self::LENGTH)).expect("the cost was checked when the pool was made");
        Self { algorithm: Algorithm::Argon2id, version: Version::V0x13, params, salt: vec![0; 16], length: Self::LENGTH }
    }

    fn cost(&self) -> Cost {
        Cost { m: self.params.m_cost(), t: self.params.t_cost(), p: self.params.p_cost() }
    }

    fn price(&self) -> Price {
        let Cost { m, t, p } = self.cost();
        Price { scheme: self.algorithm.as_str(), n: u64::from(m), r: t, p }
    }

    fn blank(&self) -> String {
        let (Cost { m, t, p }, zero) = (self.cost(), |length| STANDARD_NO_PAD.encode(vec![0; length]));
        format!("${}$v=19$m={m},t={t},p={p}${}${}", self.algorithm.as_str(), zero(16), zero(self.length))
    }
}

/// What goes on to count although the hash is Portero's own: it replaced one of another system, or came from there. Written before the PHC
/// string, as in `cut72,nfc:$argon2id$…`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Marks {
    /// Only the first 72 bytes count, as with bcrypt.
    cut: bool,
    /// The composed form of what is typed counts, too.
    composed: bool,
}

impl Marks {
    const ALL: [(Self, &'static str); 3] = [
        (Self { cut: true, composed: true }, "cut72,nfc:"),
        (Self { cut: true, composed: false }, "cut72:"),
        (Self { cut: false, composed: true }, "nfc:"),
    ];

    fn prefix(self) -> &'static str {
        Self::ALL.iter().find(|(marks, _)| *marks == self).map_or("", |(_, prefix)| prefix)
    }

    fn read(encoded: &str) -> (Self, &str) {
        let found = Self::ALL.iter().find_map(|(marks, prefix)| Some((*marks, encoded.strip_prefix(prefix)?)));
        found.unwrap_or((Self::default(), encoded))
    }
}

/// A stored string taken apart.
struct Stored {
    marks: Marks,
    form: Form,
}

enum Form {
    Argon2 { scheme: Scheme, output: Vec<u8> },
    Foreign(Encoding),
}

impl Stored {
    /// None for what is damaged, unknown, or costs more than is allowed.
    fn parse(encoded: &str) -> Option<Self> {
        let (marks, rest) = Marks::read(encoded);
        if rest.starts_with("$argon2") {
            return Some(Self { marks, form: Self::argon2(rest)? });
        }
        let encoding = Encoding::parse(encoded).ok()?;
        Some(Self { marks: Marks { cut: encoding.cuts(), composed: true }, form: Form::Foreign(encoding) })
    }

    /// At most [`Cost::MOST`].
    fn argon2(phc: &str) -> Option<Form> {
        let hash = PasswordHash::new(phc).ok()?;
        let algorithm = Algorithm::new(hash.algorithm.as_str()).ok()?;
        // The field came with version 1.3: a string without it is of the version before.
        let version = hash.version.map_or(Some(Version::V0x10), |version| Version::try_from(version).ok())?;
        let params = Params::try_from(&hash).ok()?;
        let salt: &[u8] = hash.salt.as_ref()?.as_ref();
        let output = hash.hash.as_ref()?.as_bytes().to_vec();
        let scheme = Scheme { algorithm, version, params, salt: salt.to_vec(), length: output.len() };
        (scheme.cost().check().is_ok() && (8..=64).contains(&scheme.salt.len()) && output.len() >= 16)
            .then_some(Form::Argon2 { scheme, output })
    }
}

/// What a thread computes.
enum Work {
    /// The output, and whether it is the one that is expected.
    Argon2 {
        scheme: Scheme,
        expected: Option<Vec<u8>>,
    },
    Foreign(Encoding),
}

impl From<Form> for Work {
    fn from(form: Form) -> Self {
        match form {
            Form::Argon2 { scheme, output } => Self::Argon2 { scheme, expected: Some(output) },
            Form::Foreign(encoding) => Self::Foreign(encoding),
        }
    }
}

impl Work {
    fn price(&self) -> Price {
        match self {
            Self::Argon2 { scheme, .. } => scheme.price(),
            Self::Foreign(encoding) => encoding.price(),
        }
    }
}

struct Job {
    /// One after the other until one proves right.
    forms: Vec<Zeroizing<Vec<u8>>>,
    work: Work,
    answer: oneshot::Sender<Done>,
}

struct Done {
    /// Which form proved right.
    found: Option<usize>,
    /// Of the form that was computed last; empty for foreign hashes.
    output: Vec<u8>,
    shortfall: Duration,
}

/// Ends the threads when the last handle goes.
struct Pool {
    shared: Arc<Shared>,
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_all();
    }
}

struct Shared {
    settings: Settings,
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    waiting: usize,
    closed: bool,
    /// Seconds a hash takes, by its cost: a moving average.
    seconds: BTreeMap<Price, f64>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that runs under the lock panics; if it ever did, the state would still be whole.
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn submit(self: &Arc<Self>, job: Job) -> Result<(), Busy> {
        let mut state = self.lock();
        if state.queue.len() >= self.settings.queue {
            // Places of callers that went away are free.
            state.queue.retain(|job| !job.answer.is_closed());
        }
        // With a queue of nothing, a job may still go straight to a thread.
        let free = self.settings.threads - state.threads + state.waiting;
        if state.queue.len() >= self.settings.queue.max(free) {
            return Err(self.busy(&state));
        }
        state.queue.push_back(job);
        if state.queue.len() > state.waiting && state.threads < self.settings.threads {
            let shared = Arc::clone(self);
            let spawned = std::thread::Builder::new().name("password".into()).spawn(move || shared.thread());
            match spawned {
                Ok(_) => state.threads += 1,
                Err(_) if state.threads == 0 => {
                    state.queue.pop_back();
                    return Err(self.busy(&state));
                }
                // The threads there are will come to it.
                Err(_) => {}
            }
        } else {
            self.work.notify_one();
        }
        depth(&state);
        Ok(())
    }

    fn busy(&self, state: &State) -> Busy {
        let each = state.seconds.get(&Scheme::at(self.settings.cost).price()).copied().unwrap_or(0.02);
        let wait = each * state.queue.len() as f64 / self.settings.threads as f64;
        Busy { retry_after: Duration::from_secs((wait.ceil() as u64).clamp(1, 60)) }
    }

    fn thread(self: Arc<Self>) {
        let _panic = Panic(&self);
        let mut memory = Vec::new();
        while let Some(job) = self.next() {
            // Whoever asked is gone: the attempt stays as it was, and nothing is computed for nobody.
            if job.answer.is_closed() {
                continue;
            }
            let started = Instant::now();
            let Some((found, output)) = compute(&job, &mut memory) else { continue };
            let shortfall = self.took(&job, found, started.elapsed());
            let _ = job.answer.send(Done { found, output, shortfall });
            // One dear old hash must not leave its memory behind.
            if memory.len() > self.settings.cost.m as usize {
                memory = Vec::new();
            }
        }
    }

    /// The next job; none when nothing came for a while or the pool is gone.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.queue.pop_front() {
                depth(&state);
                return Some(job);
            }
            if state.closed {
                state.threads -= 1;
                return None;
            }
            state.waiting += 1;
            let woken = self.work.wait_timeout(state, self.settings.idle);
            let (again, timeout) = woken.unwrap_or_else(std::sync::PoisonError::into_inner);
            state = again;
            state.waiting -= 1;
            if timeout.timed_out() && state.queue.is_empty() {
                // Counted out under the lock that `submit` looks under, so that no job waits for a thread that is going.
                state.threads -= 1;
                return None;
            }
        }
    }

    /// Notes how long a hash took, and answers how much that is short of the dearest that is in use. Where all hashes cost the same,
    /// nothing is: their times vary alike.
    fn took(&self, job: &Job, found: Option<usize>, took: Duration) -> Duration {
        let price = job.work.price();
        // A form that proved right is the last that was computed.
        let computed = found.map_or(job.forms.len(), |form| form + 1);
        metrics::password_hash(price.scheme, took);
        let mut state = self.lock();
        let current = Scheme::at(self.settings.cost).price();
        let seconds = took.as_secs_f64() / computed as f64;
        if state.seconds.len() >= 16 && !state.seconds.contains_key(&price) {
            // Only the dearest matters, and our own.
            let cheapest = state.seconds.iter().filter(|(known, _)| **known != current).min_by(|(_, one), (_, other)| one.total_cmp(other));
            if let Some((cheapest, _)) = cheapest.map(|(known, mean)| (*known, *mean)).filter(|(_, mean)| *mean < seconds) {
                state.seconds.remove(&cheapest);
            }
        }
        if state.seconds.len() < 16 || state.seconds.contains_key(&price) {
            state.seconds.entry(price).and_modify(|mean| *mean += (seconds - *mean) / 8.0).or_insert(seconds);
        }
        let dearest = state.seconds.values().copied().fold(0.0, f64::max);
        let alike = state.seconds.keys().all(|known| *known == current) && price == current;
        // A little more than the mean, and within bounds, so that all but a few wait.
        let floor = (dearest * 1.1 * job.forms.len() as f64).min(10.0);
        if alike { Duration::ZERO } else { Duration::from_secs_f64(floor).saturating_sub(took) }
    }
}

/// Counts a thread out that panicked. Nothing here is known to; whoever waits is answered [`Busy`] then instead of never.
struct Panic<'a>(&'a Shared);

impl Drop for Panic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut state = self.0.lock();
            state.threads -= 1;
            state.queue.clear();
        }
    }
}

fn depth(state: &State) {
    metrics::password_queue(state.queue.len());
}

/// None where there is no memory for it.
fn compute(job: &Job, memory: &mut Vec<Block>) -> Option<(Option<usize>, Vec<u8>)> {
    let (scheme, expected) = match &job.work {
        Work::Argon2 { scheme, expected } => (scheme, expected),
        Work::Foreign(encoding) => return Some((job.forms.iter().position(|form| encoding.verify(form)), Vec::new())),
    };
    let Scheme { algorithm, version, params, salt, length } = scheme;
    let blocks = params.block_count();
    if memory.len() < blocks {
        memory.resize(blocks, Block::new());
    }
    let argon2 = Argon2::new(*algorithm, *version, params.clone());
    let mut output = vec![0; *length];
    for (form, password) in job.forms.iter().enumerate() {
        argon2.hash_password_into_with_memory(password, salt, &mut output, &mut memory[..blocks]).ok()?;
        if expected.as_ref().is_some_and(|expected| bool::from(expected.ct_eq(&output))) {
            return Some((Some(form), output));
        }
    }
    Some((None, output))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost { m: 64, t: 1, p: 1 };
    /// Some tens of milliseconds without optimisation or with.
    const SLOW: Cost = Cost { m: 32 * 1024, t: 2, p: 1 };

    fn hasher(cost: Cost, threads: usize, queue: usize) -> Hasher {
        Hasher::new(Settings { cost, threads, queue, idle: Duration::from_secs(5) }).expect("a cost in bounds")
    }

    fn threads(hasher: &Hasher) -> usize {
        hasher.pool.shared.lock().threads
    }

    #[tokio::test]
    async fn a_hash_verifies_its_own_password_and_no_other() {
        let hasher = hasher(CHEAP, 1, 4);
        let stored = hasher.hash("Contraseña-año-2026!", [7; 16]).await.expect("a hash");
        assert!(stored.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{stored}");
        let check = async |password| hasher.verify(password, Some(&stored)).await.expect("a judgement").correct;
        assert!(check("Contraseña-año-2026!").await);
        for wrong in ["contraseña-año-2026!", "", "Contraseña-año-2026! ", "Contrasen\u{303}a-an\u{303}o-2026!"] {
            assert!(!check(wrong).await, "{wrong}");
        }
        assert_ne!(stored, hasher.hash("Contraseña-año-2026!", [8; 16]).await.expect("a hash"), "the salt counts");
    }

    #[tokio::test]
    async fn a_hash_of_another_library_verifies() {
        // Written by pwdlib 0.3.1.
        let stored = "$argon2id$v=19$m=65536,t=3,p=4$oMl+pIZ+djkMdKx5cyAlPQ$8LFxBtSPg8ZPqpH/hzYlx90n1qMPL33TZfLS33mjzIg";
        let hasher = hasher(CHEAP, 1, 4);
        assert!(hasher.verify("Contraseña-año-2026!", Some(stored)).await.expect("a judgement").correct);
        assert!(!hasher.verify("Contraseña-año-2026!x", Some(stored)).await.expect("a judgement").correct);
    }

    #[tokio::test]
    async fn where_there_is_nothing_to_compare_the_answer_is_no() {
        let hasher = hasher(CHEAP, 1, 4);
        let none = hasher.verify("", None).await.expect("a judgement");
        assert_eq!((none.correct, none.unusable), (false, false));
        for stored in [
            "",
            "plain",
            "$2b$31$kaurpHzQYvYi7BFcU6ISweFvuWGNtcuH1k/PCqwNbf0xuLjODCJ.m",
            "cut72:",
            "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ",
        ] {
            let found = hasher.verify("plain", Some(stored)).await.expect("a judgement");
            assert_eq!((found.correct, found.unusable), (false, true), "{stored}");
        }
    }

    #[tokio::test]
    async fn a_stored_hash_cannot_ask_for_more_than_is_allowed() {
        let hash = "c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for (parameters, allowed) in [
            ("m=4294967295,t=2,p=8", false),
            ("m=1048577,t=1,p=1", false),
            ("m=1048576,t=10,p=16", true),
            ("m=64,t=11,p=1", false),
            ("m=1024,t=1,p=17", false),
            ("m=4,t=1,p=1", false),
            ("m=64,t=0,p=1", false),
        ] {
            assert_eq!(Hasher::is_usable(&format!("$argon2id$v=19${parameters}${hash}")), allowed, "{parameters}");
        }
        assert!(Cost { m: 8, t: 1, p: 2 }.check().is_err());
        assert!(Cost::default().check().is_ok());
    }

    #[test]
    fn weaker_hashes_are_upgraded_and_stronger_ones_kept() {
        let hasher = hasher(Cost::default(), 1, 1);
        let tail = "c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for (head, upgrade) in [
            ("$argon2id$v=19$m=19456,t=2,p=1", false),
            ("$argon2id$v=19$m=65536,t=3,p=4", false),
            ("$argon2id$v=19$m=19456,t=1,p=1", true),
            ("$argon2id$v=19$m=8192,t=2,p=1", true),
            ("$argon2id$v=16$m=19456,t=2,p=1", true),
            ("$argon2id$m=19456,t=2,p=1", true),
            ("$argon2i$v=19$m=19456,t=2,p=1", true),
            ("$argon2d$v=19$m=19456,t=2,p=1", true),
        ] {
            assert_eq!(hasher.needs_upgrade(&format!("{head}${tail}")), upgrade, "{head}");
        }
        assert!(
            hasher.needs_upgrade("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            "short salt"
        );
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn past_the_queue_the_answer_is_busy_at_once() {
        let hasher = hasher(SLOW, 1, 2);
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move { hasher.verify("guess", None).await })
            })
            .collect();
        let mut busy = 0;
        for task in tasks {
            if let Err(refused) = task.await.expect("no panic") {
                assert!(refused.retry_after >= Duration::from_secs(1));
                busy += 1;
            }
        }
        assert!((4..=6).contains(&busy), "one runs or is about to, two wait: {busy}");
        assert_eq!(hasher.queue_depth(), 0);
        assert!(hasher.verify("guess", None).await.is_ok(), "and then there is room again");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_caller_that_goes_away_gives_up_its_place() {
        let hasher = hasher(SLOW, 1, 2);
        for _ in 0..50 {
            let gone = tokio::time::timeout(Duration::from_millis(1), hasher.verify("guess", None)).await;
            assert!(!matches!(gone, Ok(Err(_))), "never busy: those before are gone");
        }
        let started = Instant::now();
        assert!(hasher.verify("guess", None).await.is_ok());
        assert!(started.elapsed() < Duration::from_secs(20), "fifty abandoned hashes were not computed");
        assert_eq!(threads(&hasher), 1);
    }

    #[tokio::test]
    async fn threads_come_with_the_first_hash_and_go_when_idle() {
        let hasher = Hasher::new(Settings { cost: CHEAP, threads: 2, queue: 8, idle: Duration::from_millis(20) }).expect("in bounds");
        assert_eq!(threads(&hasher), 0);
        for _ in 0..3 {
            assert!(hasher.verify("guess", None).await.is_ok());
            let gone = async {
                while threads(&hasher) > 0 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::time::timeout(Duration::from_secs(5), gone).await.expect("idle threads go");
        }
    }

    #[tokio::test]
    async fn the_last_handle_ends_the_threads() {
        let hasher = hasher(CHEAP, 2, 8);
        assert!(hasher.verify("guess", None).await.is_ok());
        let shared = Arc::clone(&hasher.pool.shared);
        drop(hasher);
        let gone = async {
            while shared.lock().threads > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(4), gone).await.expect("they do not wait for their idle time");
    }

    #[tokio::test]
    async fn a_cheap_old_hash_is_made_up_for_by_waiting() {
        let old = hasher(CHEAP, 1, 4).hash("right", [7; 16]).await.expect("a hash");
        let hasher = hasher(SLOW, 1, 4);
        assert_eq!(hasher.verify("wrong", None).await.expect("a judgement").shortfall, Duration::ZERO, "all alike: nobody waits");
        let short = hasher.verify("wrong", Some(&old)).await.expect("a judgement").shortfall;
        let dear = *hasher.pool.shared.lock().seconds.get(&Scheme::at(SLOW).price()).expect("it was measured");
        assert!(short.as_secs_f64() > dear / 2.0, "{short:?} of {dear}");
    }
}
