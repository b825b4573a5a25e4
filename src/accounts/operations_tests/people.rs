//! Another address, the profile, what is one's own, what administrators do.

use super::*;

#[tokio::test]
async fn an_address_changes_by_the_new_one_and_comes_back_by_the_old_one() {
    let town = Town::new().await;
    let ana = town.ana().await;
    let desk = town.desk();
    let request = async |email: &str, presence| address::request_change(&desk, &ana.id, email, presence, &town.asking(now())).await;
    let recent = Presence::SignedIn { auth_time: now() - TimeDelta::minutes(9) };
    let long_ago = Presence::SignedIn { auth_time: now() - TimeDelta::minutes(10) };
    assert!(matches!(request("ana@new.example", long_ago).await, Err(AccountError::NotRecent)));
    let wrong = Presence::Password { password: "wrong", device: None };
    assert!(matches!(request("ana@new.example", wrong).await, Err(AccountError::WrongPassword)));
    assert!(matches!(request("ANA@example.org", recent).await, Err(AccountError::Invalid("email", _))));
    assert!(town.mails(now()).await.is_empty());
    let handle = request("ana@new.example", Presence::Password { password: PASSWORD, device: None }).await.expect("sent");
    assert_eq!(town.find("ana@new.example").await, None, "nothing changes yet");
    let mails = town.mails(now()).await;
    let (undo, code) = match &mails[..] {
        [(new, change @ Mail::ChangeEmail { .. }), (old, notice @ Mail::EmailChangeRequested { .. })] => {
            assert_eq!((new.as_str(), old.as_str()), ("ana@new.example", "ana@example.org"));
            (token_of(notice).0, token_of(change).1.expect("a code"))
        }
        other => panic!("{other:?}"),
    };
    let moved = address::confirm_change(&desk, Proof::Code { handle: &handle, code: &code }, &town.asking(now())).await.expect("moved");
    assert!(moved.email == "ana@new.example" && moved.email_verified);
    // PR-06: both addresses are told.
    let told = town.mails(now()).await;
    assert!(
        matches!(&told[..], [(old, Mail::EmailChanged { .. }), (new, Mail::EmailInUse)] if old == "ana@example.org" && new == "ana@new.example"),
        "{told:?}"
    );
    // Whoever took the account over has changed the password, too: the old address still has the last word.
    let change = Change { current: PASSWORD, new: ANOTHER, device: None, keep_session: None, rules: None };
    recovery::change_password(&desk, &ana.id, change, &town.asking(now())).await.expect("changed");
    town.mails(now()).await;
    // For seven days and no longer.
    let late = address::undo_change(&desk, &undo, &town.asking(now() + TimeDelta::days(7))).await;
    assert!(is_link(late, LinkError::Expired));
    let later = now() + TimeDelta::days(7) - TimeDelta::seconds(1);
    town.session(&ana, 2, later).await;
    assert_eq!(town.live(&ana, later).await, 1);
    let back = address::undo_change(&desk, &undo, &town.asking(later)).await.expect("back");
    assert!(back.email == "ana@example.org" && back.reset_required);
    assert_eq!(town.live(&ana, later).await, 0);
    assert!(is_link(address::undo_change(&desk, &undo, &town.asking(later)).await, LinkError::Used));
    assert_eq!(town.sign_in(ANOTHER, later).await, Outcome::Refused(Refusal::ResetRequired));
    let mails = town.mails(later).await;
    let [(gone, Mail::EmailTakenBack), (to, required @ Mail::ResetRequired { .. })] = &mails[..] else { panic!("{mails:?}") };
    assert_eq!((to.as_str(), gone.as_str()), ("ana@example.org", "ana@new.example"));
    recovery::reset(&desk, Proof::Token(&token_of(required).0), PASSWORD, &town.asking(later)).await.expect("hers again");
    assert!(signed_in(&town.sign_in(PASSWORD, later).await));
}

