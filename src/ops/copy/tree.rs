//! Trees: every directory is written anew, since its entries name their contents. What is as before
//! gives the same nodes, which are here already.

use super::content::{ContentCopier, FormerContent};
use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::content::{Content, Piece};
use crate::format::directory::{Node, NodeKind};
use crate::id::ChunkId;
use crate::limits::DIRECTORY_DEPTH_MAX;
use crate::monitor::go_on;
use crate::ops::path::push;
use crate::repo::Reader;
use crate::stream::{DirectoryEntries, DirectoryWriter, EntriesByName, ReadAhead};

/// What stood in the same place in the copy before.
#[derive(Clone)]
pub(super) struct Former {
    /// In the source; nothing where the snapshot is no more.
    pub(super) theirs: Option<Node>,
    /// In the target.
    pub(super) ours: Node,
}

impl Former {
    fn content(&self) -> Option<FormerContent<'_>> {
        let theirs = self.theirs.as_ref().and_then(Node::content);
        Some(FormerContent { theirs, ours: self.ours.content()? })
    }
}

/// A directory that is being copied.
struct Folder<'c> {
    node: Node,
    rest: DirectoryEntries<'c>,
    former: FormerEntries<'c>,
    writer: DirectoryWriter,
    ahead: Ahead,
    /// How much of the path leads to its parent.
    back: usize,
}

/// Its entries in the copy before.
struct FormerEntries<'c> {
    theirs: Option<EntriesByName<'c>>,
    ours: Option<EntriesByName<'c>>,
}

impl FormerEntries<'_> {
    fn find(&mut self, name: &[u8]) -> Option<Former> {
        let theirs = self.theirs.as_mut().and_then(|entries| entries.find(name));
        Some(Former { theirs, ours: self.ours.as_mut()?.find(name)? })
    }
}

/// Chunks of small files that are stored together.
const STORED_TOGETHER: usize = 256;

/// What was read of the files that come next.
#[derive(Default)]
struct Ahead {
    lists: ReadAhead,
    /// Chunks of small files.
    chunks: usize,
}

impl<'c> ContentCopier<'c, '_> {
    /// Copies the tree at `path`; its root in the target.
    pub(super) fn tree(
        &mut self,
        path: &[u8],
        root: &Node,
        former: Option<Former>,
    ) -> Result<Node> {
        let (mut path, mut open) = (path.to_vec(), Vec::new());
        let back = path.len();
        if let Some(node) = self.enter(&path, root.clone(), former, back, &mut open)? {
            return Ok(node);
        }
        while let Some(folder) = open.last_mut() {
            go_on(self.monitor, "copy")?;
            if let Some(node) = folder.rest.next_entry()? {
                let former = folder.former.find(&node.name);
                self.read_ahead(&node, &former, folder)?;
                let back = push(&mut path, &node.name);
                if let Some(node) = self.enter(&path, node, former, back, &mut open)? {
                    path.truncate(back);
                    self.add(open.last_mut(), node)?;
                }
                continue;
            }
            let Some(Folder { node, writer, back, .. }) = open.pop() else { break };
            path.truncate(back);
            let entries = Some(writer.finish(self.session)?);
            let node = Node { kind: NodeKind::Directory { entries }, ..node };
            if open.is_empty() {
                return Ok(node);
            }
            self.add(open.last_mut(), node)?;
        }
        Err(Error::new(Kind::Failed, "copy", String::from_utf8_lossy(&path)))
    }

    /// A node that is copied; a directory is opened instead.
    fn enter(
        &mut self,
        path: &[u8],
        node: Node,
        former: Option<Former>,
        back: usize,
        open: &mut Vec<Folder<'c>>,
    ) -> Result<Option<Node>> {
        let subject = || String::from_utf8_lossy(path);
        match node.kind {
            NodeKind::File { content, database } => {
                let before = former.as_ref().and_then(Former::content);
                let content = self.copy(&subject(), &content, before)?;
                Ok(Some(Node { kind: NodeKind::File { content, database }, ..node }))
            }
            NodeKind::Directory { entries: Some(entries) } => {
                if open.len() > DIRECTORY_DEPTH_MAX {
                    let reason = "directories are nested too deeply";
                    return Err(Error::damaged("read", subject(), reason));
                }
                let (theirs, ours) = former.map_or((None, None), |former| {
                    (former.theirs.and_then(|node| node.entries()), former.ours.entries())
                });
                let (source, target): (&'c Reader<'c>, &'c Reader<'c>) = (self.source, self.target);
                open.push(Folder {
                    rest: DirectoryEntries::new(source, entries),
                    former: FormerEntries {
                        theirs: theirs.map(|root| EntriesByName::new(source, root)),
                        ours: ours.map(|root| EntriesByName::new(target, root)),
                    },
                    writer: DirectoryWriter::new(target, ours),
                    ahead: Ahead::default(),
                    node,
                    back,
                });
                Ok(None)
            }
            _ => Ok(Some(node)),
        }
    }

    fn add(&mut self, folder: Option<&mut Folder<'c>>, node: Node) -> Result<()> {
        folder.map_or(Ok(()), |folder| folder.writer.push(self.session, node))
    }

    /// Files are often small: what comes next is read together; and in a folder that is new, stored
    /// together as well, since nothing stood in its place.
    fn read_ahead(
        &mut self,
        node: &Node,
        former: &Option<Former>,
        folder: &mut Folder<'c>,
    ) -> Result<()> {
        let Some(content) = node.content() else { return Ok(()) };
        let before = former.as_ref().and_then(|former| former.theirs.as_ref()?.content());
        if before == Some(content) {
            return Ok(());
        }
        let coming = || std::iter::once(node).chain(folder.rest.coming()).filter_map(Node::content);
        if content.list.is_some() {
            let lists = coming().filter_map(|content| Some(content.list?.id));
            folder.ahead.lists.step(self.source, lists);
            return Ok(());
        }
        if folder.former.ours.is_none() {
            if self.unknown_chunks(content).next().is_some() {
                let unknown: Vec<(ChunkId, u32)> = coming()
                    .flat_map(|content| self.unknown_chunks(content))
                    .take(STORED_TOGETHER)
                    .collect();
                self.store_together(&unknown)?;
            }
            return Ok(());
        }
        let chunks = self.unknown_chunks(content).count();
        if folder.ahead.chunks < chunks {
            let unknown = coming().flat_map(|content| self.unknown_chunks(content));
            let unknown = unknown.map(|(id, _)| id);
            folder.ahead.chunks = self.source.read_ahead(BlobKind::Data, unknown);
        }
        folder.ahead.chunks = folder.ahead.chunks.saturating_sub(chunks);
        Ok(())
    }

    /// The chunks of a small content that have to be read, and their lengths.
    fn unknown_chunks(&self, content: &Content) -> impl Iterator<Item = (ChunkId, u32)> {
        let pieces = content.inline_pieces("a content").unwrap_or_default();
        let chunks = pieces.into_iter().filter_map(|piece| match piece {
            Piece::Chunk { id, length } => Some((id, length)),
            Piece::Hole { .. } => None,
        });
        chunks.filter(|(id, _)| self.known(id).is_none())
    }
}
