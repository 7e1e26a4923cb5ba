//! The container that this process itself runs in, if it does, and which of the host's folders it has
//! mounted.

use super::Engine;
use super::container::{Container, Mount};
use crate::error::{Attempt, Error, Kind, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The file that Podman mounts in each container, from a folder that has its id as its name.
const OF_PODMAN: &str = "/run/.containerenv";

/// Files that engines mount in a container, likewise; they are another container's where that one's network is shared.
const OF_NETWORK: [&str; 3] = ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

/// Length of a container's id.
const ID_LENGTH: usize = 64;

/// What of the host is here.
pub(super) enum HostMounts {
    /// All of it: this process runs on the host, as far as the engine knows.
    Host,
    /// What is mounted in a container.
    Container {
        /// Its id.
        id: String,
        /// Its name.
        name: String,
        /// What is mounted in it.
        mounts: Vec<Mount>,
    },
}

impl Engine {
    /// Where this process runs.
    ///
    /// # Errors
    /// It runs in a container, and it cannot be told in which.
    pub(super) fn here(&self) -> Result<HostMounts> {
        let mounts = mounts_of_process();
        if let [own] = &self.known(ids(&mounts, &[OF_PODMAN]))?[..] {
            return Ok(own.into());
        }
        let mut near = self.known(ids(&mounts, &OF_NETWORK))?;
        if near.is_empty() {
            return Ok(HostMounts::Host);
        }
        let owners: Vec<String> = near.iter().map(|owner| owner.id.clone()).collect();
        let sharing = self.list(&[])?.into_iter();
        let sharing =
            sharing.filter(|it| it.network_of.as_ref().is_some_and(|of| owners.contains(of)));
        near.extend(self.known(sharing.map(|it| it.id).collect())?);
        Ok(own_of(&near, &mounts)?.into())
    }

    /// The ids of the containers that must not be stopped: that of this process, and the one whose network it has.
    pub(super) fn own(&self) -> Result<BTreeSet<String>> {
        let mut own = BTreeSet::from_iter(ids(&mounts_of_process(), &OF_NETWORK));
        if let HostMounts::Container { id, .. } = self.here()? {
            own.insert(id);
        }
        Ok(own)
    }

    /// Those of these containers that are this engine's. Unknown ones belong to another engine, as when this one itself
    /// runs in the same container as this process.
    fn known(&self, ids: Vec<String>) -> Result<Vec<Container>> {
        let found = ids.iter().map(|id| self.container(id));
        let is_known = |found: &Result<Container>| {
            !found.as_ref().is_err_and(|error| error.kind() == Kind::NotFound)
        };
        found.filter(is_known).collect()
    }
}

/// Which of these containers a process with these mounts runs in: all that is mounted in that one is mounted here, and
/// no other of which that is true has more.
fn own_of<'c>(near: &'c [Container], mounts: &str) -> Result<&'c Container> {
    let there: BTreeSet<PathBuf> = lines(mounts).map(|(_, place)| place).collect();
    let is_here = |mount: &Mount| {
        let place = &mount.destination;
        there.contains(place) || place.canonicalize().is_ok_and(|place| there.contains(&place))
    };
    let fits = |own: &&Container| own.is_running && own.mounts.iter().all(is_here);
    let fitting: Vec<&Container> = near.iter().filter(fits).collect();
    let most = fitting.iter().map(|own| own.mounts.len()).max();
    let chosen: Vec<&Container> =
        fitting.into_iter().filter(|own| Some(own.mounts.len()) == most).collect();
    let names = |list: &[&Container]| {
        let names: Vec<&str> = list.iter().map(|it| it.name.as_str()).collect();
        names.join(", ")
    };
    let error = || Error::new(Kind::Failed, "find", "the container that icecore runs in");
    match &chosen[..] {
        [own] => Ok(own),
        [] => Err(error()
            .because(format!(
                "it shares the network of {}, and no container on that network has the mounts seen here",
                names(&near.iter().collect::<Vec<_>>())
            ))
            .hint("give it a network that is no other container's")),
        several => Err(error()
            .because(format!("the same is mounted in {}, which share a network", names(several)))
            .hint("give it a network that is no other container's, or mount something in it alone")),
    }
}

