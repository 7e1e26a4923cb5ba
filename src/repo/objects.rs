//! Sealed records: written once, read back as what they claim to be.

use super::Repository;
use super::fetch::Fetch;
use crate::backend::{Bytes, Handle, Listed};
use crate::crypto::object;
use crate::error::{Kind, Result};
use crate::format::record::{self, Record};

/// The plaintext of a sealed object, and the object's hash.
pub type OpenedObject = (Vec<u8>, [u8; 32]);

impl Repository {
    /// Seals a record for `handle` under a fresh salt.
    pub(crate) fn seal_record<T: Record>(&self, handle: &Handle, value: &T) -> Result<Vec<u8>> {
        let salt = self.env().random()?;
        let payload = record::encode(value)?;
        object::seal_object(self.keys(), handle, self.config().repository, &salt, 0, &payload)
    }

    /// Seals and creates a record, all or nothing.
    ///
    /// # Errors
    /// `AlreadyExists` if another object stands under that name.
    pub(crate) fn put_record<T: Record>(&self, handle: &Handle, value: &T) -> Result<u64> {
        let bytes = self.seal_record(handle, value)?;
        super::create(&**self.backend(), handle, &bytes)?;
        Ok(bytes.len() as u64)
    }

    /// Creates an object whose bytes are retried unchanged; false if something else stands there.
    pub(crate) fn put_same(&self, handle: &Handle, bytes: &[u8]) -> Result<bool> {
        super::put_same(&**self.backend(), handle, Bytes::copy_from_slice(bytes))
    }

    /// The plaintext of a sealed object, and the object's own hash.
    pub fn open_object(&self, handle: &Handle) -> Result<OpenedObject> {
        self.opened(handle, &self.backend().get(handle, None)?)
    }

    /// The same of several that were listed, in their order, read ahead.
    pub fn open_objects(
        &self,
        listed: impl IntoIterator<Item = Listed, IntoIter: Clone>,
    ) -> impl Iterator<Item = (Handle, Result<OpenedObject>)> {
        self.fetch_objects(listed).map(|(handle, bytes)| {
            let opened = bytes.and_then(|bytes| self.opened(&handle, &bytes));
            (handle, opened)
        })
    }

    /// The bytes of several that were listed, in their order, read ahead.
    pub(super) fn fetch_objects(
        &self,
        listed: impl IntoIterator<Item = Listed, IntoIter: Clone>,
    ) -> impl Iterator<Item = (Handle, Result<Vec<u8>>)> {
        let listed = listed.into_iter();
        let fetched = self.fetcher().fetch(listed.clone().map(|object| Fetch::listed(&object)));
        listed.map(|object| object.handle).zip(fetched)
    }

    /// The plaintext of an object whose bytes are these.
    pub(super) fn opened(&self, handle: &Handle, bytes: &[u8]) -> Result<OpenedObject> {
        let plain = object::open_object(self.keys(), handle, self.config().repository, bytes)?;
        Ok((plain, *blake3::hash(bytes).as_bytes()))
    }

    /// A sealed record, and its object's hash.
    pub(crate) fn get_record<T: Record>(&self, handle: &Handle) -> Result<(T, [u8; 32])> {
        decoded(handle, self.open_object(handle)?)
    }

    /// The same of several that were listed, in their order, read ahead.
    pub(crate) fn get_records<T: Record>(
        &self,
        listed: impl IntoIterator<Item = Listed, IntoIter: Clone>,
    ) -> impl Iterator<Item = (Handle, Result<(T, [u8; 32])>)> {
        self.open_objects(listed).map(|(handle, opened)| {
            let record = opened.and_then(|opened| decoded(&handle, opened));
            (handle, record)
        })
    }

    /// Like `get_record`, but an object that is not there is no error.
    pub(crate) fn find_record<T: Record>(&self, handle: &Handle) -> Result<Option<(T, [u8; 32])>> {
        match self.get_record(handle) {
            Err(error) if error.kind() == Kind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }
}

fn decoded<T: Record>(handle: &Handle, (plain, hash): OpenedObject) -> Result<(T, [u8; 32])> {
    Ok((record::decode(&plain, &handle.to_string())?, hash))
}
