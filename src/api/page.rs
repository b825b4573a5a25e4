//! Pages of a list: stable order, an opaque cursor, `Link` to the next one (RFC 8288).

use axum::Json;
use axum::http::HeaderValue;
use axum::http::header::LINK;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use super::problem::{Problem, Wrong};
use crate::urls::Urls;

/// Where nobody says.
const USUAL: u32 = 50;

/// What a page of a list was asked for with.
#[derive(Clone, Debug)]
pub struct Asked {
    pub limit: u32,
    /// The last entry of the page before.
    pub after: Option<String>,
}

impl Asked {
    /// `kind` is a word of its own for each list: a cursor of another one is refused. The limit was held to the document's already.
    ///
    /// # Errors
    /// 400 for a cursor that this list did not give.
    pub fn read(kind: &str, limit: Option<u32>, cursor: Option<&str>) -> Result<Self, Problem> {
        let after = cursor.map(|cursor| open(kind, cursor).ok_or_else(malformed));
        Ok(Self { limit: limit.unwrap_or(USUAL), after: after.transpose()? })
    }

    /// The same in a list of numbered entries.
    ///
    /// # Errors
    /// 400 for a cursor that such a list did not give.
    pub fn before(&self) -> Result<Option<i64>, Problem> {
        self.after.as_deref().map(|after| after.parse().map_err(|_| malformed().into())).transpose()
    }

    /// One more than the page, to know whether there is another.
    #[must_use]
    pub fn probe(&self) -> u32 {
        self.limit + 1
    }

    /// Cuts what was read with [`Asked::probe`] to the page, and says where the next one begins.
    #[must_use]
    pub fn cut<T>(&self, mut found: Vec<T>, kind: &str, last: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
        let limit = self.limit as usize;
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| more).map(|entry| seal(kind, &last(entry)));
        (found, next)
    }
}

fn malformed() -> Wrong {
    Wrong::parameter("cursor", "malformed", "problem-field-cursor")
}

fn seal(kind: &str, after: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{kind}:{after}"))
}

fn open(kind: &str, cursor: &str) -> Option<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let after = text.strip_prefix(kind)?.strip_prefix(':')?;
    let plain = |c: char| c.is_ascii_graphic();
    ((1..=200).contains(&after.len()) && after.chars().all(plain)).then(|| after.to_owned())
}

/// A page as JSON, with the link to the next: the same query with another cursor.
pub fn answer<T: Serialize>(urls: &Urls, path: &str, query: Option<&str>, page: &T, next: Option<&str>) -> Response {
    let mut response = Json(page).into_response();
    if let Some(next) = next {
        let mut address = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()).filter(|(name, _)| name != "cursor") {
            address.append_pair(&name, &value);
        }
        let link = format!("<{}?{}>; rel=\"next\"", urls.absolute(path), address.append_pair("cursor", next).finish());
        response.headers_mut().extend(HeaderValue::from_str(&link).ok().map(|link| (LINK, link)));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_belongs_to_its_list() {
        let asked = Asked::read("users", Some(2), None).expect("nothing is wrong");
        let (page, next) = asked.cut(vec!["a", "b", "c"], "users", |entry| (*entry).to_owned());
        assert_eq!(page, ["a", "b"]);
        let next = next.expect("there is more");
        assert_eq!(Asked::read("users", None, Some(&next)).expect("its own").after.as_deref(), Some("b"));
        assert!(Asked::read("clients", None, Some(&next)).is_err());
        for bad in ["", "!", "dXNlcnM6", "dXNlcnM6YQo", &"A".repeat(500)] {
            assert!(Asked::read("users", None, Some(bad)).is_err(), "{bad}");
        }
        assert_eq!(asked.cut(vec!["a", "b"], "users", |entry| (*entry).to_owned()).1, None);
    }
}
