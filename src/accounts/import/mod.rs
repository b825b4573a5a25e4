//! Moving people in from another system, and out again.
//!
//! Owns: from a file to arrivals that the store can take ([`run`]), the report of each line, the form of an export ([`export`]). Leaves to
//! others: what becomes of a person who is there already (`storage::durable::imports`), which stored passwords there are (`foreign`). Called by
//! the command line; the server may run meanwhile.
//!
//! | what | file |
//! |---|---|
//! | records of a file, whole or broken | `reader`, `csv` |
//! | members under their many names | `row` |
//! | stored passwords under theirs | `hashes` |

mod csv;
mod export;
mod hashes;
mod reader;
mod row;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::io::Read;

use serde_json::{Value, json};

pub use export::exported;
pub use hashes::{Hints, firebase_parameters};
pub use reader::{Format, Unreadable};

use super::attributes;
use super::email::Username;
use super::foreign::Kept;
use super::legible;
use super::password::Hasher;
use super::users::{self, Fresh, NewAccount};
use crate::seal::{Digest, sha256};
use crate::storage::durable::Act;
use crate::storage::durable::imports::{Arrival, Batch, Became, Dearest, Imports, Note};
use crate::storage::durable::users::ExternalId;
use crate::storage::{StorageError, Time};
use reader::{Reader, Record};
use row::{LeftOut, Row};

/// People in one transaction.
const BATCH: usize = 250;
/// Names of this many people are remembered to say which line had them first; past that the store alone decides.
const REMEMBERED: usize = 4_000_000;

/// Above it a number loses its last digits in the front ends that read it (RFC 8259 §6).
const MAX_NUMBER: i64 = (1 << 53) - 1;

/// How a file is to be imported.
#[derive(Clone, Default)]
pub struct Options {
    /// The name of the system they come from.
    pub source: String,
    pub format: Option<Format>,
    /// A role or a true column there, and the role here.
    pub role_map: Vec<(String, String)>,
    pub hints: Hints,
    /// People whose stored password cannot be used come without one, instead of staying out.
    pub without_bad_passwords: bool,
    /// People whose user name cannot be one here come without one, instead of staying out: they sign in with their address.
    pub without_bad_usernames: bool,
    /// Looks at everything and writes nothing.
    pub dry: bool,
}

/// What an import works with.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    pub imports: &'a dyn Imports,
    pub hasher: &'a Hasher,
    pub attributes: &'a attributes::Schema,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Created,
    Updated,
    Skipped,
    Rejected,
}

impl Outcome {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Skipped => "skipped",
            Self::Rejected => "rejected",
        }
    }
}

/// What became of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub line: u64,
    pub external_id: Option<String>,
    pub outcome: Outcome,
    pub reason: Option<String>,
}

/// How far an import is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    pub read: u64,
    pub created: u64,
    pub updated: u64,
    pub skipped: u64,
    pub rejected: u64,
    /// Bytes taken in.
    pub bytes: u64,
    /// Members and roles of the file that were left out, by name.
    pub members_left_out: Vec<String>,
    pub roles_left_out: Vec<String>,
}

/// Why an import ended before the file did. What was told is done; the same command goes on where it stopped.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    #[error("behind line {line}: {fault}")]
    Storage { line: u64, fault: StorageError },
    #[error("behind line {line}: {fault}")]
    Input { line: u64, fault: std::io::Error },
    #[error("the report cannot be written: {0}")]
    Report(std::io::Error),
}

/// A source has a name that can stand in a claim and a path.
#[must_use]
pub fn is_source(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-.".contains(&b))
}

/// A record on its way to the store.
struct Waiting {
    line: u64,
    arrival: Arrival,
    /// Said beside the outcome.
    remark: Option<String>,
}

/// Imports a file. `tell` hears of every line, in order, after it was stored; `fresh` is the randomness of an id.
///
/// # Errors
/// [`ImportError`].
pub async fn run(
    parts: &Parts<'_>,
    input: impl Read,
    options: &Options,
    fresh: impl Fn() -> [u8; 10],
    (now, by): (Time, &Act),
    mut tell: impl FnMut(&Told, &Summary) -> std::io::Result<()>,
) -> Result<Summary, ImportError> {
    let mut reader = Reader::open(input, options.format)?;
    let (mut summary, mut left_out, mut seen) = (Summary::default(), LeftOut::default(), Seen::default());
    let (mut batch, mut line, mut over): (Vec<Result<Waiting, Told>>, u64, bool) = (Vec::new(), 0, false);
    while !over {
        match reader.next().map_err(|fault| ImportError::Input { line, fault })? {
            Some(record) => {
                line = record.line;
                batch.push(arrive(parts, record, options, fresh(), now, &mut left_out, &mut seen).await);
            }
            None => over = true,
        }
        if batch.len() < BATCH && !over {
            continue;
        }
        let waiting: Vec<Result<Waiting, Told>> = std::mem::take(&mut batch);
        let first = waiting.first().map_or(line, |one| one.as_ref().map_or_else(|told| told.line, |waiting| waiting.line));
        let became = store(parts.imports, &waiting, options, now, by)
            .await
            .map_err(|fault| ImportError::Storage { line: first.saturating_sub(1), fault })?;
        summary.bytes = reader.bytes();
        for told in became {
            summary.read += 1;
            match told.outcome {
                Outcome::Created => summary.created += 1,
                Outcome::Updated => summary.updated += 1,
                Outcome::Skipped => summary.skipped += 1,
                Outcome::Rejected => summary.rejected += 1,
            }
            tell(&told, &summary).map_err(ImportError::Report)?;
        }
    }
    summary.members_left_out = left_out.members.into_iter().collect();
    summary.roles_left_out = left_out.roles.into_iter().collect();
    Ok(summary)
}

