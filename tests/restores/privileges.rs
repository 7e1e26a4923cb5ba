//! What root gives back, and what only by a flag.

use crate::common::aloud::is_root;
use crate::common::target::{file, names, write};
use icecore::sink::Sink;
use icecore::sink::files::{FilesOptions, FilesSink};
use std::fs;
use std::os::unix::fs::MetadataExt;

/// Root gives owners back; attributes that give privileges or that the system trusts only where the
/// flag asks for them.
#[test]
fn privileged_attributes_only_by_flag() {
    if !is_root("what root gives back") {
        return;
    }
    for wanted in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let options = FilesOptions { devices_and_setuid: wanted, ..FilesOptions::default() };
        let mut target = Box::new(FilesSink::open(dir.path(), options).unwrap());
        let mut node = file("a");
        (node.meta.uid, node.meta.gid) = (12, 34);
        for name in ["trusted.secret", "security.other", "user.colour"] {
            node.meta.xattrs.insert(name.as_bytes().to_vec().into(), b"x".to_vec().into());
        }
        write(&mut target, &node, b"content").unwrap();
        let report = target.finish().unwrap();
        assert_eq!(report.xattrs, if wanted { 0 } else { 2 }, "{report:?}");
        let found = fs::metadata(dir.path().join("a")).unwrap();
        assert_eq!((found.uid(), found.gid()), (12, 34));
        let mut value = [0; 8];
        let path = dir.path().join("a");
        let read = rustix::fs::getxattr(&path, "trusted.secret", value.as_mut_slice());
        assert_eq!(read.is_ok(), wanted);
        assert!(rustix::fs::getxattr(&path, "user.colour", value.as_mut_slice()).is_ok());
        assert_eq!(names(dir.path()), ["a"]);
    }
}
