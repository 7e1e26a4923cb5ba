//! Packs: there, of the right length, holding what the index says, and readable.

use super::{CheckReport, ReadData};
use crate::backend::Handle;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::id::{BaseId, ChunkId, PackId};
use crate::monitor::{Counter, Monitor, go_on};
use crate::repo::{Index, PackContents, Place, Plain, Reader, Repository};
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};

pub(super) fn check(
    repository: &Repository,
    index: &mut Index,
    read_data: ReadData,
    monitor: &dyn Monitor,
    report: &mut CheckReport,
) -> Result<()> {
    let stored = stored_packs(repository)?;
    let expected = places_by_pack(index);
    let orphans: Vec<PackId> = stored
        .keys()
        .filter(|pack| !expected.contains_key(*pack) && !index.generations().is_condemned(pack))
        .copied()
        .collect();
    report.orphans = orphans.len() as u64;
    let chosen = choose(repository, &stored, read_data)?;
    let total = chosen.iter().filter_map(|pack| stored.get(pack)).sum();
    monitor.begin("check packs", Some((Counter::Bytes, total)));
    let mut bad: Vec<Place> = Vec::new();
    let mut by_base: Vec<(Place, Error)> = Vec::new();
    for (pack, places) in &expected {
        go_on(monitor, "check")?;
        report.packs += 1;
        let Some(size) = stored.get(pack) else {
            let error = Error::damaged("find", Handle::pack(*pack), "the index names it");
            report.found(monitor, error);
            bad.extend(places.iter().cloned());
            continue;
        };
        if chosen.contains(pack) {
            report.packs_read += 1;
            report.bytes_read += size;
            let read = read_pack(repository, index, *pack, places, monitor, report);
            bad.extend(read.bad);
            by_base.extend(read.by_base);
            monitor.count(Counter::Bytes, *size);
        } else {
            let contents = repository.pack_contents(*pack);
            bad.extend(compare(*pack, contents, places, monitor, report));
        }
    }
    for pack in orphans.iter().filter(|pack| chosen.contains(pack)) {
        go_on(monitor, "check")?;
        read_orphan(repository, *pack, monitor, report);
    }
    monitor.end();
    index.mark_damaged(bad);
    unusable(index, monitor, report);
    // Bases that were not read themselves, and turned out to be unreadable by what rests on them.
    for (place, error) in by_base {
        if index.knows(&place.id) {
            report.found(monitor, error);
            index.mark_damaged([place]);
        }
    }
    Ok(())
}

fn stored_packs(repository: &Repository) -> Result<HashMap<PackId, u64>> {
    let listed = repository.backend().list(ObjectKind::Pack)?;
    Ok(listed.iter().filter_map(|object| Some((object.handle.pack_id()?, object.size))).collect())
}

/// What the index names, but for condemned packs: those may be gone, or damaged, and known to be.
fn places_by_pack(index: &Index) -> HashMap<PackId, Vec<Place>> {
    let mut packs: HashMap<PackId, Vec<Place>> = HashMap::new();
    for place in index.places().filter(|place| !index.generations().is_condemned(&place.pack)) {
        packs.entry(place.pack).or_default().push(place);
    }
    for places in packs.values_mut() {
        places.sort_by_key(|place| place.offset);
        places.dedup();
    }
    packs
}

fn choose(
    repository: &Repository,
    stored: &HashMap<PackId, u64>,
    read_data: ReadData,
) -> Result<HashSet<PackId>> {
    let mut packs: Vec<PackId> = stored.keys().copied().collect();
    packs.sort();
    let part_of = |pack: &PackId, parts: u64| {
        let [a, b, c, d, ..] = pack.0;
        u64::from(u32::from_le_bytes([a, b, c, d])) % parts.max(1)
    };
    match read_data {
        ReadData::Nothing => packs.clear(),
        ReadData::All => {}
        ReadData::Part(part, parts) => {
            packs.retain(|pack| part_of(pack, parts) + 1 == part);
        }
        ReadData::Percent(percent) => {
            shuffle(repository, &mut packs)?;
            #[expect(clippy::cast_precision_loss, reason = "a share of a count")]
            let wanted = packs.len() as f64 * percent / 100.0;
            let mut taken = 0.0;
            packs.retain(|_| {
                taken += 1.0;
                taken - 1.0 < wanted
            });
        }
        ReadData::Bytes(bytes) => {
            shuffle(repository, &mut packs)?;
            let mut taken = 0;
            packs.retain(|pack| {
                let before = taken;
                taken += stored.get(pack).copied().unwrap_or(0);
                before < bytes
            });
        }
    }
    Ok(packs.into_iter().collect())
}

/// A random order, from the environment's randomness.
fn shuffle(repository: &Repository, packs: &mut [PackId]) -> Result<()> {
    let key: [u8; 32] = repository.env().random()?;
    packs.sort_by_key(|pack| *blake3::keyed_hash(&key, &pack.0).as_bytes());
    Ok(())
}

/// What reading a pack found.
#[derive(Default)]
struct ReadPack {
    /// Entries that cannot be read.
    bad: Vec<Place>,
    /// Entries that are well, but rest on what cannot be read.
    by_base: Vec<(Place, Error)>,
}

