//! `copy`: chosen snapshots into a repository with other keys.

use super::filter::FilterArgs;
use super::groups::GroupKey;
use super::keep::KeepArgs;
use crate::backend::Location;
use crate::env::TOOL;
use crate::error::{Error, Kind, Result};
use crate::format::snapshot::Snapshot;
use crate::id::SnapshotId;
use crate::monitor::Monitor;
use crate::ops::copy::{CopiedSnapshot, CopyOptions, CopyReport, copy, refuse_same};
use crate::ops::forget::plan_by_policy;
use crate::ops::retention::Policy;
use crate::repo::{Repository, Snapshots};
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::host::hostname;
use crate::ui::out::Out;
use crate::ui::passwords::{self, ToSecretArgs};
use crate::ui::progress::Progress;
use clap::Args;
use serde::Serialize;
use std::collections::HashSet;
use std::sync::Arc;

/// What `copy` takes.
#[derive(Debug, Args)]
pub struct CopyArgs {
    /// Where to: a repository that exists
    #[arg(value_name = "TARGET")]
    pub target: String,

    /// The snapshots: `latest`, `latest~N`, `latest@TIME`, or the beginning of an id; without any, all that
    /// pass the filters, or that the --keep rules would keep
    #[arg(value_name = "SNAPSHOT")]
    pub names: Vec<String>,

    #[command(flatten)]
    pub secret: ToSecretArgs,

    /// Show which snapshots would be copied, and copy nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub keep: KeepArgs,

    #[command(flatten)]
    pub filter: FilterArgs,
}

/// Copies.
pub fn run(app: &App, args: &CopyArgs) -> Result<Done> {
    let policy = args.keep.policy()?;
    if policy.is_some() && !args.names.is_empty() {
        return Err(Error::new(Kind::InvalidInput, "copy", "snapshots")
            .because("they are named, and rules say which to copy as well")
            .hint("do one after the other; a filter such as --host or --path goes with rules"));
    }
    let source = app.repository()?;
    let store = Location::parse(&args.target, &app.store_options()?)?.open();
    let store = Arc::from(store.map_err(|error| match error.kind() {
        Kind::NoRepository => error.hint("make it with `icecore --repo TARGET init`"),
        _ => error,
    })?);
    refuse_same(&source, &*store)?;
    let target = app.open(store, &passwords::of_target(&args.secret)?)?.keeping_packs();
    let progress = app.progress()?;
    let (chosen, unreadable) = choose(&source, args, policy.as_ref(), &progress)?;
    warn_held(&chosen, &progress)?;
    let tool = TOOL.to_owned();
    let options = CopyOptions { host: hostname(), tool, dry_run: args.dry_run };
    let report = copy(&source, &target, &chosen, &options, &progress)?;
    let mut out = Out::new();
    match app.global.json {
        true => json(&report, args.dry_run, &mut out)?,
        false if app.talks() || args.dry_run => print(&report, &chosen, args.dry_run, &mut out)?,
        false => {}
    }
    out.finish()?;
    Ok(Done::incomplete_if(unreadable || !report.failed.is_empty()))
}

/// The snapshots that are named, or that rules would keep, or all; and whether any could not be read.
fn choose<'r>(
    source: &'r Repository,
    args: &CopyArgs,
    policy: Option<&Policy>,
    progress: &Progress,
) -> Result<(Snapshots<'r>, bool)> {
    let Some(policy) = policy else {
        let (mut chosen, unreadable) = args.filter.all(source, &args.names, progress)?;
        if args.names.is_empty() {
            let given_up = given_up(&chosen);
            chosen.retain(|key| !given_up.contains(&key.id));
        }
        return Ok((chosen, unreadable));
    };
    let key = |snapshot: &Snapshot| GroupKey::of(snapshot, &args.keep.group_by);
    let (zone, filter) = (args.keep.zone()?, args.filter.filter()?);
    // Nothing is given up here: that rules keep nothing of some sources is no harm.
    let judged = plan_by_policy(source, policy, &zone, &filter, key, true)?;
    let plan = &judged.plan;
    plan.troubles.iter().chain(&plan.unread_notes).for_each(|error| progress.trouble(error));
    Ok((judged.stays(), !plan.troubles.is_empty()))
}

