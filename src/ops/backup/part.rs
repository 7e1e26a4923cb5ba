//! One source into one part: its items into directories, each compared with its former self.

use super::batch::{Batch, Event, ReadWhen, read_pinned};
use super::databases::may_be_pinned;
use super::former::{Before, FormerDirectories};
use super::large::Large;
use super::links::{First, Links, PinnedContent};
use super::open_part::{BuiltPart, OpenPart, PinnedFile};
use super::parent::Parent;
use super::prefetch::Prefetch;
use super::read_file::{ReadFile, Waiting};
use super::stored::{stored, unchanged};
use super::taints::{Verdict, told};
use super::tell;
use crate::error::{Error, Kind, Result};
use crate::format::directory::{Node, NodeKind};
use crate::id::SnapshotId;
use crate::limits::{DIRECTORY_DEPTH_MAX, WARNINGS_MAX};
use crate::monitor::{Monitor, go_on};
use crate::repo::{Reader, Session};
use crate::source::{FileAt, FileItem, Item, SameState, Source};
use crate::stream::{Cutter, DirectoryWriter};
use std::collections::BTreeSet;

/// Builds one part.
pub(super) struct PartBuilder<'b, 'r> {
    session: &'b mut Session<'r>,
    reader: &'b Reader<'b>,
    cutter: &'b Cutter,
    monitor: &'b dyn Monitor,
    parents: &'b [Parent],
    links: &'b mut Links,
    /// The parents' directories of the same paths as those that were entered, the innermost last.
    former: Vec<FormerDirectories<'b>>,
    batch: Batch,
    part: OpenPart,
}

impl<'b, 'r> PartBuilder<'b, 'r> {
    /// Continues building `part`.
    pub(super) fn new(
        session: &'b mut Session<'r>,
        reader: &'b Reader<'b>,
        cutter: &'b Cutter,
        monitor: &'b dyn Monitor,
        parents: &'b [Parent],
        links: &'b mut Links,
        part: OpenPart,
    ) -> Self {
        let (former, batch) = (Vec::new(), Batch::default());
        PartBuilder { session, reader, cutter, monitor, parents, links, former, batch, part }
    }

    /// Reads the source to its end, but for files that can be pinned and may be.
    pub(super) fn read(mut self, source: Box<dyn Source>) -> Result<OpenPart> {
        let mut source = std::thread::scope(|scope| {
            let mut items = Prefetch::start(scope, source)?;
            while let Some(item) = items.next() {
                go_on(self.monitor, "back up")?;
                self.take(item)?;
            }
            items.finish()
        })?;
        self.flush()?;
        for last in source.last()? {
            go_on(self.monitor, "back up")?;
            self.take_last(last)?;
        }
        self.part.proof = source.finish()?;
        Ok(self.part)
    }

    /// Reads what was pinned; the whole part.
    pub(super) fn finish(mut self) -> Result<BuiltPart> {
        while let Some(PinnedFile { folder, file }) = self.part.pinned.pop_front() {
            go_on(self.monitor, "back up")?;
            if let Some(folder) = &folder {
                self.part.tree.enter_again(folder)?;
            }
            let (session, reader) = (&mut *self.session, self.reader);
            for event in read_pinned(file, session, reader, self.cutter, self.monitor)? {
                self.write(event)?;
            }
            self.part.tree.leave_all(self.session)?;
        }
        let parents = self.parents();
        self.part.finish(self.session, parents)
    }

    fn take(&mut self, item: Item) -> Result<()> {
        match item {
            Item::Enter(entry) => {
                if self.former.len() >= DIRECTORY_DEPTH_MAX {
                    return Err(Error::new(Kind::Unsupported, "capture", "the source")
                        .because("its directories are nested too deeply")
                        .hint("exclude the deepest ones"));
                }
                let before = match self.former.last_mut() {
                    Some(former) => former.all(self.reader, &entry.name),
                    None => Before::roots(self.parents),
                };
                let entries = before.iter().find_map(Before::directory);
                self.former.push(FormerDirectories::open(before));
                self.part.counts.items += 1;
                self.part.counts.directories += 1;
                self.batch.push(Event::Enter(Box::new(entry), entries));
            }
            Item::HoldOpen => self.batch.push(Event::HoldOpen),
            Item::Leave => {
                self.former.pop();
                self.batch.push(Event::Leave);
            }
            Item::File(file) => self.file(file)?,
            Item::Other(node) => {
                self.part.counts.items += 1;
                tell(self.monitor, 0);
                self.batch.push(Event::Done(Box::new(node)));
            }
            Item::Failed(error) if self.part.all_or_nothing => return Err(error),
            Item::Failed(error) => self.batch.push(Event::Failed(error)),
        }
        if self.batch.is_full() { self.flush() } else { Ok(()) }
    }

