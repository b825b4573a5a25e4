//! `doctor`: what would keep the server from working, a line each, with what to do.

use std::path::Path;

use serde_json::{Map, Value, json};
use url::Url;

use super::output::{plain, print};
use super::{Done, Failure, Global, healthcheck, host};
use crate::app::{Pieces, storage_options};
use crate::clock::{Clock, Random, Time};
use crate::config::{Config, Loaded, Problem, is_loopback};
use crate::mail::Smtp;
use crate::outgoing::{Fetched, Outgoing};
use crate::seal::Seal;
use crate::storage::{self, OpenError, Schema, Storage};
use crate::telemetry::Program;
use crate::urls::{self, Urls};

/// Seconds. Replicas whose clocks are further apart call the tokens of a client that was just made dead, and a lost answer is repeated for less long.
const SKEW: i64 = 5;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl Verdict {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

struct Finding {
    check: &'static str,
    verdict: Verdict,
    detail: String,
    /// What to do.
    advice: Option<String>,
}

fn ok(check: &'static str, detail: impl Into<String>) -> Finding {
    Finding { check, verdict: Verdict::Ok, detail: detail.into(), advice: None }
}

fn warn(check: &'static str, detail: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { check, verdict: Verdict::Warn, detail: detail.into(), advice: Some(advice.into()) }
}

fn fail(check: &'static str, detail: impl Into<String>, advice: impl Into<String>) -> Finding {
    Finding { check, verdict: Verdict::Fail, detail: detail.into(), advice: Some(advice.into()) }
}

pub async fn run(global: &Global) -> Done {
    let loaded = match Config::load(&global.inputs(Vec::new())) {
        Ok(loaded) => loaded,
        Err(problems) => return tell(global, &problems.0.into_iter().map(wrong).collect::<Vec<_>>()),
    };
    host::start_log(&loaded.config, Program::Command);
    let (config, now) = (&loaded.config, Clock::System.now());
    let mut findings = configuration(&loaded);
    findings.extend(key_file(&loaded));
    findings.extend(stores(config, now).await);
    findings.extend(issuer(config, now).await);
    findings.push(mail(config).await);
    findings.push(proxy(config));
    tell(global, &findings)
}

fn configuration(loaded: &Loaded) -> Vec<Finding> {
    let config = &loaded.config;
    let mut findings = vec![ok("configuration", format!("{}: {}", config.mode.as_str(), config.mode_reason))];
    findings.extend(loaded.warnings.iter().map(|warning| warn("configuration", warning.clone(), "see portero config print")));
    findings.extend(Pieces::open(config).err().into_iter().flat_map(|problems| problems.0).map(wrong));
    findings
}

fn wrong(problem: Problem) -> Finding {
    fail("configuration", format!("{}: {}", problem.setting, problem.reason), problem.example.unwrap_or_default())
}

fn key_file(loaded: &Loaded) -> Option<Finding> {
    const CHECK: &str = "master key";
    let path = host::key_file(loaded)?;
    if !path.exists() {
        return Some(warn(CHECK, format!("{} is not there yet", path.display()), "the server makes it when it first starts"));
    }
    let mode = mode_of(&path);
    Some(if mode & 0o077 == 0 {
        ok(CHECK, format!("{} is for its owner alone (mode {mode:04o})", path.display()))
    } else {
        let detail = format!("{} may be used by others (mode {mode:04o})", path.display());
        warn(CHECK, detail, format!("chmod 0400 {}", path.display()))
    })
}

#[cfg(unix)]
fn mode_of(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode() & 0o7777)
}

#[cfg(not(unix))]
fn mode_of(_: &Path) -> u32 {
    0
}

async fn stores(config: &Config, now: Time) -> Vec<Finding> {
    let url = config.database_url.as_masked_url();
    let pending = match storage::pending(config.database_url.expose()).await {
        Ok(pending) => pending,
        Err(error @ (OpenError::Unreachable { .. } | OpenError::Url { .. })) => {
            return vec![fail("database", error.to_string(), reach(config))];
        }
        Err(error) => return vec![fail("database", error.to_string(), "")],
    };
    let is_there = storage::is_there(config.database_url.expose());
    let mut findings =
        vec![ok("database", format!("{url} {}", if is_there { "answers" } else { "is not there yet; the server makes it" }))];
    if !pending.is_empty() {
        findings.push(warn(
            "migrations",
            format!("missing: {}", pending.join(", ")),
            "portero migrate (the server does it, too, when it starts)",
        ));
        // What follows reads tables that are not there yet; the short-lived store needs none.
        return findings;
    }
    findings.push(ok("migrations", "none is missing"));
    let Some(seal) = seal(config, &mut findings) else { return findings };
    let storage = match Storage::open(&storage_options(config), seal.clone(), Schema::Require).await {
        Ok(storage) => storage,
        Err(error) => {
            let finding = match &error {
                OpenError::Unreachable { variable, .. } | OpenError::Url { variable, .. } if *variable == storage::REDIS_URL => {
                    fail("short-lived store", error.to_string(), "see that it runs and that PORTERO_REDIS_URL is right")
                }
                _ => fail("database", error.to_string(), reach(config)),
            };
            findings.push(finding);
            return findings;
        }
    };
    findings.push(short_lived(config, &storage).await);
    findings.extend(inside(config, &storage, &seal, now).await);
    findings
}

