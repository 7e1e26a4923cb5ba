//! `repair index`: what the index lacks, from the packs themselves.

use super::{HowArgs, LeftView, is_done, print_left, warn_left};
use crate::error::Result;
use crate::ops::repair::{IndexRepair, repair_index};
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use clap::Args;
use serde::Serialize;

/// What `repair index` takes.
#[derive(Debug, Args)]
pub struct RepairIndexArgs {
    #[command(flatten)]
    pub how: HowArgs,
}

/// Repairs the index.
pub(super) fn run(app: &App, args: &RepairIndexArgs) -> Result<Done> {
    let repository = args.how.open(app)?;
    let progress = app.progress()?;
    let report = repair_index(&repository, &args.how.options(), &progress)?;
    let mut out = Out::new();
    match app.global.json {
        true => out.json("repair_index", &IndexView::new(&report, args.how.dry_run))?,
        false if app.talks() || args.how.dry_run => print(&report, args.how.dry_run, &mut out)?,
        false => {}
    }
    out.finish()?;
    warn_left(&report.left, &progress);
    Ok(Done::incomplete_if(!report.unknown.is_empty() || !is_done(&report.left)))
}

fn print(report: &IndexRepair, dry_run: bool, out: &mut Out) -> Result<()> {
    out.prose(&format!("compared {} with the index", text::count(report.packs, "pack")))?;
    if report.entries > 0 {
        let chunks = text::count(report.entries, "chunk");
        let packs = text::count(report.indexed, "pack");
        let verb = if dry_run { "would index" } else { "indexed" };
        out.prose(&format!("{verb} {chunks} of {packs} anew"))?;
    }
    print_left(&report.left, dry_run, out)?;
    if report.entries == 0 && report.unknown.is_empty() && report.left.quarantined.is_empty() {
        out.prose("the index lacks nothing")?;
    }
    Ok(())
}

#[derive(Serialize)]
struct IndexView {
    dry_run: bool,
    packs: u64,
    packs_indexed: u64,
    entries: u64,
    segments: u64,
    bytes_written: u64,
    unknown_packs: Vec<String>,
    #[serde(flatten)]
    left: LeftView,
}

impl IndexView {
    fn new(report: &IndexRepair, dry_run: bool) -> Self {
        IndexView {
            dry_run,
            packs: report.packs,
            packs_indexed: report.indexed,
            entries: report.entries,
            segments: report.segments,
            bytes_written: report.written,
            unknown_packs: report.unknown.iter().map(ToString::to_string).collect(),
            left: LeftView::from(&report.left),
        }
    }
}
