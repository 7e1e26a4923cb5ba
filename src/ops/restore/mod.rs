//! `restore`: a snapshot, or what stands at a path of it, into a folder.

mod content;
mod fill;
pub mod postgres;
mod verify;

use super::damage::record_damage;
use super::tree::{self, Entry};
use crate::error::{Error, Kind, Result};
use crate::format::directory::NodeKind;
use crate::format::snapshot::Snapshot;
use crate::monitor::Monitor;
use crate::repo::Reader;
use crate::sink::Sink;
use crate::sink::files::{FilesOptions, FilesSink, Rehearsal, Report};
use crate::source::files::Excludes;
use fill::fill;
use std::path::Path;

/// What a restore is asked for.
#[derive(Default)]
pub struct RestoreOptions {
    /// How files are placed.
    pub files: FilesOptions,
    /// If not empty, only what these patterns match, and what lies beneath.
    pub include: Excludes,
    /// What is left out.
    pub exclude: Excludes,
    /// Files that appear last, once all else is in place.
    pub hold_back: Excludes,
    /// Change nothing, and say what would be restored, kept and refused.
    pub dry_run: bool,
    /// Read everything back afterwards and compare.
    pub verify: bool,
}

/// The outcome of a restore.
#[derive(Clone, Debug, Default)]
pub struct RestoreReport {
    /// Entries that were, or would be, restored.
    pub items: u64,
    /// Files among them.
    pub files: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Files that stood there already and were kept.
    pub kept: u64,
    /// Entries that could not be restored.
    pub failed: u64,
    /// Those of them of which something in the repository is damaged or lost.
    pub damaged: u64,
    /// Files among those restored that were damaged at their source already.
    pub tainted: u64,
    /// Files that were read back and are right.
    pub verified: u64,
    /// What could not be brought back of entries that were.
    pub left_out: Report,
}

/// Restores what stands at `path`, or everything, into the folder `target`. A folder's entries
/// come to stand in the target itself; without a path, each part beneath its own path.
///
/// # Errors
/// What makes the whole restore impossible, or if nothing matches what is asked for. Trouble with
/// single entries goes to the monitor and is counted.
pub fn restore(
    reader: &Reader<'_>,
    snapshot: &Snapshot,
    path: Option<&[u8]>,
    target: &Path,
    options: &mut RestoreOptions,
    monitor: &dyn Monitor,
) -> Result<RestoreReport> {
    let found = find(reader, snapshot, path, monitor)?;
    let new = !target.exists();
    let sink: Box<dyn Sink> = match options.dry_run {
        true => Box::new(Rehearsal::open(target, options.files)?),
        false => Box::new(FilesSink::open(target, options.files)?),
    };
    let Some(mut report) = fill(reader, snapshot, &found, sink, options, monitor)? else {
        if new && !options.dry_run {
            // Nothing was restored, so no new folder stays.
            let _ = std::fs::remove_dir(target);
        }
        return Err(nothing_chosen(snapshot, &found, options));
    };
    if options.verify && !options.dry_run {
        verify::verify(reader, &found, target, options, monitor, &mut report)?;
    }
    Ok(report)
}

/// Restores what stands at `path`, or everything, into a sink of any kind. What the options say of
/// folders means nothing here.
///
/// # Errors
/// As for [`restore`].
pub fn restore_into(
    reader: &Reader<'_>,
    snapshot: &Snapshot,
    path: Option<&[u8]>,
    sink: Box<dyn Sink + '_>,
    options: &mut RestoreOptions,
    monitor: &dyn Monitor,
) -> Result<RestoreReport> {
    let found = find(reader, snapshot, path, monitor)?;
    let report = fill(reader, snapshot, &found, sink, options, monitor)?;
    report.ok_or_else(|| nothing_chosen(snapshot, &found, options))
}

/// What stands at a path, if it is as much as the snapshot says.
fn find(
    reader: &Reader<'_>,
    snapshot: &Snapshot,
    path: Option<&[u8]>,
    monitor: &dyn Monitor,
) -> Result<tree::PathEntry> {
    let counted = tree::find(reader, snapshot, path.unwrap_or(b"/"))
        .and_then(|found| tree::count(reader, &found).map(|entries| (found, entries)));
    record_damage(reader.repository(), reader.index(), monitor);
    let (found, entries) = counted?;
    let says = snapshot.summary.items;
    if entries > says {
        let reason = format!("it has {entries} entries, more entries than it says: {says}");
        return Err(Error::damaged("restore", snapshot.id.short(), reason));
    }
    Ok(found)
}

fn nothing_chosen(snapshot: &Snapshot, found: &tree::PathEntry, options: &RestoreOptions) -> Error {
    let path = String::from_utf8_lossy(&found.path);
    let subject = format!("anything of {}:{path}", snapshot.id.short());
    let reason = match options.include.is_empty() {
        true => "everything in it is excluded",
        false => "nothing in it matches what is to be included and is not excluded",
    };
    Error::new(Kind::NotFound, "restore", subject).because(reason).hint(
        "`icecore ls SNAPSHOT` lists its paths; a pattern with a leading `/` is a whole path there",
    )
}

/// The single node at a place, if it is no folder.
pub(super) fn is_folder(entry: &Entry) -> bool {
    match entry {
        Entry::Leading(_) => true,
        Entry::Node(node) => matches!(node.kind, NodeKind::Directory { .. }),
    }
}
