//! `[keys]`: the times of signing keys.

use std::time::Duration;

use super::reader::{Reader, Setting as _};
use super::tokens::within;

/// When a signing key does what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// A key that has signed this long gets a successor.
    pub rotate_after: Duration,
    /// How long a key is published before it signs.
    pub publish_before: Duration,
    /// `max-age` of the JWKS.
    pub jwks_max_age: Duration,
}

const MINUTE: u64 = 60;
const DAY: u64 = 24 * 60 * MINUTE;

impl Default for Keys {
    fn default() -> Self {
        Self {
            rotate_after: Duration::from_secs(90 * DAY),
            publish_before: Duration::from_secs(30 * MINUTE),
            jwks_max_age: Duration::from_secs(15 * MINUTE),
        }
    }
}

impl Keys {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let d = Self::default();
        Self {
            rotate_after: reader.get("keys.rotate_after", d.rotate_after),
            publish_before: reader.get("keys.publish_before", d.publish_before),
            jwks_max_age: reader.get("keys.jwks_max_age", d.jwks_max_age),
        }
    }

    pub(super) fn check(&self, reader: &mut Reader<'_>) {
        within(reader, "keys.rotate_after", self.rotate_after, 1, 4000 * DAY);
        within(reader, "keys.publish_before", self.publish_before, 1, 30 * DAY);
        within(reader, "keys.jwks_max_age", self.jwks_max_age, 0, DAY);
        if self.publish_before <= self.jwks_max_age {
            let reason = format!(
                "{} is not longer than keys.jwks_max_age, {}: clients would meet a key that they have not seen yet",
                self.publish_before.show(),
                self.jwks_max_age.show()
            );
            reader.problem("keys.publish_before", reason, None);
        }
        if self.rotate_after <= self.publish_before {
            let reason = format!("{} is not longer than keys.publish_before, {}", self.rotate_after.show(), self.publish_before.show());
            reader.problem("keys.rotate_after", reason, None);
        }
    }
}
