//! `backup`: sources into one snapshot, one part for each.

mod batch;
mod directory;
mod former;
mod history;
mod links;
mod parent;
mod part;
mod prefetch;
mod progress_stream;
mod series;
mod small;
mod stored;
mod taints;
mod tree;
mod wanted;

pub use crate::codec::Level;
pub use parent::{ParentChoice, Parentage};

use super::damage::record_damage;
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::format::snapshot::{Missing, Part, PartKind, Snapshot, SourceName, Summary};
use crate::id::SnapshotId;
use crate::limits::WARNINGS_MAX;
use crate::monitor::{Counter, Monitor, go_on};
use crate::ops::path::is_within;
use crate::ops::select::Aside;
use crate::ops::series::Chains;
use crate::ops::tree::Entry;
use crate::repo::{Reader, Repository, Session, SessionOptions, WriterOptions};
use crate::source::Source;
use crate::stream::Cutter;
use history::{History, SourceHistory};
use links::Links;
use parent::Parent;
use part::{BuiltPart, PartBuilder};
use std::collections::{BTreeMap, BTreeSet};
use wanted::Wanted;

/// What a backup is asked for.
#[derive(Clone, Debug)]
pub struct BackupOptions {
    /// This machine.
    pub host: String,
    /// This user.
    pub user: String,
    /// Program and version.
    pub tool: String,
    /// Tags.
    pub tags: BTreeSet<String>,
    /// Facts given by the user.
    pub labels: BTreeMap<String, String>,
    /// Where deltas and unchanged files are looked for.
    pub parent: ParentChoice,
    /// Compression of whole chunks.
    pub level: Level,
    /// Whether changed chunks are stored as deltas.
    pub deltas: bool,
    /// Whether the other parts are kept when one fails altogether.
    pub keep_going: bool,
    /// Whether a capture may be empty that follows one that was not, or is a stream.
    pub allow_empty: bool,
    /// Whether nothing is saved that is as the newest snapshot of its series.
    pub skip_if_unchanged: bool,
}

/// By nobody in particular: everything is captured, and stored as small as can be.
impl Default for BackupOptions {
    fn default() -> Self {
        BackupOptions {
            host: String::new(),
            user: String::new(),
            tool: concat!("icecore ", env!("CARGO_PKG_VERSION")).to_owned(),
            tags: BTreeSet::new(),
            labels: BTreeMap::new(),
            parent: ParentChoice::Auto,
            level: Level::default(),
            deltas: true,
            keep_going: false,
            allow_empty: false,
            skip_if_unchanged: false,
        }
    }
}

/// What became of a backup.
#[derive(Clone, Debug)]
pub struct BackupReport {
    /// The snapshot; if nothing was saved, as it would have been.
    pub snapshot: Snapshot,
    /// Whether something could not be captured, or changed while it was read, or may rest on
    /// chunks that turned out to be damaged meanwhile.
    pub incomplete: bool,
    /// What each part leans on.
    pub parents: Vec<Parentage>,
    /// The snapshot that it equals, so that nothing was saved.
    pub unchanged: Option<SnapshotId>,
    /// What stood in each series before.
    pub chains: Chains,
}

/// Captures `sources` as one snapshot.
///
/// # Errors
/// All or nothing: the first part that fails altogether, unless told to keep going. Trouble with
/// single items goes to the monitor and makes the report incomplete.
pub fn backup(
    repository: &Repository,
    sources: Vec<Box<dyn Source>>,
    options: &BackupOptions,
    monitor: &dyn Monitor,
) -> Result<BackupReport> {
    let started = repository.env().now();
    let Wanted { sources, warnings } = Wanted::of(sources, options.keep_going)?;
    let descriptions: Vec<SourceName> = sources.iter().map(|source| source.describe()).collect();
    let mut session = repository.begin(SessionOptions {
        writer: WriterOptions {
            verb: "backup".to_owned(),
            host: options.host.clone(),
            tool: options.tool.clone(),
        },
        level: options.level,
        deltas: options.deltas,
    })?;
    session.take_troubles().iter().for_each(|error| monitor.trouble(error));
    let index = session.index().clone();
    let reader = Reader::new(repository, &index);
    let history = match History::find(&reader, &session, options, &descriptions) {
        Ok(history) => history,
        Err(error) => {
            drop(session.abandon());
            return Err(error);
        }
    };
    monitor.begin("back up", None);
    let captured = capture(&mut session, &reader, sources, &history, options, monitor);
    monitor.end();
    session.take_troubles().iter().for_each(|error| monitor.trouble(error));
    let met_damage = record_damage(repository, session.index(), monitor);
    // Ctrl-C reaches children that read, too: one may be gone before anybody here is asked.
    let mut captured = match go_on(monitor, "back up").and(captured) {
        Ok(captured) => captured,
        Err(error) => {
            // The error is what matters; an outcome only spares the collector a wait.
            drop(session.abandon());
            return Err(error);
        }
    };
    captured.warnings.extend(warnings);
    if met_damage {
        let error = damaged(repository);
        captured.warnings.push(error.to_string());
        monitor.trouble(&error);
    }
    let mut report = commit(session, captured, history, started, options)?;
    report.incomplete |= met_damage;
    Ok(report)
}

