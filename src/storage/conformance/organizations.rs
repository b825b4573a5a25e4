//! The contract of organisations and their members.

use super::super::durable::Whom;
use super::super::durable::organizations::{Membership, NamedOrganization, Organization, OrganizationKey, Saved, SetMember};
use super::super::{Storage, StorageError};
use super::races::together;
use super::{Place, at, furnished, on_every_database, operator, person, trail, user};

on_every_database!(
    an_organization_is_made_changed_and_deleted,
    a_slug_and_a_name_are_one_organizations,
    members_and_their_roles,
    an_organization_goes_with_its_members_and_a_person_with_theirs,
    of_two_changes_one_is_stale,
);

fn named(id: &str, slug: &str, name: &str) -> NamedOrganization {
    let organization =
        Organization { id: id.to_owned(), slug: slug.to_owned(), name: name.to_owned(), revision: 0, created_at: at(0), updated_at: at(0) };
    NamedOrganization { organization, name_canonical: name.to_lowercase() }
}

async fn with_two(place: &Place) -> Storage {
    let storage = furnished(place).await;
    storage.users.create(&user("bea"), &operator()).await.expect("new");
    for new in [named("org_1", "acme", "Acme 100%"), named("org_2", "peña", "Peña_Z")] {
        storage.organizations.create(&new, &operator()).await.expect("new");
    }
    storage
}

async fn an_organization_is_made_changed_and_deleted(place: &Place) {
    let storage = with_two(place).await;
    let organizations = &storage.organizations;
    let acme = named("org_1", "acme", "Acme 100%").organization;
    assert_eq!(organizations.find(OrganizationKey::Id("org_1")).await.expect("read"), Some(acme.clone()));
    assert_eq!(organizations.find(OrganizationKey::Slug("acme")).await.expect("read"), Some(acme.clone()));
    assert_eq!(organizations.find(OrganizationKey::Slug("Acme")).await.expect("read"), None);
    let listed = async |q: Option<&str>, after: Option<&str>, limit| {
        let found = organizations.list(q, after, limit).await.expect("read");
        found.into_iter().map(|organization| organization.id).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, None, 10).await, ["org_1", "org_2"]);
    assert_eq!(listed(None, None, 1).await, ["org_1"]);
    assert_eq!(listed(None, Some("org_1"), 10).await, ["org_2"]);
    assert_eq!(listed(Some("acm"), None, 10).await, ["org_1"]);
    assert_eq!(listed(Some("100%"), None, 10).await, ["org_1"]);
    assert_eq!(listed(Some("%"), None, 10).await, ["org_1"], "it stands for itself");
    assert_eq!(listed(Some("_"), None, 10).await, ["org_2"]);

    let mut changed = named("org_1", "acme-2", "Acme II");
    changed.organization.updated_at = at(9);
    assert_eq!(organizations.update(&changed, &operator()).await.expect("done"), Saved::Done);
    let after = organizations.find(OrganizationKey::Slug("acme-2")).await.expect("read").expect("there");
    assert_eq!((after.revision, after.name.as_str(), after.created_at, after.updated_at), (1, "Acme II", at(0), at(9)));
    assert_eq!(organizations.update(&changed, &operator()).await.expect("read"), Saved::Stale);
    assert_eq!(organizations.update(&named("org_9", "x", "X"), &operator()).await.expect("read"), Saved::Unknown);
    assert!(organizations.delete("org_1", at(10), &operator()).await.expect("done"));
    assert!(!organizations.delete("org_1", at(10), &operator()).await.expect("read"));
    assert_eq!(
        trail(&storage, 2).await,
        ["organization.delete operator organization:org_1 done - 1", "organization.update operator organization:org_1 done - 1"]
    );
}

async fn a_slug_and_a_name_are_one_organizations(place: &Place) {
    let storage = with_two(place).await;
    let organizations = &storage.organizations;
    let refused = organizations.create(&named("org_3", "acme", "Another"), &operator()).await;
    assert!(matches!(refused, Err(StorageError::Conflict("slug"))), "{refused:?}");
    let refused = organizations.create(&named("org_3", "another", "ACME 100%"), &operator()).await;
    assert!(matches!(refused, Err(StorageError::Conflict("name"))), "{refused:?}");
    let refused = organizations.update(&named("org_2", "acme", "Peña_Z"), &operator()).await;
    assert!(matches!(refused, Err(StorageError::Conflict("slug"))), "{refused:?}");
    let made = together(8, |n| {
        let storage = storage.clone();
        async move { storage.organizations.create(&named(&format!("org_r{n}"), "race", "Race"), &operator()).await.is_ok() }
    });
    assert_eq!(made.await.into_iter().filter(|made| *made).count(), 1);
}