#[tokio::test]
async fn st_03_a_taken_address_is_neither_shown_nor_won() {
    let town = Town::new().await;
    let ana = town.ana().await;
    let eva = town.sign_up("eva@example.org").await.expect("made").made.expect("made");
    let desk = town.desk();
    let (token, _) = token_of(&town.mails(now()).await[0].1);
    sign_up::verify_email(&desk, Proof::Token(&token), &town.asking(now())).await.expect("hers");
    let recent = Presence::SignedIn { auth_time: now() };
    address::request_change(&desk, &ana.id, "EVA@example.org", recent, &town.asking(now())).await.expect("the same answer");
    let mails = town.mails(now()).await;
    assert!(mails.iter().any(|(to, mail)| to == "eva@example.org" && *mail == Mail::AlreadyRegistered), "{mails:?}");
    // Both ask for a free one; the first to confirm has it, verified.
    for user in [&ana, &eva] {
        address::request_change(&desk, &user.id, "free@example.org", recent, &town.asking(now())).await.expect("sent");
    }
    let tokens: Vec<String> =
        town.mails(now()).await.iter().filter(|(to, _)| to == "free@example.org").map(|(_, mail)| token_of(mail).0).collect();
    assert_eq!(tokens.len(), 2);
    let answers = [
        address::confirm_change(&desk, Proof::Token(&tokens[0]), &town.asking(now())).await,
        address::confirm_change(&desk, Proof::Token(&tokens[1]), &town.asking(now())).await,
    ];
    let won: Vec<&User> = answers.iter().filter_map(|answer| answer.as_ref().ok()).collect();
    assert_eq!(won.len(), 1);
    assert!(answers.iter().any(|answer| matches!(answer, Err(AccountError::Link(LinkError::Stale)))));
    let owner = town.find("free@example.org").await.expect("somebody's");
    assert!(owner.id == won[0].id && owner.email_verified);
}

#[tokio::test]
async fn a_profile_is_patched_by_the_hand_that_may() {
    let mut town = Town::new().await;
    town.schema = Schema::new(&json!({"properties": {"xp_total": {"type": "integer"}}})).expect("a schema");
    let ana = town.ana().await;
    let patch = async |patch: Value, if_match, hand| {
        let Value::Object(patch) = patch else { panic!("an object") };
        profile::patch(&town.desk(), &ana.id, &patch, if_match, hand, &town.asking(now())).await
    };
    let given = json!({
        "name": "Ana Ñ", "username": "ana", "locale": "es-MX", "attributes": {"xp_total": 7, "city_id": 3},
        "claims": {"phone_number": "+34 600", "nickname": "ani"},
    });
    let changed = patch(given, Some(ana.revision), Hand::Own).await.expect("changed");
    assert_eq!((changed.name.as_deref(), changed.username.as_deref(), changed.revision), (Some("Ana Ñ"), Some("ana"), ana.revision + 1));
    assert_eq!((changed.attributes["city_id"].as_i64(), changed.claims["nickname"].as_str()), (Some(3), Some("ani")));
    assert!(matches!(patch(json!({"name": "x"}), Some(ana.revision), Hand::Own).await, Err(AccountError::Stale)));
    // RG-05, AD-05: what is not theirs to change, and what is no member.
    for (bad, member) in [
        (json!({"email": "x@example.org"}), "email"),
        (json!({"email_verified": true}), "email_verified"),
        (json!({"roles": ["owner"]}), "roles"),
        (json!({"password_hash": "x"}), "password_hash"),
        (json!({"id": "usr_x"}), "id"),
        (json!({"claims": {"phone_number_verified": true}}), "claims/phone_number_verified"),
        (json!({"claims": {"sub": "usr_x"}}), "claims/sub"),
        (json!({"claims": {"name": "x"}}), "claims/name"),
        (json!({"claims": 7}), "claims"),
        (json!({"name": 7}), "name"),
        (json!({"name": "a\nb"}), "name"),
        (json!({"locale": "es_MX"}), "locale"),
        (json!({"username": "a@b"}), "username"),
        (json!({"attributes": {"xp_total": "much"}}), "attributes/xp_total"),
        (json!({"attributes": [1]}), "attributes"),
    ] {
        let told = patch(bad.clone(), None, Hand::Own).await.expect_err("refused");
        assert_eq!(told.member().as_deref(), Some(member), "{bad}");
    }
    let vouched = patch(json!({"claims": {"phone_number_verified": true}, "roles": ["auditor"]}), None, Hand::Administrator).await;
    let vouched = vouched.expect("an administrator's to say");
    assert!(vouched.claims["phone_number_verified"] == true && vouched.roles == ["auditor"]);
    let other = patch(json!({"claims": {"phone_number": "+34 700"}}), None, Hand::Own).await.expect("changed");
    assert_eq!(other.claims.get("phone_number_verified"), None, "that was another number");
    let less = patch(json!({"name": null, "username": null, "attributes": {"city_id": null}}), None, Hand::Own).await.expect("changed");
    assert_eq!((less.name, less.username, less.attributes.len()), (None, None, 1));
    let moved = patch(json!({"email": "ana@new.example"}), None, Hand::Administrator).await.expect("changed");
    assert!(moved.email == "ana@new.example" && !moved.email_verified, "nobody confirmed that one");
    assert!(town.trail().await.contains(&"user.set_roles done".to_owned()));
}

