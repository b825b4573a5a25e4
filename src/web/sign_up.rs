//! Sign-up, and confirming an address by the link or the code of the mail.
//!
//! A page never says whether an address has an account: whoever signs up is told to look at their mail, and the mail says the rest. A link shows a
//! button, and only the button uses it: mail programs open links.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::flow::{Open, open};
use super::simple::{Ask, Notice, Simple, Wrong, code_field};
use super::{Asked, LONGEST_PASSWORD, person, sent, shown};
use crate::accounts::desk::{Confirmed, Proof, SignUpPolicy};
use crate::accounts::email::Email;
use crate::accounts::sign_up::{self, Terms};
use crate::accounts::users::AccountError;
use crate::app::App;
use crate::browser::csrf;
use crate::browser::error::PageError;
use crate::browser::flow::FlowStep;
use crate::browser::form::{Field, Form};
use crate::browser::layout::{see_other, with_cookies};
use crate::browser::session;
use crate::browser::visit::Visit;
use crate::once::links::Purpose;
use crate::storage::durable::{Actor, User};
use crate::urls;

/// The names of the forms, for their tokens.
const SIGN_UP: &str = "sign-up";
const LEAVE: &str = "sign-up-leave";
const VERIFY: &str = "verify";
const RESEND: &str = "resend";

pub async fn show(State(app): State<Arc<App>>, visit: Visit) -> Response {
    shown(&app, visit, page).await
}

async fn page(asked: &mut Asked<'_>) -> Result<Response, PageError> {
    let app = asked.app;
    let open = opened(asked, urls::SIGN_UP).await?;
    let token = asked.visit.query("token");
    if open.is_none()
        && let Some(signed_in) = asked.signed_in().await?
    {
        return elsewhere(asked, &signed_in.user, token).await;
    }
    let mut typed = Typed::default();
    match (&token, app.desk().sign_up) {
        (Some(token), SignUpPolicy::Open | SignUpPolicy::Invitation) => {
            match app.desk().look(Purpose::Invitation, token, asked.now).await {
                Ok(link) => typed.email = link.subject,
                Err(error) => return Ok(over(asked, open.as_ref(), Wrong::say(error, asked)?)),
            }
        }
        (None, SignUpPolicy::Open) => {}
        _ => return Ok(over(asked, open.as_ref(), Wrong::say(AccountError::Closed, asked)?)),
    }
    Ok(form(asked, open.as_ref(), token.as_deref(), &typed, Wrong::default()))
}

pub async fn submit(State(app): State<Arc<App>>, request: Request) -> Response {
    sent(&app, request, act).await
}

async fn act(asked: &mut Asked<'_>, request: Request) -> Result<Response, PageError> {
    let app = asked.app;
    csrf::same_origin(&asked.visit, &app.urls)?;
    let sent = Form::read(request).await?;
    let open = opened(asked, urls::SIGN_UP).await?;
    asked.here.get_or_insert_with(|| app.urls.path(urls::SIGN_UP));
    if sent.get("leave").is_some() {
        return leave(asked, &sent).await;
    }
    asked.check(SIGN_UP, open.as_ref(), &sent)?;
    let typed = Typed {
        email: sent.trimmed("email").to_owned(),
        name: sent.trimmed("name").to_owned(),
        username: sent.trimmed("username").to_owned(),
    };
    let invitation = sent.get("token").filter(|token| !token.is_empty());
    let password = sent.get("password").unwrap_or_default();
    let lang = asked.page().l.lang;
    let missing = [("email", typed.email.is_empty(), "setup-email-missing"), ("password", password.is_empty(), "setup-password-missing")];
    if let Some((field, _, key)) = missing.into_iter().find(|(_, missing, _)| *missing) {
        return Ok(form(asked, open.as_ref(), invitation, &typed, Wrong::at(field, asked.page().l.t(key))));
    }
    let given = sign_up::Form {
        email: &typed.email,
        username: Some(typed.username.as_str()).filter(|name| !name.is_empty()),
        name: Some(typed.name.as_str()).filter(|name| !name.is_empty()),
        locale: Some(lang.tag()),
        password,
        invitation,
        ..sign_up::Form::default()
    };
    let by = asked.act(Actor::Anonymous, open.as_ref().map(|open| open.client.client_id.as_str()));
    let device = asked.device();
    let terms = Terms { opens: !app.config.mail.is_possible(), ..Terms::default() };
    let signed_up = sign_up::sign_up(&app.desk(), given, terms, &asked.asking(&by, device.as_deref())).await;
    match signed_up {
        // Whoever was invited has read the mail already.
        Ok(_) if invitation.is_some() => Ok(see_other(&app.urls, &asked.with(open.as_ref(), urls::VERIFY_EMAIL, "done=1"))),
        Ok(registered) => {
            let handle = format!("handle={}", urls::encode(&registered.handle));
            Ok(see_other(&app.urls, &asked.with(open.as_ref(), urls::VERIFY_EMAIL, &handle)))
        }
        Err(error) => {
            let closes = matches!(error, AccountError::Closed | AccountError::Link(_));
            let wrong = Wrong::say(error, asked)?;
            Ok(if closes { over(asked, open.as_ref(), wrong) } else { form(asked, open.as_ref(), invitation, &typed, wrong) })
        }
    }
}

