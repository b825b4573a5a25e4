//! Stored passwords taken apart: Argon2 as PHC strings, other schemes by `foreign`, and the marks before a hash that replaced another.
//!
//! Pure. A stored hash is input, too: what is damaged, or would cost more than [`Cost::MOST`], is none.

use argon2::{Algorithm, Params, PasswordHash, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::super::foreign::{Encoding, Price};

/// What one hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cost {
    /// KiB of memory.
    pub m: u32,
    /// Passes over it.
    pub t: u32,
    /// Lanes.
    pub p: u32,
}

impl Default for Cost {
    /// OWASP's parameters for Argon2id.
    fn default() -> Self {
        Self { m: 19_456, t: 2, p: 1 }
    }
}

impl Cost {
    /// A stored hash is input, too: one that asks for more than this is not computed.
    const MOST: Self = Self { m: 1024 * 1024, t: 10, p: 16 };

    /// # Errors
    /// What is out of bounds, in words.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.p == 0 || self.p > Self::MOST.p {
            Err("p must be from 1 to 16")
        } else if self.t == 0 || self.t > Self::MOST.t {
            Err("t must be from 1 to 10")
        } else if self.m < 8 * self.p || self.m > Self::MOST.m {
            Err("m must be from 8 * p to 1048576 (KiB)")
        } else {
            Ok(())
        }
    }

    /// The work in it, whichever way it is spread.
    pub fn work(&self) -> u64 {
        u64::from(self.m) * u64::from(self.t)
    }
}

/// Everything but the password that a hash is computed from.
pub struct Scheme {
    pub algorithm: Algorithm,
    pub version: Version,
    pub params: Params,
    pub salt: Vec<u8>,
    pub length: usize,
}

impl Scheme {
    const LENGTH: usize = 32;

    /// What is made today, with a salt that stands for none: the dummy.
    pub fn at(cost: Cost) -> Self {
        let params = Params::new(cost.m, cost.t, cost.p, Some(Self::LENGTH)).expect("the cost was checked when the pool was made");
        Self { algorithm: Algorithm::Argon2id, version: Version::V0x13, params, salt: vec![0; 16], length: Self::LENGTH }
    }

    pub fn cost(&self) -> Cost {
        Cost { m: self.params.m_cost(), t: self.params.t_cost(), p: self.params.p_cost() }
    }

    pub fn price(&self) -> Price {
        let Cost { m, t, p } = self.cost();
        Price { scheme: self.algorithm.as_str(), n: u64::from(m), r: t, p }
    }

    pub fn blank(&self) -> String {
        let (Cost { m, t, p }, zero) = (self.cost(), |length| STANDARD_NO_PAD.encode(vec![0; length]));
        format!("${}$v=19$m={m},t={t},p={p}${}${}", self.algorithm.as_str(), zero(16), zero(self.length))
    }
}

/// What counts beside the password as typed: of every hash of letters beyond ASCII that is made here, and of one that replaced one of another system,
/// or came from there. Written before the PHC string, as in `cut72,nfc:$argon2id$…`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Only the first 72 bytes count, as with bcrypt.
    pub cut: bool,
    /// The composed form of what is typed counts, too.
    pub composed: bool,
}

impl Marks {
    const ALL: [(Self, &'static str); 3] = [
        (Self { cut: true, composed: true }, "cut72,nfc:"),
        (Self { cut: true, composed: false }, "cut72:"),
        (Self { cut: false, composed: true }, "nfc:"),
    ];

    pub fn prefix(self) -> &'static str {
        Self::ALL.iter().find(|(marks, _)| *marks == self).map_or("", |(_, prefix)| prefix)
    }

    pub fn read(encoded: &str) -> (Self, &str) {
        let found = Self::ALL.iter().find_map(|(marks, prefix)| Some((*marks, encoded.strip_prefix(prefix)?)));
        found.unwrap_or((Self::default(), encoded))
    }
}

/// A stored string taken apart.
pub struct Stored {
    pub marks: Marks,
    pub form: Form,
}

pub enum Form {
    Argon2 { scheme: Scheme, output: Vec<u8> },
    Foreign(Encoding),
}

impl Stored {
    /// None for what is damaged, unknown, or costs more than is allowed.
    pub fn parse(encoded: &str) -> Option<Self> {
        let (marks, rest) = Marks::read(encoded);
        if rest.starts_with("$argon2") {
            return Some(Self { marks, form: Self::argon2(rest)? });
        }
        let encoding = Encoding::parse(encoded).ok()?;
        Some(Self { marks: Marks { cut: encoding.cuts(), composed: true }, form: Form::Foreign(encoding) })
    }

    /// At most [`Cost::MOST`].
    fn argon2(phc: &str) -> Option<Form> {
        let hash = PasswordHash::new(phc).ok()?;
        let algorithm = Algorithm::new(hash.algorithm.as_str()).ok()?;
        // The field came with version 1.3: a string without it is of the version before.
        let version = hash.version.map_or(Some(Version::V0x10), |version| Version::try_from(version).ok())?;
        let params = Params::try_from(&hash).ok()?;
        let salt: &[u8] = hash.salt.as_ref()?.as_ref();
        let output = hash.hash.as_ref()?.as_bytes().to_vec();
        let scheme = Scheme { algorithm, version, params, salt: salt.to_vec(), length: output.len() };
        (scheme.cost().check().is_ok() && (8..=64).contains(&scheme.salt.len()) && output.len() >= 16)
            .then_some(Form::Argon2 { scheme, output })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stored_hash_cannot_ask_for_more_than_is_allowed() {
        let hash = "c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for (parameters, allowed) in [
            ("m=4294967295,t=2,p=8", false),
            ("m=1048577,t=1,p=1", false),
            ("m=1048576,t=10,p=16", true),
            ("m=64,t=11,p=1", false),
            ("m=1024,t=1,p=17", false),
            ("m=4,t=1,p=1", false),
            ("m=64,t=0,p=1", false),
        ] {
            assert_eq!(Stored::parse(&format!("$argon2id$v=19${parameters}${hash}")).is_some(), allowed, "{parameters}");
        }
        assert!(Cost { m: 8, t: 1, p: 2 }.check().is_err());
        assert!(Cost::default().check().is_ok());
    }
}
