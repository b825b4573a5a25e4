//! `/v1/registration`, `/v1/me`, `/v1/users`, `/v1/one-time-tokens`.

use std::time::Duration;

use portero::config::SignUp;
use portero::mail::{self, Mail};
use portero::storage::durable::AuditFilter;
use serde_json::{Value, json};

use crate::harness::{Browser, Flow, PASSWORD, Server, all};

const OTHER: &str = "a quite different phrase";

impl Server {
    async fn with_sign_up(policy: SignUp) -> Self {
        Self::with(|config| {
            config.sign_up = policy;
            config.limits = false;
        })
        .await
    }

    /// The mails since the last time: to whom, and what.
    async fn mails(&self) -> Vec<(String, Mail)> {
        let (outbox, now) = (&self.app.storage.outbox, self.app.clock.now());
        let claimed = outbox.claim(100, Duration::from_secs(3600 * 24 * 365), now).await.expect("read");
        let opened = |mail: &portero::storage::durable::NewMail| mail::open(&self.app.seal, mail).expect("ours").0;
        claimed.iter().map(|claimed| (claimed.mail.to_address.clone(), opened(&claimed.mail))).collect()
    }

    async fn post(&self, path: &str, body: Value) -> crate::harness::Answer {
        self.call("POST", path, "", Some(body)).await
    }
}

#[tokio::test]
async fn rg_01_a_sign_up_answers_the_same_whether_the_address_is_known_or_not() {
    let server = Server::with_sign_up(SignUp::Open).await;
    let form = |email: &str| json!({ "email": email, "password": PASSWORD, "name": "Ana Ñ.", "attributes": { "city_id": 3 } });
    let first = server.post("/v1/registration", form("ana@example.org")).await.expect(202);
    let second = server.post("/v1/registration", form("ANA@example.org")).await.expect(202);
    assert_eq!(first.json().as_object().map(|o| o.keys().cloned().collect::<Vec<_>>()), Some(vec!["handle".to_owned()]));
    assert_eq!(first.body.len(), second.body.len());
    let names = |answer: &crate::harness::Answer| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&first), names(&second));
    let mut mails = server.mails().await;
    mails.sort_by_key(|(to, _)| std::cmp::Reverse(to.clone()));
    let [(_, Mail::SignUp { token, .. }), (_, Mail::SignUp { .. })] = &mails[..] else { panic!("{mails:?}") };
    assert_eq!(server.post("/v1/registration/verify", json!({ "token": token })).await.status, 204);
    let late = server.post("/v1/registration", form("ANA@example.org")).await.expect(202);
    assert_eq!((first.body.len(), names(&first)), (late.body.len(), names(&late)));
    let [(_, Mail::AlreadyRegistered)] = &server.mails().await[..] else { panic!("she has an account now") };
    server.post("/v1/registration/verify", json!({ "token": token })).await.expect_problem(400, "link_invalid");
    let console = server.console().await;
    let ana = server.signed_in(&console, "ana@example.org", "openid account").await;
    let me = server.call("GET", "/v1/me", &ana, None).await.expect(200).json();
    assert_eq!((&me["email_verified"], &me["attributes"]["city_id"], &me["roles"]), (&json!(true), &json!(3), &json!([])));
}

/// Whoever confirms second is told in the answer, in their language, that the user name is gone; and whoever signed up makes room for an administrator.
#[tokio::test]
async fn rg_06_a_sign_up_that_is_not_confirmed_yields_its_name_and_its_address() {
    let server = Server::with_sign_up(SignUp::Open).await;
    let console = server.console().await;
    let admin = server.administrator(&console, "uma", &["user_admin"]).await;
    let form = |email: &str| json!({ "email": email, "password": OTHER, "username": "flor", "locale": "es" });
    for email in ["ana@example.org", "eva@example.org", "luz@example.org", "sol@example.org"] {
        server.post("/v1/registration", form(email)).await.expect(202);
    }
    let mails = server.mails().await;
    let token = |mails: &[(String, Mail)], address: &str| {
        let found = mails.iter().find_map(|(to, mail)| match mail {
            Mail::SignUp { token, .. } | Mail::ResetPassword { token, .. } if to == address => Some(token.clone()),
            _ => None,
        });
        found.expect("a link")
    };
    let verify = |address: &str| json!({ "token": token(&mails, address) });
    assert_eq!(server.post("/v1/registration/verify", verify("eva@example.org")).await.status, 204, "she is first");
    let told = server.post("/v1/registration/verify", verify("ana@example.org")).await.expect(200).json();
    assert_eq!((&told["username_taken"], &told["choose_at"]), (&json!(true), &json!(format!("{}/account", server.app.urls.origin()))));
    assert!(told["detail"].as_str().is_some_and(|detail| detail.starts_with("Somebody else got the username")), "{told}");
    server.post("/v1/registration/request-reset", json!({ "identifier": "luz@example.org" })).await.expect(202);
    let more = server.mails().await;
    let reset = json!({ "token": token(&more, "luz@example.org"), "password": PASSWORD });
    let told = server.post("/v1/registration/reset", reset).await.expect(200).json();
    assert_eq!(told["username_taken"], true);
    let mut written: Vec<String> =
        server.mails().await.into_iter().chain(more).filter(|(_, mail)| *mail == Mail::UsernameTaken).map(|(to, _)| to).collect();
    written.sort();
    assert_eq!(written, ["ana@example.org", "luz@example.org"]);
    // TJ-12: an administrator makes the account of an address that somebody only signed up with.
    let waiting = server.call("GET", "/v1/users/sol@example.org", &admin, None).await.expect(200).json();
    let new = json!({ "email": "sol@example.org", "username": "sol", "email_verified": true });
    let made = server.call("POST", "/v1/users", &admin, Some(new.clone())).await.expect(201).json();
    assert_ne!(made["id"], waiting["id"]);
    server.post("/v1/registration/verify", verify("sol@example.org")).await.expect_problem(400, "link_invalid");
    let gone = format!("/v1/users/{}", waiting["id"].as_str().expect("an id"));
    server.call("GET", &gone, &admin, None).await.expect_problem(404, "not_found");
    server.call("POST", "/v1/users", &admin, Some(new)).await.expect_problem(409, "taken");
}

