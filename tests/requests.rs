//! How many requests of each sort the verbs make of a store that is far away, and how many of them
//! have to be waited for one after the other.

use crate::common::chance::Chance;
use crate::common::memory::Tree;
use crate::common::repo::{TempRepo, options, secret};
use icecore::backend::Memory;
use icecore::backend::testing::{Asked, Manners, Remote};
use icecore::env::Env;
use icecore::monitor::Silent;
use icecore::ops::backup::backup;
use icecore::ops::check::{CheckOptions, ReadData, check};
use icecore::ops::restore::{RestoreOptions, restore};
use icecore::repo::{Reader, Repository};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A repository in a store that is far away, and what it is asked.
struct Far {
    remote: Arc<Remote>,
    repo: TempRepo,
}

impl Far {
    fn new(seed: u64) -> Self {
        let latency = Duration::from_millis(25);
        let manners = Manners { latency, ..Manners::default() };
        let remote = Arc::new(Remote::new(Arc::new(Memory::new()), manners, Env::real(), seed));
        let repo = TempRepo::over(remote.clone(), seed);
        Far { remote, repo }
    }

    fn open(&self, cache: &Path) -> Repository {
        let opened = Repository::open(self.remote.clone(), self.repo.env.clone(), &secret());
        opened.unwrap().with_cache(cache)
    }

    /// What is done, and what was asked for it; printed.
    fn asked(&self, what: &str, act: impl FnOnce()) -> Requests {
        self.remote.take_log();
        act();
        let requests = Requests(self.remote.take_log());
        println!("{what}: {requests:?}");
        requests
    }
}

struct Requests(Vec<Asked>);

impl Requests {
    /// How many, but for those of packs.
    fn small(&self) -> usize {
        self.0.iter().filter(|asked| !asked.what.contains("packs/")).count()
    }

    /// So many in all, and so many one after the other; up to half as many more of the latter where a busy
    /// machine makes them late.
    fn are_at_most(&self, all: usize, rounds: u64) {
        assert!(self.all() <= all && self.rounds() <= rounds + rounds.div_ceil(2), "{self:?}");
    }

    fn all(&self) -> usize {
        self.0.len()
    }

    fn rounds(&self) -> u64 {
        self.0.iter().map(|asked| asked.round).max().unwrap_or_default()
    }
}

impl std::fmt::Debug for Requests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} requests, {} without packs, {} rounds",
            self.all(),
            self.small(),
            self.rounds()
        )?;
        let mut sorts: BTreeMap<String, (usize, Vec<u64>)> = BTreeMap::new();
        for Asked { what, round } in &self.0 {
            let sort = what.split('/').next().unwrap_or_default().to_owned();
            let (count, rounds) = sorts.entry(sort).or_default();
            *count += 1;
            rounds.push(*round);
        }
        for (sort, (count, mut rounds)) in sorts {
            rounds.dedup();
            writeln!(f, "  {count:3} {sort} in {rounds:?}")?;
        }
        Ok(())
    }
}

/// An hourly backup from a machine that has made the one before lists and reads each sort of object once; so do
/// a list of snapshots, a check and a restore, and what need not wait is asked for at once.
#[test]
fn requests_of_each_verb() {
    let far = Far::new(1);
    let folder = tempfile::tempdir().unwrap();
    let cache = &folder.path().join("cache");
    let (mut tree, mut chance) = (Tree::default(), Chance::new(41));
    let mut db = chance.rows(20 << 20);
    let mut last = None;
    for hour in 0..5 {
        tree.put("db", db.clone());
        let requests = far.asked(&format!("backup of hour {hour}"), || {
            let repository = far.open(cache).keeping_packs();
            far.repo.clock.advance(3600);
            let report = backup(&repository, vec![tree.source("/data")], &options(), &Silent);
            last = Some(report.unwrap().snapshot);
        });
        for _ in 0..30 {
            let at = chance.below(db.len() - 2000);
            db[at..at + 500].copy_from_slice(&chance.rows(500));
        }
        assert!(requests.small() <= 12, "{requests:?}");
    }
    let fresh = &folder.path().join("fresh");
    let list = |cache: &Path| {
        let snapshots = far.open(cache);
        let snapshots = snapshots.snapshots(|error| panic!("{error}")).unwrap();
        assert_eq!(snapshots.all().unwrap().len(), 5);
    };
    far.asked("open", || drop(far.open(cache))).are_at_most(3, 2);
    far.asked("snapshots cold", || list(fresh)).are_at_most(12, 5);
    far.asked("snapshots warm", || list(fresh)).are_at_most(7, 4);
    for (read_data, most, rounds) in [(ReadData::Nothing, 43, 13), (ReadData::All, 43, 15)] {
        let requests = far.asked(&format!("check {read_data:?}"), || {
            let report = check(&far.open(cache), CheckOptions { read_data }, &Silent).unwrap();
            assert!(report.is_healthy(), "{:?}", report.findings);
        });
        requests.are_at_most(most, rounds);
    }
    let requests = far.asked("restore cold", || {
        let repository = far.open(&folder.path().join("none"));
        let index = repository.load_index().unwrap();
        let reader = Reader::new(&repository, &index);
        let (mut options, target) = (RestoreOptions::default(), folder.path().join("restored"));
        let report = restore(&reader, &last.unwrap(), None, &target, &mut options, &Silent);
        assert_eq!(report.unwrap().failed, 0);
    });
    requests.are_at_most(24, 9);
}
