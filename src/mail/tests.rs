//! What mails say and how they go, without a network but for a server of this file's own.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

use super::delivery::{Delivery, Smtp};
use super::kinds::{About, Fresh, Letter, Mail, open};
use super::message::{Sender, compose};
use super::sender::Mailer;
use super::words::write;
use crate::i18n::Lang;
use crate::seal::Seal;
use crate::storage::durable::outbox::State;
use crate::storage::{Schema, Storage, StorageOptions, Time};
use crate::urls::Urls;

fn at(seconds: i64) -> Time {
    Time::from_timestamp(1_800_000_000 + seconds, 0).expect("in range")
}

fn seal() -> Seal {
    Seal::new(&[7; 32])
}

fn urls() -> Urls {
    Urls::new("https://id.example/auth")
}

fn sender() -> Sender {
    Sender::new("no-reply@id.example", "Café Ñandú", "#0b6b5d", "id.example").expect("an address")
}

fn about() -> About {
    About { at: at(0), address: Some("192.0.2.7".parse().expect("an address")), device: Some("Firefox, Linux".to_owned()) }
}

/// One of each kind.
fn kinds() -> Vec<Mail> {
    let (token, code, expires_at) = ("T0k-en_".to_owned(), Some("012345".to_owned()), at(3600));
    let new_address = "somebody.else@example.net".to_owned();
    vec![
        Mail::SignUp { token: token.clone(), code: code.clone(), expires_at },
        Mail::VerifyEmail { token: token.clone(), code: code.clone(), expires_at },
        Mail::AlreadyRegistered,
        Mail::ResetPassword { token: token.clone(), code: code.clone(), expires_at },
        Mail::ResetRequired { token: token.clone(), expires_at },
        Mail::PasswordChanged,
        Mail::PasswordBreached,
        Mail::ChangeEmail { token: token.clone(), code, expires_at },
        Mail::EmailChangeRequested { new_address: new_address.clone(), token: token.clone(), expires_at },
        Mail::EmailChanged { new_address: new_address.clone(), token: token.clone(), expires_at },
        Mail::Invitation { token, expires_at },
        Mail::AccountDeleted,
        Mail::AccountLocked { until: at(900) },
        Mail::PasswordSet,
        Mail::AccountDisabled,
        Mail::AccountEnabled,
        Mail::AccountRemoved,
        Mail::EmailReplaced { new_address },
        Mail::EmailAssigned,
        Mail::EmailInUse,
        Mail::EmailTakenBack,
        Mail::SessionsEnded,
        Mail::RolesChanged { given: vec!["auditor".to_owned()], taken: vec!["client_admin".to_owned(), "user_admin".to_owned()] },
        Mail::UsernameTaken,
    ]
}

