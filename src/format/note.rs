//! Notes (chapter 8): `notes/<id>`, sealed records of what was learnt later.

use super::record::Record;
use crate::env::Time;
use crate::id::{NoteId, PackId, PackPrefix, SnapshotId};
use crate::limits::{CLOCK_TOLERANCE, NOTED_BLOBS_MAX};
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

impl Note {
    /// The snapshot that it is about, if it is about one.
    pub fn snapshot(&self) -> Option<SnapshotId> {
        match &self.about {
            About::Snapshot(Remark { snapshot, .. })
            | About::Tags(TagChange { snapshot, .. })
            | About::Hold(Hold { snapshot, .. }) => Some(*snapshot),
            About::Damage(_) | About::Verified(_) | About::Withdrawal(_) => None,
        }
    }
}

/// What a note says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum About {
    /// Something about a snapshot.
    Snapshot(Remark),
    /// A snapshot's tags were changed.
    Tags(TagChange),
    /// A snapshot must stay.
    Hold(Hold),
    /// Stored data that was found damaged: writers count on none of it.
    Damage(Damage),
    /// Packs that were read to their end: a part of the ledger.
    Verified(Verified),
    /// Earlier notes no longer hold.
    Withdrawal(Withdrawal),
}

/// Something about a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Remark {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// What: `verified`, ...
    pub topic: String,
    /// In words.
    pub text: String,
}

/// A snapshot must stay, whatever is given up, until the note is withdrawn or its time is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// The snapshot.
    pub snapshot: SnapshotId,
    /// Why, in words.
    pub reason: String,
    /// The first moment at which it need not stay any more; absent where only a withdrawal ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
}

impl Hold {
    /// Whether the snapshot must stay at this moment by the caller's clock, which may be ahead
    /// of others.
    pub fn lasts(&self, now: Time) -> bool {
        self.until.is_none_or(|until| now.0 < until.0.saturating_add(CLOCK_TOLERANCE))
    }
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

impl Damage {
    /// Whether nothing is damaged.
    pub fn is_empty(&self) -> bool {
        self.packs.is_empty() && self.blobs.is_empty()
    }

    /// Whether anything of a pack is damaged.
    pub fn touches(&self, pack: &PackId) -> bool {
        let mut blobs = self.blobs.range((*pack, 0)..=(*pack, u32::MAX));
        self.packs.contains(pack) || blobs.next().is_some()
    }

    /// Adds what another says.
    pub fn add(&mut self, other: &Damage) {
        self.packs.extend(&other.packs);
        self.blobs.extend(&other.blobs);
    }

    /// Adds blobs of one pack by their offsets; of very many, the pack.
    pub fn add_blobs(&mut self, pack: PackId, offsets: &BTreeSet<u32>) {
        match offsets.len() > NOTED_BLOBS_MAX {
            true => drop(self.packs.insert(pack)),
            false => self.blobs.extend(offsets.iter().map(|offset| (pack, *offset))),
        }
    }

    /// What of it another does not say.
    pub fn without(&self, other: &Damage) -> Damage {
        let is_new =
            |blob: &&(PackId, u32)| !other.packs.contains(&blob.0) && !other.blobs.contains(blob);
        Damage {
            packs: self.packs.difference(&other.packs).copied().collect(),
            blobs: self.blobs.iter().filter(is_new).copied().collect(),
        }
    }

    /// The same in parts of at most so many packs and blobs.
    pub fn parts(self, most: usize) -> Vec<Damage> {
        let (packs, blobs): (Vec<_>, Vec<_>) =
            (self.packs.into_iter().collect(), self.blobs.into_iter().collect());
        let of_packs = packs
            .chunks(most)
            .map(|packs| Damage { packs: packs.iter().copied().collect(), blobs: BTreeSet::new() });
        let of_blobs = blobs
            .chunks(most)
            .map(|blobs| Damage { packs: BTreeSet::new(), blobs: blobs.iter().copied().collect() });
        of_packs.chain(of_blobs).collect()
    }
}

/// Packs that were read to their end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verified {
    /// By whom, when, and what was found.
    pub runs: Vec<Run>,
}

impl Verified {
    /// Number of packs.
    pub fn len(&self) -> usize {
        self.runs.iter().map(Run::len).sum()
    }

    #[cfg(feature = "testing")]
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Packs that were read to their end at about the same time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The machine that read them.
    pub host: String,
    /// When the first of them was begun: none was read before.
    pub at: Time,
    /// Those in which nothing was wrong.
    #[serde(with = "prefixes")]
    pub sound: BTreeSet<PackPrefix>,
    /// Those in which something was.
    #[serde(with = "prefixes")]
    pub damaged: BTreeSet<PackPrefix>,
}

impl Run {
    /// One that has read nothing yet.
    pub fn new(host: &str, at: Time) -> Self {
        Run { host: host.to_owned(), at, sound: BTreeSet::new(), damaged: BTreeSet::new() }
    }

    /// Adds a pack.
    pub fn add(&mut self, pack: PackPrefix, is_damaged: bool) {
        match is_damaged {
            true => self.damaged.insert(pack),
            false => self.sound.insert(pack),
        };
    }

    /// Number of packs.
    pub fn len(&self) -> usize {
        self.sound.len() + self.damaged.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Prefixes as one string of bytes, one behind the other: half of what an array of them takes.
mod prefixes {
    use super::PackPrefix;
    use serde::{Deserializer, Serializer, de::Error};
    use std::collections::BTreeSet;

    pub fn serialize<S: Serializer>(set: &BTreeSet<PackPrefix>, to: S) -> Result<S::Ok, S::Error> {
        let bytes: Vec<u8> = set.iter().flat_map(|prefix| prefix.0).collect();
        serde_bytes::serialize(&bytes, to)
    }

    /// That they ascend follows from the record's canonical form.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeSet<PackPrefix>, D::Error> {
        let bytes: Vec<u8> = serde_bytes::deserialize(from)?;
        match bytes.as_chunks() {
            (prefixes, []) => Ok(prefixes.iter().copied().map(PackPrefix).collect()),
            _ => Err(D::Error::custom("the last prefix is cut")),
        }
    }
}

/// Notes that no longer hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdrawal {
    /// The notes.
    pub notes: BTreeSet<NoteId>,
}
