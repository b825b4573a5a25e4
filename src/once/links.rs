//! Links: everything they mean is in them, sealed under the master key. Nothing is at rest until they are used.
//!
//! A link is bound to its purpose, to whom it is for, and to what must still hold when it is used (the password, the address): what changes those
//! ends every link that hung from them. That it is used once is the row that its [`Spend`] makes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::seal::{Purpose as Use, Seal};
use crate::storage::Time;
use crate::storage::durable::Spend;

/// Far above any link of ours; more is not looked at.
const LONGEST: usize = 8 * 1024;

/// What a link leads to. One made for one purpose is nothing to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The address of an account is its owner's.
    VerifyEmail,
    /// A new password without the old one.
    ResetPassword,
    /// The new address of an account is its owner's.
    ChangeEmail,
    /// The old address comes back.
    UndoEmail,
    /// An account for whoever was invited.
    Invitation,
    /// The first owner of a deployment.
    SetUp,
}

impl Purpose {
    /// Stable: part of every link that was sent.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::ChangeEmail => "change_email",
            Self::UndoEmail => "undo_email",
            Self::Invitation => "invitation",
            Self::SetUp => "set_up",
        }
    }
}

impl Purpose {
    /// What a link of this kind leads to, as the audit trail names it.
    #[must_use]
    pub const fn act(self) -> &'static str {
        match self {
            Self::VerifyEmail => "user.verify_email",
            Self::ResetPassword => "user.reset_password",
            Self::ChangeEmail => "user.change_email",
            Self::UndoEmail => "user.restore_email",
            Self::Invitation => "user.sign_up",
            Self::SetUp => "user.create",
        }
    }
}

/// What a link says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    pub purpose: Purpose,
    /// Whom it is for: the id of a person, or an address.
    pub subject: String,
    /// What must still hold when it is used; whoever consumes it compares. Empty where nothing must.
    pub binding: String,
    /// What else the step needs; `Null` where it needs nothing.
    pub data: Value,
    /// Exclusive, in whole seconds.
    pub expires_at: Time,
}

/// A link that was opened, with the row that using it makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    pub link: Link,
    pub spend: Spend,
}

/// Why a link does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLink {
    /// Not one of ours, made for something else, or cut by a mail program.
    #[error("the link is not one of this server, or is not complete")]
    Wrong,
    #[error("the link has expired")]
    Expired,
}

/// A link as it is sealed: short names, because people see its length.
#[derive(Serialize, Deserialize)]
struct Sealed {
    #[serde(rename = "s")]
    subject: String,
    #[serde(rename = "b", default, skip_serializing_if = "String::is_empty")]
    binding: String,
    #[serde(rename = "d", default, skip_serializing_if = "Value::is_null")]
    data: Value,
    #[serde(rename = "e")]
    expires_at: i64,
}

/// The token of a link: letters, digits, `-` and `_`. `nonce` is fresh randomness, and is what tells two links apart.
#[must_use]
pub fn make(seal: &Seal, link: &Link, nonce: [u8; 24]) -> String {
    let Link { purpose, subject, binding, data, expires_at } = link;
    let sealed = Sealed { subject: subject.clone(), binding: binding.clone(), data: data.clone(), expires_at: expires_at.timestamp() };
    let plain = serde_json::to_vec(&sealed).expect("strings, a number and JSON are always JSON");
    URL_SAFE_NO_PAD.encode(seal.seal(Use::Link, purpose.name().as_bytes(), &plain, nonce))
}

/// Reads a link that was made for `purpose` and has not ended.
///
/// # Errors
/// [`BadLink`]. Whether it was used is not asked here: the step that uses it decides.
pub fn open(seal: &Seal, purpose: Purpose, token: &str, now: Time) -> Result<Opened, BadLink> {
    if token.len() > LONGEST {
        return Err(BadLink::Wrong);
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| BadLink::Wrong)?;
    let plain = seal.open(Use::Link, purpose.name().as_bytes(), &bytes).map_err(|_| BadLink::Wrong)?;
    let sealed: Sealed = serde_json::from_slice(&plain).map_err(|_| BadLink::Wrong)?;
    let expires_at = Time::from_timestamp(sealed.expires_at, 0).ok_or(BadLink::Wrong)?;
    if now >= expires_at {
        return Err(BadLink::Expired);
    }
    // The sealing proves every bit of the bytes, the nonce too: one link has one digest.
    let spend = Spend { digest: seal.mac(Use::Token, &[b"link", &bytes]), expires_at };
    let Sealed { subject, binding, data, .. } = sealed;
    Ok(Opened { link: Link { purpose, subject, binding, data, expires_at }, spend })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(seconds: i64) -> Time {
        Time::from_timestamp(1_800_000_000 + seconds, 0).expect("in range")
    }

    fn link() -> Link {
        Link {
            purpose: Purpose::ResetPassword,
            subject: "usr_1".to_owned(),
            binding: "7".to_owned(),
            data: json!({ "email": "ñandú@example.org" }),
            expires_at: at(3600),
        }
    }

    #[test]
    fn a_link_says_what_it_was_made_with_until_it_ends() {
        let seal = Seal::new(&[7; 32]);
        let token = make(&seal, &link(), [1; 24]);
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')), "{token}");
        assert!(!token.contains("usr_1") && token.len() < 200, "{}", token.len());
        let opened = open(&seal, Purpose::ResetPassword, &token, at(3599)).expect("good");
        assert_eq!((opened.link, opened.spend.expires_at), (link(), at(3600)));
        assert_eq!(open(&seal, Purpose::ResetPassword, &token, at(3600)), Err(BadLink::Expired));
        let bare = Link { binding: String::new(), data: Value::Null, ..link() };
        assert_eq!(open(&seal, Purpose::ResetPassword, &make(&seal, &bare, [1; 24]), at(0)).expect("good").link, bare);
    }

    #[test]
    fn a_link_is_nothing_to_another_purpose_or_server_and_cannot_be_changed() {
        let seal = Seal::new(&[7; 32]);
        let token = make(&seal, &link(), [1; 24]);
        assert_eq!(open(&seal, Purpose::VerifyEmail, &token, at(0)), Err(BadLink::Wrong));
        assert_eq!(open(&Seal::new(&[8; 32]), Purpose::ResetPassword, &token, at(0)), Err(BadLink::Wrong));
        for at_byte in 0..token.len() {
            let other = if token.as_bytes()[at_byte] == b'A' { "B" } else { "A" };
            let mut changed = token.clone();
            changed.replace_range(at_byte..=at_byte, other);
            assert_eq!(open(&seal, Purpose::ResetPassword, &changed, at(0)), Err(BadLink::Wrong), "{at_byte}");
        }
        for wrong in ["", "x", &token[1..], &token[..token.len() - 1], &format!("{token}="), &"A".repeat(LONGEST + 1)] {
            assert_eq!(open(&seal, Purpose::ResetPassword, wrong, at(0)), Err(BadLink::Wrong), "{wrong:.40}");
        }
    }

    #[test]
    fn each_link_is_spent_on_its_own() {
        let seal = Seal::new(&[7; 32]);
        let digest = |nonce: u8| {
            let token = make(&seal, &link(), [nonce; 24]);
            open(&seal, Purpose::ResetPassword, &token, at(0)).expect("good").spend.digest
        };
        assert_eq!(digest(1), digest(1));
        assert_ne!(digest(1), digest(2));
    }
}
