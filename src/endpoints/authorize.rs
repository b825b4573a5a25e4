//! GET and POST /oauth2/authorize (RFC 6749 §4.1.1, OIDC Core §3.1.2): the dispatcher of the browser flow.
//!
//! `start` reads a request · `advance` asks the rules what the person must still do and sends them there, or on to `respond` ·
//! `resume` is where every page comes back to. No page decides the next step, and none routes to another.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, Method};
use axum::response::Response;

use super::browser_text;
use crate::app::App;
use crate::browser::error::{PageError, PageReason};
use crate::browser::flow::{self, FlowStep};
use crate::browser::form::Unreadable;
use crate::browser::form_post::form_post;
use crate::browser::layout::{Page, asked_again, see_other, with_cookies};
use crate::browser::session;
use crate::browser::visit::Visit;
use crate::clock::Time;
use crate::protocol::authorization::{self, AuthorizationRequest, ReplyTo};
use crate::protocol::client::Client;
use crate::protocol::error::{Cause, ErrorCode, NotRedirected, OAuthError};
use crate::protocol::interaction::{self, Facts, SessionFacts, Step};
use crate::protocol::params::Params;
use crate::protocol::response_mode::{self, Answer};
use crate::storage::StorageError;
use crate::storage::durable::{Actor, Refusal, Visitor};
use crate::storage::ephemeral::Redeemed;
use crate::storage::records::{AuthorizationCode, Interaction};
use crate::telemetry::metrics;
use crate::tokens::opaque;
use crate::urls;

/// Why a request did not get its answer at the client: until the redirect is known to be safe, an error is a page.
enum Refused {
    Page(NotRedirected),
    /// To the client, by its redirect URI.
    Client(Box<ReplyTo>, OAuthError),
    /// A store did not answer.
    Fault(Option<Box<ReplyTo>>, StorageError),
    /// 413 or 408.
    Unread(Unreadable),
    /// More flows were begun from there than anybody needs; again after this long.
    TooMany(Duration),
}

impl From<NotRedirected> for Refused {
    fn from(error: NotRedirected) -> Self {
        Self::Page(error)
    }
}

impl From<StorageError> for Refused {
    fn from(fault: StorageError) -> Self {
        Self::Fault(None, fault)
    }
}

impl From<Unreadable> for Refused {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::TooLarge | Unreadable::Late => Self::Unread(unreadable),
            why => NotRedirected::new(Cause::MalformedRequest).with_detail(why.to_string()).into(),
        }
    }
}

/// Once the client is known, a fault is told to it as well (`temporarily_unavailable`).
fn told(reply_to: &ReplyTo) -> impl FnOnce(StorageError) -> Refused {
    |fault| Refused::Fault(Some(Box::new(reply_to.clone())), fault)
}

/// One request of a browser, and when it came.
struct Asked {
    visit: Visit,
    now: Time,
}

/// The handler of a new request.
#[utoipa::path(get, path = "/oauth2/authorize", tag = "protocol", operation_id = "authorize", summary = "Ask for a person's authorization",
    description = "For browsers. POST takes the same as a form (RFC 6749 §3.1).", params(crate::endpoints::described::AuthorizationParameters),
    responses((status = 200, description = "A page that sends the answer to the client by itself (`form_post`).", content_type = "text/html"),
        (status = 303, description = "To a page, or back to the client with a code or an error."),
        (status = 429, description = "A page: too many requests from this address that nobody has answered.", content_type = "text/html"),
        (status = 503, description = "A page: try again in a moment, where the client cannot be told.", content_type = "text/html"), (status = 400, description = "A page: the client cannot be told.", content_type = "text/html")))]
pub async fn start(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let visit = Visit::of(&parts);
    if visit.is_ahead() {
        return super::not_ahead();
    }
    // OIDC Core §3.1.2.1: "Authorization Servers MUST support the use of the HTTP GET and POST methods defined in RFC 2616 at the
    // Authorization Endpoint."
    let read = browser_text(&visit, body).await;
    let asked = Asked { visit, now: app.clock.now() };
    let text = match read {
        Ok(text) => text,
        Err(unreadable) => return finish(&app, &asked, None, Err(unreadable.into())),
    };
    if asked.visit.method == Method::POST
        && let Some(again) = asked_again(&app.urls, urls::AUTHORIZE, &text)
    {
        return again;
    }
    match Params::parse(&text) {
        Ok(params) => {
            let outcome = begin(&app, &asked, &params).await;
            finish(&app, &asked, Some(&params), outcome)
        }
        Err(error) => {
            let malformed = NotRedirected::new(Cause::MalformedRequest).with_detail(error.to_string());
            finish(&app, &asked, None, Err(malformed.into()))
        }
    }
}

