//! `config check`: what each job does, when it is next due, what this version does not do of it, and
//! whether everything can be reached.

use super::job_view::JobView;
use super::{FileArgs, containers};
use crate::agent::alert::Alerter;
use crate::agent::config::{Alert, Config, Job, Written};
use crate::agent::run::{RunContext, Task};
use crate::agent::schedule::Schedule;
use crate::agent::status::NO_JOB;
use crate::env::{Time, state};
use crate::error::{Error, Kind, Result};
use crate::format::snapshot::PartKind;
use crate::monitor::{Monitor, go_on};
use crate::ops::backup::Wanted;
use crate::postgres::Environment;
use crate::source::{Item, Source};
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::host::hostname;
use crate::ui::out::Out;
use crate::ui::progress::Progress;
use crate::ui::verbs::run_context::CliRunContext;
use clap::Args;
use rustix::fs::{Access, access};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// Entries of each folder that are looked at in search of what cannot be captured.
const LOOKED_AT: usize = 50_000;

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
    let progress = app.progress()?;
    let program = CliRunContext { app, progress: &progress };
    let mut troubles = 0;
    if !args.offline {
        troubles += reach(&config, &program, &progress)?;
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
        let mut view = JobView::new(&config, name, job, app.env.now());
        if !args.offline {
            view.now = containers::now(job);
        }
        match app.global.json {
            true => out.json("job", &view)?,
            false => view.print(&config, &mut out)?,
        }
    }
    if config.job.is_empty() {
        progress.warn(NO_JOB);
    }
    unnoticed(&config, app.env.now()).iter().for_each(|warning| progress.warn(warning));
    unpruned(&config).iter().for_each(|warning| progress.warn(warning));
    if let Some(file) = config.panel.as_ref().map(|panel| &panel.login.hash_file)
        && file.metadata().is_ok_and(|found| found.is_file() && found.len() == 0)
    {
        progress.warn(&format!(
            "nobody can log in to the page: {} is empty; `icecore panel hash` prints what belongs there",
            file.display()
        ));
    }
    if let Some(folder) = config.panel.as_ref().and_then(|panel| panel.restore_into.as_ref()) {
        match access(folder, Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) if folder.is_dir() => {}
            Ok(()) => progress
                .warn(&format!("`restore_into` of [panel] is no folder: {}", folder.display())),
            Err(cause) => progress.warn(&format!(
                "nothing can be restored from the page into {}, as `restore_into` has it: {cause}",
                folder.display()
            )),
        }
    }
    let missing = config.missing_variables(&Environment::of_process().variables);
    missing.iter().for_each(|missing| progress.warn(missing));
    let unusable = telling(app, &config, &progress);
    if !args.offline {
        troubles += unusable;
    }
    out.finish()?;
    match troubles {
        0 => Ok(Done::All),
        _ => Err(Error::new(Kind::Failed, "reach all that is in", path.display())
            .because(format!("{} found", text::count(troubles, "problem")))),
    }
}

/// Fails if a source cannot be reached, or not be captured for what lies in the first of its folders.
fn look(source: &mut dyn Source) -> Result<()> {
    let is_folder = source.describe().kind == PartKind::Files;
    // The first item of a server's is its list of databases, of a folder's its own.
    match source.next()? {
        Some(Item::Failed(failed)) => return Err(failed),
        None => return Ok(()),
        Some(_) => {}
    }
    for _ in 0..if is_folder { LOOKED_AT } else { 0 } {
        if source.next()?.is_none() {
            break;
        }
    }
    Ok(())
}

/// Of which jobs nobody would be told that no new snapshots come, or would be told all the time; each in a sentence.
fn unnoticed(config: &Config, now: Time) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, job) in config.job.iter() {
        let (Some(backup), zone) = (job.schedule_of(Task::Backup), config.zone()) else { continue };
        let jitter = config.agent.jitter();
        let gap = |schedule: Written<Schedule>| schedule.value.longest_gap(now, &zone) + jitter;
        let (backups, copies) = (gap(backup), job.schedule_of(Task::Copy).map(gap));
        for (number, place) in job.repositories().enumerate() {
            let between =
                copies.filter(|_| number > 0).map_or(backups, |copies| copies.max(backups));
            match job.rpo.as_ref().and_then(|rpo| rpo.of(place)).map(|rpo| rpo.value.0) {
                None => warnings.push(format!(
                    "{name}: no `rpo` says how old the newest snapshot in {place} may become: if new ones stop coming, \
                     nobody is told"
                )),
                Some(rpo) if rpo < between => warnings.push(format!(
                    "{name}: `rpo` in {place} is {}, and the schedule leaves up to {} between two snapshots: the job would \
                     be late again and again",
                    text::age(rpo.as_secs_f64()),
                    text::age(between.as_secs_f64())
                )),
                Some(_) => {}
            }
        }
    }
    warnings
}

