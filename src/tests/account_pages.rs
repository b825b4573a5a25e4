//! The pages of sign-up, recovery and one's own account, as a person without script walks them.

use portero::config::SignUp;
use portero::mail::Mail;
use portero::storage::durable::{Act, Actor, UserKey, Whom};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::harness::{Answer, Browser, Flow, PASSWORD, Server};

const NEW: &str = "seven purple lanterns drift";

fn token(mail: &Mail) -> String {
    match mail {
        Mail::SignUp { token, .. }
        | Mail::VerifyEmail { token, .. }
        | Mail::ResetPassword { token, .. }
        | Mail::ResetRequired { token, .. }
        | Mail::ChangeEmail { token, .. }
        | Mail::EmailChangeRequested { token, .. }
        | Mail::EmailChanged { token, .. }
        | Mail::Invitation { token, .. } => token.clone(),
        other => panic!("{other:?} holds no link"),
    }
}

fn code(mail: &Mail) -> String {
    match mail {
        Mail::SignUp { code: Some(code), .. }
        | Mail::ResetPassword { code: Some(code), .. }
        | Mail::ChangeEmail { code: Some(code), .. } => code.clone(),
        other => panic!("{other:?} holds no code"),
    }
}

/// The same page whatever the address: its text but for what is fresh each time.
fn shape(answer: &Answer) -> String {
    let main = answer.body.split("<main").nth(1).expect("a page").split("</main>").next().expect("its end");
    let mut out = String::new();
    for (at, part) in main.split("value=\"").enumerate() {
        out.push_str(if at == 0 { part } else { part.split_once('"').map_or("", |(_, rest)| rest) });
    }
    out
}

async fn signed_in(server: &Server, browser: &mut Browser<'_>, user: &str, password: &str) -> Answer {
    let page = browser.get("/sign-in").await;
    let answer = browser.submit(&page, &[("username", user), ("password", password)], Some("sign-in-submit")).await;
    assert!(!server.app.storage.users.any_owner().await.expect("read") || answer.status == 200, "{}", answer.body);
    answer
}

#[tokio::test]
async fn somebody_signs_up_inside_a_flow_and_goes_on_to_the_app() {
    let server = Server::start().await;
    let client = server.client(json!({ "client_name": "Notes" })).await;
    let mut browser = Browser::new(&server);
    let sign_in = browser.authorize(&Flow::new(&client)).await;
    let to = sign_in.link("sign-up");
    assert!(to.contains("interaction="), "{to}");
    let page = browser.get(&to).await.expect(200);
    assert!(page.body.contains("Create an account to continue to Notes"), "{}", page.body);
    let fields = [("email", "Luz@Example.org"), ("name", "Luz Ñandú"), ("username", "luz"), ("password", NEW)];
    let waiting = browser.submit(&page, &fields, Some("sign-up-submit")).await.expect(200);
    assert!(waiting.body.contains("id=\"verify-waiting\""), "{}", waiting.body);
    let mail = server.mail_to("Luz@Example.org").await;
    assert!(matches!(mail, Mail::SignUp { .. }), "{mail:?}");
    let wrong = browser.submit(&waiting, &[("code", "999999")], Some("verify-submit")).await;
    assert!(wrong.status == 400 && wrong.body.contains("This is not the code"), "{}", wrong.body);
    let done = browser.submit(&wrong, &[("code", &code(&mail))], Some("verify-submit")).await.expect(200);
    assert!(done.body.contains("id=\"verify-done\""), "{}", done.body);
    let user = server.app.storage.users.find(UserKey::Identifier("luz")).await.expect("read").expect("made");
    assert!(user.email_verified && user.name.as_deref() == Some("Luz Ñandú") && user.roles.is_empty(), "{user:?}");
    // The way leads back into the flow, and to the app.
    let sign_in = browser.get(&done.link("next")).await.expect(200);
    let consent = browser.submit(&sign_in, &[("username", "luz"), ("password", NEW)], Some("sign-in-submit")).await;
    let answer = browser.allow(&consent).await;
    assert!(answer.redirected().contains_key("code"));
    // The link of the same mail was used with the code.
    let link = Browser::new(&server).get(&format!("/verify-email?token={}", token(&mail))).await;
    assert!(link.status == 400 && link.body.contains("expired or was used"), "{}", link.body);
}

