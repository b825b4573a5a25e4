//! What needs the password again: another password, another address, the end of the account.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::super::simple::{Ask, Simple, Wrong};
use super::super::{Asked, LONGEST_PASSWORD, sent, sign_in};
use super::{called, signed_in};
use crate::accounts::authenticate::{ACR, AMR};
use crate::accounts::desk::Presence;
use crate::accounts::recovery::{self, Change};
use crate::accounts::users::AccountError;
use crate::accounts::{address, mine};
use crate::app::App;
use crate::browser::csrf;
use crate::browser::error::PageError;
use crate::browser::form::{Field, Form};
use crate::browser::layout::{Words, see_other, with_cookies};
use crate::browser::session;
use crate::browser::visit::Visit;
use crate::storage::durable::{Actor, SignedIn};
use crate::urls;

/// The names of the forms, for their tokens.
const PASSWORD: &str = "change-password";
const EMAIL: &str = "change-email";
const DELETE: &str = "delete-account";

/// "A Well-Known URL for Changing Passwords" §2: a redirect with a status of 302, 303 or 307, to the page itself.
pub async fn well_known(State(app): State<Arc<App>>) -> Response {
    let to = HeaderValue::from_str(&app.urls.absolute(urls::ACCOUNT_PASSWORD)).expect("an address of ours is a header value");
    (StatusCode::FOUND, [(header::LOCATION, to), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))]).into_response()
}

fn current(l: &Words, wrong: &Wrong) -> Field {
    Field::new("current", "password", l.t("account-current"), "current-password").longest(LONGEST_PASSWORD).wrong(wrong.of("current"))
}

/// The parts that every form here begins with: a form of ours, by somebody who is signed in.
macro_rules! begin {
    ($asked:ident, $request:ident, $path:expr, $form:expr) => {{
        csrf::same_origin(&$asked.visit, &$asked.app.urls)?;
        let sent = Form::read($request).await?;
        let found = match signed_in($asked, $path).await? {
            Ok(found) => found,
            Err(elsewhere) => return Ok(elsewhere),
        };
        $asked.here = Some($asked.app.urls.path($path));
        $asked.check($form, None, &sent)?;
        (sent, found)
    }};
}

/// A handler of a page that needs somebody signed in, and of its form.
macro_rules! pages {
    ($($show:ident $submit:ident: $path:expr, $page:ident, $act:ident;)*) => {$(
        pub async fn $show(State(app): State<Arc<App>>, visit: Visit) -> Response {
            let mut asked = Asked::new(&app, visit);
            let outcome = match signed_in(&mut asked, $path).await {
                Ok(Ok(found)) => Ok($page(&asked, &found, "", Wrong::default())),
                Ok(Err(elsewhere)) => Ok(elsewhere),
                Err(error) => Err(error),
            };
            asked.finish(outcome)
        }

        pub async fn $submit(State(app): State<Arc<App>>, request: Request) -> Response {
            sent(&app, request, $act).await
        }
    )*};
}

pages! {
    show_password password: urls::ACCOUNT_PASSWORD, password_page, changing_password;
    show_email email: urls::ACCOUNT_EMAIL, email_page, changing_email;
    show_delete delete: urls::ACCOUNT_DELETE, delete_page, deleting;
}

fn password_page(asked: &Asked<'_>, found: &SignedIn, _: &str, wrong: Wrong) -> Response {
    let l = asked.page().l;
    let account = asked.app.urls.path(urls::ACCOUNT);
    // A password manager learns whose password it is (product of the form: a field that holds the name).
    let ask = Ask::new(PASSWORD, asked.app.urls.path(urls::ACCOUNT_PASSWORD), l.t("account-password-button"))
        .hidden("username", found.user.username.clone().unwrap_or_else(|| found.user.email.clone()))
        .field(current(&l, &wrong).focus(!wrong.any()))
        .field(
            Field::new("password", "password", l.t("password-new"), "new-password")
                .longest(LONGEST_PASSWORD)
                .hint(l.t("password-hint"))
                .wrong(wrong.of("password")),
        );
    let mut page = Simple::new("change-password-title", l.t("account-password-title"))
        .lead(l.t("account-password-lead"))
        .ask(ask)
        .link(account, l.t("account-back"))
        .link(asked.app.urls.path(urls::RECOVER), l.t("recover-link"));
    page.notice = wrong.notice;
    page.show(asked, "")
}

