//! TCP connections of both addresses: accepting, time-outs, sizes, a graceful end.
//!
//! HTTP/1 and HTTP/2 (in the clear, with prior knowledge). Leaves to others: everything inside a request, the limit on its target included
//! (`layers`). What is refused here is refused before there is a request that could be answered: with a bare status, counted and logged. Over
//! HTTP/2 a head that is too large is the library's matter alone, which answers 431 and goes on. Called by `cli::serve`.
//!
//! | limit | |
//! |---|---|
//! | a request's head | 10 s from its first byte, 32 KiB, else 431 |
//! | a request's body | 30 s, else 408; how large it may be is its reader's to say |
//! | requests on a connection | any number; one whose body has no length is the last |
//! | a connection without a request | 60 s; where no place is free, 4 s |
//! | an HTTP/2 connection that was told to go | 10 s for the streams that are open |
//! | connections at once | what file descriptors allow; further ones wait to be accepted |

mod activity;
pub mod body;
mod framing;
mod head;
mod stream;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::{Request, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tower::Service as _;

use crate::telemetry::metrics;
use activity::{Activity, Verdict};
use stream::Noted;

/// From the word to go until an HTTP/2 connection is cut: its client may never take the answers that are ready for it.
const LEAVING: Duration = Duration::from_secs(10);
/// How often a connection is looked at.
const LOOK: Duration = Duration::from_millis(2_500);
/// After the word to stop, a connection that is kept open may still send the request that was on its way: so long.
const PARTING: Duration = Duration::from_millis(300);
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
    let io = TokioIo::new(Noted::new(stream, Arc::clone(&activity)));
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
    if ambiguous || !head::names_one_host(&request) || !head::is_framed_plainly(request.headers()) {
        refused(StatusCode::BAD_REQUEST);
        return Ok((StatusCode::BAD_REQUEST, [(header::CONNECTION, "close")]).into_response());
    }
    let mut request =
        request.map(|body| if hyper::body::Body::is_end_stream(&body) { Body::empty() } else { Body::new(body::Timed::new(body)) });
    request.extensions_mut().insert(ConnectInfo(peer));
    let version = request.version();
    let mut response = router.call(request).await;
    drop(under_way);
    // RFC 9112 §9.6: "A server that sends a "close" connection option MUST initiate closure of the connection (see below) after it sends the
    // final response". A client that is told so does not send into a connection that is about to go.
    if version != Version::HTTP_2
        && let Ok(response) = &mut response
        && (activity.last.load(Ordering::Relaxed) || is_cut_short(response.status()))
    {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// The body that such an answer is for was not read to its end: what follows it cannot be told from it.
fn is_cut_short(status: StatusCode) -> bool {
    matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE)
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
            .route("/body", post(async |body: Body| body::read(body, 10).await.map_err(|_| StatusCode::PAYLOAD_TOO_LARGE)))
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

    /// RFC 9110 §10.1.1: whoever waits to hear whether a body is wanted hears so, or the refusal, and never both.
    #[tokio::test]
    async fn rfc9110_10_1_1_a_body_that_is_too_large_is_not_asked_for() {
        let server = running(8).await;
        let asked = |length: usize, body: &str| {
            format!("POST /body HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")
        };
        let small = ask(server.address, &asked(5, "hello")).await;
        assert!(small.starts_with("HTTP/1.1 100") && small.ends_with("hello"), "{small}");
        let large = ask(server.address, &asked(99_999_999, "").replace("Connection: close\r\n", "")).await;
        assert!(large.starts_with("HTTP/1.1 413") && large.contains("connection: close"), "{large}");
    }

    #[tokio::test]
    async fn rfc9112_6_3_a_head_that_nobody_looked_at_is_not_answered() {
        let server = running(8).await;
        let smuggled = "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        for before in ["", "\r\n"] {
            let answer = ask(server.address, &format!("{before}{smuggled}")).await;
            assert!(answer.starts_with("HTTP/1.1 400") && answer.matches("HTTP/1.1 ").count() == 1, "{answer}");
        }
        let chunked = "POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
        let whole = "POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello";
        for first in ["GET / HTTP/1.1\r\nHost: x\r\n\r\n", whole] {
            let answer = ask(server.address, &format!("{first}{smuggled}")).await;
            assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("connection: close"), "{answer}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
            let honest = ask(server.address, &format!("{first}{first}{}", first.replace("Host", "Connection: close\r\nHost"))).await;
            assert_eq!(honest.matches("HTTP/1.1 200").count(), 3, "{honest}");
        }
        // While the first is under way: it is answered, and nothing else.
        let mut stream = TcpStream::connect(server.address).await.expect("listening");
        stream.write_all(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
        tokio::time::sleep(Duration::from_millis(100)).await;
        stream.write_all(smuggled.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        assert!(answer.ends_with("slow") && answer.matches("HTTP/1.1 ").count() == 1, "{answer}");
        // Where a chunked body ends is its own to say: nothing is believed behind it.
        let answer = ask(server.address, &format!("{chunked}{smuggled}")).await;
        assert!(answer.ends_with("hello") && answer.contains("connection: close"), "{answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
        // Whoever waits for their answers keeps the connection.
        let mut kept = TcpStream::connect(server.address).await.expect("listening");
        let mut buffer = [0; 1024];
        for _ in 0..3 {
            for part in whole.split_inclusive("\r\n\r\n") {
                kept.write_all(part.as_bytes()).await.expect("sent");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            let read = kept.read(&mut buffer).await.expect("answered");
            let answer = String::from_utf8_lossy(&buffer[..read]);
            assert!(answer.ends_with("hello") && !answer.contains("connection: close"), "{answer}");
        }
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
}
