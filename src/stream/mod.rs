//! Streams of chunks: content of files, lists and directories, written with the parent's at hand
//! and read with seek.

mod content;
mod copied;
mod cutting;
mod directory;
mod list;
mod parent;
mod read_ahead;
mod tree;
mod window;
mod windows;

pub use content::{ContentWriter, Cutter, StreamError, Written};
pub use copied::{CopiedPiece, CopyWriter, NewChunk};
pub use directory::{
    DirectoryEntries, DirectoryPart, DirectoryWriter, EntriesByName, OpenPart, find_entry,
};
pub use list::Pieces;
pub use read_ahead::ReadAhead;
pub use windows::{ContentReader, ContentWindow, PlacedPieces, Run};
