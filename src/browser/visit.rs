//! What a browser told with its request: method, path, cookies and the few headers that pages look at.
//!
//! Owns: reading cookies, and nothing else of a cookie but its name and attributes. What the values mean is for `session`, `flow`
//! and `language`. Extracted by every handler of a page.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::header::{ACCEPT_LANGUAGE, COOKIE, HeaderName, ORIGIN, USER_AGENT};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, Uri};

use crate::request::RequestContext;
use crate::urls::Urls;

/// Longest cookie value that is looked at: ours are far shorter.
const LONGEST_COOKIE: usize = 512;

/// One request of a browser.
#[derive(Clone, Debug)]
pub struct Visit {
    pub method: Method,
    /// As it was asked for, without the scheme and host.
    pub uri: Uri,
    pub headers: HeaderMap,
    pub context: RequestContext,
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

impl Visit {
    #[must_use]
    pub fn of(parts: &Parts) -> Self {
        Self {
            method: parts.method.clone(),
            // Below the issuer's own path the router has taken that path away.
            uri: parts.extensions.get::<OriginalUri>().map_or_else(|| parts.uri.clone(), |original| original.0.clone()),
            headers: parts.headers.clone(),
            context: context_of(&parts.extensions),
        }
    }

    /// The value of our cookie `name`. A value that is empty, too long, not plain text, or there twice with different values was not
    /// set by us alone: it counts as absent.
    #[must_use]
    pub fn cookie(&self, urls: &Urls, name: &str) -> Option<&str> {
        let full = cookie_name(urls, name);
        let mut found = None;
        for line in self.headers.get_all(COOKIE) {
            for pair in line.to_str().unwrap_or_default().split(';') {
                let Some((key, value)) = pair.trim().split_once('=') else { continue };
                if key != full {
                    continue;
                }
                if found.is_some_and(|before| before != value) {
                    return None;
                }
                found = Some(value);
            }
        }
        found.filter(|value| !value.is_empty() && value.len() <= LONGEST_COOKIE && value.bytes().all(is_cookie_byte))
    }

    /// A header's value, if it is there once and readable.
    #[must_use]
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        let mut all = self.headers.get_all(name).iter();
        let first = all.next()?;
        if all.next().is_some() {
            return None;
        }
        first.to_str().ok()
    }

    /// The browser asks ahead of a person who may never come (Fetch §3.8 `Sec-Purpose`; older browsers say `Purpose` or `X-Moz`).
    #[must_use]
    pub fn is_ahead(&self) -> bool {
        let says = |name: &'static str| self.headers.get_all(HeaderName::from_static(name)).iter().filter_map(|value| value.to_str().ok());
        let words = ["sec-purpose", "purpose", "x-moz"].into_iter().flat_map(says).flat_map(|value| value.split([';', ',']));
        words.map(str::trim).any(|word| word.eq_ignore_ascii_case("prefetch") || word.eq_ignore_ascii_case("prerender"))
    }

    #[must_use]
    pub fn origin(&self) -> Option<&str> {
        self.header(&ORIGIN)
    }

    #[must_use]
    pub fn accept_language(&self) -> Option<&str> {
        self.header(&ACCEPT_LANGUAGE)
    }

    /// At most 300 characters of it, for the list of a person's sessions.
    #[must_use]
    pub fn user_agent(&self) -> Option<String> {
        self.header(&USER_AGENT).map(|agent| agent.chars().take(300).collect())
    }

    /// Path and query as they were asked for, if they can be asked for again: none for a form that was sent.
    #[must_use]
    pub fn here(&self) -> Option<String> {
        let is_page = self.method == Method::GET || self.method == Method::HEAD;
        is_page.then(|| self.uri.path_and_query().map(|pq| pq.as_str().to_owned())).flatten()
    }

    /// One member of the query, decoded; none if it is there twice.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<String> {
        let mut values = url::form_urlencoded::parse(self.uri.query().unwrap_or_default().as_bytes()).filter(|(key, _)| key == name);
        let (_, value) = values.next()?;
        values.next().is_none().then(|| value.into_owned())
    }
}

/// The context of a request; an anonymous one where no layer set it.
#[must_use]
pub fn context_of(extensions: &Extensions) -> RequestContext {
    extensions.get().cloned().unwrap_or(RequestContext { id: "-".into(), address: None })
}

/// Of RFC 6265 §4.1.1 the characters that our own values are made of.
fn is_cookie_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~')
}

