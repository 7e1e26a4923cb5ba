//! A backup step by step: begun, perhaps warmed up, captured, and committed.

use super::capture::Capture;
use super::contents::{Contents, OpenContents};
use super::history::History;
use super::parent::Parent;
use super::wanted::Wanted;
use super::{BackupOptions, BackupReport};
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::format::snapshot::{Part, PartKind, Snapshot, SourceName, Summary};
use crate::id::SnapshotId;
use crate::limits::PINS_MAX;
use crate::monitor::{Monitor, go_on};
use crate::ops::damage::record_damage;
use crate::ops::path::is_within;
use crate::ops::select::Aside;
use crate::ops::tree::Entry;
use crate::repo::{Reader, Repository, Session, SessionOptions, WriterOptions};
use crate::source::Source;
use crate::stream::Cutter;

/// A backup on its way: begun, perhaps warmed up, captured, and only then committed. What fails ends it; one
/// that is dropped stays registered, see [`Writer`](crate::repo::Writer).
pub struct Backup<'r> {
    session: Session<'r>,
    options: BackupOptions,
    history: History,
    started: Time,
    sources: Vec<SourceName>,
    /// Paths at which there was a database before the warm-up.
    lost_databases: Vec<Vec<u8>>,
}

impl<'r> Backup<'r> {
    /// Registers a writer, and finds what earlier snapshots hold of the sources.
    pub fn begin(
        repository: &'r Repository,
        wanted: &Wanted,
        options: &BackupOptions,
    ) -> Result<Self> {
        let started = repository.env().now();
        let sources = wanted.names();
        let session = repository.begin(SessionOptions {
            writer: WriterOptions {
                verb: "backup".to_owned(),
                host: options.host.clone(),
                tool: options.tool.clone(),
            },
            level: options.level,
            deltas: options.deltas,
        })?;
        match history(&session, options, &sources) {
            Ok(history) => {
                let (options, lost_databases) = (options.clone(), Vec::new());
                Ok(Backup { session, options, history, started, sources, lost_databases })
            }
            Err(error) => Err(abandoned(session, error)),
        }
    }

    /// Reads files and databases of SQLite for the sake of what is new of them: it is stored and kept as a
    /// partial, so that a capture soon after has little left to store, and opens no file that has not changed
    /// since. Dumps and the output of commands are made once, by the capture.
    ///
    /// # Errors
    /// Those of [`backup`](super::backup), and `Fenced` if a collection began meanwhile: begin again.
    pub fn warm_up(mut self, mut wanted: Wanted, monitor: &dyn Monitor) -> Result<Self> {
        let lasts = |kind| matches!(kind, PartKind::Files | PartKind::Sqlite);
        wanted.sources.retain(|source| lasts(source.describe().kind));
        let read = self.read(wanted, monitor);
        let stored = read.and_then(|contents| self.session.save_partial().map(|()| contents));
        match stored {
            Ok(contents) => {
                self.lean_on(contents);
                Ok(self)
            }
            Err(error) => Err(self.failed(error, monitor)),
        }
    }

