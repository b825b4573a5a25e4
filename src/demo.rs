//! The relying party inside a development server: it signs in at this very server by authorization code and PKCE, over HTTP as any
//! app would, and shows each message; and the mail box of a development server. Mounted in development only.
//!
//! It uses nothing that an app could not use: the authorization, token, key and userinfo endpoints, and the crate `openidconnect` to judge the
//! ID token. What it keeps between request and answer is a record of its own under a cookie of its own.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_FRAME_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openidconnect::core::{CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet};
use openidconnect::{ClientId, IssuerUrl, Nonce};
use serde_json::Value;

use crate::app::App;
use crate::browser::csrf::same_origin;
use crate::browser::error::{PageError, PageReason};
use crate::browser::layout::{Page, html, see_other, with_cookies};
use crate::browser::visit::{Visit, clear_cookie, set_cookie};
use crate::clients::demo::PUBLIC;
use crate::clock::Time;
use crate::mail::{Delivery, folder};
use crate::outgoing::{Fetched, Outgoing};
use crate::seal::sha256;
use crate::storage::ephemeral::Redeemed;
use crate::storage::records::DemoFlow;
use crate::urls;

/// The cookie under which a flow is found again.
const COOKIE: &str = "demo";
const SCOPE: &str = "openid profile email";

/// The pages of the demo.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route(urls::DEMO, get(show))
        .route(urls::DEMO_START, post(start))
        .route(urls::DEMO_CALLBACK, get(callback))
        .route(urls::DEMO_MAIL, get(mail_box))
        .route(urls::DEMO_MAIL_HTML, get(mail_html))
}

#[derive(Template)]
#[template(path = "demo.html")]
struct Intro<'a> {
    page: &'a Page<'a>,
    start: String,
    mail: String,
    discovery: String,
}

async fn show(State(app): State<Arc<App>>, visit: Visit) -> Response {
    let page = app.page(&visit, None);
    let template = Intro {
        start: app.urls.path(urls::DEMO_START),
        mail: app.urls.path(urls::DEMO_MAIL),
        discovery: app.urls.absolute(urls::OPENID_CONFIGURATION),
        page: &page,
    };
    html(&page, StatusCode::OK, &template)
}

/// Sends the browser to the authorization endpoint, with fresh values that the answer must come back with.
async fn start(State(app): State<Arc<App>>, visit: Visit) -> Response {
    let outcome = begin(&app, &visit).await;
    outcome.unwrap_or_else(|error| error.with_again(app.urls.path(urls::DEMO)).into_response(&app.page(&visit, None)))
}

async fn begin(app: &App, visit: &Visit) -> Result<Response, PageError> {
    same_origin(visit, &app.urls)?;
    let fresh = || URL_SAFE_NO_PAD.encode(app.random.bytes::<32>());
    let (id, state, nonce, verifier) = (fresh(), fresh(), fresh(), fresh());
    let parameters = [
        ("response_type", "code"),
        ("client_id", PUBLIC),
        ("redirect_uri", &app.urls.absolute(urls::DEMO_CALLBACK)),
        ("scope", SCOPE),
        ("state", &state),
        ("nonce", &nonce),
        // RFC 7636 §4.2: "S256 code_challenge = BASE64URL-ENCODE(SHA256(ASCII(code_verifier)))"
        ("code_challenge", &URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()))),
        ("code_challenge_method", "S256"),
    ];
    let query: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={}", urls::encode(value))).collect();
    let request = format!("{}?{}", app.urls.absolute(urls::AUTHORIZE), query.join("&"));
    let flow = DemoFlow { state, nonce, verifier, request };
    app.storage.ephemeral.put(&id, &flow, app.random.bytes()).await?;
    Ok(with_cookies(see_other(&app.urls, &flow.request), [set_cookie(&app.urls, COOKIE, &id, None)]))
}

/// How many mails the page shows.
const NEWEST: usize = 20;

/// A piece of a mail's text. A link is one of this server's own: nothing else becomes one.
struct Piece<'a> {
    text: &'a str,
    is_link: bool,
}

/// A mail as the page shows it.
struct Shown<'a> {
    id: &'a str,
    subject: &'a str,
    to: &'a str,
    date: &'a str,
    /// Where its HTML part stands.
    html: String,
    pieces: Vec<Piece<'a>>,
}

#[derive(Template)]
#[template(path = "demo_mail.html")]
struct MailBox<'a> {
    page: &'a Page<'a>,
    folder: Option<String>,
    mails: Vec<Shown<'a>>,
}