#[tokio::test]
async fn ad_02_people_reach_what_is_theirs_and_no_more() {
    let town = Town::new().await;
    let ana = town.ana().await;
    let eva = town.sign_up("eva@example.org").await.expect("made").made.expect("made");
    let (token, _) = token_of(&town.mails(now()).await[0].1);
    let eva = sign_up::verify_email(&town.desk(), Proof::Token(&token), &town.asking(now())).await.map(|_| eva).expect("confirmed");
    let (hers, idle) = (town.session(&eva, 1, now()).await, Lifetimes::default().idle);
    let desk = town.desk();
    assert!(!mine::end_session(&desk, &ana.id, &hers, idle, &town.asking(now())).await.expect("answered"));
    assert_eq!(town.live(&eva, now()).await, 1);
    assert!(mine::end_session(&desk, &eva.id, &hers, idle, &town.asking(now())).await.expect("ended"));
    for n in 2..5 {
        town.session(&eva, n, now()).await;
    }
    assert_eq!(mine::end_sessions(&desk, &eva.id, None, &town.asking(now())).await.expect("ended"), 3);
    assert!(!mine::disconnect(&desk, &eva.id, "no-such-client", &town.asking(now())).await.expect("answered"));
    let data = mine::export(&desk, &eva.id, idle, now()).await.expect("her data");
    assert_eq!(data["profile"]["email"], "eva@example.org");
    assert!(!data.to_string().contains("argon2"), "no secret is in it");
    let refused = mine::delete(&desk, &eva.id, Presence::SignedIn { auth_time: now() - TimeDelta::hours(1) }, &town.asking(now())).await;
    assert!(matches!(refused, Err(AccountError::NotRecent)));
    town.mails(now()).await;
    mine::delete(&desk, &eva.id, Presence::Password { password: PASSWORD, device: None }, &town.asking(now())).await.expect("gone");
    assert!(matches!(&town.mails(now()).await[..], [(to, Mail::AccountDeleted)] if to == "eva@example.org"));
    assert_eq!(town.find("eva@example.org").await, None);
}

