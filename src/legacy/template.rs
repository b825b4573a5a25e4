//! Bodies with places in them: `"${user.id}"` becomes the value itself, `"Hola ${user.name}"` its text. There is nothing else: no
//! conditions, no loops, no code.
//!
//! Pure. Which places there are depends on the operation and is held against it by `check` before the server starts; a place whose value is
//! missing in a request becomes null.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// A body as a file writes it.
#[derive(Clone, Debug, PartialEq)]
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
    /// # Errors
    /// [`Malformed`].
    pub fn new(value: Value) -> Result<Self, Malformed> {
        walk(&value, &mut |_| ())?;
        Ok(Self(value))
    }

    /// The names of its places, in order.
    #[must_use]
    pub fn places(&self) -> Vec<String> {
        let mut names = Vec::new();
        walk(&self.0, &mut |name| names.push(name.to_owned())).expect("it was well-formed when it was read");
        names
    }

    /// The body with its places filled in. `value` knows what stands for a name.
    pub fn fill(&self, value: &impl Fn(&str) -> Value) -> Value {
        fill(&self.0, value)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::new(Value::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

/// A text with places, filled in with text.
///
/// # Errors
/// [`Malformed`].
pub fn text(template: &str, value: &impl Fn(&str) -> Value) -> Result<String, Malformed> {
    Ok(pieces(template)?.iter().map(|piece| piece.text(value)).collect())
}

fn walk(value: &Value, found: &mut impl FnMut(&str)) -> Result<(), Malformed> {
    match value {
        Value::String(text) => {
            for piece in pieces(text)? {
                if let Piece::Place(name) = piece {
                    found(name);
                }
            }
            Ok(())
        }
        Value::Array(items) => items.iter().try_for_each(|item| walk(item, found)),
        Value::Object(members) => members.values().try_for_each(|member| walk(member, found)),
        _ => Ok(()),
    }
}

fn fill(template: &Value, value: &impl Fn(&str) -> Value) -> Value {
    match template {
        Value::String(text) => {
            let pieces = pieces(text).expect("it was well-formed when it was read");
            match pieces.as_slice() {
                [Piece::Place(name)] => value(name),
                pieces => Value::String(pieces.iter().map(|piece| piece.text(value)).collect()),
            }
        }
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
        let template = Template::new(json!({ "id": "${user.id}", "off": "${user.disabled}", "none": "${user.x}", "all": ["${users}"] }));
        let filled = template.expect("well-formed").fill(&value);
        assert_eq!(filled, json!({ "id": 7, "off": false, "none": null, "all": [[{ "id": 1 }]] }));
    }

    #[test]
    fn a_place_in_a_text_becomes_text_and_is_not_read_again() {
        let filled = Template::new(json!("${user.id}: ${user.name}!${none}")).expect("well-formed").fill(&value);
        assert_eq!(filled, json!("7: Ana \"Ñ\" ${user.id}!"));
        assert_eq!(Template::new(json!("$${user.id} costs 5 $")).expect("well-formed").fill(&value), json!("${user.id} costs 5 $"));
        assert_eq!(Template::new(json!("")).expect("well-formed").fill(&value), json!(""));
    }

    #[test]
    fn what_is_not_a_template() {
        for wrong in ["${", "${}", "a ${b", "${a b}", "${a${b}}", "${ñ}"] {
            assert_eq!(Template::new(json!([wrong])), Err(Malformed), "{wrong}");
        }
    }

    #[test]
    fn places_are_found_wherever_they_stand() {
        let template = Template::new(json!({ "a": ["${x}", { "b": "${y.z} ${x}" }], "c": 1 })).expect("well-formed");
        assert_eq!(template.places(), ["x", "y.z", "x"]);
    }
}
