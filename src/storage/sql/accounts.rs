//! What happens to accounts.

use async_trait::async_trait;
use unicode_normalization::UnicodeNormalization as _;

use super::super::durable::{
    Accounts, Act, AddressProof, Consumed, ExternalId, Inviter, NewAddress, NewHash, NewMail, PENDING, ResetMails, Revised, SERVER_ROLES,
    Search, SignUp, SignedUp, Spend, Updated, User, Whom,
};
use super::super::{Result, StorageError, Time};
use super::audit::Entry;
use super::users::{
    self, INSERT, as_judged, asked_for_a_name, documents, end_everything, insert_sure, insert_user, is_nameless, is_owner, keep_an_owner,
    make_room, makes_room, searched, settle, subject, user_columns, wanted_is_free,
};
use super::{Sql, seconds};
use crate::protocol::client::Client;

const BY_ID: &str = concat!("SELECT ", user_columns!(), " FROM users u WHERE u.id = $1");

const NEXT_NUMBER: &str = "INSERT INTO counters (name, value) VALUES ($1, 1) ON CONFLICT (name) DO UPDATE SET value = counters.value + 1 \
     RETURNING value";
pub(super) const RAISE: &str = "INSERT INTO counters (name, value) VALUES ($1, $2) \
     ON CONFLICT (name) DO UPDATE SET value = CASE WHEN counters.value < $2 THEN $2 ELSE counters.value END";

/// Conditions that are not asked for are passed as null, and then hold for everybody.
const SEARCH: &str = concat!(
    "SELECT ",
    user_columns!(),
    " FROM users u WHERE u.id > $1 \
     AND ($2 IS NULL OR u.id = $2 OR u.email_canonical LIKE $3 ESCAPE '\\' OR u.username_canonical LIKE $3 ESCAPE '\\' \
          OR LOWER(u.email) LIKE $3 ESCAPE '\\' OR u.email_canonical LIKE $10 ESCAPE '\\' OR u.username_canonical LIKE $10 ESCAPE '\\' \
          OR u.name_search LIKE $4 ESCAPE '\\' OR EXISTS (SELECT 1 FROM external_ids e WHERE e.user_id = u.id AND e.external_id = $2)) \
     AND ($5 IS NULL OR REPLACE(u.roles, $5, '') <> u.roles) \
     AND ($6 IS NULL OR (CASE WHEN u.disabled_at IS NULL THEN 0 ELSE 1 END) = $6) \
     AND ($7 IS NULL OR (CASE WHEN u.email_verified THEN 1 ELSE 0 END) = $7) \
     AND ($8 IS NULL OR EXISTS (SELECT 1 FROM external_ids e WHERE e.user_id = u.id AND e.source = $8)) \
     ORDER BY u.id LIMIT $9"
);

/// All of a profile that may change, if nobody else changed it.
pub(super) const UPDATE: &str = concat!(
    "UPDATE users SET email = $3, email_canonical = $4, email_verified = $5, \
     username = COALESCE($6, CASE WHEN $5 AND pending AND ",
    wanted_is_free!(),
    " THEN wanted END), username_canonical = COALESCE($7, CASE WHEN $5 AND pending AND ",
    wanted_is_free!(),
    " THEN wanted_canonical END), pending = (pending AND NOT $5), wanted = CASE WHEN $5 THEN NULL ELSE wanted END, \
     wanted_canonical = CASE WHEN $5 THEN NULL ELSE wanted_canonical END, mailed_at = CASE WHEN email_canonical = $4 THEN mailed_at ELSE $15 END, name = $8, name_search = $9, locale = $10, claims = $11, attributes = $12, roles = $13, owner = $14, updated_at = $15, revision = revision + 1, \
     credential_revision = credential_revision + CASE WHEN email_canonical = $4 THEN 0 ELSE 1 END \
     WHERE id = $1 AND revision = $2"
);

