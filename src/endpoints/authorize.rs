//! GET and POST /oauth2/authorize (RFC 6749 §4.1.1, OIDC Core §3.1.2): the dispatcher of the browser flow.
//!
//! `start` reads a request · `advance` asks the rules what the person must still do and sends them there, or on to `respond` ·
//! `resume` is where every page comes back to. No page decides the next step, and none routes to another.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;

use super::{MAX_FORM, act, context_of, form_body};
use crate::app::App;
use crate::browser::flow::{self, FlowError};
use crate::browser::layout::Page;
use crate::browser::{self, session};
use crate::clock::Time;
use crate::protocol::authorization::{self, AuthorizationRequest, ReplyTo};
use crate::protocol::client::Client;
use crate::protocol::error::{ErrorCode, OAuthError, PageError, PageReason};
use crate::protocol::interaction::{self, Facts, SessionFacts, Step};
use crate::protocol::params::Params;
use crate::protocol::response_mode;
use crate::request::RequestContext;
use crate::storage::durable::{Actor, Refusal, SignedIn};
use crate::storage::ephemeral::Redeemed;
use crate::storage::records::{AuthorizationCode, Interaction};
use crate::storage::StorageError;
use crate::tokens::opaque;

/// Why a request did not get its answer at the client: until the redirect is known to be safe, an error is a page.
enum Refused {
    Page(PageError),
    /// To the client, by its redirect URI.
    Client(Box<ReplyTo>, OAuthError),
    /// A store did not answer.
    Fault(Option<Box<ReplyTo>>, StorageError),
    TooLarge,
}

impl From<PageError> for Refused {
    fn from(error: PageError) -> Self {
        Self::Page(error)
    }
}

impl From<StorageError> for Refused {
    fn from(fault: StorageError) -> Self {
        Self::Fault(None, fault)
    }
}

/// Once the client is known, a fault is told to it as well (`temporarily_unavailable`).
fn told(reply_to: &ReplyTo) -> impl FnOnce(StorageError) -> Refused {
    let reply_to = Box::new(reply_to.clone());
    move |fault| Refused::Fault(Some(reply_to), fault)
}

/// What of the browser's request matters: it outlives the body.
struct Browser {
    headers: HeaderMap,
    context: RequestContext,
    now: Time,
}

/// The handler of a new request.
pub async fn start(State(app): State<Arc<App>>, request: Request) -> Response {
    let browser = Browser { headers: request.headers().clone(), context: context_of(request.extensions()), now: app.clock.now() };
    match read(request).await {
        Ok(params) => {
            let outcome = begin(&app, &browser, &params).await;
            finish(&app, &browser, &params.all("ui_locales").collect::<Vec<_>>().join(" "), outcome)
        }
        Err(refused) => finish(&app, &browser, "", Err(refused)),
    }
}

async fn read(request: Request) -> Result<Params, Refused> {
    let malformed = |detail: &str| Refused::Page(PageError::new(ErrorCode::InvalidRequest, PageReason::MalformedRequest).detail(detail));
    // OIDC Core §3.1.2.1: "Authorization Servers MUST support the use of the HTTP GET and POST methods defined in RFC 7231 at the
    // Authorization Endpoint."
    if request.method() == Method::POST {
        return form_body(request).await.map_err(|failure| match failure {
            super::Failure::TooLarge => Refused::TooLarge,
            super::Failure::OAuth(error) => malformed(&error.description),
            _ => malformed("The request cannot be read"),
        });
    }
    let query = request.uri().query().unwrap_or("");
    if query.len() > MAX_FORM {
        return Err(Refused::TooLarge);
    }
    Params::parse(query).map_err(|error| malformed(&error.to_string()))
}

async fn begin(app: &App, browser: &Browser, params: &Params) -> Result<Response, Refused> {
    for name in ["client_id", "redirect_uri"] {
        if params.repeats(name) {
            let reason = PageReason::RepeatedParameter(if name == "client_id" { "client_id" } else { "redirect_uri" });
            return Err(PageError::new(ErrorCode::InvalidRequest, reason).into());
        }
    }
    let client_id = params.get("client_id").ok_or_else(|| PageError::new(ErrorCode::InvalidRequest, PageReason::MissingClientId))?;
    let client = find_client(app, client_id).await?;
    let reply_to = authorization::reply_to(&client, params)?;
    let mut request = authorization::check(&client, params, &reply_to, &app.policy())
        .map_err(|error| Refused::Client(Box::new(reply_to.clone()), error))?;
    if let Some(hint) = request.id_token_hint.take() {
        let sub = app.tokens.hint(&hint, Some(&client.client_id), browser.now).map(|hint| hint.sub);
        // OIDC Core §3.1.2.1, id_token_hint: a hint that is not ours says nothing about anybody.
        let invalid = || OAuthError::invalid_request("id_token_hint is not an ID token of this issuer for this client");
        request.hint_sub = Some(sub.ok_or_else(|| Refused::Client(Box::new(reply_to.clone()), invalid()))?);
    }
    let interaction = Interaction {
        request,
        started_at: browser.now,
        browser: String::new(),
        signed_in: None,
        chosen: None,
        consented: None,
        denied: false,
    };
    advance(app, browser, &client, interaction, None).await
}

