//! Names in listings.

use icecore::format::ObjectKind;

/// A name is taken in exactly one spelling or not at all, and never leaves its folder.
pub fn names(bytes: &[u8]) {
    let Ok(name) = std::str::from_utf8(bytes) else { return };
    for kind in ObjectKind::ALL {
        let Some(handle) = icecore::format::Handle::parse(kind, name) else { continue };
        assert_eq!(handle.name(), name);
        let path = handle.path();
        assert!(path.starts_with(kind.folder()) && path.ends_with(name) && !path.contains(".."));
    }
}
