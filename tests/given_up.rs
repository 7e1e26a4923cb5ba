//! Snapshots that cannot be read, and gaps in a series: gone round, named, and given up.

use crate::common::cli::{Cli, lines, stderr, stdout};
use crate::common::forge::Forger;
use crate::common::memory::Tree;
use crate::common::repo::{TempRepo, secret};
use icecore::backend::{Backend, Handle, Visit};
use icecore::error::{Kind, Result};
use icecore::format::ObjectKind;
use icecore::format::gc::Forgotten;
use icecore::format::record;
use icecore::format::snapshot::{Outcome, Snapshot};
use icecore::forward;
use icecore::id::SnapshotId;
use icecore::monitor::Silent;
use icecore::ops::forget::{ForgetPlan, forget, forget_gaps, gaps, plan};
use icecore::ops::select::Filter;
use icecore::repo::Repository;
use serde_json::{Value, json};
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A repository with `count` snapshots of one series, oldest first.
fn series(count: u64) -> (TempRepo, Vec<Snapshot>) {
    let repo = TempRepo::new(count);
    let snapshots = (0..count).map(|number| next(&repo, "/data", number)).collect();
    (repo, snapshots)
}

fn next(repo: &TempRepo, path: &str, number: u64) -> Snapshot {
    let mut tree = Tree::default();
    tree.put("a", number.to_le_bytes().repeat(500));
    repo.backup(vec![tree.source(path)]).unwrap().snapshot
}

/// Makes an object unreadable.
fn spoil(repo: &TempRepo, handle: &Handle) {
    let mut bytes = repo.backend.get(handle, None).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    repo.backend.delete(handle).unwrap();
    repo.backend.put_new(handle, &bytes).unwrap();
}

fn remove(repo: &TempRepo, snapshot: &Snapshot) {
    repo.backend.delete(&Handle::snapshot(snapshot.id)).unwrap();
}

fn planned<'r>(repo: &'r TempRepo, name: &str) -> Result<ForgetPlan<'r>> {
    plan(&repo.repository, &[name.to_owned()], &Filter::default(), false)
}

/// Gives up all gaps, as `forget --gaps` does, and tells how many there were.
fn settle(repo: &TempRepo) -> usize {
    let found = gaps(&repo.repository).unwrap();
    forget_gaps(&repo.repository, &found, &Silent).unwrap();
    found.len()
}

/// Another snapshot of the same content, changed as somebody with the keys can.
fn forge(repo: &TempRepo, like: &Snapshot, byte: u8, change: impl FnOnce(&mut Snapshot)) {
    let id = SnapshotId([byte; 16]);
    let mut snapshot = Snapshot { id, ..like.clone() };
    change(&mut snapshot);
    let outcome = Outcome::Snapshot(Box::new(snapshot));
    Forger::new(repo).record(&Handle::snapshot(id), &outcome);
}

/// An unreadable snapshot is named and blocks no other from being given up; it is given up itself
/// by its full id, never by less, and the gap that it leaves on request: then all is quiet.
#[test]
pub fn an_unreadable_snapshot_is_gone_round_and_given_up() {
    let (repo, snapshots) = series(5);
    let rotten = snapshots[2].id;
    spoil(&repo, &Handle::snapshot(rotten));

    let other = planned(&repo, &snapshots[1].id.to_string()).unwrap();
    assert_eq!((other.forget.len(), other.troubles.len()), (1, 1));
    forget(&repo.repository, &other, &Silent).unwrap();
    assert_eq!(planned(&repo, "latest").unwrap().forget.keys().next().unwrap().id, snapshots[4].id);

    let error = planned(&repo, &rotten.to_string()[..20]).err().unwrap();
    assert_eq!(error.kind(), Kind::NotFound);
    assert!(error.hint_text().unwrap().contains("full id"), "{error}");
    let filter = Filter { hosts: vec!["host".into()], ..Filter::default() };
    assert!(plan(&repo.repository, &[rotten.to_string()], &filter, false).is_err());
    assert_eq!(gaps(&repo.repository).unwrap_err().kind(), Kind::Refused);

    let itself = planned(&repo, &rotten.to_string()).unwrap();
    assert_eq!((itself.unreadable.len(), itself.troubles.len()), (1, 0));
    forget(&repo.repository, &itself, &Silent).unwrap();
    assert!(repo.backend.size(&Handle::snapshot(rotten)).is_err());
    assert_eq!(repo.check().errors, 1, "the gap");
    assert_eq!(settle(&repo), 1);
    assert!(repo.check().is_healthy());
    assert_eq!(next(&repo, "/data", 9).sequence, 6);
}

