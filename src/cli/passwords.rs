//! `passwords build`.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;

use serde_json::json;

use super::output::hint;
use super::{Done, Failure, Global};
use crate::accounts::breached;

#[derive(clap::Subcommand)]
pub enum Passwords {
    /// Make the compact file of breached passwords that PORTERO_PASSWORDS__BREACHED names
    Build {
        /// The public list: a SHA-1 digest and a count on each line (DIGEST:COUNT), ordered by digest; `-` for standard input
        list: PathBuf,
        /// The file to make
        out: PathBuf,
        /// Leave out what was seen less often: 10 makes the file a tenth as large and keeps what is tried
        #[arg(long, value_name = "COUNT", default_value_t = 1)]
        at_least: u64,
    },
}

pub fn run(global: &Global, command: &Passwords) -> Done {
    let Passwords::Build { list, out, at_least } = command;
    let built = if list.as_os_str() == "-" {
        breached::build(std::io::stdin().lock(), out, *at_least)
    } else {
        let file = File::open(list).map_err(|error| Failure::Refused(format!("{}: {error}", list.display())))?;
        breached::build(BufReader::with_capacity(1 << 20, file), out, *at_least)
    };
    let built = built.map_err(Failure::Refused)?;
    let json = json!({ "file": out.display().to_string(), "read": built.read, "kept": built.kept });
    global.output().answer(&json, || format!("{}: {} of {} digests", out.display(), built.kept, built.read))?;
    hint(&format!("PORTERO_PASSWORDS__BREACHED={} makes the server look there", out.display()));
    Ok(())
}
