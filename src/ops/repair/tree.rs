//! What is left of a tree: the same without what cannot be read. What is whole keeps its nodes; only
//! folders above what is lost are written anew.

use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::content::TreeRef;
use crate::format::directory::{Node, NodeKind};
use crate::id::ChunkId;
use crate::limits::DIRECTORY_DEPTH_MAX;
use crate::monitor::{Monitor, go_on};
use crate::ops::path::push;
use crate::ops::reach::{Loss, Lost, Reach, Visitor};
use crate::repo::{Index, Reader, Session};
use crate::stream::{DirectoryPart, DirectoryWriter, OpenPart};
use std::collections::HashMap;
use std::ops::AddAssign;

/// What is in a tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) entries: u64,
    pub(super) files: u64,
    pub(super) directories: u64,
    pub(super) databases: u64,
    pub(super) bytes: u64,
}

impl Counts {
    fn of(node: &Node) -> Self {
        let content = node.content();
        Counts {
            entries: 1,
            files: u64::from(content.is_some()),
            directories: u64::from(matches!(node.kind, NodeKind::Directory { .. })),
            databases: u64::from(node.database().is_some()),
            bytes: content.map_or(0, |content| content.length),
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        self.entries = self.entries.saturating_add(more.entries);
        self.files = self.files.saturating_add(more.files);
        self.directories = self.directories.saturating_add(more.directories);
        self.databases = self.databases.saturating_add(more.databases);
        self.bytes = self.bytes.saturating_add(more.bytes);
    }
}

/// Tells what is lost: chunks that no entry provides that counts, and that cannot be read either.
pub(super) struct Judge<'j> {
    /// Nothing in it counts that is known to be damaged or gone.
    pub(super) known: &'j Index,
    /// Reads by all entries: what is said to be damaged may have been mended.
    pub(super) all: &'j Reader<'j>,
    pub(super) monitor: &'j dyn Monitor,
}

impl Visitor for Judge<'_> {
    type Sum = Counts;

    fn entry(&mut self, _: &[u8], node: &Node) -> Result<Counts> {
        go_on(self.monitor, "look for what is lost in")?;
        Ok(Counts::of(node))
    }

    fn trouble(&mut self, _: &[u8], trouble: Loss) -> Result<Counts> {
        let is_met = |id: &ChunkId| self.known.met_damage().iter().any(|place| place.id == *id);
        let reads_now = |id: &ChunkId| self.all.read(BlobKind::Meta, id).is_ok();
        if let Some(id) = trouble.chunk.filter(|id| is_met(id) && reads_now(id)) {
            return Err(Error::unavailable("read chunk", id, "it reads differently each time"));
        }
        match trouble.error.kind() {
            Kind::Damaged | Kind::NotFound => Ok(Counts::default()),
            // What cannot be had at the moment is not lost.
            _ => Err(trouble.error),
        }
    }

    fn chunk(&mut self, id: &ChunkId, length: u64) -> Result<()> {
        let found = match self.known.find(BlobKind::Data, id) {
            Some(place) => u64::from(place.plain),
            None => self.all.read(BlobKind::Data, id)?.len() as u64,
        };
        match found == length {
            true => Ok(()),
            false => Err(Error::damaged("account for chunk", id, "it has another length")),
        }
    }
}

/// Makes trees without what is lost.
pub(super) struct Mender<'m, 's, 'r> {
    pub(super) reach: &'m mut Reach<'r, Counts>,
    pub(super) judge: &'m mut Judge<'r>,
    pub(super) session: &'m mut Session<'s>,
    /// Folders that were written anew: the same ones may stand in many places.
    mended: HashMap<TreeRef, (TreeRef, Counts)>,
    /// The paths of what is left out; of a folder that cannot be listed to its end, its own.
    pub(super) left_out: Vec<Vec<u8>>,
    /// What is in all trees so far.
    pub(super) counts: Counts,
}

/// A folder that is being written anew.
struct Folder {
    node: Node,
    entries: TreeRef,
    writer: DirectoryWriter,
    /// What is still to be read of it, the next last.
    rest: Vec<OpenPart>,
    counts: Counts,
    /// How much of the path leads to its parent.
    back: usize,
}

