//! Redirect URIs: which may be registered, and which sent one is a registered one (RFC 6749 §3.1.2, RFC 8252 §7 and §8,
//! RFC 9700 §2.1).
//!
//! Matching compares bytes and knows one exception, the port of a loopback address; nothing is ever parsed and printed again.
//! Called by `authorization::reply_to`, `client` and `logout`.

use url::{Host, Url};

use super::client::Client;

/// What kind of application a URI would lead to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppKind {
    /// It keeps a secret: it runs on a server.
    Web,
    /// It keeps none: in a browser, on a phone or a desktop. It may own a private-use scheme.
    Native,
}

impl AppKind {
    #[must_use]
    pub fn of(client: &Client) -> Self {
        if client.is_public() { Self::Native } else { Self::Web }
    }
}

/// The longest URI that can be registered.
const MAX_LENGTH: usize = 2048;
/// Schemes that run or reveal something where a browser follows them. A dot would be missing from all of them; named, so that the
/// refusal says why.
const DANGEROUS: [&str; 8] = ["javascript", "data", "vbscript", "blob", "file", "about", "filesystem", "view-source"];

/// RFC 9700 §2.1: "When comparing client redirection URIs against pre-registered URIs, authorization servers MUST utilize exact
/// string matching except for port numbers in localhost redirection URIs of native apps"
#[must_use]
pub fn matches(registered: &[String], sent: &str) -> bool {
    if registered.iter().any(|uri| uri == sent) {
        return true;
    }
    // RFC 8252 §7.3: "The authorization server MUST allow any port to be specified at the time of the request for loopback IP
    // redirect URIs, to accommodate clients that obtain an available ephemeral port from the operating system at the time of the
    // request."
    let Some(sent) = without_port(sent) else { return false };
    registered.iter().filter_map(|uri| without_port(uri)).any(|uri| uri == sent)
}

/// Address and what follows the port of `http://127.0.0.1…` or `http://[::1]…`; none for everything else, `localhost` too
/// (RFC 8252 §8.3: "the use of localhost is NOT RECOMMENDED").
fn without_port(uri: &str) -> Option<(&str, &str)> {
    let (address, rest) = ["http://127.0.0.1", "http://[::1]"].into_iter().find_map(|at| Some((at, uri.strip_prefix(at)?)))?;
    let rest = match rest.strip_prefix(':') {
        None => rest,
        Some(after) => {
            let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (port, rest) = after.split_at(digits);
            if port.starts_with('0') || port.parse::<u16>().is_err() {
                return None;
            }
            rest
        }
    };
    (rest.is_empty() || rest.starts_with(['/', '?'])).then_some((address, rest))
}

/// May this URI be registered?
///
/// # Errors
/// What is wrong with it, for the developer of the client.
pub fn check_registrable(uri: &str, kind: AppKind) -> Result<(), &'static str> {
    if uri.is_empty() {
        return Err("must not be empty");
    }
    if uri.len() > MAX_LENGTH {
        return Err("must not be longer than 2048 characters");
    }
    // RFC 3986 §2: a URI is ASCII; other scripts are written in percent-encoding and punycode, so that what is compared is what is seen.
    if !uri.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("must be printable ASCII without spaces");
    }
    let Some((scheme, rest)) = split_scheme(uri) else { return Err("must be an absolute URI") };
    let scheme = scheme.to_ascii_lowercase();
    if DANGEROUS.contains(&scheme.as_str()) {
        return Err("must not use a scheme that a browser would run or open by itself");
    }
    // RFC 6749 §3.1.2: "The endpoint URI MUST NOT include a fragment component."
    if uri.contains('#') {
        return Err("must not include a fragment");
    }
    if uri.contains(['*', '\\', '"', '<', '>', '^', '`', '{', '|', '}']) {
        return Err("must not include wildcards or characters that a URI cannot hold: it is compared character by character");
    }
    if !percent_encoding_holds(uri) {
        return Err("must have two hexadecimal digits after each percent sign");
    }
    match scheme.as_str() {
        "https" | "http" => {
            let authority = rest.strip_prefix("//").ok_or("must name a host after two slashes")?;
            let authority = authority.split(['/', '?']).next().unwrap_or_default();
            if authority.is_empty() {
                return Err("must name a host");
            }
            if authority.contains('@') {
                return Err("must not include user information");
            }
            let Ok(url) = Url::parse(uri) else { return Err("must name a valid host and port") };
            // RFC 8252 §7.3 allows http for the loopback interface; elsewhere whoever is on the way reads the code.
            if scheme == "http" && !is_loopback(&url) {
                return Err("must use https; http is for localhost, 127.0.0.1 and [::1] alone");
            }
            Ok(())
        }
        // RFC 8252 §7.1: "apps MUST use a URI scheme based on a domain name under their control, expressed in reverse order"
        custom if kind == AppKind::Native => {
            if !custom.contains('.') || custom.ends_with('.') || custom.contains("..") {
                return Err("a private-use scheme must be a reversed domain name such as com.example.app");
            }
            Url::parse(uri).map(|_| ()).map_err(|_| "must be a valid URI")
        }
        _ => Err("must use https; a private-use scheme is for public clients"),
    }
}

