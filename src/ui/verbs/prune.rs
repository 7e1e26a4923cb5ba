//! `prune`: gives back the room of what nobody needs any more.

use crate::env::TOOL;
use crate::error::{Error, Kind, Result};
use crate::monitor::Monitor;
use crate::ops::amount::{duration, size};
use crate::ops::head::Head;
use crate::ops::prune::{
    Patience, Plan, PlanLimits, PruneOptions, PruneReport, Tally, Unused, prune,
};
use crate::repo::{Repository, WriterAtWork};
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::host::hostname;
use crate::ui::out::Out;
use crate::ui::progress::Progress;
use clap::Args;
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;

/// What `prune` takes.
#[derive(Debug, Args)]
pub struct PruneArgs {
    #[command(flatten)]
    pub how: HowArgs,

    /// Show what would be done, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// How is pruned, by whichever verb.
#[derive(Debug, Args)]
#[command(next_help_heading = "Pruning")]
pub struct HowArgs {
    /// How much may stay that nobody needs, beside what is needed: a share in percent, a size, or
    /// `unlimited` [default: 10%]
    #[arg(long, value_name = "LIMIT", value_parser = unused)]
    pub max_unused: Option<Unused>,

    /// Write no more than this anew [default: a tenth of the repository, or 16 MiB if that is more]
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_repack_size: Option<u64>,

    /// Wait so long for writers at work, such as `10m`, before what is left is left to the next prune
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub wait: Option<Duration>,

    /// Give up a writer that was silent for so long: it can commit nothing any more, and starts again
    /// [default: 24h]
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub give_up_after: Option<Duration>,

