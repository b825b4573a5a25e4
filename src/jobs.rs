//! What runs beside requests: the revision poll, key stages, mail, the timing of passwords that were imported, counting, cleaning. Each tick is safe on every replica at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::app::App;
use crate::storage::durable::revision::Current;
use crate::storage::durable::{Act, Actor};
use crate::telemetry::metrics;

/// A change by another replica or the command line is seen within this.
const POLL: Duration = Duration::from_millis(500);
/// After this long it has been seen by every server that runs.
pub const SEEN: Duration = Duration::from_millis(600);
/// After an import, this long until a failed sign-in takes as long as the dearest password that came with it.
const PASSWORDS: Duration = Duration::from_secs(5);
/// How often that dearest password is timed again: what was measured while the machine was busy, at a start above all, must not stay.
const MEASURE: Duration = Duration::from_secs(3 * 60);
const KEY_STAGES: Duration = Duration::from_secs(60);
/// Mail of this replica goes out at once; that of others, or what waited, within this.
const MAIL: Duration = Duration::from_secs(1);
/// How often sessions are counted, which reads all that there are.
const COUNTING: Duration = Duration::from_secs(60);
const CLEANING: Duration = Duration::from_secs(15 * 60);

/// Runs until `stop` says so. The jobs run beside each other: none waits for a slow one. What is under way at the stop is dropped; each step of
/// a store is a whole transaction.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut seen = Current::default();
    let jobs = async {
        tokio::join!(
            async {
                let mut tick = ticks(POLL);
                loop {
                    tick.tick().await;
                    look(&app, &mut seen).await;
                }
            },
            async {
                let (mut tick, mut met) = (ticks(PASSWORDS), None);
                loop {
                    tick.tick().await;
                    meet_passwords(&app, &mut met).await;
                }
            },
            async {
                let mut tick = ticks(MEASURE);
                tick.reset();
                loop {
                    tick.tick().await;
                    measure_passwords(&app).await;
                }
            },
            async {
                let mut tick = ticks(KEY_STAGES);
                loop {
                    tick.tick().await;
                    stage_keys(&app).await;
                }
            },
            async {
                let mut tick = ticks(COUNTING);
                loop {
                    tick.tick().await;
                    count_sessions(&app).await;
                }
            },
            async {
                loop {
                    app.mailer.wait(MAIL).await;
                    send_mail(&app).await;
                }
            },
            async {
                let mut tick = ticks(CLEANING);
                // The first tick is immediate; a start has better things to do.
                tick.reset();
                loop {
                    tick.tick().await;
                    clean(&app).await;
                }
            },
        )
    };
    tokio::select! {
        _ = stop.changed() => {}
        _ = jobs => {}
    }
}

fn ticks(every: Duration) -> Interval {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// Compares the revisions with those seen before and drops what is stale.
async fn look(app: &App, seen: &mut Current) {
    let current = match app.storage.revisions.current().await {
        Ok(current) => current,
        Err(fault) => {
            // Nothing is known to be fresh: cached clients must not outlive a change that cannot be seen.
            app.storage.client_cache.invalidate();
            tracing::warn!(event = "fault", detail = %fault, "the revision poll got no answer");
            return;
        }
    };
    if current.clients != seen.clients {
        app.storage.client_cache.invalidate();
    }
    if current.keys != seen.keys
        && let Err(error) = app.tokens.keys.refresh(app.clock.now()).await
    {
        tracing::error!(event = "fault", detail = %error, "changed signing keys could not be loaded; the known ones stay in use");
        return;
    }
    *seen = current;
}

/// Computes the dearest scheme that an import brought, once, so that the time of a failed sign-in does not tell imported people from others.
async fn meet_passwords(app: &App, met: &mut Option<String>) {
    match app.storage.imports.dearest().await {
        Ok(dearest) if dearest == *met => {}
        Ok(Some(dearest)) => match app.hasher.meet(&dearest).await {
            Ok(()) => *met = Some(dearest),
            Err(busy) => tracing::debug!(event = "busy", detail = %busy, "the dearest scheme of passwords is met the next time"),
        },
        Ok(None) => {}
        Err(fault) => tracing::warn!(event = "fault", detail = %fault, "the dearest scheme of passwords is not known"),
    }
}

/// Computes that scheme again, which moves the mean that failures wait for.
async fn measure_passwords(app: &App) {
    match app.storage.imports.dearest().await {
        Ok(Some(dearest)) => {
            if let Err(busy) = app.hasher.verify("", Some(&dearest)).await {
                tracing::debug!(event = "busy", detail = %busy, "the dearest scheme of passwords is timed the next time");
            }
        }
        Ok(None) => {}
        Err(fault) => tracing::warn!(event = "fault", detail = %fault, "the dearest scheme of passwords is not known"),
    }
}

/// Publishes the next key when its time has come; deletes keys that nobody believes any longer.
async fn stage_keys(app: &App) {
    let by = Act { actor: Actor::System, client_id: None, address: None, request_id: "key-stages".to_owned() };
    if let Err(error) = app.tokens.keys.clean(app.clock.now(), &by).await {
        tracing::warn!(event = "fault", detail = %error, "keys that are over could not be deleted; the next round goes on");
    }
    if let Err(error) = app.tokens.keys.rotate_due(|| app.random.bytes(), app.clock.now(), &by).await {
        tracing::error!(event = "fault", detail = %error, "the stages of signing keys could not be moved");
    }
}

/// Sends what is due, until nothing is.
async fn send_mail(app: &App) {
    loop {
        match app.mailer.send_due(&*app.storage.outbox, app.clock.now()).await {
            Ok(0) => return,
            Ok(_) => {}
            Err(fault) => {
                tracing::warn!(event = "fault", detail = %fault, "mail could not be taken from the outbox; the next round goes on");
                return;
            }
        }
    }
}

async fn count_sessions(app: &App) {
    match app.storage.sessions.live(app.config.sessions.idle, app.clock.now()).await {
        Ok(live) => metrics::sessions_active(live),
        Err(fault) => tracing::warn!(event = "fault", detail = %fault, "sessions were not counted; the next round goes on"),
    }
}

async fn clean(app: &App) {
    let now = app.clock.now();
    let storage = &app.storage;
    let by = Act { actor: Actor::System, client_id: None, address: None, request_id: "cleaning".to_owned() };
    let cleaned = [
        ("sign-ups", storage.accounts.clean(now, &by).await),
        ("grants", storage.grants.clean(now).await),
        ("sessions", storage.sessions.clean(now).await),
        ("attempts", storage.attempts.clean(now).await),
        ("spent", storage.spent.clean(now).await),
        ("mails", storage.outbox.clean(now).await),
    ];
    for (what, cleaned) in cleaned {
        match cleaned {
            Ok(rows) => tracing::debug!(event = "cleaned", what, rows),
            Err(fault) => tracing::warn!(event = "fault", what, detail = %fault, "cleaning did not finish; the next round goes on"),
        }
    }
}