/// Inside a step: the profile of a person becomes that of `$user`, if nobody changed it since.
macro_rules! write_profile {
    ($tx:ident, $user:expr, $documents:expr, $email_canonical:expr, $username_canonical:expr, $now:expr) => {
        sqlx::query($crate::storage::sql::accounts::UPDATE)
            .bind(&$user.id)
            .bind($user.revision)
            .bind(&$user.email)
            .bind($email_canonical)
            .bind($user.email_verified)
            .bind(&$user.username)
            .bind($username_canonical)
            .bind(&$user.name)
            .bind($user.name.as_deref().map(searched))
            .bind(&$user.locale)
            .bind(&$documents.claims)
            .bind(&$documents.attributes)
            .bind(&$documents.roles)
            .bind(is_owner(&$user))
            .bind(seconds($now))
            .execute(&mut *$tx)
            .await?
    };
}
pub(super) use write_profile;

/// The profile is still the one that is changed, and its address becomes another. Whoever else changes it waits.
const MOVES: &str = "UPDATE users SET revision = revision WHERE id = $1 AND revision = $2 AND email_canonical <> $3";

/// Password and address are still those that a link was made for, or that whoever made it had. Whoever else changes them waits.
const HOLDS: &str = "UPDATE users SET revision = revision WHERE id = $1 AND credential_revision = $2 AND disabled_at IS NULL";

const WAITING: &str = concat!("SELECT id FROM users WHERE email_canonical = $1 AND ", makes_room!());

/// Somebody signed up again with the address of a sign-up that nobody confirmed: it is kept as long as the mail to it is good, and where the password was
/// another one, neither opens anything.
const AGAIN: &str = concat!(
    "UPDATE users SET mailed_at = $2, reset_required = (reset_required OR id <> $3), revision = revision + 1 WHERE email_canonical = $1 AND ",
    makes_room!()
);

const CLIENT: &str = "SELECT metadata FROM clients WHERE client_id = $1";

const CHANGE_EMAIL: &str = "UPDATE users SET email = $3, email_canonical = $4, email_verified = TRUE, updated_at = $5, revision = revision + 1, \
     credential_revision = credential_revision + 1 \
     WHERE id = $1 AND credential_revision = $2 AND disabled_at IS NULL";

const RESTORE_EMAIL: &str = "UPDATE users SET email = $2, email_canonical = $3, email_verified = TRUE, reset_required = TRUE, updated_at = $4, \
     revision = revision + 1, credential_revision = credential_revision + 1 \
     WHERE id = $1";

/// The conditions stand outside, too: on Postgres a row that somebody confirms meanwhile is judged again when its lock is free.
const NEVER_CONFIRMED: &str = concat!(
    "DELETE FROM users WHERE id IN (SELECT id FROM users WHERE created_at <= $1 AND (mailed_at IS NULL OR mailed_at <= $1) AND ",
    makes_room!(),
    " ORDER BY id LIMIT $2) AND (mailed_at IS NULL OR mailed_at <= $1) AND ",
    makes_room!(),
    " RETURNING id"
);
/// How many sign-ups a transaction of [`Accounts::clean`] removes.
const BATCH: i64 = 100;

const SET_HASH: &str = "UPDATE users SET password_hash = $3, password_changed_at = $4, updated_at = $4, reset_required = FALSE, \
     credential_revision = credential_revision + 1 \
     WHERE id = $1 AND credential_revision = $2 AND disabled_at IS NULL";

const RESET_HASH: &str = concat!(
    "UPDATE users SET ",
    settle!(),
    "password_hash = $3, password_changed_at = $4, updated_at = $4, reset_required = FALSE, \
     email_verified = TRUE, credential_revision = credential_revision + 1 \
     WHERE id = $1 AND credential_revision = $2 AND disabled_at IS NULL"
);