/// RFC 3986 §3.1: "scheme = ALPHA *( ALPHA / DIGIT / "+" / "-" / "." )"
fn split_scheme(uri: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = uri.split_once(':')?;
    let valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'));
    (valid && !rest.is_empty()).then_some((scheme, rest))
}

fn percent_encoding_holds(uri: &str) -> bool {
    uri.split('%').skip(1).all(|after| after.len() >= 2 && after.bytes().take(2).all(|b| b.is_ascii_hexdigit()))
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Could another application on the person's machine receive what is sent here? Then the identity of a public client is never
/// assured, and the person is asked each time (RFC 8252 §8.6).
#[must_use]
pub fn is_loopback_or_custom(uri: &str) -> bool {
    match Url::parse(uri) {
        Ok(url) if url.scheme() == "https" => false,
        Ok(url) if url.scheme() == "http" => is_loopback(&url),
        _ => true,
    }
}

/// The web origins of registered URIs (RFC 6454 §4), each once: pages of these may read what the token endpoint answers.
#[must_use]
pub fn origins(registered: &[String]) -> Vec<String> {
    let mut origins: Vec<String> = registered
        .iter()
        .filter_map(|uri| Url::parse(uri).ok())
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .map(|url| url.origin().ascii_serialization())
        .collect();
    origins.sort_unstable();
    origins.dedup();
    origins
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registered(uris: &[&str]) -> Vec<String> {
        uris.iter().map(|&uri| uri.to_owned()).collect()
    }

    #[test]
    fn ru_01_ru_02_rfc9700_2_1_comparison_is_exact() {
        let app = registered(&["https://app.example/cb"]);
        assert!(matches(&app, "https://app.example/cb"));
        let others = [
            "https://evil.example/cb",
            "https://app.example/cb/",
            "https://app.example/CB",
            "https://app.example/cb?x=1",
            "https://app.example/cb/../evil",
            "https://app.example/cb/..;/evil",
            "https://app.example/cb%2f",
            "https://app.example/cb%00",
            "https://app.example/cb#f",
            "https://app.example/cb\\evil",
            "https://app.example/%63b",
            " https://app.example/cb",
            "https://app.example/cb ",
            "",
        ];
        for other in others {
            assert!(!matches(&app, other), "{other:?}");
        }
    }

    #[test]
    fn ru_03_ru_04_ru_13_hosts_cannot_be_confused() {
        let app = registered(&["https://app.example/cb", "https://foo.example.com/cb", "https://example.org/cb"]);
        let others = [
            "https://app.example.evil.tld/cb",
            "https://app.example@evil.tld/cb",
            "https://app.example%40evil.tld/cb",
            "https://app.example\\@evil.tld/cb",
            "https://app.example:443/cb",
            "https://APP.example/cb",
            "HTTPS://app.example/cb",
            "https://app.example./cb",
            "https://fooaexample.com/cb",
            "https://xn--example-.org/cb",
            "https://ex\u{430}mple.org/cb",
        ];
        for other in others {
            assert!(!matches(&app, other), "{other:?}");
        }
    }

    #[test]
    fn ru_10_rfc8252_7_3_any_port_of_a_loopback_address_and_nothing_else() {
        let native = registered(&["http://127.0.0.1/cb"]);
        for sent in ["http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", "http://127.0.0.1:1/cb", "http://127.0.0.1:65535/cb"] {
            assert!(matches(&native, sent), "{sent}");
        }
        let others = [
            "http://127.0.0.1:51004/other",
            "http://127.0.0.1.evil.tld/cb",
            "http://127.0.0.1.evil.tld:51004/cb",
            "http://localhost:51004/cb",
            "http://[::1]:51004/cb",
            "https://127.0.0.1:51004/cb",
            "http://127.0.0.1:51004@evil.tld/cb",
            "http://127.0.0.1:@evil.tld/cb",
            "http://127.0.0.1:51004\\@evil.tld/cb",
            "http://127.0.0.1:/cb",
            "http://127.0.0.1:0/cb",
            "http://127.0.0.1:080/cb",
            "http://127.0.0.1:65536/cb",
            "http://127.0.0.1:+80/cb",
            "http://127.1:51004/cb",
            "http://2130706433:51004/cb",
            "http://127.0.0.1:51004/cb?x=1",
            "http://127.0.0.1:51004/cb#f",
        ];
        for sent in others {
            assert!(!matches(&native, sent), "{sent}");
        }
    }

    #[test]
    fn rfc8252_7_3_a_registered_port_gives_way_and_ipv6_has_its_own_form() {
        // The RFC's own examples.
        let native = registered(&["http://127.0.0.1:8400/oauth2redirect/example-provider", "http://[::1]/oauth2redirect/example-provider"]);
        assert!(matches(&native, "http://127.0.0.1:51004/oauth2redirect/example-provider"));
        assert!(matches(&native, "http://[::1]:61023/oauth2redirect/example-provider"));
        assert!(!matches(&native, "http://[::1]:61023/oauth2redirect"));
        let bare = registered(&["http://127.0.0.1:4201"]);
        assert!(matches(&bare, "http://127.0.0.1:4300"));
        assert!(!matches(&bare, "http://127.0.0.1:4300/"));
        let query = registered(&["http://127.0.0.1?a=1"]);
        assert!(matches(&query, "http://127.0.0.1:9?a=1"));
        let name = registered(&["http://127.0.0.1.evil.tld/cb", "http://127.0.0.1@evil.tld/cb"]);
        for sent in ["http://127.0.0.1:80.evil.tld/cb", "http://127.0.0.1:80@evil.tld/cb"] {
            assert!(!matches(&name, sent), "no port of a loopback address: {sent}");
        }
        let localhost = registered(&["http://localhost:3000/cb"]);
        assert!(matches(&localhost, "http://localhost:3000/cb"), "as registered");
        assert!(!matches(&localhost, "http://localhost:3001/cb"));
        let web = registered(&["https://app.example:8443/cb"]);
        assert!(!matches(&web, "https://app.example:8444/cb"));
    }

    #[test]
    fn ru_05_dangerous_schemes_are_never_registered() {
        let dangerous = [
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "javascript://app.example/%0aalert(1)",
            "data:text/html,x",
            "vbscript:x",
            "blob:https://app.example/x",
            "file:///etc/passwd",
            "about:blank",
            " javascript:alert(1)",
            "java\tscript:alert(1)",
            "mailto:a@b.example",
            "urn:ietf:wg:oauth:2.0:oob",
        ];
        for uri in dangerous {
            for kind in [AppKind::Web, AppKind::Native] {
                assert!(check_registrable(uri, kind).is_err(), "{uri} {kind:?}");
            }
        }
    }

    #[test]
    fn ru_04_ru_06_ru_11_rfc6749_3_1_2_malformed_uris_are_never_registered() {
        let long = format!("https://app.example/{}", "a".repeat(MAX_LENGTH));
        let malformed = [
            "",
            "/cb",
            "//app.example/cb",
            "app.example/cb",
            "https:app.example/cb",
            "https:/app.example/cb",
            "https://",
            "https:///cb",
            "https://app.example/cb#",
            "https://app.example/cb#f",
            "https://user@app.example/cb",
            "https://user:pass@app.example/cb",
            "https://app.example:99999/cb",
            "https://*.example/cb",
            "https://app.example/*",
            ".*",
            "https://app.example/a\\b",
            "https://app.example/%zz",
            "https://app.example/%2",
            "https://app.example/a b",
            "https://app.example/cb\r\nX: y",
            "https://ex\u{430}mple.org/cb",
            "http://app.example/cb",
            "http://localhost.evil.example/cb",
            "http://192.168.0.1/cb",
            "http://0.0.0.0/cb",
            "http://app.example:8080/cb",
            &long,
        ];
        for uri in malformed {
            for kind in [AppKind::Web, AppKind::Native] {
                assert!(check_registrable(uri, kind).is_err(), "{uri:?} {kind:?}");
            }
        }
    }

    #[test]
    fn ru_12_rfc8252_7_1_private_use_schemes_are_reversed_domain_names_of_native_apps() {
        for uri in ["com.example.app:/oauth2redirect/example-provider", "com.example.app://cb"] {
            assert_eq!(check_registrable(uri, AppKind::Native), Ok(()), "{uri}");
            assert!(check_registrable(uri, AppKind::Web).is_err(), "{uri}");
        }
        for uri in ["myapp:/cb", "myapp://cb", "com.:/cb", "com..app:/cb", "com.example.app:"] {
            assert!(check_registrable(uri, AppKind::Native).is_err(), "{uri}");
        }
    }

    #[test]
    fn what_apps_really_register_is_registrable() {
        let uris = [
            "https://app.example/cb",
            "https://app.example",
            "https://app.example:8443/cb?tenant=1&x=%20y",
            "https://xn--exmple-cua.org/cb",
            "http://localhost:3000/api/auth/callback/portero",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:4201",
            "http://[::1]:5000/cb",
        ];
        for uri in uris {
            for kind in [AppKind::Web, AppKind::Native] {
                assert_eq!(check_registrable(uri, kind), Ok(()), "{uri} {kind:?}");
            }
        }
    }

    #[test]
    fn rfc8252_8_6_which_redirects_assure_nothing() {
        for uri in ["http://127.0.0.1:51004/cb", "http://localhost/cb", "http://[::1]/cb", "com.example.app:/cb"] {
            assert!(is_loopback_or_custom(uri), "{uri}");
        }
        assert!(!is_loopback_or_custom("https://app.example/cb"));
    }

    #[test]
    fn rfc6454_6_origins_are_scheme_host_and_port() {
        let registered = [
            "https://spa.example/cb",
            "https://spa.example/other",
            "https://spa.example:8443/cb",
            "com.example.app:/cb",
            "http://127.0.0.1/cb",
        ];
        let registered: Vec<String> = registered.map(str::to_owned).to_vec();
        assert_eq!(origins(&registered), ["http://127.0.0.1", "https://spa.example", "https://spa.example:8443"]);
    }
}
