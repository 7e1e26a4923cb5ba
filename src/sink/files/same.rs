//! What makes two entries one: on the disk, and in a snapshot.

use crate::format::content::Content;
use crate::format::directory::{LinkGroup, Node, NodeKind};
use std::mem::{Discriminant, discriminant};

/// Device and inode.
pub(super) type Identity = (u64, u64);

/// What makes two names of a snapshot one file: the same link group, and the same content. An
/// inode may have been given to another file while the source was read; then the group is the same
/// and the content is not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Same {
    group: LinkGroup,
    kind: Discriminant<NodeKind>,
    content: Content,
    target: Vec<u8>,
    device: (u32, u32),
}

impl Same {
    /// None of an entry that had one name only.
    pub(super) fn of(node: &Node) -> Option<Self> {
        let group = node.meta.link_group?;
        let (mut content, mut target, mut device) = (Content::default(), Vec::new(), (0, 0));
        match &node.kind {
            NodeKind::File { content: bytes, .. } => content = bytes.clone(),
            NodeKind::Symlink { target: to } => target.clone_from(to),
            NodeKind::CharDevice { device: numbers }
            | NodeKind::BlockDevice { device: numbers } => {
                device = *numbers;
            }
            NodeKind::Directory { .. } | NodeKind::Fifo | NodeKind::Socket => {}
        }
        Some(Same { group, kind: discriminant(&node.kind), content, target, device })
    }
}
