//! What happened to somebody's account, as they are told of it: from the audit trail, without what is somebody else's.
//!
//! Owns: which acts are told, who did them from the person's side, and what of a row is theirs to know. An administrator is never named, nor where
//! they sat. Leaves to others: the rows (`storage.audit`), the words (`web`), JSON (`api`).

use super::desk::Desk;
use crate::request::device;
use crate::storage::durable::{ActivityOf, ActivityRow};
use crate::storage::{StorageError, Time};

/// What is told when it was done. Refusals of these are not: why a change was refused may be another person's.
pub const DONE: [&str; 30] = [
    "session.start",
    "session.renew",
    "session.end",
    "session.end_all",
    "grant.open",
    "grant.revoke",
    "consent.allow",
    "consent.withdraw",
    "user.sign_up",
    "user.create",
    "user.import",
    "user.update",
    "user.set_email",
    "user.set_verified",
    "user.set_roles",
    "user.verify_email",
    "user.request_email",
    "user.change_email",
    "user.restore_email",
    "user.request_reset",
    "user.require_reset",
    "user.reset_password",
    "user.change_password",
    "user.set_password",
    "user.password_breached",
    "user.end_sessions",
    "user.disable",
    "user.enable",
    "user.locked",
    "user.unlock",
];

/// What is told when it was refused: attempts that somebody else may have made.
pub const REFUSED: [&str; 2] = ["sign_in", "token.refresh"];

/// Who did it, from the person's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    /// Signed in as this person.
    Own,
    /// Whoever opened a link of a message to them.
    Link,
    /// An app, with its own credentials.
    App,
    /// Somebody who looks after the server, or an app of theirs.
    Administrator,
    /// The server by itself.
    Server,
    /// Nobody who proved to be somebody: a failed sign-in, a request for a message; or another person in the same browser.
    Somebody,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Larger for later ones.
    pub id: i64,
    pub at: Time,
    /// Of [`DONE`] or [`REFUSED`].
    pub act: String,
    /// Why it was refused; none: it was done.
    pub refused: Option<String>,
    pub by: Hand,
    pub address: Option<String>,
    /// In words of ours.
    pub device: Option<String>,
    /// The app that it is about, or in whose flow it happened.
    pub client_id: Option<String>,
    /// The session that it is about.
    pub session: Option<String>,
    /// How often within its minute.
    pub count: i64,
}

/// The newest first, at most `limit`; `before` is the id of the last one of the page before.
///
/// # Errors
/// The fault of the store.
pub async fn recent(desk: &Desk<'_>, user_id: &str, before: Option<i64>, limit: u32) -> Result<Vec<Activity>, StorageError> {
    let of = ActivityOf { user_id, done: &DONE, refused: &REFUSED };
    let rows = desk.door.audit.activity(&of, before, limit).await?;
    Ok(rows.into_iter().map(|told| theirs(told, user_id)).collect())
}

/// A row without what is not theirs.
fn theirs(told: ActivityRow, user_id: &str) -> Activity {
    let ActivityRow { row, user_agent } = told;
    let by = hand(&row.act, &row.actor, user_id);
    let subject = row.subject.as_deref().unwrap_or_default();
    let session = subject.strip_prefix("session:").map(str::to_owned);
    let of_consent = subject.strip_prefix("consent:").and_then(|rest| rest.split_once(':')).map(|(_, client)| client.to_owned());
    // Where a row is somebody else's doing, its address and app are theirs.
    let own = match by {
        Hand::Administrator | Hand::Server => false,
        Hand::Somebody => row.actor == "anonymous",
        Hand::Own | Hand::Link | Hand::App => true,
    };
    Activity {
        id: row.id,
        at: row.at,
        refused: (row.result == "refused").then(|| row.reason.unwrap_or_default()),
        address: row.address.filter(|_| own),
        // A session's browser is this person's, whoever ended it.
        device: user_agent.as_deref().and_then(device),
        client_id: of_consent.or_else(|| row.client_id.filter(|_| own)),
        session,
        count: row.count,
        act: row.act,
        by,
    }
}

