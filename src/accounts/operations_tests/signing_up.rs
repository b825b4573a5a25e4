//! Sign-up, confirmation of an address, invitations.

use super::*;

#[tokio::test]
async fn rg_01_an_address_that_is_taken_looks_like_any_other() {
    let town = Town::new().await;
    let first = town.sign_up("Ana@Example.org").await.expect("made");
    assert!(first.made.is_some_and(|user| !user.email_verified));
    let again = town.sign_up("ana@EXAMPLE.org").await.expect("the same answer");
    assert_eq!((again.made, again.handle.len()), (None, first.handle.len()));
    let mails = town.mails(now()).await;
    assert!(matches!(&mails[..], [(_, Mail::SignUp { .. }), (_, Mail::SignUp { .. })]), "{mails:?}");
    sign_up::verify_email(&town.desk(), Proof::Token(&token_of(&mails[0].1).0), &town.asking(now())).await.expect("hers");
    let late = town.sign_up("ana@EXAMPLE.org").await.expect("the same answer");
    assert_eq!((late.made, late.handle.len()), (None, first.handle.len()));
    let mails = town.mails(now()).await;
    assert!(matches!(&mails[..], [(to, Mail::AlreadyRegistered)] if to == "ana@EXAMPLE.org"), "{mails:?}");
    assert_eq!(town.storage.users.list(None, 10).await.expect("read").len(), 1);
}

/// A double click, or a request that comes again: each answer's code is good, and so is the password.
#[tokio::test]
async fn whoever_signs_up_twice_confirms_with_what_they_see() {
    let town = Town::new().await;
    let asking = town.asking(now());
    town.sign_up("ana@example.org").await.expect("made");
    let second = town.sign_up("ana@example.org").await.expect("the same answer");
    let mails = town.mails(now()).await;
    assert_eq!(mails.len(), 2);
    let mut done = 0;
    for (_, mail) in &mails {
        let (_, code) = token_of(mail);
        let proof = Proof::Code { handle: &second.handle, code: &code.expect("a code") };
        done += usize::from(sign_up::verify_email(&town.desk(), proof, &asking).await.is_ok());
    }
    assert_eq!(done, 1, "the code of the second mail is that of the second answer");
    assert!(matches!(town.sign_in(PASSWORD, now()).await, Outcome::SignedIn { .. }));
}

/// RG-06: a stranger signs up with her address before she does. Whichever mail she opens, his password opens nothing.
#[tokio::test]
async fn rg_06_of_two_who_signed_up_whoever_reads_the_mail_chooses_the_password() {
    for (his_first, by_code) in [(true, false), (true, true), (false, false)] {
        let town = Town::new().await;
        let (desk, asking) = (town.desk(), town.asking(now()));
        let sign_up = async |password: &'static str| {
            let form = Form { email: "ana@example.org", password, ..Form::default() };
            sign_up::sign_up(&desk, form, Terms::default(), &asking).await.expect("one answer").handle
        };
        let (first, second) = if his_first { (ANOTHER, PASSWORD) } else { (PASSWORD, ANOTHER) };
        let (_, handle) = (sign_up(first).await, sign_up(second).await);
        let mails = town.mails(now()).await;
        let confirmed = if by_code {
            let mut confirmed = None;
            for (_, mail) in &mails {
                let code = token_of(mail).1.expect("a code");
                let done = sign_up::verify_email(&desk, Proof::Code { handle: &handle, code: &code }, &asking).await;
                confirmed = confirmed.or(done.ok());
            }
            confirmed.expect("one of them")
        } else {
            sign_up::verify_email(&desk, Proof::Token(&token_of(&mails[0].1).0), &asking).await.expect("hers")
        };
        assert!(confirmed.user.email_verified && confirmed.user.reset_required);
        for password in [PASSWORD, ANOTHER] {
            assert!(!matches!(town.sign_in(password, now()).await, Outcome::SignedIn { .. }), "{password}");
        }
        recovery::request_reset(&desk, "ana@example.org", &asking).await.expect("sent");
        let (link, _) = token_of(&town.mails(now()).await[0].1);
        recovery::reset(&desk, Proof::Token(&link), "cinco lobos de mar", &asking).await.expect("hers");
        assert!(matches!(town.sign_in("cinco lobos de mar", now()).await, Outcome::SignedIn { .. }));
    }
}

