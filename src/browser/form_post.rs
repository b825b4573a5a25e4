//! Form Post Response Mode: the answer travels to the app in a form that sends itself, and by a button where scripts do not run.

use askama::Template;
use askama::filters::Safe;
use axum::http::StatusCode;
use axum::response::Response;

use super::layout::{Page, escape, html};

#[derive(Template)]
#[template(path = "form_post.html")]
struct FormPost<'a> {
    page: &'a Page<'a>,
    app: &'a str,
    action: &'a str,
    fields: &'a [(&'a str, Safe<String>)],
}

/// OAuth 2.0 Form Post Response Mode §2: "the Authorization Response parameters are encoded as HTML form values that are auto-submitted
/// in the User Agent, and thus are transmitted via the HTTP POST method to the Client". `action` is a redirect URI that was
/// checked against the client's registration; `fields` are the parameters in their order.
#[must_use]
pub fn form_post(page: &Page<'_>, app: &str, action: &str, fields: &[(String, String)]) -> Response {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), Safe(escape(value)))).collect();
    html(page, StatusCode::OK, &FormPost { page, app, action, fields: &fields })
}
