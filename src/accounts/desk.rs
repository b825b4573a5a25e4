//! The desk: what the operations on accounts work with, and what they share: limits of their own, mails, links with their codes.
//!
//! Owns: who may ask how often, how a mail to a person is made, how a link or code that came back is opened. Leaves to others: what is done
//! (`sign_up`, `recovery`, `address`, `profile`, `mine`, `administration`), rows and races (`storage.accounts`). Made by `app`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::attributes::Schema;
use super::authenticate::{self, Credentials, Fault, Outcome, Parts, Refusal};
use super::limits::Asked;
use super::password_rules::Rules;
use super::users::{AccountError, LinkError};
use crate::clock::Random;
use crate::i18n::Lang;
use crate::mail::{self, About, Letter, Mail};
use crate::once::codes;
use crate::once::links::{self, Link, Opened, Purpose};
use crate::storage::durable::{
    Accounts, Act, Audit, Consents, Consumed, NewMail, Refusal as Refused, SERVER_ROLES, Sessions, Spent, User, UserKey,
};
use crate::storage::ephemeral::Records;
use crate::storage::{Storage, Time};

/// `PORTERO_SIGN_UP`: who may make an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignUpPolicy {
    Open,
    Invitation,
    #[default]
    Closed,
}

/// What operations on accounts work with.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    /// The door that every password goes through; also who finds people.
    pub door: Parts<'a>,
    pub accounts: &'a dyn Accounts,
    pub sessions: &'a dyn Sessions,
    pub consents: &'a dyn Consents,
    pub spent: &'a dyn Spent,
    pub records: &'a Records,
    pub random: &'a Random,
    pub rules: Rules<'a>,
    pub schema: &'a Schema,
    pub sign_up: SignUpPolicy,
}

/// The settings of a deployment that the desk goes by.
#[derive(Clone, Copy)]
pub struct House<'a> {
    pub rules: Rules<'a>,
    pub schema: &'a Schema,
    pub sign_up: SignUpPolicy,
}

/// Who asks, in which language, when.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    /// That of the request, for people whose own language is not known.
    pub lang: Lang,
    /// The device in words of ours, for mails; none where there is no browser.
    pub device: Option<&'a str>,
    pub now: Time,
    pub by: &'a Act,
}

/// What came back from a mail.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// The token of the link.
    Token(&'a str),
    /// The six digits, with the handle that whoever asked was given.
    Code { handle: &'a str, code: &'a str },
}

/// That it is really this person, where being signed in is not enough.
#[derive(Clone, Copy)]
pub enum Presence<'a> {
    /// The password, typed again; `device` is the device cookie.
    Password { password: &'a str, device: Option<&'a str> },
    /// They signed in at this moment. Not enough of somebody who holds a role of this server: an app that acts for them would be one way to it.
    SignedIn { auth_time: Time },
}

/// A sign-in is recent for so long.
pub const RECENT: Duration = Duration::from_secs(10 * 60);

impl<'a> Desk<'a> {
    #[must_use]
    pub fn new(door: Parts<'a>, storage: &'a Storage, random: &'a Random, house: House<'a>) -> Self {
        Self {
            door,
            accounts: &*storage.accounts,
            sessions: &*storage.sessions,
            consents: &*storage.consents,
            spent: &*storage.spent,
            records: &storage.ephemeral,
            random,
            rules: house.rules,
            schema: house.schema,
            sign_up: house.sign_up,
        }
    }

    pub(super) async fn person(&self, id: &str) -> Result<User, AccountError> {
        self.door.users.find(UserKey::Id(id)).await?.ok_or(AccountError::Unknown)
    }

    /// A mail that is sealed for the outbox. A person is written to in their own language, where it is known.
    pub(super) fn letter(&self, to: &str, of: Option<&User>, mail: Mail, asking: &Asking<'_>) -> NewMail {
        let own = of.and_then(|user| user.locale.as_deref()).and_then(Lang::parse);
        let about = About { at: asking.now, address: asking.by.address, device: asking.device.map(str::to_owned) };
        let letter = Letter { to, lang: own.unwrap_or(asking.lang), mail, about };
        letter.seal(self.door.seal, mail::Fresh { id: self.random.bytes(), nonce: self.random.bytes() })
    }

    /// The token of a new link.
    pub(super) fn link(&self, purpose: Purpose, subject: &str, binding: String, data: Value, expires_at: Time) -> String {
        let link = Link { purpose, subject: subject.to_owned(), binding, data, expires_at };
        links::make(self.door.seal, &link, self.random.bytes())
    }

    /// A code beside a link, and the handle under which it is typed. Without a link nobody is told the code, and it is never right.
    pub(super) async fn code(&self, token: Option<&str>, now: Time) -> Result<(String, String), AccountError> {
        let handle = URL_SAFE_NO_PAD.encode(self.random.bytes::<16>());
        let fresh = codes::Fresh { digits: self.random.bytes(), serial: self.random.bytes(), nonce: self.random.bytes() };
        let code = codes::create(self.records, self.door.seal, &handle, token, fresh, now).await?;
        Ok((handle, code))
    }

