//! SQLite databases, captured live through SQLite: each is read in a child process that opens
//! nothing else of it, in one read transaction, and stored as the database file itself, with
//! what was committed to its write-ahead log.
//!
//! Reading a database in WAL mode that nobody else has open leaves its `-wal` (empty) and `-shm`
//! beside it, where there were none: a read-only connection cannot remove them when it closes. They
//! belong to the database's owner, and the next connection that writes takes them away. They are
//! not removed here: another process may be opening them at that very moment.
//!
//! Root reads with the rights of the database's owner wherever those are enough, and what SQLite
//! opened is compared with the file that was found, before any page of it is believed.

pub mod child;
mod database;
mod facts;
mod identity;
mod preflight;
mod private_copy;
mod protocol;
mod reader;
mod spool;
mod tail;
mod trouble;
mod watch;

pub use child::Verify;
pub use identity::DatabaseFile;
pub use preflight::may_be_index;
pub use reader::{Opened, SqliteOptions, SqliteReader};
#[cfg(feature = "testing")]
pub use spool::SpoolLimits;

use crate::error::{Attempt, Result};
use crate::format::database::sibling_of;
use crate::format::snapshot::{PartKind, SourceName};
use crate::source::files::{NamedDatabase, Scope, Unlogged, absolute, with_xattrs};
use crate::source::{Entry, FileItem, Item, PartProof, Source, Together};
use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// The first bytes of every database (SQLite file format 1.3.1).
const MAGIC: &[u8] = b"SQLite format 3\0";

/// Whether a file that begins with `head` (16 bytes are enough) is an SQLite database.
pub fn is_database(head: &[u8]) -> bool {
    head.starts_with(MAGIC)
}

/// The name of the database that a file named `name` would belong to, if it is named like a
/// sibling or super-journal (-mj and nine digits) of one.
pub fn database_of(name: &[u8]) -> Option<&[u8]> {
    sibling_of(name).or_else(|| {
        let (main, number) = name.split_at_checked(name.len().checked_sub(12)?)?;
        let number = number.strip_prefix(b"-mj")?;
        let hex = number.iter().all(|byte| byte.is_ascii_hexdigit());
        (hex && number.get(6) == Some(&b'9') && !main.is_empty()).then_some(main)
    })
}

/// Runs this process as a reading child if its arguments say so. The first thing that `main`
/// does.
pub fn run_as_child() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    if args.next()?.to_str() != Some(child::VERB) {
        return None;
    }
    // Straight into the pipe, not through the line buffer of standard output.
    let Ok(out) = std::io::stdout().as_fd().try_clone_to_owned() else {
        return Some(ExitCode::FAILURE);
    };
    Some(ExitCode::from(child::run(args, File::from(out))))
}

/// One database as a part of its own.
pub struct SqliteSource {
    path: PathBuf,
    reader: SqliteReader,
    together: Arc<Together>,
    given: bool,
}

impl SqliteSource {
    /// The database at `path`, which is not looked at yet and will be read through `reader`.
    ///
    /// # Errors
    /// If the path is none.
    pub fn new(path: &Path, reader: SqliteReader) -> Result<Self> {
        let path = absolute(path)?;
        Ok(SqliteSource { path, reader, together: Arc::default(), given: false })
    }

    /// The same, beside the other sources of a backup.
    pub fn beside(mut self, together: Arc<Together>) -> Self {
        together.add(Scope::of_database(&self.path));
        self.together = together;
        self
    }
}

impl Source for SqliteSource {
    fn describe(&self) -> SourceName {
        let path = self.path.as_os_str().as_bytes().to_vec();
        SourceName { kind: PartKind::Sqlite, path, selection: BTreeSet::new() }
    }

    fn left_out(&mut self) -> Result<Option<String>> {
        self.path.metadata().attempt("find", self.path.display()).map(|_| None)
    }

    fn next(&mut self) -> Result<Option<Item>> {
        if std::mem::replace(&mut self.given, true) {
            return Ok(None);
        }
        let NamedDatabase { meta, xattrs, same, read_by, unlogged } =
            NamedDatabase::examine(&self.path, &self.together)?;
        let name = self.path.file_name().unwrap_or_default().as_bytes().to_vec();
        let length = self.path.metadata().ok().map(|found| found.len());
        let reader = self.reader.clone();
        let open = Box::new(move || {
            let pages = reader.open(&read_by)?;
            let pages = match unlogged {
                Some(before) => Box::new(Unlogged::new(pages, read_by, before)),
                None => pages,
            };
            Ok(with_xattrs(pages, xattrs))
        });
        // No stamp: what was committed may stand in the log alone, the file unchanged.
        let file = FileItem::new(Entry { name, meta }, length, open);
        Ok(Some(Item::File(FileItem { same, ..file })))
    }

    fn finish(self: Box<Self>) -> Result<PartProof> {
        Ok(PartProof::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of siblings lead to their database, look-alikes do not.
    #[test]
    fn siblings_are_known_by_name() {
        assert_eq!(database_of(b"a.db-wal"), Some(&b"a.db"[..]));
        assert_eq!(database_of(b"a.db-shm"), Some(&b"a.db"[..]));
        assert_eq!(database_of(b"a.db-journal"), Some(&b"a.db"[..]));
        assert_eq!(database_of(b"a.db-mj0A1B2C9FF"), Some(&b"a.db"[..]));
        for other in [&b"a.db"[..], b"-wal", b"a.db-mj0A1B2C8FF", b"a.db-mj", b"", b"-mj0A1B2C9FF"]
        {
            assert_eq!(database_of(other), None);
        }
    }
}
