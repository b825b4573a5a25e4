//! The OpenAPI document: what stands beside the routes, and what holds for all of them, said once.
//!
//! Routes and their operations come from one line each (`utoipa_axum::routes!`). Added here: servers, the ways to get a token, the errors that
//! follow from what an operation takes (a body, a name in the path, a token, …). Called by `router`, `cli` and `schema`.

use serde_json::{Map, Value, json};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;

use super::access::ROLES_OF;
use super::problem::{self, Code, ProblemDocument, ProblemField};
use crate::protocol::scope;
use crate::urls::{self, Urls};

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Portero",
        description = "An OAuth 2 and OpenID Connect authorization server: its protocol endpoints, and its own API under `/v1`.\n\n\
            Every operation below `/v1` takes and gives JSON. What went wrong is told as `application/problem+json` (RFC 9457) with a `code` that \
            never changes. Lists come in pages: `limit`, and `cursor` for the next one, which `next` and the `Link` header name. A change is a \
            merge patch (RFC 7396); with `If-Match` it is done only to what you have seen. A request that creates something may carry an \
            `Idempotency-Key`. Members that an operation does not know are refused.",
        contact(name = "Portero"),
        license(name = "As the operator says", url = "about:blank"),
    ),
    components(schemas(ProblemDocument, ProblemField)),
    tags(
        (name = "registration", description = "For people who have no account yet, or cannot sign in."),
        (name = "me", description = "The person whose token it is."),
        (name = "users", description = "People, for administrators."),
        (name = "clients", description = "Apps and machines, for administrators."),
        (name = "organizations", description = "Organisations and their members."),
        (name = "audit", description = "Who did what, on what, from where, with what result."),
        (name = "one-time-tokens", description = "Tokens that work once."),
        (name = "protocol", description = "OAuth 2 and OpenID Connect. Requests are form-encoded; errors are those of the specifications."),
    ),
)]
struct Frame;

/// What the operations of all rooms are added to.
#[must_use]
pub fn frame() -> OpenApi {
    Frame::openapi()
}

/// The schemas that requests are held to.
#[must_use]
pub fn components() -> Value {
    let document = serde_json::to_value(super::operations().into_openapi()).unwrap_or_default();
    let mut components = document["components"].clone();
    tighten(&mut components);
    components
}

/// The whole document for a deployment.
#[must_use]
pub fn write(openapi: &OpenApi, urls: &Urls) -> Value {
    let mut document = serde_json::to_value(openapi).unwrap_or_default();
    document["servers"] = json!([{ "url": urls.absolute("") }]);
    tighten(&mut document["components"]);
    document["components"]["responses"] = responses();
    document["components"]["securitySchemes"] = ways_in(urls);
    if let Some(paths) = document["paths"].as_object_mut() {
        for (path, item) in paths.iter_mut() {
            for (method, operation) in item.as_object_mut().into_iter().flatten() {
                if let Some(operation) = operation.as_object_mut() {
                    complete(path, method, operation);
                }
            }
        }
    }
    document
}

/// No text holds a NUL, and metadata of clients is read to the last member here.
fn tighten(components: &mut Value) {
    let Some(schemas) = components["schemas"].as_object_mut() else { return };
    for schema in schemas.values_mut() {
        without_nul(schema);
    }
    if let Some(metadata) = schemas.get_mut("ClientMetadata") {
        metadata["additionalProperties"] = false.into();
    }
}

fn without_nul(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            let is_text = match &members.get("type") {
                Some(Value::String(one)) => one == "string",
                Some(Value::Array(all)) => all.iter().any(|one| one == "string"),
                _ => false,
            };
            if is_text && !["pattern", "enum", "format"].iter().any(|known| members.contains_key(*known)) {
                members.insert("pattern".to_owned(), "^[^\\u0000]*$".into());
            }
            members.values_mut().for_each(without_nul);
        }
        Value::Array(items) => items.iter_mut().for_each(without_nul),
        _ => {}
    }
}