async fn begin(app: &App, asked: &Asked, params: &Params) -> Result<Response, Refused> {
    let client = find_client(app, authorization::client_id(params)?).await?;
    let reply_to = authorization::reply_to(&client, params)?;
    let mut request = authorization::check(&client, params, &reply_to, &app.policy())
        .map_err(|error| Refused::Client(Box::new(reply_to.clone()), error))?;
    if let Some(hint) = request.id_token_hint.take() {
        app.tokens.learn(&hint, asked.now).await.map_err(told(&reply_to))?;
        let sub = app.tokens.hint(&hint).filter(|hint| hint.is_for(&client.client_id)).map(|hint| hint.sub);
        // OIDC Core §3.1.2.1, id_token_hint: a hint that is not ours says nothing about anybody.
        let invalid = || OAuthError::invalid_request("id_token_hint is not an ID token of this issuer for this client");
        request.hint_sub = Some(sub.ok_or_else(|| Refused::Client(Box::new(reply_to.clone()), invalid()))?);
    }
    let interaction = Interaction {
        request,
        started_at: asked.now,
        browser: String::new(),
        signed_in: None,
        chosen: None,
        consented: None,
        denied: false,
    };
    advance(app, asked, &client, interaction, None).await
}

/// An enabled client, or the page that says why not.
async fn find_client(app: &App, client_id: &str) -> Result<Arc<Client>, Refused> {
    match app.storage.clients.find(client_id).await? {
        Some(record) if record.disabled_at.is_none() => Ok(Arc::clone(&record.client)),
        found => Err(authorization::not_in_use(client_id, found.is_some()).into()),
    }
}

/// The handler where pages come back to.
pub async fn resume(State(app): State<Arc<App>>, Path(id): Path<String>, visit: Visit) -> Response {
    if visit.is_ahead() {
        return super::not_ahead();
    }
    let asked = Asked { visit, now: app.clock.now() };
    let (request, outcome) = proceed(&app, &asked, &id).await;
    let locales = request.as_ref().map(|request| request.ui_locales.join(" "));
    let look = Look { ui_locales: locales.as_deref(), display: request.as_ref().and_then(|request| request.display.as_deref()) };
    answer(&app, &asked, look, outcome)
}

async fn proceed(app: &App, asked: &Asked, id: &str) -> (Option<AuthorizationRequest>, Result<Response, Refused>) {
    let page = |reason| Refused::Page(NotRedirected::new(reason));
    let mac = asked.visit.query("mac").unwrap_or_default();
    let Some(browser) = flow::check(&asked.visit, &app.urls, &app.seal, FlowStep::Resume, id, &mac) else {
        return (None, Err(page(Cause::OtherBrowser)));
    };
    let mut interaction = match app.storage.ephemeral.get::<Interaction>(id).await {
        Ok(Some(interaction)) if interaction.is_live(asked.now) => interaction,
        Ok(_) => return (None, Err(page(Cause::ExpiredFlow))),
        Err(fault) => return (None, Err(fault.into())),
    };
    let request = Some(interaction.request.clone());
    if interaction.browser != browser {
        return (request, Err(page(Cause::OtherBrowser)));
    }
    let reply_to = interaction.request.reply_to.clone();
    let client = match find_client(app, &reply_to.client_id).await {
        Ok(client) => client,
        Err(Refused::Fault(_, fault)) => return (request, Err(told(&reply_to)(fault))),
        Err(refused) => return (request, Err(refused)),
    };
    if let Err(taken_away) = authorization::still_registered(&client, &mut interaction.request) {
        return (request, Err(taken_away.into()));
    }
    // RFC 6749 §4.1.2.1: "access_denied: The resource owner or authorization server denied the request."
    let denied = interaction.denied.then(|| OAuthError::access_denied("The person did not allow it"));
    if let Some(denied) = authorization::still_allowed(&client, &interaction.request).err().or(denied) {
        let outcome = match spend(app, id).await {
            Ok(true) => Err(Refused::Client(Box::new(reply_to), denied)),
            Ok(false) => Err(page(Cause::ExpiredFlow)),
            Err(fault) => Err(told(&reply_to)(fault)),
        };
        return (request, outcome);
    }
    (request, advance(app, asked, &client, interaction, Some(id)).await)
}

