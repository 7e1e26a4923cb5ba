//! `ls`: the entries of a snapshot, or of one of its folders.

use super::tree::{self, Entry, PathEntry, Step};
use crate::error::{Error, Result};
use crate::format::directory::{Node, NodeKind};
use crate::format::snapshot::Snapshot;
use crate::repo::Reader;

/// Hands every entry beneath `path` of a snapshot to `visit`, in order of names, each with its
/// absolute path: one level, or everything with `recursive`. `/` is the whole snapshot; the path
/// of anything but a folder lists just that.
///
/// # Errors
/// `NotFound` if nothing stands at `path`. A folder that cannot be read goes to `trouble`, and
/// the rest is listed; what `trouble` or `visit` returns as an error ends the listing.
pub fn ls(
    reader: &Reader<'_>,
    snapshot: &Snapshot,
    path: &[u8],
    recursive: bool,
    visit: &mut dyn FnMut(&[u8], &Node) -> Result<()>,
    trouble: &mut dyn FnMut(Error) -> Result<()>,
) -> Result<()> {
    let found = tree::find(reader, snapshot, path)?;
    let top = is_folder(&found).then(|| found.path.clone());
    let mut step = |path: &[u8], step: Step<'_>| match step {
        Step::Enter(_) if top.as_deref() == Some(path) => Ok(true),
        Step::Enter(node) => visit(path, node).map(|()| recursive),
        Step::Node(node) => visit(path, node).map(|()| true),
        Step::Leave => Ok(true),
    };
    tree::walk(reader, &found, &mut step, trouble)
}

fn is_folder(found: &PathEntry) -> bool {
    match &found.entry {
        Entry::Leading(_) => true,
        Entry::Node(node) => matches!(node.kind, NodeKind::Directory { .. }),
    }
}

/// Bytes of a file's content; 0 of anything else.
pub fn size(node: &Node) -> u64 {
    match &node.kind {
        NodeKind::File { content, .. } => content.length,
        _ => 0,
    }
}

/// Type and permissions as `ls -l` shows them: `-rw-r--r--`, `drwxrwxrwt`.
pub fn mode_text(node: &Node) -> String {
    let mode = node.meta.mode;
    let mut text = String::from(type_letter(&node.kind));
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (false, false) => '-',
            (true, false) => 'x',
            (true, true) => letter,
            (false, true) => letter.to_ascii_uppercase(),
        });
    }
    text
}

fn type_letter(kind: &NodeKind) -> char {
    match kind {
        NodeKind::File { .. } => '-',
        NodeKind::Directory { .. } => 'd',
        NodeKind::Symlink { .. } => 'l',
        NodeKind::Fifo => 'p',
        NodeKind::Socket => 's',
        NodeKind::CharDevice { .. } => 'c',
        NodeKind::BlockDevice { .. } => 'b',
    }
}
