//! What is known to be damaged (chapter 8, notes): written by its finders, taken into account by
//! writers (chapter 11, W2).

use super::{BlobLocation, Index, Notes, Reader, Repository};
use crate::backend::Handle;
use crate::error::{Error, Kind, Result};
use crate::format::note::{About, Damage, Note, Withdrawal};
use crate::id::{NoteId, PackId};
use crate::limits::NOTE_DAMAGE_MAX;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// What notes say of damage, as far as they still hold.
#[derive(Debug, Default)]
pub struct NotedDamage {
    notes: BTreeMap<NoteId, Damage>,
    /// Notes that could not be read.
    pub(super) troubles: Vec<(Handle, Error)>,
}

impl NotedDamage {
    /// Refuses what a newer program noted: it may be a reason to delete nothing (chapter 11, I13).
    pub fn refuse_newer(mut self) -> Result<Self> {
        let mut kinds = self.troubles.iter().map(|(_, error)| error.kind());
        match kinds.position(|kind| kind == Kind::Unsupported) {
            Some(newer) => Err(self.troubles.swap_remove(newer).1),
            None => Ok(self),
        }
    }

    /// All of it.
    pub fn all(&self) -> Damage {
        let mut all = Damage::default();
        self.notes.values().for_each(|damage| all.add(damage));
        all
    }
}

impl Notes {
    /// What they say of damage.
    pub fn into_damage(self) -> NotedDamage {
        let damage = |(id, note): (NoteId, Note)| match note.about {
            About::Damage(damage) => Some((id, damage)),
            _ => None,
        };
        let notes = self.by_id.into_iter().filter_map(damage).collect();
        NotedDamage { notes, troubles: self.troubles }
    }
}

impl Repository {
    /// What notes say of damage.
    ///
    /// # Errors
    /// Those of a store that cannot be read; a note that is damaged, newer or gone costs itself.
    pub fn noted_damage(&self) -> Result<NotedDamage> {
        Ok(self.notes()?.into_damage())
    }

    /// What reads through an index have met, and what else is damaged in the packs where they met
    /// it. What a listing shows anyhow is not in it: packs that are gone, or not as long as they
    /// should be.
    pub fn certain_damage(&self, index: &Index, noted: &Damage) -> Damage {
        let lengths = index.packs();
        let mut by_pack: HashMap<PackId, BTreeSet<u32>> = HashMap::new();
        for place in index.met_damage() {
            by_pack.entry(place.pack).or_default().insert(place.offset);
        }
        let mut damage = Damage::default();
        for (pack, mut offsets) in by_pack {
            let size = self.backend().size(&Handle::pack(pack)).ok();
            if size.is_some() && size == lengths.get(&pack).map(|length| u64::from(*length)) {
                if offsets.iter().any(|offset| !noted.blobs.contains(&(pack, *offset))) {
                    offsets.extend(self.sealed_wrongly(index, pack));
                }
                damage.add_blobs(pack, &offsets);
            }
        }
        damage
    }

    /// Where in a pack blobs do not open; nothing if it cannot be read. Damage seldom comes alone,
    /// and what shares a pack with it may be all that the next backup counts on.
    fn sealed_wrongly(&self, index: &Index, pack: PackId) -> Vec<u32> {
        let Ok(bytes) = self.backend().get(&Handle::pack(pack), None) else { return Vec::new() };
        if blake3::hash(&bytes) == pack.0 {
            return Vec::new();
        }
        let reader = Reader::new(self, index);
        let is_damaged = |place: &BlobLocation| {
            let start = usize::try_from(place.offset).unwrap_or(usize::MAX);
            let end = start.saturating_add(usize::try_from(place.stored).unwrap_or(usize::MAX));
            let sealed = bytes.get(start..end);
            sealed.is_none_or(|sealed| {
                reader.open(place, sealed).is_err_and(|error| error.kind() == Kind::Damaged)
            })
        };
        let there = index.places().filter(|place| place.pack == pack);
        there.filter(is_damaged).map(|place| place.offset).collect()
    }

    /// Notes what reads through an index have met, unless it is noted already.
    pub fn note_damage(&self, index: &Index) -> Result<()> {
        let noted = self.noted_damage()?;
        let mut damage = noted.all();
        damage.add(&self.certain_damage(index, &noted.all()));
        self.settle_damage(&noted, &damage)
    }

    /// Makes the notes say that just this is damaged: what is new is noted, and notes of which
    /// anything no longer holds are withdrawn after that.
    pub fn settle_damage(&self, noted: &NotedDamage, damage: &Damage) -> Result<()> {
        let (mut known, mut withdrawn) = (Damage::default(), BTreeSet::new());
        for (id, note) in &noted.notes {
            match note.without(damage).is_empty() {
                true => known.add(note),
                false => drop(withdrawn.insert(*id)),
            }
        }
        for part in damage.without(&known).parts(NOTE_DAMAGE_MAX) {
            self.put_note(About::Damage(part))?;
        }
        if withdrawn.is_empty() {
            return Ok(());
        }
        self.put_note(About::Withdrawal(Withdrawal { notes: withdrawn })).map(drop)
    }
}
