//! Chapter 2: the address of an object, kind and name, in an exact grammar.

use super::ObjectKind;
use crate::id::{IndexId, NoteId, PackId, SlotId, SnapshotId, unhex};
use std::fmt;

/// Kind and name of an object. Only names of the grammar of `format-spec/02-repository.md` exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle {
    kind: ObjectKind,
    name: String,
}

impl Handle {
    /// `config/<n>`
    pub fn config(number: u64) -> Self {
        Handle { kind: ObjectKind::Config, name: number.to_string() }
    }

    /// `keys/<id>`
    pub fn key(id: SlotId) -> Self {
        Handle { kind: ObjectKind::Key, name: id.to_string() }
    }

    /// `packs/<2 hex>/<id>`
    pub fn pack(id: PackId) -> Self {
        Handle { kind: ObjectKind::Pack, name: id.to_string() }
    }

    /// `index/<id>`
    pub fn index(id: IndexId) -> Self {
        Handle { kind: ObjectKind::Index, name: id.to_string() }
    }

    /// `writers/<S>`
    pub fn writer(id: SnapshotId) -> Self {
        Handle { kind: ObjectKind::Writer, name: id.to_string() }
    }

    /// `writers/<S>.<k>`
    pub fn heartbeat(id: SnapshotId, beat: u64) -> Self {
        Handle { kind: ObjectKind::Writer, name: format!("{id}.{beat}") }
    }

    /// `snapshots/<S>`
    pub fn snapshot(id: SnapshotId) -> Self {
        Handle { kind: ObjectKind::Snapshot, name: id.to_string() }
    }

    /// `forgotten/<S>`
    pub fn forgotten(id: SnapshotId) -> Self {
        Handle { kind: ObjectKind::Forgotten, name: id.to_string() }
    }

    /// `notes/<id>`
    pub fn note(id: NoteId) -> Self {
        Handle { kind: ObjectKind::Note, name: id.to_string() }
    }

    /// `gc/<n>`
    pub fn gc(generation: u64) -> Self {
        Handle { kind: ObjectKind::Gc, name: generation.to_string() }
    }

    /// `gc/<n>.verdict`
    pub fn verdict(generation: u64) -> Self {
        Handle { kind: ObjectKind::Gc, name: format!("{generation}.verdict") }
    }

    /// The handle of a name as it stands in a listing, if it is in the grammar to the letter.
    pub fn parse(kind: ObjectKind, name: &str) -> Option<Self> {
        let valid = match kind {
            ObjectKind::Config => number(name).is_some(),
            ObjectKind::Key | ObjectKind::Forgotten | ObjectKind::Note | ObjectKind::Snapshot => {
                unhex::<16>(name).is_some()
            }
            ObjectKind::Pack | ObjectKind::Index => unhex::<32>(name).is_some(),
            ObjectKind::Writer => match name.split_once('.') {
                None => unhex::<16>(name).is_some(),
                Some((id, beat)) => unhex::<16>(id).is_some() && number(beat).is_some(),
            },
            ObjectKind::Gc => number(name.strip_suffix(".verdict").unwrap_or(name)).is_some(),
        };
        valid.then(|| Handle { kind, name: name.to_owned() })
    }

    /// The kind.
    pub fn kind(&self) -> ObjectKind {
        self.kind
    }

    /// The name within its kind.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The path below the repository's root, `/` between its parts.
    pub fn path(&self) -> String {
        match (self.kind, self.name.split_at_checked(2)) {
            (ObjectKind::Pack, Some((fan, _))) => format!("packs/{fan}/{}", self.name),
            (kind, _) => format!("{}/{}", kind.folder(), self.name),
        }
    }

    /// The number in the name of a config, a generation or a verdict, or of a heartbeat.
    pub fn number(&self) -> Option<u64> {
        match self.kind {
            ObjectKind::Config => number(&self.name),
            ObjectKind::Gc => number(self.name.strip_suffix(".verdict").unwrap_or(&self.name)),
            ObjectKind::Writer => self.name.split_once('.').and_then(|(_, beat)| number(beat)),
            _ => None,
        }
    }

    /// Whether this is `gc/<n>.verdict`.
    pub fn is_verdict(&self) -> bool {
        self.kind == ObjectKind::Gc && self.name.ends_with(".verdict")
    }

    /// The pack's id, if this is a pack.
    pub fn pack_id(&self) -> Option<PackId> {
        (self.kind == ObjectKind::Pack).then(|| unhex(&self.name).map(PackId))?
    }

    /// The index segment's id, if this is one.
    pub fn index_id(&self) -> Option<IndexId> {
        (self.kind == ObjectKind::Index).then(|| unhex(&self.name).map(IndexId))?
    }

    /// The slot's id, if this is a key.
    pub fn slot_id(&self) -> Option<SlotId> {
        (self.kind == ObjectKind::Key).then(|| unhex(&self.name).map(SlotId))?
    }

    /// The note's id, if this is one.
    pub fn note_id(&self) -> Option<NoteId> {
        (self.kind == ObjectKind::Note).then(|| unhex(&self.name).map(NoteId))?
    }

    /// `S`, if this is a registration, heartbeat, outcome or forgotten mark.
    pub fn snapshot_id(&self) -> Option<SnapshotId> {
        match self.kind {
            ObjectKind::Writer | ObjectKind::Snapshot | ObjectKind::Forgotten => {
                unhex(self.name.split('.').next()?).map(SnapshotId)
            }
            _ => None,
        }
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

/// A decimal number in its one canonical form.
fn number(text: &str) -> Option<u64> {
    let number: u64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Only the exact grammar is taken from a listing.
    #[test]
    fn refuses_everything_outside_the_grammar() {
        let id = "00112233445566778899aabbccddeeff";
        assert!(Handle::parse(ObjectKind::Snapshot, id).is_some());
        assert!(Handle::parse(ObjectKind::Writer, &format!("{id}.12")).is_some());
        for name in ["", "..", "../x", "0\0", "01", "+1", " 1", "1.verdict.verdict", "\u{e9}"] {
            for kind in ObjectKind::ALL {
                assert_eq!(Handle::parse(kind, name), None, "{kind} {name:?}");
            }
        }
        let upper = id.to_uppercase();
        for name in
            [upper.as_str(), &id[1..], &format!("{id}0"), &format!("{id}.01"), &"a".repeat(1 << 20)]
        {
            assert_eq!(Handle::parse(ObjectKind::Writer, name), None, "{name:?}");
            assert_eq!(Handle::parse(ObjectKind::Snapshot, name), None);
        }
    }

    /// A handle read back from its own name is the same handle.
    #[test]
    fn name_and_handle_agree() {
        let id = SnapshotId([7; 16]);
        for handle in [
            Handle::config(3),
            Handle::pack(PackId([9; 32])),
            Handle::heartbeat(id, 4),
            Handle::snapshot(id),
            Handle::gc(0),
            Handle::verdict(12),
        ] {
            assert_eq!(Handle::parse(handle.kind(), handle.name()), Some(handle.clone()));
        }
        assert_eq!(Handle::pack(PackId([0xab; 32])).path().split('/').nth(1), Some("ab"));
    }
}
