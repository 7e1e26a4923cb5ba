//! What `forget` says of each snapshot: why it is kept, or goes.

use super::groups::GroupKey;
use super::views::SnapshotView;
use crate::error::Result;
use crate::format::snapshot::Snapshot;
use crate::ops::forget::JudgedGroup;
use crate::ops::retention::Verdict;
use crate::ops::select::Aside;
use crate::text;
use crate::ui::out::Out;
use crate::ui::table::Columns;
use serde::Serialize;

/// Shows each group as a table, the newest last.
pub fn tables(groups: &[JudgedGroup<'_, GroupKey>], out: &mut Out) -> Result<()> {
    for group in groups {
        let title = group.key.title().unwrap_or_else(|| "all snapshots:".to_owned());
        out.prose(&match group.aside {
            Some(Aside::Safety) => format!("taken before a restore, {title}"),
            Some(Aside::Lacking) => format!("without something that is required, {title}"),
            Some(Aside::Repaired) => format!("what is left of damaged ones, {title}"),
            None => title,
        })?;
        let mut table =
            Columns::new(&["ID", "Time", "", "Why"], &[]).keeping(1).keeping(2).wrapping(3);
        each(group, |snapshot, verdict| {
            let (id, time) = (snapshot.id.short(), text::local(snapshot.started));
            let fate = if verdict.stays() { "keep" } else { "forget" };
            let why = text::plain(&verdict.reasons().join(", "));
            table.row([id, time, fate.to_owned(), why]);
            Ok(())
        })?;
        out.table(&table)?;
        out.line("")?;
    }
    Ok(())
}

/// A snapshot, what becomes of it, and why.
#[derive(Serialize)]
struct VerdictView<'s> {
    #[serde(flatten)]
    snapshot: SnapshotView<'s>,
    reasons: Vec<String>,
}

/// Prints each snapshot as a line, `keep` or `forget`, the newest last.
pub fn json(groups: &[JudgedGroup<'_, GroupKey>], out: &mut Out) -> Result<()> {
    for group in groups {
        each(group, |snapshot, verdict| {
            let fate = if verdict.stays() { "keep" } else { "forget" };
            let snapshot = SnapshotView::from(snapshot);
            out.json(fate, &VerdictView { snapshot, reasons: verdict.reasons() })
        })?;
    }
    Ok(())
}

/// Hands out the snapshots of a group with their verdicts, the newest last.
fn each(
    group: &JudgedGroup<'_, GroupKey>,
    mut show: impl FnMut(&Snapshot, &Verdict) -> Result<()>,
) -> Result<()> {
    for stored in group.snapshots.iter().rev() {
        let snapshot = &stored?.snapshot;
        if let Some(verdict) = group.verdicts.get(&snapshot.id) {
            show(snapshot, verdict)?;
        }
    }
    Ok(())
}
