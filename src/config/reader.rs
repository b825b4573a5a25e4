//! Reading settings one by one: their types, what is wrong with them, where they came from.
//!
//! A section asks for a key by name; asking is what makes the key known, so there is no second list to forget. Problems are gathered and
//! told together. Called by the sections of this room.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;

use super::secret::Secret;
use super::source::{Found, Layer, Raw, Source};

/// Something that keeps the server from starting: the setting, why, and what would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// As it is set: an environment name, and the key of the file where it stands there.
    pub setting: String,
    pub reason: String,
    /// A line that would do.
    pub example: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.setting, self.reason)?;
        match &self.example {
            Some(example) => write!(f, "\n    example: {example}"),
            None => Ok(()),
        }
    }
}

/// Everything that is wrong, told at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            write!(f, "{}{problem}", if n == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// The environment name of a key: `tokens.refresh_retry` is `PORTERO_TOKENS__REFRESH_RETRY`.
#[must_use]
pub fn variable(key: &str) -> String {
    format!("PORTERO_{}", key.replace('.', "__").to_uppercase())
}

/// One setting as `config print` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    /// With secrets masked; none where it is not set and has no default.
    pub value: Option<String>,
    pub source: Source,
}

/// A type that a setting may have.
pub trait Setting: Sized {
    /// # Errors
    /// What is wrong, in words that follow the name of the setting.
    fn parse(raw: &Raw) -> Result<Self, String>;
    /// As it would be written.
    fn show(&self) -> String;
}

/// Gathers settings, problems and warnings.
pub struct Reader<'a> {
    found: &'a BTreeMap<String, Found>,
    asked: BTreeSet<String>,
    entries: Vec<Entry>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
    loose: Vec<(String, Loose)>,
}

/// A file with a secret that others on the machine may read.
struct Loose {
    path: PathBuf,
    mode: u32,
}

impl<'a> Reader<'a> {
    #[must_use]
    pub fn new(found: &'a BTreeMap<String, Found>) -> Self {
        Self { found, asked: BTreeSet::new(), entries: Vec::new(), problems: Vec::new(), warnings: Vec::new(), loose: Vec::new() }
    }

    /// The value of `key`, or `default`.
    pub fn get<T: Setting>(&mut self, key: &str, default: T) -> T {
        let given = self.given(key);
        let source = given.as_ref().map_or(Source::Default, |(_, source)| source.clone());
        let value = given.map_or(default, |(value, _)| value);
        self.note(key, Some(value.show()), source);
        value
    }

    /// The value of `key`, which may be missing.
    pub fn optional<T: Setting>(&mut self, key: &str) -> Option<T> {
        match self.given(key) {
            Some((value, source)) => {
                self.note(key, Some(T::show(&value)), source);
                Some(value)
            }
            None => {
                self.note(key, None, Source::Default);
                None
            }
        }
    }

    fn given<T: Setting>(&mut self, key: &str) -> Option<(T, Source)> {
        self.asked.insert(key.to_owned());
        let found = self.found.get(key)?;
        match T::parse(&found.raw) {
            Ok(value) => Some((value, found.source.clone())),
            Err(reason) => {
                self.problem(key, reason, None);
                None
            }
        }
    }

    /// A secret: as `key`, or in the file that `key_file` names. Both from the same place is an error; otherwise the stronger place wins.
    pub fn secret(&mut self, key: &str) -> Option<(Secret, Source)> {
        let file_key = format!("{key}_file");
        self.asked.insert(key.to_owned());
        self.asked.insert(file_key.clone());
        let (direct, file) = (self.found.get(key), self.found.get(&file_key));
        let chosen = match (direct, file) {
            (Some(direct), Some(file)) if direct.layer == file.layer => {
                let reason = format!("{} is set, too; one of the two is meant", variable(&file_key));
                self.problem(key, reason, None);
                return None;
            }
            (Some(direct), Some(file)) => Some(if direct.layer > file.layer { (direct, false) } else { (file, true) }),
            (Some(direct), None) => Some((direct, false)),
            (None, file) => file.map(|file| (file, true)),
        };
        let (found, in_file) = chosen?;
        let Raw::Text(text) = &found.raw else {
            self.problem(key, "must be one text, not a list".to_owned(), None);
            return None;
        };
        if !in_file && found.layer != Layer::Credential {
            return Some((Secret::new(text.clone()), found.source.clone()));
        }
        let path = PathBuf::from(text);
        let named = if in_file { file_key.as_str() } else { key };
        match read_secret_file(&path) {
            Ok((secret, mode)) => {
                // systemd and container runtimes hand secrets over in places of their own, whatever their mode.
                if mode & 0o077 != 0 && found.layer != Layer::Credential && !path.starts_with("/run/secrets") {
                    self.loose.push((named.to_owned(), Loose { path: path.clone(), mode }));
                }
                Some((secret, Source::Secret(path, Box::new(found.source.clone()))))
            }
            Err(reason) => {
                self.problem(named, reason, None);
                None
            }
        }
    }

