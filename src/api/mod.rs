//! JSON under `/v1`: accounts, administration, one-time tokens.
//!
//! A resource is a file: its handlers, and above each the lines that put it into the OpenAPI document. A handler says by its first argument who
//! may call it ([`access::Granted`]), lets `accounts`, `clients`, `once` or `storage` do the work, and answers with JSON or a [`problem::Problem`].
//!
//! | what | file |
//! |---|---|
//! | token, limit, language, audit of refusals: around everything | [`edge`] |
//! | who may do what | [`access`] |
//! | errors | [`problem`] |
//! | bodies, patches, queries, and the schemas they are held to | [`body`], [`schema`] |
//! | pages, versions, repeated requests | [`page`], [`version`], [`idempotency`] |
//! | the document | [`document`] |

pub mod access;
pub mod audit;
pub mod body;
pub mod clients;
pub mod document;
pub mod edge;
pub mod idempotency;
pub mod organizations;
pub mod page;
pub mod problem;
pub mod schema;
pub mod version;

use std::sync::Arc;

use axum::middleware;
use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// Every operation, without what lies around them: for the document.
#[must_use]
pub fn operations() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(document::frame()).merge(clients::routes()).merge(organizations::routes()).merge(audit::routes())
}

/// Every operation, ready to be served.
#[must_use]
pub fn routes(app: &Arc<App>) -> OpenApiRouter<Arc<App>> {
    operations().layer(middleware::from_fn_with_state(Arc::clone(app), edge::around))
}
