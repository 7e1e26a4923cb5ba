//! What is asked of services that have folders: they are made, listed one by one, and removed.

use super::fault::Fault;
use super::listing::listed;
use super::placing;
use super::store::HttpStore;
use crate::backend::several::several;
use crate::backend::{Listed, Visit};
use crate::env::Env;
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::id::unhex;
use opendal::Entry;
use std::time::Duration;

/// Seconds after which something without a name has surely been left by one that was stopped. Should
/// it not have been, its writer fails; nothing is lost.
const STRAY_AGE: i64 = 24 * 60 * 60;

impl HttpStore {
    /// Makes the root, with all its parents.
    pub(super) fn make_root(&self) -> Result<()> {
        let made = self.ask(Duration::ZERO, async { Ok(self.operator.create_dir("/").await?) });
        made.map_err(|fault| self.told_of_root(&fault, "make the folder"))
    }

    /// Removes the root, with all that is in it.
    pub(super) fn clear(&self) -> Result<()> {
        let removed = self.ask(Duration::ZERO, async { Ok(self.operator.delete("/").await?) });
        removed.map_err(|fault| self.told_of_root(&fault, "remove"))
    }

    /// Why an object is missing: it alone, or all with the root.
    pub(super) fn why_missing(&self, attempted: &str, place: &str) -> Error {
        match self.find_root() {
            Ok(()) => {
                Error::new(Kind::NotFound, attempted, place).because("there is no such object")
            }
            Err(error) => error,
        }
    }

    /// Hands the objects of a kind to `visit`, folder by folder.
    pub(super) fn visit_folders(
        &self,
        kind: ObjectKind,
        prefix: &str,
        visit: &mut Visit<'_>,
    ) -> Result<()> {
        let folder = format!("{}/", kind.folder());
        let entries = self.entries(&folder)?;
        if entries.is_empty() {
            // It is not there; no more is the root, perhaps.
            return self.find_root_without(&folder);
        }
        if !kind.facts().fans_out {
            return visit(objects(kind, prefix, &entries));
        }
        let fans: Vec<&Entry> = entries
            .iter()
            .filter(|entry| {
                let name =
                    entry.path().trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                let is_fan = entry.metadata().is_dir() && unhex::<1>(name).is_some();
                is_fan && (name.starts_with(prefix) || prefix.starts_with(name))
            })
            .collect();
        let at_once = self.connections.max(1);
        for some in fans.chunks(at_once) {
            let list = |fan: &&Entry| match self.entries(fan.path())? {
                entries if entries.is_empty() => Err(self.contradicts(fan.path())),
                entries => Ok(objects(kind, prefix, &entries)),
            };
            for page in several(some, at_once, list) {
                visit(page?)?;
            }
        }
        Ok(())
    }

    /// Removes what was left without a name, if it can.
    pub(super) fn sweep(&self) {
        let now = Env::real().now().0 / crate::env::Time::SECOND;
        let is_stray = |entry: &&Entry| {
            let modified = entry.metadata().last_modified();
            let modified = modified.map(|time| time.into_inner().as_second());
            entry.metadata().is_file()
                && modified.is_some_and(|at| at.saturating_add(STRAY_AGE) < now)
        };
        let entries = self.entries(placing::FOLDER).unwrap_or_default();
        for stray in entries.iter().filter(is_stray) {
            let delete = async { Ok(self.operator.delete(stray.path()).await?) };
            // Another may sweep, too.
            drop(self.ask(Duration::ZERO, delete));
        }
    }

    /// All that a folder holds, and the folder itself; nothing if it is not there.
    fn entries(&self, folder: &str) -> Result<Vec<Entry>> {
        let listed = self.ask(Duration::ZERO, async { Ok(self.operator.list(folder).await?) });
        let place = format!("{}/{folder}", self.root());
        listed.map_err(|fault| self.told(&fault, "list", place.trim_end_matches('/')))
    }

    /// That the root is there, and does not have this folder, which brought no answer.
    fn find_root_without(&self, folder: &str) -> Result<()> {
        let entries = self.entries("/")?;
        match entries.iter().any(|entry| entry.path() == folder) {
            true => Err(self.contradicts(folder)),
            false => self.judge_root(&entries),
        }
    }

    /// A folder that is listed, and not there: nobody removes any.
    fn contradicts(&self, folder: &str) -> Error {
        let place = format!("{}/{folder}", self.root());
        Error::unavailable("list", place, "the server lists it, and says that it is not there")
    }

    fn find_root(&self) -> Result<()> {
        self.judge_root(&self.entries("/")?)
    }

    fn judge_root(&self, entries: &[Entry]) -> Result<()> {
        match entries.is_empty() {
            false => Ok(()),
            true => Err(Error::new(Kind::NoRepository, "find", self.root())
                .because(self.dialect().absence())
                .hint("check its name and its server; init makes it")),
        }
    }

    fn told_of_root(&self, fault: &Fault, attempted: &str) -> Error {
        self.told(fault, attempted, &self.root())
    }
}

/// The objects of a kind among the entries of a folder.
fn objects(kind: ObjectKind, prefix: &str, entries: &[Entry]) -> Vec<Listed> {
    let objects = entries.iter().filter_map(|entry| listed(kind, entry));
    objects.filter(|object| object.handle.name().starts_with(prefix)).collect()
}
