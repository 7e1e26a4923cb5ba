//! Where each part of a snapshot finds its past: in whichever snapshot holds it, under whichever
//! host's name; and what is said of it.

use crate::common::memory::{Tree, folder, items};
use crate::common::repo::TempRepo;
use icecore::error::{Error, Kind};
use icecore::format::ObjectKind;
use icecore::format::snapshot::Snapshot;
use icecore::id::SnapshotId;
use icecore::monitor::Silent;
use icecore::ops::backup::{BackupOptions, BackupReport, ParentChoice};
use icecore::ops::forget::{forget, plan};
use icecore::ops::select::{Filter, find};
use icecore::source::Item;

/// Bytes that do not compress, the same for the same seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

const LARGE: usize = 3 << 20;

fn tree(seed: u64) -> Tree {
    let mut tree = Tree::default();
    tree.put("data/large", noise(seed, LARGE));
    tree.put("small", noise(seed + 100, 3000));
    tree
}

/// A few bytes of the large file change.
fn edit(tree: &mut Tree, round: u8) {
    let mut bytes = tree.bytes("data/large");
    for at in [10_000, LARGE / 2, LARGE - 10_000] {
        bytes[at + usize::from(round)] ^= 0x55;
    }
    tree.put("data/large", bytes);
}

fn as_host(name: &str) -> impl FnOnce(&mut BackupOptions) {
    move |options| options.host = name.to_owned()
}

fn warns(snapshot: &Snapshot, words: &str) -> bool {
    snapshot.warnings.iter().any(|warning| warning.contains(words))
}

/// Two folders by turns, together, and alone again: each finds itself in the newest snapshot that
/// has it, and costs what has changed; each combination is a series, which goes on.
#[test]
fn parts_find_their_past_in_whichever_snapshot() {
    let repo = TempRepo::new(200);
    let (mut a, mut b) = (tree(1), tree(2));
    let first_a = repo.backup_with(vec![a.source("/a")], |_| {}).unwrap().snapshot;
    let first_b = repo.backup_with(vec![b.source("/b")], |_| {}).unwrap().snapshot;
    edit(&mut a, 1);
    edit(&mut b, 1);
    let both = repo.backup_with(vec![a.source("/a"), b.source("/b")], |_| {}).unwrap();
    let parents = |snapshot: &Snapshot, part: usize| snapshot.parts[part].parents.clone();
    assert_eq!(parents(&both.snapshot, 0), [first_a.id].into());
    assert_eq!(parents(&both.snapshot, 1), [first_b.id].into());
    assert!(both.parents.iter().all(|parentage| parentage.remark.is_none()));
    edit(&mut a, 2);
    let later_a = repo.backup_with(vec![a.source("/a")], |_| {}).unwrap().snapshot;
    assert_eq!(parents(&later_a, 0), [both.snapshot.id].into());
    for snapshot in [&both.snapshot, &later_a] {
        let cost = &snapshot.summary;
        assert!(cost.written < 40_000, "{cost:?}");
        assert!(cost.delta.blobs >= 3, "{cost:?}");
    }
    assert_eq!((later_a.series, later_a.sequence), (first_a.series, 2));
    assert!(later_a.previous.is_some());
    let all = [first_a.series, first_b.series, both.snapshot.series];
    assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
    // The order of the command line makes no other series.
    let turned = repo.backup_with(vec![b.source("/b"), a.source("/a")], |_| {}).unwrap().snapshot;
    assert_eq!((turned.series, turned.sequence), (both.snapshot.series, 2));
}

/// The name of a series is a secret of its repository.
#[test]
fn series_are_named_by_a_key() {
    let [one, other] = [201, 202].map(TempRepo::new);
    let series = |repo: &TempRepo| repo.backup(vec![tree(1).source("/a")]).unwrap().snapshot.series;
    assert_ne!(series(&one), series(&other));
    assert_eq!(series(&one), series(&one));
}

