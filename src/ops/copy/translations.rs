//! Which chunk of one repository is which of another.

use crate::error::Result;
use crate::format::content::Content;
use crate::id::{BaseId, ChunkId};
use crate::repo::Reader;
use crate::stream::Pieces;
use std::collections::HashMap;

/// So many are known at least, and twice as many at most: some 25 MB. Others are read again.
const HELD: usize = 1 << 17;

/// Ids of chunks there, and of the same chunks here: those that were met last.
#[derive(Default)]
pub(super) struct Translations {
    new: HashMap<BaseId, Pair>,
    old: HashMap<BaseId, Pair>,
}

#[derive(Clone, Copy)]
struct Pair {
    theirs: ChunkId,
    ours: ChunkId,
}

impl Translations {
    pub(super) fn add(&mut self, theirs: ChunkId, ours: ChunkId) {
        if self.new.len() >= HELD {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.insert(theirs.base(), Pair { theirs, ours });
    }

    pub(super) fn find(&self, theirs: &ChunkId) -> Option<ChunkId> {
        let pair = self.get(&theirs.base())?;
        (pair.theirs == *theirs).then_some(pair.ours)
    }

    /// The same of a chunk that is named as a base.
    pub(super) fn find_base(&self, theirs: &BaseId) -> Option<ChunkId> {
        self.get(theirs).map(|pair| pair.ours)
    }

    fn get(&self, theirs: &BaseId) -> Option<&Pair> {
        self.new.get(theirs).or_else(|| self.old.get(theirs))
    }
}

/// A content and its copy, whose pieces are the same one by one: read along with a content that may
/// have many of them.
pub(super) struct Lesson<'a> {
    theirs: Pieces<'a>,
    ours: Pieces<'a>,
    /// How far both were read; none at their end, or where they differ.
    at: Option<u64>,
}

impl<'a> Lesson<'a> {
    /// Nothing is learned where one of them cannot be read.
    pub(super) fn new(
        (source, theirs): (&'a Reader<'a>, &Content),
        (target, ours): (&'a Reader<'a>, &Content),
    ) -> Option<Self> {
        let theirs = Pieces::new(source, theirs, "the content copied before").ok()?;
        let ours = Pieces::new(target, ours, "its copy").ok()?;
        Some(Lesson { theirs, ours, at: Some(0) })
    }

    /// Learns what stands before `until`.
    pub(super) fn read_to(&mut self, until: u64, translations: &mut Translations) {
        while self.at.is_some_and(|at| at < until) {
            self.at = self.next(translations).ok().flatten();
        }
    }

    /// Learns one piece; where it ends. Nothing at the end, and where the two differ.
    fn next(&mut self, translations: &mut Translations) -> Result<Option<u64>> {
        let (theirs, ours) = (self.theirs.next_piece()?, self.ours.next_piece()?);
        let (Some((at, theirs)), Some((_, ours))) = (theirs, ours) else { return Ok(None) };
        if theirs.length() != ours.length() || theirs.chunk().is_some() != ours.chunk().is_some() {
            return Ok(None);
        }
        if let (Some(id), Some(ours)) = (theirs.chunk(), ours.chunk()) {
            translations.add(id, ours);
        }
        Ok(Some(at.saturating_add(theirs.length())))
    }
}
