//! A file that waits to be read, and what its reading gave.

use super::links::First;
use super::taints::Verdict;
use crate::error::{Error, Kind};
use crate::format::content::Content;
use crate::format::database::DatabaseFacts;
use crate::format::directory::{Metadata, Node, NodeKind, Stamp, Taint};
use crate::format::snapshot::Summary;
use crate::monitor::FileChange;
use crate::source::{Entry, FileItem, FileProof, SameFile};
use crate::stream::Written;

/// What the walk said of a file that is being read, and the parent of the entry in its place.
pub(super) struct Waiting {
    entry: Entry,
    stamp: Option<Stamp>,
    same: Option<SameFile>,
    pub(super) before: Option<Content>,
    taint: Option<Taint>,
    was_database: bool,
}

impl Waiting {
    pub(super) fn new(
        entry: Entry,
        stamp: Option<Stamp>,
        same: Option<SameFile>,
        before: Option<Box<Node>>,
    ) -> Self {
        let taint = before.as_ref().and_then(|node| node.taint.clone());
        let was_database = before.as_ref().is_some_and(|node| is_sqlite(node));
        let before = before.and_then(|node| content(*node));
        Waiting { entry, stamp, same, before, taint, was_database }
    }
}

/// A file that was read.
pub(super) struct ReadFile {
    pub(super) node: Box<Node>,
    pub(super) same: Option<SameFile>,
    pub(super) changed: Option<String>,
    pub(super) left_out: Option<String>,
    pub(super) warning: Option<String>,
    pub(super) verdict: Verdict,
    /// The taint that it has under another of its names.
    pub(super) shared: Option<Taint>,
    before: Option<Content>,
    /// Whether the parent has a database in its place.
    was_database: bool,
    begins_as_database: bool,
    pub(super) bytes_read: u64,
}

impl ReadFile {
    /// The file under one more of its names: what was read under the `first` is not read again.
    pub(super) fn linked(file: FileItem, before: Option<Node>, first: First) -> Self {
        let First { node, verdict, changed, left_out, begins_as_database } = first;
        let meta = Metadata { xattrs: node.meta.xattrs, ..file.entry.meta };
        let taint = before.as_ref().and_then(|before| before.taint.clone());
        let shared = node.taint;
        ReadFile {
            node: Box::new(Node { name: file.entry.name, meta, taint, ..node }),
            same: file.same,
            changed,
            left_out,
            warning: None,
            verdict,
            shared,
            was_database: before.as_ref().is_some_and(is_sqlite),
            begins_as_database,
            before: before.and_then(content),
            bytes_read: 0,
        }
    }

    /// What another entry of the same file takes over.
    pub(super) fn first(&self) -> First {
        First {
            node: (*self.node).clone(),
            verdict: self.verdict.clone(),
            changed: self.changed.clone(),
            left_out: self.left_out.clone(),
            begins_as_database: self.begins_as_database,
        }
    }

    /// What of it is not as it was at any moment, or is missing.
    pub(super) fn troubles(&self, path: &[u8]) -> impl Iterator<Item = Error> {
        let path = String::from_utf8_lossy(path);
        let changed = self
            .changed
            .as_ref()
            .map(|how| Error::new(Kind::SourceChanged, "capture one state of", &path).because(how));
        let left_out = self
            .left_out
            .as_ref()
            .map(|what| Error::new(Kind::Failed, "capture all of", &path).because(what));
        changed.into_iter().chain(left_out)
    }

    /// Whether the parent has a database in its place, and it is none any more: it was emptied or overwritten. What
    /// SQLite refuses is damage.
    pub(super) fn is_lost_database(&self) -> bool {
        let is_one = self.node.database().is_some() || self.begins_as_database;
        self.was_database && !is_one && self.verdict.scrutiny.is_none()
    }

    /// How it differs from the file before, if it does.
    pub(super) fn change(&self) -> Option<FileChange> {
        let NodeKind::File { content, .. } = &self.node.kind else { return None };
        match &self.before {
            None => Some(FileChange::New),
            Some(before) => (before != content).then_some(FileChange::Changed),
        }
    }

    pub(super) fn count(&self, counts: &mut Summary) {
        let NodeKind::File { content, database } = &self.node.kind else { return };
        match self.change() {
            Some(FileChange::New) => counts.files_new += 1,
            Some(FileChange::Changed) => counts.files_changed += 1,
            None => counts.files_unchanged += 1,
        }
        counts.databases += u64::from(database.is_some());
        counts.bytes += content.length;
        counts.bytes_read += self.bytes_read;
    }
}

/// The file, and those that belong to it.
pub(super) fn read_file(
    file: Waiting,
    written: Written,
    proof: FileProof,
) -> (ReadFile, Vec<FileItem>) {
    let FileProof {
        changed,
        database,
        taint,
        scrutiny,
        xattrs,
        left_out,
        warning,
        begins_as_database,
        again: _,
        companions,
    } = proof;
    let Entry { name, mut meta } = file.entry;
    // A database's stamp proves nothing: commits may stand in its -wal alone, and `--verify-source` needs
    // it read, also where it was stored as a file. Nor does that of a file which is
    // not all here: its extended attributes may be within reach next time.
    let whole = changed.is_none() && left_out.is_none() && warning.is_none();
    let plain = database.is_none() && scrutiny.is_none() && !begins_as_database;
    let stamp = file.stamp.filter(|_| plain && whole);
    let kind = NodeKind::File { content: written.content, database };
    meta.xattrs = xattrs.unwrap_or(meta.xattrs);
    let read = ReadFile {
        // The taint before: what becomes of it is settled where the paths are known.
        node: Box::new(Node { name, kind, meta, stamp, taint: file.taint }),
        same: file.same,
        changed,
        left_out,
        warning,
        verdict: Verdict { scrutiny, finding: taint },
        shared: None,
        was_database: file.was_database,
        begins_as_database,
        before: file.before,
        bytes_read: written.bytes,
    };
    (read, companions)
}

/// Whether it is a database of SQLite.
fn is_sqlite(node: &Node) -> bool {
    node.database().is_some_and(DatabaseFacts::is_sqlite)
}

/// The content of a file.
fn content(node: Node) -> Option<Content> {
    match node.kind {
        NodeKind::File { content, .. } => Some(content),
        _ => None,
    }
}
