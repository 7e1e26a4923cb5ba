//! One seed, from its first request to the end of all promises.

use super::actor::{Actor, Role, change};
use super::promises::{ATTEMPT, Promises};
use super::scheduler::Scheduler;
use super::weather::Script;
use super::world::World;
use crate::common::chance::Chance;
use crate::common::memory::Tree;
use crate::common::repo::{options, secret};
use crate::prune::thorough;
use icecore::backend::{Backend, Capabilities, Memory};
use icecore::env::{Env, ManualClock, Time};
use icecore::error::Error;
use icecore::forward;
use icecore::monitor::Silent;
use icecore::ops::backup::backup;
use icecore::ops::check::{CheckOptions, ReadData, check};
use icecore::ops::prune::{PruneOptions, PruneReport, prune};
use icecore::repo::{InitOptions, Repository};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What became of a seed.
pub struct Ran {
    pub log: Vec<String>,
    pub broken: Option<String>,
}

/// Pools of one thread, one for each actor, from seed to seed.
#[derive(Default)]
pub struct Threads(Vec<ThreadPool>);

impl Threads {
    fn get(&mut self, at: usize) -> &ThreadPool {
        while self.0.len() <= at {
            self.0.push(ThreadPoolBuilder::new().num_threads(1).build().unwrap());
        }
        &self.0[at]
    }
}

/// Longer than any seed takes.
const PATIENCE: Duration = Duration::from_secs(120);
const START: Time = Time(1_800_000_000 * Time::SECOND);

pub fn run(seed: u64, threads: &mut Threads) -> Ran {
    let mut chance = Chance::new(seed);
    let script = Script::of(&mut chance);
    let mut fork = || Chance::new(chance.number());
    let weather = script.weather;
    let scheduler = Scheduler::new(script.roles.len(), fork(), weather.pace, weather.stalls);
    let world = Arc::new(World::new(scheduler, weather, fork(), START));
    world.say(format!("{weather:?} {:?}", script.roles));
    let promises = Arc::new(Mutex::new(Promises::default()));
    let (ended, ends) = channel();
    let (before, mut past) = (script.before, fork());
    let founded = threads.get(0).install(|| found(&world, &promises, before, seed, &mut past));
    let Founded { quiet, clock, trees, pool } = founded;
    for (number, role) in script.roles.iter().enumerate() {
        let mut chance = fork();
        let host = if let Role::Writer(host) = role { *host } else { 0 };
        let operations = 1 + chance.below(3);
        let skew = if weather.wrong_clocks { skew(&mut chance) } else { 0 };
        let mut actor = Actor {
            number,
            role: *role,
            chance,
            world: world.clone(),
            promises: promises.clone(),
            pool: pool.clone(),
            tree: trees[host].clone(),
            quiet: quiet.clone(),
            skew,
        };
        let ended = ended.clone();
        threads.get(number).spawn(move || {
            let world = actor.world.clone();
            world.scheduler.begin(number);
            if catch_unwind(AssertUnwindSafe(|| actor.work(operations))).is_err() {
                world.fail(format!("{number} {:?} panicked", actor.role));
            }
            drop(actor);
            world.scheduler.end(number);
            ended.send(()).unwrap();
        });
    }
    for _ in &script.roles {
        if ends.recv_timeout(PATIENCE).is_err() {
            panic!("seed {seed} stands still:\n{}", world.take_log().join("\n"));
        }
    }
    if world.broken().is_none()
        && let Err(what) = threads.get(0).install(|| finish(&world, &quiet, &clock, &promises))
    {
        world.fail(what);
    }
    Ran { broken: world.broken(), log: world.take_log() }
}

/// Most clocks are right, some by far not.
fn skew(chance: &mut Chance) -> i64 {
    [0, 0, 0, 120, -5000, 3600 * 30, -3600 * 30, 3600 * 24 * 3650][chance.below(8)]
}

