//! Objects at a service, by the paths that a folder would have: a copied folder is a repository.

use super::dialect::{Creation, Dialect};
use super::fault::Fault;
use super::listing::listed;
use super::lock::Lock;
use super::service::Service;
use super::wire::Wire;
use crate::backend::bounds::{readable, storable};
use crate::backend::{Backend, Bytes, Capabilities, Handle, Listed, Put, Visit};
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use futures_util::TryStreamExt;
use opendal::{ErrorKind, Lister, Operator};
use std::ops::Range;
use std::sync::Once;
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
    pub(super) operator: Operator,
    pub(super) lock: Option<Lock>,
    wire: Wire,
    service: Service,
    pub(super) connections: usize,
    /// The server has answered before.
    heard: AtomicBool,
    /// The store knows no creation that fails where something stands.
    overwrites: AtomicBool,
    /// What others left that were stopped has been looked for.
    swept: Once,
}

impl HttpStore {
    /// The store that `operator` asks.
    pub(super) fn new(
        operator: Operator,
        lock: Option<Lock>,
        wire: Wire,
        service: Service,
        connections: usize,
    ) -> Self {
        let overwrites = service.dialect().creation() == Creation::Over;
        HttpStore {
            operator,
            lock,
            wire,
            service,
            connections,
            heard: AtomicBool::new(false),
            overwrites: AtomicBool::new(overwrites),
            swept: Once::new(),
        }
    }

    /// The names of files in the folder, and those of folders, which end with `/`; the first page.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        let listed = self.ask(Duration::ZERO, async {
            let mut lister = self.operator.lister("/").await?;
            let mut names = Vec::new();
            while names.len() < PAGE
                && let Some(entry) = lister.try_next().await?
            {
                names.push(entry.path().to_owned());
            }
            Ok(names)
        });
        let mut names = listed.map_err(|fault| self.told(&fault, "list", &self.describe()))?;
        names.retain(|name| name != "/");
        Ok(names)
    }

    /// What the bucket answers when it is asked for its `what`.
    pub(super) fn told_by<T>(
        &self,
        answer: impl Future<Output = Result<T, Fault>>,
        what: &str,
    ) -> Result<T> {
        let asked = self.ask(Duration::ZERO, answer);
        asked.map_err(|fault| self.told(&fault, &format!("ask for the {what} of"), &self.root()))
    }

    /// What its service knows of itself.
    pub(super) fn dialect(&self) -> &dyn Dialect {
        self.service.dialect()
    }

    /// Where it is, for messages, without a `/` at its end.
    pub(super) fn root(&self) -> String {
        self.dialect().to_string().trim_end_matches('/').to_owned()
    }

    /// Sends a request and waits for its answer, and for what carrying bytes takes besides.
    pub(super) fn ask<T>(
        &self,
        besides: Duration,
        answer: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let answered = self.wire.wait(besides, answer);
        if answered.as_ref().map_or_else(Fault::is_answer, |_| true) {
            self.heard.store(true, Ordering::Relaxed);
        }
        answered
    }

    pub(super) fn told(&self, fault: &Fault, attempted: &str, subject: &str) -> Error {
        let heard = self.heard.load(Ordering::Relaxed);
        fault.told(attempted, subject, self.dialect(), heard)
    }

    /// An object, for messages.
    pub(super) fn place_of(&self, handle: &Handle) -> String {
        format!("{}/{}", self.root(), handle.path())
    }

    /// Makes an object in one request.
    fn write(&self, handle: &Handle, bytes: Bytes, exclusive: bool) -> Result<(), Fault> {
        let takes = Duration::from_secs(bytes.len() as u64 / SLOWEST);
        self.ask(takes, async {
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
        let mut stream = self.ask(Duration::ZERO, async {
            let reader = self.operator.reader(&path).await?;
            Ok(match range {
                Some(range) => reader.into_stream(range).await?,
                None => reader.into_stream(..).await?,
            })
        })?;
        let mut bytes = Vec::new();
        // Each piece has its own time: a slow line is no silent one.
        while let Some(pieces) = self.ask(Duration::ZERO, async { Ok(stream.try_next().await?) })? {
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
        if self.dialect().has_folders() {
            return self.why_missing("find", &place);
        }
        match self.read(handle, None, 0) {
            Ok(_) => Error::unavailable("find", place, "the store contradicts itself"),
            Err(fault) => self.told(&fault, "find", &place),
        }
    }

    /// Those objects of the next page that are of this kind; none at the end.
    fn page(&self, lister: &mut Lister, kind: ObjectKind) -> Result<Option<Vec<Listed>>, Fault> {
        self.ask(Duration::ZERO, async {
            let (mut seen, mut page) = (0, Vec::new());
            while seen < PAGE
                && let Some(entry) = lister.try_next().await?
            {
                seen += 1;
                page.extend(listed(kind, &entry));
            }
            Ok((seen > 0).then_some(page))
        })
    }

    fn delete_page(&self, handles: &[Handle]) -> Result<()> {
        if handles.is_empty() {
            return Ok(());
        }
        let together = self.ask(Duration::ZERO, async {
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
        self.dialect().to_string()
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
        let is_told = self.dialect().creation() == Creation::IfNew;
        match self.write(handle, bytes.clone(), is_told) {
            Ok(()) => {
                if self.dialect().has_folders() {
                    self.swept.call_once(|| self.sweep());
                }
                Ok(Put::Created)
            }
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
            Err(fault) if fault.is(ErrorKind::NotFound) && self.dialect().has_folders() => {
                Err(self.why_missing("read", &self.place_of(handle)))
            }
            Err(fault) => Err(self.told(&fault, "read", &self.place_of(handle))),
        }
    }

    fn size(&self, handle: &Handle) -> Result<u64> {
        let path = handle.path();
        let facts = self.ask(Duration::ZERO, async {
            if self.dialect().is_exact() {
                return Ok(self.operator.stat(&path).await?);
            }
            let mut lister = self.operator.lister_with(&path).recursive(true).limit(1).await?;
            match lister.try_next().await?.filter(|entry| entry.path() == path) {
                Some(entry) => Ok(entry.metadata().clone()),
                None => Err(opendal::Error::new(ErrorKind::NotFound, "nothing is listed").into()),
            }
        });
        match facts {
            Ok(facts) => Ok(facts.content_length()),
            Err(fault) if fault.is(ErrorKind::NotFound) => Err(self.missing(handle)),
            Err(fault) => Err(self.told(&fault, "find", &self.place_of(handle))),
        }
    }

    fn list_pages(&self, kind: ObjectKind, prefix: &str, visit: &mut Visit<'_>) -> Result<()> {
        if self.dialect().has_folders() {
            return self.visit_folders(kind, prefix, visit);
        }
        let folder = kind.folder();
        let fan = prefix.split_at_checked(2).filter(|_| kind.facts().fans_out);
        let start = match fan {
            Some((fan, _)) => format!("{folder}/{fan}/{prefix}"),
            None => format!("{folder}/{prefix}"),
        };
        let told = |fault: Fault| self.told(&fault, "list", &format!("{}/{folder}", self.root()));
        let lister = self.ask(Duration::ZERO, async {
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
        self.retained_now(handles)
    }

    fn retain(&self, handles: &[Handle]) -> Result<u64> {
        self.retain_longer(handles)
    }
}
