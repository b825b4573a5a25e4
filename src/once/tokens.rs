//! One-time tokens of the API: an app hands one to another, which uses it up and learns what it stands for.
//!
//! A token is an id, a dot and a random value. The short-lived store keeps what it stands for under the digest of the id, with a digest of the value;
//! nothing usable is at rest. Using it up is a row in `storage.spent`, so that neither parallel consumers on several replicas nor a Redis that was
//! restarted, flushed or restored can make it work twice. It is worth what its maker is: with a client that is gone or disabled, or a person who is, who
//! must set a new password or changed it or the address, it ends. Whatever is wrong (unknown, expired, used, for another purpose or audience, of nobody) is one answer.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::seal::{Digest, Purpose as Use, Seal};
use crate::storage::durable::{Act, Refusal, Spend, User, UserKey};
use crate::storage::ephemeral::Redeemed;
use crate::storage::records::{Maker, OneTimeToken};
use crate::storage::{Result, Storage, StorageError, Time};

/// The shortest and the longest life, and that of a token whose maker says nothing.
pub const SHORTEST: Duration = Duration::from_secs(1);
pub const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
pub const DEFAULT: Duration = Duration::from_secs(10);
/// The largest `data`, as JSON without space.
pub const MAX_DATA: usize = 4 * 1024;
pub const MAX_PURPOSE: usize = 64;
pub const MAX_SUBJECT: usize = 255;
pub const MAX_AUDIENCE: usize = 16;
/// How many live tokens an owner, or a person at an owner, may have that [`list`] still shows.
pub const LISTED: usize = 1000;
/// Purposes that begin so are those of dialects, whose tokens live by a rule of their own: the API neither makes nor consumes one.
pub const OF_DIALECTS: &str = "dialect:";

/// The store keeps a token a little longer than it lives: what counts is `now`, and clocks differ.
const SLACK: Duration = Duration::from_secs(30);

/// What a token shall stand for.
#[derive(Clone, Debug)]
pub struct NewToken<'a> {
    /// The client that makes it, and may list and revoke it.
    pub owner: &'a str,
    /// The person for whom that client acts, where it does.
    pub maker: Option<&'a User>,
    /// A name that its consumer must say, too.
    pub purpose: &'a str,
    /// Clients that may consume it; empty: the owner.
    pub audience: Vec<String>,
    pub subject: Option<&'a str>,
    /// Any JSON; `Null` for none.
    pub data: Value,
    pub lives: Duration,
}

/// Fresh randomness for a token.
#[derive(Clone, Copy)]
pub struct Fresh {
    pub id: [u8; 10],
    pub secret: [u8; 32],
    pub nonce: [u8; 24],
}

/// A token that was made. It is shown this once.
#[derive(Clone, PartialEq, Eq)]
pub struct Created {
    pub id: String,
    pub token: String,
    pub expires_at: Time,
}

impl std::fmt::Debug for Created {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Created({})", self.id)
    }
}

/// What is wrong with a token to be made, by member.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    #[error("{0}: {1}")]
    Invalid(&'static str, &'static str),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// What its consumer learns.
#[derive(Clone, Debug, PartialEq)]
pub struct Consumed {
    pub id: String,
    pub subject: Option<String>,
    pub audience: Vec<String>,
    pub data: Value,
    pub owner: String,
}

/// A live token as its owner sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub id: String,
    pub purpose: String,
    pub audience: Vec<String>,
    pub subject: Option<String>,
    pub created_at: Time,
    pub expires_at: Time,
}

