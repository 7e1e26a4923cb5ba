//! `restore`: a snapshot, or what stands at a path of it, into a folder; into a server: [`postgres`].

mod postgres;

use super::filter::FilterArgs;
use super::patterns::Patterns;
use super::views::source_name;
use crate::agent::config::JOB_LABEL;
use crate::error::{Error, Kind, Result};
use crate::format::snapshot::Snapshot;
use crate::monitor::Monitor;
use crate::ops::restore::{RestoreOptions, RestoreReport, restore};
use crate::ops::select::{SnapshotPath, named_sources};
use crate::repo::Reader;
use crate::sink::files::{FilesOptions, Overwrite, Report};
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use crate::ui::progress::Progress;
use clap::{Args, ValueEnum};
use postgres::IntoArgs;
use serde::Serialize;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What `restore` takes.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// `latest`, `latest~N`, `latest@TIME` or the beginning of an id; with a path, only what stands there
    #[arg(value_name = "SNAPSHOT[:PATH]", required_unless_present = "at")]
    pub snapshot: Option<OsString>,

    /// Restore the newest snapshot that was made by this time: 2026-01-31 12:00, local, or RFC 3339
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,

    /// The folder to restore into; made if it is not there
    #[arg(short, long, value_name = "FOLDER", required_unless_present = "into")]
    pub target: Option<PathBuf>,

    /// Restore only what matches this pattern; may be given several times
    #[arg(short, long, value_name = "PATTERN")]
    pub include: Vec<String>,

    /// The same, whether letters are large or small
    #[arg(long, value_name = "PATTERN")]
    pub iinclude: Vec<String>,

    /// Restore only what matches a pattern in this file; may be given several times
    #[arg(long, value_name = "FILE")]
    pub include_file: Vec<PathBuf>,

    /// The same, whether letters are large or small
    #[arg(long, value_name = "FILE")]
    pub iinclude_file: Vec<PathBuf>,

    /// Leave out what matches this pattern; may be given several times
    #[arg(short, long, value_name = "PATTERN")]
    pub exclude: Vec<String>,

    /// The same, whether letters are large or small
    #[arg(long, value_name = "PATTERN")]
    pub iexclude: Vec<String>,

    /// Leave out what matches a pattern in this file; may be given several times
    #[arg(long, value_name = "FILE")]
    pub exclude_file: Vec<PathBuf>,

    /// The same, whether letters are large or small
    #[arg(long, value_name = "FILE")]
    pub iexclude_file: Vec<PathBuf>,

    /// What happens to what stands in the folder already
    #[arg(long, value_enum, default_value = "never", value_name = "WHEN")]
    pub overwrite: OverwriteWhen,

    /// Turn runs of zeros into holes
    #[arg(long)]
    pub sparse: bool,

    /// Restore devices, setuid bits and attributes that give privileges (security.*, trusted.*), too,
    /// which only root can; owners come back whenever root restores
    #[arg(long)]
    pub special: bool,

    /// Read everything back afterwards and compare
    #[arg(long)]
    pub verify: bool,

    /// Say what would be restored, kept or refused, and write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub filter: FilterArgs,

    #[command(flatten)]
    pub into: IntoArgs,
}

/// What happens to what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OverwriteWhen {
    /// The folder must be empty
    Never,
    /// Replace it
    Always,
    /// Keep files of the same size and time, replace others
    IfChanged,
    /// Keep files that are as new or newer, replace others
    IfNewer,
}

impl RestoreArgs {
    /// The snapshot that is meant, and the path in it.
    fn wanted(&self) -> Result<SnapshotPath> {
        let name = self.snapshot.as_deref().unwrap_or(OsStr::new("latest"));
        let wanted = SnapshotPath::from(name.as_bytes());
        match &self.at {
            Some(time) => wanted.made_by(time),
            None => Ok(wanted),
        }
    }
}

/// Says which snapshot is restored: with several series in a repository, `latest` may be of any.
fn tell_snapshot(app: &App, snapshot: &Snapshot) -> Result<()> {
    if !app.talks() {
        return Ok(());
    }
    let mut out = Out::new();
    let (id, host) = (snapshot.id.short(), text::plain(&snapshot.host));
    let job = snapshot.labels.get(JOB_LABEL).map(|job| format!(", job {}", text::plain(job)));
    let job = job.unwrap_or_default();
    let sources: Vec<String> = named_sources(snapshot).iter().map(source_name).collect();
    let sources = sources.join(", ");
    out.prose(&format!("snapshot {id} of {} from {host}{job}: {sources}", snapshot.started))?;
    out.finish()
}

/// Restores.
pub fn run(app: &App, args: &RestoreArgs) -> Result<Done> {
    match (&args.into.into, &args.target) {
        (Some(url), _) => postgres::run(app, args, url),
        (None, Some(target)) if !args.into.is_used() => into_folder(app, args, target),
        (None, Some(target)) => {
            Err(Error::new(Kind::InvalidInput, "restore into", target.display())
                .because("some of the flags are for a PostgreSQL server only")
                .hint("use --into URL instead of --target FOLDER, or leave those flags out"))
        }
        (None, None) => Err(Error::new(Kind::InvalidInput, "restore", "a snapshot")
            .because("no place was named")
            .hint("use --target FOLDER, or --into URL for PostgreSQL")),
    }
}

/// A repository must not be restored over, nor into.
fn refuse_repository(app: &App, target: &Path) -> Result<()> {
    if !app.is_in_repository(target)? {
        return Ok(());
    }
    Err(Error::new(Kind::Refused, "restore into", target.display())
        .because("it is, or is in, the repository itself")
        .hint("name another folder"))
}

