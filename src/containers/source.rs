//! What `volume:NAME`, `container:NAME` and `compose:PROJECT` currently stand for.

use super::Engine;
use super::container::Container;
use super::mounts::{Folder, Mounts, Server};
use super::options::CaptureOptions;
use super::own_container::HostMounts;
use crate::error::{Error, Kind, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What of containers is to be captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerSource {
    /// A volume.
    Volume(String),
    /// A container's volumes and mounts.
    Container(String),
    /// Those of all containers of a Compose project.
    Project(String),
}

/// What was found.
#[derive(Debug, Default)]
pub struct ResolvedSource {
    /// Files and folders of this machine.
    pub folders: Vec<Folder>,
    /// Servers that are dumped.
    pub servers: Vec<Server>,
    /// Where the documents stand in the snapshot.
    pub place: PathBuf,
    /// How each container was made.
    pub documents: Vec<Document>,
    /// What is to be known of it.
    pub warnings: Vec<String>,
}

/// A text that stands in no file.
#[derive(Debug, PartialEq, Eq)]
pub struct Document {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub text: Vec<u8>,
}

impl ContainerSource {
    /// The name that a source's text is, if it is one.
    pub fn of(source: &str) -> Option<Self> {
        let (scheme, name) = source.split_once(':')?;
        let name = name.to_owned();
        match scheme {
            "volume" => Some(ContainerSource::Volume(name)),
            "container" => Some(ContainerSource::Container(name)),
            "compose" => Some(ContainerSource::Project(name)),
            _ => None,
        }
    }
}

impl Engine {
    /// What a name stands for.
    ///
    /// # Errors
    /// Whatever of it cannot be captured: nothing is left out without a word.
    pub fn resolve(
        &self,
        name: &ContainerSource,
        options: &CaptureOptions,
    ) -> Result<ResolvedSource> {
        let here = self.here()?;
        let mut mounts = Mounts::new(self, options, &here);
        match name {
            ContainerSource::Volume(name) => {
                let folder = self.volume(name, &here)?.folder;
                let stored = Some(Path::new("/volume").join(name));
                Ok(ResolvedSource {
                    folders: vec![Folder {
                        path: folder,
                        stored,
                        is_quiesced: options.is_quiesced,
                    }],
                    ..ResolvedSource::default()
                })
            }
            ContainerSource::Container(name) => {
                let containers = [self.container(name)?];
                mounts.add(&containers)?;
                self.whole(mounts, Path::new("/container").join(name), &containers)
            }
            ContainerSource::Project(project) => {
                let containers = self.project(project)?;
                // What icecore itself has mounted is there to be captured as what it is.
                let (own, others): (Vec<_>, Vec<_>) =
                    containers.iter().cloned().partition(|container| here.is_in(&container.id));
                own.iter().for_each(|own| mounts.leave_out(&own.name));
                mounts.add(&others)?;
                files_of(&containers, &here).into_iter().for_each(|path| mounts.add_path(path));
                self.whole(mounts, Path::new("/compose").join(project), &containers)
            }
        }
    }

    fn whole(
        &self,
        mounts: Mounts<'_>,
        place: PathBuf,
        containers: &[Container],
    ) -> Result<ResolvedSource> {
        let mut documents = BTreeMap::new();
        for container in containers {
            let name = format!("{}.json", container.stable_name());
            documents.insert(name, self.description(container)?);
        }
        let documents = documents.into_iter().map(|(name, text)| Document { name, text }).collect();
        let (folders, servers, warnings) = mounts.into_parts();
        Ok(ResolvedSource { folders, servers, place, documents, warnings })
    }

    /// How a container was made, with the digests of its image.
    fn description(&self, container: &Container) -> Result<Vec<u8>> {
        let mut description = container.description();
        if let (Some(object), Some(image)) = (description.as_object_mut(), container.image()) {
            let found = self.ask("find the image", image, self.docker.inspect_image(image));
            // An image may be gone whose container still runs.
            let digests = found.ok().and_then(|found| found.repo_digests).unwrap_or_default();
            object.insert("ImageDigests".to_owned(), Value::from(digests));
        }
        serde_json::to_vec_pretty(&description)
            .map_err(|cause| Error::new(Kind::Failed, "describe", &container.name).caused_by(cause))
    }
}

/// The Compose files of containers and the files of variables beside them, as far as they are here.
fn files_of(containers: &[Container], here: &HostMounts) -> BTreeSet<PathBuf> {
    let mut files = BTreeSet::new();
    for container in containers {
        let label =
            |name: &str| container.labels.get(&format!("com.docker.compose.project.{name}"));
        let folder = label("working_dir").map(Path::new).unwrap_or(Path::new(""));
        for name in ["config_files", "environment_file"] {
            let named = label(name).into_iter().flat_map(|list| list.split(',')).map(Path::new);
            // Compose 1 has them as they were typed, wherever that was.
            files.extend(named.map(|path| match path.is_absolute() {
                true => path.to_owned(),
                false => folder.join(path.file_name().unwrap_or_default()),
            }));
        }
        files.insert(folder.join(".env"));
    }
    files.retain(|path| path.is_absolute() && here.contains(path) && path.is_file());
    files
}
