//! Pages that say one thing and ask one thing: heading, words, at most one form, links. Those of sign-up, recovery and confirmations, and the
//! smaller ones of the account.

use std::time::Duration;

use askama::Template;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::Asked;
use super::flow::Open;
use crate::accounts::email::BadName;
use crate::accounts::users::{AccountError, LinkError};
use crate::browser::csrf;
use crate::browser::error::{PageError, PageReason, minutes, seconds};
use crate::browser::form::Field;
use crate::browser::layout::{Page, Words, html, with_cookies};
use crate::once::codes::BadCode;

/// A form of such a page.
pub(super) struct Ask {
    /// The name of the form, for its token; also the id of its button with `-submit`.
    pub name: &'static str,
    pub action: String,
    pub hidden: Vec<(&'static str, String)>,
    pub fields: Vec<Field>,
    pub button: String,
    pub tone: &'static str,
}

impl Ask {
    pub(super) fn new(name: &'static str, action: String, button: String) -> Self {
        Self { name, action, hidden: Vec::new(), fields: Vec::new(), button, tone: "filled" }
    }

    pub(super) fn hidden(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.hidden.push((name, value.into()));
        self
    }

    pub(super) fn field(mut self, field: Field) -> Self {
        self.fields.push(field);
        self
    }

    pub(super) fn tone(mut self, tone: &'static str) -> Self {
        self.tone = tone;
        self
    }
}

/// Something said apart.
pub(super) struct Notice {
    pub tone: &'static str,
    pub title: String,
    pub text: String,
    /// How long to wait, where that is what it says.
    pub wait: Option<Duration>,
}

/// An icon in a circle.
pub(super) struct Seal {
    pub tone: &'static str,
    pub icon: &'static str,
}

/// What such a page shows.
#[derive(Default)]
pub(super) struct Simple {
    /// The id of the heading.
    pub id: &'static str,
    pub title: String,
    pub app: Option<String>,
    /// Where the app's picture stands.
    pub logo: Option<String>,
    /// An icon in a circle above the heading.
    pub seal: Option<Seal>,
    pub lead: Vec<String>,
    pub notice: Option<Notice>,
    pub ask: Option<Ask>,
    /// A link that looks like a button: where to, and its words.
    pub next: Option<(String, String)>,
    pub links: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "simple.html")]
struct Shown<'a> {
    page: &'a Page<'a>,
    s: &'a Simple,
    problems: Vec<(&'static str, String)>,
    token: String,
}

impl Simple {
    pub(super) fn new(id: &'static str, title: String) -> Self {
        Self { id, title, ..Self::default() }
    }

    pub(super) fn lead(mut self, text: String) -> Self {
        self.lead.push(text);
        self
    }

    pub(super) fn seal(mut self, tone: &'static str, icon: &'static str) -> Self {
        self.seal = Some(Seal { tone, icon });
        self
    }

    pub(super) fn of(mut self, open: Option<&Open>) -> Self {
        self.app = open.map(Open::app);
        self.logo = open.and_then(|open| open.logo.clone());
        self
    }

    pub(super) fn ask(mut self, ask: Ask) -> Self {
        self.ask = Some(ask);
        self
    }

    pub(super) fn next(mut self, to: String, words: String) -> Self {
        self.next = Some((to, words));
        self
    }

    pub(super) fn link(mut self, to: String, words: String) -> Self {
        self.links.push((to, words));
        self
    }

    /// Shows it. `interaction` is the flow that its forms belong to, or empty.
    pub(super) fn show(self, asked: &Asked<'_>, interaction: &str) -> Response {
        let app = asked.app;
        let page = asked.page();
        let browser = asked.browser();
        let token = self.ask.as_ref().map(|ask| csrf::token(&asked.visit, &app.urls, &app.seal, &browser, ask.name, interaction));
        let fields = self.ask.iter().flat_map(|ask| &ask.fields);
        let problems: Vec<_> = fields.filter_map(Field::problem).collect();
        let wait = self.notice.as_ref().and_then(|notice| notice.wait);
        let status = match (&self.notice, problems.is_empty()) {
            _ if wait.is_some() => StatusCode::TOO_MANY_REQUESTS,
            (Some(notice), _) if notice.tone == "danger" => StatusCode::BAD_REQUEST,
            (_, false) => StatusCode::BAD_REQUEST,
            _ => StatusCode::OK,
        };
        let template = Shown { problems, token: token.unwrap_or_default(), page: &page, s: &self };
        let mut response = with_cookies(html(&page, status, &template), browser.set);
        if let Some(wait) = wait {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds(wait)));
        }
        response
    }
}

