//! Which handler serves which path, under which layers. The whole public surface on one page.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

use crate::app::App;
use crate::browser::error::{PageError, PageReason};
use crate::browser::visit::Visit;
use crate::endpoints::{MAX_FORM, authorize, discovery, end_session, introspect, jwks, revoke, token, userinfo};
use crate::layers;
use crate::legacy::Dialects;
use crate::urls;
use crate::{demo, web};

/// The public address: protocol, pages, and in development the demo.
pub fn public(app: &Arc<App>, dialects: &Dialects) -> Router {
    let protocol = Router::new()
        .route(urls::AUTHORIZE, get(authorize::start).post(authorize::start).head(no_head))
        .route(urls::RESUME, get(authorize::resume).head(no_head))
        .route(urls::TOKEN, post(token::exchange))
        .route(urls::USERINFO, get(userinfo::userinfo).post(userinfo::userinfo))
        .route(urls::INTROSPECT, post(introspect::introspect))
        .route(urls::REVOKE, post(revoke::revoke))
        .route(urls::LOGOUT, get(end_session::start).post(end_session::start).head(no_head))
        .route(urls::JWKS, get(jwks::jwks))
        .route(urls::OPENID_CONFIGURATION, get(discovery::discovery))
        .route(urls::OAUTH_AUTHORIZATION_SERVER, get(discovery::discovery));
    let mut routes = protocol.merge(web::routes());
    if app.is_development() {
        routes = routes.merge(demo::routes());
    }
    let base = app.urls.base();
    let routes = if base.is_empty() {
        routes
    } else {
        // RFC 8414 §3.1: "If the issuer identifier value contains a path component, any terminating "/" MUST be removed before inserting
        // "/.well-known/" and the well-known URI suffix between the host component and the path component."
        Router::new()
            .nest(base, routes)
            .route(&format!("{base}/"), get(web::home::show))
            .route(&format!("{}{base}", urls::OAUTH_AUTHORIZATION_SERVER), get(discovery::discovery))
            .route(&format!("{}{base}", urls::OPENID_CONFIGURATION), get(discovery::discovery))
    };
    routes
        .merge(dialects.routes())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_FORM))
        .layer(middleware::from_fn_with_state(Arc::clone(app), layers::around))
        .with_state(Arc::clone(app))
}

/// RFC 9110 §9.2.1: HEAD is safe. Where GET issues a code or ends a session, it would not be.
async fn no_head() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, POST")]).into_response()
}

async fn not_found(state: State<Arc<App>>, visit: Visit) -> Response {
    in_the_callers_form(&state, &visit, PageReason::NotFound, StatusCode::NOT_FOUND, "not_found")
}

async fn method_not_allowed(state: State<Arc<App>>, visit: Visit) -> Response {
    in_the_callers_form(&state, &visit, PageReason::Method(""), StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed")
}

/// A page for a browser, JSON for everybody else.
fn in_the_callers_form(app: &App, visit: &Visit, reason: PageReason, status: StatusCode, code: &'static str) -> Response {
    let wants_page = visit.header(&header::ACCEPT).is_some_and(|accept| accept.contains("text/html"));
    if wants_page {
        return PageError::new(reason).into_response(&app.page(visit, None));
    }
    (status, [(header::CACHE_CONTROL, "no-store")], Json(serde_json::json!({ "error": code }))).into_response()
}
