//! What counts as known: no backup rests on what a listing shows to be gone or cut, nor on what a
//! read has met; and what the source still has is stored again.

use super::fixture::{CLASSES, Fixture, HOWS, How, damage};
use super::temp;
use crate::common::memory::Tree;
use crate::common::repo::{TempRepo, options};
use icecore::backend::{Handle, Memory};
use icecore::env::Time;
use icecore::error::Result;
use icecore::format::ObjectKind;
use icecore::format::gc::{Condemned, Reason};
use icecore::format::note::{About, Note, Remark};
use icecore::format::snapshot::Snapshot;
use icecore::id::{NoteId, PackId, SnapshotId};
use icecore::monitor::Silent;
use icecore::ops::backup::{BackupOptions, ParentChoice, backup};
use icecore::ops::check::{CheckOptions, ReadData, check};
use icecore::ops::forget::{forget, plan};
use icecore::ops::restore::{RestoreOptions, restore};
use icecore::ops::select::Filter;
use icecore::repo::Reader;
use std::sync::Arc;

/// What somebody does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Backup,
    WithoutParent,
    OfAnotherSource,
    Restore,
    Check,
    Forget,
}

const NEXT: [Next; 6] = [
    Next::Backup,
    Next::WithoutParent,
    Next::OfAnotherSource,
    Next::Restore,
    Next::Check,
    Next::Forget,
];

const ALL: CheckOptions = CheckOptions { read_data: ReadData::All };

/// Every kind of object damaged in every way, and then each thing that somebody may do: no
/// snapshot is committed that cannot be restored where a listing shows the damage, or a read has
/// met it; the backup after that is whole, and so is the snapshot before, which has the same
/// content.
#[test]
fn nothing_rests_on_what_is_known_to_be_lost() {
    let (fixture, foreign) = (furnished(31), furnished(32));
    for handle in objects(&fixture) {
        for how in HOWS {
            for next in NEXT {
                let what = format!("{how:?} {handle}, then {next:?}");
                let store = fixture.copied();
                if damage(&store, &handle, how, &foreign) {
                    cell(&fixture, store, &handle, how, next, &what);
                }
            }
        }
    }
}

/// A small fixture with a collection and a note besides.
fn furnished(seed: u64) -> Fixture {
    let fixture = Fixture::of(seed, 160_000, 30_000);
    let repo = temp(fixture.store.clone()).unwrap();
    let forger = crate::common::forge::Forger::new(&repo);
    let packs = vec![(PackId([7; 32]), Reason::Garbage)];
    forger.record(
        &Handle::gc(1),
        &Condemned { generation: 1, packs, segments: Default::default(), at: Time(0) },
    );
    for id in [NoteId([1; 16]), NoteId([2; 16])] {
        let text = "well".to_owned();
        let remark = Remark { snapshot: SnapshotId([3; 16]), topic: "verified".into(), text };
        forger.record(&Handle::note(id), &Note { id, at: Time(0), about: About::Snapshot(remark) });
    }
    fixture
}

fn objects(fixture: &Fixture) -> Vec<Handle> {
    let mut handles: Vec<Handle> = CLASSES.map(|class| fixture.object(class)).into();
    handles.extend([Handle::note(NoteId([1; 16])), Handle::gc(1)]);
    handles
}

