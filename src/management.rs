//! The management address: `/livez`, `/readyz`, `/healthz`, `/metrics`. Not for the public, and not in its way.
//!
//! Owns: the phases of a process's life, what readiness is made of, keeping its answer for a second. Leaves to others: the checks
//! themselves, which `cli::serve` hands in. No answer holds a detail of a fault; that goes to the log.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::time::Instant;

use crate::telemetry::metrics;

/// A check that takes longer has failed.
const CHECK_TIMEOUT: Duration = Duration::from_millis(1_000);
/// Probes come from many places at once; the stores are asked once for all of them.
const KEEP: Duration = Duration::from_secs(1);

type Outcome = Result<(), String>;
type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// One thing that must hold for requests to be served.
pub struct Check {
    name: &'static str,
    run: Box<dyn Fn() -> Running + Send + Sync>,
}

impl Check {
    /// `run` is called anew for each look; its error goes to the log.
    pub fn new<F>(name: &'static str, run: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Outcome> + Send + 'static,
    {
        Self { name, run: Box::new(move || Box::pin(run())) }
    }
}

const STARTING: u8 = 0;
const SERVING: u8 = 1;
const DRAINING: u8 = 2;

/// What a serving process can say of itself.
struct Serving {
    checks: Vec<Check>,
    /// Sets gauges that follow from the moment, before they are read.
    before_scrape: Box<dyn Fn() + Send + Sync>,
}

/// The state behind the management address.
#[derive(Default)]
pub struct Management {
    phase: AtomicU8,
    serving: OnceLock<Serving>,
    kept: tokio::sync::Mutex<Option<(Instant, Arc<Report>)>>,
}

/// What each check answered.
struct Report(Vec<(&'static str, Outcome)>);

impl Report {
    fn ready(&self) -> bool {
        self.0.iter().all(|(_, outcome)| outcome.is_ok())
    }
}

impl Management {
    /// Not ready before [`Management::serving`] was called.
    #[must_use]
    pub fn starting() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// From now on readiness is what `checks` say.
    pub fn serving(&self, checks: Vec<Check>, before_scrape: impl Fn() + Send + Sync + 'static) {
        let _ = self.serving.set(Serving { checks, before_scrape: Box::new(before_scrape) });
        // A process that was told to stop while it started stays on its way out.
        let _ = self.phase.compare_exchange(STARTING, SERVING, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Not ready any more, for good: load balancers send new requests elsewhere.
    pub fn draining(&self) {
        self.phase.store(DRAINING, Ordering::Release);
    }

    async fn report(&self) -> Arc<Report> {
        let mut kept = self.kept.lock().await;
        if let Some((at, report)) = &*kept
            && at.elapsed() < KEEP
        {
            return Arc::clone(report);
        }
        let mut running = tokio::task::JoinSet::new();
        let checks = self.serving.get().map(|serving| serving.checks.as_slice()).unwrap_or_default();
        for (n, check) in checks.iter().enumerate() {
            let run = tokio::time::timeout(CHECK_TIMEOUT, (check.run)());
            running.spawn(async move { (n, run.await.unwrap_or_else(|_| Err("no answer in time".to_owned()))) });
        }
        let mut outcomes: Vec<_> = checks.iter().map(|check| (check.name, Err("did not run".to_owned()))).collect();
        while let Some(done) = running.join_next().await {
            if let Ok((n, outcome)) = done {
                outcomes[n].1 = outcome;
            }
        }
        for (check, outcome) in &outcomes {
            if let Err(detail) = outcome {
                tracing::warn!(event = "not_ready", check, detail = %detail);
            }
        }
        let report = Arc::new(Report(outcomes));
        *kept = Some((Instant::now(), Arc::clone(&report)));
        report
    }
}

/// The routes of the management address.
pub fn router(management: Arc<Management>) -> Router {
    Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/healthz", get(readyz))
        .route("/metrics", get(scrape))
        .with_state(management)
}

const NO_STORE: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// The process runs and its executor turns. No I/O: a store that is away is no reason to kill it.
async fn livez() -> impl IntoResponse {
    (NO_STORE, "ok\n")
}

async fn readyz(State(management): State<Arc<Management>>, RawQuery(query): RawQuery) -> Response {
    let verbose = query.is_some_and(|query| query.split('&').any(|member| member == "verbose" || member.starts_with("verbose=")));
    let (ready, lines) = match management.phase.load(Ordering::Acquire) {
        SERVING => {
            let report = management.report().await;
            let lines: Vec<String> =
                report.0.iter().map(|(name, outcome)| format!("{name}: {}", if outcome.is_ok() { "ok" } else { "failed" })).collect();
            (report.ready(), lines)
        }
        DRAINING => (false, vec!["draining".to_owned()]),
        _ => (false, vec!["starting".to_owned()]),
    };
    // The phase may have turned while the stores were asked.
    let ready = ready && management.phase.load(Ordering::Acquire) == SERVING;
    let mut body = String::new();
    if verbose {
        lines.iter().for_each(|line| body.push_str(&format!("{line}\n")));
    }
    body.push_str(if ready { "ok\n" } else { "not ready\n" });
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, NO_STORE, body).into_response()
}

async fn scrape(State(management): State<Arc<Management>>) -> impl IntoResponse {
    if let Some(serving) = management.serving.get() {
        (serving.before_scrape)();
    }
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"), (header::CACHE_CONTROL, "no-store")], metrics::render())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use axum::body::Body;
    use axum::http::Request;
    use tower::ServiceExt as _;

    use super::*;

    async fn get(management: &Arc<Management>, path: &str) -> (u16, String) {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        let response = router(Arc::clone(management)).oneshot(request).await.expect("infallible");
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn a_life_from_start_to_end() {
        let management = Management::starting();
        assert_eq!(get(&management, "/livez").await, (200, "ok\n".to_owned()));
        assert_eq!(get(&management, "/readyz?verbose").await, (503, "starting\nnot ready\n".to_owned()));
        management.serving(vec![Check::new("database", || async { Ok(()) })], || {});
        assert_eq!(get(&management, "/readyz").await, (200, "ok\n".to_owned()));
        assert_eq!(get(&management, "/healthz?verbose").await, (200, "database: ok\nok\n".to_owned()));
        management.draining();
        assert_eq!(get(&management, "/readyz?verbose=1").await, (503, "draining\nnot ready\n".to_owned()));
        assert_eq!(get(&management, "/livez").await.0, 200);
    }

    #[tokio::test]
    async fn stopping_while_starting_is_final() {
        let management = Management::starting();
        management.draining();
        management.serving(Vec::new(), || {});
        assert_eq!(get(&management, "/readyz").await.0, 503);
    }

    #[tokio::test]
    async fn checks_are_bounded_in_time_and_asked_once_a_second() {
        let asked = Arc::new(AtomicU32::new(0));
        let management = Management::starting();
        let count = Arc::clone(&asked);
        let counting = Check::new("database", move || {
            count.fetch_add(1, Ordering::Relaxed);
            async { Ok(()) }
        });
        let hanging = Check::new("short-lived store", || async {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            Ok(())
        });
        management.serving(vec![counting, hanging], || {});
        let started = Instant::now();
        let (status, body) = get(&management, "/readyz?verbose").await;
        assert_eq!((status, body.as_str()), (503, "database: ok\nshort-lived store: failed\nnot ready\n"));
        assert!(started.elapsed() <= CHECK_TIMEOUT * 10);
        get(&management, "/readyz").await;
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        tokio::time::sleep(KEEP).await;
        get(&management, "/readyz").await;
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn faults_stay_in_the_log() {
        let management = Management::starting();
        management.serving(vec![Check::new("database", || async { Err("password geheim refused".to_owned()) })], || {});
        let (status, body) = get(&management, "/readyz?verbose").await;
        assert_eq!(status, 503);
        assert!(!body.contains("geheim"), "{body}");
    }
}
