//! Keys and signatures: the only room that names josekit.
//!
//! Owns: making, importing and writing down a private key, its public JWK, signing and verifying compact JWS. Signer and verifier
//! are built once per key: building one per call costs several times the signature itself. Leaves to others: when a key signs
//! (`rotation`), which key a token names (`KeyRing`), what the claims say (`protocol`). Called by `keys` and by whoever makes a token.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use josekit::jwk::alg::ed::{EdCurve, EdKeyPair};
use josekit::jwk::alg::rsa::RsaKeyPair;
use josekit::jwk::{Jwk, KeyPair};
use josekit::jws::{ES256, EdDSA, JwsSigner, JwsVerifier, RS256};
use openidconnect::core::CoreJsonWebKey;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::protocol::client::SigningAlg;
use crate::seal::sha256;

/// Smaller RSA keys are refused, larger ones than this too: they would only slow every token down.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;
const GENERATED_RSA_BITS: u32 = 2048;

/// A compact JWS longer than this is not looked at.
pub const MAX_TOKEN: usize = 16 * 1024;

/// The `typ` whose header is written once per key: that of access tokens (RFC 9068 §2.1).
const CACHED_TYPE: &str = "at+jwt";

/// Members of a JWK that everybody may see; the public form is made of these and nothing else.
const PUBLIC_MEMBERS: [&str; 9] = ["kty", "use", "alg", "kid", "n", "e", "crv", "x", "y"];

/// A key that cannot be made, read or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadKey(String);

impl BadKey {
    fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }

    /// josekit's errors name what is wrong with a key and never its value.
    fn because(what: &str, error: impl std::fmt::Display) -> Self {
        Self(format!("{what}: {error}"))
    }
}

/// Not a JWS that this key signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a token that this server signed")]
pub struct NotOurs;

/// A private key as JSON, for sealing. Wiped when dropped, never printed.
pub struct PrivateJwk {
    pub kid: String,
    pub alg: SigningAlg,
    json: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for PrivateJwk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PrivateJwk({} {})", self.alg.as_str(), self.kid)
    }
}

impl PrivateJwk {
    /// Makes a new key: RSA of 2048 bits, P-256, or Ed25519. An RSA key takes a tenth of a second and more: call it off the
    /// asynchronous workers.
    ///
    /// # Errors
    /// [`BadKey`] if OpenSSL cannot make one.
    pub fn generate(alg: SigningAlg) -> Result<Self, BadKey> {
        let failed = |error| BadKey::because("a key cannot be made", error);
        let jwk = match alg {
            SigningAlg::RS256 => RsaKeyPair::generate(GENERATED_RSA_BITS).map_err(failed)?.to_jwk_key_pair(),
            SigningAlg::ES256 => EcKeyPair::generate(EcCurve::P256).map_err(failed)?.to_jwk_key_pair(),
            SigningAlg::EdDSA => EdKeyPair::generate(EdCurve::Ed25519).map_err(failed)?.to_jwk_key_pair(),
        };
        Self::normalised(alg, &jwk)
    }

    /// Reads a private key from PEM (PKCS#8, PKCS#1, SEC 1) or from a JWK.
    ///
    /// # Errors
    /// [`BadKey`] where it is none of these, too small, or of an algorithm that Portero does not sign with.
    pub fn import(bytes: &[u8]) -> Result<Self, BadKey> {
        let text = std::str::from_utf8(bytes).map_err(|_| BadKey::new("a key is PEM or JSON, and this is neither"))?.trim();
        let imported = if text.starts_with('{') { Self::import_jwk(text) } else { Self::import_pem(text) }?;
        // A file whose public part does not fit its private part must be found now and not by the first client.
        let key = SigningKey::new(&imported)?;
        let probe = b"portero key import";
        let signature = key.sign(probe).map_err(|error| BadKey::because("the key does not sign", error))?;
        key.verify(probe, &signature).map_err(|_| BadKey::new("the private and the public part of the key do not belong together"))?;
        Ok(imported)
    }

