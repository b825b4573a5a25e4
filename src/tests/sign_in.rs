//! OIDC Core §3.1.2: prompts, ages, hints; sessions and their end.

use serde_json::json;

use crate::harness::{Browser, Flow, PASSWORD, Server, claims};

#[tokio::test]
async fn prompt_none_answers_by_redirect_at_once() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let mut browser = Browser::new(&server);
    let silent = Flow::new(&client).with("prompt", "none");
    assert_eq!(browser.get(&silent.path()).await.redirected()["error"], "login_required");
    browser.code(&Flow::new(&client), "ana").await;
    assert!(browser.get(&silent.path()).await.redirected().contains_key("code"));
    server.advance(100);
    assert_eq!(browser.get(&silent.clone().with("max_age", "50").path()).await.redirected()["error"], "login_required");
    assert!(browser.get(&silent.with("max_age", "150").path()).await.redirected().contains_key("code"));
}

#[tokio::test]
async fn a_browser_that_asks_ahead_gets_no_code() {
    use axum::body::Body;
    use axum::http::Request;
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let mut browser = Browser::new(&server);
    browser.code(&Flow::new(&client), "ana").await;
    let waiting = browser.authorize(&Flow::new(&client).with("prompt", "login")).await;
    let cookies = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
    for purpose in ["prefetch", "prefetch;prerender"] {
        let ahead = Request::get(Flow::new(&client).path()).header("cookie", &cookies).header("sec-purpose", purpose);
        let answer = server.send(ahead.body(Body::empty()).expect("a request")).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (503, ""));
        assert!(!answer.headers.contains_key("location") && !answer.headers.contains_key("set-cookie"));
        assert_eq!(answer.headers["cache-control"], "no-store");
    }
    // Where pages come back to it spends nothing either.
    let (action, fields) = crate::harness::form_of(&waiting.body, Some("sign-in-submit"));
    let mut fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    fields.retain(|(name, _)| !matches!(*name, "username" | "password"));
    fields.extend([("username", "ana"), ("password", PASSWORD)]);
    let back = browser.request(axum::http::Method::POST, &action, Some(&fields)).await.location();
    let cookies = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
    let ahead = Request::get(back.trim_start_matches("https://id.example")).header("cookie", &cookies).header("sec-purpose", "prefetch");
    assert_eq!(server.send(ahead.body(Body::empty()).expect("a request")).await.status, 503);
    assert!(browser.get(&back).await.redirected().contains_key("code"));
}

#[tokio::test]
async fn a_page_of_a_flow_lives_no_longer_than_the_flow_and_its_client() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    let mut browser = Browser::new(&server);
    let page = browser.get(&Flow::new(&client).path()).await.location();
    assert!(browser.get(&page).await.expect(200).body.contains("id=\"sign-in-submit\""));
    let set_disabled = async |disabled: bool| {
        let clients = &server.app.storage.clients;
        let mut record = (*clients.find(&client.id).await.expect("read").expect("there")).clone();
        record.disabled_at = disabled.then(|| server.app.clock.now());
        clients.update(&record, None, &Server::operator()).await.expect("stored");
    };
    set_disabled(true).await;
    let refused = browser.get(&page).await;
    refused.expect_page(400, "invalid_client");
    assert!(refused.body.contains(&format!("No client in use has the id {}", client.id)), "{}", refused.body);
    set_disabled(false).await;
    browser.get(&page).await.expect(200);
    // By the server's own clock, whatever the short-lived store still holds.
    server.advance(60 * 60);
    let over = browser.get(&page).await;
    over.expect_page(400, "invalid_request");
    assert!(over.body.contains("finished, too old or unknown"), "{}", over.body);
}

