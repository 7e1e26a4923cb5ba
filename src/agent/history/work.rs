//! What a run did in each repository, as its report says.

use crate::agent::report::{Outcome, Report, Step, StepKind, Task};
use crate::env::Time;
use serde_json::{Map, Value};

/// What a run did in one repository.
#[derive(Clone, Debug, PartialEq)]
pub struct Work {
    /// What was done.
    pub task: Task,
    /// Where.
    pub repository: String,
    /// When it began.
    pub started: Time,
    /// How long it took.
    pub seconds: f64,
    /// Its outcome.
    pub outcome: Outcome,
    /// If all went well: of a backup or a copy, when the newest snapshot was captured that lacks nothing and is there
    /// since then; of anything else, when it began.
    pub good: Option<Time>,
    /// That snapshot, by its id in this repository.
    pub snapshot_id: Option<String>,
    /// The figures of the step, as the report has them.
    pub figures: Map<String, Value>,
}

impl Work {
    /// A figure, if the step has it.
    pub fn figure(&self, name: &str) -> Option<u64> {
        self.figures.get(name)?.as_u64()
    }
}

impl Report {
    /// When it began.
    pub fn moment(&self) -> Option<Time> {
        self.started.parse().ok()
    }

    /// What was asked for, also where an old report does not say so.
    pub fn all_tasks(&self) -> Vec<Task> {
        let mut tasks = match self.tasks.as_slice() {
            [] => self.steps.iter().filter_map(Step::task).collect(),
            tasks => tasks.to_vec(),
        };
        tasks.sort();
        tasks.dedup();
        tasks
    }

    /// What was done in each repository.
    pub fn works(&self) -> Vec<Work> {
        self.steps.iter().filter_map(|step| self.work(step)).collect()
    }

    fn work(&self, step: &Step) -> Option<Work> {
        let (task, started) = (step.task()?, step.started.parse().ok()?);
        let is_well = step.outcome == Outcome::Done;
        let text = |name: &str| Some(step.figures.get(name)?.as_str()?.to_owned());
        let moment = |name: &str| text(name)?.parse().ok();
        let (good, snapshot_id) = match task {
            Task::Backup => {
                let captured = moment("captured").unwrap_or(started);
                (Some(captured).filter(|_| is_well && self.stands()), text("snapshot_id"))
            }
            // What could not be copied may be older than what was.
            Task::Copy => (moment("newest"), text("newest_id")),
            Task::Prune | Task::Check => (Some(started).filter(|_| is_well), None),
        };
        let mut figures = Map::new();
        for (name, value) in step.figures.iter().filter(|(_, value)| !value.is_array()) {
            figures.insert(name.clone(), value.clone());
        }
        Some(Work {
            task,
            repository: step.repository().to_owned(),
            started,
            seconds: step.seconds,
            outcome: step.outcome,
            good,
            snapshot_id,
            figures,
        })
    }

    /// Whether nothing that came after the capture takes its worth away: something that must be there is not, or
    /// services were started before it was done.
    fn stands(&self) -> bool {
        let spoils = |step: &Step| match step.step {
            StepKind::Contents => step.outcome == Outcome::Failed,
            StepKind::Start => {
                let because = step.figures.get("because").and_then(Value::as_str);
                because.is_some_and(|because| ["overdue", "no_guard"].contains(&because))
            }
            _ => false,
        };
        !self.steps.iter().any(spoils)
    }
}

impl Step {
    /// What it was done for, if it is the step that does it.
    fn task(&self) -> Option<Task> {
        match self.step {
            StepKind::Capture => Some(Task::Backup),
            StepKind::Copy => Some(Task::Copy),
            StepKind::Prune => Some(Task::Prune),
            StepKind::Check => Some(Task::Check),
            _ => None,
        }
    }

    /// The repository that such a step was done in: of `copy` the one behind `to`. Names have no blanks.
    fn repository(&self) -> &str {
        self.what.rsplit(' ').next().unwrap_or(&self.what)
    }
}
