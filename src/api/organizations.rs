//! `/v1/organizations`: organisations, and who belongs to them with which roles.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{Granted, OrganizationsRead, OrganizationsWrite};
use super::body::{Body, Patch, Place, Query};
use super::idempotency::{IdempotencyKey, Keyed};
use super::page::{self, Asked};
use super::problem::{Code, Problem};
use super::version::{Conditions, IfMatch, IfNoneMatch, tagged};
use crate::accounts::organizations;
use crate::app::App;
use crate::storage::durable::organizations::{Member, Organization, SetMember};
use crate::storage::durable::{OrganizationKey, Saved};

const KIND: &str = "organizations";
const MEMBERS: &str = "members";
const PATH: &str = "/v1/organizations";
/// How often an organisation may change under our hands before we give up.
const CHANGES: usize = 5;

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, change, delete)).routes(routes!(members)).routes(routes!(
        member,
        set_member,
        remove_member
    ))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Organization)]
pub struct OrganizationView {
    id: String,
    slug: String,
    name: String,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

impl OrganizationView {
    fn of(organization: &Organization) -> Self {
        Self {
            id: organization.id.clone(),
            slug: organization.slug.clone(),
            name: organization.name.clone(),
            created_at: super::moment(organization.created_at),
            updated_at: super::moment(organization.updated_at),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct OrganizationPage {
    items: Vec<OrganizationView>,
    /// The cursor of the next page, where there is one.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrganization {
    /// For addresses; unique.
    #[schema(min_length = 2, max_length = 63, pattern = "^[a-z0-9][a-z0-9-]*[a-z0-9]$", example = "acme")]
    slug: String,
    /// Unique, but for case and white space.
    #[schema(
        min_length = 1,
        max_length = 200,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$",
        example = "Acme S.A."
    )]
    name: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganizationPatch {
    #[schema(nullable = false, min_length = 2, max_length = 63, pattern = "^[a-z0-9][a-z0-9-]*[a-z0-9]$")]
    #[serde(default)]
    slug: Option<String>,
    #[schema(
        nullable = false,
        min_length = 1,
        max_length = 200,
        pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$"
    )]
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct OrganizationQuery {
    /// In the slug or the name.
    #[param(min_length = 1, max_length = 200, nullable = false)]
    q: Option<String>,
    /// So many at most.
    #[param(minimum = 1, maximum = 200, nullable = false)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 400, nullable = false)]
    cursor: Option<String>,
}

/// List organisations, by id.
#[utoipa::path(get, path = "/v1/organizations", tag = "organizations", operation_id = "listOrganizations", params(OrganizationQuery),
    responses((status = 200, description = "A page of them.", body = OrganizationPage)), security(("oauth" = ["organizations:read"])))]
async fn list(
    caller: Granted<OrganizationsRead>,
    State(app): State<Arc<App>>,
    RawQuery(raw): RawQuery,
    Query(query): Query<OrganizationQuery>,
) -> Result<Response, Problem> {
    let asked = Asked::read(KIND, query.limit, query.cursor.as_deref())?;
    let q = query.q.as_deref().map(organizations::canonical);
    let found = app.storage.organizations.list(q.as_deref(), asked.after.as_deref(), asked.probe()).await?;
    app.storage.audit.looked("organizations.list", None, app.clock.now(), &caller.act()).await?;
    let (found, next) = asked.cut(found, KIND, |organization| organization.id.clone());
    let page = OrganizationPage { items: found.iter().map(OrganizationView::of).collect(), next: next.clone() };
    Ok(page::answer(&app.urls, PATH, raw.as_deref(), &page, next.as_deref()))
}

/// Make an organisation.
#[utoipa::path(post, path = "/v1/organizations", tag = "organizations", operation_id = "createOrganization", params(IdempotencyKey),
    request_body = NewOrganization,
    responses((status = 201, description = "It is made.", body = OrganizationView,
        headers(("Location" = String, description = "Where it is."), ("ETag" = String, description = "Its version.")))),
    security(("oauth" = ["organizations:write"])))]
async fn create(
    caller: Granted<OrganizationsWrite>,
    State(app): State<Arc<App>>,
    Keyed(new, attempt): Keyed<NewOrganization>,
) -> Result<Response, Problem> {
    attempt.once(&Arc::clone(&app), async move { make(&app, &caller, &new).await }).await
}

async fn make(app: &App, caller: &Granted<OrganizationsWrite>, new: &NewOrganization) -> Result<Response, Problem> {
    let made = organizations::new(&new.slug, &new.name, app.random.bytes(), app.clock.now())?;
    app.storage.organizations.create(&made, &caller.act()).await?;
    let organization = &made.organization;
    let mut response = tagged(StatusCode::CREATED, organization.revision, &OrganizationView::of(organization));
    super::located(response.headers_mut(), &app.urls.absolute(&format!("{PATH}/{}", organization.id)));
    Ok(response)
}

