//! What a capture holds: a part of each source, and what it cost.

use super::capture::Capture;
use super::databases::read_databases;
use super::fill::Fill;
use super::history::SourceHistory;
use super::links::Links;
use super::open_part::{BuiltPart, OpenPart};
use super::parent::{Parent, Parentage};
use super::part::PartBuilder;
use crate::error::{Error, Kind, Result};
use crate::format::snapshot::{Missing, Part, PartKind, Snapshot, SourceName, Summary};
use crate::limits::WARNINGS_MAX;
use crate::ops::path::is_within;
use crate::ops::tree::Entry;
use crate::repo::Reader;
use crate::source::Source;

/// What a capture holds.
#[derive(Default)]
pub(super) struct Contents {
    pub(super) parts: Vec<Part>,
    pub(super) parents: Vec<Parentage>,
    pub(super) missing: Vec<Missing>,
    pub(super) warnings: Vec<String>,
    /// Paths at which there was a database before, and another file is now.
    pub(super) lost_databases: Vec<Vec<u8>>,
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

/// What is captured so far: of some parts pinned files are not read yet.
#[derive(Default)]
pub(super) struct OpenContents {
    contents: Contents,
    links: Links,
    open: Vec<OpenPart>,
    first_error: Option<Error>,
}

impl OpenContents {
    /// How many files are not read yet.
    pub(super) fn pinned(&self) -> usize {
        self.open.iter().map(|part| part.pinned.len()).sum()
    }

    /// What the user should know.
    pub(super) fn warn(&mut self, warnings: impl IntoIterator<Item = String>) {
        self.contents.warnings.extend(warnings);
    }
}

impl<'r> Capture<'_, 'r> {
    /// Reads all sources, each with what is known of its past, and stores what is new of them: databases first,
    /// then files; but for so many databases that can be pinned.
    pub(super) fn open(
        &mut self,
        mut sources: Vec<(Box<dyn Source>, &SourceHistory)>,
        pins: usize,
    ) -> Result<OpenContents> {
        let mut all = OpenContents::default();
        let mut pins_left = pins;
        for (source, past) in &mut sources {
            let (parents, links) = (&past.parents.list, &mut all.links);
            let read = read_databases(self, &mut **source, parents, links, &mut pins_left)?;
            all.contents.counts.bytes_read += read.bytes;
            all.contents.warnings.extend(read.warnings);
        }
        sources.sort_by_key(|(source, _)| source.describe().kind == PartKind::Files);
        for (source, past) in sources {
            let mut part = self.part(&*source, past);
            part.pins_left = pins_left;
            let name = part.source.clone();
            match self.builder(past, &mut all.links, part).read(source) {
                Ok(part) => {
                    pins_left = part.pins_left;
                    match part.pinned.is_empty() {
                        true => self.finish_part(&mut all, part, past)?,
                        false => all.open.push(part),
                    }
                }
                Err(error) => self.bear(&mut all, name, error)?,
            }
        }
        all.links.unpin();
        Ok(all)
    }

    /// Reads what was pinned. The sources are those of before, in their order.
    pub(super) fn close(
        &mut self,
        mut all: OpenContents,
        sources: &[(&SourceName, &SourceHistory)],
    ) -> Result<Contents> {
        let place = |name: &SourceName| sources.iter().position(|(source, _)| *source == name);
        for part in std::mem::take(&mut all.open) {
            let known = place(&part.source).and_then(|at| sources.get(at));
            let (_, past) = known.ok_or_else(|| {
                let path = String::from_utf8_lossy(&part.source.path);
                Error::new(Kind::Failed, "capture", path).because("its past is not known any more")
            })?;
            self.finish_part(&mut all, part, past)?;
        }
        let OpenContents { mut contents, links, first_error, .. } = all;
        contents.parts.sort_by_key(|part| place(&part.source()));
        contents.parents.sort_by_key(|parentage| place(&parentage.source));
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

    fn part(&self, source: &dyn Source, past: &SourceHistory) -> OpenPart {
        let now = self.session.repository().env().now();
        let mut part = OpenPart::new(source, past.newest.as_ref(), now);
        part.all_or_nothing &= !self.options.keep_going;
        part
    }

    fn builder<'s>(
        &'s mut self,
        past: &'s SourceHistory,
        links: &'s mut Links,
        part: OpenPart,
    ) -> PartBuilder<'s, 'r> {
        let Capture { session, reader, cutter, monitor, .. } = self;
        PartBuilder::new(session, reader, cutter, *monitor, &past.parents.list, links, part)
    }

    fn finish_part(
        &mut self,
        all: &mut OpenContents,
        part: OpenPart,
        past: &SourceHistory,
    ) -> Result<()> {
        let name = part.source.clone();
        let allow_empty = self.options.allow_empty || part.allow_empty;
        let built = self.builder(past, &mut all.links, part).finish().and_then(|built| {
            refuse_empty(self.reader, &built, &past.parents.list, allow_empty)?;
            Ok(built)
        });
        match built {
            Ok(built) => {
                let contents = &mut all.contents;
                contents.parents.push(past.parents.told(&built.part));
                contents.warnings.extend(built.warnings);
                contents.lost_databases.extend(built.lost_databases);
                add(&mut contents.counts, &built.counts);
                contents.parts.push(built.part);
                Ok(())
            }
            Err(error) => self.bear(all, name, error),
        }
    }

    /// A source's trouble costs its part, if that is wanted; the repository's, everything.
    fn bear(&self, all: &mut OpenContents, source: SourceName, error: Error) -> Result<()> {
        let is_borne = self.options.keep_going
            && !self.session.is_broken()
            && error.kind() != Kind::Interrupted;
        if !is_borne {
            return Err(of_source(error, &source.path));
        }
        self.monitor.trouble(&error);
        let SourceName { kind, path, selection } = source;
        let reason = error.to_string();
        all.contents.missing.push(Missing { kind, path, selection, reason });
        all.contents.counts.failed += 1;
        all.first_error.get_or_insert(error);
        Ok(())
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
    allow_empty: bool,
) -> Result<()> {
    if built.part.kind == PartKind::Stdin && built.counts.bytes == 0 && !allow_empty {
        return Err(Error::new(
            Kind::Refused,
            "capture",
            String::from_utf8_lossy(&built.part.path),
        )
        .because("no data came: what was to write it may have failed")
        .hint(
            "`--stdin-from-command` sees how a command ends; `--allow-empty`, or `allow_empty = true` at the \
             source of a job, saves an empty stream",
        ));
    }
    let last = parents.iter().find(|parent| matches!(parent.root, Entry::Node(_)));
    let fill = Fill::of(&built.counts);
    let has_lost_all = |parent: &&Parent| fill < Fill::before(reader, &parent.root);
    let allow_empty = allow_empty || fill == Fill::Bytes;
    let Some(last) = last.filter(|_| !allow_empty).filter(has_lost_all) else { return Ok(()) };
    let name = String::from_utf8_lossy(&built.part.path);
    let host = last.foreign.as_ref().map_or(String::new(), |host| format!(" of host {host}"));
    let before = match last.ids.first() {
        Some(id) => format!("in snapshot {}{host}", id.short()),
        None => "a moment ago".to_owned(),
    };
    Err(Error::new(Kind::Refused, "capture", name)
        .because(format!("nothing is in it, and {before} there was something"))
        .hint(
            "is it mounted? `--allow-empty`, or `allow_empty = true` at the source of a job, saves it all \
             the same",
        ))
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
