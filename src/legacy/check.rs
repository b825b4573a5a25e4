//! Is a dialect file right? What is not is explained by line: where it stands, and what would do.
//!
//! Two steps: the file's form (TOML, known keys, types), which stops at the first mistake; then whether what it says makes sense together, which
//! gathers them all. Called by `portero dialect check` and at every start; what concerns two files at once is `mount`'s.

use std::collections::BTreeMap;

use axum::http::{HeaderName, HeaderValue, StatusCode};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::dialect::{Answer, BodyKind, Dialect, ErrorAnswer, ErrorName, FieldName, FieldPlace, FindBy, Kind, Operation, Route};
use super::mount::Path;
use super::template::Template;
use crate::config::LONGEST_ACCESS;
use crate::protocol::scope;

/// Something wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// From 1; 0 where the file as a whole is meant.
    pub line: usize,
    pub column: usize,
    pub what: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.what)
    }
}

/// Reads a file.
///
/// # Errors
/// Everything that is wrong with it, by line.
pub fn parse(text: &str) -> Result<Dialect, Vec<Mistake>> {
    let at = |offset: usize, what: String| {
        let before = &text[..text.floor_char_boundary(offset)];
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count()) + 1;
        Mistake { line: before.matches('\n').count() + 1, column, what }
    };
    let refused = |error: toml::de::Error| {
        // Newer lines of a message show the source again, which we do by number.
        vec![at(error.span().map_or(0, |span| span.start), plain(error.message().trim()))]
    };
    let dialect: Dialect = toml::from_str(text).map_err(refused)?;
    let table = DeTable::parse(text).map_err(refused)?;
    let mut checker = Checker { dialect: &dialect, found: Vec::new() };
    checker.whole();
    let mut mistakes: Vec<Mistake> = checker.found.into_iter().map(|(way, what)| at(locate(&table, &way), what)).collect();
    mistakes.sort_by_key(|mistake| (mistake.line, mistake.column));
    if mistakes.is_empty() { Ok(dialect) } else { Err(mistakes) }
}

/// The parser's words without those of its own trade.
fn plain(message: &str) -> String {
    let ours = [
        ("expected usize", "expected a whole number"),
        ("expected u32", "expected a whole number"),
        ("expected i64", "expected a whole number"),
        ("expected u16", "expected a number from 0 to 65535"),
        ("expected a sequence", "expected a list in brackets"),
        ("expected a map", "expected a table"),
    ];
    ours.iter().fold(message.replace('\n', "; "), |text, (theirs, ours)| text.replace(theirs, ours))
}

/// Where in the text the member stands that `way` leads to; as near as the text goes.
fn locate(table: &Spanned<DeTable<'_>>, way: &[String]) -> usize {
    let (mut offset, mut at): (usize, Option<&DeValue<'_>>) = (0, None);
    for (depth, step) in way.iter().enumerate() {
        let members = match at {
            None if depth == 0 => Some(table.get_ref()),
            None => None,
            Some(value) => value.as_table(),
        };
        let next = match (members, at.and_then(DeValue::as_array)) {
            (Some(members), _) => {
                members.iter().find(|(key, _)| key.get_ref() == step).map(|(key, value)| (key.span().start, value.get_ref()))
            }
            (None, Some(items)) => step.parse().ok().and_then(|n: usize| items.get(n)).map(|item| (item.span().start, item.get_ref())),
            (None, None) => None,
        };
        let Some((start, value)) = next else { break };
        (offset, at) = (start, Some(value));
    }
    offset
}

struct Checker<'a> {
    dialect: &'a Dialect,
    found: Vec<(Vec<String>, String)>,
}

/// A way through the file: `way!["routes", n, "fields"]`.
macro_rules! way {
    ($($step:expr),+) => { [$($step.to_string()),+] };
}

fn plus(way: &[String], step: impl ToString) -> Vec<String> {
    [way, &[step.to_string()]].concat()
}

