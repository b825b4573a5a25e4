//! `/v1/registration`: for people who have no account yet, or cannot sign in. Nobody needs a token here.
//!
//! Whether an address has an account is never shown: every answer is the same, and its owner is told by mail.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::access::{Language, Visitor};
use super::body::Body;
use super::idempotency::{IdempotencyKey, KeyedByAnybody};
use super::me::Handle;
use super::problem::Problem;
use super::{asking, refused};
use crate::accounts::desk::{Confirmed, Proof};
use crate::accounts::{address, recovery, sign_up};
use crate::app::App;
use crate::i18n::{self, Lang};
use crate::urls;

pub fn routes() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(register))
        .routes(routes!(verify))
        .routes(routes!(resend))
        .routes(routes!(request_reset))
        .routes(routes!(reset))
        .routes(routes!(confirm_email_change))
        .routes(routes!(undo_email_change))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    #[schema(max_length = 254, example = "ana@example.org")]
    email: String,
    #[schema(min_length = 8, max_length = 1024, write_only)]
    password: String,
    #[schema(max_length = 64)]
    #[serde(default)]
    username: Option<String>,
    #[schema(max_length = 200)]
    #[serde(default)]
    name: Option<String>,
    /// BCP 47.
    #[schema(max_length = 35)]
    #[serde(default)]
    locale: Option<String>,
    #[schema(value_type = Object)]
    #[serde(default)]
    attributes: Map<String, Value>,
    /// The token of an invitation, where they are needed.
    #[schema(max_length = 4096)]
    #[serde(default)]
    invitation: Option<String>,
    /// What the widget in the app's form gave. Needed where the deployment has one (Turnstile, hCaptcha, reCAPTCHA).
    #[schema(max_length = 4096)]
    #[serde(default)]
    captcha: Option<String>,
}

/// Make an account. The answer is the same whether the address has one or not; a mail says what to do.
#[utoipa::path(post, path = "/v1/registration", tag = "registration", operation_id = "register", params(IdempotencyKey), request_body = Registration,
    responses((status = 202, description = "A mail is on its way.", body = Handle), (status = 403, description = "Code `sign_up_closed`.", body = super::problem::ProblemDocument, content_type = "application/problem+json"), (status = 409, description = "Code `taken`: the user name; or `idempotency_key_in_flight`.", body = super::problem::ProblemDocument, content_type = "application/problem+json")))]
async fn register(
    visitor: Visitor,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    KeyedByAnybody(form, attempt): KeyedByAnybody<Registration>,
) -> Result<Response, Problem> {
    attempt.once(&Arc::clone(&app), async move { made(&app, &visitor, lang, form).await }).await
}

async fn made(app: &App, visitor: &Visitor, lang: Lang, form: Registration) -> Result<Response, Problem> {
    let (now, by) = (app.clock.now(), visitor.act());
    let widget = app.widget(form.captcha.as_deref());
    let form = sign_up::Form {
        email: &form.email,
        username: form.username.as_deref(),
        name: form.name.as_deref(),
        locale: form.locale.as_deref(),
        attributes: form.attributes,
        password: &form.password,
        invitation: form.invitation.as_deref(),
    };
    let terms = sign_up::Terms { widget, opens: !app.config.mail.is_possible(), ..sign_up::Terms::default() };
    let registered = sign_up::sign_up(&app.desk(), form, terms, &asking(lang, now, &by)).await;
    registered.map(|registered| Handle::answer(registered.handle)).map_err(|error| refused(error, now))
}

/// What came back from a mail: the token of its link, or its code with the handle of the request.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum MailProof {
    Link(LinkProof),
    Code(CodeProof),
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkProof {
    #[schema(max_length = 4096)]
    token: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CodeProof {
    #[schema(max_length = 64)]
    handle: String,
    #[schema(max_length = 16, example = "123456")]
    code: String,
}

impl MailProof {
    fn read(&self) -> Proof<'_> {
        match self {
            Self::Link(link) => Proof::Token(&link.token),
            Self::Code(proof) => Proof::Code { handle: &proof.handle, code: &proof.code },
        }
    }
}

/// Confirm an e-mail address.
#[utoipa::path(post, path = "/v1/registration/verify", tag = "registration", operation_id = "verifyEmail", request_body = MailProof,
    responses((status = 204, description = "It is confirmed."), (status = 200, description = "It is confirmed, and there is something to say.", body = Confirmation)))]
async fn verify(
    visitor: Visitor,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    Body(proof): Body<MailProof>,
) -> Result<Response, Problem> {
    let (now, by) = (app.clock.now(), visitor.act());
    let done = sign_up::verify_email(&app.desk(), proof.read(), &asking(lang, now, &by)).await;
    done.map(|confirmed| Confirmation::answer(&app, lang, &confirmed)).map_err(|error| refused(error, now))
}

/// It is done, but for one thing.
#[derive(Serialize, ToSchema)]
pub struct Confirmation {
    /// The user name that was asked for at sign-up is somebody else's by now: the account has none.
    #[schema(example = true)]
    username_taken: bool,
    /// The same in words, in the language of the request.
    detail: String,
    /// The page where another one is chosen; an app does so by `PATCH /v1/me`.
    #[schema(format = "uri")]
    choose_at: String,
}

