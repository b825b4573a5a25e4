//! Clients as managed things: one way to make, change, disable and delete them, for command line, API, dialects and demo.
//!
//! Owns: ids, secrets and their digests, what a new client is when nobody says. Leaves to others: what metadata may be
//! (`protocol::client`), the row and its audit (`storage.clients`). Presets for frameworks are in [`presets`], the clients of a
//! development server in [`demo`], their pictures in [`logo`].

pub mod demo;
pub mod guesses;
pub mod logo;
pub mod presets;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use subtle::{Choice, ConstantTimeEq as _};

use crate::protocol::client::{Client, GrantType, MetadataError};
use crate::protocol::client_metadata::{ClientMetadata, Defaults};
use crate::protocol::scope;
use crate::seal::{Digest, Purpose, Seal};
use crate::storage::durable::{Act, Allowance, ClientRecord, ClientSecret, Clients, Judged, Saved};
use crate::storage::{StorageError, Time};

/// Before every secret, so that scanners of source code can know one.
const SECRET_PREFIX: &str = "pcs_";
const ID_PREFIX: &str = "cli_";
/// Longer than any secret of ours: not even digested.
const MAX_PRESENTED: usize = 512;

/// Why a client was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("{}: {}", .0.member, .0.reason)]
    Metadata(MetadataError),
    #[error("there is a client of this id already")]
    Taken,
    #[error("there is no such client")]
    Unknown,
    #[error("this client is public: it has no secret")]
    Public,
    #[error("this client was changed meanwhile")]
    Stale,
    #[error(transparent)]
    Storage(StorageError),
}

impl From<MetadataError> for ClientError {
    fn from(error: MetadataError) -> Self {
        Self::Metadata(error)
    }
}

impl From<StorageError> for ClientError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::Conflict(_) => Self::Taken,
            fault => Self::Storage(fault),
        }
    }
}

/// A secret in clear: shown once to whoever made it, and nowhere kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// For showing, this once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A client as it stands after a change, and its new secret where the change made one.
#[derive(Clone, Debug)]
pub struct Changed {
    pub record: ClientRecord,
    pub secret: Option<Secret>,
}

/// Whose change it is, and who has the last word on it.
pub struct By<'a, E = ClientError> {
    pub act: &'a Act,
    /// None: the operator, or the server itself. They may do all.
    pub judge: Option<Judge<'a, E>>,
}

impl<'a> From<&'a Act> for By<'a> {
    fn from(act: &'a Act) -> Self {
        Self { act, judge: None }
    }
}

/// Whether a client that people let do this may be changed.
pub type May<'a, E> = dyn Fn(&Client, &[Allowance]) -> Result<(), E> + Send + Sync + 'a;

/// The rule that holds whoever asks for a change. It is asked of the client as the step finds it: what was changed or allowed meanwhile is judged anew.
pub struct Judge<'a, E> {
    /// Of the client as it was or is to be, with what people let it do.
    pub may: &'a May<'a, E>,
    /// The person who asks: what they themselves let it do is theirs.
    pub person: Option<&'a str>,
}

impl<E> By<'_, E> {
    fn may(&self, client: &Client, allowances: &[Allowance]) -> Result<(), E> {
        self.judge.as_ref().map_or(Ok(()), |judge| (judge.may)(client, allowances))
    }

    /// What the judge is to know of what people let the client do.
    async fn allowances(&self, clients: &dyn Clients, client_id: &str) -> Result<Vec<Allowance>, ClientError> {
        match &self.judge {
            Some(judge) => Ok(clients.allowances(client_id, judge.person).await?),
            None => Ok(Vec::new()),
        }
    }
}

/// The randomness of a client.
#[derive(Clone, Copy)]
pub struct Fresh {
    pub id: [u8; 16],
    pub secret: [u8; 32],
}

/// Makes a client, with a secret unless it is public. `id` is the operator's wish; without it one is made up.
///
/// # Errors
/// [`ClientError`]; nothing was made then.
pub async fn create(
    clients: &dyn Clients,
    seal: &Seal,
    id: Option<&str>,
    metadata: ClientMetadata,
    fresh: Fresh,
    now: Time,
    by: &Act,
) -> Result<Changed, ClientError> {
    let id = id.map_or_else(|| format!("{ID_PREFIX}{}", uuid::Uuid::from_bytes(fresh.id).simple()), str::to_owned);
    let defaults = defaults_for(&metadata);
    let client = metadata.into_client(id, &defaults)?;
    let secret = (!client.is_public()).then(|| new_secret(fresh.secret));
    let secrets = secret.iter().map(|secret| stored(seal, &client.client_id, secret, now)).collect();
    let record =
        ClientRecord { client: Arc::new(client), secrets, demo: false, disabled_at: None, revision: 0, created_at: now, updated_at: now };
    clients.create(&record, by).await?;
    Ok(Changed { record, secret })
}

