//! What goes back: the answer of a success as the file draws it, errors as the old framework drew them.
//!
//! Pure up to [`Answered`], which becomes a response. Owns the three styles' statuses and words; a dialect's `[errors]` stand before them.

use std::time::Duration;

use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::dialect::{Answer, Dialect, ErrorAnswer, ErrorName, FieldName, Route, Style};
use super::request::{Problem, Wrong};
use super::template;

/// Why an operation was not done.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    pub name: ErrorName,
    /// `${reason}`: what of it a person can read.
    pub reason: String,
    /// The fields it is about.
    pub problems: Vec<Problem>,
    pub retry_after: Option<Duration>,
}

impl Refused {
    #[must_use]
    pub fn because(name: ErrorName, reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), ..Self::from(name) }
    }

    /// Fields that are missing or wrong.
    #[must_use]
    pub fn fields(problems: Vec<Problem>) -> Self {
        let missing = problems.iter().all(|problem| matches!(problem.wrong, Wrong::Missing | Wrong::Null | Wrong::Blank));
        Self { problems, ..Self::from(if missing { ErrorName::MissingField } else { ErrorName::BadField }) }
    }

    /// One field that the account's own rules refuse.
    #[must_use]
    pub fn field(route: &Route, name: FieldName, wrong: Wrong, reason: impl Into<String>) -> Self {
        Self { problems: vec![Problem::of(route, name, wrong)], ..Self::because(ErrorName::BadField, reason) }
    }

    #[must_use]
    pub fn later(name: ErrorName, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::from(name) }
    }
}

impl From<ErrorName> for Refused {
    fn from(name: ErrorName) -> Self {
        Self { name, reason: String::new(), problems: Vec::new(), retry_after: None }
    }
}

/// An answer before it is bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Option<Value>,
}

/// The answer of a success; `value` knows what stands for a place.
pub fn success(answer: &Answer, value: &impl Fn(&str) -> Value) -> Answered {
    Answered {
        status: answer.status,
        headers: answer.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        body: answer.body.as_ref().map(|body| body.fill(value)),
    }
}

