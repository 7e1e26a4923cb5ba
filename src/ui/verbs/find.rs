//! `find`: entries by name, kind, size and time, across snapshots.

use super::filter::FilterArgs;
use super::views::{NodeView, long_line};
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::monitor::Monitor;
use crate::ops::amount::size;
use crate::ops::damage::record_damage;
use crate::ops::find::{EntryKind, FindOptions, Hit, find};
use crate::repo::{Reader, StoredSnapshot};
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use clap::{Args, ValueEnum};
use serde::Serialize;

/// What `find` takes.
#[derive(Debug, Args)]
pub struct FindArgs {
    /// Names or paths to look for: `*`, `?`, `[...]`, and `**` across folders
    #[arg(value_name = "PATTERN", required = true)]
    pub patterns: Vec<String>,

    /// Look only in this snapshot, such as `latest` or `latest@TIME`; may be given several times
    #[arg(short, long = "snapshot", value_name = "SNAPSHOT")]
    pub snapshots: Vec<String>,

    /// Let `A` match `a`
    #[arg(short, long)]
    pub ignore_case: bool,

    /// Only entries of this kind; may be given several times
    #[arg(long = "type", value_enum, value_name = "KIND")]
    pub kinds: Vec<KindArg>,

    /// Only files of at least this size
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub size_min: Option<u64>,

    /// Only files of at most this size
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub size_max: Option<u64>,

    /// Only what was modified at this time or later
    #[arg(short = 'O', long, value_name = "TIME")]
    pub oldest: Option<Time>,

    /// Only what was modified at this time or before
    #[arg(short = 'N', long, value_name = "TIME")]
    pub newest: Option<Time>,

    /// Show mode, owner, size and time, too
    #[arg(short, long)]
    pub long: bool,

    /// With --long, sizes as people read them
    #[arg(long)]
    pub human_readable: bool,

    /// Begin with the oldest snapshot
    #[arg(short = 'R', long)]
    pub reverse: bool,

    #[command(flatten)]
    pub filter: FilterArgs,
}

/// A kind of entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KindArg {
    /// Files, databases and streams
    #[value(alias = "f")]
    File,
    /// SQLite databases alone
    #[value(alias = "db")]
    Database,
    /// Folders
    #[value(alias = "d")]
    Directory,
    /// Symbolic links
    #[value(alias = "l")]
    Symlink,
    /// Pipes, sockets and devices
    Special,
}

/// Looks for entries.
pub fn run(app: &App, args: &FindArgs) -> Result<Done> {
    let repository = app.repository()?.keeping_packs();
    let progress = app.progress()?;
    let (snapshots, mut incomplete) = args.filter.all(&repository, &args.snapshots, &progress)?;
    let index = app.index(&repository, &progress)?;
    let reader = Reader::new(&repository, &index).reloading();
    let mut out = Out::new();
    let (mut last, mut found) = (None, false);
    let mut show = |hit: Hit<'_>| {
        found = true;
        let snapshot = &hit.stored.snapshot;
        if app.global.json {
            let node = NodeView::new(hit.path, hit.node);
            return out.json("match", &MatchView { snapshot: snapshot.id.to_string(), node });
        }
        if last != Some(snapshot.id) {
            last = Some(snapshot.id);
            let (id, time) = (snapshot.id.short(), text::local(snapshot.started));
            out.line(&format!("in snapshot {id} of {time}:"))?;
        }
        out.line(&match args.long {
            true => long_line(hit.path, hit.node, args.human_readable),
            false => text::path(hit.path),
        })
    };
    let mut trouble = |_: &StoredSnapshot, error: Error| {
        incomplete = true;
        progress.trouble(&error);
        Ok(())
    };
    let searched = find(&reader, &snapshots, &options(args), &mut show, &mut trouble);
    record_damage(&repository, &index, &progress);
    searched?;
    out.finish()?;
    if !found && !incomplete {
        return Err(Error::new(Kind::NotFound, "find", args.patterns.join(" "))
            .because("nothing of that name, kind, size and time is in these snapshots")
            .hint("a pattern without `/` is a whole name: `*part*` finds a part of one"));
    }
    Ok(Done::incomplete_if(incomplete))
}

#[derive(Serialize)]
struct MatchView<'h> {
    snapshot: String,
    #[serde(flatten)]
    node: NodeView<'h>,
}

fn options(args: &FindArgs) -> FindOptions {
    let kind = |kind: &KindArg| match kind {
        KindArg::File => EntryKind::File,
        KindArg::Database => EntryKind::Database,
        KindArg::Directory => EntryKind::Directory,
        KindArg::Symlink => EntryKind::Symlink,
        KindArg::Special => EntryKind::Special,
    };
    FindOptions {
        patterns: args.patterns.clone(),
        ignore_case: args.ignore_case,
        kinds: args.kinds.iter().map(kind).collect(),
        size_min: args.size_min,
        size_max: args.size_max,
        newer: args.oldest,
        older: args.newest,
        oldest_first: args.reverse,
    }
}
