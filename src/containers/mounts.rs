//! The folders of this machine that containers have mounted, and which of them are data folders of a
//! PostgreSQL server, which is dumped instead.

use super::Engine;
use super::container::{Container, Mount};
use super::options::CaptureOptions;
use super::own_container::HostMounts;
use super::volume::NOT_HERE;
use crate::error::{Error, Kind, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// A folder or file of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Where it lies.
    pub path: PathBuf,
    /// Where it stands in the snapshot; none if it stands where it lies.
    pub stored: Option<PathBuf>,
    /// Whether whatever writes to it has been stopped for the capture.
    pub is_quiesced: bool,
}

/// A PostgreSQL that runs in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// What it is called in the snapshot.
    pub name: String,
    /// The id of its container.
    pub container: String,
    /// Its superuser.
    pub user: String,
    /// Its data on this machine, which is not captured as files.
    pub data: PathBuf,
}

/// Folders of the host that belong to its system, or to the engine, and to no application.
const OF_HOST: [&str; 10] = [
    "/",
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/var/run",
    "/var/lib/docker",
    "/var/lib/containers",
    "/etc/localtime",
    "/lib/modules",
];

/// Most folders that are looked into for a database.
const LOOKED_INTO: usize = 256;

/// What the containers have of this machine, each once.
pub(super) struct Mounts<'e> {
    engine: &'e Engine,
    options: &'e CaptureOptions,
    here: &'e HostMounts,
    folders: BTreeMap<PathBuf, Folder>,
    servers: Vec<Server>,
    warnings: Vec<String>,
}

impl<'e> Mounts<'e> {
    pub(super) fn new(
        engine: &'e Engine,
        options: &'e CaptureOptions,
        here: &'e HostMounts,
    ) -> Self {
        let (folders, servers, warnings) = Default::default();
        Mounts { engine, options, here, folders, servers, warnings }
    }

    /// Adds those of containers, which may share some.
    pub(super) fn add(&mut self, containers: &[Container]) -> Result<()> {
        let mut seen = BTreeSet::new();
        for container in containers {
            for mount in &container.mounts {
                if !seen.insert((mount.volume.clone(), mount.source.clone())) {
                    continue;
                }
                if let Some(folder) = self.folder(container, mount)? {
                    self.take(containers, mount, folder)?;
                }
            }
        }
        Ok(())
    }

    /// Says that those of icecore's own container are not added.
    pub(super) fn leave_out(&mut self, own: &str) {
        self.warnings.push(format!("icecore runs in {own}: what is mounted there is left out"));
    }

    /// Adds a file or folder of the host.
    pub(super) fn add_path(&mut self, path: PathBuf) {
        self.keep(Folder { path, stored: None, is_quiesced: self.options.is_quiesced });
    }

    fn keep(&mut self, folder: Folder) {
        self.folders.entry(folder.path.clone()).or_insert(folder);
    }

    /// What was found: folders, servers, and what is to be known of it.
    pub(super) fn into_parts(self) -> (Vec<Folder>, Vec<Server>, Vec<String>) {
        (self.folders.into_values().collect(), self.servers, self.warnings)
    }

    /// Where a mount lies, if it is to be captured.
    fn folder(&mut self, container: &Container, mount: &Mount) -> Result<Option<Folder>> {
        if let Some(name) = &mount.volume {
            if self.options.leaves_out(name) {
                return Ok(None);
            }
            let volume = self.engine.volume(name, self.here)?;
            let name = match is_anonymous(name) {
                // The engine made the name up, and makes up another one next time.
                true => {
                    container.stable_name() + &mount.destination.to_string_lossy().replace('/', "-")
                }
                false => volume.name,
            };
            return Ok(Some(Folder {
                path: volume.folder,
                stored: Some(Path::new("/volume").join(name)),
                is_quiesced: self.options.is_quiesced,
            }));
        }
        let path = mount.source.clone();
        let is_of_host = OF_HOST.iter().any(|host| path == Path::new(host))
            || ["/proc", "/sys", "/dev"].iter().any(|host| path.starts_with(host));
        if is_of_host {
            let path = path.display();
            self.warnings
                .push(format!("{} has {path} of this machine, which is left out", container.name));
            return Ok(None);
        }
        let found = path.metadata();
        // A socket or a device.
        if found.as_ref().is_ok_and(|found| !found.is_dir() && !found.is_file()) {
            return Ok(None);
        }
        let (attempted, name) = ("find what is mounted in", &container.name);
        self.here.require(&path).map_err(|cause| cause.within(attempted, name))?;
        match found {
            Ok(_) => Ok(Some(Folder { path, stored: None, is_quiesced: self.options.is_quiesced })),
            Err(cause) => Err(Error::new(Kind::NotFound, attempted, name)
                .because(format!("{} cannot be looked at: {cause}", path.display()))
                .hint(NOT_HERE)),
        }
    }

