//! Tries out, before a repository is made, what a store says of itself: creators race for one
//! name, and each result must be listed at once (chapter 11, what a store must provide).

use super::{Backend, Capabilities, Handle, Listed, Put};
use crate::env::Env;
use crate::error::{Error, Kind, Result};
use crate::format::Payload;
use crate::id::SnapshotId;
use std::sync::Barrier;
use std::thread;

/// Names that are raced for before a repository is made, and where a store is examined.
const ROUNDS: u64 = 2;
const ROUNDS_MANY: u64 = 8;
/// Creators of each name.
const CREATORS: u8 = 8;

/// What `backend` can be trusted with: no more than it says, and no more than was seen here.
///
/// A store that just overwrites is found for certain, by the latecomer of the first round; and so is one that
/// lists what was created later than the answer takes. One that looks whether a name is free and then writes is
/// found if two of the creators come between the two: 28 pairs of them in each round. Where that befalls one
/// pair in twenty, two rounds miss it with a chance of 6%, and eight of one in 100,000; where it befalls
/// one in a hundred, of 57% and 10%. More rounds cost more than they tell: there are stores that take
/// seconds for each.
///
/// The objects used are heartbeats of a writer that never registers, so that one which the
/// store refuses to delete means nothing to anybody.
pub fn probe(backend: &dyn Backend, env: &Env) -> Result<Capabilities> {
    race_for(ROUNDS, backend, env)
}

/// The same with more rounds.
pub fn probe_thoroughly(backend: &dyn Backend, env: &Env) -> Result<Capabilities> {
    race_for(ROUNDS_MANY, backend, env)
}

fn race_for(rounds: u64, backend: &dyn Backend, env: &Env) -> Result<Capabilities> {
    let writer = SnapshotId(env.random()?);
    let (mut exclusive_create, mut list_after_write) = (true, true);
    for round in 0..rounds {
        let handle = Handle::heartbeat(writer, round);
        let fair = race(backend, &handle)?;
        let listed = backend.list(handle.kind())?.iter().any(|object| object.handle == handle);
        // A store that never deletes is still a good one.
        let _ = backend.delete(&handle);
        exclusive_create &= fair;
        list_after_write &= listed;
    }
    let says = backend.capabilities();
    Ok(Capabilities {
        exclusive_create: exclusive_create && says.exclusive_create,
        list_after_write: list_after_write && says.list_after_write,
        ..says
    })
}

/// Whether exactly one creator wins, what it wrote stands there, and latecomers lose too.
fn race(backend: &dyn Backend, handle: &Handle) -> Result<bool> {
    let winners = winners_of(backend, handle)?;
    let late = backend.put_new(handle, &bytes_of(CREATORS))?;
    let standing = backend.get(handle, None)?;
    Ok(match winners.as_slice() {
        [winner] => late == Put::Exists && standing == bytes_of(*winner),
        _ => false,
    })
}

/// Lets all creators go at once, and gives those that were told they had won.
fn winners_of(backend: &dyn Backend, handle: &Handle) -> Result<Vec<u8>> {
    let start = Barrier::new(usize::from(CREATORS));
    let compete = |creator: u8| {
        start.wait();
        backend.put_new(handle, &bytes_of(creator)).map(|put| (creator, put))
    };
    let results: Vec<Result<(u8, Put)>> = thread::scope(|scope| {
        let compete = &compete;
        let creators: Vec<_> =
            (0..CREATORS).map(|creator| scope.spawn(move || compete(creator))).collect();
        creators
            .into_iter()
            .map(|creator| creator.join().unwrap_or_else(|_| Err(lost(backend))))
            .collect()
    });
    let puts: Vec<(u8, Put)> = results.into_iter().collect::<Result<_>>()?;
    Ok(puts.into_iter().filter(|(_, put)| *put == Put::Created).map(|(who, _)| who).collect())
}

/// What every object of a probe begins with.
const MARK: &[u8] = b"icecore probe ";

fn bytes_of(creator: u8) -> Vec<u8> {
    [MARK, &[b'a'.saturating_add(creator)]].concat()
}

/// Whether an object was left by a probe: one that was stopped, or could not delete it.
pub fn is_of_probe(backend: &dyn Backend, object: &Listed) -> Result<bool> {
    if object.handle.payload() != Payload::Heartbeat || object.size != bytes_of(0).len() as u64 {
        return Ok(false);
    }
    Ok(backend.get(&object.handle, None)?.starts_with(MARK))
}

fn lost(backend: &dyn Backend) -> Error {
    Error::new(Kind::Failed, "probe", backend.describe()).because("a thread ended early")
}
