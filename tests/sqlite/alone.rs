//! A database named by itself, and the same one met in a folder.

use super::{make, reader};
use crate::common::repo::TempRepo;
use icecore::ops::tree::{self, Entry};
use icecore::repo::Reader;
use icecore::source::SqliteSource;
use icecore::source::files::{FilesOptions, FilesSource};
use rustix::fs::XattrFlags;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use tempfile::TempDir;

/// However a database was named, and by a link too, the same mode, owners with their names, times
/// and extended attributes are stored, and the same content.
#[test]
fn a_database_alone_has_all_its_metadata() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().canonicalize().unwrap().join("a.db");
    drop(make(&path, "delete", 4096, 100));
    std::fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    rustix::fs::setxattr(&path, "user.colour", b"blue", XattrFlags::empty()).unwrap();
    let link = path.with_file_name("link");
    std::os::unix::fs::symlink("a.db", &link).unwrap();

    let repo = TempRepo::new(97);
    let open = reader();
    let options = FilesOptions {
        sqlite: Some(Arc::new(move |file| open.read(file))),
        env: repo.env.clone(),
        ..FilesOptions::default()
    };
    let met = Box::new(FilesSource::new(path.parent().unwrap(), options).unwrap());
    let met = repo.backup(vec![met]).unwrap().snapshot;
    let index = repo.repository.load_index().unwrap();
    let reader_of_repo = Reader::new(&repo.repository, &index);
    let found = tree::find(&reader_of_repo, &met, path.to_str().unwrap().as_bytes()).unwrap();
    let Entry::Node(met) = found.entry else { panic!("no node") };
    assert!(met.meta.user.is_some() && met.meta.group.is_some());
    assert_eq!(met.meta.xattrs.len(), 1);
    for named in [&path, &link] {
        let alone = Box::new(SqliteSource::new(named, reader()).unwrap());
        let alone = repo.backup(vec![alone]).unwrap().snapshot.parts.remove(0).root;
        assert_eq!(alone.meta, met.meta);
        assert_eq!(alone.kind, met.kind);
    }
}

/// A database that is named by a path with `.`, `..` and doubled slashes stands in the snapshot under
/// the plain one, and is read there again.
#[test]
fn a_path_that_climbs_is_a_plain_one() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().canonicalize().unwrap().join("a.db");
    drop(make(&path, "delete", 4096, 100));
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    let climbing = format!("{}//./sub/../a.db", folder.path().canonicalize().unwrap().display());
    let repo = TempRepo::new(98);
    let alone = Box::new(SqliteSource::new(climbing.as_ref(), reader()).unwrap());
    let snapshot = repo.backup(vec![alone]).unwrap().snapshot;
    assert_eq!(snapshot.parts[0].path, path.to_str().unwrap().as_bytes());
    let listed = repo.repository.snapshots(|error| panic!("{error}")).unwrap();
    assert_eq!(listed.len(), 1);
    let bytes = repo.read(&snapshot, path.to_str().unwrap()).unwrap();
    assert!(bytes == std::fs::read(&path).unwrap());
}