/// The text of a part, its transfer encoding undone.
fn readable(message: &[u8]) -> String {
    let text = String::from_utf8(message.to_vec()).expect("mail is ASCII").replace("=\r\n", "");
    let (mut out, bytes, mut at) = (Vec::new(), text.as_bytes(), 0);
    while at < bytes.len() {
        let hex = (bytes[at] == b'=').then(|| text.get(at + 1..at + 3)).flatten().and_then(|hex| u8::from_str_radix(hex, 16).ok());
        out.push(hex.unwrap_or(bytes[at]));
        at += if hex.is_some() { 3 } else { 1 };
    }
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn every_mail_says_what_when_from_where_and_what_if_not_you() {
    for lang in Lang::ALL {
        for mail in kinds() {
            let words = write(&mail, &about(), lang, &urls(), "Café Ñandú");
            let kind = mail.kind();
            assert!(words.subject.contains("Café Ñandú") && !words.lead.is_empty() && words.otherwise.len() > 20, "{kind}");
            let message = compose("mail_1", "ana@example.org", &words, &sender(), at(0)).expect("composed").formatted();
            let raw = String::from_utf8(message.clone()).expect("mail is ASCII");
            let text = readable(&message);
            assert!(raw.lines().all(|line| line.len() <= 998 && line.is_ascii()), "RFC 5322 §2.1.1: {kind}");
            for part in
                ["To: ana@example.org", "Message-ID: <mail_1@id.example>", "Auto-Submitted: auto-generated", "multipart/alternative"]
            {
                assert!(raw.contains(part), "{kind} lacks {part}:\n{raw}");
            }
            // Twice each: in the plain part and in the other.
            let said = |what: &str| assert_eq!(text.matches(what).count(), 2, "{kind}, {what}:\n{text}");
            said(&words.lead[0]);
            said(&words.foot);
            // Where an administrator sat is not told.
            let by_administrator = [
                "invitation",
                "reset_required",
                "password_set",
                "account_disabled",
                "account_enabled",
                "account_removed",
                "email_replaced",
                "email_assigned",
                "sessions_ended",
                "roles_changed",
            ]
            .contains(&kind);
            if by_administrator {
                assert!(!text.contains("192.0.2.7") && !text.contains("Firefox"), "{kind}");
            } else {
                said("192.0.2.7");
                said("Firefox, Linux");
            }
            if kind != "invitation" {
                said(if lang == Lang::En { "15 January 2027, 08:00 UTC" } else { "15 de enero de 2027, 08:00 UTC" });
            }
            if let Some((_, url)) = words.link.iter().chain(&words.otherwise_link).next() {
                assert!(url.starts_with("https://id.example/auth/"), "{url}");
            }
            // No tracking: nothing in it asks anybody for anything.
            for bad in ["<img", "src=", "http://", "@import", "url("] {
                assert!(!text.contains(bad), "{kind} holds {bad}");
            }
            if mail.expires_at().is_some() {
                assert!(text.contains("token=T0k-en_"), "{kind}");
            }
            assert!(super::kinds::known(kind) == kind, "{kind}");
        }
    }
}

#[test]
fn a_subject_keeps_its_letters_and_no_text_adds_a_header() {
    let words = write(&Mail::PasswordChanged, &about(), Lang::Es, &urls(), "Ñu");
    assert_eq!(words.subject, "Cambió tu contraseña en Ñu");
    let raw = String::from_utf8(compose("m", "a@example.org", &words, &sender(), at(0)).expect("composed").formatted()).expect("ASCII");
    assert!(raw.contains("Subject: =?utf-8?b?"), "{raw}");
    let evil = "X\r\nBcc: everybody@example.org";
    let words = write(&Mail::PasswordChanged, &about(), Lang::En, &urls(), evil);
    let raw = String::from_utf8(compose("m", "a@example.org", &words, &sender(), at(0)).expect("composed").formatted()).expect("ASCII");
    assert!(!raw.split("\r\n\r\n").next().expect("headers").contains("\nBcc:"), "{raw}");
    for address in ["a@example.org\r\nBcc: b@example.org", "a@example.org, b@example.org", "a b@example.org", "nobody", ""] {
        assert!(compose("m", address, &words, &sender(), at(0)).is_err(), "{address:?}");
    }
    assert!(Sender::new("a@example.org\r\nBcc: b@example.org", "x", "#000000", "h").is_err());
}

/// An address that a stranger typed is hinted at in a mail to somebody else: it cannot carry a message.
#[test]
fn a_strangers_address_is_only_hinted_at() {
    let mail =
        Mail::EmailChanged { new_address: "visit-evil.example/now@exa mple.net".to_owned(), token: "t".to_owned(), expires_at: at(1) };
    let words = write(&mail, &about(), Lang::En, &urls(), "X");
    assert_eq!(words.lead[0], "Your account at X has a new address now: vi…@example.net.");
}

#[test]
fn a_mail_waits_sealed() {
    for mail in kinds() {
        let letter = Letter { to: "ana@example.org", lang: Lang::Es, mail, about: about() };
        let new = letter.seal(&seal(), Fresh { id: [1; 10], nonce: [2; 24] });
        assert_eq!((new.lang.as_str(), new.kind.as_str(), new.created_at), ("es", letter.mail.kind(), at(0)));
        assert!(!new.sealed.windows(5).any(|bytes| bytes == b"T0k-e"));
        assert_eq!(open(&seal(), &new).expect("ours"), (letter.mail, letter.about));
        let moved = crate::storage::durable::NewMail { id: "mail_other".to_owned(), ..new };
        assert!(open(&seal(), &moved).is_err());
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_server_s_url_is_said_without_its_password() {
    for good in [
        "smtp://mail.example",
        "smtp://u:p%40ss@mail.example:587",
        "smtps://u:p@mail.example",
        "smtp://127.0.0.1:1025",
        "smtp://[::1]:1025?tls=off",
        "smtp://mail.example:25?tls=opportunistic",
    ] {
        Smtp::new(good, "id.example").map(drop).unwrap_or_else(|reason| panic!("{good}: {reason}"));
    }
    for bad in [
        "mail.example",
        "http://u:geheim@mail.example",
        "smtp://u:geheim@mail.example?tls=no",
        "smtp://u:geheim@mail.example?tls=off",
        "smtps://u:geheim@mail.example?tls=off",
        "smtp://u:geheim@mail.example/path",
        "smtp://u:geheim@mail.example?timeout=1",
    ] {
        let reason = Smtp::new(bad, "id.example").map(drop).expect_err(bad);
        assert!(!reason.contains("geheim"), "{reason}");
    }
}

async fn storage() -> Storage {
    Storage::open(&StorageOptions::new("sqlite::memory:"), seal(), Schema::Migrate).await.expect("opens")
}

fn mailer(delivery: Delivery) -> Mailer {
    Mailer::new(delivery, sender(), urls(), seal())
}

async fn put(storage: &Storage, to: &str, mail: Mail) {
    let letter = Letter { to, lang: Lang::Es, mail, about: about() };
    storage.outbox.enqueue(&[letter.seal(&seal(), Fresh { id: [1; 10], nonce: [2; 24] })]).await.expect("done");
}

async fn state(storage: &Storage) -> (State, u32, Option<String>) {
    let row = storage.outbox.recent(1).await.expect("read").remove(0);
    (row.state, row.tries, row.reason)
}

/// A mail server that answers as told and writes down what it hears.
struct Server {
    url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

async fn converse(stream: tokio::net::TcpStream, recipient: &'static str, log: Arc<Mutex<Vec<String>>>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    let mut data = false;
    let _ = write.write_all(b"220 test\r\n").await;
    while let Ok(Some(line)) = lines.next_line().await {
        log.lock().expect("no panic").push(line.clone());
        let answer = match line.split(' ').next().unwrap_or_default() {
            _ if data && line == "." => {
                data = false;
                "250 taken\r\n"
            }
            _ if data => continue,
            "EHLO" => "250-test\r\n250 AUTH PLAIN\r\n",
            "AUTH" => "235 ok\r\n",
            "RCPT" => recipient,
            "DATA" => {
                data = true;
                "354 go\r\n"
            }
            "QUIT" => "221 bye\r\n",
            _ => "250 ok\r\n",
        };
        let _ = write.write_all(answer.as_bytes()).await;
    }
}

impl Server {
    async fn start(recipient: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("smtp://us%40er:geheim@127.0.0.1:{}?tls=off", listener.local_addr().expect("bound").port());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&heard);
        tokio::spawn(async move {
            // The transport keeps a connection and opens others beside it.
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, recipient, Arc::clone(&log)));
            }
        });
        Self { url, heard }
    }

    fn delivery(&self) -> Delivery {
        Delivery::Smtp(Smtp::new(&self.url, "id.example").expect("a good URL"))
    }

    fn heard(&self) -> String {
        self.heard.lock().expect("no panic").join("\n")
    }
}

