//! The walk of a restore: what of a tree is wanted goes into a sink.

use super::content::FilesInFlight;
use super::{RestoreOptions, RestoreReport, verify};
use crate::error::{Error, Kind, Result};
use crate::format::directory::{Node, NodeKind};
use crate::format::snapshot::Snapshot;
use crate::monitor::{Counter, Monitor, go_on};
use crate::ops::damage::record_damage;
use crate::ops::tree::{self, Step};
use crate::repo::Reader;
use crate::sink::{Placed, Sink};

/// Restores what was found into a sink; nothing, if nothing of it is wanted.
pub(super) fn fill(
    reader: &Reader<'_>,
    snapshot: &Snapshot,
    found: &tree::PathEntry,
    sink: Box<dyn Sink + '_>,
    options: &mut RestoreOptions,
    monitor: &dyn Monitor,
) -> Result<Option<RestoreReport>> {
    monitor.begin("restore", Some((Counter::Bytes, snapshot.summary.bytes)));
    let mut restoring = Restoring {
        reader,
        sink,
        contents: FilesInFlight::new(reader),
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
    let walked = restoring.all(found);
    monitor.end();
    record_damage(reader.repository(), reader.index(), monitor);
    walked?;
    let Restoring { sink, mut report, chosen, passed, .. } = restoring;
    report.left_out = sink.finish()?;
    report.items = report.items.saturating_sub(report.left_out.siblings);
    report.files = report.files.saturating_sub(report.left_out.siblings);
    Ok((chosen > 0 || passed == 0).then_some(report))
}

/// A restore under way.
struct Restoring<'a> {
    reader: &'a Reader<'a>,
    sink: Box<dyn Sink + 'a>,
    contents: FilesInFlight<'a>,
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
    fn all(&mut self, found: &tree::PathEntry) -> Result<()> {
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
            if included {
                self.sink.begin(node);
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
            self.sink.leave()?;
        }
        Ok(true)
    }

    /// What waited for its folder to be complete comes into its place.
    fn settle(&mut self) -> Result<()> {
        for error in self.sink.settle() {
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
            self.sink.other(node)?;
            self.done(0);
            return Ok(());
        };
        if let Some(taint) = &node.taint {
            self.report.tainted += 1;
            self.monitor.note(&format!("{}: {}", String::from_utf8_lossy(path), taint.reason()));
        }
        let holds = &mut |mut file| verify::holds(self.reader, &mut file, content);
        let placed = match self.options.hold_back.leave_out(path) {
            true => self.sink.hold_back(node, content.length, holds)?,
            false => self.sink.file(node, content.length, holds)?,
        };
        match placed {
            Placed::Kept => self.report.kept += 1,
            Placed::Linked | Placed::LeftOut => {
                self.report.files += 1;
                self.done(0);
            }
            Placed::WouldWrite => {
                self.monitor.would_restore(path, content.length);
                self.report.files += 1;
                self.done(content.length);
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
            let entered = match tree::leads(&node) {
                true => self.sink.pass(&node.name),
                false => self.sink.enter(&node),
            };
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
