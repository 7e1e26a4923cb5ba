//! W1: a writer makes itself known before it reads anything.

use super::{Repository, SessionOptions};
use crate::backend::Handle;
use crate::error::Result;
use crate::format::writer::Registration;
use crate::id::SnapshotId;

impl Repository {
    /// Registers a writer under a fresh id; one that goes on from another names it.
    pub(super) fn register(
        &self,
        options: &SessionOptions,
        continues: Option<SnapshotId>,
    ) -> Result<SnapshotId> {
        let id = SnapshotId(self.env().random()?);
        let registration = Registration {
            id,
            started: self.env().now(),
            verb: options.verb.clone(),
            host: options.host.clone(),
            process: self.env().process(),
            tool: options.tool.clone(),
            continues,
        };
        self.put_record(&Handle::writer(id), &registration)?;
        Ok(id)
    }
}
