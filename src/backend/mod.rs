//! Keeps objects: whole objects in, ranges out, each written once under a name that is never
//! used again. Objects are addressed by kind and name; only a backend turns that into a path.
//!
//! Wrappers are backends too, from the outside in: [`Retry`], whose pauses keep nobody else waiting;
//! [`Limit`]; [`Counting`], which then sees every request; the store.

#[macro_use]
mod forward;

mod bounds;
mod contract;
#[cfg(feature = "testing")]
mod counting;
mod disk;
mod dry_run;
mod http;
mod lfs;
mod limit;
mod line;
mod local;
mod location;
mod memory;
mod occupied;
mod options;
mod pack_cache;
mod probe;
mod reserve;
mod retry;
mod several;
mod sftp;
mod shared;
mod spared;
mod spool;
mod temp;
#[cfg(feature = "testing")]
pub mod testing;

pub use crate::format::Handle;
pub use bytes::Bytes;
pub use contract::{LARGE, PROMISES, Promise};
#[cfg(feature = "testing")]
pub use counting::{Counting, Tally, Verb};
pub use dry_run::DryRun;
pub use http::BucketFacts;
pub use lfs::track_by_lfs;
pub use limit::Limit;
pub use local::Local;
pub use location::Location;
pub use memory::Memory;
pub use occupied::TRIALS;
pub use options::{Options, Rates};
pub use pack_cache::PackCache;
pub use probe::{is_of_probe, probe, probe_thoroughly};
pub use retry::Retry;
pub use spared::Spared;
pub use spool::Spool;

use crate::env::Time;
use crate::error::Result;
use crate::format::ObjectKind;
use std::ops::Range;
use std::time::Duration;

/// The outcome of [`Backend::put_shared`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The object was created, and is durable.
    Created,
    /// An object of this name stood there already; it was not touched. Its bytes may be ours,
    /// from an attempt whose answer was lost: the caller compares.
    Exists,
}

/// What a store can be trusted with, and how it is best asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Of several creators of one name exactly one wins, and nobody sees a torn object.
    pub exclusive_create: bool,
    /// A listing shows every object whose creation had returned before it began.
    pub list_after_write: bool,
    /// So many requests are worth having in flight at once, beside what else is done; with none,
    /// each is made by the thread that needs it.
    pub connections: usize,
    /// Ranges of one object that lie no more bytes apart than this are read as one.
    pub read_gap: u32,
    /// A request takes much longer than reading a file of this machine.
    pub far: bool,
    /// It keeps what a repository rests on from being deleted for so long after it was stored, because
    /// options ask it to.
    pub retention: Option<Duration>,
}

impl Default for Capabilities {
    /// Those of a good local disk, with all that the format wants of a store.
    fn default() -> Self {
        Capabilities {
            exclusive_create: true,
            list_after_write: true,
            connections: 4,
            read_gap: 64 << 10,
            far: false,
            retention: None,
        }
    }
}

/// A store of objects. Calls block; implementations are shared between threads.
pub trait Backend: Send + Sync {
    /// Where this is, for messages.
    fn describe(&self) -> String;

    /// What this store can be trusted with, and how it is best asked, as far as that is known
    /// without asking: what takes a try may turn out once an object was created.
    fn capabilities(&self) -> Capabilities;

    /// Creates an object that did not exist. On return it is durable (file and folder synced),
    /// and so is one that exists already.
    ///
    /// # Errors
    /// `InvalidInput` for more bytes than an object of its kind may have. After any other error
    /// the object may stand there or not, but never in part.
    fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put>;

    /// The object's bytes, or exactly those in `range`.
    ///
    /// # Errors
    /// `NotFound` only if the store is sure; `Damaged` if the object ends inside the range.
    fn get(&self, handle: &Handle, range: Option<Range<u64>>) -> Result<Vec<u8>>;

    /// The object's length in bytes. `NotFound` as for [`Backend::get`].
    fn size(&self, handle: &Handle) -> Result<u64>;

    /// Hands all objects of a kind whose names begin with `prefix` to `visit`, page by page, in
    /// no particular order, maybe some of them twice. Names outside the grammar of [`Handle`] are
    /// left out; a kind without objects has no pages, or empty ones.
    ///
    /// # Errors
    /// Those of the store and of `visit`, which both end it.
    fn list_pages(&self, kind: ObjectKind, prefix: &str, visit: &mut Visit<'_>) -> Result<()>;

    /// Deletes objects, durably; that some are gone already is no error.
    ///
    /// # Errors
    /// That of the first that could not be deleted, after all were tried.
    fn delete_all(&self, handles: &[Handle]) -> Result<()>;

    /// Until when the store itself keeps each of these from being deleted, where it does so now.
    fn retained(&self, handles: &[Handle]) -> Result<Vec<Option<Time>>> {
        Ok(vec![None; handles.len()])
    }

    /// Has a store with [`Capabilities::retention`] keep these for that long from now on, where no more
    /// than half of it is left; how many these were.
    fn retain(&self, _handles: &[Handle]) -> Result<u64> {
        Ok(0)
    }

    /// [`Backend::put_shared`] with a copy of the bytes: for small objects.
    fn put_new(&self, handle: &Handle, bytes: &[u8]) -> Result<Put> {
        self.put_shared(handle, Bytes::copy_from_slice(bytes))
    }

    /// All objects of a kind, in no particular order: for kinds of which there are few.
    fn list(&self, kind: ObjectKind) -> Result<Vec<Listed>> {
        let mut all = Vec::new();
        self.list_pages(kind, "", &mut |page| {
            all.extend(page);
            Ok(())
        })?;
        Ok(all)
    }

    /// [`Backend::delete_all`] of one object.
    fn delete(&self, handle: &Handle) -> Result<()> {
        self.delete_all(std::slice::from_ref(handle))
    }
}

/// Takes the pages of a listing.
pub type Visit<'v> = dyn FnMut(Vec<Listed>) -> Result<()> + 'v;

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Kind and name.
    pub handle: Handle,
    /// Length in bytes.
    pub size: u64,
}
