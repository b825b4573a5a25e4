//! GET and POST /oauth2/logout (OpenID Connect RP-Initiated Logout 1.0); without parameters, a person's own sign-out.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::response::Response;

use super::{act, browser_text};
use crate::app::App;
use crate::browser::error::{PageError, PageReason};
use crate::browser::layout::{Page, asked_again, see_other, with_cookies};
use crate::browser::sign_out::{self, Confirm};
use crate::browser::visit::Visit;
use crate::browser::{csrf, flow, session};
use crate::clock::Time;
use crate::protocol::client::Client;
use crate::protocol::logout::{self, Hint, LogoutRequest, SessionFacts};
use crate::protocol::params::Params;
use crate::storage::durable::{Actor, SignedIn};
use crate::urls;

/// The form's answer of the person: only our own page sends it.
const CONFIRMED: &str = "confirmed";

/// The handler.
#[utoipa::path(get, path = "/oauth2/logout", tag = "protocol", operation_id = "logout", summary = "Sign a person out",
    description = "For browsers. POST takes the same as a form (RP-Initiated Logout 1.0 §2).", params(crate::endpoints::described::LogoutParameters),
    responses((status = 200, description = "A page that asks, or says that it is done.", content_type = "text/html"), (status = 303, description = "On the way."),
        (status = 400, description = "A page that says what is wrong.", content_type = "text/html"),
        (status = 413, description = "A page: the form is too long.", content_type = "text/html"),
        (status = 503, description = "A page: try again in a moment.", content_type = "text/html")))]
pub async fn start(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let visit = Visit::of(&parts);
    if visit.is_ahead() {
        return super::not_ahead();
    }
    let refused = |error: PageError| error.into_response(&app.page(&visit, None));
    // §2: "OpenID Providers MUST support the use of the HTTP GET and POST methods […] at the Logout Endpoint."
    let text = match browser_text(&visit, body).await {
        Ok(text) => text,
        Err(unreadable) => return refused(unreadable.into()),
    };
    // From an app's page the form came without our cookies: nobody would be signed out.
    if visit.method == Method::POST && session::value(&visit, &app.urls).is_none() {
        // What is too long to be asked again must not look as if it were done.
        return asked_again(&app.urls, urls::LOGOUT, &text).unwrap_or_else(|| refused(PageError::new(PageReason::TooLarge)));
    }
    let params = match Params::parse(&text) {
        Ok(params) => params,
        Err(error) => return refused(PageError::new(PageReason::Request).with_detail(error.to_string())),
    };
    let page = app.page(&visit, params.get("ui_locales"));
    let outcome = answer(&app, &visit, &page, &params, app.clock.now()).await;
    outcome.unwrap_or_else(|error| error.into_response(&page))
}

async fn answer(app: &App, visit: &Visit, page: &Page<'_>, params: &Params, now: Time) -> Result<Response, PageError> {
    let request = LogoutRequest::parse(params)?;
    if let Some(hint) = &request.id_token_hint {
        app.tokens.learn(hint, now).await?;
    }
    let claims = request.id_token_hint.as_deref().map(|hint| app.tokens.hint(hint));
    let hint = match &claims {
        None => Hint::None,
        Some(None) => Hint::Invalid,
        Some(Some(claims)) => Hint::Valid(claims),
    };
    let client = match logout::client_id(&request, hint)? {
        Some(id) => app.storage.clients.in_use(id).await?,
        None => None,
    };
    let client = client.as_ref().map(|record| record.client.as_ref());
    // A hint alone ends nothing: whoever holds an old ID token is not the person.
    let signed_in = session::current(visit, &app.urls, &app.seal, &app.storage, app.config.sessions.idle, now).await?;
    let facts = signed_in.as_ref().map(|it| SessionFacts { id: &it.session.id, user_id: &it.session.user_id });
    let decision = logout::decide(&request, hint, client, facts)?;
    let Some(signed_in) = signed_in else {
        return Ok(leave(app, page, client, decision.redirect));
    };
    if decision.confirm {
        let confirmed = visit.method == Method::POST && params.get(CONFIRMED).is_some();
        if !confirmed {
            return Ok(ask(app, visit, page, &request, client, &signed_in));
        }
        csrf::check(visit, &app.urls, &app.seal, sign_out::FORM, "", params.get(csrf::FIELD))?;
    }
    let by = act(&visit.context, Actor::Person(signed_in.user.id.clone()), client.map(|client| client.client_id.as_str()));
    app.storage.sessions.end(&signed_in.session.id, now, &by).await?;
    Ok(with_cookies(leave(app, page, client, decision.redirect), [session::clear(&app.urls)]))
}

/// Back to the app that asked, or our own last page.
fn leave(app: &App, page: &Page<'_>, client: Option<&Client>, redirect: Option<String>) -> Response {
    match redirect {
        Some(url) => see_other(&app.urls, &url),
        None => {
            let back = client.and_then(|client| Some((client.display_name(), client.client_uri.as_deref()?)));
            sign_out::signed_out(page, back)
        }
    }
}

fn ask(app: &App, visit: &Visit, page: &Page<'_>, request: &LogoutRequest, client: Option<&Client>, signed_in: &SignedIn) -> Response {
    let browser = flow::browser(visit, &app.urls, app.random.bytes());
    let csrf = csrf::token(visit, &app.urls, &app.seal, &browser, sign_out::FORM, "");
    let sent = [
        ("id_token_hint", &request.id_token_hint),
        ("client_id", &request.client_id),
        ("post_logout_redirect_uri", &request.post_logout_redirect_uri),
        ("state", &request.state),
    ];
    let mut fields: Vec<(String, String)> = sent.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))).collect();
    if !request.ui_locales.is_empty() {
        fields.push(("ui_locales".to_owned(), request.ui_locales.join(" ")));
    }
    fields.push((CONFIRMED.to_owned(), "yes".to_owned()));
    let person = signed_in.user.name.as_deref().unwrap_or(&signed_in.user.email);
    let confirm = Confirm { csrf: &csrf, person: Some(person), app: client.map(Client::display_name), fields: &fields };
    with_cookies(sign_out::confirm(page, &confirm), browser.set)
}
