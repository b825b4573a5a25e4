//! What happened to the account, in words: the last things on `/account`, all of them here, page by page.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::super::{Asked, shown};
use super::signed_in;
use crate::accounts::activity::{self, Activity, Hand};
use crate::app::App;
use crate::browser::error::PageError;
use crate::browser::layout::{LONGEST_NAME, Page, Words, html, shown_name};
use crate::browser::visit::Visit;
use crate::i18n::date_time;
use crate::storage::StorageError;
use crate::storage::durable::SignedIn;
use crate::urls;

/// So much on a page.
const PAGE: u32 = 25;

/// A line of the list.
pub(super) struct Entry {
    id: i64,
    pub icon: &'static str,
    /// Something that should make its reader look twice.
    pub is_warning: bool,
    pub title: String,
    /// In the browser that looks at it.
    pub here: bool,
    /// When, where, with what, by whom.
    pub facts: Vec<String>,
}

#[derive(Template)]
#[template(path = "account_activity.html")]
struct All<'a> {
    page: &'a Page<'a>,
    entries: Vec<Entry>,
    /// Pages were turned already.
    is_later: bool,
    newest: String,
    older: Option<String>,
    change_password: String,
    account: String,
}

pub async fn show(State(app): State<Arc<App>>, visit: Visit) -> Response {
    shown(&app, visit, page).await
}

async fn page(asked: &mut Asked<'_>) -> Result<Response, PageError> {
    let signed_in = match signed_in(asked, urls::ACCOUNT_ACTIVITY).await? {
        Ok(signed_in) => signed_in,
        Err(elsewhere) => return Ok(elsewhere),
    };
    // A number that is none begins at the newest, like no number.
    let before = asked.visit.query("before").and_then(|before| before.parse::<i64>().ok());
    let mut entries = entries(asked, &signed_in, before, PAGE + 1).await?;
    let path = |path: &str| asked.app.urls.path(path);
    let more = entries.len() > PAGE as usize;
    entries.truncate(PAGE as usize);
    let older = entries.last().filter(|_| more).map(|last| format!("{}?before={}", path(urls::ACCOUNT_ACTIVITY), last.id));
    let page = asked.page();
    let template = All {
        entries,
        is_later: before.is_some(),
        newest: path(urls::ACCOUNT_ACTIVITY),
        older,
        change_password: path(urls::ACCOUNT_PASSWORD),
        account: path(urls::ACCOUNT),
        page: &page,
    };
    Ok(html(&page, StatusCode::OK, &template))
}

/// What happened to the account of whoever is signed in, in the language of the page.
pub(super) async fn entries(asked: &Asked<'_>, signed_in: &SignedIn, before: Option<i64>, limit: u32) -> Result<Vec<Entry>, StorageError> {
    let l = asked.page().l;
    let mut entries = Vec::new();
    for found in activity::recent(&asked.app.desk(), &signed_in.user.id, before, limit).await? {
        let app = match &found.client_id {
            Some(client_id) => {
                let record = asked.app.storage.clients.find(client_id).await?;
                Some(record.map_or_else(|| client_id.clone(), |record| shown_name(record.client.display_name(), LONGEST_NAME)))
            }
            None => None,
        };
        entries.push(entry(&l, found, app, &signed_in.session.id));
    }
    Ok(entries)
}

fn entry(l: &Words, found: Activity, app: Option<String>, here: &str) -> Entry {
    let (icon, title) = title(l, &found, app.as_deref());
    let is_warning = found.refused.is_some()
        || matches!(found.act.as_str(), "user.password_breached" | "user.restore_email" | "user.disable" | "user.locked");
    let mut facts = vec![date_time(l.lang, found.at)];
    if let Some(reason) = &found.refused {
        facts.extend(why(l, reason));
    }
    if found.count > 1 {
        facts.push(l.count("activity-times", "times", found.count.unsigned_abs()));
    }
    facts.extend(found.address.map(|address| l.with("account-session-from", "address", address)));
    facts.extend(found.device);
    // The titles of the others name the app.
    if let (Some(app), "session.start" | "session.renew" | "sign_in") = (app, found.act.as_str()) {
        facts.push(l.with("activity-for-app", "app", app));
    }
    match found.by {
        Hand::Link => facts.push(l.t("activity-by-link")),
        Hand::Administrator => facts.push(l.t("activity-by-administrator")),
        Hand::Somebody if found.act == "session.end" => facts.push(l.t("activity-by-another")),
        Hand::Own | Hand::App | Hand::Server | Hand::Somebody => {}
    }
    let here = found.act.starts_with("session.") && found.session.as_deref() == Some(here);
    Entry { id: found.id, icon, is_warning, title, here, facts }
}

