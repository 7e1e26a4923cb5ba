//! Which files SQLite has open, and whether they were written to without SQLite.

use super::wal_index::WalIndex;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where the kernel tells which files a process has open.
const DESCRIPTORS: &str = "/proc/self/fd";

/// The regular files that this process has open, by descriptor; nothing where the system does
/// not tell.
pub(super) struct OpenFiles(Option<Listing>);

type Listing = BTreeMap<OsString, OpenFile>;

#[derive(Clone, PartialEq, Eq)]
pub(super) struct OpenFile {
    pub path: PathBuf,
    pub device: u64,
    pub inode: u64,
    /// Its length, and when it was written.
    written: (u64, i64, i64),
}

impl OpenFiles {
    /// Those open now. None of them is opened or closed for this, which would cost locks.
    pub(super) fn now() -> Self {
        OpenFiles(std::fs::read_dir(DESCRIPTORS).ok().map(|entries| {
            let entries = entries.flatten();
            entries
                .filter_map(|entry| Some((entry.file_name(), OpenFile::of(&entry.path())?)))
                .collect()
        }))
    }

    /// Those open now that were not when this was listed.
    pub(super) fn opened_since(&self) -> Option<Listing> {
        let (before, mut now) = (self.0.as_ref()?, OpenFiles::now().0?);
        now.retain(|descriptor, _| !before.contains_key(descriptor));
        Some(now)
    }
}

impl OpenFile {
    /// The regular file of a descriptor.
    fn of(link: &Path) -> Option<Self> {
        let found = link.metadata().ok().filter(std::fs::Metadata::is_file)?;
        let path = link.read_link().ok()?;
        let written = (found.len(), found.mtime(), found.mtime_nsec());
        Some(OpenFile { path, device: found.dev(), inode: found.ino(), written })
    }

    fn ends_with(&self, suffix: &str) -> bool {
        self.path.as_os_str().as_bytes().ends_with(suffix.as_bytes())
    }

    fn has_its_name(&self) -> bool {
        let found = self.path.symlink_metadata();
        found.is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode))
    }
}

/// The files of one database in the midst of a read transaction, as they were when it had begun.
pub(super) struct FilesRead {
    files: Listing,
    /// Where the log was copied into the database to by then.
    index: Option<WalIndex>,
}

impl FilesRead {
    /// Those opened since `before`. It must be dropped after the connection.
    pub(super) fn opened_since(before: &OpenFiles) -> Option<Self> {
        let opened = before.opened_since()?;
        let index = opened.iter().find(|(_, file)| file.ends_with("-shm"));
        let index = index
            .and_then(|(descriptor, _)| WalIndex::open(&Path::new(DESCRIPTORS).join(descriptor)));
        // Listed again: what is written by SQLite after the index was read must show in both.
        let files = OpenFiles::now().0?;
        let files = files.into_iter().filter(|(descriptor, _)| opened.contains_key(descriptor));
        Some(FilesRead { files: files.collect(), index })
    }

    /// Whether the database was written since by a process that did not see that it is read: that shows in locks, in
    /// WAL mode on a file beside it, which is found by its name.
    ///
    /// In rollback mode nobody who sees the transaction writes to the database. In WAL mode the log grows, and
    /// what stands in it may be copied into the database, which the index tells, as long as all have their names.
    pub(super) fn were_written_unseen(&self) -> bool {
        let is_logged =
            self.files.values().any(|file| file.ends_with("-wal") && file.written.0 > 0);
        let are_found = is_logged && self.files.values().all(OpenFile::has_its_name);
        let is_read = |file: &OpenFile| match () {
            () if file.ends_with("-shm") => false,
            () if file.ends_with("-wal") => is_logged && !are_found,
            () => true,
        };
        let now = OpenFiles::now().0.unwrap_or_default();
        let mut read = self.files.iter().filter(|(_, file)| is_read(file));
        let is_written = read.any(|(descriptor, file)| {
            now.get(descriptor).is_none_or(|now| now.written != file.written)
        });
        is_written && !(are_found && self.index.as_ref().is_none_or(WalIndex::may_have_moved))
    }
}
