//! What of a file cannot be captured is told, and what can be is captured whole: attributes past
//! the bound.

use crate::common::desk::{Desk, stderr};
use rusqlite::Connection;
use rustix::fs::XattrFlags;
use std::fs;
use std::path::Path;

/// Gives it so many attributes of 64 KiB, the most that Linux takes; false where the file system
/// takes fewer.
fn weigh_down(path: &Path, count: usize) -> bool {
    (0..count).all(|number| {
        let name = format!("user.weight-{number}");
        rustix::fs::setxattr(path, name, &[7; 64 << 10], XattrFlags::empty()).is_ok()
    })
}

/// More extended attributes than an entry holds are left out, of files, folders and databases
/// however they were named; each time that is told, also with -q, and the exit code is 3.
#[test]
fn too_many_attributes_are_told() {
    let Ok(dir) = tempfile::tempdir_in("/dev/shm") else { return };
    let at = |name: &str| dir.path().join(name);
    for folder in ["file", "folder", "database", "fits"] {
        fs::create_dir(at(folder)).unwrap();
    }
    fs::write(at("file/it"), "content").unwrap();
    fs::write(at("fits/it"), "content").unwrap();
    fs::create_dir(at("folder/it")).unwrap();
    fs::write(at("folder/it/beneath"), "content").unwrap();
    let database = Connection::open(at("database/it")).unwrap();
    database.execute_batch("CREATE TABLE t (x)").unwrap();
    drop(database);
    for name in ["file/it", "folder/it", "database/it"] {
        if !weigh_down(&at(name), 17) {
            return;
        }
    }
    assert!(weigh_down(&at("fits/it"), 15));

    let desk = Desk::new();
    let text = |name: &str| at(name).to_str().unwrap().to_owned();
    let alone = format!("sqlite:{}", text("database/it"));
    for source in [text("file"), text("folder"), text("database"), alone, text("folder/it")] {
        let said = desk.run(&["-q", "backup", &source]).code(3);
        let told = stderr(&said);
        assert!(told.contains("extended attributes") && told.contains("/it"), "{source}: {told}");
        assert!(desk.says(&["snapshots", "latest"]).contains("incomplete"));
        // What is not all there is not taken for unchanged.
        desk.run(&["-q", "backup", &source]).code(3);
        assert!(!desk.json(&["ls", "latest"]).is_empty(), "{source}");
    }
    desk.run(&["backup", &text("fits")]).success();
    assert!(!desk.says(&["snapshots", "latest"]).contains("incomplete"));
}
