//! Prune: room is given back, and nothing that anybody needs.

mod chains;
mod histories;
mod interrupted;
mod missing;
mod others;
mod outcomes;
mod program;
mod room;
mod thieves;

use crate::common::chance::Chance;
use crate::common::memory::Tree;
use crate::common::repo::TempRepo;
use icecore::backend::Backend;
use icecore::env::Env;
use icecore::error::Result;
use icecore::format::ObjectKind;
use icecore::format::snapshot::Snapshot;
use icecore::monitor::Silent;
use icecore::ops::prune::{PlanLimits, PruneOptions, PruneReport, Unused, prune};
use icecore::repo::Repository;
use std::sync::Arc;

/// Everything is written anew that is not fully used, and small packs are merged.
pub fn thorough() -> PruneOptions {
    let limits = PlanLimits { unused: Unused::Bytes(0), repack: Some(u64::MAX) };
    PruneOptions { limits, host: "host".into(), tool: "test".into(), ..PruneOptions::default() }
}

pub fn pruned(repository: &Repository) -> Result<PruneReport> {
    prune(repository, &thorough(), &Silent)
}

/// Bytes of all objects of a kind.
pub fn bytes_of(store: &dyn Backend, kind: ObjectKind) -> u64 {
    store.list(kind).unwrap().iter().map(|object| object.size).sum()
}

pub fn open(store: &Arc<dyn Backend>, env: &Env) -> Repository {
    Repository::open(store.clone(), env.clone(), &crate::common::repo::secret()).unwrap()
}

/// A repository with snapshots of a tree that changes, and what is in each.
pub struct Past {
    pub repo: TempRepo,
    pub trees: Vec<(Snapshot, Tree)>,
    pub tree: Tree,
    pub chance: Chance,
}

impl Past {
    /// So many snapshots of a database of rows and of files that come and go.
    pub fn over(store: Arc<dyn Backend>, seed: u64, hours: usize) -> Self {
        let mut chance = Chance::new(seed);
        let mut tree = Tree::default();
        tree.put("db", chance.rows(120_000));
        let repo = TempRepo::over(store, seed);
        let mut past = Past { repo, trees: Vec::new(), tree, chance };
        for _ in 0..hours {
            past.change();
            past.back_up();
        }
        past
    }

    /// An hour passes: some rows differ, a file is new.
    pub fn change(&mut self) {
        let mut db = self.tree.bytes("db");
        for _ in 0..3 {
            let at = self.chance.below(db.len() - 2000);
            let row = self.chance.rows(1000);
            db[at..at + row.len()].copy_from_slice(&row);
        }
        self.tree.put("db", db);
        let name = format!("files/{}", self.chance.below(4));
        let bytes = self.chance.noise(20_000);
        self.tree.put(&name, bytes);
    }

    pub fn back_up(&mut self) {
        let report = self.repo.backup(vec![self.tree.source("/data")]).unwrap();
        self.trees.push((report.snapshot, self.tree.clone()));
    }

    /// Gives a snapshot up.
    pub fn forget(&mut self, at: usize) {
        let (snapshot, _) = self.trees.remove(at);
        let snapshots = self.repo.repository.snapshots(|error| panic!("{error}")).unwrap();
        let key = *snapshots.keys().find(|key| key.id == snapshot.id).unwrap();
        self.repo.repository.forget(&key).unwrap();
    }

    /// Every snapshot that was not given up is whole, byte for byte.
    pub fn is_whole(&self) {
        let repository = self.repo.reopen().unwrap();
        let listed = repository.snapshots(|error| panic!("{error}")).unwrap();
        assert_eq!(listed.len(), self.trees.len());
        for (snapshot, tree) in &self.trees {
            for path in tree.files.keys() {
                let read = TempRepo::read_from(&repository, snapshot, &format!("/data/{path}"));
                assert!(read.unwrap() == tree.bytes(path), "{path} of {}", snapshot.id);
            }
        }
    }

    pub fn prune(&self) -> PruneReport {
        let report = pruned(&self.repo.reopen().unwrap()).unwrap();
        assert!(report.troubles.is_empty(), "{:?}", report.troubles);
        report
    }

    pub fn packs(&self) -> u64 {
        bytes_of(&*self.repo.backend, ObjectKind::Pack)
    }
}
