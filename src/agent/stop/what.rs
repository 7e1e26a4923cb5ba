//! What is stopped and started: by lines for the shell, or services of containers by their engine.

use super::lines::Lines;
use crate::agent::config::{Job, Stop, without_secrets};
use crate::agent::shell::CommandOutcome;
use crate::containers::{Engine, Service, StartOutcome};
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What is stopped and started.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum What {
    /// By lines for the shell.
    Lines(Lines),
    /// Services of containers.
    Services(Services),
}

/// Services of containers.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Services {
    /// Their names.
    pub services: Vec<String>,
    /// The Compose projects that they belong to, if to any.
    projects: Vec<String>,
    /// Where their engine listens, if that was said.
    socket: Option<PathBuf>,
    /// Those that were found running, in the order in which they are stopped.
    running: Vec<Service>,
}

impl What {
    /// What the file says of a job.
    pub fn of(job: &Job, stop: &Stop) -> Option<Self> {
        if let (Some(line), Some(start)) = (&stop.stop, &stop.start) {
            let running = stop.running.clone();
            let (stop, start) = (line.clone(), start.clone());
            return Some(What::Lines(Lines { stop, start, running, is_idle: false }));
        }
        let (services, projects, socket) =
            (stop.services.clone(), job.projects(), job.socket.clone());
        (!services.is_empty())
            .then(|| What::Services(Services { services, projects, socket, running: Vec::new() }))
    }

    /// How stopping is called, without secrets.
    pub fn stopping(&self) -> String {
        match self {
            What::Lines(lines) => without_secrets(&lines.stop),
            What::Services(services) => services.services.join(", "),
        }
    }

    /// How starting is called, without secrets.
    pub fn starting(&self) -> String {
        match self {
            What::Lines(lines) => without_secrets(&lines.start),
            What::Services(services) => services.services.join(", "),
        }
    }

    /// Whether this is another line to start by than that.
    pub fn starts_otherwise(&self, other: &What) -> bool {
        matches!((self, other), (What::Lines(lines), What::Lines(other)) if lines.start != other.start && !other.is_idle)
    }

    /// Looks up what is to be stopped, as it is now.
    ///
    /// # Errors
    /// Services that are not there or must not be stopped, and an engine that does not answer; a line that cannot
    /// say whether something runs.
    pub fn look_up(&mut self, timeout: Duration) -> Result<()> {
        match self {
            What::Lines(lines) => lines.look_up(timeout),
            What::Services(services) => {
                let engine = Engine::connect(services.socket.as_deref())?;
                services.running = engine.services(&services.services, &services.projects)?;
                Ok(())
            }
        }
    }

    /// Stops it. Each line, or each service, may take so long; a line ends, and no further service is stopped, once it
    /// `is_over`.
    pub fn stop(&mut self, timeout: Duration, is_over: &dyn Fn() -> bool) -> CommandOutcome {
        match self {
            What::Lines(lines) => lines.stop(timeout, is_over),
            What::Services(services) => told(|said| services.stop(timeout, said, is_over)),
        }
    }

    /// Starts it; the outcome, and the services that run and are unhealthy.
    pub fn start(&self, timeout: Duration) -> (CommandOutcome, Vec<String>) {
        match self {
            What::Lines(lines) => lines.start(timeout),
            What::Services(services) => {
                let mut unhealthy = Vec::new();
                (told(|said| services.start(timeout, said, &mut unhealthy)), unhealthy)
            }
        }
    }

    /// How often starting is tried: an engine may be started again itself.
    pub fn tries(&self) -> usize {
        match self {
            What::Lines(_) => 3,
            What::Services(_) => 30,
        }
    }

    /// What of it has run since it was stopped, before it is started.
    pub fn ran_meanwhile(&self) -> Result<Vec<String>> {
        match self {
            What::Lines(lines) => Ok(lines.ran_meanwhile()),
            What::Services(services) => services.ran_meanwhile(),
        }
    }

    /// What runs in its place, or beside it, and was not stopped.
    pub fn others(&self) -> Vec<String> {
        match self {
            What::Lines(_) => Vec::new(),
            // All of them may have been removed meanwhile: then nothing ran.
            What::Services(services) => services.others().unwrap_or_default(),
        }
    }
}

impl Services {
    fn stop(
        &mut self,
        timeout: Duration,
        said: &mut String,
        is_over: &dyn Fn() -> bool,
    ) -> Result<()> {
        let engine = Engine::connect(self.socket.as_deref())?;
        for service in self.running.iter_mut().take_while(|_| !is_over()) {
            engine.stop(service, timeout)?;
            line(said, &format!("stopped {}", service.name));
        }
        Ok(())
    }

    /// One that cannot be started keeps none of the others from being started.
    fn start(
        &self,
        timeout: Duration,
        said: &mut String,
        unhealthy: &mut Vec<String>,
    ) -> Result<()> {
        let engine = Engine::connect(self.socket.as_deref())?;
        let mut first = Ok(());
        for service in self.running.iter().rev() {
            match engine.start(service, timeout) {
                Ok(StartOutcome::Runs) => line(said, &format!("started {}", service.name)),
                Ok(StartOutcome::Replaced) => {
                    line(said, &format!("{} was replaced or removed: left alone", service.name))
                }
                Ok(StartOutcome::Unhealthy) => {
                    line(said, &format!("started {}, which is not healthy", service.name));
                    unhealthy.push(service.name.clone());
                }
                Err(error) => {
                    line(said, &error.to_string());
                    first = first.and(Err(error));
                }
            }
        }
        first
    }

    fn ran_meanwhile(&self) -> Result<Vec<String>> {
        let engine = Engine::connect(self.socket.as_deref())?;
        let mut ran = Vec::new();
        for service in &self.running {
            if engine.has_run_since(service)? {
                ran.push(service.name.clone());
            }
        }
        Ok(ran)
    }

    fn others(&self) -> Result<Vec<String>> {
        let engine = Engine::connect(self.socket.as_deref())?;
        let now = engine.services(&self.services, &self.projects)?;
        let is_other = |it: &Service| self.running.iter().all(|stopped| stopped.id != it.id);
        Ok(now.into_iter().filter(is_other).map(|other| other.name).collect())
    }
}

fn line(said: &mut String, text: &str) {
    // Writing to a text does not fail.
    let _ = writeln!(said, "{text}");
}

/// Does it, and tells of it as of a line for the shell.
fn told(work: impl FnOnce(&mut String) -> Result<()>) -> CommandOutcome {
    let begun = Instant::now();
    let mut output = String::new();
    let failure = work(&mut output).err().and_then(|error| CommandOutcome::failed(&error).failure);
    let seconds = begun.elapsed().as_secs_f64();
    CommandOutcome { failure, output, seconds, ..CommandOutcome::default() }
}