/// A machine that comes under another name costs deltas, not whole chunks; it is said, with the
/// way to name it. Its own past comes first as soon as there is one.
#[test]
fn a_new_host_costs_deltas() {
    let repo = TempRepo::new(203);
    let mut a = tree(1);
    let first = repo.backup_with(vec![a.source("/a")], as_host("web-1")).unwrap().snapshot;
    edit(&mut a, 1);
    let second = repo.backup_with(vec![a.source("/a")], as_host("web-2")).unwrap();
    let cost = &second.snapshot.summary;
    assert!(cost.written < 40_000 && cost.whole.plain < 10_000, "{cost:?}");
    assert_eq!(second.snapshot.parts[0].parents, [first.id].into());
    let remark = second.parents[0].remark.as_deref().unwrap();
    assert!(remark.contains("web-1"), "{remark}");
    assert!(warns(&second.snapshot, "--host web-1"), "{:?}", second.snapshot.warnings);
    assert_ne!(second.snapshot.series, first.series);

    edit(&mut a, 2);
    repo.backup_with(vec![a.source("/a")], as_host("web-1")).unwrap();
    let third = repo.backup_with(vec![a.source("/a")], as_host("web-2")).unwrap();
    assert_eq!(third.snapshot.parts[0].parents, [second.snapshot.id].into());
    assert!(third.parents[0].remark.is_none() && third.snapshot.warnings.is_empty());

    // Long afterwards it is no remark's worth.
    repo.clock.advance(40 * 86_400);
    let late = repo.backup_with(vec![a.source("/a")], as_host("web-3")).unwrap().snapshot;
    assert!(late.warnings.is_empty(), "{:?}", late.warnings);
}

/// Another host's stamps prove nothing: a file with the same stamp is read, also where that
/// snapshot is named as the parent.
#[test]
fn stamps_of_other_hosts_prove_nothing() {
    for named in [false, true] {
        let repo = TempRepo::new(204);
        let mut theirs = tree(1);
        theirs.stamps.insert("data/large".to_owned(), 7);
        let first = repo.backup_with(vec![theirs.source("/a")], as_host("they")).unwrap().snapshot;
        let mut ours = theirs.clone();
        edit(&mut ours, 1);
        let second = repo.backup_with(vec![ours.source("/a")], |options| {
            if named {
                options.parent = ParentChoice::Snapshot(first.id);
            }
        });
        let second = second.unwrap().snapshot;
        assert_eq!(second.summary.bytes_read, second.summary.bytes);
        let read = repo.read(&second, "/a/data/large").unwrap();
        assert!(read == ours.bytes("data/large"), "named: {named}");
        // One's own do.
        let third = repo.backup_with(vec![ours.source("/a")], |_| {}).unwrap().snapshot;
        assert_eq!(third.summary.files_unchanged, 2);
        assert!(third.summary.bytes_read < 10_000);
    }
}

/// A name as containers have it is remarked on, each time; others of twelve letters are not.
#[test]
fn a_containers_name_is_remarked_on() {
    let repo = TempRepo::new(205);
    let said = |host: &str| {
        let snapshot =
            repo.backup_with(vec![tree(1).source("/a")], as_host(host)).unwrap().snapshot;
        warns(&snapshot, "ICECORE_HOST") && warns(&snapshot, "container")
    };
    assert!(said("0f1e2d3c4b5a") && said("0f1e2d3c4b5a"));
    assert!(!said("db-server-01") && !said("0F1E2D3C4B5A") && !said("0f1e2d3c4b5a6"));
}

/// A folder finds what was saved as a part of a larger one, and a larger one what was saved as a
/// folder of its own.
#[test]
fn a_folder_and_a_folder_in_it_share_their_past() {
    let repo = TempRepo::new(206);
    let mut data = Tree::default();
    data.put("large", noise(1, LARGE));
    let whole = |data: &Tree| {
        let mut whole = Tree::default();
        whole.put("data/large", data.bytes("large"));
        whole.put("other", noise(2, LARGE));
        whole
    };
    let change = |data: &mut Tree, at: usize| {
        let mut bytes = data.bytes("large");
        bytes[at] ^= 1;
        data.put("large", bytes);
    };
    let first = repo.backup_with(vec![whole(&data).source("/srv")], |_| {}).unwrap().snapshot;
    change(&mut data, 5000);
    let within = repo.backup_with(vec![data.source("/srv/data")], |_| {}).unwrap().snapshot;
    assert_eq!(within.parts[0].parents, [first.id].into());
    assert!(within.summary.written < 20_000, "{:?}", within.summary);
    change(&mut data, LARGE / 2);
    let around = repo.backup_with(vec![whole(&data).source("/srv")], |_| {}).unwrap().snapshot;
    assert_eq!(around.parts[0].parents, [first.id, within.id].into());
    assert!(around.summary.written < 20_000, "{:?}", around.summary);
    let above = repo.backup_with(vec![tree(9).source("/elsewhere")], |_| {}).unwrap();
    assert!(above.snapshot.parts[0].parents.is_empty());
}

