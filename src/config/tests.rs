//! The whole of a configuration: order, problems, modes, what is shown.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::*;

fn inputs(environment: &[(&str, &str)]) -> Inputs {
    let environment: BTreeMap<String, String> = environment.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Inputs { environment, directory: PathBuf::from("/nonexistent"), ..Inputs::default() }
}

fn load(environment: &[(&str, &str)]) -> Result<Loaded, Problems> {
    Config::load(&inputs(environment))
}

fn told(environment: &[(&str, &str)]) -> String {
    load(environment).expect_err("something is wrong").to_string()
}

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const PRODUCTION: [(&str, &str); 3] =
    [("PORTERO_ENV", "production"), ("PORTERO_ISSUER", "https://id.example"), ("PORTERO_MASTER_KEY", KEY)];

/// A file in a directory of its own, both removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("portero-config-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a temporary directory");
        Self(path)
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("writable");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("our own");
        path.display().to_string()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn who_did_not_ask_for_production_hears_why_it_is() {
    let said = told(&[("PORTERO_LISTEN", "0.0.0.0:8080")]);
    assert!(
        said.contains("PORTERO_ENV: is not set, and this is taken for production: issuer or listen address is not on this machine"),
        "{said}"
    );
    assert!(said.contains("example: PORTERO_ENV=development"), "{said}");
    assert!(!told(&[("PORTERO_ENV", "production")]).contains("is not set, and this"));
    assert!(!told(&[("PORTERO_LIMITS", "maybe")]).contains("production"));
}

