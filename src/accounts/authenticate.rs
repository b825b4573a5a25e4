//! The only way to check a password: pages, the password grant, dialects and the API all come through [`authenticate`].
//!
//! Owns: the order of the checks and one answer, one cost for everything that is not right. Leaves to others: how often (`limits`), the
//! hash (`password`), what follows from a success (`sessions`, `tokens`). Order: throttle by address, look up, admit by the counts of
//! name and account, hash or dummy, disabled or not confirmed, and only then success. The attempt is counted as failed *before* its password is
//! looked at, so that parallel guesses cannot pass the limit.
//!
//! There are two counts. That of the name that was typed says when it is locked, and is the same whether anybody has that name. That of the account
//! joins all its names, and is never told: past it even the right password is answered like a wrong one, because "locked" under a name that nobody
//! tried would tell whose it is.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::breached::Breached;
use super::email;
use super::limits::{Device, Limits, account_key, device_key, name_key};
use super::password::{Busy, Checked, Hasher};
use super::password_rules::MAX;
use crate::clock::Random;
use crate::i18n::Lang;
use crate::mail::{self, About, Letter, Mail};
use crate::seal::{Digest, Purpose, Seal};
use crate::storage::durable::{Accounts, Act, Admission, Attempts, Audit, NewMail, Proof, Refusal as Refused, Spend, User, UserKey, Users};
use crate::storage::ephemeral::Ephemeral;
use crate::storage::{Storage, StorageError, Time};
use crate::telemetry::metrics;

/// What authentication works with.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    pub users: &'a dyn Users,
    pub attempts: &'a Arc<dyn Attempts>,
    pub audit: &'a dyn Audit,
    pub ephemeral: &'a dyn Ephemeral,
    pub seal: &'a Seal,
    pub hasher: &'a Hasher,
    pub limits: Limits,
    /// Who tells people of what concerns them; none: nobody is told.
    pub watch: Option<Watch<'a>>,
}

impl<'a> Parts<'a> {
    #[must_use]
    pub fn of(storage: &'a Storage, seal: &'a Seal, hasher: &'a Hasher, limits: Limits) -> Self {
        Self {
            users: &*storage.users,
            attempts: &storage.attempts,
            audit: &*storage.audit,
            ephemeral: &*storage.ephemeral.store,
            seal,
            hasher,
            limits,
            watch: None,
        }
    }
}

/// Tells people of a lock, and looks at passwords that proved right. A breached one opens the account all the same: who signs in with it may be its owner, and is told by mail, once
/// for each password; whether it must be replaced is an administrator's to say (`administration::require_reset`).
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// None where there is no list of breached passwords.
    pub breached: Option<&'a Breached>,
    pub accounts: &'a dyn Accounts,
    pub random: &'a Random,
}

/// How long somebody is not told again of the same password.
const TOLD: Duration = Duration::from_secs(365 * 24 * 60 * 60);

impl Watch<'_> {
    /// A failure costs nothing but the mail: the next sign-in sends it.
    async fn tell(&self, seal: &Seal, user: &User, password: &str, now: Time, by: &Act) {
        if !self.breached.is_some_and(|breached| breached.contains(password)) {
            return;
        }
        let revision = user.credential_revision.to_be_bytes();
        let digest = seal.mac(Purpose::Token, &[b"breached", user.id.as_bytes(), &revision]);
        let once = Spend { digest, expires_at: now + TOLD };
        let mail = self.letter(seal, user, Mail::PasswordBreached, now, by);
        if let Err(error) = self.accounts.tell(&format!("user:{}", user.id), "user.password_breached", Some(&once), &[mail], now, by).await
        {
            tracing::warn!(%error, user = user.id, "nobody was told of a breached password");
        }
    }

    /// BF-01: whose account is locked is told, once for each lock, on whichever replica it was closed or met. A name that is nobody's takes the same
    /// steps, without the mail; so does one that nobody confirmed, as its address may be a stranger's.
    async fn locked(&self, seal: &Seal, user: Option<&User>, account: &Digest, until: Time, now: Time, by: &Act) {
        let digest = seal.mac(Purpose::Token, &[b"locked", &account.0, &until.timestamp().to_be_bytes()]);
        let once = Spend { digest, expires_at: until };
        let reader = user.filter(|user| !user.pending);
        let mails: Vec<_> = reader.map(|user| self.letter(seal, user, Mail::AccountLocked { until }, now, by)).into_iter().collect();
        let subject = user.map_or_else(|| "nobody".to_owned(), |user| format!("user:{}", user.id));
        if let Err(error) = self.accounts.tell(&subject, "user.locked", Some(&once), &mails, now, by).await {
            tracing::warn!(%error, subject, "nobody was told of a lock");
        }
    }

    fn letter(&self, seal: &Seal, user: &User, mail: Mail, now: Time, by: &Act) -> NewMail {
        let about = About { at: now, address: by.address, device: None };
        let lang = user.locale.as_deref().and_then(Lang::parse).unwrap_or_default();
        let letter = Letter { to: &user.email, lang, mail, about };
        letter.seal(seal, mail::Fresh { id: self.random.bytes(), nonce: self.random.bytes() })
    }
}

