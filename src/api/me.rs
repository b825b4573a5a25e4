//! `/v1/me`: the person whose token it is. Every operation goes by the token's person; no id of somebody else can be named.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{Account, Granted, Language};
use super::body::{Body, Patch, Place, Query};
use super::problem::{Code, Problem};
use super::users::UserView;
use super::version::{Conditions, IfMatch, IfNoneMatch, tagged};
use super::{asking, refused};
use crate::accounts::desk::Presence;
use crate::accounts::profile::{self, Hand};
use crate::accounts::users::AccountError;
use crate::accounts::{address, mine, recovery};
use crate::app::App;
use crate::clock::Time;
use crate::storage::durable::{Connection, Session, UserKey};

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(show, change, delete))
        .routes(routes!(delete_by_password))
        .routes(routes!(change_password))
        .routes(routes!(change_email))
        .routes(routes!(sessions, end_sessions))
        .routes(routes!(end_session))
        .routes(routes!(consents))
        .routes(routes!(disconnect))
        .routes(routes!(export))
}

/// Show your account.
#[utoipa::path(get, path = "/v1/me", tag = "me", operation_id = "getMe", params(IfNoneMatch),
    responses((status = 200, description = "You.", body = UserView, headers(("ETag" = String, description = "Your version.")))),
    security(("oauth" = ["account"])))]
async fn show(caller: Granted<Account>, State(app): State<Arc<App>>, conditions: Conditions) -> Result<Response, Problem> {
    let user = app.storage.users.find(UserKey::Id(&caller.person()?.id)).await?.ok_or(Code::NotFound)?;
    Ok(conditions.answer(user.revision, &UserView::from(user)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the schema of the patch; the profile reads the patch as it came")]
pub struct MePatch {
    #[schema(max_length = 64)]
    username: Option<String>,
    #[schema(max_length = 200)]
    name: Option<String>,
    /// BCP 47.
    #[schema(max_length = 35)]
    locale: Option<String>,
    /// Standard claims (OIDC Core §5.1), but for `phone_number_verified`.
    #[schema(value_type = Option<Object>)]
    claims: Option<Map<String, Value>>,
    #[schema(value_type = Option<Object>)]
    attributes: Option<Map<String, Value>>,
}

/// Change your profile by a merge patch.
#[utoipa::path(patch, path = "/v1/me", tag = "me", operation_id = "updateMe", params(IfMatch),
    request_body(content((MePatch = "application/merge-patch+json"), (MePatch = "application/json"))),
    responses((status = 200, description = "It is changed.", body = UserView, headers(("ETag" = String, description = "Your new version.")))),
    security(("oauth" = ["account"])))]
async fn change(
    caller: Granted<Account>,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    conditions: Conditions,
    patch: Patch<MePatch>,
) -> Result<Response, Problem> {
    let person = caller.person()?;
    let expected = conditions.expected(person.revision, &UserView::from(person.clone()))?;
    let (now, by) = (app.clock.now(), caller.act());
    let user = profile::patch(&app.desk(), &person.id, &patch.given, expected, Hand::Own, &asking(lang, now, &by)).await;
    let user = user.map_err(|error| match (error, expected) {
        (AccountError::Stale, None) => Code::ChangedMeanwhile.into(),
        (error, _) => refused(error, now),
    })?;
    Ok(tagged(StatusCode::OK, user.revision, &UserView::from(user)))
}

/// Delete your account. The token must stem from a sign-in of the last ten minutes; if you hold a role of this server, use `POST /v1/me/delete`.
#[utoipa::path(delete, path = "/v1/me", tag = "me", operation_id = "deleteMe",
    responses((status = 204, description = "It is gone."), (status = 409, description = "Code `last_owner`.", body = super::problem::ProblemDocument, content_type = "application/problem+json")),
    security(("oauth" = ["account"])))]
async fn delete(caller: Granted<Account>, Language(lang): Language, State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let presence = Presence::SignedIn { auth_time: signed_in_at(&caller) };
    gone(&app, &caller, lang, presence).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MyPassword {
    /// Your present one.
    #[schema(max_length = 1024, write_only)]
    password: String,
}

/// Delete your account, with your password instead of a recent sign-in.
#[utoipa::path(post, path = "/v1/me/delete", tag = "me", operation_id = "deleteMeByPassword", request_body = MyPassword,
    responses((status = 204, description = "It is gone."), (status = 409, description = "Code `last_owner`.", body = super::problem::ProblemDocument, content_type = "application/problem+json")),
    security(("oauth" = ["account"])))]
async fn delete_by_password(
    caller: Granted<Account>,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    Body(mine): Body<MyPassword>,
) -> Result<Response, Problem> {
    gone(&app, &caller, lang, Presence::Password { password: &mine.password, device: None }).await
}