    /// Reads back what [`PrivateJwk::as_json`] gave.
    ///
    /// # Errors
    /// [`BadKey`] for anything else.
    pub fn from_json(json: &[u8]) -> Result<Self, BadKey> {
        let jwk = Jwk::from_bytes(json).map_err(|error| BadKey::because("a stored key cannot be read", error))?;
        Self::normalised(algorithm_of(&jwk)?, &jwk)
    }

    /// The private JWK, for sealing and nothing else.
    #[must_use]
    pub fn as_json(&self) -> &[u8] {
        &self.json
    }

    fn import_jwk(text: &str) -> Result<Self, BadKey> {
        let given: Map<String, Value> = serde_json::from_str(text).map_err(|error| BadKey::because("not a JWK", error))?;
        if given.contains_key("keys") {
            return Err(BadKey::new("this is a key set; give one private key"));
        }
        if !given.contains_key("d") {
            return Err(BadKey::new("this JWK has no private part"));
        }
        if given.get("use").is_some_and(|usage| usage != "sig") {
            return Err(BadKey::new("this JWK is not for signatures (use)"));
        }
        let jwk = Jwk::from_map(given).map_err(|error| BadKey::because("not a JWK", error))?;
        let alg = algorithm_of(&jwk)?;
        let unusable = |error| BadKey::because("this JWK cannot be used", error);
        let pair = match alg {
            SigningAlg::RS256 => RsaKeyPair::from_jwk(&jwk).map_err(unusable)?.to_jwk_key_pair(),
            SigningAlg::ES256 => EcKeyPair::from_jwk(&jwk).map_err(unusable)?.to_jwk_key_pair(),
            SigningAlg::EdDSA => EdKeyPair::from_jwk(&jwk).map_err(unusable)?.to_jwk_key_pair(),
        };
        for member in ["n", "e", "x", "y"] {
            if jwk.parameter(member).is_some_and(|given| pair.parameter(member) != Some(given)) {
                return Err(BadKey::new("the private and the public part of the key do not belong together"));
            }
        }
        Self::normalised(alg, &pair)
    }

    fn import_pem(text: &str) -> Result<Self, BadKey> {
        let (label, block) = private_block(text)?;
        if label.starts_with("ENCRYPTED") || block.contains("Proc-Type:") {
            return Err(BadKey::new("the key is encrypted; decrypt it first (openssl pkey -in FILE)"));
        }
        let rsa = RsaKeyPair::from_pem(block).ok().map(|pair| (SigningAlg::RS256, pair.to_jwk_key_pair()));
        let ec = || EcKeyPair::from_pem(block, Some(EcCurve::P256)).ok().map(|pair| (SigningAlg::ES256, pair.to_jwk_key_pair()));
        let ed = || {
            let pair = EdKeyPair::from_pem(block).ok().filter(|pair| pair.curve() == EdCurve::Ed25519);
            pair.map(|pair| (SigningAlg::EdDSA, pair.to_jwk_key_pair()))
        };
        let (alg, jwk) = rsa.or_else(ec).or_else(ed).ok_or_else(|| BadKey::new("not an RSA, P-256 or Ed25519 private key"))?;
        Self::normalised(alg, &jwk)
    }

    /// The members of the key itself with `alg`, `use` and `kid` of ours; whatever else stood there is dropped.
    fn normalised(alg: SigningAlg, jwk: &Jwk) -> Result<Self, BadKey> {
        let (kty, members): (&str, &[&str]) = match alg {
            SigningAlg::RS256 => ("RSA", &["n", "e", "d", "p", "q", "dp", "dq", "qi"]),
            SigningAlg::ES256 => ("EC", &["crv", "x", "y", "d"]),
            SigningAlg::EdDSA => ("OKP", &["crv", "x", "d"]),
        };
        let mut map = Map::new();
        map.insert("kty".into(), kty.into());
        for member in members {
            let value = jwk.parameter(member).ok_or_else(|| BadKey::new(format!("the key has no member {member}")))?;
            map.insert((*member).into(), value.clone());
        }
        if alg == SigningAlg::RS256 {
            let bits = modulus_bits(&map)?;
            if !RSA_BITS.contains(&bits) {
                return Err(BadKey::new(format!("an RSA key must have 2048 to 8192 bits, this one has {bits}")));
            }
        }
        let kid = thumbprint(&map)?;
        map.insert("use".into(), "sig".into());
        map.insert("alg".into(), alg.as_str().into());
        map.insert("kid".into(), kid.clone().into());
        let json = serde_json::to_vec(&map).map_err(|error| BadKey::because("a key cannot be written", error))?;
        Ok(Self { kid, alg, json: Zeroizing::new(json) })
    }
}

