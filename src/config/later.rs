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

/// `sign_up`: who may make an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SignUp {
    Open,
    Invitation,
    Closed,
}
choices!(SignUp { Open: "open", Invitation: "invitation", Closed: "closed" });

pub(super) fn read(reader: &mut Reader<'_>) {
    // What these two say by being off or closed is how it is.
    if reader.optional("registration").is_some_and(|registration: Registration| registration != Registration::Off) {
        idle(reader, "registration");
    }
    if reader.optional("sign_up").is_some_and(|sign_up: SignUp| sign_up != SignUp::Closed) {
        idle(reader, "sign_up");
    }
    if let Some((url, source)) = reader.secret("smtp_url") {
        reader.note("smtp_url", Some(url.as_masked_url()), source);
        idle(reader, "smtp_url");
    }
    for key in ["mail_from", "outbox"] {
        if reader.optional::<String>(key).is_some() {
            idle(reader, key);
        }
    }
}

fn idle(reader: &mut Reader<'_>, key: &str) {
    reader.warn(format!("{} is set and has no effect yet", variable(key)));
}
