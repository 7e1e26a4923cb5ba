//! What to do about damage that was met on the way.

use crate::monitor::Monitor;
use crate::repo::{Index, Repository};

/// Notes what reads through `index` met, so that writers count on none of it and store it again;
/// whether there was any. A store that takes no notes is only told of.
pub fn record_damage(repository: &Repository, index: &Index, monitor: &dyn Monitor) -> bool {
    if index.met_damage().is_empty() {
        return false;
    }
    if let Err(error) = repository.note_damage(index) {
        monitor.trouble(&error.within("note what is damaged in", repository.backend().describe()));
    }
    true
}
