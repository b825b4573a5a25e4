//! What a connection is doing, and how long it may do nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// From its first byte until a request's head is whole; with [`LOOK`](super::LOOK), at most 10 s.
const HEAD: Duration = Duration::from_millis(7_500);
/// Between requests.
const IDLE: Duration = Duration::from_secs(55);
/// The same while all places are taken: somebody may be waiting for this one. RFC 9112 §9.5: "A client, server, or proxy MAY close the transport
/// connection at any time." With [`LOOK`](super::LOOK), at most 4 s.
const IDLE_IN_A_CROWD: Duration = Duration::from_secs(1);

/// What a connection is doing, in milliseconds since it was made. Written by the requests, read by a timer: nothing is armed and
/// disarmed for each request.
pub struct Activity {
    made: Instant,
    requests: AtomicU32,
    /// When the first byte of the next head came, plus one; 0: it has not come.
    head_since: AtomicU64,
    idle_since: AtomicU64,
    pub http2: AtomicBool,
    /// The answer to the request under way, or to the next one, is the last.
    pub last: AtomicBool,
    /// A head came that has both a length and a transfer coding.
    pub ambiguous: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Fine,
    /// Nothing to say to somebody who does not speak.
    Cut,
    Close,
}

impl Activity {
    pub fn new() -> Self {
        // The first head counts from the connection on.
        Self {
            made: Instant::now(),
            requests: AtomicU32::new(0),
            head_since: AtomicU64::new(1),
            idle_since: AtomicU64::new(0),
            http2: AtomicBool::new(false),
            last: AtomicBool::new(false),
            ambiguous: AtomicBool::new(false),
        }
    }

    pub fn now(&self) -> u64 {
        u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Notes it, if it is the first of a head.
    pub fn byte_came(&self, now: u64) {
        if self.requests.load(Ordering::Relaxed) == 0 && self.head_since.load(Ordering::Relaxed) == 0 {
            self.head_since.store(now + 1, Ordering::Relaxed);
        }
    }

    pub fn begin(self: &Arc<Self>, http2: bool) -> UnderWay {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
        if http2 {
            self.http2.store(true, Ordering::Relaxed);
        }
        UnderWay(Arc::clone(self))
    }

    pub fn judge(&self, now: u64, crowded: bool) -> Verdict {
        if self.requests.load(Ordering::Relaxed) > 0 {
            return Verdict::Fine;
        }
        let head = self.head_since.load(Ordering::Relaxed);
        let http2 = self.http2.load(Ordering::Relaxed);
        let over = |since: u64, limit: Duration| now.saturating_sub(since) > u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let idle = if crowded { IDLE_IN_A_CROWD } else { IDLE };
        // On HTTP/2 bytes come without a head, too; there the idle time covers both.
        match (head, http2) {
            (1.., false) if over(head - 1, HEAD) => Verdict::Cut,
            (1.., false) => Verdict::Fine,
            _ if !over(self.idle_since.load(Ordering::Relaxed), idle) => Verdict::Fine,
            (_, true) => Verdict::Close,
            (_, false) => Verdict::Cut,
        }
    }
}

/// A request under way; its end is noted even where its client went away.
pub struct UnderWay(Arc<Activity>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.idle_since.store(self.0.now(), Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn silence_and_slow_heads_are_cut() {
        let activity = Arc::new(Activity::new());
        assert_eq!(activity.judge(7_000, false), Verdict::Fine);
        assert_eq!(activity.judge(8_000, false), Verdict::Cut, "no byte since it was made");
        // A request comes and is answered in the first milliseconds.
        drop(activity.begin(false));
        assert_eq!(activity.judge(50_000, false), Verdict::Fine, "kept alive");
        activity.byte_came(50_000);
        activity.byte_came(52_000);
        assert_eq!(activity.judge(52_000, false), Verdict::Fine);
        assert_eq!(activity.judge(58_000, false), Verdict::Cut, "the head does not become whole");
        let under_way = activity.begin(true);
        assert_eq!(activity.judge(100_000, false), Verdict::Fine, "a request is under way");
        activity.byte_came(100_000);
        drop(under_way);
        assert_eq!(activity.judge(50_000, false), Verdict::Fine);
        assert_eq!(activity.judge(100_000, false), Verdict::Close, "HTTP/2 says goodbye");
    }
}
