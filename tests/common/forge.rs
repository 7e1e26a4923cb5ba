//! What somebody who holds a key can write by hand: packs, index segments and records that no
//! honest writer makes.

use super::repo::{TempRepo, secret};
use icecore::backend::{Backend, Handle, Put};
use icecore::crypto::{Keyring, Sealer, Secret, object, slot};
use icecore::env::{Env, Time};
use icecore::format::ObjectKind;
use icecore::format::directory::Node;
use icecore::format::gc::{Condemned, Reason, Verdict};
use icecore::format::index::{IndexEntry, PackRow, SegmentBuilder};
use icecore::format::pack::{BlobAad, PackEntry, PackHead, Salt, Trailer, footer, trailer_aad};
use icecore::format::record::{self, Record};
use icecore::format::snapshot::{Part, PartKind, Snapshot, Summary};
use icecore::format::{BlobKind, Codec};
use icecore::id::{BaseId, ChunkId, IndexId, PackId, RepoId, SeriesId, SnapshotId};
use icecore::repo::{Session, SessionOptions, WriterOptions};
use std::sync::Arc;

/// Writes with the keys of a repository.
pub struct Forger {
    pub keys: Keyring,
    pub repository: RepoId,
    env: Env,
    backend: Arc<dyn Backend>,
}

/// A blob as its pack is to describe it; what it says of itself need not be true.
#[derive(Clone)]
pub struct Blob {
    pub id: ChunkId,
    pub plain: u32,
    pub codec: Codec,
    pub payload: Vec<u8>,
    pub depth: u8,
    pub bases: Vec<BaseId>,
}

/// A pack that was stored, and honest entries for an index; pack and salt are row 0.
#[derive(Clone)]
pub struct Forged {
    pub row: PackRow,
    pub salt: Salt,
    pub entries: Vec<IndexEntry>,
}

impl Blob {
    /// A whole blob under the id of other content, or its own.
    pub fn raw(id: ChunkId, payload: &[u8]) -> Self {
        let plain = u32::try_from(payload.len()).unwrap();
        let (codec, payload) = (Codec::Raw, payload.to_vec());
        Blob { id, plain, codec, payload, depth: 0, bases: Vec::new() }
    }
}

impl Forger {
    pub fn new(repo: &TempRepo) -> Self {
        Self::with(repo, &secret())
    }

    /// The same with any secret of the repository.
    pub fn with(repo: &TempRepo, secret: &Secret) -> Self {
        let id = repo.repository.slot();
        let bytes = repo.backend.get(&Handle::key(id), None).unwrap();
        let repository = repo.repository.config().repository;
        let keys = slot::unwrap(&bytes, id, secret, repository).unwrap();
        // Never the randomness of an honest writer.
        let (env, _) = Env::seeded(u64::MAX, Time(0));
        Forger { keys, repository, env, backend: repo.backend.clone() }
    }

    /// The same in another store of the same repository.
    pub fn within(self, backend: &Arc<dyn Backend>) -> Self {
        Forger { backend: backend.clone(), ..self }
    }

    pub fn put(&self, handle: &Handle, bytes: &[u8]) {
        assert_eq!(self.backend.put_new(handle, bytes).unwrap(), Put::Created, "{handle}");
    }

    /// Stores a sealed object of any content.
    pub fn object(&self, handle: &Handle, payload: &[u8]) {
        let salt = self.env.random().unwrap();
        let bytes =
            object::seal_object(&self.keys, handle, self.repository, &salt, 0, payload).unwrap();
        self.put(handle, &bytes);
    }

    pub fn record<T: Record>(&self, handle: &Handle, value: &T) {
        self.object(handle, &record::encode(value).unwrap());
    }

    /// Stores a pack of these blobs.
    pub fn pack(&self, kind: BlobKind, blobs: &[Blob]) -> Forged {
        self.pack_with(kind, blobs, |_| {})
    }

    /// The same with a trailer that says something else.
    pub fn pack_with(
        &self,
        kind: BlobKind,
        blobs: &[Blob],
        edit: impl FnOnce(&mut Trailer),
    ) -> Forged {
        let purpose = match kind {
            BlobKind::Data => icecore::crypto::Purpose::SealData,
            BlobKind::Meta => icecore::crypto::Purpose::SealMeta,
        };
        let salt = Salt { epoch: 0, bytes: self.env.random().unwrap() };
        let sealer = Sealer::new(&self.keys, purpose, salt).unwrap();
        let mut bytes = PackHead { kind, salts: vec![salt] }.encode().unwrap();
        let head = bytes.clone();
        let (mut trailer, mut entries) = (Trailer::default(), Vec::new());
        for blob in blobs {
            let Blob { id, plain, codec, payload, depth, bases } = blob.clone();
            let repository = self.repository;
            let aad =
                BlobAad { repository, salt: &salt, kind, id: &id, plain, codec, bases: &bases };
            let sealed = sealer.seal(0, &aad.encode(), &payload).unwrap();
            let stored = u32::try_from(sealed.len()).unwrap();
            let offset = u32::try_from(bytes.len()).unwrap();
            bytes.extend(sealed);
            entries.push(IndexEntry {
                id,
                pack: 0,
                offset,
                stored,
                plain,
                salt: 0,
                codec,
                depth,
                bases: bases.clone(),
            });
            trailer.entries.push(PackEntry { id, stored, plain, codec, depth, salt: 0, bases });
        }
        edit(&mut trailer);
        let aad = trailer_aad(&head, self.repository);
        let sealed = sealer.seal(0, &aad, &trailer.encode().unwrap()).unwrap();
        bytes.extend(&sealed);
        bytes.extend(footer(sealed.len()).unwrap());
        let id = PackId(*blake3::hash(&bytes).as_bytes());
        self.put(&Handle::pack(id), &bytes);
        let row = PackRow { id, size: u32::try_from(bytes.len()).unwrap(), kind };
        Forged { row, salt, entries }
    }

