//! Raw parameters of a query or form: decoded, in order, empty ones left out, repeated ones noticed (RFC 6749 §3.1, §3.2).
//!
//! Knows no parameter's meaning. Called by every endpoint before anything else looks at a request.

use std::fmt;

/// The one parameter that may stand more than once (RFC 8707 §2).
const REPEATABLE: &str = "resource";
const MAX_LENGTH: usize = 64 * 1024;
const MAX_COUNT: usize = 100;

/// Why a query or form cannot be read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("more than 64 KB of parameters")]
    TooLong,
    #[error("more than 100 parameters")]
    TooMany,
    #[error("a percent-encoding is not two hexadecimal digits")]
    PercentEncoding,
    #[error("a parameter is not UTF-8")]
    NotUtf8,
    #[error("a parameter holds a NUL")]
    Nul,
}

/// The parameters of one request: each a name and a value, decoded, one behind the other in one text.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Params {
    text: String,
    /// Where each begins, where its name ends, and where it ends itself.
    pairs: Vec<[usize; 3]>,
}

impl Params {
    /// Reads `application/x-www-form-urlencoded` text: a query without its `?`, or a body.
    ///
    /// # Errors
    /// [`Malformed`]; nothing is guessed and nothing replaced.
    pub fn parse(raw: &str) -> Result<Self, Malformed> {
        if raw.len() > MAX_LENGTH {
            return Err(Malformed::TooLong);
        }
        // Decoding makes nothing longer.
        let mut text = String::with_capacity(raw.len());
        let mut pairs = Vec::with_capacity(16);
        for (count, piece) in raw.split('&').filter(|piece| !piece.is_empty()).enumerate() {
            if count == MAX_COUNT {
                return Err(Malformed::TooMany);
            }
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            let begin = text.len();
            decode(name, &mut text)?;
            let middle = text.len();
            decode(value, &mut text)?;
            let (name, value) = text[begin..].split_at(middle - begin);
            // A state is the client's own, of any bytes, and is only handed back (RFC 6749 §4.1.1); what else holds a NUL is no text of ours.
            if name.contains('\0') || (value.contains('\0') && name != "state") {
                return Err(Malformed::Nul);
            }
            // RFC 6749 §3.1: "Parameters sent without a value MUST be treated as if they were omitted from the request."
            if value.is_empty() {
                text.truncate(begin);
            } else {
                pairs.push([begin, middle, text.len()]);
            }
        }
        Ok(Self { text, pairs })
    }

    /// The value; of a repeated parameter the first.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// Every value of one parameter, in order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let is = move |&&[begin, middle, _]: &&[usize; 3]| self.text.as_bytes()[begin..middle] == *name.as_bytes();
        self.pairs.iter().filter(is).map(|&[_, middle, end]| &self.text[middle..end])
    }

    /// The first parameter that repeats, known or not; `resource` may.
    ///
    /// RFC 6749 §3.1: "Request and response parameters MUST NOT be included more than once."
    #[must_use]
    pub fn repeated(&self) -> Option<&str> {
        let repeats = |(at, name): &(usize, &str)| *name != REPEATABLE && self.each().take(*at).any(|(before, _)| before == *name);
        self.each().map(|(name, _)| name).enumerate().find(repeats).map(|(_, name)| name)
    }

    #[must_use]
    pub fn repeats(&self, name: &str) -> bool {
        self.all(name).nth(1).is_some()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    fn each(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|&[begin, middle, end]| (&self.text[begin..middle], &self.text[middle..end]))
    }
}

/// Names only: values hold passwords, codes and secrets, and `{:?}` ends in logs.
impl fmt::Debug for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.each().map(|(name, _)| name)).finish()
    }
}

