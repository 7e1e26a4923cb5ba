//! A stream's bytes as windows, filled by a thread of their own while others are being cut.

use crate::error::{Attempt, Error, Kind, Result};
use crate::limits::WINDOW;
use crate::source::{ByteStream, Got};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};

/// A run of a stream's bytes. Room before them takes what the window before left over.
pub(super) struct Window {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    last: bool,
}

impl Window {
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Whether the stream, or the run before a hole, ends with it.
    pub(super) fn is_last(&self) -> bool {
        self.last
    }
}

/// A part of a stream.
pub(super) enum Segment {
    /// Bytes.
    Window(Window),
    /// So many zeros.
    Hole(u64),
}

/// Windows that are filled, being filled, and empty.
pub(super) struct WindowReader<'scope> {
    filled: Receiver<Segment>,
    empty: SyncSender<Vec<u8>>,
    rest: Vec<u8>,
    thread: ScopedJoinHandle<'scope, Result<()>>,
}

impl<'scope> WindowReader<'scope> {
    /// Starts to read; what is left over of a window never exceeds `room`.
    pub(super) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        stream: &'scope mut dyn ByteStream,
        room: usize,
    ) -> Result<Self> {
        let (send, filled) = sync_channel(1);
        let (empty, take) = sync_channel(4);
        let room = room.saturating_add(1);
        let thread = Builder::new()
            .spawn_scoped(scope, move || read(stream, room, &send, &take))
            .attempt("start a thread for", "a stream")?;
        Ok(WindowReader { filled, empty, rest: Vec::new(), thread })
    }

    /// The next part; none at the end, and none after an error.
    pub(super) fn next(&mut self) -> Option<Segment> {
        match self.filled.recv().ok()? {
            Segment::Hole(length) => Some(Segment::Hole(length)),
            Segment::Window(mut window) => {
                window.start -= self.rest.len();
                let front = window.start..window.start + self.rest.len();
                if let Some(front) = window.buffer.get_mut(front) {
                    front.copy_from_slice(&self.rest);
                }
                self.rest.clear();
                Some(Segment::Window(window))
            }
        }
    }

    /// Bytes that come again at the start of the next window.
    pub(super) fn keep(&mut self, rest: &[u8]) {
        self.rest.extend_from_slice(rest);
    }

    /// Where windows go that were used up.
    pub(super) fn empty(&self) -> Empty {
        Empty(self.empty.clone())
    }

    /// Whether the stream was read to its end.
    pub(super) fn finish(self) -> Result<()> {
        drop((self.filled, self.empty));
        self.thread.join().unwrap_or_else(|_| {
            Err(Error::new(Kind::Failed, "read", "a stream").because("its reader panicked"))
        })
    }
}

/// Takes windows that were used up, which are filled again.
pub(super) struct Empty(SyncSender<Vec<u8>>);

impl Empty {
    pub(super) fn give_back(&self, window: Window) {
        // A full channel just drops it.
        drop(self.0.try_send(window.buffer));
    }
}

fn read(
    stream: &mut dyn ByteStream,
    room: usize,
    send: &SyncSender<Segment>,
    empty: &Receiver<Vec<u8>>,
) -> Result<()> {
    loop {
        let mut buffer = empty.try_recv().unwrap_or_default();
        buffer.resize(room + WINDOW, 0);
        let mut end = room;
        let stop = fill(stream, &mut buffer, &mut end)?;
        let last = stop.is_some();
        if end > room || last {
            let window = Window { buffer, start: room, end, last };
            if send.send(Segment::Window(window)).is_err() {
                return Ok(());
            }
        }
        match stop {
            Some(Got::Hole(length)) if send.send(Segment::Hole(length)).is_ok() => {}
            Some(_) => return Ok(()),
            None => {}
        }
    }
}

/// Reads until the buffer is full, or a hole or the end stops it.
fn fill(stream: &mut dyn ByteStream, buffer: &mut [u8], end: &mut usize) -> Result<Option<Got>> {
    while let Some(room) = buffer.get_mut(*end..).filter(|room| !room.is_empty()) {
        match stream.read(room)? {
            Got::Data(length) => *end += length,
            stop => return Ok(Some(stop)),
        }
    }
    Ok(None)
}
