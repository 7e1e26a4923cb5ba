//! The agent: starts runs when they are due, watches the state of the jobs, and sends alerts. Each run is a
//! process of its own; the agent itself holds no key, and does nothing that could block it for long.

mod agenda;
mod around;
mod child;
mod duty;
mod life;
mod manager;
mod marks;
mod serving;
mod shared;
mod watch;

pub use agenda::{Agenda, Due};
pub use around::{Around, Level, Line};
pub use child::tasks_of;
pub use duty::Duty;
pub use life::is_alive;
pub use marks::{Marks, load as load_marks};

use super::config::{Config, without_passwords};
use super::report::{Outcome, Report, Task};
use super::run::{remember, report_died_of};
use super::stop;
use crate::env::Time;
use crate::error::{Attempt, Result};
use child::{Ended, Running};
use life::Life;
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
const LAST_WORDS: Duration = Duration::from_secs(30);

/// How often we check whether a thread is over.
const GLANCE: Duration = Duration::from_millis(50);

/// Something that happens.
enum Event {
    Signal(i32),
    Ended(Duty, Ended),
}

/// A run at work.
struct AtWork {
    tasks: Vec<Task>,
    begun: Time,
    pid: Option<Pid>,
}

/// What tells one state of the file from another, who may write it too.
type Stamp = Option<(u64, i64, i64, u64)>;

/// Keeps the schedules.
struct Daemon {
    around: Arc<dyn Around>,
    shared: Arc<Shared>,
    agenda: Agenda,
    stamp: Stamp,
    at_work: BTreeMap<Duty, AtWork>,
    happens: Sender<Event>,
    look: Sender<()>,
    serving: Option<Serving>,
    life: Life,
    is_stopping: bool,
}