/// The name as the browser knows it. RFC 6265bis §4.1.3.2: a browser takes a name that begins with `__Host-` only with `Secure`,
/// `Path=/` and no `Domain`, so no other host, and no page on plain http, can set it.
#[must_use]
pub fn cookie_name(urls: &Urls, name: &str) -> String {
    if urls.is_https() { format!("__Host-portero_{name}") } else { format!("portero_{name}") }
}

/// A `Set-Cookie` value. `Path` is always `/`, also for an issuer with a path: the prefix demands it.
///
/// # Panics
/// On a value that is not made of unreserved characters: all of ours are.
#[must_use]
pub fn set_cookie(urls: &Urls, name: &str, value: &str, max_age: Option<std::time::Duration>) -> HeaderValue {
    debug_assert!(value.bytes().all(is_cookie_byte), "a cookie of ours is made of unreserved characters");
    let name = cookie_name(urls, name);
    let secure = if urls.is_https() { "; Secure" } else { "" };
    let lives = max_age.map(|age| format!("; Max-Age={}", age.as_secs())).unwrap_or_default();
    HeaderValue::from_str(&format!("{name}={value}; Path=/{secure}; HttpOnly; SameSite=Lax{lives}")).expect("visible ASCII only")
}

/// The `Set-Cookie` value that removes a cookie.
#[must_use]
pub fn clear_cookie(urls: &Urls, name: &str) -> HeaderValue {
    set_cookie(urls, name, "", Some(std::time::Duration::ZERO))
}

#[cfg(test)]
pub(crate) mod tests {
    use axum::http::Request;

    use super::*;

    pub(crate) fn visit(method: &str, uri: &str, headers: &[(&str, &str)]) -> Visit {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Visit::of(&request.body(()).expect("a request").into_parts().0)
    }

    #[test]
    fn a_cookie_is_read_once_and_only_if_it_is_plain() {
        let http = Urls::new("http://127.0.0.1:8080");
        let read = |cookies: &[&str]| {
            let headers: Vec<_> = cookies.iter().map(|c| ("cookie", *c)).collect();
            visit("GET", "/", &headers).cookie(&http, "session").map(str::to_owned)
        };
        assert_eq!(read(&["a=b; portero_session=xyz; c=d"]).as_deref(), Some("xyz"));
        assert_eq!(read(&["portero_session=xyz", "portero_session=xyz"]).as_deref(), Some("xyz"));
        assert_eq!(read(&["portero_session=xyz; portero_session=abc"]), None);
        assert_eq!(read(&["portero_session=x\"yz"]), None);
        assert_eq!(read(&["portero_session="]), None);
        assert_eq!(read(&[&format!("portero_session={}", "x".repeat(8192))]), None);
        assert_eq!(read(&["__Host-portero_session=xyz"]), None);
    }

    #[test]
    fn attributes_of_cookies() {
        let https = Urls::new("https://id.example/auth");
        assert_eq!(
            set_cookie(&https, "session", "v", Some(std::time::Duration::from_secs(9))),
            "__Host-portero_session=v; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=9"
        );
        let http = Urls::new("http://127.0.0.1:8080");
        assert_eq!(set_cookie(&http, "flow", "v", None), "portero_flow=v; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(clear_cookie(&http, "flow"), "portero_flow=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    }

    #[test]
    fn who_asks_ahead() {
        let ahead = |name: &str, value: &str| visit("GET", "/", &[(name, value)]).is_ahead();
        for value in ["prefetch", "prefetch;prerender", "prefetch; anonymous-client-ip", "Prefetch"] {
            assert!(ahead("sec-purpose", value), "{value}");
        }
        assert!(ahead("purpose", "prefetch") && ahead("x-moz", "prefetch"));
        assert!(!ahead("sec-purpose", "") && !ahead("sec-purpose", "prefetching") && !ahead("sec-fetch-mode", "prefetch"));
    }

    #[test]
    fn a_form_that_was_sent_is_no_page_to_return_to() {
        assert_eq!(visit("GET", "/sign-in?interaction=1", &[]).here().as_deref(), Some("/sign-in?interaction=1"));
        assert_eq!(visit("POST", "/sign-in", &[]).here(), None);
        assert_eq!(visit("GET", "/a?x=1&x=2&y=%C3%B1", &[]).query("x"), None);
        assert_eq!(visit("GET", "/a?x=1&x=2&y=%C3%B1", &[]).query("y").as_deref(), Some("ñ"));
    }
}
