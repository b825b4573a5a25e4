//! Organisations and their members.

use async_trait::async_trait;

use super::super::durable::Act;
use super::super::durable::organizations::{
    Member, Membership, NamedOrganization, Organization, OrganizationKey, Organizations, Saved, SetMember,
};
use super::super::{Result, StorageError, Time};
use super::audit::Entry;
use super::{Sql, containing, moment, seconds};

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    slug: String,
    name: String,
    revision: i64,
    created_at: i64,
    updated_at: i64,
}

#[derive(sqlx::FromRow)]
struct MemberRow {
    user_id: String,
    email: String,
    username: Option<String>,
    name: Option<String>,
    roles: String,
    added_at: i64,
}

#[async_trait]
impl Organizations for Sql {
    async fn find(&self, key: OrganizationKey<'_>) -> Result<Option<Organization>> {
        let (statement, name) = match key {
            OrganizationKey::Id(id) => ("SELECT id, slug, name, revision, created_at, updated_at FROM organizations WHERE id = $1", id),
            OrganizationKey::Slug(slug) => {
                ("SELECT id, slug, name, revision, created_at, updated_at FROM organizations WHERE slug = $1", slug)
            }
        };
        let row = on!(self.read, |db| sqlx::query_as::<_, Row>(statement).bind(name).fetch_optional(db).await)?;
        row.map(organization).transpose()
    }

    async fn list(&self, q: Option<&str>, after: Option<&str>, limit: u32) -> Result<Vec<Organization>> {
        let pattern = containing(q.unwrap_or_default());
        let rows = on!(self.read, |db| sqlx::query_as::<_, Row>(
            "SELECT id, slug, name, revision, created_at, updated_at FROM organizations \
             WHERE id > $1 AND (slug LIKE $2 ESCAPE '\\' OR name_canonical LIKE $2 ESCAPE '\\') ORDER BY id LIMIT $3"
        )
        .bind(after.unwrap_or_default())
        .bind(&pattern)
        .bind(i64::from(limit))
        .fetch_all(db)
        .await)?;
        rows.into_iter().map(organization).collect()
    }