/// Appends what is encoded.
fn decode(encoded: &str, out: &mut String) -> Result<(), Malformed> {
    // Most names and values are written as they are.
    if !encoded.contains('%') && !encoded.contains('+') {
        out.push_str(encoded);
        return Ok(());
    }
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        match first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let [high, low, tail @ ..] = rest else { return Err(Malformed::PercentEncoding) };
                let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                let (Some(high), Some(low)) = (digit(high), digit(low)) else { return Err(Malformed::PercentEncoding) };
                bytes.push(high << 4 | low);
                rest = tail;
            }
            plain => bytes.push(*plain),
        }
    }
    out.push_str(std::str::from_utf8(&bytes).map_err(|_| Malformed::NotUtf8)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_appendix_b_example() {
        // U+0020 U+0025 U+0026 U+002B U+00A3 U+20AC
        let params = Params::parse("value=+%25%26%2B%C2%A3%E2%82%AC").expect("well-formed");
        assert_eq!(params.get("value"), Some(" %&+£€"));
    }

    #[test]
    fn az_05_rfc6749_3_1_empty_values_count_as_absent() {
        let params = Params::parse("nonce=&scope&state=x&&=&redirect_uri=").expect("well-formed");
        for name in ["nonce", "scope", "redirect_uri", ""] {
            assert_eq!(params.get(name), None, "{name}");
        }
        assert_eq!(params.get("state"), Some("x"));
        assert_eq!(Params::parse("state=&state=x").expect("well-formed").repeated(), None, "an omitted one does not repeat");
    }

    #[test]
    fn az_04_rfc6749_3_1_repeated_parameters_are_seen_whatever_they_are() {
        let cases = [
            ("a=1&b=2", None),
            ("scope=a&scope=a", Some("scope")),
            ("x=1&client_id=a&client_id=b", Some("client_id")),
            ("unknown=1&unknown=2", Some("unknown")),
            ("resource=a&resource=b", None),
            ("%73tate=a&state=b", Some("state")),
        ];
        for (raw, expected) in cases {
            assert_eq!(Params::parse(raw).expect(raw).repeated(), expected, "{raw}");
        }
        let params = Params::parse("resource=a&resource=b&c=1").expect("well-formed");
        assert!(params.repeats("resource") && !params.repeats("c"));
        assert_eq!(params.all("resource").collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn az_07_values_survive_byte_for_byte() {
        let params = Params::parse("state=%22%3E%3Cscript%3E%0D%0ASet-Cookie%3Ax%F0%9F%94%91%2525").expect("well-formed");
        assert_eq!(params.get("state"), Some("\"><script>\r\nSet-Cookie:x🔑%25"));
    }

    #[test]
    fn co_08_what_cannot_be_decoded_is_refused() {
        let cases = [
            ("code=%", Malformed::PercentEncoding),
            ("code=%f", Malformed::PercentEncoding),
            ("code=%zz", Malformed::PercentEncoding),
            ("code=%+1", Malformed::PercentEncoding),
            ("code=%ff", Malformed::NotUtf8),
            ("code=%ed%a0%80", Malformed::NotUtf8),
            ("code=a%00b", Malformed::Nul),
            ("state=a&nonce=%00", Malformed::Nul),
            ("%00=b", Malformed::Nul),
        ];
        for (raw, expected) in cases {
            assert_eq!(Params::parse(raw), Err(expected), "{raw}");
        }
        assert_eq!(Params::parse(&"a=b&".repeat(101)), Err(Malformed::TooMany));
        assert!(Params::parse(&"a=b&".repeat(100)).is_ok());
        assert_eq!(Params::parse(&"a".repeat(MAX_LENGTH + 1)), Err(Malformed::TooLong));
    }

    #[test]
    fn debug_output_holds_no_value() {
        let params = Params::parse("client_secret=s3cret&code=c0de").expect("well-formed");
        assert_eq!(format!("{params:?}"), r#"["client_secret", "code"]"#);
    }

    #[test]
    fn az_07_rfc6749_4_1_1_a_state_is_of_any_characters() {
        assert_eq!(Params::parse("state=a%00%0D%0Ab").expect("carried").get("state"), Some("a\0\r\nb"));
    }
}