/// What somebody presents.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// E-mail or user name, as typed.
    pub identifier: &'a str,
    /// As typed: it is not normalised.
    pub password: &'a str,
    /// The device cookie, where the browser sent one.
    pub device: Option<&'a str>,
    /// Where it comes from, behind trusted proxies.
    pub address: Option<IpAddr>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    SignedIn {
        user: Box<User>,
        /// RFC 8176 §2.
        amr: &'static [&'static str],
        acr: &'static str,
        /// What a session or grant is begun on.
        proof: Proof,
    },
    Refused(Refusal),
}

/// Why not. Nothing in it tells whether the account exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Wrong password, unknown name, an account without a password, a disabled account, one that nobody confirmed, one that was tried too often under
    /// its other name.
    WrongCredentials,
    /// Too many failures under this name.
    Locked { until: Time },
    /// Too many sign-ins from this address.
    Throttled { retry_after: Duration },
    /// The password was right, and opens nothing until it is reset. Only whoever knows it learns that.
    ResetRequired,
}

/// The password could not be judged: 503, never a denial, and nothing is counted.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Busy(#[from] Busy),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

const ACT: &str = "sign_in";
/// What a sign-in by password is worth (OIDC Core §2, `acr`): the only level there is.
pub const ACR: &str = "1";
/// How it was done (RFC 8176 §2).
pub const AMR: &[&str] = &["pwd"];

const METHOD: &str = "password";

/// How long an answer waits for its attempt to be taken back.
const TOLD_AT_ONCE: Duration = Duration::from_millis(500);
/// The pauses before it is tried again: for as long as a lock lasts.
const TOLD_LATER: [Duration; 10] = {
    let mut pauses = [Duration::from_secs(1); 10];
    let mut n = 1;
    while n < pauses.len() {
        pauses[n] = Duration::from_secs(1 << n);
        n += 1;
    }
    pauses
};

/// How often an account may change under our hands before we give up: each time its password is judged anew.
const CHANGES: usize = 3;

/// Checks a password. `salt` is fresh randomness for the case that the stored hash is replaced by a stronger one.
///
/// # Errors
/// [`Fault`]; the attempt is then taken back.
pub async fn authenticate(parts: &Parts<'_>, credentials: &Credentials<'_>, salt: [u8; 16], now: Time, by: &Act) -> Result<Outcome, Fault> {
    if let Some(retry_after) = parts.limits.throttled(parts.ephemeral, parts.seal, credentials.address, now).await? {
        return refuse(parts, None, "throttled", Refusal::Throttled { retry_after }, now, by).await;
    }
    // What no account can have is refused for less: it tells nothing about any account.
    let (Some(identifier), true) = (email::identifier(credentials.identifier), is_possible(credentials.password)) else {
        return refuse(parts, None, "malformed", Refusal::WrongCredentials, now, by).await;
    };
    let found = parts.users.with_password(UserKey::Identifier(&identifier)).await?;
    let user = found.as_ref().map(|(user, _)| user);
    let counts = counted_under(parts, &identifier, user, credentials.device);
    let mut counted = Counted { account: counts.account, keys: Vec::with_capacity(2), closes: None };
    let admitted = if parts.limits.enabled { admit(parts, &counts, &mut counted, now).await } else { Ok(Admitted::Yes) };
    let judged = match admitted {
        Ok(Admitted::Locked { until }) => {
            // Told already, but where whoever closed it went away before they had an answer.
            if let Some(watch) = &parts.watch {
                watch.locked(parts.seal, user, &counts.account, until, now, by).await;
            }
            return refuse(parts, user, "locked", Refusal::Locked { until }, now, by).await;
        }
        Ok(Admitted::LockedElsewhere) => unjudged(parts, user, credentials.password, &counted, now, by).await,
        Ok(Admitted::Yes) => judge(parts, found, credentials.password, salt, &counted, now, by).await,
        Err(fault) => Err(fault.into()),
    };
    if judged.is_err() {
        take_back(parts.attempts, counted.keys, now).await;
    }
    judged
}

