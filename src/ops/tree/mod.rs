//! A snapshot as one tree: its parts at their paths, found by path or walked in order.

mod children;

pub(super) use children::Children;

use crate::error::{Error, Kind, Result};
use crate::format::content::TreeRef;
use crate::format::directory::{Metadata, Node, NodeKind};
use crate::format::snapshot::Snapshot;
use crate::limits::{DIRECTORY_DEPTH_MAX, PLACES_FREE, PLACES_PER_ENTRY};
use crate::ops::path::push;
use crate::ops::reach::{Loss, Reach, Visitor};
use crate::repo::Reader;
use crate::stream::{ReadAhead, find_entry};
use std::collections::{BTreeMap, HashSet};
use std::iter::once;
use std::ops::AddAssign;

/// A node of a snapshot, with its path.
#[derive(Clone, Debug)]
pub struct PathEntry {
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
pub fn find(reader: &Reader<'_>, snapshot: &Snapshot, path: &[u8]) -> Result<PathEntry> {
    let mut entry = root(snapshot);
    let mut at = Vec::new();
    for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
        let below = match entry {
            Entry::Leading(mut names) => names.remove(name),
            Entry::Node(node) => match node.entries() {
                Some(entries) => {
                    find_entry(reader, entries, name)?.map(|node| Entry::Node(Box::new(node)))
                }
                None => None,
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
    Ok(PathEntry { path: at, entry })
}

/// Walks everything at and below `found`, depth first, in order of names. `visit` gets each step
/// and the path of its node, and says of a directory whether to go in; the path of a `Leave` is
/// that of the directory left. What cannot be read goes to `trouble`, and the walk goes on.
///
/// # Errors
/// What `visit` or `trouble` gives; `Damaged` where the same few directories stand in so many
/// places that nobody meant it.
pub fn walk(
    reader: &Reader<'_>,
    found: &PathEntry,
    visit: &mut dyn FnMut(&[u8], Step<'_>) -> Result<bool>,
    trouble: &mut dyn FnMut(Error) -> Result<()>,
) -> Result<()> {
    walk_on(&mut Met::default(), reader, found, visit, trouble)
}

/// The same as a part of something larger, which has met all that `met` knows.
pub(super) fn walk_on(
    met: &mut Met,
    reader: &Reader<'_>,
    found: &PathEntry,
    visit: &mut dyn FnMut(&[u8], Step<'_>) -> Result<bool>,
    trouble: &mut dyn FnMut(Error) -> Result<()>,
) -> Result<()> {
    let (path, open) = (found.path.clone(), Vec::new());
    let mut walk = Walk { reader, path, open, met, visit, trouble };
    match &found.entry {
        Entry::Leading(names) => walk.open.push(Level::of_leading(names.clone())),
        Entry::Node(node) => walk.node(node, 0)?,
    }
    while walk.next()? {}
    Ok(())
}

/// How many entries stand at and below `found`; directories that stand in several places are
/// read once. What cannot be read is not counted.
///
/// # Errors
/// `Damaged` if they are too many, as for [`walk`].
pub fn count(reader: &Reader<'_>, found: &PathEntry) -> Result<u64> {
    let (mut reach, mut count, mut all) = (Reach::new(reader), Count::default(), Entries(0));
    let mut waiting = vec![&found.entry];
    while let Some(entry) = waiting.pop() {
        match entry {
            Entry::Leading(names) => waiting.extend(names.values()),
            Entry::Node(node) => all += reach.entry(&found.path, node, &mut count)?.sum,
        }
    }
    plausible(all.0, count.stored, &found.path).map(|()| all.0)
}

/// A number of entries, in all places where they stand: a forged tree may have more than are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entries(pub u64);

impl AddAssign for Entries {
    fn add_assign(&mut self, more: Entries) {
        self.0 = self.0.saturating_add(more.0);
    }
}

/// Counts entries.
#[derive(Default)]
struct Count {
    /// Those that are stored, each of them once.
    stored: u64,
}

impl Visitor for Count {
    type Sum = Entries;

    fn entry(&mut self, _: &[u8], _: &Node) -> Result<Entries> {
        self.stored += 1;
        Ok(Entries(1))
    }

    fn trouble(&mut self, _: &[u8], trouble: Loss) -> Result<Entries> {
        match trouble.error.kind() {
            // What holds for one directory holds for all of them.
            Kind::Unavailable => Err(trouble.error),
            _ => Ok(Entries(0)),
        }
    }

    fn wants_contents(&self) -> bool {
        false
    }
}

/// Whether so many entries may come of so many that are stored. What stands in several places
/// is stored once; but a few directories within each other make more places than anybody can walk.
fn plausible(entries: u64, stored: u64, path: &[u8]) -> Result<()> {
    if entries <= PLACES_FREE.saturating_add(stored.saturating_mul(PLACES_PER_ENTRY)) {
        return Ok(());
    }
    let reason = format!("{stored} entries are stored, and made to stand in too many places");
    Err(Error::damaged("walk", String::from_utf8_lossy(path), reason))
}

/// What a walk has met, and how much of it was new.
#[derive(Default)]
pub(super) struct Met {
    entries: u64,
    /// Those of directories that were not met before.
    stored: u64,
    directories: HashSet<TreeRef>,
}

impl Met {
    /// A directory; whether it is met for the first time.
    pub(super) fn directory(&mut self, entries: TreeRef) -> bool {
        self.directories.insert(entries)
    }

    /// An entry of a directory that is `new`, or not.
    pub(super) fn entry(&mut self, new: bool, path: &[u8]) -> Result<()> {
        self.entries += 1;
        self.stored += u64::from(new);
        plausible(self.entries, self.stored, path)
    }
}

/// An open directory of a walk.
struct Level<'w> {
    /// None where they cannot be read, or no further.
    children: Option<Children<'w>>,
    /// Directories among them that were read ahead.
    ahead: ReadAhead,
    /// How much of the path leads to its parent; none of the walk's beginning where that only
    /// leads to parts: nobody is told of it.
    back: Option<usize>,
    /// Directories of the same part above its entries.
    depth: usize,
    /// Whether its entries count as stored: no place before this one had them.
    new: bool,
}

impl Level<'_> {
    fn of_leading(names: BTreeMap<Vec<u8>, Entry>) -> Self {
        let children = Some(Children::Leading(names.into_iter()));
        let ahead = ReadAhead::default();
        Level { children, ahead, back: None, depth: 0, new: true }
    }
}

/// No recursion: it must do with any stack that it is called on.
struct Walk<'w> {
    reader: &'w Reader<'w>,
    path: Vec<u8>,
    open: Vec<Level<'w>>,
    met: &'w mut Met,
    visit: &'w mut dyn FnMut(&[u8], Step<'_>) -> Result<bool>,
    trouble: &'w mut dyn FnMut(Error) -> Result<()>,
}

impl Walk<'_> {
    /// One step on from the directory entered last; false at the end.
    fn next(&mut self) -> Result<bool> {
        let Some(level) = self.open.last_mut() else { return Ok(false) };
        let (depth, new) = (level.depth, level.new);
        match level.children.as_mut().map_or(Ok(None), Children::next) {
            Ok(None) => self.leave()?,
            Ok(Some((name, entry))) => {
                // Folders that lead to parts are none of what is stored.
                if matches!(level.children, Some(Children::Stored(_))) {
                    self.met.entry(new, &self.path)?;
                }
                let length = push(&mut self.path, &name);
                match entry {
                    Entry::Node(node) => self.node_at(&node, depth, length)?,
                    Entry::Leading(names) => self.leading_at(&name, names, length)?,
                }
            }
            // What holds for one directory holds for all of them.
            Err(error) if error.kind() == Kind::Unavailable => return Err(error),
            Err(error) => {
                level.children = None;
                let path = String::from_utf8_lossy(&self.path);
                (self.trouble)(error.within("read directory", path))?;
            }
        }
        Ok(true)
    }

