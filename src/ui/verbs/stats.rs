//! `stats`: what lies in the repository, and what each snapshot holds and costs.

use super::filter::FilterArgs;
use crate::error::{Error, Result};
use crate::format::ObjectKind;
use crate::format::snapshot::Stored;
use crate::monitor::Monitor;
use crate::ops::damage::record_damage;
use crate::ops::stats::{SnapshotStats, StoredStats, measure, ratio, stored};
use crate::repo::Reader;
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use crate::ui::table::Columns;
use clap::Args;
use serde::Serialize;

/// What `stats` takes.
#[derive(Debug, Args)]
pub struct StatsArgs {
    /// Only these: `latest`, `latest~N`, `latest@TIME`, or the beginning of an id
    #[arg(value_name = "SNAPSHOT")]
    pub names: Vec<String>,

    #[command(flatten)]
    pub filter: FilterArgs,
}

/// Measures.
pub fn run(app: &App, args: &StatsArgs) -> Result<Done> {
    let repository = app.repository()?.keeping_packs();
    let progress = app.progress()?;
    let (snapshots, mut incomplete) = args.filter.all(&repository, &args.names, &progress)?;
    let index = app.index(&repository, &progress)?;
    let reader = Reader::new(&repository, &index).reloading();
    let mut trouble = |error: Error| {
        incomplete = true;
        progress.trouble(&error);
        Ok(())
    };
    let measured = measure(&reader, &snapshots, &mut trouble);
    record_damage(&repository, &index, &progress);
    let measured = measured?;
    let store = stored(&repository, &index)?;
    let mut out = Out::new();
    match app.global.json {
        true => json(&measured, &store, &mut out)?,
        false => print(&measured, &store, &mut out)?,
    }
    out.finish()?;
    Ok(Done::incomplete_if(incomplete))
}

fn print(measured: &[SnapshotStats], store: &StoredStats, out: &mut Out) -> Result<()> {
    let head = ["ID", "Time", "Files", "Size", "Adds", "whole", "as deltas"];
    let mut table = Columns::new(&head, &[2, 3, 4, 5, 6]);
    for stats in measured {
        table.row([
            stats.key.id.short(),
            text::local(stats.key.started),
            stats.holds.files.to_string(),
            text::figure(stats.holds.bytes),
            text::figure(stats.growth.stored()),
            text::figure(stats.growth.whole.stored),
            text::figure(stats.growth.delta.stored),
        ]);
    }
    if !measured.is_empty() {
        out.table(&table)?;
        out.line("")?;
    }
    let (blobs, plain) = store.unique();
    let total = store.total();
    out.line(&format!("chunks:    {blobs}, {}", text::bytes(plain)))?;
    out.line(&format!("whole:     {}", of(&store.whole)))?;
    out.line(&format!("deltas:    {}", of(&store.delta)))?;
    for (kind, objects) in store.objects.iter().filter(|(_, objects)| objects.count > 0) {
        let (folder, bytes) = (format!("{}:", kind.folder()), text::bytes(objects.bytes));
        out.line(&format!("{folder:<11}{} ({bytes})", objects.count))?;
    }
    out.line(&format!("stored:    {} objects, {}", total.count, text::bytes(total.bytes)))?;
    let bytes: u64 = measured.iter().map(|stats| stats.holds.bytes).sum();
    match ratio(bytes, total.bytes) {
        Some(ratio) => out.line(&format!(
            "in all:    {} in {}: {ratio:.1} times what is stored",
            text::bytes(bytes),
            text::count(measured.len() as u64, "snapshot")
        )),
        None => Ok(()),
    }
}

fn of(stored: &Stored) -> String {
    let (plain, packed) = (text::bytes(stored.plain), text::bytes(stored.stored));
    format!("{}, {plain} as {packed}", stored.blobs)
}

#[derive(Serialize)]
struct SnapshotView<'s> {
    id: String,
    time: String,
    total_file_count: u64,
    total_directory_count: u64,
    total_size: u64,
    unreadable: u64,
    missing: u64,
    added: u64,
    whole: &'s Stored,
    delta: &'s Stored,
}

#[derive(Serialize)]
struct SummaryView<'s> {
    snapshots_count: usize,
    total_restore_size: u64,
    total_size: u64,
    total_objects: u64,
    total_blob_count: u64,
    total_uncompressed_size: u64,
    whole: &'s Stored,
    delta: &'s Stored,
    duplicates: &'s Stored,
    pack_overhead: u64,
    objects: Vec<ObjectsView>,
}

#[derive(Serialize)]
struct ObjectsView {
    kind: &'static str,
    count: u64,
    bytes: u64,
}

fn json(measured: &[SnapshotStats], store: &StoredStats, out: &mut Out) -> Result<()> {
    for stats in measured {
        let view = SnapshotView {
            id: stats.key.id.to_string(),
            time: text::rfc3339(stats.key.started),
            total_file_count: stats.holds.files,
            total_directory_count: stats.holds.directories,
            total_size: stats.holds.bytes,
            unreadable: stats.holds.unreadable,
            missing: stats.growth.missing,
            added: stats.growth.stored(),
            whole: &stats.growth.whole,
            delta: &stats.growth.delta,
        };
        out.json("snapshot", &view)?;
    }
    let (blobs, plain) = store.unique();
    let objects = |kind: &ObjectKind| {
        let objects = store.of(*kind);
        ObjectsView { kind: kind.folder(), count: objects.count, bytes: objects.bytes }
    };
    let summary = SummaryView {
        snapshots_count: measured.len(),
        total_restore_size: measured.iter().map(|stats| stats.holds.bytes).sum(),
        total_size: store.total().bytes,
        total_objects: store.total().count,
        total_blob_count: blobs,
        total_uncompressed_size: plain,
        whole: &store.whole,
        delta: &store.delta,
        duplicates: &store.duplicates,
        pack_overhead: store.pack_overhead(),
        objects: ObjectKind::ALL.iter().map(objects).collect(),
    };
    out.json("summary", &summary)
}
