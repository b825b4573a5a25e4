//! `openapi`: the document that the server gives at `/openapi.json`, without a server.

use super::output::print;
use super::{Done, Failure, Global};
use crate::config::Config;
use crate::router;
use crate::urls::Urls;

pub fn run(global: &Global) -> Done {
    let loaded = Config::load(&global.inputs(Vec::new()))?;
    let document = router::document(&Urls::new(&loaded.config.issuer));
    let text = if global.json { Ok(document.to_string()) } else { serde_json::to_string_pretty(&document) };
    print(&text.map_err(Failure::refused)?)
}