#[tokio::test]
async fn rg_05_rg_11_nobody_signs_up_as_more_than_anybody_or_where_it_is_closed() {
    let server = Server::with_sign_up(SignUp::Open).await;
    for (member, value) in [
        ("roles", json!(["owner"])),
        ("is_admin", json!(true)),
        ("email_verified", json!(true)),
        ("id", json!("usr_1")),
        ("groups", json!([])),
        ("created_at", json!("2020-01-01T00:00:00Z")),
        ("claims", json!({})),
    ] {
        let mut form = json!({ "email": "eve@example.org", "password": PASSWORD });
        form[member] = value;
        let answer = server.post("/v1/registration", form).await.expect_problem(400, "invalid_request");
        assert_eq!(answer.wrong(), [format!("/{member} unknown_member")]);
    }
    for email in ["a@b@example.org", "x", "a\nBcc: v@x.org", "<script>@x.org", &"a".repeat(300)] {
        let answer = server.post("/v1/registration", json!({ "email": email, "password": PASSWORD })).await;
        assert!(answer.expect_problem(400, "invalid_request").wrong()[0].starts_with("/email "), "{email}");
    }
    assert!(server.mails().await.is_empty(), "no mail leaves");
    let weak = server.post("/v1/registration", json!({ "email": "eve@example.org", "password": "password" })).await;
    assert_eq!(weak.expect_problem(400, "invalid_request").wrong(), ["/password bad_password"]);

    let closed = Server::with_sign_up(SignUp::Closed).await;
    let form = json!({ "email": "eve@example.org", "password": PASSWORD });
    closed.post("/v1/registration", form.clone()).await.expect_problem(403, "sign_up_closed");
    let invited = Server::with_sign_up(SignUp::Invitation).await;
    invited.post("/v1/registration", form.clone()).await.expect_problem(403, "sign_up_closed");
    let console = invited.console().await;
    let admin = invited.administrator(&console, "uma", &["user_admin"]).await;
    let invitation = json!({ "email": "eve@example.org", "roles": ["editor"] });
    assert_eq!(invited.call("POST", "/v1/invitations", &admin, Some(invitation)).await.status, 202);
    let over = json!({ "email": "eve@example.org", "roles": ["owner"] });
    invited.call("POST", "/v1/invitations", &admin, Some(over)).await.expect_problem(403, "above_your_role");
    let mails = invited.mails().await;
    let [(_, Mail::Invitation { token, .. })] = &mails[..] else { panic!("{mails:?}") };
    let taken_up = json!({ "email": "eve@example.org", "password": PASSWORD, "invitation": token });
    invited.post("/v1/registration", taken_up.clone()).await.expect(202);
    let other = json!({ "email": "mal@example.org", "password": PASSWORD, "invitation": token });
    invited.post("/v1/registration", other).await.expect_problem(400, "link_invalid");
    let eve = invited.call("GET", "/v1/users/eve@example.org", &admin, None).await.expect(200).json();
    assert_eq!((&eve["roles"], &eve["email_verified"]), (&json!(["editor"]), &json!(true)));
}

