//! A lock of this host: no job runs twice at the same time.

use crate::error::{Attempt, Result};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

/// Takes it; none if another run has it. It ends with the process, however that ends.
pub fn take(state: &Path, job: &str) -> Result<Option<File>> {
    let folder = state.join("locks");
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .attempt("make", folder.display())?;
    let path = folder.join(job);
    let file = File::options().write(true).create(true).truncate(false).open(&path);
    let file = file.attempt("open", path.display())?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(cause) => Err(io::Error::from(cause)).attempt("lock", path.display()),
    }
}
