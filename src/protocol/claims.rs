//! Claims about a person: which scope gives which (OIDC Core §5.4), and the `claims` parameter (OIDC Core §5.5).
//!
//! Knows a person as a borrowed view and nothing of where it comes from. Called by the mint for ID tokens, by userinfo, by
//! `authorization` for the parameter and by `interaction` for what the person is asked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::error::OAuthError;
use super::{json, scope};
use crate::clock::Time;

/// The role that may do everything.
pub const OWNER: &str = "owner";
pub const USER_ADMIN: &str = "user_admin";
pub const CLIENT_ADMIN: &str = "client_admin";
pub const AUDITOR: &str = "auditor";

/// Roles that mean something to this server; every other name belongs to an app.
pub const SERVER_ROLES: [&str; 4] = [OWNER, USER_ADMIN, CLIENT_ADMIN, AUDITOR];

/// The claim that holds a person's roles in apps. Sent when it is asked for by name.
pub const ROLES: &str = "roles";

/// The claim that holds the organisations a person belongs to. Sent for the scope of that name, or when it is asked for by name.
pub const ORG: &str = "org";
/// The claim that holds what a person was called in the systems they came from: an API that knows people by their old ids finds them again.
/// Sent when it is asked for by name.
pub const EXTERNAL_IDS: &str = "external_ids";

const MAX_LENGTH: usize = 16 * 1024;

/// The person of a token, as claims see them.
#[derive(Clone, Copy, Debug)]
pub struct Person<'a> {
    pub sub: &'a str,
    pub email: &'a str,
    pub email_verified: bool,
    pub username: Option<&'a str>,
    pub name: Option<&'a str>,
    pub locale: Option<&'a str>,
    /// Further standard claims, as they were stored.
    pub claims: &'a Map<String, Value>,
    pub updated_at: Time,
    pub roles: &'a [String],
    pub external_ids: &'a [ExternalId],
    /// Read only where [`wants_organizations`] says so.
    pub organizations: &'a [Organization],
}

/// An organisation a person belongs to, as apps are told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Organization {
    pub id: String,
    pub slug: String,
    pub name: String,
    pub roles: Vec<String>,
}

/// What another system called a person.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ExternalId {
    /// The system: a name that an import or a dialect gave it.
    pub source: String,
    pub id: String,
}

/// The JSON type of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Text,
    Flag,
    Seconds,
    Address,
}

/// OIDC Core §5.1 and §5.4: every standard claim about a person, the scope that asks for it, its type. Nothing else can be
/// released, so no stored attribute can ever stand in for `iss`, `aud`, `exp`, `scope` or another claim of the protocol.
static STANDARD: &[(&str, &str, Kind)] = &[
    ("name", scope::PROFILE, Kind::Text),
    ("given_name", scope::PROFILE, Kind::Text),
    ("family_name", scope::PROFILE, Kind::Text),
    ("middle_name", scope::PROFILE, Kind::Text),
    ("nickname", scope::PROFILE, Kind::Text),
    ("preferred_username", scope::PROFILE, Kind::Text),
    ("profile", scope::PROFILE, Kind::Text),
    ("picture", scope::PROFILE, Kind::Text),
    ("website", scope::PROFILE, Kind::Text),
    ("gender", scope::PROFILE, Kind::Text),
    ("birthdate", scope::PROFILE, Kind::Text),
    ("zoneinfo", scope::PROFILE, Kind::Text),
    ("locale", scope::PROFILE, Kind::Text),
    ("updated_at", scope::PROFILE, Kind::Seconds),
    ("email", scope::EMAIL, Kind::Text),
    ("email_verified", scope::EMAIL, Kind::Flag),
    ("address", scope::ADDRESS, Kind::Address),
    ("phone_number", scope::PHONE, Kind::Text),
    ("phone_number_verified", scope::PHONE, Kind::Flag),
];

/// OIDC Core §5.1.1.
const ADDRESS_MEMBERS: [&str; 6] = ["formatted", "street_address", "locality", "region", "postal_code", "country"];

/// Is it a standard claim about a person (OIDC Core §5.1)?
#[must_use]
pub fn is_standard(claim: &str) -> bool {
    STANDARD.iter().any(|(name, ..)| *name == claim)
}

