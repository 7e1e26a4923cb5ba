//! Deltas encoded anew against what lies beneath the links of their chains (see [`super::links`]), by an
//! ordinary writer. A new entry is of less depth than the old one, so that all go by it.

use super::mark::Mark;
use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::id::{BaseId, PackId};
use crate::monitor::{Monitor, go_on};
use crate::repo::{BlobLocation, PackWriter, Reader, Upon};
use std::collections::{BTreeSet, HashSet};

/// Deltas that are read together.
const TOGETHER: usize = 64;

/// A delta, and the links beneath it, the nearest first.
struct Chain {
    top: BlobLocation,
    links: Vec<BlobLocation>,
}

impl Chain {
    /// The top and its links.
    fn places(&self) -> impl Iterator<Item = &BlobLocation> {
        self.links.iter().chain([&self.top])
    }

    fn touches(&self, packs: &BTreeSet<PackId>) -> bool {
        self.places().any(|place| packs.contains(&place.pack))
    }
}

/// The outcome of chains.
#[derive(Default)]
pub(super) struct Shortened {
    /// Blobs that nobody needs any more where they lie, once the new entries are there: tops, and links.
    pub(super) spared: HashSet<BaseId>,
    /// Bytes of new blobs.
    pub(super) blobs: u64,
}

/// Shortens the chains that have a part in these packs. What cannot be read stays as it
/// is.
pub(super) fn shorten(
    new: &mut PackWriter<'_>,
    reader: &Reader<'_>,
    mark: &Mark<'_>,
    packs: &BTreeSet<PackId>,
    monitor: &dyn Monitor,
) -> Result<Shortened> {
    let mut shortened = Shortened::default();
    let mut chains = mark.counting.places().filter_map(|top| chain_of(mark, top));
    loop {
        go_on(monitor, "shorten chains of deltas in")?;
        let part: Vec<Chain> =
            chains.by_ref().filter(|chain| chain.touches(packs)).take(TOGETHER).collect();
        if part.is_empty() {
            return Ok(shortened);
        }
        for kind in [BlobKind::Data, BlobKind::Meta] {
            let of_kind: Vec<&Chain> = part.iter().filter(|it| it.top.kind == kind).collect();
            encode_anew(new, reader, kind, &of_kind, &mut shortened, monitor)?;
        }
    }
}

fn chain_of(mark: &Mark<'_>, top: BlobLocation) -> Option<Chain> {
    let links = mark.links_beneath(&top);
    (!links.is_empty() && mark.is_provided_here(&top)).then_some(Chain { top, links })
}

fn encode_anew(
    new: &mut PackWriter<'_>,
    reader: &Reader<'_>,
    kind: BlobKind,
    chains: &[&Chain],
    shortened: &mut Shortened,
    monitor: &dyn Monitor,
) -> Result<()> {
    let upon = |chain: &&Chain| {
        let bases = chain.links.last().map_or(&[][..], |link| link.bases.as_slice());
        Upon { id: chain.top.id, bases: bases.to_vec() }
    };
    let wanted: Vec<Upon> = chains.iter().map(upon).collect();
    let trouble: &mut dyn FnMut(Error) = &mut |error| monitor.trouble(&error);
    for (chain, bytes) in chains.iter().zip(new.add_upon(reader, kind, &wanted, trouble)?) {
        let Some(bytes) = bytes else { continue };
        shortened.blobs += bytes;
        shortened.spared.extend(chain.places().map(|place| place.id.base()));
    }
    Ok(())
}
