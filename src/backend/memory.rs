//! Objects in memory: for tests, and the measure that other backends are held against.

use super::bounds::{readable, storable};
use super::{Backend, Bytes, Capabilities, Handle, Listed, Put, Visit};
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ops::Range;

/// A store that lives as long as the value.
#[derive(Debug, Default)]
pub struct Memory(Mutex<Objects>);

type Objects = BTreeMap<Handle, Bytes>;

impl Memory {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    fn objects(&self) -> MutexGuard<'_, Objects> {
        self.0.lock()
    }
}

impl Backend for Memory {
    fn describe(&self) -> String {
        "memory".to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::default()
    }

    fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        storable(handle, &bytes)?;
        match self.objects().entry(handle.clone()) {
            Entry::Occupied(_) => Ok(Put::Exists),
            Entry::Vacant(place) => {
                place.insert(bytes);
                Ok(Put::Created)
            }
        }
    }

    fn get(&self, handle: &Handle, range: Option<Range<u64>>) -> Result<Vec<u8>> {
        let objects = self.objects();
        let bytes = objects.get(handle).ok_or_else(|| missing("read", handle))?;
        let (start, length) = readable(handle, range, bytes.len() as u64)?;
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        let part = bytes.get(start..).and_then(|rest| rest.get(..length));
        Ok(part.unwrap_or_default().to_vec())
    }

    fn size(&self, handle: &Handle) -> Result<u64> {
        let objects = self.objects();
        let bytes = objects.get(handle).ok_or_else(|| missing("find", handle))?;
        Ok(bytes.len() as u64)
    }

    fn list_pages(&self, kind: ObjectKind, prefix: &str, visit: &mut Visit<'_>) -> Result<()> {
        let objects = self.objects();
        let found = objects
            .iter()
            .filter(|(handle, _)| handle.kind() == kind && handle.name().starts_with(prefix));
        let listed = found
            .map(|(handle, bytes)| Listed { handle: handle.clone(), size: bytes.len() as u64 })
            .collect();
        // `visit` may ask for the objects.
        drop(objects);
        visit(listed)
    }

    fn delete_all(&self, handles: &[Handle]) -> Result<()> {
        let mut objects = self.objects();
        handles.iter().for_each(|handle| drop(objects.remove(handle)));
        Ok(())
    }
}

fn missing(attempted: &str, handle: &Handle) -> Error {
    Error::new(Kind::NotFound, attempted, handle).because("there is no such object")
}
