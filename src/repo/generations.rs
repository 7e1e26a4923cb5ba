//! What collectors have condemned and decided (chapter 11, W2): read before the index.

use super::Repository;
use crate::backend::{Handle, Listed};
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::gc::{Condemned, Verdict};
use crate::id::{IndexId, PackId, SnapshotId};
use crate::limits::RECORD_MAX;
use std::collections::{BTreeSet, HashMap, HashSet};

/// The newest verdict, and what all collections together have condemned.
#[derive(Clone, Debug, Default)]
pub struct Generations {
    newest: u64,
    verdict: Option<Verdict>,
    condemned: HashSet<PackId>,
    /// What the newest collection found alive when it began, as long as it has not decided.
    first_mark: BTreeSet<IndexId>,
    swept: HashSet<PackId>,
}

impl Repository {
    /// Reads the whole chain (chapter 11, C2): what an old collection swept counts no more, whichever is
    /// newest.
    ///
    /// # Errors
    /// `Damaged` if any of it is missing or cannot be read: without it nobody knows what counts.
    pub fn generations(&self) -> Result<Generations> {
        self.generations_of(self.backend().list(ObjectKind::Gc)?)
    }

    /// The same by what was listed.
    pub(super) fn generations_of(&self, listed: Vec<Listed>) -> Result<Generations> {
        let newest = listed.iter().filter_map(|object| object.handle.number()).max().unwrap_or(0);
        let has_verdict = listed.iter().any(|object| object.handle == Handle::verdict(newest));
        // Only the newest collection may be undecided.
        let decided = if has_verdict { newest } else { newest.saturating_sub(1) };
        let sizes: HashMap<Handle, u64> =
            listed.into_iter().map(|object| (object.handle, object.size)).collect();
        // What a listing does not show may be there.
        let wanted = |handle: Handle| {
            let size = sizes.get(&handle).copied().unwrap_or(RECORD_MAX as u64);
            Listed { handle, size }
        };
        let condemned = self.get_records((1..=newest).map(Handle::gc).map(wanted));
        let mut verdicts = self.get_records((1..=decided).map(Handle::verdict).map(wanted));
        let mut generations = Generations { newest, ..Generations::default() };
        for (generation, condemned) in (1..=newest).zip(condemned) {
            let condemned: Condemned = link(condemned)?;
            let verdict: Option<Verdict> = verdicts.next().map(link).transpose()?;
            if condemned.generation != generation
                || verdict.as_ref().is_some_and(|verdict| verdict.generation != generation)
            {
                let handle = Handle::gc(generation);
                return Err(Error::damaged("read", handle, "it names another generation"));
            }
            generations.add(&condemned, verdict);
        }
        Ok(generations)
    }
}

/// One record of the chain, which must be there.
fn link<T>((handle, record): (Handle, Result<(T, [u8; 32])>)) -> Result<T> {
    match record {
        Ok((record, _)) => Ok(record),
        Err(error) if error.kind() == Kind::NotFound => {
            Err(Error::damaged("read", handle, "it is missing").caused_by(error))
        }
        Err(error) => Err(error),
    }
}

impl Generations {
    /// A verdict rescues from its own collection alone.
    fn add(&mut self, condemned: &Condemned, verdict: Option<Verdict>) {
        let rescued =
            |pack: &PackId| verdict.as_ref().is_some_and(|verdict| verdict.rescued.contains(pack));
        let swept =
            |pack: &PackId| verdict.as_ref().is_some_and(|verdict| verdict.swept.contains(pack));
        let packs = condemned.packs.iter().map(|(pack, _)| *pack);
        self.swept.extend(packs.clone().filter(swept));
        self.condemned.extend(packs.filter(|pack| !rescued(pack)));
        self.first_mark = match verdict {
            Some(_) => BTreeSet::new(),
            None => condemned.segments.clone(),
        };
        self.verdict = verdict.or(self.verdict.take());
    }

    /// The newest collection; 0 if there was none.
    pub fn newest(&self) -> u64 {
        self.newest
    }

    /// The collection that has no verdict yet, if there is one.
    pub fn open(&self) -> Option<u64> {
        Some(self.newest).filter(|newest| *newest > self.decided())
    }

    /// The newest collection that has a verdict; 0 if none has.
    pub fn decided(&self) -> u64 {
        self.verdict.as_ref().map_or(0, |verdict| verdict.generation)
    }

    /// The packs that may be deleted, as verdicts say: of their own collections alone (C12).
    pub fn swept(&self) -> &HashSet<PackId> {
        &self.swept
    }

    /// Whether entries in this pack no longer count.
    pub fn is_condemned(&self, pack: &PackId) -> bool {
        self.condemned.contains(pack)
    }

    /// Whether an index segment written under `generation` is alive (names never come back).
    pub fn segment_lives(&self, id: &IndexId, generation: u64) -> bool {
        self.verdict
            .as_ref()
            .is_none_or(|verdict| generation >= verdict.generation || verdict.segments.contains(id))
    }

    /// Whether a live segment stays alive whatever the collection decides that is still open
    /// (chapter 11, C3).
    pub(super) fn segment_is_certain(&self, id: &IndexId, generation: u64) -> bool {
        let is_listed = self.verdict.as_ref().is_some_and(|it| it.segments.contains(id));
        generation >= self.newest || is_listed || self.first_mark.contains(id)
    }

    /// Whether an outcome written under `generation` is alive.
    pub fn outcome_lives(&self, id: &SnapshotId, generation: u64) -> bool {
        self.verdict.as_ref().is_none_or(|verdict| {
            generation >= verdict.generation || verdict.snapshots.contains(id)
        })
    }
}
