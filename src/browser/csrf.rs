//! Forms that only our own pages can send (RFC 6749 §10.12): a token bound to the browser's cookies and the form's name, and the browser's
//! own word on where the request came from.

use axum::http::HeaderName;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::{PageError, PageReason};
use super::visit::Visit;
use super::{flow, session};
use crate::seal::{Digest, Purpose, Seal};
use crate::urls::Urls;

/// The name of the hidden field.
pub const FIELD: &str = "csrf";

/// What a form is bound to. `form` is its name, `interaction` the flow it belongs to or empty.
fn parts<'a>(flow: &'a str, session: &'a str, form: &'a str, interaction: &'a str) -> [&'a [u8]; 4] {
    [flow.as_bytes(), session.as_bytes(), form.as_bytes(), interaction.as_bytes()]
}

/// The token of a form on a page that is shown now. `browser` is the flow cookie, also one that this answer sets; no other site can
/// read it or send it with a form of its own (`SameSite=Lax`).
#[must_use]
pub fn token(visit: &Visit, urls: &Urls, seal: &Seal, browser: &flow::Browser, form: &str, interaction: &str) -> String {
    let session = session::value(visit, urls).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(seal.mac(Purpose::Csrf, &parts(&browser.value, session, form, interaction)).0)
}

/// The same for a form by which somebody signs in, whoever was signed in before: the session may come, change or end in another tab while
/// it is open. The flow cookie, which stays, is all it is bound to.
#[must_use]
pub fn token_of_browser(seal: &Seal, browser: &flow::Browser, form: &str, interaction: &str) -> String {
    URL_SAFE_NO_PAD.encode(seal.mac(Purpose::Csrf, &parts(&browser.value, "", form, interaction)).0)
}

/// May this form act? A refusal changes nothing.
///
/// RFC 6749 §10.12: "The authorization server MUST implement CSRF protection for its authorization endpoint and ensure that a malicious client
/// cannot obtain authorization without the awareness and explicit consent of the resource owner."
///
/// # Errors
/// 403 for a form from another site, of another browser or session, or of another page.
pub fn check(visit: &Visit, urls: &Urls, seal: &Seal, form: &str, interaction: &str, given: Option<&str>) -> Result<(), PageError> {
    is_ours(visit, urls, seal, session::value(visit, urls).unwrap_or_default(), form, interaction, given)
}

/// The same for a form with a [`token_of_browser`].
///
/// # Errors
/// 403 for a form from another site, of another browser, or of another page.
pub fn check_of_browser(
    visit: &Visit,
    urls: &Urls,
    seal: &Seal,
    form: &str,
    interaction: &str,
    given: Option<&str>,
) -> Result<(), PageError> {
    is_ours(visit, urls, seal, "", form, interaction, given)
}

fn is_ours(
    visit: &Visit,
    urls: &Urls,
    seal: &Seal,
    session: &str,
    form: &str,
    interaction: &str,
    given: Option<&str>,
) -> Result<(), PageError> {
    same_origin(visit, urls)?;
    let refused = |why: &'static str| PageError::new(PageReason::Form).with_detail(why);
    let browser = flow::value(visit, urls).ok_or_else(|| refused("the browser sent no flow cookie with this form"))?;
    let expected = seal.mac(Purpose::Csrf, &parts(browser, session, form, interaction));
    let given: Option<[u8; 32]> = given.and_then(|token| URL_SAFE_NO_PAD.decode(token).ok()).and_then(|bytes| bytes.try_into().ok());
    match given {
        Some(given) if expected.matches(&Digest(given)) => Ok(()),
        Some(_) => Err(refused("the form token belongs to another browser, session or page")),
        None => Err(refused("the form token is missing or malformed")),
    }
}

/// The browser's word on where a request came from.
///
/// `Sec-Fetch-Site` is asked first: under `Referrer-Policy: no-referrer` a browser sends `Origin: null` even from our own pages (Fetch
/// §3.1.2). Where it is missing (old browsers, plain http), a foreign `Origin` refuses, and one that is missing or `null` leaves
/// the decision to the token.
///
/// # Errors
/// 403 for a request that another origin caused.
pub fn same_origin(visit: &Visit, urls: &Urls) -> Result<(), PageError> {
    let refused = Err(PageError::new(PageReason::Form).with_detail("the request comes from another site"));
    let site = HeaderName::from_static("sec-fetch-site");
    if visit.headers.contains_key(&site) {
        // `none`: the person, not a page, caused it (a form sent again after a restart).
        return match visit.header(&site) {
            Some("same-origin" | "none") if may_be_ours(visit, urls) => Ok(()),
            _ => refused,
        };
    }
    if may_be_ours(visit, urls) { Ok(()) } else { refused }
}