async fn members_and_their_roles(place: &Place) {
    let storage = with_two(place).await;
    let organizations = &storage.organizations;
    let set = async |id: &str, user_id: &str, roles: &[&str]| {
        let roles: Vec<String> = roles.iter().map(|&role| role.to_owned()).collect();
        organizations.set_member(id, user_id, &roles, at(5), &person("ana")).await.expect("answered")
    };
    assert_eq!(set("org_1", "ana", &["editor"]).await, SetMember::Added);
    assert_eq!(set("org_1", "ana", &["admin", "editor"]).await, SetMember::Changed);
    assert_eq!(set("org_1", "bea", &[]).await, SetMember::Added);
    assert_eq!(set("org_2", "ana", &[]).await, SetMember::Added);
    assert_eq!(set("org_9", "ana", &[]).await, SetMember::NoOrganization);
    assert_eq!(set("org_1", "nobody", &[]).await, SetMember::NoPerson);
    let members = organizations.members("org_1", None, 10).await.expect("read");
    assert_eq!(members.iter().map(|member| member.user_id.as_str()).collect::<Vec<_>>(), ["ana", "bea"]);
    assert_eq!(
        (members[0].roles.join(" "), members[0].email.as_str(), members[0].added_at),
        ("admin editor".into(), "ana@Example.org", at(5))
    );
    assert_eq!(organizations.members("org_1", Some("ana"), 10).await.expect("read").len(), 1);
    assert_eq!(organizations.member("org_1", "bea").await.expect("read").as_ref(), Some(&members[1]));
    assert_eq!(organizations.member("org_2", "bea").await.expect("read"), None);
    let of_ana = organizations.of_person("ana").await.expect("read");
    let acme = Membership {
        organization_id: "org_1".to_owned(),
        slug: "acme".to_owned(),
        name: "Acme 100%".to_owned(),
        roles: vec!["admin".to_owned(), "editor".to_owned()],
    };
    assert_eq!((of_ana.len(), &of_ana[0]), (2, &acme));
    assert!(organizations.remove_member("org_1", "ana", at(6), &person("ana")).await.expect("done"));
    assert!(!organizations.remove_member("org_1", "ana", at(6), &person("ana")).await.expect("read"));
    assert_eq!(trail(&storage, 1).await, ["organization.member.remove person:ana organization:org_1 user:ana done - 1"]);
}

async fn an_organization_goes_with_its_members_and_a_person_with_theirs(place: &Place) {
    let storage = with_two(place).await;
    for (id, user_id) in [("org_1", "ana"), ("org_1", "bea"), ("org_2", "ana")] {
        storage.organizations.set_member(id, user_id, &[], at(5), &operator()).await.expect("done");
    }
    storage.accounts.delete(Whom::by_id("bea"), &[], at(6), &operator()).await.expect("done");
    assert_eq!(storage.organizations.members("org_1", None, 10).await.expect("read").len(), 1);
    storage.organizations.delete("org_1", at(7), &operator()).await.expect("done");
    assert_eq!(storage.organizations.of_person("ana").await.expect("read").len(), 1);
    assert!(storage.organizations.members("org_1", None, 10).await.expect("read").is_empty());
}

async fn of_two_changes_one_is_stale(place: &Place) {
    let storage = with_two(place).await;
    for round in 0..10 {
        let outcomes = together(4, |n| {
            let storage = storage.clone();
            async move {
                let mut changed = named("org_1", "acme", &format!("Acme {round} {n}"));
                changed.organization.revision = round;
                storage.organizations.update(&changed, &operator()).await.expect("answered")
            }
        });
        let outcomes = outcomes.await;
        assert_eq!(outcomes.iter().filter(|saved| **saved == Saved::Done).count(), 1, "{outcomes:?}");
    }
}
