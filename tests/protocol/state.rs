//! The store and everybody at work on it, small enough for millions of them. Sets are bits of a byte:
//! of packs, of segments, of writers, of chunks. Objects have numbers in the order of their creation.

use super::rules::Rules;

pub const PACKS: usize = 6;
pub const SEGMENTS: usize = 8;
pub const WRITERS: usize = 4;
pub const COLLECTORS: usize = 2;
pub const GENERATIONS: usize = 3;

/// A set of small numbers.
pub type Set = u8;

/// The numbers in a set.
pub fn members(set: Set) -> impl Iterator<Item = usize> {
    (0..8).filter(move |at| has(set, *at))
}

pub fn has(set: Set, at: usize) -> bool {
    set & only(at) != 0
}

pub fn only(at: usize) -> Set {
    1 << at
}

/// The set of these numbers.
pub fn set(numbers: impl Iterator<Item = usize>) -> Set {
    numbers.fold(0, |all, at| all | only(at))
}

/// The store, those at work, and how much of each fault is still to come.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// What each pack holds; nothing as long as it was not made.
    pub packs: [Content; PACKS],
    /// Packs that are there.
    pub there: Set,
    /// Packs that the store lost.
    pub lost: Set,
    /// Packs that do not hold what they claim.
    pub forged: Set,
    pub segments: [Segment; SEGMENTS],
    /// Segments that are there.
    pub indexed: Set,
    pub outcomes: [Outcome; WRITERS],
    /// Writers whose registration is there.
    pub registered: Set,
    /// Writers whose snapshot was given up.
    pub forgotten: Set,
    /// Snapshots that a note holds.
    pub held: Set,
    pub chain: [Generation; GENERATIONS],
    /// How many `gc/<n>` there are.
    pub condemnations: u8,
    /// Which of them have a verdict, from bit 0 on.
    pub verdicts: Set,
    pub writers: [Writer; WRITERS],
    pub collectors: [Collector; COLLECTORS],
    pub reader: Reader,
    pub faults: Faults,
}

/// Chunks in a pack: bits 0 and 1 those that are stored whole, bits 4 and 5 those that are stored as
/// a delta of the other one.
pub type Content = u8;

/// A pack of these chunks, whole.
pub const fn whole(chunks: Set) -> Content {
    chunks
}

