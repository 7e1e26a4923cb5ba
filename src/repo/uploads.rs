//! Packs on their way to the store: each is closed, proved and uploaded by a thread of its own,
//! while others are being put together; where the store wants none beside another, by the thread that made it.

use super::pack::{ClosedPack, IndexedPack, OpenPack};
use super::put_same;
use crate::backend::{Backend, Bytes, Handle};
use crate::error::{Attempt, Error, Kind, Result};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

/// Uploads that are under way, and what became of the others.
pub(super) struct Uploads {
    backend: Arc<dyn Backend>,
    /// So many at once, as is best for the store.
    connections: usize,
    /// By number, in the order of their start.
    under_way: BTreeMap<u64, Upload>,
    done: BTreeMap<u64, IndexedPack>,
    started: u64,
    ends: (Sender<u64>, Receiver<u64>),
}

struct Upload {
    bytes: usize,
    thread: JoinHandle<Result<IndexedPack>>,
}

impl Uploads {
    pub(super) fn new(backend: Arc<dyn Backend>) -> Self {
        Uploads {
            connections: backend.capabilities().connections,
            backend,
            under_way: BTreeMap::new(),
            done: BTreeMap::new(),
            started: 0,
            ends: channel(),
        }
    }

    /// Bytes of the packs that are under way.
    pub(super) fn bytes(&self) -> usize {
        self.under_way.values().map(|upload| upload.bytes).sum()
    }

    /// Packs that were taken and not given out yet.
    pub(super) fn packs(&self) -> usize {
        self.under_way.len() + self.done.len()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Takes a pack; waits for another to arrive if there are as many as the store serves at once.
    ///
    /// # Errors
    /// That of an earlier pack.
    pub(super) fn start(&mut self, pack: OpenPack) -> Result<()> {
        while let Ok(number) = self.ends.1.try_recv() {
            self.end(number)?;
        }
        if self.connections == 0 {
            self.done.insert(self.started, upload(&*self.backend, pack)?);
            self.started += 1;
            return Ok(());
        }
        while self.under_way.len() >= self.connections {
            self.wait()?;
        }
        let (backend, bytes) = (self.backend.clone(), pack.len());
        let end = End { number: self.started, ends: self.ends.0.clone() };
        let upload = move || {
            let _told_when_dropped = end;
            upload(&*backend, pack)
        };
        let thread = Builder::new().spawn(upload).attempt("start a thread for", "uploads")?;
        self.under_way.insert(self.started, Upload { bytes, thread });
        self.started += 1;
        Ok(())
    }

    /// Waits for any one of those under way.
    ///
    /// # Errors
    /// What stopped it.
    pub(super) fn wait(&mut self) -> Result<()> {
        if self.is_idle() {
            return Ok(());
        }
        let number = self.ends.1.recv().map_err(|_| stopped())?;
        self.end(number)
    }

    /// Waits until everything is durable; the packs in the order in which they were taken.
    pub(super) fn finish(&mut self) -> Result<Vec<IndexedPack>> {
        while !self.is_idle() {
            self.wait()?;
        }
        Ok(std::mem::take(&mut self.done).into_values().collect())
    }

    fn end(&mut self, number: u64) -> Result<()> {
        let Some(upload) = self.under_way.remove(&number) else { return Ok(()) };
        let contents = upload.thread.join().unwrap_or_else(|_| Err(stopped()))?;
        self.done.insert(number, contents);
        Ok(())
    }
}

impl Drop for Uploads {
    fn drop(&mut self) {
        for upload in std::mem::take(&mut self.under_way).into_values() {
            // The error, if any, was of no use to a writer that is being given up.
            drop(upload.thread.join());
        }
    }
}

/// Tells, when it is dropped, that an upload has ended, well or not.
struct End {
    number: u64,
    ends: Sender<u64>,
}

impl Drop for End {
    fn drop(&mut self) {
        // Nobody listens any more if the writer was given up.
        self.ends.send(self.number).unwrap_or_default();
    }
}

fn stopped() -> Error {
    Error::new(Kind::Failed, "upload packs", "").because("an upload stopped without a word")
}

fn upload(backend: &dyn Backend, pack: OpenPack) -> Result<IndexedPack> {
    let ClosedPack { bytes, contents } = pack.close()?;
    let handle = Handle::pack(contents.pack.id);
    if put_same(backend, &handle, Bytes::from(bytes))? {
        return Ok(contents);
    }
    Err(Error::damaged("store", handle, "other bytes stand under its name")
        .hint("run `icecore check`; the next backup stores this data again"))
}
