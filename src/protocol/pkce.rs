//! Proof Key for Code Exchange: `S256` only (RFC 7636, RFC 9700 §2.1.1).
//!
//! Whether a client must use it is `client`'s rule; what a code binds is `authorization_code`'s.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

use super::error::OAuthError;

/// Whose authorization requests must carry a challenge, where a client has no switch of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PkcePolicy {
    /// Every client's.
    #[default]
    All,
    /// Public clients'; a confidential one may leave it out.
    Public,
}

/// The one `code_challenge_method`: what discovery lists and what is accepted.
pub const METHOD: &str = "S256";

/// The method of a request that carries a challenge.
///
/// RFC 7636 §4.3: "OPTIONAL, defaults to "plain" if not present in the request." Plain protects nothing where the request is read, so
/// leaving the method out is refused too.
///
/// # Errors
/// `invalid_request` for anything but `S256`.
pub fn check_method(method: Option<&str>) -> Result<(), OAuthError> {
    match method {
        Some(METHOD) => Ok(()),
        // RFC 7636 §4.4.1: "If the server supporting PKCE does not support the requested transformation, the authorization endpoint MUST
        // return the authorization error response with "error" value set to "invalid_request"."
        Some(_) => Err(OAuthError::invalid_request("code_challenge_method must be S256: transform algorithm not supported")),
        None => Err(OAuthError::invalid_request("code_challenge_method is missing; it must be S256")),
    }
}

/// A challenge is the base64url form of 32 bytes, without padding (RFC 7636 §4.2).
///
/// # Errors
/// `invalid_request` for anything else.
pub fn check_challenge(challenge: &str) -> Result<(), OAuthError> {
    match URL_SAFE_NO_PAD.decode(challenge) {
        Ok(hash) if hash.len() == 32 => Ok(()),
        _ => Err(OAuthError::invalid_request("code_challenge must be 43 characters of base64url without padding")),
    }
}

/// RFC 7636 §4.1: "code-verifier = 43*128unreserved"
#[must_use]
pub fn is_verifier(verifier: &str) -> bool {
    (43..=128).contains(&verifier.len()) && verifier.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'))
}

/// RFC 7636 §4.6: "BASE64URL-ENCODE(SHA256(ASCII(code_verifier))) == code_challenge"
#[must_use]
pub fn matches(challenge: &str, verifier: &str) -> bool {
    is_verifier(verifier) && challenge_of(verifier).as_bytes().ct_eq(challenge.as_bytes()).into()
}

/// The challenge of a verifier: the client's side, for those of our pages that are clients.
#[must_use]
pub fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::error::ErrorCode;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn rfc7636_appendix_b_example() {
        assert_eq!(challenge_of(VERIFIER), CHALLENGE);
        assert!(matches(CHALLENGE, VERIFIER));
    }

    #[test]
    fn pk_02_only_s256() {
        assert_eq!(check_method(Some("S256")), Ok(()));
        for method in [None, Some("plain"), Some("s256"), Some("S256 "), Some("S512")] {
            assert_eq!(check_method(method).expect_err("refused").code, ErrorCode::InvalidRequest, "{method:?}");
        }
    }

    #[test]
    fn pk_05_rfc7636_4_6_a_wrong_verifier_does_not_match() {
        let other = "a".repeat(43);
        for wrong in [CHALLENGE, &other, &VERIFIER.to_lowercase(), &format!("{VERIFIER}a"), &VERIFIER[..42]] {
            assert!(!matches(CHALLENGE, wrong), "{wrong}");
        }
        assert!(!matches(&challenge_of(&other), VERIFIER) && matches(&challenge_of(&other), &other));
    }

    #[test]
    fn pk_07_rfc7636_4_1_length_and_alphabet_of_a_verifier() {
        assert!(is_verifier(&"a".repeat(43)) && is_verifier(&"~".repeat(128)));
        let padded = format!("{}=", "a".repeat(43));
        for bad in ["", &"a".repeat(42), &"a".repeat(129), &padded, &"+".repeat(43), &"é".repeat(30), &format!("{} ", "a".repeat(43))] {
            assert!(!is_verifier(bad), "{bad}");
            assert!(!matches(&challenge_of(bad), bad), "{bad}");
        }
    }

    #[test]
    fn pk_08_rfc7636_4_2_shape_of_a_challenge() {
        assert_eq!(check_challenge(CHALLENGE), Ok(()));
        let bad = [
            "".to_owned(),
            CHALLENGE[..42].to_owned(),
            format!("{CHALLENGE}a"),
            format!("{CHALLENGE}="),
            CHALLENGE.replace('-', "+"),
            CHALLENGE.replace('2', "/"),
            format!("{} ", &CHALLENGE[..42]),
        ];
        for challenge in bad {
            assert_eq!(check_challenge(&challenge).expect_err("refused").code, ErrorCode::InvalidRequest, "{challenge}");
        }
    }
}
