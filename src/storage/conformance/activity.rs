//! The contract of what a person is shown of their own account.

use std::time::Duration;

use super::super::Storage;
use super::super::durable::{Act, ActivityOf, Actor, Refusal, Whom};
use super::{Place, at, client, digest, furnished, grant, on_every_database, operator, person, session, user};

on_every_database!(
    an_account_is_shown_what_happened_to_it,
    nothing_of_another_account_is_shown,
    activity_comes_in_pages,
    what_remains_of_a_session_that_is_gone,
);

const DONE: [&str; 9] = [
    "user.create",
    "user.disable",
    "session.start",
    "session.end",
    "session.end_all",
    "consent.allow",
    "consent.withdraw",
    "grant.open",
    "grant.revoke",
];
const REFUSED: [&str; 2] = ["sign_in", "token.refresh"];

/// Act, actor and user agent, newest first.
async fn told(storage: &Storage, user_id: &str) -> Vec<String> {
    let of = ActivityOf { user_id, done: &DONE, refused: &REFUSED };
    let rows = storage.audit.activity(&of, None, 50).await.expect("read");
    rows.into_iter().map(|told| format!("{} {} {}", told.row.act, told.row.actor, told.user_agent.as_deref().unwrap_or("-"))).collect()
}

fn app() -> Act {
    Act { actor: Actor::Client("app".to_owned()), ..person("app") }
}

async fn an_account_is_shown_what_happened_to_it(place: &Place) {
    let storage = furnished(place).await;
    let refusal = |act, reason| Refusal { act, subject: Some("user:ana".to_owned()), reason };
    let anonymous = Act { actor: Actor::Anonymous, ..person("") };
    storage.audit.refuse(&refusal("sign_in", "wrong_password"), at(1), &anonymous).await.expect("done");
    // Refused, and not of those that are shown when they are.
    storage.audit.refuse(&refusal("user.disable", "last_owner"), at(2), &operator()).await.expect("done");
    // Done, and not of those that are shown.
    storage.audit.looked("user.sessions", Some("user:ana".to_owned()), at(2), &operator()).await.expect("done");
    storage.consents.allow("ana", "app", "openid", at(3), &person("ana")).await.expect("done");
    // With a session behind it, and without one.
    storage.grants.open(&grant(1, Some("s1")), None, &app()).await.expect("done");
    storage.grants.open(&grant(2, None), None, &app()).await.expect("done");
    storage.grants.revoke(&grant(1, None).id, at(4), &app()).await.expect("done");
    storage.consents.withdraw("ana", "app", at(5), &person("ana")).await.expect("done");
    storage.sessions.end("s1", at(6), &operator()).await.expect("done");
    storage.users.set_disabled(Whom::by_id("ana"), true, &[], at(7), &operator()).await.expect("done");
    assert_eq!(
        told(&storage, "ana").await,
        [
            "user.disable operator -",
            "session.end operator a browser",
            "consent.withdraw person:ana -",
            "grant.revoke client:app -",
            "grant.open client:app -",
            "consent.allow person:ana -",
            "sign_in anonymous -",
            "session.start person:ana a browser",
            "user.create operator -",
        ]
    );
}

async fn nothing_of_another_account_is_shown(place: &Place) {
    let storage = furnished(place).await;
    for id in ["bea", "ana2"] {
        storage.users.create(&user(id), &person("ana")).await.expect("new");
    }
    storage.clients.create(&client("other"), &person("ana")).await.expect("new");
    storage.sessions.start(&session("s2", "bea", at(1)), &digest(2), None, &person("bea")).await.expect("done");
    storage.consents.allow("bea", "app", "openid", at(2), &person("bea")).await.expect("done");
    storage.consents.allow("ana2", "app", "openid", at(2), &person("ana2")).await.expect("done");
    // Bea signs in where Ana was: Ana's session ends by Bea's hand.
    storage.sessions.start(&session("s3", "bea", at(3)), &digest(3), Some("s1"), &person("bea")).await.expect("done");
    // As an administrator, Ana acts on Bea.
    storage.sessions.end("s2", at(4), &person("ana")).await.expect("done");
    storage.users.set_disabled(Whom::by_id("bea"), true, &[], at(5), &person("ana")).await.expect("done");
    assert_eq!(
        told(&storage, "ana").await,
        ["session.end person:bea a browser", "session.start person:ana a browser", "user.create operator -"]
    );
    assert_eq!(
        told(&storage, "bea").await,
        [
            "user.disable person:ana -",
            "session.end person:ana a browser",
            "session.start person:bea a browser",
            "consent.allow person:bea -",
            "session.start person:bea a browser",
            "user.create person:ana -",
        ]
    );
    assert_eq!(told(&storage, "an_").await, Vec::<String>::new());
    assert_eq!(told(&storage, "%").await, Vec::<String>::new());
}

async fn activity_comes_in_pages(place: &Place) {
    let storage = furnished(place).await;
    for n in 0_u32..7 {
        let refusal = Refusal { act: "sign_in", subject: Some("user:ana".to_owned()), reason: "wrong_password" };
        storage.audit.refuse(&refusal, at(60 * i64::from(n)), &person("ana")).await.expect("done");
        storage.sessions.end_all("ana", None, at(60 * i64::from(n)), &operator()).await.expect("done");
        let (new, replaces) = (session(&format!("t{n}"), "ana", at(60 * i64::from(n))), None);
        storage.sessions.start(&new, &digest(100 + n), replaces, &person("ana")).await.expect("done");
    }
    let of = ActivityOf { user_id: "ana", done: &DONE, refused: &REFUSED };
    let all: Vec<i64> = storage.audit.activity(&of, None, 100).await.expect("read").iter().map(|told| told.row.id).collect();
    assert_eq!(all.len(), 2 + 7 * 3);
    assert!(all.windows(2).all(|pair| pair[0] > pair[1]), "the newest first, each once: {all:?}");
    let (mut paged, mut before) = (Vec::new(), None);
    loop {
        let page = storage.audit.activity(&of, before, 4).await.expect("read");
        let Some(last) = page.last() else { break };
        before = Some(last.row.id);
        paged.extend(page.iter().map(|told| told.row.id));
    }
    assert_eq!(paged, all);
}

async fn what_remains_of_a_session_that_is_gone(place: &Place) {
    let storage = furnished(place).await;
    storage.sessions.end("s1", at(1), &operator()).await.expect("done");
    storage.sessions.clean(at(1) + Duration::from_secs(30 * 24 * 60 * 60)).await.expect("done");
    // What its owner did stays theirs; what it was done with is forgotten with it.
    assert_eq!(told(&storage, "ana").await, ["session.start person:ana -", "user.create operator -"]);
}
