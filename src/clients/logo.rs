//! Logos of apps: fetched by the server, looked at, and given out again from its own origin. A browser on our pages never asks a stranger's host.
//!
//! Owns: what counts as a logo (a raster image of bounded bytes and pixels, by its own first bytes), how long one is kept, that one address is
//! fetched once however many pages want it, and that a page waits for none of it for long. Leaves to others: the guard of outgoing
//! requests (`outgoing`), the pages and the path that serves them (`web`). What is kept is kept in memory, and bounded; another replica fetches for itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::outgoing::Outgoing;
use crate::protocol::client::Client;
use crate::storage::Time;

/// No logo is larger.
const MAX_BYTES: usize = 128 * 1024;
/// Nor has it more pixels on a side: a small file may hold a picture that fills a browser's memory.
const MAX_SIDE: u32 = 2048;
/// How many are kept: 16 MiB of them at most.
const KEPT: usize = 128;
/// How long one is shown before it is looked for again.
const FRESH: Duration = Duration::from_secs(24 * 60 * 60);
/// How long it is not looked for after there was none.
const ABSENT: Duration = Duration::from_secs(10 * 60);
/// How many redirects are followed; each passes the guard like the first address.
const HOPS: usize = 3;
/// How long a page waits for logos that it does not have yet. The fetch goes on without it.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// A picture that may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logo {
    pub bytes: Arc<[u8]>,
    /// By its own first bytes, whatever its server called it.
    pub content_type: &'static str,
}

impl Logo {
    /// Is it a raster image of bounded size? SVG is a document that may hold anything, and never is one.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (content_type, width, height) = kind(bytes).filter(|_| bytes.len() <= MAX_BYTES)?;
        let is_bounded = |side| (1..=MAX_SIDE).contains(&side);
        (is_bounded(width) && is_bounded(height)).then(|| Self { bytes: bytes.into(), content_type })
    }
}

type Found = Arc<OnceCell<Option<Logo>>>;

struct Entry {
    found: Found,
    since: Time,
    /// What was shown until it was looked for again.
    before: Option<Logo>,
}

/// Every logo that is known, by its address.
pub struct Logos {
    outgoing: Outgoing,
    kept: Mutex<HashMap<String, Entry>>,
}

impl Logos {
    #[must_use]
    pub fn new(outgoing: Outgoing) -> Self {
        Self { outgoing, kept: Mutex::default() }
    }

    /// The logo of an app, as far as it is known after `patience` at most; none for an app without one.
    pub async fn of(&self, client: &Client, patience: Duration, now: Time) -> Option<Logo> {
        self.all([client], patience, now).await.pop().flatten()
    }

    /// The same for several apps at once, with one patience for all of them.
    pub async fn all<'a>(&self, clients: impl IntoIterator<Item = &'a Client>, patience: Duration, now: Time) -> Vec<Option<Logo>> {
        let deadline = Instant::now() + patience;
        let begun: Vec<_> = clients.into_iter().map(|client| self.begin(client, now)).collect();
        let mut logos = Vec::with_capacity(begun.len());
        for (before, fetching) in begun {
            let found = match fetching {
                Some(fetching) => timeout_at(deadline, fetching).await.ok().and_then(Result::ok).flatten(),
                None => None,
            };
            logos.push(found.or(before));
        }
        logos
    }

    /// What is known, and what is under way beside it.
    fn begin(&self, client: &Client, now: Time) -> (Option<Logo>, Option<JoinHandle<Option<Logo>>>) {
        let Some(address) = client.logo_uri.clone() else { return (None, None) };
        let (found, before) = self.entry(&address, now);
        if let Some(known) = found.get() {
            return (known.clone().or(before), None);
        }
        let outgoing = self.outgoing.clone();
        // A task of its own: a page that stops waiting does not stop it, and whoever else asks meanwhile waits for the same one.
        let fetching = tokio::spawn(async move { found.get_or_init(|| fetch(&outgoing, &address)).await.clone() });
        (before, Some(fetching))
    }

    /// The place of an address; a fresh one where there is none, or what is there is too old.
    fn entry(&self, address: &str, now: Time) -> (Found, Option<Logo>) {
        // Whatever a thread did that stopped here, the map is whole.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = None;
        if let Some(entry) = kept.get(address) {
            let lasts = if matches!(entry.found.get(), Some(None)) { ABSENT } else { FRESH };
            if now < entry.since + lasts {
                return (Arc::clone(&entry.found), entry.before.clone());
            }
            before = entry.found.get().cloned().flatten();
        } else if kept.len() >= KEPT
            && let Some(oldest) = kept.iter().min_by_key(|(_, entry)| entry.since).map(|(address, _)| address.clone())
        {
            kept.remove(&oldest);
        }
        let found = Found::default();
        kept.insert(address.to_owned(), Entry { found: Arc::clone(&found), since: now, before: before.clone() });
        (found, before)
    }
}

