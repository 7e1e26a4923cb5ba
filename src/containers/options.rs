//! Options for capturing what containers hold.

use super::container::Container;
use std::collections::BTreeSet;

/// How it is to be captured.
#[derive(Clone, Debug, Default)]
pub struct CaptureOptions {
    /// Databases are captured as the files that they are.
    pub raw: bool,
    /// Whatever writes to any of it has been stopped for the capture: its files are whole.
    pub is_quiesced: bool,
    /// Services that are stopped for the capture.
    pub stopped: Vec<String>,
    /// The Compose projects of the job: services and volumes are called by what these call them, too.
    pub projects: Vec<String>,
    /// Volumes that are left out.
    pub without_volumes: BTreeSet<String>,
}

impl CaptureOptions {
    /// Whether a container is stopped during the capture.
    pub(super) fn stops(&self, container: &Container) -> bool {
        let listed = container.listed();
        self.stopped.iter().any(|name| listed.is_called(name, &self.projects))
    }

    /// Whether a volume is left out, by its name or by what its project calls it.
    pub(super) fn leaves_out(&self, volume: &str) -> bool {
        let short = |project: &String| volume.strip_prefix(project)?.strip_prefix('_');
        let is_named = |name: &str| self.without_volumes.contains(name);
        is_named(volume) || self.projects.iter().filter_map(short).any(is_named)
    }
}
