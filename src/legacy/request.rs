//! An old request, read: its body in the form it came in, and its fields where the dialect says they stand.
//!
//! Pure: bytes and headers in, values or problems out. What a problem looks like to the caller is `answer`'s.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, header};
use serde_json::{Map, Value};

use super::dialect::{Bearer, BodyKind, FieldName, FieldPlace, Kind, Route, Style};

const MAX_FIELDS: usize = 200;
type Pairs = Vec<(String, String)>;

/// A body in one of its forms.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    None,
    Json(Value),
    Form(Pairs),
}

/// Why a body was not read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadBody {
    /// It is not what its content type says.
    Malformed,
    /// None of the forms that the route takes.
    Unsupported,
}

/// Everything of a request that a field can stand in.
pub struct Incoming<'a> {
    pub headers: &'a HeaderMap,
    /// Names in braces and what stood there.
    pub path: Pairs,
    pub query: Pairs,
    pub content: Content,
}

/// Something wrong with one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Where it is: `body`, `query`, `path` or `header`, then the way to it.
    pub place: Vec<String>,
    pub wrong: Wrong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    Missing,
    Null,
    Blank,
    NotString,
    NotInteger,
    NotBoolean,
    NotEmail,
    Less(i64),
    Greater(i64),
    /// The account's own rules refuse it; the reason says why.
    Refused,
}

impl Problem {
    /// The same for a field that the operation found wrong, where the route has it.
    #[must_use]
    pub fn of(route: &Route, name: FieldName, wrong: Wrong) -> Self {
        let empty = HeaderMap::new();
        let nothing = Incoming { headers: &empty, path: Vec::new(), query: Vec::new(), content: Content::None };
        let place = route.fields.get(&name).map(|place| find(place, &Bearer::default(), &nothing).0);
        Self { place: place.unwrap_or_else(|| vec!["body".to_owned(), name.as_str().to_owned()]), wrong }
    }

    /// The field as its form or object calls it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.place.last().map_or("", String::as_str)
    }
}

/// The fields of a request that is as it should be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    values: BTreeMap<FieldName, Value>,
    /// Members of `attributes`.
    pub attributes: Map<String, Value>,
}

impl Fields {
    /// A text that the request gave.
    #[must_use]
    pub fn text(&self, name: FieldName) -> Option<&str> {
        self.values.get(&name).and_then(Value::as_str)
    }

    /// A text that the operation needs: `check` holds that the route has it, [`read`] that the request has it.
    #[must_use]
    pub fn needed(&self, name: FieldName) -> &str {
        self.text(name).unwrap_or_default()
    }

    /// A whole number that is not negative.
    #[must_use]
    pub fn number(&self, name: FieldName) -> Option<u32> {
        self.values.get(&name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok())
    }

    /// Did the request name this field at all?
    #[must_use]
    pub fn has(&self, name: FieldName) -> bool {
        self.values.contains_key(&name)
    }
}

