//! A cache of what takes a while to read, kept until something changes, so that no page waits for it.

use super::refusal::Refusal;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::timeout;

/// How long is waited for something that is being read.
const WAIT: Duration = Duration::from_millis(120);

/// After so long what could not be read is tried again.
const FAILURE: Duration = Duration::from_secs(10);

/// How many are kept of a kind.
const MAX_READS: usize = 8;

/// Something as far as it is known.
#[derive(Clone)]
pub struct Found<V> {
    /// None if it was never read.
    pub value: Option<V>,
    /// Whether it is being read.
    pub is_being_read: bool,
    /// Why it could not be read the last time.
    pub failure: Option<String>,
}

/// What was read, by its names.
pub struct Reads<K, V> {
    slots: Slots<K, V>,
    /// After so long something is read again, since others may have changed it.
    fresh: Duration,
    /// Tells that something was read.
    read: Arc<Notify>,
}

type Slots<K, V> = Arc<Mutex<BTreeMap<K, Slot<V>>>>;

struct Slot<V> {
    found: Found<V>,
    /// What had happened when it was read.
    after: String,
    begun: Instant,
}

impl<K: Ord + Clone + Send + 'static, V: Clone + Send + 'static> Reads<K, V> {
    /// Nothing yet.
    pub fn new(fresh: Duration) -> Self {
        Reads { slots: Arc::default(), fresh, read: Arc::default() }
    }

    /// What is known; if something has happened since, which `after` says, it is read anew.
    pub async fn get(
        &self,
        key: &K,
        after: &str,
        read: impl Future<Output = Result<V, Refusal>> + Send + 'static,
    ) -> Found<V> {
        let told = self.read.notified();
        tokio::pin!(told);
        told.as_mut().enable();
        let found = self.begin(key, after, read);
        if found.is_being_read && found.value.is_none() {
            // Most is read in a moment; where not, the page says so.
            let _ = timeout(WAIT, told).await;
            return self.slots.lock().get(key).map(|slot| slot.found.clone()).unwrap_or(found);
        }
        found
    }

    fn begin(
        &self,
        key: &K,
        after: &str,
        read: impl Future<Output = Result<V, Refusal>> + Send + 'static,
    ) -> Found<V> {
        let mut slots = self.slots.lock();
        if let Some(slot) = slots.get(key) {
            let lasts = if slot.found.failure.is_some() { FAILURE } else { self.fresh };
            let is_fresh = slot.after == after && slot.begun.elapsed() < lasts;
            if slot.found.is_being_read || is_fresh {
                return slot.found.clone();
            }
        }
        let known = slots.remove(key).and_then(|slot| slot.found.value);
        if slots.len() >= MAX_READS {
            let oldest = slots.iter().min_by_key(|(_, slot)| slot.begun);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                slots.remove(&oldest);
            }
        }
        let found = Found { value: known.clone(), is_being_read: true, failure: None };
        let slot = Slot { found: found.clone(), after: after.to_owned(), begun: Instant::now() };
        slots.insert(key.clone(), slot);
        let (slots, told, key) = (self.slots.clone(), self.read.clone(), key.clone());
        tokio::spawn(async move {
            let (value, failure) = match read.await {
                Ok(value) => (Some(value), None),
                Err(refusal) => (known, Some(refusal.reason().to_owned())),
            };
            if let Some(slot) = slots.lock().get_mut(&key) {
                slot.found = Found { value, is_being_read: false, failure };
            }
            told.notify_waiters();
        });
        found
    }
}
