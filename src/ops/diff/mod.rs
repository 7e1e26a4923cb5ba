//! `diff`: what differs between two snapshots, or between two places within them: two trees walked side
//! by side, place by place.

mod bytes;

use super::tree::{self, Children, Entry, Met, PathEntry, Step};
use super::{ls, path};
use crate::error::{Error, Result};
use crate::format::directory::{LinkGroup, Metadata, Node, NodeKind};
use crate::limits::DIRECTORY_DEPTH_MAX;
use crate::repo::Reader;
use std::cmp::Ordering;

/// How an entry differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Change {
    /// It is in the second alone.
    Added,
    /// It is in the first alone.
    Removed,
    /// Its content: bytes, target of a link, device number.
    Content,
    /// Only mode, owner, times, attributes, facts of a database, or whether it has other names.
    Metadata,
    /// It is something else now; what stood beneath it is removed, what stands there is added.
    Type,
}

/// One entry that differs.
#[derive(Clone, Copy, Debug)]
pub struct Difference<'d> {
    /// Absolute path, as in the second snapshot.
    pub path: &'d [u8],
    /// How it differs.
    pub change: Change,
    /// Of an added or removed file its length; of changed content the bytes in chunks that the
    /// earlier content lacks. None if the lists cannot be read.
    pub bytes: Option<u64>,
}

