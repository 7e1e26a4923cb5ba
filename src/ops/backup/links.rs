//! Files of several names: read under the first of them that a backup meets, taken over under the
//! others.

use super::taints::Verdict;
use crate::format::directory::{LinkGroup, Node};
use crate::limits::{LINKED_NODE_MAX, LINKS_MAX};
use crate::source::{Opener, SameFile, SameState};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

/// The files of several names that one backup has met so far, in all of its parts.
#[derive(Default)]
pub(super) struct Links {
    files: HashMap<SameFile, Linked>,
    /// Databases without a log beside a name that is in this backup.
    databases: HashMap<LinkGroup, Database>,
    /// Databases that were pinned before their turn, which is to come.
    pinned: HashMap<SameFile, PinnedContent>,
}

/// What a database held when it was pinned, which is not read yet.
pub(super) struct PinnedContent {
    pub(super) size: u64,
    pub(super) stream: Opener,
}

/// A file that was met, and what its reading under the first name gave.
#[derive(Default)]
struct Linked {
    /// Names that have their entries.
    kept: u64,
    first: Option<Box<First>>,
}

/// What a file was found to be under the first of its names, and holds under all.
#[derive(Clone, Debug)]
pub(super) struct First {
    pub(super) node: Node,
    pub(super) verdict: Verdict,
    pub(super) changed: Option<String>,
    pub(super) left_out: Option<String>,
    pub(super) begins_as_database: bool,
}

impl First {
    /// An entry that was taken over from a parent, without a look at the file.
    pub(super) fn unread(node: Node) -> Self {
        let (verdict, begins_as_database) = (Verdict::default(), false);
        First { node, verdict, changed: None, left_out: None, begins_as_database }
    }
}

struct Database {
    first: Vec<u8>,
    names: u64,
    kept: u64,
}

impl Links {
    /// Takes note of a name; whether the file was met under another one before.
    pub(super) fn meet(&mut self, file: &SameFile) -> bool {
        // What is forgotten here is read again, no more.
        if self.files.len() >= LINKS_MAX && !self.files.contains_key(file) {
            return false;
        }
        match self.files.entry(file.clone()) {
            Entry::Occupied(_) => true,
            Entry::Vacant(vacant) => {
                vacant.insert(Linked::default());
                false
            }
        }
    }

    /// What was read under an earlier name, if it was.
    pub(super) fn find(&self, file: &SameFile) -> Option<First> {
        self.files.get(file).and_then(|linked| linked.first.as_deref().cloned())
    }

    /// A database was pinned before its turn.
    pub(super) fn pin(&mut self, file: SameFile, pinned: PinnedContent) {
        self.pinned.insert(file, pinned);
    }

    /// What was pinned of it before its turn.
    pub(super) fn take_pinned(&mut self, file: &SameFile) -> Option<PinnedContent> {
        self.pinned.remove(file)
    }

    /// Gives up what was pinned and had no turn.
    pub(super) fn unpin(&mut self) {
        self.pinned.clear();
    }

    /// One more name has its entry.
    pub(super) fn keep(&mut self, file: &SameFile, path: &[u8], first: &First) {
        let node = &first.node;
        if node.database().is_some() && matches!(file.state, SameState::Stamp(_)) {
            let database = || Database { first: path.to_vec(), names: file.names, kept: 0 };
            self.databases.entry(file.group).or_insert_with(database).kept += 1;
        }
        let Some(linked) = self.files.get_mut(file) else { return };
        linked.kept += 1;
        if linked.kept >= file.names {
            self.files.remove(file);
        } else if linked.first.is_none() && weight(node) <= LINKED_NODE_MAX {
            linked.first = Some(Box::new(first.clone()));
        }
    }

    /// Databases whose other names nobody looked at, by their paths: what the user should know.
    pub(super) fn elsewhere(&self) -> BTreeMap<Vec<u8>, String> {
        let elsewhere = self.databases.values().filter(|found| found.kept < found.names);
        let warning = |Database { first, names, kept }: &Database| {
            let warning = format!(
                "{} has {names} names, {kept} of them in this backup: what stands in a -wal or \
                 -journal beside another name is not seen",
                String::from_utf8_lossy(first)
            );
            (first.clone(), warning)
        };
        elsewhere.map(warning).collect()
    }
}

/// About how much memory an entry takes besides its own size.
fn weight(node: &Node) -> usize {
    node.meta.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum()
}
