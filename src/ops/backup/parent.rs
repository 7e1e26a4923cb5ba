//! The parents that a source leans on: the newest snapshots that hold its past, or some of it.

use crate::error::{Error, Kind, Result};
use crate::format::list::TreeRef;
use crate::format::node::{Node, NodeKind};
use crate::format::snapshot::{Part, SourceName};
use crate::id::SnapshotId;
use crate::limits::{DIRECTORY_DEPTH_MAX, PARENTS_MAX};
use crate::ops::select::within;
use crate::ops::tree::{self, Entry};
use crate::repo::{Reader, StoredSnapshot};
use crate::source::Description;
use crate::stream::DirectoryEntries;
use std::collections::{BTreeSet, HashMap, HashSet};

/// Where deltas and unchanged files are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ParentChoice {
    /// For each source in the newest snapshots that hold it, this machine's own first.
    #[default]
    Auto,
    /// Nowhere: everything is read, every new chunk is stored whole.
    None,
    /// In this snapshot.
    Snapshot(SnapshotId),
}

/// A snapshot that holds the past of a source, or some of it.
pub(super) struct Parent {
    pub(super) id: SnapshotId,
    /// The host that made it, if that is another one. Then its stamps prove nothing.
    pub(super) foreign: Option<String>,
    /// What stands in it where the source stands.
    pub(super) root: Entry,
}

/// The parents of one source, those to be asked first at the front.
pub(super) struct Parents {
    pub(super) list: Vec<Parent>,
    /// Why there is none, if so.
    none: String,
}

/// What a part of a new snapshot leans on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parentage {
    /// The source.
    pub source: SourceName,
    /// The parents, as the part names them.
    pub parents: BTreeSet<SnapshotId>,
    /// Why there is none; or whose they are, if they are another host's.
    pub remark: Option<String>,
}

impl Parents {
    pub(super) fn find(
        reader: &Reader<'_>,
        all: &[StoredSnapshot],
        host: &str,
        source: &Description,
        choice: &ParentChoice,
    ) -> Result<Self> {
        let (stored, none) = match choice {
            ParentChoice::None => (Vec::new(), "none was to be used".to_owned()),
            ParentChoice::Auto => {
                (newest_of(all, host, source), "no snapshot holds it yet".to_owned())
            }
            ParentChoice::Snapshot(id) => {
                let found = all.iter().find(|stored| stored.snapshot.id == *id);
                let found =
                    found.ok_or_else(|| Error::new(Kind::NotFound, "find the parent", id))?;
                (vec![found], format!("snapshot {} does not hold it", id.short()))
            }
        };
        let parent = |stored: &StoredSnapshot| {
            let snapshot = &stored.snapshot;
            // What cannot be read can be no parent.
            let root = tree::find(reader, snapshot, &source.path).ok()?.entry;
            let foreign = (snapshot.host != host).then(|| snapshot.host.clone());
            Some(Parent { id: snapshot.id, foreign, root })
        };
        Ok(Parents { list: stored.into_iter().filter_map(parent).collect(), none })
    }

    /// What is said of them, once it is known which of them were of use.
    pub(super) fn told(&self, part: &Part) -> Parentage {
        let used = || self.list.iter().filter(|parent| part.parents.contains(&parent.id));
        let hosts: BTreeSet<&str> = used().filter_map(|parent| parent.foreign.as_deref()).collect();
        let remark = match (part.parents.is_empty(), hosts.is_empty()) {
            (true, _) => Some(self.none.clone()),
            (false, true) => None,
            (false, false) => {
                let hosts: Vec<&str> = hosts.into_iter().collect();
                Some(format!("of host {}, for deltas only", hosts.join(", ")))
            }
        };
        Parentage { source: part.source(), parents: part.parents.clone(), remark }
    }
}

/// For each selection of the source, and each place around or within it, the newest snapshot that
/// holds it, and if something is missing there the newest that has it all. This host's come first;
/// another's only where this one has none. `all` are sorted, the newest first.
fn newest_of<'s>(
    all: &'s [StoredSnapshot],
    host: &str,
    source: &Description,
) -> Vec<&'s StoredSnapshot> {
    let mut own = Newest::default();
    let mut others = Newest::default();
    for stored in all {
        let is_own = stored.snapshot.host == host;
        for part in stored.snapshot.parts.iter().filter(|part| overlaps(part, source)) {
            if is_own { own.offer(stored, part) } else { others.offer(stored, part) }
        }
    }
    let has_own = !own.chosen.is_empty();
    others.chosen.retain(|(_, part)| {
        !own.seen.contains_key(&key(part)) && (!has_own || part.path == source.path)
    });
    let chosen = own.chosen.into_iter().chain(others.chosen).enumerate();
    let counts = |(at, (_, part)): &(usize, (&StoredSnapshot, &Part))| {
        *at < PARENTS_MAX || key(part) == (&source.path, &source.selection)
    };
    let mut ids = HashSet::new();
    let chosen = chosen.filter(counts).map(|(_, (stored, _))| stored);
    chosen.filter(|stored| ids.insert(stored.snapshot.id)).collect()
}

fn overlaps(part: &Part, source: &Description) -> bool {
    within(&source.path, &part.path) || within(&part.path, &source.path)
}

type Key<'s> = (&'s Vec<u8>, &'s BTreeSet<String>);

fn key(part: &Part) -> Key<'_> {
    (&part.path, &part.selection)
}

/// Of each kind of part the newest, and the newest that is whole.
#[derive(Default)]
struct Newest<'s> {
    chosen: Vec<(&'s StoredSnapshot, &'s Part)>,
    /// Whether a whole one was met.
    seen: HashMap<Key<'s>, bool>,
}

impl<'s> Newest<'s> {
    fn offer(&mut self, stored: &'s StoredSnapshot, part: &'s Part) {
        let whole = !part.incomplete;
        match self.seen.get(&key(part)) {
            None => {}
            Some(false) if whole => {}
            Some(_) => return,
        }
        self.seen.insert(key(part), whole);
        self.chosen.push((stored, part));
    }
}

/// Whether there is any content in what stood there. What cannot be read to its end counts:
/// nobody knows what it held.
pub(super) fn has_bytes(reader: &Reader<'_>, entry: &Entry) -> bool {
    match entry {
        Entry::Node(node) => node_has_bytes(reader, node, 0, &mut HashSet::new()),
        Entry::Leading(_) => false,
    }
}

fn node_has_bytes(
    reader: &Reader<'_>,
    node: &Node,
    depth: usize,
    seen: &mut HashSet<TreeRef>,
) -> bool {
    let entries = match &node.kind {
        NodeKind::File { content, .. } => return content.length > 0,
        NodeKind::Directory { entries } if depth <= DIRECTORY_DEPTH_MAX => *entries,
        _ => return false,
    };
    if !seen.insert(entries) {
        return false;
    }
    let mut entries = DirectoryEntries::new(reader, entries);
    loop {
        match entries.next_entry() {
            Ok(Some(node)) if node_has_bytes(reader, &node, depth + 1, seen) => return true,
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(_) => return true,
        }
    }
}
