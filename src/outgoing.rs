//! The one HTTP client: whatever the server fetches because somebody outside named its address goes through here.
//!
//! Owns: the guard against addresses inside the operator's network, time-outs, sizes, trusted roots. Leaves to others: what an answer means.
//! The guard stands in two places, because a name and an address go different ways: the resolver answers with public addresses only (so a
//! name that changes its mind between two look-ups gains nothing), and a host that is an address never reaches a resolver and is judged
//! before the request. Redirects are not followed: each hop is the caller's decision and passes the guard again.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// From the first look-up to the last byte.
const TIMEOUT: Duration = Duration::from_secs(5);
/// No document that we fetch is larger.
pub const MAX_BODY: usize = 256 * 1024;

/// Why nothing came back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error("{0} is not an http or https URL")]
    NotHttp(String),
    /// The address is inside the network, and no setting lets it through.
    #[error("{0} is not a public address; PORTERO_FETCH_ALLOW may let its network through")]
    Forbidden(String),
    #[error("{0} does not resolve")]
    Unresolved(String),
    #[error("no answer within {} s", TIMEOUT.as_secs())]
    Late,
    #[error("the answer is larger than {} KiB", MAX_BODY / 1024)]
    TooLarge,
    #[error("{0}")]
    Failed(String),
}

/// An answer, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    pub status: u16,
    pub content_type: Option<String>,
    pub cache_control: Option<String>,
    pub etag: Option<String>,
    /// What the other side's clock says (RFC 9110 §6.6.1).
    pub date: Option<String>,
    /// Of a redirect, which was not followed.
    pub location: Option<String>,
    pub body: Vec<u8>,
}

/// The client. Cloning shares its connections; it is made when it is first needed.
#[derive(Clone)]
pub struct Outgoing {
    guard: Guard,
    client: Arc<OnceLock<Result<reqwest::Client, String>>>,
}

impl Outgoing {
    /// `allow`: networks that may be gone to although they are not public.
    #[must_use]
    pub fn new(allow: Vec<IpNet>) -> Self {
        Self { guard: Guard { allow: allow.into() }, client: Arc::default() }
    }

    /// GET, with `accept` as the kind of answer that is wanted.
    ///
    /// # Errors
    /// See [`FetchError`]; an answer with any status is not an error.
    pub async fn get(&self, url: &Url, accept: &str) -> Result<Fetched, FetchError> {
        let client = self.client(url)?;
        self.run(client.get(url.clone()).header(reqwest::header::ACCEPT, accept)).await
    }

    /// POST of `body`.
    ///
    /// # Errors
    /// As [`Outgoing::get`].
    pub async fn post(&self, url: &Url, content_type: &str, body: Vec<u8>) -> Result<Fetched, FetchError> {
        let client = self.client(url)?;
        self.run(client.post(url.clone()).header(reqwest::header::CONTENT_TYPE, content_type).body(body)).await
    }

    fn client(&self, url: &Url) -> Result<&reqwest::Client, FetchError> {
        self.guard.judge(url)?;
        self.client.get_or_init(|| build(self.guard.clone())).as_ref().map_err(|reason| FetchError::Failed(reason.clone()))
    }

    async fn run(&self, request: reqwest::RequestBuilder) -> Result<Fetched, FetchError> {
        // One deadline over everything: a server that drips bytes gains nothing.
        tokio::time::timeout(TIMEOUT, read(request)).await.unwrap_or(Err(FetchError::Late))
    }
}

impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Outgoing(allow {:?})", self.guard.allow)
    }
}

async fn read(request: reqwest::RequestBuilder) -> Result<Fetched, FetchError> {
    let mut response = request.send().await.map_err(|error| explain(&error))?;
    if response.content_length().is_some_and(|length| length > MAX_BODY as u64) {
        return Err(FetchError::TooLarge);
    }
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut fetched = Fetched {
        status: response.status().as_u16(),
        content_type: header(reqwest::header::CONTENT_TYPE),
        cache_control: header(reqwest::header::CACHE_CONTROL),
        etag: header(reqwest::header::ETAG),
        date: header(reqwest::header::DATE),
        location: header(reqwest::header::LOCATION),
        body: Vec::new(),
    };
    while let Some(chunk) = response.chunk().await.map_err(|error| explain(&error))? {
        if fetched.body.len() + chunk.len() > MAX_BODY {
            return Err(FetchError::TooLarge);
        }
        fetched.body.extend_from_slice(&chunk);
    }
    Ok(fetched)
}

/// The innermost reason, which is the one that says something; never the URL, whose query may hold a secret.
fn explain(error: &reqwest::Error) -> FetchError {
    if error.is_timeout() {
        return FetchError::Late;
    }
    let mut reason: &dyn std::error::Error = error;
    while let Some(source) = reason.source() {
        if let Some(known) = source.downcast_ref::<FetchError>() {
            return known.clone();
        }
        reason = source;
    }
    FetchError::Failed(reason.to_string())
}

fn build(guard: Guard) -> Result<reqwest::Client, String> {
    let builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .dns_resolver(guard)
        .connect_timeout(TIMEOUT)
        .timeout(TIMEOUT)
        .referer(false)
        .pool_max_idle_per_host(2)
        .user_agent(concat!("portero/", env!("CARGO_PKG_VERSION")));
    let builder = match std::env::var_os("SSL_CERT_FILE").filter(|path| !path.is_empty()) {
        None => builder,
        Some(path) => builder.tls_certs_merge(roots(std::path::Path::new(&path))?),
    };
    builder.build().map_err(|error| format!("the HTTP client cannot be made: {error:?}"))
}