#[tokio::test]
async fn a_mail_goes_to_the_server_once() {
    let (storage, server) = (storage().await, Server::start("250 ok\r\n").await);
    put(&storage, "ana@example.org", Mail::PasswordChanged).await;
    let mailer = mailer(server.delivery());
    assert_eq!(mailer.send_due(&*storage.outbox, at(1)).await.expect("done"), 1);
    assert_eq!(mailer.send_due(&*storage.outbox, at(2)).await.expect("done"), 0);
    assert_eq!(state(&storage).await, (State::Sent { at: at(1) }, 1, None));
    let heard = server.heard();
    for part in ["EHLO id.example", "MAIL FROM:<no-reply@id.example>", "RCPT TO:<ana@example.org>", "Auto-Submitted: auto-generated"] {
        assert!(heard.contains(part), "{part} in\n{heard}");
    }
    if let Delivery::Smtp(smtp) = &mailer.delivery {
        smtp.check().await.expect("it answers");
    }
}

/// RFC 5890 §2.3.2.1: a server that offers no SMTPUTF8 takes the A-labels of a domain; what is before the @ has no such form.
#[tokio::test]
async fn a_domain_in_other_letters_goes_as_its_a_labels() {
    for (to, goes_to) in [("x@españa.example", "x@xn--espaa-rta.example"), ("x@ＥＸＡＭＰＬＥ.org", "x@example.org")] {
        let (storage, server) = (storage().await, Server::start("250 ok\r\n").await);
        put(&storage, to, Mail::PasswordChanged).await;
        mailer(server.delivery()).send_due(&*storage.outbox, at(1)).await.expect("done");
        assert_eq!(state(&storage).await, (State::Sent { at: at(1) }, 1, None));
        let heard = server.heard();
        assert!(heard.contains(&format!("RCPT TO:<{goes_to}>")) && heard.contains(&format!("To: {goes_to}")), "{heard}");
    }
    let (storage, server) = (storage().await, Server::start("250 ok\r\n").await);
    put(&storage, "peña@example.org", Mail::PasswordChanged).await;
    mailer(server.delivery()).send_due(&*storage.outbox, at(1)).await.expect("done");
    let (state_now, _, reason) = state(&storage).await;
    assert_eq!(state_now, State::Dead { at: at(1) }, "at once: {reason:?}");
    assert!(reason.as_ref().is_some_and(|reason| reason.contains("SMTPUTF8")), "{reason:?}");
    let own = Sender::new("no-reply@españa.example", "Café Ñandú", "#0b6b5d", "id.example").expect("an address");
    let words = write(&Mail::PasswordChanged, &about(), Lang::Es, &urls(), "Café Ñandú");
    let sent = compose("m", "a@example.org", &words, &own, at(0)).expect("composed").formatted();
    assert!(String::from_utf8(sent).expect("ASCII").contains("no-reply@xn--espaa-rta.example"));
}

