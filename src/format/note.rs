//! Notes (chapter 8): `notes/<id>`, sealed records of what was learnt later.

use super::record::Record;
use crate::env::Time;
use crate::id::{NoteId, PackId, SnapshotId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// `notes/<id>`: something learnt later about what itself never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Note {
    /// Its own id.
    pub id: NoteId,
    /// When.
    pub at: Time,
    /// What was learnt.
    pub about: About,
}

impl Record for Note {
    const KIND: &'static str = "note";
}

/// What a note says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum About {
    /// Something about a snapshot.
    Snapshot(Remark),
    /// A snapshot's tags were changed.
    Tags(TagChange),
    /// Stored data that was found damaged: writers count on none of it.
    Damage(Damage),
    /// Earlier notes no longer hold.
    Withdrawal(Withdrawal),
}

/// Something about a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remark {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// What: `verified`, `held`, ...
    pub topic: String,
    /// In words.
    pub text: String,
}

/// How a snapshot's tags were changed. Changes apply in the order of their time, then of their ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TagChange {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Tags that it no longer has.
    pub remove: BTreeSet<String>,
    /// Tags that it has now.
    pub add: BTreeSet<String>,
}

/// What was found damaged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Damage {
    /// Packs of which nothing can be counted on.
    pub packs: BTreeSet<PackId>,
    /// Blobs, by their pack and their offset in it.
    pub blobs: BTreeSet<(PackId, u32)>,
}

/// Notes that no longer hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    /// The notes.
    pub notes: BTreeSet<NoteId>,
}
