//! `backup`: sources into one snapshot.

use super::filter::FilterArgs;
use super::sources::SourceArgs;
use super::views::{TaintView, source_name};
use crate::backend::{DryRun, Location};
use crate::error::{Error, Kind, Result};
use crate::format::snapshot::Stored;
use crate::id::SnapshotId;
use crate::monitor::Monitor;
use crate::ops::backup::{BackupOptions, BackupReport, Level, ParentChoice, Parentage, backup};
use crate::ops::head::Head;
use crate::repo::{Repository, SnapshotKey};
use crate::source::Together;
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::host::{hostname, username};
use crate::ui::out::Out;
use crate::ui::progress::Progress;
use crate::ui::{passwords, progress_total};
use clap::Args;
use serde::Serialize;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What `backup` takes.
#[derive(Debug, Args)]
pub struct BackupArgs {
    #[command(flatten)]
    pub source: SourceArgs,

    /// Tags of the snapshot, separated by commas; may be given several times
    #[arg(long, value_name = "TAG[,TAG...]", value_delimiter = ',')]
    pub tag: Vec<String>,

    /// Name of this machine in the snapshot [env: ICECORE_HOST]
    #[arg(short = 'H', long, value_name = "HOST")]
    pub host: Option<String>,

    /// A fact to record, such as an application's version; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    pub label: Vec<(String, String)>,

    /// The snapshot to compare with, instead of the newest ones that hold the same
    #[arg(long, value_name = "SNAPSHOT", conflicts_with = "force")]
    pub parent: Option<String>,

    /// Compare with no snapshot: read everything
    #[arg(short, long)]
    pub force: bool,

    /// Store every new chunk whole
    #[arg(long)]
    pub no_delta: bool,

    /// How hard to compress: off, fastest, auto, better, max, or a level from -7 to 19
    #[arg(long, value_name = "LEVEL", default_value = "auto", value_parser = level)]
    #[arg(allow_negative_numbers = true)]
    pub compression: Level,

    /// Save the other sources if one fails altogether
    #[arg(long)]
    pub keep_going: bool,

    /// Save a source that is empty now although it was not before, or an empty stream
    #[arg(long)]
    pub allow_empty: bool,

    /// Save no snapshot if nothing has changed since the last one of the same sources
    #[arg(long)]
    pub skip_if_unchanged: bool,