/// What to look at where the database does not do its work.
fn reach(config: &Config) -> &'static str {
    if config.database_url.expose().starts_with("sqlite:") {
        "see that the folder and the files in it may be written by whoever runs the server"
    } else {
        "see that it runs and that address, user and password are right"
    }
}

/// The seal, without making a key for a development server that has none.
fn seal(config: &Config, findings: &mut Vec<Finding>) -> Option<Seal> {
    if let crate::config::MasterKey::Development(path) = &config.master_key
        && !path.exists()
    {
        return None;
    }
    match host::sealing(config, &Random::System) {
        Ok(sealing) => Some(sealing.seal),
        Err(Failure::Refused(reason) | Failure::Usage(reason)) => {
            findings.push(fail("master key", reason, "restore the key that this database was set up with"));
            None
        }
        Err(Failure::Told) => None,
    }
}

async fn short_lived(config: &Config, storage: &Storage) -> Finding {
    const CHECK: &str = "short-lived store";
    match (storage.ephemeral.store.ping().await, &config.redis_url) {
        (Err(fault), _) => fail(CHECK, fault.to_string(), "see that it runs and that PORTERO_REDIS_URL is right"),
        (Ok(()), Some(url)) => ok(CHECK, format!("{} answers", url.as_masked_url())),
        (Ok(()), None) if config.is_development() => ok(CHECK, "in the process"),
        (Ok(()), None) => warn(CHECK, "in the process: right for one instance only", "set PORTERO_REDIS_URL before you start a second one"),
    }
}

/// What only the database can tell.
async fn inside(config: &Config, storage: &Storage, seal: &Seal, now: Time) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mine = seal.fingerprint();
    // Asking remembers the first fingerprint: where no server has started yet, there is nothing to compare with.
    match storage.keys.list().await {
        Ok(keys) if keys.is_empty() => {}
        Ok(_) => match storage.keys.fingerprint(&mine).await {
            Ok(known) if known == mine => findings.push(ok("master key", "it is the one of this database")),
            Ok(_) => findings.push(fail("master key", "the database was set up with another one", "restore that one")),
            Err(fault) => findings.push(fail("database", fault.to_string(), reach(config))),
        },
        Err(fault) => findings.push(fail("database", fault.to_string(), reach(config))),
    }
    match storage.audit.recent(1).await {
        Ok(rows) => match rows.first() {
            Some(newest) if (newest.at - now).num_seconds() > SKEW => findings.push(fail(
                "clock",
                format!("this machine says {}, and the database holds something of {}", now.to_rfc3339(), newest.at.to_rfc3339()),
                "set the clock (NTP); every instance must agree within five seconds",
            )),
            _ => findings.push(ok("clock", now.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))),
        },
        Err(fault) => findings.push(fail("database", fault.to_string(), reach(config))),
    }
    if !config.is_development() {
        match (storage.clients.any_demo().await, storage.users.any_demo().await) {
            (Ok(false), Ok(false)) => {}
            (Ok(_), Ok(_)) => findings.push(fail(
                "demo",
                "the database holds a demo client or user of a development server",
                "begin production with a database of its own",
            )),
            (Err(fault), _) | (_, Err(fault)) => findings.push(fail("database", fault.to_string(), reach(config))),
        }
    }
    findings
}

/// Asks as a client on this machine would. The guard against private addresses is for addresses that others name; this one the operator named.
async fn issuer(config: &Config, now: Time) -> Vec<Finding> {
    const CHECK: &str = "issuer";
    let everywhere = ["0.0.0.0/0", "::/0"].into_iter().filter_map(|net| net.parse().ok()).collect();
    let discovery = Urls::new(&config.issuer).absolute(urls::OPENID_CONFIGURATION);
    let Ok(url) = Url::parse(&discovery) else { return Vec::new() };
    let fetched = match Outgoing::new(everywhere).get(&url, "application/json").await {
        Ok(fetched) => fetched,
        Err(error) => {
            let listening = config.management_listen;
            let runs = tokio::task::spawn_blocking(move || healthcheck::ask(listening, "/livez").is_ok()).await.unwrap_or(false);
            return vec![if runs {
                let advice = "see that the name resolves here, that the proxy forwards to PORTERO_LISTEN, and that its certificate is trusted (SSL_CERT_FILE)";
                fail(CHECK, format!("the server runs, but {url} does not answer: {error}"), advice)
            } else {
                warn(CHECK, format!("no server runs here ({url}: {error})"), "start it, then run portero doctor again")
            }];
        }
    };
    let mut findings = vec![judge_discovery(config, &url, &fetched)];
    let date = fetched.date.as_deref().and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok());
    if let Some(apart) = date.map(|date| (date.to_utc() - now).num_seconds()).filter(|apart| apart.abs() > SKEW) {
        let detail = format!("whoever answers at {url} is {apart} s apart from this machine");
        findings.push(warn("clock", detail, "set the clocks (NTP)"));
    }
    findings
}

