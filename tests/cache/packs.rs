//! Packs that are kept on this machine for a store that is far away.

use crate::common::chance::Chance;
use crate::common::cli::Cli;
use crate::common::memory::Tree;
use crate::common::repo::{TempRepo, content, options, secret};
use icecore::backend::testing::{Manners, Remote};
use icecore::backend::{Backend, Counting, Handle, Memory, PackCache, Verb};
use icecore::env::{Env, Time};
use icecore::format::ObjectKind;
use icecore::id::PackId;
use icecore::monitor::Silent;
use icecore::ops::backup::backup;
use icecore::repo::{Reader, Repository};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A store that is far away, and a repository in it.
fn far(seed: u64) -> (Arc<Counting<Remote>>, TempRepo) {
    let (env, _) = Env::seeded(seed, Time(0));
    let remote = Remote::new(Arc::new(Memory::new()), Manners::default(), env, seed);
    let store = Arc::new(Counting::new(remote));
    (store.clone(), TempRepo::over(store, seed))
}

fn open(repo: &TempRepo, folder: &Path) -> Repository {
    repo.reopen().unwrap().with_cache(folder).keeping_packs()
}

fn kept(folder: &Path) -> Vec<PathBuf> {
    let mut folders = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let packs = folders.find(|path| path.is_dir()).unwrap().join("packs");
    let mut files: Vec<PathBuf> =
        fs::read_dir(packs).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn hour(tree: &mut Tree, chance: &mut Chance) {
    let mut db = tree.bytes("db");
    let at = chance.below(db.len() - 2000);
    db[at..at + 1000].copy_from_slice(&chance.rows(1000));
    tree.put("db", db);
}

/// Backups from one machine read no pack from the store: trees of the parent and bases of deltas are here. What
/// they store is what they store without, and it is read from here as well.
#[test]
fn backups_read_no_packs() {
    let (store, repo) = far(41);
    let folder = tempfile::tempdir().unwrap();
    let (mut tree, mut chance) = (Tree::default(), Chance::new(41));
    tree.put("db", chance.rows(400_000));
    for _ in 0..4 {
        let repository = open(&repo, folder.path());
        store.reset();
        let report = backup(&repository, vec![tree.source("/data")], &options(), &Silent).unwrap();
        assert_eq!(store.tally(Verb::Get, ObjectKind::Pack).calls, 0);
        let reader_repository = open(&repo, folder.path());
        let index = reader_repository.load_index().unwrap();
        let reader = Reader::new(&reader_repository, &index);
        assert!(content(&reader, &report.snapshot, "/data/db").unwrap() == tree.bytes("db"));
        assert_eq!(store.tally(Verb::Get, ObjectKind::Pack).calls, 0);
        hour(&mut tree, &mut chance);
    }
    assert!(kept(folder.path()).len() > 4);
}

/// A kept file that is damaged, cut or longer is read from the store instead, and removed; so is one
/// whose folder somebody has deleted.
#[test]
fn what_is_wrong_here_comes_from_the_store() {
    let spoils: [fn(&Path); 4] = [
        |file| {
            let mut bytes = fs::read(file).unwrap();
            let at = bytes.len() / 2;
            bytes[at] ^= 1;
            fs::write(file, bytes).unwrap();
        },
        |file| fs::write(file, &fs::read(file).unwrap()[..100]).unwrap(),
        |file| fs::write(file, [fs::read(file).unwrap(), vec![0; 9]].concat()).unwrap(),
        |file| fs::remove_file(file).unwrap(),
    ];
    for (number, spoil) in (50..).zip(spoils) {
        let (store, repo) = far(number);
        let folder = tempfile::tempdir().unwrap();
        let (mut tree, mut chance) = (Tree::default(), Chance::new(number));
        tree.put("db", chance.rows(200_000));
        let source = vec![tree.source("/data")];
        let report = backup(&open(&repo, folder.path()), source, &options(), &Silent).unwrap();
        kept(folder.path()).iter().for_each(|file| spoil(file));
        store.reset();
        let repository = open(&repo, folder.path());
        let index = repository.load_index().unwrap();
        let reader = Reader::new(&repository, &index);
        assert!(content(&reader, &report.snapshot, "/data/db").unwrap() == tree.bytes("db"));
        assert!(store.tally(Verb::Get, ObjectKind::Pack).calls > 0);
        assert_eq!(kept(folder.path()), Vec::<PathBuf>::new());
    }
}

/// No more is kept than there is room for; what was used last stays.
#[test]
fn the_room_is_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Counting::new(Memory::new()));
    let pack = |number: u8| {
        let bytes = vec![number; 1000];
        (Handle::pack(PackId(*blake3::hash(&bytes).as_bytes())), bytes)
    };
    for number in 0..10 {
        // Each time another process, as far as the cache knows.
        let cache = PackCache::new(store.clone(), folder.path(), 3500);
        let (handle, bytes) = pack(number);
        cache.put_new(&handle, &bytes).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(20));
        if let Some((first, _)) = Some(pack(0)) {
            assert_eq!(cache.get(&first, Some(0..10)).unwrap(), [0; 10]);
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert!(fs::read_dir(folder.path()).unwrap().count() <= 3, "after {number}");
    }
    assert_eq!(store.tally(Verb::Get, ObjectKind::Pack).calls, 0, "the first was used each time");
    let cache = PackCache::new(store.clone(), folder.path(), 3500);
    assert_eq!(cache.get(&pack(3).0, Some(0..10)).unwrap(), [3; 10]);
    assert_eq!(store.tally(Verb::Get, ObjectKind::Pack).calls, 1);
    cache.delete(&pack(0).0).unwrap();
    assert!(cache.get(&pack(0).0, Some(0..10)).is_err(), "what was deleted is not here either");
}

