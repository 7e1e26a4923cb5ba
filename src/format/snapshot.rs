//! Outcomes of writers (chapter 8): `snapshots/<S>`, sealed records; and notes.

use super::directory::{Node, Taint};
use super::record::Record;
use crate::env::Time;
use crate::id::{PackId, RepoId, SeriesId, SnapshotId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// The outcome of writer `S`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Outcome {
    /// A snapshot, complete.
    Snapshot(Box<Snapshot>),
    /// A long backup's progress so far, which keeps its packs alive.
    Partial(Partial),
    /// Packs were moved or copied; nothing was captured.
    Maintenance(Maintenance),
    /// A collector gave the writer up.
    Tombstone(Tombstone),
}

impl Outcome {
    /// The writer that it is the outcome of.
    pub fn id(&self) -> SnapshotId {
        match self {
            Outcome::Snapshot(snapshot) => snapshot.id,
            Outcome::Partial(partial) => partial.id,
            Outcome::Maintenance(maintenance) => maintenance.id,
            Outcome::Tombstone(tombstone) => tombstone.id,
        }
    }
}

impl Record for Outcome {
    const KIND: &'static str = "outcome";
}

/// A snapshot: several parts, captured by one command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// Its own id, `S`.
    pub id: SnapshotId,
    /// The series that it belongs to.
    pub series: SeriesId,
    /// Its number in the series, from one.
    pub sequence: u64,
    /// BLAKE3 of the object of the series' previous snapshot.
    #[serde(with = "serde_bytes")]
    pub previous: Option<[u8; 32]>,
    /// The newest collection that the writer had read; 0 for none.
    pub generation: u64,
    /// The snapshot of which this is what was left after damage in the repository. Such a one is a series
    /// of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<SnapshotId>,
    /// Where it was copied from, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// When the command began, by its own clock.
    pub started: Time,
    /// When it was done.
    pub finished: Time,
    /// The machine.
    pub host: String,
    /// The user.
    pub user: String,
    /// Tags.
    pub tags: BTreeSet<String>,
    /// Facts given by the user: application version, image digest.
    pub labels: BTreeMap<String, String>,
    /// Program and version.
    pub tool: String,
    /// What was captured, in the order of the command line.
    pub parts: Vec<Part>,
    /// What was asked for as well, and could not be captured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<Missing>,
    /// What the user was warned of.
    pub warnings: Vec<String>,
    /// Counts.
    pub summary: Summary,
}

impl Snapshot {
    /// The sources that were asked for.
    pub fn sources(&self) -> BTreeSet<SourceName> {
        let parts = self.parts.iter().map(Part::source);
        parts.chain(self.missing.iter().map(Missing::source)).collect()
    }

    /// Whether it is a series of its own, which nobody goes on with: what was left of another, or a copy
    /// that came late.
    pub fn stands_alone(&self) -> bool {
        self.original.is_some() || self.origin.as_ref().is_some_and(|origin| origin.late)
    }

    /// How many of its entries are damaged at their source.
    pub fn tainted(&self) -> u64 {
        self.parts.iter().map(|part| part.tainted).fold(0, u64::saturating_add)
    }

    /// Those of them that are named.
    pub fn taints(&self) -> impl Iterator<Item = &TaintedEntry> {
        self.parts.iter().flat_map(|part| &part.taints)
    }

    /// Whether something that was asked for is not in it, or changed while it was captured.
    pub fn is_incomplete(&self) -> bool {
        !self.missing.is_empty() || self.parts.iter().any(|part| part.incomplete)
    }
}

/// Where a snapshot was made that was copied from another repository: the first one, however often it
/// was copied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The repository.
    pub repository: RepoId,
    /// Its id there.
    pub snapshot: SnapshotId,
    /// BLAKE3 of its object there.
    #[serde(with = "serde_bytes")]
    pub hash: [u8; 32],
    /// Whether a newer one of its series was here before it. Such a copy is a series of its own.
    #[serde(default)]
    pub late: bool,
}

/// What a series is the past of. Its id is a keyed hash of this record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SeriesName {
    /// The machine.
    pub host: String,
    /// What is asked for of it.
    pub sources: BTreeSet<SourceName>,
    /// As [`Snapshot::original`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<SnapshotId>,
    /// The snapshot that a late copy was made of, where it was first: [`Origin::snapshot`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<SnapshotId>,
}

impl Record for SeriesName {
    const KIND: &'static str = "series";
}

/// One source, as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceName {
    /// What kind of source it is.
    pub kind: PartKind,
    /// As [`Part::path`].
    #[serde(with = "serde_bytes")]
    pub path: Vec<u8>,
    /// As [`Part::selection`].
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub selection: BTreeSet<String>,
}

