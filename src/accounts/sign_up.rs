//! Sign-up: an account that somebody makes for themselves or is invited to, and the proof that its address is theirs.
//!
//! Owns: what is asked for, invitations, confirmation and sending it again. Leaves to others: races and the mail's way out (`storage.accounts`), the
//! pages and documents that ask (`web`, `api`, `legacy`).
//!
//! Whether an address has an account is never shown: the answer, its cost and its writes are the same, and the owner of the address
//! is told by mail. Nor does it show afterwards: until the address is confirmed nothing opens with the password, and the user name is nobody's.
//! A user name that somebody has is told, as it is public wherever it is used.
//!
//! Whoever confirms must be whoever chose the password, or choose one. Somebody who signs up again with an address that nobody confirmed yet
//! gets its confirmation again: that helps whoever clicked twice. But where the second password was another one, two people may have signed up, and the mail
//! box does not tell whose mail is opened: then neither password opens the account, and whoever reads the mail chooses one by a reset.
//!
//! An invitation is worth what whoever made it may do when it is taken up: with their account, role or scope it is over, and a new password of
//! theirs ends it like every other link of theirs.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::captcha::Widget;
use super::desk::{Asking, Confirmed, Desk, Proof, SignUpPolicy, consumed, evenly, gone};
use super::email::{self, Email, Username};
use super::limits::Asked;
use super::password::Hasher;
use super::password_rules::Rules;
use super::users::{self, AccountError, Fresh, LinkError, NewAccount, OWNER};
use crate::mail::Mail;
use crate::once::codes;
use crate::once::links::{Opened, Purpose};
use crate::storage::StorageError;
use crate::storage::durable::{Actor, AddressProof, Consumed, Inviter, PENDING, SignUp, SignedUp, User, UserKey};

/// A confirmation may be opened for so long.
const CONFIRM: Duration = Duration::from_secs(24 * 60 * 60);
// Nobody is removed while a mail can still confirm them.
const _: () = assert!(CONFIRM.as_secs() < PENDING.as_secs());
/// An invitation may be taken up for so long.
pub const INVITED: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What somebody fills in.
#[derive(Clone, Debug, Default)]
pub struct Form<'a> {
    pub email: &'a str,
    pub username: Option<&'a str>,
    pub name: Option<&'a str>,
    /// BCP 47.
    pub locale: Option<&'a str>,
    pub attributes: Map<String, Value>,
    pub password: &'a str,
    /// The token of an invitation.
    pub invitation: Option<&'a str>,
}

/// How an old service's sign-up differs (dialects).
#[derive(Clone, Copy, Default)]
pub struct Terms<'a> {
    /// In place of the deployment's own rules for passwords.
    pub rules: Option<Rules<'a>>,
    /// The source whose counter gives new people a number.
    pub number_from: Option<&'a str>,
    /// The old contract tells that an address is taken: before anything else is done, as there is nothing left to hide, and its owner need not be
    /// written to each time.
    pub tells_taken: bool,
    /// What must show that a person fills in the form.
    pub widget: Option<Widget<'a>>,
    /// The account opens before its address is confirmed: where it is told anyway that an address is taken, or where no mail can be sent.
    pub opens: bool,
}

/// What came of it: the same for everybody, as long as `made` is shown to nobody.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Under which the code of the mail is typed.
    pub handle: String,
    /// None where the address was taken. For dialects whose contract tells it; pages and the API look away.
    pub made: Option<User>,
}