    /// Where the store takes one writer at a time: nobody else writes meanwhile
    #[arg(long)]
    pub exclusive: bool,
}

impl HowArgs {
    /// The same in the words of the engine.
    pub fn options(&self, dry_run: bool, seen: Vec<Head>) -> PruneOptions {
        let (limits, patience) = (PlanLimits::default(), Patience::default());
        PruneOptions {
            limits: PlanLimits {
                unused: self.max_unused.unwrap_or(limits.unused),
                repack: self.max_repack_size,
            },
            patience: Patience {
                wait: self.wait.unwrap_or(patience.wait),
                silence: self.give_up_after.unwrap_or(patience.silence),
            },
            dry_run,
            given_up: BTreeSet::new(),
            seen,
            exclusive: self.exclusive,
            host: hostname(),
            tool: TOOL.to_owned(),
        }
    }
}

/// Prunes.
pub fn run(app: &App, args: &PruneArgs) -> Result<Done> {
    let repository = app.repository()?;
    let progress = app.progress()?;
    let mut out = Out::new();
    let how = args.how.options(args.dry_run, app.seen(&repository, &progress));
    let done = give_back(app, &repository, &how, &progress, &mut out)?;
    out.finish()?;
    Ok(done)
}

/// Prunes a repository, and tells what was done.
pub fn give_back(
    app: &App,
    repository: &Repository,
    options: &PruneOptions,
    progress: &Progress,
    out: &mut Out,
) -> Result<Done> {
    let (report, dry_run) = (prune(repository, options, progress)?, options.dry_run);
    match app.global.json {
        true => out.json("prune", &PruneView::new(&report, dry_run))?,
        false if app.talks() || dry_run => print(&report, dry_run, out)?,
        false => {}
    }
    warn(&report, dry_run, progress);
    let waits = report.waits.is_some() && !dry_run;
    Ok(Done::incomplete_if(waits || !report.troubles.is_empty()))
}

fn print(report: &PruneReport, dry_run: bool, out: &mut Out) -> Result<()> {
    if let Some(plan) = &report.plan {
        for line in plan_lines(plan) {
            out.prose(&line)?;
        }
        if dry_run {
            return out.prose(&format!("would give back about {}", text::bytes(plan.won())));
        }
    }
    let swept = &report.swept;
    if report.written > 0 {
        out.prose(&format!("wrote {}", text::bytes(report.written)))?;
    }
    let (packs, segments) = (tally(swept.packs, "pack"), tally(swept.segments, "index segment"));
    out.prose(&format!("deleted {packs}, {segments}, {}", tally(swept.records, "record")))?;
    if report.extended > 0 {
        let extended = text::count(report.extended, "object");
        out.prose(&format!("{extended} that are needed are retained by the store for longer"))?;
    }
    let gone = swept.packs.bytes + swept.segments.bytes + swept.records.bytes;
    match gone.checked_sub(report.written) {
        Some(won) => out.prose(&format!("gave back {}", text::bytes(won))),
        None => out.prose(&format!("took {} more", text::bytes(report.written - gone))),
    }
}

fn plan_lines(plan: &Plan) -> Vec<String> {
    let mut lines = vec![format!("the repository has {}", tally(plan.all, "pack"))];
    let orphans = match plan.orphaned.count {
        0 => String::new(),
        _ => format!(", of which {} without an index", tally(plan.orphaned, "pack")),
    };
    for (packs, what) in [
        (plan.garbage, format!("hold nothing that is needed{orphans}")),
        (plan.duplicate, "hold only what is elsewhere, too".to_owned()),
        (plan.damaged, "are damaged or gone, and not needed".to_owned()),
    ] {
        if packs.count > 0 {
            lines.push(format!("{}: {what}", tally(packs, "pack")));
        }
    }
    if plan.repacked.count > 0 {
        let rewritten = text::bytes(plan.rewritten);
        lines.push(format!(
            "{}: written anew, with the {rewritten} that are needed of them",
            tally(plan.repacked, "pack")
        ));
    }
    if plan.unused_left > 0 {
        let left = text::bytes(plan.unused_left);
        lines.push(format!("{left} that nobody needs stay beside what is needed"));
    }
    if plan.left > 0 {
        lines.push(format!("{} are left to the next prune", text::count(plan.left, "pack")));
    }
    lines
}

/// A number of objects with their bytes.
pub(super) fn tally(tally: Tally, noun: &str) -> String {
    format!("{} ({})", text::count(tally.count, noun), text::bytes(tally.bytes))
}

/// What the user has to know to go on.
fn warn(report: &PruneReport, dry_run: bool, progress: &Progress) {
    for id in &report.given_up {
        progress.warn(&format!("gave up the writer {id}, which was silent for too long"));
    }
    if let Some((number, writers)) = &report.waits {
        for writer in writers {
            progress.warn(&format!("collection {number} waits for {}", described(writer)));
        }
        if !dry_run {
            progress.warn(
                "nothing is deleted before these have ended: then `icecore prune` goes on; of one \
                 that was stopped, `icecore forget --writer ID` says so",
            );
        }
    }
    if !report.troubles.is_empty() {
        progress.warn(
            "all that may be needed by what cannot be read was kept; `icecore check` names it, and \
             `icecore forget` gives the snapshots up",
        );
    }
    if !report.swept.needed.is_empty() {
        let packs = text::count(report.swept.needed.len() as u64, "pack");
        progress.warn(&format!(
            "{packs} that a collection gave up are needed, and stay: the writer of that collection \
             was faulty, or held a key and meant harm"
        ));
    }
    if report.swept.retained.count > 0 {
        let retained = tally(report.swept.retained, "object");
        let until = report.swept.retained_until.map_or(String::new(), |it| format!(", until {it}"));
        progress.warn(&format!("the store retains {retained} that may be deleted{until}"));
    }
}

fn described(writer: &WriterAtWork) -> String {
    let id = writer.id;
    let Some(about) = &writer.registration else {
        return format!("a writer that cannot be read: {id}");
    };
    let heard = writer.last_sign.map_or(String::new(), |last| format!(", last heard of {last}"));
    let (verb, host) = (text::plain(&about.verb), text::plain(&about.host));
    let (process, started) = (about.process, about.started);
    format!("`{verb}` of {host}, process {process}, since {started}{heard}: {id}")
}

/// A number of objects and their bytes.
#[derive(Serialize)]
pub(super) struct TallyView {
    count: u64,
    bytes: u64,
}

impl From<Tally> for TallyView {
    fn from(tally: Tally) -> Self {
        TallyView { count: tally.count, bytes: tally.bytes }
    }
}

#[derive(Serialize)]
struct PlanView {
    packs: TallyView,
    garbage: TallyView,
    orphaned: TallyView,
    duplicate: TallyView,
    damaged: TallyView,
    repacked: TallyView,
    bytes_rewritten: u64,
    bytes_unused_left: u64,
    bytes_won: u64,
    packs_left: u64,
}

#[derive(Serialize)]
struct WaitView {
    collection: u64,
    writers: Vec<WriterView>,
}

#[derive(Serialize)]
struct WriterView {
    id: String,
    verb: Option<String>,
    host: Option<String>,
    process: Option<u32>,
    started: Option<String>,
    last_heard: Option<String>,
}

#[derive(Serialize)]
struct PruneView {
    dry_run: bool,
    plan: Option<PlanView>,
    waits: Option<WaitView>,
    given_up: Vec<String>,
    rescued: u64,
    bytes_moved: u64,
    bytes_written: u64,
    packs_deleted: TallyView,
    segments_deleted: TallyView,
    records_deleted: TallyView,
    retained_by_store: TallyView,
    retained_until: Option<String>,
    retention_extended: u64,
    needed: Vec<String>,
    num_errors: u64,
}

impl PruneView {
    fn new(report: &PruneReport, dry_run: bool) -> Self {
        let swept = &report.swept;
        PruneView {
            dry_run,
            plan: report.plan.as_ref().map(PlanView::from),
            waits: report.waits.as_ref().map(|(collection, writers)| WaitView {
                collection: *collection,
                writers: writers.iter().map(WriterView::from).collect(),
            }),
            given_up: report.given_up.iter().map(ToString::to_string).collect(),
            rescued: report.rescued,
            bytes_moved: report.moved,
            bytes_written: report.written,
            packs_deleted: swept.packs.into(),
            segments_deleted: swept.segments.into(),
            records_deleted: swept.records.into(),
            retained_by_store: swept.retained.into(),
            retained_until: swept.retained_until.map(text::rfc3339),
            retention_extended: report.extended,
            needed: swept.needed.iter().map(ToString::to_string).collect(),
            num_errors: report.troubles.len() as u64,
        }
    }
}

impl From<&Plan> for PlanView {
    fn from(plan: &Plan) -> Self {
        PlanView {
            packs: plan.all.into(),
            garbage: plan.garbage.into(),
            orphaned: plan.orphaned.into(),
            duplicate: plan.duplicate.into(),
            damaged: plan.damaged.into(),
            repacked: plan.repacked.into(),
            bytes_rewritten: plan.rewritten,
            bytes_unused_left: plan.unused_left,
            bytes_won: plan.won(),
            packs_left: plan.left,
        }
    }
}

impl From<&WriterAtWork> for WriterView {
    fn from(writer: &WriterAtWork) -> Self {
        let about = writer.registration.as_ref();
        WriterView {
            id: writer.id.to_string(),
            verb: about.map(|about| about.verb.clone()),
            host: about.map(|about| about.host.clone()),
            process: about.map(|about| about.process),
            started: about.map(|about| text::rfc3339(about.started)),
            last_heard: writer.last_sign.map(text::rfc3339),
        }
    }
}

/// `10%`, `2G` or `unlimited`.
fn unused(text: &str) -> Result<Unused> {
    if text == "unlimited" {
        return Ok(Unused::Unlimited);
    }
    let Some(percent) = text.strip_suffix('%') else { return size(text).map(Unused::Bytes) };
    match percent.parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Unused::Percent(percent)),
        _ => Err(Error::new(Kind::InvalidInput, "understand the limit", format!("{text:?}"))
            .because("a percentage goes from 0 to 100")
            .hint("write a percentage, such as 5%, a size, such as 10G, or `unlimited`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each form of a limit is understood, and what makes no sense is refused.
    #[test]
    fn limits_are_understood() {
        assert_eq!(unused("5%").unwrap(), Unused::Percent(5.0));
        assert_eq!(unused("3M").unwrap(), Unused::Bytes(3 << 20));
        assert_eq!(unused("unlimited").unwrap(), Unused::Unlimited);
        for text in ["101%", "-1%", "NaN%", "5x%", "much", "3Q", ""] {
            assert_eq!(unused(text).unwrap_err().kind(), Kind::InvalidInput, "{text}");
        }
    }
}
