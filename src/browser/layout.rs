//! The frame around every page, and the one function that answers with HTML: status, headers, cookies.

use std::fmt::Display;
use std::sync::Arc;

use askama::Template;
use askama::filters::Safe;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION, REFERRER_POLICY, SET_COOKIE, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::brand::Brand;
use super::language::Theme;
use super::visit::Visit;
use crate::i18n::{Arg, Lang, text};
use crate::urls::{self, Urls};

/// What every template sees as `page`.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    pub l: Words,
    pub theme: Theme,
    /// Fresh for every answer; the only scripts that run carry it.
    pub nonce: String,
    pub urls: &'a Urls,
    pub brand: &'a Brand,
    /// Where the switch at the foot leads back to.
    pub here: String,
    pub request_id: Arc<str>,
    /// The page stands in a window that the app opened (`display=popup`, OIDC Core §3.1.2.1) and that must stay connected to it.
    pub popup: bool,
}

impl<'a> Page<'a> {
    /// `nonce` is fresh randomness.
    #[must_use]
    pub fn new(visit: &Visit, urls: &'a Urls, brand: &'a Brand, lang: Lang, nonce: [u8; 16]) -> Self {
        Self {
            l: Words { lang },
            theme: Theme::of(visit, urls),
            nonce: URL_SAFE_NO_PAD.encode(nonce),
            urls,
            brand,
            here: visit.here().unwrap_or_else(|| urls.path(urls::HOME)),
            request_id: visit.context.id.clone(),
            popup: false,
        }
    }

    /// The answer to a form: the switch leads back to the page that holds the form.
    #[must_use]
    pub fn at(mut self, here: String) -> Self {
        self.here = here;
        self
    }

    #[must_use]
    pub fn lang(&self) -> &'static str {
        self.l.lang.tag()
    }

    #[must_use]
    pub fn languages(&self) -> [Lang; 2] {
        Lang::ALL
    }

    /// The theme to force, if the device is not to decide.
    #[must_use]
    pub fn data_theme(&self) -> Option<&'static str> {
        (self.theme != Theme::System).then(|| self.theme.as_str())
    }

    #[must_use]
    pub fn has_theme(&self, name: &str) -> bool {
        self.theme.as_str() == name
    }

    #[must_use]
    pub fn home(&self) -> String {
        self.urls.path(urls::HOME)
    }

    #[must_use]
    pub fn stylesheet(&self) -> String {
        format!("{}?v={}", self.urls.path(urls::STYLESHEET), self.brand.version())
    }

    #[must_use]
    pub fn script(&self) -> String {
        self.urls.path(urls::SCRIPT)
    }

    #[must_use]
    pub fn icon(&self) -> String {
        self.urls.path(urls::ICON)
    }

    #[must_use]
    pub fn logo(&self) -> String {
        self.urls.path(urls::LOGO)
    }

    #[must_use]
    pub fn preferences(&self) -> String {
        self.urls.path(urls::PREFERENCES)
    }
}

/// Texts in the language of the page.
#[derive(Clone, Copy, Debug)]
pub struct Words {
    pub lang: Lang,
}

impl Words {
    #[must_use]
    pub fn t(&self, key: &str) -> String {
        text(self.lang, key, &[])
    }

    /// A text with one value in it.
    #[must_use]
    pub fn with(&self, key: &str, name: &'static str, value: impl Display) -> String {
        text(self.lang, key, &[(name, Arg::Text(&value.to_string()))])
    }

    /// The same as HTML, the value set apart in bold. Value and text are escaped here, and the value's own direction of writing
    /// cannot reach beyond it.
    #[must_use]
    pub fn strong(&self, key: &str, name: &'static str, value: impl Display) -> Safe<String> {
        const MARK: &str = "\u{e000}";
        let whole = escape(&text(self.lang, key, &[(name, Arg::Text(MARK))]));
        Safe(whole.replace(MARK, &format!("<strong><bdi>{}</bdi></strong>", escape(&value.to_string()))))
    }

    /// A text whose form depends on a number.
    #[must_use]
    pub fn count(&self, key: &str, name: &'static str, count: u64) -> String {
        text(self.lang, key, &[(name, Arg::Count(count))])
    }
}

/// Text as HTML, in an element or an attribute. It comes out of the parsed page as it went in: a bare CR would be read as LF (HTML,
/// "Normalize newlines").
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\r' => out.push_str("&#13;"),
            '\n' => out.push_str("&#10;"),
            c => out.push(c),
        }
    }
    out
}

/// Longest name of a person or an app that a page shows.
pub const LONGEST_NAME: usize = 60;

