//! The start page: who is signed in, or the way in. Before set-up it leads there, and right after it says what comes next.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::{Asked, person, shown};
use crate::accounts::users::OWNER;
use crate::app::App;
use crate::browser::error::PageError;
use crate::browser::layout::{LONGEST_NAME, Page, html, initial, see_other, shown_name};
use crate::browser::visit::Visit;
use crate::storage::durable::User;
use crate::urls;

pub async fn show(State(app): State<Arc<App>>, visit: Visit) -> Response {
    shown(&app, visit, page).await
}

async fn page(asked: &mut Asked<'_>) -> Result<Response, PageError> {
    let app = asked.app;
    if !app.storage.users.any_owner().await? {
        return Ok(see_other(&app.urls, &app.urls.path(urls::SETUP)));
    }
    let signed_in = asked.signed_in().await?;
    let page = asked.page();
    let user = signed_in.as_ref().map(|signed_in| &signed_in.user);
    let demo = app.is_development().then(|| app.urls.path(urls::DEMO));
    let discovery = app.urls.absolute(urls::OPENID_CONFIGURATION);
    match user {
        Some(user) if asked.visit.query("welcome").is_some() && user.roles.iter().any(|role| role == OWNER) => {
            let template = Welcome { demo, discovery, page: &page };
            Ok(html(&page, StatusCode::OK, &template))
        }
        user => {
            let template = Home {
                person: user.map(Person::of),
                sign_in: app.urls.path(urls::SIGN_IN),
                sign_out: app.urls.path(urls::LOGOUT),
                account: app.urls.path(urls::ACCOUNT),
                demo,
                discovery,
                page: &page,
            };
            Ok(html(&page, StatusCode::OK, &template))
        }
    }
}

struct Person<'a> {
    name: String,
    initial: String,
    email: &'a str,
}

impl<'a> Person<'a> {
    fn of(user: &'a User) -> Self {
        let name = shown_name(person(user), LONGEST_NAME);
        Self { initial: initial(&name), name, email: &user.email }
    }
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    page: &'a Page<'a>,
    person: Option<Person<'a>>,
    sign_in: String,
    sign_out: String,
    account: String,
    demo: Option<String>,
    discovery: String,
}

#[derive(Template)]
#[template(path = "setup_done.html")]
struct Welcome<'a> {
    page: &'a Page<'a>,
    demo: Option<String>,
    discovery: String,
}
