//! What reading a blob takes: itself, its bases, theirs, and so on; bounded before decoding.

use super::Index;
use super::location::{BlobLocation, Entries};
use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::id::{BaseId, ChunkId};
use crate::limits::{CLOSURE_BYTES, CLOSURE_READ_MAX};
use std::collections::{HashMap, HashSet};

impl Index {
    /// All blobs that reading `place` touches, itself first. Bounded by [`CLOSURE_READ_MAX`] and
    /// [`CLOSURE_BYTES`].
    ///
    /// # Errors
    /// `Damaged` if a base is missing or the closure is too large: checked before decoding.
    pub fn closure(&self, place: &BlobLocation) -> Result<Vec<BlobLocation>> {
        self.closure_without(place, &Entries::new()).map_err(|failure| failure.1)
    }

    /// Every entry that a reader of this blob may come by, those of its bases too, whether they
    /// count or not; the first [`CLOSURE_READ_MAX`] of them.
    pub fn may_rest_on(&self, id: &ChunkId) -> Vec<BlobLocation> {
        let mut found = Vec::new();
        let (mut seen, mut waiting) = (HashSet::from([id.base()]), vec![id.base()]);
        while let Some(base) = waiting.pop() {
            for table in self.tables() {
                for place in table.find(&base).filter_map(|row| table.place(row)) {
                    if found.len() < CLOSURE_READ_MAX {
                        waiting.extend(place.bases.iter().filter(|base| seen.insert(**base)));
                        found.push(place);
                    }
                }
            }
        }
        found
    }

    /// [`Index::closure`] where the entries in `bad` do not count.
    ///
    /// # Errors
    /// Also the entry to do without before another try: where the closure is too large, one that
    /// brings many and that another entry of the same blob can stand in for.
    pub(super) fn closure_without(
        &self,
        place: &BlobLocation,
        bad: &Entries,
    ) -> Result<Vec<BlobLocation>, Box<(BlobLocation, Error)>> {
        let mut closure = Closure::of(place);
        let mut next = 0;
        while let Some(of) = closure.places.get(next).cloned() {
            for base in &of.bases {
                if closure.has(base, of.depth) {
                    continue;
                }
                let found = self.providers(of.kind, base, of.depth, bad).next();
                let found = found.ok_or_else(|| Box::new((place.clone(), missing_base(&of, base))));
                closure.add(found?, of.depth);
                if closure.is_too_large() {
                    let wide = self.replaceable(&closure, bad).unwrap_or_else(|| place.clone());
                    let reason = "it needs too many bases";
                    return Err(Box::new((wide, Error::damaged("read chunk", place.id, reason))));
                }
            }
            next += 1;
        }
        Ok(closure.places)
    }

    /// Usable entries of a base for a blob of this depth, the least depth first.
    fn providers(
        &self,
        kind: BlobKind,
        base: &BaseId,
        depth: u8,
        bad: &Entries,
    ) -> impl Iterator<Item = BlobLocation> {
        let found = self.candidates(kind, base).into_iter();
        found.filter(move |found| found.depth < depth && self.is_usable(found, bad))
    }

    /// Of the entries that another one can stand in for, the one that brings the most blobs.
    fn replaceable(&self, closure: &Closure, bad: &Entries) -> Option<BlobLocation> {
        let others = closure.places.iter().zip(&closure.below).skip(1);
        others
            .filter(|(place, below)| {
                self.providers(place.kind, &place.id.base(), **below, bad).nth(1).is_some()
            })
            .map(|(place, _)| (closure.beneath(place), place))
            .max_by_key(|(size, _)| *size)
            .map(|(_, place)| place.clone())
    }
}

/// The blobs that reading one touches, as they are found.
struct Closure {
    places: Vec<BlobLocation>,
    /// Of each, the least depth of the blobs that need it.
    below: Vec<u8>,
    /// Where each stands.
    at: HashMap<BaseId, usize>,
    bytes: usize,
}

impl Closure {
    fn of(place: &BlobLocation) -> Self {
        let (places, below, at) = (Vec::new(), Vec::new(), HashMap::new());
        let mut closure = Closure { places, below, at, bytes: 0 };
        closure.add(place.clone(), u8::MAX);
        closure
    }

    fn add(&mut self, place: BlobLocation, below: u8) {
        self.bytes = self.bytes.saturating_add(usize::try_from(place.plain).unwrap_or(usize::MAX));
        self.at.insert(place.id.base(), self.places.len());
        self.places.push(place);
        self.below.push(below);
    }

    /// Whether a base is there already; it serves a blob of this depth too.
    fn has(&mut self, base: &BaseId, depth: u8) -> bool {
        let below = self.at.get(base).and_then(|at| self.below.get_mut(*at));
        below.map(|below| *below = depth.min(*below)).is_some()
    }

    fn is_too_large(&self) -> bool {
        self.places.len() > CLOSURE_READ_MAX || self.bytes > CLOSURE_BYTES
    }

    /// How many of the blobs found so far lie beneath one.
    fn beneath(&self, place: &BlobLocation) -> usize {
        let (mut seen, mut waiting) = (HashSet::new(), vec![place]);
        while let Some(place) = waiting.pop() {
            let new = place.bases.iter().filter(|base| seen.insert(**base));
            let found = new.filter_map(|base| self.places.get(*self.at.get(base)?));
            waiting.extend(found);
        }
        seen.len()
    }
}

fn missing_base(of: &BlobLocation, base: &BaseId) -> Error {
    Error::new(Kind::Damaged, "read chunk", of.id)
        .because(format!("its base {base} has no usable entry"))
}
