//! First run: the link that a server prints until it has an owner, and the page it leads to.
//!
//! The link is one of `once::links`, so that every replica and the command line make and accept the same. What uses it up is the first owner:
//! from then on these pages are gone.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::{Asked, sent, shown};
use crate::accounts::authenticate::{ACR, AMR};
use crate::accounts::email::{Email, Username};
use crate::accounts::password_rules::{self, Rules};
use crate::accounts::users::{self, AccountError, Fresh, NewAccount, OWNER};
use crate::app::App;
use crate::browser::csrf;
use crate::browser::error::{PageError, PageReason};
use crate::browser::form::{Field, Form};
use crate::browser::layout::{Page, Words, html, see_other, with_cookies};
use crate::browser::visit::Visit;
use crate::clock::Time;
use crate::once::links::{self, BadLink, Purpose};
use crate::seal::Seal;
use crate::storage::durable::Actor;
use crate::urls::{self, Urls};

/// How long a set-up link works.
pub const LINK_LIVES: Duration = Duration::from_secs(60 * 60);
/// The name of the form, for its token.
const FORM: &str = "setup";

/// The link that creates the first owner, good for [`LINK_LIVES`] from `now`. `nonce` is fresh randomness.
#[must_use]
pub fn link(urls: &Urls, seal: &Seal, nonce: [u8; 24], now: Time) -> String {
    let link = links::Link {
        purpose: Purpose::SetUp,
        subject: OWNER.to_owned(),
        binding: String::new(),
        data: serde_json::Value::Null,
        expires_at: now + LINK_LIVES,
    };
    format!("{}?token={}", urls.absolute(urls::SETUP), links::make(seal, &link, nonce))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Good,
    Expired,
    Wrong,
    Missing,
}

fn read_link(seal: &Seal, token: Option<&str>, now: Time) -> Link {
    match token.map(|token| links::open(seal, Purpose::SetUp, token, now)) {
        None => Link::Missing,
        Some(Ok(_)) => Link::Good,
        Some(Err(BadLink::Expired)) => Link::Expired,
        Some(Err(BadLink::Wrong)) => Link::Wrong,
    }
}

pub async fn show(State(app): State<Arc<App>>, visit: Visit) -> Response {
    shown(&app, visit, page).await
}

async fn page(asked: &mut Asked<'_>) -> Result<Response, PageError> {
    still_open(asked).await?;
    let token = asked.visit.query("token");
    Ok(match read_link(&asked.app.seal, token.as_deref(), asked.now) {
        Link::Good => form(asked, token.as_deref().unwrap_or_default(), &Typed::default(), Wrong::default()),
        refused => where_to_look(asked, refused),
    })
}

/// Until there is an owner, and never again.
async fn still_open(asked: &Asked<'_>) -> Result<(), PageError> {
    if asked.app.storage.users.any_owner().await? {
        tracing::info!(event = "setup_closed", request_id = %asked.visit.context.id, "set-up was asked for, but an owner exists already");
        return Err(PageError::new(PageReason::NotFound).with_detail("set-up is done; its link and page are gone"));
    }
    Ok(())
}

pub async fn submit(State(app): State<Arc<App>>, request: Request) -> Response {
    sent(&app, request, act).await
}

async fn act(asked: &mut Asked<'_>, request: Request) -> Result<Response, PageError> {
    let app = asked.app;
    csrf::same_origin(&asked.visit, &app.urls)?;
    still_open(asked).await?;
    let sent = Form::read(request).await?;
    let token = sent.get("token").unwrap_or_default();
    // The token is base64url, or it is not ours.
    if token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
        asked.here = Some(format!("{}?token={token}", app.urls.path(urls::SETUP)));
    }
    match read_link(&app.seal, Some(token), asked.now) {
        Link::Good => {}
        refused => return Ok(where_to_look(asked, refused)),
    }
    csrf::check(&asked.visit, &app.urls, &app.seal, FORM, "", sent.get(csrf::FIELD))
        .map_err(|error| error.with_again(asked.here.clone().unwrap_or_default()))?;
    let typed = Typed { email: sent.trimmed("email"), name: sent.trimmed("name"), username: sent.trimmed("username") };
    let password = sent.get("password").unwrap_or_default();
    let words = asked.page().l;
    let wrong = typed.check(password, &words);
    if wrong.any() {
        return Ok(form(asked, token, &typed, wrong));
    }
    let account = NewAccount {
        email: typed.email,
        email_verified: true,
        username: Some(typed.username).filter(|name| !name.is_empty()),
        name: Some(typed.name).filter(|name| !name.is_empty()),
        locale: Some(words.lang.tag()),
        password: Some(password),
        rules: app.password_rules(),
        ..NewAccount::default()
    };
    let fresh = Fresh { id: app.random.bytes(), salt: app.random.bytes() };
    let by = asked.act(Actor::Anonymous, None);
    let created = users::create_first_owner(&*app.storage.users, &app.hasher, account, fresh, asked.now, &by).await;
    match created {
        Ok(Some(user)) => {
            tracing::info!(event = "setup_done", user = %user.id, "the first owner exists; the set-up link no longer works");
            let before = asked.signed_in().await?;
            let by = asked.act(Actor::Person(user.id.clone()), None);
            let started = asked.start_session(&user, AMR, ACR, before.as_ref(), None, &by).await?;
            let cookie = started.map(|(_, cookie)| cookie);
            Ok(with_cookies(see_other(&app.urls, &format!("{}?welcome", app.urls.path(urls::HOME))), cookie))
        }
        // Somebody was faster.
        Ok(None) => {
            still_open(asked).await?;
            Err(PageError::new(PageReason::Broken).with_detail("the first owner was neither made nor found"))
        }
        Err(AccountError::Busy(busy)) => {
            Err(PageError::new(PageReason::Unavailable(busy.retry_after)).with_detail("no room to hash a password"))
        }
        Err(AccountError::Storage(fault)) => Err(fault.into()),
        Err(refused) => Ok(form(asked, token, &typed, Wrong::of(&refused, &words))),
    }
}

