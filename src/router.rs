//! Which handler serves which path, under which layers. The whole public surface on one page.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;
use tower::ServiceExt as _;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt as _};
use utoipa_axum::routes;

use crate::api;
use crate::api::problem::{Code, unrouted};
use crate::app::App;
use crate::browser::error::{PageError, PageReason};
use crate::browser::visit::Visit;
use crate::endpoints::{authorize, discovery, end_session, introspect, jwks, revoke, token, userinfo};
use crate::layers;
use crate::legacy::Dialects;
use crate::urls::{self, Urls};
use crate::{demo, web};

/// What a server needs as soon as it answers at all is put together at its start; the rest when somebody first asks for it, because an idle server
/// need not hold what nobody uses, and a start is over sooner.
type Later = LazyLock<Router, Box<dyn FnOnce() -> Router + Send>>;

/// The public address: protocol, pages, API, dialects, and in development the demo.
pub fn public(app: &Arc<App>, dialects: &Dialects) -> Router {
    let base = app.urls.base();
    let mut endpoints = under(base, endpoints());
    if !base.is_empty() {
        // RFC 8414 §3.1: "If the issuer identifier value contains a path component, any terminating "/" MUST be removed before inserting
        // "/.well-known/" and the well-known URI suffix between the host component and the path component."
        endpoints = endpoints
            .route(&format!("{}{base}", urls::OAUTH_AUTHORIZATION_SERVER), get(discovery::discovery))
            .route(&format!("{}{base}", urls::OPENID_CONFIGURATION), get(discovery::discovery));
    }
    let dialects = dialects.routes();
    let has_dialects = dialects.has_routes();
    let later = Arc::new(Later::new(Box::new({
        let app = Arc::clone(app);
        move || surrounded(&app, rest(&app).merge(dialects))
    })));
    if has_dialects {
        // What was configured to be served is proved at the start.
        LazyLock::force(&later);
    }
    surrounded(app, endpoints).fallback(move |request: Request| Router::clone(&later).oneshot(request))
}

/// The protocol, and where a flow goes on.
fn endpoints() -> Router<Arc<App>> {
    Router::from(protocol())
        .route(urls::RESUME, get(authorize::resume).head(only_get).fallback(only_get))
        .route(urls::OAUTH_AUTHORIZATION_SERVER, get(discovery::discovery))
}

/// For people, for programs, and for whoever tries it out.
fn rest(app: &Arc<App>) -> Router<Arc<App>> {
    let mut routes = Router::from(api::routes(app)).merge(web::routes()).merge(docs(app));
    if app.is_development() {
        routes = routes.merge(demo::routes());
    }
    let base = app.urls.base();
    if base.is_empty() { routes } else { under(base, routes).route(&format!("{base}/"), get(web::home::show)) }
}

fn under(base: &str, routes: Router<Arc<App>>) -> Router<Arc<App>> {
    if base.is_empty() { routes } else { Router::new().nest(base, routes) }
}

/// With what lies around every handler.
fn surrounded(app: &Arc<App>, routes: Router<Arc<App>>) -> Router {
    routes
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(layers::Around { app: Arc::clone(app), too_long }, layers::around))
        .with_state(Arc::clone(app))
}

/// What OAuth and OpenID Connect define, with what the document says of it.
fn protocol() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(api::document::frame())
        .routes(routes!(authorize::start).map(|route| route.post(authorize::start).head(get_and_post).fallback(get_and_post)))
        .routes(routes!(token::exchange))
        .routes(routes!(userinfo::userinfo).map(|route| route.post(userinfo::userinfo)))
        .routes(routes!(introspect::introspect))
        .routes(routes!(revoke::revoke))
        .routes(routes!(end_session::start).map(|route| route.post(end_session::start).head(get_and_post).fallback(get_and_post)))
        .routes(routes!(jwks::jwks))
        .routes(routes!(discovery::discovery))
}

