//! `repair`: saves what can be saved of a damaged repository.

mod index;
mod packs;
mod snapshots;

use crate::backend::DryRun;
use crate::env::TOOL;
use crate::error::Result;
use crate::monitor::Monitor;
use crate::ops::repair::{Left, RepairOptions};
use crate::repo::Repository;
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::host::hostname;
use crate::ui::out::Out;
use crate::ui::passwords;
use crate::ui::progress::Progress;
use clap::{Args, Subcommand};
use serde::Serialize;
use std::sync::Arc;

/// What is repaired.
#[derive(Debug, Subcommand)]
pub enum RepairVerb {
    /// Make the index anew from what packs say of themselves, as far as it is lost
    ///
    /// Every pack that the index does not name, or not with all that is in it, gets its entries again.
    /// Segments of the index that nobody can read go into quarantine after that.
    Index(index::RepairIndexArgs),
    /// Save what is whole in damaged packs, and fetch what is lost from a copy
    ///
    /// What can be read of a damaged pack moves to new packs, sealed as it is; what is lost is named, with
    /// what can no longer be restored because of it. The damaged pack goes into quarantine after that.
    Packs(packs::RepairPacksArgs),
    /// Make new snapshots of what is left of those that miss something
    ///
    /// Files and databases that miss chunks are left out; all else is as it was, with host, time, paths and
    /// tags. A new snapshot names its original and counts as incomplete: rules of `forget` judge it apart,
    /// and `latest` passes it over. The original stays, unless --forget gives it up.
    Snapshots(snapshots::RepairSnapshotsArgs),
}

/// How is repaired, whatever it is.
#[derive(Debug, Args)]
pub struct HowArgs {
    /// Show what would be done, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

impl HowArgs {
    fn options(&self) -> RepairOptions {
        RepairOptions { dry_run: self.dry_run, host: hostname(), tool: TOOL.to_owned() }
    }

    /// The repository; for a trial over a store that swallows what is written.
    fn open(&self, app: &App) -> Result<Repository> {
        let mut backend = app.backend()?;
        if self.dry_run {
            backend = Arc::new(DryRun::new(backend));
        }
        app.open(backend, &passwords::existing(&app.global)?)
    }
}

/// Repairs.
pub fn run(app: &App, verb: &RepairVerb) -> Result<Done> {
    match verb {
        RepairVerb::Index(args) => index::run(app, args),
        RepairVerb::Packs(args) => packs::run(app, args),
        RepairVerb::Snapshots(args) => snapshots::run(app, args),
    }
}

/// Tells the outcome for damaged objects.
fn print_left(left: &Left, dry_run: bool, out: &mut Out) -> Result<()> {
    let moved = if dry_run { "would move into quarantine" } else { "moved into quarantine" };
    left.quarantined.iter().try_for_each(|handle| out.prose(&format!("{moved}: {handle}")))
}

/// Warns of damaged objects that stay where they are.
fn warn_left(left: &Left, progress: &Progress) {
    for (handle, why) in &left.kept {
        progress.warn(&format!("{handle} stays where it is: {why}"));
    }
    if !left.retained.is_empty() {
        let objects = text::count(left.retained.len() as u64, "object");
        progress.warn(&format!("the store retains {objects} that was copied into quarantine"));
    }
}

fn is_done(left: &Left) -> bool {
    left.kept.is_empty() && left.retained.is_empty()
}

#[derive(Serialize)]
struct LeftView {
    quarantined: Vec<String>,
    retained_by_store: Vec<String>,
    kept: Vec<KeptView>,
}

#[derive(Serialize)]
struct KeptView {
    object: String,
    reason: String,
}

impl From<&Left> for LeftView {
    fn from(left: &Left) -> Self {
        let kept = |(handle, reason): &(crate::backend::Handle, String)| KeptView {
            object: handle.to_string(),
            reason: reason.clone(),
        };
        LeftView {
            quarantined: left.quarantined.iter().map(ToString::to_string).collect(),
            retained_by_store: left.retained.iter().map(ToString::to_string).collect(),
            kept: left.kept.iter().map(kept).collect(),
        }
    }
}
