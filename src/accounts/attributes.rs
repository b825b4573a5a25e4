//! Attributes: what a deployment keeps of a person beyond the standard claims. An object, bounded, and held to a JSON Schema where the
//! deployment has one.
//!
//! They are data of the deployment's own apps: never claims of a token, and no right hangs from them. jsonschema is named here and nowhere else.
//! Called by `users` and `profile`, and by `app` at the start, so that a schema which is wrong is found then.

use std::path::Path;

use jsonschema::Validator;
use serde_json::{Map, Value};

/// All of a person's attributes together, as JSON.
const MAX_BYTES: usize = 16 * 1024;
/// Objects and arrays inside each other.
const MAX_DEPTH: usize = 8;

/// Attributes that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("attributes{pointer}: {reason}")]
pub struct BadAttributes {
    /// Where, as a JSON Pointer (RFC 6901) into the attributes; empty for all of them.
    pub pointer: String,
    pub reason: String,
}

/// The rules for attributes.
#[derive(Debug, Default)]
pub struct Schema(Option<Validator>);

impl Schema {
    /// Reads the schema of a deployment. `$ref` leads nowhere but into the same file.
    ///
    /// # Errors
    /// What is wrong with the file, in words for whoever runs the server.
    pub fn load(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        let schema: Value = serde_json::from_str(&text).map_err(|error| format!("it is no JSON: {error}"))?;
        Self::new(&schema)
    }

    /// # Errors
    /// What is wrong with the schema.
    pub fn new(schema: &Value) -> Result<Self, String> {
        jsonschema::validator_for(schema).map(|validator| Self(Some(validator))).map_err(|error| format!("it is no JSON Schema: {error}"))
    }

    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self, attributes: &Map<String, Value>) -> Result<(), BadAttributes> {
        let whole = |reason: &str| BadAttributes { pointer: String::new(), reason: reason.to_owned() };
        let size = serde_json::to_vec(attributes).map_or(usize::MAX, |json| json.len());
        if size > MAX_BYTES {
            return Err(whole("are more than 16 KB together"));
        }
        let value = Value::Object(attributes.clone());
        if depth(&value) > MAX_DEPTH {
            return Err(whole("are nested more than 8 deep"));
        }
        if holds_nul(&value) {
            return Err(whole("hold a NUL character"));
        }
        match self.0.as_ref().map(|validator| validator.validate(&value)) {
            None | Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(BadAttributes { pointer: error.instance_path().to_string(), reason: error.to_string() }),
        }
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// Postgres cannot keep one, and nobody means it.
fn holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(holds_nul),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        let Value::Object(map) = value else { panic!("an object") };
        map
    }

    #[test]
    fn without_a_schema_they_are_only_bounded() {
        let any = Schema::default();
        assert_eq!(any.check(&object(json!({"city_id": 7, "xp_total": 1.5, "tags": ["a", null, {"b": true}]}))), Ok(()));
        let large = object(json!({"note": "x".repeat(MAX_BYTES)}));
        assert_eq!(any.check(&large).map_err(|bad| bad.reason), Err("are more than 16 KB together".to_owned()));
        let deep = (0..8).fold(json!(1), |inner, _| json!([inner]));
        assert!(any.check(&object(json!({ "a": deep }))).is_err());
        assert!(any.check(&object(json!({"a": "x\u{0}"}))).is_err());
        assert!(any.check(&object(json!({"a\u{0}": 1}))).is_err());
    }

    #[test]
    fn a_schema_is_held_to_and_says_where() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {"city_id": {"type": "integer"}, "xp_total": {"type": "integer", "minimum": 0}},
            "additionalProperties": false
        });
        let schema = Schema::new(&schema).expect("a schema");
        assert_eq!(schema.check(&object(json!({"city_id": 7, "xp_total": 0}))), Ok(()));
        assert_eq!(schema.check(&object(json!({"xp_total": -1}))).map_err(|bad| bad.pointer), Err("/xp_total".to_owned()));
        assert!(schema.check(&object(json!({"role": "owner"}))).is_err());
        assert!(Schema::new(&json!({"type": "no such type"})).is_err());
        assert!(Schema::new(&json!({"$ref": "https://elsewhere.example/schema.json"})).is_err(), "nothing is fetched");
    }
}