/// A pack with these chunks as deltas.
pub const fn delta(chunks: Set) -> Content {
    chunks << 4
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Segment {
    /// The packs that it names, with all their entries; none as long as it was not made.
    pub packs: Set,
    /// The generation that it states.
    pub read: u8,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Outcome {
    pub kind: Kind,
    /// The generation that it states.
    pub read: u8,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    #[default]
    None,
    Snapshot,
    Partial,
    Maintenance,
    Tombstone,
}

/// `gc/<n>` and its verdict.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Generation {
    pub condemned: Set,
    /// Segments that the first mark saw.
    pub marked: Set,
    pub swept: Set,
    pub snapshots: Set,
    pub segments: Set,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Writer {
    pub at: Stage,
    /// The part of the chain that it has read.
    pub view: View,
    /// Packs whose entries it counts on.
    pub counts: Set,
    /// Packs that it made.
    pub made: Set,
    /// Packs that the store had lost before it was registered.
    pub lost_before: Set,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Has not begun.
    #[default]
    Idle,
    /// Has read the chain before it was registered, against the rules.
    Early,
    Registered,
    HasChain,
    HasIndex,
    /// Knows what it counts on.
    Counting,
    Uploaded,
    Indexed,
    Committed,
    /// Told that all is well.
    Told,
    /// Told that it failed.
    Failed,
}

/// How much of the chain somebody has read; what was read never changes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct View {
    pub condemnations: u8,
    pub verdicts: Set,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Collector {
    pub at: Phase,
    /// The generation that it works at.
    pub generation: u8,
    /// Writers that it waits for.
    pub waits: Set,
    /// Segments that it has seen; of these, those to list or to delete.
    pub segments: Set,
    /// Segments that it could not read.
    pub unread: Set,
    /// Chunks that are needed.
    pub needs: Set,
    /// Packs that partials need.
    pub keeps: Set,
    /// Outcomes that are alive.
    pub snapshots: Set,
    /// Packs to sweep, or to delete.
    pub packs: Set,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    #[default]
    Idle,
    /// Has listed the writers before it condemned anything, against the rules.
    Early,
    /// G3 is next.
    Condemned,
    /// G4.
    Waiting,
    /// G5: has the index.
    HasIndex,
    /// G5: has the notes that hold before the marks, against the rules.
    HasNotes,
    /// G5: has the outcomes, and not yet the notes that hold.
    HasMarks,
    /// G5: has the snapshots.
    HasSnapshots,
    /// G6 is next.
    Marked,
    /// G7 is next.
    Replaced,
    /// Against the rules, replaces after the verdict.
    Decided,
    /// G8: waits for the writers itself.
    DeleterWaits,
    /// G8: has the index.
    DeleterHasIndex,
    /// G8: has the snapshots.
    DeleterHasSnapshots,
    /// G8: deletes.
    Deleting,
    /// G8: deletes outcomes.
    Tidying,
}

/// A restore of one snapshot.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Reader {
    pub at: Reading,
    pub snapshot: u8,
    /// Packs that its index names.
    pub packs: Set,
    /// How often it has read the index.
    pub tries: u8,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Reading {
    #[default]
    Idle,
    HasSnapshot,
    HasIndex,
    Done,
}

/// How often each of these may happen, or may still happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// Snapshots are given up.
    pub forgets: u8,
    /// The store loses a pack.
    pub losses: u8,
    /// A request that had its effect has it again, though what it made was deleted since.
    pub repeats: u8,
    /// A collector stops and begins again, knowing nothing.
    pub crashes: u8,
    /// Somebody who has the keys of a host writes what is well-formed and wrong.
    pub forgeries: u8,
    /// Something that is there cannot be read.
    pub unreadable: u8,
    /// Snapshots are held.
    pub holds: u8,
    /// A listing lacks what is there.
    pub lags: u8,
}

impl State {
    /// The whole chain as it is.
    pub fn view(&self) -> View {
        View { condemnations: self.condemnations, verdicts: self.verdicts }
    }

    /// Packs that are condemned by what was read of the chain.
    pub fn condemned(&self, view: View, rules: &Rules) -> Set {
        let newest = usize::from(view.condemnations);
        let first = if rules.whole_chain { 0 } else { newest.saturating_sub(1) };
        (first..newest)
            .map(|at| match has(view.verdicts, at) {
                true => self.chain[at].condemned & self.chain[at].swept,
                false => self.chain[at].condemned,
            })
            .fold(0, |all, packs| all | packs)
    }

    /// Packs that any verdict sweeps.
    pub fn swept(&self) -> Set {
        members(self.verdicts).fold(0, |all, at| all | self.chain[at].swept)
    }

    /// Whether what has read `read` is dead by a verdict that does not list it.
    fn lives(view: View, read: u8, listed: impl Fn(usize) -> bool) -> bool {
        let newest = newest(view.verdicts);
        read >= newest || listed(usize::from(newest) - 1)
    }

    pub fn segment_lives(&self, view: View, at: usize) -> bool {
        Self::lives(view, self.segments[at].read, |newest| has(self.chain[newest].segments, at))
    }

    pub fn outcome_lives(&self, view: View, at: usize) -> bool {
        Self::lives(view, self.outcomes[at].read, |newest| has(self.chain[newest].snapshots, at))
    }

    /// Of these segments, those that are alive.
    pub fn alive(&self, view: View, segments: Set) -> Set {
        set(members(segments).filter(|at| self.segment_lives(view, *at)))
    }

    /// Packs that these segments name.
    pub fn named_by(&self, segments: Set) -> Set {
        members(segments).fold(0, |all, at| all | self.segments[at].packs)
    }

    /// Chunks that have an entry in these packs: whole ones, and deltas.
    pub fn entries(&self, packs: Set) -> (Set, Set) {
        let all = members(packs & self.made()).fold(0, |all, at| all | self.packs[at]);
        (all & 3, all >> 4)
    }

    /// Packs that were ever made.
    pub fn made(&self) -> Set {
        set((0..PACKS).filter(|at| self.packs[*at] != 0))
    }

    /// Chunks that these packs give: whole, or as a delta of a base that they give, too.
    pub fn usable(&self, packs: Set, rules: &Rules) -> Set {
        let (whole, deltas) = self.entries(packs);
        // A delta has depth 1 here: its base is of smaller depth if it is whole.
        let bases = if rules.depth_falls { whole } else { whole | deltas };
        whole | (deltas & others(bases))
    }

    /// Packs, of those in `within`, that hold an entry of these chunks.
    pub fn holders(&self, chunks: Set, within: Set) -> Set {
        let holds = |at: &usize| (self.packs[*at] | self.packs[*at] >> 4) & 3 & chunks != 0;
        set(members(within & self.made()).filter(holds))
    }

    /// A number that no pack had.
    pub fn next_pack(&self) -> usize {
        (0..PACKS).find(|at| self.packs[*at] == 0).expect("PACKS is too small")
    }

    /// Creates a segment.
    pub fn put_segment(&mut self, packs: Set, read: u8) -> usize {
        let fresh = (0..SEGMENTS).find(|at| self.segments[*at].packs == 0);
        let at = fresh.expect("SEGMENTS is too small");
        self.segments[at] = Segment { packs, read };
        self.indexed |= only(at);
        at
    }

    /// Creates a pack.
    pub fn put_pack(&mut self, content: Content) -> usize {
        let at = self.next_pack();
        self.packs[at] = content;
        self.there |= only(at);
        at
    }
}

/// The number of the newest verdict; 0 if there is none.
pub fn newest(verdicts: Set) -> u8 {
    8 - u8::try_from(verdicts.leading_zeros()).unwrap()
}

/// Of two chunks the other.
pub fn others(chunks: Set) -> Set {
    ((chunks << 1) | (chunks >> 1)) & 3
}
