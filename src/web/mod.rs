//! HTML: each page's template struct beside its handler.
//!
//! Pages ask `accounts` and `storage`, note what came of it on the interaction, and lead back to the dispatcher of the flow
//! (`endpoints::authorize`); none decides the next step. What all pages share is `browser`'s; where they meet an interaction is
//! `flow`.

pub mod account;
pub mod assets;
pub mod consent;
pub mod docs;
mod flow;
pub mod home;
pub mod preferences;
pub mod recover;
pub mod setup;
pub mod sign_in;
pub mod sign_up;
mod simple;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequestParts as _, Request};
use axum::http::HeaderValue;
use axum::response::Response;
use axum::routing::{get, post};

use crate::accounts::desk::Asking;
use crate::accounts::sessions::{self, Fresh, Lifetimes, NewSession, Started};
use crate::app::App;
use crate::browser::error::PageError;
use crate::browser::form::Form;
use crate::browser::layout::Page;
use crate::browser::visit::Visit;
use crate::browser::{csrf, flow as browser_flow, language, session};
use crate::clients::logo::PATIENCE;
use crate::clock::Time;
use crate::i18n::Lang;
use crate::protocol::client::Client;
use crate::request::device;
use crate::storage::StorageError;
use crate::storage::durable::{Act, Actor, Proof, SignedIn, User};
use crate::telemetry::metrics;
use crate::urls;
use flow::Open;

/// Every page of this room.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route(urls::HOME, get(home::show))
        .route(urls::SIGN_IN, get(sign_in::show).post(sign_in::submit))
        .route(urls::SIGN_UP, get(sign_up::show).post(sign_up::submit))
        .route(urls::VERIFY_EMAIL, get(sign_up::show_verify).post(sign_up::verify))
        .route(urls::RECOVER, get(recover::show).post(recover::submit))
        .route(urls::RESET, get(recover::show_reset).post(recover::reset))
        .merge(account::routes())
        .route(urls::CONSENT, get(consent::show).post(consent::submit))
        .route(urls::SETUP, get(setup::show).post(setup::submit))
        .route(urls::PREFERENCES, post(preferences::submit))
        .route(urls::STYLESHEET, get(assets::stylesheet))
        .route(urls::SCRIPT, get(assets::script))
        .route(urls::ICON, get(assets::icon))
        .route(urls::LOGO, get(assets::logo))
        .route(urls::APP_LOGO, get(assets::app_logo))
}

/// As long as a password may be.
const LONGEST_PASSWORD: u32 = crate::accounts::password_rules::MAX as u32;

