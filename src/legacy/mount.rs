//! Which paths the dialects of a deployment answer: prefixes, paths that two of them own, paths that are Portero's own.
//!
//! Pure: loaded files in, a table of paths or what is wrong with it out. `mod` makes routes of the table.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::dialect::{Dialect, Slash};

/// A path with names in braces, such as `/users/{username}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    segments: Vec<Segment>,
    slash: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Text(String),
    Name(String),
}

impl Path {
    /// # Errors
    /// What is wrong with it, in words that follow the path.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix('/').ok_or("a path begins with /")?;
        if rest == "/" {
            return Err("two slashes follow each other");
        }
        let (rest, slash) = rest.strip_suffix('/').map_or((rest, false), |rest| (rest, true));
        let segments = if rest.is_empty() { Vec::new() } else { rest.split('/').map(segment).collect::<Result<_, _>>()? };
        let names: Vec<&str> = segments.iter().filter_map(Segment::name).collect();
        if names.iter().enumerate().any(|(at, name)| names[at + 1..].contains(name)) {
            return Err("a name in braces stands there twice");
        }
        Ok(Self { slash: slash || segments.is_empty(), segments })
    }

    /// The names in braces, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(Segment::name)
    }

    /// The same path with its names numbered: two paths that match the same requests have one pattern.
    #[must_use]
    pub fn pattern(&self) -> String {
        let mut count = 0;
        let mut pattern = String::new();
        for segment in &self.segments {
            match segment {
                Segment::Text(text) => pattern += &format!("/{text}"),
                Segment::Name(_) => {
                    count += 1;
                    pattern += &format!("/{{p{count}}}");
                }
            }
        }
        if self.slash {
            pattern.push('/');
        }
        pattern
    }

    /// The paths that it stands for.
    #[must_use]
    pub fn forms(&self, slash: Slash) -> Vec<Self> {
        match slash {
            Slash::Either if !self.segments.is_empty() => [true, false].map(|slash| Self { slash, segments: self.segments.clone() }).into(),
            _ => vec![self.clone()],
        }
    }

    /// The same path below a prefix, which is empty or has no slash at its end.
    #[must_use]
    fn below(&self, prefix: &str) -> Self {
        let before = prefix.split('/').filter(|text| !text.is_empty()).map(|text| Segment::Text(text.to_owned()));
        Self { segments: before.chain(self.segments.iter().cloned()).collect(), slash: self.slash }
    }
}

impl Segment {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Text(_) => None,
        }
    }
}

fn segment(text: &str) -> Result<Segment, &'static str> {
    if let Some(name) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        return plain.then(|| Segment::Name(name.to_owned())).ok_or("a name in braces is of letters, digits and _");
    }
    // RFC 3986 §3.3: unreserved and sub-delims, less what a router reads in its own way.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~!$&'()+,;=:@".contains(&b);
    match text {
        "" => Err("two slashes follow each other"),
        "." | ".." => Err("a segment of dots leads elsewhere"),
        _ if text.bytes().all(plain) => Ok(Segment::Text(text.to_owned())),
        _ => Err("a path is of plain segments and of names in braces, each a whole segment"),
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Text(text) => write!(f, "/{text}")?,
                Segment::Name(name) => write!(f, "/{{{name}}}")?,
            }
        }
        f.write_str(if self.slash { "/" } else { "" })
    }
}

/// A dialect with the place it is mounted at.
#[derive(Clone, Debug)]
pub struct Mounted {
    pub dialect: Arc<Dialect>,
    /// What it was read from: a name of ours, or a file.
    pub from: String,
    /// Empty, or `/old`.
    pub prefix: String,
}

/// One old request: which dialect and which of its routes answer it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub dialect: Arc<Dialect>,
    /// Index into `dialect.routes`.
    pub route: usize,
    pub method: String,
    /// The names in braces, in order.
    pub names: Vec<String>,
}

/// Every path of every dialect, with the entries of its methods.
pub type Table = BTreeMap<String, Vec<Entry>>;

/// First segments of the server's own paths: nobody else answers below them.
const OWN: &[&str] = &[
    ".well-known",
    "account",
    "admin",
    "apps",
    "assets",
    "consent",
    "demo",
    "device",
    "docs",
    "oauth2",
    "openapi.json",
    "preferences",
    "recover",
    "redoc",
    "setup",
    "sign-in",
    "sign-up",
    "v1",
    "verify-email",
];

/// Is this path one of the server's own, below its base (the issuer's path)? `/` is the home page.
fn is_own(pattern: &str, base: &str) -> bool {
    let Some(path) = pattern.strip_prefix(base).filter(|path| path.is_empty() || path.starts_with('/')) else {
        // The documents of an issuer with a path stand at the root (RFC 8414 §3.1).
        return pattern.starts_with("/.well-known/");
    };
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    first.is_empty() || OWN.contains(&first) || pattern.starts_with("/.well-known/")
}

