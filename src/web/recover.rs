//! A new password for somebody who does not know the old one: asking for the mail, and choosing with its link or code.
//!
//! Whether an address has an account is never shown. A link shows the form, and only the form uses it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::flow::Open;
use super::sign_up::{self, named, opened};
use super::simple::{Ask, Simple, Wrong, code_field};
use super::{Asked, LONGEST_PASSWORD, sent, shown};
use crate::accounts::desk::Proof;
use crate::accounts::recovery;
use crate::accounts::users::AccountError;
use crate::app::App;
use crate::browser::csrf;
use crate::browser::error::PageError;
use crate::browser::form::{Field, Form};
use crate::browser::layout::see_other;
use crate::browser::visit::Visit;
use crate::once::links::Purpose;
use crate::storage::durable::Actor;
use crate::urls;

/// The names of the forms, for their tokens.
const RECOVER: &str = "recover";
const RESET: &str = "reset";

pub async fn show(State(app): State<Arc<App>>, visit: Visit) -> Response {
    let mut asked = Asked::new(&app, visit);
    let outcome = match opened(&mut asked, urls::RECOVER).await {
        Ok(open) => {
            let hint = open.as_ref().and_then(Open::hint).unwrap_or_default().to_owned();
            Ok(form(&asked, open.as_ref(), &hint, Wrong::default()))
        }
        Err(error) => Err(error),
    };
    asked.finish(outcome)
}

pub async fn submit(State(app): State<Arc<App>>, request: Request) -> Response {
    sent(&app, request, asking_for_mail).await
}

async fn asking_for_mail(asked: &mut Asked<'_>, request: Request) -> Result<Response, PageError> {
    let app = asked.app;
    csrf::same_origin(&asked.visit, &app.urls)?;
    let sent = Form::read(request).await?;
    let open = opened(asked, urls::RECOVER).await?;
    asked.here.get_or_insert_with(|| app.urls.path(urls::RECOVER));
    asked.check(RECOVER, open.as_ref(), &sent)?;
    let typed = sent.trimmed("username");
    let client = open.as_ref().map(|open| open.client.client_id.clone());
    let by = asked.act(Actor::Anonymous, client.as_deref());
    let device = asked.device();
    let handle = recovery::request_reset(&app.desk(), typed, &asked.asking(&by, device.as_deref())).await;
    match handle {
        Ok(handle) => {
            let handle = format!("handle={}", urls::encode(&handle));
            Ok(see_other(&app.urls, &asked.with(open.as_ref(), urls::RESET, &handle)))
        }
        Err(AccountError::Name(_)) => {
            let wrong = Wrong::at("username", asked.page().l.t("sign-in-identifier-missing"));
            Ok(form(asked, open.as_ref(), typed, wrong))
        }
        Err(error) => Ok(form(asked, open.as_ref(), typed, Wrong::say(error, asked)?)),
    }
}

fn form(asked: &Asked<'_>, open: Option<&Open>, typed: &str, wrong: Wrong) -> Response {
    let l = asked.page().l;
    let ask = Ask::new(RECOVER, asked.with(open, urls::RECOVER, ""), l.t("mail-send")).field(
        Field::new("username", "text", l.t("sign-in-identifier"), "username").value(typed).focus(!wrong.any()).wrong(wrong.of("username")),
    );
    let mut page = Simple::new("recover-title", l.t("recover-title"))
        .lead(l.t("recover-lead"))
        .of(open)
        .ask(ask)
        .link(asked.with(open, urls::SIGN_IN, ""), l.t("sign-in"));
    page.notice = wrong.notice;
    page.show(asked, open.map_or("", |open| &open.id))
}

pub async fn show_reset(State(app): State<Arc<App>>, visit: Visit) -> Response {
    shown(&app, visit, reset_page).await
}

