//! What lies around every handler of the public address: request id and client address, CORS, headers, one line in the log,
//! one measurement; and the limit on a request's target. Called by `router` alone.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ipnet::IpNet;
use tracing::Instrument as _;

use crate::app::App;
use crate::browser::visit::Visit;
use crate::request::RequestContext;
use crate::storage::patience::Patience;
use crate::telemetry::metrics;
use crate::urls;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// A request that is not answered by then never will be of use.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a request may spend on waiting for its stores: with what else it does, everybody has an answer within ten seconds.
const PATIENCE: Duration = Duration::from_secs(8);

/// Path and query together, in bytes. RFC 9110 §4.1: "It is RECOMMENDED that all senders and recipients support, at a minimum, URIs with lengths of
/// 8000 octets in protocol elements."
const MAX_TARGET: usize = 16 * 1024;

/// What lies around the handlers needs.
#[derive(Clone)]
pub struct Around {
    pub app: Arc<App>,
    /// The answer to a target that is too long, in its caller's form.
    pub too_long: fn(&App, &Visit) -> Response,
}

/// The whole of it, in one function: a request passes it once.
pub async fn around(State(Around { app, too_long }): State<Around>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let context = context(&app, request.headers(), peer);
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "unmatched".into(), |path| Arc::<str>::from(path.as_str()));
    let method = request.method().clone();
    let origin = request.headers().get(header::ORIGIN).cloned();
    let sharing = Sharing::of(route.strip_prefix(app.urls.base()).unwrap_or(&route));
    // Whatever a request has to say by mail goes out at once, from pages, API and dialects alike.
    let mark = app.mailer.mark();
    let patience = Patience::of(PATIENCE);
    let span = tracing::info_span!("request", request_id = %context.id, client_id = tracing::field::Empty);
    request.extensions_mut().insert(context.clone());

    let mut response = async {
        if request.uri().path_and_query().is_some_and(|target| target.as_str().len() > MAX_TARGET) {
            return too_long(&app, &Visit::of(&request.into_parts().0));
        }
        if method == Method::OPTIONS && sharing != Sharing::Never {
            return StatusCode::NO_CONTENT.into_response();
        }
        let answer = tokio::time::timeout(DEADLINE, patience.clone().lasts(next.run(request)));
        if method.is_safe() {
            return answer.await.unwrap_or_else(|_| late());
        }
        // What changes something runs to its end on its own task: a client that goes away in the middle leaves neither half of it nor an attempt that
        // nobody judged.
        match tokio::spawn(answer.instrument(tracing::Span::current())).await {
            Ok(answer) => answer.unwrap_or_else(|_| late()),
            Err(panic) => {
                tracing::error!(event = "broken", detail = %panic, "a request failed");
                (StatusCode::INTERNAL_SERVER_ERROR, PLAIN, r#"{"error":"server_error"}"#).into_response()
            }
        }
    }
    .instrument(span.clone())
    .await;
    app.mailer.wake_since(mark);

    let shared = response.extensions_mut().remove::<Shared>();
    let sharing = if shared.is_some() { Sharing::Registered } else { sharing };
    patience.lasts(share(&app, sharing, method == Method::OPTIONS, origin, response.headers_mut())).await;
    if let Some(shared) = shared.filter(|_| response.headers().contains_key(header::ACCESS_CONTROL_ALLOW_METHODS)) {
        shared.allow(response.headers_mut());
    }
    harden(&app, &context, response.headers_mut());
    let took = started.elapsed();
    metrics::request(&route, &method, response.status(), took);
    span.in_scope(|| {
        tracing::info!(
            event = "request",
            method = metrics::method_label(&method),
            route = %route,
            status = response.status().as_u16(),
            milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        );
    });
    response
}

const PLAIN: [(HeaderName, &str); 2] = [(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "application/json")];

fn late() -> Response {
    tracing::error!(event = "fault", "a request was not answered in time");
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "2")], PLAIN, r#"{"error":"temporarily_unavailable"}"#).into_response()
}

