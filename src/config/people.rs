//! `sign_up`: who may make an account.

use super::mail::Mail;
use super::reader::{Reader, choices};

/// Who may make an account for themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignUp {
    Open,
    /// Whoever was sent a link.
    Invitation,
    /// Nobody: administrators make accounts.
    Closed,
}
choices!(SignUp { Open: "open", Invitation: "invitation", Closed: "closed" });

impl SignUp {
    pub(super) fn read(reader: &mut Reader<'_>, development: bool) -> Self {
        reader.get("sign_up", if development { Self::Open } else { Self::Closed })
    }

    pub(super) fn check(self, reader: &mut Reader<'_>, mail: &Mail, production: bool) {
        if production && self != Self::Closed && mail.smtp_url.is_none() {
            let reason = "lets people make accounts, and without PORTERO_SMTP_URL no mail goes out to confirm an address".to_owned();
            let example = if mail.outbox.is_some() { None } else { Some("closed") };
            match example {
                Some(example) => reader.problem("sign_up", reason, Some(example)),
                // Somebody wants files: they know what they do.
                None => reader.warn(format!("PORTERO_SIGN_UP {reason}")),
            }
        }
    }
}
