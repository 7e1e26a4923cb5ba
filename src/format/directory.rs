//! Directories: entries sorted by name, cut into nodes at entry boundaries (chapter 7).

use super::content::{Content, TreeRef};
use super::cursor::{Reader, length32};
use super::database::DatabaseFacts;
use super::record::{from_cbor, no_text, to_cbor};
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::id::ChunkId;
use crate::limits::{LEVELS_MAX, NAME_MAX, NODE_MAX};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use std::collections::BTreeMap;

/// First byte of a directory node.
pub const DIRECTORY: u8 = b'D';
/// Bytes at the front of a node: tag, level.
pub const NODE_HEAD: usize = 2;

/// One directory entry, or the root of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// The name, any bytes but `/` and NUL; never empty, `.` or `..`.
    #[serde(with = "serde_bytes")]
    pub name: Vec<u8>,
    /// What it is.
    pub kind: NodeKind,
    /// Owner, mode, times.
    pub meta: Metadata,
    /// What must be unchanged for the content to count as unchanged; absent if the file was
    /// too young when it was read for its times to prove anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp>,
    /// Set where the entry was captured although something was wrong with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taint: Option<Taint>,
}

/// What is wrong with an entry at its source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Taint {
    /// The first finding, in words.
    pub finding: String,
    /// When it was first found.
    pub since: Time,
    /// How deeply was looked when it was found. The taint stays until a capture that looks at
    /// least as deep finds nothing.
    pub scrutiny: Scrutiny,
}

impl Taint {
    /// What is wrong, as a user is told.
    pub fn reason(&self) -> String {
        format!("it was damaged at its source: {}", self.finding)
    }
}

/// How deeply a capture looks at what it stores, each more deeply than the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scrutiny {
    /// Its engine opens it.
    #[default]
    Open,
    /// Its rows are counted.
    Rows,
    /// A quick check.
    Quick,
    /// A full check.
    Full,
}

/// What a directory entry is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum NodeKind {
    /// A regular file, or a stream.
    File {
        /// Its bytes.
        content: Content,
        /// Set for a database, which was captured through its own engine.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        database: Option<DatabaseFacts>,
    },
    /// A directory.
    Directory {
        /// Its entries; none of a directory that is not stored, or not yet. No record is without.
        #[serde(with = "stored")]
        entries: Option<TreeRef>,
    },
    /// A symbolic link.
    Symlink {
        /// Where it points, any bytes but NUL.
        #[serde(with = "serde_bytes")]
        target: Vec<u8>,
    },
    /// A named pipe.
    Fifo,
    /// A socket; its name is kept, restoring it is not possible.
    Socket,
    /// A character device.
    CharDevice {
        /// Major and minor number.
        device: (u32, u32),
    },
    /// A block device.
    BlockDevice {
        /// Major and minor number.
        device: (u32, u32),
    },
}

/// Entries as records have them: always there.
mod stored {
    use super::TreeRef;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};

    pub(super) fn serialize<S: Serializer>(
        entries: &Option<TreeRef>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match entries {
            Some(entries) => entries.serialize(serializer),
            None => Err(ser::Error::custom("the entries of a directory are not stored")),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<TreeRef>, D::Error> {
        TreeRef::deserialize(deserializer).map(Some)
    }
}

impl Node {
    /// The root of its entries, if it is a directory whose entries are stored.
    pub fn entries(&self) -> Option<TreeRef> {
        match self.kind {
            NodeKind::Directory { entries } => entries,
            _ => None,
        }
    }

    /// What is in a file.
    pub fn content(&self) -> Option<&Content> {
        match &self.kind {
            NodeKind::File { content, .. } => Some(content),
            _ => None,
        }
    }

    /// Why no link leads to its target, if it is one.
    pub(super) fn bad_target(&self) -> Option<&'static str> {
        match &self.kind {
            NodeKind::Symlink { target } if target.contains(&0) => Some("a target with NUL"),
            _ => None,
        }
    }

    /// The database that it is, if it is one.
    pub fn database(&self) -> Option<&DatabaseFacts> {
        match &self.kind {
            NodeKind::File { database, .. } => database.as_ref(),
            _ => None,
        }
    }
}

/// Owner, mode, times and extended attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// Permission bits, with setuid, setgid and sticky.
    pub mode: u32,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Name of the owner, where the machine had one.
    #[serde(default, skip_serializing_if = "no_text")]
    pub user: Option<String>,
    /// Name of the group.
    #[serde(default, skip_serializing_if = "no_text")]
    pub group: Option<String>,
    /// Modification time.
    pub mtime: FileTime,
    /// Extended attributes, ACLs among them, sorted by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub xattrs: BTreeMap<ByteBuf, ByteBuf>,
    /// Where several names lead to the same file, what tells it from all others. Names of one
    /// snapshot with the same group and the same content are one file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_group: Option<LinkGroup>,
}

/// What tells a file from all others on a machine, as long as its inode is not used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkGroup {
    /// Device.
    pub device: u64,
    /// Inode.
    pub inode: u64,
    /// When the inode was made, where the file system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub born: Option<FileTime>,
}

