//! `ls`: the entries of a snapshot.

use super::filter::FilterArgs;
use super::views::{NodeView, SnapshotView, long_line};
use crate::error::{Error, Result};
use crate::format::node::Node;
use crate::monitor::Monitor;
use crate::ops::damage::remember;
use crate::ops::ls::ls;
use crate::ops::select::SnapshotPath;
use crate::repo::Reader;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use crate::ui::text;
use clap::Args;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What `ls` takes.
#[derive(Debug, Args)]
pub struct LsArgs {
    /// `latest`, `latest~N` or the beginning of an id; also SNAPSHOT:PATH
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    pub snapshot: OsString,

    /// Folders to list, absolute; without any, everything
    #[arg(value_name = "PATH")]
    pub folders: Vec<PathBuf>,

    /// Show mode, owner, size and time, too
    #[arg(short, long)]
    pub long: bool,

    /// List everything beneath the folders
    #[arg(long)]
    pub recursive: bool,

    #[command(flatten)]
    pub filter: FilterArgs,
}

/// Lists entries.
pub fn run(app: &App, args: &LsArgs) -> Result<Done> {
    let wanted = SnapshotPath::from(args.snapshot.as_bytes());
    let named = args.folders.iter().map(|path| path.as_os_str().as_bytes().to_vec());
    let mut paths: Vec<Vec<u8>> = wanted.path.into_iter().chain(named).collect();
    let recursive = args.recursive || paths.is_empty();
    if paths.is_empty() {
        paths.push(b"/".to_vec());
    }
    let repository = app.repository()?;
    let voice = app.progress()?;
    let stored = args.filter.one(&repository, &wanted.snapshot, &voice)?;
    let index = app.index(&repository, &voice)?;
    let reader = Reader::new(&repository, &index);
    let mut out = Out::new();
    if app.global.json {
        out.json("snapshot", &SnapshotView::from(&stored.snapshot))?;
    }
    let mut incomplete = false;
    for path in &paths {
        let mut show = |path: &[u8], node: &Node| match (app.global.json, args.long) {
            (true, _) => out.json("node", &NodeView::new(path, node)),
            (false, true) => out.line(&long_line(path, node)),
            (false, false) => out.line(&text::path(path)),
        };
        let mut trouble = |error: Error| {
            incomplete = true;
            voice.trouble(&error);
            Ok(())
        };
        ls(&reader, &stored.snapshot, path, recursive, &mut show, &mut trouble)?;
    }
    remember(&repository, &index, &voice);
    out.finish()?;
    Ok(Done::incomplete_if(incomplete))
}