/// Answers a request for a page.
async fn shown(app: &App, visit: Visit, page: impl AsyncFnOnce(&mut Asked<'_>) -> Result<Response, PageError>) -> Response {
    let mut asked = Asked::new(app, visit);
    let outcome = page(&mut asked).await;
    asked.finish(outcome)
}

/// Answers a form.
async fn sent(app: &App, request: Request, act: impl AsyncFnOnce(&mut Asked<'_>, Request) -> Result<Response, PageError>) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(visit) = Visit::from_request_parts(&mut parts, &()).await;
    let mut asked = Asked::new(app, visit);
    let outcome = act(&mut asked, Request::from_parts(parts, body)).await;
    asked.finish(outcome)
}

/// One request for a page, and what is learnt on the way about the language to answer in.
struct Asked<'a> {
    app: &'a App,
    visit: Visit,
    now: Time,
    ui_locales: Option<String>,
    setting: Option<String>,
    since: Option<Time>,
    popup: bool,
    /// Where the switch at the foot leads back to, if not to the address that was asked for.
    here: Option<String>,
}

impl<'a> Asked<'a> {
    fn new(app: &'a App, visit: Visit) -> Self {
        Self { now: app.clock.now(), app, visit, ui_locales: None, setting: None, since: None, popup: false, here: None }
    }

    fn page(&self) -> Page<'a> {
        let (app, visit) = (self.app, &self.visit);
        let lang = language::of(visit, &app.urls, self.ui_locales.as_deref(), self.setting.as_deref(), self.since, Lang::default());
        let mut page = Page::new(visit, &app.urls, &app.brand, lang, app.random.bytes());
        page.popup = self.popup;
        match &self.here {
            Some(here) => page.at(here.clone()),
            None => page,
        }
    }

    /// The answer, or the page that says why there is none.
    fn finish(&self, outcome: Result<Response, PageError>) -> Response {
        outcome.unwrap_or_else(|error| error.into_response(&self.page()))
    }

    /// Who is signed in in this browser. Their language is the page's from here on.
    async fn signed_in(&mut self) -> Result<Option<SignedIn>, StorageError> {
        let app = self.app;
        let found = session::current(&self.visit, &app.urls, &app.seal, &app.storage, app.config.sessions.idle, self.now).await?;
        if let Some(SignedIn { session, user }) = &found {
            self.setting = user.locale.clone();
            self.since = self.since.or(Some(session.auth_time));
        }
        Ok(found)
    }

    fn browser(&self) -> browser_flow::Browser {
        browser_flow::browser(&self.visit, &self.app.urls, self.app.random.bytes())
    }

    fn act(&self, actor: Actor, client_id: Option<&str>) -> Act {
        let context = &self.visit.context;
        Act { actor, client_id: client_id.map(str::to_owned), address: context.address, request_id: context.id.to_string() }
    }

    /// Who asks for an operation on accounts, in the language of the page.
    fn asking<'b>(&self, by: &'b Act, device: Option<&'b str>) -> Asking<'b> {
        Asking { lang: self.page().l.lang, device, now: self.now, by }
    }

    /// The browser in words of ours.
    fn device(&self) -> Option<String> {
        self.visit.user_agent().as_deref().and_then(device)
    }

    /// Where the pictures of apps stand, of those that have one and are known soon; the others are shown by their monogram.
    async fn logos<'b>(&self, clients: impl Iterator<Item = &'b Client> + Clone) -> Vec<Option<String>> {
        let found = self.app.logos.all(clients.clone(), PATIENCE, self.now).await;
        clients.zip(found).map(|(client, found)| found.map(|_| assets::app_logo_address(self.app, client))).collect()
    }

    /// The form token of the form `name`, which belongs to `open`.
    fn check(&self, name: &str, open: Option<&Open>, sent: &Form) -> Result<(), PageError> {
        let app = self.app;
        let checked = csrf::check(&self.visit, &app.urls, &app.seal, name, open.map_or("", |open| &open.id), sent.get(csrf::FIELD));
        checked.map_err(|error| error.with_again(self.here.clone().unwrap_or_else(|| app.urls.path(urls::HOME))))
    }

    /// The address of another page, in the same flow where there is one; `more` is added to its query.
    fn with(&self, open: Option<&Open>, path: &str, more: &str) -> String {
        let address = open.map_or_else(|| self.app.urls.path(path), |open| open.page(self, path));
        match more {
            "" => address,
            more => format!("{address}{}{more}", if address.contains('?') { '&' } else { '?' }),
        }
    }

    fn lifetimes(&self) -> Lifetimes {
        Lifetimes { idle: self.app.config.sessions.idle, absolute: self.app.config.sessions.max }
    }

    /// Starts a session for `user`, who proved to be who they are; none where the `proof` does not hold any more. The cookie's value changes with
    /// every sign-in.
    async fn start_session(
        &self,
        user: &User,
        amr: &[&str],
        acr: &str,
        before: Option<&SignedIn>,
        proof: Option<&Proof>,
        by: &Act,
    ) -> Result<Option<(String, HeaderValue)>, StorageError> {
        let app = self.app;
        let agent = self.visit.user_agent();
        let replaces = before.map(|before| before.session.id.as_str());
        let new = NewSession { user_id: &user.id, acr, amr, user_agent: agent.as_deref(), replaces, proof };
        let lifetimes = self.lifetimes();
        let fresh = Fresh { cookie: app.random.bytes(), id: app.random.bytes() };
        let started = sessions::start(&*app.storage.sessions, &app.seal, &new, lifetimes, fresh, self.now, by).await?;
        // A sign-in is one when there is something to show for it.
        if started.is_some() && proof.is_some() {
            metrics::login("password", "ok", "");
        }
        Ok(started.map(|Started { id, cookie }| (id, session::set(&app.urls, &cookie, lifetimes.absolute))))
    }
}

/// How a person is addressed: by name, else by user name, else by e-mail.
fn person(user: &User) -> &str {
    user.name.as_deref().or(user.username.as_deref()).unwrap_or(&user.email)
}

/// From `now` until `then`; nothing if that is over.
fn until(then: Time, now: Time) -> Duration {
    (then - now).to_std().unwrap_or_default()
}
