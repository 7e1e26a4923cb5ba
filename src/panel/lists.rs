//! Lists of snapshots, as pages show them.

use super::launcher::Launcher;
use super::queries;
use super::refusal::Refusal;
use crate::agent::config::JOB_LABEL;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::sync::Arc;

/// The most snapshots of a list, the newest.
const MAX_ENTRIES: usize = 50_000;

/// Letters of a remark, and of all remarks of a snapshot.
const REMARK: usize = 200;

/// A snapshot in a list.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its id.
    pub id: String,
    /// When it was begun.
    pub time: Timestamp,
    /// Bytes of content.
    pub bytes: u64,
    /// Bytes that were written for it.
    pub written: u64,
    /// Labels and tags.
    pub labels: String,
    /// What is not as it should be.
    pub remarks: String,
}

/// A job, of a host, in a repository.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The job.
    pub job: String,
    /// The host.
    pub host: String,
    /// The repository.
    pub repository: String,
}

/// The list, the newest first.
pub async fn read(launcher: &Launcher, key: &Key) -> Result<Arc<[Row]>, Refusal> {
    let mut rows = VecDeque::new();
    let add = |snapshot: queries::Snapshot| {
        let is_ours =
            snapshot.hostname == key.host && snapshot.labels.get(JOB_LABEL) == Some(&key.job);
        if is_ours {
            // The oldest come first.
            rows.push_front(row(snapshot));
            rows.truncate(MAX_ENTRIES);
        }
    };
    queries::snapshots(launcher, &key.repository, add).await?;
    Ok(rows.into_iter().collect())
}

fn row(snapshot: queries::Snapshot) -> Row {
    let remarks = short(&snapshot.remarks().join("; "));
    let labels = snapshot.labels.iter().filter(|(name, _)| *name != JOB_LABEL);
    let labels = labels.map(|(name, value)| format!("{name} {value}"));
    let labels: Vec<String> = labels.chain(snapshot.tags.iter().cloned()).collect();
    Row {
        id: snapshot.id,
        time: snapshot.time,
        bytes: snapshot.summary.bytes,
        written: snapshot.summary.written,
        labels: short(&labels.join(", ")),
        remarks,
    }
}

/// The beginning of a long text.
fn short(text: &str) -> String {
    match text.char_indices().nth(REMARK) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
