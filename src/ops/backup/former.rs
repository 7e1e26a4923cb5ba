//! What stood in a source's parents, read along with the source in the order of names.

use super::parent::Parent;
use crate::format::content::TreeRef;
use crate::format::directory::{Node, NodeKind};
use crate::ops::tree::Entry;
use crate::repo::Reader;
use crate::stream::EntriesByName;
use std::collections::BTreeMap;

/// What stood at a place in one of the parents.
pub(super) struct Before {
    /// The parent's number.
    pub(super) parent: usize,
    entry: Entry,
}

impl Before {
    /// The roots of the parents.
    pub(super) fn roots(parents: &[Parent]) -> Vec<Before> {
        let root = |(parent, old): (usize, &Parent)| Before { parent, entry: old.root.clone() };
        parents.iter().enumerate().map(root).collect()
    }

    /// The entries, if it was a directory.
    pub(super) fn directory(&self) -> Option<TreeRef> {
        match &self.entry {
            Entry::Node(node) => node.entries(),
            Entry::Leading(_) => None,
        }
    }

    /// The file, if it was one.
    pub(super) fn file(self) -> Option<(usize, Node)> {
        match self.entry {
            Entry::Node(node) if matches!(node.kind, NodeKind::File { .. }) => {
                Some((self.parent, *node))
            }
            _ => None,
        }
    }
}

/// The file `name` in the directory to which the names in `folder` lead, or the root if it is a file, as the first
/// parent has it that does; and that parent's number.
pub(super) fn file_at<'b>(
    parents: &[Parent],
    reader: &'b Reader<'b>,
    folder: &[Vec<u8>],
    name: &[u8],
) -> Option<(usize, Node)> {
    let mut before = Before::roots(parents);
    if before.iter().all(|before| before.directory().is_none()) {
        return before.into_iter().find_map(Before::file);
    }
    for name in folder {
        before = FormerDirectories::open(before).all(reader, name);
    }
    FormerDirectories::open(before).file(reader, name)
}

/// The parents' directories of the path that is being walked, in the order of the parents. Each is
/// read only once those before it lack a name.
pub(super) struct FormerDirectories<'b>(Vec<(usize, Side<'b>)>);

enum Side<'b> {
    Unread(TreeRef),
    Read(Box<EntriesByName<'b>>),
    /// A folder that only led to parts.
    Leading(BTreeMap<Vec<u8>, Entry>),
}

impl<'b> FormerDirectories<'b> {
    pub(super) fn open(before: Vec<Before>) -> Self {
        let side = |before: Before| match before.entry {
            Entry::Node(node) => Some((before.parent, Side::Unread(node.entries()?))),
            Entry::Leading(names) => Some((before.parent, Side::Leading(names))),
        };
        FormerDirectories(before.into_iter().filter_map(side).collect())
    }

    /// The file of this name in the first parent that has one.
    pub(super) fn file(&mut self, reader: &'b Reader<'b>, name: &[u8]) -> Option<(usize, Node)> {
        let mut found = self.0.iter_mut().map(|side| find(side, reader, name));
        found.find_map(|before| before?.file())
    }

    /// What stands under this name in each parent.
    pub(super) fn all(&mut self, reader: &'b Reader<'b>, name: &[u8]) -> Vec<Before> {
        self.0.iter_mut().filter_map(|side| find(side, reader, name)).collect()
    }
}

fn find<'b>(
    (parent, side): &mut (usize, Side<'b>),
    reader: &'b Reader<'b>,
    name: &[u8],
) -> Option<Before> {
    if let Side::Unread(root) = side {
        *side = Side::Read(Box::new(EntriesByName::new(reader, *root)));
    }
    let entry = match side {
        Side::Read(entries) => entries.find(name).map(|node| Entry::Node(Box::new(node))),
        Side::Leading(names) => names.remove(name),
        Side::Unread(_) => None,
    };
    Some(Before { parent: *parent, entry: entry? })
}