/// The address is still theirs, and confirmed already or to be confirmed by a link of this password. Whoever else changes them waits.
const HOLDS_ADDRESS: &str = "UPDATE users SET revision = revision \
     WHERE id = $1 AND email_canonical = $2 AND (email_verified OR credential_revision = $3) AND disabled_at IS NULL";

const SET_VERIFIED: &str = concat!(
    "UPDATE users SET ",
    settle!(),
    "email_verified = TRUE, updated_at = $3, revision = revision + 1 \
     WHERE id = $1 AND email_canonical = $2 AND credential_revision = $4 AND disabled_at IS NULL AND NOT email_verified"
);

const HOLD_CLIENT: &str = "UPDATE clients SET revision = revision WHERE client_id = $1 AND disabled_at IS NULL";

/// Inside a step: could they make an invitation that gives `$roles` now? Whoever takes their account or rights away waits for its end, or was first.
macro_rules! may_invite {
    ($tx:ident, $inviter:expr, $roles:expr) => {{
        let roles: &[String] = $roles;
        match $inviter {
            Inviter::Person { id, credential_revision, one_of } => {
                sqlx::query(HOLDS).bind(id).bind(credential_revision).execute(&mut *$tx).await?.rows_affected() > 0
                    && match sqlx::query_as::<_, users::Row>(BY_ID).bind(id).fetch_optional(&mut *$tx).await? {
                        None => false,
                        Some(row) => {
                            let person = User::try_from(row)?;
                            !person.pending && one_of.iter().any(|role| person.has_role(role)) && person.is_over(roles)
                        }
                    }
            }
            Inviter::Client { id, scope } => {
                sqlx::query(HOLD_CLIENT).bind(id).execute(&mut *$tx).await?.rows_affected() > 0
                    && match sqlx::query_as::<_, (String,)>(CLIENT).bind(id).fetch_optional(&mut *$tx).await? {
                        None => false,
                        Some((metadata,)) => {
                            let client: Client = serde_json::from_str(&metadata).map_err(StorageError::corrupt)?;
                            client.has_scope(scope) && !roles.iter().any(|role| SERVER_ROLES.contains(&role.as_str()))
                        }
                    }
            }
        }
    }};
}

/// Inside a step that a link led to: does what the link hangs from still hold? Only then is it used up: what is out of date because the account is
/// disabled goes on when it is not. Whoever else changes password, address or state waits for the end of the step.
macro_rules! held_by_link {
    ($tx:ident, $act:literal, $id:expr, $credentials:expr, $spend:expr, $now:expr, $by:expr) => {{
        let spend: &Spend = $spend;
        let held = sqlx::query(HOLDS).bind($id).bind($credentials).execute(&mut *$tx).await?.rows_affected() > 0;
        // Using it once changed what it hangs from: who used it is told so.
        if !held && sqlx::query(super::spent::FIND).bind(spend.digest.hex()).fetch_optional(&mut *$tx).await?.is_none() {
            audit!($tx, Entry::refused($act, subject($id), "stale", $now, $by));
            return Ok(Consumed::Stale);
        }
        if !held || !spend!($tx, spend) {
            audit!($tx, Entry::refused($act, subject($id), "used", $now, $by));
            return Ok(Consumed::Spent);
        }
    }};
}

