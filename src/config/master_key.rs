//! `master_key`: what everything at rest is sealed under. In development it is made at the first start and kept in `keys/master.key`.

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::reader::{Problem, Reader, variable};
use super::secret::MASK;
use super::source::Source;

/// Where a development server keeps its key.
pub const DEVELOPMENT_FILE: &str = "keys/master.key";

/// The master key, or where it is to be found.
#[derive(Clone, PartialEq, Eq)]
pub enum MasterKey {
    Given(Zeroizing<[u8; 32]>),
    /// The development server's own file, made when it is first needed.
    Development(PathBuf),
    /// Production without one; refused by `check`.
    Missing,
}

/// An opened master key.
pub struct Opened {
    pub key: Zeroizing<[u8; 32]>,
    /// The file that was made for it just now.
    pub created: Option<PathBuf>,
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(_) => f.write_str(MASK),
            Self::Development(path) => write!(f, "Development({})", path.display()),
            Self::Missing => f.write_str("Missing"),
        }
    }
}

impl MasterKey {
    pub(super) fn read(reader: &mut Reader<'_>, development: bool, directory: &Path) -> Self {
        let named = reader.is_set("master_key") || reader.is_set("master_key_file");
        match reader.secret("master_key") {
            Some((text, source)) => {
                reader.note("master_key", Some(MASK.to_owned()), source);
                match decode(text.expose()) {
                    Some(key) => return Self::Given(key),
                    None => reader.problem(
                        "master_key",
                        "is not 32 random bytes, as base64 (43 characters) or in hexadecimal (64); make one with: openssl rand -hex 32"
                            .to_owned(),
                        None,
                    ),
                }
                Self::Missing
            }
            // It was named, and what is wrong with it is told already.
            None if named => Self::Missing,
            None if development => {
                let path = directory.join(DEVELOPMENT_FILE);
                reader.note("master_key", Some(MASK.to_owned()), Source::File(path.clone()));
                Self::Development(path)
            }
            None => {
                reader.note("master_key", None, Source::Default);
                reader.refuse(missing(
                    "is not set: in production the key that everything at rest is sealed under comes from you, the same for every replica. Make \
                     one with: openssl rand -hex 32, and keep it in a file that only the server may read"
                        .to_owned(),
                ));
                Self::Missing
            }
        }
    }

    /// The 32 bytes. A development server without a key gets one, made of `fresh`; two starting at once agree on one.
    ///
    /// # Errors
    /// Where the development server's file cannot be read, understood or made.
    pub fn open(&self, fresh: impl FnOnce() -> [u8; 32]) -> Result<Opened, Problem> {
        match self {
            Self::Given(key) => Ok(Opened { key: key.clone(), created: None }),
            Self::Development(path) => {
                let problem = |reason: String| missing(format!("{}: {reason}", path.display()));
                let absent = !path.exists();
                if absent {
                    create(path, &Zeroizing::new(fresh())).map_err(|error| problem(format!("cannot be made: {error}")))?;
                }
                let text = std::fs::read_to_string(path).map_err(|error| problem(format!("cannot be read: {error}")))?;
                let text = Zeroizing::new(text);
                let key = decode(text.trim()).ok_or_else(|| {
                    problem("does not hold a master key; restore it, or remove it together with the database to start afresh".to_owned())
                })?;
                Ok(Opened { key, created: absent.then(|| path.clone()) })
            }
            Self::Missing => Err(missing("is not set".to_owned())),
        }
    }
}

/// The key is best given in a file: the environment is read by more than one program.
fn missing(reason: String) -> Problem {
    let example = format!("{}=/run/secrets/portero_master_key", variable("master_key_file"));
    Problem { setting: variable("master_key"), reason, example: Some(example) }
}

/// Written whole under another name and then linked: of two that try, one file stays, and nobody sees half of it.
fn create(path: &Path, key: &[u8; 32]) -> std::io::Result<()> {
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory)?;
    }
    let draft = path.with_extension(format!("key.{}", std::process::id()));
    let written = write_private(&draft, Zeroizing::new(URL_SAFE_NO_PAD.encode(key)).as_bytes()).and_then(|()| {
        match std::fs::hard_link(&draft, path) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            // Some file systems know no links.
            Err(_) => std::fs::rename(&draft, path),
            Ok(()) => Ok(()),
        }
    });
    let _ = std::fs::remove_file(&draft);
    written
}

fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// 32 bytes as base64, either alphabet, padded or not, or in hexadecimal.
fn decode(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = if text.len() == 64 {
        Zeroizing::new(text.as_bytes().chunks(2).map(hex_byte).collect::<Option<Vec<u8>>>()?)
    } else {
        let engines = [&URL_SAFE_NO_PAD, &URL_SAFE, &STANDARD_NO_PAD, &STANDARD];
        Zeroizing::new(engines.iter().find_map(|engine| engine.decode(text).ok())?)
    };
    let key: [u8; 32] = bytes.as_slice().try_into().ok()?;
    // All one byte is what a placeholder or a broken generator leaves.
    (!key.iter().all(|byte| *byte == key[0])).then(|| Zeroizing::new(key))
}

fn hex_byte(pair: &[u8]) -> Option<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_be_written_in_either_way() {
        let key: [u8; 32] = std::array::from_fn(|i| u8::try_from(i * 7 % 251).expect("small"));
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        for text in [hex.clone(), hex.to_uppercase(), URL_SAFE_NO_PAD.encode(key), STANDARD.encode(key)] {
            assert_eq!(decode(&text).as_deref(), Some(&key), "{text}");
        }
        for wrong in ["", "secret", &"0".repeat(64), &"g".repeat(64), &hex[..62], &URL_SAFE_NO_PAD.encode([7; 31]), "ñ"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_development_key_is_made_once_and_only_for_its_owner() {
        let directory = std::env::temp_dir().join(format!("portero-master-key-{}", std::process::id()));
        let path = directory.join(DEVELOPMENT_FILE);
        let key = MasterKey::Development(path.clone());
        let fresh: [u8; 32] = std::array::from_fn(|i| u8::try_from(i).expect("small"));
        let opened = key.open(|| fresh).expect("made");
        assert_eq!((*opened.key, opened.created.as_ref()), (fresh, Some(&path)));
        let opened = key.open(|| unreachable!("it is there")).expect("kept");
        assert_eq!((*opened.key, opened.created), (fresh, None));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(&path).expect("made").permissions().mode();
            assert_eq!(mode & 0o7777, 0o600);
        }
        assert_eq!(std::fs::read_dir(path.parent().expect("directory")).expect("directory").count(), 1, "no draft is left");
        std::fs::write(&path, "spoilt").expect("writable");
        assert!(key.open(|| unreachable!("it is there")).is_err());
        std::fs::remove_dir_all(&directory).expect("removable");
    }
}
