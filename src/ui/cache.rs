//! Where on this machine is kept what was read of repositories.

use super::global::Global;
use std::env::var_os;
use std::path::PathBuf;

/// The folder of all caches: the one that was named, or the user's own; none if there is
/// to be none, as an empty `ICECORE_CACHE_DIR` says too.
pub fn folder(global: &Global) -> Option<PathBuf> {
    if global.no_cache { None } else { place(global) }
}

/// The same, used or not.
pub fn place(global: &Global) -> Option<PathBuf> {
    if let Some(folder) = &global.cache_dir {
        return Some(folder.clone());
    }
    if let Some(folder) = var_os("ICECORE_CACHE_DIR") {
        return Some(PathBuf::from(folder)).filter(|folder| !folder.as_os_str().is_empty());
    }
    let path = |name| var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = path("XDG_CACHE_HOME").or_else(|| Some(path("HOME")?.join(".cache")));
    Some(caches?.join("icecore"))
}
