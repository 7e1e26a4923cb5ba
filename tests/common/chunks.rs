//! Small chunks, whole and as deltas of each other, in packs as each writer would store them.

use super::forge::{Blob, Forged, Forger};
use super::repo::TempRepo;
use icecore::codec::{Encoder, Level};
use icecore::format::BlobKind;
use icecore::id::ChunkId;

/// Chunks by their numbers, until they are stored.
pub struct Chunks<'r> {
    repo: &'r TempRepo,
    blobs: Vec<Blob>,
}

impl<'r> Chunks<'r> {
    pub fn of(repo: &'r TempRepo) -> Self {
        Chunks { repo, blobs: Vec::new() }
    }

    /// The content of a number.
    pub fn plain(number: u32) -> Vec<u8> {
        format!("this is the content of chunk number {number}").into_bytes()
    }

    pub fn id(&self, number: u32) -> ChunkId {
        self.repo.repository.ids().of(BlobKind::Data, &Self::plain(number))
    }

    pub fn whole(&mut self, number: u32) -> u32 {
        self.blobs.push(Blob::raw(self.id(number), &Self::plain(number)));
        number
    }

    pub fn delta(&mut self, number: u32, depth: u8, bases: &[u32]) -> u32 {
        let plain = Self::plain(number);
        let prefix: Vec<u8> = bases.iter().flat_map(|base| Self::plain(*base)).collect();
        let encoded = Encoder::new(Level::default()).delta(&plain, &prefix).unwrap();
        self.blobs.push(Blob {
            id: self.id(number),
            plain: u32::try_from(plain.len()).unwrap(),
            codec: encoded.codec,
            payload: encoded.bytes,
            depth,
            bases: bases.iter().map(|base| self.id(*base).base()).collect(),
        });
        number
    }

    /// Stores what was made so far as one writer does: a pack, and what the index says of it.
    pub fn store(&mut self, forger: &Forger) -> Forged {
        let pack = forger.pack(BlobKind::Data, &std::mem::take(&mut self.blobs));
        forger.index(0, std::slice::from_ref(&pack));
        pack
    }
}
