//! Content into files: many small ones at once, a large one window by window.

use crate::error::{Error, Result};
use crate::format::BlobKind;
use crate::format::content::Content;
use crate::format::directory::Node;
use crate::limits::{WINDOW, WINDOW_PIECES, WINDOWS_AHEAD};
use crate::monitor::{Counter, Monitor, go_on};
use crate::repo::{Batch, Reader};
use crate::sink::FileSink;
use crate::stream::{ContentReader, ContentWindow, Pieces, PlacedPieces, Run};
use rayon::prelude::*;
use rustix::process::{Resource, getrlimit};
use std::collections::VecDeque;

/// Files that wait for their content, or whose content is on its way.
pub(super) struct FilesInFlight<'r> {
    reader: &'r Reader<'r>,
    /// As many as are asked for together.
    together: usize,
    files: Vec<File>,
    bytes: u64,
    begun: VecDeque<Begun<'r>>,
}

struct File {
    path: String,
    node: Node,
    content: Content,
    sink: Box<dyn FileSink>,
}

/// Files whose content is on its way.
struct Begun<'r> {
    /// Each with its pieces; the chunks of all of them are in the batch, in order.
    small: Vec<(File, PlacedPieces)>,
    batch: Batch<'r, 'r>,
    large: Vec<File>,
    failed: Vec<Error>,
}

/// So many files are open at once at most, and no more than half of what the system allows.
const FILES_MOST: u64 = 512;
/// A file of so many bytes is written together with others ...
const SMALL: u64 = WINDOW as u64 / 4;
/// ... if it has no more pieces than this.
const PIECES_FEW: usize = WINDOW_PIECES / 4;

impl<'r> FilesInFlight<'r> {
    pub(super) fn new(reader: &'r Reader<'r>) -> Self {
        let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let open = usize::try_from(FILES_MOST.min(allowed / 2)).unwrap_or(0);
        let together = open / (WINDOWS_AHEAD + 1);
        FilesInFlight { reader, together, files: Vec::new(), bytes: 0, begun: VecDeque::new() }
    }

    pub(super) fn push(
        &mut self,
        path: &[u8],
        node: Node,
        content: Content,
        sink: Box<dyn FileSink>,
    ) {
        self.bytes = self.bytes.saturating_add(content.length);
        let path = String::from_utf8_lossy(path).into_owned();
        self.files.push(File { path, node, content, sink });
    }

    /// Once many wait, asks for the content of all of them, and writes those that were asked for
    /// longest ago; or writes `all` of them. The bytes of each, or why not.
    pub(super) fn write(&mut self, all: bool, monitor: &dyn Monitor) -> Vec<Result<u64>> {
        let many = self.files.len() >= self.together;
        if !(all || many || self.bytes >= WINDOW as u64) {
            return Vec::new();
        }
        let ahead = if all { 0 } else { WINDOWS_AHEAD };
        self.begin();
        let mut results = Vec::new();
        while self.begun.len() > ahead {
            let Some(begun) = self.begun.pop_front() else { break };
            results.extend(begun.finish(self.reader, monitor));
        }
        results
    }

    fn begin(&mut self) {
        if self.files.is_empty() {
            return;
        }
        self.bytes = 0;
        let files = std::mem::take(&mut self.files);
        let is_small = |file: &&File| file.content.length <= SMALL;
        let lists = files.iter().filter(is_small).filter_map(|file| file.content.list);
        let lists: Vec<_> = lists.map(|root| root.id).collect();
        // Together, into the reader's cache: otherwise each is asked for when its file's turn comes.
        drop(self.reader.read_all(BlobKind::Meta, &lists));
        let (mut small, mut large, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for file in files {
            match few_pieces(self.reader, &file) {
                Ok(Some(pieces)) => small.push((file, pieces)),
                Ok(None) => large.push(file),
                Err(error) => failed.push(error),
            }
        }
        let pieces = small.iter().flat_map(|(_, pieces)| pieces);
        let ids: Vec<_> = pieces.filter_map(|(_, piece)| piece.chunk()).collect();
        let batch = self.reader.begin(BlobKind::Data, &ids);
        self.begun.push_back(Begun { small, batch, large, failed });
    }
}

impl Begun<'_> {
    fn finish(self, reader: &Reader<'_>, monitor: &dyn Monitor) -> Vec<Result<u64>> {
        let mut results: Vec<_> = self.failed.into_iter().map(Err).collect();
        results.extend(write_small(self.small, self.batch, monitor));
        results.extend(self.large.into_iter().map(|file| write_large(reader, file, monitor)));
        results
    }
}

fn write_small(
    files: Vec<(File, PlacedPieces)>,
    batch: Batch<'_, '_>,
    monitor: &dyn Monitor,
) -> Vec<Result<u64>> {
    let mut plains = batch.finish().into_iter();
    let jobs: Vec<_> = files
        .into_iter()
        .map(|(file, pieces)| {
            let chunks = pieces.iter().filter(|(_, piece)| piece.chunk().is_some()).count();
            let plains = plains.by_ref().take(chunks).collect();
            (file, ContentWindow { pieces, plains })
        })
        .collect();
    jobs.into_par_iter()
        .map(|(file, window)| {
            write_window(&file, window)?;
            monitor.count(Counter::Bytes, file.content.length);
            finish(file, monitor)
        })
        .collect()
}

/// The pieces of a file that is small and has no more of them than small files have.
fn few_pieces(reader: &Reader<'_>, file: &File) -> Result<Option<PlacedPieces>> {
    if file.content.length > SMALL {
        return Ok(None);
    }
    let mut pieces = Pieces::new(reader, &file.content, &file.path)?;
    let mut all = Vec::new();
    while let Some(piece) = pieces.next_piece()? {
        if all.len() == PIECES_FEW {
            return Ok(None);
        }
        all.push(piece);
    }
    Ok(Some(all))
}

/// While one window is written, the next one is decoded.
fn write_large(reader: &Reader<'_>, file: File, monitor: &dyn Monitor) -> Result<u64> {
    let mut windows = ContentReader::new(reader, &file.content, &file.path)?;
    let mut ready = windows.next_window()?;
    while let Some(window) = ready {
        go_on(monitor, "restore")?;
        let length: u64 = window.pieces.iter().map(|(_, piece)| piece.length()).sum();
        let (written, next) = rayon::join(|| write_window(&file, window), || windows.next_window());
        written?;
        monitor.count(Counter::Bytes, length);
        ready = next?;
    }
    finish(file, monitor)
}

/// Writes what is no hole.
fn write_window(file: &File, window: ContentWindow) -> Result<()> {
    for run in window.runs(&file.path) {
        let run = run.map_err(|error| error.within("restore", &file.path))?;
        if let Run::Chunk { at, plain, .. } = run {
            file.sink.write_at(at, &plain)?;
        }
    }
    Ok(())
}

fn finish(file: File, monitor: &dyn Monitor) -> Result<u64> {
    file.sink.finish(&file.node)?;
    monitor.restored(file.path.as_bytes(), file.content.length);
    Ok(file.content.length)
}
