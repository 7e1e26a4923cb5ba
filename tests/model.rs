//! A seeded walk through the life of a repository, held against plain copies of every state.

use crate::common::chance::Chance;
use crate::common::memory::{Run, Tree, stream};
use crate::common::repo::TempRepo;
use icecore::format::snapshot::Snapshot;
use icecore::monitor::Silent;
use icecore::ops::restore::{RestoreOptions, restore};
use icecore::repo::Reader;
use std::sync::Arc;

const STEPS: usize = 30;

/// Whatever is edited, backed up, forgotten and opened again, in whatever order: each snapshot
/// that was not given up gives back, byte by byte, the state that it was made of.
#[test]
fn every_snapshot_is_the_state_it_was_made_of() {
    for seed in 0..12 {
        // The thread's name stands in its panic.
        let life = std::thread::Builder::new().name(format!("seed {seed}"));
        life.spawn(move || live(seed)).unwrap().join().unwrap();
    }
}

fn live(seed: u64) {
    let mut model = Model::new(seed);
    for _ in 0..STEPS {
        model.step();
    }
    model.compare_all();
}

/// A state that was backed up.
struct Kept {
    snapshot: Snapshot,
    tree: Tree,
    database: Option<Vec<u8>>,
}

struct Model {
    repo: TempRepo,
    chance: Chance,
    tree: Tree,
    database: Vec<u8>,
    kept: Vec<Kept>,
    made: u64,
}

