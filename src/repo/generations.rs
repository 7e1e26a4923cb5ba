//! What collectors have condemned and decided (chapter 11, W2): read before the index.

use super::Repository;
use crate::backend::Handle;
use crate::error::{Error, Result};
use crate::format::ObjectKind;
use crate::format::gc::{Condemned, Verdict};
use crate::id::{IndexId, PackId, SnapshotId};
use std::collections::HashSet;

/// The newest verdict and what was condemned since.
#[derive(Clone, Debug, Default)]
pub struct Generations {
    newest: u64,
    verdict: Option<Verdict>,
    condemned: HashSet<PackId>,
}

impl Repository {
    /// Reads the chain: the newest verdict and everything from it on.
    pub fn generations(&self) -> Result<Generations> {
        let listed = self.backend().list(ObjectKind::Gc)?;
        let number = |verdict: bool| {
            let of_kind = listed.iter().filter(move |object| object.handle.is_verdict() == verdict);
            of_kind.filter_map(|object| object.handle.number()).max()
        };
        let mut generations = Generations::default();
        let from = match number(true) {
            None => 1,
            Some(decided) => {
                let (verdict, _) = self.get_record::<Verdict>(&Handle::verdict(decided))?;
                generations.take_verdict(decided, verdict)?;
                decided
            }
        };
        let newest = number(false).unwrap_or(0);
        if newest < from && generations.verdict.is_some() {
            return Err(Error::damaged("read", Handle::gc(from), "its verdict stands without it"));
        }
        for generation in from..=newest {
            let handle = Handle::gc(generation);
            let (condemned, _) = self.get_record::<Condemned>(&handle)?;
            if condemned.generation != generation {
                return Err(Error::damaged("read", handle, "it names another generation"));
            }
            generations.condemn(&condemned);
        }
        generations.newest = newest;
        Ok(generations)
    }
}

impl Generations {
    fn take_verdict(&mut self, number: u64, verdict: Verdict) -> Result<()> {
        if verdict.generation != number {
            let handle = Handle::verdict(number);
            return Err(Error::damaged("read", handle, "it names another generation"));
        }
        self.verdict = Some(verdict);
        Ok(())
    }

    /// Packs that were rescued by the verdict on their own generation count again.
    fn condemn(&mut self, condemned: &Condemned) {
        let decided =
            self.verdict.as_ref().filter(|verdict| verdict.generation == condemned.generation);
        let rescued = |pack: &PackId| decided.is_some_and(|verdict| verdict.rescued.contains(pack));
        self.condemned
            .extend(condemned.packs.iter().map(|(pack, _)| *pack).filter(|pack| !rescued(pack)));
    }

    /// The newest collection; 0 if there was none.
    pub fn newest(&self) -> u64 {
        self.newest
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

    /// Whether an outcome written under `generation` is alive.
    pub fn outcome_lives(&self, id: &SnapshotId, generation: u64) -> bool {
        self.verdict.as_ref().is_none_or(|verdict| {
            generation >= verdict.generation || verdict.snapshots.contains(id)
        })
    }
}