    async fn create(&self, new: &NamedOrganization, by: &Act) -> Result<()> {
        let NamedOrganization { organization, name_canonical } = new;
        step!(self, |tx| {
            sqlx::query(
                "INSERT INTO organizations (id, slug, name, name_canonical, revision, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            )
            .bind(&organization.id)
            .bind(&organization.slug)
            .bind(&organization.name)
            .bind(name_canonical)
            .bind(organization.revision)
            .bind(seconds(organization.created_at))
            .bind(seconds(organization.updated_at))
            .execute(&mut *tx)
            .await?;
            audit!(tx, Entry::done("organization.create", subject(&organization.id), organization.created_at, by));
            Ok(())
        })
    }

    async fn update(&self, changed: &NamedOrganization, by: &Act) -> Result<Saved> {
        let NamedOrganization { organization, name_canonical } = changed;
        step!(self, |tx| {
            let done = sqlx::query(
                "UPDATE organizations SET slug = $3, name = $4, name_canonical = $5, updated_at = $6, revision = revision + 1 \
                 WHERE id = $1 AND revision = $2",
            )
            .bind(&organization.id)
            .bind(organization.revision)
            .bind(&organization.slug)
            .bind(&organization.name)
            .bind(name_canonical)
            .bind(seconds(organization.updated_at))
            .execute(&mut *tx)
            .await?;
            if done.rows_affected() == 0 {
                let known =
                    sqlx::query("SELECT id FROM organizations WHERE id = $1").bind(&organization.id).fetch_optional(&mut *tx).await?;
                return Ok(if known.is_some() { Saved::Stale } else { Saved::Unknown });
            }
            audit!(tx, Entry::done("organization.update", subject(&organization.id), organization.updated_at, by));
            Ok(Saved::Done)
        })
    }

    async fn delete(&self, id: &str, now: Time, by: &Act) -> Result<bool> {
        step!(self, |tx| {
            // Its memberships go with it, by their reference.
            let done = sqlx::query("DELETE FROM organizations WHERE id = $1").bind(id).execute(&mut *tx).await?;
            let known = done.rows_affected() > 0;
            if known {
                audit!(tx, Entry::done("organization.delete", subject(id), now, by));
            }
            Ok(known)
        })
    }

    async fn members(&self, id: &str, after: Option<&str>, limit: u32) -> Result<Vec<Member>> {
        let rows = on!(self.read, |db| {
            sqlx::query_as::<_, MemberRow>(
            "SELECT m.user_id, u.email, u.username, u.name, m.roles, m.added_at FROM organization_members m JOIN users u ON u.id = m.user_id \
             WHERE m.organization_id = $1 AND m.user_id > $2 ORDER BY m.user_id LIMIT $3"
        )
        .bind(id)
        .bind(after.unwrap_or_default())
        .bind(i64::from(limit))
        .fetch_all(db)
        .await
        })?;
        rows.into_iter().map(member).collect()
    }

    async fn member(&self, id: &str, user_id: &str) -> Result<Option<Member>> {
        let row = on!(self.read, |db| {
            sqlx::query_as::<_, MemberRow>(
            "SELECT m.user_id, u.email, u.username, u.name, m.roles, m.added_at FROM organization_members m JOIN users u ON u.id = m.user_id \
             WHERE m.organization_id = $1 AND m.user_id = $2"
        )
        .bind(id)
        .bind(user_id)
        .fetch_optional(db)
        .await
        })?;
        row.map(member).transpose()
    }

    async fn set_member(&self, id: &str, user_id: &str, roles: &[String], now: Time, by: &Act) -> Result<SetMember> {
        let roles = serde_json::to_string(roles).map_err(StorageError::corrupt)?;
        step!(self, |tx| {
            // Both stay until the end of the transaction: whoever deletes one waits, and finds the membership.
            let held = sqlx::query("UPDATE organizations SET id = id WHERE id = $1").bind(id).execute(&mut *tx).await?;
            if held.rows_affected() == 0 {
                return Ok(SetMember::NoOrganization);
            }
            let held = sqlx::query("UPDATE users SET id = id WHERE id = $1").bind(user_id).execute(&mut *tx).await?;
            if held.rows_affected() == 0 {
                return Ok(SetMember::NoPerson);
            }
            let changed = sqlx::query("UPDATE organization_members SET roles = $3 WHERE organization_id = $1 AND user_id = $2")
                .bind(id)
                .bind(user_id)
                .bind(&roles)
                .execute(&mut *tx)
                .await?;
            let known = changed.rows_affected() > 0;
            if !known {
                sqlx::query("INSERT INTO organization_members (organization_id, user_id, roles, added_at) VALUES ($1, $2, $3, $4)")
                    .bind(id)
                    .bind(user_id)
                    .bind(&roles)
                    .bind(seconds(now))
                    .execute(&mut *tx)
                    .await?;
            }
            audit!(
                tx,
                Entry::done(if known { "organization.member.change" } else { "organization.member.add" }, both(id, user_id), now, by)
            );
            Ok(if known { SetMember::Changed } else { SetMember::Added })
        })
    }

    async fn remove_member(&self, id: &str, user_id: &str, now: Time, by: &Act) -> Result<bool> {
        step!(self, |tx| {
            let done = sqlx::query("DELETE FROM organization_members WHERE organization_id = $1 AND user_id = $2")
                .bind(id)
                .bind(user_id)
                .execute(&mut *tx)
                .await?;
            let known = done.rows_affected() > 0;
            if known {
                audit!(tx, Entry::done("organization.member.remove", both(id, user_id), now, by));
            }
            Ok(known)
        })
    }

    async fn of_person(&self, user_id: &str) -> Result<Vec<Membership>> {
        let rows = on!(self.read, |db| sqlx::query_as::<_, (String, String, String, String)>(
            "SELECT o.id, o.slug, o.name, m.roles FROM organization_members m JOIN organizations o ON o.id = m.organization_id \
             WHERE m.user_id = $1 ORDER BY o.slug LIMIT 200"
        )
        .bind(user_id)
        .fetch_all(db)
        .await)?;
        let membership = |(organization_id, slug, name, stored): (String, String, String, String)| {
            Ok(Membership { organization_id, slug, name, roles: roles(&stored)? })
        };
        rows.into_iter().map(membership).collect()
    }
}

fn subject(id: &str) -> String {
    format!("organization:{id}")
}

fn both(id: &str, user_id: &str) -> String {
    format!("organization:{id} user:{user_id}")
}

fn roles(stored: &str) -> Result<Vec<String>> {
    serde_json::from_str(stored).map_err(StorageError::corrupt)
}

fn organization(row: Row) -> Result<Organization> {
    Ok(Organization {
        id: row.id,
        slug: row.slug,
        name: row.name,
        revision: row.revision,
        created_at: moment(row.created_at)?,
        updated_at: moment(row.updated_at)?,
    })
}

fn member(row: MemberRow) -> Result<Member> {
    Ok(Member {
        user_id: row.user_id,
        email: row.email,
        username: row.username,
        name: row.name,
        roles: roles(&row.roles)?,
        added_at: moment(row.added_at)?,
    })
}