    /// Reads all sources. Nothing needs them after that; what went wrong is told when it is committed, which
    /// may take a while on a store that is far away.
    pub fn capture(mut self, wanted: Wanted, monitor: &dyn Monitor) -> Captured<'r> {
        let contents = self.read(wanted, monitor);
        Captured { backup: self, contents }
    }

    /// Reads all sources, but for databases that can stand for this moment without keeping anybody waiting: these
    /// are pinned, and read after.
    pub fn pin(mut self, wanted: Wanted, monitor: &dyn Monitor) -> Pinned<'r> {
        let contents = telling(monitor, || self.open(wanted, PINS_MAX, monitor));
        Pinned { backup: self, contents }
    }

    /// Ends it without a snapshot. What was stored is found by the next backup.
    pub fn abandon(self) -> Result<()> {
        self.session.abandon()
    }

    fn read(&mut self, wanted: Wanted, monitor: &dyn Monitor) -> Result<Contents> {
        telling(monitor, || {
            let open = self.open(wanted, 0, monitor)?;
            self.close(open, monitor)
        })
    }

    fn open(&mut self, wanted: Wanted, pins: usize, monitor: &dyn Monitor) -> Result<OpenContents> {
        self.look_for(&wanted.names())?;
        let Wanted { sources, warnings } = wanted;
        let history = &self.history;
        let past = |source: Box<dyn Source>| {
            let at = self.sources.iter().position(|name| *name == source.describe());
            Some((source, history.sources.get(at?)?))
        };
        let sources = sources.into_iter().filter_map(past).collect();
        let mut open = reading(&mut self.session, &self.options, monitor, |capture| {
            capture.open(sources, pins)
        })?;
        open.warn(warnings);
        Ok(open)
    }

    fn close(&mut self, open: OpenContents, monitor: &dyn Monitor) -> Result<Contents> {
        let sources: Vec<_> = self.sources.iter().zip(&self.history.sources).collect();
        let mut contents = reading(&mut self.session, &self.options, monitor, |capture| {
            capture.close(open, &sources)
        })?;
        contents.warnings.splice(..0, self.history.warnings.iter().cloned());
        Ok(contents)
    }

    /// Others may have come since it began.
    fn look_for(&mut self, sources: &[SourceName]) -> Result<()> {
        if !sources.iter().all(|source| self.sources.contains(source)) {
            self.history = history(&self.session, &self.options, sources)?;
            self.sources = sources.to_vec();
        }
        Ok(())
    }

    /// Makes what was just captured the first parent of each source.
    fn lean_on(&mut self, contents: Contents) {
        self.lost_databases.extend(contents.lost_databases);
        for part in contents.parts {
            let at = self.sources.iter().position(|source| *source == part.source());
            let Some(past) = at.and_then(|at| self.history.sources.get_mut(at)) else { continue };
            let (ids, root) = (part.parents.clone(), Entry::Node(Box::new(part.root.clone())));
            let parent = Parent { ids, foreign: None, is_warm_up: true, root };
            past.parents.list.insert(0, parent);
            past.newest = Some(part);
        }
    }

    /// The error is what matters; what was met of damage is noted for those who come after.
    fn failed(mut self, error: Error, monitor: &dyn Monitor) -> Error {
        self.session.take_troubles().iter().for_each(|error| monitor.trouble(error));
        record_damage(self.session.repository(), self.session.index(), monitor);
        abandoned(self.session, error)
    }
}

/// Runs `work` as a task that the monitor shows.
fn telling<T>(monitor: &dyn Monitor, work: impl FnOnce() -> T) -> T {
    monitor.begin("back up", None);
    let done = work();
    monitor.end();
    done
}

/// Reads with a session, as long as the user does not want to stop.
fn reading<T>(
    session: &mut Session<'_>,
    options: &BackupOptions,
    monitor: &dyn Monitor,
    work: impl FnOnce(&mut Capture<'_, '_>) -> Result<T>,
) -> Result<T> {
    let (index, repository) = (session.index().clone(), session.repository());
    let reader = &Reader::new(repository, &index);
    let cutter = Cutter::new(repository)?;
    let read = work(&mut Capture { session, reader, cutter, options, monitor });
    // Ctrl-C reaches children that read, too: one may be gone before anybody here is asked.
    go_on(monitor, "back up").and(read)
}

/// What is captured so far. What the databases hold that were pinned stands; it is not read yet.
pub struct Pinned<'r> {
    backup: Backup<'r>,
    contents: Result<OpenContents>,
}

impl<'r> Pinned<'r> {
    /// How many databases were pinned. If something went wrong, nothing is to be read.
    pub fn count(&self) -> usize {
        self.contents.as_ref().map_or(0, OpenContents::pinned)
    }

    /// Reads them.
    pub fn read(self, monitor: &dyn Monitor) -> Captured<'r> {
        let Pinned { mut backup, contents } = self;
        let close = |open| telling(monitor, || backup.close(open, monitor));
        let contents = contents.and_then(close);
        Captured { backup, contents }
    }
}

/// What was captured. Most of it is stored; there is no snapshot yet.
pub struct Captured<'r> {
    backup: Backup<'r>,
    contents: Result<Contents>,
}

