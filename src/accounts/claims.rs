//! What is known of a person beyond their names: the standard claims of OIDC Core §5.1, checked before they are kept.
//!
//! Owns: which members there are and their types. Leaves to others: which of them a client sees (`protocol::claims`). Called by `users`.

use serde_json::{Map, Value};

/// All of a person's claims together, as JSON.
const MAX_BYTES: usize = 4096;
const MAX_TEXT: usize = 1024;

/// A member that cannot be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{member}: {reason}")]
pub struct BadClaim {
    pub member: String,
    pub reason: &'static str,
}

/// The claims of a file, sorted out: those that are columns of an account, and the rest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Given {
    pub name: Option<String>,
    pub locale: Option<String>,
    pub preferred_username: Option<String>,
    pub email: Option<String>,
    pub email_verified: Option<bool>,
    pub claims: Map<String, Value>,
}

impl Given {
    /// The first member that is a column of an account and no further claim.
    #[must_use]
    pub fn column(&self) -> Option<&'static str> {
        [
            (self.name.is_some(), "name"),
            (self.locale.is_some(), "locale"),
            (self.preferred_username.is_some(), "preferred_username"),
            (self.email.is_some(), "email"),
            (self.email_verified.is_some(), "email_verified"),
        ]
        .into_iter()
        .find_map(|(given, member)| given.then_some(member))
    }
}

/// Reads the standard claims of OIDC Core §5.1. A `null`, an empty text and `updated_at`, which is ours to say, are left out.
///
/// # Errors
/// The first member that is none of the standard claims, or not of its type. `sub` is refused: it is the account's id for ever.
pub fn read(given: Map<String, Value>) -> Result<Given, BadClaim> {
    let mut sorted = Given::default();
    for (member, value) in given {
        let bad = |reason| BadClaim { member: member.clone(), reason };
        if value.is_null() || value == "" || member == "updated_at" {
            continue;
        }
        let text = |value: &Value| check_text(value).map_err(bad);
        match member.as_str() {
            "name" => sorted.name = Some(text(&value)?),
            "locale" => sorted.locale = Some(text(&value)?),
            "preferred_username" => sorted.preferred_username = Some(text(&value)?),
            "email" => sorted.email = Some(text(&value)?),
            "email_verified" => sorted.email_verified = Some(value.as_bool().ok_or_else(|| bad("must be true or false"))?),
            _ => {
                check(&member, &value).map_err(bad)?;
                sorted.claims.insert(member, value);
            }
        }
    }
    let size = serde_json::to_vec(&sorted.claims).map_or(usize::MAX, |json| json.len());
    if size > MAX_BYTES {
        return Err(BadClaim { member: "claims".into(), reason: "are more than 4096 bytes together" });
    }
    Ok(sorted)
}

fn check(member: &str, value: &Value) -> Result<(), &'static str> {
    // OIDC Core §5.2: "claims MAY be represented in multiple languages": a language tag follows a `#`.
    let (name, tag) = member.split_once('#').map_or((member, None), |(name, tag)| (name, Some(tag)));
    if tag.is_some_and(|tag| !is_locale(tag)) {
        return Err("has no language tag (BCP 47) after the #");
    }
    match name {
        "given_name" | "family_name" | "middle_name" | "nickname" => check_text(value).map(|_| ()),
        "gender" | "zoneinfo" | "phone_number" if tag.is_none() => check_text(value).map(|_| ()),
        "profile" | "picture" | "website" => check_page(&check_text(value)?),
        "birthdate" if tag.is_none() => check_birthdate(&check_text(value)?),
        "phone_number_verified" if tag.is_none() => value.as_bool().map(|_| ()).ok_or("must be true or false"),
        "address" => check_address(value),
        // Members that decide something in a token are never taken from a profile.
        _ => Err("is not a standard claim (OIDC Core, section 5.1)"),
    }
}

fn check_text(value: &Value) -> Result<String, &'static str> {
    let text = value.as_str().ok_or("must be text")?;
    if text.len() > MAX_TEXT {
        return Err("is longer than 1024 bytes");
    }
    if text.chars().any(char::is_control) {
        return Err("holds a control character");
    }
    Ok(text.to_owned())
}

fn check_page(text: &str) -> Result<(), &'static str> {
    let url = url::Url::parse(text).map_err(|_| "must be a URL")?;
    if matches!(url.scheme(), "http" | "https") { Ok(()) } else { Err("must be an http or https URL") }
}

/// OIDC Core §5.1: "represented as an ISO 8601-1 YYYY-MM-DD format. The year MAY be 0000, indicating that it is omitted. To represent only
/// the year, YYYY format is allowed."
fn check_birthdate(text: &str) -> Result<(), &'static str> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let year_only = text.len() == 4 && digits(text);
    // A leap year stands for the one that was left out.
    let dated = if text.starts_with("0000") { text.replacen("0000", "2000", 1) } else { text.to_owned() };
    let full = text.len() == 10 && chrono::NaiveDate::parse_from_str(&dated, "%Y-%m-%d").is_ok();
    if year_only || full { Ok(()) } else { Err("must be YYYY-MM-DD or YYYY") }
}

