//! The contract of grants.

use std::time::Duration;

use super::super::durable::{ByCode, Grant, Holder, Opened, OpenedByCode, Renewal, Rotation, Saved, Standing, TokenRef, Whom};
use super::super::{Storage, StorageError};
use super::{Place, at, by_code, client, digest, furnished, grant, grant_id, on_every_database, operator, person, session, trail, user};

const IDLE: Duration = Duration::from_secs(24 * 3600);
const WINDOW: Duration = Duration::from_secs(30);

on_every_database!(
    a_grant_reads_back_as_it_was_opened,
    a_code_opens_one_grant,
    a_code_that_is_only_known_here_is_a_replay,
    a_code_on_its_way_does_not_outlive_its_session,
    a_code_opens_while_its_session_is_live,
    a_code_opens_while_its_client_is_allowed,
    a_refresh_goes_on_repeats_or_is_reuse,
    a_refresh_of_a_client_without_rotation,
    what_may_be_refreshed,
    what_is_renewed_in_one_step,
    grants_are_revoked_one_by_one_and_together,
    how_a_token_stands,
    old_grants_are_removed,
);

async fn a_grant_reads_back_as_it_was_opened(place: &Place) {
    let storage = furnished(place).await;
    let mut full = grant(1, Some("s1"));
    full.offline = true;
    let mut bare = grant(2, None);
    bare.claims = None;
    bare.nonce = None;
    bare.resource = String::new();
    for grant in [&full, &bare] {
        assert_eq!(storage.grants.open(grant, None, &person("ana")).await.expect("opened"), Opened::Fresh);
        assert_eq!(storage.grants.find(&grant.id).await.expect("read").as_ref(), Some(grant));
    }
    assert_eq!(storage.grants.find(&grant_id(3)).await.expect("read"), None);
    let newest = storage.audit.recent(1).await.expect("read").remove(0);
    assert_eq!((newest.act.as_str(), newest.result.as_str(), newest.at), ("grant.open", "done", at(0)));
    assert_eq!(
        (newest.client_id.as_deref(), newest.address.as_deref(), newest.request_id.as_str()),
        (Some("app"), Some("192.0.2.7"), "req_2")
    );
    let twice = storage.grants.open(&full, None, &person("ana")).await;
    assert!(matches!(twice, Err(StorageError::Conflict("id"))), "{twice:?}");
}

async fn a_code_opens_one_grant(place: &Place) {
    let storage = furnished(place).await;
    let code = digest(100);
    assert_eq!(storage.grants.open(&grant(1, Some("s1")), Some(&code), &person("ana")).await.expect("opened"), Opened::Fresh);
    storage.grants.open(&grant(2, Some("s1")), Some(&digest(101)), &person("ana")).await.expect("opened");
    let mut late = grant(3, Some("s1"));
    late.created_at = at(50);
    for _ in 0..2 {
        assert_eq!(storage.grants.open(&late, Some(&code), &person("ana")).await.expect("refused"), Opened::Replay);
    }
    assert_eq!(storage.grants.find(&grant_id(3)).await.expect("read"), None);
    assert_eq!(storage.grants.find(&grant_id(1)).await.expect("read").expect("known").revoked_at, Some(at(50)));
    assert_eq!(storage.grants.find(&grant_id(2)).await.expect("read").expect("known").revoked_at, None);
    let newest = &trail(&storage, 1).await[0];
    assert!(newest.starts_with("grant.open person:ana code:") && newest.ends_with(" refused replay 2"), "{newest}");
}

