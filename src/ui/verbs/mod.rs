//! One file for each verb: its arguments, what it does, and what it prints.

pub mod backup;
pub mod cat;
pub mod check;
pub mod completions;
pub mod demo;
pub mod diff;
pub mod dump;
pub mod find;
pub mod forget;
pub mod hold;
pub mod init;
pub mod key;
pub mod ls;
pub mod man;
pub mod restore;
pub mod snapshots;
pub mod stats;
pub mod tag;

mod filter;
mod from;
mod groups;
mod keep;
mod patterns;
mod postgres;
mod sources;
mod verdicts;
mod views;

use super::app::App;
use super::args::Verb;
use super::exit::Done;
use super::out::Out;
use crate::error::{Error, Kind, Result};
use serde::Serialize;

/// Does what the command line asks for.
pub fn run(app: &App, verb: &Verb) -> Result<Done> {
    start_threads()?;
    match verb {
        Verb::Init(args) => init::run(app, args),
        Verb::Backup(args) => backup::run(app, args),
        Verb::Snapshots(args) => snapshots::run(app, args),
        Verb::Restore(args) => restore::run(app, args),
        Verb::Find(args) => find::run(app, args),
        Verb::Diff(args) => diff::run(app, args),
        Verb::Stats(args) => stats::run(app, args),
        Verb::Check(args) => check::run(app, args),
        Verb::Ls(args) => ls::run(app, args),
        Verb::Dump(args) => dump::run(app, args),
        Verb::Forget(args) => forget::run(app, args),
        Verb::Hold(args) => hold::run(app, args),
        Verb::Release(args) => hold::release(app, args),
        Verb::Tag(args) => tag::run(app, args),
        Verb::Key(verb) => key::run(app, verb),
        Verb::Cat(verb) => cat::run(app, verb),
        Verb::Completions(args) => completions::run(args),
        Verb::Man(args) => man::run(args),
        Verb::Version => version(app),
        Verb::Demo(args) => demo::run(args),
    }
}

fn version(app: &App) -> Result<Done> {
    #[derive(Serialize)]
    struct Version {
        version: &'static str,
        os: &'static str,
        arch: &'static str,
    }
    let version = env!("CARGO_PKG_VERSION");
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let mut out = Out::new();
    match app.global.json {
        true => out.json("version", &Version { version, os, arch })?,
        false => out.line(&format!("icecore {version}"))?,
    }
    out.finish()?;
    Ok(Done::All)
}

/// Starts the threads that all work is shared among. Left to their first use, a machine that
/// gives none would make that panic.
fn start_threads() -> Result<()> {
    rayon::ThreadPoolBuilder::new().build_global().map_err(|cause| {
        Error::new(Kind::Failed, "start", "threads")
            .because(cause.to_string())
            .hint("give the program more memory or processes, or set RAYON_NUM_THREADS=1")
    })
}
