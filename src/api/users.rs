//! `/v1/users`: people, for administrators. The work is `accounts`'; who may do it to whom is said here.
//!
//! Nobody changes an account that holds a role they could not give ([`access::Caller::over`](super::access::Caller::over)): whoever could change
//! its address could become it.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{Granted, Language, UsersRead, UsersWrite};
use super::body::{Patch, Place, Query};
use super::idempotency::{IdempotencyKey, Keyed};
use super::me::{SessionList, SessionView};
use super::page::{self, Asked};
use super::problem::{Code, Problem};
use super::version::{Conditions, IfMatch, IfNoneMatch, tagged};
use super::{asking, refused};
use crate::accounts::email::identifier;
use crate::accounts::profile::{self, Hand};
use crate::accounts::users::{AccountError, NewAccount};
use crate::accounts::{administration, mine, recovery, sign_up};
use crate::app::App;
use crate::i18n::Lang;
use crate::storage::durable::accounts::Search;
use crate::storage::durable::{User, UserKey};

const KIND: &str = "users";
const PATH: &str = "/v1/users";
/// How often an account may change under our hands before we give up.
const CHANGES: usize = 5;

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, change, delete))
        .routes(routes!(sessions))
        .routes(routes!(disable))
        .routes(routes!(enable))
        .routes(routes!(unlock))
        .routes(routes!(require_reset))
        .routes(routes!(end_sessions))
        .routes(routes!(invite))
}

/// What another system called a person.
#[derive(Serialize, ToSchema)]
pub struct ExternalId {
    source: String,
    id: String,
}

/// A person.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    /// Also the `sub` of their tokens; never used again.
    id: String,
    email: String,
    email_verified: bool,
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// BCP 47.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<String>,
    /// Further standard claims (OIDC Core §5.1).
    #[schema(value_type = Object)]
    claims: Map<String, Value>,
    /// What the deployment keeps of a person; never claims.
    #[schema(value_type = Object)]
    attributes: Map<String, Value>,
    /// `owner`, `user_admin`, `client_admin`, `auditor`; every other name is a role of apps.
    roles: Vec<String>,
    /// Their ids in the systems they came from.
    external_ids: Vec<ExternalId>,
    disabled: bool,
    /// They signed up and have not confirmed the address: nothing opens yet, and the user name they asked for is nobody's.
    pending: bool,
    /// Their password opens nothing until it is replaced.
    reset_required: bool,
    #[schema(nullable = false, format = DateTime)]
    #[serde(skip_serializing_if = "Option::is_none")]
    password_changed_at: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            email: user.email,
            email_verified: user.email_verified,
            username: user.username,
            name: user.name,
            locale: user.locale,
            claims: user.claims,
            attributes: user.attributes,
            roles: user.roles,
            external_ids: user.external.into_iter().map(|external| ExternalId { source: external.source, id: external.id }).collect(),
            disabled: user.disabled_at.is_some(),
            pending: user.pending,
            reset_required: user.reset_required,
            password_changed_at: user.password_changed_at.map(super::moment),
            created_at: super::moment(user.created_at),
            updated_at: super::moment(user.updated_at),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct UserPage {
    items: Vec<UserView>,
    /// The cursor of the next page, where there is one.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct UserQuery {
    /// Part of the e-mail, user name or name; or exactly the id, or an id of another system.
    #[param(min_length = 1, max_length = 200, nullable = false)]
    q: Option<String>,
    /// Those who hold this role.
    #[param(min_length = 1, max_length = 64, nullable = false)]
    role: Option<String>,
    #[param(nullable = false)]
    disabled: Option<bool>,
    #[param(nullable = false)]
    email_verified: Option<bool>,
    /// Those who came from this system.
    #[param(min_length = 1, max_length = 100, nullable = false)]
    source: Option<String>,
    /// So many at most.
    #[param(minimum = 1, maximum = 200, nullable = false)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 400, nullable = false)]
    cursor: Option<String>,
}

