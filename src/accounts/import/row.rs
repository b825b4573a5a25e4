//! What a record says of a person, whichever system wrote it.
//!
//! Owns: the names that members have in the systems people come from, and the types they come in (`t` and `f` from Postgres, milliseconds
//! from Keycloak). Leaves to others: stored passwords (`hashes`), whether an address or a name is valid (`users`).

use std::collections::BTreeSet;

use chrono::{NaiveDate, NaiveDateTime, Utc};
use serde_json::{Map, Value};

use crate::storage::Time;
use crate::storage::durable::users::ExternalId;

/// A person as a record describes them.
#[derive(Debug, Default, PartialEq)]
pub struct Row {
    pub external_id: Option<String>,
    /// Ids in further systems: an export names them.
    pub external: Vec<ExternalId>,
    pub email: Option<String>,
    pub email_verified: bool,
    pub username: Option<String>,
    pub name: Option<String>,
    pub locale: Option<String>,
    pub claims: Map<String, Value>,
    pub attributes: Map<String, Value>,
    pub roles: Vec<String>,
    pub disabled: bool,
    /// Their password opens nothing until it is replaced.
    pub reset_required: bool,
    pub created_at: Option<Time>,
}

/// `--map-role`: a role or a true column of the source, and the role it becomes. Nothing else gives a role.
pub type RoleMap = [(String, String)];

/// Members that were left lying, by name: told once.
#[derive(Debug, Default)]
pub struct LeftOut {
    pub members: BTreeSet<String>,
    pub roles: BTreeSet<String>,
}

impl LeftOut {
    /// A file can name any number of things; these are enough to see what it is about.
    const MOST: usize = 50;

    fn note(set: &mut BTreeSet<String>, name: &str) {
        if set.len() < Self::MOST && !set.contains(name) {
            set.insert(name.chars().filter(|c| !c.is_control()).take(64).collect());
        }
    }
}

const EXTERNAL_ID: [&str; 5] = ["external_id", "user_id", "localId", "id", "_id"];
const EMAIL_VERIFIED: [&str; 3] = ["email_verified", "emailVerified", "is_verified"];
const NAME: [&str; 4] = ["name", "full_name", "displayName", "display_name"];
const CREATED_AT: [&str; 4] = ["created_at", "createdAt", "createdTimestamp", "date_joined"];
/// Whether they are kept out, and what says that they are.
const DISABLED: [(&str, bool); 5] = [("disabled", true), ("blocked", true), ("is_active", false), ("enabled", false), ("active", false)];
/// Members that are claims, and under which name.
const CLAIMS: [(&str, &str); 19] = [
    ("given_name", "given_name"),
    ("first_name", "given_name"),
    ("firstName", "given_name"),
    ("family_name", "family_name"),
    ("last_name", "family_name"),
    ("lastName", "family_name"),
    ("middle_name", "middle_name"),
    ("nickname", "nickname"),
    ("profile", "profile"),
    ("picture", "picture"),
    ("photoUrl", "picture"),
    ("website", "website"),
    ("gender", "gender"),
    ("birthdate", "birthdate"),
    ("zoneinfo", "zoneinfo"),
    ("phone_number", "phone_number"),
    ("phoneNumber", "phone_number"),
    ("phone_number_verified", "phone_number_verified"),
    ("address", "address"),
];
/// Objects that Auth0 and Firebase keep for apps.
const ATTRIBUTES: [&str; 3] = ["user_metadata", "app_metadata", "customAttributes"];
/// Flags that say something of roles, and members that say nothing which is kept; neither is worth a hint.
const SILENT: [&str; 21] = [
    "reset_required",
    "password_hash",
    "passwordHash",
    "hashed_password",
    "password",
    "salt",
    "custom_password_hash",
    "credentials",
    "username",
    "email",
    "locale",
    "roles",
    "realmRoles",
    "claims",
    "attributes",
    "external_ids",
    "updated_at",
    "last_login",
    "totp",
    "disableableCredentialTypes",
    "requiredActions",
];