#[async_trait]
impl Accounts for Sql {
    async fn sign_up(&self, sign_up: &SignUp<'_>, now: Time, by: &Act) -> Result<SignedUp> {
        let new = sign_up.new;
        step!(self, |tx| {
            // Before the inviter's row: whoever takes their rights goes in this order, too.
            if is_owner(&new.user) {
                lock!(tx, "owners");
            }
            if let Some(inviter) = &sign_up.inviter
                && !may_invite!(tx, inviter, &new.user.roles)
            {
                audit!(tx, Entry::refused("user.sign_up", None, "stale", now, by));
                return Ok(SignedUp::Stale);
            }
            if let Some(spend) = sign_up.spend
                && !spend!(tx, spend)
            {
                audit!(tx, Entry::refused("user.sign_up", None, "used", now, by));
                return Ok(SignedUp::Spent);
            }
            // Asked first, so that the answer about the name does not depend on the address.
            if let Some(username) = &new.username_canonical
                && sqlx::query("SELECT id FROM users WHERE username_canonical = $1")
                    .bind(username)
                    .fetch_optional(&mut *tx)
                    .await?
                    .is_some()
            {
                return Err(StorageError::Conflict("username").into());
            }
            let mut user = new.user.clone();
            // Drawn in any case: a gap would tell that the address before was free.
            if let Some(source) = sign_up.number_from {
                let (number,): (i64,) = sqlx::query_as(NEXT_NUMBER).bind(source).fetch_one(&mut *tx).await?;
                user.external.push(ExternalId { source: source.to_owned(), id: number.to_string() });
            }
            // Whoever was invited has read the mail: somebody who only signed up with the address has not.
            let made = if user.email_verified { insert_sure!(tx, &user, new, now, by) } else { insert_user!(tx, INSERT, &user, new) };
            // Somebody whose address is taken gets no row; the rest of the step goes on as if.
            if !made {
                let waiting = sqlx::query_as::<_, (String,)>(WAITING).bind(&new.email_canonical).fetch_optional(&mut *tx).await?;
                if waiting.is_some_and(|(id,)| sign_up.waiting != Some(&*id)) {
                    return Ok(SignedUp::Meanwhile);
                }
                sqlx::query(AGAIN)
                    .bind(&new.email_canonical)
                    .bind(seconds(now))
                    .bind(sign_up.same_password.unwrap_or_default())
                    .execute(&mut *tx)
                    .await?;
                enqueue!(tx, sign_up.taken);
                audit!(tx, Entry::refused("user.sign_up", None, "email_taken", now, by));
                return Ok(SignedUp::EmailTaken);
            }
            enqueue!(tx, sign_up.welcome);
            audit!(tx, Entry::done("user.sign_up", subject(&user.id), now, by));
            // As every row is made, and as the person will be read.
            user.revision = 1;
            user.username = user.username.filter(|_| !user.pending);
            Ok(SignedUp::Made(Box::new(user)))
        })
    }

    async fn search(&self, search: &Search<'_>) -> Result<Vec<User>> {
        let q = search.q.map(str::trim).filter(|q| !q.is_empty());
        // As addresses are kept: composed.
        let plain = q.map(|q| part(&q.nfc().collect::<String>().to_lowercase()));
        let canonical = q.and(search.canonical).map(part);
        let bare = q.map(|q| part(&searched(q)));
        let role = search.role.map(|role| format!("\"{role}\""));
        let rows = on!(self.read, |db| sqlx::query_as::<_, users::Row>(SEARCH)
            .bind(search.after.unwrap_or_default())
            .bind(q)
            .bind(&plain)
            .bind(&bare)
            .bind(&role)
            .bind(search.disabled.map(i64::from))
            .bind(search.email_verified.map(i64::from))
            .bind(search.source)
            .bind(i64::from(search.limit))
            .bind(&canonical)
            .fetch_all(db)
            .await)?;
        rows.into_iter().map(User::try_from).collect()
    }