/// OIDC Core §5.1.1. `formatted` and `street_address` may have several lines.
fn check_address(value: &Value) -> Result<(), &'static str> {
    const MEMBERS: [&str; 6] = ["formatted", "street_address", "locality", "region", "postal_code", "country"];
    let address = value.as_object().ok_or("must be an object")?;
    if address.is_empty() {
        return Err("is empty");
    }
    for (member, value) in address {
        if !MEMBERS.contains(&member.as_str()) {
            return Err("has a member that section 5.1.1 of OIDC Core does not know");
        }
        let text = value.as_str().ok_or("has a member that is not text")?;
        if text.is_empty() || text.len() > MAX_TEXT || text.chars().any(|c| c.is_control() && c != '\n' && c != '\r') {
            return Err("has a member that is empty, too long or holds a control character");
        }
    }
    Ok(())
}

/// The shape of a language tag (BCP 47): letters first, then subtags of letters and digits.
#[must_use]
pub fn is_locale(tag: &str) -> bool {
    let mut subtags = tag.split('-');
    let language = subtags.next().is_some_and(|first| (2..=8).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic()));
    language
        && tag.len() <= 35
        && subtags.all(|subtag| (1..=8).contains(&subtag.len()) && subtag.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_json(value: Value) -> Result<Given, BadClaim> {
        let Value::Object(map) = value else { panic!("an object") };
        read(map)
    }

    #[test]
    fn every_standard_claim_is_read() {
        let given = read_json(json!({
            "name": "Ana Núñez", "given_name": "Ana", "family_name": "Núñez", "middle_name": "M", "nickname": "ani", "family_name#ja-Kana-JP": "ヌニェス",
            "preferred_username": "ana", "profile": "https://ana.example/", "picture": "https://ana.example/a.png", "website": "http://ana.example",
            "email": "ana@example.org", "email_verified": true, "gender": "female", "birthdate": "1990-02-28", "zoneinfo": "Europe/Madrid",
            "locale": "es-ES", "phone_number": "+34 600 000 000", "phone_number_verified": false,
            "address": {"street_address": "Calle 1\n2º", "locality": "Madrid", "country": "ES"}, "updated_at": 1, "nothing": null,
        }))
        .expect("all standard");
        assert_eq!((given.name.as_deref(), given.locale.as_deref()), (Some("Ana Núñez"), Some("es-ES")));
        assert_eq!((given.preferred_username.as_deref(), given.email_verified), (Some("ana"), Some(true)));
        assert_eq!(given.claims["address"]["country"], "ES");
        assert_eq!(given.claims["phone_number_verified"], false);
        for left_out in ["name", "email", "updated_at", "nothing", "sub"] {
            assert_eq!(given.claims.get(left_out), None, "{left_out}");
        }
    }

    #[test]
    fn tj_11_what_decides_in_a_token_is_no_claim_of_a_person() {
        for member in [
            "sub",
            "iss",
            "aud",
            "exp",
            "iat",
            "jti",
            "roles",
            "scope",
            "client_id",
            "act",
            "cnf",
            "acr",
            "amr",
            "sid",
            "a.b",
            "address.country",
        ] {
            assert_eq!(read_json(json!({member: "x"})).map_err(|bad| bad.member), Err(member.to_owned()));
        }
    }

    #[test]
    fn a_claim_has_its_type() {
        for bad in [
            json!({"given_name": 7}),
            json!({"given_name": "a\u{0}b"}),
            json!({"given_name": "x".repeat(1025)}),
            json!({"given_name#": "x"}),
            json!({"birthdate#es": "1990"}),
            json!({"email_verified": "true"}),
            json!({"phone_number_verified": 1}),
            json!({"picture": "javascript:alert(1)"}),
            json!({"website": "example.org"}),
            json!({"birthdate": "28.02.1990"}),
            json!({"birthdate": "1990-02-30"}),
            json!({"address": "Madrid"}),
            json!({"address": {}}),
            json!({"address": {"planet": "Earth"}}),
            json!({"address": {"country": null}}),
        ] {
            assert!(read_json(bad.clone()).is_err(), "{bad}");
        }
        for birthdate in ["1990", "0000-02-29", "1990-12-31"] {
            assert!(read_json(json!({"birthdate": birthdate})).is_ok(), "{birthdate}");
        }
        let many: Map<String, Value> = (0..6).map(|n| (format!("nickname#en-x{n}"), "y".repeat(1000).into())).collect();
        assert!(read(many).is_err(), "more than a token can carry");
    }

    #[test]
    fn language_tags() {
        for tag in ["es", "es-MX", "zh-Hant-TW", "sl-rozaj-biske-1994"] {
            assert!(is_locale(tag), "{tag}");
        }
        for tag in ["", "e", "es_MX", "es-", "-es", "123", "es mx", "averyverylonglanguage"] {
            assert!(!is_locale(tag), "{tag}");
        }
    }
}
