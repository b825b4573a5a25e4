//! A forgotten, changed, breached or guessed password.

use super::*;

#[tokio::test]
async fn pr_01_a_reset_says_nothing_of_who_is_there() {
    let mut town = Town::new().await;
    town.limits = true;
    let ana = town.ana().await;
    for typed in ["ANA@example.org", "nobody@example.org"] {
        let handle = recovery::request_reset(&town.desk(), typed, &town.asking(now())).await.expect("one answer");
        assert_eq!(handle.len(), 22, "{typed}");
    }
    let mails = town.mails(now()).await;
    assert!(matches!(&mails[..], [(to, Mail::ResetPassword { .. })] if *to == ana.email), "{mails:?}");
    // PR-10: three mails to an address, known or unknown.
    for typed in ["ana@example.org", "nobody@example.org"] {
        for _ in 0..2 {
            recovery::request_reset(&town.desk(), typed, &town.asking(now())).await.expect("admitted");
        }
        let refused = recovery::request_reset(&town.desk(), typed, &town.asking(now())).await;
        assert!(matches!(refused, Err(AccountError::Throttled { .. })), "{typed}: {refused:?}");
    }
    assert!(signed_in(&town.sign_in(PASSWORD, now()).await), "nobody is locked out by it");
}

/// RG-10: whichever of their names is typed, three mails go to one person; and what an onlooker sees of two names does not tell that they are one.
#[tokio::test]
async fn rg_10_the_names_of_one_account_share_its_mails_and_do_not_tell_that_they_are_one() {
    let mut town = Town::new().await;
    town.limits = true;
    let eva = NewAccount { email: "eva@example.org", username: Some("eva"), email_verified: true, ..NewAccount::default() };
    administration::create(&town.desk(), eva, &town.asking(now())).await.expect("new");
    town.ana().await;
    let far = |n: usize, at: Time| (Act { address: Some([198, 51, 100, u8::try_from(n).expect("few")].into()), ..town.by.clone() }, at);
    let ask = async |typed: &str, (by, at): (Act, Time)| {
        let asked = recovery::request_reset(&town.desk(), typed, &Asking { by: &by, ..town.asking(at) }).await;
        asked.map(|handle| handle.len()).map_err(|error| error.to_string())
    };
    let mut seen = Vec::new();
    for pair in [["eva@example.org", "eva"], ["ana@example.org", "somebody"], ["nobody@example.org", "nobody"]] {
        let mut answers = Vec::new();
        for n in 0..10 {
            answers.push(ask(pair[n % 2], far(n, now())).await);
        }
        seen.push(answers);
    }
    assert!(seen[0] == seen[1] && seen[1] == seen[2], "{seen:?}");
    assert_eq!(seen[0].iter().filter(|answer| answer.is_ok()).count(), 6, "three for each name");
    let mails = town.mails(now()).await;
    let to = |address: &str| mails.iter().filter(|(to, _)| to == address).count();
    assert_eq!((to("eva@example.org"), to("ana@example.org"), mails.len()), (3, 3, 6), "{mails:?}");
    // What was never sent opens nothing, and an hour later there is room again.
    let trail = town.trail().await;
    assert!(trail.iter().any(|row| row == "user.request_reset refused throttled"), "{trail:?}");
    let later = now() + TimeDelta::minutes(21);
    assert!(ask("eva", far(20, later)).await.is_ok());
    assert_eq!(town.mails(later).await.len(), 1);
    assert!(ask("eva@example.org", far(21, later)).await.is_ok(), "the answer is the same");
    assert!(town.mails(later).await.is_empty(), "and one mail is all there was room for");
    // Nor does a sign-up or a confirmation with the address get around it.
    sign_up::resend(&town.desk(), "eva@example.org", &town.asking(later + TimeDelta::minutes(1)))
        .await
        .expect_err("three of that name were used");
}

