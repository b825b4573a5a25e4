//! The command line. A file for each group of commands, its arguments beside what they do.
//!
//! Standard output holds the answer alone (with `--json` one JSON value, an array for lists); hints and problems go to standard error. Exit
//! codes: 0 done, 1 refused or failed, 2 wrong usage. A secret is printed once, by the command that made it. Leaves to others: every rule;
//! commands call the same functions as pages and endpoints, on the same stores, and a running server sees the change.

mod admin;
mod client;
mod config;
mod dialect;
mod doctor;
mod healthcheck;
mod host;
mod import;
mod keys;
mod migrate;
mod openapi;
mod output;
mod passwords;
mod serve;
mod user;
mod welcome;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::config::{Inputs, Problems};
use output::Output;

/// Why a command did not do what it was asked for.
#[derive(Debug)]
pub enum Failure {
    /// Refused or failed: 1.
    Refused(String),
    /// Asked for in a way that makes no sense: 2.
    Usage(String),
    /// The answer was printed and says no: 1.
    Told,
}

impl Failure {
    fn refused(reason: impl std::fmt::Display) -> Self {
        Self::Refused(reason.to_string())
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Self {
        let reason = format!("this configuration cannot be used:\n{problems}");
        // What is wrong stands on the command line itself.
        if problems.0.iter().all(|problem| problem.setting.starts_with("--")) { Self::Usage(reason) } else { Self::Refused(reason) }
    }
}

type Done = Result<(), Failure>;

#[derive(Parser)]
#[command(name = "portero", version = version(), about = "An OAuth 2 and OpenID Connect authorization server", arg_required_else_help = false)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    serve: serve::Serve,
    #[command(subcommand)]
    command: Option<Command>,
}

fn version() -> &'static str {
    match option_env!("PORTERO_COMMIT") {
        Some(commit) => Box::leak(format!("{} ({commit})", env!("CARGO_PKG_VERSION")).into_boxed_str()),
        None => env!("CARGO_PKG_VERSION"),
    }
}

#[derive(Args)]
struct Global {
    /// The configuration file [default: portero.toml, where there is one; environment: PORTERO_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Answer in JSON on standard output, and nothing else there
    #[arg(long, global = true)]
    json: bool,
}

impl Global {
    fn inputs(&self, flags: Vec<(&'static str, &'static str, String)>) -> Inputs {
        Inputs::of_process(self.config.clone(), flags)
    }

    fn output(&self) -> Output {
        Output { json: self.json }
    }
}

#[derive(Subcommand)]
enum Command {
    /// Run the server (also without any command)
    Serve(serve::Serve),
    /// Bring the database's schema up to date
    Migrate(migrate::Migrate),
    /// Manage clients
    #[command(subcommand)]
    Client(client::Client),
    /// Manage people
    #[command(subcommand)]
    User(user::User),
    /// Manage signing keys
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Make the file of breached passwords
    #[command(subcommand)]
    Passwords(passwords::Passwords),
    /// Check or print the configuration
    #[command(subcommand)]
    Config(config::Config),
    /// Check a dialect: the old requests of a service that is replaced
    #[command(subcommand)]
    Dialect(dialect::Dialect),
    /// Look for what would keep the server from working, and say what to do
    Doctor,
    /// Ask the running server whether it is well: exit code 0 or 1
    Healthcheck(healthcheck::Healthcheck),
    /// Print the OpenAPI document of the server's API
    Openapi,
    /// Help for administrators
    #[command(subcommand)]
    Admin(admin::Admin),
}

/// Without any command the server runs, with the same flags.
impl Default for Command {
    fn default() -> Self {
        Self::Serve(serve::Serve::default())
    }
}

/// Reads the command line of this process and does what it says.
#[must_use]
pub fn run() -> ExitCode {
    let Cli { global, serve, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        // Help and version go to standard output and are no failure; clap knows which is which.
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let done = match command.unwrap_or_default() {
        Command::Serve(later) => serve::run(&global, later.or(serve)),
        _ if !serve.is_empty() => Err(Failure::Usage("--listen, --management-listen and --issuer are for serve".to_owned())),
        Command::Healthcheck(healthcheck) => healthcheck::run(&global, &healthcheck),
        Command::Passwords(command) => passwords::run(&global, &command),
        // A pool of connections to a mail server, which nobody connects to, needs a runtime.
        Command::Config(command) => block_on(async { config::run(&global, &command) }),
        Command::Dialect(command) => dialect::run(&global, &command),
        Command::Migrate(migrate) => block_on(migrate::run(&global, &migrate)),
        Command::Client(command) => block_on(client::run(&global, command)),
        Command::User(command) => block_on(user::run(&global, command)),
        Command::Keys(command) => block_on(keys::run(&global, command)),
        Command::Openapi => openapi::run(&global),
        Command::Doctor => block_on(doctor::run(&global)),
        Command::Admin(command) => block_on(admin::run(&global, &command)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Told) => ExitCode::FAILURE,
        Err(Failure::Refused(reason)) => {
            output::complain(&reason);
            ExitCode::FAILURE
        }
        Err(Failure::Usage(reason)) => {
            output::complain(&reason);
            ExitCode::from(2)
        }
    }
}

/// One thread is enough for a command; what computes has threads of its own.
fn block_on(command: impl Future<Output = Done>) -> Done {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::Refused(format!("the runtime cannot be started: {error}")))?.block_on(command)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn what_is_wrong_on_the_command_line_is_wrong_usage() {
        let problem =
            |setting: &str| crate::config::Problem { setting: setting.to_owned(), reason: "is no address".to_owned(), example: None };
        let flag = || problem("--listen (PORTERO_LISTEN)");
        assert!(matches!(Failure::from(Problems(vec![flag()])), Failure::Usage(_)));
        assert!(matches!(Failure::from(Problems(vec![flag(), problem("PORTERO_ISSUER")])), Failure::Refused(_)));
    }

    #[test]
    fn scripts_may_put_json_last() {
        let words =
            ["portero", "client", "create", "--name", "x", "--redirect-uri", "https://a/b", "--redirect-uri", "https://a/c", "--json"];
        let cli = Cli::try_parse_from(words).expect("valid");
        assert!(cli.global.json);
        assert!(Cli::try_parse_from(["portero"]).expect("valid").command.is_none());
        assert!(!Cli::try_parse_from(["portero", "--listen", "127.0.0.1:1"]).expect("valid").serve.is_empty());
        assert_eq!(Cli::try_parse_from(["portero", "client", "creat"]).err().expect("a mistake").exit_code(), 2);
    }
}
