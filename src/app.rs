//! The application: configuration, stores, keys, clock, randomness. One type for production and tests; only its parts differ.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use openidconnect::IssuerUrl;

use crate::accounts::attributes;
use crate::accounts::authenticate::{Parts, Watch};
use crate::accounts::breached::Breached;
use crate::accounts::captcha::{self, Captcha};
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
use crate::config::{CaptchaProvider, Config, Mode, SignUp};
use crate::i18n::Lang;
use crate::keys::rotation::Policy as KeyPolicy;
use crate::keys::{KeyError, KeyRing};
use crate::mail::{Delivery, Mailer, Sender, Smtp};
use crate::outgoing::Outgoing;
use crate::protocol::authorization::{PkcePolicy, Policy};
use crate::protocol::client::{Client, SigningAlg};
use crate::seal::Seal;
use crate::storage::durable::{Act, Actor};
use crate::storage::{OpenError, Schema, Storage, StorageOptions};
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
    #[error("{0}")]
    Configuration(String),
}

/// Name, logo and colours as the pages take them.
fn brand(config: &Config) -> Result<Brand, AppError> {
    let logo = match &config.brand.logo {
        None => None,
        Some(path) => {
            let unusable = |reason: String| AppError::Configuration(format!("PORTERO_BRAND__LOGO names {}: {reason}", path.display()));
            let bytes = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
            Some(Logo::new(bytes).ok_or_else(|| unusable("it is no SVG, PNG or WebP image".to_owned()))?)
        }
    };
    Ok(Brand::new(&config.brand.name, logo, config.brand.accent.as_deref()))
}

/// The file of breached passwords, open.
fn breached(config: &Config) -> Result<Option<Breached>, AppError> {
    let open = |path: &PathBuf| {
        let unusable = |reason| AppError::Configuration(format!("PORTERO_PASSWORDS__BREACHED names {}: {reason}", path.display()));
        Breached::open(path).map_err(unusable)
    };
    config.passwords.breached.as_ref().map(open).transpose()
}

/// The schema of attributes; without one they are only bounded.
fn schema(config: &Config) -> Result<attributes::Schema, AppError> {
    let Some(path) = &config.attributes_schema else { return Ok(attributes::Schema::default()) };
    let unusable = |reason| AppError::Configuration(format!("PORTERO_ATTRIBUTES_SCHEMA names {}: {reason}", path.display()));
    attributes::Schema::load(path).map_err(unusable)
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

/// How mail leaves, and how it looks.
fn mailer(config: &Config, urls: &Urls, seal: &Seal) -> Result<Mailer, AppError> {
    let unusable = |variable: &str, reason: String| AppError::Configuration(format!("{variable} is not usable: {reason}"));
    let host = urls.origin().rsplit('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit())).map_or(host, |(host, _)| host);
    // A host that is an address is no domain for mail; it is this machine's then.
    let domain = if host.starts_with('[') || host.parse::<std::net::IpAddr>().is_ok() { "localhost" } else { host };
    let delivery = match (&config.mail.smtp_url, &config.mail.outbox) {
        (Some(url), _) => Delivery::Smtp(Smtp::new(url.expose(), domain).map_err(|reason| unusable("PORTERO_SMTP_URL", reason))?),
        (None, Some(folder)) => Delivery::Folder(folder.clone()),
        (None, None) => Delivery::Nowhere,
    };
    let from = config.mail.from.clone().unwrap_or_else(|| format!("no-reply@{domain}"));
    // The colour of the light pages, with white on it.
    let accent = config.brand.accent.as_deref().and_then(Rgb::parse).unwrap_or(Rgb(0x0b, 0x6b, 0x5d)).readable_on(Rgb::WHITE);
    let sender =
        Sender::new(&from, &config.brand.name, &accent.to_string(), domain).map_err(|reason| unusable("PORTERO_MAIL_FROM", reason))?;
    Ok(Mailer::new(delivery, sender, urls.clone(), seal.clone()))
}

impl App {
    /// Opens the stores, loads or makes the signing keys, and puts everything together.
    ///
    /// # Errors
    /// [`AppError`], each naming what to change.
    pub async fn open(config: Config, seal: Seal, clock: Clock, random: Random) -> Result<Self, AppError> {
        let config = Arc::new(config);
        let options = StorageOptions {
            redis_url: config.redis_url.as_ref().map(|url| url.expose().to_owned()),
            ..StorageOptions::new(config.database_url.expose())
        };
        let storage = Storage::open(&options, seal.clone(), Schema::Migrate).await?;
        Self::on(config, storage, seal, clock, random).await
    }

    /// The same on stores that are open already.
    ///
    /// # Errors
    /// [`AppError`].
    pub async fn on(config: Arc<Config>, storage: Storage, seal: Seal, clock: Clock, random: Random) -> Result<Self, AppError> {
        let now = clock.now();
        let policy = KeyPolicy {
            rotate_after: config.keys.rotate_after,
            publish_before: config.keys.publish_before,
            jwks_max_age: config.keys.jwks_max_age,
            // What it signed last, and some skew of whoever verifies it.
            keep: config.tokens.access_token.max(config.tokens.id_token) + Duration::from_secs(300),
            hints: config.sessions.max,
        };
        let keys = KeyRing::load(Arc::clone(&storage.keys), seal.clone(), policy, now).await?;
        let by = Act { actor: Actor::System, client_id: None, address: None, request_id: "start".to_owned() };
        keys.ensure(SigningAlg::RS256, random.bytes(), now, &by).await?;
        let cost = Cost { m: config.passwords.memory_kib, t: config.passwords.iterations, p: config.passwords.lanes };
        let hasher =
            Hasher::new(Settings::of(cost, config.passwords.queue)).map_err(|reason| AppError::Configuration(reason.to_owned()))?;
        let tokens = Tokens {
            issuer: config.issuer.clone(),
            issuer_url: IssuerUrl::new(config.issuer.clone())
                .map_err(|error| AppError::Configuration(format!("PORTERO_ISSUER: {error}")))?,
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
            mailer: mailer(&config, &urls, &seal)?,
            captcha: captcha(&config),
            breached: breached(&config)?,
            attributes: schema(&config)?,
            urls,
            storage,
            tokens,
            hasher,
            limits: Limits { enabled: config.limits },
            clock,
            random,
            brand: brand(&config)?,
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
