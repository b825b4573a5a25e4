//! People: their names, passwords and sessions. Knows nothing of OAuth.
//!
//! | what | file |
//! |---|---|
//! | is this the right password? | [`authenticate`], the only way to ask |
//! | hashing, on threads of its own | [`password`] |
//! | how often somebody may try | [`limits`] |
//! | which passwords may be chosen | [`password_rules`] |
//! | e-mail addresses and user names | [`email`] |
//! | what else is known of a person | [`claims`] |
//! | making and changing accounts | [`users`] |
//! | sessions in browsers | [`sessions`] |
//! | organisations | [`organizations`] |
//!
//! Called by `web`, `endpoints::token`, `cli` and `app`. Rows and their audit are the store's.

pub mod authenticate;
pub mod claims;
pub mod email;
pub mod limits;
pub mod organizations;
pub mod password;
pub mod password_rules;
pub mod sessions;
pub mod users;

use crate::storage::Time;

/// An id of `prefix` and a UUID of version 7 without hyphens: ids of one kind sort by the time they were made.
#[must_use]
pub fn new_id(prefix: &str, now: Time, random: [u8; 10]) -> String {
    let millis = u64::try_from(now.timestamp_millis()).unwrap_or_default();
    let id = uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid();
    format!("{prefix}{}", id.simple())
}

#[cfg(test)]
mod on_storage_tests;
#[cfg(test)]
mod tests;