/// Every claim the server can send about a person, for discovery.
pub fn supported() -> impl Iterator<Item = &'static str> {
    STANDARD.iter().map(|(name, ..)| *name).chain([ROLES, EXTERNAL_IDS, ORG])
}

/// The scope that stands for a claim where a person is asked for permission.
fn scope_of(claim: &str) -> Option<&'static str> {
    match claim {
        ROLES | EXTERNAL_IDS => return Some(scope::PROFILE),
        ORG => return Some(scope::ORG),
        _ => {}
    }
    STANDARD.iter().find(|(name, ..)| *name == claim).map(|(_, scope, _)| *scope)
}

/// The claims of the granted scopes, and those asked for one by one.
///
/// OIDC Core §5.3.2: "If a Claim is not returned, that Claim Name SHOULD be omitted from the JSON object representing the Claims;
/// it SHOULD NOT be present with a null or empty string value."
#[must_use]
pub fn for_scopes(scopes: &[String], request: Option<&BTreeMap<String, Option<Entry>>>, person: &Person<'_>) -> Map<String, Value> {
    let asked = |claim: &str| request.is_some_and(|request| request.contains_key(claim));
    let mut claims = Map::new();
    for &(name, scope, kind) in STANDARD {
        if scope::contains(scopes, scope) || asked(name) {
            claims.extend(value(name, kind, person).map(|value| (name.to_owned(), value)));
        }
    }
    if asked(ROLES) {
        let roles: Vec<Value> =
            person.roles.iter().filter(|role| !SERVER_ROLES.contains(&role.as_str())).map(|role| Value::from(role.as_str())).collect();
        if !roles.is_empty() {
            claims.insert(ROLES.to_owned(), Value::Array(roles));
        }
    }
    if asked(EXTERNAL_IDS) && !person.external_ids.is_empty() {
        claims.extend(serde_json::to_value(person.external_ids).ok().map(|ids| (EXTERNAL_IDS.to_owned(), ids)));
    }
    if wants_organizations(scopes, request) && !person.organizations.is_empty() {
        claims.extend(serde_json::to_value(person.organizations).ok().map(|organizations| (ORG.to_owned(), organizations)));
    }
    claims
}

/// Are the organisations of the person part of what is asked for?
#[must_use]
pub fn wants_organizations(scopes: &[String], request: Option<&BTreeMap<String, Option<Entry>>>) -> bool {
    scope::contains(scopes, scope::ORG) || request.is_some_and(|request| request.contains_key(ORG))
}

/// A claim's value, if the person has one of the right type. What the account itself knows goes before what was stored beside it.
fn value(name: &str, kind: Kind, person: &Person<'_>) -> Option<Value> {
    let own = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(Value::from);
    let account = match name {
        "email" => return own(Some(person.email)),
        "email_verified" => return (!person.email.is_empty()).then_some(Value::Bool(person.email_verified)),
        "updated_at" => return Some(person.updated_at.timestamp().into()),
        "name" => own(person.name),
        "preferred_username" => own(person.username),
        "locale" => own(person.locale),
        _ => None,
    };
    account.or_else(|| person.claims.get(name).and_then(|stored| well_typed(kind, stored)))
}

fn well_typed(kind: Kind, stored: &Value) -> Option<Value> {
    let right = match (kind, stored) {
        (Kind::Text, Value::String(text)) => !text.is_empty(),
        (Kind::Flag, Value::Bool(_)) => true,
        (Kind::Seconds, Value::Number(number)) => number.is_i64(),
        (Kind::Address, Value::Object(members)) => {
            let known: Map<String, Value> =
                ADDRESS_MEMBERS.iter().filter_map(|&name| Some((name.to_owned(), well_typed(Kind::Text, members.get(name)?)?))).collect();
            return (!known.is_empty()).then_some(Value::Object(known));
        }
        _ => false,
    };
    right.then(|| stored.clone())
}

/// The `claims` parameter (OIDC Core §5.5): claims asked for one by one. `None` asks "in the default manner".
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimsRequest {
    #[serde(default)]
    pub userinfo: BTreeMap<String, Option<Entry>>,
    #[serde(default)]
    pub id_token: BTreeMap<String, Option<Entry>>,
}

/// How one claim is asked for (OIDC Core §5.5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub essential: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
}

