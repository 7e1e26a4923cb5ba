//! What reading leaves for the next reads: decoded plaintexts, and the decryptors of seals.

use super::ranges::KeptRanges;
use crate::crypto::Decryptor;
use crate::format::BlobKind;
use crate::id::BaseId;
use crate::limits::BASE_CACHE;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// A blob's plaintext, shared.
pub type Plain = Arc<Vec<u8>>;

/// One decryptor for each kind and salt.
type Decryptors = HashMap<(BlobKind, [u8; 32]), Arc<Decryptor>>;

/// What reading leaves for the next reads, also through another index: bounded plaintexts and ranges of
/// packs, and decryptors of seals.
#[derive(Default)]
pub struct ReadCache {
    pub(super) decryptors: Mutex<Decryptors>,
    pub(super) plains: Mutex<Plains>,
    pub(super) ranges: Mutex<KeptRanges>,
}

/// The plaintexts decoded last, up to [`BASE_CACHE`] bytes; the oldest go first.
#[derive(Default)]
pub(super) struct Plains {
    plains: HashMap<BaseId, Plain>,
    order: VecDeque<BaseId>,
    bytes: usize,
}

impl Plains {
    pub(super) fn get(&self, base: &BaseId) -> Option<Plain> {
        self.plains.get(base).cloned()
    }

    pub(super) fn keep(&mut self, base: BaseId, plain: &Plain) {
        if self.plains.insert(base, plain.clone()).is_some() {
            return;
        }
        self.order.push_back(base);
        self.bytes += plain.len();
        while self.bytes > BASE_CACHE {
            let Some(oldest) = self.order.pop_front() else { break };
            self.bytes -= self.plains.remove(&oldest).map_or(0, |plain| plain.len());
        }
    }
}