/// Whatever was removed by hand, at the start, in the middle, in a row or in two series: each gap is
/// given up with one mark, with the hash that its follower states, and the series goes on.
#[test]
pub fn gaps_are_given_up() {
    let (repo, snapshots) = series(9);
    for number in 0..3 {
        next(&repo, "/other", number);
    }
    let other: Vec<_> =
        repo.repository.snapshots(|error| panic!("{error}")).unwrap().all().unwrap();
    let other = other.iter().find(|stored| {
        stored.snapshot.series != snapshots[0].series && stored.snapshot.sequence == 2
    });
    remove(&repo, &other.unwrap().snapshot);
    for at in [0, 3, 4, 5, 7] {
        remove(&repo, &snapshots[at]);
    }
    let mut found = gaps(&repo.repository).unwrap();
    found.sort_by_key(|gap| (gap.series != snapshots[0].series, gap.first));
    let runs: Vec<_> = found.iter().map(|gap| (gap.first, gap.last)).collect();
    assert_eq!(runs, [(1, 1), (4, 6), (8, 8), (2, 2)]);
    assert_eq!(found[1].hash, snapshots[6].previous);
    assert_eq!(repo.check().errors, 4);
    assert_eq!(settle(&repo), 4);
    assert_eq!(repo.repository.forgotten(|error| panic!("{error}")).unwrap().len(), 4);
    assert!(repo.check().is_healthy());
    assert_eq!(settle(&repo), 0);
    assert_eq!(next(&repo, "/data", 20).sequence, 10);
    let follower = planned(&repo, &snapshots[6].id.to_string()).unwrap();
    forget(&repo.repository, &follower, &Silent).unwrap();
    assert!(repo.check().is_healthy());
}

/// A number far away, as a forged snapshot may have it, leaves a gap that one mark gives up, also
/// when the snapshot itself was given up before; one that comes back into a gap disturbs nobody.
#[test]
fn vast_gaps_take_one_mark() {
    let (repo, snapshots) = series(4);
    forge(&repo, &snapshots[3], 1, |snapshot| snapshot.sequence = u64::MAX);
    let forged = planned(&repo, &SnapshotId([1; 16]).to_string()).unwrap();
    forget(&repo.repository, &forged, &Silent).unwrap();
    assert_eq!(repo.check().errors, 1);
    assert_eq!(settle(&repo), 1);
    let back = Handle::snapshot(snapshots[1].id);
    let bytes = repo.backend.get(&back, None).unwrap();
    remove(&repo, &snapshots[1]);
    remove(&repo, &snapshots[2]);
    assert_eq!(settle(&repo), 1);
    repo.backend.put_new(&back, &bytes).unwrap();
    assert!(repo.check().is_healthy());
}

/// A snapshot that follows another than the one that is there leaves a gap of its own, which is
/// given up too; one that cannot stand where it says is no gap, and goes only by itself.
#[test]
fn lost_twins_are_given_up_and_misfits_are_not() {
    let (repo, snapshots) = series(3);
    forge(&repo, &snapshots[2], 1, |snapshot| snapshot.previous = Some([7; 32]));
    assert_eq!(repo.check().errors, 1);
    assert_eq!(settle(&repo), 1);
    assert!(repo.check().is_healthy());
    for (byte, sequence, previous) in [(2, 2, None), (4, 1, Some([7; 32]))] {
        forge(&repo, &snapshots[1], byte, |snapshot| {
            snapshot.sequence = sequence;
            snapshot.previous = previous;
        });
        assert_eq!(settle(&repo), 0, "number {sequence}");
        assert_eq!(repo.check().errors, 1, "number {sequence}");
        let misfit = planned(&repo, &SnapshotId([byte; 16]).to_string()).unwrap();
        forget(&repo.repository, &misfit, &Silent).unwrap();
        assert!(repo.check().is_healthy(), "number {sequence}");
    }
}

/// A run that ends before it begins covers nothing.
#[test]
fn a_backward_run_covers_nothing() {
    let (mut repo, snapshots) = series(4);
    repo.damaged = true;
    remove(&repo, &snapshots[1]);
    let found = gaps(&repo.repository).unwrap();
    repo.repository
        .forget_place(
            9,
            icecore::format::gc::Position { series: found[0].series, sequence: 1, hash: None },
        )
        .unwrap();
    let id = SnapshotId([5; 16]);
    let position = repo.repository.forgotten(|_| {}).unwrap()[0].position;
    let mark = Forgotten { id, position, first: Some(9), at: snapshots[0].started };
    Forger::new(&repo).object(&Handle::forgotten(id), &record::encode(&mark).unwrap());
    assert_eq!(gaps(&repo.repository).unwrap(), found);
}

