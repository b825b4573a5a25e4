//! The old requests of hand-written auth services, answered as they were: a team puts Portero in such a service's place and its front ends
//! notice nothing.
//!
//! A *dialect* is data, a TOML file: which old request does which operation, where its fields stand, what the answer looks like, and which
//! first-party client its tokens belong to. The operations are the ones of every other door (`accounts`, `tokens`, `once`), with the same
//! limits, lock-outs and audit; the tokens are ordinary ones.
//!
//! | what | file |
//! |---|---|
//! | what a file may say | [`dialect`] |
//! | whether it is right, by line | [`check`] |
//! | bodies with places in them | [`template`] |
//! | fields of a request | [`request`] |
//! | answers, and errors as the old framework drew them | [`answer`] |
//! | paths, prefixes, collisions | [`mount`] |
//! | the client of a dialect | [`client`] |
//! | one request, from its bytes to its answer | [`serve`] |
//! | what is done | [`operations`] |
//!
//! Mounted only where `PORTERO_DIALECTS` says so. Called by `cli` (which opens them at the start and checks files) and `router`.

pub mod answer;
pub mod check;
pub mod client;
pub mod dialect;
pub mod mount;
mod operations;
pub mod request;
mod serve;
pub mod template;

use std::path::Path;
use std::sync::Arc;

use axum::Router;

use crate::app::App;
use crate::config::{Config, DialectMount};
use crate::urls::Urls;
use mount::{Mounted, Table};

/// The dialects that come with the server, each for one of the services it replaces.
pub const SHIPPED: &[(&str, &str)] = &[
    ("fastapi-auth", include_str!("dialects/fastapi-auth.toml")),
    ("flask-jwt", include_str!("dialects/flask-jwt.toml")),
    ("django-simplejwt", include_str!("dialects/django-simplejwt.toml")),
    ("fastapi-one-time", include_str!("dialects/fastapi-one-time.toml")),
    ("fastapi-users", include_str!("dialects/fastapi-users.toml")),
];

/// Far above any honest file.
const MAX_FILE: u64 = 1024 * 1024;

/// Why the dialects of a deployment cannot be mounted. Each line names a file and what to change.
#[derive(Debug, thiserror::Error)]
#[error("PORTERO_DIALECTS: {}", .0.join("\n    "))]
pub struct DialectError(pub Vec<String>);

/// The dialects of a deployment, put together.
#[derive(Clone, Debug, Default)]
pub struct Dialects {
    mounted: Vec<Mounted>,
    table: Table,
}

impl Dialects {
    /// Reads what the configuration names, and puts it together.
    ///
    /// # Errors
    /// Everything that is wrong with a file, or between two.
    pub fn load(config: &Config) -> Result<Self, DialectError> {
        let (mut mounted, mut problems) = (Vec::new(), Vec::new());
        for mount in &config.dialects {
            match one(mount) {
                Ok(one) => mounted.push(one),
                Err(wrong) => problems.extend(wrong),
            }
        }
        problems.extend(client::disagreements(&mounted));
        if !problems.is_empty() {
            return Err(DialectError(problems));
        }
        let table = mount::table(&mounted, Urls::new(&config.issuer).base()).map_err(DialectError)?;
        Ok(Self { mounted, table })
    }

    /// The same, with the clients of the dialects in the store.
    ///
    /// # Errors
    /// As above; and a client that stands in the way, or a store that does not answer.
    pub async fn open(app: &App) -> Result<Self, DialectError> {
        let dialects = Self::load(&app.config)?;
        for mounted in &dialects.mounted {
            client::ensure(app, &mounted.dialect).await.map_err(|reason| DialectError(vec![format!("{}: {reason}", mounted.from)]))?;
        }
        Ok(dialects)
    }

    /// What is mounted where, for the log.
    pub fn each(&self) -> impl Iterator<Item = &Mounted> {
        self.mounted.iter()
    }

    /// Their routes, from the root of the server.
    pub fn routes(&self) -> Router<Arc<App>> {
        self.table.iter().fold(Router::new(), |routes, (pattern, entries)| routes.route(pattern, serve::path(entries.as_slice().into())))
    }
}

fn one(mount: &DialectMount) -> Result<Mounted, Vec<String>> {
    let text = match SHIPPED.iter().find(|(name, _)| *name == mount.source) {
        Some((_, text)) => (*text).to_owned(),
        None if is_file(&mount.source) => read(Path::new(&mount.source)).map_err(|reason| vec![format!("{}: {reason}", mount.source)])?,
        None => {
            let names: Vec<_> = SHIPPED.iter().map(|(name, _)| *name).collect();
            return Err(vec![format!("{} is neither a file ending in .toml nor one of {}", mount.source, names.join(", "))]);
        }
    };
    let dialect =
        check::parse(&text).map_err(|wrong| wrong.iter().map(|mistake| format!("{}: {mistake}", mount.source)).collect::<Vec<_>>())?;
    Ok(Mounted { dialect: Arc::new(dialect), from: mount.source.clone(), prefix: mount.prefix.clone() })
}

/// A name of ours has neither.
fn is_file(source: &str) -> bool {
    source.contains('/') || source.ends_with(".toml")
}

/// The text of a dialect file.
///
/// # Errors
/// Why it cannot be read.
pub fn read(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| format!("it cannot be read: {error}"))?.len();
    if size > MAX_FILE {
        return Err(format!("it is larger than {} KiB", MAX_FILE / 1024));
    }
    std::fs::read_to_string(path).map_err(|error| format!("it cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(mounts: &[(&str, &str)]) -> Result<Dialects, DialectError> {
        let mounts = mounts.iter().map(|(source, prefix)| DialectMount { source: (*source).to_owned(), prefix: (*prefix).to_owned() });
        Dialects::load(&Config { dialects: mounts.collect(), ..Config::default() })
    }

    #[test]
    fn every_dialect_that_is_shipped_is_right() {
        for (name, text) in SHIPPED {
            let dialect = check::parse(text).unwrap_or_else(|mistakes| panic!("{name}: {mistakes:#?}"));
            assert_eq!((dialect.name.as_str(), dialect.client.id.as_str(), dialect.source()), (*name, *name, *name));
            assert_eq!(load(&[(name, "")]).expect("it mounts").each().count(), 1);
        }
    }

    #[test]
    fn all_of_them_stand_beside_each_other_below_prefixes() {
        let prefixes: Vec<String> = SHIPPED.iter().map(|(name, _)| format!("/{name}")).collect();
        let mounts: Vec<_> = SHIPPED.iter().zip(&prefixes).map(|((name, _), prefix)| (*name, prefix.as_str())).collect();
        let dialects = load(&mounts).expect("they are apart");
        let _ = dialects.routes();
        assert!(dialects.table.keys().all(|pattern| prefixes.iter().any(|prefix| pattern.starts_with(prefix.as_str()))));
    }

    #[test]
    fn two_that_own_the_same_path_are_refused_naming_both() {
        let refused = load(&[("fastapi-auth", ""), ("fastapi-one-time", "")]).expect_err("both answer POST /auth/register").to_string();
        assert!(refused.contains("fastapi-auth and fastapi-one-time both answer POST /auth/register"), "{refused}");
    }

    #[test]
    fn what_is_not_there_is_named() {
        let refused = load(&[("fastapi-outh", ""), ("./nothing.toml", "")]).expect_err("neither is there").to_string();
        assert!(refused.contains("fastapi-outh is neither") && refused.contains("./nothing.toml: it cannot be read"), "{refused}");
    }
}
