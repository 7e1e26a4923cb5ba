//! Several calls at once to a store that is far away, where each of them waits for an answer.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does the same with each, with at most so many at once; the results are in the same order.
pub(super) fn several<T: Sync, R: Send>(
    all: &[T],
    at_once: usize,
    act: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    if at_once.min(all.len()) <= 1 {
        return all.iter().map(act).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(one) = all.get(at) else { return done };
            done.push((at, act(one)));
        }
    };
    let mut done: Vec<(usize, R)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once.min(all.len())).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter().map(thread::ScopedJoinHandle::join);
        joined.flat_map(|results| results.unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each is done once, never more at once than allowed, and the results keep their order.
    #[test]
    fn each_is_done_once_and_in_order() {
        let all: Vec<usize> = (0..100).collect();
        for at_once in [0, 1, 3, 1000] {
            let (busy, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let done = several(&all, at_once, |one| {
                most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::yield_now();
                busy.fetch_sub(1, Ordering::SeqCst);
                one * 2
            });
            assert_eq!(done, all.iter().map(|one| one * 2).collect::<Vec<_>>());
            assert!(most.into_inner() <= at_once.max(1));
        }
    }
}