/// The answer of a refusal, as the route, the dialect or the style draws it, in that order.
#[must_use]
pub fn refusal(dialect: &Dialect, route: Option<&Route>, refused: &Refused, method: &Method) -> Answered {
    let nothing = ErrorAnswer::default();
    let said = |of: Option<&'_ ErrorAnswer>| of.cloned();
    let own = said(route.and_then(|route| route.errors.get(&refused.name))).or_else(|| said(dialect.errors.get(&refused.name)));
    let own = own.as_ref().unwrap_or(&nothing);
    let standard = standard(dialect.style, refused.name);
    let status = own.status.unwrap_or(standard.status);
    let field = own.field.clone().or_else(|| refused.problems.first().map(|problem| problem.name().to_owned()));
    let values = |name: &str| match name {
        "reason" => Value::from(refused.reason.as_str()),
        "field" => Value::from(field.clone()),
        "method" => Value::from(method.as_str()),
        _ => Value::Null,
    };
    let message = own.message.as_deref().unwrap_or(standard.message);
    let message = template::text(message, &values).unwrap_or_else(|_| message.to_owned());
    let with_message = |name: &str| if name == "message" { Value::from(message.as_str()) } else { values(name) };
    let body = if let Some(body) = &own.body {
        body.fill(&with_message)
    } else if own.message.is_none() && !refused.problems.is_empty() && dialect.error_body.is_none() {
        problems(dialect.style, &refused.problems, &message)
    } else if let Some(body) = &dialect.error_body {
        body.fill(&with_message)
    } else if let Some(body) = standard.body.filter(|_| own.message.is_none()) {
        body
    } else {
        // Only DRF has a form for one field with a message of its own.
        match (dialect.style, own.field.as_deref().or(standard.field)) {
            (Style::Drf, Some(field)) => json!({ field: [message] }),
            (Style::Drf | Style::FastApi, _) => json!({ "detail": message }),
            (Style::Flask, _) => json!({ "msg": message }),
        }
    };
    let mut headers: Vec<(String, String)> = Vec::new();
    if status == 401 {
        // RFC 9110 §15.5.2: "The server generating a 401 response MUST send a WWW-Authenticate header field"
        let challenge = if dialect.style == Style::Drf { r#"Bearer realm="api""# } else { "Bearer" };
        headers.push((header::WWW_AUTHENTICATE.to_string(), challenge.to_owned()));
    }
    if let Some(after) = refused.retry_after {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        headers.push((header::RETRY_AFTER.to_string(), seconds.max(1).to_string()));
    }
    headers.extend(own.headers.iter().map(|(name, value)| (name.clone(), value.clone())));
    Answered { status, headers, body: Some(body) }
}

/// What a style says.
struct Standard {
    status: u16,
    message: &'static str,
    /// The field that DRF blames.
    field: Option<&'static str>,
    /// The whole body, where it is more than a message.
    body: Option<Value>,
}

fn standard(style: Style, name: ErrorName) -> Standard {
    use ErrorName as E;
    let (fastapi, flask, drf) = (style == Style::FastApi, style == Style::Flask, style == Style::Drf);
    let pick = |a: &'static str, b: &'static str, c: &'static str| match style {
        Style::FastApi => a,
        Style::Flask => b,
        Style::Drf => c,
    };
    let about_body = |kind: &str, message: &str| json!({ "detail": [{ "type": kind, "loc": ["body"], "msg": message }] });
    let (mut field, mut body) = (None, None);
    let (status, message) = match name {
        E::MalformedBody => {
            body = fastapi.then(|| about_body("json_invalid", "JSON decode error"));
            (if fastapi { 422 } else { 400 }, pick("", "The body could not be read", "JSON parse error"))
        }
        E::UnsupportedMedia => {
            let message = "Input should be a valid dictionary or object to extract fields from";
            body = fastapi.then(|| about_body("model_attributes_type", message));
            (if fastapi { 422 } else { 415 }, pick("", "Unsupported media type", "Unsupported media type in request."))
        }
        E::MissingField => (if fastapi { 422 } else { 400 }, "Missing ${field}"),
        E::BadField => (if fastapi { 422 } else { 400 }, "Invalid ${field}"),
        E::WrongCredentials => {
            (401, pick("Incorrect username or password", "Bad username or password", "No active account found with the given credentials"))
        }
        E::NotVerified => (403, "The e-mail address is not verified"),
        E::ResetRequired => (403, "The password must be reset first"),
        E::NoToken => (401, pick("Not authenticated", "Missing Authorization Header", "Authentication credentials were not provided.")),
        E::BadToken => {
            body = drf.then(|| {
                let message = json!({ "token_class": "AccessToken", "token_type": "access", "message": "Token is invalid or expired" });
                json!({ "detail": "Given token not valid for any token type", "code": "token_not_valid", "messages": [message] })
            });
            (401, pick("Could not validate credentials", "Token is invalid or has expired", ""))
        }
        E::BadRefresh => {
            body = drf.then(|| json!({ "detail": "Token is invalid or expired", "code": "token_not_valid" }));
            (401, pick("Invalid refresh token", "Token is invalid or has expired", ""))
        }
        E::NotRecent => (403, "Sign in again first"),
        E::Forbidden => (403, pick("Not enough permissions", "Forbidden", "You do not have permission to perform this action.")),
        E::UnknownUser => (404, pick("User not found", "User not found", "No User matches the given query.")),
        E::EmailTaken => {
            field = Some("email");
            (400, pick("Email already registered", "The e-mail address is already registered", "user with this email already exists."))
        }
        E::UsernameTaken => {
            field = Some("username");
            (400, pick("Username already registered", "The name is already registered", "A user with that username already exists."))
        }
        E::RefusedPassword => {
            field = Some("password");
            (400, "${reason}")
        }
        E::WrongPassword => (400, "Incorrect password"),
        E::OwnAccount => (400, "Nobody deletes their own account here"),
        E::LastOwner => (400, "This is the last owner"),
        E::BadVerification => (400, "Invalid or expired token"),
        E::BadOneTimeToken => (401, "Invalid or expired token"),
        E::BadCaptcha => (400, "Invalid captcha"),
        E::SignUpClosed => (403, "Registration is closed"),
        E::Refused => (400, "${reason}"),
        E::TooMany => (429, pick("Too Many Requests", "Too many requests", "Request was throttled.")),
        E::TooLarge => (413, "The request body is too large"),
        E::Late => (408, "The request body did not come in time"),
        E::MethodNotAllowed => {
            (405, pick("Method Not Allowed", "The method is not allowed for the requested URL.", "Method \"${method}\" not allowed."))
        }
        E::Unavailable => (503, "Try again in a moment"),
        E::Broken => (500, if flask { "Internal server error" } else { "Internal Server Error" }),
    };
    Standard { status, message, field, body }
}