#[tokio::test]
async fn prompt_login_asks_once_and_only_once() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let mut browser = Browser::new(&server);
    let first = browser.tokens(&client, &Flow::new(&client), "ana").await;
    let before = browser.cookies.clone();
    for flow in [Flow::new(&client).with("prompt", "login"), Flow::new(&client).with("max_age", "0")] {
        server.advance(20);
        let page = browser.authorize(&flow).await;
        assert!(page.body.contains("id=\"sign-in-submit\""), "{}", page.body);
        // The way back without signing in leads to the sign-in page again.
        let resumed = browser.authorize(&flow).await;
        assert!(resumed.body.contains("id=\"sign-in-submit\""));
        let answer = browser.sign_in(&page, "ana").await;
        let code = answer.redirected()["code"].clone();
        let tokens = server.redeem(&client, &code).await.expect(200).json();
        let (old, new) = (claims(first["id_token"].as_str().expect("one")), claims(tokens["id_token"].as_str().expect("one")));
        assert_eq!(new["auth_time"], server.app.clock.now().timestamp());
        assert_eq!(old["sid"], new["sid"], "the same person's session goes on");
    }
    // The cookie changed at sign-in, and the old one is dead.
    let mut thief = Browser::new(&server);
    thief.cookies = before;
    assert_eq!(thief.get(&Flow::new(&client).with("prompt", "none").path()).await.redirected()["error"], "login_required");
}

#[tokio::test]
async fn a_choice_is_made_once_whatever_else_the_app_asks_for() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let mut browser = Browser::new(&server);
    browser.code(&Flow::new(&client), "ana").await;
    for (name, value) in [("prompt", "login select_account"), ("max_age", "0")] {
        server.advance(20);
        let choice = browser.authorize(&Flow::new(&client).with("prompt", "select_account").with(name, value)).await;
        assert!(choice.body.contains("id=\"choose-continue\""), "{}", choice.body);
        let page = browser.submit(&choice, &[], Some("choose-continue")).await;
        let page = browser.follow(page).await;
        assert!(page.body.contains("id=\"sign-in-submit\"") && !page.body.contains("id=\"choose-continue\""), "{}", page.body);
        let code = browser.sign_in(&page, "ana").await.redirected()["code"].clone();
        let tokens = server.redeem(&client, &code).await.expect(200).json();
        assert_eq!(claims(tokens["id_token"].as_str().expect("one"))["auth_time"], server.app.clock.now().timestamp());
    }
}

#[tokio::test]
async fn a_code_of_before_a_disconnect_opens_nothing() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    let ana = server.user("ana").await;
    let mut browser = Browser::new(&server);
    let flow = Flow::new(&client).with("scope", "openid offline_access");
    browser.code(&flow, "ana").await;
    let silent = flow.with("prompt", "none");
    let (early, late) = (browser.get(&silent.path()).await.redirected(), browser.get(&silent.path()).await.redirected());
    let tokens = server.redeem(&client, &early["code"]).await.expect(200).json();
    let (now, by) = (server.app.clock.now(), Server::operator());
    assert!(server.app.storage.consents.withdraw(&ana, &client.id, now, &by).await.expect("taken back"));
    server.redeem(&client, &late["code"]).await.expect_error(400, "invalid_grant");
    assert_eq!(server.introspect(&client, tokens["access_token"].as_str().expect("one")).await, json!({ "active": false }));
    assert_eq!(browser.get(&silent.path()).await.redirected()["error"], "consent_required");
}

#[tokio::test]
async fn nobody_is_asked_for_what_was_taken_from_the_client_meanwhile() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let mut browser = Browser::new(&server);
    let flow = Flow::new(&client).with("scope", "openid email profile");
    let page = browser.authorize(&flow).await;
    let consent = browser.sign_in(&page, "ana").await;
    let mut had = String::new();
    server.alter(&client, |client| had = std::mem::replace(&mut client.scope, "openid profile".to_owned())).await;
    let code = browser.allow(&consent).await.redirected()["code"].clone();
    assert_eq!(server.redeem(&client, &code).await.expect(200).json()["scope"], "openid profile");
    // Nor was it remembered: when it is given back, the person is asked for it.
    server.alter(&client, |client| client.scope = had).await;
    let asked = browser.authorize(&flow).await;
    assert!(asked.body.contains("id=\"consent-allow\""), "{}", asked.body);
    // Without the grant, or the address, there is nothing to answer with, or nowhere to answer.
    server.alter(&client, |client| client.grant_types.retain(|grant| grant.as_str() != "authorization_code")).await;
    assert_eq!(browser.allow(&asked).await.redirected()["error"], "unauthorized_client");
    server.alter(&client, |client| client.redirect_uris = vec!["https://elsewhere.example/cb".to_owned()]).await;
    let page = asked.headers["x-test-path"].to_str().expect("a path").to_owned();
    let gone = browser.get(&page).await;
    gone.expect_page(400, "invalid_request");
}