/// Reads a body. One that is empty is none, whatever its content type says.
///
/// # Errors
/// [`BadBody`].
pub fn content(kinds: &[BodyKind], headers: &HeaderMap, bytes: &[u8]) -> Result<Content, BadBody> {
    if kinds.is_empty() || bytes.is_empty() {
        return Ok(Content::None);
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let takes = |kind| kinds.contains(&kind);
    match essence.as_str() {
        // Nothing said: the first form that the route takes.
        "" if kinds[0] == BodyKind::Form => form(bytes),
        "" => json(bytes),
        kind if takes(BodyKind::Json) && (kind == "application/json" || kind.ends_with("+json")) => json(bytes),
        "application/x-www-form-urlencoded" if takes(BodyKind::Form) => form(bytes),
        "multipart/form-data" if takes(BodyKind::Form) => multipart(content_type, bytes),
        _ => Err(BadBody::Unsupported),
    }
}

fn json(bytes: &[u8]) -> Result<Content, BadBody> {
    serde_json::from_slice(bytes).map(Content::Json).map_err(|_| BadBody::Malformed)
}

fn form(bytes: &[u8]) -> Result<Content, BadBody> {
    std::str::from_utf8(bytes).ok().and_then(pairs).map(Content::Form).ok_or(BadBody::Malformed)
}

/// Names and values of a query or a form, decoded; letters beyond ASCII may stand there unescaped, as old front ends send them. None where it
/// is no text, or far longer than any honest one.
#[must_use]
pub fn pairs(text: &str) -> Option<Pairs> {
    let pieces: Vec<&str> = text.split('&').filter(|piece| !piece.is_empty()).collect();
    if pieces.len() > MAX_FIELDS {
        return None;
    }
    let decoded = |piece: &str| {
        let spaced = piece.replace('+', " ");
        percent_encoding::percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
    };
    pieces
        .into_iter()
        .map(|piece| {
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            Some((decoded(name)?, decoded(value)?))
        })
        .collect()
}

/// The text fields of a `multipart/form-data` body (RFC 7578); files are passed over.
fn multipart(content_type: &str, bytes: &[u8]) -> Result<Content, BadBody> {
    let parameter = |header: &str, name: &str| {
        header.split(';').skip(1).find_map(|piece| {
            let (key, value) = piece.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
        })
    };
    let boundary = parameter(content_type, "boundary").filter(|value| (1..=70).contains(&value.len())).ok_or(BadBody::Malformed)?;
    let text = std::str::from_utf8(bytes).map_err(|_| BadBody::Malformed)?;
    let delimiter = format!("--{boundary}");
    let mut parts = text.split(&delimiter);
    parts.next();
    let mut pairs = Vec::new();
    for part in parts {
        // RFC 2046 §5.1.1: the last boundary has two hyphens behind it.
        if part.starts_with("--") {
            return Ok(Content::Form(pairs));
        }
        let part = part.strip_prefix("\r\n").and_then(|part| part.strip_suffix("\r\n")).ok_or(BadBody::Malformed)?;
        let (head, value) = part.split_once("\r\n\r\n").ok_or(BadBody::Malformed)?;
        let disposition = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"));
        let disposition = disposition.ok_or(BadBody::Malformed)?;
        if parameter(disposition, "filename").is_none() {
            pairs.push((parameter(disposition, "name").ok_or(BadBody::Malformed)?, value.to_owned()));
        }
        if pairs.len() > MAX_FIELDS {
            break;
        }
    }
    Err(BadBody::Malformed)
}

/// The token that a header carries behind its scheme; none where the header is missing or says something else.
#[must_use]
pub fn bearer<'a>(headers: &'a HeaderMap, place: &Bearer) -> Option<&'a str> {
    let mut all = headers.get_all(place.header.as_str()).iter();
    let (value, None) = (all.next()?.to_str().ok()?.trim(), all.next()) else { return None };
    let token = if place.scheme.is_empty() {
        value
    } else {
        let (scheme, token) = value.split_once(' ')?;
        // RFC 9110 §11.1: a scheme is case-insensitive.
        scheme.eq_ignore_ascii_case(&place.scheme).then_some(token.trim())?
    };
    (!token.is_empty() && !token.contains(' ')).then_some(token)
}

