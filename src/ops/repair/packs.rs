//! `repair packs`: what is whole in damaged packs moves to new ones, what is lost is fetched from
//! elsewhere or named, and the damaged packs go out of the way.

use super::away::{Left, forbidden};
use super::copy::Copy;
use super::salvage::{Found, Salvage, State};
use super::{RepairOptions, begun, ended};
use crate::backend::Handle;
use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::note::Damage;
use crate::id::{ChunkId, PackId};
use crate::monitor::{Counter, Monitor, go_on};
use crate::ops::check::{CheckOptions, CheckReport, ReadData, Touched, Where, check};
use crate::repo::{
    BlobLocation, EntryRef, Index, NotedDamage, PackWriter, Reader, Repository, Writer,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::ControlFlow;

/// Which packs are repaired, and from where what is lost may come.
#[derive(Default)]
pub struct DamagedPacks<'d> {
    /// These; without any, those that are known to be damaged.
    pub packs: Vec<PackId>,
    /// Whether everything is read first, to know.
    pub read_data: bool,
    /// A copy of the repository.
    pub copy: Option<&'d Repository>,
}

/// A chunk that is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LostChunk {
    /// What it holds.
    pub kind: BlobKind,
    /// Its name.
    pub id: ChunkId,
}

/// The outcome of damaged packs.
#[derive(Debug, Default)]
pub struct PacksRepair {
    /// Packs that were read because they were named, or known to be damaged, or gone.
    pub packs: u64,
    /// Those of them in which nothing is wrong.
    pub sound: Vec<PackId>,
    /// Packs that a collection has given up: `prune` goes on with them.
    pub given_up: Vec<PackId>,
    /// Blobs that were moved as they are, and their bytes.
    pub moved: (u64, u64),
    /// Chunks that came from the copy.
    pub fetched: u64,
    /// Chunks that are nowhere any more.
    pub lost: BTreeSet<LostChunk>,
    /// Bytes of new packs and index segments.
    pub written: u64,
    /// The damaged packs.
    pub left: Left,
    /// What can still not be restored, the first of it.
    pub touched: Vec<Touched>,
}

/// Repairs packs.
///
/// # Errors
/// `NotFound` for a pack that is neither there nor named, `Refused` for a copy of something else,
/// `Unavailable` where something does not answer: nothing is moved away then.
pub fn repair_packs(
    repository: &Repository,
    which: &DamagedPacks<'_>,
    options: &RepairOptions,
    monitor: &dyn Monitor,
) -> Result<PacksRepair> {
    let copy = which.copy.map(|other| Copy::of(repository, other, monitor)).transpose()?;
    let checked = match which.read_data {
        true => check(repository, CheckOptions { read_data: ReadData::All }, monitor)?,
        false => CheckReport::default(),
    };
    let writer = repository.register(options.writer())?;
    let (mut writer, scene) =
        begun(writer, |writer| Scene::look(repository, writer, which, &packs_in(&checked)))?;
    for (_, error) in &scene.troubles {
        monitor.trouble(error);
        monitor
            .warn("run `icecore repair index` as well: the index does not name all that is stored");
    }
    let mut work = Work::new(repository, &scene, copy.as_ref(), monitor);
    let done = work.run(&mut writer);
    let Work { mut report, found, new, .. } = work;
    ended(writer, done, |()| report.written > 0)?;
    report.given_up.clone_from(&scene.given_up);
    if !found.is_empty() {
        move_away(repository, &found, &new, &mut report.left, options, monitor)?;
    }
    if report.packs > report.sound.len() as u64 {
        report.touched = check(repository, CheckOptions::default(), monitor)?.touched;
    }
    Ok(report)
}

/// Packs that a check has found something wrong with.
fn packs_in(report: &CheckReport) -> BTreeSet<PackId> {
    let pack = |at: &Where| match at {
        Where::Object(handle) => handle.pack_id(),
        Where::Blob { pack, .. } => Some(*pack),
        Where::Path { .. } | Where::Series { .. } => None,
    };
    report.findings.iter().filter_map(|finding| pack(&finding.at)).collect()
}

/// What is known before anything is read of a pack.
struct Scene {
    /// The newest collection.
    generation: u64,
    /// Segments that cannot be read.
    troubles: Vec<(Handle, Error)>,
    index: Index,
    noted: NotedDamage,
    sizes: HashMap<PackId, u64>,
    /// The packs to be repaired, each with the number of its entries.
    packs: Vec<(PackId, usize)>,
    given_up: Vec<PackId>,
}