/// Stores a batch; where somebody came between, one by one. What was told before keeps its place.
async fn store(
    imports: &dyn Imports,
    batch: &[Result<Waiting, Told>],
    options: &Options,
    now: Time,
    by: &Act,
) -> Result<Vec<Told>, StorageError> {
    let mut told: Vec<Option<Told>> = batch.iter().map(|one| one.as_ref().err().cloned()).collect();
    let waiting: Vec<(usize, &Waiting)> = batch.iter().enumerate().filter_map(|(at, one)| Some((at, one.as_ref().ok()?))).collect();
    let mut arrivals = Vec::with_capacity(waiting.len());
    for (_, one) in &waiting {
        arrivals.push(&one.arrival);
    }
    // Those who stay out, too, have their numbers in the tables of the apps: nobody new gets one of them.
    let highest = batch
        .iter()
        .filter_map(|one| one.as_ref().map_or_else(|told| told.external_id.as_deref(), |one| one.arrival.external_id.as_deref()));
    let highest = highest.filter_map(|id| id.parse::<i64>().ok()).filter(|number| (1..=MAX_NUMBER).contains(number)).max();
    let became = match import(imports, &arrivals, highest, options, now, by).await {
        Err(StorageError::Conflict(_) | StorageError::LastOwner) => {
            let mut became = Vec::with_capacity(arrivals.len());
            for arrival in &arrivals {
                match import(imports, &[*arrival], highest, options, now, by).await {
                    Ok(one) => became.extend(one),
                    Err(StorageError::LastOwner) => became.push(Became::Rejected(Note::LastOwner)),
                    Err(StorageError::Conflict("username")) => became.push(Became::Rejected(Note::UsernameTaken)),
                    Err(StorageError::Conflict(_)) => became.push(Became::Rejected(Note::AddressElsewhere)),
                    Err(fault) => return Err(fault),
                }
            }
            became
        }
        other => other?,
    };
    for ((at, one), became) in waiting.into_iter().zip(became) {
        let (outcome, note) = match became {
            Became::Created(note) => (Outcome::Created, note),
            Became::Updated(note) => (Outcome::Updated, note),
            Became::Skipped(note) => (Outcome::Skipped, Some(note)),
            Became::Rejected(note) => (Outcome::Rejected, Some(note)),
        };
        let parts: Vec<&str> = note.map(words).into_iter().chain(one.remark.as_deref()).collect();
        let reason = Some(parts.join("; ")).filter(|reason| !reason.is_empty());
        told[at] = Some(Told { line: one.line, external_id: one.arrival.external_id.clone(), outcome, reason });
    }
    Ok(told.into_iter().flatten().collect())
}

async fn import(
    imports: &dyn Imports,
    arrivals: &[&Arrival],
    highest: Option<i64>,
    options: &Options,
    now: Time,
    by: &Act,
) -> Result<Vec<Became>, StorageError> {
    if arrivals.is_empty() && highest.is_none() {
        return Ok(Vec::new());
    }
    let prices = arrivals.iter().filter_map(|arrival| Hasher::price(arrival.new.password_hash.as_deref()?));
    let dearest = prices.max_by_key(|(price, _)| price.micros()).map(|(price, blank)| Dearest { micros: price.micros(), blank });
    let batch = Batch { source: &options.source, arrivals, dearest: dearest.as_ref(), highest, dry: options.dry };
    imports.import(&batch, now, by).await
}

/// What a note says to whoever reads the report.
const fn words(note: Note) -> &'static str {
    match note {
        Note::Unchanged => "unchanged",
        Note::SamePerson => "the same person: the address is verified in both systems",
        Note::MadeRoom => "a sign-up with this address, which nobody had confirmed, is gone",
        Note::AddressElsewhere => "the address belongs to somebody who is here already, and is not verified in both systems",
        Note::AddressTwice => "the address belongs to another id of this source",
        Note::UsernameTaken => "the user name belongs to somebody else",
        Note::NumberGivenHere => "the id was given here to somebody who registered meanwhile",
        Note::ExternalIdTaken => "an id in another system belongs to somebody else",
        Note::ChangedHere => "the person was changed here since the last import and stays so",
        Note::PasswordStays => "the password was used or changed here since the last import and stays",
        Note::StaysDisabled => "the person stays disabled",
        Note::LastOwner => "the last owner cannot be disabled or lose the role",
    }
}

