//! What lies behind the last page of a database. SQLite does not look at it, but a file comes back
//! as long as it was.

use super::database::Database;
use super::identity::sibling_path;
use super::request::Request;
use crate::error::{Attempt, Result};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Take};
use std::os::unix::fs::MetadataExt;

/// The bytes behind the first `pages` of the database's file; none where a log holds something, since
/// behind the last page there may then be what the log has done away with.
///
/// It must outlive the transaction: to close the file would drop the locks that SQLite holds.
pub(super) fn behind(
    database: &Database,
    request: &Request,
    wal: bool,
    pages: u64,
) -> Result<Option<Take<File>>> {
    let path = database.path.as_path();
    if wal && sibling_path(path, "-wal").metadata().is_ok_and(|log| log.len() > 0) {
        return Ok(None);
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    // Who has found out by now that another file has the name is told so in the end.
    let Ok(file) = rustix::fs::open(path, flags, Mode::empty()) else { return Ok(None) };
    let mut file = File::from(file);
    let found = file.metadata().attempt("examine", "it")?;
    if database.private.is_none() && request.file.is(found.dev(), found.ino()).is_err() {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(pages)).attempt("read the end of", "it")?;
    Ok(Some(file.take(found.len().saturating_sub(pages))))
}
