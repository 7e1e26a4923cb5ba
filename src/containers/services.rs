//! Services that are stopped and started: which containers they are, in which order, and which must not be
//! touched.

use super::Engine;
use super::container::{Container, Health, Listed, PROJECT};
use super::states::in_any_state;
use crate::error::{Error, Kind, Result};
use crate::text;
use bollard::query_parameters::StopContainerOptions;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a container is looked at that is to get well.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// How much longer the engine may take to stop a container than the container itself.
const GRACE: Duration = Duration::from_secs(15);

/// A container that was found running.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// The container.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was started: another moment means that it ran since.
    pub since: String,
}

/// The outcome of a service that was to be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartOutcome {
    /// It runs.
    Runs,
    /// It runs, and is not well, or not yet.
    Unhealthy,
    /// It is gone: something else stands in its place, or nothing.
    Replaced,
}

impl Engine {
    /// The containers that run of the services of these names: of Compose, in these projects if there are any;
    /// or a container's name, or a label `NAME=VALUE`. Dependents come first.
    ///
    /// # Errors
    /// `NotFound` for a name that is none's, `Refused` for a container that must not be stopped.
    pub fn services(&self, names: &[String], projects: &[String]) -> Result<Vec<Service>> {
        let all = self.list(&[])?;
        let mut chosen: Vec<Container> = Vec::new();
        for name in names {
            let of_name: Vec<&Listed> =
                all.iter().filter(|it| it.is_called(name, projects)).collect();
            if of_name.is_empty() {
                return Err(unknown(name, &all, projects));
            }
            for listed in of_name {
                let found = self.inspected(&listed.id, &listed.name)?;
                let is_new = chosen.iter().all(|known| known.id != listed.id);
                chosen.extend(found.filter(|container| container.is_running && is_new));
            }
        }
        let own = self.own()?;
        chosen.iter().try_for_each(|container| refuse(container, &own))?;
        Ok(dependents_first(chosen.iter().collect())
            .into_iter()
            .map(Container::as_service)
            .collect())
    }

    /// Stops one, which may take so long by itself, and notes when it was started last.
    pub fn stop(&self, service: &mut Service, timeout: Duration) -> Result<()> {
        let seconds = i32::try_from(timeout.as_secs().max(1)).unwrap_or(i32::MAX);
        let options = StopContainerOptions { t: Some(seconds), ..StopContainerOptions::default() };
        let call = self.docker.stop_container(&service.id, Some(options));
        match self.ask_within(timeout + GRACE, "stop", &service.name, call) {
            Err(error) if error.kind() == Kind::NotFound => return Ok(()),
            stopped => stopped?,
        }
        // It may have been started again by the engine between being found and being stopped.
        if let Some(found) = self.still_there(service)?.filter(|found| !found.is_running) {
            found.started_at().clone_into(&mut service.since);
        }
        Ok(())
    }

    /// Starts one that this id still names, and waits so long until it is well, if it says how it is.
    pub fn start(&self, service: &Service, timeout: Duration) -> Result<StartOutcome> {
        let begun = Instant::now();
        let Some(found) = self.still_there(service)? else { return Ok(StartOutcome::Replaced) };
        if !found.is_running {
            let call = self.docker.start_container(&service.id, None);
            if let Err(error) = self.ask("start", &service.name, call) {
                return match self.still_there(service)? {
                    Some(_) => Err(error),
                    None => Ok(StartOutcome::Replaced),
                };
            }
        }
        let mut since = String::new();
        loop {
            let Some(found) = self.still_there(service)? else { return Ok(StartOutcome::Replaced) };
            if !found.is_running {
                return Err(Error::new(Kind::Failed, "start", &service.name)
                    .because("it ended again at once")
                    .hint("its log says why: `docker logs` or `podman logs`"));
            }
            // An engine may start one again that ends, and calls it running all the time.
            let has_stayed = !found.is_restarting && found.started_at() == since;
            match found.health {
                None | Some(Health::Healthy) if has_stayed => return Ok(StartOutcome::Runs),
                _ if begun.elapsed() >= timeout => return Ok(StartOutcome::Unhealthy),
                _ => found.started_at().clone_into(&mut since),
            }
            sleep(POLL_INTERVAL);
        }
    }

