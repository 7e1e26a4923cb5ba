//! Databases in folders, read before any file: what their rows name was there by then, and is captured after
//! them. When their turn comes, they are as they were here.

use super::batch::{Batch, Event, Turn};
use super::capture::Capture;
use super::former::file_at;
use super::links::{First, Links};
use super::parent::Parent;
use crate::error::Result;
use crate::format::directory::Node;
use crate::limits::WARNINGS_MAX;
use crate::monitor::go_on;
use crate::source::Source;

/// What reading the databases of a source came to.
#[derive(Default)]
pub(super) struct Databases {
    pub(super) bytes: u64,
    pub(super) warnings: Vec<String>,
}

/// Reads and stores the databases of a source that may be at work.
///
/// # Errors
/// The repository's. What cannot be read, or is no database after all, is read again in its turn, and told of then.
pub(super) fn read_databases(
    capture: &mut Capture<'_, '_>,
    source: &mut dyn Source,
    parents: &[Parent],
    links: &mut Links,
) -> Result<Databases> {
    let mut databases = Databases::default();
    while let Some(found) = source.next_database() {
        go_on(capture.monitor, "back up")?;
        let Some(same) = found.file.same.clone() else { continue };
        if links.meet(&same) {
            continue;
        }
        let before = file_at(parents, capture.reader, &found.folder, &found.file.entry.name);
        let mut batch = Batch::default();
        batch.push_file(found.file, before.map(|(_, node)| node), Turn::Now);
        let Capture { session, reader, cutter, monitor, .. } = &mut *capture;
        for event in batch.read(session, reader, cutter, *monitor)? {
            let Event::Read(mut read) = event else { continue };
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
