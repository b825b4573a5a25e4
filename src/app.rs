//! The application: configuration, stores, keys, clock, randomness. One type for production and tests; only its parts differ.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use openidconnect::IssuerUrl;

use crate::accounts::attributes;
use crate::accounts::authenticate::{Parts, Watch};
use crate::accounts::breached::Breached;
use crate::accounts::captcha::{self, Captcha, Widget};
use crate::accounts::desk::{Desk, House, SignUpPolicy};
use crate::accounts::limits::Limits;
use crate::accounts::password::{Cost, Hasher, Settings};
use crate::accounts::password_rules::Rules;
use crate::browser::brand::{Brand, Logo};
use crate::browser::language;
use crate::browser::layout::Page;
use crate::browser::visit::Visit;
use crate::clients::guesses::Guesses;
use crate::clients::logo::Logos;
use crate::clock::{Clock, Random};
use crate::colour::Rgb;
use crate::config::{CaptchaProvider, Config, LONGEST_ACCESS, Mode, Problem, Problems, SignUp, variable};
use crate::i18n::Lang;
use crate::keys::rotation::Policy as KeyPolicy;
use crate::keys::{KeyError, KeyRing};
use crate::mail::{Delivery, Mailer, Sender, Smtp};
use crate::outgoing::Outgoing;
use crate::protocol::authorization::{PkcePolicy, Policy};
use crate::protocol::client::{Client, SigningAlg};
use crate::seal::Seal;
use crate::storage::durable::{Act, Actor};
use crate::storage::{self, OpenError, Schema, Storage, StorageOptions};
use crate::tokens::{Lifetimes, Tokens};
use crate::urls::Urls;

/// What authentications are worth here (OIDC Core §2, `acr`).
pub const ACR_VALUES: &[&str] = &[crate::accounts::authenticate::ACR];

/// Everything a handler may need.
pub struct App {
    pub config: Arc<Config>,
    pub urls: Urls,
    pub storage: Storage,
    pub seal: Seal,
    pub tokens: Tokens,
    pub hasher: Hasher,
    pub limits: Limits,
    pub clock: Clock,
    pub random: Random,
    pub brand: Brand,
    pub outgoing: Outgoing,
    /// The pictures of apps.
    pub logos: Logos,
    pub mailer: Mailer,
    /// Whose tokens a sign-up through the API must bring; none: it needs none.
    pub captcha: Option<Captcha>,
    /// Passwords known from breaches; none where no file of them is configured.
    pub breached: Option<Breached>,
    /// What attributes of people are held to.
    pub attributes: attributes::Schema,
    /// Wrong client secrets, counted.
    pub guesses: Guesses,
    /// The discovery document, made again when the algorithms change.
    pub discovery: ArcSwapOption<Document>,
}

/// The discovery document as bytes, with what it was made for.
pub struct Document {
    pub algs: Vec<SigningAlg>,
    pub bytes: Arc<[u8]>,
    /// With its quotes.
    pub etag: String,
}

