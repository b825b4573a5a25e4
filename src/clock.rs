//! Time and randomness. The only room that reads either: everything below the edges receives `now` and fresh
//! values as arguments, so that a test with a frozen clock and a seeded generator sees the same program.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

/// A moment in UTC. Storage keeps it as whole seconds.
pub type Time = DateTime<Utc>;

/// Tells the time: the system's, or a frozen one that tests move by hand.
#[derive(Debug)]
pub enum Clock {
    System,
    Frozen(Mutex<Time>),
}

impl Clock {
    #[must_use]
    pub fn frozen(at: Time) -> Self {
        Self::Frozen(Mutex::new(at))
    }

    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system clock")]
    pub fn now(&self) -> Time {
        match self {
            Self::System => Utc::now(),
            Self::Frozen(at) => *at.lock().expect("clock"),
        }
    }

    /// Moves a frozen clock; the system's is left alone.
    pub fn advance(&self, by: chrono::Duration) {
        if let Self::Frozen(at) = self {
            *at.lock().expect("clock") += by;
        }
    }
}

/// Gives random bytes: the operating system's, or a seeded sequence for tests.
#[derive(Debug)]
pub enum Random {
    System,
    Seeded { seed: u64, drawn: AtomicU64 },
}

impl Random {
    /// Bytes of the moment in front of values that sort by it.
    pub const MOMENT: usize = 6;

    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self::Seeded { seed, drawn: AtomicU64::new(0) }
    }

    /// `N` fresh bytes.
    ///
    /// # Panics
    /// If the operating system has no entropy to give: going on without would be worse.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's entropy")]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0u8; N];
        match self {
            Self::System => getrandom::fill(&mut out).expect("the operating system gives entropy"),
            Self::Seeded { seed, drawn } => {
                for chunk in out.chunks_mut(32) {
                    let n = drawn.fetch_add(1, Ordering::Relaxed);
                    let block = Sha256::digest([seed.to_be_bytes(), n.to_be_bytes()].concat());
                    chunk.copy_from_slice(&block[..chunk.len()]);
                }
            }
        }
        out
    }

    /// `N` fresh bytes that sort by when they were made: `now` in milliseconds takes the first six. What a database keeps under such values
    /// comes in at the end of its index, where many rows share the page that is written, and not at a page of its own each.
    #[must_use]
    pub fn in_order<const N: usize>(&self, now: Time) -> [u8; N] {
        let mut out = self.bytes::<N>();
        out[..Self::MOMENT].copy_from_slice(&now.timestamp_millis().to_be_bytes()[8 - Self::MOMENT..]);
        out
    }
}
