//! The page that asks before a sign-out, and the one after it. What ends, and where it leads, is `endpoints::end_session`'s.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;

use super::layout::{Page, html};

/// The name of the form, for its token.
pub const FORM: &str = "sign-out";

/// What the confirmation shows and sends.
#[derive(Debug)]
pub struct Confirm<'a> {
    /// The form token for [`FORM`].
    pub csrf: &'a str,
    /// Who is signed in, by name or e-mail.
    pub person: Option<&'a str>,
    /// The app that asks, where one is known.
    pub app: Option<&'a str>,
    /// Sent back as they came: `id_token_hint`, `client_id`, `post_logout_redirect_uri`, `state`, …
    pub fields: &'a [(String, String)],
}

#[derive(Template)]
#[template(path = "sign_out.html")]
struct SignOut<'a> {
    page: &'a Page<'a>,
    action: String,
    confirm: &'a Confirm<'a>,
}

/// RP-Initiated Logout 1.0 §2: "the OP SHOULD ask the End-User whether to log out of the OP as well."
#[must_use]
pub fn confirm(page: &Page<'_>, confirm: &Confirm<'_>) -> Response {
    let action = page.urls.path(crate::urls::LOGOUT);
    html(page, StatusCode::OK, &SignOut { page, action, confirm })
}

#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOut<'a> {
    page: &'a Page<'a>,
    sign_in: String,
    back: Option<(&'a str, &'a str)>,
}

/// `back` is the app to go back to, by name and address, where it is known and has a page.
#[must_use]
pub fn signed_out(page: &Page<'_>, back: Option<(&str, &str)>) -> Response {
    let sign_in = page.urls.path(crate::urls::SIGN_IN);
    html(page, StatusCode::OK, &SignedOut { page, sign_in, back })
}
