//! `dump`: a file of a snapshot as a stream of bytes, or a folder as an archive.

mod archive;

use super::select::SnapshotPath;
use super::tree::{self, Entry};
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::content::Content;
use crate::format::directory::NodeKind;
use crate::format::snapshot::Snapshot;
use crate::monitor::Monitor;
use crate::repo::Reader;
use crate::source::JOB_FOLDER;
use crate::stream::ContentReader;
use archive::archive;
use std::io::Write;

/// Writes the file at a path of a snapshot to `out`, or the folder there as an archive of tar; bytes of content. A
/// snapshot of one single file, database or stream needs no path. The monitor hears of what was damaged at its
/// source already.
pub fn dump(
    reader: &Reader<'_>,
    snapshot: &Snapshot,
    wanted: &SnapshotPath,
    out: &mut dyn Write,
    monitor: &dyn Monitor,
) -> Result<u64> {
    // What says what the job is goes with what was captured.
    let captured = snapshot.parts.iter().filter(|part| part.path != JOB_FOLDER.as_bytes());
    let path = match (&wanted.path, captured.collect::<Vec<_>>().as_slice()) {
        (Some(path), _) => path.clone(),
        (None, [only]) => only.path.clone(),
        (None, _) => {
            return Err(Error::new(Kind::InvalidInput, "dump", &wanted.snapshot)
                .because("it has several parts")
                .hint("name one: SNAPSHOT:PATH; SNAPSHOT:/ is all of it, as an archive"));
        }
    };
    let subject = String::from_utf8_lossy(&path).into_owned();
    let found = tree::find(reader, snapshot, &path)?;
    let written = match &found.entry {
        Entry::Node(node) => match &node.kind {
            NodeKind::File { content, .. } => {
                if let Some(taint) = &node.taint {
                    monitor.note(&format!("{subject}: {}", taint.reason()));
                }
                write_content(reader, content, &subject, out).map(|()| content.length)?
            }
            NodeKind::Directory { .. } => archive(reader, &found, out, monitor)?,
            _ => {
                return Err(Error::new(Kind::InvalidInput, "dump", &subject)
                    .because("it is neither a file nor a folder")
                    .hint("`icecore restore` restores everything"));
            }
        },
        Entry::Leading(_) => archive(reader, &found, out, monitor)?,
    };
    out.flush().attempt("write", &subject)?;
    Ok(written)
}

fn write_content(
    reader: &Reader<'_>,
    content: &Content,
    subject: &str,
    out: &mut dyn Write,
) -> Result<()> {
    let mut written = Ok(());
    let read = ContentReader::new(reader, content, subject).and_then(|content| {
        content.each_run(&mut |run| {
            written = run.write_to(out);
            match written {
                Ok(()) => Ok(()),
                Err(_) => Err(Error::new(Kind::Failed, "write", subject)),
            }
        })
    });
    // A closed pipe is no fault of the file.
    written.attempt("write", subject)?;
    read.map_err(|error| error.within("dump", subject))
}
