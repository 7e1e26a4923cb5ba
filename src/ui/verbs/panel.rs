//! `panel`: a page in the browser.

use super::agent_context::CliAgentContext;
use super::config::FileArgs;
use crate::error::{Error, Kind, Result};
use crate::monitor::go_on;
use crate::panel;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use crate::ui::passwords;
use clap::{Args, Subcommand};
use std::sync::Arc;

/// What `panel` takes.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct PanelArgs {
    #[command(subcommand)]
    pub verb: Option<PanelVerb>,

    #[command(flatten)]
    pub file: FileArgs,
}

/// What else is done for the page.
#[derive(Debug, Subcommand)]
pub enum PanelVerb {
    /// Print a hash of a password, for `hash_file` in [panel]; the password is typed, or comes from
    /// standard input
    Hash,
}

/// Serves the page until it is interrupted.
pub fn run(app: &App, args: &PanelArgs) -> Result<Done> {
    if let Some(PanelVerb::Hash) = args.verb {
        let hash = panel::hash(passwords::typed()?.as_bytes(), &app.env)?;
        let mut out = Out::new();
        out.line(&hash)?;
        out.finish()?;
        return Ok(Done::All);
    }
    let (config, file) = args.file.load()?;
    if config.panel.is_none() {
        return Err(Error::new(Kind::InvalidInput, "serve", "the page")
            .because("the file has no [panel]")
            .hint("`icecore config keys` says what stands in one"));
    }
    let progress = app.progress()?;
    let program = CliAgentContext::new(app, &file)?;
    let config = Arc::new(config);
    program.serve_page(&|| config.clone(), &|| go_on(&progress, "serve").is_err())?;
    Ok(Done::All)
}