/// An invitation that nobody could take up is not sent.
#[tokio::test]
async fn nobody_is_invited_to_closed_doors() {
    let town = Town::new().await;
    let by = Act { actor: Actor::Operator, ..town.by.clone() };
    let asking = Asking { by: &by, ..town.asking(now()) };
    let refused = sign_up::invite(&town.desk_with(SignUpPolicy::Closed), "eva@example.org", Vec::new(), &asking).await;
    assert!(matches!(refused, Err(AccountError::Closed)) && town.mails(now()).await.is_empty(), "{refused:?}");
    assert_eq!(town.trail().await[0], "user.invite refused closed");
}

#[tokio::test]
async fn rg_01_nothing_that_follows_a_sign_up_tells_whether_its_address_was_taken() {
    let mut town = Town::new().await;
    town.limits = true;
    let ana = town.ana().await;
    let seen = async |email: &str, username: &str| {
        let form = |email: &'static str| Form { email, username: Some(username), password: ANOTHER, ..Form::default() };
        let asking = town.asking(now());
        let mut seen = Vec::new();
        let first = Form { email, ..form("") };
        seen.push(format!("{:?}", sign_up::sign_up(&town.desk(), first, Terms::default(), &asking).await.map(|made| made.handle.len())));
        // Is the name taken now? Does the password open anything, under either name?
        let eve = if email.starts_with("ana") { "eve1@example.org" } else { "eve2@example.org" };
        let other = sign_up::sign_up(&town.desk(), form(eve), Terms::default(), &asking).await;
        seen.push(format!("{:?}", other.map(|made| made.made.map(|user| user.username))));
        let door = Parts::of(&town.storage, &town.seal, &town.hasher, Limits { enabled: true });
        for identifier in [email, username] {
            for _ in 0..12 {
                let credentials = Credentials { identifier, password: ANOTHER, device: None, address: None };
                seen.push(format!("{:?}", authenticate(&door, &credentials, [9; 16], now(), &town.by).await.expect("no fault")));
            }
        }
        let patch = Map::from_iter([("username".to_owned(), json!(username))]);
        let renamed = profile::patch(&town.desk(), &ana.id, &patch, None, Hand::Own, &asking).await;
        seen.push(format!("{:?}", renamed.map(|_| ())));
        profile::patch(&town.desk(), &ana.id, &Map::from_iter([("username".to_owned(), Value::Null)]), None, Hand::Own, &asking)
            .await
            .expect("given back");
        seen
    };
    assert_eq!(seen("ana@example.org", "hydrangea").await, seen("new@example.org", "hollyhock").await);
}

