//! Locks that keep two runs of a job from doing the same thing at once. Each holds the report that is to be
//! saved if its run dies.

use super::{Run, Task};
use crate::agent::report::Report;
use crate::env::state;
use crate::error::{Attempt, Error, Kind, Result};
use crate::monitor::go_on;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a run that waits for another looks whether that is over.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// The locks of a run. They end with the process, however that ends.
pub struct Locks(Vec<File>);

impl Locks {
    /// Notes what is to be reported if the run dies.
    pub fn note(&self, report: &Report) -> Result<()> {
        let what = "that the run is at work";
        let text = serde_json::to_vec(report)
            .map_err(|cause| Error::new(Kind::Failed, "note", what).caused_by(cause))?;
        let Some(mut file) = self.0.first() else { return Ok(()) };
        self.clear();
        file.write_all(&text).and_then(|()| file.sync_all()).attempt("note", what)
    }

    /// The locked files.
    pub fn files(&self) -> &[File] {
        &self.0
    }

    /// Forgets it: the run has left its report.
    pub fn clear(&self) {
        // If this fails, the run will be reported as dead although it finished.
        self.0.iter().for_each(|file| drop(file.set_len(0)));
    }
}

/// The folder with a folder of locks for each job.
pub fn folder(states: &Path) -> PathBuf {
    states.join("locks")
}

/// Takes those of all tasks, so that a long check keeps nobody from backing up; none if another run has one of
/// them for longer than this one waits, or waits to do the same.
pub fn take(run: &Run<'_>, states: &Path) -> Result<Option<Locks>> {
    let folder = folder(states).join(run.name);
    state::private_folder(&folder)?;
    let free = take_all(run, &folder, &mut state::try_lock)?;
    if free.is_some() || run.wait.is_zero() {
        return Ok(free);
    }
    // At most one run waits: more would pile up where runs outlast their schedule.
    let names: Vec<&str> = run.tasks.iter().map(|task| task.name()).collect();
    let Some(_next) = state::try_lock(&folder.join(format!("next-{}", names.join("-"))))? else {
        return Ok(None);
    };
    let monitor = run.context.monitor();
    monitor.note(&format!("{}: waiting for another run of this job", run.name));
    let begun = Instant::now();
    let given_up = &mut || {
        sleep(POLL_INTERVAL);
        begun.elapsed() >= run.wait || monitor.stop_requested()
    };
    let locks = take_all(run, &folder, &mut |path| state::lock_unless(path, given_up))?;
    go_on(monitor, "wait for another run")?;
    Ok(locks)
}

fn take_all(
    run: &Run<'_>,
    folder: &Path,
    take: &mut dyn FnMut(&Path) -> Result<Option<File>>,
) -> Result<Option<Locks>> {
    // In the same order for all, so that no two wait for each other.
    let names: BTreeSet<&str> = run.tasks.iter().map(|task| lock_of(*task)).collect();
    let locks: Option<Vec<File>> =
        names.iter().map(|name| take(&folder.join(name))).collect::<Result<_>>()?;
    Ok(locks.map(Locks))
}

/// Whether a run that excludes this one is at work.
pub fn is_at_work(states: &Path, job: &str, task: Task) -> bool {
    state::is_locked(&folder(states).join(job).join(lock_of(task))).unwrap_or_default()
}

/// The lock of a task. A copy shares the backup's, since it passes on what backups create.
pub fn lock_of(task: Task) -> &'static str {
    match task {
        Task::Backup | Task::Copy => "backup",
        Task::Prune => "prune",
        Task::Check => "check",
    }
}
