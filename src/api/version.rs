//! `ETag`, `If-Match` and `If-None-Match` (RFC 9110 §8.8, §13): a thing's revision, so that nobody overwrites what they have not seen.
//!
//! A change without `If-Match` is taken: a merge patch names what it changes and leaves the rest. With it, the store compares in the statement
//! that writes.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::body::one_header;
use super::problem::{Code, Problem};

/// The header, for the document.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IfMatch {
    /// The `ETag` of what you have seen: it is changed only if it is still that.
    #[param(rename = "If-Match", nullable = false)]
    pub if_match: Option<String>,
}

/// The header, for the document.
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IfNoneMatch {
    /// The `ETag` of what you have: it is not sent again.
    #[param(rename = "If-None-Match", nullable = false)]
    pub if_none_match: Option<String>,
}

/// What `If-Match` and `If-None-Match` of a request say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The revisions of which the thing must have one; none: any.
    matching: Option<Vec<i64>>,
    known: Vec<i64>,
}

impl<S: Sync> FromRequestParts<S> for Conditions {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let matching = match one_header(&parts.headers, &IF_MATCH, "If-Match")? {
            // RFC 9110 §13.1.1: "If the field value is "*", the condition is false if the origin server does not have a current
            // representation": a thing that is not there is 404 anyhow.
            None | Some("*") => None,
            Some(tags) => Some(revisions(tags)),
        };
        let known = one_header(&parts.headers, &IF_NONE_MATCH, "If-None-Match")?.map(revisions).unwrap_or_default();
        Ok(Self { matching, known })
    }
}

impl Conditions {
    /// The one revision that a change is for, where it is for one; `current` is what the thing has now.
    ///
    /// # Errors
    /// 412 where it is none of those named.
    pub fn expected(&self, current: i64) -> Result<Option<i64>, Problem> {
        match &self.matching {
            None => Ok(None),
            Some(all) if all.contains(&current) => Ok(Some(current)),
            Some(_) => Err(Code::PreconditionFailed.into()),
        }
    }

    /// The thing with its `ETag`; 304 where the caller has it already.
    pub fn answer<T: Serialize>(&self, revision: i64, thing: &T) -> Response {
        if self.known.contains(&revision) {
            let mut response = StatusCode::NOT_MODIFIED.into_response();
            tag(response.headers_mut(), revision);
            return response;
        }
        tagged(StatusCode::OK, revision, thing)
    }
}

/// Strong comparison (RFC 9110 §8.8.3.2): a weak tag never matches, and neither does one of another form.
fn revisions(tags: &str) -> Vec<i64> {
    let revision = |tag: &str| tag.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok();
    tags.split(',').take(32).filter_map(revision).collect()
}

fn tag(headers: &mut HeaderMap, revision: i64) {
    headers.extend(HeaderValue::from_str(&format!("\"{revision}\"")).ok().map(|tag| (ETAG, tag)));
}

/// A thing as JSON with its `ETag`.
pub fn tagged<T: Serialize>(status: StatusCode, revision: i64, thing: &T) -> Response {
    let mut response = (status, Json(thing)).into_response();
    tag(response.headers_mut(), revision);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9110_13_1_1_strong_comparison() {
        assert_eq!(revisions("\"3\", \"4\" ,W/\"5\",6,\"x\""), [3, 4]);
        let conditions = Conditions { matching: Some(vec![3, 4]), known: Vec::new() };
        assert_eq!(conditions.expected(4).expect("one of them"), Some(4));
        assert_eq!(conditions.expected(5).expect_err("none of them").code, Code::PreconditionFailed);
        assert_eq!(Conditions::default().expected(5).expect("no condition"), None);
    }
}
