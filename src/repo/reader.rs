//! Blobs out by id: read in batches, bases decoded once, results proved.

use super::fetch::Fetch;
use super::location::Entries;
use super::ranges::{KeptRanges, Sealed, SharedRange};
use super::read_cache::{Plain, ReadCache};
use super::runs::Run;
use super::{BlobLocation, Index, Repository};
use crate::backend::Handle;
use crate::codec;
use crate::crypto::{Decryptor, Purpose};
use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::pack::{BlobAad, Salt};
use crate::id::{BaseId, ChunkId, PackId};
use crate::limits::{BASE_CACHE, CLOSURE_BYTES, CLOSURE_MAX};
use parking_lot::Mutex;
use rayon::prelude::*;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

/// Reads blobs through one index, or also through newer ones: see [`Reader::reloading`].
pub struct Reader<'r> {
    repository: &'r Repository,
    first: &'r Index,
    /// Room for the index read again, in order; none where the first decides.
    newer: Vec<OnceLock<Index>>,
    kept: Arc<ReadCache>,
    /// Of the packs in the first index.
    lengths: OnceLock<HashMap<PackId, u32>>,
    /// Held by the thread that goes the slow way: one closure in memory at a time.
    slow: Mutex<()>,
}

/// Bytes that are read ahead: small beside the cache, since nodes within these come in between.
const READ_AHEAD: u64 = BASE_CACHE as u64 / 8;
/// ... and how many blobs.
const READ_AHEAD_MOST: usize = 256;

/// How often a reader reads the index again: once for each prune that it meets, and in vain where a
/// pack is lost.
const RELOADS_MOST: usize = 4;

/// Entries that may fail before a blob is given up.
const TRIES_MAX: usize = 4 * CLOSURE_MAX;

impl<'r> Reader<'r> {
    /// A reader over `index`.
    pub fn new(repository: &'r Repository, index: &'r Index) -> Self {
        Self::with_cache(repository, index, Arc::default())
    }

    /// One that goes on with what others have left in the cache.
    pub fn with_cache(repository: &'r Repository, index: &'r Index, kept: Arc<ReadCache>) -> Self {
        let (newer, lengths, slow) = (Vec::new(), OnceLock::new(), Mutex::default());
        Reader { repository, first: index, newer, kept, lengths, slow }
    }

    /// The same for callers that only read: where a pack is gone, a collector may have moved what was in
    /// it, and the index is read again (chapter 11, order).
    pub fn reloading(mut self) -> Self {
        self.newer.resize_with(RELOADS_MOST, OnceLock::new);
        self
    }

