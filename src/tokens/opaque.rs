//! Random values, and what stands for them at rest.
//!
//! Owns: the one form of a random value (codes, cookies, one-time values), its keyed digest, and opaque access tokens, which are claims sealed
//! so that only this deployment reads them. Leaves to others: what the values mean (`storage.records`, `issue`).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::clock::{Random, Time};
use crate::seal::{Digest, Purpose, Seal};

/// Tells an opaque access token from a JWT at the first look; a JWT has no such beginning (its header is JSON in base64url).
const PREFIX: &str = "pat_";

/// Claims longer than this are not sealed, and tokens longer than they could be are not opened.
const MAX_CLAIMS: usize = 8 * 1024;
const MAX_TOKEN: usize = PREFIX.len() + (24 + MAX_CLAIMS + 16) * 4 / 3 + 4;

/// The name under which an access token is sealed: it means nothing elsewhere.
const NAME: &[u8] = b"access token";

/// A fresh value of 256 bits that nobody can guess, of letters, digits, `-` and `_`: an alphabet that needs no escaping anywhere.
#[must_use]
pub fn value(random: &Random) -> String {
    URL_SAFE_NO_PAD.encode(random.bytes::<32>())
}

/// A fresh authorization code: the moment it was made, which is no secret, and 208 bits that nobody can guess (RFC 6749 §10.10 asks for 160).
#[must_use]
pub fn code(random: &Random, now: Time) -> String {
    URL_SAFE_NO_PAD.encode(random.in_order::<32>(now))
}

/// What a store keeps in place of a random value.
#[must_use]
pub fn digest(seal: &Seal, value: &str) -> Digest {
    seal.digest(Purpose::Token, value)
}

/// What SQL keeps in place of an authorization code: the keyed digest of it and of the challenge it is bound to (RFC 7636), behind the moment that the
/// code itself begins with. Whoever has the code alone names nothing by it.
#[must_use]
pub fn code_digest(seal: &Seal, code: &str, challenge: Option<&str>) -> Digest {
    let mut digest = seal.mac(Purpose::Token, &[code.as_bytes(), challenge.unwrap_or_default().as_bytes()]);
    if let Ok(bytes) = URL_SAFE_NO_PAD.decode(code)
        && let Some(moment) = bytes.first_chunk::<{ Random::MOMENT }>()
    {
        digest.0[..Random::MOMENT].copy_from_slice(moment);
    }
    digest
}

/// An opaque access token that carries `claims`. `nonce` is fresh randomness. None where the claims are too long for a token.
#[must_use]
pub fn seal_access_token(seal: &Seal, claims: &[u8], nonce: [u8; 24]) -> Option<String> {
    if claims.len() > MAX_CLAIMS {
        return None;
    }
    let sealed = seal.seal(Purpose::AccessToken, NAME, claims, nonce);
    let mut token = String::with_capacity(PREFIX.len() + sealed.len() * 4 / 3 + 4);
    token.push_str(PREFIX);
    URL_SAFE_NO_PAD.encode_string(sealed, &mut token);
    Some(token)
}

/// Does this look like an opaque access token?
#[must_use]
pub fn is_access_token(token: &str) -> bool {
    token.starts_with(PREFIX)
}

/// The claims of an opaque access token; none for anything that this deployment did not seal, byte for byte.
#[must_use]
pub fn open_access_token(seal: &Seal, token: &str) -> Option<Vec<u8>> {
    if token.len() > MAX_TOKEN {
        return None;
    }
    // Strict decoding: one token has one spelling.
    let sealed = URL_SAFE_NO_PAD.decode(token.strip_prefix(PREFIX)?).ok()?;
    seal.open(Purpose::AccessToken, NAME, &sealed).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal() -> Seal {
        Seal::new(&[7; 32])
    }

    /// 256 bits in base64url, without padding.
    fn is_value(text: &str) -> bool {
        text.len() == 43 && URL_SAFE_NO_PAD.decode(text).is_ok()
    }

    #[test]
    fn a_value_has_its_shape_and_a_digest() {
        let random = Random::seeded(1);
        let made = value(&random);
        assert!(is_value(&made) && made != value(&random));
        assert_eq!(digest(&seal(), &made), digest(&seal(), &made));
        assert_ne!(digest(&seal(), &made), digest(&Seal::new(&[8; 32]), &made));
    }

    #[test]
    fn codes_and_their_digests_come_in_the_order_of_time() {
        let (random, seal) = (Random::seeded(1), seal());
        let at = |ms: i64| Time::from_timestamp_millis(1_795_264_200_000 + ms).expect("in range");
        let codes: Vec<String> = [0, 1, 2, 255, 256, 70_000].map(|ms| code(&random, at(ms))).into();
        let digests: Vec<Digest> = codes.iter().map(|code| code_digest(&seal, code, None)).collect();
        assert!(codes.iter().all(|code| is_value(code)) && digests.is_sorted());
        let same = code(&random, at(0));
        assert_ne!(same, codes[0], "of one moment");
        assert_ne!(code_digest(&seal, &same, None), digests[0]);
        assert_ne!(code_digest(&Seal::new(&[8; 32]), &same, None), code_digest(&seal, &same, None));
        assert_ne!(code_digest(&seal, &same, Some("a challenge")), code_digest(&seal, &same, None), "bound to its challenge");
        // What is no code of ours has a digest, too: it is known to nobody.
        for other in ["", "AAAA", "not base64", &codes[0][1..]] {
            assert!(!digests.contains(&code_digest(&seal, other, None)), "{other}");
        }
    }

    #[test]
    fn an_opaque_token_opens_for_its_own_deployment_only() {
        let token = seal_access_token(&seal(), br#"{"sub":"usr_1"}"#, [1; 24]).expect("a token");
        assert!(is_access_token(&token) && !token.contains("usr_1"));
        assert_eq!(open_access_token(&seal(), &token).as_deref(), Some(&br#"{"sub":"usr_1"}"#[..]));
        assert_eq!(open_access_token(&Seal::new(&[8; 32]), &token), None);
    }

    #[test]
    fn tj_15_a_changed_token_is_no_token() {
        let token = seal_access_token(&seal(), b"{}", [1; 24]).expect("a token");
        let swapped: String =
            token.chars().map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() }).collect();
        let other_prefix = format!("pit_{}", &token[4..]);
        for changed in [
            swapped,
            other_prefix,
            token[4..].to_owned(),
            format!(" {token}"),
            format!("{token} "),
            format!("{token}="),
            token.replacen('_', "%5F", 1),
            token[..token.len() - 1].to_owned(),
            String::new(),
            PREFIX.to_owned(),
            "A".repeat(1_000_000),
        ] {
            assert_eq!(open_access_token(&seal(), &changed), None, "{changed:.60}");
        }
        for at in 4..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).expect("ASCII");
            assert_eq!(open_access_token(&seal(), &changed), None, "{at}");
        }
    }

    #[test]
    fn tj_20_claims_have_a_bound_and_what_is_sealed_opens() {
        assert_eq!(seal_access_token(&seal(), &vec![b'x'; MAX_CLAIMS + 1], [1; 24]), None);
        let longest = seal_access_token(&seal(), &vec![b'x'; MAX_CLAIMS], [1; 24]).expect("a token");
        assert_eq!(open_access_token(&seal(), &longest).map(|claims| claims.len()), Some(MAX_CLAIMS));
    }
}
