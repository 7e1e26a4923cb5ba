//! `forget`: gives snapshots up, those that are named or those that no rule keeps.

use super::filter::FilterArgs;
use super::groups::GroupKey;
use super::keep::KeepArgs;
use super::prune::{HowArgs, give_back};
use super::verdicts;
use super::views::SnapshotView;
use crate::error::{Error, Kind, Result};
use crate::format::snapshot::Snapshot;
use crate::id::SnapshotId;
use crate::monitor::Monitor;
use crate::ops::forget::{
    ForgetPlan, ForgetReport, PolicyPlan, forget, forget_gaps, gaps, plan, plan_by_policy,
};
use crate::ops::prune::PruneOptions;
use crate::ops::retention::Policy;
use crate::ops::series::Gap;
use crate::repo::Repository;
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use crate::ui::progress::Progress;
use clap::Args;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;

/// What `forget` takes.
#[derive(Debug, Args)]
pub struct ForgetArgs {
    /// The snapshots: `latest`, `latest~N`, `latest@TIME`, or the beginning of an id; the full id of one
    /// that cannot be read; without any, all that the --keep rules do not keep
    #[arg(value_name = "SNAPSHOT")]
    pub names: Vec<String>,

    #[command(flatten)]
    pub keep: KeepArgs,

    /// Give up what is missing in a series, so that `check` no longer misses it
    #[arg(long)]
    pub gaps: bool,

    /// Give up a writer that was stopped and stands in the way of others: its full id
    #[arg(long, value_name = "ID", conflicts_with_all = ["names", "gaps"])]
    pub writer: Option<String>,

    /// Give up the last snapshot of its sources, too, and one that only cannot be read just now; never
    /// one that is held
    #[arg(long)]
    pub force: bool,

    /// Show what would be given up, and give up nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Then give back their room, as `icecore prune` does; with --dry-run, show what that would do then
    #[arg(long, conflicts_with = "writer")]
    pub prune: bool,

    #[command(flatten)]
    pub how: HowArgs,

    #[command(flatten)]
    pub filter: FilterArgs,
}

impl ForgetArgs {
    /// The policy, if there is one, which takes the place of names and of a writer.
    fn policy(&self) -> Result<Option<Policy>> {
        let wrong = |reason: &str, hint: &str| {
            Err(Error::new(Kind::InvalidInput, "forget", "snapshots").because(reason).hint(hint))
        };
        let policy = self.keep.policy()?;
        let is_named = !self.names.is_empty() || self.writer.is_some();
        match (&policy, is_named) {
            (None, false) if !self.gaps => wrong(
                "none is named, and no rule says which to keep",
                "name some, or use --policy, --keep-last, --keep-daily, --keep-within ...; \
                 `icecore help forget` lists the rules",
            ),
            (Some(_), true) => wrong(
                "they are named, and rules say which to keep as well",
                "do one after the other; a filter such as --host or --path goes with rules",
            ),
            _ => Ok(policy),
        }
    }
}

/// Gives snapshots up.
pub fn run(app: &App, args: &ForgetArgs) -> Result<Done> {
    let policy = args.policy()?;
    let repository = app.repository()?;
    if let Some(id) = &args.writer {
        return fence(app, &repository, id, args.dry_run);
    }
    let progress = app.progress()?;
    let mut out = Out::new();
    let (mut incomplete, mut given_up) = (false, BTreeSet::new());
    if !args.names.is_empty() {
        let filter = args.filter.filter()?;
        let plan = plan(&repository, &args.names, &filter, args.force)?;
        // Records cannot be read once they are given up.
        let lines = match app.global.json {
            true => json(&plan, &mut out).map(|()| Vec::new())?,
            false => goes(&plan, args.dry_run)?,
        };
        let forgetting = Forgetting { app, repository: &repository, progress: &progress, args };
        incomplete = forgetting.finish(&plan, lines, &mut out)?;
        given_up = plan.given_up();
        if !plan.unreadable.is_empty() && !args.gaps {
            progress.warn(
                "nobody knows its place in its series; if `check` misses something there, \
                 `icecore forget --gaps` gives it up",
            );
        }
    }
    if let Some(policy) = policy {
        let filter = args.filter.filter()?;
        let key = |snapshot: &Snapshot| GroupKey::of(snapshot, &args.keep.group_by);
        let PolicyPlan { plan, groups } =
            plan_by_policy(&repository, &policy, &args.keep.zone()?, &filter, key, args.force)?;
        if groups.is_empty() && !args.filter.is_empty() {
            progress.warn("no snapshot passes the filters");
        }
        match app.global.json {
            true => verdicts::json(&groups, &mut out)?,
            false if app.talks() || args.dry_run => verdicts::tables(&groups, &mut out)?,
            false => {}
        }
        let forgetting = Forgetting { app, repository: &repository, progress: &progress, args };
        incomplete = forgetting.finish(&plan, Vec::new(), &mut out)?;
        given_up = plan.given_up();
    }
    if args.gaps {
        let gaps = gaps(&repository)?;
        if !args.dry_run {
            forget_gaps(&repository, &gaps, &progress)?;
        }
        tell_gaps(app, &gaps, args.dry_run, &mut out)?;
    }
    if args.prune {
        let seen = app.seen(&repository, &progress);
        let how = PruneOptions { given_up, ..args.how.options(args.dry_run, seen) };
        let done = give_back(app, &repository, &how, &progress, &mut out)?;
        incomplete |= done == Done::Incomplete;
    }
    out.finish()?;
    Ok(Done::incomplete_if(incomplete))
}

