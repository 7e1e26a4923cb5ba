//! `forget`: gives snapshots up.

use super::filter::FilterArgs;
use super::views::SnapshotView;
use crate::error::Result;
use crate::monitor::Monitor;
use crate::ops::forget::{ForgetPlan, forget, plan};
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use crate::ui::text;
use clap::Args;
use serde::Serialize;

/// What `forget` takes.
#[derive(Debug, Args)]
pub struct ForgetArgs {
    /// The snapshots: `latest`, `latest~N`, or the beginning of an id
    #[arg(value_name = "SNAPSHOT", required = true)]
    pub names: Vec<String>,

    /// Give up the last snapshot of its sources, too
    #[arg(long)]
    pub force: bool,

    /// Show what would be given up, and give up nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    #[command(flatten)]
    pub filter: FilterArgs,
}

/// Gives snapshots up.
pub fn run(app: &App, args: &ForgetArgs) -> Result<Done> {
    let repository = app.repository()?;
    let plan = plan(&repository, &args.names, &args.filter.filter()?, args.force)?;
    let voice = app.progress()?;
    let mut retained = 0;
    if !args.dry_run {
        let report = forget(&repository, &plan, &voice)?;
        retained = report.retained;
        if retained > 0 {
            voice.note(&format!(
                "icecore: the store keeps {}; they count as given up all the same",
                text::count(retained, "snapshot")
            ));
        }
    }
    let mut out = Out::new();
    match app.global.json {
        true => json(&plan, retained, args.dry_run, &mut out)?,
        false if app.talks() || args.dry_run => print(&plan, args.dry_run, &mut out)?,
        false => {}
    }
    out.finish()?;
    Ok(Done::All)
}

fn print(plan: &ForgetPlan, dry_run: bool, out: &mut Out) -> Result<()> {
    let verb = if dry_run { "would forget" } else { "forgot" };
    for stored in &plan.forget {
        let snapshot = &stored.snapshot;
        let (id, time) = (snapshot.id.short(), text::local(snapshot.started));
        out.line(&format!("{verb} {id} of {time} from {}", text::plain(&snapshot.host)))?;
    }
    let (gone, kept) = (plan.forget.len() as u64, plan.keep.len() as u64);
    out.line(&format!("{verb} {}, kept {kept}", text::count(gone, "snapshot")))
}

fn json(plan: &ForgetPlan, retained: u64, dry_run: bool, out: &mut Out) -> Result<()> {
    #[derive(Serialize)]
    struct ForgetSummary {
        forgotten: u64,
        kept: u64,
        retained_by_store: u64,
        dry_run: bool,
    }
    for stored in &plan.forget {
        out.json("forget", &SnapshotView::from(&stored.snapshot))?;
    }
    let summary = ForgetSummary {
        forgotten: plan.forget.len() as u64,
        kept: plan.keep.len() as u64,
        retained_by_store: retained,
        dry_run,
    };
    out.json("summary", &summary)
}