fn cell(fixture: &Fixture, store: Arc<Memory>, handle: &Handle, how: How, next: Next, what: &str) {
    // Nothing is committed to what does not open.
    let Ok(repo) = temp(store) else { return };
    let is_pack = handle.kind() == ObjectKind::Pack;
    let cut =
        matches!(how, How::Removed | How::Emptied | How::Halved | How::Shortened | How::Lengthened);
    let (here, there) = (fixture.tree.source("/data"), fixture.tree.source("/other"));
    let without = BackupOptions { parent: ParentChoice::None, ..options() };
    let run = |source, options: &BackupOptions| {
        backup(&repo.repository, vec![source], options, &Silent).map(|report| report.snapshot)
    };
    let committed = match next {
        Next::Backup => Some((run(here, &options()), "/data")),
        Next::WithoutParent => Some((run(here, &without), "/data")),
        Next::OfAnotherSource => Some((run(there, &options()), "/other")),
        Next::Restore => {
            restore_all(fixture, &repo);
            None
        }
        Next::Check => {
            // One that cannot go on says why.
            let _ = check(&repo.repository, ALL, &Silent);
            None
        }
        Next::Forget => {
            let first = fixture.kept[0].0.id.to_string();
            let plan = plan(&repo.repository, &[first], &Filter::default(), false);
            let _ = plan.map(|plan| forget(&repo.repository, &plan, &Silent));
            None
        }
    };
    let stops = handle.kind() == ObjectKind::Gc;
    match committed {
        Some((Err(error), _)) => return assert!(stops, "{what}: {error}"),
        Some((Ok(snapshot), root)) if cut || !is_pack => {
            is_whole(&repo, &snapshot, root, &fixture.tree, what).unwrap();
        }
        _ => {}
    }
    if is_pack && !cut && !matches!(next, Next::Restore | Next::Check) {
        repo.check();
    }
    let healed = match run(fixture.tree.source("/data"), &options()) {
        Ok(snapshot) => snapshot,
        Err(error) => return assert!(stops, "{what}: {error}"),
    };
    is_whole(&repo, &healed, "/data", &fixture.tree, what).unwrap();
    if is_pack {
        let (before, tree) = fixture.kept.last().unwrap();
        is_whole(&repo, before, "/data", tree, &format!("{what}, the one before")).unwrap();
    }
}

fn restore_all(fixture: &Fixture, repo: &TempRepo) {
    for (snapshot, _) in &fixture.kept {
        let Ok(index) = repo.repository.load_index() else { return };
        let reader = Reader::new(&repo.repository, &index);
        let target = tempfile::tempdir().unwrap();
        let mut options = RestoreOptions::default();
        let _ = restore(&reader, snapshot, None, target.path(), &mut options, &Silent);
    }
}

/// Each file of a snapshot gives back what was captured.
pub fn is_whole(
    repo: &TempRepo,
    snapshot: &Snapshot,
    root: &str,
    tree: &Tree,
    what: &str,
) -> Result<()> {
    for path in tree.files.keys() {
        let bytes = repo.read(snapshot, &format!("{root}/{path}"));
        let bytes = bytes.map_err(|error| error.within(format!("read {path} after"), what))?;
        assert!(bytes == tree.bytes(path), "{what}: {path}");
    }
    Ok(())
}

/// A pack in whose place a folder or a link stands is gone, and so is one whose letters changed:
/// the next backup stores what it held, by the real program on a real disk.
#[test]
fn what_is_no_file_is_no_pack() {
    use crate::common::cli::Cli;
    use std::fs;
    for spoil in [
        (|path| fs::create_dir(path)) as fn(&std::path::Path) -> std::io::Result<()>,
        |path| std::os::unix::fs::symlink("/dev/zero", path),
        |path| fs::write(path.with_extension("PACK"), b"x"),
    ] {
        let cli = Cli::new();
        cli.backup();
        let packs = walkdir(&cli.path("repo/packs"));
        for pack in packs {
            fs::remove_file(&pack).unwrap();
            spoil(&pack).unwrap();
        }
        cli.backup();
        cli.says(&["restore", "latest", "--target", "back"]);
        let back = cli.path("back").join(cli.path("src/a").strip_prefix("/").unwrap());
        assert_eq!(fs::read(back).unwrap(), fs::read(cli.path("src/a")).unwrap());
    }
}

pub fn walkdir(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let fans = std::fs::read_dir(folder).unwrap().map(|fan| fan.unwrap().path());
    fans.flat_map(|fan| std::fs::read_dir(fan).unwrap().map(|pack| pack.unwrap().path())).collect()
}
