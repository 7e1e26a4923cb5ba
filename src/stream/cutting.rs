//! Windows cut beside the parent's pieces, by a thread that is a window ahead of the one that stores
//! them.

use super::parent::ParentPieces;
use super::window::{Empty, Segment, Window, WindowReader};
use crate::chunk::Chunker;
use crate::chunk::reuse::{Cut, cut_window};
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::BlobKind;
use crate::id::ChunkId;
use crate::repo::{Repository, Stored};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle};

/// A chunk of a window, and what may serve as its bases, the best last.
pub(super) type CutAndBases = (Cut, Vec<ChunkId>);

/// A part of a stream, cut.
pub(super) enum CutPart {
    /// Bytes.
    Window { window: Window, cuts: Vec<CutAndBases> },
    /// So many zeros.
    Hole(u64),
}

impl CutPart {
    /// Bytes of chunks; holes have none.
    pub(super) fn length(&self) -> u64 {
        match self {
            CutPart::Hole(_) => 0,
            CutPart::Window { cuts, .. } => {
                cuts.iter().map(|(cut, _)| cut.range.len() as u64).sum()
            }
        }
    }
}

/// Cuts one stream.
pub(super) struct Cutting<'a> {
    repository: &'a Repository,
    chunker: &'a Chunker,
    old: ParentPieces<'a>,
    at: u64,
}

impl<'a> Cutting<'a> {
    pub(super) fn new(
        repository: &'a Repository,
        chunker: &'a Chunker,
        old: ParentPieces<'a>,
    ) -> Self {
        Cutting { repository, chunker, old, at: 0 }
    }

    /// A stream that is in memory.
    pub(super) fn whole(mut self, bytes: &[u8]) -> Vec<CutAndBases> {
        self.cut(bytes, true).0
    }

    /// The next part; none at the end, and none after an error.
    fn next(&mut self, windows: &mut WindowReader<'_>) -> Option<CutPart> {
        match windows.next()? {
            Segment::Hole(length) => {
                self.at = self.at.saturating_add(length);
                Some(CutPart::Hole(length))
            }
            Segment::Window(window) => {
                let (cuts, consumed) = self.cut(window.bytes(), window.is_last());
                windows.keep(window.bytes().get(consumed..).unwrap_or_default());
                Some(CutPart::Window { window, cuts })
            }
        }
    }

    /// The chunks of a window, and how many bytes they take.
    fn cut(&mut self, bytes: &[u8], last: bool) -> (Vec<CutAndBases>, usize) {
        let id_of = |bytes: &[u8]| self.repository.ids().of(BlobKind::Data, bytes);
        let old = self.old.at(self.at, bytes.len());
        let cut = cut_window(self.chunker, self.at, bytes, last, old, &id_of);
        let bases = self.old.bases(self.at, bytes, &cut.cuts, last);
        self.at += cut.consumed as u64;
        (cut.cuts.into_iter().zip(bases).collect(), cut.consumed)
    }
}

/// A stream that is being cut.
pub(super) struct CutStream<'scope> {
    parts: Receiver<CutPart>,
    stored: Sender<Vec<Stored>>,
    empty: Empty,
    thread: ScopedJoinHandle<'scope, Result<()>>,
}

impl<'scope> CutStream<'scope> {
    /// Begins to cut.
    pub(super) fn start<'env>(
        scope: &'scope Scope<'scope, 'env>,
        cutting: Cutting<'scope>,
        windows: WindowReader<'scope>,
    ) -> Result<Self> {
        // Nothing waits in the queue: while one part is being stored, the next is cut and waits.
        let (send, parts) = sync_channel(0);
        let (stored, outcomes) = channel();
        let empty = windows.empty();
        let thread = Builder::new()
            .spawn_scoped(scope, move || cut_all(cutting, windows, &send, &outcomes))
            .attempt("start a thread for", "a stream")?;
        Ok(CutStream { parts, stored, empty, thread })
    }

    /// The next part; none at the end, and none after an error.
    pub(super) fn next(&mut self) -> Option<CutPart> {
        self.parts.recv().ok()
    }

    /// A part was stored, with these outcomes: it comes before the next one is taken.
    pub(super) fn stored(&mut self, part: CutPart, outcomes: Vec<Stored>) {
        if let CutPart::Window { window, .. } = part {
            self.empty.give_back(window);
        }
        // Nobody learns of it after the end of the stream.
        self.stored.send(outcomes).unwrap_or_default();
    }

    /// Whether the stream was read to its end.
    pub(super) fn finish(self) -> Result<()> {
        drop((self.parts, self.stored, self.empty));
        self.thread.join().unwrap_or_else(|_| {
            Err(Error::new(Kind::Failed, "cut", "a stream").because("its cutter panicked"))
        })
    }
}

fn cut_all(
    mut cutting: Cutting<'_>,
    mut windows: WindowReader<'_>,
    send: &SyncSender<CutPart>,
    stored: &Receiver<Vec<Stored>>,
) -> Result<()> {
    let mut is_first = true;
    while let Some(part) = cutting.next(&mut windows) {
        if send.send(part).is_err() {
            break;
        }
        // The taker of this part has stored the one before. Each part learns from all but the one
        // before it, however fast either side is: the same stream is always stored the same way.
        if !std::mem::take(&mut is_first) {
            match stored.recv() {
                Ok(outcomes) => cutting.old.learn(&outcomes),
                Err(_) => break,
            }
        }
    }
    windows.finish()
}