/// Search people, by id.
#[utoipa::path(get, path = "/v1/users", tag = "users", operation_id = "listUsers", params(UserQuery),
    responses((status = 200, description = "A page of them.", body = UserPage)), security(("oauth" = ["users:read"])))]
async fn list(
    caller: Granted<UsersRead>,
    State(app): State<Arc<App>>,
    RawQuery(raw): RawQuery,
    Query(query): Query<UserQuery>,
) -> Result<Response, Problem> {
    let asked = Asked::read(KIND, query.limit, query.cursor.as_deref())?;
    let canonical = query.q.as_deref().and_then(identifier);
    let search = Search {
        q: query.q.as_deref(),
        canonical: canonical.as_deref(),
        role: query.role.as_deref(),
        disabled: query.disabled,
        email_verified: query.email_verified,
        source: query.source.as_deref(),
        after: asked.after.as_deref(),
        limit: asked.probe(),
    };
    let found = app.storage.accounts.search(&search).await?;
    app.storage.audit.looked("users.list", None, app.clock.now(), &caller.act()).await?;
    let (found, next) = asked.cut(found, KIND, |user| user.id.clone());
    let page = UserPage { items: found.into_iter().map(UserView::from).collect(), next: next.clone() };
    Ok(page::answer(&app.urls, PATH, raw.as_deref(), &page, next.as_deref()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    #[schema(max_length = 254, example = "ana@example.org")]
    email: String,
    /// You know that the address is theirs.
    #[serde(default)]
    email_verified: bool,
    #[schema(max_length = 64)]
    #[serde(default)]
    username: Option<String>,
    #[schema(max_length = 200)]
    #[serde(default)]
    name: Option<String>,
    /// BCP 47.
    #[schema(max_length = 35)]
    #[serde(default)]
    locale: Option<String>,
    /// Of the roles of this server only such as you hold yourself.
    #[schema(max_items = 50)]
    #[serde(default)]
    roles: Vec<String>,
    /// Further standard claims (OIDC Core §5.1).
    #[schema(value_type = Object)]
    #[serde(default)]
    claims: Map<String, Value>,
    #[schema(value_type = Object)]
    #[serde(default)]
    attributes: Map<String, Value>,
    /// Without one nobody can sign in by password until they set one: see `require-reset`.
    #[schema(min_length = 8, max_length = 1024, write_only)]
    #[serde(default)]
    password: Option<String>,
}

/// Make an account.
#[utoipa::path(post, path = "/v1/users", tag = "users", operation_id = "createUser", params(IdempotencyKey), request_body = NewUser,
    responses((status = 201, description = "It is made.", body = UserView,
        headers(("Location" = String, description = "Where it is."), ("ETag" = String, description = "Its version.")))),
    security(("oauth" = ["users:write"])))]
async fn create(
    caller: Granted<UsersWrite>,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    Keyed(new, attempt): Keyed<NewUser>,
) -> Result<Response, Problem> {
    caller.over(&new.roles)?;
    attempt.once(&Arc::clone(&app), async move { make(&app, &caller, lang, new).await }).await
}

async fn make(app: &App, caller: &Granted<UsersWrite>, lang: Lang, new: NewUser) -> Result<Response, Problem> {
    let (now, by) = (app.clock.now(), caller.act());
    let account = NewAccount {
        email: &new.email,
        email_verified: new.email_verified,
        username: new.username.as_deref(),
        name: new.name.as_deref(),
        locale: new.locale.as_deref(),
        roles: new.roles,
        claims: new.claims,
        attributes: new.attributes,
        password: new.password.as_deref(),
        ..NewAccount::default()
    };
    let user = administration::create(&app.desk(), account, &asking(lang, now, &by)).await?;
    let location = app.urls.absolute(&format!("{PATH}/{}", user.id));
    let mut response = tagged(StatusCode::CREATED, user.revision, &UserView::from(user));
    super::located(response.headers_mut(), &location);
    Ok(response)
}