/// Two asked for one user name: whoever confirms second is told that it is gone, and where to choose another.
#[tokio::test]
async fn whoever_confirms_second_learns_that_the_user_name_is_taken() {
    let server = Server::start().await;
    let mut pages = Vec::new();
    for email in ["eva@example.org", "luz@example.org"] {
        let mut browser = Browser::new(&server);
        let page = browser.get("/sign-up").await;
        browser.submit(&page, &[("email", email), ("username", "flor"), ("password", NEW)], Some("sign-up-submit")).await.expect(200);
        pages.push((email, browser));
    }
    for (email, browser) in &mut pages {
        let confirm = browser.get(&format!("/verify-email?token={}", token(&server.mail_to(email).await))).await.expect(200);
        let done = browser.submit(&confirm, &[], Some("verify-submit")).await.expect(200);
        assert!(done.body.contains("id=\"verify-done\""), "{}", done.body);
        let second = *email == "luz@example.org";
        assert_eq!(done.body.contains("Your username is taken") && done.body.contains("href=\"/account\""), second, "{}", done.body);
    }
    let kinds = server.mail_kinds("luz@example.org").await;
    assert!(kinds.iter().any(|kind| kind == "username_taken"), "{kinds:?}");
    // A reset that confirms says it as well.
    let mut browser = Browser::new(&server);
    let page = browser.get("/sign-up").await;
    let fields = [("email", "sol@example.org"), ("username", "mar"), ("password", NEW)];
    browser.submit(&page, &fields, Some("sign-up-submit")).await.expect(200);
    server.user("mar").await;
    let page = browser.get("/recover").await;
    let waiting = browser.submit(&page, &[("username", "sol@example.org")], Some("recover-submit")).await.expect(200);
    let code = code(&server.mail_to("sol@example.org").await);
    let done = browser.submit(&waiting, &[("code", &code), ("password", NEW)], Some("reset-submit")).await.expect(200);
    assert!(done.body.contains("id=\"reset-done\"") && done.body.contains("Your username is taken"), "{}", done.body);
}

/// RG-01: nothing on the page tells whether an address has an account.
#[tokio::test]
async fn a_taken_address_looks_like_a_free_one_and_its_owner_is_told() {
    let server = Server::start().await;
    server.user("ana").await;
    let mut seen = Vec::new();
    for email in ["ana@example.org", "nobody@example.org"] {
        let mut browser = Browser::new(&server);
        let page = browser.get("/sign-up").await;
        let waiting = browser.submit(&page, &[("email", email), ("password", NEW)], Some("sign-up-submit")).await.expect(200);
        seen.push(shape(&waiting));
        let page = browser.get("/recover").await;
        let waiting = browser.submit(&page, &[("username", &email.replace("nobody", "noone"))], Some("recover-submit")).await.expect(200);
        seen.push(shape(&waiting));
        // A code is wrong for both alike.
        let wrong = browser.submit(&waiting, &[("code", "000000"), ("password", NEW)], Some("reset-submit")).await.expect(400);
        seen.push(shape(&wrong));
        let page = browser.get("/verify-email").await;
        let waiting = browser.submit(&page, &[("email", &email.replace("nobody", "noone"))], Some("resend-submit")).await.expect(200);
        seen.push(shape(&waiting));
    }
    let (taken, free) = seen.split_at(4);
    assert_eq!(taken, free);
    let mut kinds = server.mail_kinds("ana@example.org").await;
    // They were made in one second of the frozen clock.
    kinds.sort();
    assert_eq!(kinds, ["already_registered", "reset_password"], "what its owner gets");
    assert!(server.mail_kinds("noone@example.org").await.is_empty());
}

