//! The documentation of the API as pages, made from the same document that programs read at `/openapi.json`; and the errors, to which the `type`
//! of each one leads. Everything stands in the page: no script is needed and nothing comes from elsewhere.
//!
//! The document is taken apart once, when somebody first asks; a page for each of its tags. Called by `router`, which has the document.

use std::sync::{Arc, LazyLock};

use askama::Template;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::Asked;
use crate::app::App;
use crate::browser::error::{PageError, PageReason};
use crate::browser::layout::{Page, html, see_other};
use crate::browser::visit::Visit;
use crate::seal::sha256;
use crate::urls::{self, Urls};

/// How deep the members of a body are listed.
const DEPTH: usize = 3;

/// A document that is taken apart when somebody first asks.
pub type Lazy = LazyLock<Reference, Box<dyn FnOnce() -> Reference + Send>>;

/// A document, taken apart for its pages.
pub struct Reference {
    /// The document itself, as programs read it.
    pub bytes: Bytes,
    pub etag: String,
    version: String,
    groups: Vec<Group>,
}

struct Group {
    name: String,
    about: String,
    operations: Vec<Operation>,
}

struct Operation {
    id: String,
    method: String,
    path: String,
    summary: String,
    about: String,
    needs: Vec<Need>,
    parameters: Vec<Member>,
    /// The media types of the body.
    types: String,
    body: Vec<Member>,
    answers: Vec<Answer>,
    curl: String,
    deprecated: bool,
}

enum Need {
    Scope(String),
    Token,
    Client,
}

struct Member {
    name: String,
    kind: String,
    about: String,
    required: bool,
}

struct Answer {
    status: String,
    /// What a caller handles in one place for every operation.
    is_error: bool,
    about: String,
    /// Media type and the name of what is in it.
    content: String,
}

impl Operation {
    fn has_errors(&self) -> bool {
        self.answers.iter().any(|answer| answer.is_error)
    }
}

/// What a description says, and which parts of it are code: those between backquotes (CommonMark §6.1).
#[must_use]
pub fn pieces(text: &str) -> Vec<(bool, &str)> {
    text.split('`').enumerate().map(|(at, piece)| (at % 2 == 1, piece)).collect()
}

impl Reference {
    #[must_use]
    pub fn of(document: &Value, urls: &Urls) -> Self {
        let reader = Reader { document, urls };
        let tags = document["tags"].as_array().into_iter().flatten();
        let groups = tags.map(|tag| reader.group(tag)).filter(|group| !group.operations.is_empty()).collect();
        let bytes = Bytes::from(document.to_string());
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&sha256(&bytes)[..12]));
        Self { bytes, etag, version: text(&document["info"]["version"]), groups }
    }
}

struct Reader<'a> {
    document: &'a Value,
    urls: &'a Urls,
}