/// Makes an account, or tells the owner of the address that somebody tried.
///
/// # Errors
/// [`AccountError`]: what is wrong with the form, a user name that is taken, closed doors, too often.
pub async fn sign_up(desk: &Desk<'_>, form: Form<'_>, terms: Terms<'_>, asking: &Asking<'_>) -> Result<Registered, AccountError> {
    let invitation = match form.invitation {
        Some(token) => Some(desk.open(Purpose::Invitation, Proof::Token(token), asking).await?),
        None => None,
    };
    let offer = invitation.as_ref().map(offer).transpose()?;
    if desk.sign_up == SignUpPolicy::Closed || (desk.sign_up == SignUpPolicy::Invitation && invitation.is_none()) {
        desk.refuse("user.sign_up", None, "closed", asking).await?;
        return Err(AccountError::Closed);
    }
    desk.admit(Asked::SignUp, asking).await?;
    if let Some(widget) = &terms.widget {
        is_a_person(desk, widget, asking).await?;
    }
    let address = Email::parse(form.email)?;
    if terms.tells_taken && desk.door.users.find(UserKey::Identifier(&address.canonical)).await?.is_some() {
        desk.refuse("user.sign_up", None, "email_taken", asking).await?;
        return Err(AccountError::Taken("email"));
    }
    if invitation.as_ref().is_some_and(|invitation| invitation.link.subject != address.canonical) {
        return Err(LinkError::Wrong.into());
    }
    desk.schema.check(&form.attributes)?;
    // An old service gave every name to whoever came first.
    if let Some(username) = form.username.filter(|_| !terms.opens) {
        Username::parse(username)?.check_own()?;
    }
    let account = NewAccount {
        email: form.email,
        // Whoever holds the invitation has read the mail.
        email_verified: invitation.is_some(),
        username: form.username,
        name: form.name,
        locale: form.locale,
        roles: offer.as_ref().map(|offer| offer.roles.clone()).unwrap_or_default(),
        attributes: form.attributes,
        password: Some(form.password),
        rules: terms.rules.unwrap_or(desk.rules),
        ..NewAccount::default()
    };
    let ready = Ready { account, address: &address, terms: &terms, invitation: invitation.as_ref(), offer: offer.as_ref() };
    let mut room = None;
    for _ in 0..AT_ONCE {
        if let Some(registered) = ready.try_once(desk, &mut room, asking).await? {
            return Ok(registered);
        }
    }
    Err(AccountError::Stale)
}

/// How often somebody else may sign up with the address, and be removed again, while it is looked at.
const AT_ONCE: usize = 5;

/// A sign-up that was asked for by somebody who may.
struct Ready<'a> {
    account: NewAccount<'a>,
    address: &'a Email,
    terms: &'a Terms<'a>,
    invitation: Option<&'a Opened>,
    offer: Option<&'a Offer>,
}

impl Ready<'_> {
    /// None: somebody signed up with the address at this very moment, as a rule by a second click, and it is theirs to confirm: once more. `room` is
    /// whether there is room for a mail, when that was counted.
    async fn try_once(&self, desk: &Desk<'_>, room: &mut Option<bool>, asking: &Asking<'_>) -> Result<Option<Registered>, AccountError> {
        let canonical = &self.address.canonical;
        let waiting = desk.door.users.with_password(UserKey::Identifier(canonical)).await?;
        let waiting = waiting.filter(|(user, _)| user.makes_room() && is_theirs(user, canonical));
        let mut fresh = Fresh { id: desk.random.bytes(), salt: desk.random.bytes() };
        // One hash for everybody, and by its salt it says whether the password is the same.
        let hash = waiting.as_ref().and_then(|(_, hash)| hash.as_deref());
        fresh.salt = hash.and_then(Hasher::salt).unwrap_or(fresh.salt);
        let mut new = users::prepare(desk.door.hasher, self.account.clone(), fresh, asking.now).await?;
        new.user.pending = self.invitation.is_none() && !self.terms.opens;
        let room = match *room {
            Some(room) => room,
            None => {
                // Counted when the form is in order, under the address as it is compared: nobody's mail box is filled from here.
                desk.admit(Asked::Mail { to: canonical }, asking).await?;
                *room.insert(desk.has_room(canonical, asking).await?)
            }
        };
        let same = waiting.as_ref().filter(|(_, hash)| *hash == new.password_hash).map(|(user, _)| user.id.as_str());
        let waiting = waiting.as_ref().map(|(user, _)| user);
        let (token, expires_at) = confirmation(desk, waiting.or(Some(&new.user)), canonical, asking);
        let (handle, code) = desk.code(Some(&token), asking.now).await?;
        let confirm = Mail::SignUp { token, code: Some(code), expires_at };
        let told = if waiting.is_some() { confirm.clone() } else { Mail::AlreadyRegistered };
        let welcome = [desk.letter(&new.user.email, Some(&new.user), confirm, asking)];
        let taken = [desk.letter(&new.user.email, waiting.or(Some(&new.user)), told, asking)];
        let sign_up = SignUp {
            new: &new,
            number_from: self.terms.number_from,
            spend: self.invitation.map(|invitation| &invitation.spend),
            inviter: self.offer.and_then(|offer| offer.by.inviter()),
            welcome: if self.invitation.is_some() { &[] } else { &welcome },
            taken: if room { &taken } else { &[] },
            waiting: waiting.map(|user| user.id.as_str()),
            same_password: same,
        };
        match desk.accounts.sign_up(&sign_up, asking.now, asking.by).await? {
            SignedUp::Made(user) => Ok(Some(Registered { handle, made: Some(*user) })),
            SignedUp::EmailTaken => Ok(Some(Registered { handle, made: None })),
            SignedUp::Meanwhile => Ok(None),
            SignedUp::Spent => Err(LinkError::Used.into()),
            SignedUp::Stale => Err(LinkError::Stale.into()),
        }
    }
}