impl Captured<'_> {
    /// Ends it without a snapshot. What was stored is found by the next backup.
    pub fn abandon(self) -> Result<()> {
        self.backup.abandon()
    }

    /// Stores the rest, and commits the snapshot.
    ///
    /// # Errors
    /// What went wrong while the sources were read; `Fenced` if a collector gave this writer up: start again.
    pub fn commit(self, monitor: &dyn Monitor) -> Result<BackupReport> {
        let Captured { mut backup, contents } = self;
        let mut contents = match contents {
            Ok(contents) => contents,
            Err(error) => return Err(backup.failed(error, monitor)),
        };
        let session = &mut backup.session;
        session.take_troubles().iter().for_each(|error| monitor.trouble(error));
        let met_damage = record_damage(session.repository(), session.index(), monitor);
        if met_damage {
            let error = damaged(session.repository());
            contents.warnings.push(error.to_string());
            monitor.trouble(&error);
        }
        contents.lost_databases.append(&mut backup.lost_databases);
        tell_lost_databases(&mut contents, monitor);
        let fewer = fewer_databases(backup.history.last.as_ref(), &contents);
        let mut report = put(backup, contents)?;
        report.incomplete |= met_damage;
        if let Some((now, before, last)) = fewer {
            let (last, new) = (last.short(), report.snapshot.id.short());
            monitor.note(&format!(
                "databases: {now}, and {before} in snapshot {last}: `icecore diff {last} {new}` shows which are gone"
            ));
        }
        Ok(report)
    }
}

fn history(
    session: &Session<'_>,
    options: &BackupOptions,
    sources: &[SourceName],
) -> Result<History> {
    let index = session.index().clone();
    History::find(&Reader::new(session.repository(), &index), session, options, sources)
}

/// The error is what matters; an outcome only spares the collector a wait.
fn abandoned(session: Session<'_>, error: Error) -> Error {
    drop(session.abandon());
    error
}

fn put(backup: Backup<'_>, contents: Contents) -> Result<BackupReport> {
    let Backup { session, history, started, options, .. } = backup;
    let env = session.repository().env().clone();
    let generation = session.index().generation();
    // What had to be stored again, although it is nothing new, needs a snapshot to live by.
    let may_skip = options.skip_if_unchanged && session.summary().chunks_new == 0;
    // What `latest` passes over stands for nothing.
    let counts_as_last = |last: &Snapshot| Aside::of(last).is_none();
    let is_same = |last: &Snapshot| may_skip && counts_as_last(last) && contents.is_all_of(last);
    let unchanged = history.last.filter(is_same);
    let Contents { parts, parents, missing, warnings, counts, .. } = contents;
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
        host: options.host,
        user: options.user,
        tags: options.tags,
        labels: options.labels,
        tool: options.tool,
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

/// Files that were databases before make the snapshot incomplete, once: the next one has this as its parent.
fn tell_lost_databases(contents: &mut Contents, monitor: &dyn Monitor) {
    for path in std::mem::take(&mut contents.lost_databases) {
        let error =
            Error::new(Kind::SourceChanged, "find a database in", String::from_utf8_lossy(&path))
                .because("it was a SQLite database in the snapshot before, and is not one any more")
                .hint("if that is a mistake, restore it; the next backups do not say this again");
        monitor.trouble(&error);
        contents.warnings.push(error.to_string());
        for part in &mut contents.parts {
            part.incomplete |= is_within(&path, &part.path);
        }
    }
}

/// How many databases there are now and were before, and in which snapshot, if there were more and nothing
/// else says why.
fn fewer_databases(last: Option<&Snapshot>, contents: &Contents) -> Option<(u64, u64, SnapshotId)> {
    let is_whole = |part: &Part| !part.incomplete && part.tainted == 0;
    let is_told = !contents.missing.is_empty()
        || contents.counts.failed > 0
        || !contents.parts.iter().all(is_whole);
    let last = last.filter(|_| !is_told)?;
    let (now, before) = (contents.counts.databases, last.summary.databases);
    (now < before).then_some((now, before, last.id))
}

/// From when it was met, nothing rests on it; what was counted on before may.
fn damaged(repository: &Repository) -> Error {
    let reason = "some of what is stored there is damaged, and this snapshot may rest on it";
    Error::damaged("count on all of", repository.backend().describe(), reason)
        .hint("run the same backup again: it stores anew what its sources still have")
}
