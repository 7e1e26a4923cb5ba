//! What was stopped and not started yet: a file for each job, locked by its guard for as long as that lives.

use super::order::Order;
use crate::agent::shell::{self, Ran};
use crate::error::{Attempt, Error, Kind, Result};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often is looked whether others are done.
const GLANCE: Duration = Duration::from_millis(50);
/// How long others are waited for that have something stopped.
const MOST_PATIENCE: Duration = Duration::from_mins(5);

/// Longest journal that is read.
const MOST: u64 = 1 << 20;

/// Where the journal of a job is.
pub fn path(state: &Path, job: &str) -> PathBuf {
    state.join("stopped").join(format!("{job}.json"))
}

/// Writes it, locks it, and makes it durable. It is locked before it has its name.
pub fn write(order: &Order) -> Result<File> {
    let path = &order.journal;
    let subject = path.display();
    let folder = path.parent().unwrap_or(Path::new("/"));
    make_folder(folder)?;
    let unfinished = path.with_extension(std::process::id().to_string());
    let mut options = File::options();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&unfinished).attempt("create", &subject)?;
    flock(&file, FlockOperation::NonBlockingLockExclusive)
        .map_err(std::io::Error::from)
        .attempt("lock", &subject)?;
    let text = serde_json::to_vec(order)
        .map_err(|cause| Error::new(Kind::Failed, "write", &subject).caused_by(cause))?;
    let written = file.write_all(&text).and_then(|()| file.sync_all());
    let named = written.and_then(|()| fs::rename(&unfinished, path));
    named.and_then(|()| File::open(folder)?.sync_all()).attempt("write", subject)?;
    Ok(file)
}

/// Removes it: the services run.
pub fn forget(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed.attempt("remove", path.display()),
    }
}

/// Services that an earlier run has left standing still, and what became of starting them.
pub struct LeftBehind {
    /// Their job.
    pub job: String,
    /// The line that starts them.
    pub start: String,
    /// What became of it.
    pub ran: Ran,
}

/// Waits until nobody else has anything stopped, by the journals in this folder; none if it is `given_up`.
pub fn alone(folder: &Path, given_up: &mut dyn FnMut() -> bool) -> Result<Option<File>> {
    make_folder(folder)?;
    let path = folder.join("lock");
    let mut options = File::options();
    let options = options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path).attempt("open", path.display())?;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file)),
            Err(Errno::WOULDBLOCK | Errno::INTR) if given_up() => return Ok(None),
            Err(Errno::WOULDBLOCK | Errno::INTR) => {}
            Err(other) => return Err(std::io::Error::from(other)).attempt("lock", path.display()),
        }
    }
}

/// For its owner alone.
fn make_folder(folder: &Path) -> Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(folder).attempt("make", folder.display())
}

/// Waits a while for those who start what this job has left standing still, and refuses if it still is: its
/// journal must not be written over.
pub fn refuse_unfinished(order: &Order) -> Result<()> {
    let until = Instant::now() + order.timeout;
    while order.journal.exists() {
        if Instant::now() >= until {
            return Err(Error::new(Kind::Refused, "stop the services of", &order.job)
                .because("what an earlier run of it has stopped could not be started since")
                .hint(format!("start them, and remove {}", order.journal.display())));
        }
        sleep(GLANCE);
    }
    Ok(())
}

/// Starts what earlier runs have stopped whose guards are dead, too, as after a power cut.
pub fn start_left_behind(state: &Path) -> Vec<Result<LeftBehind>> {
    let folder = state.join("stopped");
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let journals = paths.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    journals.filter_map(|path| start_one(&folder, &path).transpose()).collect()
}

fn start_one(folder: &Path, path: &Path) -> Result<Option<LeftBehind>> {
    let Some((order, _lock)) = orphaned(path)? else { return Ok(None) };
    // Not while another job captures what stands still; but better that than never.
    let until = Instant::now() + MOST_PATIENCE;
    let _alone = alone(folder, &mut || {
        sleep(GLANCE);
        Instant::now() >= until
    })?;
    let ran = shell::run(&order.start, order.timeout, &[], &|| false);
    if ran.failure.is_none() {
        forget(path)?;
    }
    Ok(Some(LeftBehind { job: order.job, start: order.start, ran }))
}

/// What stands in a journal that nobody guards, and its lock.
fn orphaned(path: &Path) -> Result<Option<(Order, File)>> {
    let subject = path.display();
    let file = match File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        opened => opened.attempt("open", &subject)?,
    };
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Ok(None);
    }
    let found = file.metadata().attempt("examine", &subject)?;
    // Its guard may have been done with it just now.
    if fs::metadata(path).map_or(true, |there| there.ino() != found.ino()) {
        return Ok(None);
    }
    if found.uid() != geteuid().as_raw() || found.mode() & 0o022 != 0 {
        return Err(Error::new(Kind::Refused, "start what stands in", &subject)
            .because("others can write it, and it holds a command"));
    }
    let mut text = Vec::new();
    (&file).take(MOST).read_to_end(&mut text).attempt("read", &subject)?;
    let order: Order = serde_json::from_slice(&text)
        .map_err(|cause| Error::damaged("read", &subject, cause.to_string()))?;
    Ok(Some((order, file)))
}
