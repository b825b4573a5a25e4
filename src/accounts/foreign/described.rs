//! Hashes that a file describes in members instead of one text: Keycloak's credentials, Auth0's `custom_password_hash`. The same bounds hold.

use base64::Engine as _;

use super::parse::{BASE64, CUT, DAMAGED, LENGTHS, UNKNOWN, argon2, log_of, pbkdf2_of, salted_of, scrypt_of, unhex};
use super::{Digest, Encoding, Refused, Salted};

/// A description in members instead of a text: Keycloak's and Auth0's exports.
#[derive(Clone, Copy)]
pub struct Described<'a> {
    pub digest: Digest,
    pub salt: &'a [u8],
    pub hash: &'a [u8],
}

impl Described<'_> {
    /// # Errors
    /// [`Refused`].
    pub fn pbkdf2(self, rounds: u64) -> Result<Encoding, Refused> {
        let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
        if !LENGTHS.contains(&self.hash.len()) {
            return Err(CUT);
        }
        pbkdf2_of(self.digest, rounds, self.salt.to_vec(), self.hash.to_vec())
    }

    /// # Errors
    /// [`Refused`].
    pub fn salted(self, salted: Salted) -> Result<Encoding, Refused> {
        salted_of(self.digest, salted, self.salt.to_vec(), self.hash.to_vec())
    }
}

/// scrypt whose parameters are members.
///
/// # Errors
/// [`Refused`].
pub fn described_scrypt(n: u64, r: u32, p: u32, salt: &[u8], hash: &[u8]) -> Result<Encoding, Refused> {
    if !LENGTHS.contains(&hash.len()) {
        return Err(CUT);
    }
    scrypt_of(log_of(&n.to_string())?, r, p, salt.to_vec(), hash.to_vec())
}

/// Bytes that a description holds in base64 or hex.
///
/// # Errors
/// [`Refused`].
pub fn bytes(text: &str, encoding: &str) -> Result<Vec<u8>, Refused> {
    match encoding {
        "base64" => BASE64.decode(text.replace('-', "+").replace('_', "/")).map_err(|_| DAMAGED),
        "hex" => unhex(text),
        "utf8" | "utf-8" => Ok(text.as_bytes().to_vec()),
        _ => Err(UNKNOWN),
    }
}

/// Argon2 whose parameters are members, as a PHC string.
///
/// # Errors
/// [`Refused`].
pub fn described_argon2(kind: &str, version: u32, [m, t, p]: [u64; 3], salt: &[u8], hash: &[u8]) -> Result<String, Refused> {
    let phc = format!("$argon2{kind}$v={version}$m={m},t={t},p={p}${}${}", BASE64.encode(salt), BASE64.encode(hash));
    argon2(&phc)?.ok_or(DAMAGED)
}
