//! What was stopped and not started yet: a file for each job, locked by its guard for as long as that lives.

use super::order::{Order, StartReason, Started};
use crate::agent::shell::CommandOutcome;
use crate::env::{Time, state};
use crate::error::{Attempt, Error, Kind, Result};
use rustix::process::geteuid;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, UNIX_EPOCH};

/// How often we check whether others are done.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How long others are waited for that have something stopped.
const PATIENCE: Duration = Duration::from_mins(5);

/// What is locked by those who have something stopped.
const LOCK: &str = "lock";

/// What helps where nobody knows how to start what was stopped.
const BY_HAND: &str = "start what the job stops by hand, then remove this file";

/// Longest journal that is read.
const MAX_BYTES: u64 = 1 << 20;

/// Where the journal of a job is.
pub fn path(state: &Path, job: &str) -> PathBuf {
    state.join("stopped").join(format!("{job}.json"))
}

/// Writes it, locks it, and makes it durable. It is locked before it has its name.
pub fn write(order: &Order) -> Result<File> {
    let path = &order.journal;
    path.parent().map_or(Ok(()), state::private_folder)?;
    let text = serde_json::to_vec(order)
        .map_err(|cause| Error::new(Kind::Failed, "write", path.display()).caused_by(cause))?;
    state::replace_locked(path, &text)
}

/// Removes it: the services run.
pub fn forget(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.attempt("remove", path.display()),
    }
}

/// Services that an earlier run has left stopped, and the outcome of starting them.
pub struct LeftBehind {
    /// Their job.
    pub job: String,
    /// How starting them is called, without secrets.
    pub start: String,
    /// Its outcome.
    pub ran: CommandOutcome,
}

/// Waits until nobody else has anything stopped, by the journals in this folder; none if it is `given_up`.
pub fn alone(folder: &Path, given_up: &mut dyn FnMut() -> bool) -> Result<Option<File>> {
    state::private_folder(folder)?;
    state::lock_unless(&folder.join(LOCK), given_up)
}

/// Waits a while for those who start what this job has left stopped, and refuses if it still is: its
/// journal must not be written over.
pub fn refuse_unfinished(order: &Order) -> Result<()> {
    start_as_said_now(order)?;
    let begun = Instant::now();
    while order.journal.exists() {
        // A guard starts what would not stop once more after that time, and tries again where that fails.
        let is_guarded = state::is_locked(&order.journal).unwrap_or_default();
        let most = if is_guarded { order.timeout.saturating_mul(3) } else { order.timeout };
        if begun.elapsed() >= most {
            let reason = match is_guarded {
                true => "what an earlier run of it has stopped is still being started",
                false => "what an earlier run of it has stopped could not be started since",
            };
            return Err(Error::new(Kind::Refused, "stop the services of", &order.job)
                .because(reason)
                .hint(format!("start them, and remove {}", order.journal.display())));
        }
        sleep(POLL_INTERVAL);
    }
    Ok(())
}

/// Starts by the line of the file as it is now what could not be started by that of an earlier run, which may have been
/// wrong.
fn start_as_said_now(order: &Order) -> Result<()> {
    let Some((earlier, _lock)) = orphaned(&order.journal)? else { return Ok(()) };
    if !order.what.starts_otherwise(&earlier.what) {
        return Ok(());
    }
    let _alone = order.journal.parent().map(after_others).transpose()?;
    let mut started = Started::nothing(StartReason::NoGuard);
    order.start(&mut started);
    started.ran.well("start services by", &order.what.starting())?;
    forget(&order.journal)
}

/// Services that were stopped for longer than allowed, or have no guard left to start them, each with its job and since
/// when; nothing is done about it.
pub fn not_started(state: &Path, now: Time) -> Vec<(String, Time)> {
    let one = |path: PathBuf| {
        let file = File::open(&path).ok()?;
        let is_left = file.try_lock_shared().is_ok() && is_in_place(&file, &path);
        let written = file.metadata().ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        let since = Time(0) + written;
        let Ok(order) = read_from(&file, &path) else {
            // Journals are written whole: this one was damaged since.
            let job = path.file_stem()?.to_string_lossy().into_owned();
            return is_left.then_some((job, since));
        };
        let most = order.max_downtime.saturating_add(order.timeout.saturating_mul(2));
        (is_left || now.since(since) > most).then_some((order.job, since))
    };
    journals(&state.join("stopped")).filter_map(one).collect()
}

/// Whether a file is still what lies there: its guard may have been done with it just now.
fn is_in_place(file: &File, path: &Path) -> bool {
    let inode = |found: io::Result<Metadata>| found.map(|found| found.ino()).ok();
    inode(file.metadata()).is_some_and(|it| Some(it) == inode(fs::metadata(path)))
}

fn journals(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    state::entries(folder)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "json"))
}

/// Starts what earlier runs have stopped whose guards are dead, too, as after a power cut.
pub fn start_left_behind(state: &Path) -> Vec<Result<LeftBehind>> {
    let folder = state.join("stopped");
    journals(&folder).filter_map(|path| start_one(&folder, &path).transpose()).collect()
}

/// The same; the jobs whose services run again.
pub fn start_stopped(state: &Path) -> Vec<Result<String>> {
    let started = start_left_behind(state).into_iter().map(|left| {
        let LeftBehind { job, start, ran } = left?;
        ran.well("start services by", &start).map(|()| job)
    });
    started.collect()
}

fn start_one(folder: &Path, path: &Path) -> Result<Option<LeftBehind>> {
    let Some((order, _lock)) = orphaned(path)? else { return Ok(None) };
    let _alone = after_others(folder)?;
    let mut started = Started::nothing(StartReason::NoGuard);
    order.start(&mut started);
    let ran = started.ran;
    if ran.failure.is_none() {
        forget(path)?;
    }
    Ok(Some(LeftBehind { job: order.job, start: order.what.starting(), ran }))
}

/// Waits for other jobs' captures, but not forever: running services matter more.
fn after_others(folder: &Path) -> Result<Option<File>> {
    state::private_folder(folder)?;
    state::lock_within(&folder.join(LOCK), PATIENCE)
}

/// What stands in a journal that nobody guards, and its lock.
fn orphaned(path: &Path) -> Result<Option<(Order, File)>> {
    let subject = path.display();
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.attempt("open", &subject)?,
    };
    // Another process may have it for an instant, to see whether it is guarded.
    let is_held = || file.try_lock().is_err();
    if is_held() && {
        sleep(POLL_INTERVAL);
        is_held()
    } {
        return Ok(None);
    }
    if !is_in_place(&file, path) {
        return Ok(None);
    }
    let found = file.metadata().attempt("examine", &subject)?;
    if found.uid() != geteuid().as_raw() || found.mode() & 0o022 != 0 {
        return Err(Error::new(Kind::Refused, "start what stands in", &subject)
            .because("others can write it, and it holds a command"));
    }
    Ok(Some((read_from(&file, path)?, file)))
}

/// What stands in a journal.
pub fn read(path: &Path) -> Result<Order> {
    read_from(&File::open(path).attempt("open", path.display())?, path)
}

fn read_from(file: &File, path: &Path) -> Result<Order> {
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text).attempt("read", path.display())?;
    serde_json::from_slice(&text)
        .map_err(|cause| Error::damaged("read", path.display(), cause.to_string()).hint(BY_HAND))
}