/// An enabled client, or the page that says why not.
async fn find_client(app: &App, client_id: &str) -> Result<Arc<Client>, Refused> {
    match app.storage.clients.find(client_id).await? {
        None => Err(PageError::new(ErrorCode::InvalidClient, PageReason::UnknownClient).detail(format!("client_id {client_id}")).into()),
        Some(record) if record.disabled_at.is_some() => Err(PageError::new(ErrorCode::UnauthorizedClient, PageReason::DisabledClient).into()),
        Some(record) => Ok(Arc::clone(&record.client)),
    }
}

/// The handler where pages come back to.
pub async fn resume(State(app): State<Arc<App>>, Path(id): Path<String>, request: Request<Body>) -> Response {
    let browser = Browser { headers: request.headers().clone(), context: context_of(request.extensions()), now: app.clock.now() };
    let query = request.uri().query().unwrap_or("").to_owned();
    let (locales, outcome) = proceed(&app, &browser, &id, &query).await;
    finish(&app, &browser, &locales, outcome)
}

async fn proceed(app: &App, browser: &Browser, id: &str, query: &str) -> (String, Result<Response, Refused>) {
    let expired = || Refused::Page(PageError::new(ErrorCode::InvalidRequest, PageReason::ExpiredFlow));
    let other = || Refused::Page(PageError::new(ErrorCode::InvalidRequest, PageReason::OtherBrowser));
    let interaction = match app.storage.ephemeral.get::<Interaction>(id).await {
        Ok(Some(interaction)) => interaction,
        Ok(None) => return (String::new(), Err(expired())),
        Err(fault) => return (String::new(), Err(fault.into())),
    };
    let locales = interaction.request.ui_locales.join(" ");
    let mac = Params::parse(query).ok().and_then(|params| params.get("mac").map(str::to_owned)).unwrap_or_default();
    if let Err(error) = flow::check(&app.seal, &browser.headers, app.urls.is_https(), flow::RESUME, id, &interaction.browser, &mac) {
        return (locales, Err(match error {
            FlowError::OtherBrowser => other(),
            FlowError::BadMac => expired(),
        }));
    }
    let reply_to = interaction.request.reply_to.clone();
    if interaction.denied {
        // RFC 6749 §4.1.2.1: "access_denied: The resource owner or authorization server denied the request."
        let denied = OAuthError::new(ErrorCode::AccessDenied, "The person did not allow it");
        let outcome = match spend(app, id).await {
            Ok(true) => Err(Refused::Client(Box::new(reply_to), denied)),
            Ok(false) => Err(expired()),
            Err(fault) => Err(told(&reply_to)(fault)),
        };
        return (locales, outcome);
    }
    let outcome = match find_client(app, &reply_to.client_id).await {
        Ok(client) => advance(app, browser, &client, interaction, Some(id)).await,
        Err(Refused::Fault(_, fault)) => Err(told(&reply_to)(fault)),
        Err(refused) => Err(refused),
    };
    (locales, outcome)
}

/// Ends a flow once: true for the one caller that may answer it.
async fn spend(app: &App, id: &str) -> Result<bool, StorageError> {
    let spent = app.storage.ephemeral.redeem_if::<Interaction, ()>(id, app.random.bytes(), |_| Ok(())).await?;
    Ok(matches!(spent, Ok(Redeemed::First(_))))
}

