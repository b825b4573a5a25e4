//! Organisations: what a valid one is. Who belongs to them is the store's (`storage.organizations`).
//!
//! Called by `api`.

use unicode_normalization::UnicodeNormalization as _;

use super::users::AccountError;
use super::{legible, new_id};
use crate::storage::Time;
use crate::storage::durable::organizations::{NamedOrganization, Organization};

const MAX_NAME: usize = 200;
const MAX_ROLES: usize = 50;

/// A new organisation.
///
/// # Errors
/// A slug or name that cannot be.
pub fn new(slug: &str, name: &str, random: [u8; 10], now: Time) -> Result<NamedOrganization, AccountError> {
    let organization = Organization {
        id: new_id("org_", now, random),
        slug: slug.to_owned(),
        name: name.trim().to_owned(),
        revision: 0,
        created_at: now,
        updated_at: now,
    };
    named(organization)
}

/// An organisation with its slug or name changed.
///
/// # Errors
/// As for [`new`].
pub fn changed(before: Organization, slug: Option<&str>, name: Option<&str>, now: Time) -> Result<NamedOrganization, AccountError> {
    let slug = slug.map_or(before.slug, str::to_owned);
    let name = name.map_or(before.name, |name| name.trim().to_owned());
    named(Organization { slug, name, updated_at: now, ..before })
}

/// The roles of a member: 1 to 64 of `a-z 0-9 _ - . :` each, sorted, each once.
///
/// # Errors
/// A name that is none.
pub fn roles(given: &[String]) -> Result<Vec<String>, AccountError> {
    let mut roles = given.to_vec();
    roles.sort_unstable();
    roles.dedup();
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.:".contains(&b);
    if roles.len() > MAX_ROLES || !roles.iter().all(|role| (1..=64).contains(&role.len()) && role.bytes().all(plain)) {
        return Err(AccountError::Invalid("roles", "must be 1 to 64 of a-z 0-9 _ - . :, at most 50 of them"));
    }
    Ok(roles)
}

/// Names that differ only in case, in the way their letters are composed, in the white space between words, or in what is not seen, are one.
#[must_use]
pub fn canonical(name: &str) -> String {
    let folded: String =
        legible::seen(name).nfkc().flat_map(char::to_lowercase).flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn named(organization: Organization) -> Result<NamedOrganization, AccountError> {
    let slug = organization.slug.as_bytes();
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    // An id is never a slug, so that one word in an address can be either.
    let is_slug = (2..=63).contains(&slug.len()) && slug.iter().all(plain) && slug[0] != b'-' && slug[slug.len() - 1] != b'-';
    if !is_slug {
        return Err(AccountError::Invalid("slug", "must be 2 to 63 of a-z 0-9 -, and neither begin nor end with -"));
    }
    let name_canonical = canonical(&organization.name);
    if name_canonical.is_empty() || organization.name.chars().count() > MAX_NAME || !legible::is_legible(&organization.name) {
        return Err(AccountError::Invalid("name", "must be 1 to 200 characters on one line, all of them seen"));
    }
    Ok(NamedOrganization { organization, name_canonical })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Time {
        Time::from_timestamp(1_800_000_000, 0).expect("in range")
    }

    #[test]
    fn names_that_read_the_same_are_the_same() {
        for name in ["Acme  S.A.", " acme s.a.", "ＡＣＭＥ s.a."] {
            assert_eq!(canonical(name), "acme s.a.", "{name}");
        }
        assert_eq!(canonical("Straße"), canonical("STRASSE"));
        assert_eq!(canonical("Pen\u{303}a"), canonical("Peña"));
        assert_eq!(canonical("公司\u{200d}"), canonical("公司"));
    }

    #[test]
    fn what_cannot_be() {
        for slug in ["", "a", "Acme", "-acme", "acme-", "a_b", "a b", "org_x", "ñandu", &"a".repeat(64)] {
            assert!(matches!(new(slug, "Acme", [0; 10], at()), Err(AccountError::Invalid("slug", _))), "{slug}");
        }
        for name in ["", "  ", "a\nb", "Acme\u{200b}", "\u{202e}Acme", &"a".repeat(201)] {
            assert!(matches!(new("acme", name, [0; 10], at()), Err(AccountError::Invalid("name", _))), "{name:?}");
        }
        let made = new("acme-2", " Acme S.A. ", [0; 10], at()).expect("valid");
        assert_eq!((made.organization.name.as_str(), made.name_canonical.as_str()), ("Acme S.A.", "acme s.a."));
        assert_eq!(roles(&["b".to_owned(), "a".to_owned(), "b".to_owned()]).expect("valid"), ["a", "b"]);
        assert!(roles(&["A".to_owned()]).is_err());
    }
}
