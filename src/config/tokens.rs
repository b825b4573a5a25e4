//! `[tokens]`: how long codes and tokens live.

use std::time::Duration;

use super::reader::{Reader, Setting as _};

/// Lifetimes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    pub code: Duration,
    pub access_token: Duration,
    pub id_token: Duration,
    /// A refresh token that is not used for so long is over.
    pub refresh_idle: Duration,
    /// No refresh token outlives its grant's opening by more.
    pub refresh_max: Duration,
    /// Within it, the repetition of a refresh gets the same successor. Zero: every repetition is a replay.
    pub refresh_retry: Duration,
}

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

impl Default for Tokens {
    fn default() -> Self {
        Self {
            code: Duration::from_secs(60),
            access_token: Duration::from_secs(10 * MINUTE),
            id_token: Duration::from_secs(HOUR),
            refresh_idle: Duration::from_secs(14 * DAY),
            refresh_max: Duration::from_secs(30 * DAY),
            refresh_retry: Duration::from_secs(30),
        }
    }
}

impl Tokens {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let d = Self::default();
        Self {
            code: reader.get("tokens.code", d.code),
            access_token: reader.get("tokens.access_token", d.access_token),
            id_token: reader.get("tokens.id_token", d.id_token),
            refresh_idle: reader.get("tokens.refresh_idle", d.refresh_idle),
            refresh_max: reader.get("tokens.refresh_max", d.refresh_max),
            refresh_retry: reader.get("tokens.refresh_retry", d.refresh_retry),
        }
    }

    pub(super) fn check(&self, reader: &mut Reader<'_>) {
        // RFC 6749 §4.1.2: "A maximum authorization code lifetime of 10 minutes is RECOMMENDED." The record of a code lives no longer.
        within(reader, "tokens.code", self.code, 1, 10 * MINUTE);
        within(reader, "tokens.access_token", self.access_token, 1, DAY);
        within(reader, "tokens.id_token", self.id_token, 1, DAY);
        within(reader, "tokens.refresh_idle", self.refresh_idle, 1, 400 * DAY);
        within(reader, "tokens.refresh_max", self.refresh_max, 1, 400 * DAY);
        within(reader, "tokens.refresh_retry", self.refresh_retry, 0, 10 * MINUTE);
        if self.refresh_idle > self.refresh_max {
            let reason = format!("{} is longer than tokens.refresh_max, {}", self.refresh_idle.show(), self.refresh_max.show());
            reader.problem("tokens.refresh_idle", reason, None);
        }
    }
}

/// Whole seconds between two bounds: what is stored and told to clients is seconds.
pub(super) fn within(reader: &mut Reader<'_>, key: &str, value: Duration, least: u64, most: u64) {
    let (least, most) = (Duration::from_secs(least), Duration::from_secs(most));
    if value < least || value > most {
        reader.problem(key, format!("{} is not between {} and {}", value.show(), least.show(), most.show()), None);
    } else if value.subsec_nanos() != 0 {
        reader.problem(key, format!("{} is not a whole number of seconds", value.show()), None);
    }
}
