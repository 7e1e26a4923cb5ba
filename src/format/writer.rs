//! Writers (chapter 8): registrations and heartbeats, sealed records.

use super::record::Record;
use crate::env::Time;
use crate::id::SnapshotId;
use serde::{Deserialize, Serialize};

/// `writers/<S>`: the intent to write packs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registration {
    /// The writer, and the name of its outcome.
    pub id: SnapshotId,
    /// When it began, by its own clock.
    pub started: Time,
    /// What it is doing: `backup`, `copy`, `prune`.
    pub verb: String,
    /// The machine that it runs on.
    pub host: String,
    /// Its process there.
    pub process: u32,
    /// Program and version.
    pub tool: String,
    /// The earlier writer that this one goes on from, after a partial.
    pub continues: Option<SnapshotId>,
}

impl Record for Registration {
    const KIND: &'static str = "writer";
}

/// `writers/<S>.<k>`: the writer is alive. Advises the collector; safety never depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heartbeat {
    /// The writer.
    pub id: SnapshotId,
    /// Counts from one.
    pub beat: u64,
    /// When, by the writer's clock.
    pub at: Time,
}

impl Record for Heartbeat {
    const KIND: &'static str = "heartbeat";
}