/// Ends a flow once: true for the one caller that may answer it.
async fn spend(app: &App, id: &str) -> Result<bool, StorageError> {
    let spent = app.storage.ephemeral.redeem_if::<Interaction, ()>(id, app.random.bytes(), |_| Ok(())).await?;
    Ok(matches!(spent, Ok(Redeemed::First(_))))
}

/// What must the person still do? Sends them there, or answers the client.
async fn advance(app: &App, asked: &Asked, client: &Client, interaction: Interaction, id: Option<&str>) -> Result<Response, Refused> {
    let request = &interaction.request;
    let fault = || told(&request.reply_to);
    let idle = app.config.sessions.idle;
    let visitor = session::visitor(&asked.visit, &app.urls, &app.seal, &app.storage, &client.client_id, idle, asked.now);
    let visitor = visitor.await.map_err(fault())?;
    let allowed = visitor.as_ref().and_then(|visitor| visitor.allowed.as_deref()).filter(|_| !client.first_party);
    let remembered: Option<Vec<String>> = allowed.map(|scope| scope.split_whitespace().map(str::to_owned).collect());
    let facts = Facts {
        request,
        client,
        session: visitor.as_ref().map(|visitor| SessionFacts {
            id: &visitor.session_id,
            user_id: &visitor.user_id,
            auth_time: visitor.auth_time,
            acr: &visitor.acr,
        }),
        remembered: remembered.as_deref(),
        signed_in: interaction.signed_in.as_deref(),
        chosen: interaction.chosen.as_deref(),
        consented: interaction.consented.as_deref(),
        started_at: interaction.started_at,
        now: asked.now,
    };
    let step = interaction::next_step(&facts).map_err(|error| Refused::Client(Box::new(request.reply_to.clone()), error));
    let step = match step {
        Ok(step) => step,
        Err(refused) => {
            if let Some(id) = id {
                spend(app, id).await.map_err(fault())?;
            }
            return Err(refused);
        }
    };
    match (step, visitor) {
        (Step::Done, Some(visitor)) => {
            if let Some(id) = id
                && !spend(app, id).await.map_err(fault())?
            {
                return Err(NotRedirected::new(Cause::ExpiredFlow).into());
            }
            let allowed = interaction.consented.as_deref() == Some(visitor.user_id.as_str());
            let scope = interaction::granted_scope(request, client, remembered.as_deref(), allowed);
            respond(app, asked, interaction.request, scope, visitor).await
        }
        (step, _) => {
            let (id, interaction, cookie) = match id {
                Some(id) => (id.to_owned(), interaction, None),
                None => keep(app, asked, interaction).await?,
            };
            let mac = |step| flow::mac(&app.seal, step, &id, &interaction.browser);
            let page = match step {
                Step::Consent => app.urls.consent(&id, &mac(FlowStep::Consent)),
                Step::SignIn | Step::SelectAccount | Step::Done => app.urls.sign_in(&id, &mac(FlowStep::SignIn)),
            };
            Ok(with_cookies(see_other(&app.urls, &page), cookie))
        }
    }
}

/// Stores a flow that needs a page, bound to this browser by its flow cookie.
async fn keep(app: &App, asked: &Asked, mut interaction: Interaction) -> Result<(String, Interaction, Option<HeaderValue>), Refused> {
    let address = asked.visit.context.address;
    let taken = app.limits.flow(&*app.storage.ephemeral.store, &app.seal, address, asked.now).await;
    if let Some(wait) = taken.map_err(told(&interaction.request.reply_to))? {
        metrics::rate_limited("flow");
        return Err(Refused::TooMany(wait));
    }
    let id = opaque::value(&app.random);
    let browser = flow::browser(&asked.visit, &app.urls, app.random.bytes());
    interaction.browser = browser.digest(&app.seal);
    let stored = app.storage.ephemeral.put(&id, &interaction, app.random.bytes()).await;
    stored.map_err(told(&interaction.request.reply_to))?;
    Ok((id, interaction, browser.set))
}

