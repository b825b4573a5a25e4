//! One old request, from its bytes to its answer: method, limit, token, body, fields, operation, in the order in which the old frameworks asked.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, RawPathParams, Request, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, any};

use super::answer::{self, Refused};
use super::dialect::{Dialect, ErrorName, Route};
use super::mount::Entry;
use super::operations::{self, Call};
use super::request::{self, BadBody, Incoming};
use crate::app::App;
use crate::connections::body::{self, Unread};
use crate::i18n::{Lang, Wishes};
use crate::layers::Shared;
use crate::request::RequestContext;
use crate::telemetry::metrics;

/// Largest body: far above any honest request.
const MAX_BODY: usize = 64 * 1024;

/// All methods of one path.
pub(super) fn path(entries: Arc<[Entry]>) -> MethodRouter<Arc<App>> {
    any(move |State(app): State<Arc<App>>, request: Request| {
        let entries = Arc::clone(&entries);
        async move { handle(app, &entries, request).await }
    })
}

async fn handle(app: Arc<App>, entries: &[Entry], request: Request) -> Response {
    let mut methods: Vec<&str> = entries.iter().map(|entry| entry.method.as_str()).collect();
    methods.sort_unstable();
    methods.dedup();
    let allow = methods.join(", ");
    let method = request.method().clone();
    // RFC 9110 §9.3.2: "The HEAD method is identical to GET except that the server MUST NOT send content"; hyper sends none.
    let wanted = if method == Method::HEAD { "GET" } else { method.as_str() };
    let mut response = match entries.iter().find(|entry| entry.method == wanted) {
        Some(entry) => answered(&app, &entry.dialect, &entry.dialect.routes[entry.route], &entry.names, request).await,
        None if method == Method::OPTIONS => (StatusCode::NO_CONTENT, [(header::ALLOW, allow.clone())]).into_response(),
        None => {
            let mut response = refuse(&entries[0].dialect, None, &ErrorName::MethodNotAllowed.into(), &method);
            // RFC 9110 §15.5.6: "The origin server MUST generate an Allow header field in a 405 response"
            response.headers_mut().insert(header::ALLOW, allow.parse().expect("methods are plain words"));
            response
        }
    };
    // Front ends call these requests from a page of their own origin, as they called the old service.
    let headers = entries.iter().flat_map(|entry| own_headers(&entry.dialect, &entry.dialect.routes[entry.route])).collect();
    response.extensions_mut().insert(Shared { methods: allow.parse().expect("methods are plain words"), headers });
    response
}

/// The headers of a dialect's own that a request of this route may carry.
fn own_headers(dialect: &Dialect, route: &Route) -> Vec<HeaderName> {
    let fields = route.fields.values().chain(route.attributes.values()).filter_map(|place| place.header.as_deref());
    let names = fields.chain([dialect.bearer.header.as_str()]).filter_map(|name| HeaderName::try_from(name).ok());
    names.filter(|name| *name != header::AUTHORIZATION).collect()
}

fn refuse(dialect: &Dialect, route: Option<&Route>, refused: &Refused, method: &Method) -> Response {
    answer::refusal(dialect, route, refused, method).into_response()
}

async fn answered(app: &App, dialect: &Arc<Dialect>, route: &Route, names: &[String], request: Request) -> Response {
    let method = request.method().clone();
    let operation = route.operation.as_str();
    match done(app, dialect, route, names, request).await {
        Ok(response) => {
            metrics::dialect(operation, "ok");
            response
        }
        Err(refused) => {
            metrics::dialect(operation, refused.name.as_str());
            refuse(dialect, Some(route), &refused, &method)
        }
    }
}

async fn done(app: &App, dialect: &Arc<Dialect>, route: &Route, names: &[String], request: Request) -> Result<Response, Refused> {
    let now = app.clock.now();
    let (mut parts, body) = request.into_parts();
    let context = parts.extensions.get::<RequestContext>().cloned().unwrap_or(RequestContext { id: "-".into(), address: None });
    let accept_language = parts.headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let default = Lang::parse(dialect.language.as_str()).unwrap_or_default();
    let lang = Wishes { accept_language, default, ..Wishes::default() }.negotiate();
    let mut call = Call { app, dialect, route, context, lang, now, caller: None, fields: request::Fields::default() };
    call.limited().await?;
    call.identify(&parts.headers).await?;
    let path = match RawPathParams::from_request_parts(&mut parts, &()).await {
        Ok(params) => names.iter().cloned().zip(params.iter().map(|(_, value)| value.to_owned())).collect(),
        Err(_) => return Err(ErrorName::UnknownUser.into()),
    };
    let query = request::pairs(parts.uri.query().unwrap_or_default()).ok_or(ErrorName::MalformedBody)?;
    let content = content(route, &parts.headers, body).await?;
    let incoming = Incoming { headers: &parts.headers, path, query, content };
    let read = request::read(route, dialect.style, &dialect.bearer, route.operation.needs(), &incoming);
    call.fields = read.map_err(|problems| missing_token(route, problems))?;
    let values = operations::run(&call).await?;
    Ok(answer::success(&route.answer, &|place| values.get(dialect, place)).into_response())
}

/// A token that a header should carry is missed in the words for tokens, not in those for fields.
fn missing_token(route: &Route, problems: Vec<request::Problem>) -> Refused {
    let from_header = |problem: &request::Problem| problem.place.first().is_some_and(|kind| kind == "header");
    let by_bearer = route.fields.values().any(|place| place.bearer);
    if by_bearer && problems.iter().any(from_header) { ErrorName::NoToken.into() } else { Refused::fields(problems) }
}

async fn content(route: &Route, headers: &HeaderMap, body: Body) -> Result<request::Content, Refused> {
    // A compressed body would have to be bounded twice, and no old front end sends one.
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(ErrorName::UnsupportedMedia.into());
    }
    let bytes = body::read(body, MAX_BODY).await.map_err(|unread| match unread {
        Unread::TooLarge => ErrorName::TooLarge,
        Unread::Late => ErrorName::Late,
        Unread::Broken => ErrorName::MalformedBody,
    })?;
    request::content(&route.forms(), headers, &bytes).map_err(|bad| match bad {
        BadBody::Malformed => ErrorName::MalformedBody.into(),
        BadBody::Unsupported => ErrorName::UnsupportedMedia.into(),
    })
}
