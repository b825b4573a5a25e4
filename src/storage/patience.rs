//! How long one request waits for its stores, all its steps together.
//!
//! Each step has its own end of time; but several that all come close to theirs would keep a person waiting longer than anybody does. `layers` gives
//! every request what it may spend; each step takes from it the time that it took. Hashing a password takes nothing from it. What runs outside
//! of a request, or on a task of its own, has the time of its step alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, timeout};

tokio::task_local! {
    static LEFT: Patience;
}

/// What is left of it, in milliseconds. Cloning shares it.
#[derive(Clone)]
pub struct Patience(Arc<AtomicU64>);

impl Patience {
    #[must_use]
    pub fn of(time: Duration) -> Self {
        Self(Arc::new(AtomicU64::new(millis(time))))
    }

    /// Does `work`, whose steps take from this.
    pub async fn lasts<F: Future>(self, work: F) -> F::Output {
        LEFT.scope(self, work).await
    }

    fn left(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }

    fn take(&self, took: Duration) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_sub(millis(took))));
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A step: it gets its own time, or what is left to its request.
///
/// # Errors
/// How long it was waited for, in vain.
pub async fn bounded<T>(most: Duration, step: impl Future<Output = T>) -> Result<T, Duration> {
    let patience = LEFT.try_with(Patience::clone).ok();
    let most = patience.as_ref().map_or(most, |patience| patience.left().min(most));
    let began = Instant::now();
    let outcome = timeout(most, step).await.map_err(|_| most);
    if let Some(patience) = patience {
        patience.take(began.elapsed());
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A step that takes so long as it is let.
    async fn endless(most: Duration) -> Duration {
        bounded(most, std::future::pending::<()>()).await.expect_err("it has no end of its own")
    }

    #[tokio::test]
    async fn all_steps_of_a_request_together_take_no_longer_than_it_waits() {
        let [request, step] = [Duration::from_secs(2), Duration::from_secs(60)];
        let patience = Patience::of(request);
        let took = Duration::from_millis(200);
        let asked = patience.clone().lasts(async move {
            bounded(step, tokio::time::sleep(took)).await.expect("in time");
            let cut = endless(step).await;
            assert!(cut <= request - took, "too late for the request: {cut:?}");
            endless(step).await
        });
        // On another task as well, where it was handed on.
        assert_eq!(tokio::spawn(asked).await.expect("no panic"), Duration::ZERO, "there is nothing left");
        assert_eq!(patience.left(), Duration::ZERO);
        // What is no request's has the time of its step.
        assert_eq!(endless(took).await, took);
    }
}
