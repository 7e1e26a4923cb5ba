//! Carries objects from the source to all targets that lack them: each is read once, several are on
//! their way at once.

use super::proof::prove;
use super::survey::is_chain;
use super::target::Target;
use crate::backend::{Backend, Bytes, Listed};
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::monitor::{Counter, Monitor, go_on};
use parking_lot::{Mutex, MutexGuard};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Builder;

/// Most large objects in memory at once.
const LARGE_AT_ONCE: usize = 4;
/// Most small ones.
const SMALL_AT_ONCE: usize = 16;

/// What is copied in one go.
pub(super) struct Transfer<'t> {
    source: &'t dyn Backend,
    targets: &'t [Target],
    monitor: &'t dyn Monitor,
    /// What of the source is damaged, and was not copied.
    troubles: Mutex<Vec<Error>>,
    /// Whether something went away while it was copied.
    has_vanished: AtomicBool,
}

impl<'t> Transfer<'t> {
    pub(super) fn new(
        source: &'t dyn Backend,
        targets: &'t [Target],
        monitor: &'t dyn Monitor,
    ) -> Self {
        let (troubles, has_vanished) = (Mutex::default(), AtomicBool::new(false));
        Transfer { source, targets, monitor, troubles, has_vanished }
    }

    /// Whether the source is no longer what was listed.
    pub(super) fn has_vanished(&self) -> bool {
        self.has_vanished.load(Ordering::Relaxed)
    }

    pub(super) fn into_troubles(self) -> Vec<Error> {
        self.troubles.into_inner()
    }

    /// Copies those of these objects that a target lacks; all are there when it returns.
    ///
    /// # Errors
    /// Those of a source that does not answer; the user's wish to stop.
    pub(super) fn carry(&self, kind: ObjectKind, objects: &[Listed]) -> Result<()> {
        let is_wanted = |object: &&Listed| self.targets.iter().any(|target| target.lacks(object));
        let wanted: Vec<&Listed> = objects.iter().filter(is_wanted).collect();
        let work = Work { wanted, next: AtomicUsize::new(0), stopped: Mutex::new(None) };
        std::thread::scope(|scope| {
            for _ in 1..self.at_once(kind).min(work.wanted.len()) {
                // Without another thread the work goes on with those that there are.
                let started = Builder::new().spawn_scoped(scope, || work.run(self));
                drop(started);
            }
            work.run(self);
        });
        work.stopped.into_inner().map_or(Ok(()), Err)
    }

    /// How many objects of a kind are carried at once. A chain has no gaps at any moment.
    fn at_once(&self, kind: ObjectKind) -> usize {
        let targets = self.targets.iter().map(Target::connections);
        let connections = targets.fold(self.source.capabilities().connections, usize::max);
        match kind {
            _ if is_chain(kind) => 1,
            ObjectKind::Pack | ObjectKind::Index => connections.min(LARGE_AT_ONCE),
            _ => connections.min(SMALL_AT_ONCE),
        }
    }

    fn carry_one(&self, object: &Listed) -> Result<()> {
        go_on(self.monitor, "mirror")?;
        let lacking = |target: &&Target| target.lacks(object) && !target.has_failed();
        let targets: Vec<&Target> = self.targets.iter().filter(lacking).collect();
        if targets.is_empty() {
            return Ok(());
        }
        let Some(bytes) = self.read(object)? else { return Ok(()) };
        for target in targets {
            target.put(&object.handle, &bytes);
            self.monitor.count(Counter::Bytes, object.size);
        }
        Ok(())
    }

    /// The bytes of an object, if they are what they should be. Without its chains a repository cannot be
    /// read: where one is broken, nothing more is copied.
    fn read(&self, object: &Listed) -> Result<Option<Bytes>> {
        let handle = &object.handle;
        let read = || self.source.get(handle, None).and_then(|bytes| proved(object, bytes));
        // What failed, or was damaged on its way, may be right when it is read again.
        let bytes = read().or_else(|error| match error.kind() {
            Kind::NotFound | Kind::Unavailable | Kind::Unsupported => Err(error),
            _ => read(),
        });
        match bytes {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) => match error.kind() {
                Kind::NotFound => {
                    self.has_vanished.store(true, Ordering::Relaxed);
                    Ok(None)
                }
                Kind::Unavailable | Kind::Unsupported => Err(error),
                _ if is_chain(handle.kind()) => Err(error.within("mirror", handle)),
                _ => {
                    let error = error.within("mirror", handle).hint(
                        "repair the source, and mirror again: what is whole of it is copied then",
                    );
                    self.troubles.lock().push(error);
                    Ok(None)
                }
            },
        }
    }
}

fn proved(object: &Listed, bytes: Vec<u8>) -> Result<Vec<u8>> {
    let handle = &object.handle;
    match bytes.len() as u64 == object.size {
        true => prove(handle, &bytes).map(|()| bytes),
        false => Err(Error::damaged("read", handle, "it is not as long as it was listed")),
    }
}

/// Objects that several threads carry.
struct Work<'o> {
    wanted: Vec<&'o Listed>,
    next: AtomicUsize,
    stopped: Mutex<Option<Error>>,
}

impl Work<'_> {
    fn run(&self, transfer: &Transfer<'_>) {
        while self.stopped().is_none() {
            let next = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(object) = self.wanted.get(next) else { return };
            if let Err(error) = transfer.carry_one(object) {
                self.stopped().get_or_insert(error);
            }
        }
    }

    fn stopped(&self) -> MutexGuard<'_, Option<Error>> {
        self.stopped.lock()
    }
}
