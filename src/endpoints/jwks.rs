//! GET /.well-known/jwks.json (RFC 7517): the public keys, bytes made once per change.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::discovery::cached;
use crate::app::App;

/// The handler.
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "protocol", operation_id = "jwks", summary = "The keys that tokens are verified with",
    responses((status = 200, description = "RFC 7517 §5.", body = Object), (status = 304, description = "You have it already.")))]
pub async fn jwks(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let set = app.tokens.keys.jwks(app.clock.now());
    cached(&headers, Bytes::from_owner(set.json), &set.etag, app.config.keys.jwks_max_age)
}