/// The PEM block that holds a private key: files of `openssl ecparam` begin with another one.
fn private_block(text: &str) -> Result<(&str, &str), BadKey> {
    let mut rest = text;
    while let Some(at) = rest.find("-----BEGIN ") {
        let block = &rest[at..];
        let label = block["-----BEGIN ".len()..].split("-----").next().unwrap_or_default();
        let end = format!("-----END {label}-----");
        let length = block.find(&end).ok_or_else(|| BadKey::new("a PEM block does not end"))? + end.len();
        if label.ends_with("PRIVATE KEY") {
            return Ok((label, &block[..length]));
        }
        rest = &block[length..];
    }
    Err(BadKey::new("no private key found: give PEM (PKCS#8, PKCS#1, SEC 1) or a private JWK"))
}

/// Which of our algorithms the key is for; an `alg` that says otherwise is refused.
fn algorithm_of(jwk: &Jwk) -> Result<SigningAlg, BadKey> {
    let alg = match (jwk.key_type(), jwk.curve()) {
        ("RSA", _) => SigningAlg::RS256,
        ("EC", Some("P-256")) => SigningAlg::ES256,
        ("OKP", Some("Ed25519")) => SigningAlg::EdDSA,
        _ => return Err(BadKey::new("not an RSA, P-256 or Ed25519 key")),
    };
    match jwk.algorithm() {
        Some(other) if other != alg.as_str() => {
            Err(BadKey::new(format!("the key is for {other}; Portero signs with RS256, ES256 and EdDSA")))
        }
        _ => Ok(alg),
    }
}

fn modulus_bits(map: &Map<String, Value>) -> Result<u32, BadKey> {
    let n = map.get("n").and_then(Value::as_str).and_then(|n| URL_SAFE_NO_PAD.decode(n).ok());
    let n = n.ok_or_else(|| BadKey::new("the modulus of the key cannot be read"))?;
    let first = n.iter().position(|byte| *byte != 0).unwrap_or(n.len());
    let bytes = u32::try_from(n.len() - first).map_err(|_| BadKey::new("the modulus of the key is too long"))?;
    Ok(bytes * 8 - n.get(first).map_or(0, |byte| byte.leading_zeros()))
}

/// RFC 7638 §3.1: "a JSON object containing only the required members of a JWK representing the key and with no whitespace or line
/// breaks […] with the required members ordered lexicographically", hashed by SHA-256.
fn thumbprint(map: &Map<String, Value>) -> Result<String, BadKey> {
    let required: &[&str] = match map.get("kty").and_then(Value::as_str) {
        Some("RSA") => &["e", "kty", "n"],
        Some("EC") => &["crv", "kty", "x", "y"],
        Some("OKP") => &["crv", "kty", "x"],
        _ => return Err(BadKey::new("a key of an unknown type")),
    };
    let mut canonical = Map::new();
    for member in required {
        let value = map.get(*member).ok_or_else(|| BadKey::new(format!("the key has no member {member}")))?;
        canonical.insert((*member).into(), value.clone());
    }
    let canonical = serde_json::to_vec(&canonical).map_err(|error| BadKey::because("a key cannot be written", error))?;
    Ok(URL_SAFE_NO_PAD.encode(sha256(&canonical)))
}

