//! The repository as a whole: objects by kind, blobs by how they are stored.

use super::count;
use crate::error::Result;
use crate::format::snapshot::Stored;
use crate::format::{BlobKind, ObjectKind};
use crate::repo::{Index, Repository};
use std::collections::BTreeMap;

/// Objects of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Objects {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// What lies in a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoredStats {
    /// Every object, by kind; kinds without objects are there too.
    pub objects: BTreeMap<ObjectKind, Objects>,
    /// Index entries of content.
    pub data: Stored,
    /// Index entries of lists and directories.
    pub meta: Stored,
    /// Index entries stored whole, data and metadata together.
    pub whole: Stored,
    /// Index entries stored as deltas, data and metadata together.
    pub delta: Stored,
    /// Entries of blobs that another entry provides already.
    pub duplicates: Stored,
}

impl StoredStats {
    /// All objects together.
    pub fn total(&self) -> Objects {
        self.objects.values().fold(Objects::default(), |sum, of_kind| Objects {
            count: sum.count + of_kind.count,
            bytes: sum.bytes + of_kind.bytes,
        })
    }

    /// Objects of one kind.
    pub fn of(&self, kind: ObjectKind) -> Objects {
        self.objects.get(&kind).copied().unwrap_or_default()
    }

    /// Distinct blobs, and their bytes of plaintext.
    pub fn unique(&self) -> (u64, u64) {
        let blobs = self.whole.blobs + self.delta.blobs - self.duplicates.blobs;
        (blobs, self.whole.plain + self.delta.plain - self.duplicates.plain)
    }

    /// Bytes of packs that are not blobs of the index: heads, trailers, padding, orphans.
    pub fn pack_overhead(&self) -> u64 {
        let blobs = self.whole.stored + self.delta.stored;
        self.of(ObjectKind::Pack).bytes.saturating_sub(blobs)
    }
}

/// Counts every object of the store and every entry of the index.
///
/// # Errors
/// Those of listing.
pub fn stored(repository: &Repository, index: &Index) -> Result<StoredStats> {
    let mut stats = StoredStats::default();
    for kind in ObjectKind::ALL {
        let listed = repository.backend().list(kind)?;
        let bytes = listed.iter().map(|object| object.size).sum();
        stats.objects.insert(kind, Objects { count: listed.len() as u64, bytes });
    }
    let mut last = None;
    for place in index.in_order() {
        count(if place.depth == 0 { &mut stats.whole } else { &mut stats.delta }, &place);
        match place.kind {
            BlobKind::Data => count(&mut stats.data, &place),
            BlobKind::Meta => count(&mut stats.meta, &place),
        }
        if last.replace(place.id) == Some(place.id) {
            count(&mut stats.duplicates, &place);
        }
    }
    Ok(stats)
}
