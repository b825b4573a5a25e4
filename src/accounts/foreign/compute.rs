//! The computing of foreign hashes. What comes in was bounded by `parse`.

use aes::Aes256;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;
use sha_crypt::{PasswordVerifier as _, ShaCrypt};
use sha1::Sha1;
use sha2::digest::Digest as _;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::{Before, Digest, Encoding, Salted};

/// The bytes of a password that bcrypt looks at; passlib and older libraries cut silently, perhaps inside a letter.
pub const CUT: usize = 72;

/// Schemes that hash the whole password in each round: a long password must not buy more work than this, in bytes.
const MOST_WORK: u64 = 4 << 30;

/// Runs `$body` with `$D` as the type of a hash function. The crates call their types as [`Digest`] calls them.
macro_rules! with_digest {
    ($digest:expr, $D:ident => $body:expr) => {
        with_digest!($digest, $D => $body, Md5 Sha1 Sha224 Sha256 Sha384 Sha512)
    };
    ($digest:expr, $D:ident => $body:expr, $($name:ident)*) => {
        match $digest {
            $(Digest::$name => {
                type $D = $name;
                $body
            })*
        }
    };
}

pub fn verify(encoding: &Encoding, password: &[u8]) -> bool {
    match encoding {
        Encoding::Bcrypt { before, cost, salt, hash } => same(&bcrypt(before, *cost, *salt, password), hash),
        Encoding::Pbkdf2 { digest, rounds, salt, hash } => {
            // RFC 8018 §5.2: each block takes all the rounds, and is made of the whole password. The first one is enough to judge by.
            let first = &hash[..hash.len().min(digest.length())];
            let mut output = vec![0; first.len()];
            with_digest!(digest, D => pbkdf2::pbkdf2_hmac::<D>(password, salt, *rounds, &mut output));
            same(&output, first)
        }
        Encoding::Scrypt { log_n, r, p, salt, hash } => {
            scrypt(*log_n, *r, *p, salt, password, hash.len()).is_some_and(|out| same(&out, hash))
        }
        Encoding::Firebase { log_n, r, p, salt, signer_key, hash } => {
            let Some(key) = scrypt(*log_n, *r, *p, salt, password, 32) else { return false };
            let mut sealed = signer_key.clone();
            // Always the same counter: each key encrypts one thing once.
            let Ok(mut cipher) = ctr::Ctr128BE::<Aes256>::new_from_slices(&key, &[0; 16]) else { return false };
            cipher.apply_keystream(&mut sealed);
            same(&sealed, hash)
        }
        Encoding::Salted { digest, salted, salt, hash } => {
            let found =
                |salted| same(&with_digest!(digest, D => once::<D>(salted, salt, password, |key| hmac(*digest, key, password))), hash);
            match salted {
                Salted::KeyOrFirst => found(Salted::Key) | found(Salted::First),
                other => found(*other),
            }
        }
        Encoding::ShaCrypt { rounds, text, .. } => {
            affordable(*rounds, password) && ShaCrypt::default().verify_password(password, text.as_str()).is_ok()
        }
        Encoding::Phpass { log_rounds, salt, hash } => {
            affordable(1 << log_rounds, password) && same(phpass(*log_rounds, salt, password).as_bytes(), hash.as_bytes())
        }
    }
}

fn same(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

fn affordable(rounds: u32, password: &[u8]) -> bool {
    u64::from(rounds).saturating_mul(password.len() as u64 + 64) <= MOST_WORK
}

fn bcrypt(before: &Before, cost: u32, salt: [u8; 16], password: &[u8]) -> [u8; 23] {
    let given = match before {
        Before::Nothing => password.to_vec(),
        Before::HexSha256 => hex(&Sha256::digest(password)).into_bytes(),
        Before::Base64Sha256 => STANDARD.encode(Sha256::digest(password)).into_bytes(),
        Before::Base64Hmac { key } => STANDARD.encode(hmac(Digest::Sha256, key.as_bytes(), password)).into_bytes(),
        Before::WordPress => {
            // PHP's trim().
            let is_space = |byte: &u8| b" \t\n\r\0\x0b".contains(byte);
            let start = password.iter().position(|byte| !is_space(byte)).unwrap_or(password.len());
            let end = password.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
            STANDARD.encode(hmac(Digest::Sha384, b"wp-sha384", &password[start..end])).into_bytes()
        }
    };
    let mut given = Zeroizing::new(given);
    // A C string: its NUL counts where there is room for it.
    given.push(0);
    given.truncate(CUT);
    let output = bcrypt::bcrypt(cost, salt, &given);
    std::array::from_fn(|at| output[at])
}

fn scrypt(log_n: u8, r: u32, p: u32, salt: &[u8], password: &[u8], length: usize) -> Option<Vec<u8>> {
    let params = scrypt::Params::new(log_n, r, p).ok()?;
    let mut output = vec![0; length];
    scrypt::scrypt(password, salt, &params, &mut output).ok()?;
    Some(output)
}

fn once<D: sha2::digest::Digest>(salted: Salted, salt: &[u8], password: &[u8], keyed: impl FnOnce(&[u8]) -> Vec<u8>) -> Vec<u8> {
    match salted {
        Salted::Key | Salted::KeyOrFirst => keyed(salt),
        Salted::First => D::new().chain_update(salt).chain_update(password).finalize().to_vec(),
        Salted::Last => D::new().chain_update(password).chain_update(salt).finalize().to_vec(),
    }
}

/// RFC 2104.
fn hmac(digest: Digest, key: &[u8], message: &[u8]) -> Vec<u8> {
    with_digest!(digest, D => {
        let mut mac = Hmac::<D>::new_from_slice(key).expect("HMAC takes keys of every length");
        mac.update(message);
        mac.finalize().into_bytes().to_vec()
    })
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// phpass' portable hashes: MD5 over and over.
fn phpass(log_rounds: u32, salt: &str, password: &[u8]) -> String {
    let mut hash = Md5::new().chain_update(salt).chain_update(password).finalize();
    for _ in 0..1u64 << log_rounds {
        hash = Md5::new().chain_update(hash).chain_update(password).finalize();
    }
    crypt64(&hash)
}

pub const CRYPT64: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Base64 of crypt(3): the lowest bits first.
fn crypt64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let value = group.iter().rev().fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
        for at in 0..=group.len() {
            text.push(char::from(CRYPT64[(value >> (6 * at) & 63) as usize]));
        }
    }
    text
}
