//! What a reading child is asked for, in the arguments of its process.

use super::identity::DatabaseFile;
use super::watch::Scratch;
use crate::error::{Error, Kind, Result};
use crate::limits::SQLITE_BUSY_WAIT;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// The first argument that makes a process a reading child.
pub const VERB: &str = "sqlite-read";

/// How much a captured database is checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verify {
    /// Not at all.
    #[default]
    No,
    /// `PRAGMA quick_check`.
    Quick,
    /// `PRAGMA integrity_check`.
    Full,
}

/// What the child is asked to do.
#[derive(Debug)]
pub(super) struct Request {
    /// The database as the parent process found it.
    pub file: DatabaseFile,
    pub verify: Verify,
    pub row_counts: bool,
    pub force: bool,
    /// Where private copies go.
    pub scratch: Scratch,
    /// How long a busy database is waited for.
    pub busy_wait: Duration,
    /// Never `sqlite_dbpage`, as in builds without it.
    pub backup: bool,
}

/// Understands the arguments after [`VERB`].
pub(super) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Request> {
    let wrong = |reason| Error::new(Kind::InvalidInput, "understand", "arguments").because(reason);
    let mut args = args.into_iter();
    let path = PathBuf::from(args.next().ok_or_else(|| wrong("no database is named"))?);
    let mut request = Request {
        file: DatabaseFile::at(&path).map_err(|error| error.retold("find", "it"))?,
        verify: Verify::No,
        row_counts: false,
        force: false,
        scratch: Scratch::new(std::env::temp_dir()),
        busy_wait: SQLITE_BUSY_WAIT,
        backup: false,
    };
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--verify") => match args.next().as_ref().and_then(|value| value.to_str()) {
                Some("quick") => request.verify = Verify::Quick,
                Some("full") => request.verify = Verify::Full,
                _ => return Err(wrong("--verify takes quick or full")),
            },
            Some("--scratch") => {
                let folder = args.next().ok_or_else(|| wrong("--scratch takes a folder"))?;
                request.scratch = Scratch::new(folder.into());
            }
            Some("--file") => {
                let value = args.next();
                let file = value.as_ref().and_then(|value| value.to_str());
                let file = file.and_then(|file| DatabaseFile::parse(path.clone(), file));
                let wrong = || wrong("--file takes device, inode, owner and group");
                request.file = file.ok_or_else(wrong)?;
            }
            Some("--busy-wait") => {
                let value = args.next().and_then(|value| value.to_str()?.parse().ok());
                let wrong = || wrong("--busy-wait takes milliseconds");
                request.busy_wait = Duration::from_millis(value.ok_or_else(wrong)?);
            }
            Some("--row-counts") => request.row_counts = true,
            Some("--force") => request.force = true,
            Some("--backup-api") => request.backup = true,
            _ => return Err(wrong("an unknown argument")),
        }
    }
    Ok(request)
}
