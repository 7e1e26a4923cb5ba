//! Those who are at work: each runs the real operations, one process after the other.

use super::client::Client;
use super::promises::{ATTEMPT, GivenUp, Promises};
use super::world::World;
use crate::common::chance::Chance;
use crate::common::memory::Tree;
use crate::common::repo::content;
use crate::common::repo::{options, secret};
use icecore::backend::{Backend, Retry};
use icecore::env::{Env, Time};
use icecore::error::{Error, Kind, Result};
use icecore::id::SnapshotId;
use icecore::monitor::Silent;
use icecore::ops::backup::backup;
use icecore::ops::forget::{forget, plan, plan_by_policy};
use icecore::ops::prune::{Patience, PruneOptions, prune};
use icecore::ops::retention::{Period, Policy, Rule};
use icecore::ops::select::Filter;
use icecore::repo::{Reader, Repository};
use jiff::tz::TimeZone;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What an actor does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Backs up one of the hosts.
    Writer(usize),
    /// Prunes.
    Collector,
    /// Gives snapshots up.
    Forgetter,
    /// Reads snapshots.
    Reader,
    /// Holds snapshots, and lets them go.
    Holder,
}

/// One who is at work.
pub struct Actor {
    pub number: usize,
    pub role: Role,
    pub chance: Chance,
    pub world: Arc<World>,
    pub promises: Arc<Mutex<Promises>>,
    /// What the sources of a host are made of.
    pub pool: Arc<Vec<Vec<u8>>>,
    pub tree: Tree,
    /// Looks at the store past all troubles.
    pub quiet: Arc<Repository>,
    /// By how much the clock is wrong, in seconds.
    pub skew: i64,
}

/// A process: its clock, its way to the store, its repository.
struct Process {
    client: Arc<Client>,
    repository: Repository,
}

impl Actor {
    /// Operations one after the other, each of which leaves the promises kept.
    pub fn work(&mut self, operations: usize) {
        for number in 0..operations {
            let name = format!("{}-{number} {:?}", self.number, self.role);
            self.operate(name);
            let (removals, weather) = (self.world.removals(), self.world.weather);
            let mut promises = self.promises.lock().unwrap();
            if let Err(broken) = promises.verify(&self.quiet, removals, weather.keeps_last()) {
                self.world.fail(broken);
            }
            if self.world.broken().is_some() {
                return;
            }
        }
    }

    fn operate(&mut self, name: String) {
        self.world.pass(60);
        let start = Time(self.world.now().0 + self.skew * Time::SECOND);
        let (env, clock) = Env::seeded(self.chance.number(), start);
        self.world.add_clock(clock);
        let client = Arc::new(Client::new(&self.world, self.number, name.clone()));
        let store: Arc<dyn Backend> = match self.world.weather.retries {
            true => Arc::new(Retry::new(client.clone(), env.clone())),
            false => client.clone(),
        };
        self.world.say(format!("      {name} begins"));
        let done = Repository::open(store, env, &secret()).and_then(|repository| {
            let process = Process { client: client.clone(), repository };
            match self.role {
                Role::Writer(host) => self.back_up(host, &process),
                Role::Collector => self.collect(&process),
                Role::Forgetter => self.forget(&process),
                Role::Reader => self.read(&process),
                Role::Holder => self.hold(&process),
            }
        });
        match done {
            Ok(()) => self.world.say(format!("      {name} has ended")),
            Err(error) => {
                self.world.say(format!("      {name} has failed: {error}"));
                if !self.may_fail(&error, &client) {
                    self.world.fail(format!("{name}: {error}"));
                }
            }
        }
    }

    /// Nothing but trouble, or what others do, makes an operation fail; and nothing is ever taken for
    /// damage.
    fn may_fail(&self, error: &Error, client: &Client) -> bool {
        let weather = self.world.weather;
        let others = match self.role {
            Role::Writer(_) => matches!(error.kind(), Kind::Fenced),
            Role::Collector => matches!(error.kind(), Kind::Fenced) || weather.lag > 0,
            Role::Forgetter => {
                matches!(error.kind(), Kind::Refused | Kind::Locked | Kind::NotFound | Kind::Fenced)
            }
            Role::Reader => weather.lag > 0 && error.kind() == Kind::NotFound,
            Role::Holder => matches!(error.kind(), Kind::Refused | Kind::NotFound),
        };
        let alone = !weather.exclusive && matches!(error.kind(), Kind::Locked | Kind::Refused);
        others || alone || client.is_troubled() && error.kind() != Kind::Damaged
    }

    /// A host changes, and is backed up.
    fn back_up(&mut self, host: usize, process: &Process) -> Result<()> {
        change(&mut self.tree, &self.pool, &mut self.chance);
        let attempt = self.promises.lock().unwrap().begin(host, self.tree.clone());
        let mut options = options();
        options.host = format!("host-{host}");
        options.labels.insert(ATTEMPT.to_owned(), attempt.to_string());
        let source = vec![self.tree.source("/data")];
        let done = backup(&process.repository, source, &options, &Silent);
        let mut promises = self.promises.lock().unwrap();
        match done {
            Ok(report) => {
                promises.committed(attempt, report.snapshot.id);
                Ok(())
            }
            Err(error) => {
                if error.kind() == Kind::Fenced {
                    promises.fenced(attempt);
                }
                Err(error)
            }
        }
    }

