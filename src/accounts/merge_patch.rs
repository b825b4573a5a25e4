//! JSON Merge Patch (RFC 7396), pure: how a profile and the objects in it change.

use serde_json::{Map, Value};

/// RFC 7396 §2: "If the provided merge patch contains members that do not appear within the target, those members are added. If the target
/// does contain the member, the value is replaced. Null values in the merge patch are given special meaning to indicate the removal of existing
/// values in the target."
pub fn apply(target: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (member, value) in patch {
        match value {
            Value::Null => {
                target.remove(member);
            }
            Value::Object(patch) => {
                let inner = target.entry(member.clone()).or_insert_with(|| Value::Object(Map::new()));
                // What was no object gives way to one.
                if !inner.is_object() {
                    *inner = Value::Object(Map::new());
                }
                if let Value::Object(inner) = inner {
                    apply(inner, patch);
                }
            }
            other => {
                target.insert(member.clone(), other.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// RFC 7396 Appendix A, as far as target and patch are objects.
    #[test]
    fn the_vectors_of_the_rfc() {
        for (target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({"a": "foo"}), json!({"a": {"b": null}}), json!({"a": {}})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            let (Value::Object(mut into), Value::Object(patch)) = (target, patch) else { panic!("objects") };
            apply(&mut into, &patch);
            assert_eq!(Value::Object(into), result, "{patch:?}");
        }
    }
}
