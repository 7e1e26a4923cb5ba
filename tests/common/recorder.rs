//! A store that keeps a record of all that writers tried to put.

use icecore::backend::{Backend, Bytes, Handle, Put};
use icecore::error::Result;
use icecore::forward;
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
    forward!([inner] describe capabilities get size list_pages delete_all);

    fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        let mut bytes = bytes.to_vec();
        (self.spoil)(handle, &mut bytes);
        self.put.lock().unwrap().push((handle.clone(), bytes.clone()));
        self.inner.put_shared(handle, bytes.into())
    }
}
