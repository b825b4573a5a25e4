//! The kinds of mail, and how one waits: sealed.
//!
//! A mail holds what was known when it was decided on; it is written when it is sent ([`super::words`]). Everything in it is ours: a name, a user agent
//! or any other text that a stranger could choose never goes into a mail to somebody else's address.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::i18n::Lang;
use crate::seal::{Purpose, Seal, Unsealable};
use crate::storage::Time;
use crate::storage::durable::NewMail;

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
    pub(super) const fn is_administrators(&self) -> bool {
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
    pub(super) fn has_code(&self) -> bool {
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
