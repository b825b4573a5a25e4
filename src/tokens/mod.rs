//! From a grant to tokens, and from a token back.
//!
//! `grant` opens and renews grants; `issue` is the single mint; `refresh` derives refresh tokens; `bearer` turns a presented access token
//! into what it stands for now; `hint` reads an ID token that comes back; `opaque` makes random values. Called by `endpoints`, `api` and
//! `legacy`; knows the store and the key ring, not its callers.

pub mod bearer;
pub mod grant;
pub mod hint;
pub mod issue;
pub mod opaque;
pub mod refresh;

use std::time::Duration;

use openidconnect::IssuerUrl;

use crate::keys::KeyRing;
use crate::seal::Seal;

/// How long things live. Policy, judged from `now`; the stores' own expiry is only garbage collection.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    pub code: Duration,
    pub access_token: Duration,
    pub id_token: Duration,
    /// A refresh token unused for so long is dead.
    pub refresh_idle: Duration,
    /// A grant's refresh tokens end after so long, however often they are used.
    pub refresh_max: Duration,
    /// Within this a repeated refresh gets the same successor; zero for never.
    pub refresh_retry: Duration,
    /// A session unused for so long is over: with it go refresh tokens that hang from it.
    pub session_idle: Duration,
}

/// What minting and reading tokens needs.
#[derive(Clone)]
pub struct Tokens {
    pub issuer: String,
    /// The same as openidconnect has it, read once.
    pub issuer_url: IssuerUrl,
    pub keys: KeyRing,
    pub seal: Seal,
    pub lifetimes: Lifetimes,
}