/// Reads a record.
///
/// # Errors
/// The member that is not of its type, and why.
pub fn read(members: &Map<String, Value>, role_map: &RoleMap, left_out: &mut LeftOut) -> Result<Row, String> {
    let mut row = Row {
        external_id: first(members, &EXTERNAL_ID).map(|(name, value)| id(name, value)).transpose()?,
        external: external_ids(members.get("external_ids"))?,
        email: optional(members, "email")?,
        username: optional(members, "username")?,
        locale: optional(members, "locale")?,
        email_verified: first(members, &EMAIL_VERIFIED).map(|(name, value)| flag(name, value)).transpose()?.unwrap_or(false),
        name: first(members, &NAME).map(|(name, value)| line(name, value)).transpose()?,
        created_at: first(members, &CREATED_AT).map(|(name, value)| moment(name, value)).transpose()?,
        ..Row::default()
    };
    for (name, means_disabled) in DISABLED {
        if let Some(value) = there(members, name) {
            row.disabled |= flag(name, value)? == means_disabled;
        }
    }
    if let Some(value) = there(members, "reset_required") {
        row.reset_required = flag("reset_required", value)?;
    }
    if let Some(claims) = there(members, "claims") {
        row.claims = object("claims", claims)?;
    }
    for (name, claim) in CLAIMS {
        if let Some(value) = there(members, name) {
            let value = match (claim, value) {
                ("phone_number_verified", value) => Value::Bool(flag(name, value)?),
                ("address", value) => Value::Object(object(name, value)?),
                ("given_name" | "family_name" | "middle_name" | "nickname", value) => Value::String(line(name, value)?),
                (_, value) => Value::String(text(name, value)?),
            };
            if value != "" {
                row.claims.entry(claim).or_insert(value);
            }
        }
    }
    if row.name.is_none() {
        let part = |claim: &str| row.claims.get(claim).and_then(Value::as_str);
        let parts: Vec<&str> = [part("given_name"), part("family_name")].into_iter().flatten().collect();
        row.name = Some(parts.join(" ")).filter(|name| !name.is_empty());
    }
    // Keycloak can use the address as the user name: then there is no other.
    if row.username.as_deref().map(str::to_lowercase) == row.email.as_deref().map(str::to_lowercase) {
        row.username = None;
    }
    if let Some(attributes) = there(members, "attributes") {
        row.attributes = object("attributes", attributes)?;
    }
    for name in ATTRIBUTES {
        if let Some(value) = there(members, name) {
            row.attributes.entry(name).or_insert(scalar(value));
        }
    }
    let mut roles = listed(members.get("roles"));
    roles.extend(listed(members.get("realmRoles")));
    for (from, to) in role_map {
        let is_set = members.get(from).is_some_and(|value| flag(from, value).unwrap_or(false));
        if is_set || roles.contains(from) {
            row.roles.push(to.clone());
        }
    }
    let mapped = |name: &str| role_map.iter().any(|(from, _)| from == name);
    roles.iter().filter(|role| !mapped(role)).for_each(|role| LeftOut::note(&mut left_out.roles, role));
    for (name, value) in members {
        if let Some(attribute) = name.strip_prefix("attributes.") {
            if !value.is_null() {
                row.attributes.insert(attribute.to_owned(), scalar(value));
            }
            continue;
        }
        let known = EXTERNAL_ID.contains(&&**name)
            || EMAIL_VERIFIED.contains(&&**name)
            || NAME.contains(&&**name)
            || CREATED_AT.contains(&&**name)
            || ATTRIBUTES.contains(&&**name)
            || SILENT.contains(&&**name)
            || DISABLED.iter().any(|(known, _)| known == name)
            || CLAIMS.iter().any(|(known, _)| known == name);
        if !known && !mapped(name) {
            LeftOut::note(&mut left_out.members, name);
        }
    }
    Ok(row)
}

/// The id of a record in its source, where that much of it can be read.
pub fn external_id(members: &Map<String, Value>) -> Option<String> {
    first(members, &EXTERNAL_ID).and_then(|(name, value)| id(name, value).ok())
}

/// A member that says something.
pub fn there<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.get(name).filter(|value| !value.is_null() && *value != "")
}

fn first<'a>(members: &'a Map<String, Value>, names: &[&'static str]) -> Option<(&'static str, &'a Value)> {
    names.iter().find_map(|name| Some((*name, there(members, name)?)))
}

fn optional(members: &Map<String, Value>, name: &'static str) -> Result<Option<String>, String> {
    Ok(there(members, name).map(|value| text(name, value)).transpose()?.filter(|text| !text.is_empty()))
}

fn text(name: &str, value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.trim().to_owned()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(format!("{name}: must be text")),
    }
}

/// What is shown to people stands on one line: nobody stays out for a line break in their name.
fn line(name: &str, value: &Value) -> Result<String, String> {
    let text = text(name, value)?;
    if !text.contains(char::is_control) {
        return Ok(text);
    }
    let words: Vec<&str> = text.split(char::is_control).filter(|words| !words.is_empty()).collect();
    Ok(words.join(" ").trim().to_owned())
}

/// An id is text, whatever type it has at home; MongoDB wraps it.
fn id(name: &str, value: &Value) -> Result<String, String> {
    let id = text(name, value.get("$oid").unwrap_or(value))?;
    let good = (1..=255).contains(&id.len()) && !id.chars().any(char::is_control);
    if good { Ok(id) } else { Err(format!("{name}: must be 1 to 255 bytes without control characters")) }
}

