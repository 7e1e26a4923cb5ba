//! `diff`: what differs between two snapshots.

use super::filter::FilterArgs;
use crate::error::{Error, Result};
use crate::monitor::Monitor;
use crate::ops::damage::record_damage;
use crate::ops::diff::{Change, Difference, diff};
use crate::ops::select::SnapshotPath;
use crate::ops::tree;
use crate::repo::Reader;
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use clap::Args;
use serde::Serialize;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

/// What `diff` takes.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The earlier one: `latest~1`, `latest@TIME`, or the beginning of an id, and a path within it
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    pub before: OsString,

    /// The later one
    #[arg(value_name = "SNAPSHOT[:PATH]")]
    pub after: OsString,

    /// Show what differs in nothing but mode, owner, times and attributes, too
    #[arg(long)]
    pub metadata: bool,
}

#[derive(Serialize)]
struct ChangeView {
    path: String,
    modifier: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
}

#[derive(Default, Serialize)]
struct Statistics {
    added: u64,
    removed: u64,
    changed: u64,
    metadata_changed: u64,
    type_changed: u64,
    added_bytes: u64,
    removed_bytes: u64,
    changed_bytes: u64,
}

/// Compares.
pub fn run(app: &App, args: &DiffArgs) -> Result<Done> {
    let (before, after) =
        (SnapshotPath::from(args.before.as_bytes()), SnapshotPath::from(args.after.as_bytes()));
    let repository = app.repository()?.keeping_packs();
    let progress = app.progress()?;
    let everything = FilterArgs::default();
    let old = everything.one(&repository, &before.snapshot, &progress)?;
    let new = everything.one(&repository, &after.snapshot, &progress)?;
    let index = app.index(&repository, &progress)?;
    let reader = Reader::new(&repository, &index).reloading();
    let path = |wanted: &SnapshotPath| wanted.path.clone().unwrap_or_else(|| b"/".to_vec());
    let old = tree::find(&reader, &old.snapshot, &path(&before))?;
    let new = tree::find(&reader, &new.snapshot, &path(&after))?;
    let mut out = Out::new();
    let mut statistics = Statistics::default();
    let mut incomplete = false;
    let mut show = |difference: Difference<'_>| {
        statistics.count(&difference);
        if difference.change == Change::Metadata && !args.metadata {
            return Ok(());
        }
        let (path, modifier) = (text::path(difference.path), modifier(difference.change));
        match app.global.json {
            true => out.json("change", &ChangeView { path, modifier, bytes: difference.bytes }),
            false => out.line(&format!("{modifier}    {path}")),
        }
    };
    let mut trouble = |error: Error| {
        incomplete = true;
        progress.trouble(&error);
        Ok(())
    };
    let compared = diff(&reader, &old, &new, &mut show, &mut trouble);
    record_damage(&repository, &index, &progress);
    compared?;
    match app.global.json {
        true => out.json("statistics", &statistics)?,
        false if app.talks() => statistics.print(&mut out)?,
        false => {}
    }
    out.finish()?;
    Ok(Done::incomplete_if(incomplete))
}

/// restic's letters.
fn modifier(change: Change) -> &'static str {
    match change {
        Change::Added => "+",
        Change::Removed => "-",
        Change::Content => "M",
        Change::Metadata => "U",
        Change::Type => "T",
    }
}

impl Statistics {
    fn count(&mut self, difference: &Difference<'_>) {
        let bytes = difference.bytes.unwrap_or(0);
        let (number, sum) = match difference.change {
            Change::Added => (&mut self.added, Some(&mut self.added_bytes)),
            Change::Removed => (&mut self.removed, Some(&mut self.removed_bytes)),
            Change::Content => (&mut self.changed, Some(&mut self.changed_bytes)),
            Change::Metadata => (&mut self.metadata_changed, None),
            Change::Type => (&mut self.type_changed, None),
        };
        *number += 1;
        if let Some(sum) = sum {
            *sum = sum.saturating_add(bytes);
        }
    }

    fn print(&self, out: &mut Out) -> Result<()> {
        out.line(&format!(
            "{} added ({}), {} removed ({}), {} changed ({} new), {} of another type, \
             {} in metadata alone",
            self.added,
            text::bytes(self.added_bytes),
            self.removed,
            text::bytes(self.removed_bytes),
            self.changed,
            text::bytes(self.changed_bytes),
            self.type_changed,
            self.metadata_changed
        ))
    }
}