impl Checker<'_> {
    fn wrong(&mut self, way: impl Into<Vec<String>>, what: impl Into<String>) {
        self.found.push((way.into(), what.into()));
    }

    fn whole(&mut self) {
        let dialect = self.dialect;
        let is_name = |text: &str| {
            (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b))
        };
        if !is_name(&dialect.name) {
            self.wrong(way!["name"], "a name is 1 to 64 of a-z 0-9 - _");
        }
        if !is_name(&dialect.client.id) {
            self.wrong(way!["client", "id"], "the id of a client is 1 to 64 of a-z 0-9 - _ here");
        }
        if scope::parse(&dialect.client.scope).is_err() {
            self.wrong(way!["client", "scope"], "scopes are words with spaces between them (RFC 6749 §3.3)");
        }
        if dialect.accounts.source.as_deref().is_some_and(|source| !is_name(source)) {
            self.wrong(way!["accounts", "source"], "a source is 1 to 64 of a-z 0-9 - _");
        }
        if dialect.accounts.min_password.is_some_and(|min| !(1..=128).contains(&min)) {
            self.wrong(way!["accounts", "min_password"], "must be from 1 to 128");
        }
        let lengths = [("access", dialect.tokens.access, LONGEST_ACCESS.as_secs()), ("grant", dialect.tokens.grant, 366 * 24 * 3600)];
        for (name, length, most) in lengths {
            if length.is_some_and(|length| !(60..=most).contains(&length.as_secs())) {
                self.wrong(way!["tokens", name], format!("must be from 1m to {}h", most / 3600));
            }
        }
        if HeaderName::try_from(dialect.bearer.header.as_str()).is_err() {
            self.wrong(way!["bearer", "header"], "is no name of a header");
        }
        if let Some(body) = &dialect.error_body {
            self.places(way!["error_body"], body, &["message", "reason", "field"], false);
        }
        if let Some(user) = &dialect.user {
            let nested = user.places().iter().any(|place| place == "user");
            if nested {
                self.wrong(way!["user"], "${user} cannot stand in itself");
            }
            self.places(way!["user"], user, &[], true);
        }
        self.errors(&way!["errors"], &dialect.errors);
        if dialect.routes.is_empty() {
            self.wrong(way!["routes"], "there is no route");
        }
        let mut taken: BTreeMap<(String, String), usize> = BTreeMap::new();
        for (n, route) in dialect.routes.iter().enumerate() {
            self.route(&way!["routes", n], route);
            for (m, (method, path)) in route.paths().enumerate() {
                let Ok(path) = Path::parse(path) else { continue };
                for form in path.forms(dialect.slash) {
                    if let Some(before) = taken.insert((method.to_owned(), form.pattern()), n)
                        && before != n
                    {
                        let what = format!("the {}. route answers {method} {form} already", before + 1);
                        self.wrong(way!["routes", n, "requests", m], what);
                    }
                }
            }
        }
        self.rotation();
    }

    /// A refresh token that is replaced must reach the front end, or the next refresh is a replay that signs the person out.
    fn rotation(&mut self) {
        let dialect = self.dialect;
        let refreshes = dialect.routes.iter().enumerate().filter(|(_, route)| route.operation == Operation::Refresh);
        for (n, route) in refreshes {
            let shown = route.answer.body.as_ref().is_some_and(|body| body.places().iter().any(|place| place == "refresh_token"));
            if dialect.client.rotation && !shown {
                let what = "the answer has no ${refresh_token}, and client.rotation is on: the front end would be left with a used one. Say rotation = false";
                self.wrong(way!["routes", n, "answer"], what);
            }
        }
    }

    fn route(&mut self, at: &[String], route: &Route) {
        let operation = route.operation;
        self.requests(at, route);
        self.fields(at, route);
        let mut only = |name: &str, given: bool, fits: bool, whom: &str| {
            if given && !fits {
                self.found.push((plus(at, name), format!("{name} is for {whom}")));
            }
        };
        only("roles", route.roles.is_some(), operation.is_about_others(), "list, get and delete");
        only("find_by", route.find_by != FindBy::Username, route.fields.contains_key(&FieldName::User), "get and delete");
        only("ttl", route.ttl.is_some(), operation == Operation::OneTimeCreate, "one_time_create");
        let attributes = matches!(operation, Operation::Register | Operation::Update);
        only("attributes", !route.attributes.is_empty(), attributes, "register and update");
        if route.ttl.is_some_and(|ttl| !(1..=24 * 3600).contains(&ttl.as_secs())) {
            self.wrong(plus(at, "ttl"), "must be from 1s to 24h");
        }
        if route.roles.as_ref().is_some_and(Vec::is_empty) {
            self.wrong(plus(at, "roles"), "nobody has none of no roles; leave it out for owner and user_admin");
        }
        if route.limit.is_some_and(|limit| limit.requests == 0 || limit.per.is_zero()) {
            self.wrong(plus(at, "limit"), "must let at least one request through, and begin again some time");
        }
        self.answer(&plus(at, "answer"), operation, &route.answer);
        self.errors(&plus(at, "errors"), &route.errors);
    }

    fn requests(&mut self, at: &[String], route: &Route) {
        let at = plus(at, "requests");
        if route.requests.is_empty() {
            self.wrong(at.clone(), "names no request; write [\"POST /auth/login\"]");
        }
        let reads_body = route.fields.values().chain(route.attributes.values()).any(|place| place.json.is_some() || place.form.is_some());
        for (n, request) in route.requests.iter().enumerate() {
            let at = plus(&at, n);
            let Some((method, path)) = request.split_once(' ') else {
                self.wrong(at, format!("{request:?} is no method and path; write \"POST /auth/login\""));
                continue;
            };
            if !["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method) {
                self.wrong(at.clone(), format!("{method} is none of GET, POST, PUT, PATCH, DELETE"));
            }
            if method == "GET" && reads_body {
                self.wrong(at.clone(), "a GET has no body, but a field is read from there");
            }
            match Path::parse(path) {
                Err(reason) => self.wrong(at, format!("{path}: {reason}")),
                Ok(path) => {
                    let named = route.fields.values().chain(route.attributes.values()).filter_map(|place| place.path.as_deref());
                    for name in named.filter(|name| !path.names().any(|there| there == *name)) {
                        self.found.push((at.clone(), format!("{path} has no {{{name}}}, which a field is read from")));
                    }
                }
            }
        }
    }

    fn fields(&mut self, at: &[String], route: &Route) {
        let operation = route.operation;
        for need in operation.needs().iter().filter(|need| !route.fields.contains_key(*need)) {
            self.wrong(plus(at, "fields"), format!("{} needs the field {}", operation.as_str(), need.as_str()));
        }
        for (name, place) in &route.fields {
            let at = [at, &way!["fields", name.as_str()]].concat();
            if !operation.needs().contains(name) && !operation.may().contains(name) {
                let known: Vec<_> = operation.needs().iter().chain(operation.may()).map(|name| name.as_str()).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                self.wrong(at.clone(), format!("{} has no use for {}; its fields: {known}", operation.as_str(), name.as_str()));
            }
            if operation.needs().contains(name) && (place.required == Some(false) || place.default.is_some()) {
                self.wrong(at.clone(), format!("{} cannot do without it", operation.as_str()));
            }
            let number = matches!(name, FieldName::Skip | FieldName::Limit);
            if number != (place.kind == Kind::Integer) {
                let what = if number { "is a number: type = \"integer\"" } else { "is a text: type = \"string\"" };
                self.wrong(at.clone(), what);
            }
            self.place(&at, route, place);
        }
        for (name, place) in &route.attributes {
            self.place(&[at, &way!["attributes", name]].concat(), route, place);
        }
    }

    fn place(&mut self, at: &[String], route: &Route, place: &FieldPlace) {
        let texts = [&place.json, &place.form, &place.query, &place.header, &place.path];
        if texts.iter().all(|text| text.is_none()) && !place.bearer {
            self.wrong(at.to_vec(), "stands nowhere; say json, form, query, header, path or bearer");
        }
        if place.json.as_deref().is_some_and(|pointer| !pointer.starts_with('/')) {
            self.wrong(plus(at, "json"), "a JSON pointer begins with / (RFC 6901)");
        }
        for (name, given, kind) in [("json", &place.json, BodyKind::Json), ("form", &place.form, BodyKind::Form)] {
            if given.is_some() && !route.forms().contains(&kind) {
                self.wrong(plus(at, name), format!("the route takes no {name} (see body)"));
            }
        }
        if place.header.as_deref().is_some_and(|name| HeaderName::try_from(name).is_err()) {
            self.wrong(plus(at, "header"), "is no name of a header");
        }
        if let (Some(min), Some(max)) = (place.min, place.max)
            && min > max
        {
            self.wrong(plus(at, "min"), "is greater than max");
        }
        if let Some(default) = &place.default {
            let within = |number: i64| place.min.is_none_or(|min| number >= min) && place.max.is_none_or(|max| number <= max);
            let fits = match place.kind {
                Kind::String => default.is_string(),
                Kind::Integer => default.as_i64().is_some_and(within),
                Kind::Boolean => default.is_boolean(),
                Kind::Any => true,
            };
            if !fits {
                self.wrong(plus(at, "default"), "is not what the field's type, min and max ask for");
            }
        }
    }

    fn answer(&mut self, at: &[String], operation: Operation, answer: &Answer) {
        if !(200..=299).contains(&answer.status) {
            self.wrong(plus(at, "status"), "the answer to a success is from 200 to 299");
        }
        self.headers(at, &answer.headers);
        let Some(body) = &answer.body else { return };
        if answer.status == 204 {
            // RFC 9110 §15.3.5: "a 204 response is terminated by the end of the header section"
            self.wrong(plus(at, "body"), "204 has no body");
        }
        let at = plus(at, "body");
        self.places(at.clone(), body, operation.places(), operation.shows_a_person());
        let about_people = body.places().iter().any(|place| place == "user" || place.starts_with("user."));
        if operation == Operation::Register && !self.dialect.accounts.tells_taken && about_people {
            let what = "shows the person who was made: where the address is taken there is none, and the difference would tell. Show nothing of them, or say accounts.tells_taken = true";
            self.wrong(at, what);
        }
    }

    fn errors(&mut self, at: &[String], errors: &BTreeMap<ErrorName, ErrorAnswer>) {
        for (name, error) in errors {
            let at = plus(at, name.as_str());
            let is_error = |status: &u16| (400..=599).contains(status) && StatusCode::from_u16(*status).is_ok();
            if error.status.as_ref().is_some_and(|status| !is_error(status)) {
                self.wrong(plus(&at, "status"), "an error is from 400 to 599");
            }
            if *name == ErrorName::Unavailable && error.status.is_some_and(|status| status < 500) {
                self.wrong(plus(&at, "status"), "a fault of ours is no denial: from 500 to 599");
            }
            self.headers(&at, &error.headers);
            if let Some(message) = &error.message {
                let message = Template::from(serde_json::Value::from(message.as_str()));
                self.places(plus(&at, "message"), &message, &["reason", "field", "method"], false);
            }
            if let Some(body) = &error.body {
                self.places(plus(&at, "body"), body, &["message", "reason", "field"], false);
            }
        }
    }

    fn headers(&mut self, at: &[String], headers: &BTreeMap<String, String>) {
        for (name, value) in headers {
            if HeaderName::try_from(name.as_str()).is_err() || HeaderValue::try_from(value.as_str()).is_err() {
                self.wrong([at, &way!["headers", name]].concat(), "is no header");
            }
        }
    }

    /// Are the places of a template among those that have a value there?
    fn places(&mut self, at: impl Into<Vec<String>>, body: &Template, known: &[&str], person: bool) {
        let at = at.into();
        for (way, place) in body.ways() {
            let way = [at.as_slice(), &way].concat();
            let place = match place {
                Ok(place) => place,
                Err(malformed) => {
                    self.wrong(way, malformed.to_string());
                    continue;
                }
            };
            let attribute = place.strip_prefix("user.attributes.").is_some_and(|name| !name.is_empty());
            if known.contains(&place.as_str()) || (person && (PERSON.contains(&place.as_str()) || attribute)) {
                continue;
            }
            let mut there = known.to_vec();
            there.extend(if person { PERSON } else { &[] });
            let there = if there.is_empty() { "there are none".to_owned() } else { format!("there are {}", there.join(", ")) };
            self.wrong(way, format!("${{{place}}} has no value here; {there}"));
        }
        let whole = body.places().iter().any(|place| place == "user" || place == "users");
        if whole && self.dialect.user.is_none() {
            self.wrong(at, "${user} stands for the template [user], which is not there");
        }
    }
}

