//! Forms: reading what a browser or a client sent, and the fields that templates draw.

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::error::{PageError, PageReason};
use crate::connections::body::{self, Unread};

/// Far above any honest form.
pub const LARGEST: usize = 64 * 1024;

/// Why a body is no form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("The body must be application/x-www-form-urlencoded")]
    Type,
    #[error("A compressed body is not accepted")]
    Compressed,
    #[error("The body must be in UTF-8")]
    Charset,
    #[error("The body did not come whole")]
    Broken,
    #[error("The body is larger than 64 KB")]
    TooLarge,
    #[error("The body did not come in time")]
    Late,
    #[error("The body is not valid UTF-8")]
    NotUtf8,
}

impl From<Unreadable> for PageError {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::TooLarge => Self::new(PageReason::TooLarge),
            Unreadable::Late => Self::new(PageReason::Late),
            why => Self::new(PageReason::Request).with_detail(why.to_string()),
        }
    }
}

impl From<Unread> for Unreadable {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooLarge => Self::TooLarge,
            Unread::Late => Self::Late,
            Unread::Broken => Self::Broken,
        }
    }
}

/// Is a form what the request says that it sends? Said twice, it says nothing.
#[must_use]
pub fn is_form(headers: &HeaderMap) -> bool {
    content_type(headers)
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    let mut all = headers.get_all(CONTENT_TYPE).iter();
    let first = all.next()?;
    if all.next().is_some() { None } else { first.to_str().ok() }
}

/// RFC 6749 appendix B: names and values are "octet sequences, to be decoded using the UTF-8 character encoding scheme". A charset is no
/// parameter of this type, and some libraries name Latin-1, whose ASCII half is all that they send; one in which ASCII would be
/// written in another way means another text.
fn is_in_utf8(headers: &HeaderMap) -> bool {
    let parameters = content_type(headers).unwrap_or_default().split(';').skip(1);
    let named =
        parameters.filter_map(|parameter| parameter.split_once('=')).filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    let agrees =
        |charset: &str| ["utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1"].iter().any(|known| charset.eq_ignore_ascii_case(known));
    named.map(|(_, charset)| charset.trim().trim_matches('"')).all(agrees)
}

/// Reads a form body whole, still encoded.
///
/// # Errors
/// [`Unreadable`].
pub async fn text(headers: &HeaderMap, body: Body) -> Result<String, Unreadable> {
    if !is_form(headers) {
        return Err(Unreadable::Type);
    }
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(Unreadable::Compressed);
    }
    if !is_in_utf8(headers) {
        return Err(Unreadable::Charset);
    }
    let bytes = body::read(body, LARGEST).await?;
    String::from_utf8(bytes.into()).map_err(|_| Unreadable::NotUtf8)
}

/// The members of a form, each at most once.
#[derive(Debug, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form body whole.
    ///
    /// # Errors
    /// 400 for what is no form or names a field twice, 413 for what is too large, 408 for what does not come.
    pub async fn read(request: Request) -> Result<Self, PageError> {
        let (parts, body) = request.into_parts();
        let text = text(&parts.headers, body).await?;
        let mut members: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
            if members.iter().any(|(known, _)| *known == name) {
                return Err(PageError::new(PageReason::Request).with_detail("a field of the form is there twice"));
            }
            members.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(members))
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    /// The value without surrounding space; empty if it is not there.
    #[must_use]
    pub fn trimmed(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default().trim()
    }
}

/// A labelled field, as the macro `field` draws it.
#[derive(Clone, Debug)]
pub struct Field {
    /// Also its name; stable, because scripts and password managers know it.
    pub id: &'static str,
    pub kind: &'static str,
    pub label: String,
    /// Kept when a form is shown again, never for a password.
    pub value: String,
    pub autocomplete: &'static str,
    pub longest: u32,
    pub hint: Option<String>,
    pub wrong: Option<String>,
    /// Marked as wrong although the reason stands above the form, under the id `problems`.
    pub invalid: bool,
    pub optional: bool,
    pub focus: bool,
    /// Of digits only: phones show their keys for them.
    pub digits: bool,
}

