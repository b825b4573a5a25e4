//! The audit trail: rows written inside the transactions of the other contracts, refusals, and reading back.

use async_trait::async_trait;

use super::super::durable::{Act, ActivityOf, ActivityRow, Actor, Audit, AuditFilter, AuditRow, Refusal};
use super::super::{Result, Time};
use super::{Sql, escaped, moment, seconds};
use crate::seal::{Digest, sha256};

/// One text for both results: acts done have no `fold`, and two of them are never the same.
pub(super) const INSERT: &str = "INSERT INTO audit (at, act, actor, subject, client_id, address, request_id, result, reason, count, fold) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 1, $10) \
     ON CONFLICT (fold) DO UPDATE SET count = audit.count + 1";

/// A member of the filter that is not there is NULL, and fits every row. Postgres is told the types, which a NULL does not tell.
const SEARCH: &str = "SELECT id, at, act, actor, subject, client_id, address, request_id, result, reason, count FROM audit WHERE id < $1 \
     AND (CAST($2 AS TEXT) IS NULL OR act = $2 OR act LIKE $3 ESCAPE '\\') \
     AND (CAST($4 AS TEXT) IS NULL OR actor = $4) \
     AND (CAST($5 AS TEXT) IS NULL OR subject = $5 OR subject LIKE $6 ESCAPE '\\') \
     AND (CAST($7 AS TEXT) IS NULL OR client_id = $7) \
     AND (CAST($8 AS TEXT) IS NULL OR address = $8) \
     AND (CAST($9 AS TEXT) IS NULL OR request_id = $9) \
     AND (CAST($10 AS TEXT) IS NULL OR result = $10) \
     AND (CAST($11 AS TEXT) IS NULL OR reason = $11) \
     AND (CAST($12 AS BIGINT) IS NULL OR at >= $12) \
     AND (CAST($13 AS BIGINT) IS NULL OR at < $13) \
     ORDER BY id DESC LIMIT $14";

/// One way by which a row belongs to a person, up to a page of it. The acts are lists such as `|session.start|session.end|`.
macro_rules! theirs {
    ($from:literal, $which:literal) => {
        concat!(
            "SELECT id FROM (SELECT a.id FROM ",
            $from,
            " WHERE ",
            $which,
            " AND a.id < $2 AND ((a.result = 'done' AND $3 LIKE '%|' || a.act || '|%') \
               OR (a.result = 'refused' AND $4 LIKE '%|' || a.act || '|%')) ORDER BY a.id DESC LIMIT $5) AS found"
        )
    };
}

/// Each way goes by an index of its own (the trail's by subject and actor, those of sessions and grants by person) and reads no more than a page.
/// Somebody who signs in where another person was ends that one's session: it is not theirs, whoever the actor is. A grant that came of a
/// session is the session's to tell.
const ACTIVITY: &str = concat!(
    "SELECT a.id, a.at, a.act, a.actor, a.subject, a.client_id, a.address, a.request_id, a.result, a.reason, a.count, s.user_agent FROM (",
    theirs!("audit a", "a.subject = 'user:' || $1"),
    " UNION ",
    theirs!(
        "audit a LEFT JOIN sessions s ON s.id = substr(a.subject, 9)",
        "a.actor = 'person:' || $1 AND ((a.subject LIKE 'session:%' AND (s.user_id IS NULL OR s.user_id = $1)) \
         OR substr(a.subject, 1, length($6)) = $6)"
    ),
    " UNION ",
    theirs!("sessions s JOIN audit a ON a.subject = 'session:' || s.id", "s.user_id = $1"),
    " UNION ",
    theirs!("grants g JOIN audit a ON a.subject = 'grant:' || g.id", "g.user_id = $1 AND (g.session_id IS NULL OR a.act <> 'grant.open')"),
    ") AS own JOIN audit a ON a.id = own.id LEFT JOIN sessions s ON a.subject = 'session:' || s.id ORDER BY a.id DESC LIMIT $5"
);

/// The pattern of what begins with `words` and goes on after `then`.
fn beginning(words: &str, then: &str) -> String {
    format!("{}{then}%", escaped(words))
}

/// A row to be written; see [`audit!`].
pub(super) struct Entry<'a> {
    pub at: i64,
    pub act: &'a str,
    pub actor: String,
    pub subject: Option<String>,
    pub client_id: Option<&'a str>,
    pub address: Option<String>,
    pub request_id: &'a str,
    pub result: &'static str,
    pub reason: Option<&'a str>,
    pub fold: Option<String>,
}

impl<'a> Entry<'a> {
    pub fn done(act: &'a str, subject: impl Into<Option<String>>, now: Time, by: &'a Act) -> Self {
        Self {
            at: seconds(now),
            act,
            actor: actor(&by.actor),
            subject: subject.into(),
            client_id: by.client_id.as_deref(),
            address: by.address.map(|address| address.to_string()),
            request_id: &by.request_id,
            result: "done",
            reason: None,
            fold: None,
        }
    }