fn external_ids(value: Option<&Value>) -> Result<Vec<ExternalId>, String> {
    let bad = || "external_ids: must be a list of {source, id}".to_owned();
    let list = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(value) => value.as_array().ok_or_else(bad)?,
    };
    let one = |value: &Value| {
        let source = value.get("source").and_then(Value::as_str).filter(|source| super::is_source(source)).ok_or_else(bad)?;
        Ok(ExternalId { source: source.to_owned(), id: id("external_ids", value.get("id").ok_or_else(bad)?)? })
    };
    list.iter().map(one).collect()
}

/// Postgres writes `t` and `f` in CSV, others numbers or words.
fn flag(name: &str, value: &Value) -> Result<bool, String> {
    let word = match value {
        Value::Bool(flag) => return Ok(*flag),
        Value::Null => return Ok(false),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_lowercase(),
        _ => String::new(),
    };
    match &*word {
        "t" | "true" | "1" | "yes" | "y" => Ok(true),
        "f" | "false" | "0" | "no" | "n" => Ok(false),
        _ => Err(format!("{name}: must be true or false")),
    }
}

fn object(name: &str, value: &Value) -> Result<Map<String, Value>, String> {
    let parsed = match value {
        Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
        other => other.clone(),
    };
    if let Value::Object(members) = parsed { Ok(members) } else { Err(format!("{name}: must be a JSON object")) }
}

/// A column holds text; where it is the text of something else in JSON, that is meant.
fn scalar(value: &Value) -> Value {
    match value {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| value.clone()),
        other => other.clone(),
    }
}

/// A list, or text with commas, semicolons or spaces.
fn listed(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(text)) => {
            let inner = text.trim().trim_start_matches(['{', '[']).trim_end_matches(['}', ']']);
            inner.split([',', ';', ' ']).map(|role| role.trim_matches('"')).filter(|role| !role.is_empty()).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}

/// RFC 3339, what databases write, or seconds or milliseconds since 1970. Without a zone it is UTC.
fn moment(name: &str, value: &Value) -> Result<Time, String> {
    let value = value.get("$date").unwrap_or(value);
    let read = match value {
        Value::Number(number) => number.as_i64().and_then(since_1970),
        Value::String(text) => {
            let text = text.trim();
            let zoned = |form: &str| chrono::DateTime::parse_from_str(text, form).ok().map(|at| at.with_timezone(&Utc));
            let local = |form: &str| NaiveDateTime::parse_from_str(text, form).ok().map(|at| at.and_utc());
            chrono::DateTime::parse_from_rfc3339(text)
                .ok()
                .map(|at| at.with_timezone(&Utc))
                .or_else(|| zoned("%Y-%m-%d %H:%M:%S%.f%#z"))
                .or_else(|| zoned("%Y-%m-%dT%H:%M:%S%.f%#z"))
                .or_else(|| local("%Y-%m-%d %H:%M:%S%.f"))
                .or_else(|| local("%Y-%m-%dT%H:%M:%S%.f"))
                .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0).map(|at| at.and_utc()))
                .or_else(|| text.parse().ok().and_then(since_1970))
        }
        _ => None,
    };
    let plausible = |at: &Time| (0..=4_102_444_800).contains(&at.timestamp());
    read.filter(plausible).ok_or_else(|| format!("{name}: must be a moment such as 2024-05-01T10:00:00Z"))
}