#[tokio::test]
async fn sign_up_says_what_is_wrong_and_keeps_what_was_typed() {
    let server = Server::start().await;
    server.user("ana").await;
    let mut browser = Browser::new(&server);
    let page = browser.get("/sign-up").await;
    for (fields, field, words) in [
        ([("email", ""), ("username", ""), ("password", NEW)], "email", "Enter an e-mail address."),
        ([("email", "nobody"), ("username", ""), ("password", NEW)], "email", "such as ana@example.org"),
        ([("email", "b@example.org"), ("username", "ana"), ("password", NEW)], "username", "Somebody uses this username"),
        ([("email", "b@example.org"), ("username", ""), ("password", "short")], "password", "at least 8"),
        ([("email", "b@example.org"), ("username", ""), ("password", "password1")], "password", "guess"),
    ] {
        let answer = browser.submit(&page, &fields, Some("sign-up-submit")).await;
        assert_eq!(answer.status, 400, "{fields:?}");
        assert!(answer.body.contains(&format!("href=\"#{field}\"")), "{fields:?} {}", answer.body);
        let same = words == "guess" && answer.body.contains("first that anybody");
        assert!(same || answer.body.contains(words), "{fields:?} {}", answer.body);
        assert!(!answer.body.contains(NEW), "a password is not written back");
    }
    assert_eq!(server.mail_kinds("b@example.org").await, Vec::<String>::new());
    let forged = [("email", "b@example.org"), ("password", NEW), ("csrf", "x")];
    browser.submit(&page, &forged, Some("sign-up-submit")).await.expect(403);
}

#[tokio::test]
async fn closed_doors_are_closed_and_an_invitation_opens_them_once() {
    let server = Server::with(|config| config.sign_up = SignUp::Invitation).await;
    let app = &server.app;
    let mut browser = Browser::new(&server);
    let page = browser.get("/sign-up").await;
    assert!(page.status == 403 && page.body.contains("by invitation"), "{}", page.body);
    assert!(!browser.get("/sign-in").await.body.contains("id=\"sign-up\""));
    let by = Server::operator();
    let asking = portero::accounts::desk::Asking { lang: portero::i18n::Lang::En, device: None, now: app.clock.now(), by: &by };
    portero::accounts::sign_up::invite(&app.desk(), "eva@example.org", vec!["auditor".to_owned()], &asking).await.expect("invited");
    let mail = server.mail_to("eva@example.org").await;
    let path = format!("/sign-up?token={}", token(&mail));
    let page = browser.get(&path).await.expect(200);
    assert!(page.body.contains("value=\"eva@example.org\""), "{}", page.body);
    // It is for that address alone.
    let other = browser.submit(&page, &[("email", "mal@example.org"), ("password", NEW)], Some("sign-up-submit")).await;
    assert_eq!(other.status, 403, "{}", other.body);
    let done = browser.submit(&page, &[("password", NEW)], Some("sign-up-submit")).await.expect(200);
    assert!(done.body.contains("id=\"verify-done\""), "{}", done.body);
    let eva = app.storage.users.find(UserKey::Identifier("eva@example.org")).await.expect("read").expect("made");
    assert_eq!((eva.email_verified, eva.roles), (true, vec!["auditor".to_owned()]));
    let again = browser.get(&path).await;
    assert!(again.status == 403 && again.body.contains("was used"), "{}", again.body);
    let closed = Server::with(|config| config.sign_up = SignUp::Closed).await;
    assert_eq!(Browser::new(&closed).get("/sign-up").await.status, 403);
}

