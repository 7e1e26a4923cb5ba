//! The command line: what every command takes, and which commands there are.

use super::verbs::{
    backup, cat, check, completions, demo, diff, dump, find, forget, hold, init, key, ls, man,
    restore, snapshots, stats, tag,
};
use clap::{ArgAction, Args, Parser, Subcommand};
use std::path::PathBuf;

/// Deduplicating, encrypted, delta-coded backups made for databases
#[derive(Debug, Parser)]
#[command(name = "icecore", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 3 done but incomplete, 10 no repository, \
                        11 locked, 12 wrong password or key, 130 interrupted.")]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub verb: Verb,
}

/// What every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Where the repository lies: a directory
    #[arg(short, long, global = true, value_name = "PLACE")]
    #[arg(env = "ICECORE_REPOSITORY", hide_env_values = true)]
    pub repo: Option<String>,

    /// Read the password from a file [env: ICECORE_PASSWORD_FILE, or ICECORE_PASSWORD itself]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// Read the password from the output of a shell command [env: ICECORE_PASSWORD_COMMAND]
    #[arg(long, global = true, value_name = "COMMAND")]
    pub password_command: Option<String>,

    /// Open the repository with a key file instead of a password [env: ICECORE_KEY_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub key_file: Option<PathBuf>,

    /// Print JSON lines, each with its `message_type`
    #[arg(long, global = true)]
    pub json: bool,

    /// Print nothing but what was asked for, and errors
    #[arg(short, long, global = true)]
    pub quiet: bool,

    /// Name every file that a backup finds new or changed, and every file that is restored
    #[arg(short, long, global = true, value_name = "LEVEL", action = ArgAction::Append)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    pub verbose: Vec<u8>,

    /// Show no progress on a terminal
    #[arg(long, global = true)]
    pub no_progress: bool,
}

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
    /// Write one file of a snapshot to standard output
    Dump(dump::DumpArgs),
    /// Check the repository, and read data back
    Check(check::CheckArgs),
    /// Show what snapshots hold and cost
    Stats(stats::StatsArgs),
    /// Give snapshots up: those that are named, or those that no rule keeps
    Forget(forget::ForgetArgs),
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
    /// Print an object of the repository
    #[command(subcommand)]
    Cat(cat::CatVerb),
    /// Print a script that completes commands in a shell
    Completions(completions::CompletionsArgs),
    /// Print the manual, or write a man page of every verb into a folder
    Man(man::ManArgs),
    /// Print the version
    Version,
    /// Show it all on an application made for the purpose
    Demo(demo::DemoArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::words;
    use clap::CommandFactory;

    /// Every verb's arguments fit together, by clap's own account.
    #[test]
    fn arguments_fit_together() {
        words::accepting(Cli::command()).debug_assert();
    }
}
