//! What the entries of listings are.

use crate::backend::{Handle, Listed};
use crate::format::ObjectKind;
use opendal::Entry;

/// The object that an entry is, if it is one of this kind.
pub(super) fn listed(kind: ObjectKind, entry: &Entry) -> Option<Listed> {
    let (_, name) = entry.path().rsplit_once('/')?;
    let handle = Handle::parse(kind, name).filter(|handle| handle.path() == entry.path())?;
    Some(Listed { handle, size: entry.metadata().content_length() })
}
