//! All that stands in a store, copied.

use icecore::backend::{Backend, Memory};
use icecore::format::ObjectKind;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Puts everything that one store holds into another.
pub fn copy_into(from: &dyn Backend, to: &dyn Backend) {
    for kind in ObjectKind::ALL {
        for object in from.list(kind).unwrap() {
            to.put_new(&object.handle, &from.get(&object.handle, None).unwrap()).unwrap();
        }
    }
}

/// A copy in memory.
pub fn copy(store: &dyn Backend) -> Arc<Memory> {
    let copy = Arc::new(Memory::new());
    copy_into(store, &*copy);
    copy
}

/// A folder with all below it.
pub fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}
