//! Writers that have no outcome, as they tell of themselves.

use super::Repository;
use crate::backend::{Handle, Listed};
use crate::env::Time;
use crate::error::{Kind, Result};
use crate::format::ObjectKind;
use crate::format::writer::{Heartbeat, Registration};
use crate::id::SnapshotId;
use std::collections::{BTreeMap, HashMap};

/// A writer that has no outcome: at work, or stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriterAtWork {
    /// Its name.
    pub id: SnapshotId,
    /// What it says of itself; none if that cannot be read.
    pub registration: Option<Registration>,
    /// When it last said that it is at work, by its own clock.
    pub last_sign: Option<Time>,
}

impl Repository {
    /// The writers that have no outcome, and when they were last heard of.
    pub fn writers_at_work(&self) -> Result<Vec<WriterAtWork>> {
        let open = self.open_writers()?;
        if open.is_empty() {
            return Ok(Vec::new());
        }
        let mut beats: BTreeMap<SnapshotId, (u64, u64)> = BTreeMap::new();
        for Listed { handle, size } in self.backend().list(ObjectKind::Writer)? {
            let (Some(id), Some(beat)) = (handle.snapshot_id(), handle.number()) else { continue };
            if open.contains(&id) {
                let last = beats.entry(id).or_default();
                *last = (*last).max((beat, size));
            }
        }
        let heartbeats = beats
            .into_iter()
            .map(|(id, (beat, size))| Listed { handle: Handle::heartbeat(id, beat), size });
        let heard: HashMap<SnapshotId, Time> = self
            .get_records::<Heartbeat>(heartbeats.collect::<Vec<_>>())
            .filter_map(|(_, beat)| beat.ok().map(|(beat, _)| (beat.id, beat.at)))
            .collect();
        let mut writers = Vec::with_capacity(open.len());
        for id in open {
            let registration = match self.get_record::<Registration>(&Handle::writer(id)) {
                Ok((registration, _)) => Some(registration),
                // It has ended as one that stored nothing.
                Err(error) if error.kind() == Kind::NotFound => continue,
                Err(error) if error.kind() == Kind::Unavailable => return Err(error),
                Err(_) => None,
            };
            let started = registration.as_ref().map(|registration| registration.started);
            writers.push(WriterAtWork {
                id,
                registration,
                last_sign: heard.get(&id).copied().max(started),
            });
        }
        Ok(writers)
    }

    /// Of each registered writer the one that it goes on from, if any; an error where that cannot be
    /// read.
    pub fn continuations(&self) -> Result<Vec<(SnapshotId, Result<Option<SnapshotId>>)>> {
        let mut listed = self.backend().list(ObjectKind::Writer)?;
        listed.retain(|object| object.handle.number().is_none());
        let mut all = Vec::with_capacity(listed.len());
        for (handle, registration) in self.get_records::<Registration>(listed) {
            let Some(id) = handle.snapshot_id() else { continue };
            match registration {
                Err(error) if error.kind() == Kind::Unavailable => return Err(error),
                Err(error) if error.kind() == Kind::NotFound => {}
                other => all.push((id, other.map(|(registration, _)| registration.continues))),
            }
        }
        Ok(all)
    }
}
