//! `mirror`: copies of the repository in other places.

use super::prune::{TallyView, tally};
use crate::backend::{Backend, DryRun, Location};
use crate::crypto::Secret;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::monitor::Monitor;
use crate::ops::mirror::{
    DeleteLimit, MirrorOptions, MirrorReport, TargetReport, delete_given_up, mirror,
};
use crate::ops::prune::{Swept, Tally};
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use crate::ui::passwords;
use crate::ui::progress::Progress;
use clap::Args;
use serde::Serialize;
use std::sync::Arc;

/// What `mirror` takes.
#[derive(Debug, Args)]
pub struct MirrorArgs {
    /// Where to: empty places, or earlier mirrors of this repository
    #[arg(value_name = "TARGET", required = true)]
    pub targets: Vec<String>,

    /// Delete in the targets what this repository gave up and deleted itself: needs the password
    #[arg(long)]
    pub delete: bool,

    /// Delete even if more than half of a target's snapshots were given up
    #[arg(long, requires = "delete")]
    pub force: bool,

    /// Show what would be done, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// The outcome of one target.
struct MirroredTarget {
    place: String,
    /// Nothing if it could not be opened.
    report: TargetReport,
    deleted: Option<Swept>,
}

/// Mirrors.
pub fn run(app: &App, args: &MirrorArgs) -> Result<Done> {
    let source = app.backend()?;
    args.targets.iter().try_for_each(|target| refuse_within(app, target))?;
    // Asked for now, not after hours of copying.
    let secret = args.delete.then(|| passwords::existing(&app.global)).transpose()?;
    let opened: Vec<Result<Arc<dyn Backend>>> =
        args.targets.iter().map(|place| app.target(place, args.dry_run)).collect();
    refuse_twice(&source, opened.iter().flatten(), args.dry_run)?;
    let progress = app.progress()?;
    let stores: Vec<Arc<dyn Backend>> = opened.iter().flatten().cloned().collect();
    let key = secret.as_ref().map(|secret| (&app.env, secret));
    let options = MirrorOptions { dry_run: args.dry_run, key };
    let report = mirror(&source, stores, options, &progress)?;
    let MirrorReport { repository, targets, troubles } = report;
    troubles.iter().for_each(|error| progress.trouble(error));
    let mut reports = targets.into_iter();
    let mut outcomes = Vec::new();
    for (place, store) in args.targets.iter().zip(opened) {
        let (report, store) = match store {
            Ok(store) => (reports.next().unwrap_or_default(), Some(store)),
            Err(error) => (TargetReport { failure: Some(error), ..Default::default() }, None),
        };
        let mut outcome = MirroredTarget { place: place.clone(), report, deleted: None };
        match (store, &secret) {
            (Some(store), Some(secret)) if outcome.report.is_whole() && troubles.is_empty() => {
                match delete(app, args, &source, store, &outcome, secret, &progress) {
                    Err(error) if error.kind() == Kind::Interrupted => return Err(error),
                    Err(error) => outcome.report.failure = Some(error),
                    Ok(deleted) => outcome.deleted = deleted,
                }
            }
            (_, Some(_)) => {
                progress.warn(&format!("nothing is deleted in {place}: it is not whole"))
            }
            (_, None) => {}
        }
        outcomes.push(outcome);
    }
    let mut out = Out::new();
    match app.global.json {
        true => {
            let targets = outcomes.iter().map(TargetView::from).collect();
            let (repository, num_errors) = (repository.to_string(), troubles.len() as u64);
            let view = MirrorView { dry_run: args.dry_run, repository, targets, num_errors };
            out.json("mirror", &view)?;
        }
        false if app.talks() || args.dry_run => {
            for outcome in &outcomes {
                print(outcome, args.dry_run, &mut out)?;
            }
        }
        false => {}
    }
    out.finish()?;
    judge(outcomes, !troubles.is_empty(), &progress)
}

/// A folder in the repository, or the repository by another name, is no mirror of it.
fn refuse_within(app: &App, target: &str) -> Result<()> {
    let Location::Local(path) = Location::parse(target, &app.store_options()?)? else {
        return Ok(());
    };
    match app.is_in_repository(&path)? {
        false => Ok(()),
        true => Err(Error::new(Kind::InvalidInput, "mirror to", target)
            .because("it is the repository itself, or lies in it")
            .hint("a mirror is of use on another disk, or on another machine")),
    }
}

/// One place is mirrored to once, and never to itself.
fn refuse_twice<'s>(
    source: &'s Arc<dyn Backend>,
    targets: impl Iterator<Item = &'s Arc<dyn Backend>>,
    dry_run: bool,
) -> Result<()> {
    let mut known = vec![source.describe()];
    for target in targets {
        let place = target.describe();
        if known.contains(&place) {
            return Err(Error::new(Kind::InvalidInput, "mirror to", place)
                .because("it is the source, or was named twice"));
        }
        // Places that are only imagined are all alike.
        known.extend((!dry_run).then_some(place));
    }
    Ok(())
}