/// Changes the members that `metadata` names. A client that stops being public gets its first secret; one that becomes public loses those it had.
///
/// # Errors
/// [`ClientError`]; nothing was changed then.
pub async fn update(
    clients: &dyn Clients,
    seal: &Seal,
    client_id: &str,
    metadata: ClientMetadata,
    fresh_secret: [u8; 32],
    now: Time,
    by: &Act,
) -> Result<Changed, ClientError> {
    change(clients, client_id, None, now, &by.into(), |before| {
        let client = metadata.clone().apply(&before.client)?;
        Ok(with_metadata(seal, before, client, fresh_secret, now))
    })
    .await
}

/// A merge patch (RFC 7396) of a client's metadata: members that are there are set, `null` takes one away, the others stay.
#[derive(Clone, Copy, Debug)]
pub struct Patch<'a> {
    pub client_id: &'a str,
    pub given: &'a Map<String, Value>,
    /// Only if that is the client's revision.
    pub expected: Option<i64>,
    pub fresh_secret: [u8; 32],
}

/// Changes a client by a patch.
///
/// # Errors
/// [`ClientError`], and that of the judge; nothing was changed then.
pub async fn patch<E: From<ClientError>>(
    clients: &dyn Clients,
    seal: &Seal,
    patch: &Patch<'_>,
    now: Time,
    by: &By<'_, E>,
) -> Result<Changed, E> {
    change(clients, patch.client_id, patch.expected, now, by, |before| {
        let client = patched(&before.client, patch.given)?;
        Ok(with_metadata(seal, before, client, patch.fresh_secret, now))
    })
    .await
}

/// RFC 7396 §2 on members of a client. Response types follow the grants where the patch names the grants alone.
fn patched(before: &Client, given: &Map<String, Value>) -> Result<Client, ClientError> {
    let unreadable = |error: serde_json::Error| ClientError::Metadata(MetadataError::new("metadata", error.to_string()));
    let mut members = match serde_json::to_value(before).map_err(unreadable)? {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    if given.contains_key("grant_types") && !given.contains_key("response_types") {
        members.remove("response_types");
    }
    for (name, value) in given {
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.clone(), value.clone()),
        };
    }
    let metadata: ClientMetadata = serde_json::from_value(Value::Object(members)).map_err(unreadable)?;
    let defaults = defaults_for(&metadata);
    Ok(metadata.into_client(before.client_id.clone(), &defaults)?)
}

fn with_metadata(seal: &Seal, before: &ClientRecord, client: Client, fresh_secret: [u8; 32], now: Time) -> Changed {
    let mut record = before.clone();
    let mut secret = None;
    if client.is_public() {
        record.secrets.clear();
    } else if before.client.is_public() {
        let made = new_secret(fresh_secret);
        record.secrets = vec![stored(seal, &client.client_id, &made, now)];
        secret = Some(made);
    }
    record.client = Arc::new(client);
    Changed { record, secret }
}

/// Gives the client a new secret. The newest of the old ones lives on for `overlap`, so that a deployment can change over; with none, at once only the
/// new one counts.
///
/// # Errors
/// [`ClientError`], and that of the judge; the old secret holds then.
pub async fn rotate_secret<'a, E: From<ClientError> + 'a>(
    clients: &dyn Clients,
    seal: &Seal,
    client_id: &str,
    overlap: Option<Duration>,
    fresh_secret: [u8; 32],
    now: Time,
    by: impl Into<By<'a, E>>,
) -> Result<Changed, E> {
    change(clients, client_id, None, now, &by.into(), |before| {
        if before.client.is_public() {
            return Err(ClientError::Public.into());
        }
        let made = new_secret(fresh_secret);
        let mut secrets = vec![stored(seal, client_id, &made, now)];
        if let Some(overlap) = overlap.filter(|overlap| !overlap.is_zero()) {
            let end = now + overlap;
            let newest = before.secrets.iter().filter(|old| is_live(old, now)).max_by_key(|old| (old.expires_at.is_none(), old.created_at));
            // An end that was set before is not put off.
            secrets
                .extend(newest.map(|old| ClientSecret { expires_at: Some(old.expires_at.map_or(end, |set| set.min(end))), ..old.clone() }));
        }
        Ok(Changed { record: ClientRecord { secrets, ..before.clone() }, secret: Some(made) })
    })
    .await
}

/// Disables a client, so that nothing of it works, or lets it in again.
///
/// # Errors
/// [`ClientError`], and that of the judge.
pub async fn set_disabled<'a, E: From<ClientError> + 'a>(
    clients: &dyn Clients,
    client_id: &str,
    disabled: bool,
    now: Time,
    by: impl Into<By<'a, E>>,
) -> Result<ClientRecord, E> {
    let by = by.into();
    let changed = change(clients, client_id, None, now, &by, |before| {
        let disabled_at = if disabled { before.disabled_at.or(Some(now)) } else { None };
        Ok(Changed { record: ClientRecord { disabled_at, ..before.clone() }, secret: None })
    });
    Ok(changed.await?.record)
}

