//! A directory that is being written, in the order of names.

use crate::error::Result;
use crate::format::list::TreeRef;
use crate::format::node::{Node, NodeKind};
use crate::repo::Session;
use crate::stream::DirectoryWriter;
use std::collections::BTreeMap;

/// A directory whose entries come one by one.
pub(super) struct OpenDirectory {
    node: Node,
    writer: DirectoryWriter,
    /// Entries that were captured before their turn, by name.
    waiting: BTreeMap<Vec<u8>, Node>,
    /// Whether some of it could not be captured.
    pub(super) lacks_entries: bool,
}

impl OpenDirectory {
    pub(super) fn new(node: Node, writer: DirectoryWriter) -> Self {
        OpenDirectory { node, writer, waiting: BTreeMap::new(), lacks_entries: false }
    }

    /// Its name.
    pub(super) fn name(&self) -> &[u8] {
        &self.node.name
    }

    /// Adds the next entry, and those whose turn has come before it.
    pub(super) fn push(&mut self, session: &mut Session<'_>, node: Node) -> Result<()> {
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
        for node in std::mem::take(&mut self.waiting).into_values() {
            self.writer.push(session, node)?;
        }
        let entries: TreeRef = self.writer.finish(session)?;
        Ok(Node { kind: NodeKind::Directory { entries: Some(entries) }, ..self.node })
    }
}
