//! Packs that a collector has removed while they were checked: what was needed of them is elsewhere.

use crate::id::PackId;
use crate::repo::{Index, Repository};
use parking_lot::Mutex;

/// How often the index is read again in vain, where packs are lost.
const RELOADS_MOST: usize = 4;

/// Looks packs up in the index as it is by now.
pub(super) struct Moved<'c> {
    repository: &'c Repository,
    read: Mutex<Read>,
}

/// The newest index that was read.
#[derive(Default)]
struct Read {
    newest: Option<Index>,
    times: usize,
}

impl<'c> Moved<'c> {
    pub(super) fn new(repository: &'c Repository) -> Self {
        Moved { repository, read: Mutex::default() }
    }

    /// Whether the newest index counts on nothing in a pack that is gone. Where that cannot be read nobody knows.
    pub(super) fn has(&self, pack: &PackId) -> bool {
        let mut read = self.read.lock();
        if read.newest.as_ref().is_some_and(|newest| does_without(newest, pack)) {
            return true;
        }
        if read.times == RELOADS_MOST {
            return false;
        }
        let newest = self.repository.load_index().ok();
        let generation = newest.as_ref().map(Index::generation);
        // Each prune that is met costs a look; only those in vain count.
        let is_news = generation > read.newest.as_ref().map(Index::generation);
        read.times = if is_news { 0 } else { read.times + 1 };
        read.newest = newest;
        read.newest.as_ref().is_some_and(|newest| does_without(newest, pack))
    }
}

fn does_without(index: &Index, pack: &PackId) -> bool {
    let is_whole = index.failure().is_none();
    is_whole && (index.generations().is_condemned(pack) || !index.packs().contains_key(pack))
}
