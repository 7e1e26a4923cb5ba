//! Files that appear only when all else is in place.

use super::file::FileWriter;
use super::links::Links;
use crate::error::Result;
use crate::format::directory::Node;
use crate::sink::FileSink;
use std::sync::{Mutex, PoisonError};

/// Files that are whole and have not appeared, in the order in which they will. Nothing stays of
/// those that never do.
#[derive(Default)]
pub(super) struct HeldBack(Mutex<Vec<(u64, Box<FileWriter>, Node)>>);

impl HeldBack {
    /// Takes a file whose content is whole.
    pub(super) fn keep(&self, turn: u64, writer: Box<FileWriter>, node: &Node) {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        files.push((turn, writer, node.clone()));
    }

    /// Lets all of them appear.
    ///
    /// # Errors
    /// The first trouble; the files after it never appear.
    pub(super) fn appear(&self, links: &Links) -> Result<()> {
        let mut files = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        files.sort_by_key(|(turn, ..)| *turn);
        for (_, writer, node) in files {
            let folder = writer.folder();
            writer.finish(&node)?;
            // A database waits there for its log.
            folder.settle(links).into_iter().next().map_or(Ok(()), Err)?;
        }
        Ok(())
    }
}