fn since_1970(number: i64) -> Option<Time> {
    if number >= 100_000_000_000 { Time::from_timestamp_millis(number) } else { Time::from_timestamp(number, 0) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn members(value: Value) -> Map<String, Value> {
        let Value::Object(members) = value else { panic!("an object") };
        members
    }

    fn row(value: Value) -> Row {
        read(&members(value), &[], &mut LeftOut::default()).expect("a person")
    }

    #[test]
    fn the_members_of_every_system_are_known() {
        let django = row(
            json!({"id": "7", "email": " Ana@Example.org ", "first_name": "Ana", "last_name": "Ñ", "is_active": "f", "is_superuser": "t",
            "date_joined": "2024-05-01 10:00:00.123456+02", "username": "ana@example.org"}),
        );
        assert_eq!((django.external_id.as_deref(), django.email.as_deref(), django.disabled), (Some("7"), Some("Ana@Example.org"), true));
        assert_eq!((django.name.as_deref(), django.username, django.roles.len()), (Some("Ana Ñ"), None, 0), "a flag alone is no role");
        assert_eq!(django.created_at.map(|at| at.timestamp()), Some(1_714_550_400));
        let keycloak = row(
            json!({"id": "f:1", "username": "ana", "email": "a@x.org", "emailVerified": true, "enabled": true, "createdTimestamp": 1_714_557_600_123_i64,
            "firstName": "Ana", "attributes": {"city": ["Quito"]}, "realmRoles": ["offline_access"], "credentials": []}),
        );
        assert!(keycloak.email_verified && !keycloak.disabled && keycloak.attributes["city"][0] == "Quito");
        assert_eq!(keycloak.created_at.map(|at| at.timestamp()), Some(1_714_557_600));
        let auth0 = row(
            json!({"user_id": "auth0|1", "email": "a@x.org", "blocked": true, "user_metadata": {"x": 1}, "picture": "https://x.org/a.png"}),
        );
        assert!(auth0.disabled && auth0.attributes["user_metadata"]["x"] == 1 && auth0.claims["picture"] == "https://x.org/a.png");
        let exported = row(json!({"_id": {"$oid": "5f"}, "email": "a@x.org", "email_verified": false}));
        assert_eq!((exported.external_id.as_deref(), exported.email_verified), (Some("5f"), false));
        let firebase =
            row(json!({"localId": "L1", "email": "a@x.org", "displayName": "Ana", "createdAt": "1714557600000", "disabled": false}));
        assert_eq!((firebase.external_id.as_deref(), firebase.name.as_deref()), (Some("L1"), Some("Ana")));
    }

    #[test]
    fn a_name_stands_on_one_line() {
        let name = |value: Value| row(value).name;
        assert_eq!(name(json!({"name": " Peña\r\nde  dos\tlíneas\u{0}\n"})).as_deref(), Some("Peña de  dos líneas"));
        let parts = row(json!({"first_name": "Ana\nMaría", "last_name": "\n", "birthdate": "2000\n"}));
        assert_eq!((parts.name.as_deref(), parts.claims.get("given_name")), (Some("Ana María"), Some(&json!("Ana María"))));
        assert_eq!(parts.claims.get("family_name"), None);
    }

    #[test]
    fn columns_become_attributes_and_roles_need_a_map() {
        let csv = members(
            json!({"external_id": "1", "email": "a@x.org", "attributes.city_id": "5", "attributes.xp_total": "0", "attributes.zip": "\"07001\"",
            "attributes.none": null, "roles": "admin editor", "is_staff": "t", "password": "x", "karma": "3"}),
        );
        let mut left_out = LeftOut::default();
        let map = [("is_staff".to_owned(), "user_admin".to_owned()), ("editor".to_owned(), "app:editor".to_owned())];
        let row = read(&csv, &map, &mut left_out).expect("a person");
        assert_eq!(Value::Object(row.attributes), json!({"city_id": 5, "xp_total": 0, "zip": "07001"}));
        assert_eq!(row.roles, ["user_admin", "app:editor"]);
        assert_eq!(left_out.members.into_iter().collect::<Vec<_>>(), ["karma"]);
        assert_eq!(left_out.roles.into_iter().collect::<Vec<_>>(), ["admin"]);
    }

    #[test]
    fn what_is_not_of_its_type_is_refused_by_name() {
        for (bad, reason) in [
            (json!({"email": 7, "email_verified": "perhaps"}), "email_verified: must be true or false"),
            (json!({"email": {}}), "email: must be text"),
            (json!({"external_id": "a\u{0}b"}), "external_id: must be 1 to 255 bytes without control characters"),
            (json!({"created_at": "yesterday"}), "created_at: must be a moment such as 2024-05-01T10:00:00Z"),
            (json!({"attributes": "[1]"}), "attributes: must be a JSON object"),
            (json!({"external_ids": [{"source": "a b", "id": "1"}]}), "external_ids: must be a list of {source, id}"),
        ] {
            assert_eq!(read(&members(bad), &[], &mut LeftOut::default()).map(|_| ()), Err(reason.to_owned()));
        }
        for (at, seconds) in [
            (json!("2024-05-01T10:00:00Z"), 1_714_557_600),
            (json!("2024-05-01T10:00:00.5"), 1_714_557_600),
            (json!("2024-05-01 10:00:00"), 1_714_557_600),
            (json!("2024-05-01"), 1_714_521_600),
            (json!(1_714_557_600), 1_714_557_600),
            (json!("1714557600"), 1_714_557_600),
            (json!({"$date": "2024-05-01T10:00:00.000Z"}), 1_714_557_600),
        ] {
            assert_eq!(row(json!({"created_at": at})).created_at.map(|at| at.timestamp()), Some(seconds), "{at}");
        }
    }
}
