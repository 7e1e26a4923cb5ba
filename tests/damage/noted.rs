//! Notes of damage: who writes them, when, and what comes of them.

use super::fixture::{Class, Fixture, replace};
use super::known::is_whole;
use super::lens::Lens;
use super::temp;
use crate::common::chance::Chance;
use crate::common::memory::{MemoryStream, Run, Tree, entry, folder, items};
use crate::common::repo::{TempRepo, options};
use icecore::backend::{Backend, Counting, Handle, Listed, Memory, Verb};
use icecore::format::note::{About, Damage, Note};
use icecore::format::{BlobKind, ObjectKind, record};
use icecore::id::PackId;
use icecore::monitor::{Recording, Silent};
use icecore::ops::backup::backup;
use icecore::ops::check::{CheckOptions, ReadData, check};
use icecore::repo::{NotedDamage, Reader, Repository};
use icecore::source::{FileItem, Item};
use icecore::stream::{ContentWriter, Cutter};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Number of notes, those of the ledger aside.
fn notes(store: &Arc<Memory>) -> usize {
    let repository = open(store.clone());
    let tells = |listed: &Listed| {
        let (plain, _) = repository.open_object(&listed.handle).unwrap();
        let note: Note = record::decode(&plain, "a note").unwrap();
        !matches!(note.about, About::Verified(_))
    };
    store.list(ObjectKind::Note).unwrap().iter().filter(|listed| tells(listed)).count()
}

fn flip(store: &Memory, handle: &Handle) -> Vec<u8> {
    let good = store.get(handle, None).unwrap();
    let mut bytes = good.clone();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 1;
    replace(store, handle, &bytes);
    good
}

/// What a check has read and found wrong is noted once; a backup then stores it again, whole, and
/// files that did not change are no exception; once the good bytes are back and were read, the
/// note is withdrawn.
#[test]
fn damage_is_noted_once_and_withdrawn() {
    let fixture = Fixture::of(41, 160_000, 30_000);
    let store = fixture.copied();
    let repo = temp(store.clone()).unwrap();
    let handle = fixture.object(Class::Pack(BlobKind::Data, true));
    let good = flip(&store, &handle);
    assert!(!repo.check().is_healthy());
    assert_eq!(notes(&store), 1);
    repo.check();
    assert_eq!(notes(&store), 1);
    // Without reading, a check goes by the note.
    let plain = check(&repo.repository, CheckOptions::default(), &Silent).unwrap();
    assert!(!plain.touched.is_empty());

    let copy = Arc::new(Memory::new());
    crate::common::stores::copy_into(&*store, &*copy);
    let healed = temp(copy).unwrap();
    let again = healed.backup(vec![fixture.tree.source("/data")]).unwrap();
    assert!(again.snapshot.summary.whole.blobs > 0 && !again.incomplete);
    is_whole(&healed, &again.snapshot, "/data", &fixture.tree, "noted").unwrap();
    let plain = check(&healed.repository, CheckOptions::default(), &Silent).unwrap();
    let newest = plain.touched.iter().find(|touched| touched.snapshot == again.snapshot.id);
    assert_eq!(newest, None);

    replace(&store, &handle, &good);
    let report = repo.check();
    assert!(report.is_healthy(), "{:#?}", report.findings);
    assert_eq!(notes(&store), 2);
    assert!(repo.repository.noted_damage().unwrap().all().is_empty());
    let after = repo.backup(vec![fixture.tree.source("/data")]).unwrap().snapshot;
    assert_eq!(after.summary.chunks_new, 0);
}

/// A backup that reads damage while it looks for a base says so, is not complete, and notes it:
/// the one after it is whole.
#[test]
fn a_base_that_a_backup_finds_damaged_is_noted() {
    let fixture = Fixture::of(42, 160_000, 30_000);
    let store = fixture.copied();
    let repo = temp(store.clone()).unwrap();
    let handle = fixture.object(Class::Pack(BlobKind::Data, true));
    for byte in (500..store.size(&handle).unwrap() as usize - 500).step_by(4000) {
        let mut bytes = store.get(&handle, None).unwrap();
        bytes[byte] ^= 1;
        replace(&store, &handle, &bytes);
    }
    let mut tree = fixture.tree.clone();
    let mut db = tree.bytes("db");
    db.iter_mut().step_by(9_000).for_each(|byte| *byte ^= 2);
    tree.put("db", db);
    let told = Recording::default();
    let met = backup(&repo.repository, vec![tree.source("/data")], &options(), &told).unwrap();
    assert!(met.incomplete);
    assert!(told.heard().iter().any(|line| line.contains("may rest on it")), "{:?}", told.heard());
    assert_eq!(notes(&store), 1);
    assert!(repo.read(&met.snapshot, "/data/db").unwrap() == tree.bytes("db"));
    let next = repo.backup(vec![tree.source("/data")]).unwrap();
    assert!(!next.incomplete);
    for path in ["db", "still"] {
        // What nobody has read yet may be damaged all the same.
        repo.check();
        let next = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
        assert!(repo.read(&next, &format!("/data/{path}")).unwrap() == tree.bytes(path));
    }
}

