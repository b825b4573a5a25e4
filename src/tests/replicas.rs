//! Two replicas on one Postgres and one Redis: any step on any replica, and races that exactly one wins.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portero::keys::Which;
use portero::storage::durable::Saved;
use serde_json::{Value, json};
use tokio::sync::Barrier;

use portero::once::tokens::{self, NewToken, Presented};

use crate::harness::{Answer, Browser, Flow, Server, TestClient, replicas};

const WORKERS: usize = 16;

/// Rounds of each race: enough to find a fault; more by `PORTERO_TEST_ROUNDS`.
fn rounds() -> usize {
    std::env::var("PORTERO_TEST_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(20)
}

/// All workers at once, half of them at each replica.
async fn race<F>(servers: &[Arc<Server>; 2], act: impl Fn(Arc<Server>) -> F) -> Vec<Answer>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let barrier = Arc::new(Barrier::new(WORKERS));
    let tasks: Vec<_> = (0..WORKERS)
        .map(|worker| {
            let (barrier, step) = (Arc::clone(&barrier), act(Arc::clone(&servers[worker % 2])));
            tokio::spawn(async move {
                barrier.wait().await;
                step.await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.expect("no panic"));
    }
    answers
}

fn winners(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| answer.status == 200).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn any_replica_serves_any_step() {
    let Some([one, two]) = replicas().await else { return };
    let client = one.client(json!({})).await;
    one.user("ana").await;
    // The browser talks to the first, the client's back end to the second.
    let code = Browser::new(&one).code(&Flow::new(&client), "ana").await;
    let tokens = two.redeem(&client, &code).await.expect(200).json();
    let refresh = tokens["refresh_token"].as_str().expect("one");
    let first = one.refresh(&client, refresh).await.expect(200).json();
    let again = two.refresh(&client, refresh).await.expect(200).json();
    assert_eq!(first["refresh_token"], again["refresh_token"], "the same successor on every replica");
    let access = again["access_token"].as_str().expect("one");
    assert_eq!(one.introspect(&client, access).await["active"], true);
    two.form("/oauth2/revoke", &client, &[("token", access)]).await.expect(200);
    assert_eq!(one.introspect(&client, access).await, json!({ "active": false }));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_code_is_redeemed_once() {
    let Some(servers) = replicas().await else { return };
    let client = servers[0].client(json!({})).await;
    servers[0].user("ana").await;
    let mut browser = Browser::new(&servers[0]);
    for round in 0..rounds() {
        let code = browser.code(&Flow::new(&client), "ana").await;
        let answers = race(&servers, |server| {
            let (client, code) = (client.clone(), code.clone());
            async move { server.redeem(&client, &code).await }
        })
        .await;
        assert_eq!(winners(&answers), 1, "round {round}");
        for answer in &answers {
            assert!(answer.status == 200 || answer.json()["error"] == "invalid_grant", "{} {}", answer.status, answer.body);
        }
        // The others were replays: what the winner got is dead.
        let winner = answers.iter().find(|answer| answer.status == 200).expect("one").json();
        let access = winner["access_token"].as_str().expect("one");
        assert_eq!(servers[1].introspect(&client, access).await, json!({ "active": false }), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_refreshes_leave_one_branch() {
    let Some(servers) = replicas().await else { return };
    let client = servers[0].client(json!({})).await;
    servers[0].user("ana").await;
    let mut browser = Browser::new(&servers[0]);
    for round in 0..rounds() {
        let tokens = browser.tokens(&client, &Flow::new(&client), "ana").await;
        let token = tokens["refresh_token"].as_str().expect("one").to_owned();
        let answers = race(&servers, |server| {
            let (client, token) = (client.clone(), token.clone());
            async move { server.refresh(&client, &token).await }
        })
        .await;
        let successors: std::collections::BTreeSet<String> = answers
            .iter()
            .map(|answer| {
                assert_eq!(answer.status, 200, "round {round}: {}", answer.body);
                answer.json()["refresh_token"].as_str().expect("one").to_owned()
            })
            .collect();
        assert_eq!(successors.len(), 1, "round {round}: every answer is the same successor");
        let survivor = successors.first().expect("one");
        servers[1].refresh(&client, survivor).await.expect(200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_beside_a_refresh_wins() {
    let Some(servers) = replicas().await else { return };
    let client = servers[0].client(json!({})).await;
    servers[0].user("ana").await;
    let mut browser = Browser::new(&servers[0]);
    for round in 0..rounds() {
        let tokens = browser.tokens(&client, &Flow::new(&client), "ana").await;
        let token = tokens["refresh_token"].as_str().expect("one");
        let fields = [("token", token)];
        let (refreshed, revoked) = tokio::join!(servers[0].refresh(&client, token), servers[1].form("/oauth2/revoke", &client, &fields));
        revoked.expect(200);
        let newest: Vec<Value> = if refreshed.status == 200 { vec![refreshed.json()] } else { Vec::new() };
        for tokens in newest.iter().chain([&tokens]) {
            let access = tokens["access_token"].as_str().expect("one");
            assert_eq!(servers[0].introspect(&client, access).await, json!({ "active": false }), "round {round}");
            assert_ne!(servers[1].refresh(&client, tokens["refresh_token"].as_str().expect("one")).await.status, 200);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_disabled_on_one_replica_is_refused_by_the_other_within_a_second() {
    let Some([one, two]) = replicas().await else { return };
    let client = one.client(json!({ "grant_types": ["client_credentials"], "redirect_uris": [], "response_types": [] })).await;
    let grant = [("grant_type", "client_credentials")];
    two.token(&client, &grant).await.expect(200);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let jobs = tokio::spawn(portero::jobs::run(Arc::clone(&two.app), stopped));
    let mut record = (*one.app.storage.clients.find(&client.id).await.expect("store").expect("there")).clone();
    record.disabled_at = Some(one.app.clock.now());
    assert_eq!(one.app.storage.clients.update(&record, None, &Server::operator()).await.expect("stored"), Saved::Done);
    tokio::time::sleep(std::time::Duration::from_millis(1000)).await;
    two.token(&TestClient { ..client }, &grant).await.expect_error(401, "invalid_client");
    stop.send(true).expect("the job listens");
    jobs.await.expect("it ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_made_on_one_replica_is_known_to_the_other_at_once() {
    let Some([one, two]) = replicas().await else { return };
    let client = one.client(json!({ "grant_types": ["client_credentials"], "redirect_uris": [], "response_types": [] })).await;
    for round in 0..3 {
        let (now, random) = (one.app.clock.now(), &one.app.random);
        one.app.tokens.keys.rotate(Which::All, true, || random.bytes(), now, &Server::operator()).await.expect("rotated");
        let token = one.token(&client, &[("grant_type", "client_credentials")]).await.expect(200).json();
        let token = token["access_token"].as_str().expect("one");
        assert_eq!(two.introspect(&client, token).await["active"], true, "round {round}");
        // Keys that somebody makes up are looked for once in a while, not each time: nobody is kept waiting for them.
        let (head, rest) = token.split_once('.').expect("a JWT");
        let forged = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"at+jwt","kid":"made-up"}"#));
        assert_ne!(head, forged.split('.').next().expect("a header"));
        assert_eq!(two.introspect(&client, &forged).await, json!({ "active": false }));
        one.advance(1);
        two.advance(1);
    }
}

/// Thirty-two consumers at once on two replicas; and again with a short-lived store that came back from before.
#[tokio::test(flavor = "multi_thread")]
async fn one_time_tokens_are_consumed_once() {
    let Some(servers) = replicas().await else { return };
    let maker = servers[0].client(json!({ "grant_types": ["client_credentials"], "redirect_uris": [] })).await.id;
    for round in 0..rounds() {
        let app = &servers[0].app;
        let new = NewToken {
            owner: &maker,
            maker: None,
            purpose: "join",
            audience: vec!["room".to_owned()],
            subject: Some("somebody"),
            data: json!({ "round": round }),
            lives: std::time::Duration::from_secs(60),
        };
        let fresh = tokens::Fresh { id: app.random.bytes(), secret: app.random.bytes(), nonce: app.random.bytes() };
        let made = tokens::create(&app.storage, &app.seal, new, fresh, app.clock.now(), &Server::operator()).await.expect("made");
        let key = format!("once:{}", app.storage.ephemeral.digest(&made.id).hex());
        let before = app.storage.ephemeral.store.get(&key).await.expect("answered").expect("there");
        assert_eq!(tokens::list(&servers[1].app.storage, &maker, None, app.clock.now()).await.expect("read").len(), 1, "on every replica");
        for (time, wanted) in [1, 0].into_iter().enumerate() {
            let barrier = Arc::new(Barrier::new(2 * WORKERS));
            let tasks: Vec<_> = (0..2 * WORKERS)
                .map(|worker| {
                    let (server, barrier, token) = (Arc::clone(&servers[worker % 2]), Arc::clone(&barrier), made.token.clone());
                    tokio::spawn(async move {
                        barrier.wait().await;
                        let app = &server.app;
                        let presented = Presented { token: &token, purpose: "join", consumer: "room" };
                        let by = Server::operator();
                        let consumed = tokens::consume(&app.storage, &app.seal, presented, app.random.bytes(), app.clock.now(), &by).await;
                        consumed.expect("the stores answer").is_some()
                    })
                })
                .collect();
            let mut consumed = 0;
            for task in tasks {
                consumed += usize::from(task.await.expect("no panic"));
            }
            assert_eq!(consumed, wanted, "round {round}, time {time}");
            app.storage.ephemeral.store.put(&key, before.clone(), std::time::Duration::from_secs(60)).await.expect("put");
        }
        let of = tokens::Of { owner: &maker, subject: None };
        assert!(
            tokens::revoke(&app.storage, &app.seal, of, &made.id, app.random.bytes(), app.clock.now(), &Server::operator())
                .await
                .is_ok_and(|done| !done)
        );
        app.storage.ephemeral.store.put(&key, Vec::new(), std::time::Duration::from_millis(1)).await.expect("put");
    }
}