/// The same by hand: `forget` names what it cannot read and exits with 3, gives it up by its full
/// id, and with `--gaps` what is missing; a dry run changes nothing.
#[test]
fn the_program_gives_up_what_is_lost() {
    let cli = Cli::new();
    let ids: Vec<String> = (0..4).map(|_| cli.backup()).collect();
    fs::write(cli.path(&format!("repo/snapshots/{}", ids[1])), b"rot").unwrap();
    let said = stderr(&cli.run(&["forget", &ids[0]]).code(3));
    assert!(said.contains(&ids[1]), "{said}");
    assert!(!cli.path(&format!("repo/snapshots/{}", ids[0])).exists());
    cli.run(&["forget", "--gaps"]).code(1);
    cli.run(&["forget", &ids[1], "--gaps", "--dry-run"]).code(1);
    cli.run(&["forget", &ids[1]]).success();
    cli.run(&["check"]).code(1);
    fs::remove_file(cli.path(&format!("repo/snapshots/{}", ids[2]))).unwrap();
    let said = cli.says(&["forget", "--gaps", "--dry-run"]);
    assert!(said.contains("would give up numbers 2 to 3"), "{said}");
    cli.run(&["check"]).code(1);
    let gap = &cli.json(&["forget", "--gaps"])[0];
    assert_eq!((&gap["first"], &gap["last"]), (&2.into(), &3.into()));
    cli.run(&["check"]).success();
    assert!(cli.says(&["forget", "--gaps"]).contains("nothing is missing"));
    cli.run(&["forget"]).code(1);
}

/// A store whose next listing of snapshots lacks one, as it may while others write.
struct Late {
    store: Arc<dyn Backend>,
    hidden: SnapshotId,
    hides: AtomicBool,
}

impl Backend for Late {
    forward!([store] describe capabilities put_shared get size delete_all);

    fn list_pages(&self, kind: ObjectKind, prefix: &str, visit: &mut Visit<'_>) -> Result<()> {
        let hides = kind == ObjectKind::Snapshot && self.hides.swap(false, Ordering::SeqCst);
        self.store.list_pages(kind, prefix, &mut |mut page| {
            page.retain(|object| !hides || object.handle.snapshot_id() != Some(self.hidden));
            visit(page)
        })
    }
}

/// What a second look finds is not missing, whatever the first one did not see.
#[test]
fn gaps_are_looked_for_twice() {
    let (repo, snapshots) = series(4);
    let store = repo.backend.clone();
    let late = Arc::new(Late { store, hidden: snapshots[1].id, hides: false.into() });
    let repository = Repository::open(late.clone(), repo.env.clone(), &secret()).unwrap();
    late.hides.store(true, Ordering::SeqCst);
    assert_eq!(gaps(&repository).unwrap(), []);
    assert!(!late.hides.load(Ordering::SeqCst), "it was looked for");
    remove(&repo, &snapshots[2]);
    late.hides.store(true, Ordering::SeqCst);
    let found = gaps(&repository).unwrap();
    assert!(found.iter().all(|gap| gap.first > 2), "number 2 is there: {found:?}");
    assert_eq!(settle(&repo), 1);
}

/// A note that cannot be read is told and ends nothing: snapshots are listed, gaps are given up, and
/// snapshots with force alone, since it may be a hold; `check` tells of it.
#[test]
fn unreadable_notes_end_nothing() {
    let cli = Cli::new();
    let ids: Vec<String> = (0..3).map(|_| cli.backup()).collect();
    cli.run(&["tag", "--add", "kept", &ids[0]]).success();
    cli.run(&["tag", "--add", "rotten", &ids[2]]).success();
    let notes = fs::read_dir(cli.path("repo/notes")).unwrap().map(|found| found.unwrap().path());
    let newest = notes.max_by_key(|path| fs::metadata(path).unwrap().modified().unwrap()).unwrap();
    fs::remove_file(&newest).unwrap();
    fs::write(&newest, b"rot").unwrap();
    let listed = || lines(&stdout(&cli.run(&["snapshots", "--json"]).code(3)));
    let tags: Vec<Value> = listed().iter().map(|line| line["tags"].clone()).collect();
    assert_eq!(tags, [json!(["kept"]), json!([]), json!([])]);
    fs::remove_file(cli.path(&format!("repo/snapshots/{}", ids[1]))).unwrap();
    cli.run(&["forget", "--gaps"]).success();
    cli.run(&["forget", &ids[0]]).code(1);
    cli.run(&["forget", &ids[0], "--force"]).code(3);
    let given_up: Vec<Value> = listed().iter().map(|line| line["given_up"].clone()).collect();
    assert_eq!(given_up, [json!(true), Value::Null]);
    let said = stderr(&cli.run(&["check"]).code(1));
    assert!(said.contains(newest.file_name().unwrap().to_str().unwrap()), "{said}");
}
