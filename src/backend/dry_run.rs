//! A backend that discards writes, so that an operation can be tried out (`--dry-run`).

use super::{Backend, Bytes, Handle, Put};
use crate::error::{Kind, Result};

/// A backend that reads from another one and changes nothing there. What was put is gone: it
/// can be neither read nor listed.
#[derive(Debug)]
pub struct DryRun<B> {
    inner: B,
}

impl<B: Backend> DryRun<B> {
    /// Shields `inner` from change.
    pub fn new(inner: B) -> Self {
        DryRun { inner }
    }
}

impl<B: Backend> Backend for DryRun<B> {
    forward!([inner] describe capabilities get size list_pages retained);

    fn put_shared(&self, handle: &Handle, _: Bytes) -> Result<Put> {
        match self.inner.size(handle) {
            Ok(_) => Ok(Put::Exists),
            Err(error) if error.kind() == Kind::NotFound => Ok(Put::Created),
            Err(error) => Err(error),
        }
    }

    fn delete_all(&self, _: &[Handle]) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::Memory;
    use crate::format::ObjectKind;
    use crate::id::SnapshotId;
    use std::sync::Arc;

    /// Nothing that is put or deleted reaches the store, and what stands there is seen.
    #[test]
    fn changes_nothing() {
        let store = Arc::new(Memory::new());
        let (old, new) = (Handle::writer(SnapshotId([1; 16])), Handle::writer(SnapshotId([2; 16])));
        store.put_new(&old, b"old").unwrap();
        let dry = DryRun::new(store.clone());
        assert_eq!(dry.put_new(&new, b"new").unwrap(), Put::Created);
        assert_eq!(dry.put_new(&old, b"new").unwrap(), Put::Exists);
        dry.delete(&old).unwrap();
        assert_eq!(dry.get(&old, None).unwrap(), b"old");
        assert_eq!(store.list(ObjectKind::Writer).unwrap().len(), 1);
    }
}
