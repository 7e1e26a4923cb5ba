//! The agent: starts runs when they are due, watches the state of the jobs, and sends alerts. Each run is a
//! process of its own; the agent itself holds no key, and does nothing that could block it for long.

mod agenda;
mod child;
mod context;
mod heartbeat;
mod job_task;
mod marks;
mod service_manager;
mod serving;
mod shared;
mod watch;

pub use agenda::{Agenda, Due};
pub use child::tasks_of;
pub use context::{AgentContext, LogLine, Severity};
pub use heartbeat::check_alive;
pub use job_task::JobTask;
pub use marks::{Marks, load as load_marks};

use super::config::{Config, without_passwords};
use super::report::{Outcome, Report, Task};
use super::run::{remember, report_died_of};
use super::stop;
use crate::env::Time;
use crate::error::{Attempt, Result};
use child::{Ended, Running};
use heartbeat::Heartbeat;
use rustix::process::Pid;
use serving::Serving;
use shared::Shared;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle, sleep};
use std::time::{Duration, Instant};

/// How long nothing is looked at, at most: clocks are set, and files change.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How long at least, unless something happens.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);

/// How long runs have to end that were asked to: services are started first.
const LAST_RUNS: Duration = Duration::from_secs(60);

/// How long alerts that are being sent, and requests that are being served, may still take.
const OUTPUT_GRACE: Duration = Duration::from_secs(30);

/// How often we check whether a thread is over.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Something that happens.
enum Event {
    Signal(i32),
    Ended(JobTask, Ended),
}

/// A run at work.
struct AtWork {
    tasks: Vec<Task>,
    begun: Time,
    pid: Pid,
}

/// What tells one state of the file from another, who may write it too.
type Stamp = Option<(u64, i64, i64, u64)>;

/// Keeps the schedules.
struct Daemon {
    context: Arc<dyn AgentContext>,
    shared: Arc<Shared>,
    agenda: Agenda,
    stamp: Stamp,
    at_work: BTreeMap<JobTask, AtWork>,
    happens: Sender<Event>,
    look: Sender<()>,
    serving: Option<Serving>,
    heartbeat: Heartbeat,
    is_stopping: bool,
}

/// Keeps the schedules of the file until a signal ends it.
///
/// # Errors
/// `Locked` if another agent is at work on the same state folder; those of reading the file.
pub fn run_agent(context: &Arc<dyn AgentContext>) -> Result<()> {
    let state = context.state();
    let heartbeat = Heartbeat::begin(state)?;
    let stamp = stamp(context.file());
    let loaded = Config::load(Some(context.file()));
    if loaded.is_err() {
        // What was stopped by the file that there was is started whatever the file is now.
        start_left_behind(&**context);
    }
    let config = Arc::new(loaded?.0);
    let (happens, heard) = channel();
    let signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).attempt("listen for", "signals")?;
    hear(signals, happens.clone())?;
    let shared = Arc::new(Shared::new(config.clone(), state));
    let (look, asked) = channel();
    let watching = thread(context, &shared, move |context, shared| {
        watch::look_on(context, shared, &asked);
    })?;
    let mut daemon = Daemon {
        agenda: Agenda::new(marks::load(state).unwrap_or_else(|error| {
            context.say(&LogLine::failed(&error));
            BTreeMap::new()
        })),
        context: context.clone(),
        shared,
        stamp,
        at_work: BTreeMap::new(),
        happens,
        look,
        serving: None,
        heartbeat,
        is_stopping: false,
    };
    daemon.adopt(&config)?;
    daemon.run(&heard);
    daemon.stop(&heard);
    let serving = daemon.serving.take();
    drop(daemon);
    let others = serving.iter().map(Serving::thread);
    wait_for(&others.chain([&watching]).collect::<Vec<_>>());
    Ok(())
}

