//! A store in which something happens just before one of its calls.

use icecore::backend::{Backend, Bytes, Capabilities, Handle, Put, Visit};
use icecore::error::Result;
use icecore::format::ObjectKind;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// See above: `happens` comes before the call numbered `at`, counted from 0 over all verbs.
pub struct Meanwhile {
    store: Arc<dyn Backend>,
    at: u64,
    calls: AtomicU64,
    happens: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Meanwhile {
    pub fn new(
        store: &Arc<dyn Backend>,
        at: u64,
        happens: impl FnOnce() + Send + 'static,
    ) -> Arc<Self> {
        let happens = Mutex::new(Some(Box::new(happens) as Box<_>));
        Arc::new(Meanwhile { store: store.clone(), at, calls: AtomicU64::new(0), happens })
    }

    fn call(&self) -> &dyn Backend {
        if self.calls.fetch_add(1, Ordering::SeqCst) == self.at {
            let happens = self.happens.lock().unwrap().take();
            happens.unwrap()();
        }
        &*self.store
    }

    /// Calls so far.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    pub fn has_happened(&self) -> bool {
        self.happens.lock().unwrap().is_none()
    }
}

impl Backend for Meanwhile {
    fn describe(&self) -> String {
        self.store.describe()
    }

    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        self.call().put_shared(handle, bytes)
    }

    fn get(&self, handle: &Handle, range: Option<Range<u64>>) -> Result<Vec<u8>> {
        self.call().get(handle, range)
    }

    fn size(&self, handle: &Handle) -> Result<u64> {
        self.call().size(handle)
    }

    fn list_pages(&self, kind: ObjectKind, prefix: &str, visit: &mut Visit<'_>) -> Result<()> {
        self.call().list_pages(kind, prefix, visit)
    }

    fn delete_all(&self, handles: &[Handle]) -> Result<()> {
        self.call().delete_all(handles)
    }
}