async fn a_code_that_is_only_known_here_is_a_replay(place: &Place) {
    let storage = furnished(place).await;
    let code = digest(100);
    assert!(!storage.grants.replayed(&code, "app", at(10), &person("ana")).await.expect("unknown"));
    storage.grants.open(&grant(1, Some("s1")), Some(&code), &person("ana")).await.expect("opened");
    assert!(!storage.grants.replayed(&code, "other", at(15), &person("ana")).await.expect("not its own"));
    assert_eq!(storage.grants.find(&grant_id(1)).await.expect("read").expect("known").revoked_at, None);
    assert!(storage.grants.replayed(&code, "app", at(20), &person("ana")).await.expect("known"));
    assert_eq!(storage.grants.find(&grant_id(1)).await.expect("read").expect("known").revoked_at, Some(at(20)));
    assert!(storage.grants.replayed(&code, "app", at(30), &person("ana")).await.expect("known"));
    assert_eq!(storage.grants.find(&grant_id(1)).await.expect("read").expect("known").revoked_at, Some(at(20)));
    let newest = &trail(&storage, 1).await[0];
    assert!(newest.ends_with(" refused replay 2"), "{newest}");
}

async fn a_code_on_its_way_does_not_outlive_its_session(place: &Place) {
    let storage = furnished(place).await;
    let mut offline = grant(1, Some("s1"));
    offline.offline = true;
    offline.created_at = at(20);
    storage.users.set_password("ana", "$new", None, &[], at(10), &person("ana")).await.expect("done");
    assert_eq!(storage.grants.open(&offline, Some(&digest(100)), &person("ana")).await.expect("opened"), Opened::Fresh);
    assert_eq!(storage.grants.find(&grant_id(1)).await.expect("read").expect("known").revoked_at, Some(at(10)));
    assert_eq!(storage.grants.refreshable(&grant_id(1), IDLE, at(21)).await.expect("read"), None);
    // Of a person who is disabled just now, too; and being enabled again does not wake it.
    storage.users.set_disabled(Whom::by_id("ana"), true, &[], at(30), &operator()).await.expect("done");
    storage.grants.open(&grant(2, None), None, &person("ana")).await.expect("opened");
    storage.users.set_disabled(Whom::by_id("ana"), false, &[], at(40), &operator()).await.expect("done");
    assert_eq!(storage.grants.find(&grant_id(2)).await.expect("read").expect("known").revoked_at, Some(at(30)));
    storage.grants.open(&grant(3, None), None, &person("ana")).await.expect("opened");
    assert_eq!(storage.grants.find(&grant_id(3)).await.expect("read").expect("known").revoked_at, None);
}

async fn a_code_opens_while_its_client_is_allowed(place: &Place) {
    let storage = furnished(place).await;
    let fresh = OpenedByCode::Fresh(Box::new(user("ana").user));
    let asked = |n: u32| {
        let (storage, code) = (&storage, digest(700 + n));
        async move {
            let code = ByCode { consent: true, ..by_code(&code, IDLE) };
            storage.grants.open_by_code(&grant(70 + n, Some("s1")), code, &person("ana")).await.expect("answered")
        }
    };
    assert_eq!(asked(1).await, OpenedByCode::Over);
    storage.consents.allow("ana", "app", "openid", at(0), &person("ana")).await.expect("allowed");
    assert_eq!(asked(1).await, fresh);
    storage.consents.withdraw("ana", "app", at(1), &person("ana")).await.expect("taken back");
    assert_eq!(asked(2).await, OpenedByCode::Over);
}

