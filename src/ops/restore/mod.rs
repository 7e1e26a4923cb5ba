//! `restore`: a snapshot, or what stands at a path of it, into a folder.

mod content;
pub mod into;
mod verify;

use super::damage::remember;
use super::tree::{self, Entry, Step};
use crate::error::{Error, Kind, Result};
use crate::format::node::{Node, NodeKind};
use crate::format::snapshot::Snapshot;
use crate::monitor::{Counter, Monitor, go_on};
use crate::repo::Reader;
use crate::source::files::Excludes;
use crate::target::files::{FilesOptions, FilesTarget, Placed, Report};
use content::Contents;
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
    /// Only say what would be restored.
    pub dry_run: bool,
    /// Read everything back afterwards and compare.
    pub verify: bool,
}

/// What became of a restore.
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
    /// Files that were read back and are right.
    pub verified: u64,
    /// What could not be brought back of entries that were.
    pub left_out: Report,
}

/// Restores what stands at `path`, or everything, into the folder `target`. A folder's entries
/// come to stand in the target itself; without a path, each part beneath its own path.
///
/// # Errors
/// What makes the whole restore impossible; trouble with single entries goes to the monitor and
/// is counted.
pub fn restore(
    reader: &Reader<'_>,
    snapshot: &Snapshot,
    path: Option<&[u8]>,
    target: &Path,
    options: &mut RestoreOptions,
    monitor: &dyn Monitor,
) -> Result<RestoreReport> {
    let found = tree::find(reader, snapshot, path.unwrap_or(b"/"));
    remember(reader.repository(), reader.index(), monitor);
    let found = found?;
    let files = match options.dry_run {
        true => None,
        false => Some(FilesTarget::open(target, options.files)?),
    };
    monitor.begin("restore", Some((Counter::Bytes, snapshot.summary.bytes)));
    let mut restoring = Restoring {
        reader,
        budget: snapshot.summary.items.saturating_add(1024),
        target: files,
        contents: Contents::default(),
        waiting: Vec::new(),
        blocked: false,
        entered: 0,
        inside: 0,
        options,
        monitor,
        report: RestoreReport::default(),
    };
    let walked = restoring.all(&found);
    monitor.end();
    remember(reader.repository(), reader.index(), monitor);
    walked?;
    let Restoring { target: files, mut report, .. } = restoring;
    if let Some(files) = files {
        report.left_out = files.finish()?;
        if options.verify {
            verify::verify(reader, &found, target, options, monitor, &mut report)?;
        }
    }
    Ok(report)
}

struct Restoring<'a> {
    reader: &'a Reader<'a>,
    target: Option<FilesTarget>,
    contents: Contents,
    /// Directories on the way that nothing needed yet.
    waiting: Vec<Node>,
    /// Whether the first of those could not be made: then nothing beneath it can be restored.
    blocked: bool,
    /// Directories made and entered.
    entered: usize,
    /// How many of the innermost directories lie in one that was included.
    inside: usize,
    /// No more entries than this: a forged tree may go on for ever.
    budget: u64,
    options: &'a mut RestoreOptions,
    monitor: &'a dyn Monitor,
    report: RestoreReport,
}

