//! Sends finished packs while the next ones are being put together: one at a time, in order.

use crate::backend::{Backend, Bytes, Handle, Put};
use crate::error::{Attempt, Error, Kind, Result};
use crate::id::PackId;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

/// A thread that uploads. After an error it takes nothing more: the session is poisoned.
pub(super) struct Uploader {
    queue: Option<SyncSender<(PackId, Vec<u8>)>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Uploader {
    pub(super) fn start(backend: Arc<dyn Backend>) -> Result<Self> {
        // Nothing waits in the queue: at most one pack is on its way and one waits for it.
        let (queue, packs) = sync_channel(0);
        let upload = move || upload_all(&*backend, &packs);
        let thread = Builder::new().spawn(upload).attempt("start a thread for", "uploads")?;
        Ok(Uploader { queue: Some(queue), thread: Some(thread) })
    }

    /// Hands a pack over; waits while an earlier one is on its way.
    ///
    /// # Errors
    /// That of an earlier pack.
    pub(super) fn send(&mut self, id: PackId, bytes: Vec<u8>) -> Result<()> {
        let sent = self.queue.as_ref().map(|queue| queue.send((id, bytes)));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(self.finish().err().unwrap_or_else(stopped)),
        }
    }

    /// Waits until everything is durable.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.queue = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            _ => Err(stopped()),
        }
    }
}

impl Drop for Uploader {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // The error, if any, was of no use to a session that is being given up.
            drop(thread.join());
        }
    }
}

fn stopped() -> Error {
    Error::new(Kind::Failed, "upload packs", "").because("an earlier upload failed")
}

fn upload_all(backend: &dyn Backend, packs: &Receiver<(PackId, Vec<u8>)>) -> Result<()> {
    for (id, bytes) in packs {
        let (handle, bytes) = (Handle::pack(id), Bytes::from(bytes));
        if backend.put_shared(&handle, bytes.clone())? == Put::Exists {
            compare(backend, &handle, &bytes)?;
        }
    }
    Ok(())
}

/// Where the store says "exists", it must be these very bytes: an answer may have been lost.
fn compare(backend: &dyn Backend, handle: &Handle, bytes: &[u8]) -> Result<()> {
    let stored = backend.get(handle, None)?;
    if stored == bytes {
        return Ok(());
    }
    Err(Error::damaged("store", handle, "other bytes stand under its name")
        .hint("run `icecore check`; the next backup stores this data again"))
}
