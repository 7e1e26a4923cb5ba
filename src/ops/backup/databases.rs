//! Databases in folders, read before any file: what their rows name was there by then, and is captured after
//! them. When their turn comes, they are as they were here.

use super::batch::{Batch, Event, ReadWhen};
use super::capture::Capture;
use super::former::file_at;
use super::large::Large;
use super::links::{First, Links, PinnedContent};
use super::parent::Parent;
use super::small::SMALL;
use crate::error::Result;
use crate::format::database::DatabaseFacts;
use crate::format::directory::Node;
use crate::limits::WARNINGS_MAX;
use crate::monitor::go_on;
use crate::source::{FileItem, Source};

/// What reading the databases of a source came to.
#[derive(Default)]
pub(super) struct Databases {
    pub(super) bytes: u64,
    pub(super) warnings: Vec<String>,
}

/// Whether a database is one that the warm-up could read in WAL mode: to hold it for longer blocks no writer.
pub(super) fn may_be_pinned(
    file: &FileItem,
    before: Option<&(usize, Node)>,
    parents: &[Parent],
) -> bool {
    let Some((parent, node)) = before else { return false };
    let Some(DatabaseFacts::Sqlite(facts)) = node.database() else { return false };
    let was_read_now = parents.get(*parent).is_some_and(|parent| parent.is_warm_up);
    was_read_now && file.length > Some(SMALL) && facts.journal_mode == "wal"
}

/// Reads and stores the databases of a source that may be at work, but for so many that can be pinned.
///
/// # Errors
/// The repository's. What cannot be read, or is no database after all, is read again in its turn, and told of then.
pub(super) fn read_databases(
    capture: &mut Capture<'_, '_>,
    source: &mut dyn Source,
    parents: &[Parent],
    links: &mut Links,
    pins_left: &mut usize,
) -> Result<Databases> {
    let mut databases = Databases::default();
    while let Some(found) = source.next_database() {
        go_on(capture.monitor, "back up")?;
        let Some(same) = found.file.same.clone() else { continue };
        if links.meet(&same) {
            continue;
        }
        let before = file_at(parents, capture.reader, &found.folder, &found.file.entry.name);
        let when = match may_be_pinned(&found.file, before.as_ref(), parents) && *pins_left > 0 {
            true => ReadWhen::MayBeLater,
            false => ReadWhen::Now,
        };
        let mut batch = Batch::default();
        batch.push_file(found.file, before.map(|(_, node)| node), when);
        let Capture { session, reader, cutter, monitor, .. } = &mut *capture;
        for event in batch.read(session, reader, cutter, *monitor)? {
            let mut read = match event {
                Event::Read(read) => read,
                Event::Pinned(pinned) => {
                    *pins_left -= 1;
                    let Large { size, stream, .. } = *pinned;
                    links.pin(same.clone(), PinnedContent { size, stream });
                    continue;
                }
                _ => continue,
            };
            if read.node.database().is_none() {
                continue;
            }
            databases.bytes += read.bytes_read;
            let room = databases.warnings.len() < WARNINGS_MAX;
            databases.warnings.extend(read.warning.take().filter(|_| room));
            // Whether it is tainted is settled where it stands.
            let node = Node { taint: None, ..(*read.node).clone() };
            links.keep(&same, &[], &First { node, ..read.first() });
        }
    }
    Ok(databases)
}