async fn a_code_opens_while_its_session_is_live(place: &Place) {
    let storage = furnished(place).await;
    let open = async |n: u32, change: fn(&mut Grant)| {
        let mut grant = grant(n, Some("s1"));
        change(&mut grant);
        storage.grants.open_by_code(&grant, by_code(&digest(100 + n), IDLE), &person("ana")).await.expect("answered")
    };
    let fresh = OpenedByCode::Fresh(Box::new(user("ana").user));
    assert_eq!(open(1, |_| ()).await, fresh);
    assert_eq!(storage.grants.find(&grant_id(1)).await.expect("read"), Some(grant(1, Some("s1"))));
    assert_eq!(trail(&storage, 1).await, [format!("grant.open person:ana grant:{} done - 1", grant_id(1).hex())]);

    // Idle, somebody else's, unknown, none: nothing is opened, nothing is written down.
    let idle = |grant: &mut Grant| grant.created_at = at(24 * 3600);
    storage.users.create(&user("eva"), &operator()).await.expect("new");
    let before = trail(&storage, 9).await;
    assert_eq!(open(2, idle).await, OpenedByCode::Over);
    assert_eq!(open(2, |grant| grant.user_id = "eva".to_owned()).await, OpenedByCode::Over);
    assert_eq!(open(2, |grant| grant.session_id = Some("s9".to_owned())).await, OpenedByCode::Over);
    assert_eq!(open(2, |grant| grant.session_id = None).await, OpenedByCode::Over);
    assert_eq!((storage.grants.find(&grant_id(2)).await.expect("read"), trail(&storage, 9).await), (None, before));
    // The last second before it is idle; and the absolute end, however lately it was seen.
    assert_eq!(open(2, |grant| grant.created_at = at(24 * 3600 - 1)).await, fresh);
    let mut short = session("s2", "ana", at(0));
    short.expires_at = at(60);
    storage.sessions.start(&short, &digest(2), None, &person("ana")).await.expect("started");
    let in_short = |grant: &mut Grant| (grant.session_id, grant.created_at) = (Some("s2".to_owned()), at(60));
    assert_eq!(open(3, in_short).await, OpenedByCode::Over);

    // Again: what the code opened is revoked, and nothing else is.
    let mut late = grant(4, Some("s1"));
    late.created_at = at(50);
    for _ in 0..2 {
        let again = storage.grants.open_by_code(&late, by_code(&digest(101), IDLE), &person("ana")).await;
        assert_eq!(again.expect("answered"), OpenedByCode::Replay);
    }
    assert_eq!(storage.grants.find(&grant_id(4)).await.expect("read"), None);
    assert_eq!(storage.grants.find(&grant_id(1)).await.expect("read").expect("known").revoked_at, Some(at(50)));
    assert_eq!(storage.grants.find(&grant_id(2)).await.expect("read").expect("known").revoked_at, None);
    assert!(trail(&storage, 1).await[0].ends_with(" refused replay 2"));

    // A disabled person; a session that has ended.
    storage.users.set_disabled(Whom::by_id("ana"), true, &[], at(60), &operator()).await.expect("done");
    assert_eq!(open(5, |_| ()).await, OpenedByCode::Over);
    storage.users.set_disabled(Whom::by_id("ana"), false, &[], at(61), &operator()).await.expect("done");
    assert_eq!(open(5, |_| ()).await, OpenedByCode::Over);
}

/// Opens grant `n` and refreshes it up to `generation`, the last time at `now`.
async fn refreshed(storage: &Storage, n: u32, generation: u32, now: i64) {
    storage.grants.open(&grant(n, Some("s1")), None, &person("ana")).await.expect("opened");
    for presented in 0..generation {
        let next = storage.grants.rotate(&grant_id(n), presented, WINDOW, at(now), &person("ana")).await.expect("rotated");
        assert_eq!(next, Rotation::Next(presented + 1));
    }
}