    /// Opens what came back. That it was not used yet is not asked: the step that uses it decides.
    pub(super) async fn open(&self, purpose: Purpose, proof: Proof<'_>, asking: &Asking<'_>) -> Result<Opened, AccountError> {
        let opened = match proof {
            Proof::Token(token) => links::open(self.door.seal, purpose, token, asking.now).map_err(AccountError::from),
            Proof::Code { handle, code } => {
                let checked = codes::check(self.records, &**self.door.attempts, self.door.seal, purpose, handle, code, asking.now).await;
                checked.map_err(AccountError::from)
            }
        };
        if let Err(AccountError::Link(_) | AccountError::Code(_)) = &opened {
            self.refuse(purpose.act(), None, "bad_proof", asking).await?;
        }
        opened
    }

    /// For a page that shows before it asks: a link that could still be used. Changes nothing.
    ///
    /// # Errors
    /// [`AccountError::Link`], or the fault of the store.
    pub async fn look(&self, purpose: Purpose, token: &str, now: Time) -> Result<Link, AccountError> {
        let opened = links::open(self.door.seal, purpose, token, now)?;
        if self.spent.is_spent(&opened.spend.digest).await? {
            return Err(LinkError::Used.into());
        }
        Ok(opened.link)
    }

    /// Takes one from the allowance of whoever asks.
    pub(super) async fn admit(&self, what: Asked<'_>, asking: &Asking<'_>) -> Result<(), AccountError> {
        let door = &self.door;
        match door.limits.asked(door.ephemeral, door.seal, what, asking.by.address, asking.now).await? {
            None => Ok(()),
            Some(retry_after) => {
                self.refuse(what.act(), None, "throttled", asking).await?;
                Err(AccountError::Throttled { retry_after })
            }
        }
    }

    /// Is there room for another mail to this address, whichever name was typed for it? Whoever asked is not told: they get the answer that they
    /// would get for nobody.
    pub(super) async fn has_room(&self, canonical: &str, asking: &Asking<'_>) -> Result<bool, AccountError> {
        let door = &self.door;
        let full = door.limits.asked(door.ephemeral, door.seal, Asked::Box { of: canonical }, asking.by.address, asking.now).await?;
        Ok(full.is_none())
    }

    /// Writes down that something was refused.
    pub(super) async fn refuse(
        &self,
        act: &'static str,
        user: Option<&User>,
        reason: &'static str,
        asking: &Asking<'_>,
    ) -> Result<(), AccountError> {
        let subject = user.map(subject);
        let audit: &dyn Audit = self.door.audit;
        Ok(audit.refuse(&Refused { act, subject, reason }, asking.now, asking.by).await?)
    }

    /// Makes sure that it is this person, by the one door for passwords or by a recent sign-in. The account as it is then.
    pub(super) async fn present(&self, user: &User, presence: Presence<'_>, asking: &Asking<'_>) -> Result<User, AccountError> {
        match presence {
            Presence::SignedIn { .. } if user.roles.iter().any(|role| SERVER_ROLES.contains(&role.as_str())) => {
                Err(AccountError::PasswordNeeded)
            }
            Presence::SignedIn { auth_time } if asking.now < auth_time + RECENT => Ok(user.clone()),
            Presence::SignedIn { .. } => Err(AccountError::NotRecent),
            Presence::Password { password, device } => {
                let credentials = Credentials { identifier: &user.email, password, device, address: asking.by.address };
                match authenticate::authenticate(&self.door, &credentials, self.random.bytes(), asking.now, asking.by).await {
                    Ok(Outcome::SignedIn { user: proved, .. }) if proved.id == user.id => Ok(*proved),
                    Ok(Outcome::SignedIn { .. } | Outcome::Refused(Refusal::WrongCredentials | Refusal::ResetRequired)) => {
                        Err(AccountError::WrongPassword)
                    }
                    Ok(Outcome::Refused(Refusal::Locked { until })) => Err(AccountError::Locked { until }),
                    Ok(Outcome::Refused(Refusal::Throttled { retry_after })) => Err(AccountError::Throttled { retry_after }),
                    Err(Fault::Busy(busy)) => Err(busy.into()),
                    Err(Fault::Storage(fault)) => Err(fault.into()),
                }
            }
        }
    }
}

/// Somebody who showed that an address is theirs.
#[derive(Clone, Debug)]
pub struct Confirmed {
    /// As they are then.
    pub user: User,
    /// It was confirmed before, and this changed nothing.
    pub already: bool,
    /// The user name that they asked for when they signed up is somebody else's by now: they have none, and are told by mail, too.
    pub nameless: bool,
}

/// What a step that used a link said.
pub(super) fn consumed(consumed: Consumed) -> Result<(), AccountError> {
    match consumed {
        Consumed::Done | Consumed::Already | Consumed::Nameless => Ok(()),
        Consumed::Spent => Err(LinkError::Used.into()),
        Consumed::Stale => Err(LinkError::Stale.into()),
    }
}

/// A request for a mail is answered no earlier than this: far more than it takes to look somebody up and to put a mail into the outbox.
const EVEN: Duration = Duration::from_millis(100);

/// The answer to a request whose work differs with whether somebody is there, when that difference is over.
pub(super) async fn evenly<T>(work: impl Future<Output = T>) -> T {
    let (done, ()) = tokio::join!(work, tokio::time::sleep(EVEN));
    done
}

/// Whom a link was for is there no more: it leads nowhere.
pub(super) fn gone(error: AccountError) -> AccountError {
    match error {
        AccountError::Unknown => LinkError::Stale.into(),
        other => other,
    }
}

/// A person as the audit trail names them.
pub(super) fn subject(user: &User) -> String {
    format!("user:{}", user.id)
}