/// Show an organisation.
#[utoipa::path(get, path = "/v1/organizations/{organization}", tag = "organizations", operation_id = "getOrganization",
    params(("organization" = String, Path, description = "Its id or its slug."), IfNoneMatch),
    responses((status = 200, description = "It.", body = OrganizationView, headers(("ETag" = String, description = "Its version.")))),
    security(("oauth" = ["organizations:read"])))]
async fn show(
    caller: Granted<OrganizationsRead>,
    State(app): State<Arc<App>>,
    Place(place): Place<1>,
    conditions: Conditions,
) -> Result<Response, Problem> {
    let [name] = place;
    let organization = find(&app, &name).await?;
    let subject = Some(format!("organization:{}", organization.id));
    app.storage.audit.looked("organization.show", subject, app.clock.now(), &caller.act()).await?;
    Ok(conditions.answer(organization.revision, &OrganizationView::of(&organization)))
}

/// Change an organisation by a merge patch.
#[utoipa::path(patch, path = "/v1/organizations/{organization}", tag = "organizations", operation_id = "updateOrganization",
    params(("organization" = String, Path, description = "Its id or its slug."), IfMatch),
    request_body(content((OrganizationPatch = "application/merge-patch+json"), (OrganizationPatch = "application/json"))),
    responses((status = 200, description = "It is changed.", body = OrganizationView, headers(("ETag" = String, description = "Its new version.")))),
    security(("oauth" = ["organizations:write"])))]
async fn change(
    caller: Granted<OrganizationsWrite>,
    State(app): State<Arc<App>>,
    Place(place): Place<1>,
    conditions: Conditions,
    patch: Patch<OrganizationPatch>,
) -> Result<Response, Problem> {
    let [name] = place;
    for _ in 0..CHANGES {
        let before = find(&app, &name).await?;
        conditions.expected(before.revision, &OrganizationView::of(&before))?;
        let changed = organizations::changed(before, patch.read.slug.as_deref(), patch.read.name.as_deref(), app.clock.now())?;
        match app.storage.organizations.update(&changed, &caller.act()).await? {
            Saved::Done => {
                let organization = Organization { revision: changed.organization.revision + 1, ..changed.organization };
                return Ok(tagged(StatusCode::OK, organization.revision, &OrganizationView::of(&organization)));
            }
            Saved::Unknown => return Err(Code::NotFound.into()),
            Saved::Stale => {}
        }
    }
    Err(Code::ChangedMeanwhile.into())
}

/// Delete an organisation with its memberships.
#[utoipa::path(delete, path = "/v1/organizations/{organization}", tag = "organizations", operation_id = "deleteOrganization",
    params(("organization" = String, Path, description = "Its id or its slug.")),
    responses((status = 204, description = "It is gone.")), security(("oauth" = ["organizations:write"])))]
async fn delete(caller: Granted<OrganizationsWrite>, State(app): State<Arc<App>>, Place(place): Place<1>) -> Result<Response, Problem> {
    let [name] = place;
    let organization = find(&app, &name).await?;
    gone(app.storage.organizations.delete(&organization.id, app.clock.now(), &caller.act()).await?)
}

#[derive(Serialize, ToSchema)]
#[schema(as = Member)]
pub struct MemberView {
    user_id: String,
    email: String,
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    roles: Vec<String>,
    #[schema(format = DateTime)]
    added_at: String,
}