/// Of which repositories nothing is forgotten although `keep` says what stays, each in a sentence.
fn unpruned(config: &Config) -> Vec<String> {
    let is_unpruned = |name: &str| {
        let jobs = config.job.values();
        let mut jobs = jobs.filter(|job| job.repositories().any(|it| it == name)).peekable();
        let has_none =
            |job: &Job| job.schedule_of(Task::Prune).is_none() && !job.is_pruned_elsewhere(name);
        jobs.peek().is_some() && jobs.all(has_none)
    };
    let kept = config.repository.iter().filter(|(_, it)| it.keep.is_some());
    kept.filter(|(name, _)| is_unpruned(name))
        .map(|(name, _)| {
            format!("{name}: no job schedules `prune` there: its `keep` has no effect")
        })
        .collect()
}

/// How many ways to tell people cannot be used, as far as this host knows, and places in which it remembers what
/// there is to tell; each is told, and who would not notice.
fn telling(app: &App, config: &Config, progress: &Progress) -> u64 {
    let alert = config.alert.as_ref();
    untold(alert).into_iter().for_each(|warning| progress.warn(warning));
    open_secrets(alert).iter().for_each(|warning| progress.warn(warning));
    let Some(state) = app.state_folder() else { return 0 };
    let alerter = Alerter::new(config, hostname(), &state, &app.env);
    let textfile = config.metrics.as_ref().and_then(|metrics| metrics.textfile.as_ref());
    let figures = textfile.map_or(Ok(()), |path| state::try_beside(path));
    // Also of what was told: where that cannot be remembered, it is told again and again.
    let kept = state::private_folder(&state)
        .and_then(|()| state::try_beside(&state.join("history.sqlite")));
    let mut unusable = alerter.unusable();
    unusable.extend([figures, kept].into_iter().filter_map(Result::err));
    unusable.iter().for_each(|error| progress.trouble(error));
    unusable.len() as u64
}

/// Who would not notice what goes wrong, in a sentence.
fn untold(alert: Option<&Alert>) -> Option<&'static str> {
    let tells = |it: &Alert| it.mail.is_some() || it.webhook.is_some() || it.command.is_some();
    match alert {
        Some(alert) if alert.ping.is_some() => None,
        Some(alert) if tells(alert) => Some(
            "nobody notices when this host is down: set `alert.ping` to a service that watches it",
        ),
        _ => Some(
            "nobody is told when something goes wrong, or notices when this host is down: set `mail`, `webhook` or \
             `command` in [alert], and `ping` to a service that watches this host",
        ),
    }
}

/// Which files with secrets of messages others can read, each in a sentence.
fn open_secrets(alert: Option<&Alert>) -> Vec<String> {
    let mail = alert.and_then(|alert| alert.mail.as_ref()?.password_file.as_ref());
    let webhook = alert.and_then(|alert| alert.webhook.as_ref()?.url_file.as_ref());
    let is_open = |path: &&PathBuf| {
        path.metadata().is_ok_and(|found| found.is_file() && found.mode() & 0o077 != 0)
    };
    mail.into_iter()
        .chain(webhook)
        .filter(is_open)
        .map(|path| text::readable_by_others(path))
        .collect()
}

/// How many repositories and sources cannot be reached; each is told.
fn reach(config: &Config, program: &CliRunContext<'_>, progress: &Progress) -> Result<u64> {
    let mut troubles = 0;
    let mut tell = |error: Error, attempted: &str, what: &str| {
        troubles += 1;
        progress.trouble(&error.within(attempted, what));
    };
    let mut ids = BTreeMap::new();
    for (name, repository) in &config.repository {
        go_on(progress, "check the file")?;
        match program.open(repository) {
            Ok(opened) => {
                ids.insert(name.as_str(), opened.config().repository);
            }
            Err(error) => tell(error, "reach the repository", name),
        }
    }
    for (name, job) in config.job.iter() {
        go_on(progress, "check the file")?;
        let places: Vec<&str> = job.repositories().collect();
        for (number, place) in places.iter().enumerate() {
            let before = places.iter().take(number);
            let mut same = before
                .filter(|other| ids.contains_key(*other) && ids.get(*other) == ids.get(place));
            if let Some(same) = same.next() {
                let error = Error::new(Kind::InvalidInput, "copy to", *place)
                    .because(format!("it is the same repository as {same}"))
                    .hint("a second place is another repository: leave one of them out of `to`");
                tell(error, "find the repositories of the job", name);
            }
        }
        if let Err(error) = containers::services(job) {
            tell(error, "find what is stopped by the job", name);
        }
        match program.sources(job, &config.repositories()) {
            Err(error) => tell(error, "find the sources of the job", name),
            Ok(sources) => match Wanted::of(sources, true) {
                Err(error) => tell(error, "put together the sources of the job", name),
                Ok(wanted) => {
                    let (sources, left_out) = wanted.into_parts();
                    left_out.iter().for_each(|reason| progress.warn(reason));
                    for mut source in sources {
                        let title = String::from_utf8_lossy(&source.describe().path).into_owned();
                        if let Err(error) = look(&mut *source) {
                            tell(error, "reach the source", &title);
                        }
                    }
                }
            },
        }
    }
    Ok(troubles)
}
