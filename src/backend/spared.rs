//! Keeps what another store has from being deleted.

use super::{Backend, Handle};
use crate::error::{Error, Kind, Result};
use std::collections::HashSet;

/// A backend that denies to delete what stands elsewhere, too.
#[derive(Debug)]
pub struct Spared<B> {
    inner: B,
    spared: HashSet<Handle>,
}

impl<B: Backend> Spared<B> {
    /// These objects of `inner` stay.
    pub fn new(inner: B, spared: HashSet<Handle>) -> Self {
        Spared { inner, spared }
    }
}

impl<B: Backend> Backend for Spared<B> {
    forward!([inner] describe capabilities put_shared get size list_pages retained retain);

    fn delete_all(&self, handles: &[Handle]) -> Result<()> {
        let (spared, rest): (Vec<&Handle>, Vec<&Handle>) =
            handles.iter().partition(|handle| self.spared.contains(handle));
        let rest: Vec<Handle> = rest.into_iter().cloned().collect();
        let deleted = self.inner.delete_all(&rest);
        deleted.and(spared.first().map_or(Ok(()), |first| {
            Err(Error::new(Kind::Denied, "delete", first).because("it stands elsewhere, too"))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Memory;
    use crate::id::SnapshotId;

    /// What is spared stays, which is said; what is to be deleted with it goes.
    #[test]
    fn only_the_rest_is_deleted() {
        let (kept, other) =
            (Handle::writer(SnapshotId([1; 16])), Handle::writer(SnapshotId([2; 16])));
        let store = Spared::new(Memory::new(), HashSet::from([kept.clone()]));
        for handle in [&kept, &other] {
            store.put_new(handle, b"here").unwrap();
        }
        let denied = store.delete_all(&[kept.clone(), other.clone()]).unwrap_err();
        assert_eq!(denied.kind(), Kind::Denied);
        assert_eq!(store.get(&kept, None).unwrap(), b"here");
        assert_eq!(store.size(&other).unwrap_err().kind(), Kind::NotFound);
    }
}
