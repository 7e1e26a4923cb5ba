//! `agent`: keeps the schedules of the file.

use super::agent_context::CliAgentContext;
use super::config::FileArgs;
use crate::agent::config::find;
use crate::agent::daemon::{AgentContext, check_alive, run_agent};
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
        check_alive(&app.known_state_folder()?, &app.env)?;
        return Ok(Done::All);
    }
    let file = find(args.file.config.as_deref())?;
    let context: Arc<dyn AgentContext> = Arc::new(CliAgentContext::new(app, &file)?);
    run_agent(&context)?;
    Ok(Done::All)
}