/// Makes a token.
///
/// # Errors
/// [`CreateError::Invalid`] names the member (`purpose`, `audience`, `subject`, `data`, `ttl`); nothing was made then.
pub async fn create(
    storage: &Storage,
    seal: &Seal,
    new: NewToken<'_>,
    fresh: Fresh,
    now: Time,
    by: &Act,
) -> std::result::Result<Created, CreateError> {
    let NewToken { owner, maker, purpose, mut audience, subject, data, lives } = new;
    check(purpose, &audience, subject, &data, lives).map_err(|(member, why)| CreateError::Invalid(member, why))?;
    if audience.is_empty() {
        audience.push(owner.to_owned());
    }
    let mut named = std::collections::BTreeSet::new();
    audience.retain(|id| named.insert(id.clone()));
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
    let id = format!("ott_{}", uuid::Builder::from_unix_timestamp_millis(millis, &fresh.id).into_uuid().simple());
    let secret = URL_SAFE_NO_PAD.encode(fresh.secret);
    let token = OneTimeToken {
        id: id.clone(),
        secret: digest(seal, &id, &secret).hex(),
        owner: owner.to_owned(),
        maker: maker.map(|user| Maker { user_id: user.id.clone(), credential_revision: user.credential_revision }),
        purpose: purpose.to_owned(),
        audience,
        subject: subject.map(str::to_owned),
        data,
        created_at: now,
        expires_at: now + lives,
    };
    let records = &storage.ephemeral;
    records.put_for(&id, &token, lives + SLACK, fresh.nonce).await?;
    records.enlist::<OneTimeToken>(owner, &id, token.expires_at, now).await?;
    // Beside it under whom it is about: however many others there are, everybody finds their own.
    if let Some(subject) = subject {
        records.enlist::<OneTimeToken>(&list_of(owner, Some(subject)), &id, token.expires_at, now).await?;
    }
    // Nobody gets a token of which no row tells.
    storage.audit.done("one_time_token.create", Some(format!("one_time_token:{id}")), now, by).await?;
    Ok(Created { token: format!("{id}.{secret}"), id, expires_at: token.expires_at })
}

/// The name of a list. A client id holds no control character.
fn list_of(owner: &str, subject: Option<&str>) -> String {
    subject.map_or_else(|| owner.to_owned(), |subject| format!("{owner}\u{0}{subject}"))
}

/// Is whoever made this token still somebody whose word counts? `users` is who was asked about before.
async fn stands(storage: &Storage, token: &OneTimeToken, users: &mut HashMap<String, Option<User>>) -> Result<bool> {
    // A client that was made after the token only has the name of the one that made it.
    let client = storage.clients.find(&token.owner).await?;
    if client.is_none_or(|record| record.disabled_at.is_some() || record.created_at > token.created_at) {
        return Ok(false);
    }
    let Some(maker) = &token.maker else { return Ok(true) };
    if !users.contains_key(&maker.user_id) {
        users.insert(maker.user_id.clone(), storage.users.find(UserKey::Id(&maker.user_id)).await?);
    }
    let user = users.get(&maker.user_id).and_then(Option::as_ref);
    Ok(user.is_some_and(|user| user.disabled_at.is_none() && !user.reset_required && user.credential_revision == maker.credential_revision))
}

fn check(
    purpose: &str,
    audience: &[String],
    subject: Option<&str>,
    data: &Value,
    lives: Duration,
) -> std::result::Result<(), (&'static str, &'static str)> {
    let is_name = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.:/".contains(&b));
    if purpose.is_empty() || purpose.len() > MAX_PURPOSE || !is_name(purpose) {
        return Err(("purpose", "must be 1 to 64 of A-Z a-z 0-9 _ - . : /"));
    }
    if audience.len() > MAX_AUDIENCE || audience.iter().any(|client| client.is_empty() || client.len() > 255) {
        return Err(("audience", "must be at most 16 client ids"));
    }
    if subject.is_some_and(|subject| subject.is_empty() || subject.chars().count() > MAX_SUBJECT || subject.chars().any(char::is_control)) {
        return Err(("subject", "must be 1 to 255 characters on one line"));
    }
    if serde_json::to_vec(data).map_or(usize::MAX, |json| json.len()) > MAX_DATA {
        return Err(("data", "must be at most 4096 bytes of JSON"));
    }
    if lives < SHORTEST || lives > LONGEST {
        return Err(("ttl", "must be 1 to 86400 seconds"));
    }
    Ok(())
}

/// What somebody presents to use a token up.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    pub token: &'a str,
    /// What they take it for.
    pub purpose: &'a str,
    /// The client that asks.
    pub consumer: &'a str,
}

/// What a refusal is written down as where the token is nobody's, or is told from nobody's by us alone.
pub const INVALID: Refusal = Refusal { act: CONSUME, subject: None, reason: "one_time_token_invalid" };
const CONSUME: &str = "one_time_token.consume";

/// Uses a token up. None for every token that is not live, not made for
/// this, or not for this client; a stranger's try leaves it as it is. Either way one row of the audit trail tells of it.
///
/// # Errors
/// The fault of a store. It may be asked again: the token is used up only where an answer says so.
pub async fn consume(
    storage: &Storage,
    seal: &Seal,
    presented: Presented<'_>,
    nonce: [u8; 24],
    now: Time,
    by: &Act,
) -> Result<Option<Consumed>> {
    let Some(found) = bound(storage, seal, presented, nonce, now).await? else {
        storage.audit.refuse(&INVALID, now, by).await?;
        return Ok(None);
    };
    // The step notes both outcomes itself.
    if !storage.spent.spend(&spend(seal, &found), CONSUME, Some(format!("one_time_token:{}", found.id)), now, by).await? {
        return Ok(None);
    }
    Ok(Some(Consumed { id: found.id, subject: found.subject, audience: found.audience, data: found.data, owner: found.owner }))
}