/// Whose account is open is said, and whom the invitation is for; nothing happens to either unasked.
#[tokio::test]
async fn an_invitation_is_opened_where_somebody_else_is_signed_in() {
    let server = Server::with(|config| config.sign_up = SignUp::Invitation).await;
    server.user("ana").await;
    let mut browser = Browser::new(&server);
    signed_in(&server, &mut browser, "ana", PASSWORD).await;
    let by = Server::operator();
    let app = &server.app;
    let asking = portero::accounts::desk::Asking { lang: portero::i18n::Lang::En, device: None, now: app.clock.now(), by: &by };
    portero::accounts::sign_up::invite(&app.desk(), "eva@example.org", vec![], &asking).await.expect("invited");
    let path = format!("/sign-up?token={}", token(&server.mail_to("eva@example.org").await));
    let page = browser.get(&path).await.expect(200);
    for said in ["id=\"sign-up-elsewhere\"", "A. Person", "eva@example.org", "Stay signed in"] {
        assert!(page.body.contains(said), "{said}: {}", page.body);
    }
    assert_eq!(browser.get("/account").await.status, 200, "still signed in");
    let forged = [("leave", "1"), ("csrf", "x")];
    browser.submit(&page, &forged, Some("sign-up-leave-submit")).await.expect(403);
    let form = browser.submit(&page, &[], Some("sign-up-leave-submit")).await.expect(200);
    assert!(form.body.contains("value=\"eva@example.org\""), "{}", form.body);
    let done = browser.submit(&form, &[("password", NEW)], Some("sign-up-submit")).await.expect(200);
    assert!(done.body.contains("id=\"verify-done\""), "{}", done.body);
    // One's own, one that was used, and none at all lead to the account, as before.
    signed_in(&server, &mut browser, "ana", PASSWORD).await;
    portero::accounts::sign_up::invite(&app.desk(), "ana@example.org", vec![], &asking).await.expect("invited");
    let own = format!("/sign-up?token={}", token(&server.mail_to("ana@example.org").await));
    for path in [own.as_str(), path.as_str(), "/sign-up?token=x", "/sign-up"] {
        assert_eq!(browser.request(axum::http::Method::GET, path, None).await.location(), "/account", "{path}");
    }
}

