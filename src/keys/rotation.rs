//! When a key does what: next → current → retired → removed, published before use. Pure; times come from the stored key and `now`.
//!
//! Called by [`super::KeyRing`] and by whoever lists keys. Nothing here needs a reload to move a key to its next stage.

use std::time::Duration;

use crate::protocol::client::SigningAlg;
use crate::storage::Time;
use crate::storage::durable::StoredKey;

/// The times of a key's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// A key that has signed this long gets a successor.
    pub rotate_after: Duration,
    /// How long a key is published before it signs: longer than anybody may keep the old JWKS.
    pub publish_before: Duration,
    /// `max-age` of the JWKS.
    pub jwks_max_age: Duration,
    /// How long a retired key stays published: the longest life of what it signed, and some skew.
    pub keep: Duration,
    /// How long after that a token of it is still believed as a hint: the longest life of a session.
    pub hints: Duration,
}

/// What the tests of this room go by; a server's are `config::keys`.
#[cfg(test)]
impl Default for Policy {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        Self {
            rotate_after: Duration::from_secs(90 * 24 * 60 * MINUTE),
            publish_before: Duration::from_secs(30 * MINUTE),
            jwks_max_age: Duration::from_secs(15 * MINUTE),
            keep: Duration::from_secs(65 * MINUTE),
            hints: Duration::from_secs(14 * 24 * 60 * MINUTE),
        }
    }
}

/// What a key does at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Published, does not sign yet.
    Next,
    /// May sign; of several, the newest does.
    Current,
    /// Signs no longer; what it signed still verifies.
    Retired,
    /// Neither published nor believed.
    Removed,
}

impl Stage {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Retired => "retired",
            Self::Removed => "removed",
        }
    }
}

#[must_use]
pub fn stage(key: &StoredKey, now: Time) -> Stage {
    let passed = |at: Option<Time>| at.is_some_and(|at| at <= now);
    if passed(key.removed_at) {
        Stage::Removed
    } else if passed(key.retired_at) {
        Stage::Retired
    } else if key.signs_from > now {
        Stage::Next
    } else {
        Stage::Current
    }
}

/// The key of `alg` that signs at `now`: the newest that may. Where none may yet (a clock that went back), the one that will be first:
/// a signature that a verifier has to fetch the key for is better than none.
pub fn signer<'a>(keys: impl Iterator<Item = &'a StoredKey> + Clone, alg: SigningAlg, now: Time) -> Option<&'a StoredKey> {
    let of_alg = keys.filter(|key| key.alg == alg.as_str());
    let current = of_alg.clone().filter(|key| stage(key, now) == Stage::Current).max_by_key(|key| (key.signs_from, key.created_at));
    current.or_else(|| of_alg.filter(|key| stage(key, now) == Stage::Next).min_by_key(|key| key.signs_from))
}

/// The newest key of `alg`: the one a successor replaces.
pub fn newest<'a>(keys: impl Iterator<Item = &'a StoredKey>, alg: SigningAlg) -> Option<&'a StoredKey> {
    keys.filter(|key| key.alg == alg.as_str()).max_by_key(|key| (key.created_at, key.signs_from))
}

/// Is it time to publish the successor of this key? Early by the time that it waits, so that the change happens at the age the policy says.
#[must_use]
pub fn due(newest: &StoredKey, policy: &Policy, now: Time) -> bool {
    let age = (now - newest.signs_from).to_std().unwrap_or_default();
    age + policy.publish_before >= policy.rotate_after
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    fn at(seconds: i64) -> Time {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time in range")
    }

    fn key(kid: &str, signs_from: i64, retired: Option<i64>, removed: Option<i64>) -> StoredKey {
        StoredKey {
            kid: kid.into(),
            alg: "RS256".into(),
            sealed: Vec::new(),
            created_at: at(signs_from - 1800),
            signs_from: at(signs_from),
            retired_at: retired.map(at),
            removed_at: removed.map(at),
        }
    }

    #[test]
    fn a_key_walks_through_its_stages() {
        let key = key("a", 100, Some(200), Some(300));
        let stages = [99, 100, 199, 200, 299, 300].map(|now| stage(&key, at(now)));
        assert_eq!(stages, [Stage::Next, Stage::Current, Stage::Current, Stage::Retired, Stage::Retired, Stage::Removed]);
    }

    #[test]
    fn the_signer_changes_by_time_alone() {
        let keys = [key("old", 0, Some(1000), Some(5000)), key("new", 1000, None, None)];
        let signs = |now| signer(keys.iter(), SigningAlg::RS256, at(now)).map(|key| key.kid.as_str());
        assert_eq!([signs(0), signs(999), signs(1000), signs(9999)], [Some("old"), Some("old"), Some("new"), Some("new")]);
        assert_eq!(signer(keys.iter(), SigningAlg::ES256, at(0)), None);
    }

    #[test]
    fn a_key_that_signs_at_once_goes_before_one_that_waits() {
        // `rotate` at 0 published "waiting" for 1800; `rotate --now` at 60 made "urgent".
        let keys = [key("old", -5000, Some(1800), Some(9000)), key("waiting", 1800, Some(60), Some(7000)), key("urgent", 60, None, None)];
        let signs = |now| signer(keys.iter(), SigningAlg::RS256, at(now)).map(|key| key.kid.as_str());
        assert_eq!([signs(59), signs(60), signs(1800), signs(2000)], [Some("old"), Some("urgent"), Some("urgent"), Some("urgent")]);
        assert_eq!(stage(&keys[1], at(1800)), Stage::Retired);
    }

    #[test]
    fn before_any_key_may_sign_the_first_of_them_does() {
        let keys = [key("b", 900, None, None), key("a", 500, None, None)];
        assert_eq!(signer(keys.iter(), SigningAlg::RS256, at(0)).map(|key| key.kid.as_str()), Some("a"));
    }

    #[test]
    fn a_successor_is_due_so_early_that_it_signs_at_the_age_of_the_policy() {
        let policy = Policy::default();
        let key = key("a", 0, None, None);
        let change = TimeDelta::from_std(policy.rotate_after - policy.publish_before).expect("in range");
        assert!(!due(&key, &policy, at(0) + change - TimeDelta::seconds(1)));
        assert!(due(&key, &policy, at(0) + change));
        assert!(!due(&key, &policy, at(-9999)), "a key that does not sign yet is not old");
    }

    #[test]
    fn the_default_waits_longer_than_a_jwks_may_be_kept() {
        let policy = Policy::default();
        assert!(policy.publish_before > policy.jwks_max_age);
        assert!(policy.keep > Duration::from_secs(3600), "an ID token lives an hour");
    }
}