    /// Captures a file that comes last: enters the directories that lead to it again.
    fn take_last(&mut self, last: FileAt) -> Result<()> {
        self.part.tree.enter_again(&last.folder)?;
        self.former.push(FormerDirectories::open(Before::roots(self.parents)));
        for name in &last.folder {
            let before = self.former.last_mut().map(|former| former.all(self.reader, name));
            self.former.push(FormerDirectories::open(before.unwrap_or_default()));
        }
        self.file(last.file)?;
        self.flush()?;
        self.former.clear();
        self.part.tree.leave_all(self.session)
    }

    /// An unchanged file is not opened, nor one that was met under another name; a small one waits
    /// for others; a large one is streamed.
    fn file(&mut self, file: FileItem) -> Result<()> {
        let before = self.before(&file.entry.name);
        self.part.used.extend(before.iter().map(|(parent, _)| parent));
        self.part.counts.items += 1;
        match before {
            Some((parent, before)) if self.is_unchanged(&file, parent, &before) => {
                self.part.counts.files_unchanged += 1;
                self.part.counts.bytes += content_length(&before);
                tell(self.monitor, content_length(&before));
                let node = unchanged(file.entry, before);
                if let Some(same) = &file.same {
                    self.links.meet(same);
                    self.links.keep(same, &[], &First::unread(node.clone()));
                }
                self.batch.push(Event::Done(Box::new(node)));
            }
            before if file.same.as_ref().is_some_and(|same| self.links.meet(same)) => {
                let before = before.map(|(_, node)| Box::new(node));
                let pinned = file.same.as_ref().and_then(|same| self.links.take_pinned(same));
                self.batch.push(match pinned {
                    Some(PinnedContent { size, stream }) => {
                        let file = Waiting::new(file.entry, None, None, before);
                        let changes_everywhere = false;
                        Event::Pinned(Box::new(Large { file, size, changes_everywhere, stream }))
                    }
                    None => Event::Linked(Box::new(file), before),
                });
            }
            before => {
                let when = self.read_when(&file, before.as_ref());
                self.batch.push_file(file, before.map(|(_, node)| node), when);
            }
        }
        Ok(())
    }

    fn read_when(&mut self, file: &FileItem, before: Option<&(usize, Node)>) -> ReadWhen {
        let can_wait = file.same.is_none() && may_be_pinned(file, before, self.parents);
        if !can_wait || self.part.pins_left == 0 {
            return ReadWhen::Now;
        }
        self.part.pins_left -= 1;
        ReadWhen::MayBeLater
    }

    /// Whether the stamp proves the parent's content to be this file's, and it is all there.
    fn is_unchanged(&self, file: &FileItem, parent: usize, before: &Node) -> bool {
        let NodeKind::File { content, database: None } = &before.kind else { return false };
        let own = self.parents.get(parent).is_some_and(|parent| parent.foreign.is_none());
        own && file.stamp.is_some() && file.stamp == before.stamp && stored(self.reader, content)
    }

    fn failed(&mut self, error: Error) -> Result<()> {
        if self.part.all_or_nothing || self.part.tree.is_outside() && self.former.is_empty() {
            return Err(error);
        }
        self.monitor.trouble(&error);
        self.part.counts.failed += 1;
        self.part.incomplete = true;
        let here = self.part.tree.path_here();
        if !self.part.taints.miss(&here, error.subject()) {
            self.part.tree.lose();
        }
        Ok(())
    }

    /// The file of this name in the directory entered last, or the root, as the first parent
    /// has it that does; and that parent's number.
    fn before(&mut self, name: &[u8]) -> Option<(usize, Node)> {
        let (parent, mut node) = match self.former.last_mut() {
            Some(former) => former.file(self.reader, name),
            None => Before::roots(self.parents).into_iter().find_map(Before::file),
        }?;
        // What was damaged on another host may be sound here, and a database there be none here.
        if self.parents.get(parent).is_some_and(|parent| parent.foreign.is_some()) {
            node.taint = None;
            if let NodeKind::File { database, .. } = &mut node.kind {
                *database = None;
            }
        }
        Some((parent, node))
    }

    /// The parents that files were found in, or else the first that they were looked for in.
    fn parents(&self) -> BTreeSet<SnapshotId> {
        let used = self.part.used.iter().filter_map(|parent| self.parents.get(*parent));
        let first = self.parents.first().filter(|_| self.part.used.is_empty());
        used.chain(first).flat_map(|parent| &parent.ids).copied().collect()
    }

