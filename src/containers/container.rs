//! Containers as the engine describes them.

use super::Engine;
use super::states::in_any_state;
use crate::error::{Error, Kind, Result};
use crate::text;
use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary, HealthStatusEnum,
    MountPoint,
};
use bollard::query_parameters::ListContainersOptions;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;

/// The label of Compose that names a project.
pub(super) const PROJECT: &str = "com.docker.compose.project";
/// The one that names a service of it.
pub(super) const SERVICE: &str = "com.docker.compose.service";

/// A container in a list.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) labels: BTreeMap<String, String>,
    /// The container whose network it shares.
    pub(super) network_of: Option<String>,
}

/// A container.
#[derive(Clone, Debug)]
pub struct Container {
    /// Its id, which another one in its place does not have.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it runs, and is not paused.
    pub is_running: bool,
    /// Whether it ended by itself, and the engine is about to start it again.
    pub(super) is_restarting: bool,
    /// Whether the engine is about to remove it, or could not.
    pub(super) is_gone: bool,
    /// Whether the engine removes it when it stops.
    pub is_removed_after: bool,
    /// How well it is, where it says so.
    pub health: Option<Health>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// What of this machine stands in it.
    pub(super) mounts: Vec<Mount>,
    /// `NAME=VALUE`.
    variables: Vec<String>,
    /// All that the engine says.
    inspected: ContainerInspectResponse,
}

/// How well a container is, by its own check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It is well.
    Healthy,
    /// It is not known yet.
    Starting,
    /// It is not well.
    Unhealthy,
}

/// Something of this machine in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// A volume of this name, or else a path of the host.
    pub(super) volume: Option<String>,
    /// Where it lies on the host.
    pub(super) source: PathBuf,
    /// Where it stands in the container.
    pub(super) destination: PathBuf,
}

impl Engine {
    /// The container of this name or id.
    pub fn container(&self, name: &str) -> Result<Container> {
        let call = in_any_state(self.docker.inspect_container(name, None));
        let inspected =
            self.ask("find the container", name, call).map_err(|error| match error.kind() {
                Kind::NotFound => self.without(error.because("there is no such container")),
                _ => error,
            })?;
        Container::new(inspected)
    }