/// A name that somebody else chose, fit to be shown: no control or direction marks, no runs of space, at most `longest` characters.
#[must_use]
pub fn shown_name(name: &str, longest: usize) -> String {
    let cleaned: String = name.chars().take(longest * 8).map(|c| if is_mark(c) { ' ' } else { c }).collect();
    let words = cleaned.split_whitespace().collect::<Vec<_>>().join(" ");
    if words.chars().count() <= longest {
        return words;
    }
    let mut cut: String = words.chars().take(longest - 1).collect();
    cut.push('…');
    cut
}

/// What somebody sent, to be read by a developer: control and direction marks stand as escapes, so that it reads as it was sent.
#[must_use]
pub fn shown_detail(sent: &str) -> String {
    let mut shown = String::with_capacity(sent.len());
    for c in sent.chars() {
        if is_mark(c) && c != '\n' { shown.extend(c.escape_unicode()) } else { shown.push(c) }
    }
    shown
}

fn is_mark(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e000}'..='\u{f8ff}')
}

/// The first letter of a name, for its tile.
#[must_use]
pub fn initial(name: &str) -> String {
    name.chars().find(|c| c.is_alphanumeric()).map_or_else(|| "·".to_owned(), |c| c.to_uppercase().collect())
}

/// Answers with a page.
///
/// # Panics
/// Never in practice: our templates write to a string and call nothing that fails.
#[must_use]
pub fn html(page: &Page<'_>, status: StatusCode, template: &impl Template) -> Response {
    let body = template.render().expect("a template writes to a string");
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    // No `form-action`: Chromium enforces it along the redirects after a POST, and the last one leads to the app.
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{}'; style-src 'self'; img-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
        page.nonce
    );
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_str(&policy).expect("a nonce is base64url"));
    security_headers(headers, page.urls);
    if page.popup {
        headers.insert(OPENER_POLICY, HeaderValue::from_static("unsafe-none"));
    }
    response
}

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// What stands on every answer to a browser, pages and redirects alike.
fn security_headers(headers: &mut HeaderMap, urls: &Urls) {
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(OPENER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(
        PERMISSIONS_POLICY,
        HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()"),
    );
    if urls.is_https() {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
}

/// What a form sent, as a query of the same path, asked again by GET: a form from another site's page comes without our cookies
/// (`SameSite=Lax`), a navigation by GET brings them. None where it is too long for an address.
#[must_use]
pub fn asked_again(urls: &Urls, path: &str, form: &str) -> Option<Response> {
    /// Below the longest target that `connections` takes.
    const LONGEST: usize = 15 * 1024;
    /// What a lenient client left raw in its form and an address cannot hold.
    const RAW: &AsciiSet = &CONTROLS.add(b' ').add(b'#').add(b'"').add(b'<').add(b'>');
    let query = utf8_percent_encode(form, RAW).to_string();
    (query.len() <= LONGEST).then(|| see_other(urls, &format!("{}?{query}", urls.path(path))))
}

/// On to another page, by GET. A redirect shows nothing that an opener could disturb, and one in a window that an app opened
/// must not cut it off: it states no opener policy of its own.
///
/// # Panics
/// On an address with characters that no header may hold: ours are percent-encoded.
#[must_use]
pub fn see_other(urls: &Urls, to: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    response.headers_mut().insert(LOCATION, HeaderValue::from_str(to).expect("an address of ours is visible ASCII"));
    security_headers(response.headers_mut(), urls);
    response.headers_mut().insert(OPENER_POLICY, HeaderValue::from_static("unsafe-none"));
    response
}

/// Adds cookies to an answer.
#[must_use]
pub fn with_cookies(mut response: Response, cookies: impl IntoIterator<Item = HeaderValue>) -> Response {
    for cookie in cookies {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6749_10_14_a_value_is_escaped_and_keeps_its_line_ends() {
        assert_eq!(escape("a\"><b>&'\r\nñ"), "a&quot;&gt;&lt;b&gt;&amp;&#39;&#13;&#10;ñ");
    }

    #[test]
    fn a_name_cannot_break_out_of_its_sentence() {
        let l = Words { lang: Lang::En };
        assert_eq!(
            l.strong("sign-in-title-app", "app", "<b>\"A\" & Co</b>").0,
            "Sign in to continue to <strong><bdi>&lt;b&gt;&quot;A&quot; &amp; Co&lt;/b&gt;</bdi></strong>"
        );
        assert_eq!(shown_name("Goo\u{202e}gle \n\t Inc\u{200b}", 40), "Goo gle Inc");
        assert_eq!(shown_detail("No \u{202e}elgoog\u{200b}\nñ"), "No \\u{202e}elgoog\\u{200b}\nñ");
        assert_eq!(shown_name(&"x".repeat(10_000), 40).chars().count(), 40);
        assert_eq!(initial("  ñandú"), "Ñ");
        assert_eq!(initial("!?"), "·");
    }
}
