//! The links of mails about an address: the new one is confirmed, the old one comes back. Nobody needs to be signed in: whoever reads the mail has
//! the address. A link shows a button, and only the button uses it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;

use super::super::simple::{Ask, Simple, Wrong, code_field};
use super::super::{Asked, sent, shown};
use crate::accounts::address;
use crate::accounts::desk::Proof;
use crate::accounts::users::AccountError;
use crate::app::App;
use crate::browser::csrf;
use crate::browser::error::PageError;
use crate::browser::form::Form;
use crate::browser::layout::see_other;
use crate::browser::visit::Visit;
use crate::once::links::Purpose;
use crate::storage::durable::Actor;
use crate::urls;

/// The names of the forms, for their tokens.
const CONFIRM: &str = "confirm-email";
const UNDO: &str = "undo-email";

pub async fn show_confirm(State(app): State<Arc<App>>, visit: Visit) -> Response {
    shown(&app, visit, confirm_page).await
}

async fn confirm_page(asked: &mut Asked<'_>) -> Result<Response, PageError> {
    let app = asked.app;
    asked.signed_in().await?;
    let l = asked.page().l;
    if asked.visit.query("done").is_some() {
        let page = Simple::new("email-done", l.t("account-email-done-title")).seal("", "good").lead(l.t("account-email-done-lead"));
        return Ok(page.next(app.urls.path(urls::ACCOUNT), l.t("account-back")).show(asked, ""));
    }
    if let Some(token) = asked.visit.query("token") {
        return Ok(match app.desk().look(Purpose::ChangeEmail, &token, asked.now).await {
            Ok(link) => {
                let address = link.data["email"].as_str().unwrap_or_default().to_owned();
                let ask = Ask::new(CONFIRM, app.urls.path(urls::CHANGE_EMAIL), l.t("account-confirm-button")).hidden("token", token);
                let page = Simple::new("confirm-email-title", l.t("account-confirm-title"));
                page.lead(l.with("account-confirm-lead", "email", address)).ask(ask).show(asked, "")
            }
            Err(error) => over(asked, Wrong::say(error, asked)?),
        });
    }
    match asked.visit.query("handle") {
        Some(handle) => Ok(waiting(asked, &handle, Wrong::default())),
        None => Ok(see_other(&app.urls, &app.urls.path(urls::ACCOUNT_EMAIL))),
    }
}

pub async fn confirm(State(app): State<Arc<App>>, request: Request) -> Response {
    sent(&app, request, confirming).await
}

async fn confirming(asked: &mut Asked<'_>, request: Request) -> Result<Response, PageError> {
    let app = asked.app;
    csrf::same_origin(&asked.visit, &app.urls)?;
    let sent = Form::read(request).await?;
    asked.signed_in().await?;
    let handle = sent.get("handle").unwrap_or_default();
    asked.here = Some(format!("{}?handle={}", app.urls.path(urls::CHANGE_EMAIL), urls::encode(handle)));
    asked.check(CONFIRM, None, &sent)?;
    let proof = match sent.get("token") {
        Some(token) => Proof::Token(token),
        None => Proof::Code { handle, code: sent.trimmed("code") },
    };
    let by = asked.act(Actor::Anonymous, None);
    let device = asked.device();
    let done = address::confirm_change(&app.desk(), proof, &asked.asking(&by, device.as_deref())).await;
    match done {
        Ok(_) => Ok(see_other(&app.urls, &format!("{}?done=1", app.urls.path(urls::CHANGE_EMAIL)))),
        Err(error) => {
            let by_code = matches!(error, AccountError::Code(_));
            let wrong = Wrong::say(error, asked)?;
            Ok(if by_code { waiting(asked, handle, wrong) } else { over(asked, wrong) })
        }
    }
}

/// A mail is on its way to the new address, if it is nobody else's.
fn waiting(asked: &Asked<'_>, handle: &str, wrong: Wrong) -> Response {
    let l = asked.page().l;
    let ask = Ask::new(CONFIRM, asked.app.urls.path(urls::CHANGE_EMAIL), l.t("account-confirm-button"))
        .hidden("handle", handle)
        .field(code_field(&l, wrong.of("code")).focus(!wrong.any()));
    let mut page = Simple::new("email-waiting", l.t("mail-sent-title"))
        .lead(l.t("account-email-waiting"))
        .ask(ask)
        .link(asked.app.urls.path(urls::ACCOUNT_EMAIL), l.t("mail-again"))
        .link(asked.app.urls.path(urls::ACCOUNT), l.t("account-back"));
    page.notice = wrong.notice;
    page.show(asked, "")
}

/// The link leads nowhere.
fn over(asked: &Asked<'_>, wrong: Wrong) -> Response {
    let l = asked.page().l;
    let mut page = Simple::new("email-over", l.t("account-email-title")).next(asked.app.urls.path(urls::ACCOUNT), l.t("account-back"));
    page.notice = wrong.notice;
    page.show(asked, "")
}

pub async fn show_undo(State(app): State<Arc<App>>, visit: Visit) -> Response {
    shown(&app, visit, undo_page).await
}

async fn undo_page(asked: &mut Asked<'_>) -> Result<Response, PageError> {
    let app = asked.app;
    let l = asked.page().l;
    if asked.visit.query("done").is_some() {
        let page = Simple::new("undo-done", l.t("account-undo-done-title")).seal("", "good").lead(l.t("account-undo-done-lead"));
        return Ok(page.next(app.urls.path(urls::RECOVER), l.t("reset-title")).show(asked, ""));
    }
    let token = asked.visit.query("token").unwrap_or_default();
    Ok(match app.desk().look(Purpose::UndoEmail, &token, asked.now).await {
        Ok(link) => {
            let address = link.data["email"].as_str().unwrap_or_default().to_owned();
            let ask = Ask::new(UNDO, app.urls.path(urls::UNDO_EMAIL), l.t("account-undo-button")).hidden("token", token);
            let page = Simple::new("undo-title", l.t("account-undo-title")).seal("warn", "warn");
            page.lead(l.with("account-undo-lead", "email", address)).ask(ask).show(asked, "")
        }
        Err(error) => over(asked, Wrong::say(error, asked)?),
    })
}

pub async fn undo(State(app): State<Arc<App>>, request: Request) -> Response {
    sent(&app, request, undoing).await
}

async fn undoing(asked: &mut Asked<'_>, request: Request) -> Result<Response, PageError> {
    let app = asked.app;
    csrf::same_origin(&asked.visit, &app.urls)?;
    let sent = Form::read(request).await?;
    asked.here = Some(app.urls.path(urls::HOME));
    asked.check(UNDO, None, &sent)?;
    let by = asked.act(Actor::Anonymous, None);
    let device = asked.device();
    let asking = asked.asking(&by, device.as_deref());
    let done = address::undo_change(&app.desk(), sent.get("token").unwrap_or_default(), &asking).await;
    match done {
        Ok(_) => Ok(see_other(&app.urls, &format!("{}?done=1", app.urls.path(urls::UNDO_EMAIL)))),
        Err(error) => Ok(over(asked, Wrong::say(error, asked)?)),
    }
}
