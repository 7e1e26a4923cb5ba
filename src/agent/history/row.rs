//! Rows of the history, and queries for them.

use super::Work;
use crate::agent::report::{Fault, Outcome, Task};
use crate::env::Time;
use rusqlite::types::{Type, Value};
use rusqlite::{Error, Result, Row};

/// The columns that make a [`Work`].
pub const WORK: &str = "task, repository, started, seconds, outcome, good, snapshot_id, figures";

/// A run that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct PastRun {
    /// The job.
    pub job: String,
    /// What it was asked to do.
    pub tasks: Vec<Task>,
    /// When it began.
    pub started: Time,
    /// How long it took.
    pub seconds: f64,
    /// Its outcome.
    pub outcome: Outcome,
    /// Why it failed, or what is missing.
    pub reason: Option<String>,
    /// The snapshot that it made.
    pub snapshot_id: Option<String>,
    /// The repository that this went into.
    pub repository: Option<String>,
    /// Seconds for which services were stopped.
    pub downtime: Option<f64>,
    /// What sort of reasons there were that it did not go well.
    pub fault: Option<Fault>,
    /// The name of its report, in the folder of the job's reports; old ones are removed.
    pub file: Option<String>,
}

/// Which runs are asked for.
#[derive(Clone, Debug)]
pub struct RunFilter {
    /// Of this job alone.
    pub job: Option<String>,
    /// Asked for this, perhaps among others.
    pub task: Option<Task>,
    /// At most so many.
    pub most: u32,
}

impl Default for RunFilter {
    /// The last hundred, whatever they were.
    fn default() -> Self {
        RunFilter { job: None, task: None, most: 100 }
    }
}

impl RunFilter {
    /// As a question, and its values.
    pub fn query(&self) -> (String, Vec<Value>) {
        let (mut wheres, mut values) = (Vec::new(), Vec::new());
        let mut values_of = |text: &str| values.push(Value::Text(text.to_owned()));
        match (&self.job, self.task) {
            (Some(job), Some(task)) => {
                values_of(job);
                values_of(task.name());
                wheres.push("run IN (SELECT run FROM run_tasks WHERE job = ? AND task = ? ORDER BY run DESC LIMIT ?)");
                values.push(Value::Integer(self.most.into()));
            }
            (Some(job), None) => {
                values_of(job);
                wheres.push("job = ?");
            }
            (None, Some(task)) => {
                values_of(task.name());
                wheres.push("run IN (SELECT run FROM run_tasks WHERE task = ?)");
            }
            (None, None) => {}
        }
        values.push(Value::Integer(self.most.into()));
        let wheres = wheres.first().map(|wheres| format!("WHERE {wheres}")).unwrap_or_default();
        let query = format!(
            "SELECT job, tasks, started, seconds, outcome, reason, snapshot_id, repository, downtime, fault, file \
             FROM runs {wheres} ORDER BY run DESC LIMIT ?"
        );
        (query, values)
    }
}

impl PastRun {
    /// Of a row.
    pub fn of(row: &Row<'_>) -> Result<Self> {
        let (tasks, fault): (String, Option<String>) = (row.get("tasks")?, row.get("fault")?);
        Ok(PastRun {
            job: row.get("job")?,
            tasks: tasks.split(',').filter_map(|task| task.parse().ok()).collect(),
            started: Time(row.get("started")?),
            seconds: row.get("seconds")?,
            outcome: outcome(row)?,
            reason: row.get("reason")?,
            snapshot_id: row.get("snapshot_id")?,
            repository: row.get("repository")?,
            downtime: row.get("downtime")?,
            fault: fault.and_then(|fault| fault.parse().ok()),
            file: row.get("file")?,
        })
    }
}

/// What a run did, of a row.
pub fn work(row: &Row<'_>) -> Result<Work> {
    let (task, figures): (String, String) = (row.get("task")?, row.get("figures")?);
    Ok(Work {
        task: task.parse().map_err(|_| unknown(&task))?,
        repository: row.get("repository")?,
        started: Time(row.get("started")?),
        seconds: row.get("seconds")?,
        outcome: outcome(row)?,
        good: row.get::<_, Option<i64>>("good")?.map(Time),
        snapshot_id: row.get("snapshot_id")?,
        figures: serde_json::from_str(&figures).unwrap_or_default(),
    })
}

/// Tasks as they stand in a row.
pub fn names_of(tasks: &[Task]) -> String {
    tasks.iter().map(|task| task.name()).collect::<Vec<_>>().join(",")
}

fn outcome(row: &Row<'_>) -> Result<Outcome> {
    let name: String = row.get("outcome")?;
    name.parse().map_err(|_| unknown(&name))
}

fn unknown(name: &str) -> Error {
    Error::FromSqlConversionFailure(0, Type::Text, format!("{name:?} is not known").into())
}
