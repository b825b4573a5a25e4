//! The kinds of mail, and the words of each.
//!
//! A mail holds what was known when it was decided on; it is written when it is sent. Everything in it is ours: a name, a user agent or any other text
//! that a stranger could choose never goes into a mail to somebody else's address. Links begin with the issuer, whatever host was asked.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::i18n::{Arg, Lang, date_time, text};
use crate::seal::{Purpose, Seal, Unsealable};
use crate::storage::Time;
use crate::storage::durable::NewMail;
use crate::urls::{self, Urls};

/// What is said. `token` is that of a link (`once::links`), `code` its six digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Mail {
    /// To whoever made an account: the address is still to be confirmed.
    SignUp { token: String, code: Option<String>, expires_at: Time },
    /// The same, asked for again or by an administrator.
    VerifyEmail { token: String, code: Option<String>, expires_at: Time },
    /// To the owner of an address that somebody tried to sign up with.
    AlreadyRegistered,
    /// A new password was asked for.
    ResetPassword { token: String, code: Option<String>, expires_at: Time },
    /// An administrator asks for a new password.
    ResetRequired { token: String, expires_at: Time },
    /// The password was changed or reset.
    PasswordChanged,
    /// The password is known from a breach.
    PasswordBreached,
    /// To the new address: it becomes that of the account with the link.
    ChangeEmail { token: String, code: Option<String>, expires_at: Time },
    /// To the present address: a change was asked for. The link undoes it, before and after it is confirmed.
    EmailChangeRequested { new_address: String, token: String, expires_at: Time },
    /// To the address before: the new one is in force. The link undoes it.
    EmailChanged { new_address: String, token: String, expires_at: Time },
    /// To whoever may make an account here.
    Invitation { token: String, expires_at: Time },
    /// The account is gone, by its owner's hand.
    AccountDeleted,
    /// Too many passwords were tried: nobody signs in from an unknown browser for a while.
    AccountLocked { until: Time },
    /// An administrator set a password.
    PasswordSet,
    /// An administrator keeps the person out.
    AccountDisabled,
    /// An administrator lets the person in again.
    AccountEnabled,
    /// An administrator deleted the account.
    AccountRemoved,
    /// To the address before: an administrator put another in its place.
    EmailReplaced { new_address: String },
    /// To an address that an administrator made that of the account.
    EmailAssigned,
    /// To the new address: it is that of the account now.
    EmailInUse,
    /// To an address that was that of the account, until the one before it came back.
    EmailTakenBack,
    /// An administrator signed the person out everywhere.
    SessionsEnded,
    /// An administrator gave or took roles of the server.
    RolesChanged { given: Vec<String>, taken: Vec<String> },
    /// The address is confirmed, but the user name that was asked for is somebody else's by now.
    UsernameTaken,
}

impl Mail {
    /// The name under which the outbox, metrics and logs know it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::SignUp { .. } => "sign_up",
            Self::VerifyEmail { .. } => "verify_email",
            Self::AlreadyRegistered => "already_registered",
            Self::ResetPassword { .. } => "reset_password",
            Self::ResetRequired { .. } => "reset_required",
            Self::PasswordChanged => "password_changed",
            Self::PasswordBreached => "password_breached",
            Self::ChangeEmail { .. } => "change_email",
            Self::EmailChangeRequested { .. } => "email_change_requested",
            Self::EmailChanged { .. } => "email_changed",
            Self::Invitation { .. } => "invitation",
            Self::AccountDeleted => "account_deleted",
            Self::AccountLocked { .. } => "account_locked",
            Self::PasswordSet => "password_set",
            Self::AccountDisabled => "account_disabled",
            Self::AccountEnabled => "account_enabled",
            Self::AccountRemoved => "account_removed",
            Self::EmailReplaced { .. } => "email_replaced",
            Self::EmailAssigned => "email_assigned",
            Self::EmailInUse => "email_in_use",
            Self::EmailTakenBack => "email_taken_back",
            Self::SessionsEnded => "sessions_ended",
            Self::RolesChanged { .. } => "roles_changed",
            Self::UsernameTaken => "username_taken",
        }
    }

    /// When it is of no use any more: it is not sent after that.
    #[must_use]
    pub const fn expires_at(&self) -> Option<Time> {
        match self {
            Self::SignUp { expires_at, .. }
            | Self::VerifyEmail { expires_at, .. }
            | Self::ResetPassword { expires_at, .. }
            | Self::ResetRequired { expires_at, .. }
            | Self::ChangeEmail { expires_at, .. }
            | Self::EmailChangeRequested { expires_at, .. }
            | Self::EmailChanged { expires_at, .. }
            | Self::Invitation { expires_at, .. } => Some(*expires_at),
            // What happened stays true, however late it is told.
            Self::AlreadyRegistered
            | Self::PasswordChanged
            | Self::PasswordBreached
            | Self::AccountDeleted
            | Self::AccountLocked { .. }
            | Self::PasswordSet
            | Self::AccountDisabled
            | Self::AccountEnabled
            | Self::AccountRemoved
            | Self::EmailReplaced { .. }
            | Self::EmailAssigned
            | Self::EmailInUse
            | Self::EmailTakenBack
            | Self::SessionsEnded
            | Self::RolesChanged { .. }
            | Self::UsernameTaken => None,
        }
    }
}