/// Somebody is signed in here already. An invitation for somebody else says so, and offers to sign out; everything else leads to their account.
async fn elsewhere(asked: &mut Asked<'_>, user: &User, token: Option<String>) -> Result<Response, PageError> {
    let app = asked.app;
    let account = app.urls.path(urls::ACCOUNT);
    let Some(token) = token else { return Ok(see_other(&app.urls, &account)) };
    let invited = match app.desk().look(Purpose::Invitation, &token, asked.now).await {
        Ok(link) => link.subject,
        Err(AccountError::Link(_)) => return Ok(see_other(&app.urls, &account)),
        Err(error) => return Wrong::say(error, asked).map(|_| see_other(&app.urls, &account)),
    };
    if Email::parse(&user.email).is_ok_and(|own| own.canonical == invited) {
        return Ok(see_other(&app.urls, &account));
    }
    let l = asked.page().l;
    let ask = Ask::new(LEAVE, app.urls.path(urls::SIGN_UP), l.t("sign-up-elsewhere-button")).hidden("leave", "1").hidden("token", token);
    let page = Simple::new("sign-up-elsewhere", l.t("sign-up-elsewhere-title"))
        .lead(l.with("sign-up-elsewhere-who", "person", person(user)))
        .lead(l.with("sign-up-elsewhere-lead", "email", &invited))
        .ask(ask)
        .link(account, l.t("sign-up-elsewhere-stay"));
    Ok(page.show(asked, ""))
}

/// Ends the session of this browser, and goes on to the invitation.
async fn leave(asked: &mut Asked<'_>, sent: &Form) -> Result<Response, PageError> {
    let app = asked.app;
    asked.check(LEAVE, None, sent)?;
    if let Some(signed_in) = asked.signed_in().await? {
        let by = asked.act(Actor::Person(signed_in.user.id.clone()), None);
        app.storage.sessions.end(&signed_in.session.id, asked.now, &by).await?;
    }
    let token = format!("token={}", urls::encode(sent.get("token").unwrap_or_default()));
    Ok(with_cookies(see_other(&app.urls, &asked.with(None, urls::SIGN_UP, &token)), [session::clear(&app.urls)]))
}

/// What was typed, but for the password.
#[derive(Default)]
struct Typed {
    email: String,
    name: String,
    username: String,
}

fn form(asked: &Asked<'_>, open: Option<&Open>, invitation: Option<&str>, typed: &Typed, wrong: Wrong) -> Response {
    let l = asked.page().l;
    let fresh = !wrong.any();
    let title = match open {
        Some(open) => l.with("sign-up-title-app", "app", open.app()),
        None => l.with("sign-up-title", "brand", &asked.app.brand.name),
    };
    let ask = Ask::new(SIGN_UP, asked.with(open, urls::SIGN_UP, ""), l.t("sign-up-button"))
        .hidden("token", invitation.unwrap_or_default())
        .field(Field::new("email", "email", l.t("email"), "email").value(&typed.email).focus(fresh).wrong(wrong.of("email")))
        .field(Field::new("name", "text", l.t("setup-name"), "name").longest(200).optional().value(&typed.name).wrong(wrong.of("name")))
        .field(
            Field::new("username", "text", l.t("username"), "username")
                .longest(64)
                .optional()
                .hint(l.t("sign-up-username-hint"))
                .value(&typed.username)
                .wrong(wrong.of("username")),
        )
        .field(
            Field::new("password", "password", l.t("password"), "new-password")
                .longest(LONGEST_PASSWORD)
                .hint(l.t("password-hint"))
                .wrong(wrong.of("password")),
        );
    let mut page = Simple::new("sign-up-title", title).of(open).ask(ask).link(asked.with(open, urls::SIGN_IN, ""), l.t("sign-up-have-one"));
    page.notice = wrong.notice;
    page.show(asked, open.map_or("", |open| &open.id))
}

