//! Failed sign-ins.
//!
//! A row remembers the moments of the last ten attempts, newest first, and shifts them by one with each attempt: "ten within
//! fifteen minutes" is then exact and decided by the one statement that also counts.

use async_trait::async_trait;

use super::super::durable::{Act, Admission, Attempts, Whom};
use super::super::{Digest, Result, Time};
use super::audit::Entry;
use super::users::{as_judged, subject};
use super::{Sql, moment, seconds};

/// Ten attempts within this many seconds lock the key; the first lock takes as long.
const WINDOW: i64 = 15 * 60;
/// A lock doubles the one before, unless that one ended this many seconds ago; rows as old as that are forgotten.
const MEMORY: i64 = 24 * 60 * 60;
/// How many rows a statement of [`Attempts::clean`] removes.
const BATCH: i64 = 1000;

/// While a lock is in force the row is left alone and nothing is returned. Otherwise the attempt is counted, and where it is the tenth
/// within the window (the ninth before it, `at9` by then, is young enough) it is admitted and locks the key. An old lock's attempts are out of the
/// window when it ends, as no lock is shorter than the window.
const ADMIT: &str = "INSERT INTO attempts (digest, at1, at2, at3, at4, at5, at6, at7, at8, at9, at10, locks, locked_until, account) \
     VALUES ($1, $2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, $5) \
     ON CONFLICT (digest) DO UPDATE SET account = $5, \
       at1 = $2, at2 = attempts.at1, at3 = attempts.at2, at4 = attempts.at3, at5 = attempts.at4, at6 = attempts.at5, \
       at7 = attempts.at6, at8 = attempts.at7, at9 = attempts.at8, at10 = attempts.at9, \
       locks = (CASE WHEN attempts.locked_until <= $2 - $4 THEN 0 ELSE attempts.locks END) \
             + (CASE WHEN attempts.at9 > $2 - $3 THEN 1 ELSE 0 END), \
       locked_until = CASE WHEN attempts.at9 > $2 - $3 \
         THEN $2 + $3 * (CASE WHEN attempts.locked_until <= $2 - $4 THEN 1 \
                              ELSE (CASE attempts.locks WHEN 0 THEN 1 WHEN 1 THEN 2 WHEN 2 THEN 4 WHEN 3 THEN 8 ELSE 16 END) END) \
         ELSE attempts.locked_until END \
     WHERE attempts.locked_until <= $2 \
     RETURNING locked_until";

/// The newest attempt is taken out again; if the row had just been locked by a tenth, that lock ends with it.
const WITHDRAW: &str = "UPDATE attempts SET \
       at1 = at2, at2 = at3, at3 = at4, at4 = at5, at5 = at6, at6 = at7, at7 = at8, at8 = at9, at9 = at10, at10 = 0, \
       locks = CASE WHEN locked_until > $2 AND locks > 0 THEN locks - 1 ELSE locks END, \
       locked_until = CASE WHEN locked_until > $2 THEN $2 ELSE locked_until END \
     WHERE digest = $1";

#[async_trait]
impl Attempts for Sql {
    async fn admit_of(&self, key: &Digest, account: Option<&Digest>, now: Time) -> Result<Admission> {
        let (key, account, now) = (key.hex(), account.map(Digest::hex), seconds(now));
        loop {
            let admitted = on!(self.write, |db| sqlx::query_as::<_, (i64,)>(ADMIT)
                .bind(&key)
                .bind(now)
                .bind(WINDOW)
                .bind(MEMORY)
                .bind(&account)
                .fetch_all(db)
                .await)?;
            if let Some((until,)) = admitted.first() {
                // The row was open a moment ago: a lock that is there now is of this very attempt.
                return Ok(if *until > now { Admission::Closing { until: moment(*until)? } } else { Admission::Admitted });
            }
            let locked = on!(self.read, |db| sqlx::query_as::<_, (i64,)>("SELECT locked_until FROM attempts WHERE digest = $1")
                .bind(&key)
                .fetch_optional(db)
                .await)?;
            // Where the lock went away in between (the tenth attempt was right), there is another try.
            if let Some((until,)) = locked.filter(|(until,)| *until > now) {
                return Ok(Admission::Locked { until: moment(until)? });
            }
        }
    }

    async fn succeeded(&self, keys: &[Digest]) -> Result<()> {
        for pair in keys.chunks(2) {
            let (one, other) = (pair[0].hex(), pair[pair.len() - 1].hex());
            on!(self.write, |db| sqlx::query("DELETE FROM attempts WHERE digest = $1 OR digest = $2")
                .bind(&one)
                .bind(&other)
                .execute(db)
                .await
                .map(drop))?;
        }
        Ok(())
    }

    async fn forget(&self, account: &Digest, keys: &[Digest], whom: Whom<'_>, now: Time, by: &Act) -> Result<bool> {
        step!(self, |tx| {
            as_judged!(tx, whom);
            if sqlx::query("SELECT id FROM users WHERE id = $1").bind(whom.id).fetch_optional(&mut *tx).await?.is_none() {
                return Ok(false);
            }
            sqlx::query("DELETE FROM attempts WHERE account = $1").bind(account.hex()).execute(&mut *tx).await?;
            for key in keys {
                sqlx::query("DELETE FROM attempts WHERE digest = $1").bind(key.hex()).execute(&mut *tx).await?;
            }
            audit!(tx, Entry::done("user.unlock", subject(whom.id), now, by));
            Ok(true)
        })
    }

    async fn withdrawn(&self, key: &Digest, now: Time) -> Result<()> {
        on!(self.write, |db| sqlx::query(WITHDRAW).bind(key.hex()).bind(seconds(now)).execute(db).await.map(drop))?;
        Ok(())
    }

    async fn clean(&self, now: Time) -> Result<u64> {
        let before = seconds(now) - MEMORY;
        let mut removed = 0;
        loop {
            let done = on!(self.write, |db| sqlx::query(
                "DELETE FROM attempts WHERE digest IN (SELECT digest FROM attempts WHERE at1 <= $1 AND locked_until <= $1 LIMIT $2)"
            )
            .bind(before)
            .bind(BATCH)
            .execute(db)
            .await
            .map(|done| done.rows_affected()))?;
            removed += done;
            if done < BATCH.unsigned_abs() {
                return Ok(removed);
            }
        }
    }
}
