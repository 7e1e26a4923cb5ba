//! `config`: the file that says what is backed up: what is in it, and whether it can be done.

mod check;
mod containers;
mod init;
mod job_view;
mod show;

use crate::agent::config::{Config, reference, schema};
use crate::error::{Attempt, Result};
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use clap::{Args, Subcommand};
use std::io::Read;
use std::path::PathBuf;

/// Longest file that the agent accepts.
const MAX_BYTES: u64 = 1 << 20;

/// What is done with the file.
#[derive(Debug, Subcommand)]
pub enum ConfigVerb {
    /// Say what each job does, when it is next due, what this version does not do of it, and whether every
    /// source and repository can be reached
    Check(check::CheckArgs),
    /// List what is preserved, how often, where, and in how many places; with --json, the whole file
    Show(FileArgs),
    /// Write a first file, from what is found on this host
    ///
    /// --repo says where the repository is to be. Nothing but the file is made.
    Init(init::InitArgs),
    /// Print a JSON Schema of the file, for editors
    Schema,
    /// Print every key of the file, with its default and an example
    Keys,
}

/// Where the file lies.
#[derive(Debug, Args)]
pub struct FileArgs {
    /// The file that says what is backed up [default: icecore/config.toml in $XDG_CONFIG_HOME or
    /// ~/.config, then /etc/icecore/config.toml]
    #[arg(long, value_name = "FILE", env = "ICECORE_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
}

impl FileArgs {
    /// What is in it, and where it lies.
    pub fn load(&self) -> Result<(Config, PathBuf)> {
        Config::load(self.config.as_deref())
    }

    /// What standard input says was in it.
    pub fn accepted(&self) -> Result<Config> {
        let path = self.config.clone().unwrap_or_default();
        let mut text = String::new();
        let read = std::io::stdin().take(MAX_BYTES).read_to_string(&mut text);
        read.attempt("read", path.display())?;
        Config::parse(&text, &path)
    }
}

/// Does it.
pub fn run(app: &App, verb: &ConfigVerb) -> Result<Done> {
    match verb {
        ConfigVerb::Check(args) => check::run(app, args),
        ConfigVerb::Show(args) => show::run(app, args),
        ConfigVerb::Init(args) => init::run(app, args),
        ConfigVerb::Schema => print(|out| out.value(&schema())),
        ConfigVerb::Keys => print(|out| reference().lines().try_for_each(|line| out.line(line))),
    }
}

fn print(print: impl FnOnce(&mut Out) -> Result<()>) -> Result<Done> {
    let mut out = Out::new();
    print(&mut out)?;
    out.finish()?;
    Ok(Done::All)
}