    /// Do everything but write
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// Captures the sources.
pub fn run(app: &App, args: &BackupArgs) -> Result<Done> {
    let open_sources = || args.source.open(&app.env, together(app)?);
    let sources = open_sources()?;
    let repository = open(app, args.dry_run)?;
    let progress = app.progress()?;
    let options = options(&repository, args, &progress)?;
    let heads = app.heads(&repository, &progress);
    let scanned = args.source.open_to_scan(&sources, &app.env, together(app)?);
    let mut report = progress_total::ahead(&progress, scanned, || {
        match backup(&repository, sources, &options, &progress) {
            Err(error) if error.kind() == Kind::Fenced && args.source.can_be_read_again() => {
                progress.note("a collector gave this backup up; it starts again");
                backup(&repository, open_sources()?, &options, &progress)
            }
            report => report,
        }
    })?;
    for warning in &report.snapshot.warnings {
        progress.warn(warning);
    }
    let lost = heads.as_ref().map(|heads| heads.lost(&report.chains)).unwrap_or_default();
    lost.iter().for_each(|head| progress.trouble(&head.lost()));
    let head = saved_head(&repository, &mut report);
    if let Some(heads) = heads.filter(|_| !args.dry_run) {
        app.remember(&heads, &report.chains, false, &progress);
    }
    let mut out = Out::new();
    match app.global.json {
        true => out.json("summary", &SummaryView::new(&report, head, &progress, args.dry_run))?,
        false if app.talks() => print(&report, &progress, args.dry_run, &mut out)?,
        false => {}
    }
    out.finish()?;
    let is_well = !report.incomplete && report.snapshot.tainted() == 0 && lost.is_empty();
    Ok(Done::incomplete_if(!is_well))
}

/// What was saved, as the newest of its series; none if nothing was, or it cannot be read just now.
fn saved_head(repository: &Repository, report: &mut BackupReport) -> Option<Head> {
    let saved = report.unchanged.is_none().then_some(&report.snapshot)?;
    let (_, hash) = repository.outcome_just_put(saved.id).ok()?;
    report.chains.add(SnapshotKey::new(saved, hash, 0));
    Some(Head { series: saved.series, sequence: saved.sequence, hash })
}

/// What the sources know of each other: that none of them captures the repository, or a cache.
fn together(app: &App) -> Result<Together> {
    Ok(match app.location()? {
        Location::Local(folder) => app.kept_out().keeping_out(&folder, Together::REPOSITORY),
        Location::Http(_) | Location::Sftp(_) => app.kept_out(),
    })
}

fn open(app: &App, dry_run: bool) -> Result<Repository> {
    let backend = app.backend()?;
    let secret = passwords::existing(&app.global)?;
    match dry_run {
        true => app.open(Arc::new(DryRun::new(backend)), &secret),
        false => app.open(backend, &secret).map(Repository::keeping_packs),
    }
}

fn options(
    repository: &Repository,
    args: &BackupArgs,
    progress: &Progress,
) -> Result<BackupOptions> {
    let parent = match &args.parent {
        _ if args.force => ParentChoice::None,
        None => ParentChoice::Auto,
        Some(name) => {
            let stored = FilterArgs::default().one(repository, name, progress)?;
            ParentChoice::Snapshot(stored.snapshot.id)
        }
    };
    Ok(BackupOptions {
        host: args.host.clone().unwrap_or_else(hostname),
        user: username(),
        tags: args.tag.iter().filter(|tag| !tag.is_empty()).cloned().collect(),
        labels: args.label.iter().cloned().collect(),
        parent,
        level: args.compression,
        deltas: !args.no_delta,
        keep_going: args.keep_going,
        allow_empty: args.allow_empty,
        skip_if_unchanged: args.skip_if_unchanged,
        ..BackupOptions::default()
    })
}

/// restic's words, or a level of zstd.
fn level(text: &str) -> Result<Level> {
    match text {
        "off" => Ok(Level::OFF),
        "fastest" => Level::new(1),
        "auto" => Ok(Level::default()),
        "better" => Level::new(9),
        "max" => Level::new(19),
        number => {
            let wrong = |_| {
                Error::new(Kind::InvalidInput, "understand the compression", format!("{text:?}"))
                    .because("it is off, fastest, auto, better, max, or a level from -7 to 19")
            };
            Level::new(number.parse().map_err(wrong)?)
        }
    }
}

/// `KEY=VALUE`.
fn label(text: &str) -> Result<(String, String)> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(Error::new(Kind::InvalidInput, "understand the label", format!("{text:?}"))
            .because("it is not KEY=VALUE")),
    }
}

fn print(report: &BackupReport, progress: &Progress, dry_run: bool, out: &mut Out) -> Result<()> {
    let snapshot = &report.snapshot;
    let cost = &snapshot.summary;
    for line in parents(&report.parents) {
        out.prose(&line)?;
    }
    let mut files = format!(
        "files:    {} new, {} changed, {} unchanged",
        cost.files_new, cost.files_changed, cost.files_unchanged
    );
    if cost.databases > 0 {
        files.push_str(&format!(", {} among them", text::count(cost.databases, "database")));
    }
    if cost.failed > 0 {
        files.push_str(&format!("; {} failed", cost.failed));
    }
    out.prose(&files)?;
    out.prose(&format!(
        "read:     {} of {} in {}",
        text::bytes(cost.bytes_read),
        text::bytes(cost.bytes),
        text::duration(progress.seconds())
    ))?;
    out.prose(&format!("chunks:   {} new, {} known", cost.chunks_new, cost.chunks_known))?;
    out.prose(&format!(
        "stored:   {}; {}",
        stored(&cost.whole, "whole"),
        stored(&cost.delta, "as deltas")
    ))?;
    out.prose(&format!("written:  {}", text::bytes(cost.written)))?;
    out.prose(&match dry_run {
        true => "dry run: nothing was written".to_owned(),
        false => saved(report),
    })
}

/// What each part leans on, or why it leans on nothing; said once where it is the same for all.
fn parents(parents: &[Parentage]) -> Vec<String> {
    let said = |parentage: &Parentage| {
        let ids: Vec<String> = parentage.parents.iter().map(SnapshotId::short).collect();
        match (ids.is_empty(), &parentage.remark) {
            (true, remark) => format!("none: {}", remark.as_deref().unwrap_or("none was found")),
            (false, None) => ids.join(", "),
            (false, Some(remark)) => format!("{} ({})", ids.join(", "), text::plain(remark)),
        }
    };
    let same = parents.windows(2).all(|pair| matches!(pair, [a, b] if said(a) == said(b)));
    match parents.first() {
        Some(first) if same => vec![format!("parent:   {}", said(first))],
        _ => {
            let of = |it: &Parentage| format!("{}: {}", source_name(&it.source), said(it));
            parents.iter().map(|parentage| format!("parent:   of {}", of(parentage))).collect()
        }
    }
}