/// Keeps the schedules of the file until a signal ends it.
///
/// # Errors
/// `Locked` if another agent is at work on the same folder of states; those of reading the file.
pub fn keep(around: &Arc<dyn Around>) -> Result<()> {
    let state = around.state();
    let life = Life::begin(state)?;
    let stamp = stamp(around.file());
    let config = Arc::new(Config::load(Some(around.file()))?.0);
    let (happens, heard) = channel();
    let signals = Signals::new([SIGHUP, SIGINT, SIGTERM]).attempt("listen for", "signals")?;
    hear(signals, happens.clone())?;
    let shared = Arc::new(Shared::new(config.clone(), state));
    let (look, asked) = channel();
    let watching = thread(around, &shared, move |around, shared| {
        watch::look_on(around, shared, &asked);
    })?;
    let mut daemon = Daemon {
        agenda: Agenda::new(marks::load(state).unwrap_or_else(|error| {
            around.say(&Line::failed(&error));
            BTreeMap::new()
        })),
        around: around.clone(),
        shared,
        stamp,
        at_work: BTreeMap::new(),
        happens,
        look,
        serving: None,
        life,
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
        let file = self.around.file().display();
        self.say(Level::Info, "ready", format!("keeps the schedules of {file}; jobs: {jobs}"));
        manager::ready();
        loop {
            if stamp(self.around.file()) != self.stamp {
                self.reload();
            }
            self.begin();
            self.life.sign();
            manager::alive(&self.in_short());
            match heard.recv_timeout(self.wait()) {
                Ok(Event::Signal(SIGHUP)) => self.reload(),
                Ok(Event::Signal(_)) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Event::Ended(duty, ended)) => self.ended(&duty, ended),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Begins what is due.
    fn begin(&mut self) {
        let (around, shared) = (self.around.clone(), self.shared.clone());
        let last = |duty: &Duty| {
            let run = shared.with_history(&*around, |it| it.last_run(&duty.job, duty.task));
            let run = run.unwrap_or_else(|error| {
                around.say(&Line::failed(&error));
                None
            });
            run.filter(|run| run.outcome != Outcome::Failed).map(|run| run.started)
        };
        while let Some(due) = self.agenda.begin(around.env().now(), &last) {
            if let Err(error) = self.start(&due) {
                around.say(&Line::failed(&error));
                self.agenda.end(&due.duty, false, around.env().now());
            }
        }
    }

    fn start(&mut self, due: &Due) -> Result<()> {
        let (config, duty) = (self.shared.config(), due.duty.clone());
        let tasks = child::tasks_of(config.job(&duty.job)?, duty.task);
        let begun = self.around.env().now();
        let run = Running::start(&*self.around, &config, &duty.job, &tasks)?;
        let text = match begun.since(due.since) > LONGEST_WAIT {
            true => format!("begins; it has been due since {}", due.since),
            false => "begins".to_owned(),
        };
        self.around.say(&Line::of(Level::Info, "begin", &duty, text));
        let at_work = AtWork { tasks, begun, pid: run.pid() };
        let (around, happens) = (self.around.clone(), self.happens.clone());
        let follow = move || {
            let ended = run.follow(&duty, &*around);
            // Nobody hears it who is gone.
            let _ = happens.send(Event::Ended(duty, ended));
        };
        Builder::new().spawn(follow).attempt("start a thread for", &due.duty.job)?;
        self.at_work.insert(due.duty.clone(), at_work);
        Ok(())
    }

    fn ended(&mut self, duty: &Duty, ended: Ended) {
        let now = self.around.env().now();
        let has_served = match ended.outcome {
            Outcome::Skipped => false,
            // It was asked to end: the next agent does it again.
            Outcome::Failed => !self.is_stopping,
            Outcome::Done | Outcome::Incomplete => true,
        };
        if let Some(run) = self.at_work.remove(duty)
            && !ended.is_reported
        {
            self.report(duty, run, ended.reason.as_deref(), now);
        }
        self.agenda.end(duty, has_served, now);
        self.save();
        let level = match ended.outcome {
            Outcome::Done | Outcome::Skipped => Level::Info,
            Outcome::Incomplete => Level::Warning,
            Outcome::Failed => Level::Error,
        };
        let reason = ended.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        let text = format!("{}{reason}", ended.outcome.name());
        let line = Line::of(level, "end", duty, text);
        self.around.say(&Line { hint: ended.hint, ..line });
        // Nobody looks any more once all is over.
        let _ = self.look.send(());
    }

    /// Leaves the report of a run that could leave none itself, unless it began and noted what it was.
    fn report(&self, duty: &Duty, run: AtWork, reason: Option<&str>, now: Time) {
        let defaults = self.shared.config().defaults.clone();
        let host = defaults.host.unwrap_or_else(|| self.around.host());
        let mut report = Report::new(&duty.job, &run.tasks, defaults.environment, host, run.begun);
        report.seconds = now.seconds_since(run.begun);
        report.outcome = Outcome::Failed;
        report.reason = reason.map(without_passwords);
        let (state, why) = (self.around.state(), report.reason.as_deref().unwrap_or_default());
        let is_there = report_died_of(state, &duty.job, why).and_then(|died| {
            let last = self.shared.with_history(&*self.around, |history| {
                remember(history, &died)?;
                history.last_run(&duty.job, duty.task)
            });
            Ok(!died.is_empty() || last?.is_some_and(|last| last.started >= run.begun))
        });
        match is_there {
            Ok(true) => return,
            Ok(false) => {}
            Err(error) => self.around.say(&Line::failed(&error)),
        }
        let recorded = report.save(state).and_then(|name| {
            self.shared.with_history(&*self.around, |it| it.record(&report, Some(&name)))
        });
        recorded.unwrap_or_else(|error| self.around.say(&Line::failed(&error)));
    }

    /// Keeps the file as it is now; one that is broken is not kept.
    fn reload(&mut self) {
        self.stamp = stamp(self.around.file());
        let file = self.around.file().display().to_string();
        match self
            .shared
            .config()
            .reload()
            .map(Arc::new)
            .and_then(|config| self.adopt(&config).map(|()| config.job.len()))
        {
            Ok(jobs) => {
                self.say(Level::Info, "reload", format!("read {file} again; jobs: {jobs}"));
            }
            Err(error) => {
                self.around.say(&Line::failed(&error));
                let text = "goes on with the jobs that the file had before";
                self.say(Level::Error, "reload", text.to_owned());
            }
        }
        // That the file cannot be used is told at once.
        let _ = self.look.send(());
    }

    fn adopt(&mut self, config: &Arc<Config>) -> Result<()> {
        // What is served finds by itself what becomes of the file.
        if self.serving.is_none() && config.panel.is_some() {
            self.serving = Some(Serving::start(&self.around, &self.shared)?);
        }
        self.shared.keep(config.clone());
        self.agenda.adopt(config, &self.around.host(), self.around.env().now());
        self.save();
        Ok(())
    }

    /// Remembers what was served.
    fn save(&self) {
        marks::save(self.around.state(), self.agenda.marks())
            .unwrap_or_else(|error| self.around.say(&Line::failed(&error)));
    }

    /// How long nothing has to be looked at.
    fn wait(&self) -> Duration {
        let now = self.around.env().now();
        let next = self.agenda.next().map(|next| next.since(now)).unwrap_or(LONGEST_WAIT);
        let wait = next.clamp(SHORTEST_WAIT, LONGEST_WAIT);
        manager::every().map_or(wait, |every| wait.min(every))
    }

    /// What it does, in a line.
    fn in_short(&self) -> String {
        let at_work = self.at_work.keys().map(|it| format!("{} {}", it.job, it.task.name()));
        let at_work: Vec<String> = at_work.collect();
        match (at_work.is_empty(), self.agenda.next()) {
            (false, _) => format!("at work: {}", at_work.join(", ")),
            (true, Some(next)) => format!("next at {next}"),
            (true, None) => "no job has a schedule".to_owned(),
        }
    }

    /// Asks what is at work to end, and waits for it.
    fn stop(&mut self, heard: &Receiver<Event>) {
        self.is_stopping = true;
        manager::stopping();
        let at_work = self.at_work.len();
        self.say(Level::Info, "stop", format!("begins no more runs; at work: {at_work}"));
        self.at_work.values().filter_map(|run| run.pid).for_each(child::ask_to_end);
        self.serving.iter().for_each(Serving::end);
        let until = Instant::now() + LAST_RUNS;
        while !self.at_work.is_empty() {
            match heard.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(Event::Ended(duty, ended)) => self.ended(&duty, ended),
                Ok(Event::Signal(SIGHUP)) => {}
                // A second signal means: do not wait.
                Ok(Event::Signal(_)) | Err(_) => break,
            }
        }
        for duty in self.at_work.keys() {
            let text = "is still at work, and goes on by itself";
            self.around.say(&Line::of(Level::Warning, "left", duty, text));
        }
    }

    fn say(&self, level: Level, event: &'static str, text: String) {
        self.around.say(&Line::own(level, event, text));
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
fn start_left_behind(around: &dyn Around) {
    for started in stop::start_stopped(around.state()) {
        match started {
            Ok(job) => {
                let text =
                    format!("started the services of {job}, which an earlier run had left stopped");
                around.say(&Line::own(Level::Warning, "left_behind", text));
            }
            Err(error) => around.say(&Line::failed(&error)),
        }
    }
}

fn thread(
    around: &Arc<dyn Around>,
    shared: &Arc<Shared>,
    work: impl FnOnce(&dyn Around, &Shared) + Send + 'static,
) -> Result<JoinHandle<()>> {
    let (around, shared) = (around.clone(), shared.clone());
    Builder::new().spawn(move || work(&*around, &shared)).attempt("start a thread for", "the agent")
}

/// Waits a while.
fn wait_for(threads: &[&JoinHandle<()>]) {
    let until = Instant::now() + LAST_WORDS;
    while threads.iter().any(|thread| !thread.is_finished()) && Instant::now() < until {
        sleep(GLANCE);
    }
}

fn stamp(file: &Path) -> Stamp {
    let found = fs::metadata(file).ok()?;
    Some((found.ino(), found.ctime(), found.ctime_nsec(), found.size()))
}
