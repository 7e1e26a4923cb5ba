//! A stored snapshot, and its key.

use crate::env::Time;
use crate::format::snapshot::Snapshot;
use crate::id::{SeriesId, SnapshotId};

/// A snapshot, and the hash of its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSnapshot {
    /// The record.
    pub snapshot: Snapshot,
    /// BLAKE3 of `snapshots/<S>`.
    pub hash: [u8; 32],
    /// Bytes of `snapshots/<S>`.
    pub size: u64,
}

/// What names a snapshot and gives it its place among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotKey {
    /// The snapshot.
    pub id: SnapshotId,
    /// Its series.
    pub series: SeriesId,
    /// The number there.
    pub sequence: u64,
    /// The hash of the one before it.
    pub previous: Option<[u8; 32]>,
    /// When it was begun, as its writer claims.
    pub started: Time,
    /// BLAKE3 of its object.
    pub hash: [u8; 32],
    /// Bytes of its object.
    pub size: u64,
}

impl SnapshotKey {
    /// The key of a snapshot whose object has this hash and size.
    pub fn new(snapshot: &Snapshot, hash: [u8; 32], size: u64) -> Self {
        let Snapshot { id, series, sequence, previous, started, .. } = *snapshot;
        SnapshotKey { id, series, sequence, previous, started, hash, size }
    }
}

impl StoredSnapshot {
    /// Its key.
    pub fn key(&self) -> SnapshotKey {
        SnapshotKey::new(&self.snapshot, self.hash, self.size)
    }
}
