//! Whom a collection waits for (chapter 11, G3 and G4, C5): every writer that may not have seen it, until
//! it has an outcome, which may be a tombstone.

use crate::error::Result;
use crate::id::SnapshotId;
use crate::monitor::{Monitor, go_on};
use crate::repo::{Repository, WriterAtWork};
use std::collections::HashSet;
use std::time::Duration;

/// How long anybody is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For all of them, before the collection is left to the next.
    pub wait: Duration,
    /// A writer that was silent for so long is given up.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Patience { wait: Duration::ZERO, silence: Duration::from_secs(24 * 60 * 60) }
    }
}

/// Writers are looked at again after this while.
const PAUSE: Duration = Duration::from_secs(5);

/// Waits for all writers but this one.
///
/// Returns those that are at work still, and those that were given up.
pub(super) fn wait_for_writers(
    repository: &Repository,
    generation: u64,
    patience: &Patience,
    myself: Option<SnapshotId>,
    monitor: &dyn Monitor,
) -> Result<(Vec<WriterAtWork>, Vec<SnapshotId>)> {
    let began = repository.env().now();
    let mut given_up = Vec::new();
    // Writers that register later have read the collection, or will.
    let mut listed: Option<HashSet<SnapshotId>> = None;
    loop {
        let mut writers = repository.writers_at_work()?;
        let ids = writers.iter().map(|writer| writer.id).collect();
        let first = &*listed.get_or_insert(ids);
        writers.retain(|writer| Some(writer.id) != myself && first.contains(&writer.id));
        given_up.extend(give_up_silent(repository, generation, patience, &mut writers)?);
        let waited = repository.env().now().since(began);
        if writers.is_empty() || waited >= patience.wait {
            return Ok((writers, given_up));
        }
        go_on(monitor, "wait for writers of")?;
        repository.env().sleep(PAUSE.min(patience.wait - waited));
    }
}

/// Gives up those that were silent for too long, and takes them out. One whose registration nobody
/// can read says nothing of its age: it stays.
pub(super) fn give_up_silent(
    repository: &Repository,
    generation: u64,
    patience: &Patience,
    writers: &mut Vec<WriterAtWork>,
) -> Result<Vec<SnapshotId>> {
    let now = repository.env().now();
    let is_silent = |writer: &WriterAtWork| {
        writer.last_sign.is_some_and(|last| now.since(last) >= patience.silence)
    };
    let (silent, rest) = std::mem::take(writers).into_iter().partition(is_silent);
    *writers = rest;
    let silent: Vec<WriterAtWork> = silent;
    let mut given_up = Vec::new();
    for WriterAtWork { id, .. } in silent {
        // It may have ended by itself just now.
        if repository.put_tombstone(id, generation)? {
            given_up.push(id);
        }
    }
    Ok(given_up)
}
