//! A look ahead at the sources of a backup, on a thread of its own: how much there will be to do.

use super::counts::Total;
use super::progress::Progress;
use crate::source::{Item, Source};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Runs `work` and looks at the same sources meanwhile; what they come to is told to `progress`. No
/// sources: nothing can be known of them before they are read.
pub fn ahead<T>(
    progress: &Progress,
    sources: Option<Vec<Box<dyn Source>>>,
    work: impl FnOnce() -> T,
) -> T {
    let Some(sources) = sources.filter(|_| progress.shows()) else { return work() };
    let over = AtomicBool::new(false);
    let look = || {
        if let Some(total) = total(sources, &over) {
            progress.expect(total);
        }
    };
    thread::scope(|scope| {
        // Where there is no thread for it, the progress has no end to show.
        let looking = thread::Builder::new().spawn_scoped(scope, look);
        let done = work();
        over.store(true, Ordering::Relaxed);
        drop(looking);
        done
    })
}

/// What the sources come to; nothing if that is unknown, or no longer of use. What is wrong with
/// them is for the backup to say.
fn total(sources: Vec<Box<dyn Source>>, over: &AtomicBool) -> Option<Total> {
    let (mut items, mut bytes) = (0, 0_u64);
    for mut source in sources {
        while let Some(item) = source.next().ok()? {
            match item {
                Item::File(file) => {
                    items += 1;
                    bytes = bytes.saturating_add(file.length?);
                }
                Item::Other(_) => items += 1,
                Item::Enter(_) | Item::HoldOpen | Item::Leave | Item::Failed(_) => {}
            }
            if over.load(Ordering::Relaxed) {
                return None;
            }
        }
    }
    Some(Total { items: Some(items), bytes: Some(bytes) })
}
