//! `dialects`: which old services' requests are answered, and where.

use std::time::Duration;

use super::reader::Setting;
use super::source::Raw;

/// The longest life that a dialect's file may give its access tokens.
pub const LONGEST_ACCESS: Duration = Duration::from_secs(24 * 60 * 60);

/// One dialect at one place: `fastapi-users`, `./mine.toml`, `flask-jwt@/old`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialectMount {
    /// A shipped dialect's name, or a TOML file.
    pub source: String,
    /// Empty for the root, else with a slash before it and none behind it.
    pub prefix: String,
}

impl Setting for DialectMount {
    fn parse(raw: &Raw) -> Result<Self, String> {
        let text = String::parse(raw)?;
        let (source, prefix) = match text.rsplit_once("@/") {
            Some((source, prefix)) => (source, prefix.trim_end_matches('/')),
            None => (text.as_str(), ""),
        };
        let segment = |segment: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
            !segment.is_empty() && segment != "." && segment != ".." && segment.bytes().all(plain)
        };
        if source.is_empty() || source.ends_with('@') {
            return Err(format!(
                "{text} is not a dialect's name or file, with @/prefix where it is not at the root, such as flask-jwt@/old"
            ));
        }
        if !prefix.is_empty() && !prefix.split('/').all(segment) {
            return Err(format!("{text}: a prefix is of letters, digits and - . _ ~ between slashes, such as @/old"));
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
        Ok(Self { source: source.to_owned(), prefix })
    }

    fn show(&self) -> String {
        if self.prefix.is_empty() { self.source.clone() } else { format!("{}@{}", self.source, self.prefix) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DialectMount, String> {
        DialectMount::parse(&Raw::Text(text.to_owned()))
    }

    #[test]
    fn a_dialect_has_a_place() {
        for (text, source, prefix) in [
            ("flask-jwt", "flask-jwt", ""),
            ("flask-jwt@/", "flask-jwt", ""),
            ("flask-jwt@/old/", "flask-jwt", "/old"),
            ("./mine.toml@/a/b-1", "./mine.toml", "/a/b-1"),
            ("/etc/d@/x.toml@/old", "/etc/d@/x.toml", "/old"),
        ] {
            let mount = parse(text).expect("it is right");
            assert_eq!((mount.source.as_str(), mount.prefix.as_str()), (source, prefix), "{text}");
            assert_eq!(parse(&mount.show()), Ok(mount));
        }
        for wrong in ["", "@/old", "a@/b//c", "a@/../b", "a@/{x}", "a@/b?c", "a@/é"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