fn into_folder(app: &App, args: &RestoreArgs, target: &Path) -> Result<Done> {
    let wanted = args.wanted()?;
    let mut options = options(args)?;
    refuse_repository(app, target)?;
    let repository = app.repository()?;
    let progress = app.progress()?;
    let stored = args.filter.one(&repository, &wanted.snapshot, &progress)?;
    tell_snapshot(app, &stored.snapshot)?;
    let index = app.index(&repository, &progress)?;
    let reader = Reader::new(&repository, &index).reloading();
    let path = wanted.path.as_deref();
    let report = restore(&reader, &stored.snapshot, path, target, &mut options, &progress)?;
    for line in &report.left_out.lines {
        progress.warn(line);
    }
    let mut out = Out::new();
    match app.global.json {
        true => out.json(
            "summary",
            &SummaryView::new(&stored.snapshot, &report, &progress, args.dry_run),
        )?,
        false if app.talks() => print(&report, &progress, args, &mut out)?,
        false => {}
    }
    out.finish()?;
    Ok(Done::incomplete_if(report.failed > 0 || report.left_out.links > 0))
}

fn options(args: &RestoreArgs) -> Result<RestoreOptions> {
    let overwrite = match args.overwrite {
        OverwriteWhen::Never => Overwrite::Never,
        OverwriteWhen::Always => Overwrite::Always,
        OverwriteWhen::IfChanged => Overwrite::IfChanged,
        OverwriteWhen::IfNewer => Overwrite::IfNewer,
    };
    let include = Patterns {
        given: &args.include,
        files: &args.include_file,
        any_case: &args.iinclude,
        any_case_files: &args.iinclude_file,
    };
    let exclude = Patterns {
        given: &args.exclude,
        files: &args.exclude_file,
        any_case: &args.iexclude,
        any_case_files: &args.iexclude_file,
    };
    Ok(RestoreOptions {
        files: FilesOptions { overwrite, sparse: args.sparse, devices_and_setuid: args.special },
        include: include.read()?,
        exclude: exclude.read()?,
        dry_run: args.dry_run,
        verify: args.verify,
        ..RestoreOptions::default()
    })
}

fn print(
    report: &RestoreReport,
    progress: &Progress,
    args: &RestoreArgs,
    out: &mut Out,
) -> Result<()> {
    let (restored, kept) = match args.dry_run {
        true => ("would restore", "would keep"),
        false => ("restored", "kept"),
    };
    out.prose(&format!(
        "{restored} {} ({}), {} in {}",
        text::count(report.items, "item"),
        text::count(report.files, "file"),
        text::bytes(report.bytes),
        text::duration(progress.seconds())
    ))?;
    if report.kept > 0 {
        let files = text::count(report.kept, "file");
        out.prose(&format!("{kept} {files} as they stand there"))?;
    }
    if args.verify && !args.dry_run {
        out.prose(&format!("read back {}", text::count(report.verified, "file")))?;
    }
    if !report.left_out.is_complete() {
        out.prose(&left_out(&report.left_out))?;
    }
    if report.failed > 0 {
        out.prose(&format!("{} could not be restored", text::count(report.failed, "item")))?;
    }
    if report.damaged > 0 {
        out.prose(
            "the repository is damaged: `icecore check --read-data` names every file that is lost, in \
             every snapshot; another snapshot may have what is missing here",
        )?;
    }
    Ok(())
}

/// `left out: 3 owners, 1 device`.
fn left_out(report: &Report) -> String {
    let counts = [
        (report.owners, "owner"),
        (report.special_modes, "setuid or setgid bit"),
        (report.devices, "device"),
        (report.sockets, "socket"),
        (report.xattrs, "extended attribute"),
        (report.metadata, "mode or time"),
        (report.links, "hard link"),
        (report.siblings, "log of a database that came back without it"),
    ];
    let nonzero = counts.iter().filter(|(number, _)| *number > 0);
    let texts: Vec<String> = nonzero.map(|(number, noun)| format!("{number} x {noun}")).collect();
    format!("left out: {}", texts.join(", "))
}

/// The summary, with restic's names where the meaning is the same.
#[derive(Serialize)]
struct SummaryView {
    snapshot_id: String,
    snapshot_time: String,
    dry_run: bool,
    files_restored: u64,
    files_kept: u64,
    files_verified: u64,
    items_restored: u64,
    items_failed: u64,
    items_damaged: u64,
    files_tainted: u64,
    bytes_restored: u64,
    seconds_elapsed: f64,
    left_out: LeftOut,
}

#[derive(Serialize)]
struct LeftOut {
    owners: u64,
    special_modes: u64,
    devices: u64,
    sockets: u64,
    xattrs: u64,
    metadata: u64,
    links: u64,
    siblings: u64,
}

impl SummaryView {
    fn new(
        snapshot: &Snapshot,
        report: &RestoreReport,
        progress: &Progress,
        dry_run: bool,
    ) -> Self {
        let left_out = &report.left_out;
        SummaryView {
            snapshot_id: snapshot.id.to_string(),
            snapshot_time: text::rfc3339(snapshot.started),
            dry_run,
            files_restored: report.files,
            files_kept: report.kept,
            files_verified: report.verified,
            items_restored: report.items,
            items_failed: report.failed,
            items_damaged: report.damaged,
            files_tainted: report.tainted,
            bytes_restored: report.bytes,
            seconds_elapsed: progress.seconds(),
            left_out: LeftOut {
                owners: left_out.owners,
                special_modes: left_out.special_modes,
                devices: left_out.devices,
                sockets: left_out.sockets,
                xattrs: left_out.xattrs,
                metadata: left_out.metadata,
                links: left_out.links,
                siblings: left_out.siblings,
            },
        }
    }
}
