//! Runs that have died: each left in its lock what is to be reported of it.

use super::lock::{Locks, folder};
use crate::agent::history::History;
use crate::agent::report::{Fault, Outcome, Report};
use crate::error::{Attempt, Result};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

/// Longest note that is read.
const MOST: u64 = 1 << 20;

/// Why a run failed of whose end nobody knows more.
const REASON: &str = "it died before its end: it was killed, or the machine went down";

/// A run that has died, and the name of the report that it has now.
pub struct Died {
    report: Report,
    file: String,
}

/// Leaves the reports of runs that have died and have none yet, and remembers them.
///
/// # Errors
/// What the disk says.
pub fn settle(history: &History) -> Result<()> {
    remember(history, &report_died(history.folder())?)
}

/// Remembers runs that have died.
///
/// # Errors
/// What the disk says.
pub fn remember(history: &History, died: &[Died]) -> Result<()> {
    died.iter().try_for_each(|died| history.record(&died.report, Some(&died.file)))
}

/// Leaves the reports of runs that have died and have none yet.
///
/// # Errors
/// What the disk says.
pub fn report_died(state: &Path) -> Result<Vec<Died>> {
    let mut died = Vec::new();
    for job in entries(&folder(state)) {
        died.extend(report_in(state, &job, REASON)?);
    }
    Ok(died)
}

/// Leaves the reports of runs that died with the locks that this one has now.
///
/// # Errors
/// What the disk says.
pub fn report_died_with(state: &Path, locks: &Locks) -> Result<Vec<Died>> {
    let mut died = Vec::new();
    for lock in locks.files() {
        let left = left_in(lock).attempt("read", "the lock of a run")?;
        died.extend(left.map(|left| report(state, left, REASON)).transpose()?);
    }
    Ok(died)
}

/// The same of one job, where it is known why.
///
/// # Errors
/// What the disk says.
pub fn report_died_of(state: &Path, job: &str, reason: &str) -> Result<Vec<Died>> {
    report_in(state, &folder(state).join(job), reason)
}

fn report_in(state: &Path, job: &Path, reason: &str) -> Result<Vec<Died>> {
    let mut died = Vec::new();
    for lock in entries(job) {
        died.extend(taken(&lock)?.map(|left| report(state, left, reason)).transpose()?);
    }
    Ok(died)
}

fn report(state: &Path, mut report: Report, reason: &str) -> Result<Died> {
    report.outcome = Outcome::Failed;
    report.reason = Some(reason.to_owned());
    report.fault = Some(Fault::Other);
    let file = report.save(state)?;
    Ok(Died { report, file })
}

/// Takes the note out of a lock that nobody holds. The lock is given back at once, so that it keeps no run waiting.
fn taken(path: &Path) -> Result<Option<Report>> {
    let subject = path.display();
    if fs::metadata(path).map_or(0, |found| found.len()) == 0 {
        return Ok(None);
    }
    let file = File::options().read(true).write(true).open(path).attempt("open", &subject)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        Err(TryLockError::Error(cause)) => return Err(cause).attempt("lock", &subject),
    }
    left_in(&file).attempt("read", &subject)
}

/// Takes the note out of a lock that this process holds. What a power cut has left of one says nothing.
fn left_in(mut lock: &File) -> io::Result<Option<Report>> {
    let mut text = Vec::new();
    lock.rewind()?;
    lock.take(MOST).read_to_end(&mut text)?;
    if !text.is_empty() {
        lock.set_len(0)?;
        lock.rewind()?;
    }
    Ok(serde_json::from_slice(&text).ok())
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}
