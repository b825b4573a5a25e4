//! What lies around every operation below `/v1`: the caller's token, the limit on requests, the language of errors, what no cache may keep.
//!
//! Owns the order: a form of answer that we have, then the token, then the limit, then the operation. Writes the [`Problem`]s of all of them.
//! Leaves to others: whether a caller may do what an operation does (`access`), CORS and the headers of every answer (`layers`).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{ACCEPT, ACCEPT_LANGUAGE, CACHE_CONTROL, VARY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::access::Presented;
use super::problem::{self, Code, Problem, Unwritten};
use crate::app::App;
use crate::clock::Time;
use crate::request::{RequestContext, network};
use crate::seal::Purpose;
use crate::storage::durable::{Act, Actor, Refusal};
use crate::storage::ephemeral::{Rule, Taken};
use crate::telemetry::metrics;

/// So many requests a minute for a person or a client, all at once if need be.
const KNOWN: Limit = Limit { name: "api", per_minute: 600 };
/// For whoever shows no token, or none that is good: by address.
const UNKNOWN: Limit = Limit { name: "anonymous", per_minute: 60 };

/// The middleware.
pub async fn around(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let now = app.clock.now();
    let lang = problem::language(request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()));
    let context = request.extensions().get::<RequestContext>().cloned().unwrap_or(RequestContext { id: "-".into(), address: None });
    let operation = Operation::of(&request);
    request.extensions_mut().insert(Arc::clone(&app));
    let mut caller = Presented::Nothing;
    let mut response = match admit(&app, &mut request, &context, &mut caller, now).await {
        Ok(allowance) => {
            let mut response = next.run(request).await;
            allowance.into_iter().for_each(|allowance| allowance.show(response.headers_mut()));
            response
        }
        Err(problem) => problem.into_response(),
    };
    if let Some(Unwritten(problem)) = response.extensions_mut().remove() {
        note(&app, &problem, &caller, &operation, &context, now).await;
        let headers = std::mem::take(response.headers_mut());
        response = problem.write(lang, &context.id, &app.urls);
        response.headers_mut().extend(headers);
        response.headers_mut().insert(VARY, HeaderValue::from_static("Accept-Language"));
    }
    deprecation(DEPRECATED, &operation, response.headers_mut());
    // What these answers hold is for their caller alone.
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn admit(
    app: &App,
    request: &mut Request,
    context: &RequestContext,
    caller: &mut Presented,
    now: Time,
) -> Result<Option<Allowance>, Problem> {
    if !accepts_json(request.headers()) {
        return Err(Code::NotAcceptable.into());
    }
    *caller = Presented::read(app, request.headers(), context, now).await?;
    request.extensions_mut().insert(caller.clone());
    if !app.config.limits {
        return Ok(None);
    }
    let (limit, name) = match &*caller {
        Presented::Good(caller) => (KNOWN, caller.name()),
        Presented::Nothing | Presented::Bad => match context.address {
            Some(address) => (UNKNOWN, format!("address {}", network(address))),
            None => return Ok(None),
        },
    };
    let key = format!("limit:{}:{}", limit.name, app.seal.mac(Purpose::Identifier, &[b"api", name.as_bytes()]).hex());
    let taken = app.storage.ephemeral.throttle(&key, &limit.rule(), now).await;
    match taken {
        Taken::Admitted { remaining } => Ok(Some(Allowance { limit, remaining })),
        Taken::Refused { retry_after } => {
            metrics::rate_limited(limit.name);
            Err(Problem::later(Code::TooManyRequests, retry_after))
        }
    }
}

/// A form of answer that we have (RFC 9110 §12.5.1).
fn accepts_json(headers: &HeaderMap) -> bool {
    let mut ranges = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).peekable();
    ranges.peek().is_none()
        || ranges.any(|range| {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let refused = parts.any(|part| matches!(part.replace(' ', "").as_str(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            let ours = matches!(kind.as_str(), "*/*" | "application/*" | "application/json" | problem::MEDIA_TYPE);
            ours && !refused
        })
}

#[derive(Clone, Copy)]
struct Limit {
    name: &'static str,
    per_minute: u32,
}

impl Limit {
    fn rule(self) -> Rule {
        Rule { burst: self.per_minute, every: Duration::from_secs(60) / self.per_minute }
    }
}

/// What is left of a limit after this request.
struct Allowance {
    limit: Limit,
    remaining: u32,
}

impl Allowance {
    /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11 §3, §4): `q` requests in a window of `w` seconds, of
    /// which `r` are left; after `t` seconds there is the whole quota again.
    fn show(&self, headers: &mut HeaderMap) {
        let Limit { name, per_minute } = self.limit;
        let used = per_minute.saturating_sub(self.remaining);
        let whole = (self.limit.rule().every * used).as_secs_f64().ceil();
        for (header, value) in [
            ("ratelimit-policy", format!("\"{name}\";q={per_minute};w=60")),
            ("ratelimit", format!("\"{name}\";r={};t={whole}", self.remaining)),
        ] {
            headers.extend(HeaderValue::from_str(&value).ok().map(|value| (HeaderName::from_static(header), value)));
        }
    }
}

/// Which operation was asked for, by the names of the document.
struct Operation {
    method: Method,
    route: String,
}

impl Operation {
    fn of(request: &Request) -> Self {
        let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str);
        Self { method: request.method().clone(), route: route.to_owned() }
    }
}