/// Does `Origin`, where it is there, leave room for one of our pages? There twice, or unreadable, it does not.
fn may_be_ours(visit: &Visit, urls: &Urls) -> bool {
    !visit.headers.contains_key(axum::http::header::ORIGIN)
        || visit.origin().is_some_and(|origin| origin == "null" || origin == urls.origin())
}

#[cfg(test)]
mod tests {
    use super::super::visit::tests::visit;
    use super::*;

    #[test]
    fn a_token_is_for_its_browser_session_form_and_flow() {
        let (seal, urls) = (Seal::new(&[3; 32]), Urls::new("http://127.0.0.1:8080"));
        let shown = visit("GET", "/consent", &[("cookie", "portero_flow=f; portero_session=s")]);
        let token = token(&shown, &urls, &seal, &flow::browser(&shown, &urls, [0; 32]), "consent", "i1");
        let sent = |cookies: &str, form: &str, interaction: &str, token: Option<&str>| {
            check(&visit("POST", "/consent", &[("cookie", cookies)]), &urls, &seal, form, interaction, token).is_ok()
        };
        let mine = "portero_flow=f; portero_session=s";
        assert!(sent(mine, "consent", "i1", Some(&token)));
        assert!(!sent(mine, "sign-in", "i1", Some(&token)));
        assert!(!sent(mine, "consent", "i2", Some(&token)));
        assert!(!sent("portero_flow=f; portero_session=t", "consent", "i1", Some(&token)));
        assert!(!sent("portero_flow=g; portero_session=s", "consent", "i1", Some(&token)));
        assert!(!sent("portero_session=s", "consent", "i1", Some(&token)));
        assert!(!sent(mine, "consent", "i1", Some("")));
        assert!(!sent(mine, "consent", "i1", None));
    }

    #[test]
    fn a_token_of_the_browser_outlives_a_session() {
        let (seal, urls) = (Seal::new(&[3; 32]), Urls::new("http://127.0.0.1:8080"));
        let shown = visit("GET", "/sign-in", &[("cookie", "portero_flow=f")]);
        let token = token_of_browser(&seal, &flow::browser(&shown, &urls, [0; 32]), "sign-in", "i1");
        let sent = |cookies: &str, form: &str, interaction: &str| {
            check_of_browser(&visit("POST", "/sign-in", &[("cookie", cookies)]), &urls, &seal, form, interaction, Some(&token)).is_ok()
        };
        assert!(sent("portero_flow=f", "sign-in", "i1"));
        assert!(sent("portero_flow=f; portero_session=s", "sign-in", "i1"));
        assert!(!sent("portero_flow=g; portero_session=s", "sign-in", "i1"));
        assert!(!sent("portero_session=s", "sign-in", "i1"));
        assert!(!sent("portero_flow=f", "sign-in", "i2"));
        assert!(!sent("portero_flow=f", "consent", "i1"));
        let foreign = visit("POST", "/sign-in", &[("cookie", "portero_flow=f"), ("sec-fetch-site", "cross-site")]);
        assert!(check_of_browser(&foreign, &urls, &seal, "sign-in", "i1", Some(&token)).is_err());
    }

    #[test]
    fn the_browsers_word() {
        let urls = Urls::new("https://id.example/auth");
        let from = |headers: &[(&str, &str)]| same_origin(&visit("POST", "/", headers), &urls).is_ok();
        assert!(from(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(from(&[("sec-fetch-site", "none")]));
        assert!(!from(&[("sec-fetch-site", "cross-site"), ("origin", "https://id.example")]));
        assert!(!from(&[("sec-fetch-site", "same-site")]));
        assert!(!from(&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")]));
        assert!(!from(&[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")]));
        let twice = [("sec-fetch-site", "same-origin"), ("origin", "https://id.example"), ("origin", "https://evil.example")];
        assert!(!from(&twice), "an Origin that is there twice says nothing good");
        assert!(!from(&[("sec-fetch-site", "same-origin"), ("origin", "")]));
        assert!(from(&[("origin", "https://id.example")]));
        assert!(from(&[]));
        assert!(!from(&[("origin", "https://evil.example")]));
        assert!(!from(&[("origin", "https://id.example"), ("origin", "https://evil.example")]));
    }
}
