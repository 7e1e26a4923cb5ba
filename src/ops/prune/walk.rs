//! A walk through all that snapshots reach.

use crate::error::{Error, Kind, Result};
use crate::format::directory::Node;
use crate::format::snapshot::Snapshot;
use crate::id::ChunkId;
use crate::monitor::{Counter, Monitor, go_on};
use crate::ops::reach::{Loss, Reach, Visitor};
use crate::repo::{BlobSet, Index};
use std::ops::AddAssign;

/// Hears of all that snapshots reach.
pub(super) struct Walk<'w> {
    monitor: &'w dyn Monitor,
    /// What live ones reach.
    pub(super) reached: BlobSet<'w>,
    /// What only dead ones reach, which ask for what is there alone.
    pub(super) reached_dead: BlobSet<'w>,
    /// Whether what it hears of next is dead.
    pub(super) dead: bool,
    pub(super) troubles: Vec<Error>,
}

/// Of a walk nothing is added up.
#[derive(Clone, Default)]
pub(super) struct Nothing;

impl AddAssign for Nothing {
    fn add_assign(&mut self, _: Self) {}
}

/// Troubles that are kept: one is enough to keep everything.
const TROUBLES_MOST: usize = 100;

impl<'w> Walk<'w> {
    pub(super) fn new(index: &'w Index, monitor: &'w dyn Monitor) -> Self {
        let (reached, reached_dead) = (BlobSet::new(index), BlobSet::new(index));
        Walk { monitor, reached, reached_dead, dead: false, troubles: Vec::new() }
    }

    pub(super) fn snapshot(
        &mut self,
        reach: &mut Reach<'_, Nothing>,
        snapshot: &Snapshot,
    ) -> Result<()> {
        reach.snapshot(snapshot, self)?;
        self.monitor.count(Counter::Items, 1);
        Ok(())
    }

    fn need(&mut self, id: &ChunkId) {
        match self.dead {
            false => self.reached.insert(&id.base()),
            true => self.reached_dead.insert(&id.base()),
        };
    }
}

impl Visitor for Walk<'_> {
    type Sum = Nothing;

    fn entry(&mut self, _: &[u8], _: &Node) -> Result<Nothing> {
        go_on(self.monitor, "find what is needed in")?;
        Ok(Nothing)
    }

    fn trouble(&mut self, path: &[u8], trouble: Loss) -> Result<Nothing> {
        let error = trouble.error.within("walk", String::from_utf8_lossy(path));
        match error.kind() {
            Kind::Unavailable | Kind::Unsupported | Kind::Interrupted => return Err(error),
            // What is gone or rotten beneath the dead is missed by nobody.
            Kind::Damaged | Kind::NotFound if self.dead => {}
            _ if self.troubles.len() < TROUBLES_MOST => self.troubles.push(error),
            _ => {}
        }
        Ok(Nothing)
    }

    fn node(&mut self, id: &ChunkId) {
        self.need(id);
    }

    fn chunk(&mut self, id: &ChunkId, _: u64) -> Result<()> {
        self.need(id);
        Ok(())
    }
}