#[tokio::test]
async fn a_user_name_goes_to_whoever_confirms_first() {
    let town = Town::new().await;
    let asking = town.asking(now());
    for email in ["luz@example.org", "eva@example.org", "sol@example.org"] {
        let form = Form { email, username: Some("Flor"), password: PASSWORD, ..Form::default() };
        let made = sign_up::sign_up(&town.desk(), form, Terms::default(), &asking).await.expect("one answer").made.expect("made");
        assert!(made.pending && made.username.is_none());
    }
    assert_eq!(town.find("flor").await, None, "nobody's yet");
    let token = |mails: &[(String, Mail)], to: &str| token_of(&mails.iter().find(|(other, _)| other == to).expect("a mail").1).0;
    let mails = town.mails(now()).await;
    let eva = sign_up::verify_email(&town.desk(), Proof::Token(&token(&mails, "eva@example.org")), &asking).await.expect("hers");
    assert!(!eva.nameless);
    let eva = eva.user;
    assert!(!eva.pending && eva.email_verified && eva.username.as_deref() == Some("Flor"));
    assert_eq!(town.find("flor").await.map(|user| user.id), Some(eva.id));
    let luz = sign_up::verify_email(&town.desk(), Proof::Token(&token(&mails, "luz@example.org")), &asking).await.expect("hers");
    assert!(luz.nameless && !luz.user.pending && luz.user.username.is_none(), "she chooses another one");
    assert!(matches!(&town.mails(now()).await[..], [(to, Mail::UsernameTaken)] if to == "luz@example.org"), "and is told");
    // A reset confirms as well: its link came to the address.
    recovery::request_reset(&town.desk(), "sol@example.org", &asking).await.expect("sent");
    let mails = town.mails(now()).await;
    let sol = recovery::reset(&town.desk(), Proof::Token(&token(&mails, "sol@example.org")), ANOTHER, &asking).await.expect("hers");
    assert!(sol.nameless && !sol.user.pending && sol.user.email_verified && sol.user.username.is_none());
    assert_eq!(town.kinds().await, ["password_changed", "username_taken"]);
    // Whoever asked for no name has lost none.
    town.sign_up("mar@example.org").await.expect("made");
    let mails = town.mails(now()).await;
    let mar = sign_up::verify_email(&town.desk(), Proof::Token(&token(&mails, "mar@example.org")), &asking).await.expect("hers");
    assert!(!mar.nameless && town.kinds().await.is_empty());
}

#[tokio::test]
async fn an_invitation_is_worth_more_than_a_sign_up_that_nobody_confirmed() {
    let town = Town::new().await;
    let asking = town.asking(now());
    town.sign_up("eva@example.org").await.expect("made");
    town.mails(now()).await;
    town.invite("eva@example.org", "editor").await;
    let (token, _) = token_of(&town.mails(now()).await[0].1);
    let form = Form { email: "eva@example.org", password: ANOTHER, invitation: Some(&token), ..Form::default() };
    let eva = sign_up::sign_up(&town.desk(), form, Terms::default(), &asking).await.expect("taken up").made.expect("made");
    assert!(eva.roles == ["editor"] && eva.email_verified && !eva.pending);
}

/// RG-06, TJ-12: what somebody signed up for with another's address and never confirmed is worth nothing against an administrator's account, and leaves
/// nothing: not its link, not its code, not its reset, not its password, not its id.
#[tokio::test]
async fn tj_12_what_nobody_confirmed_makes_room_and_leaves_nothing() {
    let town = Town::new().await;
    let (desk, asking) = (town.desk(), town.asking(now()));
    let form = Form { email: "ana@example.org", username: Some("ana"), password: ANOTHER, ..Form::default() };
    let squatted = sign_up::sign_up(&desk, form, Terms::default(), &asking).await.expect("made");
    let handle = recovery::request_reset(&desk, "ana@example.org", &asking).await.expect("sent");
    let mails = town.mails(now()).await;
    let [(_, reset @ Mail::ResetPassword { .. }), (_, welcome @ Mail::SignUp { .. })] = &mails[..] else { panic!("{mails:?}") };
    let ((link, code), (reset, reset_code)) = (token_of(welcome), token_of(reset));
    let account = NewAccount { email: "Ana@example.org", username: Some("Ana"), password: Some(PASSWORD), ..NewAccount::default() };
    let ana = administration::create(&desk, account, &asking).await.expect("there is room");
    assert_ne!(Some(&ana.id), squatted.made.as_ref().map(|user| &user.id));
    let (code, reset_code) = (code.expect("a code"), reset_code.expect("a code"));
    for proof in [Proof::Token(&link), Proof::Code { handle: &squatted.handle, code: &code }] {
        let refused = sign_up::verify_email(&desk, proof, &asking).await;
        // The link and the code of one mail are one: the second is used up by the first, though it came to nothing.
        assert!(matches!(refused, Err(AccountError::Link(LinkError::Stale | LinkError::Used))), "{refused:?}");
    }
    for proof in [Proof::Token(&reset), Proof::Code { handle: &handle, code: &reset_code }] {
        assert!(is_link(recovery::reset(&desk, proof, ANOTHER, &asking).await, LinkError::Stale));
    }
    assert_eq!(town.sign_in(ANOTHER, now()).await, Outcome::Refused(Refusal::WrongCredentials));
    assert!(signed_in(&town.sign_in(PASSWORD, now()).await));
    assert!(town.find("ana").await.is_some_and(|found| found == ana || found.id == ana.id) && !ana.pending && !ana.email_verified);
    assert!(town.trail().await.contains(&"user.delete done made_room".to_owned()));
    // Whoever holds a link to another account's new address is not kept out by it either.
    town.sign_up("eva@example.org").await.expect("made");
    town.mails(now()).await;
    address::request_change(&desk, &ana.id, "eva@example.org", Presence::SignedIn { auth_time: now() }, &asking).await.expect("asked for");
    let mails = town.mails(now()).await;
    let change =
        mails.iter().find(|(to, mail)| to == "eva@example.org" && mail.kind() == "change_email").expect("a link, as to any other address");
    let moved = address::confirm_change(&desk, Proof::Token(&token_of(&change.1).0), &asking).await.expect("moved");
    assert!(moved.email == "eva@example.org" && moved.id == ana.id);
}

