//! A store in which something happens just before one of its calls.

use icecore::backend::Backend;
use icecore::forward;
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
    forward!([store] describe capabilities);
    forward!([call()] put_shared get size list_pages delete_all);
}