impl std::fmt::Debug for Logos {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Logos")
    }
}

/// Fetches and judges; why there is none is said in the log, where the app's developer may ask.
async fn fetch(outgoing: &Outgoing, address: &str) -> Option<Logo> {
    match try_fetch(outgoing, address).await {
        Ok(logo) => Some(logo),
        Err(reason) => {
            tracing::info!(event = "logo", reason, "the logo of an app is not shown");
            None
        }
    }
}

async fn try_fetch(outgoing: &Outgoing, address: &str) -> Result<Logo, String> {
    let mut url = Url::parse(address).map_err(|error| error.to_string())?;
    for _ in 0..=HOPS {
        let answer = outgoing.get(&url, "image/png, image/webp, image/jpeg").await.map_err(|error| error.to_string())?;
        if let (301 | 302 | 303 | 307 | 308, Some(location)) = (answer.status, &answer.location) {
            let next = url.join(location).map_err(|error| error.to_string())?;
            if url.scheme() == "https" && next.scheme() != "https" {
                return Err("a redirect leaves https".to_owned());
            }
            url = next;
            continue;
        }
        if answer.status != 200 {
            return Err(format!("the answer has the status {}", answer.status));
        }
        let called = answer.content_type.unwrap_or_default().to_ascii_lowercase();
        if !called.starts_with("image/") || called.starts_with("image/svg") {
            return Err("the answer is no raster image by its Content-Type".to_owned());
        }
        return Logo::read(&answer.body)
            .ok_or_else(|| format!("it is no PNG, JPEG or WebP of at most {} KiB and {MAX_SIDE} pixels a side", MAX_BYTES / 1024));
    }
    Err(format!("more than {HOPS} redirects"))
}

/// Content type, width and height, as the file says.
fn kind(bytes: &[u8]) -> Option<(&'static str, u32, u32)> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        // PNG §11.2.2: the first chunk is IHDR, which begins with width and height.
        let side = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        return (bytes.get(12..16)? == b"IHDR").then_some(("image/png", side(16)?, side(20)?));
    }
    if bytes.starts_with(b"\xff\xd8\xff") {
        let (width, height) = jpeg(bytes)?;
        return Some(("image/jpeg", width, height));
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12)? == b"WEBP" {
        let (width, height) = webp(bytes)?;
        return Some(("image/webp", width, height));
    }
    None
}

/// ITU T.81 §B.2.2: a frame header holds height and width; every segment before it says its own length.
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    let word = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let mut at = 2;
    loop {
        let marker = word(at)?;
        match marker {
            0xffff => at += 1,
            0xffc4 | 0xffc8 | 0xffcc => at += 2 + usize::from(word(at + 2)?),
            0xffc0..=0xffcf => return Some((word(at + 7)?.into(), word(at + 5)?.into())),
            // Without a length, and before any frame.
            0xff01 | 0xffd0..=0xffd8 => at += 2,
            0xff02..=0xfffe => at += 2 + usize::from(word(at + 2)?),
            _ => return None,
        }
    }
}