/// A client that tries again after a time-out, and a double click of an administrator.
#[tokio::test]
async fn a_registration_and_an_invitation_that_come_again_are_done_once() {
    let server = Server::with_sign_up(SignUp::Open).await;
    let register = async |email: &str, password: &str, key: &str| {
        let form = json!({ "email": email, "password": password });
        server.call_with("POST", "/v1/registration", "", Some(form), &[("idempotency-key", key)]).await
    };
    let first = register("ana@example.org", PASSWORD, "k").await.expect(202);
    let reader = server.console().await;
    let reader = server.administrator(&reader, "rita", &["auditor"]).await;
    let ana = server.call("GET", "/v1/users/ana@example.org", &reader, None).await.expect(200).json();
    assert_eq!((&ana["pending"], &ana["email_verified"]), (&json!(true), &json!(false)));
    let again = register("ana@example.org", PASSWORD, "k").await.expect(202);
    assert_eq!(first.json()["handle"], again.json()["handle"]);
    let mails = server.mails().await;
    let [(_, Mail::SignUp { code: Some(code), .. })] = &mails[..] else { panic!("{mails:?}") };
    // A key is nobody's: whoever sends something else under it hears nothing of the first.
    let eva = register("eva@example.org", PASSWORD, "k").await.expect(202);
    let other = register("ana@example.org", "another good password", "k").await.expect(202);
    assert!([&eva, &other].iter().all(|answer| answer.json()["handle"] != first.json()["handle"]));
    assert_eq!(server.mails().await.len(), 2);
    // What was refused is tried again.
    assert_eq!(
        register("sol@example.org", "password", "w").await.expect_problem(400, "invalid_request").wrong(),
        ["/password bad_password"]
    );
    assert_eq!(
        register("sol@example.org", "password", "w").await.expect_problem(400, "invalid_request").wrong(),
        ["/password bad_password"]
    );
    register("sol@example.org", PASSWORD, "two words").await.expect_problem(400, "invalid_request");
    // Ana's password is in doubt by now; the address is hers all the same.
    let proof = json!({ "handle": first.json()["handle"], "code": code });
    server.post("/v1/registration/verify", proof).await.expect(204);

    let console = server.console().await;
    let admin = server.administrator(&console, "uma", &["user_admin"]).await;
    server.mails().await;
    for (email, mails) in [("luz@example.org", 1), ("luz@example.org", 0)] {
        let body = Some(json!({ "email": email, "roles": ["editor"] }));
        assert_eq!(server.call_with("POST", "/v1/invitations", &admin, body, &[("idempotency-key", "i")]).await.status, 202);
        assert_eq!(server.mails().await.len(), mails);
    }
    let other = Some(json!({ "email": "mar@example.org", "roles": [] }));
    let reused = server.call_with("POST", "/v1/invitations", &admin, other, &[("idempotency-key", "i")]).await;
    reused.expect_problem(422, "idempotency_key_reused");
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_link_or_code() {
    let server = Server::with_sign_up(SignUp::Closed).await;
    let console = server.console().await;
    server.user("ana").await;
    for identifier in ["ana", "nobody@example.org"] {
        server.post("/v1/registration/request-reset", json!({ "identifier": identifier })).await.expect(202);
    }
    let mails = server.mails().await;
    let [(to, Mail::ResetPassword { token, .. })] = &mails[..] else { panic!("{mails:?}") };
    assert_eq!(to, "ana@example.org");
    let reset = |token: &str, password: &str| json!({ "token": token, "password": password });
    let weak = server.post("/v1/registration/reset", reset(token, "password")).await.expect_problem(400, "invalid_request");
    assert_eq!(weak.wrong(), ["/password bad_password"]);
    assert_eq!(server.post("/v1/registration/reset", reset(token, OTHER)).await.status, 204);
    server.post("/v1/registration/reset", reset(token, PASSWORD)).await.expect_problem(400, "link_invalid");
    server.mails().await;
    let handle = server.post("/v1/registration/request-reset", json!({ "identifier": "ana" })).await.expect(202).json();
    let mails = server.mails().await;
    let [(_, Mail::ResetPassword { code: Some(code), .. })] = &mails[..] else { panic!("{mails:?}") };
    let by_code = json!({ "handle": handle["handle"], "code": code, "password": PASSWORD });
    assert_eq!(server.post("/v1/registration/reset", by_code).await.status, 204);
    server.signed_in(&console, "ana", "openid account").await;
}

#[tokio::test]
async fn ones_own_account() {
    let server = Server::with_sign_up(SignUp::Closed).await;
    let console = server.console().await;
    let (ana, bea) = (server.user("ana").await, server.user("bea").await);
    let mut browser = Browser::new(&server);
    let flow = Flow::new(&console).with("scope", "openid account");
    let token = browser.tokens(&console, &flow, "ana").await["access_token"].as_str().expect("one").to_owned();
    let theirs = Browser::new(&server).tokens(&console, &flow, "bea").await["access_token"].as_str().expect("one").to_owned();

    let me = server.call("GET", "/v1/me", &token, None).await.expect(200);
    assert_eq!(me.json()["id"], ana);
    assert!(!me.body.contains("password_hash") && !me.body.contains("argon2"));
    let tag = me.header("etag").to_owned();
    let patch = json!({ "name": "Ana Ñandú", "locale": "es-MX", "attributes": { "city_id": 7, "xp_total": 10 } });
    let changed = server.call_with("PATCH", "/v1/me", &token, Some(patch), &[("if-match", &tag)]).await.expect(200).json();
    assert_eq!((&changed["name"], &changed["attributes"]["city_id"]), (&json!("Ana Ñandú"), &json!(7)));
    let stale = server.call_with("PATCH", "/v1/me", &token, Some(json!({ "name": "X" })), &[("if-match", &tag)]).await;
    stale.expect_problem(412, "precondition_failed");
    let merged =
        server.call("PATCH", "/v1/me", &token, Some(json!({ "attributes": { "city_id": null }, "locale": null }))).await.expect(200).json();
    assert_eq!((&merged["attributes"], merged.get("locale")), (&json!({ "xp_total": 10 }), None));
    for member in ["roles", "email", "email_verified", "password_hash", "sub", "id", "tenant_id", "reset_required"] {
        let answer = server.call("PATCH", "/v1/me", &token, Some(json!({ member: "x" }))).await.expect_problem(400, "invalid_request");
        assert_eq!(answer.wrong(), [format!("/{member} unknown_member")], "ad_05");
    }
    server.call("PATCH", "/v1/me", &token, Some(json!({ "username": "bea" }))).await.expect_problem(409, "taken");

    // AD-02: B's things with B's real ids are not A's.
    let sessions = server.call("GET", "/v1/me/sessions", &theirs, None).await.expect(200).json();
    let session = sessions["items"][0]["id"].as_str().expect("one").to_owned();
    assert_eq!(sessions["items"][0]["current"], true);
    server.call("DELETE", &format!("/v1/me/sessions/{session}"), &token, None).await.expect_problem(404, "not_found");
    server.call("DELETE", &format!("/v1/me/consents/{}", console.id), &token, None).await;
    assert_eq!(server.call("GET", "/v1/me/sessions", &theirs, None).await.expect(200).json()["items"][0]["id"], session);
    assert_eq!(server.call("GET", &format!("/v1/users/{bea}"), &token, None).await.status, 401, "disconnecting revoked it");
    let token = browser.tokens(&console, &flow, "ana").await["access_token"].as_str().expect("one").to_owned();

    // What happened to them, page by page; each is told of their own.
    let (mut seen, mut path) = (Vec::new(), "/v1/me/activity?limit=2".to_owned());
    loop {
        let page = server.call("GET", &path, &token, None).await.expect(200).json();
        for entry in page["items"].as_array().expect("a list") {
            assert!(!entry.to_string().contains(&bea), "{entry}");
            seen.push((entry["act"].as_str().expect("its name").to_owned(), entry["by"].as_str().expect("a hand").to_owned()));
        }
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/me/activity?limit=2&cursor={next}");
    }
    for (act, by) in [("user.create", "administrator"), ("session.start", "you"), ("consent.withdraw", "you")] {
        assert!(seen.iter().any(|entry| (entry.0.as_str(), entry.1.as_str()) == (act, by)), "{act} {by}: {seen:?}");
    }
    server.call("GET", "/v1/me/activity?cursor=dXNlcnM6MQ", &token, None).await.expect_problem(400, "invalid_request");
    server.call("GET", "/v1/me/activity?limit=201", &token, None).await.expect_problem(400, "invalid_request");

    let export = server.call("GET", "/v1/me/export", &token, None).await.expect(200);
    assert_eq!(export.header("content-disposition"), "attachment; filename=\"portero-account.json\"");
    assert!(!export.body.contains("argon2"));
    // A password change needs the present one, and ends what was open.
    let change = |current: &str, new: &str| Some(json!({ "current_password": current, "new_password": new }));
    server.call("POST", "/v1/me/password", &token, change("wrong password", OTHER)).await.expect_problem(403, "wrong_password");
    let weak = server.call("POST", "/v1/me/password", &token, change(PASSWORD, "password")).await.expect_problem(400, "invalid_request");
    assert_eq!(weak.wrong(), ["/new_password bad_password"]);
    assert_eq!(server.call("POST", "/v1/me/password", &token, change(PASSWORD, OTHER)).await.status, 204);
    server.call("GET", "/v1/me", &token, None).await.expect_problem(401, "invalid_token");
    server
        .call("POST", "/v1/me/delete", &theirs, Some(json!({ "password": "wrong password" })))
        .await
        .expect_problem(403, "wrong_password");
    server.advance(3600 * 2);
    let late = server.signed_in(&console, "bea", "openid account").await;
    server.advance(11 * 60);
    server.call("DELETE", "/v1/me", &late, None).await.expect_problem(401, "invalid_token");
    let now = server.signed_in(&console, "bea", "openid account").await;
    assert_eq!(server.call("DELETE", "/v1/me", &now, None).await.status, 204);
    server.call("GET", "/v1/me", &now, None).await.expect_problem(401, "invalid_token");
}

#[tokio::test]
async fn another_address_is_confirmed_there_and_undone_from_the_old_one() {
    let server = Server::with_sign_up(SignUp::Closed).await;
    let console = server.console().await;
    server.user("ana").await;
    let token = server.signed_in(&console, "ana", "openid account").await;
    server.call("POST", "/v1/me/email", &token, Some(json!({ "email": "new@example.org" }))).await.expect(202);
    let mails = server.mails().await;
    let find = |wanted: &str| mails.iter().find(|(to, _)| to == wanted).map(|(_, mail)| mail.clone()).expect("a mail");
    let Mail::ChangeEmail { token: confirm, .. } = find("new@example.org") else { panic!("{mails:?}") };
    let Mail::EmailChangeRequested { token: undo, .. } = find("ana@example.org") else { panic!("{mails:?}") };
    assert_eq!(server.post("/v1/registration/confirm-email-change", json!({ "token": confirm })).await.status, 204);
    server.post("/v1/registration/confirm-email-change", json!({ "token": confirm })).await.expect_problem(400, "link_invalid");
    let new = server.signed_in(&console, "new@example.org", "openid account").await;
    assert_eq!(server.call("GET", "/v1/me", &new, None).await.expect(200).json()["email_verified"], true);
    assert_eq!(server.post("/v1/registration/undo-email-change", json!({ "token": undo })).await.status, 204);
    server.call("GET", "/v1/me", &new, None).await.expect_problem(401, "invalid_token");
}

/// A sign-in without a browser has no session of its own: its grant stands for one.
#[tokio::test]
async fn the_sign_in_that_ends_the_others_goes_on() {
    let server = Server::with_sign_up(SignUp::Closed).await;
    let console = server.console().await;
    server.user("ana").await;
    let (mine, other) =
        (server.signed_in(&console, "ana", "openid account").await, server.signed_in(&console, "ana", "openid account").await);
    server.call("DELETE", "/v1/me/sessions?keep_current=true", &mine, None).await.expect(200);
    server.call("GET", "/v1/me", &mine, None).await.expect(200);
    server.call("GET", "/v1/me", &other, None).await.expect_problem(401, "invalid_token");
    server.call("DELETE", "/v1/me/sessions", &mine, None).await.expect(200);
    server.call("GET", "/v1/me", &mine, None).await.expect_problem(401, "invalid_token");
}

#[tokio::test]
async fn rg_12_an_invitation_is_over_with_the_rights_of_whoever_made_it() {
    let server = Server::with_sign_up(SignUp::Invitation).await;
    let console = server.console().await;
    let chief = server.administrator(&console, "olga", &["owner"]).await;
    let invite = async |by: &str, address: &str, roles: Value| {
        server.call("POST", "/v1/invitations", by, Some(json!({ "email": address, "roles": roles }))).await.expect(202);
        let Mail::Invitation { token, .. } = server.mail_to(address).await else { panic!("an invitation") };
        token
    };
    let take = async |address: &str, link: &str| {
        server.post("/v1/registration", json!({ "email": address, "password": PASSWORD, "invitation": link })).await
    };
    let owner = server.administrator(&console, "bea", &["owner"]).await;
    let (first, second) = (invite(&owner, "a@example.org", json!(["owner"])).await, invite(&owner, "b@example.org", json!([])).await);
    let kept = invite(&chief, "c@example.org", json!(["owner", "editor"])).await;
    server.call("POST", "/v1/users/bea/disable", &chief, None).await.expect(200);
    take("a@example.org", &first).await.expect_problem(400, "link_invalid");
    take("b@example.org", &second).await.expect_problem(400, "link_invalid");
    take("c@example.org", &kept).await.expect(202);
    server.call("POST", "/v1/users/bea/enable", &chief, None).await.expect(200);
    // A new password ends it, as it ends the other links.
    let owner = server.signed_in(&console, "bea", crate::api::EVERYTHING).await;
    let change = json!({ "current_password": PASSWORD, "new_password": OTHER });
    assert_eq!(server.call("POST", "/v1/me/password", &owner, Some(change)).await.status, 204);
    take("a@example.org", &first).await.expect_problem(400, "link_invalid");
    // A role that was taken.
    let admin = server.administrator(&console, "uma", &["user_admin"]).await;
    let (third, fourth) = (invite(&admin, "d@example.org", json!(["user_admin"])).await, invite(&admin, "e@example.org", json!([])).await);
    server.call("PATCH", "/v1/users/uma", &chief, Some(json!({ "roles": ["auditor"] }))).await.expect(200);
    take("d@example.org", &third).await.expect_problem(400, "link_invalid");
    server.call("PATCH", "/v1/users/uma", &chief, Some(json!({ "roles": ["user_admin"] }))).await.expect(200);
    take("d@example.org", &third).await.expect(202);
    server.call("DELETE", "/v1/users/uma", &chief, None).await.expect(204);
    take("e@example.org", &fourth).await.expect_problem(400, "link_invalid");
    // A client for itself.
    let (crm, machine) = server.machine("users:write").await;
    let (fifth, sixth) = (invite(&machine, "f@example.org", json!(["editor"])).await, invite(&machine, "g@example.org", json!([])).await);
    take("f@example.org", &fifth).await.expect(202);
    server.call("POST", &format!("/v1/clients/{}/disable", crm.id), &chief, None).await.expect(200);
    take("g@example.org", &sixth).await.expect_problem(400, "link_invalid");
    let of = |row: &Value| (row["email"].as_str().unwrap_or_default().to_owned(), row["roles"].clone());
    let people = server.call("GET", "/v1/users?q=example.org", &chief, None).await.expect(200).json();
    let mut made: Vec<_> = people["items"].as_array().expect("a list").iter().map(of).filter(|(email, _)| email.len() == 13).collect();
    made.sort_by(|a, b| a.0.cmp(&b.0));
    let wanted = [("c", json!(["editor", "owner"])), ("d", json!(["user_admin"])), ("f", json!(["editor"]))];
    assert_eq!(made, wanted.map(|(name, roles)| (format!("{name}@example.org"), roles)));
}

#[tokio::test]
async fn administrators_manage_people() {
    let server = Server::with_sign_up(SignUp::Closed).await;
    let console = server.console().await;
    let owner = server.administrator(&console, "olga", &["owner"]).await;
    let new = json!({ "email": "ana@example.org", "username": "ana", "name": "Ana", "roles": ["editor"], "password": PASSWORD });
    let made = server.call_with("POST", "/v1/users", &owner, Some(new.clone()), &[("idempotency-key", "k1")]).await.expect(201);
    let again = server.call_with("POST", "/v1/users", &owner, Some(new.clone()), &[("idempotency-key", "k1")]).await.expect(201);
    assert_eq!(made.json(), again.json());
    assert_eq!(server.call("POST", "/v1/users", &owner, Some(new)).await.expect_problem(409, "taken").wrong(), ["/email taken"]);
    let id = made.json()["id"].as_str().expect("one").to_owned();
    for name in [id.as_str(), "ana", "ana@example.org", "ANA@Example.org"] {
        assert_eq!(server.call("GET", &format!("/v1/users/{name}"), &owner, None).await.expect(200).json()["id"], id, "{name}");
    }
    let found = server.call("GET", "/v1/users?q=ana&role=editor&disabled=false", &owner, None).await.expect(200).json();
    assert_eq!(found["items"][0]["id"], id);
    assert_eq!(server.call("GET", "/v1/users?q=%25", &owner, None).await.expect(200).json()["items"], json!([]), "ad_07");
    server.call("GET", "/v1/users?order_by=password_hash", &owner, None).await.expect_problem(400, "invalid_request");
    let path = format!("/v1/users/{id}");
    let token = server.signed_in(&console, "ana", "openid account").await;
    let patched = server
        .call("PATCH", &path, &owner, Some(json!({ "email_verified": true, "roles": ["viewer"], "name": null })))
        .await
        .expect(200)
        .json();
    assert_eq!((&patched["email_verified"], &patched["roles"], patched.get("name")), (&json!(true), &json!(["viewer"]), None));
    assert_eq!(server.call("POST", &format!("{path}/disable"), &owner, None).await.expect(200).json()["disabled"], true);
    server.call("GET", "/v1/me", &token, None).await.expect_problem(401, "invalid_token");
    assert_eq!(server.call("POST", &format!("{path}/enable"), &owner, None).await.expect(200).json()["disabled"], false);
    server.call("POST", &format!("{path}/unlock"), &owner, None).await.expect(200);
    server.call("GET", &format!("{path}/sessions"), &owner, None).await.expect(200);
    server.mails().await;
    server.call("PATCH", &path, &owner, Some(json!({ "roles": ["viewer", "auditor"] }))).await.expect(200);
    server.signed_in(&console, "ana", "openid account").await;
    server.call("POST", &format!("{path}/end-sessions"), &owner, None).await.expect(200);
    // Whom it concerns is told of both.
    let told = server.mails().await;
    let auditor = Mail::RolesChanged { given: vec!["auditor".to_owned()], taken: Vec::new() };
    assert!(told.len() == 2 && told.iter().all(|(to, _)| to == "ana@example.org"), "{told:?}");
    assert!(told.iter().any(|(_, mail)| *mail == auditor) && told.iter().any(|(_, mail)| *mail == Mail::SessionsEnded), "{told:?}");
    assert_eq!(server.call("POST", &format!("{path}/require-reset"), &owner, None).await.expect(200).json()["reset_required"], true);
    assert!(server.mails().await.iter().any(|(to, mail)| to == "ana@example.org" && matches!(mail, Mail::ResetRequired { .. })));
    assert_eq!(server.call("DELETE", &path, &owner, None).await.status, 204);
    server.call("GET", &path, &owner, None).await.expect_problem(404, "not_found");
    let olga = server.call("GET", "/v1/users/olga", &owner, None).await.expect(200).json();
    let olga = format!("/v1/users/{}", olga["id"].as_str().expect("one"));
    server.call("DELETE", &olga, &owner, None).await.expect_problem(409, "last_owner");
    server.call("PATCH", &olga, &owner, Some(json!({ "roles": [] }))).await.expect_problem(409, "last_owner");
    server.call("POST", &format!("{olga}/disable"), &owner, None).await.expect_problem(409, "last_owner");
    // AD-12: each change has a row, and none holds a password.
    let trail = server.call("GET", &format!("/v1/audit?subject=user:{id}&limit=200"), &owner, None).await.expect(200);
    let acts: Vec<_> =
        trail.json()["items"].as_array().expect("rows").iter().map(|row| row["act"].as_str().unwrap_or_default().to_owned()).collect();
    for act in ["user.create", "user.disable", "user.enable", "user.delete", "user.require_reset"] {
        assert!(acts.iter().any(|done| done == act), "{act}: {acts:?}");
    }
    assert!(!trail.body.contains(PASSWORD));
}

#[tokio::test]
async fn ad_04_nobody_gives_a_role_above_their_own_or_touches_who_has_one() {
    let server = Server::with_sign_up(SignUp::Closed).await;
    let console = server.console().await;
    let owner = server.administrator(&console, "olga", &["owner"]).await;
    let admin = server.administrator(&console, "uma", &["user_admin"]).await;
    let (_, machine) = server.machine("users:write users:read").await;
    server.person("cleo", &["client_admin"]).await;
    server.person("ana", &["editor"]).await;
    for token in [&admin, &machine] {
        for role in ["owner", "client_admin", "auditor"] {
            let new = json!({ "email": "eve@example.org", "roles": [role] });
            server.call("POST", "/v1/users", token, Some(new)).await.expect_problem(403, "above_your_role");
            let patch = json!({ "roles": ["editor", role] });
            server.call("PATCH", "/v1/users/ana", token, Some(patch)).await.expect_problem(403, "above_your_role");
        }
        for name in ["olga", "cleo"] {
            for (method, below, body) in [
                ("PATCH", "", Some(json!({ "email": "evil@example.org" }))),
                ("POST", "/require-reset", None),
                ("POST", "/disable", None),
                ("POST", "/end-sessions", None),
                ("POST", "/unlock", None),
                ("DELETE", "", None),
            ] {
                let answer = server.call(method, &format!("/v1/users/{name}{below}"), token, body).await;
                answer.expect_problem(403, "above_your_role");
            }
        }
        server.call("PATCH", "/v1/users/ana", token, Some(json!({ "roles": ["editor", "viewer"] }))).await.expect(200);
    }
    server.call("PATCH", "/v1/users/uma", &machine, Some(json!({ "name": "X" }))).await.expect_problem(403, "above_your_role");
    server.call("PATCH", "/v1/users/ana", &admin, Some(json!({ "roles": ["user_admin"] }))).await.expect(200);
    server.call("PATCH", "/v1/users/ana", &owner, Some(json!({ "roles": ["auditor"] }))).await.expect(200);
}

#[tokio::test]
async fn a_one_time_token_works_once_for_whom_it_is_meant() {
    let server = Server::with_sign_up(SignUp::Closed).await;
    let (maker, made_by) = server.machine("reports").await;
    let (reader, read_by) = server.machine("reports").await;
    let (_, stranger) = server.machine("reports").await;
    let new = json!({ "purpose": "download", "audience": [reader.id], "subject": "42", "data": { "file": "ñ.pdf" }, "ttl": 60 });
    let made = server.call("POST", "/v1/one-time-tokens", &made_by, Some(new.clone())).await.expect(201).json();
    assert_eq!(made["expires_at"], "2027-01-15T08:01:00Z");
    let consume = |token: &Value, purpose: &str| Some(json!({ "token": token, "purpose": purpose }));
    let path = "/v1/one-time-tokens/consume";
    for (caller, purpose) in [(&stranger, "download"), (&made_by, "download"), (&read_by, "upload")] {
        server.call("POST", path, caller, consume(&made["token"], purpose)).await.expect_problem(404, "one_time_token_invalid");
    }
    let calls = (0..32).map(|_| server.call("POST", path, &read_by, consume(&made["token"], "download")));
    let answers = all(calls).await;
    let (good, bad): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert_eq!((good.len(), bad.len()), (1, 31));
    assert_eq!(good[0].json(), json!({ "subject": "42", "audience": [reader.id], "data": { "file": "ñ.pdf" } }));
    for answer in bad {
        answer.expect_problem(404, "one_time_token_invalid");
    }
    assert_eq!(refused_consumptions(&server).await, 3 + 31, "one row for each, the same ones folded");
    let second = server.call("POST", "/v1/one-time-tokens", &made_by, Some(json!({ "purpose": "p" }))).await.expect(201).json();
    let listed = server.call("GET", "/v1/one-time-tokens", &made_by, None).await.expect(200).json();
    assert_eq!((listed["items"].as_array().map(Vec::len), &listed["items"][0]["audience"]), (Some(1), &json!([maker.id])));
    let one = format!("/v1/one-time-tokens/{}", second["id"].as_str().expect("one"));
    server.call("DELETE", &one, &stranger, None).await.expect_problem(404, "not_found");
    assert_eq!(server.call("DELETE", &one, &made_by, None).await.status, 204);
    server.call("POST", path, &made_by, consume(&second["token"], "p")).await.expect_problem(404, "one_time_token_invalid");
    let third = server.call("POST", "/v1/one-time-tokens", &made_by, Some(json!({ "purpose": "p" }))).await.expect(201).json();
    server.advance(10);
    server.call("POST", path, &made_by, consume(&third["token"], "p")).await.expect_problem(404, "one_time_token_invalid");
    for (wrong, body) in [
        ("/ttl too_small", json!({ "purpose": "p", "ttl": 0 })),
        ("/ttl too_large", json!({ "purpose": "p", "ttl": 86401 })),
        ("/purpose required", json!({})),
        ("/data invalid", json!({ "purpose": "p", "data": "x".repeat(4096) })),
    ] {
        let answer = server.call("POST", "/v1/one-time-tokens", &made_by, Some(body)).await.expect_problem(400, "invalid_request");
        assert_eq!(answer.wrong(), [wrong]);
    }
    // A person's token speaks of that person alone.
    let console = server.console().await;
    let ana = server.user("ana").await;
    let token = server.signed_in(&console, "ana", "openid account").await;
    server
        .call("POST", "/v1/one-time-tokens", &token, Some(json!({ "purpose": "p", "subject": "usr_other" })))
        .await
        .expect_problem(400, "invalid_request");
    let mine = server.call("POST", "/v1/one-time-tokens", &token, Some(json!({ "purpose": "p" }))).await.expect(201).json();
    assert_eq!(server.call("POST", path, &token, consume(&mine["token"], "p")).await.expect(200).json()["subject"], ana);
}

/// How often the audit trail tells that a one-time token was refused.
pub async fn refused_consumptions(server: &Server) -> i64 {
    let filter = AuditFilter { act: Some("one_time_token.consume"), ..AuditFilter::default() };
    let rows = server.app.storage.audit.search(&filter, None, 100).await.expect("read");
    rows.iter().filter(|row| row.result == "refused").map(|row| row.count).sum()
}

/// AD-10: "You are the one" is said of nobody who is not there, may not be there, or got rid of whoever made it.
#[tokio::test]
async fn ad_10_a_one_time_token_ends_with_whoever_made_it() {
    let server = Server::with_sign_up(SignUp::Closed).await;
    let console = server.console().await;
    let owner = server.administrator(&console, "olga", &["owner"]).await;
    let (reader, read_by) = server.machine("reports").await;
    let (maker, made_by) = server.machine("reports").await;
    let new = Some(json!({ "purpose": "join", "audience": [reader.id], "ttl": 600 }));
    let consume = async |token: &Value| {
        server.call("POST", "/v1/one-time-tokens/consume", &read_by, Some(json!({ "token": token["token"], "purpose": "join" }))).await
    };
    for (name, method, below, body) in [
        ("ana", "POST", "/disable", None),
        ("eva", "POST", "/require-reset", None),
        ("luz", "PATCH", "", Some(json!({ "email": "other@example.org" }))),
        ("sol", "DELETE", "", None),
        ("pia", "POST", "", None),
        ("zoe", "PATCH", "", Some(json!({ "name": "Y." }))),
    ] {
        let id = server.user(name).await;
        let theirs = server.signed_in(&console, name, "openid account").await;
        let token = server.call("POST", "/v1/one-time-tokens", &theirs, new.clone()).await.expect(201).json();
        if name == "pia" {
            let change = json!({ "current_password": PASSWORD, "new_password": OTHER });
            assert_eq!(server.call("POST", "/v1/me/password", &theirs, Some(change)).await.status, 204);
        } else {
            let done = server.call(method, &format!("/v1/users/{id}{below}"), &owner, body).await;
            assert!(done.status.is_success(), "{name}: {}", done.body);
        }
        match name {
            "zoe" => assert_eq!(consume(&token).await.expect(200).json()["subject"], id),
            _ => drop(consume(&token).await.expect_problem(404, "one_time_token_invalid")),
        }
    }
    let path = format!("/v1/clients/{}", maker.id);
    let make = async || server.call("POST", "/v1/one-time-tokens", &made_by, new.clone()).await.expect(201).json();
    let (first, second) = (make().await, make().await);
    server.call("POST", &format!("{path}/disable"), &owner, None).await.expect(200);
    consume(&first).await.expect_problem(404, "one_time_token_invalid");
    assert_eq!(server.call("DELETE", &path, &owner, None).await.status, 204);
    consume(&second).await.expect_problem(404, "one_time_token_invalid");
}
