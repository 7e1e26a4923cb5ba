//! Identifiers. Each has its own type, so that a pack's name cannot be passed as a chunk's.

use crate::error::{Error, Kind, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident[$len:literal];)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The id's bytes.
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// The first eight hex digits, as shown to people.
            pub fn short(&self) -> String {
                hex(&self.0).chars().take(8).collect()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), hex(&self.0))
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                unhex::<$len>(text).map($name).ok_or_else(|| {
                    Error::new(Kind::InvalidInput, "read the id", format!("{text:?}"))
                        .because(concat!("it is not ", stringify!($len), " bytes of lower-case hex"))
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = String::deserialize(deserializer)?;
                    text.parse().map_err(de::Error::custom)
                } else {
                    serde_bytes::ByteArray::<$len>::deserialize(deserializer)
                        .map(|bytes| $name(bytes.into_array()))
                }
            }
        }
    )*};
}

ids! {
    /// A repository, random, fixed at `init`.
    RepoId[16];
    /// A chunk: keyed BLAKE3 of its plaintext, under the data or the metadata key.
    ChunkId[32];
    /// A pack: unkeyed BLAKE3 of the whole file.
    PackId[32];
    /// An index segment: unkeyed BLAKE3 of the whole file.
    IndexId[32];
    /// A writer and its outcome: `S` in `writers/S` and `snapshots/S`, random.
    SnapshotId[16];
    /// The series of snapshots of one host and set of sources: keyed BLAKE3 of their names.
    SeriesId[16];
    /// A key slot, random.
    SlotId[16];
    /// A note on a snapshot, random.
    NoteId[16];
    /// The first half of a chunk id, by which a delta names its bases.
    BaseId[16];
    /// The beginning of a pack's id, by which the ledger names it.
    PackPrefix[8];
}

impl ChunkId {
    /// The first half, as it stands in index entries and associated data.
    pub fn base(&self) -> BaseId {
        let mut half = [0; 16];
        half.copy_from_slice(self.0.split_at(16).0);
        BaseId(half)
    }
}

impl PackId {
    /// Its beginning.
    pub fn prefix(&self) -> PackPrefix {
        let mut prefix = [0; PackPrefix::LEN];
        prefix.copy_from_slice(self.0.split_at(PackPrefix::LEN).0);
        PackPrefix(prefix)
    }
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(*DIGITS.get(usize::from(nibble)).unwrap_or(&b'?'));
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Exactly `N` bytes of lower-case hex, or nothing.
pub fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let [high, low] = *pair else { return None };
        *byte = nibble(high)? << 4 | nibble(low)?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}