fn hand(act: &str, actor: &str, user_id: &str) -> Hand {
    match actor.split_once(':') {
        Some(("person", id)) if id == user_id => Hand::Own,
        // Whoever signs in where this person was ends their session there.
        Some(("person", _)) if act == "session.end" => Hand::Somebody,
        Some(("client", _)) if of_an_app(act) => Hand::App,
        Some(_) => Hand::Administrator,
        None => match actor {
            "anonymous" if matches!(act, "user.verify_email" | "user.change_email" | "user.restore_email" | "user.reset_password") => {
                Hand::Link
            }
            "anonymous" if act == "user.sign_up" => Hand::Own,
            // By an old service's front end, which shows no secret of its own.
            "anonymous" if act == "grant.open" => Hand::App,
            "anonymous" => Hand::Somebody,
            "operator" => Hand::Administrator,
            _ => Hand::Server,
        },
    }
}

/// What an app does or notices when it signs somebody in, by its own credentials; everything else that a client does is administration.
fn of_an_app(act: &str) -> bool {
    matches!(act, "sign_in" | "grant.open" | "grant.revoke" | "token.refresh" | "user.locked" | "user.password_breached")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::durable::AuditRow;

    fn told(act: &str, actor: &str, subject: &str) -> Activity {
        let row = AuditRow {
            id: 7,
            at: Time::UNIX_EPOCH,
            act: act.to_owned(),
            actor: actor.to_owned(),
            subject: Some(subject.to_owned()),
            client_id: Some("app".to_owned()),
            address: Some("192.0.2.7".to_owned()),
            request_id: "req".to_owned(),
            result: if REFUSED.contains(&act) { "refused" } else { "done" }.to_owned(),
            reason: REFUSED.contains(&act).then(|| "wrong_password".to_owned()),
            count: 1,
        };
        let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0".to_owned();
        theirs(ActivityRow { row, user_agent: subject.starts_with("session:").then_some(agent) }, "ana")
    }

    #[test]
    fn an_administrator_is_not_named_nor_where_they_sat() {
        for (act, actor) in [("user.disable", "person:bea"), ("user.update", "client:backoffice"), ("user.set_password", "operator")] {
            let told = told(act, actor, "user:ana");
            assert_eq!((told.by, told.address, told.client_id), (Hand::Administrator, None, None), "{act}");
        }
        let told = told("user.password_breached", "system", "user:ana");
        assert_eq!((told.by, told.address), (Hand::Server, None));
    }

    #[test]
    fn another_person_in_the_same_browser_is_somebody() {
        let told = told("session.end", "person:bea", "session:ses_1");
        assert_eq!((told.by, told.address, told.client_id), (Hand::Somebody, None, None));
        assert_eq!((told.device.as_deref(), told.session.as_deref()), (Some("Firefox, Linux"), Some("ses_1")));
    }

    #[test]
    fn ones_own_acts_and_attempts_keep_their_place() {
        let own = told("session.start", "person:ana", "session:ses_1");
        assert_eq!((own.by, own.address.as_deref(), own.device.as_deref()), (Hand::Own, Some("192.0.2.7"), Some("Firefox, Linux")));
        let failed = told("sign_in", "anonymous", "user:ana");
        assert_eq!((failed.by, failed.address.as_deref()), (Hand::Somebody, Some("192.0.2.7")));
        assert_eq!(failed.refused.as_deref(), Some("wrong_password"));
        assert_eq!(told("user.reset_password", "anonymous", "user:ana").by, Hand::Link);
        let app = told("grant.open", "client:app", "grant:00");
        assert_eq!((app.by, app.client_id.as_deref()), (Hand::App, Some("app")));
        assert_eq!(told("user.locked", "client:app", "user:ana").by, Hand::App);
        assert_eq!(told("grant.open", "anonymous", "grant:00").by, Hand::App);
        assert_eq!(told("consent.withdraw", "person:ana", "consent:ana:other").client_id.as_deref(), Some("other"));
    }
}
