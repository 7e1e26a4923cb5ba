//! A store that keeps a record of all that writers tried to put.

use icecore::backend::{Backend, Bytes, Capabilities, Handle, Put, Visit};
use icecore::error::Result;
use icecore::format::ObjectKind;
use std::ops::Range;
use std::sync::Mutex;

/// What may happen to an object on its way.
pub type Spoil = fn(&Handle, &mut Vec<u8>);

/// Keeps all that writers ever tried to put, refused or not; `spoil` may change it on the way.
pub struct Recorder<B> {
    inner: B,
    put: Mutex<Vec<(Handle, Vec<u8>)>>,
    spoil: Spoil,
}

impl<B: Backend> Recorder<B> {
    pub fn new(inner: B) -> Self {
        Self::spoiling(inner, |_, _| {})
    }

    pub fn spoiling(inner: B, spoil: Spoil) -> Self {
        Recorder { inner, put: Mutex::default(), spoil }
    }

    pub fn all(&self) -> Vec<(Handle, Vec<u8>)> {
        self.put.lock().unwrap().clone()
    }
}

impl<B: Backend> Backend for Recorder<B> {
    fn describe(&self) -> String {
        self.inner.describe()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        let mut bytes = bytes.to_vec();
        (self.spoil)(handle, &mut bytes);
        self.put.lock().unwrap().push((handle.clone(), bytes.clone()));
        self.inner.put_shared(handle, bytes.into())
    }

    fn get(&self, handle: &Handle, range: Option<Range<u64>>) -> Result<Vec<u8>> {
        self.inner.get(handle, range)
    }

    fn size(&self, handle: &Handle) -> Result<u64> {
        self.inner.size(handle)
    }

    fn list_pages(&self, kind: ObjectKind, prefix: &str, visit: &mut Visit<'_>) -> Result<()> {
        self.inner.list_pages(kind, prefix, visit)
    }

    fn delete_all(&self, handles: &[Handle]) -> Result<()> {
        self.inner.delete_all(handles)
    }
}
