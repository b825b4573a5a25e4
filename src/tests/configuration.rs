//! `config check` and the start of a server are of one mind: what the one calls good, the other does not refuse.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::program::{Scratch, portero};

/// What `config check --json` finds: settings with reasons.
fn check(at: &Path, environment: &[(&str, &str)]) -> Vec<(String, String)> {
    let Output { stdout, stderr, status } = portero(at, &["config", "check", "--json"], environment).output().expect("it runs");
    let told: Value =
        serde_json::from_slice(&stdout).unwrap_or_else(|error| panic!("{error}: {status} {}", String::from_utf8_lossy(&stderr)));
    let problems = told["problems"].as_array().expect("a list");
    assert_eq!((told["ok"] == true, status.success()), (problems.is_empty(), problems.is_empty()), "{told}");
    let word = |problem: &Value, name: &str| problem[name].as_str().unwrap_or_default().to_owned();
    problems.iter().map(|problem| (word(problem, "setting"), word(problem, "reason"))).collect()
}

/// What a server says that does not start; none where it does.
fn refusal(at: &Path, environment: &[(&str, &str)]) -> Option<String> {
    let words = ["serve", "--listen", "127.0.0.1:0", "--management-listen", "127.0.0.1:0"];
    let mut server = portero(at, &words, environment).stdout(Stdio::null()).spawn().expect("it runs");
    let patience = Instant::now() + Duration::from_secs(10);
    while Instant::now() < patience {
        if server.try_wait().expect("a child").is_some() {
            let Output { stderr, status, .. } = server.wait_with_output().expect("a child");
            assert_eq!(status.code(), Some(1));
            return Some(String::from_utf8(stderr).expect("UTF-8"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    server.kill().expect("it runs");
    let _ = server.wait();
    None
}

#[test]
fn what_a_server_refuses_the_check_finds_in_the_same_words() {
    let scratch = Scratch::new("wrong");
    let at = scratch.0.as_path();
    let (json, schema) = (scratch.file("no.json", "{"), scratch.file("no.schema.json", r#"{"type": "no such type"}"#));
    let (text, file) = (scratch.file("no.breached", "hello"), scratch.file("taken", ""));
    let picture = scratch.file("logo.png", "no picture");
    let (below, dead) = (format!("{file}/outbox"), scratch.at("dead"));
    std::os::unix::fs::symlink("/nowhere/at/all", &dead).expect("linked");
    let rows = [
        ("PORTERO_PASSWORDS__BREACHED", "/nope", "/nope: No such file"),
        ("PORTERO_PASSWORDS__BREACHED", text.as_str(), "it is no file that `portero passwords build` made"),
        ("PORTERO_ATTRIBUTES_SCHEMA", "/nope", "/nope: No such file"),
        ("PORTERO_ATTRIBUTES_SCHEMA", &json, "it is no JSON"),
        ("PORTERO_ATTRIBUTES_SCHEMA", &schema, "it is no JSON Schema"),
        ("PORTERO_BRAND__LOGO", &picture, "it is no SVG, PNG or WebP image"),
        ("PORTERO_DATABASE_URL", "sqlite:", "it names no file"),
        ("PORTERO_DATABASE_URL", "sqlite:x.db?foo=bar", "foo"),
        ("PORTERO_SMTP_URL", "x", "it is no URL"),
        ("PORTERO_SMTP_URL", "http://x", "http is neither smtp nor smtps"),
        ("PORTERO_SMTP_URL", "smtp://", "it names no host"),
        ("PORTERO_REDIS_URL", "redis://", "host"),
        ("PORTERO_REDIS_URL", "redis://x/abc", "database number"),
        ("PORTERO_OUTBOX", "/dev/null", "/dev/null is not a folder"),
        ("PORTERO_OUTBOX", &below, "taken is not a folder"),
        ("PORTERO_OUTBOX", &dead, "dead leads nowhere"),
        ("PORTERO_OUTBOX", "/proc/outbox", "/proc"),
        ("PORTERO_DIALECTS", "/nope.toml", "/nope.toml"),
    ];
    for (setting, value, words) in rows {
        let found = check(at, &[(setting, value)]);
        let [(named, reason)] = found.as_slice() else { panic!("{setting}={value}: {found:?}") };
        assert_eq!(named, setting, "{setting}={value}");
        assert!(reason.to_lowercase().contains(&words.to_lowercase()), "{setting}={value}: {reason}");
        let refused = refusal(at, &[(setting, value)]).unwrap_or_else(|| panic!("{setting}={value}: it starts"));
        assert!(refused.contains(reason.as_str()), "{setting}={value}: {reason}\n{refused}");
        if setting != "PORTERO_DIALECTS" {
            assert!(refused.contains(&format!("{setting}: ")), "{refused}");
        }
    }
}

#[test]
fn the_check_says_everything_at_once_and_nothing_twice() {
    let scratch = Scratch::new("all");
    let settings = [
        ("PORTERO_TOKENS__CODE", "x"),
        ("PORTERO_BRAND__LOGO", "/nope.png"),
        ("PORTERO_PASSWORDS__BREACHED", "/nope"),
        ("PORTERO_ATTRIBUTES_SCHEMA", "/nope"),
        ("PORTERO_DATABASE_URL", "sqlite:"),
        ("PORTERO_REDIS_URL", "http://x"),
        ("PORTERO_OUTBOX", "/dev/null"),
        ("PORTERO_DIALECTS", "/nope.toml"),
    ];
    let found = check(&scratch.0, &settings);
    let mut named: Vec<&str> = found.iter().map(|(setting, _)| setting.as_str()).collect();
    named.sort_unstable();
    let mut expected: Vec<&str> = settings.iter().map(|(name, _)| *name).collect();
    expected.sort_unstable();
    assert_eq!(named, expected, "{found:?}");
    // Those that the settings alone do not show are told together, too.
    let named = ["PORTERO_PASSWORDS__BREACHED", "PORTERO_ATTRIBUTES_SCHEMA", "PORTERO_OUTBOX", "PORTERO_DATABASE_URL"];
    let some: Vec<_> = settings.iter().copied().filter(|(name, _)| named.contains(name)).collect();
    let refused = refusal(&scratch.0, &some).expect("it does not start");
    for name in named {
        assert!(refused.contains(&format!("\n{name}: ")), "{refused}");
    }
}

#[test]
fn a_check_leaves_nothing_behind_and_asks_nobody() {
    let scratch = Scratch::new("good");
    let outbox = scratch.at("mails/of/today");
    assert_eq!(check(&scratch.0, &[("PORTERO_OUTBOX", &outbox)]), Vec::new());
    assert_eq!(check(&scratch.0, &[]), Vec::new());
    // Nobody listens there.
    let stores = [
        ("PORTERO_DATABASE_URL", "postgres://portero:geheim@127.0.0.1:1/portero"),
        ("PORTERO_REDIS_URL", "rediss://:geheim@127.0.0.1:1/3"),
        ("PORTERO_SMTP_URL", "smtp://user:geheim@127.0.0.1:1"),
        ("PORTERO_MAIL_FROM", "no-reply@example.org"),
    ];
    assert_eq!(check(&scratch.0, &stores), Vec::new());
    assert_eq!(std::fs::read_dir(&scratch.0).expect("a folder").count(), 0, "it made something");
}
