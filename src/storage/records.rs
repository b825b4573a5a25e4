//! Every short-lived record: its prefix and lifetime, one line each; its members below.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Time;
use super::ephemeral::Record;
use crate::protocol::authorization::AuthorizationRequest;

macro_rules! records {
    ($($record:ty: $prefix:literal, $seconds:expr;)*) => {
        $(impl Record for $record {
            const PREFIX: &'static str = $prefix;
            const LIFETIME: Duration = Duration::from_secs($seconds);
        })*
        /// The prefixes in use, for the test that no two records share one.
        #[cfg(test)]
        pub const PREFIXES: &[&str] = &[$($prefix),*];
    };
}

records! {
    // Outlives the code itself, so that a replay still finds what it opened.
    AuthorizationCode: "authorization", 10 * 60;
    Interaction:       "flow", 60 * 60;
    DemoFlow:          "demo", 15 * 60;
    Repeatable:        "repeat", 24 * 60 * 60;
    MailedCode:        "mailed", 20 * 60;
    OneTimeToken:      "once", 25 * 60 * 60;
}

/// What an authorization code binds (RFC 6749 §4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuthorizationCode {
    pub request: AuthorizationRequest,
    pub user_id: String,
    pub session_id: String,
    /// The scopes that were allowed, in the order of the request.
    pub scope: Vec<String>,
    pub auth_time: Time,
    pub acr: String,
    pub amr: String,
    pub issued_at: Time,
}

/// A browser flow between the authorization request and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interaction {
    pub request: AuthorizationRequest,
    pub started_at: Time,
    /// Keyed digest (hex) of the flow cookie of the browser that started it.
    pub browser: String,
    /// The session made by a sign-in inside this flow: satisfies `prompt=login` and `max_age` once.
    #[serde(default)]
    pub signed_in: Option<String>,
    /// The session the person chose to go on with (`prompt=select_account`).
    #[serde(default)]
    pub chosen: Option<String>,
    /// The person who allowed it on the consent page inside this flow.
    #[serde(default)]
    pub consented: Option<String>,
    /// It was refused there.
    #[serde(default)]
    pub denied: bool,
}

impl Interaction {
    /// A flow that was left for so long starts again; judged from `now`, whatever the store still holds.
    #[must_use]
    pub fn is_live(&self, now: Time) -> bool {
        now < self.started_at + Self::LIFETIME
    }
}

/// A sign-in at the demo relying party.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemoFlow {
    pub state: String,
    pub nonce: String,
    pub verifier: String,
    /// The authorization request as it was sent.
    pub request: String,
}

/// A request that creates something, under the client's own key: comes it again, it is answered and not done again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repeatable {
    /// Digest of the body, hex.
    pub fingerprint: String,
    pub started_at: Time,
    pub answer: Answered,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answered {
    NotYet,
    /// The key is free again.
    Refused,
    With {
        status: u16,
        headers: Vec<(String, String)>,
        body: String,
    },
}

/// A six-digit code that was sent by mail, under the handle of whoever asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailedCode {
    /// Keyed digest (hex) of handle, serial and code.
    pub digest: String,
    /// Tells the codes of one handle apart.
    pub serial: String,
    /// The link that the code opens; none where there is nobody to have it.
    pub token: Option<String>,
    pub expires_at: Time,
}

/// A person who made a one-time token: as good as their password and address were then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Maker {
    pub user_id: String,
    pub credential_revision: i64,
}

/// What a one-time token stands for. Its value is kept as a digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneTimeToken {
    pub id: String,
    /// Keyed digest (hex) of its random value.
    pub secret: String,
    /// The client that made it.
    pub owner: String,
    /// The person for whom the client acted; none where it acted for itself.
    #[serde(default)]
    pub maker: Option<Maker>,
    pub purpose: String,
    /// The clients that may consume it.
    pub audience: Vec<String>,
    pub subject: Option<String>,
    pub data: serde_json::Value,
    pub created_at: Time,
    pub expires_at: Time,
}
