//! Snapshots in groups: those of one host, of the same sources, of the same tags.

use super::views::{SnapshotView, source_name};
use crate::error::Result;
use crate::format::snapshot::Snapshot;
use crate::id::SnapshotId;
use crate::repo::{Holds, Snapshots, StoredSnapshot};
use crate::text;
use clap::ValueEnum;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};

/// What the snapshots of a group have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GroupBy {
    /// The host
    #[value(alias = "hosts")]
    Host,
    /// The paths, and what was asked for of each
    #[value(alias = "path")]
    Paths,
    /// The tags
    #[value(alias = "tag")]
    Tags,
    /// Nothing: all are one group
    #[value(name = "", hide = true)]
    Nothing,
}

impl GroupBy {
    /// Where nothing else is asked for.
    pub const USUAL: [GroupBy; 2] = [GroupBy::Host, GroupBy::Paths];
}

/// What a group has in common; what it is not grouped by is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct GroupKey {
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paths: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<String>>,
}

impl GroupKey {
    /// What a snapshot has in common with others of its group.
    pub fn of(snapshot: &Snapshot, by: &[GroupBy]) -> Self {
        let sources = || snapshot.sources().iter().map(source_name).collect();
        GroupKey {
            hostname: by.contains(&GroupBy::Host).then(|| snapshot.host.clone()),
            paths: by.contains(&GroupBy::Paths).then(sources),
            tags: by.contains(&GroupBy::Tags).then(|| snapshot.tags.iter().cloned().collect()),
        }
    }
}

/// A group.
pub struct Group<'r> {
    /// What they have in common.
    pub key: GroupKey,
    /// The snapshots, the newest first.
    pub snapshots: Snapshots<'r>,
}

impl GroupKey {
    /// The group in words; nothing if nothing in common is asked for.
    pub fn title(&self) -> Option<String> {
        let GroupKey { hostname, paths, tags } = self;
        let listed = |what: &str, names: &Vec<String>| match names.is_empty() {
            true => format!("no {what}"),
            false => format!("{what} {}", names.join(", ")),
        };
        let words = [
            hostname.as_ref().map(|host| format!("host {host}")),
            paths.as_ref().map(|paths| listed("paths", paths)),
            tags.as_ref().map(|tags| listed("tags", tags)),
        ];
        let words: Vec<String> = words.into_iter().flatten().collect();
        (!words.is_empty()).then(|| text::plain(&format!("snapshots of {}:", words.join("; "))))
    }
}

/// The groups in the order of what they have in common.
pub fn groups<'r>(snapshots: &Snapshots<'r>, by: &[GroupBy]) -> Result<Vec<Group<'r>>> {
    let mut groups: BTreeMap<GroupKey, HashSet<SnapshotId>> = BTreeMap::new();
    for stored in snapshots.iter() {
        let snapshot = &stored?.snapshot;
        groups.entry(GroupKey::of(snapshot, by)).or_default().insert(snapshot.id);
    }
    let group = |(key, ids): (GroupKey, HashSet<SnapshotId>)| {
        let mut snapshots = snapshots.clone();
        snapshots.retain(|key| ids.contains(&key.id));
        Group { key, snapshots }
    };
    Ok(groups.into_iter().map(group).collect())
}

/// Keeps the first ones of each group, so many.
pub fn keep_latest(snapshots: &mut Snapshots<'_>, by: &[GroupBy], number: usize) -> Result<()> {
    let mut met: BTreeMap<GroupKey, usize> = BTreeMap::new();
    let latest = snapshots.filtered(|snapshot| {
        let count = met.entry(GroupKey::of(snapshot, by)).or_default();
        *count += 1;
        *count <= number
    })?;
    *snapshots = latest;
    Ok(())
}

/// A group as JSON shows it.
#[derive(Serialize)]
pub struct GroupView<'s> {
    group_key: &'s GroupKey,
    snapshots: Vec<SnapshotView<'s>>,
}

impl<'s> GroupView<'s> {
    /// The view of a group whose records are these.
    pub fn new(group: &'s Group<'_>, snapshots: &'s [StoredSnapshot], holds: &'s Holds) -> Self {
        let view = |stored: &'s StoredSnapshot| {
            let id = stored.snapshot.id;
            SnapshotView::from(&stored.snapshot).held(holds.of(id), group.snapshots.is_given_up(id))
        };
        let snapshots = snapshots.iter().rev().map(view);
        GroupView { group_key: &group.key, snapshots: snapshots.collect() }
    }
}
