//! Snapshots and their entries as JSON shows them.

use crate::env::Time;
use crate::format::database::DatabaseFacts;
use crate::format::directory::{FileTime, Node, NodeKind, Taint};
use crate::format::snapshot::{
    Missing, Origin, Part, PartKind, Snapshot, SourceName, Summary, TaintedEntry,
};
use crate::ops::check::Touched;
use crate::ops::ls::{mode_text, size};
use crate::ops::tree;
use crate::repo::Hold;
use crate::text;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A source as people read it: its path, and what was asked for of it.
pub fn source_name(source: &SourceName) -> String {
    let words = source.selection.iter().map(|word| word.strip_prefix("database=").unwrap_or(word));
    bracketed(&source.path, &words.collect::<Vec<_>>())
}

/// A part as people read it: its path, the first of its databases, and what else was asked for.
pub fn part_name(part: &Part) -> String {
    let databases: Vec<&str> = part.databases().collect();
    if databases.is_empty() {
        return source_name(&part.source());
    }
    let more = databases.len().saturating_sub(DATABASES_SHOWN);
    let more = (more > 0).then(|| format!("and {more} more"));
    let shown = databases.iter().take(DATABASES_SHOWN).copied();
    bracketed(&part.path, &shown.chain(more.as_deref()).chain(part.scope()).collect::<Vec<_>>())
}

/// Databases of a part that are named in a list of snapshots.
const DATABASES_SHOWN: usize = 3;

fn bracketed(path: &[u8], words: &[&str]) -> String {
    let path = text::path(path);
    if words.is_empty() { path } else { format!("{path} [{}]", text::plain(&words.join(", "))) }
}

/// A snapshot.
#[derive(Serialize)]
pub struct SnapshotView<'s> {
    time: String,
    finished: String,
    paths: Vec<String>,
    hostname: &'s str,
    username: &'s str,
    tags: &'s BTreeSet<String>,
    labels: &'s BTreeMap<String, String>,
    program_version: &'s str,
    series: String,
    sequence: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    original: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    origin: Option<OriginView>,
    parts: Vec<PartView<'s>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<MissingView<'s>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    holds: Vec<HoldView<'s>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    given_up: bool,
    warnings: &'s [String],
    summary: &'s Summary,
    id: String,
    short_id: String,
}

impl<'s> SnapshotView<'s> {
    /// The same with its holds, and whether it goes with the last of them.
    pub fn held(self, holds: &'s [Hold], given_up: bool) -> Self {
        SnapshotView { holds: holds.iter().map(HoldView::from).collect(), given_up, ..self }
    }
}

/// A hold of a snapshot.
#[derive(Serialize)]
pub struct HoldView<'h> {
    id: String,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    reason: &'h str,
}

impl<'h> From<&'h Hold> for HoldView<'h> {
    fn from(hold: &'h Hold) -> Self {
        HoldView {
            id: hold.id.to_string(),
            since: text::rfc3339(hold.since),
            until: hold.until.map(text::rfc3339),
            reason: &hold.reason,
        }
    }
}

impl<'s> From<&'s Snapshot> for SnapshotView<'s> {
    fn from(snapshot: &'s Snapshot) -> Self {
        SnapshotView {
            time: text::rfc3339(snapshot.started),
            finished: text::rfc3339(snapshot.finished),
            paths: snapshot.parts.iter().map(|part| text::path(&part.path)).collect(),
            hostname: &snapshot.host,
            username: &snapshot.user,
            tags: &snapshot.tags,
            labels: &snapshot.labels,
            program_version: &snapshot.tool,
            series: snapshot.series.to_string(),
            sequence: snapshot.sequence,
            original: snapshot.original.map(|original| original.to_string()),
            origin: snapshot.origin.as_ref().map(OriginView::from),
            parts: snapshot.parts.iter().map(PartView::from).collect(),
            missing: snapshot.missing.iter().map(MissingView::from).collect(),
            holds: Vec::new(),
            given_up: false,
            warnings: &snapshot.warnings,
            summary: &snapshot.summary,
            id: snapshot.id.to_string(),
            short_id: snapshot.id.short(),
        }
    }
}

/// Where a copy was made first.
#[derive(Serialize)]
struct OriginView {
    repository: String,
    snapshot: String,
}

impl From<&Origin> for OriginView {
    fn from(origin: &Origin) -> Self {
        let (repository, snapshot) = (origin.repository.to_string(), origin.snapshot.to_string());
        OriginView { repository, snapshot }
    }
}

/// A source that a snapshot was to have and has not.
#[derive(Serialize)]
struct MissingView<'s> {
    kind: PartKind,
    path: String,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    selection: &'s BTreeSet<String>,
    reason: &'s str,
}

impl<'s> From<&'s Missing> for MissingView<'s> {
    fn from(missing: &'s Missing) -> Self {
        MissingView {
            kind: missing.kind,
            path: text::path(&missing.path),
            selection: &missing.selection,
            reason: &missing.reason,
        }
    }
}

/// A part of a snapshot.
#[derive(Serialize)]
struct PartView<'s> {
    kind: PartKind,
    path: String,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    selection: &'s BTreeSet<String>,
    parents: Vec<String>,
    facts: &'s BTreeMap<String, String>,
    tainted: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    taints: Vec<TaintView<'s>>,
    incomplete: bool,
}

