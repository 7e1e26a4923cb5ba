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
use crate::target::files::{FilesOptions, FilesTarget, Placed, Rehearsal, Report, Would};
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
    /// Change nothing, and say what would be restored, kept and refused.
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
    let counted = tree::find(reader, snapshot, path.unwrap_or(b"/"))
        .and_then(|found| tree::count(reader, &found).map(|entries| (found, entries)));
    remember(reader.repository(), reader.index(), monitor);
    let (found, entries) = counted?;
    let says = snapshot.summary.items;
    if entries > says {
        let reason = format!("it has {entries} entries, more entries than it says: {says}");
        return Err(Error::damaged("restore", snapshot.id.short(), reason));
    }
    let new = !target.exists();
    let into = match options.dry_run {
        true => Target::Rehearsal(Rehearsal::open(target, options.files)?),
        false => Target::Files(Box::new(FilesTarget::open(target, options.files)?)),
    };
    monitor.begin("restore", Some((Counter::Bytes, snapshot.summary.bytes)));
    let mut restoring = Restoring {
        reader,
        target: into,
        contents: Contents::new(reader),
        waiting: Vec::new(),
        blocked: false,
        entered: 0,
        inside: 0,
        chosen: 0,
        passed: 0,
        options,
        monitor,
        report: RestoreReport::default(),
    };
    let walked = restoring.all(&found);
    monitor.end();
    remember(reader.repository(), reader.index(), monitor);
    walked?;
    let Restoring { target: into, mut report, chosen, passed, .. } = restoring;
    if let Target::Files(files) = into {
        report.left_out = files.finish()?;
        report.items = report.items.saturating_sub(report.left_out.siblings);
        report.files = report.files.saturating_sub(report.left_out.siblings);
        if chosen == 0 && passed > 0 && new {
            // Whoever is told that nothing was restored expects nothing there.
            let _ = std::fs::remove_dir(target);
        } else if options.verify {
            verify::verify(reader, &found, target, options, monitor, &mut report)?;
        }
    }
    match chosen == 0 && passed > 0 {
        true => Err(nothing_chosen(snapshot, &found, options)),
        false => Ok(report),
    }
}

fn nothing_chosen(snapshot: &Snapshot, found: &tree::Found, options: &RestoreOptions) -> Error {
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

/// Where a restore goes.
enum Target {
    Files(Box<FilesTarget>),
    Rehearsal(Rehearsal),
}

impl Target {
    fn enter(&mut self, node: &Node) -> Result<()> {
        match self {
            Target::Files(files) if tree::leads(node) => files.pass(&node.name),
            Target::Files(files) => files.enter(node),
            Target::Rehearsal(rehearsal) => rehearsal.enter(&node.name),
        }
    }

    fn other(&mut self, node: &Node) -> Result<()> {
        match self {
            Target::Files(files) => files.other(node),
            Target::Rehearsal(rehearsal) => rehearsal.other(node),
        }
    }
}

struct Restoring<'a> {
    reader: &'a Reader<'a>,
    target: Target,
    contents: Contents<'a>,
    /// Directories on the way that nothing needed yet.
    waiting: Vec<Node>,
    /// Whether the first of those could not be made: then nothing beneath it can be restored.
    blocked: bool,
    /// Directories made and entered.
    entered: usize,
    /// How many of the innermost directories lie in one that was included.
    inside: usize,
    /// Entries that were to be restored, and those that the patterns passed over.
    chosen: u64,
    passed: u64,
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
        let written = self.write(true);
        walked.and(written)?;
        self.settle()
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
        if self.blocked {
            return Ok(false);
        }
        if self.options.exclude.leave_out(path) {
            self.passed += 1;
            return Ok(false);
        }
        let included = self.inside > 0 || self.included(path);
        if path == root {
            // The target stands for it.
            self.inside += usize::from(included);
            if let (Target::Files(target), true) = (&mut self.target, included) {
                target.root(node);
            }
            return Ok(true);
        }
        self.waiting.push(node.clone());
        // A folder that only leads to parts is made for them alone.
        let wanted = included && !tree::leads(node);
        self.choose(wanted);
        if wanted && !self.reach()? {
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
            self.write(true)?;
            self.settle()?;
            self.entered = self.entered.saturating_sub(1);
            match &mut self.target {
                Target::Files(target) => target.leave()?,
                Target::Rehearsal(rehearsal) => rehearsal.leave(),
            }
        }
        Ok(true)
    }

    /// What waited for its folder to be complete comes into its place.
    fn settle(&mut self) -> Result<()> {
        let Target::Files(target) = &mut self.target else { return Ok(()) };
        for error in target.settle() {
            self.report.items = self.report.items.saturating_sub(1);
            self.report.files = self.report.files.saturating_sub(1);
            self.fail(error)?;
        }
        Ok(())
    }

    fn choose(&mut self, wanted: bool) {
        self.chosen += u64::from(wanted);
        self.passed += u64::from(!wanted);
    }

    fn node(&mut self, path: &[u8], node: &Node) -> Result<bool> {
        let included = self.inside > 0 || self.included(path);
        let wanted = included && !self.options.exclude.leave_out(path);
        self.choose(wanted);
        if !wanted || !self.reach()? {
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
            self.target.other(node)?;
            self.done(0);
            return Ok(());
        };
        if let Some(taint) = &node.taint {
            self.report.tainted += 1;
            self.monitor.note(&format!("{}: {}", String::from_utf8_lossy(path), taint.reason()));
        }
        let holds = &mut |mut file| verify::holds(self.reader, &mut file, content);
        let target = match &mut self.target {
            Target::Files(target) => target,
            Target::Rehearsal(rehearsal) => {
                match rehearsal.file(node, content.length, holds)? {
                    Would::Write => {
                        self.monitor.would_restore(path, content.length);
                        self.report.files += 1;
                        self.done(content.length);
                    }
                    Would::Keep => self.report.kept += 1,
                    Would::LeaveOut => self.report.left_out.siblings += 1,
                }
                return Ok(());
            }
        };
        match target.file(node, content.length, holds)? {
            Placed::Kept => self.report.kept += 1,
            Placed::Linked => {
                self.report.files += 1;
                self.done(0);
            }
            Placed::Write(sink) => {
                self.contents.push(path, node.clone(), content.clone(), sink);
                self.write(false)?;
            }
        }
        Ok(())
    }

    /// Writes what waits, if that is much or `all` of it is wanted.
    fn write(&mut self, all: bool) -> Result<()> {
        for result in self.contents.write(all, self.monitor) {
            match result {
                Ok(length) => {
                    self.report.files += 1;
                    self.done(length);
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
            if let Err(error) = self.target.enter(&node) {
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

    fn done(&mut self, bytes: u64) {
        self.report.items += 1;
        self.report.bytes += bytes;
        self.monitor.count(Counter::Items, 1);
    }

    /// One entry's trouble; what stops every entry stops the restore.
    fn fail(&mut self, error: Error) -> Result<()> {
        if matches!(error.kind(), Kind::NoSpace | Kind::Interrupted | Kind::Unavailable) {
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
