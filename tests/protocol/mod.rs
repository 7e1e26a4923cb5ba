//! The protocol of chapter 11 as a model: a store of a few objects, everybody who works on it, one
//! request after the other in every order that there is, and what may go wrong. A search through all
//! states says that no promise is broken; and that each rule is needed, since without it one is.
//!
//! Left out is what the orders do not touch: bytes, depth beyond one delta, the bounds of records, the
//! series of snapshots. Marks are made in two or three requests instead of thousands; the chain and the
//! outcomes are read at once, as nothing that they lack in between can matter to an undecided collection.
//!
//! It is built by itself, too: `tests/run.sh model` runs the big sizes with all optimisation.

mod collector;
mod deleter;
mod faults;
mod mark;
mod reader;
mod rules;
mod scenario;
mod search;
mod sizes;
mod state;
mod writer;

use rules::Rules;
use scenario::{NONE, Protocol, Role, Scenario};
use search::{Report, search};
use sizes::{FAULTS, FORGERS, ONE_WRITER, Size, TWO_COLLECTORS, TWO_WRITERS, VAST};
use state::Faults;
use std::time::Instant;

/// More than any size has: a search that finds more is not the one that is described.
const MOST: usize = 150_000_000;

fn run(scenario: Scenario, rules: Rules) -> Report {
    search(&Protocol { scenario, rules }, MOST)
}

