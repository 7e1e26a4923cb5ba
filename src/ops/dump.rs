//! `dump`: one file of a snapshot as a stream of bytes.

use super::select::SnapshotPath;
use super::tree::{self, Entry};
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::directory::NodeKind;
use crate::format::snapshot::Snapshot;
use crate::monitor::Monitor;
use crate::repo::Reader;
use crate::stream::ContentReader;
use std::io::Write;

/// Writes the file at `path` of a snapshot to `out`; bytes written. A snapshot of one single
/// file, database or stream needs no path. The monitor hears of one that was damaged at its
/// source already.
pub fn dump(
    reader: &Reader<'_>,
    snapshot: &Snapshot,
    wanted: &SnapshotPath,
    out: &mut dyn Write,
    monitor: &dyn Monitor,
) -> Result<u64> {
    let path = match (&wanted.path, snapshot.parts.as_slice()) {
        (Some(path), _) => path.clone(),
        (None, [only]) => only.path.clone(),
        (None, _) => {
            return Err(Error::new(Kind::InvalidInput, "dump", &wanted.snapshot)
                .because("it has several parts")
                .hint("name one: SNAPSHOT:PATH"));
        }
    };
    let subject = String::from_utf8_lossy(&path).into_owned();
    let found = tree::find(reader, snapshot, &path)?;
    let Entry::Node(node) = found.entry else { return Err(no_file(&subject)) };
    let NodeKind::File { content, .. } = &node.kind else { return Err(no_file(&subject)) };
    if let Some(taint) = &node.taint {
        monitor.note(&format!("{subject}: {}", taint.reason()));
    }
    let mut written = Ok(());
    let read = ContentReader::new(reader, content, &subject).and_then(|content| {
        content.each_run(&mut |run| {
            written = run.write_to(out);
            match written {
                Ok(()) => Ok(()),
                Err(_) => Err(Error::new(Kind::Failed, "write", &subject)),
            }
        })
    });
    // Whoever reads the output and goes away is no trouble of the file's.
    written.attempt("write", &subject)?;
    read.map_err(|error| error.within("dump", &subject))?;
    out.flush().attempt("write", &subject)?;
    Ok(content.length)
}

fn no_file(subject: &str) -> Error {
    Error::new(Kind::InvalidInput, "dump", subject)
        .because("it is not a file")
        .hint("`icecore restore` restores folders")
}