async fn a_refresh_goes_on_repeats_or_is_reuse(place: &Place) {
    let storage = furnished(place).await;
    let rotate = async |n: u32, presented: u32, window: Duration, now: i64| {
        storage.grants.rotate(&grant_id(n), presented, window, at(now), &person("ana")).await.expect("answered")
    };
    // (generation presented of current 5, window, seconds after the last refresh) → answer
    let cases = [
        (5, WINDOW, 0, Rotation::Next(6)),
        (4, WINDOW, 0, Rotation::Repeat(5)),
        (4, WINDOW, 30, Rotation::Repeat(5)),
        (4, WINDOW, 31, Rotation::Reuse),
        (4, Duration::ZERO, 0, Rotation::Reuse),
        (3, WINDOW, 0, Rotation::Reuse),
        (0, WINDOW, 0, Rotation::Reuse),
        (6, WINDOW, 0, Rotation::Reuse),
    ];
    for (n, (presented, window, later, expected)) in (1..).zip(cases) {
        refreshed(&storage, n, 5, 1000).await;
        assert_eq!(rotate(n, presented, window, 1000 + later).await, expected, "case {n}");
        let after = storage.grants.find(&grant_id(n)).await.expect("read").expect("known");
        assert_eq!(after.revoked_at, (expected == Rotation::Reuse).then(|| at(1000 + later)), "case {n}");
        assert_eq!((after.generation, after.rotated_at), (if expected == Rotation::Next(6) { 6 } else { 5 }, at(1000)), "case {n}");
        if expected == Rotation::Reuse {
            let subject = grant_id(n).hex();
            assert_eq!(trail(&storage, 1).await, [format!("token.refresh person:ana grant:{subject} refused reuse 1")]);
            // Nothing of the family works any more, its newest member included.
            assert_eq!(rotate(n, 5, WINDOW, 1000 + later).await, Rotation::Gone, "case {n}");
        } else {
            assert_eq!(trail(&storage, 1).await, [format!("grant.open person:ana grant:{} done - 1", grant_id(n).hex())]);
        }
    }
    // A repeat may be repeated, until its successor is used.
    refreshed(&storage, 50, 1, 1000).await;
    for later in [1, 10, 20] {
        assert_eq!(rotate(50, 0, WINDOW, 1000 + later).await, Rotation::Repeat(1));
    }
    assert_eq!(rotate(50, 1, WINDOW, 1021).await, Rotation::Next(2));
    assert_eq!(rotate(50, 0, WINDOW, 1022).await, Rotation::Reuse);
    assert_eq!(rotate(99, 0, WINDOW, 0).await, Rotation::Gone);
}

async fn a_refresh_of_a_client_without_rotation(place: &Place) {
    let storage = furnished(place).await;
    storage.grants.open(&grant(1, Some("s1")), None, &person("ana")).await.expect("opened");
    for now in [10, 20] {
        assert_eq!(storage.grants.touch(&grant_id(1), 0, WINDOW, at(now), &person("ana")).await.expect("answered"), Rotation::Next(0));
        let after = storage.grants.find(&grant_id(1)).await.expect("read").expect("known");
        assert_eq!((after.generation, after.rotated_at), (0, at(now)));
    }
    refreshed(&storage, 2, 3, 30).await;
    // Of a time with rotation: a retry is one, and a replay is one.
    assert_eq!(storage.grants.touch(&grant_id(2), 2, WINDOW, at(30), &person("ana")).await.expect("answered"), Rotation::Repeat(3));
    assert_eq!(storage.grants.touch(&grant_id(2), 2, WINDOW, at(61), &person("ana")).await.expect("answered"), Rotation::Reuse);
    assert_eq!(storage.grants.touch(&grant_id(2), 3, WINDOW, at(62), &person("ana")).await.expect("answered"), Rotation::Gone);
    assert_eq!(storage.grants.touch(&grant_id(9), 0, WINDOW, at(31), &person("ana")).await.expect("answered"), Rotation::Gone);
}