async fn changing_password(asked: &mut Asked<'_>, request: Request) -> Result<Response, PageError> {
    let app = asked.app;
    let (sent, found) = begin!(asked, request, urls::ACCOUNT_PASSWORD, PASSWORD);
    let l = asked.page().l;
    let (present, new) = (sent.get("current").unwrap_or_default(), sent.get("password").unwrap_or_default());
    if present.is_empty() || new.is_empty() {
        let wrong = if present.is_empty() { ("current", "account-current-missing") } else { ("password", "setup-password-missing") };
        return Ok(password_page(asked, &found, "", Wrong::at(wrong.0, l.t(wrong.1))));
    }
    let by = asked.act(Actor::Person(found.user.id.clone()), None);
    let device = asked.device();
    let cookie = asked.visit.cookie(&app.urls, sign_in::DEVICE);
    let change = Change { current: present, new, device: cookie, keep_session: Some(&found.session.id), rules: None };
    let done = recovery::change_password(&app.desk(), &found.user.id, change, &asked.asking(&by, device.as_deref())).await;
    match done {
        Ok(()) => {
            // They have just proved who they are: the session goes on under another cookie, and whoever had a copy of this one is out.
            let started = asked.start_session(&found.user, AMR, ACR, Some(&found), None, &by).await?;
            let to = see_other(&app.urls, &format!("{}?done=password", app.urls.path(urls::ACCOUNT)));
            Ok(with_cookies(to, started.map(|(_, cookie)| cookie)))
        }
        Err(error) => {
            let wrong = Wrong::say(error, asked)?;
            Ok(password_page(asked, &found, "", wrong))
        }
    }
}

fn email_page(asked: &Asked<'_>, found: &SignedIn, typed: &str, wrong: Wrong) -> Response {
    let l = asked.page().l;
    let ask = Ask::new(EMAIL, asked.app.urls.path(urls::ACCOUNT_EMAIL), l.t("account-email-button"))
        .field(Field::new("email", "email", l.t("account-email-new"), "email").value(typed).focus(!wrong.any()).wrong(wrong.of("email")))
        .field(current(&l, &wrong));
    let mut page = Simple::new("change-email-title", l.t("account-email-title"))
        .lead(l.with("account-email-lead", "email", &found.user.email))
        .ask(ask)
        .link(asked.app.urls.path(urls::ACCOUNT), l.t("account-back"));
    page.notice = wrong.notice;
    page.show(asked, "")
}

async fn changing_email(asked: &mut Asked<'_>, request: Request) -> Result<Response, PageError> {
    let app = asked.app;
    let (sent, found) = begin!(asked, request, urls::ACCOUNT_EMAIL, EMAIL);
    let typed = sent.trimmed("email");
    let password = sent.get("current").unwrap_or_default();
    if password.is_empty() {
        let wrong = Wrong::at("current", asked.page().l.t("account-current-missing"));
        return Ok(email_page(asked, &found, typed, wrong));
    }
    let by = asked.act(Actor::Person(found.user.id.clone()), None);
    let device = asked.device();
    let presence = Presence::Password { password, device: asked.visit.cookie(&app.urls, sign_in::DEVICE) };
    let asking = asked.asking(&by, device.as_deref());
    let handle = address::request_change(&app.desk(), &found.user.id, typed, presence, &asking).await;
    match handle {
        Ok(handle) => Ok(see_other(&app.urls, &format!("{}?handle={}", app.urls.path(urls::CHANGE_EMAIL), urls::encode(&handle)))),
        Err(error) => {
            let wrong = Wrong::say(error, asked)?;
            Ok(email_page(asked, &found, typed, wrong))
        }
    }
}

fn delete_page(asked: &Asked<'_>, found: &SignedIn, _: &str, wrong: Wrong) -> Response {
    let l = asked.page().l;
    let ask = Ask::new(DELETE, asked.app.urls.path(urls::ACCOUNT_DELETE), l.t("account-delete-button"))
        .tone("danger")
        .field(current(&l, &wrong).focus(!wrong.any()));
    let mut page = Simple::new("delete-title", l.t("account-delete-title"))
        .seal("danger", "alert")
        .lead(l.with("account-delete-who", "person", called(&found.user)))
        .lead(l.t("account-delete-what"))
        .lead(l.t("account-delete-when"))
        .ask(ask)
        .link(asked.app.urls.path(urls::ACCOUNT_DATA), l.t("account-download"))
        .link(asked.app.urls.path(urls::ACCOUNT), l.t("account-back"));
    page.notice = wrong.notice;
    page.show(asked, "")
}

async fn deleting(asked: &mut Asked<'_>, request: Request) -> Result<Response, PageError> {
    let app = asked.app;
    let (sent, found) = begin!(asked, request, urls::ACCOUNT_DELETE, DELETE);
    let password = sent.get("current").unwrap_or_default();
    let by = asked.act(Actor::Person(found.user.id.clone()), None);
    let device = asked.device();
    let presence = Presence::Password { password, device: asked.visit.cookie(&app.urls, sign_in::DEVICE) };
    let deleted = match password {
        "" => Err(AccountError::NotRecent),
        _ => mine::delete(&app.desk(), &found.user.id, presence, &asked.asking(&by, device.as_deref())).await,
    };
    match deleted {
        Ok(()) => {
            let l = asked.page().l;
            let page = Simple::new("deleted", l.t("account-deleted-title")).seal("", "good").lead(l.t("account-deleted-lead"));
            let page = page.next(app.urls.path(urls::HOME), l.t("account-deleted-next"));
            Ok(with_cookies(page.show(asked, ""), [session::clear(&app.urls)]))
        }
        Err(error) => {
            let wrong = Wrong::say(error, asked)?;
            Ok(delete_page(asked, &found, "", wrong))
        }
    }
}