/// From when it was met, nothing rests on it; what was counted on before may.
fn damaged(repository: &Repository) -> Error {
    let reason = "some of what is stored there is damaged, and this snapshot may rest on it";
    Error::damaged("count on all of", repository.backend().describe(), reason)
        .hint("run the same backup again: it stores anew what its sources still have")
}

#[derive(Default)]
struct Captured {
    parts: Vec<Part>,
    parents: Vec<Parentage>,
    missing: Vec<Missing>,
    warnings: Vec<String>,
    counts: Summary,
}

fn capture(
    session: &mut Session<'_>,
    reader: &Reader<'_>,
    sources: Vec<Box<dyn Source>>,
    history: &History,
    options: &BackupOptions,
    monitor: &dyn Monitor,
) -> Result<Captured> {
    let cutter = Cutter::new(session.repository())?;
    let mut captured = Captured { warnings: history.warnings.clone(), ..Captured::default() };
    let mut links = Links::default();
    let mut first_error = None;
    for (source, past) in sources.into_iter().zip(&history.sources) {
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
                captured.parents.push(parents.told(&built.part));
                captured.warnings.extend(built.warnings);
                add(&mut captured.counts, &built.counts);
                captured.parts.push(built.part);
            }
            // A source's trouble costs its part; the repository's, everything.
            Err(error)
                if options.keep_going
                    && !session.is_broken()
                    && error.kind() != Kind::Interrupted =>
            {
                monitor.trouble(&error);
                captured.missing.push(Missing { kind, path, selection, reason: error.to_string() });
                captured.counts.failed += 1;
                first_error.get_or_insert(error);
            }
            Err(error) => return Err(of_source(error, &path)),
        }
    }
    let elsewhere = links.elsewhere();
    for part in &mut captured.parts {
        part.incomplete |= elsewhere.keys().any(|path| is_within(path, &part.path));
    }
    captured.warnings.extend(elsewhere.into_values().take(WARNINGS_MAX));
    match first_error {
        Some(error) if captured.parts.is_empty() => {
            Err(error.within("capture", "any of the sources"))
        }
        _ => Ok(captured),
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
    let before = last.id.short();
    Err(Error::new(Kind::Refused, "capture", name)
        .because(format!("nothing is in it, and in snapshot {before}{host} there was something"))
        .hint("is it mounted? `--allow-empty` saves it all the same"))
}

fn commit(
    session: Session<'_>,
    captured: Captured,
    history: History,
    started: Time,
    options: &BackupOptions,
) -> Result<BackupReport> {
    let env = session.repository().env().clone();
    let generation = session.index().generation();
    // What had to be stored again, although it is nothing new, needs a snapshot to live by.
    let may_skip = options.skip_if_unchanged && session.summary().chunks_new == 0;
    // What `latest` passes over stands for nothing.
    let counts_as_last = |last: &Snapshot| Aside::of(last).is_none();
    let unchanged =
        history.last.filter(|last| may_skip && counts_as_last(last) && is_same(&captured, last));
    let Captured { parts, parents, missing, warnings, counts, .. } = captured;
    let make = |id, written: Summary| Snapshot {
        id,
        series: history.series.id,
        sequence: history.series.next_sequence(),
        previous: history.series.previous_hash(),
        generation,
        original: None,
        origin: None,
        started,
        finished: env.now(),
        host: options.host.clone(),
        user: options.user.clone(),
        tags: options.tags.clone(),
        labels: options.labels.clone(),
        tool: options.tool.clone(),
        parts,
        missing,
        warnings,
        summary: counts.stored_as(&written),
    };
    let snapshot = match &unchanged {
        None => session.commit(make)?,
        Some(_) => {
            let snapshot = make(session.id(), session.summary());
            session.abandon()?;
            snapshot
        }
    };
    Ok(BackupReport {
        incomplete: snapshot.is_incomplete(),
        snapshot,
        parents,
        unchanged: unchanged.map(|last| last.id),
        chains: history.chains,
    })
}

/// Whether what was captured is all that a snapshot holds.
fn is_same(captured: &Captured, last: &Snapshot) -> bool {
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
    let whole = captured.missing.is_empty() && last.missing.is_empty();
    let all = captured.parts.len() == last.parts.len();
    whole && all && captured.parts.iter().zip(&last.parts).all(same)
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

/// Counts an item for the monitor.
fn tell(monitor: &dyn Monitor, bytes: u64) {
    monitor.count(Counter::Items, 1);
    monitor.count(Counter::Bytes, bytes);
}
