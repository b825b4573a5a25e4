//! `keys list|rotate|import`.

use std::path::PathBuf;

use serde_json::json;

use super::host::{Host, read_stdin};
use super::output::{hint, table};
use super::{Done, Failure, Global};
use crate::clock::Time;
use crate::keys::Which;
use crate::protocol::client::SigningAlg;

#[derive(clap::Subcommand)]
pub enum Keys {
    /// Show every signing key and its stage
    List,
    /// Publish the next key; it signs once everybody can know it
    Rotate {
        /// Sign with it at once: for a key that leaked. Whoever kept the old key set refuses new tokens until they fetch it again
        #[arg(long)]
        now: bool,
        /// Only this algorithm [default: every algorithm that has a key]
        #[arg(long, value_name = "ALG", value_parser = algorithm)]
        alg: Option<SigningAlg>,
    },
    /// Take over a private key made elsewhere (PEM or JWK; `-` for standard input)
    Import {
        file: PathBuf,
        /// Sign with it at once
        #[arg(long)]
        now: bool,
    },
}

fn algorithm(name: &str) -> Result<SigningAlg, String> {
    SigningAlg::parse(name).ok_or_else(|| format!("none of {}", SigningAlg::ALL.map(SigningAlg::as_str).join(", ")))
}

pub async fn run(global: &Global, command: Keys) -> Done {
    let host = Host::open(global).await?;
    let ring = host.keys().await?;
    let (now, by) = (host.now(), host.act());
    match command {
        Keys::List => {
            let keys = ring.list(now);
            let json = serde_json::to_value(&keys).map_err(Failure::refused)?;
            global.output().answer(&json, || {
                let row = |key: &crate::keys::KeyInfo| {
                    let until = key.removed_at.map(|at| format!("removed {}", moment(at))).unwrap_or_default();
                    let signs = if key.signs { "signs" } else { "" };
                    vec![key.kid.clone(), key.alg.clone(), key.stage.as_str().to_owned(), signs.to_owned(), moment(key.signs_from), until]
                };
                table(&["KID", "ALG", "STAGE", "", "SIGNS FROM", ""], &keys.iter().map(row).collect::<Vec<_>>())
            })?;
        }
        Keys::Rotate { now: at_once, alg } => {
            let which = alg.map_or(Which::All, Which::Only);
            let made = ring.rotate(which, at_once, || host.random.bytes(), now, &by).await.map_err(Failure::refused)?;
            if made.is_empty() {
                return Err(Failure::Refused("there is no key yet; the server makes the first one when it starts".to_owned()));
            }
            host.seen().await;
            tell_when(&host, at_once);
            global.output().answer(&json!({ "kids": made }), || made.join("\n"))?;
        }
        Keys::Import { file, now: at_once } => {
            let key = if file.as_os_str() == "-" {
                zeroize::Zeroizing::new(read_stdin("The key")?.as_bytes().to_vec())
            } else {
                zeroize::Zeroizing::new(std::fs::read(&file).map_err(|error| Failure::Refused(format!("{}: {error}", file.display())))?)
            };
            let kid = ring.import(&key, at_once, host.random.bytes(), now, &by).await.map_err(Failure::refused)?;
            let waits = ring.list(now).iter().any(|key| key.kid == kid && !key.signs);
            host.seen().await;
            tell_when(&host, !waits);
            global.output().answer(&json!({ "kid": kid }), || kid.clone())?;
        }
    }
    Ok(())
}

fn tell_when(host: &Host, at_once: bool) {
    let minutes = host.config.keys.publish_before.as_secs().div_ceil(60);
    hint(&if at_once { "It signs from now on.".to_owned() } else { format!("It is published now and signs in {minutes} minutes.") });
}

fn moment(at: Time) -> String {
    at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