/// How often a client may change under our hands before we give up.
const CHANGES: usize = 5;

/// Reads, judges, changes, and writes if nobody wrote or allowed anything in between; else once more. With `expected`, only that revision is changed.
async fn change<E: From<ClientError>>(
    clients: &dyn Clients,
    client_id: &str,
    expected: Option<i64>,
    now: Time,
    by: &By<'_, E>,
    changed: impl Fn(&ClientRecord) -> Result<Changed, E> + Send + Sync,
) -> Result<Changed, E> {
    for _ in 0..CHANGES {
        let before = clients.find(client_id).await.map_err(ClientError::from)?.ok_or(ClientError::Unknown)?;
        if expected.is_some_and(|expected| expected != before.revision) {
            return Err(ClientError::Stale.into());
        }
        let allowances = by.allowances(clients, client_id).await?;
        by.may(&before.client, &allowances)?;
        let mut done = changed(&before)?;
        by.may(&done.record.client, &allowances)?;
        done.record.updated_at = now;
        let judged = by.judge.as_ref().map(|judge| Judged { except: judge.person, allowances: &allowances });
        match clients.update(&done.record, judged, by.act).await.map_err(ClientError::from)? {
            Saved::Done => {
                done.record.revision += 1;
                return Ok(done);
            }
            Saved::Unknown => return Err(ClientError::Unknown.into()),
            // What was remembered of it is forgotten by now: the next read is fresh.
            Saved::Stale => {}
        }
    }
    Err(ClientError::Stale.into())
}

/// Removes a client with its consents, and revokes its grants.
///
/// # Errors
/// [`ClientError`], and that of the judge.
pub async fn delete<'a, E: From<ClientError> + 'a>(
    clients: &dyn Clients,
    client_id: &str,
    now: Time,
    by: impl Into<By<'a, E>>,
) -> Result<(), E> {
    let by = by.into();
    for _ in 0..CHANGES {
        let mut judged = None;
        if by.judge.is_some() {
            let before = clients.find(client_id).await.map_err(ClientError::from)?.ok_or(ClientError::Unknown)?;
            by.may(&before.client, &by.allowances(clients, client_id).await?)?;
            judged = Some(before.revision);
        }
        match clients.delete(client_id, judged, now, by.act).await.map_err(ClientError::from)? {
            Saved::Done => return Ok(()),
            Saved::Unknown => return Err(ClientError::Unknown.into()),
            Saved::Stale => {}
        }
    }
    Err(ClientError::Stale.into())
}

/// Is `presented` a live secret of this client? All secrets are compared, each in constant time. Whether there is such a client, it may use a
/// secret at all, and is not disabled, is asked elsewhere.
#[must_use]
pub fn verify_secret(seal: &Seal, record: &ClientRecord, presented: &str, now: Time) -> bool {
    if presented.is_empty() || presented.len() > MAX_PRESENTED {
        return false;
    }
    let presented = digest(seal, &record.client.client_id, presented);
    let mut matches = Choice::from(0);
    for secret in &record.secrets {
        matches |= secret.digest.0.ct_eq(&presented.0) & Choice::from(u8::from(is_live(secret, now)));
    }
    matches.into()
}

/// The client's own name in the digest: a secret that is copied to another row opens nothing there.
fn digest(seal: &Seal, client_id: &str, secret: &str) -> Digest {
    seal.mac(Purpose::ClientSecret, &[client_id.as_bytes(), secret.as_bytes()])
}

fn stored(seal: &Seal, client_id: &str, secret: &Secret, now: Time) -> ClientSecret {
    ClientSecret { digest: digest(seal, client_id, &secret.0), created_at: now, expires_at: None }
}

/// A secret that has not ended.
#[must_use]
pub fn is_live(secret: &ClientSecret, now: Time) -> bool {
    secret.expires_at.is_none_or(|end| end > now)
}

/// 256 random bits, of letters, digits, `-` and `_` only: the same in Basic credentials whether a library form-encodes them or not.
fn new_secret(random: [u8; 32]) -> Secret {
    Secret(format!("{SECRET_PREFIX}{}", URL_SAFE_NO_PAD.encode(random)))
}

/// What a new client may do when nobody says: sign people in and keep them signed in, with every standard scope. A client that never acts for
/// a person gets none of the scopes that are about one.
fn defaults_for(metadata: &ClientMetadata) -> Defaults {
    let grant_types = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
    let personal = [GrantType::AuthorizationCode, GrantType::Password].map(GrantType::as_str);
    let for_people = metadata.grant_types.as_ref().is_none_or(|names| names.iter().any(|name| personal.contains(&name.as_str())));
    Defaults { grant_types, scope: if for_people { scope::STANDARD.join(" ") } else { String::new() } }
}

#[cfg(test)]
mod tests;
