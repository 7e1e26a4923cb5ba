//! `config check`: what each job does, when it is next due, what this version does not do of it, and
//! whether everything can be reached.

use super::FileArgs;
use crate::agent::config::{Config, Job, Written};
use crate::agent::run::Program;
use crate::agent::schedule::Schedule;
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::monitor::{Monitor, go_on};
use crate::postgres::Environment;
use crate::source::Item;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use crate::ui::progress::Progress;
use crate::ui::text;
use crate::ui::verbs::jobs::JobProgram;
use clap::Args;
use serde::Serialize;

/// What `config check` takes.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Ask no repository and no source
    #[arg(long)]
    pub offline: bool,

    #[command(flatten)]
    pub file: FileArgs,
}

/// Checks it.
pub fn run(app: &App, args: &CheckArgs) -> Result<Done> {
    let (config, path) = args.file.load()?;
    let voice = app.progress()?;
    let program = JobProgram { app, voice: &voice };
    let mut troubles = 0;
    if !args.offline {
        troubles += reach(&config, &program, &voice)?;
    }
    let mut out = Out::new();
    if app.talks() {
        out.line(&format!("{} is well formed", path.display()))?;
    }
    for (name, job) in &config.job {
        let view = JobView::new(&config, name, job.get_ref(), app.env.now());
        match app.global.json {
            true => out.json("job", &view)?,
            false => view.print(&mut out)?,
        }
    }
    let lacks = config.not_done_yet();
    let missing = config.missing_variables(&Environment::of_process().variables);
    missing.iter().for_each(|missing| voice.warn(missing));
    match app.global.json {
        true => out.json("file", &FileView { not_done_yet: &lacks })?,
        false => lacks.iter().try_for_each(|lack| out.prose(&format!("not done yet: {lack}")))?,
    }
    out.finish()?;
    match troubles {
        0 => Ok(Done::All),
        _ => Err(Error::new(Kind::Failed, "reach everything that is in", path.display())
            .because(format!("not reached: {}", text::count(troubles, "place")))),
    }
}

/// How many repositories and sources cannot be reached; each is told.
fn reach(config: &Config, program: &JobProgram<'_>, voice: &Progress) -> Result<u64> {
    let mut troubles = 0;
    let mut tell = |error: Error, attempted: &str, what: &str| {
        troubles += 1;
        voice.trouble(&error.within(attempted, what));
    };
    for (name, repository) in &config.repository {
        go_on(voice, "check the file")?;
        if let Err(error) = program.open(repository.get_ref()) {
            tell(error, "reach the repository", name);
        }
    }
    for (name, job) in config.job.iter().map(|(name, job)| (name, job.get_ref())) {
        go_on(voice, "check the file")?;
        if job.cannot_run().is_some() {
            continue;
        }
        let repositories = config.repositories_of(job);
        let repositories: Vec<_> = repositories.into_iter().map(|(_, it)| it).collect();
        match program.sources(job, &repositories) {
            Err(error) => tell(error, "find the sources of the job", name),
            Ok(sources) => {
                for mut source in sources {
                    let title = String::from_utf8_lossy(&source.describe().path).into_owned();
                    // The first item of a server's is its list of databases, of a folder's its own.
                    match source.left_out().and_then(|left_out| Ok((left_out, source.next()?))) {
                        Ok((Some(reason), _)) => voice.warn(&reason),
                        Ok((None, Some(Item::Failed(failed)))) => {
                            tell(failed, "reach the source", &title);
                        }
                        Ok(_) => {}
                        Err(error) => tell(error, "reach the source", &title),
                    }
                }
            }
        }
    }
    Ok(troubles)
}

#[derive(Serialize)]
struct FileView<'c> {
    not_done_yet: &'c [String],
}

/// What a job does.
#[derive(Serialize)]
struct JobView<'c> {
    job: &'c str,
    steps: Vec<StepView>,
    not_done_yet: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cannot_run: Option<String>,
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
}

impl<'c> JobView<'c> {
    fn new(config: &Config, name: &'c str, job: &Job, now: Time) -> Self {
        let schedules = job.schedules();
        let zone = config.zone();
        let step = |step, what: String, schedule: &Option<Written<Schedule>>| {
            let next_time = schedule.as_ref().and_then(|it| it.value.next(now, &zone));
            let (schedule, next) =
                (schedule.as_ref().map(ToString::to_string), next_time.map(text::rfc3339));
            StepView { step, what, schedule, next, next_time }
        };
        let names: Vec<&str> = job.repositories().collect();
        let (first, others) = names.split_first().unwrap_or((&"", &[]));
        let sources: Vec<String> = job.sources().map(|source| source.title()).collect();
        let capture = format!("{} into {first}", sources.join(", "));
        let mut steps = vec![step("backup", capture, &schedules.backup)];
        if !others.is_empty() {
            let copy = format!("from {first} to {}", others.join(", "));
            steps.push(step("copy", copy, &schedules.copy));
        }
        let pruned: Vec<&str> =
            names.iter().copied().filter(|name| !job.is_pruned_elsewhere(name)).collect();
        if !pruned.is_empty() {
            steps.push(step("prune", pruned.join(", "), &schedules.prune));
        }
        steps.push(step("check", names.join(", "), &schedules.check));
        JobView { job: name, steps, not_done_yet: job.not_done_yet(), cannot_run: job.cannot_run() }
    }

    fn print(&self, out: &mut Out) -> Result<()> {
        out.line(self.job)?;
        for StepView { step, what, schedule, next_time, .. } in &self.steps {
            let when = match (schedule, next_time) {
                (Some(schedule), Some(next)) => {
                    format!("{schedule}, next {}", text::local(*next))
                }
                _ => "when it is called for".to_owned(),
            };
            out.prose(&format!("  {step}: {what}; {when}"))?;
        }
        for lack in &self.not_done_yet {
            out.prose(&format!("  not done yet: {lack}"))?;
        }
        match &self.cannot_run {
            Some(reason) => out.prose(&format!("  CANNOT RUN: {reason}")),
            None => Ok(()),
        }
    }
}