impl Confirmation {
    fn answer(app: &App, lang: Lang, confirmed: &Confirmed) -> Response {
        if !confirmed.nameless {
            return StatusCode::NO_CONTENT.into_response();
        }
        let detail = i18n::text(lang, "nameless-text", &[]);
        Json(Self { username_taken: true, detail, choose_at: app.urls.absolute(urls::ACCOUNT) }).into_response()
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Resend {
    #[schema(max_length = 254, example = "ana@example.org")]
    email: String,
}

/// Send the confirmation again, if one is waited for.
#[utoipa::path(post, path = "/v1/registration/resend", tag = "registration", operation_id = "resendVerification", request_body = Resend,
    responses((status = 202, description = "If so, the mail is on its way.", body = Handle)))]
async fn resend(
    visitor: Visitor,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    Body(body): Body<Resend>,
) -> Result<Response, Problem> {
    let (now, by) = (app.clock.now(), visitor.act());
    let sent = sign_up::resend(&app.desk(), &body.email, &asking(lang, now, &by)).await;
    sent.map(Handle::answer).map_err(|error| refused(error, now))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetRequest {
    /// E-mail address or user name.
    #[schema(max_length = 254, example = "ana@example.org")]
    identifier: String,
}

/// Send a link and a code for a new password, if there is such an account.
#[utoipa::path(post, path = "/v1/registration/request-reset", tag = "registration", operation_id = "requestReset", request_body = ResetRequest,
    responses((status = 202, description = "If so, the mail is on its way.", body = Handle)))]
async fn request_reset(
    visitor: Visitor,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    Body(body): Body<ResetRequest>,
) -> Result<Response, Problem> {
    let (now, by) = (app.clock.now(), visitor.act());
    let sent = recovery::request_reset(&app.desk(), &body.identifier, &asking(lang, now, &by)).await;
    sent.map(Handle::answer).map_err(|error| refused(error, now))
}

/// What came back from a mail, and the new password.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
pub enum PasswordReset {
    Link(ResetByLink),
    Code(ResetByCode),
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetByLink {
    #[schema(max_length = 4096)]
    token: String,
    #[schema(min_length = 8, max_length = 1024, write_only)]
    password: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetByCode {
    #[schema(max_length = 64)]
    handle: String,
    #[schema(max_length = 16, example = "123456")]
    code: String,
    #[schema(min_length = 8, max_length = 1024, write_only)]
    password: String,
}

/// Set a new password. Whoever was signed in is out.
#[utoipa::path(post, path = "/v1/registration/reset", tag = "registration", operation_id = "resetPassword", request_body = PasswordReset,
    responses((status = 204, description = "It is set."), (status = 200, description = "It is set, which confirmed the account, and there is something to say.", body = Confirmation)))]
async fn reset(
    visitor: Visitor,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    Body(body): Body<PasswordReset>,
) -> Result<Response, Problem> {
    let (now, by) = (app.clock.now(), visitor.act());
    let (proof, password) = match &body {
        PasswordReset::Link(link) => (Proof::Token(&link.token), &link.password),
        PasswordReset::Code(code) => (Proof::Code { handle: &code.handle, code: &code.code }, &code.password),
    };
    let done = recovery::reset(&app.desk(), proof, password, &asking(lang, now, &by)).await;
    done.map(|confirmed| Confirmation::answer(&app, lang, &confirmed)).map_err(|error| refused(error, now))
}

/// Take a new e-mail address into use, with what came to it.
#[utoipa::path(post, path = "/v1/registration/confirm-email-change", tag = "registration", operation_id = "confirmEmailChange",
    request_body = MailProof,
    responses((status = 204, description = "It is yours.")))]
async fn confirm_email_change(
    visitor: Visitor,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    Body(proof): Body<MailProof>,
) -> Result<Response, Problem> {
    let (now, by) = (app.clock.now(), visitor.act());
    let done = address::confirm_change(&app.desk(), proof.read(), &asking(lang, now, &by)).await;
    done.map(|_| StatusCode::NO_CONTENT.into_response()).map_err(|error| refused(error, now))
}

/// Undo a change of e-mail address, with the link of the notice. Everybody is signed out, and a new password is needed.
#[utoipa::path(post, path = "/v1/registration/undo-email-change", tag = "registration", operation_id = "undoEmailChange", request_body = LinkProof,
    responses((status = 204, description = "The old address is back.")))]
async fn undo_email_change(
    visitor: Visitor,
    Language(lang): Language,
    State(app): State<Arc<App>>,
    Body(proof): Body<LinkProof>,
) -> Result<Response, Problem> {
    let (now, by) = (app.clock.now(), visitor.act());
    let done = address::undo_change(&app.desk(), &proof.token, &asking(lang, now, &by)).await;
    done.map(|_| StatusCode::NO_CONTENT.into_response()).map_err(|error| refused(error, now))
}
