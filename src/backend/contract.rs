//! What every store has to do, as trials: tests hold each backend to it, and `doctor` a user's own store.

use super::{Backend, Bytes, Handle, Put};
use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::id::{IndexId, NoteId, PackId, SlotId, SnapshotId};
use crate::limits::{PACK_MAX, RECORD_MAX};
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Barrier;
use std::thread;

/// What a store has to do.
#[derive(Debug)]
pub struct Promise {
    /// In words.
    pub what: &'static str,
    /// What follows where it is not kept, unless nothing at all can be stored there then.
    pub otherwise: Option<&'static str>,
    check: fn(&dyn Backend) -> Result<()>,
}

/// What [`Backend`] promises.
pub const PROMISES: [Promise; 8] = [
    needed("gives back what was put", gives_back_what_was_put),
    needed("never overwrites", never_overwrites),
    needed("reads exact ranges", reads_exact_ranges),
    needed("is sure of what is missing", is_sure_of_what_is_missing),
    needed("lists each kind apart, at once", lists_each_kind_apart),
    needed("refuses what is too large", refuses_what_is_too_large),
    needed("lets one creator win, or says that it does not", lets_one_creator_win),
    Promise {
        what: "deletes",
        otherwise: Some("prune can give back no room; backups, restores and checks work"),
        check: forgets_what_was_deleted,
    },
];

/// That of a store which is large enough for packs: apart, since it takes a while.
pub const LARGE: Promise = needed("holds objects of 64 MiB", holds_large_objects);

const fn needed(what: &'static str, check: fn(&dyn Backend) -> Result<()>) -> Promise {
    Promise { what, otherwise: None, check }
}

impl Promise {
    /// Tries it on a store without objects, and leaves objects there.
    ///
    /// # Errors
    /// `Failed` if it is not kept, or whatever the store failed with.
    pub fn try_on(&self, store: &dyn Backend) -> Result<()> {
        (self.check)(store)
    }
}

fn gives_back_what_was_put(store: &dyn Backend) -> Result<()> {
    for (number, length) in [0, 1, 511, 512, 513, 4096, 70_001].into_iter().enumerate() {
        let handle = Handle::config(number as u64);
        let bytes = pattern(length);
        keep(store.put_new(&handle, &bytes)? == Put::Created, store, "create what is new")?;
        keep(store.get(&handle, None)? == bytes, store, "give back the same bytes")?;
        keep(store.size(&handle)? == length as u64, store, "tell the length")?;
    }
    Ok(())
}

fn never_overwrites(store: &dyn Backend) -> Result<()> {
    for handle in one_of_each_kind() {
        keep(store.put_new(&handle, b"first")? == Put::Created, store, "create what is new")?;
        for again in [b"first".as_slice(), b"second one", b""] {
            keep(store.put_new(&handle, again)? == Put::Exists, store, "see what stands there")?;
        }
        keep(store.get(&handle, None)? == b"first", store, "leave alone what stands there")?;
    }
    Ok(())
}

fn reads_exact_ranges(store: &dyn Backend) -> Result<()> {
    let handle = Handle::pack(PackId([0xab; 32]));
    let bytes = pattern(5000);
    store.put_new(&handle, &bytes)?;
    for (start, end) in [(0, 5000), (0, 0), (0, 1), (4999, 5000), (5000, 5000), (511, 1025)] {
        let part = store.get(&handle, Some(start as u64..end as u64))?;
        keep(Some(part.as_slice()) == bytes.get(start..end), store, "read an exact range")?;
    }
    for range in [0..5001, 5000..5001, 5001..5001, 0..u64::MAX, u64::MAX - 1..u64::MAX] {
        fails(store, store.get(&handle, Some(range)), Kind::Damaged, "see the end")?;
    }
    let backwards = Range { start: 3, end: 2 };
    fails(store, store.get(&handle, Some(backwards)), Kind::InvalidInput, "refuse a bad range")
}

fn is_sure_of_what_is_missing(store: &dyn Backend) -> Result<()> {
    for handle in one_of_each_kind() {
        fails(store, store.get(&handle, None), Kind::NotFound, "miss on read")?;
        fails(store, store.get(&handle, Some(0..1)), Kind::NotFound, "miss on a ranged read")?;
        fails(store, store.size(&handle), Kind::NotFound, "miss on size")?;
    }
    Ok(())
}