    /// Notes the effective value of a key; `shown` has secrets masked already.
    pub fn note(&mut self, key: &str, shown: Option<String>, source: Source) {
        self.asked.insert(key.to_owned());
        self.entries.retain(|entry| entry.key != key);
        self.entries.push(Entry { key: key.to_owned(), value: shown, source });
    }

    /// Notes that `key` is not as it must be.
    pub fn problem(&mut self, key: &str, reason: String, example: Option<&str>) {
        let setting = match self.found.get(key).map(|found| &found.source) {
            Some(Source::File(path)) => format!("{key} in {} ({})", path.display(), variable(key)),
            Some(Source::Flag(flag)) => format!("{flag} ({})", variable(key)),
            _ => variable(key),
        };
        let example = example.map(|value| format!("{}={value}", variable(key)));
        self.problems.push(Problem { setting, reason, example });
    }

    /// Notes a problem whose example is about another setting.
    pub fn refuse(&mut self, problem: Problem) {
        self.problems.push(problem);
    }

    /// Notes something that does not keep the server from starting.
    pub fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    #[must_use]
    pub fn is_set(&self, key: &str) -> bool {
        self.found.contains_key(key)
    }

    /// Files with secrets that others may read: refused in production where everybody may, else worth a warning.
    pub fn judge_secret_files(&mut self, production: bool) {
        for (key, Loose { path, mode }) in std::mem::take(&mut self.loose) {
            let whom = if mode & 0o007 != 0 { "everybody on this machine" } else { "its group" };
            let reason =
                format!("{} may be used by {whom} (mode {:04o}); do: chmod 0400 {}", path.display(), mode & 0o7777, path.display());
            if production && mode & 0o007 != 0 {
                self.problem(&key, reason, None);
            } else {
                self.warn(format!("{}: {reason}", variable(&key)));
            }
        }
    }

    /// What is wrong with the settings that were asked for.
    #[must_use]
    pub fn into_problems(self) -> Vec<Problem> {
        self.problems
    }

    /// Whatever was found and never asked for is a mistake; the nearest known key is named.
    #[must_use]
    pub fn finish(mut self) -> (Vec<Entry>, Vec<Problem>, Vec<String>) {
        for (key, found) in self.found {
            if !self.asked.contains(key) {
                let nearest = nearest(key, &self.asked);
                let (setting, hint) = match &found.source {
                    Source::File(path) => (format!("{key} in {}", path.display()), nearest.map(str::to_owned)),
                    source => (source.to_string(), nearest.map(variable)),
                };
                let reason = match hint {
                    Some(hint) => format!("there is no such setting; did you mean {hint}?"),
                    None => "there is no such setting".to_owned(),
                };
                self.problems.push(Problem { setting, reason, example: None });
            }
        }
        self.entries.sort_by(|a, b| (a.key.contains('.'), &a.key).cmp(&(b.key.contains('.'), &b.key)));
        (self.entries, self.problems, self.warnings)
    }
}

/// The known key that looks most like `key`: the whole of it, or its last part under another table.
fn nearest<'k>(key: &str, known: &'k BTreeSet<String>) -> Option<&'k str> {
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    known
        .iter()
        .map(|candidate| {
            let whole = strsim::jaro_winkler(key, candidate);
            let part = if last(key) == last(candidate) { 0.95 } else { 0.0 };
            (if whole > part { whole } else { part }, candidate)
        })
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate.as_str())
}

/// The content of a secret's file without its last line end, and the file's mode.
fn read_secret_file(path: &Path) -> Result<(Secret, u32), String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let trimmed = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
    if trimmed.is_empty() {
        return Err(format!("{} is empty", path.display()));
    }
    Ok((Secret::new(trimmed.to_owned()), mode_of(path)))
}

#[cfg(unix)]
fn mode_of(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).map_or(0, |metadata| metadata.permissions().mode())
}

#[cfg(not(unix))]
fn mode_of(_: &Path) -> u32 {
    0
}

fn text(raw: &Raw) -> Result<&str, String> {
    match raw {
        Raw::Text(text) => Ok(text.trim()),
        Raw::List(_) => Err("must be one value, not a list".to_owned()),
    }
}

impl Setting for String {
    fn parse(raw: &Raw) -> Result<Self, String> {
        text(raw).map(str::to_owned)
    }
    fn show(&self) -> String {
        self.clone()
    }
}

