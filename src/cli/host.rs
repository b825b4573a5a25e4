//! What commands work on: the configured stores, opened the way the server opens them.

use std::path::PathBuf;

use crate::accounts::attributes;
use crate::accounts::authenticate::Parts;
use crate::accounts::breached::Breached;
use crate::accounts::desk::{Asking, Desk, House, SignUpPolicy};
use crate::accounts::limits::Limits;
use crate::accounts::password::{Cost, Hasher, Settings};
use crate::accounts::password_rules::Rules;
use crate::app::{self, storage_options};
use crate::clock::{Clock, Random, Time};
use crate::config::{Config, Loaded, LogFormat, Source};
use crate::i18n::Lang;
use crate::jobs;
use crate::keys::rotation::Policy;
use crate::keys::{KeyError, KeyRing};
use crate::protocol::client::Client;
use crate::seal::Seal;
use crate::storage::durable::{Act, Actor};
use crate::storage::{Schema, Storage};
use crate::telemetry::{self, Program, Style};
use crate::urls::Urls;

use super::output::hint;
use super::serve::locale;
use super::{Failure, Global};

/// Stores and secrets of the configured deployment.
pub struct Host {
    pub config: Config,
    pub storage: Storage,
    pub seal: Seal,
    pub clock: Clock,
    pub random: Random,
}

impl Host {
    /// Opens the stores. In development a database that is not there yet is made, as the server would; in production its schema must be
    /// there.
    pub async fn open(global: &Global) -> Result<Self, Failure> {
        let Loaded { config, .. } = Config::load(&global.inputs(Vec::new()))?;
        start_log(&config, Program::Command);
        let random = Random::System;
        let Sealing { seal, created } = sealing(&config, &random)?;
        let schema = if config.is_development() { Schema::Migrate } else { Schema::Require };
        let storage = Storage::open(&storage_options(&config), seal.clone(), schema).await.map_err(Failure::refused)?;
        // What is made under another key than the server's could never be opened by it.
        let mine = seal.fingerprint();
        let known = storage.keys.fingerprint(&mine).await.map_err(Failure::refused)?;
        if known != mine {
            return Err(other_master_key(&KeyError::OtherMasterKey { mine, known }, created));
        }
        Ok(Self { config, storage, seal, clock: Clock::System, random })
    }

    /// Waits until every server has seen a change of what it keeps in memory (clients, keys): "done" is true everywhere when it is said.
    pub async fn seen(&self) {
        tokio::time::sleep(jobs::SEEN).await;
    }

    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// Whoever can run a command on the host is its operator.
    pub fn act(&self) -> Act {
        let id = uuid::Builder::from_random_bytes(self.random.bytes()).into_uuid().simple();
        Act { actor: Actor::Operator, client_id: None, address: None, request_id: format!("cli-{id}") }
    }

    pub fn urls(&self) -> Urls {
        Urls::new(&self.config.issuer)
    }

    pub fn hasher(&self) -> Result<Hasher, Failure> {
        let passwords = &self.config.passwords;
        let cost = Cost { m: passwords.memory_kib, t: passwords.iterations, p: passwords.lanes };
        Hasher::new(Settings::of(cost, passwords.queue)).map_err(Failure::refused)
    }

    /// What attributes of people are held to.
    pub fn attributes(&self) -> Result<attributes::Schema, Failure> {
        app::schema(&self.config).map_err(Failure::refused)
    }

    /// The file of breached passwords, open, where there is one.
    pub fn breached(&self) -> Result<Option<Breached>, Failure> {
        app::breached(&self.config).map_err(Failure::refused)
    }