/// From a record to somebody whom the store can take in, or the reason why not.
async fn arrive(
    parts: &Parts<'_>,
    record: Record,
    options: &Options,
    id: [u8; 10],
    now: Time,
    left_out: &mut LeftOut,
    seen: &mut Seen,
) -> Result<Waiting, Told> {
    let line = record.line;
    let rejected =
        |external_id: Option<String>, reason: String| Told { line, external_id, outcome: Outcome::Rejected, reason: Some(reason) };
    let members = record.members.map_err(|reason| rejected(None, reason))?;
    let mut row = row::read(&members, &options.role_map, left_out).map_err(|reason| rejected(row::external_id(&members), reason))?;
    let external_id = row.external_id.clone();
    let rejected = |reason: String| rejected(external_id.clone(), reason);
    let mut remarks = Vec::new();
    if options.without_bad_usernames
        && let Some(Err(bad)) = row.username.as_deref().map(Username::parse)
    {
        row.username = None;
        remarks.push(format!("without a user name: {bad}"));
    }
    let kept = match hashes::read(&members, &options.hints) {
        Ok(kept) => kept,
        Err(refused) if options.without_bad_passwords => {
            remarks.push(format!("without a password: {refused}"));
            Kept::NoPassword
        }
        Err(refused) => return Err(rejected(format!("password: {refused}"))),
    };
    let arrival = arrival(parts, row, kept, options, id, now).await.map_err(&rejected)?;
    seen.check(line, &arrival).map_err(&rejected)?;
    Ok(Waiting { line, arrival, remark: (!remarks.is_empty()).then(|| remarks.join("; ")) })
}

async fn arrival(parts: &Parts<'_>, row: Row, kept: Kept, options: &Options, id: [u8; 10], now: Time) -> Result<Arrival, String> {
    parts.attributes.check(&row.attributes).map_err(|bad| bad.to_string())?;
    let described = describe(&row);
    // What is not seen came in by mistake, and nobody stays out for it. A control character did not: the row is not what it seems.
    let name = row.name.as_deref().map(|name| if name.chars().any(char::is_control) { name.to_owned() } else { legible::mended(name) });
    let account = NewAccount {
        email: row.email.as_deref().ok_or("there is no e-mail address")?,
        email_verified: row.email_verified,
        username: row.username.as_deref(),
        name: name.as_deref(),
        locale: row.locale.as_deref(),
        roles: row.roles,
        claims: row.claims,
        attributes: row.attributes,
        password: None,
        ..NewAccount::default()
    };
    let fresh = Fresh { id, salt: [0; 16] };
    let mut new = users::prepare(parts.hasher, account, fresh, now).await.map_err(|error| error.to_string())?;
    let own = row.external_id.as_ref().map(|id| ExternalId { source: options.source.clone(), id: id.clone() });
    new.user.external = own.into_iter().chain(row.external.into_iter().filter(|external| external.source != options.source)).collect();
    new.user.created_at = row.created_at.unwrap_or(now).min(now);
    new.user.disabled_at = row.disabled.then_some(now);
    new.user.reset_required = row.reset_required;
    new.password_hash = match kept {
        Kept::NoPassword => None,
        Kept::Argon2(stored) => Some(stored),
        Kept::Foreign { text, .. } => Some(text),
    };
    let password = new.password_hash.as_deref().map(|hash| Digest(sha256(hash.as_bytes())).hex());
    Ok(Arrival { new, external_id: row.external_id, described, password })
}

/// A digest of everything that a record says of a person, but the password.
fn describe(row: &Row) -> String {
    let mut all = json!([
        row.email,
        row.email_verified,
        row.username,
        row.name,
        row.locale,
        row.claims,
        row.attributes,
        row.roles,
        row.disabled,
        row.created_at.map(|at| at.timestamp()),
        row.external,
    ]);
    // Only where it is so: what is said of everybody else stays what an import before wrote down.
    if let (true, Value::Array(all)) = (row.reset_required, &mut all) {
        all.push("reset_required".into());
    }
    Digest(sha256(all.to_string().as_bytes())).hex()
}

/// What a file said before: two of its lines are never one person. Only digests are kept.
#[derive(Default)]
struct Seen {
    state: RandomState,
    first: HashMap<(u8, u64), u32>,
}

impl Seen {
    fn check(&mut self, line: u64, arrival: &Arrival) -> Result<(), String> {
        let user = &arrival.new;
        let names = [
            ("the external id", arrival.external_id.as_deref()),
            ("the address", Some(user.email_canonical.as_str())),
            ("the user name", user.username_canonical.as_deref()),
        ];
        let mut keys = Vec::with_capacity(names.len());
        for (kind, (what, name)) in (0..).zip(names) {
            let Some(name) = name else { continue };
            let key = (kind, self.state.hash_one(name));
            if let Some(first) = self.first.get(&key) {
                return Err(format!("{what} is that of line {first}"));
            }
            keys.push(key);
        }
        // Only of a line that is taken: one that stays out keeps nothing from those behind it.
        if self.first.len() < REMEMBERED * 3 {
            let line = u32::try_from(line).unwrap_or(u32::MAX);
            self.first.extend(keys.into_iter().map(|key| (key, line)));
        }
        Ok(())
    }
}
