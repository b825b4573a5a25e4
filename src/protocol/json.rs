//! JSON in which no member stands twice, at any depth: what two readers would read differently is not read at all.
//!
//! RFC 7519 §4: "The Claim Names within a JWT Claims Set MUST be unique". Called by `claims`, `id_token` and the bodies of the JSON API.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The object in `text`; none for anything else, too deep (128) or with a repeated member.
#[must_use]
pub fn object(text: &[u8]) -> Option<Map<String, Value>> {
    match serde_json::from_slice::<Unique>(text) {
        Ok(Unique(Value::Object(members))) => Some(members),
        _ => None,
    }
}

/// Does every number of `text`, which is JSON, come back as it was given? What neither 64 bits nor a double hold exactly does not.
///
/// RFC 7493 §2.2: "An I-JSON sender cannot expect a receiver to treat an integer whose absolute value is greater than 9007199254740991 … as an exact
/// value"; of what is kept for somebody else, nothing is rounded unsaid.
#[must_use]
pub fn is_exact(text: &[u8]) -> bool {
    let mut bytes = text.iter().copied().enumerate().peekable();
    while let Some((start, byte)) = bytes.next() {
        match byte {
            b'"' => {
                // To the end of the text, past what is escaped in it.
                while let Some((_, byte)) = bytes.next() {
                    match byte {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            b'-' | b'0'..=b'9' => {
                let mut end = start + 1;
                while bytes.next_if(|(_, byte)| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')).is_some() {
                    end += 1;
                }
                if !std::str::from_utf8(&text[start..end]).is_ok_and(holds) {
                    return false;
                }
            }
            _ => {}
        }
    }
    true
}

fn holds(number: &str) -> bool {
    let whole = number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok();
    whole || number.parse::<f64>().is_ok_and(|double| double.is_finite() && digits(number) == digits(&format!("{double:e}")))
}

/// The digits that count, and where the point stands: the same for every way to write a number.
fn digits(number: &str) -> Option<(String, i64)> {
    let number = number.trim_start_matches('-');
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let counting = all.trim_start_matches('0').trim_end_matches('0');
    if counting.is_empty() {
        return Some((String::new(), 0));
    }
    let zeros = all.len() - all.trim_end_matches('0').len();
    let exponent: i64 = exponent.parse().ok()?;
    let point = exponent - i64::try_from(fraction.len()).ok()? + i64::try_from(zeros).ok()?;
    Some((counting.to_owned(), point))
}

struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON without repeated members")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unique(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Unique(value))) = entries.next_entry::<String, Unique>()? {
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tj_04_rfc7519_4_a_repeated_member_is_refused_at_any_depth() {
        for text in [r#"{"sub":"a","sub":"a"}"#, r#"{"a":{"b":[{"c":1,"c":2}]}}"#, r#"{"sub":"a","\u0073ub":"b"}"#] {
            assert_eq!(object(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn a_number_is_exact_or_it_is_not() {
        for text in [
            "{}",
            r#"{"a":[0,-0,1,-2,3.5,0.1,1e3,1E+3,10.0,1.50,9007199254740993,18446744073709551615,-9223372036854775808]}"#,
            r#"{"a":1e30,"b":1.7976931348623157e308,"c":5e-324,"d":0.30000000000000004,"e":0.0e5}"#,
            r#"{"123456789012345678901234567890":"123456789012345678901234567890 \" 0.12345678901234567890"}"#,
        ] {
            assert!(is_exact(text.as_bytes()), "{text}");
        }
        for number in [
            "123456789012345678901234567890",
            "18446744073709551617",
            "-9223372036854775809",
            "0.12345678901234567890",
            "1e400",
            "1e-400",
            "3.14159265358979323846",
        ] {
            assert!(!is_exact(format!(r#"{{"a":"\\","b":[{{"c":{number}}}]}}"#).as_bytes()), "{number}");
        }
    }

    #[test]
    fn az_18_only_an_object_of_sane_depth() {
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        for text in ["", "null", "[]", "1", "\"x\"", "{", "{} {}", "{\"a\":1e400}", &deep] {
            assert_eq!(object(text.as_bytes()), None, "{text}");
        }
        assert_eq!(object(b"{\"a\":\xff}"), None);
        let members = object(br#"{"a":[1,-2,3.5,true,null,"x",{"b":{}}]}"#).expect("an object");
        assert_eq!(Value::Object(members).to_string(), r#"{"a":[1,-2,3.5,true,null,"x",{"b":{}}]}"#);
    }
}
