//! A directory that is being written, in the order of names.

use crate::error::{Error, Kind, Result};
use crate::format::content::TreeRef;
use crate::format::directory::{Node, NodeKind};
use crate::repo::Session;
use crate::source::Entry;
use crate::stream::DirectoryWriter;
use std::collections::BTreeMap;

/// A directory whose entries come one by one.
pub(super) struct OpenDirectory {
    entry: Entry,
    writer: DirectoryWriter,
    /// Entries that were captured before their turn, by name.
    waiting: BTreeMap<Vec<u8>, Node>,
    /// Whether some of it could not be captured.
    pub(super) lacks_entries: bool,
    /// Whether entries may come when the source is at its end: until then all of them wait.
    held_open: bool,
    /// Directories in it that are held open.
    held: BTreeMap<Vec<u8>, OpenDirectory>,
}

impl OpenDirectory {
    pub(super) fn new(entry: Entry, writer: DirectoryWriter) -> Self {
        let (waiting, held) = (BTreeMap::new(), BTreeMap::new());
        let (lacks_entries, held_open) = (false, false);
        OpenDirectory { entry, writer, waiting, lacks_entries, held_open, held }
    }

    /// Its name.
    pub(super) fn name(&self) -> &[u8] {
        &self.entry.name
    }

    /// Entries come into it when the source is at its end.
    pub(super) fn hold_open(&mut self) {
        self.held_open = true;
    }

    pub(super) fn is_held_open(&self) -> bool {
        self.held_open
    }

    /// Whether all of it is there by now.
    pub(super) fn is_whole(&self) -> bool {
        !self.held_open && !self.lacks_entries
    }

    /// Adds the paths of those that are held open, at or below this one at `path`, and lack nothing.
    pub(super) fn held_open(&self, path: Vec<u8>, paths: &mut Vec<Vec<u8>>) {
        for directory in self.held.values() {
            let mut below = path.clone();
            crate::ops::path::push(&mut below, directory.name());
            directory.held_open(below, paths);
        }
        paths.extend((!self.lacks_entries).then_some(path));
    }

    /// Adds a directory that is held open, and with which this one is.
    pub(super) fn hold(&mut self, directory: OpenDirectory) {
        self.held_open = true;
        self.held.insert(directory.entry.name.clone(), directory);
    }

    /// Takes out a directory that is held open, to be put back when there is more in it.
    pub(super) fn take_held(&mut self, name: &[u8]) -> Result<OpenDirectory> {
        self.held.remove(name).ok_or_else(|| {
            Error::new(Kind::InvalidInput, "capture into", String::from_utf8_lossy(name))
                .because("the source has not held it open")
        })
    }

    /// Adds the next entry, and those whose turn has come before it.
    pub(super) fn push(&mut self, session: &mut Session<'_>, node: Node) -> Result<()> {
        if self.held_open {
            self.push_early(node);
            return Ok(());
        }
        while let Some(first) = self.waiting.first_entry().filter(|e| *e.key() <= node.name) {
            let early = first.remove();
            // The directory may have been walked while the same name came into being.
            if early.name < node.name {
                self.writer.push(session, early)?;
            }
        }
        self.writer.push(session, node)
    }

    /// Adds an entry whose turn comes later.
    pub(super) fn push_early(&mut self, node: Node) {
        self.waiting.insert(node.name.clone(), node);
    }

    /// The directory with all its entries.
    pub(super) fn finish(mut self, session: &mut Session<'_>) -> Result<Node> {
        for directory in std::mem::take(&mut self.held).into_values() {
            let node = directory.finish(session)?;
            self.push_early(node);
        }
        for node in std::mem::take(&mut self.waiting).into_values() {
            self.writer.push(session, node)?;
        }
        let entries: TreeRef = self.writer.finish(session)?;
        Ok(self.entry.holding(NodeKind::Directory { entries: Some(entries) }))
    }
}