/// Show a person.
#[utoipa::path(get, path = "/v1/users/{user}", tag = "users", operation_id = "getUser",
    params(("user" = String, Path, description = "Id, e-mail, user name, or `source:id` of another system."), IfNoneMatch),
    responses((status = 200, description = "They.", body = UserView, headers(("ETag" = String, description = "Their version.")))),
    security(("oauth" = ["users:read"])))]
async fn show(
    caller: Granted<UsersRead>,
    State(app): State<Arc<App>>,
    Place(place): Place<1>,
    conditions: Conditions,
) -> Result<Response, Problem> {
    let [named] = place;
    let user = find(&app, &named).await?;
    app.storage.audit.looked("user.show", Some(format!("user:{}", user.id)), app.clock.now(), &caller.act()).await?;
    Ok(conditions.answer(user.revision, &UserView::from(user)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the schema of the patch; the profile reads the patch as it came")]
pub struct UserPatch {
    #[schema(nullable = false, max_length = 254)]
    email: Option<String>,
    #[schema(nullable = false)]
    email_verified: Option<bool>,
    #[schema(max_length = 64)]
    username: Option<String>,
    #[schema(max_length = 200)]
    name: Option<String>,
    #[schema(max_length = 35)]
    locale: Option<String>,
    #[schema(nullable = false, max_items = 50)]
    roles: Option<Vec<String>>,
    #[schema(value_type = Option<Object>)]
    claims: Option<Map<String, Value>>,
    #[schema(value_type = Option<Object>)]
    attributes: Option<Map<String, Value>>,
}

/// Change a person by a merge patch.
#[utoipa::path(patch, path = "/v1/users/{user}", tag = "users", operation_id = "updateUser",
    params(("user" = String, Path, description = "Id, e-mail, user name, or `source:id` of another system."), IfMatch),
    request_body(content((UserPatch = "application/merge-patch+json"), (UserPatch = "application/json"))),
    responses((status = 200, description = "They are changed.", body = UserView, headers(("ETag" = String, description = "Their new version.")))),
    security(("oauth" = ["users:write"])))]
async fn change(
    caller: Granted<UsersWrite>,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    Place(place): Place<1>,
    conditions: Conditions,
    patch: Patch<UserPatch>,
) -> Result<Response, Problem> {
    let [named] = place;
    let (now, by) = (app.clock.now(), caller.act());
    for _ in 0..CHANGES {
        let user = find(&app, &named).await?;
        conditions.expected(user.revision, &UserView::from(user.clone()))?;
        caller.over(&user.roles)?;
        if let Some(roles) = patch.given.get("roles").and_then(Value::as_array) {
            let given: Vec<String> = roles.iter().filter_map(Value::as_str).map(str::to_owned).collect();
            caller.over(&given)?;
        }
        // What the caller may is judged of this revision, and so the change is made to no other.
        let desk = app.desk();
        match profile::patch(&desk, &user.id, &patch.given, Some(user.revision), Hand::Administrator, &asking(lang, now, &by)).await {
            Ok(user) => return Ok(tagged(StatusCode::OK, user.revision, &UserView::from(user))),
            Err(AccountError::Stale) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Code::ChangedMeanwhile.into())
}

/// Delete a person, with sessions, grants, consents and ids of other systems.
#[utoipa::path(delete, path = "/v1/users/{user}", tag = "users", operation_id = "deleteUser",
    params(("user" = String, Path, description = "Id, e-mail, user name, or `source:id` of another system.")),
    responses((status = 204, description = "They are gone."), (status = 409, description = "Code `last_owner`.", body = super::problem::ProblemDocument, content_type = "application/problem+json")),
    security(("oauth" = ["users:write"])))]