/// A key ready for use: its signer and its verifier are kept.
pub struct SigningKey {
    /// RFC 7638 thumbprint.
    pub kid: String,
    pub alg: SigningAlg,
    signer: Box<dyn JwsSigner>,
    verifier: Box<dyn JwsVerifier>,
    public: CoreJsonWebKey,
    typed_header: String,
    untyped_header: String,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({} {})", self.alg.as_str(), self.kid)
    }
}

/// What a verified JWS says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// `typ` of the header, as it was written: the caller tells one kind of token from another by it (RFC 8725 §3.11).
    pub typ: Option<String>,
    pub payload: Vec<u8>,
}

impl SigningKey {
    /// # Errors
    /// [`BadKey`] where josekit refuses the key.
    pub fn new(private: &PrivateJwk) -> Result<Self, BadKey> {
        let unusable = |error| BadKey::because("a key cannot be used", error);
        let jwk = Jwk::from_bytes(private.as_json()).map_err(unusable)?;
        let mut public = Map::new();
        for member in PUBLIC_MEMBERS {
            if let Some(value) = jwk.parameter(member) {
                public.insert(member.into(), value.clone());
            }
        }
        let public_jwk = Jwk::from_map(public.clone()).map_err(unusable)?;
        let (signer, verifier): (Box<dyn JwsSigner>, Box<dyn JwsVerifier>) = match private.alg {
            SigningAlg::RS256 => (
                Box::new(RS256.signer_from_jwk(&jwk).map_err(unusable)?),
                Box::new(RS256.verifier_from_jwk(&public_jwk).map_err(unusable)?),
            ),
            SigningAlg::ES256 => (
                Box::new(ES256.signer_from_jwk(&jwk).map_err(unusable)?),
                Box::new(ES256.verifier_from_jwk(&public_jwk).map_err(unusable)?),
            ),
            SigningAlg::EdDSA => (
                Box::new(EdDSA.signer_from_jwk(&jwk).map_err(unusable)?),
                Box::new(EdDSA.verifier_from_jwk(&public_jwk).map_err(unusable)?),
            ),
        };
        let public =
            serde_json::from_value(Value::Object(public)).map_err(|error| BadKey::because("a public key cannot be read", error))?;
        let (kid, alg) = (private.kid.clone(), private.alg);
        let typed_header = header(alg, Some(CACHED_TYPE), &kid);
        let untyped_header = header(alg, None, &kid);
        Ok(Self { kid, alg, signer, verifier, public, typed_header, untyped_header })
    }

    /// The key as the world sees it (RFC 7517), with `alg`, `use` and `kid`.
    #[must_use]
    pub fn public(&self) -> &CoreJsonWebKey {
        &self.public
    }