/// The mails that this server wrote into its folder.
async fn mail_box(State(app): State<Arc<App>>, visit: Visit) -> Response {
    let page = app.page(&visit, None);
    let folder = match &app.mailer.delivery {
        Delivery::Folder(folder) => Some(folder.clone()),
        Delivery::Smtp(_) | Delivery::Nowhere => None,
    };
    let place = folder.clone();
    let read = tokio::task::spawn_blocking(move || place.map_or_else(|| Ok(Vec::new()), |place| folder::newest(&place, NEWEST))).await;
    let kept = match read {
        Ok(Ok(kept)) => kept,
        Ok(Err(error)) => return PageError::new(PageReason::Broken).with_detail(error.to_string()).into_response(&page),
        Err(stopped) => return PageError::new(PageReason::Broken).with_detail(stopped.to_string()).into_response(&page),
    };
    let own = format!("{}/", app.urls.absolute(""));
    let shown = kept.iter().map(|mail| Shown {
        id: &mail.id,
        subject: &mail.subject,
        to: &mail.to,
        date: &mail.date,
        html: format!("{}/{}", app.urls.path(urls::DEMO_MAIL), mail.id),
        pieces: mail.text.split_inclusive('\n').flat_map(|line| pieces(line, &own)).collect(),
    });
    let template = MailBox { folder: folder.map(|folder| folder.display().to_string()), mails: shown.collect(), page: &page };
    let mut response = html(&page, StatusCode::OK, &template);
    // The HTML parts stand in frames, each with a policy of its own.
    let policy = response.headers().get(CONTENT_SECURITY_POLICY).and_then(|policy| policy.to_str().ok());
    let policy = policy.map(|policy| format!("{policy}; frame-src 'self'")).and_then(|policy| HeaderValue::from_str(&policy).ok());
    if let Some(policy) = policy {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// The HTML part of a mail as its reader sees it, for a frame of the page above. Nothing in it runs or loads; a link leads out of the frame.
async fn mail_html(State(app): State<Arc<App>>, Path(id): Path<String>, visit: Visit) -> Response {
    let found = match &app.mailer.delivery {
        Delivery::Folder(folder) => {
            let folder = folder.clone();
            tokio::task::spawn_blocking(move || folder::one(&folder, &id)).await.ok().flatten()
        }
        Delivery::Smtp(_) | Delivery::Nowhere => None,
    };
    let Some(mail) = found else { return PageError::new(PageReason::NotFound).into_response(&app.page(&visit, None)) };
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            CONTENT_SECURITY_POLICY,
            // Mail programs know styles in attributes alone.
            "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; \
             sandbox allow-top-navigation-by-user-activation",
        ),
        (X_FRAME_OPTIONS, "SAMEORIGIN"),
        (CACHE_CONTROL, "no-store"),
    ];
    (headers, mail.html.replacen("<head>", "<head>\n<base target=\"_top\">", 1)).into_response()
}

/// A line of a mail: a link of ours alone on it, or text.
fn pieces<'a>(line: &'a str, own: &str) -> Vec<Piece<'a>> {
    let text = line.trim_end();
    if text.starts_with(own) && !text.contains(char::is_whitespace) {
        vec![Piece { text, is_link: true }, Piece { text: &line[text.len()..], is_link: false }]
    } else {
        vec![Piece { text: line, is_link: false }]
    }
}

/// One parameter as the page shows it: name, value, and the key of what it is for.
struct Line {
    name: String,
    value: String,
    why: Option<&'static str>,
}

impl Line {
    fn new(name: &str, value: &str) -> Self {
        let why = match name {
            "response_type" => Some("demo-why-response-type"),
            "client_id" => Some("demo-why-client-id"),
            "redirect_uri" => Some("demo-why-redirect-uri"),
            "scope" => Some("demo-why-scope"),
            "state" => Some("demo-why-state"),
            "nonce" => Some("demo-why-nonce"),
            "code_challenge" => Some("demo-why-code-challenge"),
            "code_challenge_method" => Some("demo-why-code-challenge-method"),
            "code" => Some("demo-why-code"),
            "iss" => Some("demo-why-iss"),
            "error" => Some("demo-why-error"),
            "grant_type" => Some("demo-why-grant-type"),
            "code_verifier" => Some("demo-why-code-verifier"),
            _ => None,
        };
        Self { name: name.to_owned(), value: value.to_owned(), why }
    }

    fn of_query(url: &str) -> Vec<Self> {
        let query = url.split_once('?').map_or("", |(_, query)| query);
        url::form_urlencoded::parse(query.as_bytes()).map(|(name, value)| Self::new(&name, &value)).collect()
    }
}

/// Something the demo looked at before it believed an answer.
struct Check {
    /// The key of its text.
    what: &'static str,
    passed: bool,
    /// Why not, in the words of whoever judged.
    reason: Option<String>,
}

impl Check {
    fn plain(what: &'static str, passed: bool) -> Self {
        Self { what, passed, reason: None }
    }
}