/// An entry that is damaged at its source.
#[derive(Serialize)]
pub struct TaintView<'s> {
    path: String,
    finding: &'s str,
    since: String,
}

impl<'s> From<&'s TaintedEntry> for TaintView<'s> {
    fn from(entry: &'s TaintedEntry) -> Self {
        TaintView {
            path: text::path(&entry.path),
            finding: &entry.taint.finding,
            since: text::rfc3339(entry.taint.since),
        }
    }
}

impl<'s> From<&'s Part> for PartView<'s> {
    fn from(part: &'s Part) -> Self {
        PartView {
            kind: part.kind,
            path: text::path(&part.path),
            selection: &part.selection,
            parents: part.parents.iter().map(ToString::to_string).collect(),
            facts: &part.facts,
            tainted: part.tainted,
            taints: part.taints.iter().map(TaintView::from).collect(),
            incomplete: part.incomplete,
        }
    }
}

/// An entry of a snapshot.
#[derive(Serialize)]
pub struct NodeView<'n> {
    name: String,
    r#type: &'static str,
    path: String,
    /// The path itself in base64, where the text is none: names are bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
    #[serde(flatten)]
    meta: Option<MetaView<'n>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    linktarget: Option<String>,
    #[serde(flatten)]
    database: Option<&'n DatabaseFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    taint: Option<&'n str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tainted_since: Option<String>,
}

/// What is recorded with an entry; a folder that only leads to parts has nothing of it.
#[derive(Serialize)]
struct MetaView<'n> {
    uid: u32,
    gid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'n str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'n str>,
    mode: u32,
    permissions: String,
    mtime: String,
}

impl<'n> MetaView<'n> {
    fn of(node: &'n Node) -> Option<Self> {
        (!tree::leads(node)).then(|| MetaView {
            uid: node.meta.uid,
            gid: node.meta.gid,
            user: node.meta.user.as_deref(),
            group: node.meta.group.as_deref(),
            mode: node.meta.mode,
            permissions: mode_text(node),
            mtime: text::rfc3339(mtime(node)),
        })
    }
}

impl<'n> NodeView<'n> {
    /// The entry at `path`.
    pub fn new(path: &[u8], node: &'n Node) -> Self {
        let size = match &node.kind {
            NodeKind::File { content, .. } => Some(content.length),
            _ => None,
        };
        let linktarget = match &node.kind {
            NodeKind::Symlink { target } => Some(text::path(target)),
            _ => None,
        };
        let text = text::path(path);
        NodeView {
            name: text::path(&node.name),
            r#type: type_of(node),
            path_base64: (text.as_bytes() != path).then(|| BASE64_STANDARD.encode(path)),
            path: text,
            meta: MetaView::of(node),
            size,
            linktarget,
            database: node.database(),
            taint: node.taint.as_ref().map(|taint| taint.finding.as_str()),
            tainted_since: node.taint.as_ref().map(|taint| text::rfc3339(taint.since)),
        }
    }
}

/// One line as `ls -l` shows it, sizes as people read them if that is wanted.
pub fn long_line(path: &[u8], node: &Node, human_readable: bool) -> String {
    if tree::leads(node) {
        // As `ls` shows a folder of which it learns nothing.
        return format!("d????????? {0:>5} {0:>5} {0:>12} {0:<19} {1}", "-", text::path(path));
    }
    let size = match human_readable {
        true => text::figure(size(node)),
        false => size(node).to_string(),
    };
    let arrow = match &node.kind {
        NodeKind::Symlink { target } => format!(" -> {}", text::path(target)),
        _ => String::new(),
    };
    let (uid, gid) = (node.meta.uid, node.meta.gid);
    let (time, path) = (text::local(mtime(node)), text::path(path));
    let mark = node.taint.as_ref().map(marked).unwrap_or_default();
    format!("{} {uid:5} {gid:5} {size:>12} {time} {path}{arrow}{mark}", mode_text(node))
}

/// What stands behind an entry that is damaged at its source.
fn marked(taint: &Taint) -> String {
    let (since, finding) = (text::local(taint.since), text::plain(&taint.finding));
    format!(" (damaged at its source, known since {since}: {finding})")
}

/// When the entry was last modified.
pub fn mtime(node: &Node) -> Time {
    let FileTime(seconds, nanoseconds) = node.meta.mtime;
    let second = Time::SECOND;
    Time(seconds.saturating_mul(second).saturating_add(i64::from(nanoseconds)))
}

fn type_of(node: &Node) -> &'static str {
    match node.kind {
        NodeKind::File { .. } => "file",
        NodeKind::Directory { .. } => "dir",
        NodeKind::Symlink { .. } => "symlink",
        NodeKind::Fifo => "fifo",
        NodeKind::Socket => "socket",
        NodeKind::CharDevice { .. } => "chardev",
        NodeKind::BlockDevice { .. } => "dev",
    }
}

/// A path of a snapshot that damage touches.
#[derive(Serialize)]
pub struct TouchedView {
    snapshot: String,
    path: String,
}

impl From<&Touched> for TouchedView {
    fn from(touched: &Touched) -> Self {
        TouchedView { snapshot: touched.snapshot.to_string(), path: text::path(&touched.path) }
    }
}