async fn delete(
    caller: Granted<UsersWrite>,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    Place(place): Place<1>,
) -> Result<Response, Problem> {
    to_mine(&app, &caller, lang, place, To::Delete).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Show somebody's live sessions.
#[utoipa::path(get, path = "/v1/users/{user}/sessions", tag = "users", operation_id = "listUserSessions",
    params(("user" = String, Path, description = "Id, e-mail, user name, or `source:id` of another system.")),
    responses((status = 200, description = "The last seen first.", body = SessionList)), security(("oauth" = ["users:read"])))]
async fn sessions(
    caller: Granted<UsersRead>,
    State(app): State<Arc<App>>,
    Place(place): Place<1>,
) -> Result<axum::Json<SessionList>, Problem> {
    let [named] = place;
    let (user, now) = (find(&app, &named).await?, app.clock.now());
    let found = mine::sessions(&app.desk(), &user.id, app.config.sessions.idle, now).await?;
    app.storage.audit.looked("user.sessions", Some(format!("user:{}", user.id)), now, &caller.act()).await?;
    Ok(axum::Json(SessionList { items: found.into_iter().map(|session| SessionView::of(session, None)).collect() }))
}

/// Keep somebody out: sessions end, grants are revoked.
#[utoipa::path(post, path = "/v1/users/{user}/disable", tag = "users", operation_id = "disableUser",
    params(("user" = String, Path, description = "Id, e-mail, user name, or `source:id` of another system.")),
    responses((status = 200, description = "They are kept out.", body = UserView), (status = 409, description = "Code `last_owner`.", body = super::problem::ProblemDocument, content_type = "application/problem+json")),
    security(("oauth" = ["users:write"])))]
async fn disable(
    caller: Granted<UsersWrite>,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    Place(place): Place<1>,
) -> Result<Response, Problem> {
    changed(&app, &caller, lang, place, To::Disable).await
}

/// Let somebody in again.
#[utoipa::path(post, path = "/v1/users/{user}/enable", tag = "users", operation_id = "enableUser",
    params(("user" = String, Path, description = "Id, e-mail, user name, or `source:id` of another system.")),
    responses((status = 200, description = "They may come in.", body = UserView)), security(("oauth" = ["users:write"])))]
async fn enable(
    caller: Granted<UsersWrite>,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    Place(place): Place<1>,
) -> Result<Response, Problem> {
    changed(&app, &caller, lang, place, To::Enable).await
}

/// Forget somebody's failed sign-ins: a lock ends.
#[utoipa::path(post, path = "/v1/users/{user}/unlock", tag = "users", operation_id = "unlockUser",
    params(("user" = String, Path, description = "Id, e-mail, user name, or `source:id` of another system.")),
    responses((status = 200, description = "They may try again.", body = UserView)), security(("oauth" = ["users:write"])))]
async fn unlock(
    caller: Granted<UsersWrite>,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    Place(place): Place<1>,
) -> Result<Response, Problem> {
    changed(&app, &caller, lang, place, To::Unlock).await
}

/// Ask somebody for a new password: the present one opens nothing from here on, whoever is signed in is out, and a link is sent to them.
#[utoipa::path(post, path = "/v1/users/{user}/require-reset", tag = "users", operation_id = "requireReset",
    params(("user" = String, Path, description = "Id, e-mail, user name, or `source:id` of another system.")),
    responses((status = 200, description = "The link is on its way.", body = UserView)), security(("oauth" = ["users:write"])))]
async fn require_reset(
    caller: Granted<UsersWrite>,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    Place(place): Place<1>,
) -> Result<Response, Problem> {
    changed(&app, &caller, lang, place, To::Reset).await
}

/// Sign somebody out everywhere, and revoke every grant.
#[utoipa::path(post, path = "/v1/users/{user}/end-sessions", tag = "users", operation_id = "endUserSessions",
    params(("user" = String, Path, description = "Id, e-mail, user name, or `source:id` of another system.")),
    responses((status = 200, description = "They are signed out.", body = UserView)), security(("oauth" = ["users:write"])))]
