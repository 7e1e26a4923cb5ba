//! `demo`: a live database under load, hourly snapshots, a restore that is proved, and a damaged
//! copy that is found out.

mod app;
mod child;
mod output;
mod proof;

use crate::backend::Local;
use crate::crypto::Secret;
use crate::env::Env;
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::snapshot::Snapshot;
use crate::monitor::Silent;
use crate::ops::backup::{BackupOptions, backup};
use crate::ops::check::{CheckOptions, ReadData, check};
use crate::ops::restore::{RestoreOptions, restore};
use crate::repo::{InitOptions, Reader, Repository};
use crate::source::files::{FilesOptions, FilesSource};
use crate::source::sqlite::{SqliteOptions, SqliteReader};
use child::AppProcess;
pub(in crate::ui) use child::serve;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Runs the demonstration in `folder`, which must not exist yet or be empty.
pub(super) fn demo(folder: &Path, hours: u32) -> Result<()> {
    let application = folder.join("app");
    output::application(&application);
    let mut app = AppProcess::start(&application)?;
    let with = Place::create(&folder.join("repository"), true)?;
    let without = Place::create(&folder.join("repository-without-deltas"), false)?;
    output::head();
    let mut states: Vec<State> = Vec::new();
    let mut costs = Costs::default();
    for hour in 0..=hours {
        let commits = app.commits()?;
        let rows = if hour == 0 { 0 } else { app.work_an_hour()? };
        let begun = Instant::now();
        let snapshot = with.backup(&application)?;
        let seconds = begun.elapsed().as_secs_f64();
        let cost = Costs {
            captured: snapshot.summary.bytes,
            stored: snapshot.summary.written,
            whole: without.backup(&application)?.summary.written,
        };
        output::row(hour, rows, app.commits()? - commits, &cost, seconds);
        costs.add(&cost);
        states.push((snapshot, proof::files(&application.join("uploads"))?));
    }
    app.stop()?;
    let restored = restore_one(&with, folder, &application, &states)?;
    let touched = damage_a_copy(&with, folder)?;
    output::verdict(states.len(), &costs, &restored, touched);
    output::end(folder);
    Ok(())
}

/// A snapshot, and the digests of the uploads when it was taken.
type State = (Snapshot, BTreeMap<String, blake3::Hash>);

/// What snapshots hold, and what they cost with and without deltas.
#[derive(Default)]
struct Costs {
    captured: u64,
    stored: u64,
    whole: u64,
}

impl Costs {
    fn add(&mut self, more: &Costs) {
        self.captured += more.captured;
        self.stored += more.stored;
        self.whole += more.whole;
    }
}

/// What came back.
struct Restored {
    hour: usize,
    rows: u64,
    uploads: usize,
}

/// A repository of the demonstration.
struct Place {
    path: PathBuf,
    secret: Secret,
    repository: Repository,
    options: BackupOptions,
}

impl Place {
    fn create(path: &Path, deltas: bool) -> Result<Self> {
        let env = Env::real();
        let secret = Secret::KeyFile(zeroize::Zeroizing::new(env.random()?));
        let backend = Arc::new(Local::create(path)?);
        let repository = Repository::init(backend, env, &secret, &InitOptions::default())?;
        let options = BackupOptions {
            host: "demo".to_owned(),
            user: "demo".to_owned(),
            deltas,
            ..BackupOptions::default()
        };
        Ok(Place { path: path.to_owned(), secret, repository, options })
    }

    fn backup(&self, folder: &Path) -> Result<Snapshot> {
        let reader = SqliteReader::of_this_program(SqliteOptions::default())?;
        let files = FilesOptions {
            sqlite: Some(Arc::new(move |file| reader.read(file))),
            ..FilesOptions::default()
        };
        let source = FilesSource::new(folder, files)?;
        let report = backup(&self.repository, vec![Box::new(source)], &self.options, &Silent)?;
        if report.incomplete {
            return Err(Error::new(Kind::SourceChanged, "capture", folder.display()));
        }
        Ok(report.snapshot)
    }
}

fn restore_one(
    place: &Place,
    folder: &Path,
    application: &Path,
    states: &[State],
) -> Result<Restored> {
    let hour = states.len() / 2;
    let missing = || Error::new(Kind::NotFound, "restore", format!("hour {hour}"));
    let (snapshot, uploads) = states.get(hour).ok_or_else(missing)?;
    let target = folder.join("restored");
    output::restoring(hour, snapshot, &target);
    let index = place.repository.load_index()?;
    let reader = Reader::new(&place.repository, &index).reloading();
    let application = application.canonicalize().attempt("find", application.display())?;
    let path = application.as_os_str().as_encoded_bytes();
    let mut options = RestoreOptions { verify: true, ..RestoreOptions::default() };
    let report = restore(&reader, snapshot, Some(path), &target, &mut options, &Silent)?;
    let rows = proof::database(&target)?;
    if report.failed > 0 || proof::files(&target.join("uploads"))? != *uploads {
        return Err(Error::damaged(
            "prove",
            target.display(),
            "the uploads are not what they were",
        ));
    }
    let restored = Restored { hour, rows, uploads: uploads.len() };
    output::restored(&restored);
    Ok(restored)
}

/// Flips one bit of a pack in a copy of the repository and lets `check` find it; how many
/// snapshots it touches.
fn damage_a_copy(place: &Place, folder: &Path) -> Result<usize> {
    output::checking();
    let healthy = check(&place.repository, CheckOptions { read_data: ReadData::All }, &Silent)?;
    output::checked(&healthy);
    let copy = folder.join("damaged-copy");
    copy_tree(&place.path, &copy)?;
    let pack = largest(&copy.join("packs"))?;
    output::flipping(&pack);
    let mut content = std::fs::read(&pack).attempt("read", pack.display())?;
    let middle = content.len() / 2;
    if let Some(byte) = content.get_mut(middle) {
        *byte ^= 1;
    }
    std::fs::write(&pack, content).attempt("write", pack.display())?;
    let damaged = Repository::open(Arc::new(Local::open(&copy)?), Env::real(), &place.secret)?;
    let report = check(&damaged, CheckOptions { read_data: ReadData::All }, &Silent)?;
    if !healthy.is_healthy() || report.is_healthy() {
        return Err(Error::new(Kind::Failed, "find", "the flipped bit"));
    }
    Ok(output::found(&report))
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to).attempt("make", to.display())?;
    for entry in std::fs::read_dir(from).attempt("list", from.display())? {
        let entry = entry.attempt("list", from.display())?;
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy_tree(&entry.path(), &target)?,
            false => {
                std::fs::copy(entry.path(), &target).attempt("copy", target.display())?;
            }
        }
    }
    Ok(())
}

/// The largest file in the folders of a folder.
fn largest(folder: &Path) -> Result<PathBuf> {
    let mut found: Option<(u64, PathBuf)> = None;
    for fan in std::fs::read_dir(folder).attempt("list", folder.display())?.flatten() {
        for entry in std::fs::read_dir(fan.path()).attempt("list", fan.path().display())?.flatten()
        {
            let length = entry.metadata().map(|metadata| metadata.len()).unwrap_or(0);
            if found.as_ref().is_none_or(|(largest, _)| length > *largest) {
                found = Some((length, entry.path()));
            }
        }
    }
    let none = || Error::new(Kind::NotFound, "find a pack in", folder.display());
    found.map(|(_, path)| path).ok_or_else(none)
}