async fn what_may_be_refreshed(place: &Place) {
    let storage = furnished(place).await;
    storage.users.create(&user("eva"), &operator()).await.expect("new");
    storage.sessions.start(&session("s2", "eva", at(0)), &digest(2), None, &person("eva")).await.expect("started");
    let mut offline = grant(2, Some("s1"));
    offline.offline = true;
    let mut evas = grant(4, Some("s2"));
    evas.user_id = "eva".to_owned();
    for grant in [&grant(1, Some("s1")), &offline, &grant(3, None), &evas, &grant(5, Some("unknown"))] {
        storage.grants.open(grant, None, &person("ana")).await.expect("opened");
    }
    let refreshable = async |now: i64| {
        let mut which = Vec::new();
        for n in 1..=6 {
            if let Some((found, person)) = storage.grants.refreshable(&grant_id(n), IDLE, at(now)).await.expect("read") {
                assert_eq!((found.id, &person.id), (grant_id(n), &found.user_id));
                which.push(n);
            }
        }
        which
    };
    assert_eq!(refreshable(10).await, [1, 2, 3, 4]);
    // Idle sessions: what is offline, or never had a session, goes on.
    assert_eq!(refreshable(24 * 3600).await, [2, 3]);
    storage.sessions.end("s1", at(10), &person("ana")).await.expect("done");
    assert_eq!(refreshable(11).await, [2, 3, 4]);
    storage.users.set_disabled(Whom::by_id("eva"), true, &[], at(12), &operator()).await.expect("done");
    assert_eq!(refreshable(13).await, [2, 3]);
    storage.grants.revoke(&grant_id(3), at(14), &person("ana")).await.expect("done");
    assert_eq!(refreshable(15).await, [2]);
    let mut shown = user("ana").user;
    shown.email = storage.grants.refreshable(&grant_id(2), IDLE, at(15)).await.expect("read").expect("live").1.email;
    assert_eq!(storage.grants.refreshable(&grant_id(2), IDLE, at(15)).await.expect("read"), Some((offline, shown)));
}

async fn what_is_renewed_in_one_step(place: &Place) {
    let storage = furnished(place).await;
    let by = person("ana");
    let renewal = Renewal {
        client_id: "app",
        generation: 0,
        session_idle: IDLE,
        refresh_idle: 10 * IDLE,
        scope: "openid",
        offline: true,
        resource: true,
    };
    let renew = async |n: u32, renewal: Renewal<'static>, now: i64| {
        let renewed = storage.grants.renew(&grant_id(n), renewal, at(now)).await.expect("answered");
        renewed.map(|(grant, user)| (grant.generation, grant.rotated_at, user.id))
    };
    let next = |generation: u32, now: i64| Some((generation, at(now), "ana".to_owned()));
    let mut offline = grant(2, Some("s9"));
    offline.offline = true;
    let mut short = grant(4, None);
    short.expires_at = at(100);
    for grant in [&grant(1, Some("s1")), &offline, &grant(3, None), &short, &grant(5, Some("s9"))] {
        storage.grants.open(grant, None, &by).await.expect("opened");
    }
    let (whole, _) = storage.grants.renew(&grant_id(1), renewal, at(10)).await.expect("answered").expect("renewed");
    assert_eq!(whole, Grant { generation: 1, rotated_at: at(10), ..grant(1, Some("s1")) });
    assert_eq!(storage.grants.find(&grant_id(1)).await.expect("read"), Some(whole));

    // Not the current generation, another client, no such grant, no such session: nothing is done.
    assert_eq!(renew(1, renewal, 20).await, None);
    assert_eq!(renew(1, Renewal { generation: 2, ..renewal }, 20).await, None);
    assert_eq!(renew(1, Renewal { generation: 1, client_id: "other", ..renewal }, 20).await, None);
    assert_eq!(renew(5, renewal, 20).await, None);
    assert_eq!(renew(9, renewal, 20).await, None);
    assert_eq!(storage.grants.find(&grant_id(1)).await.expect("read").expect("known").rotated_at, at(10));

    // Times: its own idleness, its end, that of its session; an offline grant has no session to wait for.
    let day = 24 * 3600;
    assert_eq!(renew(3, Renewal { refresh_idle: Duration::from_secs(30), ..renewal }, 30).await, None);
    assert_eq!(renew(3, Renewal { refresh_idle: Duration::from_secs(30), ..renewal }, 29).await, next(1, 29));
    assert_eq!(renew(4, renewal, 100).await, None);
    assert_eq!(renew(4, renewal, 99).await, next(1, 99));
    assert_eq!(renew(1, Renewal { generation: 1, ..renewal }, day).await, None);
    assert_eq!(renew(1, Renewal { generation: 1, ..renewal }, day - 1).await, next(2, day - 1));
    assert_eq!(renew(2, renewal, 2 * day).await, next(1, 2 * day));

    // What was taken from the client since: leave to outlive the session, the resources, the first scope. Nothing is spent.
    let mut far = grant(6, None);
    (far.scope, far.resource) = ("read write".to_owned(), "https://api.example".to_owned());
    let mut plain = grant(7, None);
    (plain.scope, plain.resource) = (String::new(), String::new());
    storage.grants.open(&far, None, &by).await.expect("opened");
    storage.grants.open(&plain, None, &by).await.expect("opened");
    let has = |scope: &'static str, resource: bool| Renewal { scope, resource, ..renewal };
    assert_eq!(renew(2, Renewal { generation: 1, offline: false, ..renewal }, 30).await, None);
    assert_eq!(renew(6, has("write read", false), 30).await, None);
    for lost in ["", "write", "reader write", "thread"] {
        assert_eq!(renew(6, has(lost, true), 30).await, None, "{lost}");
    }
    assert_eq!(renew(6, has("write read", true), 30).await, next(1, 30));
    assert_eq!(renew(7, has("", false), 30).await, next(1, 30), "without scopes there is none to lose");

    // The person disabled; the grant revoked; the session over.
    let third = Renewal { generation: 1, ..renewal };
    storage.grants.revoke(&grant_id(2), at(40), &by).await.expect("done");
    assert_eq!(renew(2, third, 50).await, None);
    storage.sessions.end("s1", at(40), &by).await.expect("done");
    assert_eq!(renew(1, Renewal { generation: 2, ..renewal }, 50).await, None);
    assert_eq!(renew(3, third, 50).await, next(2, 50));
    storage.users.set_disabled(Whom::by_id("ana"), true, &[], at(60), &operator()).await.expect("done");
    assert_eq!(renew(3, Renewal { generation: 2, ..renewal }, 70).await, None);
}

