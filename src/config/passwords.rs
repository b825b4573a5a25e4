//! `[passwords]`: what a hash costs, how many may wait for one, and which passwords are refused.

use std::path::PathBuf;

use super::reader::Reader;

/// Argon2id parameters and the queue before the pool that hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passwords {
    pub memory_kib: u32,
    pub iterations: u32,
    pub lanes: u32,
    /// Past that many waiting, the answer is 503 before hashing.
    pub queue: u32,
    /// What a new password must reach, from 0 (anything) to 4.
    pub strength: u32,
    /// The file that `portero passwords build` made.
    pub breached: Option<PathBuf>,
}

impl Default for Passwords {
    /// OWASP's first choice for servers.
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, lanes: 1, queue: 64, strength: 2, breached: None }
    }
}

impl Passwords {
    /// As the rules for passwords take it.
    #[must_use]
    pub fn strength(&self) -> u8 {
        u8::try_from(self.strength.min(4)).expect("four fits")
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let d = Self::default();
        Self {
            memory_kib: reader.get("passwords.memory_kib", d.memory_kib),
            iterations: reader.get("passwords.iterations", d.iterations),
            lanes: reader.get("passwords.lanes", d.lanes),
            queue: reader.get("passwords.queue", d.queue),
            strength: reader.get("passwords.strength", d.strength),
            breached: reader.optional("passwords.breached"),
        }
    }

    pub(super) fn check(&self, reader: &mut Reader<'_>, production: bool) {
        if !(1..=16).contains(&self.lanes) {
            reader.problem("passwords.lanes", format!("{} is not between 1 and 16", self.lanes), Some("1"));
        }
        if !(1..=10).contains(&self.iterations) {
            reader.problem("passwords.iterations", format!("{} is not between 1 and 10", self.iterations), Some("2"));
        }
        // RFC 9106 §3.1: "Memory size m MUST be an integer number of kibibytes from 8*p to 2^(32)-1." More than a GiB for one hash is a mistake.
        if self.memory_kib < 8 * self.lanes.min(16) || self.memory_kib > 1024 * 1024 {
            let reason = format!("{} is not between 8 for each lane and 1048576", self.memory_kib);
            reader.problem("passwords.memory_kib", reason, Some("19456"));
        }
        // The weakest pair that OWASP lists is 7 MiB with 5 iterations: 35 MiB passed over.
        if production && u64::from(self.memory_kib) * u64::from(self.iterations) < 7 * 1024 * 5 {
            let reason = format!("{} KiB times {} iterations is weaker than OWASP allows", self.memory_kib, self.iterations);
            reader.problem("passwords.memory_kib", reason, Some("19456"));
        }
        if self.strength > 4 {
            reader.problem("passwords.strength", format!("{} is not between 0 and 4", self.strength), Some("2"));
        }
        if !(1..=100_000).contains(&self.queue) {
            reader.problem("passwords.queue", format!("{} is not between 1 and 100000", self.queue), Some("64"));
        }
    }
}
