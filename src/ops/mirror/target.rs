//! One place that a repository is mirrored to: whether it may be used, what it has, and the outcome.

use super::ahead::{DIVERGED, refuse_ahead};
use super::proof::judge;
use super::survey::{COPIED, Survey, is_chain, link, list};
use crate::backend::{Backend, Bytes, Handle, Listed, Put, is_of_probe};
use crate::crypto::Secret;
use crate::env::Env;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::id::RepoId;
use crate::ops::prune::Tally;
use crate::repo::unproved_config;
use parking_lot::{Mutex, MutexGuard};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// A target of a mirror, while it is made.
pub(super) struct Target {
    store: Arc<dyn Backend>,
    /// What stood there when it was looked at last.
    listed: HashMap<Handle, u64>,
    outcome: Mutex<TargetReport>,
}

/// The outcome of one target.
#[derive(Debug, Default)]
pub struct TargetReport {
    /// Where it is.
    pub place: String,
    /// What was created there; for a trial, what would be.
    pub copied: BTreeMap<ObjectKind, Tally>,
    /// Objects there that its store was asked to retain for longer.
    pub extended: u64,
    /// Objects there that the source does not have, or has no more.
    pub alone: Tally,
    /// Objects that are not the source's, though they have the same names.
    pub different: Vec<Error>,
    /// What ended the copying to this target.
    pub failure: Option<Error>,
}

impl TargetReport {
    /// Whether it has all that the source has.
    pub fn is_whole(&self) -> bool {
        self.different.is_empty() && self.failure.is_none()
    }
}

impl Target {
    pub(super) fn new(store: Arc<dyn Backend>) -> Self {
        let outcome = TargetReport { place: store.describe(), ..TargetReport::default() };
        Target { store, listed: HashMap::new(), outcome: Mutex::new(outcome) }
    }

    /// So many requests at once are worth while.
    pub(super) fn connections(&self) -> usize {
        self.store.capabilities().connections
    }

    /// Its outcome.
    pub(super) fn into_report(self) -> TargetReport {
        self.outcome.into_inner()
    }

    /// Whether nothing more is copied there.
    pub(super) fn has_failed(&self) -> bool {
        self.outcome().failure.is_some()
    }

    /// Whether an object has to be copied there.
    pub(super) fn lacks(&self, object: &Listed) -> bool {
        !self.listed.contains_key(&object.handle)
    }

    /// Extends its store's own retention of what stood there and is the source's still.
    pub(super) fn retain(&self, survey: &Survey) {
        if self.has_failed() || self.store.capabilities().retention.is_none() {
            return;
        }
        let stood: Vec<Handle> = survey
            .all()
            .filter(|object| !self.lacks(object))
            .map(|object| object.handle.clone())
            .collect();
        let extended = self.store.retain(&stood);
        let mut outcome = self.outcome();
        match extended {
            Ok(extended) => outcome.extended = extended,
            Err(error) => outcome.failure = Some(error),
        }
    }

    /// Looks at what stands there now.
    pub(super) fn look(
        &mut self,
        source: &dyn Backend,
        repository: RepoId,
        survey: &Survey,
        key: Option<(&Env, &Secret)>,
    ) {
        if self.has_failed() {
            return;
        }
        let looked = self.try_look(source, repository, survey);
        if let Err(error) =
            looked.and_then(|()| refuse_ahead(&self.store, &self.listed, survey, key))
        {
            self.outcome().failure = Some(error);
        }
    }

    fn try_look(&mut self, source: &dyn Backend, ours: RepoId, survey: &Survey) -> Result<()> {
        self.listed.clear();
        for kind in COPIED {
            let listed = list(&*self.store, kind)?;
            self.listed.extend(listed.into_iter().map(|object| (object.handle, object.size)));
        }
        match self.listed.keys().any(|handle| handle.kind() == ObjectKind::Config) {
            true => self.refuse_another(source, ours, survey)?,
            false => self.refuse_foreign(survey)?,
        }
        let stands = |object: &&Listed| {
            self.listed.get(&object.handle).is_some_and(|size| *size != object.size)
        };
        let different = survey.all().filter(stands);
        let different = different.map(|object| self.difference(source, &object.handle));
        let different: Vec<Error> = different.collect::<Result<_>>()?;
        let known = survey.handles();
        let mut alone = Tally::default();
        let others = self.listed.iter().filter(|(handle, _)| !known.contains(handle));
        others.for_each(|(_, size)| alone.add(*size));
        let mut outcome = self.outcome();
        (outcome.different, outcome.alone) = (different, alone);
        Ok(())
    }

