//! `copy`: chosen snapshots into another repository, which has keys of its own. Chunks are read by the
//! ids of the source and named anew, so everything that names them is written anew, too. Each snapshot
//! is committed by itself, the oldest first; one that is there already is known by its origin.

mod content;
mod standing;
mod translations;
mod tree;

use super::damage::record_damage;
use crate::backend::Backend;
use crate::codec::Level;
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::format::snapshot::{Origin, Part, Snapshot};
use crate::id::SnapshotId;
use crate::monitor::{Counter, Monitor, go_on};
use crate::repo::{
    Reader, Repository, Session, SessionOptions, Snapshots, StoredSnapshot, WriterOptions,
    unproved_config,
};
use content::ContentCopier;
use standing::{Origins, Place, Standing, origin};
use translations::Translations;

/// What a copy is asked for.
#[derive(Clone, Debug)]
pub struct CopyOptions {
    /// This machine.
    pub host: String,
    /// Program and version.
    pub tool: String,
    /// Whether nothing is copied, and only named what would be.
    pub dry_run: bool,
}

/// A snapshot that was copied.
#[derive(Clone, Debug)]
pub struct CopiedSnapshot {
    /// The one in the source.
    pub original: SnapshotId,
    /// The one in the target; none if it only would be.
    pub copy: Option<SnapshotId>,
    /// Whether the target has newer ones of its sources, so that it is a series of its own.
    pub late: bool,
    /// Bytes of content that were read.
    pub bytes_read: u64,
    /// Bytes that were stored for it.
    pub bytes_stored: u64,
}

/// A snapshot that lacks nothing, and its copy.
#[derive(Clone, Copy, Debug)]
pub struct WholeCopy {
    /// The one in the source.
    pub original: SnapshotId,
    /// The one in the target.
    pub copy: SnapshotId,
    /// When it was captured.
    pub started: Time,
}

/// The outcome of a copy.
#[derive(Debug, Default)]
pub struct CopyReport {
    /// Those that are new in the target, the oldest first.
    pub copied: Vec<CopiedSnapshot>,
    /// Those that it had.
    pub skipped: u64,
    /// Those that could not be copied whole, and why.
    pub failed: Vec<(SnapshotId, Error)>,
    /// The newest of the chosen that lacks nothing and that the target has now.
    pub newest: Option<WholeCopy>,
}

/// A snapshot is tried again so often, where its writer was given up, or leaned on what turned out to be
/// damaged.
const TRIES: usize = 3;

/// Refuses to copy a repository into itself or one of its mirrors.
///
/// # Errors
/// `Refused` if both are the same repository; `Unsupported` for a target of a newer format.
pub fn refuse_same(source: &Repository, target: &dyn Backend) -> Result<()> {
    match unproved_config(target)?.repository == source.config().repository {
        false => Ok(()),
        true => Err(Error::new(Kind::Refused, "copy to", target.describe())
            .because("it is the same repository as the source")
            .hint("`icecore mirror` copies a repository as it is")),
    }
}

/// Copies the chosen snapshots of one repository into another that does not have them yet, the oldest
/// first.
///
/// # Errors
/// Those of the target; of the source where it does not answer; the wish to stop. What was committed
/// stays, and need not be copied again; nor has what was stored for the next.
pub fn copy(
    source: &Repository,
    target: &Repository,
    chosen: &Snapshots<'_>,
    options: &CopyOptions,
    monitor: &dyn Monitor,
) -> Result<CopyReport> {
    refuse_same(source, &**target.backend())?;
    let mut report = CopyReport::default();
    let standing = Standing::read(target, |error| monitor.trouble(&error))?;
    let mut index = source.load_index()?;
    index.take_troubles().iter().for_each(|(_, error)| monitor.trouble(error));
    let all = source.snapshots(drop)?;
    let mut copier = Copier {
        reader: &Reader::new(source, &index).reloading(),
        target,
        standing,
        origins: Origins::of(source, &all)?,
        all,
        translations: Translations::default(),
        options,
        monitor,
    };
    monitor.begin("copy", Some((Counter::Items, chosen.len() as u64)));
    for key in chosen.keys().rev() {
        go_on(monitor, "copy")?;
        let stored = chosen.get(key.id);
        let snapshot = stored.as_ref().ok().and_then(|stored| Some(&stored.as_ref()?.snapshot));
        let whole = snapshot.filter(|it| !it.is_incomplete() && it.tainted() == 0);
        let whole = whole.map(|snapshot| (snapshot.id, snapshot.started));
        let stands = |copy| whole.map(|(original, started)| WholeCopy { original, copy, started });
        let copied = match stored {
            Ok(Some(stored)) if !copier.standing.has(&origin(source, &stored)) => {
                match options.dry_run {
                    true => would_copy(source, &copier.standing, &stored),
                    false => copier.snapshot(&stored),
                }
            }
            Ok(Some(stored)) => {
                let copy = copier.standing.copy_of(&origin(source, &stored));
                report.newest = copy.and_then(stands).or(report.newest);
                report.skipped += 1;
                monitor.count(Counter::Items, 1);
                continue;
            }
            Ok(None) => Err(given_up(key.id)),
            Err(error) => Err(error),
        };
        match copied {
            Ok(copied) => {
                report.newest = copied.copy.and_then(stands).or(report.newest);
                report.copied.push(copied);
            }
            Err(error) if costs_one(&error) => {
                let error = copier.explained(key.id, error);
                monitor.trouble(&error);
                report.failed.push((key.id, error));
            }
            Err(error) => return Err(error),
        }
        monitor.count(Counter::Items, 1);
    }
    monitor.end();
    Ok(report)
}

