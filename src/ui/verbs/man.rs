//! `man`: the manual, as man pages.

use crate::error::{Attempt, Result};
use crate::ui::exit::Done;
use crate::ui::out::Out;
use clap::{Args, Command};
use clap_mangen::Man;
use std::path::PathBuf;

/// What `man` takes.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// A folder to write the pages into, made if it is not there; without it the first page is
    /// printed, for `man -l -`
    #[arg(value_name = "FOLDER")]
    pub folder: Option<PathBuf>,
}

/// Prints or writes them.
pub fn run(args: &ManArgs, command: Command) -> Result<Done> {
    let Some(folder) = &args.folder else {
        let mut out = Out::new();
        Man::new(command).render(&mut out).attempt("write", "the man page")?;
        out.finish()?;
        return Ok(Done::All);
    };
    std::fs::create_dir_all(folder).attempt("make", folder.display())?;
    // The verb `help` has a page for each verb's help, which says nothing else.
    let command = command.disable_help_subcommand(true);
    clap_mangen::generate_to(command, folder).attempt("write man pages into", folder.display())?;
    Ok(Done::All)
}
