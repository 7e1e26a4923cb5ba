//! `agent`: keeps the schedules of the file.

use super::config::FileArgs;
use super::this_program::ThisProgram;
use crate::agent::daemon::{Around, is_alive, keep};
use crate::error::Result;
use crate::ui::app::App;
use crate::ui::exit::Done;
use clap::Args;
use std::sync::Arc;

/// What `agent` takes.
#[derive(Debug, Args)]
pub struct AgentArgs {
    /// Start nothing; fail unless an agent runs with this state folder, and was active
    /// within the last two minutes
    #[arg(long)]
    pub is_alive: bool,

    #[command(flatten)]
    pub file: FileArgs,
}

/// Keeps them.
pub fn run(app: &App, args: &AgentArgs) -> Result<Done> {
    if args.is_alive {
        is_alive(&app.known_state_folder()?, &app.env)?;
        return Ok(Done::All);
    }
    let (_, file) = args.file.load()?;
    let around: Arc<dyn Around> = Arc::new(ThisProgram::new(app, &file)?);
    keep(&around)?;
    Ok(Done::All)
}
