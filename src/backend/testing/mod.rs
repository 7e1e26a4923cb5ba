//! For tests: stores and disks that misbehave as told, and the behaviour that every backend
//! has to show.

mod crash_disk;
mod failing_disk;
mod faulty;
mod remote;

pub use super::disk::{Disk, DiskEntry, Os};
pub use crash_disk::CrashDisk;
pub use failing_disk::{Call, FailingDisk, How, Plan};
pub use faulty::{Fault, Faulty};
pub use remote::{Asked, Manners, Remote};

use super::{Backend, PROMISES};
use crate::error::Result;

/// Holds the stores that `make` gives, each empty, to the promises of [`Backend`].
///
/// # Errors
/// The first promise that is not kept, or whatever the store failed with.
pub fn contract(make: &dyn Fn() -> Result<Box<dyn Backend>>) -> Result<()> {
    PROMISES.iter().try_for_each(|promise| promise.try_on(&*make()?))
}
