//! Requests are held to the schemas that the document publishes: one description for readers, for generators and for the server itself.
//!
//! The only room of the API that names `jsonschema`. What a schema cannot say is checked by whoever does the work.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{ValidationError, Validator};
use serde_json::{Map, Value};

use super::document;
use super::problem::{At, Why, Wrong};

/// At most so many things are told at once.
const TOLD: usize = 50;

static COMPONENTS: LazyLock<Value> = LazyLock::new(document::components);
static COMPILED: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// What is wrong with a body, by the schema of that name in the document.
///
/// # Errors
/// All that is wrong with it, as far as one can read.
pub fn check_body(name: &str, body: &Value) -> Result<(), Vec<Wrong>> {
    let schema = || {
        let mut schema = Map::new();
        schema.insert("$ref".to_owned(), format!("#/components/schemas/{name}").into());
        schema.insert("components".to_owned(), COMPONENTS.clone());
        Value::Object(schema)
    };
    check(&compiled(name, schema), body, |path| At::Pointer(path.to_owned()))
}

/// What is wrong with parameters, by a schema of their own: an object, a member for each.
///
/// # Errors
/// The same.
pub fn check_parameters(name: &str, schema: impl FnOnce() -> Value, given: &Value) -> Result<(), Vec<Wrong>> {
    check(&compiled(name, schema), given, |path| At::Parameter(path.trim_start_matches('/').to_owned()))
}

fn compiled(name: &str, schema: impl FnOnce() -> Value) -> Arc<Validator> {
    let mut compiled = COMPILED.lock().expect("no holder of this lock panics");
    if let Some(validator) = compiled.get(name) {
        return Arc::clone(validator);
    }
    // `format` is an annotation (JSON Schema 2020-12 §7.2.1): the rooms that know an address or a moment judge it.
    let made = jsonschema::draft202012::options().should_validate_formats(false).build(&schema());
    let validator = Arc::new(made.expect("the document's own schemas are valid; a test compiles each"));
    compiled.insert(name.to_owned(), Arc::clone(&validator));
    validator
}

fn check(validator: &Validator, given: &Value, at: impl Fn(&str) -> At) -> Result<(), Vec<Wrong>> {
    let mut wrong = Vec::new();
    for error in validator.iter_errors(given).take(TOLD) {
        tell(&error, &at, &mut wrong);
    }
    // Texts with a NUL are refused for every member at once: no store takes them.
    nuls(given, &mut String::new(), &mut |path| {
        wrong.push(Wrong { at: at(path), code: "malformed", why: Why::Text("problem-field-nul", None) })
    });
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

fn tell(error: &ValidationError<'_>, at: &impl Fn(&str) -> At, wrong: &mut Vec<Wrong>) {
    let path = error.instance_path().as_str();
    let below = |name: &str| at(&format!("{path}/{}", escaped(name)));
    let mut push =
        |at: At, code: &'static str, text: &'static str, limit: Option<String>| wrong.push(Wrong { at, code, why: Why::Text(text, limit) });
    match error.kind() {
        Kind::Required { property } => push(below(property.as_str().unwrap_or_default()), "required", "problem-field-required", None),
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            for name in unexpected.iter().take(TOLD) {
                push(below(name), "unknown_member", "problem-field-unknown", None);
            }
        }
        Kind::Type { .. } => push(at(path), "wrong_type", "problem-field-type", None),
        Kind::MinLength { limit } => push(at(path), "too_short", "problem-field-short", Some(limit.to_string())),
        Kind::MaxLength { limit } => push(at(path), "too_long", "problem-field-long", Some(limit.to_string())),
        Kind::MaxItems { limit } | Kind::MaxProperties { limit } => {
            push(at(path), "too_many", "problem-field-many", Some(limit.to_string()))
        }
        Kind::MinItems { limit } | Kind::MinProperties { limit } => push(at(path), "too_few", "problem-field-few", Some(limit.to_string())),
        Kind::Minimum { limit } | Kind::ExclusiveMinimum { limit } => {
            push(at(path), "too_small", "problem-field-small", Some(limit.to_string()))
        }
        Kind::Maximum { limit } | Kind::ExclusiveMaximum { limit } => {
            push(at(path), "too_large", "problem-field-large", Some(limit.to_string()))
        }
        Kind::UniqueItems => push(at(path), "repeated", "problem-field-repeated", None),
        Kind::Enum { options } => {
            let options = options.as_array().map(|all| all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "));
            push(at(path), "not_allowed", "problem-field-options", Some(options.unwrap_or_default()));
        }
        // Either of several forms, of which none fits: what is wrong with the last, which is the one that is not `null`.
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => match context.last().map(Vec::as_slice) {
            Some([first, ..]) => tell(first, at, wrong),
            _ => push(at(path), "malformed", "problem-field-malformed", None),
        },
        _ => push(at(path), "malformed", "problem-field-malformed", None),
    }
}

fn nuls(value: &Value, path: &mut String, found: &mut impl FnMut(&str)) {
    let mut below = |name: &str, value: &Value| {
        let length = path.len();
        path.push('/');
        path.push_str(&escaped(name));
        nuls(value, path, found);
        path.truncate(length);
    };
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(at, item)| below(&at.to_string(), item)),
        Value::Object(members) => {
            for (name, member) in members {
                below(name, member);
            }
            if members.keys().any(|name| name.contains('\0')) {
                found(path);
            }
        }
        Value::String(text) if text.contains('\0') => found(path),
        _ => {}
    }
}

/// RFC 6901 §3.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_schema_of_the_document_compiles() {
        let names: Vec<String> = COMPONENTS["schemas"].as_object().expect("schemas").keys().cloned().collect();
        assert!(names.len() > 5, "{names:?}");
        for name in names {
            // What a schema says about this value does not matter here.
            let _ = check_body(&name, &json!({}));
        }
    }

    #[test]
    fn a_nul_is_found_wherever_it_stands() {
        let mut at = Vec::new();
        nuls(&json!({"a": ["x", "y\0"], "b/c": {"d\0": 1}}), &mut String::new(), &mut |path| at.push(path.to_owned()));
        assert_eq!(at, ["/a/1", "/b~1c"]);
    }
}