async fn reset_page(asked: &mut Asked<'_>) -> Result<Response, PageError> {
    let app = asked.app;
    let open = opened(asked, urls::RESET).await?;
    asked.here = None;
    let l = asked.page().l;
    if let Some(done) = asked.visit.query("done") {
        let to = asked.with(open.as_ref(), urls::SIGN_IN, "");
        let page =
            Simple::new("reset-done", l.t("reset-done-title")).lead(l.t("reset-done-lead")).seal("", "good").next(to, l.t("sign-in"));
        return Ok(named(page, asked, &done).show(asked, ""));
    }
    Ok(match (asked.visit.query("token"), asked.visit.query("handle")) {
        (Some(token), _) => match app.desk().look(Purpose::ResetPassword, &token, asked.now).await {
            Ok(_) => choose(asked, open.as_ref(), &Given::Token(&token), Wrong::default()),
            Err(error) => form(asked, open.as_ref(), "", Wrong::say(error, asked)?),
        },
        (None, Some(handle)) => choose(asked, open.as_ref(), &Given::Handle(&handle), Wrong::default()),
        (None, None) => see_other(&app.urls, &asked.with(open.as_ref(), urls::RECOVER, "")),
    })
}

/// What the form goes by: the link of the mail, or the code that is to be typed.
enum Given<'a> {
    Token(&'a str),
    Handle(&'a str),
}

pub async fn reset(State(app): State<Arc<App>>, request: Request) -> Response {
    sent(&app, request, resetting).await
}

async fn resetting(asked: &mut Asked<'_>, request: Request) -> Result<Response, PageError> {
    let app = asked.app;
    csrf::same_origin(&asked.visit, &app.urls)?;
    let sent = Form::read(request).await?;
    let open = opened(asked, urls::RESET).await?;
    asked.here.get_or_insert_with(|| app.urls.path(urls::RECOVER));
    asked.check(RESET, open.as_ref(), &sent)?;
    let (handle, code) = (sent.get("handle").unwrap_or_default(), sent.trimmed("code"));
    let back = match sent.get("token") {
        Some(token) => format!("token={}", urls::encode(token)),
        None => format!("handle={}", urls::encode(handle)),
    };
    asked.here = Some(asked.with(open.as_ref(), urls::RESET, &back));
    let (given, proof) = match sent.get("token") {
        Some(token) => (Given::Token(token), Proof::Token(token)),
        None => (Given::Handle(handle), Proof::Code { handle, code }),
    };
    let password = sent.get("password").unwrap_or_default();
    if password.is_empty() {
        // A code is not tried for a form that cannot work.
        let wrong = Wrong::at("password", asked.page().l.t("setup-password-missing"));
        return Ok(choose(asked, open.as_ref(), &given, wrong));
    }
    let client = open.as_ref().map(|open| open.client.client_id.clone());
    let by = asked.act(Actor::Anonymous, client.as_deref());
    let device = asked.device();
    let done = recovery::reset(&app.desk(), proof, password, &asked.asking(&by, device.as_deref())).await;
    match done {
        Ok(confirmed) => Ok(see_other(&app.urls, &asked.with(open.as_ref(), urls::RESET, sign_up::done(&confirmed)))),
        Err(error @ AccountError::Link(_)) => Ok(form(asked, open.as_ref(), "", Wrong::say(error, asked)?)),
        Err(error) => {
            let wrong = Wrong::say(error, asked)?;
            Ok(choose(asked, open.as_ref(), &given, wrong))
        }
    }
}

fn choose(asked: &Asked<'_>, open: Option<&Open>, given: &Given<'_>, wrong: Wrong) -> Response {
    let l = asked.page().l;
    let fresh = !wrong.any();
    let mut ask = Ask::new(RESET, asked.with(open, urls::RESET, ""), l.t("reset-button"));
    let mut page = match given {
        Given::Token(token) => {
            ask = ask.hidden("token", *token);
            Simple::new("reset-title", l.t("reset-title")).lead(l.t("reset-lead"))
        }
        Given::Handle(handle) => {
            ask = ask.hidden("handle", *handle).field(code_field(&l, wrong.of("code")).focus(fresh));
            let again = asked.with(open, urls::RECOVER, "");
            Simple::new("reset-waiting", l.t("mail-sent-title")).lead(l.t("reset-waiting-lead")).link(again, l.t("mail-again"))
        }
    };
    ask = ask.field(
        Field::new("password", "password", l.t("password-new"), "new-password")
            .longest(LONGEST_PASSWORD)
            .hint(l.t("password-hint"))
            .focus(fresh && matches!(given, Given::Token(_)))
            .wrong(wrong.of("password")),
    );
    page = page.of(open).ask(ask).link(asked.with(open, urls::SIGN_IN, ""), l.t("sign-in"));
    page.notice = wrong.notice;
    page.show(asked, open.map_or("", |open| &open.id))
}