/// The request's id and address. Forwarded headers count only from proxies that the configuration names.
fn context(app: &App, headers: &HeaderMap, peer: Option<IpAddr>) -> RequestContext {
    let trusted = peer.is_some_and(|peer| is_trusted(&app.config.trusted_proxies, peer));
    let forwarded = headers.contains_key(&FORWARDED_FOR);
    if forwarded && !trusted {
        tracing::debug!(
            event = "untrusted_proxy",
            peer = %peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string()),
            "forwarded headers are ignored; if this is your proxy, add its address to PORTERO_TRUSTED_PROXIES"
        );
    }
    let address = if forwarded && trusted { behind_proxies(headers, &app.config.trusted_proxies).or(peer) } else { peer };
    // One address has one name, in limits and in the audit trail.
    let address = address.map(|address| address.to_canonical());
    let given = headers.get(&REQUEST_ID).filter(|_| trusted).and_then(|value| value.to_str().ok()).filter(|id| is_request_id(id));
    let id = given.map_or_else(|| fresh_id(app), Arc::from);
    RequestContext { id, address }
}

fn is_trusted(proxies: &[IpNet], address: IpAddr) -> bool {
    let address = address.to_canonical();
    proxies.iter().any(|net| net.contains(&address))
}

/// The last address of `X-Forwarded-For` that is not one of our proxies: everything before it is the client's own word.
fn behind_proxies(headers: &HeaderMap, proxies: &[IpNet]) -> Option<IpAddr> {
    let mut last = None;
    // From the end, and no further than the first that is no address: what the client itself sent, in whatever bytes, decides nothing.
    for hop in headers.get_all(&FORWARDED_FOR).iter().rev().flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b',')) {
        let Some(address) = parse_hop(hop) else { break };
        last = Some(address);
        if !is_trusted(proxies, address) {
            break;
        }
    }
    last
}

fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let hop = std::str::from_utf8(hop).ok()?.trim();
    hop.parse().or_else(|_| hop.parse::<SocketAddr>().map(|socket| socket.ip())).ok()
}

fn is_request_id(id: &str) -> bool {
    (8..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn fresh_id(app: &App) -> Arc<str> {
    uuid::Builder::from_random_bytes(app.random.bytes()).into_uuid().simple().to_string().into()
}

/// What pages of other origins may read of an answer's headers, beside those that everybody may.
const EXPOSED: &str = "WWW-Authenticate, Retry-After, X-Request-Id, ETag, Link, Location, RateLimit, RateLimit-Policy, Deprecation, Sunset";

/// Put into the extensions of an answer that origins of registered clients may read, where no list of paths can know it.
#[derive(Clone, Debug)]
pub struct Shared {
    /// What a page there may ask for.
    pub methods: HeaderValue,
    /// Headers that it may send beside the usual ones.
    pub headers: Vec<HeaderName>,
}

impl Shared {
    /// The answer to a preflight request that is let through already.
    fn allow(self, headers: &mut HeaderMap) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, self.methods);
        let names = [header::AUTHORIZATION, header::CONTENT_TYPE].into_iter().chain(self.headers);
        let names = names.map(|name| name.to_string()).collect::<Vec<_>>().join(", ");
        if let Ok(names) = HeaderValue::try_from(names) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
        }
    }
}

/// Which origins may read an answer (Fetch standard, CORS).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Sharing {
    /// Pages and the authorization endpoint: nobody.
    Never,
    /// Public documents: everybody, without credentials.
    Everybody,
    /// Endpoints that apps in browsers call: origins of registered clients.
    Registered,
}

impl Sharing {
    fn of(route: &str) -> Self {
        match route {
            urls::TOKEN | urls::USERINFO | urls::REVOKE => Self::Registered,
            urls::JWKS | urls::OPENAPI => Self::Everybody,
            _ if route.starts_with(urls::API) && route[urls::API.len()..].starts_with('/') => Self::Registered,
            _ if route.starts_with(urls::OPENID_CONFIGURATION) || route.starts_with(urls::OAUTH_AUTHORIZATION_SERVER) => Self::Everybody,
            _ => Self::Never,
        }
    }
}

