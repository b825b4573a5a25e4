//! A person in the form that an import reads.

use serde_json::{Map, Value, json};

use crate::storage::Time;
use crate::storage::durable::User;

/// A line of an export. Whoever only signed up with an address and never confirmed it is nobody yet, and left out: anything else would open what is
/// closed to them. With a `source`, the id of a person is the one they had there, and whoever has none there is left out; without one it
/// is the id here, and those of other systems stand beside it.
#[must_use]
pub fn exported(user: &User, password_hash: Option<&str>, source: Option<&str>) -> Option<Value> {
    if user.pending {
        return None;
    }
    let external_id = match source {
        Some(source) => &user.external.iter().find(|external| external.source == source)?.id,
        None => &user.id,
    };
    let further: Vec<Value> = user
        .external
        .iter()
        .filter(|external| Some(&*external.source) != source)
        .map(|external| json!({"source": external.source, "id": external.id}))
        .collect();
    let moment = |at: Time| at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let mut line = Map::new();
    let mut set = |member: &str, value: Option<Value>| {
        if let Some(value) = value {
            line.insert(member.to_owned(), value);
        }
    };
    set("external_id", Some(external_id.clone().into()));
    set("email", Some(user.email.clone().into()));
    set("email_verified", Some(user.email_verified.into()));
    set("username", user.username.clone().map(Value::from));
    set("name", user.name.clone().map(Value::from));
    set("locale", user.locale.clone().map(Value::from));
    set("password_hash", password_hash.map(Value::from));
    set("created_at", Some(moment(user.created_at).into()));
    set("disabled", Some(user.disabled_at.is_some().into()));
    // Read back, it stays as closed as it is.
    set("reset_required", user.reset_required.then_some(Value::Bool(true)));
    set("roles", Some(user.roles.clone().into()));
    set("claims", (!user.claims.is_empty()).then(|| Value::Object(user.claims.clone())));
    set("attributes", (!user.attributes.is_empty()).then(|| Value::Object(user.attributes.clone())));
    set("external_ids", (!further.is_empty()).then_some(Value::Array(further)));
    Some(Value::Object(line))
}