impl Scene {
    fn look(
        repository: &Repository,
        writer: &mut Writer<'_>,
        which: &DamagedPacks<'_>,
        met: &BTreeSet<PackId>,
    ) -> Result<Self> {
        let generation = writer.read_chain()?;
        let mut index = repository.load_index_to_check(repository.generations()?)?;
        let troubles = index.take_troubles();
        let sizes = repository.pack_sizes()?;
        let noted = repository.noted_damage()?;
        let (named, lengths, damage) = (index.entries_by_pack(), index.packs(), noted.all());
        let mut packs: BTreeSet<PackId> = which.packs.iter().copied().collect();
        for pack in &packs {
            if !sizes.contains_key(pack) && !named.contains_key(pack) {
                return Err(Error::new(Kind::NotFound, "repair", Handle::pack(*pack))
                    .because("there is no such pack, and the index names none"));
            }
        }
        if packs.is_empty() {
            packs.extend(met);
            packs.extend(&damage.packs);
            packs.extend(damage.blobs.iter().map(|(pack, _)| *pack));
            // What a listing shows to be gone, or not as long as it should be.
            let is_whole = |pack: &PackId| {
                sizes.get(pack).copied() == lengths.get(pack).copied().map(u64::from)
            };
            packs.extend(named.keys().filter(|pack| !is_whole(pack)));
            packs.retain(|pack| sizes.contains_key(pack) || named.contains_key(pack));
        }
        let (given_up, packs): (Vec<PackId>, Vec<PackId>) =
            packs.into_iter().partition(|pack| index.generations().is_condemned(pack));
        let entries = |pack: &PackId| named.get(pack).copied().unwrap_or_default();
        let packs = packs.into_iter().map(|pack| (pack, entries(&pack))).collect();
        Ok(Scene { generation, troubles, index, noted, sizes, packs, given_up })
    }

    /// What notes are to say once all was moved that can be: nothing of a damaged pack counts, so that
    /// no collection takes it for the place of what was moved; and nothing is wrong with what turned out
    /// to be sound, or is gone and named nowhere.
    fn damage(&self, found: &BTreeMap<PackId, State>) -> Damage {
        let Damage { mut packs, mut blobs } = self.noted.all();
        let named = self.index.packs();
        let holds = |pack: &PackId| match found.get(pack) {
            Some(State::Sound) => false,
            _ => self.sizes.contains_key(pack) || named.contains_key(pack),
        };
        packs.retain(&holds);
        blobs.retain(|(pack, _)| holds(pack));
        // What only could not be read is never noted.
        let damaged = found.iter().filter(|(_, state)| matches!(state, State::Damaged(_)));
        packs.extend(damaged.map(|(pack, _)| *pack));
        blobs.retain(|(pack, _)| !packs.contains(pack));
        Damage { packs, blobs }
    }
}

/// A repair under way.
struct Work<'w> {
    repository: &'w Repository,
    scene: &'w Scene,
    salvage: Salvage<'w>,
    monitor: &'w dyn Monitor,
    found: BTreeMap<PackId, State>,
    /// The packs that were written.
    new: BTreeSet<PackId>,
    /// Chunks that were stored anew.
    stored: HashSet<LostChunk>,
    report: PacksRepair,
}

impl<'w> Work<'w> {
    fn new(
        repository: &'w Repository,
        scene: &'w Scene,
        copy: Option<&'w Copy<'w>>,
        monitor: &'w dyn Monitor,
    ) -> Self {
        let index = &scene.index;
        let salvage = Salvage { repository, index, reader: Reader::new(repository, index), copy };
        let (found, new, stored) = (BTreeMap::new(), BTreeSet::new(), HashSet::new());
        let report = PacksRepair::default();
        Work { repository, scene, salvage, monitor, found, new, stored, report }
    }

    /// What is whole, then what is fetched, each in new packs with an index; then the notes.
    fn run(&mut self, writer: &mut Writer<'_>) -> Result<()> {
        let mut packs = PackWriter::new(self.repository, self.scene.generation)?;
        let done = self.save(writer, &mut packs).and_then(|()| packs.flush());
        self.report.written = packs.written();
        done?;
        self.fetch(&mut packs)?;
        let done = packs.flush();
        self.report.written = packs.written();
        done?;
        self.new = packs.take_indexed();
        let stored = &self.stored;
        self.report.lost.retain(|chunk| !stored.contains(chunk));
        self.repository.settle_damage(&self.scene.noted, &self.scene.damage(&self.found))
    }

