//! Passwords as other systems stored them: which encodings there are, and whether a password is the one behind one of them.
//!
//! Owns: the closed list [`Encoding`], its bounds ([`parse`]), the computing. Leaves to others: Argon2 and the threads on which all hashing
//! runs (`password`), replacing an old hash after its first success (`authenticate`), files and rows (`import`). Called by `password`
//! for a stored hash that is not Argon2, by `import` to judge a hash before it is kept. The crates of these schemes are named here alone.

mod compute;
mod described;
mod parse;
#[cfg(test)]
mod tests;

use super::password::Hasher;
pub use compute::CUT;
pub use described::{Described, bytes, described_argon2, described_scrypt};

/// A hash that is not taken, and why. The text says nothing of the hash itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub &'static str);

/// Hash functions inside other schemes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// What is done to a password before bcrypt sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing: bcrypt looks at its first [`CUT`] bytes.
    Nothing,
    /// SHA-256 in lower-case hex: Django's `bcrypt_sha256`, Flask-Bcrypt with long passwords.
    HexSha256,
    /// SHA-256 in base64: passlib's `bcrypt_sha256`, version 1.
    Base64Sha256,
    /// HMAC-SHA-256 under the text of the salt, in base64: version 2.
    Base64Hmac { key: String },
    /// HMAC-SHA-384 of the trimmed password, in base64: WordPress from 6.8.
    WordPress,
}

/// How a salt goes into a single hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Salted {
    /// HMAC with the salt as key.
    Key,
    First,
    Last,
    /// `sha1$salt$hex` is the first in Werkzeug and the second in Django; both look alike.
    KeyOrFirst,
}

/// A stored password of another system, taken apart; within the bounds of [`parse`].
#[derive(Clone, PartialEq, Eq)]
pub enum Encoding {
    Bcrypt {
        before: Before,
        cost: u32,
        salt: [u8; 16],
        hash: [u8; 23],
    },
    /// RFC 8018 §5.2.
    Pbkdf2 {
        digest: Digest,
        rounds: u32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    /// RFC 7914.
    Scrypt {
        log_n: u8,
        r: u32,
        p: u32,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    /// scrypt whose output encrypts a key of the project.
    Firebase {
        log_n: u8,
        r: u32,
        p: u32,
        /// The account's salt and the project's separator.
        salt: Vec<u8>,
        signer_key: Vec<u8>,
        hash: Vec<u8>,
    },
    Salted {
        digest: Digest,
        salted: Salted,
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    /// glibc's `$5$` and `$6$`.
    ShaCrypt {
        digest: Digest,
        rounds: u32,
        text: String,
    },
    /// `$P$` and `$H$`.
    Phpass {
        log_rounds: u32,
        salt: String,
        hash: String,
    },
}

impl std::fmt::Debug for Encoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Encoding({:?})", self.price())
    }
}

/// What computing a hash costs: the same for all that share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price {
    /// For metrics, too: one of a closed list.
    pub scheme: &'static str,
    /// Rounds; for memory-hard schemes the size of one of them.
    pub n: u64,
    /// Passes or block size.
    pub r: u32,
    /// Lanes.
    pub p: u32,
}

impl Price {
    /// About how long a core of today needs: good enough to tell which of two schemes is dearer.
    #[must_use]
    pub fn micros(&self) -> u64 {
        let nanos = match self.scheme {
            "bcrypt" => 55_000,
            "pbkdf2-sha512" | "pbkdf2-sha384" => 500,
            "scrypt" | "firebase" => 270,
            "argon2id" | "argon2i" | "argon2d" => 410,
            "sha-crypt" => 600,
            "phpass" => 250,
            // Rounds of PBKDF2 with a small hash.
            _ => 250,
        };
        let lanes = if matches!(self.scheme, "scrypt" | "firebase") { u64::from(self.p) } else { 1 };
        self.n.saturating_mul(u64::from(self.r)).saturating_mul(lanes).saturating_mul(nanos) / 1000
    }
}

