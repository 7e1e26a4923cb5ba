//! Faults of the machine beneath a writer: power that fails and disks that do, after every single
//! call; chance that repeats itself; memory that flips bits; memory, files and space that run out.

mod crash;
mod disk;
pub mod interrupted;
mod limits;
mod memory;
mod nonces;
mod records;
mod vast;

use crate::common::repo::secret;
use icecore::backend::Backend;
use icecore::env::{Env, Time};
use icecore::repo::Repository;
use std::sync::Arc;

/// The repository in `backend`, with chance from `seed`.
fn open(backend: Arc<dyn Backend>, seed: u64) -> Repository {
    let (env, _) = Env::seeded(seed, Time(1_900_000_000 * Time::SECOND));
    Repository::open(backend, env, &secret()).unwrap()
}
