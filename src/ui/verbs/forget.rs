//! `forget`: gives snapshots up.

use super::filter::FilterArgs;
use super::views::SnapshotView;
use crate::error::Result;
use crate::id::SnapshotId;
use crate::monitor::Monitor;
use crate::ops::forget::{ForgetPlan, forget, forget_gaps, gaps, plan};
use crate::ops::series::Gap;
use crate::repo::Repository;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use crate::ui::progress::Progress;
use crate::ui::text;
use clap::Args;
use serde::Serialize;

/// What `forget` takes.
#[derive(Debug, Args)]
pub struct ForgetArgs {
    /// The snapshots: `latest`, `latest~N`, or the beginning of an id; the full id of one that cannot be
    /// read
    #[arg(value_name = "SNAPSHOT", required_unless_present_any = ["gaps", "writer"])]
    pub names: Vec<String>,

    /// Give up what is missing in a series, so that `check` no longer misses it
    #[arg(long)]
    pub gaps: bool,

    /// Give up a writer that was stopped and stands in the way of others: its full id
    #[arg(long, value_name = "ID", conflicts_with_all = ["names", "gaps"])]
    pub writer: Option<String>,

    /// Give up the last snapshot of its sources, too, and one that only cannot be read just now
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
    if let Some(id) = &args.writer {
        return fence(app, &repository, id, args.dry_run);
    }
    let voice = app.progress()?;
    let mut out = Out::new();
    let mut incomplete = false;
    if !args.names.is_empty() {
        let plan = plan(&repository, &args.names, &args.filter.filter()?, args.force)?;
        for error in &plan.troubles {
            voice.trouble(error);
        }
        incomplete = !plan.troubles.is_empty();
        // Records cannot be read once they are given up.
        let lines = match app.global.json {
            true => json(&plan, &mut out).map(|()| Vec::new())?,
            false => lines(&plan, args.dry_run)?,
        };
        let retained = if args.dry_run { 0 } else { give_up(&repository, &plan, &voice)? };
        match app.global.json {
            true => out.json("summary", &ForgetSummary::of(&plan, retained, args.dry_run))?,
            false if app.talks() || args.dry_run => {
                lines.iter().try_for_each(|line| out.line(line))?;
            }
            false => {}
        }
        if !plan.unreadable.is_empty() && !args.gaps {
            voice.warn(
                "nobody knows its place in its series; if `check` misses something there, \
                 `icecore forget --gaps` gives it up",
            );
        }
    }
    if args.gaps {
        let gaps = gaps(&repository)?;
        if !args.dry_run {
            forget_gaps(&repository, &gaps, &voice)?;
        }
        tell_gaps(app, &gaps, args.dry_run, &mut out)?;
    }
    out.finish()?;
    Ok(Done::incomplete_if(incomplete))
}

fn give_up(repository: &Repository, plan: &ForgetPlan<'_>, voice: &Progress) -> Result<u64> {
    let retained = forget(repository, plan, voice)?.retained;
    if retained > 0 {
        voice.warn(&format!(
            "the store keeps {}; they count as given up all the same",
            text::count(retained, "snapshot")
        ));
    }
    Ok(retained)
}

/// Gives a writer up, which the user says is stopped.
fn fence(app: &App, repository: &Repository, id: &str, dry_run: bool) -> Result<Done> {
    #[derive(Serialize)]
    struct Fenced {
        id: String,
        dry_run: bool,
    }
    let id: SnapshotId = id.parse()?;
    let verb = if dry_run { "would give up" } else { "gave up" };
    if !dry_run {
        repository.fence(id)?;
    }
    let mut out = Out::new();
    match app.global.json {
        true => out.json("writer_given_up", &Fenced { id: id.to_string(), dry_run })?,
        false if app.talks() || dry_run => out.line(&format!("{verb} the writer {id}"))?,
        false => {}
    }
    out.finish()?;
    Ok(Done::All)
}

fn tell_gaps(app: &App, gaps: &[Gap], dry_run: bool, out: &mut Out) -> Result<()> {
    #[derive(Serialize)]
    struct GapView {
        series: String,
        first: u64,
        last: u64,
        dry_run: bool,
    }
    let verb = if dry_run { "would give up" } else { "gave up" };
    for Gap { series, first, last, .. } in gaps {
        if app.global.json {
            let series = series.to_string();
            out.json("gap", &GapView { series, first: *first, last: *last, dry_run })?;
        } else if app.talks() || dry_run {
            let numbers = match first == last {
                true => format!("number {last}"),
                false => format!("numbers {first} to {last}"),
            };
            out.line(&format!("{verb} {numbers} of series {}, which is missing", series.short()))?;
        }
    }
    if gaps.is_empty() && !app.global.json && app.talks() {
        out.line("nothing is missing")?;
    }
    Ok(())
}

fn lines(plan: &ForgetPlan<'_>, dry_run: bool) -> Result<Vec<String>> {
    let verb = if dry_run { "would forget" } else { "forgot" };
    let mut lines = Vec::new();
    for stored in plan.forget.iter() {
        let snapshot = &stored?.snapshot;
        let (id, time) = (snapshot.id.short(), text::local(snapshot.started));
        lines.push(format!("{verb} {id} of {time} from {}", text::plain(&snapshot.host)));
    }
    let unreadable = plan.unreadable.iter();
    lines.extend(unreadable.map(|id| format!("{verb} {id}, which cannot be read")));
    let ForgetSummary { forgotten, kept, .. } = ForgetSummary::of(plan, 0, dry_run);
    lines.push(format!("{verb} {}, kept {kept}", text::count(forgotten, "snapshot")));
    Ok(lines)
}

/// What goes, as JSON lines.
fn json(plan: &ForgetPlan<'_>, out: &mut Out) -> Result<()> {
    #[derive(Serialize)]
    struct Unreadable {
        id: String,
    }
    for stored in plan.forget.iter() {
        out.json("forget", &SnapshotView::from(&stored?.snapshot))?;
    }
    for id in &plan.unreadable {
        out.json("forget_unreadable", &Unreadable { id: id.to_string() })?;
    }
    Ok(())
}

#[derive(Serialize)]
struct ForgetSummary {
    forgotten: u64,
    kept: u64,
    retained_by_store: u64,
    dry_run: bool,
}

impl ForgetSummary {
    fn of(plan: &ForgetPlan<'_>, retained_by_store: u64, dry_run: bool) -> Self {
        ForgetSummary {
            forgotten: (plan.forget.len() + plan.unreadable.len()) as u64,
            kept: (plan.keep.len() + plan.troubles.len()) as u64,
            retained_by_store,
            dry_run,
        }
    }
}
