//! The sign-in page and the choice of an account.
//!
//! One answer for a wrong name and a wrong password. Whether the sign-in satisfies the app is the dispatcher's question.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;

use super::flow::{Open, open};
use super::{Asked, LONGEST_PASSWORD, person, sent, shown, until};
use crate::accounts::authenticate::{self, Credentials, Fault, Outcome, Refusal};
use crate::accounts::limits::Device;
use crate::app::App;
use crate::browser::error::{PageError, PageReason, minutes, seconds};
use crate::browser::flow::FlowStep;
use crate::browser::form::{Field, Form};
use crate::browser::layout::{LONGEST_NAME, Page, html, initial, see_other, shown_name, with_cookies};
use crate::browser::visit::{Visit, set_cookie};
use crate::browser::{csrf, flow as browser_flow};
use crate::config::SignUp;
use crate::protocol::interaction::{Facts, SessionFacts, Step, next_step};
use crate::storage::durable::{Actor, Proof, SignedIn, User};
use crate::urls;

/// The names of the two forms, for their tokens.
const SIGN_IN: &str = "sign-in";
const CHOOSE: &str = "choose-account";
/// The cookie by which `accounts::limits` knows a browser again.
pub(super) const DEVICE: &str = "device";
const DEVICE_LIVES: Duration = Duration::from_secs(400 * 24 * 60 * 60);

pub async fn show(State(app): State<Arc<App>>, visit: Visit) -> Response {
    shown(&app, visit, page).await
}

async fn page(asked: &mut Asked<'_>) -> Result<Response, PageError> {
    let open = open(asked, FlowStep::SignIn).await?;
    let signed_in = asked.signed_in().await?;
    let other = asked.visit.query("other").is_some();
    match (&open, &signed_in) {
        (None, Some(_)) => return Ok(see_other(&asked.app.urls, &asked.app.urls.path(back_to(asked).unwrap_or(urls::HOME)))),
        (Some(open), Some(signed_in)) if !other && offers_choice(open, signed_in) => return Ok(choose(asked, open, signed_in)),
        (Some(open), Some(signed_in)) if !other && !asks_for_a_sign_in(asked, open, signed_in) => return Ok(open.back(asked)),
        _ => {}
    }
    let again = signed_in.as_ref().filter(|_| !other).map(|signed_in| &signed_in.user);
    let typed = match (open.as_ref().and_then(Open::hint), again) {
        (Some(hint), _) => hint,
        (None, Some(user)) => user.username.as_deref().unwrap_or(&user.email),
        (None, None) => "",
    };
    Ok(form(asked, open.as_ref(), again, typed, None))
}

/// A choice is asked for by the app, and was not made; or the person signed in inside this flow and came back to this page.
fn offers_choice(open: &Open, signed_in: &SignedIn) -> bool {
    let (session, interaction) = (signed_in.session.id.as_str(), &open.interaction);
    let here = interaction.signed_in.as_deref() == Some(session);
    here || (open.wants_choice() && interaction.signed_in.is_none() && interaction.chosen.as_deref() != Some(session))
}

/// Does the flow ask whoever is signed in to sign in again? If not, they signed in in another tab after they were sent here, and the flow goes
/// on. The dispatcher asks the same rule, so that the two never send a person to and fro.
fn asks_for_a_sign_in(asked: &Asked<'_>, open: &Open, SignedIn { session, user }: &SignedIn) -> bool {
    let interaction = &open.interaction;
    let facts = Facts {
        request: &interaction.request,
        client: &open.client,
        session: Some(SessionFacts { id: &session.id, user_id: &user.id, auth_time: session.auth_time, acr: &session.acr }),
        remembered: None,
        signed_in: interaction.signed_in.as_deref(),
        chosen: interaction.chosen.as_deref(),
        consented: interaction.consented.as_deref(),
        started_at: interaction.started_at,
        now: asked.now,
    };
    matches!(next_step(&facts), Ok(Step::SignIn | Step::SelectAccount) | Err(_))
}

pub async fn submit(State(app): State<Arc<App>>, request: Request) -> Response {
    sent(&app, request, act).await
}

async fn act(asked: &mut Asked<'_>, request: Request) -> Result<Response, PageError> {
    let app = asked.app;
    csrf::same_origin(&asked.visit, &app.urls)?;
    let sent = Form::read(request).await?;
    let open = open(asked, FlowStep::SignIn).await?;
    let signed_in = asked.signed_in().await?;
    let again = open.as_ref().map_or_else(|| plain(asked), |open| open.here.clone());
    asked.here.get_or_insert_with(|| again.clone());
    let id = open.as_ref().map_or("", |open| &open.id);
    let choice = sent.get("account");
    let token = sent.get(csrf::FIELD);
    let ours = match choice {
        Some(_) => csrf::check(&asked.visit, &app.urls, &app.seal, CHOOSE, id, token),
        None => csrf::check_of_browser(&asked.visit, &app.urls, &app.seal, SIGN_IN, id, token),
    };
    ours.map_err(|error| error.with_again(again))?;
    match (choice, open) {
        (Some(choice), Some(open)) => chosen(open, asked, signed_in.as_ref(), choice).await,
        (Some(_), None) => Err(PageError::new(PageReason::Request).with_detail("there is no flow to choose an account for")),
        (None, open) => signing_in(asked, open, signed_in.as_ref(), &sent).await,
    }
}

