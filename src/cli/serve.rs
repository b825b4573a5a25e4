//! `serve`: from a configuration to a server, and to its end.
//!
//! Starting: settings → log → both addresses bound (connections wait from here on) → stores, keys → what production refuses → serving →
//! metrics → ready. Stopping: not ready → wait for load balancers → accept no more → finish what is under way → close the stores.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use super::host::{self, Sealing};
use super::welcome::{self, Facts};
use super::{Done, Failure, Global};
use crate::accounts::users::{self, Fresh};
use crate::app::{App, AppError};
use crate::clients::demo::{self, Addresses};
use crate::clock::{Clock, Random};
use crate::config::{Config, Loaded, SignUp};
use crate::connections;
use crate::i18n::Lang;
use crate::keys::KeyError;
use crate::legacy::Dialects;
use crate::legacy::dialect::{FieldName, Operation, Route};
use crate::management::{self, Check, Management};
use crate::protocol::client::SigningAlg;

use crate::storage::durable::{Act, Actor};
use crate::storage::{Alone, Place};
use crate::telemetry::{self, Program, metrics};
use crate::web::setup;
use crate::{jobs, router, urls};

/// Connections to the management address: probes and scrapers, nobody else.
const MANAGEMENT_CONNECTIONS: usize = 64;

#[derive(clap::Args, Default)]
pub struct Serve {
    /// The public address [default: 127.0.0.1:8080; environment: PORTERO_LISTEN]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// The address of health and metrics [default: 127.0.0.1:9090; environment: PORTERO_MANAGEMENT_LISTEN]
    #[arg(long, value_name = "ADDRESS")]
    management_listen: Option<String>,
    /// What clients know the server as [default: http:// and the public address; environment: PORTERO_ISSUER]
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
}