fn title(l: &Words, found: &Activity, app: Option<&str>) -> (&'static str, String) {
    let (icon, key) = match found.act.as_str() {
        "sign_in" => ("alert", "activity-sign-in-refused"),
        "token.refresh" => return ("alert", l.with("activity-reuse", "app", app.unwrap_or("–"))),
        "session.start" => ("device", "activity-session-start"),
        "session.renew" => ("device", "activity-session-renew"),
        "session.end" => ("device", "activity-session-end"),
        "session.end_all" | "user.end_sessions" => ("device", "activity-session-end-all"),
        "grant.open" => return ("link", l.with("activity-grant-open", "app", app.unwrap_or("–"))),
        "grant.revoke" => return ("link", l.with("activity-grant-revoke", "app", app.unwrap_or("–"))),
        "consent.allow" => return ("link", l.with("activity-consent-allow", "app", app.unwrap_or("–"))),
        "consent.withdraw" => return ("link", l.with("activity-consent-withdraw", "app", app.unwrap_or("–"))),
        "user.sign_up" | "user.create" => ("person", "activity-created"),
        "user.import" => ("person", "activity-import"),
        "user.set_roles" => ("person", "activity-set-roles"),
        "user.verify_email" => ("mail", "activity-verify-email"),
        "user.set_verified" => ("mail", "activity-set-verified"),
        "user.request_email" => ("mail", "activity-request-email"),
        "user.change_email" | "user.set_email" => ("mail", "activity-change-email"),
        "user.restore_email" => ("mail", "activity-restore-email"),
        "user.request_reset" => ("key", "activity-request-reset"),
        "user.require_reset" => ("key", "activity-require-reset"),
        "user.reset_password" => ("key", "activity-reset-password"),
        "user.change_password" | "user.set_password" => ("key", "activity-change-password"),
        "user.password_breached" => ("alert", "activity-password-breached"),
        "user.disable" => ("alert", "activity-disable"),
        "user.enable" => ("good", "activity-enable"),
        "user.locked" => ("alert", "activity-locked"),
        "user.unlock" => ("good", "activity-unlock"),
        _ => ("person", "activity-update"),
    };
    (icon, l.t(key))
}

/// Why a sign-in was refused; what else there is needs no words of its own.
fn why(l: &Words, reason: &str) -> Option<String> {
    let key = match reason {
        "wrong_password" => "activity-why-wrong-password",
        "locked" => "activity-why-locked",
        "disabled" => "activity-why-disabled",
        "reset_required" => "activity-why-reset-required",
        "no_password" => "activity-why-no-password",
        "changed" => "activity-why-changed",
        _ => return None,
    };
    Some(l.t(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;
    use crate::i18n::Lang;

    fn happened(act: &str, refused: Option<&str>, by: Hand) -> Activity {
        Activity {
            id: 1,
            at: Time::UNIX_EPOCH,
            act: act.to_owned(),
            refused: refused.map(str::to_owned),
            by,
            address: Some("192.0.2.7".to_owned()),
            device: Some("Firefox, Linux".to_owned()),
            client_id: None,
            session: Some("ses_1".to_owned()),
            count: 3,
        }
    }

    #[test]
    fn every_act_that_is_told_has_words_of_its_own() {
        let l = Words { lang: Lang::En };
        for act in activity::DONE.into_iter().chain(activity::REFUSED) {
            let (_, words) = title(&l, &happened(act, None, Hand::Own), Some("Notes"));
            assert!(act == "user.update" || words != l.t("activity-update"), "{act}");
        }
    }

    #[test]
    fn a_line_says_when_why_how_often_and_from_where() {
        let refused = entry(&Words { lang: Lang::Es }, happened("sign_in", Some("wrong_password"), Hand::Somebody), None, "ses_1");
        assert!(refused.is_warning && !refused.here);
        assert_eq!(
            refused.facts,
            ["1 de enero de 1970, 00:00 UTC", "contraseña incorrecta", "3 veces", "desde 192.0.2.7", "Firefox, Linux"]
        );
        let own = entry(&Words { lang: Lang::En }, happened("session.start", None, Hand::Own), Some("Notes".to_owned()), "ses_1");
        assert!(own.here && own.facts.last().is_some_and(|fact| fact == "for Notes"), "{:?}", own.facts);
    }
}