    /// Reads, cuts and stores what waits, then writes the entries in order.
    fn flush(&mut self) -> Result<()> {
        let batch = std::mem::take(&mut self.batch);
        for event in batch.read(self.session, self.reader, self.cutter, self.monitor)? {
            for event in self.follow(event)? {
                self.write(event)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Enter(entry, before) => {
                let writer = DirectoryWriter::new(self.reader, before);
                self.part.tree.enter(*entry, writer);
                self.part.taints.enter(&self.part.tree.path_here());
            }
            Event::HoldOpen => self.part.tree.hold_open(),
            Event::Leave => self.leave()?,
            Event::Done(mut node) => {
                if self.part.taints.remembers(node.taint.as_ref()) {
                    let path = self.part.tree.path_of(&node.name);
                    self.settle_taint(&path, &mut node, Verdict::default());
                }
                self.part.tree.entry(self.session, *node)?;
            }
            Event::Pinned(file) => {
                let folder = self.part.tree.hold_open_here();
                self.part.pinned.push_back(PinnedFile { folder, file: *file });
            }
            Event::Read(read) => {
                let node = self.node(*read);
                self.part.tree.entry(self.session, node)?;
            }
            Event::Companion(read) => {
                let node = self.node(*read);
                self.early(node);
            }
            Event::Failed(error) => self.failed(error)?,
            Event::File(..) | Event::Linked(..) => {}
        }
        Ok(())
    }

    /// What was read under another name is taken over from there. If that failed, it is read here.
    fn follow(&mut self, event: Event) -> Result<Vec<Event>> {
        let Event::Linked(file, before) = event else { return Ok(vec![event]) };
        if let Some(first) = file.same.as_ref().and_then(|same| self.links.find(same)) {
            // Already counted when it was read first.
            if file.same.as_ref().is_none_or(|same| same.state != SameState::ReadFirst) {
                tell(self.monitor, content_length(&first.node));
            }
            let linked = ReadFile::linked(*file, before.map(|node| *node), first);
            return Ok(vec![Event::Read(Box::new(linked))]);
        }
        let mut alone = Batch::default();
        alone.push_file(*file, before.map(|node| *node), ReadWhen::Now);
        alone.read(self.session, self.reader, self.cutter, self.monitor)
    }

    /// The entry of a file that was read, which is counted and told of.
    fn node(&mut self, mut read: ReadFile) -> Node {
        read.count(&mut self.part.counts);
        let path = self.part.tree.path_of(&read.node.name);
        if let Some(change) = read.change() {
            self.monitor.file(change, &path, content_length(&read.node));
        }
        self.warn(read.warning.take());
        if let Some(taint) = read.shared.take() {
            self.part.taints.expect(&path, taint);
        }
        self.settle_taint(&path, &mut read.node, read.verdict.clone());
        self.share(&path, &read);
        for error in read.troubles(&path) {
            self.monitor.trouble(&error);
            self.part.incomplete = true;
        }
        if read.is_lost_database() && self.part.lost_databases.len() < WARNINGS_MAX {
            self.part.lost_databases.push(path);
        }
        *read.node
    }

    /// What was read serves the file's other names. But for a database that SQLite refuses: each
    /// name of that has its own files beside it.
    fn share(&mut self, path: &[u8], read: &ReadFile) {
        let refused = read.node.database().is_none() && read.verdict.scrutiny.is_some();
        let Some(same) = read.same.as_ref().filter(|_| !refused) else { return };
        self.links.keep(same, path, &read.first());
    }

    fn warn(&mut self, warning: Option<String>) {
        let room = self.part.warnings.len() < WARNINGS_MAX;
        self.part.warnings.extend(warning.filter(|_| room));
    }

    /// Settles whether an entry, which has the parent's taint, is tainted, and says so.
    fn settle_taint(&mut self, path: &[u8], node: &mut Node, verdict: Verdict) {
        node.taint = self.part.taints.settle(path, node.taint.take(), verdict);
        if let Some(taint) = &node.taint {
            self.monitor.trouble(&told(path, taint));
        }
    }

    fn leave(&mut self) -> Result<()> {
        // More may come into one that is held open.
        if self.part.tree.is_whole() {
            self.part.taints.leave(&self.part.tree.path_here());
        }
        self.part.tree.leave(self.session)
    }

    /// An entry whose turn comes later in its directory. A source that is one file has none.
    fn early(&mut self, node: Node) {
        if !self.part.tree.is_outside() {
            self.part.counts.items += 1;
            return self.part.tree.early(node);
        }
        self.part.counts.failed += 1;
        self.part.incomplete = true;
        let path = self.part.tree.path_of(&node.name);
        let path = String::from_utf8_lossy(&path);
        let name = String::from_utf8_lossy(&node.name);
        self.warn(Some(format!(
            "{path}: {name} belongs to it and is not in this snapshot: back up the folder"
        )));
    }
}

fn content_length(node: &Node) -> u64 {
    match &node.kind {
        NodeKind::File { content, .. } => content.length,
        _ => 0,
    }
}