/// There is nothing to fill in: what was wrong, and the way on.
fn over(asked: &Asked<'_>, open: Option<&Open>, wrong: Wrong) -> Response {
    let l = asked.page().l;
    let Notice { title, text, .. } =
        wrong.notice.unwrap_or_else(|| Notice { tone: "danger", title: l.t("link-bad-title"), text: l.t("link-wrong"), wait: None });
    let to = asked.with(open, urls::SIGN_IN, "");
    let mut response = Simple::new("sign-up-over", title).lead(text).seal("warn", "warn").next(to, l.t("sign-in")).show(asked, "");
    *response.status_mut() = axum::http::StatusCode::FORBIDDEN;
    response
}

/// The flow of the page, with the page's own address to come back to.
pub(super) async fn opened(asked: &mut Asked<'_>, path: &str) -> Result<Option<Open>, PageError> {
    let open = open(asked, FlowStep::SignIn).await?;
    if let Some(open) = &open {
        asked.here = Some(open.page(asked, path));
    }
    Ok(open)
}

pub async fn show_verify(State(app): State<Arc<App>>, visit: Visit) -> Response {
    shown(&app, visit, verify_page).await
}

async fn verify_page(asked: &mut Asked<'_>) -> Result<Response, PageError> {
    let app = asked.app;
    let open = opened(asked, urls::VERIFY_EMAIL).await?;
    asked.here = None;
    let l = asked.page().l;
    if let Some(done) = asked.visit.query("done") {
        if CHOOSE.strip_prefix("done=") == Some(&*done) {
            let to = asked.with(open.as_ref(), urls::RECOVER, "");
            let page = Simple::new("verify-done", l.t("verify-done-title")).lead(l.t("verify-choose-lead")).seal("warn", "warn");
            return Ok(page.next(to, l.t("verify-choose-button")).show(asked, ""));
        }
        let to = asked.with(open.as_ref(), urls::SIGN_IN, "");
        let page =
            Simple::new("verify-done", l.t("verify-done-title")).lead(l.t("verify-done-lead")).seal("", "good").next(to, l.t("sign-in"));
        return Ok(named(page, asked, &done).show(asked, ""));
    }
    if let Some(token) = asked.visit.query("token") {
        return Ok(match app.desk().look(Purpose::VerifyEmail, &token, asked.now).await {
            Ok(_) => {
                let ask = Ask::new(VERIFY, asked.with(open.as_ref(), urls::VERIFY_EMAIL, ""), l.t("verify-button")).hidden("token", token);
                let page = Simple::new("verify-title", l.t("verify-title")).lead(l.t("verify-lead")).ask(ask);
                page.show(asked, open.as_ref().map_or("", |open| &open.id))
            }
            Err(error) => again(asked, open.as_ref(), Wrong::say(error, asked)?, ""),
        });
    }
    Ok(match asked.visit.query("handle") {
        Some(handle) => waiting(asked, open.as_ref(), &handle, Wrong::default()),
        None => again(asked, open.as_ref(), Wrong::default(), ""),
    })
}

pub async fn verify(State(app): State<Arc<App>>, request: Request) -> Response {
    sent(&app, request, verifying).await
}

