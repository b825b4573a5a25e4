//! Passwords known from breaches, in a compact local file: no password and no part of one leaves the machine.
//!
//! Made by `portero passwords build` from the public list of SHA-1 digests (`DIGEST:COUNT`, one a line, ordered by digest, as "Pwned Passwords"
//! is given away). The file, numbers little-endian:
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `PORTEROB` |
//! | 8 | how many digests |
//! | 65,537 × 8 | where the digests that begin with these two bytes begin, counted in digests; one more than there are, so that each has an end |
//! | 4 each | bytes 3 to 6 of the digests, in order |
//!
//! Six bytes tell a thousand million digests apart well enough: of four hundred thousand unlisted passwords one is refused wrongly. It is read where it
//! is needed, a few kilobytes for a password, and never loaded. Called by `password_rules` and `cli`.

use std::fs::File;
use std::io::{BufRead, BufWriter, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use sha1::{Digest as _, Sha1};

const MAGIC: &[u8; 8] = b"PORTEROB";
const BUCKETS: usize = 65_536;
const HEADER: u64 = 16;
const DIGESTS: u64 = HEADER + (BUCKETS as u64 + 1) * 8;
const WIDTH: u64 = 4;

/// A file of digests, open. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Breached {
    file: Arc<File>,
    digests: u64,
}

impl Breached {
    /// # Errors
    /// What is wrong with the file, in words for whoever runs the server.
    pub fn open(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let wrong = || "it is no file that `portero passwords build` made, or it was cut".to_owned();
        let mut header = [0; 16];
        file.read_exact_at(&mut header, 0).map_err(|_| wrong())?;
        let (magic, count) = header.split_at(8);
        let digests = u64::from_le_bytes(count.try_into().expect("eight of sixteen bytes"));
        let whole = digests.checked_mul(WIDTH).and_then(|bytes| bytes.checked_add(DIGESTS));
        let length = file.metadata().map_err(|error| error.to_string())?.len();
        if magic != MAGIC || whole != Some(length) {
            return Err(wrong());
        }
        Ok(Self { file: Arc::new(file), digests })
    }

    /// How many passwords it knows.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.digests
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.digests == 0
    }

    /// Is this password in it? What cannot be read is told in the log and counts as no: nobody is kept out by a broken disk.
    #[must_use]
    pub fn contains(&self, password: &str) -> bool {
        self.look(&Sha1::digest(password.as_bytes()).into()).unwrap_or_else(|error| {
            tracing::warn!(event = "fault", detail = %error, "the file of breached passwords cannot be read");
            false
        })
    }

    fn look(&self, digest: &[u8; 20]) -> std::io::Result<bool> {
        let bucket = u64::from(u16::from_be_bytes([digest[0], digest[1]]));
        let mut bounds = [0; 16];
        self.file.read_exact_at(&mut bounds, HEADER + bucket * 8)?;
        let (from, to) = bounds.split_at(8);
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().expect("eight bytes"));
        let (from, to) = (number(from), number(to));
        if from > to || to > self.digests {
            return Err(std::io::Error::other("its table is damaged"));
        }
        let wanted = &digest[2..6];
        // Digests are spread evenly: a bucket of the whole public list is some fifty kilobytes.
        let mut low = from;
        let mut high = to;
        let mut entry = [0; 4];
        while low < high {
            let middle = low + (high - low) / 2;
            self.file.read_exact_at(&mut entry, DIGESTS + middle * WIDTH)?;
            match entry.as_slice().cmp(wanted) {
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(false)
    }
}

/// What [`build`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Built {
    pub read: u64,
    pub kept: u64,
}

/// Makes the file from the list. Digests that were seen less often than `at_least` are left out; a line without a count was seen once. The file appears
/// under its name when it is whole.
///
/// # Errors
/// The line that is wrong and why, or what went wrong with the file; there is no new file then.
pub fn build(list: impl BufRead, out: &Path, at_least: u64) -> Result<Built, String> {
    let told = |error: std::io::Error| format!("{}: {error}", out.display());
    let mut name = out.as_os_str().to_owned();
    name.push(".part");
    let part = std::path::PathBuf::from(name);
    let built = write(list, &part, at_least).map_err(|error| error.into_words(told));
    match built {
        Ok(built) => std::fs::rename(&part, out).map_err(told).map(|()| built),
        Err(error) => {
            // It may not even have been made.
            let _ = std::fs::remove_file(&part);
            Err(error)
        }
    }
}

