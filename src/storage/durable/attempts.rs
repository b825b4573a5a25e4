//! Failed sign-ins, counted durably under the digest of an identifier, known or unknown alike, so that a lock shows nobody's account and neither a
//! restart nor another replica gives more guesses.

use async_trait::async_trait;

use super::super::{Digest, Result, Time};
use super::{Act, Whom};

/// May this attempt go on to the password?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Yes, and it is counted as failed until [`Attempts::succeeded`] says otherwise.
    Admitted,
    /// The same, and it was one too many: unless [`Attempts::succeeded`] or [`Attempts::withdrawn`] takes it back, the key is locked until then.
    Closing { until: Time },
    /// No, and nothing was counted.
    Locked { until: Time },
}

#[async_trait]
pub trait Attempts: Send + Sync {
    /// Counts an attempt before its password is looked at, in one statement, so that parallel guesses cannot pass the limit:
    /// 10 in 15 minutes lock the key for 15 minutes, each further lock twice as long, up to 4 hours; a day without
    /// a lock forgets the doubling.
    async fn admit(&self, key: &Digest, now: Time) -> Result<Admission> {
        self.admit_of(key, None, now).await
    }
    /// The same for a key that belongs to `account`, which [`Attempts::forget`] names.
    async fn admit_of(&self, key: &Digest, account: Option<&Digest>, now: Time) -> Result<Admission>;
    /// The password was right: the keys start afresh.
    async fn succeeded(&self, keys: &[Digest]) -> Result<()>;
    /// The attempt could not be judged (a fault of ours): it is not counted.
    async fn withdrawn(&self, key: &Digest, now: Time) -> Result<()>;
    /// An administrator lets somebody try again: every key of the account starts afresh, and those named. `whom` is who they belong to. False if
    /// unknown.
    ///
    /// # Errors
    /// As [`Whom::roles`] says.
    async fn forget(&self, account: &Digest, keys: &[Digest], whom: Whom<'_>, now: Time, by: &Act) -> Result<bool>;
    /// Forgets keys without an attempt or lock in the last day.
    async fn clean(&self, now: Time) -> Result<u64>;
}