impl<'m, 's, 'r> Mender<'m, 's, 'r> {
    pub(super) fn new(
        reach: &'m mut Reach<'r, Counts>,
        judge: &'m mut Judge<'r>,
        session: &'m mut Session<'s>,
    ) -> Self {
        let (mended, left_out, counts) = (HashMap::new(), Vec::new(), Counts::default());
        Mender { reach, judge, session, mended, left_out, counts }
    }

    /// What is left of the tree at `path`; nothing if its root is no folder, and lost.
    pub(super) fn mend(&mut self, path: &[u8], root: &Node) -> Result<Option<Node>> {
        let (mut path, mut open) = (path.to_vec(), Vec::new());
        let back = path.len();
        if let Some((node, counts)) = self.enter(&path, root.clone(), back, &mut open)? {
            self.counts += counts;
            return Ok(Some(node));
        }
        while let Some(folder) = open.last_mut() {
            match self.next(folder, &path)? {
                Some(node) => {
                    let back = push(&mut path, &node.name);
                    let depth = open.len();
                    if let Some((node, counts)) = self.enter(&path, node, back, &mut open)? {
                        self.add(open.last_mut(), node, counts)?;
                    }
                    if open.len() == depth {
                        path.truncate(back);
                    }
                }
                None => {
                    let Some(folder) = open.pop() else { break };
                    path.truncate(folder.back);
                    let (node, counts) = self.close(folder)?;
                    if open.is_empty() {
                        self.counts += counts;
                        return Ok(Some(node));
                    }
                    self.add(open.last_mut(), node, counts)?;
                }
            }
        }
        Ok(None)
    }

    /// A node that is whole, or was mended before. Another is opened if it is a folder, and else left
    /// out.
    fn enter(
        &mut self,
        path: &[u8],
        node: Node,
        back: usize,
        open: &mut Vec<Folder>,
    ) -> Result<Option<(Node, Counts)>> {
        let seen = self.reach.entry(path, &node, self.judge)?;
        if seen.well {
            return Ok(Some((node, seen.sum)));
        }
        let Some(entries) = node.entries() else {
            self.left_out.push(path.to_vec());
            return Ok(None);
        };
        if let Some((mended, counts)) = self.mended.get(&entries) {
            return Ok(Some((Node { kind: folder_of(*mended), ..node }, *counts)));
        }
        let parts = OpenPart::Parts(vec![DirectoryPart::root(entries)].into_iter());
        let writer = DirectoryWriter::new(self.reach.reader(), None);
        let rest = if open.len() < DIRECTORY_DEPTH_MAX { vec![parts] } else { Vec::new() };
        if rest.is_empty() {
            self.left_out.push(path.to_vec());
        }
        let counts = Counts::of(&node);
        open.push(Folder { node, entries, writer, rest, counts, back });
        Ok(None)
    }

    /// The next entry of a folder that can be read.
    fn next(&mut self, folder: &mut Folder, path: &[u8]) -> Result<Option<Node>> {
        while let Some(rest) = folder.rest.last_mut() {
            let part = match rest {
                OpenPart::Entries(entries) => match entries.next() {
                    Some(node) => return Ok(Some(node)),
                    None => None,
                },
                OpenPart::Parts(parts) => parts.next(),
            };
            let Some(part) = part else {
                folder.rest.pop();
                continue;
            };
            let id = *part.id();
            match part.open(self.reach.reader()) {
                Ok(open) => folder.rest.push(open),
                Err(error) => {
                    self.judge.trouble(path, lost_entries(id, error))?;
                    self.left_out.push(path.to_vec());
                }
            }
        }
        Ok(None)
    }

    fn add(&mut self, folder: Option<&mut Folder>, node: Node, counts: Counts) -> Result<()> {
        let Some(folder) = folder else { return Ok(()) };
        folder.counts += counts;
        folder.writer.push(self.session, node)
    }

    fn close(&mut self, folder: Folder) -> Result<(Node, Counts)> {
        let Folder { node, entries, writer, counts, .. } = folder;
        let mended = writer.finish(self.session)?;
        self.mended.insert(entries, (mended, counts));
        Ok((Node { kind: folder_of(mended), ..node }, counts))
    }
}

fn folder_of(entries: TreeRef) -> NodeKind {
    NodeKind::Directory { entries: Some(entries) }
}

fn lost_entries(id: ChunkId, error: Error) -> Loss {
    Loss { lost: Lost::Entries, chunk: Some(id), error }
}
