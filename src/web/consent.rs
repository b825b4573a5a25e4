//! The consent page: who asks, for what, and where the answer goes. A deployment's own apps never come here.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;

use super::flow::{Open, open};
use super::{Asked, person, sent, shown};
use crate::app::App;
use crate::browser::csrf;
use crate::browser::error::{PageError, PageReason};
use crate::browser::flow::FlowStep;
use crate::browser::form::Form;
use crate::browser::layout::{LONGEST_NAME, Page, html, initial, shown_name, with_cookies};
use crate::browser::visit::Visit;
use crate::protocol::authorization;
use crate::protocol::client::Client;
use crate::protocol::interaction::consent_scope;
use crate::storage::StorageError;
use crate::storage::durable::{Actor, SignedIn};

/// The name of the form, for its token.
const FORM: &str = "consent";

pub async fn show(State(app): State<Arc<App>>, visit: Visit) -> Response {
    shown(&app, visit, page).await
}

async fn page(asked: &mut Asked<'_>) -> Result<Response, PageError> {
    let (open, signed_in) = required(asked).await?;
    let Some(signed_in) = signed_in else { return Ok(open.back(asked)) };
    let scope = scope(asked, &open, &signed_in).await?;
    Ok(form(asked, &open, &signed_in, &scope))
}

pub async fn submit(State(app): State<Arc<App>>, request: Request) -> Response {
    sent(&app, request, act).await
}

async fn act(asked: &mut Asked<'_>, request: Request) -> Result<Response, PageError> {
    let app = asked.app;
    csrf::same_origin(&asked.visit, &app.urls)?;
    let sent = Form::read(request).await?;
    let (open, signed_in) = required(asked).await?;
    // The token holds the session: an answer given as somebody else is refused here.
    csrf::check(&asked.visit, &app.urls, &app.seal, FORM, &open.id, sent.get(csrf::FIELD))
        .map_err(|error| error.with_again(open.here.clone()))?;
    let Some(SignedIn { session, user }) = signed_in else { return Ok(open.back(asked)) };
    match sent.get("decision") {
        Some("allow") => {
            let signed_in = SignedIn { session, user };
            let scope = scope(asked, &open, &signed_in).await?.join(" ");
            let (user, client) = (&signed_in.user.id, &open.client.client_id);
            let by = asked.act(Actor::Person(user.clone()), Some(client));
            // Gone in this very moment: the flow asks who is there, or for whom.
            if !app.storage.consents.allow(user, client, &scope, asked.now, &by).await? {
                return Ok(open.back(asked));
            }
            let user = user.clone();
            Ok(open.go_on(asked, |interaction| interaction.consented = Some(user.clone())).await?)
        }
        Some("deny") => Ok(open.go_on(asked, |interaction| interaction.denied = true).await?),
        _ => Err(PageError::new(PageReason::Request).with_detail("the form says neither allow nor deny").with_again(open.here)),
    }
}

/// The flow, without which there is nothing to allow, and the person who may allow it.
async fn required(asked: &mut Asked<'_>) -> Result<(Open, Option<SignedIn>), PageError> {
    let expired = || PageError::new(PageReason::Expired).with_detail("this page belongs to a flow, and its address names none");
    let open = open(asked, FlowStep::Consent).await?.ok_or_else(expired)?;
    // Where an administrator has taken all that was asked for, nothing is left to allow: the dispatcher tells the client.
    let signed_in = match authorization::still_allowed(&open.client, &open.interaction.request) {
        Ok(()) => asked.signed_in().await?,
        Err(_) => None,
    };
    Ok((open, signed_in))
}

/// What will be granted if the person allows it: what the page shows and what is remembered.
async fn scope(asked: &Asked<'_>, open: &Open, signed_in: &SignedIn) -> Result<Vec<String>, StorageError> {
    let consent = asked.app.storage.consents.find(&signed_in.user.id, &open.client.client_id).await?;
    let remembered: Option<Vec<String>> = consent.map(|consent| consent.scope.split_whitespace().map(str::to_owned).collect());
    Ok(consent_scope(&open.interaction.request, &open.client, remembered.as_deref()))
}

/// A line of the list: a scope in words, or as it is.
pub(super) struct Line {
    icon: &'static str,
    pub text: String,
    hint: Option<String>,
    is_known: bool,
}

/// Where the answer goes, and how much is known about who listens there.
enum Destination {
    /// A host of the web, proven by its certificate.
    Host(String),
    /// A port of this device: any program may listen there (RFC 8252 §8.6).
    Device(String),
    /// A scheme that any program on this device may claim.
    Scheme(String),
}