#[test]
fn nothing_set_is_a_development_server_on_this_machine() {
    let Loaded { config, warnings, .. } = load(&[]).expect("defaults hold");
    assert_eq!((config.mode, config.mode_reason), (Mode::Development, ModeReason::Loopback));
    assert_eq!(config.issuer, "http://127.0.0.1:8080");
    assert_eq!(config.database_url.expose(), "sqlite:data/portero.db");
    assert_eq!(config.resources, ["*"]);
    assert_eq!(config.tokens, Tokens::default());
    assert_eq!(config.shutdown.drain, Duration::ZERO);
    assert_eq!(Config { master_key: config.master_key.clone(), ..Config::default() }, config);
    assert_eq!(config.master_key, MasterKey::Development(PathBuf::from("/nonexistent/keys/master.key")));
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn development_is_only_where_both_addresses_are_loopback() {
    let mode = |environment: &[(&str, &str)]| {
        let environment: Vec<_> = environment.iter().copied().chain([("PORTERO_MASTER_KEY", KEY)]).collect();
        load(&environment).expect("valid").config.mode
    };
    assert_eq!(mode(&[("PORTERO_ISSUER", "https://id.example")]), Mode::Production);
    assert_eq!(mode(&[("PORTERO_LISTEN", "0.0.0.0:8080"), ("PORTERO_ISSUER", "http://localhost:8080")]), Mode::Production);
    assert_eq!(mode(&[("PORTERO_ISSUER", "http://localhost:8080")]), Mode::Development);
    assert_eq!(mode(&[("PORTERO_ISSUER", "http://localhost:8080"), ("PORTERO_ENV", "production")]), Mode::Production);
    assert_eq!(mode(&[("PORTERO_ISSUER", "https://id.example"), ("PORTERO_ENV", "development")]), Mode::Development);
}

#[test]
fn production_refuses_what_is_not_safe_and_says_all_of_it() {
    let told = told(&[("PORTERO_ENV", "production"), ("PORTERO_ISSUER", "http://id.example"), ("PORTERO_LIMITS", "off")]);
    for part in [
        "PORTERO_ISSUER: http://id.example is http",
        "example: PORTERO_ISSUER=https://",
        "PORTERO_MASTER_KEY: is not set",
        "PORTERO_LIMITS: is off",
    ] {
        assert!(told.contains(part), "{part} in\n{told}");
    }
    let config = load(&PRODUCTION).expect("valid").config;
    assert!(config.resources.is_empty());
    assert_eq!(config.shutdown.drain, Duration::from_secs(5));
}

#[test]
fn an_unknown_setting_names_the_nearest() {
    assert!(told(&[("PORTERO_ISUER", "x")]).contains("PORTERO_ISUER: there is no such setting; did you mean PORTERO_ISSUER?"));
    assert!(told(&[("PORTERO_REFRESH_RETRY", "5s")]).contains("did you mean PORTERO_TOKENS__REFRESH_RETRY?"));
    assert!(told(&[("PORTERO_XYZZY", "1")]).contains("PORTERO_XYZZY: there is no such setting"));
    let scratch = Scratch::new("unknown");
    let path = scratch.write("portero.toml", "isuer = 'x'\n[tokens]\nacces_token = '5m'\n", 0o644);
    let told = told(&[("PORTERO_CONFIG", &path)]);
    assert!(told.contains("did you mean issuer?") && told.contains("did you mean tokens.access_token?"), "{told}");
}

#[test]
fn names_of_others_are_left_alone() {
    let others = [
        ("PORTERO_TEST_POSTGRES_URL", "x"),
        ("PORTERO_URL", "x"),
        ("PORTERO_PORT", "tcp://10.0.0.1:8080"),
        ("PORTERO_SERVICE_HOST", "10.0.0.1"),
        ("PORTERO_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("PORTERO_REDIS_URL", ""),
    ];
    assert!(load(&others).is_ok());
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let scratch = Scratch::new("order");
    let path = scratch.write(
        "portero.toml",
        "listen = '127.0.0.1:1001'\nmanagement_listen = '127.0.0.1:1002'\ntrusted_proxies = ['10.0.0.0/8', '192.0.2.1']\n\
         limits = true\n[tokens]\naccess_token = '7m'\ncode = '30s'\n",
        0o644,
    );
    let mut given = inputs(&[("PORTERO_CONFIG", &path), ("PORTERO_TOKENS__CODE", "20s"), ("PORTERO_MANAGEMENT_LISTEN", "127.0.0.1:2002")]);
    given.flags.push(("--management-listen", "management_listen", "127.0.0.1:3002".to_owned()));
    let Loaded { config, entries, .. } = Config::load(&given).expect("valid");
    assert_eq!(config.listen.port(), 1001);
    assert_eq!(config.management_listen.port(), 3002);
    assert_eq!(config.tokens.access_token, Duration::from_secs(420));
    assert_eq!(config.tokens.code, Duration::from_secs(20));
    assert_eq!(config.trusted_proxies.len(), 2);
    assert_eq!(config.issuer, "http://127.0.0.1:1001");
    let source = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| entry.source.to_string());
    assert_eq!(source("management_listen").as_deref(), Some("--management-listen"));
    assert_eq!(source("tokens.code").as_deref(), Some("PORTERO_TOKENS__CODE"));
    assert_eq!(source("tokens.access_token").as_deref(), Some(path.as_str()));
    assert_eq!(source("tokens.id_token").as_deref(), Some("default"));
}

#[test]
fn secrets_are_never_shown() {
    let scratch = Scratch::new("secrets");
    let file = scratch.write("url", "postgres://portero:geheim@db/portero\n", 0o400);
    let environment: Vec<_> = PRODUCTION
        .iter()
        .copied()
        .chain([("PORTERO_DATABASE_URL_FILE", file.as_str()), ("PORTERO_REDIS_URL", "redis://:geheim@c:6379")])
        .collect();
    let loaded = load(&environment).expect("valid");
    assert_eq!(loaded.config.database_url.expose(), "postgres://portero:geheim@db/portero");
    let shown = format!("{loaded:?}");
    assert!(!shown.contains("geheim") && !shown.contains(KEY), "{shown}");
    let url = loaded.entries.iter().find(|entry| entry.key == "database_url").expect("listed");
    assert_eq!(url.value.as_deref(), Some("postgres://portero:***@db/portero"));
    assert!(url.source.to_string().starts_with("PORTERO_DATABASE_URL_FILE: "));
}

#[test]
fn a_secret_has_one_place() {
    let both = told(&[("PORTERO_REDIS_URL", "redis://a"), ("PORTERO_REDIS_URL_FILE", "/x")]);
    assert!(both.contains("PORTERO_REDIS_URL: PORTERO_REDIS_URL_FILE is set, too"), "{both}");
    assert!(told(&[("PORTERO_MASTER_KEY_FILE", "/nonexistent/key")]).contains("PORTERO_MASTER_KEY_FILE: /nonexistent/key cannot be read"));
    let scratch = Scratch::new("credentials");
    scratch.write("master_key", KEY, 0o644);
    let directory = scratch.0.display().to_string();
    let loaded = load(&[("CREDENTIALS_DIRECTORY", &directory)]).expect("valid");
    assert!(matches!(loaded.config.master_key, MasterKey::Given(_)));
    assert!(loaded.warnings.is_empty());
}

#[test]
fn a_secret_that_everybody_may_read_is_refused_in_production() {
    let scratch = Scratch::new("modes");
    let file = scratch.write("key", KEY, 0o644);
    let told = told(&[("PORTERO_ENV", "production"), ("PORTERO_MASTER_KEY_FILE", &file)]);
    assert!(told.contains("mode 0644") && told.contains("chmod 0400"), "{told}");
    assert_eq!(load(&[("PORTERO_MASTER_KEY_FILE", &file)]).expect("development").warnings.len(), 1);
    let group = scratch.write("group", KEY, 0o440);
    assert_eq!(load(&[("PORTERO_ENV", "production"), ("PORTERO_MASTER_KEY_FILE", &group)]).expect("a warning").warnings.len(), 1);
}

#[test]
fn sections_check_what_belongs_together() {
    assert!(told(&[("PORTERO_TOKENS__REFRESH_IDLE", "40d")]).contains("longer than tokens.refresh_max"));
    assert!(told(&[("PORTERO_KEYS__PUBLISH_BEFORE", "10m")]).contains("longer than keys.jwks_max_age"));
    assert!(told(&[("PORTERO_BRAND__ACCENT", "#7c7c7c")]).contains("The nearest that passes is #"));
    assert!(told(&[("PORTERO_TRUSTED_PROXIES", "0.0.0.0/0")]).contains("trusts every address"));
    assert!(told(&[("PORTERO_DATABASE_URL", "mysql://x")]).contains("neither sqlite: nor postgres://"));
    assert!(told(&[("PORTERO_TOKENS__CODE", "500ms")]).contains("not between"));
    let retry = load(&[("PORTERO_TOKENS__REFRESH_RETRY", "0")]).expect("may be off").config.tokens.refresh_retry;
    assert_eq!(retry, Duration::ZERO);
    let accent = load(&[("PORTERO_BRAND__ACCENT", "#0B6B5D")]).expect("passes").config.brand.accent;
    assert_eq!(accent.as_deref(), Some("#0b6b5d"));
}

#[test]
fn people_may_sign_up_where_mail_goes_out() {
    let production = |more: &[(&'static str, &'static str)]| {
        let mut environment = PRODUCTION.to_vec();
        environment.extend_from_slice(more);
        environment
    };
    let development = load(&[]).expect("valid").config;
    assert_eq!((development.sign_up, development.mail.outbox), (SignUp::Open, Some("data/outbox".into())));
    let closed = load(&production(&[])).expect("valid").config;
    assert_eq!((closed.sign_up, closed.mail.is_possible()), (SignUp::Closed, false));
    for who in ["open", "invitation"] {
        assert!(told(&production(&[("PORTERO_SIGN_UP", who)])).contains("without PORTERO_SMTP_URL no mail goes out"));
    }
    let smtp = ("PORTERO_SMTP_URL", "smtp://u:geheim@mail.example");
    let told_from = told(&production(&[("PORTERO_SIGN_UP", "open"), smtp]));
    assert!(told_from.contains("PORTERO_MAIL_FROM: is not set") && !told_from.contains("geheim"), "{told_from}");
    let open = load(&production(&[("PORTERO_SIGN_UP", "open"), smtp, ("PORTERO_MAIL_FROM", "Us <us@example.org>")])).expect("valid");
    assert_eq!((open.config.sign_up, open.warnings.len()), (SignUp::Open, 0));
    assert!(open.entries.iter().all(|entry| entry.value.as_ref().is_none_or(|value| !value.contains("geheim"))));
    assert!(told(&[smtp, ("PORTERO_OUTBOX", "out")]).contains("to a server or into a folder"));
    assert!(told(&[("PORTERO_MAIL_FROM", "nobody")]).contains("is not an address"));
}

#[test]
fn a_captcha_needs_its_secret_and_never_shows_it() {
    assert_eq!(load(&[]).expect("valid").config.captcha, Captcha::default());
    assert!(told(&[("PORTERO_CAPTCHA", "turnstile")]).contains("PORTERO_CAPTCHA_SECRET: is not set"));
    assert!(told(&[("PORTERO_CAPTCHA", "friendly")]).contains("none of off, turnstile, hcaptcha, recaptcha"));
    let loaded = load(&[("PORTERO_CAPTCHA", "hcaptcha"), ("PORTERO_CAPTCHA_SECRET", "geheim")]).expect("valid");
    assert_eq!(loaded.config.captcha.provider, CaptchaProvider::HCaptcha);
    assert!(loaded.entries.iter().all(|entry| entry.value.as_ref().is_none_or(|value| !value.contains("geheim"))));
}

#[test]
fn names_for_later_are_known_and_idle() {
    let loaded = load(&[("PORTERO_REGISTRATION", "open")]).expect("known");
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    assert!(told(&[("PORTERO_REGISTRATION", "opne")]).contains("none of off, token, open"));
}

#[test]
fn a_port_given_by_the_system_moves_the_issuer_only_where_nobody_set_it() {
    let bound = "127.0.0.1:40123".parse().expect("address");
    let mut config = load(&[("PORTERO_LISTEN", "127.0.0.1:0")]).expect("valid").config;
    config.settle(bound);
    assert_eq!(config.issuer, "http://127.0.0.1:40123");
    let mut config = load(&[("PORTERO_LISTEN", "127.0.0.1:0"), ("PORTERO_ISSUER", "http://localhost:9")]).expect("valid").config;
    config.settle(bound);
    assert_eq!(config.issuer, "http://localhost:9");
}
