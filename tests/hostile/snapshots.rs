//! Snapshots that decode, and that no writer makes.

use super::{directory, honest};
use crate::common::forge::{Forger, session, snapshot};
use crate::common::memory::node;
use crate::common::repo::TempRepo;
use icecore::backend::Handle;
use icecore::error::Kind;
use icecore::format::directory::{NodeKind, Scrutiny, Taint};
use icecore::format::gc::{Forgotten, Position};
use icecore::format::note::{About, Note, TagChange};
use icecore::format::snapshot::{Missing, Outcome, Part, PartKind, Snapshot, TaintedEntry};
use icecore::id::{ChunkId, NoteId, SnapshotId};

type Edit = fn(&mut Snapshot);

fn at(part: &Part, path: &str, name: &str) -> Part {
    let mut part = part.clone();
    part.path = path.into();
    part.root.name = name.into();
    part
}

/// Each of these is damage where somebody wrote it, hides no honest snapshot, and is never
/// committed; what differs from them by little is read.
#[test]
fn what_no_writer_makes_is_damage() {
    let (mut repo, ..) = honest(28);
    repo.damaged = true;
    let forger = Forger::new(&repo);
    let named = |id| snapshot(id, "/srv/app", directory("app", ChunkId([1; 32])), 1);
    let bad: [(&str, Edit); 16] = [
        ("number 0", |it| it.sequence = 0),
        ("a relative path", |it| it.parts[0].path = b"srv/app".to_vec()),
        ("no path", |it| it.parts[0] = at(&it.parts[0], "", "")),
        ("an empty name in a path", |it| it.parts[0].path = b"/srv//app".to_vec()),
        ("a slash at its end", |it| it.parts[0] = at(&it.parts[0], "/srv/app/", "")),
        ("a name that leads up", |it| it.parts[0].path = b"/../app".to_vec()),
        ("a name that leads nowhere", |it| it.parts[0].path = b"/./app".to_vec()),
        ("NUL in a path", |it| it.parts[0] = at(&it.parts[0], "/a\0", "a\0")),
        ("a path too deep", |it| it.parts[0] = at(&it.parts[0], &"/d".repeat(1_000_000), "d")),
        ("a root of another name", |it| it.parts[0].root.name = b"other".to_vec()),
        ("a root that leads up", |it| it.parts[0].root.name = b"../app".to_vec()),
        ("one part twice", |it| it.parts.push(it.parts[0].clone())),
        ("a part in another", |it| it.parts.insert(0, at(&it.parts[0], "/srv/app/db", "db"))),
        ("parts in the root", |it| it.parts.push(at(&it.parts[0], "/", ""))),
        ("101 damaged entries", |it| it.parts[0].taints = taints(101)),
        ("a missing part of no place", |it| it.missing[0].path = b"a/b".to_vec()),
    ];
    let good: [(&str, Edit); 4] = [
        ("as it is", |_| {}),
        ("beside another of nearly its name", |it| {
            it.parts.push(at(&it.parts[0], "/srv/app.db", "app.db"));
        }),
        ("the root alone", |it| it.parts[0] = at(&it.parts[0], "/", "")),
        ("100 damaged entries", |it| it.parts[0].taints = taints(100)),
    ];
    let all = bad.iter().map(|case| (case, true)).chain(good.iter().map(|case| (case, false)));
    for (number, ((what, edit), is_bad)) in (1..).zip(all) {
        let make = |id| {
            let mut made = named(id);
            let (kind, reason) = (PartKind::Files, "it is away".into());
            let (path, selection) = (b"/away".to_vec(), Default::default());
            made.missing = vec![Missing { kind, path, selection, reason }];
            edit(&mut made);
            made
        };
        let id = SnapshotId([number; 16]);
        forger.record(&Handle::snapshot(id), &Outcome::Snapshot(Box::new(make(id))));
        let read = repo.repository.outcome(id).map(|_| ()).map_err(|error| error.kind());
        assert_eq!(read, if is_bad { Err(Kind::Damaged) } else { Ok(()) }, "{what}");
        if is_bad {
            let error = session(&repo).commit(|id, _| make(id)).expect_err(what);
            assert_eq!(error.kind(), Kind::InvalidInput, "{what}: {error}");
        }
    }
    let mut trouble = 0;
    let snapshots = repo.repository.snapshots(|_| trouble += 1).unwrap();
    assert_eq!((snapshots.len(), trouble), (1 + good.len(), bad.len()));
}

fn taints(count: usize) -> Vec<TaintedEntry> {
    let taint =
        Taint { finding: "f".into(), since: icecore::env::Time(0), scrutiny: Scrutiny::Open };
    (0..count).map(|n| TaintedEntry { path: n.to_string().into(), taint: taint.clone() }).collect()
}

/// A mark, and a note, state the name that they stand under: another one is told of, and what it
/// says does not count, although a mark's name alone gives its snapshot up.
#[test]
fn marks_and_notes_stand_under_their_own_names() {
    let (mut repo, _, before) = honest(30);
    repo.damaged = true;
    let forger = Forger::new(&repo);
    let position = Some(Position { series: before.series, sequence: 9, hash: None });
    let (id, at) = (SnapshotId([8; 16]), repo.env.now());
    let mark = Forgotten { id, position, first: None, at };
    forger.record(&Handle::forgotten(SnapshotId([7; 16])), &mark);
    let mut trouble = Vec::new();
    let marks = repo.repository.forgotten(|error| trouble.push(error.kind())).unwrap();
    assert_eq!((marks, trouble), (Vec::new(), vec![Kind::Damaged]));
    let change = TagChange { snapshot: before.id, remove: [].into(), add: ["x".into()].into() };
    let note = Note { id: NoteId([8; 16]), at, about: About::Tags(change) };
    forger.record(&Handle::note(NoteId([7; 16])), &note);
    let tags = |repo: &TempRepo| {
        let snapshots = repo.repository.snapshots(|_| {}).unwrap().all().unwrap();
        snapshots[0].snapshot.tags.clone()
    };
    assert!(tags(&repo).is_empty());
    forger.record(&Handle::note(note.id), &note);
    assert!(tags(&repo).contains("x"));
}

/// A link whose target has a NUL leads nowhere on any system: as the root of a part it is damage.
#[test]
fn a_target_has_no_nul() {
    let (mut repo, ..) = honest(29);
    repo.damaged = true;
    for (number, target, expected) in [(1, &b"a\0b"[..], Err(Kind::Damaged)), (2, b"a/b", Ok(()))] {
        let id = SnapshotId([number; 16]);
        let root = node("x", NodeKind::Symlink { target: target.to_vec() });
        let outcome = Outcome::Snapshot(Box::new(snapshot(id, "/x", root, 1)));
        Forger::new(&repo).record(&Handle::snapshot(id), &outcome);
        let read = repo.repository.outcome(id).map(|_| ()).map_err(|error| error.kind());
        assert_eq!(read, expected, "{target:?}");
    }
}
