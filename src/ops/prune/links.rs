//! Chains of deltas that outlived what they grew through: a blob that no snapshot reaches any more, and
//! that is needed only because one delta rests on it, is a **link**. A delta above links can be
//! encoded against what lies beneath them, and then nobody needs the links.

use crate::id::BaseId;
use crate::repo::{BlobLocation, BlobSet, Index};

/// Which blobs are links. Kept are three bits for each entry of the index.
pub(super) struct Links<'l> {
    /// What snapshots reach.
    reached: BlobSet<'l>,
    /// What is a base of something needed.
    bases: BlobSet<'l>,
    /// Of these, what is a base of several, or one of several bases.
    shared: BlobSet<'l>,
}

impl<'l> Links<'l> {
    /// Nothing is a base yet. What snapshots reach is known.
    pub(super) fn new(index: &'l Index, reached: BlobSet<'l>) -> Self {
        Links { reached, bases: BlobSet::new(index), shared: BlobSet::new(index) }
    }

    /// Hears of each place that provides something needed.
    pub(super) fn add(&mut self, place: &BlobLocation) {
        for base in &place.bases {
            if !self.bases.insert(base) || place.bases.len() > 1 {
                self.shared.insert(base);
            }
        }
    }

    /// Whether a needed blob is a link.
    pub(super) fn is_link(&self, blob: &BaseId) -> bool {
        self.bases.contains(blob) && !self.shared.contains(blob) && !self.reached.contains(blob)
    }

    /// The links beneath a place, the nearest first; none beneath a link itself, which goes
    /// with the delta above it.
    pub(super) fn beneath(&self, place: &BlobLocation, counting: &Index) -> Vec<BlobLocation> {
        let mut links: Vec<BlobLocation> = Vec::new();
        loop {
            let last = links.last().unwrap_or(place);
            let [base] = last.bases.as_slice() else { return links };
            if !self.is_link(base) || (links.is_empty() && self.is_link(&place.id.base())) {
                return links;
            }
            let Some(link) = counting.find_base(place.kind, base) else { return links };
            // Its depth falls, so that this ends.
            if link.depth >= last.depth {
                return links;
            }
            links.push(link);
        }
    }
}