/// The person goes on with the account that is signed in.
async fn chosen(open: Open, asked: &Asked<'_>, signed_in: Option<&SignedIn>, choice: &str) -> Result<Response, PageError> {
    // The session may have ended since the page was shown: then the dispatcher asks for a sign-in.
    if signed_in.is_none_or(|signed_in| signed_in.session.id != choice) {
        return Ok(open.back(asked));
    }
    Ok(open.go_on(asked, |interaction| interaction.chosen = Some(choice.to_owned())).await?)
}

async fn signing_in(asked: &Asked<'_>, open: Option<Open>, before: Option<&SignedIn>, sent: &Form) -> Result<Response, PageError> {
    let app = asked.app;
    let (typed, password) = (sent.trimmed("username"), sent.get("password").unwrap_or_default());
    if typed.is_empty() || password.is_empty() {
        return Ok(form(
            asked,
            open.as_ref(),
            None,
            typed,
            Some(Problem::Missing { identifier: typed.is_empty(), password: password.is_empty() }),
        ));
    }
    let client = open.as_ref().map(|open| open.client.client_id.as_str());
    let credentials =
        Credentials { identifier: typed, password, device: asked.visit.cookie(&app.urls, DEVICE), address: asked.visit.context.address };
    let by = asked.act(Actor::Anonymous, client);
    let refused = match authenticate::authenticate(&app.door(), &credentials, app.random.bytes(), asked.now, &by).await {
        Ok(Outcome::SignedIn { user, amr, acr, proof }) => return welcome(asked, open, before, typed, &user, (amr, acr, &proof)).await,
        Ok(Outcome::Refused(refused)) => refused,
        Err(Fault::Busy(busy)) => {
            return Err(PageError::new(PageReason::Unavailable(busy.retry_after)).with_detail("no room to hash a password"));
        }
        Err(Fault::Storage(fault)) => return Err(fault.into()),
    };
    let problem = match refused {
        Refusal::WrongCredentials => Problem::Wrong,
        Refusal::Locked { until: then } => Problem::TooMany(until(then, asked.now)),
        Refusal::Throttled { retry_after } => Problem::TooMany(retry_after),
        Refusal::ResetRequired => Problem::ResetRequired,
    };
    Ok(form(asked, open.as_ref(), None, typed, Some(problem)))
}

async fn welcome(
    asked: &Asked<'_>,
    open: Option<Open>,
    before: Option<&SignedIn>,
    typed: &str,
    user: &User,
    (amr, acr, proof): (&[&str], &str, &Proof),
) -> Result<Response, PageError> {
    let app = asked.app;
    let by = asked.act(Actor::Person(user.id.clone()), open.as_ref().map(|open| open.client.client_id.as_str()));
    // The password was changed in this very moment: then it is wrong.
    let Some((session, cookie)) = asked.start_session(user, amr, acr, before, Some(proof), &by).await? else {
        return Ok(form(asked, open.as_ref(), None, typed, Some(Problem::Wrong)));
    };
    let response = match open {
        Some(open) => open.go_on(asked, |interaction| interaction.signed_in = Some(session.clone())).await?,
        None => see_other(&app.urls, &app.urls.path(back_to(asked).unwrap_or(urls::HOME))),
    };
    let known = asked.visit.cookie(&app.urls, DEVICE).filter(|value| Device::known(&app.seal, &user.id, value).is_some());
    let device = match known {
        Some(_) => None,
        None => Some(set_cookie(&app.urls, DEVICE, &Device::cookie(&app.seal, &user.id, app.random.bytes()), Some(DEVICE_LIVES))),
    };
    Ok(with_cookies(response, [cookie].into_iter().chain(device)))
}