/// Whoever solved the widget of a form.
async fn is_a_person(desk: &Desk<'_>, widget: &Widget<'_>, asking: &Asking<'_>) -> Result<(), AccountError> {
    match widget.passed(asking.by.address).await {
        Ok(true) => Ok(()),
        Ok(false) => {
            desk.refuse("user.sign_up", None, "captcha", asking).await?;
            Err(AccountError::Captcha)
        }
        Err(fault) => {
            tracing::error!(event = "fault", detail = %fault, "a captcha was not judged");
            Err(AccountError::CaptchaFault)
        }
    }
}

/// The address belongs to whoever got the mail.
///
/// # Errors
/// [`AccountError::Link`] or [`AccountError::Code`]: not ours, expired, used before, or the address has changed since.
pub async fn verify_email(desk: &Desk<'_>, proof: Proof<'_>, asking: &Asking<'_>) -> Result<Confirmed, AccountError> {
    let Opened { link, spend } = desk.open(Purpose::VerifyEmail, proof, asking).await?;
    let (credential_revision, canonical) = link.binding.split_once(' ').ok_or(LinkError::Stale)?;
    let credential_revision = credential_revision.parse().map_err(|_| LinkError::Stale)?;
    let proof = AddressProof { user_id: &link.subject, canonical, credential_revision };
    let waiting = desk.door.users.find(UserKey::Id(&link.subject)).await?;
    let nameless: Vec<_> = waiting.iter().map(|user| desk.letter(&user.email, Some(user), Mail::UsernameTaken, asking)).collect();
    let confirm = || desk.accounts.set_verified(&proof, Some(&spend), &nameless, asking.now, asking.by);
    let done = match confirm().await {
        // The user name became somebody else's in this very moment.
        Err(StorageError::Conflict("username")) => confirm().await?,
        done => done?,
    };
    consumed(done)?;
    let user = desk.person(&link.subject).await.map_err(gone)?;
    Ok(Confirmed { user, already: done == Consumed::Already, nameless: done == Consumed::Nameless })
}

/// Sends the confirmation again, if the address is somebody's and not confirmed yet; nothing tells whether. The handle of the new code.
///
/// # Errors
/// [`AccountError::Throttled`] after three mails in an hour, whoever the address belongs to.
pub async fn resend(desk: &Desk<'_>, typed: &str, asking: &Asking<'_>) -> Result<String, AccountError> {
    evenly(send_again(desk, typed, asking)).await
}

