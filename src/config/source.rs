//! Where settings come from: the file, credentials of the service manager, the environment, flags; the later wins.
//!
//! Owns: finding and flattening them to `key → value`. Leaves to others: what a key means (`reader` and the sections).

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use config::{FileFormat, Value, ValueKind};

use super::reader::Problem;

/// A value as it was found, before anybody knows its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Raw {
    Text(String),
    List(Vec<String>),
}

/// Which place is stronger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    File,
    Credential,
    Environment,
    Flag,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Default,
    File(PathBuf),
    Credential(PathBuf),
    Environment(String),
    Flag(&'static str),
    /// A secret read from a file that another source names.
    Secret(PathBuf, Box<Source>),
    /// It follows from other settings.
    Derived(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Credential(path) => write!(f, "credential {}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(flag) => f.write_str(flag),
            Self::Secret(path, by) => write!(f, "{by}: {}", path.display()),
            Self::Derived(from) => f.write_str(from),
        }
    }
}

/// A value with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub raw: Raw,
    pub layer: Layer,
    pub source: Source,
}

/// What the settings are read from: the process's own, or what a test makes up.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// `--config`; `PORTERO_CONFIG` otherwise, and `portero.toml` in `directory` where it exists.
    pub file: Option<PathBuf>,
    pub environment: BTreeMap<String, String>,
    /// Flag, key, value.
    pub flags: Vec<(&'static str, &'static str, String)>,
    /// What relative paths start from; empty is the working directory.
    pub directory: PathBuf,
}

impl Inputs {
    /// The environment of this process. A name or value that is not UTF-8 cannot be a setting and shows up as an unknown one.
    #[must_use]
    pub fn of_process(file: Option<PathBuf>, flags: Vec<(&'static str, &'static str, String)>) -> Self {
        let environment = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
            .filter(|(name, _)| name.starts_with(PREFIX) || name == CREDENTIALS)
            .collect();
        Self { file, environment, flags, directory: PathBuf::new() }
    }
}

const PREFIX: &str = "PORTERO_";
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// Names with our prefix that are not settings: those of test tools, and those that Kubernetes sets for a service called `portero`.
const NOT_SETTINGS: [&str; 6] =
    ["PORTERO_CONFIG", "PORTERO_URL", "PORTERO_BIN", "PORTERO_PORT", "PORTERO_SERVICE_HOST", "PORTERO_SERVICE_PORT"];
const NOT_SETTINGS_BEFORE: [&str; 3] = ["PORTERO_TEST_", "PORTERO_PORT_", "PORTERO_SERVICE_PORT_"];

/// All that was found, the strongest place for each key.
pub fn gather(inputs: &Inputs, problems: &mut Vec<Problem>) -> BTreeMap<String, Found> {
    let mut found = BTreeMap::new();
    let named = inputs.file.clone().or_else(|| inputs.environment.get("PORTERO_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from));
    let usual = inputs.directory.join("portero.toml");
    if let Some(path) = named.or_else(|| usual.is_file().then_some(usual)) {
        match read_file(&path) {
            Ok(values) => found.extend(values),
            Err(reason) => problems.push(Problem { setting: path.display().to_string(), reason, example: None }),
        }
    }
    if let Some(directory) = inputs.environment.get(CREDENTIALS).filter(|path| !path.is_empty()) {
        found.extend(credentials(Path::new(directory)));
    }
    for (name, value) in &inputs.environment {
        let setting = name.starts_with(PREFIX)
            && !NOT_SETTINGS.contains(&name.as_str())
            && !NOT_SETTINGS_BEFORE.iter().any(|before| name.starts_with(before));
        // Compose files and unit files pass on variables that are empty where nobody set them.
        if setting && !value.is_empty() {
            let key = name[PREFIX.len()..].to_lowercase().replace("__", ".");
            found
                .insert(key, Found { raw: Raw::Text(value.clone()), layer: Layer::Environment, source: Source::Environment(name.clone()) });
        }
    }
    for (flag, key, value) in &inputs.flags {
        found.insert((*key).to_owned(), Found { raw: Raw::Text(value.clone()), layer: Layer::Flag, source: Source::Flag(flag) });
    }
    found
}

fn read_file(path: &Path) -> Result<BTreeMap<String, Found>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot be read: {error}"))?;
    let parsed = config::Config::builder().add_source(config::File::from_str(&text, FileFormat::Toml)).build();
    let parsed = parsed.map_err(|error| format!("is not TOML: {error}"))?;
    let mut flat = BTreeMap::new();
    flatten(&parsed.cache, String::new(), &mut flat);
    let with_place = |raw| Found { raw, layer: Layer::File, source: Source::File(path.to_owned()) };
    Ok(flat.into_iter().map(|(key, raw)| (key, with_place(raw))).collect())
}

fn flatten(value: &Value, key: String, flat: &mut BTreeMap<String, Raw>) {
    match &value.kind {
        ValueKind::Table(table) => {
            for (name, value) in table {
                flatten(value, if key.is_empty() { name.clone() } else { format!("{key}.{name}") }, flat);
            }
        }
        ValueKind::Array(items) => {
            flat.insert(key, Raw::List(items.iter().map(ToString::to_string).collect()));
        }
        ValueKind::Nil => {}
        _ => {
            flat.insert(key, Raw::Text(value.to_string()));
        }
    }
}

/// systemd's `LoadCredential=master_key:…`: a file for each secret, named by its key.
fn credentials(directory: &Path) -> BTreeMap<String, Found> {
    super::SECRETS
        .iter()
        .map(|key| (key, directory.join(key)))
        .filter(|(_, path)| path.is_file())
        .map(|(key, path)| {
            let raw = Raw::Text(path.display().to_string());
            ((*key).to_owned(), Found { raw, layer: Layer::Credential, source: Source::Credential(path) })
        })
        .collect()
}
