//! Forms: reading what a browser or a client sent, and the fields that templates draw.

use axum::body::Body;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::error::{PageError, PageReason};

/// Far above any honest form.
pub const LARGEST: usize = 64 * 1024;

/// Why a body is no form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("The body must be application/x-www-form-urlencoded")]
    Type,
    #[error("A compressed body is not accepted")]
    Compressed,
    #[error("The body is larger than 64 KB")]
    TooLarge,
    #[error("The body is not valid UTF-8")]
    NotUtf8,
}

/// Is a form what the request says that it sends?
#[must_use]
pub fn is_form(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded"))
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
    let bytes = axum::body::to_bytes(body, LARGEST).await.map_err(|_| Unreadable::TooLarge)?;
    String::from_utf8(bytes.into()).map_err(|_| Unreadable::NotUtf8)
}

/// The members of a form, each at most once.
#[derive(Debug, Default)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form body whole.
    ///
    /// # Errors
    /// 400 for what is no form or names a field twice, 413 for what is too large.
    pub async fn read(request: Request) -> Result<Self, PageError> {
        let (parts, body) = request.into_parts();
        let text = text(&parts.headers, body).await.map_err(|unreadable| match unreadable {
            Unreadable::TooLarge => PageError::new(PageReason::TooLarge),
            why => PageError::new(PageReason::Request).with_detail(why.to_string()),
        })?;
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
}
