//! What is wrong with a repository, as values: what, where, what it costs, and what helps.

use crate::backend::Handle;
use crate::error::{Error, Kind};
use crate::format::Payload;
use crate::id::{ChunkId, PackId, SeriesId, SnapshotId};
use crate::ops::head::Head;
use crate::ops::series::{Flaw, Gap};
use crate::repo::{BlobLocation, Index};
use serde::Serialize;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;

/// Something that is wrong with a repository.
#[derive(Debug)]
pub struct Finding {
    /// What is wrong.
    pub what: What,
    /// Where.
    pub at: Where,
    /// What can no longer be restored because of it, as far as that is known: the first
    /// hundred places.
    pub touches: Vec<Touched>,
    /// What helps.
    pub cure: Cure,
    /// The same in words, with a hint.
    pub error: Error,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// It is not there.
    Missing,
    /// It is there, and is not what it must be.
    Damaged,
    /// The store did not give it: nothing is known of it.
    Unavailable,
    /// The disk or the store failed at it, or denied it: it counts as not there.
    Unreadable,
    /// A newer program may know better.
    Unsupported,
    /// It has more or less than is said of it elsewhere.
    Unaccounted,
    /// A snapshot is missing in its series.
    Gap,
    /// What was the newest snapshot of its series is not there any more.
    RolledBack,
}

/// Where something is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Where {
    /// An object.
    Object(Handle),
    /// A blob in a pack.
    Blob {
        /// The chunk that it should hold.
        chunk: ChunkId,
        /// The pack.
        pack: PackId,
        /// Where it begins there.
        offset: u32,
    },
    /// A place in a snapshot.
    Path {
        /// The snapshot.
        snapshot: SnapshotId,
        /// The path of the part.
        part: Vec<u8>,
        /// The path of the entry.
        path: Vec<u8>,
        /// The chunk of its content, list or directory that is the cause, if it is one.
        chunk: Option<ChunkId>,
    },
    /// Numbers of a series.
    Series {
        /// The series.
        series: SeriesId,
        /// The first number.
        first: u64,
        /// The last.
        last: u64,
    },
}

/// What helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cure {
    /// A backup of the same source: it stores again what the source still has.
    Backup,
    /// To repair the index.
    RepairIndex,
    /// To forget the snapshot.
    Forget,
    /// To forget what is missing in the series.
    ForgetGaps,
    /// To remove the key slot.
    RemoveKey,
    /// The object as it stands in a copy of the repository.
    Copy,
    /// To check again once the store answers.
    Retry,
    /// A newer program.
    Upgrade,
}

/// An entry that can no longer be restored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Touched {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Its path there.
    pub path: Vec<u8>,
}

/// Places that a finding names.
pub const TOUCHES_MOST: usize = 100;

impl Finding {
    /// An object cannot be read, or is not what it must be.
    pub(super) fn object(handle: Handle, error: Error) -> Self {
        let cure = match handle.payload() {
            Payload::Blobs => Cure::Backup,
            Payload::Segment => Cure::RepairIndex,
            Payload::Outcome => Cure::Forget,
            Payload::Slot => Cure::RemoveKey,
            Payload::Config
            | Payload::Registration
            | Payload::Heartbeat
            | Payload::Forgotten
            | Payload::Note
            | Payload::Condemned
            | Payload::Verdict
            | Payload::Quarantined => Cure::Copy,
        };
        Finding::new(Where::Object(handle), cure, error)
    }

    /// A blob cannot be read.
    pub(super) fn blob(place: &BlobLocation, error: Error) -> Self {
        let BlobLocation { id, pack, offset, .. } = *place;
        Finding::new(Where::Blob { chunk: id, pack, offset }, Cure::Backup, error)
    }

    /// A place in a snapshot cannot be restored.
    pub(super) fn path(
        touched: &Touched,
        part: &[u8],
        chunk: Option<ChunkId>,
        error: Error,
    ) -> Self {
        let Touched { snapshot, path } = touched.clone();
        let at = Where::Path { snapshot, part: part.to_vec(), path, chunk };
        Finding { touches: vec![touched.clone()], ..Finding::new(at, Cure::Backup, error) }
    }

    /// A snapshot does not stand where it says in its series.
    pub(super) fn flaw(flaw: &Flaw) -> Self {
        let error = flaw.error();
        match *flaw {
            Flaw::Gap(Gap { series, first, last, .. }) => {
                let (at, touches) = (Where::Series { series, first, last }, Vec::new());
                Finding { what: What::Gap, at, touches, cure: Cure::ForgetGaps, error }
            }
            Flaw::Misfit(id) => Finding::object(Handle::snapshot(id), error).unaccounted(),
        }
    }

