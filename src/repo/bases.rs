//! What new chunks are encoded against: which bases serve, and their plaintexts.

use super::{BlobLocation, Index, NewBlob, Plain, Reader};
use crate::error::Result;
use crate::format::BlobKind;
use crate::id::{BaseId, ChunkId};
use crate::limits::{BASES_MAX, CLOSURE_MAX, DEPTH_MAX};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What a delta is encoded against.
pub(super) struct Bases {
    /// In the order of the prefix.
    pub(super) ids: Vec<BaseId>,
    /// Depth that the delta will have.
    pub(super) depth: u8,
    /// Their plaintexts, one after the other.
    pub(super) prefix: Plain,
    /// What the root of the best of them took, in parts of 256 of its plaintext.
    pub(super) ratio: u32,
}

/// The bases of each blob, decoded. A base that cannot be read is just not used: the chunk is
/// then stored whole, which heals what was lost.
pub(super) fn read_bases(reader: &Reader<'_>, blobs: &[&NewBlob<'_>]) -> Vec<Option<Bases>> {
    let index = reader.index();
    let chosen: Vec<Vec<BlobLocation>> = blobs.par_iter().map(|blob| choose(index, blob)).collect();
    let mut plains: HashMap<ChunkId, Plain> = HashMap::new();
    for kind in [BlobKind::Data, BlobKind::Meta] {
        let of_kind = chosen.iter().flatten().filter(|place| place.kind == kind);
        let ids: HashSet<ChunkId> = of_kind.map(|place| place.id).collect();
        let ids: Vec<ChunkId> = ids.into_iter().collect();
        let read = reader.read_best(kind, &ids);
        plains.extend(ids.into_iter().zip(read).filter_map(|(id, plain)| Some((id, plain.ok()?))));
    }
    chosen.par_iter().map(|places| joined(index, places, &plains)).collect()
}

/// The places of the bases to use: one as deep as can be is replaced by one further up
/// its chain, and what would make the closure too large is left out. A chunk that was stored once
/// and does not count any more has none: stored whole, it serves all that rested on it again.
fn choose(index: &Index, blob: &NewBlob<'_>) -> Vec<BlobLocation> {
    if index.names_blob(&blob.id) {
        return Vec::new();
    }
    let mut chosen: Vec<BlobLocation> = Vec::new();
    let mut closure: HashSet<BaseId> = HashSet::new();
    for id in blob.bases.iter().rev().take(BASES_MAX) {
        let Some(place) = index.find(blob.kind, id) else { continue };
        // The root of its chain where the whole chain would be too much: it has most of it.
        let fitting = [shallow(index, place.clone()), root(index, place)].into_iter().flatten();
        for place in fitting {
            let Ok(needs) = index.closure(&place) else { continue };
            let mut union = closure.clone();
            union.extend(needs.iter().map(|place| place.id.base()));
            if union.len() < CLOSURE_MAX && !chosen.iter().any(|known| known.id == place.id) {
                closure = union;
                chosen.push(place);
                break;
            }
        }
    }
    chosen.reverse();
    chosen
}

/// The place itself, or one further up its chain if a delta against it would be too deep.
fn shallow(index: &Index, place: BlobLocation) -> Option<BlobLocation> {
    if place.depth < DEPTH_MAX {
        return Some(place);
    }
    let mut chain = chain(index, place);
    let at = cheapest(&chain);
    (at < chain.len()).then(|| chain.swap_remove(at))
}

fn root(index: &Index, place: BlobLocation) -> Option<BlobLocation> {
    chain(index, place).pop().filter(|root| root.depth == 0)
}

/// The place and the best bases that it leads to, its root last.
fn chain(index: &Index, place: BlobLocation) -> Vec<BlobLocation> {
    let mut chain = Vec::new();
    let mut next = Some(place);
    while let Some(place) = next {
        next = place
            .bases
            .last()
            .and_then(|best| index.find_base(place.kind, best))
            .filter(|found| found.depth < place.depth);
        chain.push(place);
    }
    chain
}

/// Which place of a chain, from its tip to its root, to go on from. A delta against an older one
/// carries again all that changed since, but leaves room for more cheap deltas upon it: the one
/// that costs least for each of these, as far as the stored sizes tell.
fn cheapest(chain: &[BlobLocation]) -> usize {
    let change = chain.iter().map(|place| place.stored).min().unwrap_or(0);
    let (change, mut carried) = (f64::from(change), 0.0);
    let mut best = (f64::INFINITY, 0);
    for (at, place) in chain.iter().enumerate() {
        let room = f64::from(DEPTH_MAX.saturating_sub(place.depth));
        if room > 0.0 {
            let each = (carried + room * change) / room;
            if each <= best.0 {
                best = (each, at);
            }
        }
        carried += f64::from(place.stored);
    }
    best.1
}

/// These bases themselves, decoded; none if there are none, or one cannot be read.
pub(super) fn these(reader: &Reader<'_>, kind: BlobKind, bases: &[BaseId]) -> Option<Bases> {
    let find = |base: &BaseId| reader.index().find_base(kind, base);
    let places: Vec<BlobLocation> = bases.iter().map(find).collect::<Option<_>>()?;
    let ids: Vec<ChunkId> = places.iter().map(|place| place.id).collect();
    let read = reader.read_best(kind, &ids).into_iter().collect::<Result<Vec<Plain>>>().ok()?;
    joined(reader.index(), &places, &ids.into_iter().zip(read).collect())
}

fn joined(
    index: &Index,
    places: &[BlobLocation],
    plains: &HashMap<ChunkId, Plain>,
) -> Option<Bases> {
    let readable: Vec<(&BlobLocation, &Plain)> =
        places.iter().filter_map(|place| Some((place, plains.get(&place.id)?))).collect();
    let (best, plain) = readable.last()?;
    let prefix = match readable.as_slice() {
        [_] => Arc::clone(plain),
        several => {
            let plains: Vec<&[u8]> = several.iter().map(|(_, plain)| plain.as_slice()).collect();
            Arc::new(plains.concat())
        }
    };
    Some(Bases {
        ids: readable.iter().map(|(place, _)| place.id.base()).collect(),
        depth: readable.iter().map(|(place, _)| place.depth).max().unwrap_or(0).saturating_add(1),
        prefix,
        ratio: root(index, (*best).clone()).map_or(WHOLE_ESTIMATE, |root| ratio(&root)),
    })
}

/// A guess at the stored part (of 256) of a whole chunk whose root is not known: about a third, as
/// databases and text compress.
const WHOLE_ESTIMATE: u32 = 85;

/// What a blob took in its pack, in parts of 256 of its plaintext.
fn ratio(place: &BlobLocation) -> u32 {
    (u64::from(place.stored) * 256 / u64::from(place.plain.max(1))).try_into().unwrap_or(256)
}
