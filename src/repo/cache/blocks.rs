//! A part of a cache file, read block by block; each is proved by its MAC whenever it is read. Blocks
//! that were read lately are kept.

use crate::crypto::{BLOCK_MAC, CacheKeys};
use crate::error::{Attempt, Error, Result};
use parking_lot::{Mutex, MutexGuard};
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Blocks of all tables that are kept: 10 MB at most.
const KEPT: usize = 1 << 11;

/// Rows of one width, so many to a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Bytes of a row.
    pub width: usize,
    /// Rows of a block; the last may have fewer.
    pub rows: usize,
}

/// A block of a part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name {
    part: usize,
    block: usize,
}

/// What stands in one place of the blocks that are kept.
type Kept = Option<(Name, Arc<[u8]>)>;

/// The blocks that were read last, of all tables: each has one place, where it takes that of another.
#[derive(Debug)]
pub(super) struct KeptBlocks {
    places: Box<[Mutex<Kept>]>,
    /// Parts that have a number.
    parts: AtomicUsize,
}

impl KeptBlocks {
    pub(super) fn new() -> Self {
        let places = (0..KEPT).map(|_| Mutex::default()).collect();
        KeptBlocks { places, parts: AtomicUsize::new(0) }
    }

    /// The place of a block. Those of one part follow each other; parts begin anywhere.
    fn place(&self, name: Name) -> Option<MutexGuard<'_, Kept>> {
        let place = name.part.wrapping_mul(0x9E37_79B1).wrapping_add(name.block) % KEPT;
        Some(self.places.get(place)?.lock())
    }

    fn get(&self, name: Name) -> Option<Arc<[u8]>> {
        let place = self.place(name)?;
        let (found, bytes) = place.as_ref()?;
        (*found == name).then(|| Arc::clone(bytes))
    }

    fn keep(&self, name: Name, bytes: &Arc<[u8]>) {
        if let Some(mut place) = self.place(name) {
            *place = Some((name, Arc::clone(bytes)));
        }
    }
}

/// Rows in a file.
pub(super) struct Blocks {
    /// Its number among those of which blocks are kept.
    part: usize,
    layout: Layout,
    /// Where they begin in the file.
    start: u64,
    rows: usize,
    keys: CacheKeys,
    macs: Vec<u8>,
    kept: Arc<KeptBlocks>,
}

impl Blocks {
    /// Rows that begin at `start`; none if there are not as many MACs as blocks.
    pub(super) fn new(
        layout: Layout,
        start: u64,
        rows: usize,
        keys: CacheKeys,
        macs: Vec<u8>,
        kept: Arc<KeptBlocks>,
    ) -> Option<Self> {
        let is_whole = macs.len() == rows.div_ceil(layout.rows).checked_mul(BLOCK_MAC)?;
        let part = kept.parts.fetch_add(1, Ordering::Relaxed);
        is_whole.then_some(Blocks { part, layout, start, rows, keys, macs, kept })
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// The rows of a block.
    pub(super) fn rows_of(&self, block: usize) -> Range<usize> {
        let first = block.saturating_mul(self.layout.rows).min(self.rows);
        first..first.saturating_add(self.layout.rows).min(self.rows)
    }

    /// The block that a row stands in, and where.
    pub(super) fn place_of(&self, row: usize) -> Option<(usize, Range<usize>)> {
        let first = (row < self.rows).then_some(row % self.layout.rows)? * self.layout.width;
        Some((row / self.layout.rows, first..first + self.layout.width))
    }

    /// The bytes of a block.
    ///
    /// # Errors
    /// `Damaged` if they are not those that were written.
    pub(super) fn read(&self, file: &File, block: usize) -> Result<Arc<[u8]>> {
        let name = Name { part: self.part, block };
        if let Some(bytes) = self.kept.get(name) {
            return Ok(bytes);
        }
        let bytes = self.read_new(file, block)?;
        self.kept.keep(name, &bytes);
        Ok(bytes)
    }

    fn read_new(&self, file: &File, block: usize) -> Result<Arc<[u8]>> {
        let rows = self.rows_of(block);
        let mut bytes = vec![0; rows.len() * self.layout.width];
        let start = self.start.saturating_add((rows.start * self.layout.width) as u64);
        file.read_exact_at(&mut bytes, start).attempt("read", SUBJECT)?;
        let mac = self.macs.get(block * BLOCK_MAC..).and_then(<[u8]>::first_chunk);
        match mac == Some(&self.keys.block(&bytes)) {
            true => Ok(bytes.into()),
            false => Err(Error::damaged("read", SUBJECT, "a block is not what was written")),
        }
    }
}

const SUBJECT: &str = "a file of the local cache";

/// Writes rows, and takes the MAC of each block.
pub(super) struct BlockWriter<W> {
    layout: Layout,
    keys: CacheKeys,
    out: W,
    block: Vec<u8>,
    macs: Vec<u8>,
    rows: usize,
}

impl<W: Write> BlockWriter<W> {
    pub(super) fn new(layout: Layout, keys: CacheKeys, out: W) -> Self {
        let block = Vec::with_capacity(layout.rows * layout.width);
        BlockWriter { layout, keys, out, block, macs: Vec::new(), rows: 0 }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Whether the next row is the first of a block.
    pub(super) fn begins(&self) -> bool {
        self.block.is_empty()
    }

    /// Writes the row that `fill` appends.
    pub(super) fn push(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<()> {
        fill(&mut self.block)?;
        self.rows += 1;
        if self.block.len() >= self.layout.rows * self.layout.width {
            self.flush().attempt("write", SUBJECT)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.block.is_empty() {
            self.macs.extend_from_slice(&self.keys.block(&self.block));
            self.out.write_all(&self.block)?;
            self.block.clear();
        }
        Ok(())
    }

    /// What was written to, and the MACs.
    pub(super) fn finish(mut self) -> Result<(W, Vec<u8>)> {
        self.flush().and_then(|()| self.out.flush()).attempt("write", SUBJECT)?;
        Ok((self.out, self.macs))
    }
}