impl From<Member> for MemberView {
    fn from(member: Member) -> Self {
        Self {
            user_id: member.user_id,
            email: member.email,
            username: member.username,
            name: member.name,
            roles: member.roles,
            added_at: super::moment(member.added_at),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub struct MemberPage {
    items: Vec<MemberView>,
    /// The cursor of the next page, where there is one.
    #[schema(nullable = false)]
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    /// What they mean is for the apps of the organisation to say.
    #[schema(max_items = 50, value_type = Vec<String>, example = json!(["editor"]))]
    #[serde(default)]
    roles: Vec<String>,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct MemberQuery {
    /// So many at most.
    #[param(minimum = 1, maximum = 200, nullable = false)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 400, nullable = false)]
    cursor: Option<String>,
}

/// List the members of an organisation, by id.
#[utoipa::path(get, path = "/v1/organizations/{organization}/members", tag = "organizations", operation_id = "listMembers",
    params(("organization" = String, Path, description = "Its id or its slug."), MemberQuery),
    responses((status = 200, description = "A page of them.", body = MemberPage)), security(("oauth" = ["organizations:read"])))]
async fn members(
    caller: Granted<OrganizationsRead>,
    State(app): State<Arc<App>>,
    RawQuery(raw): RawQuery,
    Place(place): Place<1>,
    Query(query): Query<MemberQuery>,
) -> Result<Response, Problem> {
    let [name] = place;
    let organization = find(&app, &name).await?;
    let asked = Asked::read(MEMBERS, query.limit, query.cursor.as_deref())?;
    let found = app.storage.organizations.members(&organization.id, asked.after.as_deref(), asked.probe()).await?;
    let subject = Some(format!("organization:{}", organization.id));
    app.storage.audit.looked("organization.members", subject, app.clock.now(), &caller.act()).await?;
    let (found, next) = asked.cut(found, MEMBERS, |member| member.user_id.clone());
    let page = MemberPage { items: found.into_iter().map(MemberView::from).collect(), next: next.clone() };
    Ok(page::answer(&app.urls, &format!("{PATH}/{}/members", organization.id), raw.as_deref(), &page, next.as_deref()))
}

/// Show a member.
#[utoipa::path(get, path = "/v1/organizations/{organization}/members/{user_id}", tag = "organizations", operation_id = "getMember",
    params(("organization" = String, Path, description = "Its id or its slug."), ("user_id" = String, Path, description = "Their id.")),
    responses((status = 200, description = "Them.", body = MemberView)), security(("oauth" = ["organizations:read"])))]
async fn member(
    caller: Granted<OrganizationsRead>,
    State(app): State<Arc<App>>,
    Place(place): Place<2>,
) -> Result<Json<MemberView>, Problem> {
    let [name, user_id] = place;
    let organization = find(&app, &name).await?;
    let member = app.storage.organizations.member(&organization.id, &user_id).await?.ok_or(Code::NotFound)?;
    let subject = Some(format!("organization:{} user:{user_id}", organization.id));
    app.storage.audit.looked("organization.member.show", subject, app.clock.now(), &caller.act()).await?;
    Ok(Json(member.into()))
}

/// Make somebody a member, or give a member other roles.
#[utoipa::path(put, path = "/v1/organizations/{organization}/members/{user_id}", tag = "organizations", operation_id = "setMember",
    params(("organization" = String, Path, description = "Its id or its slug."), ("user_id" = String, Path, description = "Their id.")),
    request_body = Membership,
    responses((status = 200, description = "They have these roles.", body = MemberView), (status = 201, description = "They belong to it.", body = MemberView)),
    security(("oauth" = ["organizations:write"])))]
async fn set_member(
    caller: Granted<OrganizationsWrite>,
    State(app): State<Arc<App>>,
    Place(place): Place<2>,
    Body(membership): Body<Membership>,
) -> Result<Response, Problem> {
    let [name, user_id] = place;
    let organization = find(&app, &name).await?;
    let roles = organizations::roles(&membership.roles)?;
    let done = app.storage.organizations.set_member(&organization.id, &user_id, &roles, app.clock.now(), &caller.act()).await?;
    let status = match done {
        SetMember::Added => StatusCode::CREATED,
        SetMember::Changed => StatusCode::OK,
        SetMember::NoOrganization | SetMember::NoPerson => return Err(Code::NotFound.into()),
    };
    let member = app.storage.organizations.member(&organization.id, &user_id).await?.ok_or(Code::NotFound)?;
    Ok((status, Json(MemberView::from(member))).into_response())
}

/// Take somebody out of an organisation.
#[utoipa::path(delete, path = "/v1/organizations/{organization}/members/{user_id}", tag = "organizations", operation_id = "removeMember",
    params(("organization" = String, Path, description = "Its id or its slug."), ("user_id" = String, Path, description = "Their id.")),
    responses((status = 204, description = "They do not belong to it any more.")), security(("oauth" = ["organizations:write"])))]
async fn remove_member(
    caller: Granted<OrganizationsWrite>,
    State(app): State<Arc<App>>,
    Place(place): Place<2>,
) -> Result<Response, Problem> {
    let [name, user_id] = place;
    let organization = find(&app, &name).await?;
    gone(app.storage.organizations.remove_member(&organization.id, &user_id, app.clock.now(), &caller.act()).await?)
}

async fn find(app: &App, name: &str) -> Result<Organization, Problem> {
    // No slug holds an underscore, and every id does.
    let key = if name.starts_with("org_") { OrganizationKey::Id(name) } else { OrganizationKey::Slug(name) };
    Ok(app.storage.organizations.find(key).await?.ok_or(Code::NotFound)?)
}

fn gone(known: bool) -> Result<Response, Problem> {
    if known { Ok(StatusCode::NO_CONTENT.into_response()) } else { Err(Code::NotFound.into()) }
}
