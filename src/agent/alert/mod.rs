//! Alerts: one message for each change of state, by e-mail, webhook or command, and pings to an
//! outside service that notices when this host falls silent. A channel that fails harms nothing
//! else; its message is sent later.

mod channel;
mod channel_state;
mod command;
mod http;
mod mail;
mod memory;
mod notification;
mod ping;
mod problem;
mod problems;
mod secret;
mod sending;
mod webhook;

pub use channel_state::Batching;
pub use mail::check_address;
pub use memory::Memory;
#[cfg(feature = "testing")]
pub use notification::Kind;
pub use notification::{Notification, Sender};
pub use ping::{Ping, Pinging, can_be_pinged};
pub use problem::{Aspect, Observation, Problem, Problems, State, Subject};
#[cfg(feature = "testing")]
pub use problems::problems;
pub use webhook::unknown_name;

use super::config::{Alert, Config};
use super::status::{JobStatus, Status};
use super::stop;
use crate::env::{Env, Time};
use crate::error::{Error, Result};
use crate::postgres::Environment;
use channel::{Channel, Name};
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

/// How long a look may take, whatever channels do.
const DEADLINE: Duration = Duration::from_secs(25);

/// How long messages of the first round may take, so that other channels can still tell that one does not work.
const FIRST_ROUND: Duration = Duration::from_secs(18);

/// How often we check whether another process is done.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Whom it tells, and what it remembers.
pub struct Alerter<'w> {
    config: &'w Config,
    alert: Option<&'w Alert>,
    sender: Sender,
    state: &'w Path,
    env: &'w Env,
    variables: BTreeMap<String, String>,
    watcher: Option<&'w Watcher>,
}

/// What a process keeps that looks every minute: a lock, by which runs see that they may leave it to it to tell
/// together what happens within a few minutes; and what could not be saved, so that it is not told every minute.
pub struct Watcher {
    _lock: Result<File>,
    unsaved: Mutex<Option<Memory>>,
}

impl Watcher {
    /// Of this process, for as long as it lives; without the lock, runs tell everything themselves.
    pub fn begin(state: &Path) -> Self {
        Watcher { _lock: memory::attend(state), unsaved: Mutex::default() }
    }
}

impl<'w> Alerter<'w> {
    /// As the file has it; this machine is called `host` where the file has no name for it.
    pub fn new(config: &'w Config, host: String, state: &'w Path, env: &'w Env) -> Self {
        let defaults = &config.defaults;
        let host = defaults.host.clone().unwrap_or(host);
        Alerter {
            config,
            alert: config.alert.as_ref(),
            sender: Sender { host, environment: defaults.environment.clone() },
            state,
            env,
            variables: Environment::of_process().variables,
            watcher: None,
        }
    }

    /// The same of a process that looks every minute.
    pub fn watched_by(self, watcher: &'w Watcher) -> Self {
        Alerter { watcher: Some(watcher), ..self }
    }

    /// The channels of the file.
    fn names(&self) -> Vec<Name> {
        self.alert.map(channel::names).unwrap_or_default()
    }

    /// Tells what changed by this status of all jobs, and what became since of services that were stopped then; or that
    /// nothing is known of them.
    pub fn look(&self, status: Result<&Status, &Error>, patience: Batching) -> Vec<Error> {
        let status = match status {
            Ok(status) => status,
            Err(error) => {
                let jobs = self.config.job.keys().map(String::as_str);
                return self.send_forgotten(jobs, &error.to_string(), patience);
            }
        };
        let has = |job: &JobStatus, subject: &Subject| {
            let is_place =
                |name: &String| job.repositories.iter().any(|place| place.repository == *name);
            job.job == subject.name && subject.repository.as_ref().is_none_or(is_place)
        };
        let is_there = |subject: &Subject| {
            matches!(subject.aspect, Aspect::File | Aspect::Services)
                || status.jobs.iter().any(|job| has(job, subject))
        };
        // What was started since the status was taken is told as well.
        let stopped = status.stopped.iter().map(|it| (it.job.clone(), it.since)).collect();
        let observation =
            [stopped, self.not_started()].map(|it| Observation::All(self.problems(status, it)));
        self.tell(&observation, &is_there, patience)
    }