/// The errors that follow from what an operation takes.
fn complete(path: &str, method: &str, operation: &mut Map<String, Value>) {
    // Nothing stands open because somebody forgot to say so: what asks for nothing says that it does.
    operation.entry("security").or_insert_with(|| json!([]));
    if !path.starts_with("/v1/") {
        return;
    }
    let takes = |name: &str| {
        let all = operation.get("parameters").and_then(Value::as_array);
        all.is_some_and(|all| all.iter().any(|parameter| parameter["name"] == name))
    };
    let public = operation.get("security").and_then(Value::as_array).is_none_or(|all| all.iter().all(|way| way == &json!({})));
    let mut statuses = vec![400, 406, 414, 429, 500, 503];
    if !public {
        statuses.extend([401, 403]);
    }
    if path.contains('{') {
        statuses.push(404);
    }
    if operation.contains_key("requestBody") {
        statuses.extend([408, 413, 415]);
    }
    if takes("Idempotency-Key") {
        statuses.extend([408, 409, 413, 422]);
    }
    if takes("If-Match") {
        statuses.extend([409, 412]);
    }
    if method == "get" && takes("If-None-Match") {
        operation["responses"]["304"] = json!({ "description": "You have it already." });
    }
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { return };
    for status in statuses {
        responses.entry(status.to_string()).or_insert_with(|| json!({ "$ref": format!("#/components/responses/Problem{status}") }));
    }
    // In the order of their numbers.
    let mut sorted: Vec<_> = std::mem::take(responses).into_iter().collect();
    sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
    responses.extend(sorted);
}

/// One for each status that the API refuses with, with the codes it may have.
fn responses() -> Value {
    let mut all = Map::new();
    // No operation answers 405: what it would answer for is not there.
    for status in Code::ALL.iter().map(|code| code.status()).filter(|status| *status != 405) {
        let codes: Vec<_> = Code::ALL.iter().filter(|code| code.status() == status).map(|code| format!("`{}`", code.as_str())).collect();
        let mut response = json!({
            "description": format!("Code {}.", codes.join(", ")),
            "content": { problem::MEDIA_TYPE: { "schema": { "$ref": "#/components/schemas/Problem" } } },
        });
        match status {
            401 => response["headers"] = json!({ "WWW-Authenticate": { "description": "RFC 6750 §3", "schema": { "type": "string" } } }),
            429 | 503 => {
                response["headers"] =
                    json!({ "Retry-After": { "description": "Seconds", "required": true, "schema": { "type": "integer" } } });
            }
            _ => {}
        }
        all.insert(format!("Problem{status}"), response);
    }
    Value::Object(all)
}

fn ways_in(urls: &Urls) -> Value {
    let mut scopes = Map::new();
    for (scope, roles) in ROLES_OF {
        let words = match roles {
            [] => "One's own account".to_owned(),
            roles => format!("Roles: {}", roles.join(", ")),
        };
        scopes.insert((*scope).to_owned(), words.into());
    }
    let machine: Map<String, Value> = scopes.clone().into_iter().filter(|(name, _)| name != scope::ACCOUNT).collect();
    json!({
        "oauth": {
            "type": "oauth2",
            "description": "An access token whose `aud` holds the issuer. A person needs a role beside the scope; a client that acts for itself needs \
                            the scope alone, which an administrator gave it.",
            "flows": {
                "authorizationCode": {
                    "authorizationUrl": urls.absolute(urls::AUTHORIZE),
                    "tokenUrl": urls.absolute(urls::TOKEN),
                    "refreshUrl": urls.absolute(urls::TOKEN),
                    "scopes": scopes,
                },
                "clientCredentials": { "tokenUrl": urls.absolute(urls::TOKEN), "scopes": machine },
            },
        },
        "client": { "type": "http", "scheme": "basic", "description": "`client_id` and `client_secret` (RFC 6749 §2.3.1)." },
        "bearer": { "type": "http", "scheme": "bearer", "description": "Any access token of this server." },
    })
}