/// A repository with some past.
struct Founded {
    quiet: Arc<Repository>,
    clock: Arc<ManualClock>,
    /// Of each host.
    trees: Vec<Tree>,
    pool: Arc<Vec<Vec<u8>>>,
}

fn found(
    world: &World,
    promises: &Mutex<Promises>,
    backups: usize,
    seed: u64,
    chance: &mut Chance,
) -> Founded {
    let mut content = |_| {
        let length = 200 + chance.below(3000);
        chance.rows(length)
    };
    let pool: Vec<Vec<u8>> = (0..8).map(&mut content).collect();
    let quiet: Arc<dyn Backend> = Arc::new(Quiet(world.objects.clone()));
    let (env, clock) = Env::seeded(seed, world.now());
    let options_of = InitOptions { capabilities: world.capabilities(), ..Default::default() };
    let quiet = Repository::init(quiet, env, &secret(), &options_of).unwrap();
    let mut trees = vec![Tree::default(); 2];
    for at in 0..backups {
        let host = at % 2;
        change(&mut trees[host], &pool, chance);
        let attempt = promises.lock().unwrap().begin(host, trees[host].clone());
        let mut options = options();
        options.host = format!("host-{host}");
        options.labels.insert(ATTEMPT.to_owned(), attempt.to_string());
        let source = vec![trees[host].source("/data")];
        let report = backup(&quiet, source, &options, &Silent).unwrap();
        promises.lock().unwrap().committed(attempt, report.snapshot.id);
        clock.advance(60);
        world.pass(60);
    }
    Founded { quiet: Arc::new(quiet), clock, trees, pool: Arc::new(pool) }
}

/// Everybody is gone: the silent are given up, what nobody needs goes, and all is well.
fn finish(
    world: &World,
    quiet: &Repository,
    clock: &ManualClock,
    promises: &Mutex<Promises>,
) -> Result<(), String> {
    let weather = world.weather;
    let verify = || promises.lock().unwrap().verify(quiet, world.removals(), weather.keeps_last());
    // Later than by any of the clocks, even the wrongest.
    clock.advance(3600 * 24 * 4000);
    for round in 0..3 {
        if !weather.exclusive {
            // Nobody but the user may say that they are gone.
            for writer in quiet.open_writers().map_err(in_the_end)? {
                quiet.fence(writer).map_err(in_the_end)?;
            }
        }
        world.say(format!("      the last prune but {}", 2 - round));
        if weather.lag == 0 {
            prune_all(quiet, false)?;
        }
        verify()?;
        if round == 0 {
            world.arrive_all();
            verify()?;
            clock.advance(3600 * 25);
        }
    }
    let everything = CheckOptions { read_data: ReadData::All };
    let report = check(quiet, everything, &Silent).map_err(in_the_end)?;
    if !report.is_healthy() {
        return Err(format!("in the end: {:?}", report.findings));
    }
    if weather.lag > 0 || weather.locked {
        return Ok(());
    }
    let plan = prune_all(quiet, true)?.plan.unwrap_or_default();
    match plan.is_empty() && plan.unused_left == 0 && report.open_writers == 0 {
        true => Ok(()),
        false => Err(format!("in the end, {} open writers: {plan:?}", report.open_writers)),
    }
}

fn prune_all(quiet: &Repository, dry_run: bool) -> Result<PruneReport, String> {
    let options = PruneOptions { exclusive: true, dry_run, ..thorough() };
    let report = prune(quiet, &options, &Silent).map_err(in_the_end)?;
    match report.troubles.is_empty() && report.swept.needed.is_empty() {
        true => Ok(report),
        false => Err(format!("in the end: {report:?}")),
    }
}

fn in_the_end(error: Error) -> String {
    format!("in the end: {error}")
}

/// The objects, past all troubles.
struct Quiet(Arc<Memory>);

impl Backend for Quiet {
    forward!([0] describe put_shared get size list_pages delete_all);

    fn capabilities(&self) -> Capabilities {
        Capabilities { connections: 0, ..Capabilities::default() }
    }
}