/// What was typed, but for the password.
#[derive(Default)]
struct Typed<'a> {
    email: &'a str,
    name: &'a str,
    username: &'a str,
}

/// What is wrong with it, by field.
#[derive(Default)]
struct Wrong {
    email: Option<String>,
    name: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

impl Wrong {
    fn any(&self) -> bool {
        [&self.email, &self.name, &self.username, &self.password].iter().any(|wrong| wrong.is_some())
    }

    /// What only the accounts know.
    fn of(error: &AccountError, words: &Words) -> Self {
        let mut wrong = Self::default();
        match error {
            AccountError::Taken("username") => wrong.username = Some(words.t("setup-username-taken")),
            AccountError::Taken(_) => wrong.email = Some(words.t("setup-email-taken")),
            AccountError::Password(bad) => wrong.password = Some(words.t(bad.key())),
            AccountError::Invalid("name", _) => wrong.name = Some(words.t("setup-name-wrong")),
            _ => wrong.email = Some(words.t("setup-email-wrong")),
        }
        wrong
    }
}

impl Typed<'_> {
    /// Everything at once, so that nobody has to try field by field.
    fn check(&self, password: &str, words: &Words) -> Wrong {
        let email = match self.email {
            "" => Some("setup-email-missing"),
            email => Email::parse(email).err().map(|_| "setup-email-wrong"),
        };
        let username = match self.username {
            "" => None,
            username => Username::parse(username).err().map(|_| "setup-username-wrong"),
        };
        let password = match password {
            "" => Some("setup-password-missing"),
            password => Rules::default().check(password, &[self.email, self.username, self.name]).err().map(|bad| bad.key()),
        };
        let say = |key: Option<&str>| key.map(|key| words.t(key));
        Wrong { email: say(email), name: None, username: say(username), password: say(password) }
    }
}

#[derive(Template)]
#[template(path = "setup.html")]
struct Setup<'a> {
    page: &'a Page<'a>,
    action: String,
    csrf: String,
    token: &'a str,
    problems: Vec<(&'static str, String)>,
    fields: [Field; 4],
}

fn form(asked: &Asked<'_>, token: &str, typed: &Typed<'_>, wrong: Wrong) -> Response {
    let app = asked.app;
    let page = asked.page();
    let browser = asked.browser();
    let l = page.l;
    let status = if wrong.any() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let fields = [
        Field::new("email", "email", l.t("email"), "email").value(typed.email).focus(!wrong.any()).wrong(wrong.email),
        Field::new("name", "text", l.t("setup-name"), "name").longest(200).optional().value(typed.name).wrong(wrong.name),
        Field::new("username", "text", l.t("username"), "username")
            .longest(64)
            .optional()
            .hint(l.t("setup-username-hint"))
            .value(typed.username)
            .wrong(wrong.username),
        Field::new("password", "password", l.t("password"), "new-password")
            .longest(password_rules::MAX as u32)
            .hint(l.t("setup-password-hint"))
            .wrong(wrong.password),
    ];
    let template = Setup {
        action: app.urls.path(urls::SETUP),
        csrf: csrf::token(&asked.visit, &app.urls, &app.seal, &browser, FORM, ""),
        token,
        problems: fields.iter().filter_map(Field::problem).collect(),
        fields,
        page: &page,
    };
    with_cookies(html(&page, status, &template), browser.set)
}

#[derive(Template)]
#[template(path = "setup_where.html")]
struct Where<'a> {
    page: &'a Page<'a>,
    link: Link,
    ending: String,
}

fn where_to_look(asked: &Asked<'_>, link: Link) -> Response {
    let page = asked.page();
    let ending = format!("{}?token=…", asked.app.urls.path(urls::SETUP));
    let status = if link == Link::Missing { StatusCode::OK } else { StatusCode::FORBIDDEN };
    html(&page, status, &Where { page: &page, link, ending })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_for_an_hour_and_for_this_server() {
        let (seal, urls) = (Seal::new(&[1; 32]), Urls::new("https://id.example"));
        let now = Time::from_timestamp(1_800_000_000, 0).expect("in range");
        let link = link(&urls, &seal, [3; 24], now);
        let token = link.strip_prefix("https://id.example/setup?token=").expect("the page's address");
        let read = |seal: &Seal, token: &str, seconds: i64| read_link(seal, Some(token), now + chrono::Duration::seconds(seconds));
        assert_eq!(read(&seal, token, 0), Link::Good);
        assert_eq!(read(&seal, token, 3599), Link::Good);
        assert_eq!(read(&seal, token, 3600), Link::Expired);
        assert_eq!(read(&Seal::new(&[2; 32]), token, 0), Link::Wrong);
        assert_eq!(read(&seal, &format!("B{}", &token[1..]), 0), Link::Wrong);
        assert_eq!(read(&seal, "", 0), Link::Wrong);
        assert_eq!(read_link(&seal, None, now), Link::Missing);
    }
}
