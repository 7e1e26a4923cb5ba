//! Snapshots of several parts: one that is missing or empty, and the series that goes on; a
//! restore that meets a folder which cannot be made.

use crate::common::memory::{Tree, entry, folder, items, node};
use crate::common::repo::{TempRepo, options};
use icecore::error::{Error, Kind};
use icecore::format::ObjectKind;
use icecore::format::directory::NodeKind;
use icecore::limits::SOURCES_MAX;
use icecore::monitor::{Counter, Monitor, Recording};
use icecore::ops::backup::{BackupOptions, backup};
use icecore::ops::restore::{RestoreOptions, restore};
use icecore::repo::Reader;
use icecore::source::files::Excludes;
use icecore::source::{FileItem, Item, Source};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn tree(byte: u8) -> Tree {
    let mut tree = Tree::default();
    tree.put("a/one", vec![byte; 70_000]);
    tree.put("two", vec![byte + 1; 300]);
    tree.stamps.insert("a/one".to_owned(), 7);
    tree.stamps.insert("two".to_owned(), 7);
    tree
}

fn out_of_reach(path: &str) -> Box<dyn Source> {
    let error = Error::new(Kind::Denied, "open", path).because("it is out of reach");
    items(path, vec![Item::Failed(error)])
}

/// A snapshot that misses a source belongs to the series of the whole ones, says what it misses,
/// and the next whole one finds that part unchanged in the one before.
#[test]
fn a_missing_part_keeps_its_place() {
    let repo = TempRepo::new(90);
    let both = || vec![tree(1).source("/a"), tree(5).source("/b")];
    let first = repo.backup_with(both(), |_| {}).unwrap();
    assert!(!first.incomplete && first.snapshot.missing.is_empty());

    let sources = vec![tree(1).source("/a"), out_of_reach("/b")];
    let error = repo.backup_with(sources, |_| {}).unwrap_err();
    assert_eq!(error.to_string(), "cannot open /b: it is out of reach");
    let sources = vec![tree(1).source("/a"), out_of_reach("/b")];
    let second = repo.backup_with(sources, |options| options.keep_going = true).unwrap();
    assert!(second.incomplete && second.snapshot.is_incomplete());
    assert!(!second.snapshot.parts[0].incomplete, "nothing is wrong with what is there");
    let missing = &second.snapshot.missing[0];
    assert_eq!(missing.path, b"/b");
    assert!(missing.reason.contains("out of reach"), "{}", missing.reason);

    let third = repo.backup_with(both(), |_| {}).unwrap();
    assert!(!third.incomplete);
    for (report, number) in [(&second, 2), (&third, 3)] {
        assert_eq!(report.snapshot.series, first.snapshot.series);
        assert_eq!(report.snapshot.sequence, number);
    }
    assert_eq!(third.snapshot.parts[0].parents, [second.snapshot.id].into());
    assert_eq!(third.snapshot.summary.files_unchanged, 4);
    assert_eq!(third.snapshot.summary.chunks_new, 0);

    let sources = vec![out_of_reach("/a"), out_of_reach("/b")];
    let error = repo.backup_with(sources, |options| options.keep_going = true).unwrap_err();
    assert_eq!(error.kind(), Kind::Denied, "{error}");
}

/// A part that is empty and was not before is refused, however much the others hold; to keep
/// going leaves it out, and only the user's word commits it.
#[test]
fn an_emptied_part_is_refused() {
    let repo = TempRepo::new(91);
    let emptied = || vec![tree(1).source("/a"), Tree::default().source("/b")];
    let fresh = repo.backup_with(emptied(), |_| {}).unwrap();
    assert!(!fresh.incomplete, "there was nothing before it");
    repo.backup_with(vec![tree(1).source("/a"), tree(5).source("/b")], |_| {}).unwrap();

    let error = repo.backup_with(emptied(), |_| {}).unwrap_err();
    assert_eq!((error.kind(), error.subject()), (Kind::Refused, "/b"), "{error}");
    assert!(error.hint_text().unwrap().contains("--allow-empty"));
    let kept = repo.backup_with(emptied(), |options| options.keep_going = true).unwrap();
    assert!(kept.incomplete);
    assert_eq!((kept.snapshot.parts.len(), kept.snapshot.missing.len()), (1, 1));
    // The last whole one counts, not the one that misses it.
    assert_eq!(repo.backup_with(emptied(), |_| {}).unwrap_err().kind(), Kind::Refused);
    let empty = repo.backup_with(emptied(), |options| options.allow_empty = true).unwrap();
    assert_eq!(empty.snapshot.parts.len(), 2);
    repo.backup_with(emptied(), |_| {}).unwrap();
}

