//! `ls`: the entries of a snapshot.

use super::filter::FilterArgs;
use super::views::{NodeView, SnapshotView, long_line, mtime};
use crate::error::{Error, Result};
use crate::format::directory::Node;
use crate::monitor::Monitor;
use crate::ops::damage::record_damage;
use crate::ops::ls::{ls, size};
use crate::ops::select::SnapshotPath;
use crate::repo::Reader;
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use clap::{Args, ValueEnum};
use std::cmp::Reverse;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What `ls` takes.
#[derive(Debug, Args)]
pub struct LsArgs {
    /// `latest`, `latest~N`, `latest@TIME` or the beginning of an id; also SNAPSHOT:PATH
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    pub snapshot: OsString,

    /// Folders to list, absolute; without any, everything
    #[arg(value_name = "PATH")]
    pub folders: Vec<PathBuf>,

    /// Show mode, owner, size and time, too
    #[arg(short, long)]
    pub long: bool,

    /// With --long, sizes as people read them
    #[arg(long)]
    pub human_readable: bool,

    /// List everything beneath the folders
    #[arg(short = 'R', long)]
    pub recursive: bool,

    /// List in this order instead of that of the tree
    #[arg(long, value_enum, value_name = "ORDER")]
    pub sort: Option<Order>,

    /// List in the opposite order
    #[arg(long)]
    pub reverse: bool,

    #[command(flatten)]
    pub filter: FilterArgs,
}

/// What entries are sorted by; those that are alike stay in the order of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// Paths
    Name,
    /// Size, the largest first
    Size,
    /// Time of the last modification, the newest first
    #[value(alias = "mtime")]
    Time,
    /// What stands behind the last dot of the name
    Extension,
}

type Listed = (Vec<u8>, Node);

impl Order {
    fn sort(self, entries: &mut [Listed]) {
        match self {
            Order::Name => entries.sort_by(|a, b| a.0.cmp(&b.0)),
            Order::Size => entries.sort_by_key(|(_, node)| Reverse(size(node))),
            Order::Time => entries.sort_by_key(|(_, node)| Reverse(mtime(node))),
            Order::Extension => entries.sort_by(|a, b| extension(&a.1).cmp(&extension(&b.1))),
        }
    }
}

fn extension(node: &Node) -> Option<&OsStr> {
    Path::new(OsStr::from_bytes(&node.name)).extension()
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
    let repository = app.repository()?.keeping_packs();
    let progress = app.progress()?;
    let stored = args.filter.one(&repository, &wanted.snapshot, &progress)?;
    let index = app.index(&repository, &progress)?;
    let reader = Reader::new(&repository, &index).reloading();
    let mut out = Out::new();
    if app.global.json {
        out.json("snapshot", &SnapshotView::from(&stored.snapshot))?;
    }
    let mut incomplete = false;
    let mut show = |path: &[u8], node: &Node| match (app.global.json, args.long) {
        (true, _) => out.json("node", &NodeView::new(path, node)),
        (false, true) => out.line(&long_line(path, node, args.human_readable)),
        (false, false) => out.line(&text::path(path)),
    };
    let sorted = args.sort.is_some() || args.reverse;
    let mut entries: Vec<Listed> = Vec::new();
    for path in &paths {
        let mut visit = |path: &[u8], node: &Node| match sorted {
            true => {
                entries.push((path.to_vec(), node.clone()));
                Ok(())
            }
            false => show(path, node),
        };
        let mut trouble = |error: Error| {
            incomplete = true;
            progress.trouble(&error);
            Ok(())
        };
        ls(&reader, &stored.snapshot, path, recursive, &mut visit, &mut trouble)?;
    }
    if let Some(order) = args.sort {
        order.sort(&mut entries);
    }
    if args.reverse {
        entries.reverse();
    }
    entries.iter().try_for_each(|(path, node)| show(path, node))?;
    record_damage(&repository, &index, &progress);
    out.finish()?;
    Ok(Done::incomplete_if(incomplete))
}
