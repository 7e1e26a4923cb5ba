//! `backup`: sources into one snapshot, one part for each.

mod ahead;
mod batch;
mod links;
mod parent;
mod part;
mod wanted;
mod watched;

pub use crate::codec::Level;
pub use parent::ParentChoice;

use super::damage::remember;
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::format::snapshot::{Missing, Part, Snapshot, Summary};
use crate::id::SeriesId;
use crate::monitor::{Counter, Monitor, go_on};
use crate::repo::{Reader, Repository, Session, SessionOptions};
use crate::source::{Description, Source};
use crate::stream::Cutter;
use links::Links;
use parent::Series;
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
    /// Whether an empty capture may follow one that was not.
    pub allow_empty: bool,
}

/// What became of a backup.
#[derive(Clone, Debug)]
pub struct BackupReport {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// Whether something could not be captured, or changed while it was read, or may rest on
    /// chunks that turned out to be damaged meanwhile.
    pub incomplete: bool,
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
    let descriptions: Vec<Description> = sources.iter().map(|source| source.describe()).collect();
    refuse_overlap(&descriptions)?;
    let mut session = repository.begin(SessionOptions {
        verb: "backup".to_owned(),
        host: options.host.clone(),
        tool: options.tool.clone(),
        level: options.level,
        deltas: options.deltas,
    })?;
    session.take_troubles().iter().for_each(|error| monitor.trouble(error));
    let series = Series::find(repository, &options.host, &descriptions, &options.parent)?;
    monitor.begin("back up", None);
    let captured = capture(&mut session, sources, &series, options, monitor);
    monitor.end();
    let met_damage = remember(repository, session.index(), monitor);
    // Ctrl-C reaches children that read, too: one may be gone before anybody here is asked.
    let mut captured = match go_on(monitor, "back up").and(captured) {
        Ok(captured) => captured,
        Err(error) => {
            // The error is what matters; an outcome only spares the collector a wait.
            drop(session.abandon());
            return Err(error);
        }
    };
    if met_damage {
        let error = damaged(repository);
        captured.warnings.push(error.to_string());
        monitor.trouble(&error);
    }
    captured.warnings.extend(warnings);
    let snapshot = commit(session, captured, &series, started, options)?;
    Ok(BackupReport { incomplete: met_damage || snapshot.is_incomplete(), snapshot })
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
    missing: Vec<Missing>,
    warnings: Vec<String>,
    counts: Summary,
}

fn capture(
    session: &mut Session<'_>,
    sources: Vec<Box<dyn Source>>,
    series: &Series,
    options: &BackupOptions,
    monitor: &dyn Monitor,
) -> Result<Captured> {
    let index = session.index().clone();
    let reader = Reader::new(session.repository(), &index);
    let cutter = Cutter::new(session.repository())?;
    let mut captured = Captured::default();
    let mut links = Links::default();
    let mut first_error = None;
    for source in sources {
        let Description { kind, path } = source.describe();
        let selection = BTreeSet::new();
        let before = series.part_of(&source.describe());
        let builder = PartBuilder::new(session, &reader, &cutter, monitor, before, &mut links);
        let built = builder.build(source, options.keep_going).and_then(|built| {
            refuse_empty(&reader, &built, before, options)?;
            Ok(built)
        });
        match built {
            Ok(mut built) => {
                built.part.parents.extend(series.parent().map(|stored| stored.snapshot.id));
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
    captured.warnings.extend(links.warnings());
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

/// An empty part must not take the place of one that was not, unless that is wanted.
fn refuse_empty(
    reader: &Reader<'_>,
    built: &BuiltPart,
    before: Option<&Part>,
    options: &BackupOptions,
) -> Result<()> {
    let emptied = |before| built.counts.bytes == 0 && parent::has_bytes(reader, before);
    if options.allow_empty || !before.is_some_and(emptied) {
        return Ok(());
    }
    let name = String::from_utf8_lossy(&built.part.path);
    Err(Error::new(Kind::Refused, "capture", name)
        .because("nothing is in it, and in the snapshot before there was")
        .hint("is it mounted? `--allow-empty` saves it all the same"))
}

fn commit(
    session: Session<'_>,
    captured: Captured,
    series: &Series,
    started: Time,
    options: &BackupOptions,
) -> Result<Snapshot> {
    let env = session.repository().env().clone();
    let series_id = match series.id() {
        Some(id) => id,
        None => SeriesId(env.random()?),
    };
    let generation = session.index().generation();
    session.commit(|id, written| Snapshot {
        id,
        series: series_id,
        sequence: series.next_sequence(),
        previous: series.previous_hash(),
        generation,
        started,
        finished: env.now(),
        host: options.host.clone(),
        user: options.user.clone(),
        tags: options.tags.clone(),
        labels: options.labels.clone(),
        tool: options.tool.clone(),
        parts: captured.parts,
        missing: captured.missing,
        warnings: captured.warnings,
        summary: Summary {
            chunks_new: written.chunks_new,
            chunks_known: written.chunks_known,
            whole: written.whole,
            delta: written.delta,
            packed: written.packed,
            written: written.written,
            ..captured.counts
        },
    })
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

/// Two sources at one place, or one within the other, would be captured twice.
fn refuse_overlap(descriptions: &[Description]) -> Result<()> {
    for (at, inner) in descriptions.iter().enumerate() {
        let path = String::from_utf8_lossy(&inner.path);
        for outer in descriptions.iter().enumerate().filter(|(other, _)| *other != at) {
            let outer = &outer.1.path;
            let within = inner.path.starts_with(outer)
                && (outer.ends_with(b"/")
                    || matches!(inner.path.get(outer.len()), None | Some(b'/')));
            if within {
                return Err(Error::new(Kind::InvalidInput, "back up", path)
                    .because(format!("it lies within {}", String::from_utf8_lossy(outer)))
                    .hint(
                        "name each place once; databases in a folder are captured as databases",
                    ));
            }
        }
    }
    Ok(())
}

/// Counts an item for the monitor.
fn tell(monitor: &dyn Monitor, bytes: u64) {
    monitor.count(Counter::Items, 1);
    monitor.count(Counter::Bytes, bytes);
}
