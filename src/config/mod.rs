//! Settings: defaults, then the file, then the environment, then flags. A leaf.
//!
//! One file for each section, with its struct, its defaults and its `check`; `reader` turns text into types and knows where each value came
//! from, `source` finds it. Leaves to others: opening stores, and whatever can only be judged with one open (demo rows in production).
//! Called by `cli` (which passes the result to `app`).

mod access;
mod brand;
mod captcha;
mod dialects;
mod keys;
mod later;
mod log;
mod mail;
mod master_key;
mod passwords;
mod people;
mod reader;
mod secret;
mod server;
mod sessions;
mod shutdown;
mod source;
mod stores;
mod tokens;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;

pub use access::PkcePolicy;
pub use brand::Brand;
pub use captcha::{Captcha, CaptchaProvider};
pub use dialects::{DialectMount, LONGEST_ACCESS};
pub use keys::Keys;
pub use log::{Log, LogFormat};
pub use mail::Mail;
pub use master_key::{DEVELOPMENT_FILE, MasterKey, Opened};
pub use passwords::Passwords;
pub use people::SignUp;
pub use reader::{Entry, Problem, Problems, variable};
pub use secret::{MASK, Secret, mask_url};
pub use server::{MANAGEMENT_LISTEN, Mode, ModeReason, is_loopback};
pub use sessions::Sessions;
pub use shutdown::Shutdown;
pub use source::{Inputs, Source};
pub use tokens::Tokens;

use access::Access;
use reader::Reader;
use server::Server;
use stores::Stores;

/// Settings that are secrets: each may also be given as `…_file`, or by the service manager.
const SECRETS: [&str; 5] = ["database_url", "redis_url", "master_key", "smtp_url", "captcha_secret"];

/// Everything that can be set, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub mode: Mode,
    pub mode_reason: ModeReason,
    /// Byte for byte as it was set.
    pub issuer: String,
    pub listen: SocketAddr,
    pub management_listen: SocketAddr,
    pub database_url: Secret,
    /// None: short-lived facts are kept in the process.
    pub redis_url: Option<Secret>,
    pub master_key: MasterKey,
    /// Addresses whose forwarded headers count.
    pub trusted_proxies: Vec<IpNet>,
    /// Networks that outgoing requests may go to although they are private.
    pub fetch_allow: Vec<IpNet>,
    pub pkce: PkcePolicy,
    /// Resources open to every client; `*` is all of them.
    pub resources: Vec<String>,
    /// Off only for tests.
    pub limits: bool,
    /// `/docs` and `/openapi.json` are served.
    pub docs: bool,
    /// Old services whose requests are answered.
    pub dialects: Vec<DialectMount>,
    pub tokens: Tokens,
    pub sessions: Sessions,
    pub passwords: Passwords,
    pub keys: Keys,
    pub mail: Mail,
    pub sign_up: SignUp,
    pub captcha: Captcha,
    /// The JSON Schema that attributes of people are held to.
    pub attributes_schema: Option<PathBuf>,
    pub brand: Brand,
    pub log: Log,
    pub shutdown: Shutdown,
    /// The issuer follows from the listen address, because nobody set it.
    pub issuer_derived: bool,
}

/// A configuration with what there is to say about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    /// The effective settings with their sources, secrets masked.
    pub entries: Vec<Entry>,
    pub warnings: Vec<String>,
}

/// A development server with nothing set: what tests start from.
impl Default for Config {
    fn default() -> Self {
        let Stores { database_url, redis_url } = Stores::default();
        Self {
            mode: Mode::Development,
            mode_reason: ModeReason::Loopback,
            issuer: server::issuer_of(server::LISTEN),
            listen: server::LISTEN,
            management_listen: MANAGEMENT_LISTEN,
            database_url,
            redis_url,
            master_key: MasterKey::Development(DEVELOPMENT_FILE.into()),
            trusted_proxies: Vec::new(),
            fetch_allow: Vec::new(),
            pkce: PkcePolicy::All,
            resources: vec!["*".to_owned()],
            limits: true,
            docs: true,
            dialects: Vec::new(),
            tokens: Tokens::default(),
            sessions: Sessions::default(),
            passwords: Passwords::default(),
            keys: Keys::default(),
            mail: Mail::default(),
            sign_up: SignUp::Open,
            captcha: Captcha::default(),
            attributes_schema: None,
            brand: Brand::default(),
            log: Log::default(),
            shutdown: Shutdown::default(),
            issuer_derived: true,
        }
    }
}

