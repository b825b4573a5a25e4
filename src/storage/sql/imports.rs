//! People who come from another system: a batch is four reads and then the writes of those who are taken in.

use std::collections::HashMap;

use async_trait::async_trait;
use sqlx::AssertSqlSafe;

use super::super::durable::imports::{Arrival, Batch, Became, Decision, Imports, Known, Last, Met, decide};
use super::super::durable::users::ExternalId;
use super::super::durable::{Act, NewUser, User};
use super::super::{Result, StorageError, Time};
use super::audit::Entry;
use super::users::{
    Row, WithPassword, documents, end_everything, insert_into_users, insert_user, is_owner, keep_an_owner, make_room, searched, subject,
    user_columns,
};
use super::{Sql, accounts, seconds};
use crate::seal::{Digest, sha256};

/// A person with what the last import wrote down, as it is read beside them.
#[derive(sqlx::FromRow)]
struct KnownRow {
    #[sqlx(flatten)]
    user: Row,
    email_canonical: String,
    username_canonical: Option<String>,
    password_hash: Option<String>,
    external_id: Option<String>,
    described: Option<String>,
    password: Option<String>,
    revision: Option<i64>,
}

impl KnownRow {
    fn read(self) -> Result<(Option<String>, Known)> {
        let known = Known {
            user: self.user.try_into()?,
            email_canonical: self.email_canonical,
            username_canonical: self.username_canonical,
            password: self.password_hash.as_deref().map(digest),
            hash: self.password_hash,
            last: Last { described: self.described, password: self.password, revision: self.revision },
        };
        Ok((self.external_id, known))
    }
}

const BY_EXTERNAL_ID: &str = concat!(
    "SELECT ",
    user_columns!(),
    ", u.email_canonical, u.username_canonical, u.password_hash, e.external_id, e.described, e.password, e.revision \
     FROM external_ids e JOIN users u ON u.id = e.user_id WHERE e.source = $1 AND e.external_id IN "
);
const BY_EMAIL: &str = concat!(
    "SELECT ",
    user_columns!(),
    ", u.email_canonical, u.username_canonical, u.password_hash, CAST(NULL AS TEXT) AS external_id, CAST(NULL AS TEXT) AS described, \
     CAST(NULL AS TEXT) AS password, CAST(NULL AS BIGINT) AS revision FROM users u WHERE u.email_canonical IN "
);
const BY_USERNAME: &str = "SELECT username_canonical, id FROM users WHERE username_canonical IN ";
const FURTHER: &str = "SELECT source, external_id, user_id FROM external_ids WHERE external_id IN ";
const INSERT: &str = insert_into_users!();
const LINK: &str = "INSERT INTO external_ids (source, external_id, user_id) VALUES ($1, $2, $3)";
const WRITE_DOWN: &str = "UPDATE external_ids SET described = $3, password = $4, revision = (SELECT revision FROM users WHERE id = external_ids.user_id) \
     WHERE source = $1 AND external_id = $2";
const WRITE_DOWN_PASSWORD: &str = "UPDATE external_ids SET password = $3 WHERE source = $1 AND external_id = $2";
const WRITE_DOWN_LINK: &str = "UPDATE external_ids SET described = $3, password = $4 WHERE source = $1 AND external_id = $2";
/// The value begins with the cost at a fixed width, so that texts compare as costs do.
const DEAREST: &str = "INSERT INTO facts (name, value) VALUES ('dearest_password', $1) \
     ON CONFLICT (name) DO UPDATE SET value = $1 WHERE facts.value < $1";
const EXPORT: &str = concat!("SELECT ", user_columns!(), ", u.password_hash FROM users u WHERE u.id > $1 ORDER BY u.id LIMIT $2");

/// Whom a batch could meet: what its four reads look for.
struct Keys<'a> {
    external_ids: Vec<&'a str>,
    emails: Vec<&'a str>,
    usernames: Vec<&'a str>,
    further: Vec<&'a str>,
}

impl<'a> Keys<'a> {
    fn of(batch: &Batch<'a>) -> Self {
        let arrivals = batch.arrivals;
        Self {
            external_ids: arrivals.iter().filter_map(|arrival| arrival.external_id.as_deref()).collect(),
            emails: arrivals.iter().map(|arrival| &*arrival.new.email_canonical).collect(),
            usernames: arrivals.iter().filter_map(|arrival| arrival.new.username_canonical.as_deref()).collect(),
            further: arrivals.iter().flat_map(|arrival| elsewhere(batch.source, arrival)).map(|external| &*external.id).collect(),
        }
    }
}