    /// Whether one has run since it was stopped.
    pub fn has_run_since(&self, service: &Service) -> Result<bool> {
        Ok(match self.still_there(service)? {
            Some(found) => found.is_running || found.started_at() != service.since,
            None => false,
        })
    }

    fn still_there(&self, service: &Service) -> Result<Option<Container>> {
        self.inspected(&service.id, &service.name)
    }

    /// The container of this id, if it is still there, and not about to be removed.
    fn inspected(&self, id: &str, name: &str) -> Result<Option<Container>> {
        let call = in_any_state(self.docker.inspect_container(id, None));
        match self.ask("look at", name, call) {
            Ok(found) => {
                Container::new(found).map(|found| Some(found).filter(|found| !found.is_gone))
            }
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Container {
    fn as_service(&self) -> Service {
        let since = self.started_at().to_owned();
        Service { id: self.id.clone(), name: self.name.clone(), since }
    }

    /// The services of its project that it needs.
    fn needs(&self) -> impl Iterator<Item = &str> {
        let list = self.labels.get("com.docker.compose.depends_on").map_or("", String::as_str);
        list.split(',').filter_map(|entry| entry.split(':').next()).filter(|name| !name.is_empty())
    }

    fn needs_other(&self, other: &Container) -> bool {
        self.id != other.id
            && self.labels.get(PROJECT) == other.labels.get(PROJECT)
            && other.service().is_some_and(|service| self.needs().any(|needed| needed == service))
    }
}

/// Each before those that it needs.
fn dependents_first(mut left: Vec<&Container>) -> Vec<&Container> {
    let mut ordered = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let is_needed =
            |container: &&&Container| left.iter().any(|other| other.needs_other(container));
        let free = left.iter().position(|container| !is_needed(&container));
        // A circle is broken anywhere.
        ordered.push(left.remove(free.unwrap_or(0)));
    }
    ordered
}

fn unknown(name: &str, all: &[Listed], projects: &[String]) -> Error {
    let near = all.iter().filter(|it| it.is_of(projects));
    let known: BTreeSet<&str> = near.map(|it| it.service().unwrap_or(&it.name)).collect();
    let known: Vec<&str> = known.into_iter().collect();
    let error = Error::new(Kind::NotFound, "find the service", name).because(
        "no container, running or not, is a service or has a name or a label of that kind",
    );
    error.hint(text::known(known, "its containers have to be created before: `docker compose up`"))
}

/// Refuses what would not come back, or would come back by itself.
fn refuse(container: &Container, own: &BTreeSet<String>) -> Result<()> {
    let refused = |reason: &str, hint: String| {
        Err(Error::new(Kind::Refused, "stop", &container.name).because(reason).hint(hint))
    };
    let label = |name: &str| container.labels.get(name);
    let commands = |stop: &str, start: &str| {
        format!("stop it by commands: `stop = {{ stop = \"{stop}\", start = \"{start}\" }}`")
    };
    if let Some(service) = label("com.docker.swarm.service.name") {
        let scale = |to: &str| format!("docker service scale {service}={to}");
        return refused(
            "it is a task of a swarm, which starts another one at once",
            commands(&scale("0"), &scale("1")),
        );
    }
    if let Some(unit) = label("PODMAN_SYSTEMD_UNIT") {
        let unit_to = |verb: &str| format!("systemctl {verb} {unit}");
        return refused(
            "systemd keeps it running, and would start it at once or forget it",
            commands(&unit_to("stop"), &unit_to("start")),
        );
    }
    if container.is_removed_after {
        let hint = commands(&format!("docker stop {}", container.name), "docker run ..");
        return refused(
            "it was made with `--rm`: stopped, it is removed",
            format!("make it without `--rm`, or {hint}"),
        );
    }
    match own.contains(&container.id) {
        true => refused(
            "icecore itself runs in it, or in its network",
            "leave it out of `services`".to_owned(),
        ),
        false => Ok(()),
    }
}
