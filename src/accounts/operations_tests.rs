//! Operations on accounts on a real store: what people are told, what becomes of links, and who wins.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta};
use serde_json::{Map, Value, json};

use super::attributes::Schema;
use super::authenticate::{Credentials, Outcome, Parts, Refusal, Watch, authenticate};
use super::breached::{self, Breached};
use super::desk::{Asking, Desk, House, Presence, Proof, SignUpPolicy};
use super::limits::Limits;
use super::password::{Cost, Hasher, Settings};
use super::password_rules::{BadPassword, Rules};
use super::profile::Hand;
use super::recovery::Change;
use super::sessions::{self, Lifetimes, NewSession};
use super::sign_up::{Form, Registered, Terms};
use super::users::{AccountError, LinkError, NewAccount};
use super::{address, administration, mine, profile, recovery, sign_up};
use crate::clock::Random;
use crate::i18n::Lang;
use crate::mail::{self, Mail};
use crate::once::codes::BadCode;
use crate::once::links::Purpose;
use crate::seal::Seal;
use crate::storage::durable::{Act, Actor, NewMail, User, UserKey};
use crate::storage::{Schema as Migrations, Storage, StorageOptions, Time};

const PASSWORD: &str = "tres tristes tigres";
const ANOTHER: &str = "cuatro gatos pardos";

fn now() -> Time {
    DateTime::from_timestamp(1_800_000_000, 250_000_000).expect("a time in range")
}

struct Town {
    storage: Storage,
    seal: Seal,
    hasher: Hasher,
    random: Random,
    schema: Schema,
    by: Act,
    limits: bool,
}

impl Town {
    async fn new() -> Self {
        let seal = Seal::new(&[7; 32]);
        let storage = Storage::open(&StorageOptions::new("sqlite::memory:"), seal.clone(), Migrations::Migrate).await.expect("a store");
        let settings = Settings { cost: Cost { m: 64, t: 1, p: 1 }, threads: 2, queue: 1000, idle: Duration::from_secs(5) };
        Self {
            storage,
            seal,
            hasher: Hasher::new(settings).expect("a cost in bounds"),
            random: Random::seeded(4),
            schema: Schema::default(),
            by: Act { actor: Actor::Anonymous, client_id: None, address: Some([192, 0, 2, 1].into()), request_id: "test".into() },
            limits: false,
        }
    }

    fn desk(&self) -> Desk<'_> {
        self.desk_with(SignUpPolicy::Open)
    }

    fn desk_with(&self, sign_up: SignUpPolicy) -> Desk<'_> {
        let door = Parts::of(&self.storage, &self.seal, &self.hasher, Limits { enabled: self.limits });
        Desk::new(door, &self.storage, &self.random, House { rules: Rules::default(), schema: &self.schema, sign_up })
    }

    fn asking(&self, now: Time) -> Asking<'_> {
        Asking { lang: Lang::Es, device: None, now, by: &self.by }
    }

    async fn sign_up(&self, email: &str) -> Result<Registered, AccountError> {
        let form = Form { email, password: PASSWORD, ..Form::default() };
        sign_up::sign_up(&self.desk(), form, Terms::default(), &self.asking(now())).await
    }

    /// Ana, who has confirmed her address and has no mail.
    async fn ana(&self) -> User {
        let account = NewAccount { email: "ana@example.org", email_verified: true, password: Some(PASSWORD), ..NewAccount::default() };
        administration::create(&self.desk(), account, &self.asking(now())).await.expect("new")
    }

    async fn find(&self, email: &str) -> Option<User> {
        self.storage.users.find(UserKey::Identifier(email)).await.expect("read")
    }

    /// The mails since the last time: to whom, and what.
    async fn mails(&self, now: Time) -> Vec<(String, Mail)> {
        let claimed = self.storage.outbox.claim(100, Duration::from_secs(3600 * 24 * 365), now).await.expect("read");
        let opened = |mail: &NewMail| mail::open(&self.seal, mail).expect("ours").0;
        let mut mails: Vec<_> = claimed.into_iter().map(|claimed| (claimed.mail.to_address.clone(), opened(&claimed.mail))).collect();
        mails.sort_by_key(|(_, mail)| mail.kind());
        mails
    }

    /// Their kinds, in the order of the alphabet.
    async fn kinds(&self) -> Vec<&'static str> {
        self.mails(now()).await.into_iter().map(|(_, mail)| mail.kind()).collect()
    }

    async fn sign_in(&self, password: &str, at: Time) -> Outcome {
        let door = Parts::of(&self.storage, &self.seal, &self.hasher, Limits { enabled: self.limits });
        let credentials = Credentials { identifier: "ana@example.org", password, device: None, address: None };
        authenticate(&door, &credentials, [9; 16], at, &self.by).await.expect("no fault")
    }

    /// A live session of hers.
    async fn session(&self, user: &User, n: u8, at: Time) -> String {
        let new = NewSession { user_id: &user.id, acr: "1", amr: &["pwd"], user_agent: None, replaces: None, proof: None };
        let fresh = sessions::Fresh { cookie: [n; 32], id: [n; 10] };
        let started = sessions::start(&*self.storage.sessions, &self.seal, &new, Lifetimes::default(), fresh, at, &self.by).await;
        started.expect("answered").expect("started").id
    }

    async fn live(&self, user: &User, at: Time) -> usize {
        mine::sessions(&self.desk(), &user.id, Lifetimes::default().idle, at).await.expect("read").len()
    }

    async fn trail(&self) -> Vec<String> {
        let rows = self.storage.audit.recent(50).await.expect("read");
        rows.into_iter().map(|row| format!("{} {} {}", row.act, row.result, row.reason.unwrap_or_default()).trim().to_owned()).collect()
    }
}