    /// What is asked of a new password: the same as on the pages.
    pub fn rules<'a>(&self, breached: Option<&'a Breached>) -> Rules<'a> {
        Rules { strength: self.config.passwords.strength(), breached, ..Rules::default() }
    }

    /// What operations on accounts need beside the stores.
    pub fn desk_parts(&self) -> Result<DeskParts, Failure> {
        Ok(DeskParts { hasher: self.hasher()?, breached: self.breached()?, schema: self.attributes()? })
    }

    /// What operations on accounts work with.
    pub fn desk<'a>(&'a self, parts: &'a DeskParts) -> Desk<'a> {
        let door = Parts::of(&self.storage, &self.seal, &parts.hasher, Limits { enabled: true });
        let house = House { rules: self.rules(parts.breached.as_ref()), schema: &parts.schema, sign_up: SignUpPolicy::Closed };
        Desk::new(door, &self.storage, &self.random, house)
    }

    /// The operator asks. Somebody whose language is not known is written to in that of the host.
    pub fn asking<'a>(&self, by: &'a Act) -> Asking<'a> {
        Asking { lang: Lang::from_posix(&locale()), device: None, now: self.now(), by }
    }

    pub async fn keys(&self) -> Result<KeyRing, Failure> {
        let policy = key_policy(&self.config);
        KeyRing::load(self.storage.keys.clone(), self.seal.clone(), policy, self.now()).await.map_err(Failure::refused)
    }

    /// Makes the keys that a client's tokens are signed with, so that they are published before the first of them.
    pub async fn ensure_keys(&self, client: &Client) -> Result<(), Failure> {
        let (ring, by) = (self.keys().await?, self.act());
        ring.ensure_for(client, || self.random.bytes(), self.now(), &by).await.map_err(Failure::refused)
    }
}

/// See [`Host::desk_parts`].
pub struct DeskParts {
    hasher: Hasher,
    breached: Option<Breached>,
    schema: attributes::Schema,
}

/// The seal, and the file of a master key that was made just now.
pub struct Sealing {
    pub seal: Seal,
    pub created: Option<PathBuf>,
}

/// Opens the master key; a development server without one gets one.
pub fn sealing(config: &Config, random: &Random) -> Result<Sealing, Failure> {
    let opened = config.master_key.open(|| random.bytes()).map_err(Failure::refused)?;
    Ok(Sealing { seal: Seal::new(&opened.key), created: opened.created })
}

/// A new key over an old database is a mistake; the key is taken back, so that the old one can be put in its place.
pub fn other_master_key(error: &KeyError, created: Option<PathBuf>) -> Failure {
    match created {
        Some(path) => {
            let _ = std::fs::remove_file(&path);
            Failure::Refused(format!(
                "{} is missing, and the database was set up with a master key: put the file back from its backup, or remove the database to \
                 start afresh",
                path.display()
            ))
        }
        None => Failure::refused(error),
    }
}

/// The times of keys; what was signed last must stay verifiable until it is over.
fn key_policy(config: &Config) -> Policy {
    Policy {
        rotate_after: config.keys.rotate_after,
        publish_before: config.keys.publish_before,
        jwks_max_age: config.keys.jwks_max_age,
        keep: config.tokens.access_token.max(config.tokens.id_token) + std::time::Duration::from_secs(300),
        hints: config.sessions.max,
    }
}

pub fn start_log(config: &Config, program: Program) {
    let style = match config.log.format {
        LogFormat::Auto => None,
        LogFormat::Json => Some(Style::Json),
        LogFormat::Pretty => Some(Style::Pretty),
    };
    // A command speaks through its answer; its log is for what goes wrong.
    let level = if program == Program::Command && config.log.level == "info" { "warn" } else { &config.log.level };
    telemetry::start_log(program, style, level);
}

/// The key file of a development server, where that is where the key comes from.
pub fn key_file(loaded: &Loaded) -> Option<PathBuf> {
    loaded.entries.iter().find(|entry| entry.key == "master_key").and_then(|entry| match &entry.source {
        Source::Secret(path, _) | Source::File(path) => Some(path.clone()),
        _ => None,
    })
}

/// The whole of standard input, without its last line end.
pub fn read_stdin(what: &str) -> Result<zeroize::Zeroizing<String>, Failure> {
    use std::io::{IsTerminal as _, Read as _};
    if std::io::stdin().is_terminal() {
        hint(&format!("{what} on standard input, then Ctrl-D:"));
    }
    let mut text = zeroize::Zeroizing::new(String::new());
    std::io::stdin().read_to_string(&mut text).map_err(|error| Failure::Refused(format!("standard input: {error}")))?;
    let length = text.strip_suffix('\n').map_or(text.len(), |text| text.strip_suffix('\r').unwrap_or(text).len());
    text.truncate(length);
    Ok(text)
}

/// A JSON object from a file, or from standard input for `-`.
pub fn read_object(path: &std::path::Path) -> Result<serde_json::Map<String, serde_json::Value>, Failure> {
    let text = if path == std::path::Path::new("-") {
        read_stdin("JSON")?.to_string()
    } else {
        std::fs::read_to_string(path).map_err(|error| Failure::Refused(format!("{}: {error}", path.display())))?
    };
    serde_json::from_str(&text).map_err(|error| Failure::Refused(format!("{}: not a JSON object: {error}", path.display())))
}