impl From<&Container> for HostMounts {
    fn from(own: &Container) -> Self {
        let (id, name, mounts) = (own.id.clone(), own.name.clone(), own.mounts.clone());
        HostMounts::Container { id, name, mounts }
    }
}

impl HostMounts {
    /// Whether this process runs in the container of this id.
    pub(super) fn is_in(&self, id: &str) -> bool {
        matches!(self, HostMounts::Container { id: own, .. } if own == id)
    }

    /// Whether a path of the host leads to the same place here.
    pub(super) fn contains(&self, path: &Path) -> bool {
        let HostMounts::Container { mounts, .. } = self else { return true };
        let around = mounts.iter().filter(|mount| path.starts_with(&mount.destination));
        let nearest = around.max_by_key(|mount| mount.destination.components().count());
        nearest.is_some_and(|mount| mount.source == mount.destination)
    }

    /// Fails unless it does.
    pub(super) fn require(&self, path: &Path) -> Result<()> {
        match self {
            HostMounts::Container { name, .. } if !self.contains(path) => {
                let shown = path.display();
                Err(Error::new(Kind::NotFound, "find what of the host is", &shown)
                    .because(format!("it is not mounted in {name}, the container of icecore"))
                    .hint(format!("mount it there at the same path: `-v {shown}:{shown}`")))
            }
            _ => Ok(()),
        }
    }
}

/// Fails if a path lies in nothing that is mounted, but in the container's own files, which go with it.
///
/// # Errors
/// `Refused`; and if it is not known what is mounted.
pub fn refuse_unmounted(path: &Path) -> Result<()> {
    let real = path.ancestors().find_map(|above| above.canonicalize().ok()).unwrap_or_default();
    let mounts = fs::read_to_string("/proc/self/mountinfo").attempt("find", "what is mounted")?;
    match is_mounted(&mounts, &real) {
        true => Ok(()),
        false => {
            let shown = path.display();
            Err(Error::new(Kind::Refused, "use", &shown)
                .because("it is not mounted: it would be the container's own, and nothing of the host's")
                .hint(format!(
                    "mount it in the container of icecore: `-v {shown}:{shown}`; where its own files are meant, set \
                     ICECORE_MOUNTED_ONLY to nothing"
                )))
        }
    }
}

fn mounts_of_process() -> String {
    fs::read_to_string("/proc/self/mountinfo").unwrap_or_default()
}

