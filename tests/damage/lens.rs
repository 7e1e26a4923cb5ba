//! A store whose listings are shown as a test wants them.

use icecore::backend::{Backend, Handle, Listed, Memory, Put, Traits};
use icecore::error::{Error, Kind, Result};
use icecore::format::ObjectKind;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What becomes of a listing.
pub type Show = dyn Fn(ObjectKind, Vec<Listed>) -> Vec<Listed> + Send + Sync;

pub struct Lens {
    inner: Arc<Memory>,
    show: Box<Show>,
    /// Whether writing is denied.
    pub read_only: AtomicBool,
}

impl Lens {
    pub fn new(
        inner: Arc<Memory>,
        show: impl Fn(ObjectKind, Vec<Listed>) -> Vec<Listed> + Send + Sync + 'static,
    ) -> Self {
        Lens { inner, show: Box::new(show), read_only: AtomicBool::new(false) }
    }
}

impl Backend for Lens {
    fn describe(&self) -> String {
        "a lens".into()
    }

    fn traits(&self) -> Traits {
        Traits { listing_after_write: false, ..self.inner.traits() }
    }

    fn put_new(&self, handle: &Handle, bytes: &[u8]) -> Result<Put> {
        match self.read_only.load(Ordering::SeqCst) {
            true => Err(Error::new(Kind::Denied, "create", handle).because("it is read-only")),
            false => self.inner.put_new(handle, bytes),
        }
    }

    fn get(&self, handle: &Handle, range: Option<Range<u64>>) -> Result<Vec<u8>> {
        self.inner.get(handle, range)
    }

    fn size(&self, handle: &Handle) -> Result<u64> {
        self.inner.size(handle)
    }

    fn list(&self, kind: ObjectKind) -> Result<Vec<Listed>> {
        Ok((self.show)(kind, self.inner.list(kind)?))
    }

    fn delete(&self, handle: &Handle) -> Result<()> {
        self.inner.delete(handle)
    }
}
