//! `migrate [--check]`.

use serde_json::json;

use super::{Done, Failure, Global, host};
use crate::config::Config;
use crate::storage;
use crate::telemetry::Program;

#[derive(clap::Args)]
pub struct Migrate {
    /// Change nothing; exit code 1 where migrations are missing
    #[arg(long)]
    check: bool,
}

pub async fn run(global: &Global, migrate: &Migrate) -> Done {
    let config = Config::load(&global.inputs(Vec::new()))?.config;
    host::start_log(&config, Program::Command);
    let url = config.database_url.expose();
    let names = |names: &[String], none: &str| if names.is_empty() { none.to_owned() } else { names.join("\n") };
    if migrate.check {
        let pending = storage::pending(url).await.map_err(Failure::refused)?;
        global.output().answer(&json!({ "pending": pending }), || names(&pending, "nothing is missing"))?;
        return if pending.is_empty() { Ok(()) } else { Err(Failure::Told) };
    }
    let applied = storage::migrate(url).await.map_err(Failure::refused)?;
    global.output().answer(&json!({ "applied": applied }), || names(&applied, "nothing was missing"))?;
    Ok(())
}