#[tokio::test]
async fn a_refused_address_is_given_up_and_a_busy_server_is_asked_again() {
    let (storage, server) = (storage().await, Server::start("550 5.1.1 no such address\r\n").await);
    put(&storage, "ana@example.org", Mail::PasswordChanged).await;
    mailer(server.delivery()).send_due(&*storage.outbox, at(1)).await.expect("done");
    let (state_now, _, reason) = state(&storage).await;
    assert_eq!(state_now, State::Dead { at: at(1) });
    assert!(reason.as_ref().is_some_and(|reason| reason.contains("no such address")), "{reason:?}");

    let (storage, server) = (self::storage().await, Server::start("451 later\r\n").await);
    put(&storage, "ana@example.org", Mail::PasswordChanged).await;
    let mailer = mailer(server.delivery());
    let mut now = at(0);
    let mut waits = Vec::new();
    loop {
        mailer.send_due(&*storage.outbox, now).await.expect("done");
        match state(&storage).await {
            (State::Waiting { due_at }, tries, Some(reason)) => {
                assert!(reason.contains("later"), "{reason}");
                assert_eq!(usize::try_from(tries).expect("few"), waits.len() + 1);
                waits.push((due_at - now).num_seconds());
                now = due_at;
            }
            (State::Dead { at: died }, ..) => {
                assert!(died >= at(24 * 3600) && died <= at(30 * 3600), "about a day: {died}");
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(waits[..4], [10, 30, 60, 300]);
}

#[tokio::test]
async fn a_server_that_is_away_is_no_reason_to_lose_a_mail() {
    let storage = storage().await;
    put(&storage, "ana@example.org", Mail::PasswordChanged).await;
    let away = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
    let mailer = mailer(Delivery::Smtp(Smtp::new(&format!("smtp://{away}?tls=off"), "id.example").expect("a good URL")));
    mailer.send_due(&*storage.outbox, at(1)).await.expect("done");
    assert!(matches!(state(&storage).await, (State::Waiting { .. }, 1, Some(_))));
    if let Delivery::Smtp(smtp) = &mailer.delivery {
        assert!(smtp.check().await.is_err());
    }
    // Where there is no server at all, it is not even tried.
    let nowhere = self::mailer(Delivery::Nowhere);
    assert_eq!(nowhere.send_due(&*storage.outbox, at(1000)).await.expect("done"), 0);
}

#[tokio::test]
async fn a_link_that_ended_and_a_mail_of_another_key_are_not_sent() {
    let storage = storage().await;
    put(&storage, "ana@example.org", Mail::ResetPassword { token: "t".to_owned(), code: None, expires_at: at(60) }).await;
    let server = Server::start("250 ok\r\n").await;
    mailer(server.delivery()).send_due(&*storage.outbox, at(60)).await.expect("done");
    assert_eq!(state(&storage).await.0, State::Dead { at: at(60) });
    let storage = self::storage().await;
    put(&storage, "ana@example.org", Mail::PasswordChanged).await;
    let other = Mailer::new(server.delivery(), sender(), urls(), Seal::new(&[8; 32]));
    other.send_due(&*storage.outbox, at(1)).await.expect("done");
    assert_eq!(state(&storage).await.0, State::Dead { at: at(1) });
    assert_eq!(server.heard(), "");
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_development_server_writes_files_for_its_owner_alone() {
    let folder = Folder(std::env::temp_dir().join(format!("portero-mail-{}", std::process::id())));
    let storage = storage().await;
    put(&storage, "ana@example.org", Mail::PasswordChanged).await;
    mailer(Delivery::Folder(folder.0.clone())).send_due(&*storage.outbox, at(1)).await.expect("done");
    let files: Vec<_> = std::fs::read_dir(&folder.0).expect("made").map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(files[0].extension().is_some_and(|ending| ending == "eml"));
    let kept = super::folder::newest(&folder.0, 10).expect("readable").remove(0);
    assert_eq!((kept.to.as_str(), kept.subject.as_str()), ("ana@example.org", "Cambió tu contraseña en Café Ñandú"));
    assert!(kept.text.contains("Se cambió la contraseña de tu cuenta en Café Ñandú.\n"), "{}", kept.text);
    assert!(kept.html.starts_with("<!doctype html>") && kept.html.ends_with("</html>"), "{}", kept.html);
    assert_eq!(super::folder::one(&folder.0, &kept.id), Some(kept));
    for other in ["", "mail_1", "../mail", "mail_../../../../../../../../etc/passwd"] {
        assert_eq!(super::folder::one(&folder.0, other), None);
    }
    assert!(super::folder::newest(&folder.0.join("not there"), 10).expect("empty").is_empty());
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&files[0]).expect("there").permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn whoever_waits_is_woken() {
    let mailer = mailer(Delivery::Nowhere);
    mailer.wake();
    let begin = tokio::time::Instant::now();
    mailer.wait(Duration::from_secs(60)).await;
    assert!(begin.elapsed() < Duration::from_secs(30), "woken before it waited");
    mailer.wait(Duration::from_millis(20)).await;
    assert!(begin.elapsed() >= Duration::from_millis(20), "nobody woke it");
}