/// What an operation on accounts refused, as the form that asked for it says it.
#[derive(Default)]
pub(super) struct Wrong {
    /// The field it is about, and the words.
    pub field: Option<(&'static str, String)>,
    pub notice: Option<Notice>,
}

impl Wrong {
    pub(super) fn at(field: &'static str, text: String) -> Self {
        Self { field: Some((field, text)), notice: None }
    }

    fn notice(tone: &'static str, title: String, text: String) -> Self {
        Self { field: None, notice: Some(Notice { tone, title, text, wait: None }) }
    }

    fn wait(l: &Words, wait: Duration) -> Self {
        let text = l.count("simple-wait", "minutes", minutes(wait));
        Self { field: None, notice: Some(Notice { tone: "warn", title: l.t("simple-too-often"), text, wait: Some(wait) }) }
    }

    /// The words for the field `id`, if it is about that one.
    pub(super) fn of(&self, id: &str) -> Option<String> {
        self.field.as_ref().filter(|(field, _)| *field == id).map(|(_, text)| text.clone())
    }

    pub(super) fn any(&self) -> bool {
        self.field.is_some() || self.notice.is_some()
    }

    /// # Errors
    /// A page where it is no fault of the form: 503 for a store or pool that cannot answer.
    pub(super) fn say(error: AccountError, asked: &Asked<'_>) -> Result<Self, PageError> {
        let l = asked.page().l;
        Ok(match error {
            AccountError::Storage(fault) => return Err(fault.into()),
            AccountError::Busy(busy) => {
                return Err(PageError::new(PageReason::Unavailable(busy.retry_after)).with_detail("no room to hash a password"));
            }
            AccountError::Captcha | AccountError::CaptchaFault => {
                return Err(PageError::new(PageReason::Unavailable(Duration::from_secs(2))).with_detail("no page shows a widget"));
            }
            AccountError::Code(BadCode::Storage(fault)) => return Err(fault.into()),
            AccountError::Name(BadName::Username) => Self::at("username", l.t("setup-username-wrong")),
            AccountError::Name(_) => Self::at("email", l.t("setup-email-wrong")),
            AccountError::Password(bad) => Self::at("password", l.t(bad.key())),
            AccountError::Taken("username") => Self::at("username", l.t("setup-username-taken")),
            AccountError::Taken(_) => Self::at("email", l.t("setup-email-taken")),
            AccountError::Invalid("email", _) => Self::at("email", l.t("account-email-same")),
            AccountError::Invalid("locale", _) => Self::at("locale", l.t("account-locale-wrong")),
            AccountError::Invalid(..) | AccountError::Claim(_) | AccountError::Attributes(_) | AccountError::Member { .. } => {
                Self::at("name", l.t("setup-name-wrong"))
            }
            AccountError::WrongPassword => Self::at("current", l.t("account-current-wrong")),
            AccountError::Code(BadCode::Wrong) => Self::at("code", l.t("code-wrong")),
            AccountError::Code(BadCode::Expired) => Self::at("code", l.t("code-expired")),
            AccountError::Code(BadCode::Dead) => Self::at("code", l.t("code-dead")),
            AccountError::Locked { until } => Self::wait(&l, super::until(until, asked.now)),
            AccountError::Throttled { retry_after } => Self::wait(&l, retry_after),
            AccountError::Closed => Self::notice("danger", l.t("sign-up-closed-title"), l.t("sign-up-closed")),
            AccountError::Link(LinkError::Wrong) => Self::notice("danger", l.t("link-bad-title"), l.t("link-wrong")),
            AccountError::Link(LinkError::Expired | LinkError::Used) => Self::notice("danger", l.t("link-bad-title"), l.t("link-over")),
            AccountError::Link(LinkError::Stale) => Self::notice("danger", l.t("link-bad-title"), l.t("link-stale")),
            AccountError::Stale | AccountError::Unknown => Self::notice("danger", l.t("account-stale-title"), l.t("account-stale")),
            AccountError::NotRecent | AccountError::PasswordNeeded => Self::at("current", l.t("account-current-missing")),
            AccountError::LastOwner => Self::notice("danger", l.t("account-last-owner-title"), l.t("account-last-owner")),
        })
    }
}

/// The field for six digits.
pub(super) fn code_field(l: &Words, wrong: Option<String>) -> Field {
    Field::new("code", "text", l.t("code-label"), "one-time-code").longest(16).hint(l.t("code-hint")).wrong(wrong).digits()
}
