//! `find`: entries by name, path, kind, size and time, across snapshots.

use super::ls;
use super::tree::{self, PathEntry, Step};
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::format::content::TreeRef;
use crate::format::directory::{FileTime, Node, NodeKind};
use crate::repo::{Reader, Snapshots, StoredSnapshot};
use crate::source::files::glob;
use globset::{GlobSet, GlobSetBuilder};
use std::cell::Cell;
use std::collections::HashSet;

/// What is looked for. Everything that is set must hold; the default finds everything.
#[derive(Clone, Debug, Default)]
pub struct FindOptions {
    /// Any of these matches: without `/` a name at any depth, with a leading `/` an absolute
    /// path, else a run of names at any depth. `*` and `?` stay within a name, `**` spans any
    /// number of them, `[...]` is a class, `\` quotes: as for excludes.
    pub patterns: Vec<String>,
    /// Whether `A` matches `a`.
    pub ignore_case: bool,
    /// Any of these kinds; empty for all.
    pub kinds: Vec<EntryKind>,
    /// Files of at least so many bytes; nothing else has a size.
    pub size_min: Option<u64>,
    /// Files of at most so many bytes.
    pub size_max: Option<u64>,
    /// Modified at that moment or later.
    pub newer: Option<Time>,
    /// Modified at that moment or before.
    pub older: Option<Time>,
    /// The oldest snapshot first.
    pub oldest_first: bool,
}

/// A kind of entry, as the user names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// Regular files, databases and streams.
    File,
    /// SQLite databases alone.
    Database,
    /// Folders.
    Directory,
    /// Symbolic links.
    Symlink,
    /// Pipes, sockets and devices.
    Special,
}

/// Where an entry was found.
#[derive(Clone, Copy, Debug)]
pub struct Hit<'h> {
    /// The snapshot.
    pub stored: &'h StoredSnapshot,
    /// Absolute path within it.
    pub path: &'h [u8],
    /// The entry.
    pub node: &'h Node,
}

/// Looks through `snapshots`, the newest first unless the options say otherwise, and hands each hit
/// to `visit`. A folder that was looked through in vain is not read again for
/// another snapshot, unless the patterns concern paths.
///
/// # Errors
/// `InvalidInput` for a bad pattern. A folder that cannot be read goes to `trouble`, and the
/// rest is looked through; what `trouble` or `visit` returns as an error ends the search.
pub fn find(
    reader: &Reader<'_>,
    snapshots: &Snapshots<'_>,
    options: &FindOptions,
    visit: &mut dyn FnMut(Hit<'_>) -> Result<()>,
    trouble: &mut dyn FnMut(&StoredSnapshot, Error) -> Result<()>,
) -> Result<()> {
    let wanted = Wanted::new(options)?;
    let mut barren = HashSet::new();
    let mut rest = snapshots.iter();
    let mut next = || if options.oldest_first { rest.next_back() } else { rest.next() };
    while let Some(stored) = next() {
        let stored = &*stored?;
        let found = PathEntry { path: b"/".to_vec(), entry: tree::root(&stored.snapshot) };
        let events = Cell::new(0_u64);
        let mut search =
            Search { wanted: &wanted, barren: &mut barren, events: &events, open: vec![] };
        let mut step = |path: &[u8], step: Step<'_>| {
            let (go_in, hit) = search.step(path, step);
            match hit {
                Some(node) => visit(Hit { stored, path, node }).map(|()| go_in),
                None => Ok(go_in),
            }
        };
        let mut failed = |error| {
            events.set(events.get() + 1);
            trouble(stored, error)
        };
        tree::walk(reader, &found, &mut step, &mut failed)?;
    }
    Ok(())
}

/// One snapshot's search.
struct Search<'s> {
    wanted: &'s Wanted<'s>,
    /// Directories that were read to their end without a hit.
    barren: &'s mut HashSet<TreeRef>,
    /// Hits and troubles so far.
    events: &'s Cell<u64>,
    /// Directories being looked through, and the events before each; none of a folder that only
    /// leads to parts.
    open: Vec<Option<(TreeRef, u64)>>,
}