impl Serve {
    /// What is given here, and else what is given there.
    pub fn or(self, other: Self) -> Self {
        Self {
            listen: self.listen.or(other.listen),
            management_listen: self.management_listen.or(other.management_listen),
            issuer: self.issuer.or(other.issuer),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.listen.is_none() && self.management_listen.is_none() && self.issuer.is_none()
    }
}

pub fn run(global: &Global, serve: Serve) -> Done {
    let flags = [
        ("--listen", "listen", serve.listen),
        ("--management-listen", "management_listen", serve.management_listen),
        ("--issuer", "issuer", serve.issuer),
    ];
    let flags = flags.into_iter().filter_map(|(flag, key, value)| Some((flag, key, value?))).collect();
    let Loaded { config, warnings, .. } = Config::load(&global.inputs(flags))?;
    host::start_log(&config, Program::Server);
    for warning in warnings {
        tracing::warn!(event = "configuration", "{warning}");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Refused(format!("the runtime cannot be started: {error}")))?;
    let done = runtime.block_on(until_stopped(config));
    // What a second signal cut off is not waited for.
    runtime.shutdown_timeout(Duration::from_millis(100));
    telemetry::flush();
    done
}

async fn until_stopped(mut config: Config) -> Done {
    let mut signals = Signals::new()?;
    let public = bind("PORTERO_LISTEN", config.listen).await?;
    let private = bind("PORTERO_MANAGEMENT_LISTEN", config.management_listen).await?;
    let bound = public.local_addr().and_then(|public| Ok((public, private.local_addr()?)));
    let (listen, management_listen) = bound.map_err(Failure::refused)?;
    config.settle(listen);
    config.management_listen = management_listen;

    let management = Management::starting();
    // It is the last to go: whoever asks hears until the end that the server is on its way out.
    let (_keep, never) = watch::channel(false);
    tokio::spawn(connections::serve(private, management::router(Arc::clone(&management)), MANAGEMENT_CONNECTIONS, never));

    let app = tokio::select! {
        app = open(config) => Arc::new(app?),
        () = signals.next() => return Ok(()),
    };
    let _alone = alone(&app).await?;
    let dialects = Dialects::open(&app).await.map_err(Failure::refused)?;
    tell_of(&app, &dialects);
    let (stop, stopped) = watch::channel(false);
    let mut served =
        tokio::spawn(connections::serve(public, router::public(&app, &dialects), connections::most_connections(), stopped.clone()));
    let jobs = tokio::spawn(jobs::run(Arc::clone(&app), stopped.clone()));
    let upkeep = tokio::spawn(fold_metrics(stopped));
    let welcome = welcome(&app).await?;
    // The recorder measures the processor's clock first, which takes up to 0.2 s: requests are answered meanwhile, readiness waits for it.
    let _ = tokio::task::spawn_blocking(metrics::start).await;
    management.serving(checks(&app), {
        let app = Arc::clone(&app);
        move || measure(&app)
    });
    announce(&app, management_listen, &welcome);

    signals.next().await;
    management.draining();
    let wait = app.config.shutdown.drain;
    tracing::info!(event = "stopping", drain_seconds = wait.as_secs(), "stopping; a second signal ends it at once");
    tokio::select! {
        () = tokio::time::sleep(wait) => {}
        () = signals.next() => return Ok(()),
    }
    // Nobody is left to hear it only if everything has ended already.
    let _ = stop.send(true);
    tokio::select! {
        _ = &mut served => {}
        () = tokio::time::sleep(app.config.shutdown.finish) => {
            tracing::warn!(event = "cut_off", "requests that did not finish in time are cut off");
            served.abort();
        }
        () = signals.next() => return Ok(()),
    }
    let _ = tokio::join!(jobs, upkeep);
    app.storage.close().await;
    tracing::info!(event = "stopped", "stopped");
    Ok(())
}

/// Old services whose requests are answered, and what would keep one from working.
fn tell_of(app: &App, dialects: &Dialects) {
    for mounted in dialects.each() {
        let at = if mounted.prefix.is_empty() { "/" } else { &mounted.prefix };
        tracing::info!(event = "dialect", dialect = mounted.from, at, "the old requests of {} are answered", mounted.from);
        let registers = mounted.dialect.routes.iter().any(|route| route.operation == Operation::Register);
        let unseen = |route: &Route| route.operation == Operation::Register && !route.fields.contains_key(&FieldName::Captcha);
        if app.captcha.is_some() && mounted.dialect.routes.iter().any(unseen) {
            tracing::warn!(
                event = "configuration",
                "PORTERO_CAPTCHA is set, and the old requests of {} have no field for it",
                mounted.from
            );
        }
        if registers && app.config.sign_up != SignUp::Open {
            tracing::warn!(event = "configuration", "{} registers people, and PORTERO_SIGN_UP is not open: that is refused", mounted.from);
        }
    }
}

async fn bind(setting: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    let refused = |error| {
        let free = SocketAddr::new(address.ip(), address.port().wrapping_add(1).max(1024));
        Failure::Refused(format!("{setting}: {address} cannot be listened on: {error}\n    example: {setting}={free}"))
    };
    TcpListener::bind(address).await.map_err(refused)
}

async fn open(config: Config) -> Result<App, Failure> {
    let random = Random::System;
    let Sealing { seal, created } = host::sealing(&config, &random)?;
    let development = config.is_development();
    let app = match App::open(config, seal, Clock::System, random).await {
        Ok(app) => app,
        Err(AppError::Keys(error @ KeyError::OtherMasterKey { .. })) => return Err(host::other_master_key(&error, created)),
        Err(error) => return Err(Failure::refused(error)),
    };
    if let Some(path) = created {
        tracing::info!(event = "master_key_made", path = %path.display(), "a master key was made; without it this database cannot be used");
    }
    if !development {
        refuse_demo(&app).await?;
    }
    Ok(app)
}

/// Without Redis a server is alone on its database, or flows that begin at one of them are unknown to the other.
async fn alone(app: &App) -> Result<Option<Alone>, Failure> {
    const REASON: &str = "is not set, and another server runs on this database: what is short-lived is kept in the process, so flows and codes of \
        the one are unknown to the other. Give both one Redis, or stop the other one";
    if app.config.redis_url.is_some() {
        return Ok(None);
    }
    let mut place = app.storage.alone().await.map_err(Failure::refused)?;
    // The one before may be on its way out.
    for _ in 0..20 {
        if matches!(place, Place::Mine(_)) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        place = app.storage.alone().await.map_err(Failure::refused)?;
    }
    match place {
        Place::Mine(alone) => Ok(Some(alone)),
        Place::Taken if !app.is_development() => Err(Failure::Refused(format!(
            "this configuration cannot be used:\nPORTERO_REDIS_URL: {REASON}\n    example: PORTERO_REDIS_URL=redis://cache.example.org:6379"
        ))),
        Place::Taken => {
            tracing::warn!(event = "configuration", "PORTERO_REDIS_URL {REASON}");
            Ok(None)
        }
        Place::PerhapsTaken => {
            tracing::warn!(event = "configuration", "as far as can be told, PORTERO_REDIS_URL {REASON}");
            Ok(None)
        }
    }
}

/// Demo secrets can be worked out by whoever saw the start of a development server.
async fn refuse_demo(app: &App) -> Done {
    let (clients, users) = (app.storage.clients.any_demo().await, app.storage.users.any_demo().await);
    let left = match (clients.map_err(Failure::refused)?, users.map_err(Failure::refused)?) {
        (false, false) => return Ok(()),
        (true, false) => "demo clients",
        (false, true) => "the demo user",
        (true, true) => "demo clients and the demo user",
    };
    Err(Failure::Refused(format!(
        "this configuration cannot be used:\nPORTERO_ENV: is production (or follows to be), and the database holds {left} of a development server, whose \
         secrets were printed on its terminal. Begin with a database of its own\n    example: PORTERO_DATABASE_URL=postgres://portero:password@db.example.org/portero"
    )))
}

/// A look at one of the things that readiness is made of.
type Look = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// What readiness is made of.
fn checks(app: &Arc<App>) -> Vec<Check> {
    let with = |name, run: fn(Arc<App>) -> Look| {
        let app = Arc::clone(app);
        Check::new(name, move || run(Arc::clone(&app)))
    };
    vec![
        with("database", |app| {
            Box::pin(async move {
                app.storage.is_in_place().map_err(|error| error.to_string())?;
                app.storage.revisions.ping().await.map_err(|fault| fault.to_string())
            })
        }),
        with("migrations", |app| Box::pin(async move { app.storage.schema_is_current().await.map_err(|error| error.to_string()) })),
        with("short-lived store", |app| {
            Box::pin(async move { app.storage.ephemeral.store.ping().await.map_err(|fault| fault.to_string()) })
        }),
        with("keys", |app| {
            Box::pin(async move {
                let signer = app.tokens.keys.signer(SigningAlg::RS256, app.clock.now());
                signer.map(|_| ()).ok_or_else(|| "no key signs".to_owned())
            })
        }),
    ]
}

async fn fold_metrics(mut stopped: watch::Receiver<bool>) {
    let mut tick = tokio::time::interval(metrics::UPKEEP);
    loop {
        tokio::select! {
            _ = tick.tick() => metrics::upkeep(),
            _ = stopped.changed() => return,
        }
    }
}

/// Gauges that follow from the moment.
fn measure(app: &App) {
    let now = app.clock.now();
    for key in app.tokens.keys.list(now).iter().filter(|key| key.signs) {
        if let (Some(alg), Ok(age)) = (SigningAlg::parse(&key.alg), (now - key.signs_from).to_std()) {
            metrics::signing_key_age(alg.as_str(), age);
        }
    }
    metrics::password_queue(app.hasher.queue_depth());
    let held = app.storage.connections();
    metrics::db_connections(held.used, held.idle, held.most);
}

/// What is said once the server serves.
enum Welcome {
    /// In development: the box.
    Box(String),
    /// The set-up link, as long as nobody used it.
    Setup(Option<String>),
}

/// Makes what a development server offers, and the words about it.
async fn welcome(app: &App) -> Result<Welcome, Failure> {
    let now = app.clock.now();
    let has_owner = app.storage.users.any_owner().await.map_err(Failure::refused)?;
    let link = (!has_owner).then(|| setup::link(&app.urls, &app.seal, app.random.bytes(), now));
    if !app.is_development() {
        return Ok(Welcome::Setup(link));
    }
    let by = Act { actor: Actor::System, client_id: None, address: None, request_id: "demo".to_owned() };
    let addresses =
        Addresses { redirect_uri: &app.urls.absolute(urls::DEMO_CALLBACK), post_logout_redirect_uri: &app.urls.absolute(urls::DEMO) };
    let clients = demo::ensure(&*app.storage.clients, &app.seal, addresses, now, &by).await.map_err(Failure::refused)?;
    let fresh = Fresh { id: app.random.bytes(), salt: app.random.bytes() };
    let user = users::demo(&*app.storage.users, &app.hasher, &app.seal, fresh, now, &by).await.map_err(Failure::refused)?;
    let facts = Facts {
        reason: app.config.mode_reason,
        issuer: app.urls.issuer(),
        discovery: &app.urls.absolute(urls::OPENID_CONFIGURATION),
        token_endpoint: &app.urls.absolute(urls::TOKEN),
        introspection_endpoint: &app.urls.absolute(urls::INTROSPECT),
        setup_link: link.as_deref(),
        confidential: clients.confidential.as_ref().map(|(id, secret)| (*id, secret.reveal())),
        public: clients.public,
        user: user.as_ref().map(|user| (user.username, user.password.as_str())),
        demo: &app.urls.absolute(urls::DEMO),
    };
    Ok(Welcome::Box(welcome::text(&facts, Lang::from_posix(&locale()))))
}

fn announce(app: &App, management_listen: SocketAddr, welcome: &Welcome) {
    tracing::info!(
        event = "serving",
        mode = app.config.mode.as_str(),
        listen = %app.config.listen,
        management = %management_listen,
        "portero {} serves {}",
        env!("CARGO_PKG_VERSION"),
        app.urls.issuer()
    );
    telemetry::flush();
    match welcome {
        // A server whose box nobody can read serves all the same.
        Welcome::Box(text) => drop(super::output::print(text.trim_end_matches('\n'))),
        Welcome::Setup(Some(link)) => {
            tracing::warn!(
                event = "setup_link",
                link,
                "nobody administers this server yet; the link makes the first administrator, within 60 minutes"
            );
        }
        Welcome::Setup(None) => {}
    }
}

/// The locale for messages, in the order that POSIX gives.
pub fn locale() -> String {
    ["LC_ALL", "LC_MESSAGES", "LANG"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|value| !value.is_empty())
        .unwrap_or_default()
}

/// What asks the process to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// It runs in a terminal, and ends with it.
    in_terminal: bool,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let make = |kind| signal(kind).map_err(|error| Failure::Refused(format!("signals cannot be heard: {error}")));
        Ok(Self {
            terminate: make(SignalKind::terminate())?,
            interrupt: make(SignalKind::interrupt())?,
            hangup: make(SignalKind::hangup())?,
            in_terminal: std::io::stdin().is_terminal(),
        })
    }

    async fn next(&mut self) {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
                _ = self.hangup.recv() => {
                    if self.in_terminal {
                        return;
                    }
                    tracing::warn!(event = "hangup", "SIGHUP changes nothing: settings are read when the server starts");
                }
            }
        }
    }
}
