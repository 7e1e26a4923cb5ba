//! What the source has: one state of it, whatever others write and collect meanwhile.

use crate::backend::{Backend, Handle, Listed};
use crate::error::{Error, Result};
use crate::format::ObjectKind;
use std::collections::{BTreeMap, HashSet};

/// The kinds that are mirrored, in the order of copying (M2). What is missing are registrations, since
/// nobody is at work in a mirror, and what is in quarantine (M6).
pub(super) const COPIED: [ObjectKind; 8] = [
    ObjectKind::Key,
    ObjectKind::Config,
    ObjectKind::Pack,
    ObjectKind::Index,
    ObjectKind::Note,
    ObjectKind::Forgotten,
    ObjectKind::Gc,
    ObjectKind::Snapshot,
];

/// Whether objects of a kind are a chain: numbered, each upon the one before, and never deleted.
pub(super) fn is_chain(kind: ObjectKind) -> bool {
    matches!(kind, ObjectKind::Config | ObjectKind::Gc)
}

/// Where an object stands in its chain.
pub(super) fn link(handle: &Handle) -> (Option<u64>, bool) {
    (handle.number(), handle.is_verdict())
}

/// The objects of a source, by kind, each in the order in which it is copied.
pub(super) struct Survey(BTreeMap<ObjectKind, Vec<Listed>>);

/// The source is listed so often, while others decide collections at the same time.
const TRIES: usize = 8;

impl Survey {
    /// Lists the source (M1).
    ///
    /// # Errors
    /// Those of the store; `Unavailable` if no two looks at its chains agree.
    pub(super) fn take(source: &dyn Backend) -> Result<Self> {
        let mut before = chains(source)?;
        for _ in 0..TRIES {
            let mut listed = BTreeMap::new();
            for kind in COPIED.into_iter().rev().filter(|kind| !is_chain(*kind)) {
                listed.insert(kind, list(source, kind)?);
            }
            let after = chains(source)?;
            if before == after {
                listed.extend(after);
                return Ok(Survey(listed));
            }
            before = after;
        }
        Err(Error::unavailable("mirror", source.describe(), "it changes faster than it is listed"))
    }

    /// The objects of a kind.
    pub(super) fn of(&self, kind: ObjectKind) -> &[Listed] {
        self.0.get(&kind).map_or(&[], Vec::as_slice)
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &Listed> {
        COPIED.into_iter().flat_map(|kind| self.of(kind))
    }

    /// The names of all.
    pub(super) fn handles(&self) -> HashSet<&Handle> {
        self.all().map(|object| &object.handle).collect()
    }
}

/// What every key and every collection adds to.
fn chains(source: &dyn Backend) -> Result<BTreeMap<ObjectKind, Vec<Listed>>> {
    let chains = COPIED.into_iter().filter(|kind| is_chain(*kind));
    chains.map(|kind| Ok((kind, list(source, kind)?))).collect()
}

/// The objects of a kind; one that a listing shows twice is one.
pub(super) fn list(store: &dyn Backend, kind: ObjectKind) -> Result<Vec<Listed>> {
    let mut listed = store.list(kind)?;
    listed.sort_by(|a, b| {
        (link(&a.handle), &a.handle, a.size).cmp(&(link(&b.handle), &b.handle, b.size))
    });
    listed.dedup_by(|a, b| a.handle == b.handle);
    Ok(listed)
}
