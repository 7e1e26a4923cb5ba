//! Sealed records: written once, read back as what they claim to be.

use super::Repository;
use super::fetch::Fetch;
use crate::backend::{Bytes, Handle, Listed};
use crate::crypto::object;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::record::{self, Record};
use crate::limits::RECORD_MAX;

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

    /// Creates an object whose bytes are retried unchanged; false if something else stands there. The
    /// local cache keeps it for the next command.
    pub(crate) fn put_same(&self, handle: &Handle, bytes: &[u8]) -> Result<bool> {
        let stands = self.put_exclusive(handle, bytes)?;
        if let Some(cache) = self.cache().filter(|_| stands) {
            cache.keep_record(handle, bytes);
        }
        Ok(stands)
    }

    /// The same of what others may want to create as well, and nothing is kept of it.
    ///
    /// # Errors
    /// `Refused` if the store turns out to create carelessly, and the repository relies on it.
    pub(super) fn put_exclusive(&self, handle: &Handle, bytes: &[u8]) -> Result<bool> {
        self.refuse_careless()?;
        let stands = super::put_same(&**self.backend(), handle, Bytes::copy_from_slice(bytes))?;
        // Some stores turn out to be careless only when they are asked to create.
        self.refuse_careless()?;
        Ok(stands)
    }

    fn refuse_careless(&self) -> Result<()> {
        if self.config().single_writer || self.backend().capabilities().exclusive_create {
            return Ok(());
        }
        Err(Error::new(Kind::Refused, "write to", self.backend().describe())
            .because(
                "it creates nothing exclusively, as it did where the repository was made: several who write \
                 could undo what the others did",
            )
            .hint("`icecore doctor` measures it; the repository can be read, and mirrored to a better store"))
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

    /// The same of several that were listed, in their order, read ahead. What the local cache has is
    /// not asked of the store.
    pub(crate) fn get_records<T: Record>(
        &self,
        listed: impl IntoIterator<Item = Listed>,
    ) -> impl Iterator<Item = (Handle, Result<(T, [u8; 32])>)> {
        let listed: Vec<(Listed, bool)> = listed
            .into_iter()
            .map(|object| {
                let is_kept = self.cache().is_some_and(|cache| cache.has_record(&object));
                (object, is_kept)
            })
            .collect();
        let missing = listed.iter().filter(|(_, is_kept)| !is_kept);
        let missing: Vec<Listed> = missing.map(|(object, _)| object.clone()).collect();
        let mut fetched = self.fetch_objects(missing);
        listed.into_iter().map_while(move |(object, is_kept)| {
            let opened = match is_kept {
                true => self.open_kept(&object),
                false => fetched.next()?.1.and_then(|bytes| self.opened_to_keep(&object, &bytes)),
            };
            let record = opened.and_then(|opened| decoded(&object.handle, opened));
            Some((object.handle, record))
        })
    }

    /// The same, all read from the store: for a check of it.
    pub(crate) fn get_stored_records<T: Record>(
        &self,
        listed: impl IntoIterator<Item = Listed, IntoIter: Clone>,
    ) -> impl Iterator<Item = (Handle, Result<(T, [u8; 32])>)> {
        self.open_objects(listed).map(|(handle, opened)| {
            let record = opened.and_then(|opened| decoded(&handle, opened));
            (handle, record)
        })
    }

    /// A record that was put just now, as the local cache has it; else what the store has.
    pub(crate) fn get_kept_record<T: Record>(&self, handle: &Handle) -> Result<(T, [u8; 32])> {
        let object = Listed { handle: handle.clone(), size: RECORD_MAX as u64 };
        decoded(handle, self.open_kept(&object)?)
    }

    /// What the cache has of an object, if that is sound; else what the store has.
    fn open_kept(&self, object: &Listed) -> Result<OpenedObject> {
        let kept = self.cache().and_then(|cache| cache.record(object));
        match kept.map(|bytes| self.opened(&object.handle, &bytes)) {
            Some(Ok(opened)) => Ok(opened),
            _ => self.opened_to_keep(object, &self.backend().get(&object.handle, None)?),
        }
    }

    /// Opens an object that was read from the store, and keeps it if it is sound.
    fn opened_to_keep(&self, object: &Listed, bytes: &[u8]) -> Result<OpenedObject> {
        let opened = self.opened(&object.handle, bytes)?;
        if let Some(cache) = self.cache() {
            cache.keep_record(&object.handle, bytes);
        }
        Ok(opened)
    }

    /// Forgets what the local cache has of a kind, but for these.
    pub(super) fn retain_records<'h>(
        &self,
        kind: ObjectKind,
        listed: impl IntoIterator<Item = &'h Listed>,
    ) {
        if let Some(cache) = self.cache() {
            cache.retain_records(kind, listed.into_iter().map(|object| &object.handle));
        }
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
