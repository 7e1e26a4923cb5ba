//! Chapter 2: the address of an object, kind and name, in an exact grammar.

use super::{KindFacts, NameForm, ObjectKind, Payload};
use crate::id::{IndexId, NoteId, PackId, SlotId, SnapshotId, hex, unhex};
use std::fmt;

/// Kind and name of an object. Only names of the grammar of `format-spec/02-repository.md` exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle {
    kind: ObjectKind,
    name: String,
    payload: Payload,
}

impl Handle {
    fn new(kind: ObjectKind, name: impl ToString, payload: Payload) -> Self {
        Handle { kind, name: name.to_string(), payload }
    }

    /// `config/<n>`
    pub fn config(number: u64) -> Self {
        Handle::new(ObjectKind::Config, number, Payload::Config)
    }

    /// `keys/<id>`
    pub fn key(id: SlotId) -> Self {
        Handle::new(ObjectKind::Key, id, Payload::Slot)
    }

    /// `packs/<2 hex>/<id>`
    pub fn pack(id: PackId) -> Self {
        Handle::new(ObjectKind::Pack, id, Payload::Blobs)
    }

    /// `index/<id>`
    pub fn index(id: IndexId) -> Self {
        Handle::new(ObjectKind::Index, id, Payload::Segment)
    }

    /// `writers/<S>`
    pub fn writer(id: SnapshotId) -> Self {
        Handle::new(ObjectKind::Writer, id, Payload::Registration)
    }

    /// `writers/<S>.<k>`
    pub fn heartbeat(id: SnapshotId, beat: u64) -> Self {
        Handle::new(ObjectKind::Writer, format!("{id}.{beat}"), Payload::Heartbeat)
    }

    /// `snapshots/<S>`
    pub fn snapshot(id: SnapshotId) -> Self {
        Handle::new(ObjectKind::Snapshot, id, Payload::Outcome)
    }

    /// `forgotten/<S>`
    pub fn forgotten(id: SnapshotId) -> Self {
        Handle::new(ObjectKind::Forgotten, id, Payload::Forgotten)
    }

    /// `notes/<id>`
    pub fn note(id: NoteId) -> Self {
        Handle::new(ObjectKind::Note, id, Payload::Note)
    }

    /// `gc/<n>`
    pub fn gc(generation: u64) -> Self {
        Handle::new(ObjectKind::Gc, generation, Payload::Condemned)
    }

    /// `gc/<n>.verdict`
    pub fn verdict(generation: u64) -> Self {
        Handle::new(ObjectKind::Gc, format!("{generation}.verdict"), Payload::Verdict)
    }

    /// `quarantine/<folder>.<name>.<check>`: a pack or segment that was found with bytes of this hash.
    pub fn quarantined(found: &Handle, hash: &[u8; 32]) -> Self {
        let check = hash.first_chunk::<CHECK>().map(|check| hex(check)).unwrap_or_default();
        let name = format!("{}.{}.{check}", found.kind.folder(), found.name);
        Handle::new(ObjectKind::Quarantine, name, Payload::Quarantined)
    }

    /// The handle of a name as it stands in a listing, if it is in the grammar to the letter.
    pub fn parse(kind: ObjectKind, name: &str) -> Option<Self> {
        let mut forms = kind.facts().names.iter();
        let (_, payload) = forms.find(|(form, _)| form.fits(name))?;
        Some(Handle::new(kind, name, *payload))
    }

    /// What the object holds.
    pub fn payload(&self) -> Payload {
        self.payload
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
        let KindFacts { folder, fans_out, .. } = self.kind.facts();
        match self.name.split_at_checked(2).filter(|_| fans_out) {
            Some((fan, _)) => format!("{folder}/{fan}/{}", self.name),
            None => format!("{folder}/{}", self.name),
        }
    }

    /// The number in the name of a config, a generation or a verdict, or of a heartbeat.
    pub fn number(&self) -> Option<u64> {
        match self.payload {
            Payload::Config | Payload::Condemned | Payload::Verdict => {
                number(self.name.split('.').next()?)
            }
            Payload::Heartbeat => self.name.split_once('.').and_then(|(_, beat)| number(beat)),
            Payload::Slot
            | Payload::Blobs
            | Payload::Segment
            | Payload::Registration
            | Payload::Outcome
            | Payload::Forgotten
            | Payload::Note
            | Payload::Quarantined => None,
        }
    }

    /// Whether this is `gc/<n>.verdict`.
    pub fn is_verdict(&self) -> bool {
        self.payload == Payload::Verdict
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
        match self.payload {
            Payload::Registration | Payload::Heartbeat | Payload::Outcome | Payload::Forgotten => {
                unhex(self.name.split('.').next()?).map(SnapshotId)
            }
            Payload::Config
            | Payload::Slot
            | Payload::Blobs
            | Payload::Segment
            | Payload::Note
            | Payload::Condemned
            | Payload::Verdict
            | Payload::Quarantined => None,
        }
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

impl NameForm {
    fn fits(self, name: &str) -> bool {
        let is_id = |name| unhex::<16>(name).is_some();
        let is_number = |name| number(name).is_some();
        let is_hash = |name| unhex::<32>(name).is_some();
        match self {
            NameForm::Number => is_number(name),
            NameForm::NumberAnd(end) => name.strip_suffix(end).is_some_and(is_number),
            NameForm::Id => is_id(name),
            NameForm::IdAndNumber => {
                name.split_once('.').is_some_and(|(id, beat)| is_id(id) && is_number(beat))
            }
            NameForm::Hash => is_hash(name),
            NameForm::Quarantined => {
                let mut parts = name.splitn(3, '.');
                let folders = [ObjectKind::Pack.folder(), ObjectKind::Index.folder()];
                parts.next().is_some_and(|folder| folders.contains(&folder))
                    && parts.next().is_some_and(is_hash)
                    && parts.next().is_some_and(|check| unhex::<CHECK>(check).is_some())
            }
        }
    }
}

/// Bytes of the hash in the name of what is in quarantine.
const CHECK: usize = 16;

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
            Handle::quarantined(&Handle::pack(PackId([9; 32])), &[3; 32]),
            Handle::quarantined(&Handle::index(IndexId([9; 32])), &[3; 32]),
        ] {
            assert_eq!(Handle::parse(handle.kind(), handle.name()), Some(handle.clone()));
        }
        assert_eq!(Handle::pack(PackId([0xab; 32])).path().split('/').nth(1), Some("ab"));
    }
}
