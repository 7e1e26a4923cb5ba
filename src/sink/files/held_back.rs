//! Files that appear only when all else is in place.

use super::folder::Folder;
use super::links::Links;
use super::same::Same;
use crate::error::Result;
use crate::format::directory::Node;
use crate::sink::FileSink;
use parking_lot::Mutex;
use std::sync::Arc;

/// Files that are whole and have not appeared, in the order in which they will. Nothing stays of
/// those that never do.
#[derive(Default)]
pub(super) struct HeldBack(Mutex<Vec<(u64, Held)>>);

/// What appears.
pub(super) enum Held {
    /// A file whose content is whole, in a folder.
    File(Box<dyn FileSink>, Arc<Folder>, Node),
    /// Another name of a file of this restore, in a folder.
    Link(Same, Arc<Folder>, Vec<u8>),
}

impl HeldBack {
    /// Takes what is to appear as the file of this turn.
    pub(super) fn keep(&self, turn: u64, held: Held) {
        self.0.lock().push((turn, held));
    }

    /// Lets all of them appear.
    ///
    /// # Errors
    /// The first trouble; the files after it never appear.
    pub(super) fn appear(&self, links: &Links) -> Result<()> {
        let mut files = std::mem::take(&mut *self.0.lock());
        files.sort_by_key(|(turn, _)| *turn);
        for (_, held) in files {
            let folder = match held {
                Held::File(writer, folder, node) => {
                    writer.finish(&node)?;
                    folder
                }
                Held::Link(link, folder, name) => {
                    links.join(&link, &folder, &name)?;
                    folder
                }
            };
            // A database waits there for its log.
            folder.settle(links).into_iter().next().map_or(Ok(()), Err)?;
        }
        Ok(())
    }
}