async fn gone(app: &App, caller: &Granted<Account>, lang: crate::i18n::Lang, presence: Presence<'_>) -> Result<Response, Problem> {
    let (now, by) = (app.clock.now(), caller.act());
    mine::delete(&app.desk(), &caller.person()?.id, presence, &asking(lang, now, &by)).await.map_err(|error| refused(error, now))?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    #[schema(max_length = 1024, write_only)]
    current_password: String,
    #[schema(min_length = 8, max_length = 1024, write_only)]
    new_password: String,
}

/// Change your password. Your other sessions end and every grant is revoked, this one, too.
#[utoipa::path(post, path = "/v1/me/password", tag = "me", operation_id = "changeMyPassword", request_body = PasswordChange,
    responses((status = 204, description = "It is changed."), (status = 409, description = "Code `changed_meanwhile`: the account, since the present password was read.", body = super::problem::ProblemDocument, content_type = "application/problem+json")),
    security(("oauth" = ["account"])))]
async fn change_password(
    caller: Granted<Account>,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    Body(body): Body<PasswordChange>,
) -> Result<Response, Problem> {
    let (now, by) = (app.clock.now(), caller.act());
    let change = recovery::Change {
        current: &body.current_password,
        new: &body.new_password,
        device: None,
        keep_session: caller.claims.sid.as_deref(),
        rules: None,
    };
    let done = recovery::change_password(&app.desk(), &caller.person()?.id, change, &asking(lang, now, &by)).await;
    done.map_err(|error| match error {
        AccountError::Stale => Code::ChangedMeanwhile.into(),
        AccountError::Password(bad) => {
            super::problem::Wrong::member("new_password", "bad_password", super::problem::Why::Said(bad.to_string())).into()
        }
        error => refused(error, now),
    })?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmailChange {
    #[schema(max_length = 254, example = "ana@example.org")]
    email: String,
    /// Your present one; not needed within ten minutes of a sign-in, unless you hold a role of this server.
    #[schema(max_length = 1024, write_only)]
    #[serde(default)]
    password: Option<String>,
}

/// Under which a code of a mail is typed.
#[derive(Serialize, ToSchema)]
pub struct Handle {
    handle: String,
}

impl Handle {
    pub(super) fn answer(handle: String) -> Response {
        (StatusCode::ACCEPTED, Json(Self { handle })).into_response()
    }
}

/// Ask for another e-mail address. It is yours when the link or code that goes there is used; the old one gets a notice, with a way back.
#[utoipa::path(post, path = "/v1/me/email", tag = "me", operation_id = "changeMyEmail", request_body = EmailChange,
    responses((status = 202, description = "The mails are on their way.", body = Handle)), security(("oauth" = ["account"])))]
async fn change_email(
    caller: Granted<Account>,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    Body(body): Body<EmailChange>,
) -> Result<Response, Problem> {
    let (now, by) = (app.clock.now(), caller.act());
    let presence = match &body.password {
        Some(password) => Presence::Password { password, device: None },
        None => Presence::SignedIn { auth_time: signed_in_at(&caller) },
    };
    let asked = address::request_change(&app.desk(), &caller.person()?.id, &body.email, presence, &asking(lang, now, &by)).await;
    asked.map(Handle::answer).map_err(|error| refused(error, now))
}

/// A browser in which somebody is signed in.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    id: String,
    /// The one that the token belongs to.
    current: bool,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    last_seen_at: String,
    #[schema(format = DateTime)]
    expires_at: String,
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// As the browser calls itself.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
}

impl SessionView {
    pub(super) fn of(session: Session, current: Option<&str>) -> Self {
        Self {
            current: current == Some(session.id.as_str()),
            id: session.id,
            created_at: super::moment(session.created_at),
            last_seen_at: super::moment(session.last_seen_at),
            expires_at: super::moment(session.expires_at),
            address: session.address,
            user_agent: session.user_agent,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct SessionList {
    pub(super) items: Vec<SessionView>,
}

/// Show where you are signed in.
#[utoipa::path(get, path = "/v1/me/sessions", tag = "me", operation_id = "listMySessions",
    responses((status = 200, description = "The last seen first.", body = SessionList)), security(("oauth" = ["account"])))]
async fn sessions(caller: Granted<Account>, State(app): State<Arc<App>>) -> Result<Json<SessionList>, Problem> {
    let found = mine::sessions(&app.desk(), &caller.person()?.id, app.config.sessions.idle, app.clock.now()).await?;
    let current = caller.claims.sid.as_deref();
    Ok(Json(SessionList { items: found.into_iter().map(|session| SessionView::of(session, current)).collect() }))
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct EndQuery {
    /// The session that the token belongs to goes on.
    #[param(nullable = false)]
    keep_current: Option<bool>,
}

/// How many ended.
#[derive(Serialize, ToSchema)]
pub struct Ended {
    ended: u64,
}

/// Sign out everywhere.
#[utoipa::path(delete, path = "/v1/me/sessions", tag = "me", operation_id = "endMySessions", params(EndQuery),
    responses((status = 200, description = "They ended.", body = Ended)), security(("oauth" = ["account"])))]