/// A file that could not be read last time finds itself in the snapshot before.
#[test]
fn a_file_that_failed_once_has_not_lost_its_past() {
    let repo = TempRepo::new(207);
    let mut a = tree(1);
    let first = repo.backup_with(vec![a.source("/a")], |_| {}).unwrap().snapshot;
    let failed = Error::new(Kind::Denied, "open", "large").because("it is out of reach");
    let root = vec![
        Item::Enter(folder("a")),
        Item::Enter(folder("data")),
        Item::Failed(failed),
        Item::Leave,
        Item::Leave,
    ];
    let second = repo.backup_with(vec![items("/a", root)], |options| options.allow_empty = true);
    assert!(second.unwrap().incomplete);
    edit(&mut a, 1);
    let third = repo.backup_with(vec![a.source("/a")], |_| {}).unwrap().snapshot;
    assert_eq!(third.parts[0].parents, [first.id].into());
    assert!(third.summary.written < 40_000, "{:?}", third.summary);
}

/// A backup says why a part has no parent: it is the first, none was wanted, or the one that was
/// named does not hold it. What is not there was not found.
#[test]
fn why_there_is_no_parent_is_said() {
    let repo = TempRepo::new(208);
    let remark = |report: &BackupReport| report.parents[0].remark.clone().unwrap_or_default();
    let a = || vec![tree(1).source("/a")];
    let first = repo.backup_with(a(), |_| {}).unwrap();
    assert!(remark(&first).contains("no snapshot holds it"), "{}", remark(&first));
    let forced = repo.backup_with(a(), |options| options.parent = ParentChoice::None).unwrap();
    assert!(remark(&forced).contains("none was to be used"), "{}", remark(&forced));
    let other = repo.backup_with(vec![tree(2).source("/b")], |_| {}).unwrap().snapshot.id;
    let named = |options: &mut BackupOptions| options.parent = ParentChoice::Snapshot(other);
    let named = repo.backup_with(a(), named).unwrap();
    assert!(remark(&named).contains("does not hold it"), "{}", remark(&named));
    assert!(named.snapshot.parts[0].parents.is_empty());
    assert_eq!(remark(&repo.backup_with(a(), |_| {}).unwrap()), "");
}

/// Nothing is saved that is as it was; what has changed is, and what was saved incomplete.
#[test]
fn nothing_new_is_not_saved() {
    let repo = TempRepo::new(209);
    let mut a = tree(1);
    let skipping = |options: &mut BackupOptions| options.skip_if_unchanged = true;
    let first = repo.backup_with(vec![a.source("/a")], skipping).unwrap();
    assert!(first.unchanged.is_none());
    let count = || repo.repository.snapshots(|error| panic!("{error}")).unwrap().len();
    for _ in 0..2 {
        let again = repo.backup_with(vec![a.source("/a")], skipping).unwrap();
        assert_eq!(again.unchanged, Some(first.snapshot.id));
        assert_eq!(count(), 1);
    }
    edit(&mut a, 1);
    let changed = repo.backup_with(vec![a.source("/a")], skipping).unwrap();
    assert!(changed.unchanged.is_none() && changed.snapshot.sequence == 2);
    // As an older one, but not as the last.
    let back = repo.backup_with(vec![tree(1).source("/a")], skipping).unwrap();
    assert!(back.unchanged.is_none());
    // A stream's content is all that there is of it.
    let stream = || vec![crate::common::memory::stream("/dump", noise(5, 5000))];
    repo.backup_with(stream(), skipping).unwrap();
    assert!(repo.backup_with(stream(), skipping).unwrap().unchanged.is_some());
    assert!(repo.backup_with(stream(), |_| {}).unwrap().unchanged.is_none());
    let other = repo.backup_with(stream(), |options| {
        options.skip_if_unchanged = true;
        options.host = "other".to_owned();
    });
    assert!(other.unwrap().unchanged.is_none(), "another host has another series");
}

