//! The binary: reads the command line and hands over to [`portero::cli`].

fn main() -> std::process::ExitCode {
    portero::cli::run()
}