async fn grants_are_revoked_one_by_one_and_together(place: &Place) {
    let storage = furnished(place).await;
    storage.clients.create(&client("other"), &operator()).await.expect("new");
    for n in 1..=3 {
        storage.grants.open(&grant(n, None), None, &person("ana")).await.expect("opened");
    }
    let mut elsewhere = grant(4, None);
    elsewhere.client_id = "other".to_owned();
    storage.grants.open(&elsewhere, None, &person("ana")).await.expect("opened");
    for now in [10, 11] {
        storage.grants.revoke(&grant_id(1), at(now), &person("ana")).await.expect("done");
    }
    assert_eq!(storage.grants.find(&grant_id(1)).await.expect("read").expect("known").revoked_at, Some(at(10)));
    assert_eq!(trail(&storage, 2).await[0], format!("grant.revoke person:ana grant:{} done - 1", grant_id(1).hex()));
    assert!(trail(&storage, 2).await[1].starts_with("grant.open"));
    storage.grants.revoke(&grant_id(9), at(12), &person("ana")).await.expect("nothing to do");
    assert_eq!(storage.grants.revoke_all("ana", Some("app"), at(20), &person("ana")).await.expect("done"), 2);
    assert_eq!(trail(&storage, 1).await, ["grant.revoke_all person:ana consent:ana:app done - 1"]);
    assert_eq!(storage.grants.find(&grant_id(4)).await.expect("read").expect("known").revoked_at, None);
    assert_eq!(storage.grants.revoke_all("ana", None, at(30), &operator()).await.expect("done"), 1);
    assert_eq!(trail(&storage, 1).await, ["grant.revoke_all operator user:ana done - 1"]);
    assert_eq!(storage.grants.revoke_all("ana", None, at(40), &operator()).await.expect("done"), 0);
    assert_eq!(storage.grants.revoke_all("nobody", None, at(40), &operator()).await.expect("done"), 0);
}

