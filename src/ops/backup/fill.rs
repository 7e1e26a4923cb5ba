//! How much there is in a source, and was before: one that was emptied may be a disk that is not mounted.

use crate::format::content::TreeRef;
use crate::format::directory::{Node, NodeKind};
use crate::format::snapshot::Summary;
use crate::ops::ls;
use crate::ops::tree::Entry;
use crate::repo::Reader;
use crate::stream::DirectoryEntries;
use std::collections::HashSet;

/// How much is in a source, as far as losing it is told.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fill {
    /// Folders alone.
    Folders,
    /// Entries without content: empty files, links.
    Entries,
    /// Files with content.
    Bytes,
}

impl Fill {
    /// Of what was captured.
    pub(super) fn of(counts: &Summary) -> Self {
        match () {
            () if counts.bytes > 0 => Fill::Bytes,
            () if counts.items > counts.directories => Fill::Entries,
            () => Fill::Folders,
        }
    }

    /// Of what stood there before. What cannot be read to its end counts as content: nobody knows what
    /// it held.
    pub(super) fn before(reader: &Reader<'_>, entry: &Entry) -> Self {
        let Entry::Node(root) = entry else { return Fill::Folders };
        let mut most = Fill::of_node(root);
        let mut seen: HashSet<TreeRef> = root.entries().into_iter().collect();
        let mut unread: Vec<TreeRef> = root.entries().into_iter().collect();
        while let Some(directory) = unread.pop() {
            let mut entries = DirectoryEntries::new(reader, directory);
            loop {
                match entries.next_entry() {
                    Ok(None) => break,
                    Ok(Some(node)) => {
                        most = most.max(Fill::of_node(&node));
                        unread.extend(node.entries().filter(|below| seen.insert(*below)));
                    }
                    Err(_) => most = Fill::Bytes,
                }
                if most == Fill::Bytes {
                    return most;
                }
            }
        }
        most
    }

    fn of_node(node: &Node) -> Self {
        match &node.kind {
            NodeKind::Directory { .. } => Fill::Folders,
            _ if ls::size(node) > 0 => Fill::Bytes,
            _ => Fill::Entries,
        }
    }
}