/// Reads a pack whole.
fn read_pack(
    repository: &Repository,
    index: &Index,
    pack: PackId,
    places: &[Place],
    monitor: &dyn Monitor,
    report: &mut CheckReport,
) -> ReadPack {
    let handle = Handle::pack(pack);
    let mut read = ReadPack::default();
    let bytes = match repository.backend().get(&handle, None) {
        Ok(bytes) => bytes,
        Err(error) => {
            report.found(monitor, error.within("check", handle));
            read.bad = places.to_vec();
            return read;
        }
    };
    if blake3::hash(&bytes).as_bytes() != &pack.0 {
        report.found(
            monitor,
            Error::damaged("check", &handle, "its content is not what its name says"),
        );
    }
    let contents = repository.pack_contents_of(pack, &bytes);
    read.bad = compare(pack, contents, places, monitor, report);
    let reader = Reader::new(repository, index);
    for places in places.chunks(BATCH) {
        for (place, trouble) in unreadable(&reader, index, &bytes, places) {
            match trouble {
                Trouble::Own(error) => {
                    report.found(monitor, error);
                    read.bad.push(place);
                }
                Trouble::Base(error) => read.by_base.push((place, error)),
            }
        }
    }
    read
}

/// Why a blob cannot be read.
enum Trouble {
    Own(Error),
    Base(Error),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Trouble::Own(error)
    }
}

/// A pack that no index names need only be what its name says; it may also be gone by now.
fn read_orphan(
    repository: &Repository,
    pack: PackId,
    monitor: &dyn Monitor,
    report: &mut CheckReport,
) {
    let handle = Handle::pack(pack);
    let error = match repository.backend().get(&handle, None) {
        Ok(bytes) if blake3::hash(&bytes) == pack.0 => None,
        Ok(_) => {
            let reason = "its content is not what its name says";
            Some(Error::damaged("check", &handle, reason))
        }
        Err(error) if error.kind() == Kind::NotFound => None,
        Err(error) => Some(error.within("check", &handle)),
    };
    error.into_iter().for_each(|error| report.found(monitor, error));
}

/// Blobs that are decoded together.
const BATCH: usize = 48;

fn unreadable(
    reader: &Reader<'_>,
    index: &Index,
    pack: &[u8],
    places: &[Place],
) -> Vec<(Place, Trouble)> {
    let bases: HashMap<BaseId, ChunkId> = places
        .iter()
        .flat_map(|place| &place.bases)
        .filter_map(|base| Some((*base, index.find_base(base)?.id)))
        .collect();
    let ids: Vec<ChunkId> = bases.values().copied().collect();
    let plains: HashMap<BaseId, Plain> = bases
        .keys()
        .zip(reader.read_all(&ids))
        .filter_map(|(base, plain)| Some((*base, plain.ok()?)))
        .collect();
    places
        .par_iter()
        .filter_map(|place| Some((place.clone(), read_blob(reader, pack, place, &plains).err()?)))
        .collect()
}

fn read_blob(
    reader: &Reader<'_>,
    pack: &[u8],
    place: &Place,
    plains: &HashMap<BaseId, Plain>,
) -> Result<(), Trouble> {
    let short = || Error::damaged("read chunk", place.id, "its pack ends before it");
    let start = usize::try_from(place.offset).map_err(|_| short())?;
    let length = usize::try_from(place.stored).map_err(|_| short())?;
    let sealed =
        start.checked_add(length).and_then(|end| pack.get(start..end)).ok_or_else(short)?;
    let payload = reader.open(place, sealed)?;
    let mut prefix = Vec::new();
    for base in &place.bases {
        let plain = plains.get(base).ok_or_else(|| {
            let reason = format!("its base {base} cannot be read");
            Trouble::Base(Error::damaged("read chunk", place.id, reason))
        })?;
        prefix.extend_from_slice(plain);
    }
    reader.decode_proved(place, &payload, &prefix)?;
    Ok(())
}

/// A pack's own account against the index's; the places that are not as the pack says.
fn compare(
    pack: PackId,
    contents: Result<PackContents>,
    places: &[Place],
    monitor: &dyn Monitor,
    report: &mut CheckReport,
) -> Vec<Place> {
    let handle = Handle::pack(pack);
    match contents {
        Err(error) => {
            report.found(monitor, error.within("check", handle));
            // The blobs may be whole all the same: the index knows where they are.
            Vec::new()
        }
        Ok(contents) => {
            let known: HashMap<u32, &Place> =
                contents.places.iter().map(|place| (place.offset, place)).collect();
            let wrong: Vec<Place> = places
                .iter()
                .filter(|place| known.get(&place.offset) != Some(place))
                .cloned()
                .collect();
            for place in &wrong {
                let reason = format!("{handle} does not hold it where the index says");
                report.found(monitor, Error::damaged("check chunk", place.id, reason));
            }
            if contents.places.len() > places.len() {
                let reason = "the index does not name everything that it holds";
                report.found(monitor, Error::damaged("check", handle, reason));
            }
            wrong
        }
    }
}

/// Entries whose bases are gone: nothing is wrong with them but that they cannot be read.
fn unusable(index: &Index, monitor: &dyn Monitor, report: &mut CheckReport) {
    let lost: Vec<ChunkId> = index
        .places()
        .filter(|place| !index.generations().is_condemned(&place.pack))
        .filter(|place| !index.is_damaged(place) && !index.knows(&place.id))
        .map(|place| place.id)
        .collect();
    for id in lost {
        report.found(
            monitor,
            Error::damaged("read chunk", id, "a chunk that it is a delta of is lost"),
        );
    }
}