impl Daemon {
    fn run(&mut self, heard: &Receiver<Event>) {
        let jobs = self.shared.config().job.len();
        let file = self.context.file().display();
        self.say(Severity::Info, "ready", format!("started with {file}; jobs: {jobs}"));
        service_manager::ready();
        loop {
            if stamp(self.context.file()) != self.stamp {
                self.reload();
            }
            self.begin();
            self.heartbeat.beat();
            service_manager::alive(&self.in_short());
            match heard.recv_timeout(self.wait()) {
                Ok(Event::Signal(SIGHUP)) => self.reload(),
                Ok(Event::Signal(_)) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Event::Ended(job_task, ended)) => self.ended(&job_task, ended),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Begins what is due.
    fn begin(&mut self) {
        let (context, shared) = (self.context.clone(), self.shared.clone());
        let last = |job_task: &JobTask| {
            let run =
                shared.with_history(&*context, |it| it.last_run(&job_task.job, job_task.task));
            let run = run.unwrap_or_else(|error| {
                context.say(&LogLine::failed(&error));
                None
            });
            run.filter(|run| run.outcome != Outcome::Failed).map(|run| run.started)
        };
        while let Some(due) = self.agenda.begin(context.env().now(), &last) {
            if let Err(error) = self.start(&due) {
                context.say(&LogLine::failed(&error));
                self.agenda.end(&due.job_task, false, context.env().now());
            }
        }
    }

    fn start(&mut self, due: &Due) -> Result<()> {
        let (config, job_task) = (self.shared.config(), due.job_task.clone());
        let tasks = child::tasks_of(config.job(&job_task.job)?, job_task.task);
        let begun = self.context.env().now();
        let run = Running::start(&*self.context, &config, &job_task.job, &tasks)?;
        let text = match begun.since(due.since) > LONGEST_WAIT {
            true => format!("run started; it has been due since {}", due.since),
            false => "run started".to_owned(),
        };
        self.context.say(&LogLine::of(Severity::Info, "begin", &job_task, text));
        let at_work = AtWork { tasks, begun, pid: run.pid() };
        let (context, happens) = (self.context.clone(), self.happens.clone());
        let follow = move || {
            let ended = run.follow(&job_task, &*context);
            // Nobody hears it who is gone.
            let _ = happens.send(Event::Ended(job_task, ended));
        };
        Builder::new().spawn(follow).attempt("start a thread for", &due.job_task.job)?;
        self.at_work.insert(due.job_task.clone(), at_work);
        Ok(())
    }

    fn ended(&mut self, job_task: &JobTask, ended: Ended) {
        let now = self.context.env().now();
        let has_served = match ended.outcome {
            Outcome::Skipped => false,
            // It was asked to end: the next agent does it again.
            Outcome::Failed => !self.is_stopping,
            Outcome::Done | Outcome::Incomplete => true,
        };
        if let Some(run) = self.at_work.remove(job_task)
            && !ended.is_reported
        {
            self.report(job_task, run, ended.reason.as_deref(), now);
        }
        self.agenda.end(job_task, has_served, now);
        self.save();
        let level = match ended.outcome {
            Outcome::Done | Outcome::Skipped => Severity::Info,
            Outcome::Incomplete => Severity::Warning,
            Outcome::Failed => Severity::Error,
        };
        let reason = ended.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        let text = format!("{}{reason}", ended.outcome.name());
        let line = LogLine::of(level, "end", job_task, text);
        self.context.say(&LogLine { hint: ended.hint, ..line });
        // Nobody looks any more once all is over.
        let _ = self.look.send(());
    }

    /// Leaves the report of a run that could leave none itself, unless it began and noted what it was.
    fn report(&self, job_task: &JobTask, run: AtWork, reason: Option<&str>, now: Time) {
        let defaults = self.shared.config().defaults.clone();
        let host = defaults.host.unwrap_or_else(|| self.context.host());
        let mut report =
            Report::new(&job_task.job, &run.tasks, defaults.environment, host, run.begun);
        report.seconds = now.seconds_since(run.begun);
        report.outcome = Outcome::Failed;
        report.reason = reason.map(without_passwords);
        let (state, why) = (self.context.state(), report.reason.as_deref().unwrap_or_default());
        let is_there = report_died_of(state, &job_task.job, why).and_then(|died| {
            let last = self.shared.with_history(&*self.context, |history| {
                remember(history, &died)?;
                history.last_run(&job_task.job, job_task.task)
            });
            Ok(!died.is_empty() || last?.is_some_and(|last| last.started >= run.begun))
        });
        match is_there {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => self.context.say(&LogLine::failed(&error)),
        }
        let recorded = report.save(state).and_then(|name| {
            self.shared.with_history(&*self.context, |it| it.record(&report, Some(&name)))
        });
        recorded.unwrap_or_else(|error| self.context.say(&LogLine::failed(&error)));
    }

    /// Keeps the file as it is now; one that is broken is not kept.
    fn reload(&mut self) {
        self.stamp = stamp(self.context.file());
        let file = self.context.file().display().to_string();
        let before = self.shared.config();
        let reloaded = before.reload().map(Arc::new);
        match reloaded.and_then(|config| self.adopt(&config).map(|()| config)) {
            Ok(config) => {
                let jobs = config.job.len();
                self.say(Severity::Info, "reload", format!("read {file} again; jobs: {jobs}"));
                for job in before.job.keys().filter(|job| !config.job.contains_key(*job)) {
                    let text = format!("job {job} is not in the file any more, and is not run");
                    self.say(Severity::Warning, "reload", text);
                }
            }
            Err(error) => {
                self.context.say(&LogLine::failed(&error));
                let text = "the file is not used; the jobs stay as they were";
                self.say(Severity::Error, "reload", text.to_owned());
            }
        }
        // That the file cannot be used is told at once.
        let _ = self.look.send(());
    }

    fn adopt(&mut self, config: &Arc<Config>) -> Result<()> {
        // What is served finds by itself what becomes of the file.
        if self.serving.is_none() && config.panel.is_some() {
            self.serving = Some(Serving::start(&self.context, &self.shared)?);
        }
        self.shared.keep(config.clone());
        self.agenda.adopt(config, &self.context.host(), self.context.env().now());
        self.save();
        Ok(())
    }

    /// Remembers what was served.
    fn save(&self) {
        marks::save(self.context.state(), self.agenda.marks())
            .unwrap_or_else(|error| self.context.say(&LogLine::failed(&error)));
    }

    /// How long nothing has to be looked at.
    fn wait(&self) -> Duration {
        let now = self.context.env().now();
        let next = self.agenda.next().map(|next| next.since(now)).unwrap_or(LONGEST_WAIT);
        let wait = next.clamp(SHORTEST_WAIT, LONGEST_WAIT);
        service_manager::watchdog_interval().map_or(wait, |every| wait.min(every))
    }

    /// What it does, in a line.
    fn in_short(&self) -> String {
        let at_work = self.at_work.keys().map(|it| format!("{} {}", it.job, it.task.name()));
        let at_work: Vec<String> = at_work.collect();
        match (at_work.is_empty(), self.agenda.next()) {
            (false, _) => format!("running: {}", at_work.join(", ")),
            (true, Some(next)) => format!("next run at {next}"),
            (true, None) => "no job has a schedule".to_owned(),
        }
    }

    /// Asks what is at work to end, and waits for it.
    fn stop(&mut self, heard: &Receiver<Event>) {
        self.is_stopping = true;
        service_manager::stopping();
        let at_work = self.at_work.len();
        self.say(Severity::Info, "stop", format!("stopping; runs still active: {at_work}"));
        self.at_work.values().map(|run| run.pid).for_each(child::ask_to_end);
        self.serving.iter().for_each(Serving::end);
        let until = Instant::now() + LAST_RUNS;
        while !self.at_work.is_empty() {
            match heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Event::Ended(job_task, ended)) => self.ended(&job_task, ended),
                Ok(Event::Signal(SIGHUP)) => {}
                // A second signal means: do not wait.
                Ok(Event::Signal(_)) | Err(_) => break,
            }
        }
        for job_task in self.at_work.keys() {
            let text = "the run is still active, and goes on without the agent";
            self.context.say(&LogLine::of(Severity::Warning, "left", job_task, text));
        }
    }

