//! Guesses at client secrets, counted in the process.

use std::net::IpAddr;
use std::time::Duration;

use moka::sync::Cache;

use crate::request::network;
use crate::storage::Time;

/// Wrong secrets of one client from one network (`request::network`): ten at once, then one every six seconds. Kept in the process: a secret has 256 bits,
/// so this saves work and noise rather than the secret, and a right secret from elsewhere is never refused.
pub struct Guesses {
    enabled: bool,
    counted: Cache<(String, Option<IpAddr>), Time>,
}

impl Guesses {
    const BURST: i32 = 10;
    const EVERY: chrono::Duration = chrono::Duration::seconds(6);

    #[must_use]
    pub fn new(enabled: bool) -> Self {
        let counted = Cache::builder().max_capacity(100_000).time_to_live(Duration::from_secs(120)).build();
        Self { enabled, counted }
    }

    fn key(client_id: &str, address: Option<IpAddr>) -> (String, Option<IpAddr>) {
        (client_id.to_owned(), address.map(network))
    }

    /// Counts a wrong secret; the wait where there were too many.
    #[must_use]
    pub fn failed(&self, client_id: &str, address: Option<IpAddr>, now: Time) -> Option<Duration> {
        if !self.enabled {
            return None;
        }
        let entry = self.counted.entry(Self::key(client_id, address)).and_upsert_with(|before| {
            let from = before.map_or(now, |entry| entry.into_value().max(now));
            from + Self::EVERY
        });
        (entry.into_value() - now - Self::EVERY * Self::BURST).to_std().ok().filter(|wait| !wait.is_zero())
    }
}
