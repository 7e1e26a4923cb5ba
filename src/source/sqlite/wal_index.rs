//! How much of a write-ahead log was copied into its database, as the index beside it (`-shm`) tells:
//! the "checkpoint info" of SQLite's `walformat.html`.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Where the number of frames stands that are copied: `nBackfill`.
const COPIED: u64 = 96;
/// Where the number of frames stands that a checkpoint began to copy: `nBackfillAttempted`.
const ATTEMPTED: u64 = 128;

/// The index of a log, and what it told when it was opened.
pub(super) struct WalIndex {
    /// It must be closed after the connection: to close it drops the locks that SQLite holds on it.
    file: File,
    then: Option<Checkpoint>,
}

/// How far a checkpoint has come: numbers of frames, as they stand there, in the byte order of this machine.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Checkpoint {
    copied: [u8; 4],
    attempted: [u8; 4],
}

impl WalIndex {
    /// The index at `path`, which SQLite has open.
    pub(super) fn open(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let then = Checkpoint::read(&file);
        Some(WalIndex { file, then })
    }

    /// Whether a checkpoint may have copied frames into the database since. It is said here before
    /// the first page of them is written.
    pub(super) fn may_have_moved(&self) -> bool {
        let was_at_rest = self.then.is_some_and(|then| then.copied == then.attempted);
        !was_at_rest || Checkpoint::read(&self.file) != self.then
    }
}

impl Checkpoint {
    fn read(index: &File) -> Option<Self> {
        let number = |at| {
            let mut bytes = [0; 4];
            index.read_exact_at(&mut bytes, at).ok().map(|()| bytes)
        };
        Some(Checkpoint { copied: number(COPIED)?, attempted: number(ATTEMPTED)? })
    }
}