impl Config {
    /// Reads and checks everything.
    ///
    /// # Errors
    /// All that is wrong, not only the first.
    pub fn load(inputs: &Inputs) -> Result<Loaded, Problems> {
        let (loaded, problems) = Self::look(inputs);
        if problems.0.is_empty() { Ok(loaded) } else { Err(problems) }
    }

    /// The same for whoever looks further: a setting that is wrong has its default, and stands among the problems.
    #[must_use]
    pub fn look(inputs: &Inputs) -> (Loaded, Problems) {
        let mut problems = Vec::new();
        let found = source::gather(inputs, &mut problems);
        let mut reader = Reader::new(&found);
        let config = Self::read(&mut reader, inputs);
        let (entries, wrong, warnings) = reader.finish();
        problems.extend(wrong);
        // Somebody who only tries it out should not have to guess why so much is asked for.
        if !problems.is_empty() && config.mode_reason == ModeReason::Elsewhere {
            let reason = format!("is not set, and this is taken for production: {}", config.mode_reason);
            problems.push(Problem { setting: variable("env"), reason, example: Some("PORTERO_ENV=development".to_owned()) });
        }
        (Loaded { config, entries, warnings }, Problems(problems))
    }

    fn read(reader: &mut Reader<'_>, inputs: &Inputs) -> Self {
        let server = Server::read(reader);
        let development = server.mode == Mode::Development;
        let production = !development;
        let stores = Stores::read(reader);
        let master_key = MasterKey::read(reader, development, &inputs.directory);
        let access = Access::read(reader, development);
        let dialects = reader.get("dialects", Vec::new());
        let tokens = Tokens::read(reader);
        let sessions = Sessions::read(reader);
        let passwords = Passwords::read(reader);
        let keys = Keys::read(reader);
        let mail = Mail::read(reader, development);
        let sign_up = SignUp::read(reader, development);
        let captcha = Captcha::read(reader);
        let attributes_schema = reader.optional("attributes_schema");
        let brand = Brand::read(reader);
        let log = Log::read(reader);
        let shutdown = Shutdown::read(reader, development);
        later::read(reader);

        server.check(reader);
        stores.check(reader);
        access.check(reader, production);
        tokens.check(reader);
        sessions.check(reader);
        passwords.check(reader, production);
        keys.check(reader);
        mail.check(reader, production);
        sign_up.check(reader, &mail, production);
        captcha.check(reader);
        brand.check(reader);
        log.check(reader);
        shutdown.check(reader);
        reader.judge_secret_files(production);

        Self {
            mode: server.mode,
            mode_reason: server.mode_reason,
            issuer: server.issuer,
            listen: server.listen,
            management_listen: server.management_listen,
            database_url: stores.database_url,
            redis_url: stores.redis_url,
            master_key,
            trusted_proxies: access.trusted_proxies,
            fetch_allow: access.fetch_allow,
            pkce: access.pkce,
            resources: access.resources,
            limits: access.limits,
            docs: access.docs,
            dialects,
            tokens,
            sessions,
            passwords,
            keys,
            mail,
            sign_up,
            captcha,
            attributes_schema,
            brand,
            log,
            shutdown,
            issuer_derived: server.issuer_derived,
        }
    }

    /// The management address alone, for whoever asks a server that runs already: nothing else needs to be right for that.
    ///
    /// # Errors
    /// Where that one setting is wrong.
    pub fn management_listen(inputs: &Inputs) -> Result<SocketAddr, Problems> {
        let mut problems = Vec::new();
        let found = source::gather(inputs, &mut problems);
        let mut reader = Reader::new(&found);
        let address = reader.get("management_listen", MANAGEMENT_LISTEN);
        problems.extend(reader.into_problems());
        if problems.is_empty() { Ok(address) } else { Err(Problems(problems)) }
    }

    #[must_use]
    pub fn is_development(&self) -> bool {
        self.mode == Mode::Development
    }

    /// The address that was bound: where port 0 was asked for, and the issuer follows from the address, it is known only now.
    pub fn settle(&mut self, bound: SocketAddr) {
        self.listen = bound;
        if self.issuer_derived {
            self.issuer = server::issuer_of(bound);
        }
    }
}

/// A length of time as settings write it, for flags: `30s`, `24h`.
///
/// # Errors
/// What is wrong with it.
pub fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    <std::time::Duration as reader::Setting>::parse(&source::Raw::Text(text.to_owned()))
}