#[tokio::test]
async fn a_sign_up_that_nobody_confirms_goes_a_week_after_its_last_mail() {
    let town = Town::new().await;
    let clean = async |at: Time| town.storage.accounts.clean(at, &town.by).await.expect("done");
    town.sign_up("ana@example.org").await.expect("made");
    town.mails(now()).await;
    let later = now() + TimeDelta::days(6);
    sign_up::resend(&town.desk(), "ana@example.org", &town.asking(later)).await.expect("sent");
    assert_eq!(clean(now() + TimeDelta::days(12)).await, 0);
    let (token, _) = token_of(&town.mails(later).await[0].1);
    assert_eq!(clean(now() + TimeDelta::days(13) + TimeDelta::seconds(1)).await, 1);
    assert!(town.trail().await.contains(&"user.delete done never_confirmed".to_owned()));
    let last = town.asking(later + TimeDelta::hours(23));
    assert!(is_link(sign_up::verify_email(&town.desk(), Proof::Token(&token), &last).await, LinkError::Stale));
    assert!(town.sign_up("ana@example.org").await.expect("as if nobody had ever asked").made.is_some());
}

#[tokio::test]
async fn what_is_wrong_with_a_sign_up_is_told() {
    let town = Town::new().await;
    let attempt = async |form: Form<'_>| {
        let form = Form { email: if form.email.is_empty() { "eva@example.org" } else { form.email }, ..form };
        let form = Form { password: if form.password.is_empty() { PASSWORD } else { form.password }, ..form };
        sign_up::sign_up(&town.desk(), form, Terms::default(), &town.asking(now())).await.expect_err("refused")
    };
    town.ana().await;
    let taken = NewAccount { email: "luz@example.org", username: Some("luz"), ..NewAccount::default() };
    administration::create(&town.desk(), taken, &town.asking(now())).await.expect("new");
    // RG-04.
    for email in ["a@evil.test@good.test", "a b@x", "a@x\r\nRCPT TO:<v@y>", "a\u{0}@example.org", "<script>@x", "x"] {
        assert_eq!(attempt(Form { email, ..Form::default() }).await.member().as_deref(), Some("email"), "{email}");
    }
    // The name is judged alike, whoever has the address.
    for email in ["ana@example.org", "eva@example.org"] {
        let told = attempt(Form { email, username: Some("LUZ"), ..Form::default() }).await;
        assert!(matches!(told, AccountError::Taken("username")), "{told:?}");
    }
    let password = async |password| match attempt(Form { password, ..Form::default() }).await {
        AccountError::Password(bad) => bad,
        other => panic!("{other:?}"),
    };
    assert_eq!(password("x").await, BadPassword::TooShort);
    assert_eq!(password("password1").await, BadPassword::Common);
    assert_eq!(password("eva@example.org").await, BadPassword::OwnName);
    let large = Map::from_iter([("note".to_owned(), Value::from("x".repeat(20_000)))]);
    assert_eq!(attempt(Form { attributes: large, ..Form::default() }).await.member().as_deref(), Some("attributes"));
    assert!(town.mails(now()).await.is_empty(), "no mail leaves");
}

