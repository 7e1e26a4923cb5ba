//! What a check of packs has found to be lost or damaged.

use crate::format::note::Damage;
use crate::id::{BaseId, PackId};
use crate::repo::{EntryRef, NotedDamage};
use std::collections::{BTreeSet, HashSet};

/// What was found wrong, in few bytes each: half a repository may be gone.
#[derive(Default)]
pub(super) struct Losses {
    /// Packs that are not there, or cannot be read at all.
    pub(super) lost: BTreeSet<PackId>,
    /// Entries that cannot be read.
    pub(super) bad: Vec<EntryRef>,
    /// Entries that are well, but rest on what cannot be read.
    pub(super) by_base: Vec<(EntryRef, BaseId)>,
    pub(super) judged: Judged,
}

/// What is known to be damaged, by a reading of the bytes.
#[derive(Default)]
pub(super) struct Judged {
    /// Packs that were read to the end, and have the length that the index says.
    pub(super) packs: HashSet<PackId>,
    /// What is damaged of these, and what notes say of others.
    pub(super) damage: Damage,
}

impl Judged {
    /// Notes hold on for whatever was not read.
    pub(super) fn keep_unread(&mut self, noted: &NotedDamage) {
        let Damage { mut packs, mut blobs } = noted.all();
        packs.retain(|pack| !self.packs.contains(pack));
        blobs.retain(|(pack, _)| !self.packs.contains(pack));
        self.damage.add(&Damage { packs, blobs });
    }

    /// All that is damaged, also what later reads of other packs met.
    pub(super) fn with(mut self, met: Damage) -> Damage {
        let Damage { packs, mut blobs } = met;
        blobs.retain(|(pack, _)| !self.packs.contains(pack));
        self.damage.add(&Damage { packs, blobs });
        self.damage
    }
}
