//! Paths within snapshots: bytes, with `/` between names.

/// Whether `path` is `outer` or lies within it.
pub(super) fn is_within(path: &[u8], outer: &[u8]) -> bool {
    match path.strip_prefix(outer) {
        Some(rest) => rest.is_empty() || outer.ends_with(b"/") || rest.starts_with(b"/"),
        None => false,
    }
}

/// Adds a name to a path; the length to go back to.
pub(super) fn push(path: &mut Vec<u8>, name: &[u8]) -> usize {
    let length = path.len();
    if !path.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    length
}
