//! `/v1/audit`: who did what, on what, from where, with what result. Append only: nothing here changes it, and looking at it is a row of its own.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{AuditRead, Granted};
use super::body::Query;
use super::page::{self, Asked};
use super::problem::{Problem, Wrong};
use crate::app::App;
use crate::storage::durable::{AuditFilter, AuditRow};

const KIND: &str = "audit";

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(search))
}

/// One act, done or refused.
#[derive(Serialize, ToSchema)]
pub struct AuditEntry {
    /// Larger for later ones.
    id: String,
    #[schema(format = DateTime)]
    at: String,
    /// Dotted, such as `sign_in` or `client.create`.
    act: String,
    /// `person:ID`, `client:ID`, `operator`, `system` or `anonymous`.
    actor: String,
    /// What it was on, such as `user:ID`.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    /// The client in whose flow it happened.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    request_id: String,
    result: AuditResult,
    /// Why it was refused.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// How often within its minute: the same refusal again is counted.
    count: i64,
}

#[derive(Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuditResult {
    Done,
    Refused,
}

impl AuditResult {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

impl From<AuditRow> for AuditEntry {
    fn from(row: AuditRow) -> Self {
        Self {
            id: row.id.to_string(),
            at: super::moment(row.at),
            act: row.act,
            actor: row.actor,
            subject: row.subject,
            client_id: row.client_id,
            address: row.address,
            request_id: row.request_id,
            result: if row.result == AuditResult::Done.as_str() { AuditResult::Done } else { AuditResult::Refused },
            reason: row.reason,
            count: row.count,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct AuditPage {
    items: Vec<AuditEntry>,
    /// The cursor of the next page, where there is one.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// The name of an act or its first words: `client` finds `client.create`, too.
    #[param(max_length = 100, nullable = false)]
    act: Option<String>,
    /// Who: `person:ID`, `client:ID`, `operator`, `system`, `anonymous`.
    #[param(max_length = 200, nullable = false)]
    actor: Option<String>,
    /// On what, such as `user:ID`.
    #[param(max_length = 400, nullable = false)]
    subject: Option<String>,
    #[param(max_length = 200, nullable = false)]
    client_id: Option<String>,
    #[param(max_length = 100, nullable = false)]
    address: Option<String>,
    #[param(max_length = 200, nullable = false)]
    request_id: Option<String>,
    #[param(inline, nullable = false)]
    result: Option<AuditResult>,
    #[param(max_length = 100, nullable = false)]
    reason: Option<String>,
    /// From here on (RFC 3339).
    #[param(max_length = 40, nullable = false, format = DateTime)]
    since: Option<String>,
    /// Before this moment (RFC 3339).
    #[param(max_length = 40, nullable = false, format = DateTime)]
    until: Option<String>,
    /// So many at most.
    #[param(minimum = 1, maximum = 200, nullable = false)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 400, nullable = false)]
    cursor: Option<String>,
}

/// Search the audit trail, the newest first.
#[utoipa::path(get, path = "/v1/audit", tag = "audit", operation_id = "searchAudit", params(AuditQuery),
    responses((status = 200, description = "A page of it.", body = AuditPage)), security(("oauth" = ["audit:read"])))]
async fn search(
    caller: Granted<AuditRead>,
    State(app): State<Arc<App>>,
    RawQuery(raw): RawQuery,
    Query(query): Query<AuditQuery>,
) -> Result<Response, Problem> {
    let asked = Asked::read(KIND, query.limit, query.cursor.as_deref())?;
    let before = asked.before()?;
    let filter = AuditFilter {
        act: query.act.as_deref(),
        actor: query.actor.as_deref(),
        subject: query.subject.as_deref(),
        client_id: query.client_id.as_deref(),
        address: query.address.as_deref(),
        request_id: query.request_id.as_deref(),
        result: query.result.map(AuditResult::as_str),
        reason: query.reason.as_deref(),
        since: moment("since", query.since.as_deref())?,
        until: moment("until", query.until.as_deref())?,
    };
    let found = app.storage.audit.search(&filter, before, asked.probe()).await?;
    app.storage.audit.looked("audit.search", None, app.clock.now(), &caller.act()).await?;
    let (found, next) = asked.cut(found, KIND, |row| row.id.to_string());
    let page = AuditPage { items: found.into_iter().map(AuditEntry::from).collect(), next: next.clone() };
    Ok(page::answer(&app.urls, "/v1/audit", raw.as_deref(), &page, next.as_deref()))
}

fn moment(name: &str, text: Option<&str>) -> Result<Option<DateTime<Utc>>, Problem> {
    let read = |text: &str| DateTime::parse_from_rfc3339(text).map(|moment| moment.to_utc());
    text.map(read).transpose().map_err(|_| Wrong::parameter(name, "malformed", "problem-field-moment").into())
}