/// Fields that are wrong, as the style lists them. `message` is for the one style without a list.
fn problems(style: Style, problems: &[Problem], message: &str) -> Value {
    match style {
        Style::Flask => json!({ "msg": message }),
        // Pydantic 2's errors, without its echo of the input: that may be a password.
        Style::FastApi => {
            let entry = |problem: &Problem| {
                let (kind, words) = pydantic(problem.wrong, message);
                json!({ "type": kind, "loc": problem.place, "msg": words })
            };
            json!({ "detail": problems.iter().map(entry).collect::<Vec<_>>() })
        }
        Style::Drf => {
            let mut fields = Map::new();
            for problem in problems {
                let words = drf(problem.wrong, message);
                let list = fields.entry(problem.name()).or_insert_with(|| json!([]));
                list.as_array_mut().expect("it was made as a list").push(words.into());
            }
            Value::Object(fields)
        }
    }
}

fn pydantic(wrong: Wrong, message: &str) -> (&'static str, String) {
    let said = |kind, words: &str| (kind, words.to_owned());
    match wrong {
        Wrong::Missing => said("missing", "Field required"),
        Wrong::Null | Wrong::NotString => said("string_type", "Input should be a valid string"),
        Wrong::Blank => said("string_too_short", "String should have at least 1 character"),
        Wrong::NotInteger => said("int_parsing", "Input should be a valid integer, unable to parse string as an integer"),
        Wrong::NotBoolean => said("bool_parsing", "Input should be a valid boolean, unable to interpret input"),
        Wrong::NotEmail => said("value_error", "value is not a valid email address"),
        Wrong::Less(min) => ("greater_than_equal", format!("Input should be greater than or equal to {min}")),
        Wrong::Greater(max) => ("less_than_equal", format!("Input should be less than or equal to {max}")),
        Wrong::Refused => said("value_error", message),
    }
}

fn drf(wrong: Wrong, message: &str) -> String {
    match wrong {
        Wrong::Missing => "This field is required.".to_owned(),
        Wrong::Null => "This field may not be null.".to_owned(),
        Wrong::Blank => "This field may not be blank.".to_owned(),
        Wrong::NotString => "Not a valid string.".to_owned(),
        Wrong::NotInteger => "A valid integer is required.".to_owned(),
        Wrong::NotBoolean => "Must be a valid boolean.".to_owned(),
        Wrong::NotEmail => "Enter a valid email address.".to_owned(),
        Wrong::Less(min) => format!("Ensure this value is greater than or equal to {min}."),
        Wrong::Greater(max) => format!("Ensure this value is less than or equal to {max}."),
        Wrong::Refused => message.to_owned(),
    }
}