    /// Takes a folder, or the database in it by its server.
    fn take(&mut self, containers: &[Container], mount: &Mount, mut folder: Folder) -> Result<()> {
        let has_it = |container: &&Container| {
            container.mounts.iter().any(|it| it.volume == mount.volume && it.source == mount.source)
        };
        let mut having: Vec<&Container> = containers.iter().filter(has_it).collect();
        folder.is_quiesced |= having.iter().all(|container| self.options.stops(container));
        let data = database_in(&folder.path).filter(|_| !self.options.raw);
        let Some(data) = data else {
            self.keep(folder);
            return Ok(());
        };
        having.sort_by_key(|container| !is_server_of(container, mount));
        match having.iter().find(|container| container.is_running && !self.options.stops(container))
        {
            Some(container) => {
                self.servers.push(Server {
                    name: container.stable_name(),
                    container: container.id.clone(),
                    user: container.variable("POSTGRES_USER").unwrap_or("postgres").to_owned(),
                    data: data.clone(),
                });
                if data != folder.path {
                    self.keep(folder);
                }
                Ok(())
            }
            None if folder.is_quiesced => {
                self.keep(folder);
                Ok(())
            }
            None => {
                let names: Vec<&str> = having.iter().map(|it| it.name.as_str()).collect();
                Err(Error::new(Kind::Refused, "dump the PostgreSQL databases of", names.join(", "))
                    .because("it does not run, and its files alone are captured only on request")
                    .hint("start it; or say `raw = true`, if nothing writes to them meanwhile; or leave its \
                           volume out: `exclude = [\"volume:NAME\"]`"))
            }
        }
    }
}

/// Whether a container says that its databases lie in a mount.
fn is_server_of(container: &Container, mount: &Mount) -> bool {
    container.variable("PGDATA").is_some_and(|data| Path::new(data).starts_with(&mount.destination))
}

/// Whether the engine made the name of a volume up.
fn is_anonymous(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Where in a folder the data of a PostgreSQL lies, if it is there or up to two folders deeper.
fn database_in(folder: &Path) -> Option<PathBuf> {
    let inside = |folder: &PathBuf| -> Vec<PathBuf> {
        let entries = folder.read_dir().into_iter().flatten().flatten();
        let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        folders.map(|entry| entry.path()).take(LOOKED_INTO).collect()
    };
    let is_database = |folder: &&PathBuf| folder.join("PG_VERSION").is_file();
    let mut level = vec![folder.to_owned()];
    for _ in 0..3 {
        if let Some(found) = level.iter().find(is_database) {
            return Some(found.clone());
        }
        level = level.iter().flat_map(inside).take(LOOKED_INTO).collect();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The data of a PostgreSQL is found where images of all versions put it, and nowhere else.
    #[test]
    fn databases_are_found() {
        for (place, found) in [(".", true), ("data", true), ("18/docker", true), ("a/b/c", false)] {
            let folder = tempfile::tempdir().unwrap();
            let data = folder.path().join(place);
            std::fs::create_dir_all(&data).unwrap();
            assert_eq!(database_in(folder.path()), None);
            std::fs::write(data.join("PG_VERSION"), "18").unwrap();
            let at = database_in(folder.path()).map(|at| at.canonicalize().unwrap());
            assert_eq!(at, found.then(|| data.canonicalize().unwrap()), "{place}");
        }
    }
}