#[tokio::test]
async fn administrators_act_and_an_owner_remains() {
    let town = Town::new().await;
    let desk = town.desk();
    let owner = NewAccount { email: "boss@example.org", roles: vec!["owner".into()], password: Some(PASSWORD), ..NewAccount::default() };
    let owner = administration::create(&desk, owner, &town.asking(now())).await.expect("new");
    // However new the sign-in: an app that acts for an owner does not become one.
    let recent = Presence::SignedIn { auth_time: now() };
    assert!(matches!(mine::delete(&desk, &owner.id, recent, &town.asking(now())).await, Err(AccountError::PasswordNeeded)));
    let asked = address::request_change(&desk, &owner.id, "evil@example.org", recent, &town.asking(now())).await;
    assert!(matches!(asked, Err(AccountError::PasswordNeeded)));
    assert!(town.mails(now()).await.is_empty(), "nobody is written to");
    for refused in [
        administration::set_disabled(&desk, &owner, true, &town.asking(now())).await,
        administration::delete(&desk, &owner, &town.asking(now())).await,
        mine::delete(&desk, &owner.id, Presence::Password { password: PASSWORD, device: None }, &town.asking(now())).await,
        profile::patch(
            &desk,
            &owner.id,
            &Map::from_iter([("roles".to_owned(), json!([]))]),
            None,
            Hand::Administrator,
            &town.asking(now()),
        )
        .await
        .map(drop),
    ] {
        assert!(matches!(refused, Err(AccountError::LastOwner)), "{refused:?}");
    }
    let trail = town.trail().await;
    for row in ["user.disable refused last_owner", "user.delete refused last_owner", "user.set_roles refused last_owner"] {
        assert!(trail.iter().any(|there| there == row), "{row}: {trail:?}");
    }
    // PR-11: a link, and no password that an administrator knows.
    let ana = town.ana().await;
    town.session(&ana, 1, now()).await;
    recovery::require_reset(&desk, &ana, &town.asking(now())).await.expect("asked for");
    assert_eq!(town.live(&ana, now()).await, 0);
    assert_eq!(town.sign_in(PASSWORD, now()).await, Outcome::Refused(Refusal::ResetRequired));
    assert_eq!(town.sign_in("wrong", now()).await, Outcome::Refused(Refusal::WrongCredentials), "nobody else learns it");
    let (token, _) = token_of(&town.mails(now()).await[0].1);
    recovery::reset(&desk, Proof::Token(&token), ANOTHER, &town.asking(now())).await.expect("reset");
    assert!(signed_in(&town.sign_in(ANOTHER, now()).await));
    // PR-12.
    recovery::request_reset(&desk, "ana@example.org", &town.asking(now())).await.expect("sent");
    let (token, _) = token_of(&town.mails(now()).await.into_iter().find(|(_, mail)| mail.kind() == "reset_password").expect("sent").1);
    administration::set_disabled(&desk, &ana, true, &town.asking(now())).await.expect("disabled");
    assert!(is_link(recovery::reset(&desk, Proof::Token(&token), PASSWORD, &town.asking(now())).await, LinkError::Stale));
    recovery::request_reset(&desk, "ana@example.org", &town.asking(now())).await.expect("one answer");
    // Whom it concerns is told, of each act once.
    assert_eq!(town.kinds().await, ["account_disabled"]);
    administration::set_disabled(&desk, &ana, true, &town.asking(now())).await.expect("still");
    assert!(town.kinds().await.is_empty(), "no news");
    administration::set_disabled(&desk, &ana, false, &town.asking(now())).await.expect("enabled");
    administration::set_password(&desk, &ana.id, ANOTHER, &town.asking(now())).await.expect("set");
    assert_eq!(town.kinds().await, ["account_enabled", "password_set"]);
    let moved = Map::from_iter([("email".to_owned(), json!("anita@example.org"))]);
    profile::patch(&desk, &ana.id, &moved, None, Hand::Administrator, &town.asking(now())).await.expect("moved");
    let told = town.mails(now()).await.into_iter().map(|(to, mail)| (to, mail.kind())).collect::<Vec<_>>();
    assert_eq!(told, [("anita@example.org".to_owned(), "email_assigned"), ("ana@example.org".to_owned(), "email_replaced")]);
    for n in 2..4 {
        town.session(&ana, n, now()).await;
        administration::end_everything(&desk, &ana, &town.asking(now())).await.expect("ended");
        assert_eq!(town.kinds().await, ["sessions_ended"]);
        administration::end_everything(&desk, &ana, &town.asking(now())).await.expect("nothing to end");
        assert!(town.kinds().await.is_empty(), "no news");
    }
    let roles = async |roles: Value| {
        let patch = Map::from_iter([("roles".to_owned(), roles)]);
        profile::patch(&desk, &ana.id, &patch, None, Hand::Administrator, &town.asking(now())).await.expect("changed");
        town.mails(now()).await.into_iter().map(|(_, mail)| mail).collect::<Vec<_>>()
    };
    let changed = |given: &[&str], taken: &[&str]| {
        let own = |roles: &[&str]| roles.iter().map(|role| (*role).to_owned()).collect();
        vec![Mail::RolesChanged { given: own(given), taken: own(taken) }]
    };
    assert_eq!(roles(json!(["auditor", "editor", "user_admin"])).await, changed(&["auditor", "user_admin"], &[]));
    // What was judged of somebody without them is not done to somebody who has them.
    assert!(matches!(administration::set_disabled(&desk, &ana, true, &town.asking(now())).await, Err(AccountError::Stale)));
    assert!(matches!(administration::delete(&desk, &ana, &town.asking(now())).await, Err(AccountError::Stale)));
    assert_eq!(roles(json!(["auditor", "viewer", "user_admin"])).await, [], "an app's roles are the app's to tell of");
    assert_eq!(roles(json!(["client_admin", "user_admin"])).await, changed(&["client_admin"], &["auditor"]));
    assert_eq!(roles(json!([])).await, changed(&[], &["client_admin", "user_admin"]));
    administration::delete(&desk, &ana, &town.asking(now())).await.expect("gone");
    assert_eq!(town.kinds().await, ["account_removed"]);
    assert!(matches!(administration::delete(&desk, &ana, &town.asking(now())).await, Err(AccountError::Unknown)));
    assert!(matches!(administration::unlock(&desk, &ana, &town.asking(now())).await, Err(AccountError::Unknown)));
}

#[tokio::test]
async fn an_unlocked_account_is_open_from_everywhere() {
    let mut town = Town::new().await;
    town.limits = true;
    let ana = town.ana().await;
    let patch = Map::from_iter([("username".to_owned(), json!("ani"))]);
    profile::patch(&town.desk(), &ana.id, &patch, None, Hand::Own, &town.asking(now())).await.expect("named");
    let device = Device::cookie(&town.seal, &ana.id, [3; 16]);
    let attempt = async |identifier: &str, device: Option<&str>, password: &str| {
        let door = Parts::of(&town.storage, &town.seal, &town.hasher, Limits { enabled: true });
        let credentials = Credentials { identifier, password, device, address: None };
        authenticate(&door, &credentials, [9; 16], now(), &town.by).await.expect("no fault")
    };
    let ways = [("ana@example.org", None), ("ani", None), ("ani", Some(&*device))];
    for (name, device) in ways {
        for _ in 0..10 {
            attempt(name, device, "wrong").await;
        }
        assert!(matches!(attempt(name, device, PASSWORD).await, Outcome::Refused(Refusal::Locked { .. })), "{name} {device:?}");
    }
    administration::unlock(&town.desk(), &ana, &town.asking(now())).await.expect("unlocked");
    for (name, device) in ways {
        assert!(signed_in(&attempt(name, device, PASSWORD).await), "{name} {device:?}");
    }
}
