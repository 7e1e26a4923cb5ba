//! A source walked on a thread of its own, some items ahead of the thread that stores them.

use crate::error::{Attempt, Error, Kind, Result};
use crate::source::{Item, Source};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};

/// Items that travel together.
const TOGETHER: usize = 128;
/// Such loads that may wait.
const LOADS: usize = 4;

/// The items of a source, in order.
pub(super) struct Prefetch<'scope> {
    loads: Receiver<Vec<Item>>,
    load: std::vec::IntoIter<Item>,
    thread: ScopedJoinHandle<'scope, Result<Box<dyn Source>>>,
}

impl<'scope> Prefetch<'scope> {
    /// Begins to walk; an end before the last item is noticed by the walk.
    pub(super) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        source: Box<dyn Source>,
    ) -> Result<Self> {
        let (send, loads) = sync_channel(LOADS);
        let thread = Builder::new()
            .spawn_scoped(scope, move || walk(source, &send))
            .attempt("start a thread for", "a source")?;
        Ok(Prefetch { loads, load: Vec::new().into_iter(), thread })
    }

    /// The next item; none after the last, nor after an error.
    pub(super) fn next(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.load.next() {
                return Some(item);
            }
            self.load = self.loads.recv().ok()?.into_iter();
        }
    }

    /// The source, whose items were all given, or what stopped it.
    pub(super) fn finish(self) -> Result<Box<dyn Source>> {
        drop(self.loads);
        self.thread.join().unwrap_or_else(|_| {
            Err(Error::new(Kind::Failed, "walk", "a source").because("its walk panicked"))
        })
    }
}

fn walk(mut source: Box<dyn Source>, send: &SyncSender<Vec<Item>>) -> Result<Box<dyn Source>> {
    loop {
        let mut load = Vec::with_capacity(TOGETHER);
        while load.len() < TOGETHER
            && let Some(item) = source.next()?
        {
            load.push(item);
        }
        if load.is_empty() || send.send(load).is_err() {
            return Ok(source);
        }
    }
}
