//! The counters of what replicas keep in memory.

use async_trait::async_trait;

use super::super::Result;
use super::super::durable::Revisions;
use super::super::durable::revision::Current;
use super::Sql;

#[async_trait]
impl Revisions for Sql {
    async fn current(&self) -> Result<Current> {
        let rows = on!(self.read, |db| sqlx::query_as::<_, (String, i64)>("SELECT name, revision FROM revisions").fetch_all(db).await)?;
        let of = |name: &str| rows.iter().find(|row| row.0 == name).map_or(0, |row| row.1);
        Ok(Current { clients: of("clients"), keys: of("keys") })
    }

    async fn ping(&self) -> Result<()> {
        on!(self.read, |db| sqlx::query("SELECT 1").execute(db).await.map(drop))?;
        Ok(())
    }
}