impl Mail {
    /// Is it of an administrator's doing? Where they sat is nobody's business.
    const fn is_administrators(&self) -> bool {
        matches!(
            self,
            Self::ResetRequired { .. }
                | Self::PasswordSet
                | Self::AccountDisabled
                | Self::AccountEnabled
                | Self::AccountRemoved
                | Self::EmailReplaced { .. }
                | Self::EmailAssigned
                | Self::SessionsEnded
                | Self::RolesChanged { .. }
        )
    }

    /// Does it hold a code beside its link?
    fn has_code(&self) -> bool {
        match self {
            Self::SignUp { code, .. }
            | Self::VerifyEmail { code, .. }
            | Self::ResetPassword { code, .. }
            | Self::ChangeEmail { code, .. } => code.is_some(),
            _ => false,
        }
    }
}

/// The kind of that name, for metrics and logs.
#[must_use]
pub(super) fn known(kind: &str) -> &'static str {
    KINDS.into_iter().find(|known| *known == kind).unwrap_or("other")
}

/// The names of every kind.
const KINDS: [&str; 24] = [
    "sign_up",
    "verify_email",
    "already_registered",
    "reset_password",
    "reset_required",
    "password_changed",
    "password_breached",
    "change_email",
    "email_change_requested",
    "email_changed",
    "invitation",
    "account_deleted",
    "account_locked",
    "password_set",
    "account_disabled",
    "account_enabled",
    "account_removed",
    "email_replaced",
    "email_assigned",
    "email_in_use",
    "email_taken_back",
    "sessions_ended",
    "roles_changed",
    "username_taken",
];

/// How many letters this process sealed.
static SEALED: AtomicU64 = AtomicU64::new(0);

/// How many letters this process sealed so far: who sees it grow knows that something may wait in the outbox.
pub(super) fn sealed() -> u64 {
    SEALED.load(Ordering::Relaxed)
}

/// When and from where the act came that the mail tells of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    pub at: Time,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// In words of ours (`request::device`), never what the browser calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

/// A mail to somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter<'a> {
    pub to: &'a str,
    pub lang: Lang,
    pub mail: Mail,
    pub about: About,
}

/// Fresh randomness for a mail.
#[derive(Clone, Copy)]
pub struct Fresh {
    pub id: [u8; 10],
    pub nonce: [u8; 24],
}

#[derive(Serialize, Deserialize)]
struct Sealed {
    #[serde(flatten)]
    mail: Mail,
    about: About,
}

impl Letter<'_> {
    /// As it waits in the outbox: sealed, because links are secrets.
    #[must_use]
    pub fn seal(&self, seal: &Seal, fresh: Fresh) -> NewMail {
        let millis = u64::try_from(self.about.at.timestamp_millis()).unwrap_or_default();
        let id = format!("mail_{}", uuid::Builder::from_unix_timestamp_millis(millis, &fresh.id).into_uuid().simple());
        let sealed = Sealed { mail: self.mail.clone(), about: self.about.clone() };
        let plain = serde_json::to_vec(&sealed).expect("strings, moments and addresses are always JSON");
        SEALED.fetch_add(1, Ordering::Relaxed);
        NewMail {
            sealed: seal.seal(Purpose::Mail, id.as_bytes(), &plain, fresh.nonce),
            id,
            to_address: self.to.to_owned(),
            kind: self.mail.kind().to_owned(),
            lang: self.lang.tag().to_owned(),
            created_at: self.about.at,
        }
    }
}

/// What [`Letter::seal`] made.
///
/// # Errors
/// [`Unsealable`] for what was sealed under another master key, or is of a newer version.
pub fn open(seal: &Seal, new: &NewMail) -> Result<(Mail, About), Unsealable> {
    let plain = seal.open(Purpose::Mail, new.id.as_bytes(), &new.sealed)?;
    let Sealed { mail, about } = serde_json::from_slice(&plain).map_err(|_| Unsealable)?;
    Ok((mail, about))
}

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

