//! `backup`: sources into one snapshot, one part for each.

mod batch;
mod capture;
mod contents;
mod databases;
mod directory;
mod fill;
mod former;
mod history;
mod large;
mod links;
mod open_part;
mod parent;
mod part;
mod prefetch;
mod progress_stream;
mod read_file;
mod series;
mod small;
mod steps;
mod stored;
mod taints;
mod tree;
mod wanted;

pub use crate::codec::Level;
pub use parent::{ParentChoice, Parentage};
pub use steps::{Backup, Captured};
pub use wanted::Wanted;

use crate::env::TOOL;
use crate::error::Result;
use crate::format::snapshot::Snapshot;
use crate::id::SnapshotId;
use crate::monitor::{Counter, Monitor};
use crate::ops::series::Chains;
use crate::repo::Repository;
use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet};

/// What a backup is asked for.
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// This machine.
    pub host: String,
    /// This user.
    pub user: String,
    /// Program and version.
    pub tool: String,
    /// Tags.
    pub tags: BTreeSet<String>,
    /// Facts given by the user.
    pub labels: BTreeMap<String, String>,
    /// Where deltas and unchanged files are looked for.
    pub parent: ParentChoice,
    /// Compression of whole chunks.
    pub level: Level,
    /// Whether changed chunks are stored as deltas.
    pub deltas: bool,
    /// Whether the other parts are kept when one fails altogether.
    pub keep_going: bool,
    /// Whether a capture may be empty that follows one that was not, or is a stream.
    pub allow_empty: bool,
    /// Whether nothing is saved that is as the newest snapshot of its series.
    pub skip_if_unchanged: bool,
}

/// By nobody in particular: everything is captured, and stored as small as can be.
impl Default for BackupOptions {
    fn default() -> Self {
        BackupOptions {
            host: String::new(),
            user: String::new(),
            tool: TOOL.to_owned(),
            tags: BTreeSet::new(),
            labels: BTreeMap::new(),
            parent: ParentChoice::Auto,
            level: Level::default(),
            deltas: true,
            keep_going: false,
            allow_empty: false,
            skip_if_unchanged: false,
        }
    }
}

/// The outcome of a backup.
#[derive(Clone, Debug)]
pub struct BackupReport {
    /// The snapshot; if nothing was saved, as it would have been.
    pub snapshot: Snapshot,
    /// Whether something could not be captured, or changed while it was read, or may rest on
    /// chunks that turned out to be damaged meanwhile.
    pub incomplete: bool,
    /// What each part leans on.
    pub parents: Vec<Parentage>,
    /// The snapshot that it equals, so that nothing was saved.
    pub unchanged: Option<SnapshotId>,
    /// What stood in each series before.
    pub chains: Chains,
}

/// Captures `sources` as one snapshot: [`Backup`] step by step, for callers with nothing to do in between.
///
/// # Errors
/// All or nothing: the first part that fails altogether, unless told to keep going. Trouble with
/// single items goes to the monitor and makes the report incomplete.
pub fn backup(
    repository: &Repository,
    sources: Vec<Box<dyn Source>>,
    options: &BackupOptions,
    monitor: &dyn Monitor,
) -> Result<BackupReport> {
    let wanted = Wanted::of(sources, options.keep_going)?;
    let backup = Backup::begin(repository, &wanted, options)?;
    backup.capture(wanted, monitor).commit(monitor)
}

/// Counts an item for the monitor.
fn tell(monitor: &dyn Monitor, bytes: u64) {
    monitor.count(Counter::Items, 1);
    monitor.count(Counter::Bytes, bytes);
}
