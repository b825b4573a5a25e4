//! Lines on their way to standard output: whoever logs never waits for whoever reads.
//!
//! One thread writes; what comes while it writes goes out together. Where nobody takes the lines, [`MOST`] of them are kept and the others are
//! counted and told of. Called by `log`.

use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use super::metrics;

/// Bytes that wait to be written: some thousands of lines.
const MOST: usize = 1 << 20;
/// What a burst made room for is given back.
const ROOM: usize = 1 << 16;
/// After each write: lines that come close together are one write.
const PAUSE: Duration = Duration::from_millis(5);

#[derive(Clone)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    /// There is something to write.
    some: Condvar,
    /// All of it was written.
    none: Condvar,
}

#[derive(Default)]
struct Waiting {
    lines: Vec<u8>,
    /// Lines that found no room, since the last one that did.
    dropped: u64,
    /// The thread waits to be woken.
    asleep: bool,
    /// Something was taken and is not written yet.
    writing: bool,
}

impl Queue {
    /// To `out`; `told` makes a line of how many were dropped.
    pub(super) fn to(mut out: impl Write + Send + 'static, told: fn(u64) -> Vec<u8>) -> Self {
        let shared = Arc::<Shared>::default();
        let its = Arc::clone(&shared);
        let started = std::thread::Builder::new().name("portero-log".to_owned()).spawn(move || {
            let mut lines = Vec::new();
            loop {
                let dropped = its.next(&mut lines);
                if dropped > 0 {
                    lines.extend(told(dropped));
                }
                // Where nobody reads any more there is nobody to tell.
                let _ = out.write_all(&lines).and_then(|()| out.flush());
                lines.clear();
                lines.shrink_to(ROOM);
                its.written();
                std::thread::sleep(PAUSE);
            }
        });
        drop(started);
        Self(shared)
    }

    pub(super) fn push(&self, line: &[u8]) {
        let mut waiting = self.0.lock();
        if waiting.lines.len() + line.len() > MOST {
            waiting.dropped += 1;
            drop(waiting);
            metrics::log_line_dropped();
            return;
        }
        waiting.lines.extend_from_slice(line);
        if std::mem::take(&mut waiting.asleep) {
            drop(waiting);
            self.0.some.notify_one();
        }
    }

    /// Until what was pushed is written, but no longer than `patience`.
    pub(super) fn flush(&self, patience: Duration) {
        let busy = |waiting: &mut Waiting| waiting.writing || !waiting.lines.is_empty();
        drop(self.0.none.wait_timeout_while(self.0.lock(), patience, busy));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("no holder of this lock panics")
    }

    /// Waits for lines, and takes them all; how many were dropped.
    fn next(&self, lines: &mut Vec<u8>) -> u64 {
        let mut waiting = self.lock();
        while waiting.lines.is_empty() {
            waiting.asleep = true;
            waiting = self.some.wait(waiting).expect("no holder of this lock panics");
        }
        waiting.asleep = false;
        waiting.writing = true;
        std::mem::swap(&mut waiting.lines, lines);
        std::mem::take(&mut waiting.dropped)
    }

    fn written(&self) {
        self.lock().writing = false;
        self.none.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Writes when it is allowed to.
    struct Reader {
        turns: mpsc::Receiver<()>,
        read: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.turns.recv().map_err(std::io::Error::other)?;
            self.read.send(bytes.to_vec()).map_err(std::io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_reader_that_sleeps() {
        let (turn, turns) = mpsc::channel();
        let (read, lines) = mpsc::channel();
        let queue = Queue::to(Reader { turns, read }, |dropped| format!("{dropped} dropped\n").into_bytes());
        let line = [b'x'; 1024];
        queue.push(b"first\n");
        let begun = std::time::Instant::now();
        queue.flush(Duration::from_millis(50));
        for _ in 0..2 * MOST / line.len() {
            queue.push(&line);
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
        for _ in 0..2 {
            turn.send(()).expect("it writes");
        }
        assert_eq!(lines.recv().expect("written"), b"first\n");
        let all = lines.recv().expect("written");
        assert_eq!(all.iter().filter(|byte| **byte == b'x').count(), MOST);
        assert!(all.ends_with(format!("{} dropped\n", MOST / line.len()).as_bytes()));
        // Room again, and nothing more to tell.
        queue.push(b"last\n");
        turn.send(()).expect("it writes");
        assert_eq!(lines.recv().expect("written"), b"last\n");
        queue.flush(Duration::from_secs(5));
        assert!(!queue.0.lock().writing);
    }
}