/// What could not be judged is not counted. The store that fell ill in the middle may not hear of it at once: then it is told later, and the answer
/// does not wait for that.
async fn take_back(attempts: &Arc<dyn Attempts>, mut keys: Vec<Digest>, now: Time) {
    let mut failed = Vec::new();
    for key in keys.drain(..) {
        if !matches!(tokio::time::timeout(TOLD_AT_ONCE, attempts.withdrawn(&key, now)).await, Ok(Ok(()))) {
            failed.push(key);
        }
    }
    if failed.is_empty() {
        return;
    }
    let attempts = Arc::clone(attempts);
    tokio::spawn(async move {
        for wait in TOLD_LATER {
            tokio::time::sleep(wait).await;
            while let Some(key) = failed.last() {
                if attempts.withdrawn(key, now).await.is_err() {
                    break;
                }
                failed.pop();
            }
            if failed.is_empty() {
                return;
            }
        }
        tracing::warn!("an attempt that could not be judged stays counted");
    });
}

/// The keys that an attempt is counted under.
struct Counts {
    /// The name that was typed; or the browser, if it signed in to this account before: a stranger's guesses do not lock that out.
    own: Digest,
    account: Digest,
    known_device: bool,
}

/// What an attempt was counted under, to be taken back where it was right or could not be judged.
struct Counted {
    account: Digest,
    keys: Vec<Digest>,
    /// Where it is wrong, nobody gets in from here until then: it was one too many.
    closes: Option<Time>,
}

impl Counted {
    fn under(&mut self, key: Digest, closes: Option<Time>) {
        self.keys.push(key);
        self.closes = self.closes.max(closes);
    }
}

enum Admitted {
    Yes,
    Locked {
        until: Time,
    },
    /// The account was tried too often, though not under this name.
    LockedElsewhere,
}

fn counted_under(parts: &Parts<'_>, identifier: &str, user: Option<&User>, cookie: Option<&str>) -> Counts {
    let account = account_key(parts.seal, user.map(|user| &*user.id), identifier);
    let known = user.zip(cookie).and_then(|(user, cookie)| Some((user, Device::known(parts.seal, &user.id, cookie)?)));
    match known {
        Some((user, device)) => Counts { own: device_key(parts.seal, &user.id, device), account, known_device: true },
        None => Counts { own: name_key(parts.seal, identifier), account, known_device: false },
    }
}

/// Counts the attempt; what was counted is in `counted`.
async fn admit(parts: &Parts<'_>, counts: &Counts, counted: &mut Counted, now: Time) -> Result<Admitted, StorageError> {
    match parts.attempts.admit_of(&counts.own, Some(&counts.account), now).await? {
        Admission::Locked { until } => return Ok(Admitted::Locked { until }),
        Admission::Closing { until } => counted.under(counts.own, Some(until)),
        Admission::Admitted => counted.under(counts.own, None),
    }
    if counts.known_device {
        return Ok(Admitted::Yes);
    }
    match parts.attempts.admit_of(&counts.account, Some(&counts.account), now).await? {
        Admission::Locked { .. } => return Ok(Admitted::LockedElsewhere),
        Admission::Closing { until } => counted.under(counts.account, Some(until)),
        Admission::Admitted => counted.under(counts.account, None),
    }
    Ok(Admitted::Yes)
}

/// Answers like a wrong password, at the same cost, and looks at none.
async fn unjudged(
    parts: &Parts<'_>,
    user: Option<&User>,
    password: &str,
    counted: &Counted,
    now: Time,
    by: &Act,
) -> Result<Outcome, Fault> {
    let checked = parts.hasher.verify(password, None).await?;
    tokio::time::sleep(checked.shortfall).await;
    metrics::rate_limited("locked");
    wrong(parts, user, "locked", counted, now, by).await
}

/// A wrong password. Where it was one too many, whose account it is is told: beside the refusal, so that it takes no longer than any other.
async fn wrong(
    parts: &Parts<'_>,
    user: Option<&User>,
    reason: &'static str,
    counted: &Counted,
    now: Time,
    by: &Act,
) -> Result<Outcome, Fault> {
    let refused = refuse(parts, user, reason, Refusal::WrongCredentials, now, by);
    match (&parts.watch, counted.closes) {
        (Some(watch), Some(until)) => tokio::join!(refused, watch.locked(parts.seal, user, &counted.account, until, now, by)).0,
        _ => refused.await,
    }
}

/// Not longer than any password here, or imported, can be. A NUL is in no new password, but may be in one that came along.
fn is_possible(password: &str) -> bool {
    password.len() <= 4 * MAX
}

