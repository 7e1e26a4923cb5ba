//! `snapshots`: which there are.

use super::filter::FilterArgs;
use super::groups::{Group, GroupBy, GroupView, groups, keep_latest};
use super::views::{SnapshotView, part_name, source_name};
use crate::env::Time;
use crate::error::Result;
use crate::format::snapshot::{Part, Snapshot};
use crate::limits::CLOCK_TOLERANCE;
use crate::monitor::Monitor;
use crate::repo::{Hold, Holds, Snapshots};
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use crate::ui::progress::Progress;
use crate::ui::table::Columns;
use clap::Args;

/// What `snapshots` takes.
#[derive(Debug, Args)]
pub struct SnapshotsArgs {
    /// Only these: `latest`, `latest~N`, `latest@TIME`, or the beginning of an id
    #[arg(value_name = "SNAPSHOT")]
    pub names: Vec<String>,

    /// Only the newest ones of each group, so many
    #[arg(long, value_name = "NUMBER")]
    pub latest: Option<usize>,

    /// List them in groups of the same host, paths or tags, several separated by commas; without
    /// it, --latest goes by host and paths
    #[arg(short, long, value_name = "BY[,BY...]", value_enum, value_delimiter = ',')]
    pub group_by: Vec<GroupBy>,

    /// One line for each snapshot, without its paths
    #[arg(short, long)]
    pub compact: bool,

    #[command(flatten)]
    pub filter: FilterArgs,
}

/// Lists snapshots, the newest last.
pub fn run(app: &App, args: &SnapshotsArgs) -> Result<Done> {
    let repository = app.repository()?;
    let progress = app.progress()?;
    let (mut shown, unreadable) = args.filter.all(&repository, &args.names, &progress)?;
    warn_of_future(&shown, app.env.now(), &progress);
    if let Some(number) = args.latest {
        let by = if args.group_by.is_empty() { &GroupBy::USUAL } else { args.group_by.as_slice() };
        keep_latest(&mut shown, by, number)?;
    }
    let groups = groups(&shown, &args.group_by)?;
    let holds = shown.holds()?;
    for error in &holds.troubles {
        progress.trouble(error);
    }
    let mut out = Out::new();
    match (app.global.json, args.group_by.is_empty()) {
        (true, true) => {
            for stored in shown.iter().rev() {
                let snapshot = &stored?.snapshot;
                let given_up = shown.is_given_up(snapshot.id);
                let view = SnapshotView::from(snapshot).held(holds.of(snapshot.id), given_up);
                out.json("snapshot", &view)?;
            }
        }
        (true, false) => {
            for group in &groups {
                out.json("group", &GroupView::new(group, &group.snapshots.all()?, &holds))?;
            }
        }
        (false, _) => print(&groups, &holds, args.compact, &mut out)?,
    }
    out.finish()?;
    Ok(Done::incomplete_if(unreadable || !holds.troubles.is_empty()))
}

fn print(groups: &[Group<'_>], holds: &Holds, compact: bool, out: &mut Out) -> Result<()> {
    let head = if compact { &HEAD_COMPACT[..] } else { &HEAD[..] };
    for group in groups {
        if let Some(title) = group.key.title() {
            out.prose(&title)?;
        }
        let mut table = Columns::new(head, &[5, 6]).keeping(1).favouring(7);
        for stored in group.snapshots.iter().rev() {
            let snapshot = &stored?.snapshot;
            let mut held: Vec<String> = holds.of(snapshot.id).iter().map(held).collect();
            if group.snapshots.is_given_up(snapshot.id) {
                held.insert(0, "given up, goes with its last hold".to_owned());
            }
            table.row(row(snapshot, held, compact));
        }
        out.table(&table)?;
    }
    let count = groups.iter().map(|group| group.snapshots.len() as u64).sum();
    out.line(&text::count(count, "snapshot"))
}

/// Paths and tags of a snapshot that are named in the list.
const SHOWN: usize = 100;

const HEAD: [&str; 8] = ["ID", "Time", "Host", "Tags", "Held", "Size", "Stored", "Paths"];
/// Without what may take several lines; cells that have no title are not shown.
const HEAD_COMPACT: [&str; 7] = ["ID", "Time", "Host", "Tags", "Held", "Size", "Stored"];

/// Snapshots that say that they were made later than now.
fn warn_of_future(shown: &Snapshots<'_>, now: Time, progress: &Progress) {
    let bound = now.0.saturating_add(CLOCK_TOLERANCE);
    for key in shown.keys().filter(|key| key.started.0 > bound) {
        progress.warn(&format!(
            "snapshot {} says that it was made at {}, which is in the future: it has the \
             place of its number in its series",
            key.id.short(),
            text::local(key.started)
        ));
    }
}

fn row(snapshot: &Snapshot, held: Vec<String>, compact: bool) -> [String; 8] {
    let parts = snapshot.parts.iter().map(|part| marked(part_name(part), remark(part)));
    let missing = snapshot.missing.iter();
    let missing =
        missing.map(|part| marked(source_name(&part.source()), Some("missing".to_owned())));
    let left = snapshot.original.map(|original| format!("(what is left of {})", original.short()));
    let tags = snapshot.tags.iter().map(|tag| text::plain(tag));
    let line = if compact { "," } else { "\n" };
    [
        snapshot.id.short(),
        text::local(snapshot.started),
        text::plain(&snapshot.host),
        first(tags).join(line),
        first(held.into_iter()).join(line),
        text::figure(snapshot.summary.bytes),
        text::figure(snapshot.summary.written),
        first(parts.chain(missing).chain(left)).join("\n"),
    ]
}

/// A hold in a list: why, and until when.
fn held(hold: &Hold) -> String {
    let reason = text::plain(&hold.reason);
    hold.until.map_or(reason.clone(), |until| format!("{reason} (until {})", text::local(until)))
}

/// The first ones, and how many there are besides.
fn first(mut names: impl Iterator<Item = String>) -> Vec<String> {
    let mut shown: Vec<String> = names.by_ref().take(SHOWN).collect();
    let more = names.count();
    shown.extend((more > 0).then(|| format!("and {more} more")));
    shown
}

/// What of a part is not as it should be.
fn remark(part: &Part) -> Option<String> {
    let incomplete = part.incomplete.then(|| "incomplete".to_owned());
    let damaged = (part.tainted > 0)
        .then(|| format!("damaged at the source: {}", text::count(part.tainted, "file")));
    let remarks: Vec<String> = incomplete.into_iter().chain(damaged).collect();
    (!remarks.is_empty()).then(|| remarks.join(", "))
}

fn marked(name: String, remark: Option<String>) -> String {
    match remark {
        Some(remark) => format!("{name} ({remark})"),
        None => name,
    }
}
