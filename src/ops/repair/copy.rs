//! Another place that may still have what is lost: a copy of the repository, or any repository whose
//! chunks have the same names.

use crate::backend::Handle;
use crate::error::{Error, Kind, Result};
use crate::format::BlobKind;
use crate::id::{ChunkId, PackId};
use crate::monitor::Monitor;
use crate::repo::{Index, Plain, Reader, Repository};

/// A place that what is lost is fetched from.
pub(super) struct Copy<'c> {
    repository: &'c Repository,
    /// Whether its packs are those of the repository that is repaired.
    is_same: bool,
    /// None if it cannot be read: then only whole packs come from there.
    index: Option<Index>,
}

impl<'c> Copy<'c> {
    /// # Errors
    /// `Refused` if its chunks have other names.
    pub(super) fn of(
        repository: &Repository,
        other: &'c Repository,
        monitor: &dyn Monitor,
    ) -> Result<Self> {
        let names = |of: &Repository, kind| of.ids().of(kind, b"a chunk");
        let is_same = other.config().repository == repository.config().repository;
        let kinds = [BlobKind::Data, BlobKind::Meta];
        if kinds.into_iter().any(|kind| names(repository, kind) != names(other, kind)) {
            let place = other.backend().describe();
            return Err(Error::new(Kind::Refused, "fetch what is lost from", place)
                .because("it is a repository of its own: its chunks have other names")
                .hint("name a copy of this repository"));
        }
        let index = other.load_index().map_err(|error| monitor.trouble(&error)).ok();
        Ok(Copy { repository: other, is_same, index })
    }

    /// The pack of this name, if it is there and is what its name says.
    pub(super) fn pack(&self, pack: PackId) -> Result<Option<Vec<u8>>> {
        if !self.is_same {
            return Ok(None);
        }
        match self.repository.backend().get(&Handle::pack(pack), None) {
            Ok(bytes) => Ok(Some(bytes).filter(|bytes| blake3::hash(bytes) == pack.0)),
            Err(error) if error.kind() == Kind::Unavailable => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// Chunks of these names, as far as they are there.
    pub(super) fn chunks(&self, kind: BlobKind, ids: &[ChunkId]) -> Result<Vec<Option<Plain>>> {
        let Some(index) = &self.index else { return Ok(vec![None; ids.len()]) };
        let found = Reader::new(self.repository, index).read_all(kind, ids);
        let found = found.into_iter().map(|read| match read {
            Ok(plain) => Ok(Some(plain)),
            Err(error) if error.kind() == Kind::Unavailable => Err(error),
            Err(_) => Ok(None),
        });
        found.collect()
    }
}