    /// A folder that leads to parts, whose path is complete.
    fn leading_at(
        &mut self,
        name: &[u8],
        names: BTreeMap<Vec<u8>, Entry>,
        length: usize,
    ) -> Result<()> {
        match (self.visit)(&self.path, Step::Enter(&leading(name)))? {
            true => self.open.push(Level { back: Some(length), ..Level::of_leading(names) }),
            false => self.path.truncate(length),
        }
        Ok(())
    }

    /// A node whose path is complete; after it, the path goes back to `length`.
    fn node_at(&mut self, node: &Node, depth: usize, length: usize) -> Result<()> {
        let open = self.open.len();
        self.node(node, depth)?;
        match self.open.get_mut(open) {
            Some(entered) => entered.back = Some(length),
            None => self.path.truncate(length),
        }
        Ok(())
    }

    fn node(&mut self, node: &Node, depth: usize) -> Result<()> {
        let Some(entries) = node.entries() else {
            return (self.visit)(&self.path, Step::Node(node)).map(drop);
        };
        if !(self.visit)(&self.path, Step::Enter(node))? {
            return Ok(());
        }
        self.read_ahead(entries);
        let new = self.met.directory(entries);
        let mut children = Some(Children::stored(self.reader, entries));
        if depth > DIRECTORY_DEPTH_MAX {
            children = None;
            let path = String::from_utf8_lossy(&self.path);
            let reason = "directories are nested too deeply";
            (self.trouble)(Error::damaged("walk", path, reason))?;
        }
        let back = Some(self.path.len());
        let ahead = ReadAhead::default();
        self.open.push(Level { children, ahead, back, depth: depth + 1, new });
        Ok(())
    }

    /// A directory is read next, and maybe those beside it.
    fn read_ahead(&mut self, next: TreeRef) {
        let Some(Level { children: Some(children), ahead, .. }) = self.open.last_mut() else {
            return;
        };
        let beside = children.coming().filter_map(Node::entries);
        ahead.step(self.reader, once(next).chain(beside).map(|entries| entries.id));
    }

    fn leave(&mut self) -> Result<()> {
        let Some(Level { back, .. }) = self.open.pop() else { return Ok(()) };
        if let Some(length) = back {
            (self.visit)(&self.path, Step::Leave)?;
            self.path.truncate(length);
        }
        Ok(())
    }
}

/// Whether the node is a folder that was not captured itself and only leads to parts.
pub fn leads(node: &Node) -> bool {
    matches!(node.kind, NodeKind::Directory { entries: None })
}

fn leading(name: &[u8]) -> Node {
    Node {
        name: name.to_vec(),
        kind: NodeKind::Directory { entries: None },
        meta: Metadata { mode: 0o755, ..Metadata::default() },
        stamp: None,
        taint: None,
    }
}
