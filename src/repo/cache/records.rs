//! Small sealed objects, as they are stored. Their seals prove what they are.

use super::{LocalCache, open, remove};
use crate::backend::{Handle, Listed};
use crate::format::ObjectKind;
use crate::limits::RECORD_MAX;
use std::collections::HashSet;
use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;

impl LocalCache {
    /// Whether an object of this length is kept; what is in it nobody has proved.
    pub(in crate::repo) fn has_record(&self, object: &Listed) -> bool {
        let facts = fs::symlink_metadata(self.path_of(&object.handle));
        is_cached(object.handle.kind())
            && facts.is_ok_and(|facts| facts.is_file() && facts.len() == object.size)
    }

    /// The bytes of an object of this length, if they are kept. Nobody has proved them.
    pub(in crate::repo) fn record(&self, object: &Listed) -> Option<Vec<u8>> {
        let file = open(&self.path_of(&object.handle)).ok()?;
        let mut bytes = Vec::new();
        file.take(object.size.min(RECORD_MAX as u64)).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Keeps the bytes of an object, if it can.
    pub(in crate::repo) fn keep_record(&self, handle: &Handle, bytes: &[u8]) {
        if !is_cached(handle.kind()) || bytes.len() > RECORD_MAX {
            return;
        }
        let Ok(folder) = self.make(folder_of(handle.kind())) else { return };
        let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut temp| {
            temp.write_all(bytes)?;
            temp.persist(self.path_of(handle)).map_err(|error| error.error)
        });
        drop(written);
    }

    /// Removes what is kept of a kind and not wanted any more.
    pub(in crate::repo) fn retain_records<'h>(
        &self,
        kind: ObjectKind,
        wanted: impl Iterator<Item = &'h Handle>,
    ) {
        let wanted: HashSet<&str> = wanted.map(Handle::name).collect();
        let entries =
            fs::read_dir(self.folder.join(folder_of(kind))).into_iter().flatten().flatten();
        for entry in entries {
            let name = entry.file_name();
            let is_object = name.to_str().is_some_and(|name| Handle::parse(kind, name).is_some());
            let is_wanted = name.to_str().is_some_and(|name| wanted.contains(name));
            if (is_object && !is_wanted) || (!is_object && self.is_stray(&entry)) {
                remove(&entry.path());
            }
        }
    }

    fn path_of(&self, handle: &Handle) -> PathBuf {
        self.folder.join(folder_of(handle.kind())).join(handle.name())
    }
}

/// The folder of a kind: segments of the index do not lie among the tables that are made of them.
fn folder_of(kind: ObjectKind) -> &'static str {
    match kind {
        ObjectKind::Index => "segments",
        other => other.folder(),
    }
}

/// Whether objects of a kind are kept: small, never changed, and read again and again.
fn is_cached(kind: ObjectKind) -> bool {
    match kind {
        ObjectKind::Snapshot
        | ObjectKind::Forgotten
        | ObjectKind::Note
        | ObjectKind::Gc
        | ObjectKind::Index => true,
        ObjectKind::Config
        | ObjectKind::Key
        | ObjectKind::Pack
        | ObjectKind::Writer
        | ObjectKind::Quarantine => false,
    }
}
