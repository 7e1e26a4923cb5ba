//! The entries of a folder of a snapshot, one after the other.

use super::Entry;
use crate::error::Result;
use crate::format::content::TreeRef;
use crate::format::directory::Node;
use crate::repo::Reader;
use crate::stream::DirectoryEntries;
use std::collections::btree_map;

/// The entries of a folder, in order of names.
pub(in crate::ops) enum Children<'c> {
    /// Of one that only leads to parts.
    Leading(btree_map::IntoIter<Vec<u8>, Entry>),
    Stored(Box<DirectoryEntries<'c>>),
}

impl<'c> Children<'c> {
    /// Those of an entry, if it is a folder.
    pub(in crate::ops) fn of(reader: &'c Reader<'c>, entry: &Entry) -> Option<Self> {
        match entry {
            Entry::Leading(names) => Some(Children::Leading(names.clone().into_iter())),
            Entry::Node(node) => Some(Children::stored(reader, node.entries()?)),
        }
    }

    pub(in crate::ops) fn stored(reader: &'c Reader<'c>, entries: TreeRef) -> Self {
        Children::Stored(Box::new(DirectoryEntries::new(reader, entries)))
    }

    pub(in crate::ops) fn next(&mut self) -> Result<Option<(Vec<u8>, Entry)>> {
        match self {
            Children::Leading(names) => Ok(names.next()),
            Children::Stored(entries) => {
                let node = entries.next_entry()?;
                Ok(node.map(|node| (node.name.clone(), Entry::Node(Box::new(node)))))
            }
        }
    }

    /// Those that come next, as far as they were read.
    pub(in crate::ops) fn coming(&self) -> impl Iterator<Item = &Node> {
        match self {
            Children::Leading(_) => None,
            Children::Stored(entries) => Some(entries.coming()),
        }
        .into_iter()
        .flatten()
    }
}
