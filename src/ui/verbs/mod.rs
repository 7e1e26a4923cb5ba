//! One file for each verb: its arguments, what it does, and what it prints.

pub mod agent;
pub mod alert;
pub mod backup;
pub mod cache;
pub mod cat;
pub mod check;
pub mod completions;
pub mod config;
pub mod copy;
pub mod demo;
pub mod diff;
pub mod doctor;
pub mod dump;
pub mod find;
pub mod forget;
pub mod hold;
pub mod init;
pub mod key;
pub mod ls;
pub mod man;
pub mod mirror;
pub mod panel;
pub mod prune;
pub mod repair;
pub mod restore;
pub mod run;
pub mod schedule;
pub mod snapshots;
pub mod stats;
pub mod status;
pub mod tag;

mod agent_context;
mod containers;
mod env_file;
mod filter;
mod groups;
mod keep;
mod named_repository;
mod patterns;
mod postgres;
mod run_context;
mod source_lists;
mod sources;
mod verdicts;
mod views;

use super::app::App;
use super::exit::Done;
use super::out::Out;
use crate::error::{Error, Kind, Result};
use clap::{Command, Subcommand};
use serde::Serialize;

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Create a repository
    ///
    /// Everything in it is for its owner alone, except in a folder that was made to be shared (setgid,
    /// or writable by its group): there the group has the rights that it has to that folder.
    Init(init::InitArgs),
    /// Save files, databases and streams as one snapshot
    Backup(Box<backup::BackupArgs>),
    /// Restore a snapshot, or a part of it, into a folder or a PostgreSQL server
    Restore(Box<restore::RestoreArgs>),
    /// List snapshots
    Snapshots(snapshots::SnapshotsArgs),
    /// List the files of a snapshot
    Ls(ls::LsArgs),
    /// Look for files in snapshots
    Find(find::FindArgs),
    /// Show what differs between two snapshots
    Diff(diff::DiffArgs),
    /// Write a file of a snapshot, or a folder as an archive of tar, to standard output
    Dump(dump::DumpArgs),
    /// Check the repository, and read data back
    Check(check::CheckArgs),
    /// Show what snapshots hold and cost
    Stats(stats::StatsArgs),
    /// Give snapshots up: those that are named, or those that no rule keeps
    Forget(Box<forget::ForgetArgs>),
    /// Give back the room of what no snapshot needs
    ///
    /// Nobody has to stop for it: backups, checks and restores run beside it, and several prunes, too.
    /// Packs that nobody needs are deleted; of packs that are little used, and of small ones, what
    /// is needed moves to new ones. Before anything is deleted, every writer that may not have seen
    /// this has to end; where one is at work for longer than --wait, the exit code is 3, and the next
    /// prune goes on. One that is stopped at any moment loses nothing.
    Prune(prune::PruneArgs),
    /// Save what can be saved of a damaged repository
    ///
    /// `icecore check --read-data` says what is damaged. What is whole is stored or indexed anew first, and
    /// what is damaged is moved into quarantine after that, never just deleted. Nobody has to stop for
    /// it, and one that is stopped at any moment is run again. A healthy repository is not changed.
    #[command(subcommand)]
    Repair(repair::RepairVerb),
    /// Copy the repository, as it is, to other places
    ///
    /// Objects are copied one to one, so that no password is needed, and a target opens with the passwords
    /// of the repository. Nothing there is ever replaced, and nothing deleted without --delete. Backups and
    /// prunes may run meanwhile. One that is stopped at any moment leaves whole snapshots, and the next goes on.
    Mirror(mirror::MirrorArgs),
    /// Copy snapshots into a repository with other keys
    ///
    /// The target exists already (`icecore init` makes it), and keeps a history of its own: with rules
    /// such as --keep-weekly, what they would keep here is copied, and `icecore forget` there gives up what
    /// is to be given up there. Snapshots that the target has are skipped, others are committed one by one,
    /// the oldest first; one that is stopped at any moment goes on with the next run.
    Copy(Box<copy::CopyArgs>),
    /// Hold snapshots, so that nothing gives them up
    ///
    /// `forget` refuses to give up a snapshot that is held, and no rule takes it, until it is released or the
    /// hold is over. Several may hold the same snapshot, each for a reason of their own.
    Hold(hold::HoldArgs),
    /// End holds of snapshots
    Release(hold::ReleaseArgs),
    /// Change the tags of snapshots
    Tag(tag::TagArgs),
    /// List, add, remove and change passwords and key files
    #[command(subcommand)]
    Key(key::KeyVerb),
    /// Try what the store of a repository can be trusted with
    ///
    /// What every repository needs is tried in a folder of its own beside the repository, or where one is to be,
    /// and deleted again; nothing else is touched. No password is needed.
    Doctor(doctor::DoctorArgs),
    /// Show what this machine keeps of repositories, or remove it
    Cache(cache::CacheArgs),
    /// Print an object of the repository
    #[command(subcommand)]
    Cat(cat::CatVerb),
    /// Run jobs of the file: back up, and copy to the other repositories
    ///
    /// Commands of the job run before and after, services are stopped meanwhile where it says so, and a report
    /// of every step is left in the state folder. Prune and check are done when they are asked for by
    /// --only, so that each has a time of its own.
    Run(run::RunArgs),
    /// Run the jobs of the file by their schedules, until a signal ends it
    ///
    /// Each run is a process of its own. What was missed while the machine slept is made up once; nothing that
    /// is at work is begun again. The file is read again when it changes, or at SIGHUP. SIGTERM ends what is at
    /// work; services that are stopped are started before. One agent keeps a state folder.
    Agent(agent::AgentArgs),
    /// Print systemd units, or a crontab, that run the jobs of the file without an agent
    ///
    /// With --agent, the unit of the agent itself.
    Schedule(schedule::ScheduleArgs),
    /// Show the state of the jobs: the age of the newest good snapshots, what is late, what failed
    ///
    /// The exit code is 3 if a repository's newest good snapshot is older than `rpo` allows, or the last run of
    /// anything failed. No repository is asked: it is what runs on this host have left in the state folder.
    Status(status::StatusArgs),
    /// Show the file that says what is backed up, and check it
    #[command(subcommand)]
    Config(config::ConfigVerb),
    /// Send the alerts that are due
    ///
    /// Every run does that at its end; without an agent, cron can call this, so that what did not happen is told, too.
    Alert(alert::AlertArgs),
    /// Serve the page of [panel] in the file: what jobs did, what is in their snapshots, and buttons
    ///
    /// It is served until it is interrupted; `icecore agent` serves it, too. Everything is done by child
    /// processes; it holds no key itself.
    Panel(panel::PanelArgs),
    /// Print a script that completes commands in a shell
    Completions(completions::CompletionsArgs),
    /// Print the manual, or write a man page of every verb into a folder
    Man(man::ManArgs),
    /// Print the version
    Version,
    /// Show what icecore does, with a small application made for it
    Demo(demo::DemoArgs),
}