#[tokio::test]
async fn two_tabs_sign_in_one_after_the_other() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    server.user("ben").await;
    let mut browser = Browser::new(&server);
    // Three tabs stand at the sign-in page before anybody is signed in.
    let tabs = [
        browser.authorize(&Flow::new(&client).with("state", "one")).await,
        browser.authorize(&Flow::new(&client).with("state", "two")).await,
        browser.authorize(&Flow::new(&client).with("state", "three")).await,
    ];
    let consent = browser.sign_in(&tabs[0], "ana").await;
    let answer = browser.allow(&consent).await.redirected();
    assert_eq!((answer["state"].as_str(), answer.contains_key("code")), ("one", true));
    // The second sends its form all the same; the third is loaded again and needs no password.
    let answer = browser.sign_in(&tabs[1], "ana").await.redirected();
    assert_eq!((answer["state"].as_str(), answer.contains_key("code")), ("two", true));
    let page = tabs[2].headers["x-test-path"].to_str().expect("a path").to_owned();
    let again = browser.get(&page).await;
    let answer = browser.follow(again).await.redirected();
    assert_eq!((answer["state"].as_str(), answer.contains_key("code")), ("three", true));
    // Where the flow wants another person, or a sign-in of its own, it still asks.
    let asking = browser.authorize(&Flow::new(&client).with("prompt", "login")).await;
    let page = asking.headers["x-test-path"].to_str().expect("a path").to_owned();
    assert!(browser.get(&page).await.body.contains("id=\"sign-in-submit\""));
    let other = browser.get(&format!("{page}&other=1")).await;
    let consent = browser.sign_in(&other, "ben").await;
    assert!(consent.body.contains("ben@example.org"), "{}", consent.body);
    // A form of another browser stays refused, whoever is signed in there.
    let mut thief = Browser::new(&server);
    thief.code(&Flow::new(&client), "ben").await;
    assert_eq!(thief.sign_in(&tabs[1], "ben").await.status, 400);
}

#[tokio::test]
async fn a_page_of_a_flow_that_was_answered_brings_nothing_back() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let mut browser = Browser::new(&server);
    let sign_in = browser.authorize(&Flow::new(&client)).await;
    let consent = browser.sign_in(&sign_in, "ana").await;
    assert!(browser.allow(&consent).await.redirected().contains_key("code"));
    for page in [browser.allow(&consent).await, browser.sign_in(&sign_in, "ana").await] {
        assert!(page.status.is_client_error() && page.headers.get("location").is_none(), "{} {}", page.status, page.body);
    }
}

#[tokio::test]
async fn sessions_end_by_idleness_and_by_age() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let silent = Flow::new(&client).with("prompt", "none");
    let mut browser = Browser::new(&server);
    let tokens = browser.tokens(&client, &Flow::new(&client), "ana").await;
    for _ in 0..13 {
        server.advance(23 * 3600);
        assert!(browser.get(&silent.path()).await.redirected().contains_key("code"));
    }
    server.advance(24 * 3600 + 1);
    assert_eq!(browser.get(&silent.path()).await.redirected()["error"], "login_required");
    server.refresh(&client, tokens["refresh_token"].as_str().expect("one")).await.expect_error(400, "invalid_grant");
    browser.code(&Flow::new(&client), "ana").await;
    for _ in 0..15 {
        server.advance(23 * 3600);
        browser.get(&silent.path()).await;
    }
    assert_eq!(browser.get(&silent.path()).await.redirected()["error"], "login_required", "14 days are the end");
}

#[tokio::test]
async fn a_hint_is_for_its_person_alone() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    server.user("ben").await;
    let (mut ana, mut ben) = (Browser::new(&server), Browser::new(&server));
    let of_ana = ana.tokens(&client, &Flow::new(&client), "ana").await;
    let of_ben = ben.tokens(&client, &Flow::new(&client), "ben").await;
    let silent = Flow::new(&client).with("prompt", "none");
    let hint = |tokens: &serde_json::Value| tokens["id_token"].as_str().expect("one").to_owned();
    assert!(ana.get(&silent.clone().with("id_token_hint", &hint(&of_ana)).path()).await.redirected().contains_key("code"));
    assert_eq!(ana.get(&silent.clone().with("id_token_hint", &hint(&of_ben)).path()).await.redirected()["error"], "login_required");
    let access = of_ana["access_token"].as_str().expect("one");
    assert_eq!(ana.get(&silent.with("id_token_hint", access).path()).await.redirected()["error"], "invalid_request");
}