type Visit<'v> = &'v mut dyn FnMut(Difference<'_>) -> Result<()>;
type OnError<'t> = &'t mut dyn FnMut(Error) -> Result<()>;

/// Hands every difference between `before` and `after` ([`tree::find`] gives them) to `visit`,
/// in order of paths. Identical subtrees are not read. That a file was stored again with the
/// same bytes cut otherwise, or zeros became a hole, counts as changed content.
///
/// # Errors
/// A folder that cannot be read on either side goes to `trouble`, is compared no further, and
/// the rest goes on; what `trouble` or `visit` returns as an error ends it.
pub fn diff(
    reader: &Reader<'_>,
    before: &PathEntry,
    after: &PathEntry,
    visit: &mut dyn FnMut(Difference<'_>) -> Result<()>,
    trouble: &mut dyn FnMut(Error) -> Result<()>,
) -> Result<()> {
    let (path, met) = (after.path.clone(), Met::default());
    let mut diff = Diff { reader, path, met, visit, trouble };
    diff.entries(&before.entry, &after.entry, 0)
}

struct Diff<'d> {
    reader: &'d Reader<'d>,
    path: Vec<u8>,
    met: Met,
    visit: Visit<'d>,
    trouble: OnError<'d>,
}

impl Diff<'_> {
    fn entries(&mut self, before: &Entry, after: &Entry, depth: usize) -> Result<()> {
        match (before, after) {
            (Entry::Node(before), Entry::Node(after)) => self.nodes(before, after, depth),
            _ => match (Children::of(self.reader, before), Children::of(self.reader, after)) {
                (Some(old), Some(new)) => self.children(old, new, depth, true),
                _ => {
                    self.all(before, Change::Removed)?;
                    self.all(after, Change::Added)
                }
            },
        }
    }

    fn nodes(&mut self, before: &Node, after: &Node, depth: usize) -> Result<()> {
        use NodeKind::{Directory, File};
        match (&before.kind, &after.kind) {
            (Directory { entries: old }, Directory { entries: new }) => {
                if !same_metadata(before, after) {
                    self.tell(Change::Metadata, Some(0))?;
                }
                if let (Some(old), Some(new)) = (old, new)
                    && old != new
                {
                    let unseen = self.met.directory(*old) | self.met.directory(*new);
                    let (old, new) =
                        (Children::stored(self.reader, *old), Children::stored(self.reader, *new));
                    self.children(old, new, depth, unseen)?;
                }
                Ok(())
            }
            (File { content: old, .. }, File { content: new, .. }) if old != new => {
                let subject = String::from_utf8_lossy(&self.path).into_owned();
                let bytes = match bytes::new_bytes(self.reader, old, new, &subject) {
                    Ok(bytes) => Some(bytes),
                    Err(error) => (self.trouble)(error).map(|()| None)?,
                };
                self.tell(Change::Content, bytes)
            }
            (File { .. }, File { .. }) => self.metadata(before, after),
            (old, new) if std::mem::discriminant(old) != std::mem::discriminant(new) => {
                self.tell(Change::Type, Some(ls::size(after)))?;
                self.beneath(before, Change::Removed)?;
                self.beneath(after, Change::Added)
            }
            (old, new) if old != new => self.tell(Change::Content, Some(0)),
            _ => self.metadata(before, after),
        }
    }

    fn metadata(&mut self, before: &Node, after: &Node) -> Result<()> {
        if same_metadata(before, after) {
            return Ok(());
        }
        self.tell(Change::Metadata, Some(0))
    }

    fn tell(&mut self, change: Change, bytes: Option<u64>) -> Result<()> {
        (self.visit)(Difference { path: &self.path, change, bytes })
    }

    /// Two directories side by side. After trouble on one side nothing can be said of the rest.
    fn children(
        &mut self,
        mut before: Children<'_>,
        mut after: Children<'_>,
        depth: usize,
        unseen: bool,
    ) -> Result<()> {
        if depth > DIRECTORY_DEPTH_MAX {
            let path = String::from_utf8_lossy(&self.path).into_owned();
            let reason = "directories are nested too deeply";
            return (self.trouble)(Error::damaged("compare", path, reason));
        }
        // Folders that lead to a part are none of its depth.
        let below = match (&before, &after) {
            (Children::Stored(_), Children::Stored(_)) => depth + 1,
            _ => 0,
        };
        let (mut old, mut new) = (before.next(), after.next());
        loop {
            let (left, right) = match (old, new) {
                (Ok(left), Ok(right)) => (left, right),
                (Err(error), _) | (_, Err(error)) => {
                    let path = String::from_utf8_lossy(&self.path).into_owned();
                    return (self.trouble)(error.within("compare folder", path));
                }
            };
            let order = match (&left, &right) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((left, _)), Some((right, _))) => left.cmp(right),
            };
            self.met.entry(unseen, &self.path)?;
            self.pair(left.as_ref(), right.as_ref(), order, below)?;
            old = if order.is_gt() { Ok(left) } else { before.next() };
            new = if order.is_lt() { Ok(right) } else { after.next() };
        }
    }

    /// What stands next on both sides, or on the one with the lesser name.
    fn pair(
        &mut self,
        old: Option<&(Vec<u8>, Entry)>,
        new: Option<&(Vec<u8>, Entry)>,
        order: Ordering,
        depth: usize,
    ) -> Result<()> {
        let (old, new) = (old.filter(|_| order.is_le()), new.filter(|_| order.is_ge()));
        let Some((name, _)) = old.or(new) else { return Ok(()) };
        let length = path::push(&mut self.path, name);
        match (old, new) {
            (Some((_, old)), Some((_, new))) => self.entries(old, new, depth)?,
            (Some((_, old)), None) => self.all(old, Change::Removed)?,
            (None, Some((_, new))) => self.all(new, Change::Added)?,
            (None, None) => {}
        }
        self.path.truncate(length);
        Ok(())
    }

    /// An entry and everything beneath, on one side alone.
    fn all(&mut self, entry: &Entry, change: Change) -> Result<()> {
        let found = PathEntry { path: self.path.clone(), entry: entry.clone() };
        let visit = &mut self.visit;
        let mut step = |path: &[u8], step: Step<'_>| {
            let (Step::Enter(node) | Step::Node(node)) = step else { return Ok(true) };
            let bytes = Some(ls::size(node));
            visit(Difference { path, change, bytes }).map(|()| true)
        };
        tree::walk_on(&mut self.met, self.reader, &found, &mut step, self.trouble)
    }

    /// Everything beneath a node, without itself.
    fn beneath(&mut self, node: &Node, change: Change) -> Result<()> {
        let Some(entries) = node.entries() else { return Ok(()) };
        let unseen = self.met.directory(entries);
        let mut children = Children::stored(self.reader, entries);
        loop {
            match children.next() {
                Ok(None) => return Ok(()),
                Ok(Some((name, entry))) => {
                    self.met.entry(unseen, &self.path)?;
                    let length = path::push(&mut self.path, &name);
                    self.all(&entry, change)?;
                    self.path.truncate(length);
                }
                Err(error) => {
                    let path = String::from_utf8_lossy(&self.path).into_owned();
                    return (self.trouble)(error.within("read directory", path));
                }
            }
        }
    }
}

/// What a user sees of two nodes besides content. Device and inode number of a hard link may
/// change with every mount; the stamp and, with it, the inode are no user's business.
fn same_metadata(before: &Node, after: &Node) -> bool {
    let seen = |node: &Node| Metadata {
        link_group: node.meta.link_group.map(|_| LinkGroup { device: 0, inode: 0, born: None }),
        ..node.meta.clone()
    };
    seen(before) == seen(after)
        && before.taint.is_some() == after.taint.is_some()
        && before.database() == after.database()
}
