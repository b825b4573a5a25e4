//! THE RULES: types and pure functions. No I/O, no async, no clock, no axum; time comes in as `now`, facts as arguments.
//!
//! Each file is one rule or one vocabulary, named in the words of its RFC. Refusals are of two types: [`error::NotRedirected`] as long
//! as no redirect is safe, [`error::OAuthError`] from then on. Called by `endpoints`, `tokens`, `clients`, `browser` and `storage`
//! (types); imports nothing of ours but `clock::Time`.
//!
//! | what | file | specification |
//! |---|---|---|
//! | codes and statuses of refusals | [`error`] | RFC 6749 §4.1.2.1, §5.2; OIDC Core §3.1.2.6 |
//! | reading parameters | [`params`] | RFC 6749 §3.1, Appendix B |
//! | what a client is and may be | [`client`], [`client_metadata`] | RFC 7591 §2 |
//! | which redirect URI is a registered one | [`redirect_uri`] | RFC 8252 §7, RFC 9700 §2.1 |
//! | request → reply address → checked request | [`authorization`] | RFC 6749 §4.1, OIDC Core §3.1.2 |
//! | its parts | [`pkce`], [`scope`], [`resource`] | RFC 7636, RFC 6749 §3.3, RFC 8707 |
//! | what the person must still do | [`interaction`] | OIDC Core §3.1.2.3, §3.1.2.4, §11 |
//! | how the answer travels | [`response_mode`] | OAuth 2.0 Multiple Response Types, Form Post; RFC 9207 |
//! | what must hold to get a token | [`authorization_code`], [`refresh_token`], [`client_credentials`] | RFC 6749 §4.1.3, §6, §4.4 |
//! | what tokens say | [`claims`], [`id_token`], [`access_token`] | OIDC Core §5, §2; RFC 9068 |
//! | what others may learn of them | [`introspection`] | RFC 7662 |
//! | signing out | [`logout`] | OIDC RP-Initiated Logout 1.0 |
//! | what the server says of itself | [`metadata`] | OIDC Discovery, RFC 8414 |
//! | the order of a grant's steps | `machine` | oxide-auth's machines |

pub mod access_token;
pub mod authorization;
pub mod authorization_code;
pub mod claims;
pub mod client;
pub mod client_credentials;
pub mod client_metadata;
pub mod error;
pub mod id_token;
pub mod interaction;
pub mod introspection;
pub mod json;
pub mod logout;
mod machine;
pub mod metadata;
pub mod params;
pub mod pkce;
pub mod redirect_uri;
pub mod refresh_token;
pub mod resource;
pub mod response_mode;
pub mod scope;

/// How far the clocks of two replicas may be apart, where nothing is lost by believing the other one.
const SKEW: chrono::Duration = chrono::Duration::seconds(60);