/// RFC 9649 §2.5 to §2.7: simple lossy, simple lossless, extended.
fn webp(bytes: &[u8]) -> Option<(u32, u32)> {
    let long = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    match bytes.get(12..16)? {
        b"VP8 " => (bytes.get(23..26)? == b"\x9d\x01\x2a")
            .then_some(())
            .and_then(|()| long(26))
            .map(|sides| (sides & 0x3fff, (sides >> 16) & 0x3fff)),
        b"VP8L" => (*bytes.get(20)? == 0x2f)
            .then_some(())
            .and_then(|()| long(21))
            .map(|sides| ((sides & 0x3fff) + 1, ((sides >> 14) & 0x3fff) + 1)),
        b"VP8X" => {
            let side = |at: usize| Some(u32::from_le_bytes([*bytes.get(at)?, *bytes.get(at + 1)?, *bytes.get(at + 2)?, 0]) + 1);
            Some((side(24)?, side(27)?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::clients::defaults_for;
    use crate::protocol::client_metadata::ClientMetadata;

    fn png(width: u32, height: u32, filler: usize) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend(vec![0; filler]);
        bytes
    }

    fn at(seconds: i64) -> Time {
        Time::from_timestamp(1_800_000_000 + seconds, 0).expect("in range")
    }

    fn app(logo_uri: &str) -> Client {
        let metadata = serde_json::json!({ "redirect_uris": ["https://app.example/cb"], "logo_uri": logo_uri });
        let metadata: ClientMetadata = serde_json::from_value(metadata).expect("metadata");
        let defaults = defaults_for(&metadata);
        metadata.into_client("app".to_owned(), &defaults).expect("valid")
    }

    /// Answers each path with what it is given for it, and counts the requests.
    async fn serving(answers: Vec<(&'static str, Vec<u8>)>) -> (SocketAddr, Arc<AtomicUsize>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (address, count) = (listener.local_addr().expect("bound"), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut request = [0_u8; 1024];
                let read = stream.read(&mut request).await.unwrap_or_default();
                let line = String::from_utf8_lossy(&request[..read]).into_owned();
                let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                let answer = answers.iter().find(|(known, _)| *known == path).map(|(_, answer)| answer.clone());
                let _ = stream.write_all(&answer.unwrap_or_else(|| b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec())).await;
            }
        });
        (address, count)
    }

    fn image(content_type: &str, body: &[u8]) -> Vec<u8> {
        let mut answer =
            format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())
                .into_bytes();
        answer.extend(body);
        answer
    }

    fn moved(to: &str) -> Vec<u8> {
        format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into_bytes()
    }

    /// Nothing but this one address of the machine may be asked.
    fn logos() -> Logos {
        Logos::new(Outgoing::new(vec!["127.0.0.1/32".parse().expect("a network")]))
    }

    #[test]
    fn an_image_is_what_its_first_bytes_say_and_has_bounds() {
        let of = |bytes: &[u8]| Logo::read(bytes).map(|logo| logo.content_type);
        assert_eq!(of(&png(64, 64, 100)), Some("image/png"));
        let jpeg = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08\x00\x40\x00\x80rest";
        assert_eq!(kind(jpeg), Some(("image/jpeg", 128, 64)));
        let lossy = b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0\0\0\0\x9d\x01\x2a\x40\x00\x20\x00";
        assert_eq!(kind(lossy), Some(("image/webp", 64, 32)));
        let lossless = b"RIFF\0\0\0\0WEBPVP8L\0\0\0\0\x2f\x3f\xc0\x07\x00";
        assert_eq!(kind(lossless), Some(("image/webp", 64, 32)));
        let extended = b"RIFF\0\0\0\0WEBPVP8X\0\0\0\0\0\0\0\0\x3f\0\0\x1f\0\0";
        assert_eq!(kind(extended), Some(("image/webp", 64, 32)));
        for bad in [
            &b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>"[..],
            b"<?xml version=\"1.0\"?><svg/>",
            b"<html>",
            b"GIF89a\x01\0\x01\0",
            b"",
            b"\x89PNG\r\n\x1a\n",
            b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0",
            b"\xff\xd8\xff\xe0\x00\x00",
            b"\xff\xd8\xff\xe0\xff\xff",
            b"RIFF\0\0\0\0WEBP",
            b"RIFF\0\0\0\0WEBPVP8 ",
            &png(0, 64, 10),
            &png(64, 2049, 10),
            &png(65_535, 65_535, 10),
            &png(64, 64, MAX_BYTES),
        ] {
            assert_eq!(of(bad), None, "{}", String::from_utf8_lossy(&bad[..bad.len().min(40)]));
        }
    }

    #[tokio::test]
    async fn what_is_no_raster_image_within_bounds_is_not_shown() {
        let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>";
        let good = png(64, 64, 10);
        let (address, _) = serving(vec![
            ("/good.png", image("image/png", &good)),
            ("/unnamed.png", image("text/html", &good)),
            ("/logo.svg", image("image/svg+xml", svg)),
            ("/svg-as.png", image("image/png", svg)),
            ("/png-as.svg", image("image/svg+xml", &good)),
            ("/large.png", image("image/png", &png(64, 64, MAX_BYTES))),
            ("/huge.png", image("image/png", &png(64, 64, crate::outgoing::MAX_BODY + 1))),
            ("/bomb.png", image("image/png", &png(60_000, 60_000, 10))),
            ("/once", moved("/good.png")),
            ("/inside", moved("http://127.0.0.2/good.png")),
            ("/inside-name", moved("http://[::1]/good.png")),
            ("/inside-file", moved("file:///etc/passwd")),
            ("/round", moved("/round")),
        ])
        .await;
        let logos = logos();
        let of = async |path: &str| logos.of(&app(&format!("http://{address}{path}")), Duration::from_secs(5), at(0)).await;
        assert_eq!(of("/good.png").await, Logo::read(&good));
        assert_eq!(of("/once").await, Logo::read(&good), "a redirect is followed");
        for path in [
            "/unnamed.png",
            "/logo.svg",
            "/svg-as.png",
            "/png-as.svg",
            "/large.png",
            "/huge.png",
            "/bomb.png",
            "/inside",
            "/inside-name",
            "/inside-file",
            "/round",
            "/missing.png",
        ] {
            assert_eq!(of(path).await, None, "{path}");
        }
    }

    #[tokio::test]
    async fn an_address_inside_is_never_asked() {
        let (address, count) = serving(vec![("/logo.png", image("image/png", &png(1, 1, 1)))]).await;
        let guarded = Logos::new(Outgoing::new(Vec::new()));
        for host in [address.to_string(), format!("localhost:{}", address.port()), format!("2130706433:{}", address.port())] {
            assert_eq!(guarded.of(&app(&format!("http://{host}/logo.png")), Duration::from_secs(5), at(0)).await, None, "{host}");
        }
        assert_eq!(count.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn one_address_is_fetched_once_and_again_when_it_is_old() {
        let (address, count) = serving(vec![("/logo.png", image("image/png", &png(64, 64, 10)))]).await;
        let logos = Arc::new(logos());
        let (good, bad) = (app(&format!("http://{address}/logo.png")), app(&format!("http://{address}/none.png")));
        let ask = |client: &Client, seconds: i64| {
            let (logos, client) = (Arc::clone(&logos), client.clone());
            tokio::spawn(async move { logos.of(&client, Duration::from_secs(5), at(seconds)).await })
        };
        let asked: Vec<_> = (0..16).map(|_| ask(&good, 0)).collect();
        for one in asked {
            assert!(one.await.expect("no panic").is_some());
        }
        assert_eq!(count.load(Ordering::SeqCst), 1, "SS-06: one fetch for all of them");
        assert!(ask(&good, 24 * 3600 - 1).await.expect("no panic").is_some());
        assert_eq!(count.load(Ordering::SeqCst), 1);
        assert!(ask(&good, 24 * 3600).await.expect("no panic").is_some());
        assert_eq!(count.load(Ordering::SeqCst), 2);
        for (seconds, fetched) in [(0, 3), (599, 3), (600, 4)] {
            assert_eq!(ask(&bad, seconds).await.expect("no panic"), None);
            assert_eq!(count.load(Ordering::SeqCst), fetched, "after {seconds} s");
        }
    }

    #[tokio::test]
    async fn a_page_waits_for_no_slow_server_and_memory_has_an_end() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let silent = listener.local_addr().expect("bound");
        let logos = logos();
        let started = std::time::Instant::now();
        assert_eq!(logos.of(&app(&format!("http://{silent}/")), Duration::from_millis(50), at(0)).await, None);
        assert!(started.elapsed() < Duration::from_secs(20));
        for n in 0..2 * KEPT {
            let n = i64::try_from(n).expect("small");
            drop(logos.entry(&format!("https://app.example/{n}.png"), at(n)));
        }
        assert_eq!(logos.kept.lock().expect("whole").len(), KEPT);
    }
}
