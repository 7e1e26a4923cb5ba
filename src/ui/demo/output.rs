//! What the demonstration says: lines of at most 78 columns, each printed at once.

use super::{Costs, Restored};
use crate::format::snapshot::Snapshot;
use crate::ops::check::CheckReport;
use crate::text;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::Path;

/// Prints a line. A closed pipe does not end the demonstration.
fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{}", text::plain(line)).and_then(|()| out.flush());
}

fn say_all(lines: &[&str]) {
    lines.iter().for_each(|line| say(line));
}

pub(super) fn application(folder: &Path) {
    say("Making a small application: an SQLite database of 150,000 rows that is written");
    say("to all the time, and a folder of uploads, in");
    say(&format!("  {}", folder.display()));
}

pub(super) fn head() {
    say_all(&[
        "",
        "Every hour rows change and uploads come, and a snapshot is taken while the",
        "writer goes on committing. \"whole\" is what the same snapshot costs without",
        "deltas, in a second repository; \"times\" is how much more that is.",
        "",
        "hour   rows  commits   captured     stored      whole  times  seconds",
    ]);
}

pub(super) fn row(hour: u32, rows: u64, commits: u64, cost: &Costs, seconds: f64) {
    let [captured, stored, whole] = [cost.captured, cost.stored, cost.whole].map(text::figure);
    let times = times(cost.whole, cost.stored);
    say(&format!(
        "{hour:4} {rows:6} {commits:8} {captured:>10} {stored:>10} {whole:>10} {times:6.1} \
         {seconds:8.2}"
    ));
}

pub(super) fn restoring(hour: usize, snapshot: &Snapshot, target: &Path) {
    say_all(&["", &format!("Restoring hour {hour}, snapshot {}, into", snapshot.id.short())]);
    say(&format!("  {}", target.display()));
}

pub(super) fn restored(restored: &Restored) {
    say("  SQLite's integrity_check finds nothing; all rows agree with the digest that");
    say(&format!("  every transaction kept of them: {} of one moment", restored.rows));
    say(&format!("  {} uploads have the digests that they had then", restored.uploads));
}

pub(super) fn checking() {
    say_all(&["", "Reading the whole repository back (check --read-data) ..."]);
}

pub(super) fn checked(report: &CheckReport) {
    say(&format!(
        "  {}, {}, {} read: {}",
        text::count(report.snapshots, "snapshot"),
        text::count(report.packs_read, "pack"),
        text::figure(report.bytes_read),
        if report.is_healthy() { "no errors" } else { "damaged" }
    ));
}

pub(super) fn flipping(pack: &Path) {
    say_all(&["", "Flipping one bit of a pack in a copy of the repository, and checking that:"]);
    let name = pack.file_name().unwrap_or_default().to_string_lossy();
    say(&format!("  pack {}...", name.get(..16).unwrap_or(&name)));
}

/// Tells what a check found; how many snapshots are touched.
pub(super) fn found(report: &CheckReport) -> usize {
    let mut files: BTreeMap<&[u8], BTreeSet<String>> = BTreeMap::new();
    for touched in &report.touched {
        files.entry(&touched.path).or_default().insert(touched.snapshot.short());
    }
    for (path, snapshots) in &files {
        let name = text::path(path.rsplit(|byte| *byte == b'/').next().unwrap_or_default());
        let number = text::count(snapshots.len() as u64, "snapshot");
        say(&format!("  found: {name} cannot be restored from {number}"));
    }
    let touched: BTreeSet<&String> = files.values().flatten().collect();
    if touched.len() > 1 {
        say_all(&[
            "  One bit touches several snapshots because they share it: what did not change",
            "  from hour to hour is stored once, and what changed leans on it as a delta.",
            "  All else can still be restored. Keep a second copy somewhere else.",
        ]);
    }
    touched.len()
}

pub(super) fn verdict(snapshots: usize, costs: &Costs, restored: &Restored, touched: usize) {
    let Costs { captured, stored, whole } = costs;
    let (hour, rows, uploads) = (restored.hour, restored.rows, restored.uploads);
    say_all(&[
        "",
        "What was proved:",
        &format!(
            "  - {snapshots} snapshots of a live application, {} in all, took {}",
            text::figure(*captured),
            text::figure(*stored)
        ),
        &format!(
            "    (without deltas {}, {:.1} times as much)",
            text::figure(*whole),
            times(*whole, *stored)
        ),
        &format!("  - hour {hour} came back as one moment: {rows} rows, {uploads} uploads"),
        "  - every byte of the repository was read back and is what was stored",
        &format!(
            "  - one flipped bit was found, and what it costs in {touched} of {snapshots} snapshots \
             was named"
        ),
    ]);
}

pub(super) fn end(folder: &Path) {
    say_all(&["", "Everything is in this folder; remove it when you have looked:"]);
    say(&format!("  {}", folder.display()));
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn times(more: u64, less: u64) -> f64 {
    more as f64 / less.max(1) as f64
}