/// Where systems keep the roots they trust. With `SSL_CERT_FILE` set, the platform's verifier looks nowhere else; here it adds.
const SYSTEM_ROOTS: [&str; 3] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

fn roots(path: &std::path::Path) -> Result<Vec<reqwest::Certificate>, String> {
    let wrong = |error: String| format!("SSL_CERT_FILE: {}: {error}", path.display());
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let mut roots = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| wrong(error.to_string()))?;
    if roots.is_empty() {
        return Err(wrong("holds no certificate".to_owned()));
    }
    if let Some(system) = SYSTEM_ROOTS.iter().find_map(|path| std::fs::read(path).ok()) {
        roots.extend(reqwest::Certificate::from_pem_bundle(&system).unwrap_or_default());
    }
    Ok(roots)
}

/// Where requests may go.
#[derive(Clone, Debug)]
struct Guard {
    allow: Arc<[IpNet]>,
}

impl Guard {
    fn allows(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address) || self.allow.iter().any(|net| net.contains(&address))
    }

    /// A host that is an address goes past the resolver, in whatever way it is written (`127.1`, `2130706433`): the parsed URL knows.
    fn judge(&self, url: &Url) -> Result<(), FetchError> {
        let host = url.host().filter(|_| matches!(url.scheme(), "http" | "https"));
        let address = match host.ok_or_else(|| FetchError::NotHttp(url.scheme().to_owned()))? {
            Host::Domain(_) => return Ok(()),
            Host::Ipv4(address) => IpAddr::V4(address),
            Host::Ipv6(address) => IpAddr::V6(address),
        };
        if self.allows(address) { Ok(()) } else { Err(FetchError::Forbidden(address.to_string())) }
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await.map_err(|_| FetchError::Unresolved(name.clone()))?.collect();
            let allowed: Vec<SocketAddr> = found.into_iter().filter(|address| guard.allows(address.ip())).collect();
            if allowed.is_empty() {
                return Err(FetchError::Forbidden(name).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Globally reachable by the registries of special-purpose addresses (RFC 6890), with what embeds another address judged by that one.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(a == 0
        || a == 10
        || a == 127
        || a >= 224
        || (a == 100 && b & 0xc0 == 64)
        || (a == 169 && b == 254)
        || (a == 172 && b & 0xf0 == 16)
        || (a == 192 && b == 168)
        || (a == 192 && b == 0 && (c == 0 || c == 2))
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && b & 0xfe == 18)
        || (a == 198 && b == 51 && c == 100)
        || (a == 203 && b == 0 && c == 113))
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let s = address.segments();
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match s {
        // IPv4-mapped, and the well-known prefix of NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => is_public_v4(v4(high, low)),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => is_public_v4(v4(high, low)),
        // Only 2000::/3 is given out; within it, the IETF's own (2001::/23, with Teredo) and what is for documentation are not.
        [first, second, ..] => {
            first & 0xe000 == 0x2000 && !(first == 0x2001 && (second < 0x0200 || second == 0x0db8)) && !(first == 0x3fff && second < 0x1000)
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn loopback() -> Outgoing {
        Outgoing::new(vec!["127.0.0.0/8".parse().expect("network")])
    }

    #[test]
    fn what_is_inside_is_not_public() {
        for inside in [
            "0.0.0.0",
            "10.1.2.3",
            "127.0.0.1",
            "127.8.9.1",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.7",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2002:a00:1::1",
            "100::1",
            "3fff::1",
            "5f00::1",
        ] {
            assert!(!is_public(inside.parse().expect("address")), "{inside}");
        }
        for outside in [
            "1.1.1.1",
            "100.63.0.1",
            "100.128.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "2606:4700::1111",
            "2a00:1450::1",
            "64:ff9b::101:101",
            "2002:101:101::",
        ] {
            assert!(is_public(outside.parse().expect("address")), "{outside}");
        }
    }

    #[tokio::test]
    async fn addresses_inside_are_refused_however_they_are_written() {
        let guarded = Outgoing::new(Vec::new());
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://localhost/",
            "https://localhost:1/",
            "http://169.254.169.254/latest/meta-data",
        ] {
            let answer = guarded.get(&url.parse().expect("URL"), "*/*").await;
            assert!(matches!(answer, Err(FetchError::Forbidden(_))), "{url}: {answer:?}");
        }
        assert!(matches!(guarded.get(&"file:///etc/passwd".parse().expect("URL"), "*/*").await, Err(FetchError::NotHttp(_))));
    }

    /// Answers each connection with the same bytes.
    async fn answering(bytes: Vec<u8>) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0u8; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(&bytes).await;
            }
        });
        address
    }

    #[tokio::test]
    async fn an_allowed_network_is_reached_and_redirects_are_not_followed() {
        let address = answering(b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 2\r\n\r\nhi".to_vec()).await;
        for host in [address.to_string(), format!("localhost:{}", address.port())] {
            let url = format!("http://{host}/").parse().expect("URL");
            let fetched = loopback().get(&url, "*/*").await.expect("an answer");
            assert_eq!((fetched.status, fetched.location.as_deref()), (302, Some("http://10.0.0.1/")));
            assert_eq!(fetched.body, b"hi");
        }
    }

    #[tokio::test]
    async fn an_answer_has_a_largest_size() {
        let mut told = b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n".to_vec();
        told.extend(vec![b'x'; 1000]);
        let mut untold = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
        untold.extend(vec![b'x'; MAX_BODY + 1]);
        for bytes in [told, untold] {
            let address = answering(bytes).await;
            let answer = loopback().get(&format!("http://{address}/").parse().expect("URL"), "*/*").await;
            assert_eq!(answer, Err(FetchError::TooLarge));
        }
    }
}