/// The page that sent the person here, if it is one of ours that needs somebody signed in: nobody is led anywhere else.
fn back_to(asked: &Asked<'_>) -> Option<&'static str> {
    let to = asked.visit.query("to")?;
    [urls::ACCOUNT, urls::ACCOUNT_PASSWORD, urls::ACCOUNT_EMAIL, urls::ACCOUNT_DELETE].into_iter().find(|path| *path == to)
}

/// The page outside of a flow.
fn plain(asked: &Asked<'_>) -> String {
    let page = asked.app.urls.path(urls::SIGN_IN);
    back_to(asked).map_or_else(|| page.clone(), |to| format!("{page}?to={}", urls::encode(to)))
}

/// What was wrong with a sign-in.
#[derive(Clone, Copy)]
enum Problem {
    Missing {
        identifier: bool,
        password: bool,
    },
    Wrong,
    /// The password was right and must be replaced first.
    ResetRequired,
    TooMany(Duration),
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignIn<'a> {
    page: &'a Page<'a>,
    action: String,
    csrf: String,
    app: Option<String>,
    logo: Option<String>,
    client: Option<&'a crate::protocol::client::Client>,
    /// Who is asked to prove again that it is them.
    again: Option<&'a str>,
    other: Option<String>,
    sign_up: Option<String>,
    recover: Option<String>,
    problems: Vec<(&'static str, String)>,
    wrong: bool,
    reset_required: bool,
    too_many: Option<String>,
    username: Field,
    password: Field,
}

fn form(asked: &Asked<'_>, open: Option<&Open>, again: Option<&User>, typed: &str, problem: Option<Problem>) -> Response {
    let app = asked.app;
    let page = asked.page();
    let browser = asked.browser();
    let (missing_identifier, missing_password) = match problem {
        Some(Problem::Missing { identifier, password }) => (identifier, password),
        _ => (false, false),
    };
    let wrong = matches!(problem, Some(Problem::Wrong));
    let focus = problem.is_none();
    let username = Field::new("username", "text", page.l.t("sign-in-identifier"), "username")
        .value(typed)
        .wrong(missing_identifier.then(|| page.l.t("sign-in-identifier-missing")))
        .invalid(wrong)
        .focus(focus && typed.is_empty());
    let password = Field::new("password", "password", page.l.t("password"), "current-password")
        .longest(LONGEST_PASSWORD)
        .wrong(missing_password.then(|| page.l.t("sign-in-password-missing")))
        .invalid(wrong)
        .focus(focus && !typed.is_empty());
    let wait = match problem {
        Some(Problem::TooMany(wait)) => Some(wait),
        _ => None,
    };
    let template = SignIn {
        action: open.map_or_else(|| plain(asked), |open| open.here.clone()),
        sign_up: matches!(app.config.sign_up, SignUp::Open).then(|| asked.with(open, urls::SIGN_UP, "")),
        recover: app.config.mail.is_possible().then(|| asked.with(open, urls::RECOVER, "")),
        csrf: csrf::token_of_browser(&app.seal, &browser, SIGN_IN, open.map_or("", |open| &open.id)),
        app: open.map(Open::app),
        logo: open.and_then(|open| open.logo.clone()),
        client: open.map(|open| &*open.client),
        again: again.map(person),
        other: open.zip(again).map(|(open, _)| format!("{}&other=1", open.here)),
        problems: [&username, &password].into_iter().filter_map(Field::problem).collect(),
        wrong,
        reset_required: matches!(problem, Some(Problem::ResetRequired)),
        too_many: wait.map(|wait| page.l.count("sign-in-locked", "minutes", minutes(wait))),
        username,
        password,
        page: &page,
    };
    // A wrong password is no 401: that status needs a challenge of HTTP authentication (RFC 9110 §15.5.2).
    let status = match problem {
        None => StatusCode::OK,
        Some(Problem::Missing { .. } | Problem::Wrong | Problem::ResetRequired) => StatusCode::BAD_REQUEST,
        Some(Problem::TooMany(_)) => StatusCode::TOO_MANY_REQUESTS,
    };
    let mut response = with_cookies(html(&page, status, &template), browser.set);
    if let Some(wait) = wait {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds(wait)));
    }
    response
}

#[derive(Template)]
#[template(path = "choose.html")]
struct Choose<'a> {
    page: &'a Page<'a>,
    action: &'a str,
    csrf: String,
    app: String,
    logo: &'a Option<String>,
    client: &'a crate::protocol::client::Client,
    session: &'a str,
    name: String,
    email: &'a str,
    initial: String,
    other: String,
}

fn choose(asked: &Asked<'_>, open: &Open, signed_in: &SignedIn) -> Response {
    let app = asked.app;
    let page = asked.page();
    let browser: browser_flow::Browser = asked.browser();
    let name = shown_name(person(&signed_in.user), LONGEST_NAME);
    let template = Choose {
        action: &open.here,
        csrf: csrf::token(&asked.visit, &app.urls, &app.seal, &browser, CHOOSE, &open.id),
        app: open.app(),
        logo: &open.logo,
        client: &open.client,
        session: &signed_in.session.id,
        initial: initial(&name),
        name,
        email: &signed_in.user.email,
        other: format!("{}&other=1", open.here),
        page: &page,
    };
    with_cookies(html(&page, StatusCode::OK, &template), browser.set)
}