/// What must the person still do? Sends them there, or answers the client.
async fn advance(
    app: &App,
    browser: &Browser,
    client: &Client,
    interaction: Interaction,
    id: Option<&str>,
) -> Result<Response, Refused> {
    let request = &interaction.request;
    let fault = || told(&request.reply_to);
    let signed_in = session::current(&app.storage, &app.seal, &browser.headers, app.urls.is_https(), app.config.sessions.idle, browser.now)
        .await
        .map_err(fault())?;
    let remembered: Option<Vec<String>> = match &signed_in {
        Some(SignedIn { user, .. }) if !client.first_party => {
            let consent = app.storage.consents.find(&user.id, &client.client_id).await.map_err(fault())?;
            consent.map(|consent| consent.scope.split_whitespace().map(str::to_owned).collect())
        }
        _ => None,
    };
    let facts = Facts {
        request,
        client,
        session: signed_in.as_ref().map(|SignedIn { session, user }| SessionFacts {
            id: &session.id,
            user_id: &user.id,
            auth_time: session.auth_time,
            acr: &session.acr,
        }),
        remembered: remembered.as_deref(),
        signed_in: interaction.signed_in.as_deref(),
        chosen: interaction.chosen.as_deref(),
        consented: interaction.consented.as_deref(),
        started_at: interaction.started_at,
        now: browser.now,
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
    match (step, signed_in) {
        (Step::Done, Some(signed_in)) => {
            if let Some(id) = id
                && !spend(app, id).await.map_err(fault())?
            {
                return Err(PageError::new(ErrorCode::InvalidRequest, PageReason::ExpiredFlow).into());
            }
            let asked = interaction.consented.as_deref() == Some(signed_in.user.id.as_str());
            let scope = interaction::granted_scope(request, client, remembered.as_deref(), asked);
            respond(app, browser, interaction.request.clone(), scope, signed_in).await
        }
        (step, _) => {
            let (id, interaction, cookie) = match id {
                Some(id) => (id.to_owned(), interaction, None),
                None => keep(app, browser, interaction).await?,
            };
            let page = match step {
                Step::Consent => app.urls.consent(&id, &flow::mac(&app.seal, flow::CONSENT, &id, &interaction.browser)),
                Step::SignIn | Step::SelectAccount | Step::Done => {
                    app.urls.sign_in(&id, &flow::mac(&app.seal, flow::SIGN_IN, &id, &interaction.browser))
                }
            };
            let mut response = browser::see_other(&page);
            if let Some(cookie) = cookie {
                browser::set_cookie(&mut response, &cookie);
            }
            Ok(response)
        }
    }
}

/// Stores a flow that needs a page, bound to this browser by its flow cookie.
async fn keep(app: &App, browser: &Browser, mut interaction: Interaction) -> Result<(String, Interaction, Option<String>), Refused> {
    let id = opaque::value(&app.random);
    let (digest, cookie) = flow::bind(&app.seal, &browser.headers, app.urls.is_https(), || opaque::value(&app.random));
    interaction.browser = digest;
    let stored = app.storage.ephemeral.put(&id, &interaction, app.random.bytes()).await;
    stored.map_err(told(&interaction.request.reply_to))?;
    Ok((id, interaction, cookie))
}

/// The answer to the client: a code that binds everything the exchange must hold against it.
async fn respond(
    app: &App,
    browser: &Browser,
    request: AuthorizationRequest,
    scope: Vec<String>,
    SignedIn { session, user }: SignedIn,
) -> Result<Response, Refused> {
    let reply_to = request.reply_to.clone();
    let value = opaque::value(&app.random);
    let code = AuthorizationCode {
        request,
        user_id: user.id,
        session_id: session.id,
        scope,
        auth_time: session.auth_time,
        acr: session.acr,
        amr: session.amr,
        issued_at: browser.now,
    };
    app.storage.ephemeral.put(&value, &code, app.random.bytes()).await.map_err(told(&reply_to))?;
    let answer = response_mode::answer(&reply_to, app.urls.issuer(), Ok(&value));
    Ok(browser::answer(&page(app, browser, &code.request.ui_locales.join(" ")), answer))
}

fn page<'a>(app: &'a App, browser: &'a Browser, ui_locales: &str) -> Page<'a> {
    app.page(&browser.headers, &browser.context, ui_locales)
}

/// Turns an outcome into what the browser gets.
fn finish(app: &App, browser: &Browser, ui_locales: &str, outcome: Result<Response, Refused>) -> Response {
    let page = page(app, browser, ui_locales);
    match outcome {
        Ok(response) => response,
        Err(Refused::Page(error)) => {
            record(app, browser, &error);
            browser::error::page(&page, &error)
        }
        Err(Refused::Client(reply_to, error)) => {
            tracing::info!(event = "authorization_refused", client_id = %reply_to.client_id, error = error.code.as_str(), detail = %error.description);
            browser::answer(&page, response_mode::answer(&reply_to, app.urls.issuer(), Err(&error)))
        }
        Err(Refused::Fault(reply_to, fault)) => {
            tracing::error!(event = "fault", detail = %fault, "an authorization request failed through no fault of its client");
            match reply_to {
                Some(reply_to) => {
                    let error = OAuthError::new(ErrorCode::TemporarilyUnavailable, "Try again in a moment");
                    browser::answer(&page, response_mode::answer(&reply_to, app.urls.issuer(), Err(&error)))
                }
                None => browser::error::unavailable(&page),
            }
        }
        Err(Refused::TooLarge) => browser::error::status(&page, StatusCode::PAYLOAD_TOO_LARGE),
    }
}

/// A refusal that no client hears of is written down for whoever runs the server.
fn record(app: &App, browser: &Browser, error: &PageError) {
    tracing::info!(event = "authorization_refused", error = error.code.as_str(), reason = error.reason.key(), detail = error.detail.as_deref());
    let refusal = Refusal { act: "authorize", subject: None, reason: error.reason.key() };
    let by = act(&browser.context, Actor::Anonymous, None);
    let (audit, now) = (Arc::clone(&app.storage.audit), browser.now);
    tokio::spawn(async move {
        if let Err(fault) = audit.refuse(&refusal, now, &by).await {
            tracing::warn!(event = "audit_fault", detail = %fault);
        }
    });
}
