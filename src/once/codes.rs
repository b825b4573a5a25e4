//! Six-digit codes: the same mail's link for whoever reads it on another device, typed where it was asked for.
//!
//! A code belongs to a handle (a random value that the browser or app that asked holds, or a name that the caller makes), so that a stranger cannot
//! try it. What is right opens the link, and from there on both are one: whoever uses one has used the other. Tries are counted durably before
//! the code is looked at: ten in all, in parallel or after a restart, then it is dead.

use std::time::Duration;

use super::links::{self, BadLink, Opened, Purpose};
use crate::seal::{Digest, Purpose as Use, Seal};
use crate::storage::durable::{Admission, Attempts};
use crate::storage::ephemeral::Records;
use crate::storage::records::MailedCode;
use crate::storage::{Result, StorageError, Time};

/// How long a code may be typed. Ten tries within fifteen minutes are what `Attempts` allows, so a code must not live longer than that.
pub const LIVES: Duration = Duration::from_secs(15 * 60);

/// Fresh randomness for a code.
#[derive(Clone, Copy)]
pub struct Fresh {
    pub digits: [u8; 8],
    /// Tells the codes of one handle apart.
    pub serial: [u8; 16],
    pub nonce: [u8; 24],
}

/// Why a code does not open its link.
#[derive(Debug, thiserror::Error)]
pub enum BadCode {
    /// Not the code, or none was sent: the two look alike.
    #[error("the code is not right")]
    Wrong,
    #[error("the code has expired")]
    Expired,
    /// It was tried too often; a new one is needed.
    #[error("the code was tried too often")]
    Dead,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Makes the code for a link that was just made, replacing an earlier one under `handle`. Where `token` is none there is nobody to send it to,
/// and nothing tells that: it can be tried like any other and is never right.
///
/// # Errors
/// The fault of the store.
pub async fn create(records: &Records, seal: &Seal, handle: &str, token: Option<&str>, fresh: Fresh, now: Time) -> Result<String> {
    let code = format!("{:06}", u64::from_be_bytes(fresh.digits) % 1_000_000);
    let serial = Digest([fresh.serial, fresh.serial].concat().try_into().expect("twice sixteen bytes")).hex();
    let record = MailedCode {
        digest: digest(seal, handle, &serial, &code).hex(),
        serial,
        token: token.map(str::to_owned),
        // Whole seconds, as everything that expires.
        expires_at: Time::from_timestamp((now + LIVES).timestamp(), 0).unwrap_or(now),
    };
    records.put(handle, &record, fresh.nonce).await?;
    Ok(code)
}

/// Opens the link of `purpose` whose code was typed. Spaces and dashes in it do not count.
///
/// # Errors
/// [`BadCode`].
pub async fn check(
    records: &Records,
    attempts: &dyn Attempts,
    seal: &Seal,
    purpose: Purpose,
    handle: &str,
    typed: &str,
    now: Time,
) -> std::result::Result<Opened, BadCode> {
    let typed: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    if typed.len() != 6 || !typed.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadCode::Wrong);
    }
    let Some(record) = records.get::<MailedCode>(handle).await? else { return Err(BadCode::Wrong) };
    if now >= record.expires_at {
        return Err(BadCode::Expired);
    }
    let key = seal.mac(Use::Token, &[b"code tries", handle.as_bytes(), record.serial.as_bytes()]);
    if let Admission::Locked { .. } = attempts.admit(&key, now).await? {
        return Err(BadCode::Dead);
    }
    let right = digest(seal, handle, &record.serial, &typed).hex() == record.digest;
    match record.token.filter(|_| right) {
        Some(token) => links::open(seal, purpose, &token, now).map_err(|bad| match bad {
            BadLink::Wrong => BadCode::Wrong,
            BadLink::Expired => BadCode::Expired,
        }),
        None => Err(BadCode::Wrong),
    }
}

fn digest(seal: &Seal, handle: &str, serial: &str, code: &str) -> Digest {
    seal.mac(Use::Token, &[b"code", handle.as_bytes(), serial.as_bytes(), code.as_bytes()])
}
