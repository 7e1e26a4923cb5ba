//! A store whose listings are shown as a test wants them.

use icecore::backend::{Backend, Bytes, Capabilities, Handle, Listed, Memory, Put, Visit};
use icecore::error::{Error, Kind, Result};
use icecore::format::ObjectKind;
use icecore::forward;
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
    forward!([inner] get size delete_all);

    fn describe(&self) -> String {
        "a lens".into()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { list_after_write: false, ..self.inner.capabilities() }
    }

    fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        match self.read_only.load(Ordering::SeqCst) {
            true => Err(Error::new(Kind::Denied, "create", handle).because("it is read-only")),
            false => self.inner.put_shared(handle, bytes),
        }
    }

    fn list_pages(&self, kind: ObjectKind, prefix: &str, visit: &mut Visit<'_>) -> Result<()> {
        self.inner.list_pages(kind, prefix, &mut |page| visit((self.show)(kind, page)))
    }
}