#[tokio::test]
async fn pr_06_a_reset_ends_everything_else() {
    let town = Town::new().await;
    let ana = town.ana().await;
    town.session(&ana, 1, now()).await;
    let desk = town.desk();
    for _ in 0..2 {
        recovery::request_reset(&desk, "ana@example.org", &town.asking(now())).await.expect("sent");
    }
    address::request_change(&desk, &ana.id, "ana@new.example", Presence::SignedIn { auth_time: now() }, &town.asking(now()))
        .await
        .expect("sent");
    let mails = town.mails(now()).await;
    let of_kind = |kind| mails.iter().filter(move |(_, mail)| mail.kind() == kind).map(|(_, mail)| token_of(mail).0);
    let tokens: Vec<String> = of_kind("reset_password").chain(of_kind("change_email")).collect();
    assert_eq!(tokens.len(), 3);
    // A password that will not do costs nothing.
    let weak = recovery::reset(&desk, Proof::Token(&tokens[0]), "12345678", &town.asking(now())).await;
    assert!(matches!(weak, Err(AccountError::Password(BadPassword::Common))), "{weak:?}");
    let asking = town.asking(now() + TimeDelta::seconds(1));
    recovery::reset(&desk, Proof::Token(&tokens[0]), ANOTHER, &asking).await.expect("reset");
    assert_eq!(town.live(&ana, asking.now).await, 0);
    assert!(signed_in(&town.sign_in(ANOTHER, asking.now).await) && !signed_in(&town.sign_in(PASSWORD, asking.now).await));
    assert!(is_link(recovery::reset(&desk, Proof::Token(&tokens[0]), "otra cosa distinta", &asking).await, LinkError::Used));
    assert!(is_link(recovery::reset(&desk, Proof::Token(&tokens[1]), "otra cosa distinta", &asking).await, LinkError::Stale));
    assert!(is_link(address::confirm_change(&desk, Proof::Token(&tokens[2]), &asking).await, LinkError::Stale));
    let told = town.mails(asking.now).await;
    assert!(matches!(&told[..], [(to, Mail::PasswordChanged)] if *to == ana.email), "{told:?}");
    let expired = recovery::reset(&desk, Proof::Token(&tokens[1]), ANOTHER, &town.asking(now() + TimeDelta::minutes(30))).await;
    assert!(is_link(expired, LinkError::Expired));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pr_03_of_parallel_resets_one_sets_the_password() {
    let town = Arc::new(Town::new().await);
    town.ana().await;
    recovery::request_reset(&town.desk(), "ana@example.org", &town.asking(now())).await.expect("sent");
    let (token, _) = token_of(&town.mails(now()).await[0].1);
    let tasks: Vec<_> = (0..16)
        .map(|n| {
            let (town, token) = (Arc::clone(&town), token.clone());
            tokio::spawn(async move {
                let password = format!("la número {n} de dieciséis");
                let done = recovery::reset(&town.desk(), Proof::Token(&token), &password, &town.asking(now())).await;
                done.is_ok().then_some(password)
            })
        })
        .collect();
    let mut won = Vec::new();
    for task in tasks {
        won.extend(task.await.expect("no panic"));
    }
    assert_eq!(won.len(), 1);
    assert!(signed_in(&town.sign_in(&won[0], now()).await));
    assert_eq!(town.mails(now()).await.len(), 1);
}

/// The password that an administrator closed does not come back by the link that asks for another; where nobody asked, one may choose what one had.
#[tokio::test]
async fn a_password_that_must_be_replaced_is_replaced_by_another() {
    let town = Town::new().await;
    let (ana, asking) = (town.ana().await, town.asking(now()));
    recovery::request_reset(&town.desk(), "ana@example.org", &asking).await.expect("sent");
    let (link, _) = token_of(&town.mails(now()).await[0].1);
    recovery::reset(&town.desk(), Proof::Token(&link), PASSWORD, &asking).await.expect("hers");
    recovery::require_reset(&town.desk(), &ana, &asking).await.expect("asked");
    let mails = town.mails(now()).await;
    let token = mails.iter().find_map(|(_, mail)| match mail {
        Mail::ResetRequired { token, .. } => Some(token.clone()),
        _ => None,
    });
    let proof = Proof::Token(token.as_deref().expect("a link"));
    let same = recovery::reset(&town.desk(), proof, PASSWORD, &asking).await.map(|_| ());
    assert!(matches!(same, Err(AccountError::Password(BadPassword::Same))), "{same:?}");
    recovery::reset(&town.desk(), proof, ANOTHER, &asking).await.expect("the link is as good as before");
    assert!(matches!(town.sign_in(ANOTHER, now()).await, Outcome::SignedIn { .. }));
}

#[tokio::test]
async fn bf_04_a_changed_password_needs_the_present_one_by_the_same_door() {
    let mut town = Town::new().await;
    town.limits = true;
    let ana = town.ana().await;
    let (kept, _other) = (town.session(&ana, 1, now()).await, town.session(&ana, 2, now()).await);
    let change = async |current: &str, new: &str| {
        let change = Change { current, new, device: None, keep_session: Some(&kept), rules: None };
        recovery::change_password(&town.desk(), &ana.id, change, &town.asking(now())).await
    };
    assert!(matches!(change(PASSWORD, "corta").await, Err(AccountError::Password(BadPassword::TooShort))));
    assert!(matches!(change("wrong", ANOTHER).await, Err(AccountError::WrongPassword)));
    assert!(matches!(change(PASSWORD, PASSWORD).await, Err(AccountError::Password(BadPassword::Same))));
    change(PASSWORD, ANOTHER).await.expect("changed");
    let left = mine::sessions(&town.desk(), &ana.id, Lifetimes::default().idle, now()).await.expect("read");
    assert_eq!(left.iter().map(|session| session.id.as_str()).collect::<Vec<_>>(), [kept.as_str()]);
    assert!(matches!(&town.mails(now()).await[..], [(_, Mail::PasswordChanged)]));
    for _ in 0..10 {
        assert!(matches!(change("wrong", PASSWORD).await, Err(AccountError::WrongPassword)));
    }
    assert!(matches!(change(ANOTHER, PASSWORD).await, Err(AccountError::Locked { .. })), "it is counted like any sign-in");
    administration::unlock(&town.desk(), &ana, &town.asking(now())).await.expect("unlocked");
    change(ANOTHER, PASSWORD).await.expect("changed");
}

#[tokio::test]
async fn whoever_signs_in_with_a_breached_password_is_told_once() {
    let town = Town::new().await;
    town.ana().await;
    let file = std::env::temp_dir().join(format!("portero-breached-{}-operations", std::process::id()));
    breached::build(breached::line(ANOTHER, 7).as_bytes(), &file, 1).expect("built");
    let none = Breached::open(&file).expect("whole");
    breached::build(breached::line(PASSWORD, 7).as_bytes(), &file, 1).expect("built");
    let list = Breached::open(&file).expect("whole");
    std::fs::remove_file(&file).expect("made above");
    for (breached, wanted) in [(&none, 0), (&list, 1), (&list, 0)] {
        let watch = Some(Watch { breached: Some(breached), accounts: &*town.storage.accounts, random: &town.random });
        let door = Parts { watch, ..Parts::of(&town.storage, &town.seal, &town.hasher, Limits { enabled: true }) };
        let credentials = Credentials { identifier: "ana@example.org", password: PASSWORD, device: None, address: None };
        let outcome = authenticate(&door, &credentials, [9; 16], now(), &town.by).await.expect("no fault");
        assert!(signed_in(&outcome), "it opens the account all the same");
        let mails = town.mails(now()).await;
        assert_eq!(mails.iter().filter(|(_, mail)| *mail == Mail::PasswordBreached).count(), wanted);
    }
    let rules = Rules { breached: Some(&list), ..Rules::default() };
    assert_eq!(rules.check(PASSWORD, &[]), Err(BadPassword::Breached));
    assert_eq!(rules.check(ANOTHER, &[]), Ok(()));
}

/// BF-01: the owner learns of a lock, once for each; and nothing tells a name that is nobody's from one that is somebody's.
#[tokio::test]
async fn whoever_is_locked_out_is_told_once() {
    let town = Town { limits: true, ..Town::new().await };
    town.ana().await;
    let watch = Some(Watch { breached: None, accounts: &*town.storage.accounts, random: &town.random });
    let door = Parts { watch, ..Parts::of(&town.storage, &town.seal, &town.hasher, Limits { enabled: true }) };
    let wrong = async |identifier: &str| {
        let credentials = Credentials { identifier, password: "wrong wrong wrong", device: None, address: None };
        authenticate(&door, &credentials, [9; 16], now(), &town.by).await.expect("no fault")
    };
    let until = now() + TimeDelta::minutes(15);
    let told = |mails: &[(String, Mail)], to: &str| matches!(mails, [(of, Mail::AccountLocked { until: told })] if of == to && told.timestamp() == until.timestamp());
    let mut rows = Vec::new();
    for identifier in ["ana@example.org", "nobody@example.org"] {
        let before = town.trail().await.len();
        for n in 0..12 {
            let outcome = wrong(identifier).await;
            assert_eq!(matches!(outcome, Outcome::Refused(Refusal::Locked { .. })), n >= 10, "{outcome:?}");
            let mails = town.mails(now()).await;
            // With the attempt that closes the lock, and with no other.
            let expected = n == 9 && identifier.starts_with("ana");
            assert!(if expected { told(&mails, "ana@example.org") } else { mails.is_empty() }, "{identifier}, {n}: {mails:?}");
        }
        rows.push(town.trail().await.len() - before);
    }
    assert_eq!(rows[0], rows[1], "the same rows");
    // Under two names the account is locked by the tenth of both, and that is told as well; a sign-up that nobody confirmed is nobody's.
    let eva = NewAccount { email: "eva@example.org", username: Some("eva"), email_verified: true, ..NewAccount::default() };
    administration::create(&town.desk(), eva, &town.asking(now())).await.expect("new");
    town.sign_up("luz@example.org").await.expect("made");
    town.mails(now()).await;
    for n in 0..24 {
        wrong(["eva@example.org", "eva"][n % 2]).await;
        wrong("luz@example.org").await;
        let mails = town.mails(now()).await;
        assert!(if n == 9 { told(&mails, "eva@example.org") } else { mails.is_empty() }, "{n}: {mails:?}");
    }
}

/// BF-01: a lock is told of once, whoever of many closes it; and not where the attempt that would have closed it was right.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bf_01_of_parallel_guesses_one_tells_of_the_lock() {
    let town = Arc::new(Town { limits: true, ..Town::new().await });
    town.ana().await;
    let attempt = |password: &'static str| {
        let town = Arc::clone(&town);
        async move {
            let watch = Some(Watch { breached: None, accounts: &*town.storage.accounts, random: &town.random });
            let door = Parts { watch, ..Parts::of(&town.storage, &town.seal, &town.hasher, Limits { enabled: true }) };
            let credentials = Credentials { identifier: "ana@example.org", password, device: None, address: None };
            authenticate(&door, &credentials, [9; 16], now(), &town.by).await.expect("no fault")
        }
    };
    for _ in 0..9 {
        attempt("wrong").await;
    }
    assert!(signed_in(&attempt(PASSWORD).await), "the tenth was right: there is no lock");
    assert!(town.mails(now()).await.is_empty());
    let tasks: Vec<_> = (0..32).map(|_| tokio::spawn(attempt("wrong"))).collect();
    for task in tasks {
        assert!(!signed_in(&task.await.expect("no panic")));
    }
    assert_eq!(town.kinds().await, ["account_locked"]);
}
