//! What hyper takes in a head, and we do not.

use axum::http::{HeaderMap, header};
use hyper::{Request, Version};

/// One valid Host header field, or in HTTP/2 none that contradicts `:authority`.
pub fn names_one_host<B>(request: &Request<B>) -> bool {
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
pub fn is_framed_plainly(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

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
}
