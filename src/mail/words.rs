//! What each kind of mail says. Links begin with the issuer, whatever host was asked. Called by `sender`.

use super::kinds::{About, Mail};
use crate::i18n::{Arg, Lang, date_time, text};
use crate::urls::{self, Urls};

/// A mail in words: plain text, which the templates lay out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    pub lang: Lang,
    pub subject: String,
    pub lead: Vec<String>,
    /// What to do: the label and the address of the link.
    pub link: Option<(String, String)>,
    /// Six digits, and what to do with them.
    pub code: Option<(String, String)>,
    /// How long the link or code works.
    pub ends: Option<String>,
    /// When and from where: label and value.
    pub facts: Vec<(String, String)>,
    /// What to do if it was not the reader.
    pub otherwise: String,
    /// A second address that goes with `otherwise`.
    pub otherwise_link: Option<(String, String)>,
    pub foot: String,
}

/// A mail that is being written.
struct Draft<'a> {
    urls: &'a Urls,
    /// The deployment's name.
    brand: &'a str,
    words: Words,
}

impl Draft<'_> {
    fn text(&self, key: &str) -> String {
        text(self.words.lang, key, &[("brand", Arg::Text(self.brand))])
    }

    fn with(&self, key: &str, name: &'static str, value: &str) -> String {
        text(self.words.lang, key, &[("brand", Arg::Text(self.brand)), (name, Arg::Text(value))])
    }

    /// Subject, what happened, and what to do if that was not the reader.
    fn says<const N: usize>(mut self, subject: &str, lead: [&str; N], otherwise: &str) -> Self {
        self.words.subject = self.text(subject);
        self.words.lead = lead.map(|key| self.text(key)).into();
        self.words.otherwise = self.text(otherwise);
        self
    }

    /// One more sentence, with a value in it.
    fn and(mut self, key: &str, name: &'static str, value: &str) -> Self {
        self.words.lead.push(self.with(key, name, value));
        self
    }

    /// The same, in front.
    fn first(mut self, key: &str, name: &'static str, value: &str) -> Self {
        self.words.lead.insert(0, self.with(key, name, value));
        self
    }

    fn leads_to(mut self, label: &str, path: &str) -> Self {
        self.words.link = Some((self.text(label), self.urls.absolute(path)));
        self
    }

    /// By a link that works once.
    fn link(mut self, label: &str, path: &str, token: &str) -> Self {
        self.words.link = Some((self.text(label), self.once(path, token)));
        self
    }

    fn once(&self, path: &str, token: &str) -> String {
        format!("{}?token={}", self.urls.absolute(path), urls::encode(token))
    }

    fn code(mut self, code: Option<&String>) -> Self {
        self.words.code = code.map(|code| (self.text("mail-code"), code.clone()));
        self
    }

    /// If it was not the reader, a new password helps.
    fn or_recover(mut self) -> Self {
        self.words.otherwise_link = Some((self.text("mail-recover-button"), self.urls.absolute(urls::RECOVER)));
        self
    }

    /// If it was not the reader, the old address comes back.
    fn or_undo(mut self, token: &str) -> Self {
        self.words.otherwise_link = Some((self.text("mail-undo-button"), self.once(urls::UNDO_EMAIL, token)));
        self
    }
}

