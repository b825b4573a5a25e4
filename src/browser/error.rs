//! What people see when something cannot be done: one page, in their words, with the code and the request id for whoever helps.
//!
//! Owns the vocabulary of reasons and their status. OAuth errors that may go to the app are redirects, not pages.

use std::borrow::Cow;
use std::time::Duration;

use askama::Template;
use axum::http::header::{ALLOW, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::layout::{Page, html, shown_detail};
use crate::protocol::error::{Cause, NotRedirected};
use crate::storage::StorageError;

/// What happened, as far as the person is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageReason {
    /// The app asked for something wrong, and it would not be safe to tell it by a redirect.
    App,
    /// The flow was started in another browser.
    OtherBrowser,
    /// The flow is unknown: finished, or too old.
    Expired,
    /// A form that our own page did not send, or not in this session.
    Form,
    /// A request that makes no sense.
    Request,
    NotFound,
    /// The path exists, the method does not; the ones that do.
    Method(&'static str),
    TooLarge,
    /// What was sent did not come whole in time.
    Late,
    /// The address is longer than any that leads somewhere.
    TooLong,
    TooMany(Duration),
    /// A store or another part of ours did not answer.
    Unavailable(Duration),
    /// Something of ours is wrong, and waiting will not mend it.
    Broken,
}

impl PageReason {
    fn status(self) -> StatusCode {
        match self {
            Self::App | Self::OtherBrowser | Self::Expired | Self::Request => StatusCode::BAD_REQUEST,
            Self::Form => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Late => StatusCode::REQUEST_TIMEOUT,
            Self::TooLong => StatusCode::URI_TOO_LONG,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::App | Self::Expired | Self::Request => "invalid_request",
            Self::OtherBrowser | Self::Form => "access_denied",
            Self::NotFound => "not_found",
            Self::Method(_) => "method_not_allowed",
            Self::TooLarge => "content_too_large",
            Self::Late => "request_timeout",
            Self::TooLong => "uri_too_long",
            Self::TooMany(_) => "too_many_requests",
            Self::Unavailable(_) => "temporarily_unavailable",
            Self::Broken => "server_error",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::App => "error-app-title",
            Self::OtherBrowser => "error-browser-title",
            Self::Expired => "error-expired-title",
            Self::Form => "error-form-title",
            Self::Request => "error-request-title",
            Self::NotFound => "error-not-found-title",
            Self::Method(_) => "error-method-title",
            Self::TooLarge => "error-large-title",
            Self::Late => "error-late-title",
            Self::TooLong => "error-long-title",
            Self::TooMany(_) => "error-many-title",
            Self::Unavailable(_) | Self::Broken => "error-ours-title",
        }
    }

    fn lead(self) -> &'static str {
        match self {
            Self::App => "error-app-lead",
            Self::OtherBrowser => "error-browser-lead",
            Self::Expired => "error-expired-lead",
            Self::Form => "error-form-lead",
            Self::Request => "error-request-lead",
            Self::NotFound => "error-not-found-lead",
            Self::Method(_) => "error-method-lead",
            Self::TooLarge => "error-large-lead",
            Self::Late => "error-late-lead",
            Self::TooLong => "error-long-lead",
            Self::TooMany(_) => "error-many-lead",
            Self::Unavailable(_) | Self::Broken => "error-ours-lead",
        }
    }
}

/// An answer for people that is no success.
#[derive(Clone, Debug)]
pub struct PageError {
    pub reason: PageReason,
    /// The OAuth error code alone, or a word of that form where OAuth has none.
    pub code: &'static str,
    /// What was wrong, for the developer of the app: the key of a text, and the name of the parameter where the text speaks of one.
    pub cause: Option<(&'static str, &'static str)>,
    /// What was got, for the developer of the app, in English; never a secret and never a value that the person did not send.
    pub detail: Option<Cow<'static, str>>,
    /// Where trying again begins, if anywhere: a path of ours.
    pub again: Option<String>,
}

impl PageError {
    #[must_use]
    pub fn new(reason: PageReason) -> Self {
        Self { reason, code: reason.code(), cause: None, detail: None, again: None }
    }

    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<Cow<'static, str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    #[must_use]
    pub fn with_again(mut self, path: String) -> Self {
        self.again = Some(path);
        self
    }

    /// The page, logged once if the fault is ours.
    #[must_use]
    pub fn into_response(self, page: &Page<'_>) -> Response {
        if let PageReason::Unavailable(_) | PageReason::Broken = self.reason {
            tracing::error!(event = "page_fault", code = self.code, detail = self.detail.as_deref(), request_id = %page.request_id);
        }
        let status = self.reason.status();
        // What a fault of ours was is for the log alone.
        let detail = if status.is_server_error() { None } else { self.detail.as_deref().map(shown_detail) };
        let retry_after = match self.reason {
            PageReason::TooMany(after) | PageReason::Unavailable(after) => Some(after),
            _ => None,
        };
        let lead = match retry_after {
            Some(after) if matches!(self.reason, PageReason::TooMany(_)) => page.l.count("error-many-lead", "minutes", minutes(after)),
            _ => page.l.t(self.reason.lead()),
        };
        let cause = self.cause.map(|(key, parameter)| match parameter {
            "" => page.l.t(key),
            name => page.l.with(key, "parameter", name),
        });
        let title = page.l.t(self.reason.title());
        let tone = if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS { "warn" } else { "danger" };
        let template =
            ErrorPage { page, title, lead, tone, code: self.code, cause, detail: detail.as_deref(), again: self.again.as_deref() };
        let mut response = html(page, status, &template);
        if let Some(after) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds(after)));
        }
        // Where the router knows the methods better, it adds them.
        if let PageReason::Method(allowed) = self.reason
            && !allowed.is_empty()
        {
            // RFC 9110 §15.5.6: "The origin server MUST generate an Allow header field in a 405 response".
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
        }
        response
    }
}

