//! Organisations, and who belongs to them with which roles.

use async_trait::async_trait;

use super::super::{Result, Time};
use super::Act;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Organization {
    pub id: String,
    /// For addresses: lower case, unique.
    pub slug: String,
    pub name: String,
    /// Changes with every change of the members above; part of what `ETag` says.
    pub revision: i64,
    pub created_at: Time,
    pub updated_at: Time,
}

/// An organisation with what the store compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedOrganization {
    pub organization: Organization,
    /// Made by `accounts::organizations`: the store compares it, it does not make it.
    pub name_canonical: String,
}

/// Somebody in an organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub user_id: String,
    pub email: String,
    pub username: Option<String>,
    pub name: Option<String>,
    pub roles: Vec<String>,
    pub added_at: Time,
}

/// An organisation of a person, as the claim `org` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    pub organization_id: String,
    pub slug: String,
    pub name: String,
    pub roles: Vec<String>,
}

/// How an organisation is looked up.
#[derive(Clone, Copy, Debug)]
pub enum OrganizationKey<'a> {
    Id(&'a str),
    Slug(&'a str),
}

/// What became of a conditional change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    Done,
    Unknown,
    /// It has another revision than the change was for.
    Stale,
}

/// What became of [`Organizations::set_member`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetMember {
    Added,
    Changed,
    NoOrganization,
    NoPerson,
}

#[async_trait]
pub trait Organizations: Send + Sync {
    async fn find(&self, key: OrganizationKey<'_>) -> Result<Option<Organization>>;
    /// Ordered by id; `after` is the last id of the page before. With `q`, those whose slug or name holds it.
    async fn list(&self, q: Option<&str>, after: Option<&str>, limit: u32) -> Result<Vec<Organization>>;
    /// # Errors
    /// `Conflict("slug")`, `Conflict("name")` where one is taken.
    async fn create(&self, new: &NamedOrganization, by: &Act) -> Result<()>;
    /// Replaces slug and name of the organisation, if its revision is still the one in `changed`; the new one is the next.
    ///
    /// # Errors
    /// As for `create`.
    async fn update(&self, changed: &NamedOrganization, by: &Act) -> Result<Saved>;
    /// Removes it with its memberships; false if there was none.
    async fn delete(&self, id: &str, now: Time, by: &Act) -> Result<bool>;
    /// Ordered by the id of the person.
    async fn members(&self, id: &str, after: Option<&str>, limit: u32) -> Result<Vec<Member>>;
    async fn member(&self, id: &str, user_id: &str) -> Result<Option<Member>>;
    /// Makes the person a member with these roles, or gives a member these roles.
    async fn set_member(&self, id: &str, user_id: &str, roles: &[String], now: Time, by: &Act) -> Result<SetMember>;
    /// False if the person was no member.
    async fn remove_member(&self, id: &str, user_id: &str, now: Time, by: &Act) -> Result<bool>;
    /// The organisations of a person, by slug, at most 200.
    async fn of_person(&self, user_id: &str) -> Result<Vec<Membership>>;
}