/// Whether an error is that of what is copied, so that other snapshots can be.
fn costs_one(error: &Error) -> bool {
    matches!(error.kind(), Kind::Damaged | Kind::NotFound | Kind::Unsupported)
}

fn given_up(id: SnapshotId) -> Error {
    Error::new(Kind::NotFound, "copy snapshot", id.short()).because("it was given up meanwhile")
}

fn would_copy(
    source: &Repository,
    standing: &Standing<'_>,
    stored: &StoredSnapshot,
) -> Result<CopiedSnapshot> {
    let late = standing.place(&stored.snapshot, &origin(source, stored))?.late;
    let original = stored.snapshot.id;
    Ok(CopiedSnapshot { original, copy: None, late, bytes_read: 0, bytes_stored: 0 })
}

/// Copies snapshots one after the other.
struct Copier<'c, 't> {
    reader: &'c Reader<'c>,
    target: &'t Repository,
    /// What it shows, with what was copied.
    standing: Standing<'t>,
    /// All snapshots of the source, and where each of them was first.
    all: Snapshots<'c>,
    origins: Origins,
    translations: Translations,
    options: &'c CopyOptions,
    monitor: &'c dyn Monitor,
}

impl Copier<'_, '_> {
    fn snapshot(&mut self, stored: &StoredSnapshot) -> Result<CopiedSnapshot> {
        let mut tries = 1..TRIES;
        loop {
            match self.try_snapshot(stored) {
                Ok(Some(copied)) => return Ok(copied),
                Ok(None) if tries.next().is_some() => {}
                Ok(None) => {
                    let store = self.target.backend().describe();
                    return Err(Error::new(Kind::Failed, "count on what is stored in", store)
                        .because("more and more of it turns out to be damaged")
                        .hint("see what `icecore check --read-data` says of it"));
                }
                Err(error) if error.kind() == Kind::Fenced && tries.next().is_some() => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn origin(&self, stored: &StoredSnapshot) -> Origin {
        origin(self.reader.repository(), stored)
    }

    /// Nothing where it would lean on what turned out to be damaged, which is noted.
    fn try_snapshot(&mut self, stored: &StoredSnapshot) -> Result<Option<CopiedSnapshot>> {
        let CopyOptions { host, tool, .. } = self.options.clone();
        let writer = WriterOptions { verb: "copy".to_owned(), host, tool };
        let (level, deltas) = (Level::default(), true);
        let begun = self.target.begin(SessionOptions { writer, level, deltas });
        let mut session = begun.map_err(|error| self.of_target(error))?;
        session.take_troubles().iter().for_each(|error| self.monitor.trouble(error));
        let made = self.make(&mut session, stored);
        session.take_troubles().iter().for_each(|error| self.monitor.trouble(error));
        let met_damage = record_damage(self.target, session.index(), self.monitor);
        let (parts, place, bytes_read) = match made {
            Ok(made) if !met_damage => made,
            made => {
                let broken = session.is_broken();
                // The error is what matters; an outcome only spares others a wait.
                drop(session.abandon());
                return match made {
                    _ if met_damage && !broken => Ok(None),
                    // What is wrong with the target is no fault of the snapshot.
                    Err(error) if broken => Err(self.of_target(error)),
                    made => made.map(|_| None),
                };
            }
        };
        let generation = session.index().generation();
        let origin = Origin { late: place.late, ..self.origin(stored) };
        let original = stored.snapshot.clone();
        let committed = session.commit_stored(|id, written| Snapshot {
            id,
            series: place.series,
            sequence: place.sequence,
            previous: place.previous,
            generation,
            origin: Some(origin),
            parts,
            summary: original.summary.clone().stored_as(&written),
            ..original
        });
        let committed = committed.map_err(|error| self.of_target(error))?;
        let copied = CopiedSnapshot {
            original: stored.snapshot.id,
            copy: Some(committed.snapshot.id),
            late: place.late,
            bytes_read,
            bytes_stored: committed.snapshot.summary.written,
        };
        self.standing.add(committed);
        Ok(Some(copied))
    }

    /// What is wrong with the target is no fault of the snapshot.
    fn of_target(&self, error: Error) -> Error {
        let wrong = || Error::new(Kind::Failed, "store in", self.target.backend().describe());
        if costs_one(&error) { wrong().caused_by(error) } else { error }
    }

    /// Stores all parts; what it takes to commit them.
    fn make(
        &mut self,
        session: &mut Session<'_>,
        stored: &StoredSnapshot,
    ) -> Result<(Vec<Part>, Place, u64)> {
        let snapshot = &stored.snapshot;
        let place = self.standing.place(snapshot, &self.origin(stored))?;
        let formers = self.standing.formers(snapshot, &self.all, &self.origins);
        let formers = formers.map_err(|error| self.of_target(error))?;
        let index = session.index().clone();
        let mut contents = ContentCopier {
            source: self.reader,
            target: &Reader::new(self.target, &index),
            session,
            translations: &mut self.translations,
            monitor: self.monitor,
            bytes_read: 0,
        };
        let mut parts = Vec::with_capacity(snapshot.parts.len());
        for (part, former) in snapshot.parts.iter().zip(formers) {
            let parents = former.iter().map(|(id, _)| *id).collect();
            let former = former.map(|(_, former)| former);
            let root = contents.tree(&part.path, &part.root, former)?;
            parts.push(Part { root, parents, ..part.clone() });
        }
        Ok((parts, place, contents.bytes_read))
    }

    /// What failed, and whether that was to be expected.
    fn explained(&self, id: SnapshotId, error: Error) -> Error {
        let gone = self.reader.repository().outcome(id);
        match gone.is_err_and(|gone| gone.kind() == Kind::NotFound) {
            true => given_up(id).caused_by(error),
            false => error.within("copy snapshot", id.short()),
        }
    }
}