#[tokio::test]
async fn wrong_and_unknown_are_one_answer() {
    let server = Server::start().await;
    server.user("ana").await;
    let mut bodies = Vec::new();
    for name in ["ana", "nobody"] {
        let mut browser = Browser::new(&server);
        let page = browser.get("/sign-in").await;
        let answer = browser.submit(&page, &[("username", name), ("password", "wrong")], Some("sign-in-submit")).await;
        let normal: String = answer.body.split("name=\"csrf\"").map(|part| part.split_once('>').map_or(part, |(_, rest)| rest)).collect();
        bodies.push((answer.status, normal.replace(name, "NAME").len()));
    }
    assert_eq!(bodies[0], bodies[1]);
}

#[tokio::test]
async fn forms_from_elsewhere_do_nothing() {
    use axum::body::Body;
    use axum::http::{Request, header};
    let server = Server::start().await;
    server.user("ana").await;
    let mut browser = Browser::new(&server);
    let page = browser.get("/sign-in").await;
    let body = crate::harness::form_encode(&[("username", "ana"), ("password", PASSWORD)]);
    for (origin, site) in [("https://evil.example", "cross-site"), ("null", "cross-site"), ("https://evil.example", "same-site")] {
        let cookies = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
        let request = Request::post("/sign-in")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ORIGIN, origin)
            .header("sec-fetch-site", site)
            .header(header::COOKIE, cookies)
            .body(Body::from(body.clone()))
            .expect("a request");
        let answer = server.send(request).await;
        assert_eq!(answer.status, 403, "{}", answer.body);
        assert!(
            !answer.headers.contains_key(header::SET_COOKIE)
                || answer.headers.get_all(header::SET_COOKIE).iter().all(|cookie| !cookie.to_str().unwrap_or("").contains("session="))
        );
    }
    let without = browser.submit(&page, &[("username", "ana"), ("password", PASSWORD), ("csrf", "")], Some("sign-in-submit")).await;
    assert_eq!(without.status, 403);
}

#[tokio::test]
async fn cookies_and_pages_are_hardened() {
    let server = Server::start().await;
    let client = server.client(json!({})).await;
    server.user("ana").await;
    let mut browser = Browser::new(&server);
    let start = browser.get(&Flow::new(&client).path()).await;
    let page = browser.follow(start).await;
    for name in [
        "content-security-policy",
        "x-frame-options",
        "x-content-type-options",
        "referrer-policy",
        "strict-transport-security",
        "cross-origin-opener-policy",
        "x-request-id",
    ] {
        assert!(page.headers.contains_key(name), "{name}");
    }
    let policy = page.headers["content-security-policy"].to_str().expect("ASCII").to_owned();
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("base-uri 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(!policy.contains("form-action"), "a form-action would break the redirect to the client: {policy}");
    assert_eq!(page.headers["cache-control"], "no-store");
    browser.sign_in(&page, "ana").await;
    assert!(browser.cookies.keys().all(|name| name.starts_with("__Host-")), "{:?}", browser.cookies.keys());
}

/// A browser that goes away while its password is looked at: what it began comes to its end, is in the trail, and is no failed attempt.
#[tokio::test]
async fn a_sign_in_whose_browser_goes_away_is_judged_all_the_same() {
    let server = Server::start().await;
    server.user("ana").await;
    let mut waiting = Vec::new();
    // Fewer than close an account: on a busy machine all of them are under way at once.
    let leaves_after = [0, 1, 2, 3, 4, 6, 8, 11];
    for millis in leaves_after {
        let mut browser = Browser::new(&server);
        let page = browser.get("/sign-in").await;
        let submitted = browser.submit(&page, &[("username", "ana"), ("password", PASSWORD)], Some("sign-in-submit"));
        waiting.push(tokio::time::timeout(std::time::Duration::from_millis(millis), submitted).await.is_err());
    }
    assert!(waiting.contains(&true), "some went away");
    let begun = std::time::Instant::now();
    let started =
        async || server.app.storage.audit.recent(u32::MAX).await.expect("read").iter().filter(|row| row.act == "session.start").count();
    while started().await < leaves_after.len() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "{} of {}", started().await, leaves_after.len());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}
