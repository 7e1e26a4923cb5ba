//! How far the model is searched: who meets whom, and how many states that gives.

use super::scenario::{NONE, Role, Scenario};
use super::state::Faults;

/// A scenario and the number of its states.
pub struct Size {
    pub name: &'static str,
    pub scenario: Scenario,
    pub states: usize,
}

const QUIET: Scenario = Scenario::QUIET;
const FORGET: Faults = Faults { forgets: 1, ..NONE };
const BACKUP: Scenario = Scenario { writers: &[Role::Backup(1)], faults: FORGET, ..QUIET };
const BACKUPS: Scenario = Scenario { writers: &[Role::Backup(1), Role::Backup(1)], ..BACKUP };
const PARTIAL: Scenario = Scenario { writers: &[Role::Begins(1), Role::Continues(1)], ..BACKUP };

/// A collector, and a writer or one after the other.
pub const ONE_WRITER: &[Size] = &[
    Size { name: "a backup", scenario: BACKUP, states: 1_878 },
    Size { name: "2 collections", scenario: Scenario { generations: 2, ..BACKUP }, states: 17_606 },
    Size { name: "3 collections", scenario: Scenario { generations: 3, ..BACKUP }, states: 94_167 },
    Size {
        name: "a backup that looks again",
        scenario: Scenario { writers: &[Role::Careful(1)], generations: 2, ..BACKUP },
        states: 21_763,
    },
    Size {
        name: "a repair",
        scenario: Scenario { writers: &[Role::Repair], generations: 2, ..BACKUP },
        states: 5_960,
    },
    Size {
        name: "2 chunks and a delta",
        scenario: Scenario {
            packs: &[1, 2, 0x20],
            needs: 3,
            writers: &[Role::Backup(3)],
            ..BACKUP
        },
        states: 15_468,
    },
    Size {
        name: "a backup that makes a delta",
        scenario: Scenario { packs: &[1, 2], needs: 1, writers: &[Role::Delta(2)], ..BACKUP },
        states: 7_148,
    },
    Size {
        name: "deltas of each other",
        scenario: Scenario { packs: &[1, 2, 0x10, 0x20], needs: 3, ..QUIET },
        states: 226,
    },
    Size { name: "a partial", scenario: PARTIAL, states: 6_871 },
    Size {
        name: "a partial, 2 collections",
        scenario: Scenario { generations: 2, ..PARTIAL },
        states: 107_196,
    },
    Size {
        name: "a restore",
        scenario: Scenario { packs: &[1, 1], generations: 2, reads: true, ..BACKUP },
        states: 638_443,
    },
];

/// The same, and something goes wrong.
pub const FAULTS: &[Size] = &[
    Size {
        name: "requests arrive again",
        scenario: Scenario { faults: Faults { repeats: 2, ..FORGET }, generations: 2, ..BACKUP },
        states: 105_845,
    },
    Size {
        name: "the collector stops twice",
        scenario: Scenario { faults: Faults { crashes: 2, ..FORGET }, ..BACKUP },
        states: 6_834,
    },
    Size {
        name: "a pack is lost",
        scenario: Scenario {
            packs: &[1, 1],
            faults: Faults { losses: 1, ..FORGET },
            generations: 2,
            ..BACKUP
        },
        states: 858_276,
    },
    Size {
        name: "something cannot be read",
        scenario: Scenario { packs: &[1, 1], faults: Faults { unreadable: 1, ..FORGET }, ..BACKUP },
        states: 10_404,
    },
    Size {
        name: "a snapshot is held",
        scenario: Scenario { faults: Faults { holds: 1, ..FORGET }, ..BACKUP },
        states: 3_431,
    },
];

/// Two writers.
pub const TWO_WRITERS: &[Size] = &[
    Size { name: "2 backups", scenario: BACKUPS, states: 123_138 },
    Size {
        name: "a repack and a backup",
        scenario: Scenario { writers: &[Role::Repack(1), Role::Backup(1)], ..BACKUP },
        states: 200_280,
    },
    Size {
        name: "a repair and a backup",
        scenario: Scenario { writers: &[Role::Repair, Role::Backup(1)], ..BACKUP },
        states: 75_039,
    },
    Size {
        name: "2 backups, 2 collections",
        scenario: Scenario { generations: 2, ..BACKUPS },
        states: 4_523_802,
    },
];

