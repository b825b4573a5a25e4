//! What the server says of itself: lines (`log`) and numbers (`metrics`). A leaf; everybody may call it.

mod log;
pub mod metrics;

use std::io::IsTerminal as _;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use log::Style;
use log::{Lines, Output};

/// Who is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The server: lines go to standard output.
    Server,
    /// A command: standard output belongs to its answer, lines go to standard error.
    Command,
}

/// Starts logging. `style` none: pretty on a terminal, JSON otherwise. Called once; a second call changes nothing.
pub fn start_log(program: Program, style: Option<Style>, level: &str) {
    let (output, terminal) = match program {
        Program::Server => (Output::Stdout, std::io::stdout().is_terminal()),
        Program::Command => (Output::Stderr, std::io::stderr().is_terminal()),
    };
    let style = style.unwrap_or(if terminal || program == Program::Command { Style::Pretty } else { Style::Json });
    let started = tracing_subscriber::registry().with(filter(level)).with(Lines::new(style, output)).try_init();
    if started.is_ok() {
        std::panic::set_hook(Box::new(|panic| {
            let location = panic.location().map_or_else(|| "unknown".to_owned(), ToString::to_string);
            tracing::error!(event = "panic", "panicked at {location}: {}", panic.payload_as_str().unwrap_or("no message"));
        }));
    }
}

/// A bare word is the level of this program; what others have to say begins at a warning. `debug` and `trace` let libraries tell more, but
/// never all: some of them write whole requests at `trace`.
fn filter(level: &str) -> EnvFilter {
    let plain = !level.contains(['=', ',']);
    let directives = match level.trim().to_ascii_lowercase().as_str() {
        word @ ("off" | "error") if plain => word.to_owned(),
        word @ ("debug" | "trace") if plain => format!("info,portero={word}"),
        word if plain => format!("warn,portero={word}"),
        _ => level.to_owned(),
    };
    EnvFilter::builder().parse_lossy(directives)
}
