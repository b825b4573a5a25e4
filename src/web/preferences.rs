//! The switch at the foot of every page: language and theme. It keeps nothing but a cookie and leads back to where it was used.

use std::sync::Arc;

use axum::extract::{FromRequestParts as _, Request, State};
use axum::response::Response;

use super::Asked;
use crate::app::App;
use crate::browser::csrf;
use crate::browser::error::PageError;
use crate::browser::form::Form;
use crate::browser::language::{Theme, return_path, set_language};
use crate::browser::layout::{see_other, with_cookies};
use crate::browser::visit::Visit;
use crate::i18n::Lang;

pub async fn submit(State(app): State<Arc<App>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(visit) = Visit::from_request_parts(&mut parts, &()).await;
    let asked = Asked::new(&app, visit);
    let outcome = act(&asked, Request::from_parts(parts, body)).await;
    asked.finish(outcome)
}

async fn act(asked: &Asked<'_>, request: Request) -> Result<Response, PageError> {
    let urls = &asked.app.urls;
    csrf::same_origin(&asked.visit, urls)?;
    let sent = Form::read(request).await?;
    let language = sent.get("lang").and_then(Lang::parse).map(|lang| set_language(urls, lang, asked.now));
    let theme = sent.get("theme").and_then(Theme::parse).map(|theme| theme.set(urls));
    let back = return_path(urls, sent.get("return").unwrap_or_default());
    Ok(with_cookies(see_other(urls, &back), language.into_iter().chain(theme)))
}
