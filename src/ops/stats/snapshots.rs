//! Each snapshot: what it holds, and what it was the first to need.

use super::count;
use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::format::directory::{Node, NodeKind};
use crate::format::snapshot::Stored;
use crate::id::ChunkId;
use crate::ops::reach::{Loss, Lost, Needed, Reach, Visitor};
use crate::repo::{BlobLocation, Reader, SnapshotKey, Snapshots};
use std::ops::AddAssign;

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

    fn add(&mut self, place: &BlobLocation) {
        count(if place.depth == 0 { &mut self.whole } else { &mut self.delta }, place);
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, more: Totals) {
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
/// once, no data; kept are a bit for each blob and the totals of each node of a directory.
///
/// # Errors
/// Those that `trouble` returns; it is handed what cannot be read, of each file the first, and the
/// rest is counted.
///
/// [`Repository::snapshots`]: crate::repo::Repository::snapshots
pub fn measure(
    reader: &Reader<'_>,
    snapshots: &Snapshots<'_>,
    trouble: &mut dyn FnMut(Error) -> Result<()>,
) -> Result<Vec<SnapshotStats>> {
    let mut reach = Reach::new(reader);
    let needed = Needed::new(reader.index());
    let mut measure = Measure { trouble, needed, growth: Growth::default() };
    let mut stats = Vec::with_capacity(snapshots.len());
    for stored in snapshots.iter().rev() {
        let stored = stored?;
        let holds = reach.snapshot(&stored.snapshot, &mut measure)?.sum;
        let (key, growth) = (stored.key(), std::mem::take(&mut measure.growth));
        stats.push(SnapshotStats { key, holds, growth });
    }
    Ok(stats)
}

struct Measure<'m> {
    trouble: &'m mut dyn FnMut(Error) -> Result<()>,
    needed: Needed<'m>,
    growth: Growth,
}

impl Measure<'_> {
    fn need(&mut self, kind: BlobKind, id: &ChunkId) {
        let growth = &mut self.growth;
        self.needed.add(kind, id, &mut |place| match place {
            Some(place) => growth.add(place),
            None => growth.missing += 1,
        });
    }
}

impl Visitor for Measure<'_> {
    type Sum = Totals;

    fn entry(&mut self, _: &[u8], node: &Node) -> Result<Totals> {
        Ok(match &node.kind {
            NodeKind::File { content, .. } => {
                Totals { files: 1, bytes: content.length, ..Totals::default() }
            }
            NodeKind::Directory { .. } => Totals { directories: 1, ..Totals::default() },
            _ => Totals { others: 1, ..Totals::default() },
        })
    }

    fn trouble(&mut self, _: &[u8], trouble: Loss) -> Result<Totals> {
        let unreadable = u64::from(trouble.lost == Lost::Entries);
        (self.trouble)(trouble.error)?;
        Ok(Totals { unreadable, ..Totals::default() })
    }

    fn node(&mut self, id: &ChunkId) {
        self.need(BlobKind::Meta, id);
    }

    fn chunk(&mut self, id: &ChunkId, _: u64) -> Result<()> {
        self.need(BlobKind::Data, id);
        Ok(())
    }
}
