//! Keeps objects: whole objects in, ranges out, each written once under a name that is never
//! used again. Objects are addressed by kind and name; only a backend turns that into a path.

mod bounds;
mod counting;
mod disk;
mod dry_run;
mod local;
mod location;
mod memory;
mod probe;
mod reserve;
mod shared;
mod temp;
pub mod testing;

pub use crate::format::Handle;
pub use counting::{Counting, Tally, Verb};
pub use dry_run::DryRun;
pub use local::Local;
pub use location::Location;
pub use memory::Memory;
pub use probe::{is_of_probe, probe};

use crate::error::Result;
use crate::format::ObjectKind;
use std::ops::Range;

/// What became of [`Backend::put_new`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// The object was created, and is durable.
    Created,
    /// An object of this name stood there already; it was not touched. Its bytes may be ours,
    /// from an attempt whose answer was lost: the caller compares.
    Exists,
}

/// What a store can be trusted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits {
    /// Of several creators of one name exactly one wins, and nobody sees a torn object.
    pub exclusive_create: bool,
    /// A listing shows every object whose creation had returned before it began.
    pub listing_after_write: bool,
}

impl Default for Traits {
    /// With all that the format wants of a store.
    fn default() -> Self {
        Traits { exclusive_create: true, listing_after_write: true }
    }
}

/// A store of objects. Calls block; implementations are shared between threads.
pub trait Backend: Send + Sync {
    /// Where this is, for messages.
    fn describe(&self) -> String;

    /// What this store can be trusted with.
    fn traits(&self) -> Traits;

    /// Creates an object that did not exist. On return it is durable (file and folder synced),
    /// and so is one that exists already.
    ///
    /// # Errors
    /// `InvalidInput` for more bytes than an object of its kind may have. After any other error
    /// the object may stand there or not, but never in part.
    fn put_new(&self, handle: &Handle, bytes: &[u8]) -> Result<Put>;

    /// The object's bytes, or exactly those in `range`.
    ///
    /// # Errors
    /// `NotFound` only if the store is sure; `Damaged` if the object ends inside the range.
    fn get(&self, handle: &Handle, range: Option<Range<u64>>) -> Result<Vec<u8>>;

    /// The object's length in bytes. `NotFound` as for [`Backend::get`].
    fn size(&self, handle: &Handle) -> Result<u64>;

    /// All objects of a kind, in no particular order. Names outside the grammar of
    /// [`Handle`] are left out; a kind without objects is an empty list.
    fn list(&self, kind: ObjectKind) -> Result<Vec<Listed>>;

    /// Deletes an object, durably; that it is gone already is no error.
    fn delete(&self, handle: &Handle) -> Result<()>;
}

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Kind and name.
    pub handle: Handle,
    /// Length in bytes.
    pub size: u64,
}
