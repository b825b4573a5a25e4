//! `ETag`, `If-Match` and `If-None-Match` (RFC 9110 §8.8, §13), so that nobody overwrites what they have not seen, or shows what is no longer so.
//!
//! A tag is a thing's revision and a digest of what is shown of it: §8.8.1 asks of a strong one that it "changes value whenever a change occurs to the
//! representation data", and not all of that is a change of the thing (another password, a secret that ended).
//!
//! A change without `If-Match` is taken: a merge patch names what it changes and leaves the rest. With it, the store compares in the statement
//! that writes.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::body::one_header;
use super::problem::{Code, Problem};
use crate::seal::sha256;

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
    /// The tags of which the thing must have one; none: any.
    matching: Option<Vec<String>>,
    known: Vec<String>,
}

impl<S: Sync> FromRequestParts<S> for Conditions {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let matching = match one_header(&parts.headers, &IF_MATCH, "If-Match")? {
            // RFC 9110 §13.1.1: "If the field value is "*", the condition is false if the origin server does not have a current
            // representation": a thing that is not there is 404 anyhow.
            None | Some("*") => None,
            Some(tags) => Some(strong(tags)),
        };
        let known = one_header(&parts.headers, &IF_NONE_MATCH, "If-None-Match")?.map(any_strength).unwrap_or_default();
        Ok(Self { matching, known })
    }
}

impl Conditions {
    /// The one revision that a change is for, where it is for one; `current` and `thing` are what there is now.
    ///
    /// # Errors
    /// 412 where it is none of those named.
    pub fn expected<T: Serialize>(&self, current: i64, thing: &T) -> Result<Option<i64>, Problem> {
        match &self.matching {
            None => Ok(None),
            Some(all) if all.contains(&tag_of(current, thing)) => Ok(Some(current)),
            Some(_) => Err(Code::PreconditionFailed.into()),
        }
    }

    /// The thing with its `ETag`; 304 where the caller has it already.
    pub fn answer<T: Serialize>(&self, revision: i64, thing: &T) -> Response {
        let tag = tag_of(revision, thing);
        if self.known.contains(&tag) {
            let mut response = StatusCode::NOT_MODIFIED.into_response();
            write(response.headers_mut(), &tag);
            return response;
        }
        tagged_as(StatusCode::OK, &tag, thing)
    }
}

/// For a strong comparison (RFC 9110 §8.8.3.2): a weak tag never matches.
fn strong(tags: &str) -> Vec<String> {
    tags.split(',').take(32).map(|tag| tag.trim().to_owned()).filter(|tag| tag.starts_with('"')).collect()
}

/// RFC 9110 §13.1.2: "A recipient MUST use the weak comparison function when comparing entity tags for If-None-Match".
fn any_strength(tags: &str) -> Vec<String> {
    tags.split(',').take(32).map(str::trim).map(|tag| tag.strip_prefix("W/").unwrap_or(tag).to_owned()).collect()
}

fn write(headers: &mut HeaderMap, tag: &str) {
    headers.extend(HeaderValue::from_str(tag).ok().map(|tag| (ETAG, tag)));
}

/// The tag of a thing at this revision, as it is shown.
#[must_use]
pub fn tag_of<T: Serialize>(revision: i64, thing: &T) -> String {
    let shown = serde_json::to_vec(thing).unwrap_or_default();
    format!("\"{revision}-{}\"", URL_SAFE_NO_PAD.encode(&sha256(&shown)[..12]))
}

/// A thing as JSON with its `ETag`.
pub fn tagged<T: Serialize>(status: StatusCode, revision: i64, thing: &T) -> Response {
    tagged_as(status, &tag_of(revision, thing), thing)
}

/// The same under a tag that is not made of this answer: of one that says more than the thing will show later.
pub fn tagged_as<T: Serialize>(status: StatusCode, tag: &str, thing: &T) -> Response {
    let mut response = (status, Json(thing)).into_response();
    write(response.headers_mut(), tag);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9110_13_1_comparisons() {
        let (three, four) = (tag_of(3, &"ana"), tag_of(4, &"ana"));
        assert!(three != four && four != tag_of(4, &"eva"), "{three} {four}");
        let conditions = Conditions { matching: Some(strong(&format!("{three}, {four} ,W/\"5\",6,\"x\""))), known: Vec::new() };
        assert_eq!(conditions.expected(4, &"ana").expect("one of them"), Some(4));
        for (revision, shown) in [(4, "eva"), (5, "ana")] {
            assert_eq!(conditions.expected(revision, &shown).expect_err("none of them").code, Code::PreconditionFailed);
        }
        let weak = Conditions { matching: Some(strong(&format!("W/{four}"))), known: any_strength(&format!("\"x\" , W/{four}")) };
        assert_eq!(weak.expected(4, &"ana").expect_err("no strong one").code, Code::PreconditionFailed);
        assert_eq!(weak.answer(4, &"ana").status(), StatusCode::NOT_MODIFIED);
        assert_eq!(weak.answer(4, &"eva").status(), StatusCode::OK);
        assert_eq!(Conditions::default().expected(5, &"ana").expect("no condition"), None);
    }
}
