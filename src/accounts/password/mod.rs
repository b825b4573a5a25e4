//! Password hashes: what the rest of the server asks of them. argon2 is named in this folder alone.
//!
//! Owns: making a hash, judging a password, replacing an old hash by one of today. Leaves to others: who may try (`limits`), what an answer means
//! (`authenticate`), which passwords are good enough (`password_rules`), hashes of other systems (`foreign`).
//!
//! | what | file |
//! |---|---|
//! | stored strings: Argon2 as PHC, its bounds, what goes on to count of a hash that was replaced | `stored` |
//! | the threads on which all hashing runs, and how long a failure waits | `pool` |

mod pool;
mod stored;

use std::sync::Arc;
use std::time::Duration;

use argon2::{Algorithm, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use unicode_normalization::{UnicodeNormalization as _, is_nfc};
use zeroize::Zeroizing;

use super::foreign::{CUT, Price};
pub use pool::{Busy, Settings};
use pool::{Pool, Work};
pub use stored::Cost;
use stored::{Form, Marks, Scheme, Stored};

/// What [`Hasher::verify`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    pub correct: bool,
    /// There is a hash, but none that can be checked here: not ours, or beyond the cost that is allowed.
    pub unusable: bool,
    /// It was not the password as typed, but its composed form (NFC) that proved right.
    pub composed: bool,
    /// How much faster this was than the dearest hash that this process has met: whoever answers "wrong" waits this long first, so that
    /// an old cheap hash does not tell an account that exists from one that does not.
    pub shortfall: Duration,
}

/// The pool. Cloning shares it; the last to go ends its threads.
#[derive(Clone)]
pub struct Hasher {
    pool: Arc<Pool>,
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher").field("settings", self.pool.settings()).field("queue", &self.queue_depth()).finish()
    }
}

