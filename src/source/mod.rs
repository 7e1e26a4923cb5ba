//! Bytes out of the world. A source freezes a consistent state, gives its items one by one, and
//! finishes with a proof of consistency.

mod database;
mod documents;
pub mod files;
pub mod postgres;
pub mod sqlite;
pub mod stdin;
mod together;

pub use database::SqliteSource;
pub use documents::{Documents, JOB_FOLDER};
pub use together::Together;

use crate::error::{Error, Result};
use crate::format::database::DatabaseFacts;
use crate::format::directory::{LinkGroup, Metadata, Node, NodeKind, Scrutiny, Stamp};
use crate::format::facts::PartFacts;
use crate::format::snapshot::SourceName;
use serde_bytes::ByteBuf;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// One source of a snapshot.
pub trait Source: Send {
    /// What it is and where it stands in the snapshot.
    fn describe(&self) -> SourceName;

    /// Looks at what was named, before anything of any source is captured: why it is left out, if
    /// it is although it was named.
    ///
    /// # Errors
    /// What makes the whole part worthless: nothing stands there, or it is out of reach.
    fn left_out(&mut self) -> Result<Option<String>> {
        Ok(None)
    }

    /// Whether it captures all that another source of its kind would that stands at `path`, so that
    /// this one need not be captured as well.
    fn covers(&self, _path: &[u8]) -> bool {
        false
    }

    /// Whether the part is worthless unless every one of its items was captured: then trouble
    /// with one is trouble with all, unless the user wants to keep what there is.
    fn all_or_nothing(&self) -> bool {
        false
    }

    /// Whether it may have become empty, which is taken for a failure otherwise.
    fn allow_empty(&self) -> bool {
        false
    }

    /// The next database in it that may be at work: those of all sources are read before any file, so that no row
    /// names a file that was not there yet. Each comes again in its place, as the same file. Asked for until there
    /// are no more, before the first [`Source::next`].
    fn next_database(&mut self) -> Option<FileAt> {
        None
    }

    /// The next item: the root first, then depth first, entries of a directory sorted by name.
    /// Asked for on a thread of its own, before the items given earlier are opened.
    ///
    /// # Errors
    /// Only what makes the whole part worthless; trouble with one item is [`Item::Failed`].
    fn next(&mut self) -> Result<Option<Item>>;

    /// What comes last, into directories that [`Item::HoldOpen`] kept open: asked for once every
    /// item before was read, so that it may tell of their reading. These files are read in the
    /// order in which they are given.
    ///
    /// # Errors
    /// What makes the whole part worthless.
    fn last(&mut self) -> Result<Vec<FileAt>> {
        Ok(Vec::new())
    }

    /// The end, after the last item.
    fn finish(self: Box<Self>) -> Result<PartProof>;
}

/// One item of a source.
pub enum Item {
    /// A directory begins; its entries follow, then [`Item::Leave`].
    Enter(Entry),
    /// Follows upon the [`Item::Enter`] of a directory into which [`Source::last`] puts files. Its
    /// entries are kept in memory until then.
    HoldOpen,
    /// The directory entered last is complete.
    Leave,
    /// A regular file, a database or a stream.
    File(FileItem),
    /// Anything without content, as it will be stored.
    Other(Node),
    /// An item that could not be captured; the rest goes on.
    Failed(Error),
}

/// The name and the metadata of a directory or a file, whose content is not known yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: Vec<u8>,
    /// Its metadata.
    pub meta: Metadata,
}

impl Entry {
    /// The entry with what it holds, as it is stored.
    pub fn holding(self, kind: NodeKind) -> Node {
        Node { name: self.name, kind, meta: self.meta, stamp: None, taint: None }
    }
}

/// A file that does not come in the order of names.
pub struct FileAt {
    /// The names of the directories that lead to it, without the root's.
    pub folder: Vec<Vec<u8>>,
    /// The file.
    pub file: FileItem,
}

