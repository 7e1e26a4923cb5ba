//! What a capture holds: a part of each source, and what it cost.

use super::BackupOptions;
use super::history::SourceHistory;
use super::links::Links;
use super::parent::{self, Parent, Parentage};
use super::part::{BuiltPart, PartBuilder};
use crate::error::{Error, Kind, Result};
use crate::format::snapshot::{Missing, Part, PartKind, Snapshot, SourceName, Summary};
use crate::limits::WARNINGS_MAX;
use crate::monitor::Monitor;
use crate::ops::path::is_within;
use crate::ops::tree::Entry;
use crate::repo::{Reader, Session};
use crate::source::Source;
use crate::stream::Cutter;

/// What a capture holds.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) parts: Vec<Part>,
    pub(super) parents: Vec<Parentage>,
    pub(super) missing: Vec<Missing>,
    pub(super) warnings: Vec<String>,
    pub(super) counts: Summary,
}

impl Contents {
    /// Whether this is all that a snapshot holds.
    pub(super) fn is_all_of(&self, last: &Snapshot) -> bool {
        let same = |(part, other): (&Part, &Part)| {
            part.source() == other.source()
                && !part.incomplete
                && !other.incomplete
                && part.tainted == other.tainted
                && match part.kind {
                    // All but its content is of the moment.
                    PartKind::Stdin => part.root.kind == other.root.kind,
                    _ => part.root == other.root,
                }
        };
        let whole = self.missing.is_empty() && last.missing.is_empty();
        let all = self.parts.len() == last.parts.len();
        whole && all && self.parts.iter().zip(&last.parts).all(same)
    }
}

/// Reads all sources, each with what is known of its past, and stores what is new of them.
pub(super) fn read(
    session: &mut Session<'_>,
    reader: &Reader<'_>,
    sources: Vec<(Box<dyn Source>, &SourceHistory)>,
    options: &BackupOptions,
    monitor: &dyn Monitor,
) -> Result<Contents> {
    let cutter = Cutter::new(session.repository())?;
    let mut contents = Contents::default();
    let mut links = Links::default();
    let mut first_error = None;
    for (source, past) in sources {
        let SourceName { kind, path, selection } = source.describe();
        let SourceHistory { parents, newest } = past;
        let newest = newest.as_ref();
        let builder =
            PartBuilder::new(session, reader, &cutter, monitor, &parents.list, newest, &mut links);
        let built = builder.build(source, options.keep_going).and_then(|built| {
            refuse_empty(reader, &built, &parents.list, options)?;
            Ok(built)
        });
        match built {
            Ok(built) => {
                contents.parents.push(parents.told(&built.part));
                contents.warnings.extend(built.warnings);
                add(&mut contents.counts, &built.counts);
                contents.parts.push(built.part);
            }
            // A source's trouble costs its part; the repository's, everything.
            Err(error)
                if options.keep_going
                    && !session.is_broken()
                    && error.kind() != Kind::Interrupted =>
            {
                monitor.trouble(&error);
                contents.missing.push(Missing { kind, path, selection, reason: error.to_string() });
                contents.counts.failed += 1;
                first_error.get_or_insert(error);
            }
            Err(error) => return Err(of_source(error, &path)),
        }
    }
    let elsewhere = links.elsewhere();
    for part in &mut contents.parts {
        part.incomplete |= elsewhere.keys().any(|path| is_within(path, &part.path));
    }
    contents.warnings.extend(elsewhere.into_values().take(WARNINGS_MAX));
    match first_error {
        Some(error) if contents.parts.is_empty() => {
            Err(error.within("capture", "any of the sources"))
        }
        _ => Ok(contents),
    }
}

/// The error, with the source's name if it does not name it itself.
fn of_source(error: Error, path: &[u8]) -> Error {
    let name = String::from_utf8_lossy(path);
    if error.subject() == name { error } else { error.within("capture", name) }
}

/// An empty part must not take the place of one that was not, and no stream is empty, unless that is
/// wanted.
fn refuse_empty(
    reader: &Reader<'_>,
    built: &BuiltPart,
    parents: &[Parent],
    options: &BackupOptions,
) -> Result<()> {
    if built.part.kind == PartKind::Stdin && built.counts.bytes == 0 && !options.allow_empty {
        return Err(Error::new(
            Kind::Refused,
            "capture",
            String::from_utf8_lossy(&built.part.path),
        )
        .because("nothing came: whatever was to write it may have failed")
        .hint(
            "`--stdin-from-command` sees how a command ends; `--allow-empty` saves an empty \
                 stream",
        ));
    }
    let last = parents.iter().find(|parent| matches!(parent.root, Entry::Node(_)));
    let had_bytes = |parent: &&Parent| parent::has_bytes(reader, &parent.root);
    let may_be_empty = options.allow_empty || built.counts.bytes > 0;
    let Some(last) = last.filter(|_| !may_be_empty).filter(had_bytes) else { return Ok(()) };
    let name = String::from_utf8_lossy(&built.part.path);
    let host = last.foreign.as_ref().map_or(String::new(), |host| format!(" of host {host}"));
    let before = match last.ids.first() {
        Some(id) => format!("in snapshot {}{host}", id.short()),
        None => "a moment ago".to_owned(),
    };
    Err(Error::new(Kind::Refused, "capture", name)
        .because(format!("nothing is in it, and {before} there was something"))
        .hint("is it mounted? `--allow-empty` saves it all the same"))
}

fn add(sum: &mut Summary, more: &Summary) {
    sum.items += more.items;
    sum.files_new += more.files_new;
    sum.files_changed += more.files_changed;
    sum.files_unchanged += more.files_unchanged;
    sum.directories += more.directories;
    sum.databases += more.databases;
    sum.failed += more.failed;
    sum.bytes += more.bytes;
    sum.bytes_read += more.bytes_read;
}