/// The document that `/openapi.json` and `openapi` of the command line give.
#[must_use]
pub fn document(urls: &Urls) -> Value {
    let mut openapi = protocol().into_openapi();
    openapi.merge(api::operations().into_openapi());
    api::document::write(&openapi, urls)
}

/// What the API can do, for programs and for people, written when somebody first asks: most servers are never asked. The explanation of an error is
/// there always: answers lead to it.
fn docs(app: &Arc<App>) -> Router<Arc<App>> {
    let rows: Vec<_> = Code::ALL.iter().map(|code| (code.as_str(), code.status(), code.title(), code.detail())).collect();
    let routes = Router::new().route(urls::DOCS_ERRORS, get(web::docs::errors)).layer(Extension(Arc::new(rows)));
    if !app.config.docs {
        return routes;
    }
    let urls = app.urls.clone();
    let written = Arc::new(web::docs::Lazy::new(Box::new(move || web::docs::Reference::of(&document(&urls), &urls))));
    let serve = |Extension(written): Extension<Arc<web::docs::Lazy>>, headers: HeaderMap| async move {
        discovery::cached(&headers, written.bytes.clone(), &written.etag, Duration::from_secs(300))
    };
    let pages = Router::new()
        .route(urls::DOCS, get(web::docs::overview))
        .route(urls::DOCS_GROUP, get(web::docs::group))
        .route(urls::OPENAPI, get(serve))
        .layer(Extension(written));
    routes.merge(pages).route(urls::REDOC, get(web::docs::moved))
}

/// RFC 9110 §9.2.1: HEAD is safe. Where GET issues a code or ends a session, it would not be: it is refused as every method is that these do not
/// have, and the list of those that they have leaves it out.
async fn get_and_post(state: State<Arc<App>>, visit: Visit) -> Response {
    allowing("GET, POST", method_not_allowed(state, visit).await)
}

async fn only_get(state: State<Arc<App>>, visit: Visit) -> Response {
    allowing("GET", method_not_allowed(state, visit).await)
}

fn allowing(methods: &'static str, mut response: Response) -> Response {
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}

async fn not_found(state: State<Arc<App>>, visit: Visit) -> Response {
    in_the_callers_form(&state, &visit, PageReason::NotFound, StatusCode::NOT_FOUND, "not_found")
}

async fn method_not_allowed(state: State<Arc<App>>, visit: Visit) -> Response {
    in_the_callers_form(&state, &visit, PageReason::Method(""), StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed")
}

fn too_long(app: &App, visit: &Visit) -> Response {
    in_the_callers_form(app, visit, PageReason::TooLong, StatusCode::URI_TOO_LONG, "uri_too_long")
}

/// A page for a browser, JSON for everybody else.
fn in_the_callers_form(app: &App, visit: &Visit, reason: PageReason, status: StatusCode, code: &'static str) -> Response {
    // What an operation would answer with, too (RFC 9457).
    let path = visit.uri.path();
    if path
        .strip_prefix(app.urls.base())
        .and_then(|path| path.strip_prefix(urls::API))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    {
        let code = match status {
            StatusCode::NOT_FOUND => Code::NotFound,
            StatusCode::URI_TOO_LONG => Code::UriTooLong,
            _ => Code::MethodNotAllowed,
        };
        return unrouted(code, visit.accept_language(), &visit.context.id, &app.urls);
    }
    let wants_page = visit.header(&header::ACCEPT).is_some_and(|accept| accept.contains("text/html"));
    if wants_page {
        let page = app.page(visit, None);
        // Nobody is led back to where nobody can go.
        let page = if reason == PageReason::TooLong { page.at(app.urls.path(urls::HOME)) } else { page };
        return PageError::new(reason).into_response(&page);
    }
    (status, [(header::CACHE_CONTROL, "no-store")], Json(serde_json::json!({ "error": code }))).into_response()
}