/// PR-01, PR-02: a link shows a form, the form uses it, once; and it ends what was before.
#[tokio::test]
async fn a_forgotten_password_is_replaced_by_the_link_of_the_mail() {
    let server = Server::start().await;
    server.user("ana").await;
    let mut elsewhere = Browser::new(&server);
    signed_in(&server, &mut elsewhere, "ana", PASSWORD).await;
    assert_eq!(elsewhere.get("/account").await.status, 200);
    let mut browser = Browser::new(&server);
    let to = browser.get("/sign-in").await.link("recover");
    let page = browser.get(&to).await.expect(200);
    browser.submit(&page, &[("username", " ANA ")], Some("recover-submit")).await.expect(200);
    let first = token(&server.mail_to("ana@example.org").await);
    let page = browser.get("/recover").await;
    browser.submit(&page, &[("username", "ana@example.org")], Some("recover-submit")).await.expect(200);
    let second = token(&server.mail_to("ana@example.org").await);
    let mut mailed = Browser::new(&server);
    let path = format!("/recover/reset?token={first}");
    for _ in 0..3 {
        // A mail program that looks at the link uses nothing up.
        mailed.get(&path).await.expect(200);
    }
    let page = mailed.get(&path).await;
    let weak = mailed.submit(&page, &[("password", "password")], Some("reset-submit")).await.expect(400);
    let done = mailed.submit(&weak, &[("password", NEW)], Some("reset-submit")).await.expect(200);
    assert!(done.body.contains("id=\"reset-done\""), "{}", done.body);
    assert_eq!(server.mail_kinds("ana@example.org").await.last().map(String::as_str), Some("password_changed"));
    // Used; and the other one hung from the password before.
    for old in [&first, &second] {
        let over = mailed.submit(&page, &[("token", old), ("password", "another one of these days")], Some("reset-submit")).await;
        assert!(over.status == 400 && over.body.contains("This link can&#39;t be used"), "{}", over.body);
    }
    assert_eq!(elsewhere.get("/account").await.status, 303, "who was signed in is out");
    signed_in(&server, &mut mailed, "ana", NEW).await;
    assert_eq!(mailed.get("/account").await.status, 200);
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_by_the_code_of_the_mail() {
    let server = Server::start().await;
    server.user("ana").await;
    let mut browser = Browser::new(&server);
    let page = browser.get("/recover").await;
    let page = browser.submit(&page, &[("username", "ana")], Some("recover-submit")).await.expect(200);
    let code = code(&server.mail_to("ana@example.org").await);
    // In another browser, without the handle, the code is nothing.
    let mut other = Browser::new(&server);
    let theirs = other.get("/recover").await;
    let theirs = other.submit(&theirs, &[("username", "noone")], Some("recover-submit")).await;
    other.submit(&theirs, &[("code", &code), ("password", NEW)], Some("reset-submit")).await.expect(400);
    let done = browser.submit(&page, &[("code", &code), ("password", NEW)], Some("reset-submit")).await.expect(200);
    assert!(done.body.contains("id=\"reset-done\""), "{}", done.body);
    signed_in(&server, &mut browser, "ana", NEW).await;
    assert_eq!(browser.get("/account").await.status, 200);
}

#[tokio::test]
async fn the_account_page_changes_the_profile_and_tells_of_a_race() {
    let server = Server::start().await;
    let id = server.user("ana").await;
    let mut browser = Browser::new(&server);
    let away = browser.get("/account").await;
    assert_eq!((away.status.as_u16(), away.location().as_str()), (303, "/sign-in?to=%2Faccount"));
    // Somebody who had to sign in first comes back; and nobody is led anywhere else.
    let page = browser.get(&away.location()).await;
    let account = browser.submit(&page, &[("username", "ana"), ("password", PASSWORD)], Some("sign-in-submit")).await.expect(200);
    assert!(account.body.contains("id=\"account-title\""), "{}", account.body);
    let mut stranger = Browser::new(&server);
    for to in ["https://evil.example/", "//evil.example", "/oauth2/logout"] {
        let page = stranger.get(&format!("/sign-in?to={}", portero::urls::encode(to))).await;
        assert!(!page.body.contains("evil.example") || page.body.contains("name=\"return\""), "{to}");
        let form = page.body.split("id=\"sign-in-submit\"").next().expect("the form").rsplit("<form").next().expect("its head").to_owned();
        assert!(!form.contains("evil") && !form.contains("logout"), "{form}");
    }
    let saved = browser.submit(&account, &[("name", "Ana Ñ."), ("username", "anita"), ("locale", "es")], Some("profile-submit")).await;
    assert!(saved.body.contains("<html lang=\"es\"") && saved.body.contains("Tu perfil está guardado."), "{}", saved.body);
    let user = server.app.storage.users.find(UserKey::Id(&id)).await.expect("read").expect("known");
    assert_eq!((user.name.as_deref(), user.username.as_deref(), user.locale.as_deref()), (Some("Ana Ñ."), Some("anita"), Some("es")));
    let late = browser.submit(&account, &[("name", "Older")], Some("profile-submit")).await;
    assert_eq!(late.status, 400, "the page it was typed into is out of date: {}", late.body);
    server.user("eva").await;
    let page = browser.get("/account").await;
    let taken = browser.submit(&page, &[("username", "EVA")], Some("profile-submit")).await;
    assert!(taken.status == 400 && taken.body.contains("href=\"#username\""), "{}", taken.body);
    let data = browser.get("/account/data").await.expect(200);
    assert_eq!(data.headers["content-disposition"], "attachment; filename=\"account.json\"");
    let data = data.json();
    assert_eq!((data["profile"]["email"].as_str(), data["sessions"].as_array().map(Vec::len)), (Some("ana@example.org"), Some(1)));
    assert!(!data.to_string().contains("argon2"));
}

#[tokio::test]
async fn sessions_and_apps_are_ended_from_the_account_page() {
    let server = Server::start().await;
    server.user("ana").await;
    let client = server.client(json!({ "client_name": "Notes" })).await;
    let mut app = Browser::new(&server);
    let tokens = app.tokens(&client, &Flow::new(&client), "ana").await;
    let (mut other, mut browser) = (Browser::new(&server), Browser::new(&server));
    signed_in(&server, &mut other, "ana", PASSWORD).await;
    signed_in(&server, &mut browser, "ana", PASSWORD).await;
    let page = browser.get("/account").await.expect(200);
    assert_eq!(page.body.matches("value=\"end-session\"").count(), 2, "{}", page.body);
    assert!(page.body.contains("Notes") && page.body.contains("value=\"disconnect\""), "{}", page.body);
    let done = browser.submit(&page, &[("act", "disconnect"), ("client", &client.id)], None).await;
    assert!(done.body.contains("can no longer act for you") || done.status == 400, "{}", done.body);
    let page = browser.get("/account").await;
    let csrf = page.hidden("csrf");
    let form = [("csrf", csrf.as_str()), ("act", "disconnect"), ("client", client.id.as_str())];
    browser.request(axum::http::Method::POST, "/account", Some(&form)).await.expect(303);
    server.refresh(&client, tokens["refresh_token"].as_str().expect("one")).await.expect_error(400, "invalid_grant");
    // A session of somebody else is not theirs to end.
    let eva = server.user("eva").await;
    let mut hers = Browser::new(&server);
    signed_in(&server, &mut hers, "eva", PASSWORD).await;
    let sessions = server.app.storage.sessions.of(&eva, std::time::Duration::from_secs(3600), server.app.clock.now()).await.expect("read");
    let form = [("csrf", csrf.as_str()), ("act", "end-session"), ("session", sessions[0].id.as_str())];
    browser.request(axum::http::Method::POST, "/account", Some(&form)).await;
    assert_eq!(hers.get("/account").await.status, 200);
    let form = [("csrf", csrf.as_str()), ("act", "end-others")];
    browser.request(axum::http::Method::POST, "/account", Some(&form)).await.expect(303);
    assert_eq!(other.get("/account").await.status, 303);
    assert_eq!(browser.get("/account").await.status, 200);
    let form = [("csrf", csrf.as_str()), ("act", "end-all")];
    browser.request(axum::http::Method::POST, "/account", Some(&form)).await.expect(303);
    assert_eq!(browser.get("/account").await.status, 303);
}

#[tokio::test]
async fn an_address_changes_with_proof_of_both_and_comes_back() {
    let server = Server::start().await;
    let id = server.user("ana").await;
    let mut browser = Browser::new(&server);
    signed_in(&server, &mut browser, "ana", PASSWORD).await;
    let page = browser.get("/account/email").await.expect(200);
    let wrong = browser.submit(&page, &[("email", "new@example.org"), ("current", "wrong")], Some("change-email-submit")).await;
    assert!(wrong.status == 400 && wrong.body.contains("href=\"#current\""), "{}", wrong.body);
    let same = browser.submit(&page, &[("email", "ANA@example.org"), ("current", PASSWORD)], Some("change-email-submit")).await;
    assert_eq!(same.status, 400);
    let waiting =
        browser.submit(&page, &[("email", "new@example.org"), ("current", PASSWORD)], Some("change-email-submit")).await.expect(200);
    let (to_new, to_old) = (server.mail_to("new@example.org").await, server.mail_to("ana@example.org").await);
    assert!(matches!((&to_new, &to_old), (Mail::ChangeEmail { .. }, Mail::EmailChangeRequested { .. })), "{to_new:?} {to_old:?}");
    let done = browser.submit(&waiting, &[("code", &code(&to_new))], Some("confirm-email-submit")).await.expect(200);
    assert!(done.body.contains("id=\"email-done\""), "{}", done.body);
    let user = server.app.storage.users.find(UserKey::Id(&id)).await.expect("read").expect("known");
    assert_eq!((user.email.as_str(), user.email_verified), ("new@example.org", true));
    // Whoever reads the old address takes it back, and everybody is out.
    server.advance(60);
    let mut owner = Browser::new(&server);
    let undo = format!("/account/email/undo?token={}", token(&to_old));
    let page = owner.get(&undo).await.expect(200);
    let done = owner.submit(&page, &[], Some("undo-email-submit")).await.expect(200);
    assert!(done.body.contains("id=\"undo-done\""), "{}", done.body);
    let user = server.app.storage.users.find(UserKey::Id(&id)).await.expect("read").expect("known");
    assert_eq!((user.email.as_str(), user.reset_required), ("ana@example.org", true));
    assert_eq!(browser.get("/account").await.status, 303);
    let refused = signed_in(&server, &mut browser, "ana", PASSWORD).await;
    assert!(refused.status == 400 && refused.body.contains("Choose a new password"), "{}", refused.body);
    let reset = format!("/recover/reset?token={}", token(&server.mail_to("ana@example.org").await));
    let page = owner.get(&reset).await.expect(200);
    owner.submit(&page, &[("password", NEW)], Some("reset-submit")).await.expect(200);
    signed_in(&server, &mut owner, "ana", NEW).await;
    assert_eq!(owner.get("/account").await.status, 200);
    assert_eq!(owner.get(&undo).await.status, 400, "once");
}

#[tokio::test]
async fn a_password_changes_with_the_present_one_and_the_account_ends_with_it() {
    let server = Server::start().await;
    let id = server.user("ana").await;
    let well_known = server.get("/.well-known/change-password").await;
    assert_eq!((well_known.status.as_u16(), well_known.location().as_str()), (302, "https://id.example/account/password"));
    let probe = "/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200";
    server.get(probe).await.expect(404);
    let (mut browser, mut other) = (Browser::new(&server), Browser::new(&server));
    signed_in(&server, &mut browser, "ana", PASSWORD).await;
    signed_in(&server, &mut other, "ana", PASSWORD).await;
    let page = browser.get("/account/password").await.expect(200);
    for (fields, field) in [
        ([("current", ""), ("password", NEW)], "current"),
        ([("current", PASSWORD), ("password", "")], "password"),
        ([("current", PASSWORD), ("password", "short")], "password"),
        ([("current", "wrong wrong wrong"), ("password", NEW)], "current"),
    ] {
        let answer = browser.submit(&page, &fields, Some("change-password-submit")).await.expect(400);
        assert!(answer.body.contains(&format!("href=\"#{field}\"")), "{fields:?} {}", answer.body);
    }
    let done = browser.submit(&page, &[("current", PASSWORD), ("password", NEW)], Some("change-password-submit")).await.expect(200);
    assert!(done.body.contains("Your password is changed."), "{}", done.body);
    assert_eq!(other.get("/account").await.status, 303);
    assert_eq!(server.mail_kinds("ana@example.org").await, ["password_changed"]);
    let page = browser.get("/account/delete").await.expect(200);
    browser.submit(&page, &[("current", PASSWORD)], Some("delete-account-submit")).await.expect(400);
    let done = browser.submit(&page, &[("current", NEW)], Some("delete-account-submit")).await.expect(200);
    assert!(done.body.contains("id=\"deleted\""), "{}", done.body);
    assert_eq!(server.app.storage.users.find(UserKey::Id(&id)).await.expect("read"), None);
    assert_eq!(server.mail_kinds("ana@example.org").await.last().map(String::as_str), Some("account_deleted"));
    assert_eq!(browser.get("/account").await.status, 303);
}

/// An app's picture comes from our own origin, and is no document; without one there is a letter.
#[tokio::test]
async fn the_picture_of_an_app_is_ours() {
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR\0\0\0\x40\0\0\0\x40rest";
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let theirs = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0_u8; 1024];
            let _ = stream.read(&mut request).await;
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", PNG.len());
            let _ = stream.write_all(&[head.as_bytes(), PNG].concat()).await;
        }
    });
    let server = Server::with(|config| config.fetch_allow = vec!["127.0.0.0/8".parse().expect("a network")]).await;
    server.user("ana").await;
    let client = server.client(json!({ "client_name": "Notes", "logo_uri": format!("http://{theirs}/logo.png") })).await;
    let mut browser = Browser::new(&server);
    let page = browser.authorize(&Flow::new(&client)).await;
    let address = page.body.split("/assets/app-logo/").nth(1).expect("a picture").split('"').next().expect("its end").replace("&amp;", "&");
    assert!(!page.body.contains(&theirs.to_string()), "never hot-linked");
    let picture = server.get(&format!("/assets/app-logo/{address}")).await.expect(200);
    for (name, value) in
        [("content-type", "image/png"), ("x-content-type-options", "nosniff"), ("cross-origin-resource-policy", "same-origin")]
    {
        assert_eq!(picture.headers[name], value, "{name}");
    }
    let policy = picture.headers["content-security-policy"].to_str().expect("text");
    assert!(policy.contains("default-src 'none'") && policy.contains("sandbox"), "{policy}");
    let consent = browser.sign_in(&page, "ana").await;
    assert!(consent.body.contains("id=\"consent-allow\"") && consent.body.contains("/assets/app-logo/"), "{}", consent.body);
    browser.allow(&consent).await;
    let account = browser.get("/account").await.expect(200);
    assert!(account.body.contains("/assets/app-logo/"), "{}", account.body);
    // Nobody has the server fetch without such an address.
    let plain = server.client(json!({ "client_name": "Plain" })).await;
    for path in [
        format!("/assets/app-logo/{}", client.id),
        format!("/assets/app-logo/{}?v=x", client.id),
        format!("/assets/app-logo/{}?v=", plain.id),
    ] {
        server.get(&path).await.expect(404);
    }
    // With the guard as it is by default there is a letter instead.
    let guarded = Server::start().await;
    let client = guarded.client(json!({ "client_name": "Notes", "logo_uri": format!("http://{theirs}/logo.png") })).await;
    let page = Browser::new(&guarded).authorize(&Flow::new(&client)).await;
    assert!(!page.body.contains("app-logo") && page.body.contains("aria-hidden=\"true\">N</span>"), "{}", page.body);
}

