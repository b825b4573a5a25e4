//! Reading a request: a JSON body, a merge patch, the query. Each is held to its schema before anybody sees it.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use serde_json::{Map, Value};
use utoipa::openapi::Required;
use utoipa::openapi::path::ParameterIn;
use utoipa::{IntoParams, ToSchema};

use super::problem::{Code, Problem, Wrong};
use super::schema;
use crate::connections::body::{self, Unread};
use crate::protocol::json;

/// Far above any honest request.
const MAX_BODY: usize = 64 * 1024;
pub const JSON: &str = "application/json";

/// A JSON object of the form `T`. What `T` does not know is refused: a member that somebody meant and nobody reads is a mistake.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned + ToSchema, S: Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        read_as(&bytes_of(request, &[JSON]).await?).map(Self)
    }
}

/// A change (RFC 7396): members that are there are set, `null` takes one away, the others stay. `given` is the patch as it came.
pub struct Patch<T> {
    pub read: T,
    pub given: Map<String, Value>,
}

impl<T: DeserializeOwned + ToSchema, S: Sync> FromRequest<S> for Patch<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let members = members(&bytes_of(request, &["application/merge-patch+json", JSON]).await?)?;
        Ok(Self { given: members.clone(), read: read(members)? })
    }
}

/// A member of a patch that may be taken away: absent, `null`, or a value.
///
/// # Errors
/// Those of the value.
pub fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(deserializer).map(Some)
}

/// A body of one of these media types, as it was sent.
///
/// # Errors
/// 415, 413, 408.
pub async fn bytes_of(request: Request, types: &[&str]) -> Result<Bytes, Problem> {
    if !is_type(request.headers(), types) || request.headers().contains_key(CONTENT_ENCODING) {
        return Err(Code::UnsupportedMediaType.into());
    }
    body::read(request.into_body(), MAX_BODY).await.map_err(|unread| {
        match unread {
            Unread::TooLarge => Code::TooLarge,
            Unread::Late => Code::RequestTimeout,
            Unread::Broken => Code::InvalidRequest,
        }
        .into()
    })
}

fn members(bytes: &Bytes) -> Result<Map<String, Value>, Problem> {
    json::object(bytes).ok_or_else(|| Code::InvalidJson.into())
}

/// A JSON object of the form `T`, held to its schema.
///
/// # Errors
/// 400, with what is wrong.
pub fn read_as<T: DeserializeOwned + ToSchema>(bytes: &Bytes) -> Result<T, Problem> {
    read(members(bytes)?)
}

/// RFC 8259 §11: "No "charset" parameter is defined for this registration. Adding one really has no effect".
fn is_type(headers: &HeaderMap, types: &[&str]) -> bool {
    let mut all = headers.get_all(CONTENT_TYPE).iter();
    let essence = all.next().and_then(|value| value.to_str().ok()).and_then(|value| value.split(';').next()).map(str::trim);
    all.next().is_none() && essence.is_some_and(|essence| types.iter().any(|known| known.eq_ignore_ascii_case(essence)))
}

fn read<T: DeserializeOwned + ToSchema>(mut members: Map<String, Value>) -> Result<T, Problem> {
    members.values_mut().for_each(as_integer);
    let body = Value::Object(members);
    schema::check_body(&T::name(), &body)?;
    serde_json::from_value(body).map_err(|error| {
        tracing::debug!(%error, schema = %T::name(), "a body fits its schema and not its type");
        Code::InvalidRequest.into()
    })
}

/// JSON Schema Validation §6.1.1 counts "any number with a zero fractional part" as an integer: 90.0 is 90.
fn as_integer(value: &mut Value) {
    /// Up to here a double tells every integer from its neighbours.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if let Some(number) = value.as_f64().filter(|number| value.is_f64() && number.fract() == 0.0 && number.abs() < EXACT) {
        #[expect(clippy::cast_possible_truncation, reason = "whole and in range, as was just asked")]
        let whole = number as i64;
        *value = Value::from(whole);
    }
}

/// The query in the form `T`. A parameter that `T` does not know, or that stands twice, is refused.
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + IntoParams, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let parameters = T::into_params(|| Some(ParameterIn::Query));
        let mut given = Map::new();
        for (name, text) in url::form_urlencoded::parse(query.as_bytes()) {
            let known = parameters.iter().find(|parameter| parameter.name == *name);
            let value = known.map_or(Value::Null, |parameter| typed(&serde_json::to_value(&parameter.schema).unwrap_or_default(), &text));
            if given.insert(name.to_string(), value).is_some() {
                return Err(Wrong::parameter(name, "repeated", "problem-field-repeated").into());
            }
        }
        let given = Value::Object(given);
        schema::check_parameters(std::any::type_name::<T>(), || object(&parameters), &given)?;
        serde_json::from_value(given).map(Self).map_err(|_| Code::InvalidRequest.into())
    }
}

/// A value of the query has no type of its own: the schema's is tried.
fn typed(schema: &Value, text: &str) -> Value {
    let is = |name: &str| match &schema["type"] {
        Value::String(one) => one == name,
        Value::Array(all) => all.iter().any(|one| one == name),
        _ => false,
    };
    let read = match () {
        () if is("integer") => text.parse::<i64>().ok().map(Value::from),
        () if is("boolean") => text.parse::<bool>().ok().map(Value::from),
        () => None,
    };
    read.unwrap_or_else(|| Value::from(text))
}

fn object(parameters: &[utoipa::openapi::path::Parameter]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for parameter in parameters {
        properties.insert(parameter.name.clone(), serde_json::to_value(&parameter.schema).unwrap_or_default());
        if parameter.required == Required::True {
            required.push(parameter.name.clone());
        }
    }
    serde_json::json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

/// A header that may stand once.
///
/// # Errors
/// 400 where it stands twice, or holds what no header of ours does.
pub fn one_header<'a>(headers: &'a HeaderMap, header: &HeaderName, shown: &'static str) -> Result<Option<&'a str>, Problem> {
    let mut all = headers.get_all(header).iter();
    let Some(value) = all.next() else { return Ok(None) };
    match (value.to_str(), all.next()) {
        (Ok(value), None) => Ok(Some(value)),
        _ => Err(Wrong::header(shown, "malformed", "problem-field-malformed").into()),
    }
}

/// The names in the path, in order. One that nothing here is called, such as with a NUL in it, is 404 before any store is asked.
pub struct Place<const N: usize>(pub [String; N]);

impl<const N: usize, S: Send + Sync> FromRequestParts<S> for Place<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<Vec<(String, String)>>::from_request_parts(parts, state).await.map_err(|_| Problem::from(Code::NotFound))?;
        let names: Vec<String> = path.0.into_iter().map(|(_, value)| value).collect();
        if names.iter().any(|name| name.is_empty() || name.len() > 1024 || name.chars().any(char::is_control)) {
            return Err(Code::NotFound.into());
        }
        names.try_into().map(Self).map_err(|_| Code::NotFound.into())
    }
}
