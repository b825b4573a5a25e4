//! People: their names, passwords and sessions. Knows nothing of OAuth.
//!
//! | what | file |
//! |---|---|
//! | is this the right password? | [`authenticate`], the only way to ask |
//! | hashing, on threads of its own | [`password`] |
//! | hashes that other systems stored | [`foreign`] |
//! | people of other systems, in and out | [`import`] |
//! | how often somebody may try | [`limits`] |
//! | which passwords may be chosen | [`password_rules`] |
//! | e-mail addresses and user names; what any name may be made of | [`email`], `legible` |
//! | what else is known of a person | [`claims`] |
//! | making accounts; what an account may hold | [`users`], [`attributes`] |
//! | sessions in browsers | [`sessions`] |
//! | organisations | [`organizations`] |
//! | what the operations below work with | [`desk`] |
//! | sign-up, confirmation, invitations; the hook for widgets | [`sign_up`], [`captcha`] |
//! | a forgotten or changed password | [`recovery`], [`breached`] |
//! | another address, and the way back | [`address`] |
//! | the profile and its merge patch | [`profile`], [`merge_patch`] |
//! | one's own sessions, apps, data and end | [`mine`] |
//! | what happened to one's account | [`activity`] |
//! | what administrators do | [`administration`] |
//!
//! Called by `web`, `api`, `legacy`, `endpoints::token`, `cli` and `app`. Rows and their audit are the store's.

pub mod activity;
pub mod address;
pub mod administration;
pub mod attributes;
pub mod authenticate;
pub mod breached;
pub mod captcha;
pub mod claims;
pub mod desk;
pub mod email;
pub mod foreign;
pub mod import;
mod legible;
pub mod limits;
pub mod merge_patch;
pub mod mine;
pub mod organizations;
pub mod password;
pub mod password_rules;
pub mod profile;
pub mod recovery;
pub mod sessions;
pub mod sign_up;
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
mod operations_tests;
#[cfg(test)]
mod tests;
