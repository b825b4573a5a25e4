//! From the outbox to the reader: tries, waiting in between, and giving up.
//!
//! Each replica takes what is due; the outbox gives a mail to one of them. A server that does not answer is asked again, less and less often, for a day.
//! A mail whose link has ended meanwhile is not sent. It goes out at least once: a replica that stops between handing over and
//! noting so leaves it to another, with the same `Message-ID`.

use std::time::Duration;

use tokio::sync::Notify;

use super::delivery::{Delivery, DeliveryError};
use super::kinds::{open, sealed};
use super::message::{Sender, compose};
use super::words::write;
use crate::i18n::Lang;
use crate::seal::Seal;
use crate::storage::durable::Outbox;
use crate::storage::durable::outbox::Claimed;
use crate::storage::{Result, Time};
use crate::telemetry::metrics;
use crate::urls::Urls;

/// How many a replica takes at once.
const BATCH: u32 = 20;
/// As long as a batch may take; after that they are due again.
const LEASE: Duration = Duration::from_secs(10 * 60);
/// How long it is tried.
const PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);
/// The waits after the first tries; then the last one again and again.
const WAITS: [u64; 8] = [10, 30, 60, 5 * 60, 15 * 60, 60 * 60, 2 * 60 * 60, 4 * 60 * 60];

/// How far the sealing of letters had come.
#[derive(Clone, Copy, Debug)]
pub struct Mark(u64);

/// What sends mails.
pub struct Mailer {
    pub delivery: Delivery,
    pub sender: Sender,
    urls: Urls,
    seal: Seal,
    woken: Notify,
}

impl Mailer {
    #[must_use]
    pub fn new(delivery: Delivery, sender: Sender, urls: Urls, seal: Seal) -> Self {
        Self { delivery, sender, urls, seal, woken: Notify::new() }
    }

    /// Something was put into the outbox: whoever waits looks now.
    pub fn wake(&self) {
        self.woken.notify_one();
    }

    /// Before a piece of work that may put something into the outbox; afterwards, [`Mailer::wake_since`].
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(sealed())
    }

    /// Wakes it if a letter was sealed since: what was put into the outbox is committed by then.
    pub fn wake_since(&self, mark: Mark) {
        if sealed() != mark.0 {
            self.wake();
        }
    }

    /// Until [`Mailer::wake`], or for `longest`: other replicas and the command line wake nobody here.
    pub async fn wait(&self, longest: Duration) {
        let _ = tokio::time::timeout(longest, self.woken.notified()).await;
    }

    /// Sends what is due, and says how many mails were looked at. Where there is no way to send, everything waits.
    ///
    /// # Errors
    /// The fault of the store; what was taken is due again when its lease ends.
    pub async fn send_due(&self, outbox: &dyn Outbox, now: Time) -> Result<usize> {
        if !self.delivery.is_possible() {
            return Ok(0);
        }
        let claimed = outbox.claim(BATCH, LEASE, now).await?;
        for one in &claimed {
            self.send(outbox, one, now).await?;
        }
        Ok(claimed.len())
    }

    async fn send(&self, outbox: &dyn Outbox, Claimed { mail, tries }: &Claimed, now: Time) -> Result<()> {
        let (id, tries) = (mail.id.as_str(), *tries);
        let kind = super::kinds::known(&mail.kind);
        let give_up = async |reason: &str| {
            tracing::error!(event = "mail_dead", mail = id, kind, tries, reason, "a mail was given up");
            metrics::mail(kind, "dead");
            outbox.dead(id, tries, reason, now).await.map(drop)
        };
        let Ok((what, about)) = open(&self.seal, mail) else {
            return give_up("it was sealed under another master key, or by a newer version").await;
        };
        if what.expires_at().is_some_and(|end| now >= end) {
            return give_up("its link had ended before it could be sent").await;
        }
        let lang = Lang::parse(&mail.lang).unwrap_or_default();
        let words = write(&what, &about, lang, &self.urls, &self.sender.name);
        let message = match compose(id, &mail.to_address, &words, &self.sender, mail.created_at) {
            Ok(message) => message,
            Err(reason) => return give_up(&reason).await,
        };
        match self.delivery.deliver(id, message).await {
            Ok(()) => {
                tracing::info!(event = "mail_sent", mail = id, kind, tries);
                metrics::mail(kind, "sent");
                outbox.sent(id, tries, now).await.map(drop)
            }
            Err(DeliveryError::Refused(reason)) => give_up(&reason).await,
            Err(DeliveryError::Later(reason)) if now >= mail.created_at + PATIENCE => give_up(&reason).await,
            Err(DeliveryError::Later(reason)) => {
                let retry_at = now + wait_after(tries);
                tracing::warn!(event = "mail_failed", mail = id, kind, tries, reason, retry_at = %retry_at, "a mail was not sent, and waits");
                metrics::mail(kind, "failed");
                outbox.failed(id, tries, &reason, retry_at).await.map(drop)
            }
        }
    }
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let way = match &self.delivery {
            Delivery::Smtp(_) => "smtp",
            Delivery::Folder(_) => "folder",
            Delivery::Nowhere => "nowhere",
        };
        write!(f, "Mailer({way})")
    }
}

fn wait_after(tries: u32) -> Duration {
    let at = usize::try_from(tries.saturating_sub(1)).unwrap_or(usize::MAX).min(WAITS.len() - 1);
    Duration::from_secs(WAITS[at])
}
