//! What the master key is for: sealing values at rest, keyed digests, MACs. A leaf.
//!
//! Every use has its own key, derived by HKDF-SHA-256 under a label (RFC 5869), so that a value made for one purpose
//! means nothing to another. Sealing is XChaCha20-Poly1305 with the record's own name as associated data: a value that
//! was moved to another row or key does not open.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A keyed digest: what a store keeps in place of a secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    #[must_use]
    pub fn hex(&self) -> String {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = String::with_capacity(2 * self.0.len());
        for byte in self.0 {
            hex.push(char::from(DIGITS[usize::from(byte >> 4)]));
            hex.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
        hex
    }

    /// Compares without telling by its time where two digests differ.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Digest({}…)", &self.hex()[..8])
    }
}

/// The purposes a key is derived for. Adding a purpose is adding a label; two purposes never share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Values in the short-lived store.
    Ephemeral,
    /// Private signing keys in SQL.
    SigningKey,
    /// Digests of codes, cookies and other random values.
    Token,
    /// Digests of client secrets.
    ClientSecret,
    /// The MAC inside a refresh token.
    RefreshToken,
    /// Opaque access tokens.
    AccessToken,
    /// Digests of account identifiers, under which failed sign-ins are counted.
    Identifier,
    /// MACs of the steps of a browser flow.
    FlowStep,
    /// Form tokens against cross-site request forgery.
    Csrf,
    /// Links and what they say.
    Link,
    /// Mails that wait to be sent.
    Mail,
    /// The cookie of a known device.
    Device,
    /// Secrets of the demo clients and user of a development server.
    Demo,
    /// The value that tells whether two replicas hold the same master key.
    Fingerprint,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Ephemeral => b"portero ephemeral v1",
            Self::SigningKey => b"portero signing key v1",
            Self::Token => b"portero token v1",
            Self::ClientSecret => b"portero client secret v1",
            Self::RefreshToken => b"portero refresh token v1",
            Self::AccessToken => b"portero access token v1",
            Self::Identifier => b"portero identifier v1",
            Self::FlowStep => b"portero flow step v1",
            Self::Csrf => b"portero csrf v1",
            Self::Link => b"portero link v1",
            Self::Mail => b"portero mail v1",
            Self::Device => b"portero device v1",
            Self::Demo => b"portero demo v1",
            Self::Fingerprint => b"portero fingerprint v1",
        }
    }

    const ALL: [Self; 14] = [
        Self::Ephemeral,
        Self::SigningKey,
        Self::Token,
        Self::ClientSecret,
        Self::RefreshToken,
        Self::AccessToken,
        Self::Identifier,
        Self::FlowStep,
        Self::Csrf,
        Self::Link,
        Self::Mail,
        Self::Device,
        Self::Demo,
        Self::Fingerprint,
    ];
}

/// A sealed value did not open: another key, another name, or bytes that were changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value does not open under this master key and name")]
pub struct Unsealable;

/// The master key, ready for use. Cloning shares nothing secret beyond the process.
#[derive(Clone)]
pub struct Seal {
    keys: std::sync::Arc<[Zeroizing<[u8; 32]>; Purpose::ALL.len()]>,
}

impl Seal {
    /// Derives every key from the 32 bytes of the master key.
    #[must_use]
    pub fn new(master: &[u8; 32]) -> Self {
        let hkdf = Hkdf::<Sha256>::new(None, master);
        let keys = Purpose::ALL.map(|purpose| {
            let mut key = Zeroizing::new([0u8; 32]);
            hkdf.expand(purpose.label(), key.as_mut()).expect("32 bytes are a valid length for HKDF-SHA-256");
            key
        });
        Self { keys: std::sync::Arc::new(keys) }
    }

    fn key(&self, purpose: Purpose) -> &[u8; 32] {
        &self.keys[purpose as usize]
    }

    /// HMAC-SHA-256 of `parts`, each preceded by its length so that no two lists collide.
    #[must_use]
    pub fn mac(&self, purpose: Purpose, parts: &[&[u8]]) -> Digest {
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(self.key(purpose)).expect("any length is a valid key");
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        Digest(mac.finalize().into_bytes().into())
    }

    /// The keyed digest under which a random value is stored.
    #[must_use]
    pub fn digest(&self, purpose: Purpose, value: &str) -> Digest {
        self.mac(purpose, &[value.as_bytes()])
    }

    /// Seals `plain` under the name it will be stored at. `nonce` is fresh randomness.
    #[must_use]
    pub fn seal(&self, purpose: Purpose, name: &[u8], plain: &[u8], nonce: [u8; 24]) -> Vec<u8> {
        let cipher = XChaCha20Poly1305::new(self.key(purpose).into());
        let sealed =
            cipher.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: name }).expect("values are far below the limit of the cipher");
        [&nonce[..], &sealed].concat()
    }

    /// Opens what [`Seal::seal`] made under the same purpose and name.
    ///
    /// # Errors
    /// [`Unsealable`] for anything else.
    pub fn open(&self, purpose: Purpose, name: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Unsealable> {
        let (nonce, body) = sealed.split_first_chunk::<24>().ok_or(Unsealable)?;
        let cipher = XChaCha20Poly1305::new(self.key(purpose).into());
        cipher.decrypt(&XNonce::from(*nonce), Payload { msg: body, aad: name }).map_err(|_| Unsealable)
    }

    /// A public value that differs between master keys and tells nothing about them.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.mac(Purpose::Fingerprint, &[]).hex()[..16].to_owned()
    }
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Seal({})", self.fingerprint())
    }
}

/// SHA-256 without a key, for values that are public anyway (code challenges, ETags).
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_differ_and_index_their_key() {
        for (i, a) in Purpose::ALL.iter().enumerate() {
            assert_eq!(*a as usize, i);
            for b in &Purpose::ALL[i + 1..] {
                assert_ne!(a.label(), b.label());
            }
        }
    }

    #[test]
    fn a_digest_is_written_in_lower_case() {
        let mut digest = Digest([0; 32]);
        (digest.0[0], digest.0[31]) = (0x0a, 0xf9);
        assert_eq!(digest.hex(), format!("0a{}f9", "0".repeat(60)));
    }

    #[test]
    fn a_sealed_value_opens_only_under_its_own_name_and_purpose() {
        let seal = Seal::new(&[7; 32]);
        let sealed = seal.seal(Purpose::SigningKey, b"row 1", b"secret", [1; 24]);
        assert_eq!(seal.open(Purpose::SigningKey, b"row 1", &sealed).as_deref(), Ok(&b"secret"[..]));
        assert_eq!(seal.open(Purpose::SigningKey, b"row 2", &sealed), Err(Unsealable));
        assert_eq!(seal.open(Purpose::Ephemeral, b"row 1", &sealed), Err(Unsealable));
        assert_eq!(Seal::new(&[8; 32]).open(Purpose::SigningKey, b"row 1", &sealed), Err(Unsealable));
        assert_eq!(seal.open(Purpose::SigningKey, b"row 1", &sealed[..20]), Err(Unsealable));
    }

    #[test]
    fn parts_of_a_mac_cannot_be_shifted() {
        let seal = Seal::new(&[7; 32]);
        assert_ne!(seal.mac(Purpose::Csrf, &[b"ab", b"c"]), seal.mac(Purpose::Csrf, &[b"a", b"bc"]));
    }
}
