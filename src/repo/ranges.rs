//! Ranges of packs that are on their way or came last, shared by all who need some of them.

use super::BlobLocation;
use super::fetch::{Answer, Fetcher};
use super::runs::Run;
use crate::error::{Kind, Result};
use crate::id::PackId;
use crate::limits::{FETCH_AHEAD, RANGES_KEPT};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, OnceLock};

/// A range that is read once for all that need it.
#[derive(Debug)]
pub(super) struct SharedRange {
    pub(super) run: Run,
    answer: Mutex<Option<Answer>>,
    bytes: OnceLock<Result<Vec<u8>, Absent>>,
}

/// Why a range did not come. If another time it may, it is not damaged.
#[derive(Clone, Debug)]
struct Absent {
    unavailable: Option<String>,
}

impl SharedRange {
    pub(super) fn new(run: Run) -> Arc<Self> {
        Arc::new(SharedRange { run, answer: Mutex::default(), bytes: OnceLock::new() })
    }

    /// One whose bytes are at hand.
    pub(super) fn of(run: Run, bytes: Vec<u8>) -> Arc<Self> {
        let range = SharedRange::new(run);
        drop(range.bytes.set(Ok(bytes)));
        range
    }

    /// Begins to read it, unless another thread has.
    pub(super) fn ask(&self, fetcher: &Fetcher) {
        let mut answer = self.answer.lock();
        if answer.is_none() && self.bytes.get().is_none() {
            *answer = Some(fetcher.ask(self.run.fetch()));
        }
    }

    /// Waits until it came; why not, if it did not.
    fn wait(&self, fetcher: &Fetcher) -> Result<(), Absent> {
        let bytes = self.bytes.get_or_init(|| {
            self.ask_unread(fetcher).map_err(|error| Absent {
                unavailable: (error.kind() == Kind::Unavailable).then(|| error.to_string()),
            })
        });
        bytes.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    fn ask_unread(&self, fetcher: &Fetcher) -> Result<Vec<u8>> {
        let answer = self.answer.lock().take();
        answer.unwrap_or_else(|| fetcher.ask(self.run.fetch())).take()
    }

    fn came(&self) -> Option<&[u8]> {
        self.bytes.get()?.as_ref().ok().map(Vec::as_slice)
    }
}

/// Ranges that were asked for last, up to [`RANGES_KEPT`] bytes; the oldest go first.
#[derive(Debug, Default)]
pub(super) struct KeptRanges {
    ranges: BTreeMap<(PackId, u32), Arc<SharedRange>>,
    order: VecDeque<(PackId, u32)>,
    bytes: u64,
}

impl KeptRanges {
    /// The range in which a blob lies.
    pub(super) fn find(&self, place: &BlobLocation) -> Option<Arc<SharedRange>> {
        let (_, range) = self.ranges.range(..=(place.pack, place.offset)).next_back()?;
        range.run.holds(place).then(|| Arc::clone(range))
    }

    pub(super) fn keep(&mut self, range: &Arc<SharedRange>) {
        let key = range.run.begin();
        self.remove(key);
        self.bytes += range.run.length();
        self.ranges.insert(key, Arc::clone(range));
        self.order.push_back(key);
        while self.bytes > RANGES_KEPT && self.order.len() > 1 {
            let Some(oldest) = self.order.pop_front() else { break };
            self.remove(oldest);
        }
    }

    fn remove(&mut self, key: (PackId, u32)) {
        if let Some(range) = self.ranges.remove(&key) {
            self.bytes = self.bytes.saturating_sub(range.run.length());
            self.order.retain(|kept| *kept != key);
        }
    }
}

/// Ranges that one reader needs together, sorted by pack and start.
pub(super) struct Ranges {
    ranges: Vec<Arc<SharedRange>>,
    /// So many were asked for.
    asked: usize,
}

impl Ranges {
    pub(super) fn new(mut ranges: Vec<Arc<SharedRange>>) -> Self {
        ranges.sort_by_key(|range| range.run.begin());
        ranges.dedup_by_key(|range| range.run.begin());
        Ranges { ranges, asked: 0 }
    }

    /// Asks for what comes after the first `taken` of them, as much as may be on its way.
    pub(super) fn ask(&mut self, fetcher: &Fetcher, taken: usize) {
        let waiting = self.ranges.get(taken..self.asked).unwrap_or_default();
        let mut bytes: u64 = waiting.iter().map(|range| range.run.length()).sum();
        while let Some(range) = self.ranges.get(self.asked) {
            bytes = bytes.saturating_add(range.run.length());
            if self.asked > taken && bytes > FETCH_AHEAD {
                break;
            }
            range.ask(fetcher);
            self.asked += 1;
        }
    }

    /// Waits for all of them: what came, and why something did not that may come another time. What
    /// did not come is asked for again by the next who needs it.
    pub(super) fn finish(
        mut self,
        fetcher: &Fetcher,
        kept: &Mutex<KeptRanges>,
    ) -> (Sealed, Option<String>) {
        for at in 0..self.ranges.len() {
            self.ask(fetcher, at);
            let Some(range) = self.ranges.get(at) else { break };
            let Err(absent) = range.wait(fetcher) else { continue };
            kept.lock().remove(range.run.begin());
            if absent.unavailable.is_some() {
                // The others would wait in vain as well, and are asked for anew when they are needed.
                let mut kept = kept.lock();
                self.ranges.iter().for_each(|range| kept.remove(range.run.begin()));
                drop(kept);
                return (Sealed(self.ranges), absent.unavailable);
            }
        }
        (Sealed(self.ranges), None)
    }
}

/// Ranges that came, sorted by pack and start.
pub(super) struct Sealed(Vec<Arc<SharedRange>>);

impl Sealed {
    /// The sealed bytes of a blob. Where there are none, the caller reads it by itself, and learns why.
    pub(super) fn get(&self, place: &BlobLocation) -> Option<&[u8]> {
        let key = (place.pack, place.offset);
        let after = self.0.partition_point(|range| range.run.begin() <= key);
        let before = self.0.get(..after)?.iter().rev();
        let mut of_pack = before.take_while(|range| range.run.begin().0 == place.pack);
        let range = of_pack.find(|range| range.run.holds(place))?;
        let start = usize::try_from(place.offset.checked_sub(range.run.begin().1)?).ok()?;
        let length = usize::try_from(place.stored).ok()?;
        range.came()?.get(start..start.checked_add(length)?)
    }
}