async fn share(app: &App, sharing: Sharing, preflight: bool, origin: Option<HeaderValue>, headers: &mut HeaderMap) {
    let allowed = match sharing {
        Sharing::Never => None,
        Sharing::Everybody => Some(HeaderValue::from_static("*")),
        Sharing::Registered => {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
            match origin {
                Some(origin) if is_registered(app, &origin).await => Some(origin),
                _ => None,
            }
        }
    };
    let Some(allowed) = allowed else { return };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    if preflight {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, PATCH, DELETE"));
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match"),
        );
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }
}

/// A store that does not answer shares nothing; the request itself is not touched by it.
async fn is_registered(app: &App, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    // An origin is a scheme, a host of at most 253 characters and a port (RFC 6454 §6.2).
    origin != "null" && origin.len() <= 300 && app.storage.clients.has_origin(origin).await.unwrap_or(false)
}

/// Headers of every answer. What a handler set itself (a page's own policy) stands.
fn harden(app: &App, context: &RequestContext, headers: &mut HeaderMap) {
    const DEFAULTS: [(HeaderName, HeaderValue); 6] = [
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"),
        ),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
        (
            HeaderName::from_static("permissions-policy"),
            HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
        ),
    ];
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(value);
    }
    // RFC 6797 §7.2: "An HSTS Host MUST NOT include the STS header field in HTTP responses conveyed over non-secure transport."
    if app.urls.is_https() {
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(HeaderValue::from_static("max-age=31536000"));
    }
    if let Ok(id) = HeaderValue::from_str(&context.id) {
        headers.insert(REQUEST_ID, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarded(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(FORWARDED_FOR, value.parse().expect("header"));
        headers
    }

    #[test]
    fn only_the_last_untrusted_hop_counts() {
        let proxies: Vec<IpNet> = vec!["10.0.0.0/8".parse().expect("network")];
        let seen = |value| behind_proxies(&forwarded(value), &proxies).map(|address| address.to_string());
        assert_eq!(seen("203.0.113.9, 198.51.100.7, 10.0.0.2").as_deref(), Some("198.51.100.7"));
        assert_eq!(seen("10.0.0.3").as_deref(), Some("10.0.0.3"));
        assert_eq!(seen("198.51.100.7:4711, 10.0.0.2").as_deref(), Some("198.51.100.7"));
        assert_eq!(seen("nonsense, 10.0.0.2").as_deref(), Some("10.0.0.2"));
        assert_eq!(seen("nonsense"), None);
        // In two lines, and in bytes that are no text: what the client sent does not hide what the proxy added.
        let mut lines = HeaderMap::new();
        lines.append(FORWARDED_FOR, HeaderValue::from_bytes(b"\xff, 192.0.2.1").expect("a value"));
        lines.append(FORWARDED_FOR, HeaderValue::from_bytes(b"\xc3\xa9 ,198.51.100.7").expect("a value"));
        lines.append(FORWARDED_FOR, HeaderValue::from_static("10.0.0.2"));
        assert_eq!(behind_proxies(&lines, &proxies).map(|address| address.to_string()).as_deref(), Some("198.51.100.7"));
    }

    #[test]
    fn pages_are_shared_with_nobody() {
        assert_eq!(Sharing::of(urls::AUTHORIZE), Sharing::Never);
        assert_eq!(Sharing::of(urls::SIGN_IN), Sharing::Never);
        assert_eq!(Sharing::of(urls::INTROSPECT), Sharing::Never);
        assert_eq!(Sharing::of(urls::TOKEN), Sharing::Registered);
        assert_eq!(Sharing::of(urls::JWKS), Sharing::Everybody);
        assert_eq!(Sharing::of("/v1/me"), Sharing::Registered);
        assert_eq!(Sharing::of("/v1other"), Sharing::Never);
    }

    #[test]
    fn a_request_id_has_a_small_alphabet() {
        assert!(is_request_id("0af7651916cd43dd"));
        assert!(!is_request_id("short"));
        assert!(!is_request_id("0af7651916cd43dd\u{7f}"));
        assert!(!is_request_id("0af7651916cd43dd<script>"));
    }
}