/// A part that held links and empty files alone, and now nothing but folders, is refused, too.
#[test]
fn a_part_that_lost_its_links_is_refused() {
    let repo = TempRepo::new(92);
    let link = || Item::Other(node("link", NodeKind::Symlink { target: b"x".to_vec() }));
    let within = |held: Vec<Item>| {
        let below = [Item::Enter(folder("below")), Item::Leave];
        let all = [Item::Enter(folder("a"))].into_iter().chain(below).chain(held);
        vec![items("/a", all.chain([Item::Leave]).collect())]
    };
    repo.backup(within(vec![])).unwrap();
    repo.backup(within(vec![link()])).unwrap();
    let refused = repo.backup(within(vec![])).unwrap_err();
    assert_eq!((refused.kind(), refused.subject()), (Kind::Refused, "/a"), "{refused}");
    repo.backup(within(vec![link()])).unwrap();
}

/// Somebody who wants to stop once the flag is set.
struct Stopper(Arc<AtomicBool>);

impl Monitor for Stopper {
    fn begin(&self, _: &str, _: Option<(Counter, u64)>) {}
    fn count(&self, _: Counter, _: u64) {}
    fn trouble(&self, _: &Error) {}
    fn note(&self, _: &str) {}
    fn end(&self) {}
    fn stop_requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// Ctrl-C ends children that read as well: a backup whose last file is lost by that is
/// interrupted, and commits nothing that misses it.
#[test]
fn a_reader_that_is_stopped_too_is_no_trouble_of_the_source() {
    let repo = TempRepo::new(93);
    for keep_going in [false, true] {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = stop.clone();
        let last = Item::File(FileItem::new(
            entry("db"),
            Some(1 << 20),
            Box::new(move || {
                asked.store(true, Ordering::SeqCst);
                Err(Error::new(Kind::Failed, "capture", "db").because("signal: 2"))
            }),
        ));
        let alone = items("/b", vec![Item::Enter(folder("b")), last, Item::Leave]);
        let sources = vec![tree(1).source("/a"), alone];
        let options = BackupOptions { keep_going, ..options() };
        let error = backup(&repo.repository, sources, &options, &Stopper(stop)).unwrap_err();
        assert_eq!(error.kind(), Kind::Interrupted, "{error}");
        let all = repo.repository.snapshots(|error| panic!("{error}")).unwrap().all().unwrap();
        assert!(all.is_empty());
    }
}

/// A folder that cannot be made is named once and costs what is beneath it, nothing else; also
/// where only files beneath it were asked for.
#[test]
fn a_folder_that_cannot_be_made_costs_itself_alone() {
    let repo = TempRepo::new(92);
    let long = "n".repeat(300);
    let mut tree = Tree::default();
    for path in ["a/x", "z/y", "z/z/z"] {
        tree.put(path, path.as_bytes().to_vec());
    }
    for path in ["x", "deep/x", "deep/er/x"] {
        tree.put(&format!("m/{long}/{path}"), vec![1; 100]);
    }
    let fifo = node("pipe", NodeKind::Fifo);
    let snapshot = repo.backup(vec![tree.source("/data"), items("/pipe", vec![Item::Other(fifo)])]);
    let snapshot = snapshot.unwrap().snapshot;
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    for include in [vec![], vec!["x".to_owned(), "/data/z".to_owned()], vec!["er".to_owned()]] {
        let target = tempfile::tempdir().unwrap();
        let heard = Recording::default();
        let mut wanted = RestoreOptions {
            include: Excludes::new(&include).unwrap(),
            ..RestoreOptions::default()
        };
        let report = restore(&reader, &snapshot, None, target.path(), &mut wanted, &heard).unwrap();
        assert_eq!(report.failed, 1, "{:?}", heard.heard());
        let told: Vec<String> = heard.heard();
        assert_eq!(told.iter().filter(|line| line.contains(&long)).count(), 1, "{told:?}");
        let there = |path: &str| target.path().join(path).exists();
        let all = include.is_empty();
        assert_eq!(there("data/a/x"), include != ["er"]);
        assert_eq!(there("data/z/z/z"), include != ["er"]);
        assert_eq!(there("pipe"), all);
    }
}

/// More sources than one snapshot's record takes are refused before anything is written.
#[test]
fn too_many_sources_are_refused_at_once() {
    let repo = TempRepo::new(97);
    let before = repo.backend.list(ObjectKind::Writer).unwrap().len();
    let many = (0..=SOURCES_MAX).map(|at| Tree::default().source(&format!("/s{at}"))).collect();
    let error = repo.backup_with(many, |_| {}).unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidInput, "{error}");
    assert_eq!(repo.backend.list(ObjectKind::Writer).unwrap().len(), before);
}
