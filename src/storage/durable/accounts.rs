//! What happens to an account after it is found: sign-up, changes of the profile, the address and the password, and its end.
//!
//! Each step takes the mails that go with it and hands them to the outbox in its own transaction: what was done is also said. Where a link
//! leads to a step, the link is used up in the same transaction.

use std::time::Duration;

use async_trait::async_trait;

use super::super::{Result, Time};
use super::{Act, NewMail, NewUser, Spend, User, Whom};

/// A sign-up that nobody confirms is kept for so long after the last mail that could have confirmed it.
pub const PENDING: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// An account that somebody makes, or is invited to.
pub struct SignUp<'a> {
    pub new: &'a NewUser,
    /// The source whose counter gives them a number as their external id (a dialect's people).
    pub number_from: Option<&'a str>,
    /// The invitation that is used up.
    pub spend: Option<&'a Spend>,
    /// Who made it; none where nobody did, or whoever runs the host.
    pub inviter: Option<Inviter<'a>>,
    /// What goes out if the account was made.
    pub welcome: &'a [NewMail],
    /// What goes out if the address is somebody's: they are told, nobody else.
    pub taken: &'a [NewMail],
    /// Whoever signed up with the address before and has not confirmed it, as far as was known when the mails were made.
    pub waiting: Option<&'a str>,
    /// The id of whoever signed up with the address before, with the same password, and has not confirmed it. If it is somebody else's, or the password
    /// another one, whoever confirms must choose a new password.
    pub same_password: Option<&'a str>,
}

/// Who made an invitation. It is good for as long as they could make it, with the roles that it gives.
#[derive(Clone, Copy, Debug)]
pub enum Inviter<'a> {
    /// With the count of changes of their password and address when they made it, and the roles of which it takes one.
    Person { id: &'a str, credential_revision: i64, one_of: &'a [&'a str] },
    /// For itself, with the scope that it takes. A client gives no role of this server.
    Client { id: &'a str, scope: &'a str },
}

/// What became of a sign-up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignedUp {
    /// As stored, with the number that was given; the user name is still nobody's where they are [`User::pending`].
    Made(Box<User>),
    /// The address is somebody's. Nothing but the mail to them was written; and, of a sign-up that nobody confirmed, when it was written to, and
    /// that its password is in doubt.
    EmailTaken,
    /// Somebody signed up with the address meanwhile, or somebody else than was known: the mails are not theirs, and nothing was done.
    Meanwhile,
    /// The invitation was used before.
    Spent,
    /// Whoever made the invitation could not make it now. It is not used up.
    Stale,
}

/// What became of a step that a link led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consumed {
    Done,
    /// It was so before, and nothing was to be done: the address had been confirmed by another link.
    Already,
    /// Done; but the user name that they asked for when they signed up is somebody else's by now, and they have none.
    Nameless,
    /// The link was used before.
    Spent,
    /// What it hung from has changed since, or the person is gone or disabled.
    Stale,
}

/// A profile as it shall be.
#[derive(Clone, Copy, Debug)]
pub struct Revised<'a> {
    /// All of it is stored but ids, password and the times that are the store's; `revision` is the one it was made from.
    pub user: &'a User,
    pub email_canonical: &'a str,
    pub username_canonical: Option<&'a str>,
}

/// What became of [`Accounts::update`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Updated {
    Done(Box<User>),
    /// Somebody changed it since.
    Stale,
    Unknown,
}

/// A new hash for a person whose present one was looked at.
#[derive(Clone, Copy, Debug)]
pub struct NewHash<'a> {
    pub hash: &'a str,
    /// It is stored only if the account's password and address are still those.
    pub credential_revision: i64,
    /// The session that goes on; or, of somebody who has none, the grant (hexadecimal) with which they ask.
    pub keep_session: Option<&'a str>,
}

/// What goes out with a new password that a link set.
#[derive(Clone, Copy, Debug, Default)]
pub struct ResetMails<'a> {
    pub done: &'a [NewMail],
    /// Beside it, where the link confirmed a sign-up whose user name is somebody else's by now.
    pub nameless: &'a [NewMail],
}

/// Whom a search finds. Everything that is given must hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Search<'a> {
    /// Part of the e-mail, user name or name, in any spelling of case and accents; or exactly the id or an id of another system.
    pub q: Option<&'a str>,
    /// Its canonical form, as of a name that somebody signs in with: made by accounts::email, where there is one.
    pub canonical: Option<&'a str>,
    pub role: Option<&'a str>,
    pub disabled: Option<bool>,
    pub email_verified: Option<bool>,
    /// Came from that system.
    pub source: Option<&'a str>,
    /// The last id of the page before.
    pub after: Option<&'a str>,
    pub limit: u32,
}

