//! What pages load: one stylesheet, one small script, the icon, the operator's logo. All from our own origin.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::browser::error::{PageError, PageReason};
use crate::browser::etag;
use crate::browser::visit::Visit;

const SCRIPT: &str = include_str!("../../templates/assets/portero.js");
const ICON: &str = include_str!("../../templates/assets/icon.svg");
const AN_HOUR: &str = "public, max-age=3600";

pub async fn stylesheet(State(app): State<Arc<App>>, visit: Visit) -> Response {
    let is_current = visit.query("v").as_deref() == Some(app.brand.version());
    let keep = if is_current { "public, max-age=31536000, immutable" } else { AN_HOUR };
    asset(&visit, app.brand.stylesheet().as_bytes(), "text/css; charset=utf-8", keep)
}

pub async fn script(visit: Visit) -> Response {
    asset(&visit, SCRIPT.as_bytes(), "text/javascript; charset=utf-8", AN_HOUR)
}

pub async fn icon(visit: Visit) -> Response {
    asset(&visit, ICON.as_bytes(), "image/svg+xml", AN_HOUR)
}

pub async fn logo(State(app): State<Arc<App>>, visit: Visit) -> Response {
    match &app.brand.logo {
        Some(logo) => asset(&visit, &logo.bytes, logo.content_type, AN_HOUR),
        None => PageError::new(PageReason::NotFound).into_response(&app.page(&visit, None)),
    }
}

fn asset(visit: &Visit, bytes: &[u8], content_type: &'static str, keep: &'static str) -> Response {
    let tag = etag::of(bytes);
    let mut headers = HeaderMap::new();
    headers.insert(ETAG, HeaderValue::from_str(&tag).expect("base64url in quotes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(keep));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // An SVG that is opened by itself is a document: it may do nothing.
    headers.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; base-uri 'none'; object-src 'none'; sandbox; frame-ancestors 'none'"),
    );
    if etag::is_known(&visit.headers, &tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    (headers, bytes.to_vec()).into_response()
}
