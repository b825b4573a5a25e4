//! Settings whose names are fixed and whose features are still to come: accepted, checked, and said to have no effect yet.

use super::reader::{Reader, choices, variable};

/// `registration`: who may register clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Registration {
    Off,
    Token,
    Open,
}
choices!(Registration { Off: "off", Token: "token", Open: "open" });

pub(super) fn read(reader: &mut Reader<'_>) {
    // What it says by being off is how it is.
    if reader.optional("registration").is_some_and(|registration: Registration| registration != Registration::Off) {
        idle(reader, "registration");
    }
}

fn idle(reader: &mut Reader<'_>, key: &str) {
    reader.warn(format!("{} is set and has no effect yet", variable(key)));
}
