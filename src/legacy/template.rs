//! Bodies with places in them: `"${user.id}"` becomes the value itself, `"Hola ${user.name}"` its text. There is nothing else: no
//! conditions, no loops, no code.
//!
//! Pure. Which places there are depends on the operation and is held against it by `check` before the server starts; a place whose value is
//! missing in a request becomes null.

use serde::Deserialize;
use serde_json::{Map, Value};

/// A body as a file writes it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(transparent)]
pub struct Template(Value);

/// A `${` without its `}`, or with nothing between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("has a ${{ without a name and }} behind it; $${{ stands for the characters themselves")]
pub struct Malformed;

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
enum Piece<'a> {
    Text(&'a str),
    Place(&'a str),
}

impl Template {
    /// The names of its places, in order.
    #[must_use]
    pub fn places(&self) -> Vec<String> {
        self.ways().into_iter().filter_map(|(_, name)| name.ok()).collect()
    }

    /// The same, each with the way to it (names of members and numbers of items), and what is no place although it begins like one.
    #[must_use]
    pub fn ways(&self) -> Vec<(Vec<String>, Result<String, Malformed>)> {
        let mut found = Vec::new();
        walk(&self.0, &mut Vec::new(), &mut |way, name| found.push((way.to_vec(), name.map(str::to_owned))));
        found
    }

    /// The body with its places filled in. `value` knows what stands for a name.
    pub fn fill(&self, value: &impl Fn(&str) -> Value) -> Value {
        fill(&self.0, value)
    }
}

impl From<Value> for Template {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

/// A text with places, filled in with text.
///
/// # Errors
/// [`Malformed`].
pub fn text(template: &str, value: &impl Fn(&str) -> Value) -> Result<String, Malformed> {
    Ok(pieces(template)?.iter().map(|piece| piece.text(value)).collect())
}

fn walk(value: &Value, way: &mut Vec<String>, found: &mut impl FnMut(&[String], Result<&str, Malformed>)) {
    let mut below = |step: String, value: &Value| {
        way.push(step);
        walk(value, way, found);
        way.pop();
    };
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(n, item)| below(n.to_string(), item)),
        Value::Object(members) => members.iter().for_each(|(name, member)| below(name.clone(), member)),
        Value::String(text) => match pieces(text) {
            Ok(pieces) => {
                for piece in pieces {
                    if let Piece::Place(name) = piece {
                        found(way, Ok(name));
                    }
                }
            }
            Err(malformed) => found(way, Err(malformed)),
        },
        _ => {}
    }
}

fn fill(template: &Value, value: &impl Fn(&str) -> Value) -> Value {
    match template {
        // `check` let none through that is malformed.
        Value::String(text) => match pieces(text).as_deref() {
            Ok([Piece::Place(name)]) => value(name),
            Ok(pieces) => Value::String(pieces.iter().map(|piece| piece.text(value)).collect()),
            Err(_) => template.clone(),
        },
        Value::Array(items) => Value::Array(items.iter().map(|item| fill(item, value)).collect()),
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, member)| (name.clone(), fill(member, value))).collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

impl Piece<'_> {
    fn text(&self, value: &impl Fn(&str) -> Value) -> String {
        match self {
            Self::Text(text) => (*text).to_owned(),
            Self::Place(name) => match value(name) {
                Value::String(text) => text,
                Value::Null => String::new(),
                other => other.to_string(),
            },
        }
    }
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Malformed> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            // `$${`: the dollar before escapes the one behind.
            pieces.push(Piece::Text(&rest[..at - 1]));
            pieces.push(Piece::Text("${"));
            rest = &rest[at + 2..];
            continue;
        }
        if at > 0 {
            pieces.push(Piece::Text(&rest[..at]));
        }
        let (name, behind) = rest[at + 2..].split_once('}').ok_or(Malformed)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || !name.chars().all(plain) {
            return Err(Malformed);
        }
        pieces.push(Piece::Place(name));
        rest = behind;
    }
    if !rest.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(name: &str) -> Value {
        match name {
            "user.id" => json!(7),
            "user.name" => json!("Ana \"Ñ\" ${user.id}"),
            "user.disabled" => json!(false),
            "users" => json!([{ "id": 1 }]),
            _ => Value::Null,
        }
    }

    #[test]
    fn a_place_alone_keeps_its_type() {
        let template = json!({ "id": "${user.id}", "off": "${user.disabled}", "none": "${user.x}", "all": ["${users}"] });
        let filled = Template(template).fill(&value);
        assert_eq!(filled, json!({ "id": 7, "off": false, "none": null, "all": [[{ "id": 1 }]] }));
    }

    #[test]
    fn a_place_in_a_text_becomes_text_and_is_not_read_again() {
        let filled = Template(json!("${user.id}: ${user.name}!${none}")).fill(&value);
        assert_eq!(filled, json!("7: Ana \"Ñ\" ${user.id}!"));
        assert_eq!(Template(json!("$${user.id} costs 5 $")).fill(&value), json!("${user.id} costs 5 $"));
        assert_eq!(Template(json!("")).fill(&value), json!(""));
    }

    #[test]
    fn what_is_not_a_template() {
        for wrong in ["${", "${}", "a ${b", "${a b}", "${a${b}}", "${ñ}"] {
            assert_eq!(Template(json!([wrong])).ways(), [(vec!["0".to_owned()], Err(Malformed))], "{wrong}");
            assert_eq!(Template(json!([wrong])).fill(&value), json!([wrong]));
        }
    }

    #[test]
    fn places_are_found_wherever_they_stand() {
        let template = Template(json!({ "a": ["${x}", { "b": "${y.z} ${x}" }], "c": 1 }));
        assert_eq!(template.places(), ["x", "y.z", "x"]);
        let ways: Vec<_> = template.ways().into_iter().map(|(way, _)| way.join(".")).collect();
        assert_eq!(ways, ["a.0", "a.1.b", "a.1.b"]);
    }
}