    /// Stores an index segment that names these packs and entries.
    pub fn index(&self, generation: u64, packs: &[Forged]) -> IndexId {
        self.segment(&segment(generation, packs).encode().unwrap())
    }

    /// Stores an index segment of any content.
    pub fn segment(&self, payload: &[u8]) -> IndexId {
        let salt = self.env.random().unwrap();
        let (id, bytes) =
            object::seal_index(&self.keys, self.repository, &salt, 0, payload).unwrap();
        self.put(&Handle::index(id), &bytes);
        id
    }

    /// Stores the segment that `sealed` holds once more, under another name.
    pub fn reseal_index(&self, handle: &Handle, sealed: &[u8]) -> IndexId {
        self.segment(&object::open_object(&self.keys, handle, self.repository, sealed).unwrap())
    }

    /// A collection condemns packs.
    pub fn condemn(&self, generation: u64, packs: &[PackId], reason: Reason) {
        let packs = packs.iter().map(|pack| (*pack, reason)).collect();
        let listed = self.backend.list(ObjectKind::Index).unwrap();
        let segments = listed.iter().filter_map(|object| object.handle.index_id()).collect();
        let condemned = Condemned { generation, packs, segments, at: self.env.now() };
        self.record(&Handle::gc(generation), &condemned);
    }

    /// A collection decides: everything that is there and not swept is alive.
    pub fn decide(&self, repo: &TempRepo, generation: u64, edit: impl FnOnce(&mut Verdict)) {
        let snapshots =
            repo.repository.snapshots(|error| panic!("{error}")).unwrap().all().unwrap();
        let index = repo.repository.load_index().unwrap();
        let mut verdict = Verdict {
            generation,
            swept: Default::default(),
            rescued: Default::default(),
            snapshots: snapshots.iter().map(|stored| stored.snapshot.id).collect(),
            segments: index.names().iter().copied().collect(),
            at: self.env.now(),
        };
        edit(&mut verdict);
        self.record(&Handle::verdict(generation), &verdict);
    }
}

pub fn segment(generation: u64, packs: &[Forged]) -> SegmentBuilder {
    let mut segment = SegmentBuilder { generation, ..Default::default() };
    for forged in packs {
        let pack = u32::try_from(segment.packs.len()).unwrap();
        segment.packs.push(forged.row);
        let salt = segment.salt_row(forged.salt).unwrap();
        let entries = forged.entries.iter().cloned();
        segment.entries.extend(entries.map(|entry| IndexEntry { pack, salt, ..entry }));
    }
    segment
}

pub fn session(repo: &TempRepo) -> Session<'_> {
    let options = SessionOptions {
        writer: WriterOptions {
            verb: "backup".into(),
            host: "hostile".into(),
            tool: "test".into(),
        },
        level: Default::default(),
        deltas: true,
    };
    repo.repository.begin(options).unwrap()
}

/// A snapshot of one part that says whatever it likes.
pub fn snapshot(id: SnapshotId, path: &str, root: Node, items: u64) -> Snapshot {
    let part = Part {
        kind: PartKind::Files,
        path: path.as_bytes().to_vec(),
        root,
        started: Time(0),
        finished: Time(0),
        facts: Default::default(),
        selection: Default::default(),
        parents: Default::default(),
        tainted: 0,
        taints: Vec::new(),
        incomplete: false,
    };
    Snapshot {
        id,
        series: SeriesId(id.0),
        sequence: 1,
        previous: None,
        generation: 0,
        started: Time(0),
        finished: Time(0),
        host: "hostile".into(),
        user: "user".into(),
        tags: Default::default(),
        labels: Default::default(),
        tool: "test".into(),
        parts: vec![part],
        missing: Vec::new(),
        original: None,
        origin: None,
        warnings: Vec::new(),
        summary: Summary { items, ..Default::default() },
    }
}

/// Commits such a snapshot.
pub fn commit(session: Session<'_>, path: &str, root: Node, items: u64) -> Snapshot {
    session.commit(|id, _| snapshot(id, path, root, items)).unwrap()
}