/// Writes a mail. `name` is the deployment's own.
#[must_use]
pub fn write(mail: &Mail, about: &About, lang: Lang, urls: &Urls, name: &str) -> Words {
    let words = Words {
        lang,
        subject: String::new(),
        lead: Vec::new(),
        link: None,
        code: None,
        ends: mail.expires_at().map(|end| {
            let key = if mail.has_code() { "mail-ends-both" } else { "mail-ends" };
            text(lang, key, &[("time", Arg::Text(&date_time(lang, end)))])
        }),
        // Whoever is invited has done nothing yet that could be told of.
        facts: if matches!(mail, Mail::Invitation { .. }) { Vec::new() } else { facts(about, lang, mail.is_administrators()) },
        otherwise: String::new(),
        otherwise_link: None,
        foot: text(lang, "mail-foot", &[("brand", Arg::Text(name)), ("host", Arg::Text(host(urls)))]),
    };
    let draft = Draft { urls, brand: name, words };
    let written = match mail {
        Mail::SignUp { token, code, .. } => draft
            .says("mail-sign-up-subject", ["mail-sign-up-lead"], "mail-sign-up-otherwise")
            .link("mail-verify-button", urls::VERIFY_EMAIL, token)
            .code(code.as_ref()),
        Mail::VerifyEmail { token, code, .. } => draft
            .says("mail-verify-subject", ["mail-verify-lead"], "mail-verify-otherwise")
            .link("mail-verify-button", urls::VERIFY_EMAIL, token)
            .code(code.as_ref()),
        Mail::AlreadyRegistered => draft
            .says("mail-registered-subject", ["mail-registered-lead", "mail-registered-more"], "mail-registered-otherwise")
            .leads_to("mail-registered-button", urls::SIGN_IN)
            .or_recover(),
        Mail::ResetPassword { token, code, .. } => draft
            .says("mail-reset-subject", ["mail-reset-lead"], "mail-reset-otherwise")
            .link("mail-reset-button", urls::RESET, token)
            .code(code.as_ref()),
        Mail::ResetRequired { token, .. } => draft
            .says("mail-required-subject", ["mail-required-lead", "mail-required-more"], "mail-required-otherwise")
            .link("mail-reset-button", urls::RESET, token)
            .or_recover(),
        Mail::PasswordChanged => {
            draft.says("mail-changed-subject", ["mail-changed-lead", "mail-changed-more"], "mail-changed-otherwise").or_recover()
        }
        Mail::PasswordBreached => draft
            .says("mail-breached-subject", ["mail-breached-lead", "mail-breached-more"], "mail-breached-otherwise")
            .leads_to("mail-breached-button", urls::ACCOUNT_PASSWORD)
            .or_recover(),
        Mail::ChangeEmail { token, code, .. } => draft
            .says("mail-address-subject", ["mail-address-lead"], "mail-address-otherwise")
            .link("mail-address-button", urls::CHANGE_EMAIL, token)
            .code(code.as_ref()),
        Mail::EmailChangeRequested { new_address, token, .. } => draft
            .says("mail-moving-subject", ["mail-moving-more"], "mail-undo-otherwise")
            .first("mail-moving-lead", "address", &hinted(new_address))
            .or_undo(token),
        Mail::EmailChanged { new_address, token, .. } => draft
            .says("mail-moved-subject", ["mail-moved-more"], "mail-undo-otherwise")
            .first("mail-moved-lead", "address", &hinted(new_address))
            .or_undo(token),
        Mail::Invitation { token, .. } => draft
            .says("mail-invitation-subject", ["mail-invitation-lead"], "mail-invitation-otherwise")
            .link("mail-invitation-button", urls::SIGN_UP, token),
        Mail::AccountDeleted => draft.says("mail-deleted-subject", ["mail-deleted-lead", "mail-deleted-more"], "mail-deleted-otherwise"),
        Mail::AccountLocked { until } => draft
            .says("mail-locked-subject", ["mail-locked-lead"], "mail-locked-otherwise")
            .and("mail-locked-more", "time", &date_time(lang, *until))
            .or_recover(),
        Mail::PasswordSet => draft.says("mail-changed-subject", ["mail-set-lead", "mail-set-more"], "mail-set-otherwise").or_recover(),
        Mail::AccountDisabled => draft.says("mail-disabled-subject", ["mail-disabled-lead", "mail-disabled-more"], "mail-ask-otherwise"),
        Mail::AccountEnabled => draft
            .says("mail-enabled-subject", ["mail-enabled-lead"], "mail-ask-otherwise")
            .leads_to("mail-registered-button", urls::SIGN_IN),
        Mail::AccountRemoved => draft.says("mail-deleted-subject", ["mail-removed-lead", "mail-removed-more"], "mail-ask-otherwise"),
        Mail::EmailReplaced { new_address } => {
            draft.says("mail-moved-subject", [], "mail-ask-otherwise").and("mail-replaced-lead", "address", &hinted(new_address))
        }
        Mail::EmailAssigned => draft.says("mail-in-use-subject", ["mail-assigned-lead"], "mail-ask-otherwise"),
        Mail::EmailInUse => draft.says("mail-in-use-subject", ["mail-in-use-lead"], "mail-in-use-otherwise").or_recover(),
        Mail::EmailTakenBack => {
            draft.says("mail-taken-back-subject", ["mail-taken-back-lead", "mail-taken-back-more"], "mail-deleted-otherwise")
        }
        Mail::SessionsEnded => draft
            .says("mail-ended-subject", ["mail-ended-lead", "mail-ended-more"], "mail-ended-otherwise")
            .leads_to("mail-registered-button", urls::SIGN_IN)
            .or_recover(),
        Mail::RolesChanged { given, taken } => {
            let draft = draft.says("mail-roles-subject", ["mail-roles-lead"], "mail-roles-otherwise");
            let lists = [("mail-roles-given", given), ("mail-roles-taken", taken)];
            let told = lists.into_iter().filter(|(_, roles)| !roles.is_empty());
            told.fold(draft, |draft, (key, roles)| draft.and(key, "roles", &roles.join(", ")))
        }
        Mail::UsernameTaken => draft
            .says("mail-nameless-subject", ["mail-nameless-lead", "mail-nameless-more"], "mail-in-use-otherwise")
            .leads_to("mail-nameless-button", urls::ACCOUNT)
            .or_recover(),
    };
    written.words
}

fn facts(about: &About, lang: Lang, only_when: bool) -> Vec<(String, String)> {
    let mut facts = vec![(text(lang, "mail-when", &[]), date_time(lang, about.at))];
    if only_when {
        return facts;
    }
    if let Some(address) = about.address {
        facts.push((text(lang, "mail-where", &[]), address.to_string()));
    }
    if let Some(device) = &about.device {
        facts.push((text(lang, "mail-device", &[]), device.clone()));
    }
    facts
}

/// The server's host, by which a reader tells our links from others.
fn host(urls: &Urls) -> &str {
    urls.origin().split_once("://").map_or(urls.origin(), |(_, host)| host)
}

/// An address that somebody else may have chosen: enough to know one's own, too little to be a message.
fn hinted(address: &str) -> String {
    let (local, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    let first: String = local.chars().take(2).collect();
    let plain: String = domain.chars().filter(|c| c.is_alphanumeric() || matches!(c, '.' | '-')).take(64).collect();
    format!("{first}…@{plain}")
}