fn stored(stored: &Stored, how: &str) -> String {
    let (plain, packed) = (text::bytes(stored.plain), text::bytes(stored.stored));
    format!("{} {how} ({plain} as {packed})", text::count(stored.blobs, "chunk"))
}

fn saved(report: &BackupReport) -> String {
    if let Some(same) = report.unchanged {
        return format!("nothing has changed since snapshot {}: none was saved", same.short());
    }
    let mut saved = format!("snapshot {} saved", report.snapshot.id.short());
    if report.incomplete {
        saved.push_str(", but not everything is in it");
    }
    let tainted = report.snapshot.tainted();
    if tainted > 0 {
        let files = text::count(tainted, "file");
        saved.push_str(&format!("; damaged at their source: {files}"));
    }
    saved
}

/// The summary, with restic's names where the meaning is the same.
#[derive(Serialize)]
struct SummaryView<'s> {
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot_id: Option<String>,
    /// For `check --expect-head`.
    #[serde(skip_serializing_if = "Option::is_none")]
    head: Option<String>,
    dry_run: bool,
    incomplete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    unchanged_since: Option<String>,
    parents: Vec<ParentView<'s>>,
    files_new: u64,
    files_changed: u64,
    files_unmodified: u64,
    dirs: u64,
    databases: u64,
    tainted: u64,
    taints: Vec<TaintView<'s>>,
    failed: u64,
    total_files_processed: u64,
    total_bytes_processed: u64,
    bytes_read: u64,
    chunks_new: u64,
    chunks_known: u64,
    whole: &'s Stored,
    delta: &'s Stored,
    data_added: u64,
    data_added_packed: u64,
    bytes_written: u64,
    backup_start: String,
    backup_end: String,
    total_duration: f64,
    warnings: &'s [String],
}

impl<'s> SummaryView<'s> {
    fn new(
        report: &'s BackupReport,
        head: Option<Head>,
        progress: &Progress,
        dry_run: bool,
    ) -> Self {
        let snapshot = &report.snapshot;
        let cost = &snapshot.summary;
        SummaryView {
            snapshot_id: (!dry_run && report.unchanged.is_none()).then(|| snapshot.id.to_string()),
            head: head.map(|head| head.to_string()),
            dry_run,
            incomplete: report.incomplete,
            unchanged_since: report.unchanged.map(|id| id.to_string()),
            parents: report.parents.iter().map(ParentView::from).collect(),
            files_new: cost.files_new,
            files_changed: cost.files_changed,
            files_unmodified: cost.files_unchanged,
            dirs: cost.directories,
            databases: cost.databases,
            tainted: snapshot.tainted(),
            taints: snapshot.taints().map(TaintView::from).collect(),
            failed: cost.failed,
            total_files_processed: cost.files_new + cost.files_changed + cost.files_unchanged,
            total_bytes_processed: cost.bytes,
            bytes_read: cost.bytes_read,
            chunks_new: cost.chunks_new,
            chunks_known: cost.chunks_known,
            whole: &cost.whole,
            delta: &cost.delta,
            data_added: cost.whole.plain + cost.delta.plain,
            data_added_packed: cost.packed,
            bytes_written: cost.written,
            backup_start: text::rfc3339(snapshot.started),
            backup_end: text::rfc3339(snapshot.finished),
            total_duration: progress.seconds(),
            warnings: &snapshot.warnings,
        }
    }
}

/// What a part leans on.
#[derive(Serialize)]
struct ParentView<'s> {
    path: String,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    selection: &'s BTreeSet<String>,
    snapshots: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<&'s str>,
}

impl<'s> From<&'s Parentage> for ParentView<'s> {
    fn from(parentage: &'s Parentage) -> Self {
        ParentView {
            path: text::path(&parentage.source.path),
            selection: &parentage.source.selection,
            snapshots: parentage.parents.iter().map(ToString::to_string).collect(),
            remark: parentage.remark.as_deref(),
        }
    }
}