impl Encoding {
    /// Reads an encoding that [`stored_form`] let through.
    ///
    /// # Errors
    /// [`Refused`]: unknown, cut short, or too dear to be computed.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        parse::encoding(text)
    }

    /// Is this the password? Some of these take seconds: on the threads of `password` only.
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        compute::verify(self, password)
    }

    /// Does only the beginning of a password count?
    #[must_use]
    pub fn cuts(&self) -> bool {
        matches!(self, Self::Bcrypt { before: Before::Nothing, .. })
    }

    #[must_use]
    pub fn price(&self) -> Price {
        let price = |scheme, n: u64, r: u32, p: u32| Price { scheme, n, r, p };
        match self {
            Self::Bcrypt { cost, .. } => price("bcrypt", 1 << cost, 1, 1),
            // However long its output is, one block of it is computed.
            Self::Pbkdf2 { digest, rounds, .. } => price(digest.pbkdf2(), u64::from(*rounds), 1, 1),
            Self::Scrypt { log_n, r, p, .. } => price("scrypt", 1 << log_n, *r, *p),
            Self::Firebase { log_n, r, p, .. } => price("firebase", 1 << log_n, *r, *p),
            Self::Salted { .. } => price("digest", 1, 1, 1),
            Self::ShaCrypt { rounds, .. } => price("sha-crypt", u64::from(*rounds), 1, 1),
            Self::Phpass { log_rounds, .. } => price("phpass", 1 << log_rounds, 1, 1),
        }
    }

    /// The same scheme at the same cost with nobody's salt and hash: what a server computes once to know how long it takes.
    #[must_use]
    pub fn blank(&self) -> Self {
        let mut blank = self.clone();
        match &mut blank {
            Self::Bcrypt { before, salt, hash, .. } => (*before, *salt, *hash) = (Before::Nothing, [0; 16], [0; 23]),
            Self::Pbkdf2 { salt, hash, .. } | Self::Scrypt { salt, hash, .. } | Self::Salted { salt, hash, .. } => {
                (*salt, *hash) = (vec![0; 16], vec![0; hash.len()]);
            }
            // Its encryption costs nothing beside scrypt.
            Self::Firebase { log_n, r, p, .. } => {
                blank = Self::Scrypt { log_n: *log_n, r: *r, p: *p, salt: vec![0; 16], hash: vec![0; 32] };
            }
            Self::ShaCrypt { digest, rounds, text } => *text = parse::blank_sha_crypt(*digest, *rounds),
            Self::Phpass { salt, hash, .. } => (*salt, *hash) = (".".repeat(8), ".".repeat(22)),
        }
        blank
    }

    /// In a form that [`Self::parse`] reads.
    #[must_use]
    pub fn text(&self) -> String {
        parse::text(self)
    }
}

impl Digest {
    #[must_use]
    pub const fn length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// By its name, however it is written.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let plain: String = name.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect();
        [Self::Md5, Self::Sha1, Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512].into_iter().find(|digest| digest.name() == plain)
    }

    const fn pbkdf2(self) -> &'static str {
        match self {
            Self::Md5 => "pbkdf2-md5",
            Self::Sha1 => "pbkdf2-sha1",
            Self::Sha224 => "pbkdf2-sha224",
            Self::Sha256 => "pbkdf2-sha256",
            Self::Sha384 => "pbkdf2-sha384",
            Self::Sha512 => "pbkdf2-sha512",
        }
    }
}

/// What an encoding from outside becomes in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The source says that there is no password: empty, or `!` and what follows, as Django writes it.
    NoPassword,
    /// Argon2, which `password` computes, as that stores it.
    Argon2(String),
    Foreign {
        encoding: Encoding,
        text: String,
    },
}

/// Judges an encoding from outside, before anything is computed.
///
/// # Errors
/// [`Refused`]: unknown, cut short, or too dear to be computed.
pub fn judge(text: &str) -> Result<Kept, Refused> {
    let text = text.trim();
    if text.is_empty() || text.starts_with('!') {
        return Ok(Kept::NoPassword);
    }
    let (marks, rest) = Hasher::marked(text);
    if let Some(phc) = parse::argon2(rest)? {
        return Ok(Kept::Argon2(Hasher::imported(marks, &phc)));
    }
    let encoding = parse::encoding(text)?;
    Ok(Kept::Foreign { text: encoding.text(), encoding })
}

/// Flask-Bcrypt with `BCRYPT_HANDLE_LONG_PASSWORDS` writes plain bcrypt of something else; only whoever ran it knows. Any other encoding
/// stays what it is.
#[must_use]
pub fn flask_bcrypt_long(encoding: Encoding) -> Encoding {
    match encoding {
        Encoding::Bcrypt { before: Before::Nothing, cost, salt, hash } => Encoding::Bcrypt { before: Before::HexSha256, cost, salt, hash },
        other => other,
    }
}

/// What Firebase shows of a project beside its accounts (`hash_config`).
#[derive(Clone, PartialEq, Eq)]
pub struct FirebaseProject {
    pub signer_key: Vec<u8>,
    pub salt_separator: Vec<u8>,
    pub rounds: u32,
    pub mem_cost: u8,
}

impl FirebaseProject {
    /// The encoding of one of its accounts: `salt` and `hash` as it is exported, in base64.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn encoding(&self, salt: &str, hash: &str) -> Result<Encoding, Refused> {
        parse::firebase(self, salt, hash)
    }
}