fn lists_each_kind_apart(store: &dyn Backend) -> Result<()> {
    for kind in ObjectKind::ALL {
        keep(store.list(kind)?.is_empty(), store, "list nothing where nothing is")?;
    }
    for handle in one_of_each_kind() {
        store.put_new(&handle, handle.name().as_bytes())?;
    }
    for prefix in ["", "0", "0f0f", "f", "0e", "0f0g"] {
        let mut found = BTreeSet::new();
        store.list_pages(ObjectKind::Pack, prefix, &mut |page| {
            found.extend(page.into_iter().map(|object| object.handle));
            Ok(())
        })?;
        let is_meant = |handle: &Handle| {
            handle.kind() == ObjectKind::Pack && handle.name().starts_with(prefix)
        };
        let expected: BTreeSet<_> = one_of_each_kind().into_iter().filter(is_meant).collect();
        keep(found == expected, store, "list just what begins with a prefix")?;
    }
    for kind in ObjectKind::ALL {
        let expected: BTreeSet<_> =
            one_of_each_kind().into_iter().filter(|handle| handle.kind() == kind).collect();
        let listed = store.list(kind)?;
        let sized = listed.iter().all(|object| object.size == object.handle.name().len() as u64);
        let found: BTreeSet<_> = listed.into_iter().map(|object| object.handle).collect();
        keep(found == expected && sized, store, "list every object of a kind with its size")?;
    }
    Ok(())
}

fn forgets_what_was_deleted(store: &dyn Backend) -> Result<()> {
    for handle in one_of_each_kind() {
        store.delete(&handle)?;
        store.put_new(&handle, b"x")?;
        store.delete(&handle)?;
        store.delete(&handle)?;
        fails(store, store.get(&handle, None), Kind::NotFound, "forget what was deleted")?;
        keep(store.list(handle.kind())?.is_empty(), store, "list nothing that was deleted")?;
    }
    let (gone, all) = (Handle::gc(9), one_of_each_kind());
    for handle in &all {
        store.put_new(handle, b"x")?;
    }
    store.delete_all(&[vec![gone], all].concat())?;
    for kind in ObjectKind::ALL {
        keep(store.list(kind)?.is_empty(), store, "delete several at once")?;
    }
    Ok(())
}

fn holds_large_objects(store: &dyn Backend) -> Result<()> {
    let handle = Handle::pack(PackId([0xcd; 32]));
    let bytes = Bytes::from(pattern(PACK_MAX));
    keep(store.put_shared(&handle, bytes.clone())? == Put::Created, store, "create what is large")?;
    keep(store.get(&handle, None)? == bytes, store, "give back what is large")
}

fn refuses_what_is_too_large(store: &dyn Backend) -> Result<()> {
    let handle = Handle::config(0);
    let bytes = vec![0; RECORD_MAX + 1];
    fails(store, store.put_new(&handle, &bytes), Kind::InvalidInput, "refuse too large a record")?;
    fails(store, store.size(&handle), Kind::NotFound, "leave nothing of what it refused")
}

fn lets_one_creator_win(store: &dyn Backend) -> Result<()> {
    store.put_new(&Handle::gc(99), b"to find out how this store creates")?;
    if !store.capabilities().exclusive_create {
        return Ok(());
    }
    for round in 0..16 {
        let handle = Handle::gc(round);
        let start = Barrier::new(4);
        let create = |creator: usize| {
            start.wait();
            store.put_new(&handle, &pattern(1000 + creator)).map(|put| (creator, put))
        };
        let puts: Vec<Result<(usize, Put)>> = thread::scope(|scope| {
            let create = &create;
            let creators: Vec<_> =
                (0..4).map(|creator| scope.spawn(move || create(creator))).collect();
            creators.into_iter().filter_map(|creator| creator.join().ok()).collect()
        });
        let puts: Vec<(usize, Put)> = puts.into_iter().collect::<Result<_>>()?;
        let mut winners = puts.iter().filter(|(_, put)| *put == Put::Created);
        let (winner, others) = (winners.next(), winners.count());
        keep(puts.len() == 4 && others == 0, store, "let one creator win")?;
        let standing = winner.map(|(creator, _)| pattern(1000 + creator));
        keep(Some(store.get(&handle, None)?) == standing, store, "keep what the winner put")?;
    }
    Ok(())
}

fn one_of_each_kind() -> Vec<Handle> {
    let id = SnapshotId([7; 16]);
    vec![
        Handle::config(3),
        Handle::key(SlotId([1; 16])),
        Handle::pack(PackId([0x0f; 32])),
        Handle::pack(PackId([0xf0; 32])),
        Handle::index(IndexId([2; 32])),
        Handle::writer(id),
        Handle::heartbeat(id, 12),
        Handle::snapshot(id),
        Handle::forgotten(id),
        Handle::note(NoteId([3; 16])),
        Handle::gc(4),
        Handle::verdict(4),
        Handle::quarantined(&Handle::pack(PackId([0x0f; 32])), &[5; 32]),
    ]
}

/// Bytes that differ from place to place.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at * 7 % 251).unwrap_or(0)).collect()
}

fn keep(kept: bool, store: &dyn Backend, promise: &str) -> Result<()> {
    if kept {
        return Ok(());
    }
    Err(Error::new(Kind::Failed, "rely on", store.describe())
        .because(format!("it does not {promise}")))
}

fn fails<T>(store: &dyn Backend, result: Result<T>, kind: Kind, promise: &str) -> Result<()> {
    keep(result.is_err_and(|error| error.kind() == kind), store, promise)
}
