//! `snapshots`: which there are.

use super::filter::FilterArgs;
use super::views::SnapshotView;
use crate::error::Result;
use crate::format::snapshot::{Part, Snapshot};
use crate::repo::StoredSnapshot;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use crate::ui::table::Columns;
use crate::ui::text;
use clap::Args;

/// What `snapshots` takes.
#[derive(Debug, Args)]
pub struct SnapshotsArgs {
    /// Only these: `latest`, `latest~N`, or the beginning of an id
    #[arg(value_name = "SNAPSHOT")]
    pub names: Vec<String>,

    #[command(flatten)]
    pub filter: FilterArgs,
}

/// Lists snapshots, the newest last.
pub fn run(app: &App, args: &SnapshotsArgs) -> Result<Done> {
    let repository = app.repository()?;
    let voice = app.progress()?;
    let (mut shown, unreadable) = args.filter.all(&repository, &args.names, &voice)?;
    shown.reverse();
    let mut out = Out::new();
    match app.global.json {
        true => {
            for stored in &shown {
                out.json("snapshot", &SnapshotView::from(&stored.snapshot))?;
            }
        }
        false => print(&shown, &mut out)?,
    }
    out.finish()?;
    Ok(Done::incomplete_if(unreadable))
}

fn print(shown: &[StoredSnapshot], out: &mut Out) -> Result<()> {
    let head = ["ID", "Time", "Host", "Tags", "Size", "Stored", "Paths"];
    let mut table = Columns::new(&head, &[4, 5]).keeping(1);
    for stored in shown {
        table.row(row(&stored.snapshot));
    }
    if !shown.is_empty() {
        out.table(&table)?;
    }
    out.line(&text::count(shown.len() as u64, "snapshot"))
}

fn row(snapshot: &Snapshot) -> [String; 7] {
    let parts = snapshot.parts.iter().map(|part| marked(&part.path, remark(part)));
    let missing = snapshot.missing.iter().map(|part| marked(&part.path, Some("missing")));
    let paths: Vec<String> = parts.chain(missing).collect();
    let tags: Vec<&str> = snapshot.tags.iter().map(String::as_str).collect();
    [
        snapshot.id.short(),
        text::local(snapshot.started),
        text::plain(&snapshot.host),
        text::plain(&tags.join(",")),
        text::figure(snapshot.summary.bytes),
        text::figure(snapshot.summary.written),
        paths.join("\n"),
    ]
}

/// What of a part is not as it should be.
fn remark(part: &Part) -> Option<&'static str> {
    match (part.incomplete, part.tainted > 0) {
        (true, true) => Some("incomplete, damaged at its source"),
        (true, false) => Some("incomplete"),
        (false, true) => Some("damaged at its source"),
        (false, false) => None,
    }
}

fn marked(path: &[u8], remark: Option<&str>) -> String {
    let path = text::path(path);
    remark.map_or(path.clone(), |remark| format!("{path} ({remark})"))
}
