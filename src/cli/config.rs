//! `config check|print`.

use serde_json::{Map, Value, json};

use super::output::{hint, plain, table};
use super::{Done, Failure, Global};
use crate::app::Pieces;
use crate::config::{self, Inputs, Loaded, Problem, Problems, variable};
use crate::legacy::{DialectError, Dialects};

#[derive(clap::Subcommand)]
pub enum Config {
    /// Say everything that is wrong with the configuration; exit code 1 where something is
    Check,
    /// Show the effective settings and where each comes from; secrets are masked
    Print,
}

pub fn run(global: &Global, command: &Config) -> Done {
    let inputs = global.inputs(Vec::new());
    let loaded = match command {
        Config::Check => whole(&inputs),
        Config::Print => config::Config::load(&inputs),
    };
    match (command, loaded) {
        (Config::Check, Ok(loaded)) => {
            loaded.warnings.iter().for_each(|warning| hint(&format!("warning: {warning}")));
            let json = json!({ "ok": true, "problems": [], "warnings": loaded.warnings });
            let (mode, reason) = (loaded.config.mode.as_str(), loaded.config.mode_reason);
            global.output().answer(&json, || format!("the configuration is good ({mode}: {reason})"))?;
            Ok(())
        }
        (Config::Check, Err(problems)) if global.json => {
            let told = problems.0.iter().map(|problem| {
                let mut told = Map::new();
                told.insert("setting".to_owned(), problem.setting.clone().into());
                told.insert("reason".to_owned(), problem.reason.clone().into());
                if let Some(example) = &problem.example {
                    told.insert("example".to_owned(), example.clone().into());
                }
                Value::Object(told)
            });
            global.output().answer(&json!({ "ok": false, "problems": told.collect::<Vec<_>>(), "warnings": [] }), String::new)?;
            Err(Failure::Told)
        }
        (Config::Print, Ok(loaded)) => {
            print(global, &loaded)?;
            Ok(())
        }
        (_, Err(problems)) => Err(problems.into()),
    }
}

/// The settings, and what they name beyond themselves: everything that would keep a server from starting, as far as no store has to be asked.
fn whole(inputs: &Inputs) -> Result<Loaded, Problems> {
    let (loaded, Problems(mut problems)) = config::Config::look(inputs);
    let DialectError(dialects) = Dialects::load(&loaded.config).err().unwrap_or(DialectError(Vec::new()));
    let dialects = dialects.into_iter().map(|reason| Problem { setting: variable("dialects"), reason, example: None });
    let pieces = Pieces::open(&loaded.config).err().into_iter().flat_map(|problems| problems.0);
    // Of a setting that is wrong in itself nothing more is said.
    let told = |found: &Problem| problems.iter().any(|problem| problem.setting.contains(&found.setting));
    let more: Vec<_> = dialects.chain(pieces).filter(|found| !told(found)).collect();
    problems.extend(more);
    if problems.is_empty() { Ok(loaded) } else { Err(Problems(problems)) }
}

fn print(global: &Global, loaded: &Loaded) -> Done {
    let settings: Map<String, Value> = loaded
        .entries
        .iter()
        .map(|entry| {
            let mut shown = Map::new();
            if let Some(value) = &entry.value {
                shown.insert("value".to_owned(), value.clone().into());
            }
            shown.insert("source".to_owned(), entry.source.to_string().into());
            (entry.key.clone(), Value::Object(shown))
        })
        .collect();
    global.output().answer(&Value::Object(settings), || {
        let row =
            |entry: &config::Entry| vec![entry.key.clone(), plain(entry.value.as_deref().unwrap_or("(not set)")), entry.source.to_string()];
        table(&["SETTING", "VALUE", "SOURCE"], &loaded.entries.iter().map(row).collect::<Vec<_>>())
    })
}
