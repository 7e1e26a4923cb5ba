//! `repair snapshots`: of what misses something, new snapshots of what is left.

use super::HowArgs;
use crate::error::Result;
use crate::ops::repair::{DamagedSnapshots, RepairedSnapshot, SnapshotsRepair, repair_snapshots};
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use crate::ui::verbs::filter::FilterArgs;
use clap::Args;
use serde::Serialize;

/// What `repair snapshots` takes.
#[derive(Debug, Args)]
pub struct RepairSnapshotsArgs {
    /// The snapshots: `latest`, `latest~N`, `latest@TIME`, or the beginning of an id [default: all]
    #[arg(value_name = "SNAPSHOT")]
    pub names: Vec<String>,

    /// Give up the snapshots that miss something, once there are new ones
    #[arg(long)]
    pub forget: bool,

    #[command(flatten)]
    pub filter: FilterArgs,

    #[command(flatten)]
    pub how: HowArgs,
}

/// Repairs snapshots.
pub(super) fn run(app: &App, args: &RepairSnapshotsArgs) -> Result<Done> {
    let repository = args.how.open(app)?;
    let progress = app.progress()?;
    let (names, filter, forget) = (args.names.clone(), args.filter.filter()?, args.forget);
    let which = DamagedSnapshots { names, filter, forget };
    let report = repair_snapshots(&repository, &which, &args.how.options(), &progress)?;
    let mut out = Out::new();
    match app.global.json {
        true => out.json("repair_snapshots", &SnapshotsView::new(&report, args.how.dry_run))?,
        false => print(app, &report, args.how.dry_run, &mut out)?,
    }
    out.finish()?;
    let nothing_left = report.repaired.iter().any(|repaired| repaired.snapshot.is_none());
    Ok(Done::incomplete_if(nothing_left || !report.troubles.is_empty()))
}

/// Paths of one snapshot that are named.
const NAMED: usize = 100;

fn print(app: &App, report: &SnapshotsRepair, dry_run: bool, out: &mut Out) -> Result<()> {
    for repaired in &report.repaired {
        for path in repaired.left_out.iter().take(NAMED) {
            out.line(&format!("left out: {}:{}", repaired.original.short(), text::path(path)))?;
        }
        out.line(&told(repaired, dry_run))?;
    }
    if !app.talks() && !dry_run {
        return Ok(());
    }
    let looked = text::count(report.snapshots, "snapshot");
    if !report.before.is_empty() {
        let before = text::count(report.before.len() as u64, "snapshot");
        out.prose(&format!("of {before} that miss something there are new ones already"))?;
    }
    if report.forgotten > 0 {
        out.prose(&format!("gave up {}", text::count(report.forgotten, "snapshot")))?;
    }
    match report.repaired.is_empty() && report.before.is_empty() {
        true => out.prose(&format!("{looked}: none of them is known to miss anything")),
        false => out.prose(&format!("looked at {looked}")),
    }
}

fn told(repaired: &RepairedSnapshot, dry_run: bool) -> String {
    let original = repaired.original.short();
    let left_out = text::count(repaired.left_out.len() as u64, "entry");
    match repaired.snapshot {
        None => format!("nothing is left of snapshot {original}: `icecore forget` gives it up"),
        Some(_) if dry_run => format!("would save what is left of {original}: {left_out} left out"),
        Some(new) => {
            format!("saved what is left of {original} as {}: {left_out} left out", new.short())
        }
    }
}

#[derive(Serialize)]
struct SnapshotsView {
    dry_run: bool,
    snapshots: u64,
    repaired: Vec<RepairedView>,
    repaired_before: Vec<String>,
    forgotten: u64,
    num_errors: u64,
}

#[derive(Serialize)]
struct RepairedView {
    original: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot_id: Option<String>,
    left_out: Vec<String>,
}

impl SnapshotsView {
    fn new(report: &SnapshotsRepair, dry_run: bool) -> Self {
        let repaired = |repaired: &RepairedSnapshot| RepairedView {
            original: repaired.original.to_string(),
            snapshot_id: repaired.snapshot.filter(|_| !dry_run).map(|id| id.to_string()),
            left_out: repaired.left_out.iter().map(|path| text::path(path)).collect(),
        };
        SnapshotsView {
            dry_run,
            snapshots: report.snapshots,
            repaired: report.repaired.iter().map(repaired).collect(),
            repaired_before: report.before.iter().map(ToString::to_string).collect(),
            forgotten: report.forgotten,
            num_errors: report.troubles.len() as u64,
        }
    }
}
