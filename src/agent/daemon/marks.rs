//! Up to which moment each schedule was served, kept beside the reports. If this file is lost, runs that were
//! missed while no agent was running are not made up; nothing else depends on it.

use super::job_task::JobTask;
use crate::agent::report::Task;
use crate::env::{Time, state};
use crate::error::{Attempt, Error, Kind, Result};
use crate::text::utc;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The name of the file.
const FILE: &str = "agent.json";

/// Longest file that is read.
const MAX_BYTES: u64 = 4 << 20;

/// Up to when a schedule was served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The schedule, as the file had it.
    pub schedule: String,
    /// No moment of it up to this one is to be served any more.
    pub served: Time,
}

/// Up to when each schedule was served.
pub type Marks = BTreeMap<JobTask, Mark>;

/// A mark in the file.
#[derive(Serialize, Deserialize)]
struct Written {
    job: String,
    task: Task,
    schedule: String,
    served: String,
}

/// Those that were remembered in a state folder.
///
/// # Errors
/// I/O errors; `Damaged` if the file is not what was written.
pub fn load(state: &Path) -> Result<Marks> {
    let path = state.join(FILE);
    let (attempted, subject) = ("read", path.display());
    let file = match File::open(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Marks::new()),
        opened => opened.attempt(attempted, &subject)?,
    };
    let mut text = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut text).attempt(attempted, &subject)?;
    let written: Vec<Written> = serde_json::from_slice(&text)
        .map_err(|cause| Error::damaged(attempted, &subject, cause.to_string()))?;
    let marks = written.into_iter().map(|Written { job, task, schedule, served }| {
        Ok((JobTask { job, task }, Mark { schedule, served: served.parse()? }))
    });
    marks.collect()
}

/// Remembers them, in the place of those before.
///
/// # Errors
/// I/O errors.
pub fn save(state: &Path, marks: &Marks) -> Result<()> {
    let path = &state.join(FILE);
    let (attempted, subject) = ("write", path.display());
    let written = marks.iter().map(|(JobTask { job, task }, Mark { schedule, served })| Written {
        job: job.clone(),
        task: *task,
        schedule: schedule.clone(),
        served: utc(*served),
    });
    let text = serde_json::to_vec(&written.collect::<Vec<_>>())
        .map_err(|cause| Error::new(Kind::Failed, attempted, &subject).caused_by(cause))?;
    state::replace(path, &text, 0o600)
}