    /// The same refusal within a minute is one row with a count.
    pub fn refused(act: &'a str, subject: impl Into<Option<String>>, reason: &'a str, now: Time, by: &'a Act) -> Self {
        Self { result: "refused", reason: Some(reason), ..Self::done(act, subject, now, by) }.folded()
    }

    /// What led to it.
    pub fn because(self, reason: &'a str) -> Self {
        Self { reason: Some(reason), ..self }
    }

    /// The same as others of its minute.
    pub fn folded(mut self) -> Self {
        let minute = self.at.div_euclid(60).to_string();
        let parts = [
            Some(minute.as_str()),
            Some(self.act),
            Some(self.actor.as_str()),
            self.subject.as_deref(),
            self.client_id,
            self.address.as_deref(),
            self.reason,
        ];
        // As JSON, so that no two lists of parts read the same.
        let together = serde_json::to_vec(&parts).expect("strings are always JSON");
        self.fold = Some(Digest(sha256(&together)).hex());
        self
    }
}

fn actor(actor: &Actor) -> String {
    match actor {
        Actor::Person(id) => format!("person:{id}"),
        Actor::Client(id) => format!("client:{id}"),
        Actor::Operator => "operator".to_owned(),
        Actor::System => "system".to_owned(),
        Actor::Anonymous => "anonymous".to_owned(),
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    at: i64,
    act: String,
    actor: String,
    subject: Option<String>,
    client_id: Option<String>,
    address: Option<String>,
    request_id: String,
    result: String,
    reason: Option<String>,
    count: i64,
}

#[derive(sqlx::FromRow)]
struct Told {
    #[sqlx(flatten)]
    row: Row,
    user_agent: Option<String>,
}

/// As the statement looks for one in it.
fn list(acts: &[&str]) -> String {
    format!("|{}|", acts.join("|"))
}

#[async_trait]
impl Audit for Sql {
    async fn refuse(&self, refusal: &Refusal, now: Time, by: &Act) -> Result<()> {
        step!(self, |tx| {
            audit!(tx, Entry::refused(refusal.act, refusal.subject.clone(), refusal.reason, now, by));
            Ok(())
        })
    }

    async fn done(&self, act: &str, subject: Option<String>, now: Time, by: &Act) -> Result<()> {
        step!(self, |tx| {
            audit!(tx, Entry::done(act, subject.clone(), now, by));
            Ok(())
        })
    }

    async fn looked(&self, act: &str, subject: Option<String>, now: Time, by: &Act) -> Result<()> {
        step!(self, |tx| {
            audit!(tx, Entry::done(act, subject.clone(), now, by).folded());
            Ok(())
        })
    }

    async fn search(&self, filter: &AuditFilter<'_>, before: Option<i64>, limit: u32) -> Result<Vec<AuditRow>> {
        let (act, subject) = (filter.act.map(|act| beginning(act, ".")), filter.subject.map(|subject| beginning(subject, " ")));
        let rows = on!(self.read, |db| sqlx::query_as::<_, Row>(SEARCH)
            .bind(before.unwrap_or(i64::MAX))
            .bind(filter.act)
            .bind(act.as_deref())
            .bind(filter.actor)
            .bind(filter.subject)
            .bind(subject.as_deref())
            .bind(filter.client_id)
            .bind(filter.address)
            .bind(filter.request_id)
            .bind(filter.result)
            .bind(filter.reason)
            .bind(filter.since.map(seconds))
            .bind(filter.until.map(seconds))
            .bind(i64::from(limit))
            .fetch_all(db)
            .await)?;
        rows.into_iter().map(AuditRow::try_from).collect()
    }

    async fn activity(&self, of: &ActivityOf<'_>, before: Option<i64>, limit: u32) -> Result<Vec<ActivityRow>> {
        let (done, refused, consents) = (list(of.done), list(of.refused), format!("consent:{}:", of.user_id));
        let rows = on!(self.read, |db| sqlx::query_as::<_, Told>(ACTIVITY)
            .bind(of.user_id)
            .bind(before.unwrap_or(i64::MAX))
            .bind(&done)
            .bind(&refused)
            .bind(i64::from(limit))
            .bind(&consents)
            .fetch_all(db)
            .await)?;
        rows.into_iter().map(|told| Ok(ActivityRow { row: told.row.try_into()?, user_agent: told.user_agent })).collect()
    }

    async fn recent(&self, limit: u32) -> Result<Vec<AuditRow>> {
        let rows = on!(self.read, |db| {
            sqlx::query_as::<_, Row>(
            "SELECT id, at, act, actor, subject, client_id, address, request_id, result, reason, count FROM audit ORDER BY id DESC LIMIT $1"
        )
        .bind(i64::from(limit))
        .fetch_all(db)
        .await
        })?;
        rows.into_iter().map(AuditRow::try_from).collect()
    }
}

impl TryFrom<Row> for AuditRow {
    type Error = super::super::StorageError;

    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            id: row.id,
            at: moment(row.at)?,
            act: row.act,
            actor: row.actor,
            subject: row.subject,
            client_id: row.client_id,
            address: row.address,
            request_id: row.request_id,
            result: row.result,
            reason: row.reason,
            count: row.count,
        })
    }
}