/// What the rules refuse before an answer to the app is safe.
impl From<NotRedirected> for PageError {
    fn from(refused: NotRedirected) -> Self {
        let (reason, cause) = match refused.reason {
            Cause::MissingClientId => (PageReason::App, "cause-missing-client-id"),
            Cause::UnknownClient | Cause::DisabledClient => (PageReason::App, "cause-unknown-client"),
            Cause::RepeatedParameter(_) => (PageReason::App, "cause-repeated-parameter"),
            Cause::MissingRedirectUri => (PageReason::App, "cause-missing-redirect-uri"),
            Cause::UnregisteredRedirectUri => (PageReason::App, "cause-unregistered-redirect-uri"),
            Cause::MalformedRequest => (PageReason::App, "cause-malformed-request"),
            Cause::ExpiredFlow => (PageReason::Expired, "cause-expired-flow"),
            Cause::OtherBrowser => (PageReason::OtherBrowser, "cause-other-browser"),
            Cause::ForgedForm => (PageReason::Form, "cause-forged-form"),
            Cause::InvalidLogoutRequest => (PageReason::App, "cause-invalid-logout-request"),
            Cause::InvalidIdTokenHint => (PageReason::App, "cause-invalid-id-token-hint"),
            Cause::UnregisteredPostLogoutRedirectUri => (PageReason::App, "cause-unregistered-post-logout-redirect-uri"),
        };
        Self {
            code: refused.code.as_str(),
            cause: Some((cause, refused.reason.parameter().unwrap_or_default())),
            detail: refused.detail.map(Cow::Owned),
            ..Self::new(reason)
        }
    }
}

impl From<StorageError> for PageError {
    fn from(fault: StorageError) -> Self {
        let reason = match fault {
            StorageError::Unavailable(_) => PageReason::Unavailable(Duration::from_secs(5)),
            StorageError::Conflict(_) | StorageError::LastOwner | StorageError::Corrupt(_) => PageReason::Broken,
        };
        Self::new(reason).with_detail(fault.to_string())
    }
}

/// Whole seconds, rounded up, at least one.
#[must_use]
pub fn seconds(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}

/// Whole minutes, rounded up, at least one: what people are told. A clock time would need their time zone.
#[must_use]
pub fn minutes(wait: Duration) -> u64 {
    seconds(wait).div_ceil(60)
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    page: &'a Page<'a>,
    title: String,
    lead: String,
    tone: &'static str,
    code: &'a str,
    cause: Option<String>,
    detail: Option<&'a str>,
    again: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::super::brand::Brand;
    use super::super::visit::tests::visit;
    use super::*;
    use crate::i18n::Lang;
    use crate::urls::Urls;

    async fn body(error: PageError, lang: Lang) -> (StatusCode, String) {
        let (urls, brand) = (Urls::new("https://id.example"), Brand::default());
        let page = Page::new(&visit("GET", "/oauth2/authorize?x=%3Cb%3E", &[]), &urls, &brand, lang, [7; 16]);
        let response = error.into_response(&page);
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a body");
        (status, String::from_utf8(bytes.to_vec()).expect("UTF-8"))
    }

    #[tokio::test]
    async fn every_refusal_of_the_rules_has_its_words() {
        for lang in Lang::ALL {
            for reason in Cause::ALL {
                let refused = NotRedirected::new(reason).with_detail("got <script>alert(1)</script>");
                let code = refused.code.as_str();
                let (status, html) = body(refused.into(), lang).await;
                assert!(status.is_client_error());
                assert!(html.contains(&format!("id=\"error-code\">{code}</code>")), "{html}");
                assert!(!html.contains("<script>alert") && html.contains("script&#62;alert"), "{html}");
                assert!(html.contains(&format!("<html lang=\"{}\"", lang.tag())));
            }
        }
    }

    #[tokio::test]
    async fn a_fault_of_ours_tells_nothing_of_itself() {
        let fault = StorageError::Unavailable("postgres://user:secret@db/portero refused".to_owned());
        let (status, html) = body(fault.into(), Lang::En).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(html.contains("temporarily_unavailable") && !html.contains("secret"));
    }

    #[test]
    fn waits_are_rounded_up() {
        assert_eq!((seconds(Duration::ZERO), seconds(Duration::from_millis(1500))), (1, 2));
        assert_eq!((minutes(Duration::from_secs(60)), minutes(Duration::from_secs(61))), (1, 2));
    }
}