/// Writes a mail. `name` is the deployment's own.
#[must_use]
pub fn write(mail: &Mail, about: &About, lang: Lang, urls: &Urls, name: &str) -> Words {
    let say = |key: &str| text(lang, key, &[("brand", Arg::Text(name))]);
    let plain = |key: &str| text(lang, key, &[]);
    let to = |path: &str, token: &str| format!("{}?token={}", urls.absolute(path), urls::encode(token));
    let recover = || Some((plain("mail-recover-button"), urls.absolute(urls::RECOVER)));
    let six = |code: &Option<String>| code.as_ref().map(|code| (plain("mail-code"), code.clone()));
    let mut words = Words {
        lang,
        subject: String::new(),
        lead: Vec::new(),
        link: None,
        code: None,
        ends: mail.expires_at().map(|end| {
            let key = if mail.has_code() { "mail-ends-both" } else { "mail-ends" };
            text(lang, key, &[("time", Arg::Text(&date_time(lang, end)))])
        }),
        facts: facts(about, lang, mail.is_administrators()),
        otherwise: String::new(),
        otherwise_link: None,
        foot: text(lang, "mail-foot", &[("brand", Arg::Text(name)), ("host", Arg::Text(host(urls)))]),
    };
    match mail {
        Mail::SignUp { token, code, .. } => {
            words.subject = say("mail-sign-up-subject");
            words.lead = vec![say("mail-sign-up-lead")];
            words.link = Some((plain("mail-verify-button"), to(urls::VERIFY_EMAIL, token)));
            words.code = six(code);
            words.otherwise = plain("mail-sign-up-otherwise");
        }
        Mail::VerifyEmail { token, code, .. } => {
            words.subject = say("mail-verify-subject");
            words.lead = vec![say("mail-verify-lead")];
            words.link = Some((plain("mail-verify-button"), to(urls::VERIFY_EMAIL, token)));
            words.code = six(code);
            words.otherwise = plain("mail-verify-otherwise");
        }
        Mail::AlreadyRegistered => {
            words.subject = say("mail-registered-subject");
            words.lead = vec![say("mail-registered-lead"), plain("mail-registered-more")];
            words.link = Some((plain("mail-registered-button"), urls.absolute(urls::SIGN_IN)));
            words.otherwise = plain("mail-registered-otherwise");
            words.otherwise_link = recover();
        }
        Mail::ResetPassword { token, code, .. } => {
            words.subject = say("mail-reset-subject");
            words.lead = vec![say("mail-reset-lead")];
            words.link = Some((plain("mail-reset-button"), to(urls::RESET, token)));
            words.code = six(code);
            words.otherwise = plain("mail-reset-otherwise");
        }
        Mail::ResetRequired { token, .. } => {
            words.subject = say("mail-required-subject");
            words.lead = vec![say("mail-required-lead"), plain("mail-required-more")];
            words.link = Some((plain("mail-reset-button"), to(urls::RESET, token)));
            words.otherwise = plain("mail-required-otherwise");
            words.otherwise_link = recover();
        }
        Mail::PasswordChanged => {
            words.subject = say("mail-changed-subject");
            words.lead = vec![say("mail-changed-lead"), plain("mail-changed-more")];
            words.otherwise = plain("mail-changed-otherwise");
            words.otherwise_link = recover();
        }
        Mail::PasswordBreached => {
            words.subject = say("mail-breached-subject");
            words.lead = vec![say("mail-breached-lead"), plain("mail-breached-more")];
            words.link = Some((plain("mail-breached-button"), urls.absolute(urls::ACCOUNT_PASSWORD)));
            words.otherwise = plain("mail-breached-otherwise");
            words.otherwise_link = recover();
        }
        Mail::ChangeEmail { token, code, .. } => {
            words.subject = say("mail-address-subject");
            words.lead = vec![say("mail-address-lead")];
            words.link = Some((plain("mail-address-button"), to(urls::CHANGE_EMAIL, token)));
            words.code = six(code);
            words.otherwise = plain("mail-address-otherwise");
        }
        Mail::EmailChangeRequested { new_address, token, .. } => {
            words.subject = say("mail-moving-subject");
            words.lead = vec![
                text(lang, "mail-moving-lead", &[("brand", Arg::Text(name)), ("address", Arg::Text(&hinted(new_address)))]),
                plain("mail-moving-more"),
            ];
            words.otherwise = plain("mail-undo-otherwise");
            words.otherwise_link = Some((plain("mail-undo-button"), to(urls::UNDO_EMAIL, token)));
        }
        Mail::EmailChanged { new_address, token, .. } => {
            words.subject = say("mail-moved-subject");
            words.lead = vec![
                text(lang, "mail-moved-lead", &[("brand", Arg::Text(name)), ("address", Arg::Text(&hinted(new_address)))]),
                plain("mail-moved-more"),
            ];
            words.otherwise = plain("mail-undo-otherwise");
            words.otherwise_link = Some((plain("mail-undo-button"), to(urls::UNDO_EMAIL, token)));
        }
        Mail::Invitation { token, .. } => {
            words.subject = say("mail-invitation-subject");
            words.lead = vec![say("mail-invitation-lead")];
            words.link = Some((plain("mail-invitation-button"), to(urls::SIGN_UP, token)));
            words.facts.clear();
            words.otherwise = plain("mail-invitation-otherwise");
        }
        Mail::AccountDeleted => {
            words.subject = say("mail-deleted-subject");
            words.lead = vec![say("mail-deleted-lead"), plain("mail-deleted-more")];
            words.otherwise = plain("mail-deleted-otherwise");
        }
        Mail::AccountLocked { until } => {
            words.subject = say("mail-locked-subject");
            let time = date_time(lang, *until);
            words.lead = vec![say("mail-locked-lead"), text(lang, "mail-locked-more", &[("time", Arg::Text(&time))])];
            words.otherwise = plain("mail-locked-otherwise");
            words.otherwise_link = recover();
        }
        Mail::PasswordSet => {
            words.subject = say("mail-changed-subject");
            words.lead = vec![say("mail-set-lead"), plain("mail-set-more")];
            words.otherwise = plain("mail-set-otherwise");
            words.otherwise_link = recover();
        }
        Mail::AccountDisabled => {
            words.subject = say("mail-disabled-subject");
            words.lead = vec![say("mail-disabled-lead"), plain("mail-disabled-more")];
            words.otherwise = plain("mail-ask-otherwise");
        }
        Mail::AccountEnabled => {
            words.subject = say("mail-enabled-subject");
            words.lead = vec![say("mail-enabled-lead")];
            words.link = Some((plain("mail-registered-button"), urls.absolute(urls::SIGN_IN)));
            words.otherwise = plain("mail-ask-otherwise");
        }
        Mail::AccountRemoved => {
            words.subject = say("mail-deleted-subject");
            words.lead = vec![say("mail-removed-lead"), plain("mail-removed-more")];
            words.otherwise = plain("mail-ask-otherwise");
        }
        Mail::EmailReplaced { new_address } => {
            words.subject = say("mail-moved-subject");
            words.lead =
                vec![text(lang, "mail-replaced-lead", &[("brand", Arg::Text(name)), ("address", Arg::Text(&hinted(new_address)))])];
            words.otherwise = plain("mail-ask-otherwise");
        }
        Mail::EmailAssigned => {
            words.subject = say("mail-in-use-subject");
            words.lead = vec![say("mail-assigned-lead")];
            words.otherwise = plain("mail-ask-otherwise");
        }
        Mail::EmailInUse => {
            words.subject = say("mail-in-use-subject");
            words.lead = vec![say("mail-in-use-lead")];
            words.otherwise = plain("mail-in-use-otherwise");
            words.otherwise_link = recover();
        }
        Mail::EmailTakenBack => {
            words.subject = say("mail-taken-back-subject");
            words.lead = vec![say("mail-taken-back-lead"), plain("mail-taken-back-more")];
            words.otherwise = plain("mail-deleted-otherwise");
        }
        Mail::SessionsEnded => {
            words.subject = say("mail-ended-subject");
            words.lead = vec![say("mail-ended-lead"), plain("mail-ended-more")];
            words.link = Some((plain("mail-registered-button"), urls.absolute(urls::SIGN_IN)));
            words.otherwise = plain("mail-ended-otherwise");
            words.otherwise_link = recover();
        }
        Mail::RolesChanged { given, taken } => {
            words.subject = say("mail-roles-subject");
            words.lead = vec![say("mail-roles-lead")];
            let lists = [("mail-roles-given", given), ("mail-roles-taken", taken)];
            let told = lists.into_iter().filter(|(_, roles)| !roles.is_empty());
            words.lead.extend(told.map(|(key, roles)| text(lang, key, &[("roles", Arg::Text(&roles.join(", ")))])));
            words.otherwise = plain("mail-roles-otherwise");
        }
        Mail::UsernameTaken => {
            words.subject = say("mail-nameless-subject");
            words.lead = vec![say("mail-nameless-lead"), plain("mail-nameless-more")];
            words.link = Some((plain("mail-nameless-button"), urls.absolute(urls::ACCOUNT)));
            words.otherwise = plain("mail-in-use-otherwise");
            words.otherwise_link = recover();
        }
    }
    words
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
