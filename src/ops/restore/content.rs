//! Content into files: many small ones at once, a large one window by window.

use crate::error::Result;
use crate::format::list::{Content, Piece};
use crate::format::node::Node;
use crate::limits::{WINDOW, WINDOW_PIECES};
use crate::monitor::{Counter, Monitor, go_on};
use crate::repo::Reader;
use crate::sink::FileSink;
use crate::stream::{ContentReader, Pieces, Run, Runs, runs};
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
    sink: Box<dyn FileSink>,
}

/// So many files are written at once at most.
const FILES_MOST: usize = 256;
/// A file of so many bytes is written together with others ...
const SMALL: u64 = WINDOW as u64 / 4;
/// ... if it has no more pieces than this.
const PIECES_FEW: usize = WINDOW_PIECES / 4;

impl Contents {
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

    pub(super) fn is_full(&self) -> bool {
        self.files.len() >= FILES_MOST || self.bytes >= WINDOW as u64
    }

    /// Writes all of them; the bytes of each, or why not.
    pub(super) fn write(self, reader: &Reader<'_>, monitor: &dyn Monitor) -> Vec<Result<u64>> {
        let (mut small, mut large, mut results) = (Vec::new(), Vec::new(), Vec::new());
        for file in self.files {
            match few_pieces(reader, &file) {
                Ok(Some(pieces)) => small.push((file, pieces)),
                Ok(None) => large.push(file),
                Err(error) => results.push(Err(error)),
            }
        }
        results.extend(write_small(reader, small, monitor));
        results.extend(large.into_iter().map(|file| write_large(reader, file, monitor)));
        results
    }
}

type Pairs = Vec<(u64, Piece)>;

fn write_small(
    reader: &Reader<'_>,
    files: Vec<(File, Pairs)>,
    monitor: &dyn Monitor,
) -> Vec<Result<u64>> {
    let ids: Vec<_> = files
        .iter()
        .flat_map(|(_, pieces)| pieces)
        .filter_map(|(_, piece)| piece.chunk())
        .collect();
    let mut plains = reader.read_all(&ids).into_iter();
    let jobs: Vec<_> = files
        .into_iter()
        .map(|(file, pieces)| {
            let chunks = pieces.iter().filter(|(_, piece)| piece.chunk().is_some()).count();
            (file, pieces, plains.by_ref().take(chunks).collect::<Vec<_>>())
        })
        .collect();
    jobs.into_par_iter()
        .map(|(file, pieces, plains)| {
            write_runs(&file, runs(pieces, &mut plains.into_iter(), &file.path))?;
            monitor.count(Counter::Bytes, file.content.length);
            finish(file, monitor)
        })
        .collect()
}

/// The pieces of a file that is small and has no more of them than small files have.
fn few_pieces(reader: &Reader<'_>, file: &File) -> Result<Option<Pairs>> {
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

/// While one window is written, the next one is read.
fn write_large(reader: &Reader<'_>, file: File, monitor: &dyn Monitor) -> Result<u64> {
    let mut content = ContentReader::new(reader, &file.content, &file.path)?;
    let mut ready = content.next_runs()?;
    while !ready.is_empty() {
        go_on(monitor, "restore")?;
        let (written, next) = rayon::join(|| write_runs(&file, ready), || content.next_runs());
        monitor.count(Counter::Bytes, written?);
        ready = next?;
    }
    finish(file, monitor)
}

/// Writes what is no hole; how many bytes all of it stands for.
fn write_runs(file: &File, runs: Runs) -> Result<u64> {
    let mut length = 0;
    for run in runs {
        let run = run.map_err(|error| error.within("restore", &file.path))?;
        length += run.length();
        if let Run::Chunk { at, plain, .. } = run {
            file.sink.write_at(at, &plain)?;
        }
    }
    Ok(length)
}

fn finish(file: File, monitor: &dyn Monitor) -> Result<u64> {
    file.sink.finish(&file.node)?;
    monitor.restored(file.path.as_bytes(), file.content.length);
    Ok(file.content.length)
}
