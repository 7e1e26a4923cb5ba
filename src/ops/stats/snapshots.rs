//! Each snapshot: what it holds, and what it was the first to need.

use super::count;
use crate::error::{Error, Result};
use crate::format::list::{Content, ListNode, Piece, TreeRef};
use crate::format::node::{DirectoryNode, Node, NodeKind};
use crate::format::snapshot::Stored;
use crate::id::ChunkId;
use crate::limits::{DIRECTORY_DEPTH_MAX, LEVELS_MAX};
use crate::repo::{BlobSet, Place, Reader, SnapshotKey, Snapshots};
use std::collections::HashMap;

/// One snapshot, measured.
#[derive(Clone, Debug)]
pub struct SnapshotStats {
    /// The snapshot.
    pub key: SnapshotKey,
    /// What it holds.
    pub holds: Totals,
    /// Blobs that it needs and no snapshot before it.
    pub growth: Growth,
}

/// What a tree holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Regular files, databases and streams; every name of a hard link counts.
    pub files: u64,
    /// Folders.
    pub directories: u64,
    /// Anything else.
    pub others: u64,
    /// Bytes of the files, holes included.
    pub bytes: u64,
    /// Directory nodes that could not be read: what lies beneath them is not counted.
    pub unreadable: u64,
}

/// Blobs, data and metadata together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// Stored whole.
    pub whole: Stored,
    /// Stored as deltas.
    pub delta: Stored,
    /// Referred to, and provided by no usable index entry.
    pub missing: u64,
}

impl Growth {
    /// Bytes in packs.
    pub fn stored(&self) -> u64 {
        self.whole.stored + self.delta.stored
    }

    fn add(&mut self, place: &Place) {
        count(if place.depth == 0 { &mut self.whole } else { &mut self.delta }, place);
    }
}

impl Totals {
    fn add(&mut self, more: Totals) {
        for (sum, more) in [
            (&mut self.files, more.files),
            (&mut self.directories, more.directories),
            (&mut self.others, more.others),
            (&mut self.bytes, more.bytes),
            (&mut self.unreadable, more.unreadable),
        ] {
            *sum = sum.saturating_add(more);
        }
    }
}

/// Measures `snapshots`, which are sorted newest first as [`Repository::snapshots`] gives them;
/// the answer has the oldest first. Bases of deltas count as needed. Every metadata node is read
/// once, no data; kept are two bits a blob and the totals of each directory node.
///
/// # Errors
/// Those that `trouble` returns; it is handed each node that cannot be read, and the rest is
/// counted.
///
/// [`Repository::snapshots`]: crate::repo::Repository::snapshots
pub fn measure(
    reader: &Reader<'_>,
    snapshots: &Snapshots<'_>,
    trouble: &mut dyn FnMut(Error) -> Result<()>,
) -> Result<Vec<SnapshotStats>> {
    let mut measure = Measure {
        reader,
        trouble,
        needed: BlobSet::new(reader.index()),
        lists: BlobSet::new(reader.index()),
        directories: HashMap::new(),
        growth: Growth::default(),
    };
    let mut stats = Vec::with_capacity(snapshots.len());
    for stored in snapshots.iter().rev() {
        let stored = stored?;
        let mut holds = Totals::default();
        for part in &stored.snapshot.parts {
            holds.add(measure.entry(&part.root, 0)?);
        }
        let key = stored.key();
        stats.push(SnapshotStats { key, holds, growth: std::mem::take(&mut measure.growth) });
    }
    Ok(stats)
}

/// Nodes of a list that are read together.
const LIST_BATCH: usize = 32;

struct Measure<'m> {
    reader: &'m Reader<'m>,
    trouble: &'m mut dyn FnMut(Error) -> Result<()>,
    /// Blobs that were counted.
    needed: BlobSet<'m>,
    /// List nodes that were read: one that is needed as a base may not be.
    lists: BlobSet<'m>,
    /// Directory nodes that were read, and what lies beneath each.
    directories: HashMap<ChunkId, Totals>,
    growth: Growth,
}