#[tokio::test]
async fn an_address_is_confirmed_by_link_or_code_once() {
    let town = Town::new().await;
    let registered = town.sign_up("ana@example.org").await.expect("made");
    let mails = town.mails(now()).await;
    let (token, code) = token_of(&mails[0].1);
    let code = code.expect("a code");
    let desk = town.desk();
    desk.look(Purpose::VerifyEmail, &token, now()).await.expect("looking changes nothing");
    let wrong = if code == "000000" { "111111" } else { "000000" };
    let proof = Proof::Code { handle: &registered.handle, code: wrong };
    let refused = sign_up::verify_email(&desk, proof, &town.asking(now())).await;
    assert!(matches!(refused, Err(AccountError::Code(BadCode::Wrong))), "{refused:?}");
    let proof = Proof::Code { handle: &registered.handle, code: &code };
    assert!(sign_up::verify_email(&desk, proof, &town.asking(now())).await.expect("right").user.email_verified);
    // The link of the same mail is used up with its code.
    assert!(is_link(sign_up::verify_email(&desk, Proof::Token(&token), &town.asking(now())).await, LinkError::Used));
    assert!(is_link(desk.look(Purpose::VerifyEmail, &token, now()).await, LinkError::Used));
    let late = town.asking(now() + TimeDelta::hours(24));
    assert!(is_link(sign_up::verify_email(&desk, Proof::Token(&token), &late).await, LinkError::Expired));
    assert!(is_link(recovery::reset(&desk, Proof::Token(&token), ANOTHER, &town.asking(now())).await, LinkError::Wrong), "another purpose");
}

/// A double click: both answers lead on, whichever of them the browser shows.
#[tokio::test]
async fn two_sign_ups_at_once_are_one_account_with_a_code_for_each() {
    let town = Town::new().await;
    let (one, two) = tokio::join!(town.sign_up("ana@example.org"), town.sign_up("ana@example.org"));
    let (one, two) = (one.expect("one answer"), two.expect("one answer"));
    assert_eq!([&one, &two].into_iter().filter(|registered| registered.made.is_some()).count(), 1);
    let mails = town.mails(now()).await;
    let [(_, first @ Mail::SignUp { .. }), (_, second @ Mail::SignUp { .. })] = &mails[..] else { panic!("{mails:?}") };
    let asking = town.asking(now());
    let desk = town.desk();
    let codes = [first, second].map(|mail| token_of(mail).1.expect("a code"));
    // Nobody knows which of the two mails was whose.
    let mut confirmed = 0;
    for registered in [&one, &two] {
        for code in &codes {
            let done = sign_up::verify_email(&desk, Proof::Code { handle: &registered.handle, code }, &asking).await;
            confirmed += usize::from(done.is_ok_and(|confirmed| !confirmed.user.reset_required));
        }
    }
    assert_eq!(confirmed, 2);
    assert!(signed_in(&town.sign_in(PASSWORD, now()).await));
}