enum BuildError {
    Line(u64, &'static str),
    File(std::io::Error),
}

impl From<std::io::Error> for BuildError {
    fn from(error: std::io::Error) -> Self {
        Self::File(error)
    }
}

impl BuildError {
    fn into_words(self, told: impl Fn(std::io::Error) -> String) -> String {
        match self {
            Self::Line(line, reason) => format!("line {line} {reason}"),
            Self::File(error) => told(error),
        }
    }
}

fn write(list: impl BufRead, part: &Path, at_least: u64) -> Result<Built, BuildError> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(part)?);
    out.seek(SeekFrom::Start(DIGESTS))?;
    let mut starts = vec![0_u64; BUCKETS + 1];
    let mut built = Built::default();
    let mut last: Option<[u8; 6]> = None;
    for line in list.lines() {
        let line = line?;
        built.read += 1;
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let (hex, count) = line.split_once(':').unwrap_or((line, "1"));
        let digest = six_bytes(hex).ok_or(BuildError::Line(built.read, "does not begin with a SHA-1 digest of 40 hexadecimal digits"))?;
        let count: u64 =
            count.trim().parse().map_err(|_| BuildError::Line(built.read, "has something other than a number after the colon"))?;
        match last {
            Some(before) if digest < before => {
                return Err(BuildError::Line(built.read, "is out of order: the list must be ordered by digest (sort it first)"));
            }
            Some(before) if digest == before => continue,
            _ => {}
        }
        if count < at_least {
            continue;
        }
        last = Some(digest);
        out.write_all(&digest[2..])?;
        starts[usize::from(u16::from_be_bytes([digest[0], digest[1]])) + 1] += 1;
        built.kept += 1;
    }
    for bucket in 1..starts.len() {
        starts[bucket] += starts[bucket - 1];
    }
    out.seek(SeekFrom::Start(0))?;
    out.write_all(MAGIC)?;
    out.write_all(&built.kept.to_le_bytes())?;
    for start in &starts {
        out.write_all(&start.to_le_bytes())?;
    }
    out.into_inner().map_err(|error| BuildError::File(error.into_error()))?.sync_all()?;
    Ok(built)
}

/// The first six bytes of a digest in hexadecimal digits.
fn six_bytes(hex: &str) -> Option<[u8; 6]> {
    if hex.len() != 40 || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 6];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

/// The line of a password in the public list.
#[cfg(test)]
pub(super) fn line(password: &str, count: u64) -> String {
    let hex: String = Sha1::digest(password.as_bytes()).iter().map(|byte| format!("{byte:02X}")).collect();
    format!("{hex}:{count}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("portero-breached-{}-{name}", std::process::id()))
    }

    fn list(passwords: &[(&str, u64)]) -> String {
        let mut lines: Vec<String> = passwords.iter().map(|(password, count)| line(password, *count)).collect();
        lines.sort();
        lines.join("\r\n")
    }

    #[test]
    fn what_is_in_the_list_is_found_and_nothing_else() {
        let many: Vec<String> = (0..5000).map(|n| format!("password {n}")).collect();
        let counted: Vec<(&str, u64)> = many.iter().enumerate().map(|(n, password)| (password.as_str(), n as u64 % 3 + 1)).collect();
        let out = place("many");
        assert_eq!(build(list(&counted).as_bytes(), &out, 2).expect("built"), Built { read: 5000, kept: 3333 });
        let breached = Breached::open(&out).expect("whole");
        assert_eq!(breached.len(), 3333);
        for (password, count) in &counted {
            assert_eq!(breached.contains(password), *count >= 2, "{password}");
        }
        for other in ["", "password 5000", "ñandú", "Password 1"] {
            assert!(!breached.contains(other), "{other}");
        }
        std::fs::remove_file(out).expect("made above");
    }

    /// `echo -n password | sha1sum`.
    #[test]
    fn the_public_form_is_read() {
        let out = place("public");
        let text = "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:52256179\n5baa61e4c9b93f3f0682250b6cf8331b7ee68fd8\n\n";
        assert_eq!(build(text.as_bytes(), &out, 1).expect("built"), Built { read: 3, kept: 1 });
        let breached = Breached::open(&out).expect("whole");
        assert!(breached.contains("password") && !breached.contains("passwore"));
        std::fs::remove_file(out).expect("made above");
    }

    #[test]
    fn a_wrong_line_is_named_and_leaves_no_file() {
        let out = place("wrong");
        for (text, reason) in [
            ("zz", "line 1 does not begin"),
            ("5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:x", "line 1 has something other"),
            ("5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:1\n4BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:1", "line 2 is out of order"),
            ("é5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8é", "line 1 does not begin"),
        ] {
            let told = build(text.as_bytes(), &out, 1).expect_err("refused");
            assert!(told.starts_with(reason), "{told}");
        }
        assert!(!out.exists());
        assert!(!place("wrong.part").exists());
    }

    #[test]
    fn another_or_a_cut_file_is_refused() {
        let out = place("cut");
        assert!(Breached::open(&out).is_err());
        build(list(&[("a", 1), ("b", 1)]).as_bytes(), &out, 1).expect("built");
        let whole = std::fs::read(&out).expect("there");
        for bytes in [&whole[..whole.len() - 1], &whole[..7], &[whole.as_slice(), &[0]].concat(), b"PORTEROB"] {
            std::fs::write(&out, bytes).expect("written");
            assert!(Breached::open(&out).is_err(), "{}", bytes.len());
        }
        std::fs::remove_file(out).expect("made above");
    }
}