/// Two collectors.
pub const TWO_COLLECTORS: &[Size] = &[
    Size {
        name: "2 collectors of the same packs",
        scenario: Scenario { collectors: 2, ..BACKUP },
        states: 29_532,
    },
    Size {
        name: "2 collectors, 2 collections",
        scenario: Scenario { collectors: 2, generations: 2, honest: true, ..BACKUP },
        states: 170_803,
    },
    Size {
        name: "2 collectors and 2 packs",
        scenario: Scenario { packs: &[1, 1], collectors: 2, ..BACKUP },
        states: 245_467,
    },
];

/// Forgers.
pub const FORGERS: &[Size] = &[
    Size {
        name: "a forger and a collector",
        scenario: Scenario { packs: &[1, 1], faults: Faults { forgeries: 3, ..NONE }, ..QUIET },
        states: 1_208,
    },
    Size {
        name: "a forger and 2 collectors",
        scenario: Scenario {
            packs: &[1, 1],
            collectors: 2,
            generations: 2,
            faults: Faults { forgeries: 3, ..NONE },
            ..QUIET
        },
        states: 2_356_146,
    },
    Size {
        name: "a forger, a backup and a collector",
        scenario: Scenario { packs: &[1, 1], faults: Faults { forgeries: 3, ..FORGET }, ..BACKUP },
        states: 229_196,
    },
];

/// What takes a quarter of an hour.
pub const VAST: &[Size] = &[
    Size {
        name: "2 collectors, 2 packs, 2 collections",
        scenario: Scenario {
            packs: &[1, 1],
            collectors: 2,
            generations: 2,
            honest: true,
            ..BACKUP
        },
        states: 6_770_494,
    },
    Size {
        name: "2 backups, 2 collectors",
        scenario: Scenario { collectors: 2, ..BACKUPS },
        states: 3_164_822,
    },
    Size {
        name: "2 collectors, 3 collections",
        scenario: Scenario { collectors: 2, generations: 3, honest: true, ..BACKUP },
        states: 1_041_214,
    },
    Size {
        name: "a partial, 2 collectors, 2 collections",
        scenario: Scenario { collectors: 2, generations: 2, honest: true, ..PARTIAL },
        states: 1_900_675,
    },
    Size {
        name: "2 backups, 2 collections, a stop, a request again",
        scenario: Scenario {
            generations: 2,
            faults: Faults { crashes: 1, repeats: 1, ..FORGET },
            honest: true,
            ..BACKUPS
        },
        states: 24_321_354,
    },
    Size {
        name: "a repair and a backup, 2 collections",
        scenario: Scenario { writers: &[Role::Repair, Role::Backup(1)], generations: 2, ..BACKUP },
        states: 1_679_645,
    },
    Size {
        name: "a repack and a backup, 2 collections",
        scenario: Scenario {
            writers: &[Role::Repack(1), Role::Backup(1)],
            generations: 2,
            ..BACKUP
        },
        states: 7_448_495,
    },
    Size {
        name: "2 chunks and a delta, 2 collectors",
        scenario: Scenario {
            packs: &[1, 2, 0x20],
            needs: 3,
            writers: &[Role::Backup(3)],
            collectors: 2,
            honest: true,
            ..BACKUP
        },
        states: 431_216,
    },
    Size {
        name: "2 chunks, 2 backups",
        scenario: Scenario {
            packs: &[1, 2],
            needs: 3,
            writers: &[Role::Backup(3), Role::Delta(3)],
            ..BACKUP
        },
        states: 461_506,
    },
    Size {
        name: "a restore, 2 backups and 2 collections",
        scenario: Scenario { generations: 2, reads: true, honest: true, ..BACKUPS },
        states: 10_720_433,
    },
    Size {
        name: "a forger, a backup and 2 collections",
        scenario: Scenario {
            packs: &[1, 1],
            generations: 2,
            faults: Faults { forgeries: 3, ..FORGET },
            ..BACKUP
        },
        states: 27_919_106,
    },
    Size {
        name: "2 backups, 2 collectors, 2 collections",
        scenario: Scenario { collectors: 2, generations: 2, honest: true, ..BACKUPS },
        states: 77_201_802,
    },
];
