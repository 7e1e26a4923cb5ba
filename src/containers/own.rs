//! The container that this process runs in, if it runs in one of the engine's: which of the host's folders are
//! the same ones here.

use super::Engine;
use super::container::Mount;
use crate::error::{Attempt, Error, Kind, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// Files that an engine mounts in a container from a folder that has the container's id as its name. The first is
/// never another container's, as those of a shared network are.
const OF_ENGINE: [&str; 4] =
    ["/run/.containerenv", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf"];

/// Length of a container's id.
const ID_LENGTH: usize = 64;

/// What of the host is here.
pub(super) enum Here {
    /// All of it: this process runs on the host, as far as the engine knows.
    Host,
    /// What is mounted in the container of this name.
    Container(String, Vec<Mount>),
}

impl Engine {
    /// Where this process runs.
    pub(super) fn here(&self) -> Result<Here> {
        for id in ids(&mounts_of_process()) {
            match self.container(&id) {
                Ok(own) => return Ok(Here::Container(own.name, own.mounts)),
                // It is another engine's: all of this one is in the same container.
                Err(error) if error.kind() == Kind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Here::Host)
    }
}

impl Here {
    /// Whether a path of the host leads to the same place here.
    pub(super) fn has(&self, path: &Path) -> bool {
        let Here::Container(_, mounts) = self else { return true };
        let around = mounts.iter().filter(|mount| path.starts_with(&mount.destination));
        let nearest = around.max_by_key(|mount| mount.destination.components().count());
        nearest.is_some_and(|mount| mount.source == mount.destination)
    }

    /// Fails unless it does.
    pub(super) fn prove(&self, path: &Path) -> Result<()> {
        match self {
            Here::Container(name, _) if !self.has(path) => {
                let shown = path.display();
                Err(Error::new(Kind::NotFound, "find what of the host is", &shown)
                    .because(format!("it is not mounted in {name}, the container of icecore"))
                    .hint(format!("mount it there at the same path: `-v {shown}:{shown}`")))
            }
            _ => Ok(()),
        }
    }
}

/// Whether this process runs in the container.
pub(super) fn is_this_one(id: &str) -> bool {
    ids(&mounts_of_process()).iter().any(|own| own == id)
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

/// The ids that containers of this process may have, by what is mounted.
fn ids(mounts: &str) -> Vec<String> {
    let of_file = |place: &&str| {
        let line = lines(mounts).find(|(_, mounted)| *mounted == Path::new(place));
        let names = line.into_iter().flat_map(|(root, _)| root.split('/'));
        names.filter(|name| is_id(name)).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut ids: Vec<String> = OF_ENGINE.iter().flat_map(of_file).collect();
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
        assert_eq!(ids(&docker), [ID]);
        assert_eq!(ids(&podman), [ID]);
        assert!(ids(&host).is_empty());
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
        let here = Here::Container("icecore".to_owned(), mounts);
        for (path, has) in [
            ("/srv", true),
            ("/srv/app/data", true),
            ("/srv/hidden", false),
            ("/srv/hidden/deep", false),
            ("/srvs", false),
            ("/var/lib", false),
        ] {
            assert_eq!(here.has(Path::new(path)), has, "{path}");
            assert!(Here::Host.has(Path::new(path)));
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