/// Writes down who was refused what. A fault of the trail is no fault of the request.
async fn note(app: &App, problem: &Problem, caller: &Presented, operation: &Operation, context: &RequestContext, now: Time) {
    // The door for passwords writes down each that is wrong, and whose it was.
    if !matches!(problem.code.status(), 401 | 403) || matches!(problem.code, Code::Unauthorized | Code::WrongPassword) {
        return;
    }
    let by = match caller {
        Presented::Good(caller) => caller.act(),
        _ => Act { actor: Actor::Anonymous, client_id: None, address: context.address, request_id: context.id.to_string() },
    };
    let subject = Some(format!("operation:{} {}", operation.method, operation.route));
    let refusal = Refusal { act: "api", subject, reason: problem.code.as_str() };
    if let Err(fault) = app.storage.audit.refuse(&refusal, now, &by).await {
        tracing::warn!(event = "audit_fault", detail = %fault);
    }
}

/// An operation that goes away: since when it is deprecated (RFC 9745), when it ends (RFC 8594), where its successor is described.
pub struct Deprecated {
    pub method: &'static str,
    pub route: &'static str,
    /// Seconds since 1970.
    pub since: i64,
    pub sunset: &'static str,
    pub link: &'static str,
}

/// None yet.
pub static DEPRECATED: &[Deprecated] = &[];

fn deprecation(table: &[Deprecated], operation: &Operation, headers: &mut HeaderMap) {
    let Some(row) = table.iter().find(|row| operation.method == row.method && operation.route.ends_with(row.route)) else { return };
    for (name, value) in [
        ("deprecation", format!("@{}", row.since)),
        ("sunset", row.sunset.to_owned()),
        ("link", format!("<{}>; rel=\"deprecation\"", row.link)),
    ] {
        headers.extend(HeaderValue::from_str(&value).ok().map(|value| (HeaderName::from_static(name), value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(value: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, value.parse().expect("a header"));
        accepts_json(&headers)
    }

    #[test]
    fn rfc9110_12_5_1_what_is_acceptable() {
        for good in
            ["*/*", "application/json", "text/html, application/*;q=0.1", "application/problem+json", "Application/JSON; charset=utf-8"]
        {
            assert!(accepting(good), "{good}");
        }
        for bad in ["text/html", "application/xml, text/*", "application/json;q=0", "image/*"] {
            assert!(!accepting(bad), "{bad}");
        }
        assert!(accepts_json(&HeaderMap::new()));
    }

    #[test]
    fn rfc9745_rfc8594_an_operation_that_goes_away_says_so() {
        let table = [Deprecated {
            method: "GET",
            route: "/v1/old",
            since: 1_800_000_000,
            sunset: "Sat, 31 Dec 2033 23:59:59 GMT",
            link: "https://id.example/docs#old",
        }];
        let shown = |method: Method, route: &str| {
            let mut headers = HeaderMap::new();
            deprecation(&table, &Operation { method, route: route.to_owned() }, &mut headers);
            headers
        };
        let headers = shown(Method::GET, "/auth/v1/old");
        assert_eq!(headers["deprecation"], "@1800000000");
        assert_eq!(headers["sunset"], "Sat, 31 Dec 2033 23:59:59 GMT");
        assert_eq!(headers["link"], "<https://id.example/docs#old>; rel=\"deprecation\"");
        assert!(shown(Method::POST, "/v1/old").is_empty() && shown(Method::GET, "/v1/new").is_empty());
    }

    #[test]
    fn a_limit_says_what_is_left() {
        let mut headers = HeaderMap::new();
        Allowance { limit: KNOWN, remaining: 585 }.show(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"api\";q=600;w=60");
        assert_eq!(headers["ratelimit"], "\"api\";r=585;t=2");
    }
}
