//! `demo`: the whole main job, on an application made for the purpose.

use super::super::demo;
use super::super::exit::Done;
use crate::error::{Attempt, Error, Kind, Result};
use std::path::PathBuf;

/// What the demonstration is asked for.
#[derive(Debug, clap::Args)]
pub struct DemoArgs {
    /// A folder to put everything in; it must be empty or not exist
    folder: PathBuf,
    /// Snapshots after the first
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=48))]
    hours: u32,
    /// Be the application that is backed up
    #[arg(long, hide = true)]
    application: bool,
}

/// Runs it.
pub fn run(args: &DemoArgs) -> Result<Done> {
    if args.application {
        return demo::serve(&args.folder).map(|()| Done::All);
    }
    let shown = args.folder.display();
    std::fs::create_dir_all(&args.folder).attempt("make", &shown)?;
    if std::fs::read_dir(&args.folder).attempt("list", &shown)?.next().is_some() {
        return Err(Error::new(Kind::Refused, "use", &shown).because("it is not empty"));
    }
    demo::demo(&args.folder, args.hours).map(|()| Done::All)
}
