//! `/v1/me/activity`: what happened to the account of the person whose token it is.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{Account, Granted};
use super::audit::AuditResult;
use super::body::Query;
use super::page::{self, Asked};
use super::problem::Problem;
use crate::accounts::activity::{self, Activity, Hand};
use crate::app::App;

const KIND: &str = "activity";
const PATH: &str = "/v1/me/activity";

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Who did it, from your side. `link`: whoever opened a link of a message to you. `administrator`: somebody who looks after the server, who is not
/// named. `server`: the server by itself. `somebody`: nobody who proved to be somebody.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActivityBy {
    You,
    Link,
    App,
    Administrator,
    Server,
    Somebody,
}

impl From<Hand> for ActivityBy {
    fn from(hand: Hand) -> Self {
        match hand {
            Hand::Own => Self::You,
            Hand::Link => Self::Link,
            Hand::App => Self::App,
            Hand::Administrator => Self::Administrator,
            Hand::Server => Self::Server,
            Hand::Somebody => Self::Somebody,
        }
    }
}

/// Something that happened to your account, or was tried.
#[derive(Serialize, ToSchema)]
pub struct ActivityEntry {
    /// Larger for later ones.
    id: String,
    #[schema(format = DateTime)]
    at: String,
    /// Dotted, such as `session.start`, `consent.allow` or `user.change_password`. More may come.
    act: String,
    result: AuditResult,
    /// Why it was refused, such as `wrong_password`.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[schema(inline)]
    by: ActivityBy,
    /// From where, where that is yours to know.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// Browser and system, as long as they are remembered.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<String>,
    /// The app that it is about, or in whose flow it happened.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// As the app calls itself.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    /// The session that it is about.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    /// How often within its minute: the same refusal again is counted.
    count: i64,
}

#[derive(Serialize, ToSchema)]
pub struct ActivityPage {
    items: Vec<ActivityEntry>,
    /// The cursor of the next page, where there is one.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct ActivityQuery {
    /// So many at most.
    #[param(minimum = 1, maximum = 200, nullable = false)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 400, nullable = false)]
    cursor: Option<String>,
}

/// Show what happened to your account, the newest first: sign-ins and those that were refused, changes, apps, and what administrators did.
#[utoipa::path(get, path = "/v1/me/activity", tag = "me", operation_id = "listMyActivity", params(ActivityQuery),
    responses((status = 200, description = "A page of it.", body = ActivityPage)), security(("oauth" = ["account"])))]
async fn list(
    caller: Granted<Account>,
    State(app): State<Arc<App>>,
    RawQuery(raw): RawQuery,
    Query(query): Query<ActivityQuery>,
) -> Result<Response, Problem> {
    let asked = Asked::read(KIND, query.limit, query.cursor.as_deref())?;
    let before = asked.before()?;
    let found = activity::recent(&app.desk(), &caller.person()?.id, before, asked.probe()).await?;
    let (found, next) = asked.cut(found, KIND, |entry| entry.id.to_string());
    let mut names = BTreeMap::new();
    for client_id in found.iter().filter_map(|entry| entry.client_id.as_deref()) {
        if !names.contains_key(client_id) {
            let record = app.storage.clients.find(client_id).await?;
            names.insert(client_id.to_owned(), record.and_then(|record| record.client.client_name.clone()));
        }
    }
    let items = found.into_iter().map(|entry| told(entry, &names)).collect();
    let page = ActivityPage { items, next: next.clone() };
    Ok(page::answer(&app.urls, PATH, raw.as_deref(), &page, next.as_deref()))
}

fn told(entry: Activity, names: &BTreeMap<String, Option<String>>) -> ActivityEntry {
    ActivityEntry {
        id: entry.id.to_string(),
        at: super::moment(entry.at),
        result: if entry.refused.is_some() { AuditResult::Refused } else { AuditResult::Done },
        reason: entry.refused,
        by: entry.by.into(),
        address: entry.address,
        device: entry.device,
        client_name: entry.client_id.as_ref().and_then(|client_id| names.get(client_id).cloned().flatten()),
        client_id: entry.client_id,
        session: entry.session,
        count: entry.count,
        act: entry.act,
    }
}