impl Reader<'_> {
    fn group(&self, tag: &Value) -> Group {
        let name = text(&tag["name"]);
        let mut operations = Vec::new();
        for (path, item) in self.document["paths"].as_object().into_iter().flatten() {
            for (method, operation) in item.as_object().into_iter().flatten() {
                if operation["tags"].as_array().is_some_and(|tags| tags.iter().any(|own| *own == *name)) {
                    operations.push(self.operation(path, method, operation));
                }
            }
        }
        Group { about: text(&tag["description"]), name, operations }
    }

    fn operation(&self, path: &str, method: &str, operation: &Value) -> Operation {
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        let (types, schema) = match operation["requestBody"]["content"].as_object() {
            Some(content) => (
                content.keys().cloned().collect::<Vec<_>>().join(", "),
                content.values().next().map_or(Value::Null, |body| body["schema"].clone()),
            ),
            None => (String::new(), Value::Null),
        };
        let mut body = Vec::new();
        self.members("", &schema, DEPTH, &mut body);
        let answers = operation["responses"].as_object().into_iter().flatten();
        let needs = needs(&operation["security"]);
        Operation {
            id: text(&operation["operationId"]),
            method: method.to_uppercase(),
            path: path.to_owned(),
            summary: text(&operation["summary"]),
            about: text(&operation["description"]),
            parameters: parameters.map(|parameter| self.parameter(parameter)).collect(),
            curl: self.curl(path, method, &needs, &types, &schema, operation),
            needs,
            types,
            body,
            answers: answers.map(|(status, answer)| self.answer(status, answer)).collect(),
            deprecated: operation["deprecated"] == true,
        }
    }

    fn parameter(&self, parameter: &Value) -> Member {
        Member {
            name: text(&parameter["name"]),
            kind: format!("{} · {}", text(&parameter["in"]), self.kind(&parameter["schema"])),
            about: text(&parameter["description"]),
            required: parameter["required"] == true,
        }
    }

    fn answer(&self, status: &str, answer: &Value) -> Answer {
        let answer = self.resolve(answer);
        let content = answer["content"].as_object().into_iter().flatten();
        let content: Vec<_> = content.map(|(kind, body)| format!("{kind}: {}", self.kind(&body["schema"]))).collect();
        let is_error = status.starts_with(['4', '5']);
        Answer { status: status.to_owned(), is_error, about: text(&answer["description"]), content: content.join(", ") }
    }

    /// What a reference leads to.
    fn resolve<'v>(&'v self, value: &'v Value) -> &'v Value {
        match value["$ref"].as_str().and_then(|reference| self.document.pointer(reference.trim_start_matches('#'))) {
            Some(found) => found,
            None => value,
        }
    }

    /// A type in a word or two.
    fn kind(&self, schema: &Value) -> String {
        if let Some(reference) = schema["$ref"].as_str() {
            return reference.rsplit('/').next().unwrap_or_default().to_owned();
        }
        if let Some(options) = schema["enum"].as_array() {
            return options.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
        }
        for several in ["oneOf", "anyOf", "allOf"] {
            if let Some(all) = schema[several].as_array() {
                let kinds: Vec<_> = all.iter().map(|one| self.kind(one)).filter(|kind| kind != "null").collect();
                return kinds.join(" | ");
            }
        }
        let one = match &schema["type"] {
            Value::Array(all) => all.iter().filter_map(Value::as_str).filter(|kind| *kind != "null").collect::<Vec<_>>().join(" | "),
            other => text(other),
        };
        match one.as_str() {
            "array" => format!("{}[]", self.kind(&schema["items"])),
            _ => match schema["format"].as_str() {
                Some(format) => format!("{one} ({format})"),
                None => one,
            },
        }
    }

    fn members(&self, above: &str, schema: &Value, depth: usize, found: &mut Vec<Member>) {
        let schema = self.resolve(schema);
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.members(above, part, depth, found);
        }
        let required = schema["required"].as_array();
        for (name, member) in schema["properties"].as_object().into_iter().flatten() {
            let path = if above.is_empty() { name.clone() } else { format!("{above}.{name}") };
            found.push(Member {
                kind: self.kind(member),
                about: text(&member["description"]),
                required: required.is_some_and(|all| all.iter().any(|one| one == name)),
                name: path.clone(),
            });
            if depth > 1 {
                self.members(&path, member, depth - 1, found);
            }
        }
    }

    /// A line that works when the words in capitals are filled in.
    fn curl(&self, path: &str, method: &str, needs: &[Need], types: &str, schema: &Value, operation: &Value) -> String {
        let mut address = self.urls.absolute(path);
        let query: Vec<_> = operation["parameters"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|parameter| parameter["in"] == "query" && parameter["required"] == true)
            .map(|parameter| format!("{}={}", text(&parameter["name"]), text(&parameter["name"]).to_uppercase()))
            .collect();
        if !query.is_empty() {
            address = format!("{address}?{}", query.join("&"));
        }
        let mut line = match method {
            "get" => format!("curl '{address}'"),
            other => format!("curl -X {} '{address}'", other.to_uppercase()),
        };
        match needs.first() {
            Some(Need::Scope(_) | Need::Token) => line.push_str(" \\\n  -H \"Authorization: Bearer $TOKEN\""),
            Some(Need::Client) => line.push_str(" \\\n  -u \"$CLIENT_ID:$CLIENT_SECRET\""),
            None => {}
        }
        let example = self.example(schema, DEPTH);
        match types.split(',').next().unwrap_or_default() {
            "" => {}
            "application/x-www-form-urlencoded" => {
                for (name, value) in example.as_object().into_iter().flatten() {
                    line.push_str(&format!(" \\\n  --data-urlencode '{name}={}'", text(value)));
                }
            }
            kind => line.push_str(&format!(" \\\n  -H 'Content-Type: {kind}' \\\n  -d '{}'", example.to_string().replace('\'', "'\\''"))),
        }
        line
    }

    /// The least that a schema asks for, with its own examples where it has some.
    fn example(&self, schema: &Value, depth: usize) -> Value {
        let schema = self.resolve(schema);
        if let Some(example) = schema.get("example").or_else(|| schema["examples"].get(0)).or_else(|| schema["enum"].get(0)) {
            return example.clone();
        }
        let kind = match &schema["type"] {
            Value::Array(all) => all.iter().find(|kind| *kind != "null").map_or("", |kind| kind.as_str().unwrap_or_default()),
            other => other.as_str().unwrap_or_default(),
        };
        match kind {
            "integer" | "number" => schema.get("minimum").cloned().unwrap_or_else(|| 1.into()),
            "boolean" => true.into(),
            "array" => Value::Array(Vec::new()),
            "string" => "…".into(),
            _ if depth == 0 => Value::Object(Map::new()),
            _ => {
                let required = schema["required"].as_array();
                let wanted = |name: &String, member: &Value| {
                    required.is_some_and(|all| all.iter().any(|one| one == name)) || member.get("example").is_some()
                };
                let properties = schema["properties"].as_object().into_iter().flatten();
                let chosen = properties.filter(|(name, member)| wanted(name, member));
                Value::Object(chosen.map(|(name, member)| (name.clone(), self.example(member, depth - 1))).collect())
            }
        }
    }
}

