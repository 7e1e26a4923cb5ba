//! Runs that died: the lock of each holds the report that is to be saved for it.

use super::lock::{Locks, folder};
use crate::agent::history::History;
use crate::agent::report::{Fault, Outcome, Report};
use crate::env::state::entries;
use crate::error::{Attempt, Result};
use std::fs::{self, File, TryLockError};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

/// Longest note that is read.
const MAX_BYTES: u64 = 1 << 20;

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
/// I/O errors.
pub fn settle(history: &History) -> Result<()> {
    remember(history, &report_died(history.folder())?)
}

/// Remembers runs that have died.
///
/// # Errors
/// I/O errors.
pub fn remember(history: &History, died: &[Died]) -> Result<()> {
    died.iter().try_for_each(|died| history.record(&died.report, Some(&died.file)))
}

/// Leaves the reports of runs that have died and have none yet.
///
/// # Errors
/// I/O errors at one lock, where no other had anything to report: they keep no report from being left, and come
/// again.
pub fn report_died(state: &Path) -> Result<Vec<Died>> {
    let locks = entries(&folder(state)).into_iter().flat_map(|job| entries(&job));
    report_each(state, locks, REASON)
}

/// Leaves the reports of runs that died with the locks that this one has now.
///
/// # Errors
/// I/O errors.
pub fn report_died_with(state: &Path, locks: &Locks) -> Result<Vec<Died>> {
    let report = |lock: &File| report_of(state, lock, REASON).transpose();
    locks.files().iter().filter_map(report).collect()
}

/// The same of one job, where it is known why.
///
/// # Errors
/// I/O errors.
pub fn report_died_of(state: &Path, job: &str, reason: &str) -> Result<Vec<Died>> {
    report_each(state, entries(&folder(state).join(job)), reason)
}

fn report_each(
    state: &Path,
    locks: impl IntoIterator<Item = PathBuf>,
    reason: &str,
) -> Result<Vec<Died>> {
    let (mut died, mut first) = (Vec::new(), None);
    for path in locks {
        // It is given back at once, so that it keeps no run waiting.
        let report = |lock: File| report_of(state, &lock, reason);
        match unheld(&path).and_then(|lock| lock.map_or(Ok(None), report)) {
            Ok(found) => died.extend(found),
            Err(error) => drop(first.get_or_insert(error)),
        }
    }
    match first {
        Some(error) if died.is_empty() => Err(error),
        _ => Ok(died),
    }
}

/// A lock with a note in it that nobody holds, and this process now does.
fn unheld(path: &Path) -> Result<Option<File>> {
    let subject = path.display();
    if fs::metadata(path).map_or(0, |found| found.len()) == 0 {
        return Ok(None);
    }
    let file = File::options().read(true).write(true).open(path).attempt("open", &subject)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(cause)) => Err(cause).attempt("lock", &subject),
    }
}

/// Leaves the report that is noted in a lock that this process holds, and then empties it.
fn report_of(state: &Path, mut lock: &File, reason: &str) -> Result<Option<Died>> {
    let what = "the lock of a run";
    let mut text = Vec::new();
    lock.rewind().attempt("read", what)?;
    lock.take(MAX_BYTES).read_to_end(&mut text).attempt("read", what)?;
    if text.is_empty() {
        return Ok(None);
    }
    // What a power cut has left of it says nothing.
    let died = match serde_json::from_slice(&text) {
        Ok(left) => Some(reported(state, left, reason)?),
        Err(_) => None,
    };
    lock.set_len(0).and_then(|()| lock.rewind()).attempt("write", what)?;
    Ok(died)
}

/// The report of a run that has died, left now unless it died after it had left its own.
fn reported(state: &Path, left: Report, reason: &str) -> Result<Died> {
    if let Some((report, file)) = left.saved(state) {
        return Ok(Died { report, file });
    }
    let report = Report {
        outcome: Outcome::Failed,
        reason: Some(reason.to_owned()),
        fault: Some(Fault::Other),
        ..left
    };
    let file = report.save(state)?;
    Ok(Died { report, file })
}