impl Restoring<'_> {
    fn all(&mut self, found: &tree::Found) -> Result<()> {
        let reader = self.reader;
        let root = found.path.clone();
        let monitor = self.monitor;
        let (mut failed, mut damaged) = (0, 0);
        let walked = tree::walk(
            reader,
            found,
            &mut |path, step| self.step(&root, path, step),
            &mut |error| {
                monitor.trouble(&error);
                failed += 1;
                damaged += u64::from(is_damage(&error));
                Ok(())
            },
        );
        self.report.failed += failed;
        self.report.damaged += damaged;
        // What was placed already gets its content, however the walk ended.
        let flushed = self.flush();
        walked.and(flushed)
    }

    fn step(&mut self, root: &[u8], path: &[u8], step: Step<'_>) -> Result<bool> {
        go_on(self.monitor, "restore")?;
        match step {
            Step::Leave => self.leave(root, path),
            Step::Enter(node) => self.enter(root, path, node),
            Step::Node(node) => self.node(path, node),
        }
    }

    fn enter(&mut self, root: &[u8], path: &[u8], node: &Node) -> Result<bool> {
        self.spend(path)?;
        if self.blocked || self.options.exclude.leave_out(path) {
            return Ok(false);
        }
        let included = self.inside > 0 || self.included(path);
        if path == root {
            // The target stands for it.
            self.inside += usize::from(included);
            if let Some(target) = self.target.as_mut().filter(|_| included) {
                target.root(node);
            }
            return Ok(true);
        }
        self.waiting.push(node.clone());
        if included && !self.reach()? {
            // Not entered, so it will not be left.
            self.waiting.pop();
            self.blocked = !self.waiting.is_empty();
            return Ok(false);
        }
        self.inside += usize::from(included);
        Ok(true)
    }

    fn leave(&mut self, root: &[u8], path: &[u8]) -> Result<bool> {
        self.inside = self.inside.saturating_sub(1);
        if path == root {
            return Ok(true);
        }
        if self.waiting.pop().is_some() {
            self.blocked &= !self.waiting.is_empty();
        } else {
            self.flush()?;
            self.entered = self.entered.saturating_sub(1);
            if let Some(target) = &mut self.target {
                target.leave()?;
            }
        }
        Ok(true)
    }

    fn node(&mut self, path: &[u8], node: &Node) -> Result<bool> {
        self.spend(path)?;
        let included = self.inside > 0 || self.included(path);
        if !included || self.options.exclude.leave_out(path) || !self.reach()? {
            return Ok(true);
        }
        let placed = self.place(path, node);
        if let Err(error) = placed {
            self.fail(error)?;
        }
        Ok(true)
    }

    fn place(&mut self, path: &[u8], node: &Node) -> Result<()> {
        let NodeKind::File { content, .. } = &node.kind else {
            if let Some(target) = &mut self.target {
                target.other(node)?;
            }
            self.done(0);
            return Ok(());
        };
        self.report.files += 1;
        let Some(target) = &mut self.target else {
            self.done(content.length);
            return Ok(());
        };
        match target.file(node, content.length)? {
            Placed::Kept => self.report.kept += 1,
            Placed::Linked => self.done(0),
            Placed::Write(sink) => {
                self.contents.push(path, node.clone(), content.clone(), sink);
                if self.contents.is_full() {
                    self.flush()?;
                }
            }
        }
        Ok(())
    }

    /// Writes what waits.
    fn flush(&mut self) -> Result<()> {
        for result in std::mem::take(&mut self.contents).write(self.reader, self.monitor) {
            match result {
                Ok(length) => {
                    self.report.items += 1;
                    self.report.bytes += length;
                    self.monitor.count(Counter::Items, 1);
                }
                Err(error) => self.fail(error)?,
            }
        }
        Ok(())
    }

    /// Makes the directories on the way; false if one cannot be made, which is told once.
    fn reach(&mut self) -> Result<bool> {
        if self.blocked {
            return Ok(false);
        }
        let mut waiting = std::mem::take(&mut self.waiting).into_iter();
        while let Some(node) = waiting.next() {
            let entered = self.target.as_mut().map_or(Ok(()), |target| target.enter(&node));
            if let Err(error) = entered {
                self.waiting.push(node);
                self.waiting.extend(waiting);
                self.blocked = true;
                self.fail(error)?;
                return Ok(false);
            }
            self.entered += 1;
            self.done(0);
        }
        Ok(true)
    }

    fn included(&mut self, path: &[u8]) -> bool {
        self.options.include.is_empty() || self.options.include.leave_out(path)
    }

    fn spend(&mut self, path: &[u8]) -> Result<()> {
        self.budget = self.budget.checked_sub(1).ok_or_else(|| {
            Error::damaged(
                "restore",
                String::from_utf8_lossy(path),
                "the snapshot has more entries than it says",
            )
        })?;
        Ok(())
    }

    fn done(&mut self, bytes: u64) {
        self.report.items += 1;
        self.report.bytes += bytes;
        self.monitor.count(Counter::Items, 1);
    }

    /// One entry's trouble; what stops every entry stops the restore.
    fn fail(&mut self, error: Error) -> Result<()> {
        if matches!(error.kind(), Kind::NoSpace | Kind::Interrupted) {
            return Err(error);
        }
        self.monitor.trouble(&error);
        self.report.failed += 1;
        self.report.damaged += u64::from(is_damage(&error));
        Ok(())
    }
}

/// Whether something in the repository is not as it must be, or not there.
fn is_damage(error: &Error) -> bool {
    matches!(error.kind(), Kind::Damaged | Kind::NotFound)
}

/// The single node at a place, if it is no folder.
pub(super) fn is_folder(entry: &Entry) -> bool {
    match entry {
        Entry::Leading(_) => true,
        Entry::Node(node) => matches!(node.kind, NodeKind::Directory { .. }),
    }
}