    /// # Errors
    /// [`BadKey`] if OpenSSL does not sign.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, BadKey> {
        self.signer.sign(message).map_err(|error| BadKey::because("signing failed", error))
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), NotOurs> {
        if self.alg == SigningAlg::ES256 && !in_range_candidates(signature) {
            return Err(NotOurs);
        }
        self.verifier.verify(message, signature).map_err(|_| NotOurs)
    }

    /// A signed JWT in the compact serialisation (RFC 7515 §7.1).
    ///
    /// # Errors
    /// [`BadKey`] if OpenSSL does not sign or the claims have no JSON form.
    pub fn sign_jwt(&self, typ: &str, claims: &impl Serialize) -> Result<String, BadKey> {
        if typ == CACHED_TYPE {
            return self.compact(&self.typed_header, claims);
        }
        self.compact(&header(self.alg, Some(typ), &self.kid), claims)
    }

    /// The same for an ID token, whose header says nothing of its type (OIDC Core §2).
    ///
    /// # Errors
    /// As [`SigningKey::sign_jwt`].
    pub fn sign_id_token(&self, claims: &impl Serialize) -> Result<String, BadKey> {
        self.compact(&self.untyped_header, claims)
    }

    fn compact(&self, header: &str, claims: &impl Serialize) -> Result<String, BadKey> {
        let payload = serde_json::to_vec(claims).map_err(|error| BadKey::because("claims cannot be written", error))?;
        let mut jwt = String::with_capacity(header.len() + 8 + (payload.len() + self.signer.signature_len()) * 4 / 3);
        jwt.push_str(header);
        jwt.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut jwt);
        let signature = self.sign(jwt.as_bytes())?;
        jwt.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut jwt);
        Ok(jwt)
    }

    /// Checks a parsed JWS against this key, with the key's own algorithm.
    ///
    /// # Errors
    /// [`NotOurs`] for any reason: there is nothing a caller could do with a finer one.
    pub fn verify_jwt(&self, jws: Compact<'_>) -> Result<Verified, NotOurs> {
        // RFC 8725 §3.1: "Each key MUST be used with exactly one algorithm, and this MUST be checked when the cryptographic operation
        // is performed."
        if jws.header.alg != self.alg.as_str() || jws.header.kid.as_deref().is_some_and(|kid| kid != self.kid) {
            return Err(NotOurs);
        }
        self.verify(jws.signing_input.as_bytes(), &jws.signature)?;
        let payload = URL_SAFE_NO_PAD.decode(jws.payload).map_err(|_| NotOurs)?;
        Ok(Verified { typ: jws.header.typ, payload })
    }
}

/// josekit turns r and s into DER; zero is never valid (CVE-2022-21449) and does not get that far.
fn in_range_candidates(signature: &[u8]) -> bool {
    signature.len() == 64 && signature[..32].iter().any(|byte| *byte != 0) && signature[32..].iter().any(|byte| *byte != 0)
}

fn header(alg: SigningAlg, typ: Option<&str>, kid: &str) -> String {
    #[derive(Serialize)]
    struct Header<'a> {
        alg: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        typ: Option<&'a str>,
        kid: &'a str,
    }
    let json = serde_json::to_vec(&Header { alg: alg.as_str(), typ, kid }).expect("strings have a JSON form");
    URL_SAFE_NO_PAD.encode(json)
}

/// A compact JWS taken apart, nothing about it believed yet. Which key to try is the ring's choice, by [`Compact::kid`].
#[derive(Debug)]
pub struct Compact<'a> {
    header: Header,
    signing_input: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

/// What is read of a header. A repeated member is an error (RFC 7515 §4); an embedded key (`jwk`, `jku`, `x5u`, `x5c`) is not even read.
#[derive(Debug, Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

/// True for a member that is there, whatever it holds.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

impl<'a> Compact<'a> {
    /// Exactly three segments of strict base64url within [`MAX_TOKEN`], and a header that is an object.
    ///
    /// # Errors
    /// [`NotOurs`] for anything else.
    pub fn parse(token: &'a str) -> Result<Self, NotOurs> {
        // The size first, so that whatever is sent costs next to nothing.
        if token.len() > MAX_TOKEN {
            return Err(NotOurs);
        }
        let mut segments = token.splitn(4, '.');
        let (Some(head), Some(payload), Some(signature), None) = (segments.next(), segments.next(), segments.next(), segments.next())
        else {
            return Err(NotOurs);
        };
        let head_json = URL_SAFE_NO_PAD.decode(head).map_err(|_| NotOurs)?;
        // serde would read a list of the same values, too.
        if head_json.first() != Some(&b'{') {
            return Err(NotOurs);
        }
        let header: Header = serde_json::from_slice(&head_json).map_err(|_| NotOurs)?;
        // RFC 7515 §4.1.11: "If any of the listed extension Header Parameters are not understood and supported by the recipient, then the
        // JWS is invalid." None is supported.
        if header.crit {
            return Err(NotOurs);
        }
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| NotOurs)?;
        if signature.is_empty() {
            return Err(NotOurs);
        }
        Ok(Self { header, signing_input: &token[..head.len() + 1 + payload.len()], payload, signature })
    }

    /// The key it names, if it names one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }
}

#[cfg(test)]
mod tests;
