//! What is done around a capture.

use super::At;
use crate::agent::config::{Hooks, Stop};
use crate::error::Result;

/// What is wrong with commands around something.
pub(super) fn of_hooks(hooks: Option<&Hooks>, keys: &[&str], at: &At<'_>) -> Result<()> {
    let Some(hooks) = hooks else { return Ok(()) };
    let Hooks { before, after, failed, finally, timeout } = hooks;
    let of = |key| [keys, &[key]].concat();
    for (key, lines) in
        [("before", before), ("after", after), ("failed", failed), ("finally", finally)]
    {
        at.filled(&of(key), lines.all())?;
    }
    at.lasting(&of("timeout"), timeout.as_ref())
}

/// What is wrong with what is stopped.
pub(super) fn of_stop(stop: &Stop, at: &At<'_>) -> Result<()> {
    let fits = match (&stop.stop, &stop.start) {
        (Some(_), Some(_)) => stop.services.is_empty(),
        (None, None) => !stop.services.is_empty() && stop.running.is_none(),
        _ => false,
    };
    if !fits {
        return Err(
            at.wrong("`stop` takes both `stop` and `start`, and perhaps `running`, or `services`")
        );
    }
    at.filled(&["stop", "stop"], &stop.stop)?;
    at.filled(&["stop", "start"], &stop.start)?;
    at.filled(&["stop", "running"], &stop.running)?;
    at.filled(&["stop", "services"], &stop.services)?;
    at.lasting(&["stop", "timeout"], stop.timeout.as_ref())?;
    at.lasting(&["stop", "max_downtime"], stop.max_downtime.as_ref())
}
