//! What is needed, and what provides it (chapter 11, G1, G5, and the deleter's own mark): reads the
//! chain and the index, walks all snapshots, follows bases, and only then lists the packs. Whatever
//! cannot be read keeps everything that might be beneath it. Held is a bit for each entry of the
//! index, and a few numbers for each pack.

use super::links::Links;
use super::outcomes::{Outcomes, Scope};
use super::walk::Walk;
use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::format::note::Damage;
use crate::id::{BaseId, ChunkId, IndexId, PackId};
use crate::monitor::{Monitor, go_on};
use crate::ops::reach::Reach;
use crate::repo::{BlobLocation, BlobSet, Generations, Index, Reader, Repository};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What was read before the snapshots: the index, and then the chain again.
pub(super) struct Look {
    /// Trees are read by it.
    index: Index,
    generations: Generations,
    /// Segments that cannot be read: what they name is not known.
    unread: Vec<IndexId>,
}

/// What all of a repository's snapshots need.
pub(super) struct Mark<'l> {
    /// The index as readers see it.
    index: &'l Index,
    /// The index as collectors see it: only what counts provides anything (C8).
    pub(super) counting: Index,
    /// Blobs that are needed, bases too.
    pub(super) needed: BlobSet<'l>,
    /// Blobs beneath those of which nobody chooses a provider.
    beneath: BlobSet<'l>,
    links: Links<'l>,
    pub(super) packs: BTreeMap<PackId, PackUse>,
    pub(super) outcomes: Outcomes,
    /// The packs of partials that last.
    lasting: BTreeSet<PackId>,
    /// Packs that are listed and that no segment names. None is known where a segment is not.
    pub(super) orphans: BTreeMap<PackId, u64>,
    /// What could not be read: because of it everything is needed (C21).
    pub(super) troubles: Vec<Error>,
    /// Needed chunks that are gone without a word about damage.
    pub(super) lost: Vec<BaseId>,
    pub(super) unread: Vec<IndexId>,
}

/// A pack that the index names, and what of it is needed.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackUse {
    pub(super) kind: BlobKind,
    /// Its length as the index says.
    pub(super) size: u64,
    /// Whether it is listed with that length, and no note says that it is damaged.
    pub(super) sound: bool,
    pub(super) listed: bool,
    /// Bytes of its blobs.
    pub(super) stored: u64,
    /// Bytes of the blobs that it provides.
    pub(super) used: u64,
    /// Bytes of these in chains of deltas that can be shortened.
    pub(super) chained: u64,
    /// Whether it has an entry of anything that is needed.
    pub(super) needed: bool,
    /// Whether it has to stay, whatever else provides.
    pub(super) held: bool,
}

impl Look {
    /// The index first: an entry does not count whose pack is condemned meanwhile.
    fn take(repository: &Repository, scope: Scope<'_>) -> Result<Self> {
        let mut index = match scope {
            Scope::Living | Scope::LivingBut(_) => repository.load_index()?,
            Scope::Stored => repository.load_whole_index()?,
        };
        let troubles = index.take_troubles();
        let unread = troubles.iter().filter_map(|(handle, _)| handle.index_id()).collect();
        let generations = repository.generations()?;
        Ok(Look { index, generations, unread })
    }

    pub(super) fn index(&self) -> &Index {
        &self.index
    }

    /// Whether there are segments by now that it does not know.
    fn is_outdated(&self, repository: &Repository) -> Result<bool> {
        let Look { index, unread, .. } = self;
        let known = index.names().iter().chain(index.dead()).chain(unread);
        let known: HashSet<&IndexId> = known.collect();
        Ok(repository.segment_sizes()?.keys().any(|segment| !known.contains(segment)))
    }

    pub(super) fn generations(&self) -> &Generations {
        &self.generations
    }
}

/// Marks are made so often, while others write at the same time.
const TRIES: usize = 8;

