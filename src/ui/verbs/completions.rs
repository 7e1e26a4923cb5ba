//! `completions`: a script that completes commands in a shell.

use crate::error::{Attempt, Result};
use crate::ui::exit::Done;
use crate::ui::out::Out;
use clap::{Args, Command};
use clap_complete::Shell;
use std::io::Write;

/// What `completions` takes.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// Prints the script.
pub fn run(args: &CompletionsArgs, mut command: Command) -> Result<Done> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, "icecore", &mut script);
    let mut out = Out::new();
    out.write_all(&script).attempt("write", "the script")?;
    out.finish()?;
    Ok(Done::All)
}
