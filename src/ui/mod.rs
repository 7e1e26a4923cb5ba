//! Speaks to people: arguments in; text, JSON lines and exit codes out. The only room that prints.

pub mod restic;

mod app;
mod args;
mod bar;
mod cache;
mod counts;
mod demo;
mod exit;
mod global;
mod host;
mod json;
mod out;
mod passwords;
mod progress;
mod progress_total;
mod secret_input;
mod table;
mod verbs;

use crate::error::{Attempt, Result};
use crate::limits::STACK;
use clap::{CommandFactory, FromArgMatches};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::process::ExitCode;

/// The program: understands its arguments, does what they ask for, and reports the outcome.
pub fn run() -> ExitCode {
    if let Some(code) = crate::agent::run_as_guard() {
        return code;
    }
    if let Some(code) = crate::containers::run_as_exec() {
        return code;
    }
    let command = restic::with_restic_flags(args::Cli::command());
    let matches = command.clone().try_get_matches();
    let parsed = matches.and_then(|matches| {
        Ok((args::Cli::from_arg_matches(&matches)?, restic::accepted(&matches)))
    });
    let (cli, notes) = match parsed {
        Ok(parsed) => parsed,
        Err(message) => return exit::usage(command, &message),
    };
    open_as_many_files_as_allowed();
    let app = app::App::new(cli.global);
    notes.iter().for_each(|note| app.note(note));
    let done = on_a_stack_of_its_own(|| verbs::run(&app, &cli.verb, args::Cli::command));
    exit::report(&app.global, done)
}

/// Trees as deep as any that is captured are walked, whatever `ulimit -s` leaves to the first thread.
fn on_a_stack_of_its_own(work: impl FnOnce() -> Result<exit::Done> + Send) -> Result<exit::Done> {
    std::thread::scope(|scope| {
        let worker = std::thread::Builder::new().name("icecore".into()).stack_size(STACK);
        let worker = worker.spawn_scoped(scope, work).attempt("start", "a thread")?;
        // A panic goes on as one.
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A walk keeps the folders open whose files wait to be read; the limit that a shell sets is low for
/// the sake of programs that cannot count further.
fn open_as_many_files_as_allowed() {
    let limit = getrlimit(Resource::Nofile);
    // Without it the limit stays, and what cannot be opened is named.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