    /// All containers with these labels, running or not, in the order of their names.
    pub fn containers(&self, labels: &[String]) -> Result<Vec<Container>> {
        let mut containers = Vec::new();
        for listed in self.list(labels)? {
            match self.container(&listed.id) {
                Ok(container) => containers.push(container),
                // It was removed just now.
                Err(error) if error.kind() == Kind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(containers)
    }

    /// The same, without asking for each.
    pub(super) fn list(&self, labels: &[String]) -> Result<Vec<Listed>> {
        let filters = match labels {
            [] => None,
            labels => Some(HashMap::from([("label".to_owned(), labels.to_vec())])),
        };
        let options =
            ListContainersOptions { all: true, filters, ..ListContainersOptions::default() };
        let socket = self.socket().display().to_string();
        let call = in_any_state(self.docker.list_containers(Some(options)));
        let summaries = self.ask("list the containers of", &socket, call)?;
        let mut listed: Vec<Listed> = summaries.into_iter().filter_map(Listed::new).collect();
        listed.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(listed)
    }

    /// The projects of Compose that have containers, running or not.
    pub fn projects(&self) -> Result<Vec<String>> {
        let mut listed = self.list(&[PROJECT.to_owned()])?;
        let names = listed.iter_mut().filter_map(|it| it.labels.remove(PROJECT));
        let names: BTreeSet<String> = names.collect();
        Ok(names.into_iter().collect())
    }

    /// The containers of a project of Compose.
    ///
    /// # Errors
    /// `NotFound`, with the projects that there are.
    pub fn project(&self, project: &str) -> Result<Vec<Container>> {
        let containers = self.containers(&[format!("{PROJECT}={project}")])?;
        if !containers.is_empty() {
            return Ok(containers);
        }
        let known = self.projects()?;
        let error = Error::new(Kind::NotFound, "find the Compose project", project)
            .because("no container, running or not, belongs to it");
        let none = "create it: `docker compose up`; this engine has no project at all";
        Err(error.hint(text::known(known, none)))
    }

    fn without(&self, error: Error) -> Error {
        let listed = self.list(&[]).unwrap_or_default();
        let none = format!("the engine at {} has none", self.socket().display());
        error.hint(text::known(listed.iter().map(|it| &it.name), &none))
    }
}

impl Listed {
    fn new(summary: ContainerSummary) -> Option<Self> {
        let names = summary.names.unwrap_or_default();
        // Others are what containers linked to it call it.
        let name =
            names.iter().map(|name| name.trim_start_matches('/')).find(|it| !it.contains('/'));
        Some(Listed {
            id: summary.id?,
            name: name?.to_owned(),
            labels: summary.labels.unwrap_or_default().into_iter().collect(),
            network_of: summary
                .host_config
                .and_then(|host| network_of(host.network_mode.as_deref()?)),
        })
    }

    /// The service of Compose that it is.
    pub(super) fn service(&self) -> Option<&str> {
        self.labels.get(SERVICE).map(String::as_str)
    }

    /// Whether it is of one of these projects; of any if there are none.
    pub(super) fn is_of(&self, projects: &[String]) -> bool {
        let project = self.labels.get(PROJECT);
        projects.is_empty() || project.is_some_and(|project| projects.contains(project))
    }

    /// Whether it is meant by a name: of a service in these projects, its own if it belongs to none of
    /// them or of others, or a label `NAME=VALUE`.
    pub(super) fn is_called(&self, name: &str, projects: &[String]) -> bool {
        if let Some((label, value)) = name.split_once('=') {
            return self.labels.get(label).is_some_and(|known| known == value);
        }
        let is_its_own = self.name == name && (self.is_of(projects) || self.service().is_none());
        self.service() == Some(name) && self.is_of(projects) || is_its_own
    }
}

impl Container {
    pub(super) fn new(inspected: ContainerInspectResponse) -> Result<Self> {
        let lacks = || {
            Error::new(Kind::Failed, "understand", "what the container engine says of a container")
        };
        let config = inspected.config.clone().unwrap_or_default();
        let state = inspected.state.clone().unwrap_or_default();
        let host = inspected.host_config.clone().unwrap_or_default();
        let is = |state: Option<bool>| state.unwrap_or(false);
        let is_removed = state.status == Some(ContainerStateStatusEnum::REMOVING);
        let health =
            state.health.and_then(|health| health.status).and_then(|status| match status {
                HealthStatusEnum::HEALTHY => Some(Health::Healthy),
                HealthStatusEnum::STARTING => Some(Health::Starting),
                HealthStatusEnum::UNHEALTHY => Some(Health::Unhealthy),
                HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => None,
            });
        let name = inspected.name.as_deref().ok_or_else(lacks)?.trim_start_matches('/').to_owned();
        Ok(Container {
            id: inspected.id.clone().ok_or_else(lacks)?,
            name,
            is_running: is(state.running) && !is(state.paused),
            is_restarting: is(state.restarting),
            is_gone: is(state.dead) || is_removed,
            is_removed_after: is(host.auto_remove),
            health,
            labels: config.labels.unwrap_or_default().into_iter().collect(),
            mounts: inspected.mounts.iter().flatten().filter_map(mount).collect(),
            variables: config.env.unwrap_or_default(),
            inspected,
        })
    }

    /// A variable of its environment.
    pub fn variable(&self, name: &str) -> Option<&str> {
        let value = |variable: &'_ String| -> Option<usize> {
            let (known, _) = variable.split_once('=')?;
            (known == name).then_some(known.len() + 1)
        };
        self.variables.iter().rev().find_map(|it| it.get(value(it)?..)).filter(|it| !it.is_empty())
    }

    /// The service of Compose that it is.
    pub fn service(&self) -> Option<&str> {
        self.labels.get(SERVICE).map(String::as_str)
    }

    /// What it is called for as long as its service or its name stays: the project's and the service's
    /// names, or its own.
    pub fn stable_name(&self) -> String {
        match (self.labels.get(PROJECT), self.service()) {
            (Some(project), Some(service)) => {
                match self.labels.get("com.docker.compose.container-number") {
                    Some(number) if number != "1" => format!("{project}-{service}-{number}"),
                    _ => format!("{project}-{service}"),
                }
            }
            _ => self.name.clone(),
        }
    }

    /// The image that it was made of.
    pub(super) fn image(&self) -> Option<&str> {
        self.inspected.image.as_deref()
    }

    /// As it stands in a list.
    pub(super) fn listed(&self) -> Listed {
        let mode =
            self.inspected.host_config.as_ref().and_then(|host| host.network_mode.as_deref());
        Listed {
            id: self.id.clone(),
            name: self.name.clone(),
            labels: self.labels.clone(),
            network_of: mode.and_then(network_of),
        }
    }

    /// When it was started last, in the engine's words.
    pub(super) fn started_at(&self) -> &str {
        let state = self.inspected.state.as_ref();
        state.and_then(|state| state.started_at.as_deref()).unwrap_or_default()
    }

    /// What it is made of, without what changes while it runs.
    pub(super) fn description(&self) -> Value {
        let mut value = serde_json::to_value(&self.inspected).unwrap_or_default();
        if let Some(object) = value.as_object_mut() {
            let passing = [
                "State",
                "ExecIDs",
                "LogPath",
                "ResolvConfPath",
                "HostnamePath",
                "HostsPath",
                "ProcessLabel",
                "RestartCount",
                "GraphDriver",
            ];
            passing.iter().for_each(|name| drop(object.remove(*name)));
        }
        value
    }
}

/// The container whose network is shared by this mode.
fn network_of(mode: &str) -> Option<String> {
    mode.strip_prefix("container:").map(str::to_owned)
}

fn mount(mount: &MountPoint) -> Option<Mount> {
    let volume = match mount.typ.as_deref()? {
        "volume" => Some(mount.name.clone()?),
        "bind" => None,
        _ => return None,
    };
    let path = |text: &Option<String>| PathBuf::from(text.as_deref().unwrap_or_default());
    Some(Mount { volume, source: path(&mount.source), destination: path(&mount.destination) })
}
