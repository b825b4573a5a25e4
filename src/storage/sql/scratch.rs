//! What the suites need of a database beyond the contracts: schemas of their own, and statements that break things on purpose.

use std::sync::atomic::{AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::Sql;

/// Makes a schema on that Postgres, and a URL whose connections live in it.
pub async fn make_schema(server: &str) -> (String, String) {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let schema = format!("portero_test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    on_server(server, format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}")).await;
    let mark = if server.contains('?') { '&' } else { '?' };
    (format!("{server}{mark}options[search_path]={schema}"), schema)
}

pub async fn drop_schema(server: &str, schema: &str) {
    on_server(server, format!("DROP SCHEMA {schema} CASCADE")).await;
}

/// Runs statements on the server itself.
pub async fn on_server(server: &str, statements: String) {
    let mut connection = PgConnection::connect(server).await.expect("the Postgres of the tests answers");
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await.expect("the statements run");
    connection.close().await.expect("the connection closes");
}

impl Sql {
    /// Runs statements on the database of a case.
    pub async fn tamper(&self, statements: &'static str) {
        match self {
            Self::Postgres(pool) => {
                let mut lent = pool.lend().await.expect("a connection");
                sqlx::raw_sql(statements).execute(lent.connection()).await.expect("the statements run");
                lent.settle(None);
            }
            Self::Sqlite { write, .. } => {
                let mut lent = write.lend().await.expect("a connection");
                sqlx::raw_sql(statements).execute(lent.connection()).await.expect("the statements run");
                lent.settle(None);
            }
        }
    }
}
