//! ID tokens that come back as a hint of who is meant (OIDC Core §3.1.2.1, RP-Initiated Logout 1.0 §2).

use serde::Deserialize;

use super::Tokens;
use crate::clock::Time;

/// What a genuine hint says.
#[derive(Debug, Deserialize)]
pub struct Hint {
    iss: String,
    pub sub: String,
    #[serde(default)]
    pub sid: Option<String>,
    aud: Audience,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Hint {
    /// The clients the ID token was issued to.
    #[must_use]
    pub fn audience(&self) -> &[String] {
        match &self.aud {
            Audience::One(client) => std::slice::from_ref(client),
            Audience::Many(clients) => clients,
        }
    }

    #[must_use]
    pub fn is_for(&self, client_id: &str) -> bool {
        self.audience().iter().any(|client| client == client_id)
    }
}

impl Tokens {
    /// Reads an ID token of this issuer. Its time does not matter: "The OP SHOULD accept ID Tokens when the RP identified by the ID Token's
    /// aud claim and/or sid claim has a current session or had a recent session at the OP, even when the exp time has passed" (RP-Initiated
    /// Logout 1.0 §2).
    #[must_use]
    pub fn hint(&self, token: &str, now: Time) -> Option<Hint> {
        let verified = self.keys.verify(token, now).ok()?;
        // RFC 8725 §3.11: an access token is no ID token, although the same key signed it.
        if !verified.typ.as_deref().is_none_or(|typ| typ.eq_ignore_ascii_case("JWT")) {
            return None;
        }
        let hint: Hint = serde_json::from_slice(&verified.payload).ok()?;
        (hint.iss == self.issuer).then_some(hint)
    }
}
