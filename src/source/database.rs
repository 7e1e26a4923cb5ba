//! One SQLite database that is named by itself, as a part of its own.

use super::files::{NamedDatabase, Scope, Unlogged, absolute, with_xattrs};
use super::sqlite::SqliteReader;
use super::{Entry, FileItem, Item, PartProof, Source, Together};
use crate::error::{Attempt, Result};
use crate::format::snapshot::{PartKind, SourceName};
use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The database at one path.
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
