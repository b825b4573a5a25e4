//! GET /.well-known/jwks.json (RFC 7517): the public keys, bytes made once per change.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::discovery::cached;
use crate::app::App;

/// The handler.
pub async fn jwks(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let set = app.tokens.keys.jwks(app.clock.now());
    cached(&headers, Bytes::from_owner(set.json), &set.etag, app.config.keys.jwks_max_age)
}
