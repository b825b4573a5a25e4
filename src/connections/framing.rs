//! Where requests of an HTTP/1 connection begin and end, seen from outside.
//!
//! RFC 9112 §6.3 of Content-Length beside Transfer-Encoding: "Such a message might indicate an attempt to perform request smuggling or response
//! splitting and ought to be handled as an error." hyper settles it silently in favour of the coding, so it has to be seen before, in every head. So
//! requests are counted off by their lengths as they pass; one whose end is not known beforehand is the last of its connection.

use std::io::BufRead as _;

/// What came of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    Nothing,
    /// A head that can be read in two ways: neither it nor what follows is to be done.
    Ambiguous,
    /// Nothing behind this request will be looked at: it must be the last.
    Last,
}

/// The request that passes, as far as it has come.
#[derive(Default)]
pub struct Framing {
    place: Place,
    /// The beginning of the line under way.
    line: Vec<u8>,
    /// There was a line that is not empty.
    begun: bool,
    length: Option<Length>,
    /// It has a transfer coding, or is no HTTP/1.
    unbounded: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Head,
    /// So many bytes of the body are still to come.
    Body(u64),
    /// Past what can be followed.
    Lost,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    Bytes(u64),
    Unclear,
}

impl Framing {
    /// Enough of a line: its name, and a number.
    const LINE: usize = 64;

    pub fn read(&mut self, bytes: &[u8]) -> Seen {
        let mut rest = bytes;
        while !rest.is_empty() && self.place != Place::Lost {
            if let Place::Body(left) = self.place {
                let own = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                rest = &rest[own..];
                self.place = Place::Body(left - own as u64);
                if rest.is_empty() {
                    break;
                }
                *self = Self { line: std::mem::take(&mut self.line), ..Self::default() };
            }
            rest = self.head(rest);
            if self.place == Place::Lost {
                return if self.length.is_some() && self.unbounded { Seen::Ambiguous } else { Seen::Last };
            }
        }
        Seen::Nothing
    }

    /// What is left behind the end of the head, if it is here.
    fn head<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let mut rest = bytes;
        while self.place == Place::Head && !rest.is_empty() {
            // By the library's search for a byte, which looks at many at once: heads are read at every request.
            let mut after = rest;
            let length = after.skip_until(b'\n').unwrap_or(rest.len());
            let (line, whole) = match &rest[..length] {
                [line @ .., b'\n'] => (line, true),
                line => (line, false),
            };
            rest = after;
            let beginning = &line[..line.len().min(Self::LINE)];
            let plain = beginning.strip_suffix(b"\r").unwrap_or(beginning);
            if whole && self.line.is_empty() && !plain.contains(&b'\r') {
                self.judge(plain);
                continue;
            }
            let room = Self::LINE - self.line.len();
            self.line.extend(line.iter().filter(|byte| **byte != b'\r').take(room));
            if whole {
                let line = std::mem::take(&mut self.line);
                self.judge(&line);
            }
        }
        rest
    }

    /// The beginning of a whole line.
    fn judge(&mut self, line: &[u8]) {
        // RFC 9112 §2.2: "a server that is expecting to receive and parse a request-line SHOULD ignore at least one empty line (CRLF) received prior
        // to the request-line."
        if line.is_empty() {
            if self.begun {
                self.place = match (self.length, self.unbounded) {
                    (None, false) => Place::Body(0),
                    (Some(Length::Bytes(length)), false) => Place::Body(length),
                    _ => Place::Lost,
                };
            }
            return;
        }
        // RFC 9113 §3.4: what a connection of HTTP/2 begins with looks like a head, and what follows is none.
        self.unbounded |= !std::mem::replace(&mut self.begun, true) && line == b"PRI * HTTP/2.0";
        let value = |name: &[u8]| line.split_at_checked(name.len()).filter(|(is, _)| is.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        self.unbounded |= value(b"transfer-encoding:").is_some();
        if let Some(value) = value(b"content-length:") {
            // One that may have been cut short with its line is no number.
            let whole = line.len() < Self::LINE;
            let number = std::str::from_utf8(value).ok().filter(|_| whole).and_then(|value| value.trim().parse().ok());
            let length = number.map_or(Length::Unclear, Length::Bytes);
            self.length = Some(if self.length.is_none_or(|before| before == length) { length } else { Length::Unclear });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\ncOnTent-Length: 4\r\nTRANSFER-encoding: chunked\r\n\r\n";
    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    fn read(bytes: &[u8]) -> Seen {
        Framing::default().read(bytes)
    }

    #[test]
    fn rfc9112_6_3_a_length_beside_a_coding_is_seen_however_it_is_cut() {
        assert_eq!(read(BOTH), Seen::Ambiguous);
        let mut drip = Framing::default();
        let seen: Vec<Seen> = BOTH.iter().map(|byte| drip.read(&[*byte])).collect();
        assert_eq!((seen[..seen.len() - 1].iter().all(|seen| *seen == Seen::Nothing), seen.last()), (true, Some(&Seen::Ambiguous)));
        // hyper reads over empty lines before a head.
        assert_eq!(read(&[b"\r\n\n", BOTH].concat()), Seen::Ambiguous);
        let body = b"POST / HTTP/1.1\r\ncontent-length: 28\r\n\r\ntransfer-encoding: chunked\r\n";
        assert_eq!(read(body), Seen::Nothing, "a body is no head");
        let others = b"GET /?transfer-encoding: HTTP/1.1\r\nx-content-length: 1\r\nx-transfer-encoding: chunked\r\n\r\n";
        assert_eq!(read(others), Seen::Nothing);
    }

    #[test]
    fn each_request_behind_another_is_seen() {
        let post = b"POST / HTTP/1.1\r\nContent-Length:\t3 \r\ncontent-length: 3\r\n\r\nabc";
        for all in [[GET, BOTH].concat(), [&post[..], BOTH].concat(), [GET, b"\r\n", post, b"\r\n", GET, BOTH].concat()] {
            assert_eq!(read(&all), Seen::Ambiguous);
            for cut in 1..all.len() {
                let mut framing = Framing::default();
                let seen = [framing.read(&all[..cut]), framing.read(&all[cut..])];
                assert_eq!(seen, [Seen::Nothing, Seen::Ambiguous], "at {cut} of {}", String::from_utf8_lossy(&all));
            }
        }
        assert_eq!(read(&[GET, post, GET, post].concat()), Seen::Nothing);
    }

    #[test]
    fn what_has_no_length_is_the_last() {
        for head in ["transfer-encoding: chunked", "content-length: 1, 1", "content-length: 1\r\ncontent-length: 2", "content-length: x"] {
            let head = format!("POST / HTTP/1.1\r\n{head}\r\n\r\n");
            let mut framing = Framing::default();
            assert_eq!((framing.read(head.as_bytes()), framing.read(BOTH)), (Seen::Last, Seen::Nothing), "{head}");
        }
        let long = format!("POST / HTTP/1.1\r\ncontent-length: {}12\r\n\r\n0123456789ab", "0".repeat(60));
        assert_eq!(read(long.as_bytes()), Seen::Last);
        assert_eq!(read(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Seen::Last);
    }
}
