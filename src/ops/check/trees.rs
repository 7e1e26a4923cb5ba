//! Trees: every node reads, every chunk is there; what is not is named with all that it touches.

use super::tainted::Marks;
use super::{CheckReport, FINDINGS_MOST};
use crate::error::{Error, Kind, Result};
use crate::format::list::{Content, ListNode, Piece, TreeRef};
use crate::format::node::{Node, NodeKind};
use crate::format::snapshot::{Outcome, Snapshot};
use crate::id::{ChunkId, SnapshotId};
use crate::limits::{DIRECTORY_DEPTH_MAX, PLACES_FREE};
use crate::monitor::{Counter, Monitor, go_on};
use crate::ops::tree::{self, Found};
use crate::repo::{Index, Reader, Repository};
use crate::stream::DirectoryEntries;
use std::collections::{HashMap, HashSet};

pub(super) fn check(
    repository: &Repository,
    snapshots: &[SnapshotId],
    index: &Index,
    monitor: &dyn Monitor,
    report: &mut CheckReport,
) -> Result<()> {
    let reader = Reader::new(repository, index);
    let mut trees = Trees {
        reader: &reader,
        monitor,
        report,
        directories: HashMap::new(),
        lists: HashMap::new(),
        said: HashSet::new(),
    };
    let mut marks = Marks::default();
    monitor.begin("check trees", None);
    // Read once more, so that no more than one is in memory.
    for id in snapshots {
        match repository.outcome(*id) {
            Ok((Outcome::Snapshot(snapshot), _)) => {
                marks.add(&snapshot);
                trees.snapshot(&snapshot)?;
            }
            Ok(_) => {}
            // It was given up meanwhile.
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) => trees.report.found(monitor, error.within("check the snapshot", id)),
        }
    }
    monitor.end();
    trees.report.tainted = marks.finish();
    Ok(())
}

struct Trees<'a> {
    reader: &'a Reader<'a>,
    monitor: &'a dyn Monitor,
    report: &'a mut CheckReport,
    /// Directories seen; those beneath which all was well need no second look.
    directories: HashMap<TreeRef, Seen>,
    /// Nodes of lists that were well, with their levels: the bytes beneath each.
    lists: HashMap<(ChunkId, u8), u64>,
    /// What was said once already.
    said: HashSet<String>,
}

/// What was found at and below a place.
#[derive(Clone, Copy)]
struct Seen {
    /// Whether everything was well.
    well: bool,
    entries: u64,
}