/// A source that was asked for and could not be captured at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    /// What kind of source it is.
    pub kind: PartKind,
    /// Where it stands: as [`Part::path`].
    #[serde(with = "serde_bytes")]
    pub path: Vec<u8>,
    /// As [`Part::selection`].
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub selection: BTreeSet<String>,
    /// Why, in words.
    pub reason: String,
}

impl Missing {
    /// The source that it would have been a part of.
    pub fn source(&self) -> SourceName {
        let (path, selection) = (self.path.clone(), self.selection.clone());
        SourceName { kind: self.kind, path, selection }
    }
}

/// One source of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// What kind of source it was.
    pub kind: PartKind,
    /// Where it stood: an absolute path, `/` between its components, which is also where it
    /// stands within the snapshot.
    #[serde(with = "serde_bytes")]
    pub path: Vec<u8>,
    /// What of the source was asked for, in the words of its kind; empty for all of it. Sources
    /// of one path and different selections are different sources.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub selection: BTreeSet<String>,
    /// The snapshots that its deltas and unchanged files were looked for in.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub parents: BTreeSet<SnapshotId>,
    /// Its root; the node's name is the last component of `path`.
    pub root: Node,
    /// When its capture began.
    pub started: Time,
    /// When it was done.
    pub finished: Time,
    /// Facts of the source kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// Entries that are damaged at their source. Those that could not be captured this time
    /// count, too.
    #[serde(default)]
    pub tainted: u64,
    /// The first of them, at most [`crate::limits::TAINTS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<TaintedEntry>,
    /// Whether something in it could not be captured, or changed meanwhile.
    #[serde(default)]
    pub incomplete: bool,
}

impl Part {
    /// The source that it is a part of.
    pub fn source(&self) -> SourceName {
        let (path, selection) = (self.path.clone(), self.selection.clone());
        SourceName { kind: self.kind, path, selection }
    }

    /// What of each database was asked for, if not all of it.
    pub fn scope(&self) -> impl Iterator<Item = &str> {
        let of_databases = ["database=", "exclude-database="];
        let words = self.selection.iter().map(String::as_str);
        words.filter(move |word| !of_databases.iter().any(|prefix| word.starts_with(prefix)))
    }
}

/// An entry that is damaged at its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaintedEntry {
    /// Its path in the snapshot.
    #[serde(with = "serde_bytes")]
    pub path: Vec<u8>,
    /// What is wrong with it, and since when that is known.
    pub taint: Taint,
}

/// The kind of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartKind {
    /// A file or folder.
    Files,
    /// One SQLite database.
    Sqlite,
    /// Standard input, or the output of a command.
    Stdin,
    /// Databases of a PostgreSQL server, as dumps.
    PostgresDump,
}

/// What a snapshot cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Summary {
    /// Entries of every sort, roots included.
    pub items: u64,
    /// Regular files and databases that are new.
    pub files_new: u64,
    /// ... that differ from the parent.
    pub files_changed: u64,
    /// ... that are as in the parent.
    pub files_unchanged: u64,
    /// Directories.
    pub directories: u64,
    /// Databases, also counted as files.
    pub databases: u64,
    /// Items that could not be captured.
    pub failed: u64,
    /// Bytes of content.
    pub bytes: u64,
    /// Bytes that were read from the sources.
    pub bytes_read: u64,
    /// Chunks, data and metadata, that had to be stored.
    pub chunks_new: u64,
    /// Chunks that were in the repository already.
    pub chunks_known: u64,
    /// Blobs stored whole, and their plaintext and stored bytes.
    pub whole: Stored,
    /// Blobs stored as deltas.
    pub delta: Stored,
    /// Bytes of the packs.
    pub packed: u64,
    /// Bytes of all objects written before this one.
    pub written: u64,
}

impl Summary {
    /// The same captured, and stored what `written` says.
    pub fn stored_as(self, written: &Summary) -> Self {
        Summary {
            chunks_new: written.chunks_new,
            chunks_known: written.chunks_known,
            whole: written.whole,
            delta: written.delta,
            packed: written.packed,
            written: written.written,
            ..self
        }
    }
}

/// Blobs, and their bytes before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// Blobs.
    pub blobs: u64,
    /// Bytes of plaintext.
    pub plain: u64,
    /// Bytes in packs.
    pub stored: u64,
}

/// What a long first backup had written when its writer ended in favour of another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partial {
    /// Its own id.
    pub id: SnapshotId,
    /// The generation that it had read.
    pub generation: u64,
    /// The packs that it keeps alive.
    pub packs: BTreeSet<PackId>,
    /// When.
    pub at: Time,
}

/// A writer that captured nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// Its own id.
    pub id: SnapshotId,
    /// The generation that it had read.
    pub generation: u64,
    /// What it did.
    pub verb: String,
    /// When.
    pub at: Time,
}

/// A writer that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tombstone {
    /// Its own id.
    pub id: SnapshotId,
    /// The collection that gave it up.
    pub generation: u64,
    /// When.
    pub at: Time,
}
