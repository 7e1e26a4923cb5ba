//! `demo`: a live database under load, hourly snapshots, a restore that is proved, and a damaged
//! copy that is found out.

#![allow(clippy::print_stdout, reason = "it tells as it goes on")]

mod app;
mod proof;

use crate::backend::Local;
use crate::crypto::Secret;
use crate::env::Env;
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::snapshot::Snapshot;
use crate::monitor::Silent;
use crate::ops::backup::{BackupOptions, Level, ParentChoice, backup};
use crate::ops::check::{CheckOptions, CheckReport, ReadData, check};
use crate::ops::restore::{RestoreOptions, restore};
use crate::repo::{InitOptions, Reader, Repository};
use crate::source::files::{FilesOptions, FilesSource};
use crate::source::sqlite::{SqliteOptions, SqliteReader};
use app::App;
use comfy_table::Table;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// Runs the demonstration in `folder`, which must not exist yet or be empty.
pub(super) fn demo(folder: &Path, hours: u32) -> Result<()> {
    let application = folder.join("app");
    println!("A small application writes to {} ...", application.display());
    let mut app = App::start(&application)?;
    let with = Place::create(&folder.join("repository"), true)?;
    let without = Place::create(&folder.join("repository-without-deltas"), false)?;
    let mut table = Table::new();
    table.load_preset(comfy_table::presets::ASCII_BORDERS_ONLY_CONDENSED).set_header([
        "hour",
        "rows changed",
        "live commits",
        "captured",
        "stored",
        "as whole chunks",
        "ratio",
        "seconds",
    ]);
    let mut states: Vec<(Snapshot, BTreeMap<String, blake3::Hash>)> = Vec::new();
    for hour in 0..=hours {
        let commits = app.commits();
        let rows = if hour == 0 { 0 } else { app.work_an_hour()? };
        let begun = Instant::now();
        let snapshot = with.backup(&application)?;
        let seconds = begun.elapsed().as_secs_f64();
        let whole = without.backup(&application)?;
        table.add_row(row(hour, rows, app.commits() - commits, &snapshot, &whole, seconds));
        states.push((snapshot, proof::files(&application.join("uploads"))?));
    }
    app.stop()?;
    println!("{table}");
    println!("Each row is one snapshot, taken while a writer went on committing.\n");
    restore_one(&with, folder, &application, &states)?;
    damage_a_copy(&with, folder)?;
    println!("\nEverything is in {}; remove it when you have looked.", folder.display());
    Ok(())
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
            tool: concat!("icecore ", env!("CARGO_PKG_VERSION")).to_owned(),
            tags: Default::default(),
            labels: Default::default(),
            parent: ParentChoice::Auto,
            level: Level::default(),
            deltas,
            keep_going: false,
            allow_empty: false,
        };
        Ok(Place { path: path.to_owned(), secret, repository, options })
    }

    fn backup(&self, folder: &Path) -> Result<Snapshot> {
        let reader = SqliteReader::of_this_program(SqliteOptions::default())?;
        let files = FilesOptions {
            sqlite: Some(Arc::new(move |path: &Path| reader.open(path))),
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

fn row(
    hour: u32,
    rows: u64,
    commits: u64,
    with: &Snapshot,
    without: &Snapshot,
    seconds: f64,
) -> [String; 8] {
    let (stored, whole) = (with.summary.written, without.summary.written);
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let ratio = whole as f64 / stored.max(1) as f64;
    [
        hour.to_string(),
        rows.to_string(),
        commits.to_string(),
        bytes(with.summary.bytes),
        bytes(stored),
        bytes(whole),
        format!("{ratio:.1}"),
        format!("{seconds:.2}"),
    ]
}

fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}

fn restore_one(
    place: &Place,
    folder: &Path,
    application: &Path,
    states: &[(Snapshot, BTreeMap<String, blake3::Hash>)],
) -> Result<()> {
    let hour = states.len() / 2;
    let Some((snapshot, uploads)) = states.get(hour) else { return Ok(()) };
    let target = folder.join("restored");
    let index = place.repository.load_index()?;
    let reader = Reader::new(&place.repository, &index);
    let application = application.canonicalize().attempt("find", application.display())?;
    let path = application.as_os_str().as_encoded_bytes();
    let mut options = RestoreOptions { verify: true, ..RestoreOptions::default() };
    let report = restore(&reader, snapshot, Some(path), &target, &mut options, &Silent)?;
    println!(
        "Restored hour {hour} (snapshot {}) to {}: {} files, {}.",
        snapshot.id.short(),
        target.display(),
        report.files,
        bytes(report.bytes)
    );
    let rows = proof::database(&target)?;
    println!("  integrity_check: ok; {rows} rows agree with the digest kept by every transaction");
    if report.failed > 0 || proof::files(&target.join("uploads"))? != *uploads {
        return Err(Error::damaged(
            "prove",
            target.display(),
            "the uploads are not what they were",
        ));
    }
    println!("  {} uploads have the digests that they had at that hour", uploads.len());
    Ok(())
}

/// Flips one bit of a pack in a copy of the repository and lets `check` find it.
fn damage_a_copy(place: &Place, folder: &Path) -> Result<()> {
    let healthy = check(&place.repository, CheckOptions { read_data: ReadData::All }, &Silent)?;
    report_check("the repository", &healthy);
    let copy = folder.join("damaged-copy");
    copy_tree(&place.path, &copy)?;
    let pack = largest(&copy.join("packs"))?;
    let mut content = std::fs::read(&pack).attempt("read", pack.display())?;
    let middle = content.len() / 2;
    if let Some(byte) = content.get_mut(middle) {
        *byte ^= 1;
    }
    std::fs::write(&pack, content).attempt("write", pack.display())?;
    println!("\nFlipped one bit of {} ...", pack.display());
    let damaged = Repository::open(Arc::new(Local::open(&copy)?), Env::real(), &place.secret)?;
    let report = check(&damaged, CheckOptions { read_data: ReadData::All }, &Silent)?;
    report_check("the copy", &report);
    if !healthy.is_healthy() || report.is_healthy() {
        return Err(Error::new(Kind::Failed, "find", "the flipped bit"));
    }
    Ok(())
}

fn report_check(name: &str, report: &CheckReport) {
    println!(
        "check --read-data of {name}: {} snapshots, {} packs, {} read back, {} errors",
        report.snapshots,
        report.packs_read,
        bytes(report.bytes_read),
        report.errors
    );
    for error in report.findings.iter().take(3) {
        println!("  {error}");
    }
    for touched in report.touched.iter().take(6) {
        println!(
            "  touches {}:{}",
            touched.snapshot.short(),
            String::from_utf8_lossy(&touched.path)
        );
    }
    if report.touched.len() > 6 {
        println!("  and {} more", report.touched.len() - 6);
    }
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