/// Where nothing can be written, damage is found and told, and the missing note is no second fault.
#[test]
fn a_store_that_takes_no_notes_is_told_of() {
    let fixture = Fixture::of(43, 160_000, 30_000);
    let store = fixture.copied();
    flip(&store, &fixture.object(Class::Pack(BlobKind::Data, true)));
    let lens = Arc::new(Lens::new(store.clone(), |_, listed| listed));
    lens.read_only.store(true, Ordering::SeqCst);
    let repository = open(lens);
    let told = Recording::default();
    let options = CheckOptions { read_data: ReadData::All };
    let report = check(&repository, options, &told).unwrap();
    assert!(!report.is_healthy());
    let about = |line: &&String| line.contains("note what is damaged");
    assert_eq!(told.heard().iter().filter(about).count(), 1, "{:?}", told.heard());
    assert!(!report.findings.iter().any(|finding| finding.to_string().contains("note what")));
    assert_eq!(notes(&store), 0);
}

fn open(backend: Arc<dyn Backend>) -> Repository {
    let (env, _) = icecore::env::Env::seeded(602, icecore::env::Time(2_000_000_000_000_000_000));
    Repository::open(backend, env, &crate::common::repo::secret()).unwrap()
}

/// A listing that lags: what it does not show is stored again and not noted as lost, and a check
/// that asks for it finds nothing wrong.
#[test]
fn what_a_lagging_listing_hides_is_stored_again() {
    let fixture = Fixture::of(44, 160_000, 30_000);
    let store = fixture.copied();
    let hidden = fixture.object(Class::Pack(BlobKind::Data, true));
    let lens = Lens::new(store.clone(), {
        let hidden = hidden.clone();
        move |_, listed| listed.into_iter().filter(|object| object.handle != hidden).collect()
    });
    let repo = temp_over(Arc::new(lens));
    let report = repo.check();
    assert!(report.is_healthy(), "{:#?}", report.findings);
    let again = repo.backup(vec![fixture.tree.source("/data")]).unwrap().snapshot;
    assert!(again.summary.chunks_new > 0);
    assert_eq!(notes(&store), 0);
    store.delete(&hidden).unwrap();
    is_whole(&repo, &again, "/data", &fixture.tree, "hidden").unwrap();
}

/// A listing that still shows a pack which is gone: nothing is noted, since nothing was read;
/// check names what is lost, and once the listing is right, the next backup heals it.
#[test]
fn a_ghost_in_a_listing_is_found_by_check() {
    let fixture = Fixture::of(45, 160_000, 30_000);
    let store = fixture.copied();
    let handle = fixture.object(Class::Pack(BlobKind::Data, true));
    let ghosts = store.list(ObjectKind::Pack).unwrap();
    store.delete(&handle).unwrap();
    let lens = Lens::new(store.clone(), move |kind, listed| match kind {
        ObjectKind::Pack => ghosts.clone(),
        _ => listed,
    });
    let report = temp_over(Arc::new(lens)).check();
    assert!(!report.touched.is_empty(), "{:#?}", report.findings);
    assert_eq!(notes(&store), 0);
    let repo = temp(store).unwrap();
    let next = repo.backup(vec![fixture.tree.source("/data")]).unwrap().snapshot;
    is_whole(&repo, &next, "/data", &fixture.tree, "a ghost").unwrap();
}

fn temp_over(backend: Arc<dyn Backend>) -> TempRepo {
    let (env, clock) =
        icecore::env::Env::seeded(603, icecore::env::Time(2_000_000_000_000_000_000));
    let secret = crate::common::repo::secret();
    let repository = Repository::open(backend.clone(), env.clone(), &secret).unwrap();
    TempRepo { backend, env, clock, repository, damaged: true }
}

/// A pack that goes while a backup runs: the backup that had counted on it cannot know, and the
/// next one stores what it held again.
#[test]
fn a_pack_lost_under_way_is_stored_by_the_next() {
    let fixture = Fixture::of(46, 160_000, 30_000);
    let store = fixture.copied();
    let handle = fixture.object(Class::Pack(BlobKind::Data, true));
    let repo = temp(store.clone()).unwrap();
    let mut all = vec![Item::Enter(folder("data"))];
    for path in ["db", "still"] {
        let (bytes, store, handle) = (fixture.tree.bytes(path), store.clone(), handle.clone());
        all.push(Item::File(FileItem::new(
            entry(path),
            None,
            Box::new(move || {
                store.delete(&handle)?;
                let runs = vec![Run::Bytes(Arc::new(bytes))];
                Ok(Box::new(MemoryStream { runs: runs.into(), at: 0 }) as _)
            }),
        )));
    }
    all.push(Item::Leave);
    repo.backup(vec![items("/data", all)]).unwrap();
    let next = repo.backup(vec![fixture.tree.source("/data")]).unwrap().snapshot;
    is_whole(&repo, &next, "/data", &fixture.tree, "under way").unwrap();
}