    /// The repository that this reads from.
    pub fn repository(&self) -> &'r Repository {
        self.repository
    }

    /// What reading has left so far, for a reader through another index.
    pub fn cache(&self) -> Arc<ReadCache> {
        Arc::clone(&self.kept)
    }

    pub(super) fn kept_ranges(&self) -> &Mutex<KeptRanges> {
        &self.kept.ranges
    }

    /// The lengths of packs, as the index says.
    pub(super) fn pack_lengths(&self) -> &HashMap<PackId, u32> {
        self.lengths.get_or_init(|| self.first.packs())
    }

    /// Takes the bytes of a whole pack that was read from a store far away: others may need some of them.
    pub fn keep_pack(&self, pack: PackId, bytes: Vec<u8>) {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if self.repository.fetcher().reading().far {
            let range = SharedRange::of(Run::whole(pack, length), bytes);
            let mut kept = self.kept_ranges().lock();
            kept.keep(&range);
        }
    }

    /// The index that this reads through: the newest that it has read.
    pub fn index(&self) -> &Index {
        self.newer.iter().map_while(OnceLock::get).last().unwrap_or(self.first)
    }

    /// The id that these bytes have in this repository.
    pub fn names(&self, kind: BlobKind, plain: &[u8]) -> ChunkId {
        self.repository.ids().of(kind, plain)
    }

    /// One blob.
    ///
    /// # Errors
    /// `Damaged` if no entry of it leads to bytes that are its id's; every entry was tried.
    pub fn read(&self, kind: BlobKind, id: &ChunkId) -> Result<Plain> {
        match self.read_all(kind, std::slice::from_ref(id)).pop() {
            Some(result) => result,
            None => Err(Error::new(Kind::Failed, "read chunk", id)),
        }
    }

    /// Several blobs of a kind, in order, each with its own result. The caller bounds their number.
    pub fn read_all(&self, kind: BlobKind, ids: &[ChunkId]) -> Vec<Result<Plain>> {
        self.begin(kind, ids).finish()
    }

    /// Brings the first of several blobs into the cache, as many as stay there until they are used;
    /// how many.
    pub fn read_ahead(&self, kind: BlobKind, ids: impl Iterator<Item = ChunkId>) -> usize {
        let (mut ahead, mut bytes) = (Vec::new(), 0);
        for id in ids {
            bytes += self.index().find(kind, &id).map_or(0, |place| u64::from(place.plain));
            if bytes > READ_AHEAD || ahead.len() == READ_AHEAD_MOST {
                break;
            }
            ahead.push(id);
        }
        // One alone is no quicker for it.
        if ahead.len() > 1 {
            drop(self.read_all(kind, &ahead));
        }
        ahead.len()
    }

    /// Several blobs by the best entry of each alone: a writer of deltas counts on its depth,
    /// and a deeper entry that stands in for a damaged one would be of no use to a reader of these.
    pub(super) fn read_best(&self, kind: BlobKind, ids: &[ChunkId]) -> Vec<Result<Plain>> {
        self.begin(kind, ids).finish_by(|id, place| {
            let _alone = self.slow.lock();
            let place = place.ok_or_else(|| Error::new(Kind::NotFound, "read chunk", id))?;
            self.read_closure(place, &Entries::new()).map_err(|failure| failure.1)
        })
    }

    /// Opens one sealed blob (nonce, ciphertext, tag): its payload, before the codec.
    pub fn open(&self, place: &BlobLocation, sealed: &[u8]) -> Result<Vec<u8>> {
        let aad = BlobAad {
            repository: self.repository.config().repository,
            salt: &place.salt,
            kind: place.kind,
            id: &place.id,
            plain: place.plain,
            codec: place.codec,
            bases: &place.bases,
        };
        self.decryptor(place.kind, &place.salt)?.open(&aad.encode(), sealed).map_err(|error| {
            error.retold("open chunk", format!("{} in pack {}", place.id, place.pack))
        })
    }

    /// Decodes a payload whose bases are at hand, and proves the result.
    pub fn decode_proved(
        &self,
        place: &BlobLocation,
        payload: &[u8],
        prefix: &[u8],
    ) -> Result<Plain> {
        let plain = decode(place, payload, prefix)?;
        self.prove(place, &plain)?;
        Ok(Arc::new(plain))
    }

    /// The slow way, by the newest index that leads somewhere.
    pub(super) fn read_any(&self, kind: BlobKind, id: &ChunkId) -> Result<Plain> {
        let _alone = self.slow.lock();
        let mut first = None;
        loop {
            match self.read_by_any_entry(kind, id) {
                Err(Failure { may_have_moved: true, error }) if self.reload()? => {
                    first.get_or_insert(error);
                }
                // What a newer index leads to in vain was known to be lost before.
                Err(Failure { error, .. }) => {
                    return Err(first.filter(|_| !error.kind().says_nothing()).unwrap_or(error));
                }
                Ok(plain) => return Ok(plain),
            }
        }
    }

    /// Whether there is a newer index now.
    fn reload(&self) -> Result<bool> {
        let Some(room) = self.newer.iter().find(|room| room.get().is_none()) else {
            return Ok(false);
        };
        let newer = self.repository.load_index()?;
        self.index().met_damage().into_iter().for_each(|place| newer.meet_damage(place));
        Ok(room.set(newer).is_ok())
    }

    /// Entry after entry, of the blob and of its bases; then the error of the first. What is not to be
    /// had at the moment may be sound, and nothing stands in for it.
    fn read_by_any_entry(&self, kind: BlobKind, id: &ChunkId) -> Result<Plain, Failure> {
        let mut bad = Entries::new();
        let mut first = None;
        let mut may_have_moved = false;
        while let Some(place) = self.index().find_without(kind, id, &bad) {
            match self.read_closure(&place, &bad) {
                Ok(plain) => return Ok(plain),
                Err(failure) => {
                    let (failed, error) = *failure;
                    if error.kind() == Kind::Unavailable {
                        return Err(Failure { error, may_have_moved: false });
                    }
                    may_have_moved |= error.kind() == Kind::NotFound;
                    first.get_or_insert(error);
                    if !bad.insert(failed) || bad.len() > TRIES_MAX {
                        break;
                    }
                }
            }
        }
        may_have_moved |= first.is_none();
        let error = self.index().failure().or(first).unwrap_or_else(|| {
            Error::damaged("read chunk", id, "no usable index entry leads to it")
                .hint(
                "`icecore check` names what is lost, and what helps; nothing is lost if its snapshot was \
                 given up meanwhile",
            )
        });
        Err(Failure { error, may_have_moved })
    }

    /// One blob by this entry, every base proved on the way; or which entry failed, and how.
    fn read_closure(
        &self,
        place: &BlobLocation,
        bad: &Entries,
    ) -> Result<Plain, Box<(BlobLocation, Error)>> {
        let failed = |place: &BlobLocation, error: Error| Box::new((place.clone(), error));
        let mut closure = self.index().closure_without(place, bad)?;
        closure.sort_by_key(|place| place.depth);
        let mut plains: HashMap<BaseId, Plain> = HashMap::new();
        for of in &closure {
            let plain = self.read_one(of, &plains).map_err(|error| failed(of, error))?;
            plains.insert(of.id.base(), plain);
        }
        plains
            .remove(&place.id.base())
            .ok_or_else(|| failed(place, Error::new(Kind::Failed, "read chunk", place.id)))
    }

    /// Bytes that are there and wrong are remembered; what could not be had is not.
    fn read_one(&self, place: &BlobLocation, plains: &HashMap<BaseId, Plain>) -> Result<Plain> {
        let (sealed, prefix) = (self.fetch_one(place)?, prefix(place, plains)?);
        let opened = self.open(place, &sealed);
        let read = opened.and_then(|payload| self.decode_proved(place, &payload, &prefix));
        if read.as_ref().is_err_and(|error| error.kind() == Kind::Damaged) {
            self.index().meet_damage(place.clone());
        }
        read
    }

    fn fetch_one(&self, place: &BlobLocation) -> Result<Vec<u8>> {
        let start = u64::from(place.offset);
        let range = start..start + u64::from(place.stored);
        self.repository.fetcher().fetch_one(Fetch::part(Handle::pack(place.pack), range))
    }

    /// The fast way: closures together, depth by depth, upon what the cache had. What fails is just
    /// missing from the result; [`Self::read_any`] then finds out why.
    pub(super) fn decode(
        &self,
        needed: &[BlobLocation],
        sealed: &Sealed,
        plains: &mut HashMap<BaseId, Plain>,
    ) {
        for depth in 0..=crate::limits::DEPTH_MAX {
            // Apart, since a round of the threads costs more than a look at all places.
            let of_depth: Vec<_> = needed.iter().filter(|place| place.depth == depth).collect();
            if of_depth.is_empty() {
                continue;
            }
            let decoded: Vec<(BaseId, Plain)> = of_depth
                .par_iter()
                .filter_map(|place| {
                    let bytes = sealed.get(place)?;
                    let payload = self.open(place, bytes).ok()?;
                    let plain = decode(place, &payload, &prefix(place, plains).ok()?).ok()?;
                    Some((place.id.base(), Arc::new(plain)))
                })
                .collect();
            plains.extend(decoded);
        }
        let mut cache = self.kept.plains.lock();
        plains.iter().for_each(|(base, plain)| cache.keep(*base, plain));
    }

    /// What the cache has, and the places that have to be fetched. Closures that are wider than any
    /// writer makes them, and more bytes of bases than [`CLOSURE_BYTES`], are left to the slow way.
    pub(super) fn plan<'p>(
        &self,
        wanted: impl Iterator<Item = &'p BlobLocation>,
    ) -> (HashMap<BaseId, Plain>, Vec<BlobLocation>) {
        let cache = self.kept.plains.lock();
        let mut plains = HashMap::new();
        let mut needed = Vec::new();
        let mut seen = HashSet::new();
        let mut room = CLOSURE_BYTES as u64;
        for place in wanted {
            let closure = match place.bases.is_empty() {
                true => vec![place.clone()],
                false => self.index().closure(place).unwrap_or_default(),
            };
            let bases = closure.iter().skip(1).filter(|place| !seen.contains(&place.id.base()));
            let bytes: u64 = bases.map(|place| u64::from(place.plain)).sum();
            if closure.len() > CLOSURE_MAX || bytes > room {
                continue;
            }
            room -= bytes;
            for place in closure {
                let base = place.id.base();
                if let Some(plain) = cache.get(&base) {
                    plains.insert(base, plain);
                } else if seen.insert(base) {
                    needed.push(place);
                }
            }
        }
        (plains, needed)
    }

    fn decryptor(&self, kind: BlobKind, salt: &Salt) -> Result<Arc<Decryptor>> {
        let mut decryptors = self.kept.decryptors.lock();
        if let Some(decryptor) = decryptors.get(&(kind, salt.bytes)) {
            return Ok(decryptor.clone());
        }
        let decryptor = Arc::new(Decryptor::new(self.repository.keys(), blob_purpose(kind), salt)?);
        decryptors.insert((kind, salt.bytes), decryptor.clone());
        Ok(decryptor)
    }

    pub(super) fn proves(&self, place: Option<&BlobLocation>, plain: &[u8]) -> bool {
        place.is_some_and(|place| self.repository.ids().of(place.kind, plain) == place.id)
    }

    fn prove(&self, place: &BlobLocation, plain: &[u8]) -> Result<()> {
        if self.proves(Some(place), plain) {
            return Ok(());
        }
        let subject = format!("{} in pack {}", place.id, place.pack);
        Err(Error::damaged("read chunk", subject, "its content is not what its id says").hint(
            "the writer of that pack held a key and wrote a false chunk, or its memory failed",
        ))
    }
}

/// Why a blob could not be read.
struct Failure {
    error: Error,
    /// A pack is gone, or no entry is there: a newer index may know more.
    may_have_moved: bool,
}

/// Which key seals blobs of this kind.
pub(super) fn blob_purpose(kind: BlobKind) -> Purpose {
    match kind {
        BlobKind::Data => Purpose::SealData,
        BlobKind::Meta => Purpose::SealMeta,
    }
}

fn decode(place: &BlobLocation, payload: &[u8], prefix: &[u8]) -> Result<Vec<u8>> {
    let length = usize::try_from(place.plain).unwrap_or(usize::MAX);
    codec::decode(place.codec, payload, prefix, length).map_err(|error| {
        error.retold("decode chunk", format!("{} in pack {}", place.id, place.pack))
    })
}

/// The plaintexts of a blob's bases, one after the other.
fn prefix(place: &BlobLocation, plains: &HashMap<BaseId, Plain>) -> Result<Vec<u8>> {
    let mut prefix = Vec::new();
    for base in &place.bases {
        let plain = plains.get(base).ok_or_else(|| {
            Error::damaged("read chunk", place.id, format!("its base {base} cannot be read"))
        })?;
        prefix.extend_from_slice(plain);
    }
    Ok(prefix)
}
