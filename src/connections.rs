//! TCP connections of both addresses: accepting, time-outs, sizes, a graceful end.
//!
//! HTTP/1 and HTTP/2 (in the clear, with prior knowledge). Leaves to others: everything inside a request, the limit on its target included
//! (`layers`). What is refused here is refused before there is a request that could be answered: with a bare status, counted and logged. Over
//! HTTP/2 a head that is too large is the library's matter alone, which answers 431 and goes on. Called by `cli::serve`.
//!
//! | limit | |
//! |---|---|
//! | a request's head | 10 s from its first byte, 32 KiB, else 431 |
//! | a request's body | 30 s |
//! | a connection without a request | 60 s; where no place is free, 4 s |
//! | an HTTP/2 connection that was told to go | 10 s for the streams that are open |
//! | connections at once | what file descriptors allow; further ones wait to be accepted |

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, BufRead as _};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::{Request, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tower::Service as _;

use crate::telemetry::metrics;

/// From its first byte until a request's head is whole; with [`LOOK`], at most 10 s.
const HEAD: Duration = Duration::from_millis(7_500);
/// Between requests.
const IDLE: Duration = Duration::from_secs(55);
/// The same while all places are taken: somebody may be waiting for this one. RFC 9112 §9.5: "A client, server, or proxy MAY close the transport
/// connection at any time." With [`LOOK`], at most 4 s.
const IDLE_IN_A_CROWD: Duration = Duration::from_secs(1);
/// From the word to go until an HTTP/2 connection is cut: its client may never take the answers that are ready for it.
const LEAVING: Duration = Duration::from_secs(10);
/// How often a connection is looked at.
const LOOK: Duration = Duration::from_millis(2_500);
/// After the word to stop, a connection that is kept open may still send the request that was on its way: so long.
const PARTING: Duration = Duration::from_millis(300);
/// For the whole body of a request.
const BODY: Duration = Duration::from_secs(30);
const MAX_HEAD: usize = 32 * 1024;
/// Requests at once on one HTTP/2 connection.
const MAX_STREAMS: u32 = 100;
/// Descriptors that are not for connections: stores, files, listeners.
const RESERVED: usize = 128;

/// Serves `router` on `listener` until `stop` turns true, then finishes what is under way; drop the future to cut it off.
pub async fn serve(listener: TcpListener, router: Router, most: usize, stop: watch::Receiver<bool>) {
    let permits = Arc::new(Semaphore::new(most.max(1)));
    let crowded = Arc::new(AtomicBool::new(false));
    let (alive, mut gone) = tokio::sync::mpsc::channel::<()>(1);
    let begin = |stream, peer, permit| {
        let (router, crowded, stop, alive) = (router.clone(), Arc::clone(&crowded), stop.clone(), alive.clone());
        tokio::spawn(async move {
            connection(stream, peer, router, &crowded, stop).await;
            drop((permit, alive));
        });
    };
    let mut stop = stop.clone();
    loop {
        // First a place, then a connection: those that find none wait in the kernel's queue, where they cost nothing.
        crowded.store(permits.available_permits() == 0, Ordering::Relaxed);
        let permit = tokio::select! {
            permit = Arc::clone(&permits).acquire_owned() => permit.expect("the semaphore is never closed"),
            () = stopped(&mut stop) => break,
        };
        crowded.store(false, Ordering::Relaxed);
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // A peer that is gone again is no matter; for want of descriptors there will be some in a moment.
                    if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
                        tracing::warn!(event = "accept_failed", detail = %error, "a connection could not be accepted");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                    continue;
                }
            },
            () = stopped(&mut stop) => break,
        };
        begin(stream, peer, permit);
    }
    // Those that are connected already, as far as the kernel goes, would be cut off with the listener.
    while let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
        tokio::select! {
            biased;
            Ok((stream, peer)) = listener.accept() => begin(stream, peer, permit),
            () = tokio::time::sleep(Duration::from_millis(1)) => break,
        }
    }
    // Whoever connects now is refused at once.
    drop(listener);
    drop(alive);
    // Every connection holds a sender; the channel ends with the last.
    let _ = gone.recv().await;
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // Where nobody can say stop any more, nobody will.
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// How many connections at once: what the process may open, less what it needs itself.
#[must_use]
pub fn most_connections() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next()?.parse::<usize>().ok());
    soft.unwrap_or(1024).saturating_sub(RESERVED).clamp(64, 16_384)
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, crowded: &AtomicBool, mut stop: watch::Receiver<bool>) {
    // Answers are small and whole: waiting to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    let activity = Arc::new(Activity::new());
    let io = TokioIo::new(Noted { stream, activity: Arc::clone(&activity), head: HeadScan::default() });
    let service = hyper::service::service_fn({
        let activity = Arc::clone(&activity);
        move |request| handle(router.clone(), request, peer, Arc::clone(&activity))
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    // Heads are timed by `Activity`, which also covers the first byte; hyper's timer would cut kept-alive connections short.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(MAX_HEAD).keep_alive(true);
    // Not `half_close`: a client that stopped sending has gone, most likely, and has asked somebody else; what it asked for here is not begun then.
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(MAX_HEAD).expect("small"));
    let served = builder.serve_connection(io, service);
    tokio::pin!(served);
    let mut look = tokio::time::interval_at(Instant::now() + LOOK, LOOK);
    let (mut stopping, mut parted, mut leaving) = (false, false, None);
    let parting = tokio::time::sleep(PARTING);
    tokio::pin!(parting);
    loop {
        tokio::select! {
            // How a connection ends is its client's business; faults inside a request were logged there.
            served = served.as_mut() => {
                if let Some(status) = served.err().and_then(|error| unread(error.as_ref())) {
                    refused(status);
                }
                return;
            }
            _ = look.tick() => match activity.judge(activity.now(), crowded.load(Ordering::Relaxed)) {
                Verdict::Fine => {}
                Verdict::Cut => return,
                Verdict::Close => match leaving {
                    None => {
                        leaving = Some(Instant::now());
                        served.as_mut().graceful_shutdown();
                    }
                    Some(since) if since.elapsed() > LEAVING => return,
                    Some(_) => {}
                },
            },
            () = stopped(&mut stop), if !stopping => {
                stopping = true;
                activity.last.store(true, Ordering::Relaxed);
                parting.as_mut().reset(Instant::now() + PARTING);
                // HTTP/2 says goodbye itself, and its client sends again what came too late (RFC 9113 §6.8).
                if activity.http2.load(Ordering::Relaxed) {
                    served.as_mut().graceful_shutdown();
                }
            }
            () = parting.as_mut(), if stopping && !parted => {
                parted = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn handle(mut router: Router, request: Request<Incoming>, peer: SocketAddr, activity: Arc<Activity>) -> Result<Response, Infallible> {
    let under_way = activity.begin(request.version() == Version::HTTP_2);
    // RFC 9112 §3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1 request message that lacks a Host header
    // field and to any request message that contains more than one Host header field line or a Host header field with an invalid
    // field value."
    let ambiguous = activity.ambiguous.swap(false, Ordering::Relaxed);
    if ambiguous || !names_one_host(&request) || !is_framed_plainly(request.headers()) {
        refused(StatusCode::BAD_REQUEST);
        return Ok((StatusCode::BAD_REQUEST, [(header::CONNECTION, "close")]).into_response());
    }
    let mut request = request.map(|body| if hyper::body::Body::is_end_stream(&body) { Body::empty() } else { Body::new(Timed::new(body)) });
    request.extensions_mut().insert(ConnectInfo(peer));
    let version = request.version();
    let mut response = router.call(request).await;
    drop(under_way);
    // RFC 9112 §9.6: "A server that sends a "close" connection option MUST initiate closure of the connection (see below) after it sends the
    // final response". A client that is told so does not send into a connection that is about to go.
    if activity.last.load(Ordering::Relaxed)
        && version != Version::HTTP_2
        && let Ok(response) = &mut response
    {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// What a head was answered with that hyper could not read; none where the connection ended otherwise.
fn unread(error: &(dyn std::error::Error + 'static)) -> Option<StatusCode> {
    let error = error.downcast_ref::<hyper::Error>().filter(|error| error.is_parse())?;
    Some(if error.is_parse_too_large() { StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE } else { StatusCode::BAD_REQUEST })
}

/// A head that no request came of: nothing else will tell of it.
fn refused(status: StatusCode) {
    metrics::head_refused(if status == StatusCode::BAD_REQUEST { "400" } else { "431" });
    tracing::info!(event = "head_refused", status = status.as_u16(), "a request was refused by its head");
}

/// One valid Host header field, or in HTTP/2 none that contradicts `:authority`.
fn names_one_host<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let Some(host) = hosts.next() else { return request.version() != Version::HTTP_11 };
    let Some(host) = host.to_str().ok().filter(|host| hosts.next().is_none() && is_host(host)) else { return false };
    // RFC 9113 §8.3.1: "A server SHOULD treat a request as malformed if it contains a Host header field that identifies an entity that differs
    // from the entity in the ":authority" pseudo-header field."
    request.version() != Version::HTTP_2 || request.uri().authority().is_none_or(|authority| authority.as_str().eq_ignore_ascii_case(host))
}

/// RFC 9110 §7.2: `Host = uri-host [ ":" port ]`, where a host is a name, an IPv4 address, or an IPv6 one in brackets (RFC 3986 §3.2.2). It
/// may be empty.
fn is_host(value: &str) -> bool {
    let (host, port) = match value.strip_prefix('[').map(|literal| literal.split_once(']')) {
        Some(Some((address, rest))) if address.parse::<std::net::Ipv6Addr>().is_ok() => ("", rest),
        Some(_) => return false,
        None => value.find(':').map_or((value, ""), |at| value.split_at(at)),
    };
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(&byte);
    let numbered = |port: &str| port.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    host.bytes().all(named) && (port.is_empty() || numbered(port))
}

/// No transfer coding but `chunked`, once. RFC 9112 §6.1: "A sender MUST NOT apply the chunked transfer coding more than once to a message body";
/// and of the others none is decoded here: what would be read is not what was sent.
fn is_framed_plainly(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none())
}

/// What a connection is doing, in milliseconds since it was made. Written by the requests, read by a timer: nothing is armed and
/// disarmed for each request.
struct Activity {
    made: Instant,
    requests: AtomicU32,
    /// When the first byte of the next head came, plus one; 0: it has not come.
    head_since: AtomicU64,
    idle_since: AtomicU64,
    http2: AtomicBool,
    /// The answer to the request under way, or to the next one, is the last.
    last: AtomicBool,
    /// The head under way has both a length and a transfer coding.
    ambiguous: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    /// Nothing to say to somebody who does not speak.
    Cut,
    Close,
}

impl Activity {
    fn new() -> Self {
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

    fn now(&self) -> u64 {
        u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// True for the first byte of a head.
    fn byte_came(&self, now: u64) -> bool {
        let first = self.requests.load(Ordering::Relaxed) == 0 && self.head_since.load(Ordering::Relaxed) == 0;
        if first {
            self.head_since.store(now + 1, Ordering::Relaxed);
        }
        first
    }

    fn begin(self: &Arc<Self>, http2: bool) -> UnderWay {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.head_since.store(0, Ordering::Relaxed);
        if http2 {
            self.http2.store(true, Ordering::Relaxed);
        }
        UnderWay(Arc::clone(self))
    }

    fn judge(&self, now: u64, crowded: bool) -> Verdict {
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
struct UnderWay(Arc<Activity>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.idle_since.store(self.0.now(), Ordering::Relaxed);
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream that notes when bytes come, and whether a head can be read in two ways.
struct Noted {
    stream: TcpStream,
    activity: Arc<Activity>,
    head: HeadScan,
}

/// Looks for Content-Length beside Transfer-Encoding in a head. RFC 9112 §6.3: "Such a message might indicate an attempt to perform request
/// smuggling or response splitting and ought to be handled as an error." hyper settles it silently in favour of the coding, so it has to be seen
/// before.
#[derive(Default)]
struct HeadScan {
    /// The beginning of the line under way.
    line: Vec<u8>,
    length: bool,
    coding: bool,
    over: bool,
}

impl HeadScan {
    const NAMES: usize = "transfer-encoding:".len();

    /// Is the head, as far as it has come, one that can be read in two ways?
    fn read(&mut self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while !self.over && !rest.is_empty() {
            let mut after = rest;
            // By the library's search for a byte, which looks at many at once: heads are read at every request.
            let length = after.skip_until(b'\n').unwrap_or(rest.len());
            let (line, whole) = match &rest[..length] {
                [line @ .., b'\n'] => (line, true),
                line => (line, false),
            };
            rest = after;
            let beginning = &line[..line.len().min(Self::NAMES)];
            let plain = beginning.strip_suffix(b"\r").unwrap_or(beginning);
            if whole && self.line.is_empty() && !plain.contains(&b'\r') {
                self.judge(plain);
                continue;
            }
            let room = Self::NAMES - self.line.len();
            self.line.extend(line.iter().filter(|byte| **byte != b'\r').take(room));
            if whole {
                let line = std::mem::take(&mut self.line);
                self.judge(&line);
            }
        }
        self.length && self.coding
    }

    /// The beginning of a whole line.
    fn judge(&mut self, line: &[u8]) {
        let begins_with = |name: &[u8]| line.get(..name.len()).is_some_and(|beginning| beginning.eq_ignore_ascii_case(name));
        self.over = line.is_empty();
        self.length |= begins_with(b"content-length:");
        self.coding |= begins_with(b"transfer-encoding:");
    }
}

impl AsyncRead for Noted {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            let now = self.activity.now();
            if self.activity.byte_came(now) {
                self.head = HeadScan::default();
            }
            if !self.head.over && self.head.read(&buffer.filled()[before..]) {
                self.activity.ambiguous.store(true, Ordering::Relaxed);
            }
        }
        read
    }
}

impl AsyncWrite for Noted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, pieces: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// A body that must be whole in time, however its bytes drip.
struct Timed {
    body: Incoming,
    late: Pin<Box<tokio::time::Sleep>>,
}

impl Timed {
    fn new(body: Incoming) -> Self {
        Self { body, late: Box::pin(tokio::time::sleep(BODY)) }
    }
}

impl hyper::body::Body for Timed {
    type Data = Bytes;
    /// Of a connection whatever goes wrong is one of these: readers tell it from a body that is too large.
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other))),
            Poll::Pending => match self.late.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into()))),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    struct Running {
        address: SocketAddr,
        stop: watch::Sender<bool>,
        served: tokio::task::JoinHandle<()>,
    }

    async fn running(most: usize) -> Running {
        let router = Router::new()
            .route("/", get(|peer: ConnectInfo<SocketAddr>| async move { peer.0.ip().to_string() }))
            .route("/body", post(|body: String| async move { body }))
            .route(
                "/slow",
                get(|| async {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    "slow"
                }),
            );
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (stop, stopped) = watch::channel(false);
        Running { address, stop, served: tokio::spawn(serve(listener, router, most, stopped)) }
    }

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.expect("listening");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    const CLOSE: &str = "Host: x\r\nConnection: close\r\n";

    #[tokio::test]
    async fn sizes_have_their_own_answers() {
        let server = running(8).await;
        assert!(ask(server.address, &format!("GET / HTTP/1.1\r\n{CLOSE}\r\n")).await.ends_with("127.0.0.1"));
        let large = format!("GET / HTTP/1.1\r\nX-Large: {}\r\n{CLOSE}\r\n", "x".repeat(MAX_HEAD));
        assert!(ask(server.address, &large).await.starts_with("HTTP/1.1 431"));
        let body = format!("POST /body HTTP/1.1\r\n{CLOSE}Content-Length: 5\r\n\r\nhello");
        assert!(ask(server.address, &body).await.ends_with("hello"));
    }

    #[tokio::test]
    async fn what_is_refused_by_its_head_is_counted() {
        metrics::start();
        let count = |status: &str| {
            let series = format!("portero_heads_refused_total{{status=\"{status}\"}} ");
            metrics::render().lines().find_map(|line| line.strip_prefix(&series)?.parse::<u64>().ok()).unwrap_or(0)
        };
        let server = running(8).await;
        let (bad, large) = (count("400"), count("431"));
        ask(server.address, &format!("GET / HTTP/1.1\r\nX-Large: {}\r\n{CLOSE}\r\n", "x".repeat(MAX_HEAD))).await;
        // What hyper cannot read, and what it reads and we do not.
        for head in ["GET / / HTTP/1.1\r\n\r\n", "\u{16}\u{3}\u{1} hello\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"] {
            assert!(ask(server.address, head).await.starts_with("HTTP/1.1 400"), "{head}");
        }
        // The connection ends after its answer has gone.
        for _ in 0..100 {
            if (count("400"), count("431")) >= (bad + 3, large + 1) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // Other tests are refused things, too.
        assert!(count("400") >= bad + 3 && count("431") > large, "{}", metrics::render());
        // Neither a request nor a connection without one is among them.
        let unread = |text: &str| unread(&io::Error::other(text));
        assert_eq!(unread("reset"), None);
    }

    #[tokio::test]
    async fn stopping_finishes_what_is_under_way_and_accepts_no_more() {
        let server = running(8).await;
        let idle = TcpStream::connect(server.address).await.expect("listening");
        let slow = tokio::spawn(ask(server.address, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n".to_owned().leak()));
        tokio::time::sleep(Duration::from_millis(100)).await;
        server.stop.send(true).expect("running");
        assert!(slow.await.expect("asked").ends_with("slow"));
        tokio::time::timeout(Duration::from_secs(2), server.served).await.expect("it ends").expect("without a fault");
        assert!(TcpStream::connect(server.address).await.is_err());
        drop(idle);
    }

    #[tokio::test]
    async fn stopping_answers_what_was_on_its_way() {
        let server = running(64).await;
        let mut kept = TcpStream::connect(server.address).await.expect("listening");
        let mut buffer = [0; 1024];
        let mut exchange = async || {
            kept.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
            let read = kept.read(&mut buffer).await.expect("answered");
            String::from_utf8_lossy(&buffer[..read]).into_owned()
        };
        assert!(!exchange().await.contains("connection: close"));
        // Whoever is connected as far as the kernel goes counts as connected, whether the server has looked or not.
        let waiting: Vec<std::net::TcpStream> = (0..20).map(|_| std::net::TcpStream::connect(server.address).expect("listening")).collect();
        server.stop.send(true).expect("running");
        tokio::time::sleep(Duration::from_millis(50)).await;
        let last = exchange().await;
        assert!(last.starts_with("HTTP/1.1 200") && last.contains("connection: close"), "{last}");
        for stream in waiting {
            stream.set_nonblocking(true).expect("set");
            let mut stream = TcpStream::from_std(stream).expect("a stream");
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("answered and closed");
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
        tokio::time::timeout(Duration::from_secs(2), server.served).await.expect("it ends").expect("without a fault");
    }

    #[tokio::test]
    async fn past_the_most_a_connection_waits_its_turn() {
        let server = running(1).await;
        let first = TcpStream::connect(server.address).await.expect("listening");
        tokio::time::sleep(Duration::from_millis(50)).await;
        let second = tokio::spawn(ask(server.address, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(!second.is_finished());
        drop(first);
        assert!(second.await.expect("asked").ends_with("127.0.0.1"));
    }

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

    #[tokio::test]
    async fn where_no_place_is_free_whoever_does_nothing_makes_room() {
        let activity = Arc::new(Activity::new());
        assert_eq!(activity.judge(7_000, true), Verdict::Fine, "its first head may be on its way");
        drop(activity.begin(false));
        assert_eq!(activity.judge(900, true), Verdict::Fine);
        assert_eq!(activity.judge(1_100, true), Verdict::Cut);
        activity.byte_came(1_100);
        assert_eq!(activity.judge(3_000, true), Verdict::Fine, "it asks");

        let server = running(2).await;
        let mut kept = Vec::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(server.address).await.expect("listening");
            stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
            assert!(stream.read(&mut [0; 1024]).await.expect("answered") > 0);
            kept.push(stream);
        }
        let waits = ask(server.address, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        let answer = tokio::time::timeout(Duration::from_secs(6), waits).await.expect("somebody made room");
        assert!(answer.ends_with("127.0.0.1"), "{answer}");
    }

    #[test]
    fn rfc9112_3_2_a_host_is_a_name_or_an_address_and_a_port() {
        for host in [
            "",
            "id.example",
            "id.example.",
            "portero_app:8080",
            "127.0.0.1:8080",
            "[::1]",
            "[::1]:8080",
            "id.example:",
            "xn--a-b.example",
            "a%20b",
        ] {
            assert!(is_host(host), "{host:?}");
        }
        for host in [
            "a, b",
            "a b",
            "x@id.example",
            "id.example/path",
            "id.example:port",
            "id.example:1:2",
            "[::1",
            "[::1]x",
            "[::1%25lo]",
            "[id.example]",
            "a\\b",
            "a\"b",
            "é",
        ] {
            assert!(!is_host(host), "{host:?}");
        }
    }

    #[test]
    fn rfc9113_8_3_1_a_host_field_does_not_contradict_the_authority() {
        let asked = |version: Version, target: &str, hosts: &[&str]| {
            let mut request = Request::builder().version(version).uri(target);
            for host in hosts {
                request = request.header(header::HOST, *host);
            }
            names_one_host(&request.body(()).expect("a request"))
        };
        assert!(asked(Version::HTTP_11, "/", &["id.example"]) && !asked(Version::HTTP_11, "/", &[]));
        assert!(!asked(Version::HTTP_11, "/", &["id.example", "id.example"]));
        assert!(asked(Version::HTTP_10, "/", &[]));
        // RFC 9112 §3.2.2: the target's own host counts, and the field is ignored.
        assert!(asked(Version::HTTP_11, "http://id.example/", &["other.example"]));
        assert!(asked(Version::HTTP_2, "http://id.example/", &[]) && asked(Version::HTTP_2, "http://id.example/", &["ID.example"]));
        assert!(!asked(Version::HTTP_2, "http://id.example/", &["evil.example"]));
    }

    #[test]
    fn rfc9112_6_1_chunked_is_the_only_coding_and_stands_once() {
        let plain = |codings: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for coding in codings {
                headers.append(header::TRANSFER_ENCODING, HeaderValue::from_static(coding));
            }
            is_framed_plainly(&headers)
        };
        assert!(plain(&[]) && plain(&["chunked"]) && plain(&["CHUNKED"]));
        for codings in
            [&["gzip, chunked"][..], &["chunked, chunked"], &["gzip", "chunked"], &["chunked", "chunked"], &[",chunked"], &["identity"]]
        {
            assert!(!plain(codings), "{codings:?}");
        }
    }

    #[test]
    fn rfc9112_6_3_a_length_beside_a_coding_is_seen_however_it_is_cut() {
        let both = b"POST / HTTP/1.1\r\nHost: a\r\ncOnTent-Length: 4\r\nTRANSFER-encoding: chunked\r\n\r\n";
        assert!(HeadScan::default().read(both));
        let mut drip = HeadScan::default();
        assert!(both.iter().any(|byte| drip.read(&[*byte])));
        let body = b"POST / HTTP/1.1\r\ncontent-length: 40\r\n\r\ntransfer-encoding: chunked\r\n";
        assert!(!HeadScan::default().read(body), "a body is no head");
        assert!(
            !HeadScan::default().read(b"GET /?transfer-encoding: HTTP/1.1\r\nx-content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n")
        );
    }
}