/// A file system's time: seconds since 1970, and nanoseconds below a second.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(try_from = "(i64, u32)")]
pub struct FileTime(pub i64, pub u32);

impl TryFrom<(i64, u32)> for FileTime {
    type Error = &'static str;

    fn try_from((seconds, nanoseconds): (i64, u32)) -> Result<Self, Self::Error> {
        match nanoseconds {
            0..1_000_000_000 => Ok(FileTime(seconds, nanoseconds)),
            _ => Err("a second has fewer nanoseconds"),
        }
    }
}

/// What `stat` says of an unchanged file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stamp {
    /// Length in bytes.
    pub size: u64,
    /// Modification time.
    pub mtime: FileTime,
    /// Status change time.
    pub ctime: FileTime,
    /// Inode.
    pub inode: u64,
}

/// Why a name cannot stand in a directory, if it cannot.
pub fn bad_name(name: &[u8]) -> Option<&'static str> {
    match name {
        b"" => Some("an empty name"),
        b"." | b".." => Some("a name that is not a name"),
        _ if name.len() > NAME_MAX => Some("a name too long"),
        _ if name.contains(&b'/') || name.contains(&0) => Some("a name with '/' or NUL"),
        _ => None,
    }
}

/// One node of a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryNode {
    /// Entries, sorted by name.
    Leaf(Vec<Node>),
    /// References one level down: level of this node (from 1), and for each child its id and
    /// the last name beneath it.
    Inner(u8, Vec<(ChunkId, Vec<u8>)>),
}

impl DirectoryNode {
    /// The node's plaintext.
    pub fn encode(&self) -> Result<Vec<u8>> {
        match self {
            DirectoryNode::Leaf(nodes) => {
                let mut bytes = vec![DIRECTORY, 0];
                for node in nodes {
                    bytes.extend(encode_entry(node)?);
                }
                Ok(bytes)
            }
            DirectoryNode::Inner(level, children) => {
                let names: usize = children.iter().map(|(_, last)| last.len()).sum();
                let fixed = NODE_HEAD + children.len() * (ChunkId::LEN + 4);
                let mut bytes = Vec::with_capacity(fixed + names);
                bytes.extend_from_slice(&[DIRECTORY, *level]);
                for (id, last) in children {
                    bytes.extend_from_slice(&id.0);
                    bytes.extend_from_slice(&length32(last.len(), "a name")?.to_le_bytes());
                    bytes.extend_from_slice(last);
                }
                Ok(bytes)
            }
        }
    }

    /// The node in `bytes`, which must be of `level`; names are checked, and their order.
    pub fn decode(bytes: &[u8], level: u8, subject: &str) -> Result<Self> {
        let mut reader = Reader::new(bytes, subject);
        if reader.u8()? != DIRECTORY {
            return Err(reader.damaged("it is no directory node"));
        }
        let found = reader.u8()?;
        if found != level || found > LEVELS_MAX {
            return Err(reader.damaged(format!("level {found} where {level} was expected")));
        }
        if level == 0 {
            return decode_entries(reader, subject).map(DirectoryNode::Leaf);
        }
        let mut children: Vec<(ChunkId, Vec<u8>)> = Vec::new();
        while !reader.rest().is_empty() {
            let id = ChunkId(reader.array()?);
            let length = reader.bounded(NAME_MAX, "a name's length")?;
            let last = reader.bytes(length)?.to_vec();
            if let Some(reason) = bad_name(&last) {
                return Err(reader.damaged(reason));
            }
            if children.last().is_some_and(|(_, before)| *before >= last) {
                return Err(reader.damaged("names are not in order"));
            }
            children.push((id, last));
        }
        if children.is_empty() {
            return Err(reader.damaged("nothing beneath an inner node"));
        }
        Ok(DirectoryNode::Inner(level, children))
    }
}

/// One entry as it stands in a leaf: its length, then the CBOR of its node.
///
/// # Errors
/// `InvalidInput` if it is larger than [`NODE_MAX`]: no reader would take it.
pub fn encode_entry(node: &Node) -> Result<Vec<u8>> {
    let cbor = to_cbor(node, "a directory entry")?;
    if cbor.len() > NODE_MAX {
        return Err(Error::new(Kind::InvalidInput, "encode", "a directory entry")
            .because(format!("it takes {} bytes, the bound is {NODE_MAX}", cbor.len())));
    }
    let mut bytes = length32(cbor.len(), "a directory entry")?.to_le_bytes().to_vec();
    bytes.extend(cbor);
    Ok(bytes)
}

fn decode_entries(mut reader: Reader<'_>, subject: &str) -> Result<Vec<Node>> {
    let mut nodes: Vec<Node> = Vec::new();
    while !reader.rest().is_empty() {
        let length = reader.bounded(NODE_MAX, "an entry's length")?;
        let node: Node = from_cbor(reader.bytes(length)?, subject)?;
        if let Some(reason) = bad_name(&node.name).or_else(|| node.bad_target()) {
            return Err(reader.damaged(reason));
        }
        if nodes.last().is_some_and(|before| before.name >= node.name) {
            return Err(reader.damaged("entries are not in order"));
        }
        nodes.push(node);
    }
    Ok(nodes)
}
