//! Refresh tokens are derived, not stored: grant id, generation, and a MAC of both under a sealed key. SQL keeps the
//! generation, so every replica can give the *same* successor again, nothing usable lies at rest, and a replay of any
//! age is recognised.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq;

use crate::seal::{Purpose, Seal};
use crate::storage::durable::GrantId;

/// The key that MACs new tokens. A later key gets the next number and the old one still reads.
const KEY_ID: u8 = 1;
const BODY: usize = 1 + 16 + 4;

/// The refresh token of one generation of a grant.
#[must_use]
pub fn encode(seal: &Seal, grant: &GrantId, generation: u32) -> String {
    let mut token = Vec::with_capacity(BODY + 32);
    token.push(KEY_ID);
    token.extend_from_slice(&grant.0);
    token.extend_from_slice(&generation.to_be_bytes());
    let mac = seal.mac(Purpose::RefreshToken, &[&token]);
    token.extend_from_slice(&mac.0);
    URL_SAFE_NO_PAD.encode(token)
}

/// The grant and generation of a token that this deployment made; `None` for anything else.
#[must_use]
pub fn decode(seal: &Seal, token: &str) -> Option<(GrantId, u32)> {
    if token.len() != (BODY + 32).div_ceil(3) * 4 - 1 {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (body, mac) = bytes.split_at_checked(BODY)?;
    if body[0] != KEY_ID || !bool::from(seal.mac(Purpose::RefreshToken, &[body]).0.ct_eq(mac)) {
        return None;
    }
    let grant = GrantId(body[1..17].try_into().ok()?);
    Some((grant, u32::from_be_bytes(body[17..21].try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_tells_its_grant_and_generation_to_its_own_deployment_only() {
        let seal = Seal::new(&[1; 32]);
        let id = GrantId([9; 16]);
        let token = encode(&seal, &id, 7);
        assert_eq!(decode(&seal, &token), Some((id, 7)));
        assert_eq!(token, encode(&seal, &id, 7), "the same successor again");
        assert_ne!(token, encode(&seal, &id, 8));
        assert_eq!(decode(&Seal::new(&[2; 32]), &token), None);
    }

    #[test]
    fn every_changed_character_spoils_it() {
        let seal = Seal::new(&[1; 32]);
        let token = encode(&seal, &GrantId([9; 16]), 0);
        for at in 0..token.len() {
            let mut spoilt = token.clone().into_bytes();
            spoilt[at] = if spoilt[at] == b'A' { b'B' } else { b'A' };
            let spoilt = String::from_utf8(spoilt).expect("ASCII");
            assert_eq!(decode(&seal, &spoilt), None, "changed at {at}");
        }
        assert_eq!(decode(&seal, ""), None);
        assert_eq!(decode(&seal, &format!("{token}A")), None);
        assert_eq!(decode(&seal, &"é".repeat(36)), None);
    }
}
