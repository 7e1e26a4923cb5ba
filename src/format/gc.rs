//! Collection (chapter 8): forgotten marks, condemnations and verdicts, sealed records.

use super::record::Record;
use crate::env::Time;
use crate::id::{IndexId, PackId, SeriesId, SnapshotId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// `forgotten/<S>`: a snapshot given up. Deleting `snapshots/<S>` afterwards is optional.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forgotten {
    /// The snapshot.
    pub id: SnapshotId,
    /// Where it stood; absent for one that could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// Where several numbers of a series are given up together, the first of them; the position is
    /// that of the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// When it was given up.
    pub at: Time,
}

/// A place in a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The series.
    pub series: SeriesId,
    /// The number there.
    pub sequence: u64,
    /// BLAKE3 of the object `snapshots/<S>`; absent where nobody knows it any more.
    #[serde(default, with = "serde_bytes", skip_serializing_if = "Option::is_none")]
    pub hash: Option<[u8; 32]>,
}

impl Record for Forgotten {
    const KIND: &'static str = "forgotten";
}

/// Why a pack is condemned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// Nothing needs it.
    Garbage,
    /// All that it holds is usable elsewhere.
    Duplicate,
    /// It is not what its name says, or blobs in it do not open.
    Damaged,
}

/// `gc/<n>`: packs that no writer may count on any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condemned {
    /// `n`.
    pub generation: u64,
    /// The packs and why.
    pub packs: Vec<(PackId, Reason)>,
    /// The index segments that its first mark found alive: no verdict of this collection calls them dead
    /// by silence.
    pub segments: BTreeSet<IndexId>,
    /// When.
    pub at: Time,
}

impl Record for Condemned {
    const KIND: &'static str = "condemned";
}

/// `gc/<n>.verdict`: their outcomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// `n`.
    pub generation: u64,
    /// Packs that may be deleted.
    pub swept: BTreeSet<PackId>,
    /// Packs that are needed after all.
    pub rescued: BTreeSet<PackId>,
    /// The snapshots that are alive: an older outcome that is not among them is dead.
    pub snapshots: BTreeSet<SnapshotId>,
    /// The index segments that are alive, likewise.
    pub segments: BTreeSet<IndexId>,
    /// When.
    pub at: Time,
}

impl Record for Verdict {
    const KIND: &'static str = "verdict";
}