impl Field {
    #[must_use]
    pub fn new(id: &'static str, kind: &'static str, label: String, autocomplete: &'static str) -> Self {
        Self {
            id,
            kind,
            label,
            value: String::new(),
            autocomplete,
            longest: 254,
            hint: None,
            wrong: None,
            invalid: false,
            optional: false,
            focus: false,
            digits: false,
        }
    }

    #[must_use]
    pub fn value(mut self, value: &str) -> Self {
        self.value = value.chars().take(self.longest as usize).collect();
        self
    }

    #[must_use]
    pub fn longest(mut self, characters: u32) -> Self {
        self.longest = characters;
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: String) -> Self {
        self.hint = Some(hint);
        self
    }

    #[must_use]
    pub fn wrong(mut self, wrong: Option<String>) -> Self {
        self.wrong = wrong;
        self
    }

    #[must_use]
    pub fn invalid(mut self, invalid: bool) -> Self {
        self.invalid = invalid;
        self
    }

    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.invalid || self.wrong.is_some()
    }

    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    #[must_use]
    pub fn focus(mut self, focus: bool) -> Self {
        self.focus = focus;
        self
    }

    #[must_use]
    pub fn digits(mut self) -> Self {
        self.digits = true;
        self
    }

    /// The ids of hint and error, for `aria-describedby`.
    #[must_use]
    pub fn described_by(&self) -> Option<String> {
        let hint = self.hint.as_ref().map(|_| format!("{}-hint", self.id));
        let wrong = self.wrong.as_ref().map(|_| format!("{}-wrong", self.id));
        let above = self.invalid.then(|| "problems".to_owned());
        let ids: Vec<String> = [hint, wrong, above].into_iter().flatten().collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }

    /// The line of the error summary for this field.
    #[must_use]
    pub fn problem(&self) -> Option<(&'static str, String)> {
        self.wrong.clone().map(|wrong| (self.id, wrong))
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    async fn read(content_type: &str, body: impl Into<Body>) -> Result<Form, PageReason> {
        let request = Request::builder().header(CONTENT_TYPE, content_type).body(body.into()).expect("a request");
        Form::read(request).await.map_err(|error| error.reason)
    }

    #[tokio::test]
    async fn a_form_is_read_strictly() {
        let form = read("application/x-www-form-urlencoded; charset=UTF-8", "a=1+2&b=%C3%B1").await.expect("a form");
        assert_eq!((form.get("a"), form.trimmed("b"), form.get("c")), (Some("1 2"), "ñ", None));
        assert_eq!(read("text/plain", "a=1").await.err(), Some(PageReason::Request));
        assert_eq!(read("application/x-www-form-urlencoded", "a=1&a=1").await.err(), Some(PageReason::Request));
        assert_eq!(read("application/x-www-form-urlencoded", vec![b'a', b'=', 0xff]).await.err(), Some(PageReason::Request));
        let large = vec![b'a'; LARGEST + 1];
        assert_eq!(read("application/x-www-form-urlencoded", large).await.err(), Some(PageReason::TooLarge));
    }

    #[tokio::test]
    async fn co_14_a_form_is_in_utf_8_and_says_once_what_it_is() {
        let said = |types: &[&str]| {
            let mut headers = HeaderMap::new();
            for kind in types {
                headers.append(CONTENT_TYPE, kind.parse().expect("a header"));
            }
            async move { text(&headers, Body::from("a=1")).await }
        };
        for charset in ["utf-8", "UTF-8", "\"utf-8\"", "us-ascii", "ISO-8859-1"] {
            assert_eq!(said(&[&format!("application/x-www-form-urlencoded; Charset={charset}")]).await.as_deref(), Ok("a=1"), "{charset}");
        }
        for charset in ["utf-16", "utf-7", "utf-32le", "ibm037", "", "utf-8,utf-16"] {
            let refused = said(&[&format!("application/x-www-form-urlencoded;charset={charset}")]).await;
            assert_eq!(refused, Err(Unreadable::Charset), "{charset}");
        }
        let twice = ["application/x-www-form-urlencoded", "application/json"];
        assert_eq!(said(&twice).await, Err(Unreadable::Type));
        assert_eq!(said(&[twice[1], twice[0]]).await, Err(Unreadable::Type));
    }
}
