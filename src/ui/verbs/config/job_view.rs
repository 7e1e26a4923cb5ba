//! What a job does, and when.

use crate::agent::config::{Config, Hooks, Job, TextOrTable, Written};
use crate::agent::daemon::tasks_of;
use crate::agent::run::Task;
use crate::agent::schedule::Schedule;
use crate::env::Time;
use crate::error::Result;
use crate::text;
use crate::ui::out::Out;
use serde::Serialize;

/// What a job does.
#[derive(Serialize)]
pub struct JobView<'c> {
    job: &'c str,
    steps: Vec<StepView>,
    /// What is done around the capture, and with what it makes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    around: Vec<String>,
    not_done_yet: Vec<String>,
    /// What of containers its sources are, and what it stops.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub now: Vec<String>,
}

/// Something that it does, and when.
#[derive(Serialize)]
struct StepView {
    step: &'static str,
    what: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    #[serde(skip)]
    next_time: Option<Time>,
    #[serde(skip)]
    is_after_backup: bool,
}

impl<'c> JobView<'c> {
    /// What it does from now on.
    pub fn new(config: &Config, name: &'c str, job: &Job, now: Time) -> Self {
        let schedules = job.schedules();
        let zone = config.zone();
        let step = |step, what: String, schedule: &Option<Written<Schedule>>| {
            let next_time = schedule.as_ref().and_then(|it| it.value.next(now, &zone));
            let (schedule, next) =
                (schedule.as_ref().map(ToString::to_string), next_time.map(text::rfc3339));
            StepView { step, what, schedule, next, next_time, is_after_backup: false }
        };
        let names: Vec<&str> = job.repositories().collect();
        let (first, others) = names.split_first().unwrap_or((&"", &[]));
        let sources: Vec<String> = job.sources().map(|source| source.title()).collect();
        let capture = format!("{} into {first}", sources.join(", "));
        let mut steps = vec![step("backup", capture, &schedules.backup)];
        if !others.is_empty() {
            let copy = format!("from {first} to {}", others.join(", "));
            let mut copy = step("copy", copy, &schedules.copy);
            copy.is_after_backup = tasks_of(job, Task::Backup).contains(&Task::Copy);
            steps.push(copy);
        }
        let pruned: Vec<&str> =
            names.iter().copied().filter(|name| !job.is_pruned_elsewhere(name)).collect();
        if !pruned.is_empty() {
            steps.push(step("prune", pruned.join(", "), &schedules.prune));
        }
        steps.push(step("check", names.join(", "), &schedules.check));
        let (around, not_done_yet) = (around(job), job.not_done_yet());
        JobView { job: name, steps, around, not_done_yet, now: Vec::new() }
    }

    /// In words.
    pub fn print(&self, config: &Config, out: &mut Out) -> Result<()> {
        out.line(self.job)?;
        for StepView { step, what, schedule, next_time, is_after_backup, .. } in &self.steps {
            let when = match (schedule, next_time) {
                (Some(schedule), Some(next)) => {
                    format!("{schedule}, next {}", text::local_in(*next, &config.zone()))
                }
                _ if *is_after_backup => "after every backup".to_owned(),
                _ => "not scheduled".to_owned(),
            };
            out.prose(&format!("  {step}: {what}; {when}"))?;
        }
        self.around.iter().try_for_each(|line| out.prose(&format!("  {line}")))?;
        for lack in &self.not_done_yet {
            out.prose(&format!("  not done yet: {lack}"))?;
        }
        self.now.iter().try_for_each(|line| out.prose(&format!("  {line}")))
    }
}

/// What is done around the capture and with what it makes, each in a line.
fn around(job: &Job) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(job.hooks.iter().flat_map(|hooks| commands(hooks, "")));
    for source in job.sources() {
        let of = format!(" for {}", source.title());
        lines.extend(source.hooks.iter().flat_map(|hooks| commands(hooks, &of)));
    }
    if let Some(stop) = &job.stop {
        let most = text::duration(stop.max_downtime().as_secs_f64());
        let how = match (&stop.stop, &stop.start) {
            (Some(stop), Some(start)) => format!("`{stop}`, then `{start}`"),
            _ => stop.services.join(", "),
        };
        lines.push(format!("stop: {how}; for {most} at most"));
    }
    for (name, label) in &job.labels {
        lines.push(match label {
            TextOrTable::Text(text) => format!("label: {name}={text}"),
            TextOrTable::Table(asked) => format!("label: {name} from `{}`", asked.command),
        });
    }
    if !job.tags.is_empty() {
        lines.push(format!("tags: {}", job.tags.join(", ")));
    }
    if !job.must_contain.is_empty() {
        lines.push(format!("must contain: {}", job.must_contain.join(", ")));
    }
    lines
}

/// The commands of hooks.
fn commands(hooks: &Hooks, of: &str) -> Vec<String> {
    let Hooks { before, after, failed, finally, .. } = hooks;
    let named = [("before", before), ("after", after), ("failed", failed), ("finally", finally)];
    let lines = named.into_iter().flat_map(|(name, lines)| {
        lines.all().iter().map(move |line| format!("{name}{of}: `{line}`"))
    });
    lines.collect()
}
