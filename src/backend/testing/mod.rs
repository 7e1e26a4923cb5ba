//! For tests: stores and disks that misbehave as told, and the behaviour that every backend
//! has to show.

mod contract;
mod crash_disk;
mod failing_disk;
mod faulty;
mod remote;

pub use super::disk::{Disk, DiskEntry, Os};
pub use contract::contract;
pub use crash_disk::CrashDisk;
pub use failing_disk::{Call, FailingDisk, How, Plan};
pub use faulty::{Fault, Faulty};
pub use remote::{Manners, Remote};
