//! All that stands in a store, copied.

use icecore::backend::{Backend, Memory};
use icecore::format::ObjectKind;
use std::sync::Arc;

/// Puts everything that one store holds into another.
pub fn copy_into(from: &dyn Backend, to: &dyn Backend) {
    for kind in ObjectKind::ALL {
        for object in from.list(kind).unwrap() {
            to.put_new(&object.handle, &from.get(&object.handle, None).unwrap()).unwrap();
        }
    }
}

/// A copy in memory.
pub fn copy(store: &dyn Backend) -> Arc<Memory> {
    let copy = Arc::new(Memory::new());
    copy_into(store, &*copy);
    copy
}
