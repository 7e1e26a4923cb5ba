//! Objects in a bucket, by the paths that a folder would have: a copied folder is a repository.

use super::client::Client;
use super::engine::Engine;
use super::fault::Fault;
use super::lock::Lock;
use crate::backend::bounds::{readable, storable};
use crate::backend::several::several;
use crate::backend::{Backend, Bytes, Capabilities, Handle, Listed, Put, Visit};
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use futures_util::TryStreamExt;
use opendal::{ErrorKind, Lister, Operator};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Objects on one page of a listing, and in one request to delete.
const PAGE: usize = 1000;
/// Ranges that lie closer than this cost less as one: about 50 ms of a line of 20 MB a second.
const READ_GAP: u32 = 1 << 20;
/// Bytes a second that one of several uploads must come to.
const SLOWEST: u64 = 8 << 10;

/// A bucket, or a folder in it, over connections of its own.
pub(super) struct HttpStore {
    operator: Operator,
    lock: Option<Lock>,
    engine: Engine,
    place: String,
    bucket: String,
    connections: usize,
    /// How long a server may be silent.
    timeout: Duration,
    /// The server has answered before.
    heard: AtomicBool,
    /// The store knows no creation that fails where something stands.
    overwrites: AtomicBool,
}

impl HttpStore {
    /// The store that `operator` asks; `place` and `bucket` are for messages.
    pub(super) fn new(
        operator: Operator,
        lock: Option<Lock>,
        client: &Client,
        place: String,
        bucket: String,
    ) -> Result<Self> {
        let overwrites = !operator.info().capability().write_with_if_not_exists;
        Ok(HttpStore {
            operator,
            lock,
            engine: Engine::start()?,
            place,
            bucket,
            connections: client.connections,
            timeout: client.timeout,
            heard: AtomicBool::new(false),
            overwrites: AtomicBool::new(overwrites),
        })
    }