fn signed_in(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::SignedIn { .. })
}

fn is_link<T: std::fmt::Debug>(result: Result<T, AccountError>, wanted: LinkError) -> bool {
    matches!(result, Err(AccountError::Link(error)) if error == wanted)
}

/// The token of a mail that has one, and its code.
fn token_of(mail: &Mail) -> (String, Option<String>) {
    match mail {
        Mail::SignUp { token, code, .. }
        | Mail::VerifyEmail { token, code, .. }
        | Mail::ResetPassword { token, code, .. }
        | Mail::ChangeEmail { token, code, .. } => (token.clone(), code.clone()),
        Mail::ResetRequired { token, .. }
        | Mail::EmailChangeRequested { token, .. }
        | Mail::EmailChanged { token, .. }
        | Mail::Invitation { token, .. } => (token.clone(), None),
        other => panic!("{other:?} has no link"),
    }
}

#[tokio::test]
async fn rg_01_an_address_that_is_taken_looks_like_any_other() {
    let town = Town::new().await;
    let first = town.sign_up("Ana@Example.org").await.expect("made");
    assert!(first.made.is_some_and(|user| !user.email_verified));
    let again = town.sign_up("ana@EXAMPLE.org").await.expect("the same answer");
    assert_eq!((again.made, again.handle.len()), (None, first.handle.len()));
    let mails = town.mails(now()).await;
    assert!(matches!(&mails[..], [(to, Mail::AlreadyRegistered), (_, Mail::SignUp { .. })] if to == "ana@EXAMPLE.org"), "{mails:?}");
    assert_eq!(town.storage.users.list(None, 10).await.expect("read").len(), 1);
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
    assert!(sign_up::verify_email(&desk, proof, &town.asking(now())).await.expect("right").email_verified);
    // The link of the same mail is used up with its code.
    assert!(is_link(sign_up::verify_email(&desk, Proof::Token(&token), &town.asking(now())).await, LinkError::Used));
    assert!(is_link(desk.look(Purpose::VerifyEmail, &token, now()).await, LinkError::Used));
    let late = town.asking(now() + TimeDelta::hours(24));
    assert!(is_link(sign_up::verify_email(&desk, Proof::Token(&token), &late).await, LinkError::Expired));
    assert!(is_link(recovery::reset(&desk, Proof::Token(&token), ANOTHER, &town.asking(now())).await, LinkError::Wrong), "another purpose");
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
    let asking = town.asking(now());
    sign_up::invite(&town.desk(), "Eva@example.org", vec!["auditor".into()], &asking).await.expect("sent");
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
    change(PASSWORD, ANOTHER).await.expect("changed");
    let left = mine::sessions(&town.desk(), &ana.id, Lifetimes::default().idle, now()).await.expect("read");
    assert_eq!(left.iter().map(|session| session.id.as_str()).collect::<Vec<_>>(), [kept.as_str()]);
    assert!(matches!(&town.mails(now()).await[..], [(_, Mail::PasswordChanged)]));
    for _ in 0..10 {
        assert!(matches!(change("wrong", PASSWORD).await, Err(AccountError::WrongPassword)));
    }
    assert!(matches!(change(ANOTHER, PASSWORD).await, Err(AccountError::Locked { .. })), "it is counted like any sign-in");
    administration::unlock(&town.desk(), &ana.id, &town.asking(now())).await.expect("unlocked");
    change(ANOTHER, PASSWORD).await.expect("changed");
}

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
    town.session(&ana, 1, now()).await;
    // Whoever took the account over has changed the password, too: the old address still has the last word.
    let change = Change { current: PASSWORD, new: ANOTHER, device: None, keep_session: None, rules: None };
    recovery::change_password(&desk, &ana.id, change, &town.asking(now())).await.expect("changed");
    town.mails(now()).await;
    let back = address::undo_change(&desk, &undo, &town.asking(now() + TimeDelta::days(6))).await.expect("back");
    assert!(back.email == "ana@example.org" && back.reset_required);
    assert_eq!(town.live(&ana, now() + TimeDelta::days(6)).await, 0);
    assert!(is_link(address::undo_change(&desk, &undo, &town.asking(now() + TimeDelta::days(6))).await, LinkError::Used));
    let later = now() + TimeDelta::days(6);
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
    town.mails(now()).await;
    let desk = town.desk();
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
    let owner = NewAccount { email: "boss@example.org", roles: vec!["owner".into()], ..NewAccount::default() };
    let owner = administration::create(&desk, owner, &town.asking(now())).await.expect("new");
    for refused in [
        administration::set_disabled(&desk, &owner.id, true, &town.asking(now())).await,
        administration::delete(&desk, &owner.id, &town.asking(now())).await,
        mine::delete(&desk, &owner.id, Presence::SignedIn { auth_time: now() }, &town.asking(now())).await,
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
    recovery::require_reset(&desk, &ana.id, &town.asking(now())).await.expect("asked for");
    assert_eq!(town.live(&ana, now()).await, 0);
    assert_eq!(town.sign_in(PASSWORD, now()).await, Outcome::Refused(Refusal::ResetRequired));
    assert_eq!(town.sign_in("wrong", now()).await, Outcome::Refused(Refusal::WrongCredentials), "nobody else learns it");
    let (token, _) = token_of(&town.mails(now()).await[0].1);
    recovery::reset(&desk, Proof::Token(&token), ANOTHER, &town.asking(now())).await.expect("reset");
    assert!(signed_in(&town.sign_in(ANOTHER, now()).await));
    // PR-12.
    recovery::request_reset(&desk, "ana@example.org", &town.asking(now())).await.expect("sent");
    let (token, _) = token_of(&town.mails(now()).await.into_iter().find(|(_, mail)| mail.kind() == "reset_password").expect("sent").1);
    administration::set_disabled(&desk, &ana.id, true, &town.asking(now())).await.expect("disabled");
    assert!(is_link(recovery::reset(&desk, Proof::Token(&token), PASSWORD, &town.asking(now())).await, LinkError::Stale));
    recovery::request_reset(&desk, "ana@example.org", &town.asking(now())).await.expect("one answer");
    // Whom it concerns is told, of each act once.
    assert_eq!(town.kinds().await, ["account_disabled"]);
    administration::set_disabled(&desk, &ana.id, true, &town.asking(now())).await.expect("still");
    assert!(town.kinds().await.is_empty(), "no news");
    administration::set_disabled(&desk, &ana.id, false, &town.asking(now())).await.expect("enabled");
    administration::set_password(&desk, &ana.id, ANOTHER, &town.asking(now())).await.expect("set");
    assert_eq!(town.kinds().await, ["account_enabled", "password_set"]);
    let moved = Map::from_iter([("email".to_owned(), json!("anita@example.org"))]);
    profile::patch(&desk, &ana.id, &moved, None, Hand::Administrator, &town.asking(now())).await.expect("moved");
    let told = town.mails(now()).await.into_iter().map(|(to, mail)| (to, mail.kind())).collect::<Vec<_>>();
    assert_eq!(told, [("anita@example.org".to_owned(), "email_assigned"), ("ana@example.org".to_owned(), "email_replaced")]);
    administration::delete(&desk, &ana.id, &town.asking(now())).await.expect("gone");
    assert_eq!(town.kinds().await, ["account_removed"]);
    assert!(matches!(administration::delete(&desk, &ana.id, &town.asking(now())).await, Err(AccountError::Unknown)));
    assert!(matches!(administration::unlock(&desk, &ana.id, &town.asking(now())).await, Err(AccountError::Unknown)));
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
    let mut rows = Vec::new();
    for identifier in ["ana@example.org", "nobody@example.org"] {
        let before = town.trail().await.len();
        for n in 0..12 {
            let outcome = wrong(identifier).await;
            assert_eq!(matches!(outcome, Outcome::Refused(Refusal::Locked { .. })), n >= 10, "{outcome:?}");
        }
        rows.push(town.trail().await.len() - before);
    }
    assert_eq!(rows[0], rows[1], "the same rows");
    let mails = town.mails(now()).await;
    let until = now() + TimeDelta::minutes(15);
    assert!(
        matches!(&mails[..], [(to, Mail::AccountLocked { until: told })] if to == "ana@example.org" && told.timestamp() == until.timestamp()),
        "{mails:?}"
    );
}