/// A store that is near needs no packs here; and where nothing can be written, nothing is kept, and
/// nothing fails.
#[test]
fn a_cache_that_is_not_to_be_had_is_no_trouble() {
    let near = TempRepo::new(42);
    let folder = tempfile::tempdir().unwrap();
    let mut tree = Tree::default();
    tree.put("a", vec![1; 5000]);
    let repository = near.reopen().unwrap().with_cache(folder.path()).keeping_packs();
    backup(&repository, vec![tree.source("/data")], &options(), &Silent).unwrap();
    let made =
        fs::read_dir(folder.path()).unwrap().flatten().any(|it| it.path().join("packs").exists());
    assert!(!made);

    let (_, repo) = far(43);
    fs::write(folder.path().join("file"), "").unwrap();
    let repository = Repository::open(repo.backend.clone(), repo.env.clone(), &secret()).unwrap();
    let repository = repository.with_cache(&folder.path().join("file/below")).keeping_packs();
    backup(&repository, vec![tree.source("/data")], &options(), &Silent).unwrap();
}

/// `cache` shows what is kept of each repository and removes it, without a password, and nothing else in that
/// folder; what is removed is read again.
#[test]
fn the_cache_is_shown_and_cleared() {
    let cli = Cli::new();
    (0..3).for_each(|_| drop(cli.backup()));
    cli.run(&["ls", "latest"]).success();
    let shown = cli.json(&["cache"]);
    let id = shown[0]["repository"].as_str().unwrap().to_owned();
    assert!(shown[0]["index"].as_u64().unwrap() > 0 && shown[0]["records"].as_u64().unwrap() > 0);
    assert_eq!(shown[0]["packs"], 0);
    fs::write(cli.path("cache/mine"), "stays").unwrap();
    let other = if id.starts_with('0') { "1" } else { "0" };
    cli.run(&["cache", "--clear", other]).code(1);
    let cleared = cli.says(&["cache", "--clear", &id[..8]]);
    assert!(cleared.contains("removed 1 cache in"), "{cleared}");
    assert!(cli.path("cache/mine").exists() && !cli.path("cache").join(&id).exists());
    assert_eq!(cli.json(&["cache"]).len(), 1, "nothing but the summary");
    cli.run(&["snapshots"]).success();
    fs::remove_file(cli.path("cache/CACHEDIR.TAG")).unwrap();
    cli.run(&["cache", "--clear"]).failure();
    cli.run(&["check"]).success();
}