/// A run of `forget`.
struct Forgetting<'a> {
    app: &'a App,
    repository: &'a Repository,
    progress: &'a Progress,
    args: &'a ForgetArgs,
}

impl Forgetting<'_> {
    /// Does what a plan says, and tells of it; whether anything cannot be read or is held.
    fn finish(&self, plan: &ForgetPlan<'_>, lines: Vec<String>, out: &mut Out) -> Result<bool> {
        let dry_run = self.args.dry_run;
        for error in plan.troubles.iter().chain(&plan.unread_notes) {
            self.progress.trouble(error);
        }
        let goes = (plan.forget.len() + plan.unreadable.len()) as u64;
        let report = match dry_run {
            true => ForgetReport { forgotten: goes, ..ForgetReport::default() },
            false => self.give_up(plan)?,
        };
        let summary = ForgetSummary::of(plan, &report, dry_run);
        match self.app.global.json {
            true => out.json("summary", &summary)?,
            false if self.app.talks() || dry_run => {
                lines.iter().try_for_each(|line| out.line(line))?;
                out.line(&summary.to_string())?;
            }
            false => {}
        }
        Ok(!plan.troubles.is_empty() || !plan.unread_notes.is_empty() || report.held > 0)
    }

    fn give_up(&self, plan: &ForgetPlan<'_>) -> Result<ForgetReport> {
        let report = forget(self.repository, plan, self.progress)?;
        if report.retained > 0 {
            self.progress.warn(&format!(
                "the store keeps {}; they count as given up all the same",
                text::count(report.retained, "snapshot")
            ));
        }
        if report.held > 0 {
            self.progress.warn(&format!(
                "{} of them stay for now: they are held since just now, or may be by a note that cannot \
                 be read",
                report.held
            ));
        }
        Ok(report)
    }
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

/// What goes, each in words.
fn goes(plan: &ForgetPlan<'_>, dry_run: bool) -> Result<Vec<String>> {
    let verb = if dry_run { "would forget" } else { "forgot" };
    let mut lines = Vec::new();
    for stored in plan.forget.iter() {
        let snapshot = &stored?.snapshot;
        let (id, time) = (snapshot.id.short(), text::local(snapshot.started));
        lines.push(format!("{verb} {id} of {time} from {}", text::plain(&snapshot.host)));
    }
    let unreadable = plan.unreadable.iter();
    lines.extend(unreadable.map(|id| format!("{verb} {id}, which cannot be read")));
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
    held_meanwhile: u64,
    dry_run: bool,
}

impl ForgetSummary {
    fn of(plan: &ForgetPlan<'_>, report: &ForgetReport, dry_run: bool) -> Self {
        ForgetSummary {
            forgotten: report.forgotten,
            kept: (plan.keep.len() + plan.troubles.len()) as u64 + report.held,
            retained_by_store: report.retained,
            held_meanwhile: report.held,
            dry_run,
        }
    }
}

impl fmt::Display for ForgetSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, kept) = if self.dry_run { ("would forget", "keep") } else { ("forgot", "kept") };
        write!(f, "{verb} {}, {kept} {}", text::count(self.forgotten, "snapshot"), self.kept)
    }
}