/// Somebody mistyped their address, and an administrator puts it right: they confirm the new one, and have as long for it as anybody.
#[tokio::test]
async fn an_administrator_changes_an_address_that_nobody_confirmed() {
    let town = Town::new().await;
    let made = town.sign_up("anna@example.org").await.expect("made").made.expect("new");
    let (old, _) = token_of(&town.mails(now()).await[0].1);
    let later = now() + TimeDelta::days(6);
    let asking = town.asking(later);
    let patch = Map::from_iter([("email".to_owned(), json!("ana@example.org"))]);
    let changed = profile::patch(&town.desk(), &made.id, &patch, None, Hand::Administrator, &asking).await.expect("changed");
    assert!(changed.pending && !changed.email_verified);
    let mails = town.mails(later).await;
    let to = |address: &str| mails.iter().find(|(to, _)| to == address).map(|(_, mail)| mail).expect("told");
    assert_eq!((to("anna@example.org").kind(), mails.len()), (Mail::EmailReplaced { new_address: String::new() }.kind(), 2));
    let (token, code) = token_of(to("ana@example.org"));
    assert_eq!(code, None, "nobody has a handle for it");
    // As old as the account is, it is not removed while the mail is good.
    let day = later + TimeDelta::hours(23);
    assert_eq!(town.storage.accounts.clean(now() + TimeDelta::days(8), &town.by).await.expect("cleaned"), 0);
    assert!(is_link(sign_up::verify_email(&town.desk(), Proof::Token(&old), &asking).await, LinkError::Expired));
    let confirmed = sign_up::verify_email(&town.desk(), Proof::Token(&token), &town.asking(day)).await.expect("confirmed");
    assert!(confirmed.user.email_verified && !confirmed.user.pending);
    assert!(signed_in(&town.sign_in(PASSWORD, day).await));
    // One that an administrator vouches for needs no mail to be confirmed.
    let other = town.sign_up("eva@example.org").await.expect("made").made.expect("new");
    town.mails(now()).await;
    let patch = Map::from_iter([("email".to_owned(), json!("eve@example.org")), ("email_verified".to_owned(), json!(true))]);
    profile::patch(&town.desk(), &other.id, &patch, None, Hand::Administrator, &town.asking(now())).await.expect("changed");
    assert!(town.mails(now()).await.iter().all(|(_, mail)| mail.kind() != "verify_email"));
}

/// A refused link stands in the trail under the name of what it was for.
#[tokio::test]
async fn what_a_bad_link_was_for_is_written_down() {
    let town = Town::new().await;
    let (desk, asking) = (town.desk(), town.asking(now()));
    let bad = Proof::Token("x");
    assert!(sign_up::verify_email(&desk, bad, &asking).await.is_err());
    assert!(recovery::reset(&desk, bad, ANOTHER, &asking).await.is_err());
    assert!(address::confirm_change(&desk, bad, &asking).await.is_err());
    assert!(address::undo_change(&desk, "x", &asking).await.is_err());
    let form = Form { email: "ana@example.org", password: PASSWORD, invitation: Some("x"), ..Form::default() };
    assert!(sign_up::sign_up(&desk, form, Terms::default(), &asking).await.is_err());
    let acts = ["sign_up", "restore_email", "change_email", "reset_password", "verify_email"];
    assert_eq!(town.trail().await, acts.map(|act| format!("user.{act} refused bad_proof")));
}

/// What is not seen makes no name: it would be another one's, for whoever reads it.
#[tokio::test]
async fn a_name_is_what_is_seen_of_it() {
    let town = Town::new().await;
    for hidden in ["Ana\u{200b}", "\u{202e}anA", "\u{3164}"] {
        let form = Form { email: "ana@example.org", name: Some(hidden), password: PASSWORD, ..Form::default() };
        let refused = sign_up::sign_up(&town.desk(), form, Terms::default(), &town.asking(now())).await;
        assert_eq!(refused.expect_err("no name").member().as_deref(), Some("name"));
        let username = format!("ana{hidden}ana");
        let form = Form { email: "ana@example.org", username: Some(&username), password: PASSWORD, ..Form::default() };
        let refused = sign_up::sign_up(&town.desk(), form, Terms::default(), &town.asking(now())).await;
        assert_eq!(refused.expect_err("no user name").member().as_deref(), Some("username"));
    }
}