impl Measure<'_> {
    fn entry(&mut self, node: &Node, depth: usize) -> Result<Totals> {
        match &node.kind {
            NodeKind::File { content, .. } => {
                self.content(content, &node.name)?;
                Ok(Totals { files: 1, bytes: content.length, ..Totals::default() })
            }
            NodeKind::Directory { entries: Some(entries) } => {
                let mut totals = self.directory(*entries, depth)?;
                totals.directories = totals.directories.saturating_add(1);
                Ok(totals)
            }
            _ => Ok(Totals { others: 1, ..Totals::default() }),
        }
    }

    /// One node of a directory and all beneath; depth counts nodes, directories and inner ones.
    fn directory(&mut self, root: TreeRef, depth: usize) -> Result<Totals> {
        if let Some(known) = self.directories.get(&root.id) {
            return Ok(*known);
        }
        self.need(&root.id);
        let totals = match self.directory_node(root, depth) {
            Ok(DirectoryNode::Leaf(nodes)) => self.leaf(&nodes, depth)?,
            Ok(DirectoryNode::Inner(level, children)) => {
                let mut totals = Totals::default();
                for (id, _) in children {
                    let child = TreeRef { id, levels: level.saturating_sub(1) };
                    totals.add(self.directory(child, depth + 1)?);
                }
                totals
            }
            Err(error) => {
                (self.trouble)(error)?;
                Totals { unreadable: 1, ..Totals::default() }
            }
        };
        self.directories.insert(root.id, totals);
        Ok(totals)
    }

    fn directory_node(&self, root: TreeRef, depth: usize) -> Result<DirectoryNode> {
        let subject = format!("node {}", root.id);
        if depth > DIRECTORY_DEPTH_MAX + usize::from(LEVELS_MAX) {
            return Err(Error::damaged("read", subject, "directories are nested too deeply"));
        }
        DirectoryNode::decode(&self.reader.read(&root.id)?, root.levels, &subject)
    }

    fn leaf(&mut self, nodes: &[Node], depth: usize) -> Result<Totals> {
        let mut totals = Totals::default();
        for node in nodes {
            totals.add(self.entry(node, depth + 1)?);
        }
        Ok(totals)
    }

    fn content(&mut self, content: &Content, name: &[u8]) -> Result<()> {
        let subject = String::from_utf8_lossy(name);
        match content.inline_pieces(&subject) {
            Ok(pieces) => self.pieces(&pieces),
            Err(error) => (self.trouble)(error)?,
        }
        match content.list {
            Some(root) => self.list(root),
            None => Ok(()),
        }
    }

    /// All nodes of a list that are not known yet, level by level in small batches.
    fn list(&mut self, root: TreeRef) -> Result<()> {
        let mut waiting = Vec::new();
        self.need_node(&mut waiting, root);
        while !waiting.is_empty() {
            let batch = waiting.split_off(waiting.len().saturating_sub(LIST_BATCH));
            let ids: Vec<ChunkId> = batch.iter().map(|node| node.id).collect();
            for (node, plain) in batch.iter().zip(self.reader.read_all(&ids)) {
                let subject = format!("node {}", node.id);
                match plain.and_then(|plain| ListNode::decode(&plain, node.levels, &subject)) {
                    Ok(ListNode::Leaf(pieces)) => self.pieces(&pieces),
                    Ok(ListNode::Inner(level, children)) => {
                        for (id, _) in children {
                            let levels = level.saturating_sub(1);
                            self.need_node(&mut waiting, TreeRef { id, levels });
                        }
                    }
                    Err(error) => (self.trouble)(error)?,
                }
            }
        }
        Ok(())
    }

    fn need_node(&mut self, waiting: &mut Vec<TreeRef>, node: TreeRef) {
        self.need(&node.id);
        if self.lists.insert(&node.id.base()) {
            waiting.push(node);
        }
    }

    fn pieces(&mut self, pieces: &[Piece]) {
        pieces.iter().filter_map(Piece::chunk).for_each(|id| self.need(&id));
    }

    /// Counts a blob and its bases, unless they are counted.
    fn need(&mut self, id: &ChunkId) {
        if !self.needed.insert(&id.base()) {
            return;
        }
        let Some(place) = self.reader.index().find(id) else {
            self.growth.missing += 1;
            return;
        };
        self.growth.add(&place);
        let closure = self.reader.index().closure(&place).unwrap_or_default();
        for base in closure.iter().skip(1) {
            if self.needed.insert(&base.id.base()) {
                self.growth.add(base);
            }
        }
    }
}
