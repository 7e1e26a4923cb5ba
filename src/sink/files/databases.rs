//! What of a folder must come into its place together: a database that was stored as a plain file,
//! and the log or journal without which it is torn. Anything of such a name waits until the folder is
//! complete; then each is put in place with what belongs to it, or not at all.

use super::folder::{Folder, Occupant};
use super::links::Links;
use super::same::{Identity, Same};
use super::waiting::{Held, Sort, Waiting};
use super::{KEPT, Overwrite};
use crate::error::{Error, Kind, Result};
use crate::format::database::sibling_of;
use crate::sink::sqlite::{self, Written};
use rustix::fs::AtFlags;
use std::collections::BTreeMap;
use std::path::Path;

/// What becomes of something that is named like a sibling.
enum Fate {
    /// It belongs to this database, which waits, too.
    With(Vec<u8>),
    LeftOut(String),
    Refused(Error),
    /// It belongs to none.
    Alone,
}

impl Folder {
    /// The database `name` comes back, or stays, without anything beside it.
    pub(super) fn complete(&self, name: &[u8], why: &'static str) {
        self.state().databases.complete.insert(name.to_vec(), why);
    }

    /// The content of `name` could not be restored.
    pub(super) fn lost(&self, name: &[u8]) {
        if let Some(main) = sibling_of(name).filter(|_| !name.ends_with(b"-shm")) {
            self.state().databases.torn.insert(main.to_vec());
        }
    }

    /// Puts what is complete under the name `temporary` into its place, or lets it wait; whether it
    /// waits.
    pub(super) fn put(
        &self,
        temporary: &[u8],
        name: &[u8],
        identity: Identity,
        sort: Sort,
    ) -> Result<bool> {
        let link = self.link_at(name).filter(|_| sort != Sort::Special);
        let waits = self.place_or_hold(temporary, name, identity, sort)?;
        if let Some(target) = link.filter(|_| !waits) {
            self.reporter().replaced_link(&self.path_of(name)?, &target);
        }
        Ok(waits)
    }

    fn place_or_hold(
        &self,
        temporary: &[u8],
        name: &[u8],
        identity: Identity,
        sort: Sort,
    ) -> Result<bool> {
        match sort {
            Sort::Captured => {
                self.complete(name, "came back whole, without it");
                let at = temporary.to_vec();
                let database = (Written { at, name: name.to_vec() }, identity);
                self.place_database(&database, &[]).map(|()| false)
            }
            Sort::Other | Sort::Special if sibling_of(name).is_none() => {
                self.place(temporary, name, identity).map(|()| false)
            }
            _ => {
                let path = self.path_of(name)?;
                let mut state = self.state();
                let (at, keep, first) = (temporary.to_vec(), false, None);
                if state.databases.held.contains_key(name) {
                    return Err(Error::new(Kind::AlreadyExists, "restore", path.display())
                        .because("another entry of the same folder has this name"));
                }
                let held = Held { at, identity, sort, keep, first };
                state.databases.held.insert(name.to_vec(), held);
                Ok(true)
            }
        }
    }

    /// As what something comes to `name`: into a database's place as a database, whatever it is, since
    /// no log of the old one may stay beside it, and nobody may have the old one open.
    pub(super) fn sort_at(&self, name: &[u8], sort: Sort) -> Result<Sort> {
        let kept =
            matches!(sort, Sort::Captured | Sort::Plain) || self.overwrite == Overwrite::Never;
        if kept || !(self.has_database(name) || sqlite::has_siblings(self.fd(), name)?) {
            return Ok(sort);
        }
        Ok(Sort::Plain)
    }

    /// More of what waits as `name`: where other names of it are linked from, and whether what
    /// stands in its place may stay.
    pub(super) fn waits(&self, name: &[u8], first: Option<Same>, keep: bool) {
        if let Some(held) = self.state().databases.held.get_mut(name) {
            (held.first, held.keep) = (first, keep);
        }
    }

    /// Puts everything that waits into its place; what could not be.
    pub(super) fn settle(&self, links: &Links) -> Vec<Error> {
        let mut held = std::mem::take(&mut self.state().databases.held);
        let mut errors = Vec::new();
        let mut sets: BTreeMap<Vec<u8>, Waiting> = BTreeMap::new();
        for name in held.keys().cloned().collect::<Vec<_>>() {
            let fate = self.fate(&name, &held);
            if matches!(fate, Fate::Alone) {
                sets.entry(name).or_default();
                continue;
            }
            let Some(sibling) = held.remove(&name) else { continue };
            match fate {
                Fate::With(database) => {
                    sets.entry(database).or_default().insert(name, sibling);
                    continue;
                }
                Fate::LeftOut(reason) => {
                    if let Ok(path) = self.path_of(&name) {
                        self.reporter().sibling(&path, &reason);
                    }
                }
                Fate::Refused(error) => errors.push(error),
                Fate::Alone => {}
            }
            self.give_up(links, &sibling);
        }
        for (name, siblings) in sets {
            if let Some(main) = held.remove(&name) {
                self.settle_set(links, name, main, siblings, &mut errors);
            }
        }
        errors
    }

    /// Forgets what waits.
    pub(super) fn abandon(&self) {
        let held = std::mem::take(&mut self.state().databases.held);
        held.values().for_each(|held| self.discard(&held.at));
    }

