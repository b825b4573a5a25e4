//! `database_url`, `redis_url`: where facts are kept.

use super::reader::Reader;
use super::secret::Secret;
use super::source::Source;

/// The stores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stores {
    /// `sqlite:…` or `postgres://…`.
    pub database_url: Secret,
    /// None: short-lived facts are kept in the process.
    pub redis_url: Option<Secret>,
}

const DATABASE_URL: &str = "sqlite:data/portero.db";

impl Default for Stores {
    fn default() -> Self {
        Self { database_url: Secret::new(DATABASE_URL.to_owned()), redis_url: None }
    }
}

impl Stores {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let (database_url, source) =
            reader.secret("database_url").unwrap_or_else(|| (Secret::new(DATABASE_URL.to_owned()), Source::Default));
        reader.note("database_url", Some(database_url.as_masked_url()), source);
        let redis_url = reader.secret("redis_url");
        match &redis_url {
            Some((url, source)) => reader.note("redis_url", Some(url.as_masked_url()), source.clone()),
            None => reader.note("redis_url", None, Source::Default),
        }
        Self { database_url, redis_url: redis_url.map(|(url, _)| url) }
    }

    pub(super) fn check(&self, reader: &mut Reader<'_>) {
        if !["sqlite:", "postgres://", "postgresql://"].iter().any(|scheme| self.database_url.expose().starts_with(scheme)) {
            reader.problem(
                "database_url",
                "begins with neither sqlite: nor postgres://".to_owned(),
                Some("postgres://portero:password@db.example.org/portero"),
            );
        }
        if self.redis_url.as_ref().is_some_and(|url| !["redis://", "rediss://"].iter().any(|scheme| url.expose().starts_with(scheme))) {
            reader.problem("redis_url", "begins with neither redis:// nor rediss://".to_owned(), Some("redis://cache.example.org:6379"));
        }
    }
}