impl ClaimsRequest {
    /// Reads the parameter.
    ///
    /// OIDC Core §5.5: "Other members MAY be present. Any members used that are not understood MUST be ignored."
    ///
    /// # Errors
    /// `invalid_request` for what is not JSON of the specified shape, or holds a member twice.
    pub fn parse(text: &str) -> Result<Self, OAuthError> {
        if text.len() > MAX_LENGTH {
            return Err(OAuthError::invalid_request("claims is too long"));
        }
        let members = json::object(text.as_bytes())
            .ok_or_else(|| OAuthError::invalid_request("claims must be a JSON object in which no member stands twice"))?;
        let mut request = Self { userinfo: section(members.get("userinfo"))?, id_token: section(members.get("id_token"))? };
        // OIDC Core §2: `sub` is a case-sensitive string. One of another type would be nobody, and must not count as anybody.
        if request.subs().flat_map(named).any(|sub| !sub.is_string()) {
            return Err(OAuthError::invalid_request("sub in claims must be a string"));
        }
        // The same of `acr`: one of another type, left out, would let a sign-in pass that was asked to fail.
        if request.id_token.get("acr").into_iter().flatten().flat_map(named).any(|acr| !acr.is_string()) {
            return Err(OAuthError::invalid_request("acr in claims must be a string"));
        }
        // Values of other claims are looked at by nobody. Kept, a number may be longer than it was sent.
        for section in [&mut request.userinfo, &mut request.id_token] {
            for (_, entry) in section.iter_mut().filter(|(name, _)| !matches!(name.as_str(), "sub" | "acr")) {
                if let Some(entry) = entry {
                    (entry.value, entry.values) = (None, Vec::new());
                }
            }
        }
        Ok(request)
    }

    /// What either section asks of `sub`.
    fn subs(&self) -> impl Iterator<Item = &Entry> {
        [&self.id_token, &self.userinfo].into_iter().filter_map(|section| section.get("sub")?.as_ref())
    }

    /// The parameter as a grant has kept it (JSON): what its client may still have by `scope`, the scopes it is registered for now.
    #[must_use]
    pub fn of_grant(kept: Option<&str>, scope: &str) -> Self {
        let Some(mut request) = kept.and_then(|json| Self::parse(json).ok()) else { return Self::default() };
        request.limit(&scope.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        request
    }

    /// Keeps what the server knows and the client may have: a claim is within its scopes or is not asked for at all.
    pub(super) fn limit(&mut self, allowed: &[String]) {
        let keep = |name: &String, _: &mut Option<Entry>| match scope_of(name) {
            Some(scope) => scope::contains(allowed, scope),
            None => matches!(name.as_str(), "sub" | "acr" | "auth_time"),
        };
        self.userinfo.retain(keep);
        self.id_token.retain(keep);
    }

    /// The scopes that stand for what is asked for one by one: the person is asked for them as if the client had named them.
    #[must_use]
    pub fn scopes(&self) -> Vec<&'static str> {
        let mut scopes: Vec<&'static str> = self.userinfo.keys().chain(self.id_token.keys()).filter_map(|name| scope_of(name)).collect();
        scopes.sort_unstable();
        scopes.dedup();
        scopes
    }

    /// Does the client name the person it will have, or several (OIDC Core §5.5.1: `sub` with `value` or `values`), and this is none of them?
    #[must_use]
    pub fn excludes(&self, sub: &str) -> bool {
        self.subs().any(|entry| named(entry).next().is_some() && !named(entry).any(|wanted| wanted.as_str() == Some(sub)))
    }

    /// The authentication contexts of which one must have been reached (OIDC Core §5.5.1.1).
    #[must_use]
    pub fn essential_acr(&self) -> Option<Vec<String>> {
        let entry = self.id_token.get("acr")?.as_ref().filter(|entry| entry.essential)?;
        let values: Vec<String> = named(entry).filter_map(Value::as_str).map(str::to_owned).collect();
        (!values.is_empty()).then_some(values)
    }
}

/// The values that an entry asks for.
fn named(entry: &Entry) -> impl Iterator<Item = &Value> {
    entry.value.iter().chain(&entry.values)
}

