//! Chapter 2: the kinds of object, and all that each of them is, in one table.

use crate::limits::{INDEX_MAX, OUTCOME_MAX, PACK_MAX, RECORD_MAX, SLOT_MAX};
use std::fmt;

/// The kinds of object in a repository; the number stands in each frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum ObjectKind {
    /// Versions of the configuration.
    Config = 1,
    /// Key slots.
    Key = 2,
    /// Blobs.
    Pack = 3,
    /// Where blobs lie.
    Index = 4,
    /// Writers, and their heartbeats.
    Writer = 5,
    /// Outcomes of writers.
    Snapshot = 6,
    /// Marks of snapshots that are given up.
    Forgotten = 7,
    /// What was learnt later.
    Note = 8,
    /// Collections, and their verdicts.
    Gc = 9,
    /// Damaged objects that were taken out of the way.
    Quarantine = 10,
}

/// What is so of every object of a kind: a row of the table in chapter 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindFacts {
    /// What people call it.
    pub name: &'static str,
    /// The folder that holds its objects.
    pub folder: &'static str,
    /// Whether they lie in folders of their own there, by the first two letters of their names.
    pub fans_out: bool,
    /// How they may be named, and what an object of such a name holds.
    pub names: &'static [(NameForm, Payload)],
    /// How they are stored.
    pub form: Form,
    /// The most bytes that one of them has.
    pub largest: usize,
}

/// How an object is stored (chapter 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Readable without a key.
    Open,
    /// Sealed piece by piece.
    Own,
    /// Sealed whole.
    Sealed(SealedBy),
    /// As it was found: nobody reads it.
    AsFound,
}

/// Whose key seals an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedBy {
    /// That of index segments.
    Index,
    /// That of writers.
    Writer,
    /// That of snapshots, and of what is said of them.
    Snapshot,
    /// That of collections.
    Gc,
}

/// The form of a name within its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameForm {
    /// A number.
    Number,
    /// A number, and then this.
    NumberAnd(&'static str),
    /// 32 hex digits.
    Id,
    /// 32 hex digits, a dot, a number.
    IdAndNumber,
    /// 64 hex digits: the hash of the object.
    Hash,
    /// The folder and the name of a pack or segment, and 32 hex digits, with dots between.
    Quarantined,
}

/// What stands in an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Payload {
    /// A version of the configuration.
    Config,
    /// A key slot.
    Slot,
    /// Blobs.
    Blobs,
    /// A segment of the index.
    Segment,
    /// The intent to write.
    Registration,
    /// That they still do.
    Heartbeat,
    /// Its outcome.
    Outcome,
    /// That a snapshot is given up.
    Forgotten,
    /// Something learnt later.
    Note,
    /// Packs that a collection condemned.
    Condemned,
    /// The outcome of these.
    Verdict,
    /// What was found damaged.
    Quarantined,
}

impl ObjectKind {
    /// Every kind, in the order of their numbers.
    pub const ALL: [ObjectKind; 10] = [
        ObjectKind::Config,
        ObjectKind::Key,
        ObjectKind::Pack,
        ObjectKind::Index,
        ObjectKind::Writer,
        ObjectKind::Snapshot,
        ObjectKind::Forgotten,
        ObjectKind::Note,
        ObjectKind::Gc,
        ObjectKind::Quarantine,
    ];

    /// All that is so of every object of this kind.
    pub const fn facts(self) -> KindFacts {
        use Form::{Open, Own, Sealed};
        use NameForm::{Hash, Id, IdAndNumber, Number, NumberAnd};
        match self {
            ObjectKind::Config => KindFacts {
                name: "config",
                folder: "config",
                fans_out: false,
                names: &[(Number, Payload::Config)],
                form: Open,
                largest: RECORD_MAX,
            },
            ObjectKind::Key => KindFacts {
                name: "key",
                folder: "keys",
                fans_out: false,
                names: &[(Id, Payload::Slot)],
                form: Open,
                largest: SLOT_MAX,
            },
            ObjectKind::Pack => KindFacts {
                name: "pack",
                folder: "packs",
                fans_out: true,
                names: &[(Hash, Payload::Blobs)],
                form: Own,
                largest: PACK_MAX,
            },
            ObjectKind::Index => KindFacts {
                name: "index",
                folder: "index",
                fans_out: false,
                names: &[(Hash, Payload::Segment)],
                form: Sealed(SealedBy::Index),
                largest: INDEX_MAX,
            },
            ObjectKind::Writer => KindFacts {
                name: "writer",
                folder: "writers",
                fans_out: false,
                names: &[(Id, Payload::Registration), (IdAndNumber, Payload::Heartbeat)],
                form: Sealed(SealedBy::Writer),
                largest: RECORD_MAX,
            },
            ObjectKind::Snapshot => KindFacts {
                name: "snapshot",
                folder: "snapshots",
                fans_out: false,
                names: &[(Id, Payload::Outcome)],
                form: Sealed(SealedBy::Snapshot),
                largest: OUTCOME_MAX,
            },
            ObjectKind::Forgotten => KindFacts {
                name: "forgotten",
                folder: "forgotten",
                fans_out: false,
                names: &[(Id, Payload::Forgotten)],
                form: Sealed(SealedBy::Snapshot),
                largest: RECORD_MAX,
            },
            ObjectKind::Note => KindFacts {
                name: "note",
                folder: "notes",
                fans_out: false,
                names: &[(Id, Payload::Note)],
                form: Sealed(SealedBy::Snapshot),
                largest: RECORD_MAX,
            },
            ObjectKind::Gc => KindFacts {
                name: "gc",
                folder: "gc",
                fans_out: false,
                names: &[(Number, Payload::Condemned), (NumberAnd(".verdict"), Payload::Verdict)],
                form: Sealed(SealedBy::Gc),
                largest: RECORD_MAX,
            },
            ObjectKind::Quarantine => KindFacts {
                name: "quarantine",
                folder: "quarantine",
                fans_out: false,
                names: &[(NameForm::Quarantined, Payload::Quarantined)],
                form: Form::AsFound,
                largest: PACK_MAX,
            },
        }
    }

    /// The number that stands in frames.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The kind of this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The most bytes that an object of this kind has.
    pub const fn largest(self) -> usize {
        self.facts().largest
    }

    /// The folder that holds the objects of this kind.
    pub const fn folder(self) -> &'static str {
        self.facts().folder
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.folder())
    }
}