/// Those that are there only as long as they are held.
fn given_up(snapshots: &Snapshots<'_>) -> HashSet<SnapshotId> {
    let ids = snapshots.keys().map(|key| key.id);
    ids.filter(|id| snapshots.is_given_up(*id)).collect()
}

/// A hold is a matter of its repository.
fn warn_held(chosen: &Snapshots<'_>, progress: &Progress) -> Result<()> {
    let holds = chosen.holds()?;
    let held = chosen.keys().filter(|key| !holds.of(key.id).is_empty()).count();
    if held > 0 {
        progress.note(&format!(
            "{} held here; `icecore hold` holds their copies in the target",
            text::count(held as u64, "snapshot")
        ));
    }
    Ok(())
}

fn print(report: &CopyReport, chosen: &Snapshots<'_>, dry_run: bool, out: &mut Out) -> Result<()> {
    for copied in &report.copied {
        let Some(stored) = chosen.get(copied.original)? else { continue };
        let (id, time) = (copied.original.short(), text::local(stored.snapshot.started));
        let host = text::plain(&stored.snapshot.host);
        let late = if copied.late { ", older than what is there" } else { "" };
        out.line(&match copied.copy {
            None => format!("would copy {id} of {time} from {host}{late}"),
            Some(copy) => {
                let (read, stored) =
                    (text::bytes(copied.bytes_read), text::bytes(copied.bytes_stored));
                let copy = copy.short();
                format!("copied {id} of {time} from {host} as {copy}: {read} read, {stored} stored{late}")
            }
        })?;
    }
    let summary = CopySummary::of(report, dry_run);
    let verb = if dry_run { "would copy" } else { "copied" };
    let mut line = format!(
        "{verb} {}, skipped {} that the target has",
        text::count(summary.copied, "snapshot"),
        summary.skipped
    );
    if summary.failed > 0 {
        line.push_str(&format!(", failed to copy {}", summary.failed));
    }
    if !dry_run {
        let (read, stored) = (text::bytes(summary.bytes_read), text::bytes(summary.bytes_stored));
        line.push_str(&format!("; read {read}, stored {stored}"));
    }
    out.line(&line)
}

fn json(report: &CopyReport, dry_run: bool, out: &mut Out) -> Result<()> {
    for copied in &report.copied {
        out.json("copied", &CopiedView::from(copied))?;
    }
    for (id, error) in &report.failed {
        out.json("failed", &FailedView { snapshot: id.to_string(), error: error.to_string() })?;
    }
    out.json("summary", &CopySummary::of(report, dry_run))
}

#[derive(Serialize)]
struct CopiedView {
    original: String,
    snapshot_id: Option<String>,
    late: bool,
    bytes_read: u64,
    bytes_stored: u64,
}

impl From<&CopiedSnapshot> for CopiedView {
    fn from(copied: &CopiedSnapshot) -> Self {
        CopiedView {
            original: copied.original.to_string(),
            snapshot_id: copied.copy.map(|copy| copy.to_string()),
            late: copied.late,
            bytes_read: copied.bytes_read,
            bytes_stored: copied.bytes_stored,
        }
    }
}

#[derive(Serialize)]
struct FailedView {
    snapshot: String,
    error: String,
}

#[derive(Serialize)]
struct CopySummary {
    copied: u64,
    skipped: u64,
    failed: u64,
    bytes_read: u64,
    bytes_stored: u64,
    dry_run: bool,
}

impl CopySummary {
    fn of(report: &CopyReport, dry_run: bool) -> Self {
        CopySummary {
            copied: report.copied.len() as u64,
            skipped: report.skipped,
            failed: report.failed.len() as u64,
            bytes_read: report.copied.iter().map(|copied| copied.bytes_read).sum(),
            bytes_stored: report.copied.iter().map(|copied| copied.bytes_stored).sum(),
            dry_run,
        }
    }
}
