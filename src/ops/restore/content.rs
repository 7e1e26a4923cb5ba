//! Content into files: many small ones at once, a large one window by window.

use super::super::dump::next_batch;
use crate::error::{Error, Result};
use crate::format::list::{Content, Piece};
use crate::format::node::Node;
use crate::limits::WINDOW;
use crate::monitor::{Counter, Monitor, go_on};
use crate::repo::{Plain, Reader};
use crate::stream::Pieces;
use crate::target::files::FileSink;
use rayon::prelude::*;

/// Files that wait for their content.
#[derive(Default)]
pub(super) struct Contents {
    files: Vec<File>,
    bytes: u64,
}

struct File {
    path: String,
    node: Node,
    content: Content,
    sink: FileSink,
}

/// So many files are written at once at most.
const FILES_MOST: usize = 256;

impl Contents {
    pub(super) fn push(&mut self, path: &[u8], node: Node, content: Content, sink: FileSink) {
        self.bytes = self.bytes.saturating_add(content.length);
        let path = String::from_utf8_lossy(path).into_owned();
        self.files.push(File { path, node, content, sink });
    }

    pub(super) fn is_full(&self) -> bool {
        self.files.len() >= FILES_MOST || self.bytes >= WINDOW as u64
    }

    /// Writes all of them; the bytes of each, or why not.
    pub(super) fn write(self, reader: &Reader<'_>, monitor: &dyn Monitor) -> Vec<Result<u64>> {
        let (small, large): (Vec<File>, Vec<File>) =
            self.files.into_iter().partition(|file| file.content.length <= WINDOW as u64 / 4);
        let mut results = write_small(reader, small, monitor);
        results.extend(large.into_iter().map(|file| write_large(reader, file, monitor)));
        results
    }
}

type Pairs = Vec<(u64, Piece)>;
type Plains = Vec<Result<Plain>>;

fn write_small(reader: &Reader<'_>, files: Vec<File>, monitor: &dyn Monitor) -> Vec<Result<u64>> {
    let pieces: Vec<Result<Pairs>> =
        files.iter().map(|file| all_pieces(reader, &file.content, &file.path)).collect();
    let ids: Vec<_> =
        pieces.iter().flatten().flatten().filter_map(|(_, piece)| piece.chunk()).collect();
    let mut plains = reader.read_all(&ids).into_iter();
    let jobs: Vec<_> = files
        .into_iter()
        .zip(pieces)
        .map(|(file, pieces)| {
            let chunks = pieces.as_ref().map_or(0, |pieces| {
                pieces.iter().filter(|(_, piece)| piece.chunk().is_some()).count()
            });
            (file, pieces, plains.by_ref().take(chunks).collect::<Vec<_>>())
        })
        .collect();
    jobs.into_par_iter()
        .map(|(file, pieces, plains)| {
            write_batch(&file, pieces?, plains)?;
            monitor.count(Counter::Bytes, file.content.length);
            finish(file)
        })
        .collect()
}

fn all_pieces(reader: &Reader<'_>, content: &Content, path: &str) -> Result<Pairs> {
    let mut pieces = Pieces::new(reader, content, path)?;
    let mut all = Vec::new();
    while let Some(piece) = pieces.next_piece()? {
        all.push(piece);
    }
    Ok(all)
}

/// While one window is written, the next one is read.
fn write_large(reader: &Reader<'_>, file: File, monitor: &dyn Monitor) -> Result<u64> {
    let mut pieces = Pieces::new(reader, &file.content, &file.path)?;
    let mut read = || -> Result<(Pairs, Plains)> {
        let batch = next_batch(&mut pieces)?;
        let ids: Vec<_> = batch.iter().filter_map(|(_, piece)| piece.chunk()).collect();
        let plains = reader.read_all(&ids);
        Ok((batch, plains))
    };
    let mut ready = read()?;
    while !ready.0.is_empty() {
        go_on(monitor, "restore")?;
        let (batch, plains) = ready;
        let length: u64 = batch.iter().map(|(_, piece)| piece.length()).sum();
        let (written, next) = rayon::join(|| write_batch(&file, batch, plains), &mut read);
        written?;
        monitor.count(Counter::Bytes, length);
        ready = next?;
    }
    finish(file)
}

fn write_batch(file: &File, batch: Pairs, plains: Plains) -> Result<()> {
    let chunks = batch.into_iter().filter(|(_, piece)| piece.chunk().is_some());
    for ((at, piece), plain) in chunks.zip(plains) {
        let plain = plain.map_err(|error| error.within("restore", &file.path))?;
        if plain.len() as u64 != piece.length() {
            let reason = "a chunk has another length than its list says";
            return Err(Error::damaged("restore", &file.path, reason));
        }
        file.sink.write_at(at, &plain)?;
    }
    Ok(())
}

fn finish(file: File) -> Result<u64> {
    file.sink.finish(&file.node)?;
    Ok(file.content.length)
}
