//! `ls`: the entries of a snapshot.

use super::filter::FilterArgs;
use super::views::{NodeView, SnapshotView, long_line};
use crate::error::Result;
use crate::monitor::Monitor;
use crate::ops::select::{self, SnapshotPath};
use crate::ops::tree::{self, Step};
use crate::repo::Reader;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use crate::ui::text;
use clap::Args;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// What `ls` takes.
#[derive(Debug, Args)]
pub struct LsArgs {
    /// `latest`, `latest~N` or the beginning of an id, and the path to list
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    pub snapshot: OsString,

    /// Show mode, owner, size and time, too
    #[arg(short, long)]
    pub long: bool,

    #[command(flatten)]
    pub filter: FilterArgs,
}

/// Lists everything at and below a path.
pub fn run(app: &App, args: &LsArgs) -> Result<Done> {
    let wanted = SnapshotPath::from(args.snapshot.as_bytes());
    let repository = app.repository()?;
    let voice = app.progress()?;
    let stored = select::find(&repository, &wanted.snapshot, &args.filter.filter()?)?;
    let index = repository.load_index()?;
    let reader = Reader::new(&repository, &index);
    let path = wanted.path.unwrap_or_default();
    let found = tree::find(&reader, &stored.snapshot, &path)?;
    let mut out = Out::new();
    if app.global.json {
        out.json("snapshot", &SnapshotView::from(&stored.snapshot))?;
    }
    let mut incomplete = false;
    let mut show = |path: &[u8], step: Step<'_>| {
        let (Step::Enter(node) | Step::Node(node)) = step else { return Ok(true) };
        match (app.global.json, args.long) {
            (true, _) => out.json("node", &NodeView::new(path, node))?,
            (false, true) => out.line(&long_line(path, node))?,
            (false, false) => out.line(&text::path(path))?,
        }
        Ok(true)
    };
    tree::walk(&reader, &found, &mut show, &mut |error| {
        incomplete = true;
        voice.trouble(&error);
        Ok(())
    })?;
    out.finish()?;
    Ok(Done::incomplete_if(incomplete))
}