/// The answer to the client: a code that binds everything the exchange must hold against it.
async fn respond(
    app: &App,
    asked: &Asked,
    request: AuthorizationRequest,
    scope: Vec<String>,
    visitor: Visitor,
) -> Result<Response, Refused> {
    let value = opaque::code(&app.random, asked.now);
    let code = AuthorizationCode {
        request,
        user_id: visitor.user_id,
        session_id: visitor.session_id,
        scope,
        auth_time: visitor.auth_time,
        acr: visitor.acr,
        amr: visitor.amr,
        issued_at: asked.now,
    };
    let reply_to = &code.request.reply_to;
    app.storage.ephemeral.put(&value, &code, app.random.bytes()).await.map_err(told(reply_to))?;
    let look = Look { ui_locales: Some(&code.request.ui_locales.join(" ")), display: code.request.display.as_deref() };
    Ok(send(app, asked, look, reply_to, Ok(&value)))
}

/// An answer on its way to the client through the browser.
fn send(app: &App, asked: &Asked, look: Look<'_>, reply_to: &ReplyTo, outcome: Result<&str, &OAuthError>) -> Response {
    match response_mode::answer(reply_to, app.urls.issuer(), outcome) {
        Answer::Redirect(url) => see_other(&app.urls, &url),
        Answer::FormPost { action, fields } => form_post(&page(app, asked, look), host(&action), &action, &fields),
    }
}

/// Where a form leads, as a person reads it.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

/// Turns an outcome into what the browser gets.
fn finish(app: &App, asked: &Asked, params: Option<&Params>, outcome: Result<Response, Refused>) -> Response {
    let look =
        Look { ui_locales: params.and_then(|params| params.get("ui_locales")), display: params.and_then(|params| params.get("display")) };
    answer(app, asked, look, outcome)
}

/// What a request says of how pages should look (OIDC Core §3.1.2.1).
#[derive(Clone, Copy)]
struct Look<'a> {
    ui_locales: Option<&'a str>,
    display: Option<&'a str>,
}

fn page<'a>(app: &'a App, asked: &Asked, look: Look<'_>) -> Page<'a> {
    let mut page = app.page(&asked.visit, look.ui_locales);
    page.popup = look.display == Some("popup");
    page
}

fn answer(app: &App, asked: &Asked, look: Look<'_>, outcome: Result<Response, Refused>) -> Response {
    let show = |error: PageError| error.into_response(&page(app, asked, look));
    match outcome {
        Ok(response) => response,
        Err(Refused::Page(error)) => {
            tracing::info!(
                event = "authorization_refused",
                error = error.code.as_str(),
                reason = error.reason.key(),
                detail = error.detail.as_deref()
            );
            record(app, asked, None, error.reason.key());
            show(error.into())
        }
        Err(Refused::Client(reply_to, error)) => {
            tracing::info!(event = "authorization_refused", client_id = %reply_to.client_id, error = error.code.as_str(), detail = %error.description);
            // That somebody is not signed in or has not consented yet is an answer to a silent question, no refusal.
            if !matches!(error.code, ErrorCode::LoginRequired | ErrorCode::ConsentRequired | ErrorCode::AccountSelectionRequired) {
                record(app, asked, Some(&reply_to.client_id), error.code.as_str());
            }
            send(app, asked, look, &reply_to, Err(&error))
        }
        Err(Refused::Fault(Some(reply_to), fault)) => {
            tracing::error!(event = "fault", detail = %fault, "an authorization request failed through no fault of its client");
            let error = OAuthError::temporarily_unavailable("Try again in a moment");
            send(app, asked, look, &reply_to, Err(&error))
        }
        Err(Refused::Fault(None, fault)) => show(fault.into()),
        Err(Refused::Unread(unreadable)) => show(unreadable.into()),
        Err(Refused::TooMany(wait)) => show(PageError::new(PageReason::TooMany(wait))),
    }
}

/// A refusal is written down for whoever runs the server; nobody waits for it.
fn record(app: &App, asked: &Asked, client_id: Option<&str>, reason: &'static str) {
    let by = super::act(&asked.visit.context, Actor::Anonymous, client_id);
    super::audit_refusal(app, Refusal { act: "authorize", subject: None, reason }, by, asked.now);
}