async fn end_sessions(
    caller: Granted<Account>,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    Query(query): Query<EndQuery>,
) -> Result<Json<Ended>, Problem> {
    let (now, by) = (app.clock.now(), caller.act());
    // A sign-in without a browser has no session: its grant stands for one.
    let current = caller.claims.sid.as_deref().or(caller.claims.gid.as_deref());
    let except = current.filter(|_| query.keep_current == Some(true));
    let ended = mine::end_sessions(&app.desk(), &caller.person()?.id, except, &asking(lang, now, &by)).await?;
    Ok(Json(Ended { ended }))
}

/// End one of your sessions.
#[utoipa::path(delete, path = "/v1/me/sessions/{session}", tag = "me", operation_id = "endMySession",
    params(("session" = String, Path, description = "Its id.")),
    responses((status = 204, description = "It ended.")), security(("oauth" = ["account"])))]
async fn end_session(
    caller: Granted<Account>,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    Place(place): Place<1>,
) -> Result<Response, Problem> {
    let [id] = place;
    let (now, by) = (app.clock.now(), caller.act());
    let idle = app.config.sessions.idle;
    found(mine::end_session(&app.desk(), &caller.person()?.id, &id, idle, &asking(lang, now, &by)).await?)
}

/// An app that may act for you.
#[derive(Serialize, ToSchema)]
pub struct Consent {
    client_id: String,
    /// As the app calls itself.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    /// Space-separated.
    scope: String,
    #[schema(format = DateTime)]
    since: String,
    #[schema(nullable = false, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub struct ConsentList {
    items: Vec<Consent>,
}

/// Show the apps that may act for you.
#[utoipa::path(get, path = "/v1/me/consents", tag = "me", operation_id = "listMyConsents",
    responses((status = 200, description = "By client id.", body = ConsentList)), security(("oauth" = ["account"])))]
async fn consents(caller: Granted<Account>, State(app): State<Arc<App>>) -> Result<Json<ConsentList>, Problem> {
    let mut items = Vec::new();
    for connection in mine::connections(&app.desk(), &caller.person()?.id, app.clock.now()).await? {
        let Connection { client_id, scope, since, last_used } = connection;
        let client = app.storage.clients.find(&client_id).await?;
        items.push(Consent {
            client_name: client.and_then(|record| record.client.client_name.clone()),
            client_id,
            scope,
            since: super::moment(since),
            last_used: last_used.map(super::moment),
        });
    }
    Ok(Json(ConsentList { items }))
}

/// Disconnect an app: what it may is forgotten, and its grants are revoked.
#[utoipa::path(delete, path = "/v1/me/consents/{client_id}", tag = "me", operation_id = "disconnect",
    params(("client_id" = String, Path, description = "The id of the app.")),
    responses((status = 204, description = "It is disconnected.")), security(("oauth" = ["account"])))]
async fn disconnect(
    caller: Granted<Account>,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    Place(place): Place<1>,
) -> Result<Response, Problem> {
    let [client_id] = place;
    let (now, by) = (app.clock.now(), caller.act());
    found(mine::disconnect(&app.desk(), &caller.person()?.id, &client_id, &asking(lang, now, &by)).await?)
}

/// Everything that is kept of you, but for what would be a secret.
#[utoipa::path(get, path = "/v1/me/export", tag = "me", operation_id = "exportMe",
    responses((status = 200, description = "Your data.", body = Object, headers(("Content-Disposition" = String, description = "A file to keep.")))),
    security(("oauth" = ["account"])))]
async fn export(caller: Granted<Account>, State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let now = app.clock.now();
    let data = mine::export(&app.desk(), &caller.person()?.id, app.config.sessions.idle, now).await.map_err(|error| refused(error, now))?;
    let file = [(axum::http::header::CONTENT_DISPOSITION, "attachment; filename=\"portero-account.json\"")];
    Ok((file, Json(data)).into_response())
}

/// When the person behind the token signed in; long ago where the token does not say.
fn signed_in_at(caller: &Granted<Account>) -> Time {
    caller.claims.auth_time.and_then(|seconds| Time::from_timestamp(seconds, 0)).unwrap_or_default()
}

fn found(known: bool) -> Result<Response, Problem> {
    if known { Ok(StatusCode::NO_CONTENT.into_response()) } else { Err(Code::NotFound.into()) }
}