async fn verifying(asked: &mut Asked<'_>, request: Request) -> Result<Response, PageError> {
    let app = asked.app;
    csrf::same_origin(&asked.visit, &app.urls)?;
    let sent = Form::read(request).await?;
    let open = opened(asked, urls::VERIFY_EMAIL).await?;
    asked.here.get_or_insert_with(|| app.urls.path(urls::VERIFY_EMAIL));
    let client = open.as_ref().map(|open| open.client.client_id.clone());
    let by = asked.act(Actor::Anonymous, client.as_deref());
    let device = asked.device();
    if let Some(email) = sent.get("email") {
        asked.check(RESEND, open.as_ref(), &sent)?;
        let email = email.trim();
        let asking = asked.asking(&by, device.as_deref());
        let handle = match Email::parse(email) {
            Err(bad) => Err(AccountError::Name(bad)),
            Ok(_) => sign_up::resend(&app.desk(), email, &asking).await,
        };
        return match handle {
            Ok(handle) => {
                let handle = format!("handle={}", urls::encode(&handle));
                Ok(see_other(&app.urls, &asked.with(open.as_ref(), urls::VERIFY_EMAIL, &handle)))
            }
            Err(error) => Ok(again(asked, open.as_ref(), Wrong::say(error, asked)?, email)),
        };
    }
    asked.check(VERIFY, open.as_ref(), &sent)?;
    let (token, handle, code) = (sent.get("token"), sent.get("handle").unwrap_or_default(), sent.trimmed("code"));
    if token.is_none() {
        // The switch at the foot leads back to where the code is typed.
        asked.here = Some(asked.with(open.as_ref(), urls::VERIFY_EMAIL, &format!("handle={}", urls::encode(handle))));
    }
    let proof = match token {
        Some(token) => Proof::Token(token),
        None => Proof::Code { handle, code },
    };
    match sign_up::verify_email(&app.desk(), proof, &asked.asking(&by, device.as_deref())).await {
        Ok(confirmed) => Ok(see_other(&app.urls, &asked.with(open.as_ref(), urls::VERIFY_EMAIL, done(&confirmed)))),
        Err(error) => {
            let by_code = matches!(error, AccountError::Code(_));
            let wrong = Wrong::say(error, asked)?;
            Ok(if by_code { waiting(asked, open.as_ref(), handle, wrong) } else { again(asked, open.as_ref(), wrong, "") })
        }
    }
}

/// What the page behind a confirmation is told in its address.
pub(super) fn done(confirmed: &Confirmed) -> &'static str {
    match confirmed {
        Confirmed { user, .. } if user.reset_required => CHOOSE,
        Confirmed { nameless: true, .. } => NAMELESS,
        _ => "done=1",
    }
}

/// Two passwords were given when somebody signed up with the address: none counts.
const CHOOSE: &str = "done=choose";
const NAMELESS: &str = "done=nameless";

/// The page says as well, where it is so, that the user name is somebody else's, and where to choose another.
pub(super) fn named(page: Simple, asked: &Asked<'_>, done: &str) -> Simple {
    if NAMELESS.strip_prefix("done=") != Some(done) {
        return page;
    }
    let l = asked.page().l;
    let notice = Notice { tone: "warn", title: l.t("nameless-title"), text: l.t("nameless-text"), wait: None };
    Simple { notice: Some(notice), ..page }.link(asked.app.urls.path(urls::ACCOUNT), l.t("nameless-button"))
}

/// A mail is on its way, if there is anybody to get it.
fn waiting(asked: &Asked<'_>, open: Option<&Open>, handle: &str, wrong: Wrong) -> Response {
    let l = asked.page().l;
    let ask = Ask::new(VERIFY, asked.with(open, urls::VERIFY_EMAIL, ""), l.t("verify-button"))
        .hidden("handle", handle)
        .field(code_field(&l, wrong.of("code")).focus(!wrong.any()));
    let mut page = Simple::new("verify-waiting", l.t("mail-sent-title"))
        .lead(l.t("verify-waiting-lead"))
        .of(open)
        .ask(ask)
        .link(asked.with(open, urls::VERIFY_EMAIL, ""), l.t("mail-again"))
        .link(asked.with(open, urls::SIGN_IN, ""), l.t("sign-in"));
    page.notice = wrong.notice;
    page.show(asked, open.map_or("", |open| &open.id))
}

/// Asks where to send a new mail.
fn again(asked: &Asked<'_>, open: Option<&Open>, wrong: Wrong, typed: &str) -> Response {
    let l = asked.page().l;
    let ask = Ask::new(RESEND, asked.with(open, urls::VERIFY_EMAIL, ""), l.t("mail-send"))
        .field(Field::new("email", "email", l.t("email"), "email").value(typed).focus(!wrong.any()).wrong(wrong.of("email")));
    let mut page = Simple::new("verify-again", l.t("verify-again-title"))
        .lead(l.t("verify-again-lead"))
        .of(open)
        .ask(ask)
        .link(asked.with(open, urls::SIGN_IN, ""), l.t("sign-in"));
    page.notice = wrong.notice;
    page.show(asked, open.map_or("", |open| &open.id))
}
