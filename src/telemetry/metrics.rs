//! Numbers for Prometheus, under names that dashboards rely on.
//!
//! Every label is a word of a closed vocabulary (`&'static str`), so that nobody from outside can make the server remember more and more
//! series. Handles are kept: counting is a look-up in a short list and one atomic addition.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use hyper::{Method, StatusCode};
use metrics::{Counter, Gauge, Histogram, Label};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

const REQUEST_SECONDS: &str = "http_server_request_duration_seconds";
const HASH_SECONDS: &str = "portero_password_hash_seconds";
/// How often samples are folded into buckets; until then they take memory.
pub const UPKEEP: Duration = Duration::from_secs(5);

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts counting; before it everything counted is lost. A second call changes nothing.
pub fn start() {
    let bounds = "bucket bounds are given";
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(
            Matcher::Full(REQUEST_SECONDS.to_owned()),
            &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0],
        )
        .expect(bounds)
        .set_buckets_for_metric(Matcher::Full(HASH_SECONDS.to_owned()), &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5])
        .expect(bounds);
    if let Ok(handle) = builder.install_recorder() {
        describe();
        metrics::gauge!("portero_build_info", "version" => env!("CARGO_PKG_VERSION"), "commit" => commit()).set(1.0);
        let _ = HANDLE.set(handle);
    }
}

/// The commit this was built from, where the build said so (`PORTERO_COMMIT` at build time).
#[must_use]
pub fn commit() -> &'static str {
    option_env!("PORTERO_COMMIT").unwrap_or("unknown")
}

fn describe() {
    use metrics::{describe_counter, describe_gauge, describe_histogram};
    describe_histogram!(REQUEST_SECONDS, "How long requests took, by route template");
    describe_counter!("portero_logins_total", "Sign-ins, by method, result and reason");
    describe_counter!(
        "portero_tokens_issued_total",
        "Answers of the token endpoint, by grant type and result: ok, refused, or failed by a fault of ours"
    );
    describe_counter!("portero_token_errors_total", "Errors of the token endpoint, by their code");
    describe_counter!("portero_dialect_requests_total", "Requests in the words of an old service, by operation and result");
    describe_counter!("portero_refresh_reuse_total", "Refresh tokens that were used again, which revoked their grant");
    describe_counter!("portero_rate_limited_total", "Requests refused by a limit, by its rule");
    describe_counter!("portero_heads_refused_total", "Requests refused by their head, before there was a route for them, by status");
    describe_counter!("portero_log_lines_dropped_total", "Lines of the log that nobody took in time");
    describe_histogram!(HASH_SECONDS, "How long one password hash took, by scheme");
    describe_gauge!("portero_password_queue_depth", "Password checks that wait for the hashing pool");
    describe_counter!(
        "portero_store_faults_total",
        "Steps on a store that it did not do, or not in time, by store: database or short_lived"
    );
    describe_gauge!("portero_db_connections", "Connections to the database, by state: used or idle");
    describe_gauge!("portero_db_connections_max", "How many connections to the database there may be");
    describe_gauge!("portero_sessions_active", "Sessions of browsers that are live, on all replicas together; counted once a minute");
    describe_gauge!("portero_signing_key_age_seconds", "How long the signing key of an algorithm has been signing");
    describe_counter!("portero_mails_total", "Mails, by kind and what came of a try: sent, failed (it waits) or dead (given up)");
    describe_gauge!("portero_build_info", "The version that runs; always 1");
}

/// The text that Prometheus reads; empty before [`start`].
#[must_use]
pub fn render() -> String {
    HANDLE.get().map(PrometheusHandle::render).unwrap_or_default()
}

/// Folds samples into buckets. Called every [`UPKEEP`].
pub fn upkeep() {
    if let Some(handle) = HANDLE.get() {
        handle.run_upkeep();
    }
}

