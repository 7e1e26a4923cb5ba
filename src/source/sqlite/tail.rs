//! What lies behind the last page of a database, and what is missing of a last page that is cut off.
//! SQLite does not look at it, and makes it up; but a file comes back as long as it was.

use super::database::Database;
use super::identity::sibling_path;
use super::request::Request;
use crate::error::{Attempt, Result};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Take};
use std::os::unix::fs::MetadataExt;

/// Where the database's file ends; none where a log holds something, since behind the last page there
/// may then be what the log has done away with, and not yet in the file what it has.
pub(super) fn end(database: &Database, request: &Request, wal: bool) -> Option<u64> {
    let path = database.path.as_path();
    if wal && sibling_path(path, "-wal").metadata().is_ok_and(|log| log.len() > 0) {
        return None;
    }
    // Who has found out by now that another file has the name is told so in the end.
    let found = path.symlink_metadata().ok()?;
    let same = database.private.is_some() || request.file.is(found.dev(), found.ino()).is_ok();
    same.then_some(found.len())
}

/// The bytes behind the first `pages` of the database's file, as far as [`end`] tells them.
///
/// It must outlive the transaction: to close the file would drop the locks that SQLite holds.
pub(super) fn behind(
    database: &Database,
    request: &Request,
    wal: bool,
    pages: u64,
) -> Result<Option<Take<File>>> {
    let Some(end) = end(database, request, wal).filter(|end| *end > pages) else {
        return Ok(None);
    };
    let path = database.path.as_path();
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let Ok(file) = rustix::fs::open(path, flags, Mode::empty()) else { return Ok(None) };
    let mut file = File::from(file);
    let found = file.metadata().attempt("examine", "it")?;
    if database.private.is_none() && request.file.is(found.dev(), found.ino()).is_err() {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(pages)).attempt("read the end of", "it")?;
    Ok(Some(file.take(end - pages)))
}