    fn fate(&self, name: &[u8], held: &Waiting) -> Fate {
        let Some(main) = sibling_of(name) else { return Fate::Alone };
        if let Some(why) = self.state().databases.complete.get(main) {
            return Fate::LeftOut(format!("its database {why}"));
        }
        let path = match self.path_of(name) {
            Ok(path) => path,
            Err(error) => return Fate::Refused(error),
        };
        if held.get(main).is_some_and(|main| main.sort == Sort::Plain) {
            return match held.get(name).is_some_and(|held| held.sort == Sort::Special) {
                true => Fate::Refused(no_file(&path)),
                false => Fate::With(main.to_vec()),
            };
        }
        let at = held.get(name).map_or(name, |held| &held.at);
        match self.would_tear(main, at, name) {
            Ok(false) => Fate::Alone,
            Ok(true) if self.is_newer(main) => Fate::LeftOut(format!("its database {KEPT}")),
            Ok(true) => Fate::Refused(of_another_moment(&path)),
            Err(error) => Fate::Refused(error.within("restore", path.display())),
        }
    }

    /// Whether the log `name`, which is at `at`, would come beside a database that is not what this
    /// restore has put there, or found there.
    fn would_tear(&self, main: &[u8], at: &[u8], name: &[u8]) -> Result<bool> {
        if sqlite::stands(self.fd(), main)? {
            return Ok(true);
        }
        // Encrypted, perhaps, with nothing beside it: then the log tells.
        let foreign = self.regular(main).is_some_and(|found| {
            let state = self.state();
            !state.made.contains(&found) || state.newer.contains(&found)
        });
        Ok(foreign && sqlite::is_sibling(self.fd(), at, name)?)
    }

    /// Whether what stands at `name` was kept, since it is newer than what the snapshot has.
    fn is_newer(&self, name: &[u8]) -> bool {
        self.regular(name).is_some_and(|found| self.state().newer.contains(&found))
    }

    /// The file that stands at `name`.
    fn regular(&self, name: &[u8]) -> Option<Identity> {
        let stat = rustix::fs::statat(self.fd(), name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let found = Occupant::new(&stat);
        found.regular.then_some(found.identity)
    }

    fn settle_set(
        &self,
        links: &Links,
        name: Vec<u8>,
        main: Held,
        siblings: Waiting,
        errors: &mut Vec<Error>,
    ) {
        let written = |name: &Vec<u8>, held: &Held| {
            (Written { at: held.at.clone(), name: name.clone() }, held.identity)
        };
        let with: Vec<_> = siblings.iter().map(|(name, held)| written(name, held)).collect();
        let stays = main.keep;
        let torn = self.state().databases.torn.contains(&name) && main.sort == Sort::Plain;
        let placed = match main.sort {
            _ if torn => self.path_of(&name).and_then(|path| Err(without_its_log(&path))),
            _ if stays => Ok(()),
            Sort::Other | Sort::Special => self.place(&main.at, &name, main.identity),
            _ => self.place_database(&written(&name, &main), &with),
        };
        let failed = placed.is_err();
        errors.extend(placed.err());
        for (sibling, held) in siblings.into_iter().chain([(name.clone(), main)]) {
            if failed || stays {
                if sibling != name {
                    errors.extend(self.path_of(&sibling).ok().map(|path| without_database(&path)));
                }
                self.give_up(links, &held);
            } else if let Some(first) = held.first {
                links.finished(&first, self, &sibling, held.identity, held.sort);
            }
        }
    }

    fn give_up(&self, links: &Links, held: &Held) {
        self.discard(&held.at);
        if let Some(first) = &held.first {
            links.failed(first);
        }
    }

    fn place_database(
        &self,
        database: &(Written, Identity),
        siblings: &[(Written, Identity)],
    ) -> Result<()> {
        let mut state = self.state();
        let all = || siblings.iter().chain([database]);
        for (written, _) in all() {
            self.check(&state, &written.name)?;
        }
        let path = self.path_of(&database.0.name)?;
        let with: Vec<Written> = siblings.iter().map(|(written, _)| written.clone()).collect();
        sqlite::place(self.fd(), &database.0, &with)
            .map_err(|error| error.within("restore", path.display()))?;
        state.made.extend(all().map(|(_, identity)| *identity));
        Ok(())
    }

    /// Whether a database stands at `name` already.
    pub(super) fn has_database(&self, name: &[u8]) -> bool {
        sqlite::stands(self.fd(), name).unwrap_or(false)
    }
}

pub(super) fn of_another_moment(path: &Path) -> Error {
    Error::new(Kind::Refused, "restore", path.display())
        .because("the database that stands beside it is of another moment, and would be torn by it")
        .hint("restore the database together with it, or into an empty folder")
}

fn without_its_log(path: &Path) -> Error {
    Error::new(Kind::Refused, "restore", path.display())
        .because("its log or journal is lost, and without it the database would be torn")
        .hint("`icecore dump` writes out what there is of it")
}

fn no_file(path: &Path) -> Error {
    Error::new(Kind::Refused, "restore", path.display())
        .because("SQLite would follow it as if it were the log of the database beside it")
}

fn without_database(path: &Path) -> Error {
    Error::new(Kind::Refused, "restore", path.display())
        .because("its database could not be restored")
}
