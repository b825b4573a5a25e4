//! People who come from another system, many at a time, and again; and everybody on their way out.
//!
//! Owns: what becomes of a row that arrives ([`decide`]). Leaves to others: reading files, checking members, judging passwords
//! (`accounts::import`). The store runs a batch as one transaction; a row that is refused keeps no other from arriving.

use async_trait::async_trait;

use super::super::{Result, Time};
use super::users::ExternalId;
use super::{Act, NewUser, User};

/// A person as a source describes them.
pub struct Arrival {
    /// `user.external` holds their ids, that in this source first where they have one.
    pub new: NewUser,
    pub external_id: Option<String>,
    /// Of the whole description, without the password.
    pub described: String,
    /// Of the stored password, or none where there is none.
    pub password: Option<String>,
}

/// A scheme of passwords whose cost decides how long a failed sign-in takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dearest {
    /// About what it costs.
    pub micros: u64,
    /// The scheme with nobody's salt and hash.
    pub blank: String,
}

pub struct Batch<'a> {
    pub source: &'a str,
    pub arrivals: &'a [&'a Arrival],
    /// The dearest scheme among them.
    pub dearest: Option<&'a Dearest>,
    /// The highest number among the ids of the source, those of people included who do not arrive: whoever registers here gets one above it.
    pub highest: Option<i64>,
    /// Everything is looked at and nothing written.
    pub dry: bool,
}

/// What became of an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    Created(Option<Note>),
    Updated(Option<Note>),
    Skipped(Note),
    Rejected(Note),
}

/// Why, or what else there is to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    Unchanged,
    /// Found by an address that is verified in both systems.
    SamePerson,
    /// Somebody had signed up with the address and not confirmed it: they are gone.
    MadeRoom,
    /// The address is somebody's, and not verified in both systems.
    AddressElsewhere,
    /// Two ids of one source have one address.
    AddressTwice,
    UsernameTaken,
    /// The id is a number that somebody got who registered here.
    NumberGivenHere,
    /// An id in a further system is somebody else's.
    ExternalIdTaken,
    /// Somebody changed the person here since the last import.
    ChangedHere,
    /// The password was changed or used here since; it stays.
    PasswordStays,
    /// Disabled here, or before; an import lets nobody in again.
    StaysDisabled,
    /// The last owner stays owner and stays in.
    LastOwner,
}

/// What is known of a person with whom an arrival is compared.
#[derive(Clone)]
pub struct Known {
    pub user: User,
    pub email_canonical: String,
    pub username_canonical: Option<String>,
    pub hash: Option<String>,
    /// Its digest.
    pub password: Option<String>,
    /// From the last import of this source's id, if it is known by that.
    pub last: Last,
}

/// What the last import wrote down.
#[derive(Clone, Debug, Default)]
pub struct Last {
    pub described: Option<String>,
    pub password: Option<String>,
    pub revision: Option<i64>,
}

/// Whom an arrival meets.
#[derive(Clone, Copy, Default)]
pub struct Met<'a> {
    pub by_external_id: Option<&'a Known>,
    pub by_email: Option<&'a Known>,
    /// The id of whoever has the user name.
    pub username: Option<&'a str>,
    /// The ids of whoever has the further external ids.
    pub further: &'a [&'a str],
}

impl<'a> Met<'a> {
    /// Without whoever only signed up with the arrival's address and never confirmed it, and their id: nothing of theirs is the arrival's.
    #[must_use]
    pub fn with_room(self) -> (Self, Option<&'a str>) {
        let room = self.by_email.filter(|known| known.user.makes_room()).map(|known| &*known.user.id);
        let stays = |known: &&Known| Some(&*known.user.id) != room;
        let by_external_id = self.by_external_id.filter(stays);
        (
            Self { by_external_id, by_email: self.by_email.filter(stays), username: self.username.filter(|id| Some(*id) != room), ..self },
            room,
        )
    }
}

/// What is to be done with an arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    Create(Option<Note>),
    /// The person is there: what of the arrival is taken over.
    Take {
        id: String,
        profile: bool,
        password: bool,
        /// The external id becomes theirs.
        link: bool,
        note: Option<Note>,
    },
    Skip(Note),
    Reject(Note),
}