/// A JWT taken apart for reading.
struct Decoded {
    header: String,
    payload: String,
}

impl Decoded {
    fn of(jwt: &str) -> Option<Self> {
        let part = |at: usize| {
            let bytes = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(at)?).ok()?;
            serde_json::to_string_pretty(&serde_json::from_slice::<Value>(&bytes).ok()?).ok()
        };
        Some(Self { header: part(0)?, payload: part(1)? })
    }
}

/// Request and answer at the token endpoint, and what came of them.
#[derive(Default)]
struct Exchange {
    sent: Vec<Line>,
    status: u16,
    answer: String,
    id_token: Option<Decoded>,
    access_token: Option<Decoded>,
    userinfo: Option<String>,
}

#[derive(Template)]
#[template(path = "demo_result.html")]
struct Outcome<'a> {
    page: &'a Page<'a>,
    succeeded: bool,
    request: &'a str,
    request_lines: Vec<Line>,
    answer: String,
    answer_lines: Vec<Line>,
    token_endpoint: String,
    exchange: Option<Exchange>,
    checks: Vec<Check>,
    person: Option<String>,
    start: String,
    sign_out: String,
    demo: String,
}

/// Where the answer comes back.
async fn callback(State(app): State<Arc<App>>, visit: Visit) -> Response {
    let outcome = finish(&app, &visit).await;
    outcome.unwrap_or_else(|error| error.with_again(app.urls.path(urls::DEMO)).into_response(&app.page(&visit, None)))
}

async fn finish(app: &App, visit: &Visit) -> Result<Response, PageError> {
    let gone = || PageError::new(PageReason::Expired).with_detail("the demo knows no request that this answer belongs to");
    let id = visit.cookie(&app.urls, COOKIE).ok_or_else(gone)?.to_owned();
    let state = visit.query("state");
    let check = |flow: &DemoFlow| if state.as_deref() == Some(&*flow.state) { Ok(()) } else { Err(()) };
    let flow = match app.storage.ephemeral.redeem_if(&id, app.random.bytes(), check).await? {
        Ok(Redeemed::First(flow)) => flow,
        Ok(Redeemed::Again(_) | Redeemed::Missing) => return Err(gone()),
        Err(()) => return Err(PageError::new(PageReason::Request).with_detail("the state of this answer is not the one that was sent")),
    };
    // RFC 9207 §2.4: "clients MUST extract the value of the iss parameter from authorization responses they receive if the parameter is
    // present. Clients MUST then decode the value … and compare the result to the issuer identifier of the authorization server".
    let mut checks = vec![
        Check::plain("demo-check-state", true),
        Check::plain("demo-check-iss", visit.query("iss").as_deref() == Some(app.urls.issuer())),
    ];
    let mut exchange = None;
    let mut person = None;
    if let Some(code) = visit.query("code").filter(|_| checks.iter().all(|check| check.passed)) {
        let (done, name) = redeem(app, &flow, &code, app.clock.now(), &mut checks).await;
        (exchange, person) = (Some(done), name);
    }
    let page = app.page(visit, None).at(app.urls.path(urls::DEMO));
    let answer = app.urls.absolute(visit.uri.path_and_query().map_or("", |pq| pq.as_str()).trim_start_matches(app.urls.base()));
    let template = Outcome {
        succeeded: exchange.is_some() && checks.iter().all(|check| check.passed),
        request_lines: Line::of_query(&flow.request),
        request: &flow.request,
        answer_lines: Line::of_query(&answer),
        answer,
        token_endpoint: app.urls.absolute(urls::TOKEN),
        exchange,
        checks,
        person,
        start: app.urls.path(urls::DEMO_START),
        sign_out: app.urls.path(urls::LOGOUT),
        demo: app.urls.path(urls::DEMO),
        page: &page,
    };
    Ok(with_cookies(html(&page, StatusCode::OK, &template), [clear_cookie(&app.urls, COOKIE)]))
}