/// What the reads found, under what it was looked for.
#[derive(Default)]
struct Found {
    by_external_id: HashMap<String, Known>,
    by_email: HashMap<String, Known>,
    by_username: HashMap<String, String>,
    further: HashMap<(String, String), String>,
}

impl Found {
    /// Who has the arrival's ids in systems other than its source.
    fn further(&self, source: &str, arrival: &Arrival) -> Vec<&str> {
        elsewhere(source, arrival)
            .filter_map(|external| self.further.get(&(external.source.clone(), external.id.clone())).map(String::as_str))
            .collect()
    }

    fn met<'a>(&'a self, arrival: &Arrival, further: &'a [&'a str]) -> Met<'a> {
        Met {
            by_external_id: arrival.external_id.as_ref().and_then(|id| self.by_external_id.get(id)),
            by_email: self.by_email.get(&arrival.new.email_canonical),
            username: arrival.new.username_canonical.as_ref().and_then(|name| self.by_username.get(name)).map(String::as_str),
            further,
        }
    }
}

/// Inside a [`step!`]: the four reads of a batch.
macro_rules! find {
    ($tx:ident, $source:expr, $keys:expr) => {{
        let (source, keys): (&str, &Keys<'_>) = ($source, $keys);
        let mut found = Found::default();
        if !keys.external_ids.is_empty() {
            let text = listed(BY_EXTERNAL_ID, 2, keys.external_ids.len());
            let query = sqlx::query_as::<_, KnownRow>(AssertSqlSafe(text.as_str())).bind(source);
            let query = keys.external_ids.iter().fold(query, |query, id| query.bind(*id));
            for row in query.fetch_all(&mut *$tx).await? {
                let (external_id, person) = row.read()?;
                found.by_external_id.insert(external_id.unwrap_or_default(), person);
            }
        }
        if !keys.emails.is_empty() {
            let text = listed(BY_EMAIL, 1, keys.emails.len());
            let query = sqlx::query_as::<_, KnownRow>(AssertSqlSafe(text.as_str()));
            for row in keys.emails.iter().fold(query, |query, email| query.bind(*email)).fetch_all(&mut *$tx).await? {
                let (_, person) = row.read()?;
                found.by_email.insert(person.email_canonical.clone(), person);
            }
        }
        if !keys.usernames.is_empty() {
            let text = listed(BY_USERNAME, 1, keys.usernames.len());
            let query = sqlx::query_as::<_, (String, String)>(AssertSqlSafe(text.as_str()));
            found.by_username.extend(keys.usernames.iter().fold(query, |query, name| query.bind(*name)).fetch_all(&mut *$tx).await?);
        }
        if !keys.further.is_empty() {
            let text = listed(FURTHER, 1, keys.further.len());
            let query = sqlx::query_as::<_, (String, String, String)>(AssertSqlSafe(text.as_str()));
            let rows = keys.further.iter().fold(query, |query, id| query.bind(*id)).fetch_all(&mut *$tx).await?;
            found.further.extend(rows.into_iter().map(|(source, id, person)| ((source, id), person)));
        }
        found
    }};
}

/// Inside a [`step!`]: the person becomes what the source says.
macro_rules! take_profile {
    ($tx:ident, $arrival:ident, $person:ident, $now:ident) => {{
        let user = merged(&$arrival.new, $person);
        let disables = user.disabled_at.is_some() && $person.user.disabled_at.is_none();
        if disables || (is_owner(&$person.user) && !is_owner(&user)) {
            keep_an_owner!($tx, &$person.user.id);
        }
        let documents = documents(&user)?;
        let username_canonical = $arrival.new.username_canonical.as_ref().or($person.username_canonical.as_ref());
        let done = accounts::write_profile!($tx, user, documents, &$arrival.new.email_canonical, username_canonical, $now);
        if done.rows_affected() == 0 {
            return Err(StorageError::Conflict("revision").into());
        }
        if disables {
            sqlx::query("UPDATE users SET disabled_at = $2 WHERE id = $1")
                .bind(&$person.user.id)
                .bind(seconds($now))
                .execute(&mut *$tx)
                .await?;
            end_everything!($tx, &$person.user.id, None::<&str>, $now);
        }
    }};
}

/// Inside a [`step!`]: their password becomes the one of the source; `$profile` says whether that was taken just before.
macro_rules! take_password {
    ($tx:ident, $arrival:ident, $person:ident, $profile:ident, $now:ident) => {{
        // Whoever signs in at this moment replaces the hash that is compared here: then theirs stays.
        let done = sqlx::query(
            "UPDATE users SET password_hash = $2, updated_at = $3, credential_revision = credential_revision + 1 \
             WHERE id = $1 AND credential_revision = $4 AND COALESCE(password_hash, '') = $5",
        )
        .bind(&$person.user.id)
        .bind(&$arrival.new.password_hash)
        .bind(seconds($now))
        .bind($person.user.credential_revision + i64::from($profile && $person.email_canonical != $arrival.new.email_canonical))
        .bind($person.hash.as_deref().unwrap_or_default())
        .execute(&mut *$tx)
        .await?;
        if done.rows_affected() == 0 {
            return Err(StorageError::Conflict("password").into());
        }
        end_everything!($tx, &$person.user.id, None::<&str>, $now);
    }};
}

/// Inside a [`step!`]: their password opens nothing until it is replaced. What is closed here already stays so, whatever a source says.
macro_rules! close {
    ($tx:ident, $person:ident, $now:ident) => {{
        let closed = sqlx::query("UPDATE users SET reset_required = TRUE WHERE id = $1 AND NOT reset_required")
            .bind(&$person.user.id)
            .execute(&mut *$tx)
            .await?;
        if closed.rows_affected() > 0 {
            end_everything!($tx, &$person.user.id, None::<&str>, $now);
        }
    }};
}

/// Inside a [`step!`]: they are known under further ids.
macro_rules! take_links {
    ($tx:ident, $arrival:ident, $person:ident, $now:ident) => {{
        let mut external = $person.user.external.clone();
        for one in $arrival.new.user.external.iter().filter(|one| !$person.user.external.contains(one)) {
            sqlx::query(LINK).bind(&one.source).bind(&one.id).bind(&$person.user.id).execute(&mut *$tx).await?;
            external.push(one.clone());
        }
        if external.len() > $person.user.external.len() {
            let list = serde_json::to_string(&external).map_err(StorageError::corrupt)?;
            sqlx::query("UPDATE users SET external = $2, updated_at = $3 WHERE id = $1")
                .bind(&$person.user.id)
                .bind(list)
                .bind(seconds($now))
                .execute(&mut *$tx)
                .await?;
        }
    }};
}

/// Inside a [`step!`]: what the source said, for the next import.
macro_rules! write_down {
    ($tx:ident, $source:expr, $arrival:ident, $person:ident, $profile:ident, $password:ident, $link:ident) => {
        if let Some(external_id) = &$arrival.external_id {
            let statement = if $link {
                WRITE_DOWN_LINK
            } else if $profile {
                WRITE_DOWN
            } else {
                WRITE_DOWN_PASSWORD
            };
            let query = sqlx::query(statement).bind($source).bind(external_id);
            let kept = if $password || $link { $arrival.password.as_ref() } else { $person.last.password.as_ref() };
            let query = if statement == WRITE_DOWN_PASSWORD { query } else { query.bind(&$arrival.described) };
            query.bind(kept).execute(&mut *$tx).await?;
        }
    };
}

#[async_trait]
impl Imports for Sql {
    async fn import(&self, batch: &Batch<'_>, now: Time, by: &Act) -> Result<Vec<Became>> {
        let keys = Keys::of(batch);
        step!(self, |tx| {
            if batch.arrivals.iter().any(|arrival| is_owner(&arrival.new.user)) {
                lock!(tx, "owners");
            }
            let found = find!(tx, batch.source, &keys);
            let mut became = Vec::with_capacity(batch.arrivals.len());
            for arrival in batch.arrivals {
                let further = found.further(batch.source, arrival);
                let met = found.met(arrival, &further);
                let decision = decide(batch.source, arrival, met);
                let outcome = outcome(&decision);
                became.push(outcome);
                if batch.dry || matches!(outcome, Became::Skipped(_) | Became::Rejected(_)) {
                    continue;
                }
                let (met, room) = met.with_room();
                let person = met.by_external_id.or(met.by_email);
                // A person keeps what they have, and so does whoever signed up, where the address is not taken over.
                let takes_address = !matches!(decision, Decision::Take { profile: false, .. });
                let id = person.map_or(&arrival.new.user.id, |person| &person.user.id);
                if room.is_some() && takes_address && !make_room!(tx, &arrival.new.email_canonical, id, now, by) {
                    // Confirmed in this very moment: then it is somebody's.
                    return Err(StorageError::Conflict("email").into());
                }
                match (decision, person) {
                    (Decision::Take { profile, password, link, .. }, Some(person)) => {
                        if profile {
                            take_profile!(tx, arrival, person, now);
                        }
                        if password {
                            take_password!(tx, arrival, person, profile, now);
                        }
                        if (profile || password) && arrival.new.user.reset_required {
                            close!(tx, person, now);
                        }
                        take_links!(tx, arrival, person, now);
                        write_down!(tx, batch.source, arrival, person, profile, password, link);
                        audit!(tx, Entry::done("user.import", subject(id), now, by));
                    }
                    _ => {
                        insert_user!(tx, INSERT, &arrival.new.user, arrival.new);
                        if let Some(external_id) = &arrival.external_id {
                            sqlx::query(WRITE_DOWN)
                                .bind(batch.source)
                                .bind(external_id)
                                .bind(&arrival.described)
                                .bind(&arrival.password)
                                .execute(&mut *tx)
                                .await?;
                        }
                        audit!(tx, Entry::done("user.import", subject(&arrival.new.user.id), now, by));
                    }
                }
            }
            if let Some(highest) = batch.highest.filter(|_| !batch.dry) {
                sqlx::query(accounts::RAISE).bind(batch.source).bind(highest).execute(&mut *tx).await?;
            }
            if let Some(dearest) = batch.dearest.filter(|_| !batch.dry) {
                let value = format!("{:012} {}", dearest.micros.min(999_999_999_999), dearest.blank);
                sqlx::query(DEAREST).bind(value).execute(&mut *tx).await?;
            }
            Ok(became)
        })
    }

    async fn export(&self, after: Option<&str>, limit: u32) -> Result<Vec<(User, Option<String>)>> {
        let rows = on!(self.read, |db| sqlx::query_as::<_, WithPassword>(EXPORT)
            .bind(after.unwrap_or_default())
            .bind(i64::from(limit))
            .fetch_all(db)
            .await)?;
        rows.into_iter().map(|row| Ok((row.user.try_into()?, row.password_hash))).collect()
    }

    async fn dearest(&self) -> Result<Option<String>> {
        let statement = "SELECT value FROM facts WHERE name = 'dearest_password'";
        let row = on!(self.read, |db| sqlx::query_as::<_, (String,)>(statement).fetch_optional(db).await)?;
        Ok(row.and_then(|(value,)| value.split_once(' ').map(|(_, blank)| blank.to_owned())))
    }
}

/// `statement` and as many placeholders in brackets, from `$first` on.
fn listed(statement: &str, first: usize, count: usize) -> String {
    let places: Vec<String> = (first..first + count).map(|place| format!("${place}")).collect();
    format!("{statement}({})", places.join(", "))
}

/// The ids of an arrival in systems other than its source.
fn elsewhere<'a>(source: &'a str, arrival: &'a Arrival) -> impl Iterator<Item = &'a ExternalId> {
    arrival.new.user.external.iter().filter(move |external| external.source != source)
}

fn outcome(decision: &Decision) -> Became {
    match decision {
        Decision::Create(note) => Became::Created(*note),
        Decision::Take { note, .. } => Became::Updated(*note),
        Decision::Skip(note) => Became::Skipped(*note),
        Decision::Reject(note) => Became::Rejected(*note),
    }
}

/// The person as they are to be: what the source says, but what it cannot know or take back.
fn merged(arrived: &NewUser, person: &Known) -> User {
    let (new, old) = (&arrived.user, &person.user);
    let same_address = person.email_canonical == arrived.email_canonical;
    User {
        id: old.id.clone(),
        revision: old.revision,
        // The address was confirmed here, and it is still that one.
        email_verified: new.email_verified || (old.email_verified && same_address),
        username: new.username.clone().or_else(|| old.username.clone()),
        locale: new.locale.clone().or_else(|| old.locale.clone()),
        disabled_at: old.disabled_at.or(new.disabled_at),
        ..new.clone()
    }
}

fn digest(hash: &str) -> String {
    Digest(sha256(hash.as_bytes())).hex()
}