    fn save(&mut self, writer: &mut Writer<'_>, packs: &mut PackWriter<'_>) -> Result<()> {
        let (scene, monitor) = (self.scene, self.monitor);
        monitor.begin("repair packs", Some((Counter::Items, scene.packs.len() as u64)));
        scene.index.each_pack(&scene.packs, &mut |pack, rows| {
            go_on(monitor, "repair packs of")?;
            writer.stay_alive()?;
            let at = |row: &EntryRef| scene.index.at(*row);
            let found = self.salvage.pack(pack, rows.iter().filter_map(at).collect(), packs)?;
            self.take(pack, found);
            monitor.count(Counter::Items, 1);
            Ok(ControlFlow::Continue(()))
        })?;
        monitor.end();
        scene.index.failure().map_or(Ok(()), Err)
    }

    fn take(&mut self, pack: PackId, found: Found) {
        let chunk = |place: &BlobLocation| LostChunk { kind: place.kind, id: place.id };
        self.report.packs += 1;
        self.report.moved.0 += found.whole.len() as u64;
        self.report.moved.1 += found.moved;
        self.stored.extend(found.whole.iter().map(chunk));
        self.report.lost.extend(found.lost.iter().map(chunk));
        if found.state == State::Sound {
            self.report.sound.push(pack);
        }
        self.found.insert(pack, found.state);
    }

    /// What is lost and has no other usable entry comes from the copy, if that has it.
    fn fetch(&mut self, packs: &mut PackWriter<'_>) -> Result<()> {
        let mut index = self.repository.load_index()?;
        let sizes = self.repository.pack_sizes()?;
        let lengths = index.packs().into_iter();
        let gone = lengths.filter(|(pack, length)| sizes.get(pack) != Some(&u64::from(*length)));
        let gone = Damage { packs: gone.map(|(pack, _)| pack).collect(), ..Damage::default() };
        index.distrust(&gone);
        index.distrust(&self.scene.damage(&self.found));
        let stored = &self.stored;
        let is_lost =
            |chunk: &LostChunk| !stored.contains(chunk) && !index.knows(chunk.kind, &chunk.id);
        self.report.lost.retain(is_lost);
        let Some(copy) = self.salvage.copy else { return Ok(()) };
        for kind in [BlobKind::Data, BlobKind::Meta] {
            let lost = self.report.lost.iter().filter(|chunk| chunk.kind == kind);
            let ids: Vec<ChunkId> = lost.map(|chunk| chunk.id).collect();
            for ids in ids.chunks(TOGETHER) {
                go_on(self.monitor, "fetch what is lost for")?;
                for (id, plain) in ids.iter().zip(copy.chunks(kind, ids)?) {
                    let Some(plain) = plain else { continue };
                    packs.add_whole(kind, id, &plain)?;
                    self.stored.insert(LostChunk { kind, id: *id });
                    self.report.fetched += 1;
                }
            }
        }
        Ok(())
    }
}

/// Chunks that are fetched together.
const TOGETHER: usize = 16;

/// R5: damaged packs go out of the way, unless what took their place was given up.
fn move_away(
    repository: &Repository,
    found: &BTreeMap<PackId, State>,
    new: &BTreeSet<PackId>,
    left: &mut Left,
    options: &RepairOptions,
    monitor: &dyn Monitor,
) -> Result<()> {
    let generations = repository.generations()?;
    let is_given_up = new.iter().any(|pack| generations.is_condemned(pack));
    let given_up = is_given_up.then_some("a collection gave up what took its place");
    let why = forbidden(repository)?.or(given_up);
    for (pack, state) in found {
        let handle = Handle::pack(*pack);
        let judged = match (state, why) {
            (State::Sound | State::Gone, _) => continue,
            (State::Unread(error), _) => {
                left.keep(handle, error);
                continue;
            }
            (State::Damaged(_), Some(why)) => {
                left.keep(handle, why);
                continue;
            }
            (State::Damaged(hash), None) => hash,
        };
        if generations.is_condemned(pack) {
            left.keep(handle, "a collection has given it up: `icecore prune` goes on with it");
            continue;
        }
        match repository.backend().get(&handle, None) {
            Ok(bytes) if blake3::hash(&bytes) == *judged => {
                left.take(repository, handle, &bytes, options, monitor)?;
            }
            Ok(_) => left.keep(handle, "it reads differently each time"),
            Err(error) if error.kind() == Kind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
