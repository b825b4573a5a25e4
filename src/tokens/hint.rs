//! ID tokens that come back as a hint of who is meant (OIDC Core §3.1.2.1, RP-Initiated Logout 1.0 §2).

use super::Tokens;
use crate::protocol::id_token::{self, HintClaims};

impl Tokens {
    /// Reads an ID token of this issuer. Its time does not matter: RP-Initiated Logout 1.0 §2: "The OP SHOULD accept ID Tokens when the RP
    /// identified by the ID Token's aud claim and/or sid claim has a current session or had a recent session at the OP, even when the
    /// exp time has passed."
    #[must_use]
    pub fn hint(&self, token: &str) -> Option<HintClaims> {
        let verified = self.keys.verify_hint(token).ok()?;
        id_token::read_hint(verified.typ.as_deref(), &verified.payload, &self.issuer).ok()
    }
}