    /// The names of files in the folder, and those of folders, which end with `/`; the first page.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        let listed = self.ask(self.timeout, async {
            let mut lister = self.operator.lister("/").await?;
            let mut names = Vec::new();
            while names.len() < PAGE
                && let Some(entry) = lister.try_next().await?
            {
                names.push(entry.path().to_owned());
            }
            Ok(names)
        });
        let mut names = listed.map_err(|fault| self.told(&fault, "list", &self.place))?;
        names.retain(|name| name != "/");
        Ok(names)
    }

    /// What the bucket answers when it is asked for its `what`.
    pub(super) fn told_by<T>(
        &self,
        answer: impl Future<Output = Result<T, Fault>>,
        what: &str,
    ) -> Result<T> {
        let asked = self.ask(self.timeout, answer);
        asked.map_err(|fault| self.told(&fault, &format!("ask for the {what} of"), &self.place))
    }

    /// Sends a request and waits for its answer.
    fn ask<T>(
        &self,
        most: Duration,
        answer: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let answered = self.engine.wait(most, answer);
        if answered.as_ref().map_or_else(Fault::is_answer, |_| true) {
            self.heard.store(true, Ordering::Relaxed);
        }
        answered
    }

    fn told(&self, fault: &Fault, attempted: &str, subject: &str) -> Error {
        fault.told(attempted, subject, &self.bucket, self.heard.load(Ordering::Relaxed))
    }

    /// An object, for messages.
    fn place_of(&self, handle: &Handle) -> String {
        format!("{}/{}", self.place, handle.path())
    }

    /// Makes an object in one request.
    fn write(&self, handle: &Handle, bytes: Bytes, exclusive: bool) -> Result<(), Fault> {
        let takes = Duration::from_secs(bytes.len() as u64 / SLOWEST);
        self.ask(self.timeout + takes, async {
            let path = handle.path();
            self.operator.write_with(&path, bytes).if_not_exists(exclusive).await?;
            Ok(())
        })
    }

    fn not_created(&self, fault: &Fault, handle: &Handle) -> Error {
        let error = self.told(fault, "create", &self.place_of(handle));
        match self.lock.is_some() && fault.is_of_request() {
            true => error.hint("-o retain=... is for buckets that were made with Object Lock"),
            false => error,
        }
    }

    /// Looks, and then writes: between the two another creator may come.
    fn put_carelessly(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        match self.size(handle) {
            Err(error) if error.kind() == Kind::NotFound => {}
            found => return found.map(|_| Put::Exists),
        }
        let written = self.write(handle, bytes, false);
        written.map_err(|fault| self.told(&fault, "create", &self.place_of(handle)))?;
        Ok(Put::Created)
    }

    /// The object's bytes in the range, as many as come, but one more than `most` at the most.
    fn read(
        &self,
        handle: &Handle,
        range: Option<Range<u64>>,
        most: usize,
    ) -> Result<Vec<u8>, Fault> {
        let path = handle.path();
        let mut stream = self.ask(self.timeout, async {
            let reader = self.operator.reader(&path).await?;
            Ok(match range {
                Some(range) => reader.into_stream(range).await?,
                None => reader.into_stream(..).await?,
            })
        })?;
        let mut bytes = Vec::new();
        // Each piece has its own time: a slow line is no silent one.
        while let Some(pieces) = self.ask(self.timeout, async { Ok(stream.try_next().await?) })? {
            pieces.for_each(|piece| bytes.extend_from_slice(&piece));
            if bytes.len() > most {
                break;
            }
        }
        Ok(bytes)
    }

    /// A range that brought something else than its bytes.
    fn unfit(&self, handle: &Handle, range: Option<Range<u64>>) -> Error {
        let fits = self.size(handle).and_then(|size| readable(handle, range, size));
        fits.map_or_else(
            |error| error,
            |_| Error::unavailable("read", self.place_of(handle), "the answer has another length"),
        )
    }

    /// Whether an object is missing that an answer without words said to be missing; for then the
    /// bucket may be.
    fn missing(&self, handle: &Handle) -> Error {
        let place = self.place_of(handle);
        match self.read(handle, None, 0) {
            Ok(_) => Error::unavailable("find", place, "the store contradicts itself"),
            Err(fault) => self.told(&fault, "find", &place),
        }
    }

    /// Those objects of the next page that are of this kind; none at the end.
    fn page(&self, lister: &mut Lister, kind: ObjectKind) -> Result<Option<Vec<Listed>>, Fault> {
        self.ask(self.timeout, async {
            let (mut seen, mut page) = (0, Vec::new());
            while seen < PAGE
                && let Some(entry) = lister.try_next().await?
            {
                seen += 1;
                let (_, name) = entry.path().rsplit_once('/').unwrap_or_default();
                let handle = Handle::parse(kind, name);
                if let Some(handle) = handle.filter(|handle| handle.path() == entry.path()) {
                    page.push(Listed { handle, size: entry.metadata().content_length() });
                }
            }
            Ok((seen > 0).then_some(page))
        })
    }

    /// Until when an object is retained; none too if it is gone.
    fn retained_until(&self, lock: &Lock, handle: &Handle) -> Result<Option<Time>> {
        match self.ask(self.timeout, lock.retained(&handle.path())) {
            Err(fault) if fault.is(ErrorKind::NotFound) => Ok(None),
            asked => asked.map_err(|fault| self.told(&fault, "find", &self.place_of(handle))),
        }
    }

    /// Those that may be deleted now, and why others may not.
    fn part_retained<'h>(&self, handles: &'h [Handle]) -> Result<(Cow<'h, [Handle]>, Result<()>)> {
        if self.lock.is_none() {
            return Ok((handles.into(), Ok(())));
        }
        let (mut goes, mut stays) = (Vec::new(), Ok(()));
        for (handle, until) in handles.iter().zip(self.retained(handles)?) {
            match until {
                None => goes.push(handle.clone()),
                Some(until) => {
                    stays =
                        stays.and(Err(Error::new(Kind::Denied, "delete", self.place_of(handle))
                            .because(format!("the store retains it until {until}"))));
                }
            }
        }
        Ok((goes.into(), stays))
    }

    fn delete_page(&self, handles: &[Handle]) -> Result<()> {
        if handles.is_empty() {
            return Ok(());
        }
        let together = self.ask(self.timeout, async {
            let paths: Vec<String> = handles.iter().map(Handle::path).collect();
            Ok(self.operator.delete_iter(paths).await?)
        });
        let Err(fault) = together else { return Ok(()) };
        let place = handles.first().map_or_else(String::new, |one| self.place_of(one));
        let error = self.told(&fault, "delete", &place);
        if handles.len() <= 1 || error.kind() == Kind::Unavailable {
            return Err(error);
        }
        // Some stores know no such request, and others stop at the first object that stays.
        let mut deleted = Ok(());
        for one in handles.chunks(1) {
            deleted = deleted.and(self.delete_page(one));
        }
        deleted
    }
}