    /// Tells that runs of jobs cannot be remembered, which the reason says, and what can be known without that.
    pub fn send_forgotten<'j>(
        &self,
        jobs: impl IntoIterator<Item = &'j str>,
        reason: &str,
        patience: Batching,
    ) -> Vec<Error> {
        let problem = Problem::new(State::Forgotten, reason);
        let forgotten = |job| (Subject::job(job, Aspect::History), problem.clone());
        let host = problems::of_services(&self.not_started()).into_iter().chain(self.of_file());
        let observation = Observation::Some(jobs.into_iter().map(forgotten).chain(host).collect());
        self.tell(&[observation], &|_| true, patience)
    }

    /// Tells what changed, by what was seen, the last of which is how things are now. What could not be told is told later, and why is answered. It takes [`DEADLINE`] at most,
    /// or some seconds more where another process tells just then.
    fn tell(
        &self,
        observation: &[Observation],
        is_there: &dyn Fn(&Subject) -> bool,
        patience: Batching,
    ) -> Vec<Error> {
        let names = self.names();
        if names.is_empty() {
            return Vec::new();
        }
        let mut failures = Vec::new();
        let held = match self.hold() {
            Ok(None) => return failures,
            // A full disk is what people have to be told of.
            held => held.map_err(|error| failures.push(error)),
        };
        let begun = self.env.now();
        let unsaved = self.unsaved().and_then(|mut unsaved| unsaved.take());
        let saved = match unsaved.is_none().then(|| Memory::load(self.state)) {
            Some(loaded) => loaded.map_err(|error| failures.push(error)).ok(),
            None => None,
        };
        let mut memory = unsaved.or_else(|| saved.clone()).unwrap_or_default();
        memory.keep(is_there);
        observation.iter().for_each(|observation| memory.observe(&names, observation, begun));
        // The second round tells by the other channels that one does not work.
        for end in [FIRST_ROUND, DEADLINE] {
            let now = self.env.now();
            observation
                .last()
                .into_iter()
                .for_each(|observation| memory.observe(&names, observation, now));
            let due = memory.due(&names, patience, &self.sender, now);
            if due.is_empty() {
                break;
            }
            // What was seen is kept also if this process is killed while it sends; a failure to save is seen below.
            let _ = memory.save(self.state);
            let mut all_sent = true;
            for (name, sent) in self.send(due, end.saturating_sub(now.since(begun))) {
                memory.answer(name, sent.as_ref().err(), now);
                all_sent &= sent.is_ok();
                failures.extend(sent.err());
            }
            if all_sent {
                break;
            }
        }
        // A process that looks every minute leaves the disk alone while nothing happens.
        if saved.as_ref() != Some(&memory)
            && let Err(error) = memory.save(self.state)
        {
            failures.push(error);
            self.unsaved().into_iter().for_each(|mut unsaved| *unsaved = Some(memory.clone()));
        }
        drop(held);
        failures
    }

    fn unsaved(&self) -> Option<MutexGuard<'_, Option<Memory>>> {
        let watcher = self.watcher?;
        Some(watcher.unsaved.lock())
    }

    /// Whether another process looks every minute.
    pub fn has_watcher(&self) -> bool {
        memory::has_watcher(self.state)
    }

    fn not_started(&self) -> Vec<(String, Time)> {
        stop::not_started(self.state, self.env.now())
    }

    fn problems(&self, status: &Status, not_started: Vec<(String, Time)>) -> Problems {
        problems::problems(status, &not_started).into_iter().chain(self.of_file()).collect()
    }

    /// That the file cannot be used, if it cannot.
    fn of_file(&self) -> Option<(Subject, Problem)> {
        let error = self.config.reload().err()?;
        let subject = Subject::job(&self.config.file.display().to_string(), Aspect::File);
        Some((subject, Problem::new(State::Unusable, &error.to_string())))
    }

    fn send(&self, due: Vec<(Name, Notification)>, most: Duration) -> Vec<(Name, Result<()>)> {
        let (names, notifications): (Vec<_>, Vec<_>) = due.into_iter().unzip();
        let open = |name| Channel::open(self.alert, name, &self.variables);
        let channels = names.iter().copied().map(open);
        let notifications: Vec<(Channel, Notification)> = channels.zip(notifications).collect();
        names.into_iter().zip(sending::send(&notifications, most)).collect()
    }

    /// Waits a while for another process that tells just now; it may not know yet what this one knows.
    fn hold(&self) -> Result<Option<File>> {
        let begun = self.env.now();
        loop {
            match memory::hold(self.state)? {
                None if self.env.now().since(begun) < FIRST_ROUND => self.env.sleep(POLL_INTERVAL),
                held => return Ok(held),
            }
        }
    }

    /// Sends a test message by every channel; the outcome of each.
    pub fn test(&self) -> Vec<(Name, Result<()>)> {
        let notification = Notification::test(&self.sender, self.env.now());
        self.send(
            self.names().into_iter().map(|name| (name, notification.clone())).collect(),
            DEADLINE,
        )
    }

    /// What keeps channels and pings from being used, as far as this host knows without asking anybody.
    pub fn unusable(&self) -> Vec<Error> {
        let open = |name| Channel::open(self.alert, name, &self.variables).usable().err();
        self.names().into_iter().filter_map(open).collect()
    }

    /// Whether something is wrong with a job that people are told.
    pub fn is_wrong(&self, status: &Status, job: &str) -> bool {
        let is_news = |(subject, problem): (&Subject, &Problem)| {
            subject.name == job && problem.min_duration.is_zero()
        };
        self.problems(status, self.not_started()).iter().any(is_news)
    }

    /// Sends a ping for a job.
    ///
    /// # Errors
    /// If it did not arrive.
    pub fn ping(&self, ping: Ping, job: &str) -> Result<()> {
        self.alert.map_or(Ok(()), |alert| ping.send(alert, job, &self.variables))
    }
}
