//! The account of whoever is signed in: what is known of them, where they are signed in, which apps act for them.
//!
//! | page | file |
//! |---|---|
//! | `/account`: profile, sessions, apps | this one |
//! | `/account/activity` | [`activity`] |
//! | password, another address, the end | [`change`] |
//! | the links of mails about an address | [`address`] |
//!
//! Somebody who is not signed in is sent to sign in, and comes back.

mod activity;
mod address;
mod change;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use serde_json::{Map, Value};

use super::simple::{Notice, Wrong};
use super::{Asked, consent, person, sent, shown};
use crate::accounts::profile::{self, Hand};
use crate::accounts::users::AccountError;
use crate::accounts::{mine, sign_up};
use crate::app::App;
use crate::browser::csrf;
use crate::browser::error::PageError;
use crate::browser::form::{Field, Form};
use crate::browser::layout::{LONGEST_NAME, Page, html, initial, see_other, shown_name, with_cookies};
use crate::browser::session;
use crate::browser::visit::Visit;
use crate::i18n::{Lang, date, date_time};
use crate::request::device;
use crate::storage::durable::{Actor, SignedIn, User};
use crate::urls;

/// The name of every form of the page, for their tokens.
const ACCOUNT: &str = "account";

/// How much of what happened the page itself shows.
const LATEST: u32 = 5;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route(urls::ACCOUNT, get(show).post(submit))
        .route(urls::ACCOUNT_ACTIVITY, get(activity::show))
        .route(urls::ACCOUNT_DATA, get(data))
        .route(urls::ACCOUNT_PASSWORD, get(change::show_password).post(change::password))
        .route(urls::ACCOUNT_EMAIL, get(change::show_email).post(change::email))
        .route(urls::ACCOUNT_DELETE, get(change::show_delete).post(change::delete))
        .route(urls::CHANGE_EMAIL, get(address::show_confirm).post(address::confirm))
        .route(urls::UNDO_EMAIL, get(address::show_undo).post(address::undo))
        .route(urls::CHANGE_PASSWORD, get(change::well_known))
}

/// Who is signed in; or the way to sign in and back to `path`.
async fn signed_in(asked: &mut Asked<'_>, path: &str) -> Result<Result<SignedIn, Response>, PageError> {
    let urls = &asked.app.urls;
    Ok(match asked.signed_in().await? {
        Some(signed_in) => Ok(signed_in),
        None => Err(see_other(urls, &format!("{}?to={}", urls.path(urls::SIGN_IN), urls::encode(path)))),
    })
}

pub async fn show(State(app): State<Arc<App>>, visit: Visit) -> Response {
    shown(&app, visit, page).await
}

