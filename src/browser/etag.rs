//! Entity tags of what is public and seldom changes: documents and the files of pages.

use axum::http::HeaderMap;
use axum::http::header::IF_NONE_MATCH;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::seal::sha256;

/// A strong tag, with its quotes (RFC 9110 §8.8.3).
#[must_use]
pub fn of(bytes: &[u8]) -> String {
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(&sha256(bytes)[..12]))
}

/// Does the caller have it already? RFC 9110 §13.1.2: "A recipient MUST use the weak comparison function when comparing entity tags for
/// If-None-Match".
#[must_use]
pub fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let lines = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(|one| one.trim().trim_start_matches("W/")).any(|one| one == tag || one == "*")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn rfc9110_13_1_2_any_of_the_tags_is_enough() {
        let tag = of(b"a");
        let known = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(IF_NONE_MATCH, HeaderValue::from_str(line).expect("visible"));
            }
            is_known(&headers, &tag)
        };
        assert!(known(&[&tag]) && known(&[&format!("\"x\", W/{tag}")]) && known(&["\"x\"", &tag]) && known(&["*"]));
        assert!(!known(&[]) && !known(&["\"x\""]) && !known(&[tag.trim_matches('"')]));
        assert_ne!(tag, of(b"b"));
    }
}