/// Puts the dialects of a deployment together. `base` is the path of the issuer.
///
/// # Errors
/// Every path that two files own, naming both, and every path that is the server's own.
pub fn table(mounted: &[Mounted], base: &str) -> Result<Table, Vec<String>> {
    let (mut table, mut problems) = (Table::new(), Vec::new());
    let mut owners: BTreeMap<(String, String), &Mounted> = BTreeMap::new();
    for mount in mounted {
        for (n, route) in mount.dialect.routes.iter().enumerate() {
            for (method, path) in route.paths() {
                let Ok(path) = Path::parse(path) else { continue };
                for form in path.below(&mount.prefix).forms(mount.dialect.slash) {
                    let pattern = form.pattern();
                    if is_own(&pattern, base) {
                        problems.push(format!(
                            "{}: {method} {form} is a path of Portero's own; mount it elsewhere: {}@/old",
                            mount.from, mount.from
                        ));
                        continue;
                    }
                    match owners.insert((method.to_owned(), pattern.clone()), mount) {
                        Some(other) if !std::ptr::eq(other, mount) => {
                            let (a, b) = (&other.from, &mount.from);
                            problems.push(format!("{a} and {b} both answer {method} {form}; mount one of them elsewhere: {b}@/old"));
                        }
                        _ => table.entry(pattern).or_default().push(Entry {
                            dialect: Arc::clone(&mount.dialect),
                            route: n,
                            method: method.to_owned(),
                            names: form.names().map(str::to_owned).collect(),
                        }),
                    }
                }
            }
        }
    }
    if problems.is_empty() { Ok(table) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounted(from: &str, prefix: &str, requests: &[&str]) -> Mounted {
        let requests: Vec<String> = requests.iter().map(|request| format!("\"{request}\"")).collect();
        let text = format!(
            "name = 'x'\nstyle = 'flask'\nslash = 'either'\n[client]\nid = 'x'\n[[routes]]\nrequests = [{}]\noperation = 'me'\nanswer = {{}}",
            requests.join(",")
        );
        Mounted { dialect: Arc::new(toml::from_str(&text).expect("a dialect")), from: from.to_owned(), prefix: prefix.to_owned() }
    }

    #[test]
    fn paths_are_plain_segments_and_names() {
        let path = Path::parse("/users/{username}/x").expect("a path");
        assert_eq!((path.pattern(), path.to_string()), ("/users/{p1}/x".to_owned(), "/users/{username}/x".to_owned()));
        assert_eq!(Path::parse("/").expect("the root").pattern(), "/");
        assert_eq!(Path::parse("/api/token/").expect("a path").pattern(), "/api/token/");
        let forms = Path::parse("/a/{b}").expect("a path").forms(Slash::Either);
        assert_eq!(forms.iter().map(Path::pattern).collect::<Vec<_>>(), ["/a/{p1}/", "/a/{p1}"]);
        for wrong in ["", "a", "//", "/a//b", "/a?b", "/a#b", "/a b", "/{a}b", "/{}", "/{*a}", "/{a}/{a}", "/ñ", "/../a", "/a/*", "/:a%20"]
        {
            assert!(Path::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_path_that_two_own_is_refused_naming_both() {
        let (a, b) = (mounted("fastapi-auth", "", &["GET /users/{id}"]), mounted("./mine.toml", "", &["GET /users/{name}/"]));
        let problems = table(&[a.clone(), b.clone()], "").expect_err("both answer it");
        assert!(
            problems.iter().any(|p| p.contains("fastapi-auth") && p.contains("./mine.toml") && p.contains("GET /users/")),
            "{problems:?}"
        );
        let elsewhere = Mounted { prefix: "/old".to_owned(), ..b };
        let table = table(&[a, elsewhere], "").expect("they are apart");
        assert_eq!(
            table.keys().map(String::as_str).collect::<Vec<_>>(),
            ["/old/users/{p1}", "/old/users/{p1}/", "/users/{p1}", "/users/{p1}/"]
        );
    }

    #[test]
    fn two_methods_of_one_path_may_belong_to_two() {
        let (a, b) = (mounted("a", "", &["GET /users/{id}"]), mounted("b", "", &["DELETE /users/{name}"]));
        let table = table(&[a, b], "").expect("no request is both's");
        let entries: Vec<_> = table["/users/{p1}"].iter().map(|entry| (entry.method.as_str(), entry.names[0].as_str())).collect();
        assert_eq!(entries, [("GET", "id"), ("DELETE", "name")]);
    }

    #[test]
    fn the_servers_own_paths_are_its_own() {
        for path in ["/", "/oauth2/token", "/v1/users", "/docs", "/sign-in", "/.well-known/jwks.json"] {
            assert!(table(&[mounted("x", "", &[&format!("GET {path}")])], "").is_err(), "{path}");
        }
        assert!(table(&[mounted("x", "", &["GET /v1/users"])], "/auth").is_ok(), "it is somewhere else");
        assert!(table(&[mounted("x", "/auth", &["GET /v1/users"])], "/auth").is_err());
        assert!(table(&[mounted("x", "", &["GET /.well-known/x"])], "/auth").is_err());
        assert!(table(&[mounted("x", "/old", &["GET /docs"])], "").is_ok());
    }

    #[test]
    fn every_path_of_the_server_is_reserved() {
        let urls = include_str!("../urls.rs");
        let paths: Vec<&str> = urls.lines().filter_map(|line| line.strip_prefix("pub const ")?.split('"').nth(1)).collect();
        assert!(paths.len() > 20, "{paths:?}");
        for path in paths {
            assert!(is_own(path, ""), "{path} is a path of ours: its first segment belongs into OWN");
        }
    }
}