async fn page(asked: &mut Asked<'_>) -> Result<Response, PageError> {
    let signed_in = match signed_in(asked, urls::ACCOUNT).await? {
        Ok(signed_in) => signed_in,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let l = asked.page().l;
    // What was done is told after the redirect; the query names it by a word of a short list.
    let done = asked.visit.query("done");
    let said = match done.as_deref() {
        Some("profile") => Some("account-done-profile"),
        Some("password") => Some("account-done-password"),
        Some("session") => Some("account-done-session"),
        Some("sessions") => Some("account-done-sessions"),
        Some("app") => Some("account-done-app"),
        _ => None,
    };
    let notice = said.map(|key| Notice { tone: "good", title: l.t("account-done"), text: l.t(key), wait: None });
    console(asked, &signed_in, None, Wrong { field: None, notice }).await
}

pub async fn submit(State(app): State<Arc<App>>, request: Request) -> Response {
    sent(&app, request, act).await
}

async fn act(asked: &mut Asked<'_>, request: Request) -> Result<Response, PageError> {
    let app = asked.app;
    csrf::same_origin(&asked.visit, &app.urls)?;
    let sent = Form::read(request).await?;
    let signed_in = match signed_in(asked, urls::ACCOUNT).await? {
        Ok(signed_in) => signed_in,
        Err(elsewhere) => return Ok(elsewhere),
    };
    asked.here = Some(app.urls.path(urls::ACCOUNT));
    asked.check(ACCOUNT, None, &sent)?;
    let user = &signed_in.user;
    let by = asked.act(Actor::Person(user.id.clone()), None);
    let device = asked.device();
    let (desk, idle) = (app.desk(), app.config.sessions.idle);
    let asking = asked.asking(&by, device.as_deref());
    let done = |what: &str| Ok(see_other(&app.urls, &format!("{}?done={what}", app.urls.path(urls::ACCOUNT))));
    match sent.get("act") {
        Some("profile") => save(asked, &signed_in, &sent).await,
        Some("end-session") => {
            let id = sent.get("session").unwrap_or_default();
            mine::end_session(&desk, &user.id, id, idle, &asking).await?;
            done("session")
        }
        Some("end-others") => {
            mine::end_sessions(&desk, &user.id, Some(&signed_in.session.id), &asking).await?;
            done("sessions")
        }
        Some("end-all") => {
            mine::end_sessions(&desk, &user.id, None, &asking).await?;
            Ok(with_cookies(see_other(&app.urls, &app.urls.path(urls::SIGN_IN)), [session::clear(&app.urls)]))
        }
        Some("disconnect") => {
            mine::disconnect(&desk, &user.id, sent.get("client").unwrap_or_default(), &asking).await?;
            done("app")
        }
        Some("verify") => match sign_up::resend(&desk, &user.email, &asking).await {
            Ok(handle) => Ok(see_other(&app.urls, &format!("{}?handle={}", app.urls.path(urls::VERIFY_EMAIL), urls::encode(&handle)))),
            Err(error) => {
                let wrong = Wrong::say(error, asked)?;
                console(asked, &signed_in, None, wrong).await
            }
        },
        _ => Err(PageError::new(crate::browser::error::PageReason::Request).with_detail("the form names no act")),
    }
}

/// What was typed into the profile.
struct Typed {
    name: String,
    username: String,
    locale: String,
}

async fn save(asked: &Asked<'_>, signed_in: &SignedIn, sent: &Form) -> Result<Response, PageError> {
    let app = asked.app;
    let user = &signed_in.user;
    let typed = Typed {
        name: sent.trimmed("name").to_owned(),
        username: sent.trimmed("username").to_owned(),
        locale: sent.trimmed("locale").to_owned(),
    };
    let or_none = |text: &str| if text.is_empty() { Value::Null } else { Value::from(text) };
    let mut patch = Map::new();
    patch.insert("name".to_owned(), or_none(&typed.name));
    patch.insert("username".to_owned(), or_none(&typed.username));
    // A regional form of the language that is chosen stays as it is.
    let same = user.locale.as_deref().and_then(Lang::parse).is_some_and(|lang| lang.tag() == typed.locale);
    if !same {
        patch.insert("locale".to_owned(), or_none(&typed.locale));
    }
    let revision = sent.get("revision").and_then(|text| text.parse().ok());
    let by = asked.act(Actor::Person(user.id.clone()), None);
    match profile::patch(&app.desk(), &user.id, &patch, revision, Hand::Own, &asked.asking(&by, None)).await {
        Ok(_) => Ok(see_other(&app.urls, &format!("{}?done=profile", app.urls.path(urls::ACCOUNT)))),
        Err(error) => {
            let wrong = Wrong::say(error, asked)?;
            console(asked, signed_in, Some(&typed), wrong).await
        }
    }
}

/// A line of the list of sessions.
struct Session {
    id: String,
    device: String,
    address: Option<String>,
    since: String,
    seen: String,
    here: bool,
}

/// A line of the list of apps.
struct Connected {
    client_id: String,
    name: String,
    initial: String,
    /// Where its picture stands.
    logo: Option<String>,
    /// What it may, in words.
    scope: Vec<String>,
    since: String,
    used: Option<String>,
}

#[derive(Template)]
#[template(path = "account.html")]
struct Console<'a> {
    page: &'a Page<'a>,
    action: String,
    csrf: String,
    name: String,
    initial: String,
    email: &'a str,
    verified: bool,
    revision: i64,
    notice: Option<Notice>,
    problems: Vec<(&'static str, String)>,
    fields: [Field; 2],
    /// The language of the account: its tag, or empty.
    locale: &'a str,
    password_changed: Option<String>,
    since: String,
    sessions: Vec<Session>,
    apps: Vec<Connected>,
    /// The last things that happened.
    activity: Vec<activity::Entry>,
    all_activity: String,
    change_email: String,
    change_password: String,
    download: String,
    delete: String,
    sign_out: String,
}

async fn console(asked: &Asked<'_>, signed_in: &SignedIn, typed: Option<&Typed>, wrong: Wrong) -> Result<Response, PageError> {
    let app = asked.app;
    let page = asked.page();
    let browser = asked.browser();
    let l = page.l;
    // As it is now: the session's own copy may be of before the form.
    let user = &signed_in.user;
    let (desk, idle) = (app.desk(), app.config.sessions.idle);
    let sessions = mine::sessions(&desk, &user.id, idle, asked.now).await?;
    let sessions = sessions
        .into_iter()
        .map(|found| Session {
            here: found.id == signed_in.session.id,
            device: found.user_agent.as_deref().and_then(device).unwrap_or_else(|| l.t("account-device-unknown")),
            address: found.address,
            since: date_time(l.lang, found.created_at),
            seen: date_time(l.lang, found.last_seen_at),
            id: found.id,
        })
        .collect();
    let (mut apps, mut clients) = (Vec::new(), Vec::new());
    for connection in mine::connections(&desk, &user.id, asked.now).await? {
        let record = app.storage.clients.find(&connection.client_id).await?;
        let name =
            record.as_ref().map_or_else(|| connection.client_id.clone(), |record| shown_name(record.client.display_name(), LONGEST_NAME));
        apps.push(Connected {
            initial: initial(&name),
            logo: None,
            name,
            scope: connection.scope.split_ascii_whitespace().map(|scope| consent::line(&page, scope).text).collect(),
            since: date(l.lang, connection.since),
            used: connection.last_used.map(|at| date_time(l.lang, at)),
            client_id: connection.client_id,
        });
        clients.extend(record.map(|record| (apps.len() - 1, record)));
    }
    // All of them are waited for as long as one would be.
    let logos = asked.logos(clients.iter().map(|(_, record)| &*record.client)).await;
    for ((at, _), logo) in clients.iter().zip(logos) {
        apps[*at].logo = logo;
    }
    let activity = activity::entries(asked, signed_in, None, LATEST).await?;
    let name = shown_name(person(user), LONGEST_NAME);
    let (typed_name, typed_username, locale) = match typed {
        Some(typed) => (typed.name.as_str(), typed.username.as_str(), typed.locale.as_str()),
        None => {
            let lang = user.locale.as_deref().and_then(Lang::parse).map_or("", Lang::tag);
            (user.name.as_deref().unwrap_or_default(), user.username.as_deref().unwrap_or_default(), lang)
        }
    };
    let fields = [
        Field::new("name", "text", l.t("setup-name"), "name").longest(200).optional().value(typed_name).wrong(wrong.of("name")),
        Field::new("username", "text", l.t("username"), "username")
            .longest(64)
            .optional()
            .value(typed_username)
            .wrong(wrong.of("username")),
    ];
    let status = if wrong.field.is_some() || wrong.notice.as_ref().is_some_and(|notice| notice.tone == "danger") {
        StatusCode::BAD_REQUEST
    } else {
        StatusCode::OK
    };
    let path = |path: &str| app.urls.path(path);
    let template = Console {
        action: path(urls::ACCOUNT),
        csrf: csrf::token(&asked.visit, &app.urls, &app.seal, &browser, ACCOUNT, ""),
        initial: initial(&name),
        name,
        email: &user.email,
        verified: user.email_verified,
        revision: user.revision,
        problems: fields.iter().filter_map(Field::problem).collect(),
        fields,
        notice: wrong.notice,
        locale,
        password_changed: user.password_changed_at.map(|at| date(l.lang, at)),
        since: date(l.lang, user.created_at),
        sessions,
        apps,
        activity,
        all_activity: path(urls::ACCOUNT_ACTIVITY),
        change_email: path(urls::ACCOUNT_EMAIL),
        change_password: path(urls::ACCOUNT_PASSWORD),
        download: path(urls::ACCOUNT_DATA),
        delete: path(urls::ACCOUNT_DELETE),
        sign_out: path(urls::LOGOUT),
        page: &page,
    };
    Ok(with_cookies(html(&page, status, &template), browser.set))
}

/// Everything that is kept of a person, as a file.
pub async fn data(State(app): State<Arc<App>>, visit: Visit) -> Response {
    shown(&app, visit, download).await
}

async fn download(asked: &mut Asked<'_>) -> Result<Response, PageError> {
    let app = asked.app;
    let signed_in = match signed_in(asked, urls::ACCOUNT).await? {
        Ok(signed_in) => signed_in,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let document = match mine::export(&app.desk(), &signed_in.user.id, app.config.sessions.idle, asked.now).await {
        Ok(document) => document,
        Err(AccountError::Storage(fault)) => return Err(fault.into()),
        Err(_) => return Ok(see_other(&app.urls, &app.urls.path(urls::SIGN_IN))),
    };
    let text = serde_json::to_string_pretty(&document).expect("a JSON value is always JSON");
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"account.json\""));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok((headers, text).into_response())
}

/// The person as somebody on a page calls them.
fn called(user: &User) -> String {
    shown_name(person(user), LONGEST_NAME)
}