/// Does what the command line asks for, of which `describe` tells all.
pub fn run(app: &App, verb: &Verb, describe: fn() -> Command) -> Result<Done> {
    start_threads()?;
    let named = named_repository::named(app)?;
    let app = named.as_ref().unwrap_or(app);
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
        Verb::Prune(args) => prune::run(app, args),
        Verb::Repair(verb) => repair::run(app, verb),
        Verb::Mirror(args) => mirror::run(app, args),
        Verb::Copy(args) => copy::run(app, args),
        Verb::Tag(args) => tag::run(app, args),
        Verb::Key(verb) => key::run(app, verb),
        Verb::Doctor(args) => doctor::run(app, args),
        Verb::Cache(args) => cache::run(app, args),
        Verb::Cat(verb) => cat::run(app, verb),
        Verb::Run(args) => run::run(app, args),
        Verb::Agent(args) => agent::run(app, args),
        Verb::Schedule(args) => schedule::run(app, args),
        Verb::Status(args) => status::run(app, args),
        Verb::Config(verb) => config::run(app, verb),
        Verb::Alert(args) => alert::run(app, args),
        Verb::Panel(args) => panel::run(app, args),
        Verb::Completions(args) => completions::run(args, describe()),
        Verb::Man(args) => man::run(args, describe()),
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
