//! `dialect check FILE`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::output::{complain, hint};
use super::{Done, Failure, Global};
use crate::legacy::mount::{self, Mounted};
use crate::legacy::{self, SHIPPED, check};

#[derive(clap::Subcommand)]
pub enum Dialect {
    /// Say everything that is wrong with a dialect file, by line; exit code 1 where something is
    Check {
        /// A TOML file, or the name of a dialect that comes with the server
        file: PathBuf,
    },
    /// Print a dialect that comes with the server, to begin one of your own with
    Show {
        /// Its name
        name: String,
    },
}

pub fn run(global: &Global, command: &Dialect) -> Done {
    match command {
        Dialect::Check { file } => {
            let shipped = file.to_str().and_then(shipped);
            let text = match shipped {
                Some(text) if !Path::new(file).exists() => text.to_owned(),
                _ => legacy::read(file).map_err(|reason| Failure::Refused(format!("{}: {reason}", file.display())))?,
            };
            check(global, file, &text)
        }
        Dialect::Show { name } => {
            let names = || SHIPPED.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            let text = shipped(name).ok_or_else(|| Failure::Refused(format!("there is no dialect {name}; there are {}", names())))?;
            global.output().answer(&json!({ "name": name, "text": text }), || text.to_owned())?;
            Ok(())
        }
    }
}

fn shipped(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

fn check(global: &Global, file: &Path, text: &str) -> Done {
    match check::parse(text) {
        Ok(dialect) => {
            let requests: usize = dialect.routes.iter().map(|route| route.requests.len()).sum();
            let name = dialect.name.clone();
            // Below a prefix it is as good as any other.
            let at_the_root = Mounted { dialect: Arc::new(dialect), from: file.display().to_string(), prefix: String::new() };
            let notes = mount::table(&[at_the_root], "").err().unwrap_or_default();
            notes.iter().for_each(|note| hint(note));
            let json = json!({ "ok": true, "name": name, "requests": requests, "mistakes": [], "notes": notes });
            global.output().answer(&json, || format!("{} is good: {name} answers {requests} requests", file.display()))?;
            Ok(())
        }
        Err(mistakes) => {
            if global.json {
                let told: Vec<_> = mistakes.iter().map(|m| json!({ "line": m.line, "column": m.column, "what": m.what })).collect();
                global.output().answer(&json!({ "ok": false, "mistakes": told }), String::new)?;
                return Err(Failure::Told);
            }
            let lines: Vec<&str> = text.lines().collect();
            for mistake in &mistakes {
                let source = mistake.line.checked_sub(1).and_then(|n| lines.get(n)).map_or("", |line| line.trim_end());
                complain(&format!("{}:{}:{}: {}\n    {source}", file.display(), mistake.line, mistake.column, mistake.what));
            }
            Err(Failure::Told)
        }
    }
}
