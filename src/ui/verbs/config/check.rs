//! `config check`: what each job does, when it is next due, what this version does not do of it, and
//! whether everything can be reached.

use super::{FileArgs, containers};
use crate::agent::alert::Watch;
use crate::agent::config::{Config, Job, Written};
use crate::agent::keeper::tasks_of;
use crate::agent::run::{Program, Task};
use crate::agent::schedule::Schedule;
use crate::env::{Time, state};
use crate::error::{Error, Kind, Result};
use crate::monitor::{Monitor, go_on};
use crate::postgres::Environment;
use crate::source::Item;
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::host::hostname;
use crate::ui::out::Out;
use crate::ui::progress::Progress;
use crate::ui::verbs::jobs::JobProgram;
use clap::Args;
use rustix::fs::{Access, access};
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
        out.line(&format!(
            "{} is well formed; times are those of {}",
            path.display(),
            config.zone_name()
        ))?;
    }
    for (name, job) in &config.job {
        let mut view = JobView::new(&config, name, job.get_ref(), app.env.now());
        if !args.offline {
            view.now = containers::now(job.get_ref());
        }
        match app.global.json {
            true => out.json("job", &view)?,
            false => view.print(&config, &mut out)?,
        }
    }
    unnoticed(&config, app.env.now()).iter().for_each(|warning| voice.warn(warning));
    if let Some(folder) = config.panel.as_ref().and_then(|panel| panel.restore_into.as_ref()) {
        match access(folder, Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) if folder.is_dir() => {}
            Ok(()) => {
                voice.warn(&format!("`restore_into` of [panel] is no folder: {}", folder.display()))
            }
            Err(cause) => voice.warn(&format!(
                "nothing can be restored from the page into {}, as `restore_into` has it: {cause}",
                folder.display()
            )),
        }
    }
    let missing = config.missing_variables(&Environment::of_process().variables);
    missing.iter().for_each(|missing| voice.warn(missing));
    let unusable = telling(app, &config, &voice);
    if !args.offline {
        troubles += unusable;
    }
    out.finish()?;
    match troubles {
        0 => Ok(Done::All),
        _ => Err(Error::new(Kind::Failed, "reach everything that is in", path.display())
            .because(format!("not reached: {}", text::count(troubles, "place")))),
    }
}

/// Of which jobs nobody is told, or always, that no new snapshots come, each in a sentence.
fn unnoticed(config: &Config, now: Time) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, job) in config.job.iter().map(|(name, job)| (name, job.get_ref())) {
        let (Some(backup), zone) = (job.schedule_of(Task::Backup), config.zone()) else { continue };
        let gap = |schedule: Written<Schedule>| schedule.value.longest_gap(now, &zone);
        let (backups, copies) = (gap(backup), job.schedule_of(Task::Copy).map(gap));
        for (number, place) in job.repositories().enumerate() {
            let between =
                copies.filter(|_| number > 0).map_or(backups, |copies| copies.max(backups));
            match job.rpo.as_ref().and_then(|rpo| rpo.of(place)).map(|rpo| rpo.value.0) {
                None => warnings.push(format!(
                    "{name}: nothing says how old the newest snapshot in {place} may become, and nobody is told if none comes \
                     any more: set `rpo`"
                )),
                Some(rpo) if rpo < between => warnings.push(format!(
                    "{name}: `rpo` allows {} in {place}, and the schedule leaves up to {} between two snapshots: it will be \
                     late again and again",
                    text::age(rpo.as_secs_f64()),
                    text::age(between.as_secs_f64())
                )),
                Some(_) => {}
            }
        }
    }
    warnings
}

/// How many ways to tell people cannot be used, as far as this host knows, and places in which it remembers what
/// there is to tell; each is told, and who would not notice.
fn telling(app: &App, config: &Config, voice: &Progress) -> u64 {
    let alert = config.alert.as_ref();
    if alert.is_none_or(|alert| alert.ping.is_none()) {
        voice.warn(
            "if this host dies, nobody will notice: set `alert.ping` to a service that watches it",
        );
    }
    let Some(state) = app.state_folder() else { return 0 };
    let watch = Watch::new(config, hostname(), &state, &app.env);
    let textfile = config.metrics.as_ref().and_then(|metrics| metrics.textfile.as_ref());
    let figures = textfile.map_or(Ok(()), |path| state::try_beside(path));
    // Also of what was told: where that cannot be remembered, it is told again and again.
    let kept = state::private_folder(&state)
        .and_then(|()| state::try_beside(&state.join("history.sqlite")));
    let mut unusable = watch.unusable();
    unusable.extend([figures, kept].into_iter().filter_map(Result::err));
    unusable.iter().for_each(|error| voice.trouble(error));
    unusable.len() as u64
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
        if let Err(error) = containers::services(job) {
            tell(error, "find what is stopped by the job", name);
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

/// What a job does.
#[derive(Serialize)]
struct JobView<'c> {
    job: &'c str,
    steps: Vec<StepView>,
    not_done_yet: Vec<String>,
    /// What of containers its sources are, and what it stops.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    now: Vec<String>,
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
    fn new(config: &Config, name: &'c str, job: &Job, now: Time) -> Self {
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
        JobView { job: name, steps, not_done_yet: job.not_done_yet(), now: Vec::new() }
    }

    fn print(&self, config: &Config, out: &mut Out) -> Result<()> {
        out.line(self.job)?;
        for StepView { step, what, schedule, next_time, is_after_backup, .. } in &self.steps {
            let when = match (schedule, next_time) {
                (Some(schedule), Some(next)) => {
                    format!("{schedule}, next {}", text::local_in(*next, &config.zone()))
                }
                _ if *is_after_backup => "after every backup".to_owned(),
                _ => "when it is called for".to_owned(),
            };
            out.prose(&format!("  {step}: {what}; {when}"))?;
        }
        for lack in &self.not_done_yet {
            out.prose(&format!("  not done yet: {lack}"))?;
        }
        self.now.iter().try_for_each(|line| out.prose(&format!("  {line}")))
    }
}