/// The token that is presented, if it is one, is for whoever presents it and for that purpose, and somebody stands behind it. Whether it was used
/// is not known yet.
async fn bound(storage: &Storage, seal: &Seal, presented: Presented<'_>, nonce: [u8; 24], now: Time) -> Result<Option<OneTimeToken>> {
    let Presented { token, purpose, consumer } = presented;
    let Some((id, secret)) = parse(token) else { return Ok(None) };
    let wanted = digest(seal, id, secret).hex();
    // Bindings first, so that a stranger neither burns it nor learns of it; then it is spent; then its end is judged.
    let meant = |found: &OneTimeToken| {
        let same = found.secret == wanted;
        let meant = found.purpose == purpose && found.audience.iter().any(|client| client == consumer);
        if same && meant { Ok(()) } else { Err(()) }
    };
    let found = match storage.ephemeral.redeem_if(id, nonce, meant).await? {
        // A consumer that was cut off between the two stores comes again: the row decides.
        Ok(Redeemed::First(found) | Redeemed::Again(found)) => found,
        Ok(Redeemed::Missing) | Err(()) => return Ok(None),
    };
    let live = now < found.expires_at && stands(storage, &found, &mut HashMap::new()).await?;
    Ok(live.then_some(found))
}

/// The live tokens of an owner, the oldest first; with `subject`, those that are about them.
///
/// # Errors
/// The fault of the store.
pub async fn list(storage: &Storage, owner: &str, subject: Option<&str>, now: Time) -> Result<Vec<Listed>> {
    let (mut listed, mut users) = (Vec::new(), HashMap::new());
    for id in storage.ephemeral.listed::<OneTimeToken>(&list_of(owner, subject), LISTED, now).await? {
        // What was used, revoked or given up in between is not there any more.
        let Some(found) = storage.ephemeral.get::<OneTimeToken>(&id).await? else { continue };
        if now < found.expires_at && is_of(&found, owner, subject) && stands(storage, &found, &mut users).await? {
            let OneTimeToken { id, purpose, audience, subject, created_at, expires_at, .. } = found;
            listed.push(Listed { id, purpose, audience, subject, created_at, expires_at });
        }
    }
    // Ids sort by the time they were made.
    listed.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(listed)
}

fn is_of(token: &OneTimeToken, owner: &str, subject: Option<&str>) -> bool {
    token.owner == owner && subject.is_none_or(|subject| token.subject.as_deref() == Some(subject))
}

/// Whose token may be ended: that of an owner; with `subject`, such of theirs as are about them.
#[derive(Clone, Copy)]
pub struct Of<'a> {
    pub owner: &'a str,
    pub subject: Option<&'a str>,
}

/// Ends a token; false where there is no such live one of theirs.
///
/// # Errors
/// The fault of a store; it may be asked again.
pub async fn revoke(storage: &Storage, seal: &Seal, of: Of<'_>, id: &str, nonce: [u8; 24], now: Time, by: &Act) -> Result<bool> {
    let own = |found: &OneTimeToken| if is_of(found, of.owner, of.subject) { Ok(()) } else { Err(()) };
    let found = match storage.ephemeral.redeem_if(id, nonce, own).await? {
        Ok(Redeemed::First(found) | Redeemed::Again(found)) if now < found.expires_at => found,
        _ => return Ok(false),
    };
    storage.spent.spend(&spend(seal, &found), "one_time_token.revoke", Some(format!("one_time_token:{id}")), now, by).await
}

fn spend(seal: &Seal, token: &OneTimeToken) -> Spend {
    // Longer than the record itself: nothing that the short-lived store brings back finds the row gone.
    Spend { digest: seal.mac(Use::Token, &[b"one-time token", token.id.as_bytes()]), expires_at: token.expires_at + LONGEST }
}

fn digest(seal: &Seal, id: &str, secret: &str) -> Digest {
    seal.mac(Use::Token, &[b"one-time secret", id.as_bytes(), secret.as_bytes()])
}

/// Id and random value, if it can be one of ours: no store is asked about anything else.
fn parse(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.split_once('.')?;
    let own = id.strip_prefix("ott_")?;
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    (own.len() == 32 && secret.len() == 43 && plain(own) && plain(secret)).then_some((id, secret))
}