fn section(member: Option<&Value>) -> Result<BTreeMap<String, Option<Entry>>, OAuthError> {
    match member {
        None => Ok(BTreeMap::new()),
        Some(Value::Object(claims)) => claims.iter().map(|(name, value)| Ok((name.clone(), entry(value)?))).collect(),
        Some(_) => Err(OAuthError::invalid_request("userinfo and id_token in claims must be JSON objects")),
    }
}

fn entry(value: &Value) -> Result<Option<Entry>, OAuthError> {
    let members = match value {
        Value::Null => return Ok(None),
        Value::Object(members) => members,
        _ => return Err(OAuthError::invalid_request("A claim in claims must be null or a JSON object")),
    };
    let essential = match members.get("essential") {
        None => false,
        Some(Value::Bool(essential)) => *essential,
        Some(_) => return Err(OAuthError::invalid_request("essential in claims must be true or false")),
    };
    let values = match members.get("values") {
        None => Vec::new(),
        Some(Value::Array(values)) => values.clone(),
        Some(_) => return Err(OAuthError::invalid_request("values in claims must be an array")),
    };
    Ok(Some(Entry { essential, value: members.get("value").cloned(), values }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::error::ErrorCode;
    use serde_json::json;

    /// The example of OIDC Core §5.5.
    const EXAMPLE: &str = r#"{
        "userinfo": {
            "given_name": {"essential": true},
            "nickname": null,
            "email": {"essential": true},
            "email_verified": {"essential": true},
            "picture": null,
            "http://example.info/claims/groups": null
        },
        "id_token": {
            "auth_time": {"essential": true},
            "acr": {"values": ["urn:mace:incommon:iap:silver"]}
        }
    }"#;

    fn stored() -> Map<String, Value> {
        let Value::Object(claims) = json!({
            "given_name": "Jane", "family_name": "", "nickname": null, "birthdate": 19800101,
            "address": {"formatted": "1 Main St\r\nTown", "country": "", "floor": 3, "region": null},
            "phone_number": "+1 (310) 123-4567", "phone_number_verified": "yes",
            "sub": "mallory", "iss": "https://evil.example", "aud": "evil", "exp": 9999999999_i64, "scope": "admin",
            "client_id": "evil", "act": {"sub": "x"}, "cnf": {}, "roles": ["owner"], "email": "other@example.com",
            "email_verified": true, "updated_at": 1, "a.b": {"c": 1}
        }) else {
            unreachable!("an object")
        };
        claims
    }

    fn person<'a>(claims: &'a Map<String, Value>, roles: &'a [String]) -> Person<'a> {
        Person {
            sub: "248289761001",
            email: "janedoe@example.com",
            email_verified: false,
            username: Some("j.doe"),
            name: Some("Jane Doe"),
            locale: None,
            claims,
            updated_at: Time::from_timestamp(1_311_280_970, 0).expect("in range"),
            roles,
            external_ids: &[],
            organizations: &[],
        }
    }

    #[test]
    fn old_ids_are_sent_to_whoever_asks_for_them() {
        let claims = Map::new();
        let ids = [ExternalId { source: "django".to_owned(), id: "17".to_owned() }];
        let person = Person { external_ids: &ids, ..person(&claims, &[]) };
        let asked = BTreeMap::from([(EXTERNAL_IDS.to_owned(), None)]);
        let given = for_scopes(&[], Some(&asked), &person);
        assert_eq!(given[EXTERNAL_IDS], json!([{"source": "django", "id": "17"}]));
        assert_eq!(for_scopes(&scopes(&["openid", "profile"]), None, &person).get(EXTERNAL_IDS), None);
        let nothing = Person { external_ids: &[], ..person };
        assert_eq!(for_scopes(&[], Some(&asked), &nothing).get(EXTERNAL_IDS), None, "never an empty claim");
    }

    fn scopes(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn oidc_core_5_4_each_scope_gives_its_claims_and_no_others() {
        let (claims, roles) = (stored(), scopes(&["editor"]));
        let person = person(&claims, &roles);
        let given = |names: &[&str]| Value::Object(for_scopes(&scopes(names), None, &person));
        assert_eq!(given(&["openid", "offline_access", "custom"]), json!({}));
        let profile = json!({"name": "Jane Doe", "given_name": "Jane", "preferred_username": "j.doe", "updated_at": 1311280970});
        assert_eq!(given(&["profile"]), profile);
        assert_eq!(given(&["email"]), json!({"email": "janedoe@example.com", "email_verified": false}));
        assert_eq!(given(&["address"]), json!({"address": {"formatted": "1 Main St\r\nTown"}}));
        assert_eq!(given(&["phone"]), json!({"phone_number": "+1 (310) 123-4567"}));
    }

    #[test]
    fn tj_11_no_stored_attribute_overrides_a_claim_of_the_protocol() {
        let (claims, roles) = (stored(), scopes(&["owner", "editor"]));
        let everything = scopes(scope::STANDARD);
        let request = claims.keys().map(|name| (name.clone(), None)).collect();
        let given = for_scopes(&everything, Some(&request), &person(&claims, &roles));
        for reserved in ["sub", "iss", "aud", "exp", "scope", "client_id", "act", "cnf", "a.b"] {
            assert!(!given.contains_key(reserved), "{reserved}");
        }
        assert_eq!(given["roles"], json!(["editor"]), "roles of this server are not an app's business");
        assert_eq!((&given["email"], &given["email_verified"]), (&json!("janedoe@example.com"), &json!(false)));
        assert_eq!(given["updated_at"], json!(1_311_280_970));
    }

    #[test]
    fn oidc_core_5_3_2_nothing_empty_null_or_of_the_wrong_type_is_sent() {
        let claims = stored();
        let given = for_scopes(&scopes(scope::STANDARD), None, &person(&claims, &[]));
        for absent in ["family_name", "nickname", "birthdate", "phone_number_verified", "roles", "locale"] {
            assert!(!given.contains_key(absent), "{absent}");
        }
        let empty = Map::new();
        let nobody = Person { email: "", username: Some(""), name: None, ..person(&empty, &[]) };
        assert_eq!(Value::Object(for_scopes(&scopes(&["profile", "email"]), None, &nobody)), json!({"updated_at": 1311280970}));
    }

    #[test]
    fn oidc_core_5_5_example() {
        let request = ClaimsRequest::parse(EXAMPLE).expect("the example");
        assert_eq!(request.userinfo.len(), 6);
        assert_eq!(request.userinfo["nickname"], None);
        assert!(request.userinfo["email"].as_ref().expect("an entry").essential);
        assert_eq!(request.id_token["acr"].as_ref().expect("an entry").values, [json!("urn:mace:incommon:iap:silver")]);
        assert_eq!(request.essential_acr(), None, "voluntary");
        assert_eq!(request.scopes(), ["email", "profile"]);
        let claims = stored();
        let given = for_scopes(&scopes(&["openid"]), Some(&request.userinfo), &person(&claims, &[]));
        assert_eq!(Value::Object(given), json!({"given_name": "Jane", "email": "janedoe@example.com", "email_verified": false}));
    }

    #[test]
    fn a_request_survives_being_stored() {
        let request = ClaimsRequest::parse(EXAMPLE).expect("the example");
        let stored = serde_json::to_string(&request).expect("JSON");
        assert_eq!(ClaimsRequest::parse(&stored).expect("reads back"), request);
        assert_eq!(serde_json::from_str::<ClaimsRequest>(&stored).expect("reads back"), request);
    }

    #[test]
    fn what_is_kept_of_a_request_is_no_longer_than_what_was_sent() {
        let sent = format!(r#"{{"id_token":{{"email":{{"values":[{}]}},"sub":{{"value":"usr_1"}}}}}}"#, vec!["1e15"; 2900].join(","));
        let kept = serde_json::to_string(&ClaimsRequest::parse(&sent).expect("well-formed")).expect("JSON");
        assert!(kept.len() < sent.len(), "{}", kept.len());
        let read = ClaimsRequest::of_grant(Some(&kept), "openid email");
        assert!(read.id_token.contains_key("email") && read.excludes("usr_2") && !read.excludes("usr_1"));
    }

    #[test]
    fn tj_21_a_client_gets_no_claim_beyond_its_scopes_by_asking_for_it() {
        let mut request = ClaimsRequest::parse(EXAMPLE).expect("the example");
        assert!(ClaimsRequest::of_grant(Some(EXAMPLE), "openid email profile").userinfo.contains_key("given_name"));
        assert!(ClaimsRequest::of_grant(Some(EXAMPLE), "openid").scopes().is_empty(), "what was taken from the client since");
        assert_eq!(ClaimsRequest::of_grant(None, "openid"), ClaimsRequest::default());
        request.limit(&scopes(&["openid", "email"]));
        assert_eq!(request.userinfo.keys().collect::<Vec<_>>(), ["email", "email_verified"]);
        assert_eq!(request.id_token.keys().collect::<Vec<_>>(), ["acr", "auth_time"]);
    }

    #[test]
    fn az_18_malformed_claims_are_invalid_request() {
        let deep = format!("{{\"id_token\":{{\"x\":{}1{}}}}}", "{\"a\":".repeat(200), "}".repeat(200));
        let bad = [
            "",
            "x",
            "[]",
            "null",
            r#"{"id_token":[]}"#,
            r#"{"userinfo":null}"#,
            r#"{"userinfo":{"name":true}}"#,
            r#"{"userinfo":{"name":["x"]}}"#,
            r#"{"userinfo":{"name":{"essential":"true"}}}"#,
            r#"{"userinfo":{"name":{"values":"x"}}}"#,
            r#"{"userinfo":{},"userinfo":{}}"#,
            r#"{"userinfo":{"name":null,"name":null}}"#,
            &deep,
        ];
        for text in bad {
            assert_eq!(ClaimsRequest::parse(text).expect_err(text).code, ErrorCode::InvalidRequest, "{text}");
        }
        assert_eq!(ClaimsRequest::parse(r#"{"other":1}"#).expect("unknown members are ignored"), ClaimsRequest::default());
    }

    #[test]
    fn oidc_core_5_5_1_the_person_a_client_names() {
        let excludes = |text: &str, sub: &str| ClaimsRequest::parse(text).expect("valid").excludes(sub);
        assert!(!excludes(r#"{"id_token": {"sub": null}}"#, "ana"));
        assert!(!excludes(r#"{"id_token": {"sub": {"essential": true, "values": []}}}"#, "ana"));
        assert!(!excludes(r#"{"userinfo": {"sub": {"value": "ana"}}}"#, "ana"));
        assert!(excludes(r#"{"userinfo": {"sub": {"value": "Ana"}}}"#, "ana"));
        assert!(!excludes(r#"{"id_token": {"sub": {"values": ["ben", "ana"]}}}"#, "ana"));
        assert!(excludes(r#"{"id_token": {"sub": {"values": ["ben", "eva"]}}}"#, "ana"));
        assert!(excludes(r#"{"id_token": {"sub": {"value": "ana"}}, "userinfo": {"sub": {"value": "ben"}}}"#, "ana"));
        for wrong in ["1", "null", "true", "[\"ana\"]", "{}"] {
            for member in [format!("\"value\": {wrong}"), format!("\"values\": [\"ana\", {wrong}]")] {
                let refused = ClaimsRequest::parse(&format!(r#"{{"id_token": {{"sub": {{{member}}}}}}}"#)).expect_err("refused");
                assert_eq!(refused.code, ErrorCode::InvalidRequest, "{member}");
            }
        }
    }

    #[test]
    fn az_17_oidc_core_5_5_1_1_essential_acr() {
        let parse = |text: &str| ClaimsRequest::parse(text).expect(text).essential_acr();
        assert_eq!(parse(r#"{"id_token":{"acr":{"essential":true,"values":["2","1"]}}}"#), Some(scopes(&["2", "1"])));
        assert_eq!(parse(r#"{"id_token":{"acr":{"essential":true,"value":"2"}}}"#), Some(scopes(&["2"])));
        assert_eq!(parse(r#"{"id_token":{"acr":{"essential":true}}}"#), None);
        assert_eq!(parse(r#"{"userinfo":{"acr":{"essential":true,"value":"2"}}}"#), None);
        assert_eq!(parse(r#"{"id_token":{"acr":null}}"#), None);
        for other in [r#""value":2"#, r#""value":null"#, r#""values":["1",2]"#, r#""values":[["1"]]"#] {
            let text = format!(r#"{{"id_token":{{"acr":{{"essential":true,{other}}}}}}}"#);
            assert_eq!(ClaimsRequest::parse(&text).expect_err(&text).code, ErrorCode::InvalidRequest);
        }
    }
}