/// Code for tokens (RFC 6749 §4.1.3), the ID token judged, and userinfo asked; the name of the person if all is well.
async fn redeem(app: &App, flow: &DemoFlow, code: &str, now: Time, checks: &mut Vec<Check>) -> (Exchange, Option<String>) {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", &app.urls.absolute(urls::DEMO_CALLBACK)),
        ("client_id", PUBLIC),
        ("code_verifier", &flow.verifier),
    ];
    let mut exchange = Exchange { sent: fields.iter().map(|(name, value)| Line::new(name, value)).collect(), ..Exchange::default() };
    // The demo asks nobody but the server it is part of, wherever that one listens.
    let everywhere = ["0.0.0.0/0", "::/0"].iter().filter_map(|network| network.parse().ok()).collect();
    let http = Outgoing::new(everywhere);
    let (status, answer) = ask(&http, &app.urls.absolute(urls::TOKEN), Some(&fields)).await;
    exchange.status = status;
    exchange.answer = pretty(&answer);
    checks.push(Check::plain("demo-check-exchange", status == 200));
    let tokens: Value = serde_json::from_str(&answer).unwrap_or_default();
    let token = |name: &str| tokens[name].as_str().unwrap_or_default().to_owned();
    exchange.id_token = Decoded::of(&token("id_token"));
    exchange.access_token = Decoded::of(&token("access_token"));
    if status != 200 {
        return (exchange, None);
    }
    let (_, keys) = ask(&http, &app.urls.absolute(urls::JWKS), None).await;
    let judged = judge(&token("id_token"), &keys, app.urls.issuer(), &flow.nonce, now);
    let subject = judged.as_ref().ok().cloned();
    checks.push(Check { what: "demo-check-id-token", passed: judged.is_ok(), reason: judged.err() });
    let (status, userinfo) = ask(&http, &app.urls.absolute(urls::USERINFO), Some(&[("access_token", &token("access_token"))])).await;
    let claims: Value = serde_json::from_str(&userinfo).unwrap_or_default();
    // OIDC Core §5.3.2: "The sub Claim in the UserInfo Response MUST be verified to exactly match the sub Claim in the ID Token".
    checks.push(Check::plain("demo-check-userinfo", status == 200 && claims["sub"].as_str() == subject.as_deref()));
    exchange.userinfo = Some(pretty(&userinfo));
    let name = ["name", "preferred_username", "email", "sub"].iter().find_map(|name| claims[*name].as_str());
    (exchange, name.map(str::to_owned))
}

/// Signature, issuer, audience, time and nonce (OIDC Core §3.1.3.7), by somebody else's code; the subject if all hold.
fn judge(id_token: &str, keys: &str, issuer: &str, nonce: &str, now: Time) -> Result<String, String> {
    let said = |error: &dyn std::fmt::Display| error.to_string();
    let token: CoreIdToken = id_token.parse().map_err(|error: serde_json::Error| said(&error))?;
    let keys: CoreJsonWebKeySet = serde_json::from_str(keys).map_err(|error| said(&error))?;
    let issuer = IssuerUrl::new(issuer.to_owned()).map_err(|error| said(&error))?;
    let verifier = CoreIdTokenVerifier::new_public_client(ClientId::new(PUBLIC.to_owned()), issuer, keys).set_time_fn(move || now);
    let claims = token.claims(&verifier, &Nonce::new(nonce.to_owned())).map_err(|error| said(&error))?;
    Ok(claims.subject().to_string())
}

/// Status and text of an answer; a request that got none is shown as what went wrong, with the status 0.
async fn ask(http: &Outgoing, url: &str, form: Option<&[(&str, &str)]>) -> (u16, String) {
    let Ok(url) = url::Url::parse(url) else { return (0, String::new()) };
    let answer = match form {
        Some(fields) => {
            let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
            http.post(&url, "application/x-www-form-urlencoded", body.into_bytes()).await
        }
        None => http.get(&url, "application/json").await,
    };
    match answer {
        Ok(Fetched { status, body, .. }) => (status, String::from_utf8_lossy(&body).into_owned()),
        Err(error) => (0, error.to_string()),
    }
}

fn pretty(json: &str) -> String {
    serde_json::from_str::<Value>(json).ok().and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_else(|| json.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jwt_is_taken_apart_and_anything_else_is_not() {
        let jwt = format!("{}.{}.sig", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#), URL_SAFE_NO_PAD.encode(r#"{"sub":"ana"}"#));
        let decoded = Decoded::of(&jwt).expect("a JWT");
        assert!(decoded.header.contains("RS256") && decoded.payload.contains("\"sub\": \"ana\""));
        assert!(Decoded::of("opaque").is_none());
    }

    #[test]
    fn an_id_token_without_a_good_signature_is_refused() {
        let jwt = format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256"}"#), URL_SAFE_NO_PAD.encode(r#"{"sub":"ana"}"#));
        let now = Time::from_timestamp(1_800_000_000, 0).expect("in range");
        assert!(judge(&jwt, r#"{"keys":[]}"#, "http://127.0.0.1:8080", "n", now).is_err());
        assert!(judge("opaque", r#"{"keys":[]}"#, "http://127.0.0.1:8080", "n", now).is_err());
    }

    #[test]
    fn parameters_are_shown_decoded_with_what_they_are_for() {
        let lines = Line::of_query("http://x/y?scope=openid%20email&unknown=1");
        assert_eq!((&*lines[0].value, lines[0].why), ("openid email", Some("demo-why-scope")));
        assert_eq!(lines[1].why, None);
    }
}
