//! What a restore could not bring back, counted, with the first few by name.

use crate::limits::WARNINGS_MAX;
use parking_lot::{Mutex, MutexGuard};
use std::path::Path;

/// What was left out of a restore that is otherwise complete, in numbers of entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Owners and groups that only root could have set.
    pub owners: u64,
    /// Setuid and setgid bits that were taken off.
    pub special_modes: u64,
    /// Devices that were not made.
    pub devices: u64,
    /// Sockets, which only a program can make.
    pub sockets: u64,
    /// Extended attributes that were not set.
    pub xattrs: u64,
    /// Modes and times that were not set.
    pub metadata: u64,
    /// Names of hard-linked files that could not be made: these are missing.
    pub links: u64,
    /// Logs and journals of databases that came back whole, or were kept: these are not needed.
    pub siblings: u64,
    /// One line for each of the first of these, owners apart, and for what earlier restores had left.
    pub lines: Vec<String>,
}

impl Report {
    /// Whether everything was brought back.
    pub fn is_complete(&self) -> bool {
        *self == Report { lines: self.lines.clone(), ..Report::default() }
    }
}

/// Collects a [`Report`] from any thread.
#[derive(Default)]
pub(super) struct Reporter(Mutex<Report>);

impl Reporter {
    pub(super) fn owner(&self) {
        self.inner().owners += 1;
    }

    pub(super) fn special_mode(&self, path: &Path) {
        let mut report = self.inner();
        report.special_modes += 1;
        line(&mut report, format!("setuid or setgid taken off {}", path.display()));
    }

    pub(super) fn device(&self, path: &Path) {
        let mut report = self.inner();
        report.devices += 1;
        line(&mut report, format!("the device {} was not made", path.display()));
    }

    pub(super) fn socket(&self, path: &Path) {
        let mut report = self.inner();
        report.sockets += 1;
        line(&mut report, format!("the socket {} was not made", path.display()));
    }

    pub(super) fn xattr(&self, path: &Path, name: &[u8], reason: &str) {
        let mut report = self.inner();
        report.xattrs += 1;
        let name = String::from_utf8_lossy(name);
        line(&mut report, format!("{name} of {} was not set: {reason}", path.display()));
    }

    pub(super) fn metadata(&self, path: &Path, what: &str, reason: &str) {
        let mut report = self.inner();
        report.metadata += 1;
        line(&mut report, format!("the {what} of {} was not set: {reason}", path.display()));
    }

    pub(super) fn link(&self, path: &Path, reason: &str) {
        let mut report = self.inner();
        report.links += 1;
        line(&mut report, format!("the hard link {} was not made: {reason}", path.display()));
    }

    pub(super) fn replaced_link(&self, path: &Path, target: &Path) {
        let (path, target) = (path.display(), target.display());
        let text = format!(
            "{path} was a link to {target}, and is none any more; what it led to stays as it was"
        );
        line(&mut self.inner(), text);
    }

    pub(super) fn sibling(&self, path: &Path, reason: &str) {
        let mut report = self.inner();
        report.siblings += 1;
        line(&mut report, format!("{} was left out: {reason}", path.display()));
    }

    /// What restores that were killed had left in a folder: so many files were removed, so many stay.
    pub(super) fn leftovers(&self, folder: &Path, removed: u64, old: u64) {
        let mut report = self.inner();
        let folder = folder.display();
        if removed > 0 {
            let what = "temporary files of a restore that was killed, removed";
            line(&mut report, format!("{folder}: {what}: {removed}"));
        }
        if old > 0 {
            let what = "put aside by a restore that was killed, and kept (.icecore-*.old)";
            line(&mut report, format!("{folder}: {what}: {old}; remove what nobody misses"));
        }
    }

    pub(super) fn report(&self) -> Report {
        self.inner().clone()
    }

    fn inner(&self) -> MutexGuard<'_, Report> {
        self.0.lock()
    }
}

fn line(report: &mut Report, text: String) {
    if report.lines.len() < WARNINGS_MAX {
        report.lines.push(text);
    }
}
