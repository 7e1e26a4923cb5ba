//! Requests that do not wait for each other, made at once where a store is far away.

use crate::backend::Backend;
use crate::error::{Error, Kind, Result};
use std::thread;

/// Does both; at once where the store takes its time to answer, else the first first. Neither may
/// have to come before the other.
pub(super) fn both<A: Send, B>(
    store: &dyn Backend,
    first: impl FnOnce() -> Result<A> + Send,
    second: impl FnOnce() -> Result<B>,
) -> Result<(A, B)> {
    if !store.capabilities().far {
        return Ok((first()?, second()?));
    }
    thread::scope(|scope| {
        let first = scope.spawn(first);
        let second = second();
        let first = first.join().unwrap_or_else(|_| Err(stopped()));
        Ok((first?, second?))
    })
}

/// Asks for each of these, as many at once as the store bears if it is far away; the answers in order.
pub(super) fn each<T: Copy + Send + Sync, A: Send>(
    store: &dyn Backend,
    wanted: &[T],
    ask: impl Fn(T) -> Result<A> + Sync,
) -> Vec<Result<A>> {
    let capabilities = store.capabilities();
    if !capabilities.far {
        return wanted.iter().map(|one| ask(*one)).collect();
    }
    let mut answers = Vec::with_capacity(wanted.len());
    for part in wanted.chunks(capabilities.connections.max(1)) {
        answers.extend(thread::scope(|scope| {
            let ask = |one: &T| {
                let (ask, one) = (&ask, *one);
                scope.spawn(move || ask(one))
            };
            let asked: Vec<_> = part.iter().map(ask).collect();
            let joined = asked.into_iter().map(|asked| asked.join());
            joined.map(|answer| answer.unwrap_or_else(|_| Err(stopped()))).collect::<Vec<_>>()
        }));
    }
    answers
}

fn stopped() -> Error {
    Error::new(Kind::Failed, "read from", "the store").because("a thread ended early")
}