/// What becomes of an arrival. Whoever signed up with its address and never confirmed it is as good as not there. What was changed here since the last import stays as it is; an old password never takes the place of a newer one;
/// an address makes two people one only where both systems verified it.
#[must_use]
pub fn decide(source: &str, arrival: &Arrival, met: Met<'_>) -> Decision {
    let new = &arrival.new;
    let (met, room) = met.with_room();
    // What an export said of somebody who signed up here shows no more of the address than they did.
    if room.is_some_and(|room| arrival.external_id.as_deref() == Some(room)) {
        return Decision::Skip(Note::AddressElsewhere);
    }
    let is_other = |id: &str, person: Option<&Known>| person.is_none_or(|person| person.user.id != id);
    let person = met.by_external_id.or(met.by_email);
    if met.further.iter().any(|id| Some(*id) != room && is_other(id, person)) {
        return Decision::Reject(Note::ExternalIdTaken);
    }
    if let Some(known) = met.by_external_id {
        if met.by_email.is_some_and(|other| other.user.id != known.user.id) {
            return Decision::Reject(Note::AddressElsewhere);
        }
        if met.username.is_some_and(|id| id != known.user.id) {
            return Decision::Reject(Note::UsernameTaken);
        }
        // No import brought this id: it was given here, and is the same person's only if the address is.
        if known.last.described.is_none() && known.email_canonical != new.email_canonical {
            return Decision::Reject(Note::NumberGivenHere);
        }
        return again(arrival, known);
    }
    if let Some(known) = met.by_email {
        let same_source = |external: &&ExternalId| external.source == source;
        if arrival.external_id.is_some() && known.user.external.iter().any(|external| same_source(&external)) {
            return Decision::Reject(Note::AddressTwice);
        }
        if !(new.user.email_verified && known.user.email_verified) || arrival.external_id.is_none() {
            return Decision::Skip(Note::AddressElsewhere);
        }
        // They keep what they have; a password comes with them only where they have none.
        let password = known.password.is_none() && known.user.password_changed_at.is_none() && arrival.password.is_some();
        return Decision::Take { id: known.user.id.clone(), profile: false, password, link: true, note: Some(Note::SamePerson) };
    }
    if met.username.is_some() { Decision::Reject(Note::UsernameTaken) } else { Decision::Create(room.map(|_| Note::MadeRoom)) }
}

/// A person whom an import brought before.
fn again(arrival: &Arrival, known: &Known) -> Decision {
    let last = &known.last;
    let described_anew = last.described.as_ref() != Some(&arrival.described);
    let password_anew = arrival.password.is_some() && last.password != arrival.password;
    if !described_anew && !password_anew {
        return Decision::Skip(Note::Unchanged);
    }
    let untouched = last.revision == Some(known.user.revision);
    // The one in use is the one that came with the last import: nobody has signed in with it yet, or changed it.
    let unused = known.password == last.password && known.user.password_changed_at.is_none();
    let (profile, password) = (described_anew && untouched, password_anew && unused);
    let note = if described_anew && !untouched {
        Some(Note::ChangedHere)
    } else if password_anew && !unused {
        Some(Note::PasswordStays)
    } else if profile && known.user.disabled_at.is_some() && arrival.new.user.disabled_at.is_none() {
        Some(Note::StaysDisabled)
    } else {
        None
    };
    match (profile || password, note) {
        (false, Some(note)) => Decision::Skip(note),
        (_, note) => Decision::Take { id: known.user.id.clone(), profile, password, link: false, note },
    }
}

#[async_trait]
pub trait Imports: Send + Sync {
    /// What became of each, in their order.
    ///
    /// # Errors
    /// `Conflict`, `LastOwner` where somebody came between: nothing was written, and the rows can be tried one by one.
    async fn import(&self, batch: &Batch<'_>, now: Time, by: &Act) -> Result<Vec<Became>>;
    /// Everybody with their stored passwords, ordered by id.
    async fn export(&self, after: Option<&str>, limit: u32) -> Result<Vec<(User, Option<String>)>>;
    /// The dearest scheme that imports brought, as [`Dearest::blank`].
    async fn dearest(&self) -> Result<Option<String>>;
}
