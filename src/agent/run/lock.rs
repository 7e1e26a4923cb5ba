//! Locks by which no job does the same twice at a time.

use super::Task;
use crate::env::state;
use crate::error::Result;
use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

/// So often, and after so long each time, a lock is tried again that somebody may have for an instant, to see
/// whether it is free.
const GLANCES: u32 = 5;
const GLANCE: Duration = Duration::from_millis(20);

/// Takes those of all tasks, so that a long check keeps nobody from backing up; none if another run has one of
/// them. They end with the process, however that ends.
pub fn take(states: &Path, job: &str, tasks: &[Task]) -> Result<Option<Vec<File>>> {
    let folder = states.join("locks").join(job);
    state::private_folder(&folder)?;
    let names: BTreeSet<&str> = tasks.iter().map(|task| lock_of(*task)).collect();
    let mut locks = Vec::new();
    for name in names {
        let mut glances = 0;
        let given_up = &mut || {
            sleep(GLANCE);
            glances += 1;
            glances > GLANCES
        };
        match state::lock_unless(&folder.join(name), given_up)? {
            Some(lock) => locks.push(lock),
            None => return Ok(None),
        }
    }
    Ok(Some(locks))
}

/// Whether a run that excludes this one is at work.
pub fn is_at_work(state: &Path, job: &str, task: Task) -> bool {
    let path = state.join("locks").join(job).join(lock_of(task));
    let file = File::options().write(true).open(path);
    file.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// What runs of a task exclude each other by: what a copy gives on is what a backup makes.
pub fn lock_of(task: Task) -> &'static str {
    match task {
        Task::Backup | Task::Copy => "backup",
        Task::Prune => "prune",
        Task::Check => "check",
    }
}