async fn end_sessions(
    caller: Granted<UsersWrite>,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    Place(place): Place<1>,
) -> Result<Response, Problem> {
    changed(&app, &caller, lang, place, To::SignOut).await
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Invitation {
    #[schema(max_length = 254, example = "ana@example.org")]
    email: String,
    /// What they will hold; of the roles of this server only such as you hold yourself.
    #[schema(max_items = 50)]
    #[serde(default)]
    roles: Vec<String>,
}

/// Invite somebody to make an account of this address and these roles. The link goes to them and to nobody else.
#[utoipa::path(post, path = "/v1/invitations", tag = "users", operation_id = "inviteUser", params(IdempotencyKey), request_body = Invitation,
    responses((status = 202, description = "The mail is on its way.")), security(("oauth" = ["users:write"])))]
async fn invite(
    caller: Granted<UsersWrite>,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    Keyed(invitation, attempt): Keyed<Invitation>,
) -> Result<Response, Problem> {
    caller.over(&invitation.roles)?;
    let work = {
        let app = Arc::clone(&app);
        async move {
            let (now, by) = (app.clock.now(), caller.act());
            let sent = sign_up::invite(&app.desk(), &invitation.email, invitation.roles, &asking(lang, now, &by)).await;
            sent.map(|()| StatusCode::ACCEPTED.into_response()).map_err(|error| refused(error, now))
        }
    };
    attempt.once(&app, work).await
}

/// By id, by the id of another system (no address and no user name holds a colon), by e-mail or user name.
async fn find(app: &App, named: &str) -> Result<User, Problem> {
    let users = &app.storage.users;
    if let Some(user) = users.find(UserKey::Id(named)).await? {
        return Ok(user);
    }
    let found = match (named.split_once(':'), identifier(named)) {
        (Some((source, id)), _) => users.find(UserKey::External { source, id }).await?,
        (None, Some(identifier)) => users.find(UserKey::Identifier(&identifier)).await?,
        (None, None) => None,
    };
    Ok(found.ok_or(Code::NotFound)?)
}

/// What is done to somebody.
#[derive(Clone, Copy)]
enum To {
    Disable,
    Enable,
    Unlock,
    Reset,
    SignOut,
    Delete,
}

/// Does it, if the caller may. That is judged of the roles the person holds, and so it is done to them with no others.
async fn to_mine(app: &App, caller: &Granted<UsersWrite>, lang: Lang, [named]: [String; 1], to: To) -> Result<User, Problem> {
    let (now, by) = (app.clock.now(), caller.act());
    let (desk, asking) = (app.desk(), asking(lang, now, &by));
    for _ in 0..CHANGES {
        let user = find(app, &named).await?;
        caller.over(&user.roles)?;
        let done = match to {
            To::Disable => administration::set_disabled(&desk, &user, true, &asking).await,
            To::Enable => administration::set_disabled(&desk, &user, false, &asking).await,
            To::Unlock => administration::unlock(&desk, &user, &asking).await,
            To::Reset => recovery::require_reset(&desk, &user, &asking).await,
            To::SignOut => administration::end_everything(&desk, &user, &asking).await,
            To::Delete => administration::delete(&desk, &user, &asking).await,
        };
        match done {
            Ok(()) => return Ok(user),
            Err(AccountError::Stale) => {}
            Err(error) => return Err(refused(error, now)),
        }
    }
    Err(Code::ChangedMeanwhile.into())
}

/// The same, and the person as they are then.
async fn changed(app: &App, caller: &Granted<UsersWrite>, lang: Lang, place: [String; 1], to: To) -> Result<Response, Problem> {
    let id = to_mine(app, caller, lang, place, to).await?.id;
    let user = app.storage.users.find(UserKey::Id(&id)).await?.ok_or(Code::NotFound)?;
    Ok(tagged(StatusCode::OK, user.revision, &UserView::from(user)))
}
