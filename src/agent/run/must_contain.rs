//! `must_contain`: whether a snapshot has everything that it must.

use crate::error::{Error, Kind, Result};
use crate::format::directory::{Node, NodeKind};
use crate::id::SnapshotId;
use crate::ops::find::{FindOptions, find};
use crate::ops::select::LACKING_TAG;
use crate::repo::{Reader, Repository};
use crate::source::JOB_FOLDER;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Endings by which files are known for databases of SQLite, whatever is in them.
const DATABASE_ENDINGS: [&str; 4] = [".db", ".db3", ".sqlite", ".sqlite3"];

/// What must be in a snapshot and is not.
pub fn absent(
    repository: &Repository,
    id: SnapshotId,
    artifacts: &[String],
    projects: &[String],
) -> Result<Vec<String>> {
    Ok(find_missing(repository, id, artifacts, projects)?.0)
}

/// What is not there; and by what other name some of it is, as a folder or a volume.
fn find_missing(
    repository: &Repository,
    id: SnapshotId,
    artifacts: &[String],
    projects: &[String],
) -> Result<(Vec<String>, BTreeSet<String>)> {
    let (mut absent, mut others) = (artifacts.to_vec(), BTreeSet::new());
    if absent.is_empty() {
        return Ok((absent, others));
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
            if is_kept(hit.node) {
                absent.retain(|artifact| !matches(hit.path, artifact, projects));
                let named = |other: &String| matches(hit.path, other, projects);
                let names = absent.iter().filter(|artifact| !artifact.contains(['/', ':']));
                let folders = names.clone().map(|name| format!("{name}/")).filter(named);
                others.extend(folders);
                others.extend(names.map(|name| format!("volume:{name}")).filter(named));
            }
            Ok(())
        },
        &mut |_, error| Err(error),
    )?;
    Ok((absent, others))
}

/// Fails unless all of it is there.
pub fn require_artifacts(
    repository: &Repository,
    id: SnapshotId,
    artifacts: &[String],
    projects: &[String],
) -> Result<()> {
    let (absent, others) = find_missing(repository, id, artifacts, projects)?;
    if absent.is_empty() {
        return Ok(());
    }
    let others: Vec<String> = others.into_iter().map(|other| format!("`{other}`")).collect();
    let meant = match others.is_empty() {
        true => String::new(),
        false => format!(
            "a name without `/` is that of a file or a database; did you mean {}? ",
            others.join(", ")
        ),
    };
    Err(Error::new(Kind::Failed, "find in the snapshot", absent.join(", "))
        .because(format!("`must_contain` requires it, and in {} it is missing or an empty database", id.short()))
        .hint(format!(
            "{meant}if it was dropped on purpose, take it out of `must_contain`; the snapshot stays, with the tag `{LACKING_TAG}`: see what \
             became of the source, then `icecore forget` it if it is worth nothing"
        )))
}

/// Keeps a snapshot that lacks something from standing for whole ones: `latest` passes it over, and it pushes none of
/// them out.
pub fn mark_lacking(repository: &Repository, id: SnapshotId) -> Result<()> {
    if let Some(stored) = repository.snapshots(drop)?.get(id)? {
        let mut tags = stored.snapshot.tags.clone();
        tags.insert(LACKING_TAG.to_owned());
        repository.change_tags(&stored.snapshot, &tags)?;
    }
    Ok(())
}

/// Whether it is something that was captured: neither a folder nor a link, nor a database that was emptied.
fn is_kept(node: &Node) -> bool {
    let is_named_database =
        || DATABASE_ENDINGS.iter().any(|ending| node.name.ends_with(ending.as_bytes()));
    matches!(&node.kind, NodeKind::File { content, .. } if content.length > 0 || !is_named_database())
}

/// Whether a file at a path is the artifact: by its whole path, by its last names, as the dump of a
/// database, as anything in a folder, or in a volume, whose name may stand without that of one of these
/// projects. A name alone is no folder's: a folder is often called as its database is.
fn matches(path: &[u8], artifact: &str, projects: &[String]) -> bool {
    // What says what the job is was not captured of anything.
    if Path::new(OsStr::from_bytes(path)).starts_with(JOB_FOLDER) {
        return false;
    }
    if let Some(name) = artifact.strip_prefix("volume:") {
        let in_volume = |volume: &str| path.starts_with(format!("/volume/{volume}/").as_bytes());
        return in_volume(name) || projects.iter().any(|it| in_volume(&format!("{it}_{name}")));
    }
    let ends = |path: &[u8], names: &str| {
        let before = path.strip_suffix(names.as_bytes());
        before.is_some_and(|before| {
            names.starts_with('/') && before.is_empty() || before.ends_with(b"/")
        })
    };
    let is_last = |names: &str| ends(path, names);
    let in_folder = || {
        let folder = artifact.trim_end_matches('/');
        let above = Path::new(OsStr::from_bytes(path)).ancestors().skip(1);
        above.into_iter().any(|above| ends(above.as_os_str().as_bytes(), folder))
    };
    let dump = |ending: &str| {
        path.starts_with(b"/postgres/") && is_last(&format!("databases/{artifact}.{ending}"))
    };
    is_last(artifact) || dump("dump") || dump("sql") || artifact.contains('/') && in_folder()
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
            ("/srv/app/images/a/b", "/srv/app/images", true),
            ("/srv/app/images/a/b", "app/images/", true),
            ("/srv/app/images/a/b", "images/", true),
            ("/srv/app/images/a/b", "images", false),
            ("/srv/app/images/a/b", "/app/images", false),
            ("/srv/app/images-old/b", "app/images", false),
        ] {
            assert_eq!(
                matches(path.as_bytes(), artifact, &["shop".to_owned()]),
                found,
                "{path} {artifact}"
            );
        }
    }
}
