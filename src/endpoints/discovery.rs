//! Discovery (OIDC Discovery §4, RFC 8414 §3): made from the tables the code runs on, so that nothing is advertised that does not
//! work and nothing works that is not advertised.
//!
//! Leaves to others: the document's members (`protocol::metadata`), and the paths, with an issuer's own path put behind the well-known one
//! (RFC 8414 §3.1: `router::public`).

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::client_auth::METHODS;
use super::token::GRANTS;
use crate::app::{self, App, Document};
use crate::browser::etag;
use crate::protocol::client::SigningAlg;
use crate::protocol::metadata::{self, Capabilities};
use crate::protocol::scope;
use crate::urls;

/// The handler of every well-known path: one document, the same members everywhere.
#[utoipa::path(get, path = "/.well-known/openid-configuration", tag = "protocol", operation_id = "discovery", summary = "What this server can do",
    description = "Also at /.well-known/oauth-authorization-server (RFC 8414).",
    responses((status = 200, description = "OIDC Discovery §3.", body = Object), (status = 304, description = "You have it already.")))]
pub async fn discovery(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    let algs = app.tokens.keys.algorithms(app.clock.now());
    let kept = app.discovery.load();
    let document = match kept.as_ref() {
        Some(document) if document.algs == algs => Arc::clone(document),
        _ => {
            let document = Arc::new(make(&app, algs));
            app.discovery.store(Some(Arc::clone(&document)));
            document
        }
    };
    cached(
        &headers,
        Bytes::from_owner(Arc::clone(&document.bytes)),
        &document.etag,
        Duration::from_secs(3600).min(app.config.keys.jwks_max_age),
    )
}

fn make(app: &App, algs: Vec<SigningAlg>) -> Document {
    let capabilities = Capabilities {
        issuer: app.urls.issuer(),
        authorization_endpoint: &app.urls.absolute(urls::AUTHORIZE),
        token_endpoint: &app.urls.absolute(urls::TOKEN),
        userinfo_endpoint: &app.urls.absolute(urls::USERINFO),
        jwks_uri: &app.urls.absolute(urls::JWKS),
        introspection_endpoint: &app.urls.absolute(urls::INTROSPECT),
        revocation_endpoint: &app.urls.absolute(urls::REVOKE),
        end_session_endpoint: &app.urls.absolute(urls::LOGOUT),
        grant_types: &GRANTS.iter().map(|grant| grant.name()).collect::<Vec<_>>(),
        auth_methods: &METHODS.iter().map(|method| method.name()).collect::<Vec<_>>(),
        id_token_algs: &algs,
        scopes: &[scope::STANDARD, &[scope::ORG]].concat(),
        acr_values: app::ACR_VALUES,
        ui_locales: &crate::i18n::Lang::ALL.map(crate::i18n::Lang::tag),
    };
    let document = metadata::openid(&capabilities);
    let bytes: Arc<[u8]> = serde_json::to_vec(&document).unwrap_or_default().into();
    let etag = etag::of(&bytes);
    Document { algs, bytes, etag }
}

/// A public JSON document with ETag and lifetime; 304 where the caller has it already (RFC 9110 §13.1.2).
pub fn cached(headers: &HeaderMap, bytes: Bytes, etag: &str, max_age: Duration) -> Response {
    let mut response = if etag::is_known(headers, etag) { StatusCode::NOT_MODIFIED.into_response() } else { bytes.into_response() };
    let out = response.headers_mut();
    out.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(value) = HeaderValue::from_str(&format!("public, max-age={}", max_age.as_secs())) {
        out.insert(header::CACHE_CONTROL, value);
    }
    if let Ok(value) = HeaderValue::from_str(etag) {
        out.insert(header::ETAG, value);
    }
    response
}