#[async_trait]
pub trait Accounts: Send + Sync {
    /// Makes an account, or tells the owner of the address that somebody tried: one transaction of the same shape either way. Whoever was
    /// invited takes the place of somebody who signed up with the address and never confirmed it.
    ///
    /// # Errors
    /// `Conflict("username")`, whether or not the address is taken.
    async fn sign_up(&self, sign_up: &SignUp<'_>, now: Time, by: &Act) -> Result<SignedUp>;
    /// Ordered by id.
    async fn search(&self, search: &Search<'_>) -> Result<Vec<User>>;
    /// Replaces the profile if its revision is still the one it was made from. `acts` name what is changed in the audit trail, each in a row
    /// of its own (`user.update`, `user.set_email`, `user.set_verified`, `user.set_roles`).
    /// A changed address ends the links that hang from the old one, and whoever only signed up with the new one makes room; taking a role of the server from somebody ends nothing: it is read with each request.
    ///
    /// # Errors
    /// `Conflict("email")`, `Conflict("username")`, `LastOwner`.
    async fn update(&self, revised: &Revised<'_>, acts: &[&'static str], mails: &[NewMail], now: Time, by: &Act) -> Result<Updated>;
    /// The address is theirs: if it still is their address, and the password the one that they had when the link was made. What they signed up for
    /// opens, with the user name that they asked for, if it is free; if not, `nameless` goes out.
    ///
    /// # Errors
    /// `Conflict("username")`, where somebody else got it at this moment: again, and it is not free any more.
    async fn set_verified(
        &self,
        proof: &AddressProof<'_>,
        spend: Option<&Spend>,
        nameless: &[NewMail],
        now: Time,
        by: &Act,
    ) -> Result<Consumed>;
    /// The new address takes the place of the old one, verified, if password and address are still those that the link was made for. Whoever only
    /// signed up with it makes room.
    ///
    /// # Errors
    /// `Conflict("email")`: it became somebody's meanwhile.
    async fn change_email(&self, change: &NewAddress<'_>, spend: &Spend, mails: &[NewMail], now: Time, by: &Act) -> Result<Consumed>;
    /// The address before comes back, whatever happened since: sessions and grants end, and the password must be reset. Whoever only signed up with
    /// it since makes room.
    ///
    /// # Errors
    /// `Conflict("email")`.
    async fn restore_email(&self, change: &NewAddress<'_>, spend: &Spend, mails: &[NewMail], now: Time, by: &Act) -> Result<Consumed>;
    /// Sets a password whose present one was proved; other sessions and every grant end. False: it was changed meanwhile.
    async fn change_password(&self, id: &str, new: &NewHash<'_>, mails: &[NewMail], now: Time, by: &Act) -> Result<bool>;
    /// Sets a password by a link; every session and grant ends, and so does a required reset. The link came by mail: the address is theirs.
    ///
    /// # Errors
    /// As [`Accounts::set_verified`].
    async fn reset_password(
        &self,
        id: &str,
        new: &NewHash<'_>,
        spend: &Spend,
        mails: ResetMails<'_>,
        now: Time,
        by: &Act,
    ) -> Result<Consumed>;
    /// The password opens nothing from here on until it is reset; sessions and grants end. False if unknown.
    ///
    /// # Errors
    /// As [`Whom::roles`] says.
    async fn require_reset(&self, whom: Whom<'_>, mails: &[NewMail], now: Time, by: &Act) -> Result<bool>;
    /// Ends every session and every grant, offline ones too; the mails go out if there was one. False if unknown.
    ///
    /// # Errors
    /// As [`Whom::roles`] says.
    async fn end_everything(&self, whom: Whom<'_>, mails: &[NewMail], now: Time, by: &Act) -> Result<bool>;
    /// Removes the person with sessions, grants, consents and ids of other systems; the id is never used again. False if unknown.
    ///
    /// # Errors
    /// `LastOwner`, and as [`Whom::roles`] says.
    async fn delete(&self, whom: Whom<'_>, mails: &[NewMail], now: Time, by: &Act) -> Result<bool>;
    /// Sends mails that somebody asked for (a reset, a confirmation) or that something was noticed; `once` keeps it from being said again.
    /// False where it was. `subject` is kind and id, as in the audit trail.
    async fn tell(&self, subject: &str, act: &'static str, once: Option<&Spend>, mails: &[NewMail], now: Time, by: &Act) -> Result<bool>;
    /// The same for a mail that shows whoever reads it to own the address (a confirmation, a reset): a sign-up that nobody confirmed is kept for
    /// [`PENDING`] from now on. Nothing is sent where the person went meanwhile.
    async fn send_proof(&self, id: &str, act: &'static str, mails: &[NewMail], now: Time, by: &Act) -> Result<()>;
    /// Removes the sign-ups that nobody confirmed within [`PENDING`]; how many. One that is confirmed at this moment stays, and so does one that does
    /// not make room ([`User::makes_room`]).
    async fn clean(&self, now: Time, by: &Act) -> Result<u64>;
    /// No number below or at this one is given to a new person of that source.
    async fn raise_counter(&self, source: &str, at_least: i64) -> Result<()>;
    /// The person with a number of that source, or any other id of it that they had: given now where there was none. None if unknown.
    async fn number(&self, id: &str, source: &str, now: Time, by: &Act) -> Result<Option<User>>;
}

/// What a link that confirms an address was bound to.
#[derive(Clone, Copy, Debug)]
pub struct AddressProof<'a> {
    pub user_id: &'a str,
    pub canonical: &'a str,
    pub credential_revision: i64,
}

/// An address that becomes a person's.
#[derive(Clone, Copy, Debug)]
pub struct NewAddress<'a> {
    pub user_id: &'a str,
    /// What the link was bound to; [`Accounts::restore_email`] does not ask.
    pub credential_revision: i64,
    pub address: &'a str,
    pub canonical: &'a str,
}