fn needs(security: &Value) -> Vec<Need> {
    let ways = security.as_array().into_iter().flatten().filter_map(Value::as_object);
    ways.flat_map(|way| way.iter())
        .map(|(way, scopes)| match (way.as_str(), scopes.get(0)) {
            ("client", _) => Need::Client,
            (_, Some(scope)) => Need::Scope(text(scope)),
            _ => Need::Token,
        })
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| if value.is_null() { String::new() } else { value.to_string() }, str::to_owned)
}

/// Which parts there are.
pub async fn overview(State(app): State<Arc<App>>, Extension(reference): Extension<Arc<Lazy>>, visit: Visit) -> Response {
    let asked = Asked::new(&app, visit);
    let page = asked.page();
    html(&page, StatusCode::OK, &Overview { page: &page, reference: &reference, document: app.urls.absolute(urls::OPENAPI) })
}

/// The operations of one part.
pub async fn group(
    State(app): State<Arc<App>>,
    Extension(reference): Extension<Arc<Lazy>>,
    name: Result<Path<String>, axum::extract::rejection::PathRejection>,
    visit: Visit,
) -> Response {
    let asked = Asked::new(&app, visit);
    let page = asked.page();
    let found = name.ok().and_then(|Path(name)| reference.groups.iter().find(|group| group.name == name));
    match found {
        Some(group) => html(&page, StatusCode::OK, &GroupPage { page: &page, group }),
        None => PageError::new(PageReason::NotFound).into_response(&page),
    }
}

/// What an error is called, its status, its title and its explanation in the texts.
pub type ErrorRow = (&'static str, u16, &'static str, &'static str);

/// Every error, by its code.
pub async fn errors(State(app): State<Arc<App>>, Extension(rows): Extension<Arc<Vec<ErrorRow>>>, visit: Visit) -> Response {
    let asked = Asked::new(&app, visit);
    let page = asked.page();
    html(&page, StatusCode::OK, &Errors { page: &page, rows: &rows })
}

/// Where others keep this page.
pub async fn moved(State(app): State<Arc<App>>) -> Response {
    see_other(&app.urls, &app.urls.path(urls::DOCS))
}

#[derive(Template)]
#[template(path = "docs.html")]
struct Overview<'a> {
    page: &'a Page<'a>,
    reference: &'a Reference,
    document: String,
}

#[derive(Template)]
#[template(path = "docs_group.html")]
struct GroupPage<'a> {
    page: &'a Page<'a>,
    group: &'a Group,
}

#[derive(Template)]
#[template(path = "docs_errors.html")]
struct Errors<'a> {
    page: &'a Page<'a>,
    rows: &'a [ErrorRow],
}