    fn say(&self, level: Severity, event: &'static str, text: String) {
        self.context.say(&LogLine::own(level, event, text));
    }
}

/// Passes on signals.
fn hear(mut signals: Signals, to: Sender<Event>) -> Result<()> {
    let pass = move || {
        for signal in signals.forever() {
            if to.send(Event::Signal(signal)).is_err() {
                return;
            }
        }
    };
    Builder::new().spawn(pass).attempt("listen for", "signals").map(drop)
}

/// Starts services that runs have left stopped whose guards are dead, too, as after a power cut.
fn start_left_behind(context: &dyn AgentContext) {
    for started in stop::start_stopped(context.state()) {
        match started {
            Ok(job) => {
                let text =
                    format!("started the services of {job}, which an earlier run had left stopped");
                context.say(&LogLine::own(Severity::Warning, "left_behind", text));
            }
            Err(error) => context.say(&LogLine::failed(&error)),
        }
    }
}

fn thread(
    context: &Arc<dyn AgentContext>,
    shared: &Arc<Shared>,
    work: impl FnOnce(&dyn AgentContext, &Shared) + Send + 'static,
) -> Result<JoinHandle<()>> {
    let (context, shared) = (context.clone(), shared.clone());
    Builder::new()
        .spawn(move || work(&*context, &shared))
        .attempt("start a thread for", "the agent")
}

/// Waits a while.
fn wait_for(threads: &[&JoinHandle<()>]) {
    let until = Instant::now() + OUTPUT_GRACE;
    while threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < until {
        sleep(POLL_INTERVAL);
    }
}

fn stamp(file: &Path) -> Stamp {
    let found = fs::metadata(file).ok()?;
    Some((found.ino(), found.ctime(), found.ctime_nsec(), found.size()))
}