    async fn update(&self, revised: &Revised<'_>, acts: &[&'static str], mails: &[NewMail], now: Time, by: &Act) -> Result<Updated> {
        let user = revised.user;
        let documents = documents(user)?;
        step!(self, |tx| {
            if !is_owner(user) {
                keep_an_owner!(tx, &user.id);
            }
            let moves = sqlx::query(MOVES).bind(&user.id).bind(user.revision).bind(revised.email_canonical).execute(&mut *tx).await?;
            if moves.rows_affected() > 0 {
                make_room!(tx, revised.email_canonical, &user.id, now, by);
            }
            let done = write_profile!(tx, user, documents, revised.email_canonical, revised.username_canonical, now);
            let row = sqlx::query_as::<_, users::Row>(BY_ID).bind(&user.id).fetch_optional(&mut *tx).await?;
            let Some(row) = row else { return Ok(Updated::Unknown) };
            if done.rows_affected() == 0 {
                return Ok(Updated::Stale);
            }
            enqueue!(tx, mails);
            for act in acts {
                audit!(tx, Entry::done(act, subject(&user.id), now, by));
            }
            Ok(Updated::Done(Box::new(row.try_into()?)))
        })
    }

    async fn set_verified(
        &self,
        proof: &AddressProof<'_>,
        spend: Option<&Spend>,
        nameless: &[NewMail],
        now: Time,
        by: &Act,
    ) -> Result<Consumed> {
        let id = proof.user_id;
        step!(self, |tx| {
            // Held first: a link that is out of date is not used up.
            let held = sqlx::query(HOLDS_ADDRESS).bind(id).bind(proof.canonical).bind(proof.credential_revision).execute(&mut *tx).await?;
            if held.rows_affected() == 0 {
                audit!(tx, Entry::refused("user.verify_email", subject(id), "stale", now, by));
                return Ok(Consumed::Stale);
            }
            if let Some(spend) = spend
                && !spend!(tx, spend)
            {
                audit!(tx, Entry::refused("user.verify_email", subject(id), "used", now, by));
                return Ok(Consumed::Spent);
            }
            let asked_for_a_name = asked_for_a_name!(tx, id);
            let done = sqlx::query(SET_VERIFIED)
                .bind(id)
                .bind(proof.canonical)
                .bind(seconds(now))
                .bind(proof.credential_revision)
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() > 0 {
                audit!(tx, Entry::done("user.verify_email", subject(id), now, by));
                if asked_for_a_name && is_nameless!(tx, id) {
                    enqueue!(tx, nameless);
                    return Ok(Consumed::Nameless);
                }
                return Ok(Consumed::Done);
            }
            // By another link, or by the code of the same mail: it is verified, and that is what was asked for.
            Ok(Consumed::Already)
        })
    }

    async fn change_email(&self, change: &NewAddress<'_>, spend: &Spend, mails: &[NewMail], now: Time, by: &Act) -> Result<Consumed> {
        let id = change.user_id;
        step!(self, |tx| {
            held_by_link!(tx, "user.change_email", id, change.credential_revision, spend, now, by);
            // Whoever confirms it reads the mail of the new address.
            make_room!(tx, change.canonical, id, now, by);
            let done = sqlx::query(CHANGE_EMAIL)
                .bind(id)
                .bind(change.credential_revision)
                .bind(change.address)
                .bind(change.canonical)
                .bind(seconds(now))
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 0 {
                return Err(StorageError::corrupt("a person who is held was not there").into());
            }
            enqueue!(tx, mails);
            audit!(tx, Entry::done("user.change_email", subject(id), now, by));
            Ok(Consumed::Done)
        })
    }

    async fn restore_email(&self, change: &NewAddress<'_>, spend: &Spend, mails: &[NewMail], now: Time, by: &Act) -> Result<Consumed> {
        let id = change.user_id;
        step!(self, |tx| {
            let held = sqlx::query("UPDATE users SET revision = revision WHERE id = $1").bind(id).execute(&mut *tx).await?;
            if held.rows_affected() == 0 {
                audit!(tx, Entry::refused("user.restore_email", subject(id), "stale", now, by));
                return Ok(Consumed::Stale);
            }
            if !spend!(tx, spend) {
                audit!(tx, Entry::refused("user.restore_email", subject(id), "used", now, by));
                return Ok(Consumed::Spent);
            }
            // It was theirs; who signed up with it since has shown nothing.
            make_room!(tx, change.canonical, id, now, by);
            sqlx::query(RESTORE_EMAIL).bind(id).bind(change.address).bind(change.canonical).bind(seconds(now)).execute(&mut *tx).await?;
            end_everything!(tx, id, None::<&str>, now);
            enqueue!(tx, mails);
            audit!(tx, Entry::done("user.restore_email", subject(id), now, by));
            Ok(Consumed::Done)
        })
    }

    async fn change_password(&self, id: &str, new: &NewHash<'_>, mails: &[NewMail], now: Time, by: &Act) -> Result<bool> {
        step!(self, |tx| {
            let done =
                sqlx::query(SET_HASH).bind(id).bind(new.credential_revision).bind(new.hash).bind(seconds(now)).execute(&mut *tx).await?;
            if done.rows_affected() == 0 {
                return Ok(false);
            }
            end_everything!(tx, id, new.keep_session, now);
            enqueue!(tx, mails);
            audit!(tx, Entry::done("user.change_password", subject(id), now, by));
            Ok(true)
        })
    }

    async fn reset_password(
        &self,
        id: &str,
        new: &NewHash<'_>,
        spend: &Spend,
        mails: ResetMails<'_>,
        now: Time,
        by: &Act,
    ) -> Result<Consumed> {
        step!(self, |tx| {
            held_by_link!(tx, "user.reset_password", id, new.credential_revision, spend, now, by);
            let asked_for_a_name = asked_for_a_name!(tx, id);
            sqlx::query(RESET_HASH).bind(id).bind(new.credential_revision).bind(new.hash).bind(seconds(now)).execute(&mut *tx).await?;
            end_everything!(tx, id, new.keep_session, now);
            enqueue!(tx, mails.done);
            audit!(tx, Entry::done("user.reset_password", subject(id), now, by));
            if asked_for_a_name && is_nameless!(tx, id) {
                enqueue!(tx, mails.nameless);
                return Ok(Consumed::Nameless);
            }
            Ok(Consumed::Done)
        })
    }

    async fn require_reset(&self, whom: Whom<'_>, mails: &[NewMail], now: Time, by: &Act) -> Result<bool> {
        let id = whom.id;
        step!(self, |tx| {
            as_judged!(tx, whom);
            let done = sqlx::query(
                "UPDATE users SET reset_required = TRUE, mailed_at = $2, updated_at = $2, revision = revision + 1 WHERE id = $1",
            )
            .bind(id)
            .bind(seconds(now))
            .execute(&mut *tx)
            .await?;
            if done.rows_affected() == 0 {
                return Ok(false);
            }
            end_everything!(tx, id, None::<&str>, now);
            enqueue!(tx, mails);
            audit!(tx, Entry::done("user.require_reset", subject(id), now, by));
            Ok(true)
        })
    }

    async fn end_everything(&self, whom: Whom<'_>, mails: &[NewMail], now: Time, by: &Act) -> Result<bool> {
        let id = whom.id;
        step!(self, |tx| {
            as_judged!(tx, whom);
            if sqlx::query("SELECT id FROM users WHERE id = $1").bind(id).fetch_optional(&mut *tx).await?.is_none() {
                return Ok(false);
            }
            if end_everything!(tx, id, None::<&str>, now) > 0 {
                enqueue!(tx, mails);
            }
            audit!(tx, Entry::done("user.end_sessions", subject(id), now, by));
            Ok(true)
        })
    }

    async fn delete(&self, whom: Whom<'_>, mails: &[NewMail], now: Time, by: &Act) -> Result<bool> {
        let id = whom.id;
        step!(self, |tx| {
            keep_an_owner!(tx, id);
            as_judged!(tx, whom);
            // In this order, and the row itself last: whoever redeems a code holds the session and then asks for the person's row. Deleting that row
            // first would wait for the session while they wait for the row. An update lets them finish, and keeps everybody else out.
            let held = sqlx::query("UPDATE users SET revision = revision WHERE id = $1").bind(id).execute(&mut *tx).await?;
            if held.rows_affected() == 0 {
                return Ok(false);
            }
            sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(id).execute(&mut *tx).await?;
            // What else hangs from the person goes with the row (ON DELETE CASCADE).
            sqlx::query("DELETE FROM users WHERE id = $1").bind(id).execute(&mut *tx).await?;
            enqueue!(tx, mails);
            audit!(tx, Entry::done("user.delete", subject(id), now, by));
            Ok(true)
        })
    }

    async fn tell(&self, subject: &str, act: &'static str, once: Option<&Spend>, mails: &[NewMail], now: Time, by: &Act) -> Result<bool> {
        step!(self, |tx| {
            if let Some(once) = once
                && !spend!(tx, once)
            {
                return Ok(false);
            }
            enqueue!(tx, mails);
            audit!(tx, Entry::done(act, subject.to_owned(), now, by));
            Ok(true)
        })
    }

    async fn send_proof(&self, id: &str, act: &'static str, mails: &[NewMail], now: Time, by: &Act) -> Result<()> {
        step!(self, |tx| {
            let there = sqlx::query("UPDATE users SET mailed_at = $2 WHERE id = $1").bind(id).bind(seconds(now)).execute(&mut *tx).await?;
            if there.rows_affected() == 0 {
                audit!(tx, Entry::refused(act, None, "unknown_user", now, by));
                return Ok(());
            }
            enqueue!(tx, mails);
            audit!(tx, Entry::done(act, subject(id), now, by));
            Ok(())
        })
    }

    async fn clean(&self, now: Time, by: &Act) -> Result<u64> {
        let before = seconds(now - PENDING);
        let mut removed = 0;
        loop {
            let gone = step!(self, |tx| {
                let gone = sqlx::query_as::<_, (String,)>(NEVER_CONFIRMED).bind(before).bind(BATCH).fetch_all(&mut *tx).await?;
                for (id,) in &gone {
                    audit!(tx, Entry::done("user.delete", subject(id), now, by).because("never_confirmed"));
                }
                Ok(gone.len())
            })?;
            removed += gone as u64;
            if gone < BATCH as usize {
                return Ok(removed);
            }
        }
    }

    async fn raise_counter(&self, source: &str, at_least: i64) -> Result<()> {
        on!(self.write, |db| sqlx::query(RAISE).bind(source).bind(at_least).execute(db).await.map(drop))?;
        Ok(())
    }

    async fn number(&self, id: &str, source: &str, now: Time, by: &Act) -> Result<Option<User>> {
        step!(self, |tx| {
            // Two who ask for the same person wait here for one another.
            sqlx::query("UPDATE users SET revision = revision WHERE id = $1").bind(id).execute(&mut *tx).await?;
            let row = sqlx::query_as::<_, users::Row>(BY_ID).bind(id).fetch_optional(&mut *tx).await?;
            let Some(row) = row else { return Ok(None) };
            let mut user = User::try_from(row)?;
            if user.external.iter().any(|external| external.source == source) {
                return Ok(Some(user));
            }
            let (number,): (i64,) = sqlx::query_as(NEXT_NUMBER).bind(source).fetch_one(&mut *tx).await?;
            user.external.push(ExternalId { source: source.to_owned(), id: number.to_string() });
            let external = documents(&user)?.external;
            sqlx::query("INSERT INTO external_ids (source, external_id, user_id) VALUES ($1, $2, $3)")
                .bind(source)
                .bind(number.to_string())
                .bind(id)
                .execute(&mut *tx)
                .await?;
            sqlx::query("UPDATE users SET external = $2 WHERE id = $1").bind(id).bind(&external).execute(&mut *tx).await?;
            audit!(tx, Entry::done("user.number", subject(id), now, by));
            Ok(Some(user))
        })
    }
}

/// A pattern that finds `text` anywhere, whatever it holds.
fn part(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_");
    format!("%{escaped}%")
}
