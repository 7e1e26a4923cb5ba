//! Speaks to people: arguments in; text, JSON lines and exit codes out. The only room that prints.

mod app;
mod args;
mod demo;
mod exit;
mod out;
mod passwords;
mod progress;
mod text;
mod verbs;

use clap::Parser;
use std::process::ExitCode;

/// The program: understands its arguments, does what they ask for, and says what became of it.
pub fn run() -> ExitCode {
    let cli = match args::Cli::try_parse() {
        Ok(cli) => cli,
        Err(message) => return exit::usage(&message),
    };
    let app = app::App::new(cli.global);
    let done = verbs::run(&app, &cli.verb);
    exit::report(&app, done)
}
