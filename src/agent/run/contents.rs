//! Whether everything is in a snapshot that must be.

use crate::error::{Error, Kind, Result};
use crate::format::directory::{Node, NodeKind};
use crate::id::SnapshotId;
use crate::ops::find::{FindOptions, find};
use crate::repo::{Reader, Repository};
use crate::source::JOB_FOLDER;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What must be in a snapshot and is not.
pub fn absent(
    repository: &Repository,
    id: SnapshotId,
    artifacts: &[String],
    projects: &[String],
) -> Result<Vec<String>> {
    let mut absent = artifacts.to_vec();
    if absent.is_empty() {
        return Ok(absent);
    }
    let mut snapshots = repository.snapshots(drop)?;
    snapshots.retain(|key| key.id == id);
    let index = repository.load_index()?;
    let reader = Reader::new(repository, &index);
    find(
        &reader,
        &snapshots,
        &FindOptions::default(),
        &mut |hit| {
            absent.retain(|artifact| !is(hit.path, artifact, projects) || !is_kept(hit.node));
            Ok(())
        },
        &mut |_, error| Err(error),
    )?;
    Ok(absent)
}

/// Fails unless all of it is there.
pub fn complete(
    repository: &Repository,
    id: SnapshotId,
    artifacts: &[String],
    projects: &[String],
) -> Result<()> {
    let absent = absent(repository, id, artifacts, projects)?;
    if absent.is_empty() {
        return Ok(());
    }
    Err(Error::new(Kind::Failed, "find in the snapshot", absent.join(", "))
        .because(format!("it must be there, and is not in {}", id.short()))
        .hint(
            "the snapshot stays: see what became of the source, then `icecore forget` it if it is \
             worth nothing",
        ))
}

/// Whether it is something that was captured: neither a folder nor a link.
fn is_kept(node: &Node) -> bool {
    matches!(node.kind, NodeKind::File { .. })
}

/// Whether what lies at a path is the artifact: by its whole path, by its last names, as the dump of a
/// database, or as anything in a volume, whose name may stand without that of one of these projects.
fn is(path: &[u8], artifact: &str, projects: &[String]) -> bool {
    // What says what the job is was not captured of anything.
    if Path::new(OsStr::from_bytes(path)).starts_with(JOB_FOLDER) {
        return false;
    }
    if let Some(name) = artifact.strip_prefix("volume:") {
        let in_volume = |volume: &str| path.starts_with(format!("/volume/{volume}/").as_bytes());
        return in_volume(name) || projects.iter().any(|it| in_volume(&format!("{it}_{name}")));
    }
    let is_last = |names: &str| {
        let before = path.strip_suffix(names.as_bytes());
        before.is_some_and(|before| {
            names.starts_with('/') && before.is_empty() || before.ends_with(b"/")
        })
    };
    let dump = |ending: &str| {
        path.starts_with(b"/postgres/") && is_last(&format!("databases/{artifact}.{ending}"))
    };
    is_last(artifact) || dump("dump") || dump("sql")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole names count, from the end of a path on; a database is its dump.
    #[test]
    fn artifacts_are_known_by_their_names() {
        for (path, artifact, found) in [
            ("/srv/app/data.db", "data.db", true),
            ("/srv/app/data.db", "app/data.db", true),
            ("/srv/app/data.db", "/srv/app/data.db", true),
            ("/srv/app/data.db", "/app/data.db", false),
            ("/srv/app/mydata.db", "data.db", false),
            ("/srv/app/data.db-old", "data.db", false),
            ("/postgres/h:5432/databases/app.dump", "app", true),
            ("/postgres/h:5432/databases/app.sql", "app", true),
            ("/srv/databases/app.dump", "app", false),
            ("/volume/images/a/b", "volume:images", true),
            ("/volume/shop_images/b", "volume:images", true),
            ("/volume/old_images/b", "volume:images", false),
            ("/volume/images-old/b", "volume:images", false),
            ("/images/b", "volume:images", false),
            ("/icecore/job.toml", "job.toml", false),
        ] {
            assert_eq!(
                is(path.as_bytes(), artifact, &["shop".to_owned()]),
                found,
                "{path} {artifact}"
            );
        }
    }
}
