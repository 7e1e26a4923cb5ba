//! What of a tree is captured, and how.

use super::excludes::Excludes;
use crate::env::Env;
use crate::error::Result;
use crate::source::Together;
use crate::source::sqlite::{DatabaseFile, Opened};
use std::path::PathBuf;
use std::sync::Arc;

/// Captures a database that was found through SQLite.
pub type OpenDatabase = Arc<dyn Fn(&DatabaseFile) -> Result<Opened> + Send + Sync>;

/// What of a tree is captured, and how.
pub struct FilesOptions {
    /// Names and paths to leave out.
    pub excludes: Excludes,
    /// Leave out the content of folders that hold such a file; where a header is given, only if
    /// the file begins with it.
    pub exclude_if_present: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Leave out files of more than so many bytes.
    pub larger_than: Option<u64>,
    /// Stay on the file system of the root; mount points are kept as empty folders.
    pub one_file_system: bool,
    /// Where it stands in the snapshot, if not where it lies.
    pub stored: Option<PathBuf>,
    /// Whether it may have become empty.
    pub allow_empty: bool,
    /// Fail at a folder in which a database server keeps its data: its files are of many moments.
    pub refuse_servers: bool,
    /// Whether nobody writes to any of it meanwhile, so that databases need not be read before other files.
    pub is_quiesced: bool,
    /// How SQLite databases are captured; without it they are files like any other, and so are
    /// their -wal and -journal.
    pub sqlite: Option<OpenDatabase>,
    /// The sources of the same backup, this one and others.
    pub together: Arc<Together>,
    /// Tells the time, which decides what is [`settled`](crate::source::FileItem::settled).
    pub env: Env,
}

impl Default for FilesOptions {
    fn default() -> Self {
        FilesOptions {
            excludes: Excludes::default(),
            exclude_if_present: Vec::new(),
            larger_than: None,
            one_file_system: false,
            stored: None,
            allow_empty: false,
            refuse_servers: false,
            is_quiesced: false,
            sqlite: None,
            together: Arc::default(),
            env: Env::real(),
        }
    }
}
