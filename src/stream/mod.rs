//! Streams of chunks: content of files, lists and directories, written with the parent's at hand
//! and read with seek.

mod content;
mod cutting;
mod directory;
mod list;
mod parent;
mod read_ahead;
mod tree;
mod window;
mod windows;

pub use content::{ContentWriter, Cutter, StreamError, Written};
pub use directory::{DirectoryEntries, DirectoryPart, DirectoryWriter, OpenPart, find_entry};
pub use list::Pieces;
pub use read_ahead::ReadAhead;
pub use windows::{ContentReader, ContentWindow, PlacedPieces, Run};