/// A chunk that two writers stored is known as long as one of their packs is there; a backup lists
/// the packs once.
#[test]
fn another_pack_will_do() {
    let store = Arc::new(Memory::new());
    let counting = Arc::new(Counting::new(store.clone()));
    let mut repo = TempRepo::over(counting.clone(), 47);
    let mut tree = Tree::default();
    tree.put("a", Chance::new(47).noise(90_000));
    let mut other = crate::common::forge::session(&repo);
    let index = other.index().clone();
    let reader = Reader::new(&repo.repository, &index);
    let cutter = Cutter::new(&repo.repository).unwrap();
    let bytes = tree.bytes("a");
    ContentWriter::new(&mut other, &reader, &cutter).write_small(&[(&bytes, None)]).unwrap();
    repo.backup(vec![tree.source("/data")]).unwrap();
    let first: Vec<Handle> =
        store.list(ObjectKind::Pack).unwrap().into_iter().map(|object| object.handle).collect();
    other.abandon().unwrap();
    let index = repo.repository.load_index().unwrap();
    let data = index.places().find(|place| place.kind == BlobKind::Data).unwrap().id;
    let of_data = index.places().filter(|place| place.id == data).map(|place| place.pack);
    let lost = of_data.map(Handle::pack).find(|pack| first.contains(pack)).unwrap();
    store.delete(&lost).unwrap();
    repo.damaged = true;
    let before = counting.tally(Verb::List, ObjectKind::Pack).calls;
    let next = repo.backup(vec![tree.source("/data")]).unwrap().snapshot;
    assert_eq!(counting.tally(Verb::List, ObjectKind::Pack).calls - before, 1);
    assert_eq!(next.summary.chunks_new, 0);
    is_whole(&repo, &next, "/data", &tree, "another pack").unwrap();
}

/// A check that does not read data looks further where the end of a pack is damaged: the next backup
/// counts on nothing of it, and is whole; and what nothing needs any more is no error then.
#[test]
fn a_check_without_data_looks_further_where_it_meets_damage() {
    let cli = crate::common::cli::Cli::new();
    std::fs::write(cli.path("src/noise"), blake3::hash(b"noise").as_bytes().repeat(40)).unwrap();
    cli.backup();
    let mut packs = crate::damage::known::walkdir(&cli.path("repo/packs"));
    packs.sort_by_key(|pack| std::fs::metadata(pack).unwrap().len());
    let largest = packs.pop().unwrap();
    let length = usize::try_from(std::fs::metadata(&largest).unwrap().len()).unwrap();
    std::fs::remove_file(&largest).unwrap();
    std::fs::write(&largest, vec![0; length]).unwrap();
    cli.run(&["check"]).code(1);
    cli.backup();
    cli.run(&["restore", "latest", "-t", "out"]).success();
    cli.run(&["check"]).success();
    let said = cli.says(&["check", "--read-data"]);
    assert!(said.contains("none of which a snapshot needs"), "{said}");
}

/// A listing that shows a withdrawal, and not yet the note that took the place of what it withdraws,
/// loses no damage.
#[test]
fn a_withdrawal_is_heeded_with_what_came_before_it() {
    let store = Arc::new(Memory::new());
    let mut repo = TempRepo::over(store.clone(), 47);
    // Of packs that never were.
    repo.damaged = true;
    let damage = |packs: &[u8]| Damage {
        packs: packs.iter().map(|byte| PackId([*byte; 32])).collect(),
        ..Damage::default()
    };
    repo.repository.settle_damage(&NotedDamage::default(), &damage(&[1, 2])).unwrap();
    let first = store.list(ObjectKind::Note).unwrap();
    let noted = repo.repository.noted_damage().unwrap();
    repo.repository.settle_damage(&noted, &damage(&[1])).unwrap();
    let mut later = store.list(ObjectKind::Note).unwrap();
    later.retain(|object| !first.contains(object));
    assert_eq!((first.len(), later.len()), (1, 2));
    for late in later {
        let seen = AtomicBool::new(false);
        let lens = Lens::new(store.clone(), move |kind, mut listed| {
            if kind == ObjectKind::Note && !seen.swap(true, Ordering::SeqCst) {
                listed.retain(|object| object.handle != late.handle);
            }
            listed
        });
        let all = open(Arc::new(lens)).noted_damage().unwrap().all();
        assert!(all.packs.contains(&PackId([1; 32])), "{all:?}");
    }
}
