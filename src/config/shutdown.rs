//! `[shutdown]`: how the server stops.

use std::time::Duration;

use super::reader::Reader;
use super::tokens::within;

/// How the server stops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shutdown {
    /// Between saying "not ready" and accepting no more, so that a load balancer notices.
    pub drain: Duration,
    /// How long requests that are under way may take to end.
    pub finish: Duration,
}

impl Shutdown {
    /// In development nobody balances load before the server.
    pub(super) fn read(reader: &mut Reader<'_>, development: bool) -> Self {
        let drain = if development { Duration::ZERO } else { Duration::from_secs(5) };
        Self { drain: reader.get("shutdown.drain", drain), finish: reader.get("shutdown.finish", Duration::from_secs(25)) }
    }

    pub(super) fn check(&self, reader: &mut Reader<'_>) {
        within(reader, "shutdown.drain", self.drain, 0, 300);
        within(reader, "shutdown.finish", self.finish, 0, 300);
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self { drain: Duration::ZERO, finish: Duration::from_secs(25) }
    }
}