impl Model {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let database = chance.rows(700_000);
        let tree = Tree::default();
        let mut model =
            Model { repo: TempRepo::new(seed), chance, tree, database, kept: Vec::new(), made: 0 };
        for _ in 0..12 {
            model.new_file();
        }
        model
    }

    fn step(&mut self) {
        match self.chance.below(10) {
            0..=4 => self.backup(),
            5 => self.forget(),
            6 | 7 => self.compare_one(),
            8 => self.restore_one(),
            _ => self.repo.repository = self.repo.reopen().unwrap(),
        }
        for _ in 0..self.chance.below(5) {
            self.edit();
        }
    }

    fn edit(&mut self) {
        match self.chance.below(9) {
            0 => self.new_file(),
            1 => self.delete(),
            2 => self.rename(),
            3 | 4 => self.edit_database(),
            _ => self.edit_file(),
        }
    }

    fn new_file(&mut self) {
        let folder = ["", "a/", "a/b/", "c/", "c/d/e/"][self.chance.below(5)];
        self.made += 1;
        let path = format!("{folder}f{}", self.made);
        let runs = match self.chance.below(8) {
            0 => vec![],
            1 => self.sparse(),
            2 => vec![self.noise(1 << 20)],
            3 => vec![Run::Bytes(Arc::new(self.chance.rows(600_000)))],
            4 => vec![self.noise(300_000)],
            _ => vec![self.noise(5000)],
        };
        self.tree.files.insert(path.clone(), runs);
        self.touch(&path);
    }

    fn noise(&mut self, most: usize) -> Run {
        let length = 1 + self.chance.below(most);
        Run::Bytes(Arc::new(self.chance.noise(length)))
    }

    fn sparse(&mut self) -> Vec<Run> {
        let mut runs = Vec::new();
        for _ in 0..1 + self.chance.below(4) {
            runs.push(Run::Hole(1 + self.chance.number() % 900_000));
            runs.push(self.noise(100_000));
        }
        runs
    }

    /// A new modification time, which some file systems do not settle at once.
    fn touch(&mut self, path: &str) {
        self.made += 1;
        match self.chance.below(3) {
            0 => self.tree.stamps.remove(path),
            _ => self.tree.stamps.insert(path.to_owned(), i64::try_from(self.made).unwrap()),
        };
    }

    fn any_path(&mut self) -> String {
        let at = self.chance.below(self.tree.files.len());
        self.tree.files.keys().nth(at).unwrap().clone()
    }

    fn delete(&mut self) {
        if self.tree.files.len() > 4 {
            let path = self.any_path();
            self.tree.files.remove(&path);
            self.tree.stamps.remove(&path);
        }
    }

    fn rename(&mut self) {
        let path = self.any_path();
        self.made += 1;
        let new = format!("renamed/f{}", self.made);
        let runs = self.tree.files.remove(&path).unwrap();
        self.tree.files.insert(new.clone(), runs);
        if let Some(stamp) = self.tree.stamps.remove(&path) {
            self.tree.stamps.insert(new, stamp);
        }
    }

    fn edit_file(&mut self) {
        let path = self.any_path();
        let mut bytes = self.tree.bytes(&path);
        change(&mut self.chance, &mut bytes);
        self.tree.put(&path, bytes);
        self.touch(&path);
    }

    fn edit_database(&mut self) {
        for _ in 0..3 {
            change(&mut self.chance, &mut self.database);
        }
    }

    fn backup(&mut self) {
        let with_database = self.chance.below(4) > 0;
        let mut sources = vec![self.tree.source("/data")];
        if with_database {
            sources.push(stream("/db", self.database.clone()));
        }
        let report = self.repo.backup(sources).unwrap();
        assert!(!report.incomplete);
        self.kept.push(Kept {
            snapshot: report.snapshot,
            tree: self.tree.clone(),
            database: with_database.then(|| self.database.clone()),
        });
    }

    fn forget(&mut self) {
        if self.kept.is_empty() {
            return;
        }
        let at = self.chance.below(self.kept.len());
        let given_up = self.kept.swap_remove(at).snapshot.id;
        let stored = self.stored();
        let found = stored.iter().find(|stored| stored.snapshot.id == given_up).unwrap();
        assert!(self.repo.repository.forget(&found.key()).unwrap());
    }

    fn stored(&self) -> Vec<icecore::repo::StoredSnapshot> {
        self.repo.repository.snapshots(|error| panic!("{error}")).unwrap().all().unwrap()
    }

    fn compare_one(&mut self) {
        if !self.kept.is_empty() {
            let at = self.chance.below(self.kept.len());
            self.compare(&self.kept[at]);
        }
    }

    fn compare_all(&self) {
        let mut stored: Vec<_> =
            self.stored().into_iter().map(|stored| stored.snapshot.id).collect();
        let mut kept: Vec<_> = self.kept.iter().map(|kept| kept.snapshot.id).collect();
        stored.sort();
        kept.sort();
        assert_eq!(stored, kept);
        self.kept.iter().for_each(|kept| self.compare(kept));
    }

    fn compare(&self, kept: &Kept) {
        for path in kept.tree.files.keys() {
            let bytes = self.repo.read(&kept.snapshot, &format!("/data/{path}")).unwrap();
            assert!(bytes == kept.tree.bytes(path), "{path}");
        }
        if let Some(database) = &kept.database {
            assert!(self.repo.read(&kept.snapshot, "/db").unwrap() == *database);
        }
    }

    fn restore_one(&mut self) {
        if self.kept.is_empty() {
            return;
        }
        let kept = &self.kept[self.chance.below(self.kept.len())];
        let target = tempfile::tempdir().unwrap();
        let index = self.repo.repository.load_index().unwrap();
        let reader = Reader::new(&self.repo.repository, &index);
        let mut options = RestoreOptions { verify: true, ..Default::default() };
        let report =
            restore(&reader, &kept.snapshot, None, target.path(), &mut options, &Silent).unwrap();
        let files = kept.tree.files.len() + usize::from(kept.database.is_some());
        assert_eq!((report.failed, report.verified), (0, u64::try_from(files).unwrap()));
        for path in kept.tree.files.keys() {
            let bytes = std::fs::read(target.path().join("data").join(path)).unwrap();
            assert!(bytes == kept.tree.bytes(path), "{path}");
        }
    }
}

/// A few bytes overwritten, inserted, removed, appended or cut off.
fn change(chance: &mut Chance, bytes: &mut Vec<u8>) {
    let at = chance.below(bytes.len() + 1);
    let length = 1 + chance.below(200);
    let new = chance.noise(length);
    let end = (at + length).min(bytes.len());
    match chance.below(6) {
        0 => drop(bytes.splice(at..at, new)),
        1 => drop(bytes.drain(at..end)),
        2 => bytes.extend(new),
        3 => bytes.truncate(at.max(bytes.len() / 2)),
        _ => drop(bytes.splice(at..end, new.into_iter().take(end - at))),
    }
}
