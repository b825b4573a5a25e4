//! What the server says of itself: lines (`log`) and numbers (`metrics`). A leaf; everybody may call it.

mod log;
pub mod metrics;
mod queue;

use std::io::IsTerminal as _;
use std::sync::OnceLock;
use std::time::Duration;

use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

pub use log::Style;
use log::{Lines, Output};
use queue::Queue;

/// Who is running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The server: lines go to standard output.
    Server,
    /// A command: standard output belongs to its answer, lines go to standard error.
    Command,
}

/// What the server has said and is not written yet.
static QUEUE: OnceLock<Queue> = OnceLock::new();
/// How long [`flush`] waits for a reader that sleeps.
const PATIENCE: Duration = Duration::from_secs(1);

/// Waits until what was logged is written, a second at most: before an end, and before anything else is printed.
pub fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(PATIENCE);
    }
}

/// Starts logging. `style` none: pretty on a terminal, JSON otherwise. Called once; a second call changes nothing.
pub fn start_log(program: Program, style: Option<Style>, level: &str) {
    let terminal = match program {
        Program::Server => std::io::stdout().is_terminal(),
        Program::Command => std::io::stderr().is_terminal(),
    };
    let style = style.unwrap_or(if terminal || program == Program::Command { Style::Pretty } else { Style::Json });
    let output = match program {
        Program::Server => Output::Stdout(QUEUE.get_or_init(|| Queue::to(std::io::stdout(), log::dropped(style))).clone()),
        Program::Command => Output::Stderr,
    };
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
