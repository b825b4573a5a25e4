//! `[sessions]`: how long a person stays signed in.

use std::time::Duration;

use super::reader::{Reader, Setting as _};
use super::tokens::within;

/// Lifetimes of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions {
    pub idle: Duration,
    pub max: Duration,
}

const DAY: u64 = 24 * 60 * 60;

impl Default for Sessions {
    fn default() -> Self {
        Self { idle: Duration::from_secs(DAY), max: Duration::from_secs(14 * DAY) }
    }
}

impl Sessions {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let d = Self::default();
        Self { idle: reader.get("sessions.idle", d.idle), max: reader.get("sessions.max", d.max) }
    }

    pub(super) fn check(&self, reader: &mut Reader<'_>) {
        within(reader, "sessions.idle", self.idle, 1, 400 * DAY);
        within(reader, "sessions.max", self.max, 1, 400 * DAY);
        if self.idle > self.max {
            let reason = format!("{} is longer than sessions.max, {}", self.idle.show(), self.max.show());
            reader.problem("sessions.idle", reason, None);
        }
    }
}
