//! What pages load: one stylesheet, one small script, the icon, the operator's logo, and those of apps. All from our own origin.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::app::App;
use crate::browser::error::{PageError, PageReason};
use crate::browser::etag;
use crate::browser::visit::Visit;
use crate::protocol::client::Client;
use crate::seal::Purpose;
use crate::urls;

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

/// The picture of an app, from where the server itself got it. The address holds a digest that only a page of ours can make: nobody has the server fetch
/// what they please.
pub async fn app_logo(State(app): State<Arc<App>>, Path(client_id): Path<String>, visit: Visit) -> Response {
    let missing = || PageError::new(PageReason::NotFound).into_response(&app.page(&visit, None));
    let record = match app.storage.clients.find(&client_id).await {
        Ok(record) => record,
        Err(fault) => return PageError::from(fault).into_response(&app.page(&visit, None)),
    };
    let Some(record) = record.filter(|record| visit.query("v").is_some_and(|given| given == version(&app, &record.client))) else {
        return missing();
    };
    match app.logos.of(&record.client, LONG, app.clock.now()).await {
        Some(logo) => {
            let mut response = asset(&visit, &logo.bytes, logo.content_type, "private, max-age=3600");
            response.headers_mut().insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
            response
        }
        None => missing(),
    }
}

/// As long as a fetch may take: the page that shows it was made already.
const LONG: Duration = Duration::from_secs(10);

pub(super) fn app_logo_address(app: &App, client: &Client) -> String {
    let path = urls::APP_LOGO.replace("{client}", &urls::encode(&client.client_id));
    format!("{}?v={}", app.urls.path(&path), version(app, client))
}

fn version(app: &App, client: &Client) -> String {
    let address = client.logo_uri.as_deref().unwrap_or_default();
    let mac = app.seal.mac(Purpose::Identifier, &[b"logo", client.client_id.as_bytes(), address.as_bytes()]);
    URL_SAFE_NO_PAD.encode(&mac.0[..12])
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