/// What a template may show of a person, beside `user.attributes.NAME`.
pub const PERSON: &[&str] = &[
    "user",
    "user.id",
    "user.sub",
    "user.email",
    "user.username",
    "user.name",
    "user.display_name",
    "user.locale",
    "user.verified",
    "user.disabled",
    "user.active",
    "user.roles",
    "user.created_at",
];

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
name = "mine"
style = "flask"

[client]
id = "mine"
rotation = false

[user]
id = "${user.id}"
city = "${user.attributes.city}"

[[routes]]
requests = ["POST /login"]
operation = "login"
[routes.fields]
identifier = { json = "/email" }
password = { json = "/password" }
[routes.answer]
body = { token = "${access_token}", again = "${refresh_token}", user = "${user}" }

[[routes]]
requests = ["POST /refresh"]
operation = "refresh"
fields.refresh_token = { bearer = true }
answer.body = { token = "${access_token}" }

[[routes]]
requests = ["GET /people/{id}"]
operation = "get"
find_by = "id"
fields.user = { path = "id" }
answer.body = "${user}"
errors.unknown_user = { message = "nobody: ${field}" }
"#;

    fn mistakes(from: &str, to: &str) -> Vec<(usize, String)> {
        assert!(GOOD.contains(from), "{from}");
        let text = GOOD.replacen(from, to, 1);
        parse(&text).map(|_| Vec::new()).unwrap_or_else(|mistakes| mistakes.into_iter().map(|m| (m.line, m.what)).collect())
    }

    #[test]
    fn a_good_file_is_read() {
        let dialect = parse(GOOD).expect("it is good");
        assert_eq!((dialect.routes.len(), dialect.source(), dialect.refreshes()), (3, "mine", true));
    }

    #[test]
    fn each_mistake_is_told_by_its_line() {
        let line_of = |text: &str| GOOD[..GOOD.find(text).expect("it is there")].matches('\n').count() + 1;
        for (from, to, words) in [
            ("style = \"flask\"", "style = \"flusk\"", "flusk"),
            ("style = \"flask\"", "styles = \"flask\"", "style"),
            ("rotation = false", "rotation = 5", "boolean"),
            ("rotation = false", "rotation = ", ""),
            ("id = \"${user.id}\"", "id = \"${user.idd}\"", "${user.idd} has no value"),
            ("id = \"${user.id}\"", "id = \"${user.id\"", "${"),
            ("\"POST /login\"", "\"LOGIN /login\"", "LOGIN is none of"),
            ("\"POST /login\"", "\"POST login\"", "begins with /"),
            ("\"POST /login\"", "\"POST /oauth 2\"", "plain segments"),
            ("\"POST /login\"", "\"GET /login\"", "a GET has no body"),
            ("\"POST /login\"", "\"POST/login\"", "no method and path"),
            ("operation = \"login\"", "operation = \"logon\"", "logon"),
            ("identifier = { json = \"/email\" }", "identifier = { json = \"email\" }", "JSON pointer"),
            ("identifier = { json = \"/email\" }", "identifier = { }", "stands nowhere"),
            ("identifier = { json = \"/email\" }", "email = { json = \"/email\" }", "has no use for email"),
            ("identifier = { json = \"/email\" }", "identifier = { json = \"/email\", required = false }", "cannot do without"),
            ("body = { token = \"${access_token}\", again", "body = { token = \"${acces_token}\", again", "${acces_token} has no value"),
            ("\"POST /refresh\"", "\"POST /login\"", "the 1. route answers POST /login already"),
            ("find_by = \"id\"", "ttl = \"5s\"", "ttl is for one_time_create"),
            ("find_by = \"id\"", "limit = { requests = 0, per = \"1m\" }", "at least one"),
            ("fields.user = { path = \"id\" }", "fields.user = { path = \"id\", colour = 1 }", "colour"),
            ("errors.unknown_user = { message", "errors.unknown_user = { status = 200, message", "400 to 599"),
            ("errors.unknown_user = { message", "errors.unknown_user = { status = 'x', message", "expected a number from 0 to 65535"),
            ("requests = [\"POST /refresh\"]", "requests = \"POST /refresh\"", "expected a list in brackets"),
            ("fields.user = { path = \"id\" }", "fields.user = { path = \"id\", default = 7 }", "is not what the field's type"),
        ] {
            let found = mistakes(from, to);
            assert!(found.iter().any(|(line, what)| *line == line_of(from) && what.contains(words)), "{to}: {found:?}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_a_mistake() {
        let has = |from: &str, to: &str, words: &str| {
            let found = mistakes(from, to);
            assert!(found.iter().any(|(_, what)| what.contains(words)), "{to}: {found:?}");
        };
        has("rotation = false", "rotation = true", "the front end would be left with a used one");
        has("/people/{id}", "/people/{name}", "has no {id}");
        has("identifier = { json = \"/email\" }\n", "", "login needs the field identifier");
        has("[user]\nid = \"${user.id}\"\ncity = \"${user.attributes.city}\"\n", "", "[user], which is not there");
        has("operation = \"get\"\nfind_by = \"id\"", "operation = \"me\"\nfind_by = \"id\"", "has no use for user");
        let register = "[[routes]]\nrequests = [\"POST /r\"]\noperation = \"register\"\nfields.email = { json = \"/e\" }\nfields.password = { json = \"/p\" }\nanswer.body = \"${user}\"\n\n[[routes]]\nrequests = [\"POST /login\"]";
        has("[[routes]]\nrequests = [\"POST /login\"]", register, "the difference would tell");
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let text = GOOD
            .replace("\"/email\"", "\"email\"")
            .replace("${access_token}", "${x}")
            .replace("[client]\nid = \"mine\"", "[client]\nid = \"Mine!\"");
        let mistakes = parse(&text).expect_err("much is wrong");
        assert_eq!(mistakes.len(), 4, "{mistakes:?}");
        assert!(mistakes.is_sorted_by_key(|mistake| mistake.line));
    }
}
