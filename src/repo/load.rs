//! How the index is read: what the local cache has of it from there, the rest from the store.

use super::gather::{Gather, Gathered};
use super::standing::Standing;
use super::tags::TagChanges;
use super::together::both;
use super::{Generations, Index, Repository};
use crate::backend::{Handle, Listed};
use crate::error::{Kind, Result};
use crate::format::ObjectKind;
use crate::format::index::{PackRow, Segment};
use crate::id::{IndexId, PackId};
use crate::limits::FETCH_AHEAD;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// How often the index is read anew before a segment that is listed and not there is an error.
const LOADS_MOST: usize = 8;

/// Most segments that are opened together.
const TOGETHER: usize = 256;

/// Which of the segments that are stored are in an index.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// Those that are alive.
    Living,
    /// The same, all read from the store: what is wrong there is not to be covered up by the cache.
    Proved,
    /// Dead ones too, all read from the store likewise.
    All,
}

impl Repository {
    /// Reads the collection chain and then every live index segment, for readers: entries of
    /// packs that are gone or damaged are in it, too, and those of condemned packs, which come last.
    /// What a damaged segment named is just not known; [`Index::take_troubles`] tells of it.
    ///
    /// A segment that is gone when its turn comes was replaced by a collector: then everything is
    /// read again, a few times.
    pub fn load_index(&self) -> Result<Index> {
        self.load(Wanted::Living)
    }

    /// The same by a collection chain that was just read, every segment read from the store: for
    /// a check of it.
    pub fn load_index_to_check(&self, generations: Generations) -> Result<Index> {
        match self.try_load(Wanted::Proved, generations) {
            Err(error) if error.kind() == Kind::NotFound => self.load(Wanted::Proved),
            loaded => loaded,
        }
    }

    /// The same with dead segments, all read from the store: for deletions, which trust neither
    /// verdicts nor the cache.
    pub fn load_whole_index(&self) -> Result<Index> {
        self.load(Wanted::All)
    }

    /// The same for writers (chapter 11, W2): what counts is only what certain segments name,
    /// lies in packs that are listed with their length, and is not condemned or noted as damaged. What
    /// a store whose listings lag does not show yet is not counted on either.
    ///
    /// With it comes what the same notes say of tags.
    pub(super) fn load_index_to_write(&self) -> Result<(Index, TagChanges)> {
        let mut index = self.load_index()?;
        let (sizes, notes) = both(&**self.backend(), || self.pack_sizes(), || self.notes())?;
        let (changes, mut noted) = (notes.tag_changes(), notes.into_damage());
        let is_there = |pack: &PackRow| sizes.get(&pack.id) == Some(&u64::from(pack.size));
        index.count_only(is_there);
        let uncertain = std::mem::take(&mut index.uncertain);
        index.count_only(|pack| !uncertain.contains(&pack.id));
        index.distrust(&noted.all());
        index.add_troubles(&mut noted.troubles);
        Ok((index, changes))
    }

    /// The packs that are stored, and their lengths.
    pub fn pack_sizes(&self) -> Result<HashMap<PackId, u64>> {
        let listed = self.backend().list(ObjectKind::Pack)?;
        let sizes = listed.iter().map(|object| Some((object.handle.pack_id()?, object.size)));
        Ok(sizes.flatten().collect())
    }

    fn load(&self, wanted: Wanted) -> Result<Index> {
        let mut tries = 1;
        loop {
            match self.generations().and_then(|chain| self.try_load(wanted, chain)) {
                Err(error) if error.kind() == Kind::NotFound && tries < LOADS_MOST => tries += 1,
                loaded => return loaded,
            }
        }
    }

    fn try_load(&self, wanted: Wanted, generations: Generations) -> Result<Index> {
        let listed = self.backend().list(ObjectKind::Index)?;
        // Each once, though a listing may show it twice.
        let listed: BTreeMap<IndexId, Listed> = listed
            .into_iter()
            .filter_map(|object| Some((object.handle.index_id()?, object)))
            .collect();
        let mut gather = Gather::begin(self.cache().cloned(), self.segments(), &listed);
        let unread = listed.iter().filter(|(id, _)| wanted != Wanted::Living || !gather.has(id));
        let mut unread: Vec<Listed> = unread.map(|(_, object)| object.clone()).collect();
        if wanted == Wanted::Living {
            self.retain_records(ObjectKind::Index, &unread);
            unread.retain(|object| !self.add_kept(object, &mut gather));
        }
        let mut sizes = unread.iter().map(|object| object.size).collect::<Vec<_>>().into_iter();
        let mut fetched = self
            .fetch_objects(unread)
            .filter_map(|(handle, bytes)| Some((handle.index_id()?, sizes.next()?, bytes)));
        let (reader, mut troubles) = (self.segments(), Vec::new());
        loop {
            let part = take_part(&mut fetched);
            if part.is_empty() {
                break;
            }
            let opened: Vec<(IndexId, u64, Result<Segment>)> = part
                .into_par_iter()
                .map(|(id, size, bytes)| {
                    (id, size, bytes.and_then(|bytes| reader.open(id, &bytes)))
                })
                .collect();
            for (id, size, segment) in opened {
                match segment {
                    Ok(segment) => gather.add(id, size, segment),
                    // A newer program's segment must stop us; a damaged one costs what it named.
                    Err(error) if error.kind() != Kind::Damaged => return Err(error),
                    Err(error) => {
                        gather.lose(id);
                        troubles.push((Handle::index(id), error));
                    }
                }
            }
        }
        let whole = wanted == Wanted::All;
        let Gathered { names, dead, tables, uncertain } = gather.finish(&generations, whole)?;
        let standing = Standing::of(&tables);
        Ok(Index { tables, names, dead, generations, standing, uncertain, troubles })
    }

    /// Adds a segment that this machine has put, if the local cache keeps it as it was.
    fn add_kept(&self, object: &Listed, gather: &mut Gather) -> bool {
        let Some(cache) = self.cache().filter(|cache| cache.has_record(object)) else {
            return false;
        };
        let opened = object.handle.index_id().zip(cache.record(object)).and_then(|(id, bytes)| {
            self.segments().open(id, &bytes).ok().map(|segment| (id, segment))
        });
        opened.map(|(id, segment)| gather.add(id, object.size, segment)).is_some()
    }
}

/// Fetched segments to be opened together: a bounded number of bytes, and at least one.
fn take_part<T>(
    fetched: &mut impl Iterator<Item = (T, u64, Result<Vec<u8>>)>,
) -> Vec<(T, u64, Result<Vec<u8>>)> {
    let (mut part, mut bytes) = (Vec::new(), 0_u64);
    while bytes < FETCH_AHEAD && part.len() < TOGETHER {
        let Some(next) = fetched.next() else { break };
        bytes = bytes.saturating_add(next.1);
        part.push(next);
    }
    part
}
