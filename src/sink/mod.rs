//! Bytes back into the world. A sink takes entries in the order of a walk, lets some appear only at
//! the end, and finishes; one that is dropped before gives up what has not appeared.

pub mod files;
mod moves;
pub mod postgres;
pub mod sqlite;
mod temporary;

use crate::error::{Error, Result};
use crate::format::directory::Node;
use files::Report;
use std::fs::File;

/// Where the tree of a snapshot is restored to.
pub trait Sink {
    /// The sink itself stands for the directory `node`, whose entries follow. Not called where the
    /// tree has no such root, or where it is not wanted.
    fn begin(&mut self, node: &Node);

    /// Makes the directory `node`, or takes one that is there, and goes into it.
    fn enter(&mut self, node: &Node) -> Result<()>;

    /// Goes into the directory `name`, which only leads to what is restored.
    fn pass(&mut self, name: &[u8]) -> Result<()>;

    /// Places the file `node` of `size` bytes; `holds` tells whether a file has its content.
    fn file(&mut self, node: &Node, size: u64, holds: &mut Holds<'_>) -> Result<Placed>;

    /// The same for a file that must appear last, such as a control file: whatever its writer does,
    /// it appears with [`Sink::finish`], after all else and in the order of these calls, or never.
    fn hold_back(&mut self, node: &Node, size: u64, holds: &mut Holds<'_>) -> Result<Placed>;

    /// Places what has no content: a symbolic link, a pipe, a device.
    fn other(&mut self, node: &Node) -> Result<()>;

    /// Puts into its place what waits in the directory entered last until all of it is there. What
    /// could not be put there is given.
    fn settle(&mut self) -> Vec<Error>;

    /// Leaves the directory entered last.
    ///
    /// # Errors
    /// The first trouble of [`Sink::settle`], which one may call before to have all.
    fn leave(&mut self) -> Result<()>;

    /// Ends the restore, after every writer has finished, and tells what could not be brought back.
    ///
    /// # Errors
    /// The first trouble of [`Sink::settle`], or of a file that was held back; then those after it
    /// do not appear.
    fn finish(self: Box<Self>) -> Result<Report>;
}

/// Whether an open file has the content that is to be placed.
pub type Holds<'h> = dyn FnMut(File) -> bool + 'h;

/// What becomes of a file that is restored.
pub enum Placed {
    /// Its content has to be written.
    Write(Box<dyn FileSink>),
    /// Its content would have to be written, were this no rehearsal.
    WouldWrite,
    /// What stands there is kept.
    Kept,
    /// It is another name of a file of this restore, and needs no content.
    Linked,
    /// It is left out, and reported in the end.
    LeftOut,
}

/// Takes the content of one file. If it is dropped before it has finished, nothing stays of it.
pub trait FileSink: Send + Sync {
    /// Writes `bytes` at `offset`, within the size that was given, from any thread. What is never
    /// written is a hole.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<()>;

    /// The content is whole: the file appears, with the metadata of `node`.
    fn finish(self: Box<Self>, node: &Node) -> Result<()>;
}
