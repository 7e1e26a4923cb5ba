//! What a parent's entry is good for where a stamp proves that the file is the same.

use crate::format::content::Content;
use crate::format::directory::{Metadata, Node};
use crate::repo::Reader;
use crate::source::Entry;
use crate::stream::Pieces;

/// The entry as it is now, with what the stamp proves of the one before.
pub(super) fn unchanged(entry: Entry, before: Node) -> Node {
    let meta = Metadata { xattrs: before.meta.xattrs, ..entry.meta };
    Node { name: entry.name, meta, ..before }
}

/// Whether every chunk of a content, and its list, can be read.
pub(super) fn stored(reader: &Reader<'_>, content: &Content) -> bool {
    let pieces = Pieces::new(reader, content, "the parent's content");
    pieces.is_ok_and(|pieces| pieces.are_known(reader))
}
