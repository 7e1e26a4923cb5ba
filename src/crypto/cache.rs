//! Proofs of files of the local cache: a process that can write to them cannot make up entries.

use super::keyring::{Key, Keyring, Purpose};
use crate::error::Result;
use std::fmt;

/// What the key of heads is derived for, and that of blocks.
const HEADS: &str = "icecore 1 heads of cache files";
const BLOCKS: &str = "icecore 1 blocks of cache files";

/// Bytes of the MAC of a block.
pub const BLOCK_MAC: usize = 16;

/// Proves files of the local cache of one repository.
#[derive(Clone)]
pub struct CacheKeys {
    heads: Key,
    blocks: Key,
}

impl CacheKeys {
    /// Those of a repository.
    ///
    /// # Errors
    /// `Denied` if the slot that was opened grants no cache.
    pub fn new(keyring: &Keyring) -> Result<Self> {
        let key = keyring.key(Purpose::Cache)?;
        let derived = |context| Key::new(blake3::derive_key(context, &*key));
        Ok(CacheKeys { heads: derived(HEADS), blocks: derived(BLOCKS) })
    }

    /// The MAC of a head, which holds those of all blocks. Compare it in constant time.
    pub fn head(&self, head: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.heads, head)
    }

    /// The MAC of a block. Where the block stands is proved by where its MAC stands in the head.
    pub fn block(&self, block: &[u8]) -> [u8; BLOCK_MAC] {
        let mut mac = [0; BLOCK_MAC];
        let hash = blake3::keyed_hash(&self.blocks, block);
        mac.copy_from_slice(hash.as_bytes().split_at(BLOCK_MAC).0);
        mac
    }
}

impl fmt::Debug for CacheKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CacheKeys")
    }
}