async fn how_a_token_stands(place: &Place) {
    let storage = furnished(place).await;
    let ana = Standing::Live(Some(Box::new(Holder { user: user("ana").user, claims: grant(1, None).claims })));
    let stands = async |jti: &str, n: u32, sid: Option<&str>| {
        let id = grant_id(n);
        storage.grants.standing(TokenRef { jti, grant: Some(&id), sid }).await.expect("answered")
    };
    let mut offline = grant(2, Some("s1"));
    offline.offline = true;
    for grant in [&grant(1, Some("s1")), &offline, &grant(3, None)] {
        storage.grants.open(grant, None, &person("ana")).await.expect("opened");
    }
    for (n, sid) in [(1, Some("s1")), (1, None), (2, Some("s1")), (2, None), (3, None)] {
        assert_eq!(stands("j1", n, sid).await, ana, "grant {n}, {sid:?}");
    }
    // No such grant, no such session, somebody else's session.
    assert_eq!(stands("j1", 9, None).await, Standing::Dead);
    assert_eq!(stands("j1", 1, Some("s9")).await, Standing::Dead);
    storage.users.create(&user("eva"), &operator()).await.expect("new");
    storage.sessions.start(&session("s2", "eva", at(0)), &digest(2), None, &person("eva")).await.expect("started");
    assert_eq!(stands("j1", 1, Some("s2")).await, Standing::Dead);

    // One token revoked by itself, of a person and of a client.
    let of_client = TokenRef { jti: "j2", grant: None, sid: None };
    assert_eq!(storage.grants.standing(of_client).await.expect("answered"), Standing::Live(None));
    for _ in 0..2 {
        storage.grants.revoke_token("j2", at(600), at(10), &person("ana")).await.expect("done");
    }
    assert_eq!(trail(&storage, 1).await, ["token.revoke person:ana token:j2 done - 1"]);
    assert_eq!(storage.grants.standing(of_client).await.expect("answered"), Standing::Dead);
    assert_eq!(stands("j2", 1, Some("s1")).await, Standing::Dead);
    assert_eq!(stands("j1", 1, Some("s1")).await, ana);

    // The client disabled, and enabled again.
    let mut app = client("app");
    app.disabled_at = Some(at(20));
    assert_eq!(storage.clients.update(&app, None, &operator()).await.expect("done"), Saved::Done);
    app.revision += 1;
    assert_eq!(stands("j1", 3, None).await, Standing::Dead);
    app.disabled_at = None;
    storage.clients.update(&app, None, &operator()).await.expect("done");
    assert_eq!(stands("j1", 3, None).await, ana);

    // Signed out: tokens of the session are dead; a later token of an offline grant, without sid, lives.
    storage.sessions.end("s1", at(30), &person("ana")).await.expect("done");
    for (n, sid, live) in [(1, Some("s1"), false), (1, None, false), (2, Some("s1"), false), (2, None, true), (3, None, true)] {
        assert_eq!(stands("j1", n, sid).await == ana, live, "grant {n}, {sid:?}");
    }
    storage.grants.revoke(&grant_id(3), at(40), &person("ana")).await.expect("done");
    assert_eq!(stands("j1", 3, None).await, Standing::Dead);
    assert_eq!(stands("j1", 2, None).await, ana);
    // The client deleted.
    storage.clients.delete("app", None, at(50), &operator()).await.expect("done");
    assert_eq!(stands("j1", 2, None).await, Standing::Dead);
}

async fn old_grants_are_removed(place: &Place) {
    let storage = furnished(place).await;
    let mut short = grant(1, None);
    short.expires_at = at(100);
    for grant in [&short, &grant(2, None)] {
        storage.grants.open(grant, None, &person("ana")).await.expect("opened");
    }
    storage.grants.revoke_token("j1", at(100), at(0), &person("ana")).await.expect("done");
    let week = 7 * 24 * 3600;
    assert_eq!(storage.grants.clean(at(100 + week)).await.expect("done"), 0);
    assert_eq!(storage.grants.clean(at(101 + week)).await.expect("done"), 2);
    assert_eq!(storage.grants.find(&grant_id(1)).await.expect("read"), None);
    assert!(storage.grants.find(&grant_id(2)).await.expect("read").is_some());
    assert_eq!(storage.grants.clean(at(101 + week)).await.expect("done"), 0);
}