impl Trees<'_> {
    fn snapshot(&mut self, snapshot: &Snapshot) -> Result<()> {
        let mut all = Seen { well: true, entries: 0 };
        for part in &snapshot.parts {
            let seen = self.node(snapshot, &mut part.path.clone(), &part.root, 0)?;
            all.well &= seen.well;
            all.entries = all.entries.saturating_add(seen.entries);
        }
        if let Err(error) = self.accounted(snapshot, all) {
            self.report.found(self.monitor, error);
        }
        Ok(())
    }

    /// Whether a snapshot has the entries that it says, and no more than anybody can restore.
    fn accounted(&self, snapshot: &Snapshot, seen: Seen) -> Result<()> {
        let most = snapshot.summary.items;
        // Files that could not be read were counted before that was known.
        let fewest = most.saturating_sub(snapshot.summary.failed);
        if seen.entries > most || (seen.well && seen.entries < fewest) {
            let reason = format!("it has {} entries and says {most}", seen.entries);
            return Err(Error::damaged("account for snapshot", snapshot.id.short(), reason));
        }
        if seen.entries > PLACES_FREE {
            let whole = Found { path: b"/".to_vec(), entry: tree::root(snapshot) };
            tree::count(self.reader, &whole)
                .map_err(|error| error.within("account for snapshot", snapshot.id.short()))?;
        }
        Ok(())
    }

    /// What is at and below a node.
    fn node(
        &mut self,
        snapshot: &Snapshot,
        path: &mut Vec<u8>,
        node: &Node,
        depth: usize,
    ) -> Result<Seen> {
        self.monitor.count(Counter::Items, 1);
        let well = match &node.kind {
            NodeKind::File { content, .. } => self.file(snapshot, path, content),
            NodeKind::Directory { entries: Some(entries) } => {
                let beneath = self.directory(snapshot, path, *entries, depth)?;
                return Ok(Seen { entries: beneath.entries.saturating_add(1), ..beneath });
            }
            _ => true,
        };
        Ok(Seen { well, entries: 1 })
    }

    fn directory(
        &mut self,
        snapshot: &Snapshot,
        path: &mut Vec<u8>,
        root: TreeRef,
        depth: usize,
    ) -> Result<Seen> {
        go_on(self.monitor, "check")?;
        match self.directories.get(&root) {
            // What is not well is seen again only to name what it touches, as long as names are kept.
            Some(seen) if seen.well || self.report.touched.len() >= FINDINGS_MOST => {
                return Ok(*seen);
            }
            _ => {}
        }
        let mut seen = Seen { well: false, entries: 0 };
        if depth > DIRECTORY_DEPTH_MAX {
            let reason = "directories are nested too deeply";
            self.touched(snapshot, path, Error::damaged("check", "a tree", reason));
            return Ok(seen);
        }
        self.directories.insert(root, seen);
        seen.well = true;
        let mut entries = DirectoryEntries::new(self.reader, root);
        loop {
            match entries.next_entry() {
                Ok(None) => break,
                Ok(Some(node)) => {
                    let length = path.len();
                    if !path.ends_with(b"/") {
                        path.push(b'/');
                    }
                    path.extend_from_slice(&node.name);
                    let beneath = self.node(snapshot, path, &node, depth + 1)?;
                    seen.well &= beneath.well;
                    seen.entries = seen.entries.saturating_add(beneath.entries);
                    path.truncate(length);
                }
                Err(error) => {
                    seen.well = self.touched(snapshot, path, error);
                    break;
                }
            }
        }
        self.directories.insert(root, seen);
        Ok(seen)
    }

    fn file(&mut self, snapshot: &Snapshot, path: &[u8], content: &Content) -> bool {
        match self.content(content) {
            Ok(()) => true,
            Err(error) => self.touched(snapshot, path, error),
        }
    }

    fn content(&mut self, content: &Content) -> Result<()> {
        self.pieces(&content.inline_pieces("its list")?)?;
        let Some(root) = content.list else { return Ok(()) };
        if self.list(root.id, root.levels)? != content.length {
            return Err(Error::damaged("read", "its list", "it is of another length"));
        }
        Ok(())
    }

    /// The bytes beneath a node of a list. Each node is looked at once, however many lists share
    /// it, and however often one forged list does.
    fn list(&mut self, id: ChunkId, level: u8) -> Result<u64> {
        if let Some(length) = self.lists.get(&(id, level)) {
            return Ok(*length);
        }
        let subject = format!("node {id}");
        let damaged = |reason: &str| Error::damaged("read", &subject, reason);
        let length = match ListNode::decode(&self.reader.read(&id)?, level, &subject)? {
            ListNode::Leaf(pieces) if pieces.is_empty() => return Err(damaged("an empty node")),
            ListNode::Leaf(pieces) => self.pieces(&pieces)?,
            ListNode::Inner(_, children) => {
                let mut length: u64 = 0;
                for (child, beneath) in children {
                    if self.list(child, level.saturating_sub(1))? != beneath {
                        return Err(damaged("a node beneath it is of another length"));
                    }
                    // The sum was checked when the node was decoded.
                    length = length.saturating_add(beneath);
                }
                length
            }
        };
        self.lists.insert((id, level), length);
        Ok(length)
    }

    fn pieces(&self, pieces: &[Piece]) -> Result<u64> {
        let mut length: u64 = 0;
        for piece in pieces {
            length = length.saturating_add(piece.length());
            let Some(id) = piece.chunk() else { continue };
            let place = self.reader.index().find(&id);
            let place = place.ok_or_else(|| Error::damaged("find chunk", id, "it is lost"))?;
            if u64::from(place.plain) != piece.length() {
                return Err(Error::damaged("account for chunk", id, "it has another length"));
            }
        }
        Ok(length)
    }

    /// Something at `path` cannot be restored. Never well.
    fn touched(&mut self, snapshot: &Snapshot, path: &[u8], error: Error) -> bool {
        self.report.touches(snapshot.id, path);
        let text = String::from_utf8_lossy(path);
        if self.said.insert(error.to_string()) {
            let subject = format!("{}:{text}", snapshot.id.short());
            self.report.found(self.monitor, error.within("restore", subject));
        }
        false
    }
}