/// All states of each size keep the promises, and there are as many as are stated: another number
/// means that the model does something else.
fn keeps_promises(sizes: &[Size]) {
    let mut wrong = Vec::new();
    for size in sizes {
        let begun = Instant::now();
        let report = run(size.scenario, Rules::PROTOCOL);
        println!(
            "{}: {} states, {} steps deep, {:.1?}",
            size.name,
            report.states,
            report.depth,
            begun.elapsed()
        );
        if let Some((promise, way)) = report.broken {
            panic!("{}: {promise}\n{way}", size.name);
        }
        if report.states != size.states {
            wrong.push((size.name, report.states));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// One writer, alone or with faults of the store and of programs, loses nothing.
#[test]
fn one_writer_is_safe() {
    keeps_promises(ONE_WRITER);
    keeps_promises(FAULTS);
}

/// Two writers lose nothing to a collector and to each other.
#[test]
fn two_writers_are_safe() {
    keeps_promises(TWO_WRITERS);
}

/// Two collectors that adopt each other's work lose nothing.
#[test]
fn two_collectors_are_safe() {
    keeps_promises(TWO_COLLECTORS);
}

/// Somebody with a host's keys, and even with the right to condemn, makes no honest deleter delete what
/// is needed.
#[test]
fn forgers_delete_nothing() {
    keeps_promises(FORGERS);
}

/// The big sizes. They take a quarter of an hour and 6 GB: `tests/run.sh model`.
#[test]
#[ignore = "big: tests/run.sh model"]
fn the_protocol_is_safe_at_big_sizes() {
    keeps_promises(VAST);
}

/// What the protocol would be without a rule, where that breaks a promise, and in how many steps.
struct Without {
    what: &'static str,
    rules: Rules,
    scenario: Scenario,
    steps: usize,
}

const ALL: Rules = Rules::PROTOCOL;
const QUIET: Scenario = Scenario::QUIET;
const FORGET: Faults = Faults { forgets: 1, ..NONE };
const BACKUP: Scenario = Scenario { writers: &[Role::Backup(1)], faults: FORGET, ..QUIET };
const BACKUPS: Scenario = Scenario { writers: &[Role::Backup(1), Role::Backup(1)], ..BACKUP };
const PARTIAL: Scenario = Scenario { writers: &[Role::Begins(1), Role::Continues(1)], ..BACKUP };
const REPAIR: Scenario = Scenario { writers: &[Role::Repair, Role::Backup(1)], ..BACKUP };
const FORGED: Scenario =
    Scenario { packs: &[1, 1], faults: Faults { forgeries: 2, ..NONE }, ..QUIET };
const LOSS: Faults = Faults { losses: 1, ..NONE };

/// Each rule of the table is needed by itself: where it alone is dropped, a promise is broken, and the
/// shortest way to it has as many steps as are stated. The ways are printed.
#[test]
fn each_rule_is_needed() {
    let unread = Faults { unreadable: 1, ..NONE };
    let holds = Faults { holds: 1, forgets: 1, ..NONE };
    lose_chunks(&[
        Without {
            what: "C1 condemned bars counting on",
            rules: Rules { condemned_bars: false, ..ALL },
            scenario: BACKUP,
            steps: 13,
        },
        Without {
            what: "C2 all of the chain",
            rules: Rules { whole_chain: false, ..ALL },
            scenario: Scenario {
                generations: 2,
                collectors: 2,
                faults: Faults { forgeries: 3, ..NONE },
                ..FORGED
            },
            steps: 9,
        },
        Without {
            what: "C3 doubt of what is not listed",
            rules: Rules { doubt_unlisted: false, ..ALL },
            scenario: BACKUPS,
            steps: 24,
        },
        Without {
            what: "C3 the same, beside a repack",
            rules: Rules { doubt_unlisted: false, ..ALL },
            scenario: Scenario { writers: &[Role::Repack(1), Role::Backup(1)], ..BACKUP },
            steps: 20,
        },
        Without {
            what: "C4 W1 before W2",
            rules: Rules { writers_register_first: false, ..ALL },
            scenario: BACKUP,
            steps: 12,
        },
        Without {
            what: "C4 G2 before G3",
            rules: Rules { writers_are_listed_late: false, ..ALL },
            scenario: BACKUP,
            steps: 12,
        },
        Without {
            what: "C5 every writer that was listed has an outcome",
            rules: Rules { writers_are_waited_for: false, ..ALL },
            scenario: BACKUP,
            steps: 12,
        },
        Without {
            what: "W5 commits are put-if-absent",
            rules: Rules { commits_are_exclusive: false, ..ALL },
            scenario: BACKUP,
            steps: 13,
        },
        Without {
            what: "C6 the second mark",
            rules: Rules { second_mark: false, ..ALL },
            scenario: BACKUP,
            steps: 13,
        },
        Without {
            what: "C7 bases are needed",
            rules: Rules { bases_are_needed: false, ..ALL },
            scenario: Scenario { packs: &[1, 0x20], needs: 2, ..QUIET },
            steps: 7,
        },
        Without {
            what: "U depth falls: each of two chunks a delta of the other",
            rules: Rules { depth_falls: false, ..ALL },
            scenario: Scenario { packs: &[1, 2, 0x10, 0x20], needs: 3, ..QUIET },
            steps: 7,
        },
        Without {
            what: "C8 a duplicate is one only if the other is there",
            rules: Rules { providers_are_listed: false, ..ALL },
            scenario: Scenario { packs: &[1, 1], faults: LOSS, ..QUIET },
            steps: 12,
        },
        Without {
            what: "W2 writers list the packs",
            rules: Rules { writers_list_packs: false, ..ALL },
            scenario: Scenario { faults: LOSS, ..BACKUP },
            steps: 6,
        },
        Without {
            what: "C9 in order",
            rules: Rules { in_order: false, ..ALL },
            scenario: Scenario { generations: 2, collectors: 2, honest: true, ..BACKUPS },
            steps: 27,
        },
        Without {
            what: "C10 replacements come before the verdict",
            rules: Rules { replacements_first: false, ..ALL },
            scenario: Scenario { packs: &[1, 1], ..QUIET },
            steps: 7,
        },
        Without {
            what: "C12 only what was condemned is swept",
            rules: Rules { only_condemned_is_swept: false, ..ALL },
            scenario: BACKUP,
            steps: 19,
        },
        Without {
            what: "C13 the deleter waits itself",
            rules: Rules { deleters_wait: false, ..ALL },
            scenario: Scenario { faults: Faults { forgeries: 2, ..FORGET }, ..BACKUP },
            steps: 12,
        },
        Without {
            what: "C13 the deleter marks itself",
            rules: Rules { deleters_mark: false, ..ALL },
            scenario: FORGED,
            steps: 7,
        },
        Without {
            what: "C14 its mark trusts no verdict",
            rules: Rules { deleters_trust_no_verdict: false, ..ALL },
            scenario: FORGED,
            steps: 7,
        },
        Without {
            what: "C15 it chooses none of several",
            rules: Rules { deleters_choose_none: false, ..ALL },
            scenario: Scenario { collectors: 2, ..FORGED },
            steps: 12,
        },
        Without {
            what: "C16 what replaces is proved",
            rules: Rules { replacements_are_proved: false, ..ALL },
            scenario: Scenario { faults: Faults { forgeries: 1, ..NONE }, ..QUIET },
            steps: 13,
        },
        Without {
            what: "C17 entries outlive segments",
            rules: Rules { entries_outlive_segments: false, ..ALL },
            scenario: FORGED,
            steps: 7,
        },
        Without {
            what: "C18 tombstones stay",
            rules: Rules { tombstones_stay: false, ..ALL },
            scenario: BACKUP,
            steps: 19,
        },
        Without {
            what: "C19 snapshots go by marks alone",
            rules: Rules { snapshots_go_by_marks: false, ..ALL },
            scenario: FORGED,
            steps: 8,
        },
        Without {
            what: "C20 a lasting partial is needed",
            rules: Rules { partials_last: false, ..ALL },
            scenario: PARTIAL,
            steps: 18,
        },
        Without {
            what: "C20 with all that it counted on, unless its continuation looks at generations",
            rules: Rules { partials_name_all: false, ..ALL },
            scenario: PARTIAL,
            steps: 18,
        },
        Without {
            what: "C21 what cannot be read keeps everything",
            rules: Rules { unreadable_keeps: false, ..ALL },
            scenario: Scenario { faults: unread, ..QUIET },
            steps: 7,
        },
        Without {
            what: "C22 notes that hold are read after the marks",
            rules: Rules { holds_are_read_last: false, ..ALL },
            scenario: Scenario { faults: holds, ..QUIET },
            steps: 11,
        },
        Without {
            what: "C23 only complete listings",
            rules: Rules { listings_are_complete: false, ..ALL },
            scenario: Scenario { faults: Faults { lags: 1, ..NONE }, ..BACKUP },
            steps: 12,
        },
        Without {
            what: "readers read again",
            rules: Rules { readers_read_again: false, ..ALL },
            scenario: Scenario { reads: true, ..BACKUP },
            steps: 21,
        },
    ]);
}

/// Words that an earlier text had instead, and two rules of which each stands in for the other.
#[test]
fn earlier_words_lose_chunks() {
    lose_chunks(&[
        Without {
            what: "tombstones older than the newest verdict go, and writers ask afterwards whether they are dead",
            rules: Rules { tombstones_stay: false, writers_look_back: true, ..ALL },
            scenario: Scenario { generations: 2, ..BACKUP },
            steps: 27,
        },
        Without {
            what: "the newest generation alone says what is condemned, and repair does not look",
            rules: Rules { whole_chain: false, repair_reads_chain: false, ..ALL },
            scenario: Scenario { generations: 2, ..REPAIR },
            steps: 27,
        },
    ]);
}

/// What other rules stand in for, what only spares work, and what the text leaves to the program is
/// not needed for safety: the model, too, can say that something is well without a rule.
#[test]
fn some_rules_are_not_needed_alone() {
    let rules = [
        Rules { packs_before_segments: false, ..ALL },
        Rules { segments_go_first: false, ..ALL },
        Rules { replacements_state_previous: false, ..ALL },
        Rules { live_names_nothing_swept: false, ..ALL },
        Rules { repair_reads_chain: false, ..ALL },
        Rules { first_marks_count: false, ..ALL },
        Rules { partials_name_all: false, continuations_look: true, ..ALL },
    ];
    for rules in rules {
        for scenario in [BACKUPS, Scenario { generations: 2, ..BACKUP }, PARTIAL, REPAIR] {
            let broken = run(scenario, rules).broken;
            assert!(broken.is_none(), "{rules:?}: {broken:?}");
        }
    }
}

fn lose_chunks(cases: &[Without]) {
    let mut wrong = Vec::new();
    for case in cases {
        let report = run(case.scenario, case.rules);
        let Some((promise, way)) = report.broken else {
            wrong.push(format!("{}: nothing in {} states", case.what, report.states));
            continue;
        };
        println!(
            "without `{}`, after {} steps and {} states: {promise}\n{way}",
            case.what, report.depth, report.states
        );
        if report.depth != case.steps {
            wrong.push(format!("{}: {} steps", case.what, report.depth));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// Chapter 11 has each rule that the model heeds, and the model each rule of the chapter.
#[test]
fn model_and_chapter_have_the_same_rules() {
    let chapter = include_str!("../../format-spec/11-ordering.md");
    let model = include_str!("rules.rs");
    let numbers = |text: &'static str, before, behind| -> Vec<u8> {
        let cited = text.split(before).skip(1).filter_map(move |rest| rest.split(behind).next());
        cited.filter_map(|number| number.parse().ok()).collect()
    };
    let rows = numbers(chapter, "\n| C", ' ');
    let mut cited = numbers(model, "(C", ')');
    cited.sort_unstable();
    cited.dedup();
    assert!(rows.len() > 20, "{rows:?}");
    assert_eq!(rows, cited);
}