impl Hasher {
    /// # Errors
    /// What is wrong with the cost. No thread is started before the first hash.
    pub fn new(settings: Settings) -> Result<Self, &'static str> {
        settings.cost.check()?;
        let settings = Settings { threads: settings.threads.max(1), ..settings };
        Ok(Self { pool: Arc::new(Pool::new(settings)) })
    }

    #[must_use]
    pub fn cost(&self) -> Cost {
        self.pool.settings().cost
    }

    /// How many hashes wait for a thread.
    #[must_use]
    pub fn queue_depth(&self) -> usize {
        self.pool.depth()
    }

    /// A PHC string of `password` at the current cost, with the mark that it was composed. `salt` is fresh randomness.
    ///
    /// RFC 8265 §4.2.2, of passwords: "Unicode Normalization Form C (NFC) MUST be applied to all strings": the same letters from another keyboard are
    /// the same password.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn hash(&self, password: &str, salt: [u8; 16]) -> Result<String, Busy> {
        let composed = Zeroizing::new(password.nfc().collect::<String>().into_bytes());
        let marks = Marks { cut: false, composed: !composed.is_ascii() };
        Ok(format!("{}{}", marks.prefix(), self.hash_bytes(composed, salt).await?))
    }

    async fn hash_bytes(&self, password: Zeroizing<Vec<u8>>, salt: [u8; 16]) -> Result<String, Busy> {
        let cost = self.cost();
        let scheme = Scheme { salt: salt.to_vec(), ..Scheme::at(cost) };
        let done = self.pool.run(vec![password], Work::Argon2 { scheme, expected: None }).await?;
        let Cost { m, t, p } = cost;
        Ok(format!("$argon2id$v=19$m={m},t={t},p={p}${}${}", STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(&done.output)))
    }

    /// Is `password` the one behind `stored`? Where there is nothing to compare with, a hash of the current cost is computed all the same, and
    /// the answer is no: one cost for all. A password is compared as typed and then composed (NFC), where that is how it was hashed or may have been
    /// (an imported one): what was taken from one keyboard is taken from another.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn verify(&self, password: &str, stored: Option<&str>) -> Result<Checked, Busy> {
        let parsed = stored.map(Stored::parse);
        let unusable = matches!(parsed, Some(None));
        let (marks, work) = match parsed.flatten() {
            Some(stored) => (stored.marks, stored.form.into()),
            None => (Marks::default(), Work::Argon2 { scheme: Scheme::at(self.cost()), expected: None }),
        };
        // Both forms are computed for everybody, so that time does not tell whose hash was imported.
        let mut forms = vec![Zeroizing::new(password.as_bytes().to_vec())];
        if !is_nfc(password) {
            forms.push(Zeroizing::new(password.nfc().collect::<String>().into_bytes()));
        }
        if marks.cut {
            forms.iter_mut().for_each(|form| form.truncate(CUT));
        }
        let done = self.pool.run(forms, work).await?;
        let found = done.found.filter(|form| *form == 0 || marks.composed);
        Ok(Checked { correct: found.is_some(), unusable, composed: found == Some(1), shortfall: done.shortfall })
    }

    /// The salt of a stored string of Portero's own: with it the same password makes the same string.
    #[must_use]
    pub fn salt(stored: &str) -> Option<[u8; 16]> {
        match Stored::parse(stored)?.form {
            Form::Argon2 { scheme, .. } => scheme.salt.try_into().ok(),
            Form::Foreign(_) => None,
        }
    }

    /// Should a hash that just proved right be replaced by one of today?
    #[must_use]
    pub fn needs_upgrade(&self, stored: &str) -> bool {
        Stored::parse(stored).is_none_or(|stored| match &stored.form {
            Form::Argon2 { scheme, output } => {
                scheme.algorithm != Algorithm::Argon2id
                    || scheme.version != Version::V0x13
                    || scheme.salt.len() < 16
                    || output.len() < 32
                    || scheme.cost().work() < self.cost().work()
            }
            Form::Foreign(_) => true,
        })
    }

    /// What replaces `stored`, after `password` has just proved right as `checked` says. Everything that was accepted goes on to be: where
    /// only the first 72 bytes counted, they alone are hashed, and the mark says so.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn stronger(&self, password: &str, stored: &str, checked: Checked, salt: [u8; 16]) -> Result<String, Busy> {
        let before = Stored::parse(stored).map(|stored| stored.marks).unwrap_or_default();
        let mut bytes =
            Zeroizing::new(if checked.composed { password.nfc().collect::<String>() } else { password.to_owned() }.into_bytes());
        let cut = before.cut && bytes.len() >= CUT;
        if cut {
            bytes.truncate(CUT);
        }
        // Latin letters without accents have one form.
        let marks = Marks { cut, composed: before.composed && !bytes.is_ascii() };
        Ok(format!("{}{}", marks.prefix(), self.hash_bytes(bytes, salt).await?))
    }

    /// Computes the scheme of `stored` once, unless it was met before, so that a failure waits for it from now on.
    ///
    /// # Errors
    /// [`Busy`].
    pub async fn meet(&self, stored: &str) -> Result<(), Busy> {
        let Some(stored) = Stored::parse(stored) else { return Ok(()) };
        let work = Work::from(stored.form);
        if !self.pool.knows(&work.price()) {
            self.pool.run(vec![Zeroizing::default()], work).await?;
        }
        Ok(())
    }

    /// Can a stored string be verified here at all?
    #[must_use]
    pub fn is_usable(stored: &str) -> bool {
        Stored::parse(stored).is_some()
    }

    /// The marks before a stored string of Portero's own, and what is behind them.
    #[must_use]
    pub fn marked(stored: &str) -> (&'static str, &str) {
        let (marks, rest) = Marks::read(stored);
        (marks.prefix(), rest)
    }

    /// An Argon2 hash of another system as it is kept; of another Portero, with the marks it had there.
    #[must_use]
    pub fn imported(marks: &str, phc: &str) -> String {
        let marks = if marks.is_empty() { Marks { cut: false, composed: true }.prefix() } else { marks };
        format!("{marks}{phc}")
    }

    /// What a stored string costs to compute, and the same scheme with nobody's hash; none where it cannot be.
    #[must_use]
    pub fn price(stored: &str) -> Option<(Price, String)> {
        let work = Work::from(Stored::parse(stored)?.form);
        let blank = match &work {
            Work::Argon2 { scheme, .. } => scheme.blank(),
            Work::Foreign(encoding) => encoding.blank().text(),
        };
        Some((work.price(), blank))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost { m: 64, t: 1, p: 1 };

    fn hasher(cost: Cost) -> Hasher {
        Hasher::new(Settings { cost, threads: 1, queue: 4, idle: Duration::from_secs(5) }).expect("a cost in bounds")
    }

    #[tokio::test]
    async fn a_hash_verifies_its_own_password_and_no_other() {
        let hasher = hasher(CHEAP);
        let stored = hasher.hash("Contraseña-año-2026!", [7; 16]).await.expect("a hash");
        assert!(stored.starts_with("nfc:$argon2id$v=19$m=64,t=1,p=1$"), "{stored}");
        let check = async |password| hasher.verify(password, Some(&stored)).await.expect("a judgement").correct;
        assert!(check("Contraseña-año-2026!").await);
        // From a keyboard, or a file, that takes letters apart; and it is the same hash whichever was first.
        let apart = "Contrasen\u{303}a-an\u{303}o-2026!";
        assert!(check(apart).await);
        assert_eq!(hasher.hash(apart, [7; 16]).await.expect("a hash"), stored);
        for wrong in ["contraseña-año-2026!", "", "Contraseña-año-2026! ", "Contrasena-ano-2026!"] {
            assert!(!check(wrong).await, "{wrong}");
        }
        let plain = hasher.hash("a plain phrase", [7; 16]).await.expect("a hash");
        assert!(plain.starts_with("$argon2id$") && Hasher::salt(&plain) == Some([7; 16]) && Hasher::salt(&stored) == Some([7; 16]));
        assert_ne!(stored, hasher.hash("Contraseña-año-2026!", [8; 16]).await.expect("a hash"), "the salt counts");
    }

    #[tokio::test]
    async fn a_hash_of_another_library_verifies() {
        // Written by pwdlib 0.3.1.
        let stored = "$argon2id$v=19$m=65536,t=3,p=4$oMl+pIZ+djkMdKx5cyAlPQ$8LFxBtSPg8ZPqpH/hzYlx90n1qMPL33TZfLS33mjzIg";
        let hasher = hasher(CHEAP);
        assert!(hasher.verify("Contraseña-año-2026!", Some(stored)).await.expect("a judgement").correct);
        assert!(!hasher.verify("Contraseña-año-2026!x", Some(stored)).await.expect("a judgement").correct);
    }

    #[tokio::test]
    async fn where_there_is_nothing_to_compare_the_answer_is_no() {
        let hasher = hasher(CHEAP);
        let none = hasher.verify("", None).await.expect("a judgement");
        assert_eq!((none.correct, none.unusable), (false, false));
        for stored in [
            "",
            "plain",
            "$2b$31$kaurpHzQYvYi7BFcU6ISweFvuWGNtcuH1k/PCqwNbf0xuLjODCJ.m",
            "cut72:",
            "$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ",
        ] {
            let found = hasher.verify("plain", Some(stored)).await.expect("a judgement");
            assert_eq!((found.correct, found.unusable), (false, true), "{stored}");
        }
    }

    #[test]
    fn weaker_hashes_are_upgraded_and_stronger_ones_kept() {
        let hasher = hasher(Cost::default());
        let tail = "c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for (head, upgrade) in [
            ("$argon2id$v=19$m=19456,t=2,p=1", false),
            ("$argon2id$v=19$m=65536,t=3,p=4", false),
            ("$argon2id$v=19$m=19456,t=1,p=1", true),
            ("$argon2id$v=19$m=8192,t=2,p=1", true),
            ("$argon2id$v=16$m=19456,t=2,p=1", true),
            ("$argon2id$m=19456,t=2,p=1", true),
            ("$argon2i$v=19$m=19456,t=2,p=1", true),
            ("$argon2d$v=19$m=19456,t=2,p=1", true),
        ] {
            assert_eq!(hasher.needs_upgrade(&format!("{head}${tail}")), upgrade, "{head}");
        }
        assert!(
            hasher.needs_upgrade("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            "short salt"
        );
    }
}
