//! What reading sources into a session takes.

use super::BackupOptions;
use crate::monitor::Monitor;
use crate::repo::{Reader, Session};
use crate::stream::Cutter;

/// Reads sources into a session.
pub(super) struct Capture<'b, 'r> {
    pub(super) session: &'b mut Session<'r>,
    pub(super) reader: &'b Reader<'b>,
    pub(super) cutter: Cutter,
    pub(super) options: &'b BackupOptions,
    pub(super) monitor: &'b dyn Monitor,
}