impl Search<'_> {
    /// Whether to go in, and the node if it is a hit.
    fn step<'n>(&mut self, path: &[u8], step: Step<'n>) -> (bool, Option<&'n Node>) {
        match step {
            Step::Leave => {
                self.leave();
                (true, None)
            }
            Step::Node(node) => (true, self.hit(path, node)),
            Step::Enter(node) => {
                let hit = self.hit(path, node);
                let entries = node.entries();
                if entries.is_some_and(|entries| self.barren.contains(&entries)) {
                    return (false, hit);
                }
                self.open.push(entries.map(|entries| (entries, self.events.get())));
                (true, hit)
            }
        }
    }

    fn hit<'n>(&self, path: &[u8], node: &'n Node) -> Option<&'n Node> {
        self.wanted.matches(path, node).then(|| {
            self.events.set(self.events.get() + 1);
            node
        })
    }

    fn leave(&mut self) {
        let Some(Some((entries, before))) = self.open.pop() else { return };
        if self.wanted.names_alone && before == self.events.get() {
            self.barren.insert(entries);
        }
    }
}

/// Options, ready to be held against entries.
struct Wanted<'o> {
    options: &'o FindOptions,
    globs: GlobSet,
    names_alone: bool,
}

impl<'o> Wanted<'o> {
    fn new(options: &'o FindOptions) -> Result<Self> {
        let mut globs = GlobSetBuilder::new();
        for pattern in &options.patterns {
            globs.add(glob(pattern, options.ignore_case)?);
        }
        let globs = globs.build().map_err(|cause| {
            Error::new(Kind::InvalidInput, "understand the patterns", options.patterns.join(" "))
                .because(cause.to_string())
        })?;
        let of_path = |pattern: &String| pattern.trim_end_matches('/').contains('/');
        let names_alone = !options.patterns.iter().any(of_path);
        Ok(Wanted { options, globs, names_alone })
    }

    fn matches(&self, path: &[u8], node: &Node) -> bool {
        let options = self.options;
        let kinds = &options.kinds;
        (kinds.is_empty() || kinds.iter().any(|kind| kind.is(&node.kind)))
            && self.size_fits(node)
            && options.newer.is_none_or(|moment| nanoseconds(node.meta.mtime) >= moment.0.into())
            && options.older.is_none_or(|moment| nanoseconds(node.meta.mtime) <= moment.0.into())
            && (options.patterns.is_empty()
                || self.globs.is_match_candidate(&globset::Candidate::from_bytes(path)))
    }

    fn size_fits(&self, node: &Node) -> bool {
        let (least, most) = (self.options.size_min, self.options.size_max);
        if least.is_none() && most.is_none() {
            return true;
        }
        let size = ls::size(node);
        matches!(node.kind, NodeKind::File { .. })
            && least.is_none_or(|least| size >= least)
            && most.is_none_or(|most| size <= most)
    }
}

impl EntryKind {
    fn is(self, kind: &NodeKind) -> bool {
        match self {
            EntryKind::File => matches!(kind, NodeKind::File { .. }),
            EntryKind::Database => matches!(kind, NodeKind::File { database: Some(_), .. }),
            EntryKind::Directory => matches!(kind, NodeKind::Directory { .. }),
            EntryKind::Symlink => matches!(kind, NodeKind::Symlink { .. }),
            EntryKind::Special => matches!(
                kind,
                NodeKind::Fifo
                    | NodeKind::Socket
                    | NodeKind::CharDevice { .. }
                    | NodeKind::BlockDevice { .. }
            ),
        }
    }
}

fn nanoseconds(time: FileTime) -> i128 {
    i128::from(time.0) * i128::from(Time::SECOND) + i128::from(time.1)
}