impl Destination {
    fn of(redirect_uri: &str) -> Self {
        let Ok(url) = url::Url::parse(redirect_uri) else { return Self::Scheme(shown_name(redirect_uri, LONGEST_NAME)) };
        let Some(host) = url.host().filter(|_| matches!(url.scheme(), "https" | "http")) else {
            return Self::Scheme(format!("{}:", url.scheme()));
        };
        let shown = url.port().map_or_else(|| host.to_string(), |port| format!("{host}:{port}"));
        let is_loopback = match &host {
            url::Host::Ipv4(address) => address.is_loopback(),
            url::Host::Ipv6(address) => address.is_loopback(),
            url::Host::Domain(name) => *name == "localhost" || name.ends_with(".localhost"),
        };
        if is_loopback { Self::Device(shown) } else { Self::Host(shown) }
    }
}

#[derive(Template)]
#[template(path = "consent.html")]
struct Consent<'a> {
    page: &'a Page<'a>,
    action: &'a str,
    csrf: String,
    app: String,
    logo: &'a Option<String>,
    client: &'a Client,
    destination: Destination,
    name: String,
    email: &'a str,
    person_initial: String,
    not_you: String,
    lines: Vec<Line>,
}

fn form(asked: &Asked<'_>, open: &Open, signed_in: &SignedIn, scope: &[String]) -> Response {
    let app = asked.app;
    let page = asked.page();
    let browser = asked.browser();
    let name = shown_name(person(&signed_in.user), LONGEST_NAME);
    let shown_app = open.app();
    let template = Consent {
        action: &open.here,
        csrf: csrf::token(&asked.visit, &app.urls, &app.seal, &browser, FORM, &open.id),
        app: shown_app,
        logo: &open.logo,
        client: &open.client,
        destination: Destination::of(&open.interaction.request.reply_to.redirect_uri),
        person_initial: initial(&name),
        name,
        email: &signed_in.user.email,
        not_you: format!("{}&other=1", open.sign_in(asked)),
        lines: scope.iter().map(|scope| line(&page, scope)).collect(),
        page: &page,
    };
    with_cookies(html(&page, StatusCode::OK, &template), browser.set)
}

/// A scope in words.
pub(super) fn line(page: &Page<'_>, scope: &str) -> Line {
    let (icon, key) = match scope {
        "openid" => ("person", "consent-scope-openid"),
        "profile" => ("card", "consent-scope-profile"),
        "email" => ("mail", "consent-scope-email"),
        "phone" => ("phone", "consent-scope-phone"),
        "address" => ("place", "consent-scope-address"),
        "org" => ("person", "consent-scope-org"),
        "account" => ("key", "consent-scope-account"),
        "users:read" => ("person", "consent-scope-users-read"),
        "users:write" => ("person", "consent-scope-users-write"),
        "clients:read" => ("link", "consent-scope-clients-read"),
        "clients:write" => ("link", "consent-scope-clients-write"),
        "organizations:read" => ("person", "consent-scope-organizations-read"),
        "organizations:write" => ("person", "consent-scope-organizations-write"),
        "audit:read" => ("card", "consent-scope-audit-read"),
        "offline_access" => {
            let hint = Some(page.l.t("consent-scope-offline-hint"));
            return Line { icon: "link", text: page.l.t("consent-scope-offline"), hint, is_known: true };
        }
        unknown => {
            let hint = Some(page.l.t("consent-scope-unknown-hint"));
            return Line { icon: "question", text: shown_name(unknown, 80), hint, is_known: false };
        }
    };
    Line { icon, text: page.l.t(key), hint: None, is_known: true }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_an_answer_goes_is_told_as_it_is() {
        let of = |uri: &str| match Destination::of(uri) {
            Destination::Host(host) => ("host", host),
            Destination::Device(host) => ("device", host),
            Destination::Scheme(scheme) => ("scheme", scheme),
        };
        assert_eq!(of("https://app.example/cb"), ("host", "app.example".to_owned()));
        assert_eq!(of("https://app.example@evil.example:8443/cb"), ("host", "evil.example:8443".to_owned()));
        assert_eq!(of("http://127.0.0.1:9000/cb"), ("device", "127.0.0.1:9000".to_owned()));
        assert_eq!(of("http://[::1]/cb"), ("device", "[::1]".to_owned()));
        assert_eq!(of("http://localhost:3000/"), ("device", "localhost:3000".to_owned()));
        assert_eq!(of("com.example.app:/cb"), ("scheme", "com.example.app:".to_owned()));
    }
}