    /// M3: a place without a configuration is empty, or has the key slots of a mirror that was stopped
    /// right away.
    fn refuse_foreign(&self, survey: &Survey) -> Result<()> {
        let ours = |handle: &Handle| {
            handle.kind() == ObjectKind::Key
                && survey.of(ObjectKind::Key).iter().any(|object| object.handle == *handle)
        };
        let mut foreign = self.listed.keys().find(|handle| !ours(handle)).cloned();
        for kind in [ObjectKind::Writer, ObjectKind::Quarantine] {
            for object in self.store.list(kind)? {
                if !is_of_probe(&*self.store, &object)? {
                    foreign = Some(object.handle);
                }
            }
        }
        match foreign {
            None => Ok(()),
            Some(handle) => Err(self
                .refusal(format!("it is no mirror, but holds {handle}"))
                .hint("name an empty place, or an earlier mirror of the same repository")),
        }
    }

    /// M3: what stands there is the same repository, and no newer than the source.
    fn refuse_another(&self, source: &dyn Backend, ours: RepoId, survey: &Survey) -> Result<()> {
        let theirs = unproved_config(&*self.store)?.repository;
        if theirs != ours {
            let reason = format!("it holds another repository, {theirs}; this one is {ours}");
            return Err(self.refusal(reason).hint("name an empty place, or a mirror of this one"));
        }
        for kind in COPIED.into_iter().filter(|kind| is_chain(*kind)) {
            let chain = self.listed.keys().filter(|handle| handle.kind() == kind);
            let Some(last) = chain.max_by_key(|handle| link(handle)) else { continue };
            if !survey.of(kind).iter().any(|object| object.handle == *last) {
                let reason = format!(
                    "it has {last} and the source has not: the source is an older state of itself, \
                     or something else wrote to the mirror"
                );
                return Err(self.refusal(reason).hint(DIVERGED));
            }
            if source.get(last, None)? != self.store.get(last, None)? {
                let reason = format!(
                    "its {last} is not the source's: it is damaged, or something else wrote to the \
                     mirror, or to the source after it was set back"
                );
                return Err(self.refusal(reason).hint(DIVERGED));
            }
        }
        Ok(())
    }

    fn refusal(&self, reason: String) -> Error {
        Error::new(Kind::Refused, "mirror to", self.store.describe()).because(reason)
    }

    /// Creates an object there (M5).
    pub(super) fn put(&self, handle: &Handle, bytes: &Bytes) {
        if let Err(error) = self.try_put(handle, bytes) {
            self.outcome().failure.get_or_insert(error);
        }
    }

    fn try_put(&self, handle: &Handle, bytes: &Bytes) -> Result<()> {
        if self.store.put_shared(handle, bytes.clone())? == Put::Created {
            self.count(&Listed { handle: handle.clone(), size: bytes.len() as u64 });
            return Ok(());
        }
        // Another mirror was quicker, or an answer was lost.
        let stands = self.store.get(handle, None)?;
        if stands != *bytes {
            if handle.kind() == ObjectKind::Config {
                return Err(self.refusal("another repository was put there just now".to_owned()));
            }
            let error = self.differs(handle, judge(handle, &Ok(bytes.to_vec()), &Ok(stands)));
            self.outcome().different.push(error);
        }
        Ok(())
    }

    /// Counts what was, or would be, created there.
    pub(super) fn count(&self, object: &Listed) {
        self.outcome().copied.entry(object.handle.kind()).or_default().add(object.size);
    }

    /// Why an object there is not the one of the source.
    fn difference(&self, source: &dyn Backend, handle: &Handle) -> Result<Error> {
        let read = |store: &dyn Backend| match store.get(handle, None) {
            Err(error) if error.kind() == Kind::Unavailable => Err(error),
            read => Ok(read),
        };
        let (ours, theirs) = (read(source)?, read(&*self.store)?);
        Ok(self.differs(handle, judge(handle, &ours, &theirs)))
    }

    fn differs(&self, handle: &Handle, wrong: &str) -> Error {
        let place = format!("{handle} in {}", self.store.describe());
        Error::damaged("mirror", place, format!("it is not the source's, and {wrong}")).hint(
            "a mirror replaces nothing: if the mirror's is damaged, delete it there, and mirror again; if the \
             source's is, repair the source",
        )
    }

    fn outcome(&self) -> MutexGuard<'_, TargetReport> {
        self.outcome.lock()
    }
}