    /// The head of a series that was seen before is not there.
    pub(super) fn head(head: &Head) -> Self {
        let Head { series, sequence, .. } = *head;
        let at = Where::Series { series, first: sequence, last: sequence };
        Finding { what: What::RolledBack, ..Finding::new(at, Cure::Copy, head.lost()) }
    }

    fn new(at: Where, cure: Cure, error: Error) -> Self {
        let (what, cure) = match error.kind() {
            Kind::NotFound => (What::Missing, cure),
            Kind::Damaged => (What::Damaged, cure),
            Kind::Unsupported => (What::Unsupported, Cure::Upgrade),
            Kind::Unavailable => (What::Unavailable, Cure::Retry),
            _ => (What::Unreadable, cure),
        };
        Finding { what, at, touches: Vec::new(), cure, error }
    }

    /// The pack that it is about, and where in it the blob begins, if it is about one.
    fn place(&self) -> Option<(PackId, Option<u32>)> {
        match &self.at {
            Where::Object(handle) => Some((handle.pack_id()?, None)),
            Where::Blob { pack, offset, .. } => Some((*pack, Some(*offset))),
            Where::Path { .. } | Where::Series { .. } => None,
        }
    }

    /// Whether it is about any of these places, or a pack with one of them, or about no pack.
    pub(super) fn is_of(&self, lost: &HashSet<(PackId, Option<u32>)>) -> bool {
        self.place().is_none_or(|place| lost.contains(&place))
    }

    /// Whether it is about a pack, or a blob in one.
    pub fn is_of_pack(&self) -> bool {
        self.place().is_some()
    }

    /// The same, where it is not there at all.
    pub(super) fn missing(self) -> Self {
        Finding { what: What::Missing, ..self }
    }

    /// The same, where it is whole and does not fit what is said of it.
    pub(super) fn unaccounted(self) -> Self {
        Finding { what: What::Unaccounted, ..self }
    }

    /// Adds what it touches, unless it is known; whether there is room for more.
    pub(super) fn touch(&mut self, touched: &Touched) -> bool {
        if self.touches.len() < TOUCHES_MOST && !self.touches.contains(touched) {
            self.touches.push(touched.clone());
        }
        self.touches.len() < TOUCHES_MOST
    }
}

/// Of the packs that findings are about, the blobs that nothing else provides, and the packs with any.
pub(super) fn lost<'f>(
    findings: impl Iterator<Item = &'f Finding>,
    index: &Index,
) -> HashSet<(PackId, Option<u32>)> {
    let packs: HashSet<PackId> =
        findings.filter_map(Finding::place).map(|(pack, _)| pack).collect();
    let there = index.places().filter(|place| packs.contains(&place.pack));
    let lost = there.filter(|place| !index.knows(place.kind, &place.id));
    lost.flat_map(|place| [(place.pack, None), (place.pack, Some(place.offset))]).collect()
}

/// Adds to what was found in packs what it touches: whatever rests on the blobs there, and cannot be
/// restored.
pub(super) fn explain(findings: &mut [Finding], index: &Index) {
    let mut effects: Vec<Vec<Touched>> = Vec::new();
    let mut of_packs: HashMap<PackId, BTreeSet<usize>> = HashMap::new();
    let mut of_blobs: HashMap<(PackId, u32), BTreeSet<usize>> = HashMap::new();
    for finding in findings.iter() {
        let Where::Path { chunk: Some(chunk), .. } = &finding.at else { continue };
        for place in index.may_rest_on(chunk) {
            of_packs.entry(place.pack).or_default().insert(effects.len());
            of_blobs.entry((place.pack, place.offset)).or_default().insert(effects.len());
        }
        effects.push(finding.touches.clone());
    }
    for finding in findings {
        let found = match &finding.at {
            Where::Object(handle) => handle.pack_id().and_then(|pack| of_packs.get(&pack)),
            Where::Blob { pack, offset, .. } => of_blobs.get(&(*pack, *offset)),
            Where::Path { .. } | Where::Series { .. } => None,
        };
        let effects = found.into_iter().flatten().filter_map(|at| effects.get(*at)).flatten();
        for touched in effects {
            if !finding.touch(touched) {
                break;
            }
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}