/// The fields of a route. `needs` says which an operation cannot do without.
///
/// # Errors
/// Every field that is missing or wrong, in the order of their names.
pub fn read(route: &Route, style: Style, bearer_at: &Bearer, needs: &[FieldName], incoming: &Incoming<'_>) -> Result<Fields, Vec<Problem>> {
    let (mut fields, mut problems) = (Fields::default(), Vec::new());
    for (name, place) in &route.fields {
        let required = place.required.unwrap_or_else(|| needs.contains(name));
        match one(place, required, style, bearer_at, incoming) {
            Ok(Some(value)) => drop(fields.values.insert(*name, value)),
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
    }
    for (name, place) in &route.attributes {
        match one(place, place.required == Some(true), style, bearer_at, incoming) {
            Ok(Some(value)) => drop(fields.attributes.insert(name.clone(), value)),
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() { Ok(fields) } else { Err(problems) }
}

fn one(place: &FieldPlace, required: bool, style: Style, bearer_at: &Bearer, incoming: &Incoming<'_>) -> Result<Option<Value>, Problem> {
    let (at, found) = find(place, bearer_at, incoming);
    let problem = |wrong| Problem { place: at.clone(), wrong };
    let value = match found {
        None => return absent(place, required).ok_or_else(|| problem(Wrong::Missing)),
        // Flask's handlers ask `if not data.get(…)`: what is empty is missing.
        Some(Found::Json(Value::Null)) if required && style != Style::Flask => return Err(problem(Wrong::Null)),
        Some(Found::Json(Value::Null)) => return absent(place, required).ok_or_else(|| problem(Wrong::Missing)),
        Some(found) => typed(found, place.kind, style).map_err(&problem)?,
    };
    let value = match value {
        Value::String(text) if place.trim => Value::String(text.trim().to_owned()),
        other => other,
    };
    match &value {
        Value::String(text) if text.is_empty() && style == Style::Flask => {
            return absent(place, required).ok_or_else(|| problem(Wrong::Missing));
        }
        Value::String(text) if text.is_empty() && required && style == Style::Drf => return Err(problem(Wrong::Blank)),
        Value::String(text) if place.email && !looks_like_an_address(text) => return Err(problem(Wrong::NotEmail)),
        Value::Number(number) => {
            let number = number.as_i64().unwrap_or(i64::MAX);
            if let Some(min) = place.min.filter(|min| number < *min) {
                return Err(problem(Wrong::Less(min)));
            }
            if let Some(max) = place.max.filter(|max| number > *max) {
                return Err(problem(Wrong::Greater(max)));
            }
        }
        _ => {}
    }
    Ok(Some(value))
}

/// What a field that is not there stands for; none where it must be there.
fn absent(place: &FieldPlace, required: bool) -> Option<Option<Value>> {
    match &place.default {
        Some(default) => Some(Some(default.clone())),
        None if required => None,
        None => Some(None),
    }
}

/// Enough of an address to be worth a look: the whole rule is `accounts::email`'s.
fn looks_like_an_address(text: &str) -> bool {
    text.trim().rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
}

enum Found {
    Json(Value),
    Text(String),
}

/// The first of its places in which a field stands; where none has it, the first that fits the body that came.
fn find(place: &FieldPlace, bearer_at: &Bearer, incoming: &Incoming<'_>) -> (Vec<String>, Option<Found>) {
    let way = |kind: &str, names: &[&str]| [kind].iter().chain(names).map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let last = |pairs: &Pairs, name: &str| pairs.iter().rev().find(|(given, _)| given == name).map(|(_, value)| Found::Text(value.clone()));
    let mut first: Option<Vec<String>> = None;
    let mut tried = |at: Vec<String>, found: Option<Found>| {
        let hit = found.map(|found| (at.clone(), Some(found)));
        first.get_or_insert(at);
        hit
    };
    let is_form = matches!(incoming.content, Content::Form(_));
    if let Some(pointer) = place.json.as_deref().filter(|_| !(is_form && place.form.is_some())) {
        let names: Vec<String> = pointer.split('/').skip(1).map(|name| name.replace("~1", "/").replace("~0", "~")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let found = match &incoming.content {
            Content::Json(json) => json.pointer(pointer).cloned().map(Found::Json),
            _ => None,
        };
        if let Some(hit) = tried(way("body", &names), found) {
            return hit;
        }
    }
    if let Some(name) = &place.form {
        let found = match &incoming.content {
            Content::Form(pairs) => last(pairs, name),
            _ => None,
        };
        if let Some(hit) = tried(way("body", &[name]), found) {
            return hit;
        }
    }
    for (kind, name, pairs) in [("query", &place.query, &incoming.query), ("path", &place.path, &incoming.path)] {
        if let Some(name) = name
            && let Some(hit) = tried(way(kind, &[name]), last(pairs, name))
        {
            return hit;
        }
    }
    if let Some(name) = &place.header {
        let value = incoming.headers.get(name.as_str()).and_then(|value| value.to_str().ok());
        if let Some(hit) = tried(way("header", &[name]), value.map(|value| Found::Text(value.to_owned()))) {
            return hit;
        }
    }
    if place.bearer {
        let token = bearer(incoming.headers, bearer_at).map(|token| Found::Text(token.to_owned()));
        if let Some(hit) = tried(way("header", &[&bearer_at.header]), token) {
            return hit;
        }
    }
    (first.unwrap_or_default(), None)
}

fn typed(found: Found, kind: Kind, style: Style) -> Result<Value, Wrong> {
    match (kind, found) {
        (Kind::String | Kind::Any, Found::Text(text)) => Ok(Value::String(text)),
        (Kind::Any, Found::Json(value)) => Ok(value),
        (Kind::String, Found::Json(Value::String(text))) => Ok(Value::String(text)),
        // Its CharField takes numbers as their text.
        (Kind::String, Found::Json(Value::Number(number))) if style == Style::Drf => Ok(Value::String(number.to_string())),
        (Kind::String, Found::Json(_)) => Err(Wrong::NotString),
        (Kind::Integer, Found::Json(value)) => value.as_i64().map(Value::from).ok_or(Wrong::NotInteger),
        (Kind::Integer, Found::Text(text)) => text.trim().parse::<i64>().map(Value::from).map_err(|_| Wrong::NotInteger),
        (Kind::Boolean, Found::Json(value)) => value.as_bool().map(Value::Bool).ok_or(Wrong::NotBoolean),
        (Kind::Boolean, Found::Text(text)) => match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "on" | "yes" => Ok(Value::Bool(true)),
            "false" | "0" | "off" | "no" => Ok(Value::Bool(false)),
            _ => Err(Wrong::NotBoolean),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    fn route(fields: &str) -> Route {
        toml::from_str(&format!("requests = ['POST /x']\noperation = 'login'\nanswer = {{}}\n{fields}")).expect("a route")
    }

    fn incoming(headers: &HeaderMap, content: Content) -> Incoming<'_> {
        Incoming { headers, path: vec![("who".to_owned(), "ana".to_owned())], query: pairs("skip=3&x=%C3%B1").expect("pairs"), content }
    }

    fn read_one(style: Style, fields: &str, headers: &HeaderMap, content: Content) -> Result<Fields, Vec<Problem>> {
        read(&route(fields), style, &Bearer::default(), &[FieldName::Password], &incoming(headers, content))
    }

    #[test]
    fn a_body_is_read_in_the_form_it_came_in() {
        let (json_only, both, form_first) = ([BodyKind::Json], [BodyKind::Json, BodyKind::Form], [BodyKind::Form, BodyKind::Json]);
        let typed = |value| headers(&[("content-type", value)]);
        let object = Content::Json(json!({ "a": "ñ" }));
        let text = "{\"a\":\"ñ\"}".as_bytes();
        assert_eq!(content(&json_only, &typed("application/json; charset=utf-8"), text), Ok(object.clone()));
        assert_eq!(content(&json_only, &typed("application/vnd.api+json"), text), Ok(object.clone()));
        assert_eq!(content(&json_only, &headers(&[]), text), Ok(object));
        assert_eq!(content(&json_only, &typed("text/plain"), text), Err(BadBody::Unsupported));
        assert_eq!(content(&json_only, &typed("application/json"), b"{"), Err(BadBody::Malformed));
        assert_eq!(content(&json_only, &typed("application/json"), b""), Ok(Content::None));
        assert_eq!(content(&[], &typed("application/json"), b"{"), Ok(Content::None), "nobody reads it");
        let pair = |value: &str| Ok(Content::Form(vec![("a".to_owned(), value.to_owned())]));
        let form = typed("application/x-www-form-urlencoded");
        assert_eq!(content(&both, &form, "a=Contraseña+1%26".as_bytes()), pair("Contraseña 1&"), "unescaped letters");
        assert_eq!(content(&form_first, &headers(&[]), b"a=b"), pair("b"));
        assert_eq!(content(&both, &form, b"a=%ff"), Err(BadBody::Malformed));
        assert_eq!(content(&json_only, &form, b"a=b"), Err(BadBody::Unsupported));
        let body = "--xx\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nla\r\nña \r\n--xx\r\nContent-Disposition: form-data; name=\"f\"; \
                    filename=\"x\"\r\n\r\nfile\r\n--xx--\r\n";
        let multipart = typed("multipart/form-data; boundary=xx");
        assert_eq!(content(&both, &multipart, body.as_bytes()), pair("la\r\nña "));
        for cut in [&body[..20], &body[..60], "", "--xx--"] {
            assert_ne!(content(&both, &multipart, cut.as_bytes()), pair("la\r\nña "), "{cut}");
        }
        assert_eq!(content(&both, &typed("multipart/form-data"), body.as_bytes()), Err(BadBody::Malformed));
    }

    #[test]
    fn a_field_stands_where_the_file_says() {
        let given = headers(&[("x-lang", "es"), ("authorization", "bearer abc.def")]);
        let fields = "[fields]\npassword = { json = '/deep/p~1w', form = 'pw' }\nuser = { path = 'who' }\nskip = { query = 'skip', type = \
                      'integer' }\nlocale = { header = 'x-lang' }\nrefresh_token = { bearer = true }\nlimit = { query = 'limit', type = \
                      'integer', default = 100 }\n[attributes]\ncity_id = { json = '/city', type = 'integer' }";
        let json = Content::Json(json!({ "deep": { "p/w": " secreto " }, "city": 4 }));
        let read = read_one(Style::FastApi, fields, &given, json).expect("it is right");
        assert_eq!(read.needed(FieldName::Password), " secreto ", "spaces count");
        assert_eq!(
            (read.text(FieldName::User), read.number(FieldName::Skip), read.number(FieldName::Limit)),
            (Some("ana"), Some(3), Some(100))
        );
        assert_eq!((read.text(FieldName::Locale), read.text(FieldName::RefreshToken)), (Some("es"), Some("abc.def")));
        assert_eq!(read.attributes, json!({ "city_id": 4 }).as_object().cloned().expect("an object"));
        let form = Content::Form(vec![("pw".to_owned(), "b".to_owned())]);
        assert_eq!(read_one(Style::FastApi, fields, &given, form).expect("a form does as well").needed(FieldName::Password), "b");
    }

    #[test]
    fn every_framework_has_its_own_idea_of_missing() {
        let none = HeaderMap::new();
        let fields = "[fields]\npassword = { json = '/password' }\nname = { json = '/name' }";
        let wrong = |style, body: Value| {
            let problems = read_one(style, fields, &none, Content::Json(body)).expect_err("something is wrong");
            problems.into_iter().map(|problem| (problem.place.join("."), problem.wrong)).collect::<Vec<_>>()
        };
        let one = |wrong| vec![("body.password".to_owned(), wrong)];
        for style in [Style::FastApi, Style::Flask, Style::Drf] {
            assert_eq!(wrong(style, json!({})), one(Wrong::Missing));
            assert_eq!(wrong(style, json!([])), one(Wrong::Missing));
            assert_eq!(wrong(style, json!({ "password": ["x"] })), one(Wrong::NotString));
        }
        assert_eq!(wrong(Style::FastApi, json!({ "password": null })), one(Wrong::Null));
        assert_eq!(wrong(Style::Flask, json!({ "password": null })), one(Wrong::Missing));
        assert_eq!(wrong(Style::Flask, json!({ "password": "" })), one(Wrong::Missing));
        assert_eq!(wrong(Style::Drf, json!({ "password": "" })), one(Wrong::Blank));
        assert_eq!(wrong(Style::FastApi, json!({ "password": 5 })), one(Wrong::NotString));
        let read = read_one(Style::Drf, fields, &none, Content::Json(json!({ "password": 5, "name": null }))).expect("numbers are texts");
        assert_eq!((read.needed(FieldName::Password), read.has(FieldName::Name)), ("5", false));
        assert!(read_one(Style::FastApi, fields, &none, Content::Json(json!({ "password": "" }))).is_ok(), "the account's rules judge it");
    }

    #[test]
    fn trimmed_bounded_and_addresses() {
        let none = HeaderMap::new();
        let fields = "[fields]\npassword = { json = '/p', trim = true }\nemail = { json = '/e', email = true }\nskip = { json = '/s', type = \
                      'integer', min = 0, max = 9 }";
        let read = |body: Value| read_one(Style::Drf, fields, &none, Content::Json(body));
        assert_eq!(read(json!({ "p": " a b ", "e": "a@b", "s": 9 })).expect("right").needed(FieldName::Password), "a b");
        let wrong = read(json!({ "p": "  ", "e": "nobody", "s": -1 })).expect_err("wrong");
        let wrong: Vec<_> = wrong.into_iter().map(|problem| (problem.name().to_owned(), problem.wrong)).collect();
        assert_eq!(wrong, [("e".to_owned(), Wrong::NotEmail), ("p".to_owned(), Wrong::Blank), ("s".to_owned(), Wrong::Less(0))]);
        assert_eq!(read(json!({ "p": "x", "s": 10 })).expect_err("wrong")[0].wrong, Wrong::Greater(9));
    }

    #[test]
    fn a_bearer_token_has_its_header_and_scheme() {
        let at = Bearer::default();
        let other = Bearer { header: "x-token".to_owned(), scheme: String::new() };
        assert_eq!(bearer(&headers(&[("authorization", "Bearer  abc")]), &at), Some("abc"));
        assert_eq!(bearer(&headers(&[("x-token", "abc")]), &other), Some("abc"));
        for wrong in ["abc", "Bearer", "Bearer ", "Basic abc", "Bearer a b"] {
            assert_eq!(bearer(&headers(&[("authorization", wrong)]), &at), None, "{wrong}");
        }
        assert_eq!(bearer(&headers(&[("authorization", "Bearer a"), ("authorization", "Bearer b")]), &at), None, "which one?");
    }
}