/// The ids of containers that have folders from which these files are mounted.
fn ids(mounts: &str, files: &[&str]) -> Vec<String> {
    let of_file = |place: &&str| {
        let line = lines(mounts).find(|(_, mounted)| mounted == Path::new(place));
        let names = line.into_iter().flat_map(|(root, _)| root.split('/'));
        names.filter(|name| is_id(name)).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut ids: Vec<String> = files.iter().flat_map(of_file).collect();
    ids.sort();
    ids.dedup();
    ids
}

fn is_id(name: &str) -> bool {
    name.len() == ID_LENGTH && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_mounted(mounts: &str, real: &Path) -> bool {
    lines(mounts).any(|(_, place)| place != Path::new("/") && real.starts_with(&place))
}

/// Of each mount, what of its file system is mounted, and where. The kernel writes blanks and the like as octal
/// numbers.
fn lines(mounts: &str) -> impl Iterator<Item = (&str, PathBuf)> {
    mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(3);
        let (root, place) = (fields.next()?, fields.next()?);
        let escapes = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
        let place = escapes.iter().fold(place.to_owned(), |it, (from, to)| it.replace(from, to));
        Some((root, PathBuf::from(place)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ID: &str = "3d42b709505e362972a8cbc1d058ab316bf4e5d98b4283f9750e61e04680322d";

    /// A process knows its own container by what the engine mounts in it; a host, on which containers have
    /// mounts, is none of them.
    #[test]
    fn the_own_container_is_known() {
        let docker = format!(
            "640 620 254:1 /var/lib/docker/containers/{ID}/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw"
        );
        let podman = format!(
            "9 8 0:25 /containers/overlay-containers/{ID}/userdata/hosts /etc/hosts rw - tmpfs tmpfs rw"
        );
        let host = format!(
            "51 29 0:44 / /var/lib/docker/containers/{ID}/mounts/shm rw - tmpfs shm rw,size=65536k"
        );
        assert_eq!(ids(&docker, &OF_NETWORK), [ID]);
        assert_eq!(ids(&podman, &OF_NETWORK), [ID]);
        assert!(ids(&host, &OF_NETWORK).is_empty());
    }

    /// Of containers that share a network, this process runs in the one that has most, if all of that is here.
    #[test]
    fn containers_of_one_network_are_told_apart() {
        let container = |name: &str, places: &[&str]| {
            let mounts = places
                .iter()
                .map(|place| json!({ "Type": "bind", "Source": "/srv", "Destination": place }));
            let said = json!({
                "Id": name, "Name": format!("/{name}"), "State": { "Running": true },
                "Mounts": mounts.collect::<Vec<_>>(),
            });
            Container::new(serde_json::from_value(said).unwrap()).unwrap()
        };
        let here = "1 0 0:1 / / rw - overlay overlay rw\n2 1 0:2 /a /srv rw - ext4 a rw\n3 1 0:2 /b /key rw - ext4 a rw";
        let (bare, srv) = (container("bare", &[]), container("srv", &["/srv"]));
        let (own, more) =
            (container("own", &["/srv", "/key"]), container("more", &["/srv", "/nowhere"]));
        let told = |near: &[&Container]| {
            let near: Vec<Container> = near.iter().copied().cloned().collect();
            own_of(&near, here).map(|own| own.name.clone()).map_err(|error| error.to_string())
        };
        assert_eq!(told(&[&bare, &more, &own, &srv]), Ok("own".to_owned()));
        assert!(told(&[&more]).is_err_and(|said| said.contains("the network of more")));
        let error = told(&[&srv, &own, &container("twin", &["/key", "/srv"])]);
        assert!(error.is_err_and(|said| said.contains("own, twin, which share")));
    }

    /// What is mounted at the same path is the host's, also below it; what hides it, or stands elsewhere, is not.
    #[test]
    fn only_the_same_paths_are_the_same() {
        let mount = |source: &str, destination: &str| Mount {
            volume: None,
            source: source.into(),
            destination: destination.into(),
        };
        let mounts =
            vec![mount("/srv", "/srv"), mount("/mnt/a", "/srv/hidden"), mount("/var", "/host/var")];
        let here = HostMounts::Container { id: ID.to_owned(), name: "icecore".to_owned(), mounts };
        for (path, has) in [
            ("/srv", true),
            ("/srv/app/data", true),
            ("/srv/hidden", false),
            ("/srv/hidden/deep", false),
            ("/srvs", false),
            ("/var/lib", false),
        ] {
            assert_eq!(here.contains(Path::new(path)), has, "{path}");
            assert!(HostMounts::Host.contains(Path::new(path)));
        }
    }

    /// What lies in nothing but the root is not mounted; names with blanks are understood.
    #[test]
    fn mounts_are_understood() {
        let mounts = "27 1 254:0 / / rw - overlay overlay rw\n28 27 0:5 /a /srv/my\\040app rw - ext4 /dev/vda rw";
        assert!(is_mounted(mounts, Path::new("/srv/my app/data")));
        assert!(!is_mounted(mounts, Path::new("/srv/my")) && !is_mounted(mounts, Path::new("/")));
    }
}