impl IntoResponse for Answered {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = match &self.body {
            Some(body) => {
                let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
                (status, json, body.to_string()).into_response()
            }
            None => status.into_response(),
        };
        let headers = response.headers_mut();
        // RFC 6749 §5.1 asks it of every answer with a token in it; the others are about one person, too.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        for (name, value) in self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(style: &str, more: &str) -> Dialect {
        let text = format!(
            "name = 'x'\nstyle = '{style}'\n{more}\n[client]\nid = 'x'\n[[routes]]\nrequests = ['POST /r']\noperation = 'register'\nanswer = {{}}"
        );
        toml::from_str(&text).expect("a dialect")
    }

    fn said(dialect: &Dialect, refused: impl Into<Refused>) -> (u16, Value) {
        let answered = refusal(dialect, dialect.routes.first(), &refused.into(), &Method::POST);
        (answered.status, answered.body.expect("a body"))
    }

    fn problem(place: &[&str], wrong: Wrong) -> Problem {
        Problem { place: place.iter().map(|name| (*name).to_owned()).collect(), wrong }
    }

    #[test]
    fn each_framework_lists_fields_in_its_own_way() {
        let wrong = || Refused::fields(vec![problem(&["body", "email"], Wrong::Missing), problem(&["body", "password"], Wrong::Missing)]);
        let entry = |name: &str| json!({ "type": "missing", "loc": ["body", name], "msg": "Field required" });
        assert_eq!(said(&dialect("fastapi", ""), wrong()), (422, json!({ "detail": [entry("email"), entry("password")] })));
        assert_eq!(said(&dialect("flask", ""), wrong()), (400, json!({ "msg": "Missing email" })));
        let required = json!(["This field is required."]);
        assert_eq!(said(&dialect("drf", ""), wrong()), (400, json!({ "email": required, "password": required })));
        let bad = Refused::fields(vec![problem(&["query", "skip"], Wrong::Less(0)), problem(&["body", "x"], Wrong::Missing)]);
        assert_eq!(bad.name, ErrorName::BadField);
    }

    #[test]
    fn errors_without_a_field() {
        assert_eq!(said(&dialect("fastapi", ""), ErrorName::NoToken), (401, json!({ "detail": "Not authenticated" })));
        assert_eq!(said(&dialect("flask", ""), ErrorName::NoToken), (401, json!({ "msg": "Missing Authorization Header" })));
        assert_eq!(
            said(&dialect("drf", ""), ErrorName::NoToken),
            (401, json!({ "detail": "Authentication credentials were not provided." }))
        );
        let (status, body) = said(&dialect("drf", ""), ErrorName::BadToken);
        assert_eq!((status, &body["code"], &body["messages"][0]["token_type"]), (401, &json!("token_not_valid"), &json!("access")));
        let taken = said(&dialect("drf", ""), ErrorName::EmailTaken);
        assert_eq!(taken, (400, json!({ "email": ["user with this email already exists."] })));
        let short = Refused::because(ErrorName::RefusedPassword, "too short");
        assert_eq!(said(&dialect("drf", ""), short.clone()), (400, json!({ "password": ["too short"] })));
        assert_eq!(said(&dialect("fastapi", ""), short), (400, json!({ "detail": "too short" })));
        assert_eq!(said(&dialect("drf", ""), ErrorName::MethodNotAllowed), (405, json!({ "detail": "Method \"POST\" not allowed." })));
    }

    #[test]
    fn a_dialect_says_it_in_its_own_words() {
        let own = "error_body = { error = { text = '${message}' } }\n[errors]\nno_token = { status = 403, message = 'Falta' }\nbad_token = { body = { ok = false, why = '${message}' }, headers = { x-a = 'b' } }";
        let dialect = dialect("fastapi", own);
        assert_eq!(said(&dialect, ErrorName::NoToken), (403, json!({ "error": { "text": "Falta" } })));
        assert_eq!(said(&dialect, ErrorName::BadToken), (401, json!({ "ok": false, "why": "Could not validate credentials" })));
        let missing = Refused::fields(vec![problem(&["body", "email"], Wrong::Missing)]);
        assert_eq!(said(&dialect, missing), (422, json!({ "error": { "text": "Missing email" } })));
        let answered = refusal(&dialect, None, &ErrorName::BadToken.into(), &Method::GET);
        assert!(answered.headers.contains(&("x-a".to_owned(), "b".to_owned())), "{answered:?}");
    }

    #[test]
    fn a_401_has_a_challenge_and_a_limit_says_when() {
        let dialect = dialect("drf", "");
        let headers = |refused: Refused| refusal(&dialect, None, &refused, &Method::GET).headers;
        assert_eq!(headers(ErrorName::BadRefresh.into()), [("www-authenticate".to_owned(), "Bearer realm=\"api\"".to_owned())]);
        let limited = headers(Refused::later(ErrorName::TooMany, Duration::from_millis(5_001)));
        assert_eq!(limited, [("retry-after".to_owned(), "6".to_owned())]);
    }
}