#[tokio::test]
async fn rg_09_a_code_dies_after_ten_tries() {
    let town = Town::new().await;
    let registered = town.sign_up("ana@example.org").await.expect("made");
    let code = token_of(&town.mails(now()).await[0].1).1.expect("a code");
    let right: u32 = code.parse().expect("digits");
    let attempt = async |code: String| {
        let proof = Proof::Code { handle: &registered.handle, code: &code };
        sign_up::verify_email(&town.desk(), proof, &town.asking(now())).await
    };
    for n in 1..=10 {
        let told = attempt(format!("{:06}", (right + n) % 1_000_000)).await;
        assert!(matches!(told, Err(AccountError::Code(BadCode::Wrong))), "{n}: {told:?}");
    }
    assert!(matches!(attempt(code).await, Err(AccountError::Code(BadCode::Dead))));
    assert!(!town.find("ana@example.org").await.expect("there").email_verified);
}

#[tokio::test]
async fn a_confirmation_is_sent_again_only_where_somebody_waits() {
    let town = Town::new().await;
    town.sign_up("ana@example.org").await.expect("made");
    town.mails(now()).await;
    for (email, sent) in [("nobody@example.org", 0), ("ana@example.org", 1)] {
        let handle = sign_up::resend(&town.desk(), email, &town.asking(now())).await.expect("one answer");
        assert_eq!(handle.len(), 22);
        let mails = town.mails(now()).await;
        assert_eq!(mails.len(), sent, "{email}");
        if let Some((_, mail)) = mails.first() {
            let (token, _) = token_of(mail);
            sign_up::verify_email(&town.desk(), Proof::Token(&token), &town.asking(now())).await.expect("good");
        }
    }
    sign_up::resend(&town.desk(), "ana@example.org", &town.asking(now())).await.expect("one answer");
    assert!(town.mails(now()).await.is_empty(), "it is confirmed");
}

#[tokio::test]
async fn rg_12_an_invitation_is_for_one_address_and_one_account() {
    let town = Town::new().await;
    town.invite("Eva@example.org", "auditor").await;
    let (token, _) = token_of(&town.mails(now()).await[0].1);
    let take = async |policy, email: &'static str, invitation: Option<&str>, at: Time| {
        let form = Form { email, password: PASSWORD, invitation, ..Form::default() };
        sign_up::sign_up(&town.desk_with(policy), form, Terms::default(), &town.asking(at)).await
    };
    let by_invitation = SignUpPolicy::Invitation;
    assert!(matches!(take(by_invitation, "eva@example.org", None, now()).await, Err(AccountError::Closed)));
    assert!(matches!(take(SignUpPolicy::Closed, "eva@example.org", Some(&token), now()).await, Err(AccountError::Closed)));
    assert!(is_link(take(by_invitation, "other@example.org", Some(&token), now()).await, LinkError::Wrong));
    assert!(is_link(take(by_invitation, "eva@example.org", Some(&token[1..]), now()).await, LinkError::Wrong));
    assert!(is_link(take(by_invitation, "eva@example.org", Some(&token), now() + sign_up::INVITED).await, LinkError::Expired));
    let eva = take(by_invitation, "EVA@example.org", Some(&token), now()).await.expect("made").made.expect("made");
    assert!(eva.email_verified && eva.roles == ["auditor"]);
    assert!(is_link(take(by_invitation, "eva@example.org", Some(&token), now()).await, LinkError::Used));
    assert!(town.mails(now()).await.is_empty(), "there is nothing to confirm");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rg_02_of_parallel_sign_ups_one_is_made() {
    let town = Arc::new(Town::new().await);
    let spellings = ["Bob@Example.com", "bob@example.com", "BOB@EXAMPLE.COM", " bob@example.com "];
    let tasks: Vec<_> = (0..16)
        .map(|n| {
            let town = Arc::clone(&town);
            tokio::spawn(async move { town.sign_up(spellings[n % 4]).await.expect("one answer").made.is_some() })
        })
        .collect();
    let mut made = 0;
    for task in tasks {
        made += usize::from(task.await.expect("no panic"));
    }
    assert_eq!((made, town.mails(now()).await.len()), (1, 16));
    assert_eq!(town.storage.users.list(None, 10).await.expect("read").len(), 1);
}
