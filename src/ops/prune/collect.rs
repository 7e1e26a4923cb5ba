//! One collection from wherever it stands to its verdict (chapter 11, G3 to G7). A collector that finds one
//! open goes on with it.

use super::mark::{Look, Mark, marked};
use super::outcomes::Scope;
use super::waiting::{Patience, wait_for_writers};
use crate::error::{Kind, Result};
use crate::format::gc::Verdict;
use crate::id::{IndexId, PackId, SnapshotId};
use crate::monitor::Monitor;
use crate::repo::{Repository, WriterAtWork};
use std::collections::{BTreeSet, HashSet};

/// How far a collection has come.
#[derive(Debug, Default)]
pub(super) struct Collected {
    /// Whom it waits for. Where it is nobody, it is decided.
    pub(super) waits_for: Vec<WriterAtWork>,
    pub(super) given_up: Vec<SnapshotId>,
    /// Whether the verdict is this one's own.
    pub(super) is_mine: bool,
    /// Packs that were condemned, and are needed after all.
    pub(super) rescued: u64,
    /// Bytes of the index segments that take the place of others.
    pub(super) written: u64,
}

/// Decides collection `n`, which stands: only now writers are listed (C4).
pub(super) fn collect(
    repository: &Repository,
    generation: u64,
    patience: &Patience,
    myself: Option<SnapshotId>,
    monitor: &dyn Monitor,
) -> Result<Collected> {
    let (waits_for, given_up) =
        wait_for_writers(repository, generation, patience, myself, monitor)?;
    let mut collected = Collected { waits_for, given_up, ..Collected::default() };
    if !collected.waits_for.is_empty() {
        return Ok(collected);
    }
    match decide(repository, generation, monitor, &mut collected) {
        // Another has decided meanwhile, and cleared away what was about to be read.
        Err(error)
            if error.kind() == Kind::NotFound
                && repository.generations()?.decided() >= generation =>
        {
            Ok(collected)
        }
        decided => decided.map(|()| collected),
    }
}

/// G5 to G7: by a mark that is made after everybody has ended (C5, C6), segments first (C10).
fn decide(
    repository: &Repository,
    generation: u64,
    monitor: &dyn Monitor,
    collected: &mut Collected,
) -> Result<()> {
    marked(repository, Scope::Living, monitor, |look, mark| {
        match look.generations().decided() >= generation {
            true => Ok(()),
            false => put_verdict(repository, generation, look, &mark, collected),
        }
    })
}

fn put_verdict(
    repository: &Repository,
    generation: u64,
    look: &Look,
    mark: &Mark<'_>,
    collected: &mut Collected,
) -> Result<()> {
    let condemned = repository.condemned(generation)?;
    let condemned: BTreeSet<PackId> = condemned.into_iter().map(|(pack, _)| pack).collect();
    let (mut rescued, mut swept): (BTreeSet<PackId>, BTreeSet<PackId>) =
        condemned.into_iter().partition(|pack| mark.has_to_stay(pack));
    collected.rescued = rescued.len() as u64;
    let names = look.index().names();
    let replace = |rescued: &BTreeSet<PackId>, small| {
        let stays =
            |pack: &PackId| !look.generations().is_condemned(pack) || rescued.contains(pack);
        replace_segments(repository, names, generation - 1, &stays, small)
    };
    let Segments { replaced, new, written } = match replace(&rescued, Small::Merged) {
        // What goes for now is what takes whole segments with it; that makes room for the rest.
        Err(error) if error.kind() == Kind::NoSpace => {
            let later = named_beside_others(repository, names, &swept)?;
            swept.retain(|pack| !later.contains(pack));
            if swept.is_empty() {
                return Err(error);
            }
            rescued.extend(later);
            replace(&rescued, Small::Left)?
        }
        replaced => replaced?,
    };
    collected.written = written;
    let names = names.iter().filter(|name| !replaced.contains(*name));
    let verdict = Verdict {
        generation,
        swept,
        rescued,
        snapshots: mark.outcomes.alive(),
        segments: names.chain(&new).chain(&mark.unread).copied().collect(),
        at: repository.env().now(),
    };
    collected.is_mine = repository.decide(&verdict)?;
    Ok(())
}

/// Segments that were put in the place of others.
struct Segments {
    replaced: HashSet<IndexId>,
    new: Vec<IndexId>,
    written: u64,
}

/// What becomes of small segments that name nothing that goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Small {
    Merged,
    Left,
}

/// Packs that are to go, each in a segment that names something else, too, which would be written
/// anew.
fn named_beside_others(
    repository: &Repository,
    names: &[IndexId],
    swept: &BTreeSet<PackId>,
) -> Result<BTreeSet<PackId>> {
    let mut together: Vec<Vec<PackId>> = Vec::new();
    repository.each_segment(names, &repository.segment_sizes()?, &mut |_, segment| {
        together.push(segment?.packs().iter().map(|pack| pack.id).collect());
        Ok(())
    })?;
    let mut later = BTreeSet::new();
    loop {
        let before = later.len();
        for packs in &together {
            if packs.iter().any(|pack| !swept.contains(pack) || later.contains(pack)) {
                later.extend(packs.iter().filter(|pack| swept.contains(*pack)));
            }
        }
        if later.len() == before {
            return Ok(later);
        }
    }
}

/// G6: segments that name what goes are written anew (C11), and with them small ones: each that is no
/// more than twice as long as all before it together, so that what was merged is not written again
/// soon.
fn replace_segments(
    repository: &Repository,
    names: &[IndexId],
    generation: u64,
    stays: &dyn Fn(&PackId) -> bool,
    small_ones: Small,
) -> Result<Segments> {
    let sizes = repository.segment_sizes()?;
    let mut by_size: Vec<IndexId> = names.to_vec();
    by_size.sort_by_key(|name| (sizes.get(name).copied().unwrap_or_default(), *name));
    let mut replaced = HashSet::new();
    let mut replacement = repository.replace_segments(generation);
    let (mut before, mut joining, mut small) = (0, true, Vec::new());
    repository.each_segment(&by_size, &sizes, &mut |name, segment| {
        let segment = segment?;
        let size = sizes.get(&name).copied().unwrap_or_default();
        joining &= small.is_empty() || size <= 2 * before;
        if joining {
            before += size;
            small.push(name);
        }
        if segment.packs().iter().any(|pack| !stays(&pack.id)) {
            replaced.insert(name);
            replacement.add(&segment, stays)?;
        }
        Ok(())
    })?;
    // One alone would only be copied.
    if small_ones == Small::Merged && small.len() + replaced.len() > 2 {
        small.retain(|name| !replaced.contains(name));
        repository.each_segment(&small, &sizes, &mut |name, segment| {
            replaced.insert(name);
            replacement.add(&segment?, stays)
        })?;
    }
    let (new, written) = replacement.finish()?;
    Ok(Segments { replaced, new, written })
}