/// Handles of one metric by the values of its labels, in the order in which they were first seen.
struct Family<H: 'static, const N: usize> {
    name: &'static str,
    labels: [&'static str; N],
    make: fn(&'static str, Vec<Label>) -> H,
    kept: ArcSwapOption<Vec<([&'static str; N], H)>>,
}

impl<H: Clone, const N: usize> Family<H, N> {
    const fn new(name: &'static str, labels: [&'static str; N], make: fn(&'static str, Vec<Label>) -> H) -> Self {
        Self { name, labels, make, kept: ArcSwapOption::const_empty() }
    }

    fn with(&self, values: [&'static str; N], act: impl Fn(&H)) {
        let kept = self.kept.load();
        if let Some((_, handle)) = kept.iter().flat_map(|kept| kept.iter()).find(|(known, _)| *known == values) {
            return act(handle);
        }
        drop(kept);
        let labels = self.labels.iter().zip(values).map(|(label, value)| Label::from_static_parts(label, value)).collect();
        let handle = (self.make)(self.name, labels);
        act(&handle);
        // Where nobody counts yet, a handle that counts nothing must not be kept.
        if HANDLE.get().is_some() {
            self.kept.rcu(|kept| {
                let mut more = kept.as_deref().cloned().unwrap_or_default();
                if more.iter().all(|(known, _)| *known != values) {
                    more.push((values, handle.clone()));
                }
                Some(std::sync::Arc::new(more))
            });
        }
    }
}

fn counter(name: &'static str, labels: Vec<Label>) -> Counter {
    metrics::counter!(name, labels)
}

fn gauge(name: &'static str, labels: Vec<Label>) -> Gauge {
    metrics::gauge!(name, labels)
}

fn histogram(name: &'static str, labels: Vec<Label>) -> Histogram {
    metrics::histogram!(name, labels)
}

#[expect(clippy::cast_precision_loss, reason = "what is counted here is far less than 2^52")]
fn count(things: u64) -> f64 {
    things as f64
}

/// A sign-in: by `password`, with `ok` or `refused`, and why it was refused.
pub fn login(method: &'static str, result: &'static str, reason: &'static str) {
    static LOGINS: Family<Counter, 3> = Family::new("portero_logins_total", ["method", "result", "reason"], counter);
    LOGINS.with([method, result, reason], |counter| counter.increment(1));
}

/// A request in the words of an old service (`legacy`), by what it asked for and how it was answered.
pub fn dialect(operation: &'static str, result: &'static str) {
    static REQUESTS: Family<Counter, 2> = Family::new("portero_dialect_requests_total", ["operation", "result"], counter);
    REQUESTS.with([operation, result], |counter| counter.increment(1));
}

static TOKENS: Family<Counter, 2> = Family::new("portero_tokens_issued_total", ["grant_type", "result"], counter);

/// The token endpoint answered with tokens.
pub fn token_issued(grant_type: &'static str) {
    TOKENS.with([grant_type, "ok"], |counter| counter.increment(1));
}

/// The token endpoint refused a grant.
pub fn token_refused(grant_type: &'static str) {
    TOKENS.with([grant_type, "refused"], |counter| counter.increment(1));
}

/// The token endpoint could not judge a grant, by no fault of whoever asked.
pub fn token_failed(grant_type: &'static str) {
    TOKENS.with([grant_type, "failed"], |counter| counter.increment(1));
}

/// The token endpoint answered with this error code.
pub fn token_error(error: &'static str) {
    static ERRORS: Family<Counter, 1> = Family::new("portero_token_errors_total", ["error"], counter);
    ERRORS.with([error], |counter| counter.increment(1));
}

/// A refresh token was used again.
pub fn refresh_reuse() {
    static REUSE: Family<Counter, 0> = Family::new("portero_refresh_reuse_total", [], counter);
    REUSE.with([], |counter| counter.increment(1));
}

/// A limit refused a request.
pub fn rate_limited(rule: &'static str) {
    static LIMITED: Family<Counter, 1> = Family::new("portero_rate_limited_total", ["rule"], counter);
    LIMITED.with([rule], |counter| counter.increment(1));
}

/// A request was refused by its head.
pub fn head_refused(status: &'static str) {
    static REFUSED: Family<Counter, 1> = Family::new("portero_heads_refused_total", ["status"], counter);
    REFUSED.with([status], |counter| counter.increment(1));
}

/// A store did not do a step, or not in time.
pub fn store_fault(store: &'static str) {
    static FAULTS: Family<Counter, 1> = Family::new("portero_store_faults_total", ["store"], counter);
    FAULTS.with([store], |counter| counter.increment(1));
}

/// So many connections to the database are used, lie idle, and may be there at most.
pub fn db_connections(used: usize, idle: usize, most: usize) {
    static CONNECTIONS: Family<Gauge, 1> = Family::new("portero_db_connections", ["state"], gauge);
    static MOST: Family<Gauge, 0> = Family::new("portero_db_connections_max", [], gauge);
    CONNECTIONS.with(["used"], |gauge| gauge.set(count(used as u64)));
    CONNECTIONS.with(["idle"], |gauge| gauge.set(count(idle as u64)));
    MOST.with([], |gauge| gauge.set(count(most as u64)));
}

/// So many sessions are live.
pub fn sessions_active(live: u64) {
    static ACTIVE: Family<Gauge, 0> = Family::new("portero_sessions_active", [], gauge);
    ACTIVE.with([], |gauge| gauge.set(count(live)));
}

/// A line of the log found no room.
pub fn log_line_dropped() {
    static DROPPED: Family<Counter, 0> = Family::new("portero_log_lines_dropped_total", [], counter);
    DROPPED.with([], |counter| counter.increment(1));
}

/// One hash of a password took that long.
pub fn password_hash(scheme: &'static str, took: Duration) {
    static HASHES: Family<Histogram, 1> = Family::new(HASH_SECONDS, ["scheme"], histogram);
    HASHES.with([scheme], |histogram| histogram.record(took.as_secs_f64()));
}

/// A mail was sent, failed and waits, or was given up.
pub fn mail(kind: &'static str, result: &'static str) {
    static MAILS: Family<Counter, 2> = Family::new("portero_mails_total", ["kind", "result"], counter);
    MAILS.with([kind, result], |counter| counter.increment(1));
}

/// So many password checks wait.
pub fn password_queue(depth: usize) {
    static DEPTH: Family<Gauge, 0> = Family::new("portero_password_queue_depth", [], gauge);
    DEPTH.with([], |gauge| gauge.set(count(depth as u64)));
}

/// The key that signs with `alg` has done so for that long.
pub fn signing_key_age(alg: &'static str, age: Duration) {
    static AGE: Family<Gauge, 1> = Family::new("portero_signing_key_age_seconds", ["alg"], gauge);
    AGE.with([alg], |gauge| gauge.set(age.as_secs_f64()));
}

/// One request by the template of its route, never by its path.
pub fn request(route: &str, method: &Method, status: StatusCode, took: Duration) {
    type Routes = HashMap<Box<str>, Vec<((&'static str, StatusCode), Histogram)>>;
    static ROUTES: ArcSwapOption<Routes> = ArcSwapOption::const_empty();
    /// Templates are made by us; should that ever fail to hold, the rest shares one.
    const MOST: usize = 256;

    let method = method_label(method);
    let kept = ROUTES.load();
    let known = kept.as_ref().and_then(|routes| routes.get(route));
    if let Some((_, histogram)) = known.and_then(|series| series.iter().find(|(key, _)| *key == (method, status))) {
        return histogram.record(took.as_secs_f64());
    }
    let route = if known.is_none() && kept.as_ref().is_some_and(|routes| routes.len() >= MOST) { "other" } else { route };
    drop(kept);
    let labels = vec![
        Label::new("http_route", route.to_owned()),
        Label::from_static_parts("method", method),
        Label::new("status", status.as_str().to_owned()),
    ];
    let histogram = histogram(REQUEST_SECONDS, labels);
    histogram.record(took.as_secs_f64());
    if HANDLE.get().is_some() {
        ROUTES.rcu(|routes| {
            let mut more: Routes = routes.as_deref().cloned().unwrap_or_default();
            let series = more.entry(route.into()).or_default();
            if series.iter().all(|(key, _)| *key != (method, status)) {
                series.push(((method, status), histogram.clone()));
            }
            Some(std::sync::Arc::new(more))
        });
    }
}

/// OTel semantic conventions for HTTP: an unknown method is `_OTHER`.
#[must_use]
pub fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "_OTHER",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_rendered_and_bounded() {
        start();
        for _ in 0..3 {
            token_issued("refresh_token");
        }
        token_error("invalid_grant");
        refresh_reuse();
        signing_key_age("RS256", Duration::from_secs(60));
        let odd = Method::from_bytes(b"BREW").expect("a token");
        for n in 0..400 {
            request(&format!("/made/{n}"), &odd, StatusCode::OK, Duration::from_millis(2));
        }
        upkeep();
        let text = render();
        for line in [
            "portero_tokens_issued_total{grant_type=\"refresh_token\",result=\"ok\"} 3",
            "portero_token_errors_total{error=\"invalid_grant\"} 1",
            "portero_refresh_reuse_total 1",
            "portero_signing_key_age_seconds{alg=\"RS256\"} 60",
            "http_server_request_duration_seconds_bucket{http_route=\"/made/0\",method=\"_OTHER\",status=\"200\",le=\"0.0025\"} 1",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
        assert!(text.contains("portero_build_info{"));
        assert!(text.matches("http_server_request_duration_seconds_count").count() <= 258);
    }
}