/// Reads and walks everything, and hands it out. A snapshot may have been made after the index was read,
/// and packs may have been moved: whatever is missing is looked for in the index of now.
pub(super) fn marked<T>(
    repository: &Repository,
    scope: Scope<'_>,
    monitor: &dyn Monitor,
    use_it: impl FnOnce(&Look, Mark<'_>) -> Result<T>,
) -> Result<T> {
    let mut tries = 1;
    loop {
        let look = Look::take(repository, scope)?;
        let mark = Mark::of(repository, &look, scope, monitor)?;
        let misses = !mark.lost.is_empty() || !mark.troubles.is_empty();
        if misses && tries < TRIES && look.is_outdated(repository)? {
            tries += 1;
            continue;
        }
        mark.troubles.iter().for_each(|error| monitor.trouble(error));
        return use_it(&look, mark);
    }
}

impl<'l> Mark<'l> {
    /// Walks everything.
    ///
    /// # Errors
    /// Those of a store that does not answer, and `Unsupported` for what a newer program wrote.
    fn of(
        repository: &Repository,
        look: &'l Look,
        scope: Scope<'_>,
        monitor: &'l dyn Monitor,
    ) -> Result<Self> {
        let reader = Reader::new(repository, &look.index);
        let mut walk = Walk::new(&look.index, monitor);
        let mut reach = Reach::new(&reader);
        monitor.begin("find what is needed", None);
        let outcomes =
            Outcomes::read(repository, &look.generations, scope, &mut |alive, snapshot| {
                walk.dead = !alive;
                walk.snapshot(&mut reach, snapshot)
            })?;
        monitor.end();
        let Walk { reached, reached_dead, mut troubles, .. } = walk;
        let mut reached_by_any = reached.clone();
        for base in reached_dead.iter() {
            reached_by_any.insert(&base);
        }
        troubles.extend(outcomes.troubles());
        let sizes = repository.pack_sizes()?;
        let noted = repository.noted_damage()?.refuse_newer()?.all();
        let mut counting = look.index.judged_by(look.generations.clone());
        counting.count_only(|pack| sizes.get(&pack.id) == Some(&u64::from(pack.size)));
        counting.distrust(&noted);
        let packs = packs_of(&counting, &sizes, &noted);
        let named: HashSet<PackId> = packs.keys().copied().collect();
        let orphans = sizes.into_iter().filter(|(pack, _)| !named.contains(pack));
        let mut mark = Mark {
            index: &look.index,
            needed: BlobSet::new(&look.index),
            beneath: BlobSet::new(&look.index),
            links: Links::new(&look.index, reached_by_any),
            orphans: match look.unread.is_empty() {
                true => orphans.collect(),
                false => BTreeMap::new(),
            },
            unread: look.unread.clone(),
            counting,
            packs,
            lasting: outcomes.lasting_packs(),
            outcomes,
            troubles,
            lost: Vec::new(),
        };
        mark.resolve_all(&reached, &reached_dead, &noted, monitor)?;
        Ok(mark)
    }

    fn resolve_all(
        &mut self,
        reached: &BlobSet<'_>,
        reached_dead: &BlobSet<'_>,
        noted: &Damage,
        monitor: &dyn Monitor,
    ) -> Result<()> {
        for base in reached.iter() {
            go_on(monitor, "find what is needed in")?;
            self.resolve(base, Some(noted));
        }
        for base in reached_dead.iter() {
            self.resolve(base, None);
        }
        let keeps_all = !self.knows_all();
        for pack in &self.lasting {
            if let Some(pack) = self.packs.get_mut(pack) {
                pack.held = true;
            }
            self.orphans.remove(pack);
        }
        let mut others = BlobSet::new(self.index);
        for place in self.index.places().filter(|at| keeps_all || self.lasting.contains(&at.pack)) {
            others.insert(&place.id.base());
        }
        others.iter().for_each(|base| self.resolve(base, None));
        for place in self.counting.places() {
            if let Some(pack) = self.packs.get_mut(&place.pack) {
                pack.stored += u64::from(place.stored);
                pack.needed |= self.needed.contains(&place.id.base());
            }
            if self.is_chained(&place)
                && let Some(pack) = self.packs.get_mut(&place.pack)
            {
                pack.chained += u64::from(place.stored);
            }
        }
        Ok(())
    }

    /// A blob is needed, and so are the bases of whatever provides it (C7). Where nothing that counts does,
    /// everything that may is: then nobody chooses. It is lost if nothing of it is there, and no note
    /// says why.
    fn resolve(&mut self, base: BaseId, lost_unless: Option<&Damage>) {
        let mut waiting = vec![base];
        while let Some(base) = waiting.pop() {
            if !self.needed.insert(&base) {
                continue;
            }
            let mut entries = self.counting.entries_of(&base);
            let is_of = |entry: &BlobLocation| (entry.kind.number(), entry.id);
            let blobs: BTreeMap<(u8, ChunkId), BlobKind> =
                entries.iter().map(|entry| (is_of(entry), entry.kind)).collect();
            let mut provided = BTreeSet::new();
            for (blob, kind) in blobs {
                if self.provide(kind, &blob.1, &mut waiting) {
                    provided.insert(blob);
                }
            }
            if !entries.is_empty() && entries.iter().all(|it| provided.contains(&is_of(it))) {
                continue;
            }
            entries.retain(|entry| !provided.contains(&is_of(entry)));
            let mut there = false;
            for entry in &entries {
                let pack = self.packs.get_mut(&entry.pack);
                there |= pack.is_some_and(|pack| {
                    pack.held = true;
                    pack.listed
                });
                there |= lost_unless.is_some_and(|noted| is_noted(noted, entry));
                waiting.extend(&entry.bases);
                self.hold_beneath(&entry.bases);
            }
            if !there && lost_unless.is_some() {
                self.lost.push(base);
            }
        }
    }

    /// Nobody chooses what stands beneath, either: upon another base a chain may be longer than a reader bears (C8).
    fn hold_beneath(&mut self, bases: &[BaseId]) {
        let mut waiting = bases.to_vec();
        while let Some(base) = waiting.pop() {
            if !self.beneath.insert(&base) {
                continue;
            }
            for entry in self.counting.entries_of(&base) {
                if let Some(pack) = self.packs.get_mut(&entry.pack) {
                    pack.held = true;
                }
                waiting.extend(&entry.bases);
            }
        }
    }

    /// Whether a chunk has a provider that counts, which is in use then.
    fn provide(&mut self, kind: BlobKind, id: &ChunkId, waiting: &mut Vec<BaseId>) -> bool {
        let Some(place) = provider(&self.counting, kind, id) else { return false };
        if let Some(pack) = self.packs.get_mut(&place.pack) {
            pack.used += u64::from(place.stored);
        }
        self.links.add(&place);
        waiting.extend(place.bases);
        true
    }

    /// Where a needed chunk is missing, and no note says that it is damaged, too little is known to go on.
    pub(super) fn refuse_lost(&self, repository: &Repository) -> Result<()> {
        if let Some(error) = self.index.failure() {
            return Err(error);
        }
        let Some(first) = self.lost.first() else { return Ok(()) };
        let reason = match self.lost.len() {
            1 => format!("chunk {first}, which a snapshot needs, is nowhere"),
            lost => format!("{lost} chunks that snapshots need are nowhere, {first} first"),
        };
        Err(Error::damaged("prune", repository.backend().describe(), reason)
            .hint("`icecore check` names what is touched, and what helps"))
    }

    /// Orphans that no collection condemned before.
    pub(super) fn new_orphans(&self) -> Vec<(PackId, u64)> {
        let is_new = |pack: &PackId| !self.counting.generations().is_condemned(pack);
        let orphans = self.orphans.iter().filter(|(pack, _)| is_new(pack));
        orphans.map(|(pack, size)| (*pack, *size)).collect()
    }

    /// Whether packs are stored that a verdict gives up.
    pub(super) fn has_swept(&self) -> bool {
        let listed = self.packs.iter().filter(|(_, pack)| pack.listed).map(|(pack, _)| pack);
        let swept = self.counting.generations().swept();
        self.orphans.keys().chain(listed).any(|pack| swept.contains(pack))
    }

    /// Whether a condemned pack may not go (C15).
    pub(super) fn has_to_stay(&self, pack: &PackId) -> bool {
        let keeps_unknown = || !self.unread.is_empty() || self.lasting.contains(pack);
        let held = self.packs.get(pack).map_or_else(keeps_unknown, |pack| pack.held);
        held || !self.lost.is_empty()
    }

    /// Whether something needs a blob in this place, and nothing else that counts provides it.
    pub(super) fn is_provided_here(&self, place: &BlobLocation) -> bool {
        self.needed.contains(&place.id.base())
            && self.counting.find(place.kind, &place.id).as_ref() == Some(place)
    }

    /// Whether a place provides part of a chain of deltas that can be shortened: a link, or what lies above
    /// one.
    fn is_chained(&self, place: &BlobLocation) -> bool {
        let is_link = |blob: &BaseId| self.links.is_link(blob);
        let is_above = || matches!(place.bases.as_slice(), [base] if is_link(base));
        self.knows_all()
            && (is_link(&place.id.base()) || is_above())
            && self.is_provided_here(place)
    }

    /// The links beneath a place, the nearest first.
    pub(super) fn links_beneath(&self, place: &BlobLocation) -> Vec<BlobLocation> {
        match self.knows_all() && place.bases.len() == 1 {
            true => self.links.beneath(place, &self.counting),
            false => Vec::new(),
        }
    }

    fn knows_all(&self) -> bool {
        self.troubles.is_empty() && self.unread.is_empty()
    }
}

/// What provides a chunk, within the bounds of a reader.
fn provider(counting: &Index, kind: BlobKind, id: &ChunkId) -> Option<BlobLocation> {
    let place = counting.find(kind, id)?;
    (place.bases.is_empty() || counting.closure(&place).is_ok()).then_some(place)
}

fn is_noted(noted: &Damage, entry: &BlobLocation) -> bool {
    noted.packs.contains(&entry.pack) || noted.blobs.contains(&(entry.pack, entry.offset))
}

fn packs_of(
    index: &Index,
    sizes: &HashMap<PackId, u64>,
    noted: &Damage,
) -> BTreeMap<PackId, PackUse> {
    let rows = index.pack_rows().map(|row| {
        let size = u64::from(row.size);
        let listed = sizes.get(&row.id) == Some(&size);
        let pack = PackUse {
            kind: row.kind,
            size,
            sound: listed && !noted.touches(&row.id),
            listed,
            stored: 0,
            used: 0,
            chained: 0,
            needed: false,
            held: false,
        };
        (row.id, pack)
    });
    rows.collect()
}