/// A regular file, a database or a stream, not opened yet.
pub struct FileItem {
    /// Its name and metadata. With a stamp, its extended attributes are not known yet: they cannot
    /// change without it.
    pub entry: Entry,
    /// About how many bytes will be read, if that is known.
    pub length: Option<u64>,
    /// What `stat` said before anything was read.
    pub stamp: Option<Stamp>,
    /// Whether the stamp is old enough, by the file system's clock, to prove anything later.
    pub settled: bool,
    /// What tells whether it was met under another name, if it has several.
    pub same: Option<SameFile>,
    /// Whether a little of it changes everywhere from one time to the next, as in dumps: large
    /// chunks then cost least.
    pub changes_everywhere: bool,
    /// Opens it, on any thread.
    pub open: Opener,
}

impl FileItem {
    /// One of a single name, of which nothing is known but about how many bytes will be read.
    pub fn new(entry: Entry, length: Option<u64>, open: Opener) -> Self {
        FileItem {
            entry,
            length,
            stamp: None,
            settled: false,
            same: None,
            changes_everywhere: false,
            open,
        }
    }
}

/// A file of several names, in one state: names of one backup for which this is equal have the
/// same content, which is read under the first of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SameFile {
    /// The file.
    pub group: LinkGroup,
    /// How many names lead to it, in this backup or not.
    pub names: u64,
    /// Its state.
    pub state: SameState,
}

/// The state of a file of several names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum SameState {
    /// What `stat` says of it.
    Stamp(Stamp),
    /// Whatever a database holds that is read by the name which has its log: device and inode of
    /// a folder, and the name in it.
    ReadBy((u64, u64), Vec<u8>),
    /// What it held when [`Source::next_database`] gave it.
    ReadFirst,
}

/// Opens the content of a [`FileItem`].
pub type Opener = Box<dyn FnOnce() -> Result<Box<dyn ByteStream>> + Send>;

/// The bytes of one file, in order.
pub trait ByteStream: Send {
    /// Fills the front of `buffer` (never empty) as far as one read goes.
    fn read(&mut self, buffer: &mut [u8]) -> Result<Got>;

    /// Whether a read would find something, or the end, within this time. One that waits for others to write may be
    /// silent for long; all the rest do not wait.
    fn is_ready(&self, _most: Duration) -> bool {
        true
    }

    /// Asks it to stand for the moment at which it was opened, whatever becomes of the file before it is read:
    /// whether it does, and lets others write meanwhile.
    fn pin(&mut self) -> bool {
        false
    }

    /// What the read turned out to be worth; called after [`Got::End`].
    fn finish(self: Box<Self>) -> Result<FileProof>;
}

/// What [`ByteStream::read`] got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Got {
    /// So many bytes, not zero.
    Data(usize),
    /// A hole of so many zeros, none of which stand in the buffer.
    Hole(u64),
    /// The end.
    End,
}

/// What was found out while a file was read.
#[derive(Default)]
pub struct FileProof {
    /// How it changed while it was read, if it did.
    pub changed: Option<String>,
    /// Facts, if it was a database.
    pub database: Option<DatabaseFacts>,
    /// What is wrong with it, although it could be read: the first finding.
    pub taint: Option<String>,
    /// How deeply was looked for that; none if nobody looked.
    pub scrutiny: Option<Scrutiny>,
    /// Its extended attributes, where they were left to be read with the content.
    pub xattrs: Option<Xattrs>,
    /// What of it could not be captured, and why.
    pub left_out: Option<String>,
    /// What the user should know.
    pub warning: Option<String>,
    /// Whether it was stored as a file although it begins as an SQLite database does.
    pub begins_as_database: bool,
    /// Reads it anew: what was given is no state that it ever was in, and the next may be.
    pub again: Option<Opener>,
    /// Files of the same folder that belong to it, which were to be captured with it and were not.
    pub companions: Vec<FileItem>,
}

impl fmt::Debug for FileProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileProof")
            .field("changed", &self.changed)
            .field("database", &self.database)
            .field("taint", &self.taint)
            .field("warning", &self.warning)
            .finish_non_exhaustive()
    }
}

/// Extended attributes by name.
pub type Xattrs = BTreeMap<ByteBuf, ByteBuf>;

/// What was found out about a whole part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartProof {
    /// Facts of the source kind.
    pub facts: PartFacts,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// Whether it is not what was asked for, as a warning says.
    pub is_incomplete: bool,
}
