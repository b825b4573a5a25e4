//! Mails that wait to be sent. A step that somebody is told of by mail puts the mail here in its own transaction, so that it goes out
//! exactly if the step is done.

use std::time::Duration;

use async_trait::async_trait;

use super::super::{Result, Time};

/// A mail to be sent; made by `mail::Letter::seal`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMail {
    pub id: String,
    pub to_address: String,
    /// The name of the kind, such as `reset`.
    pub kind: String,
    /// The tag of its language.
    pub lang: String,
    /// What it says, as JSON, sealed with `id` as associated data: the links in it are secrets.
    pub sealed: Vec<u8>,
    pub created_at: Time,
}

/// A mail that this replica sends now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    pub mail: NewMail,
    /// How often somebody took it, this time included. Only the last one to take it may say how it went.
    pub tries: u32,
}

/// Where a mail stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    Waiting { due_at: Time },
    Sent { at: Time },
    Dead { at: Time },
}

/// A mail as operators see it: without what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailRow {
    pub id: String,
    pub to_address: String,
    pub kind: String,
    pub lang: String,
    pub created_at: Time,
    pub tries: u32,
    pub state: State,
    /// Why the last try failed.
    pub reason: Option<String>,
}

#[async_trait]
pub trait Outbox: Send + Sync {
    /// Puts mails in that belong to no other step. The audit row is that of the act which they tell of.
    async fn enqueue(&self, mails: &[NewMail]) -> Result<()>;
    /// Takes up to `limit` mails that are due, the oldest first, for the length of `lease`: each goes to one replica. What that replica says
    /// nothing about until the lease ends is due again.
    async fn claim(&self, limit: u32, lease: Duration, now: Time) -> Result<Vec<Claimed>>;
    /// It was handed over; what it said is forgotten. False where the lease ended and another replica took it.
    async fn sent(&self, id: &str, tries: u32, now: Time) -> Result<bool>;
    /// It was not, and is due again at `retry_at`. False as above.
    async fn failed(&self, id: &str, tries: u32, reason: &str, retry_at: Time) -> Result<bool>;
    /// It is given up; what it said is forgotten. False as above.
    async fn dead(&self, id: &str, tries: u32, reason: &str, now: Time) -> Result<bool>;
    /// The newest first, at most `limit`.
    async fn recent(&self, limit: u32) -> Result<Vec<MailRow>>;
    /// Removes what was sent or given up more than a week ago.
    async fn clean(&self, now: Time) -> Result<u64>;
}
