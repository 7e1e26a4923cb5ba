//! Sealed blobs into packs: put together, closed, proved by reading them back, uploaded and
//! indexed. Whether anybody needs the blobs, and what becomes of the writer, is for others to know.

use super::Repository;
use super::pack::{IndexedPack, OpenPack};
use super::seal::{BlobSealer, SealedBlob};
use super::uploads::Uploads;
use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::index::SegmentBuilder;
use crate::id::{IndexId, PackId};
use crate::limits::{INDEX_ENTRIES_MAX, PACKS_HELD};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Writes packs and their index. Blobs are fresh ones, sealed under its salt, or moved from other
/// packs; those of each kind go into packs of their own, in the order in which they come.
pub struct PackWriter<'r> {
    repository: &'r Repository,
    /// What its segments state to have been read.
    generation: u64,
    data: OpenPack,
    meta: OpenPack,
    sealers: Sealers,
    uploads: Uploads,
    /// Blobs that no segment names yet.
    unindexed: usize,
    indexed: BTreeSet<PackId>,
    segments: Vec<IndexId>,
    packed: u64,
    written: u64,
    broken: bool,
}

/// Seals fresh blobs, data and metadata, under one salt.
#[derive(Clone)]
pub(super) struct Sealers {
    data: Arc<BlobSealer>,
    meta: Arc<BlobSealer>,
}

/// Salts of one segment at most.
const SEGMENT_SALTS: usize = u16::MAX as usize;

impl<'r> PackWriter<'r> {
    /// A writer of packs under a fresh salt; `generation` is the newest collection that was read
    /// before the index.
    pub fn new(repository: &'r Repository, generation: u64) -> Result<Self> {
        let salt = repository.env().random()?;
        let sealer = |kind| Ok::<_, Error>(Arc::new(BlobSealer::new(repository, kind, salt)?));
        let sealers = Sealers { data: sealer(BlobKind::Data)?, meta: sealer(BlobKind::Meta)? };
        Ok(PackWriter {
            repository,
            generation,
            data: OpenPack::new(sealers.data.clone()),
            meta: OpenPack::new(sealers.meta.clone()),
            sealers,
            uploads: Uploads::new(repository.backend().clone()),
            unindexed: 0,
            indexed: BTreeSet::new(),
            segments: Vec::new(),
            packed: 0,
            written: 0,
            broken: false,
        })
    }

    pub(super) fn repository(&self) -> &'r Repository {
        self.repository
    }

    pub(super) fn sealers(&self) -> &Sealers {
        &self.sealers
    }

    /// How many packs there are since they were last taken, indexed or on their way.
    pub fn packs(&self) -> usize {
        self.indexed.len() + self.uploads.packs()
    }

    /// Bytes of the packs that are indexed.
    pub fn packed(&self) -> u64 {
        self.packed
    }

    /// The index segments that it published.
    pub fn segments(&self) -> &[IndexId] {
        &self.segments
    }

    /// Bytes of packs and index segments.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// The packs that are indexed, given out once.
    pub fn take_indexed(&mut self) -> BTreeSet<PackId> {
        std::mem::take(&mut self.indexed)
    }

    /// Adds a blob, which is durable only after [`PackWriter::flush`]. Waits for uploads while the
    /// packs come to more than [`PACKS_HELD`] bytes.
    ///
    /// # Errors
    /// After any, this takes and indexes nothing more: what was added may be lost.
    pub fn add(&mut self, blob: SealedBlob) -> Result<()> {
        self.unless_broken(|packs| packs.add_blob(blob))
    }

    /// Uploads all that was added, then the index of it: when this returns, all is durable.
    ///
    /// # Errors
    /// As [`PackWriter::add`].
    pub fn flush(&mut self) -> Result<()> {
        self.unless_broken(Self::write_all)
    }

    fn unless_broken(&mut self, write: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        if self.broken {
            return Err(Error::new(
                Kind::Failed,
                "write packs to",
                self.repository.backend().describe(),
            )
            .because("an earlier write failed"));
        }
        // Whatever ends this early leaves something out.
        self.broken = true;
        write(self)?;
        self.broken = false;
        Ok(())
    }

    fn add_blob(&mut self, blob: SealedBlob) -> Result<()> {
        let kind = blob.kind;
        if !self.open(kind).takes(&blob.salt) {
            self.close(kind)?;
        }
        self.open(kind).add(blob)?;
        self.unindexed += 1;
        if self.open(kind).is_full() {
            self.close(kind)?;
        }
        while self.held() > PACKS_HELD && !self.uploads.is_idle() {
            self.uploads.wait()?;
        }
        if self.unindexed >= INDEX_ENTRIES_MAX { self.write_all() } else { Ok(()) }
    }

    fn open(&mut self, kind: BlobKind) -> &mut OpenPack {
        match kind {
            BlobKind::Data => &mut self.data,
            BlobKind::Meta => &mut self.meta,
        }
    }

    fn held(&self) -> usize {
        self.data.len() + self.meta.len() + self.uploads.bytes()
    }

    fn close(&mut self, kind: BlobKind) -> Result<()> {
        if self.open(kind).is_empty() {
            return Ok(());
        }
        let next = OpenPack::new(self.sealers.of(kind).clone());
        let full = std::mem::replace(self.open(kind), next);
        self.uploads.start(full)
    }

    /// Packs, then index (I2).
    fn write_all(&mut self) -> Result<()> {
        self.close(BlobKind::Data)?;
        self.close(BlobKind::Meta)?;
        let mut segment = self.segment();
        for contents in self.uploads.finish()? {
            if !fits(&segment, &contents) {
                let full = std::mem::replace(&mut segment, self.segment());
                self.publish(full)?;
            }
            let size = u64::from(contents.pack.size);
            self.packed += size;
            self.written += size;
            self.indexed.insert(contents.pack.id);
            contents.add_to(&mut segment)?;
        }
        self.publish(segment)?;
        self.unindexed = 0;
        Ok(())
    }

    fn publish(&mut self, segment: SegmentBuilder) -> Result<()> {
        let (names, written) = self.repository.put_segments(segment)?;
        self.segments.extend(names);
        self.written += written;
        Ok(())
    }

    fn segment(&self) -> SegmentBuilder {
        SegmentBuilder { generation: self.generation, ..Default::default() }
    }
}

/// Whether a segment has room for a pack.
fn fits(segment: &SegmentBuilder, contents: &IndexedPack) -> bool {
    segment.entries.len() + contents.entries() <= INDEX_ENTRIES_MAX
        && segment.salts.len() + contents.salts() <= SEGMENT_SALTS
}

impl Sealers {
    pub(super) fn of(&self, kind: BlobKind) -> &Arc<BlobSealer> {
        match kind {
            BlobKind::Data => &self.data,
            BlobKind::Meta => &self.meta,
        }
    }
}
