//! Who did what, on what, from where, with what result: append only.

use std::net::IpAddr;

use async_trait::async_trait;
use serde::Serialize;

use super::super::{Result, Time};

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A signed-in person, by user id.
    Person(String),
    /// A client that authenticated, by client id.
    Client(String),
    /// Whoever runs the command line on the host.
    Operator,
    /// The server itself (key stages, cleaning).
    System,
    /// Nobody who proved anything yet.
    Anonymous,
}

/// The circumstances of a changing step: written into its audit row.
#[derive(Clone, Debug)]
pub struct Act {
    pub actor: Actor,
    /// The client in whose flow it happens, where there is one.
    pub client_id: Option<String>,
    pub address: Option<IpAddr>,
    pub request_id: String,
}

/// A refused act. The same refusal (act, actor, subject, client, address, reason) within one minute is one row with a count.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// Dotted name, such as `sign_in` or `token.refresh`.
    pub act: &'static str,
    /// Kind and id of what it was on, such as `user:usr_…`.
    pub subject: Option<String>,
    /// A stable word, such as `wrong_password`, `locked`, `reuse`.
    pub reason: &'static str,
}

/// One row as it is read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditRow {
    /// Larger for later rows.
    pub id: i64,
    pub at: Time,
    pub act: String,
    /// `person:ID`, `client:ID`, `operator`, `system`, `anonymous`.
    pub actor: String,
    pub subject: Option<String>,
    pub client_id: Option<String>,
    pub address: Option<String>,
    pub request_id: String,
    /// `done` or `refused`.
    pub result: String,
    pub reason: Option<String>,
    /// How often, for refusals; 1 for acts done.
    pub count: i64,
}

/// Which rows: those that fit every member that is there.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditFilter<'a> {
    /// The name of an act, or the first words of it: `client` is `client.create`, too.
    pub act: Option<&'a str>,
    pub actor: Option<&'a str>,
    /// The whole subject, or its first word: `organization:ID` is `organization:ID user:ID`, too.
    pub subject: Option<&'a str>,
    pub client_id: Option<&'a str>,
    pub address: Option<&'a str>,
    pub request_id: Option<&'a str>,
    pub result: Option<&'a str>,
    pub reason: Option<&'a str>,
    /// From here on.
    pub since: Option<Time>,
    /// Up to, and without, here.
    pub until: Option<Time>,
}

/// Which rows a person is shown of their own account.
#[derive(Clone, Copy, Debug)]
pub struct ActivityOf<'a> {
    pub user_id: &'a str,
    /// The acts that are shown when they were done.
    pub done: &'a [&'a str],
    /// The acts that are shown when they were refused.
    pub refused: &'a [&'a str],
}

/// A row that concerns somebody's account, with what is still known of the browser that it happened in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActivityRow {
    pub row: AuditRow,
    /// Of the session that the row is about, as long as that one is kept.
    pub user_agent: Option<String>,
}

#[async_trait]
pub trait Audit: Send + Sync {
    /// Records a refusal that changed nothing else.
    async fn refuse(&self, refusal: &Refusal, now: Time, by: &Act) -> Result<()>;
    /// Records an act whose traces are in the short-lived store alone.
    async fn done(&self, act: &str, subject: Option<String>, now: Time, by: &Act) -> Result<()>;
    /// Records that somebody looked at what is not theirs, and changed nothing. The same look within one minute is one row with a count.
    async fn looked(&self, act: &str, subject: Option<String>, now: Time, by: &Act) -> Result<()>;
    /// The newest rows first, at most `limit`.
    async fn recent(&self, limit: u32) -> Result<Vec<AuditRow>>;
    /// The newest rows first of those that fit, at most `limit`; `before` is the id of the last row of the page before.
    async fn search(&self, filter: &AuditFilter<'_>, before: Option<i64>, limit: u32) -> Result<Vec<AuditRow>>;
    /// What happened to one account, the newest first, at most `limit`: acts on the account itself, whoever did them; its sessions and
    /// permissions; and, where somebody signed in without a browser, the grants of that. Never what its owner did to another account.
    async fn activity(&self, of: &ActivityOf<'_>, before: Option<i64>, limit: u32) -> Result<Vec<ActivityRow>>;
}
