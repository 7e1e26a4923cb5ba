//! Which of the sources that were named are captured.

use crate::error::{Error, Kind, Result};
use crate::source::Source;

/// What a backup captures.
#[derive(Default)]
pub(super) struct Wanted {
    /// The sources, in the order in which they were named.
    pub(super) sources: Vec<Box<dyn Source>>,
    /// Why each of the others is left out.
    pub(super) warnings: Vec<String>,
}

impl Wanted {
    /// Asks each source that was named.
    ///
    /// One that cannot be captured at all ends the backup here, before anything is written, or
    /// stays if the others are to be kept: its trouble is told when its turn comes.
    pub(super) fn of(named: Vec<Box<dyn Source>>, keep_going: bool) -> Result<Self> {
        let mut wanted = Wanted::default();
        for mut source in named {
            match source.left_out() {
                Ok(Some(reason)) => wanted.warnings.push(reason),
                Err(error) if !keep_going => return Err(error),
                _ => wanted.sources.push(source),
            }
        }
        if wanted.sources.is_empty() && !wanted.warnings.is_empty() {
            let reason = wanted.warnings.join("; ");
            return Err(Error::new(Kind::Refused, "back up", "nothing").because(reason));
        }
        Ok(wanted)
    }
}
