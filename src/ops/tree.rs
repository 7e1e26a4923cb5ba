//! A snapshot as one tree: its parts at their paths, found by path or walked in order.

use crate::error::{Error, Kind, Result};
use crate::format::list::TreeRef;
use crate::format::node::{Metadata, Node, NodeKind};
use crate::format::snapshot::Snapshot;
use crate::limits::DIRECTORY_DEPTH_MAX;
use crate::repo::Reader;
use crate::stream::{DirectoryEntries, find_entry};
use std::collections::BTreeMap;

/// A node of a snapshot, with its path.
#[derive(Clone, Debug)]
pub struct Found {
    /// Absolute path within the snapshot; `/` for everything.
    pub path: Vec<u8>,
    /// What stands there.
    pub entry: Entry,
}

/// What stands at a path.
#[derive(Clone, Debug)]
pub enum Entry {
    /// A node that was captured.
    Node(Box<Node>),
    /// A folder that only leads to parts: the names beneath, each with what stands there.
    Leading(BTreeMap<Vec<u8>, Entry>),
}

/// A step of a walk.
#[derive(Debug)]
pub enum Step<'n> {
    /// A directory begins.
    Enter(&'n Node),
    /// The directory entered last is complete.
    Leave,
    /// Anything else.
    Node(&'n Node),
}

/// All parts of a snapshot as one tree.
pub fn root(snapshot: &Snapshot) -> Entry {
    let mut root = BTreeMap::new();
    for part in &snapshot.parts {
        let mut names = part.path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        let last = names.next_back();
        let mut folder = &mut root;
        for name in names {
            let below =
                folder.entry(name.to_vec()).or_insert_with(|| Entry::Leading(BTreeMap::new()));
            match below {
                Entry::Leading(names) => folder = names,
                // A part within a part is refused when it is captured.
                Entry::Node(_) => return Entry::Leading(root),
            }
        }
        match last {
            Some(name) => {
                folder.insert(name.to_vec(), Entry::Node(Box::new(part.root.clone())));
            }
            None => return Entry::Node(Box::new(part.root.clone())),
        }
    }
    Entry::Leading(root)
}

/// What stands at `path` in a snapshot.
///
/// # Errors
/// `NotFound` if nothing does.
pub fn find(reader: &Reader<'_>, snapshot: &Snapshot, path: &[u8]) -> Result<Found> {
    let mut entry = root(snapshot);
    let mut at = Vec::new();
    for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
        let below = match entry {
            Entry::Leading(mut names) => names.remove(name),
            Entry::Node(node) => match node.kind {
                NodeKind::Directory { entries } => {
                    find_entry(reader, entries, name)?.map(|node| Entry::Node(Box::new(node)))
                }
                _ => None,
            },
        };
        entry = below.ok_or_else(|| {
            Error::new(Kind::NotFound, "find", String::from_utf8_lossy(path))
                .because(format!("snapshot {} has no such path", snapshot.id.short()))
                .hint("`icecore ls SNAPSHOT` lists its paths")
        })?;
        at.push(b'/');
        at.extend_from_slice(name);
    }
    if at.is_empty() {
        at.push(b'/');
    }
    Ok(Found { path: at, entry })
}

/// Walks everything at and below `found`, depth first, in order of names. `visit` gets each step
/// and the path of its node, and says of a directory whether to go in; the path of a `Leave` is
/// that of the directory left. What cannot be read goes to `trouble`, and the walk goes on.
pub fn walk(
    reader: &Reader<'_>,
    found: &Found,
    visit: &mut dyn FnMut(&[u8], Step<'_>) -> Result<bool>,
    trouble: &mut dyn FnMut(Error) -> Result<()>,
) -> Result<()> {
    let mut path = found.path.clone();
    walk_entry(reader, &mut path, &found.entry, 0, visit, trouble)
}

type Visit<'v> = &'v mut dyn FnMut(&[u8], Step<'_>) -> Result<bool>;
type Trouble<'t> = &'t mut dyn FnMut(Error) -> Result<()>;

fn walk_entry(
    reader: &Reader<'_>,
    path: &mut Vec<u8>,
    entry: &Entry,
    depth: usize,
    visit: Visit<'_>,
    trouble: Trouble<'_>,
) -> Result<()> {
    match entry {
        Entry::Node(node) => walk_node(reader, path, node, depth, visit, trouble),
        Entry::Leading(names) => {
            let folder = leading(path);
            if depth > 0 && !visit(path, Step::Enter(&folder))? {
                return Ok(());
            }
            for (name, entry) in names {
                let length = push(path, name);
                walk_entry(reader, path, entry, depth + 1, visit, trouble)?;
                path.truncate(length);
            }
            if depth > 0 {
                visit(path, Step::Leave)?;
            }
            Ok(())
        }
    }
}

fn walk_node(
    reader: &Reader<'_>,
    path: &mut Vec<u8>,
    node: &Node,
    depth: usize,
    visit: Visit<'_>,
    trouble: Trouble<'_>,
) -> Result<()> {
    let NodeKind::Directory { entries } = node.kind else {
        return visit(path, Step::Node(node)).map(drop);
    };
    if !visit(path, Step::Enter(node))? {
        return Ok(());
    }
    walk_directory(reader, path, entries, depth, visit, trouble)?;
    visit(path, Step::Leave).map(drop)
}

fn walk_directory(
    reader: &Reader<'_>,
    path: &mut Vec<u8>,
    entries: TreeRef,
    depth: usize,
    visit: Visit<'_>,
    trouble: Trouble<'_>,
) -> Result<()> {
    if depth > DIRECTORY_DEPTH_MAX {
        let path = String::from_utf8_lossy(path).into_owned();
        return trouble(Error::damaged("walk", path, "directories are nested too deeply"));
    }
    let mut entries = DirectoryEntries::new(reader, entries);
    loop {
        match entries.next_entry() {
            Ok(None) => return Ok(()),
            Ok(Some(node)) => {
                let length = push(path, &node.name);
                walk_node(reader, path, &node, depth + 1, visit, trouble)?;
                path.truncate(length);
            }
            Err(error) => {
                return trouble(error.within("read directory", String::from_utf8_lossy(path)));
            }
        }
    }
}

/// Adds a name to a path; the length to go back to.
pub(super) fn push(path: &mut Vec<u8>, name: &[u8]) -> usize {
    let length = path.len();
    if !path.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    length
}

/// A folder that was not captured itself: private until the user says otherwise.
fn leading(path: &[u8]) -> Node {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    Node {
        name: name.to_vec(),
        kind: NodeKind::Directory {
            entries: TreeRef { id: crate::id::ChunkId([0; 32]), levels: 0 },
        },
        meta: Metadata { mode: 0o755, ..Metadata::default() },
        stamp: None,
        taint: None,
    }
}