/// The list on `/account`, and all of it behind: what somebody did, what was tried, what an administrator did without being named.
#[tokio::test]
async fn activity_is_told_without_what_is_somebody_elses() {
    let server = Server::start().await;
    let (id, admin) = (server.user("ana").await, server.person("eva", &["user_admin"]).await);
    let mut browser = Browser::new(&server);
    let page = browser.get("/sign-in").await;
    let failed = browser.submit(&page, &[("username", "ana"), ("password", "wrong wrong wrong")], Some("sign-in-submit")).await;
    browser.submit(&failed, &[("username", "ana"), ("password", "wrong wrong wrong")], Some("sign-in-submit")).await;
    signed_in(&server, &mut browser, "ana", PASSWORD).await;
    let by = Act {
        actor: Actor::Person(admin.clone()),
        client_id: Some("backoffice".to_owned()),
        address: Some([203, 0, 113, 66].into()),
        request_id: "r".to_owned(),
    };
    let attempts = &server.app.storage.attempts;
    attempts.forget(&portero::seal::Digest([0; 32]), &[], Whom::by_id(&id), server.app.clock.now(), &by).await.expect("done");
    let page = browser.get("/account").await.expect(200);
    let list = page.body.split("id=\"activity\"").nth(1).expect("the section").split("</section>").next().expect("its end").to_owned();
    for words in
        ["Failed sign-ins forgotten", "by an administrator", "Signed in", "this one", "Sign-in refused", "wrong password", "2 times"]
    {
        assert!(list.contains(words), "{words}: {list}");
    }
    for secret in ["203.0.113.66", "eva", &admin, "backoffice"] {
        assert!(!page.body.contains(secret), "{secret}");
    }
    // In Spanish, and page by page.
    for n in 0..30 {
        server.advance(60);
        attempts.forget(&portero::seal::Digest([0; 32]), &[], Whom::by_id(&id), server.app.clock.now(), &by).await.expect("done");
        assert!(n < 30);
    }
    let page = browser.get("/account/activity").await.expect(200);
    assert_eq!(page.body.matches("<li class=\"row").count(), 25, "{}", page.body);
    let older = browser.get(&page.link("older")).await.expect(200);
    assert!(
        older.body.contains("Account created") && older.body.contains("id=\"newest\"") && !older.body.contains("id=\"older\""),
        "{}",
        older.body
    );
    assert_eq!(older.body.matches("<li class=\"row").count(), 31 + 3 - 25, "each once: {}", older.body);
    assert_eq!(browser.get("/account/activity?before=x").await.expect(200).body.matches("<li class=\"row").count(), 25);
    let nobody = Browser::new(&server).get("/account/activity").await;
    assert_eq!((nobody.status.as_u16(), nobody.location().as_str()), (303, "/sign-in?to=%2Faccount%2Factivity"));
}
