//! A part of a cache file, read block by block; each is proved by its MAC whenever it is read.

use crate::crypto::{BLOCK_MAC, CacheKeys};
use crate::error::{Attempt, Error, Result};
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex, PoisonError};

/// Blocks that are kept for whoever reads them again.
const KEPT: usize = 64;

/// Rows of one width, so many to a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    /// Bytes of a row.
    pub width: usize,
    /// Rows of a block; the last may have fewer.
    pub rows: usize,
}

type Kept = Mutex<Option<(usize, Arc<[u8]>)>>;

/// Rows in a file.
pub(super) struct Blocks {
    layout: Layout,
    /// Where they begin in the file.
    start: u64,
    rows: usize,
    keys: CacheKeys,
    macs: Vec<u8>,
    kept: Vec<Kept>,
}

impl Blocks {
    /// Rows that begin at `start`; none if there are not as many MACs as blocks.
    pub(super) fn new(
        layout: Layout,
        start: u64,
        rows: usize,
        keys: CacheKeys,
        macs: Vec<u8>,
    ) -> Option<Self> {
        let is_whole = macs.len() == rows.div_ceil(layout.rows).checked_mul(BLOCK_MAC)?;
        let kept = (0..KEPT).map(|_| Kept::default()).collect();
        is_whole.then_some(Blocks { layout, start, rows, keys, macs, kept })
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
        let Some(slot) = self.kept.get(block % KEPT) else { return self.read_new(file, block) };
        if let Some((at, bytes)) = &*slot.lock().unwrap_or_else(PoisonError::into_inner)
            && *at == block
        {
            return Ok(Arc::clone(bytes));
        }
        let bytes = self.read_new(file, block)?;
        *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some((block, Arc::clone(&bytes)));
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
