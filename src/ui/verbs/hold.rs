//! `hold` and `release`: snapshots that nothing gives up.

use super::filter::FilterArgs;
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::format::snapshot::Snapshot;
use crate::id::NoteId;
use crate::monitor::Monitor;
use crate::repo::{Hold, Holds};
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use clap::Args;
use serde::Serialize;

/// What `hold` takes.
#[derive(Debug, Args)]
pub struct HoldArgs {
    /// The snapshots: `latest`, `latest~N`, `latest@TIME`, or the beginning of an id
    #[arg(value_name = "SNAPSHOT", required = true)]
    pub names: Vec<String>,

    /// Why; shown when they are to be given up
    #[arg(long, value_name = "TEXT")]
    pub reason: String,

    /// Let the hold end by itself at this time: 2026-01-31, local, or RFC 3339
    #[arg(long, value_name = "TIME")]
    pub until: Option<Time>,

    #[command(flatten)]
    pub filter: FilterArgs,
}

/// What `release` takes.
#[derive(Debug, Args)]
pub struct ReleaseArgs {
    /// The snapshots: `latest`, `latest~N`, `latest@TIME`, or the beginning of an id
    #[arg(value_name = "SNAPSHOT", required = true)]
    pub names: Vec<String>,

    /// Where several hold a snapshot, end this hold: the beginning of its id
    #[arg(long, value_name = "ID")]
    pub hold: Option<String>,

    /// Where several hold a snapshot, end all of their holds
    #[arg(long, conflicts_with = "hold")]
    pub all: bool,

    /// End the last hold of a snapshot that was given up, too: it goes then
    #[arg(long)]
    pub force: bool,

    #[command(flatten)]
    pub filter: FilterArgs,
}

/// Longest reason.
const REASON_MAX: usize = 1000;

/// Holds snapshots.
pub fn run(app: &App, args: &HoldArgs) -> Result<Done> {
    let wrong =
        |reason: &str| Err(Error::new(Kind::InvalidInput, "hold", "snapshots").because(reason));
    if args.reason.trim().is_empty() || args.reason.len() > REASON_MAX {
        return wrong(&format!("a reason has between 1 and {REASON_MAX} bytes"));
    }
    if let Some(until) = args.until.filter(|until| *until <= app.env.now()) {
        return wrong(&format!("`--until` lies in the past: {until}"));
    }
    let repository = app.repository()?;
    let progress = app.progress()?;
    let (snapshots, unreadable) = args.filter.all(&repository, &args.names, &progress)?;
    let mut out = Out::new();
    let held = snapshots.iter().try_for_each(|stored| {
        let snapshot = &stored?.snapshot;
        let hold = repository.hold(snapshot.id, &args.reason, args.until)?;
        let id = snapshot.id.short();
        if hold.given_up {
            progress.warn(&format!("snapshot {id} was given up, and goes with its last hold"));
        }
        let until = args.until.map(|until| format!(" until {until}")).unwrap_or_default();
        tell(app, &mut out, "hold", snapshot, hold.id, &format!("holds snapshot {id}{until}"))
    });
    // What was held is told, also where the next one fails.
    out.finish()?;
    held?;
    Ok(Done::incomplete_if(unreadable))
}

/// Ends holds.
pub fn release(app: &App, args: &ReleaseArgs) -> Result<Done> {
    let repository = app.repository()?;
    let progress = app.progress()?;
    let (snapshots, unreadable) = args.filter.all(&repository, &args.names, &progress)?;
    let holds = repository.holds()?;
    for error in &holds.troubles {
        progress.trouble(error);
    }
    let mut ended = Vec::new();
    for stored in snapshots.iter() {
        let stored = stored?;
        let chosen: Vec<Hold> =
            args.chosen(&holds, &stored.snapshot)?.into_iter().cloned().collect();
        let id = stored.snapshot.id;
        if snapshots.is_given_up(id) && chosen.len() == holds.of(id).len() && !args.force {
            return Err(Error::new(Kind::Refused, "release snapshot", id.short())
                .because("it was given up, and goes with its last hold")
                .hint("`--force` lets it go"));
        }
        ended.push((stored, chosen));
    }
    let all = ended.iter().flat_map(|(_, holds)| holds).map(|hold| hold.id).collect();
    repository.release(all)?;
    let mut out = Out::new();
    for (stored, holds) in &ended {
        let snapshot = &stored.snapshot;
        for hold in holds {
            let text = format!("released snapshot {}, which was {hold}", snapshot.id.short());
            tell(app, &mut out, "release", snapshot, hold.id, &text::plain(&text))?;
        }
    }
    out.finish()?;
    Ok(Done::incomplete_if(unreadable || !holds.troubles.is_empty()))
}

impl ReleaseArgs {
    /// The holds of a snapshot that are meant: the only one, or those that are chosen.
    fn chosen<'h>(&self, holds: &'h Holds, snapshot: &Snapshot) -> Result<Vec<&'h Hold>> {
        let error = |kind| Error::new(kind, "release snapshot", snapshot.id.short());
        let all = holds.of(snapshot.id);
        let listed = || {
            let listed: Vec<String> =
                all.iter().map(|hold| format!("{} ({})", hold.id, hold.reason)).collect();
            format!("its holds are {}", listed.join(", "))
        };
        let meant =
            |hold: &&Hold| self.hold.as_ref().is_none_or(|id| hold.id.to_string().starts_with(id));
        let chosen: Vec<&Hold> = all.iter().filter(meant).collect();
        match chosen.len() {
            0 if all.is_empty() => Err(error(Kind::NotFound).because("nobody holds it")),
            0 => Err(error(Kind::NotFound).because("no hold of it is named so").hint(listed())),
            1 => Ok(chosen),
            _ if self.all => Ok(chosen),
            several => Err(error(Kind::Refused)
                .because(format!("it is held {several} times"))
                .hint(format!("--hold ID ends one of them, --all ends all; {}", listed()))),
        }
    }
}

/// Reports the outcome for one hold.
fn tell(
    app: &App,
    out: &mut Out,
    message_type: &str,
    snapshot: &Snapshot,
    hold: NoteId,
    words: &str,
) -> Result<()> {
    #[derive(Serialize)]
    struct HoldSaid {
        snapshot_id: String,
        hold_id: String,
    }
    match app.global.json {
        true => {
            let (snapshot_id, hold_id) = (snapshot.id.to_string(), hold.to_string());
            out.json(message_type, &HoldSaid { snapshot_id, hold_id })
        }
        false if app.talks() => out.line(words),
        false => Ok(()),
    }
}