/// Deletes what was given up; nothing where there was no mirror before.
fn delete(
    app: &App,
    args: &MirrorArgs,
    source: &Arc<dyn Backend>,
    store: Arc<dyn Backend>,
    outcome: &MirroredTarget,
    secret: &Secret,
    progress: &Progress,
) -> Result<Option<Swept>> {
    if outcome.report.copied.contains_key(&ObjectKind::Config) {
        return Ok(None);
    }
    let store: Arc<dyn Backend> = match args.dry_run {
        true => Arc::new(DryRun::new(store)),
        false => store,
    };
    if args.dry_run && !outcome.report.copied.is_empty() {
        progress.note("more may be deleted than is said, once the rest is copied");
    }
    let limit = if args.force { DeleteLimit::All } else { DeleteLimit::Half };
    delete_given_up(&**source, store, &app.env, secret, limit, progress).map(Some)
}

fn print(outcome: &MirroredTarget, dry_run: bool, out: &mut Out) -> Result<()> {
    let MirroredTarget { place, report, deleted } = outcome;
    let copied = amounts(report);
    let verb = if dry_run { "would copy" } else { "copied" };
    match (copied.is_empty(), report.failure.is_some()) {
        (false, _) => out.prose(&format!("{place}: {verb} {}", copied.join(", ")))?,
        (true, false) => out.prose(&format!("{place}: has everything already"))?,
        (true, true) => {}
    }
    if report.extended > 0 {
        let extended = text::count(report.extended, "object");
        out.prose(&format!("{place}: {extended} are retained by the store for longer"))?;
    }
    if let Some(deleted) = deleted {
        let verb = if dry_run { "would delete" } else { "deleted" };
        let Swept { packs, segments, records, .. } = deleted;
        let (packs, segments) = (tally(*packs, "pack"), tally(*segments, "index segment"));
        let records = tally(*records, "record");
        out.prose(&format!("{place}: {verb} {packs}, {segments}, {records}"))?;
    }
    Ok(())
}

/// What was copied, by what people call it.
fn amounts(report: &TargetReport) -> Vec<String> {
    let of = |kind: ObjectKind| report.copied.get(&kind).copied().unwrap_or_default();
    let mut records = Tally::default();
    let is_record = |kind: &ObjectKind| !matches!(kind, ObjectKind::Pack | ObjectKind::Index);
    report.copied.keys().copied().filter(is_record).for_each(|kind| records.join(of(kind)));
    let all = [
        (of(ObjectKind::Pack), "pack"),
        (of(ObjectKind::Index), "index segment"),
        (records, "record"),
    ];
    all.into_iter().filter(|(it, _)| it.count > 0).map(|(it, noun)| tally(it, noun)).collect()
}

/// Tells what went wrong. A single target's error is that of the command.
fn judge(outcomes: Vec<MirroredTarget>, is_damaged: bool, progress: &Progress) -> Result<Done> {
    let (all, mut failed) = (outcomes.len(), Vec::new());
    for MirroredTarget { place, report, .. } in outcomes {
        report.different.iter().for_each(|error| progress.trouble(error));
        let differs = || {
            let objects = text::count(report.different.len() as u64, "object");
            Error::new(Kind::Damaged, "mirror to", &place)
                .because(format!("{objects} there and in the source differ"))
        };
        let wrong = (!report.different.is_empty()).then(differs);
        failed.extend(report.failure.or(wrong));
    }
    match failed.len() {
        0 => Ok(Done::incomplete_if(is_damaged)),
        _ if all == 1 => failed.pop().map_or(Ok(Done::All), Err),
        number => {
            failed.iter().for_each(|error| progress.trouble(error));
            let reason =
                format!("of {all} targets, {number} failed or have something that differs");
            Err(Error::new(Kind::Failed, "mirror to", "all targets").because(reason))
        }
    }
}

#[derive(Serialize)]
struct MirrorView {
    dry_run: bool,
    repository: String,
    targets: Vec<TargetView>,
    num_errors: u64,
}

#[derive(Serialize)]
struct TargetView {
    target: String,
    objects_copied: u64,
    retention_extended: u64,
    bytes_copied: u64,
    packs_copied: TallyView,
    only_in_target: TallyView,
    different: u64,
    packs_deleted: Option<TallyView>,
    segments_deleted: Option<TallyView>,
    records_deleted: Option<TallyView>,
    error: Option<String>,
}

impl From<&MirroredTarget> for TargetView {
    fn from(outcome: &MirroredTarget) -> Self {
        let MirroredTarget { place, report, deleted } = outcome;
        let mut all = Tally::default();
        report.copied.values().for_each(|copied| all.join(*copied));
        let of = |part: fn(&Swept) -> Tally| deleted.as_ref().map(|it| part(it).into());
        TargetView {
            target: place.clone(),
            objects_copied: all.count,
            retention_extended: report.extended,
            bytes_copied: all.bytes,
            packs_copied: report.copied.get(&ObjectKind::Pack).copied().unwrap_or_default().into(),
            only_in_target: report.alone.into(),
            different: report.different.len() as u64,
            packs_deleted: of(|swept| swept.packs),
            segments_deleted: of(|swept| swept.segments),
            records_deleted: of(|swept| swept.records),
            error: report.failure.as_ref().map(ToString::to_string),
        }
    }
}
