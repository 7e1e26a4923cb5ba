//! Owner, extended attributes, mode and times, in the order in which none undoes another.

use super::report::Reporter;
use crate::format::directory::Metadata;
use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};
use rustix::io::Errno;
use rustix::process::geteuid;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

/// Attributes that give privileges, as setuid does, or that the system trusts as its own.
const PRIVILEGED: [&[u8]; 2] = [b"security.", b"trusted."];
const ACLS: [&str; 2] = ["system.posix_acl_access", "system.posix_acl_default"];

/// What this process may give back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rights {
    /// Owners.
    pub owners: bool,
    /// Devices, setuid and setgid bits, privileged attributes.
    pub special: bool,
}

impl Rights {
    /// Those of root, the special ones only if `wanted`; none of a user.
    pub(super) fn of_this_process(wanted: bool) -> Self {
        let root = geteuid().is_root();
        Rights { owners: root, special: root && wanted }
    }
}

/// What the descriptor that metadata is applied to leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thing {
    /// A regular file, open for writing.
    File,
    /// A directory, open for reading.
    Directory,
    /// A symbolic link, open as a path only: it has no mode.
    Symlink,
    /// Anything else, open as a path only.
    Special,
}

/// Applies `meta` to what `fd` leads to; trouble is reported and is no error.
pub(super) fn apply(
    fd: BorrowedFd<'_>,
    thing: Thing,
    meta: &Metadata,
    rights: Rights,
    path: &Path,
    reporter: &Reporter,
) {
    let to = Applied { fd, thing, rights, path, reporter };
    // A change of owner takes setuid bits and capabilities off; setting an attribute may need
    // a mode that allows writing; anything may change the times.
    to.owner(meta);
    to.xattrs(meta);
    to.mode(meta);
    to.times(meta);
}

struct Applied<'a> {
    fd: BorrowedFd<'a>,
    thing: Thing,
    rights: Rights,
    path: &'a Path,
    reporter: &'a Reporter,
}

impl Applied<'_> {
    fn owner(&self, meta: &Metadata) {
        if !self.rights.owners {
            if meta.uid != geteuid().as_raw() {
                self.reporter.owner();
            }
            return;
        }
        // These numbers mean "leave it" to the system.
        if meta.uid == u32::MAX || meta.gid == u32::MAX {
            return self.reporter.metadata(self.path, "owner", "it is no valid number");
        }
        let (uid, gid) = (Uid::from_raw(meta.uid), Gid::from_raw(meta.gid));
        let result = match self.thing {
            Thing::File | Thing::Directory => rustix::fs::fchown(self.fd, Some(uid), Some(gid)),
            _ => rustix::fs::chownat(self.fd, "", Some(uid), Some(gid), AtFlags::EMPTY_PATH),
        };
        self.note("owner", result);
    }

    fn xattrs(&self, meta: &Metadata) {
        for acl in ACLS {
            // Inherited from the folder's default.
            if !meta.xattrs.keys().any(|name| name.as_slice() == acl.as_bytes()) {
                let _ = match self.thing {
                    Thing::File | Thing::Directory => rustix::fs::fremovexattr(self.fd, acl),
                    _ => Ok(()),
                };
            }
        }
        for (name, value) in &meta.xattrs {
            let privileged = PRIVILEGED.iter().any(|space| name.starts_with(space));
            if privileged && !self.rights.special {
                self.reporter.xattr(self.path, name, "privileges are only restored when asked for");
                continue;
            }
            let flags = XattrFlags::empty();
            let result = match self.thing {
                Thing::File | Thing::Directory => {
                    rustix::fs::fsetxattr(self.fd, name.as_slice(), value, flags)
                }
                // The descriptor leads to the very thing, a symbolic link too.
                _ => rustix::fs::setxattr(self.through_proc(), name.as_slice(), value, flags),
            };
            if let Err(cause) = result {
                self.reporter.xattr(self.path, name, &cause.to_string());
            }
        }
    }

    fn mode(&self, meta: &Metadata) {
        let mut mode = meta.mode & 0o7777;
        // On a directory setgid only says who owns what is made in it.
        let privileged = if self.thing == Thing::Directory { 0o4000 } else { 0o6000 };
        if mode & privileged != 0 && !self.rights.special {
            mode &= !privileged;
            self.reporter.special_mode(self.path);
        }
        let mode = Mode::from_raw_mode(mode);
        let result = match self.thing {
            Thing::File | Thing::Directory => rustix::fs::fchmod(self.fd, mode),
            Thing::Special => rustix::fs::chmodat(CWD, self.through_proc(), mode, AtFlags::empty()),
            Thing::Symlink => Ok(()),
        };
        self.note("mode", result);
    }

    fn times(&self, meta: &Metadata) {
        let omitted = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
        let modified = Timespec { tv_sec: meta.mtime.0, tv_nsec: i64::from(meta.mtime.1) };
        let times = Timestamps { last_access: omitted, last_modification: modified };
        let result = match self.thing {
            Thing::File | Thing::Directory => rustix::fs::futimens(self.fd, &times),
            _ => rustix::fs::utimensat(self.fd, "", &times, AtFlags::EMPTY_PATH),
        };
        self.note("time", result);
    }

    fn through_proc(&self) -> String {
        format!("/proc/self/fd/{}", self.fd.as_raw_fd())
    }

    fn note(&self, what: &str, result: Result<(), Errno>) {
        if let Err(cause) = result {
            self.reporter.metadata(self.path, what, &cause.to_string());
        }
    }
}