impl Backend for HttpStore {
    fn describe(&self) -> String {
        self.place.clone()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            exclusive_create: !self.overwrites.load(Ordering::Relaxed),
            list_after_write: true,
            connections: self.connections,
            read_gap: READ_GAP,
            far: true,
            retention: self.lock.as_ref().map(Lock::period),
        }
    }

    fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
        storable(handle, &bytes)?;
        if self.overwrites.load(Ordering::Relaxed) {
            return self.put_carelessly(handle, bytes);
        }
        match self.write(handle, bytes.clone(), true) {
            Ok(()) => Ok(Put::Created),
            Err(fault) if fault.is(ErrorKind::ConditionNotMatch) => Ok(Put::Exists),
            Err(fault) if fault.is_not_implemented() => {
                self.overwrites.store(true, Ordering::Relaxed);
                self.put_carelessly(handle, bytes)
            }
            Err(fault) => Err(self.not_created(&fault, handle)),
        }
    }

    fn get(&self, handle: &Handle, range: Option<Range<u64>>) -> Result<Vec<u8>> {
        let asked = match range.clone() {
            Some(range) => Some(readable(handle, Some(range), u64::MAX)?.1),
            None => None,
        };
        // No header says that nothing is asked for.
        if asked == Some(0) {
            let size = self.size(handle)?;
            return readable(handle, range, size).map(|_| Vec::new());
        }
        let most = asked.unwrap_or_else(|| handle.kind().largest());
        match self.read(handle, range.clone(), most) {
            Ok(bytes) if asked.map_or(bytes.len() <= most, |asked| bytes.len() == asked) => {
                Ok(bytes)
            }
            Ok(_) => Err(self.unfit(handle, range)),
            Err(fault) if fault.is_misfit() => Err(self.unfit(handle, range)),
            Err(fault) => Err(self.told(&fault, "read", &self.place_of(handle))),
        }
    }

    fn size(&self, handle: &Handle) -> Result<u64> {
        let path = handle.path();
        let facts = self.ask(self.timeout, async { Ok(self.operator.stat(&path).await?) });
        match facts {
            Ok(facts) => Ok(facts.content_length()),
            Err(fault) if fault.is(ErrorKind::NotFound) => Err(self.missing(handle)),
            Err(fault) => Err(self.told(&fault, "find", &self.place_of(handle))),
        }
    }

    fn list_pages(&self, kind: ObjectKind, prefix: &str, visit: &mut Visit<'_>) -> Result<()> {
        let folder = kind.folder();
        let fan = prefix.split_at_checked(2).filter(|_| kind.facts().fans_out);
        let start = match fan {
            Some((fan, _)) => format!("{folder}/{fan}/{prefix}"),
            None => format!("{folder}/{prefix}"),
        };
        let told = |fault: Fault| self.told(&fault, "list", &format!("{}/{folder}", self.place));
        let lister = self.ask(self.timeout, async {
            Ok(self.operator.lister_with(&start).recursive(true).await?)
        });
        let mut lister = lister.map_err(told)?;
        while let Some(page) = self.page(&mut lister, kind).map_err(told)? {
            visit(page)?;
        }
        Ok(())
    }

    /// What the store retains stays: it would only be hidden.
    fn delete_all(&self, handles: &[Handle]) -> Result<()> {
        let mut deleted = Ok(());
        for page in handles.chunks(PAGE) {
            let (goes, stays) = self.part_retained(page)?;
            deleted = deleted.and(self.delete_page(&goes)).and(stays);
        }
        deleted
    }

    fn retained(&self, handles: &[Handle]) -> Result<Vec<Option<Time>>> {
        let Some(lock) = &self.lock else { return Ok(vec![None; handles.len()]) };
        let now = lock.now();
        let until = |handle: &Handle| match Lock::is_lasting(handle.kind()) {
            true => Ok(self.retained_until(lock, handle)?.filter(|until| *until > now)),
            false => Ok(None),
        };
        several(handles, self.connections, until).into_iter().collect()
    }

    fn retain(&self, handles: &[Handle]) -> Result<u64> {
        let Some(lock) = &self.lock else { return Ok(0) };
        let now = lock.now();
        let (least, until) = (now + lock.period() / 2, now + lock.period());
        let extend = |handle: &Handle| {
            if !Lock::is_lasting(handle.kind()) || self.retained_until(lock, handle)? >= Some(least)
            {
                return Ok(0);
            }
            match self.ask(self.timeout, lock.retain(&handle.path(), until)) {
                Err(fault) if !fault.is(ErrorKind::NotFound) => {
                    Err(self.told(&fault, "retain", &self.place_of(handle)))
                }
                done => Ok(u64::from(done.is_ok())),
            }
        };
        several(handles, self.connections, extend).into_iter().sum()
    }
}