/// A snapshot from a clock that went ahead is remarked on by the next; it is not `latest` any more
/// once there is another, in its own series or any.
#[test]
fn a_clock_that_went_ahead_does_not_stay_the_latest() {
    let repo = TempRepo::new(210);
    let latest = || {
        let none = |error| panic!("{error}");
        find(&repo.repository, "latest", &Filter::default(), none).unwrap().snapshot.id
    };
    repo.backup_with(vec![tree(1).source("/a")], |_| {}).unwrap();
    let years = 10 * 365 * 86_400;
    repo.clock.advance(years);
    let ahead = repo.backup_with(vec![tree(1).source("/a")], |_| {}).unwrap().snapshot;
    assert_eq!(latest(), ahead.id);
    repo.clock.advance(-years);
    let other = repo.backup_with(vec![tree(2).source("/b")], |_| {}).unwrap().snapshot;
    assert_eq!(latest(), other.id);
    let next = repo.backup_with(vec![tree(1).source("/a")], |_| {}).unwrap().snapshot;
    assert!(warns(&next, "in the future"), "{:?}", next.warnings);
    assert_eq!((latest(), next.sequence), (next.id, 3));
    let other = repo.backup_with(vec![tree(2).source("/b")], |_| {}).unwrap().snapshot;
    assert_eq!(latest(), other.id);
    let again = repo.backup_with(vec![tree(1).source("/a")], |_| {}).unwrap().snapshot;
    assert!(again.warnings.is_empty(), "{:?}", again.warnings);

    // Where nothing but the series orders them, it does: this clock is the wrong one.
    repo.clock.advance(-20 * 365 * 86_400);
    let of_series = Filter { paths: vec![b"/a".to_vec()], ..Filter::default() };
    let found = find(&repo.repository, "latest", &of_series, |error| panic!("{error}")).unwrap();
    assert_eq!(found.snapshot.id, again.id);
}

/// The last snapshot of a source is kept, also where its series has others that miss it; and where
/// another host has the same.
#[test]
fn the_last_snapshot_of_each_source_is_kept() {
    let repo = TempRepo::new(211);
    let both = || vec![tree(1).source("/a"), tree(2).source("/b")];
    let denied = || Error::new(Kind::Denied, "open", "/b").because("it is out of reach");
    let missing = || vec![tree(1).source("/a"), items("/b", vec![Item::Failed(denied())])];
    let whole = repo.backup_with(both(), |_| {}).unwrap().snapshot;
    let partial =
        repo.backup_with(missing(), |options| options.keep_going = true).unwrap().snapshot;
    repo.backup_with(both(), as_host("other")).unwrap();
    let forget_of = |snapshot: &Snapshot| {
        let names = [snapshot.id.to_string()];
        plan(&repo.repository, &names, &Filter::default(), false)
    };
    let refused = forget_of(&whole).err().unwrap();
    assert_eq!(refused.kind(), Kind::Refused);
    assert!(refused.to_string().contains("/b from host"), "{refused}");
    forget(&repo.repository, &forget_of(&partial).unwrap(), &Silent).unwrap();
    let again = repo.backup_with(both(), |_| {}).unwrap().snapshot;
    assert_eq!(again.sequence, 3, "the one that was given up has its number");
    forget(&repo.repository, &forget_of(&whole).unwrap(), &Silent).unwrap();
    assert!(forget_of(&again).is_err());

    // A series whose snapshots were all given up goes on after them.
    let names = [again.id.to_string()];
    let forced = plan(&repo.repository, &names, &Filter::default(), true).unwrap();
    forget(&repo.repository, &forced, &Silent).unwrap();
    let after = repo.backup_with(both(), |_| {}).unwrap().snapshot;
    assert_eq!((after.series, after.sequence), (again.series, 4));
}

/// A backup that fails before anything is captured leaves a writer that has ended, for which no
/// collector waits.
#[test]
fn an_early_error_ends_the_writer() {
    let repo = TempRepo::new(209);
    let parent = ParentChoice::Snapshot(SnapshotId([7; 16]));
    let error = repo.backup_with(vec![tree(1).source("/a")], |options| options.parent = parent);
    assert_eq!(error.unwrap_err().kind(), Kind::NotFound);
    assert_eq!(repo.backend.list(ObjectKind::Writer).unwrap().len(), 1, "it had begun");
    assert!(repo.repository.open_writers().unwrap().is_empty());
}
