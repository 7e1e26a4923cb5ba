//! What every command takes.

use clap::{ArgAction, Args};
use std::num::NonZeroU64;
use std::path::PathBuf;

/// What every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Where the repository lies: a directory, s3://bucket/prefix, sftp://user@host/path, webdavs://host/path,
    /// azure://container/prefix, gs://bucket/prefix or b2://bucket/prefix; @NAME is that of the file of jobs
    #[arg(short, long, global = true, value_name = "PLACE")]
    #[arg(env = "ICECORE_REPOSITORY", hide_env_values = true)]
    pub repo: Option<String>,

    /// Set an option of the store: endpoint=URL, region=NAME, path-style=yes|no, profile=NAME,
    /// storage-class=NAME, cacert=FILE, connections=N, timeout=SECONDS, command=SSH-COMMAND, identity=FILE
    #[arg(short = 'o', long = "option", global = true, value_name = "KEY=VALUE")]
    pub options: Vec<String>,

    /// Send at most so many KiB a second to a store that is not a directory
    #[arg(long, global = true, value_name = "KIB")]
    pub limit_upload: Option<NonZeroU64>,

    /// Take at most so many KiB a second from a store that is not a directory
    #[arg(long, global = true, value_name = "KIB")]
    pub limit_download: Option<NonZeroU64>,

    /// Read the password from a file [env: ICECORE_PASSWORD_FILE, or ICECORE_PASSWORD itself]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub password_file: Option<PathBuf>,

    /// Read the password from the output of a shell command [env: ICECORE_PASSWORD_COMMAND]
    #[arg(long, global = true, value_name = "COMMAND")]
    pub password_command: Option<String>,

    /// Open the repository with a key file instead of a password [env: ICECORE_KEY_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub key_file: Option<PathBuf>,

    /// Where this host remembers the newest snapshots that it has seen, and keeps reports of jobs [default:
    /// `icecore` in $XDG_STATE_HOME or ~/.local/state]
    #[arg(long, global = true, value_name = "FOLDER", env = "ICECORE_STATE_DIR")]
    #[arg(hide_env_values = true)]
    pub state_dir: Option<PathBuf>,

    /// Keep what is read of the index and of snapshots in this folder, not in `icecore` in the user's
    /// cache folder [env: ICECORE_CACHE_DIR]
    #[arg(long, global = true, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,

    /// Keep nothing of the repository on this machine, and use nothing that is kept
    #[arg(long, global = true)]
    pub no_cache: bool,

    /// Print JSON lines, each with its `message_type`
    #[arg(long, global = true)]
    pub json: bool,

    /// Print nothing but what was asked for, and errors
    #[arg(short, long, global = true, overrides_with = "quiet")]
    pub quiet: bool,

    /// Name every file that a backup finds new or changed, and every file that is restored
    #[arg(short, long, global = true, value_name = "LEVEL", action = ArgAction::Append)]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    pub verbose: Vec<u8>,

    /// Show no progress on a terminal
    #[arg(long, global = true)]
    pub no_progress: bool,
}