/// Hashes, and believes the result only if the account still stands as it was hashed for.
async fn judge(
    parts: &Parts<'_>,
    mut account: Option<(User, Option<String>)>,
    password: &str,
    salt: [u8; 16],
    counted: &Counted,
    now: Time,
    by: &Act,
) -> Result<Outcome, Fault> {
    for _ in 0..CHANGES {
        // A disabled account is hashed for like one that does not exist: its password can be neither confirmed nor denied. So is one that nobody
        // confirmed: whoever signed up with an address that is not theirs does not learn whether it was taken.
        let stored = account.as_ref().filter(|(user, _)| is_open(user)).and_then(|(_, hash)| hash.as_deref());
        let checked = parts.hasher.verify(password, stored).await?;
        if !checked.correct {
            if checked.unusable {
                tracing::error!(user = account.as_ref().map(|(user, _)| &*user.id), "a stored password hash cannot be checked");
            }
            let reason = why_wrong(account.as_ref(), checked.unusable);
            tokio::time::sleep(checked.shortfall).await;
            return wrong(parts, account.as_ref().map(|(user, _)| user), reason, counted, now, by).await;
        }
        let (Some((user, _)), Some(stored)) = (&account, stored) else {
            unreachable!("only a stored hash can prove a password right");
        };
        // The hash took its time: a password that was changed meanwhile, or an account that was disabled, is judged as it is now.
        let current = parts.users.with_password(UserKey::Id(&user.id)).await?;
        let stands = |(user, hash): &(User, Option<String>)| is_open(user) && hash.as_deref() == Some(stored);
        if current.as_ref().is_some_and(stands) {
            if !counted.keys.is_empty() {
                parts.attempts.succeeded(&counted.keys).await?;
            }
            // Where somebody else was faster, what is stored now is judged: most likely this very password's stronger hash.
            let Some(proof) = upgrade(parts, &user.id, password, (stored, checked), salt, now, by).await else {
                account = parts.users.with_password(UserKey::Id(&user.id)).await?;
                continue;
            };
            let (user, _) = current.expect("it stands, so it is there");
            if user.reset_required {
                return refuse(parts, Some(&user), "reset_required", Refusal::ResetRequired, now, by).await;
            }
            if let Some(watch) = &parts.watch {
                watch.tell(parts.seal, &user, password, now, by).await;
            }
            return Ok(Outcome::SignedIn { user: Box::new(user), amr: AMR, acr: ACR, proof });
        }
        account = current;
    }
    Err(Fault::Busy(Busy { retry_after: Duration::from_secs(1) }))
}

/// A password may open it.
fn is_open(user: &User) -> bool {
    user.disabled_at.is_none() && !user.pending
}

fn why_wrong(account: Option<&(User, Option<String>)>, unusable: bool) -> &'static str {
    match account {
        None => "unknown_user",
        Some((user, _)) if user.disabled_at.is_some() => "disabled",
        Some((user, _)) if user.pending => "not_confirmed",
        Some((_, None)) => "no_password",
        Some((_, Some(_))) if unusable => "unusable_hash",
        Some((_, Some(_))) => "wrong_password",
    }
}

/// The password is known now, in clear, and only now: a hash weaker than today's is replaced. Answers the hash that is stored from here on;
/// none where it was changed meanwhile. A failure costs nothing but the upgrade.
async fn upgrade(
    parts: &Parts<'_>,
    user_id: &str,
    password: &str,
    proved: (&str, Checked),
    salt: [u8; 16],
    now: Time,
    by: &Act,
) -> Option<Proof> {
    let (stored, checked) = proved;
    if !parts.hasher.needs_upgrade(stored) {
        return Some(Proof::of(stored));
    }
    let Ok(stronger) = parts.hasher.stronger(password, stored, checked, salt).await else { return Some(Proof::of(stored)) };
    match parts.users.upgrade_hash(user_id, stored, &stronger, now, by).await {
        Ok(true) => Some(Proof::of(&stronger)),
        Ok(false) => None,
        Err(error) => {
            tracing::warn!(%error, user = user_id, "a password hash was not upgraded");
            Some(Proof::of(stored))
        }
    }
}

async fn refuse(
    parts: &Parts<'_>,
    user: Option<&User>,
    reason: &'static str,
    refusal: Refusal,
    now: Time,
    by: &Act,
) -> Result<Outcome, Fault> {
    // What was typed as a name is not written down: people type passwords there.
    let subject = user.map(|user| format!("user:{}", user.id));
    metrics::login(METHOD, "refused", reason);
    if let Refusal::Locked { .. } | Refusal::Throttled { .. } = refusal {
        metrics::rate_limited(reason);
    }
    parts.audit.refuse(&Refused { act: ACT, subject, reason }, now, by).await?;
    Ok(Outcome::Refused(refusal))
}
