//! Volumes, and where they lie on this machine.

use super::Engine;
use super::own_container::HostMounts;
use crate::error::{Error, Kind, Result};
use crate::text;
use bollard::query_parameters::ListVolumesOptions;
use std::path::PathBuf;

/// A volume whose content lies in a folder of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Volume {
    pub(super) name: String,
    pub(super) folder: PathBuf,
}

impl Engine {
    /// The volume of this name.
    ///
    /// # Errors
    /// `NotFound`, also if it is not the same folder here; `Unsupported` if it is mounted only while a container
    /// runs, or does not lie on this machine.
    pub(super) fn volume(&self, name: &str, here: &HostMounts) -> Result<Volume> {
        let found = match self.ask("find the volume", name, self.docker.inspect_volume(name)) {
            Err(error) if error.kind() == Kind::NotFound => {
                return Err(error.because("there is no such volume").hint(self.volumes_known()));
            }
            found => found?,
        };
        let error = || Error::new(Kind::Unsupported, "capture the volume", name);
        if found.driver != "local" {
            return Err(error()
                .because(format!(
                    "its driver is `{}`: it does not lie in a folder of this machine",
                    found.driver
                ))
                .hint(
                    "name a path of this machine that holds the same, or leave it out: \
                       `exclude = [\"volume:NAME\"]`",
                ));
        }
        let of_place = ["device", "type", "o"];
        if let Some(device) = of_place.iter().find_map(|key| found.options.get(*key)) {
            let device = found.options.get("device").unwrap_or(device);
            return Err(error()
                .because("it has options, and is mounted only while a container runs")
                .hint(format!(
                    "name the path of this machine that it stands for ({device}) as a source, and leave the \
                     volume out: `exclude = [\"volume:{name}\"]`"
                )));
        }
        let folder = PathBuf::from(&found.mountpoint);
        here.require(&folder).map_err(|cause| cause.within("capture the volume", name))?;
        if !folder.is_absolute() || !folder.exists() {
            return Err(error()
                .because(format!("{} is not there", folder.display()))
                .hint(NOT_HERE));
        }
        Ok(Volume { name: name.to_owned(), folder })
    }

    fn volumes_known(&self) -> String {
        let socket = self.socket().display().to_string();
        let listed = self.ask(
            "list the volumes of",
            &socket,
            self.docker.list_volumes(None::<ListVolumesOptions>),
        );
        let listed = listed.ok().and_then(|listed| listed.volumes).unwrap_or_default();
        let names = listed.into_iter().map(|volume| volume.name);
        text::known(names, "the engine has no volume at all")
    }
}

/// Why what an engine names may be missing here.
pub(super) const NOT_HERE: &str = "where icecore runs in a container itself, mount it there at the same path; an engine \
                        in a virtual machine has its data there";
