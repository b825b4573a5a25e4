//! Where requests of an HTTP/1 connection begin and end, seen from outside.
//!
//! RFC 9112 §6.3 of Content-Length beside Transfer-Encoding: "Such a message might indicate an attempt to perform request smuggling or response
//! splitting and ought to be handled as an error." hyper settles it silently in favour of the coding, so it has to be seen before; and so that every
//! head is seen, a request is the connection's last where what follows it can already be there: with bytes behind its end, or an end that is
//! not known beforehand.

use std::io::BufRead as _;

/// What came of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    Nothing,
    /// A head that can be read in two ways.
    Ambiguous,
    /// Nothing behind the request that is under way will be looked at: it must be the last.
    Last,
}

/// The request under way, as far as it has come.
#[derive(Default)]
pub struct Framing {
    place: Place,
    /// The beginning of the line under way.
    line: Vec<u8>,
    /// There was a line that is not empty.
    begun: bool,
    length: Option<Length>,
    coding: bool,
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

    /// `begins`: nothing is under way, so that these bytes may begin a request.
    pub fn read(&mut self, bytes: &[u8], begins: bool) -> Seen {
        if begins && self.place == Place::Body(0) {
            *self = Self { line: std::mem::take(&mut self.line), ..Self::default() };
        }
        let mut rest = bytes;
        if self.place == Place::Head {
            rest = self.head(rest);
            if self.place == Place::Head {
                return Seen::Nothing;
            }
            if self.length.is_some() && self.coding {
                return Seen::Ambiguous;
            }
        } else if self.place == Place::Lost {
            return Seen::Nothing;
        }
        if let Place::Body(left) = &mut self.place {
            let own = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
            *left -= own as u64;
            // RFC 9112 §2.2: "a server that is expecting to receive and parse a request-line SHOULD ignore at least one empty line (CRLF) received prior
            // to the request-line."
            if rest[own..].iter().all(|byte| matches!(byte, b'\r' | b'\n')) {
                return Seen::Nothing;
            }
            self.place = Place::Lost;
        }
        Seen::Last
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
        if line.is_empty() {
            if self.begun {
                self.place = match (self.length, self.coding) {
                    (None, false) => Place::Body(0),
                    (Some(Length::Bytes(length)), false) => Place::Body(length),
                    _ => Place::Lost,
                };
            }
            return;
        }
        self.begun = true;
        let value = |name: &[u8]| line.split_at_checked(name.len()).filter(|(is, _)| is.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        self.coding |= value(b"transfer-encoding:").is_some();
        if let Some(value) = value(b"content-length:") {
            // A number that was cut short with its line is too small: what is behind it then counts as another request's.
            let number = std::str::from_utf8(value).ok().and_then(|value| value.trim().parse().ok());
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
        Framing::default().read(bytes, false)
    }

    #[test]
    fn rfc9112_6_3_a_length_beside_a_coding_is_seen_however_it_is_cut() {
        assert_eq!(read(BOTH), Seen::Ambiguous);
        let mut drip = Framing::default();
        let seen: Vec<Seen> = BOTH.iter().map(|byte| drip.read(&[*byte], false)).collect();
        assert_eq!((seen[..seen.len() - 1].iter().all(|seen| *seen == Seen::Nothing), seen.last()), (true, Some(&Seen::Ambiguous)));
        // hyper reads over empty lines before a head.
        assert_eq!(read(&[b"\r\n\n", BOTH].concat()), Seen::Ambiguous);
        let body = b"POST / HTTP/1.1\r\ncontent-length: 28\r\n\r\ntransfer-encoding: chunked\r\n";
        assert_eq!(read(body), Seen::Nothing, "a body is no head");
        let others = b"GET /?transfer-encoding: HTTP/1.1\r\nx-content-length: 1\r\nx-transfer-encoding: chunked\r\n\r\n";
        assert_eq!(read(others), Seen::Nothing);
    }

    #[test]
    fn each_request_after_another_is_seen() {
        let mut framing = Framing::default();
        let post = b"POST / HTTP/1.1\r\nContent-Length:\t3 \r\ncontent-length: 3\r\n\r\n";
        assert_eq!(framing.read(GET, false), Seen::Nothing);
        assert_eq!(framing.read(post, true), Seen::Nothing);
        // The body comes while its request is under way, or after it was answered already.
        assert_eq!((framing.read(b"ab", false), framing.read(b"c\r\n", true)), (Seen::Nothing, Seen::Nothing));
        assert_eq!(framing.read(&BOTH[..40], true), Seen::Nothing);
        assert_eq!(framing.read(&BOTH[40..], false), Seen::Ambiguous);
    }

    #[test]
    fn what_has_something_behind_it_is_the_last() {
        assert_eq!(read(&[GET, BOTH].concat()), Seen::Last);
        assert_eq!(read(&[GET, b"G"].concat()), Seen::Last);
        let mut behind = Framing::default();
        assert_eq!(
            (behind.read(GET, false), behind.read(b"\r\n", false), behind.read(b"G", false)),
            (Seen::Nothing, Seen::Nothing, Seen::Last)
        );
        let mut body = Framing::default();
        assert_eq!(body.read(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\na", false), Seen::Nothing);
        assert_eq!(body.read(b"bP", false), Seen::Last);
        // Where it ends is not known: the coding says so as it goes on, and of these lengths hyper takes none or another.
        for head in ["transfer-encoding: chunked", "content-length: 1, 1", "content-length: 1\r\ncontent-length: 2", "content-length: x"] {
            let head = format!("POST / HTTP/1.1\r\n{head}\r\n\r\n");
            assert_eq!(read(head.as_bytes()), Seen::Last, "{head}");
        }
        let long = format!("POST / HTTP/1.1\r\ncontent-length: {}12\r\n\r\n0123456789ab", "0".repeat(60));
        assert_eq!(read(long.as_bytes()), Seen::Last);
    }
}
