//! Which file systems a folder or a file can lie on, by their magic numbers (statfs(2)).

use std::io;
use std::os::fd::AsFd;

/// Those that one machine alone writes to.
const OF_ONE_MACHINE: [i64; 11] = [
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // xfs
    0x9123_683E, // btrfs
    0x2FC1_2FC1, // zfs
    0xCA45_1A4E, // bcachefs
    0xF2F5_2010, // f2fs
    0x3153_464A, // jfs
    0x5265_4973, // reiserfs
    0x0102_1994, // tmpfs
    0x8584_58F6, // ramfs
    0x794C_7630, // overlayfs
];

/// The magic number of the file system that `fd` lies on.
///
/// # Errors
/// Those of fstatfs(2).
pub fn magic(fd: impl AsFd) -> io::Result<i64> {
    let found = rustix::fs::fstatfs(fd)?.f_type;
    // Its type differs by machine.
    #[allow(clippy::useless_conversion, clippy::unnecessary_fallible_conversions)]
    let found = i64::try_from(found).unwrap_or(0);
    Ok(found & 0xffff_ffff)
}

/// Whether the file system of `fd` is this machine's alone: all its writers see the same locks, and
/// go by the same clock. One that is not known counts as remote.
pub fn is_of_this_machine(fd: impl AsFd) -> bool {
    magic(fd).is_ok_and(|found| OF_ONE_MACHINE.contains(&found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    /// A file system in memory is this machine's. What the kernel makes up is none to rely on; nor is one that other
    /// machines may write to.
    #[test]
    fn only_known_file_systems_are_of_this_machine() {
        assert!(is_of_this_machine(File::open("/dev/shm").unwrap()));
        let made_up = File::open("/proc").unwrap();
        assert_eq!(magic(&made_up).unwrap(), 0x9FA0);
        assert!(!is_of_this_machine(&made_up));
        // NFS, SMB, CIFS, SMB2, FUSE, 9p, Ceph.
        for shared in
            [0x6969, 0x517B, 0xFF53_4D42, 0xFE53_4D42, 0x6573_5546, 0x0102_1997, 0x00C3_6400]
        {
            assert!(!OF_ONE_MACHINE.contains(&shared), "{shared:#x}");
        }
    }
}
