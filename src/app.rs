//! The application: configuration, stores, keys, clock, randomness. One type for production and tests; only its parts differ.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use axum::http::HeaderMap;

use crate::accounts::authenticate::Door;
use crate::accounts::limits::Limits;
use crate::accounts::password::Hasher;
use crate::browser::layout::{Page, Site};
use crate::clock::{Clock, Random};
use crate::config::{Config, Mode};
use crate::endpoints::client_auth::Guesses;
use crate::endpoints::discovery;
use crate::keys::KeyRing;
use crate::outgoing::Outgoing;
use crate::protocol::authorization::{PkcePolicy, Policy};
use crate::request::RequestContext;
use crate::seal::Seal;
use crate::storage::Storage;
use crate::tokens::{Lifetimes, Tokens};
use crate::urls::Urls;

/// What authentications are worth here (OIDC Core §2, `acr`): `1` is a password.
pub const ACR_VALUES: &[&str] = &["1"];

/// Everything a handler may need.
pub struct App {
    pub config: Arc<Config>,
    pub urls: Urls,
    pub storage: Storage,
    pub seal: Seal,
    pub tokens: Tokens,
    pub hasher: Hasher,
    pub limits: Limits,
    pub clock: Clock,
    pub random: Random,
    pub site: Site,
    pub outgoing: Outgoing,
    /// Wrong client secrets, counted.
    pub guesses: Guesses,
    /// The discovery document, made again when the algorithms change.
    pub discovery: ArcSwapOption<discovery::Document>,
}