    fn collect(&mut self, process: &Process) -> Result<()> {
        let mut options = PruneOptions { host: "host".into(), ..PruneOptions::default() };
        if self.chance.below(2) == 0 {
            options = crate::prune::thorough();
        }
        let wait = Duration::from_secs(if self.chance.below(3) == 0 { 10 } else { 0 });
        options.patience = Patience { wait, ..Patience::default() };
        options.exclusive = self.chance.below(2) == 0;
        let report = prune(&process.repository, &options, &Silent)?;
        if let Some(trouble) = report.troubles.first().filter(|_| !process.client.is_troubled()) {
            self.world.fail(format!("a prune has trouble: {trouble}"));
        }
        Ok(())
    }

    fn forget(&mut self, process: &Process) -> Result<()> {
        let force = self.world.weather.forced && self.chance.below(2) == 0;
        let repository = &process.repository;
        let plan = match self.chance.below(3) {
            0 => {
                let keep = 1 + u32::try_from(self.chance.below(2)).unwrap();
                let policy = Policy::new([Rule::newest(Period::Each, keep)], &[])?;
                let (zone, all) = (TimeZone::UTC, Filter::default());
                let host = |snapshot: &icecore::Snapshot| snapshot.host.clone();
                plan_by_policy(repository, &policy, &zone, &all, host, force)?.plan
            }
            _ => {
                let Some(id) = self.choose() else { return Ok(()) };
                plan(repository, &[id.to_string()], &Filter::default(), force)?
            }
        };
        let ids: Vec<SnapshotId> = plan.forget.keys().map(|key| key.id).collect();
        self.promises.lock().unwrap().give_up(&ids, GivenUp::Maybe);
        forget(repository, &plan, &Silent)?;
        self.promises.lock().unwrap().give_up(&ids, GivenUp::Yes);
        Ok(())
    }

    /// Some snapshot that nobody has given up.
    fn choose(&mut self) -> Option<SnapshotId> {
        let kept = self.promises.lock().unwrap().kept();
        (!kept.is_empty()).then(|| kept[self.chance.below(kept.len())])
    }

    /// Who reads has the right bytes, or none because the snapshot was given up meanwhile.
    fn read(&mut self, process: &Process) -> Result<()> {
        let Some(id) = self.choose() else { return Ok(()) };
        match self.read_all(id, process) {
            Err(_) if !self.is_kept(id) => Ok(()),
            read => read,
        }
    }

    fn is_kept(&self, id: SnapshotId) -> bool {
        self.promises.lock().unwrap().is_kept(id)
    }

    fn read_all(&mut self, id: SnapshotId, process: &Process) -> Result<()> {
        let repository = &process.repository;
        let Some(stored) = repository.snapshots(drop)?.get(id)? else {
            return Err(Error::new(Kind::NotFound, "find the snapshot", id));
        };
        let snapshot = &stored.snapshot;
        let index = repository.load_index()?;
        let reader = Reader::new(repository, &index).reloading();
        let tree = self.promises.lock().unwrap().tree(snapshot).clone();
        for path in tree.files.keys() {
            if content(&reader, snapshot, &format!("/data/{path}"))? != tree.bytes(path) {
                self.world.fail(format!("{path} of {id} was read with wrong bytes"));
            }
        }
        Ok(())
    }

    fn hold(&mut self, process: &Process) -> Result<()> {
        let holds = self.promises.lock().unwrap().holds();
        if !holds.is_empty() && self.chance.below(2) == 0 {
            let note = holds[self.chance.below(holds.len())];
            self.promises.lock().unwrap().release(note);
            return process.repository.release([note].into());
        }
        let Some(id) = self.choose() else { return Ok(()) };
        self.promises.lock().unwrap().try_hold(id);
        let held = process.repository.hold(id, "the seed wants it", None)?;
        if !held.given_up {
            self.promises.lock().unwrap().hold(id, held.id);
        }
        Ok(())
    }
}

/// Some files change, come and go; most of what they become was somewhere before.
pub fn change(tree: &mut Tree, pool: &[Vec<u8>], chance: &mut Chance) {
    const PATHS: [&str; 6] = ["a", "b", "c/d", "c/e", "c/f/g", "h"];
    for _ in 0..=chance.below(3) {
        let path = PATHS[chance.below(PATHS.len())];
        if tree.files.len() > 1 && chance.below(5) == 0 {
            tree.files.remove(path);
            tree.stamps.remove(path);
            continue;
        }
        let mut bytes = pool[chance.below(pool.len())].clone();
        if chance.below(2) == 0 {
            let at = chance.below(bytes.len() - 20);
            bytes[at] = b'0' + u8::try_from(chance.below(4)).unwrap();
        }
        let digest = blake3::hash(&bytes);
        let stamp = i64::from(u32::from_le_bytes(digest.as_bytes()[..4].try_into().unwrap()));
        tree.stamps.insert(path.to_owned(), stamp);
        tree.put(path, bytes);
    }
    if tree.files.is_empty() {
        tree.put("a", pool[0].clone());
    }
}
