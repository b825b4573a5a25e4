//! The threads on which all hashing runs: as many hashes at once as there are processors, and a bounded number that waits; whoever comes past
//! that is told [`Busy`] before anything is hashed.
//!
//! Each thread keeps its memory between hashes; threads and memory exist from the first hash on and go when nothing was hashed for a while. A
//! caller that goes away gives up its place: its work is skipped when its turn comes. How long each scheme takes is measured here, for whoever
//! answers "wrong" has to know how long to wait.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use argon2::{Argon2, Block};
use subtle::ConstantTimeEq as _;
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::super::foreign::{Encoding, Price};
use super::stored::{Cost, Form, Scheme};
use crate::telemetry::metrics;

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

impl Settings {
    /// A thread for each core; what a hash costs, and how many may wait for one, is configured.
    #[must_use]
    pub fn of(cost: Cost, queue: u32) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { cost, threads, queue: queue as usize, idle: Duration::from_secs(30) }
    }
}

/// Too many hashes are waiting; nothing was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked; try again in {} s", .retry_after.as_secs())]
pub struct Busy {
    pub retry_after: Duration,
}

/// What a thread computes.
pub enum Work {
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
    pub fn price(&self) -> Price {
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

pub struct Done {
    /// Which form proved right.
    pub found: Option<usize>,
    /// Of the form that was computed last; empty for foreign hashes.
    pub output: Vec<u8>,
    pub shortfall: Duration,
}

/// Ends the threads when the last handle goes.
pub struct Pool {
    shared: Arc<Shared>,
}

impl Pool {
    /// No thread is started before the first hash.
    pub fn new(settings: Settings) -> Self {
        Self { shared: Arc::new(Shared { settings, state: Mutex::default(), work: Condvar::new() }) }
    }

    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// How many wait for a thread.
    pub fn depth(&self) -> usize {
        self.shared.lock().queue.len()
    }

    /// Was a scheme of this price computed before?
    pub fn knows(&self, price: &Price) -> bool {
        self.shared.lock().seconds.contains_key(price)
    }

    /// # Errors
    /// [`Busy`].
    pub async fn run(&self, forms: Vec<Zeroizing<Vec<u8>>>, work: Work) -> Result<Done, Busy> {
        let (answer, done) = oneshot::channel();
        self.shared.submit(Job { forms, work, answer })?;
        // A thread that could not finish (no memory) answers by hanging up: that is no judgement either.
        done.await.map_err(|_| Busy { retry_after: Duration::from_secs(1) })
    }
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
    use super::super::Hasher;
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
