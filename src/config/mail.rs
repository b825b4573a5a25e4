//! `smtp_url`, `mail_from`, `outbox`: how mail leaves, and who it is from.

use std::path::PathBuf;

use super::reader::Reader;
use super::secret::Secret;

/// Where a development server puts its mails.
const OUTBOX: &str = "data/outbox";

/// How mail leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// `smtp://user:password@host:587` or `smtps://…:465`; what is wrong with it is said by whoever opens it.
    pub smtp_url: Option<Secret>,
    /// An address, alone or as `Name <address>`. None: `no-reply` at the issuer's host, good enough for development.
    pub from: Option<String>,
    /// A folder that takes the place of a mail server, each mail a file.
    pub outbox: Option<PathBuf>,
}

impl Default for Mail {
    fn default() -> Self {
        Self { smtp_url: None, from: None, outbox: Some(OUTBOX.into()) }
    }
}

impl Mail {
    pub(super) fn read(reader: &mut Reader<'_>, development: bool) -> Self {
        let smtp_url = reader.secret("smtp_url").map(|(url, source)| {
            reader.note("smtp_url", Some(url.as_masked_url()), source);
            url
        });
        let from = reader.optional("mail_from");
        let outbox =
            if development && smtp_url.is_none() { Some(reader.get("outbox", PathBuf::from(OUTBOX))) } else { reader.optional("outbox") };
        Self { smtp_url, from, outbox }
    }

    pub(super) fn check(&self, reader: &mut Reader<'_>, production: bool) {
        if self.smtp_url.is_some() && self.outbox.is_some() {
            let reason = "PORTERO_SMTP_URL is set, too: mail goes to a server or into a folder".to_owned();
            reader.problem("outbox", reason, None);
        }
        if production && self.smtp_url.is_some() && self.from.is_none() {
            let reason = "is not set: mail from an address that the server may not use does not arrive".to_owned();
            reader.problem("mail_from", reason, Some("'Example <no-reply@example.org>'"));
        }
        if self.from.as_ref().is_some_and(|from| !from.contains('@') || from.chars().any(char::is_control)) {
            reader.problem("mail_from", "is not an address".to_owned(), Some("'Example <no-reply@example.org>'"));
        }
        if production && self.outbox.is_some() {
            reader.warn("PORTERO_OUTBOX takes the place of a mail server: mails become files, and nobody gets one".to_owned());
        }
    }

    /// Does a mail go anywhere?
    #[must_use]
    pub fn is_possible(&self) -> bool {
        self.smtp_url.is_some() || self.outbox.is_some()
    }
}
