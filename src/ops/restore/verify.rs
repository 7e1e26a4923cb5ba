//! Reads restored files back and compares them, chunk by chunk, with what the snapshot says.

use super::super::tree::{self, PathEntry, Step};
use super::{RestoreOptions, RestoreReport, is_folder};
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::BlobKind;
use crate::format::content::{Content, Piece};
use crate::format::database::sibling_of;
use crate::format::directory::{Node, NodeKind};
use crate::monitor::{Counter, Monitor, Silent, go_on};
use crate::repo::Reader;
use crate::sink::files::{Overwrite, is_newer, open_beneath};
use crate::stream::Pieces;
use rustix::fs::OFlags;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub(super) fn verify(
    reader: &Reader<'_>,
    found: &PathEntry,
    target: &Path,
    options: &mut RestoreOptions,
    monitor: &dyn Monitor,
    report: &mut RestoreReport,
) -> Result<()> {
    let directory = File::open(target).attempt("open", target.display())?;
    let root = if is_folder(&found.entry) { found.path.clone() } else { parent(&found.path) };
    monitor.begin("verify", Some((Counter::Bytes, report.bytes)));
    let keeps_newer = options.files.overwrite == Overwrite::IfNewer && report.kept > 0;
    let mut inside: Vec<bool> = Vec::new();
    let walked = tree::walk(
        reader,
        found,
        &mut |path, step| {
            go_on(monitor, "verify")?;
            let included = || {
                inside.last().copied().unwrap_or(false)
                    || options.include.is_empty()
                    || options.include.leave_out(path)
            };
            match step {
                Step::Leave => drop(inside.pop()),
                Step::Enter(_) => {
                    if options.exclude.leave_out(path) {
                        return Ok(false);
                    }
                    let included = included();
                    inside.push(included);
                }
                Step::Node(node) => {
                    let NodeKind::File { content, .. } = &node.kind else { return Ok(true) };
                    if !included() || options.exclude.leave_out(path) {
                        return Ok(true);
                    }
                    let relative = path.strip_prefix(root.as_slice()).unwrap_or(path);
                    let relative = relative.strip_prefix(b"/").unwrap_or(relative);
                    let relative = Path::new(OsStr::from_bytes(relative));
                    match compare(reader, &directory, relative, content, monitor) {
                        Ok(()) => report.verified += 1,
                        Err(_) if keeps_newer && is_newer(&directory, relative, node) => {}
                        // Left out, and told: its database came back without it.
                        Err(error) if error.kind() == Kind::NotFound && is_sibling(node) => {}
                        Err(error) if error.kind() == Kind::Unavailable => return Err(error),
                        Err(error) => {
                            monitor.trouble(&error);
                            report.failed += 1;
                        }
                    }
                }
            }
            Ok(true)
        },
        // Said already when the restore read it.
        &mut |_| Ok(()),
    );
    monitor.end();
    walked
}

fn is_sibling(node: &Node) -> bool {
    sibling_of(&node.name).is_some()
}

fn parent(path: &[u8]) -> Vec<u8> {
    let slash = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    path.get(..slash).unwrap_or_default().to_vec()
}

fn compare(
    reader: &Reader<'_>,
    directory: &File,
    relative: &Path,
    content: &Content,
    monitor: &dyn Monitor,
) -> Result<()> {
    let subject = relative.to_string_lossy().into_owned();
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let opened = open_beneath(directory, relative, flags);
    let opened = opened.map_err(std::io::Error::from).attempt("open", &subject)?;
    compare_file(reader, &mut File::from(opened), &subject, content, monitor)
}

/// Whether a file has this content.
pub(super) fn holds(reader: &Reader<'_>, file: &mut File, content: &Content) -> bool {
    compare_file(reader, file, "the file", content, &Silent).is_ok()
}

fn compare_file(
    reader: &Reader<'_>,
    file: &mut File,
    subject: &str,
    content: &Content,
    monitor: &dyn Monitor,
) -> Result<()> {
    let differs = || Error::damaged("verify", subject, "it is not what was restored");
    let mut pieces = Pieces::new(reader, content, subject)?;
    let mut buffer = Vec::new();
    while let Some((_, piece)) = pieces.next_piece()? {
        let matches = match piece {
            Piece::Chunk { id, length } => {
                buffer.resize(usize::try_from(length).unwrap_or(0), 0);
                file.read_exact(&mut buffer).map_err(|_| differs())?;
                reader.names(BlobKind::Data, &buffer) == id
            }
            Piece::Hole { length } => all_zero(file, length).attempt("read", subject)?,
        };
        if !matches {
            return Err(differs());
        }
        monitor.count(Counter::Bytes, piece.length());
    }
    if file.read(&mut [0; 1]).attempt("read", subject)? != 0 {
        return Err(differs());
    }
    Ok(())
}

fn all_zero(file: &mut File, length: u64) -> std::io::Result<bool> {
    let mut buffer = [0; 64 << 10];
    let mut rest = file.take(length);
    let mut seen = 0;
    loop {
        let read = rest.read(&mut buffer)?;
        if read == 0 {
            return Ok(seen == length);
        }
        seen += read as u64;
        if buffer.iter().take(read).any(|byte| *byte != 0) {
            return Ok(false);
        }
    }
}