impl Setting for PathBuf {
    fn parse(raw: &Raw) -> Result<Self, String> {
        text(raw).map(Self::from)
    }
    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Setting for bool {
    fn parse(raw: &Raw) -> Result<Self, String> {
        match text(raw)? {
            "on" | "true" => Ok(true),
            "off" | "false" => Ok(false),
            other => Err(format!("{other} is neither on nor off")),
        }
    }
    fn show(&self) -> String {
        (if *self { "on" } else { "off" }).to_owned()
    }
}

impl Setting for u32 {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = text(raw)?;
        text.parse().map_err(|_| format!("{text} is not a whole number from 0 to {}", Self::MAX))
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for SocketAddr {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = text(raw)?;
        text.parse().map_err(|_| format!("{text} is not an address with a port, such as 127.0.0.1:8080 or [::1]:8080"))
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

impl Setting for IpNet {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = text(raw)?;
        text.parse()
            .or_else(|_| text.parse::<std::net::IpAddr>().map(Self::from))
            .map(|net| net.trunc())
            .map_err(|_| format!("{text} is neither an address nor a network, such as 10.0.0.7 or 10.0.0.0/8"))
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

/// In the environment and on the command line a list is separated by commas or spaces.
impl<T: Setting> Setting for Vec<T> {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let one = |item: &str| T::parse(&Raw::Text(item.to_owned()));
        match raw {
            Raw::Text(text) => text.split([',', ' ', '\n', '\t']).filter(|item| !item.is_empty()).map(one).collect(),
            Raw::List(items) => items.iter().map(|item| one(item)).collect(),
        }
    }
    fn show(&self) -> String {
        self.iter().map(Setting::show).collect::<Vec<_>>().join(",")
    }
}

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Written with its unit: `500ms`, `30s`, `15m`, `24h`, `90d`, `1h30m`. Zero needs none.
impl Setting for Duration {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = text(raw)?;
        let wrong = || format!("{text} is not a length of time with its unit, such as 30s, 15m, 24h or 90d");
        if text == "0" {
            return Ok(Self::ZERO);
        }
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!("{text} lacks its unit: {text}s, {text}m, {text}h or {text}d?"));
        }
        let (mut rest, mut total) = (text, 0u64);
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let letters = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
            let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
            let unit = &rest[digits..digits + letters];
            let (_, milliseconds) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
            total = number.checked_mul(*milliseconds).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
            rest = &rest[digits + letters..];
        }
        if text.is_empty() { Err(wrong()) } else { Ok(Self::from_millis(total)) }
    }

    fn show(&self) -> String {
        let milliseconds = u64::try_from(self.as_millis()).unwrap_or(u64::MAX);
        let (unit, size) = UNITS.iter().rev().find(|(_, size)| milliseconds % size == 0).expect("every number is a multiple of 1 ms");
        if milliseconds == 0 { "0s".to_owned() } else { format!("{}{unit}", milliseconds / size) }
    }
}

/// A closed vocabulary: `choices!(Mode { Development: "development", … })` names each word once.
macro_rules! choices {
    ($type:ident { $($variant:ident: $word:literal),+ $(,)? }) => {
        impl $type {
            /// As it is written in settings.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
        impl crate::config::reader::Setting for $type {
            fn parse(raw: &crate::config::source::Raw) -> Result<Self, String> {
                let word = String::parse(raw)?;
                match word.as_str() {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("{word} is none of {}", [$($word),+].join(", "))),
                }
            }
            fn show(&self) -> String {
                self.as_str().to_owned()
            }
        }
    };
}
pub(super) use choices;

#[cfg(test)]
mod tests {
    use super::*;

    fn duration(text: &str) -> Result<Duration, String> {
        Duration::parse(&Raw::Text(text.to_owned()))
    }

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("15m"), Ok(Duration::from_secs(900)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        for wrong in ["", "15", "m", "15 m", "15x", "-1s", "1.5h", "99999999999999999999d", "184467440737095516d"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        for shown in ["15m", "90d", "30s", "250ms", "0s", "36h"] {
            assert_eq!(duration(shown).expect("valid").show(), shown);
        }
    }

    #[test]
    fn lists_are_written_either_way() {
        let nets = Vec::<IpNet>::parse(&Raw::Text("10.1.2.3/8, 192.0.2.7".to_owned())).expect("valid");
        assert_eq!(nets.show(), "10.0.0.0/8,192.0.2.7/32");
        assert!(Vec::<IpNet>::parse(&Raw::List(vec!["proxy.example".to_owned()])).is_err());
    }

    #[test]
    fn a_key_has_one_name_in_the_environment() {
        assert_eq!(variable("tokens.refresh_retry"), "PORTERO_TOKENS__REFRESH_RETRY");
        assert_eq!(variable("database_url"), "PORTERO_DATABASE_URL");
    }
}