async fn send_again(desk: &Desk<'_>, typed: &str, asking: &Asking<'_>) -> Result<String, AccountError> {
    let canonical = Email::parse(typed)?.canonical;
    desk.admit(Asked::Request, asking).await?;
    desk.admit(Asked::Mail { to: &canonical }, asking).await?;
    let found = desk.door.users.find(UserKey::Identifier(&canonical)).await?;
    let room = desk.has_room(&canonical, asking).await?;
    let waits = |user: &User| room && !user.email_verified && user.disabled_at.is_none() && is_theirs(user, &canonical);
    let waiting = found.filter(waits);
    let (token, expires_at) = confirmation(desk, waiting.as_ref(), &canonical, asking);
    let (handle, code) = desk.code(waiting.as_ref().map(|_| token.as_str()), asking.now).await?;
    match &waiting {
        Some(user) => {
            let mail = Mail::VerifyEmail { token, code: Some(code), expires_at };
            let mails = [desk.letter(&user.email, Some(user), mail, asking)];
            desk.accounts.send_proof(&user.id, RESEND, &mails, asking.now, asking.by).await?;
        }
        // One row either way.
        None => desk.refuse(RESEND, None, "nobody_waits", asking).await?,
    }
    Ok(handle)
}

const RESEND: &str = "user.resend_verification";

/// The scope, and the roles of which a person needs one, that an invitation takes.
pub const INVITES: &str = "users:write";
pub const INVITERS: [&str; 2] = [OWNER, "user_admin"];

/// What an invitation says: sealed into its link.
#[derive(Serialize, Deserialize)]
struct Offer {
    roles: Vec<String>,
    by: By,
}

/// Who made it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum By {
    /// Whoever runs the host.
    Operator,
    Person {
        id: String,
        credentials: i64,
    },
    Client {
        id: String,
    },
}

impl By {
    fn inviter(&self) -> Option<Inviter<'_>> {
        match self {
            Self::Operator => None,
            Self::Person { id, credentials } => Some(Inviter::Person { id, credential_revision: *credentials, one_of: &INVITERS }),
            Self::Client { id } => Some(Inviter::Client { id, scope: INVITES }),
        }
    }
}

/// Invites somebody to make an account of this address and these roles; `asking.by` is who answers for it, and goes on to until it is taken up.
///
/// # Errors
/// [`AccountError`]: an address or role that is none; nobody who could answer for it; a door that an invitation would not open.
pub async fn invite(desk: &Desk<'_>, typed: &str, roles: Vec<String>, asking: &Asking<'_>) -> Result<(), AccountError> {
    if desk.sign_up == SignUpPolicy::Closed {
        desk.refuse("user.invite", None, "closed", asking).await?;
        return Err(AccountError::Closed);
    }
    let address = Email::parse(typed)?;
    let roles = users::read_roles(roles)?;
    let expires_at = asking.now + INVITED;
    let by = match &asking.by.actor {
        Actor::Operator | Actor::System => By::Operator,
        Actor::Person(id) => By::Person { id: id.clone(), credentials: desk.person(id).await?.credential_revision },
        Actor::Client(id) => By::Client { id: id.clone() },
        Actor::Anonymous => return Err(AccountError::Closed),
    };
    let offer = serde_json::to_value(Offer { roles, by }).expect("strings and a number are always JSON");
    let token = desk.link(Purpose::Invitation, &address.canonical, String::new(), offer, expires_at);
    let mail = desk.letter(&address.address, None, Mail::Invitation { token, expires_at }, asking);
    // Nobody's row yet: the trail names the mail.
    let subject = format!("mail:{}", mail.id);
    desk.accounts.tell(&subject, "user.invite", None, &[mail], asking.now, asking.by).await?;
    Ok(())
}

/// A link that confirms the address, and hangs from it and from the password that they have now; one that opens nothing for nobody.
pub(super) fn confirmation(desk: &Desk<'_>, of: Option<&User>, canonical: &str, asking: &Asking<'_>) -> (String, crate::storage::Time) {
    let expires_at = asking.now + CONFIRM.max(codes::LIVES);
    let (id, credentials) = of.map_or(("", 0), |user| (&user.id, user.credential_revision));
    (desk.link(Purpose::VerifyEmail, id, format!("{credentials} {canonical}"), Value::Null, expires_at), expires_at)
}

fn offer(invitation: &Opened) -> Result<Offer, AccountError> {
    Ok(Offer::deserialize(&invitation.link.data).map_err(|_| LinkError::Stale)?)
}

/// The canonical form found the person by their address, and not by a user name that reads like one.
pub(super) fn is_theirs(user: &User, canonical: &str) -> bool {
    email::Email::parse(&user.email).is_ok_and(|email| email.canonical == canonical)
}