/// Why the application did not open. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error(transparent)]
    Storage(#[from] OpenError),
    #[error(transparent)]
    Keys(#[from] KeyError),
    #[error("this configuration cannot be used:\n{0}")]
    Configuration(#[from] Problems),
}

impl From<Problem> for AppError {
    fn from(problem: Problem) -> Self {
        Self::Configuration(Problems(vec![problem]))
    }
}

/// What the settings name beyond themselves, read and understood: files, a folder, the addresses of stores and of a mail server. None of these is
/// asked. A server is put together of them, and whoever checks the settings looks whether they can be had.
pub struct Pieces {
    brand: Brand,
    breached: Option<Breached>,
    attributes: attributes::Schema,
    delivery: Delivery,
    sender: Sender,
}

impl Pieces {
    /// # Errors
    /// All that is wrong, not only the first.
    pub fn open(config: &Config) -> Result<Self, Problems> {
        let mut problems: Vec<Problem> = misnamed_stores(config).collect();
        let domain = mail_domain(&Urls::new(&config.issuer));
        let brand = kept(brand(config), &mut problems);
        let breached = kept(breached(config), &mut problems);
        let attributes = kept(schema(config), &mut problems);
        let delivery = kept(delivery(config, &domain), &mut problems);
        let sender = kept(sender(config, &domain), &mut problems);
        match (brand, breached, attributes, delivery, sender) {
            (Some(brand), Some(breached), Some(attributes), Some(delivery), Some(sender)) if problems.is_empty() => {
                Ok(Self { brand, breached, attributes, delivery, sender })
            }
            _ => Err(Problems(problems)),
        }
    }
}

fn kept<T>(made: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    made.map_err(|problem| problems.push(problem)).ok()
}

/// What is wrong with the file of a setting, and what would do.
fn unusable(key: &str, path: &Path, reason: impl Display, example: &str) -> Problem {
    let setting = variable(key);
    Problem { reason: format!("{}: {reason}", path.display()), example: Some(format!("{setting}={example}")), setting }
}

/// Where things are kept.
#[must_use]
pub fn storage_options(config: &Config) -> StorageOptions {
    let redis_url = config.redis_url.as_ref().map(|url| url.expose().to_owned());
    StorageOptions { redis_url, ..StorageOptions::new(config.database_url.expose()) }
}

fn misnamed_stores(config: &Config) -> impl Iterator<Item = Problem> {
    storage::misnamed(&storage_options(config)).into_iter().map(|(setting, reason)| {
        let example = Some(format!("{setting}={}", storage::example(setting)));
        Problem { setting: setting.to_owned(), reason, example }
    })
}

/// Name, logo and colours as the pages take them.
fn brand(config: &Config) -> Result<Brand, Problem> {
    let logo = match &config.brand.logo {
        None => None,
        Some(path) => {
            let unusable = |reason: String| unusable("brand.logo", path, reason, "/etc/portero/logo.svg");
            let bytes = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
            Some(Logo::new(bytes).ok_or_else(|| unusable("it is no SVG, PNG or WebP image".to_owned()))?)
        }
    };
    Ok(Brand::new(&config.brand.name, logo, config.brand.accent.as_deref()))
}

/// The file of breached passwords, open.
///
/// # Errors
/// What is wrong with it.
pub fn breached(config: &Config) -> Result<Option<Breached>, Problem> {
    let open =
        |path: &PathBuf| Breached::open(path).map_err(|reason| unusable("passwords.breached", path, reason, "/var/lib/portero/breached"));
    config.passwords.breached.as_ref().map(open).transpose()
}

/// The schema of attributes; without one they are only bounded.
///
/// # Errors
/// What is wrong with its file.
pub fn schema(config: &Config) -> Result<attributes::Schema, Problem> {
    let Some(path) = &config.attributes_schema else { return Ok(attributes::Schema::default()) };
    attributes::Schema::load(path).map_err(|reason| unusable("attributes_schema", path, reason, "/etc/portero/attributes.schema.json"))
}

/// The provider whose widget an app's own form shows.
fn captcha(config: &Config) -> Option<Captcha> {
    let provider = match config.captcha.provider {
        CaptchaProvider::Off => return None,
        CaptchaProvider::Turnstile => captcha::Provider::Turnstile,
        CaptchaProvider::HCaptcha => captcha::Provider::HCaptcha,
        CaptchaProvider::ReCaptcha => captcha::Provider::ReCaptcha,
    };
    config.captcha.secret.as_ref().map(|secret| Captcha::new(provider, secret.expose()))
}

/// What a development server takes for a solved captcha, without asking anybody.
pub const SOLVED: &str = "test";

impl App {
    /// What must show that a person fills in a form that gave this. None: nobody is asked.
    #[must_use]
    pub fn widget<'a>(&'a self, token: Option<&'a str>) -> Option<Widget<'a>> {
        let provider = self.captcha.as_ref()?;
        let token = token.unwrap_or_default();
        (!self.is_development() || token != SOLVED).then_some(Widget { provider, outgoing: &self.outgoing, token })
    }
}

/// The domain that mails come from where nobody said otherwise, and the name that the mail server is greeted with.
fn mail_domain(urls: &Urls) -> String {
    let host = urls.origin().rsplit('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host, |(host, _)| host);
    // A host that is an address is no domain for mail; it is this machine's then.
    let is_address = host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok();
    if is_address { "localhost".to_owned() } else { host.to_owned() }
}

/// How mail leaves.
fn delivery(config: &Config, domain: &str) -> Result<Delivery, Problem> {
    let problem = |key: &str, reason: String, example: &str| {
        let setting = variable(key);
        Problem { reason, example: Some(format!("{setting}={example}")), setting }
    };
    match (&config.mail.smtp_url, &config.mail.outbox) {
        (Some(url), _) => {
            let smtp = Smtp::new(url.expose(), domain);
            smtp.map(Delivery::Smtp).map_err(|reason| problem("smtp_url", reason, "smtp://user:password@mail.example.org:587"))
        }
        (None, Some(folder)) => Delivery::folder(folder).map_err(|reason| problem("outbox", reason, "/var/lib/portero/outbox")),
        (None, None) => Ok(Delivery::Nowhere),
    }
}

/// Who mails are from, and how they look.
fn sender(config: &Config, domain: &str) -> Result<Sender, Problem> {
    let from = config.mail.from.clone().unwrap_or_else(|| format!("no-reply@{domain}"));
    // The colour of the light pages, with white on it.
    let accent = config.brand.accent.as_deref().and_then(Rgb::parse).unwrap_or(Rgb(0x0b, 0x6b, 0x5d)).readable_on(Rgb::WHITE);
    let setting = variable("mail_from");
    let example = Some(format!("{setting}='Example <no-reply@example.org>'"));
    Sender::new(&from, &config.brand.name, &accent.to_string(), domain).map_err(|reason| Problem { setting, reason, example })
}

impl App {
    /// Opens the stores, loads or makes the signing keys, and puts everything together.
    ///
    /// # Errors
    /// [`AppError`], each naming what to change.
    pub async fn open(config: Config, seal: Seal, clock: Clock, random: Random) -> Result<Self, AppError> {
        // All that is wrong with the settings is told before anything is opened.
        let pieces = Pieces::open(&config)?;
        let storage = Storage::open(&storage_options(&config), seal.clone(), Schema::Migrate).await?;
        Self::on(Arc::new(config), pieces, storage, seal, clock, random).await
    }

    async fn on(config: Arc<Config>, pieces: Pieces, storage: Storage, seal: Seal, clock: Clock, random: Random) -> Result<Self, AppError> {
        let Pieces { brand, breached, attributes, delivery, sender } = pieces;
        let now = clock.now();
        let tokens = &config.tokens;
        // A dialect's file, which is read later, may say how long its access tokens live.
        let access_token = if config.dialects.is_empty() { tokens.access_token } else { tokens.access_token.max(LONGEST_ACCESS) };
        let policy = KeyPolicy {
            rotate_after: config.keys.rotate_after,
            publish_before: config.keys.publish_before,
            jwks_max_age: config.keys.jwks_max_age,
            // What it signed last, and some skew of whoever verifies it.
            keep: access_token.max(tokens.id_token) + Duration::from_secs(300),
            hints: config.sessions.max,
        };
        let keys = KeyRing::load(Arc::clone(&storage.keys), seal.clone(), policy, now).await?;
        let by = Act { actor: Actor::System, client_id: None, address: None, request_id: "start".to_owned() };
        keys.ensure(SigningAlg::RS256, random.bytes(), now, &by).await?;
        let cost = Cost { m: config.passwords.memory_kib, t: config.passwords.iterations, p: config.passwords.lanes };
        let hasher = Hasher::new(Settings::of(cost, config.passwords.queue)).map_err(|reason| Problem {
            setting: variable("passwords.memory_kib"),
            reason: reason.to_owned(),
            example: None,
        })?;
        let tokens = Tokens {
            issuer: config.issuer.clone(),
            issuer_url: IssuerUrl::new(config.issuer.clone()).map_err(|error| Problem {
                setting: variable("issuer"),
                reason: error.to_string(),
                example: None,
            })?,
            keys,
            seal: seal.clone(),
            lifetimes: Lifetimes {
                code: config.tokens.code,
                access_token: config.tokens.access_token,
                id_token: config.tokens.id_token,
                refresh_idle: config.tokens.refresh_idle,
                refresh_max: config.tokens.refresh_max,
                refresh_retry: config.tokens.refresh_retry,
                session_idle: config.sessions.idle,
            },
        };
        let urls = Urls::new(&config.issuer);
        let outgoing = Outgoing::new(config.fetch_allow.clone());
        Ok(Self {
            logos: Logos::new(outgoing.clone()),
            mailer: Mailer::new(delivery, sender, urls.clone(), seal.clone()),
            captcha: captcha(&config),
            breached,
            attributes,
            urls,
            storage,
            tokens,
            hasher,
            limits: Limits { enabled: config.limits },
            clock,
            random,
            brand,
            outgoing,
            guesses: Guesses::new(config.limits),
            discovery: ArcSwapOption::empty(),
            seal,
            config,
        })
    }

    /// Makes the keys a client's tokens are signed with, where there are none of their algorithm yet.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn ensure_keys(&self, client: &Client, by: &Act) -> Result<(), KeyError> {
        self.tokens.keys.ensure_for(client, || self.random.bytes(), self.clock.now(), by).await
    }

    #[must_use]
    pub fn is_development(&self) -> bool {
        self.config.mode == Mode::Development
    }

    /// What the deployment allows an authorization request.
    #[must_use]
    pub fn policy(&self) -> Policy<'_> {
        Policy {
            resources_open: &self.config.resources,
            issuer: self.urls.issuer(),
            pkce: match self.config.pkce {
                crate::config::PkcePolicy::All => PkcePolicy::All,
                crate::config::PkcePolicy::Public => PkcePolicy::Public,
            },
            acr_supported: ACR_VALUES,
        }
    }

    /// The one door through which every password goes.
    #[must_use]
    pub fn door(&self) -> Parts<'_> {
        let watch = Watch { breached: self.breached.as_ref(), accounts: &*self.storage.accounts, random: &self.random };
        Parts { watch: Some(watch), ..Parts::of(&self.storage, &self.seal, &self.hasher, self.limits) }
    }

    /// What is asked of a new password.
    #[must_use]
    pub fn password_rules(&self) -> Rules<'_> {
        Rules { strength: self.config.passwords.strength(), breached: self.breached.as_ref(), ..Rules::default() }
    }

    /// What operations on accounts work with.
    #[must_use]
    pub fn desk(&self) -> Desk<'_> {
        let sign_up = match self.config.sign_up {
            SignUp::Open => SignUpPolicy::Open,
            SignUp::Invitation => SignUpPolicy::Invitation,
            SignUp::Closed => SignUpPolicy::Closed,
        };
        let house = House { rules: self.password_rules(), schema: &self.attributes, sign_up };
        Desk::new(self.door(), &self.storage, &self.random, house)
    }

    /// The frame of a page for this visit.
    #[must_use]
    pub fn page(&self, visit: &Visit, ui_locales: Option<&str>) -> Page<'_> {
        let lang = language::of(visit, &self.urls, ui_locales, None, None, Lang::En);
        Page::new(visit, &self.urls, &self.brand, lang, self.random.bytes())
    }
}