fn judge_discovery(config: &Config, url: &Url, fetched: &Fetched) -> Finding {
    const CHECK: &str = "issuer";
    if fetched.status != 200 {
        let advice = "see that the proxy forwards this path, and the whole of the issuer's own, unchanged to the server";
        return fail(CHECK, format!("{url} answers {}", fetched.status), advice);
    }
    let named = serde_json::from_slice::<Value>(&fetched.body).ok().and_then(|document| document["issuer"].as_str().map(str::to_owned));
    match named {
        // OIDC Discovery §4.3: "The issuer value returned MUST be identical to the Issuer URL that was used as the prefix"
        Some(named) if named == config.issuer => ok(CHECK, format!("{url} answers and names {named}")),
        Some(named) => fail(
            CHECK,
            format!("{url} names {}, this configuration {}", plain(&named), config.issuer),
            "set the same PORTERO_ISSUER everywhere",
        ),
        None => fail(CHECK, format!("{url} answers with something else than a discovery document"), "see what else listens there"),
    }
}

/// Connects, greets and signs in; no mail is sent.
async fn mail(config: &Config) -> Finding {
    const CHECK: &str = "mail";
    let advice = "see PORTERO_SMTP_URL: smtp://user:password@host:587 (STARTTLS) or smtps://user:password@host:465";
    match (&config.mail.smtp_url, &config.mail.outbox) {
        (Some(url), _) => match Smtp::new(url.expose(), "localhost") {
            Err(reason) => fail(CHECK, format!("{}: {reason}", url.as_masked_url()), advice),
            Ok(smtp) => match smtp.check().await {
                Ok(()) => ok(CHECK, format!("{} takes mail", url.as_masked_url())),
                Err(reason) => fail(CHECK, format!("{}: {}", url.as_masked_url(), plain(&reason)), advice),
            },
        },
        (None, Some(folder)) => ok(CHECK, format!("written into {}, and sent to nobody", folder.display())),
        (None, None) => {
            warn(CHECK, "no mail goes out: nobody can confirm an address or reset a password", "set PORTERO_SMTP_URL and PORTERO_MAIL_FROM")
        }
    }
}

fn proxy(config: &Config) -> Finding {
    const CHECK: &str = "proxy headers";
    let https_elsewhere = Url::parse(&config.issuer).is_ok_and(|url| url.scheme() == "https" || !is_loopback(&url));
    if !config.trusted_proxies.is_empty() {
        let trusted: Vec<String> = config.trusted_proxies.iter().map(ToString::to_string).collect();
        ok(CHECK, format!("X-Forwarded-For counts from {}", trusted.join(", ")))
    } else if https_elsewhere {
        let detail =
            "the issuer is reached through a proxy, and none is trusted: every visitor seems to come from it, and shares its limits";
        warn(CHECK, detail, "set PORTERO_TRUSTED_PROXIES to the address that the proxy calls from")
    } else {
        ok(CHECK, "no proxy is trusted, and none is needed")
    }
}

fn tell(global: &Global, findings: &[Finding]) -> Done {
    let good = findings.iter().all(|finding| finding.verdict != Verdict::Fail);
    if global.json {
        let checks = findings.iter().map(|finding| {
            let mut shown = Map::new();
            shown.insert("check".to_owned(), finding.check.into());
            shown.insert("result".to_owned(), finding.verdict.as_str().into());
            shown.insert("detail".to_owned(), finding.detail.clone().into());
            if let Some(advice) = finding.advice.as_ref().filter(|advice| !advice.is_empty()) {
                shown.insert("advice".to_owned(), advice.clone().into());
            }
            Value::Object(shown)
        });
        print(&json!({ "ok": good, "checks": checks.collect::<Vec<_>>() }).to_string())?;
    } else {
        for Finding { check, verdict, detail, advice } in findings {
            let advice = advice.as_ref().filter(|advice| !advice.is_empty()).map(|advice| format!(" → {advice}")).unwrap_or_default();
            print(&format!("{:4}  {check}: {detail}{advice}", verdict.as_str()))?;
        }
    }
    if good { Ok(()) } else { Err(Failure::Told) }
}
